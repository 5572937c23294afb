"""The whole examination on real servers: in order, with the service at work, and with each fault, which hides no other part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from daemon import connections
from daemon.clock import SystemClock
from daemon.config import load_config
from daemon.core.model import Sender
from daemon.core.organizer import OrganizerForm
from daemon.demo.post import PostOffice
from daemon.demo.servers import CalendarServer
from daemon.doctor import Field, Finding, Level, Means, examine, means_for
from daemon.ports import Batch, MailIn, Mark
from daemon.secrets import encrypt
from daemon.store import calendars, inbox, settings
from tests.doctor.tables import the
from tests.doctor.test_domain import Table
from tests.servers.post import PASSWORD, PLANNER, USER, post_office
from tests.servers.radicale import radicale
from tests.servers.xandikos import xandikos
from tests.stories.world import World, a_world

__all__ = ["post_office"]

on_sqlite = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[CalendarServer]:
    with radicale(tmp_path / "radicale") as started:
        yield started


@pytest.fixture
async def world(store_url: str, tmp_path: Path, post_office: PostOffice, server: CalendarServer) -> AsyncIterator[World]:
    """A service by this machine's clock with one owner and her calendar, synced once."""
    clock = SystemClock()
    async with a_world(store_url, tmp_path / "data", post_office, clock, server) as made:  # type: ignore[arg-type]
        owner = await made.owner("alice@example.test")
        await made.calendar(owner, "alice")
        await made.app.settle()
        yield made


def means(world: World, **environ: str) -> Means:
    """Return what the doctor works with beside a service that stands still, with some settings changed."""
    given = {f"SITZUNGSPLANER_{name}": value for name, value in environ.items()}
    base = {
        "SITZUNGSPLANER_SERVICE__DATA_DIR": str(world.app.config.service.data_dir),
        "SITZUNGSPLANER_MAIL__ADDRESS": PLANNER,
        "SITZUNGSPLANER_MAIL__SMTP__HOST": "127.0.0.1",
        "SITZUNGSPLANER_MAIL__SMTP__PORT": str(world.post.smtp_port),
        "SITZUNGSPLANER_MAIL__SMTP__SECURITY": "none",
        "SITZUNGSPLANER_MAIL__IMAP__HOST": "127.0.0.1",
        "SITZUNGSPLANER_MAIL__IMAP__PORT": str(world.post.imap_port),
        "SITZUNGSPLANER_MAIL__IMAP__SECURITY": "none",
        "SITZUNGSPLANER_MAIL__IMAP__USERNAME": USER,
        "SITZUNGSPLANER_MAIL__IMAP__PASSWORD": PASSWORD,
    }
    app = world.app
    made = means_for(
        load_config(environ=base | given).config,
        clock=app.desk.clock,
        store=app.store,
        running=True,
        smtp=connections.smtp,
        imap=connections.imap,
        connecting=app.connecting,
    )
    return replace(made, patience=timedelta(seconds=15))


def about_us(findings: tuple[Finding, ...], world: World) -> list[Finding]:
    """Return all findings but those about this machine: its disk, its own zone rules."""
    machine = {str(world.app.config.service.data_dir), "tzdata"}
    return [one for one in findings if one.where not in machine]


def bad(findings: tuple[Finding, ...], world: World) -> list[tuple[str, str]]:
    """Return (level, where) of what is not in order, notes left out."""
    wanted = (Level.WARNING, Level.PROBLEM)
    return [(one.level.value, one.where) for one in about_us(findings, world) if one.level in wanted]


async def test_a_service_in_order_is_told_so_in_every_field(world: World) -> None:
    before = await world.app.store.run(lambda tx: settings.get(tx, settings.MAILBOX))
    findings = await examine(means(world), quick=False)
    assert bad(findings, world) == [], findings
    assert {one.field for one in findings if one.level is Level.OK} == set(Field) - {Field.DOMAIN}
    the(findings, Level.OK, "A mail to ourselves arrived after")
    the(findings, Level.OK, "Radicale answers, sends no invitations, tells what changed, last synced")
    the(findings, Level.OK, f"opens INBOX in clear on this machine, signed in as {USER}; it knows IDLE, MOVE, UIDPLUS")
    the(findings, Level.OK, "takes mails up to 32 MiB")
    the(findings, Level.OK, ", as the mail server's")
    the(findings, Level.NOTE, "example.test is not a domain of the public internet")
    assert await world.app.store.run(lambda tx: settings.get(tx, settings.MAILBOX)) == before, "the inbox loop's mark was touched"
    assert await world.app.store.run(lambda tx: inbox.list_(tx)) == ()
    assert world.server is not None
    assert world.server.events("alice") == [], "the probe left something behind"

    assert world.app.inbox is not None
    await world.app.inbox.read()  # what the inbox loop does with it afterwards
    (mail,) = await world.app.store.run(lambda tx: inbox.list_(tx))
    assert (mail.outcome, mail.sender, mail.subject.startswith("Sitzungsplaner doctor")) == ("auto", PLANNER, True)


@on_sqlite
async def test_a_second_examination_is_not_content_with_the_first_one_s_mail(world: World) -> None:
    for _ in range(2):
        the(await examine(means(world), quick=False), Level.OK, "A mail to ourselves arrived")
    assert len({one.message["Message-ID"] for one in world.post.mails(to=PLANNER)}) == 2


@on_sqlite
async def test_a_quick_examination_sends_nothing(world: World) -> None:
    findings = await examine(means(world), quick=True)
    assert bad(findings, world) == []
    assert world.post.mails(to=PLANNER) == ()
    assert not any("No damage" in one.what for one in findings)


async def test_the_service_examines_itself_while_its_loops_read_the_mailbox(world: World) -> None:
    """The inbox loop may take the mail in and file it before the doctor looks; both ways it came."""
    stop = asyncio.Event()

    async def loops() -> None:
        while not stop.is_set():
            await world.app.settle()
            await asyncio.sleep(0.01)

    async def read_often() -> None:
        assert world.app.inbox is not None
        while not stop.is_set():
            await world.app.inbox.read()

    tasks = [asyncio.create_task(loops()), asyncio.create_task(read_often())]
    try:
        found = await world.app.examine(quick=False)
    finally:
        stop.set()
        await asyncio.gather(*tasks)
    trip = next(one for one in found if one["where"] == "mail.address")
    assert trip["level"] == "ok", trip
    mails = await world.app.store.run(lambda tx: inbox.list_(tx))
    assert {one.outcome for one in mails} <= {"auto", "ignored"}
    assert any(one.outcome == "auto" for one in mails)


class Later:
    """A mailbox that is looked into only after `before` was done: the loops of the service were faster."""

    def __init__(self, box: MailIn, before: Callable[[], Awaitable[object]]) -> None:
        self._box, self._before = box, before
        self.probe, self.wait, self.file, self.check, self.close = box.probe, box.wait, box.file, box.check, box.close

    async def fetch(self, after: Mark | None, *, most: int = 50) -> Batch:
        await self._before()
        return await self._box.fetch(after, most=most)


async def test_a_mail_that_the_inbox_loop_has_filed_already_came_all_the_same(world: World) -> None:
    inbox_loop = world.app.inbox
    assert inbox_loop is not None
    given = means(world)
    box = connections.imap(given.config)
    assert box is not None
    findings = await examine(replace(given, mail_in=lambda: Later(box, inbox_loop.read)), quick=False)
    assert "DKIM" not in the(findings, Level.OK, "A mail to ourselves arrived after").what, "itself it saw nothing"
    (mail,) = await world.app.store.run(lambda tx: inbox.list_(tx))
    assert mail.outcome == "auto"


@on_sqlite
async def test_a_store_that_goes_away_while_the_mail_is_awaited_leaves_the_mailbox_to_tell(world: World) -> None:
    given = means(world)
    box = connections.imap(given.config)
    assert box is not None
    looks: list[Batch] = []

    class Slow(Later):
        async def fetch(self, after: Mark | None, *, most: int = 50) -> Batch:
            looks.append(Batch(mails=()))
            return await super().fetch(after, most=most) if len(looks) > 1 else looks[0]

    async def drop() -> None:
        await world.app.store.run(lambda tx: tx.exec_driver_sql("DROP TABLE IF EXISTS inbox"))

    await drop()
    findings = await examine(replace(given, mail_in=lambda: Slow(box, drop)), quick=False)
    the(findings, Level.OK, "A mail to ourselves arrived after")


# What is changed in the settings; the levels and places that follow; a piece of what is said and of the remedy.
FAULTS = {
    "a wrong password of the mailbox": (
        {"MAIL__IMAP__PASSWORD": "geheim-und-falsch"},
        [("problem", "mail.imap")],
        "the sign-in",
        "Check mail.imap.username and mail.imap.password.",
    ),
    "a mailbox that is not there": (
        {"MAIL__IMAP__MAILBOX": "Antworten"},
        [("problem", "mail.imap")],
        "to open Antworten",
        "mail.imap.mailbox",
    ),
    "TLS that the mailbox refuses": (
        {"MAIL__IMAP__SECURITY": "tls"},
        [("problem", "mail.imap")],
        "cannot be reached",
        "mail.imap.security",
    ),
    "TLS that the mail server refuses": (
        {"MAIL__SMTP__SECURITY": "starttls"},
        [("problem", "mail.smtp")],
        "does not offer STARTTLS",
        "Set mail.smtp.security",
    ),
    "a sign-in the mail server does not know": (
        {"MAIL__SMTP__USERNAME": "planner", "MAIL__SMTP__PASSWORD": "geheim-und-falsch"},
        [("problem", "mail.smtp")],
        "mail server 127.0.0.1",
        "mail.smtp",
    ),
    "a mail server that is not there": (
        {"MAIL__SMTP__PORT": "9"},
        [("problem", "mail.smtp")],
        "cannot be reached",
        "mail.smtp.port",
    ),
    "both away": (
        {"MAIL__SMTP__PORT": "9", "MAIL__IMAP__PORT": "9"},
        [("problem", "mail.smtp"), ("problem", "mail.imap")],
        "mailbox server 127.0.0.1:9 cannot be reached",
        "mail.imap.port",
    ),
}


@on_sqlite
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_told_where_it_is_and_hides_nothing_else(fault: str, world: World) -> None:
    environ, expected, piece, remedy = FAULTS[fault]
    findings = await examine(means(world, **environ), quick=False)
    assert bad(findings, world) == expected
    found = next(one for one in findings if one.level is Level.PROBLEM and piece in one.what)
    assert remedy in found.remedy
    assert "tried again" not in f"{found.what} {found.remedy}"
    assert "geheim" not in str(findings)
    the(findings, Level.OK, "Radicale answers")
    assert not any("A mail to ourselves" in one.what for one in findings), "nothing is sent where one of the two is missing"


@on_sqlite
async def test_a_calendar_server_that_stands_still_is_told_with_what_the_others_say(world: World) -> None:
    assert world.server is not None
    world.server.stop()
    findings = await examine(means(world), quick=False)
    assert bad(findings, world) == [("warning", "Kalender (alice@example.test)")]
    the(findings, Level.WARNING, "could not be reached")
    the(findings, Level.OK, "A mail to ourselves arrived")


@on_sqlite
async def test_calendars_of_which_one_has_a_wrong_password_and_one_the_wrong_sender(world: World) -> None:
    def change(tx: sa.Connection) -> None:
        (good,) = calendars.all_(tx)
        wrong = encrypt(world.app.key, "geheim-und-falsch")
        calendars.insert(tx, replace(good, id="1" * 32, name="Falsch", secret=wrong))
        calendars.insert(tx, replace(good, id="2" * 32, name="Sender", sender=Sender.CALENDAR))

    await world.app.store.run(change)
    findings = await examine(means(world), quick=True)
    assert bad(findings, world) == [("problem", f"{name} (alice@example.test)") for name in ("Falsch", "Sender")]
    assert "password" in the(findings, Level.PROBLEM, "Falsch (").what
    assert "nobody is invited" in the(findings, Level.PROBLEM, "Sender (").what
    the(findings, Level.OK, "Kalender (alice@example.test)")
    assert "geheim" not in str(findings)


@on_sqlite
async def test_a_calendar_whose_server_invites_is_told_so(store_url: str, tmp_path: Path, post_office: PostOffice) -> None:
    with xandikos(tmp_path / "xandikos") as other:
        clock = SystemClock()
        async with a_world(store_url, tmp_path / "data", post_office, clock, other) as world:  # type: ignore[arg-type]
            await world.calendar(await world.owner("alice@example.test"), "alice", sender=Sender.CALENDAR)
            await world.app.settle()
            findings = await examine(means(world), quick=True)
    assert bad(findings, world) == []
    the(findings, Level.OK, "Xandikos answers, invites by itself, tells what changed")


@on_sqlite
async def test_a_domain_is_asked_about(world: World) -> None:
    table = Table({"example-company.de": ("v=spf1 -all",)}, ("aspmx.l.google.com",))
    given = replace(means(world), dns=table, domain="example-company.de")
    findings = await examine(given, quick=True)
    the(findings, Level.WARNING, "is at Google")
    the(findings, Level.WARNING, "no DKIM key")
    the(findings, Level.OK, "SPF: v=spf1 -all")


@on_sqlite
async def test_where_owners_are_the_organizers_their_domains_are_asked_about(world: World) -> None:
    await world.owner("petra@example-company.de")
    table = Table({}, ("aspmx.l.google.com",))
    owner = world.app.config.mail.model_copy(update={"organizer": OrganizerForm.OWNER})
    given = replace(means(world), dns=table, domain="", config=world.app.config.model_copy(update={"mail": owner}))
    findings = await examine(given, quick=True)
    assert the(findings, Level.WARNING, "Owners' mail at example-company.de is at Google").where == "example-company.de"
    assert "aspmx" not in str(await examine(replace(given, store=None), quick=True))


@on_sqlite
async def test_without_a_store_and_without_mail_the_rest_is_still_told(world: World) -> None:
    findings = await examine(replace(means(world), store=None, mail_in=None, mail_out=None, domain=""), quick=False)
    assert {one.field for one in findings} == {Field.CONFIGURATION, Field.CLOCK}


@on_sqlite
async def test_a_fault_of_ours_is_told_and_hides_nothing_else(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> None:
        raise KeyError("ours")

    given = replace(means(world), mail_out=broken)  # type: ignore[arg-type]
    findings = await examine(given, quick=False)
    assert bad(findings, world) == [("problem", "")]
    assert "a fault of sitzungsplaner, not yours (KeyError)" in the(findings, Level.PROBLEM, "fault").what
    the(findings, Level.OK, "Radicale answers")
    assert "KeyError" in capsys.readouterr().out


@on_sqlite
async def test_a_database_that_went_away_is_told(world: World) -> None:
    await world.app.store.run(lambda tx: tx.exec_driver_sql("DROP TABLE link"))
    findings = await examine(means(world), quick=True)
    assert ("problem", "store.url") in bad(findings, world)
    the(findings, Level.OK, "signed in as planner")
