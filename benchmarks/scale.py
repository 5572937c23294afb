"""How cost grows with owners, entries and calendars: the same acts at each size, one after the other, in one process.

Each owner has one calendar (in memory, so that only the daemon's own part is measured) and some entries with three guests.
Printed are microseconds of CPU for planning an entry, looking at it, a page of the list, a poll of a calendar in which nothing
changed, and an idle look for work; and what an entry takes on disk and the process in memory. `docs/scale.md` says what follows.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from benchmarks.scene import DESCRIPTION, PLANNER, some_attendees
from benchmarks.soak import disk, memory
from connectors.memory.calendar import MemoryServer
from connectors.memory.mail import MemoryMailOut, MemoryPost
from daemon import planner
from daemon.app import App, open_app
from daemon.clock import SystemClock
from daemon.config import load_config
from daemon.connections import connect
from daemon.core.model import Language, Sender, When
from daemon.logs import configure_logs
from daemon.planner.causes import calendar_key
from daemon.planner.wishes import Draft
from daemon.ports import CalendarAccount, CalendarConnector
from daemon.secrets import encrypt
from daemon.store import schema, work
from tests.clock import ManualClock
from tests.servers.radicale import radicale

SIZES, SHORT = (1_000, 10_000, 100_000), (500, 2_000)
ENTRIES_EACH = 50  # of an owner
_AT_ONCE = 500
_POLLED = 200
_ACTS = 200
_PAGE = 50
_NOW = datetime(2027, 1, 4, 8, 0, tzinfo=UTC)


@dataclass
class World:
    """The service under measurement, which grows."""

    app: App
    clock: ManualClock
    server: MemoryServer
    owners: list[str]
    calendars: list[str]
    entries: list[str]


async def grow(world: World, entries: int) -> None:
    """Add owners with their calendars and entries until there are so many; events are written, mails count as sent."""
    while len(world.entries) < entries:
        await world.app.store.run(partial(_more, world=world, entries=min(_AT_ONCE, entries - len(world.entries))))
    await world.app.store.run(lambda tx: tx.execute(sa.delete(schema.work).where(schema.work.c.kind.in_((work.MAIL, work.BULK)))))
    await poll(world)


async def poll(world: World) -> None:
    """Give every calendar that is due its turn."""
    lane = world.app.lanes[work.CALENDAR]
    while await lane.run_once() or lane.state()["running"]:
        await lane.settle()


def _more(tx: sa.Connection, *, world: World, entries: int) -> None:
    desk, people = world.app.desk, some_attendees(3)
    for number in range(len(world.entries), len(world.entries) + entries):
        if number % ENTRIES_EACH == 0:
            name = f"owner{number // ENTRIES_EACH}"
            owner = planner.add_owner(tx, desk, email=f"{name}@example.test", name=name, language=Language.DE)
            world.server.add_person(name, owner.email, "secret")
            made = planner.add_calendar(
                tx,
                desk,
                owner.id,
                name="Kalender",
                kind="memory",
                url="https://calendar.test/",
                username=name,
                secret=encrypt(world.app.key, "secret"),
                sender=Sender.PLANNER,
                headers={},
                capabilities="{}",
            )
            world.owners.append(owner.id)
            world.calendars.append(made.id)
        start = _NOW.replace(tzinfo=None) + timedelta(days=1 + number % 700, minutes=15 * (number % 30))
        when = When(start=start, zone="Europe/Berlin", duration=timedelta(hours=1))
        draft = Draft(title=f"Termin {number}", description=DESCRIPTION, when=when, attendees=people)
        world.entries.append(planner.create(tx, desk, world.owners[-1], draft).entry.id)


async def cpu(act: Callable[[int], Awaitable[object]], times: int) -> float:
    """Return microseconds of this process's CPU for one act; the best of three rounds."""
    took = []
    for _ in range(3):
        began = time.process_time()
        for number in range(times):
            await act(number)
        took.append((time.process_time() - began) / times * 1e6)
    return min(took)


async def measured(world: World) -> dict[str, float]:
    """Return each figure at the present size."""
    store, desk = world.app.store, world.app.desk
    step, owners = max(1, len(world.entries) // _ACTS), world.owners

    def planned(tx: sa.Connection, number: int) -> None:
        when = When(start=datetime(2028, 2, 1, 9), zone="Europe/Berlin", duration=timedelta(hours=1))
        planner.create(
            tx, desk, owners[number % len(owners)], Draft(title=f"Neu {number}", when=when, attendees=some_attendees(3))
        )

    async def plan(number: int) -> object:
        return await store.preview(partial(planned, number=number))

    async def show(number: int) -> object:
        return await store.run(lambda tx: planner.show(tx, desk, world.entries[number * step % len(world.entries)]))

    async def page(number: int) -> object:
        return await store.run(lambda tx: planner.lines(tx, desk, owners[number % len(owners)], limit=_PAGE))

    async def look(_number: int) -> object:
        token = world.clock.new_id()
        return await store.run(
            lambda tx: work.claim(tx, work.REMIND, now=_NOW - timedelta(days=1), hold=timedelta(minutes=1), most=4, token=token)
        )

    found = {
        "plan an entry": await cpu(plan, _ACTS),
        "show an entry": await cpu(show, _ACTS),
        f"a page of {_PAGE}": await cpu(page, _ACTS),
        "look for work": await cpu(look, _ACTS),
    }
    due = world.calendars[:_POLLED] if len(world.calendars) > _POLLED else world.calendars
    took = []
    for _ in range(3):
        world.clock.move(timedelta(minutes=1))
        await store.run(lambda tx: work.hasten(tx, work.CALENDAR, now=world.clock.now()))
        await store.run(lambda tx: _due_now(tx, due, world.clock.now()))
        began = time.process_time()
        await poll(world)
        took.append((time.process_time() - began) / len(due) * 1e6)
    return found | {"poll a calendar": min(took)}


def _due_now(tx: sa.Connection, calendars: list[str], now: datetime) -> None:
    """These calendars are due, all others in a year."""
    table = schema.work
    tx.execute(sa.update(table).where(table.c.kind == work.CALENDAR).values(due=now + timedelta(days=365)))
    keys = [calendar_key(one) for one in calendars]
    tx.execute(sa.update(table).where(table.c.key.in_(keys)).values(due=now))


async def scale(sizes: tuple[int, ...], folder: Path) -> None:
    clock = ManualClock(_NOW)
    post, server = MemoryPost(clock=clock), MemoryServer()
    environ = {"SITZUNGSPLANER_SERVICE__DATA_DIR": str(folder), "SITZUNGSPLANER_MAIL__ADDRESS": PLANNER}

    def connecting(account: CalendarAccount) -> CalendarConnector:
        return server.connector(account.username, account.password)

    config = load_config(environ=environ).config
    async with open_app(config, clock=clock, mail_out=MemoryMailOut(post), connecting=connecting) as app:
        await app.prepare()
        world = World(app=app, clock=clock, server=server, owners=[], calendars=[], entries=[])
        first: dict[str, float] = {}
        for size in sizes:
            began = time.perf_counter()
            await grow(world, size)
            print(f"\n{size:,} entries of {len(world.owners):,} owners ({time.perf_counter() - began:.0f} s to make them)")
            found = await measured(world)
            first = first or found
            for act, took in found.items():
                print(f"  {act:20}{took:10,.0f} µs  {took / first[act]:6.2f}")
            on_disk, resident = disk(folder) * 1024 / size, memory()
            print(
                f"  {'on disk':20}{on_disk:10,.1f} KiB an entry;  {resident:,.0f} MiB in memory, the calendars' server included"
            )


async def poll_over_http(folder: Path) -> float:
    """Return microseconds of CPU for asking a real server (Radicale) whether anything changed; nothing did."""
    with radicale(folder) as server:
        account = server.account("alice")
        connector = connect(account, clock=SystemClock())
        try:
            found = await connector.changes(None)

            async def ask(_number: int) -> object:
                return await connector.changes(found.token)

            return await cpu(ask, _ACTS)
        finally:
            await connector.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help=f"up to {SHORT[-1]:,} entries")
    given = parser.parse_args()
    configure_logs(level="error", form="text")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(scale(SHORT if given.short else SIZES, Path(folder)))
    with tempfile.TemporaryDirectory() as folder:
        print(f"\nasking a CalDAV server whether anything changed: {asyncio.run(poll_over_http(Path(folder))):,.0f} µs besides")


if __name__ == "__main__":
    main()
