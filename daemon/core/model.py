"""The values everything else speaks about: owners, entries, attendees, occurrences, answers, calendars.

Words are those of RFC 5545 and RFC 5546 where they have one (uid, sequence, partstat, recurrence_id). Not here: how the
values look on the wire (`ics`), who is told what (`itip`), when something starts (`zones`, `recurrence`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class PartStat(StrEnum):
    """Participation status (RFC 5545 3.2.12)."""

    NEEDS_ACTION = "NEEDS-ACTION"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    TENTATIVE = "TENTATIVE"
    DELEGATED = "DELEGATED"


class Role(StrEnum):
    """Participation role (RFC 5545 3.2.16)."""

    CHAIR = "CHAIR"
    REQ_PARTICIPANT = "REQ-PARTICIPANT"
    OPT_PARTICIPANT = "OPT-PARTICIPANT"
    NON_PARTICIPANT = "NON-PARTICIPANT"


class Status(StrEnum):
    """Status of a VEVENT (RFC 5545 3.8.1.11)."""

    CONFIRMED = "CONFIRMED"
    TENTATIVE = "TENTATIVE"
    CANCELLED = "CANCELLED"


class Method(StrEnum):
    """iTIP method (RFC 5546 1.4)."""

    PUBLISH = "PUBLISH"
    REQUEST = "REQUEST"
    REPLY = "REPLY"
    ADD = "ADD"
    CANCEL = "CANCEL"
    REFRESH = "REFRESH"
    COUNTER = "COUNTER"
    DECLINECOUNTER = "DECLINECOUNTER"


class Sender(StrEnum):
    """Who mails the invitations of an entry. Never both (design 4.2)."""

    PLANNER = "planner"
    CALENDAR = "calendar"


class EntryState(StrEnum):
    PLANNED = "planned"
    CANCELLED = "cancelled"
    DELETED = "deleted"  # a tombstone: kept until everybody is told and every event is gone


class AnswerSource(StrEnum):
    """How an answer reached us."""

    MAIL = "mail"
    CALENDAR = "calendar"
    LINK = "link"
    OWNER = "owner"
    IMPORT = "import"


class Language(StrEnum):
    DE = "de"
    EN = "en"


def require_utc(moment: datetime, what: str) -> None:
    """Raise ValueError unless `moment` is aware and in UTC."""
    if moment.tzinfo is None or moment.utcoffset() != timedelta(0):
        raise ValueError(f"{what} must be an aware UTC time, not {moment!r}")


def require_wall(moment: datetime, what: str) -> None:
    """Raise ValueError unless `moment` is a naive wall time (its zone is kept beside it)."""
    if moment.tzinfo is not None:
        raise ValueError(f"{what} must be a wall time without zone, not {moment!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """A wall time in a zone and how long it lasts: the truth about a date (design 4.6); instants are derived late.

    `start` is naive. `duration` is elapsed time, also over a clock change. All-day: `start` is midnight, `duration` whole days.
    """

    start: datetime
    zone: str
    duration: timedelta
    all_day: bool = False

    def __post_init__(self) -> None:
        require_wall(self.start, "start")
        if self.duration < timedelta(0):
            raise ValueError(f"duration must not be negative: {self.duration}")
        if self.all_day and (self.start.time() != self.start.min.time() or self.duration % timedelta(days=1)):
            raise ValueError("an all-day date starts at midnight and lasts whole days")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attendee:
    """A person on the entry's list. `email` is in the compared form: `core.addresses.normal`.

    `delegated_from`: whom he stands in for (RFC 5545 3.2.4), "" if he was invited himself.
    """

    email: str
    name: str = ""
    role: Role = Role.REQ_PARTICIPANT
    delegated_from: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One date of a series that differs from its rule (RFC 5545 3.8.4.4). None means: as the series says.

    `recurrence_id` is the *original* wall start in the entry's zone; it never follows a move. `start` is the new wall start in
    the same zone. `sequence` is the occurrence's own and at least the series' when it was made.
    """

    recurrence_id: datetime
    cancelled: bool = False
    start: datetime | None = None
    duration: timedelta | None = None
    title: str | None = None
    description: str | None = None
    location: str | None = None
    attendees: tuple[Attendee, ...] | None = None
    sequence: int = 0

    def __post_init__(self) -> None:
        require_wall(self.recurrence_id, "recurrence_id")
        if self.start is not None:
            require_wall(self.start, "start")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one attendee said about the series (`recurrence_id` None) or one date of it.

    `about` is the schedule that was answered (`itip.schedule_key`): an answer counts only while the schedule is still that one,
    so a move asks again without forgetting, and a move taken back brings the answer back. `sequence` and `dtstamp` are those
    of the received REPLY, for staleness (RFC 5546 2.1.5). `answered_at` is UTC. `delegated_to`: who comes instead (DELEGATED).
    """

    attendee: str
    recurrence_id: datetime | None
    partstat: PartStat
    source: AnswerSource
    answered_at: datetime
    about: str
    sequence: int | None = None
    dtstamp: datetime | None = None
    comment: str = ""
    delegated_to: str = ""

    def __post_init__(self) -> None:
        require_utc(self.answered_at, "answered_at")
        if self.dtstamp is not None:
            require_utc(self.dtstamp, "dtstamp")
        if self.recurrence_id is not None:
            require_wall(self.recurrence_id, "recurrence_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What stands in the planner: a planned session, dated or not, single or recurring.

    `rrule` is an RFC 5545 RECUR value ("FREQ=WEEKLY;COUNT=4"), UNTIL in UTC (DATE when all-day). `rdates` are wall starts in the
    zone of `when`. Cancelled dates are `occurrences` with `cancelled`. `reminders` are offsets before the start; None: the
    owner's. `revision` grows with every stored change.
    """

    id: str
    uid: str
    owner: str
    number: str
    title: str
    created: datetime
    modified: datetime
    description: str = ""
    location: str = ""
    when: When | None = None
    rrule: str | None = None
    rdates: tuple[datetime, ...] = ()
    sequence: int = 0
    state: EntryState = EntryState.PLANNED
    sender: Sender = Sender.PLANNER
    invited: bool = False  # attendees are told; False: kept on the list until `invite`
    attendees: tuple[Attendee, ...] = ()
    occurrences: tuple[Occurrence, ...] = ()
    answers: tuple[Answer, ...] = ()
    telephone: bool = False
    remind: bool = True
    reminders: tuple[timedelta, ...] | None = None
    password: str = ""
    revision: int = 0

    def __post_init__(self) -> None:
        require_utc(self.created, "created")
        require_utc(self.modified, "modified")
        if self.when is None and (self.rrule or self.rdates or self.occurrences):
            raise ValueError("an entry without a date has no recurrence")

    @property
    def is_series(self) -> bool:
        return self.rrule is not None or bool(self.rdates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who plans. `reminders` None: the installation's offsets."""

    id: str
    email: str
    created: datetime
    name: str = ""
    language: Language = Language.DE
    zone: str = "Europe/Berlin"
    reminders: tuple[timedelta, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Organizer:
    """ORGANIZER of an object (RFC 5545 3.8.4.3): bare address and a name for people. Written only, "" without:

    `sent_by` acts for him (SENT-BY, RFC 5545 3.2.18), `alias` is another address of his (EMAIL, RFC 7986 6.2).
    """

    email: str
    name: str = ""
    sent_by: str = ""
    alias: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """An ATTENDEE line of a VEVENT as written or read. Other people's addresses in it are in the compared form, or ""."""

    email: str
    name: str = ""
    role: Role = Role.REQ_PARTICIPANT
    partstat: PartStat = PartStat.NEEDS_ACTION
    rsvp: bool = False
    schedule_agent: str | None = None  # "CLIENT" keeps a scheduling server quiet (RFC 6638 7.1)
    schedule_status: str | None = None  # read only (RFC 6638 7.3)
    delegated_from: str = ""  # RFC 5545 3.2.4
    delegated_to: str = ""  # RFC 5545 3.2.5
    sent_by: str = ""  # read only (RFC 5545 3.2.18)
    alias: str = ""  # read only: EMAIL, another address of the same person (RFC 7986 6.2)
    comment: str = ""  # read only: X-RESPONSE-COMMENT
    partstat_text: str = ""  # read only: the raw PARTSTAT where it is none of ours; `partstat` is NEEDS-ACTION then


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One VEVENT: the master of a series, a single event, or one occurrence of a series (`recurrence_id` set).

    `recurrence_id`: aware datetime in the series' zone, or a naive midnight with `when.all_day`. From foreign objects it may be
    naive (floating). `exdates` and `rdates` are wall starts in the zone of `when`. `alarm` is how long before the start a DISPLAY
    alarm rings. `sequence_given` is False where a foreign object had no SEQUENCE, or one beyond 32 bits; `sequence` is 0 then.
    Read only: `recurrence_id_redefined` is what RECURRENCE-ID would mean (UTC) by the definition of its zone that came with the
    object, where that contradicts the zone's name; `original_start` is Outlook's word for the date a COUNTER is about.
    """

    uid: str
    when: When | None
    title: str = ""
    description: str = ""
    location: str = ""
    url: str = ""
    sequence: int = 0
    sequence_given: bool = True
    status: Status = Status.CONFIRMED
    recurrence_id: datetime | None = None
    recurrence_id_is_date: bool = False
    rrule: str | None = None
    rdates: tuple[datetime, ...] = ()
    exdates: tuple[datetime, ...] = ()
    organizer: Organizer | None = None
    guests: tuple[Guest, ...] = ()
    categories: tuple[str, ...] = ()
    alarm: timedelta | None = None
    dtstamp: datetime | None = None
    comment: str = ""
    recurrence_id_redefined: datetime | None = None
    original_start: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An entry's form in a calendar: the master first, then its occurrences of their own. All share one UID."""

    components: tuple[Component, ...]

    def __post_init__(self) -> None:
        if not self.components or len({one.uid for one in self.components}) != 1:
            raise ValueError("an event has components of exactly one UID")

    @property
    def uid(self) -> str:
        return self.components[0].uid
