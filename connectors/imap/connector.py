"""One mailbox on an IMAP server (`MailIn`): new mails by their numbers, IDLE under a watchdog, filing."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from datetime import UTC, datetime, timedelta

from connectors.imap.client import Connection
from connectors.imap.mapping import Fetched, header_of
from connectors.imap.quirks import IDLE_LIMIT, newer_than
from connectors.imap.settings import ImapSettings, tls_context, tls_seen
from daemon.core.errors import Unreachable
from daemon.ports import Batch, Incoming, MailServer, Mark, Security

__all__ = ["ImapMail", "ImapSettings"]

_BATCH_ROOM = 4  # mails of the largest size that one batch may hold in memory
_HIGHEST_UID = 2**32 - 1
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class ImapMail:
    """A mailbox. Connects at the first call, and anew where the connection was lost since the last one. For one task at a time.

    Reading changes nothing there: no mail is marked as seen. Mails marked as deleted are not read.
    """

    def __init__(self, settings: ImapSettings) -> None:
        self._settings = settings
        self._connection: Connection | None = None
        self._context: ssl.SSLContext | None = None

    async def fetch(self, after: Mark | None, *, most: int = 50) -> Batch:
        """Return up to `most` mails after the mark, oldest first; fewer where they are large.

        Of a mail above the size limit only the header comes, of one that the server cannot read nothing; both are `truncated`.
        `received` is 1970 where the server gives no date. Raises Unreachable or Refused.
        """
        connection = await self._opened()
        rescanned = after is not None and after.uidvalidity != connection.uidvalidity
        known = 0 if after is None or rescanned else after.uid
        found = newer_than(known, await connection.search(known + 1))
        chosen = found[:most]
        mails: list[Incoming] = []
        room = _BATCH_ROOM * self._settings.size_limit
        for envelope in sorted(await connection.envelopes(chosen), key=lambda one: one.uid) if chosen else ():
            mail = await self._mail(connection, envelope)
            if mail is not None and envelope.uid in chosen:
                mails.append(mail)
                room -= len(mail.data)
            if room < 0:
                break
        if mails and mails[-1].mark.uid < found[-1]:
            connection.remember_news()
        return Batch(mails=tuple(mails), rescanned=rescanned)

    async def wait(self, patience: timedelta) -> bool:
        """Wait for news; True at once where it had to connect, because mails may have come meanwhile.

        Raises Unreachable as soon as the connection breaks, and when the server no longer answers (looked at every `idle`).
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + patience.total_seconds()
        before = self._connection
        connection = await self._opened()
        if connection is not before:
            return True
        while not connection.news:
            left = end - loop.time()
            if left <= 0:
                return False
            rest = min(self._settings.idle, IDLE_LIMIT).total_seconds()
            if not (connection.idles and await connection.idle(min(left, rest))):
                await connection.rest(min(left, self._settings.poll.total_seconds()))
            await connection.noop()
        return True

    async def file(self, mark: Mark, folder: str) -> None:
        """Move a mail into a folder; levels of folders are separated by “/”, whatever the server uses.

        Without MOVE it is copied and marked as deleted, and removed where the server can remove it alone (UIDPLUS).
        Raises Unreachable or Refused.
        """
        connection = await self._opened()
        if mark.uidvalidity == connection.uidvalidity:  # else that mail is no longer known by this number
            await connection.file(mark.uid, folder)

    async def check(self) -> str:
        """Connect anew, sign in, open the mailbox; return the server's greeting. Raises Unreachable or Refused."""
        await self.close()
        connection = await self._opened()
        return connection.greeting

    async def probe(self) -> MailServer:
        """`check`, and return all that was seen of the server. Raises Unreachable or Refused."""
        greeting = await self.check()
        connection = await self._opened()
        last = await connection.search(_HIGHEST_UID)  # finds the last mail, since n:* always does
        connection.remember_news()
        version, until = tls_seen(connection.wire.transport.get_extra_info("ssl_object"))
        return MailServer(
            greeting=greeting,
            tls=version,
            certificate_until=until,
            signed_in=True,
            abilities=frozenset(connection.wire.capabilities),
            newest=Mark(uidvalidity=connection.uidvalidity, uid=max(last, default=0)),
        )

    async def close(self) -> None:
        """Sign out. The next call connects again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _opened(self) -> Connection:
        """Return a connection that answered just now: the one we have, or a new one."""
        if self._connection is not None and self._connection.alive:
            # That the old one broke meanwhile is no error: nothing was under way.
            with contextlib.suppress(Unreachable):
                await self._connection.noop()
                return self._connection
        if self._context is None and self._settings.security is not Security.NONE:
            self._context = await asyncio.to_thread(tls_context, self._settings)
        self._connection = None
        connection = Connection(self._settings)
        await connection.open(self._context)
        self._connection = connection
        return connection

    async def _mail(self, connection: Connection, envelope: Fetched) -> Incoming | None:
        limit, size = self._settings.size_limit, envelope.size or 0
        data = await connection.body(envelope.uid, header_only=size > limit)
        if data is None:
            return None
        truncated = size > limit or len(data) > limit or (size > 0 and not data)
        return Incoming(
            mark=Mark(uidvalidity=connection.uidvalidity, uid=envelope.uid),
            received=envelope.received or _LONG_AGO,
            data=header_of(data) if truncated else data,
            truncated=truncated,
        )
