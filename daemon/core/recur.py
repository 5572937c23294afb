"""RECUR values (RFC 5545 3.3.10): read, written in one form, and the wall times they mean.

Wall times are counted here and not by python-dateutil: its iteration has no end where nothing matches (30 February runs to the
year 9999, whatever its `until`), and it can only begin at DTSTART. Here each period (day, week, month, year) is reached by
arithmetic, so that the next date of an old series costs as much as its first, and nobody looks further than 200 years. Not here:
which rules are accepted, and the dates of an entry (`recurrence`).
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import islice, product

from daemon.core.errors import Rejected
from daemon.core.model import When
from daemon.core.zones import to_utc, to_wall

MAX_DATES = 10_000
"""Bound of any expansion, and of COUNT."""

HORIZON = timedelta(days=200 * 365.25)
"""How far beyond the first wall time asked for a series is looked at, and how long one with an end may last."""

_LONGEST = 2_000
_MOST_A_DAY = 24
FIRST_WALL = datetime.min  # noqa: DTZ901 - a wall time
LAST_WALL = datetime.max  # noqa: DTZ901 - a wall time
_FIRST_YEAR, _LAST_YEAR = 1900, 9000
_END_OF_TIME = datetime(9999, 1, 1)  # noqa: DTZ001 - a wall time; a year's room for zones and durations
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_UNTIL = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})(?:T(\d{2}):?(\d{2})(?::?(\d{2}))?(Z)?)?")
_BY_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_NUMBER = re.compile(r"[+-]?[0-9]{1,5}")


class Freq(StrEnum):
    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    YEARLY = "YEARLY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recur:
    """A rule. `until` is UTC for a timed series and a naive midnight for an all-day one; `byday` has (nth or 0, Monday 0)."""

    freq: Freq
    until: datetime | None = None
    count: int | None = None
    interval: int = 1
    bysecond: tuple[int, ...] = ()
    byminute: tuple[int, ...] = ()
    byhour: tuple[int, ...] = ()
    byday: tuple[tuple[int, int], ...] = ()
    bymonthday: tuple[int, ...] = ()
    byyearday: tuple[int, ...] = ()
    byweekno: tuple[int, ...] = ()
    bymonth: tuple[int, ...] = ()
    bysetpos: tuple[int, ...] = ()
    wkst: int = 0

    def __str__(self) -> str:
        """The rule in its one form: parts in the RFC's order, lists sorted, defaults left out."""
        lists = ("bysecond", "byminute", "byhour", "byday", "bymonthday", "byyearday", "byweekno", "bymonth", "bysetpos")
        parts = [f"FREQ={self.freq}"]
        if self.until is not None:
            digits = self.until.isoformat()[:19].replace("-", "").replace(":", "")
            parts.append(f"UNTIL={digits}Z" if self.until.tzinfo else f"UNTIL={digits[:8]}")
        if self.count is not None:
            parts.append(f"COUNT={self.count}")
        if self.interval != 1:
            parts.append(f"INTERVAL={self.interval}")
        for name in lists:
            values = self._texts(name)
            if values:
                parts.append(f"{name.upper()}={','.join(values)}")
        if self.wkst:
            parts.append(f"WKST={WEEKDAYS[self.wkst]}")
        return ";".join(parts)

    def _texts(self, name: str) -> list[str]:
        if name == "byday":
            return [f"{nth or ''}{WEEKDAYS[weekday]}" for nth, weekday in self.byday]
        return [str(number) for number in getattr(self, name)]


def refuse(text: str) -> Rejected:
    """The error for a rule that cannot be used, about the field "rrule"."""
    return Rejected(text, field="rrule")


# Reading

_LIMITS = {
    "BYSECOND": (0, 59),
    "BYMINUTE": (0, 59),
    "BYHOUR": (0, 23),
    "BYMONTHDAY": (-31, 31),
    "BYYEARDAY": (-366, 366),
    "BYWEEKNO": (-53, 53),
    "BYMONTH": (1, 12),
    "BYSETPOS": (-366, 366),
}
_KNOWN = ("FREQ", "UNTIL", "COUNT", "INTERVAL", "BYDAY", "WKST", *_LIMITS)


def parse_recur(text: str, when: When) -> Recur:
    """Return the rule of a series that starts at `when`, if it means something and can be counted.

    Lower case and a leading "RRULE:" are accepted. An UNTIL without time means the end of that local day, one without zone is
    local. Raises Rejected (field "rrule").
    """
    if not _FIRST_YEAR <= when.start.year <= _LAST_YEAR:
        raise refuse(f"A series has to start between the years {_FIRST_YEAR} and {_LAST_YEAR}.")
    parts = _parts(text)
    freq = parts.pop("FREQ", None)
    if freq is None:
        raise refuse("The rule does not say how often the session repeats: begin with FREQ=DAILY, WEEKLY, MONTHLY or YEARLY.")
    if freq not in tuple(Freq):
        raise refuse(f"A session repeats DAILY, WEEKLY, MONTHLY or YEARLY, not “{freq[:40]}”.")
    until, count, wkst = parts.get("UNTIL"), parts.get("COUNT"), parts.get("WKST", "MO")
    if until is not None and count is not None:
        raise refuse("The rule has COUNT and UNTIL; a series can only end in one way. Leave one of them out.")
    if wkst not in WEEKDAYS:
        raise refuse(f"WKST={wkst[:40]} is not a day of the week: write MO, TU, WE, TH, FR, SA or SU.")
    lists = {name.lower(): _numbers(name, parts[name]) for name in _LIMITS if name in parts}
    recur = Recur(
        freq=Freq(freq),
        until=_until(until, when) if until is not None else None,
        count=_number("COUNT", count, 1, MAX_DATES) if count is not None else None,
        interval=_number("INTERVAL", parts.get("INTERVAL", "1"), 1, 10_000),
        byday=_weekdays(parts["BYDAY"]) if "BYDAY" in parts else (),
        wkst=WEEKDAYS.index(wkst),
        **lists,
    )
    if when.all_day:
        # RFC 5545 3.3.10: these parts "MUST be ignored" where DTSTART is a DATE.
        recur = replace(recur, byhour=(), byminute=(), bysecond=())
    _require_sense(recur)
    return recur


def _parts(text: str) -> dict[str, str]:
    if len(text) > _LONGEST:
        raise refuse(f"The rule is too long: more than {_LONGEST} characters.")
    bare = text.strip().upper().removeprefix("RRULE:").strip().rstrip(";")
    parts: dict[str, str] = {}
    for part in bare.split(";"):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            raise refuse(f"“{part.strip()[:40]}” is no part of a rule. Write it like FREQ=WEEKLY;BYDAY=MO;COUNT=10.")
        if name not in _KNOWN:
            raise refuse(f"The rule has a part that calendars do not understand: {name[:40]}.")
        if name in parts:
            raise refuse(f"The rule says {name} twice.")
        parts[name] = value
    return parts


def _number(name: str, text: str, least: int, most: int) -> int:
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise refuse(f"{name}={text[:40]} does not work: it has to be a number from {least} to {most}.")
    return int(text)


def _numbers(name: str, text: str) -> tuple[int, ...]:
    least, most = _LIMITS[name]
    numbers = {_number(name, one.strip(), least, most) for one in text.split(",")}
    if least < 0 and 0 in numbers:
        raise refuse(f"{name}=0 does not work: counting begins at 1, or at -1 from the end.")
    return tuple(sorted(numbers))


def _weekdays(text: str) -> tuple[tuple[int, int], ...]:
    days: set[tuple[int, int]] = set()
    for one in text.split(","):
        match = _BY_DAY.fullmatch(one.strip())
        if not match or (match.group(1) and not 1 <= abs(int(match.group(1))) <= 53):
            raise refuse(
                f"BYDAY={one.strip()[:40]} is not a day of the week: write MO, 2TU (second Tuesday) or -1FR (last Friday)."
            )
        days.add((int(match.group(1) or 0), WEEKDAYS.index(match.group(2))))
    return tuple(sorted(days))


def _until(text: str, when: When) -> datetime:
    match = _UNTIL.fullmatch(text)
    try:
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6]) if match else (0,) * 6
        wall = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - a wall time unless it says Z
    except ValueError:
        raise refuse(f"UNTIL={text[:40]} is not a date: write UNTIL=20271231, or UNTIL=20271231T110000Z.") from None
    has_time, is_utc = bool(match and match.group(4)), bool(match and match.group(7))
    if when.all_day:
        # Midnight UTC is how many programs write a date; any other time says which instant is meant.
        moved = to_wall(wall.replace(tzinfo=UTC), when.zone) if is_utc and wall.time() != time.min else wall
        return datetime.combine(moved.date(), time.min)
    if is_utc:
        return wall.replace(tzinfo=UTC)
    return to_utc(wall if has_time else wall.replace(hour=23, minute=59, second=59), when.zone)


def _require_sense(recur: Recur) -> None:
    """Raise Rejected for combinations that RFC 5545 3.3.10 forbids."""
    freq = recur.freq
    numbered = any(nth for nth, _ in recur.byday)
    if numbered and (freq not in (Freq.MONTHLY, Freq.YEARLY) or recur.byweekno):
        raise refuse("A numbered day such as BYDAY=2TU needs FREQ=MONTHLY or FREQ=YEARLY (and no BYWEEKNO).")
    if recur.bymonthday and freq is Freq.WEEKLY:
        raise refuse("BYMONTHDAY does not go with FREQ=WEEKLY. Use FREQ=MONTHLY.")
    if recur.byyearday and freq is not Freq.YEARLY:
        raise refuse("BYYEARDAY goes with FREQ=YEARLY only.")
    if recur.byweekno and freq is not Freq.YEARLY:
        raise refuse("BYWEEKNO goes with FREQ=YEARLY only.")
    others = (
        recur.byday,
        recur.bymonthday,
        recur.byyearday,
        recur.byweekno,
        recur.bymonth,
        recur.byhour,
        recur.byminute,
        recur.bysecond,
    )
    if recur.bysetpos and not any(others):
        raise refuse("BYSETPOS picks from what another part lists: add BYDAY, such as BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1.")
    if max(len(recur.byhour), 1) * max(len(recur.byminute), 1) * max(len(recur.bysecond), 1) > _MOST_A_DAY:
        raise refuse(f"The rule means more than {_MOST_A_DAY} dates in one day.")


# Counting


def walls(recur: Recur, start: datetime, first: datetime, last: datetime) -> Iterator[datetime]:
    """Yield, in order, the wall times of the rule alone from `first` (not before `start`) to `last`, both included.

    COUNT and UNTIL are not looked at (see `last_of`), nor is `start` added where the rule does not mean it. Ends 200 years after
    the first wall time asked for.
    """
    first = max(first, start)
    last = min(last, _END_OF_TIME, first + HORIZON if first < _END_OF_TIME - HORIZON else _END_OF_TIME)
    full = _filled(recur, start)
    times = [
        start.time().replace(hour=hour, minute=minute, second=second)
        for hour, minute, second in product(
            full.byhour or (start.hour,), full.byminute or (start.minute,), full.bysecond or (start.second,)
        )
    ]
    for days in _periods(full, start.date(), first.date(), last.date()):
        found = [datetime.combine(day, at) for day in days for at in times]
        for wall in _picked(found, full.bysetpos):
            if wall > last:
                return
            if wall >= first:
                yield wall


@lru_cache(maxsize=1024)
def last_of(recur: Recur, start: datetime) -> tuple[datetime, int]:
    """Return the last wall time of a rule with COUNT, and how many there are: fewer than COUNT if 200 years do not suffice.

    `start` counts as the first also where the rule does not mean it (RFC 5545 3.8.5.3).
    """
    last, number = start, 1
    for wall in islice((wall for wall in walls(recur, start, start, LAST_WALL) if wall != start), (recur.count or 1) - 1):
        last, number = wall, number + 1
    return last, number


def _filled(recur: Recur, start: datetime) -> Recur:
    """Return the rule with what it leaves to DTSTART (RFC 5545 3.3.10) written out."""
    if recur.byday or recur.bymonthday or recur.byyearday:
        return recur
    if recur.freq is Freq.WEEKLY or recur.byweekno:
        return replace(recur, byday=((0, start.weekday()),))
    if recur.freq is Freq.MONTHLY:
        return replace(recur, bymonthday=(start.day,))
    if recur.freq is Freq.YEARLY:
        return replace(recur, bymonth=recur.bymonth or (start.month,), bymonthday=(start.day,))
    return recur


def _picked(found: list[datetime], positions: tuple[int, ...]) -> list[datetime]:
    if not positions:
        return found
    size = len(found)
    return [wall for index, wall in enumerate(found) if index + 1 in positions or index - size in positions]


def _periods(recur: Recur, start: date, first: date, last: date) -> Iterator[list[date]]:
    """Yield the matching days of each day, week, month or year of the rule, from the period of `first` to that of `last`."""
    match recur.freq:
        case Freq.DAILY:
            begin, step, low, high = start.toordinal(), recur.interval, first.toordinal(), last.toordinal()
        case Freq.WEEKLY:
            begin, step = start.toordinal() - (start.weekday() - recur.wkst) % 7, 7 * recur.interval
            low, high = first.toordinal(), last.toordinal()
        case Freq.MONTHLY:
            begin, step, low, high = _month(start), recur.interval, _month(first), _month(last)
        case _:
            begin, step, low, high = start.year, recur.interval, first.year, last.year
    for period in range(begin + (low - begin) // step * step, high + 1, step):
        yield [day for day in _days(recur, period) if _holds(recur, day)]


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


def _days(recur: Recur, period: int) -> Iterator[date]:
    match recur.freq:
        case Freq.DAILY:
            yield date.fromordinal(period)
        case Freq.WEEKLY:
            yield from (date.fromordinal(number) for number in range(period, period + 7))
        case Freq.MONTHLY:
            yield from _days_of_month(recur, period // 12, period % 12 + 1)
        case _:
            for month in range(1, 13):
                yield from _days_of_month(recur, period, month)


def _days_of_month(recur: Recur, year: int, month: int) -> Iterator[date]:
    if not recur.bymonth or month in recur.bymonth:
        yield from (date(year, month, day) for day in range(1, monthrange(year, month)[1] + 1))


def _holds(recur: Recur, day: date) -> bool:
    return (
        (not recur.bymonth or day.month in recur.bymonth)
        and (not recur.bymonthday or _is_among(recur.bymonthday, day.day, monthrange(day.year, day.month)[1]))
        and (not recur.byyearday or _is_among(recur.byyearday, *_day_of_year(day)))
        and (not recur.byweekno or _is_among(recur.byweekno, *_week_of_year(day, recur.wkst)))
        and (not recur.byday or _is_weekday(recur, day))
    )


def _is_among(numbers: tuple[int, ...], number: int, size: int) -> bool:
    return number in numbers or number - size - 1 in numbers


def _is_weekday(recur: Recur, day: date) -> bool:
    weekday = day.weekday()
    if (0, weekday) in recur.byday:
        return True
    in_month = recur.freq is Freq.MONTHLY or recur.bymonth
    number, size = (day.day, monthrange(day.year, day.month)[1]) if in_month else _day_of_year(day)
    return ((number + 6) // 7, weekday) in recur.byday or (-((size - number + 7) // 7), weekday) in recur.byday


def _day_of_year(day: date) -> tuple[int, int]:
    return day.timetuple().tm_yday, date(day.year, 12, 31).timetuple().tm_yday


def _week_of_year(day: date, wkst: int) -> tuple[int, int]:
    """The number of the day's week and how many its year has: week 1 has 4 January, weeks begin with `wkst` (RFC 5545 3.3.10)."""
    middle = day + timedelta(days=3 - (day.weekday() - wkst) % 7)
    last = date(middle.year, 12, 28)
    last_middle = last + timedelta(days=3 - (last.weekday() - wkst) % 7)
    return (_day_of_year(middle)[0] + 6) // 7, (_day_of_year(last_middle)[0] + 6) // 7
