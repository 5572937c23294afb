"""Values that cannot be: refused at birth."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from daemon.core.calendars import Calendar, Link
from daemon.core.errors import ConfigProblem, Rejected, Unreachable
from daemon.core.journal import InboxMail, Line
from daemon.core.model import Answer, AnswerSource, Component, Entry, Event, Occurrence, PartStat, When

WALL = datetime(2026, 12, 1, 9)
NOW = datetime(2026, 11, 1, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def an_answer(**changes: object) -> Answer:
    given: dict[str, object] = {
        "attendee": "a@b.de",
        "recurrence_id": None,
        "partstat": PartStat.ACCEPTED,
        "source": AnswerSource.MAIL,
        "answered_at": NOW,
        "about": "x",
    }
    return Answer(**(given | changes))  # type: ignore[arg-type]


def a_calendar(**changes: object) -> Calendar:
    given: dict[str, object] = {"id": "1", "owner": "o", "name": "n", "kind": "caldav", "url": "u", "created": NOW}
    return Calendar(**(given | changes))  # type: ignore[arg-type]


def a_mail(**changes: object) -> InboxMail:
    given: dict[str, object] = {"id": "1", "message_id": "m", "digest": "d", "received": NOW, "outcome": "held", "reason": "r"}
    return InboxMail(**(given | changes))  # type: ignore[arg-type]


def an_entry(**changes: object) -> Entry:
    given: dict[str, object] = {"id": "1", "uid": "u", "owner": "o", "number": "1", "title": "t", "created": NOW, "modified": NOW}
    return Entry(**(given | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: When(start=NOW, zone="UTC", duration=HOUR), id="a start with a zone of its own"),
        pytest.param(lambda: When(start=WALL, zone="UTC", duration=-HOUR), id="a negative duration"),
        pytest.param(lambda: When(start=WALL, zone="UTC", duration=timedelta(days=1), all_day=True), id="all day from nine"),
        pytest.param(
            lambda: When(start=datetime(2026, 12, 1), zone="UTC", duration=HOUR, all_day=True), id="all day for an hour"
        ),
        pytest.param(lambda: Occurrence(recurrence_id=NOW), id="a name with a zone"),
        pytest.param(lambda: Occurrence(recurrence_id=WALL, start=NOW), id="a new start with a zone"),
        pytest.param(lambda: an_answer(answered_at=WALL), id="an answer at no known moment"),
        pytest.param(lambda: an_answer(answered_at=NOW.astimezone(ZoneInfo("Europe/Berlin"))), id="an answer not in UTC"),
        pytest.param(lambda: an_answer(dtstamp=WALL), id="a stamp without zone"),
        pytest.param(lambda: an_answer(recurrence_id=NOW), id="an answer to a name with a zone"),
        pytest.param(lambda: an_entry(created=WALL), id="made at no known moment"),
        pytest.param(lambda: an_entry(rrule="FREQ=DAILY"), id="a recurrence without a date"),
        pytest.param(lambda: a_calendar(created=WALL), id="a calendar made at no known moment"),
        pytest.param(lambda: a_calendar(checked=WALL), id="a calendar looked at at no known moment"),
        pytest.param(lambda: a_calendar(secret="hunter2"), id="a password in clear"),
        pytest.param(lambda: Link(entry="e", calendar="c", uid="u", changed_at=WALL), id="a link changed at no known moment"),
        pytest.param(lambda: Line(at=WALL, action="x", text="y"), id="a journal line at no known moment"),
        pytest.param(lambda: a_mail(received=WALL), id="a mail received at no known moment"),
        pytest.param(lambda: a_mail(recurrence_id=NOW), id="a mail about a name with a zone"),
        pytest.param(lambda: Event(components=()), id="an event of nothing"),
        pytest.param(lambda: Event(components=(Component(uid="1", when=None), Component(uid="2", when=None))), id="two UIDs"),
    ],
)
def test_a_value_that_cannot_be_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"must|all-day|without a date|one UID|never in clear"):
        make()


def test_good_values_are_made() -> None:
    when = When(start=WALL, zone="Europe/Berlin", duration=HOUR)
    assert an_answer(dtstamp=NOW, recurrence_id=WALL).dtstamp == NOW
    assert Occurrence(recurrence_id=WALL, start=WALL).start == WALL
    assert Occurrence(recurrence_id=WALL).start is None
    assert not an_entry(when=when).is_series
    assert an_entry(when=when, rdates=(WALL,)).is_series
    assert Event(components=(Component(uid="1", when=when),)).uid == "1"
    assert a_calendar(secret="enc:abc", checked=NOW).checked == NOW
    assert a_calendar(secret="ref:abc").checked is None
    assert Link(entry="e", calendar="c", uid="u", changed_at=NOW).dirty
    assert Line(at=NOW, action="x", text="y").at == NOW
    assert a_mail().recurrence_id is None
    assert a_mail(recurrence_id=WALL).recurrence_id == WALL


def test_errors_carry_what_the_daemon_acts_on() -> None:
    assert Unreachable("x", retry_after=HOUR, maybe_done=True).maybe_done
    assert Rejected("x", field="title").field == "title"
    assert str(ConfigProblem(("a", "b"))) == "a\nb"
