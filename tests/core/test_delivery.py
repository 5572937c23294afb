"""What attendees were told, as text and back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.delivery import Message, MessageState, Sent, SentComponent, sent_from_json, sent_to_json
from daemon.core.model import When
from tests.core.builders import NOW, START, WEEK, a_series, an_entry, an_occurrence, nth, told

walls = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1))
moments = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC))
whens = st.builds(
    When, start=walls, zone=st.sampled_from(["Europe/Berlin", "UTC"]), duration=st.timedeltas(timedelta(0), timedelta(days=90))
) | st.builds(
    When,
    start=walls.map(lambda wall: wall.replace(hour=0, minute=0, second=0, microsecond=0)),
    zone=st.just("UTC"),
    duration=st.integers(0, 9).map(lambda days: timedelta(days=days)),
    all_day=st.just(True),
)
components = st.builds(
    SentComponent,
    recurrence_id=st.none() | walls,
    when=whens,
    rrule=st.none() | st.just("FREQ=WEEKLY"),
    rdates=st.lists(walls, max_size=2).map(tuple),
    exdates=st.lists(walls, max_size=2).map(tuple),
    title=st.text(),
    description=st.text(),
    location=st.text(),
    sequence=st.integers(0, 2**31),
    cancelled=st.booleans(),
    dtstamp=moments,
    asked_sequence=st.integers(0, 2**31),
    asked_at=moments,
)
sents = st.builds(
    Sent,
    entry=st.text(),
    attendee=st.text(),
    components=st.lists(components, max_size=3).map(tuple),
    message_ids=st.lists(st.text(), max_size=3).map(tuple),
    organizer=st.text(),
)


@given(sents)
def test_what_was_told_survives_being_written_down(sent: Sent) -> None:
    text = sent_to_json(sent)
    assert "\n" not in text
    assert sent_from_json(text) == sent


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", '{"format":2}', '{"format":1,"entry":"e","attendee":"a","components":[{}],"message_ids":[]}'],
    ids=["nothing", "no format", "a list", "null", "a later format", "a component without fields"],
)
def test_other_text_is_no_sent_record(text: str) -> None:
    with pytest.raises(ValueError, match=r"sent record|Expecting value"):
        sent_from_json(text)


def test_a_record_from_before_organizers_were_kept_is_read() -> None:
    data = json.loads(sent_to_json(told(an_entry())))
    assert data.pop("organizer") == "sitzung@planner.example.org"
    assert sent_from_json(json.dumps(data)) == replace(told(an_entry()), organizer="")


def test_a_record_names_its_dates_by_wall_times() -> None:
    (component,) = told(an_entry()).components
    with pytest.raises(ValueError, match="rdates"):
        SentComponent(**{**_fields(component), "rdates": (NOW,)})
    with pytest.raises(ValueError, match="dtstamp"):
        SentComponent(**{**_fields(component), "dtstamp": START})


def _fields(component: SentComponent) -> dict[str, object]:
    return {name: getattr(component, name) for name in SentComponent.__slots__}


def test_everything_is_cancelled_only_when_each_part_is() -> None:
    part = _fields(told(an_entry()).components[0])
    on, off = SentComponent(**part), SentComponent(**{**part, "cancelled": True})
    sent = told(a_series(an_occurrence(1, start=nth(1) + WEEK / 7)))
    assert not sent.cancelled
    for parts, expected in (((on,), False), ((on, off), False), ((off, off), True)):
        assert Sent(entry="e", attendee="a", components=parts, message_ids=()).cancelled is expected


@pytest.mark.parametrize("field", ["created", "sent_at"])
def test_a_message_has_utc_times(field: str) -> None:
    fields = {"created": NOW, "sent_at": NOW, field: START}
    with pytest.raises(ValueError, match=field):
        Message(id="m", work="w", entry="e", recipient="r", kind="k", method="REQUEST", sequence=0, message_id="i", **fields)


def test_a_new_message_is_pending_and_untried() -> None:
    message = Message(
        id="m", work="w", entry=None, recipient="r", kind="k", method="REQUEST", sequence=0, message_id="i", created=NOW
    )
    assert (message.state, message.tried, message.sent_at) == (MessageState.PENDING, 0, None)
