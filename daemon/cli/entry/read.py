"""Looking at entries."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from daemon.cli import screen, words
from daemon.cli.client import service
from daemon.cli.entry import asked
from daemon.cli.options import EntryName, Json, Limit, only_one


def list_entries(
    ctx: typer.Context,
    *,
    every: Annotated[bool, typer.Option("--all", help="All there are.")] = False,
    past: Annotated[bool, typer.Option("--past", help="Those that are over, the latest first.")] = False,
    undated: Annotated[bool, typer.Option("--undated", help="Those without a date.")] = False,
    cancelled: Annotated[bool, typer.Option("--cancelled", help="Those that were cancelled.")] = False,
    search: Annotated[
        str, typer.Option("--search", metavar="WORDS", help="Words of title, place, description, number or attendees.")
    ] = "",
    limit: Limit = 200,
    json: Json = False,
) -> None:
    """List entries, the soonest first."""
    choices = (("--all", every), ("--past", past), ("--undated", undated), ("--cancelled", cancelled))
    only_one(choices)
    which = next((name.removeprefix("--") for name, chosen in choices if chosen), "upcoming")
    with service(ctx) as api:
        answer = api.get("/entries", which=which, search=search or None, limit=limit)
    if json:
        screen.as_json(answer)
        return
    entries: list[dict[str, Any]] = answer.json()
    if not entries:
        screen.say(f"There are no {which if which != 'all' else ''} entries.".replace("  ", " "))
        return
    rows = [
        (
            one["number_shown"],
            one["title"],
            words.date_line(one["next"] or (one if which != "upcoming" else None), all_day=one["all_day"]),
            words.repeats(one),
            words.counts(one["counts"]),
            words.state(one),
        )
        for one in entries
    ]
    screen.table(("Number", "Title", "Date", "Repeats", "Answers", "State"), rows)


def show(ctx: typer.Context, entry: EntryName, *, json: Json = False) -> None:
    """Show all there is to know: dates, who comes, what was sent, calendars, reminders."""
    with service(ctx) as api:
        answer = api.get(f"/entries/{asked.entry_id(api, entry)}")
    if json:
        screen.as_json(answer)
        return
    shown: dict[str, Any] = answer.json()
    screen.styled(f"{shown['number_shown']}  {shown['title']}", "bold")
    screen.pairs(_facts(shown))
    _attendees(shown["attendees"])
    _occurrences(shown["occurrences"], all_day=shown["all_day"])
    if shown["calendars"]:
        rows = [(one["calendar"], one["state"], one["item"] or "", one["error"]) for one in shown["calendars"]]
        _section("Calendars", ("Calendar", "State", "Event", "Problem"), rows)
    if shown["reminders"]:
        rows = [
            (f"{words.duration(one['offset'])} before", one["state"], words.moment(one["due"]), one["reason"])
            for one in shown["reminders"]
        ]
        _section("Reminders", ("When", "State", "Due", "Reason"), rows)


def answers(ctx: typer.Context, entry: EntryName, *, json: Json = False) -> None:
    """Show who comes, date by date, and everything that was answered."""
    with service(ctx) as api:
        answer = api.get(f"/entries/{asked.entry_id(api, entry)}/answers")
    if json:
        screen.as_json(answer)
        return
    said: dict[str, Any] = answer.json()
    screen.styled(said["title"], "bold")
    if not said["attendees"]:
        screen.say("Nobody is on the list.")
        return
    screen.say(words.counts(said["counts"]))
    _attendees(said["attendees"])
    if said["occurrences"]:
        people = [one["email"] for one in said["attendees"]]
        rows = [
            (words.moment(one["recurrence_id"]), *(_short(standing) for standing in one["attendees"]))
            for one in said["occurrences"]
        ]
        _section("Dates", ("Date", *people), rows)
    if said["answers"]:
        rows = [
            (
                words.moment(one["answered_at"]),
                one["attendee"],
                words.ANSWERS[one["partstat"]],
                words.moment(one["recurrence_id"]) or "all",
                one["source"],
                one["comment"],
                "" if one["counts"] else "about another date",
            )
            for one in said["answers"]
        ]
        _section("Said", ("At", "Who", "Answer", "Date", "By", "Comment", ""), rows)


def text(
    ctx: typer.Context,
    entry: EntryName,
    *,
    language: Annotated[str | None, typer.Option("--language", metavar="de|en", help="Otherwise the owner's.")] = None,
    json: Json = False,
) -> None:
    """Print the invitation as text, to paste into any mail or chat."""
    with service(ctx) as api:
        answer = api.get(f"/entries/{asked.entry_id(api, entry)}/text", language=language)
    if json:
        screen.as_json(answer)
    else:
        screen.say(answer.json()["text"])


def _facts(shown: dict[str, Any]) -> list[tuple[str, object]]:
    following = shown["next"]
    return [
        ("Date", words.date_line(shown, all_day=shown["all_day"])),
        ("Repeats", words.repeats(shown)),
        ("Next", words.date_line(following, all_day=shown["all_day"]) if following and shown["rrule"] else ""),
        ("State", shown["state"]),
        ("Place", shown["location"]),
        ("Link", shown["link"]),
        ("Password", shown["password"]),
        ("Telephone", "with the conference's number" if shown["telephone"] else ""),
        ("Owner", shown["owner"]),
        ("Invitations", f"sent by the {shown['sender']}" if shown["invited"] else "not sent yet"),
        ("Description", shown["description"]),
        ("Id", shown["id"]),
        ("UID", shown["uid"]),
    ]


def _attendees(people: list[dict[str, Any]]) -> None:
    if not people:
        return
    rows = [
        (
            one["name"],
            one["email"],
            "optional" if one["role"] == "OPT-PARTICIPANT" else "",
            words.standing(one),
            one["comment"],
            words.delivery(one),
        )
        for one in people
    ]
    _section("Attendees", ("Name", "Address", "", "Answer", "Comment", "Mail"), rows)


def _occurrences(dates: list[dict[str, Any]], *, all_day: bool) -> None:
    if not dates:
        return
    rows = [
        (
            words.date_line(one, all_day=all_day),
            "cancelled" if one["state"] == "cancelled" else "moved" if one["moved"] else "",
            words.moment(one["recurrence_id"]),
            words.counted(one["attendees"]),
        )
        for one in dates
    ]
    _section("Coming dates", ("Date", "", "--date", "Answers"), rows)


def _short(standing: dict[str, Any]) -> str:
    return "no answer since the move" if standing["outdated"] else words.ANSWERS[standing["partstat"]]


def _section(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    screen.say("")
    screen.styled(title, "bold")
    used = [at for at, _ in enumerate(columns) if columns[at] in ("Answer", "State") or any(row[at] for row in rows)]
    screen.table([columns[at] for at in used], [[row[at] for at in used] for row in rows])
