"""One connection to an IMAP server over aioimaplib, with what that library lacks (see `quirks`): limits everywhere, an end of the
connection that is noticed, STARTTLS, AUTHENTICATE PLAIN, news that come between commands (RFC 9051).

Raises Unreachable and Refused. After Unreachable, and after a cancellation, the connection is of no more use.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import ssl
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any

from aioimaplib.aioimaplib import (  # type: ignore[import-untyped]  # the library has no types
    AUTH,
    NONAUTH,
    SELECTED,
    AioImapException,
    Command,
    IdleCommand,
    IMAP4ClientProtocol,
    Response,
)

from connectors.imap import mapping
from connectors.imap.errors import denied, lost, response_code, unreachable, words
from connectors.imap.settings import ImapSettings
from daemon.core.errors import Refused, Unreachable
from daemon.ports import Security

_COUNT = re.compile(rb"\* (\d+) (EXISTS|EXPUNGE)", re.IGNORECASE)
_HEADER_LIMIT = 256 * 1024
_OVERHEAD = 1024 * 1024  # bytes of one answer beside a mail's own
_FAREWELL = 2.0  # seconds for LOGOUT
_LONGEST = 600.0  # seconds for one command, however much comes


class _Secret(Command):  # type: ignore[misc]  # the library has no types
    """A command whose arguments follow one by one when the server says “+”; they are in no text and no log."""

    def __init__(self, wire: Wire, name: str, *args: str, answers: Sequence[bytes]) -> None:
        super().__init__(name, wire.new_tag(), *args, loop=wire.loop)
        self._wire = wire
        self._answers = deque(answers)

    def append_to_resp(self, line: bytes, result: str = "Pending") -> None:
        if result != "Pending" or not line.startswith(b"+"):
            super().append_to_resp(line, result=result)
        else:
            # “*” gives the exchange up where a server asks for more than there is (RFC 9051 6.2.2).
            self._wire.transport.write((self._answers.popleft() if self._answers else b"*") + b"\r\n")


class Wire(IMAP4ClientProtocol):  # type: ignore[misc]  # the library has no types
    """The library's protocol, with the three things it does not tell: the greeting, the end, and news."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.greeting: asyncio.Future[bytes] = loop.create_future()
        self.gone: asyncio.Future[str] = loop.create_future()
        self.news = asyncio.Event()  # set: there are mails that no search has seen
        self.count = 0
        self.received = 0
        self.allowed = _OVERHEAD

    async def welcome(self, command: bytes) -> None:
        if not self.greeting.done():
            self.state = AUTH if command.startswith(b"* PREAUTH") else NONAUTH
            self.greeting.set_result(command)

    def data_received(self, d: bytes) -> None:
        self.received += len(d)
        if self.received > self.allowed:
            self.end("it sent more than was asked for")
            return
        try:
            super().data_received(d)
        except Exception as error:  # noqa: BLE001 - nonsense raises anything there; asyncio would print it and go on with a broken parser
            self.end(f"it sent something that is not IMAP: {type(error).__name__}")

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.end(words(str(exc)) if exc else "the server closed it")

    def end(self, reason: str) -> None:
        """Break the connection off."""
        if not self.gone.done():
            self.gone.set_result(reason)
        if self.transport is not None:
            self.transport.abort()

    def _untagged_response(self, line: bytes) -> Any:
        if match := _COUNT.match(line):
            self._counted(int(match[1]), match[2].upper())
        elif line[:6].upper() == b"* BYE ":
            self.end(f"the server said goodbye: {words(line[6:])}")
        return super()._untagged_response(line)

    def _counted(self, number: int, word: bytes) -> None:
        if word == b"EXPUNGE":
            self.count = max(0, self.count - 1)
        else:
            if number > self.count:
                self.news.set()
            self.count = number


class Connection:
    """One signed-in connection with its mailbox open; `wire` is what it goes over."""

    def __init__(self, settings: ImapSettings) -> None:
        self._settings = settings
        self.wire = Wire(asyncio.get_running_loop())
        self._limit = settings.command_timeout.total_seconds()
        self._folder: tuple[str, str] | None = None
        self.greeting = ""
        self.uidvalidity = 0

    # opening

    async def open(self, context: ssl.SSLContext | None) -> None:
        """Connect, protect, sign in, open the mailbox. Where that fails, the connection is ended."""
        try:
            await self._connect(context)
            if self.wire.state == NONAUTH:
                await self._sign_in()
            await self._capability()
            await self._select()
        except BaseException:
            self.abort()
            raise

    async def _connect(self, context: ssl.SSLContext | None) -> None:
        settings, wire = self._settings, self.wire
        at_once = context if settings.security is Security.TLS else None
        try:
            async with asyncio.timeout(settings.connect_timeout.total_seconds()):
                await wire.loop.create_connection(lambda: wire, settings.host, settings.port, ssl=at_once)
                waits: set[asyncio.Future[Any]] = {wire.greeting, wire.gone}
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                greeting = await self._greeting()
                self.greeting = words(greeting)
                if settings.security is Security.STARTTLS:
                    await self._starttls(context)
        except (OSError, ValueError) as error:  # TimeoutError is an OSError; ValueError: a host name that cannot be one
            raise unreachable(error, server=settings.server) from error

    async def _greeting(self) -> bytes:
        if not self.wire.greeting.done():
            raise lost(self._settings.server, self.wire.gone.result())
        greeting = self.wire.greeting.result()
        if not greeting.upper().startswith((b"* OK", b"* PREAUTH")):
            raise unreachable(ConnectionError(f"it greeted with “{words(greeting)}”"), server=self._settings.server)
        return greeting

    async def _starttls(self, context: ssl.SSLContext | None) -> None:
        wire = self.wire
        if "STARTTLS" not in await self._capability():
            raise Refused(
                f"The mailbox server {self._settings.server} does not offer STARTTLS, and without it no password is sent. Set "
                "mail.imap.security to “tls” (usually port 993), or to “none” for a server on this machine."
            )
        response = await self._run(wire.execute(Command("STARTTLS", wire.new_tag(), loop=wire.loop)))
        self._checked(response, doing="STARTTLS", remedy="Set mail.imap.security to “tls” (usually port 993).")
        # What came in clear after the server's OK was slipped in by somebody else (RFC 9051 11.1).
        wire.incomplete_line = b""
        wire.transport = await wire.loop.start_tls(wire.transport, wire, context, server_hostname=self._settings.host)

    async def _sign_in(self) -> None:
        settings, wire = self._settings, self.wire
        user, password = settings.username.encode(), settings.password.encode()
        capabilities = await self._capability()
        if "AUTH=PLAIN" in capabilities:
            answer = base64.b64encode(b"\0" + user + b"\0" + password)
            command = _Secret(wire, "AUTHENTICATE", "PLAIN", answers=[answer])
        elif "LOGINDISABLED" in capabilities:
            raise Refused(
                f"The mailbox server {settings.server} lets nobody sign in over this connection. "
                "Set mail.imap.security to “starttls” or “tls”."
            )
        else:
            # Literals, because quoted texts are ASCII only and would stand in the command (RFC 9051 4.3).
            answers = [user + b" {%d}" % len(password), password]
            command = _Secret(wire, "LOGIN", f"{{{len(user)}}}", answers=answers)
        response = await self._run(wire.execute(command))
        self._checked(
            response, doing="the sign-in", remedy="The mailbox is not read. Check mail.imap.username and mail.imap.password."
        )
        wire.state = AUTH

    async def _capability(self) -> set[str]:
        wire = self.wire
        response = await self._run(wire.execute(Command("CAPABILITY", wire.new_tag(), loop=wire.loop)))
        self._checked(response, doing="CAPABILITY", remedy="Check that mail.imap.host is an IMAP server.")
        wire.capabilities = {
            word.upper() for line in response.lines[:-1] for word in bytes(line).decode(errors="replace").split()
        }
        return set(wire.capabilities)

    async def _select(self) -> None:
        wire, name = self.wire, self._settings.mailbox
        response = await self._run(wire.execute(Command("SELECT", wire.new_tag(), mapping.mailbox(name), loop=wire.loop)))
        self._checked(response, doing=f"to open {name}", remedy="The mailbox is not read. Check mail.imap.mailbox.")
        number = mapping.uidvalidity(response.lines)
        if number is None:
            raise Refused(
                f"The mailbox server {self._settings.server} keeps no lasting numbers in {name} (UIDVALIDITY): it cannot be used."
            )
        self.uidvalidity = number
        wire.state = SELECTED

    # reading

    @property
    def alive(self) -> bool:
        return not self.wire.gone.done()

    @property
    def news(self) -> bool:
        """True while there are mails that no `search` has looked at."""
        return self.wire.news.is_set()

    def remember_news(self) -> None:
        self.wire.news.set()

    async def search(self, first: int) -> tuple[int, ...]:
        """Return the UIDs from `first` on that are not marked as deleted; maybe also the last one below it."""
        self.wire.news.clear()
        response = await self._run(self.wire.search("UNDELETED", "UID", f"{first}:*", charset=None, by_uid=True))
        self._checked(response, doing=f"to search {self._settings.mailbox}", remedy="Ask whoever runs it.")
        return mapping.uids(response.lines[:-1])

    async def envelopes(self, uids: Sequence[int]) -> tuple[mapping.Fetched, ...]:
        """Return sizes and arrival times of these mails, as far as they are still there."""
        numbers = ",".join(map(str, uids))
        response = await self._run(self.wire.fetch(numbers, "(UID RFC822.SIZE INTERNALDATE)", by_uid=True))
        self._checked(response, doing="to list mails", remedy="Ask whoever runs it.")
        return mapping.fetched(response.lines[:-1])

    async def body(self, uid: int, *, header_only: bool) -> bytes | None:
        """Return up to `size_limit` + 1 bytes of a mail, or its header; empty if the server cannot read it, None if gone."""
        limit = _HEADER_LIMIT if header_only else self._settings.size_limit + 1
        part = f"BODY.PEEK[{'HEADER' if header_only else ''}]<0.{limit}>"
        response = await self._run(self.wire.fetch(str(uid), f"(UID {part})", by_uid=True), answer_limit=limit)
        if response.result != "OK":
            problem = self._problem(response, doing=f"to give mail {uid}", remedy="")
            if isinstance(problem, Unreachable):
                raise problem
            return b""
        return next((one.body for one in mapping.fetched(response.lines[:-1]) if one.uid == uid), None)

    async def file(self, uid: int, folder: str) -> None:
        """Move a mail into a folder, made where it is missing. A UID that is gone is fine (RFC 6851, RFC 4315)."""
        wire = self.wire
        target = mapping.mailbox(await self._folder_name(folder))
        moves = "MOVE" in wire.capabilities
        remedy = f"The mail stays in {self._settings.mailbox}. Check mail.imap.folder_processed."
        for attempt in range(2):
            act = wire.move(str(uid), target, by_uid=True) if moves else wire.copy(str(uid), target, by_uid=True)
            response = await self._run(act)
            if response.result == "OK":
                break
            if attempt or response_code(words(response.lines[-1])) != "TRYCREATE":
                raise self._problem(response, doing=f"to move a mail to {folder}", remedy=remedy)
            made = await self._run(wire.simple_command("CREATE", target))
            if made.result != "OK" and response_code(words(made.lines[-1])) != "ALREADYEXISTS":
                raise self._problem(made, doing=f"to make the folder {folder}", remedy=remedy)
        if not moves:
            marked = await self._run(wire.store(str(uid), "+FLAGS.SILENT", "(\\Deleted)", by_uid=True))
            self._checked(marked, doing="to mark a mail as moved", remedy=remedy)
            if "UIDPLUS" in wire.capabilities:  # without it EXPUNGE would remove what others have marked
                gone = await self._run(wire.expunge(str(uid), by_uid=True))
                self._checked(gone, doing="to remove a moved mail", remedy=remedy)

    async def _folder_name(self, folder: str) -> str:
        if self._folder is None:
            wire = self.wire
            prefix = ""
            if "NAMESPACE" in wire.capabilities:
                prefix = mapping.personal_prefix((await self._run(wire.namespace())).lines[:-1])
            listed = await self._run(wire.simple_command("LIST", '""', '""'))
            self._folder = (mapping.delimiter(listed.lines[:-1]), prefix)
        sign, prefix = self._folder
        return mapping.folder_name(folder, sign=sign, prefix=prefix)

    # waiting

    @property
    def idles(self) -> bool:
        return "IDLE" in self.wire.capabilities

    async def idle(self, patience: float) -> bool:
        """Rest in IDLE until there are news or `patience` (seconds) is over (RFC 2177); False if the server left it before."""
        wire = self.wire
        wire.received, wire.allowed = 0, _OVERHEAD
        command = asyncio.ensure_future(wire.execute(IdleCommand(wire.new_tag(), asyncio.Queue(), loop=wire.loop)))
        started = asyncio.ensure_future(wire.wait_for_idle_response())
        news = asyncio.ensure_future(wire.news.wait())
        try:
            await self._answered(command, started)
            if not command.done():
                await self._first(command, news, limit=patience)
            ours = not command.done()
            if ours:
                wire.idle_done()
                await self._answered(command)
            self._checked(command.result(), doing="to wait for mails", remedy="Ask whoever runs it.")
            return ours
        except BaseException:
            wire.end("waiting was given up")
            raise
        finally:
            await _dropped(command, started, news)

    async def rest(self, patience: float) -> None:
        """Rest without IDLE until there are news or `patience` (seconds) is over; without `noop` there are seldom any."""
        news = asyncio.ensure_future(self.wire.news.wait())
        try:
            await self._first(news, limit=patience)
        finally:
            await _dropped(news)

    async def noop(self) -> None:
        """Ask the server whether it is still there. Before its answer it tells news, and `search` finds them (RFC 9051 6.1.2)."""
        response = await self._run(self.wire.simple_command("NOOP"))
        self._checked(response, doing="NOOP", remedy="Ask whoever runs it.")

    # ending

    async def close(self) -> None:
        """Sign out politely, and end the connection in any case."""
        wire = self.wire
        if self.alive:
            with contextlib.suppress(Unreachable):
                await self._run(wire.execute(Command("LOGOUT", wire.new_tag(), loop=wire.loop)), limit=_FAREWELL)
        wire.end("it was closed")
        await asyncio.sleep(0)  # the socket is closed in the loop's next round

    def abort(self) -> None:
        self.wire.end("it was given up")

    # one command

    async def _run(self, act: Coroutine[Any, Any, Response], *, answer_limit: int = 0, limit: float | None = None) -> Response:
        """Carry out one command. Raises Unreachable when nothing came for `limit` seconds, or the connection ended."""
        wire = self.wire
        wire.received, wire.allowed = 0, _OVERHEAD + answer_limit
        task = asyncio.ensure_future(act)
        try:
            await self._answered(task, limit=limit)
            return task.result()
        except AioImapException as error:
            wire.end("a command could not be given")
            raise lost(self._settings.server, f"it does not fit the conversation: {words(str(error))}") from error
        except BaseException:
            wire.end("a command was given up")
            raise
        finally:
            await _dropped(task)

    async def _answered(self, *tasks: asyncio.Future[Any], limit: float | None = None) -> None:
        """Return when one is done. Raises Unreachable when the server keeps silent, or trickles for ten minutes."""
        wire = self.wire
        limit = self._limit if limit is None else limit
        deadline = wire.loop.time() + _LONGEST
        while True:
            before = wire.received
            if await self._first(*tasks, limit=limit):
                return
            if wire.received == before or wire.loop.time() > deadline:
                raise lost(self._settings.server, f"no answer within {limit:g} s")

    async def _first(self, *tasks: asyncio.Future[Any], limit: float) -> bool:
        """True when one is done, False when `limit` seconds are over. Raises Unreachable when the connection ends."""
        gone = self.wire.gone
        await asyncio.wait({*tasks, gone}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        answered = any(task.done() for task in tasks)
        if gone.done() and not answered:
            raise lost(self._settings.server, gone.result())
        return answered

    def _checked(self, response: Response, *, doing: str, remedy: str) -> None:
        if response.result != "OK":
            raise self._problem(response, doing=doing, remedy=remedy)

    def _problem(self, response: Response, *, doing: str, remedy: str) -> Unreachable | Refused:
        return denied(bytes(response.lines[-1]), server=self._settings.server, doing=doing, remedy=remedy)


async def _dropped(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
