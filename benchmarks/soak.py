"""A long life in a short time: the real service over connectors in memory and a clock that is moved, for some minutes.

Owners make entries, move, edit, cancel and delete them; attendees answer by mail; reminders fall due; calendars are written and
read; the mail server and the calendar server are away now and then. Printed is what was done, and how much memory and disk it
took. The number of living entries is bounded, so memory that grows all the same is a leak. Exit 1 if work was parked, or if
anything is owed in the end.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from connectors.memory.calendar import MemoryServer
from connectors.memory.mail import MemoryMailIn, MemoryMailOut, MemoryPost
from daemon import planner
from daemon.app import App, open_app
from daemon.config import load_config
from daemon.core import ics
from daemon.core.errors import Rejected
from daemon.core.imip import read_mail
from daemon.core.model import Attendee, Language, Sender, When
from daemon.logs import configure_logs
from daemon.planner.wishes import Changes, Draft
from daemon.ports import CalendarAccount
from daemon.secrets import encrypt
from daemon.store import work
from tests.clock import ManualClock

PLANNER = "planner@example.test"
PROCESSED = "Processed"
LIVING = 200
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata")
RULES = (None, None, None, "FREQ=WEEKLY;COUNT=6", "FREQ=DAILY;COUNT=5", "FREQ=MONTHLY;COUNT=3")
PARTSTATS = ("ACCEPTED", "ACCEPTED", "DECLINED", "TENTATIVE")


class Soak:
    """One run. `done` counts what happened."""

    def __init__(self, app: App, clock: ManualClock, post: MemoryPost, server: MemoryServer, *, seed: int) -> None:
        self.app, self.clock, self.post, self.server = app, clock, post, server
        self.done: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._owners: list[str] = []
        self._living: list[str] = []

    async def begin(self) -> None:
        """Three owners in three zones, each with a calendar."""
        await self.app.prepare()
        for name, zone in zip(("alice", "bob", "carol"), ZONES, strict=True):
            email = f"{name}@example.test"
            owner = await self._do(planner.add_owner, email=email, name=name.title(), language=Language.DE, zone=zone)
            self._owners.append(owner.id)
            await self._do(
                planner.add_calendar,
                owner.id,
                name="Kalender",
                kind="memory",
                url="https://calendar.test/",
                username=name,
                secret=encrypt(self.app.key, "secret"),
                sender=Sender.PLANNER,
                headers={},
                capabilities="{}",
            )
            await self.app.settle()

    async def round(self) -> None:
        """A handful of wishes, some answers, some time, and everything that falls due."""
        for _ in range(self._random.randrange(1, 6)):
            await self._wish()
        self._weather()
        self.clock.move(timedelta(minutes=self._random.choice((1, 2, 15, 60, 240))))
        await self.app.settle()
        self._answers()
        self._tidy()
        self.done["rounds"] += 1

    async def end(self) -> tuple[int, int]:
        """Let everything come to rest. Returns how much work is parked, and how much is owed although all servers answer."""
        self.post.reachable = self.server.reachable = True
        for _ in range(10):
            self.clock.move(timedelta(hours=1))
            await self.app.settle()
        now = self.clock.now()
        rows = await self.app.store.run(lambda tx: work.list_(tx, limit=1_000_000))
        return sum(row.due is None for row in rows), sum(row.due is not None and row.due <= now for row in rows)

    async def _do(self, use_case: Any, *given: Any, **named: Any) -> Any:
        return await self.app.store.run(lambda tx: use_case(tx, self.app.desk, *given, **named))

    async def _wish(self) -> None:
        if len(self._living) < LIVING // 2 or (len(self._living) < LIVING and self._random.random() < 0.4):
            await self._create()
            return
        entry_id = self._random.choice(self._living)
        wish = self._random.choice(("move", "move", "edit", "invite", "cancel", "delete", "delete"))
        try:
            await getattr(self, f"_{wish}")(entry_id)
        except Rejected as refused:  # such as: to move what is cancelled
            self.done["refused"] += 1
            if not str(refused):
                raise
        else:
            self.done[wish] += 1

    async def _create(self) -> None:
        zone, rule = self._random.choice(ZONES), self._random.choice(RULES)
        when = When(start=self._start(), zone=zone, duration=timedelta(minutes=self._random.choice((30, 60, 90))))
        draft = Draft(title=f"Termin {self.done['create']}", when=when, rrule=rule, attendees=self._people())
        made = await self._do(planner.create, self._random.choice(self._owners), draft)
        self._living.append(made.entry.id)
        self.done["create"] += 1

    async def _move(self, entry_id: str) -> None:
        await self._do(planner.move, entry_id, start=self._start())

    async def _edit(self, entry_id: str) -> None:
        await self._do(planner.edit, entry_id, Changes(title=f"Neuer Titel {self.done['edit']}", location="Raum 4"))

    async def _invite(self, entry_id: str) -> None:
        await self._do(planner.invite, entry_id, self._people())

    async def _cancel(self, entry_id: str) -> None:
        await self._do(planner.cancel, entry_id)

    async def _delete(self, entry_id: str) -> None:
        await self._do(planner.delete, entry_id)
        self._living.remove(entry_id)

    def _start(self) -> datetime:
        wall = self.clock.now().replace(tzinfo=None, hour=9, minute=0, second=0, microsecond=0)
        return wall + timedelta(days=self._random.randrange(1, 40), minutes=15 * self._random.randrange(32))

    def _people(self) -> tuple[Attendee, ...]:
        chosen = self._random.sample(range(500), self._random.randrange(5))
        return tuple(Attendee(email=f"gast{number}@kunde.test", name=f"Gast {number}") for number in chosen)

    def _weather(self) -> None:
        """Now and then a server is away; the next rounds bring it back."""
        for server in (self.post, self.server):
            if not server.reachable:
                server.reachable = self._random.random() < 0.5
            elif self._random.random() < 0.02:
                server.reachable = False
                self.done["servers away"] += 1

    def _answers(self) -> None:
        """Half of those who were asked answer at once."""
        for mail in self.post.sent:
            self.done["mails"] += 1
            if mail.recipient.endswith("@kunde.test") and b"method=REQUEST" in mail.data and self._random.random() < 0.5:
                self.post.deliver(PLANNER, self._reply(mail.data, mail.recipient))
                self.done["answers"] += 1
        self.post.sent.clear()

    def _reply(self, invitation: bytes, attendee: str) -> bytes:
        asked = ics.parse_calendar(read_mail(invitation).calendars[0].data).components[0]
        name = "" if asked.recurrence_id is None else f"RECURRENCE-ID:{asked.recurrence_id.astimezone(UTC):%Y%m%dT%H%M%SZ}\r\n"
        reply = EmailMessage(policy=SMTP)
        reply["From"], reply["To"], reply["Subject"] = attendee, PLANNER, "Antwort"
        reply["Date"], reply["Message-ID"] = format_datetime(self.clock.now()), f"<{self.clock.new_id()}@kunde.test>"
        reply.set_content(
            "BEGIN:VCALENDAR\r\nPRODID:-//Soak//EN\r\nVERSION:2.0\r\nMETHOD:REPLY\r\nBEGIN:VEVENT\r\n"
            f"UID:{asked.uid}\r\nDTSTAMP:{self.clock.now():%Y%m%dT%H%M%SZ}\r\nSEQUENCE:{asked.sequence}\r\n{name}"
            f"ATTENDEE;PARTSTAT={self._random.choice(PARTSTATS)}:mailto:{attendee}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
            subtype="calendar",
            params={"method": "REPLY"},
        )
        return reply.as_bytes()

    def _tidy(self) -> None:
        """What the world keeps is not the service's memory."""
        self.post.empty(PLANNER, PROCESSED)
        self.server.calls.clear()


def disk(folder: Path) -> float:
    """Return the size of a folder's files in MiB."""
    return sum(file.stat().st_size for file in folder.iterdir()) / 2**20


def memory() -> float:
    """Return the resident memory of this process in MiB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


async def soak(minutes: float, folder: Path, seed: int) -> int:
    clock = ManualClock(datetime(2027, 1, 4, 8, 0, tzinfo=UTC), seed=seed)
    post, server = MemoryPost(clock=clock), MemoryServer()
    post.add_mailbox(PLANNER)
    for name in ("alice", "bob", "carol"):
        server.add_person(name, f"{name}@example.test", "secret")

    def connecting(account: CalendarAccount) -> Any:
        return server.connector(account.username, account.password)

    environ = {"SITZUNGSPLANER_SERVICE__DATA_DIR": str(folder), "SITZUNGSPLANER_MAIL__ADDRESS": PLANNER}
    config = load_config(environ=environ).config
    mail_out, mail_in = MemoryMailOut(post), MemoryMailIn(post, PLANNER)
    async with open_app(config, clock=clock, mail_out=mail_out, mail_in=mail_in, idle=timedelta(0), connecting=connecting) as app:
        run = Soak(app, clock, post, server, seed=seed)
        await run.begin()
        began, told = time.monotonic(), 0
        warm: tuple[float, int] | None = None
        while (passed := time.monotonic() - began) < minutes * 60:
            await run.round()
            if warm is None and passed > minutes * 60 / 2:  # caches are filled by then
                warm = (memory(), run.done["create"])
            if passed // 10 >= told:
                told += 1
                print(f"{passed:6.0f} s  {clock.now():%Y-%m-%d}  {memory():7.1f} MiB  {_told(run.done)}", flush=True)
        parked, owed = await run.end()
        size = disk(folder)
    report(run.done, warm or (memory(), 0), size, clock.now())
    if parked or owed:
        print(f"{parked} pieces of work are parked, {owed} are owed although every server answers.")
    return 1 if parked or owed else 0


def report(done: Counter[str], warm: tuple[float, int], size: float, at: datetime) -> None:
    grown, entries = memory() - warm[0], done["create"] - warm[1]
    print(f"\nsimulated until {at:%Y-%m-%d}: {_told(done)}")
    print(f"memory after half of the time {warm[0]:.1f} MiB, at the end {warm[0] + grown:.1f} MiB")
    if entries:
        print(f"that is {grown / entries * 1000:+.2f} MiB per 1,000 entries; the data directory has {size:.1f} MiB")


def _told(done: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(done.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="how long (default: 10)")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another life")
    given = parser.parse_args()
    configure_logs(level="error", form="text")
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(asyncio.run(soak(given.minutes, Path(folder), given.seed)))


if __name__ == "__main__":
    main()
