"""Entries go in and come out whole, are found by what people call them, and are listed in a constant number of statements."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.core.errors import Conflict, NotFound, Rejected
from daemon.core.model import Answer, AnswerSource, Attendee, Entry, EntryState, Occurrence, PartStat, When
from daemon.core.numbers import shown
from daemon.store import entries, numbers
from daemon.store.engine import Store
from daemon.store.schema import entry as table
from tests.clock import ManualClock
from tests.store.values import DAY, NOW, an_entry, any_entries, store_entry, with_number, with_owner

WHEN = When(start=datetime(2027, 4, 1, 9, 0), zone="Europe/Berlin", duration=timedelta(hours=1))
HYPOTHESIS = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def get(store: Store, entry_id: str = "id-one") -> Entry:
    return store.run_now(lambda tx: entries.get(tx, entry_id))


def save(store: Store, entry: Entry) -> None:
    store.run_now(lambda tx: entries.save(tx, entry, first_start=None, last_end=None))


@HYPOTHESIS
@given(first=any_entries(), second=any_entries(revision=1))
def test_every_entry_comes_back_as_it_was_stored_and_saved(store: Store, first: Entry, second: Entry) -> None:
    def trip(tx: sa.Connection) -> tuple[Entry, Entry, Entry | None]:
        with_owner(tx)
        store_entry(tx, first)
        stored = entries.get(tx, first.id)
        entries.save(tx, second, first_start=NOW, last_end=None)
        return stored, entries.get(tx, first.id, lock=True), entries.by_uid(tx, first.uid)

    def undone(tx: sa.Connection) -> tuple[Entry, Entry, Entry | None]:
        with tx.begin_nested() as inside:
            result = trip(tx)
            inside.rollback()
        return result

    assert store.run_now(undone) == (first, second, second)


def test_children_come_sorted_and_attendees_in_their_order(store: Store) -> None:
    dates = [Occurrence(recurrence_id=datetime(2027, 4, day, 9)) for day in (9, 2)]
    answers = [
        Answer(attendee=who, recurrence_id=date, partstat=PartStat.ACCEPTED, source=AnswerSource.MAIL, answered_at=NOW, about="")
        for who in ("b@x.org", "a@x.org")
        for date in (datetime(2027, 4, 2, 9), None)
    ]
    people = tuple(Attendee(email=f"{name}@x.org") for name in "cab")
    entry = an_entry(when=WHEN, rrule="FREQ=WEEKLY", occurrences=tuple(dates), answers=tuple(answers), attendees=people)
    store.run_now(lambda tx: (with_owner(tx), store_entry(tx, entry)))
    read = get(store)
    assert read.attendees == people
    assert [one.recurrence_id for one in read.occurrences] == [datetime(2027, 4, 2, 9), datetime(2027, 4, 9, 9)]
    assert [(one.recurrence_id, one.attendee[0]) for one in read.answers] == [
        (None, "a"),
        (None, "b"),
        (datetime(2027, 4, 2, 9), "a"),
        (datetime(2027, 4, 2, 9), "b"),
    ]


def test_a_save_on_an_outdated_revision_is_a_conflict_and_changes_nothing(store: Store) -> None:
    entry = an_entry(attendees=(Attendee(email="a@x.org"),))
    store.run_now(lambda tx: (with_owner(tx), store_entry(tx, entry)))
    mine = replace(entry, title="mine", revision=1)
    save(store, mine)
    with pytest.raises(Conflict, match=r"“theirs” was changed by somebody else meanwhile \(revision 1\)"):
        save(store, replace(entry, title="theirs", attendees=(), revision=1))
    assert get(store) == mine


@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
def test_an_entry_is_read_in_one_state_although_by_several_statements(store: Store) -> None:
    """Somebody saves between the statements of a reader: he sees all of it or nothing."""
    people = (Attendee(email="a@x.org"),)
    before = an_entry(attendees=people)
    store.run_now(lambda tx: (with_owner(tx), store_entry(tx, before)))
    after = replace(before, title="after", attendees=(), revision=1)

    saved = threading.Event()

    def meanwhile(*given: Any) -> None:
        if "FROM attendee" in given[2] and not saved.is_set():
            saved.set()
            writer = threading.Thread(target=save, args=(store, after))
            writer.start()
            writer.join()

    def read(tx: sa.Connection) -> Entry:
        return entries.get(tx, before.id)

    sa.event.listen(store.engine, "before_cursor_execute", meanwhile)
    assert store.run_now(read) == before
    assert saved.is_set()
    assert get(store) == after


def test_a_save_of_what_was_never_stored_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        save(store, an_entry(revision=1))


def test_a_save_touches_only_the_children_that_changed(store: Store) -> None:
    people = tuple(Attendee(email=f"{name}@x.org") for name in "abc")
    entry = an_entry(attendees=people)
    store.run_now(lambda tx: (with_owner(tx), store_entry(tx, entry)))
    changed = replace(entry, attendees=(people[0], replace(people[1], name="B")), revision=1)
    written: list[tuple[str, Any]] = []

    def watch(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if "attendee" in statement and not statement.startswith("SELECT"):
            written.append((statement.split(maxsplit=1)[0], len(parameters) if many else 1))

    sa.event.listen(store.engine, "before_cursor_execute", watch)
    save(store, changed)
    assert written == [("DELETE", 2), ("INSERT", 1)]
    written.clear()
    save(store, replace(changed, title="only the title", revision=2))
    assert written == []


def test_one_uid_is_one_entry(store: Store) -> None:
    store.run_now(lambda tx: (with_owner(tx), store_entry(tx, an_entry())))
    with pytest.raises(Conflict):
        store.run_now(lambda tx: store_entry(tx, an_entry("two", uid="one@example.org")))
    with pytest.raises(Conflict):
        store.run_now(lambda tx: store_entry(tx, an_entry("two", owner="nobody")))
    assert store.run_now(lambda tx: entries.by_uid(tx, "two@example.org")) is None


def test_text_that_no_database_can_hold_is_replaced_not_refused(store: Store) -> None:
    store.run_now(lambda tx: (with_owner(tx), store_entry(tx, an_entry(title="a\x00b\ud800"))))
    assert get(store).title == "a\ufffdb\ufffd"


@pytest.fixture
def planner(store: Store, clock: ManualClock) -> dict[str, Entry]:
    """Some entries of two owners."""

    def fill(tx: sa.Connection) -> dict[str, Entry]:
        with_owner(tx, "anna", "bert")
        made = [
            with_number(tx, clock, "council", title="Haushaltsausschuss Übersicht"),
            with_number(tx, clock, "council2", title="Haushaltsausschuss 2"),
            with_number(tx, clock, "bert", title="Übergabe 100%", owner="owner-bert"),
            with_number(tx, clock, "gone", title="Gelöscht", state=EntryState.DELETED),
        ]
        numbers.quarantine(tx, made[3].number, NOW + DAY)
        return {one.id: one for one in made}

    return store.run_now(fill)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("id-council", "id-council", id="exact-id-although-another-begins-so"),
        pytest.param("council@example.org", "id-council", id="uid"),
        pytest.param("  haushaltsausschuss ü ", "id-council", id="title-prefix-any-case"),
        pytest.param("ÜBERGABE", "id-bert", id="umlaut-any-case"),
        pytest.param("übergabe 100%", "id-bert", id="percent-is-no-wildcard"),
        pytest.param("id-be", "id-bert", id="id-prefix"),
        pytest.param("id-gone", "id-gone", id="tombstone-by-id"),
        pytest.param("gone@example.org", "id-gone", id="tombstone-by-uid"),
    ],
)
def test_an_entry_is_found_by_what_people_call_it(store: Store, planner: dict[str, Entry], text: str, expected: str) -> None:
    assert store.run_now(lambda tx: entries.find(tx, text)) == planner[expected]


def test_an_entry_is_found_by_its_number_in_any_spelling(store: Store, planner: dict[str, Entry]) -> None:
    entry = planner["id-council"]
    for text in (entry.number, shown(entry.number), shown(entry.number).replace("-", " "), f" {shown(entry.number)} "):
        assert store.run_now(lambda tx, text=text: entries.find(tx, text)) == entry


@pytest.mark.parametrize(
    "text", ["", "x", "Gelöscht", "übergabe 1_0", "id-nothing", "gone@example.or", "7"], ids=lambda text: text or "empty"
)
def test_what_is_nothing_of_ours_is_not_found(store: Store, planner: dict[str, Entry], text: str) -> None:
    with pytest.raises(NotFound, match="There is no entry"):
        store.run_now(lambda tx: entries.find(tx, text))


def test_a_quarantined_number_and_a_mistyped_one_are_not_found(store: Store, planner: dict[str, Entry]) -> None:
    with pytest.raises(NotFound):
        store.run_now(lambda tx: entries.find(tx, planner["id-gone"].number))
    number = planner["id-council"].number
    typo = number[:-1] + str((int(number[-1]) + 1) % 10)
    with pytest.raises(Rejected, match="typo"):
        store.run_now(lambda tx: entries.find(tx, shown(typo)))


def test_an_ambiguous_beginning_lists_the_candidates(store: Store, planner: dict[str, Entry]) -> None:
    with pytest.raises(Rejected) as caught:
        store.run_now(lambda tx: entries.find(tx, "haushalt"))
    assert shown(planner["id-council"].number) in str(caught.value)
    assert "“Haushaltsausschuss 2”" in str(caught.value)
    assert not isinstance(caught.value, NotFound)
    for at in range(6):
        store.run_now(lambda tx, at=at: store_entry(tx, an_entry(f"x{at}", title="Haushalt")))
    with pytest.raises(Rejected, match="…"):
        store.run_now(lambda tx: entries.find(tx, "haushalt"))


def test_another_owner_s_entries_are_not_found(store: Store, planner: dict[str, Entry]) -> None:
    bert = planner["id-bert"]
    for text in (bert.id, bert.uid, bert.number, "Übergabe"):
        assert store.run_now(lambda tx, text=text: entries.find(tx, text, "owner-bert")) == bert
        with pytest.raises(NotFound):
            store.run_now(lambda tx, text=text: entries.find(tx, text, "owner-anna"))


@pytest.fixture
def listed(store: Store) -> None:
    """Yesterday's, tomorrow's, an endless one begun long ago, one without date; one cancelled, one deleted; another owner's."""

    def fill(tx: sa.Connection) -> None:
        with_owner(tx, "anna", "bert")
        guests = (Attendee(email="guest@example.net", name="Müller"),)
        store_entry(tx, an_entry("past", description="Etat"), start=NOW - DAY, end=NOW - DAY + timedelta(hours=1))
        store_entry(tx, an_entry("next", location="Köln", attendees=guests), start=NOW + DAY, end=NOW + DAY + timedelta(hours=1))
        store_entry(tx, an_entry("endless", when=WHEN, rrule="FREQ=WEEKLY"), start=NOW - 100 * DAY, end=None)
        store_entry(tx, an_entry("dateless"))
        store_entry(tx, an_entry("off", state=EntryState.CANCELLED), start=NOW + 2 * DAY, end=NOW + 3 * DAY)
        store_entry(tx, an_entry("gone", state=EntryState.DELETED), start=NOW + 2 * DAY, end=NOW + 3 * DAY)
        store_entry(tx, an_entry("bert", owner="owner-bert"), start=NOW + 5 * DAY, end=NOW + 6 * DAY)

    store.run_now(fill)


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        pytest.param({}, "endless past next off bert dateless", id="all-but-deleted-by-start-dateless-last"),
        pytest.param({"owner": "owner-anna"}, "endless past next off dateless", id="owner"),
        pytest.param({"states": [EntryState.DELETED]}, "gone", id="state"),
        pytest.param({"states": []}, "", id="no-state"),
        pytest.param({"after": NOW}, "endless next off bert dateless", id="after"),
        pytest.param({"after": NOW, "before": NOW + 2 * DAY}, "endless next", id="between"),
        pytest.param({"before": NOW}, "endless past", id="before"),
        pytest.param({"search": "KÖLN"}, "next", id="place"),
        pytest.param({"search": "etat"}, "past", id="description"),
        pytest.param({"search": "müller guest@"}, "next", id="attendee-all-words"),
        pytest.param({"search": "müller etat"}, "", id="words-of-two-entries"),
        pytest.param({"search": "entry %"}, "", id="wildcard-is-literal"),
        pytest.param({"search": "123-456", "owner": "owner-bert"}, "bert", id="number"),
        pytest.param({"limit": 2, "offset": 1}, "past next", id="page"),
    ],
)
def test_lists_are_narrowed(store: Store, filters: dict[str, Any], expected: str) -> None:
    found = store.run_now(lambda tx: entries.list_(tx, **filters))
    assert [one.id.removeprefix("id-") for one in found] == expected.split()
    if "limit" not in filters:
        assert store.run_now(lambda tx: entries.count(tx, **filters)) == len(found)


@pytest.mark.parametrize("number", [1, 40])
def test_a_list_takes_four_statements_however_long_it_is(store: Store, number: int) -> None:
    def fill(tx: sa.Connection) -> None:
        with_owner(tx)
        for at in range(number):
            store_entry(tx, an_entry(str(at), attendees=tuple(Attendee(email=f"{who}@x.org") for who in range(3))))

    store.run_now(fill)
    statements: list[str] = []
    sa.event.listen(store.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    found = store.run_now(lambda tx: entries.list_(tx, limit=1000))
    assert len(found) == number
    assert all(len(one.attendees) == 3 for one in found)
    assert len([one for one in statements if one.startswith("SELECT")]) == 4


def test_a_list_longer_than_databases_take_parameters_is_read_in_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "_AT_ONCE", 2)

    def fill(tx: sa.Connection) -> None:
        with_owner(tx)
        for at in range(5):
            store_entry(tx, an_entry(str(at), attendees=(Attendee(email=f"{at}@x.org"),)))

    store.run_now(fill)
    assert [one.attendees[0].email for one in store.run_now(entries.list_)] == [f"{at}@x.org" for at in range(5)]


def test_a_purged_entry_is_gone_with_its_children_once_its_number_is_given_back(store: Store, clock: ManualClock) -> None:
    entry = store.run_now(lambda tx: (with_owner(tx), with_number(tx, clock, "one", attendees=(Attendee(email="a@x.org"),)))[1])
    with pytest.raises(Rejected, match="still has its number"):
        store.run_now(lambda tx: entries.purge(tx, entry.id))
    store.run_now(lambda tx: numbers.quarantine(tx, entry.number, NOW + DAY))
    store.run_now(lambda tx: entries.purge(tx, entry.id))
    with pytest.raises(NotFound):
        get(store)
    assert store.run_now(lambda tx: tx.execute(sa.text("SELECT count(*) FROM attendee")).scalar()) == 0


@pytest.mark.parametrize("span", [timedelta(microseconds=1), timedelta(seconds=1, milliseconds=5)])
def test_a_fraction_of_a_second_is_refused_instead_of_lost(store: Store, span: timedelta) -> None:
    when = replace(WHEN, duration=span)
    with pytest.raises(sa.exc.StatementError, match="whole seconds"):
        store.run_now(lambda tx: (with_owner(tx), store_entry(tx, an_entry(when=when))))


def test_a_wall_time_with_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(sa.exc.StatementError, match="has no zone"):
        store.run_now(lambda tx: tx.execute(sa.update(table).values(start=NOW)).rowcount)


@given(st.text(max_size=20))
def test_searched_text_is_folded_once_and_for_all(text: str) -> None:
    once = entries.folded(text)
    assert entries.folded(once) == once


def test_the_search_column_begins_with_the_title(store: Store) -> None:
    store.run_now(lambda tx: (with_owner(tx), store_entry(tx, an_entry(title="  Straße "))))
    assert store.run_now(lambda tx: tx.scalar(sa.select(table.c.search))).startswith("strasse\n")
