"""What a scheduling server's copy says that is new."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from daemon.core import sync
from daemon.core.itip import schedule_key
from daemon.core.model import AnswerSource, Component, Event, Guest, PartStat, When

NOW = datetime(2026, 11, 1, 8, tzinfo=UTC)
WHEN = When(start=datetime(2026, 12, 1, 9), zone="Europe/Berlin", duration=timedelta(hours=1))
SERIES = Component(
    uid="u",
    when=WHEN,
    rrule="FREQ=DAILY;COUNT=3",
    guests=(
        Guest(email="a@x.de", partstat=PartStat.ACCEPTED),
        Guest(email="b@x.de"),
        Guest(email="c@x.de", partstat=PartStat.DECLINED),
    ),
)


def a_date(recurrence_id: datetime, *, is_date: bool = False) -> Component:
    return Component(
        uid="u",
        when=WHEN,
        recurrence_id=recurrence_id,
        recurrence_id_is_date=is_date,
        guests=(Guest(email="a@x.de", partstat=PartStat.TENTATIVE),),
    )


def test_an_answer_that_was_not_there_after_our_write_is_new() -> None:
    """What stood there right after our write is no news: Cyrus and Xandikos keep ACCEPTED when the organizer moves the event."""
    base = (("a@x.de", "NEEDS-ACTION"), ("c@x.de", "DECLINED"))
    (answer,) = sync.new_answers(Event(components=(SERIES,)), base, now=NOW)
    assert (answer.attendee, answer.partstat, answer.source) == ("a@x.de", PartStat.ACCEPTED, AnswerSource.CALENDAR)
    assert answer.about == schedule_key(WHEN, SERIES.rrule, ())
    assert answer.recurrence_id is None
    assert answer.answered_at == NOW


def test_an_answer_about_the_old_time_says_so() -> None:
    """It crossed with a move of ours: the server's copy still has the time that was answered."""
    moved = replace(SERIES, when=replace(WHEN, start=datetime(2026, 12, 2, 9)))
    (answer, _) = sync.new_answers(Event(components=(moved,)), (), now=NOW)
    assert answer.about != schedule_key(WHEN, SERIES.rrule, ())


@pytest.mark.parametrize(
    "component",
    [
        pytest.param(a_date(datetime(2026, 12, 2, 9, tzinfo=ZoneInfo("Europe/Berlin"))), id="in the series' zone"),
        pytest.param(a_date(datetime(2026, 12, 2, 8, tzinfo=UTC)), id="in UTC"),
        pytest.param(a_date(datetime(2026, 12, 2, 9)), id="floating"),
        pytest.param(a_date(datetime(2026, 12, 2, 9), is_date=True), id="a date's name"),
    ],
)
def test_an_answer_to_one_date_is_named_by_its_original_wall_start(component: Component) -> None:
    event = Event(components=(SERIES, component))
    base = sync.partstats(Event(components=(SERIES,)))
    (answer,) = sync.new_answers(event, base, now=NOW)
    assert answer.recurrence_id == datetime(2026, 12, 2, 9)
    assert ("a@x.de|2026-12-02T09:00:00", "TENTATIVE") in sync.partstats(event)
    assert sync.new_answers(event, sync.partstats(event), now=NOW) == ()


def test_a_date_of_an_event_without_start_is_named_as_it_stands() -> None:
    bare = replace(SERIES, when=None, guests=())
    event = Event(components=(bare, a_date(datetime(2026, 12, 2, 9, tzinfo=UTC))))
    assert sync.partstats(event) == (("a@x.de|2026-12-02T09:00:00", "TENTATIVE"),)
