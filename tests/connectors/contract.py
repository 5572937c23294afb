"""What every calendar connector does, whatever the server: subclass `CalendarContract` and give it a `house`.

Events are compared as a person would (`ics.same_event`), because most servers store something else than they are given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import pytest

from daemon.core.errors import Conflict, Refused, Unreachable
from daemon.core.ics import same_event
from daemon.core.model import Component, Event, Guest, Organizer, PartStat, Role, Status, When
from daemon.ports import CalendarConnector, Capabilities, ItemRef, RemoteItem, SyncToken, Version

BERLIN = "Europe/Berlin"
STAMP = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
PLANNER = Organizer(email="planner@example.test", name="Anna Beispiel")


class House(Protocol):
    """A server with one fresh calendar of one owner."""

    def connector(self) -> CalendarConnector:
        """Another connector to the same calendar."""
        ...

    def stranger(self) -> CalendarConnector:
        """A connector whose password is wrong."""
        ...

    def nowhere(self) -> CalendarConnector:
        """A connector to a server that is not there."""
        ...

    def forgotten(self, token: SyncToken) -> SyncToken:
        """The token, after the server has forgotten about it."""
        ...


def a_component(
    *,
    uid: str = "8c7e3f5e-0001@planner.example.test",
    start: datetime = datetime(2026, 12, 1, 10),
    minutes: int = 60,
    zone: str = BERLIN,
    **changes: object,
) -> Component:
    values: dict[str, object] = {
        "uid": uid,
        "when": When(start=start, zone=zone, duration=timedelta(minutes=minutes)),
        "title": "Fernwartung bei Müller & Söhne",
        "dtstamp": STAMP,
        **changes,
    }
    return Component(**values)


def an_event(**changes: object) -> Event:
    return Event(components=(a_component(**changes),))


def retitled(event: Event, title: str) -> Event:
    return Event(components=(replace(event.components[0], title=title), *event.components[1:]))


def a_series() -> Event:
    """Weekly over the end of summer time 2026 (25 October): one date moved, one cancelled, one excluded."""
    zone = ZoneInfo(BERLIN)
    master = a_component(
        uid="series-1",
        start=datetime(2026, 10, 12, 9),
        rrule="FREQ=WEEKLY;COUNT=6",
        exdates=(datetime(2026, 11, 9, 9),),
        sequence=2,
    )
    moved = replace(
        a_component(uid="series-1", start=datetime(2026, 10, 27, 14, 30), minutes=30, title="Verlegt", sequence=2),
        recurrence_id=datetime(2026, 10, 26, 9, tzinfo=zone),
    )
    cancelled = replace(
        a_component(uid="series-1", start=datetime(2026, 11, 2, 9), status=Status.CANCELLED, sequence=3),
        recurrence_id=datetime(2026, 11, 2, 9, tzinfo=zone),
    )
    return Event(components=(master, moved, cancelled))


LONG_TEXT = "\n".join(f"Zeile {number}: äöüß € 𝄞 – bitte 10 Minuten früher kommen; Rückfragen, gern." for number in range(120))
KINDS = {
    "a plain event": an_event(),
    "a series with a moved and a cancelled date over a clock change": a_series(),
    "an all-day event": Event(
        components=(
            replace(
                a_component(),
                when=When(start=datetime(2026, 12, 24), zone=BERLIN, duration=timedelta(days=3), all_day=True),
            ),
        )
    ),
    "an event in UTC": an_event(zone="UTC"),
    "an event in a zone with half hours": an_event(zone="Asia/Kolkata"),
    "an event over midnight of a clock change": an_event(start=datetime(2027, 3, 27, 23), minutes=300),
    "letters of other scripts": an_event(title="Совещание 会議 פגישה Besprechung", location="Café “Zum Löwen”"),
    "characters that iCalendar escapes": an_event(title='a;b,c\\d "e" <f> & g', description="eins\nzwei;drei,vier\\n fünf"),
    "a long text": an_event(description=LONG_TEXT),
    "an alarm, a link, categories and a place": an_event(
        alarm=timedelta(minutes=15),
        url="https://plan.example.test/j/524644209",
        categories=("sitzung", "Ärzte"),
        location="Raum 1",
    ),
    "attendees whom the planner invites itself": an_event(
        organizer=PLANNER,
        guests=(
            Guest(email="zoe@example.org", name="Zoë Ångström", schedule_agent="CLIENT", partstat=PartStat.ACCEPTED),
            Guest(email="max@example.org", schedule_agent="CLIENT", role=Role.OPT_PARTICIPANT, rsvp=True),
        ),
    ),
}
UIDS = {
    "a UUID": "5a1f0f5e-7c2e-4a51-9d8f-0a4c1e3b9f77",
    "Outlook's": "040000008200E00074C5B7101A82E00800000000B0C5D6E7F8A9BA01000000000000000010000000AB",
    "with blank, slash and question mark": "a b/c?d#e%2Fü@example.org",
    "of 200 characters": "x" * 200,
    "dots only": "..",
}


def contents(items: tuple[RemoteItem, ...]) -> dict[str, str]:
    return {one.event.uid: one.event.components[0].title for one in items if one.event is not None}


async def again(act: Callable[..., Awaitable[RemoteItem]], *arguments: object) -> RemoteItem:
    """Act until the server has time: under two writers at once, Xandikos 0.4.10 answers 423 and 500."""
    for _ in range(20):
        try:
            return await act(*arguments)
        except Unreachable:
            continue
    raise AssertionError("the server never had time")


class CalendarContract:
    """The suite. `capabilities` are what `probe` must find.

    `compares_and_writes_in_one_step` False: of two writers of one version at the same moment both may be told that they wrote.
    """

    capabilities: Capabilities
    compares_and_writes_in_one_step = True

    @pytest.fixture
    def calendar(self, house: House) -> CalendarConnector:
        return house.connector()

    @pytest.mark.parametrize("event", KINDS.values(), ids=KINDS.keys())
    async def test_what_is_created_is_read_back_as_written(self, calendar: CalendarConnector, event: Event) -> None:
        created = await calendar.create(event)
        fetched = await calendar.fetch(created.ref)
        listed = await calendar.changes(None)
        assert fetched == created
        assert listed.changed == (created,)
        assert created.version
        assert created.event is not None
        assert same_event(created.event, event)

    @pytest.mark.parametrize("uid", UIDS.values(), ids=UIDS.keys())
    async def test_an_event_is_found_by_its_uid(self, calendar: CalendarConnector, uid: str) -> None:
        await calendar.create(an_event(uid="another"))
        created = await calendar.create(an_event(uid=uid))
        assert await calendar.find(uid) == created
        assert await calendar.find(uid + "x") is None

    async def test_a_uid_is_created_once(self, calendar: CalendarConnector) -> None:
        first = await calendar.create(an_event())
        with pytest.raises(Conflict):
            await calendar.create(an_event(title="Zweimal"))
        assert (await calendar.changes(None)).changed == (first,)

    async def test_an_update_replaces_the_event_and_gives_it_another_version(self, calendar: CalendarConnector) -> None:
        created = await calendar.create(a_series())
        shorter = Event(components=(replace(a_series().components[0], sequence=4, title="Neu"),))
        updated = await calendar.update(created.ref, created.version, shorter)
        assert updated.ref == created.ref
        assert updated.version != created.version
        assert updated.event is not None
        assert same_event(updated.event, shorter)
        assert await calendar.find("series-1") == updated

    async def test_a_date_is_moved_and_one_cancelled_by_an_update(self, calendar: CalendarConnector) -> None:
        created = await calendar.create(Event(components=a_series().components[:1]))
        updated = await calendar.update(created.ref, created.version, a_series())
        assert updated.event is not None
        assert same_event(updated.event, a_series())

    async def test_answers_written_into_the_copy_are_kept(self, calendar: CalendarConnector) -> None:
        event = KINDS["attendees whom the planner invites itself"]
        created = await calendar.create(event)
        guests = tuple(replace(one, partstat=PartStat.DECLINED) for one in event.components[0].guests)
        answered = Event(components=(replace(event.components[0], guests=guests),))
        updated = await calendar.update(created.ref, created.version, answered)
        assert updated.event is not None
        assert {one.email: (one.partstat, one.schedule_agent) for one in updated.event.components[0].guests} == {
            "zoe@example.org": (PartStat.DECLINED, "CLIENT"),
            "max@example.org": (PartStat.DECLINED, "CLIENT"),
        }

    async def test_a_stale_version_changes_nothing(self, calendar: CalendarConnector) -> None:
        created = await calendar.create(an_event())
        updated = await calendar.update(created.ref, created.version, an_event(title="Neu"))
        with pytest.raises(Conflict):
            await calendar.update(created.ref, created.version, an_event(title="Zu spät"))
        with pytest.raises(Conflict):
            await calendar.delete(created.ref, created.version)
        assert await calendar.fetch(created.ref) == updated

    async def test_an_update_of_what_is_gone_is_a_conflict(self, calendar: CalendarConnector) -> None:
        created = await calendar.create(an_event())
        await calendar.delete(created.ref, created.version)
        with pytest.raises(Conflict):
            await calendar.update(created.ref, created.version, an_event(title="Neu"))
        assert (await calendar.changes(None)).changed == ()

    async def test_a_deleted_event_is_gone_and_may_be_deleted_again(self, calendar: CalendarConnector) -> None:
        created = await calendar.create(an_event())
        await calendar.delete(created.ref, created.version)
        await calendar.delete(created.ref, created.version)
        await calendar.delete(created.ref, Version('"other"'))
        assert await calendar.fetch(created.ref) is None
        assert await calendar.find(an_event().uid) is None

    async def test_a_deleted_event_can_be_created_again(self, calendar: CalendarConnector) -> None:
        created = await calendar.create(an_event())
        await calendar.delete(created.ref, created.version)
        again = await calendar.create(an_event(title="Doch"))
        assert contents((await calendar.changes(None)).changed) == {again.event.uid: "Doch"}

    async def test_the_first_listing_is_complete_and_later_ones_name_only_what_changed(self, calendar: CalendarConnector) -> None:
        kept, changed, removed = [await calendar.create(an_event(uid=uid)) for uid in ("kept", "changed", "removed")]
        first = await calendar.changes(None)
        assert first.complete
        assert set(contents(first.changed)) == {"kept", "changed", "removed"}
        assert first.removed == ()

        await calendar.update(changed.ref, changed.version, an_event(uid="changed", title="Neu"))
        await calendar.delete(removed.ref, removed.version)
        added = await calendar.create(an_event(uid="added"))
        second = await calendar.changes(first.token)
        assert not second.complete
        assert contents(second.changed) == {"changed": "Neu", "added": added.event.components[0].title}
        assert second.removed == (removed.ref,)
        assert kept.ref not in {one.ref for one in second.changed}

        third = await calendar.changes(second.token)
        assert (third.changed, third.removed, third.complete) == ((), (), False)
        fourth = await calendar.changes(third.token)
        assert (fourth.changed, fourth.removed, fourth.complete) == ((), (), False)

    async def test_an_empty_calendar_has_a_complete_empty_listing(self, calendar: CalendarConnector) -> None:
        first = await calendar.changes(None)
        assert (first.changed, first.removed, first.complete) == ((), (), True)
        created = await calendar.create(an_event())
        assert (await calendar.changes(first.token)).changed == (created,)

    async def test_what_came_and_went_between_two_looks_is_not_listed_as_there(self, calendar: CalendarConnector) -> None:
        first = await calendar.changes(None)
        created = await calendar.create(an_event())
        await calendar.delete(created.ref, created.version)
        second = await calendar.changes(first.token)
        assert second.changed == ()
        assert set(second.removed) <= {created.ref}

    async def test_a_forgotten_token_gives_a_complete_listing(self, house: House, calendar: CalendarConnector) -> None:
        await calendar.create(an_event(uid="one"))
        token = (await calendar.changes(None)).token
        await calendar.create(an_event(uid="two"))
        listing = await calendar.changes(house.forgotten(token))
        assert listing.complete
        assert set(contents(listing.changed)) == {"one", "two"}
        again = await calendar.changes(listing.token)
        assert (again.changed, again.removed, again.complete) == ((), (), False)

    async def test_a_token_that_nobody_made_gives_a_complete_listing(self, calendar: CalendarConnector) -> None:
        await calendar.create(an_event(uid="one"))
        for token in ("", "nonsense", "[]", '{"v": 99}'):
            assert (await calendar.changes(SyncToken(token))).complete

    async def test_of_two_writers_of_one_version_one_wins(self, house: House, calendar: CalendarConnector) -> None:
        other = house.connector()
        created = await calendar.create(an_event())
        writers = ((calendar, an_event(title="links")), (other, an_event(title="rechts")))
        results = await asyncio.gather(
            *(again(writer.update, created.ref, created.version, event) for writer, event in writers), return_exceptions=True
        )
        winners = [one for one in results if isinstance(one, RemoteItem)]
        assert [one for one in results if not isinstance(one, RemoteItem | Conflict)] == []
        assert len(winners) == 1 or not self.compares_and_writes_in_one_step
        assert await calendar.fetch(created.ref) in winners

    async def test_two_connectors_write_side_by_side_and_each_sees_both(self, house: House, calendar: CalendarConnector) -> None:
        other = house.connector()
        before = await other.changes(None)

        async def fill(connector: CalendarConnector, name: str) -> None:
            for number in range(5):
                await again(connector.create, an_event(uid=f"{name}-{number}"))

        await asyncio.gather(fill(calendar, "left"), fill(other, "right"))
        expected = {f"{name}-{number}" for name in ("left", "right") for number in range(5)}
        assert set(contents((await other.changes(before.token)).changed)) == expected
        assert set(contents((await calendar.changes(None)).changed)) == expected

    async def test_a_probe_finds_the_servers_habits_and_leaves_nothing_behind(self, calendar: CalendarConnector) -> None:
        created = await calendar.create(an_event())
        found = [await calendar.probe(), await calendar.probe()]
        assert found == [self.capabilities] * 2
        assert (await calendar.changes(None)).changed == (created,)

    async def test_a_wrong_password_is_refused_with_the_remedy(self, house: House) -> None:
        stranger = house.stranger()
        acts = (lambda: stranger.changes(None), lambda: stranger.create(an_event()), lambda: stranger.find("x"), stranger.probe)
        for act in acts:
            with pytest.raises(Refused, match="right password") as caught:
                await act()
            assert "wrong-secret" not in str(caught.value)

    async def test_a_server_that_is_not_there_is_unreachable_and_nothing_was_done(self, house: House) -> None:
        nowhere = house.nowhere()
        acts = (
            lambda: nowhere.changes(None),
            lambda: nowhere.create(an_event()),
            lambda: nowhere.fetch(ItemRef("/x")),
            nowhere.probe,
        )
        for act in acts:
            with pytest.raises(Unreachable, match="tried again") as caught:
                await act()
            assert caught.value.maybe_done is False
