"""`kill -9` at random moments while people plan: nothing is lost, nothing is told twice in two messages.

The short form kills 30 times; SURVIVAL=full 300 times, on 300 entries, each time another life. SURVIVAL_SEED chooses one; it is
printed.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest

from daemon.app import App, open_app
from daemon.clock import SystemClock
from daemon.config import load_config
from daemon.core.journal import Line
from daemon.demo.post import PostOffice
from daemon.demo.servers import CalendarServer
from daemon.store import journal as journal_rows
from daemon.store import work
from daemon.store.engine import Store, open_store
from tests.servers.post import smtp_post
from tests.servers.postgres import Postgres
from tests.servers.radicale import radicale
from tests.survival.house import LEASE, PATIENCE, PEOPLE, Daemons, answers, chance_of, move_in, settings, until
from tests.survival.verdict import (
    Truth,
    attendees_agree,
    calendars_agree,
    letters,
    letters_once,
    messages_agree,
    queue_rests,
    reminders_agree,
    truth,
)
from tests.survival.wishes import Planner
from tests.survival.worker import Workers

__all__ = ["smtp_post"]

FULL = os.environ.get("SURVIVAL", "") == "full"
KILLS = 300 if FULL else 30
ENTRIES = 300 if FULL else 30
SEED = int(os.environ.get("SURVIVAL_SEED", "0")) or (secrets.randbelow(10**6) + 1 if FULL else 1)
DAEMONS = 4
LIFE = 1.2  # seconds from one kill to the next, at most
CALM = 8  # lives, the last of which is let alone until there is nothing to do
REMINDED = 15  # seconds within which reminders fall due
SLACK = 2.0 if FULL else 30.0  # seconds that a busy machine may be late; the long form wants a quiet one

pytestmark = pytest.mark.timeout(7200 if FULL else 1200)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[CalendarServer]:
    with radicale(tmp_path / "radicale", PEOPLE) as started:
        yield started


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    with Workers(tmp_path) as started:
        yield started


@pytest.fixture
def postgres_store(postgres: Postgres, postgres_template: str) -> Iterator[str]:
    url = postgres.fresh(postgres_template)
    yield url
    postgres.drop(url)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_one_service_on_sqlite_is_killed_and_started_again_at_random_moments(
    store_url: str, tmp_path: Path, workers: Workers, smtp_post: PostOffice, server: CalendarServer
) -> None:
    """Some die while they start, most in the middle of something. Edits come over the socket, and some break off with it."""
    environ = settings(tmp_path, store_url, smtp_post)
    async with _house(environ) as app, _within(app) as http:
        planner = Planner(chance_of(SEED, "wishes"), await move_in(app, server), reminded=timedelta(seconds=REMINDED))
        planner.http = http
        await planner.create(guests=2)
    daemons = Daemons(workers=workers, environs=(environ,), log=tmp_path / "log")
    chance, began = chance_of(SEED, "kills"), time.monotonic()
    # On a slow machine a service needs a while for its first mail and event, and one that always dies before that gets nowhere.
    daemons.start(0)
    begun = await until(lambda: smtp_post.mails() and any(map(server.events, server.people)), PATIENCE, daemons.tail)
    longest = max(LIFE, 2.5 * begun)
    daemons.kill(0)
    for number in range(1, KILLS + 1):
        daemons.start(0)
        if not number % CALM:  # whoever only ever dies puts its work aside in the end, as it should
            async with _over(daemons.socket()) as http:
                await until(partial(_caught_up, http), PATIENCE, daemons.tail)
        life = asyncio.create_task(_plan_over(daemons.socket(), planner, upto=ENTRIES * number // KILLS))
        await asyncio.sleep(chance.uniform(0.0, longest))
        daemons.kill(0)
        life.cancel()
        await asyncio.wait((life,))
        if not life.cancelled():
            life.result()
    daemons.start(0)
    await _plan_over(daemons.socket(), planner, upto=ENTRIES)
    async with _over(daemons.socket()) as http:
        settled = await until(lambda: _rests(http), PATIENCE, daemons.tail)
    rested = datetime.now(UTC)
    daemons.stop_all()
    _report("SQLite, one service", daemons, planner, began, settled)
    await _judge(store_url, smtp_post, server, daemons, rested)


async def test_four_services_on_postgresql_are_killed_at_random_moments(
    postgres_store: str, tmp_path: Path, workers: Workers, smtp_post: PostOffice, server: CalendarServer
) -> None:
    """One of them at a time, started again at once; what it held is taken over by the others when its lease is over."""
    (tmp_path / "data").mkdir()
    environs = tuple(settings(tmp_path, postgres_store, smtp_post, f"service{number}") for number in range(DAEMONS))
    daemons = Daemons(workers=workers, environs=environs, log=tmp_path / "log")
    chance, began = chance_of(SEED, "kills"), time.monotonic()
    async with _house(environs[0]) as app, _within(app) as http, asyncio.TaskGroup() as group:
        planner = Planner(chance_of(SEED, "wishes"), await move_in(app, server), reminded=timedelta(seconds=REMINDED))
        planner.http = http
        watch = Watch(app.store)
        watching = group.create_task(watch.look_on())
        for number in range(DAEMONS):
            daemons.start(number)
        for number in range(1, KILLS + 1):
            planning = group.create_task(_plan(planner, upto=ENTRIES * number // KILLS))
            await asyncio.sleep(chance.uniform(0.0, LIFE))
            victim = chance.randrange(DAEMONS)
            daemons.kill(victim)
            daemons.start(victim)
            await planning
        await _plan(planner, upto=ENTRIES)
        settled = await until(lambda: _rests(http), PATIENCE, daemons.tail)
        rested = datetime.now(UTC)
        watching.cancel()
    daemons.stop_all()
    _report("PostgreSQL, four services", daemons, planner, began, settled)
    print(f"longest untouched after its lease {watch.stuck}; longest due and free {watch.late}")
    await _judge(postgres_store, smtp_post, server, daemons, rested)
    assert watch.stuck.seconds <= LEASE + SLACK, f"after its holder's lease was over, {watch.stuck} lay untouched"


@dataclass(frozen=True, slots=True)
class Longest:
    seconds: float = 0.0
    key: str = "nothing"

    def __str__(self) -> str:
        return f"{self.key}: {self.seconds:.1f} s"


class Watch:
    """Looks at the queue again and again: how long is a row due, and nobody has it?"""

    def __init__(self, store: Store) -> None:
        self.stuck, self.late = Longest(), Longest()
        self._store = store

    async def look_on(self) -> None:
        while True:
            jobs = await self._store.run(lambda tx: work.list_(tx, parked=False, limit=100_000))
            now = datetime.now(UTC)
            for job in jobs:
                assert job.due is not None
                if job.holder is not None and job.held_until is not None and job.due <= now:
                    self.stuck = max(self.stuck, Longest((now - job.held_until).total_seconds(), job.key), key=_seconds)
                elif job.due <= now:
                    self.late = max(self.late, Longest((now - job.due).total_seconds(), job.key), key=_seconds)
            await asyncio.sleep(0.2)


def _seconds(one: Longest) -> float:
    return one.seconds


@asynccontextmanager
async def _house(environ: Mapping[str, str]) -> AsyncIterator[App]:
    """The store and the API without a service: as the command line has them while none runs."""
    async with open_app(load_config(environ=environ).config) as app:
        yield app


@asynccontextmanager
async def _within(app: App) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app.api())) as http:
        yield http


@asynccontextmanager
async def _over(socket: Path) -> AsyncIterator[httpx.AsyncClient]:
    await until(lambda: answers(socket), PATIENCE, lambda: f"{socket} does not answer", step=0.01)
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(socket)), timeout=PATIENCE) as http:
        yield http


async def _plan_over(socket: Path, planner: Planner, *, upto: int) -> None:
    async with _over(socket) as planner.http:
        await _plan(planner, upto=upto)


async def _plan(planner: Planner, *, upto: int) -> None:
    """Make entries until there are so many, and change two for each."""
    while planner.done["create"] < upto:
        await planner.create()
        await planner.change()
        await planner.change()


async def _caught_up(http: httpx.AsyncClient) -> bool:
    """True when nothing is due or held just now."""
    answer = await http.get("http://service/api/v1/work", params={"limit": 10_000, "parked": False})
    answer.raise_for_status()
    now = datetime.now(UTC)
    return not any(job["state"] == "held" or datetime.fromisoformat(job["due"]) <= now for job in answer.json())


async def _rests(http: httpx.AsyncClient) -> bool:
    """True when nothing is due, held or put aside, and no reminder comes soon."""
    answer = await http.get("http://service/api/v1/work", params={"limit": 10_000})
    answer.raise_for_status()
    soon, now = datetime.now(UTC) + timedelta(seconds=REMINDED), datetime.now(UTC)
    for job in answer.json():
        due = None if job["due"] is None else datetime.fromisoformat(job["due"])
        if due is None:
            continue  # put aside: waiting does not help, and the verdict speaks of it
        if (
            job["state"] == "held"
            or due <= (soon if job["kind"] == work.REMIND else now)
            or job["kind"] in (work.MAIL, work.BULK)
        ):
            return False
    return True


async def _read(store_url: str) -> tuple[Truth, Sequence[Line]]:
    store = open_store(store_url, clock=SystemClock(), data_dir=None)
    try:
        return await store.run(truth), await store.run(lambda tx: journal_rows.list_(tx, limit=1_000_000))
    finally:
        store.close()


def _report(what: str, daemons: Daemons, planner: Planner, began: float, settled: float) -> None:
    took = time.monotonic() - began
    print(f"\n{what}: SURVIVAL_SEED={SEED}, {took:.0f} s, {dict(daemons.done)}, at rest {settled:.1f} s after the last")
    print(f"wishes: {dict(planner.done)}")


async def _judge(store_url: str, post: PostOffice, server: CalendarServer, daemons: Daemons, rested: datetime) -> None:
    """Compare everything with everything. AssertionError with all that is wrong; its evidence then lies beside the log."""
    said, journal = await _read(store_url)
    once, repeated, problems = letters_once(letters(post.mails()))
    bodies = {user: server.events(user) for user in server.people}
    events = sum(map(len, bodies.values()))
    print(f"{len(said.entries)} entries, {events} events, {len(once)} messages, {repeated} repeated byte by byte")
    problems += calendars_agree(said, bodies)
    problems += messages_agree(said, once)
    problems += attendees_agree(said, once)
    problems += reminders_agree(said, once, rested)
    problems += queue_rests(said, rested)
    problems += daemons.complaints()
    if problems:
        evidence = [f"{one.at} {one.entry} {one.action} {one.attendee}: {one.text}" for one in reversed(journal)]
        evidence += [f"{one.created} {one.entry} {one.work} {one.state} {one.tried}× {one.message_id}" for one in said.messages]
        (daemons.log.parent / "evidence").write_text("\n".join(evidence))
        for number, one in enumerate(post.mails()):
            (daemons.log.parent / f"{number:05}.eml").write_bytes(one.data)
    assert len(said.entries) >= ENTRIES
    assert not problems, f"SURVIVAL_SEED={SEED}: {len(problems)} problems\n" + "\n".join(problems[:40])
