"""Several writes side by side: one's trouble is its own, no event is in two hands, and whoever dies leaves nothing odd."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection
from datetime import timedelta
from typing import Any

import pytest

from connectors.memory.calendar import MemoryConnector
from daemon import planner
from daemon.core.calendars import Link, LinkState
from daemon.core.errors import Refused, Unreachable
from daemon.core.model import Entry, Event
from daemon.loops.calendar_copy import Copies
from daemon.loops.calendar_push import _AHEAD, _AT_ONCE
from daemon.loops.calendar_write import Outcome, Writer
from daemon.planner.wishes import Changes, Draft
from daemon.store import calendars as calendar_rows
from daemon.store import work
from tests.loops.conftest import MINUTE, Death, Mortal, Outside, Service, running, when

AWAY = Unreachable("The server is away.")
BROKEN = Unreachable("The server gave no complete answer.", maybe_done=True)
NO = Refused("The server refused to write it.")


class Doors:
    """Stands before (and, where told, behind) the server: who writes there now, in which order, and whom it keeps waiting."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.inside: list[str] = []
        self.done: set[str] = set()
        self.beside: list[int] = []  # how many were inside when one came
        self.holds: Callable[[str], bool] = lambda title: False
        self.behind = False
        self.trouble: dict[str, Exception] = {}
        self.seen: Callable[[str], None] = lambda title: None
        self._open = asyncio.Event()
        self._changed = asyncio.Event()

    async def write(self, title: str, act: Callable[[], Any]) -> Any:
        assert title not in self.inside, "one event by two hands"
        self.order.append(title)
        self.inside.append(title)
        self.beside.append(len(self.inside))
        self._changed.set()
        self.seen(title)
        try:
            if not self.behind:
                await self._pass(title)
            if title in self.trouble:
                raise self.trouble.pop(title)
            result = await act()
            if self.behind:
                await self._pass(title)
            return result
        finally:
            self.inside.remove(title)
            self.done.add(title)
            self._changed.set()

    async def _pass(self, title: str) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        if self.holds(title):
            await self._open.wait()

    async def come(self, inside: int = 0, *, done: Collection[str] = ()) -> None:
        """Return when so many are inside, and these have been and gone."""
        while len(self.inside) < inside or not self.done.issuperset(done):
            self._changed.clear()
            await self._changed.wait()

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def doors(monkeypatch: pytest.MonkeyPatch) -> Doors:
    made = Doors()

    def watched(operation: str) -> None:
        act = getattr(MemoryConnector, operation)

        async def write(connector: MemoryConnector, *given: Any) -> Any:
            event: Event = given[-1]
            return await made.write(event.components[0].title, lambda: act(connector, *given))

        monkeypatch.setattr(MemoryConnector, operation, write)

    watched("create")
    watched("update")
    return made


async def some_entries(service: Service, count: int, user: str = "alice") -> tuple[str, list[Entry]]:
    """A calendar with so many entries to be written, “<user> 0” first."""
    owner = await service.owner(f"{user}@example.test")
    calendar = await service.calendar(owner, user)
    entries = []
    for at in range(count):
        entries.append(await service.plan(owner, title=f"{user} {at}"))
        service.clock.move(timedelta(seconds=1))
    return calendar, entries


@contextlib.asynccontextmanager
async def settling(service: Service) -> AsyncIterator[None]:
    """The service does what is due while the block goes on, which ends when it has."""
    task = asyncio.create_task(service.settle())
    yield
    await task


def titles(outside: Outside, user: str = "alice") -> list[str]:
    return sorted(event.components[0].title for event in outside.calendars.events(user))


async def states(service: Service, calendar: str, entries: list[Entry]) -> list[LinkState]:
    links = [await service.link(one, calendar) for one in entries]
    return [one.state for one in links if one is not None]


async def test_the_first_is_written_alone_and_the_others_four_at_a_time(service: Service, doors: Doors) -> None:
    """A wrong password or a dead server costs one request, and a row that was lost one event."""
    calendar, entries = await some_entries(service, 30)
    await service.settle()
    assert doors.beside[:5] == [1, 1, 2, 3, 4]
    assert max(doors.beside) == _AT_ONCE
    assert doors.order == [f"alice {at}" for at in range(30)]
    assert set(await states(service, calendar, entries)) == {LinkState.SYNCED}
    assert service.app.lanes[work.CALENDAR].state()["running"] == 0


@pytest.mark.parametrize(
    ("trouble", "first", "later"),
    [
        (None, LinkState.SYNCED, LinkState.SYNCED),
        (NO, LinkState.FAILED, LinkState.FAILED),
        (BROKEN, LinkState.PENDING, LinkState.SYNCED),
        (ZeroDivisionError("a bug"), LinkState.FAILED, LinkState.FAILED),
    ],
    ids=["was written already", "is refused", "breaks", "is a bug of ours"],
)
async def test_one_of_four_under_way_stops_no_other(
    service: Service, doors: Doors, trouble: Exception | None, first: LinkState, later: LinkState
) -> None:
    calendar, entries = await some_entries(service, 12)
    doors.holds = lambda title: title != "alice 0"
    async with settling(service):
        await doors.come(4)
        if trouble is None:
            service.outside.calendars.put("alice", await wanted(service, calendar, entries[2]))
        else:
            doors.trouble["alice 2"] = trouble
        doors.open()
    found = await states(service, calendar, entries)
    assert found.pop(2) is first
    assert set(found) == {LinkState.SYNCED}
    await service.settle(MINUTE)
    assert (await states(service, calendar, entries))[2] is later
    assert len(titles(service.outside)) == (11 if later is LinkState.FAILED else 12)
    assert "event-overwritten" not in await service.journal(entries[2])


async def wanted(service: Service, calendar: str, entry: Entry) -> Event:
    """What the service is about to write of the entry."""
    copies = Copies(service.app.desk, service.app.connections.addresses)

    def look(tx: Any) -> Event | None:
        link = calendar_rows.get_link(tx, entry.id, calendar)
        assert link is not None
        return copies.owed(tx, calendar_rows.get(tx, calendar), link).event

    event: Event = await service.tx(look)
    return event


async def test_a_server_that_is_gone_ends_the_turn_and_what_it_took_is_recorded(service: Service, doors: Doors) -> None:
    calendar, entries = await some_entries(service, 12)
    doors.holds = lambda title: title != "alice 0"
    async with settling(service):
        await doors.come(4)
        doors.trouble["alice 1"] = AWAY
        doors.open()
    assert doors.order == [f"alice {at}" for at in range(5)]
    assert (await states(service, calendar, entries))[:5] == [
        LinkState.SYNCED,
        LinkState.PENDING,
        LinkState.SYNCED,
        LinkState.SYNCED,
        LinkState.SYNCED,
    ]
    row = await service.row(f"calendar:{calendar}")
    assert row is not None
    assert row.error == str(AWAY)


async def test_of_four_that_break_at_once_none_is_blamed_before_the_next_one_breaks_alone(service: Service, doors: Doors) -> None:
    """A proxy that restarts breaks everything that is under way; the server behind it may be fine."""
    calendar, entries = await some_entries(service, 8)
    doors.holds = lambda title: title != "alice 0"
    async with settling(service):
        await doors.come(4)
        doors.trouble |= {f"alice {at}": BROKEN for at in (1, 2, 3, 4)}
        doors.open()
    assert doors.order[5] == "alice 5"
    assert doors.beside[5] == 1
    assert [one.value for one in await states(service, calendar, entries)] == ["synced", *["pending"] * 4, *["synced"] * 3]
    await service.settle(MINUTE)
    assert set(await states(service, calendar, entries)) == {LinkState.SYNCED}


async def test_a_server_that_breaks_whatever_it_is_given_is_left_alone_for_a_while(service: Service, doors: Doors) -> None:
    calendar, _ = await some_entries(service, 12)
    doors.holds = lambda title: title != "alice 0"
    async with settling(service):
        await doors.come(4)
        doors.trouble |= {f"alice {at}": BROKEN for at in range(1, 12)}
        doors.open()
    assert len(doors.order) == 6
    row = await service.row(f"calendar:{calendar}")
    assert row is not None
    assert row.error == str(BROKEN)


async def test_refusals_end_the_turn_before_an_account_is_locked(service: Service, doors: Doors) -> None:
    """What is under way when a password stops being right is refused as well; nothing is asked after that."""
    calendar, _ = await some_entries(service, 30)
    doors.holds = lambda title: title != "alice 0"
    looked: list[int] = []
    service.outside.calendars.before = lambda operation: looked.append(len(doors.order)) if operation == "changes" else None
    async with settling(service):
        await doors.come(4)
        doors.trouble |= {f"alice {at}": NO for at in range(1, 5)}
        doors.open()
    assert looked[0] == 5
    assert len(titles(service.outside)) == 26
    assert calendar


async def test_all_calendars_of_a_server_together_have_few_writes_under_way_and_none_waits_for_another(
    service: Service, doors: Doors
) -> None:
    """Radicale turns away who comes when five wait. A calendar that hangs takes no other's own place."""
    alices, _ = await some_entries(service, 8)
    bobs, entries = await some_entries(service, 8, "bob")
    doors.holds = lambda title: title.startswith("alice") and title != "alice 0"
    async with settling(service):
        await doors.come(4)
        await doors.come(done=[f"bob {at}" for at in range(8)])
        assert titles(service.outside) == ["alice 0"]
        doors.open()
    assert set(await states(service, bobs, entries)) == {LinkState.SYNCED}
    assert max(doors.beside) <= _AT_ONCE + 1
    assert len(titles(service.outside)) == 8
    assert alices


@pytest.mark.parametrize("behind", [False, True], ids=["before they were written", "after they were written"])
async def test_four_writes_that_are_broken_off_are_done_again_and_nothing_is_there_twice(
    outside: Outside, doors: Doors, behind: bool
) -> None:
    async with running(outside) as service:
        calendar, entries = await some_entries(service, 8)
        doors.holds, doors.behind = lambda title: title != "alice 0", behind
        settle = asyncio.create_task(service.settle())
        await doors.come(4)
        settle.cancel()
        await service.app.lanes[work.CALENDAR].stop(timedelta(0))
        assert doors.inside == []
        assert len(titles(outside)) == (5 if behind else 1)
    doors.open()
    async with running(outside) as service:
        await service.settle(MINUTE)
        assert titles(outside) == [f"alice {at}" for at in range(8)]
        assert set(await states(service, calendar, entries)) == {LinkState.SYNCED}
        assert not {"event-overwritten", "event-changed"} & set(await service.journal())
        assert outside.calendars.calls.count("update") == 0


@pytest.mark.parametrize("step", range(1, 10))
async def test_a_process_that_dies_at_any_step_of_a_push_leaves_nothing_odd(outside: Outside, doors: Doors, step: int) -> None:
    async with running(outside) as service:
        calendar, entries = await some_entries(service, 20)
        mortal = Mortal(service, at=step)
        with contextlib.suppress(Death):
            await service.settle()
        with contextlib.suppress(Death):
            await service.app.lanes[work.CALENDAR].settle()
        assert mortal.dead
    outside.clock.move(MINUTE)
    async with running(outside) as service:
        await service.settle(MINUTE)
        assert titles(outside) == sorted(f"alice {at}" for at in range(20))
        assert set(await states(service, calendar, entries)) == {LinkState.SYNCED}
        assert outside.calendars.calls.count("update") == 0


async def test_who_lost_the_row_breaks_off_what_is_under_way_and_records_nothing_of_it(service: Service, doors: Doors) -> None:
    calendar, entries = await some_entries(service, 8)
    doors.holds = lambda title: title in ("alice 2", "alice 3", "alice 4")
    async with settling(service):
        await doors.come(4)
        service.clock.move(2 * MINUTE)
        await service.tx(work.claim, work.CALENDAR, now=service.clock.now(), hold=MINUTE, most=1, token="other")
        service.clock.move(-2 * MINUTE)
    assert doors.inside == []
    assert titles(service.outside)[:2] == ["alice 0", "alice 1"]
    assert (await states(service, calendar, entries))[:2] == [LinkState.SYNCED, LinkState.PENDING]


async def test_an_outcome_that_cannot_be_recorded_takes_no_other_with_it(
    service: Service, doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    calendar, entries = await some_entries(service, 8)
    record = Writer.record

    def stumble(self: Writer, tx: Any, given: Any, outcome: Outcome) -> None:
        if outcome.entry.title == "alice 3":
            raise ZeroDivisionError("a bug")
        record(self, tx, given, outcome)

    monkeypatch.setattr(Writer, "record", stumble)
    await service.settle()
    found = await states(service, calendar, entries)
    assert found.pop(3) is LinkState.FAILED
    assert set(found) == {LinkState.SYNCED}


async def test_what_a_person_asks_for_waits_behind_little_of_a_bulk_run(service: Service, doors: Doors) -> None:
    calendar, entries = await some_entries(service, 60)
    person = await service.tx(lambda tx: calendar_rows.get(tx, calendar).owner)
    for entry in entries:
        await service.tx(lambda tx, one=entry.id: calendar_rows.remove_link(tx, one, calendar))
        link = Link(entry=entry.id, calendar=calendar, uid=entry.uid, changed_at=service.clock.now(), bulk=True)
        await service.tx(calendar_rows.put_link, link)

    def ask(title: str) -> None:
        if title == "alice 10":
            draft = Draft(title="eilig", when=when(), remind=False)
            service.app.store.run_now(lambda tx: planner.create(tx, service.app.desk, person, draft))

    doors.seen = ask
    await service.settle()
    assert len(doors.order) == 61
    assert doors.order.index("eilig") - doors.order.index("alice 10") <= _AT_ONCE + _AHEAD


async def test_an_event_that_is_asked_for_anew_while_it_is_written_is_written_once_more_afterwards(
    service: Service, doors: Doors
) -> None:
    _, entries = await some_entries(service, 8)
    doors.holds = lambda title: title in ("alice 1", "alice 2")

    async with settling(service):
        await doors.come(2)
        await service.do(planner.edit, entries[2].id, Changes(location="Raum 5"))
        await doors.come(done=["alice 0", *(f"alice {at}" for at in range(3, 8))])
        doors.open()
    assert doors.order.count("alice 2") == 2
    assert "Raum 5" in [event.components[0].location for event in service.outside.calendars.events("alice")]
