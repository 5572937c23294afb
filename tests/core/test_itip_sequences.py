"""SEQUENCE, the key of a schedule, and where attendees stand (RFC 5546 2.1.4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.itip import covers, key_of, schedule_key, standing, with_sequences
from daemon.core.model import Answer, Entry, EntryState, Occurrence, PartStat, When
from daemon.core.zones import span
from tests.core.builders import (
    ANNA,
    BEN,
    CLARA,
    HOUR,
    START,
    WEEK,
    a_series,
    a_when,
    an_answer,
    an_attendee,
    an_entry,
    an_occurrence,
    answered,
    nth,
)

ACCEPTED, DECLINED, NEEDS_ACTION = PartStat.ACCEPTED, PartStat.DECLINED, PartStat.NEEDS_ACTION


def edited(before: Entry, **changes: Any) -> Entry:
    return with_sequences(before, replace(before, **changes))


# The key of a schedule


def test_the_keys_of_stored_answers_stay_the_same_in_every_release() -> None:
    """They stand in databases: another text would ask everybody again."""
    assert schedule_key(None, None, ()) == "undated"
    assert key_of(an_entry()) == "11814a7d059489e7"
    assert key_of(a_series()) == "ce4f5e6f7ed580a5:c6"
    assert key_of(a_series(rrule="FREQ=WEEKLY;UNTIL=20270215T090000Z")) == "ce4f5e6f7ed580a5:u20270215T090000Z"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (an_entry(), an_entry(when=a_when(zone="Arctic/Longyearbyen"))),
        (an_entry(), an_entry(when=a_when(datetime(2027, 1, 11, 9), zone="UTC"))),
        (an_entry(), an_entry(title="x", location="y", description="z")),
        (a_series(), a_series(rrule="COUNT=6;FREQ=WEEKLY")),
        (a_series(rrule="FREQ=WEEKLY;BYDAY=MO,TU"), a_series(rrule="FREQ=WEEKLY;BYDAY=TU,MO")),
        (a_series(rrule="", rdates=(nth(2), nth(1))), a_series(rrule="", rdates=(nth(1), nth(2)))),
        (
            an_entry(when=a_when(datetime(2027, 1, 11), all_day=True, duration=timedelta(days=1))),
            an_entry(when=a_when(datetime(2027, 1, 11), all_day=True, duration=timedelta(days=1), zone="UTC")),
        ),
    ],
    ids=[
        "zone alias",
        "same instant in UTC",
        "other words",
        "order of parts",
        "order of days",
        "order of dates",
        "all day anywhere",
    ],
)
def test_another_spelling_is_the_same_schedule(one: Entry, other: Entry) -> None:
    assert key_of(one) == key_of(other)


@pytest.mark.parametrize(
    "other",
    [
        an_entry(when=a_when(START + HOUR)),
        an_entry(when=a_when(duration=2 * HOUR)),
        an_entry(when=None),
        an_entry(when=a_when(datetime(2027, 1, 11), all_day=True, duration=timedelta(days=1))),
        a_series(),
        a_series(rrule="FREQ=DAILY;COUNT=6"),
        a_series(when=a_when(zone="America/New_York")),
        a_series(when=a_when(zone="Europe/London")),
        a_series(rrule="", rdates=(nth(1),)),
        a_series(rrule="", rdates=(nth(2),)),
    ],
    ids=["start", "duration", "no date", "all day", "a series", "a rule", "a zone", "another zone", "dates", "other dates"],
)
def test_another_time_is_another_schedule(other: Entry) -> None:
    assert key_of(other) != key_of(an_entry())
    assert key_of(other).partition(":")[0] != key_of(a_series()).partition(":")[0] or other == a_series()


@pytest.mark.parametrize(
    ("asked", "now", "holds"),
    [
        ("COUNT=6", "COUNT=6", True),
        ("COUNT=6", "COUNT=4", True),
        ("COUNT=9", "COUNT=10", False),
        ("", "COUNT=4", True),
        ("", "UNTIL=20270215T090000Z", True),
        ("COUNT=6", "", False),
        ("UNTIL=20270215T090000Z", "", False),
        ("UNTIL=20270215T090000Z", "UNTIL=20270208T090000Z", True),
        ("UNTIL=20270215T090000Z", "UNTIL=20270301T090000Z", False),
        ("UNTIL=20270215", "UNTIL=20270208", True),
        ("COUNT=6", "UNTIL=20270215T090000Z", False),
    ],
)
def test_an_answer_holds_for_a_series_made_shorter_but_not_longer(asked: str, now: str, holds: bool) -> None:
    keys = [key_of(a_series(rrule=f"FREQ=WEEKLY;{end}")) for end in (asked, now)]
    assert covers(*keys) is holds


def test_an_answer_about_another_schedule_never_holds() -> None:
    assert not covers(key_of(an_entry()), key_of(a_series()))


# Where attendees stand


def test_who_said_nothing_needs_action_and_is_not_outdated() -> None:
    now = standing(an_entry(), ANNA)
    assert (now.partstat, now.answer, now.outdated) == (NEEDS_ACTION, None, False)


def test_an_answer_counts_until_the_session_moves_and_again_when_it_moves_back() -> None:
    entry = answered(an_entry(), an_answer(an_entry()))
    moved = replace(entry, when=a_when(START + HOUR))
    assert standing(entry, ANNA).partstat is ACCEPTED
    assert (standing(moved, ANNA).partstat, standing(moved, ANNA).outdated) == (NEEDS_ACTION, True)
    assert standing(moved, ANNA).answer == entry.answers[0]
    assert standing(replace(moved, when=a_when()), ANNA).partstat is ACCEPTED
    assert standing(entry, BEN).answer is None


MOVED = an_occurrence(1, start=nth(1) + HOUR, sequence=1)
SERIES = a_series(MOVED, an_occurrence(2, title="Sondersitzung"), an_occurrence(3, cancelled=True, sequence=1))


@pytest.mark.parametrize(
    ("answers", "week", "partstat", "outdated"),
    [
        ([], 0, NEEDS_ACTION, False),
        ([], 1, NEEDS_ACTION, False),
        ([an_answer(SERIES)], 0, ACCEPTED, False),
        ([an_answer(SERIES)], 2, ACCEPTED, False),
        ([an_answer(SERIES)], 3, ACCEPTED, False),
        ([an_answer(SERIES)], 1, NEEDS_ACTION, True),
        ([an_answer(SERIES, partstat=DECLINED, recurrence_id=nth(1))], 1, DECLINED, False),
        ([an_answer(SERIES), an_answer(SERIES, partstat=DECLINED, recurrence_id=nth(0))], 0, DECLINED, False),
        ([an_answer(SERIES), an_answer(a_series(), recurrence_id=nth(1))], 1, NEEDS_ACTION, True),
        ([an_answer(SERIES), an_answer(SERIES, recurrence_id=nth(2), about="old")], 2, ACCEPTED, False),
        ([an_answer(SERIES, recurrence_id=nth(2), about="old")], 2, NEEDS_ACTION, True),
        ([an_answer(SERIES, about="old")], 2, NEEDS_ACTION, True),
    ],
    ids=[
        "silence",
        "silence about a moved date",
        "the series' answer for a plain date",
        "the series' answer for a renamed date",
        "the series' answer for a cancelled date",
        "the series' answer before a date was moved",
        "an answer to the moved date",
        "an answer to one date beats the series'",
        "an answer to the date before it was moved",
        "an old answer to a date, a new one to the series",
        "an old answer to a date alone",
        "an old answer to the series",
    ],
)
def test_standing_of_one_date(answers: list[Answer], week: int, partstat: PartStat, outdated: bool) -> None:
    now = standing(answered(SERIES, *answers), ANNA, nth(week))
    assert (now.partstat, now.outdated) == (partstat, outdated)
    assert now.answer is not None or not answers


def test_a_date_of_an_entry_without_date_stands_like_the_entry() -> None:
    assert standing(an_entry(when=None), ANNA, START).partstat is NEEDS_ACTION


# SEQUENCE of the entry


def test_a_new_entry_keeps_its_sequence() -> None:
    assert with_sequences(None, an_entry(sequence=3)).sequence == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"when": a_when(START + HOUR)},
        {"when": a_when(duration=2 * HOUR)},
        {"when": None},
        {"rrule": "FREQ=WEEKLY;COUNT=6"},
        {"rdates": (nth(1),)},
        {"location": "Saal 2"},
        {"state": EntryState.CANCELLED},
        {"state": EntryState.DELETED},
    ],
    ids=["start", "duration", "no date", "rule", "dates", "place", "cancelled", "deleted"],
)
def test_what_calendars_must_notice_raises_sequence_by_one(changes: dict[str, Any]) -> None:
    assert edited(an_entry(sequence=2), **changes).sequence == 3


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"title": "x"},
        {"description": "x"},
        {"attendees": (an_attendee(CLARA),)},
        {"answers": (an_answer(an_entry()),)},
        {"telephone": True},
        {"password": "x"},
        {"reminders": (HOUR,)},
        {"remind": False},
        {"when": a_when(zone="Arctic/Longyearbyen")},
        {"when": a_when(datetime(2027, 1, 11, 9), zone="UTC")},
    ],
    ids=lambda changes: ", ".join(changes) or "nothing",
)
def test_what_nobody_has_to_answer_keeps_sequence(changes: dict[str, Any]) -> None:
    after = replace(an_entry(sequence=2), **changes)
    assert with_sequences(an_entry(sequence=2), after) == after


def test_a_series_in_another_zone_has_another_sequence_even_at_the_same_instant() -> None:
    assert edited(a_series(), when=a_when(datetime(2027, 1, 11, 9), zone="UTC")).sequence == 1


def test_a_first_date_is_no_change_of_a_date() -> None:
    assert edited(an_entry(when=None), when=a_when()).sequence == 0


def test_taking_up_a_cancelled_entry_raises_sequence_and_deleting_it_does_not() -> None:
    cancelled = an_entry(state=EntryState.CANCELLED, sequence=1)
    assert edited(cancelled, state=EntryState.PLANNED).sequence == 2
    assert edited(cancelled, state=EntryState.DELETED).sequence == 1


@pytest.mark.parametrize(("given", "expected"), [(0, 3), (3, 3), (7, 7)], ids=["lower", "raised by the editor", "further"])
def test_a_sequence_that_came_with_the_edit_is_kept_if_it_is_great_enough(given: int, expected: int) -> None:
    """A calendar server raises SEQUENCE itself; SOGo does it twice."""
    assert edited(an_entry(sequence=2), when=a_when(START + HOUR), sequence=given).sequence == expected


# SEQUENCE of dates


@pytest.mark.parametrize(
    ("before", "after", "sequence"),
    [
        (None, an_occurrence(start=nth(1) + HOUR), 3),
        (None, an_occurrence(duration=2 * HOUR), 3),
        (None, an_occurrence(location="Saal 2"), 3),
        (None, an_occurrence(cancelled=True), 3),
        (None, an_occurrence(title="x"), 2),
        (None, an_occurrence(attendees=(an_attendee(),)), 2),
        (an_occurrence(cancelled=True, sequence=5), an_occurrence(sequence=5), 6),
        (an_occurrence(start=nth(1) + HOUR, sequence=5), an_occurrence(start=nth(1), sequence=5, title="x"), 6),
        (an_occurrence(start=nth(1) + HOUR, sequence=1), an_occurrence(start=nth(1) + 2 * HOUR, sequence=1), 3),
        (an_occurrence(title="x", sequence=5), an_occurrence(title="y", sequence=4), 5),
        (an_occurrence(title="x", sequence=5), an_occurrence(start=nth(1), title="x", sequence=5), 5),
        (an_occurrence(title="x", sequence=5), an_occurrence(title="x", sequence=5), 5),
    ],
    ids=[
        "moved",
        "longer",
        "elsewhere",
        "cancelled",
        "renamed",
        "own list",
        "taken up again",
        "moved back",
        "moved on",
        "renamed again",
        "same time said aloud",
        "untouched",
    ],
)
def test_sequence_of_one_date_goes_beyond_itself_and_the_series(
    before: Occurrence | None, after: Occurrence, sequence: int
) -> None:
    entry = edited(a_series(*([before] if before else []), sequence=2), occurrences=(after,))
    assert entry.occurrences == (replace(after, sequence=sequence),)
    assert entry.sequence == 2


@pytest.mark.parametrize(
    ("before", "left"),
    [
        (an_occurrence(cancelled=True, sequence=2), (an_occurrence(sequence=3),)),
        (an_occurrence(title="x", sequence=2), ()),
        (an_occurrence(title="x", sequence=5), (an_occurrence(sequence=5),)),
    ],
    ids=["cancelled before", "renamed before", "renamed, with a history"],
)
def test_a_date_that_is_as_the_series_again_remembers_its_sequence(before: Occurrence, left: tuple[Occurrence, ...]) -> None:
    assert edited(a_series(before, sequence=2), occurrences=()).occurrences == left


# Moving a series


def test_when_a_series_moves_its_dates_and_answers_follow() -> None:
    before = a_series(
        an_occurrence(1, cancelled=True, sequence=4),
        an_occurrence(2, start=nth(2) + timedelta(days=1), sequence=1),
        an_occurrence(3, title="Sondersitzung"),
        an_occurrence(4, start=nth(4) + HOUR, duration=2 * HOUR, sequence=1),
    )
    before = answered(
        before, an_answer(before), an_answer(before, recurrence_id=nth(2)), an_answer(before, BEN, recurrence_id=nth(0))
    )
    after = edited(before, when=a_when(START + HOUR))
    assert after.sequence == 1
    assert after.occurrences == (
        Occurrence(recurrence_id=nth(1) + HOUR, cancelled=True, sequence=4),
        Occurrence(recurrence_id=nth(2) + HOUR, start=nth(2) + timedelta(days=1), sequence=1),
        Occurrence(recurrence_id=nth(3) + HOUR, title="Sondersitzung", sequence=1),
        Occurrence(recurrence_id=nth(4) + HOUR, duration=2 * HOUR, sequence=1),
    )
    assert [one.recurrence_id for one in after.answers] == [None, nth(2) + HOUR, nth(0) + HOUR]
    assert standing(after, ANNA, nth(2) + HOUR).partstat is ACCEPTED, "that date is where it was"
    assert standing(after, BEN, nth(0) + HOUR).outdated
    back = edited(after, when=a_when())
    assert standing(back, BEN, nth(0)).partstat is ACCEPTED


def test_a_moved_date_keeps_its_instant_when_the_series_changes_zone() -> None:
    before = a_series(an_occurrence(2, start=datetime(2027, 1, 26, 15, 0), sequence=1))
    (one,) = edited(before, when=a_when(zone="America/New_York")).occurrences
    assert (one.recurrence_id, one.start) == (nth(2), datetime(2027, 1, 26, 9, 0))


def test_dates_that_are_no_dates_any_more_go_and_the_series_becomes_newer_than_they_were() -> None:
    before = a_series(an_occurrence(1, title="x"), an_occurrence(5, cancelled=True, sequence=7), sequence=2)
    after = edited(before, rrule="FREQ=WEEKLY;COUNT=4")
    assert after.sequence == 8
    assert after.occurrences == (an_occurrence(1, title="x", sequence=8),)


def test_a_series_that_becomes_a_single_entry_or_loses_its_date_has_no_dates_of_its_own() -> None:
    before = a_series(an_occurrence(1, cancelled=True, sequence=1), answers=(an_answer(a_series(), recurrence_id=nth(1)),))
    assert edited(before, rrule=None).occurrences == ()
    undated = edited(before, when=None, rrule=None, occurrences=())
    assert (undated.sequence, undated.occurrences, undated.answers) == (2, (), before.answers)


def test_an_entry_that_gets_a_series_takes_its_dates_as_given() -> None:
    after = edited(an_entry(when=None), when=a_when(), rrule="FREQ=WEEKLY;COUNT=6", occurrences=(an_occurrence(1, title="x"),))
    assert after.occurrences == (an_occurrence(1, title="x"),)


def test_dates_that_come_new_with_a_moved_series_have_its_names() -> None:
    """A calendar hands both over at once: the moved series and a date that was changed in it."""
    before = a_series(an_occurrence(0, cancelled=True, sequence=1), an_occurrence(1, title="x"))
    given = Occurrence(recurrence_id=nth(1) + WEEK, title="y")
    before = answered(before, an_answer(before, recurrence_id=nth(1)))
    fresh = an_answer(before, partstat=DECLINED, recurrence_id=nth(2))
    after = edited(
        before,
        when=a_when(START + WEEK),
        occurrences=(before.occurrences[0], given),
        answers=(*before.answers, fresh),
    )
    assert after.occurrences == (
        an_occurrence(1, cancelled=True, sequence=1),
        replace(given, sequence=1),
    )
    assert after.answers == (fresh,)


def test_dates_of_a_series_that_becomes_all_day_keep_their_day() -> None:
    before = a_series(
        an_occurrence(1, cancelled=True), an_occurrence(2, start=nth(2) + timedelta(days=1, hours=3), duration=2 * HOUR)
    )
    days = a_when(datetime(2027, 1, 11), all_day=True, duration=timedelta(days=1))
    after = edited(before, when=days)
    assert [(one.recurrence_id, one.start, one.duration) for one in after.occurrences] == [
        (datetime(2027, 1, 18), None, None),
        (datetime(2027, 1, 25), datetime(2027, 1, 26), None),
    ]
    back = edited(after, when=a_when())
    assert [(one.recurrence_id, one.start) for one in back.occurrences] == [
        (nth(1), None),
        (nth(2), nth(2) + timedelta(days=1)),
    ]
    shifted = edited(after, when=replace(days, zone="UTC", start=datetime(2027, 1, 12)))
    assert [one.cancelled for one in shifted.occurrences] == [True], "the series now stands where the other date was moved to"


def entries() -> st.SearchStrategy[Entry]:
    starts = st.integers(-5, 5).map(lambda hours: START + hours * HOUR)
    rules = st.sampled_from([None, "FREQ=WEEKLY;COUNT=6", "FREQ=WEEKLY;COUNT=3", "FREQ=DAILY;COUNT=20", "FREQ=WEEKLY"])
    when = st.builds(
        When, start=starts, zone=st.sampled_from(["Europe/Berlin", "UTC"]), duration=st.sampled_from([HOUR, 2 * HOUR])
    )

    @st.composite
    def build(draw: st.DrawFn) -> Entry:
        drawn, rule = draw(when), draw(rules)
        names = draw(st.sets(st.integers(0, 5), max_size=3)) if rule else set()
        occurrences = tuple(
            Occurrence(
                recurrence_id=drawn.start + week * WEEK,
                cancelled=draw(st.booleans()),
                start=draw(st.none() | starts.map(lambda start, week=week: start + week * WEEK)),
                title=draw(st.sampled_from([None, "x"])),
                sequence=draw(st.integers(0, 3)),
            )
            for week in sorted(names)
        )
        return an_entry(
            when=drawn,
            rrule=rule,
            occurrences=occurrences,
            sequence=draw(st.integers(0, 3)),
            state=draw(st.sampled_from(EntryState)),
            location=draw(st.sampled_from(["", "Saal"])),
        )

    return build()


@given(st.lists(entries(), min_size=2, max_size=5), st.booleans())
def test_no_sequence_ever_decreases_whatever_is_edited(versions: list[Entry], keeps_dates: bool) -> None:
    """Over many edits: the series' number never falls, nor that of any date ever seen under one name."""
    entry, highest = versions[0], {one.recurrence_id: one.sequence for one in versions[0].occurrences}
    for version in versions[1:]:
        after = version if not keeps_dates or not version.is_series else replace(version, occurrences=entry.occurrences)
        result = with_sequences(entry, after)
        assert result.sequence >= max(entry.sequence, after.sequence)
        for one in result.occurrences:
            if key_of(result) == key_of(entry):
                assert one.sequence >= highest.get(one.recurrence_id, 0)
            highest[one.recurrence_id] = max(one.sequence, highest.get(one.recurrence_id, 0))
        entry = result


@given(entries())
def test_an_edit_that_changes_nothing_raises_nothing(entry: Entry) -> None:
    again = with_sequences(entry, entry)
    assert again.sequence == entry.sequence
    assert all(one in entry.occurrences for one in again.occurrences)


@given(entries(), entries())
def test_a_moved_date_never_changes_its_instant_when_its_series_moves(before: Entry, after: Entry) -> None:
    assert after.when is not None
    instants = {
        span(replace(a_when(), start=one.start, zone=before.when.zone))[0]
        for one in before.occurrences
        if one.start and before.when
    }
    result = with_sequences(before, replace(after, occurrences=before.occurrences if after.is_series else ()))
    for one in result.occurrences:
        if one.start is not None:
            assert span(replace(after.when, start=one.start))[0] in instants
