"""Times as people type them, for the API: "2026-12-01 9:00", "1.12.2026 09:00", "tomorrow 14:00", "Montag 9 Uhr".

A time is one of the zone that is meant by the entry, the option or the owner; what day it is there is asked only if needed. Not
here: whether the time exists in that zone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta

from daemon.core.errors import Rejected

_DAYS_AHEAD = {"today": 0, "heute": 0, "tomorrow": 1, "morgen": 1, "übermorgen": 2}
_WEEKDAYS = (
    ("monday", "mon", "montag", "mo"),
    ("tuesday", "tue", "dienstag", "di"),
    ("wednesday", "wed", "mittwoch", "mi"),
    ("thursday", "thu", "donnerstag", "do"),
    ("friday", "fri", "freitag", "fr"),
    ("saturday", "sat", "samstag", "sonnabend", "sa"),
    ("sunday", "sun", "sonntag", "so"),
)
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_GERMAN = re.compile(r"(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4}|\d{2})")
_TIME = re.compile(r"(?:um |at )?(\d{1,2})(?:[:.](\d{2})(?::00)?)?( ?uhr)?")
_OFFSET = re.compile(r"\d{4}-\d{2}-\d{2}[ Tt]\d{2}:\d{2}.*([Zz]|[+-]\d{2}:?\d{2})")

Today = Callable[[], date]


def wall_text(text: str, today: Today) -> str:
    """Return the time as the API takes it: `2026-12-01T09:00`, `2026-12-01` without a time of day, RFC 3339 with offset as it is.

    `today` gives the day in the zone that is meant; it is asked for "tomorrow" and weekdays only, and a weekday is the next one
    after it. Raises Rejected(field="start").
    """
    given = " ".join(text.replace(",", " ").split())
    if _OFFSET.fullmatch(given):
        return given
    day_text, clock_text = _parts(given)
    day = _day(day_text, today)
    clock = _clock(clock_text) if clock_text else None
    if day is None or (clock_text and clock is None):
        raise Rejected(
            f"“{given[:40]}” is not a time. Write it like “2026-12-01 09:00”, “1.12.2026 09:00” or “tomorrow 14:00”.",
            field="start",
        )
    return day.isoformat() if clock is None else datetime.combine(day, clock).isoformat(timespec="minutes")


def day_text(text: str, today: Today) -> str:
    """Return a day as ISO 8601. Raises Rejected(field="start")."""
    found = wall_text(text, today)
    if len(found) != len("2026-12-01"):
        raise Rejected(f"“{text.strip()[:40]}” is not a day. Write it like “2026-12-31” or “31.12.2026”.", field="start")
    return found


def _parts(given: str) -> tuple[str, str]:
    """The day and the time of day, parted by a blank or by ISO's T."""
    lower = given.lower()
    for pattern in (_ISO, _GERMAN):
        found = pattern.match(lower)
        if found:
            rest = lower[found.end() :]
            return found.group(), rest[1:] if rest[:1] in (" ", "t") else rest
    day, _, rest = lower.partition(" ")
    return day, rest


def _day(text: str, today: Today) -> date | None:
    try:
        if found := _ISO.fullmatch(text):
            return date(int(found[1]), int(found[2]), int(found[3]))
        if found := _GERMAN.fullmatch(text):
            year = int(found[3])
            return date(year + 2000 if year < 100 else year, int(found[2]), int(found[1]))
    except ValueError:
        return None
    if text in _DAYS_AHEAD:
        return today() + timedelta(days=_DAYS_AHEAD[text])
    weekday = next((number for number, names in enumerate(_WEEKDAYS) if text.rstrip(".") in names), None)
    if weekday is None:
        return None
    now = today()
    return now + timedelta(days=(weekday - now.weekday() - 1) % 7 + 1)


def _clock(text: str) -> time | None:
    found = _TIME.fullmatch(text.strip())
    if found is None or (found[2] is None and found[3] is None):  # a bare number may be anything
        return None
    try:
        return time(int(found[1]), int(found[2] or 0))
    except ValueError:
        return None
