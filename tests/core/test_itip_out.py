"""Who gets what (RFC 5546 3.2; rules with their clauses in `itip_table.TABLE`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.delivery import Sent
from daemon.core.ics import build_calendar, parse_calendar
from daemon.core.itip import TABLE, Change, ITip, MailKind, after_sending, next_dtstamp, owed, with_sequences
from daemon.core.model import (
    Attendee,
    Component,
    Entry,
    EntryState,
    Guest,
    Language,
    Method,
    Occurrence,
    PartStat,
    Role,
    Sender,
    Status,
)
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
    WEEK,
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

ACCEPTED, DECLINED, NEEDS_ACTION = PartStat.ACCEPTED, PartStat.DECLINED, PartStat.NEEDS_ACTION
LATER = NOW + timedelta(hours=2)
DAY = timedelta(days=1)


def owes(entry: Entry, sent: Sent | None = None, *, to: str = ANNA, now: datetime = LATER, **dress: Any) -> tuple[ITip, ...]:
    return owed(entry, to, sent, organizer=ORGANIZER, dress=replace(DRESS, **dress), now=now)


def owes_one(entry: Entry, sent: Sent | None = None, *, to: str = ANNA, now: datetime = LATER) -> ITip:
    (message,) = owes(entry, sent, to=to, now=now)
    return message


def edited(before: Entry, **changes: Any) -> Entry:
    return with_sequences(before, replace(before, **changes))


def sends(entry: Entry, sent: Sent | None, messages: Sequence[ITip], *, to: str = ANNA) -> Sent:
    for message in messages:
        sent = after_sending(sent, entry, to, message, dtstamp=next_dtstamp(sent, LATER), message_id="<x@example.org>")
    assert sent is not None
    return sent


def guest(component: Component, email: str = ANNA) -> Guest:
    return next(one for one in component.guests if one.email == email)


def on_wire(name: datetime) -> datetime:
    return name.replace(tzinfo=ZoneInfo(ZONE))


def test_each_change_has_exactly_one_row_with_clause_and_reason() -> None:
    assert [row.change for row in TABLE] == list(Change)
    assert all(row.clause.startswith("RFC 5546 ") and row.reason for row in TABLE)


# Nothing to tell


@pytest.mark.parametrize(
    ("entry", "to"),
    [
        (an_entry(), CLARA),
        (an_entry(invited=False), ANNA),
        (an_entry(when=None), ANNA),
        (an_entry(sender=Sender.CALENDAR), ANNA),
        (an_entry(state=EntryState.CANCELLED), ANNA),
        (an_entry(state=EntryState.DELETED), ANNA),
        (an_entry(attendees=(Attendee(email=ORGANIZER.email),)), ORGANIZER.email),
        (an_entry(when=a_when(START - 52 * WEEK)), ANNA),
        (a_series(when=a_when(START - 52 * WEEK)), ANNA),
        (a_series(an_occurrence(0, attendees=(an_attendee(CLARA),)), when=a_when(START - 52 * WEEK)), CLARA),
    ],
    ids=[
        "not on the list",
        "not invited",
        "no date",
        "the calendar invites",
        "cancelled",
        "deleted",
        "the organizer himself",
        "over",
        "series over",
        "his date over",
    ],
)
def test_who_was_never_told_and_need_not_know_gets_nothing(entry: Entry, to: str) -> None:
    assert owes(entry, to=to) == ()


def test_what_is_over_meanwhile_is_not_corrected() -> None:
    sent = told(an_entry())
    assert owes(edited(an_entry(), title="x"), sent, now=to_utc(START + HOUR, ZONE)) == ()
    assert owes(edited(an_entry(), state=EntryState.CANCELLED), sent, now=to_utc(START + HOUR, ZONE)) == ()
    assert owes(an_entry(attendees=()), sent, now=to_utc(START + HOUR, ZONE)) == ()


def test_who_still_expects_a_date_ahead_is_told_even_if_the_entry_moved_into_the_past() -> None:
    moved = edited(an_entry(), when=a_when(START - 52 * WEEK))
    assert owes_one(moved, told(an_entry())).kind is MailKind.UPDATE


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"attendees": (an_attendee(ANNA, "Anna M."), an_attendee(BEN), an_attendee(CLARA))},
        {"attendees": (an_attendee(ANNA),)},
        {"answers": (an_answer(an_entry(), BEN, DECLINED),)},
        {"remind": False, "reminders": (HOUR,)},
        {"password": "x"},
        {"when": a_when(zone="Arctic/Longyearbyen")},
        {"when": a_when(START - HOUR, zone="UTC")},
        {"sender": Sender.CALENDAR, "title": "x"},
        {"invited": False, "title": "x"},
    ],
    ids=[
        "nothing",
        "another guest added",
        "another guest removed",
        "an answer",
        "reminders",
        "a password he is not shown",
        "a zone alias",
        "the same instant",
        "the calendar invites now",
        "kept back",
    ],
)
def test_who_was_told_is_not_told_again_what_does_not_concern_him(changes: dict[str, Any]) -> None:
    assert owes(edited(an_entry(), **changes), told(an_entry())) == ()


def test_an_edit_taken_back_before_it_was_sent_owes_nothing() -> None:
    moved = edited(an_entry(), when=a_when(START + HOUR), title="x")
    back = edited(moved, when=a_when(), title=an_entry().title)
    assert back.sequence == 2
    assert owes(back, told(an_entry())) == ()


# Invitations


def test_a_new_attendee_gets_the_whole_with_the_sequence_it_has() -> None:
    entry = answered(an_entry(sequence=4), an_answer(an_entry(), BEN))
    message = owes_one(entry)
    assert (message.method, message.kind, message.asks, message.before, message.recurrence_id) == (
        Method.REQUEST,
        MailKind.INVITATION,
        True,
        None,
        None,
    )
    (component,) = message.components
    assert (component.uid, component.sequence, component.when, component.dtstamp) == (UID, 4, entry.when, None)
    assert (component.organizer, component.url, component.location) == (ORGANIZER, DRESS.link, DRESS.link)
    assert component.description.startswith("Bitte Zahlen mitbringen.\n\n──── Sitzung ────\n")
    assert component.guests == (
        Guest(email=ANNA, name="Anna", partstat=NEEDS_ACTION, rsvp=True),
        Guest(email=BEN, name="Ben", partstat=ACCEPTED, rsvp=False),
    )


def test_who_said_yes_by_telephone_before_is_asked_all_the_same() -> None:
    (component,) = owes_one(answered(an_entry(), an_answer(an_entry()))).components
    assert (guest(component).partstat, guest(component).rsvp) == (NEEDS_ACTION, True)


def test_a_series_comes_with_exdates_and_his_dates_ahead() -> None:
    entry = a_series(
        an_occurrence(0, start=nth(0) + HOUR, sequence=1),
        an_occurrence(1, cancelled=True, sequence=1),
        an_occurrence(2, attendees=(an_attendee(BEN),)),
        an_occurrence(3, start=nth(3) + HOUR, sequence=1),
        an_occurrence(4, attendees=(an_attendee(ANNA), an_attendee(CLARA))),
        an_occurrence(5, title="Abschluss"),
        sequence=3,
    )
    message = owes_one(entry, now=to_utc(nth(0) + DAY, ZONE))
    assert [one.recurrence_id for one in message.components] == [None, on_wire(nth(3)), on_wire(nth(4)), on_wire(nth(5))]
    assert message.components[0].exdates == (nth(1), nth(2))
    assert {one.sequence for one in message.components} == {3}, "no date is older than its series"
    assert message.asked == {None, nth(3), nth(4), nth(5)}
    assert [one.email for one in message.components[2].guests] == [ANNA, CLARA]


def test_a_date_that_was_moved_into_the_past_comes_with_its_series() -> None:
    """Left out as "over", it stood in his calendar at its old time, which is still ahead."""
    entry = a_series(an_occurrence(0, start=nth(0) - 20 * WEEK, sequence=1))
    assert [one.recurrence_id for one in owes_one(entry).components] == [None, on_wire(nth(0))]


def test_who_comes_to_single_dates_gets_only_those() -> None:
    people = (an_attendee(ANNA), an_attendee(CLARA, role=Role.OPT_PARTICIPANT))
    entry = a_series(
        an_occurrence(1, attendees=people), an_occurrence(2, attendees=people, cancelled=True), an_occurrence(4, attendees=people)
    )
    messages = owes(entry, to=CLARA)
    assert [(one.kind, one.recurrence_id, one.before, one.asks) for one in messages] == [
        (MailKind.INVITATION, nth(1), None, True),
        (MailKind.INVITATION, nth(4), None, True),
    ]
    assert [[one.recurrence_id for one in message.components] for message in messages] == [[on_wire(nth(1))], [on_wire(nth(4))]]
    assert [one.email for one in messages[0].components[0].guests] == [ANNA, CLARA]


def test_single_dates_go_on_where_their_mails_were_interrupted() -> None:
    """A mail for each date: what was sent before the mail server went away is not sent again."""
    entry = a_series(*(an_occurrence(week, attendees=(an_attendee(CLARA),)) for week in (1, 2, 4)))
    first, *_ = owes(entry, to=CLARA)
    sent = sends(entry, None, [first], to=CLARA)
    rest = owes(entry, sent, to=CLARA)
    assert [(one.kind, one.recurrence_id) for one in rest] == [(MailKind.INVITATION, nth(2)), (MailKind.INVITATION, nth(4))]
    assert owes(entry, sends(entry, sent, rest, to=CLARA), to=CLARA) == ()


# Changes of the whole


def test_a_move_asks_everybody_whose_answer_is_outdated() -> None:
    before = answered(an_entry(), an_answer(an_entry()), an_answer(an_entry(), BEN, DECLINED))
    entry = edited(before, when=a_when(START + DAY))
    entry = answered(replace(entry, answers=before.answers[:1]), an_answer(entry, BEN))
    message = owes_one(entry, told(before))
    assert (message.kind, message.asks, message.before) == (MailKind.UPDATE, True, told(before).components[0])
    (component,) = message.components
    assert component.sequence == 1
    assert [(one.partstat, one.rsvp) for one in component.guests] == [(NEEDS_ACTION, True), (ACCEPTED, False)]


def test_a_move_that_was_taken_back_after_it_was_sent_asks_again_with_a_greater_sequence() -> None:
    """His calendar holds the moved date, and his answer to that may be on its way."""
    before = answered(an_entry(), an_answer(an_entry()))
    moved = edited(before, when=a_when(START + DAY))
    sent = told(moved, sent=told(before))
    (component,) = owes_one(edited(moved, when=a_when()), sent).components
    assert component.sequence == 2
    assert guest(component).partstat is NEEDS_ACTION


@pytest.mark.parametrize(
    ("changes", "sequence"),
    [({"title": "x"}, 0), ({"description": "x"}, 0), ({"telephone": True}, 0), ({"location": "Saal 2"}, 1)],
    ids=["title", "text", "telephone", "place"],
)
def test_other_words_inform_and_keep_every_answer(changes: dict[str, Any], sequence: int) -> None:
    before = answered(an_entry(), an_answer(an_entry()))
    message = owes_one(edited(before, **changes), told(before))
    assert (message.kind, message.asks, message.asked) == (MailKind.INFORMATION, False, frozenset())
    (component,) = message.components
    assert component.sequence == sequence
    assert [(one.partstat, one.rsvp) for one in component.guests] == [(ACCEPTED, False), (NEEDS_ACTION, True)]


def test_another_link_or_language_is_other_words() -> None:
    for dress in ({"link": "https://new.example.org/"}, {"language": Language.EN}):
        (message,) = owes(an_entry(), told(an_entry()), **dress)
        assert message.kind is MailKind.INFORMATION


def test_a_shortened_series_raises_sequence_and_resets_nothing() -> None:
    before = answered(a_series(), an_answer(a_series()))
    message = owes_one(edited(before, rrule="FREQ=WEEKLY;COUNT=4"), told(before))
    assert (message.kind, message.asks) == (MailKind.UPDATE, False)
    assert (message.components[0].sequence, guest(message.components[0]).partstat) == (1, ACCEPTED)


def test_a_lengthened_series_asks_again() -> None:
    before = answered(a_series(), an_answer(a_series()))
    message = owes_one(edited(before, rrule="FREQ=WEEKLY;COUNT=8"), told(before))
    assert (message.kind, message.asks, guest(message.components[0]).partstat) == (MailKind.UPDATE, True, NEEDS_ACTION)


def test_a_moved_series_keeps_his_answer_to_the_date_that_stays_where_it_was() -> None:
    before = a_series(an_occurrence(2, start=nth(2) + DAY, sequence=1), an_occurrence(3, start=nth(3) + DAY, sequence=1))
    before = answered(before, an_answer(before), an_answer(before, recurrence_id=nth(2)))
    message = owes_one(edited(before, when=a_when(START + HOUR)), told(before))
    assert message.asked == {None, nth(3) + HOUR}
    assert [guest(one).partstat for one in message.components] == [NEEDS_ACTION, ACCEPTED, NEEDS_ACTION]


def test_changes_of_series_and_dates_at_once_are_one_message() -> None:
    before = a_series(an_occurrence(5, title="Abschluss"))
    entry = edited(
        before,
        title="x",
        occurrences=(*before.occurrences, an_occurrence(1, cancelled=True), an_occurrence(2, start=nth(2) + HOUR)),
    )
    sent = told(before)
    message = owes_one(entry, sent)
    assert (message.kind, message.asked) == (MailKind.UPDATE, {nth(2)})
    assert message.components[0].exdates == (nth(1),)
    assert [one.sequence for one in message.components] == [0, 1, 0]
    after = sends(entry, sent, [message])
    assert owes(entry, after) == ()
    assert [one.asked_at for one in after.components] == [NOW, LATER, NOW]


# One date


def test_a_moved_date_is_one_vevent_to_those_of_that_date() -> None:
    before = answered(a_series(sequence=2), an_answer(a_series()))
    entry = edited(before, occurrences=(an_occurrence(1, start=nth(1) + HOUR, duration=2 * HOUR),))
    message = owes_one(entry, told(before))
    assert (message.kind, message.asks, message.recurrence_id) == (MailKind.OCCURRENCE_UPDATE, True, nth(1))
    assert message.before is not None
    assert message.before.when == a_when(nth(1))
    (component,) = message.components
    assert (component.recurrence_id, component.sequence, component.rrule) == (on_wire(nth(1)), 3, None)
    assert component.when == a_when(nth(1) + HOUR, duration=2 * HOUR)
    assert guest(component).rsvp


@pytest.mark.parametrize(("changes", "sequence"), [({"title": "x"}, 2), ({"location": "Saal 2"}, 3)], ids=["words", "place"])
def test_other_words_for_one_date_keep_his_answer(changes: dict[str, Any], sequence: int) -> None:
    before = answered(a_series(sequence=2), an_answer(a_series()))
    message = owes_one(edited(before, occurrences=(an_occurrence(1, **changes),)), told(before))
    assert (message.kind, message.asks) == (MailKind.OCCURRENCE_UPDATE, False)
    assert (message.components[0].sequence, guest(message.components[0]).partstat) == (sequence, ACCEPTED)


def test_a_cancelled_date_is_a_cancel_of_that_date_alone() -> None:
    before = a_series(sequence=2)
    entry = edited(before, occurrences=(an_occurrence(1, cancelled=True),))
    message = owes_one(entry, told(before))
    assert (message.method, message.kind, message.recurrence_id, message.asks) == (
        Method.CANCEL,
        MailKind.OCCURRENCE_CANCELLATION,
        nth(1),
        False,
    )
    (component,) = message.components
    assert (component.recurrence_id, component.sequence, component.status) == (on_wire(nth(1)), 3, Status.CANCELLED)
    assert (component.when, component.title, component.organizer) == (a_when(nth(1)), "Haushaltsausschuss", ORGANIZER)
    assert [one.email for one in component.guests] == [ANNA]
    after = sends(entry, told(before), [message])
    assert not after.cancelled
    assert owes(entry, after) == ()


def test_a_date_taken_up_again_is_asked_about_with_a_greater_sequence() -> None:
    before = a_series(an_occurrence(1, cancelled=True, sequence=1), an_occurrence(2, cancelled=True, sequence=1))
    off = sends(a_series(), told(a_series()), owes(before, told(a_series())))
    on = edited(before, occurrences=())
    messages = owes(on, off)
    assert [(one.kind, one.asks, one.components[0].sequence) for one in messages] == [
        (MailKind.OCCURRENCE_UPDATE, True, 2),
        (MailKind.OCCURRENCE_UPDATE, True, 2),
    ]
    assert owes(on, sends(on, off, messages)) == ()


@pytest.mark.parametrize("start", [None, nth(1) + HOUR], ids=["at its time", "at another time"])
def test_a_date_that_the_series_he_holds_excludes_comes_back_with_the_series(start: datetime | None) -> None:
    """A VEVENT of that date alone left the EXDATE where it was, and programs that heed it showed nothing."""
    before = a_series(an_occurrence(1, cancelled=True, sequence=1), an_occurrence(2, cancelled=True, sequence=1))
    on = edited(before, occurrences=(an_occurrence(1, sequence=1, start=start), before.occurrences[1]))
    message = owes_one(on, told(before))
    assert (message.kind, message.asked, message.recurrence_id) == (MailKind.UPDATE, {nth(1)}, None)
    series, date = message.components
    assert (series.sequence, series.exdates, date.sequence, date.recurrence_id) == (1, (nth(2),), 2, on_wire(nth(1)))
    assert guest(date).rsvp
    assert owes(on, sends(on, told(before), [message])) == ()


def test_several_changed_dates_are_several_messages_in_their_order() -> None:
    before = a_series()
    entry = edited(
        before,
        occurrences=(
            an_occurrence(3, cancelled=True),
            an_occurrence(1, start=nth(1) + HOUR),
            an_occurrence(2, title="x"),
            an_occurrence(4, attendees=(an_attendee(ANNA),)),
        ),
    )
    messages = owes(entry, told(before))
    assert [(one.recurrence_id, one.kind) for one in messages] == [
        (nth(1), MailKind.OCCURRENCE_UPDATE),
        (nth(2), MailKind.OCCURRENCE_UPDATE),
        (nth(3), MailKind.OCCURRENCE_CANCELLATION),
    ]
    assert owes(entry, sends(entry, told(before), messages)) == ()


def test_a_date_that_is_over_is_not_spoken_of() -> None:
    before = a_series()
    entry = edited(before, occurrences=(an_occurrence(0, cancelled=True), an_occurrence(1, title="x")))
    assert owes(entry, told(before), now=to_utc(nth(1) + HOUR, ZONE)) == ()


def test_a_date_is_left_without_him() -> None:
    before = a_series()
    entry = edited(before, occurrences=(an_occurrence(1, attendees=(an_attendee(BEN),)),))
    message = owes_one(entry, told(before))
    assert (message.method, message.kind, message.recurrence_id) == (Method.CANCEL, MailKind.REMOVAL, nth(1))
    assert message.components[0].sequence == 1
    assert owes(entry, told(before, BEN), to=BEN) == ()


def test_who_comes_to_single_dates_hears_of_those_only() -> None:
    people = (an_attendee(ANNA), an_attendee(CLARA))
    before = a_series(an_occurrence(1, attendees=people), an_occurrence(3, attendees=people))
    sent = told(before, CLARA)
    assert owes(edited(before, attendees=(an_attendee(ANNA),)), sent, to=CLARA) == ()
    entry = edited(
        before,
        occurrences=(
            an_occurrence(1, attendees=people, start=nth(1) + HOUR),
            an_occurrence(2, title="x"),
            an_occurrence(3, attendees=(an_attendee(ANNA),)),
            an_occurrence(4, attendees=people),
        ),
    )
    messages = owes(entry, sent, to=CLARA)
    assert [(one.recurrence_id, one.kind, one.asks) for one in messages] == [
        (nth(1), MailKind.OCCURRENCE_UPDATE, True),
        (nth(3), MailKind.REMOVAL, False),
        (nth(4), MailKind.INVITATION, True),
    ]
    assert messages[2].components[0].sequence == 0
    assert owes(entry, sends(entry, sent, messages, to=CLARA), to=CLARA) == ()


def test_a_date_whose_own_list_went_is_left_by_who_came_to_it_only() -> None:
    people = (an_attendee(ANNA), an_attendee(CLARA))
    before = a_series(an_occurrence(1, attendees=people), an_occurrence(3, attendees=people))
    (message,) = owes(edited(before, occurrences=(an_occurrence(3, attendees=people),)), told(before, CLARA), to=CLARA)
    assert (message.kind, message.recurrence_id) == (MailKind.REMOVAL, nth(1))


# Cancelled, removed, invited again


@pytest.mark.parametrize(
    "changes",
    [{"state": EntryState.CANCELLED}, {"state": EntryState.DELETED}, {"when": None}],
    ids=["cancelled", "deleted", "without a date"],
)
def test_what_is_off_is_cancelled_as_he_knows_it(changes: dict[str, Any]) -> None:
    before = edited(an_entry(), title="Alt")
    sent = told(before)
    entry = edited(replace(before, title="Neu"), **changes)
    message = owes_one(entry, sent)
    assert (message.method, message.kind, message.before) == (Method.CANCEL, MailKind.CANCELLATION, sent.components[0])
    (component,) = message.components
    assert (component.title, component.when, component.sequence) == ("Alt", a_when(), 1)
    assert (component.status, component.recurrence_id, component.rrule) == (Status.CANCELLED, None, None)
    assert [one.email for one in component.guests] == [ANNA]
    after = sends(entry, sent, [message])
    assert after.cancelled
    assert owes(entry, after) == ()


def test_a_cancelled_series_is_one_cancel_even_with_dates_of_its_own() -> None:
    before = a_series(an_occurrence(1, start=nth(1) + HOUR, sequence=5))
    entry = edited(before, state=EntryState.CANCELLED)
    message = owes_one(entry, told(before))
    assert [(one.recurrence_id, one.sequence) for one in message.components] == [(None, 6)]
    assert sends(entry, told(before), [message]).cancelled


def test_who_comes_to_single_dates_gets_a_cancel_of_those_ahead() -> None:
    people = (an_attendee(CLARA),)
    before = a_series(an_occurrence(0, attendees=people), an_occurrence(1, attendees=people), an_occurrence(2, attendees=people))
    sent = told(before, CLARA)
    entry = edited(before, state=EntryState.CANCELLED)
    messages = owes(entry, sent, to=CLARA, now=to_utc(nth(0) + DAY, ZONE))
    assert [[one.recurrence_id for one in message.components] for message in messages] == [[on_wire(nth(1))], [on_wire(nth(2))]]
    assert [(one.kind, one.before) for one in messages] == [(MailKind.CANCELLATION, one) for one in sent.components[1:]]
    assert owes(entry, sends(entry, sent, messages, to=CLARA), to=CLARA, now=to_utc(nth(0) + DAY, ZONE)) == ()


def test_the_days_of_an_all_day_series_are_named_by_date() -> None:
    days = a_when(datetime(2027, 1, 11), all_day=True, duration=DAY)
    day = Occurrence(
        recurrence_id=datetime(2027, 1, 18), start=datetime(2027, 1, 18, 9), duration=HOUR, attendees=(an_attendee(CLARA),)
    )
    before = a_series(day, when=days)
    for entry in (before, edited(before, state=EntryState.CANCELLED)):
        sent = told(before, CLARA) if entry.sequence else None
        (component,) = owes_one(entry, sent, to=CLARA).components
        assert (component.recurrence_id, component.recurrence_id_is_date) == (datetime(2027, 1, 18), True)


def test_a_removed_attendee_gets_a_cancel_that_lists_only_him_and_others_get_nothing() -> None:
    before = answered(an_entry(), an_answer(an_entry()))
    entry = edited(before, attendees=(an_attendee(BEN),))
    message = owes_one(entry, told(before))
    assert (message.method, message.kind, entry.sequence) == (Method.CANCEL, MailKind.REMOVAL, 0)
    assert message.components[0].sequence == 1
    assert message.components[0].guests == (Guest(email=ANNA, partstat=ACCEPTED),)
    assert owes(entry, told(before, BEN), to=BEN) == ()


def test_who_is_invited_again_gets_a_sequence_beyond_the_cancels() -> None:
    without = edited(an_entry(), attendees=(an_attendee(BEN),))
    sent = sends(without, told(an_entry()), owes(without, told(an_entry())))
    again = edited(without, attendees=an_entry().attendees)
    message = owes_one(again, sent)
    assert (message.kind, message.asks, message.components[0].sequence) == (MailKind.REINVITATION, True, 2)
    assert message.before is not None
    assert message.before.cancelled
    sent = sends(again, sent, [message])
    moved = edited(again, when=a_when(START + HOUR))
    assert moved.sequence == 1
    assert owes_one(moved, sent).components[0].sequence == 3, "his own count goes on where the entry's is behind"


def test_a_cancelled_entry_taken_up_again_invites_again() -> None:
    off = edited(an_entry(), state=EntryState.CANCELLED)
    sent = told(off, sent=told(an_entry()))
    on = edited(off, state=EntryState.PLANNED)
    message = owes_one(on, sent)
    assert (message.kind, message.components[0].sequence) == (MailKind.REINVITATION, 2)


def test_from_the_series_to_single_dates_and_back() -> None:
    before = a_series()
    fewer = edited(
        before, attendees=(an_attendee(BEN),), occurrences=(an_occurrence(2, attendees=(an_attendee(ANNA), an_attendee(BEN))),)
    )
    sent = told(before)
    removal, invitation = owes(fewer, sent)
    assert (removal.kind, removal.components[0].recurrence_id, removal.components[0].sequence) == (MailKind.REMOVAL, None, 1)
    assert (invitation.kind, invitation.recurrence_id, invitation.components[0].sequence) == (
        MailKind.REINVITATION,
        nth(2),
        2,
    )
    sent = sends(fewer, sent, (removal, invitation))
    assert owes(fewer, sent) == ()
    back = owes_one(edited(fewer, attendees=before.attendees), sent)
    assert (back.kind, [one.recurrence_id for one in back.components]) == (MailKind.REINVITATION, [None])
    assert back.components[0].sequence == 3


def test_from_single_dates_to_the_series() -> None:
    before = a_series(an_occurrence(2, start=nth(2) + HOUR, attendees=(an_attendee(CLARA),)))
    entry = edited(before, attendees=(*before.attendees, an_attendee(CLARA)))
    message = owes_one(entry, told(before, CLARA), to=CLARA)
    assert (message.kind, [one.recurrence_id for one in message.components]) == (MailKind.INVITATION, [None, on_wire(nth(2))])


def test_a_session_that_is_over_goes_from_his_calendar_before_a_date_of_its_successor_comes() -> None:
    """It was kept, since nobody is told of what is over; so the date was owed again and again."""
    past = edited(an_entry(), when=a_when(START - 52 * WEEK))
    sent = told(past, sent=told(an_entry()))
    only = an_occurrence(0, attendees=(an_attendee(ANNA),))
    series = edited(past, when=a_when(), rrule="FREQ=WEEKLY;COUNT=5", attendees=(), occurrences=(only,))
    messages = owes(series, sent)
    assert [(one.kind, one.recurrence_id) for one in messages] == [(MailKind.REMOVAL, None), (MailKind.REINVITATION, nth(0))]
    assert owes(series, sends(series, sent, messages)) == ()


def test_what_is_over_stays_where_nothing_of_its_successor_is_ahead_of_him() -> None:
    past = edited(an_entry(), when=a_when(START - 52 * WEEK))
    sent = told(past, sent=told(an_entry()))
    only = an_occurrence(0, attendees=(an_attendee(ANNA),))
    series = edited(past, when=a_when(), rrule="FREQ=WEEKLY;COUNT=5", attendees=(), occurrences=(only,))
    assert owes(series, sent, now=to_utc(nth(0) + DAY, ZONE)) == ()


def test_a_series_that_leaves_him_only_dates_that_are_over_is_just_taken_back() -> None:
    before = a_series()
    fewer = edited(before, attendees=(an_attendee(BEN),), occurrences=(an_occurrence(0, attendees=(an_attendee(ANNA),)),))
    (message,) = owes(fewer, told(before), now=to_utc(nth(0) + DAY, ZONE))
    assert message.kind is MailKind.REMOVAL
    over = to_utc(nth(5) + DAY, ZONE)
    assert owes(edited(fewer, title="x"), told(before), now=over) == ()


def test_an_endless_series_is_never_over() -> None:
    before = a_series(rrule="FREQ=WEEKLY")
    entry = edited(before, state=EntryState.CANCELLED)
    assert owes_one(entry, told(before), now=NOW + 5000 * DAY).kind is MailKind.CANCELLATION


# What was told


def test_asking_is_remembered_and_informing_does_not_move_it() -> None:
    entry = an_entry()
    sent = told(entry)
    entry = edited(entry, location="Saal 2")
    sent = sends(entry, sent, owes(entry, sent))
    (component,) = sent.components
    assert (component.sequence, component.dtstamp) == (1, LATER)
    assert (component.asked_sequence, component.asked_at) == (0, NOW)


def test_a_message_that_asks_without_naming_dates_asks_for_all_in_it() -> None:
    entry = a_series(an_occurrence(1, start=nth(1) + HOUR))
    message = replace(owes_one(entry), asked=frozenset())
    sent = after_sending(told(entry), entry, ANNA, message, dtstamp=LATER, message_id="<2@example.org>")
    assert {one.asked_at for one in sent.components} == {LATER}


def test_the_first_and_the_latest_message_ids_are_kept() -> None:
    sent, message = None, owes_one(an_entry())
    for number in range(15):
        sent = after_sending(sent, an_entry(), ANNA, message, dtstamp=NOW, message_id=f"<{number}>")
    assert sent is not None
    assert sent.message_ids == ("<0>", *(f"<{number}>" for number in range(6, 15)))


def test_dtstamps_of_one_attendee_always_grow() -> None:
    sent = told(an_entry())
    assert next_dtstamp(None, NOW.replace(microsecond=5)) == NOW
    assert next_dtstamp(sent, NOW) == NOW + timedelta(seconds=1)
    assert next_dtstamp(sent, NOW - DAY) == NOW + timedelta(seconds=1)
    assert next_dtstamp(sent, LATER) == LATER
    assert next_dtstamp(Sent(entry="e", attendee="a", components=(), message_ids=()), NOW) == NOW


# Whatever happens

PEOPLE = st.lists(st.sampled_from([ANNA, BEN]), unique=True).map(lambda emails: tuple(an_attendee(one) for one in emails))


@st.composite
def series(draw: st.DrawFn) -> Entry:
    occurrences = tuple(
        an_occurrence(
            week,
            cancelled=draw(st.booleans()),
            start=draw(st.sampled_from([None, nth(week), nth(week) + HOUR, nth(week) - 20 * WEEK])),
            title=draw(st.sampled_from([None, "x"])),
            attendees=draw(st.none() | PEOPLE),
        )
        for week in sorted(draw(st.sets(st.integers(0, 4), max_size=3)))
    )
    start = draw(st.sampled_from([START, START, START + HOUR, START - 52 * WEEK]))
    single = draw(st.booleans())
    return an_entry(
        when=draw(st.just(a_when(start)) | st.just(a_when(start, zone="UTC"))),
        rrule=None if single else draw(st.sampled_from(["FREQ=WEEKLY;COUNT=5", "FREQ=WEEKLY;COUNT=3", "FREQ=WEEKLY"])),
        occurrences=() if single else occurrences,
        title=draw(st.sampled_from(["Haushaltsausschuss", "y"])),
        attendees=draw(PEOPLE),
        invited=draw(st.booleans().map(lambda never: not never) | st.just(True)),
        state=draw(st.sampled_from([EntryState.PLANNED, EntryState.PLANNED, EntryState.PLANNED, EntryState.CANCELLED])),
    )


@settings(deadline=None)
@given(st.lists(series(), min_size=1, max_size=6))
def test_after_everything_owed_was_sent_nothing_is_owed_and_versions_only_grow(versions: list[Entry]) -> None:
    """Also: every message can be written and read back, and each VEVENT he gets is newer than what he had by that name."""
    entry, sent, before = None, None, dict[datetime | None, tuple[int, datetime]]()
    for version in versions:
        entry = with_sequences(entry, version)
        messages = owes(entry, sent)
        for message in messages:
            stamp = next_dtstamp(sent, LATER)
            sent = after_sending(sent, entry, ANNA, message, dtstamp=stamp, message_id="<x@example.org>")
            for component in message.components:
                assert guest(component)
                assert before.get(component.recurrence_id, (0, NOW)) < (component.sequence, stamp)
                before[component.recurrence_id] = (component.sequence, stamp)
            raw = build_calendar(message.components, method=message.method, dtstamp=stamp)
            assert {one.recurrence_id for one in parse_calendar(raw).components} == {
                one.recurrence_id for one in message.components
            }
        assert owes(entry, sent) == ()
