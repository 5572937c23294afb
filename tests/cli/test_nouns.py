"""`owner`, `calendar`, `answer`, `work`, `db`, `status`: each verb once, on a database of its own."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cli.conftest import PLANNER, Cli
from tests.cli.test_entry import HINT
from tests.cli.test_files import calendar, event
from tests.servers.radicale import radicale


def test_owners_are_added_listed_shown_edited_and_removed(empty: Cli) -> None:
    assert empty("owner", "list").out == "There is no owner yet. Add one: sitzungsplaner owner add ADDRESS\n"
    added = empty(
        "owner", "add", "Anna@Example.org", "--name", "Anna", "--zone", "Europe/Vienna", "--language", "en", "--remind", "2h"
    )
    assert added.out.startswith("anna@example.org\n")
    assert added.err == ""
    head, row = empty("owner", "list").out.splitlines()
    assert head.split() == ["Address", "Name", "Language", "Zone", "Reminders"]
    assert re.split(r"\s{2,}", row) == ["anna@example.org", "Anna", "en", "Europe/Vienna", "2h before"]
    empty("owner", "edit", "anna@example.org", "--name", "Anna B.", "--no-reminders", "--address", "anna@example.net")
    shown = empty.json("owner", "show", "anna@example.net")
    assert (shown["name"], shown["reminders"], shown["timezone"]) == ("Anna B.", [], "Europe/Vienna")
    assert "none" in empty("owner", "show", "anna@example.net").out
    assert empty("owner", "remove", "anna@example.net").out == "anna@example.net is removed.\n"
    assert empty.json("owner", "list") == []


def test_an_owner_whose_entries_stand_is_not_removed(cli: Cli, haushalt: str) -> None:
    ended = cli("owner", "remove", "anna@example.org", code=1)
    assert ended.err == ("Error: anna@example.org still has 1 entries. Delete them first, so that their attendees are told.\n")


def test_a_calendar_is_probed_added_shown_synced_and_removed(cli: Cli) -> None:
    with radicale(cli.folder) as server:
        account = server.account("alice")
        password = cli.folder / "password"
        password.write_text(f"{account.password}\n")
        words = ("calendar", "add", "Team/Blau", "--url", account.url, "--username", account.username)
        ended = cli(*words, "--password-file", str(password), "--sender", "auto", "--header", "X-Test=1")
        assert ended.out.startswith("Added Team/Blau.\n")
        assert re.search(r"Invitations +sent by the planner\n", ended.out)
        assert re.search(r"Sends invitations itself +no\n", ended.out)
        assert "The connection is not encrypted" in ended.out
        assert account.password not in ended.all
        assert ended.err == HINT
        wrong = cli(
            "calendar", "add", "Falsch", "--url", account.url, "--username", "alice", "--password-stdin", code=1, stdin="nein\n"
        )
        assert wrong.err.startswith("Error: ")
        assert len(cli.json("calendar", "list")) == 1
    shown = cli.json("calendar", "show", "team/blau")
    assert (shown["name"], shown["owner"], shown["headers"], shown["password"]) == (
        "Team/Blau",
        "anna@example.org",
        ["X-Test"],
        "encrypted",
    )
    assert "Team/Blau" in cli("calendar", "list").out
    assert "Server" in cli("calendar", "show", "Team/Blau").out
    assert cli("calendar", "sync", "Team/Blau").out == "1 calendar is looked at next.\n"
    assert cli.json("calendar", "sync") == {"calendars": 1}
    made = cli("entry", "add", "Haushalt", "--start", "2035-03-06 09:00")
    assert "The event is written into the calendar Team/Blau." in made.out
    cli("entry", "edit", "Haushalt", "--calendar", "none")
    assert cli("calendar", "remove", "Team/Blau", "--dry-run").out.startswith("Team/Blau would be removed")
    assert cli("calendar", "remove", "Team/Blau").out.startswith("Team/Blau is removed.")
    assert cli("calendar", "list").out.startswith("There is no calendar yet.")


def test_a_calendar_that_is_not_asked_first_is_added_all_the_same(cli: Cli) -> None:
    cli.environ["SITZUNGSPLANER_CALENDARS__SECRETS__WEB__PASSWORD"] = "geheim"
    words = ("calendar", "add", "Web", "--url", "https://calendar.example.org/anna/", "--username", "anna")
    ended = cli(*words, "--password-ref", "web", "--no-probe", "--dry-run")
    assert ended.out.startswith("Nothing is changed yet.\n")
    assert ended.err == ""
    ended = cli(*words, "--password-ref", "web", "--no-probe")
    assert "The server was not asked." in ended.out
    assert cli.json("calendar", "show", "Web")["password"] == "reference web"


def reply(uid: str, partstat: str, *, message_id: str = "<1@example.org>", attendee: str = "ben@example.org") -> bytes:
    lines = [
        f"From: {attendee}",
        f"To: {PLANNER}",
        "Subject: Zugesagt",
        "Date: Mon, 01 Jan 2035 10:00:00 +0000",
        f"Message-ID: {message_id}",
        "MIME-Version: 1.0",
        "Content-Type: text/calendar; charset=utf-8; method=REPLY",
        "",
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//A calendar program//EN",
        "METHOD:REPLY",
        "BEGIN:VEVENT",
        f"UID:{uid}",
        "DTSTAMP:20350101T100000Z",
        "SEQUENCE:0",
        f"ATTENDEE;PARTSTAT={partstat}:mailto:{attendee}",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]
    return "\r\n".join(lines).encode()


def imported(cli: Cli) -> str:
    """The UID of an entry whose two attendees count as invited."""
    people = (f"ATTENDEE:mailto:{one}@example.org" for one in ("ben", "cora"))
    cli("entry", "import", "-", stdin=calendar(event("one@x", "SUMMARY:Haushalt", *people, sequence=0)))
    return "one@x"


def test_an_answer_mail_is_taken_in_from_a_pipe_and_shown_everywhere(cli: Cli) -> None:
    mail = reply(imported(cli), "ACCEPTED")
    ended = cli("answer", "ingest", stdin=mail)
    assert ended.out.startswith("applied: ben@example.org accepted: ")
    again = cli("answer", "ingest", "--json", stdin=mail)
    assert [*again.json] == ["outcome", "reason", "uid", "attendee", "partstat", "recurrence_id"]
    assert again.json["outcome"] == "ignored"
    assert "✓1 ✗0 ?0 …1" in cli("entry", "list").out
    assert re.search(r"ben@example\.org +accepted \(by mail, ", cli("entry", "show", "Haushalt").out)
    assert "Said" in cli("entry", "answers", "Haushalt").out
    cli("entry", "move", "Haushalt", "--start", "2035-03-07 09:00")
    assert "no answer since the move (had accepted)" in cli("entry", "show", "Haushalt").out


def test_mails_that_came_in_are_listed_and_shown_with_their_reason(cli: Cli) -> None:
    assert cli("answer", "list").out == "There are no such mails.\n"
    cli("answer", "ingest", stdin=reply("unknown@x", "ACCEPTED"))
    (mail,) = cli.json("answer", "list", "--outcome", "ignored")
    assert mail["uid"] == "unknown@x"
    assert "Zugesagt" in cli("answer", "list").out
    assert mail["reason"] in cli("answer", "show", mail["id"]).out
    assert cli.json("answer", "show", mail["id"]) == mail
    assert cli.json("answer", "list", "--outcome", "held") == []


def test_several_mail_files_are_taken_in_and_one_that_is_missing_ends_with_1(cli: Cli) -> None:
    imported(cli)
    files = []
    for number, partstat in enumerate(("DECLINED", "TENTATIVE")):
        file = cli.folder / f"{number}.eml"
        attendee = f"{('ben', 'cora')[number]}@example.org"
        file.write_bytes(reply("one@x", partstat, message_id=f"<{number}@x>", attendee=attendee))
        files.append(str(file))
    ended = cli("answer", "ingest", files[0], str(cli.folder / "none.eml"), files[1], code=1)
    assert [line.partition(": ")[0] for line in ended.out.splitlines()] == files
    assert ended.err == f"Error: {cli.folder / 'none.eml'} cannot be read: No such file or directory.\n"
    assert "✓0 ✗1 ?1 …0" in cli("entry", "list").out


def test_work_is_listed_shown_retried_and_dropped(cli: Cli, haushalt: str) -> None:
    key = f"mail:{haushalt}:ben@example.org"
    assert key in cli("work", "list").out
    assert [one["key"] for one in cli.json("work", "list", "--kind", "mail")] == [key, f"mail:{haushalt}:cora@example.org"]
    assert cli("work", "list", "--parked").out == "Nothing waits for a person.\n"
    assert cli("work", "show", key).out.startswith(key)
    assert cli.json("work", "show", key)["state"] == "waiting"
    ended = cli("work", "retry", key)
    assert ended.out.startswith(key)
    assert ended.err == HINT
    assert cli("work", "drop", key, "--dry-run").out == f"{key} would be dropped. Nothing is changed yet.\n"
    assert cli("work", "drop", key).out == f"{key} is dropped.\n"
    assert cli("work", "show", key, code=1).err.startswith("Error: ")


def test_status_tells_that_nothing_runs_and_what_waits(cli: Cli, haushalt: str) -> None:
    out = cli("status").out
    assert out.startswith("The service does not run: nothing is sent or fetched. Start it: systemctl start sitzungsplaner\n")
    assert re.search(r"^mail +2 +0 +0 +0 ", out, re.MULTILINE)
    assert {one["kind"] for one in cli.json("status")["queue"]} == {"mail", "remind"}


def test_the_database_is_made_backed_up_and_checked(bare: Cli) -> None:
    missing = bare("db", "check", code=1)
    assert missing.err.startswith(f"Error: There is no database at {bare.data / 'sitzungsplaner.db'}.")
    assert re.fullmatch(r"The database was brought to revision \w+\.\n", bare("db", "upgrade").out)
    assert re.fullmatch(r"The database is up to date \(revision \w+\)\.\n", bare("db", "upgrade").out)
    target = bare.folder / "copy.db"
    assert bare("db", "backup", str(target)).out == f"The database is backed up in {target}.\n"
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert bare("db", "check").out.endswith("The database is sound.\n")
    assert all(one["level"] == "warning" for one in bare.json("db", "check"))


def test_a_database_of_another_version_ends_the_check_with_1(cli: Cli) -> None:
    with closing(sqlite3.connect(cli.data / "sitzungsplaner.db")) as file, file:
        file.execute("UPDATE alembic_version SET version_num = '0000'")
    ended = cli("db", "check", code=1)
    assert "error: The tables are of revision 0000" in ended.out
    assert ended.err == ""


def test_a_backup_of_what_is_there_already_is_refused(cli: Cli) -> None:
    target = Path(cli.folder / "copy.db")
    target.write_text("mine")
    assert cli("db", "backup", str(target), code=1).err == f"Error: {target} exists already. Name a new file.\n"
    assert target.read_text() == "mine"


def test_json_on_standard_output_is_the_apis_own_and_in_one_line(cli: Cli, haushalt: str) -> None:
    out = cli("entry", "show", haushalt, "--json").out
    assert out.count("\n") == 1
    assert json.loads(out)["title"] == "Haushaltsausschuss"
