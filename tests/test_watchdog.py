"""When the service counts as ready, as alive and as standing still; on a clock that the test moves."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from daemon.metrics import Metrics
from daemon.notify import Notifier
from daemon.watchdog import Watchdog, beat_of
from tests.test_metrics import scraped

PATIENCE = timedelta(seconds=15)


class QuickLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer: an hour of waiting takes no time."""

    def __init__(self) -> None:
        super().__init__()
        self.moved = 0.0

    def time(self) -> float:
        return self.moved

    def _run_once(self) -> None:  # the one place every turn of the loop goes through
        timers = [one.when() for one in self._scheduled if not one.cancelled()]  # type: ignore[attr-defined]
        if not self._ready and timers:  # type: ignore[attr-defined]
            self.moved = max(self.moved, min(timers))
        super()._run_once()  # type: ignore[misc]


def quickly(story: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run an async test on a quick loop."""

    def run() -> None:
        with asyncio.Runner(loop_factory=QuickLoop) as runner:
            runner.run(story())

    run.__name__ = story.__name__
    run.__doc__ = story.__doc__
    return run


@dataclass
class Lane:
    """A lane as the watchdog sees it."""

    looked: float | None = None
    owing: bool = True
    busy: int = 0
    away: list[str] = field(default_factory=list)

    def owes(self) -> bool:
        return self.owing

    def state(self) -> dict[str, Any]:
        return {"running": self.busy, "hands": 4, "away": self.away}


class Told(Notifier):
    """Keeps what is told, with the time."""

    def __init__(self) -> None:
        super().__init__("/nowhere", watchdog=timedelta(seconds=60))
        self.lines: list[tuple[float, str]] = []

    def _send(self, *lines: str) -> bool:
        self.lines += [(asyncio.get_running_loop().time(), line) for line in lines]
        return True

    def times(self, line: str) -> list[float]:
        return [at for at, said in self.lines if said == line]

    @property
    def statuses(self) -> list[str]:
        return [said.removeprefix("STATUS=") for _, said in self.lines if said.startswith("STATUS=")]


class World:
    """A watchdog that runs, with its lanes."""

    def __init__(self, *lanes: str) -> None:
        self.lanes = {name: Lane() for name in lanes or ("mail", "calendar")}
        self.told = Told()
        self.metrics = Metrics()
        self.occupied = False
        self.dog = Watchdog(self.lanes, self.told, self.metrics, patience=PATIENCE, excused=lambda: self.occupied)
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(self.dog.run(self.stop))

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def passes(self, seconds: float, *, looking: bool = True) -> None:
        """Let time pass, in which all lanes look each five seconds, or none does."""
        until = self.now + seconds
        while self.now < until:
            if looking:
                for lane in self.lanes.values():
                    lane.looked = self.now
            await asyncio.sleep(min(5.0, until - self.now))

    async def end(self) -> None:
        self.stop.set()
        await self.task


@quickly
async def test_the_service_is_ready_when_every_lane_has_looked_and_not_before() -> None:
    world = World()
    await world.passes(2, looking=False)
    world.lanes["mail"].looked = world.now
    await world.passes(2, looking=False)
    assert world.told.times("READY=1") == []
    world.lanes["calendar"].looked = world.now
    await world.passes(1, looking=False)
    assert world.dog.started
    (ready,) = world.told.times("READY=1")
    assert ready == pytest.approx(4, abs=0.1)
    await world.end()
    assert len(world.told.times("READY=1")) == 1


@quickly
async def test_while_all_is_well_a_sign_of_life_is_given_each_five_seconds() -> None:
    world = World()
    await world.passes(600)
    signs = world.told.times("WATCHDOG=1")
    assert len(signs) == pytest.approx(120, abs=5)
    assert max(later - earlier for earlier, later in itertools.pairwise(signs)) < 20
    await world.end()


@quickly
async def test_a_lane_that_owes_something_and_does_not_look_silences_the_watchdog_after_three_times_its_patience() -> None:
    world = World()
    await world.passes(20)
    fell = world.lanes["calendar"].looked = world.now
    for _ in range(40):
        world.lanes["mail"].looked = world.now
        await world.passes(5, looking=False)
    assert world.dog.stuck() == ("calendar",)
    assert world.dog.lanes()["calendar"].stuck
    assert not world.dog.lanes()["mail"].stuck
    assert world.told.times("WATCHDOG=1")[-1] == pytest.approx(fell + 45, abs=6)
    assert "standing still: calendar" in world.told.statuses[-1]
    world.lanes["calendar"].looked = world.now
    await world.passes(6)
    assert world.dog.stuck() == ()
    assert world.told.times("WATCHDOG=1")[-1] > fell + 200
    await world.end()


@quickly
async def test_a_lane_that_owes_nothing_may_sleep() -> None:
    world = World("inbox")
    world.lanes["inbox"].owing = False
    await world.passes(10)
    await world.passes(1000, looking=False)
    assert world.dog.stuck() == ()
    await world.end()


@quickly
async def test_a_lane_that_never_looks_at_all_is_stuck_whatever_it_owes() -> None:
    """The first look hangs: the database took the connection and says nothing."""
    world = World("mail")
    world.lanes["mail"].owing = False
    await world.passes(44, looking=False)
    assert world.dog.stuck() == ()
    await world.passes(5, looking=False)
    assert world.dog.stuck() == ("mail",)
    await world.end()


@quickly
async def test_a_backup_excuses_everybody_for_an_hour_and_no_longer() -> None:
    world = World()
    await world.passes(10)
    world.occupied = True
    await world.passes(3500, looking=False)
    assert world.dog.stuck() == ()
    await world.passes(200, looking=False)
    assert world.dog.stuck() == ("mail", "calendar")
    await world.end()


@quickly
async def test_after_a_backup_the_time_begins_anew() -> None:
    world = World()
    await world.passes(10)
    world.occupied = True
    await world.passes(300, looking=False)
    world.occupied = False
    await world.passes(40, looking=False)
    assert world.dog.stuck() == ()
    await world.passes(20, looking=False)
    assert world.dog.stuck() == ("mail", "calendar")
    await world.end()


@quickly
async def test_the_status_line_says_what_is_being_done_and_who_cannot_be_reached() -> None:
    world = World()
    await world.passes(0.2, looking=False)
    await world.passes(6)
    world.lanes["mail"].busy, world.lanes["mail"].away = 3, ["mail"]
    await world.passes(10)
    world.lanes["mail"].busy, world.lanes["mail"].away = 0, []
    await world.passes(10)
    await world.end()
    assert world.told.statuses == [
        "Starting",
        "nothing to do just now",
        "3 at work; not reachable: mail",
        "nothing to do just now",
        "Stopping: what runs comes to its end",
    ]
    assert [line for _, line in world.told.lines][-1] == "STOPPING=1"


@quickly
async def test_a_service_that_is_stopped_at_its_start_never_says_that_it_is_ready() -> None:
    world = World()
    await world.passes(1, looking=False)
    await world.end()
    assert world.told.times("READY=1") == []
    assert len(world.told.times("STOPPING=1")) == 1


@quickly
async def test_how_late_the_event_loop_wakes_is_measured() -> None:
    world = World()
    await world.passes(20)
    loop = asyncio.get_running_loop()
    assert isinstance(loop, QuickLoop)
    loop.call_later(0.001, lambda: setattr(loop, "moved", loop.moved + 7))  # somebody holds the loop
    await world.passes(1)
    await world.passes(20)
    found = scraped(world.metrics)
    total = found["sitzungsplaner_event_loop_lag_seconds_count",]
    assert found["sitzungsplaner_event_loop_lag_seconds_bucket", "1.0"] == total - 1
    assert found["sitzungsplaner_event_loop_lag_seconds_bucket", "10.0"] == total
    await world.end()


async def test_nothing_stands_still_before_the_watchdog_runs() -> None:
    dog = Watchdog({"mail": Lane()}, Told(), Metrics(), patience=PATIENCE)
    assert dog.stuck() == ()
    assert not dog.started


@pytest.mark.parametrize(
    ("watchdog", "beat"),
    [(None, 5), (timedelta(seconds=60), 5), (timedelta(seconds=6), 2)],
    ids=["nobody waits", "a minute", "six seconds"],
)
def test_a_sign_of_life_comes_thrice_within_what_systemd_waits_for(watchdog: timedelta | None, beat: float) -> None:
    assert beat_of(watchdog) == timedelta(seconds=beat)
