"""What a calendar's copy says of times and of single dates, in an entry's terms: its zone, its wall times, its wishes.

Not here: whose word counts (`merge`), how dates are named across versions (`merge_marks`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from daemon.core import zones
from daemon.core.event import without_block
from daemon.core.ics import compared_when
from daemon.core.itip_sequences import occurrence_of
from daemon.core.merge_marks import Field, Key, Look, guests_of, place_of, wall_of
from daemon.core.merge_wishes import Wish
from daemon.core.model import Attendee, Entry, Guest, Occurrence, When


def in_zone(when: When, zone: str, *, series: bool) -> When:
    """Return the time as the entry keeps it. Its zone stays where the calendar names none, or only spells it otherwise.

    UTC names none: programs write it that lost the zone, and a series of theirs would change its clocks twice a year.
    """
    if when.all_day:
        return replace(when, zone=zone)
    if when.zone == "UTC":
        return replace(when, start=zones.to_wall(zones.to_utc(when.start, when.zone), zone), zone=zone)
    here = replace(when, zone=zone)
    return here if compared_when(here, series=series) == compared_when(when, series=series) else when


def walls_in(walls: tuple[datetime, ...], there: When, here: When) -> tuple[datetime, ...]:
    """Return wall starts of the zone of `there` in that of `here`."""
    return tuple(sorted(_wall_in(wall, there, here) for wall in walls))


def _wall_in(wall: datetime, there: When, here: When) -> datetime:
    if there.all_day or there.zone == here.zone:
        return wall
    return zones.to_wall(zones.to_utc(wall, there.zone), here.zone)


def attendee(guest: Guest) -> Attendee:
    """Return the guest as a person on an entry's list."""
    return Attendee(email=guest.email, name=guest.name, role=guest.role, delegated_from=guest.delegated_from)


def date_wish(
    entry: Entry,
    name: datetime,
    there: Look,
    date: timedelta,
    fields: frozenset[Field],
    *,
    mine: frozenset[str],
    links: frozenset[str],
) -> Wish:
    """Return the wish that gives one date of the entry what the calendar says in these fields; empty if it has all that.

    `name` is the date's original wall start in the entry, whose whole was changed already.
    """
    assert entry.when is not None
    own = occurrence_of(entry, name) or Occurrence(recurrence_id=name)
    if Field.WHEN in fields and date in there.off:
        return Wish(recurrence_id=name, cancelled=None if own.cancelled else True)
    wish = _timed(entry.when, own, there, date) if Field.WHEN in fields else Wish(recurrence_id=name)
    one = there.dates.get(date, there.master)
    values = {
        Field.TITLE: (own.title, entry.title, " ".join(one.title.split()) or entry.title),
        Field.TEXT: (own.description, entry.description, without_block(one.description)),
        Field.PLACE: (own.location, entry.location, place_of(one, links)),
    }
    texts: dict[Field, str] = {}
    for field in fields & values.keys():
        now, series, said = values[field]
        wanted = said if Key(field, date) in there.marks else series
        if wanted != (series if now is None else now):
            texts[field] = wanted
    if Field.PEOPLE in fields:
        guests = tuple(attendee(guest) for guest in guests_of(one, mine).values())
        people = guests if Key(Field.PEOPLE, date) in there.marks else entry.attendees
        wish = _invited(wish, entry.attendees if own.attendees is None else own.attendees, people, mine)
    return replace(
        wish,
        title=texts.get(Field.TITLE),
        description=texts.get(Field.TEXT),
        location=texts.get(Field.PLACE),
    )


def _timed(series: When, own: Occurrence, there: Look, date: timedelta) -> Wish:
    name = own.recurrence_id
    start, duration = name, series.duration
    if Key(Field.WHEN, date) in there.marks:
        when = wall_of(there.dates[date])
        start = when.start if when.all_day else zones.to_wall(zones.to_utc(when.start, when.zone), series.zone)
        duration = when.duration
    now = (own.start or name, series.duration if own.duration is None else own.duration, own.cancelled)
    if now == (start, duration, False):
        return Wish(recurrence_id=name)
    return Wish(recurrence_id=name, start=start, duration=duration, cancelled=False if own.cancelled else None)


def _invited(wish: Wish, listed: tuple[Attendee, ...], people: tuple[Attendee, ...], mine: frozenset[str]) -> Wish:
    known, wanted = {one.email: one.role for one in listed}, {one.email for one in people}
    return replace(
        wish,
        invited=tuple(one for one in people if known.get(one.email) is not one.role),
        uninvited=tuple(one.email for one in listed if one.email not in wanted | mine),
    )
