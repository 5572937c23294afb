"""Who gets what, line by line: each row of the specification's table 1.8 as a change and what each person is then owed.

A row that our rules depart from says so, with the decision that gives the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon.core.delivery import Sent
from daemon.core.ics import build_calendar
from daemon.core.itip import ITip, MailKind, after_sending, next_dtstamp, owed, with_sequences
from daemon.core.model import Entry, EntryState, Method, PartStat, Status
from daemon.core.zones import to_utc
from tests.core.builders import (
    ANNA,
    BEN,
    CLARA,
    DRESS,
    HOUR,
    NOW,
    ORGANIZER,
    START,
    UID,
    ZONE,
    a_series,
    a_when,
    an_answer,
    an_attendee,
    an_entry,
    an_occurrence,
    answered,
    nth,
    told,
)

SPECIFICATION = Path(__file__).parents[2].parent / "shared" / "reference" / "itip.md"
LATER = NOW + timedelta(hours=2)
REQUEST, CANCEL = Method.REQUEST, Method.CANCEL
EVERYBODY = (ANNA, BEN, CLARA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gets:
    """One message as its recipient sees it. `about`: the dates in it by original wall start, None for the series."""

    method: Method
    kind: MailKind
    sequence: int
    asks: bool
    listed: tuple[str, ...]
    about: tuple[datetime | None, ...] = (None,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A change, and who gets what. `told`: whether those on the list of `before` know of it."""

    before: Entry | None
    after: Entry
    gets: dict[str, tuple[Gets, ...]]
    told: tuple[str, ...] = (ANNA, BEN)
    private: bool = False
    now: datetime = LATER
    more: Callable[[dict[str, tuple[ITip, ...]]], None] = field(default=lambda _: None)


def edited(before: Entry, **changes: Any) -> Entry:
    return with_sequences(before, replace(before, **changes))


def invitation(*listed: str, sequence: int = 0, **changes: Any) -> Gets:
    values: dict[str, Any] = {"method": REQUEST, "kind": MailKind.INVITATION, "asks": True}
    return Gets(sequence=sequence, listed=listed, **(values | changes))


def partstats(message: ITip, at: int = 0) -> dict[str, tuple[PartStat, bool]]:
    return {one.email: (one.partstat, one.rsvp) for one in message.components[at].guests}


ASKED = (PartStat.NEEDS_ACTION, True)
SERIES = answered(a_series(), an_answer(a_series()), an_answer(a_series(), BEN))
TWO_OWN = a_series(an_occurrence(1, cancelled=True), an_occurrence(2, start=nth(2) + HOUR, sequence=4), sequence=3)
SINGLE = answered(an_entry(), an_answer(an_entry()), an_answer(an_entry(), BEN))
ONE_DATE = an_occurrence(1, attendees=(*an_entry().attendees, an_attendee(CLARA)))


def _everybody_is_asked_anew(owes: dict[str, tuple[ITip, ...]]) -> None:
    for (message,) in owes.values():
        assert set(partstats(message).values()) == {ASKED}


def _answers_stay(owes: dict[str, tuple[ITip, ...]]) -> None:
    for (message,) in owes.values():
        assert partstats(message) == {ANNA: (PartStat.ACCEPTED, False), BEN: (PartStat.ACCEPTED, False)}


def _the_whole_object(owes: dict[str, tuple[ITip, ...]]) -> None:
    (message,) = owes[CLARA]
    assert [one.sequence for one in message.components] == [3, 4]
    assert message.components[0].exdates == (nth(1),)


def _a_full_vevent_of_that_date(owes: dict[str, tuple[ITip, ...]]) -> None:
    (message,) = owes[ANNA]
    text = build_calendar(message.components, method=REQUEST, dtstamp=LATER).decode()
    for line in (
        "BEGIN:VTIMEZONE",
        "RECURRENCE-ID;TZID=Europe/Berlin:20270118T100000",
        "DTSTART;TZID=Europe/Berlin:20270118T110000",
    ):
        assert f"\r\n{line}\r\n" in text
    assert "RRULE:FREQ=WEEKLY" not in text
    assert "\r\nORGANIZER" in text
    assert partstats(message)[ANNA] == ASKED


def _a_cancellation_of_that_date(owes: dict[str, tuple[ITip, ...]]) -> None:
    for (message,) in owes.values():
        text = build_calendar(message.components, method=CANCEL, dtstamp=LATER).decode()
        assert "\r\nRECURRENCE-ID;TZID=Europe/Berlin:20270118T100000\r\n" in text
        assert "\r\nSTATUS:CANCELLED\r\n" in text


def _all_that_a_cancel_needs(owes: dict[str, tuple[ITip, ...]]) -> None:
    (message,) = owes[ANNA]
    text = build_calendar(message.components, method=CANCEL, dtstamp=LATER).decode().replace("\r\n ", "")
    for line in (
        "METHOD:CANCEL",
        f"UID:{UID}",
        "DTSTAMP:20261122T140000Z",
        "SEQUENCE:1",
        "DTSTART;TZID=Europe/Berlin:20270111T100000",
        "DTEND;TZID=Europe/Berlin:20270111T110000",
        "SUMMARY:Haushaltsausschuss",
        "STATUS:CANCELLED",
    ):
        assert f"\r\n{line}\r\n" in text
    assert text.count("\r\nATTENDEE") == 1
    assert "\r\nORGANIZER" in text
    assert "RECURRENCE-ID" not in text
    assert message.components[0].status is Status.CANCELLED


ROWS: dict[str, Row] = {
    "created": Row(
        before=None,
        after=an_entry(),
        told=(),
        gets={ANNA: (invitation(ANNA, BEN),), BEN: (invitation(ANNA, BEN),)},
        more=_everybody_is_asked_anew,
    ),
    "attendee added": Row(
        before=(
            series := a_series(an_occurrence(1, cancelled=True), an_occurrence(2, start=nth(2) + HOUR, sequence=4), sequence=3)
        ),
        after=edited(TWO_OWN, attendees=(*TWO_OWN.attendees, an_attendee(CLARA))),
        gets={CLARA: (invitation(ANNA, BEN, CLARA, sequence=3, about=(None, nth(2))),)},
        more=_the_whole_object,
    ),
    "attendee removed": Row(
        before=SINGLE,
        after=edited(SINGLE, attendees=(an_attendee(ANNA),)),
        gets={BEN: (Gets(method=CANCEL, kind=MailKind.REMOVAL, sequence=1, asks=False, listed=(BEN,)),)},
    ),
    "rescheduled (1.1 list)": Row(
        before=SERIES,
        after=edited(SERIES, when=a_when(START + HOUR)),
        gets={to: (Gets(method=REQUEST, kind=MailKind.UPDATE, sequence=1, asks=True, listed=(ANNA, BEN)),) for to in (ANNA, BEN)},
        more=_everybody_is_asked_anew,
    ),
    "text, place, link changed": Row(
        before=SINGLE,
        after=edited(SINGLE, title="Haushalt", location="Saal 2"),
        gets={
            to: (Gets(method=REQUEST, kind=MailKind.INFORMATION, sequence=1, asks=False, listed=(ANNA, BEN)),)
            for to in (ANNA, BEN)
        },
        more=_answers_stay,
    ),
    "one occurrence changed": Row(
        before=SERIES,
        after=edited(SERIES, occurrences=(an_occurrence(1, start=nth(1) + HOUR),)),
        gets={
            to: (
                Gets(
                    method=REQUEST,
                    kind=MailKind.OCCURRENCE_UPDATE,
                    sequence=1,
                    asks=True,
                    listed=(ANNA, BEN),
                    about=(nth(1),),
                ),
            )
            for to in (ANNA, BEN)
        },
        more=_a_full_vevent_of_that_date,
    ),
    "attendee only at some occurrences": Row(
        before=SERIES,
        after=edited(SERIES, occurrences=(ONE_DATE, replace(ONE_DATE, recurrence_id=nth(3)))),
        # "One mail per occurrence if more than a few (Outlook shows one)": always, since one of two is lost as well.
        gets={CLARA: tuple(invitation(ANNA, BEN, CLARA, about=(nth(week),)) for week in (1, 3))},
    ),
    "one occurrence cancelled": Row(
        before=SERIES,
        after=edited(SERIES, occurrences=(an_occurrence(1, cancelled=True),)),
        gets={
            to: (
                Gets(
                    method=CANCEL,
                    kind=MailKind.OCCURRENCE_CANCELLATION,
                    sequence=1,
                    asks=False,
                    listed=(to,),
                    about=(nth(1),),
                ),
            )
            for to in (ANNA, BEN)
        },
        more=_a_cancellation_of_that_date,
    ),
    "series cancelled": Row(
        before=SERIES,
        after=edited(SERIES, state=EntryState.CANCELLED),
        gets={to: (Gets(method=CANCEL, kind=MailKind.CANCELLATION, sequence=1, asks=False, listed=(to,)),) for to in (ANNA, BEN)},
        more=_all_that_a_cancel_needs,
    ),
    "cancelled attendee invited again": Row(
        before=(without := edited(SINGLE, attendees=(an_attendee(BEN),))),
        after=edited(without, attendees=SINGLE.attendees),
        gets={ANNA: (Gets(method=REQUEST, kind=MailKind.REINVITATION, sequence=2, asks=True, listed=(ANNA, BEN)),)},
    ),
    # The specification wants a new UID; decision 0008 keeps it, since SEQUENCE says which message is newer.
    "whole series revived": Row(
        before=(off := edited(SERIES, state=EntryState.CANCELLED)),
        after=edited(off, state=EntryState.PLANNED),
        gets={
            to: (Gets(method=REQUEST, kind=MailKind.REINVITATION, sequence=2, asks=True, listed=(ANNA, BEN)),)
            for to in (ANNA, BEN)
        },
    ),
    "events wholly in the past": Row(
        before=SERIES,
        after=edited(SERIES, title="Haushalt", location="Saal 2", state=EntryState.CANCELLED),
        now=to_utc(nth(6), ZONE),
        gets={},
    ),
    "address book of guests is private": Row(
        before=None,
        after=a_series(ONE_DATE),
        told=(),
        private=True,
        gets={
            ANNA: (invitation(ANNA),),  # without the date that only others' coming makes different
            BEN: (invitation(BEN),),
            CLARA: (invitation(CLARA, about=(nth(1),)),),
        },
    ),
}


def known(row: Row, email: str) -> Sent | None:
    """What he knows before the change: what is owed by `before`, and for what was off already, what came before that."""
    if row.before is None or email not in row.told:
        return None
    sent = told(SINGLE if row.before.rrule is None else replace(row.before, state=EntryState.PLANNED, sequence=0), email)
    for message in owed(row.before, email, sent, organizer=ORGANIZER, dress=DRESS, now=NOW):
        sent = after_sending(sent, row.before, email, message, dtstamp=next_dtstamp(sent, NOW), message_id="<x@example.org>")
    return sent


@pytest.mark.parametrize("name", ROWS)
def test_the_row_is_kept(name: str) -> None:
    row = ROWS[name]
    owes = {
        email: owed(row.after, email, known(row, email), organizer=ORGANIZER, dress=DRESS, now=row.now, private=row.private)
        for email in EVERYBODY
    }
    owes = {email: messages for email, messages in owes.items() if messages}
    assert {email: tuple(seen(one) for one in messages) for email, messages in owes.items()} == row.gets
    row.more(owes)


def seen(message: ITip) -> Gets:
    (listed,) = {tuple(guest.email for guest in one.guests) for one in message.components[-1:]}
    return Gets(
        method=message.method,
        kind=message.kind,
        sequence=message.components[0].sequence,
        asks=message.asks,
        listed=listed,
        about=tuple(None if one.recurrence_id is None else one.recurrence_id.replace(tzinfo=None) for one in message.components),
    )


def test_every_row_of_the_specification_is_here() -> None:
    if not SPECIFICATION.exists():
        pytest.skip("the specification is not on this machine")
    table = SPECIFICATION.read_text(encoding="utf-8").split("### 1.8")[1].split("###")[0]
    first_cells = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|")]
    assert first_cells[2:] == list(ROWS)
