"""Calendars both ways: no event twice, no answer lost, nothing undone silently. Whole services on memory servers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from connectors.memory.calendar import MemoryConnector, MemoryServer
from daemon import planner
from daemon.core.calendars import CalendarState, LinkState
from daemon.core.errors import Conflict, NotFound, Refused, Unreachable
from daemon.core.event import calendar_event
from daemon.core.ics import same_event
from daemon.core.model import Entry, EntryState, Event, Guest, PartStat, Sender
from daemon.loops import calendar_copy, calendar_pull
from daemon.planner.wishes import Changes
from daemon.ports import ChangeSet, ItemRef
from daemon.store import calendars as calendar_rows
from daemon.store import entries as rows
from daemon.store import work
from tests.loops.conftest import ALICE, ANNA, BEN, DAY, HOUR, MINUTE, Outside, Service, running, when

LOST = Unreachable("The server gave no complete answer.", maybe_done=True)
NO = Refused("The server refused to write it.")


def titles(server: MemoryServer, user: str = "alice") -> list[str]:
    return [event.components[0].title for event in server.events(user)]


def only(server: MemoryServer, user: str = "alice") -> Event:
    (event,) = server.events(user)
    return event


def changed(event: Event, **changes: Any) -> Event:
    first, *others = event.components
    return Event(components=(replace(first, **changes), *others))


def answered(event: Event, email: str, partstat: PartStat) -> Event:
    def said(guest: Guest) -> Guest:
        return replace(guest, partstat=partstat) if guest.email == email else guest

    return changed(event, guests=tuple(said(one) for one in event.components[0].guests))


async def test_an_entry_stands_in_the_calendar_with_its_people_and_their_answers(service: Service) -> None:
    owner = await service.owner()
    calendar = await service.calendar(owner)
    entry = await service.plan(owner, ANNA)
    await service.settle()
    event = only(service.outside.calendars)
    assert event.uid == entry.uid
    assert [(one.email, one.schedule_agent) for one in event.components[0].guests] == [(ANNA.email, "CLIENT")]
    assert event.components[0].organizer is not None
    assert event.components[0].organizer.email == "planner@example.test"
    link = await service.link(entry, calendar)
    assert link is not None
    assert (link.state, link.dirty, link.error) == (LinkState.SYNCED, False, "")


async def test_our_own_echo_is_no_change(service: Service) -> None:
    owner = await service.owner()
    calendar = await service.calendar(owner)
    entry = await service.plan(owner, ANNA)
    await service.settle()
    calls = len(service.outside.calendars.calls)
    before = await service.link(entry, calendar)
    for _ in range(3):
        await service.settle(MINUTE)
    assert set(service.outside.calendars.calls[calls:]) == {"changes"}
    assert await service.link(entry, calendar) == before
    assert "event-changed" not in await service.journal(entry)


@pytest.mark.parametrize("kind", ["plain", "scheduling"])
async def test_a_lost_answer_to_a_create_makes_no_second_event_and_no_second_invitation(service: Service, kind: str) -> None:
    owner = await service.owner()
    sender = Sender.CALENDAR if kind == "scheduling" else Sender.PLANNER
    server = service.outside.schedulers if kind == "scheduling" else service.outside.calendars
    await service.calendar(owner, sender=sender)
    server.fail(LOST, on="create", done=True)
    entry = await service.plan(owner, ANNA)
    await service.settle()
    await service.settle(HOUR)
    assert only(server).uid == entry.uid
    assert server.calls.count("update") == 0, "what stands there is what we wanted"
    if kind == "scheduling":
        assert [one.recipient for one in server.deliveries] == [ANNA.email]


@pytest.mark.parametrize("taken_away_before", [False, True])
async def test_an_event_written_by_a_process_that_died_is_taken_away_with_its_entry(
    service: Service, taken_away_before: bool
) -> None:
    """The answer to the creation was lost, then the entry was cancelled: nobody knew of the event any more."""
    owner = await service.owner()
    await service.calendar(owner)
    entry = await service.plan(owner)
    if taken_away_before:
        await service.settle()
        await service.do(planner.cancel, entry.id)
        await service.settle()
        await service.do(planner.move, entry.id, start=datetime(2027, 3, 18, 9))
    service.outside.calendars.fail(LOST, on="create", done=True)
    await service.settle()
    await service.do(planner.cancel, entry.id)
    await service.settle(HOUR)
    assert titles(service.outside.calendars) == []


async def test_an_answer_that_crosses_with_our_change_is_kept(service: Service) -> None:
    """The event has an attendee's answer inside when we write: 412, look, take the answer over, write again."""
    owner = await service.owner()
    server = service.outside.schedulers
    await service.calendar(owner, sender=Sender.CALENDAR)
    entry = await service.plan(owner, ANNA, BEN)
    await service.settle()
    server.put("anna", answered(only(server, "anna"), ANNA.email, PartStat.ACCEPTED))
    await service.do(planner.edit, entry.id, Changes(title="Neuer Titel"))
    await service.settle()
    view = await service.show(entry)
    assert [one.standing.partstat for one in view.attendees] == [PartStat.ACCEPTED, PartStat.NEEDS_ACTION]
    event = only(server)
    assert event.components[0].title == "Neuer Titel"
    assert {one.email: one.partstat for one in event.components[0].guests}[ANNA.email] is PartStat.ACCEPTED
    assert (await service.journal(entry)).count("answer") == 1
    assert "event-overwritten" not in await service.journal(entry)


async def test_an_answer_that_crosses_with_a_cancellation_changes_nothing(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.schedulers
    await service.calendar(owner, sender=Sender.CALENDAR)
    entry = await service.plan(owner, ANNA)
    await service.settle()

    def cancel_now(operation: str) -> None:
        if operation == "fetch":
            server.before = None
            service.app.store.run_now(lambda tx: planner.cancel(tx, service.app.desk, entry.id))

    server.put("anna", answered(only(server, "anna"), ANNA.email, PartStat.ACCEPTED))
    server.before = cancel_now
    await service.do(planner.edit, entry.id, Changes(title="Neuer Titel"))
    await service.settle()
    await service.settle(MINUTE)
    assert titles(server) == []


async def test_an_answer_written_by_the_server_is_seen_once(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.schedulers
    await service.calendar(owner, sender=Sender.CALENDAR)
    entry = await service.plan(owner, ANNA)
    await service.settle()
    server.put("anna", answered(only(server, "anna"), ANNA.email, PartStat.DECLINED))
    for _ in range(3):
        await service.settle(MINUTE)
    assert (await service.show(entry)).attendees[0].standing.partstat is PartStat.DECLINED
    journal = await service.journal(entry)
    assert journal.count("answer") == 1
    assert "event-changed" not in journal
    assert service.mails() == []


async def test_answers_of_strangers_are_not_recorded(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.schedulers
    await service.calendar(owner, sender=Sender.CALENDAR)
    entry = await service.plan(owner, ANNA)
    await service.settle()
    event = only(server)
    stranger = Guest(email="mallory@evil.test", partstat=PartStat.ACCEPTED)
    server.put("alice", changed(event, guests=(*event.components[0].guests, stranger)))
    await service.settle(MINUTE)
    assert [one.attendee.email for one in (await service.show(entry)).attendees] == [ANNA.email]
    assert "answer" not in await service.journal(entry)


@pytest.mark.parametrize("on", ["create", "update", "delete"])
async def test_a_refused_event_stops_no_other_and_is_told_once(service: Service, on: str) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    calendar = await service.calendar(owner)
    entry = await service.plan(owner, title="Schlecht")
    if on != "create":
        await service.settle()
        if on == "update":
            await service.do(planner.edit, entry.id, Changes(location="Raum 5"))
        else:
            await service.do(planner.cancel, entry.id)
    service.clock.move(timedelta(seconds=1))
    other = await service.plan(owner, title="Gut")
    server.fail(NO, on=on)
    await service.settle()
    await service.settle(MINUTE)
    assert "Gut" in titles(server)
    assert (await service.link(other, calendar)).state is LinkState.SYNCED  # type: ignore[union-attr]
    assert (await service.link(entry, calendar)).state is LinkState.FAILED  # type: ignore[union-attr]
    assert (await service.journal(entry)).count("event-refused") == 1
    (mail,) = service.mails(ALICE)
    assert "Schlecht" in mail["Subject"]
    assert len(service.mails(ALICE)) == 1
    # Somebody asks: it is tried again.
    await service.do(planner.sync_soon, calendar)
    await service.settle()
    assert (await service.link(entry, calendar)).state is LinkState.SYNCED  # type: ignore[union-attr]
    assert sorted(titles(server)) == (["Gut"] if on == "delete" else ["Gut", "Schlecht"])


async def test_many_refused_events_are_one_mail(service: Service) -> None:
    owner = await service.owner()
    await service.calendar(owner)
    for at in range(4):
        await service.plan(owner, title=f"Nein {at}")
    service.outside.calendars.fail(NO, on="create", times=4)
    await service.settle()
    await service.settle(MINUTE)
    (mail,) = service.mails(ALICE)
    assert "Kalender nicht aktualisiert" in mail["Subject"]


async def test_an_event_at_which_the_server_breaks_down_stops_no_other(service: Service) -> None:
    """Error 500 for one event made all that was behind it wait as long as it failed: for days."""
    owner = await service.owner()
    server = service.outside.calendars
    calendar = await service.calendar(owner)
    bad = await service.plan(owner, title="Schlecht")
    service.clock.move(timedelta(seconds=1))
    await service.plan(owner, title="Gut")
    server.fail(LOST, on="create")
    await service.settle()
    assert titles(server) == ["Gut"]
    link = await service.link(bad, calendar)
    assert link is not None
    assert (link.dirty, link.error) == (True, str(LOST))
    await service.settle(MINUTE)
    assert sorted(titles(server)) == ["Gut", "Schlecht"]
    assert (await service.link(bad, calendar)).error == ""  # type: ignore[union-attr]


async def test_an_event_over_which_we_stumble_ourselves_stops_no_other(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = await service.owner()
    calendar = await service.calendar(owner)
    bad = await service.plan(owner, title="Schlecht")
    await service.plan(owner, title="Gut")
    build = calendar_event

    def stumble(entry: Entry, **named: Any) -> Event:
        if entry.title == "Schlecht":
            raise ZeroDivisionError("a bug")
        return build(entry, **named)

    monkeypatch.setattr(calendar_copy, "calendar_event", stumble)
    await service.settle()
    assert titles(service.outside.calendars) == ["Gut"]
    link = await service.link(bad, calendar)
    assert link is not None
    assert (link.state, link.error) == (LinkState.FAILED, "ZeroDivisionError: a bug")


async def test_an_unreachable_server_is_waited_for_and_a_persons_change_is_tried_at_once(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    calendar = await service.calendar(owner)
    await service.settle()
    server.reachable = False
    entry = await service.plan(owner)
    await service.settle()
    stored = await service.tx(calendar_rows.get, calendar)
    assert stored.state is CalendarState.UNREACHABLE
    assert "switched off" in stored.error
    row = await service.row(f"calendar:{calendar}")
    assert row is not None
    assert row.due is not None
    for _ in range(5):
        await service.settle(HOUR)
    server.reachable = True
    await service.do(planner.edit, entry.id, Changes(title="Jetzt"))
    await service.settle()
    assert titles(server) == ["Jetzt"]
    stored = await service.tx(calendar_rows.get, calendar)
    assert (stored.state, stored.error, stored.checked) == (CalendarState.OK, "", service.clock.now())


async def test_a_server_that_is_back_is_back_for_all_its_calendars_and_for_no_other(service: Service) -> None:
    alice, bob = await service.owner(), await service.owner("bob@example.test")
    first, second = await service.calendar(alice), await service.calendar(bob, "bob")
    other = await service.calendar(alice, name="Anderswo", sender=Sender.CALENDAR)
    await service.settle()
    service.outside.calendars.reachable = service.outside.schedulers.reachable = False
    for _ in range(6):
        await service.settle(HOUR)
    service.outside.calendars.reachable = True
    await service.do(planner.sync_soon, first)
    await service.settle()
    states = [(await service.tx(calendar_rows.get, one)).state for one in (first, second, other)]
    assert states == [CalendarState.OK, CalendarState.OK, CalendarState.UNREACHABLE]


async def test_a_wrong_password_is_told_once_whatever_changes_until_somebody_asks(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    calendar = await service.calendar(owner)
    await service.settle()
    server.add_person("alice", ALICE, "another")
    entry = await service.plan(owner)
    for at in range(3):
        await service.settle(MINUTE)
        await service.do(planner.edit, entry.id, Changes(title=f"Titel {at}"))
    await service.settle(MINUTE)
    assert (await service.tx(calendar_rows.get, calendar)).state is CalendarState.REFUSED
    assert len(service.mails(ALICE)) == 1
    server.add_person("alice", ALICE, "secret")
    await service.do(planner.sync_soon, calendar)
    await service.settle()
    assert titles(server) == ["Titel 2"]


async def test_a_refusing_calendar_is_tried_again_at_a_start(outside: Outside) -> None:
    async with running(outside) as service:
        owner = await service.owner()
        calendar = await service.calendar(owner)
        outside.calendars.add_person("alice", ALICE, "another")
        await service.plan(owner)
        await service.settle()
    outside.calendars.add_person("alice", ALICE, "secret")
    async with running(outside) as service:
        await service.settle()
        assert titles(outside.calendars) == ["Haushalt"]
        await service.tx(work.drop, f"calendar:{calendar}", now=outside.clock.now())
    async with running(outside) as service:
        assert await service.row(f"calendar:{calendar}") is not None, "its row was dropped: it is followed again"


async def test_expired_tokens_are_met_with_a_full_listing_and_nothing_is_written(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    await service.calendar(owner)
    kept, lost = await service.plan(owner, title="Bleibt"), await service.plan(owner, title="Geht")
    await service.settle()
    server.remove("alice", lost.uid)
    server.expire_tokens()
    calls = len(server.calls)
    await service.settle(MINUTE)
    assert (await service.show(kept)).calendars[0].state == "synced"
    assert (await service.show(lost)).calendars[0].state == "gone"
    assert set(server.calls[calls:]) == {"changes", "fetch"}


async def test_what_a_listing_leaves_out_is_asked_for(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some servers cut listings off, or give out what they had before our last write."""
    owner = await service.owner()
    await service.calendar(owner)
    entry = await service.plan(owner)
    await service.settle()

    async def cut_off(connector: MemoryConnector, since: Any) -> ChangeSet:
        return ChangeSet(changed=(), removed=(), token=None, complete=True)

    monkeypatch.setattr(MemoryConnector, "changes", cut_off)
    service.outside.calendars.put("alice", changed(only(service.outside.calendars), title="Anders"))
    await service.settle(MINUTE)
    assert (await service.show(entry)).calendars[0].state == "changed"


async def test_everything_is_compared_once_a_day(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A calendar made anew at the same address answers to the old token with nothing, on three kinds of servers."""
    owner = await service.owner()
    await service.calendar(owner)
    entry = await service.plan(owner)
    await service.settle()
    changes = MemoryConnector.changes

    async def silent(connector: MemoryConnector, since: Any) -> ChangeSet:
        if since is None:
            return await changes(connector, since)
        return ChangeSet(changed=(), removed=(), token=since, complete=False)

    monkeypatch.setattr(MemoryConnector, "changes", silent)
    service.outside.calendars.remove("alice", entry.uid)
    await service.settle(MINUTE)
    assert (await service.show(entry)).calendars[0].state == "synced"
    await service.settle(DAY)
    assert (await service.show(entry)).calendars[0].state == "gone"


async def test_a_foreign_change_is_noted_and_setting_it_back_as_well(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    await service.calendar(owner)
    entry = await service.plan(owner)
    await service.settle()
    ours = only(server)
    server.put("alice", changed(ours, title="Vom Inhaber"))
    await service.settle(MINUTE)
    assert titles(server) == ["Vom Inhaber"], "noted, not undone"
    assert (await service.show(entry)).calendars[0].state == "changed"
    server.put("alice", changed(ours, title="Nochmals"))
    await service.settle(MINUTE)
    assert (await service.journal(entry)).count("event-changed") == 1
    server.put("alice", ours)
    await service.settle(MINUTE)
    assert (await service.show(entry)).calendars[0].state == "synced"
    assert (await service.journal(entry)).count("event-restored") == 1
    # An alarm put off in the owner's program is no change at all.
    server.put("alice", changed(ours, alarm=timedelta(minutes=5)))
    await service.settle(MINUTE)
    assert (await service.show(entry)).calendars[0].state == "synced"


async def test_a_foreign_change_is_not_written_over_silently(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    await service.calendar(owner)
    entry = await service.plan(owner)
    await service.settle()
    server.put("alice", changed(only(server), title="Vom Inhaber"))
    await service.do(planner.edit, entry.id, Changes(location="Raum 5"))
    await service.settle()
    assert titles(server) == ["Haushalt"]
    assert "event-overwritten" in await service.journal(entry)
    server.put("alice", changed(only(server), title="Wieder"))
    await service.settle(MINUTE)
    await service.do(planner.edit, entry.id, Changes(location="Raum 6"))
    await service.settle()
    assert (await service.journal(entry)).count("event-overwritten") == 1, "the second one was noted when it was seen"


async def test_a_refused_event_stays_refused_when_it_is_changed_there(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    await service.calendar(owner)
    entry = await service.plan(owner)
    await service.settle()
    server.fail(NO, on="update")
    await service.do(planner.edit, entry.id, Changes(location="Raum 5"))
    await service.settle()
    server.put("alice", changed(only(server), title="Anders"))
    await service.settle(MINUTE)
    view = (await service.show(entry)).calendars[0]
    assert (view.state, view.error) == ("failed", str(NO))


async def test_a_deletion_there_is_noted_and_neither_repeated_nor_undone(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    calendar = await service.calendar(owner)
    entry = await service.plan(owner, ANNA)
    await service.settle(MINUTE)
    event = only(server)
    server.remove("alice", entry.uid)
    await service.settle(MINUTE)
    assert (await service.show(entry)).calendars[0].state == "gone"
    assert "event-gone" in await service.journal(entry)
    done = await service.do(planner.edit, entry.id, Changes(title="Neuer Titel"))
    assert [one.kind.value for one in done.effects] == ["mail"], "the preview does not promise what is not done"
    await service.settle(MINUTE)
    assert titles(server) == []
    # Taken back out of the bin, it is ours again.
    server.put("alice", event)
    await service.settle(MINUTE)
    assert (await service.show(entry)).calendars[0].state == "changed", "it has the old title"
    server.remove("alice", entry.uid)
    await service.settle(MINUTE)
    # And its owner can have it written anew.
    await service.do(planner.set_calendar, entry.id, calendar)
    await service.settle()
    assert titles(server) == ["Neuer Titel"]
    assert len(service.mails(ANNA.email)) == 2


async def test_a_deletion_that_crosses_with_our_change_is_noted_as_well(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    await service.calendar(owner)
    entry = await service.plan(owner)
    await service.settle()
    server.remove("alice", entry.uid)
    await service.do(planner.edit, entry.id, Changes(title="Neu"))
    await service.settle()
    assert titles(server) == []
    assert (await service.show(entry)).calendars[0].state == "gone"
    await service.do(planner.cancel, entry.id)
    await service.settle()
    server.put_unreadable("alice", "etwas")
    await service.settle(MINUTE)


async def test_an_event_that_comes_back_under_another_name_is_ours(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    calendar = await service.calendar(owner)
    entry = await service.plan(owner)
    await service.settle()
    event = only(server)
    person = server._people["alice"]
    server.remove("alice", entry.uid)
    server._keep("alice", ItemRef("/alice/anders.ics"), event)
    await service.settle(MINUTE)
    link = await service.link(entry, calendar)
    assert link is not None
    assert (link.ref, link.state) == ("/alice/anders.ics", LinkState.SYNCED)
    await service.do(planner.cancel, entry.id)
    await service.settle()
    assert person.items == {}


async def test_a_second_copy_of_an_event_does_not_take_the_firsts_place(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    calendar = await service.calendar(owner)
    entry = await service.plan(owner)
    await service.settle()
    server._keep("alice", ItemRef("/alice/kopie.ics"), only(server))
    await service.settle(MINUTE)
    assert (await service.link(entry, calendar)).ref == f"/alice/{entry.uid}.ics"  # type: ignore[union-attr]


async def test_an_event_that_comes_back_after_its_entry_was_cancelled_is_left_alone(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    await service.calendar(owner)
    entry = await service.plan(owner)
    await service.settle()
    event = only(server)
    server.remove("alice", entry.uid)
    await service.settle(MINUTE)
    await service.do(planner.cancel, entry.id)
    server.put("alice", event)
    await service.settle(MINUTE)
    assert titles(server) == ["Haushalt"]


async def test_an_event_that_cannot_be_taken_in_stops_no_other(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    await service.calendar(owner)
    bad, good = await service.plan(owner, title="Schlecht"), await service.plan(owner, title="Gut")
    await service.settle()
    for event in server.events("alice"):
        server.put("alice", changed(event, location="woanders"))
    same = same_event

    def stumble(one: Event, other: Event) -> bool:
        if other.components[0].title == "Schlecht":
            raise ZeroDivisionError("a bug")
        return same(one, other)

    monkeypatch.setattr(calendar_pull, "same_event", stumble)
    await service.settle(MINUTE)
    assert (await service.show(good)).calendars[0].state == "changed"
    assert (await service.show(bad)).calendars[0].state == "synced"


async def test_a_cancelled_entry_leaves_the_calendar_and_comes_back_with_a_new_date(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    calendar = await service.calendar(owner)
    entry = await service.plan(owner)
    await service.settle()
    await service.do(planner.cancel, entry.id)
    await service.settle()
    assert titles(server) == []
    await service.do(planner.move, entry.id, start=datetime(2027, 3, 20, 9))
    await service.settle()
    assert titles(server) == ["Haushalt"]
    await service.do(planner.delete, entry.id)
    await service.settle()
    assert titles(server) == []
    assert await service.link(entry, calendar) is None
    assert (await service.tx(rows.get, entry.id)).state is EntryState.DELETED


async def test_an_entry_cancelled_and_planned_again_before_the_worker_came_stays(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    await service.calendar(owner)
    entry = await service.plan(owner)
    await service.settle()
    await service.do(planner.cancel, entry.id)
    await service.do(planner.move, entry.id, start=datetime(2027, 3, 20, 9))
    await service.settle()
    assert titles(server) == ["Haushalt"]
    assert (await service.show(entry)).calendars[0].state == "synced"


async def test_an_event_deleted_twice_or_changed_meanwhile_goes_all_the_same(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    await service.calendar(owner)
    first, second = await service.plan(owner, title="Eins"), await service.plan(owner, title="Zwei")
    await service.settle()
    by_title = {event.components[0].title: event for event in server.events("alice")}
    server.put("alice", changed(by_title["Eins"], location="woanders"))

    def gone(operation: str) -> None:
        if operation == "fetch":
            server.before = None
            server.remove("alice", first.uid)

    server.before = gone
    await service.do(planner.delete, first.id)
    await service.settle()
    server.put("alice", changed(by_title["Zwei"], location="woanders"))
    await service.do(planner.delete, second.id)
    await service.settle()
    assert titles(server) == []


@pytest.mark.parametrize("wish", ["edit", "delete"])
async def test_an_event_that_changes_all_the_time_is_given_up_and_told(service: Service, wish: str) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    calendar = await service.calendar(owner)
    entry = await service.plan(owner)
    await service.settle()

    def restless(operation: str) -> None:
        if operation in ("update", "delete"):
            server.put("alice", changed(only(server), location=f"Raum {len(server.calls)}"))

    server.before = restless
    if wish == "edit":
        await service.do(planner.edit, entry.id, Changes(title="Neu"))
    else:
        await service.do(planner.cancel, entry.id)
    await service.settle()
    link = await service.link(entry, calendar)
    assert link is not None
    assert link.state is LinkState.FAILED
    assert "faster" in link.error


async def test_an_unreadable_event_in_our_place_is_written_over(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    await service.calendar(owner)
    entry = await service.plan(owner)
    await service.settle()
    server.put_unreadable("alice", entry.uid)
    await service.do(planner.edit, entry.id, Changes(title="Neu"))
    await service.settle()
    assert titles(server) == ["Neu"]


async def test_a_name_that_is_taken_by_what_cannot_be_found_is_told(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = await service.owner()
    calendar = await service.calendar(owner)

    async def taken(connector: MemoryConnector, event: Event) -> Any:
        raise Conflict("There is something of that name.")

    monkeypatch.setattr(MemoryConnector, "create", taken)
    entry = await service.plan(owner)
    await service.settle()
    assert (await service.link(entry, calendar)).state is LinkState.FAILED  # type: ignore[union-attr]


async def test_what_is_asked_for_while_it_is_written_is_written_afterwards(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    await service.calendar(owner)
    entry = await service.plan(owner)

    def meanwhile(operation: str) -> None:
        if operation == "create":
            server.before = None
            service.app.store.run_now(lambda tx: planner.edit(tx, service.app.desk, entry.id, Changes(title="Später")))

    server.before = meanwhile
    await service.settle()
    assert titles(server) == ["Später"]


async def test_an_entry_that_goes_while_it_is_written_is_no_error(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    await service.calendar(owner)
    first, second = await service.plan(owner, title="Eins"), await service.plan(owner, title="Zwei")

    def meanwhile(operation: str) -> None:
        if operation == "create":
            server.before = None
            for entry in (first, second):
                service.app.store.run_now(partial(planner.delete, desk=service.app.desk, entry_id=entry.id))
                service.app.store.run_now(partial(rows.purge, entry_id=entry.id))

    server.before = meanwhile
    server.fail(NO, on="create")
    await service.settle()
    with pytest.raises(NotFound):
        await service.tx(rows.get, first.id)
    assert [row.key for row in await service.tx(work.list_, parked=True)] == []


async def test_a_turn_ends_after_half_a_minute_and_goes_on_at_once(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    calendar = await service.calendar(owner)
    for at in range(5):
        await service.plan(owner, title=f"Termin {at}")
    turns: list[int] = []

    def slow(operation: str) -> None:
        if operation == "create":
            service.clock.move(timedelta(seconds=12))
        if operation == "changes":
            turns.append(len(server.events("alice")))

    server.before = slow
    await service.settle()
    assert turns == [3, 5]
    row = await service.row(f"calendar:{calendar}")
    assert row is not None
    assert row.due == service.clock.now() + MINUTE


async def test_what_a_person_asked_for_goes_before_bulk(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    calendar = await service.calendar(owner)
    bulk = await service.plan(owner, title="Masse")
    await service.settle()
    await service.tx(calendar_rows.mark_dirty, bulk.id, calendar, now=service.clock.now(), bulk=True)
    service.clock.move(MINUTE)
    await service.plan(owner, title="Mensch")
    order: list[str] = []
    server.before = order.append
    await service.settle()
    assert order[:2] == ["create", "update"]


async def test_nothing_is_written_when_nothing_of_the_event_has_changed(service: Service) -> None:
    """A scheduling server may mail everybody at each write."""
    owner = await service.owner()
    server = service.outside.schedulers
    await service.calendar(owner, sender=Sender.CALENDAR)
    entry = await service.plan(owner, ANNA, remind=True)
    await service.settle()
    assert len(server.deliveries) == 1
    done = await service.do(planner.edit, entry.id, Changes(reminders=(HOUR,)))
    assert [one.kind.value for one in done.effects] == ["reminder"]
    await service.do(planner.edit_owner, owner.id, reminders=(2 * HOUR,))
    await service.do(planner.edit, entry.id, Changes(title="Haushalt"))
    await service.settle()
    assert len(server.deliveries) == 1


async def test_a_server_that_would_invite_as_well_gets_no_attendees(service: Service) -> None:
    owner = await service.owner()
    calendar = await service.calendar(owner)
    await service.tx(calendar_rows.set_capabilities, calendar, '{"foreign_organizer_quiet": false}')
    await service.plan(owner, ANNA)
    await service.settle()
    (component,) = only(service.outside.calendars).components
    assert (component.organizer, component.guests) == (None, ())
    assert "Anna <anna@kunde.test>" in component.description


async def test_an_entry_moves_to_another_calendar_and_back(service: Service) -> None:
    alice = await service.owner()
    first = await service.calendar(alice)
    second = await service.calendar(alice, name="Zweiter", sender=Sender.CALENDAR)
    entry = await service.plan(alice, calendar=first)
    await service.settle()
    moved = (await service.do(planner.set_calendar, entry.id, second)).entry
    assert moved.sender is Sender.PLANNER, "who invites is decided when it is planned"
    await service.settle()
    assert (titles(service.outside.calendars), titles(service.outside.schedulers)) == ([], ["Haushalt"])
    await service.do(planner.set_calendar, entry.id, first)
    await service.do(planner.set_calendar, entry.id, second)
    await service.settle()
    await service.settle(MINUTE)
    assert (titles(service.outside.calendars), titles(service.outside.schedulers)) == ([], ["Haushalt"])
    await service.do(planner.set_calendar, entry.id, None)
    await service.settle()
    assert titles(service.outside.schedulers) == []
    assert (await service.show(entry)).calendars == ()


async def test_an_entry_that_leaves_the_calendar_that_would_have_invited_is_invited_by_the_planner(service: Service) -> None:
    owner = await service.owner()
    calendar = await service.calendar(owner, sender=Sender.CALENDAR)
    entry = await service.plan(owner, ANNA, invite=False, calendar=calendar)
    assert entry.sender is Sender.CALENDAR
    await service.do(planner.set_calendar, entry.id, None)
    await service.do(planner.invite, entry.id)
    await service.settle(MINUTE)
    assert service.methods(ANNA.email) == ["REQUEST"]


@pytest.mark.parametrize("at", ["create", "changes"])
async def test_removing_a_calendar_while_it_is_worked_on(service: Service, at: str) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    calendar = await service.calendar(owner)
    await service.plan(owner)

    def remove(operation: str) -> None:
        if operation == at:
            server.before = None
            service.app.store.run_now(lambda tx: planner.remove_calendar(tx, service.app.desk, calendar))

    server.before = remove
    await service.settle()
    assert await service.row(f"calendar:{calendar}") is None
    assert await service.tx(calendar_rows.all_) == ()
    assert service.app.connections._open == {}
    assert titles(server) == ["Haushalt"], "what was written stays"


async def test_a_calendar_that_vanishes_under_a_failing_server_is_no_error(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    calendar = await service.calendar(owner)

    def remove(operation: str) -> None:
        server.before = None
        service.app.store.run_now(lambda tx: planner.remove_calendar(tx, service.app.desk, calendar))
        raise Refused("The calendar is not there.")

    server.before = remove
    await service.settle()
    await service.settle(MINUTE)
    assert await service.row(f"calendar:{calendar}") is None
    assert service.mails(ALICE) == []


async def test_whoever_took_in_some_of_what_changed_did_not_die_in_vain(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine that fails again and again, a calendar that gets on a little each time must not be put aside."""
    monkeypatch.setattr(calendar_pull, "_AT_ONCE", 1)
    owner = await service.owner()
    server = service.outside.calendars
    calendar = await service.calendar(owner)
    for at in range(2):
        await service.plan(owner, title=f"Termin {at}")
    await service.settle()
    for event in server.events("alice"):
        server.put("alice", changed(event, location="woanders"))
    service.clock.move(HOUR)
    await service.die(work.CALENDAR, times=3)
    deaths: list[int] = []
    ours = calendar_pull.Puller._ours

    def looked(self: Any, tx: Any, *given: Any) -> Any:
        deaths.append(work.get(tx, f"calendar:{calendar}").deaths)
        return ours(self, tx, *given)

    monkeypatch.setattr(calendar_pull.Puller, "_ours", looked)
    await service.settle()
    assert deaths[0] == 3
    assert deaths[-1] == 0


async def test_who_lost_the_row_writes_no_more(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.calendars
    calendar = await service.calendar(owner)
    for at in range(3):
        await service.plan(owner, title=f"Termin {at}")

    def steal(operation: str) -> None:
        if operation == "create":
            server.before = None
            service.clock.move(timedelta(minutes=2))
            now = service.clock.now()
            service.app.store.run_now(lambda tx: work.claim(tx, work.CALENDAR, now=now, hold=MINUTE, most=1, token="other"))
            service.clock.move(-timedelta(minutes=2))

    server.before = steal
    await service.settle()
    assert len(server.events("alice")) == 1
    row = await service.row(f"calendar:{calendar}")
    assert row is not None
    assert row.holder == "other"


async def test_connections_are_kept_and_made_anew_when_the_account_changes(service: Service) -> None:
    owner = await service.owner()
    calendar = await service.calendar(owner)
    for _ in range(3):
        await service.settle(MINUTE)
    assert len(service.outside.asked) == 1
    stored = await service.tx(calendar_rows.get, calendar)
    await service.tx(calendar_rows.update, replace(stored, url="https://calendar.test/neu"))
    await service.settle(MINUTE)
    assert [one.url for one in service.outside.asked] == ["https://calendar.test/", "https://calendar.test/neu"]


async def test_a_series_keeps_its_answers_per_date(service: Service) -> None:
    owner = await service.owner()
    server = service.outside.schedulers
    await service.calendar(owner, sender=Sender.CALENDAR)
    entry = await service.plan(owner, ANNA, rrule="FREQ=DAILY;COUNT=3", when=when(15))
    await service.do(planner.move, entry.id, start=datetime(2027, 3, 16, 12), recurrence_id=datetime(2027, 3, 16, 9))
    await service.settle()
    whole, date = only(server, "anna").components
    said = tuple(replace(one, partstat=PartStat.DECLINED) for one in date.guests)
    server.put("anna", Event(components=(whole, replace(date, guests=said))))
    await service.settle(MINUTE)
    view = await service.show(entry)
    assert [one.standings[0].partstat for one in view.occurrences] == [
        PartStat.NEEDS_ACTION,
        PartStat.DECLINED,
        PartStat.NEEDS_ACTION,
    ]
    assert service.clock.now() < datetime(2027, 3, 15, tzinfo=UTC)
