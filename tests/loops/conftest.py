"""A whole service on memory connectors: a fresh database, a clock that the test moves, nothing that opens a connection."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest

from connectors.memory.calendar import MemoryServer
from connectors.memory.mail import MemoryMailIn, MemoryMailOut, MemoryPost
from daemon import planner
from daemon.app import App, open_app
from daemon.config import load_config
from daemon.core.calendars import Link
from daemon.core.journal import Line
from daemon.core.model import Attendee, Entry, Owner, Sender, When
from daemon.planner.wishes import Done, Draft, EntryView
from daemon.ports import CalendarAccount, CalendarConnector, MailIn, MailOut, Outgoing, Receipt
from daemon.reader import here
from daemon.secrets import encrypt
from daemon.store import calendars as calendar_rows
from daemon.store import journal as journal_rows
from daemon.store import work
from daemon.store.work import Job
from tests.clock import ManualClock

PLANNER = "planner@example.test"
ALICE = "alice@example.test"
ANNA, BEN, CLARA = (Attendee(email=f"{name}@kunde.test", name=name.title()) for name in ("anna", "ben", "clara"))
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def when(day: int = 15, hour: int = 9, minute: int = 0, *, month: int = 3, zone: str = "Europe/Berlin") -> When:
    """An hour on a day of March 2027; the clock begins at 8:00 UTC on the first."""
    return When(start=datetime(2027, month, day, hour, minute), zone=zone, duration=HOUR)


@dataclass(kw_only=True)
class Outside:
    """What outlives a service: the database, the servers, the clock."""

    url: str
    folder: Path
    clock: ManualClock
    post: MemoryPost
    calendars: MemoryServer
    schedulers: MemoryServer
    asked: list[CalendarAccount] = field(default_factory=list)

    def connecting(self, account: CalendarAccount) -> CalendarConnector:
        self.asked.append(account)
        server = self.schedulers if "scheduling" in account.url else self.calendars
        return server.connector(account.username, account.password)


@dataclass(kw_only=True)
class Service:
    """One process of the service, in step with the test's clock."""

    app: App
    outside: Outside

    @property
    def clock(self) -> ManualClock:
        return self.outside.clock

    @property
    def post(self) -> MemoryPost:
        return self.outside.post

    async def tx(self, do: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """Run a function of the store in a transaction."""
        return await self.app.store.run(lambda tx: do(tx, *given, **named))

    async def do(self, use_case: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """Run a use case in a transaction."""
        return await self.app.store.run(lambda tx: use_case(tx, self.app.desk, *given, **named))

    async def owner(self, email: str = ALICE, **more: Any) -> Owner:
        owner: Owner = await self.do(planner.add_owner, email=email, name=email.partition("@")[0].title(), **more)
        return owner

    async def plan(self, owner: Owner, *people: Attendee, **more: Any) -> Entry:
        """Make an entry; where the test does not say otherwise, without reminders."""
        draft = Draft(**{"title": "Haushalt", "when": when(), "attendees": people, "remind": False, **more})
        done: Done = await self.do(planner.create, owner.id, draft)
        return done.entry

    async def calendar(
        self, owner: Owner, user: str = "alice", *, name: str = "Kalender", sender: Sender = Sender.PLANNER
    ) -> str:
        """Give the owner a calendar on the server that schedules (sender: calendar) or on the one that does not."""
        schedules = sender is Sender.CALENDAR
        address = f'{{"addresses": ["{user}@example.test"]}}' if schedules else "{}"
        made = await self.do(
            planner.add_calendar,
            owner.id,
            name=name,
            kind="memory",
            url="https://scheduling.test/" if schedules else "https://calendar.test/",
            username=user,
            secret=encrypt(self.app.key, "secret"),
            sender=sender,
            headers={},
            capabilities=address,
        )
        return str(made.id)

    async def settle(self, after: timedelta = timedelta(0)) -> None:
        """Let time pass, and let the service do all that is due then."""
        self.clock.move(after)
        await self.app.settle()

    async def die(self, kind: str, *, times: int) -> None:
        """Take what is due of the kind so many times, as processes do that die of it; after the last one its holds are over."""
        for number in range(times):
            now, token = self.clock.now(), f"dead{number}"
            claimed = await self.tx(work.claim, kind, now=now, hold=MINUTE, most=99, token=token)
            assert claimed.jobs
            self.clock.move(MINUTE)

    async def show(self, entry: Entry) -> EntryView:
        view: EntryView = await self.do(planner.show, entry.id)
        return view

    async def row(self, key: str) -> Job | None:
        found = await self.app.store.run(lambda tx: work.of_keys(tx, [key]))
        return found[0] if found else None

    async def link(self, entry: Entry, calendar: str) -> Link | None:
        return await self.app.store.run(lambda tx: calendar_rows.get_link(tx, entry.id, calendar))

    async def journal(self, entry: Entry | None = None) -> list[str]:
        """What happened, the first first."""
        lines: tuple[Line, ...] = await self.app.store.run(
            lambda tx: journal_rows.list_(tx, entry=entry.id if entry else None, limit=1000)
        )
        return [line.action for line in reversed(lines)]

    def mails(self, to: str = "") -> list[EmailMessage]:
        """Everything the mail server took for the address, in order."""
        return [read(one) for one in self.post.sent if not to or one.recipient == to]

    def methods(self, to: str) -> list[str]:
        """What each mail to the address is: its iTIP method, or its subject where it has no calendar part."""
        return [method(mail) or str(mail["Subject"]) for mail in self.mails(to)]


def read(mail: Outgoing) -> EmailMessage:
    parsed = message_from_bytes(mail.data, policy=SMTP)
    assert isinstance(parsed, EmailMessage)
    return parsed


def method(mail: EmailMessage) -> str:
    parts = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    return str(parts[0].get_param("method")) if parts else ""


def calendar_text(mail: EmailMessage) -> str:
    (part,) = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    text: str = part.get_content() if isinstance(part.get_content(), str) else part.get_content().decode()
    return text.replace("\r\n ", "")


Start = Callable[..., AbstractAsyncContextManager[Service]]


@pytest.fixture
def outside(store_url: str, tmp_path: Path, clock: ManualClock) -> Outside:
    post = MemoryPost(clock=clock)
    post.add_mailbox(PLANNER)
    plain, scheduling = MemoryServer(), MemoryServer(schedules=True)
    for server in (plain, scheduling):
        for name in ("alice", "bob"):
            server.add_person(name, f"{name}@example.test", "secret")
    scheduling.add_person("anna", ANNA.email, "secret")
    return Outside(url=store_url, folder=tmp_path, clock=clock, post=post, calendars=plain, schedulers=scheduling)


@asynccontextmanager
async def running(
    outside: Outside, *, mail_out: MailOut | None = None, mail_in: MailIn | None = None, prepared: bool = True, **settings: str
) -> AsyncIterator[Service]:
    """Start a service; settings are environment variables without their prefix."""
    environ = {
        "SITZUNGSPLANER_SERVICE__DATA_DIR": str(outside.folder),
        "SITZUNGSPLANER_SERVICE__SOCKET": str(outside.folder / "api.sock"),
        "SITZUNGSPLANER_STORE__URL": outside.url,
        "SITZUNGSPLANER_MAIL__ADDRESS": PLANNER,
        **{f"SITZUNGSPLANER_{name}": text for name, text in settings.items()},
    }
    async with open_app(
        load_config(environ=environ).config,
        clock=outside.clock,
        mail_out=mail_out or MemoryMailOut(outside.post),
        mail_in=mail_in or MemoryMailIn(outside.post, PLANNER),
        idle=timedelta(0),
        connecting=outside.connecting,
        read=here,
    ) as app:
        if prepared:
            await app.prepare()
        yield Service(app=app, outside=outside)


@pytest.fixture
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite; `tests/loops/test_mail.py` and others ask for both where databases differ."""
    file = tmp_path / "store.db"
    shutil.copyfile(request.getfixturevalue("sqlite_template"), file)
    return f"sqlite:///{file}"


@pytest.fixture
async def service(outside: Outside) -> AsyncIterator[Service]:
    async with running(outside) as one:
        yield one


class Death(BaseException):
    """The process ends here: nothing of it does anything any more."""


class Mortal:
    """Lets a service die before its n-th step takes effect. A step is a transaction, or a mail handed over."""

    def __init__(self, service: Service, *, at: int) -> None:
        self.steps = 0
        self.dead = False
        self._at = at
        store = service.app.store
        self._run = store.run
        store.run = self._transaction  # type: ignore[method-assign]  # the seam of this test

    async def step(self, act: Callable[[], Any]) -> Any:
        if self.dead:
            raise Death
        self.steps += 1
        if self.steps != self._at:
            return await act()
        self.dead = True
        raise Death

    async def _transaction(self, do: Callable[..., Any]) -> Any:
        return await self.step(lambda: self._run(do))


class MortalPost(MemoryMailOut):
    """A mail server's client in a process that may die."""

    mortal: Mortal | None = None

    async def send(self, mail: Outgoing) -> Receipt:
        send = super().send
        taken: Receipt = await (send(mail) if self.mortal is None else self.mortal.step(lambda: send(mail)))
        return taken
