"""Times and time zones: Windows ids as Exchange stores them, instants as it reads them. The map of ids is CLDR's, from Babel."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from babel.core import get_global

from tests.servers.exchange.soap import ItemError


def zone(windows_id: str) -> ZoneInfo:
    """The rules behind a Windows id.

    Raises:
        ItemError: ErrorTimeZone, the server does not know the id.
    """
    if windows_id == "UTC":
        return ZoneInfo("UTC")
    found = get_global("windows_zone_mapping").get(windows_id)
    if found is None:
        raise ItemError("ErrorTimeZone", f"The time zone {windows_id!r} is not known.")
    return ZoneInfo(found)


def instant(text: str, windows_id: str) -> datetime:
    """An xs:dateTime as an instant in UTC; one without an offset is wall time in the zone."""
    read = datetime.fromisoformat(text)
    return (read if read.tzinfo else read.replace(tzinfo=zone(windows_id))).astimezone(UTC)


def at(day: date, wall: time, windows_id: str) -> datetime:
    """The instant of a wall time; in the hour that a clock change skips, the one after it."""
    return datetime.combine(day, wall, zone(windows_id)).astimezone(UTC)


def wall(moment: datetime, windows_id: str) -> datetime:
    return moment.astimezone(zone(windows_id))


def midnights(start: datetime, end: datetime, windows_id: str) -> tuple[datetime, datetime]:
    """The whole days that hold a span: midnight before its start to midnight after its end, in the zone."""
    first, last = wall(start, windows_id), wall(end, windows_id)
    until = last.date() if last.time() == time(0) and end > start else last.date() + timedelta(days=1)
    return at(first.date(), time(0), windows_id), at(until, time(0), windows_id)


def dated(day: date, windows_id: str) -> str:
    """A date of a range as it comes back: with the offset of the meeting's zone on that day, 2026-12-01+01:00."""
    offset = datetime.combine(day, time(0), zone(windows_id)).strftime("%z")
    return f"{day.isoformat()}{offset[:3]}:{offset[3:]}"


def duration(span: timedelta) -> str:
    """xs:duration as in the recorded answers: PT1H30M, P1D."""
    minutes = int(span.total_seconds()) // 60
    days, hours, rest = minutes // 1440, minutes % 1440 // 60, minutes % 60
    clock = (f"{hours}H" if hours else "") + (f"{rest}M" if rest else "")
    return f"P{f'{days}D' if days else ''}{'T' + clock if clock else ''}" if minutes else "PT0S"
