"""The whole store carried into another, empty one: from SQLite to PostgreSQL, or back. For `db copy`.

Nothing but rows is carried: the service key stays where it is, and so does the old store.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import sqlalchemy as sa

from daemon.core.errors import Refused, Rejected
from daemon.store import admin, schema
from daemon.store.engine import Store, our_errors
from daemon.store.lock import hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """How many rows of each table were carried over, in the order they were."""

    rows: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.rows.values())


_SEQUENCES = [
    (table, column)
    for table in schema.metadata.sorted_tables
    for column in table.primary_key.columns
    if column.autoincrement is True
]


def count(store: Store) -> int:
    """Return how many rows there are to carry. Raises Refused if the tables are not of this version's revision."""

    def read(tx: sa.Connection) -> int:
        _check_revision(tx)
        return sum(_counts(tx).values())

    return store.run_now(read)


def copy_store(source: Store, target: Store, *, heed: Callable[[str, int], None] = lambda _table, _rows: None) -> Copied:
    """Carry everything over: all of it is committed in the target, or nothing. `heed` hears of each portion: its table, its rows.

    The target gets its tables first if it has none; nothing may stand in them. The caller sees to it that nobody changes the
    source meanwhile (on SQLite: holds its lock). Blocks. Raises Rejected if the target is the source, in use or not empty,
    Refused if a store is not of this version's revision or if not every row arrived, Unreachable.
    """
    if source.url == target.url:
        raise Rejected("This is the database that is in use already. Name another one.", field="to")
    with hold(target.file) if target.file is not None else nullcontext(), our_errors():
        with source.engine.connect() as from_:
            _check_revision(from_)
        admin.upgrade_store(target)
        with source.engine.connect() as from_, target.engine.begin() as to:
            _check_empty(to)
            admin.copy(from_, to, heed=heed)
            for table, column in _SEQUENCES if not target.is_sqlite else ():
                _go_on_counting(to, table, column)
            expected, found = _counts(from_), _counts(to)
            if expected != found:
                raise Refused(f"Not every row arrived ({_differing(expected, found)}). Nothing was kept there. Report this.")
    return Copied(rows=found)


def _check_revision(tx: sa.Connection) -> None:
    found = admin.revision(tx)
    if found != admin.head():
        raise Refused(
            f"The tables are of revision {found}, this version's of {admin.head()}. Nothing was copied. "
            "Run: sitzungsplaner db upgrade"
        )


def _check_empty(tx: sa.Connection) -> None:
    full = {name: rows for name, rows in _counts(tx).items() if rows}
    if full:
        held = ", ".join(f"{rows} in {name}" for name, rows in full.items())
        raise Rejected(f"The other database is not empty (rows: {held}). Nothing was copied. Name an empty one.", field="to")


def _counts(tx: sa.Connection) -> dict[str, int]:
    return {
        table.name: int(tx.scalar(sa.select(sa.func.count()).select_from(table)) or 0) for table in schema.metadata.sorted_tables
    }


def _go_on_counting(tx: sa.Connection, table: sa.Table, column: sa.Column[int]) -> None:
    """PostgreSQL's sequences know nothing of rows that came with their numbers: the next own one would be a number in use."""
    latest = sa.select(sa.func.coalesce(sa.func.max(column), 0) + 1).scalar_subquery()
    tx.execute(sa.select(sa.func.setval(sa.func.pg_get_serial_sequence(table.name, column.name), latest, False)))


def _differing(expected: dict[str, int], found: dict[str, int]) -> str:
    return ", ".join(f"{name}: {found[name]} of {rows}" for name, rows in expected.items() if found[name] != rows)
