"""VTIMEZONE as written for others and as read from others (RFC 5545 3.6.5)."""

import struct
from datetime import UTC, datetime, timedelta
from importlib import resources
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core import vtimezone, zones
from daemon.core.errors import Rejected
from daemon.core.tzif import parse_footer, parse_tzif

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


def test_every_zone_read_back_by_us_gives_the_right_time_at_nine():
    """What other programs make of it stands in `test_zones_elsewhere`."""
    for name in different_zones():
        days = [datetime(2026, 2, 2) + timedelta(days=23 * count) for count in range(108)]
        days += [day.replace(tzinfo=None) + timedelta(days=shift) for day in changes(name, 2026, 2032) for shift in (-1, 0, 1, 2)]
        walls = [day + NINE for day in days]
        text = zones.vtimezone(name, [zones.to_utc(wall, name) for wall in walls])
        own = zones.read_vtimezone(text)
        assert own is not None
        for wall in walls:
            assert own.to_utc(wall) == zones.to_utc(wall, name), (name, wall, text)


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


def test_no_change_of_clocks_is_older_than_the_calendar_of_windows():
    """Files begin with a marker 13 billion years back: it says what held before, and is no change."""
    marker = a_file(b"CET-1", moments=(-(2**59), 0), kinds=((600, False, 0), (3600, False, 0)), indexes=b"\0\1")
    data = parse_tzif(marker)
    assert data.offset == timedelta(minutes=10)
    assert [one.moment.year for one in data.onsets] == [1970]


def test_a_zone_of_which_only_the_rule_is_known_is_written_by_its_rule():
    """Files without a single listed change are allowed (RFC 8536 3.3), though `tzdata` has none just now."""
    data = parse_tzif(a_file(b"CET-1CEST,M3.5.0,M10.5.0/3"))
    assert data.onsets == ()
    first, second = vtimezone._regime(data)
    assert (first.wall, second.wall) == (datetime(1970, 3, 29, 2), datetime(1970, 10, 25, 3))


def test_a_zone_without_a_yearly_rule_has_no_change_after_its_last_one():
    footer = parse_footer("<+0330>-3:30")
    assert (footer.offset, footer.name) == (timedelta(hours=3, minutes=30), "+0330")
    assert footer.onsets(2030) == ()


@pytest.mark.parametrize("text", ["", "CET", "CET-1CEST,J60,J300", "CET-1CEST,60,300", "EST5EDT,"])
def test_a_footer_of_another_form_is_an_error_of_the_installation(text):
    with pytest.raises(ValueError, match="unknown form"):
        parse_footer(text)


def test_a_file_of_the_first_version_is_an_error_of_the_installation():
    with pytest.raises(ValueError, match="64-bit"):
        parse_tzif(a_file(b"CET-1")[:44])


def a_file(footer: bytes, *, moments=(), kinds=((3600, False, 0),), indexes=b"") -> bytes:
    """A zone file as RFC 8536 lays it out: an empty part for 32 bits, one for 64 bits, and the footer."""
    names = b"CET\0"
    head = b"TZif2" + bytes(15)
    body = struct.pack(f">{len(moments)}q", *moments) + indexes + b"".join(struct.pack(">l?B", *kind) for kind in kinds) + names
    counts = struct.pack(">6l", 0, 0, 0, len(moments), len(kinds), len(names))
    return head + struct.pack(">6l", 0, 0, 0, 0, 1, 1) + b"\0\0\0\0\0\0\0" + head + counts + body + b"\n" + footer + b"\n"


# --- read from others ------------------------------------------------------


def definition(*parts: str, tzid: str = "Irgendwo") -> str:
    return "\r\n".join(["BEGIN:VTIMEZONE", f"TZID:{tzid}", *parts, "END:VTIMEZONE"]) + "\r\n"


def observance(
    kind: str = "STANDARD", start: str = "19701025T030000", before: str = "+0200", after: str = "+0100", *more: str
) -> str:
    return "\r\n".join(
        [f"BEGIN:{kind}", f"DTSTART:{start}", f"TZOFFSETFROM:{before}", f"TZOFFSETTO:{after}", *more, f"END:{kind}"]
    )


def winter(rule: str = "FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU") -> str:
    return observance("STANDARD", "19701025T030000", "+0200", "+0100", f"RRULE:{rule}")


SUMMER = observance("DAYLIGHT", "19700329T020000", "+0100", "+0200", "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU")
OUTLOOK = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VEVENT\r\n" + definition("X-LIC-LOCATION:Europe/Berlin", winter(), SUMMER)


@pytest.mark.parametrize(
    ("wall", "utc"),
    [
        ("2027-01-15T09:00", "2027-01-15T08:00"),
        ("2027-07-15T09:00", "2027-07-15T07:00"),
        ("2027-03-28T02:30", "2027-03-28T01:30"),  # skipped: as if clocks had not been moved
        ("2027-10-31T02:30", "2027-10-31T00:30"),  # doubled: the first time
        ("1960-06-01T12:00", "1960-06-01T11:00"),  # before everything: what held before the first change
    ],
)
def test_a_definition_is_evaluated_like_the_zone_itself(wall, utc):
    read = zones.read_vtimezone(OUTLOOK)
    assert read is not None
    assert read.tzid == "Irgendwo"
    assert read.to_utc(datetime.fromisoformat(wall)) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "onset"),
    [
        ("FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU;WKST=MO", "2027-10-31"),
        ("FREQ=YEARLY;INTERVAL=1;BYDAY=1SU;BYMONTH=11;", "2027-11-07"),
        ("FREQ=YEARLY;BYMONTH=10;BYMONTHDAY=22,23,24,25,26,27,28;BYDAY=SU", "2027-10-24"),
        ("FREQ=YEARLY;BYMONTH=10;BYMONTHDAY=-1", "2027-10-31"),
        ("FREQ=YEARLY;BYMONTH=10", "2027-10-25"),
        ("FREQ=YEARLY", "2027-10-25"),
        ("FREQ=YEARLY;BYMONTH=10;BYDAY=SU", "2027-10-03"),
    ],
)
def test_yearly_rules_within_a_month_are_evaluated(rule, onset):
    read = zones.read_vtimezone(definition(winter(rule), SUMMER))
    assert read is not None
    day = datetime.fromisoformat(onset)
    assert read.to_utc(day) == (day - timedelta(hours=2)).replace(tzinfo=UTC)
    assert read.to_utc(day + timedelta(hours=9)) == (day + timedelta(hours=8)).replace(tzinfo=UTC)


@pytest.mark.parametrize("until", ["20300101", "20300101T000000", "20300101T000000Z"])
def test_a_rule_that_ended_moves_clocks_no_more(until):
    read = zones.read_vtimezone(
        definition(winter(), SUMMER.replace("BYDAY=-1SU", f"BYDAY=-1SU;UNTIL={until}")),
    )
    assert read is not None
    assert read.to_utc(datetime(2029, 7, 1, 9)).hour == 7
    assert read.to_utc(datetime(2030, 7, 1, 9)).hour == 8


def test_a_rule_of_29_february_holds_every_fourth_year():
    read = zones.read_vtimezone(
        definition(observance("STANDARD", "20240229T030000", "+0200", "+0100", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29"))
    )
    assert read is not None
    assert read.to_utc(datetime(2027, 6, 1, 9)).hour == 8


def test_single_changes_are_listed_by_rdate():
    read = zones.read_vtimezone(
        definition(
            observance("STANDARD", "20261025T030000", "+0200", "+0100", "RDATE:20271031T030000,20281029T030000"),
            observance("DAYLIGHT", "20270328T020000", "+0100", "+0200", "RDATE:20280326T020000"),
        )
    )
    assert read is not None
    assert [read.to_utc(datetime(year, month, 15, 9)).hour for year in (2027, 2028) for month in (2, 7, 12)] == [8, 7, 8, 8, 7, 8]


def test_folded_lines_offsets_with_seconds_and_lower_case_are_read():
    text = definition(observance("STANDARD", "18930401T000000", "+005328", "+0100")).replace("+005328", "+00\r\n 5328")
    read = zones.read_vtimezone(text.replace("TZOFFSETFROM", "tzoffsetfrom"))
    assert read is not None
    assert read.to_utc(datetime(1890, 1, 1)).replace(tzinfo=None) == datetime(1889, 12, 31, 23, 6, 32)


def test_only_the_first_definition_counts():
    read = zones.read_vtimezone(definition(winter(), tzid="Erste") + definition(SUMMER, tzid="Zweite"))
    assert read is not None
    assert read.tzid == "Erste"


@pytest.mark.parametrize("moment", [datetime(1, 1, 1), datetime(9999, 12, 31, 23)])
def test_a_time_beyond_the_calendar_is_refused_in_a_sentence(moment):
    far = "-2359" if moment.year > 2000 else "+2359"
    read = zones.read_vtimezone(definition(observance("STANDARD", "00010101T000000", far, far)))
    assert read is not None
    with pytest.raises(Rejected, match="beyond what can be computed"):
        read.to_utc(moment)


BROKEN = {
    "nothing": "",
    "no end": definition(winter()).replace("END:VTIMEZONE", ""),
    "no TZID": definition(winter()).replace("TZID:Irgendwo\r\n", ""),
    "no observance": definition("LAST-MODIFIED:20260101T000000Z"),
    "an observance without an end": definition(winter().replace("END:STANDARD", "X-A:b")),
    "an event inside": definition("BEGIN:VEVENT", "END:VEVENT"),
    "an observance within another": definition("BEGIN:STANDARD", winter()),
    "too many observances": definition(*[observance()] * 301),
    "too long": definition(winter(), "X-A:" + "b" * 70_000),
    "two rules": definition(
        observance("STANDARD", "19701025T030000", "+0200", "+0100", "RRULE:FREQ=YEARLY", "RRULE:FREQ=YEARLY")
    ),
    "an EXDATE": definition(observance("STANDARD", "19701025T030000", "+0200", "+0100", "EXDATE:20271031T030000")),
    "too many single changes": definition(
        observance("STANDARD", "19701025T030000", "+0200", "+0100", "RDATE:" + ",".join(["20271031T030000"] * 1001))
    ),
    "no start": definition(winter().replace("DTSTART", "X-START")),
    "two starts": definition(observance("STANDARD", "19701025T030000", "+0200", "+0100", "DTSTART:19711025T030000")),
    "a start that is none": definition(observance("STANDARD", "gestern")),
    "a day that does not exist": definition(observance("STANDARD", "20270231T030000")),
    "an offset that is none": definition(observance("STANDARD", "19701025T030000", "CET")),
    "an offset of a day": definition(observance("STANDARD", "19701025T030000", "+2400")),
    "a rule of another frequency": definition(winter("FREQ=MONTHLY;BYDAY=-1SU")),
    "every second year": definition(winter("FREQ=YEARLY;INTERVAL=2;BYMONTH=10;BYDAY=-1SU")),
    "a rule with a count": definition(winter("FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU;COUNT=3")),
    "weekdays of the whole year": definition(winter("FREQ=YEARLY;BYDAY=-1SU")),
    "a thirteenth month": definition(winter("FREQ=YEARLY;BYMONTH=13;BYDAY=-1SU")),
    "several months": definition(winter("FREQ=YEARLY;BYMONTH=3,10;BYDAY=-1SU")),
    "a weekday that is none": definition(winter("FREQ=YEARLY;BYMONTH=10;BYDAY=-9XX")),
    "an end that is none": definition(winter("FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU;UNTIL=bald")),
}


@pytest.mark.parametrize("why", BROKEN)
def test_a_definition_that_is_incomplete_contradictory_or_beyond_bounds_is_none(why):
    assert zones.read_vtimezone(BROKEN[why]) is None


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from([*"BEGINDSTAL:;=,+-0123456789 TZRU\r\n"]), max_size=300))
def test_whatever_stands_in_a_definition_reading_it_raises_nothing(text):
    zones.read_vtimezone(text)
    zones.read_vtimezone(definition(observance("STANDARD", "19701025T030000", "+0200", "+0100", text)))
