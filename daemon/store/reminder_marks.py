"""Which reminders were sent or suppressed: one mark for each entry, offset and occurrence start."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from daemon.core.reminders import Mark
from daemon.store.rows import columns, value
from daemon.store.schema import reminder_mark

_INSERT = {
    "sqlite": sqlite.insert(reminder_mark).on_conflict_do_nothing().returning(reminder_mark.c.entry),
    "postgresql": postgresql.insert(reminder_mark).on_conflict_do_nothing().returning(reminder_mark.c.entry),
}
_OF_ENTRY = (
    sa.select(reminder_mark)
    .where(reminder_mark.c.entry == sa.bindparam("of_entry"))
    .order_by(reminder_mark.c.start, reminder_mark.c.offset.desc())
)


def add(tx: sa.Connection, entry: str, mark: Mark) -> bool:
    """Store the mark. False: there was one for this offset and start, which stays."""
    return tx.scalar(_INSERT[tx.dialect.name], columns(mark) | {"entry": entry}) is not None


def of_entry(tx: sa.Connection, entry: str) -> tuple[Mark, ...]:
    """Return the entry's marks by start, the earliest reminder first."""
    return tuple(value(Mark, row) for row in tx.execute(_OF_ENTRY, {"of_entry": entry}))
