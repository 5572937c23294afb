"""What the benchmarks act on: a manual clock, a desk, an owner, entries with attendees."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from daemon.core.model import Attendee, Entry, Language, Organizer, Owner, When
from daemon.planner.wishes import Desk, Rules
from tests.clock import ManualClock

NOW = datetime(2027, 3, 1, 8, 0, tzinfo=UTC)
PLANNER = "planner@example.test"

DESCRIPTION = """Wir gehen die Zahlen des vierten Quartals durch.

1. Rückblick
2. Offene Posten
3. Planung für das nächste Jahr"""


def a_desk(clock: ManualClock) -> Desk:
    return Desk(clock=clock, rules=Rules(organizer=Organizer(email=PLANNER, name="Sitzungsplaner")))


def an_owner() -> Owner:
    return Owner(id="owner", email="anna@example.test", name="Anna Müller", language=Language.DE, created=NOW)


def some_attendees(count: int) -> tuple[Attendee, ...]:
    return tuple(Attendee(email=f"gast{number}@kunde.test", name=f"Gast Nummer {number}") for number in range(count))


def an_entry(number: int, attendees: tuple[Attendee, ...]) -> Entry:
    """An invited session of an hour, at another date for each number."""
    start = datetime(2027, 4, 1, 9) + timedelta(days=number % 250)
    return Entry(
        id=f"entry{number}",
        uid=f"{number:032x}@example.test",
        owner="owner",
        number=f"{500_000_000 + number}",
        title=f"Quartalsgespräch {number}",
        description=DESCRIPTION,
        when=When(start=start, zone="Europe/Berlin", duration=timedelta(hours=1)),
        attendees=attendees,
        invited=True,
        created=NOW,
        modified=NOW,
    )
