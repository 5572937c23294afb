"""Times as people type them."""

from __future__ import annotations

from datetime import date

import pytest

from daemon.cli.times import day_text, wall_text
from daemon.core.errors import Rejected

FRIDAY = date(2026, 11, 27)


def today() -> date:
    return FRIDAY


def never() -> date:
    raise AssertionError("what day it is was not to be asked")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2026-12-01 09:00", "2026-12-01T09:00"),
        ("2026-12-01 9:00", "2026-12-01T09:00"),
        ("2026-12-01T09:00", "2026-12-01T09:00"),
        ("2026-12-01T09:00:00", "2026-12-01T09:00"),
        ("2026-12-1 9.30", "2026-12-01T09:30"),
        ("2026-12-01", "2026-12-01"),
        ("2026-12-01T09:00:00+01:00", "2026-12-01T09:00:00+01:00"),
        ("2026-12-01T08:00Z", "2026-12-01T08:00Z"),
        ("1.12.2026 09:00", "2026-12-01T09:00"),
        ("1.12.26 9 Uhr", "2026-12-01T09:00"),
        ("01. 12. 2026, 14:30 Uhr", "2026-12-01T14:30"),
        ("1.12.2026 um 9:00", "2026-12-01T09:00"),
        ("1.12.2026", "2026-12-01"),
        ("  2026-12-01   09:00  ", "2026-12-01T09:00"),
    ],
)
def test_a_written_day_is_read_without_asking_what_day_it_is(typed: str, meant: str) -> None:
    assert wall_text(typed, never) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("today 14:00", "2026-11-27T14:00"),
        ("heute 14 Uhr", "2026-11-27T14:00"),
        ("tomorrow 14:00", "2026-11-28T14:00"),
        ("Morgen 9:05", "2026-11-28T09:05"),
        ("übermorgen 9:05", "2026-11-29T09:05"),
        ("tomorrow", "2026-11-28"),
        ("Mo. 9:00", "2026-11-30T09:00"),
        ("montag, 9 Uhr", "2026-11-30T09:00"),
        ("friday 9:00", "2026-12-04T09:00"),
        ("Sonnabend at 9:00", "2026-11-28T09:00"),
        ("Thu 18:00", "2026-12-03T18:00"),
    ],
)
def test_a_day_named_from_today_is_counted_and_a_weekday_is_the_next_one(typed: str, meant: str) -> None:
    assert wall_text(typed, today) == meant


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "foo",
        "9:00",
        "2026-13-01 09:00",
        "2026-02-30 09:00",
        "30.2.2026",
        "2026-12-01 25:00",
        "2026-12-01 09:75",
        "2026-12-01 9",
        "2026-12-01x09:00",
        "next year",
        "tomorrow noon",
        "1/12/2026 09:00",
    ],
)
def test_what_is_no_time_is_refused_with_three_ways_to_write_one(typed: str) -> None:
    with pytest.raises(Rejected) as refused:
        wall_text(typed, today)
    assert str(refused.value) == (
        f"“{typed}” is not a time. Write it like “2026-12-01 09:00”, “1.12.2026 09:00” or “tomorrow 14:00”."
    )
    assert refused.value.field == "start"


def test_a_day_has_no_time_of_day() -> None:
    assert day_text("31.12.2026", never) == "2026-12-31"
    with pytest.raises(Rejected, match="“2026-12-31 09:00” is not a day"):
        day_text("2026-12-31 09:00", never)
