"""Dates as people read them: weekday, date, start and end, always with the zone's name and offset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from daemon.core.model import Language, When
from daemon.render import dates

DE, EN = Language.DE, Language.EN


def at(text: str, *, hours: float = 1, zone: str = "Europe/Berlin") -> When:
    return When(start=datetime.fromisoformat(text), zone=zone, duration=timedelta(hours=hours))


def all_day(text: str, days: int, zone: str = "Europe/Berlin") -> When:
    return When(start=datetime.fromisoformat(text), zone=zone, duration=timedelta(days=days), all_day=True)


LONG = [
    pytest.param(
        at("2026-12-01 09:00"), DE, "Dienstag, 1. Dezember 2026, 09:00–10:00 Uhr (Europe/Berlin, MEZ, UTC+1)", id="german, winter"
    ),
    pytest.param(
        at("2026-12-01 09:00"), EN, "Tuesday, 1 December 2026, 09:00–10:00 (Europe/Berlin, CET, UTC+1)", id="english, winter"
    ),
    pytest.param(
        at("2026-07-01 09:00"), DE, "Mittwoch, 1. Juli 2026, 09:00–10:00 Uhr (Europe/Berlin, MESZ, UTC+2)", id="german, summer"
    ),
    pytest.param(
        at("2026-12-01 23:00", hours=2),
        DE,
        "Dienstag, 1. Dezember 2026, 23:00 Uhr bis Mittwoch, 2. Dezember 2026, 01:00 Uhr (Europe/Berlin, MEZ, UTC+1)",
        id="ends on the next day",
    ),
    pytest.param(
        at("2026-10-24 22:00", hours=6),
        DE,
        "Samstag, 24. Oktober 2026, 22:00 Uhr (MESZ, UTC+2) bis Sonntag, 25. Oktober 2026, 03:00 Uhr (MEZ, UTC+1), Europe/Berlin",
        id="german, over the change to winter time",
    ),
    pytest.param(
        at("2027-03-28 01:30"),
        EN,
        "Sunday, 28 March 2027, 01:30 (CET, UTC+1) to 03:30 (CEST, UTC+2), Europe/Berlin",
        id="english, over the change to summer time on one day",
    ),
    pytest.param(
        at("2026-12-01 09:00", hours=0), DE, "Dienstag, 1. Dezember 2026, 09:00 Uhr (Europe/Berlin, MEZ, UTC+1)", id="no duration"
    ),
    pytest.param(all_day("2026-12-01", 1), DE, "Dienstag, 1. Dezember 2026, ganztägig (Europe/Berlin, MEZ, UTC+1)", id="all day"),
    pytest.param(
        all_day("2026-12-01", 3),
        EN,
        "Tuesday, 1 December 2026 – Thursday, 3 December 2026, all day (Europe/Berlin, CET, UTC+1)",
        id="three whole days",
    ),
    pytest.param(
        all_day("2026-10-25", 1),
        EN,
        "Sunday, 25 October 2026, all day (Europe/Berlin, CEST, UTC+2)",
        id="a whole day of 25 hours",
    ),
    pytest.param(
        at("2026-12-01 09:00", zone="Asia/Kolkata"),
        EN,
        "Tuesday, 1 December 2026, 09:00–10:00 (Asia/Kolkata, IST, UTC+5:30)",
        id="half-hour zone",
    ),
    pytest.param(
        at("2026-12-01 09:00", zone="America/New_York"),
        DE,
        "Dienstag, 1. Dezember 2026, 09:00–10:00 Uhr (America/New_York, EST, UTC−5)",
        id="abbreviation that German has no word for",
    ),
    pytest.param(
        at("2026-12-01 09:00", zone="America/Sao_Paulo"),
        DE,
        "Dienstag, 1. Dezember 2026, 09:00–10:00 Uhr (America/Sao_Paulo, UTC−3)",
        id="zone without an abbreviation",
    ),
    pytest.param(at("2026-12-01 09:00", zone="UTC"), EN, "Tuesday, 1 December 2026, 09:00–10:00 (UTC)", id="UTC is named once"),
    pytest.param(
        at("2026-12-01 09:00", zone="Europe/London"),
        EN,
        "Tuesday, 1 December 2026, 09:00–10:00 (Europe/London, GMT, UTC+0)",
        id="GMT",
    ),
]


@pytest.mark.parametrize(("when", "language", "expected"), LONG)
def test_a_date_is_written_out_with_its_zone(when: When, language: Language, expected: str) -> None:
    assert dates.long_date(when, language) == expected


def test_a_date_can_be_read_in_another_zone() -> None:
    there = dates.long_date(at("2026-12-01 09:00"), EN, "America/New_York")
    assert there == "Tuesday, 1 December 2026, 03:00–04:00 (America/New_York, EST, UTC−5)"


@pytest.mark.parametrize(
    ("when", "language", "expected"),
    [
        pytest.param(at("2026-12-01 09:00"), DE, "Di., 1. Dezember 2026, 09:00 Uhr MEZ", id="german"),
        pytest.param(at("2026-12-01 09:00"), EN, "Tue, 1 December 2026, 09:00 CET", id="english"),
        pytest.param(
            at("2026-12-01 09:00", zone="America/Sao_Paulo"),
            EN,
            "Tue, 1 December 2026, 09:00 UTC−3",
            id="offset where there is no name",
        ),
        pytest.param(
            all_day("2026-12-01", 2), DE, "Di., 1. Dezember 2026 – Mi., 2. Dezember 2026 (Europe/Berlin)", id="two whole days"
        ),
    ],
)
def test_a_subjects_date_is_short_and_still_has_its_zone(when: When, language: Language, expected: str) -> None:
    assert dates.short_date(when, language) == expected


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        pytest.param(at("2026-12-01 09:00"), "Di., 1. Dezember 2026, 09:00–10:00 Uhr (MEZ, UTC+1)", id="one hour"),
        pytest.param(
            at("2026-12-01 23:00", hours=2), "Di., 1. Dezember 2026, 23:00 Uhr (MEZ, UTC+1)", id="over midnight: only its start"
        ),
        pytest.param(all_day("2026-12-01", 1), "Di., 1. Dezember 2026", id="all day"),
    ],
)
def test_a_listed_date_has_its_own_offset(when: When, expected: str) -> None:
    assert dates.list_date(when, DE) == expected


@pytest.mark.parametrize(
    ("left", "german", "english"),
    [
        (timedelta(minutes=15), "15 Minuten", "15 minutes"),
        (timedelta(minutes=14, seconds=40), "15 Minuten", "15 minutes"),
        (timedelta(seconds=20), "1 Minute", "1 minute"),
        (timedelta(minutes=60), "1 Stunde", "1 hour"),
        (timedelta(minutes=90), "90 Minuten", "90 minutes"),
        (timedelta(hours=24), "24 Stunden", "24 hours"),
        (timedelta(hours=23, minutes=59), "24 Stunden", "24 hours"),
        (timedelta(days=3), "3 Tagen", "3 days"),
    ],
)
def test_time_left_is_said_as_people_say_it(left: timedelta, german: str, english: str) -> None:
    assert (dates.how_long(left, DE), dates.how_long(left, EN)) == (german, english)


def test_an_instant_is_given_in_a_zone() -> None:
    assert dates.moment(datetime(2026, 11, 30, 8, tzinfo=UTC), "Europe/Berlin", DE) == "Mo., 30. November 2026, 09:00 Uhr MEZ"
