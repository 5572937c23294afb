"""The house that is shaken: a calendar server, a post office, a database, and services that are killed and started again."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from daemon.app import App
from daemon.core.model import Language, Sender
from daemon.demo.post import PostOffice
from daemon.demo.servers import CalendarServer
from daemon.planner import add_calendar, add_owner
from daemon.secrets import encrypt
from tests.servers.post import PLANNER
from tests.survival.worker import Life, Workers

LEASE = 5  # seconds: the shortest that can be set
PATIENCE = 120.0  # seconds: what a very slow machine may take for what takes a moment
CALENDARS = 6
PEOPLE: Mapping[str, str] = {f"inhaber{number}": f"pw{number}" for number in range(CALENDARS)}


def settings(folder: Path, store_url: str, post: PostOffice, name: str = "service") -> dict[str, str]:
    """The environment of one service. Its socket is its own, data directory and store are everybody's."""
    return {
        "SITZUNGSPLANER_SERVICE__DATA_DIR": str(folder / "data"),
        "SITZUNGSPLANER_SERVICE__SOCKET": str(folder / f"{name}.sock"),
        "SITZUNGSPLANER_SERVICE__LOG_FORMAT": "json",
        "SITZUNGSPLANER_STORE__URL": store_url,
        "SITZUNGSPLANER_STORE__THREADS": "4",
        "SITZUNGSPLANER_MAIL__ADDRESS": PLANNER,
        "SITZUNGSPLANER_MAIL__COALESCE_SECONDS": "1",
        "SITZUNGSPLANER_MAIL__SMTP__HOST": "127.0.0.1",
        "SITZUNGSPLANER_MAIL__SMTP__PORT": str(post.smtp_port),
        "SITZUNGSPLANER_MAIL__SMTP__SECURITY": "none",
        "SITZUNGSPLANER_CALENDARS__POLL_SECONDS": "10",
        "SITZUNGSPLANER_WORK__HOLD_SECONDS": str(LEASE),
    }


async def move_in(app: App, server: CalendarServer) -> tuple[str, ...]:
    """Make an owner with a calendar for each person at the server. Returns their addresses."""
    for user in server.people:
        account = server.account(user)

        def do(tx: Any, user: str = user, password: str = account.password, url: str = account.url) -> None:
            owner = add_owner(tx, app.desk, email=server.address(user), name=user.title(), language=Language.DE)
            add_calendar(
                tx,
                app.desk,
                owner.id,
                name="Kalender",
                kind="caldav",
                url=url,
                username=user,
                secret=encrypt(app.key, password),
                sender=Sender.PLANNER,
                headers={},
                capabilities="{}",
            )

        await app.store.run(do)
    return tuple(server.address(user) for user in server.people)


@dataclass(kw_only=True)
class Daemons:
    """Services on one store, each with its settings; `lives` counts how often each was started."""

    workers: Workers
    environs: tuple[Mapping[str, str], ...]
    log: Path
    running: dict[int, Life] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)

    def start(self, number: int) -> None:
        self.running[number] = self.workers.start(self.environs[number], self.log)
        self.done["starts"] += 1

    def kill(self, number: int) -> None:
        life = self.running.pop(number)
        if life.over:
            raise AssertionError(f"service {number} ended by itself:\n{self.tail()}")
        life.kill()
        self.done["kills"] += 1

    def stop_all(self, patience: float = PATIENCE) -> None:
        """End all in order, as systemd does. AssertionError for one that does not within `patience` seconds.

        How soon a service has to stop is tested where nothing else runs (tests/cli/test_as_a_service.py).
        """
        for life in self.running.values():
            life.signal(signal.SIGTERM)
        late = [number for number, life in self.running.items() if not life.ends(patience)]
        for life in self.running.values():
            life.kill()
        self.running.clear()
        assert not late, f"services {late} did not stop within {patience} s:\n{self.tail()}"

    def socket(self, number: int = 0) -> Path:
        return Path(self.environs[number]["SITZUNGSPLANER_SERVICE__SOCKET"])

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""

    def complaints(self) -> list[str]:
        """Lines of the log that speak of a fault in the program: errors, and whatever has a traceback or is no log line."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines() if self.log.exists() else ():
            try:
                said = json.loads(line)
            except json.JSONDecodeError:
                found.append(line)  # a line that was cut off by a kill cannot be: one write, shorter than a page
                continue
            if said.get("level") in ("error", "critical") or "exception" in said:
                found.append(line)
        return found


async def until(true: Callable[[], Any], patience: float, what: Callable[[], str], *, step: float = 0.05) -> float:
    """Look until it is true and return how many seconds that took. AssertionError with `what()` after `patience` seconds."""
    began = time.monotonic()
    while True:
        answer = true()
        if asyncio.iscoroutine(answer):
            answer = await answer
        passed = time.monotonic() - began
        if answer:
            return passed
        assert passed < patience, f"not within {patience} s: {what()}"
        await asyncio.sleep(step)


async def answers(socket: Path) -> bool:
    """True if a service answers on this socket."""
    try:
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(socket)), timeout=5) as http:
            return (await http.get("http://service/healthz")).is_success
    except httpx.TransportError:
        return False


def chance_of(seed: int, name: str) -> random.Random:
    """A source of chance of its own for each thing that happens, so that one more of these moves no other."""
    return random.Random(f"{seed}:{name}")
