"""Attendees whose mail about an entry came back, with the words of the mail server."""

from __future__ import annotations

import sqlalchemy as sa

from daemon.core.delivery import Undeliverable
from daemon.store.rows import columns, value
from daemon.store.schema import undeliverable

_INSERT = sa.insert(undeliverable)
_KEY = sa.and_(undeliverable.c.entry == sa.bindparam("of_entry"), undeliverable.c.attendee == sa.bindparam("of_attendee"))
_DELETE = sa.delete(undeliverable).where(_KEY)
_OF_ENTRY = sa.select(undeliverable).where(undeliverable.c.entry == sa.bindparam("of_entry")).order_by(undeliverable.c.attendee)


def put(tx: sa.Connection, entry: str, one: Undeliverable) -> None:
    """Note that mail about the entry does not reach the attendee, in place of what was noted before."""
    clear(tx, entry, one.attendee)
    tx.execute(_INSERT, columns(one) | {"entry": entry})


def clear(tx: sa.Connection, entry: str, attendee: str) -> None:
    """He was heard of: mail reaches him after all."""
    tx.execute(_DELETE, {"of_entry": entry, "of_attendee": attendee})


def of_entry(tx: sa.Connection, entry: str) -> tuple[Undeliverable, ...]:
    """Return who cannot be reached about the entry, by address."""
    return tuple(value(Undeliverable, row) for row in tx.execute(_OF_ENTRY, {"of_entry": entry}))
