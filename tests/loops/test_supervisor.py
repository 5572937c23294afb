"""The supervisor alone: loops side by side, one that dies, the end."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from daemon.supervisor import supervise

DRAIN = timedelta(seconds=5)


class Loop:
    """Counts its turns, and dies where the test says so."""

    def __init__(self, *, dies_at: int = 0) -> None:
        self.turns = 0
        self.stopped: list[timedelta] = []
        self.bell, self.sleeps = asyncio.Event(), asyncio.Event()
        self._dies_at = dies_at

    async def run_once(self) -> bool:
        self.turns += 1
        if self.turns == self._dies_at:
            raise ValueError("a bug")
        return self.turns < 3

    async def wait(self) -> None:
        self.sleeps.set()
        await self.bell.wait()

    async def stop(self, patience: timedelta) -> None:
        self.stopped.append(patience)


async def for_ever() -> None:
    await asyncio.get_running_loop().create_future()


async def test_everything_runs_until_it_is_told_to_stop_and_then_ends_in_order() -> None:
    loops, stop, ended = {"mail": Loop(), "house": Loop()}, asyncio.Event(), []

    async def service() -> None:
        try:
            await for_ever()
        finally:
            ended.append([loop.stopped for loop in loops.values()])

    def wake() -> None:
        for loop in loops.values():
            loop.bell.set()

    running = asyncio.create_task(supervise(loops, {"api": service}, stop=stop, wake=wake, drain=DRAIN))
    await asyncio.gather(*(loop.sleeps.wait() for loop in loops.values()))
    stop.set()
    await asyncio.wait_for(running, 5)
    assert ended == [[[DRAIN], [DRAIN]]], "the API answers while the work comes to its end"


async def test_a_dying_loop_ends_the_process_with_its_name_in_the_log_and_the_others_drained() -> None:
    loops = {"mail": Loop(dies_at=2), "house": Loop()}
    with capture_logs() as lines, pytest.raises(ExceptionGroup) as group:
        await supervise(loops, {"api": for_ever}, stop=asyncio.Event(), wake=lambda: None, drain=DRAIN)
    assert [str(one) for one in group.value.exceptions] == ["a bug"]
    assert [(one["action"], one["loop"]) for one in lines if one["action"] == "loop-died"] == [("loop-died", "mail")]
    assert loops["house"].stopped == [DRAIN]


async def test_a_loop_that_dies_while_stopping_is_no_secret() -> None:
    loop, stop = Loop(dies_at=4), asyncio.Event()

    class Late(Loop):
        async def wait(self) -> None:
            await super().wait()
            raise ValueError("a bug at the end")

    late = Late()

    def wake() -> None:
        loop.bell.set()
        late.bell.set()

    running = asyncio.create_task(supervise({"mail": loop, "late": late}, {}, stop=stop, wake=wake, drain=DRAIN))
    await late.sleeps.wait()
    stop.set()
    with pytest.raises(ExceptionGroup):
        await asyncio.wait_for(running, 5)


@pytest.mark.parametrize("words", ["ended by itself", "cannot be opened"])
async def test_a_part_of_the_service_that_ends_or_dies_ends_the_process(words: str) -> None:
    async def service() -> None:
        if words == "cannot be opened":
            raise OSError("the socket cannot be opened")

    loop = Loop()
    with capture_logs() as lines, pytest.raises(ExceptionGroup, match="unhandled") as group:
        await supervise({"mail": loop}, {"api": service}, stop=asyncio.Event(), wake=lambda: None, drain=DRAIN)
    assert words in str(group.value.exceptions[0])
    assert loop.stopped
    if words == "cannot be opened":
        assert [one["loop"] for one in lines if one["action"] == "loop-died"] == ["api"]


async def test_a_part_that_ends_while_the_service_stops_is_no_error() -> None:
    stop, loop = asyncio.Event(), Loop()

    async def service() -> None:
        await stop.wait()

    running = asyncio.create_task(supervise({"mail": loop}, {"api": service}, stop=stop, wake=loop.bell.set, drain=DRAIN))
    await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(running, 5)
