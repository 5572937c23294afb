"""The database: its condition as facts, and conditions of real ones, sound and not."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from daemon.core.calendars import CalendarState, LinkState
from daemon.core.errors import SitzungsplanerError
from daemon.doctor import Finding, Level
from daemon.doctor.store import OVERDUE, judge_store, opened, unusable
from daemon.store import admin, calendars, settings, work
from daemon.store.condition import Condition, Queue, Tuples, look
from daemon.store.engine import Store, open_store
from daemon.store.lock import hold
from tests.clock import ManualClock
from tests.doctor.tables import levels, the
from tests.store.test_engine import on_postgres, on_sqlite
from tests.store.values import NOW, a_calendar, a_link, an_owner, with_calendar, with_number

SQLITE = Condition(sqlite=True, version=(3, 51, 3), file=Path("/x/s.db"), revision="0001", head="0001", damage=())
POSTGRES = Condition(
    sqlite=False,
    version=(16, 4),
    file=None,
    revision="0001",
    head="0001",
    apart=timedelta(0),
    tuples=Tuples(live=10, dead=9, options=("fillfactor=70", "autovacuum_vacuum_threshold=2000")),
)
PARKED = Queue(parked=5, shown=(("mail:1:a@example.org", "550 no such user"), ("calendar:1", "no right")))
LATE = Queue(overdue=3, oldest=NOW - timedelta(hours=5))

# The condition; whether the service runs; file system; levels; what is said.
FACTS = {
    "a sound file": (SQLITE, True, "ext4", [], "SQLite 3.51.3 in /x/s.db"),
    "a file that was not read through": (replace(SQLITE, damage=None), True, "ext4", [], "tables of this version"),
    "a damaged file": (replace(SQLITE, damage=("row 1 missing",)), True, "ext4", ["problem"], "damaged: row 1 missing"),
    "a file on a network disk": (SQLITE, True, "nfs4", ["problem"], "another machine's disk (nfs4)"),
    "PostgreSQL beside a network disk": (POSTGRES, True, "nfs4", [], "PostgreSQL 16.4"),
    "SQLite with the fault": (replace(SQLITE, version=(3, 40, 1)), True, "", ["note"], "3.40.1 can damage a file"),
    "the last SQLite with the fault": (replace(SQLITE, version=(3, 51, 2)), True, "", ["note"], "fixed in 3.51.3"),
    "SQLite before the fault": (replace(SQLITE, version=(3, 6, 23)), True, "", [], "SQLite 3.6.23"),
    "no tables": (replace(SQLITE, revision=None), False, "", ["note"], "no tables yet"),
    "older tables": (replace(SQLITE, revision="0000"), False, "", ["warning"], "sitzungsplaner db upgrade"),
    "newer tables": (replace(SQLITE, revision="0099", newer=True), False, "", ["problem"], "newer version of this service"),
    "an old PostgreSQL": (replace(POSTGRES, version=(12, 3)), True, "", ["warning"], "12.3 gets no corrections"),
    "clocks that agree": (replace(POSTGRES, apart=timedelta(seconds=-5)), True, "", [], "clock agrees"),
    "a database ahead": (replace(POSTGRES, apart=timedelta(seconds=61)), True, "", ["problem"], "61 seconds ahead of"),
    "a database behind": (replace(POSTGRES, apart=timedelta(seconds=-61)), True, "", ["problem"], "61 seconds behind"),
    "many dead rows": (
        replace(POSTGRES, tuples=Tuples(live=1000, dead=50_000, options=("fillfactor=70",))),
        True,
        "",
        ["warning"],
        "50,000 dead rows beside 1,000",
    ),
    "few dead rows": (replace(POSTGRES, tuples=Tuples(live=0, dead=10_000, options=("fillfactor=70",))), True, "", [], "agrees"),
    "lost storage options": (
        replace(POSTGRES, tuples=Tuples(live=0, dead=0, options=())),
        True,
        "",
        ["warning"],
        "storage options",
    ),
    "work put aside": (replace(SQLITE, queue=PARKED), True, "", ["problem"], "mail:1:a@example.org: 550 no such user; cal"),
    "more work put aside than is shown": (replace(SQLITE, queue=PARKED), True, "", ["problem"], "and 3 more"),
    "one piece put aside": (replace(SQLITE, queue=Queue(parked=1)), True, "", ["problem"], "One piece of work is put aside"),
    "late work": (
        replace(SQLITE, queue=LATE),
        True,
        "",
        ["problem"],
        "3 pieces of work are due for more than an hour, the oldest for 5",
    ),
    "late work, and no service": (replace(SQLITE, queue=LATE), False, "", ["warning"], "systemctl start"),
}


@pytest.mark.parametrize("case", FACTS)
def test_what_is_said_of_a_database(case: str) -> None:
    condition, running, file_system, expected, piece = FACTS[case]
    findings = judge_store(condition, now=NOW, running=running, file_system=file_system)
    assert levels(findings) == expected
    assert piece in " ".join(f"{one.what} {one.remedy}" for one in findings)


def test_a_new_store_is_sound_on_both_databases(store: Store) -> None:
    condition = look(store, integrity=True, overdue=OVERDUE)
    assert (condition.sqlite, condition.current, condition.newer) == (store.is_sqlite, True, False)
    assert condition.version > (3,)
    assert condition.damage == (() if store.is_sqlite else None)
    assert condition.queue == Queue()
    if not store.is_sqlite:
        assert condition.tuples is not None
        assert "fillfactor=70" in condition.tuples.options


@on_postgres
def test_the_difference_of_the_clocks_is_measured_on_postgresql(store: Store, clock: ManualClock) -> None:
    """The test's clock stands in 2027, the server's goes today."""
    there = store.run_now(lambda tx: tx.scalar(sa.select(sa.func.clock_timestamp())))
    apart = look(store, integrity=True, overdue=OVERDUE).apart
    assert apart is not None
    assert abs(apart - (there - clock.now())) < timedelta(seconds=30)


def test_what_waits_is_counted(store: Store, clock: ManualClock) -> None:
    now = clock.now()

    def make(tx: sa.Connection) -> None:
        for name, hours in (("late", 3), ("later", 2), ("soon", 0.5)):
            work.put(tx, key=name, kind="mail", due=now - timedelta(hours=hours))
        work.put(tx, key="held", kind="inbox", due=now - timedelta(hours=9))
        work.claim(tx, "inbox", now=now, hold=timedelta(minutes=5), most=1, token="t")
        for name in ("p1", "p2", "p3", "p4"):
            work.put(tx, key=name, kind="bulk", due=now)
        for job in work.claim(tx, "bulk", now=now, hold=timedelta(minutes=5), most=9, token="u").jobs:
            work.park(tx, job, error=f"no {job.key}", now=now)
        settings.put(tx, settings.TZDATA, "2020a")

    store.run_now(make)
    condition = look(store, integrity=False, overdue=OVERDUE)
    assert condition.queue == Queue(
        parked=4, shown=(("p1", "no p1"), ("p2", "no p2"), ("p3", "no p3")), overdue=2, oldest=now - timedelta(hours=3)
    )
    assert (condition.tzdata, condition.damage) == ("2020a", None)
    clock.move(timedelta(minutes=6))
    assert look(store, integrity=False, overdue=OVERDUE).queue.oldest == now - timedelta(hours=9), "its holder died"


def test_calendars_are_told_with_what_was_refused_and_what_waits(store: Store, clock: ManualClock) -> None:
    def make(tx: sa.Connection) -> None:
        with_calendar(tx)
        for number, (state, dirty) in enumerate([(LinkState.FAILED, False), (LinkState.FAILED, True), (LinkState.SYNCED, True)]):
            entry = with_number(tx, clock, f"e{number}")
            calendars.put_link(tx, a_link(entry.id, uid=f"u{number}", state=state, dirty=dirty))

    store.run_now(make)
    (found,) = look(store, integrity=False, overdue=OVERDUE).calendars
    assert (found.calendar.id, found.owner, found.refused, found.waiting) == (a_calendar().id, an_owner().email, 2, 2)
    assert found.calendar.state is CalendarState.OK


@on_sqlite
def test_a_reference_that_leads_nowhere_is_damage(store: Store) -> None:
    assert store.file is not None
    with sqlite3.connect(store.file) as other:
        other.execute("PRAGMA foreign_keys=OFF")
        other.execute("INSERT INTO sent (entry, attendee, data) VALUES ('x', 'y', '{}')")
    other.close()
    assert look(store, integrity=True, overdue=OVERDUE).damage == ("rows of sent belong to rows of entry that do not exist",)


@pytest.mark.parametrize("revision", [None, "9999"])
def test_tables_of_another_version_are_not_looked_into(store: Store, revision: str | None) -> None:
    def change(tx: sa.Connection) -> None:
        tx.exec_driver_sql("DROP TABLE work")
        tx.exec_driver_sql("DELETE FROM alembic_version")
        if revision:
            tx.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{revision}')")

    store.run_now(change)
    condition = look(store, integrity=False, overdue=OVERDUE)
    assert (condition.revision, condition.current, condition.newer) == (revision, False, revision is not None)
    assert condition.calendars == ()


def test_opening_makes_nothing(tmp_path: Path, clock: ManualClock) -> None:
    with opened("sqlite:///s.db", tmp_path / "data", clock) as found:
        assert isinstance(found, Finding)
        assert (found.level, "no database" in found.what) == (Level.NOTE, True)
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_another_process_has_is_left_alone(tmp_path: Path, clock: ManualClock) -> None:
    admin.upgrade("sqlite:///s.db", data_dir=tmp_path, clock=clock)
    with hold(tmp_path / "s.db"), opened("sqlite:///s.db", tmp_path, clock) as found:
        assert isinstance(found, Finding)
        assert (found.level, "in use by process" in found.what) == (Level.WARNING, True)
    with opened("sqlite:///s.db", tmp_path, clock) as store:
        assert isinstance(store, Store)
        assert look(store, integrity=True, overdue=OVERDUE).current


def test_a_file_that_is_no_database_is_a_problem(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "s.db").write_text("This is a shopping list, and no database at all. " * 40)
    with opened("sqlite:///s.db", tmp_path, clock) as store:
        assert isinstance(store, Store)
        with pytest.raises(SitzungsplanerError) as caught:
            look(store, integrity=True, overdue=OVERDUE)
    the([unusable(caught.value)], Level.PROBLEM, "restore the newest good backup")


def test_a_server_that_is_not_there_is_a_problem_without_the_password(tmp_path: Path, clock: ManualClock) -> None:
    url = "postgresql://anna:geheim-und-lang@127.0.0.1:9/db"
    with opened(url, tmp_path, clock) as store:
        assert isinstance(store, Store)
        with pytest.raises(SitzungsplanerError) as caught:
            look(store, integrity=True, overdue=OVERDUE)
    found = unusable(caught.value)
    assert (found.level, found.where) == (Level.PROBLEM, "store.url")
    assert "geheim" not in str(found)


def test_an_url_that_is_none_is_a_problem(tmp_path: Path, clock: ManualClock) -> None:
    with opened("sqlite:///:memory:", tmp_path, clock) as found:
        assert isinstance(found, Finding)
        assert (found.level, found.what) == (Level.PROBLEM, "SQLite needs a file.")
        assert found.remedy.startswith("Write sqlite:///")


@on_sqlite
def test_a_store_that_is_open_is_looked_at_in_its_own_thread(store: Store) -> None:
    again = open_store(str(store.url), clock=store.clock, data_dir=None)
    again.close()
    assert look(store, integrity=True, overdue=OVERDUE).current
