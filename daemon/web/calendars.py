"""Calendars of owners: added after a look at what their server really does, shown with their state, synced, removed."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from daemon import planner
from daemon.core.calendars import Calendar, LinkState
from daemon.core.errors import AGAIN, Rejected, Unreachable
from daemon.core.model import Sender
from daemon.ports import CalendarAccount, Capabilities
from daemon.secrets import decrypt, encrypt
from daemon.store import calendars as calendar_rows
from daemon.store import owners as owner_rows
from daemon.web.context import Context, DryRun, For, Given
from daemon.web.schemas_calendars import CalendarAdded, CalendarRemoved, CalendarShown, NewCalendar, Synced

router = APIRouter(prefix="/calendars", tags=["calendars"])


@router.get("", summary="List calendars")
async def list_calendars(context: Given, acting: For) -> list[CalendarShown]:
    """The owner's (without X-Owner: everybody's), each with its state."""
    return await context.store.run(lambda tx: [_shown(tx, one) for one in planner.calendars(tx, acting.only(tx))])


@router.post("", status_code=201, summary="Add a calendar")
async def add(
    context: Given,
    acting: For,
    body: NewCalendar,
    probe: Annotated[bool, Query(description="First look at what the server does.")] = True,
    dry_run: DryRun = False,
) -> CalendarAdded:
    """The server is asked first, so that a wrong address or password is told at once. From then on the calendar is followed."""
    secret = _secret(context, body)
    owner = await context.store.run(acting.owner)
    capabilities = None
    if probe:
        account = CalendarAccount(
            kind=body.kind,
            url=body.url,
            username=body.username,
            password=decrypt(context.key, secret, context.references),
            headers=tuple(sorted(body.headers.items())),
        )
        try:
            capabilities = await context.probe(account)
        except Unreachable as error:
            # Nobody tries again what was not added.
            why = str(error).replace(f" {AGAIN}", "")
            remedy = "Add it when the server answers, or unseen with --no-probe."
            raise Unreachable(f"{why} The calendar was not added. {remedy}") from error
        _require(capabilities, body)

    def do(tx: Connection) -> CalendarShown:
        calendar = planner.add_calendar(
            tx,
            context.desk,
            owner.id,
            name=body.name,
            kind=body.kind,
            url=body.url,
            username=body.username,
            secret=secret,
            sender=body.sender,
            headers=body.headers,
            capabilities=json.dumps(asdict(capabilities) if capabilities else {}),
        )
        return _shown(tx, calendar)

    calendar = await context.write(do, dry_run=dry_run)
    return CalendarAdded(calendar=calendar, notes=_notes(capabilities, body), dry_run=dry_run)


@router.post("/sync", summary="Look at calendars now")
async def sync_all(context: Given, acting: For) -> Synced:
    """All of the owner (without X-Owner: everybody's)."""

    def do(tx: Connection) -> int:
        return sum(planner.sync_soon(tx, context.desk, one.id) for one in planner.calendars(tx, acting.only(tx)))

    return Synced(calendars=await context.store.run(do))


@router.get("/{calendar}", summary="Show a calendar")
async def show(context: Given, acting: For, calendar: str) -> CalendarShown:
    """By name or id."""
    return await context.store.run(lambda tx: _shown(tx, planner.find_calendar(tx, calendar, acting.only(tx))))


@router.post("/{calendar}/sync", summary="Look at a calendar now")
async def sync(context: Given, acting: For, calendar: str) -> Synced:
    """Writes what is owed and fetches what changed, at once; a refused calendar is tried again."""

    def do(tx: Connection) -> int:
        return planner.sync_soon(tx, context.desk, planner.find_calendar(tx, calendar, acting.only(tx)).id)

    return Synced(calendars=await context.store.run(do))


@router.delete("/{calendar}", summary="Remove a calendar")
async def remove(context: Given, acting: For, calendar: str, dry_run: DryRun = False) -> CalendarRemoved:
    """It is no longer followed; what was written there stays."""

    def do(tx: Connection) -> int:
        return planner.remove_calendar(tx, context.desk, planner.find_calendar(tx, calendar, acting.only(tx)).id)

    return CalendarRemoved(entries=await context.write(do, dry_run=dry_run), dry_run=dry_run)


def _shown(tx: Connection, calendar: Calendar) -> CalendarShown:
    links = calendar_rows.links_in(tx, calendar.id)
    pending = sum(one.dirty and one.state is not LinkState.FAILED for one in links)
    return CalendarShown.of(calendar, owner_rows.get(tx, calendar.owner).email, entries=len(links), pending=pending)


def _secret(context: Context, body: NewCalendar) -> str:
    password = body.password.get_secret_value()
    if password and body.password_ref:
        raise Rejected("Give the password or the name of one in the configuration, not both.", field="password_ref")
    if not body.password_ref:
        return encrypt(context.key, password) if password else ""
    if body.password_ref not in context.references:
        known = ", ".join(sorted(context.references)) or "none yet"
        raise Rejected(
            f"The configuration has no password named “{body.password_ref}” (known: {known}). Set "
            f"calendars.secrets.{body.password_ref}.password_file and restart the service.",
            field="password_ref",
        )
    return f"ref:{body.password_ref}"


def _require(capabilities: Capabilities, body: NewCalendar) -> None:
    if not capabilities.writable:
        raise Rejected(
            f"{body.url} cannot be written with this user. Give him the right to, or choose another calendar.", field="url"
        )
    if body.sender is Sender.CALENDAR and not capabilities.schedules:
        raise Rejected(
            "This server does not send invitations itself. Add the calendar with the planner as sender.", field="sender"
        )


def _notes(capabilities: Capabilities | None, body: NewCalendar) -> tuple[str, ...]:
    notes = []
    if capabilities is None:
        notes.append("The server was not asked. `calendar show` tells whether it answered.")
    if body.url.startswith("http://"):
        notes.append("The connection is not encrypted: the password goes over the network in clear. Use https:// if you can.")
    return tuple(notes)
