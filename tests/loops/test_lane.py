"""A lane alone: claims, hands, failures, the end. Its handler is the test's."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import structlog
from sqlalchemy import Connection

from daemon.core.errors import Refused, Unreachable
from daemon.core.retry import Limits
from daemon.loops.holds import Holds
from daemon.loops.lane import Lane, Servers, Settled
from daemon.store import work
from daemon.store.engine import Store
from daemon.store.work import Job
from tests.clock import ManualClock
from tests.conftest import store_url

__all__ = ["store_url"]  # here on both databases: claims differ

HOLD = timedelta(seconds=60)
HOUR = timedelta(hours=1)


class Bench:
    """A lane whose handler does what the test says for a key, and what became of it."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store, self.clock = store, clock
        self.holds = Holds(store, clock, HOLD)
        self.acts: dict[str, Any] = {}
        self.done: list[str] = []
        self.parked: list[tuple[str, str, bool]] = []

    def lane(self, *, kind: str = work.MAIL, hands: int = 4, tries: int = 3, servers: Servers | None = None) -> Lane:
        return Lane(
            self.store,
            self.clock,
            self.holds,
            self.handle,
            kind=kind,
            hands=hands,
            limits=Limits(give_up=timedelta(days=5), tries=tries),
            on_park=self.on_park,
            servers=servers,
        )

    async def handle(self, job: Job) -> Settled:
        act = self.acts.get(job.key, Settled(reached=True))
        if isinstance(act, Exception):
            raise act
        if callable(act):
            act = await act(job)
        self.done.append(job.key)
        assert isinstance(act, Settled)
        return act

    def on_park(self, tx: Connection, job: Job, why: str, *, unreachable: bool) -> None:
        self.parked.append((job.key, why, unreachable))

    def put(self, *keys: str, kind: str = work.MAIL, after: timedelta = timedelta(0)) -> None:
        due = self.clock.now() + after
        for key in keys:
            self.store.run_now(partial(work.put, key=key, kind=kind, due=due))

    def claim(self, token: str) -> tuple[Job, ...]:
        """Take everything that is due and free, as another holder would."""
        now = self.clock.now()
        return self.store.run_now(lambda tx: work.claim(tx, work.MAIL, now=now, hold=HOLD, most=9, token=token)).jobs

    def row(self, key: str) -> Job | None:
        found = self.store.run_now(lambda tx: work.of_keys(tx, [key]))
        return found[0] if found else None

    async def settle(self, *lanes: Lane, after: timedelta = timedelta(0)) -> None:
        self.clock.move(after)
        while any([await lane.run_once() for lane in lanes]):
            for lane in lanes:
                await lane.settle()


@pytest.fixture
async def bench(store: Store, clock: ManualClock) -> Bench:
    return Bench(store, clock)


def waiting_for(event: asyncio.Event) -> Callable[[Job], Any]:
    async def act(job: Job) -> Settled:
        await event.wait()
        return Settled()

    return act


async def test_no_more_is_claimed_than_there_are_hands(bench: Bench) -> None:
    lane, go = bench.lane(hands=2), asyncio.Event()
    bench.put("a", "b", "c")
    bench.acts = dict.fromkeys("abc", waiting_for(go))
    assert await lane.run_once()
    assert not await lane.run_once()
    assert lane.state() == {"running": 2, "hands": 2, "away": []}
    assert sorted(job.key for job in bench.store.run_now(lambda tx: work.list_(tx)) if job.holder is None) == ["c"]
    go.set()
    await lane.settle()
    assert await lane.run_once()
    await lane.settle()
    assert sorted(bench.done) == ["a", "b", "c"]


async def test_two_lanes_on_one_database_never_do_the_same(bench: Bench, store: Store) -> None:
    one, two = bench.lane(hands=20), bench.lane(hands=20)
    keys = [f"k{at}" for at in range(30)]
    bench.put(*keys)
    await asyncio.gather(one.run_once(), two.run_once())
    await asyncio.gather(one.settle(), two.settle())
    await bench.settle(one, two)
    assert sorted(bench.done) == sorted(keys)


async def test_one_bad_row_is_put_back_with_its_own_delay_and_stops_no_other(bench: Bench) -> None:
    lane = bench.lane(hands=1)
    bench.put("a", "b", "c")
    bench.acts["b"] = ValueError("a bug")
    await bench.settle(lane)
    assert bench.done == ["a", "c"]
    row = bench.row("b")
    assert row is not None
    assert row.due is not None
    assert row.due > bench.clock.now()
    assert row.error == "ValueError: a bug"
    assert lane.state()["away"] == []


async def test_a_crash_is_parked_at_the_limit_and_told_once(bench: Bench) -> None:
    lane = bench.lane(tries=3)
    bench.put("b")
    bench.acts["b"] = ValueError("a bug")
    for _ in range(6):
        await bench.settle(lane, after=HOUR)
    row = bench.row("b")
    assert row is not None
    assert (row.due, row.tries) == (None, 3)
    assert bench.parked == [("b", "ValueError: a bug", False)]


async def test_a_refusal_is_parked_at_once(bench: Bench) -> None:
    lane = bench.lane()
    bench.put("b")
    bench.acts["b"] = Refused("550 no")
    await bench.settle(lane)
    assert bench.parked == [("b", "550 no", False)]


async def test_an_unreachable_server_is_waited_for_and_parked_after_days(bench: Bench) -> None:
    lane = bench.lane()
    bench.put("b")
    bench.acts["b"] = Unreachable("away")
    await bench.settle(lane)
    assert lane.state()["away"] == ["mail"]
    for _ in range(6):
        await bench.settle(lane, after=timedelta(days=1))
    assert bench.parked == [("b", "away", True)]


async def test_what_is_asked_for_anew_while_it_fails_for_good_is_not_parked(bench: Bench) -> None:
    lane = bench.lane()
    bench.put("b")

    async def refused(job: Job) -> Settled:
        await bench.store.run(lambda tx: work.put(tx, key="b", kind=work.MAIL, due=bench.clock.now() + HOUR))
        raise Refused("550 no")

    bench.acts["b"] = refused
    await lane.run_once()
    await lane.settle()
    row = bench.row("b")
    assert row is not None
    assert row.due == bench.clock.now() + HOUR
    assert bench.parked == []


async def test_lanes_of_one_server_share_its_outage(bench: Bench) -> None:
    post = Servers(kinds=(work.MAIL, work.BULK))
    mail, bulk = bench.lane(servers=post), bench.lane(kind=work.BULK, servers=post)
    bench.put("a")
    bench.put("b", kind=work.BULK)
    bench.acts = {"a": Unreachable("away"), "b": Unreachable("away")}
    await bench.settle(mail, bulk)
    for _ in range(5):
        await bench.settle(mail, bulk, after=HOUR)
    assert bulk.state()["away"] == ["mail"]
    bench.acts.clear()
    bench.put("c")
    await bench.settle(mail)
    assert mail.state()["away"] == []
    row = bench.row("b")
    assert row is not None
    assert row.due == bench.clock.now(), "due at once, not in its hour"


async def test_servers_of_their_own_do_not_hasten_each_other(bench: Bench) -> None:
    """One calendar's success made another one's dead server be asked each minute."""
    lane = bench.lane(kind=work.CALENDAR, servers=Servers(kinds=(work.CALENDAR,), shared=False))
    bench.put("x", "y", kind=work.CALENDAR)
    bench.acts["x"] = Unreachable("away")
    await bench.settle(lane)
    row = bench.row("x")
    assert lane.state()["away"] == ["x"]
    bench.put("y", kind=work.CALENDAR)
    await bench.settle(lane)
    assert bench.row("x") == row
    bench.acts.clear()
    await bench.settle(lane, after=HOUR)
    assert lane.state()["away"] == []


async def test_calendars_that_hang_leave_half_of_the_hands_to_those_that_answer(bench: Bench) -> None:
    """Twenty of them took all four hands in turn, for a minute each; those that answer waited behind them."""
    lane, go = bench.lane(kind=work.CALENDAR, hands=4, servers=Servers(kinds=(work.CALENDAR,), shared=False)), asyncio.Event()
    odd, good = [f"odd{at}" for at in range(20)], [f"good{at}" for at in range(6)]
    bench.put(*odd, kind=work.CALENDAR)
    bench.acts = dict.fromkeys(odd, Unreachable("The server gave no answer in time."))
    await bench.settle(lane)

    async def hang(job: Job) -> Settled:
        await go.wait()
        raise Unreachable("The server gave no answer in time.")

    bench.acts = dict.fromkeys(odd, hang)
    bench.clock.move(HOUR)
    bench.put(*odd, kind=work.CALENDAR)  # their owners went on planning; that makes no server answer
    assert await lane.run_once()
    assert not await lane.run_once()
    assert lane.state()["running"] == 2
    assert not lane.owes(), "what may not begin yet must not keep it awake"
    sleeping = asyncio.create_task(lane.wait())
    bench.put(*good, kind=work.CALENDAR)
    await asyncio.wait_for(sleeping, 5)
    while await lane.run_once():
        await asyncio.wait([task for task in lane._running if task.get_name() in good])
    assert sorted(bench.done) == good
    assert lane.state()["running"] == 2
    go.set()
    await lane.settle()
    bench.acts = {}
    await bench.settle(lane, after=HOUR)
    assert set(bench.done) == {*good, *odd}


async def test_a_lane_with_one_hand_gives_it_to_what_failed_too(bench: Bench) -> None:
    lane = bench.lane(kind=work.CALENDAR, hands=1, servers=Servers(kinds=(work.CALENDAR,), shared=False))
    bench.put("a", kind=work.CALENDAR)
    bench.acts["a"] = Unreachable("no answer")
    await bench.settle(lane)
    del bench.acts["a"]
    await bench.settle(lane, after=HOUR)
    assert bench.done == ["a"]


async def test_a_success_without_the_server_says_nothing_about_it(bench: Bench) -> None:
    lane = bench.lane()
    bench.put("a")
    bench.acts["a"] = Unreachable("away")
    await bench.settle(lane)
    bench.put("b")
    bench.acts["b"] = Settled()
    await bench.settle(lane)
    assert lane.state()["away"] == ["mail"]


async def test_what_was_lost_meanwhile_leaves_no_trace(bench: Bench) -> None:
    lane = bench.lane()
    bench.put("a")

    async def steal(job: Job) -> Settled:
        bench.clock.move(HOUR)
        await asyncio.to_thread(bench.claim, "other")
        return Settled()

    bench.acts["a"] = steal
    await lane.run_once()
    await lane.settle()
    row = bench.row("a")
    assert row is not None
    assert row.holder == "other"


async def test_a_row_that_fails_after_it_was_lost_is_left_to_its_new_holder(bench: Bench) -> None:
    lane = bench.lane()
    bench.put("a")

    async def steal(job: Job) -> Settled:
        bench.clock.move(HOUR)
        await asyncio.to_thread(bench.claim, "other")
        raise Refused("550 no")

    bench.acts["a"] = steal
    await lane.run_once()
    await lane.settle()
    row = bench.row("a")
    assert row is not None
    assert (row.holder, row.error) == ("other", "")
    assert bench.parked == []


async def test_a_row_that_killed_its_holders_is_parked_at_claim_and_told(bench: Bench) -> None:
    bench.put("a")
    for at in range(inspect.signature(work.claim).parameters["deaths"].default):
        bench.clock.move(HOUR)
        bench.claim(f"t{at}")
    bench.clock.move(HOUR)
    await bench.settle(bench.lane())
    ((key, why, unreachable),) = bench.parked
    assert (key, unreachable) == ("a", False)
    assert "died" in why
    assert bench.done == []


async def test_stopping_lets_work_finish(bench: Bench) -> None:
    lane, go = bench.lane(), asyncio.Event()
    bench.put("a")
    bench.acts["a"] = waiting_for(go)
    await lane.run_once()
    stopping = asyncio.create_task(lane.stop(timedelta(seconds=20)))
    await asyncio.sleep(0)
    go.set()
    await stopping
    assert bench.done == ["a"]
    assert bench.row("a") is None
    await lane.stop(timedelta(seconds=20))


async def test_late_work_is_broken_off_and_its_row_is_free_at_once(bench: Bench) -> None:
    lane = bench.lane()
    bench.put("a")
    bench.acts["a"] = waiting_for(asyncio.Event())
    await lane.run_once()
    await asyncio.sleep(0)
    await lane.stop(timedelta(seconds=0.01))
    row = bench.row("a")
    assert row is not None
    assert (row.holder, row.tries, row.deaths, row.due) == (None, 0, 0, bench.clock.now())


async def test_an_end_that_cannot_be_written_down_does_not_end_the_lane(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    lane = bench.lane()
    bench.put("a", "b")

    def broken(tx: Connection, job: Job, *, again: Any = None) -> None:
        if job.key == "a":
            raise Unreachable("The database went away.")
        finish(tx, job, again=again)

    def also_broken(*_: Any, **__: Any) -> None:
        raise Unreachable("The database went away.")

    finish = work.finish
    monkeypatch.setattr(work, "finish", broken)
    monkeypatch.setattr(work, "fail", also_broken)
    with structlog.testing.capture_logs() as lines:
        await lane.run_once()
        await lane.settle()
        monkeypatch.undo()
        row = bench.row("a")
        assert row is not None
        assert row.holder is not None, "its hold runs out, and it is done again"
        assert bench.row("b") is None
        await bench.settle(lane, after=HOUR)
    assert bench.done == ["a", "b", "a"]
    assert [line["event"] for line in lines if line["action"] == "store-away"] == ["The database went away."]
    assert [line["key"] for line in lines if line["action"] == "work-lost"] == ["a"]
    assert [line for line in lines if line["action"] == "store-back"]
    assert not [line for line in lines if line.get("exc_info")], "a database that is away is no fault of the program"


async def test_a_lane_outlives_an_outage_of_the_database(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    lane = bench.lane()
    bench.put("a")
    run = bench.store.run

    async def away(do: Any) -> Any:
        raise Unreachable("The database server does not answer.")

    monkeypatch.setattr(bench.store, "run", away)
    for _ in range(3):
        assert not await lane.run_once()
    lane._misses = 5000  # of days: the pause must not overflow
    waiting = asyncio.create_task(lane.wait())
    await asyncio.sleep(0)
    bench.store.ring()  # told to stop
    await asyncio.wait_for(waiting, 5)
    monkeypatch.setattr(bench.store, "run", run)
    assert await lane.run_once()
    await lane.settle()
    assert bench.done == ["a"]


async def test_a_lane_sleeps_until_work_is_due_or_committed(bench: Bench) -> None:
    lane = bench.lane()
    bench.put("a", after=timedelta(seconds=0.05))
    assert not await lane.run_once()
    await asyncio.wait_for(lane.wait(), 5)  # until it is due by the clock that stood still: the bell of `put` is over
    assert not await lane.run_once()
    sleeping = asyncio.create_task(lane.wait())
    await asyncio.sleep(0)
    bench.put("b")
    await asyncio.wait_for(sleeping, 5)
    assert await lane.run_once()
    await lane.settle()
    assert bench.done == ["b"]


async def test_holds_are_renewed_and_only_what_is_still_held(bench: Bench) -> None:
    bench.put("a", "b")
    first, second = bench.claim("mine")
    with bench.holds.holding(first):
        with bench.holds.holding(second):
            pass
        bench.clock.move(HOLD / 2)
        bench.holds.renew()
    bench.clock.move(HOUR)
    bench.holds.renew()
    held = {job.key: job.held_until for job in bench.store.run_now(lambda tx: work.list_(tx))}
    assert held[first.key] == first.held_until + HOLD / 2  # type: ignore[operator]  # a held row has one
    assert held[second.key] == second.held_until


async def test_the_end_of_a_lost_hold_does_not_end_the_new_one_of_the_same_row(bench: Bench) -> None:
    """Both were known by the row's key alone: the late one took the new one's renewal with it."""
    bench.put("a")
    (old,) = bench.claim("old")
    with bench.holds.holding(old):
        bench.clock.move(HOUR)
        (new,) = bench.claim("new")
        late = bench.holds.holding(new)
        late.__enter__()
    bench.clock.move(HOLD / 2)
    bench.holds.renew()
    late.__exit__(None, None, None)
    row = bench.row("a")
    assert row is not None
    assert row.held_until == bench.clock.now() + HOLD


async def test_the_thread_of_the_holds_survives_whatever_the_database_says(store: Store, clock: ManualClock) -> None:
    holds = Holds(store, clock, timedelta(seconds=0.03))
    calls: list[int] = []
    twice = asyncio.Event()
    loop = asyncio.get_running_loop()

    def renew() -> None:
        calls.append(1)
        if len(calls) == 2:
            loop.call_soon_threadsafe(twice.set)
        raise RuntimeError("not an error of ours")

    holds.renew = renew  # type: ignore[method-assign]
    holds.start()
    await asyncio.wait_for(twice.wait(), 10)
    holds.stop()
    Holds(store, clock, HOLD).stop()
