"""What the work queue costs as it fills: an idle poll, and claiming and finishing a row, at 1,000 and 1,000,000 rows that wait.

Each act is a transaction through `Store.run`, as the lanes do it. The ratio at the end is what matters: near 1, the queue does
not notice how much is planned; above 1.5, the command ends with 1. Then four processes share one PostgreSQL: what each did and
when is recorded, and the record must not show one row in two hands. SQLite runs with synchronous=FULL on a disk that the caller
chooses (`--folder`); PostgreSQL is a server of the test suite, which does not wait for its disk.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from benchmarks.sharing import overlaps, put, share
from daemon.clock import SystemClock
from daemon.store import schema, work
from daemon.store.admin import upgrade
from daemon.store.engine import Store, open_store
from tests.clock import ManualClock
from tests.servers.postgres import running

SMALL, LARGE, SHORT = 1_000, 1_000_000, 100_000
MOST = 1.5  # what an act may cost at the larger size, compared with the smaller
_CHUNK = 50_000
_ROUNDS = 5
_HOLD = timedelta(seconds=60)
_LANES = 8


def fill(store: Store, clock: ManualClock, rows: int) -> None:
    """Put down rows that are due during the coming years, as reminders are."""
    now = clock.now() + timedelta(hours=1)
    store.run_now(lambda tx: tx.execute(sa.delete(schema.work)))
    for begin in range(0, rows, _CHUNK):
        waiting = [
            {
                "key": f"remind:{number}",
                "kind": work.REMIND,
                "args": {"entry": f"entry{number}", "offset": 900},
                "due": now + timedelta(minutes=5 * number),
                "wish": 1,
                "tries": 0,
                "deaths": 0,
                "error": "",
            }
            for number in range(begin, min(begin + _CHUNK, rows))
        ]
        store.run_now(partial(_insert, waiting))
    if not store.is_sqlite:
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE work"))


def _insert(waiting: list[dict[str, Any]], tx: sa.Connection) -> None:
    tx.execute(sa.insert(schema.work), waiting)


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
    """Return the seconds of one call."""
    began = time.perf_counter()
    for _ in range(times):
        await do()
    return (time.perf_counter() - began) / times


def measured(urls: tuple[str, str], folder: Path, sizes: tuple[int, int], *, polls: int, rows: int) -> dict[str, list[float]]:
    """Return the seconds of each act at each size: the best of some rounds, in which the sizes take turns."""
    clock = ManualClock()
    stores = []
    for url, size in zip(urls, sizes, strict=True):
        upgrade(url, data_dir=folder, clock=clock)
        stores.append(open_store(url, clock=clock, data_dir=folder))
        fill(stores[-1], clock, size)
    try:
        found = {"idle poll": [math.inf, math.inf], "claim and finish": [math.inf, math.inf]}
        for _ in range(_ROUNDS):
            for which, store in enumerate(stores):
                for act, did in (
                    ("idle poll", asyncio.run(seconds(partial(idle_poll, store, clock), polls))),
                    ("claim and finish", asyncio.run(seconds(partial(claim_and_finish, store, clock, rows), 1)) / rows),
                ):
                    found[act][which] = min(found[act][which], did)
        return found
    finally:
        for store in stores:
            store.close()


@contextmanager
def postgres() -> Iterator[tuple[str, str] | None]:
    """Two databases on a server of the test suite; None where none can be had."""
    try:
        with running() as server:
            yield server.fresh(), server.fresh()
    except pytest.skip.Exception as absent:
        print(f"PostgreSQL is left out: {absent}")
        yield None


def show(store: str, found: dict[str, list[float]]) -> None:
    for act, (small, large) in found.items():
        print(f"{store:12}{act:20}{small * 1e6:12,.0f}{large * 1e6:12,.0f}{large / small:10.2f}")


def shared(url: str, rows: int) -> bool:
    """Let four processes do the rows, and say what the record shows. False if a row was in two hands."""
    store = open_store(url, clock=SystemClock(), data_dir=None)
    try:
        store.run_now(lambda tx: tx.execute(sa.delete(schema.work)))
        put(store, rows)
    finally:
        store.close()
    turns, took = share(url, 4)
    twice = overlaps(turns)
    by_process = [sum(turn.process == number for turn in turns) for number in range(4)]
    per_second = len(turns) / took
    print(f"\nfour processes, {rows:,} rows: {len(turns):,} turns {by_process}, {per_second:,.0f} a second, {len(twice)} overlap")
    return not twice and len({turn.key for turn in turns}) == rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="fewer rounds, at most 100,000 rows")
    parser.add_argument("--folder", type=Path, help="where the SQLite file lies (default: a temporary directory)")
    given = parser.parse_args()
    polls, rows, sizes = (100, 200, (SMALL, SHORT)) if given.short else (1_000, 2_000, (SMALL, LARGE))
    print(f"{'microseconds':32}{sizes[0]:>10,}{sizes[1]:>12,}     ratio")
    worst, sound = 0.0, True
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        found = measured(("sqlite:///small.db", "sqlite:///large.db"), Path(folder), sizes, polls=polls, rows=rows)
        show("SQLite", found)
        worst = max(large / small for small, large in found.values())
    with postgres() as urls:
        if urls is not None:
            found = measured(urls, Path.cwd(), sizes, polls=polls, rows=rows)
            show("PostgreSQL", found)
            worst = max(worst, *(large / small for small, large in found.values()))
            sound = shared(urls[0], 400 if given.short else 20_000)
    print(f"worst ratio {worst:.2f}, at most {MOST}")
    return 0 if worst <= MOST and sound else 1


if __name__ == "__main__":
    sys.exit(main())
