"""What a calendar's change asks of an entry: plain values, such as a person gives on the page or the command line.

None means "as it is", an empty value clears, as in the planner's `Changes`. Not here: how a wish comes about (`merge`), whether
it may be granted and what it causes (`planner`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from daemon.core.itip_sequences import occurrence_of, with_sequences
from daemon.core.model import Attendee, Entry, Occurrence, When

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A change of the whole entry, or of one date of it (`recurrence_id`, its original wall start after the whole was changed).

    `start` is the wall time in `zone`, or for one date in the entry's zone. `rdates` and `rrule` (“” is none) are the whole's,
    `cancelled` is a single date's: False takes it up again, with `start`.
    """

    recurrence_id: datetime | None = None
    title: str | None = None
    description: str | None = None
    location: str | None = None
    start: datetime | None = None
    zone: str | None = None
    duration: timedelta | None = None
    all_day: bool | None = None
    rrule: str | None = None
    rdates: tuple[datetime, ...] | None = None
    cancelled: bool | None = None
    invited: tuple[Attendee, ...] = ()
    uninvited: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self != Wish(recurrence_id=self.recurrence_id)


def granted(entry: Entry, wish: Wish) -> Entry:
    """Return the entry with the wish as its use case grants it, SEQUENCE raised where RFC 5546 2.1.4 asks for it.

    The entry has a date. Nothing is checked: what an entry cannot be is the planner's business.
    """
    after = _whole(entry, wish) if wish.recurrence_id is None else _one_date(entry, wish, wish.recurrence_id)
    return with_sequences(entry, after)


def _whole(entry: Entry, wish: Wish) -> Entry:
    when = entry.when
    assert when is not None
    return replace(
        entry,
        title=_given(wish.title, entry.title),
        description=_given(wish.description, entry.description),
        location=_given(wish.location, entry.location),
        when=When(
            start=wish.start or when.start,
            zone=wish.zone or when.zone,
            duration=when.duration if wish.duration is None else wish.duration,
            all_day=when.all_day if wish.all_day is None else wish.all_day,
        ),
        rrule=entry.rrule if wish.rrule is None else wish.rrule or None,
        rdates=entry.rdates if wish.rdates is None else wish.rdates,
        attendees=_people(entry.attendees, wish),
        occurrences=tuple(
            one if one.attendees is None else replace(one, attendees=_people(one.attendees, Wish(uninvited=wish.uninvited)))
            for one in entry.occurrences
        ),
    )


def _one_date(entry: Entry, wish: Wish, recurrence_id: datetime) -> Entry:
    when = entry.when
    assert when is not None
    one = occurrence_of(entry, recurrence_id) or Occurrence(recurrence_id=recurrence_id)
    start, duration = wish.start or one.start, one.duration if wish.duration is None else wish.duration
    title, description = _given(wish.title, one.title), _given(wish.description, one.description)
    location = _given(wish.location, one.location)
    listed = entry.attendees if one.attendees is None else one.attendees
    people = _people(listed, wish)
    after = replace(
        one,
        cancelled=one.cancelled if wish.cancelled is None else wish.cancelled,
        start=None if start == recurrence_id else start,
        duration=None if duration == when.duration else duration,
        title=None if title == entry.title else title,
        description=None if description == entry.description else description,
        location=None if location == entry.location else location,
        attendees=one.attendees if people == listed else people,
    )
    others = tuple(other for other in entry.occurrences if other.recurrence_id != recurrence_id)
    return replace(entry, occurrences=tuple(sorted((*others, after), key=lambda other: other.recurrence_id)))


def _given(wish: _T | None, now: _T) -> _T:
    return now if wish is None else wish


def _people(listed: tuple[Attendee, ...], wish: Wish) -> tuple[Attendee, ...]:
    new = {one.email: one for one in wish.invited}
    kept = tuple(new.pop(one.email, one) for one in listed if one.email not in wish.uninvited)
    return (*kept, *new.values())
