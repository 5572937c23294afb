"""Builders of values for tests: whole by default, each argument one deviation.

The sample is a series of weekly sessions on Mondays at 10:00 in Berlin, or the first of them alone. `NOW` is weeks before it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from daemon.core.delivery import Sent
from daemon.core.event import Dress
from daemon.core.ics import Parsed
from daemon.core.itip import after_sending, key_of, next_dtstamp, owed, schedule_key
from daemon.core.itip_sequences import when_of
from daemon.core.model import (
    Answer,
    AnswerSource,
    Attendee,
    Component,
    Entry,
    Guest,
    Language,
    Method,
    Occurrence,
    Organizer,
    Owner,
    PartStat,
    When,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
START = datetime(2027, 1, 11, 10, 0)
WEEK = timedelta(days=7)
HOUR = timedelta(hours=1)
ZONE = "Europe/Berlin"
UID = "5f0c0b9e-7a51-4f7e-9d62-0f4a9a3f1c11@sitzung.example.org"
ANNA, BEN, CLARA = "anna@example.org", "ben@example.com", "clara@example.net"

ORGANIZER = Organizer(email="sitzung@planner.example.org", name="Petra Planer")
DRESS = Dress(number="524644200", link="https://meet.example.org/524644200", dial_in="+49 30 1234567", language=Language.DE)


def an_owner(**changes: Any) -> Owner:
    """Petra, who writes German and lives in Berlin."""
    return replace(Owner(id="o1", email="petra@example.org", created=NOW, name="Petra Planer"), **changes)


def an_attendee(email: str = ANNA, name: str = "", **changes: Any) -> Attendee:
    return replace(Attendee(email=email, name=name or email.partition("@")[0].capitalize()), **changes)


def a_when(start: datetime = START, *, zone: str = ZONE, duration: timedelta = HOUR, all_day: bool = False) -> When:
    return When(start=start, zone=zone, duration=duration, all_day=all_day)


def an_entry(**changes: Any) -> Entry:
    """A single session with Anna and Ben, invited."""
    entry = Entry(
        id="e1",
        uid=UID,
        owner="o1",
        number="524644200",
        title="Haushaltsausschuss",
        description="Bitte Zahlen mitbringen.",
        created=NOW - timedelta(days=30),
        modified=NOW - timedelta(days=30),
        when=a_when(),
        invited=True,
        attendees=(an_attendee(ANNA), an_attendee(BEN)),
    )
    return replace(entry, **changes)


def a_series(*occurrences: Occurrence, rrule: str = "FREQ=WEEKLY;COUNT=6", **changes: Any) -> Entry:
    """Six Mondays (11 January to 15 February 2027) with Anna and Ben, invited."""
    return an_entry(rrule=rrule, occurrences=occurrences, **changes)


def nth(week: int) -> datetime:
    """The name (original wall start) of a date of the series, counted from 0."""
    return START + week * WEEK


def an_occurrence(week: int = 1, **changes: Any) -> Occurrence:
    return Occurrence(recurrence_id=nth(week), **changes)


def an_answer(
    entry: Entry,
    email: str = ANNA,
    partstat: PartStat = PartStat.ACCEPTED,
    *,
    recurrence_id: datetime | None = None,
    answered_at: datetime = NOW,
    **changes: Any,
) -> Answer:
    """An answer by mail to the schedule that the entry (or its date) has now."""
    about = key_of(entry) if recurrence_id is None else schedule_key(when_of(entry, recurrence_id), None, ())
    answer = Answer(
        attendee=email,
        recurrence_id=recurrence_id,
        partstat=partstat,
        source=AnswerSource.MAIL,
        answered_at=answered_at,
        about=about,
        sequence=entry.sequence,
        dtstamp=answered_at,
    )
    return replace(answer, **changes)


def answered(entry: Entry, *answers: Answer) -> Entry:
    return replace(entry, answers=(*entry.answers, *answers))


def a_reply(
    partstat: PartStat = PartStat.ACCEPTED,
    email: str = ANNA,
    *,
    sequence: int | None = 0,
    dtstamp: datetime | None = NOW,
    recurrence_id: datetime | None = None,
    guests: tuple[Guest, ...] | None = None,
    **changes: Any,
) -> Component:
    """One VEVENT of a REPLY, as Outlook sends it: no ORGANIZER, only the sender's own ATTENDEE."""
    component = Component(
        uid=UID,
        when=None,
        sequence=sequence or 0,
        sequence_given=sequence is not None,
        recurrence_id=recurrence_id,
        guests=(Guest(email=email, partstat=partstat),) if guests is None else guests,
        dtstamp=dtstamp,
    )
    return replace(component, **changes)


def parsed(*components: Component, method: Method | None = Method.REPLY, method_text: str = "") -> Parsed:
    return Parsed(method=method, method_text=method_text or (method or ""), components=components, problems=())


def told(entry: Entry, attendee: str = ANNA, sent: Sent | None = None, *, now: datetime = NOW, dress: Dress = DRESS) -> Sent:
    """What the attendee knows once everything owed to him was sent. Something must be owed."""
    messages = owed(entry, attendee, sent, organizer=ORGANIZER, dress=dress, now=now)
    for number, message in enumerate(messages):
        stamp = next_dtstamp(sent, now)
        sent = after_sending(
            sent, entry, attendee, message, dtstamp=stamp, message_id=f"<{number}.{stamp:%Y%m%dT%H%M%S}@example.org>"
        )
    assert messages
    assert sent is not None
    return sent
