"""RFC 5545 objects of ours: what stands in them, that other readers agree, and that they come back as they were."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import pytest
import recurring_ical_events
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daemon.core import zones
from daemon.core.addresses import clean_text
from daemon.core.errors import Rejected
from daemon.core.ics import PRODID, Parsed, build_calendar, events, parse_calendar, same_event
from daemon.core.model import Component, Event, Guest, Method, Organizer, PartStat, Role, Status, When

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BERLIN = When(start=datetime(2027, 3, 1, 9), zone="Europe/Berlin", duration=timedelta(hours=1))


def a_component(**changes: Any) -> Component:
    return replace(Component(uid="abc@planer.example", when=BERLIN, title="Haushalt"), **changes)


def lines(*components: Component, method: Method | None = Method.REQUEST) -> list[str]:
    """The unfolded lines without those of time zones."""
    text = build_calendar(components, method=method, dtstamp=NOW).decode().replace("\r\n ", "")
    before, _, rest = text.partition("BEGIN:VTIMEZONE")
    return (before + rest.rpartition("END:VTIMEZONE\r\n")[2]).split("\r\n")[:-1]


def read_by_library(*components: Component, method: Method | None = None) -> Any:
    return icalendar.Calendar.from_ical(build_calendar(components, method=method, dtstamp=NOW))


# --- written ---------------------------------------------------------------


def test_an_invitation_has_every_line_that_clients_want() -> None:
    component = a_component(
        description="Zeile 1\nZeile 2; mit , und \\",
        location="Raum 3",
        url="https://meet.example.org/524644209",
        comment="bis bald",
        sequence=2,
        organizer=Organizer(email="sitzung@planer.example", name="Team, Nord"),
        guests=(
            Guest(
                email="anna@example.org", name="Anna Groß", rsvp=True, schedule_agent="CLIENT", schedule_status="1.1", comment="x"
            ),
            Guest(email="bo%b@example.org", role=Role.OPT_PARTICIPANT, partstat=PartStat.ACCEPTED),
        ),
        categories=("Sitzung", "A,B"),
        alarm=timedelta(minutes=15),
    )
    assert lines(component) == [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"PRODID:{PRODID}",
        "METHOD:REQUEST",
        "BEGIN:VEVENT",
        "UID:abc@planer.example",
        "DTSTAMP:20261122T120000Z",
        "DTSTART;TZID=Europe/Berlin:20270301T090000",
        "DTEND;TZID=Europe/Berlin:20270301T100000",
        "SEQUENCE:2",
        "STATUS:CONFIRMED",
        "SUMMARY:Haushalt",
        "DESCRIPTION:Zeile 1\\nZeile 2\\; mit \\, und \\\\",
        "LOCATION:Raum 3",
        "COMMENT:bis bald",
        "URL:https://meet.example.org/524644209",
        "CATEGORIES:Sitzung",
        "CATEGORIES:A\\,B",
        'ORGANIZER;CN="Team, Nord":mailto:sitzung@planer.example',
        "ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;CN=Anna Groß:mailto:anna@example.org",
        "ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=OPT-PARTICIPANT;PARTSTAT=ACCEPTED:mailto:bo%25b@example.org",
        "TRANSP:OPAQUE",
        "X-MICROSOFT-CDO-BUSYSTATUS:BUSY",
        "BEGIN:VALARM",
        "ACTION:DISPLAY",
        "DESCRIPTION:Haushalt",
        "TRIGGER:-PT15M",
        "END:VALARM",
        "END:VEVENT",
        "END:VCALENDAR",
    ]


def test_an_object_for_a_calendar_has_no_method_and_keeps_the_server_quiet() -> None:
    found = lines(a_component(guests=(Guest(email="a@example.org", schedule_agent="CLI;ENT\r\n"),)), method=None)
    assert not any(line.startswith("METHOD") for line in found)
    assert [line for line in found if "SCHEDULE-AGENT=CLIENT:mailto:a@example.org" in line]


def test_a_cancellation_says_cancelled_and_a_component_has_its_own_dtstamp() -> None:
    found = lines(a_component(dtstamp=datetime(2026, 11, 23, tzinfo=UTC)), method=Method.CANCEL)
    assert "METHOD:CANCEL" in found
    assert "STATUS:CANCELLED" in found
    assert "DTSTAMP:20261123T000000Z" in found


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        pytest.param(
            When(start=datetime(2027, 3, 1), zone="Europe/Berlin", duration=timedelta(days=2), all_day=True),
            ["DTSTART;VALUE=DATE:20270301", "DTEND;VALUE=DATE:20270303", "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE"],
            id="all-day with exclusive end",
        ),
        pytest.param(
            When(start=datetime(2027, 3, 1), zone="Europe/Berlin", duration=timedelta(0), all_day=True),
            ["DTSTART;VALUE=DATE:20270301", "DTEND;VALUE=DATE:20270302", "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE"],
            id="all-day lasts a day at least",
        ),
        pytest.param(
            When(start=datetime(2027, 3, 1, 9), zone="UTC", duration=timedelta(hours=1)),
            ["DTSTART:20270301T090000Z", "DTEND:20270301T100000Z"],
            id="UTC",
        ),
        pytest.param(
            When(start=datetime(2027, 3, 1, 9), zone="europe/berlin", duration=timedelta(0)),
            ["DTSTART;TZID=Europe/Berlin:20270301T090000"],
            id="no duration, no end",
        ),
        pytest.param(
            When(start=datetime(2027, 3, 27, 23), zone="Europe/Berlin", duration=timedelta(hours=5)),
            ["DTSTART;TZID=Europe/Berlin:20270327T230000", "DTEND;TZID=Europe/Berlin:20270328T050000"],
            id="over the spring change",
        ),
        pytest.param(
            When(start=datetime(2027, 10, 31, 1, 30), zone="Europe/Berlin", duration=timedelta(hours=2)),
            ["DTSTART;TZID=Europe/Berlin:20271031T013000", "DTEND:20271031T013000Z"],
            id="ends in the doubled hour, second time",
        ),
        pytest.param(None, [], id="no date"),
    ],
)
def test_times_are_written_by_kind(when: When | None, expected: list[str]) -> None:
    assert [
        line for line in lines(a_component(when=when)) if line.startswith(("DTSTART", "DTEND", "X-MICROSOFT-CDO-A"))
    ] == expected


@pytest.mark.parametrize(
    ("alarm", "trigger"),
    [
        (timedelta(0), "-PT0M"),
        (timedelta(days=1), "-P1D"),
        (timedelta(days=1, hours=1), "-PT1500M"),
        (timedelta(seconds=90), "-PT1M30S"),
        (-timedelta(minutes=5), "PT5M"),
    ],
)
def test_an_alarm_rings_before_the_start(alarm: timedelta, trigger: str) -> None:
    assert f"TRIGGER:{trigger}" in lines(a_component(alarm=alarm, title=""))
    assert parse_calendar(build_calendar([a_component(alarm=alarm)], method=None, dtstamp=NOW)).components[0].alarm == alarm


def test_a_series_names_its_rule_untouched_and_each_date_on_a_line() -> None:
    found = lines(
        a_component(
            rrule="FREQ=WEEKLY;UNTIL=20270329T070000Z\r\nX-EVIL:1",
            rdates=(datetime(2027, 3, 4, 9), datetime(2027, 3, 5, 9)),
            exdates=(datetime(2027, 3, 8, 9),),
        )
    )
    assert "RRULE:FREQ=WEEKLY;UNTIL=20270329T070000ZX-EVIL:1" in found
    assert "RDATE;TZID=Europe/Berlin:20270304T090000" in found
    assert "RDATE;TZID=Europe/Berlin:20270305T090000" in found
    assert "EXDATE;TZID=Europe/Berlin:20270308T090000" in found


MASTER = a_component(rrule="FREQ=WEEKLY")
ALL_DAY = replace(BERLIN, start=datetime(2027, 3, 1), duration=timedelta(days=1), all_day=True)


@pytest.mark.parametrize(
    ("components", "expected"),
    [
        pytest.param(
            (MASTER, a_component(recurrence_id=datetime(2027, 3, 8, 9, tzinfo=ZoneInfo("Europe/Berlin")))),
            "RECURRENCE-ID;TZID=Europe/Berlin:20270308T090000",
            id="in the series' zone",
        ),
        pytest.param(
            (MASTER, a_component(recurrence_id=datetime(2027, 4, 5, 7, tzinfo=UTC))),
            "RECURRENCE-ID;TZID=Europe/Berlin:20270405T090000",
            id="UTC becomes the series' zone",
        ),
        pytest.param(
            (MASTER, a_component(recurrence_id=datetime(2027, 3, 28, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")))),
            "RECURRENCE-ID;TZID=Europe/Berlin:20270328T023000",
            id="a skipped wall time stays a name",
        ),
        pytest.param(
            (a_component(recurrence_id=datetime(2027, 3, 8, 9)),),
            "RECURRENCE-ID;TZID=Europe/Berlin:20270308T090000",
            id="floating, without a master",
        ),
        pytest.param(
            (a_component(when=replace(BERLIN, zone="UTC"), recurrence_id=datetime(2027, 3, 8, 9, tzinfo=UTC)),),
            "RECURRENCE-ID:20270308T090000Z",
            id="UTC series",
        ),
        pytest.param(
            (a_component(when=None, recurrence_id=datetime(2027, 3, 8, 9, tzinfo=ZoneInfo("Europe/Berlin"))),),
            "RECURRENCE-ID:20270308T080000Z",
            id="no start known",
        ),
        pytest.param(
            (a_component(when=None, recurrence_id=datetime(2027, 3, 8, 9)),),
            "RECURRENCE-ID:20270308T090000Z",
            id="no start known, floating",
        ),
        pytest.param(
            (a_component(when=ALL_DAY, recurrence_id=datetime(2027, 3, 8)),),
            "RECURRENCE-ID;VALUE=DATE:20270308",
            id="all-day series",
        ),
        pytest.param(
            (a_component(recurrence_id=datetime(2027, 3, 8), recurrence_id_is_date=True),),
            "RECURRENCE-ID;VALUE=DATE:20270308",
            id="timed occurrence of an all-day series",
        ),
    ],
)
def test_an_occurrence_is_named_in_the_form_of_its_series(components: tuple[Component, ...], expected: str) -> None:
    assert [line for line in lines(*components) if line.startswith("RECURRENCE-ID")] == [expected]


@pytest.mark.parametrize(
    ("zone", "rule"),
    [
        ("Europe/Berlin", "FREQ=WEEKLY"),
        ("Africa/Casablanca", "FREQ=WEEKLY"),
        ("America/Vancouver", "FREQ=MONTHLY;BYDAY=1MO"),
        ("Africa/Cairo", "FREQ=DAILY;UNTIL=20280301T070000Z"),
        ("America/Nuuk", "FREQ=YEARLY;UNTIL=20260301T070000Z"),
        ("Australia/Lord_Howe", "FREQ=DAILY"),
        ("Asia/Kolkata", "FREQ=WEEKLY;COUNT=3"),
        ("Antarctica/Troll", "FREQ=DAILY"),
    ],
)
def test_another_reader_of_our_vtimezone_finds_every_date_of_ten_years_at_the_right_instant(zone: str, rule: str) -> None:
    """Read by dateutil from the text alone, as a client does that does not know the name."""
    from io import StringIO

    from dateutil import tz

    component = a_component(when=replace(BERLIN, zone=zone), rrule=rule)
    text = build_calendar([component], method=None, dtstamp=NOW).decode().replace("\r\n", "\n")
    assert text.count("BEGIN:VTIMEZONE") == 1
    theirs = tz.tzical(StringIO(text[text.index("BEGIN:VTIMEZONE") : text.index("END:VTIMEZONE") + 13])).get(zone)
    until = 2037 if "UNTIL" not in rule else 2028
    for day in range(0, (until - 2027) * 365, 7):
        wall = BERLIN.start + timedelta(days=day)
        assert wall.replace(tzinfo=theirs).astimezone(UTC) == zones.to_utc(wall, zone), wall


def test_each_zone_is_defined_once_and_utc_and_days_need_none() -> None:
    plain = (a_component(uid="1", when=replace(BERLIN, zone="UTC")), a_component(uid="2", when=ALL_DAY))
    assert b"VTIMEZONE" not in build_calendar(plain, method=None, dtstamp=NOW)
    both = (a_component(uid="1"), a_component(uid="2", when=replace(BERLIN, zone="Asia/Tokyo")), a_component(uid="3"))
    text = build_calendar(both, method=None, dtstamp=NOW).decode()
    assert [line for line in text.split("\r\n") if line.startswith("TZID")] == ["TZID:Europe/Berlin", "TZID:Asia/Tokyo"]


def test_an_unknown_zone_and_a_dtstamp_without_utc_are_refused() -> None:
    with pytest.raises(Rejected, match="no time zone"):
        lines(a_component(when=replace(BERLIN, zone="Europe/Berlyn")))
    with pytest.raises(ValueError, match="UTC"):
        build_calendar([a_component()], method=None, dtstamp=datetime(2026, 1, 1))


# --- written and read again ------------------------------------------------

TEXT = st.text(max_size=80) | st.text(alphabet='\r\n\t\\;,:"^=aßé€𝄞\x00\x0b\x7f\x85\u2028\u202e\ud800', max_size=40)
NAMES = st.text(max_size=30) | st.text(alphabet="\"^;:,\\\r\n\x00ä n'", max_size=20)
WALLS = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2037, 12, 31)).map(lambda one: one.replace(microsecond=0))
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Africa/Casablanca", "Australia/Lord_Howe", "Asia/Kathmandu"]
)
RULES = st.none() | st.sampled_from(["FREQ=WEEKLY", "FREQ=DAILY;COUNT=4", "FREQ=MONTHLY;BYDAY=-1FR;UNTIL=20300101T000000Z"])
GUESTS = st.builds(
    Guest,
    email=st.sampled_from(["anna@example.org", "o'neil+x@example.org", "b%c@x.example", "chi@xn--bro-hoa.example"]),
    name=NAMES,
    role=st.sampled_from(Role),
    partstat=st.sampled_from(PartStat),
    rsvp=st.booleans(),
    schedule_agent=st.sampled_from([None, "CLIENT", "SERVER"]),
)


@st.composite
def whens(draw: st.DrawFn) -> When:
    start = draw(WALLS)
    if draw(st.booleans()):
        days = timedelta(days=draw(st.integers(1, 5)))
        return When(start=datetime.combine(start, datetime.min.time()), zone="UTC", duration=days, all_day=True)
    return When(start=start, zone=draw(ZONES), duration=timedelta(seconds=draw(st.integers(0, 200_000))))


@st.composite
def written_components(draw: st.DrawFn) -> Component:
    when = draw(whens())
    walls = st.lists(WALLS if not when.all_day else WALLS.map(lambda one: datetime.combine(one, datetime.min.time())), max_size=3)
    return Component(
        uid=draw(st.text(alphabet="abc,;\\@-{}", min_size=1, max_size=20)),
        when=when,
        title=draw(TEXT),
        description=draw(TEXT),
        location=draw(TEXT),
        url=draw(st.sampled_from(["", "https://meet.example.org/1?a=b;c,d"])),
        sequence=draw(st.integers(0, 2**31 - 1)),
        status=draw(st.sampled_from(Status)),
        rrule=draw(RULES),
        rdates=tuple(draw(walls)),
        exdates=tuple(draw(walls)),
        organizer=draw(st.none() | st.builds(Organizer, email=st.just("sitzung@planer.example"), name=NAMES)),
        guests=tuple({one.email: one for one in draw(st.lists(GUESTS, max_size=4))}.values()),
        categories=tuple(draw(st.lists(TEXT, max_size=3))),
        alarm=draw(st.none() | st.integers(0, 3000).map(lambda minutes: timedelta(minutes=minutes))),
        comment=draw(TEXT),
    )


@settings(max_examples=300, deadline=None)
@given(component=written_components(), method=st.sampled_from([None, Method.REQUEST, Method.PUBLISH]))
def test_what_is_written_comes_back_as_the_same_event(component: Component, method: Method | None) -> None:
    data = build_calendar([component], method=method, dtstamp=NOW)
    parsed = parse_calendar(data)
    (event,) = events(parsed)
    assert same_event(event, Event(components=(component,)))
    assert parsed.problems == ()
    assert parsed.method == method
    (found,) = event.components
    assert (found.sequence, found.alarm, found.dtstamp) == (component.sequence, component.alarm, NOW)
    assert found.when == component.when or (
        found.when and component.when and zones.span(found.when) == zones.span(component.when)
    )
    assert [(one.email, one.role, one.rsvp) for one in found.guests] == [
        (one.email, one.role, one.rsvp) for one in component.guests
    ]
    assert all(one.schedule_agent is None for one in found.guests) or method is None


@settings(max_examples=300, deadline=None)
@given(component=written_components(), method=st.sampled_from([None, Method.REQUEST]))
@example(component=a_component(title="ä" * 80, description="𝄞" * 80), method=None)
def test_no_control_character_and_no_long_or_torn_line_ever_comes_out(component: Component, method: Method | None) -> None:
    data = build_calendar([component], method=method, dtstamp=NOW)
    for line in data.split(b"\r\n"):
        assert len(line) <= 75
        text = line.decode()  # raises where a fold stands inside a character
        assert not any((c < " " and c != "\t") or "\x7f" <= c <= "\x9f" or c in "\u2028\u2029" for c in text), text
    assert data.replace(b"\r\n ", b"").count(b"\r\nATTENDEE") == len(component.guests)
    assert data.count(b"BEGIN:VEVENT") == data.count(b"END:VEVENT") == 1


@settings(max_examples=150, deadline=None)
@given(component=written_components())
def test_the_icalendar_library_reads_the_same_and_loses_no_line(component: Component) -> None:
    (event,) = read_by_library(component).walk("VEVENT")
    assert event.errors == []
    assert str(event["SUMMARY"]) == clean_text(component.title)
    assert str(event.get("DESCRIPTION", "")) == clean_text(component.description)
    when = component.when
    assert when is not None
    if when.all_day:
        assert (event.start, event.end) == (when.start.date(), (when.start + when.duration).date())
    else:
        assert event.start.astimezone(UTC) == event["DTSTART"].dt.astimezone(UTC)
        assert event["DTSTART"].dt.replace(tzinfo=None) == when.start
    attendees = event.get("ATTENDEE", [])
    assert len(attendees if isinstance(attendees, list) else [attendees]) == len(component.guests)


def test_recurring_ical_events_expands_a_series_with_a_moved_and_a_cancelled_date_as_we_mean_it() -> None:
    moved = a_component(
        recurrence_id=datetime(2027, 3, 29, 9, tzinfo=ZoneInfo("Europe/Berlin")),
        when=replace(BERLIN, start=datetime(2027, 3, 30, 14)),
        sequence=1,
    )
    series = a_component(rrule="FREQ=WEEKLY;COUNT=6", exdates=(datetime(2027, 3, 15, 9),), rdates=(datetime(2027, 3, 17, 9),))
    calendar = read_by_library(series, moved)
    found = recurring_ical_events.of(calendar).between(date(2027, 1, 1), date(2028, 1, 1))
    starts = sorted(one.start.astimezone(UTC) for one in found)
    walls = [(3, 1, 9), (3, 8, 9), (3, 17, 9), (3, 22, 9), (3, 30, 14), (4, 5, 9)]
    assert starts == [zones.to_utc(datetime(2027, *wall), "Europe/Berlin") for wall in walls]
    (event,) = events(parse_calendar(build_calendar([moved, series], method=None, dtstamp=NOW)))
    assert same_event(event, Event(components=(series, moved)))
    assert event.components[0].recurrence_id is None


# --- compared --------------------------------------------------------------

FULL = a_component(
    title="Haushalt",
    description="Zeile 1\nZeile 2",
    organizer=Organizer(email="o@example.org", name="O"),
    guests=(Guest(email="a@example.org"), Guest(email="b@example.org", partstat=PartStat.ACCEPTED)),
    categories=("Sitzung",),
    rrule="FREQ=WEEKLY;BYDAY=MO,TU;COUNT=4",
    exdates=(datetime(2027, 3, 8, 9),),
    alarm=timedelta(minutes=5),
)


def event_of(*components: Component) -> Event:
    return Event(components=components)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"dtstamp": NOW, "alarm": None, "sequence": 7, "sequence_given": False}, id="versions and alarm"),
        pytest.param({"description": "Zeile 1  \r\nZeile 2\n\n"}, id="blanks at line ends"),
        pytest.param({"guests": FULL.guests[::-1]}, id="order of attendees"),
        pytest.param({"guests": (*FULL.guests, Guest(email="O@example.org"))}, id="organizer's own attendee line"),
        pytest.param(
            {"guests": tuple(replace(one, name="N", rsvp=True, email=one.email.upper()) for one in FULL.guests)}, id="names"
        ),
        pytest.param({"rrule": "INTERVAL=1;COUNT=4;BYDAY=TU,MO;FREQ=WEEKLY;WKST=MO"}, id="order in the rule"),
        pytest.param({"when": replace(BERLIN, zone="Europe/Vienna")}, id="a zone with the same clock"),
        pytest.param({"categories": ("SITZUNG",)}, id="case of a category"),
        pytest.param({"organizer": Organizer(email="O@example.org")}, id="organizer's name"),
    ],
)
def test_what_servers_rewrite_makes_no_other_event(changes: dict[str, Any]) -> None:
    assert same_event(event_of(FULL), event_of(replace(FULL, **changes)))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"uid": "other"}, id="UID"),
        pytest.param({"title": "Haushalt 2"}, id="title"),
        pytest.param({"when": replace(BERLIN, start=datetime(2027, 3, 1, 10))}, id="start"),
        pytest.param({"when": replace(BERLIN, duration=timedelta(hours=2))}, id="duration"),
        pytest.param({"when": replace(BERLIN, start=datetime(2027, 3, 1, 8), zone="UTC")}, id="same first instant, other summer"),
        pytest.param({"when": ALL_DAY}, id="all-day"),
        pytest.param({"when": None, "exdates": ()}, id="no date"),
        pytest.param({"rrule": None}, id="no rule"),
        pytest.param({"exdates": ()}, id="cancelled date"),
        pytest.param({"rdates": (datetime(2027, 3, 9, 9),)}, id="added date"),
        pytest.param({"status": Status.CANCELLED}, id="status"),
        pytest.param({"guests": FULL.guests[:1]}, id="attendee gone"),
        pytest.param({"guests": (replace(FULL.guests[0], partstat=PartStat.DECLINED), FULL.guests[1])}, id="answer"),
        pytest.param({"organizer": None}, id="organizer"),
        pytest.param({"categories": ()}, id="category"),
        pytest.param({"recurrence_id": datetime(2027, 3, 8, 9)}, id="an occurrence"),
    ],
)
def test_what_a_person_notices_makes_another_event(changes: dict[str, Any]) -> None:
    assert not same_event(event_of(FULL), event_of(replace(FULL, **changes)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (datetime(2027, 3, 8, 9, tzinfo=ZoneInfo("Europe/Berlin")), datetime(2027, 3, 8, 8, tzinfo=UTC)),
        (datetime(2027, 3, 8, 9, tzinfo=ZoneInfo("Europe/Berlin")), datetime(2027, 3, 8, 9)),
    ],
)
def test_occurrences_are_compared_by_the_instant_they_are_named_after(one: datetime, other: datetime) -> None:
    first, second = (event_of(MASTER, a_component(recurrence_id=name)) for name in (one, other))
    assert same_event(first, second)
    assert same_event(event_of(*first.components[::-1]), second)


def test_occurrences_without_a_start_or_of_whole_days_are_compared_by_name() -> None:
    floating = event_of(a_component(when=None, recurrence_id=datetime(2027, 3, 8, 9)))
    assert same_event(floating, floating)
    assert not same_event(floating, event_of(a_component(when=None, recurrence_id=datetime(2027, 3, 8, 10))))
    day = event_of(a_component(when=ALL_DAY, recurrence_id=datetime(2027, 3, 8), recurrence_id_is_date=True))
    assert same_event(day, day)


def test_components_are_grouped_by_uid_with_the_master_first_and_those_without_uid_stand_alone() -> None:
    occurrence = a_component(recurrence_id=datetime(2027, 3, 8, 9))
    nameless = a_component(uid="")
    parsed = Parsed(
        method=None, method_text="", components=(occurrence, nameless, a_component(uid="z"), MASTER, nameless), problems=()
    )
    assert [one.components for one in events(parsed)] == [(MASTER, occurrence), (nameless,), (a_component(uid="z"),), (nameless,)]
