"""What a calendar says about an event of ours: which answers are new there, and whether somebody else changed it.

Pure comparison of what we wrote, what was seen right after, and what stands there now. Not here: carrying anything out (`loops`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from daemon.core import zones
from daemon.core.itip import schedule_key
from daemon.core.model import Answer, AnswerSource, Component, Event, PartStat, When


def partstats(event: Event) -> tuple[tuple[str, str], ...]:
    """Return each attendee (`email`, or `email|original wall start` for a single date) with his PARTSTAT, sorted."""
    series = event.components[0].when
    return tuple(
        sorted(
            (_name(guest.email, wall_name(component, series)), guest.partstat.value)
            for component in event.components
            for guest in component.guests
        )
    )


def new_answers(event: Event, base: Sequence[tuple[str, str]], *, now: datetime) -> tuple[Answer, ...]:
    """Return the answers that were given at the server since `base` was seen there.

    What stood in `base` already is no news: some servers keep ACCEPTED when the organizer moves the event. Each answer is about
    the schedule that the server's copy has, so one that crossed with a move of ours counts as outdated.
    """
    before = dict(base)
    series = event.components[0].when
    found = []
    for component in event.components:
        wall = wall_name(component, series)
        about = schedule_key(component.when, component.rrule, component.rdates)
        for guest in component.guests:
            if guest.partstat is PartStat.NEEDS_ACTION or before.get(_name(guest.email, wall)) == guest.partstat.value:
                continue
            found.append(
                Answer(
                    attendee=guest.email,
                    recurrence_id=wall,
                    partstat=guest.partstat,
                    source=AnswerSource.CALENDAR,
                    answered_at=now,
                    about=about,
                    comment=guest.comment,
                )
            )
    return tuple(found)


def _name(email: str, wall: datetime | None) -> str:
    return email if wall is None else f"{email}|{wall.isoformat()}"


def wall_name(component: Component, series: When | None) -> datetime | None:
    """Return the original wall start that names a single date, in the zone of the series; None for the series itself."""
    name = component.recurrence_id
    if name is None:
        return None
    if component.recurrence_id_is_date or name.tzinfo is None or series is None:
        return name.replace(tzinfo=None)
    return zones.to_wall(name.astimezone(UTC), series.zone)
