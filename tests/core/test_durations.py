"""Durations as people and machines write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.durations import iso_duration, parse_duration
from daemon.core.errors import Rejected


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("45m", timedelta(minutes=45)),
        ("45min", timedelta(minutes=45)),
        ("1h30m", timedelta(minutes=90)),
        ("1h 30m", timedelta(minutes=90)),
        (" 24 H ", timedelta(hours=24)),
        ("2d", timedelta(days=2)),
        ("1w2d", timedelta(days=9)),
        ("90s", timedelta(seconds=90)),
        ("0m", timedelta(0)),
        ("PT24H", timedelta(hours=24)),
        ("pt1h30m", timedelta(minutes=90)),
        ("P1D", timedelta(days=1)),
        ("P1W", timedelta(weeks=1)),
        ("P1DT2H3M4S", timedelta(days=1, hours=2, minutes=3, seconds=4)),
    ],
)
def test_a_duration_is_understood_in_every_usual_spelling(text: str, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize(
    "text",
    ["", "90", "1.5h", "-15m", "1h1h", "15m15min", "P", "PT", "P1DT", "P1M", "1 day", "99999999h", "1h\n30", "m", "PT1D"],
)
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(Rejected, match=r"is not a duration\. Write it like 45m, 1h30m, 2d or PT1H30M\.") as refused:
        parse_duration(text)
    assert refused.value.field == "duration"


@pytest.mark.parametrize(
    ("span", "whole_days", "text"),
    [
        (timedelta(minutes=90), False, "PT1H30M"),
        (timedelta(hours=24), False, "PT24H"),
        (timedelta(days=1), True, "P1D"),
        (timedelta(hours=25), True, "PT25H"),
        (timedelta(0), False, "PT0S"),
        (timedelta(seconds=61, microseconds=7), False, "PT1M1S"),
        (-timedelta(minutes=15), False, "-PT15M"),
    ],
)
def test_the_iso_text_counts_hours_unless_whole_days_are_meant(span: timedelta, whole_days: bool, text: str) -> None:
    assert iso_duration(span, whole_days=whole_days) == text


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400_000)), st.booleans())
def test_what_is_written_is_read_back(span: timedelta, whole_days: bool) -> None:
    whole = timedelta(seconds=span // timedelta(seconds=1))
    assert parse_duration(iso_duration(span, whole_days=whole_days)) == whole
