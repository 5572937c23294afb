"""Dates, times, durations and zones of foreign calendar objects (RFC 5545 3.3.4-6, 3.8.2, 3.8.5) as our `When` and wall times.

A TZID becomes an IANA zone by its name; the definition that came with it is used only where the name means nothing to us, and
then the values become UTC, so that no foreign rule outlives the message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import cast

from icalendar import vDDDTypes, vDuration

from daemon.core import zones
from daemon.core.addresses import clean_name
from daemon.core.errors import Rejected
from daemon.core.ics_lines import Block, Line, Notes, loose_line
from daemon.core.model import When

_MAX_DATES = 10_000
_YEARS = range(1600, 2201)
_DAY = timedelta(days=1)
_TIME = re.compile(r"\d{8}(?:T\d{6}Z?)?")
_DAYS = re.compile(r"[+-]?P(?:(\d{1,6})W)?(?:(\d{1,6})D)?")
_ALSO_UTC = frozenset({"UTC", "Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu", "UCT", "Universal", "Zulu"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A DATE or DATE-TIME value: a naive wall time in `zone`. `floating`: it named no zone that is known."""

    wall: datetime
    zone: str
    is_date: bool = False
    floating: bool = False

    @property
    def instant(self) -> datetime:
        return zones.to_utc(self.wall, self.zone)

    @property
    def recurrence_id(self) -> datetime:
        """Aware in its zone; naive where it is a DATE or floating."""
        if self.is_date or self.floating:
            return self.wall
        return self.wall.replace(tzinfo=UTC if self.zone == "UTC" else zones.zone(self.zone))


class Times:
    """Reads the times of one VCALENDAR, with its time zone definitions by TZID and the zone for times that name none."""

    def __init__(self, *, floating_zone: str, floating_guessed: bool, definitions: dict[str, str], notes: Notes) -> None:
        self._floating = floating_zone
        self._guessed = floating_guessed
        self._definitions = definitions
        self._notes = notes
        self._known: dict[str, str | zones.ForeignZone | None] = {}

    def moment(self, line: Line) -> Moment | None:
        """The value of a line that holds one date or time, or None with a note."""
        found = self._read(line.value, line.params.get("TZID", ""))
        if found is None and (loose := loose_line(line.text)):  # an unquoted colon in the TZID
            found = self._read(loose.value, loose.params.get("TZID", ""))
        if found is None:
            self._notes.add(f"{line.name} “{clean_name(line.value)[:40]}” is no date or time that can be used; it was left out.")
        return found

    def redefined(self, line: Line, moment: Moment) -> datetime | None:
        """What the value means (UTC) by the definition that came with its zone, where that is another instant; else None."""
        tzid = line.params.get("TZID", "").strip()
        if moment.is_date or moment.floating or moment.zone == "UTC" or tzid not in self._definitions:
            return None
        definition = zones.read_vtimezone(self._definitions[tzid])
        meant = definition.to_utc(moment.wall) if definition is not None else moment.instant
        return None if meant == moment.instant else meant

    def when(self, block: Block) -> When | None:
        """Start and elapsed duration of an event, or None with a note if it has no usable start."""
        line = block.first("DTSTART", self._notes)
        if line is None:
            self._notes.add("it has no start.")
            return None
        start = self.moment(line)
        if start is None:
            return None
        if start.floating and self._guessed and not line.params.get("TZID"):
            self._notes.add(f"its times have no zone and were read in {self._floating}.")
        try:
            duration = self._duration(block, start)
        except (Rejected, OverflowError):
            self._notes.add("its end cannot be computed and was left out.")
            duration = timedelta(0)
        if duration < timedelta(0):
            self._notes.add("it ends before it starts; the end was left out.")
            duration = timedelta(0)
        if start.is_date:
            duration = max(duration // _DAY, 1) * _DAY
        return When(start=start.wall, zone=start.zone, duration=duration, all_day=start.is_date)

    def dates(self, block: Block, name: str, when: When | None) -> tuple[datetime, ...]:
        """The wall starts of all RDATE or EXDATE lines in the zone of `when`, sorted."""
        found: set[datetime] = set()
        for line in block.all(name, self._notes):
            for text in line.value.split(",") if when is not None else ():
                if len(found) >= _MAX_DATES:
                    self._notes.add(f"it has more than {_MAX_DATES:,} {name} dates; the others were left out.")
                    return tuple(sorted(found))
                begin, _, period = text.partition("/")
                moment = self._read(begin, line.params.get("TZID", ""))
                if moment is None:
                    self._notes.add(f"{name} “{clean_name(text)[:40]}” is no date or time that can be used; it was left out.")
                    continue
                if period:
                    self._notes.add("an added date has a length of its own; it was taken over with that of the series.")
                found.add(_in_zone(moment, cast("When", when)))
        return tuple(sorted(found))

    def length(self, line: Line) -> timedelta | None:
        """The value of a DURATION or TRIGGER line, or None with a note."""
        try:
            return cast("timedelta", vDuration.from_ical(line.value.strip().upper()))  # type: ignore[no-untyped-call]  # has no types
        except ValueError:
            self._notes.add(f"{line.name} “{clean_name(line.value)[:40]}” is no duration; it was left out.")
            return None

    def _duration(self, block: Block, start: Moment) -> timedelta:
        end_line = block.first("DTEND", self._notes)
        end = self.moment(end_line) if end_line else None
        if end is not None:
            if start.is_date:
                return datetime.combine(end.wall, time()) - start.wall
            if end.is_date or end.floating:
                end = replace(end, zone=start.zone)
            return end.instant - start.instant
        line = block.first("DURATION", self._notes)
        length = self.length(line) if line else None
        if line is None or length is None:
            return timedelta(0)
        if start.is_date or length < timedelta(0):
            return length
        # RFC 5545 3.3.6: a day is as long as that day of the calendar, an hour is always an hour.
        days = cast("re.Match[str]", _DAYS.match(line.value.strip().upper()))
        nominal = timedelta(weeks=int(days[1] or 0), days=int(days[2] or 0))
        return zones.to_utc(start.wall + nominal, start.zone) + (length - nominal) - start.instant

    def _read(self, value: str, tzid: str) -> Moment | None:
        text = value.strip().upper()
        if not _TIME.fullmatch(text):
            return None
        try:
            found = cast("date | datetime", vDDDTypes.from_ical(text))  # type: ignore[no-untyped-call]  # has no types
        except ValueError:
            return None
        if found.year not in _YEARS:
            return None
        if not isinstance(found, datetime):
            return Moment(wall=datetime.combine(found, time()), zone=self._floating, is_date=True)
        wall = found.replace(tzinfo=None)
        if text.endswith("Z"):  # also where a TZID stands beside it
            return Moment(wall=wall, zone="UTC")
        meant = self._zone(tzid) if tzid else None
        if isinstance(meant, zones.ForeignZone):
            return Moment(wall=meant.to_utc(wall).replace(tzinfo=None), zone="UTC")
        if meant is not None:
            return Moment(wall=wall, zone=meant)
        return Moment(wall=wall, zone=self._floating, floating=True)

    def _zone(self, tzid: str) -> str | zones.ForeignZone | None:
        if tzid in self._known:
            return self._known[tzid]
        name = zones.resolve(tzid)
        meant: str | zones.ForeignZone | None = "UTC" if name in _ALSO_UTC else name
        shown = f"The time zone “{clean_name(tzid)[:60]}”"
        if meant is None and tzid in self._definitions:
            meant = zones.read_vtimezone(self._definitions[tzid])
            if meant is not None:
                self._notes.general(
                    f"{shown} is known only by the definition that came with it: its times were taken over in UTC."
                )
        if meant is None:
            self._notes.general(f"{shown} is not known: its times were read in {self._floating}.")
        self._known[tzid] = meant
        return meant


def _in_zone(moment: Moment, when: When) -> datetime:
    """The wall start in the zone of `when` that an RDATE or EXDATE value names."""
    if when.all_day:
        return datetime.combine(moment.wall, time())
    if moment.is_date:  # some programs leave out the whole day
        return datetime.combine(moment.wall, when.start.time())
    if moment.floating or moment.zone == when.zone:
        return moment.wall
    return zones.to_wall(moment.instant, when.zone)
