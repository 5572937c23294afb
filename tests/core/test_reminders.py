"""When the owner is reminded (design 4.5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.model import Entry, EntryState
from daemon.core.recurrence import Date, date_of
from daemon.core.reminders import Done, Fire, Mark, Suppress, Wait, decide
from daemon.core.zones import to_utc
from tests.core.builders import HOUR, START, WEEK, ZONE, a_series, a_when, an_entry, an_occurrence, nth

DAY, QUARTER, MINUTE = timedelta(days=1), timedelta(minutes=15), timedelta(minutes=1)
OFFSETS = (DAY, QUARTER)
BEGIN = to_utc(START, ZONE)


def at(week: int) -> datetime:
    """The instant at which a date of the series starts."""
    return to_utc(nth(week), ZONE)


def the(entry: Entry, week: int | None = None) -> Date:
    date = date_of(entry, None if week is None else nth(week))
    assert date is not None
    return date


def sent(offset: timedelta, *starts: datetime) -> tuple[Mark, ...]:
    return tuple(Mark(offset=offset, start=start, state="sent", reason="") for start in starts)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": EntryState.CANCELLED}, "is cancelled"),
        ({"state": EntryState.DELETED}, "is cancelled"),
        ({"when": None}, "has no date"),
        ({"remind": False}, "switched off"),
        ({"when": a_when(START - 52 * WEEK)}, "no date ahead"),
    ],
    ids=["cancelled", "deleted", "without date", "switched off", "over before it was entered"],
)
def test_nobody_is_reminded_of_what_will_not_be(changes: dict[str, Any], reason: str) -> None:
    decision = decide(replace(an_entry(), **changes), DAY, OFFSETS, (), BEGIN - HOUR)
    assert isinstance(decision, Done)
    assert reason in decision.reason


@pytest.mark.parametrize(
    ("offset", "shown"),
    [
        (2 * HOUR, "2 hours"),
        (DAY, "1 day"),
        (2 * DAY, "2 days"),
        (5 * MINUTE, "5 minutes"),
        (timedelta(seconds=90), "90 seconds"),
    ],
)
def test_an_offset_that_is_not_wanted_any_more_is_done(offset: timedelta, shown: str) -> None:
    decision = decide(an_entry(), offset, (QUARTER,), (), BEGIN - DAY)
    assert decision == Done(reason=f"No reminder {shown} before is wanted any more.")


@pytest.mark.parametrize("offset", OFFSETS, ids=["a day", "a quarter of an hour"])
def test_it_waits_until_due_fires_once_and_is_done(offset: timedelta) -> None:
    entry = an_entry()
    assert decide(entry, offset, OFFSETS, (), BEGIN - 3 * DAY) == Wait(until=BEGIN - offset)
    assert decide(entry, offset, OFFSETS, (), BEGIN - offset) == Fire(date=the(entry), wake=None)
    after = decide(entry, offset, OFFSETS, sent(offset, BEGIN), BEGIN - offset)
    assert isinstance(after, Done)


def test_marks_of_another_offset_do_not_count() -> None:
    assert isinstance(decide(an_entry(), QUARTER, OFFSETS, sent(DAY, BEGIN), BEGIN - QUARTER), Fire)


def test_the_daemon_was_down_when_it_was_due_so_it_fires_at_once() -> None:
    assert decide(an_entry(), DAY, OFFSETS, (), BEGIN - HOUR) == Fire(date=the(an_entry()), wake=None)


def test_of_several_overdue_reminders_of_one_date_only_the_nearest_fires() -> None:
    now, offsets = BEGIN - 5 * MINUTE, (DAY, HOUR, QUARTER)
    for offset in (DAY, HOUR):
        decision = decide(an_entry(), offset, offsets, (), now)
        assert decision == Suppress(
            date=the(an_entry()), reason="superseded by the reminder 15 minutes before, which is due as well", wake=None
        )
    assert isinstance(decide(an_entry(), QUARTER, offsets, (), now), Fire)


@pytest.mark.parametrize("late", [timedelta(0), MINUTE, timedelta(days=6)], ids=["to the second", "a minute", "days"])
def test_a_session_that_began_meanwhile_is_written_down_and_not_sent(late: timedelta) -> None:
    decision = decide(an_entry(), DAY, OFFSETS, (), BEGIN + late)
    reason = "the session began before the reminder could be sent (2027-01-11 09:00 UTC)"
    assert decision == Suppress(date=the(an_entry()), reason=reason, wake=None)


def test_what_began_more_than_a_week_ago_is_not_spoken_of() -> None:
    assert isinstance(decide(an_entry(), DAY, OFFSETS, (), BEGIN + 8 * DAY), Done)


def test_what_began_before_the_entry_was_made_is_not_spoken_of() -> None:
    entry = a_series(created=at(2) + MINUTE, modified=at(2) + MINUTE)
    assert decide(entry, DAY, OFFSETS, (), at(2) + HOUR) == Wait(until=at(3) - DAY)


def test_a_series_is_gone_through_date_by_date() -> None:
    entry, now, fired = a_series(), BEGIN - WEEK, []
    marks: tuple[Mark, ...] = ()
    while not isinstance(decision := decide(entry, DAY, OFFSETS, marks, now), Done):
        if isinstance(decision, Wait):
            assert decision.until > now
            now = decision.until
            continue
        assert isinstance(decision, Fire)
        fired.append((decision.date.start, now))
        marks = (*marks, *sent(DAY, decision.date.start))
        assert decision.wake is None or decision.wake == at(len(fired)) - DAY
    assert fired == [(at(week), at(week) - DAY) for week in range(6)]


def test_after_a_long_pause_each_missed_date_is_written_down_and_the_next_one_fires() -> None:
    entry = a_series(rrule="FREQ=DAILY;COUNT=10")
    now, decisions = BEGIN + 3 * DAY - HOUR, []
    marks: tuple[Mark, ...] = ()
    for _ in range(5):
        decision = decide(entry, HOUR, (HOUR,), marks, now)
        decisions.append(decision)
        if isinstance(decision, Wait):
            break
        assert not isinstance(decision, Done)
        marks = (*marks, *sent(HOUR, decision.date.start))
    assert [type(one) for one in decisions] == [Suppress, Suppress, Suppress, Fire, Wait]
    assert [one.wake for one in decisions[:4] if not isinstance(one, Wait | Done)] == [now, now, now, BEGIN + 4 * DAY - HOUR]


def test_a_date_that_moves_is_announced_again_and_one_that_moves_back_is_not() -> None:
    marks = sent(DAY, at(0), at(1))
    moved = a_series(an_occurrence(1, start=nth(1) + 2 * DAY))
    assert decide(moved, DAY, OFFSETS, marks, at(1) - 20 * HOUR) == Wait(until=at(1) + DAY)
    assert decide(moved, DAY, OFFSETS, marks, at(1) + DAY) == Fire(date=the(moved, 1), wake=at(2) - DAY)
    back = decide(a_series(), DAY, OFFSETS, (*marks, *sent(DAY, at(1) + 2 * DAY)), at(1) - 20 * HOUR)
    assert back == Wait(until=at(2) - DAY)


def test_a_session_that_moved_closer_is_announced_at_once() -> None:
    closer = an_entry(when=a_when(START - 5 * DAY))
    assert isinstance(decide(closer, DAY, OFFSETS, (), BEGIN - 5 * DAY - HOUR), Fire)


def test_a_date_that_moved_into_the_past_is_settled_once_a_later_one_was_announced() -> None:
    entry = a_series(an_occurrence(2, start=nth(0) - HOUR))
    assert decide(entry, DAY, OFFSETS, sent(DAY, at(0)), at(0) + MINUTE) == Wait(until=at(1) - DAY)


def test_a_cancelled_date_is_written_down_when_it_would_have_been_due() -> None:
    entry = a_series(an_occurrence(0, cancelled=True))
    assert decide(entry, DAY, OFFSETS, (), BEGIN - 2 * DAY) == Wait(until=BEGIN - DAY)
    assert decide(entry, DAY, OFFSETS, (), BEGIN - DAY) == Suppress(
        date=the(entry, 0), reason="the date was cancelled", wake=at(1) - DAY
    )


def test_of_a_cancelled_date_and_one_moved_to_its_time_the_owner_is_reminded() -> None:
    entry = a_series(an_occurrence(1, cancelled=True), an_occurrence(2, start=nth(1)))
    assert decide(entry, DAY, OFFSETS, sent(DAY, at(0)), at(1) - DAY) == Fire(date=the(entry, 2), wake=at(3) - DAY)


@pytest.mark.parametrize(
    ("start", "due"),
    [
        (datetime(2027, 3, 28, 10), datetime(2027, 3, 27, 8, tzinfo=UTC)),
        (datetime(2027, 10, 31, 10), datetime(2027, 10, 30, 9, tzinfo=UTC)),
    ],
    ids=["spring", "autumn"],
)
def test_an_offset_is_elapsed_time_over_a_clock_change(start: datetime, due: datetime) -> None:
    assert decide(an_entry(when=a_when(start)), DAY, OFFSETS, (), due - timedelta(seconds=1)) == Wait(until=due)


def test_a_mark_names_an_instant() -> None:
    with pytest.raises(ValueError, match="start must be an aware UTC time"):
        Mark(offset=DAY, start=START, state="sent", reason="")


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=6),
    st.sets(st.integers(0, 5), max_size=3),
    st.dictionaries(st.integers(0, 5), st.integers(-100, 100), max_size=3),
)
def test_each_start_is_announced_at_most_once_and_never_late(
    steps: list[int], cancelled: set[int], moved: dict[int, int]
) -> None:
    """However irregularly the rows are looked at: no mail for a session that began or is off, and never two for one start."""
    special = [an_occurrence(week, cancelled=True) for week in cancelled]
    special += [an_occurrence(week, start=nth(week) + hours * HOUR) for week, hours in moved.items() if week not in cancelled]
    entry, now = a_series(*special), BEGIN - 5 * DAY
    marks: tuple[Mark, ...] = ()
    fired = []
    for step in steps:
        now += step * 5 * HOUR
        for offset in OFFSETS:
            while isinstance(decision := decide(entry, offset, OFFSETS, marks, now), Fire | Suppress):
                if isinstance(decision, Fire):
                    assert decision.date.start - offset <= now < decision.date.start
                    assert not decision.date.cancelled
                    fired.append((offset, decision.date.start))
                state = "sent" if isinstance(decision, Fire) else "suppressed"
                marks = (*marks, Mark(offset=offset, start=decision.date.start, state=state, reason=""))
            assert not isinstance(decision, Wait) or decision.until > now
    assert len(fired) == len(set(fired))
