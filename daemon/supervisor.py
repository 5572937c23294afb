"""Runs the loops of the service side by side: waiting, stopping, draining. A loop that dies ends the process.

What a loop does is not known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from typing import Any, Protocol

from daemon.core.errors import SitzungsplanerError
from daemon.logs import get_logger

log = get_logger("service")


class Loop(Protocol):
    """`run_once` says whether there was work; `wait` sleeps until there may be some."""

    async def run_once(self) -> bool: ...

    async def wait(self) -> None: ...

    async def stop(self, patience: timedelta) -> None: ...


Service = Callable[[], Coroutine[Any, Any, None]]


async def supervise(
    loops: Mapping[str, Loop], services: Mapping[str, Service], *, stop: asyncio.Event, wake: Callable[[], None], drain: timedelta
) -> None:
    """Run everything until `stop` is set, then let each loop finish its piece within `drain`.

    `services` run until they are cancelled (listeners). `wake` ends every loop's sleep. If one of them dies, the others come to
    their end in the same way, and ExceptionGroup is raised.
    """
    try:
        async with asyncio.TaskGroup() as group:
            companions = [group.create_task(_service(name, make, stop), name=name) for name, make in services.items()]
            workers = [group.create_task(_turn(name, loop, stop), name=name) for name, loop in loops.items()]
            await stop.wait()
            log.info("stopping", action="stopping")
            wake()
            for companion in companions:  # they end while the loops drain: both together have the time to stop
                companion.cancel()
            await asyncio.gather(*workers)
            await _drain(loops, drain)
    except BaseException:
        wake()
        await _drain(loops, drain)  # what runs in the other loops is not to blame
        raise


async def _drain(loops: Mapping[str, Loop], patience: timedelta) -> None:
    await asyncio.gather(*(loop.stop(patience) for loop in loops.values()))


async def _turn(name: str, loop: Loop, stop: asyncio.Event) -> None:
    try:
        while not stop.is_set():
            if not await loop.run_once() and not stop.is_set():
                await loop.wait()
    except asyncio.CancelledError:
        raise
    except BaseException:
        log.exception("a loop died; the service ends", action="loop-died", loop=name)
        raise


async def _service(name: str, make: Service, stop: asyncio.Event) -> None:
    try:
        await make()
    except asyncio.CancelledError:
        raise
    except SitzungsplanerError:
        raise  # a sentence for a person, which the command line says; it needs no traceback
    except BaseException:
        log.exception("a part of the service died; the service ends", action="loop-died", loop=name)
        raise
    if not stop.is_set():
        raise RuntimeError(f"{name} ended by itself")
