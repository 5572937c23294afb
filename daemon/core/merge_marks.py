"""An event as marks: a short text for each thing in it that can change, so that three versions are compared mark by mark.

Single dates are named by how far their original wall start (RFC 5545 3.8.4.4) lies behind the start of the series. That name
stays when the series is moved, as `itip_sequences.with_sequences` has it. Not here: what follows from a difference (`merge`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from enum import Enum, StrEnum
from typing import NamedTuple

from daemon.core import recurrence
from daemon.core.errors import Rejected
from daemon.core.event import block_of, without_block
from daemon.core.ics import compared_rule, compared_text, compared_when
from daemon.core.model import Component, Event, Guest, Sender, Status, When
from daemon.core.recur import parse_recur
from daemon.core.sync import wall_name

OFF = "cancelled"
"""The mark of the time of a single date that does not take place."""


class Whose(StrEnum):
    """Who may change a field."""

    LAST = "whoever changed it last"
    PLANNER = "the planner"
    SCHEDULER = "the side that schedules"


class Field(StrEnum):
    TITLE = "title"
    TEXT = "text"
    PLACE = "place"
    WHEN = "when"
    RULE = "rule"
    PERSON = "person"
    PEOPLE = "people"
    BLOCK = "block"
    LINK = "link"
    ANSWER = "answer"


# One row for each Field. What stands in no row (alarm, SEQUENCE, categories, order) is compared by nobody.
OWNERS: Mapping[Field, tuple[Whose, str]] = {
    Field.TITLE: (Whose.LAST, "SUMMARY in one line"),
    Field.TEXT: (Whose.LAST, "DESCRIPTION without our block"),
    Field.PLACE: (Whose.LAST, "LOCATION, nothing where our link stands there"),
    Field.WHEN: (Whose.LAST, "start and duration, by instants; of a single date also that it is cancelled"),
    Field.RULE: (Whose.LAST, "RRULE and RDATE"),
    Field.PERSON: (Whose.LAST, "one ATTENDEE of the whole, with his ROLE"),
    Field.PEOPLE: (Whose.LAST, "the ATTENDEEs of a single date that has a list of its own"),
    Field.BLOCK: (Whose.PLANNER, "number, link and dial-in text between our markers"),
    Field.LINK: (Whose.PLANNER, "URL, and that LOCATION is not empty"),
    Field.ANSWER: (Whose.SCHEDULER, "PARTSTAT; what a scheduling server writes is read by `sync.new_answers`"),
}


class Key(NamedTuple):
    """What a mark is about. `date`: which single date, None for the whole. `person`: his address."""

    field: Field
    date: timedelta | None = None
    person: str = ""


class Silence(Enum):
    """What a side says that says nothing about a key: the date is none of its dates, or is cancelled there."""

    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """How a side looked when both agreed: names and inherited fields are read by it. `when` is the time of the whole."""

    when: When
    marks: Mapping[Key, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One version of an event. `dates` are its single dates with a VEVENT of their own, `off` the cancelled ones.

    A field of a date is marked only where it differs from the series. `behind`: what a date still shows as the series was before;
    the program that changed the series left it there. `strays` are names of single dates that the series does not have.
    """

    master: Component
    when: When
    rrule: str | None
    dates: Mapping[timedelta, Component]
    off: frozenset[timedelta]
    marks: Mapping[Key, str]
    behind: frozenset[Key]
    strays: tuple[datetime, ...]

    @property
    def is_series(self) -> bool:
        return self.rrule is not None or bool(self.master.rdates)

    def has(self, date: timedelta) -> bool:
        """True if the series has that date, cancelled or not."""
        return self.is_series and recurrence.is_date(self.when, self.rrule, self.master.rdates, self.when.start + date)

    def says(self, key: Key, *, known: bool) -> str | Silence | None:
        """Return the mark, None where there is none. `known`: there was an agreement, so that what is missing was taken away."""
        mark = self.marks.get(key)
        if mark is not None:
            return mark
        field, date, _ = key
        if OWNERS[field][0] is not Whose.LAST:
            return Silence.SILENT
        if date is not None and (date in self.off or not self.has(date)):
            return Silence.SILENT
        if not known and (date is not None or field is Field.PERSON):
            return Silence.SILENT
        return None


def cannot_be_read(event: Event) -> str:
    """Return why an event of a calendar cannot be compared with an entry, as a sentence; "" if it can."""
    master = event.components[0]
    if master.recurrence_id is not None:
        return "The event there has single dates only, and no series that they belong to."
    if master.when is None:
        return "The event there has no start that can be read."
    if master.rrule is not None:
        try:
            recurrence.check_imported_rule(master.rrule, master.when)
        except Rejected as error:
            return f"The recurrence there cannot be followed. {error}"
    return ""


def look(event: Event, *, sender: Sender, mine: frozenset[str], links: frozenset[str], before: Before | None = None) -> Look:
    """Return the event as marks. `mine` are addresses that are no guests: the owner's, and the organizer's.

    `links` are links of ours, now and when both sides agreed: LOCATION may show one. `before` is how this side looked then, if
    that is known. The event can be read (`cannot_be_read`).
    """
    return _Looking(event, sender, mine, links, before).look()


def wall_of(component: Component) -> When:
    """The component's time; it has one."""
    assert component.when is not None
    return component.when


def regular(when: When, date: timedelta) -> When:
    """Return when a single date of the series takes place that is as its rule says."""
    start = when.start + date
    return replace(when, start=start, all_day=when.all_day and start.time() == time.min)


def place_of(component: Component, links: frozenset[str]) -> str:
    """Return the owner's own place: nothing where one of our links stands there."""
    return "" if component.location.strip() in links else component.location


def guests_of(component: Component, mine: frozenset[str]) -> dict[str, Guest]:
    """Return who is invited by address; the organizer is none of them."""
    organizer = component.organizer.email.lower() if component.organizer else ""
    return {one.email: one for one in component.guests if one.email not in mine and one.email != organizer}


class _Looking:
    def __init__(self, event: Event, sender: Sender, mine: frozenset[str], links: frozenset[str], before: Before | None) -> None:
        self._event, self._sender, self._mine, self._links, self._before = event, sender, mine, links, before
        self._master = event.components[0]
        self._when = wall_of(self._master)
        self._rrule = _canonical(self._master.rrule, self._when)
        self._marks: dict[Key, str] = {}
        self._behind: set[Key] = set()
        self._strays: list[datetime] = []

    def look(self) -> Look:
        master, marks = self._master, self._marks
        marks[Key(Field.WHEN)] = _when_mark(self._when, series=self._rrule is not None)
        marks[Key(Field.RULE)] = _rule_mark(master, self._rrule)
        marks.update({Key(field): mark for field, mark in self._texts(master).items()})
        for guest in guests_of(master, self._mine).values():
            marks[Key(Field.PERSON, None, guest.email)] = guest.role.value
        self._mark_ours(master, None)
        off = {date for wall in master.exdates if (date := self._named(wall)) is not None}
        dates: dict[timedelta, Component] = {}
        for one in self._event.components[1:]:
            wall = wall_name(one, self._when)
            if wall is None or one.when is None:
                continue
            date = self._named(wall)
            if date is None:
                self._strays.append(wall)
            elif one.status is Status.CANCELLED:
                off.add(date)
            else:
                dates[date] = one
        for date in off:
            marks[Key(Field.WHEN, date)] = OFF
        for date, one in dates.items():
            if date not in off:
                self._mark_date(one, date)
        return Look(
            master=master,
            when=self._when,
            rrule=self._rrule,
            dates={date: one for date, one in dates.items() if date not in off},
            off=frozenset(off),
            marks=marks,
            behind=frozenset(self._behind),
            strays=tuple(self._strays),
        )

    def _named(self, wall: datetime) -> timedelta | None:
        """Which date is meant. Programs that move a series leave its single dates their old names, or move those as well."""
        starts = [self._when.start] if self._before is None else [self._when.start, self._before.when.start]
        if self._rrule is None and not self._master.rdates:
            return None
        for start in starts:
            date = wall - start
            if recurrence.is_date(self._when, self._rrule, self._master.rdates, self._when.start + date):
                return date
        return None

    def _texts(self, one: Component) -> dict[Field, str]:
        return {
            Field.TITLE: _digest(" ".join(one.title.split())),
            Field.TEXT: _digest(compared_text(without_block(one.description))),
            Field.PLACE: _digest(compared_text(place_of(one, self._links))),
        }

    def _mark_ours(self, one: Component, date: timedelta | None) -> None:
        self._marks[Key(Field.BLOCK, date)] = _digest(" ".join(block_of(one.description).split()))
        self._marks[Key(Field.LINK, date)] = _digest(f"{one.url} {bool(one.location.strip())}")
        if self._sender is Sender.PLANNER:
            for guest in guests_of(one, self._mine).values():
                partstat = guest.partstat_text or guest.partstat.value
                self._marks[Key(Field.ANSWER, date, guest.email)] = partstat

    def _mark_date(self, one: Component, date: timedelta) -> None:
        self._mark_ours(one, date)
        when = wall_of(one)
        before = None if self._before is None else _when_mark(regular(self._before.when, date))
        self._mark(Field.WHEN, date, _when_mark(when), _when_mark(regular(self._when, date)), before)
        for field, mark in self._texts(one).items():
            self._mark(field, date, mark, self._marks[Key(field)], self._was(Key(field)))
        people = _people_mark({email: guest.role.value for email, guest in guests_of(one, self._mine).items()})
        self._mark(Field.PEOPLE, date, people, _people_mark(_people(self._marks)), self._people_before())

    def _mark(self, field: Field, date: timedelta, mark: str, of_series: str, before: str | None) -> None:
        key = Key(field, date)
        if mark == of_series:
            return
        if mark == before and self._was(key) is None:
            self._behind.add(key)
        else:
            self._marks[key] = mark

    def _was(self, key: Key) -> str | None:
        return None if self._before is None else self._before.marks.get(key)

    def _people_before(self) -> str | None:
        return None if self._before is None else _people_mark(_people(self._before.marks))


def _canonical(rrule: str | None, when: When) -> str | None:
    return None if rrule is None else str(parse_recur(rrule, when))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _when_mark(when: When, *, series: bool = False) -> str:
    return " ".join(part.isoformat() if isinstance(part, datetime) else str(part) for part in compared_when(when, series=series))


def _rule_mark(master: Component, rrule: str | None) -> str:
    parts = sorted(f"{name}={','.join(sorted(values))}" for name, values in compared_rule(rrule or ""))
    when = wall_of(master)
    more = sorted(
        _when_mark(When(start=wall, zone=when.zone, duration=timedelta(0), all_day=when.all_day)) for wall in master.rdates
    )
    return ";".join([*parts, *more])


def _people(marks: Mapping[Key, str]) -> dict[str, str]:
    return {key.person: mark for key, mark in marks.items() if key.field is Field.PERSON}


def _people_mark(people: Mapping[str, str]) -> str:
    return ",".join(f"{email} {role}" for email, role in sorted(people.items()))
