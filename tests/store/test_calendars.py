"""Calendars and their links: stored, found, refused, and what is to be pushed in which order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from daemon.core.calendars import Calendar, CalendarState, Link, LinkState
from daemon.core.errors import NotFound, Rejected
from daemon.store import calendars, entries
from daemon.store.engine import Store
from tests.store.values import FULL_CALENDAR, NOW, SECOND, a_calendar, a_link, an_entry, store_entry, with_calendar, with_owner


def test_calendars_come_back_as_stored(store: Store) -> None:
    def trip(tx: sa.Connection) -> tuple[Calendar, Calendar]:
        with_calendar(tx)
        plain = calendars.get(tx, "cal-work")
        calendars.update(tx, FULL_CALENDAR)
        return plain, calendars.get(tx, "cal-work")

    plain, full = store.run_now(trip)
    assert plain == a_calendar()
    assert full == replace(FULL_CALENDAR, error="wrong pass\ufffdword")


def test_what_runs_for_long_records_without_undoing_what_a_person_changed(store: Store) -> None:
    def record(tx: sa.Connection) -> Calendar:
        with_calendar(tx)
        calendars.set_state(tx, "cal-work", CalendarState.OK, checked=NOW)
        calendars.set_sync_token(tx, "cal-work", "t1")
        calendars.set_capabilities(tx, "cal-work", '{"a": 1}')
        calendars.set_state(tx, "cal-work", CalendarState.UNREACHABLE, error="no answer")
        return calendars.get(tx, "cal-work")

    assert store.run_now(record) == a_calendar(
        state=CalendarState.UNREACHABLE, error="no answer", checked=NOW, sync_token="t1", capabilities_json='{"a": 1}'
    )


def test_a_secret_in_clear_is_refused_at_birth_and_never_shown() -> None:
    with pytest.raises(ValueError, match="never in clear"):
        a_calendar(secret="geheim")
    assert "xyz" not in repr(FULL_CALENDAR)


def test_calendars_are_found_by_id_and_name_of_their_owner(store: Store) -> None:
    def fill(tx: sa.Connection) -> None:
        with_owner(tx, "anna", "bert")
        calendars.insert(tx, a_calendar())
        calendars.insert(tx, a_calendar("home"))
        calendars.insert(tx, a_calendar("work", id="cal-bert", owner="owner-bert"))

    store.run_now(fill)

    def find(text: str, owner: str | None = None) -> str:
        return store.run_now(lambda tx: calendars.find(tx, text, owner)).id

    assert find("HOME") == "cal-home"
    assert find("cal-bert") == "cal-bert"
    assert find("Work", "owner-bert") == "cal-bert"
    with pytest.raises(Rejected, match="2 calendars are named"):
        find("work")
    with pytest.raises(NotFound, match="calendar list"):
        find("cal-bert", "owner-anna")
    assert [one.id for one in store.run_now(calendars.all_)] == ["cal-home", "cal-work", "cal-bert"]


def test_names_of_an_owner_s_calendars_differ(store: Store) -> None:
    store.run_now(lambda tx: (with_calendar(tx), calendars.insert(tx, a_calendar("home"))))
    with pytest.raises(Rejected, match="Choose another name"):
        store.run_now(lambda tx: calendars.insert(tx, a_calendar(id="x")))
    with pytest.raises(Rejected, match="Choose another name"):
        store.run_now(lambda tx: calendars.update(tx, a_calendar("work", id="cal-home")))
    for act in (
        lambda tx: calendars.update(tx, a_calendar("x")),
        lambda tx: calendars.delete(tx, "x"),
        lambda tx: calendars.get(tx, "x"),
    ):
        with pytest.raises(NotFound):
            store.run_now(act)


@pytest.fixture
def linked(store: Store) -> Store:
    """Five entries, each with a link to one calendar, none of them dirty."""

    def fill(tx: sa.Connection) -> None:
        with_calendar(tx)
        for name in ("one", "two", "three", "four", "five"):
            store_entry(tx, an_entry(name))
            calendars.put_link(tx, a_link(f"id-{name}", dirty=False))

    store.run_now(fill)
    return store


def link_of(store: Store, entry: str = "id-one") -> Link:
    found = store.run_now(lambda tx: calendars.get_link(tx, entry, "cal-work"))
    assert found is not None
    return found


def test_links_come_back_as_stored_and_are_found_by_every_name(linked: Store) -> None:
    full = a_link(
        ref="/anna/1.ics",
        version='"abc"',
        uid="server@uid",
        state=LinkState.CHANGED,
        dirty=True,
        bulk=True,
        deleting=True,
        wish=3,
        pushed_sequence=2,
        base_partstats=(("a@x.org", "ACCEPTED"), ("a@x.org|2027-04-01T09:00:00", "DECLINED")),
        error="ä",
        changed_at=NOW + SECOND,
    )

    def look(tx: sa.Connection) -> list[Any]:
        calendars.put_link(tx, full)
        return [
            calendars.get_link(tx, "id-one", "cal-work"),
            calendars.link_by_ref(tx, "cal-work", "/anna/1.ics"),
            calendars.link_by_uid(tx, "cal-work", "server@uid"),
            *calendars.links_of(tx, "id-one"),
        ]

    assert linked.run_now(look) == [full] * 4
    assert linked.run_now(lambda tx: calendars.link_by_ref(tx, "cal-work", "/x")) is None
    assert linked.run_now(lambda tx: calendars.link_by_uid(tx, "cal-work", "x")) is None
    assert linked.run_now(lambda tx: calendars.get_link(tx, "id-one", "x")) is None
    assert len(linked.run_now(lambda tx: calendars.links_in(tx, "cal-work"))) == 5
    linked.run_now(lambda tx: calendars.remove_link(tx, "id-one", "cal-work"))
    assert linked.run_now(lambda tx: calendars.links_of(tx, "id-one")) == ()


def mark(store: Store, entry: str, at: int, **how: bool) -> bool:
    return store.run_now(lambda tx: calendars.mark_dirty(tx, entry, "cal-work", now=NOW + at * SECOND, **how))


def test_what_a_person_asked_for_is_pushed_before_bulk_then_what_waits_longest(linked: Store) -> None:
    mark(linked, "id-one", 1, bulk=True)
    mark(linked, "id-two", 3)
    mark(linked, "id-three", 2)
    mark(linked, "id-four", 0, bulk=True)

    def order() -> list[str]:
        return [one.entry for one in linked.run_now(lambda tx: calendars.dirty(tx, "cal-work", 9))]

    assert order() == ["id-three", "id-two", "id-four", "id-one"]
    mark(linked, "id-one", 9)
    assert order() == ["id-one", "id-three", "id-two", "id-four"], "bulk, then a click: it counts as clicked since it waits"
    mark(linked, "id-two", 9, bulk=True)
    assert order()[:3] == ["id-one", "id-three", "id-two"], "a later bulk run puts no click behind"
    assert len(linked.run_now(lambda tx: calendars.dirty(tx, "cal-work", 2))) == 2
    assert mark(linked, "id-nothing", 1) is False


def test_a_wish_to_take_the_event_away_is_not_forgotten_by_a_later_one(linked: Store) -> None:
    mark(linked, "id-one", 1, deleting=True)
    mark(linked, "id-one", 2)
    link = link_of(linked)
    assert (link.deleting, link.wish, link.dirty) == (True, 3, True)


def test_a_push_clears_only_what_it_has_seen(linked: Store) -> None:
    mark(linked, "id-one", 1)
    seen = link_of(linked)
    done = replace(seen, ref="/1", version="v1", state=LinkState.SYNCED, dirty=False, pushed_sequence=1)
    mark(linked, "id-one", 2, deleting=True)
    assert linked.run_now(lambda tx: calendars.settle_link(tx, done)) is False
    link = link_of(linked)
    assert (link.ref, link.version, link.state, link.pushed_sequence) == ("/1", "v1", LinkState.SYNCED, 1)
    assert (link.dirty, link.deleting, link.wish) == (True, True, seen.wish + 1)
    again = replace(link, dirty=False, deleting=False)
    assert linked.run_now(lambda tx: calendars.settle_link(tx, again)) is True
    assert link_of(linked) == again


def test_a_link_that_went_meanwhile_is_not_made_again(linked: Store) -> None:
    seen = link_of(linked)
    linked.run_now(lambda tx: calendars.remove_link(tx, "id-one", "cal-work"))
    assert linked.run_now(lambda tx: calendars.settle_link(tx, seen)) is False
    assert linked.run_now(lambda tx: calendars.get_link(tx, "id-one", "cal-work")) is None


def test_a_refused_push_waits_until_somebody_asks_again(linked: Store) -> None:
    mark(linked, "id-one", 1)
    seen = link_of(linked)
    assert linked.run_now(lambda tx: calendars.fail_link(tx, seen, error="403", now=NOW)) is True
    link = link_of(linked)
    assert (link.state, link.dirty, link.error) == (LinkState.FAILED, False, "403")
    mark(linked, "id-one", 2)
    assert linked.run_now(lambda tx: calendars.fail_link(tx, seen, error="403", now=NOW)) is False
    assert link_of(linked).dirty


def test_a_deleted_calendar_takes_its_links_and_leaves_the_entries(linked: Store) -> None:
    linked.run_now(lambda tx: calendars.delete(tx, "cal-work"))
    assert linked.run_now(lambda tx: calendars.links_of(tx, "id-one")) == ()
    assert linked.run_now(entries.count) == 5
