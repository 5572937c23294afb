"""How late reminders are when a thousand fall due at one moment among a hundred thousand, and what the service costs until then.

A service process of its own (`sitzungsplaner run`, SQLite with synchronous=FULL, the machine's clock, the settings of
`benchmarks.service`) has 100,000 entries with a reminder each, 1,000 of them due at the very same instant. Its mails go to
smtp-sink, which writes each into a file; the file's time of change is when the server had taken it. Printed is how long after
that instant the reminders were taken. Wanted: 2 s for 99 of 100.

Before that it has nothing to do for a while: printed is which share of one core it takes (wanted: below 0.5 %), and its resident
memory (below 150 MiB).

One entry is made by the use case; the others are its rows copied under names and at times of their own, as a hundred thousand
calls of the use case would leave them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.post import smtp_sink
from benchmarks.scene import DESCRIPTION
from benchmarks.service import an_owner, open_service, settings
from daemon import planner
from daemon.app import App
from daemon.core.model import When
from daemon.planner.causes import remind_key
from daemon.planner.wishes import Draft
from daemon.store import numbers, schema
from tests.servers.debian import a_folder

_OFFSET = timedelta(minutes=15)
_AT_ONCE = 5_000
_START = 30.0  # seconds from the last row that is put down until the service must have come to rest
_PATIENCE = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured: entries in all, those that are due at once, seconds of rest."""

    entries: int
    due: int
    rest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Share of a core and MiB at rest, and how many seconds late each reminder was, in order."""

    share: float
    memory: float
    late: tuple[float, ...]


def copies(app: App, entry_id: str, starts: list[datetime]) -> None:
    """Put down the rows of an entry once more for each of these starts (UTC), with its reminder."""
    clock = app.desk.clock

    def one(table: sa.Table, condition: sa.ColumnElement[bool]) -> dict[str, Any]:
        return dict(app.store.run_now(lambda tx: tx.execute(sa.select(table).where(condition)).one())._mapping)

    entry = one(schema.entry, schema.entry.c.id == entry_id)
    line = one(schema.journal, schema.journal.c.entry == entry_id)
    job = one(schema.work, schema.work.c.key == remind_key(entry_id, _OFFSET))
    del line["id"]

    def some(tx: sa.Connection, chosen: list[datetime]) -> None:
        rows: dict[sa.Table, list[dict[str, Any]]] = {schema.entry: [], schema.journal: [], schema.work: []}
        for start in chosen:
            own = clock.new_id()
            number = numbers.reserve(tx, clock.draw, own, clock.now())
            wall, end = start.replace(tzinfo=None), start + timedelta(hours=1)
            title = f"{entry['title']} {number}"
            rows[schema.entry].append(
                entry
                | {"id": own, "uid": f"{own}@example.test", "number": number, "title": title, "start": wall}
                | {"first_start": start, "last_end": end}
            )
            rows[schema.journal].append(line | {"entry": own})
            args = {"entry": own, "offset": int(_OFFSET.total_seconds())}
            rows[schema.work].append(job | {"key": remind_key(own, _OFFSET), "args": args, "due": start - _OFFSET})
        for table, found in rows.items():
            tx.execute(sa.insert(table), found)

    for first in range(0, len(starts), _AT_ONCE):
        app.store.run_now(lambda tx, first=first: some(tx, starts[first : first + _AT_ONCE]))  # type: ignore[misc]


async def filled(folder: Path, port: int, size: Size) -> datetime:
    """Fill a new store. Returns the instant at which the reminders fall due."""
    async with open_service(folder, port, watch=lambda inner: inner) as app:
        owner = an_owner(app)
        now = datetime.now(UTC).replace(microsecond=0)
        when = When(start=now.replace(tzinfo=None) + timedelta(days=400), zone="UTC", duration=timedelta(hours=1))
        draft = Draft(title="Quartalsgespräch", description=DESCRIPTION, when=when, reminders=(_OFFSET,))
        made = app.store.run_now(lambda tx: planner.create(tx, app.desk, owner, draft)).entry
        waiting = size.entries - size.due - 1
        copies(app, made.id, [now + timedelta(days=1, minutes=5 * number) for number in range(waiting)])
        due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=_START + size.rest + 2)
        copies(app, made.id, [due + _OFFSET] * size.due)
        return due


@contextmanager
def running(folder: Path, port: int) -> Iterator[int]:
    """Run the service in a process of its own; yield its id."""
    command = [Path(sys.executable).with_name("sitzungsplaner"), "run"]
    process = subprocess.Popen(command, env={"PATH": os.environ["PATH"], **settings(folder, port)}, stdin=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def seconds_of_core(pid: int) -> float:
    """Return how long a process has had a core so far, in user and system mode (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def measured(folder: Path, size: Size) -> Found:
    """Fill, rest, and wait for the reminders. RuntimeError if they do not all come."""
    with a_folder("taken") as taken, smtp_sink(keep=taken) as port:
        due = asyncio.run(filled(folder, port, size))
        with running(folder, port) as pid:
            time.sleep(max(0.0, due.timestamp() - size.rest - 1 - time.time()))
            before, began = seconds_of_core(pid), time.monotonic()
            time.sleep(size.rest)
            share, memory = (seconds_of_core(pid) - before) / (time.monotonic() - began), resident(pid)
            if any(taken.iterdir()):
                raise RuntimeError("A reminder came before it was due.")
            deadline = due.timestamp() + _PATIENCE
            while len(list(taken.iterdir())) < size.due:
                if time.time() > deadline:
                    raise RuntimeError(f"Only {len(list(taken.iterdir()))} of {size.due} reminders came.")
                time.sleep(0.5)
        late = sorted(file.stat().st_mtime - due.timestamp() for file in taken.iterdir())
    return Found(share=share, memory=memory, late=tuple(late))


def show(found: Found, size: Size) -> None:
    late = found.late
    print(f"at rest with {size.entries:,} entries: {found.share:.2%} of one core, {found.memory:.0f} MiB resident")
    half, most = late[len(late) // 2], late[int(len(late) * 0.99) - 1]
    print(
        f"{len(late):,} reminders due at one instant, {size.entries - size.due:,} waiting: taken by the mail server after "
        f"{half:.2f} s (median), {most:.2f} s (99 of 100), {late[-1]:.2f} s (the last)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="a tenth of it, and a short rest")
    parser.add_argument("--folder", type=Path, help="where the SQLite file lies (default: a temporary directory)")
    given = parser.parse_args()
    size = Size(entries=10_000, due=100, rest=10) if given.short else Size(entries=100_000, due=1_000, rest=60)
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        show(measured(Path(folder), size), size)


if __name__ == "__main__":
    main()
