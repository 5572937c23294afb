"""Making and editing entries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from daemon.cli.client import service
from daemon.cli.entry import asked, shown
from daemon.cli.options import DryRun, EntryName, Json, OneDate, duration, only_one, person, read_text

Zone = Annotated[str, typer.Option("--zone", metavar="ZONE", help="IANA name, like Europe/Berlin; otherwise the owner's.")]
Start = Annotated[
    str,
    typer.Option(
        "--start", metavar="TIME", help='"2026-12-01 09:00", "1.12.2026 09:00", "tomorrow 14:00"; a day with --all-day.'
    ),
]
Duration = Annotated[str, typer.Option("--duration", metavar="LENGTH", help="1h30m, 45m, 2d; otherwise an hour, or a day.")]
Repeat = Annotated[str, typer.Option("--repeat", metavar="HOW", help="daily, workdays, weekly, monthly or yearly.")]
Every = Annotated[int, typer.Option("--every", min=1, max=1000, metavar="N", help="With --repeat: only every Nth.")]
Rrule = Annotated[str, typer.Option("--rrule", metavar="RECUR", help='Any recurrence, as in RFC 5545: "FREQ=MONTHLY;BYDAY=2TU".')]
Count = Annotated[int | None, typer.Option("--count", min=1, metavar="N", help="With --repeat: so many times.")]
Until = Annotated[str, typer.Option("--until", metavar="DAY", help="With --repeat: up to this day.")]
Description = Annotated[str | None, typer.Option("--description", metavar="TEXT", help="What attendees should know.")]
DescriptionFile = Annotated[
    Path | None, typer.Option("--description-file", metavar="FILE", help="The description from a file; - is standard input.")
]
Location = Annotated[str | None, typer.Option("--location", metavar="PLACE", help="Where it takes place.")]
Remind = Annotated[
    list[str] | None,
    typer.Option("--remind", metavar="BEFORE", help="Remind the owner so long before: 24h. Several times if wanted."),
]
Password = Annotated[
    str | None, typer.Option("--password", metavar="WORD", help="The session's password, which invitations tell.")
]
CalendarChoice = Annotated[
    str | None,
    typer.Option("--calendar", metavar="NAME", help="The calendar to write into, or none; otherwise the owner's first."),
]


def add(
    ctx: typer.Context,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What the session is about.")],
    *,
    start: Start = "",
    zone: Zone = "",
    length: Duration = "",
    all_day: Annotated[bool, typer.Option("--all-day", help="Whole days.")] = False,
    repeat: Repeat = "",
    every: Every = 1,
    rrule: Rrule = "",
    count: Count = None,
    until: Until = "",
    attendee: Annotated[
        list[str] | None,
        typer.Option("--attendee", metavar="PERSON", help='"Anna Beispiel <anna@example.org>". Once for each person.'),
    ] = None,
    optional: Annotated[
        list[str] | None, typer.Option("--optional", metavar="PERSON", help="Somebody who may come, but need not.")
    ] = None,
    description: Description = None,
    description_file: DescriptionFile = None,
    location: Location = None,
    telephone: Annotated[bool, typer.Option("--telephone", help="Add the telephone conference's number.")] = False,
    no_reminder: Annotated[bool, typer.Option("--no-reminder", help="Do not remind the owner.")] = False,
    remind: Remind = None,
    password: Password = None,
    calendar: CalendarChoice = None,
    sender: Annotated[
        str | None,
        typer.Option(
            "--sender", metavar="WHO", help="Who mails invitations: planner or calendar; otherwise as the calendar has it."
        ),
    ] = None,
    no_invite: Annotated[bool, typer.Option("--no-invite", help="Invite nobody yet; entry invite does it later.")] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Make an entry: it gets its number, stands in the calendar, and its attendees are invited.

    Without --start it has no date: the number is reserved, and the session may be held on any day.
    """
    body: dict[str, Any] = {"title": title, "telephone": telephone, "all_day": all_day, "invite": not no_invite}
    _texts(body, description, description_file, location, password)
    _reminders(body, remind, no_reminder=no_reminder)
    people = [person(one) for one in attendee or ()] + [person(one, "OPT-PARTICIPANT") for one in optional or ()]
    given = {
        "timezone": zone,
        "duration": length and duration("--duration", length),
        "attendees": people,
        "sender": sender,
    }
    body |= {name: value for name, value in given.items() if value}
    if calendar is not None:
        body["calendar"] = _calendar(calendar)
    with service(ctx) as api:
        if start:
            body["start"] = asked.start_text(api, start, zone)
        body["rrule"] = asked.rule(api, repeat=repeat, every=every, rrule=rrule, count=count, until=until, zone=zone)
        answer = api.post("/entries", body, dry_run=dry_run)
        shown.changed(api, answer, "Planned.", json=json)


def edit(
    ctx: typer.Context,
    entry: EntryName,
    *,
    date: OneDate = "",
    title: Annotated[str | None, typer.Option("--title", metavar="TITLE", help="What the session is about.")] = None,
    start: Start = "",
    zone: Zone = "",
    length: Duration = "",
    all_day: Annotated[bool | None, typer.Option("--all-day/--no-all-day", help="Whole days, or with a time of day.")] = None,
    no_date: Annotated[bool, typer.Option("--no-date", help="Take the date away; the number stays.")] = False,
    repeat: Repeat = "",
    every: Every = 1,
    rrule: Rrule = "",
    count: Count = None,
    until: Until = "",
    no_repeat: Annotated[bool, typer.Option("--no-repeat", help="Make a single session of the series.")] = False,
    description: Description = None,
    description_file: DescriptionFile = None,
    location: Location = None,
    telephone: Annotated[
        bool | None, typer.Option("--telephone/--no-telephone", help="Add the telephone conference's number, or leave it out.")
    ] = None,
    reminder: Annotated[bool | None, typer.Option("--reminder/--no-reminder", help="Remind the owner, or do not.")] = None,
    remind: Remind = None,
    password: Password = None,
    calendar: CalendarChoice = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Change what is named and nothing else; an empty text clears. Attendees are told what concerns them.

    People come by entry invite and go by entry uninvite.
    """
    only_one((("--start", bool(start)), ("--no-date", no_date)))
    only_one((("--repeat", bool(repeat)), ("--rrule", bool(rrule)), ("--no-repeat", no_repeat)))
    only_one((("--remind", bool(remind)), ("--no-reminder", reminder is False)))
    body: dict[str, Any] = {}
    _texts(body, description, description_file, location, password)
    _reminders(body, remind, no_reminder=False)
    given = {
        "title": title,
        "timezone": zone or None,
        "duration": duration("--duration", length) if length else None,
        "all_day": all_day,
        "telephone": telephone,
        "remind": True if remind and reminder is None else reminder,
    }
    body |= {name: value for name, value in given.items() if value is not None}
    if calendar is not None:
        body["calendar"] = _calendar(calendar) or None
    if no_date:
        body["start"] = None
    with service(ctx) as api:
        found = asked.entry_id(api, entry)
        if start:
            body["start"] = asked.start_text(api, start, zone, found)
        new_rule = asked.rule(api, repeat=repeat, every=every, rrule=rrule, count=count, until=until, zone=zone)
        if new_rule or no_repeat:
            body["rrule"] = new_rule
        if not body:
            raise typer.BadParameter("Say what is to become different, like --title or --location.")
        at = asked.one_date(api, found, date)
        answer = api.call("PATCH", f"/entries/{found}", params={"date": at, "dry_run": dry_run}, json=body)
        shown.changed(api, answer, "Changed.", json=json, date=at)


def _texts(
    body: dict[str, Any], description: str | None, description_file: Path | None, location: str | None, password: str | None
) -> None:
    only_one((("--description", description is not None), ("--description-file", description_file is not None)))
    if description_file is not None:
        description = read_text(description_file)
    for name, value in (("description", description), ("location", location), ("password", password)):
        if value is not None:
            body[name] = value


def _reminders(body: dict[str, Any], remind: list[str] | None, *, no_reminder: bool) -> None:
    only_one((("--remind", bool(remind)), ("--no-reminder", no_reminder)))
    if no_reminder:
        body["remind"] = False
    if remind:
        body["reminders"] = [duration("--remind", one) for one in remind]


def _calendar(name: str) -> str:
    return "" if name.strip().lower() == "none" else name
