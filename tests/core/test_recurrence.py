"""Rules of series, and the dates of entries (RFC 5545 3.3.10, 3.8.5)."""

import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

import icalendar
import pytest
import recurring_ical_events
from dateutil.rrule import rrulestr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from daemon.core import recurrence, zones
from daemon.core.errors import Rejected
from daemon.core.model import Entry, EntryState, Occurrence, When
from daemon.core.recur import FIRST_WALL, LAST_WALL, MAX_DATES, parse_recur, walls
from daemon.core.recurrence import check_imported_rule, check_rule, date_of, dates, last_end

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
BORN = datetime(2026, 11, 1, tzinfo=UTC)


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def at(
    start: str = "2026-12-01T09:00", zone: str = "Europe/Berlin", duration: timedelta = HOUR, *, all_day: bool = False
) -> When:
    return When(start=wall(start), zone=zone, duration=DAY if all_day else duration, all_day=all_day)


def an_entry(when: When | None = None, rrule: str | None = None, **more) -> Entry:
    values = {"id": "e1", "uid": "u1@example.org", "owner": "o1", "number": "524644209", "title": "Haushalt"} | more
    return Entry(created=BORN, modified=BORN, when=when or at(), rrule=rrule, **values)


def starts(found) -> list[str]:
    return [f"{one.when.start:%Y-%m-%dT%H:%M}" for one in found]


# Rules of new series. 2026-12-01 is a Tuesday, the first of its month.


@pytest.mark.parametrize(
    ("rule", "normal"),
    [
        ("FREQ=DAILY", "FREQ=DAILY"),
        ("rrule:freq=daily;interval=2;count=5", "FREQ=DAILY;COUNT=5;INTERVAL=2"),
        (" RRULE:FREQ=WEEKLY;BYDAY=TH,TU; ", "FREQ=WEEKLY;BYDAY=TU,TH"),
        ("COUNT=3;FREQ=WEEKLY", "FREQ=WEEKLY;COUNT=3"),
        ("FREQ=WEEKLY;INTERVAL=1;WKST=MO", "FREQ=WEEKLY"),
        ("FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
        ("FREQ=MONTHLY", "FREQ=MONTHLY"),
        ("FREQ=MONTHLY;BYMONTHDAY=1", "FREQ=MONTHLY;BYMONTHDAY=1"),
        ("FREQ=MONTHLY;BYDAY=1TU", "FREQ=MONTHLY;BYDAY=1TU"),
        ("FREQ=MONTHLY;BYDAY=+1TU;COUNT=2", "FREQ=MONTHLY;COUNT=2;BYDAY=1TU"),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1"),
        ("FREQ=YEARLY", "FREQ=YEARLY"),
        ("FREQ=YEARLY;BYMONTH=12", "FREQ=YEARLY;BYMONTH=12"),
        ("FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=1", "FREQ=YEARLY;BYMONTHDAY=1;BYMONTH=12"),
        ("FREQ=YEARLY;BYMONTH=12;BYDAY=1TU", "FREQ=YEARLY;BYDAY=1TU;BYMONTH=12"),
        ("FREQ=MONTHLY;BYMONTH=12;BYDAY=1TU", "FREQ=YEARLY;BYDAY=1TU;BYMONTH=12"),
        ("FREQ=WEEKLY;UNTIL=20261231T080000Z", "FREQ=WEEKLY;UNTIL=20261231T080000Z"),
        ("FREQ=WEEKLY;UNTIL=20261231", "FREQ=WEEKLY;UNTIL=20261231T225959Z"),
        ("FREQ=WEEKLY;UNTIL=2027-06-30", "FREQ=WEEKLY;UNTIL=20270630T215959Z"),
        ("FREQ=WEEKLY;UNTIL=20261231T090000", "FREQ=WEEKLY;UNTIL=20261231T080000Z"),
        ("FREQ=WEEKLY;UNTIL=2026-12-31T09:00", "FREQ=WEEKLY;UNTIL=20261231T080000Z"),
        ("FREQ=WEEKLY;UNTIL=20261201", "FREQ=WEEKLY;UNTIL=20261201T225959Z"),
    ],
)
def test_a_rule_that_every_calendar_can_store_is_accepted_in_its_one_form(rule, normal):
    assert check_rule(rule, at()) == normal
    assert check_rule(normal, at()) == normal


@pytest.mark.parametrize(
    ("rule", "normal"),
    [
        pytest.param("FREQ=WEEKLY;UNTIL=20261231", "FREQ=WEEKLY;UNTIL=20261231", id="a date"),
        pytest.param(
            "FREQ=WEEKLY;UNTIL=20261231T000000Z", "FREQ=WEEKLY;UNTIL=20261231", id="midnight UTC is how many write a date"
        ),
        pytest.param("FREQ=WEEKLY;UNTIL=20261230T230000Z", "FREQ=WEEKLY;UNTIL=20261231", id="local midnight as an instant"),
        pytest.param("FREQ=WEEKLY;UNTIL=20261231T100000", "FREQ=WEEKLY;UNTIL=20261231", id="a local time"),
        pytest.param("FREQ=DAILY;BYHOUR=9,10", "FREQ=DAILY", id="hours are ignored (RFC 5545 3.3.10)"),
    ],
)
def test_until_of_an_all_day_series_is_a_date(rule, normal):
    assert check_rule(rule, at("2026-12-01", all_day=True)) == normal


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("", "is no part of a rule"),
        ("FREQ", "is no part of a rule"),
        ("FREQ=", "is no part of a rule"),
        ("weekly", "“WEEKLY” is no part of a rule"),
        ("INTERVAL=2", "does not say how often"),
        ("FREQ=HOURLY", "DAILY, WEEKLY, MONTHLY or YEARLY, not “HOURLY”"),
        ("FREQ=SECONDLY", "not “SECONDLY”"),
        ("FREQ=DAILY;BYEASTER=1", "do not understand: BYEASTER"),
        ("FREQ=DAILY;X-FOO=1", "do not understand: X-FOO"),
        ("FREQ=DAILY;FREQ=DAILY", "says FREQ twice"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20270101", "COUNT and UNTIL"),
        ("FREQ=DAILY;COUNT=0", "COUNT=0 does not work: it has to be a number from 1 to 10000"),
        ("FREQ=DAILY;COUNT=10001", "from 1 to 10000"),
        ("FREQ=DAILY;COUNT=many", "COUNT=MANY does not work"),
        ("FREQ=DAILY;COUNT=٣", "does not work"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL=0 does not work"),
        ("FREQ=DAILY;INTERVAL=1000", "at most 999 with FREQ=DAILY"),
        ("FREQ=MONTHLY;INTERVAL=100", "at most 99 with FREQ=MONTHLY"),
        ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL=TOMORROW is not a date"),
        ("FREQ=DAILY;UNTIL=20271332", "is not a date"),
        ("FREQ=DAILY;UNTIL=20261130", "ends (2026-11-30) before it starts (2026-12-01)"),
        ("FREQ=DAILY;UNTIL=20261201T075959Z", "before it starts"),
        ("FREQ=YEARLY;UNTIL=23000101", "more than 200 years"),
        ("FREQ=DAILY;UNTIL=20600101", "more than 10000 dates"),
        ("FREQ=YEARLY;COUNT=300", "fewer than 300 dates within 200 years"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "never matches"),
        ("FREQ=WEEKLY;BYDAY=MO", "The first one is Monday, 2026-12-07 at 09:00"),
        ("FREQ=MONTHLY;BYMONTHDAY=2", "The first one is Wednesday, 2026-12-02 at 09:00"),
        ("FREQ=WEEKLY;BYDAY=XX", "BYDAY=XX is not a day of the week"),
        ("FREQ=WEEKLY;BYDAY=TU,", "BYDAY= is not a day of the week"),
        ("FREQ=MONTHLY;BYDAY=99TU", "is not a day of the week"),
        ("FREQ=MONTHLY;BYDAY=0TU", "is not a day of the week"),
        ("FREQ=WEEKLY;WKST=XX", "WKST=XX is not a day of the week"),
        ("FREQ=WEEKLY;WKST=SU", "WKST=SU cannot be stored"),
        ("FREQ=DAILY;BYHOUR=9", "BYHOUR cannot be stored"),
        ("FREQ=YEARLY;BYYEARDAY=100", "BYYEARDAY cannot be stored"),
        ("FREQ=YEARLY;BYWEEKNO=20", "BYWEEKNO cannot be stored"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,15", "Only one BYMONTHDAY"),
        ("FREQ=YEARLY;BYMONTH=6,12", "Only one BYMONTH"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY=0 does not work"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "from -31 to 31"),
        ("FREQ=MONTHLY;BYMONTHDAY=-2", "only as BYMONTHDAY=-1"),
        ("FREQ=MONTHLY;BYSETPOS=1", "add BYDAY"),
        ("FREQ=MONTHLY;BYMONTHDAY=1;BYSETPOS=1", "BYSETPOS can be 1, 2, 3, 4 or -1"),
        ("FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=5", "BYSETPOS can be 1, 2, 3, 4 or -1"),
        ("FREQ=MONTHLY;BYDAY=5TU", "first to fourth or the last"),
        ("FREQ=MONTHLY;BYDAY=1TU,3TU", "Only one numbered day"),
        ("FREQ=MONTHLY;BYDAY=1TU;BYSETPOS=1", "Only one numbered day"),
        ("FREQ=MONTHLY;BYDAY=TU", "does not say which of the month's days"),
        ("FREQ=MONTHLY;BYDAY=1TU;BYMONTHDAY=1", "together cannot be stored"),
        ("FREQ=MONTHLY;INTERVAL=2;BYMONTH=12", "Use FREQ=YEARLY"),
        ("FREQ=YEARLY;BYDAY=1TU", "add BYMONTH"),
        ("FREQ=YEARLY;BYMONTHDAY=1", "add BYMONTH"),
        ("FREQ=WEEKLY;BYDAY=1TU", "needs FREQ=MONTHLY or FREQ=YEARLY"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "does not go with FREQ=WEEKLY"),
        ("FREQ=WEEKLY;BYMONTH=12", "A daily rule can only have"),
        ("FREQ=WEEKLY;BYDAY=TU,WE;BYSETPOS=1", "A daily rule can only have"),
        ("FREQ=DAILY;BYMONTHDAY=1", "A daily rule can only have"),
        ("FREQ=DAILY;INTERVAL=2;BYDAY=TU", "A daily rule can only have"),
        ("FREQ=MONTHLY;BYYEARDAY=1", "BYYEARDAY goes with FREQ=YEARLY"),
        ("FREQ=MONTHLY;BYWEEKNO=1", "BYWEEKNO goes with FREQ=YEARLY"),
        ("FREQ=DAILY;BYHOUR=1,2,3,4,5;BYMINUTE=1,2,3,4,5", "more than 24 dates in one day"),
        ("FREQ=DAILY;BYSECOND=60", "from 0 to 59"),
        ("FREQ=DAILY;" * 300, "too long"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_its_reason(rule, reason):
    with pytest.raises(Rejected) as caught:
        check_rule(rule, at())
    assert reason in str(caught.value)
    assert caught.value.field == "rrule"


def test_a_rule_is_not_counted_from_before_calendars_or_to_their_end():
    with pytest.raises(Rejected, match="between the years 1900 and 9000"):
        check_rule("FREQ=DAILY", at("0001-01-01T09:00"))
    with pytest.raises(Rejected, match="between the years 1900 and 9000"):
        check_imported_rule("FREQ=DAILY", at("9500-01-01T09:00"))
    assert len(dates(an_entry(at("9000-12-31T09:00"), "FREQ=YEARLY"), after=utc("9900-01-01"))) == 99


def test_the_first_date_of_an_all_day_rule_is_named_without_a_time():
    with pytest.raises(Rejected, match=r"The first one is Monday, 2026-12-07: start there"):
        check_rule("FREQ=WEEKLY;BYDAY=MO", at("2026-12-01", all_day=True))


# Rules of foreign series


@pytest.mark.parametrize(
    ("rule", "normal"),
    [
        ("FREQ=WEEKLY;BYDAY=MO;WKST=SU", "FREQ=WEEKLY;BYDAY=MO;WKST=SU"),
        ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "FREQ=YEARLY;BYDAY=MO;BYWEEKNO=20"),
        ("FREQ=YEARLY;BYDAY=20MO", "FREQ=YEARLY;BYDAY=20MO"),
        ("FREQ=DAILY;BYHOUR=9,15;BYMINUTE=0,30;COUNT=7", "FREQ=DAILY;COUNT=7;BYMINUTE=0,30;BYHOUR=9,15"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1,15,1", "FREQ=MONTHLY;BYMONTHDAY=-1,1,15"),
        ("FREQ=YEARLY;BYYEARDAY=1,-1", "FREQ=YEARLY;BYYEARDAY=-1,1"),
        ("FREQ=DAILY;COUNT=10000", "FREQ=DAILY;COUNT=10000"),
        ("FREQ=WEEKLY;UNTIL=20261201T080000Z", "FREQ=WEEKLY;UNTIL=20261201T080000Z"),
    ],
)
def test_a_foreign_rule_is_kept_as_long_as_it_can_be_counted(rule, normal):
    assert check_imported_rule(rule, at()) == normal


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("FREQ=HOURLY", "not “HOURLY”"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL=0"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "never matches"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "never matches"),
        ("FREQ=MONTHLY;INTERVAL=12;BYMONTH=3", "never matches"),
        ("FREQ=YEARLY;BYYEARDAY=366;BYMONTH=1", "never matches"),
        ("FREQ=DAILY;UNTIL=20600101", "more than 10000 dates"),
        ("FREQ=DAILY;UNTIL=20200101T000000Z", "before it starts"),
        ("FREQ=YEARLY;COUNT=202", "fewer than 202"),
        ("RSCALE=GREGORIAN;FREQ=DAILY", "RSCALE"),
    ],
)
def test_a_foreign_rule_without_bounds_is_refused(rule, reason):
    with pytest.raises(Rejected, match=re.escape(reason)):
        check_imported_rule(rule, at())


def test_dtstart_counts_as_the_first_date_of_a_foreign_rule_it_does_not_match():
    entry = an_entry(at("2026-12-01T09:00"), "FREQ=WEEKLY;BYDAY=MO;COUNT=3")
    assert starts(dates(entry)) == ["2026-12-01T09:00", "2026-12-07T09:00", "2026-12-14T09:00"]
    assert last_end(entry) == utc("2026-12-14T09:00")
    assert starts(dates(replace(entry, rrule="FREQ=WEEKLY;BYDAY=MO;COUNT=1"))) == ["2026-12-01T09:00"]


def test_numbered_and_plain_days_of_one_rule_are_all_meant():
    """python-dateutil takes only days that are both."""
    entry = an_entry(at("2026-12-01T09:00"), "FREQ=MONTHLY;BYDAY=1TU,FR")
    assert starts(dates(entry, limit=3)) == ["2026-12-01T09:00", "2026-12-04T09:00", "2026-12-11T09:00"]


def test_a_position_in_the_week_counts_from_its_first_day_also_in_the_first_week():
    """python-dateutil counts from DTSTART there, so that its first date changes with the day the series starts."""
    entry = an_entry(at("2026-12-02T09:00"), "FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=2")
    assert starts(dates(entry, limit=2)) == ["2026-12-02T09:00", "2026-12-09T09:00"]
    assert starts(dates(entry, after=utc("2026-12-08"), limit=1)) == ["2026-12-09T09:00"]


def test_a_week_number_alone_means_the_weekday_of_the_start():
    """python-dateutil takes all seven days; RFC 5545 3.3.10 takes what is missing from DTSTART."""
    entry = an_entry(at("2026-12-01T09:00"), "FREQ=YEARLY;BYWEEKNO=49")
    assert starts(dates(entry, limit=3)) == ["2026-12-01T09:00", "2027-12-07T09:00", "2028-12-05T09:00"]


# Arbitrary rules: an independent counter agrees, and nothing hangs


def numbers(least: int, most: int, size: int = 3):
    return st.lists(st.integers(least, most).filter(bool), min_size=1, max_size=size, unique=True).map(
        lambda found: ",".join(map(str, found))
    )


WEEKDAY = st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"])
PLAIN_DAYS = st.lists(WEEKDAY, min_size=1, max_size=4, unique=True).map(",".join)
# Not mixed with plain ones: "2MO,FR" are both to RFC 5545, neither to python-dateutil.
NUMBERED_DAYS = st.lists(
    st.tuples(st.integers(-5, 5).filter(bool), WEEKDAY).map(lambda pair: f"{pair[0]}{pair[1]}"), min_size=1, max_size=3
)


@st.composite
def rules(draw) -> str:
    """Rules of RFC 5545 that mean something, DAILY or rarer."""
    freq = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    maybe: dict[str, st.SearchStrategy[str]] = {"INTERVAL": st.integers(1, 5).map(str), "BYMONTH": numbers(1, 12)}
    maybe["BYDAY"] = PLAIN_DAYS | NUMBERED_DAYS.map(",".join) if freq in ("MONTHLY", "YEARLY") else PLAIN_DAYS
    if freq != "WEEKLY":
        maybe["BYMONTHDAY"] = numbers(-31, 31)
    if freq == "YEARLY":
        maybe["BYYEARDAY"] = numbers(-366, 366)
        maybe["BYWEEKNO"] = numbers(-53, 53)
    maybe |= {"BYHOUR": numbers(1, 23, 2), "WKST": WEEKDAY, "BYSETPOS": numbers(-4, 4, 2)}
    parts = {name: draw(values) for name, values in maybe.items() if draw(st.booleans())}
    listed = {"BYMONTH", "BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYHOUR"} & set(parts)
    if not listed or freq == "WEEKLY":  # python-dateutil begins the first week with DTSTART
        parts.pop("BYSETPOS", None)
    if "BYWEEKNO" in parts:
        parts["BYDAY"] = draw(PLAIN_DAYS)
    return ";".join([f"FREQ={freq}", *(f"{name}={value}" for name, value in parts.items())])


DAYS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)).map(lambda moment: moment.replace(second=0, microsecond=0))


@given(rule=rules(), start=DAYS, skip=st.integers(0, 2500))
@settings(max_examples=300, deadline=None)
def test_counting_agrees_with_python_dateutil(rule, start, skip):
    first = start + skip * DAY
    last = first + 800 * DAY
    recur = parse_recur(rule, at(start.isoformat()))
    ours = list(walls(recur, start, first, last))
    # Without a date soon after the window python-dateutil would go on to the year 9999.
    assume(next(walls(recur, start, last, last + 12000 * DAY), None) is not None)
    expected = list(rrulestr(rule, dtstart=start).between(first, last, inc=True))
    assert ours == expected


@given(
    rule=st.text()
    | st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "FREQ",
                    "UNTIL",
                    "COUNT",
                    "INTERVAL",
                    "BYDAY",
                    "BYMONTHDAY",
                    "BYMONTH",
                    "BYSETPOS",
                    "BYYEARDAY",
                    "BYWEEKNO",
                    "BYHOUR",
                ]
            ),
            st.sampled_from(
                [
                    "DAILY",
                    "YEARLY",
                    "MONTHLY",
                    "WEEKLY",
                    "2",
                    "31",
                    "366",
                    "-1",
                    "53",
                    "20991231T000000Z",
                    "29",
                    "MO",
                    "-5SU",
                    "99991231",
                ]
            ),
        ),
        max_size=6,
        unique_by=lambda part: part[0],
    ).map(lambda parts: ";".join("=".join(part) for part in parts)),
    start=st.datetimes().map(lambda moment: moment.replace(microsecond=0)),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Pacific/Apia"]),
)
@settings(max_examples=300, deadline=2000)
def test_whatever_the_rule_checking_ends_with_a_rule_or_a_sentence(rule, start, zone):
    when = When(start=start, zone=zone, duration=HOUR)
    for check in (check_rule, check_imported_rule):
        try:
            normal = check(rule, when)
        except Rejected:
            continue
        assert check(normal, when) == normal
        assert 1 <= len(dates(an_entry(when, normal), limit=20)) <= 20


# Dates: an independent expander of calendar objects agrees

ZONES = st.sampled_from(
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/Vancouver", "Asia/Tokyo"]
)


@st.composite
def storable(draw) -> tuple[str, When]:
    """A rule that every calendar can store, and a start that it means, about a clock change."""
    start = draw(st.datetimes(datetime(2026, 9, 1), datetime(2027, 12, 1))).replace(second=0, microsecond=0)
    if draw(st.booleans()):
        start = start.replace(hour=draw(st.sampled_from([1, 2, 3])))
    form = draw(
        st.sampled_from(
            [
                "FREQ=DAILY",
                "FREQ=WEEKLY",
                "FREQ=WEEKLY;BYDAY=MO,WE,FR",
                "FREQ=MONTHLY",
                "FREQ=MONTHLY;BYMONTHDAY=15",
                "FREQ=MONTHLY;BYMONTHDAY=-1",
                "FREQ=MONTHLY;BYDAY=2TU",
                "FREQ=MONTHLY;BYDAY=-1SU",
                "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
                "FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU",
            ]
        )
    )
    rule = form + draw(st.sampled_from(["", ";INTERVAL=2", ";INTERVAL=3"]))
    start = next(walls(parse_recur(rule, at()), start, start, LAST_WALL))
    when = When(start=start, zone=draw(ZONES), duration=draw(st.sampled_from([HOUR, 30 * HOUR])))
    until = f";UNTIL={start + draw(st.integers(0, 500)) * DAY:%Y%m%dT%H%M%S}"
    return check_rule(rule + draw(st.sampled_from(["", ";COUNT=7", until])), when), when


@given(storable(), st.integers(0, 500), st.integers(1, 400))
@settings(max_examples=150, deadline=None)
def test_dates_agree_with_recurring_ical_events(series, skip, length):
    rule, when = series
    after = zones.to_utc(when.start, when.zone) + skip * DAY
    before = after + length * DAY
    event = icalendar.Event.from_ical(
        f"BEGIN:VEVENT\nUID:1\nDTSTAMP:20261101T000000Z\nRRULE:{rule}\nEND:VEVENT\n".replace("\n", "\r\n")
    )
    event.add("dtstart", when.start.replace(tzinfo=zones.zone(when.zone)))
    calendar = icalendar.Calendar()
    calendar.add_component(event)
    event.add("duration", when.duration)
    theirs = recurring_ical_events.of(calendar).between(after - 2 * DAY, before + 2 * DAY)
    found = {one["dtstart"].dt.replace(fold=0).astimezone(UTC) for one in theirs}
    expected = sorted(start for start in found if start + when.duration > after and start < before)
    assert [one.start for one in dates(an_entry(when, rule), after=after, before=before, limit=MAX_DATES)] == expected


@st.composite
def series_with_occurrences(draw) -> Entry:
    rule, when = draw(storable())
    names = [one.recurrence_id for one in dates(an_entry(when, rule), limit=12)]
    names.append(when.start + timedelta(minutes=1))  # a name that is no date of the series
    picked = draw(st.lists(st.sampled_from(names), unique=True, max_size=5))
    occurrences = tuple(
        Occurrence(
            recurrence_id=name,
            cancelled=draw(st.booleans()),
            start=draw(st.none() | st.just(name + draw(st.integers(-900, 900)) * HOUR)),
            duration=draw(st.none() | st.just(3 * HOUR)),
        )
        for name in picked
    )
    rdates = tuple(draw(st.lists(st.datetimes(when.start, when.start + 300 * DAY), max_size=3)))
    return an_entry(when, rule, occurrences=occurrences, rdates=rdates)


@given(series_with_occurrences(), st.integers(-1000, 9000), st.integers(0, 4000), st.integers(0, 4000))
@settings(max_examples=150, deadline=None)
def test_two_windows_side_by_side_show_what_their_sum_shows(entry, first, second, third):
    low = zones.to_utc(entry.when.start, entry.when.zone) + first * HOUR
    middle, high = low + second * HOUR, low + (second + third) * HOUR

    def shown(after, before):
        return dates(entry, after=after, before=before, limit=MAX_DATES)

    assert set(shown(low, middle)) | set(shown(middle, high)) == set(shown(low, high))
    assert shown(low, high)[:3] == dates(entry, after=low, before=high, limit=3)


@given(series_with_occurrences())
@settings(max_examples=100, deadline=None)
def test_each_date_is_found_by_its_name_and_the_last_end_is_the_last(entry):
    found = dates(entry, limit=60)
    for one in found:
        assert date_of(entry, one.recurrence_id) == one
    assert [one.recurrence_id for one in found].count(entry.when.start + timedelta(minutes=1)) == 0
    if last_end(entry) is not None and len(found) < 60:
        assert last_end(entry) == max(one.end for one in found)


# Dates: named cases


def test_an_entry_without_date_has_no_dates():
    entry = replace(an_entry(), when=None)
    assert dates(entry) == ()
    assert date_of(entry, None) is None
    assert last_end(entry) is None


def test_a_single_entry_has_one_date_without_a_name():
    (only,) = dates(an_entry(title="Haushalt", location="Saal", description="Zahlen"))
    assert (only.recurrence_id, only.start, only.end) == (None, utc("2026-12-01T08:00"), utc("2026-12-01T09:00"))
    assert (only.title, only.location, only.description, only.cancelled) == ("Haushalt", "Saal", "Zahlen", False)
    assert date_of(an_entry(), None) == dates(an_entry())[0]
    assert date_of(an_entry(), wall("2026-12-01T09:00")) is None
    assert last_end(an_entry()) == utc("2026-12-01T09:00")


@pytest.mark.parametrize(
    ("after", "before", "count"),
    [
        pytest.param("2026-12-01T08:59:59", None, 1, id="not over yet"),
        pytest.param("2026-12-01T09:00", None, 0, id="just over"),
        pytest.param(None, "2026-12-01T08:00", 0, id="about to start"),
        pytest.param(None, "2026-12-01T08:00:01", 1, id="just started"),
    ],
)
@pytest.mark.parametrize("rrule", [None, "FREQ=WEEKLY;COUNT=1"])
def test_a_window_shows_what_ends_after_it_begins_and_starts_before_it_ends(after, before, count, rrule):
    entry = an_entry(rrule=rrule)
    assert len(dates(entry, after=after and utc(after), before=before and utc(before))) == count


def test_nine_stays_nine_over_both_clock_changes():
    found = dates(an_entry(at("2027-03-20T09:00"), "FREQ=WEEKLY;INTERVAL=16;COUNT=3"))
    assert [f"{one.start:%Y-%m-%dT%H:%M}" for one in found] == ["2027-03-20T08:00", "2027-07-10T07:00", "2027-10-30T07:00"]
    spring = dates(an_entry(at("2027-03-27T02:30"), "FREQ=DAILY;COUNT=3"))
    assert [f"{one.start:%H:%M}" for one in spring] == ["01:30", "01:30", "00:30"]


def test_a_skipped_date_that_takes_place_later_than_the_next_is_sorted_by_its_instant():
    """02:50 on 28 March 2027 is 03:50; the RDATE at 03:10 is before it, and a limit of one finds that."""
    entry = an_entry(at("2027-03-28T02:50"), rdates=(wall("2027-03-28T03:10"),))
    assert starts(dates(entry)) == ["2027-03-28T03:10", "2027-03-28T02:50"]
    assert starts(dates(entry, limit=1)) == ["2027-03-28T03:10"]
    assert last_end(entry) == utc("2027-03-28T02:50")


def test_a_day_that_a_zone_skipped_falls_together_with_the_next():
    found = dates(an_entry(at("2011-12-29T09:00", "Pacific/Apia"), "FREQ=DAILY;COUNT=3"))
    assert [one.start for one in found] == [utc("2011-12-29T19:00"), utc("2011-12-30T19:00"), utc("2011-12-30T19:00")]


def test_until_means_the_instant_also_where_the_clock_is_put_back():
    """UNTIL in the second 02:30: 02:45 of the same night is meant the first time, and is in."""
    when = at("2027-10-29T02:45")
    assert len(dates(an_entry(when, "FREQ=DAILY;UNTIL=20271031T013000Z"))) == 3
    assert len(dates(an_entry(when, "FREQ=DAILY;UNTIL=20271031T004459Z"))) == 2


def a_series(*occurrences: Occurrence, **more) -> Entry:
    return an_entry(at("2026-12-01T09:00"), "FREQ=WEEKLY;COUNT=4", occurrences=occurrences, **more)


def test_a_date_moved_out_of_the_window_is_gone_and_one_moved_in_is_there():
    moved = a_series(Occurrence(recurrence_id=wall("2026-12-08T09:00"), start=wall("2027-02-01T10:00"), duration=2 * HOUR))
    assert starts(dates(moved, before=utc("2026-12-20"))) == ["2026-12-01T09:00", "2026-12-15T09:00"]
    (only,) = dates(moved, after=utc("2027-01-01"))
    assert (only.recurrence_id, only.when.start) == (wall("2026-12-08T09:00"), wall("2027-02-01T10:00"))
    assert (only.start, only.end) == (utc("2027-02-01T09:00"), utc("2027-02-01T11:00"))
    assert last_end(moved) == utc("2027-02-01T11:00")
    assert date_of(moved, wall("2026-12-08T09:00")) == only
    assert date_of(moved, wall("2027-02-01T10:00")) is None


def test_a_cancelled_date_is_shown_as_such_and_keeps_its_place():
    entry = a_series(Occurrence(recurrence_id=wall("2026-12-22T09:00"), cancelled=True))
    assert [one.cancelled for one in dates(entry)] == [False, False, False, True]
    assert last_end(entry) == utc("2026-12-22T09:00")


def test_all_dates_of_a_cancelled_entry_are_cancelled():
    assert all(one.cancelled for one in dates(a_series(state=EntryState.CANCELLED)))


def test_a_date_says_its_own_words_where_it_has_some():
    own = Occurrence(recurrence_id=wall("2026-12-08T09:00"), title="Haushalt II", description="", location="Küche")
    first, second, *_ = dates(a_series(own, description="Zahlen", location="Saal"))
    assert (first.title, first.description, first.location, first.occurrence) == ("Haushalt", "Zahlen", "Saal", None)
    assert (second.title, second.description, second.location, second.occurrence) == ("Haushalt II", "", "Küche", own)


def test_an_occurrence_of_a_date_that_the_series_does_not_have_is_not_shown():
    orphan = a_series(Occurrence(recurrence_id=wall("2026-12-09T09:00"), start=wall("2026-12-10T09:00")))
    assert len(dates(orphan)) == 4
    assert date_of(orphan, wall("2026-12-09T09:00")) is None
    assert date_of(orphan, None) is None


def test_a_series_may_be_nothing_but_listed_dates():
    entry = an_entry(rdates=(wall("2027-01-05T14:00"), wall("2026-12-01T09:00"), wall("2026-12-24T08:00")))
    assert starts(dates(entry)) == ["2026-12-01T09:00", "2026-12-24T08:00", "2027-01-05T14:00"]
    assert last_end(entry) == utc("2027-01-05T14:00")


def test_days_of_an_all_day_series_last_from_midnight_to_midnight():
    entry = an_entry(at("2027-03-27", all_day=True), "FREQ=DAILY;UNTIL=20270329")
    assert [(one.end - one.start) // HOUR for one in dates(entry)] == [24, 23, 24]
    assert last_end(entry) == utc("2027-03-29T22:00")


def test_one_day_of_an_all_day_series_may_have_been_given_a_time():
    timed = Occurrence(recurrence_id=wall("2026-12-02"), start=wall("2026-12-02T10:00"), duration=HOUR)
    entry = an_entry(at("2026-12-01", all_day=True), "FREQ=DAILY;COUNT=2", occurrences=(timed,))
    assert [one.when.all_day for one in dates(entry)] == [True, False]


def test_the_last_end_is_right_where_every_date_has_been_moved():
    entry = an_entry(
        rrule="FREQ=DAILY;COUNT=2",
        occurrences=(
            Occurrence(recurrence_id=wall("2026-12-01T09:00"), start=wall("2026-12-20T09:00")),
            Occurrence(recurrence_id=wall("2026-12-02T09:00"), start=wall("2026-12-10T09:00")),
        ),
    )
    assert last_end(entry) == utc("2026-12-20T09:00")


def test_an_endless_series_has_no_last_end_and_is_shown_up_to_the_limit():
    entry = an_entry(rrule="FREQ=DAILY")
    assert last_end(entry) is None
    assert len(dates(entry)) == 100
    assert len(dates(entry, limit=10**9)) == MAX_DATES
    assert dates(entry, limit=0) == ()


@pytest.mark.parametrize("after", [FIRST_WALL, LAST_WALL])
def test_a_window_at_the_ends_of_the_calendar_does_no_harm(after):
    entry = an_entry(rrule="FREQ=DAILY;COUNT=3")
    moment = after.replace(tzinfo=UTC)
    assert len(dates(entry, after=moment)) + len(dates(entry, before=moment)) == 3


def test_a_naive_window_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="after"):
        dates(an_entry(), after=wall("2026-12-01"))
    with pytest.raises(ValueError, match="before"):
        dates(an_entry(), before=wall("2026-12-01"))


@pytest.mark.parametrize(
    "rule", ["FREQ=DAILY", "FREQ=WEEKLY;INTERVAL=3", "FREQ=DAILY;COUNT=9000", "FREQ=MONTHLY;BYDAY=-1FR", "FREQ=YEARLY"]
)
def test_the_next_date_of_an_old_series_costs_next_to_nothing(rule):
    entry = an_entry(at("2016-01-29T09:00"), rule)
    now = utc("2026-12-01")
    (following,) = dates(entry, after=now, limit=1)
    assert following.end > now
    began = time.process_time()
    for _ in range(20):
        dates(entry, after=now, limit=1)
    assert time.process_time() - began < 2  # walking through ten years of dates for each question takes far longer


def test_a_rule_that_matches_once_in_28_years_is_counted_within_bounds():
    entry = an_entry(at("2024-02-29T09:00"), "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;BYDAY=TH")
    began = time.process_time()
    assert [one.when.start.year for one in islice(dates(entry), 4)] == [2024, 2052, 2080, 2120]
    assert time.process_time() - began < 10


def test_the_bound_is_the_same_for_those_who_import_it_from_here():
    assert recurrence.MAX_DATES == MAX_DATES == 10_000
