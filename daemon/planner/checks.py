"""Whether what a person asks for can be an entry at all: sentences for everything that cannot."""

from __future__ import annotations

from datetime import datetime, timedelta

from daemon.core import zones
from daemon.core.addresses import clean_name, clean_text, normal, same
from daemon.core.errors import Rejected
from daemon.core.model import Attendee, When

MAX_TITLE = 200
MAX_TEXT = 20_000
MAX_ATTENDEES = 500
MAX_DURATION = timedelta(days=31)
_FIRST_YEAR, _LAST_YEAR = 1971, 2200


def title(text: str) -> str:
    """Return the title in one line. Raises Rejected if nothing is left or it is too long."""
    one_line = " ".join(clean_text(text).split())
    if not one_line:
        raise Rejected("An entry needs a title: say what the session is about.", field="title")
    if len(one_line) > MAX_TITLE:
        raise Rejected(
            f"The title has {len(one_line)} characters; at most {MAX_TITLE} fit. Put the rest into the description.",
            field="title",
        )
    return one_line


def free_text(text: str, field: str) -> str:
    """Return the text without control characters. Raises Rejected if it is too long."""
    cleaned = clean_text(text).strip("\n")
    if len(cleaned) > MAX_TEXT:
        raise Rejected(f"The {field} has {len(cleaned)} characters; at most {MAX_TEXT} fit.", field=field)
    return cleaned


def when(start: datetime, zone: str, duration: timedelta, *, all_day: bool = False) -> When:
    """Return the date. Raises Rejected for an unknown zone, a duration that is none, a year out of reach."""
    zones.zone(zone)
    if not timedelta(0) < duration <= MAX_DURATION:
        raise Rejected("The duration must be more than nothing and at most 31 days, like 45m or 1h30m.", field="duration")
    if not _FIRST_YEAR <= start.year <= _LAST_YEAR:
        raise Rejected(f"The year {start.year} is out of reach: {_FIRST_YEAR} to {_LAST_YEAR} can be planned.", field="start")
    if all_day:
        start = datetime.combine(start.date(), datetime.min.time())
        if duration % timedelta(days=1):
            raise Rejected("An all-day entry lasts whole days, like 1d.", field="duration")
    return When(start=start, zone=zone, duration=duration, all_day=all_day)


def attendees(people: tuple[Attendee, ...], service_mailbox: str) -> tuple[Attendee, ...]:
    """Return the list with compared addresses and clean names. Raises Rejected for doubles, our own mailbox, too many."""
    if len(people) > MAX_ATTENDEES:
        raise Rejected(
            f"{len(people)} attendees are too many for one entry; at most {MAX_ATTENDEES} can be invited.", field="attendees"
        )
    seen: dict[str, Attendee] = {}
    for person in people:
        email = normal(person.email)
        if same(email, service_mailbox):
            raise Rejected(
                f"{email} is this service's own mailbox: it reads the answers and cannot be invited.", field="attendees"
            )
        if email in seen:
            raise Rejected(f"{email} is on the list twice. Name each person once.", field="attendees")
        seen[email] = Attendee(email=email, name=clean_name(person.name), role=person.role)
    return tuple(seen.values())


def reminders(offsets: tuple[timedelta, ...] | None) -> tuple[timedelta, ...] | None:
    """Return the offsets, longest first, each once. Raises Rejected for negative ones, more than ten, beyond a year."""
    if offsets is None:
        return None
    if len(offsets) > 10:
        raise Rejected("At most ten reminders fit one entry.", field="reminders")
    for offset in offsets:
        if not timedelta(0) <= offset <= timedelta(days=366):
            raise Rejected("A reminder comes before the start, by at most a year, like 24h or 15m.", field="reminders")
    return tuple(sorted(set(offsets), reverse=True))
