"""The connectors on the servers that many of our users run: Cyrus, Postfix, Dovecot, from Debian's packages."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.caldav.connector import CalDavConnector
from connectors.imap.connector import ImapMail, ImapSettings
from connectors.smtp.connector import SmtpMail, SmtpSettings
from daemon.core.errors import Refused, Unreachable
from daemon.core.model import Event, Guest, Organizer, PartStat, Status
from daemon.demo.post import Delivered
from daemon.demo.servers import free_port
from daemon.ports import Capabilities, Security
from tests.connectors.certificates import Authority
from tests.connectors.contract import CalendarContract, an_event
from tests.connectors.mail_contract import (
    ANNA,
    LONG,
    PLANNER,
    MailInContract,
    MailOutContract,
    Put,
    a_message,
    an_outgoing,
    subjects,
)
from tests.connectors.test_caldav import CalDavHouse, FixedClock, answer_of
from tests.servers.cyrus import CyrusServer, cyrus
from tests.servers.debian import HOST
from tests.servers.dovecot import Dovecot, dovecot
from tests.servers.post import PASSWORD, USER
from tests.servers.postfix import DebianPost, Postfix, debian_post, postfix

pytestmark = pytest.mark.servers


# Cyrus


@pytest.fixture(scope="module")
def cyrus_server() -> Iterator[CyrusServer]:
    with cyrus() as server:
        yield server


class CyrusHouse(CalDavHouse):
    """A UID is taken in all calendars of a person: what a test made goes with it."""

    async def close(self) -> None:
        await super().close()
        with self.server.http("alice") as http:
            answer = http.delete(self.account.url)
        if answer.status_code != 500:  # what was made twice within one second cannot be deleted twice (3.6.1)
            answer.raise_for_status()


@pytest.fixture
async def cyrus_house(cyrus_server: CyrusServer) -> AsyncIterator[CyrusHouse]:
    house = CyrusHouse(cyrus_server)
    yield house
    await house.close()


class TestCyrus(CalendarContract):
    capabilities = Capabilities(product="Cyrus", schedules=True, sync_collection=True, addresses=("alice@example.test",))

    @pytest.fixture
    def house(self, cyrus_house: CyrusHouse) -> CyrusHouse:
        return cyrus_house


async def test_the_address_of_the_server_leads_to_the_persons_default_calendar(cyrus_server: CyrusServer) -> None:
    """Several collections stand in his home, calendars and those for scheduling; the server says which is his default."""
    for path in ("/", "/dav/", "/dav/principals/user/carol/", "/dav/calendars/user/carol/", "/dav/calendars/user/carol/Default"):
        connector = CalDavConnector(replace(cyrus_server.account("carol"), url=cyrus_server.origin + path), clock=FixedClock())
        try:
            created = await connector.create(an_event())
            assert created.ref.startswith("/dav/calendars/user/carol/Default/"), path
            await connector.delete(created.ref, created.version)
        finally:
            await connector.close()


async def test_a_calendar_made_anew_at_the_same_address_is_listed_completely(cyrus_house: CyrusHouse) -> None:
    calendar = cyrus_house.connector()
    await calendar.create(an_event(uid="old"))
    token = (await calendar.changes(None)).token
    with cyrus_house.server.http("alice") as http:
        http.delete(cyrus_house.account.url).raise_for_status()
        http.request("MKCALENDAR", cyrus_house.account.url).raise_for_status()
    listing = await calendar.changes(token)
    assert (listing.changed, listing.complete) == ((), True)


def a_meeting(uid: str, organizer: str, *guests: Guest) -> Event:
    return an_event(uid=uid, organizer=Organizer(email=organizer, name="Alice"), guests=guests)


def moved(event: Event | None, start: datetime, *, sequence: int = 1) -> Event:
    assert event is not None
    master = event.components[0]
    return Event(components=(replace(master, when=replace(master.when, start=start), sequence=sequence),))


@pytest.fixture
async def post() -> AsyncIterator[DebianPost]:
    async with debian_post() as made:
        yield made


@pytest.fixture
def scheduling(post: DebianPost) -> Iterator[CyrusServer]:
    """A server that hands its mails to Postfix."""
    with cyrus(smtp_port=post.smtp_port) as server:
        yield server


@pytest.fixture
async def alice(scheduling: CyrusServer) -> AsyncIterator[CalDavConnector]:
    connector = CalDavConnector(scheduling.account("alice"), clock=FixedClock())
    yield connector
    await connector.close()


@pytest.fixture
async def bob(scheduling: CyrusServer) -> AsyncIterator[CalDavConnector]:
    connector = CalDavConnector(scheduling.account("bob"), clock=FixedClock())
    yield connector
    await connector.close()


async def test_a_scheduling_server_invites_its_own_people_and_mails_the_others(
    post: DebianPost, alice: CalDavConnector, bob: CalDavConnector
) -> None:
    """What the planner decides by: in the organizer's copy Cyrus leaves ACCEPTED standing when the time changes."""
    his, hers = "bob@example.test", "zoe@kunde.test"
    guests = (
        Guest(email="alice@example.test", partstat=PartStat.ACCEPTED),
        Guest(email=his, rsvp=True),
        Guest(email=hers, rsvp=True),
    )
    token = (await alice.changes(None)).token
    created = await alice.create(a_meeting("meeting", "alice@example.test", *guests))
    assert created.version, "it gives no ETag with a meeting: the connector asks for it"
    assert {one: answer_of(created.event, one).schedule_status for one in (his, hers)} == {his: "1.2", hers: "1.1"}
    invitation = await found(bob, "meeting")
    assert answer_of(invitation.event, his).partstat is PartStat.NEEDS_ACTION

    await bob.update(invitation.ref, invitation.version, answered(invitation.event, his, PartStat.ACCEPTED))
    changes = await alice.changes(token)
    (seen,) = changes.changed
    assert seen.version != created.version
    assert answer_of(seen.event, his).partstat is PartStat.ACCEPTED
    assert (await alice.changes(changes.token)).changed == ()

    assert seen.event is not None
    later = await alice.update(seen.ref, seen.version, moved(seen.event, datetime(2026, 12, 2, 10)))
    assert answer_of(later.event, his).partstat is PartStat.ACCEPTED, "the organizer's copy"
    copy = await found(bob, "meeting")
    assert answer_of(copy.event, his).partstat is PartStat.NEEDS_ACTION
    told = [one.event.components[0].sequence for one in (invitation, copy)]
    assert told == [1, 2], "Cyrus tells what the connector writes, and the move is newer"

    await alice.delete(later.ref, later.version)
    copy = await found(bob, "meeting")
    assert copy.event.components[0].status is Status.CANCELLED
    await post.settle()
    assert [told_in(one) for one in post.mails(to=hers)] == [("REQUEST", "1"), ("REQUEST", "2"), ("CANCEL", "2")]
    assert {(one.envelope_from, one.recipient) for one in post.mails()} == {("alice@example.test", hers)}


@pytest.mark.parametrize("agent", ["CLIENT", None], ids=["told to be quiet", "told nothing"])
async def test_a_foreign_organizer_keeps_the_scheduling_server_quiet(
    post: DebianPost, scheduling: CyrusServer, alice: CalDavConnector, agent: str | None
) -> None:
    """The planner's own form: ORGANIZER is its mailbox, here in the domain of the calendar server itself."""
    guests = tuple(Guest(email=email, schedule_agent=agent, rsvp=True) for email in ("bob@example.test", "zoe@kunde.test"))
    created = await alice.create(a_meeting("quiet", PLANNER, *guests))
    updated = await alice.update(created.ref, created.version, moved(created.event, datetime(2026, 12, 2, 10)))
    told = answered(updated.event, "zoe@kunde.test", PartStat.DECLINED)
    updated = await alice.update(updated.ref, updated.version, told)
    await alice.delete(updated.ref, updated.version)

    thrown_away = replace(scheduling.account("alice"), url=f"{scheduling.origin}/dav/calendars/user/alice/second/")
    with scheduling.http("alice") as http:
        http.request("MKCALENDAR", thrown_away.url).raise_for_status()
        second = CalDavConnector(thrown_away, clock=FixedClock())
        await second.create(a_meeting("quiet-2", PLANNER, *guests))
        await second.close()
        http.delete(thrown_away.url).raise_for_status()
    await post.settle()
    assert scheduling.events("bob") == []
    assert post.mails() == ()
    assert post.mailboxes.mails(USER) == []


async def found(connector: CalDavConnector, uid: str) -> Any:
    item = await connector.find(uid)
    assert item is not None
    assert item.event is not None
    return item


def answered(event: Event | None, email: str, partstat: PartStat) -> Event:
    """The copy as the attendee's calendar program writes it when he has clicked."""
    assert event is not None
    master = event.components[0]
    guests = tuple(replace(one, partstat=partstat, rsvp=False) if one.email == email else one for one in master.guests)
    return Event(components=(replace(master, guests=guests),))


def calendar_of(mail: Delivered) -> bytes:
    part = next(one for one in mail.message.walk() if one.get_content_type() == "text/calendar")
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


def told_in(mail: Delivered) -> tuple[str, str]:
    """METHOD and SEQUENCE of a mail."""
    lines = dict(line.split(":", 1) for line in calendar_of(mail).decode().splitlines() if ":" in line)
    return lines["METHOD"], lines["SEQUENCE"]


# Postfix


class Policy:
    """A policy service (SMTPD_POLICY_README) in the test's own loop: what it says of a recipient, Postfix tells the sender."""

    def __init__(self) -> None:
        self._refused: set[str] = set()
        self._deferred: list[str] = []
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Policy:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    def refuse(self, recipient: str) -> None:
        self._refused.add(recipient)

    def defer(self, recipient: str) -> None:
        self._deferred.append(recipient)

    def _verdict(self, recipient: str) -> str:
        if recipient in self._refused:
            return "REJECT 5.1.1 Nobody of this name"
        if recipient in self._deferred:
            self._deferred.remove(recipient)
            return "DEFER 4.2.1 Try again later"
        return "DUNNO"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                question = dict(line.split("=", 1) for line in (await reader.readuntil(b"\n\n")).decode().split("\n") if line)
                writer.write(f"action={self._verdict(question['recipient'])}\n\n".encode())


class PostfixHouse:
    """Postfix, asked by a policy for each recipient, in front of Dovecot with the mailboxes of Anna and Berta."""

    def __init__(self, smarthost: Postfix, boxes: Dovecot) -> None:
        self.smarthost = smarthost
        self.boxes = boxes

    def delivered(self, recipient: str) -> list[bytes]:
        """What lies in the recipient's mailbox as soon as Postfix has handed on everything, without the marks of the way."""
        self.smarthost.wait_until_drained()
        return [_TRACE.sub(b"", one) for one in self.boxes.mails(recipient.split("@", maxsplit=1)[0])]


# Only the lines that each server on the way puts on top (RFC 5321 4.4): below them, every byte has to be the sender's.
_TRACE = re.compile(rb"\A(?:(?:Return-Path|Delivered-To|Received):[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)+")


@pytest.fixture
async def policy() -> AsyncIterator[Policy]:
    async with Policy() as made:
        yield made


@pytest.fixture
def postfix_house(policy: Policy) -> Iterator[PostfixHouse]:
    people = {"anna": PASSWORD, "berta": PASSWORD}
    with dovecot(people) as boxes:
        local = {f"{name}@example.test": boxes.lmtp_port for name in people}
        with postfix(relay_port=free_port(), local=local, policy_port=policy.port) as smarthost:
            yield PostfixHouse(smarthost, boxes)


class TestPostfix(MailOutContract):
    @pytest.fixture
    async def out(self, postfix_house: PostfixHouse) -> AsyncIterator[SmtpMail]:
        mail = SmtpMail(SmtpSettings(host=HOST, port=postfix_house.smarthost.smtp_port, security=Security.NONE))
        yield mail
        await mail.close()

    @pytest.fixture
    def delivered(self, postfix_house: PostfixHouse) -> Callable[[str], list[bytes]]:
        return postfix_house.delivered

    @pytest.fixture
    def refuse(self, policy: Policy) -> Callable[[str], None]:
        return policy.refuse

    @pytest.fixture
    def defer(self, policy: Policy) -> Callable[[str], None]:
        return policy.defer

    async def test_its_words_come_with_the_refusal(self, out: SmtpMail, policy: Policy) -> None:
        policy.refuse(ANNA)
        with pytest.raises(Refused, match=r"554 5\.1\.1 <anna@example\.test>: Recipient address rejected: Nobody of this name"):
            await out.send(an_outgoing(ANNA))

    async def test_a_server_that_has_closed_the_resting_connection_gets_the_next_mail_over_a_new_one(
        self, out: SmtpMail, postfix_house: PostfixHouse
    ) -> None:
        await out.send(an_outgoing(ANNA, "eins"))
        postfix_house.smarthost.wait_until_drained()  # killed at the wrong moment, it would deliver a mail twice
        postfix_house.smarthost.restart()
        await out.send(an_outgoing(ANNA, "zwei"))
        assert subjects(postfix_house.delivered(ANNA)) == ["eins", "zwei"]


class TestSignIn:
    """Postfix asks Dovecot who may send, and takes a password over TLS only."""

    @pytest.fixture
    def authority(self, tmp_path: Path) -> Authority:
        return Authority(tmp_path / "authority")

    @pytest.fixture
    def boxes(self, authority: Authority) -> Iterator[Dovecot]:
        with dovecot(certificate=authority.server_file) as boxes:
            yield boxes

    @pytest.fixture
    def guarded(self, authority: Authority, boxes: Dovecot) -> Iterator[Postfix]:
        local = {PLANNER: boxes.lmtp_port}
        certificate = authority.server_file
        with postfix(relay_port=free_port(), local=local, certificate=certificate, sasl_port=boxes.sasl_port) as server:
            yield server

    @pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
    async def test_mails_pass_after_signing_in_and_are_read_after_signing_in(
        self, security: Security, authority: Authority, boxes: Dovecot, guarded: Postfix
    ) -> None:
        port = guarded.smtp_port if security is Security.STARTTLS else guarded.smtps_port
        account = {"host": HOST, "security": security, "username": USER, "password": PASSWORD, "ca_file": authority.file}
        out = SmtpMail(SmtpSettings(port=port, **account))
        await out.send(an_outgoing(PLANNER, "sicher"))
        await out.close()
        guarded.wait_until_drained()
        box = ImapMail(ImapSettings(port=boxes.imap_port if security is Security.STARTTLS else boxes.imaps_port, **account))
        assert subjects([one.data for one in (await box.fetch(None)).mails]) == ["sicher"]
        await box.close()

    async def test_a_wrong_password_and_no_password_are_refused(
        self, authority: Authority, boxes: Dovecot, guarded: Postfix
    ) -> None:
        settings = SmtpSettings(host=HOST, port=guarded.smtp_port, username=USER, password="falsch", ca_file=authority.file)
        with pytest.raises(Refused, match=r"mail\.smtp\.password"):
            await SmtpMail(settings).send(an_outgoing(PLANNER))
        nameless = SmtpMail(replace(settings, username="", password=""))
        with pytest.raises(Refused, match=r"554 5\.7\.1 .*whether mail\.smtp\.username is set"):
            await nameless.send(an_outgoing(PLANNER))
        await nameless.close()
        mailbox = ImapSettings(host=HOST, port=boxes.imaps_port, username=USER, password="falsch", ca_file=authority.file)
        with pytest.raises(Refused, match=r"mail\.imap\.password"):
            await ImapMail(mailbox).check()


# Dovecot


@pytest.fixture
def mailboxes() -> Iterator[Dovecot]:
    with dovecot() as server:
        yield server


@pytest.fixture
async def box(mailboxes: Dovecot) -> AsyncIterator[ImapMail]:
    box = ImapMail(ImapSettings(host=HOST, port=mailboxes.imap_port, security=Security.NONE, username=USER, password=PASSWORD))
    yield box
    await box.close()


@pytest.fixture
def put(mailboxes: Dovecot) -> Callable[[bytes], Awaitable[None]]:
    return lambda data: asyncio.to_thread(mailboxes.append, USER, data)


class TestDovecot(MailInContract):
    @pytest.fixture
    def folder(self, mailboxes: Dovecot) -> Callable[[str], Awaitable[list[bytes]]]:
        return lambda name: asyncio.to_thread(mailboxes.mails, USER, name)

    async def test_a_mail_that_a_mail_server_brings_ends_the_waiting(self, box: ImapMail, mailboxes: Dovecot) -> None:
        await box.fetch(None)
        waiting = asyncio.create_task(box.wait(LONG))
        await asyncio.sleep(0)
        await asyncio.to_thread(mailboxes.deliver, a_message("Zusage"), to="planner+7f3a@example.test")
        assert await waiting is True
        (mail,) = (await box.fetch(None)).mails
        assert mail.data.startswith(b"Return-Path: <anna@example.test>\r\nDelivered-To: planner+7f3a@example.test\r\n")
        assert subjects([mail.data]) == ["Zusage"]

    async def test_folders_may_have_any_letters_and_levels(self, box: ImapMail, mailboxes: Dovecot, put: Put) -> None:
        """Its levels are parted by a dot here, not by a slash."""
        await put(a_message("eins"))
        (mail,) = (await box.fetch(None)).mails
        await box.file(mail.mark, "Verarbeitet/Älteres & mehr")
        assert subjects(await asyncio.to_thread(mailboxes.mails, USER, '"Verarbeitet.&AMQ-lteres &- mehr"')) == ["eins"]

    async def test_its_end_during_the_waiting_is_told_and_after_its_return_nothing_is_lost(
        self, box: ImapMail, mailboxes: Dovecot, put: Put
    ) -> None:
        await put(a_message("vorher"))
        (before,) = (await box.fetch(None)).mails
        waiting = asyncio.create_task(box.wait(LONG))
        await asyncio.sleep(0)
        await asyncio.to_thread(mailboxes.stop)
        with pytest.raises(Unreachable):
            await waiting
        with pytest.raises(Unreachable):
            await box.fetch(before.mark)
        await asyncio.to_thread(mailboxes.start_again)
        await put(a_message("nachher"))
        batch = await box.fetch(before.mark)
        assert (batch.rescanned, subjects([one.data for one in batch.mails])) == (False, ["nachher"])
