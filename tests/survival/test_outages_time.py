"""Clocks that jump and zone rules that change: wall times stand, nothing is told twice, nothing is forgotten."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import tzdata

from connectors.memory.calendar import MemoryServer
from daemon.app import open_app
from daemon.clock import SystemClock
from daemon.config import load_config
from daemon.core.model import Entry
from daemon.demo.post import PostOffice
from daemon.demo.servers import CalendarServer
from daemon.ports import CalendarAccount, CalendarConnector, MailOut, Outgoing, Receipt
from daemon.store import entries as entry_rows
from daemon.store import work
from daemon.store.engine import open_store
from tests.clock import ManualClock
from tests.servers.post import smtp_post
from tests.servers.radicale import radicale
from tests.survival.house import PATIENCE, chance_of, move_in, settings, until
from tests.survival.story import a_story, delivered, memory_mail, written
from tests.survival.wishes import Planner

__all__ = ["smtp_post"]

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OWNERS = {"alice": "alice@example.test", "bob": "bob@example.test"}


@pytest.fixture
def clock() -> ManualClock:
    """Some days before winter time begins."""
    return ManualClock(datetime(2026, 10, 21, 6, 0, tzinfo=UTC))


async def test_a_clock_that_jumps_by_an_hour_again_and_again(store_url: str, tmp_path: Path, clock: ManualClock) -> None:
    """What is due waits until the clock gets there again; what was told stays told, with a DTSTAMP that never goes back."""
    post, mail_out = memory_mail(clock)
    server = MemoryServer()
    for name, email in OWNERS.items():
        server.add_person(name, email)

    def connecting(account: CalendarAccount) -> CalendarConnector:
        return server.connector(account.username)

    async with a_story(store_url, tmp_path / "data", clock=clock, mail_out=mail_out, connecting=connecting) as story:
        for name, email in OWNERS.items():
            await story.owner(email, CalendarAccount(kind="memory", url="https://calendar.test/", username=name, password=""))
        planner = Planner(chance_of(1, "jumps"), tuple(OWNERS.values()), reminded=6 * HOUR, ahead=(3 * DAY, 9 * DAY), clock=clock)
        planner.http = story.http
        for jump in (HOUR, -HOUR, -HOUR, HOUR, -HOUR, HOUR, HOUR, -HOUR) * 2:
            for _ in range(2):
                await planner.create()
                await planner.change()
                await planner.change()
            await story.pass_time(clock, timedelta(seconds=chance_of(planner.done.total(), "rest").randrange(120)), step=MINUTE)
            clock.move(jump)
            await story.app.settle()
            await story.pass_time(clock, 25 * MINUTE, step=MINUTE)
        await story.pass_time(clock, 8 * HOUR, step=10 * MINUTE)

        repeated, problems = await story.wrongs(delivered(post, clock), clock.now(), written(server, OWNERS, clock))
        assert not problems, "\n".join(problems)
        assert not repeated
        assert len(post.sent) > 50


class Slow:
    """A way out for mails on which the first one takes its time."""

    def __init__(self, mail_out: MailOut) -> None:
        self.go = asyncio.Event()
        self.sending = 0
        self._mail_out = mail_out

    async def send(self, mail: Outgoing) -> Receipt:
        self.sending += 1
        receipt = await self._mail_out.send(mail)
        if self.sending == 1:
            await self.go.wait()
        return receipt

    async def check(self) -> str:
        return await self._mail_out.check()

    async def close(self) -> None:
        await self._mail_out.close()


async def test_a_clock_jumps_ahead_while_a_mail_is_on_its_way(store_url: str, tmp_path: Path, clock: ManualClock) -> None:
    """By the clock the hold is over, so the row is taken again: the same mail goes twice, and who is late writes nothing down."""
    post, mail_out = memory_mail(clock)
    slow = Slow(mail_out)
    async with a_story(store_url, tmp_path / "data", clock=clock, mail_out=slow) as story:
        await story.owner("alice@example.test")
        body = {"title": "Eins", "start": "2026-10-27T09:00", "attendees": ["anna@kunde.test"], "reminders": []}
        made = await story.http.post("http://service/api/v1/entries", json=body)
        entry_id = made.raise_for_status().json()["entry"]["id"]
        lane = story.app.lanes[work.MAIL]
        clock.move(2 * MINUTE)
        assert await lane.run_once()
        await until(lambda: post.sent, PATIENCE, lambda: "no mail went out")

        clock.move(HOUR)
        assert await lane.run_once(), "the hold is over, as the clock says"
        await until(lambda: len(post.sent) == 2, PATIENCE, lambda: "it was not taken over")
        answer = await story.http.post(f"http://service/api/v1/entries/{entry_id}/move", json={"start": "2026-10-28T09:00"})
        answer.raise_for_status()
        clock.move(2 * MINUTE)
        await until(lambda: lane.state()["running"] == 1, PATIENCE, lambda: f"{lane.state()}")
        assert await lane.run_once()
        await until(lambda: len(post.sent) == 3, PATIENCE, lambda: "the update did not go out")
        slow.go.set()
        await lane.settle()
        (late,) = story.said("work-lost")
        assert late["event"] == "another took this over, or it was cancelled"
        await story.pass_time(clock, HOUR, step=MINUTE)

        first, again, update = (one.data for one in post.sent)
        assert first == again
        assert update != first
        repeated, problems = await story.wrongs(delivered(post, clock), clock.now())
        assert not problems, "\n".join(problems)
        assert repeated == 1


# Zone rules


SUMMER = datetime(datetime.now(UTC).year + 1, 7, 12, 9)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[CalendarServer]:
    with radicale(tmp_path / "radicale", {"alice": "alicepw"}) as started:
        yield started


@pytest.fixture
def doctored(tmp_path: Path) -> Path:
    """A folder with a later tzdata in which Berlin has no summer time any more: like Lagos, an hour ahead of UTC all year."""
    folder = tmp_path / "rules"
    package = Path(tzdata.__file__).parent
    shutil.copytree(package, folder / "tzdata")
    zones = folder / "tzdata" / "zoneinfo"
    shutil.copyfile(zones / "Africa" / "Lagos", zones / "Europe" / "Berlin")
    init = folder / "tzdata" / "__init__.py"
    init.write_text(init.read_text().replace(tzdata.IANA_VERSION, "2099z"))
    return folder


@contextmanager
def a_service(environ: Mapping[str, str], log: Path, rules: Path | None = None) -> Iterator[None]:
    """The service in a process of its own, with its own zone rules where a folder is given."""
    whole = {**os.environ, **environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(rules or ""), str(Path.cwd()))))}
    with log.open("ab") as file:
        command = [sys.executable, "-c", "from daemon.cli import main; raise SystemExit(main(['run']))"]
        process = subprocess.Popen(command, env=whole, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        yield
    finally:
        process.terminate()
        try:
            assert process.wait(PATIENCE) == 0, log.read_text()
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_summer_time_is_abolished(
    store_url: str, tmp_path: Path, smtp_post: PostOffice, server: CalendarServer, doctored: Path
) -> None:
    """Nine o'clock stays nine o'clock, at another instant: event and reminders follow, and nobody is mailed about it."""
    environ = settings(tmp_path, store_url, smtp_post)
    async with open_app(load_config(environ=environ).config) as app:
        await move_in(app, server)
        transport = httpx.ASGITransport(app.api())
        async with httpx.AsyncClient(transport=transport) as http:
            body = {"title": "Sommer", "start": SUMMER.isoformat(), "attendees": ["anna@kunde.test"], "reminders": ["24h"]}
            (await http.post("http://service/api/v1/entries", json=body)).raise_for_status()
    log = tmp_path / "log"
    with a_service(environ, log):
        await until(lambda: smtp_post.mails() and server.events("alice"), PATIENCE, log.read_text)
    (before,) = server.events("alice")
    assert b"BEGIN:DAYLIGHT" in before
    assert await _derived(store_url) == (SUMMER - 2 * HOUR, SUMMER - 2 * HOUR - DAY)

    with a_service(environ, log, doctored):
        await until(lambda: b"BEGIN:DAYLIGHT" not in server.events("alice")[0], PATIENCE, log.read_text)
    (after,) = server.events("alice")
    wall = f"DTSTART;TZID=Europe/Berlin:{SUMMER:%Y%m%dT%H%M%S}".encode()
    assert wall in before
    assert wall in after
    assert await _derived(store_url) == (SUMMER - HOUR, SUMMER - HOUR - DAY)
    with a_service(environ, log, doctored):
        await until(lambda: log.read_text().count("the service runs") == 3, PATIENCE, log.read_text)

    said = [json.loads(line) for line in log.read_text().splitlines()]
    (told,) = [one for one in said if one["action"] == "zone-rules"]
    assert (told["level"], told["entries"]) == ("warning", 1)
    assert "the zone rules have changed" in told["event"]
    assert len(smtp_post.mails()) == 1, "nobody sees another time, so nobody is mailed"


async def _derived(store_url: str) -> tuple[datetime, datetime]:
    """The instants of the only entry's start and of its reminder, in UTC without saying so."""
    store = open_store(store_url, clock=SystemClock(), data_dir=None)
    try:
        (entry,) = await store.run(entry_rows.list_)
        assert isinstance(entry, Entry)
        (job,) = await store.run(lambda tx: work.list_(tx, kind=work.REMIND))
        listed = await store.run(lambda tx: entry_rows.list_(tx, before=SUMMER.replace(tzinfo=UTC) - HOUR - MINUTE))
    finally:
        store.close()
    assert entry.when is not None
    assert (entry.when.start, entry.sequence) == (SUMMER, 0)
    assert job.due is not None
    start = SUMMER - (2 * HOUR if listed else HOUR)
    return start, job.due.replace(tzinfo=None)
