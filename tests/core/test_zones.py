"""Wall times, instants and names of zones."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core import zones
from daemon.core.errors import Rejected
from daemon.core.model import When


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_zone_rules_come_from_the_package_and_their_version_is_known():
    import tzdata

    assert zones.TZDATA_VERSION == tzdata.IANA_VERSION
    assert zones.zoneinfo.TZPATH == ()


@pytest.mark.parametrize(
    ("zone", "shown", "instant"),
    [
        pytest.param("Europe/Berlin", "2026-12-01T09:00", "2026-12-01T08:00", id="Berlin in winter"),
        pytest.param("Europe/Berlin", "2026-07-01T09:00", "2026-07-01T07:00", id="Berlin in summer"),
        pytest.param("Europe/Berlin", "2027-03-28T02:30", "2027-03-28T01:30", id="Berlin, skipped: one hour later"),
        pytest.param("Europe/Berlin", "2027-10-31T02:30", "2027-10-31T00:30", id="Berlin, twice: the first"),
        pytest.param("America/New_York", "2027-03-14T02:30", "2027-03-14T07:30", id="New York, skipped"),
        pytest.param("America/New_York", "2027-11-07T01:30", "2027-11-07T05:30", id="New York, twice"),
        pytest.param("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:45", id="Lord Howe, skipped half hour"),
        pytest.param("Australia/Lord_Howe", "2027-04-04T01:45", "2027-04-03T14:45", id="Lord Howe, half hour twice"),
        pytest.param("Pacific/Apia", "2011-12-30T09:00", "2011-12-30T19:00", id="Apia, a whole skipped day"),
        pytest.param("UTC", "2026-12-01T09:00", "2026-12-01T09:00", id="UTC"),
    ],
)
def test_a_wall_time_has_one_instant(zone, shown, instant):
    assert zones.to_utc(wall(shown), zone) == utc(instant)


def test_the_fold_of_a_wall_time_is_not_looked_at_because_it_cannot_be_stored():
    second = datetime(2027, 10, 31, 2, 30, fold=1)
    assert zones.to_utc(second, "Europe/Berlin") == utc("2027-10-31T00:30")
    shown = zones.to_wall(utc("2027-10-31T01:30"), "Europe/Berlin")
    assert (shown, shown.fold) == (wall("2027-10-31T02:30"), 0)


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)), st.sampled_from(["Europe/Berlin", "America/St_Johns", "Asia/Tokyo"])
)
def test_wall_to_instant_to_wall_comes_back_unless_the_clock_skipped_it(shown, zone):
    back = zones.to_wall(zones.to_utc(shown, zone), zone)
    assert back == shown or timedelta(0) < back - shown <= timedelta(hours=1)


@pytest.mark.parametrize(
    ("when", "start", "end"),
    [
        pytest.param(
            When(start=wall("2027-03-27T23:00"), zone="Europe/Berlin", duration=timedelta(hours=5)),
            "2027-03-27T22:00",
            "2027-03-28T03:00",
            id="five hours over the spring change are five hours",
        ),
        pytest.param(
            When(start=wall("2027-03-28T00:00"), zone="Europe/Berlin", duration=timedelta(days=1), all_day=True),
            "2027-03-27T23:00",
            "2027-03-28T22:00",
            id="the day of the spring change has 23 hours",
        ),
        pytest.param(
            When(start=wall("2027-10-31T00:00"), zone="Europe/Berlin", duration=timedelta(days=2), all_day=True),
            "2027-10-30T22:00",
            "2027-11-01T23:00",
            id="two days over the autumn change have 49 hours",
        ),
        pytest.param(
            When(start=wall("2027-04-30T00:00"), zone="Africa/Cairo", duration=timedelta(days=1), all_day=True),
            "2027-04-29T22:00",
            "2027-04-30T21:00",
            id="a day without midnight begins at one",
        ),
    ],
)
def test_a_date_lasts_as_long_as_it_says(when, start, end):
    assert zones.span(when) == (utc(start), utc(end))


@pytest.mark.parametrize(
    ("act", "field"),
    [
        pytest.param(lambda: zones.to_utc(datetime.min, "Europe/Berlin"), "start", id="before year 1"),
        pytest.param(lambda: zones.to_wall(datetime.max.replace(tzinfo=UTC), "Asia/Tokyo"), "start", id="after year 9999"),
        pytest.param(
            lambda: zones.span(When(start=wall("2026-12-01T09:00"), zone="UTC", duration=timedelta(days=9_000_000))),
            "duration",
            id="a duration beyond year 9999",
        ),
    ],
)
def test_a_time_beyond_the_calendar_is_refused(act, field):
    with pytest.raises(Rejected, match="beyond what can be computed") as caught:
        act()
    assert caught.value.field == field


def test_a_naive_instant_and_an_aware_wall_time_are_mistakes_of_the_caller():
    with pytest.raises(ValueError, match="UTC"):
        zones.to_wall(wall("2026-12-01T09:00"), "UTC")
    with pytest.raises(ValueError, match="without zone"):
        zones.to_utc(utc("2026-12-01T09:00"), "UTC")


@pytest.mark.parametrize("name", ["Europe/Berlin", "europe/berlin", " Europe/Berlin "])
def test_a_zone_is_found_however_it_is_typed(name):
    assert zones.zone(name).key == "Europe/Berlin"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        pytest.param("Europe/Berln", "Did you mean Europe/Berlin", id="a typo"),
        pytest.param("berlin", "Did you mean Europe/Berlin?", id="a city alone"),
        pytest.param("W. Europe Standard Time", "Did you mean Europe/Berlin?", id="a Windows name"),
        pytest.param("Factory", "Write it like Europe/Berlin.", id="the file that says nobody has set the clock"),
        pytest.param("../../etc/passwd", "Write it like Europe/Berlin.", id="a path"),
        pytest.param("", "Write it like Europe/Berlin.", id="nothing"),
        pytest.param("x" * 10_000, "Write it like Europe/Berlin.", id="very long"),
    ],
)
def test_an_unknown_zone_is_refused_with_what_may_be_meant(name, hint):
    with pytest.raises(Rejected) as caught:
        zones.to_utc(wall("2026-12-01T09:00"), name)
    assert hint in str(caught.value)
    assert caught.value.field == "zone"
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("tzid", "name"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("EUROPE/BERLIN", "Europe/Berlin"),
        ('"Europe/Berlin"', "Europe/Berlin"),
        ("Europe/Kiev", "Europe/Kiev"),
        ("US/Eastern", "US/Eastern"),
        ("UTC", "UTC"),
        ("Z", "UTC"),
        ("/freeassociation.sourceforge.net/Europe/Berlin", "Europe/Berlin"),
        ("/freeassociation.sourceforge.net/Tzfile/America/Toronto", "America/Toronto"),
        ("/freeassociation.sourceforge.net/Tzfile/America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("/mozilla.org/20050126_1/Europe/Berlin", "Europe/Berlin"),
        ("/citadel.org/20190914_1/Europe/Berlin", "Europe/Berlin"),
        ("/softwarestudio.org/Olson_20011030_5/America/New_York", "America/New_York"),
        ("/America/New_York", "America/New_York"),
        ("tzone://Microsoft/Utc", "UTC"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("w. europe standard time", "Europe/Berlin"),
        ("W. Europe Daylight Time", "Europe/Berlin"),
        ("FLE", "Europe/Kiev"),
        ("Eastern", "America/New_York"),
        ("US-Eastern", "America/New_York"),
        ("BRT", "America/Sao_Paulo"),
        ("Kuala Lumpur, Singapore", "Asia/Kuala_Lumpur"),
        ("(UTC-03:00) Brasília", "America/Sao_Paulo"),
        ("(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna", "Europe/Berlin"),
        ("(UTC+01:00) Brussels, Copenhagen, Madrid, Paris", "Europe/Brussels"),
        ("(GMT+02:00) Athens, Bucharest, Istanbul", "Europe/Athens"),
        ("(GMT-08.00) Pacific Time (US & Canada)/Tijuana", "America/Los_Angeles"),
        ("Pacific Time (US & Canada)\\, Tijuana", "America/Los_Angeles"),
        ("(UTC) Coordinated Universal Time", "UTC"),
        ("(UTC+01:00) W. Europe Standard Time", "Europe/Berlin"),
        ("(UTC+13:00) Samoa", "Pacific/Apia"),
        ("(GMT-11:00) Midway Island, Samoa", "Pacific/Pago_Pago"),
        ("Western/Central Europe", "Europe/Berlin"),
        ("Mitteleuropäische Zeit", "Europe/Berlin"),
    ],
)
def test_a_name_with_one_meaning_is_resolved(tzid, name):
    assert zones.resolve(tzid) == name


@pytest.mark.parametrize(
    "tzid",
    [
        "",
        "Customized Time Zone",
        "tzone://Microsoft/Custom",
        "GMT +0100 (Standard) / GMT +0200 (Daylight)",
        "(UTC+05:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna",
        "(UTC+01:00) Pacific Time (US & Canada)",
        "/mozilla.org/20050126_1/",
        "../../etc/passwd",
        "1",
        "Europe/Berlin" * 100,
        "\x00",
    ],
)
def test_a_name_without_one_meaning_is_not_guessed(tzid):
    assert zones.resolve(tzid) is None


def test_every_name_of_every_table_is_a_zone():
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

    from daemon.core.windows_zones import NAMES, folded

    assert all(zones.zone(name).key == name for name in NAMES.values())
    assert all(folded(label) == label for label in NAMES)
    assert zones.resolve("UTC") == "UTC"  # Windows' table says Etc/UTC; names that are IANA's own stay as they are
    assert all(zones.resolve(name) == iana for name, iana in WINDOWS_TO_OLSON.items() if name != "UTC")


@given(st.text())
@settings(deadline=None)  # the first call reads the tables
def test_resolving_never_raises_and_finds_only_zones(tzid):
    found = zones.resolve(tzid)
    assert found is None or zones.zone(found).key == found
