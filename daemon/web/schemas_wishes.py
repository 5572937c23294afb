"""Bodies of requests about entries, and the wishes they stand for. Times are resolved here, in the zone they are meant in."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from daemon.core import zones
from daemon.core.model import Entry, Sender
from daemon.planner.wishes import Changes, Draft
from daemon.web.schemas import Body, People, Span, when_of


class NewEntry(Body):
    """A new entry; without `start` it has no date. `calendar` by name or id: "" is none, absent the owner's first."""

    title: str
    description: str = ""
    location: str = ""
    start: str | None = Field(None, description="2027-03-28T09:00 in `timezone`, or RFC 3339 with offset; a date for whole days.")
    timezone: str | None = Field(None, description="IANA name; absent: the owner's.")
    duration: Span | None = None
    all_day: bool = False
    rrule: str | None = Field(None, description="RFC 5545 RECUR value, like FREQ=WEEKLY;COUNT=4.")
    attendees: People = ()
    invite: bool = True
    telephone: bool = False
    remind: bool = True
    reminders: tuple[Span, ...] | None = None
    password: str = ""
    calendar: str | None = None
    sender: Sender | None = None

    def draft(self, owner_zone: str) -> Draft:
        """Return the wish, with the owner's zone where none is given. Raises Rejected."""
        zone = zones.zone(self.timezone or owner_zone).key
        return Draft(
            title=self.title,
            description=self.description,
            location=self.location,
            when=when_of(self.start, zone, self.duration, all_day=self.all_day) if self.start else None,
            rrule=self.rrule,
            attendees=tuple(one.attendee() for one in self.attendees),
            invite=self.invite,
            telephone=self.telephone,
            remind=self.remind,
            reminders=self.reminders,
            password=self.password,
            calendar=self.calendar,
            sender=self.sender,
        )


class EntryChanges(Body):
    """What is to become different; what is absent stays. `start: null` takes the date away, `calendar: null` the calendar."""

    title: str | None = None
    description: str | None = None
    location: str | None = None
    start: str | None = None
    timezone: str | None = None
    duration: Span | None = None
    all_day: bool | None = None
    rrule: str | None = None
    telephone: bool | None = None
    remind: bool | None = None
    reminders: tuple[Span, ...] | None = None
    password: str | None = None
    attendees: People | None = None
    calendar: str | None = None

    def changes(self, entry: Entry, owner_zone: str) -> Changes:
        """Return the wish for this entry. Raises Rejected."""
        given = self.model_fields_set
        return Changes(
            title=self.title,
            description=self.description,
            location=self.location,
            start=new_start(entry, self.start, self.timezone, owner_zone, all_day=self.all_day),
            zone=new_zone(entry, self.start, self.timezone, owner_zone),
            duration=self.duration,
            all_day=self.all_day,
            no_date="start" in given and not self.start,
            rrule=(self.rrule or "") if "rrule" in given else None,
            telephone=self.telephone,
            remind=self.remind,
            reminders=self.reminders,
            password=self.password,
            attendees=None if self.attendees is None else tuple(one.attendee() for one in self.attendees),
            calendar=(self.calendar or "") if "calendar" in given else None,
        )


class Move(Body):
    """A new time. Without `timezone` the zone stays, without `duration` the length."""

    start: str | None = None
    timezone: str | None = None
    duration: Span | None = None


class Copy(Body):
    start: str | None = None
    title: str | None = None


class Invitation(Body):
    """People to add; nobody: everybody on the list who is not told yet."""

    attendees: People = ()


class Uninvitation(Body):
    attendees: tuple[str, ...] = Field(min_length=1)


class CalendarChoice(Body):
    calendar: str | None = Field(description="Name or id; null: none.")


def new_start(
    entry: Entry, start: str | None, zone: str | None, owner_zone: str, *, all_day: bool | None = None
) -> datetime | None:
    """Return the new wall start in the zone it is meant in: the given, else the entry's, else the owner's. Raises Rejected."""
    if not start:
        return None
    meant = zone or (entry.when.zone if entry.when else owner_zone)
    whole_days = entry.when is not None and entry.when.all_day if all_day is None else all_day
    return when_of(start, zones.zone(meant).key, None, all_day=whole_days).start


def new_zone(entry: Entry, start: str | None, zone: str | None, owner_zone: str) -> str | None:
    """Return the zone to set: the given one, or the owner's for an entry that gets its first date."""
    return zone or (owner_zone if start and entry.when is None else None)
