"""Moving, cancelling, deleting, copying entries; inviting people and taking them off."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from daemon.cli.client import service
from daemon.cli.entry import asked, shown
from daemon.cli.entry.plan import Duration, Start, Zone
from daemon.cli.options import DryRun, EntryName, Json, OneDate, duration, person

People = Annotated[
    list[str] | None, typer.Argument(metavar="[PERSON]...", help='"Anna Beispiel <anna@example.org>" or an address alone.')
]


def move(
    ctx: typer.Context,
    entry: EntryName,
    *,
    start: Start = "",
    zone: Zone = "",
    length: Duration = "",
    date: OneDate = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Move an entry, or one date of a series. Attendees are asked again; a cancelled entry stands again."""
    if not (start or zone or length):
        raise typer.BadParameter('Say where to, like --start "2026-12-01 09:00".')
    body: dict[str, Any] = {"timezone": zone or None, "duration": duration("--duration", length) if length else None}
    with service(ctx) as api:
        found = asked.entry_id(api, entry)
        if start:
            body["start"] = asked.start_text(api, start, zone, found)
        at = asked.one_date(api, found, date)
        answer = api.post(f"/entries/{found}/move", body, date=at, dry_run=dry_run)
        shown.changed(api, answer, "Moved.", json=json, date=at)


def cancel(ctx: typer.Context, entry: EntryName, *, date: OneDate = "", dry_run: DryRun = False, json: Json = False) -> None:
    """Cancel an entry, or one date of a series: everybody is told, the event goes. Entry and number stay."""
    with service(ctx) as api:
        found = asked.entry_id(api, entry)
        at = asked.one_date(api, found, date)
        answer = api.post(f"/entries/{found}/cancel", date=at, dry_run=dry_run)
        shown.changed(api, answer, "Cancelled.", json=json, date=at)


def delete(ctx: typer.Context, entry: EntryName, *, dry_run: DryRun = False, json: Json = False) -> None:
    """Cancel an entry for everybody and give its number back."""
    with service(ctx) as api:
        answer = api.call("DELETE", f"/entries/{asked.entry_id(api, entry)}", params={"dry_run": dry_run})
        shown.changed(api, answer, "Deleted.", json=json)


def copy(
    ctx: typer.Context,
    entry: EntryName,
    *,
    start: Start = "",
    title: Annotated[str | None, typer.Option("--title", metavar="TITLE", help="Another title than the original's.")] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Make another entry like this one, with a number of its own. Nobody is told before entry invite."""
    with service(ctx) as api:
        found = asked.entry_id(api, entry)
        body = {"title": title, "start": asked.start_text(api, start, None, found) if start else None}
        shown.changed(api, api.post(f"/entries/{found}/copy", body, dry_run=dry_run), "Copied.", json=json)


def invite(
    ctx: typer.Context,
    entry: EntryName,
    people: People = None,
    *,
    optional: Annotated[
        list[str] | None, typer.Option("--optional", metavar="PERSON", help="Somebody who may come, but need not.")
    ] = None,
    date: OneDate = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Add people and invite everybody who is not told yet. With --date they come to that date only."""
    chosen = [person(one) for one in people or ()] + [person(one, "OPT-PARTICIPANT") for one in optional or ()]
    with service(ctx) as api:
        found = asked.entry_id(api, entry)
        at = asked.one_date(api, found, date)
        answer = api.post(f"/entries/{found}/invite", {"attendees": chosen}, date=at, dry_run=dry_run)
        shown.changed(api, answer, "Invited.", json=json, date=at)


def uninvite(
    ctx: typer.Context,
    entry: EntryName,
    people: Annotated[list[str], typer.Argument(metavar="PERSON...", help="Addresses to take off the list.")],
    *,
    date: OneDate = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Take people off the list; each one who was told gets a cancellation of his own."""
    with service(ctx) as api:
        found = asked.entry_id(api, entry)
        body = {"attendees": [person(one)["email"] for one in people]}
        at = asked.one_date(api, found, date)
        answer = api.post(f"/entries/{found}/uninvite", body, date=at, dry_run=dry_run)
        shown.changed(api, answer, "Taken off the list.", json=json, date=at)
