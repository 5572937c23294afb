"""Three-way merge: what each side changed arrives at the other, contradictions are settled and told, what is ours is repaired."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from daemon.core.event import with_block
from daemon.core.merge import Merged, Rule, merge, side_here, side_there, written_back
from daemon.core.merge_base import base_from_json, base_of, base_to_json
from daemon.core.merge_marks import OWNERS, Field, Key
from daemon.core.merge_wishes import Wish
from daemon.core.merge_words import Winner
from daemon.core.model import Attendee, Entry, Event, Guest, PartStat, Role, Sender, Status
from daemon.core.sync_table import Side
from tests.core.builders import (
    ANNA,
    BEN,
    CLARA,
    DRESS,
    HOUR,
    ORGANIZER,
    START,
    WEEK,
    ZONE,
    a_series,
    a_when,
    an_answer,
    an_attendee,
    an_entry,
    an_occurrence,
    answered,
    nth,
)
from tests.core.merge_world import MINE, Calendar, World, event_of, in_utc, own_text, owned, stored

CAROL = Guest(email="carol@example.org", name="Carol", role=Role.OPT_PARTICIPANT)
DAY = timedelta(days=1)


def fields(merged: Merged) -> list[Field]:
    return [key.field for key in merged.writes]


def settled(world: World) -> None:
    """Both sides say the same, and the next run plans nothing."""
    assert owned(event_of(world.entry)) == owned(world.event)
    assert world.merged() == Merged()


def test_every_field_has_one_owner() -> None:
    assert set(OWNERS) == set(Field)


@pytest.mark.parametrize("entry", [an_entry(), a_series(an_occurrence(1, cancelled=True), an_occurrence(2, title="x"))])
def test_nothing_changed_is_nothing_to_do(entry: Entry) -> None:
    settled(World(entry))


# One side changed


@pytest.mark.parametrize(
    ("edit", "wish"),
    [
        pytest.param(Calendar.whole(title=" Neuer  Titel "), Wish(title="Neuer Titel"), id="title"),
        pytest.param(Calendar.text("Anders."), Wish(description="Anders."), id="text"),
        pytest.param(Calendar.whole(location="Saal 1"), Wish(location="Saal 1"), id="place"),
        pytest.param(
            Calendar.moved(DAY, duration=2 * HOUR),
            Wish(start=START + DAY, zone=ZONE, duration=2 * HOUR, all_day=False),
            id="time",
        ),
        pytest.param(
            Calendar.whole(when=a_when(START, zone="America/New_York")),
            Wish(start=START, zone="America/New_York", duration=HOUR, all_day=False),
            id="zone",
        ),
        pytest.param(
            Calendar.whole(when=a_when(START.replace(hour=0), duration=DAY, all_day=True)),
            Wish(start=START.replace(hour=0), zone=ZONE, duration=DAY, all_day=True),
            id="all day",
        ),
        pytest.param(Calendar.whole(rrule="FREQ=WEEKLY;COUNT=3"), Wish(rrule="FREQ=WEEKLY;COUNT=3"), id="a series now"),
        pytest.param(Calendar.whole(rdates=(nth(1),)), Wish(rdates=(nth(1),)), id="a date added"),
        pytest.param(
            Calendar.people(add=(CAROL,)),
            Wish(invited=(Attendee(email=CAROL.email, name="Carol", role=Role.OPT_PARTICIPANT),)),
            id="a person added",
        ),
        pytest.param(Calendar.people(remove=(BEN,)), Wish(uninvited=(BEN,)), id="a person removed"),
        pytest.param(
            Calendar.people(remove=(BEN,), add=(Guest(email=BEN, name="Ben", role=Role.OPT_PARTICIPANT),)),
            Wish(invited=(an_attendee(BEN, role=Role.OPT_PARTICIPANT),)),
            id="a person need not come",
        ),
    ],
)
def test_a_change_in_the_calendar_becomes_a_wish(edit: Callable[[Event], Event], wish: Wish) -> None:
    world = World(an_entry())
    world.calendar(edit)
    merged = world.run()
    assert (merged.wishes, merged.contradictions, merged.notes, merged.held) == ((wish,), (), (), False)
    settled(world)


@pytest.mark.parametrize("entry", [a_series(), a_series(an_occurrence(2, cancelled=True), an_occurrence(3, start=nth(3) + HOUR))])
@pytest.mark.parametrize(
    ("edit", "wish"),
    [
        pytest.param(Calendar.off(nth(1)), Wish(cancelled=True), id="deleted"),
        pytest.param(Calendar.date(nth(1), start=nth(1) + HOUR), Wish(start=nth(1) + HOUR, duration=HOUR), id="moved"),
        pytest.param(Calendar.date(nth(1), duration=2 * HOUR), Wish(start=nth(1), duration=2 * HOUR), id="longer"),
        pytest.param(Calendar.date(nth(1), title="Nur heute"), Wish(title="Nur heute"), id="title"),
        pytest.param(Calendar.date(nth(1), location="Saal 2"), Wish(location="Saal 2"), id="place"),
        pytest.param(Calendar.date(nth(1), description="Nur heute."), Wish(description="Nur heute."), id="text"),
        pytest.param(
            Calendar.date(nth(1), guests=(Guest(email=ANNA, name="Anna"), CAROL)),
            Wish(
                invited=(Attendee(email=CAROL.email, name="Carol", role=Role.OPT_PARTICIPANT),),
                uninvited=(BEN,),
            ),
            id="other people",
        ),
        pytest.param(Calendar.date(nth(1), status=Status.CANCELLED), Wish(cancelled=True), id="called off by its status"),
    ],
)
def test_a_change_of_one_date_becomes_a_wish_for_that_date(entry: Entry, edit: Callable[[Event], Event], wish: Wish) -> None:
    world = World(entry)
    world.calendar(edit)
    merged = world.run()
    assert merged.wishes == (replace(wish, recurrence_id=nth(1)),)
    assert not merged.contradictions
    settled(world)


@pytest.mark.parametrize(
    ("one", "wish"),
    [
        ({"cancelled": True}, Wish(start=nth(1), duration=HOUR, cancelled=False)),
        ({"start": nth(1) + HOUR}, Wish(start=nth(1), duration=HOUR)),
        (
            {"title": "x", "location": "y", "description": "z"},
            Wish(title="Haushaltsausschuss", location="", description="Bitte Zahlen mitbringen."),
        ),
        ({"attendees": (an_attendee(ANNA), an_attendee(CLARA))}, Wish(invited=(an_attendee(BEN),), uninvited=(CLARA,))),
    ],
    ids=["cancelled", "moved", "texts", "people"],
)
def test_a_date_put_back_in_the_calendar_follows_the_series_again(one: dict[str, Any], wish: Wish) -> None:
    world = World(a_series(an_occurrence(1, **one)))
    world.calendar(Calendar.regular(nth(1)))
    assert world.run().wishes == (replace(wish, recurrence_id=nth(1)),)
    settled(world)


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "x"},
        {"description": "x"},
        {"location": "x"},
        {"when": a_when(START + DAY)},
        {"rrule": "FREQ=WEEKLY;COUNT=4"},
        {"attendees": (an_attendee(CLARA),)},
        {"occurrences": (an_occurrence(1, cancelled=True), an_occurrence(2, start=nth(2) + HOUR, title="y"))},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_change_in_the_planner_is_written_and_nothing_is_wished(changes: dict[str, Any]) -> None:
    world = World(a_series(an_occurrence(3, cancelled=True)))
    world.entry = replace(world.entry, **changes)
    merged = world.run()
    assert merged.writes
    assert (merged.wishes, merged.contradictions) == ((), ())
    settled(world)


def test_different_fields_changed_on_both_sides_are_both_kept() -> None:
    world = World(a_series(an_occurrence(1, start=nth(1) + HOUR)))
    world.entry = replace(world.entry, title="Neu", occurrences=(an_occurrence(1, start=nth(1) + HOUR, location="Saal 1"),))
    world.calendar(Calendar.whole(location="Saal 9"), Calendar.date(nth(1), start=nth(1) + 2 * HOUR), Calendar.off(nth(4)))
    assert world.run().contradictions == ()
    assert (world.entry.title, world.entry.location) == ("Neu", "Saal 9")
    first, second = world.entry.occurrences
    assert (first.start, first.location) == (nth(1) + 2 * HOUR, "Saal 1")
    assert (second.recurrence_id, second.cancelled) == (nth(4), True)
    settled(world)


def test_the_same_change_on_both_sides_is_no_contradiction() -> None:
    world = World(an_entry())
    world.entry = replace(world.entry, title="Neu", when=a_when(START + HOUR))
    world.calendar(Calendar.whole(title="Neu"), Calendar.moved(HOUR))
    assert world.run() == Merged()
    settled(world)


# A series that is moved


@pytest.mark.parametrize(
    ("names", "by"),
    [
        *(("follow", by) for by in (HOUR, DAY, WEEK, -2 * HOUR)),
        # By a week, old names are dates of the moved series as well, and mean those.
        *(("stay", by) for by in (HOUR, DAY, -2 * HOUR)),
    ],
)
def test_single_dates_stay_what_they_are_when_the_calendar_moves_the_series(names: str, by: timedelta) -> None:
    """Some programs move the names of single dates with the series, some leave them, which makes orphans of them."""
    world = World(a_series(an_occurrence(2, cancelled=True), an_occurrence(3, title="Nur heute")))
    world.calendar(Calendar.moved(by, names=names))
    merged = world.run()
    assert merged.wishes == (Wish(start=START + by, zone=ZONE, duration=HOUR, all_day=False),)
    assert [(one.recurrence_id, one.cancelled, one.title) for one in world.entry.occurrences] == [
        (nth(2) + by, True, None),
        (nth(3) + by, False, "Nur heute"),
    ]
    settled(world)


def test_single_dates_that_the_calendar_dropped_follow_the_series() -> None:
    world = World(a_series(an_occurrence(2, cancelled=True), an_occurrence(3, title="Nur heute")))
    world.calendar(Calendar.moved(HOUR, names="dropped"))
    assert [wish.recurrence_id for wish in world.run().wishes] == [None, nth(2) + HOUR, nth(3) + HOUR]
    assert all(one.title is None and not one.cancelled for one in world.entry.occurrences)
    settled(world)


def test_a_date_that_was_moved_by_itself_stays_when_the_series_moves() -> None:
    world = World(a_series(an_occurrence(2, start=nth(2) + DAY)))
    world.calendar(Calendar.moved(HOUR))
    assert len(world.run().wishes) == 1
    assert world.entry.occurrences[0].start == nth(2) + DAY
    settled(world)


def test_a_series_that_comes_to_be_as_one_of_its_dates_was_needs_no_more_wishes() -> None:
    world = World(a_series(an_occurrence(2, start=nth(2) + HOUR, title="Neu")))
    world.calendar(Calendar.date(nth(2), start=nth(2)), Calendar.moved(HOUR), Calendar.whole(title="Neu"))
    assert [wish.recurrence_id for wish in world.run().wishes] == [None]
    settled(world)


def test_a_date_that_is_cancelled_and_has_a_vevent_all_the_same_is_cancelled() -> None:
    world = World(a_series())
    world.calendar(Calendar.date(nth(2), title="x"), Calendar.whole(exdates=(nth(2),)))
    assert world.run().wishes == (Wish(recurrence_id=nth(2), cancelled=True),)
    settled(world)


def test_what_was_done_here_to_a_date_holds_in_the_series_that_was_moved_there() -> None:
    world = World(a_series())
    world.entry = replace(world.entry, occurrences=(an_occurrence(2, cancelled=True),))
    world.calendar(Calendar.moved(HOUR), Calendar.off(nth(4) + HOUR))
    assert world.run().contradictions == ()
    assert [one.recurrence_id for one in world.entry.occurrences] == [nth(2) + HOUR, nth(4) + HOUR]
    settled(world)


def test_dates_that_still_look_as_the_series_did_follow_it() -> None:
    """A program that renames the series leaves the old words in dates of their own: nobody meant them for that date."""
    world = World(a_series(an_occurrence(2, start=nth(2) + HOUR, location="Saal 7")))
    world.calendar(
        Calendar.whole(title="Neu"),
        Calendar.moved(duration=2 * HOUR),
        Calendar.whole(guests=(Guest(email=ANNA, name="Anna"),)),
    )
    merged = world.run()
    assert [wish.recurrence_id for wish in merged.wishes] == [None]
    assert {key.field for key in merged.writes} >= {Field.TITLE, Field.PEOPLE}
    (one,) = world.entry.occurrences
    assert (one.title, one.attendees, one.duration, one.location) == (None, None, None, "Saal 7")
    settled(world)


def test_a_series_that_was_shortened_loses_its_later_dates() -> None:
    world = World(a_series(an_occurrence(1, cancelled=True), an_occurrence(4, cancelled=True)))
    world.calendar(Calendar.whole(rrule="FREQ=WEEKLY;COUNT=3", exdates=(nth(1),)))
    merged = world.run()
    assert (merged.wishes, merged.notes) == ((Wish(rrule="FREQ=WEEKLY;COUNT=3"),), ())
    assert [one.recurrence_id for one in world.entry.occurrences] == [nth(1)]
    settled(world)


def test_a_date_changed_here_that_the_calendar_cut_off_is_told() -> None:
    world = World(a_series())
    world.entry = replace(world.entry, occurrences=(an_occurrence(4, title="Wichtig"),))
    world.calendar(Calendar.whole(rrule="FREQ=WEEKLY;COUNT=3"))
    (note,) = world.run().notes
    assert note == "The date 2027-02-08 10:00 was changed by itself, and is no date of the series any more."
    settled(world)


def test_a_series_becomes_a_single_session_and_back() -> None:
    world = World(a_series(an_occurrence(1, cancelled=True)))
    world.calendar(Calendar.whole(rrule=None, exdates=()))
    assert world.run().wishes == (Wish(rrule=""),)
    assert (world.entry.rrule, world.entry.occurrences) == (None, ())
    settled(world)
    world.calendar(Calendar.whole(rrule="FREQ=DAILY;COUNT=2"))
    world.run()
    assert world.entry.rrule == "FREQ=DAILY;COUNT=2"
    settled(world)


def test_time_and_recurrence_that_do_not_fit_together_come_from_one_side() -> None:
    """The calendar made the series end before the day that the planner moved it to."""
    for rule, start in ((Rule.CALENDAR_WINS, START), (Rule.PLANNER_WINS, START + 10 * WEEK)):
        world = World(a_series())
        world.entry = replace(world.entry, when=a_when(START + 10 * WEEK))
        world.calendar(Calendar.whole(rrule="FREQ=WEEKLY;UNTIL=20270125T090000Z"))
        (told,) = world.run(rule).contradictions
        assert told.field is Field.RULE
        assert "do not fit together" in told.sentence
        assert world.entry.when == a_when(start)
        settled(world)


def test_a_time_that_does_not_fit_our_spelling_of_the_rule_brings_its_own() -> None:
    """The server writes COUNT as UNTIL, so the rule there counts as unchanged when the series is moved there."""
    world = World(a_series(rrule="FREQ=WEEKLY;UNTIL=20270215T090000Z"))
    there = Calendar.whole(rrule="FREQ=WEEKLY;COUNT=6")
    world.event = there(world.event)
    world.base = base_of(event_of(world.entry), world.event, sender=Sender.PLANNER, mine=MINE)
    assert world.merged() == Merged()
    world.calendar(Calendar.moved(10 * WEEK))
    assert [(wish.start, wish.rrule) for wish in world.run().wishes] == [(START + 10 * WEEK, "FREQ=WEEKLY;COUNT=6")]
    assert world.merged() == Merged()


# Contradictions


def contradicting(*, rule: Rule) -> tuple[World, Merged]:
    world = World(a_series(an_occurrence(2, start=nth(2) + HOUR)))
    world.entry = replace(world.entry, title="Hier", occurrences=(an_occurrence(2, start=nth(2) + 2 * HOUR),))
    world.calendar(Calendar.whole(title="Dort"), Calendar.date(nth(2), start=nth(2) + 3 * HOUR, title="Dort"))
    return world, world.run(rule)


@pytest.mark.parametrize(
    ("rule", "winner", "title", "start"),
    [
        (Rule.CALENDAR_WINS, Winner.CALENDAR, "Dort", nth(2) + 3 * HOUR),
        (Rule.PLANNER_WINS, Winner.PLANNER, "Hier", nth(2) + 2 * HOUR),
        (Rule.ASK, Winner.NOBODY, "Hier", nth(2) + 2 * HOUR),
    ],
)
def test_a_contradiction_follows_the_setting_and_is_told_with_both_values(
    rule: Rule, winner: Winner, title: str, start: datetime
) -> None:
    world, merged = contradicting(rule=rule)
    told = [(one.field, one.recurrence_id, one.planner, one.calendar, one.winner) for one in merged.contradictions]
    assert told == [
        (Field.TITLE, None, "“Hier”", "“Dort”", winner),
        (
            Field.WHEN,
            nth(2),
            "2027-01-25 12:00 Europe/Berlin, PT1H",
            "2027-01-25 13:00 Europe/Berlin, PT1H",
            winner,
        ),
    ]
    assert merged.held is (rule is Rule.ASK)
    assert (world.entry.title, world.entry.occurrences[0].start) == (title, start)


def test_a_contradiction_is_a_sentence() -> None:
    _, merged = contradicting(rule=Rule.ASK)
    assert [one.sentence for one in merged.contradictions] == [
        "The title was changed on both sides: the planner says “Hier”, the calendar says “Dort”. "
        "Say which one is meant; until then both stay.",
        "The time of the date 2027-01-25 10:00 was changed on both sides: the planner says 2027-01-25 12:00 Europe/Berlin, PT1H, "
        "the calendar says 2027-01-25 13:00 Europe/Berlin, PT1H. Say which one is meant; until then both stay.",
    ]


def test_what_waits_for_the_owner_is_written_nowhere_and_asked_again_until_he_decides() -> None:
    world, first = contradicting(rule=Rule.ASK)
    assert (first.writes, world.merged(Rule.ASK).contradictions) == ((), first.contradictions)
    world.run(Rule.PLANNER_WINS)
    settled(world)
    assert world.event.components[0].title == "Hier"


def test_beside_a_contradiction_what_only_the_calendar_changed_is_taken_over() -> None:
    world = World(an_entry())
    world.entry = replace(world.entry, title="Hier")
    world.calendar(Calendar.whole(title="Dort", location="Saal 1"))
    merged = world.run(Rule.ASK)
    assert (merged.wishes, merged.writes, merged.held) == ((Wish(location="Saal 1"),), (), True)


@pytest.mark.parametrize("rule", [Rule.CALENDAR_WINS, Rule.PLANNER_WINS])
@pytest.mark.parametrize(
    ("changes", "edit", "field"),
    [
        ({"description": "Hier. " * 40}, Calendar.text(""), Field.TEXT),
        ({"location": "Hier"}, Calendar.whole(location="Dort"), Field.PLACE),
        ({"when": a_when(START + DAY)}, Calendar.moved(HOUR), Field.WHEN),
        (
            {"when": a_when(START.replace(hour=0), duration=DAY, all_day=True)},
            Calendar.moved(HOUR),
            Field.WHEN,
        ),
        ({"rrule": None, "rdates": (nth(1), nth(2))}, Calendar.whole(rrule="FREQ=WEEKLY;COUNT=2"), Field.RULE),
        ({"rrule": None}, Calendar.whole(rrule="FREQ=WEEKLY;COUNT=2"), Field.RULE),
        (
            {"attendees": (an_attendee(ANNA), an_attendee(BEN, role=Role.OPT_PARTICIPANT))},
            Calendar.people(remove=(BEN,)),
            Field.PERSON,
        ),
        (
            {"occurrences": (an_occurrence(1, attendees=(an_attendee(ANNA),)),)},
            Calendar.date(nth(1), guests=(CAROL,)),
            Field.PEOPLE,
        ),
        ({"occurrences": (an_occurrence(1, attendees=()),)}, Calendar.date(nth(1), guests=(CAROL,)), Field.PEOPLE),
        ({"occurrences": (an_occurrence(1, title="Hier"),)}, Calendar.date(nth(1), title="Dort"), Field.TITLE),
    ],
)
def test_every_field_can_contradict(rule: Rule, changes: dict[str, Any], edit: Callable[[Event], Event], field: Field) -> None:
    world = World(a_series())
    world.entry = replace(world.entry, **changes)
    world.calendar(edit)
    (told,) = world.run(rule).contradictions
    assert told.field is field
    assert told.planner != told.calendar
    assert all(len(value) < 100 for value in (told.planner, told.calendar))
    settled(world)


@pytest.mark.parametrize("rule", list(Rule))
@pytest.mark.parametrize("calendar_calls_off", [True, False])
@pytest.mark.parametrize("how", ["title", "time", "both"])
def test_to_call_a_date_off_contradicts_any_change_of_it(rule: Rule, calendar_calls_off: bool, how: str) -> None:
    changed = {"title": {"title": "Neu"}, "time": {"start": nth(1) + HOUR}, "both": {"title": "Neu", "start": nth(1) + HOUR}}[how]
    world = World(a_series())
    if calendar_calls_off:
        world.entry = replace(world.entry, occurrences=(an_occurrence(1, **changed),))
        world.calendar(Calendar.off(nth(1)))
    else:
        world.entry = replace(world.entry, occurrences=(an_occurrence(1, cancelled=True),))
        world.calendar(Calendar.date(nth(1), **changed))
    (told,) = world.run(rule).contradictions
    assert "cancelled" in (told.calendar if calendar_calls_off else told.planner)
    assert (told.field, told.recurrence_id) == (Field.WHEN, nth(1))
    if rule is Rule.ASK:
        return
    (one,) = world.entry.occurrences
    assert one.cancelled is (calendar_calls_off is (rule is Rule.CALENDAR_WINS))
    if not one.cancelled:
        assert (one.title, one.start) == (changed.get("title"), changed.get("start"))
    settled(world)


# What is ours


BLOCK = with_block("", replace(DRESS, dial_in=""))
DAMAGED = {
    "gone": "",
    "cut off": BLOCK[: BLOCK.index("\nSitzungsnummer")],
    "without its beginning": BLOCK[-len("──── Ende der Sitzungsdaten ────") :],
    "with another number": BLOCK.replace("524-644-200", "111-111-111"),
    "doubled": f"{BLOCK}\n{BLOCK}",
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_block_is_repaired_and_nothing_else_is_touched(damage: str) -> None:
    world = World(an_entry())
    text = own_text(world.event)
    world.calendar(Calendar.whole(description=f"{text}\n\n{DAMAGED[damage]}".rstrip("\n")))
    merged = world.run()
    assert (merged.wishes, fields(merged)) == ((), [Field.BLOCK])
    assert world.event.components[0].description == f"{text}\n\n{BLOCK}"
    settled(world)


@pytest.mark.parametrize("damage", [name for name in DAMAGED if name != "gone"])
def test_the_owners_text_around_a_repaired_block_survives_byte_for_byte(damage: str) -> None:
    before, after = "  Vorher:\tZahlen \n\n - eins\n\n", "\n\n\nNachher, mit  Lücken \n"
    world = World(an_entry())
    world.calendar(Calendar.whole(description=f"{before}{DAMAGED[damage]}{after}"))
    world.run()
    assert world.event.components[0].description == f"{before}{BLOCK}{after}"
    assert world.base is not None
    assert world.base.around
    settled(world)


def test_the_text_around_the_block_stays_in_its_place_when_the_planner_changes_something_else() -> None:
    world = World(an_entry())
    world.calendar(Calendar.whole(description=f"Vorher\n\n{BLOCK}\nNachher"))
    world.run()
    world.entry = replace(world.entry, title="Neu", telephone=True)
    world.run()
    description = world.event.components[0].description
    assert description.startswith("Vorher\n\n──── Sitzung")
    assert description.endswith("────\nNachher")
    assert "Telefon: +49 30 1234567" in description
    settled(world)


@pytest.mark.parametrize(("change", "field"), [({"url": ""}, Field.LINK), ({"location": ""}, Field.LINK)])
def test_the_link_is_put_back(change: dict[str, str], field: Field) -> None:
    world = World(an_entry())
    world.calendar(Calendar.whole(**change))
    merged = world.run()
    assert (merged.wishes, fields(merged)) == ((), [field])
    assert (world.event.components[0].url, world.event.components[0].location) == (DRESS.link, DRESS.link)
    settled(world)


def test_a_server_that_drops_the_link_is_not_written_to_for_ever() -> None:
    world = World(an_entry())
    world.event = Calendar.whole(url="", location="", alarm=None)(world.event)
    world.base = base_of(event_of(world.entry), world.event, sender=Sender.PLANNER, mine=MINE)
    assert world.merged() == Merged()


def test_a_new_link_template_is_no_place_of_the_owners() -> None:
    world = World(an_entry())
    old = "https://old.example.org/524644200"
    older = Event(components=tuple(replace(one, url=old, location=old) for one in event_of(world.entry).components))
    world.event = stored(older)
    world.base = base_of(older, world.event, sender=Sender.PLANNER, mine=MINE)
    merged = world.run()
    assert (merged.wishes, fields(merged)) == ((), [Field.LINK])
    assert world.event.components[0].location == DRESS.link
    settled(world)


def test_alarm_and_category_in_the_calendar_are_no_change_and_the_category_stays() -> None:
    """A dismissed alarm is written into the event by many programs; it mailed everybody in others' products."""
    world = World(an_entry())
    world.calendar(Calendar.whole(alarm=None, categories=("Wichtig",), sequence=7))
    assert world.merged() == Merged()
    world.entry = replace(world.entry, title="Neu")
    world.run()
    assert world.event.components[0].categories == ("Wichtig",)


def test_an_event_without_title_gets_ours_again() -> None:
    world = World(a_series(an_occurrence(1, title="x")))
    world.calendar(Calendar.whole(title="  "), Calendar.date(nth(1), title=" "))
    merged = world.run()
    assert Key(Field.TITLE) in merged.writes
    assert (world.entry.title, world.event.components[0].title) == ("Haushaltsausschuss", "Haushaltsausschuss")


# Answers


def test_where_the_planner_invites_answers_in_the_copy_are_put_right() -> None:
    entry = an_entry()
    world = World(answered(entry, an_answer(entry, ANNA)))
    edited = tuple(replace(guest, partstat=PartStat.DECLINED) for guest in world.event.components[0].guests)
    world.calendar(Calendar.whole(guests=edited))
    merged = world.run()
    assert (merged.wishes, fields(merged)) == ((), [Field.ANSWER, Field.ANSWER])
    assert [guest.partstat for guest in world.event.components[0].guests] == [PartStat.ACCEPTED, PartStat.NEEDS_ACTION]


def test_an_answer_that_came_by_mail_is_written() -> None:
    world = World(an_entry())
    world.entry = answered(world.entry, an_answer(world.entry, ANNA))
    assert fields(world.run()) == [Field.ANSWER]
    settled(world)


def test_where_the_server_schedules_answers_are_its_own() -> None:
    """They are read by `sync.new_answers`; a status is never a change of the session."""
    world = World(an_entry(sender=Sender.CALENDAR))
    world.calendar(Calendar.whole(guests=(Guest(email=ANNA, partstat=PartStat.ACCEPTED), Guest(email=BEN))))
    assert world.merged() == Merged()
    assert side_there(world.base, world.event, sender=Sender.CALENDAR, mine=MINE) is Side.SAME


def test_owner_and_organizer_are_nobodys_guests() -> None:
    world = World(an_entry())
    world.calendar(Calendar.people(add=(Guest(email="petra@example.org"), Guest(email=ORGANIZER.email))))
    assert world.merged() == Merged()


def test_a_person_who_waits_for_the_owners_word_stays_in_the_event() -> None:
    world = World(an_entry())
    world.calendar(Calendar.people(add=(CAROL,)))
    kept = written_back(event_of(world.entry), world.event, kept=frozenset({CAROL.email, ANNA}))
    assert [guest.email for guest in kept.components[0].guests] == [ANNA, BEN, CAROL.email]


def test_a_delegate_keeps_whom_he_stands_in_for() -> None:
    world = World(an_entry(sender=Sender.CALENDAR))
    world.calendar(Calendar.people(add=(replace(CAROL, delegated_from=BEN),)))
    assert world.run().wishes[0].invited[0].delegated_from == BEN


# Zones


def test_the_same_instants_in_another_spelling_are_no_change() -> None:
    world = World(an_entry())
    for edit in (in_utc, Calendar.whole(when=a_when(zone="Arctic/Longyearbyen"))):
        world.calendar(edit)
        assert world.merged() == Merged()
    series = World(a_series())
    series.calendar(Calendar.whole(when=a_when(zone="Arctic/Longyearbyen")))
    assert series.merged() == Merged()


def test_a_move_by_a_program_that_writes_utc_keeps_the_entrys_zone() -> None:
    world = World(an_entry())
    world.calendar(in_utc, Calendar.moved(HOUR))
    assert world.run().wishes == (Wish(start=START + HOUR, zone=ZONE, duration=HOUR, all_day=False),)


def test_a_move_in_a_zone_that_is_only_spelled_otherwise_keeps_the_entrys_zone() -> None:
    world = World(a_series())
    world.calendar(Calendar.moved(HOUR, zone="Arctic/Longyearbyen"))
    assert world.run().wishes[0].zone == ZONE


def test_added_dates_and_single_dates_come_in_the_entrys_zone() -> None:
    world = World(an_entry())
    world.calendar(in_utc, Calendar.whole(rdates=(nth(1) - HOUR,)), Calendar.date(nth(1) - HOUR, start=nth(1)))
    assert world.run().wishes == (
        Wish(rdates=(nth(1),)),
        Wish(recurrence_id=nth(1), start=nth(1) + HOUR, duration=HOUR),
    )


def test_a_series_all_day_with_a_cancelled_a_moved_and_a_lengthened_date() -> None:
    start = START.replace(hour=0)
    entry = a_series(when=a_when(start, duration=DAY, all_day=True))
    world = World(entry)
    world.calendar(
        Calendar.off(start + WEEK),
        Calendar.date(start + 2 * WEEK, start=start + 2 * WEEK + DAY),
        Calendar.date(start + 3 * WEEK, duration=2 * DAY),
    )
    assert world.run().wishes == (
        Wish(recurrence_id=start + WEEK, cancelled=True),
        Wish(recurrence_id=start + 2 * WEEK, start=start + 2 * WEEK + DAY, duration=DAY),
        Wish(recurrence_id=start + 3 * WEEK, start=start + 3 * WEEK, duration=2 * DAY),
    )
    settled(world)


# Without an agreement, and what cannot be merged


def test_without_a_base_what_is_equal_is_agreed() -> None:
    world = World(a_series(an_occurrence(1, cancelled=True)))
    world.base = None
    assert world.merged() == Merged()


def test_without_a_base_nobody_is_taken_off_and_no_date_is_put_back() -> None:
    """What is missing on one side may never have been there: only what is there says something."""
    world = World(a_series(an_occurrence(1, cancelled=True)))
    world.base = None
    world.entry = replace(world.entry, attendees=(an_attendee(ANNA), an_attendee(CLARA)))
    world.calendar(Calendar.regular(nth(1)), Calendar.off(nth(2)), Calendar.people(add=(CAROL,), remove=(ANNA,)))
    assert world.run().contradictions == ()
    assert {one.email for one in world.entry.attendees} == {ANNA, BEN, CLARA, CAROL.email}
    assert [one.recurrence_id for one in world.entry.occurrences] == [nth(1), nth(2)]
    settled(world)


def test_without_a_base_differing_fields_contradict() -> None:
    world = World(an_entry())
    world.base = None
    world.calendar(Calendar.whole(title="Dort", description="Ohne Block"))
    told = world.run().contradictions
    assert [one.field for one in told] == [Field.TITLE, Field.TEXT]
    assert BLOCK in world.event.components[0].description
    settled(world)


@pytest.mark.parametrize(
    ("event", "note"),
    [
        (Calendar.whole(when=None), "The event there has no start that can be read."),
        (Calendar.whole(recurrence_id=START), "The event there has single dates only, and no series that they belong to."),
        (
            Calendar.whole(rrule="FREQ=SECONDLY"),
            "The recurrence there cannot be followed. A session repeats DAILY, WEEKLY, MONTHLY or YEARLY, not “SECONDLY”.",
        ),
    ],
)
def test_an_event_that_cannot_be_read_is_held(event: Callable[[Event], Event], note: str) -> None:
    world = World(an_entry())
    world.calendar(event)
    assert world.merged() == Merged(notes=(note,), held=True)
    assert side_there(world.base, world.event, sender=Sender.PLANNER) is Side.CHANGED
    ours = event_of(world.entry)
    assert base_of(ours, world.event, sender=Sender.PLANNER, mine=MINE) == base_of(ours, None, sender=Sender.PLANNER, mine=MINE)


def test_a_single_date_that_the_series_does_not_have_is_told_and_left() -> None:
    world = World(a_series())
    world.calendar(Calendar.date(START + DAY, title="Verirrt"))
    assert world.merged() == Merged(notes=("The calendar has a single date 2027-01-12 10:00 that the series does not have.",))
    world.event = replace(world.event, components=(world.event.components[0], replace(world.event.components[1], when=None)))
    assert world.merged() == Merged()


def test_dates_of_an_event_that_is_no_series_mean_nothing() -> None:
    world = World(an_entry())
    world.calendar(Calendar.whole(exdates=(nth(1),)))
    assert world.merged() == Merged()


# Sides, for the table of what is to be done


def test_sides() -> None:
    world = World(a_series(an_occurrence(1, title="x")))
    ours, sender = event_of(world.entry), Sender.PLANNER
    assert side_here(world.base, None, sender=sender) is Side.ABSENT
    assert side_here(None, ours, sender=sender) is Side.CHANGED
    assert side_here(world.base, ours, sender=sender, mine=MINE) is Side.SAME
    assert side_here(world.base, event_of(an_entry()), sender=sender, mine=MINE) is Side.CHANGED
    assert side_there(world.base, None, sender=sender) is Side.ABSENT
    assert side_there(None, world.event, sender=sender) is Side.CHANGED
    assert side_there(world.base, world.event, sender=sender, mine=MINE) is Side.SAME
    assert side_there(world.base, Calendar.off(nth(2))(world.event), sender=sender, mine=MINE) is Side.CHANGED
    assert side_there(world.base, Calendar.whole(status=Status.CANCELLED)(world.event), sender=sender) is Side.ABSENT


def test_an_event_without_our_guests_merges_as_well() -> None:
    """Where a server would mail the people, they stand in our block."""
    world = World(an_entry(invited=False))
    world.calendar(Calendar.people(add=(CAROL,)))
    assert [one.email for one in world.merged().wishes[0].invited] == [CAROL.email]


# The base


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", '{"v":2}', '{"v":1}', '{"v":1,"written":{"title":1}}', "kaputt", '{"v":1,"written":[]}']
)
def test_a_base_that_cannot_be_read_is_none(text: str) -> None:
    assert base_from_json(text) is None


def test_the_base_is_small_and_keeps_no_texts() -> None:
    entry = an_entry(description="Geheim. " * 2000)
    text = base_to_json(base_of(event_of(entry), None, sender=Sender.PLANNER, mine=MINE))
    assert len(text) < 700
    assert "Geheim" not in text


def test_the_base_keeps_what_the_server_made_of_it() -> None:
    world = World(a_series(an_occurrence(1, title="x"), an_occurrence(2, cancelled=True)))
    world.calendar(Calendar.whole(location="", when=a_when(zone="Arctic/Longyearbyen")), Calendar.regular(nth(2)))
    base = base_of(event_of(world.entry), world.event, sender=Sender.PLANNER, mine=MINE)
    assert base.seen != base.written
    assert base_from_json(base_to_json(base)) == base
    assert merge(base, world.entry, event_of(world.entry), world.event, rule=Rule.ASK, mine=MINE) == Merged()
