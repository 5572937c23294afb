"""Values to store: plain builders, and a strategy for entries with every field filled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st

from daemon.core.calendars import Calendar, CalendarState, Link
from daemon.core.delivery import Message
from daemon.core.model import (
    Answer,
    AnswerSource,
    Attendee,
    Entry,
    EntryState,
    Occurrence,
    Owner,
    PartStat,
    Role,
    Sender,
    When,
)
from daemon.store import calendars, entries, numbers, owners
from tests.clock import ManualClock

NOW = datetime(2027, 3, 1, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def an_owner(name: str = "anna", **changes: Any) -> Owner:
    return Owner(**{"id": f"owner-{name}", "email": f"{name}@example.org", "created": NOW, "name": name.title()} | changes)


def an_entry(name: str = "one", **changes: Any) -> Entry:
    given = {
        "id": f"id-{name}",
        "uid": f"{name}@example.org",
        "owner": "owner-anna",
        "number": "123456789",
        "title": f"Entry {name}",
        "created": NOW,
        "modified": NOW,
    }
    return Entry(**given | changes)


def a_calendar(name: str = "work", **changes: Any) -> Calendar:
    given = {
        "id": f"cal-{name}",
        "owner": "owner-anna",
        "name": name,
        "kind": "caldav",
        "url": "https://dav.example.org/",
        "created": NOW,
    }
    return Calendar(**given | changes)


def a_link(entry: str = "id-one", **changes: Any) -> Link:
    return Link(**{"entry": entry, "calendar": "cal-work", "uid": f"{entry}@example.org", "changed_at": NOW} | changes)


def store_entry(tx: sa.Connection, entry: Entry, *, start: datetime | None = None, end: datetime | None = None) -> Entry:
    entries.insert(tx, entry, first_start=start, last_end=end)
    return entry


def with_number(tx: sa.Connection, clock: ManualClock, name: str, **changes: Any) -> Entry:
    """Store an entry with a number of its own."""
    number = numbers.reserve(tx, clock.draw, f"id-{name}", clock.now())
    return store_entry(tx, an_entry(name, number=number, **changes))


def with_owner(tx: sa.Connection, *names: str) -> None:
    for name in names or ("anna",):
        owners.insert(tx, an_owner(name))


def with_calendar(tx: sa.Connection) -> None:
    with_owner(tx)
    calendars.insert(tx, a_calendar())


def a_message(name: str = "m1", **changes: Any) -> Message:
    given = {
        "id": name,
        "work": "mail:id-one:a@x.org",
        "entry": "id-one",
        "recipient": "a@x.org",
        "kind": "invitation",
        "method": "REQUEST",
        "sequence": 0,
        "message_id": f"<{name}@x>",
        "created": NOW,
        "data": b"\x00\xff",
        "sent_after": '{"ü": 1}',
    }
    return Message(**given | changes)


FULL_CALENDAR = a_calendar(
    username="anna",
    secret="enc:xyz",
    sender=Sender.CALENDAR,
    headers=(("X-Remote-User", "anna"), ("X-Remote-User", "again")),
    capabilities_json='{"product": "x"}',
    sync_token="http://x/1",
    state=CalendarState.REFUSED,
    error="wrong pass\x00word",
    checked=NOW + SECOND,
)


# What a database can hold: no NUL, no lone surrogate (`types.Prose`).
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
walls = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1))
instants = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
spans = st.integers(0, 10**7).map(lambda number: timedelta(seconds=number))
emails = st.integers(1, 9).map(lambda number: f"guest{number}@example.org")
zones = st.sampled_from(["Europe/Berlin", "America/St_Johns", "UTC"])
people = st.lists(
    st.builds(Attendee, email=emails, name=texts, role=st.sampled_from(Role)), max_size=4, unique_by=lambda one: one.email
).map(tuple)
dates = st.builds(
    Occurrence,
    recurrence_id=walls,
    cancelled=st.booleans(),
    start=st.none() | walls,
    duration=st.none() | spans,
    title=st.none() | texts,
    description=st.none() | texts,
    location=st.none() | texts,
    attendees=st.none() | people,
    sequence=st.integers(0, 9),
)
answers = st.builds(
    Answer,
    attendee=emails,
    recurrence_id=st.none() | walls,
    partstat=st.sampled_from(PartStat),
    source=st.sampled_from(AnswerSource),
    answered_at=instants,
    about=texts,
    sequence=st.none() | st.integers(0, 9),
    dtstamp=st.none() | instants,
    comment=texts,
)


@st.composite
def whens(draw: st.DrawFn) -> When:
    zone = draw(zones)
    if draw(st.booleans()):
        midnight = datetime.combine(draw(walls).date(), datetime.min.time())
        return When(start=midnight, zone=zone, duration=draw(st.integers(0, 9)) * DAY, all_day=True)
    return When(start=draw(walls), zone=zone, duration=draw(spans))


@st.composite
def any_entries(draw: st.DrawFn, revision: int = 0) -> Entry:
    """An entry with everything in it, children in the order in which the store gives them back."""
    when = draw(st.none() | whens())
    series = when is not None and draw(st.booleans())
    found = draw(st.lists(dates, max_size=3, unique_by=lambda one: one.recurrence_id)) if series else []
    given = draw(st.lists(answers, max_size=4, unique_by=lambda one: (one.attendee, one.recurrence_id)))
    return an_entry(
        title=draw(texts),
        created=draw(instants),
        modified=draw(instants),
        description=draw(texts),
        location=draw(texts),
        when=when,
        rrule="FREQ=WEEKLY" if series else None,
        rdates=tuple(draw(st.lists(walls, max_size=2))) if series else (),
        sequence=draw(st.integers(0, 9)),
        state=draw(st.sampled_from(EntryState)),
        sender=draw(st.sampled_from(Sender)),
        invited=draw(st.booleans()),
        attendees=draw(people),
        occurrences=tuple(sorted(found, key=lambda one: one.recurrence_id)),
        answers=tuple(sorted(given, key=lambda one: (one.recurrence_id.isoformat() if one.recurrence_id else "", one.attendee))),
        telephone=draw(st.booleans()),
        remind=draw(st.booleans()),
        reminders=draw(st.none() | st.lists(spans, max_size=3).map(tuple)),
        password=draw(texts),
        revision=revision,
    )
