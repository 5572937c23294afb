"""The dates of an entry: which rules are accepted, and what takes place when (RFC 5545 3.8.5).

A series is DTSTART, its rule and its RDATEs, as wall times in the entry's zone; instants are derived for each date, so that 09:00
stays 09:00 over a clock change. Occurrences of their own are found at their new time. Counting is `recur`'s business.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import groupby, islice

from daemon.core.errors import Rejected
from daemon.core.model import Entry, EntryState, Occurrence, When, require_utc
from daemon.core.recur import (
    FIRST_WALL,
    HORIZON,
    LAST_WALL,
    MAX_DATES,
    WEEKDAYS,
    Freq,
    Recur,
    last_of,
    parse_recur,
    refuse,
    walls,
)
from daemon.core.zones import span, to_utc

__all__ = ["MAX_DATES", "Date", "check_imported_rule", "check_rule", "date_of", "dates", "is_date", "last_end"]

_DAY = timedelta(days=1)
_SLACK = timedelta(days=3)  # between a wall time and its instant: offsets, a skipped day, and a clock change within the duration
_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MOST_INTERVAL = {Freq.DAILY: 999, Freq.WEEKLY: 99, Freq.MONTHLY: 99, Freq.YEARLY: 99}


@dataclass(frozen=True, slots=True, kw_only=True)
class Date:
    """One date of an entry as it takes place. `start` and `end` are UTC; `when` is the same as wall time.

    `recurrence_id` is the original wall start, None for an entry that is no series. `cancelled`: this date is, or the entry as a
    whole. `occurrence` is what makes the date differ from the series, where it does.
    """

    recurrence_id: datetime | None
    when: When
    start: datetime
    end: datetime
    cancelled: bool
    title: str
    description: str
    location: str
    occurrence: Occurrence | None


# Rules


def check_rule(rule: str, when: When) -> str:
    """Return the rule of a new series in its one form, if every calendar can store it and it begins with `when`.

    Raises Rejected (field "rrule") with a sentence naming what does not work. UNTIL comes back in UTC (as a date where all-day).
    """
    recur = _storable(parse_recur(rule, when))
    _require_end(recur, when)
    first = next(walls(recur, when.start, when.start, LAST_WALL), None)
    if first is None:
        raise _never()
    if first != when.start:
        shown = f"{_NAMES[first.weekday()]}, {first:%Y-%m-%d}" + ("" if when.all_day else f" at {first:%H:%M}")
        raise refuse(
            f"The session does not start on a date of its rule. The first one is {shown}: start there, or change the rule."
        )
    _require_bounds(recur, when)
    return str(recur)


def check_imported_rule(rule: str, when: When) -> str:
    """Return the rule of a foreign series in its one form: any of RFC 5545 that is daily or rarer and can be counted.

    DTSTART need not be one of its dates; it counts as the first (RFC 5545 3.8.5.3). Raises Rejected (field "rrule").
    """
    recur = parse_recur(rule, when)
    _require_end(recur, when)
    if next(walls(recur, when.start, when.start, LAST_WALL), None) is None:
        raise _never()
    _require_bounds(recur, when)
    return str(recur)


def _never() -> Rejected:
    return refuse("The rule never matches: there is no such day within 200 years after the start.")


def _require_end(recur: Recur, when: When) -> None:
    start = when.start if when.all_day else to_utc(when.start, when.zone)
    if recur.until is not None and recur.until < start:
        raise refuse(f"The series ends ({recur.until:%Y-%m-%d}) before it starts ({when.start:%Y-%m-%d}). Choose a later UNTIL.")
    if recur.until is not None and recur.until - start > HORIZON:
        raise refuse("The series ends more than 200 years after its start. Leave UNTIL out for a series without end.")


def _require_bounds(recur: Recur, when: When) -> None:
    if recur.count is not None and last_of(recur, when.start)[1] < recur.count:
        raise refuse(f"The rule has fewer than {recur.count} dates within 200 years. Choose a smaller COUNT.")
    if recur.until is not None:
        series = _Series(when=when, recur=recur, rdates=())
        if sum(1 for _ in islice(series.walls(FIRST_WALL, LAST_WALL), MAX_DATES + 1)) > MAX_DATES:
            raise refuse(
                f"The rule means more than {MAX_DATES} dates. Choose an earlier UNTIL, or leave it out for a series without end."
            )


def _storable(recur: Recur) -> Recur:
    """Return the rule as every calendar can store it, or raise Rejected: Exchange has a short list of patterns (MS-OXCICAL)."""
    extra = [name for name in ("byhour", "byminute", "bysecond", "byyearday", "byweekno") if getattr(recur, name)]
    if extra:
        raise refuse(f"{extra[0].upper()} cannot be stored by every calendar. Plan single sessions, or leave it out.")
    if recur.wkst:
        raise refuse(f"WKST={WEEKDAYS[recur.wkst]} cannot be stored by every calendar: weeks begin on Monday. Leave it out.")
    for name in ("bymonthday", "bymonth", "bysetpos"):
        if len(getattr(recur, name)) > 1:
            raise refuse(f"Only one {name.upper()} can be stored by every calendar. Plan a series for each.")
    if recur.bymonthday and recur.bymonthday[0] < -1:
        raise refuse("Days are counted from the end of the month only as BYMONTHDAY=-1, the last day.")
    if recur.bysetpos and (not recur.byday or recur.bysetpos[0] not in (-1, 1, 2, 3, 4)):
        raise refuse("BYSETPOS can be 1, 2, 3, 4 or -1 (the last), together with BYDAY.")
    if any(nth not in (-1, 0, 1, 2, 3, 4) for nth, _ in recur.byday):
        raise refuse("A day of the month can be the first to fourth or the last: BYDAY=1MO … 4MO, or -1MO.")
    recur = _simplified(recur)
    if recur.interval > _MOST_INTERVAL[recur.freq]:
        raise refuse(f"INTERVAL can be at most {_MOST_INTERVAL[recur.freq]} with FREQ={recur.freq}.")
    if recur.freq in (Freq.DAILY, Freq.WEEKLY):
        _require_plain(recur)
    else:
        _require_day_of_month(recur)
    return recur


def _simplified(recur: Recur) -> Recur:
    """Return an equal rule in the form that calendars store, where there is one."""
    if recur.interval == 1 and recur.freq is Freq.DAILY and recur.byday and not recur.bysetpos:
        return replace(recur, freq=Freq.WEEKLY)
    if recur.interval == 1 and recur.freq is Freq.MONTHLY and recur.bymonth:
        return replace(recur, freq=Freq.YEARLY)
    return recur


def _require_plain(recur: Recur) -> None:
    if recur.bymonth or recur.bymonthday or recur.bysetpos or (recur.byday and recur.freq is Freq.DAILY):
        raise refuse(
            "A daily rule can only have an INTERVAL, a weekly one BYDAY as well; other parts cannot be stored by every calendar."
        )


def _require_day_of_month(recur: Recur) -> None:
    numbered = [nth for nth, _ in recur.byday if nth]
    if recur.bymonth and recur.freq is Freq.MONTHLY:
        raise refuse("BYMONTH does not go with FREQ=MONTHLY and an INTERVAL. Use FREQ=YEARLY.")
    if (recur.bymonthday or recur.byday) and recur.freq is Freq.YEARLY and not recur.bymonth:
        raise refuse("A yearly rule with a day needs its month: add BYMONTH, such as BYMONTH=3.")
    if recur.bymonthday and recur.byday:
        raise refuse("BYMONTHDAY and BYDAY together cannot be stored by every calendar. Leave one of them out.")
    if numbered and (len(recur.byday) > 1 or recur.bysetpos):
        raise refuse("Only one numbered day, such as BYDAY=2TU, can be stored by every calendar. Plan a series for each.")
    if recur.byday and not numbered and not recur.bysetpos:
        raise refuse(
            "The rule does not say which of the month's days: write BYDAY=2TU, or add BYSETPOS; for each week use FREQ=WEEKLY."
        )


# Dates


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """DTSTART, rule and RDATEs as one ordered set of wall times."""

    when: When
    recur: Recur | None
    rdates: tuple[datetime, ...]

    @property
    def endless(self) -> bool:
        return self.recur is not None and self.recur.count is None and self.recur.until is None

    def walls(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """Yield the original wall starts from `first` to `last`, both included, each once, in order."""
        single = sorted(wall for wall in {self.when.start, *self.rdates} if first <= wall <= last)
        yield from (wall for wall, _ in groupby(heapq.merge(single, self._by_rule(first, last))))

    def _by_rule(self, first: datetime, last: datetime) -> Iterator[datetime]:
        recur, zone = self.recur, self.when.zone
        if recur is None:
            return
        if recur.count is not None:
            last = min(last, last_of(recur, self.when.start)[0])
        if recur.until is None:
            yield from walls(recur, self.when.start, first, last)
            return
        # Instants decide (RFC 5545 3.3.10); about a clock change they are not in the order of wall times.
        about = min(last, _shifted(recur.until.replace(tzinfo=None), _SLACK))
        for wall in walls(recur, self.when.start, first, about):
            if (wall if self.when.all_day else to_utc(wall, zone)) <= recur.until:
                yield wall

    def has(self, wall: datetime) -> bool:
        return any(True for _ in self.walls(wall, wall))


@lru_cache(maxsize=512)
def _series(when: When, rrule: str | None, rdates: tuple[datetime, ...]) -> _Series:
    return _Series(when=when, recur=parse_recur(rrule, when) if rrule else None, rdates=rdates)


def _shifted(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:
        return LAST_WALL if by > timedelta(0) else FIRST_WALL


def dates(entry: Entry, *, after: datetime | None = None, before: datetime | None = None, limit: int = 100) -> tuple[Date, ...]:
    """Return the dates whose end is after `after` and whose start is before `before` (UTC), as they take place, sorted by start.

    Moved dates are found at their new time; cancelled ones are included and flagged (all of them where the entry is not planned
    any more). At most `limit` and MAX_DATES; of a series, nothing later than 200 years after `after`. An entry without date has
    none. Raises Rejected for a stored rule or zone that cannot be read.
    """
    if after is not None:
        require_utc(after, "after")
    if before is not None:
        require_utc(before, "before")
    when, most = entry.when, min(limit, MAX_DATES)
    if when is None or most < 1:
        return ()

    def is_wanted(one: Date) -> bool:
        return (after is None or one.end > after) and (before is None or one.start < before)

    if not entry.is_series:
        only = _date(entry, when, None, None)
        return (only,) if is_wanted(only) else ()
    series = _series(when, entry.rrule, entry.rdates)
    special = {one.recurrence_id: one for one in entry.occurrences}
    found = [
        one for wall, occurrence in special.items() if series.has(wall) and is_wanted(one := _date(entry, when, wall, occurrence))
    ]
    first = FIRST_WALL if after is None else _shifted(after.replace(tzinfo=None), -when.duration - _SLACK)
    last = LAST_WALL if before is None else _shifted(before.replace(tzinfo=None), _SLACK)
    regular = 0
    for wall in series.walls(first, last):
        if wall > last:
            break
        one = _date(entry, when, wall, None)
        if wall not in special and is_wanted(one):
            found.append(one)
            regular += 1
            if regular == most:
                # A skipped wall time may take place after later ones: within a day all are in.
                last = _shifted(wall, _DAY)
    return tuple(sorted(found, key=_order)[:most])


def date_of(entry: Entry, recurrence_id: datetime | None) -> Date | None:
    """Return the date of that name, or None if the entry has no such date.

    The name is the original wall start; None for an entry that is no series.
    """
    when = entry.when
    if when is None or entry.is_series == (recurrence_id is None):
        return None
    if recurrence_id is not None and not _series(when, entry.rrule, entry.rdates).has(recurrence_id):
        return None
    occurrence = next((one for one in entry.occurrences if one.recurrence_id == recurrence_id), None)
    return _date(entry, when, recurrence_id, occurrence)


def is_date(when: When, rrule: str | None, rdates: tuple[datetime, ...], wall: datetime) -> bool:
    """True if the series has a date of that name, its original wall start. Raises Rejected for a rule that cannot be read."""
    return _series(when, rrule, rdates).has(wall)


def last_end(entry: Entry) -> datetime | None:
    """Return when the last date ends (UTC), moved and cancelled ones included; None for an endless series or without date."""
    when = entry.when
    if when is None:
        return None
    if not entry.is_series:
        return span(when)[1]
    series = _series(when, entry.rrule, entry.rdates)
    if series.endless:
        return None
    special = {one.recurrence_id: one for one in entry.occurrences}
    walls = tuple(islice(series.walls(FIRST_WALL, LAST_WALL), MAX_DATES))
    ends = [_date(entry, when, wall, special[wall]).end for wall in walls if wall in special]
    regular = [wall for wall in walls if wall not in special]
    ends += [_date(entry, when, wall, None).end for wall in regular if wall >= _shifted(regular[-1], -_DAY)]
    return max(ends)


def _order(one: Date) -> tuple[datetime, datetime]:
    return one.start, one.recurrence_id or one.when.start


def _date(entry: Entry, when: When, wall: datetime | None, occurrence: Occurrence | None) -> Date:
    actual = _actual(when, wall, occurrence)
    start, end = span(actual)
    return Date(
        recurrence_id=wall,
        when=actual,
        start=start,
        end=end,
        cancelled=entry.state is not EntryState.PLANNED or (occurrence is not None and occurrence.cancelled),
        title=_own(occurrence.title if occurrence else None, entry.title),
        description=_own(occurrence.description if occurrence else None, entry.description),
        location=_own(occurrence.location if occurrence else None, entry.location),
        occurrence=occurrence,
    )


def _own(own: str | None, of_series: str) -> str:
    return of_series if own is None else own


def _actual(when: When, wall: datetime | None, occurrence: Occurrence | None) -> When:
    start, duration = wall or when.start, when.duration
    if occurrence is not None:
        start = occurrence.start or start
        duration = when.duration if occurrence.duration is None else occurrence.duration
    # One date of an all-day series may have been given a time of day.
    all_day = when.all_day and start.time() == FIRST_WALL.time() and not duration % _DAY
    return When(start=start, zone=when.zone, duration=duration, all_day=all_day)
