"""Calendar objects of other programs: read as they were meant, named where they cannot be, refused where they are not safe."""

from __future__ import annotations

import email
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import icalendar
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core import zones
from daemon.core.errors import Unreadable
from daemon.core.ics import Parsed, events, parse_calendar, same_event
from daemon.core.ics_lines import Notes, loose_line, parse_line, sanitize
from daemon.core.model import Component, Method, Organizer, PartStat, Role, Status, When

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "itip"
HOUR = timedelta(hours=1)


def a_calendar(*event: str, head: tuple[str, ...] = (), zone: tuple[str, ...] = ()) -> str:
    """One VEVENT with UID and DTSTART (09:00 UTC) unless the lines give them."""
    start = () if any(line.startswith("DTSTART") for line in event) else ("DTSTART:20270301T090000Z",)
    uid = () if any(line.startswith("UID") for line in event) else ("UID:1@x",)
    inside = ["BEGIN:VEVENT", *uid, *start, *event, "END:VEVENT"]
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", *head, *zone, *inside, "END:VCALENDAR", ""])


def parsed(*event: str, **parts: Any) -> Parsed:
    return parse_calendar(a_calendar(*event, **parts).encode())


def component(*event: str, **parts: Any) -> Component:
    (found,) = parsed(*event, **parts).components
    return found


def when(*event: str, **parts: Any) -> When:
    found = component(*event, **parts).when
    assert found is not None
    return found


def a_zone(tzid: str, *inside: str) -> tuple[str, ...]:
    return ("BEGIN:VTIMEZONE", f"TZID:{tzid}", *inside, "END:VTIMEZONE")


def observance(kind: str, start: str, before: str, after: str, rule: str) -> tuple[str, ...]:
    return (f"BEGIN:{kind}", f"DTSTART:{start}", f"TZOFFSETFROM:{before}", f"TZOFFSETTO:{after}", f"RRULE:{rule}", f"END:{kind}")


NINE_HOURS_AHEAD = observance("STANDARD", "16010101T000000", "+0900", "+0900", "FREQ=YEARLY;BYMONTH=1;BYDAY=1SU")


# --- bytes -----------------------------------------------------------------

PLAIN = a_calendar("SUMMARY:Größe – 5 €")


@pytest.mark.parametrize(
    ("raw", "charset"),
    [
        pytest.param(PLAIN.encode(), None, id="UTF-8"),
        pytest.param(b"\xef\xbb\xbf" + PLAIN.encode(), "utf-8", id="UTF-8 with BOM"),
        pytest.param(PLAIN.encode(), "iso-8859-1", id="UTF-8 that says Latin-1"),
        pytest.param(PLAIN.encode("cp1252"), None, id="cp1252 without charset"),
        pytest.param(PLAIN.encode("cp1252"), "utf-8", id="cp1252 that says UTF-8"),
        pytest.param(PLAIN.encode("cp1252"), "ISO-8859-1", id="cp1252 that says Latin-1"),
        pytest.param(PLAIN.encode("cp1252"), "no-such-charset", id="cp1252 with an unknown charset"),
        pytest.param(PLAIN.encode("cp1252"), "iso-8859-99", id="cp1252 with a charset that does not exist"),
        pytest.param(PLAIN.replace("–", "-").encode("iso-8859-15"), "iso-8859-15", id="Latin-9"),
        pytest.param(PLAIN.encode("utf-16"), None, id="UTF-16 with BOM"),
        pytest.param(PLAIN.encode("utf-16-be"), None, id="UTF-16 big endian without BOM"),
        pytest.param(PLAIN.encode("utf-16-le"), "utf-16", id="UTF-16 little endian without BOM"),
        pytest.param(("\r\n" + PLAIN).encode("utf-16-le"), "utf-16-le", id="UTF-16 known only by its charset"),
        pytest.param(PLAIN.encode("utf-32"), None, id="UTF-32"),
        pytest.param(PLAIN.encode(), "utf-16", id="UTF-8 that says UTF-16"),
        pytest.param(PLAIN.replace("\r\n", "\n").encode(), None, id="LF"),
        pytest.param(PLAIN.replace("\r\n", "\r").encode(), None, id="CR"),
        pytest.param(PLAIN.replace("\r\n", "\r\r\n").encode(), None, id="CR CR LF"),
        pytest.param(PLAIN.replace("ße", "\r\n ß\r\n\te").encode(), None, id="folded"),
        pytest.param(PLAIN.encode().replace("ß".encode(), b"\xc3\r\n \x9f"), None, id="folded inside a character"),
        pytest.param(PLAIN.replace("ße", "ß\r\n\x85 e").encode(), None, id="fold behind a control character"),
        pytest.param(PLAIN.replace("Größe", "Gr\x00\x0böß\x7fe\x1b").encode(), None, id="control characters"),
        pytest.param(f"Dear all,\r\n\r\n{PLAIN}\r\n-- \r\nAnna".encode(), None, id="text around it"),
        pytest.param(PLAIN.replace("SUMMARY", "summary").replace("BEGIN:VEVENT", "begin:vevent").encode(), None, id="lower case"),
    ],
)  # fmt: skip
def test_the_text_is_found_in_whatever_bytes(raw: bytes, charset: str | None) -> None:
    found = parse_calendar(raw, charset=charset)
    assert found.components[0].title.replace("-", "–") == "Größe – 5 €"
    assert found.problems == ()


def test_a_charset_of_several_bytes_is_believed() -> None:
    raw = a_calendar("SUMMARY:会議").encode("iso-2022-jp")
    assert parse_calendar(raw, charset="ISO-2022-JP").components[0].title == "会議"
    assert parse_calendar(a_calendar("SUMMARY:会議").encode(), charset="shift_jis").components[0].title != ""


SHARDS = [
    "BEGIN:VCALENDAR",
    "END:VCALENDAR",
    "BEGIN:VEVENT",
    "END:VEVENT",
    "\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    ";",
    ":",
    "=",
    "é",
    "\x00",
    "\x1b",
    "\x85",
]
SHARDS += [
    "UID:1",
    "DTSTART:20270301",
    "ATTENDEE;CN=",
    '"',
    "mailto:a@x.example",
    "\ufeff",
    "\u2028",
    "BEGIN:VTIMEZONE",
    "END:VTIMEZONE",
    "TZID:x",
]
SHARDS += [
    "EXDATE;TZID=x:20270301T090000",
    "RRULE:",
    "DURATION:P",
    "RECURRENCE-ID",
    "PARTSTAT=X",
    "BEGIN:VALARM",
    "TRIGGER:-PT5M",
    "END:VALARM",
]
ANYTHING = st.binary(max_size=300) | st.lists(st.sampled_from(SHARDS), max_size=60).map(
    lambda parts: "".join(parts).encode("utf-8", "replace")
)
WHOLE = st.lists(st.sampled_from(SHARDS), max_size=30).map(
    lambda parts: a_calendar(*"".join(parts).split("\r\n")).encode("utf-8", "replace")
)
CHARSETS = st.sampled_from([None, "utf-8", "utf-16", "iso-2022-jp", "latin1", "utf-32-le", "big5", "rot13", "idna"])


@settings(max_examples=500, deadline=None)
@given(raw=ANYTHING | WHOLE, charset=CHARSETS)
def test_sanitizing_never_fails_and_a_second_time_changes_nothing(raw: bytes, charset: str | None) -> None:
    clean = sanitize(raw, charset)
    assert sanitize(clean) == clean
    assert not any(c < 32 and c not in b"\t\r\n" for c in clean)


@settings(max_examples=500, deadline=None)
@given(raw=ANYTHING | WHOLE, charset=CHARSETS)
def test_any_bytes_are_read_or_refused_and_nothing_else(raw: bytes, charset: str | None) -> None:
    try:
        found = parse_calendar(raw, charset=charset)
    except Unreadable as error:
        assert str(error).endswith(".")  # noqa: PT017
        return
    assert all(problem.endswith(".") for problem in found.problems)
    assert all(same_event(one, one) for one in events(found))


def test_every_line_of_a_valid_object_survives() -> None:
    text = a_calendar("SUMMARY:a;b:c=d,e", "X-ANY;P=1:ü", "DESCRIPTION:x\\n\\;")
    assert sanitize(text.encode()).decode() == text


# --- refused ---------------------------------------------------------------


def many(name: str, count: int) -> bytes:
    return a_calendar(*[f"{name}:mailto:a{number}@x.example" for number in range(count)]).encode()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param(b"", "BEGIN:VCALENDAR is missing", id="nothing"),
        pytest.param(b"Accepted: Sitzung", "BEGIN:VCALENDAR is missing", id="no calendar"),
        pytest.param(b"x" * (1024 * 1024 + 1), "at most 1,048,576 are read", id="too large"),
        pytest.param(b"BEGIN:VCALENDAR\nUID:" + b"x" * 70_000 + b"\n", "UID line of more than 64 KiB", id="long line"),
        pytest.param(many("ATTENDEE", 501), "more than 500 attendees", id="501 attendees"),
        pytest.param(b"BEGIN:VCALENDAR\n" + b"BEGIN:VEVENT\nEND:VEVENT\n" * 5001, "more than 5,000 events", id="5,001 events"),
        pytest.param(b"BEGIN:VCALENDAR\n" * 20, "nested too deeply", id="nested"),
        pytest.param(a_calendar("SUMMARY:x").encode()[:-40], "ends in the middle", id="cut off"),
        pytest.param(b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n", "has no BEGIN", id="END that does not pair"),
        pytest.param(b"BEGIN:VCALENDAR\nEND:VCALENDAR\nEND:VEVENT\nEND:VCALENDAR", "has no BEGIN", id="END alone"),
        pytest.param(
            (a_calendar(head=("METHOD:REPLY",)) + a_calendar(head=("METHOD:CANCEL",))).encode(),
            r"different things \(REPLY, CANCEL\)",
            id="two calendars with two methods",
        ),
        pytest.param(
            (
                a_calendar("ATTENDEE;PARTSTAT=ACCEPTED:mailto:a@x.example", head=("METHOD:REPLY",))
                + a_calendar("ATTENDEE;PARTSTAT=DECLINED:mailto:a@x.example", head=("METHOD:REPLY",))
            ).encode(),
            "The REPLY contradicts itself",
            id="two calendars that contradict each other",
        ),
    ],
)  # fmt: skip
def test_what_is_unsafe_or_unintelligible_is_refused_with_a_sentence(raw: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason) as caught:
        parse_calendar(raw)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(many("ATTENDEE", 20_000), id="20,000 attendees"),
        pytest.param(b"\r" * 1024 * 1024, id="a megabyte of CR"),
        pytest.param(b"BEGIN:VCALENDAR\n" + b"\n" * 1_000_000, id="a megabyte of LF"),
        pytest.param(b"BEGIN:VCALENDAR\nX" + b"\n " * 500_000, id="folds"),
        pytest.param(b"BEGIN:VCALENDAR\n" + b";\n" * 500_000, id="lines that go on"),
    ],
)
def test_a_bomb_is_refused_quickly(raw: bytes) -> None:
    begin = time.process_time()
    with pytest.raises(Unreadable):
        parse_calendar(raw)
    assert time.process_time() - begin < 30


def test_lines_full_of_quotes_cost_no_time() -> None:
    begin = time.process_time()
    found = parsed(*["ATTENDEE" + ';CN="' * 400 + "x"] * 499, head=("METHOD:REPLY",))
    assert time.process_time() - begin < 30
    assert found.components[0].guests == ()


def test_the_owner_may_import_more_than_a_mail_may_bring() -> None:
    raw = a_calendar("X-PAD:" + "x" * 1024, *["X-PAD:y"] * 150_000).encode()
    assert parse_calendar(raw, max_bytes=10 * 1024 * 1024).components


# --- what is said ----------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "method", "text"),
    [
        (("METHOD:REPLY",), Method.REPLY, "REPLY"),
        (("method: reply ",), Method.REPLY, "REPLY"),
        (("METHOD:ACCEPT",), None, "ACCEPT"),
        ((), None, ""),
    ],
)
def test_the_method_is_that_of_the_object(head: tuple[str, ...], method: Method | None, text: str) -> None:
    found = parsed("SUMMARY:x", head=head)
    assert (found.method, found.method_text) == (method, text)


def test_all_texts_of_an_event_are_read() -> None:
    found = component(
        "UID:a\\,b@x",
        "SUMMARY;LANGUAGE=de-DE:Zugesagt: Haushalt\\, 2. Lesung",
        'DESCRIPTION;ALTREP="cid:1":eins\\nzwei\\Ndrei\\\\n',
        "LOCATION:Raum\\; 3",
        "URL;VALUE=URI:https://x.example/a?b=1;c,d ",
        "COMMENT:bis\\n",
        "COMMENT:bald",
        "COMMENT: ",
        "CATEGORIES:Sitzung,A\\,B",
        "CATEGORIES:Sitzung, ,C",
        "SEQUENCE: 3 ",
        "STATUS:cancelled",
        "DTSTAMP:20270202T090000Z",
    )
    assert found.uid == "a,b@x"
    assert found.title == "Zugesagt: Haushalt, 2. Lesung"
    assert found.description == "eins\nzwei\ndrei\\n"
    assert found.location == "Raum; 3"
    assert found.url == "https://x.example/a?b=1;c,d"
    assert found.comment == "bis\nbald"
    assert found.categories == ("Sitzung", "A,B", "C")
    assert (found.sequence, found.sequence_given) == (3, True)
    assert found.status is Status.CANCELLED
    assert found.dtstamp == datetime(2027, 2, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "sequence", "given", "noted"),
    [
        ("SEQUENCE:2147483647", 2147483647, True, False),
        ("SEQUENCE:1407317367304", 0, False, True),
        ("SEQUENCE:2147483648", 0, False, True),
        ("SEQUENCE:-1", 0, False, True),
        ("SEQUENCE:two", 0, False, True),
        ("X-NONE:1", 0, False, False),
        ("X-MICROSOFT-CDO-APPT-SEQUENCE:4", 4, True, False),
    ],
)
def test_a_sequence_that_is_none_counts_as_missing(line: str, sequence: int, given: bool, noted: bool) -> None:
    found = parsed(line)
    assert (found.components[0].sequence, found.components[0].sequence_given) == (sequence, given)
    assert any("SEQUENCE" in problem for problem in found.problems) == noted


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("DTSTAMP:20270202T090000Z", datetime(2027, 2, 2, 9, tzinfo=UTC)),
        ("DTSTAMP;TZID=Europe/Berlin:20270202T090000", datetime(2027, 2, 2, 8, tzinfo=UTC)),
        ("DTSTAMP:20270202T090000", datetime(2027, 2, 2, 9, tzinfo=UTC)),
        ("DTSTAMP:20270202", datetime(2027, 2, 2, tzinfo=UTC)),
        ("DTSTAMP:yesterday", None),
        ("X-NONE:1", None),
    ],
)
def test_dtstamp_is_an_instant_however_it_is_written(line: str, expected: datetime | None) -> None:
    assert component(line).dtstamp == expected


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        pytest.param(("SUMMARY:a", "SUMMARY:b"), "SUMMARY is there 2 times", id="repeated property"),
        pytest.param(("STATUS:NEEDS-ACTION",), "STATUS “NEEDS-ACTION” is not known", id="unknown status"),
        pytest.param(("UID:",), "it has no UID", id="no UID"),
        pytest.param(("DTSTART:nonsense",), "DTSTART “nonsense” is no date", id="broken start"),
        pytest.param(("DTSTART:20270231",), "DTSTART “20270231” is no date", id="31 February"),
        pytest.param(("DTSTART:09990101",), "DTSTART “09990101” is no date", id="year 999"),
        pytest.param(("DTSTART:20270301T090000Z", "DTEND:20270301T080000Z"), "it ends before it starts", id="end before start"),
        pytest.param(("DURATION:-PT1H",), "it ends before it starts", id="negative duration"),
        pytest.param(("DURATION:1h",), "DURATION “1h” is no duration", id="broken duration"),
        pytest.param(("DURATION:P999999999999999999W",), "is no duration", id="endless duration"),
        pytest.param(("DURATION:P999999W",), "its end cannot be computed", id="duration beyond the calendar"),
        pytest.param(("RECURRENCE-ID;RANGE=THISANDFUTURE:20270301T090000Z",), "all later ones at once", id="THISANDFUTURE"),
        pytest.param(("EXRULE:FREQ=WEEKLY",), "EXRULE", id="EXRULE"),
        pytest.param(("RDATE;VALUE=PERIOD:20270302T090000Z/PT2H",), "length of its own", id="RDATE with a period"),
        pytest.param(("EXDATE:20270302T090000Z,x",), "EXDATE “x” is no date", id="broken EXDATE"),
        pytest.param(("ATTENDEE:urn:uuid:1",), "ATTENDEE “urn:uuid:1” has no mail address", id="attendee without address"),
        pytest.param(("ATTENDEE;CN=x",), "the line “ATTENDEE;CN=x” cannot be read", id="attendee without a value"),
        pytest.param(("ORGANIZER;CN=x:nobody",), "ORGANIZER “nobody” has no mail address", id="organizer without address"),
        pytest.param(("junk", "more junk"), "2 lines that are no calendar lines", id="junk"),
    ],
)
def test_what_is_left_out_is_named(lines: tuple[str, ...], part: str) -> None:
    found = parsed(*lines)
    assert len(found.components) == 1
    assert any(part in problem for problem in found.problems), found.problems


def test_an_event_without_start_has_no_date() -> None:
    raw = b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nEXDATE:20270301T090000Z\nEND:VEVENT\nEND:VCALENDAR"
    found = parse_calendar(raw)
    assert found.components == (Component(uid="1", when=None, sequence_given=False),)
    assert found.problems == ("“1”: it has no start.",)


def test_a_calendar_without_events_says_so() -> None:
    raw = (
        b"BEGIN:VCALENDAR\nMETHOD:PUBLISH\nBEGIN:VTODO\nUID:1\nEND:VTODO\nEND:VCALENDAR\nBEGIN:VEVENT\nEND:VEVENT\nEND:VCALENDAR"
    )
    found = parse_calendar(raw.partition(b"BEGIN:VEVENT")[0])
    assert (found.components, found.problems) == ((), ("There is no event in the data.",))


def test_the_list_of_problems_has_an_end() -> None:
    notes = Notes()
    for number in range(1000):
        notes.add(f"{number}.")
    assert len(notes.problems) == 50


# --- times -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(
            ("DTSTART;TZID=Europe/Berlin:20270327T230000", "DURATION:PT5H"),
            When(start=datetime(2027, 3, 27, 23), zone="Europe/Berlin", duration=5 * HOUR),
            id="hours are elapsed time over the spring change",
        ),
        pytest.param(
            ("DTSTART;TZID=Europe/Berlin:20270327T230000", "DURATION:P1D"),
            When(start=datetime(2027, 3, 27, 23), zone="Europe/Berlin", duration=23 * HOUR),
            id="a day is a day of the calendar",
        ),
        pytest.param(
            ("DTSTART;TZID=Europe/Berlin:20270327T230000", "DURATION:P1WT1H"),
            When(start=datetime(2027, 3, 27, 23), zone="Europe/Berlin", duration=168 * HOUR),
            id="a week and an hour",
        ),
        pytest.param(
            ("DTSTART;TZID=Europe/Berlin:20270327T230000", "DTEND;TZID=Europe/London:20270328T040000"),
            When(start=datetime(2027, 3, 27, 23), zone="Europe/Berlin", duration=5 * HOUR),
            id="end in another zone",
        ),
        pytest.param(
            ("DTSTART;TZID=Europe/Berlin:20270301T090000", "DTEND:20270301T100000"),
            When(start=datetime(2027, 3, 1, 9), zone="Europe/Berlin", duration=HOUR),
            id="floating end",
        ),
        pytest.param(
            ("DTSTART;TZID=Europe/Berlin:20270301T220000", "DTEND;VALUE=DATE:20270302"),
            When(start=datetime(2027, 3, 1, 22), zone="Europe/Berlin", duration=2 * HOUR),
            id="end as a date",
        ),
        pytest.param(
            ("DTSTART;TZID=Europe/Berlin:20270301T090000Z",),
            When(start=datetime(2027, 3, 1, 9), zone="UTC", duration=timedelta(0)),
            id="UTC beside a TZID",
        ),
        pytest.param(
            ("DTSTART;TZID=Etc/UTC:20270301T090000",),
            When(start=datetime(2027, 3, 1, 9), zone="UTC", duration=timedelta(0)),
            id="UTC by name",
        ),
        pytest.param(
            ('DTSTART;TZID="W. Europe Standard Time":20270301T090000',),
            When(start=datetime(2027, 3, 1, 9), zone="Europe/Berlin", duration=timedelta(0)),
            id="Windows name",
        ),
        pytest.param(
            ("DTSTART;VALUE=DATE:20270301", "DTEND;VALUE=DATE:20270303"),
            When(start=datetime(2027, 3, 1), zone="UTC", duration=timedelta(days=2), all_day=True),
            id="two whole days",
        ),
        pytest.param(
            ("DTSTART;VALUE=DATE:20270301", "DTEND;VALUE=DATE:20270301"),
            When(start=datetime(2027, 3, 1), zone="UTC", duration=timedelta(days=1), all_day=True),
            id="a day that ends on itself",
        ),
        pytest.param(
            ("DTSTART:20270301", "DURATION:PT48H"),
            When(start=datetime(2027, 3, 1), zone="UTC", duration=timedelta(days=2), all_day=True),
            id="a date that forgot to say so",
        ),
        pytest.param(
            ("DTSTART;VALUE=DATE:20270301", "DTEND:20270302T090000Z"),
            When(start=datetime(2027, 3, 1), zone="UTC", duration=timedelta(days=1), all_day=True),
            id="a whole day with a timed end",
        ),
    ],
)
def test_a_date_is_a_wall_time_a_zone_and_how_long_it_really_lasts(lines: tuple[str, ...], expected: When) -> None:
    assert when(*lines) == expected


def test_floating_times_are_read_in_the_calendars_zone_or_in_the_one_we_are_told() -> None:
    calendar = a_calendar("SUMMARY:x", "DTSTART:20270301T090000")
    assert when("DTSTART:20270301T090000", head=("X-WR-TIMEZONE:Europe/Vienna",)).zone == "Europe/Vienna"
    assert parsed("DTSTART:20270301T090000", head=("X-WR-TIMEZONE:Europe/Vienna",)).problems == ()
    told = parse_calendar(calendar.encode(), floating_zone="Asia/Tokyo")
    assert told.components[0].when == When(start=datetime(2027, 3, 1, 9), zone="Asia/Tokyo", duration=timedelta(0))
    assert told.problems == ("“x”: its times have no zone and were read in Asia/Tokyo.",)
    assert when("DTSTART:20270301T090000", head=("X-WR-TIMEZONE:nowhere",)).zone == "UTC"


def test_a_zone_with_an_unknown_name_is_used_once_in_utc_by_its_definition() -> None:
    found = parsed(
        "DTSTART;TZID=Our own:20270301T090000",
        "DTEND;TZID=Our own:20270301T100000",
        zone=(*a_zone("Our own", *NINE_HOURS_AHEAD), *a_zone("Our own")),
    )
    assert found.components[0].when == When(start=datetime(2027, 3, 1, 0), zone="UTC", duration=HOUR)
    assert found.problems == (
        "The time zone “Our own” is known only by the definition that came with it: its times were taken over in UTC.",
    )


def test_a_definition_cannot_redefine_a_known_zone_for_this_or_a_later_message() -> None:
    for _ in range(2):
        found = when(
            "DTSTART;TZID=W. Europe Standard Time:20270301T090000", zone=a_zone("W. Europe Standard Time", *NINE_HOURS_AHEAD)
        )
        assert zones.to_utc(found.start, found.zone) == datetime(2027, 3, 1, 8, tzinfo=UTC)
    assert when("DTSTART;TZID=W. Europe Standard Time:20270301T090000").zone == "Europe/Berlin"


@pytest.mark.parametrize(
    "definition",
    [
        pytest.param((), id="empty"),
        pytest.param(observance("STANDARD", "19700101T000000", "+0100", "+0200", "FREQ=SECONDLY"), id="FREQ=SECONDLY"),
        pytest.param(observance("STANDARD", "19700101T000000", "+0100", "+0200", "FREQ=YEARLY;INTERVAL=0"), id="INTERVAL=0"),
        pytest.param(observance("STANDARD", "19700101T000000", "+9900", "+0200", "FREQ=YEARLY"), id="99 hours"),
    ],
)
def test_a_hostile_definition_does_no_harm(definition: tuple[str, ...]) -> None:
    begin = time.process_time()
    found = parsed("DTSTART;TZID=Our own:20270301T090000", zone=a_zone("Our own", *definition))
    assert time.process_time() - begin < 30
    assert found.components[0].when == When(start=datetime(2027, 3, 1, 9), zone="UTC", duration=timedelta(0))
    assert found.problems == ("The time zone “Our own” is not known: its times were read in UTC.",)
    assert when("DTSTART;TZID=Europe/Berlin:20270301T090000", zone=a_zone("Europe/Berlin", *definition)).zone == "Europe/Berlin"


def test_a_definition_without_a_name_and_a_tzid_with_an_unquoted_colon_are_survived() -> None:
    nameless = ("BEGIN:VTIMEZONE", *NINE_HOURS_AHEAD, "END:VTIMEZONE")
    assert when("DTSTART;TZID=(GMT+01:00) Berlin:20270301T090000", zone=nameless).start == datetime(2027, 3, 1, 9)


@pytest.mark.parametrize(
    ("line", "expected", "is_date"),
    [
        ("RECURRENCE-ID:20270308T080000Z", datetime(2027, 3, 8, 8, tzinfo=UTC), False),
        ("RECURRENCE-ID;TZID=Europe/Berlin:20270308T090000", datetime(2027, 3, 8, 9, tzinfo=zones.zone("Europe/Berlin")), False),
        ("RECURRENCE-ID;VALUE=DATE:20270308", datetime(2027, 3, 8), True),
        ("RECURRENCE-ID:20270308T090000", datetime(2027, 3, 8, 9), False),
        ("RECURRENCE-ID:soon", None, False),
        ("X-NONE:1", None, False),
    ],
)
def test_an_occurrence_is_named_by_its_original_start_in_any_form(line: str, expected: datetime | None, is_date: bool) -> None:
    found = component(line)
    assert (found.recurrence_id, found.recurrence_id_is_date) == (expected, is_date)
    assert (found.recurrence_id and found.recurrence_id.tzinfo) == (expected and expected.tzinfo)


def test_dates_of_a_series_come_in_its_zone() -> None:
    found = component(
        "DTSTART;TZID=Europe/Berlin:20270301T090000",
        "RRULE: FREQ=WEEKLY;COUNT=60; ",
        "EXDATE:20270329T070000Z,20270308T090000",
        "EXDATE;VALUE=DATE:20270315",
        "EXDATE;TZID=Europe/Berlin:20270322T090000,20270322T090000",
        "RDATE;TZID=Europe/London:20270302T080000",
    )
    assert found.rrule == "FREQ=WEEKLY;COUNT=60"
    assert found.exdates == tuple(datetime(2027, 3, day, 9) for day in (8, 15, 22, 29))
    assert found.rdates == (datetime(2027, 3, 2, 9),)
    whole = component("DTSTART;VALUE=DATE:20270301", "EXDATE:20270308T090000Z", "RRULE:")
    assert whole.exdates == (datetime(2027, 3, 8),)
    assert whole.rrule is None


def test_a_bomb_of_rules_and_dates_is_read_without_being_expanded() -> None:
    begin = time.process_time()
    rdates = [f"RDATE:{datetime(2027, 1, 1) + timedelta(minutes=n):%Y%m%dT%H%M%SZ}" for n in range(12_000)]
    found = parsed("RRULE:FREQ=SECONDLY;INTERVAL=0", *rdates, head=("METHOD:REPLY",))
    assert time.process_time() - begin < 30
    assert len(found.components[0].rdates) == 10_000
    assert any("more than 10,000 RDATE dates" in problem for problem in found.problems)


@pytest.mark.parametrize(
    ("alarm", "expected"),
    [
        (("ACTION:DISPLAY", "TRIGGER:-PT15M"), timedelta(minutes=15)),
        (("TRIGGER;RELATED=START:-P1DT2H",), timedelta(hours=26)),
        (("ACTION:AUDIO", "TRIGGER:PT5M"), -timedelta(minutes=5)),
        (("ACTION:EMAIL", "TRIGGER:-PT15M"), None),
        (("ACTION:DISPLAY", "TRIGGER;RELATED=END:-PT15M"), None),
        (("ACTION:DISPLAY", "TRIGGER;VALUE=DATE-TIME:20270301T080000Z"), None),
        (("ACTION:DISPLAY", "TRIGGER:-P?"), None),
        (("ACTION:DISPLAY",), None),
    ],
)
def test_an_alarm_that_rings_before_the_start_is_kept(alarm: tuple[str, ...], expected: timedelta | None) -> None:
    assert component("BEGIN:VALARM", *alarm, "END:VALARM").alarm == expected
    other = ("BEGIN:VLOCATION", "END:VLOCATION", "BEGIN:VALARM", "ACTION:NONE", "TRIGGER:-PT1M", "END:VALARM")
    assert component(*other, "BEGIN:VALARM", *alarm, "END:VALARM").alarm == expected


# --- people ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "name", "partstat"),
    [
        pytest.param("ATTENDEE;CN=Anna;PARTSTAT=ACCEPTED:mailto:anna@example.org", "Anna", "ACCEPTED", id="plain"),
        pytest.param("ATTENDEE;CN=Anna;PARTSTAT=accepted:MAILTO:Anna@Example.ORG", "Anna", "ACCEPTED", id="Zimbra's cases"),
        pytest.param("ATTENDEE;PARTSTAT=ACCEPTED:anna@example.org", "", "ACCEPTED", id="no mailto"),
        pytest.param('ATTENDEE;PARTSTAT=ACCEPTED;EMAIL="anna@example.org":/principals/1', "", "ACCEPTED", id="EMAIL parameter"),
        pytest.param("ATTENDEE;PARTSTAT=ACCEPTED:mailto:Anna <anna@example.org>", "", "ACCEPTED", id="name in the value"),
        pytest.param('ATTENDEE;PARTSTAT=ACCEPTED;CN="x\\"y":mailto:anna@example.org', "x", "ACCEPTED", id="quotes in CN"),
        pytest.param(
            "ATTENDEE;PARTSTAT=ACCEPTED;CN=\"'anna'\":mailto:anna@example.org", "'anna'", "ACCEPTED", id="apostrophes in CN"
        ),
        pytest.param("ATTENDEE;CN=Meier: Anna;PARTSTAT=ACCEPTED:mailto:anna@example.org", "Meier", "ACCEPTED", id="colon in CN"),
        pytest.param(
            "ATTENDEE;PARTSTAT=ACCEPTED;SENT-BY=mailto:b@x:mailto:anna@example.org", "", "ACCEPTED", id="unquoted SENT-BY"
        ),
        pytest.param(
            "ATTENDEE;PARTSTAT=ACCEPTED;CN=Meier\\, Anna:mailto:anna@example.org", "Meier, Anna", "ACCEPTED", id="backslash"
        ),
        pytest.param(
            'ATTENDEE;CN="A^nBcc: x^\'^^";PARTSTAT=ACCEPTED:mailto:anna@example.org', "A Bcc: x'", "ACCEPTED", id="RFC 6868"
        ),
        pytest.param("ATTENDEE;PARTSTAT=ACCEPTED:mailto:%61nna@example.org", "", "ACCEPTED", id="percent"),
        pytest.param("ATTENDEE ; PARTSTAT = ACCEPTED;;:mailto:anna@example.org", "", "ACCEPTED", id="blanks"),
        pytest.param("ATTENDEE;PARTSTAT:mailto:anna@example.org", "", "?", id="parameter without value"),
        pytest.param("ATTENDEE;RSVP=TRUE:mailto:anna@example.org", "", "NEEDS-ACTION", id="no PARTSTAT"),
        pytest.param("ATTENDEE;PARTSTAT=X-MAYBE-LATER:mailto:anna@example.org", "", "X-MAYBE-LATER", id="unknown PARTSTAT"),
        pytest.param("ATTENDEE;PARTSTAT=ACCEPTED,DECLINED:mailto:anna@example.org", "", "ACCEPTED,DECLINED", id="two PARTSTATs"),
    ],
)
def test_an_attendee_is_found_in_every_form_and_never_lost(line: str, name: str, partstat: str) -> None:
    found = parsed(line)
    (guest,) = found.components[0].guests
    assert (guest.email, guest.name, guest.partstat_text or guest.partstat.value) == ("anna@example.org", name, partstat)
    assert bool(found.problems) == bool(guest.partstat_text)
    assert not guest.partstat_text or guest.partstat is PartStat.NEEDS_ACTION


def test_all_parameters_of_an_attendee_are_read() -> None:
    (guest,) = component(
        'ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=opt-participant;PARTSTAT=TENTATIVE;RSVP=true;SCHEDULE-AGENT=client;SCHEDULE-STATUS="2.0;Success"'
        ';X-NUM-GUESTS=0;X-RESPONSE-COMMENT="late; maybe, 10 min":mailto:bob@gmail.example'
    ).guests
    assert (guest.role, guest.partstat, guest.rsvp) == (Role.OPT_PARTICIPANT, PartStat.TENTATIVE, True)
    assert (guest.schedule_agent, guest.schedule_status, guest.comment) == ("CLIENT", "2.0;Success", "late; maybe, 10 min")
    (other,) = component("ATTENDEE;ROLE=X-BOSS:mailto:a@x.example").guests
    assert (other.role, other.schedule_agent, other.schedule_status) == (Role.REQ_PARTICIPANT, None, None)


def test_a_notes_line_that_goes_on_without_a_blank_is_joined() -> None:
    (guest,) = component(
        "ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED", ';CN="Chi Notes/ACME"', ":mailto:chi@notes.example"
    ).guests
    assert (guest.email, guest.name, guest.partstat) == ("chi@notes.example", "Chi Notes/ACME", PartStat.ACCEPTED)


def test_who_is_named_twice_with_different_answers_has_none() -> None:
    lines = [f"ATTENDEE;PARTSTAT={one}:mailto:a@x.example" for one in ("ACCEPTED", "ACCEPTED", "DECLINED")]
    assert component(*lines[:2]).guests[0].partstat is PartStat.ACCEPTED
    found = parsed(*lines)
    (guest,) = found.components[0].guests
    assert (guest.partstat, guest.partstat_text) == (PartStat.NEEDS_ACTION, "ACCEPTED / DECLINED")
    assert "“1@x”: a@x.example is there twice with different answers; neither was taken." in found.problems


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ORGANIZER;CN=Team:mailto:o@x.example", Organizer(email="o@x.example", name="Team")),
        ("ORGANIZER:o@x.example", Organizer(email="o@x.example")),
        ("ORGANIZER:invalid:nomail", None),
        ("X-NONE:1", None),
    ],
)
def test_the_organizer_is_read_or_missing_without_a_word(line: str, expected: Organizer | None) -> None:
    found = parsed(line)
    assert found.components[0].organizer == expected
    assert found.problems == ()


# --- several ---------------------------------------------------------------


def test_the_same_component_twice_is_one_and_the_newer_of_two_wins_in_a_calendar() -> None:
    old = a_calendar("SUMMARY:old", "SEQUENCE:1", "DTSTAMP:20270101T000000Z")
    new = a_calendar("SUMMARY:new", "SEQUENCE:1", "DTSTAMP:20270102T000000Z")
    assert len(parse_calendar((old + old).encode()).components) == 1
    for text in (old + new, new + old, new + a_calendar("SUMMARY:oldest")):
        found = parse_calendar(text.encode())
        assert [one.title for one in found.components] == ["new"]
        assert any("is there twice" in problem for problem in found.problems)


def test_events_without_uid_are_never_taken_for_one() -> None:
    found = parse_calendar((a_calendar("UID:", "SUMMARY:a") + a_calendar("UID:", "SUMMARY:a")).encode())
    assert len(events(found)) == 2


def test_each_calendar_has_its_own_definitions() -> None:
    first = a_calendar("UID:1", "DTSTART;TZID=Our own:20270301T090000", zone=a_zone("Our own", *NINE_HOURS_AHEAD))
    second = a_calendar("UID:2", "DTSTART;TZID=Our own:20270301T090000")
    found = parse_calendar((first + second).encode())
    assert [one.when and one.when.start.hour for one in found.components] == [0, 9]


@pytest.mark.parametrize("text", ["", "x", ":", "A", "ATTENDEE", "ATTENDEE;CN=a", 'A;B="c', 'A;B="c:d'])
def test_a_line_without_a_value_is_no_line(text: str) -> None:
    assert parse_line(text) is None


def test_a_loose_line_takes_what_follows_the_last_colon() -> None:
    assert loose_line("no name") is None
    found = loose_line('DTSTART;TZID="(GMT+01:00) Berlin;VALUE=DATE-TIME:20270301T090000')
    assert found is not None
    assert (found.value, found.params["VALUE"]) == ("20270301T090000", "DATE-TIME")


# --- the collection --------------------------------------------------------


def collected() -> list[tuple[str, bytes, str | None]]:
    found: list[tuple[str, bytes, str | None]] = []
    for path in sorted(DATA.rglob("*")):
        if path.suffix in (".ics", ".vcs"):
            found.append((path.name, path.read_bytes(), None))
        elif path.suffix == ".eml" and path.name not in ("43-comment-bomb.eml", "44-deep-nesting.eml"):
            for part in email.message_from_bytes(path.read_bytes()).walk():
                if part.get_content_type() in ("text/calendar", "application/ics"):
                    payload = part.get_payload(decode=True)
                    assert isinstance(payload, bytes)
                    found.append((path.name, payload, part.get_content_charset()))
    return found


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared collection of real objects is not beside this checkout")
def test_every_real_object_is_read_or_refused_within_a_second_and_comes_back_from_its_own_reading() -> None:
    objects = collected()
    assert len(objects) >= 200
    refused = 0
    for name, raw, charset in objects:
        begin = time.process_time()
        try:
            found = parse_calendar(raw, charset=charset)
        except Unreadable:
            refused += 1
            found = None
        assert time.process_time() - begin < 30, name
        assert found is None or all(same_event(one, one) for one in events(found)), name
    assert refused < 0.15 * len(objects)


@pytest.mark.filterwarnings("ignore::icalendar.error.GloballyUniqueTZIDGuessed")
@pytest.mark.skipif(not DATA.is_dir(), reason="the shared collection of real objects is not beside this checkout")
def test_the_icalendar_library_agrees_on_the_real_objects_that_it_reads_without_loss() -> None:
    """A second opinion: title, start and attendees of each event of each object that both can read."""
    compared = 0
    for name, raw, charset in collected():
        try:
            found = parse_calendar(raw, charset=charset)
            theirs = icalendar.Calendar.from_ical(raw, multiple=True)
        except (Unreadable, ValueError):
            continue
        finally:
            icalendar.timezone.tzp.use_zoneinfo()
        events_of_theirs = [one for calendar in theirs for one in calendar.walk("VEVENT") if not one.errors]
        ours = {(one.uid, one.recurrence_id is None): one for one in found.components}
        for one in events_of_theirs:
            if isinstance(one.get("UID"), list) or isinstance(one.get("SUMMARY"), list):
                continue
            mine = ours.get((str(one.get("UID", "")).strip(), "RECURRENCE-ID" not in one))
            if mine is None or len([other for other in events_of_theirs if other.get("UID") == one.get("UID")]) > 1:
                continue
            compared += 1
            assert mine.title.strip() == str(one.get("SUMMARY", "")).replace('\\"', '"').strip(), name
            start = one.get("DTSTART")
            # A file that calls a bare date a DATE-TIME is a whole day for us and midnight for them.
            if (
                mine.when is not None
                and not mine.when.all_day
                and isinstance(getattr(start, "dt", None), datetime)
                and start.dt.tzinfo is not None
            ):
                assert zones.to_utc(mine.when.start, mine.when.zone) == start.dt.astimezone(UTC), name
            theirs_named = one.get("ATTENDEE", [])
            assert len(mine.guests) <= len(theirs_named if isinstance(theirs_named, list) else [theirs_named]), name
    assert compared >= 100
