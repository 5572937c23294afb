"""Several processes on one PostgreSQL take work from one queue: each claim and end is recorded, and the record is checked.

`python -m benchmarks.sharing URL COUNT` is one of those processes; it prints one line of JSON for each row that it did.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import sqlalchemy as sa

from daemon.clock import SystemClock
from daemon.core.errors import NotFound
from daemon.store import work
from daemon.store.engine import Store, open_store
from daemon.store.work import Job, Lost

ROOT = Path(__file__).parents[1]
_HOLD = timedelta(seconds=60)
_MOST = 4
_LONG_DUE = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One process had a row from `began` to `ended` (seconds of this machine's monotonic clock)."""

    key: str
    process: int
    began: float
    ended: float


def put(store: Store, rows: int) -> None:
    """Make that many rows due, whatever the store's clock says."""

    def do(tx: sa.Connection) -> None:
        for number in range(rows):
            work.put(tx, key=f"shared:{number}", kind=work.REMIND, due=_LONG_DUE)

    store.run_now(do)


def share(url: str, processes: int) -> tuple[list[Turn], float]:
    """Let so many processes do all that is due. Returns what they recorded, and the seconds from the first turn to the last."""
    command = [sys.executable, "-m", "benchmarks.sharing", url]
    turns: list[Turn] = []
    with ExitStack() as stack:
        started = [
            stack.enter_context(subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            for _ in range(processes)
        ]
        for one in started:
            assert one.stdout is not None
            assert one.stdout.readline() == b"ready\n"
        for one in started:  # all at once
            assert one.stdin is not None
            one.stdin.close()
        for number, one in enumerate(started):
            assert one.stdout is not None
            lines = one.stdout.read().splitlines()
            turns += [Turn(key=key, process=number, began=began, ended=ended) for key, began, ended in map(json.loads, lines)]
            if one.wait(60):
                raise RuntimeError("one of the processes ended with an error")
    return turns, max(turn.ended for turn in turns) - min(turn.began for turn in turns)


def overlaps(turns: Sequence[Turn]) -> list[tuple[Turn, Turn]]:
    """Return pairs of turns in which two had one row at a time."""
    by_key: dict[str, list[Turn]] = defaultdict(list)
    for turn in sorted(turns, key=lambda one: one.began):
        by_key[turn.key].append(turn)
    return [(one, two) for mine in by_key.values() for one, two in pairwise(mine) if two.began < one.ended]


def _take_part(url: str) -> None:
    """Claim and end rows until none is left. Every third is put back once, so that rows pass from one process to another."""
    clock = SystemClock()
    store = open_store(url, clock=clock, data_dir=None, threads=1)
    store.run_now(lambda tx: work.next_due(tx, work.REMIND))
    print("ready", flush=True)
    sys.stdin.read()
    lines = []
    while True:
        token = clock.new_id()
        claimed = store.run_now(lambda tx, token=token: _claimed(tx, clock, token))  # type: ignore[misc]
        if not claimed:
            break
        for job in claimed:
            began = time.monotonic()
            back = not job.error and int(job.key.partition(":")[2]) % 3 == 0
            ended = time.monotonic()  # before the end is committed: from then on it may be another's
            store.run_now(partial(_end, job=job, clock=clock, back=back))
            lines.append(json.dumps([job.key, began, ended]))
    for line in lines:
        print(line)
    store.close()


def _claimed(tx: sa.Connection, clock: SystemClock, token: str) -> tuple[Job, ...]:
    return work.claim(tx, work.REMIND, now=clock.now(), hold=_HOLD, most=_MOST, token=token).jobs


def _end(tx: sa.Connection, job: Job, clock: SystemClock, *, back: bool) -> None:
    try:
        if back:
            work.fail(tx, job, error="put back", at=clock.now(), now=clock.now())
        else:
            work.finish(tx, job)
    except (Lost, NotFound) as error:
        raise RuntimeError(f"{job.key} was taken away while it was held") from error


if __name__ == "__main__":
    _take_part(sys.argv[1])
