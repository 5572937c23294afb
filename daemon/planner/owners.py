"""Use cases on owners: the people who plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Connection

from daemon.core import zones
from daemon.core.addresses import clean_name, normal
from daemon.core.errors import Rejected
from daemon.core.model import EntryState, Language, Owner
from daemon.planner import checks, upkeep
from daemon.planner.causes import commit, offsets_of, remind_key
from daemon.planner.wishes import Desk
from daemon.store import calendars as calendar_rows
from daemon.store import entries as rows
from daemon.store import owners as owner_rows
from daemon.store import work

_ALL = 1_000_000


def add_owner(
    tx: Connection,
    desk: Desk,
    *,
    email: str,
    name: str = "",
    language: Language | None = None,
    zone: str | None = None,
    reminders: tuple[timedelta, ...] | None = None,
) -> Owner:
    """Make an owner. Raises Rejected if the address is taken or is the service's own."""
    address = normal(email)
    if address == desk.rules.organizer.email:
        raise Rejected(f"{address} is this service's own mailbox and cannot plan.", field="email")
    owner = Owner(
        id=desk.clock.new_id(),
        email=address,
        name=clean_name(name),
        language=language or desk.rules.language,
        zone=zones.zone(zone or desk.rules.zone).key,
        reminders=checks.reminders(reminders),
        created=desk.clock.now(),
    )
    owner_rows.insert(tx, owner)
    return owner


def edit_owner(
    tx: Connection,
    desk: Desk,
    owner_id: str,
    *,
    email: str | None = None,
    name: str | None = None,
    language: Language | None = None,
    zone: str | None = None,
    reminders: tuple[timedelta, ...] | None = None,
) -> Owner:
    """Change an owner; None leaves a thing as it is. New reminder offsets re-arm all his entries."""
    old = owner_rows.get(tx, owner_id)
    address = old.email if email is None else normal(email)
    new = replace(
        old,
        email=address,
        name=old.name if name is None else clean_name(name),
        language=language or old.language,
        zone=old.zone if zone is None else zones.zone(zone).key,
        reminders=old.reminders if reminders is None else checks.reminders(reminders),
    )
    owner_rows.update(tx, new)
    if new.reminders != old.reminders:
        for entry in rows.list_(tx, owner=new.id, states=(EntryState.PLANNED,), limit=_ALL):
            if entry.when is not None and entry.reminders is None:
                old_rows = (remind_key(entry.id, offset) for offset in offsets_of(desk, entry, old))
                work.cancel(tx, *old_rows, now=desk.clock.now())
                commit(tx, desk, entry, entry, new, calendar=None, action="reminders set")
    return new


def remove_owner(tx: Connection, desk: Desk, owner_id: str) -> None:
    """Remove an owner who plans nothing any more. Raises Rejected while entries or calendars of his stand."""
    owner = owner_rows.get(tx, owner_id)
    standing = rows.count(tx, owner=owner.id)
    if standing:
        raise Rejected(f"{owner.email} still has {standing} entries. Delete them first, so that their attendees are told.")
    if calendar_rows.of_owner(tx, owner.id):
        raise Rejected(f"{owner.email} still has calendars. Remove them first with `calendar remove`.")
    for tombstone in rows.list_(tx, owner=owner.id, states=(EntryState.DELETED,), limit=_ALL):
        upkeep.bury(tx, tombstone)
    owner_rows.delete(tx, owner.id)


def find_owner(tx: Connection, text: str) -> Owner:
    """Return the owner with this address or id. Raises NotFound."""
    return owner_rows.find(tx, text)


def owners(tx: Connection) -> tuple[Owner, ...]:
    """Everybody who plans, by address."""
    return tuple(owner_rows.all_(tx))
