"""Recurring items as Exchange counts them: six patterns, three ranges, dates in the meeting's zone. Not the product's code.

Where Exchange differs from RFC 5545: a day that a month does not have is its last day, the first date is the first that fits.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from tests.servers.exchange.soap import Element, ItemError, child, elements, name_of, t, text_of
from tests.servers.exchange.zones import dated

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = tuple(calendar.month_name)
SETS = {"Day": frozenset(range(7)), "Weekday": frozenset(range(5)), "WeekendDay": frozenset({5, 6})}
INDEXES = {"First": 0, "Second": 1, "Third": 2, "Fourth": 3, "Last": -1}
# Nobody looks further: Exchange's own end of time is 4500, and a series of 999 dates every 99 months ends long before.
HORIZON = 12_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """Pattern and range. `days` holds weekday numbers, Monday 0; `words` what the client wrote for them."""

    pattern: str
    interval: int
    words: str
    days: frozenset[int]
    first_day: int
    index: str
    day: int
    month: int
    start: date
    end: date | None
    count: int | None

    def dates(self) -> Iterator[date]:
        """All dates from the first on that fits; without an end until the horizon."""
        given = 0
        for one in self._endless():
            if one < self.start:
                continue
            if (self.end and one > self.end) or (self.count is not None and given >= self.count):
                return
            given += 1
            yield one

    def _endless(self) -> Iterator[date]:
        if self.pattern == "DailyRecurrence":
            yield from (self.start + timedelta(days=n * self.interval) for n in range(HORIZON))
        elif self.pattern == "WeeklyRecurrence":
            week = self.start - timedelta(days=(self.start.weekday() - self.first_day) % 7)
            for n in range(HORIZON // 7):
                begin = week + timedelta(weeks=n * self.interval)
                yield from (begin + timedelta(days=k) for k in range(7) if (self.first_day + k) % 7 in self.days)
        else:
            yearly = "Yearly" in self.pattern
            month = self.start.year * 12 + (self.month if yearly else self.start.month) - 1
            step = 12 if yearly else self.interval
            for _ in range(HORIZON // 30):
                yield self._in_month(month // 12, month % 12 + 1)
                month += step

    def _in_month(self, year: int, month: int) -> date:
        length = calendar.monthrange(year, month)[1]
        if self.pattern.startswith("Absolute"):
            return date(year, month, min(self.day, length))
        fitting = [date(year, month, n) for n in range(1, length + 1) if date(year, month, n).weekday() in self.days]
        return fitting[INDEXES[self.index]]


def parse(element: Element) -> Recurrence:
    """The element t:Recurrence.

    Raises:
        ItemError: the pattern is not one for meetings, or its days make no sense.
    """
    pattern, span = list(elements(element))
    kind = name_of(pattern)
    if "Regeneration" in kind:
        raise ItemError("ErrorCalendarInvalidRecurrence")
    words = text_of(pattern, "DaysOfWeek")
    days = frozenset[int]().union(*(SETS.get(word) or {DAYS.index(word)} for word in words.split()))
    if kind == "WeeklyRecurrence" and (set(words.split()) & SETS.keys() or len(set(words.split())) != len(words.split())):
        raise ItemError("ErrorCalendarInvalidDayForWeeklyRecurrence")
    start = date.fromisoformat(text_of(span, "StartDate")[:10])
    end, count = text_of(span, "EndDate"), text_of(span, "NumberOfOccurrences")
    made = Recurrence(
        pattern=kind,
        interval=int(text_of(pattern, "Interval", "1")),
        words=words,
        days=days,
        first_day=DAYS.index(text_of(pattern, "FirstDayOfWeek", "Sunday")),
        index=text_of(pattern, "DayOfWeekIndex"),
        day=int(text_of(pattern, "DayOfMonth", "1")),
        month=MONTHS.index(text_of(pattern, "Month")) if child(pattern, "Month") is not None else 0,
        start=start,
        end=date.fromisoformat(end[:10]) if end else None,
        count=int(count) if count else None,
    )
    if not 1 <= made.day <= 31 or not 1 <= made.interval <= 999 or (made.interval > 99 and kind != "DailyRecurrence"):
        raise ItemError("ErrorCalendarInvalidRecurrence")
    if made.end and made.end < start:
        raise ItemError("ErrorCalendarEndDateIsEarlierThanStartDate")
    if next(made.dates(), None) is None:
        raise ItemError("ErrorRecurrenceHasNoOccurrence")
    return made


def build(recurrence: Recurrence, windows_id: str) -> Element:
    """The element t:Recurrence as it comes back: its dates carry an offset (behaviour 25), and a week its first day."""
    one = recurrence
    pattern = t(one.pattern)
    for name, value in (
        ("Interval", one.interval if "Yearly" not in one.pattern else None),
        ("DaysOfWeek", one.words or None),
        ("FirstDayOfWeek", DAYS[one.first_day] if one.pattern == "WeeklyRecurrence" else None),
        ("DayOfWeekIndex", one.index or None),
        ("DayOfMonth", one.day if one.pattern.startswith("Absolute") else None),
        ("Month", MONTHS[one.month] if one.month else None),
    ):
        if value is not None:
            pattern.append(t(name, text=value))
    begin = t("StartDate", text=dated(one.start, windows_id))
    if one.count is not None:
        span = t("NumberedRecurrence", begin, t("NumberOfOccurrences", text=one.count))
    elif one.end is not None:
        span = t("EndDateRecurrence", begin, t("EndDate", text=dated(one.end, windows_id)))
    else:
        span = t("NoEndRecurrence", begin)
    return t("Recurrence", pattern, span)
