"""Three-way merge over random edits on both sides: nothing is lost, both agree afterwards, a second run plans nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daemon.core.event import with_block, without_block
from daemon.core.merge import Merged, Rule
from daemon.core.merge_marks import OFF, Field, Key
from daemon.core.merge_wishes import Wish, granted
from daemon.core.model import Entry, Event, Guest, Role
from daemon.core.recurrence import is_date
from tests.core.builders import DRESS, HOUR, START, WEEK, ZONE, a_series, a_when, an_attendee, an_entry, an_occurrence, nth
from tests.core.merge_world import Calendar, World, event_of, in_utc, owned, stored

DAY = timedelta(days=1)
PEOPLE = ("anna@example.org", "ben@example.com", "clara@example.net", "dora@example.org")
TITLES = st.sampled_from(["A", "B", "Haushaltsausschuss"])
TEXTS = st.sampled_from(["", "Eins.", "Eins.\n\nZwei.  \n", " - x\n - y", "Bitte Zahlen mitbringen."])
PLACES = st.sampled_from(["", "Saal 1", "Saal 2"])
SHIFTS = st.sampled_from([HOUR, -HOUR, DAY, WEEK, 26 * WEEK])
WEEKS = st.integers(0, 5)
RULES = st.sampled_from(["FREQ=WEEKLY;COUNT=6", "FREQ=WEEKLY;COUNT=4", "FREQ=WEEKLY", "FREQ=DAILY;COUNT=20"])

SAMPLES = {
    "single": an_entry(),
    "series": a_series(),
    "two dates of their own": a_series(an_occurrence(1, cancelled=True), an_occurrence(2, start=nth(2) + HOUR, title="B")),
    "a date with its own people": a_series(
        an_occurrence(3, attendees=(an_attendee(PEOPLE[0]), an_attendee(PEOPLE[2]))), location="Saal 1"
    ),
    "all day": a_series(when=a_when(START.replace(hour=0), duration=DAY, all_day=True)),
}
ENTRIES = st.sampled_from(sorted(SAMPLES))

# An edit of the entry or of the event, by what a person does; dates are named by their week.
Edit = tuple[str, object]


def whole_edits() -> st.SearchStrategy[Edit]:
    return st.one_of(
        st.tuples(st.just("title"), TITLES),
        st.tuples(st.just("text"), TEXTS),
        st.tuples(st.just("place"), PLACES),
        st.tuples(st.just("move"), SHIFTS),
        st.tuples(st.just("rule"), RULES),
        st.tuples(st.just("add"), st.sampled_from(PEOPLE)),
        st.tuples(st.just("remove"), st.sampled_from(PEOPLE)),
    )


def date_edits() -> st.SearchStrategy[Edit]:
    return st.one_of(
        st.tuples(st.just("cancel date"), WEEKS),
        st.tuples(st.just("restore date"), WEEKS),
        st.tuples(st.just("move date"), st.tuples(WEEKS, SHIFTS)),
        st.tuples(st.just("title of date"), st.tuples(WEEKS, TITLES)),
        st.tuples(st.just("place of date"), st.tuples(WEEKS, PLACES)),
    )


EDITS = st.lists(st.one_of(whole_edits(), date_edits()), max_size=4)


def on_entry(entry: Entry, edit: Edit) -> Entry:
    """The edit as a person makes it on our page."""
    kind, value = edit
    assert entry.when is not None
    timed = not entry.when.all_day
    match kind, value:
        case "title", str(text):
            return granted(entry, Wish(title=text))
        case "text", str(text):
            return granted(entry, Wish(description=text))
        case "place", str(text):
            return granted(entry, Wish(location=text))
        case "move", timedelta() as by if timed or not by % DAY:
            return granted(entry, Wish(start=entry.when.start + by))
        case "rule", str(rule):
            return granted(entry, Wish(rrule=rule))
        case "add", str(email):
            return granted(entry, Wish(invited=(an_attendee(email),)))
        case "remove", str(email):
            return granted(entry, Wish(uninvited=(email,)))
    week = value[0] if isinstance(value, tuple) else value
    if not isinstance(week, int) or not entry.is_series:
        return entry
    name = entry.when.start + week * WEEK
    if not is_date(entry.when, entry.rrule, entry.rdates, name):
        return entry
    match kind, value:
        case "cancel date", _:
            return granted(entry, Wish(recurrence_id=name, cancelled=True))
        case "restore date", _:
            return granted(entry, Wish(recurrence_id=name, cancelled=False, start=name, duration=entry.when.duration))
        case "move date", (_, timedelta() as by) if timed or not by % DAY:
            return granted(entry, Wish(recurrence_id=name, cancelled=False, start=name + by, duration=entry.when.duration))
        case "title of date", (_, str(text)):
            return granted(entry, Wish(recurrence_id=name, title=text))
        case "place of date", (_, str(text)):
            return granted(entry, Wish(recurrence_id=name, location=text))
    return entry


def on_event(event: Event, edit: Edit) -> Event:
    """The edit as a person makes it in his calendar program."""
    kind, value = edit
    master = event.components[0]
    assert master.when is not None
    timed = not master.when.all_day
    change: Callable[[Event], Event] | None = None
    match kind, value:
        case "title", str(text):
            change = Calendar.whole(title=text)
        case "text", str(text):
            change = Calendar.text(text)
        case "place", str(text):
            change = Calendar.whole(location=text)
        case "move", timedelta() as by if timed or not by % DAY:
            change = Calendar.moved(by)
        case "rule", str(rule):
            change = Calendar.whole(rrule=rule)
        case "add", str(email):
            change = Calendar.people(remove=(email,), add=(Guest(email=email, role=Role.REQ_PARTICIPANT),))
        case "remove", str(email):
            change = Calendar.people(remove=(email,))
    week = value[0] if isinstance(value, tuple) else value
    if isinstance(week, int) and master.rrule is not None:
        name = master.when.start + week * WEEK
        match kind, value:
            case "cancel date", _:
                change = Calendar.off(name)
            case "restore date", _:
                change = Calendar.regular(name)
            case "move date", (_, timedelta() as by) if timed or not by % DAY:
                change = Calendar.date(name, start=name + by)
            case "title of date", (_, str(text)):
                change = Calendar.date(name, title=text)
            case "place of date", (_, str(text)):
                change = Calendar.date(name, location=text)
    return event if change is None else stored(change(event))


def edited(entry: str, here: list[Edit], there: list[Edit]) -> World:
    world = World(SAMPLES[entry])
    for edit in here:
        world.entry = on_entry(world.entry, edit)
    for edit in there:
        world.event = on_event(world.event, edit)
    return world


@settings(deadline=None, max_examples=60)
@given(ENTRIES, EDITS, EDITS, st.sampled_from([Rule.CALENDAR_WINS, Rule.PLANNER_WINS]), st.booleans())
def test_afterwards_both_sides_agree_and_a_second_run_plans_nothing(
    entry: str, here: list[Edit], there: list[Edit], rule: Rule, agreed: bool
) -> None:
    world = edited(entry, here, there)
    if not agreed:
        world.base = None
    world.run(rule)
    assert owned(event_of(world.entry)) == owned(world.event)
    for again in Rule:
        assert replace(world.merged(again), notes=()) == Merged()


@settings(deadline=None, max_examples=60)
@given(ENTRIES, EDITS, st.sampled_from(Rule))
def test_what_only_the_calendar_changed_is_taken_over_exactly(entry: str, there: list[Edit], rule: Rule) -> None:
    world = edited(entry, [], there)
    assert world.base is not None
    wanted = owned(world.event, world.base.seen)
    merged = world.run(rule)
    assert merged.contradictions == ()
    assert not merged.held
    assert owned(event_of(world.entry)) == wanted == owned(world.event)


@settings(deadline=None, max_examples=60)
@given(ENTRIES, EDITS, st.sampled_from(Rule))
def test_what_only_the_planner_changed_is_written_exactly(entry: str, here: list[Edit], rule: Rule) -> None:
    world = edited(entry, here, [])
    wanted = world.entry
    merged = world.run(rule)
    assert (merged.wishes, merged.contradictions, merged.held) == ((), (), False)
    assert world.entry == wanted
    assert owned(world.event) == owned(event_of(wanted))


@settings(deadline=None, max_examples=60)
@given(ENTRIES, EDITS, EDITS)
def test_nothing_is_lost_without_being_told(entry: str, here: list[Edit], there: list[Edit]) -> None:
    """What one side alone changed of the whole stands afterwards; of what both changed, the owner hears."""
    world = edited(entry, here, there)
    before = owned(World(SAMPLES[entry]).event)
    ours, theirs = owned(event_of(world.entry)), owned(world.event)
    merged = world.run()
    told = {(one.field, one.person) for one in merged.contradictions if one.recurrence_id is None}
    after = owned(world.event)
    for key in ours.keys() | theirs.keys() | before.keys():
        if key.date is not None or (key.field, key.person) in told or Key(Field.RULE) in _unfit(merged):
            continue
        changed = [side.get(key) for side in (ours, theirs) if side.get(key) != before.get(key)]
        assert after.get(key) in (changed or [before.get(key)])


def _unfit(merged: Merged) -> set[Key]:
    return {Key(one.field) for one in merged.contradictions if one.why and one.recurrence_id is None}


@settings(deadline=None, max_examples=60)
@given(ENTRIES, EDITS, EDITS)
def test_while_the_owner_is_asked_nothing_is_written_and_his_word_settles_it(
    entry: str, here: list[Edit], there: list[Edit]
) -> None:
    world = edited(entry, here, there)
    event = world.event
    first = world.run(Rule.ASK)
    if first.held:
        assert world.event == event
        assert world.merged(Rule.ASK).contradictions
        world.run(Rule.CALENDAR_WINS)
    assert owned(event_of(world.entry)) == owned(world.event)


@pytest.mark.xfail(strict=True, reason="found by chance, not mended yet: merge is not in use")
def test_a_date_put_back_under_a_moved_series_is_held_as_it_was_asked_about() -> None:
    here: list[Edit] = [("move date", (1, timedelta(days=-1, seconds=82800)))]
    there: list[Edit] = [("move", timedelta(days=-1, seconds=82800)), ("restore date", 1)]
    edited("two dates of their own", here, there).run(Rule.ASK)


OWN = st.text(st.sampled_from("aß \t\n.─-"), max_size=12)


@settings(deadline=None, max_examples=60)
@given(OWN, OWN, st.sampled_from(["whole", "cut", "end only", "twice", "changed"]))
@example("", "", "cut")
def test_the_owners_text_around_the_block_survives_byte_for_byte(before: str, after: str, damage: str) -> None:
    block = with_block("", replace(DRESS, dial_in=""))
    parts = {
        "whole": block,
        "cut": block.splitlines()[0],
        "end only": block.splitlines()[-1],
        "twice": f"{block}\n\n{block}",
        "changed": block.replace("524", "999"),
    }
    world = World(an_entry())
    world.calendar(Calendar.whole(description=f"{before}{parts[damage]}{after}"))
    world.event = stored(world.event)
    world.run()
    assert world.event.components[0].description == f"{before}{block}{after}"
    world.entry = replace(world.entry, title="Neu")
    world.run()
    assert world.event.components[0].description == f"{before}{block}{after}"
    assert without_block(world.event.components[0].description).strip() == world.entry.description.strip()


@pytest.mark.parametrize("zone", [ZONE, "America/New_York", "Australia/Lord_Howe", "UTC"])
@settings(deadline=None, max_examples=10)
@given(WEEKS, WEEKS, st.integers(0, 51))
def test_ten_round_trips_over_clock_changes_change_nothing(zone: str, off: int, moved: int, week: int) -> None:
    start = START + week * WEEK
    world = World(a_series(when=a_when(start, zone=zone), rrule="FREQ=WEEKLY;COUNT=60"))
    world.event = on_event(on_event(world.event, ("cancel date", off)), ("move date", (moved, 26 * WEEK)))
    world.run()
    entry, event = world.entry, world.event
    for _ in range(10):
        world.event = stored(world.event)
        assert world.run() == Merged()
    assert (world.entry, world.event) == (entry, event)
    assert (OFF in owned(event).values()) is (off != moved)


def test_a_single_event_in_utc_is_the_same_event() -> None:
    world = World(an_entry())
    world.calendar(in_utc)
    assert world.merged() == Merged()
