"""The LMTP side of a final delivery (RFC 2033): a mail is answered for only once its outcome is committed.

After the final dot each recipient gets an answer of its own (4.2). They are all the same, for the mail is one. What is not taken
for lack of a database is 451, and comes again; the same mail a second time has no second effect. Who may connect is the listening
socket's business: there is no sign-in in LMTP.
"""

# ruff: noqa: N802 - aiosmtpd finds commands and hooks by these names

from __future__ import annotations

import asyncio
import socket
from datetime import timedelta
from typing import Any

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import MISSING, Envelope, Session

from daemon.ports import TakesMail

_MOST_RECIPIENTS = 100
_LONGEST_LINE = 1024 * 1024  # RFC 5321 allows 1,000 octets, and what breaks that is a mail all the same
_LATER = "451 4.3.0 This mail cannot be taken now. Try again later."
_PATIENCE = timedelta(seconds=5)


class LmtpServer:
    """Hands each mail to `take`. Mails above `most_bytes` are refused."""

    def __init__(self, take: TakesMail, *, most_bytes: int) -> None:
        self._take, self._most_bytes = take, most_bytes
        self._open: set[_Connection] = set()
        self._taking: set[asyncio.Task[str]] = set()

    async def serve(self, listener: socket.socket) -> None:
        """Serve on the listening socket until cancelled, and close it. A mail that is being taken then has five seconds."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._connection, sock=listener)
        try:
            await loop.create_future()
        finally:
            server.close()
            if self._taking:
                await asyncio.wait(self._taking, timeout=_PATIENCE.total_seconds())
            await asyncio.gather(*(one.end() for one in tuple(self._open)))

    async def handle_RCPT(
        self, server: _Connection, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> Any:
        """Every address: which mails are for us, the mail server has decided."""
        return "452 4.5.3 Too many recipients" if len(envelope.rcpt_tos) >= _MOST_RECIPIENTS else MISSING

    async def handle_DATA(self, server: _Connection, session: Session, envelope: Envelope) -> str:
        """The mail is complete: have it taken, with the envelope noted in it as a final delivery does (RFC 5321 4.4)."""
        taking = asyncio.create_task(self._take(_trace(envelope) + (envelope.original_content or b"")))
        self._taking.add(taking)
        taking.add_done_callback(self._taking.discard)
        try:
            return f"250 2.0.0 Taken: {await asyncio.shield(taking)}"
        except Exception:  # noqa: BLE001 - the taker has said in the log what is wrong; the mail must come again
            return _LATER

    async def handle_exception(self, error: Exception) -> str:
        """A fault in a command of the library: nothing was taken."""
        return _LATER

    def opened(self, connection: _Connection) -> None:
        self._open.add(connection)

    def closed(self, connection: _Connection) -> None:
        self._open.discard(connection)

    def _connection(self) -> _Connection:
        return _Connection(self, self._most_bytes)


class _Connection(LMTP):
    """One connection of the mail server."""

    line_length_limit = _LONGEST_LINE

    def __init__(self, server: LmtpServer, most_bytes: int) -> None:
        self._answers = 0
        self._lmtp = server
        super().__init__(
            server,
            data_size_limit=most_bytes,
            enable_SMTPUTF8=True,
            hostname="sitzungsplaner",
            ident="LMTP",
            loop=asyncio.get_running_loop(),
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._lmtp.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._lmtp.closed(self)

    async def push(self, status: Any) -> None:
        """Send an answer; the one after the final dot once for each recipient, which the library leaves to us."""
        if self._answers:
            status, self._answers = "\r\n".join([str(status)] * self._answers), 0
        elif str(status).startswith("354"):
            self._answers = len(self.envelope.rcpt_tos) if self.envelope is not None else 0
        await super().push(status)

    async def end(self) -> None:
        """Break the connection off and wait until its task is gone."""
        if self.transport is not None:
            self.transport.abort()  # type: ignore[attr-defined]  # aiosmtpd calls every transport a BaseTransport
        if self._handler_coroutine is not None:
            await asyncio.gather(self._handler_coroutine, return_exceptions=True)


def _trace(envelope: Envelope) -> bytes:
    """Return-Path and Delivered-To: what is known of a mail only now, and the same each time it is delivered."""
    sender = (envelope.mail_from or "").strip("<>")
    lines = [f"Return-Path: <{sender}>", *(f"Delivered-To: {one}" for one in envelope.rcpt_tos)]
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "replace")
