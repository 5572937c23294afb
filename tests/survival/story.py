"""A service in this process for what happens to it from outside: a clock that is moved, an API client, its log lines."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Iterable, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import structlog

from connectors.caldav.client import HttpAnswer, HttpRequest, Network
from connectors.caldav.connector import CalDavConnector
from connectors.memory.calendar import MemoryServer
from connectors.memory.mail import MemoryMailOut, MemoryPost
from connectors.smtp.connector import SmtpMail
from connectors.smtp.settings import SmtpSettings
from daemon.app import App, Connecting, open_app
from daemon.config import load_config
from daemon.core import ics
from daemon.core.errors import Unreachable
from daemon.core.model import Language, Sender
from daemon.demo.post import Delivered
from daemon.planner import add_calendar, add_owner
from daemon.ports import CalendarAccount, CalendarConnector, Clock, MailOut, Outgoing, Receipt, Security
from daemon.secrets import encrypt
from daemon.store import work
from daemon.store.engine import Store
from tests.clock import ManualClock
from tests.servers.post import PLANNER
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

SOON = timedelta(seconds=0.2)  # what a hanging server is waited for


@dataclass(kw_only=True)
class Story:
    """One service, and what it logged since `listen` (`lines`)."""

    app: App
    http: httpx.AsyncClient
    lines: list[MutableMapping[str, Any]]

    @property
    def store(self) -> Store:
        return self.app.store

    async def owner(self, email: str, account: CalendarAccount | None = None) -> None:
        """Make a planning person, with a calendar if there is an account for it."""

        def do(tx: Any) -> None:
            owner = add_owner(tx, self.app.desk, email=email, name=email.partition("@")[0].title(), language=Language.DE)
            if account is not None:
                add_calendar(
                    tx,
                    self.app.desk,
                    owner.id,
                    name="Kalender",
                    kind=account.kind,
                    url=account.url,
                    username=account.username,
                    secret=encrypt(self.app.key, account.password),
                    sender=Sender.PLANNER,
                    headers={},
                    capabilities="{}",
                )

        await self.app.store.run(do)

    async def pass_time(self, clock: ManualClock, time: timedelta, *, step: timedelta) -> None:
        """Let time pass in steps, and the service do after each of them what is due."""
        until = clock.now() + time
        while clock.now() < until:
            clock.move(min(step, until - clock.now()))
            await self.app.settle()

    def listen(self) -> None:
        """Forget what was logged so far."""
        self.lines.clear()

    def said(self, action: str, level: str | None = None) -> list[MutableMapping[str, Any]]:
        """The log lines of this action, and level if one is named."""
        return [one for one in self.lines if one.get("action") == action and level in (None, one["log_level"])]

    def complaints(self) -> list[str]:
        """Log lines that speak of a fault in the program."""
        return [str(one) for one in self.lines if one.get("exc_info") or one.get("action") == "owed-for-ever"]

    async def wrongs(
        self, mails: Iterable[Delivered], now: datetime, bodies: dict[str, Sequence[bytes]] | None = None
    ) -> tuple[int, list[str]]:
        """Return how many mails came twice, byte by byte, and everything in which the world and the store differ."""
        said: Truth = await self.store.run(truth)
        once, repeated, problems = letters_once(letters(mails))
        if bodies is not None:
            problems += calendars_agree(said, bodies)
        problems += messages_agree(said, once)
        problems += attendees_agree(said, once)
        problems += reminders_agree(said, once, now)
        problems += queue_rests(said, now)
        return repeated, problems + self.complaints()


@asynccontextmanager
async def running(story: Story) -> AsyncIterator[None]:
    """Let the service run by itself. It must still run at the end of the block, and stop when it is told to."""
    stop = asyncio.Event()
    service = asyncio.create_task(story.app.run(stop))
    try:
        yield
        assert not service.done(), "the service ended by itself"
    finally:
        stop.set()
        await service


async def rests(story: Story) -> bool:
    """True when nothing is due any more, or would be within seconds."""
    soon = story.app.desk.clock.now() + timedelta(seconds=2)
    try:
        jobs = await story.store.run(lambda tx: work.list_(tx, limit=10_000))
    except Unreachable:
        return False
    return not any(
        job.holder is not None or (job.due is not None and (job.due <= soon or job.kind in (work.MAIL, work.BULK)))
        for job in jobs
    )


@asynccontextmanager
async def a_story(
    store_url: str,
    folder: Path,
    *,
    mail_out: MailOut,
    clock: Clock | None = None,
    connecting: Connecting | None = None,
    **settings: str,
) -> AsyncIterator[Story]:
    """Put a service together on this store, ready to run. `settings` are more of the environment's, without their prefix."""
    environ = {
        "SITZUNGSPLANER_SERVICE__DATA_DIR": str(folder),
        "SITZUNGSPLANER_SERVICE__SOCKET": str(folder / "api.sock"),
        "SITZUNGSPLANER_STORE__URL": store_url,
        "SITZUNGSPLANER_MAIL__ADDRESS": PLANNER,
        **{f"SITZUNGSPLANER_{name.upper()}": value for name, value in settings.items()},
    }
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - nobody else runs yet
    config = load_config(environ=environ).config
    with structlog.testing.capture_logs() as lines:
        async with open_app(config, clock=clock, mail_out=mail_out, connecting=connecting) as app:
            await app.prepare()
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app.api())) as http:
                yield Story(app=app, http=http, lines=lines)


def written(server: MemoryServer, users: Iterable[str], clock: Clock) -> dict[str, Sequence[bytes]]:
    """What lies in the calendars of the server in memory, in the shape that a real one gives out."""
    return {
        user: [ics.build_calendar(one.components, method=None, dtstamp=clock.now()) for one in server.events(user)]
        for user in users
    }


def delivered(post: MemoryPost, clock: Clock) -> list[Delivered]:
    """What the office in memory took, in the shape of the real one's."""
    return [
        Delivered(envelope_from=one.envelope_from, recipient=one.recipient, data=one.data, at=clock.now()) for one in post.sent
    ]


class Mail:
    """The real connector to a mail server here. While `patience` is set, connecting is given up that soon."""

    def __init__(self, port: int) -> None:
        self.patience: timedelta | None = None
        settings = SmtpSettings(host="127.0.0.1", port=port, security=Security.NONE, helo="service.example.test")
        self._patient, self._hasty = SmtpMail(settings), SmtpMail(replace(settings, connect_timeout=SOON))

    async def send(self, mail: Outgoing) -> Receipt:
        return await (self._patient if self.patience is None else self._hasty).send(mail)

    async def check(self) -> str:
        return await self._patient.check()

    async def close(self) -> None:
        await self._patient.close()
        await self._hasty.close()


def memory_mail(clock: Clock) -> tuple[MemoryPost, MemoryMailOut]:
    post = MemoryPost(clock=clock)
    return post, MemoryMailOut(post)


class Calendars:
    """Makes the real connectors to calendar servers here. While `patience` is set, an answer is waited for no longer.

    `close` them in the end.
    """

    def __init__(self, clock: Clock) -> None:
        self.patience: timedelta | None = None
        self._clock = clock
        self._networks: list[Network] = []

    def __call__(self, account: CalendarAccount) -> CalendarConnector:
        patient, hasty = Network(read_timeout=10), Network(read_timeout=SOON.total_seconds())
        self._networks += patient, hasty

        def send(request: HttpRequest) -> Awaitable[HttpAnswer]:
            return (patient if self.patience is None else hasty).send(request)

        return CalDavConnector(account, clock=self._clock, transport=send)

    async def close(self) -> None:
        for one in self._networks:
            await one.close()
