"""`entry import` and `entry export`: .ics files of other programs, in and out."""

from __future__ import annotations

import json
from pathlib import Path

import icalendar

from tests.cli.conftest import Cli
from tests.cli.test_entry import HINT


def event(uid: str, *more: str, start: str = "20350306T090000", sequence: int = 3) -> list[str]:
    return [
        "BEGIN:VEVENT",
        f"UID:{uid}",
        "DTSTAMP:20340101T000000Z",
        f"DTSTART;TZID=Europe/Berlin:{start}",
        "DURATION:PT1H",
        f"SEQUENCE:{sequence}",
        *more,
        "END:VEVENT",
    ]


def calendar(*events: list[str]) -> bytes:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Another//Program//EN", *(line for one in events for line in one)]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


GUESTS = (
    "SUMMARY:Haushalt",
    "ORGANIZER:mailto:anna@example.org",
    "ATTENDEE;CN=Ben;PARTSTAT=ACCEPTED:mailto:ben@example.org",
    "ATTENDEE;CN=Cora;PARTSTAT=NEEDS-ACTION:mailto:cora@example.org",
)


def test_an_import_keeps_uid_sequence_people_and_answers_and_mails_nobody(cli: Cli) -> None:
    file = cli.folder / "in.ics"
    file.write_bytes(calendar(event("one@elsewhere", *GUESTS)))
    ended = cli("entry", "import", str(file))
    assert ended.out == "created   Haushalt\n1 created.\n"
    assert ended.err == HINT
    (entry,) = cli.json("entry", "list")
    shown = cli.json("entry", "show", entry["id"])
    assert (shown["uid"], shown["sequence"], shown["invited"]) == ("one@elsewhere", 3, True)
    assert [(one["email"], one["partstat"], one["source"]) for one in shown["attendees"]] == [
        ("ben@example.org", "ACCEPTED", "import"),
        ("cora@example.org", "NEEDS-ACTION", None),
    ]
    assert not [one for one in cli.json("work", "list") if one["key"].startswith("mail:")]
    assert cli("entry", "import", str(file)).out == "unchanged Haushalt\n1 unchanged.\n"


def test_an_import_with_invite_sends(cli: Cli) -> None:
    ended = cli("entry", "import", "-", "--invite", stdin=calendar(event("one@elsewhere", *GUESTS)))
    assert ended.out == "created   Haushalt\n1 created.\n"
    owed = {one["key"].rpartition(":")[2] for one in cli.json("work", "list") if one["key"].startswith("mail:")}
    assert owed == {"ben@example.org", "cora@example.org"}


def test_one_bad_event_stops_nothing_is_named_with_its_reason_and_ends_with_1(cli: Cli) -> None:
    good, other = cli.folder / "good.ics", cli.folder / "other.ics"
    good.write_bytes(calendar(event("one@x", "SUMMARY:Gut"), event("two@x", "SUMMARY:Zu oft", "RRULE:FREQ=SECONDLY")))
    other.write_bytes(calendar(event("three@x", "SUMMARY:Auch gut")))
    ended = cli("entry", "import", str(good), str(cli.folder / "missing.ics"), str(other), code=1)
    lines = ended.out.splitlines()
    assert lines[0] == "created   Gut"
    assert lines[1].startswith("skipped   Zu oft – ")
    assert lines[2:] == ["created   Auch gut", "2 created, 1 skipped."]
    assert f"Error: {cli.folder / 'missing.ics'} cannot be read: No such file or directory." in ended.err


def test_a_dry_run_of_an_import_says_what_would_be(cli: Cli) -> None:
    ended = cli("entry", "import", "-", "--dry-run", stdin=calendar(event("one@x", *GUESTS)))
    assert ended.out == "created   Haushalt\nNothing is changed yet. It would be: 1 created.\n"
    assert ended.err == ""
    assert cli.json("entry", "list") == []


def test_the_json_of_an_import_is_one_object_a_line(cli: Cli) -> None:
    ended = cli("entry", "import", "-", "--json", "--calendar", "none", stdin=calendar(event("one@x", *GUESTS)))
    first, each, last = (json.loads(line) for line in ended.out.splitlines())
    assert (first["total"], each["outcome"], each["uid"], last) == (1, "created", "one@x", {"done": True, "sums": {"created": 1}})


def test_an_export_comes_back_as_the_same_entry(cli: Cli, haushalt: str) -> None:
    file = cli.folder / "out.ics"
    assert cli("entry", "export", haushalt, "--output", str(file)).out == f"{file} is written.\n"
    (exported,) = icalendar.Calendar.from_ical(file.read_bytes()).walk("VEVENT")
    assert exported["SUMMARY"] == "Haushaltsausschuss"
    assert cli("entry", "export", haushalt).out.encode() == file.read_bytes()
    assert cli("entry", "import", str(file)).out == "unchanged Haushaltsausschuss\n1 unchanged.\n"


def test_several_entries_are_exported_into_one_file_that_an_import_takes(cli: Cli, haushalt: str, tmp_path: Path) -> None:
    cli("entry", "add", "Zweiter", "--start", "2035-04-01 09:00")
    both = cli("entry", "export", haushalt, "Zweiter").out.encode()
    assert both.count(b"BEGIN:VEVENT") == 2
    assert cli("entry", "import", "-", stdin=both).out.splitlines()[-1] == "2 unchanged."


def test_an_export_that_cannot_be_written_says_so(cli: Cli, haushalt: str) -> None:
    target = cli.folder / "nirgends" / "x.ics"
    ended = cli("entry", "export", haushalt, "--output", str(target), code=1)
    assert ended.err == (
        f"Error: {target} cannot be written: No such file or directory. Without --output it goes to standard output.\n"
    )
