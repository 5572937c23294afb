"""What a use case is asked for and what it gives back: plain values, the same for page, API, command line and calendar.

In `Changes`, None means "as it is"; an empty value clears.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from daemon.core.itip import AnswerRules, MailKind, Standing
from daemon.core.model import Attendee, Entry, EntryState, Language, Organizer, Sender, When
from daemon.core.organizer import OrganizerForm
from daemon.core.recurrence import Date
from daemon.core.retry import Limits
from daemon.core.tokens import Links
from daemon.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The installation's settings that use cases decide by.

    `organizer` is the service mailbox (design 4.2), `organizer_form` whose address mails have as ORGANIZER. `private_guests`:
    nobody is told who else is invited. `bounces`: where reports of failed delivery go, with "{token}" for the message's own; "":
    to `organizer`.
    """

    organizer: Organizer
    organizer_form: OrganizerForm = OrganizerForm.SERVICE
    private_guests: bool = False
    bounces: str = ""
    link_template: str = "https://meet.example.org/{number}"
    dial_in: str = ""
    coalesce: timedelta = timedelta(seconds=60)
    reminders: tuple[timedelta, ...] = (timedelta(hours=24), timedelta(minutes=15))
    quarantine: timedelta = timedelta(days=180)
    poll: timedelta = timedelta(seconds=60)
    alarm: timedelta | None = timedelta(minutes=15)
    language: Language = Language.DE
    zone: str = "Europe/Berlin"
    limits: Limits = field(default_factory=Limits)
    answers: AnswerRules = field(default_factory=AnswerRules)


@dataclass(slots=True, kw_only=True)
class Desk:
    """What every use case needs beside its transaction. `rules` are replaced as a whole when the configuration is read again.

    `links`: how links to our pages are made; None where none are served.
    """

    clock: Clock
    rules: Rules
    links: Links | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A new entry as a person asks for it. `calendar`: id, None = the owner's only or default one, "" = none at all."""

    title: str
    description: str = ""
    location: str = ""
    when: When | None = None
    rrule: str | None = None
    attendees: tuple[Attendee, ...] = ()
    invite: bool = True
    telephone: bool = False
    remind: bool = True
    reminders: tuple[timedelta, ...] | None = None
    password: str = ""
    calendar: str | None = None
    sender: Sender | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is to become different. `no_date` takes the date away; `attendees` replaces the list."""

    title: str | None = None
    description: str | None = None
    location: str | None = None
    start: datetime | None = None
    zone: str | None = None
    duration: timedelta | None = None
    all_day: bool | None = None
    no_date: bool = False
    rrule: str | None = None
    telephone: bool | None = None
    remind: bool | None = None
    reminders: tuple[timedelta, ...] | None = None
    password: str | None = None
    attendees: tuple[Attendee, ...] | None = None
    calendar: str | None = None


class EffectKind(StrEnum):
    MAIL = "mail"
    CALENDAR = "calendar"
    REMINDER = "reminder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One thing the change causes outside: who is told what, which calendar is written, when a reminder goes out."""

    kind: EffectKind
    text: str
    target: str
    mail_kind: MailKind | None = None
    due: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A use case's result: the entry as it is now and everything this causes. As a preview nothing of it is kept."""

    entry: Entry
    effects: tuple[Effect, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How the last mail to an attendee fared: `none | queued | sent | failed | undeliverable | told | calendar`.

    `undeliverable`: a mail server on the way sent it back; `calendar`: the calendar's server mails; `told`: before the import.
    """

    state: str
    kind: str = ""
    sequence: int | None = None
    at: datetime | None = None
    reply: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttendeeView:
    attendee: Attendee
    standing: Standing
    delivery: Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class OccurrenceView:
    """One coming date of a series with the answers that differ from or belong to it, in the order of the attendees."""

    date: Date
    standings: tuple[Standing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarView:
    calendar: str
    name: str
    state: str
    item: str | None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReminderView:
    """`state`: `waiting | sent | suppressed | off`; `due` is UTC."""

    offset: timedelta
    due: datetime | None
    start: datetime | None
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView:
    """Everything there is to see of an entry."""

    entry: Entry
    owner_email: str
    link: str
    next_date: Date | None
    attendees: tuple[AttendeeView, ...]
    occurrences: tuple[OccurrenceView, ...]
    calendars: tuple[CalendarView, ...]
    reminders: tuple[ReminderView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryLine:
    """An entry in a list. `counts` are answers of the next date: accepted, declined, tentative, silent."""

    entry: Entry
    next_date: Date | None
    counts: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of one event of a file: `created | updated | unchanged | skipped`, with the reason."""

    uid: str
    title: str
    outcome: str
    reason: str = ""
    entry: str | None = None
    state: EntryState | None = None
