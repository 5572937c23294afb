"""`entry`: making, changing and looking at entries."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.cli.conftest import Cli

HINT = "Saved. It goes out when the service runs: systemctl start sitzungsplaner.\n"


def test_a_new_entry_is_shown_with_number_date_zone_and_what_will_be_sent(cli: Cli) -> None:
    ended = cli(
        "entry", "add", "Haushalt", "--start", "2035-03-06 9:00", "--attendee", "Ben <ben@example.org>", "--location", "Raum 3"
    )
    lines = [line.strip() for line in ended.out.splitlines()]
    assert re.fullmatch(r"\d{3}-\d{3}-\d{3}", lines[0])
    assert lines[1:4] == ["Planned.", "Haushalt", "Tue 2035-03-06 09:00–10:00 Europe/Berlin"]
    assert lines[4] == f"https://meet.example.org/{lines[0].replace('-', '')}"
    assert lines[5:8] == [
        "Ben <ben@example.org> is mailed an invitation.",
        "anna@example.org is reminded Mon 2035-03-05 09:00 Europe/Berlin.",
        "anna@example.org is reminded Tue 2035-03-06 08:45 Europe/Berlin.",
    ]
    assert re.fullmatch(r"id [0-9a-f]{32}", lines[8])
    assert ended.err == HINT


def test_everything_that_can_be_said_of_a_new_entry_arrives(cli: Cli, tmp_path: object) -> None:
    text = cli.folder / "beschreibung.txt"
    text.write_text("\ufeffErste Zeile\nZweite Zeile\n", encoding="utf-8")
    made = cli.json(
        *("entry", "add", "Haushalt", "--start", "1.3.2035", "--all-day", "--duration", "2d", "--zone", "Europe/Vienna"),
        *("--repeat", "monthly", "--every", "2", "--until", "31.12.2035", "--telephone", "--password", "geheim"),
        *("--remind", "2h", "--remind", "1d", "--calendar", "none", "--no-invite", "--location", "Rathaus"),
        *("--description-file", str(text), "--attendee", "Ben <ben@example.org>", "--optional", "cora@example.org"),
    )["entry"]
    assert (made["start"], made["end"], made["timezone"]) == (
        "2035-03-01T00:00:00+01:00",
        "2035-03-03T00:00:00+01:00",
        "Europe/Vienna",
    )
    assert (made["all_day"], made["duration"], made["rrule"]) == (True, "P2D", "FREQ=MONTHLY;UNTIL=20351231;INTERVAL=2")
    assert (made["telephone"], made["password"], made["location"], made["invited"]) == (True, "geheim", "Rathaus", False)
    assert made["description"] == "Erste Zeile\nZweite Zeile"
    assert [one["offset"] for one in made["reminders"]] == ["PT24H", "PT2H"]
    assert [(one["email"], one["name"], one["role"]) for one in made["attendees"]] == [
        ("ben@example.org", "Ben", "REQ-PARTICIPANT"),
        ("cora@example.org", "", "OPT-PARTICIPANT"),
    ]


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (("--repeat", "daily"), "FREQ=DAILY"),
        (("--repeat", "workdays", "--count", "3"), "FREQ=WEEKLY;COUNT=3;BYDAY=MO,TU,WE,TH,FR"),
        (("--repeat", "weekly", "--every", "2"), "FREQ=WEEKLY;INTERVAL=2"),
        (("--repeat", "yearly"), "FREQ=YEARLY"),
        (("--rrule", "FREQ=MONTHLY;BYDAY=1TU"), "FREQ=MONTHLY;BYDAY=1TU"),
        (("--repeat", "weekly", "--until", "2035-04-03"), "FREQ=WEEKLY;UNTIL=20350403T215959Z"),
    ],
)
def test_a_recurrence_is_said_in_words_or_as_a_rule(cli: Cli, words: tuple[str, ...], rule: str) -> None:
    made = cli.json("entry", "add", "Serie", "--start", "2035-03-06 09:00", *words)
    assert made["entry"]["rrule"] == rule


def test_an_entry_without_a_start_has_no_date(cli: Cli) -> None:
    ended = cli("entry", "add", "Irgendwann")
    assert "no date" in ended.out
    assert ended.err == ""
    assert "Irgendwann" in cli("entry", "list", "--undated").out
    assert cli("entry", "list").out == "There are no upcoming entries.\n"


def test_tomorrow_is_the_owners_tomorrow(cli: Cli) -> None:
    made = cli.json("entry", "add", "Morgen", "--start", "morgen 23:30", "--zone", "Pacific/Kiritimati")
    there = datetime.now(ZoneInfo("Pacific/Kiritimati")).date() + timedelta(days=1)
    assert made["entry"]["start"].startswith(f"{there}T23:30")
    at_home = datetime.now(ZoneInfo("Europe/Berlin")).date() + timedelta(days=1)
    assert cli.json("entry", "add", "Daheim", "--start", "tomorrow 14:00")["entry"]["start"].startswith(f"{at_home}T14:00")
    assert cli.json("entry", "move", "Morgen", "--start", "tomorrow 14:00")["entry"]["start"].startswith(f"{there}T14:00")


def test_a_dry_run_says_whom_it_mails_and_changes_nothing(cli: Cli, haushalt: str) -> None:
    ended = cli("entry", "invite", "Haushalt", "Dora <dora@example.org>", "--dry-run")
    assert ended.out.splitlines()[:2] == [
        "Nothing is changed yet. This change mails 3 people: 3 invitations.",
        "  Ben <ben@example.org> is mailed an invitation.",
    ]
    assert ended.err == ""
    assert len(cli.json("entry", "show", haushalt)["attendees"]) == 2
    for words in (
        ("entry", "edit", haushalt, "--title", "Anders"),
        ("entry", "move", haushalt, "--start", "2035-03-07 09:00"),
        ("entry", "cancel", haushalt),
        ("entry", "delete", haushalt),
        ("entry", "copy", haushalt),
        ("entry", "uninvite", haushalt, "ben@example.org"),
        ("entry", "add", "Neu", "--start", "2035-03-07 09:00"),
    ):
        before = cli("entry", "list", "--all", "--json").out
        assert cli(*words, "--dry-run").out.startswith("Nothing is changed yet. This change mails ")
        assert cli("entry", "list", "--all", "--json").out == before


def test_a_series_is_listed_with_its_next_date_its_recurrence_and_its_answers(cli: Cli, haushalt: str) -> None:
    head, row = cli("entry", "list").out.splitlines()
    assert head.split() == ["Number", "Title", "Date", "Repeats", "Answers", "State"]
    columns = re.split(r"\s{2,}", row)
    assert columns[1:] == [
        "Haushaltsausschuss",
        "Tue 2035-03-06 09:00–10:30 Europe/Berlin",
        "every Tuesday, 5 times",
        "✓0 ✗0 ?0 …2",
        "planned",
    ]
    number = cli.json("entry", "list")[0]["number_shown"]
    assert number == columns[0]
    assert cli.json("entry", "list", "--search", "ben@example.org")[0]["id"] == haushalt
    assert cli.json("entry", "list", "--search", "nirgends") == []
    assert cli("entry", "list", "--past").out == "There are no past entries.\n"


def test_an_entry_is_named_by_number_title_or_id(cli: Cli, haushalt: str) -> None:
    number = cli.json("entry", "show", haushalt)["number_shown"]
    for name in (number, number.replace("-", " "), "haushalts", haushalt[:10]):
        assert cli.json("entry", "show", name)["id"] == haushalt


def test_an_entry_is_shown_with_all_there_is_to_know(cli: Cli, haushalt: str) -> None:
    out = cli("entry", "show", haushalt).out
    for part in (
        "Haushaltsausschuss",
        "Tue 2035-03-06 09:00–10:30 Europe/Berlin",
        "every Tuesday, 5 times",
        "anna@example.org",
        "sent by the planner",
        "Attendees",
        "optional",
        "no answer",
        "waits to be sent",
        "Coming dates",
        "2035-03-13 09:00",
        "Reminders",
        "24h before",
    ):
        assert part in out


def test_the_json_of_an_entry_has_what_the_design_promises(cli: Cli, haushalt: str) -> None:
    shown = cli.json("entry", "show", haushalt)
    promised = {
        *("uid", "number", "title", "start", "end", "timezone", "duration", "rrule", "state", "sequence", "sender"),
        *("attendees", "occurrences", "calendars", "reminders"),
    }
    assert promised <= shown.keys()
    assert {"email", "name", "role", "partstat", "source", "answered_at", "delivery"} <= shown["attendees"][0].keys()
    assert {"offset", "due", "state", "reason"} <= shown["reminders"][0].keys()
    assert shown["start"] == "2035-03-06T09:00:00+01:00"


def test_one_date_of_a_series_is_moved_and_another_cancelled(cli: Cli, haushalt: str) -> None:
    moved = cli("entry", "move", haushalt, "--start", "14.3.2035 10:00", "--date", "2035-03-13 09:00")
    assert "The date 2035-03-13 09:00: Wed 2035-03-14 10:00–11:30 Europe/Berlin" in moved.out
    cancelled = cli("entry", "cancel", haushalt, "--date", "20.3.2035")
    assert "The date 2035-03-20 09:00: cancelled" in cancelled.out
    dates = {one["recurrence_id"][:10]: one for one in cli.json("entry", "show", haushalt)["occurrences"]}
    assert dates["2035-03-13"]["start"] == "2035-03-14T10:00:00+01:00"
    assert dates["2035-03-20"]["state"] == "cancelled"


def test_an_entry_is_moved_cancelled_moved_again_and_deleted(cli: Cli, haushalt: str) -> None:
    assert "Moved." in cli("entry", "move", haushalt, "--start", "2035-03-07 11:00", "--duration", "45m").out
    shown = cli.json("entry", "show", haushalt)
    assert (shown["start"], shown["duration"]) == ("2035-03-07T11:00:00+01:00", "PT45M")
    assert "Cancelled." in cli("entry", "cancel", haushalt).out
    assert "cancelled" in cli("entry", "list", "--cancelled").out
    assert "Moved." in cli("entry", "move", haushalt, "--start", "2035-03-08 11:00").out
    assert "Deleted." in cli("entry", "delete", haushalt).out
    assert cli("entry", "list", "--all").out == "There are no entries.\n"


def test_edit_changes_what_is_named_and_nothing_else(cli: Cli, haushalt: str) -> None:
    before = cli.json("entry", "show", haushalt)
    cli("entry", "edit", haushalt, "--title", "Finanzen", "--location", "Raum 5", "--no-reminder", "--telephone")
    after = cli.json("entry", "show", haushalt)
    assert (after["title"], after["location"], after["remind"], after["telephone"]) == ("Finanzen", "Raum 5", False, True)
    assert (after["start"], after["rrule"], len(after["attendees"])) == (before["start"], before["rrule"], 2)
    cli("entry", "edit", haushalt, "--location", "", "--remind", "30m", "--no-repeat", "--zone", "Europe/London")
    after = cli.json("entry", "show", haushalt)
    assert (after["location"], after["remind"], after["rrule"]) == ("", True, None)
    assert after["start"] == "2035-03-06T09:00:00Z"
    assert [one["offset"] for one in after["reminders"]] == ["PT30M"]


def test_edit_of_one_date_leaves_the_series_alone(cli: Cli, haushalt: str) -> None:
    cli("entry", "edit", haushalt, "--location", "Raum 9", "--date", "2035-03-13")
    shown = cli.json("entry", "show", haushalt)
    assert [one["location"] for one in shown["occurrences"]] == ["", "Raum 9", "", "", ""]


def test_a_date_is_taken_away_from_an_entry_that_nobody_was_told_of(cli: Cli) -> None:
    made = cli.json("entry", "add", "Leise", "--start", "2035-03-06 09:00", "--no-invite")["entry"]
    cli("entry", "edit", made["id"], "--no-date")
    assert cli.json("entry", "show", made["id"])["start"] is None


def test_people_come_and_go(cli: Cli, haushalt: str) -> None:
    cli("entry", "invite", haushalt, "Dora <dora@example.org>", "--optional", "Emil <emil@example.org>")
    roles = {one["email"]: one["role"] for one in cli.json("entry", "show", haushalt)["attendees"]}
    assert roles["dora@example.org"] == "REQ-PARTICIPANT"
    assert roles["emil@example.org"] == "OPT-PARTICIPANT"
    out = cli("entry", "uninvite", haushalt, "Ben <ben@example.org>", "cora@example.org").out
    assert "Taken off the list." in out
    assert len(cli.json("entry", "show", haushalt)["attendees"]) == 2


def test_a_copy_has_a_number_of_its_own_and_tells_nobody(cli: Cli, haushalt: str) -> None:
    ended = cli("entry", "copy", haushalt, "--start", "2036-03-04 09:00", "--title", "Haushalt 2036")
    assert "Copied." in ended.out
    assert "`entry invite` sends the invitations" in ended.out
    numbers = {one["number"] for one in cli.json("entry", "list")}
    assert len(numbers) == 2


def test_answers_are_shown_for_everybody_and_every_date(cli: Cli, haushalt: str) -> None:
    out = cli("entry", "answers", haushalt).out
    assert "✓0 ✗0 ?0 …2" in out
    assert "ben@example.org" in out
    assert "2035-03-06 09:00" in out
    assert cli.json("entry", "answers", haushalt)["counts"] == {"accepted": 0, "declined": 0, "tentative": 0, "silent": 2}
    cli("entry", "add", "Allein", "--start", "2035-03-06 09:00")
    assert cli("entry", "answers", "Allein").out == "Allein\nNobody is on the list.\n"


def test_the_text_to_pass_on_comes_in_both_languages(cli: Cli, haushalt: str) -> None:
    assert "Sitzungsnummer" in cli("entry", "text", haushalt).out
    assert "Session number" in cli("entry", "text", haushalt, "--language", "en").out
    assert cli.json("entry", "text", haushalt)["text"].startswith("Anna Beispiel")


def test_two_owners_are_told_apart_by_the_option_and_by_the_environment(cli: Cli) -> None:
    cli("owner", "add", "otto@example.org", "--zone", "America/New_York")
    cli("--owner", "otto@example.org", "entry", "add", "Ottos", "--start", "2035-03-06 09:00")
    cli.environ["SITZUNGSPLANER_OWNER"] = "anna@example.org"
    cli("entry", "add", "Annas", "--start", "2035-03-06 09:00")
    assert [one["title"] for one in cli.json("entry", "list")] == ["Annas"]
    (ottos,) = cli("--owner", "otto@example.org", "entry", "list", "--json").json
    assert (ottos["title"], ottos["timezone"]) == ("Ottos", "America/New_York")
    assert cli("--owner", "otto@example.org", "entry", "show", "Annas", code=1).err.startswith("Error: There is no entry “Annas”")


def test_titles_can_neither_move_the_cursor_nor_be_taken_for_markup(cli: Cli) -> None:
    cli("entry", "add", "[red]Rot[/red] \x1b[2Jund :smile:", "--start", "2035-03-06 09:00")
    out = cli("entry", "list").out
    assert "[red]Rot[/red]" in out
    assert ":smile:" in out
    assert "\x1b" not in out
