"""LMTP on loopback and on a Unix socket, spoken to by the standard library's client and by hand."""

from __future__ import annotations

import asyncio
import contextlib
import re
import smtplib
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from connectors.lmtp.connector import LmtpServer
from daemon.core.errors import Unreachable

T = TypeVar("T")
MAIL = b"From: Anna <anna@kunde.test>\r\nTo: planner@example.test\r\nSubject: Zusage\r\n\r\nJa.\r\n.\r\n..\r\n"
TAKEN = (250, b"2.0.0 Taken: applied")
Delivered = tuple[list[int], list[tuple[int, bytes]]]
PLANNER, TOKEN = "planner@example.test", "planner+4711@example.test"


@dataclass
class Taker:
    """Takes mails as the test says."""

    taken: list[bytes] = field(default_factory=list)
    error: BaseException | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    may: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, data: bytes) -> str:
        self.begun.set()
        await self.may.wait()
        if self.error is not None:
            raise self.error
        self.taken.append(data)
        return "applied"


@dataclass(kw_only=True)
class Door:
    """A server that listens, and what it hands its mails to."""

    port: int
    taker: Taker
    serving: asyncio.Task[None]

    async def say(self, use: Callable[[smtplib.LMTP], T]) -> T:
        """Use a client, in a thread: the server lives in this loop."""

        def talk() -> T:
            with smtplib.LMTP("127.0.0.1", self.port, timeout=30) as client:
                return use(client)

        return await asyncio.to_thread(talk)

    async def deliver(self, *recipients: str, data: bytes = MAIL, sender: str = "anna@kunde.test") -> Delivered:
        """Deliver as a mail server does; the library's own `sendmail` reads one answer where LMTP has several."""
        return await self.say(lambda client: deliver(client, sender, recipients or (PLANNER,), data))


def deliver(client: smtplib.LMTP, sender: str, recipients: Sequence[str], data: bytes) -> Delivered:
    client.ehlo_or_helo_if_needed()
    client.mail(sender)
    refused = [code for code, _ in map(client.rcpt, recipients) if code != 250]
    client.putcmd("data")
    assert client.getreply()[0] == 354
    client.send(re.sub(rb"(?m)^\.", b"..", data) + b".\r\n")
    answers = [client.getreply() for _ in range(len(recipients) - len(refused))]
    assert client.noop()[0] == 250, "no answer is left over"
    return refused, answers


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    taker = Taker()
    taker.may.set()
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    serving = asyncio.create_task(LmtpServer(taker, most_bytes=100_000).serve(listener))
    yield Door(port=port, taker=taker, serving=serving)
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


async def test_a_mail_arrives_byte_for_byte_with_its_envelope_in_front(door: Door) -> None:
    assert await door.deliver() == ([], [TAKEN])
    trace = b"Return-Path: <anna@kunde.test>\r\nDelivered-To: planner@example.test\r\n"
    assert door.taker.taken == [trace + MAIL]


async def test_a_report_of_a_mail_server_comes_without_a_sender(door: Door) -> None:
    assert await door.deliver(TOKEN, sender="") == ([], [TAKEN])
    assert door.taker.taken[0].startswith(b"Return-Path: <>\r\nDelivered-To: planner+4711@example.test\r\n")


async def test_each_recipient_has_an_answer_and_the_mail_is_taken_once(door: Door) -> None:
    assert await door.deliver(PLANNER, TOKEN) == ([], [TAKEN, TAKEN])
    assert len(door.taker.taken) == 1


@pytest.mark.parametrize("error", [Unreachable("The database is away."), RuntimeError("a bug")], ids=["away", "a bug"])
async def test_what_cannot_be_taken_is_to_come_again_for_every_recipient(door: Door, error: BaseException) -> None:
    door.taker.error = error
    _, answers = await door.deliver(PLANNER, TOKEN)
    assert answers == [(451, b"4.3.0 This mail cannot be taken now. Try again later.")] * 2
    door.taker.error = None
    assert await door.deliver() == ([], [TAKEN])


async def test_it_answers_only_after_the_mail_was_taken(door: Door) -> None:
    door.taker.may.clear()
    delivering = asyncio.create_task(door.deliver())
    await door.taker.begun.wait()
    assert not delivering.done()
    door.taker.may.set()
    assert await delivering == ([], [TAKEN])


async def test_a_mail_that_is_too_large_is_refused_before_or_after_it_was_sent(door: Door) -> None:
    large = b"Subject: x\r\n\r\n" + b"x" * 70 * 2000

    def by_hand(client: smtplib.LMTP) -> list[int]:
        client.ehlo_or_helo_if_needed()
        announced = client.mail("anna@kunde.test", [f"size={len(large)}"])[0]
        client.mail("anna@kunde.test")
        for one in (PLANNER, TOKEN):
            client.rcpt(one)
        client.putcmd("data")
        client.getreply()
        client.send(b"Subject: x\r\n\r\n" + b"".join(b"x" * 70 + b"\r\n" for _ in range(2000)) + b".\r\n")
        return [announced, client.getreply()[0], client.getreply()[0], client.noop()[0]]

    assert await door.say(by_hand) == [552, 552, 552, 250]
    assert door.taker.taken == []


async def test_a_line_of_any_length_that_fits_is_taken(door: Door) -> None:
    assert await door.deliver(data=b"Subject: x\r\n\r\n" + b"x" * 20_000 + b"\r\n") == ([], [TAKEN])


async def test_it_is_no_smtp_server_and_signs_nobody_in(door: Door) -> None:
    def by_hand(client: smtplib.LMTP) -> list[int]:
        codes = [client.docmd("EHLO x")[0], client.docmd("DATA")[0], client.docmd("RCPT", "TO:<a@b.test>")[0]]
        client.ehlo_or_helo_if_needed()
        assert not client.has_extn("auth")
        assert client.has_extn("size")
        return [*codes, client.docmd("DATA")[0], client.docmd("nonsense")[0]]

    assert await door.say(by_hand) == [500, 503, 503, 503, 500]


async def test_too_many_recipients_are_put_off(door: Door) -> None:
    refused, answers = await door.deliver(*(f"planner+{number}@example.test" for number in range(101)))
    assert (refused, answers) == ([452], [TAKEN] * 100)
    assert len(door.taker.taken) == 1


async def test_at_the_end_a_mail_that_is_being_taken_is_answered_and_the_connections_are_gone(door: Door) -> None:
    door.taker.may.clear()
    delivering = asyncio.create_task(door.deliver())
    resting = socket.create_connection(("127.0.0.1", door.port), timeout=30)
    await door.taker.begun.wait()
    door.serving.cancel()
    await asyncio.sleep(0)  # so that the end has begun
    door.taker.may.set()
    with contextlib.suppress(asyncio.CancelledError):
        await door.serving
    assert len(door.taker.taken) == 1
    with contextlib.suppress(smtplib.SMTPServerDisconnected, ConnectionError):
        await delivering  # the answer may have been lost with the connection: then the mail comes again
    await asyncio.to_thread(_read_to_the_end, resting)


def _read_to_the_end(connection: socket.socket) -> None:
    with connection, contextlib.suppress(ConnectionError):
        while connection.recv(1000):
            pass


async def test_it_listens_on_a_unix_socket_just_as_well(tmp_path: Path) -> None:
    taker = Taker()
    taker.may.set()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(tmp_path / "lmtp.sock"))
    listener.listen()
    serving = asyncio.create_task(LmtpServer(taker, most_bytes=100_000).serve(listener))

    def talk() -> None:
        with smtplib.LMTP(str(tmp_path / "lmtp.sock")) as client:
            deliver(client, "anna@kunde.test", [PLANNER], MAIL)

    await asyncio.to_thread(talk)
    assert len(taker.taken) == 1
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
