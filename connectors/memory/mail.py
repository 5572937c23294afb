"""A post office in memory: what is sent is kept, and lands in the mailboxes that are here. For tests; nothing opens a connection.

`MemoryPost` is the office, `MemoryMailOut` hands mails in, `MemoryMailIn` reads one mailbox.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from daemon.core.addresses import normal
from daemon.core.errors import Refused, SitzungsplanerError, Unreachable
from daemon.ports import Batch, Clock, Incoming, MailServer, Mark, Outgoing, Receipt


@dataclass(slots=True, kw_only=True)
class _Mailbox:
    uidvalidity: int = 1
    next_uid: int = 1
    inbox: dict[int, Incoming] = field(default_factory=dict)
    folders: dict[str, list[Incoming]] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryPost:
    """The office. `sent` are the mails it took responsibility for, in order; `calls` is the number of attempts."""

    def __init__(self, *, clock: Clock) -> None:
        self.sent: list[Outgoing] = []
        self.calls = 0
        self.reachable = True
        self._clock = clock
        self._mailboxes: dict[str, _Mailbox] = {}
        self._faults: list[tuple[SitzungsplanerError, str | None, bool]] = []

    def add_mailbox(self, address: str) -> None:
        self._mailboxes[normal(address)] = _Mailbox()

    def fail(self, error: SitzungsplanerError, *, recipient: str | None = None, done: bool = False, times: int = 1) -> None:
        """Let the next mail (to that recipient) fail: before it is taken, or after it was delivered where `done`."""
        self._faults += [(error, recipient and normal(recipient), done)] * times

    def deliver(self, address: str, data: bytes) -> Mark:
        """Put a mail into a mailbox here, as a stranger's server would, and return where it lies."""
        box = self._mailboxes[normal(address)]
        mark = Mark(uidvalidity=box.uidvalidity, uid=box.next_uid)
        box.next_uid += 1
        box.inbox[mark.uid] = Incoming(mark=mark, received=self._clock.now(), data=data)
        box.news.set()
        return mark

    def renumber(self, address: str) -> None:
        """Give all mails of a mailbox new numbers under a new UIDVALIDITY, as a restored server does (RFC 3501 2.3.1.1)."""
        box = self._mailboxes[normal(address)]
        mails = [box.inbox[uid] for uid in sorted(box.inbox)]
        box.uidvalidity += 1
        box.next_uid = len(mails) + 1
        box.inbox = {
            uid: Incoming(mark=Mark(uidvalidity=box.uidvalidity, uid=uid), received=one.received, data=one.data)
            for uid, one in enumerate(mails, 1)
        }

    def folder(self, address: str, name: str = "INBOX") -> tuple[bytes, ...]:
        """The mails in a folder of a mailbox here, oldest first."""
        box = self._mailboxes[normal(address)]
        mails = [box.inbox[uid] for uid in sorted(box.inbox)] if name == "INBOX" else box.folders.get(name, [])
        return tuple(one.data for one in mails)

    def empty(self, address: str, name: str) -> None:
        """Throw away what lies in a folder of a mailbox here, as a person does who tidies up."""
        self._mailboxes[normal(address)].folders.pop(name, None)

    def _mailbox(self, address: str) -> _Mailbox:
        if not self.reachable:
            raise Unreachable("The post office in memory is switched off. It is tried again by itself.")
        if normal(address) not in self._mailboxes:
            raise Refused(f"The post office in memory has no mailbox {address}. Give the name of one that is there.")
        return self._mailboxes[normal(address)]

    def _take(self, mail: Outgoing) -> Receipt:
        self.calls += 1
        if not self.reachable:
            raise Unreachable("The post office in memory is switched off. It is tried again by itself.")
        recipient = normal(mail.recipient)
        fault = next((one for one in self._faults if one[1] in (None, recipient)), None)
        if fault is not None:
            self._faults.remove(fault)
            if not fault[2]:
                raise fault[0]
        self.sent.append(mail)
        if recipient in self._mailboxes:
            self.deliver(recipient, mail.data)
        if fault is not None:
            raise fault[0]
        return Receipt(reply=f"250 2.0.0 taken as {len(self.sent)}")


class MemoryMailOut:
    def __init__(self, post: MemoryPost) -> None:
        self._post = post
        self.closed = False

    async def send(self, mail: Outgoing) -> Receipt:
        return self._post._take(mail)

    async def check(self) -> str:
        if not self._post.reachable:
            raise Unreachable("The post office in memory is switched off. It is tried again by itself.")
        return "220 memory"

    async def probe(self) -> MailServer:
        return MailServer(greeting=await self.check())

    async def close(self) -> None:
        self.closed = True


class MemoryMailIn:
    def __init__(self, post: MemoryPost, address: str) -> None:
        self._post = post
        self._address = address
        self.closed = False

    async def fetch(self, after: Mark | None, *, most: int = 50) -> Batch:
        """Return the next mails after the mark; from the beginning where the mailbox was renumbered."""
        box = self._post._mailbox(self._address)
        rescanned = after is not None and after.uidvalidity != box.uidvalidity
        known = 0 if after is None or rescanned else after.uid
        mails = tuple(box.inbox[uid] for uid in sorted(box.inbox) if uid > known)[:most]
        box.news.clear()
        return Batch(mails=mails, rescanned=rescanned)

    async def wait(self, patience: timedelta) -> bool:
        """True as soon as a mail came in since the last `fetch`, False when `patience` is over."""
        try:
            await asyncio.wait_for(self._post._mailbox(self._address).news.wait(), patience.total_seconds())
        except TimeoutError:
            return False
        return True

    async def file(self, mark: Mark, folder: str) -> None:
        box = self._post._mailbox(self._address)
        if mark.uidvalidity == box.uidvalidity and mark.uid in box.inbox:
            box.folders.setdefault(folder, []).append(box.inbox.pop(mark.uid))

    async def check(self) -> str:
        self._post._mailbox(self._address)
        return "* OK memory"

    async def probe(self) -> MailServer:
        box = self._post._mailbox(self._address)
        newest = Mark(uidvalidity=box.uidvalidity, uid=max(box.inbox, default=0))
        return MailServer(greeting=await self.check(), signed_in=True, newest=newest)

    async def close(self) -> None:
        self.closed = True
