"""Zone data files (RFC 8536) as `tzdata` ships them: the changes of a zone's clocks, and the rule of its footer for later years.

`zoneinfo` reads the same files but does not tell the changes themselves, which a VTIMEZONE is made of.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OLDEST = -11_644_473_600  # 1601-01-01, where Windows' calendar begins; files start with a marker 13 billion years back

_NAME = r"(<[^>]+>|[A-Za-z]+)"
_RULE = r",M(\d+)\.(\d)\.(\d)(?:/([+-]?[\d:]+))?"
_FOOTER = re.compile(rf"{_NAME}([+-]?[\d:]+)(?:{_NAME}([+-]?[\d:]+)?{_RULE}{_RULE})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Onset:
    """A change of clocks: at `moment` (UTC) the offset goes from `before` to `after`; `name` and `dst` are those after it."""

    moment: datetime
    before: timedelta
    after: timedelta
    name: str
    was_dst: bool
    dst: bool

    @property
    def wall(self) -> datetime:
        """What clocks show the moment they are changed (naive)."""
        return self.moment.replace(tzinfo=None) + self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class YearDay:
    """A day of the year as POSIX TZ's "Mm.w.d/time". Week 5 is the last, weekday 0 is Monday, `at` may be outside the day."""

    month: int
    week: int
    weekday: int
    at: timedelta

    def wall(self, year: int) -> datetime:
        """The wall time (naive) it means in a year."""
        first = datetime.combine(date(year, self.month, 1), time.min)
        day = first + timedelta(days=(self.weekday - first.weekday()) % 7, weeks=self.week - 1)
        if day.month != self.month:
            day -= timedelta(weeks=1)
        return day + self.at


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """What holds after the last listed change: one offset for ever, or with `begins` and `ends` a second one each year."""

    offset: timedelta
    name: str
    dst_offset: timedelta
    dst_name: str
    begins: YearDay | None
    ends: YearDay | None

    def onsets(self, year: int) -> tuple[Onset, ...]:
        """The two changes of a year, in order; none without a yearly rule."""
        if self.begins is None or self.ends is None:
            return ()
        begin = Onset(
            moment=(self.begins.wall(year) - self.offset).replace(tzinfo=UTC),
            before=self.offset,
            after=self.dst_offset,
            name=self.dst_name,
            was_dst=False,
            dst=True,
        )
        end = Onset(
            moment=(self.ends.wall(year) - self.dst_offset).replace(tzinfo=UTC),
            before=self.dst_offset,
            after=self.offset,
            name=self.name,
            was_dst=True,
            dst=False,
        )
        return (begin, end) if begin.moment < end.moment else (end, begin)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneData:
    """A zone file: what held in 1601, the listed changes since, and the footer."""

    offset: timedelta
    name: str
    onsets: tuple[Onset, ...]
    footer: Footer

    def later(self) -> Iterator[Onset]:
        """The changes after the last listed one, by the footer, to the end of the calendar."""
        last = self.onsets[-1].moment if self.onsets else _EPOCH
        for year in range(last.year, 9999 if self.footer.begins else last.year):
            yield from (onset for onset in self.footer.onsets(year) if onset.moment > last)


def parse_tzif(data: bytes) -> ZoneData:
    """Return what a version 2+ file says (RFC 8536 3). Raises ValueError for anything else: the installation is broken then."""
    start = data.find(b"TZif", 4)
    if start < 0:
        raise ValueError("this zone file has no part with 64-bit times (RFC 8536 3.2)")
    counts = struct.unpack_from(">6l", data, start + 20)
    times, kinds, letters = counts[3], counts[4], counts[5]
    moments = struct.unpack_from(f">{times}q", data, start + 44)
    at = start + 44 + 8 * times
    indexes = data[at : at + times]
    at += times
    types = [struct.unpack_from(">l?B", data, at + 6 * index) for index in range(kinds)]
    names = data[at + 6 * kinds : at + 6 * kinds + letters]

    def name(index: int) -> str:
        return names[index : names.index(b"\0", index)].decode("ascii")

    offset, _, letter = types[0]
    first, label = timedelta(seconds=offset), name(letter)
    now, now_dst = first, False
    onsets: list[Onset] = []
    for moment, kind in zip(moments, indexes, strict=True):
        offset, dst, letter = types[kind]
        after = timedelta(seconds=offset)
        if moment < _OLDEST:
            first, label = after, name(letter)
        else:
            instant = _EPOCH + timedelta(seconds=moment)
            onsets.append(Onset(moment=instant, before=now, after=after, name=name(letter), was_dst=now_dst, dst=dst))
        now, now_dst = after, dst
    footer = parse_footer(data.rsplit(b"\n", 2)[1].decode("ascii"))
    return ZoneData(offset=first, name=label, onsets=tuple(onsets), footer=footer)


def parse_footer(text: str) -> Footer:
    """Return the meaning of a POSIX TZ string with M rules, the only ones in `tzdata`. Raises ValueError for others."""
    match = _FOOTER.fullmatch(text)
    if not match:
        raise ValueError(f"the zone rule {text!r} is of an unknown form")
    name, offset, dst_name, dst_offset = match.group(1, 2, 3, 4)
    # POSIX counts west of Greenwich.
    standard = -_clock(offset)
    return Footer(
        offset=standard,
        name=name.strip("<>"),
        dst_offset=-_clock(dst_offset) if dst_offset else standard + timedelta(hours=1),
        dst_name=(dst_name or name).strip("<>"),
        begins=_year_day(match.group(5, 6, 7, 8)) if dst_name else None,
        ends=_year_day(match.group(9, 10, 11, 12)) if dst_name else None,
    )


def _year_day(parts: tuple[str | None, ...]) -> YearDay:
    month, week, weekday, at = parts
    return YearDay(month=int(month or 0), week=int(week or 0), weekday=(int(weekday or 0) - 1) % 7, at=_clock(at or "2"))


def _clock(text: str) -> timedelta:
    hours, minutes, seconds = (*(int(part) for part in text.lstrip("+-").split(":")), 0, 0)[:3]
    size = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return -size if text.startswith("-") else size
