"""Which date of a series a foreign RECURRENCE-ID means (RFC 5545 3.8.4.4; itip.md 1.10 step 8).

Programs write it in UTC, in a zone of their own, without zone, or as a day; for us a date is named by its original wall start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from daemon.core import recurrence, zones
from daemon.core.model import Entry

YEARS = range(2, 9999)  # within them every zone can be computed
_GAPS = (timedelta(0), timedelta(minutes=30), timedelta(hours=1), timedelta(hours=2))  # sizes of clock changes


def dates_named(entry: Entry, name: datetime, *, is_date: bool) -> tuple[datetime, ...]:
    """Return the dates of the entry that the RECURRENCE-ID may mean, by their original wall starts. One is an answer."""
    found = (one for one in _names(entry, name, is_date=is_date) if recurrence.date_of(entry, one) is not None)
    return tuple(dict.fromkeys(found))


def _names(entry: Entry, name: datetime, *, is_date: bool) -> Iterator[datetime]:
    when = entry.when
    if when is None or name.year not in YEARS:
        return
    midnight = name.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if is_date:
        yield from [midnight] if when.all_day else _of_day(entry, midnight, when.zone)
    elif name.tzinfo is None:
        yield midnight if when.all_day else name
    else:
        moment = name.astimezone(UTC)
        wall = zones.to_wall(moment, when.zone)
        if when.all_day:
            # A program that makes an instant of a day takes its own midnight or that of UTC.
            yield wall.replace(hour=0, minute=0, second=0, microsecond=0) if moment.hour or moment.minute else midnight
        else:
            # A rule's date may fall into the hour that a clock change skips; its instant then shows as a later wall time.
            yield from (wall - gap for gap in _GAPS if zones.to_utc(wall - gap, when.zone) == moment)


def _of_day(entry: Entry, midnight: datetime, zone: str) -> Iterator[datetime]:
    plain = replace(entry, occurrences=())
    start = zones.to_utc(midnight, zone)
    for date in recurrence.dates(plain, after=start - timedelta(hours=2), before=start + timedelta(hours=27)):
        if date.recurrence_id is not None and date.recurrence_id.date() == midnight.date():
            yield date.recurrence_id
