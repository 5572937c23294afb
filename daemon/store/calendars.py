"""Calendars of owners, and how each entry stands in them (links)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from daemon.core.calendars import Calendar, CalendarState, Link, LinkState
from daemon.core.errors import NotFound, Rejected
from daemon.store.rows import columns, value
from daemon.store.schema import calendar, link
from daemon.store.types import Instant

_ID = calendar.c.id == sa.bindparam("of_id")
_INSERT = sa.insert(calendar)
_UPDATE = sa.update(calendar).where(_ID)  # the columns are those of the parameters
_DELETE = sa.delete(calendar).where(_ID)
_GET = sa.select(calendar).where(_ID)
_ALL = sa.select(calendar).order_by(calendar.c.owner, calendar.c.created, calendar.c.id)
_OF_OWNER = _ALL.where(calendar.c.owner == sa.bindparam("of_owner"))
_NAMESAKE = sa.select(calendar.c.id).where(
    calendar.c.owner == sa.bindparam("of_owner"), calendar.c.name == sa.bindparam("of_name")
)

_LINK = sa.and_(link.c.entry == sa.bindparam("of_entry"), link.c.calendar == sa.bindparam("of_calendar"))
_LINK_INSERT = sa.insert(link)
_LINK_UPDATE = sa.update(link).where(_LINK)  # the columns are those of the parameters
_LINK_GET = sa.select(link).where(_LINK)
_LINK_GET_LOCKED = _LINK_GET.with_for_update()
_LINK_DELETE = sa.delete(link).where(_LINK)
_LINKS_OF = sa.select(link).where(link.c.entry == sa.bindparam("of_entry")).order_by(link.c.calendar)
_LINKS_IN = sa.select(link).where(link.c.calendar == sa.bindparam("of_calendar")).order_by(link.c.entry)
_BY_REF = sa.select(link).where(link.c.calendar == sa.bindparam("of_calendar"), link.c.ref == sa.bindparam("of_ref"))
_BY_UID = sa.select(link).where(link.c.calendar == sa.bindparam("of_calendar"), link.c.uid == sa.bindparam("of_uid"))
_DIRTY = (
    sa.select(link)
    .where(link.c.calendar == sa.bindparam("of_calendar"), link.c.dirty.is_(sa.true()))
    .order_by(link.c.bulk, link.c.changed_at, link.c.entry)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_MARK_DIRTY = (
    sa.update(link)
    .where(_LINK)
    .values(
        dirty=True,
        wish=link.c.wish + 1,
        # A person's wish is not put behind by a later bulk run, and waiting does not start anew.
        bulk=sa.and_(sa.bindparam("as_bulk", type_=sa.Boolean), sa.or_(sa.not_(link.c.dirty), link.c.bulk)),
        changed_at=sa.case((link.c.dirty, link.c.changed_at), else_=sa.bindparam("now", type_=Instant)),
        deleting=sa.or_(sa.bindparam("as_deleting", type_=sa.Boolean), link.c.deleting),
    )
)


def insert(tx: sa.Connection, new: Calendar) -> None:
    """Store a new calendar. Raises Rejected if the owner has one of this name."""
    _refuse_namesake(tx, new)
    tx.execute(_INSERT, columns(new))


def update(tx: sa.Connection, changed: Calendar) -> None:
    """Replace the calendar of the same id. Raises NotFound, and Rejected if the owner has another one of this name."""
    _refuse_namesake(tx, changed)
    given = columns(changed)
    del given["id"]
    if not tx.execute(_UPDATE, given | {"of_id": changed.id}).rowcount:
        raise _unknown(changed.name)


def get(tx: sa.Connection, calendar_id: str) -> Calendar:
    """Return the calendar of this id. Raises NotFound."""
    row = tx.execute(_GET, {"of_id": calendar_id}).one_or_none()
    if row is None:
        raise _unknown(calendar_id)
    return value(Calendar, row)


def find(tx: sa.Connection, text: str, owner: str | None = None) -> Calendar:
    """Return the calendar that a person named by id or name (any case), only of this owner if one is given.

    Raises NotFound, and Rejected if several owners have one of this name.
    """
    given = text.strip()
    known = all_(tx) if owner is None else of_owner(tx, owner)
    found = [one for one in known if one.id == given] or [one for one in known if one.name.casefold() == given.casefold()]
    if not found:
        raise _unknown(given)
    if len(found) > 1:
        raise Rejected(
            f"{len(found)} calendars are named “{given}”. Say whose with --owner, or name it by its id.", field="calendar"
        )
    return found[0]


def all_(tx: sa.Connection) -> tuple[Calendar, ...]:
    """Return every calendar, by owner, the oldest first."""
    return tuple(value(Calendar, row) for row in tx.execute(_ALL))


def of_owner(tx: sa.Connection, owner: str) -> tuple[Calendar, ...]:
    """Return the owner's calendars, the oldest first."""
    return tuple(value(Calendar, row) for row in tx.execute(_OF_OWNER, {"of_owner": owner}))


def set_state(
    tx: sa.Connection, calendar_id: str, state: CalendarState, *, error: str = "", checked: datetime | None = None
) -> None:
    """Record how a talk with the server ended. `checked`: when it answered (UTC); None: as before.

    What runs for long records by this and the two below, not by `update`: that would undo what a person changed meanwhile.
    """
    given: dict[str, Any] = {"of_id": calendar_id, "state": state, "error": error}
    tx.execute(_UPDATE, given if checked is None else given | {"checked": checked})


def set_sync_token(tx: sa.Connection, calendar_id: str, token: str | None) -> None:
    """Keep how far the calendar was read."""
    tx.execute(_UPDATE, {"of_id": calendar_id, "sync_token": token})


def set_capabilities(tx: sa.Connection, calendar_id: str, text: str) -> None:
    """Keep what a probe found (JSON)."""
    tx.execute(_UPDATE, {"of_id": calendar_id, "capabilities_json": text})


def delete(tx: sa.Connection, calendar_id: str) -> None:
    """Forget the calendar and its links; the events there stay as they are. Raises NotFound."""
    if not tx.execute(_DELETE, {"of_id": calendar_id}).rowcount:
        raise _unknown(calendar_id)


def links_of(tx: sa.Connection, entry: str) -> tuple[Link, ...]:
    """Return how the entry stands in every calendar it belongs to."""
    return tuple(value(Link, row) for row in tx.execute(_LINKS_OF, {"of_entry": entry}))


def links_in(tx: sa.Connection, calendar_id: str) -> tuple[Link, ...]:
    """Return every link of the calendar."""
    return tuple(value(Link, row) for row in tx.execute(_LINKS_IN, {"of_calendar": calendar_id}))


def dirty(tx: sa.Connection, calendar_id: str, limit: int) -> tuple[Link, ...]:
    """Return what is to be pushed: what persons asked for before bulk, then what waits longest."""
    return tuple(value(Link, row) for row in tx.execute(_DIRTY, {"of_calendar": calendar_id, "most": limit}))


def get_link(tx: sa.Connection, entry: str, calendar_id: str) -> Link | None:
    """Return the entry's link to the calendar, or None."""
    row = tx.execute(_LINK_GET, {"of_entry": entry, "of_calendar": calendar_id}).one_or_none()
    return None if row is None else value(Link, row)


def link_by_ref(tx: sa.Connection, calendar_id: str, ref: str) -> Link | None:
    """Return the link to the server's item, or None: the item is nothing of ours."""
    row = tx.execute(_BY_REF, {"of_calendar": calendar_id, "of_ref": ref}).first()
    return None if row is None else value(Link, row)


def link_by_uid(tx: sa.Connection, calendar_id: str, uid: str) -> Link | None:
    """Return the link to the event of this UID, or None."""
    row = tx.execute(_BY_UID, {"of_calendar": calendar_id, "of_uid": uid}).first()
    return None if row is None else value(Link, row)


def put_link(tx: sa.Connection, one: Link) -> None:
    """Store the link as it is, instead of one for the same entry and calendar."""
    given = columns(one)
    where = {"of_entry": given.pop("entry"), "of_calendar": given.pop("calendar")}
    if not tx.execute(_LINK_UPDATE, given | where).rowcount:
        tx.execute(_LINK_INSERT, columns(one))


def mark_dirty(
    tx: sa.Connection, entry: str, calendar_id: str, *, now: datetime, bulk: bool = False, deleting: bool = False
) -> bool:
    """Ask that the event be written anew, or taken away. False: there is no such link."""
    given = {"of_entry": entry, "of_calendar": calendar_id, "now": now, "as_bulk": bulk, "as_deleting": deleting}
    return tx.execute(_MARK_DIRTY, given).rowcount == 1


def settle_link(tx: sa.Connection, after: Link) -> bool:
    """Record how the link stands after a talk with the server. `after` was made from the link that the talk began with.

    What was asked for meanwhile is not forgotten: then the link stays dirty (with the newer wish) and False is returned. A link
    that is gone by now is not made again.
    """
    where = {"of_entry": after.entry, "of_calendar": after.calendar}
    row = tx.execute(_LINK_GET_LOCKED, where).one_or_none()
    if row is None:
        return False
    stored = value(Link, row)
    unasked = stored.wish == after.wish
    if not unasked:
        after = replace(
            after, dirty=True, wish=stored.wish, bulk=stored.bulk, deleting=stored.deleting, changed_at=stored.changed_at
        )
    put_link(tx, after)
    return unasked


def fail_link(tx: sa.Connection, seen: Link, *, error: str, state: LinkState = LinkState.FAILED, now: datetime) -> bool:
    """Record that the server refused the event: it is not pushed again before somebody asks. Returns as `settle_link`."""
    return settle_link(tx, replace(seen, state=state, dirty=False, error=error, changed_at=now))


def remove_link(tx: sa.Connection, entry: str, calendar_id: str) -> None:
    """Forget the link; one that is not there is fine."""
    tx.execute(_LINK_DELETE, {"of_entry": entry, "of_calendar": calendar_id})


def _refuse_namesake(tx: sa.Connection, one: Calendar) -> None:
    given: dict[str, Any] = {"of_owner": one.owner, "of_name": one.name}
    known = tx.scalar(_NAMESAKE, given)
    if known is not None and known != one.id:
        raise Rejected(f"There is a calendar named “{one.name}” already. Choose another name.", field="name")


def _unknown(text: str) -> NotFound:
    return NotFound(f"There is no calendar “{text}”. sitzungsplaner calendar list shows all.", field="calendar")
