"""Our VTIMEZONEs, read by two programs that know nothing of us: python-dateutil and ical.js (RFC 5545 3.6.5)."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo, available_timezones

import pytest
from dateutil.tz import tzical

from daemon.core import zones
from tests import js

FIRST, LAST = datetime(2026, 1, 1, 9), datetime(2032, 12, 31, 9)
MORNINGS = tuple(FIRST + timedelta(days=day) for day in range((LAST - FIRST).days + 1))
NAMES = sorted(available_timezones() - {"Factory"})

Runs = list[tuple[float, int]]


@pytest.fixture(scope="module")
def definitions() -> dict[str, list[str]]:
    """Each distinct definition with the names of all zones that have it."""
    span = [datetime(2026, 1, 1, tzinfo=UTC), datetime(2033, 1, 1, tzinfo=UTC)]
    found: dict[str, list[str]] = {}
    for name in NAMES:
        found.setdefault(zones.vtimezone(name, span).replace(f"\r\nTZID:{name}\r\n", "\r\nTZID:Here\r\n"), []).append(name)
    return found


@pytest.fixture(scope="module")
def right() -> dict[str, Runs]:
    """What zoneinfo says for each name: offsets in seconds at 09:00 local time, and for how many mornings in a row."""
    return {name: runs([offset(morning, ZoneInfo(name)) for morning in MORNINGS]) for name in NAMES}


def offset(morning: datetime, zone: object) -> float:
    found = morning.replace(tzinfo=zone).utcoffset()  # type: ignore[arg-type]  # dateutil's zones are untyped
    assert found is not None
    return found.total_seconds()


def runs(offsets: list[float]) -> Runs:
    return [(value, len(list(same))) for value, same in groupby(offsets)]


def test_all_zones_are_asked_and_no_alias_is_told_apart(definitions: dict[str, list[str]], right: dict[str, Runs]) -> None:
    """One definition stands for several names: zoneinfo must say the same of all of them on every morning."""
    assert sorted(name for names in definitions.values() for name in names) == NAMES
    assert 200 < len(definitions) < len(NAMES)
    for hard in ("Africa/Casablanca", "America/Vancouver", "Africa/Cairo", "Europe/Dublin", "Australia/Lord_Howe"):
        assert hard in NAMES
    for names in definitions.values():
        assert all(right[name] == right[names[0]] for name in names), names


def test_dateutil_reads_the_right_offset_on_every_morning(definitions: dict[str, list[str]], right: dict[str, Runs]) -> None:
    wrong = []
    for text, names in definitions.items():
        zone = tzical(io.StringIO(text)).get("Here")
        if runs([offset(morning, zone) for morning in MORNINGS]) != right[names[0]]:
            wrong.append(names)
    assert wrong == []


def test_ical_js_reads_the_right_offset_on_every_morning(definitions: dict[str, list[str]], right: dict[str, Runs]) -> None:
    said = js.read({"zones": list(definitions), "from": f"{FIRST:%Y-%m-%d}", "to": f"{LAST:%Y-%m-%d}", "hour": FIRST.hour})
    wrong = [
        names
        for (_, names), read in zip(definitions.items(), said["zones"], strict=True)
        if [tuple(run) for run in read] != right[names[0]]
    ]
    assert wrong == []
