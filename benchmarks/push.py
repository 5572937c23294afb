"""Events written into a fresh calendar per second by the whole service: from dirty links to events there and links recorded.

The service is the real one (`open_app`, its lane, its CalDAV connector, SQLite with synchronous=FULL on a disk of the caller's
choice). All entries are planned, without attendees, when it starts; what it does first to find and know the calendar is counted,
the import of its modules is not.
Beside it, in the same run, into calendars of the same server, each made for it:

- plain sockets that put the very bodies that the service wrote over four connections, and know, check and record nothing.
  Wanted: 0.7 of that on Cyrus, 0.9 on Radicale and Xandikos, which do one request after the other.
- vdirsyncer, copying these bodies from files, without the start of its process.

Each figure is the best of some rounds, which take turns. CPU (that of the service alone) and requests are those for one event.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

import daemon.web.app  # noqa: F401 - the service imports it when it starts
from benchmarks.push_peers import CONNECTIONS, Body, raw, vdirsyncer
from benchmarks.scene import DESCRIPTION, PLANNER
from connectors.caldav.client import HttpAnswer, HttpRequest, Network
from connectors.caldav.connector import CalDavConnector
from daemon import planner
from daemon.app import App, open_app
from daemon.clock import SystemClock
from daemon.config import load_config
from daemon.core.model import Sender, When
from daemon.demo.servers import CalendarServer
from daemon.logs import configure_logs
from daemon.planner.wishes import Draft
from daemon.ports import CalendarAccount
from daemon.secrets import encrypt
from daemon.store import calendars as calendar_rows
from tests.servers.cyrus import cyrus
from tests.servers.radicale import radicale
from tests.servers.xandikos import xandikos

_SOON = 0.002  # seconds between two looks whether everything is recorded
_WANTED = {"Cyrus": 0.7, "Radicale": 0.9, "Xandikos": 0.9}
_numbers = count(1)


class Watched:
    """The connector's network, watched: what was put, and when as much as expected had been taken."""

    def __init__(self, expected: int) -> None:
        self._network, self._expected = Network(), expected
        self.bodies: list[Body] = []
        self.requests = 0
        self.all_taken = asyncio.Event()

    async def send(self, request: HttpRequest) -> HttpAnswer:
        answer = await self._network.send(request)
        if not self.all_taken.is_set():
            self.requests += 1
        if request.method == "PUT" and answer.status_code == 201:
            self.bodies.append(Body(path=httpx.URL(request.url).path, data=request.body or b""))
            if len(self.bodies) >= self._expected:
                self.all_taken.set()
        return answer

    async def close(self) -> None:
        await self._network.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A run of the service: events per second, milliseconds of CPU and requests for an event, and what was put."""

    rate: float
    cpu: float
    requests: float
    bodies: list[Body]


@dataclass(kw_only=True)
class Rates:
    """One figure a round; those of the others in events per second."""

    ours: list[Served] = field(default_factory=list)
    raw: list[float] = field(default_factory=list)
    vdirsyncer: list[float] = field(default_factory=list)


@contextmanager
def a_calendar(server: CalendarServer) -> Iterator[CalendarAccount]:
    """A new calendar of alice's, which goes with the block."""
    usual = server.account("alice")
    account = replace(usual, url=f"{usual.url.rstrip('/').rpartition('/')[0]}/push-{next(_numbers)}/")
    with server.http("alice") as http:
        http.request("MKCALENDAR", account.url).raise_for_status()
        try:
            yield account
        finally:
            http.delete(account.url, timeout=None).raise_for_status()


async def served(account: CalendarAccount, folder: Path, events: int) -> Served:
    """Plan entries in a fresh store, run the service until all stand in the calendar and that is recorded."""
    watched, clock = Watched(events), SystemClock()

    def connecting(known: CalendarAccount) -> CalDavConnector:
        return CalDavConnector(known, clock=clock, transport=watched.send)

    environ = {
        "SITZUNGSPLANER_SERVICE__DATA_DIR": str(folder),
        "SITZUNGSPLANER_SERVICE__SOCKET": str(folder / "api.sock"),
        "SITZUNGSPLANER_MAIL__ADDRESS": PLANNER,
    }
    async with open_app(load_config(environ=environ).config, clock=clock, connecting=connecting) as app:
        calendar = _fill(app, account, events)
        stop, began, used = asyncio.Event(), time.perf_counter(), time.process_time()
        running = asyncio.create_task(app.run(stop))
        await watched.all_taken.wait()
        while await app.store.run(lambda tx: calendar_rows.dirty(tx, calendar, 1)):  # noqa: ASYNC110 - nobody rings a bell then
            await asyncio.sleep(_SOON)
        took, cpu = time.perf_counter() - began, time.process_time() - used
        stop.set()
        await running
    await watched.close()
    return Served(rate=events / took, cpu=cpu / events * 1_000, requests=watched.requests / events, bodies=watched.bodies)


def _fill(app: App, account: CalendarAccount, events: int) -> str:
    """Plan so many entries of one owner, in one calendar. Returns the calendar's id."""

    def fill(tx: sa.Connection) -> str:
        owner = planner.add_owner(tx, app.desk, email="alice@example.test", name="Alice")
        made = planner.add_calendar(
            tx,
            app.desk,
            owner.id,
            name="Kalender",
            kind=account.kind,
            url=account.url,
            username=account.username,
            secret=encrypt(app.key, account.password) if account.password else "",
            sender=Sender.PLANNER,
            headers=dict(account.headers),
            capabilities="{}",
        )
        for number in range(events):
            start = datetime(2027, 4, 1, 9) + timedelta(days=number % 250, hours=number // 250)
            when = When(start=start, zone="Europe/Berlin", duration=timedelta(hours=1))
            draft = Draft(title=f"Quartalsgespräch {number}", description=DESCRIPTION, when=when, remind=False)
            planner.create(tx, app.desk, owner.id, draft)
        return made.id

    return app.store.run_now(fill)


def measured(server: CalendarServer, folder: Path, events: int, rounds: int) -> Rates:
    """Ours, the sockets and vdirsyncer by turns."""
    rates = Rates()
    for number in range(rounds):
        with a_calendar(server) as account:
            ours = asyncio.run(served(account, folder / f"ours-{number}", events))
        with a_calendar(server) as account:
            rates.raw.append(asyncio.run(raw(account, ours.bodies)))
        with a_calendar(server) as account:
            rates.vdirsyncer.append(vdirsyncer(account, ours.bodies, folder / f"vdirsyncer-{number}"))
        rates.ours.append(ours)
    return rates


def show(name: str, rates: Rates) -> None:
    best = max(rates.ours, key=lambda one: one.rate)
    beside, vdir = max(rates.raw), max(rates.vdirsyncer)
    ours = f"{best.rate:9,.0f}{best.cpu:8.1f}{best.requests:10.2f}"
    print(
        f"{name:9}{ours}{beside:9,.0f}{best.rate / beside:7.2f}{_WANTED[name]:8}{vdir:13,.0f}{best.rate / vdir:7.2f}", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="one round of 200 events")
    parser.add_argument("--events", type=int, help="events of a round (default: 1000)")
    parser.add_argument("--rounds", type=int, help="rounds (default: 3)")
    parser.add_argument("--server", choices=sorted(_WANTED), action="append", help="only this one; may be repeated")
    parser.add_argument("--folder", type=Path, help="where the SQLite file lies (default: a temporary directory)")
    given = parser.parse_args()
    events, rounds = given.events or (200 if given.short else 1_000), given.rounds or (1 if given.short else 3)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no server outlives us
    configure_logs(level="error", form="text")
    print(f"{events} events per second, {CONNECTIONS} connections, best of {rounds}")
    print(
        f"{'':9}{'ours':>9}{'CPU ms':>8}{'requests':>10}{'raw':>9}{'ratio':>7}{'wanted':>8}{'vdirsyncer':>13}{'ratio':>7}",
        flush=True,
    )
    with tempfile.TemporaryDirectory(dir=given.folder) as name, ExitStack() as stack:
        folder = Path(name)
        makers: dict[str, Callable[[], CalendarServer]] = {
            "Radicale": lambda: stack.enter_context(radicale(folder / "radicale")),
            "Xandikos": lambda: stack.enter_context(xandikos(folder / "xandikos")),
            "Cyrus": lambda: stack.enter_context(cyrus()),
        }
        for server in given.server or makers:
            try:
                started = makers[server]()
            except pytest.skip.Exception as absent:
                print(f"{server} is left out: {absent}")
                continue
            show(server, measured(started, folder / f"{server}-runs", events, rounds))


if __name__ == "__main__":
    main()
