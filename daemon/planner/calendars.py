"""Use cases on calendars: where an owner's entries are written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection

from daemon.core.calendars import Calendar, CalendarState, Link, LinkState
from daemon.core.errors import Rejected
from daemon.core.model import Entry, EntryState, Owner, Sender
from daemon.planner.causes import calendar_key, save, sync_now
from daemon.planner.wishes import Desk
from daemon.store import calendars as calendar_rows
from daemon.store import entries as rows
from daemon.store import work


def calendar_for(tx: Connection, owner: Owner, wanted: str | None) -> Calendar | None:
    """Return the calendar meant: by id or name, "" for none, None for the owner's first one."""
    if wanted == "":
        return None
    mine = calendar_rows.of_owner(tx, owner.id)
    if wanted is None:
        return mine[0] if mine else None
    return find_calendar(tx, wanted, owner.id)


def find_calendar(tx: Connection, text: str, owner_id: str | None = None) -> Calendar:
    """Return the calendar with this id or name. Raises NotFound, or Rejected if several have the name."""
    return calendar_rows.find(tx, text, owner_id)


def can_invite(calendar: Calendar) -> bool:
    """True if the calendar's server sends invitations itself."""
    return calendar.sender is Sender.CALENDAR or bool(json.loads(calendar.capabilities_json or "{}").get("schedules"))


def place_entry(tx: Connection, desk: Desk, entry: Entry, owner: Owner, wanted: str) -> Entry:
    """Put the entry into another calendar, or none. Returns it with who invites from now on."""
    links = calendar_rows.links_of(tx, entry.id)
    current = next((one for one in links if not one.deleting), None)
    calendar = calendar_for(tx, owner, wanted)
    if current is not None and calendar is not None and calendar.id == current.calendar:
        if current.state is LinkState.GONE:  # the owner wants the deleted event back
            calendar_rows.put_link(
                tx, Link(entry=entry.id, calendar=calendar.id, uid=entry.uid, changed_at=desk.clock.now(), wish=current.wish + 1)
            )
        return entry
    if calendar is None and current is None:
        return entry
    if entry.sender is Sender.CALENDAR and entry.invited:
        raise Rejected(
            f"The calendar sends the invitations of “{entry.title}”, so it cannot leave that calendar without a cancellation. "
            "Cancel the entry and copy it."
        )
    now = desk.clock.now()
    if current is not None:
        calendar_rows.mark_dirty(tx, entry.id, current.calendar, now=now, deleting=True)
    if calendar is not None:
        left = next((one for one in links if one.calendar == calendar.id), None)
        link = Link(entry=entry.id, calendar=calendar.id, uid=entry.uid, changed_at=now)
        # It may be on its way out of that calendar: whoever takes it away just now must see that it is wanted again.
        calendar_rows.put_link(tx, link if left is None else replace(link, wish=left.wish + 1))
    if entry.sender is Sender.PLANNER:
        return entry
    return replace(entry, sender=calendar.sender if calendar is not None else Sender.PLANNER)


def add_calendar(
    tx: Connection,
    desk: Desk,
    owner_id: str,
    *,
    name: str,
    kind: str,
    url: str,
    username: str,
    secret: str,
    sender: Sender,
    headers: Mapping[str, str],
    capabilities: str,
) -> Calendar:
    """Make a calendar; from now on it is polled, and new entries of the owner are written into his first one."""
    title = " ".join(name.split())
    if not title:
        raise Rejected("A calendar needs a name.", field="name")
    now = desk.clock.now()
    calendar = Calendar(
        id=desk.clock.new_id(),
        owner=owner_id,
        name=title,
        kind=kind,
        url=url,
        username=username,
        secret=secret,
        sender=sender,
        headers=tuple(sorted(headers.items())),
        capabilities_json=capabilities,
        sync_token=None,
        state=CalendarState.OK,
        error="",
        checked=None,
        created=now,
    )
    calendar_rows.insert(tx, calendar)
    sync_soon(tx, desk, calendar.id)
    return calendar


def remove_calendar(tx: Connection, desk: Desk, calendar_id: str) -> int:
    """Forget a calendar; its events stay where they are. Returns how many entries were written there.

    Raises Rejected while the calendar's server is the sender of invitations that still stand.
    """
    calendar = calendar_rows.get(tx, calendar_id)
    links = calendar_rows.links_in(tx, calendar_id)
    sent_there = [(rows.get(tx, link.entry), link) for link in links]
    sent_there = [(entry, link) for entry, link in sent_there if entry.sender is Sender.CALENDAR]
    busy = sum(entry.invited and (entry.state is EntryState.PLANNED or link.dirty) for entry, link in sent_there)
    if busy:
        raise Rejected(
            f"The server of “{calendar.name}” sends the invitations of {busy} entries. Cancel or delete those first; "
            "otherwise nobody could tell their attendees."
        )
    now = desk.clock.now()
    for entry, _ in sent_there:  # otherwise nobody would invite once it is planned again
        save(tx, replace(entry, sender=Sender.PLANNER, modified=now, revision=entry.revision + 1))
    work.cancel(tx, calendar_key(calendar_id), now=now)
    calendar_rows.delete(tx, calendar_id)
    return len(links)


def calendars(tx: Connection, owner_id: str | None) -> tuple[Calendar, ...]:
    """The owner's calendars, or all."""
    return tuple(calendar_rows.of_owner(tx, owner_id) if owner_id else calendar_rows.all_(tx))


def sync_soon(tx: Connection, desk: Desk, calendar_id: str | None) -> int:
    """Make the calendar's worker (or all) due now: push what is owed or was refused, fetch what changed. Returns how many."""
    now = desk.clock.now()
    chosen = [calendar_rows.get(tx, calendar_id)] if calendar_id else calendar_rows.all_(tx)
    for calendar in chosen:
        if calendar.state is CalendarState.REFUSED:
            calendar_rows.set_state(tx, calendar.id, CalendarState.OK)
        for link in calendar_rows.links_in(tx, calendar.id):
            if link.state is LinkState.FAILED and not link.dirty:
                calendar_rows.mark_dirty(tx, link.entry, calendar.id, now=now)
        sync_now(tx, calendar, now=now)
    return len(chosen)
