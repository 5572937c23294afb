"""Transactions, bells and errors of the store, on both databases."""

from __future__ import annotations

import asyncio
import multiprocessing
import sqlite3
import threading
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from daemon.core.errors import ConfigProblem, Conflict, Refused, Rejected, SitzungsplanerError, Unreachable
from daemon.store import settings, work
from daemon.store.engine import Store, file_of, open_store, parse_url
from daemon.store.errors import translate
from daemon.store.lock import hold
from tests.clock import ManualClock

on_sqlite = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
on_postgres = pytest.mark.parametrize("store_url", ["postgres"], indirect=True)


async def test_what_a_transaction_wrote_is_there_and_its_result_comes_back(store: Store) -> None:
    def write(tx: sa.Connection) -> int:
        settings.put(tx, "a", "1")
        return 7

    assert await store.run(write) == 7
    assert await store.run(lambda tx: settings.get(tx, "a")) == "1"


async def test_a_transaction_that_raises_leaves_nothing(store: Store) -> None:
    def write(tx: sa.Connection) -> None:
        settings.put(tx, "a", "1")
        raise Rejected("no")

    with pytest.raises(Rejected):
        await store.run(write)
    assert await store.run(lambda tx: settings.get(tx, "a")) is None


async def test_a_preview_shows_the_result_and_undoes_it_and_wakes_nobody(store: Store, clock: ManualClock) -> None:
    bell = store.bell()

    def write(tx: sa.Connection) -> str | None:
        work.put(tx, key="mail:1:a", kind=work.MAIL, due=clock.now())
        settings.put(tx, "a", "1")
        return settings.get(tx, "a")

    assert await store.preview(write) == "1"
    await asyncio.sleep(0)
    assert not bell.is_set()
    assert store.run_now(lambda tx: settings.get(tx, "a")) is None
    with pytest.raises(Rejected):
        await store.preview(_refuse)


def _refuse(tx: sa.Connection) -> None:
    raise Rejected("no")


def test_a_transaction_inside_a_transaction_is_refused_instead_of_waiting_for_ever(store: Store) -> None:
    def inner(tx: sa.Connection) -> None:
        store.run_now(lambda again: None)

    with pytest.raises(RuntimeError, match="cannot wait for another"):
        store.run_now(inner)
    store.run_now(lambda tx: None)


async def test_many_transactions_at_once_count_right(store: Store) -> None:
    store.run_now(lambda tx: settings.put(tx, "n", "0"))
    add = sa.text("UPDATE setting SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE key = 'n'")
    await asyncio.gather(*(store.run(lambda tx: tx.execute(add).rowcount) for _ in range(40)))
    assert store.run_now(lambda tx: settings.get(tx, "n")) == "40"


async def test_ripe_work_rings_its_kind_and_those_who_listen_to_all_and_nobody_else(store: Store, clock: ManualClock) -> None:
    mail, calendar, everything = store.bell(work.MAIL), store.bell(work.CALENDAR), store.bell()
    gone = store.bell()
    store.forget(gone)
    await store.run(lambda tx: work.put(tx, key="mail:1:a", kind=work.MAIL, due=clock.now() + timedelta(seconds=10)))
    await asyncio.wait_for(mail.wait(), 5)
    await asyncio.wait_for(everything.wait(), 5)
    assert not calendar.is_set()
    assert not gone.is_set()


async def test_work_for_later_than_a_worker_sleeps_rings_nobody(store: Store, clock: ManualClock) -> None:
    bell = store.bell()
    await store.run(lambda tx: work.put(tx, key="mail:1:a", kind=work.MAIL, due=clock.now() + timedelta(hours=1)))
    await asyncio.sleep(0.01)
    assert not bell.is_set()


async def test_a_bell_is_rung_by_a_transaction_of_another_thread(store: Store, clock: ManualClock) -> None:
    bell = store.bell(work.MAIL)
    put = threading.Thread(target=store.run_now, args=(lambda tx: work.put(tx, key="mail:1:a", kind=work.MAIL, due=clock.now()),))
    put.start()
    await asyncio.wait_for(bell.wait(), 5)
    put.join()


def test_a_bell_of_a_loop_that_ended_is_left_alone(store: Store) -> None:
    async def make() -> asyncio.Event:
        return store.bell()

    bell = asyncio.run(make())
    store.ring()
    assert not bell.is_set()


@on_postgres
async def test_another_process_s_work_rings_here_also_after_the_connection_was_lost(
    store: Store, store_url: str, clock: ManualClock
) -> None:
    other = open_store(store_url, clock=clock, data_dir=None, threads=1)
    bell = store.bell(work.MAIL)
    listener = asyncio.create_task(store.listen(pause=timedelta(seconds=0)))
    try:
        await asyncio.wait_for(bell.wait(), 10)  # rung once at each new connection
        bell.clear()
        await other.run(lambda tx: work.put(tx, key="mail:1:a", kind=work.MAIL, due=clock.now()))
        await asyncio.wait_for(bell.wait(), 10)
        bell.clear()
        kill = sa.text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
        )
        assert len(other.run_now(lambda tx: tx.execute(kill).all())) == 1
        await asyncio.wait_for(bell.wait(), 10)
        assert not listener.done()
    finally:
        listener.cancel()
        other.close()
        await asyncio.gather(listener, return_exceptions=True)


@on_sqlite
async def test_on_sqlite_listening_waits_until_it_is_cancelled(store: Store) -> None:
    listener = asyncio.create_task(store.listen())
    await asyncio.sleep(0)
    assert not listener.done()
    listener.cancel()
    await asyncio.gather(listener, return_exceptions=True)


@on_postgres
async def test_a_deadlock_is_run_again_and_nothing_is_lost(store: Store) -> None:
    """Two transactions that take two rows in opposite order: PostgreSQL ends one of them with 40P01."""
    store.run_now(lambda tx: [settings.put(tx, key, "") for key in ("a", "b")])
    meeting, runs = threading.Barrier(2), []

    def crossed(first: str, second: str, tx: sa.Connection) -> None:
        runs.append(first)
        settings.put(tx, first, (settings.get(tx, first) or "") + "x")
        if len(runs) <= 2:
            meeting.wait(10)
        settings.put(tx, second, (settings.get(tx, second) or "") + "x")

    await asyncio.gather(
        store.run(lambda tx: crossed("a", "b", tx)),
        store.run(lambda tx: crossed("b", "a", tx)),
    )
    assert len(runs) >= 3
    assert store.run_now(lambda tx: (settings.get(tx, "a"), settings.get(tx, "b"))) == ("xx", "xx")


@on_postgres
async def test_what_was_read_before_another_s_commit_is_read_again_before_it_is_written(store: Store) -> None:
    """Read, decide, write: the second of two is run again on what the first left, as if SQLite had let one in at a time."""
    store.run_now(lambda tx: settings.put(tx, "a", ""))
    both_have_read, runs = threading.Barrier(2), []

    def add(tx: sa.Connection) -> None:
        runs.append(1)
        read = settings.get(tx, "a") or ""
        if len(runs) <= 2:
            both_have_read.wait(10)
        settings.put(tx, "a", read + "x")

    await asyncio.gather(store.run(add), store.run(add))
    assert store.run_now(lambda tx: settings.get(tx, "a")) == "xx"
    assert len(runs) >= 3


@on_postgres
def test_what_asks_to_be_run_again_for_ever_ends_as_unreachable(store: Store) -> None:
    runs = []

    def again(tx: sa.Connection) -> None:
        runs.append(1)
        tx.execute(sa.text("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$"))

    with pytest.raises(Unreachable, match="asked to try again"):
        store.run_now(again)
    assert len(runs) == 30


@on_sqlite
def test_sqlite_is_opened_durable_and_strict(store: Store) -> None:
    def pragmas(tx: sa.Connection) -> list[object]:
        return [tx.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous", "foreign_keys")]

    assert store.run_now(pragmas) == ["wal", 2, 1]


@on_sqlite
def test_a_locked_file_is_unreachable(store: Store, tmp_path: Path) -> None:
    store.run_now(lambda tx: None)
    store.outside(lambda: _pragma(store, "busy_timeout=50"))
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unreachable, match="locked by another process"):
        store.run_now(lambda tx: settings.put(tx, "a", "1"))
    other.execute("ROLLBACK")
    other.close()
    store.run_now(lambda tx: settings.put(tx, "a", "1"))


@on_sqlite
def test_a_full_disk_is_unreachable_with_a_remedy_and_loses_nothing(store: Store) -> None:
    store.run_now(lambda tx: settings.put(tx, "a", "1"))
    pages = store.outside(lambda: _pragma(store, "page_count"))
    store.outside(lambda: _pragma(store, f"max_page_count={pages}"))
    with pytest.raises(Unreachable, match="Make room"):
        store.run_now(lambda tx: settings.put(tx, "b", "x" * 100_000))
    assert store.run_now(lambda tx: (settings.get(tx, "a"), settings.get(tx, "b"))) == ("1", None)


def _pragma(store: Store, text: str) -> int:
    borrowed = store.engine.raw_connection()
    try:
        row = borrowed.cursor().execute(f"PRAGMA {text}").fetchone()
        return int(row[0])
    finally:
        borrowed.close()


@on_sqlite
def test_a_damaged_file_is_refused(store: Store, tmp_path: Path, clock: ManualClock) -> None:
    store.close()
    file = tmp_path / "store.db"
    whole = file.read_bytes()
    file.write_bytes(b"no database at all" * 300)
    with pytest.raises(Refused, match="no SQLite database"):
        _once(file, clock)
    file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(Refused, match="damaged"):
        _once(file, clock)


def _once(file: Path, clock: ManualClock) -> None:
    store = open_store(f"sqlite:///{file}", clock=clock, data_dir=None)
    try:
        store.run_now(lambda tx: settings.get(tx, "a"))
    finally:
        store.close()


def test_missing_tables_are_refused_with_the_command_that_makes_them(store: Store) -> None:
    store.run_now(lambda tx: tx.execute(sa.text("DROP TABLE setting")))
    with pytest.raises(Refused, match="sitzungsplaner db upgrade"):
        store.run_now(lambda tx: settings.get(tx, "a"))


def test_a_bug_of_ours_is_not_dressed_up(store: Store) -> None:
    with pytest.raises(sa.exc.DBAPIError):
        store.run_now(lambda tx: tx.execute(sa.text("SELEKT 1")))
    with pytest.raises(sa.exc.IntegrityError):
        store.run_now(lambda tx: tx.execute(sa.text("INSERT INTO setting (key) VALUES ('a')")))


def test_a_second_row_of_one_key_is_a_conflict(store: Store) -> None:
    insert = sa.text("INSERT INTO setting (key, value) VALUES ('a', 'b')")
    store.run_now(lambda tx: tx.execute(insert).rowcount)
    with pytest.raises(Conflict):
        store.run_now(lambda tx: tx.execute(insert).rowcount)
    with pytest.raises(Conflict):
        store.run_now(
            lambda tx: tx.execute(sa.text("INSERT INTO number VALUES ('123456789', 'nobody', 'reserved', NULL)")).rowcount
        )


def test_a_postgres_that_is_not_there_is_unreachable_and_the_password_stays_secret(tmp_path: Path, clock: ManualClock) -> None:
    store = open_store(f"postgresql://u:geheim@/d?host={tmp_path}", clock=clock, data_dir=None)
    with pytest.raises(Unreachable, match="does not answer") as caught:
        store.run_now(lambda tx: None)
    assert "geheim" not in str(caught.value)
    store.close()


@on_postgres
def test_a_postgres_without_the_database_says_so(store_url: str, clock: ManualClock) -> None:
    store = open_store(store_url.replace("/test", "/missing"), clock=clock, data_dir=None)
    with pytest.raises(SitzungsplanerError, match="missing"):
        store.run_now(lambda tx: None)
    store.close()


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        pytest.param("53100", Unreachable, "Make room", id="disk-full"),
        pytest.param("53300", Unreachable, "max_connections", id="too-many-connections"),
        pytest.param("57P01", Unreachable, "stopping", id="shutdown"),
        pytest.param("25P03", Unreachable, "stood still", id="idle-in-transaction"),
        pytest.param("25006", Unreachable, "read-only", id="standby"),
        pytest.param("55P03", Unreachable, "locked", id="lock"),
        pytest.param("08006", Unreachable, "does not answer", id="connection"),
        pytest.param("28P01", Refused, "pg_hba", id="password"),
        pytest.param("3D000", Refused, "createdb", id="no-database"),
        pytest.param("42501", Refused, "owner of the database", id="no-right"),
        pytest.param("42P01", Refused, "db upgrade", id="no-table"),
        pytest.param("XX001", Refused, "damaged", id="corruption"),
        pytest.param("23505", Conflict, "same time", id="unique"),
    ],
)
def test_postgres_codes_become_our_errors(code: str, kind: type[SitzungsplanerError], words: str) -> None:
    original = psycopg.errors.lookup(code)("what the server says")
    ours = translate(sa.exc.DBAPIError("SELECT", {}, original))
    assert type(ours) is kind
    assert words in str(ours)
    assert "what the server says" in str(ours)


def test_a_pool_that_stays_empty_is_unreachable_and_other_errors_are_bugs() -> None:
    assert isinstance(translate(sa.exc.TimeoutError()), Unreachable)
    assert translate(sa.exc.ArgumentError("x")) is None


@pytest.mark.parametrize(
    ("url", "data_dir", "expected"),
    [
        pytest.param("sqlite:///a.db", Path("/var/lib/s"), "sqlite:////var/lib/s/a.db", id="relative-below-data-dir"),
        pytest.param("sqlite:////x/a.db", Path("/var/lib/s"), "sqlite:////x/a.db", id="absolute-stays"),
        pytest.param("sqlite:///a.db", None, "sqlite:///a.db", id="no-data-dir"),
        pytest.param("postgresql://h/d", None, "postgresql+psycopg://h/d", id="postgresql"),
        pytest.param("postgres://h/d", None, "postgresql+psycopg://h/d", id="postgres-as-hosters-write-it"),
        pytest.param("postgresql+psycopg://h/d", None, "postgresql+psycopg://h/d", id="driver-named"),
    ],
)
def test_urls_are_completed(url: str, data_dir: Path | None, expected: str) -> None:
    assert str(parse_url(url, data_dir)) == expected


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://h/d", "sqlite://", "sqlite:///:memory:", "sqlite:///file:x?uri=true", "sqlite://:x"]
)
def test_other_urls_are_refused_with_an_example(url: str) -> None:
    with pytest.raises(ConfigProblem, match=r"store\.url: .*sqlite:///sitzungsplaner\.db"):
        parse_url(url, None)


def test_the_file_of_a_store_is_known_for_sqlite_only() -> None:
    assert file_of("sqlite:///a.db", Path("/d")) == Path("/d/a.db")
    assert file_of("postgresql://h/d", Path("/d")) is None


def test_a_directory_that_cannot_be_made_is_unreachable(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unreachable, match="cannot be made"):
        open_store("sqlite:///file/below/a.db", clock=clock, data_dir=tmp_path)


def test_the_lock_is_held_by_one_process_and_free_again_when_it_ends(tmp_path: Path) -> None:
    file = tmp_path / "new" / "a.db"
    with hold(file):
        spawn = multiprocessing.get_context("spawn")
        with spawn.Pool(1) as pool:
            refusal = pool.apply(_try_lock, (str(file),))
        assert "in use by process" in refusal
        assert "stop the service" in refusal
    assert _try_lock(str(file)) == ""


def test_a_lock_file_that_cannot_be_opened_says_who_should_run_this(tmp_path: Path) -> None:
    (tmp_path / "a.db.lock").mkdir()
    with pytest.raises(Rejected, match="owns the data directory"), hold(tmp_path / "a.db"):
        pass


def _try_lock(file: str) -> str:
    try:
        with hold(Path(file)):
            return ""
    except Rejected as error:
        return str(error)
