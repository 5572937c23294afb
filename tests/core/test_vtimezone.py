"""VTIMEZONE as written for others and as read from others (RFC 5545 3.6.5)."""

import io
from datetime import UTC, datetime, timedelta
from importlib import resources
from zoneinfo import ZoneInfo, available_timezones

import pytest
from dateutil.tz import tzical

from daemon.core import zones

NINE = timedelta(hours=9)
HARD = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/Vancouver", "Africa/Cairo"]
FEBRUARY = datetime(2026, 2, 2, tzinfo=UTC)
DECEMBER = datetime(2032, 12, 20, tzinfo=UTC)


def different_zones() -> list[str]:
    by_content: dict[bytes, str] = {}
    for name in sorted(available_timezones() - {"Factory"}):
        by_content.setdefault(resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes(), name)
    return sorted(by_content.values())


def changes(name: str, first_year: int, last_year: int) -> list[datetime]:
    """Days (UTC) at whose end the offset is not that of their beginning."""
    zone, day, found = ZoneInfo(name), datetime(first_year, 1, 1, tzinfo=UTC), []
    while day.year <= last_year:
        following = day + timedelta(days=1)
        if day.astimezone(zone).utcoffset() != following.astimezone(zone).utcoffset():
            found.append(day)
        day = following
    return found


def shape(text: str) -> tuple[int, int, int]:
    return text.count("BEGIN:STANDARD"), text.count("BEGIN:DAYLIGHT"), text.count("RRULE")


@pytest.mark.parametrize("letter", "AEP")
def test_every_zone_read_back_by_another_program_gives_the_right_time_at_nine(letter):
    """Zones by first letter of their name; "P" stands for the rest."""
    names = [name for name in different_zones() if name[0] == letter or (letter == "P" and name[0] not in "AE")]
    assert len(names) > 2
    for name in names:
        days = [datetime(2026, 2, 2) + timedelta(days=23 * count) for count in range(108)]
        days += [day.replace(tzinfo=None) + timedelta(days=shift) for day in changes(name, 2026, 2032) for shift in (-1, 0, 1, 2)]
        walls = [day + NINE for day in days]
        text = zones.vtimezone(name, [zones.to_utc(wall, name) for wall in walls])
        read = tzical(io.StringIO(text)).get(name)
        own = zones.read_vtimezone(text)
        assert own is not None
        for wall in walls:
            right = zones.to_utc(wall, name)
            assert wall.replace(tzinfo=read).utcoffset() == wall.replace(tzinfo=ZoneInfo(name)).utcoffset(), (name, wall, text)
            assert own.to_utc(wall) == right, (name, wall, text)


@pytest.mark.parametrize("name", different_zones()[::7] + HARD + ["Europe/Dublin", "Asia/Gaza", "America/Havana", "America/Nuuk"])
def test_every_form_has_what_exchange_asks_for(name):
    text = zones.vtimezone(name, [FEBRUARY, DECEMBER])
    assert text.startswith(f"BEGIN:VTIMEZONE\r\nTZID:{name}\r\nBEGIN:STANDARD\r\n")
    assert text.endswith("END:VTIMEZONE\r\n")
    observances = sum(shape(text)[:2])
    for line in ("DTSTART:", "TZOFFSETFROM:", "TZOFFSETTO:", "TZNAME:"):
        assert text.count(f"\r\n{line}") == observances
    assert "RDATE" not in text
    assert max(len(line) for line in text.split("\r\n")) <= 75
    assert "\n" not in text.replace("\r\n", "")


def test_berlin_is_written_as_outlook_understands_it():
    """DTSTART is what clocks show before the change (RFC 5545 3.6.5), and one that really was."""
    assert zones.vtimezone("Europe/Berlin", [FEBRUARY]) == (
        "BEGIN:VTIMEZONE\r\n"
        "TZID:Europe/Berlin\r\n"
        "BEGIN:STANDARD\r\n"
        "DTSTART:19961027T030000\r\n"
        "TZOFFSETFROM:+0200\r\n"
        "TZOFFSETTO:+0100\r\n"
        "TZNAME:CET\r\n"
        "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\n"
        "END:STANDARD\r\n"
        "BEGIN:DAYLIGHT\r\n"
        "DTSTART:19960331T020000\r\n"
        "TZOFFSETFROM:+0100\r\n"
        "TZOFFSETTO:+0200\r\n"
        "TZNAME:CEST\r\n"
        "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\n"
        "END:DAYLIGHT\r\n"
        "END:VTIMEZONE\r\n"
    )


@pytest.mark.parametrize(
    ("name", "first", "form"),
    [
        pytest.param("Europe/Berlin", 2027, (1, 1, 2), id="two halves of the year"),
        pytest.param("America/New_York", 2027, (1, 1, 2), id="New York since 2007"),
        pytest.param("Europe/Dublin", 2027, (1, 1, 2), id="Dublin, whose winter is the file's daylight saving"),
        pytest.param("Asia/Jerusalem", 2027, (1, 1, 2), id="a Friday after a Thursday"),
        pytest.param("Asia/Tokyo", 2027, (1, 0, 0), id="no daylight saving"),
        pytest.param("UTC", 2027, (1, 0, 0), id="UTC"),
        pytest.param("Etc/GMT+5", 2027, (1, 0, 0), id="a fixed offset"),
        pytest.param("America/New_York", 2005, (4, 3, 2), id="New York across its change of rules in 2007"),
        pytest.param("Africa/Cairo", 2027, (5, 4, 0), id="a last Thursday whose midnight may be in November"),
        pytest.param("Asia/Gaza", 2027, (5, 4, 0), id="a rule that the years of Ramadan interrupt"),
    ],
)
def test_rules_stand_where_they_hold_and_single_changes_where_not(name, first, form):
    assert shape(zones.vtimezone(name, [datetime(first, 2, 2, tzinfo=UTC)])) == form


def test_summer_is_daylight_also_where_the_file_says_otherwise():
    dublin = zones.vtimezone("Europe/Dublin", [FEBRUARY])
    assert "TZOFFSETTO:+0100\r\nTZNAME:IST\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nEND:DAYLIGHT" in dublin


def test_a_friday_after_the_fourth_thursday_is_written_by_days_of_the_month():
    assert "BYMONTH=3;BYMONTHDAY=23,24,25,26,27,28,29;BYDAY=FR" in zones.vtimezone("Asia/Jerusalem", [FEBRUARY])


def test_the_name_is_written_as_the_caller_spells_it():
    assert "\r\nTZID:europe/berlin\r\n" in zones.vtimezone("europe/berlin", [FEBRUARY])


def test_single_changes_are_listed_for_at_most_a_century():
    text = zones.vtimezone("Africa/Cairo", [FEBRUARY, datetime(9000, 1, 1, tzinfo=UTC)])
    assert 190 < sum(shape(text)[:2]) < 210


@pytest.mark.parametrize(("year", "name"), [(9990, "Africa/Cairo"), (1500, "UTC"), (1500, "Asia/Tokyo")])
def test_the_first_and_the_last_years_of_the_calendar_do_no_harm(year, name):
    read = zones.read_vtimezone(zones.vtimezone(name, [datetime(year, 6, 1, tzinfo=UTC)]))
    assert read is not None
    assert read.to_utc(datetime(year, 6, 1)) == zones.to_utc(datetime(year, 6, 1), name)


def test_a_local_mean_time_with_seconds_is_written_whole():
    text = zones.vtimezone("Europe/Berlin", [datetime(1850, 1, 1, tzinfo=UTC)])
    assert "TZOFFSETTO:+005328" in text
    read = zones.read_vtimezone(text)
    assert read is not None
    assert read.to_utc(datetime(1850, 1, 1)) == zones.to_utc(datetime(1850, 1, 1), "Europe/Berlin")
