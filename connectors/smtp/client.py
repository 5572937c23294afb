"""One connection to a mail server over aiosmtplib: opening, one mail after another, ending (RFC 5321).

The stages are walked by hand, because only so is it known whether the last byte of a mail was sent when something breaks.
Nothing here retries or counts connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl

import aiosmtplib

from connectors.smtp.errors import CannotSendError, Stage, words
from connectors.smtp.settings import SmtpSettings, tls_seen
from daemon.ports import MailServer, Outgoing, Receipt, Security

_LINE_END = re.compile(rb"\r\n|\r|\n")
_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)
_NOT_IN_ADDRESS = re.compile(r"[^!-~]|[<>]")
_START_INPUT = 354
_FAREWELL = 2.0  # seconds for QUIT


def wire_form(data: bytes) -> bytes:
    """Return a mail as it follows DATA: every line end CRLF, leading dots doubled, with the final dot (RFC 5321 4.5.2).

    A bare CR or LF would let a server see an end of the mail that we did not mean (SMTP smuggling).
    """
    ends = data.count(b"\r\n")
    # Ours is right as it is nearly always, and counting takes a hundredth of the time of replacing.
    lines = data if ends == data.count(b"\n") == data.count(b"\r") else _LINE_END.sub(b"\r\n", data)
    if not lines.endswith(b"\r\n"):
        lines += b"\r\n"
    if lines.startswith(b".") or b"\n." in lines:
        lines = _LEADING_DOT.sub(b"..", lines)
    return lines + b".\r\n"


def _address(text: str) -> str:
    # The library would take what looks like an address out of a longer text; a mail goes to exactly who was named or to nobody.
    if _NOT_IN_ADDRESS.search(text):
        raise ValueError(f"{text!r} is not a bare address of printable ASCII characters (SMTPUTF8 is not used)")
    return text


class Connection:
    """One connection. `stage` tells what was under way when a method raised.

    What is raised is foreign: the library's exceptions, OSError, ValueError (before anything is written), and CannotSendError.
    """

    def __init__(self, settings: SmtpSettings, context: ssl.SSLContext | None) -> None:
        self._settings = settings
        self._context = context
        self._command = settings.command_timeout.total_seconds()
        self.stage = Stage.CONNECT
        self.greeting = ""
        self._client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            local_hostname=settings.helo or "localhost",
            timeout=self._command,
            use_tls=settings.security is Security.TLS,
            start_tls=False,
            tls_context=context,
        )

    @property
    def alive(self) -> bool:
        """False once the server has ended the connection."""
        return self._client.is_connected

    async def open(self) -> None:
        """Connect, protect, sign in."""
        settings = self._settings
        greeting = await self._client.connect(timeout=settings.connect_timeout.total_seconds())
        self.greeting = words(greeting.code, greeting.message)
        if settings.helo is None:
            self._client.local_hostname = self._own_name()
        if settings.security is Security.STARTTLS:
            self.stage = Stage.PROTECT
            await self._client.starttls(timeout=settings.connect_timeout.total_seconds())
        self.stage = Stage.CONNECT
        try:
            await self._client.ehlo()
        except aiosmtplib.SMTPHeloError:
            if not self.alive:
                raise
            await self._client.helo()
        if settings.username:
            self.stage = Stage.SIGN_IN
            await self._client.login(settings.username, settings.password)

    async def deliver(self, mail: Outgoing) -> Receipt:
        """Hand over one mail to its one recipient."""
        self.stage = Stage.ENVELOPE_FROM
        payload = wire_form(mail.data)
        await self._client.mail(_address(mail.envelope_from), options=self._mail_options(payload))
        self.stage = Stage.RECIPIENT
        await self._client.rcpt(_address(mail.recipient))
        self.stage = Stage.DATA
        ready = await self._client.execute_command(b"DATA")
        if ready.code != _START_INPUT:
            raise aiosmtplib.SMTPDataError(ready.code, ready.message)
        protocol = self._client.protocol
        if protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("Connection lost")
        protocol.write(payload)
        # From here on nobody can know how much of it the server has read: a break means "maybe".
        self.stage = Stage.ANSWER
        answer = await protocol.read_response(timeout=self._settings.answer_timeout.total_seconds())
        if not 200 <= answer.code < 300:
            raise aiosmtplib.SMTPDataError(answer.code, answer.message)
        return Receipt(reply=words(answer.code, answer.message))

    async def reset(self) -> bool:
        """Clear what a refused mail left behind (RSET); False where the connection is of no more use."""
        if not self.alive:
            return False
        try:
            await self._client.rset()
        except (aiosmtplib.SMTPException, OSError):
            return False
        return self.alive

    async def check(self) -> None:
        self.stage = Stage.CHECK
        await self._client.noop()

    def seen(self) -> MailServer:
        """What an open connection showed of its server."""
        version, until = tls_seen(self._client.get_transport_info("ssl_object"))
        limit = self._client.esmtp_extensions.get("size", "").strip()
        return MailServer(
            greeting=self.greeting,
            tls=version,
            certificate_until=until,
            signed_in=bool(self._settings.username),
            size_limit=int(limit) if limit.isdigit() and int(limit) > 0 else None,
            abilities=frozenset(name.upper() for name in self._client.esmtp_extensions),
        )

    async def quit(self) -> None:
        """End the connection politely, and in any case."""
        transport = self._client.transport
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):
            await self._client.quit(timeout=_FAREWELL)
        self._end(transport)
        await asyncio.sleep(0)  # the socket is closed in the loop's next round

    def leave(self) -> None:
        """Say QUIT and end the connection without waiting for an answer."""
        transport = self._client.transport
        if self._client.protocol is not None:
            with contextlib.suppress(aiosmtplib.SMTPException):
                self._client.protocol.write(b"QUIT\r\n")
        self._end(transport)

    def abort(self) -> None:
        """End the connection at once, whatever it is doing."""
        self._end(self._client.transport)

    def _end(self, transport: asyncio.BaseTransport | None) -> None:
        self._client.close()
        # TLS would wait up to 30 s for the server's own goodbye; nothing is owed any more.
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()

    def _own_name(self) -> str:
        """The name for EHLO: this machine's full name, else the address of our end (RFC 5321 4.1.3). Asks no name server."""
        name = socket.gethostname()
        if "." in name.strip(".") and name.isascii():
            return name
        address: str = self._client.get_transport_info("sockname")[0]
        return f"[IPv6:{address.partition('%')[0]}]" if ":" in address else f"[{address}]"

    def _mail_options(self, payload: bytes) -> list[str]:
        """Parameters of MAIL FROM. Raises CannotSendError where the mail is larger than the server takes (RFC 1870)."""
        options = []
        if self._client.supports_extension("size"):
            limit = self._client.esmtp_extensions["size"].strip()
            if limit.isdigit() and 0 < int(limit) < len(payload):
                raise CannotSendError(
                    f"it has {len(payload):,} bytes, the server takes at most {int(limit):,}. Not tried again. "
                    "Shorten the description."
                )
            options.append(f"SIZE={len(payload)}")
        if not payload.isascii() and self._client.supports_extension("8bitmime"):
            options.append("BODY=8BITMIME")
        return options
