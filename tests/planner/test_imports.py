"""Entries in and out as .ics: taken over with UID, SEQUENCE, people and answers, as already invited."""

from __future__ import annotations

from datetime import datetime

import pytest

from daemon import planner
from daemon.core import itip
from daemon.core.errors import Rejected
from daemon.core.itip import MailKind
from daemon.core.model import AnswerSource, EntryState, Owner, PartStat
from daemon.planner.wishes import Changes, Draft, Imported
from daemon.store import entries as rows
from daemon.store import messages as message_rows
from daemon.store import work
from daemon.store.engine import Store
from tests.planner.conftest import PLANNER, Do
from tests.planner.test_entries import ANNA, mails, when


def ics(*events: str) -> bytes:
    whole = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//y//EN\n" + "".join(
        f"BEGIN:VEVENT\n{event.strip()}\nEND:VEVENT\n" for event in events
    )
    return (whole + "END:VCALENDAR\n").replace("\n", "\r\n").encode()


SERIES = """
UID:series-1@other.example
DTSTAMP:20270101T000000Z
SEQUENCE:3
SUMMARY:Schulung
LOCATION:Raum 5
DTSTART;TZID=W. Europe Standard Time:20270315T090000
DTEND;TZID=W. Europe Standard Time:20270315T103000
RRULE:FREQ=WEEKLY;COUNT=4
EXDATE;TZID=W. Europe Standard Time:20270322T090000
ORGANIZER:mailto:boss@other.example
ATTENDEE;CN=Anna;PARTSTAT=ACCEPTED:mailto:Anna@kunde.test
ATTENDEE;ROLE=OPT-PARTICIPANT;PARTSTAT=NEEDS-ACTION:mailto:ben@kunde.test
ATTENDEE;PARTSTAT=ACCEPTED:mailto:boss@other.example
"""
MOVED = """
UID:series-1@other.example
DTSTAMP:20270101T000000Z
SEQUENCE:4
SUMMARY:Schulung Teil 3
RECURRENCE-ID:20270329T070000Z
DTSTART;TZID=W. Europe Standard Time:20270330T140000
DTEND;TZID=W. Europe Standard Time:20270330T160000
ORGANIZER:mailto:boss@other.example
ATTENDEE;CN=Anna;PARTSTAT=DECLINED:mailto:anna@kunde.test
"""


def take(do: Do, owner: Owner, raw: bytes, *, invite: bool = False) -> list[Imported]:
    found, _ = planner.parse_import(raw, zone="Europe/Berlin")
    return [do(planner.import_one, owner.id, event, invite=invite) for event in found]


def test_a_series_of_another_program_is_taken_over_whole(do: Do, alice: Owner, store: Store) -> None:
    (result,) = take(do, alice, ics(SERIES, MOVED))
    assert (result.outcome, result.state) == ("created", EntryState.PLANNED)
    entry = store.run_now(lambda tx: rows.by_uid(tx, "series-1@other.example"))
    assert entry is not None
    assert (entry.sequence, entry.rrule, entry.location) == (3, "FREQ=WEEKLY;COUNT=4", "Raum 5")
    assert entry.when is not None
    assert entry.when.zone == "Europe/Berlin"
    assert [(one.email, one.role.value) for one in entry.attendees] == [
        ("anna@kunde.test", "REQ-PARTICIPANT"),
        ("ben@kunde.test", "OPT-PARTICIPANT"),
    ]
    cancelled, moved = entry.occurrences
    assert (cancelled.recurrence_id, cancelled.cancelled) == (datetime(2027, 3, 22, 9), True)
    assert (moved.recurrence_id, moved.start, moved.title, moved.sequence) == (
        datetime(2027, 3, 29, 9),
        datetime(2027, 3, 30, 14),
        "Schulung Teil 3",
        4,
    )
    assert itip.standing(entry, "anna@kunde.test").partstat is PartStat.ACCEPTED
    assert itip.standing(entry, "anna@kunde.test", datetime(2027, 3, 29, 9)).partstat is PartStat.DECLINED
    assert {one.source for one in entry.answers} == {AnswerSource.IMPORT}
    assert not [job for job in store.run_now(lambda tx: work.list_(tx)) if job.kind in (work.MAIL, work.BULK)], (
        "they count as invited"
    )
    assert {one.attendee for one in store.run_now(lambda tx: message_rows.all_sent(tx, entry.id))} == {
        "anna@kunde.test",
        "ben@kunde.test",
    }


def test_after_an_import_only_changes_are_mailed(do: Do, alice: Owner) -> None:
    (result,) = take(do, alice, ics(SERIES))
    assert result.entry is not None
    done = do(planner.edit, result.entry, Changes(description="Bitte Laptop mitbringen"))
    assert mails(done) == {"anna@kunde.test": [MailKind.INFORMATION], "ben@kunde.test": [MailKind.INFORMATION]}


def test_with_invite_everybody_is_mailed_in_the_slow_lane(do: Do, alice: Owner, store: Store) -> None:
    take(do, alice, ics(SERIES), invite=True)
    kinds = [job.kind for job in store.run_now(lambda tx: work.list_(tx)) if job.key.startswith("mail:")]
    assert kinds == [work.BULK, work.BULK]


def test_the_same_file_again_changes_nothing_and_a_newer_one_is_told(do: Do, alice: Owner) -> None:
    take(do, alice, ics(SERIES))
    assert [one.outcome for one in take(do, alice, ics(SERIES))] == ["unchanged"]
    (newer,) = take(do, alice, ics(SERIES.replace("SEQUENCE:3", "SEQUENCE:9")))
    assert newer.outcome == "skipped"
    assert "newer version" in newer.reason


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (SERIES.replace("RRULE:FREQ=WEEKLY;COUNT=4", "RRULE:FREQ=SECONDLY"), "SECONDLY"),
        (MOVED, "only single dates"),
        ("UID:u\nSUMMARY:Ohne Start", "no start"),
        ("UID:u\nSUMMARY:Alt\nDTSTART:18000101T090000Z\nDTEND:18000101T100000Z", "out of reach"),
        ("UID:u\nSUMMARY:Lang\nDTSTART:20270301T090000Z\nDTEND:20270501T100000Z", "31 days"),
    ],
)
def test_an_event_that_cannot_be_planned_is_skipped_with_the_reason(do: Do, alice: Owner, event: str, reason: str) -> None:
    (result,) = take(do, alice, ics(event))
    assert result.outcome == "skipped"
    assert reason in result.reason


def test_plain_events_get_what_they_lack(do: Do, alice: Owner, store: Store) -> None:
    service = f"UID:u\nDTSTART:20270401T090000Z\nATTENDEE:mailto:{PLANNER}\nATTENDEE:invalid:nomail"
    (result,) = take(do, alice, ics(service))
    entry = store.run_now(lambda tx: rows.get(tx, str(result.entry)))
    assert entry.title
    assert entry.attendees == ()
    assert entry.when is not None
    assert entry.when.duration.total_seconds() == 1800


def test_a_cancelled_event_comes_in_cancelled(do: Do, alice: Owner) -> None:
    (result,) = take(do, alice, ics(SERIES + "STATUS:CANCELLED\n"))
    assert result.state is EntryState.CANCELLED


def test_what_was_deleted_or_is_anothers_is_not_taken_again(do: Do, alice: Owner) -> None:
    (result,) = take(do, alice, ics(SERIES))
    bob = do(planner.add_owner, email="bob@example.test")
    assert "Another owner" in take(do, bob, ics(SERIES))[0].reason
    do(planner.delete, result.entry)
    assert "was deleted" in take(do, alice, ics(SERIES))[0].reason


def test_an_export_is_read_back_the_same(do: Do, alice: Owner, store: Store) -> None:
    draft = Draft(title="Übung; mit, Zeichen", description="a\nb", when=when(), rrule="FREQ=WEEKLY;COUNT=3", attendees=(ANNA,))
    entry = do(planner.create, alice.id, draft).entry
    entry = do(planner.move, entry.id, start=datetime(2027, 3, 23, 8), recurrence_id=datetime(2027, 3, 22, 9)).entry
    raw = do(planner.export, entry.id)
    assert b"METHOD:PUBLISH" in raw
    (event,), problems = planner.parse_import(raw.replace(entry.uid.encode(), b"copy@example.test"), zone="UTC")
    assert problems == ()
    bob = do(planner.add_owner, email="bob@example.test")
    result = do(planner.import_one, bob.id, event, invite=False)
    again = store.run_now(lambda tx: rows.get(tx, result.entry))
    assert (again.title, again.description, again.when, again.rrule) == (entry.title, entry.description, entry.when, entry.rrule)
    assert [(one.recurrence_id, one.start) for one in again.occurrences] == [
        (one.recurrence_id, one.start) for one in entry.occurrences
    ]
    do(planner.cancel, entry.id)
    assert b"STATUS:CANCELLED" in do(planner.export, entry.id)
    undated = do(planner.create, alice.id, Draft(title="Ohne")).entry
    with pytest.raises(Rejected, match="entry text"):
        do(planner.export, undated.id)


def test_floating_times_are_read_in_the_owners_zone(do: Do, alice: Owner, store: Store) -> None:
    (result,) = take(do, alice, ics("UID:u\nSUMMARY:x\nDTSTART:20270401T090000\nDTEND:20270401T100000"))
    entry = store.run_now(lambda tx: rows.get(tx, str(result.entry)))
    assert entry.when is not None
    assert entry.when.zone == "Europe/Berlin"


def test_events_without_uid_are_taken_one_by_one_and_only_once(do: Do, alice: Owner) -> None:
    """They were all taken for one entry, the one with the empty UID."""
    raw = ics(
        "SUMMARY:Eins\nDTSTART:20270401T090000Z\nDTEND:20270401T100000Z",
        "SUMMARY:Zwei\nDTSTART:20270402T090000Z\nDTEND:20270402T100000Z",
    )
    assert [one.outcome for one in take(do, alice, raw)] == ["created", "created"]
    assert [one.outcome for one in take(do, alice, raw)] == ["unchanged", "unchanged"]
