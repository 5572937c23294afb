"""A week of many people's planning in one process, on connectors in memory and a clock that is moved. Prints what it saw as JSON.

`python -m tests.survival.week --days 7 --entries 2000 --calendars 200 --odd 20`. Some calendars misbehave all the time: they are
away, hang, are slow, refuse, lose answers, forget their tokens. Calls that take time take it by the moved clock. In the end all
behave, and each event has to be in its calendar as the store says.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import heapq
import itertools
import json
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import httpx
import sqlalchemy as sa
import structlog

from connectors.memory.calendar import MemoryConnector, MemoryServer
from daemon import planner as use_cases
from daemon.core.errors import Refused, Unreachable
from daemon.core.model import Event
from daemon.planner.causes import calendar_key
from daemon.ports import CalendarAccount, CalendarConnector, Capabilities, ChangeSet, ItemRef, RemoteItem, SyncToken, Version
from daemon.store import calendars as calendar_rows
from daemon.store import schema, work
from tests.clock import ManualClock
from tests.survival.house import chance_of
from tests.survival.story import Story, a_story, memory_mail, written
from tests.survival.verdict import calendars_agree, queue_rests, truth
from tests.survival.wishes import Planner

T = TypeVar("T")

TICK = timedelta(minutes=1)
STEP = timedelta(seconds=5)  # while somebody waits for a server
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
READ_TIMEOUT = timedelta(seconds=60)
POLL = timedelta(minutes=15)


class Habit(StrEnum):
    """How a calendar misbehaves."""

    HANGS = "hangs"
    AWAY = "away"
    SLOW = "slow"
    REFUSES = "refuses"
    LOSES = "loses answers"
    FORGETS = "forgets tokens"


# Those that hang come first and often: they are what takes hands away from others.
_HABITS = (Habit.HANGS, Habit.AWAY, Habit.HANGS, Habit.SLOW, Habit.HANGS, Habit.REFUSES, Habit.HANGS, Habit.LOSES, Habit.FORGETS)


class Time:
    """Calls that take time, by a clock that only the run moves."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.waiting = 0
        self._queue: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    async def spend(self, span: timedelta) -> None:
        done = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (self.clock.now() + span, next(self._order), done))
        self.waiting += 1
        try:
            await done
        finally:
            self.waiting -= 1

    def move(self, span: timedelta) -> bool:
        """Move the clock, at most to where somebody has waited enough. True if there was somebody."""
        until = self.clock.now() + span
        if self._queue and self._queue[0][0] <= until:
            at, _, done = heapq.heappop(self._queue)
            self.clock.move(max(at - self.clock.now(), timedelta(0)))
            if not done.done():
                done.set_result(None)
            return True
        self.clock.move(until - self.clock.now())
        return False


class OddConnector:
    """A connector whose server has a habit. `whole` keeps everything in order again."""

    def __init__(self, inner: MemoryConnector, habit: Habit, town: Town) -> None:
        self._inner, self._habit, self._town = inner, habit, town

    async def probe(self) -> Capabilities:
        return await self._through(self._inner.probe)

    async def changes(self, since: SyncToken | None) -> ChangeSet:
        forgetful = self._habit is Habit.FORGETS and not self._town.whole
        return await self._through(lambda: self._inner.changes(None if forgetful else since))

    async def fetch(self, ref: ItemRef) -> RemoteItem | None:
        return await self._through(lambda: self._inner.fetch(ref))

    async def find(self, uid: str) -> RemoteItem | None:
        return await self._through(lambda: self._inner.find(uid))

    async def create(self, event: Event) -> RemoteItem:
        return await self._through(lambda: self._inner.create(event))

    async def update(self, ref: ItemRef, version: Version, event: Event) -> RemoteItem:
        return await self._through(lambda: self._inner.update(ref, version, event))

    async def delete(self, ref: ItemRef, version: Version) -> None:
        await self._through(lambda: self._inner.delete(ref, version))

    async def close(self) -> None:
        await self._inner.close()

    async def _through(self, do: Callable[[], Awaitable[T]]) -> T:
        if self._town.whole:
            return await do()
        self._town.seen[f"calls where one {self._habit}"] += 1
        match self._habit:
            case Habit.HANGS:
                await self._town.time.spend(READ_TIMEOUT)
                raise Unreachable("The calendar server gave no answer in time. It is tried again by itself.", maybe_done=True)
            case Habit.AWAY:
                raise Unreachable("The calendar server cannot be reached. It is tried again by itself.")
            case Habit.REFUSES:
                raise Refused("The calendar server refused the password. Give the calendar the right one.")
            case Habit.SLOW:
                await self._town.time.spend(timedelta(seconds=8))
            case Habit.LOSES if self._town.chance.random() < 0.3:
                await do()
                raise Unreachable("The connection broke. It is tried again by itself.", maybe_done=True)
        return await do()


@dataclass(kw_only=True)
class Town:
    """What is outside: people, calendars good and odd, time."""

    time: Time
    server: MemoryServer
    people: dict[str, Habit | None]
    chance: Any
    whole: bool = False
    seen: Counter[str] = field(default_factory=Counter)

    def connecting(self, account: CalendarAccount) -> CalendarConnector:
        inner = self.server.connector(account.username)
        habit = self.people[account.username]
        return inner if habit is None else OddConnector(inner, habit, self)


@dataclass(kw_only=True)
class Report:
    """What was seen. Memory in MiB, delays in seconds of the moved clock."""

    seed: int
    took: float = 0.0
    wishes: dict[str, int] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    mails: int = 0
    memory: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    late_event: float = 0.0
    late_poll: float = 0.0
    late_mail: float = 0.0
    problems: list[str] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)


class Week:
    """One run."""

    def __init__(self, story: Story, town: Town, planner: Planner, post: Any, report: Report) -> None:
        self._story, self._town, self._planner, self._post, self._report = story, town, planner, post, report
        self._unwritten: Any = None
        self._unread: Any = None

    async def begin(self, entries: int) -> None:
        for name in self._town.people:
            await self._story.owner(
                f"{name}@example.test", CalendarAccount(kind="memory", url=f"https://{name}.test/", username=name, password="")
            )
        known = await self._story.store.run(calendar_rows.all_)
        good = [one.id for one in known if self._town.people[one.username] is None]
        self._unwritten = sa.select(sa.func.min(schema.link.c.changed_at)).where(
            schema.link.c.dirty.is_(sa.true()), schema.link.c.calendar.in_(good)
        )
        self._unread = sa.select(sa.func.min(schema.work.c.due)).where(
            schema.work.c.key.in_([calendar_key(one) for one in good]), schema.work.c.holder.is_(None)
        )
        for number in range(entries):
            await self._planner.create()
            if number % 50 == 49:
                await self.tick()

    async def run(self, days: float, entries: int, wishes: float, samples: int) -> None:
        """Let days pass; `wishes` is how many there are in a minute. Memory is looked at `samples` times."""
        ticks = int(days * DAY / TICK)
        for number in range(ticks):
            wanted = int((number + 1) * wishes) - int(number * wishes)
            for _ in range(wanted):
                if self._planner.living < entries:
                    await self._planner.create()
                await self._planner.change()
            await self.tick()
            if (number + 1) % max(1, ticks // samples) == 0:
                self._sample()

    async def end(self) -> None:
        """All behave again: everything has to come to rest, and be right."""
        self._town.whole = True
        await self._story.store.run(lambda tx: use_cases.sync_soon(tx, self._story.app.desk, None))
        for _ in range(90):
            await self.tick()
        said = await self._story.store.run(truth)
        bodies = written(self._town.server, self._town.people, self._town.time.clock)
        self._report.problems += calendars_agree(said, bodies)
        self._report.problems += queue_rests(said, self._town.time.clock.now())

    async def tick(self) -> None:
        """Do all that is due, let a minute pass, and see who was kept waiting."""
        until = self._town.time.clock.now() + TICK
        while True:
            await self._settle()
            await self._look()
            left = until - self._town.time.clock.now()
            if not left:
                return
            self._story.app.holds.renew()
            self._town.time.move(min(left, STEP) if self._town.time.waiting else left)

    async def _settle(self) -> None:
        """Until nothing moves any more but by time."""
        lanes = self._story.app.lanes.values()
        while True:
            started = [await lane.run_once() for lane in lanes]
            # Nobody tells when a piece of work begins to wait for time.
            while sum(int(str(lane.state()["running"])) for lane in lanes) > self._town.time.waiting:  # noqa: ASYNC110
                await asyncio.sleep(0.0005)
            if not any(started):
                return

    async def _look(self) -> None:
        now = self._town.time.clock.now()

        def late(since: datetime | None) -> float:
            return 0.0 if since is None else max(0.0, (now - since).total_seconds())

        def read(tx: Any) -> tuple[float, float, float]:
            due = [work.next_due(tx, kind) for kind in (work.MAIL, work.BULK, work.REMIND)]
            return late(tx.scalar(self._unwritten)), late(tx.scalar(self._unread)), max(map(late, due))

        owed, polled, unsent = await self._story.store.run(read)
        self._report.late_event = max(self._report.late_event, owed)
        self._report.late_poll = max(self._report.late_poll, polled)
        self._report.late_mail = max(self._report.late_mail, unsent)
        self._report.mails += len(self._post.sent)
        self._post.sent.clear()
        self._town.server.calls.clear()

    def _sample(self) -> None:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        self._report.memory.append(round(_memory(), 1))
        self._report.files.append(len(list(Path("/proc/self/fd").iterdir())))


def _memory() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


def _quiet(lines: Counter[str]) -> None:
    """Count log lines instead of writing them."""

    def count(_logger: Any, method: str, event: MutableMapping[str, Any]) -> Any:
        lines[f"{method} {event.get('action', '')}"] += 1
        raise structlog.DropEvent

    structlog.configure(processors=[count])
    logging.disable(logging.WARNING)


async def live(folder: Path, *, seed: int, days: float, entries: int, calendars: int, odd: int, wishes: float) -> Report:
    """Live through it, and tell."""
    report, lines, began = Report(seed=seed), Counter[str](), time.monotonic()
    clock = ManualClock(datetime(2027, 1, 4, 8, 0, tzinfo=UTC), seed=seed)
    post, mail_out = memory_mail(clock)
    server = MemoryServer()
    people = {f"p{number:03}": _HABITS[number % len(_HABITS)] if number < odd else None for number in range(calendars)}
    for name in people:
        server.add_person(name, f"{name}@example.test")
    town = Town(time=Time(clock), server=server, people=people, chance=chance_of(seed, "town"))
    settings = {"calendars__poll_seconds": str(int(POLL.total_seconds())), "work__hold_seconds": "300"}
    async with a_story(
        "sqlite:///week.db", folder, clock=clock, mail_out=mail_out, connecting=town.connecting, **settings
    ) as story:
        _quiet(lines)
        owners = tuple(f"{name}@example.test" for name in people)
        planner = Planner(chance_of(seed, "week"), owners, reminded=2 * DAY, ahead=(3 * HOUR, 9 * DAY), clock=clock)
        planner.http = httpx.AsyncClient(transport=httpx.ASGITransport(story.app.api()))
        async with planner.http:
            week = Week(story, town, planner, post, report)
            await week.begin(entries)
            await week.run(days, entries, wishes, samples=24)
            await week.end()
    report.took = round(time.monotonic() - began, 1)
    report.wishes, report.seen, report.lines = dict(planner.done), dict(town.seen), dict(lines)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--entries", type=int, default=2000)
    parser.add_argument("--calendars", type=int, default=200)
    parser.add_argument("--odd", type=int, default=20, help="how many of the calendars misbehave")
    parser.add_argument("--wishes", type=float, default=1.0, help="how many changes in a minute")
    parser.add_argument("--seed", type=int, default=1)
    given = vars(parser.parse_args())
    with tempfile.TemporaryDirectory() as folder:
        json.dump(asdict(asyncio.run(live(Path(folder), **given))), sys.stdout)


if __name__ == "__main__":
    main()
