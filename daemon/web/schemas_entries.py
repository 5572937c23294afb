"""Answers about entries. `entry show --json` prints `EntryShown` as it is: its fields are a promise (design 5)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from daemon.core import numbers, zones
from daemon.core.durations import iso_duration
from daemon.core.itip import Standing
from daemon.core.model import Answer, Attendee, Entry
from daemon.core.recurrence import Date
from daemon.planner.wishes import (
    AttendeeView,
    CalendarView,
    EntryLine,
    EntryView,
    Imported,
    OccurrenceView,
    ReminderView,
)
from daemon.web.schemas import EffectShown, Shown, Span, local, local_wall

Which = Literal["upcoming", "undated", "past", "cancelled", "all"]


class AnswerShown(Shown):
    """What somebody said. `recurrence_id` null: about the whole. `counts`: it is about the schedule as it is now."""

    attendee: str
    recurrence_id: datetime | None
    partstat: str
    source: str
    answered_at: datetime
    comment: str
    delegated_to: str
    counts: bool

    @classmethod
    def of(cls, entry: Entry, answer: Answer, *, counts: bool) -> AnswerShown:
        zone = entry.when.zone if entry.when else None
        original = local_wall(answer.recurrence_id, zone) if answer.recurrence_id is not None and zone else None
        return cls(
            attendee=answer.attendee,
            recurrence_id=original,
            partstat=answer.partstat.value,
            source=answer.source.value,
            answered_at=local(answer.answered_at, zone),
            comment=answer.comment,
            delegated_to=answer.delegated_to,
            counts=counts,
        )


class DeliveryDetail(Shown):
    """The last mail to this person: what it was, when it was handed over, what the mail server said."""

    kind: str
    sequence: int | None
    at: datetime | None
    reply: str


class AttendeeShown(Shown):
    """`outdated`: the last answer (`previous`) was about another date, and there is none since the move.

    `delegated_to` comes instead, `delegated_from` sent this person (RFC 5545 3.2.4, 3.2.5); "" for nobody.
    """

    email: str
    name: str
    role: str
    partstat: str
    source: str | None
    answered_at: datetime | None
    comment: str
    delegated_to: str
    delegated_from: str
    outdated: bool
    previous: AnswerShown | None
    delivery: str
    delivery_detail: DeliveryDetail

    @classmethod
    def of(cls, entry: Entry, view: AttendeeView) -> AttendeeShown:
        zone = entry.when.zone if entry.when else None
        standing, delivery = view.standing, view.delivery
        valid = standing.answer if standing.answer is not None and not standing.outdated else None
        previous = standing.answer if standing.answer is not None and standing.outdated else None
        return cls(
            email=view.attendee.email,
            name=view.attendee.name,
            role=view.attendee.role.value,
            partstat=standing.partstat.value,
            source=valid.source.value if valid else None,
            answered_at=local(valid.answered_at, zone) if valid else None,
            comment=valid.comment if valid else "",
            delegated_to=valid.delegated_to if valid else "",
            delegated_from=view.attendee.delegated_from,
            outdated=standing.outdated,
            previous=AnswerShown.of(entry, previous, counts=False) if previous else None,
            delivery=delivery.state,
            delivery_detail=DeliveryDetail(
                kind=delivery.kind,
                sequence=delivery.sequence,
                at=local(delivery.at, zone) if delivery.at else None,
                reply=delivery.reply,
            ),
        )


class StandingShown(Shown):
    email: str
    partstat: str
    outdated: bool

    @classmethod
    def of(cls, attendee: Attendee, standing: Standing) -> StandingShown:
        return cls(email=attendee.email, partstat=standing.partstat.value, outdated=standing.outdated)


class OccurrenceShown(Shown):
    """One coming date of a series. `recurrence_id` is its original start, by which it is named, whatever its time is now."""

    recurrence_id: datetime
    start: datetime
    end: datetime
    timezone: str
    state: str
    moved: bool
    title: str
    location: str
    attendees: tuple[StandingShown, ...]

    @classmethod
    def of(cls, view: OccurrenceView, people: tuple[Attendee, ...]) -> OccurrenceShown:
        date = view.date
        zone = date.when.zone
        original = date.recurrence_id if date.recurrence_id is not None else date.when.start
        return cls(
            recurrence_id=local_wall(original, zone),
            start=local(date.start, zone),
            end=local(date.end, zone),
            timezone=zone,
            state="cancelled" if date.cancelled else "planned",
            moved=date.when.start != original,
            title=date.title,
            location=date.location,
            attendees=tuple(StandingShown.of(person, one) for person, one in zip(people, view.standings, strict=True)),
        )


class CalendarState(Shown):
    """How the entry stands in a calendar. `item` is the server's name of the event."""

    calendar: str
    calendar_id: str
    state: str
    item: str | None
    error: str

    @classmethod
    def of(cls, view: CalendarView) -> CalendarState:
        return cls(calendar=view.name, calendar_id=view.calendar, state=view.state, item=view.item, error=view.error)


class ReminderShown(Shown):
    """`state` is `waiting`, `sent`, `suppressed` or `off`; `start` is the start that is reminded of."""

    offset: Span
    due: datetime | None
    start: datetime | None
    state: str
    reason: str

    @classmethod
    def of(cls, view: ReminderView, zone: str | None) -> ReminderShown:
        return cls(
            offset=view.offset,
            due=local(view.due, zone) if view.due else None,
            start=local(view.start, zone) if view.start else None,
            state=view.state,
            reason=view.reason,
        )


class NextDate(Shown):
    """The running or next date that takes place."""

    recurrence_id: datetime | None
    start: datetime
    end: datetime
    timezone: str

    @classmethod
    def of(cls, date: Date) -> NextDate:
        zone = date.when.zone
        original = local_wall(date.recurrence_id, zone) if date.recurrence_id is not None else None
        return cls(recurrence_id=original, start=local(date.start, zone), end=local(date.end, zone), timezone=zone)


class Schedule(Shown):
    """When an entry (of a series: its first date) starts and ends; all null without a date."""

    start: datetime | None
    end: datetime | None
    timezone: str | None
    all_day: bool
    duration: str | None
    rrule: str | None
    rdates: tuple[datetime, ...]

    @staticmethod
    def fields_of(entry: Entry) -> dict[str, object]:
        """Return the values of these fields."""
        when = entry.when
        if when is None:
            return {"start": None, "end": None, "timezone": None, "all_day": False, "duration": None, "rrule": None, "rdates": ()}
        start, end = (local(moment, when.zone) for moment in zones.span(when))
        return {
            "start": start,
            "end": end,
            "timezone": when.zone,
            "all_day": when.all_day,
            "duration": iso_duration(when.duration, whole_days=when.all_day),
            "rrule": entry.rrule,
            "rdates": tuple(local_wall(one, when.zone) for one in entry.rdates),
        }


class EntryShown(Schedule):
    """Everything there is to see of an entry."""

    id: str
    uid: str
    number: str
    number_shown: str
    title: str
    description: str
    location: str
    link: str
    owner: str
    state: str
    sequence: int
    revision: int
    sender: str
    invited: bool
    telephone: bool
    remind: bool
    password: str
    created: datetime
    modified: datetime
    next: NextDate | None
    attendees: tuple[AttendeeShown, ...]
    occurrences: tuple[OccurrenceShown, ...]
    calendars: tuple[CalendarState, ...]
    reminders: tuple[ReminderShown, ...]

    @classmethod
    def of(cls, view: EntryView) -> EntryShown:
        entry = view.entry
        zone = entry.when.zone if entry.when else None
        people = tuple(one.attendee for one in view.attendees)
        return cls.model_validate(
            {
                **Schedule.fields_of(entry),
                "id": entry.id,
                "uid": entry.uid,
                "number": entry.number,
                "number_shown": numbers.shown(entry.number),
                "title": entry.title,
                "description": entry.description,
                "location": entry.location,
                "link": view.link,
                "owner": view.owner_email,
                "state": entry.state.value,
                "sequence": entry.sequence,
                "revision": entry.revision,
                "sender": entry.sender.value,
                "invited": entry.invited,
                "telephone": entry.telephone,
                "remind": entry.remind,
                "password": entry.password,
                "created": entry.created,
                "modified": entry.modified,
                "next": NextDate.of(view.next_date) if view.next_date else None,
                "attendees": tuple(AttendeeShown.of(entry, one) for one in view.attendees),
                "occurrences": tuple(OccurrenceShown.of(one, people) for one in view.occurrences),
                "calendars": tuple(CalendarState.of(one) for one in view.calendars),
                "reminders": tuple(ReminderShown.of(one, zone) for one in view.reminders),
            }
        )


class Counts(Shown):
    accepted: int
    declined: int
    tentative: int
    silent: int


class EntryInList(Schedule):
    """An entry in a list; `counts` are the answers for the next date."""

    id: str
    uid: str
    number: str
    number_shown: str
    title: str
    state: str
    sender: str
    invited: bool
    owner: str
    next: NextDate | None
    counts: Counts

    @classmethod
    def of(cls, line: EntryLine, owner_email: str) -> EntryInList:
        entry = line.entry
        accepted, declined, tentative, silent = line.counts
        return cls.model_validate(
            {
                **Schedule.fields_of(entry),
                "id": entry.id,
                "uid": entry.uid,
                "number": entry.number,
                "number_shown": numbers.shown(entry.number),
                "title": entry.title,
                "state": entry.state.value,
                "sender": entry.sender.value,
                "invited": entry.invited,
                "owner": owner_email,
                "next": NextDate.of(line.next_date) if line.next_date else None,
                "counts": Counts(accepted=accepted, declined=declined, tentative=tentative, silent=silent),
            }
        )


class EntryChanged(Shown):
    """The entry as it is now (in a dry run: as it would be), and what the change causes."""

    entry: EntryShown
    effects: tuple[EffectShown, ...]
    notes: tuple[str, ...]
    dry_run: bool


class Found(Shown):
    """Which entry a text means."""

    id: str
    number: str
    title: str


class EntryText(Shown):
    text: str


class EntryAnswers(Shown):
    """Where everybody stands, and everything that was said."""

    id: str
    title: str
    counts: Counts
    attendees: tuple[AttendeeShown, ...]
    occurrences: tuple[OccurrenceShown, ...]
    answers: tuple[AnswerShown, ...]


class ImportLine(Shown):
    """One line of an import: `total` first, one for each event (`index` counts from 1), then the sums with `done`."""

    total: int | None = None
    problems: tuple[str, ...] | None = None
    index: int | None = None
    uid: str | None = None
    title: str | None = None
    outcome: str | None = None
    reason: str | None = None
    entry: str | None = None
    state: str | None = None
    done: bool | None = None
    sums: dict[str, int] | None = None

    @classmethod
    def of(cls, index: int, imported: Imported) -> ImportLine:
        return cls(
            index=index,
            uid=imported.uid,
            title=imported.title,
            outcome=imported.outcome,
            reason=imported.reason,
            entry=imported.entry,
            state=imported.state.value if imported.state else None,
        )
