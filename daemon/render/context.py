"""What a mail text can speak of. Plain values: the caller reads the store and decides, here nothing is looked up.

Words are those of `core.model`; dates stay `When` until `dates` writes them out in a language.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from daemon.core.model import When, require_utc, require_wall


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDate:
    """A date as this recipient reads it. `zone` is his own zone where it is known: the same moment is then given in it, too."""

    when: When
    zone: str | None = None


class ChangedField(StrEnum):
    WHEN = "when"
    TITLE = "title"
    LOCATION = "location"
    DESCRIPTION = "description"
    RRULE = "rrule"
    DATES = "dates"
    PEOPLE = "people"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is different from what the recipient was told last.

    `when`: old and new are `When` or None. `rrule`: RECUR values, "" without. `dates`: the dates that are dropped (old) and that
    are new. `people`: names of those taken off the list (old) and put on it (new). The others: texts.
    """

    field: ChangedField
    old: str | When | tuple[When, ...] | tuple[str, ...] | None = ""
    new: str | When | tuple[When, ...] | tuple[str, ...] | None = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Names (or addresses) of the attendees by what they said. `outdated` answered, but before the last move; `unreached` could
    not be sent their mail, whatever they said.
    """

    accepted: tuple[str, ...] = ()
    tentative: tuple[str, ...] = ()
    declined: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    outdated: tuple[str, ...] = ()
    delegated: tuple[str, ...] = ()
    unreached: tuple[str, ...] = ()


class TroubleWith(StrEnum):
    """What could not be done: a mail to attendees, writing the owner's calendar, reading it."""

    MAIL = "mail"
    CALENDAR = "calendar"
    READING = "reading"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something owed to the outside world that failed.

    `mail` is the MailKind value of the mail that failed. `people` are the recipients as "Name <address>". `calendar` is the
    calendar's name. `reply` are the server's own words. `retrying`: it is tried again, for MAIL until `until` (UTC) if known;
    otherwise it is given up. `unreachable`: the server could not be reached at all, so the addresses are not to blame.
    """

    about: TroubleWith
    reply: str
    mail: str = ""
    people: tuple[str, ...] = ()
    calendar: str = ""
    tried: int = 1
    retrying: bool = False
    unreachable: bool = False
    until: datetime | None = None

    def __post_init__(self) -> None:
        if self.until is not None:
            require_utc(self.until, "until")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailContext:
    """Everything a mail text can need. What a kind does not speak of is ignored, so one builder serves all kinds.

    owner, recipient: names may be empty, addresses not.
    number: the nine digits. link: join URL of this number ("": none). join_page: page where a number is typed ("": not told).
    dial_in: text, "" if not ticked. password: the session's, shown to those who are invited.
    date: the date the mail is about: of the entry, for occurrence mails of that occurrence as it is now; for cancellations the
    one that was told last. before: what the recipient was told last, for "moved from … to …"; `changes` need not repeat it.
    rrule: RECUR value of a series, "" without. series: the entry has more than one date (also by RDATE alone).
    next_dates: the first dates to come, also for "the series goes on" in occurrence mails.
    recurrence_id: original wall start of the occurrence, in the zone of `date`.
    changes: what else changed (for reminders: since the last one). asks: the recipient has to answer (again).
    reason: why it was cancelled, in the owner's words.
    Reminders: offset is the one that fired, starts_in how long it really is until the start (None: as offset).
    start_link: where the owner starts the session ("": the join link is given). reminded: he was reminded of this date before.
    answer_link: the recipient's own page to answer on ("": there is none). It is nobody else's business.
    Trouble with a whole calendar: title is the calendar's name, number "".
    """

    owner_name: str
    owner_email: str
    recipient_name: str
    recipient_email: str
    title: str
    number: str
    description: str = ""
    location: str = ""
    link: str = ""
    join_page: str = ""
    dial_in: str = ""
    password: str = field(default="", repr=False)
    date: ShownDate | None = None
    before: ShownDate | None = None
    rrule: str = ""
    series: bool = False
    next_dates: tuple[When, ...] = ()
    recurrence_id: datetime | None = None
    changes: tuple[Change, ...] = ()
    asks: bool = False
    reason: str = ""
    offset: timedelta | None = None
    starts_in: timedelta | None = None
    start_link: str = ""
    answer_link: str = ""
    reminded: bool = False
    people: People | None = None
    trouble: Trouble | None = None

    def __post_init__(self) -> None:
        if self.recurrence_id is not None:
            require_wall(self.recurrence_id, "recurrence_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A finished mail text: one-line subject, plain text with LF line ends, and a whole HTML document."""

    subject: str
    text: str
    html: str
