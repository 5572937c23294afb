"""Durations as people and machines write them: 45m, 1h30m, 2d, PT1H30M (RFC 5545 3.3.6, ISO 8601).

Not here: DURATION and TRIGGER lines of calendar objects (`ics`).
"""

from __future__ import annotations

import re
from datetime import timedelta

from daemon.core.errors import Rejected

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "min": "minutes", "s": "seconds"}
_SHORT = re.compile(r"(?:\d{1,7}\s*(?:w|d|h|min|m|s)\s*)+")
_PART = re.compile(r"(\d+)\s*(w|d|h|min|m|s)")
_ISO = re.compile(r"P(?=[\dT])(?:(\d{1,7})W)?(?:(\d{1,7})D)?(?:T(?=\d)(?:(\d{1,7})H)?(?:(\d{1,7})M)?(?:(\d{1,7})S)?)?")
_ISO_UNITS = ("weeks", "days", "hours", "minutes", "seconds")


def parse_duration(text: str) -> timedelta:
    """Return the elapsed time that the text means; a day is 24 hours.

    Raises Rejected(field="duration") for anything else, above all for a bare number, which has no unit.
    """
    stripped = text.strip()
    iso = _ISO.fullmatch(stripped.upper())
    if iso:
        return timedelta(**{unit: int(value) for unit, value in zip(_ISO_UNITS, iso.groups(), strict=True) if value})
    parts = _PART.findall(stripped.lower()) if _SHORT.fullmatch(stripped.lower()) else []
    units = [_UNITS[unit] for _, unit in parts]
    if not parts or len(set(units)) != len(units):
        raise Rejected(f"“{stripped[:40]}” is not a duration. Write it like 45m, 1h30m, 2d or PT1H30M.", field="duration")
    return timedelta(**{unit: int(value) for unit, (value, _) in zip(units, parts, strict=True)})


def iso_duration(span: timedelta, *, whole_days: bool = False) -> str:
    """Return the ISO 8601 text, hours being the largest unit: a day of a calendar may have 23 of them.

    `whole_days`: for all-day dates, which are counted in days. Fractions of a second are cut off.
    """
    sign, span = ("-", -span) if span < timedelta(0) else ("", span)
    if whole_days and not span % timedelta(days=1):
        return f"{sign}P{span.days}D"
    minutes, seconds = divmod(span // timedelta(seconds=1), 60)
    hours, minutes = divmod(minutes, 60)
    parts = "".join(f"{value}{unit}" for value, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if value)
    return f"{sign}PT{parts or '0S'}"
