"""When the owner is reminded of which date (design 4.5). One row per entry and offset is asked again and again what to do.

A reminder is known by its offset and the instant its date starts: a date that moves is a new one, a date that moves back is
the old one. Decided at the moment of sending from the entry as it is then. Not here: the mail (`render`), the row (`store`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from daemon.core import recurrence
from daemon.core.model import Entry, EntryState, require_utc
from daemon.core.recurrence import Date

_LOOK_BACK = timedelta(days=7)  # what was missed longer ago is not worth a line in the journal
_ENOUGH = 50  # dates looked at beyond those that have a mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What became of one reminder: `offset` before the date that starts at `start` (UTC)."""

    offset: timedelta
    start: datetime
    state: Literal["sent", "suppressed"]
    reason: str

    def __post_init__(self) -> None:
        require_utc(self.start, "start")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    """Send the reminder of `date` now; look again at `wake` (UTC), None: nothing more is ahead."""

    date: Date
    wake: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppress:
    """Do not send the reminder of `date`, and write down why; look again at `wake`."""

    date: Date
    reason: str
    wake: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing is due before `until` (UTC)."""

    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Nothing will ever be due, as the entry is now."""

    reason: str


def decide(
    entry: Entry, offset: timedelta, offsets: tuple[timedelta, ...], marks: Collection[Mark], now: datetime
) -> Fire | Suppress | Wait | Done:
    """Return what is to be done for the reminder `offset` before each date, at the instant `now` (UTC).

    `offsets` are all that hold for the entry, `marks` those made so far; a mark for this offset and the date of the decision
    must be written before the next call. One decision is about one date: `wake` is `now` where the next one is due as well.
    Offsets are elapsed time, so a clock change in between shifts nothing. A date that began unannounced up to a week ago is
    suppressed with its reason; earlier ones, and those before the entry was made, are not spoken of.
    """
    if entry.state is not EntryState.PLANNED:
        return Done(reason=f"“{entry.title}” is cancelled.")
    if entry.when is None:
        return Done(reason=f"“{entry.title}” has no date.")
    if not entry.remind:
        return Done(reason=f"Reminders are switched off for “{entry.title}”.")
    if offset not in offsets:
        return Done(reason=f"No reminder {_shown(offset)} before is wanted any more.")
    done = {mark.start for mark in marks if mark.offset == offset}
    # What lies before the last date that was dealt with is settled, even where that date has been moved since.
    since = max(entry.created, now - _LOOK_BACK, *(start for start in done if start <= now))
    found = recurrence.dates(entry, after=since, limit=_ENOUGH + len(done))
    # Of two dates at one instant the one that takes place counts.
    open_dates = {date.start: date for date in sorted(found, key=lambda date: not date.cancelled)}
    ahead = [date for start, date in sorted(open_dates.items()) if start > since and start not in done]
    if not ahead:
        return Done(reason=f"“{entry.title}” has no date ahead that needs a reminder {_shown(offset)} before.")
    date, due = ahead[0], ahead[0].start - offset
    if due > now:
        return Wait(until=due)
    wake = next((max(later.start - offset, now) for later in ahead[1:]), None)
    reason = _against(date, offset, offsets, now)
    return Fire(date=date, wake=wake) if reason is None else Suppress(date=date, reason=reason, wake=wake)


def _against(date: Date, offset: timedelta, offsets: tuple[timedelta, ...], now: datetime) -> str | None:
    """Why the owner is not reminded of a date whose reminder is due."""
    if date.cancelled:
        return "the date was cancelled"
    if date.start <= now:
        return f"the session began before the reminder could be sent ({date.start:%Y-%m-%d %H:%M} UTC)"
    nearer = [one for one in offsets if one < offset and date.start - one <= now]
    if nearer:
        return f"superseded by the reminder {_shown(min(nearer))} before, which is due as well"
    return None


def _shown(offset: timedelta) -> str:
    seconds = offset // timedelta(seconds=1)
    sizes = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
    size, unit = next((size, unit) for size, unit in sizes if seconds % size == 0)
    return f"{seconds // size} {unit}{'' if seconds == size else 's'}"
