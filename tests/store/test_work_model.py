"""The work queue against a model of it in a few lines of Python: every row is compared after every step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from daemon.store import work
from daemon.store.engine import Store
from daemon.store.schema import work as table
from daemon.store.work import Job, Lost

START = datetime(2027, 3, 1, 8, 0, tzinfo=UTC)
HOLD = timedelta(seconds=60)
DEATHS = 3
KEYS = {"mail:1": work.MAIL, "mail:2": work.MAIL, "calendar:1": work.CALENDAR, "remind:1": work.REMIND, "remind:2": work.REMIND}

keys = st.sampled_from(sorted(KEYS))
seconds = st.integers(0, 120).map(lambda number: timedelta(seconds=number))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the model knows of a row."""

    due: datetime | None
    wish: int = 1
    tries: int = 0
    deaths: int = 0
    holder: str | None = None
    until: datetime | None = None
    error: str = ""
    failing: bool = False
    parked: bool = False


def seen(job: Job) -> Row:
    return Row(
        due=job.due,
        wish=job.wish,
        tries=job.tries,
        deaths=job.deaths,
        holder=job.holder,
        until=job.held_until,
        error=job.error,
        failing=job.first_failed is not None,
        parked=job.parked is not None,
    )


class Queue(RuleBasedStateMachine):
    """`jobs` are all claims ever made, so that late holders act too."""

    store: Store

    @initialize()
    def begin(self) -> None:
        self.store.run_now(lambda tx: tx.execute(sa.delete(table)).rowcount)
        self.now = START
        self.rows: dict[str, Row] = {}
        self.jobs: list[Job] = []
        self.tokens = 0

    @rule(key=keys, wait=seconds)
    def put(self, key: str, wait: timedelta) -> None:
        due = self.now + wait
        self.store.run_now(lambda tx: work.put(tx, key=key, kind=KEYS[key], due=due))
        old = self.rows.get(key)
        if old is None:
            self.rows[key] = Row(due=due)
        else:
            deaths = 0 if old.parked else old.deaths
            error = "" if old.parked else old.error
            self.rows[key] = replace(
                old, due=due, wish=old.wish + 1, tries=0, deaths=deaths, error=error, failing=False, parked=False
            )

    @rule(key=keys)
    def cancel(self, key: str) -> None:
        self.store.run_now(lambda tx: work.cancel(tx, key, now=self.now))
        row = self.rows.get(key)
        if row is not None and row.holder is not None and KEYS[key] != work.REMIND:
            self.rows[key] = replace(row, due=self.now, wish=row.wish + 1)
        else:
            self.rows.pop(key, None)

    @rule(
        kind=st.sampled_from([work.MAIL, work.CALENDAR, work.REMIND]), most=st.integers(1, 2), wary=st.none() | st.integers(0, 2)
    )
    def claim(self, kind: str, most: int, wary: int | None) -> None:
        self.tokens += 1
        token = f"t{self.tokens}"
        taken = self.store.run_now(
            lambda tx: work.claim(tx, kind, now=self.now, hold=HOLD, most=most, token=token, deaths=DEATHS, wary=wary)
        )
        ripe = {key: row for key, row in self.rows.items() if KEYS[key] == kind and self.ripe(row)}
        got = {job.key for job in taken.jobs + taken.parked}
        assert got <= set(ripe)
        failed = sum(bool(row.error) for row in ripe.values())
        passed_over = 0 if wary is None else max(0, failed - wary)
        assert len(got) == min(most, len(ripe) - passed_over)
        no_more = wary is not None and sum(bool(ripe[key].error) for key in got) >= wary
        left = [row.due for key, row in ripe.items() if key not in got and not (no_more and row.error)]
        assert all(ripe[key].due <= due for key in got for due in left), "the oldest first"  # type: ignore[operator]
        for key in got:
            row = ripe[key]
            deaths = row.deaths + (row.holder is not None)
            row = replace(row, tries=row.tries + 1, deaths=deaths, holder=token, until=self.now + HOLD)
            if deaths >= DEATHS:
                assert key in {job.key for job in taken.parked}
                error = self.store.run_now(lambda tx, key=key: work.get(tx, key)).error
                row = replace(row, due=None, holder=None, until=None, parked=True, error=error)
            self.rows[key] = row
        self.jobs += taken.jobs

    def ripe(self, row: Row) -> bool:
        return row.due is not None and row.due <= self.now and (row.until is None or row.until <= self.now)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), how=st.sampled_from(["finish", "again", "fail", "park", "release", "renew"]), wait=seconds)
    def end(self, data: st.DataObject, how: str, wait: timedelta) -> None:
        job = data.draw(st.sampled_from(self.jobs))
        at = self.now + wait

        def act(tx: sa.Connection) -> bool:
            match how:
                case "finish":
                    work.finish(tx, job)
                case "again":
                    work.finish(tx, job, again=at)
                case "fail":
                    work.fail(tx, job, error="broken", at=at, now=self.now)
                case "park":
                    work.park(tx, job, error="broken", now=self.now)
                case "release":
                    work.release(tx, job, now=self.now)
                case _:
                    return not work.renew(tx, [job], until=self.now + HOLD)
            return True

        row = self.rows.get(job.key)
        if row is None or row.holder != job.holder:
            if how == "release":
                self.store.run_now(act)
            elif how == "renew":
                assert not self.store.run_now(act)
            else:
                with pytest.raises(Lost):
                    self.store.run_now(act)
            return
        assert self.store.run_now(act)
        free = replace(row, holder=None, until=None)
        same = row.wish == job.wish
        match how:
            case "renew":
                self.rows[job.key] = replace(row, until=self.now + HOLD)
            case "release":
                self.rows[job.key] = replace(free, tries=max(0, row.tries - 1))
            case _ if not same:
                error = "" if how in ("finish", "again") else "broken"
                self.rows[job.key] = replace(free, deaths=0, error=error)
            case "finish":
                del self.rows[job.key]
            case "again":
                self.rows[job.key] = replace(free, due=at, tries=0, deaths=0, error="", failing=False)
            case "fail":
                self.rows[job.key] = replace(free, due=at, deaths=0, error="broken", failing=True)
            case _:
                self.rows[job.key] = replace(free, due=None, deaths=0, error="broken", failing=True, parked=True)

    @rule(by=seconds)
    def time_passes(self, by: timedelta) -> None:
        self.now += by

    @rule()
    def everybody_dies(self) -> None:
        self.store.run_now(work.free_all)
        for key, row in self.rows.items():
            if row.holder is not None:
                self.rows[key] = replace(row, holder=None, until=None, deaths=row.deaths + 1)

    @invariant()
    def every_row_is_as_the_model_says(self) -> None:
        if not hasattr(self, "rows"):
            return
        assert {job.key: seen(job) for job in self.store.run_now(work.list_)} == self.rows

    @invariant()
    def the_next_due_time_is_that_of_the_oldest_free_row(self) -> None:
        if not hasattr(self, "rows"):
            return
        for kind in (work.MAIL, work.CALENDAR, work.REMIND):
            free = [row.due for key, row in self.rows.items() if KEYS[key] == kind and row.holder is None and row.due]
            assert self.store.run_now(lambda tx, kind=kind: work.next_due(tx, kind)) == min(free, default=None)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_the_queue_on_sqlite_does_what_the_model_says(store: Store) -> None:
    store.outside(lambda: _without_sync(store))
    _run(store, examples=60)


@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
def test_the_queue_on_postgres_does_what_the_model_says(store: Store) -> None:
    _run(store, examples=15)


def _run(store: Store, *, examples: int) -> None:
    machine = type("Queue", (Queue,), {"store": store})
    how = settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    run_state_machine_as_test(machine, settings=how)


def _without_sync(store: Store) -> None:
    borrowed = store.engine.raw_connection()
    borrowed.cursor().execute("PRAGMA synchronous=OFF")
    borrowed.close()
