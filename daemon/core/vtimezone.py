"""VTIMEZONE (RFC 5545 3.6.5): written from the zone data of `tzdata`, and foreign ones read within bounds.

Written is one yearly rule for each half of the year, or plain onsets, never RDATE lists: Outlook ignores those, and a series
moves by an hour. Read is what can be evaluated in bounded time; the iCalendar library never sees a foreign definition. Not here:
which zone a name means (`zones`).
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib import resources

from daemon.core.errors import Rejected
from daemon.core.model import require_wall
from daemon.core.tzif import Onset, YearDay, ZoneData, parse_tzif

_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_DAY = timedelta(days=1)
_YEAR = timedelta(days=373)  # between two yearly onsets: at most 53 weeks and an hour or two
_SPARE_YEARS = 3  # a series without end goes on beyond the moments its writer named
_MOST_YEARS = 100  # of onsets listed one by one


def vtimezone_text(tzid: str, name: str, first: datetime, last: datetime) -> str:
    """Return a VTIMEZONE (CRLF) with this TZID, right for the IANA zone `name` from `first` to `last` (UTC).

    Where onsets must be listed one by one, and no rule follows them, the list ends 100 years after `first`.
    """
    ruled = _ruled_from(name)
    if ruled is not None and first >= ruled:
        observances = _rule_text(name)
    else:
        observances = _listed_text(name, first.year, min(last.year + _SPARE_YEARS, first.year + _MOST_YEARS))
    return f"BEGIN:VTIMEZONE\r\nTZID:{tzid}\r\n{observances}END:VTIMEZONE\r\n"


@lru_cache(maxsize=128)
def _zone_data(name: str) -> ZoneData:
    return parse_tzif(resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes())


def _regime(data: ZoneData) -> tuple[Onset, ...] | None:
    """Return the first two onsets from which the footer's rule is all there is; one where it has no rule; None: not writable.

    Going backwards as long as listed changes are those of the rule makes DTSTART a real past onset, years before any meeting.
    """
    footer = data.footer
    if footer.begins is None or footer.ends is None:
        return data.onsets[-1:] or (_beginning(data),)
    if _recur(footer.begins) is None or _recur(footer.ends) is None:
        return None
    later = data.later()
    tail = [next(later), next(later)]
    for onset in reversed(data.onsets):
        gap = tail[1].moment - onset.moment  # more than a year: the rule was suspended between
        if onset not in footer.onsets(onset.moment.year) or tail[0].before != onset.after or gap > _YEAR:
            break
        tail.insert(0, onset)
    return tail[0], tail[1]


@lru_cache(maxsize=1024)
def _ruled_from(name: str) -> datetime | None:
    regime = _regime(_zone_data(name))
    return regime[0].moment if regime else None


@lru_cache(maxsize=256)
def _rule_text(name: str) -> str:
    data = _zone_data(name)
    regime = _regime(data)
    assert regime is not None
    if len(regime) == 1:
        return _observance(regime[0], None, kind="STANDARD")
    rules = {True: data.footer.begins, False: data.footer.ends}
    return "".join(_observance(onset, rules[onset.dst]) for onset in sorted(regime, key=lambda one: one.after))


@lru_cache(maxsize=256)
def _listed_text(name: str, first_year: int, last_year: int) -> str:
    data = _zone_data(name)
    regime = _regime(data)
    first, end = datetime(first_year, 1, 1, tzinfo=UTC), datetime(last_year, 12, 31, tzinfo=UTC)
    ruled = regime[0].moment if regime else None
    listed: list[Onset] = [_beginning(data)]
    for onset in _all_onsets(data):
        if onset.moment > end or (ruled is not None and onset.moment >= ruled):
            break
        if onset.moment <= first and not _is_daylight(onset):
            listed.clear()
        listed.append(onset)
    text = "".join(_observance(onset, None) for onset in listed)
    return text + _rule_text(name) if ruled is not None and ruled <= end else text


def _all_onsets(data: ZoneData) -> Iterator[Onset]:
    yield from data.onsets
    yield from data.later()


def _beginning(data: ZoneData) -> Onset:
    return Onset(
        moment=datetime(1601, 1, 2, tzinfo=UTC), before=data.offset, after=data.offset, name=data.name, was_dst=False, dst=False
    )


def _is_daylight(onset: Onset) -> bool:
    # Not the file's flag alone: Dublin's "daylight saving" is the winter, and clients take DAYLIGHT for the later clock.
    return onset.after > onset.before and (onset.dst or onset.was_dst)


def _observance(onset: Onset, day: YearDay | None, *, kind: str = "") -> str:
    kind = kind or ("DAYLIGHT" if _is_daylight(onset) else "STANDARD")
    rule = f"RRULE:{_recur(day)}\r\n" if day else ""
    return (
        f"BEGIN:{kind}\r\nDTSTART:{onset.wall:%Y%m%dT%H%M%S}\r\nTZOFFSETFROM:{_offset(onset.before)}\r\n"
        f"TZOFFSETTO:{_offset(onset.after)}\r\nTZNAME:{onset.name}\r\n{rule}END:{kind}\r\n"
    )


def _offset(offset: timedelta) -> str:
    minutes, seconds = divmod(round(abs(offset).total_seconds()), 60)
    return f"{'-' if offset < timedelta(0) else '+'}{minutes // 60:02}{minutes % 60:02}" + (f"{seconds:02}" if seconds else "")


def _recur(day: YearDay) -> str | None:
    """Return the yearly RECUR value for a day of the footer; None where it may fall into the next month (Cairo's October)."""
    shift = day.at // _DAY
    weekday = _WEEKDAYS[(day.weekday + shift) % 7]
    if shift == 0:
        return f"FREQ=YEARLY;BYMONTH={day.month};BYDAY={-1 if day.week == 5 else day.week}{weekday}"
    length = monthrange(2023, day.month)[1]
    start = (length - 6 if day.week == 5 else 7 * day.week - 6) + shift
    if start < 1 or start + 6 > length or (day.week == 5 and day.month == 2):
        return None
    days = ",".join(str(one) for one in range(start, start + 7))
    return f"FREQ=YEARLY;BYMONTH={day.month};BYMONTHDAY={days};BYDAY={weekday}"


# Reading what others wrote. Everything is bounded: lengths, numbers of onsets, years looked at.

_LONGEST_TEXT = 65_536
_MOST_OBSERVANCES = 300
_MOST_ONSETS = 1_000
_YEARS_BACK = 40  # 29 February on one weekday comes back after 28 years, or 40 around 1900 and 2100
_FOREIGN_OFFSET = re.compile(r"([+-])(\d{2})([0-5]\d)([0-5]\d)?")
_BY_DAY = re.compile(r"([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)")
_UNTIL = re.compile(r"\d{8}(T\d{6}Z?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Yearly:
    """A yearly rule within one month: the days of the month or weekdays (`nth` 0: each) on which it holds."""

    month: int
    days: tuple[int, ...] = ()
    weekdays: tuple[tuple[int, int], ...] = ()  # (nth, Monday 0)
    until: datetime | None = None
    until_is_utc: bool = False

    def dates(self, year: int) -> Iterator[date]:
        """The days of a year on which the rule holds, in order."""
        first = date(year, self.month, 1)
        length = monthrange(year, self.month)[1]
        for number in range(1, length + 1):
            nths = (0, (number + 6) // 7, -((length - number + 7) // 7))
            weekday = (first.weekday() + number - 1) % 7
            if (not self.days or number in self.days or number - length - 1 in self.days) and (
                not self.weekdays or any((nth, weekday) in self.weekdays for nth in nths)
            ):
                yield first.replace(day=number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observance:
    """One STANDARD or DAYLIGHT: from its onsets (wall times before the change) on, the offset is `after`."""

    onsets: tuple[datetime, ...]
    before: timedelta
    after: timedelta
    rule: Yearly | None = None

    def latest(self, wall: datetime) -> datetime | None:
        """The last onset that is over when clocks show `wall`; skipped and doubled times are still before it."""
        shown = wall - max(self.after - self.before, timedelta(0))
        candidates = [onset for onset in self.onsets if onset <= shown]
        if self.rule:
            candidates += self._by_rule(self.rule, shown)
        return max(candidates, default=None)

    def _by_rule(self, rule: Yearly, shown: datetime) -> list[datetime]:
        first = self.onsets[0]
        for year in range(shown.year, max(first.year, shown.year - _YEARS_BACK) - 1, -1):
            found = [
                onset
                for day in rule.dates(year)
                if first <= (onset := datetime.combine(day, first.time())) <= shown and not self._is_over(rule, onset)
            ]
            if found:
                return found
        return []

    def _is_over(self, rule: Yearly, onset: datetime) -> bool:
        return rule.until is not None and (onset - self.before if rule.until_is_utc else onset) > rule.until


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignZone:
    """A zone as a foreign VTIMEZONE defines it."""

    tzid: str
    observances: tuple[Observance, ...]

    def to_utc(self, wall: datetime) -> datetime:
        """Return the instant of a wall time, with skipped and doubled times read as in `zones.to_utc`.

        Raises Rejected for a time beyond the years 1 to 9999.
        """
        require_wall(wall, "wall")
        try:
            return (wall - self._offset(wall)).replace(tzinfo=UTC, fold=0)
        except OverflowError:
            raise Rejected(f"The time {wall.isoformat()} is beyond what can be computed.", field="start") from None

    def _offset(self, wall: datetime) -> timedelta:
        begun = [(onset - one.before, one.after) for one in self.observances if (onset := one.latest(wall)) is not None]
        if begun:
            return max(begun, key=lambda pair: pair[0])[1]
        return min(self.observances, key=lambda one: one.onsets[0]).before


def read_vtimezone(text: str) -> ForeignZone | None:
    """Return the first VTIMEZONE of a text, or None if it is incomplete, contradictory, or beyond what is evaluated here.

    Evaluated are DTSTART, RDATE and one yearly RRULE within a month for each STANDARD and DAYLIGHT, which covers what calendar
    programs write. It never takes long and never raises, whatever the text.
    """
    if len(text) > _LONGEST_TEXT:
        return None
    try:
        return _read(re.sub(r"\r?\n[ \t]", "", text).splitlines())
    except (ValueError, OverflowError):
        return None


def _read(lines: list[str]) -> ForeignZone:
    tzid = ""
    observances: list[Observance] = []
    inside = False
    part: list[tuple[str, str]] | None = None
    for line in lines:
        head, _, value = line.partition(":")
        name, value = head.partition(";")[0].strip().upper(), value.strip()
        match name, value.upper():
            case "BEGIN", "VTIMEZONE" if not inside:
                inside = True
            case _ if not inside:
                pass
            case "END", "VTIMEZONE":
                break
            case "BEGIN", "STANDARD" | "DAYLIGHT" if part is None:
                part = []
            case "BEGIN", _:
                raise ValueError(f"{value} within a VTIMEZONE")
            case "END", _ if part is not None:
                observances.append(_read_observance(part))
                part = None
            case _ if part is not None:
                part.append((name, value))
            case "TZID", _:
                tzid = value
    else:
        raise ValueError("no end")
    if not tzid or not observances or part is not None or len(observances) > _MOST_OBSERVANCES:
        raise ValueError("incomplete or too long")
    return ForeignZone(tzid=tzid, observances=tuple(observances))


def _read_observance(part: list[tuple[str, str]]) -> Observance:
    values: dict[str, list[str]] = {}
    for name, value in part:
        values.setdefault(name, []).append(value)
    (start,), (before,), (after,) = (values.get(name, []) for name in ("DTSTART", "TZOFFSETFROM", "TZOFFSETTO"))
    rules = values.get("RRULE", [])
    first = _moment(start)[0]
    more = [_moment(one)[0] for line in values.get("RDATE", []) for one in line.split(",")]
    if len(rules) > 1 or len(more) > _MOST_ONSETS or "EXDATE" in values or "EXRULE" in values:
        raise ValueError("more than is evaluated here")
    return Observance(
        onsets=(first, *more),
        before=_read_offset(before),
        after=_read_offset(after),
        rule=_read_rule(rules[0], first) if rules else None,
    )


def _read_offset(text: str) -> timedelta:
    match = _FOREIGN_OFFSET.fullmatch(text)
    if not match or int(match.group(2)) > 23:
        raise ValueError(f"offset {text}")
    size = timedelta(hours=int(match.group(2)), minutes=int(match.group(3)), seconds=int(match.group(4) or 0))
    return -size if match.group(1) == "-" else size


def _moment(text: str) -> tuple[datetime, bool]:
    if not _UNTIL.fullmatch(text):
        raise ValueError(f"time {text}")
    return datetime.fromisoformat(text.rstrip("Z")), text.endswith("Z")


def _read_rule(text: str, start: datetime) -> Yearly:
    parts = dict(_pair(part) for part in text.upper().rstrip(";").split(";"))
    if parts.pop("FREQ", "") != "YEARLY" or parts.pop("INTERVAL", "1") != "1":
        raise ValueError(f"rule {text}")
    parts.pop("WKST", None)
    month, days, weekdays, until = (parts.pop(name, "") for name in ("BYMONTH", "BYMONTHDAY", "BYDAY", "UNTIL"))
    if parts or ((days or weekdays) and not month):
        raise ValueError(f"rule {text}")
    end, is_utc = _moment(until) if until else (None, False)
    numbers = tuple(int(day) for day in days.split(",")) if days else ()
    names = tuple(_weekday(day) for day in weekdays.split(",")) if weekdays else ()
    if not 1 <= int(month or start.month) <= 12:
        raise ValueError(f"rule {text}")
    return Yearly(
        month=int(month or start.month),
        days=numbers or (() if names else (start.day,)),
        weekdays=names,
        until=end,
        until_is_utc=is_utc,
    )


def _pair(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name.strip(), value.strip()


def _weekday(text: str) -> tuple[int, int]:
    match = _BY_DAY.fullmatch(text)
    if not match:
        raise ValueError(f"weekday {text}")
    return int(match.group(1) or 0), _WEEKDAYS.index(match.group(2))
