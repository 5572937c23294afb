"""A small post office for the demonstration and the tests: an SMTP server that takes every mail, and real IMAP mailboxes.

Mails to local addresses land in a mailbox of pymap by APPEND before the sender gets its 250; all mails are kept, per recipient,
as bytes. Plus-addresses (planner+token@…) belong to the same mailbox. The SMTP server can be told to misbehave.
Only on loopback, with fixed passwords: nothing here is for real use.
"""

from __future__ import annotations

import asyncio
import contextlib
import imaplib
import itertools
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from daemon.clock import SystemClock
from daemon.core.addresses import same
from daemon.demo.servers import ServerProcess

if TYPE_CHECKING:
    from daemon.demo.smtpd import Connection

HOST = "127.0.0.1"
_IMAP_PATIENCE = 30.0  # seconds


class MissingPackageError(RuntimeError):
    """A package of the extra `demo` is not installed; the text says which and how to get it."""


class At(StrEnum):
    """The moment of a mail's way at which the post office misbehaves."""

    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    DOT = "DOT"  # after the whole mail was read, in place of the answer


class Act(StrEnum):
    ANSWER = "answer"
    DROP = "drop"
    HANG = "hang"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A mail the office took responsibility for, once for each recipient. `at` is in UTC."""

    envelope_from: str
    recipient: str
    data: bytes
    at: datetime

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.data, policy=SMTP_POLICY)


@dataclass(slots=True, kw_only=True)
class _Fault:
    at: At
    act: Act
    address: str | None
    answer: str
    times: int | None


class Mailboxes:
    """pymap knows one user: each local address gets a process of its own. Its mails live as long as the process."""

    def __init__(self, local: Mapping[str, tuple[str, str]], folder: Path) -> None:
        self._local = dict(local)
        self._folder = folder
        self._processes: dict[str, ServerProcess] = {}
        self.ports: dict[str, int] = {}

    def start(self, address: str) -> None:
        """Start the mailbox of an address, empty, under a new UIDVALIDITY."""
        user, password = self._local[address]
        number = list(self._local).index(address)
        process = ServerProcess(self._folder, f"pymap-{number}")

        def arguments(port: int) -> list[str]:
            program = "from pymap.main import main; main()"
            where = ["--host", HOST, "--port", str(port), "--no-tls"]
            return ["-c", program, *where, "dict", "--demo-user", user, "--demo-password", password]

        def answers(port: int) -> bool:
            try:
                with imaplib.IMAP4(HOST, port, timeout=_IMAP_PATIENCE):
                    return True
            except (OSError, imaplib.IMAP4.error):
                return False

        self.ports[address] = process.start(arguments, answers)
        self._processes[address] = process

    def stop(self, address: str) -> None:
        self._processes.pop(address).stop()

    def stop_all(self) -> None:
        for address in list(self._processes):
            self.stop(address)

    def box_of(self, recipient: str) -> str | None:
        """The local address whose mailbox a mail to this recipient belongs to, or None."""
        name, _, domain = recipient.rpartition("@")
        plain = f"{name.partition('+')[0]}@{domain}"
        return next((address for address in self._local if same(address, recipient) or same(address, plain)), None)

    def append(self, address: str, data: bytes) -> None:
        """Put a mail into the mailbox of an address. Blocks; raises OSError or imaplib.IMAP4.error."""
        with imaplib.IMAP4(HOST, self.ports[address], timeout=_IMAP_PATIENCE) as imap:
            imap.login(*self._local[address])
            answer, words = imap.append("INBOX", "", "", data)
            if answer != "OK":
                raise imaplib.IMAP4.error(f"APPEND to {address}: {words!r}")


class PostOffice:
    """`async with PostOffice(local={address: (user, password)}) as post:` – SMTP on `smtp_port`, IMAP on `imap_port`.

    `directory` also gets every mail as a numbered .eml file. `tls` offers STARTTLS, or speaks TLS at once where `tls_at_once`;
    `sign_in` demands that user and password; `size_limit` (bytes) is announced. Raises MissingPackageError on entering.
    """

    def __init__(
        self,
        local: Mapping[str, tuple[str, str]] | None = None,
        *,
        directory: Path | None = None,
        tls: ssl.SSLContext | None = None,
        tls_at_once: bool = False,
        sign_in: tuple[str, str] | None = None,
        size_limit: int = 32 * 1024 * 1024,
    ) -> None:
        self._directory = directory
        self._tls = tls
        self._tls_at_once = tls_at_once
        self._sign_in = sign_in
        self._size_limit = size_limit
        self._clock = SystemClock()
        self._folder = tempfile.TemporaryDirectory(prefix="sitzungsplaner-post-", ignore_cleanup_errors=True)
        self._mailboxes = Mailboxes(local or {}, Path(self._folder.name))
        self._local = tuple(local or ())
        self._server: asyncio.Server | None = None
        self._open: set[Connection] = set()
        self._faults: list[_Fault] = []
        self._delivered: list[Delivered] = []
        self._news = asyncio.Condition()
        self._numbers = itertools.count(1)
        self.smtp_port = 0
        self.connections = 0
        self.most_at_once = 0
        self.hanging = 0

    async def __aenter__(self) -> Self:
        try:
            await self.open_smtp()
            for address in self._local:
                await self.open_mailbox(address)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._stop()

    async def _stop(self) -> None:
        await self.close_smtp()
        await asyncio.to_thread(self._mailboxes.stop_all)
        self._folder.cleanup()

    # mails

    def mails(self, *, to: str | None = None, since: datetime | None = None) -> tuple[Delivered, ...]:
        """What was delivered, in order: to this recipient (as the envelope named it), from this moment on."""
        wanted = self._delivered if to is None else [one for one in self._delivered if same(one.recipient, to)]
        return tuple(one for one in wanted if since is None or one.at >= since)

    async def wait_for(self, to: str, count: int = 1, timeout: float = 10.0) -> tuple[Delivered, ...]:  # noqa: ASYNC109 - the caller's patience, in seconds
        """Return the mails to a recipient as soon as there are `count`. Raises TimeoutError that says what came instead."""
        try:
            async with asyncio.timeout(timeout), self._news:
                await self._news.wait_for(lambda: len(self.mails(to=to)) >= count)
        except TimeoutError:
            came = ", ".join(f"{one.recipient}: {one.message['Subject']}" for one in self._delivered) or "nothing"
            raise TimeoutError(f"{len(self.mails(to=to))} of {count} mails to {to} in {timeout} s. Delivered: {came}.") from None
        return self.mails(to=to)

    async def deliver(self, mail: Delivered) -> None:
        """Take a mail: into the mailbox if the recipient is local, into the list and the directory in any case."""
        box = self._mailboxes.box_of(mail.recipient)
        if box is not None:
            await asyncio.to_thread(self._mailboxes.append, box, mail.data)
        if self._directory is not None:
            path = self._directory / f"{next(self._numbers):04}-{mail.recipient.replace('/', '_')}.eml"
            await asyncio.to_thread(_write, path, mail.data)
        async with self._news:
            self._delivered.append(mail)
            self._news.notify_all()

    # mailboxes

    @property
    def imap_port(self) -> int:
        """The port of the first local address."""
        return self.imap_port_of(self._local[0])

    def imap_port_of(self, address: str) -> int:
        return self._mailboxes.ports[address]

    async def open_mailbox(self, address: str) -> None:
        """Start the IMAP server of a local address: empty, on a new port, with a new UIDVALIDITY."""
        _need("pymap")
        await asyncio.to_thread(self._mailboxes.start, address)

    async def close_mailbox(self, address: str) -> None:
        await asyncio.to_thread(self._mailboxes.stop, address)

    async def put(self, address: str, data: bytes) -> None:
        """Put a mail into a local mailbox without any SMTP."""
        await asyncio.to_thread(self._mailboxes.append, address, data)

    # the SMTP server

    async def open_smtp(self) -> None:
        """Listen; on the same port as before if it was closed meanwhile."""
        _need("aiosmtpd")
        from daemon.demo.smtpd import Connection

        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {"hostname": "post.example.test", "data_size_limit": self._size_limit, "loop": loop}
        if self._tls is not None and not self._tls_at_once:
            options["tls_context"] = self._tls
        options["auth_require_tls"] = "tls_context" in options
        at_once = self._tls if self._tls_at_once else None
        self._server = await loop.create_server(lambda: Connection(self, **options), HOST, self.smtp_port, ssl=at_once)
        self.smtp_port = self._server.sockets[0].getsockname()[1]

    async def close_smtp(self) -> None:
        """Stop listening and end all connections without a word."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.close_connections()

    async def close_connections(self) -> None:
        """End all connections without a word, as a server does with those that rest too long; returns when they are gone."""
        await asyncio.gather(*(one.end() for one in list(self._open)))

    @property
    def open_connections(self) -> int:
        return len(self._open)

    # misbehaviour

    def reject(
        self,
        address: str | None = None,
        code: int = 550,
        text: str = "5.1.1 No such user",
        *,
        at: At = At.RCPT,
        times: int | None = None,
    ) -> None:
        """Answer mails to (at MAIL: from) this address, or all, with a code: always, or that many times."""
        self._faults.append(_Fault(at=at, act=Act.ANSWER, address=address, answer=f"{code} {text}", times=times))

    def defer(
        self, address: str | None = None, text: str = "4.2.1 Try again later", *, at: At = At.RCPT, times: int | None = None
    ) -> None:
        """Say “later” (451)."""
        self.reject(address, 451, text, at=at, times=times)

    def drop(self, address: str | None = None, *, at: At = At.DOT, times: int | None = 1) -> None:
        """End the connection in place of an answer; at DOT the mail is lost as well."""
        self._faults.append(_Fault(at=at, act=Act.DROP, address=address, answer="", times=times))

    def hang(self, address: str | None = None, *, at: At = At.DOT, times: int | None = 1) -> None:
        """Never answer."""
        self._faults.append(_Fault(at=at, act=Act.HANG, address=address, answer="", times=times))

    def behave(self) -> None:
        """Forget all faults."""
        self._faults.clear()

    # what the connections ask

    async def misbehave(self, at: str, address: str, connection: Connection) -> str | None:
        """Return the answer a fault demands here, or None for the usual way. Ends or holds the connection where it says so."""
        fault = next(
            (
                one
                for one in self._faults
                if one.at == at and (one.address is None or same(one.address, address)) and one.times != 0
            ),
            None,
        )
        if fault is None:
            return None
        if fault.times is not None:
            fault.times -= 1
        if fault.act is Act.ANSWER:
            return fault.answer
        if fault.act is Act.DROP and connection.transport is not None:
            connection.transport.abort()  # type: ignore[attr-defined]  # aiosmtpd calls every transport a BaseTransport
        self.hanging += 1
        try:
            # The connection's end cancels its task, and with it this wait.
            await asyncio.get_running_loop().create_future()
        finally:
            self.hanging -= 1
        return None

    def opened(self, connection: Connection) -> None:
        if connection not in self._open:
            self.connections += 1
            self._open.add(connection)
        self.most_at_once = max(self.most_at_once, len(self._open))

    def closed(self, connection: Connection) -> None:
        self._open.discard(connection)

    @property
    def wants_sign_in(self) -> bool:
        return self._sign_in is not None

    def signs_in(self, user: str, password: str) -> bool:
        return self._sign_in == (user, password)

    async def accept(self, sender: str, recipients: list[str], data: bytes) -> str:
        """Take a whole mail and return the answer to its final dot."""
        at = self._clock.now()
        try:
            for recipient in recipients:
                await self.deliver(Delivered(envelope_from=sender, recipient=recipient, data=data, at=at))
        except (OSError, imaplib.IMAP4.error) as error:
            return f"451 4.3.0 The mailbox cannot be written now: {type(error).__name__}"
        return "250 2.0.0 Taken"


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _need(package: str) -> None:
    with contextlib.suppress(ImportError):
        __import__(package)
        return
    raise MissingPackageError(
        f"The package {package} is not installed: run `pip install 'sitzungsplaner[demo]'` and start again."
    )
