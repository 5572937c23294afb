"""What the work queue costs as it fills: an idle poll, and claiming and finishing a row, at 1,000 and 100,000 rows that wait.

Each act is a transaction through `Store.run`, as the lanes do it. The ratio at the end is what matters: near 1, the queue does
not notice how much is planned. SQLite runs with synchronous=FULL on a disk that the caller chooses (`--folder`); PostgreSQL is
a server of the test suite, which does not wait for its disk, or your own (`--postgres URL`, an empty database).
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from daemon.store import schema, work
from daemon.store.admin import upgrade
from daemon.store.engine import Store, open_store
from tests.clock import ManualClock
from tests.servers.postgres import running

SIZES = (1_000, 100_000)
_HOLD = timedelta(seconds=60)
_LANES = 8


def fill(store: Store, clock: ManualClock, rows: int) -> None:
    """Put down rows that are due during the coming year, as reminders are."""
    now = clock.now()

    def do(tx: sa.Connection) -> None:
        tx.execute(sa.delete(schema.work))
        waiting = [
            {
                "key": f"remind:{number}",
                "kind": work.REMIND,
                "args": {"entry": f"entry{number}", "offset": 900},
                "due": now + timedelta(hours=1, minutes=5 * number),
                "wish": 1,
                "tries": 0,
                "deaths": 0,
                "error": "",
            }
            for number in range(rows)
        ]
        tx.execute(sa.insert(schema.work), waiting)

    store.run_now(do)
    if not store.is_sqlite:
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE work"))


async def idle_poll(store: Store, clock: ManualClock) -> None:
    """Look for work where none is due, and for when there will be some."""

    def look(tx: sa.Connection) -> None:
        claimed = work.claim(tx, work.REMIND, now=clock.now(), hold=_HOLD, most=4, token=clock.new_id())
        assert not claimed.jobs
        assert work.next_due(tx, work.REMIND) is not None

    await store.run(look)


async def claim_and_finish(store: Store, clock: ManualClock, rows: int) -> None:
    """Do rows that are due among those that wait: claim some, end each in a transaction of its own, several at a time."""
    due = clock.now()

    def put(tx: sa.Connection) -> None:
        for number in range(rows):
            work.put(tx, key=f"now:{number}", kind=work.REMIND, due=due)

    await store.run(put)
    left = rows
    while left:
        token = clock.new_id()
        claimed = await store.run(
            lambda tx, token=token: work.claim(tx, work.REMIND, now=due, hold=_HOLD, most=_LANES, token=token)  # type: ignore[misc]
        )
        await asyncio.gather(*(store.run(lambda tx, job=job: work.finish(tx, job)) for job in claimed.jobs))  # type: ignore[misc]
        left -= len(claimed.jobs)


async def seconds(do: Callable[[], Awaitable[None]], times: int) -> float:
    """Return the seconds of one call: the best of three rounds."""
    took = []
    for _ in range(3):
        began = time.perf_counter()
        for _ in range(times):
            await do()
        took.append((time.perf_counter() - began) / times)
    return min(took)


def measured(url: str, folder: Path, *, polls: int, rows: int) -> dict[str, list[float]]:
    """Return the seconds of each act at each size."""
    clock = ManualClock()
    upgrade(url, data_dir=folder, clock=clock)
    store = open_store(url, clock=clock, data_dir=folder)
    try:
        found: dict[str, list[float]] = {"idle poll": [], "claim and finish": []}
        for size in SIZES:
            fill(store, clock, size)
            found["idle poll"].append(asyncio.run(seconds(lambda: idle_poll(store, clock), polls)))
            found["claim and finish"].append(asyncio.run(seconds(lambda: claim_and_finish(store, clock, rows), 1)) / rows)
        return found
    finally:
        store.close()


@contextmanager
def postgres(url: str) -> Iterator[str | None]:
    """The caller's database, or one on a server of the test suite; None where neither can be had."""
    if url:
        yield url
        return
    try:
        with running() as server:
            yield server.fresh()
    except pytest.skip.Exception as absent:
        print(f"PostgreSQL is left out: {absent}")
        yield None


def show(store: str, found: dict[str, list[float]]) -> None:
    for act, (small, large) in found.items():
        print(f"{store:12}{act:20}{small * 1e6:12,.0f}{large * 1e6:12,.0f}{large / small:10.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="fewer rounds")
    parser.add_argument("--folder", type=Path, help="where the SQLite file lies (default: a temporary directory)")
    parser.add_argument("--postgres", default="", help="URL of an empty database")
    given = parser.parse_args()
    polls, rows = (100, 200) if given.short else (1_000, 2_000)
    print(f"{'microseconds':32}{'':2}{SIZES[0]:>8,} r.{SIZES[1]:>9,} r.     ratio")
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        show("SQLite", measured("sqlite:///bench.db", Path(folder), polls=polls, rows=rows))
    with postgres(given.postgres) as url:
        if url is not None:
            show("PostgreSQL", measured(url, Path.cwd(), polls=polls, rows=rows))


if __name__ == "__main__":
    main()
