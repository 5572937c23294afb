"""Whether the world agrees with the store afterwards. Calendars and mails are read as strangers' programs read them.

Nothing of `daemon.core.ics` or `daemon.core.itip` is used here: icalendar parses, recurring-ical-events expands, and iTIP is
replayed by RFC 5546's own rule: for each UID and RECURRENCE-ID the highest SEQUENCE counts, then the latest DTSTAMP.
Each function returns sentences about what is wrong; nothing wrong is an empty list.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import icalendar
import recurring_ical_events
import sqlalchemy as sa

from daemon.core import recurrence
from daemon.core.delivery import Message, MessageState
from daemon.core.model import Entry, EntryState, Owner
from daemon.core.reminders import Mark
from daemon.demo.post import Delivered
from daemon.store import calendars as calendar_rows
from daemon.store import entries as entry_rows
from daemon.store import messages as message_rows
from daemon.store import owners as owner_rows
from daemon.store import reminder_marks, work
from daemon.store.work import Job

_ALL = 1_000_000
_MONTHS = ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"]
_DAY = re.compile(rf"(\d{{1,2}})\. ({'|'.join(_MONTHS)}) (\d{{4}})\D+?(\d{{2}}):(\d{{2}})")
_NUMBER = re.compile(r"\b(\d{3})-(\d{3})-(\d{3})\b")

Dates = frozenset[tuple[datetime, datetime, str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What the store says."""

    entries: tuple[Entry, ...]
    owners: Mapping[str, Owner]
    calendars: Mapping[str, str]  # entry → its calendar's id
    users: Mapping[str, str]  # calendar's id → user name at the server
    messages: tuple[Message, ...]
    marks: Mapping[str, tuple[Mark, ...]]
    jobs: tuple[Job, ...]


def truth(tx: sa.Connection) -> Truth:
    """Read all of it in one transaction."""
    entries = tuple(entry_rows.list_(tx, limit=_ALL)) + tuple(entry_rows.list_(tx, states=(EntryState.DELETED,), limit=_ALL))
    entries = tuple({one.id: one for one in entries}.values())
    return Truth(
        entries=entries,
        owners={one.id: one for one in owner_rows.all_(tx)},
        calendars={one.id: link.calendar for one in entries for link in calendar_rows.links_of(tx, one.id)},
        users={one.id: one.username for one in calendar_rows.all_(tx)},
        messages=tuple(message for one in entries for message in message_rows.of_entry(tx, one.id)),
        marks={one.id: reminder_marks.of_entry(tx, one.id) for one in entries},
        jobs=tuple(work.list_(tx, limit=_ALL)),
    )


# Calendars


def calendars_agree(said: Truth, bodies: Mapping[str, Sequence[bytes]]) -> list[str]:
    """Each planned entry is in its calendar exactly as the store has it, and nothing else is in any."""
    problems: list[str] = []
    there: dict[str, tuple[str, icalendar.Calendar]] = {}
    for user, texts in bodies.items():
        for text in texts:
            calendar = icalendar.Calendar.from_ical(text)
            uid = str(calendar.walk("VEVENT")[0]["UID"])
            if uid in there:
                problems.append(f"{uid} lies in two objects")
            there[uid] = user, calendar
    for entry in said.entries:
        user, found = there.pop(entry.uid, (None, None))
        planned = entry.state is EntryState.PLANNED
        if found is None or not planned:
            if planned:
                problems.append(f"{_shown(entry)} is in no calendar")
            elif found is not None:
                problems.append(f"{_shown(entry)} is still in the calendar of {user}")
            continue
        if said.users[said.calendars[entry.id]] != user:
            problems.append(f"{_shown(entry)} is in the calendar of {user}")
        problems += _differences(f"{_shown(entry)} in the calendar", _wanted(entry), _expanded(found))
        main = next(one for one in found.walk("VEVENT") if "RECURRENCE-ID" not in one)
        listed = {_address(one) for one in _many(main.get("ATTENDEE"))}
        if listed != {one.email for one in entry.attendees}:
            problems.append(f"{_shown(entry)}: the calendar lists {sorted(listed)}")
    problems += [f"{uid} in the calendar of {user} is no entry's" for uid, (user, _) in there.items()]
    return problems


def _wanted(entry: Entry) -> Dates:
    link = f"https://meet.example.org/{entry.number}"  # where no place is named, it is where people meet
    ahead = recurrence.dates(entry, limit=1000)
    return frozenset((one.start, one.end, one.title, one.location or link) for one in ahead if not one.cancelled)


def _expanded(calendar: icalendar.Calendar) -> Dates:
    found = []
    for one in recurring_ical_events.of(calendar).all():
        if str(one.get("STATUS")) != "CANCELLED":
            start = one["DTSTART"].dt.astimezone(UTC)
            end = one["DTEND"].dt.astimezone(UTC) if "DTEND" in one else start + one["DURATION"].dt
            found.append((start, end, str(one.get("SUMMARY", "")), str(one.get("LOCATION", ""))))
    return frozenset(found)


def _differences(where: str, wanted: Dates, found: Dates) -> list[str]:
    if wanted == found:
        return []
    lacking, surplus = sorted(wanted - found), sorted(found - wanted)
    return [f"{where}: lacking {_dates(lacking)}; too much {_dates(surplus)}"]


# Mails to attendees


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A delivered mail."""

    recipient: str
    message_id: str
    data: bytes
    mail: EmailMessage
    calendar: icalendar.Calendar | None

    @property
    def method(self) -> str:
        return "" if self.calendar is None else str(self.calendar["METHOD"])

    @property
    def events(self) -> list[icalendar.Event]:
        return [] if self.calendar is None else list(self.calendar.walk("VEVENT"))

    def says(self) -> str:
        """What it tells, without when it was written: the same twice in two messages is a doubled mail."""
        assert self.calendar is not None
        lines = self.calendar.to_ical().decode().splitlines()
        return "\n".join(line for line in lines if not line.startswith("DTSTAMP"))


def letters(mails: Iterable[Delivered]) -> list[Letter]:
    """Read what was delivered, in order."""
    found = []
    for one in mails:
        mail = message_from_bytes(one.data, policy=SMTP)
        part = next((part for part in mail.walk() if part.get_content_type() == "text/calendar"), None)
        calendar = None if part is None else icalendar.Calendar.from_ical(part.get_content())
        found.append(
            Letter(recipient=one.recipient, message_id=str(mail["Message-ID"]), data=one.data, mail=mail, calendar=calendar)
        )
    return found


def letters_once(all_letters: Sequence[Letter]) -> tuple[list[Letter], int, list[str]]:
    """Return the letters without repetitions, how many of these there were, and what is wrong with them.

    A repetition is one and the same message again: same Message-ID, same bytes, same recipient.
    """
    first: dict[str, Letter] = {}
    problems, repeated = [], 0
    for one in all_letters:
        known = first.setdefault(one.message_id, one)
        if known is not one:
            repeated += 1
            if (known.data, known.recipient) != (one.data, one.recipient):
                problems.append(f"{one.message_id} is the Message-ID of two mails")
    said: dict[tuple[str, str], str] = {}
    for one in first.values():
        if one.calendar is not None:
            other = said.setdefault((one.recipient, one.says()), one.message_id)
            if other != one.message_id:
                event = one.events[0]
                problems.append(
                    f"{one.recipient} was told the same twice, in {other} and {one.message_id}: "
                    f"{one.method} “{event.get('SUMMARY')}” SEQUENCE {event.get('SEQUENCE')}"
                )
    return list(first.values()), repeated, problems


@dataclass(slots=True)
class _Copy:
    """An attendee's calendar program: what it holds of one UID."""

    held: dict[datetime | None, tuple[tuple[int, datetime], icalendar.Event]] = field(default_factory=dict)
    asked: bool = False
    late: list[str] = field(default_factory=list)

    def take(self, letter: Letter) -> None:
        self.asked = self.asked or letter.method == "REQUEST"
        whole = [one for one in letter.events if "RECURRENCE-ID" not in one]
        if whole:  # of the whole: what is held of single dates and not newer goes with it (RFC 5546 3.2.2.1)
            version = _version(whole[0])
            self.held = {
                name: kept
                for name, kept in self.held.items()
                if name is None or (letter.method == "CANCEL" and kept[0] > version)
            }
        for one in letter.events:
            name = one["RECURRENCE-ID"].dt.astimezone(UTC) if "RECURRENCE-ID" in one else None
            version, held = _version(one), self.held.get(name)
            if held is not None and held[0] > version:
                self.late.append(f"{letter.method} SEQUENCE {version[0]} came after SEQUENCE {held[0][0]}")
                continue
            if letter.method == "CANCEL":
                one["STATUS"] = "CANCELLED"
            self.held[name] = version, one

    def shows(self) -> Dates:
        """The dates that stand in it."""
        main = self.held.get(None)
        if main is not None and str(main[1].get("STATUS")) == "CANCELLED":
            return frozenset()
        calendar = icalendar.Calendar()
        for _, one in self.held.values():
            calendar.add_component(one)
        return _expanded(calendar)


def attendees_agree(said: Truth, once: Sequence[Letter]) -> list[str]:
    """Whoever is invited has each entry as it is now; whoever was told of what is off, or goes on without him, has nothing."""
    problems: list[str] = []
    copies: dict[tuple[str, str], _Copy] = defaultdict(_Copy)
    for one in once:
        if one.calendar is not None:
            copies[one.recipient, str(one.events[0]["UID"])].take(one)
    known = {entry.uid: entry for entry in said.entries}
    for (email, uid), copy in copies.items():
        problems += [f"{email}, {uid}: {text}" for text in copy.late]
        if uid not in known:
            problems.append(f"{email} was mailed about {uid}, which is no entry")
        elif not copy.asked:
            problems.append(f"{email} was never invited to {_shown(known[uid])}, yet mailed about it")
    for entry in said.entries:
        listed = {one.email for one in entry.attendees} if entry.invited and entry.state is EntryState.PLANNED else set()
        told = {email for email, uid in copies if uid == entry.uid}
        problems += [f"{email} was not told of {_shown(entry)}" for email in sorted(listed - told)]
        for email in sorted(told):
            wanted = _wanted(entry) if email in listed else frozenset()
            problems += _differences(f"{_shown(entry)} as {email} has it", wanted, copies[email, entry.uid].shows())
    return problems


def messages_agree(said: Truth, once: Sequence[Letter]) -> list[str]:
    """Every message noted as sent was delivered; everything delivered is noted as sent; nothing waits or failed.

    But for a reminder that was on its way when its holder was killed and the session called off: nobody asks any more.
    """
    delivered = {one.message_id for one in once}
    asked = {one.key for one in said.jobs}
    problems = []
    for one in said.messages:
        came, named = one.message_id in delivered, f"{one.message_id} to {one.recipient}"
        if one.state is MessageState.SENT and not came:
            problems.append(f"{named} is noted as sent and never came")
        if one.state is not MessageState.SENT and came and one.method:
            problems.append(f"{named} came and is {one.state}")
        if one.state is MessageState.FAILED or (one.state is MessageState.PENDING and (one.method or one.work in asked)):
            problems.append(f"{named} is {one.state}: {one.reply}")
    known = {one.message_id for one in said.messages}
    strange = [one for one in once if one.message_id not in known]
    return problems + [f"{one.message_id} to {one.recipient} came and is not known: {one.mail['Subject']}" for one in strange]


# Reminders


def reminders_agree(said: Truth, once: Sequence[Letter], now: datetime) -> list[str]:
    """Each date whose reminder was due was announced to its owner, and none twice by one offset."""
    problems: list[str] = []
    sent: dict[tuple[str, str, datetime], list[str]] = defaultdict(list)
    owners = {one.email for one in said.owners.values()}
    for one in once:
        if one.recipient in owners:
            number, wall = _announced(one.mail)
            if number is None or wall is None or "Erinnerung" not in str(one.mail["Subject"]):
                problems.append(f"{one.recipient} was mailed what is no reminder: {one.mail['Subject']}")
            else:
                sent[one.recipient, number, wall].append(one.message_id)
    work_of = {one.message_id: one.work for one in said.messages}  # the row of one entry and offset
    kept_as = {one.message_id: f"{one.work} {one.state} {one.tried}× {one.created:%H:%M:%S.%f}" for one in said.messages}
    for (_, number, wall), ids in sent.items():
        works = Counter(work_of.get(one, "") for one in ids)
        if max(works.values()) > 1:
            problems.append(f"{len(ids)} reminders of {number} at {wall}: {[kept_as.get(one, one) for one in ids]}")
    for entry in said.entries:
        if entry.state is not EntryState.PLANNED or entry.when is None:
            continue
        kept = {one.start for one in said.marks[entry.id] if one.state == "suppressed"}
        owner = said.owners[entry.owner].email
        for date in recurrence.dates(entry, limit=1000):
            due = any(date.start - offset <= now - timedelta(seconds=1) for offset in entry.reminders or ())
            wanted = due and not date.cancelled and date.start > now and date.start not in kept
            if wanted and not sent.get((owner, entry.number, date.when.start)):
                problems.append(f"no reminder of {_shown(entry)} at {date.when.start}")
    return problems


def _announced(mail: EmailMessage) -> tuple[str | None, datetime | None]:
    part = mail.get_body(("plain",))
    text = str(part.get_content()) if part is not None else ""
    number, day = _NUMBER.search(text), _DAY.search(text)
    if number is None or day is None:
        return None, None
    date, month, year, hour, minute = day.groups()
    return "".join(number.groups()), datetime(int(year), _MONTHS.index(month) + 1, int(date), int(hour), int(minute))


# Work


def queue_rests(said: Truth, now: datetime, usual: Collection[str] = ("calendar", "house", "remind")) -> list[str]:
    """Nothing is parked, held or overdue; only what comes round by itself, or is due later, is left."""
    problems = [f"{one.key} is put aside: {one.error}" for one in said.jobs if one.due is None]
    problems += [f"{one.key} is held until {one.held_until}" for one in said.jobs if one.holder is not None]
    return problems + [
        f"{one.key} is due since {one.due}: {one.error}"
        for one in said.jobs
        if one.due is not None and (one.due <= now or one.kind not in usual)
    ]


def _version(one: icalendar.Event) -> tuple[int, datetime]:
    return int(one.get("SEQUENCE", 0)), one["DTSTAMP"].dt


def _shown(entry: Entry) -> str:
    return f"“{entry.title}” ({entry.id}, {entry.state}, SEQUENCE {entry.sequence})"


def _dates(some: Sequence[tuple[datetime, datetime, str, str]]) -> str:
    return ", ".join(f"{start:%m-%d %H:%M}–{end:%H:%M} {title}/{where}" for start, end, title, where in some) or "nothing"


def _many(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _address(value: Any) -> str:
    return str(value).removeprefix("mailto:").removeprefix("MAILTO:").casefold()
