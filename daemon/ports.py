"""What the shell needs from the outside world, as Protocols. `connectors/` fulfil them; only `daemon.app` knows which.

Words of servers stay at the server: href, ItemId → `ItemRef`; ETag, ChangeKey → `Version`; sync-token, SyncState → `SyncToken`.
Every method raises `Unreachable`, `Refused` or `Conflict`, nothing else; the foreign exception is its cause.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType, Protocol

from daemon.core.model import Event

ItemRef = NewType("ItemRef", str)
Version = NewType("Version", str)
SyncToken = NewType("SyncToken", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a calendar server was seen to do (not what it says): the result of `probe`, kept with the calendar.

    `schedules`: it delivers invitations and writes answers back. `honours_client_agent`: SCHEDULE-AGENT=CLIENT keeps it quiet;
    None: not tried. `foreign_organizer_quiet`: it stays quiet when ORGANIZER is not the owner; None: not tried.
    """

    product: str = ""
    schedules: bool = False
    sync_collection: bool = False
    etag_on_put: bool = True
    honours_if_match: bool = True
    honours_if_none_match: bool = True
    honours_client_agent: bool | None = None
    foreign_organizer_quiet: bool | None = None
    addresses: tuple[str, ...] = ()  # the owner's own calendar user addresses there
    writable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteItem:
    """An event as it stands on the server. `event` is None where only its existence and version are known."""

    ref: ItemRef
    version: Version
    event: Event | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSet:
    """What changed since a token. Only a `complete` listing proves that something it does not name is gone."""

    changed: tuple[RemoteItem, ...]
    removed: tuple[ItemRef, ...]
    token: SyncToken | None
    complete: bool


class CalendarConnector(Protocol):
    """One calendar of one owner on one server.

    Used by one task at a time, but for writes of different events, which may be under way side by side. What a write returns has
    the version and the attendees that the server keeps; the texts of an event that names nobody may be those that were written.
    """

    async def probe(self) -> Capabilities:
        """Look at what the server really does, without leaving anything behind and without mailing anybody."""
        ...

    async def changes(self, since: SyncToken | None) -> ChangeSet:
        """Return what changed since the token with the events' contents; all there is where `since` is None or expired."""
        ...

    async def fetch(self, ref: ItemRef) -> RemoteItem | None:
        """Return the item as it stands now, or None if it is gone."""
        ...

    async def find(self, uid: str) -> RemoteItem | None:
        """Return the item with this UID, or None."""
        ...

    async def create(self, event: Event) -> RemoteItem:
        """Write a new event and return it as the server keeps it. Conflict if one with this UID exists already."""
        ...

    async def update(self, ref: ItemRef, version: Version, event: Event) -> RemoteItem:
        """Replace the event if it still has this version, and return it as the server keeps it. Conflict if not, or if gone."""
        ...

    async def delete(self, ref: ItemRef, version: Version) -> None:
        """Delete the event if it still has this version; what is gone already is fine. Conflict if it was changed."""
        ...

    async def close(self) -> None: ...


class Security(StrEnum):
    """How a connection is protected: not at all, by STARTTLS (RFC 3207, 9051 6.2.1), or TLS at once (RFC 8314)."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A finished mail to one recipient: envelope and bytes with CRLF line ends."""

    envelope_from: str
    recipient: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The mail server took responsibility. `reply` is its own words."""

    reply: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """What a mail server was seen to be: the result of `probe`.

    `tls` is the version ("TLSv1.3"), "" in clear; `certificate_until` (UTC) is when the server's certificate ends, None where
    there is none. `size_limit` in bytes (RFC 1870), None: not told. `abilities` are its own words in capitals. `newest` is the
    last mail in the mailbox, for servers that have one.
    """

    greeting: str
    tls: str = ""
    certificate_until: datetime | None = None
    signed_in: bool = False
    size_limit: int | None = None
    abilities: frozenset[str] = frozenset()
    newest: Mark | None = None


class MailOut(Protocol):
    """Hands mails to a mail server. May be used by many tasks at a time; it limits its own connections.

    `send` raises Unreachable (4xx, no connection; `maybe_done` if the connection broke after the mail's last byte was sent) or
    Refused (5xx, with the server's words).
    """

    async def send(self, mail: Outgoing) -> Receipt: ...

    async def check(self) -> str:
        """Connect, sign in, say NOOP; return the server's greeting."""
        ...

    async def probe(self) -> MailServer:
        """`check`, and return all that was seen of the server."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far a mailbox was read: everything up to `uid` under `uidvalidity` (RFC 3501 2.3.1.1)."""

    uidvalidity: int
    uid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A mail as it lies in the mailbox. `received` is the server's INTERNALDATE in UTC. `data` is capped by the connector."""

    mark: Mark
    received: datetime
    data: bytes
    truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The next mails after a mark, oldest first; `rescanned` when the mailbox was renumbered and is read from its beginning."""

    mails: tuple[Incoming, ...]
    rescanned: bool = False


class MailIn(Protocol):
    """Reads one mailbox. Used by one task at a time; reconnects by itself at the next call after an error."""

    async def fetch(self, after: Mark | None, *, most: int = 50) -> Batch: ...

    async def wait(self, patience: timedelta) -> bool:
        """Wait until the server tells of something new (IDLE, RFC 2177) or `patience` is over; True: look again."""
        ...

    async def file(self, mark: Mark, folder: str) -> None:
        """Move a mail into a folder, made where it is missing. A mail that is gone is fine."""
        ...

    async def check(self) -> str:
        """Connect, sign in, open the mailbox; return the server's greeting."""
        ...

    async def probe(self) -> MailServer:
        """`check`, and return all that was seen of the server."""
        ...

    async def close(self) -> None: ...


class TakesMail(Protocol):
    """Takes one delivered mail in (RFC 5322 bytes); returns, once its outcome is committed, a word for it. Raises: not taken."""

    async def __call__(self, data: bytes) -> str: ...


class MailDoor(Protocol):
    """Where a mail server delivers to us."""

    async def serve(self, listener: socket.socket) -> None:
        """Serve on the listening socket until cancelled, and close it."""
        ...


class Clock(Protocol):
    """The only source of time and of randomness (ids, numbers, boundaries)."""

    def now(self) -> datetime:
        """Now, aware, in UTC."""
        ...

    def new_id(self) -> str:
        """32 random hexadecimal digits."""
        ...

    def draw(self, below: int) -> int:
        """A random integer in [0, below), not guessable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarAccount:
    """What a connector needs to reach a calendar. `password` is in clear only here, in memory."""

    kind: str
    url: str
    username: str
    password: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = ()  # for servers behind a proxy that signs people in by header
