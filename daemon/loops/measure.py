"""Counts how pieces of work end and how long they take, around any lane's handler."""

from __future__ import annotations

import asyncio

from daemon.core.errors import SitzungsplanerError
from daemon.loops.lane import Handler, Settled
from daemon.metrics import Metrics
from daemon.store.work import Job


def measured(handle: Handler, metrics: Metrics, kind: str) -> Handler:
    """Return a handler that does the same and is counted: `done`, `crashed`, `broken-off`, or an error of ours by its name."""

    async def measuring(job: Job) -> Settled:
        loop = asyncio.get_running_loop()
        began, outcome = loop.time(), "crashed"
        try:
            settled = await handle(job)
            outcome = "done"
            return settled
        except SitzungsplanerError as error:
            outcome = type(error).__name__.lower()
            raise
        except asyncio.CancelledError:
            outcome = "broken-off"
            raise
        finally:
            metrics.turn(kind, outcome, loop.time() - began)

    return measuring
