"""The copy of an entry in the owner's calendar, and our block in its description."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.event import Dress, calendar_event, with_block, without_block
from daemon.core.ics import build_calendar, events, parse_calendar, same_event
from daemon.core.model import Entry, EntryState, Guest, Language, Organizer, PartStat, Role
from tests.core.builders import (
    ANNA,
    BEN,
    CLARA,
    DRESS,
    HOUR,
    NOW,
    ORGANIZER,
    a_series,
    a_when,
    an_answer,
    an_attendee,
    an_entry,
    an_occurrence,
    answered,
    nth,
)

BLOCK = """──── Sitzung ────
Teilnehmen: https://meet.example.org/524644200
Sitzungsnummer: 524-644-200
──── Ende der Sitzungsdaten ────"""


def test_a_single_entry_is_one_vevent_with_its_people_and_their_answers() -> None:
    entry = answered(an_entry(sequence=2), an_answer(an_entry()))
    event = calendar_event(entry, organizer=ORGANIZER, dress=DRESS, alarm=timedelta(minutes=15), quiet=True)
    (one,) = event.components
    assert (one.uid, one.when, one.title, one.sequence, one.recurrence_id) == (entry.uid, entry.when, entry.title, 2, None)
    assert one.description == f"Bitte Zahlen mitbringen.\n\n{BLOCK}"
    assert (one.location, one.url, one.alarm, one.organizer) == (DRESS.link, DRESS.link, timedelta(minutes=15), ORGANIZER)
    assert one.guests == (
        Guest(email=ANNA, name="Anna", partstat=PartStat.ACCEPTED, rsvp=False, schedule_agent="CLIENT"),
        Guest(email=BEN, name="Ben", partstat=PartStat.NEEDS_ACTION, rsvp=True, schedule_agent="CLIENT"),
    )


def test_a_server_that_invites_gets_no_schedule_agent() -> None:
    (one,) = calendar_event(an_entry(), organizer=ORGANIZER, dress=DRESS, quiet=False).components
    assert {guest.schedule_agent for guest in one.guests} == {None}
    assert one.alarm is None


def test_the_owners_own_place_wins_over_the_link() -> None:
    (one,) = calendar_event(an_entry(location="Saal 1"), organizer=ORGANIZER, dress=DRESS, quiet=True).components
    assert (one.location, one.url) == ("Saal 1", DRESS.link)


@pytest.mark.parametrize("changes", [{"invited": False}, {"attendees": ()}], ids=["not invited so far", "nobody on the list"])
def test_without_guests_there_is_no_organizer(changes: dict[str, object]) -> None:
    """A scheduling server would mail people who are only kept on the list until `invite`."""
    (one,) = calendar_event(replace(an_entry(), **changes), organizer=ORGANIZER, dress=DRESS, quiet=False).components
    assert (one.organizer, one.guests) == (None, ())


def test_the_organizer_is_never_a_guest() -> None:
    owner = Organizer(email=ANNA, name="Anna")
    (one,) = calendar_event(an_entry(), organizer=owner, dress=DRESS, quiet=False).components
    assert [guest.email for guest in one.guests] == [BEN]


def test_where_a_server_would_mail_the_people_stand_in_the_block() -> None:
    entry = answered(an_entry(), an_answer(an_entry()))
    entry = replace(entry, attendees=(an_attendee(ANNA), replace(an_attendee(BEN), name="")))
    (one,) = calendar_event(entry, organizer=None, dress=DRESS, quiet=False).components
    assert (one.organizer, one.guests) == (None, ())
    assert "Eingeladen: Anna <anna@example.org>, zugesagt\nEingeladen: ben@example.com, noch keine Antwort\n" in one.description


@pytest.mark.parametrize("changes", [{"invited": False}, {"attendees": ()}], ids=["not invited so far", "nobody on the list"])
def test_the_block_names_nobody_who_is_not_invited(changes: dict[str, object]) -> None:
    (one,) = calendar_event(replace(an_entry(), **changes), organizer=None, dress=DRESS, quiet=False).components
    assert one.description == f"Bitte Zahlen mitbringen.\n\n{BLOCK}"


def test_the_telephone_stands_in_the_block_only_where_the_entry_asks_for_it() -> None:
    for telephone in (True, False):
        (one,) = calendar_event(an_entry(telephone=telephone), organizer=ORGANIZER, dress=DRESS, quiet=True).components
        assert ("Telefon: +49 30 1234567" in one.description) is telephone


@pytest.mark.parametrize(
    "entry",
    [
        an_entry(when=None),
        an_entry(state=EntryState.CANCELLED),
        an_entry(state=EntryState.DELETED),
    ],
    ids=["no date", "cancelled", "deleted"],
)
def test_what_does_not_take_place_has_no_event(entry: Entry) -> None:
    with pytest.raises(ValueError, match=r"“Haushaltsausschuss”.*has no event"):
        calendar_event(entry, organizer=ORGANIZER, dress=DRESS, quiet=True)


def test_a_series_has_exdates_for_cancelled_dates_and_vevents_for_dates_of_their_own() -> None:
    entry = a_series(
        an_occurrence(4, start=nth(4) + HOUR, duration=2 * HOUR, location="Saal 2", sequence=3),
        an_occurrence(3, cancelled=True, sequence=1),
        an_occurrence(1, cancelled=True, sequence=1),
        an_occurrence(2, title="Sondersitzung", description="Neu", attendees=(an_attendee(CLARA, role=Role.OPT_PARTICIPANT),)),
        an_occurrence(5, sequence=7),
        an_occurrence(0, attendees=(an_attendee(ANNA), an_attendee(BEN))),
    )
    master, renamed, moved = calendar_event(entry, organizer=ORGANIZER, dress=DRESS, alarm=HOUR, quiet=True).components
    assert (master.rrule, master.exdates) == ("FREQ=WEEKLY;COUNT=6", (nth(1), nth(3)))
    assert (renamed.title, renamed.description, renamed.alarm) == ("Sondersitzung", f"Neu\n\n{BLOCK}", HOUR)
    assert renamed.recurrence_id == nth(2).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    assert [(guest.email, guest.role) for guest in renamed.guests] == [(CLARA, Role.OPT_PARTICIPANT)]
    assert moved.when == a_when(nth(4) + HOUR, duration=2 * HOUR)
    assert (moved.recurrence_id, moved.location, moved.sequence) == (
        nth(4).replace(tzinfo=ZoneInfo("Europe/Berlin")),
        "Saal 2",
        3,
    )


def test_the_date_of_an_all_day_series_is_named_by_its_day_even_if_it_has_a_time() -> None:
    days = a_when(datetime(2027, 1, 11), all_day=True, duration=timedelta(days=1))
    day = replace(an_occurrence(1), recurrence_id=datetime(2027, 1, 18), start=datetime(2027, 1, 18, 9), duration=HOUR)
    _, one = calendar_event(a_series(day, when=days), organizer=ORGANIZER, dress=DRESS, quiet=True).components
    assert (one.recurrence_id, one.recurrence_id_is_date) == (datetime(2027, 1, 18), True)
    assert one.when == a_when(datetime(2027, 1, 18, 9))


@pytest.mark.parametrize(
    "entry",
    [
        an_entry(),
        a_series(an_occurrence(1, cancelled=True), an_occurrence(2, start=nth(2) + HOUR, title="x")),
        an_entry(when=a_when(datetime(2027, 1, 11), all_day=True, duration=timedelta(days=2))),
        a_series(rrule="FREQ=WEEKLY;UNTIL=20270215T090000Z"),
    ],
    ids=["single", "series", "all day", "until"],
)
def test_a_written_event_is_read_back_as_the_same(entry: Entry) -> None:
    event = calendar_event(entry, organizer=ORGANIZER, dress=DRESS, quiet=True)
    (again,) = events(parse_calendar(build_calendar(event.components, method=None, dtstamp=NOW)))
    assert same_event(event, again)


# The block

TEXTS = st.text(st.sampled_from("ab \t\n\r─:") | st.characters(codec="utf-8"), max_size=60)
DRESSES = st.builds(
    Dress,
    number=st.just("524644200"),
    link=st.sampled_from(["", "https://meet.example.org/524644200"]),
    dial_in=st.sampled_from(["", "+49 30 1\n+49 40 2", "──── Ende der Sitzungsdaten ────"]),
    language=st.sampled_from(Language),
    password=TEXTS,
)


def test_the_block_in_english_with_everything() -> None:
    dress = replace(DRESS, language=Language.EN, password="geheim")
    assert with_block("", dress) == (
        "──── Session ────\nJoin: https://meet.example.org/524644200\nSession number: 524-644-200\n"
        "Password: geheim\nTelephone: +49 30 1234567\n──── End of session details ────"
    )


@given(TEXTS, DRESSES)
def test_text_and_block_go_together_and_come_apart_unchanged(text: str, dress: Dress) -> None:
    assert without_block(with_block(text, dress)) == text
    assert with_block(text, dress).startswith(text)


@given(TEXTS, TEXTS, DRESSES, DRESSES)
def test_a_new_block_takes_the_old_ones_place_and_nothing_else_moves(before: str, after: str, old: Dress, new: Dress) -> None:
    block_old, block_new = with_block("", old), with_block("", new)
    assert with_block(before + block_old + after, new) == before + block_new + after


FRAGMENTS = (
    "──── Sitzung ────|──── Ende der Sitzungsdaten ────|────Session────|──── Sit|zung ────|────| |\n|\r\n|Teilnehmen: x|text|─|"
    "──── Ende der| Sitzungsdaten|Sitzung"
)
PIECES = st.lists(st.sampled_from([BLOCK, *FRAGMENTS.split("|")]), max_size=12).map("".join)


@given(PIECES, DRESSES)
def test_whatever_became_of_the_text_one_whole_block_stands_in_it_afterwards(text: str, dress: Dress) -> None:
    once = with_block(text, dress)
    assert with_block(once, dress) == once
    block = with_block("", dress)
    assert once.count(block) == 1
    rest = without_block(text)
    assert without_block(rest) == rest


@pytest.mark.parametrize(
    "damaged",
    [
        "Davor\n\n──── Sitzung ────\nTeilnehmen: alt\nSitzungsnummer: 1\nDanach",
        "Davor\n\n──── Ende der Sitzungsdaten ────\nDanach",
        "Davor\n\n──── Sitzung ────\nTeilnehmen: alt\n──── Ende der Sitzungsdaten ────\nDanach",
        "Davor\n\n────\u00a0Sitzung  ──── Teilnehmen: alt ────Ende der  Sitzungsdaten────\nDanach",
        "Davor\n\n──── Session ────\nJoin: old\n──── End of session details ────\nDanach",
    ],
    ids=["end missing", "begin missing", "old", "blanks and line ends rewritten", "in the other language"],
)
def test_a_damaged_block_is_repaired_and_the_text_around_it_stays(damaged: str) -> None:
    assert with_block(damaged, DRESS) == f"Davor\n\n{with_block('', DRESS)}\nDanach"
    assert without_block(damaged) == "Davor\nDanach"


def test_a_copied_block_is_kept_once() -> None:
    assert with_block(f"A\n\n{BLOCK}\nB\n\n{BLOCK}\nC", DRESS) == f"A\n\n{with_block('', DRESS)}\nB\n\n\nC"


@pytest.mark.parametrize(
    "gap", ["\n\n", "\r\n\r\n", "\n", "\r\n", ""], ids=["as written", "CRLF", "one line end", "one CRLF", "none"]
)
def test_the_blank_line_before_the_block_goes_with_it(gap: str) -> None:
    assert without_block(f"Text{gap}{BLOCK}") == "Text"


def test_fifty_thousand_broken_blocks_do_not_stop_the_daemon() -> None:
    """A pattern that looks for each end anew would take hours here (the test's time limit says so)."""
    assert with_block("──── Sitzung ────\n" * 50_000, DRESS) == with_block("", DRESS) + "\n" * 50_000
    assert without_block("──── Sitzung ────\n" * 50_000) == "\n"
