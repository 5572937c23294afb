"""How a database is doing, as values: what `doctor` judges. Reads only, in one transaction.

`admin.check` is the thorough look at the database alone, every page of it; this one is quick, and sees what is owed as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from alembic.script import ScriptDirectory

from daemon.core.calendars import Calendar, LinkState
from daemon.store import admin, calendars, settings, work
from daemon.store.engine import Store
from daemon.store.schema import link, owner
from daemon.store.schema import work as work_table

_MOST = 20  # damages that are told
_PARKED_SHOWN = 3

_FREE = sa.or_(work_table.c.holder.is_(None), work_table.c.held_until <= sa.bindparam("now", type_=work_table.c.due.type))
_OVERDUE = sa.select(sa.func.count(), sa.func.min(work_table.c.due)).where(
    work_table.c.due <= sa.bindparam("since", type_=work_table.c.due.type), _FREE
)
_PARKED = sa.select(sa.func.count()).where(work_table.c.due.is_(None))
_LINKS = sa.select(link.c.calendar, sa.func.count()).group_by(link.c.calendar)
_REFUSED = _LINKS.where(link.c.state == LinkState.FAILED)
_WAITING = _LINKS.where(link.c.dirty.is_(sa.true()))
_OWNERS = sa.select(owner.c.id, owner.c.email)
_TUPLES = sa.text("SELECT n_live_tup, n_dead_tup FROM pg_stat_user_tables WHERE relid = 'work'::regclass")
_OPTIONS = sa.text("SELECT coalesce(reloptions, '{}') FROM pg_class WHERE oid = 'work'::regclass")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuples:
    """PostgreSQL's own figures of the work table: rows alive and dead, as its statistics estimate, and its storage options."""

    live: int
    dead: int
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What waits: rows put aside with (key, why) of the first few; free rows due for longer than asked, with the oldest."""

    parked: int = 0
    shown: tuple[tuple[str, str], ...] = ()
    overdue: int = 0
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarCondition:
    """A calendar, whose it is (address), how many events its server refused, and how many wait to be written."""

    calendar: Calendar
    owner: str
    refused: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How the database is doing. `queue`, `calendars`, `tzdata` and `tuples` are empty unless `revision` is `head`.

    `newer`: the tables are of a revision this version does not know. `apart`: how far the database server's clock is from ours
    beyond what the asking took; None on SQLite. `damage` None: was not looked for. `tzdata`: the zone rules the store derived by.
    """

    sqlite: bool
    version: tuple[int, ...]
    file: Path | None
    revision: str | None
    head: str
    newer: bool = False
    damage: tuple[str, ...] | None = None
    apart: timedelta | None = None
    tuples: Tuples | None = None
    queue: Queue = Queue()
    calendars: tuple[CalendarCondition, ...] = ()
    tzdata: str | None = None

    @property
    def current(self) -> bool:
        """The tables are this version's."""
        return self.revision == self.head


def look(store: Store, *, integrity: bool, overdue: timedelta) -> Condition:
    """Return the database's condition. Blocks; `integrity` reads through a SQLite file while everybody else waits.

    `overdue`: due for longer than this counts as such. Raises Unreachable and Refused as the database said.
    """
    return store.run_now(lambda tx: _seen(tx, store, integrity=integrity, overdue=overdue))


def _seen(tx: sa.Connection, store: Store, *, integrity: bool, overdue: timedelta) -> Condition:
    revision, head = admin.revision(tx), admin.head()
    current = revision == head
    now = store.clock.now()
    return Condition(
        sqlite=store.is_sqlite,
        version=tuple(part for part in tx.dialect.server_version_info or () if isinstance(part, int)),
        file=store.file,
        revision=revision,
        head=head,
        newer=revision is not None and revision not in _revisions(),
        damage=_damage(tx) if integrity and store.is_sqlite else None,
        apart=None if store.is_sqlite else _apart(tx, store),
        tuples=_tuples(tx) if current and not store.is_sqlite else None,
        queue=_queue(tx, now, overdue) if current else Queue(),
        calendars=_calendars(tx) if current else (),
        tzdata=settings.get(tx, settings.TZDATA) if current else None,
    )


def _revisions() -> frozenset[str]:
    folder = Path(__file__).parent / "migrations"
    return frozenset(str(one.revision) for one in ScriptDirectory(str(folder)).walk_revisions())


def _damage(tx: sa.Connection) -> tuple[str, ...]:
    words = [str(word) for word in tx.exec_driver_sql(f"PRAGMA quick_check({_MOST})").scalars() if word != "ok"]
    orphans = sorted({(str(row[0]), str(row[2])) for row in tx.exec_driver_sql("PRAGMA foreign_key_check")})
    return (*words, *(f"rows of {child} belong to rows of {parent} that do not exist" for child, parent in orphans))


def _apart(tx: sa.Connection, store: Store) -> timedelta:
    before = store.clock.now()
    there: datetime = tx.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    after = store.clock.now()
    return there - after if there > after else min(there - before, timedelta(0))


def _tuples(tx: sa.Connection) -> Tuples:
    live, dead = next(((int(row[0]), int(row[1])) for row in tx.execute(_TUPLES)), (0, 0))
    return Tuples(live=live, dead=dead, options=tuple(str(one) for one in tx.scalar(_OPTIONS) or ()))


def _queue(tx: sa.Connection, now: datetime, overdue: timedelta) -> Queue:
    count, oldest = tx.execute(_OVERDUE, {"since": now - overdue, "now": now}).one()
    parked = work.list_(tx, parked=True, limit=_PARKED_SHOWN)
    return Queue(
        parked=int(tx.scalar(_PARKED) or 0),
        shown=tuple((one.key, one.error) for one in parked),
        overdue=count,
        oldest=oldest,
    )


def _calendars(tx: sa.Connection) -> tuple[CalendarCondition, ...]:
    refused = {row[0]: int(row[1]) for row in tx.execute(_REFUSED)}
    waiting = {row[0]: int(row[1]) for row in tx.execute(_WAITING)}
    owners = {str(row.id): str(row.email) for row in tx.execute(_OWNERS)}
    return tuple(
        CalendarCondition(calendar=one, owner=owners[one.owner], refused=refused.get(one.id, 0), waiting=waiting.get(one.id, 0))
        for one in calendars.all_(tx)
    )
