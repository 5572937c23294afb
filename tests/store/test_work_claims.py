"""What claims cost and that they do not get in each other's way."""

from __future__ import annotations

import threading
from typing import Any

import sqlalchemy as sa

from daemon.store import work
from daemon.store.engine import Store
from daemon.store.schema import work as table
from tests.store.test_engine import on_postgres, on_sqlite
from tests.store.test_work import DAY, HOLD, NOW, SECOND, claim, keys, put


@on_postgres
def test_four_threads_never_get_one_row_twice(store: Store) -> None:
    """Each claims, and finishes in a second transaction, until nothing is left."""

    def fill(tx: sa.Connection) -> None:
        for at in range(400):
            work.put(tx, key=f"mail:{at}", kind=work.MAIL, due=NOW + at * SECOND)

    store.run_now(fill)
    start, got, lock = threading.Barrier(4), [], threading.Lock()

    def lane(name: str) -> None:
        start.wait()
        for at in range(1000):
            jobs = claim(store, now=NOW + DAY, most=3, token=f"{name}-{at}").jobs
            if not jobs:
                return
            with lock:
                got.extend(job.key for job in jobs)
            for job in jobs:
                store.run_now(lambda tx, job=job: work.finish(tx, job))

    lanes = [threading.Thread(target=lane, args=(str(at),)) for at in range(4)]
    for one in lanes:
        one.start()
    for one in lanes:
        one.join()
    assert len(got) == 400
    assert len(set(got)) == 400
    assert keys(store) == []


@on_postgres
def test_a_row_that_is_being_claimed_is_passed_over_not_waited_for(store: Store) -> None:
    put(store, "mail:1")
    put(store, "mail:2", due=NOW + SECOND)
    claimed, go = threading.Event(), threading.Event()
    was_told: list[bool] = []

    def slowly(tx: sa.Connection) -> None:
        work.claim(tx, work.MAIL, now=NOW + DAY, hold=HOLD, most=1, token="slow")
        claimed.set()
        was_told.append(go.wait(10))

    slow = threading.Thread(target=store.run_now, args=(slowly,))
    slow.start()
    assert claimed.wait(10)
    assert [job.key for job in claim(store, now=NOW + DAY).jobs] == ["mail:2"]
    go.set()
    slow.join()
    assert was_told == [True], "the second claim came while the first was still open"


IDLE = {"of_kind": "mail", "now": NOW, "until": NOW + HOLD, "token": "t", "most": 10}


def _future(store: Store, count: int) -> None:
    rows = [
        {
            "key": f"mail:{at:06}",
            "kind": "mail",
            "args": {},
            "due": NOW + DAY + at * SECOND,
            "wish": 1,
            "tries": 0,
            "deaths": 0,
            "error": "",
        }
        for at in range(count)
    ]
    store.run_now(lambda tx: tx.execute(sa.insert(table), rows).rowcount)


@on_sqlite
def test_an_idle_poll_costs_the_same_steps_whatever_waits_on_sqlite(store: Store) -> None:
    def steps() -> int:
        count = 0

        def step() -> int:
            nonlocal count
            count += 1
            return 0

        def poll(tx: sa.Connection) -> None:
            driver: Any = tx.connection.driver_connection
            driver.set_progress_handler(step, 1)
            assert tx.execute(work.CLAIM, IDLE).all() == []
            tx.scalar(work.NEXT_DUE, {"of_kind": "mail"})
            driver.set_progress_handler(None, 0)

        store.run_now(poll)
        return count

    _future(store, 10)
    few = steps()
    store.run_now(lambda tx: tx.execute(sa.delete(table)).rowcount)
    _future(store, 20_000)
    assert steps() == few < 200


@on_postgres
def test_an_idle_poll_reads_the_same_pages_whatever_waits_on_postgres(store: Store) -> None:
    _future(store, 20_000)
    store.outside(lambda: _analyze(store))

    def explain(tx: sa.Connection, statement: Any, given: dict[str, Any]) -> dict[str, Any]:
        compiled = statement.compile(dialect=tx.dialect)
        found: Any = tx.exec_driver_sql(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {compiled}", compiled.construct_params(given)
        ).scalar()
        return dict(found[0]["Plan"])

    def poll(tx: sa.Connection) -> list[dict[str, Any]]:
        return [explain(tx, work.CLAIM, IDLE), explain(tx, work.NEXT_DUE, {"of_kind": "mail"})]

    for plan in store.run_now(poll):
        nodes = list(_nodes(plan))
        assert any(node.get("Index Name") == "ix_work_kind_due" for node in nodes)
        assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]
        assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 10


def _analyze(store: Store) -> None:
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE work")


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan] + [node for below in plan.get("Plans", []) for node in _nodes(below)]
