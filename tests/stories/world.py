"""A whole service for stories: real store, real servers, a clock that the story moves, mails read as a stranger's program would.

What was delivered is read with the iCalendar library and the standard mail parser, not with our own code.
"""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import icalendar

from daemon import planner
from daemon.app import App, open_app
from daemon.config import load_config
from daemon.config.settings import Config
from daemon.core.model import Language, Owner, Sender
from daemon.demo.post import PostOffice
from daemon.demo.servers import CalendarServer
from daemon.planner.wishes import EntryView
from daemon.ports import Capabilities
from daemon.secrets import encrypt
from tests.clock import ManualClock
from tests.servers.post import PASSWORD, PLANNER, USER


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A delivered mail as its recipient's program sees it."""

    mail: EmailMessage
    envelope_from: str
    method: str
    events: tuple[icalendar.Event, ...]

    @property
    def subject(self) -> str:
        return str(self.mail["Subject"])

    @property
    def event(self) -> icalendar.Event:
        (event,) = self.events
        return event

    @property
    def text(self) -> str:
        part = self.mail.get_body(("plain",))
        assert part is not None
        return str(part.get_content())


@dataclass(kw_only=True)
class World:
    """One service with its post office, and a calendar server if the story has one."""

    app: App
    clock: ManualClock
    post: PostOffice
    server: CalendarServer | None = None
    read: dict[str, int] = field(default_factory=dict)

    async def do(self, use_case: Any, *given: Any, **named: Any) -> Any:
        """Run a use case in a transaction, as page and command line do."""
        return await self.app.store.run(lambda tx: use_case(tx, self.app.desk, *given, **named))

    async def owner(self, email: str, *, name: str = "", language: Language = Language.DE, zone: str = "Europe/Berlin") -> Owner:
        owner: Owner = await self.do(planner.add_owner, email=email, name=name, language=language, zone=zone)
        return owner

    async def calendar(self, owner: Owner, user: str, *, sender: Sender = Sender.PLANNER) -> str:
        """Give the owner his calendar on the story's server."""
        assert self.server is not None
        account = self.server.account(user)
        found: Capabilities = await self.app.probe(account)
        made = await self.do(
            planner.add_calendar,
            owner.id,
            name="Kalender",
            kind=account.kind,
            url=account.url,
            username=account.username,
            secret=encrypt(self.app.key, account.password) if account.password else "",
            sender=sender,
            headers=dict(account.headers),
            capabilities=f'{{"addresses": ["{self.server.address(user)}"], "schedules": {str(found.schedules).lower()}}}',
        )
        return str(made.id)

    async def settle(self, after: timedelta = timedelta(0)) -> None:
        """Let time pass, and let the service do all that is due then."""
        self.clock.move(after)
        await self.app.settle()

    async def show(self, entry_id: str) -> EntryView:
        view: EntryView = await self.do(planner.show, entry_id)
        return view

    def letters(self, to: str) -> list[Letter]:
        """Every mail delivered to the address since this was last asked for it."""
        every = list(self.post.mails(to=to))
        fresh = every[self.read.get(to, 0) :]
        self.read[to] = len(every)
        return [_letter(one.data, one.envelope_from) for one in fresh]

    async def answer(self, letter: Letter, attendee: str, partstat: str, *, at: datetime | None = None) -> None:
        """Answer an invitation as a calendar program does: a REPLY by real SMTP to the organizer."""
        reply = _reply(letter, attendee, partstat, at or self.clock.now())
        organizer = str(letter.mail["From"].addresses[0].addr_spec)

        def send() -> None:
            with smtplib.SMTP("127.0.0.1", self.post.smtp_port, timeout=30) as smtp:
                smtp.send_message(reply, from_addr=attendee, to_addrs=[organizer])

        await asyncio.to_thread(send)  # the post office lives in this loop

    def stored(self, user: str) -> list[icalendar.Event]:
        """Return the VEVENTs that lie in the person's calendar, read by plain HTTP."""
        assert self.server is not None
        bodies = self.server.events(user)
        return [event for body in bodies for event in icalendar.Calendar.from_ical(body).walk("VEVENT")]


def a_config(store_url: str, folder: Path, post: PostOffice, **more: str) -> Config:
    """Return settings for a service on the store, with the post office's servers, everything on loopback."""
    environ = {
        "SITZUNGSPLANER_SERVICE__DATA_DIR": str(folder),
        "SITZUNGSPLANER_STORE__URL": store_url,
        "SITZUNGSPLANER_MAIL__ADDRESS": PLANNER,
        "SITZUNGSPLANER_MAIL__SMTP__HOST": "127.0.0.1",
        "SITZUNGSPLANER_MAIL__SMTP__PORT": str(post.smtp_port),
        "SITZUNGSPLANER_MAIL__SMTP__SECURITY": "none",
        "SITZUNGSPLANER_MAIL__IMAP__HOST": "127.0.0.1",
        "SITZUNGSPLANER_MAIL__IMAP__PORT": str(post.imap_port),
        "SITZUNGSPLANER_MAIL__IMAP__SECURITY": "none",
        "SITZUNGSPLANER_MAIL__IMAP__USERNAME": USER,
        "SITZUNGSPLANER_MAIL__IMAP__PASSWORD": PASSWORD,
        **more,
    }
    return load_config(environ=environ).config


@asynccontextmanager
async def a_world(
    store_url: str, folder: Path, post: PostOffice, clock: ManualClock, server: CalendarServer | None = None, **more: str
) -> AsyncIterator[World]:
    """Start such a service, in step with the story's clock. `more` are settings as environment variables."""
    async with open_app(a_config(store_url, folder, post, **more), clock=clock, idle=timedelta(0)) as app:
        await app.prepare()
        yield World(app=app, clock=clock, post=post, server=server)


def _letter(data: bytes, envelope_from: str) -> Letter:
    mail = message_from_bytes(data, policy=SMTP)
    part = next((one for one in mail.walk() if one.get_content_type() == "text/calendar"), None)
    if part is None:
        return Letter(mail=mail, envelope_from=envelope_from, method="", events=())
    calendar = icalendar.Calendar.from_ical(part.get_content())
    assert part.get_param("method") == calendar["METHOD"]
    return Letter(mail=mail, envelope_from=envelope_from, method=str(calendar["METHOD"]), events=tuple(calendar.walk("VEVENT")))


def _reply(letter: Letter, attendee: str, partstat: str, at: datetime) -> EmailMessage:
    """An answer as Outlook shapes it: no ORGANIZER, the SEQUENCE that was asked with, one attendee."""
    asked = letter.events[0]
    lines = [
        "BEGIN:VCALENDAR",
        "PRODID:-//A calendar program//EN",
        "VERSION:2.0",
        "METHOD:REPLY",
        "BEGIN:VEVENT",
        f"UID:{asked['UID']}",
        f"DTSTAMP:{at.astimezone(UTC):%Y%m%dT%H%M%SZ}",
        f"SEQUENCE:{asked['SEQUENCE']}",
        f"ATTENDEE;PARTSTAT={partstat}:mailto:{attendee}",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    if "RECURRENCE-ID" in asked:
        lines.insert(8, f"RECURRENCE-ID:{asked['RECURRENCE-ID'].dt.astimezone(UTC):%Y%m%dT%H%M%SZ}")
    reply = EmailMessage(policy=SMTP)
    reply["From"] = attendee
    reply["To"] = str(letter.mail["From"])
    reply["Subject"] = "Zugesagt"
    reply["Date"] = format_datetime(at)
    reply["Message-ID"] = f"<{at.timestamp()}.{attendee}>"
    reply.set_content("\r\n".join(lines) + "\r\n", subtype="calendar", params={"method": "REPLY"})
    return reply
