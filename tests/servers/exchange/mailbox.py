"""What an Exchange keeps: mailboxes, folders, items, their ids and change keys; dates of a series are views of their master."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tests.servers.exchange import zones
from tests.servers.exchange.recurrence import Recurrence
from tests.servers.exchange.soap import ItemError

# Distinguished name: (words a person sees, class, parent). What lies below another is listed after it.
FOLDERS = {
    "root": ("", "", ""),
    "msgfolderroot": ("Top of Information Store", "IPF.Note", "root"),
    "calendar": ("Calendar", "IPF.Appointment", "msgfolderroot"),
    "inbox": ("Inbox", "IPF.Note", "msgfolderroot"),
    "sentitems": ("Sent Items", "IPF.Note", "msgfolderroot"),
    "deleteditems": ("Deleted Items", "IPF.Note", "msgfolderroot"),
}
ROLES = ("RequiredAttendees", "OptionalAttendees", "Resources")


@dataclass(slots=True)
class Attendee:
    role: str
    address: str
    name: str
    response: str = "Unknown"
    answered: datetime | None = None
    proposed: tuple[datetime, datetime] | None = None


@dataclass(slots=True)
class Body:
    """What a person wrote. `wear` counts how often the store has gone over its HTML."""

    text: str
    html: bool
    wear: int = 0


@dataclass(slots=True, eq=False)
class Item:
    """One item of any kind; `kind` is its element's name. Times are instants, `zone` is a Windows id.

    On a date of a series `master` and `index` are set, and the item is a view: `save` puts what differs into the master's
    `changes`.
    """

    mailbox: Mailbox
    folder: str
    kind: str
    item_class: str
    created: datetime
    modified: datetime
    serial: int = 0
    version: int = 0
    props: dict[str, str] = field(default_factory=dict)
    body: Body | None = None
    categories: tuple[str, ...] = ()
    extended: dict[tuple[tuple[str, str], ...], tuple[str, ...]] = field(default_factory=dict)
    start: datetime | None = None
    end: datetime | None = None
    zone: str = "UTC"
    zone_words: str = ""  # what is shown instead of `zone`
    all_day: bool = False
    uid: str = ""
    organizer: tuple[str, str] = ("", "")  # name, address
    attendees: list[Attendee] = field(default_factory=list)
    my_response: str = "Unknown"
    replied: datetime | None = None
    state: int = 0
    sequence: int = 0
    sent: bool = False
    recurrence: Recurrence | None = None
    changes: dict[int, dict[str, object]] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    master: Item | None = None
    index: int = 0
    touched: dict[str, int] = field(default_factory=dict)  # by property, the version in which it was last written
    facts: dict[str, str] = field(default_factory=dict)  # of messages: MeetingRequestType, HasBeenProcessed, …
    original_start: datetime | None = None  # of messages about one date, and of views

    @property
    def is_meeting(self) -> bool:
        return bool(self.state & 1)

    @property
    def is_cancelled(self) -> bool:
        return bool(self.state & 4)

    @property
    def is_mine(self) -> bool:
        """Does this calendar item belong to the organiser's own mailbox?"""
        return self.organizer[1] == self.mailbox.address

    @property
    def type(self) -> str:
        if self.master is not None:
            return "Exception" if self.index in self.master.changes else "Occurrence"
        return "RecurringMaster" if self.recurrence else "Single"

    @property
    def kept(self) -> Item:
        """The item that lies in a folder: the series itself for one of its dates."""
        return self.master or self

    @property
    def id(self) -> str:
        return self.kept.mailbox.id_of(self.kept.serial, self.index)

    @property
    def change_key(self) -> str:
        return opaque("k", self.kept.version, self.index)

    def days(self) -> Iterator[tuple[int, datetime]]:
        """Of a series: each index, 1-based over the original pattern, with its original start (behaviour 23)."""
        assert self.recurrence is not None
        assert self.start is not None
        at = zones.wall(self.start, self.zone).time()
        for number, day in enumerate(self.recurrence.dates(), 1):
            yield number, zones.at(day, at, self.zone)

    def date(self, index: int) -> Item:
        """One date of a series.

        Raises:
            ItemError: it was deleted, there is no such index, or this is no series.
        """
        if self.recurrence is None:
            raise ItemError("ErrorCalendarCannotUseIdForOccurrenceId")
        if index in self.gone:
            raise ItemError("ErrorCalendarOccurrenceIsDeletedFromRecurrence")
        original = next((start for number, start in itertools.islice(self.days(), max(index, 0)) if number == index), None)
        if original is None:
            raise ItemError("ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange")
        return self._view(index, original)

    def dates(self) -> Iterator[Item]:
        """All dates that are left, in the order of the pattern."""
        for index, original in self.days():
            if index not in self.gone:
                yield self._view(index, original)

    def _view(self, index: int, original: datetime) -> Item:
        assert self.start is not None
        assert self.end is not None
        plain = replace(
            self,
            item_class="IPM.Appointment.Occurrence",
            start=original,
            end=original + self._length(original),
            recurrence=None,
            changes={},
            gone=set(),
            master=self,
            index=index,
            original_start=original,
            props=dict(self.props),
            extended=dict(self.extended),
            attendees=deepcopy(self.attendees),
            body=replace(self.body) if self.body else None,
        )
        for name, value in self.changes.get(index, {}).items():
            setattr(plain, name, {**plain.props, **value} if name == "props" else deepcopy(value))
        return plain

    def _length(self, original: datetime) -> timedelta:
        """Whole days are days of the zone, not of 24 hours."""
        assert self.start is not None
        assert self.end is not None
        if not self.all_day:
            return self.end - self.start
        first = zones.wall(original, self.zone)
        days = (zones.wall(self.end, self.zone).date() - zones.wall(self.start, self.zone).date()).days
        return zones.at(first.date() + timedelta(days=days), first.time(), self.zone) - original


# What a date of a series may have of its own.
OWN = (
    *(
        "props",
        "body",
        "categories",
        "extended",
        "start",
        "end",
        "all_day",
        "attendees",
        "my_response",
        "replied",
        "state",
        "sent",
    ),
    "sequence",
)


@dataclass(slots=True, eq=False)
class Mailbox:
    """One person's or room's mailbox. `epoch` is part of every id: a mailbox that is moved gives all its items new ones."""

    number: int
    address: str
    name: str
    items: dict[int, Item] = field(default_factory=dict)
    epoch: int = 0
    serials: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    versions: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def keep(self, item: Item) -> Item:
        """Put an item into its folder under a new id."""
        item.mailbox, item.serial, item.version = self, next(self.serials), next(self.versions)
        self.items[item.serial] = item
        return item

    def save(self, item: Item, now: datetime) -> Item:
        """Record that an item changed: a new change key, whoever changed it (behaviour 1). Of a date, what differs is kept."""
        kept = item.kept
        if item.master is not None:
            had = kept.changes.pop(item.index, {})
            plain = kept.date(item.index)
            own = {name: getattr(item, name) for name in OWN if getattr(item, name) != getattr(plain, name)}
            if "props" in own:  # word by word: what a date does not say of its own it takes from its master, also later
                own["props"] = {name: value for name, value in item.props.items() if plain.props.get(name) != value}
            if own or had:
                kept.changes[item.index] = own
        kept.modified, kept.version = now, next(self.versions)
        return item

    def drop(self, item: Item, now: datetime) -> None:
        """Take an item away for good; a date of a series becomes a deleted one."""
        if item.master is None:
            del self.items[item.serial]
            return
        item.master.gone.add(item.index)
        item.master.changes.pop(item.index, None)
        self.save(item.master, now)

    def move(self, item: Item, folder: str, now: datetime) -> Item:
        """Put an item into another folder: it gets another id there (behaviour 16)."""
        self.drop(item, now)
        return self.keep(replace(item, folder=folder, modified=now))

    def folder(self, name: str) -> list[Item]:
        return [item for item in self.items.values() if item.folder == name]

    def meeting(self, uid: str) -> Item | None:
        """The item of the calendar with this UID; EWS itself has no such look-up, scheduling does."""
        return next((item for item in self.folder("calendar") if item.uid == uid), None)

    def id_of(self, serial: int, index: int = 0) -> str:
        return opaque("i", self.epoch, self.number, serial, index)

    def folder_id(self, name: str) -> str:
        return opaque("f", self.number, list(FOLDERS).index(name))


def opaque(*parts: object) -> str:
    """An id that tells a client nothing: base64, as Exchange's are."""
    return base64.b64encode("/".join(map(str, parts)).encode().ljust(24, b"=")).decode()


def parts(text: str, kind: str) -> list[int] | None:
    """The numbers in an id of ours, or None for anything else."""
    try:
        word, *numbers = base64.b64decode(text, validate=True).decode().rstrip("=").split("/")
        return [int(one) for one in numbers] if word == kind else None
    except ValueError:
        return None
