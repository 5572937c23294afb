"""Owners: the people who plan."""

from __future__ import annotations

import contextlib

import sqlalchemy as sa

from daemon.core.addresses import normal
from daemon.core.errors import NotFound, Rejected
from daemon.core.model import Owner
from daemon.store.rows import columns, value
from daemon.store.schema import calendar, entry, owner

_ID = owner.c.id == sa.bindparam("of_id")
_GET = sa.select(owner).where(_ID)
_BY_EMAIL = sa.select(owner).where(owner.c.email == sa.bindparam("of_email"))
_ALL = sa.select(owner).order_by(owner.c.email)
_INSERT = sa.insert(owner)
_UPDATE = sa.update(owner).where(_ID)  # the columns are those of the parameters
_DELETE = sa.delete(owner).where(_ID)
_ENTRIES = sa.select(sa.func.count()).select_from(entry).where(entry.c.owner == sa.bindparam("of_id"))
_CALENDARS = sa.select(sa.func.count()).select_from(calendar).where(calendar.c.owner == sa.bindparam("of_id"))


def insert(tx: sa.Connection, new: Owner) -> None:
    """Store a new owner. Raises Rejected if another one has the address."""
    _refuse_second(tx, new)
    tx.execute(_INSERT, columns(new))


def update(tx: sa.Connection, changed: Owner) -> None:
    """Replace the owner of the same id. Raises NotFound, and Rejected if another one has the address."""
    _refuse_second(tx, changed)
    if not tx.execute(_UPDATE, columns(changed) | {"of_id": changed.id}).rowcount:
        raise _unknown(changed.email)


def get(tx: sa.Connection, owner_id: str) -> Owner:
    """Return the owner of this id. Raises NotFound."""
    row = tx.execute(_GET, {"of_id": owner_id}).one_or_none()
    if row is None:
        raise _unknown(owner_id)
    return value(Owner, row)


def find(tx: sa.Connection, text: str) -> Owner:
    """Return the owner whom a person named by id or by any spelling of his address. Raises NotFound."""
    given = text.strip()
    row = tx.execute(_GET, {"of_id": given}).one_or_none()
    if row is None:
        with contextlib.suppress(Rejected):  # neither an id nor an address
            row = tx.execute(_BY_EMAIL, {"of_email": normal(given)}).one_or_none()
    if row is None:
        raise _unknown(given)
    return value(Owner, row)


def all_(tx: sa.Connection) -> tuple[Owner, ...]:
    """Return every owner, by address."""
    return tuple(value(Owner, row) for row in tx.execute(_ALL))


def delete(tx: sa.Connection, owner_id: str) -> None:
    """Remove the owner.

    Raises NotFound, and Rejected while he has calendars or entries (deleted ones count until they are purged).
    """
    known = get(tx, owner_id)
    entries, calendars = tx.scalar(_ENTRIES, {"of_id": owner_id}), tx.scalar(_CALENDARS, {"of_id": owner_id})
    if entries or calendars:
        raise Rejected(
            f"{known.email} still has {entries} entries and {calendars} calendars. First delete the entries, so that their "
            "attendees are told, and remove the calendars.",
            field="owner",
        )
    tx.execute(_DELETE, {"of_id": owner_id})


def _refuse_second(tx: sa.Connection, one: Owner) -> None:
    row = tx.execute(_BY_EMAIL, {"of_email": one.email}).one_or_none()
    if row is not None and row.id != one.id:
        raise Rejected(f"There is an owner with the address {one.email} already.", field="email")


def _unknown(text: str) -> NotFound:
    return NotFound(f"There is no owner “{text}”. sitzungsplaner owner list shows all.", field="owner")
