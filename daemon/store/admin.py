"""Care of the database: tables brought to this version's, backups, checks. For the command line and the daemon's start."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from daemon.core.errors import Refused, Rejected
from daemon.ports import Clock
from daemon.store import schema
from daemon.store.engine import Store, open_engine, open_store, our_errors
from daemon.store.lock import hold

T = TypeVar("T")

_MIGRATIONS = Path(__file__).parent / "migrations"
_ADVISORY = 0x53505F646200  # any number, the same in every version
_FIXED_SQLITE = (3, 51, 3)
_CLOCK_TOLERANCE = timedelta(seconds=5)
_BATCH = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """Revisions before (None: there were no tables) and after; where the backup lies, if one was made."""

    before: str | None
    after: str
    backup: Path | None = None


class Level(StrEnum):
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something about the database that a person should know, and what he can do."""

    level: Level
    text: str
    remedy: str


def upgrade(url: str, *, data_dir: Path | None, clock: Clock, held: bool = False) -> Upgrade:
    """Bring the tables to this version's revision, all or nothing.

    On SQLite under the file lock (`held`: the caller holds it) and after a backup into `backups/` beside the file; on PostgreSQL
    under an advisory lock, so that several daemons may start at once (a backup there is the admin's). Raises Rejected if
    another process has the file, Refused if the database is newer than this version or not ours.
    """
    store = open_store(url, clock=clock, data_dir=data_dir)
    try:
        with nullcontext() if held or store.file is None else hold(store.file):
            return upgrade_store(store)
    finally:
        store.close()


def upgrade_store(store: Store) -> Upgrade:
    """`upgrade` of a store that is open and, on SQLite, locked by the caller."""
    with our_errors():
        return _upgrade_postgres(store) if store.file is None else _upgrade_sqlite(store, store.file)


def revision(tx: sa.Connection) -> str | None:
    """Return the revision of the tables, or None if there are none."""
    return MigrationContext.configure(tx).get_current_revision()


def head() -> str:
    """Return the revision of this version's tables."""
    return str(ScriptDirectory.from_config(_config(None)).get_current_head())


def backup(store: Store, target: Path) -> None:
    """Write the whole store, as it is at one moment, into a new SQLite file that can be used as a store itself.

    Blocks; on SQLite everybody else waits meanwhile. Raises Rejected if there is such a file, Refused if the tables are not of
    this version's revision (PostgreSQL).
    """
    if target.exists():
        raise Rejected(f"{target} exists already. Name a new file.", field="target")
    part = target.with_name(target.name + ".part")
    try:
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
    except OSError as error:
        raise Rejected(f"{target} cannot be written: {error.strerror}.", field="target") from error
    try:
        if store.is_sqlite:
            store.outside(lambda: _driver(store.engine, lambda driver: driver.execute("VACUUM INTO ?", (str(part),))))
        else:
            with our_errors():
                _copy_out(store, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def check(store: Store) -> tuple[Finding, ...]:
    """Return what is wrong with the database; nothing: (). Reads every page of a SQLite file; everybody else waits meanwhile."""
    findings: list[Finding] = []
    if store.is_sqlite:
        if sqlite3.sqlite_version_info < _FIXED_SQLITE:
            findings.append(
                Finding(
                    level=Level.WARNING,
                    text=f"SQLite {sqlite3.sqlite_version} can damage a file that two programs write at once (fixed in 3.51.3).",
                    remedy="The service writes alone and holds a lock. Let no other program open the file; copy it by db backup.",
                )
            )
        findings += store.outside(lambda: _driver(store.engine, _damage))
    return (*findings, *store.run_now(lambda tx: _check_rows(tx, store)))


def compare_clocks(store: Store) -> None:
    """Raise Rejected if this machine's clock and the database server's are too far apart to share work by holds; Unreachable.

    For the start of a service on PostgreSQL. SQLite has no clock of its own.
    """
    if store.is_sqlite:
        return
    for finding in store.run_now(lambda tx: _clock(tx, store.clock.now())):
        raise Rejected(f"{finding.text} {finding.remedy} Until then this daemon does not start.")


def _config(connection: sa.Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _needed(tx: sa.Connection) -> tuple[str | None, bool]:
    before = revision(tx)
    known = {one.revision for one in ScriptDirectory.from_config(_config(None)).walk_revisions()}
    if before is not None and before not in known:
        raise Refused(
            f"The database was made by a newer version of this service (revision {before}; this version knows {head()}). "
            "Nothing was changed. Install the newer version, or restore a backup of before its upgrade."
        )
    return before, before != head()


def _upgrade_postgres(store: Store) -> Upgrade:
    # Read committed: what the one did for whose lock we waited is to be seen.
    with store.engine.connect().execution_options(isolation_level="READ COMMITTED") as tx, tx.begin():
        tx.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY)))
        before, needed = _needed(tx)
        if needed:
            command.upgrade(_config(tx), "head")
    return Upgrade(before=before, after=head())


def _upgrade_sqlite(store: Store, file: Path) -> Upgrade:
    if not file.exists():
        file.touch(mode=0o600)  # its -wal and -shm take the same rights
    with store.engine.begin() as tx:
        before, needed = _needed(tx)
    if not needed:
        return Upgrade(before=before, after=head())
    kept = None
    if before is not None:
        folder = file.parent / "backups"
        folder.mkdir(mode=0o700, exist_ok=True)
        kept = folder / f"{file.stem}-{before}-{store.clock.now():%Y%m%dT%H%M%SZ}.db"
        backup(store, kept)
    with _without_foreign_keys(store.engine) as connection, connection.begin():
        command.upgrade(_config(connection), "head")
        orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if orphans:
            tables = ", ".join(sorted({str(row[0]) for row in orphans}))
            raise Refused(
                f"The upgrade would leave {len(orphans)} rows without what they belong to (in {tables}). Nothing was changed. "
                "Report this, with the output of sitzungsplaner db check."
            )
    return Upgrade(before=before, after=head(), backup=kept)


@contextmanager
def _without_foreign_keys(engine: sa.Engine) -> Iterator[sa.Connection]:
    # Making a table anew drops the old one, and with it, by ON DELETE CASCADE, all its children. The switch does nothing inside
    # a transaction, so it is thrown before SQLAlchemy begins one.
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys=OFF")
        try:
            yield connection
        finally:
            driver.execute("PRAGMA foreign_keys=ON")


def _driver(engine: sa.Engine, do: Callable[[sqlite3.Connection], T]) -> T:
    """Return what `do` returns with SQLite's own connection, outside any transaction: VACUUM and PRAGMA want that."""
    borrowed = None
    try:
        borrowed = engine.raw_connection()  # connects at first use, and a file that is no database shows then
        driver: Any = borrowed.driver_connection
        return do(driver)
    except sqlite3.Error as error:
        with our_errors():
            raise sa.exc.DBAPIError.instance(None, None, error, sqlite3.Error, dialect=engine.dialect) from error
        raise
    finally:
        if borrowed is not None:
            borrowed.close()


def _copy_out(store: Store, part: Path) -> None:
    with store.engine.connect().execution_options(postgresql_readonly=True) as source:
        found = revision(source)
        if found != head():
            raise Refused(f"The tables are of revision {found}, this version's of {head()}. Run: sitzungsplaner db upgrade")
        target = open_engine(sa.URL.create("sqlite", database=str(part)), threads=1)
        try:
            with target.begin() as tx:
                command.upgrade(_config(tx), "head")
                copy(source, tx)
            # One file, without -wal and -shm beside it.
            _driver(target, lambda driver: driver.execute("PRAGMA journal_mode=DELETE"))
        finally:
            target.dispose()


def copy(source: sa.Connection, target: sa.Connection, *, heed: Callable[[str, int], None] = lambda _table, _rows: None) -> None:
    """Copy every row into the empty tables of another database, parents first. `heed` hears each portion's table and size."""
    for table in schema.metadata.sorted_tables:
        rows = source.execution_options(yield_per=_BATCH).execute(sa.select(table))
        for part in rows.mappings().partitions():
            target.execute(sa.insert(table), [dict(row) for row in part])
            heed(table.name, len(part))


def _damage(driver: sqlite3.Connection) -> list[Finding]:
    remedy = "Stop the service, keep a copy of its files, and restore the newest good backup."
    words = [str(row[0]) for row in driver.execute("PRAGMA integrity_check(20)")]
    findings = [Finding(level=Level.ERROR, text=f"The file is damaged: {word}", remedy=remedy) for word in words if word != "ok"]
    orphans = [(str(row[0]), str(row[2])) for row in driver.execute("PRAGMA foreign_key_check")]
    for child, parent in sorted(set(orphans)):
        count = orphans.count((child, parent))
        text = f"{count} rows of {child} belong to rows of {parent} that do not exist."
        findings.append(Finding(level=Level.ERROR, text=text, remedy=remedy))
    return findings


def _check_rows(tx: sa.Connection, store: Store) -> list[Finding]:
    found = revision(tx)
    if found != head():
        text = "There are no tables." if found is None else f"The tables are of revision {found}, this version's of {head()}."
        return [Finding(level=Level.ERROR, text=text, remedy="Run: sitzungsplaner db upgrade")]
    findings = _orphaned_work(tx)
    if not store.is_sqlite:
        findings += _clock(tx, store.clock.now())
    return findings


_KEYS = sa.select(schema.work.c.key).order_by(schema.work.c.key)
_IDS = sa.union_all(*[sa.select(table.c.id) for table in (schema.entry, schema.calendar, schema.owner)])


def _orphaned_work(tx: sa.Connection) -> list[Finding]:
    known = set(tx.scalars(_IDS))
    named = ((key, key.split(":")[1]) for key in tx.scalars(_KEYS) if ":" in key)
    # Only our own ids can be missed; what else may stand there (an address, a mailbox) is not looked up.
    lost = [key for key, one in named if len(one) == 32 and one not in known]
    return [
        Finding(
            level=Level.WARNING,
            text=f"The work “{key}” is about something that does not exist any more.",
            remedy=f"It does no harm. Remove it: sitzungsplaner work drop {key}",
        )
        for key in lost
    ]


def _clock(tx: sa.Connection, now: datetime) -> list[Finding]:
    there: datetime = tx.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    apart = abs(there - now)
    if apart <= _CLOCK_TOLERANCE:
        return []
    return [
        Finding(
            level=Level.ERROR,
            text=f"This machine's clock and the database server's are {apart.total_seconds():.0f} seconds apart.",
            remedy="Work would be taken from daemons that are alive. Set the clocks by NTP (timedatectl).",
        )
    ]
