"""Once a day: forget what is over. One row for all processes, so it happens once."""

from __future__ import annotations

from datetime import timedelta

from daemon.logs import get_logger
from daemon.loops.lane import Settled
from daemon.planner import upkeep
from daemon.planner.wishes import Desk
from daemon.store.engine import Store
from daemon.store.work import Job

log = get_logger("house")

_DAY = timedelta(days=1)


class HouseKeeper:
    """The handler of the lane `house`."""

    def __init__(self, store: Store, desk: Desk) -> None:
        self._store, self._desk = store, desk

    async def handle(self, job: Job) -> Settled:
        """Tidy up and come again tomorrow."""
        numbers, entries = await self._store.run(lambda tx: upkeep.tidy(tx, self._desk))
        if numbers or entries:
            log.info(
                "numbers are free again, deleted entries forgotten",
                action="tidied",
                numbers=numbers,
                entries=entries,
                key=job.key,
            )
        return Settled(again=self._desk.clock.now() + _DAY)
