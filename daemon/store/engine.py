"""The database, SQLite or PostgreSQL. A transaction is a plain function of a connection, run in a thread.

A plain function cannot keep the write lock while it waits for the network, and it can be run again when PostgreSQL asks for that.
SQLite gets one thread and one connection: it has one writer, its own queue is unfair, and before 3.51.3 two connections
could damage the file. Transactions that wait for that thread at the same time share one commit, and with it one wait for the
disk (docs/decisions/0009). What belongs into a transaction is not decided here, nor is any table known here.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from daemon.core.errors import ConfigProblem, Unreachable
from daemon.ports import Clock
from daemon.store import errors

T = TypeVar("T")
Transaction = Callable[[sa.Connection], T]

PATIENCE: Final = timedelta(seconds=15)  # a worker looks at least this often; so only work that is due sooner rings
_RERUNS = 30  # each one means that somebody else got on
_TOGETHER = 32  # transactions that share one commit at most: the first of them waits for the last
_CHANNEL = "sitzungsplaner_work"
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000", "temp_store=MEMORY")


def parse_url(url: str, data_dir: Path | None) -> sa.URL:
    """Return the complete URL: a relative SQLite path is below `data_dir`, PostgreSQL is reached by psycopg.

    Raises ConfigProblem for another database, for SQLite in memory and for what is no URL.
    """
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise ConfigProblem((f"store.url: this is no database URL. {_EXAMPLES}",)) from error
    match parsed.get_backend_name():
        case "sqlite":
            if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
                raise ConfigProblem((f"store.url: SQLite needs a file. {_EXAMPLES}",))
            path = Path(parsed.database)
            return parsed.set(drivername="sqlite", database=str(path if data_dir is None else data_dir / path))
        case "postgresql" | "postgres":
            return parsed.set(drivername="postgresql+psycopg")
        case other:
            raise ConfigProblem((f"store.url: {other} is not supported. {_EXAMPLES}",))


_EXAMPLES = "Write sqlite:///sitzungsplaner.db or postgresql://user:password@host/database."


def file_of(url: str, data_dir: Path | None) -> Path | None:
    """Return the file of a SQLite store, the one that `lock.hold` is for; None for PostgreSQL."""
    parsed = parse_url(url, data_dir)
    return Path(str(parsed.database)) if parsed.get_backend_name() == "sqlite" else None


def open_engine(url: sa.URL, *, threads: int) -> sa.Engine:
    """Return an engine that connects at first use."""
    if url.get_backend_name() != "sqlite":
        # A session that stands still inside a transaction keeps dead work rows alive, and claims get slower by each of them.
        options = "-c idle_in_transaction_session_timeout=60000 -c timezone=UTC"
        return sa.create_engine(
            url,
            pool_size=threads,
            max_overflow=0,
            pool_pre_ping=True,
            # An entry is read by several statements, which must see one state of it; and of two who read, decide and write, the
            # second is run again. As on SQLite.
            isolation_level="REPEATABLE READ",
            connect_args={"options": options, "connect_timeout": 10, "application_name": "sitzungsplaner"},
        )
    engine = sa.create_engine(url, poolclass=sa.QueuePool, pool_size=1, max_overflow=0)

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy says BEGIN, not the driver: DDL belongs to the transaction too
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    # Not by an event: with a listener to one, SQLAlchemy asks at every statement whether it is meant, which costs a third of it.
    engine.dialect.do_begin = _begin_immediately  # type: ignore[method-assign,assignment] # a method there, a plain function here
    return engine


def _begin_immediately(connection: Any) -> None:
    connection.execute("BEGIN IMMEDIATE")  # the write lock first, so that nothing is refused half-way


@contextmanager
def our_errors() -> Iterator[None]:
    """Turn what a database says into Unreachable, Refused or Conflict; bugs of this program pass as they are."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        ours = errors.translate(error)
        if ours is None:
            raise
        raise ours from error


def will_ring(tx: sa.Connection, kind: str, due: datetime) -> None:
    """Note that this transaction makes work of the kind due at that time: once committed, its workers are woken."""
    wanted: dict[str, datetime] = tx.info["rings"]
    wanted[kind] = min(due, wanted.get(kind, due))


class _Bell:
    """One worker's event, the loop it lives in, and the kinds it is for (none: all)."""

    def __init__(self, kinds: tuple[str, ...]) -> None:
        self.event = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.kinds = frozenset(kinds)


@dataclass(slots=True, kw_only=True)
class _Asked:
    """A transaction that waits for SQLite's thread, or has been run there: what it returned or raised, and what it rings."""

    do: Transaction[Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None
    kinds: Sequence[str] = ()

    def tell(self) -> None:
        """Let whoever waits know how it ended. In his event loop."""
        if self.future.done():  # he has gone
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


def _tell(group: Sequence[_Asked]) -> None:
    """Tell each in its event loop how it ended, all of a loop at once: waking one costs more than what it is told."""
    for loop in {asked.loop for asked in group}:
        own = [asked for asked in group if asked.loop is loop]
        with suppress(RuntimeError):  # the loop is closed, and nobody waits there
            loop.call_soon_threadsafe(lambda own=own: [asked.tell() for asked in own])  # type: ignore[misc] # its result is unused


class Store:
    """A database and the threads that work on it. Made by `open_store`; used from any thread."""

    def __init__(self, url: sa.URL, *, clock: Clock, threads: int) -> None:
        self.url = url
        self.clock = clock
        self.is_sqlite = url.get_backend_name() == "sqlite"
        workers = 1 if self.is_sqlite else threads
        self.engine = open_engine(url, threads=workers)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="store")
        self._asked = deque[_Asked]()
        self._called = False
        self._inside = threading.local()
        self._outside = set[object]()
        self._bells: tuple[_Bell, ...] = ()

    @property
    def file(self) -> Path | None:
        """The file of a SQLite store."""
        return Path(str(self.url.database)) if self.is_sqlite else None

    async def run(self, do: Transaction[T]) -> T:
        """Return what `do` returns, once its transaction is committed.

        `do` must not change anything but the database: it may be run again. If the awaiting task is cancelled, the transaction
        may still be committed. Raises what `do` raises (nothing is committed then), Unreachable, Refused, Conflict.
        """
        if not self.is_sqlite:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._transact, do)
        loop = asyncio.get_running_loop()
        asked = _Asked(do=do, loop=loop, future=loop.create_future())
        self._asked.append(asked)
        self._call_to_serve()
        result: T = await asked.future
        return result

    async def preview(self, do: Transaction[T]) -> T:
        """Return what `do` returns and undo everything it did. Wakes nobody."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._undo, do)

    def run_now(self, do: Transaction[T]) -> T:
        """`run` for callers without an event loop: commands, migrations. Blocks."""
        return self._in_thread(lambda: self._transact(do))

    @property
    def occupied(self) -> bool:
        """True while somebody has the whole database by `outside`."""
        return bool(self._outside)

    def outside(self, do: Callable[[], T]) -> T:
        """Return what `do` returns, run in a thread of the store: on SQLite nothing else happens there meanwhile. For VACUUM."""
        mine = object()
        self._outside.add(mine)
        try:
            return self._in_thread(do)
        finally:
            self._outside.discard(mine)

    def _in_thread(self, do: Callable[[], T]) -> T:
        if getattr(self._inside, "busy", False):
            raise RuntimeError("a transaction cannot wait for another one: SQLite has one thread")
        return self._threads.submit(do).result()

    def _call_to_serve(self) -> None:
        """Have the thread look for what waits, unless it is called already."""
        if not self._called:
            self._called = True
            try:
                self._threads.submit(self._serve)
            except RuntimeError:  # the store is closed, and says so to everybody who asks
                self._called = False
                raise

    def _serve(self) -> None:
        """SQLite: run what waits, with one commit for all of it."""
        self._called = False  # before looking: who asks from now on calls again
        group = list[_Asked]()
        while self._asked and len(group) < _TOGETHER:
            asked = self._asked.popleft()
            if not asked.future.cancelled():
                group.append(asked)
        if len(group) < 2 or not self._at_once(group):
            for asked in group:
                asked.error = None
                try:
                    asked.result = self._transact(asked.do)
                except BaseException as error:  # noqa: BLE001 - it belongs to the one who asked
                    asked.error = error
                _tell([asked])
        if self._asked:
            self._call_to_serve()  # after those who have called for something else meanwhile

    def _at_once(self, group: Sequence[_Asked]) -> bool:
        """Run these one after the other and commit them together. False: the database refused something, and none has happened.

        One that raises is undone alone. What the database refuses (a full disk, a key that is taken, a foreign key at the
        commit) may have undone more than its own part, so each is then to be run by itself.
        """
        self._inside.busy = True
        try:
            with self.engine.begin() as tx:
                for asked in group:
                    self._one_of_many(tx, asked)
        except (sa.exc.SQLAlchemyError, sqlite3.Error):
            return False
        finally:
            self._inside.busy = False
        for kind in {kind for asked in group for kind in asked.kinds}:
            self.ring(kind)
        _tell(group)
        return True

    def _one_of_many(self, tx: sa.Connection, asked: _Asked) -> None:
        driver: Any = tx.connection.driver_connection
        driver.execute("SAVEPOINT one_of_many")
        asked.error, asked.kinds = None, ()
        try:
            asked.result, asked.kinds = self._done(tx, asked.do)
        except sa.exc.SQLAlchemyError:
            raise
        except BaseException as error:  # noqa: BLE001 - it belongs to the one who asked
            asked.error = error
            driver.execute("ROLLBACK TO one_of_many")
        driver.execute("RELEASE one_of_many")

    def _done(self, tx: sa.Connection, do: Transaction[T]) -> tuple[T, Sequence[str]]:
        """Return what `do` returns, and the kinds whose workers are to be woken once it is committed."""
        rings: dict[str, datetime] = {}
        tx.info["rings"] = rings
        result = do(tx)
        soon = self.clock.now() + PATIENCE
        return result, [kind for kind, due in rings.items() if due <= soon]

    def _transact(self, do: Transaction[T]) -> T:
        reruns = _RERUNS
        while True:
            try:
                return self._once(do)
            except sa.exc.DBAPIError as error:
                reruns -= 1
                if not reruns or errors.sqlstate(error) not in errors.AGAIN:
                    with our_errors():
                        raise
            except sa.exc.SQLAlchemyError:
                with our_errors():
                    raise

    def _once(self, do: Transaction[T]) -> T:
        self._inside.busy = True
        try:
            with self.engine.begin() as tx:
                result, kinds = self._done(tx, do)
                if not self.is_sqlite:
                    for kind in kinds:  # reaches the others when, and only when, this is committed
                        tx.execute(_NOTIFY, {"channel": _CHANNEL, "kind": kind})
        finally:
            self._inside.busy = False
        for kind in kinds:
            self.ring(kind)
        return result

    def _undo(self, do: Transaction[T]) -> T:
        self._inside.busy = True
        try:
            with our_errors(), self.engine.connect() as tx:
                tx.info["rings"] = {}
                result = do(tx)
                tx.rollback()
                return result
        finally:
            self._inside.busy = False

    def bell(self, *kinds: str) -> asyncio.Event:
        """Return an event that is set whenever work of these kinds (none: any) is about to be due. Clear it *before* looking.

        Each worker needs its own: a shared one would be cleared by the first.
        """
        bell = _Bell(kinds)
        self._bells = (*self._bells, bell)
        return bell.event

    def forget(self, bell: asyncio.Event) -> None:
        """Ring this one no more."""
        self._bells = tuple(one for one in self._bells if one.event is not bell)

    def ring(self, kind: str | None = None) -> None:
        """Wake the workers of a kind (None: all). From any thread."""
        for bell in self._bells:
            if (kind is None or not bell.kinds or kind in bell.kinds) and not bell.loop.is_closed():
                bell.loop.call_soon_threadsafe(bell.event.set)

    async def listen(self, *, pause: timedelta = timedelta(seconds=5)) -> None:
        """Ring whenever another process commits work on PostgreSQL. Runs until it is cancelled.

        A lost connection costs only patience, since workers look by themselves too; after each new one everybody is rung
        once. On SQLite there is no other process.
        """
        if self.is_sqlite:
            await asyncio.get_running_loop().create_future()
        import psycopg

        url = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=10) as connection:
                    await connection.execute(f"LISTEN {_CHANNEL}")
                    self.ring()
                    async for notice in connection.notifies():
                        self.ring(notice.payload)
            except psycopg.OperationalError:
                await asyncio.sleep(pause.total_seconds())

    def close(self) -> None:
        """End the threads after what they are doing and close all connections."""
        self._threads.shutdown(cancel_futures=True)
        for asked in self._asked:
            asked.error = asyncio.CancelledError()
        _tell(self._asked)
        self.engine.dispose()


_NOTIFY = sa.select(sa.func.pg_notify(sa.bindparam("channel", type_=sa.Text), sa.bindparam("kind", type_=sa.Text)))


def open_store(url: str, *, clock: Clock, data_dir: Path | None, threads: int = 8) -> Store:
    """Return the store of this URL; `close` it. Makes the directory of a SQLite file, no tables (`admin.upgrade`) and no lock.

    Raises ConfigProblem for a URL that cannot be used, Unreachable if the directory cannot be made.
    """
    parsed = parse_url(url, data_dir)
    if parsed.get_backend_name() == "sqlite":
        folder = Path(str(parsed.database)).parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unreachable(f"The directory {folder} of the database cannot be made: {error.strerror}.") from error
    return Store(parsed, clock=clock, threads=threads)
