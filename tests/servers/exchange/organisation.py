"""The whole Exchange: its people, what is on its way between them, its clock, and what one request is about."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from tests.servers.exchange.mailbox import FOLDERS, Item, Mailbox, parts
from tests.servers.exchange.soap import Element, FaultError, ItemError, child, elements, name_of, text_of


@dataclass(slots=True)
class Mail:
    """A message that was sent and has not arrived: where to, and what will lie in the Inbox."""

    to: str
    item: Item


@dataclass(slots=True)
class Account:
    """Who may sign in. `impersonates` is the role ApplicationImpersonation, for these addresses; `delegate_of` folder rights."""

    password: str
    address: str
    impersonates: frozenset[str] = frozenset()
    delegate_of: frozenset[str] = frozenset()


@dataclass(slots=True)
class Exchange:
    """The state behind the server. `complaints` are things no client of ours may do, and answers no Exchange would give."""

    now: Callable[[], datetime]
    accounts: dict[str, Account] = field(default_factory=dict)
    boxes: dict[str, Mailbox] = field(default_factory=dict)
    queue: list[Mail] = field(default_factory=list)
    outside: list[Mail] = field(default_factory=list)  # arrived at people who have no mailbox here
    complaints: list[str] = field(default_factory=list)
    uids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    snapshots: dict[str, tuple[int, str, dict[str, int]]] = field(default_factory=dict)
    tokens: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    rewrites_html: bool = True

    def add(self, address: str, name: str = "") -> Mailbox:
        box = Mailbox(number=len(self.boxes) + 1, address=address, name=name or address.partition("@")[0].title())
        self.boxes[address] = box
        return box

    def new_uid(self) -> str:
        """A UID as Exchange makes them: the hex of a global object id."""
        return "040000008200E00074C5B7101A82E008" + f"{next(self.uids):080X}"

    def complain(self, words: str) -> None:
        self.complaints.append(words)


@dataclass(slots=True)
class Call:
    """One request: what is asked, in whose mailbox, and the zone of its times."""

    exchange: Exchange
    operation: str
    request: Element
    box: Mailbox
    zone: str
    may_open: frozenset[str]

    @property
    def now(self) -> datetime:
        return self.exchange.now()

    def open(self, address: str) -> Mailbox:
        """The mailbox a folder is named in.

        Raises:
            ItemError: there is none, or it is somebody else's.
        """
        box = self.exchange.boxes.get(address.lower())
        if box is None:
            raise ItemError("ErrorNonExistentMailbox", f"The SMTP address {address} has no mailbox associated with it.")
        if box is not self.box and box.address not in self.may_open:
            raise ItemError("ErrorAccessDenied", "Access is denied. Check credentials and try again.")
        return box

    def folder(self, element: Element) -> tuple[Mailbox, str]:
        """The folder that DistinguishedFolderId or FolderId names.

        Raises:
            ItemError: no such folder.
        """
        if name_of(element) == "DistinguishedFolderId":
            name = element.get("Id", "")
            if name not in FOLDERS:
                raise ItemError("ErrorFolderNotFound")
            owner = child(element, "Mailbox")
            return (self.box if owner is None else self.open(text_of(owner, "EmailAddress"))), name
        numbers = parts(element.get("Id", ""), "f")
        if numbers is None:
            raise ItemError("ErrorInvalidIdMalformed", "Id is malformed.")
        number, index = numbers
        return self._by_number(number, "ErrorFolderNotFound"), list(FOLDERS)[index]

    def target(self, name: str, default: str) -> tuple[Mailbox, str]:
        """The folder in an element that holds one, or the default one of the mailbox."""
        holder = child(self.request, name)
        return self.folder(next(elements(holder))) if holder is not None else (self.box, default)

    def item(self, element: Element) -> Item:
        """The item, date or master that ItemId, OccurrenceItemId or RecurringMasterItemId names.

        Raises:
            ItemError: it does not exist, or no longer under this id.
        """
        kind = name_of(element)
        named = element.get(
            {"OccurrenceItemId": "RecurringMasterId", "RecurringMasterItemId": "OccurrenceId"}.get(kind, "Id"), ""
        )
        numbers = parts(named, "i")
        if numbers is None:
            raise ItemError("ErrorInvalidIdMalformed", "Id is malformed.")
        epoch, number, serial, index = numbers
        box = self._by_number(number, "ErrorItemNotFound")
        kept = box.items.get(serial)
        if kept is None or epoch != box.epoch:
            raise ItemError("ErrorItemNotFound")
        if kind == "OccurrenceItemId":
            if index or kept.recurrence is None:
                raise ItemError("ErrorCalendarCannotUseIdForOccurrenceId")  # R1212, R1222
            return kept.date(int(element.get("InstanceIndex", "0")))
        if kind == "RecurringMasterItemId":
            if not index:
                raise ItemError("ErrorCalendarCannotUseIdForRecurringMasterId")  # R1194, R1223
            return kept
        if index and index in kept.gone:
            raise ItemError("ErrorItemNotFound")
        return kept.date(index) if index else kept

    def _by_number(self, number: int, code: str) -> Mailbox:
        for box in self.exchange.boxes.values():
            if box.number == number and (box is self.box or box.address in self.may_open):
                return box
        raise ItemError(code)


def stale(item: Item, key: str) -> bool:
    """Is this change key older than the item?

    Raises:
        ItemError: it is no change key.
    """
    numbers = parts(key, "k")
    if numbers is None:
        raise ItemError("ErrorInvalidChangeKey", "The change key is invalid.")
    return numbers[0] != item.kept.version


def seen_version(key: str) -> int:
    numbers = parts(key, "k")
    return numbers[0] if numbers else 0


def require(element: Element, name: str) -> str:
    """An attribute without which the request makes no sense; the schema says so too.

    Raises:
        FaultError: it is missing.
    """
    found = element.get(name)
    if found is None:
        raise FaultError("ErrorSchemaValidation", f"The required attribute '{name}' is missing.")
    return found
