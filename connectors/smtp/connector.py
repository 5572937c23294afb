"""Mails handed to a server over a few connections that are used again (`MailOut`)."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque

import aiosmtplib

from connectors.smtp.client import Connection
from connectors.smtp.errors import CannotSendError, Stage, translate
from connectors.smtp.settings import SmtpSettings, tls_context
from daemon.ports import MailServer, Outgoing, Receipt, Security

__all__ = ["SmtpMail", "SmtpSettings"]

_FOREIGN = (aiosmtplib.SMTPException, CannotSendError, OSError, ValueError)
_LATER_AND_GONE = 421  # RFC 5321 3.8: the server ends the connection


class SmtpMail:
    """A mail server. At most `connections` mails are under way at a time; others wait for their turn, first come first served.

    Connections are opened when needed, used for one mail after another, and ended when nobody needed them for `idle`.
    One that the server ended meanwhile is opened anew, once, without anybody being told.
    A send that is cancelled ends its connection.
    """

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.connections)
        self._idle: deque[tuple[Connection, asyncio.TimerHandle]] = deque()
        self._context: ssl.SSLContext | None = None
        self._closed = False

    async def send(self, mail: Outgoing) -> Receipt:
        """Hand over one mail; the receipt holds the server's words.

        Raises Refused (5xx, too large, wrong sign-in) or Unreachable (4xx, no connection); the latter with `maybe_done` if the
        whole mail was written and no answer came. A broken connection is then never repeated here: that is the caller's decision.
        """
        async with self._slots:
            connection = self._take()
            if connection is not None:
                try:
                    return await self._deliver(connection, mail)
                except _FOREIGN as error:
                    if not _was_stale(error, connection.stage):
                        raise self._translated(error, connection.stage, mail) from error
            connection = await self._open(mail)
            try:
                return await self._deliver(connection, mail)
            except _FOREIGN as error:
                raise self._translated(error, connection.stage, mail) from error

    async def check(self) -> str:
        """Connect anew, sign in, say NOOP; return the server's greeting. Raises Refused or Unreachable."""
        return (await self.probe()).greeting

    async def probe(self) -> MailServer:
        """`check`, and return all that was seen of the server. Raises Refused or Unreachable."""
        async with self._slots:
            spare = self._take()
            if spare is not None:  # else there might be one connection more than allowed
                await spare.quit()
            connection = await self._open(None)
            try:
                await connection.check()
            except _FOREIGN as error:
                connection.abort()
                raise self._translated(error, connection.stage, None) from error
            except BaseException:
                connection.abort()
                raise
            found = connection.seen()
            self._give_back(connection)
            return found

    async def close(self) -> None:
        """End the connections that rest; those in use end with their mail."""
        self._closed = True
        while (connection := self._take()) is not None:
            await connection.quit()

    def _take(self) -> Connection | None:
        while self._idle:
            connection, timer = self._idle.pop()  # the one used last: the others may run out
            timer.cancel()
            if connection.alive:
                return connection
            connection.abort()
        return None

    def _give_back(self, connection: Connection) -> None:
        if self._closed or not connection.alive:
            connection.leave()
            return
        timer = asyncio.get_running_loop().call_later(self._settings.idle.total_seconds(), self._expire, connection)
        self._idle.append((connection, timer))

    def _expire(self, connection: Connection) -> None:
        self._idle = deque(pair for pair in self._idle if pair[0] is not connection)
        connection.leave()

    async def _open(self, mail: Outgoing | None) -> Connection:
        connection: Connection | None = None
        try:
            if self._context is None and self._settings.security is not Security.NONE:
                self._context = await asyncio.to_thread(tls_context, self._settings)
            connection = Connection(self._settings, self._context)
            await connection.open()
        except _FOREIGN as error:
            stage = Stage.CONNECT
            if connection is not None:
                stage = connection.stage
                connection.abort()
            raise self._translated(error, stage, mail) from error
        except BaseException:
            if connection is not None:
                connection.abort()
            raise
        return connection

    async def _deliver(self, connection: Connection, mail: Outgoing) -> Receipt:
        """Hand over one mail and put the connection back; what is unsure about a connection ends it."""
        try:
            receipt = await connection.deliver(mail)
        except (CannotSendError, ValueError):  # found out by us, or by the library before it wrote the command
            await self._clear(connection)
            raise
        except aiosmtplib.SMTPResponseException as error:
            if 400 <= error.code < 600 and error.code != _LATER_AND_GONE:
                await self._clear(connection)
            else:
                connection.abort()
            raise
        except BaseException:
            connection.abort()
            raise
        self._give_back(connection)
        return receipt

    async def _clear(self, connection: Connection) -> None:
        stage = connection.stage
        try:
            useful = await connection.reset()
        except BaseException:
            connection.abort()
            raise
        connection.stage = stage
        if useful:
            self._give_back(connection)
        else:
            connection.abort()

    def _translated(self, error: Exception, stage: Stage, mail: Outgoing | None) -> Exception:
        return translate(error, stage=stage, server=self._settings.server, about=mail.recipient if mail else "")


def _was_stale(error: Exception, stage: Stage) -> bool:
    """True where a rested connection broke before anything of the mail was sent: nothing happened, so it may be said again."""
    if stage is Stage.ANSWER or isinstance(error, CannotSendError | ValueError):
        return False
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return not 400 <= error.code < 600 or error.code == _LATER_AND_GONE
    return True
