"""A lane does the due work of one kind: it claims rows as it has hands free and does each in a task of its own.

1. Claim what is due, at most as many as there are free hands.
2. Do each: the handler talks to the world and returns what to write down.
3. Write that down and end the row in one transaction, if the row is still ours; else nothing of it is kept.
4. On an error ask `core.retry` when again, or park the row and tell its owner once. If not even that can be written down, the
   row's hold runs out and it is done again.
5. Sleep until something is due, a bell rings, or patience is over.

One bad row is put back with its own delay and never stops the others. The clock is a parameter: tests move it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection

from daemon.core import retry
from daemon.core.errors import SitzungsplanerError, Unreachable
from daemon.core.retry import Limits
from daemon.logs import get_logger
from daemon.loops.holds import Holds
from daemon.ports import Clock
from daemon.store import work
from daemon.store.engine import PATIENCE, Store
from daemon.store.work import Job, Lost

log = get_logger("work")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A row's work is done. `again`: when it is due again (None: the row goes). `reached`: its server answered on the way."""

    again: datetime | None = None
    reached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """What the rows of some kinds need to be done, and what of it did not answer the last time (`away`).

    `shared`: all rows need the same server, so the first success after an outage makes everything due that waits for it;
    otherwise each row has a server of its own, and rows that failed at their last try get at most half of a lane's hands (but
    one), so that servers which hang make none wait for which another server answers.
    """

    kinds: tuple[str, ...]
    shared: bool = True
    away: set[str] = field(default_factory=set)

    def of(self, job: Job) -> str:
        """The name under which the row's server is `away`."""
        return self.kinds[0] if self.shared else job.key


Handler = Callable[[Job], Awaitable[Settled]]


class OnPark(Protocol):
    """Told within the transaction that puts a row aside. `unreachable`: no server answered for so long; nobody refused it."""

    def __call__(self, tx: Connection, job: Job, why: str, *, unreachable: bool) -> None: ...


class Lane:
    """The work of one kind, with `hands` pieces at a time; `holds` renews its rows. Lanes may share `servers`."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        holds: Holds,
        handle: Handler,
        *,
        kind: str,
        hands: int,
        limits: Limits,
        on_park: OnPark,
        servers: Servers | None = None,
    ) -> None:
        self.kind = kind
        self.looked: float | None = None  # when it last began to look, by the event loop's clock
        self._store, self._clock, self._holds, self._handle = store, clock, holds, handle
        self._hands, self._limits, self._on_park = hands, limits, on_park
        self._running: set[asyncio.Task[None]] = set()
        self._wary: set[asyncio.Task[None]] = set()  # those of them whose row failed at its last try
        self._bell: asyncio.Event | None = None
        self._next: datetime | None = None
        self._misses = 0
        self._servers = servers or Servers(kinds=(kind,))

    async def run_once(self) -> bool:
        """Start what is due. True if anything was started."""
        if self._bell is None:
            self._bell = self._store.bell(self.kind)
        self.looked = asyncio.get_running_loop().time()
        self._bell.clear()  # before looking: what is committed while we look rings it again
        free = self._hands - len(self._running)
        token = self._clock.new_id()
        try:
            jobs, self._next = await self._store.run(lambda tx: self._look(tx, free, token))
        except Unreachable as error:  # the database: locked, restarted, its disk full
            self._store_away(error)
            return False
        if self._misses:
            self._misses = 0
            log.info("the database answers again", action="store-back", kind=self.kind)
        for job in jobs:
            task = asyncio.create_task(self._do(job), name=job.key)
            self._running.add(task)
            if job.error:
                self._wary.add(task)
            task.add_done_callback(self._done)
        return bool(jobs)

    async def wait(self) -> None:
        """Sleep until work is due, a bell rings, a hand is free, or patience is over."""
        assert self._bell is not None, "run_once comes first"
        # A dead holder's row is due when its hold runs out, which nobody announces.
        seconds = min(PATIENCE, self._holds.length).total_seconds()
        if self._misses:
            seconds = min(2.0 ** min(self._misses, 10), seconds)
        elif self._next is not None and len(self._running) < self._hands:
            seconds = min(seconds, max(0.0, (self._next - self._clock.now()).total_seconds()))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._bell.wait(), seconds)

    async def settle(self) -> None:
        """Wait until everything that was started has ended."""
        while self._running:
            await asyncio.wait(self._running)

    async def stop(self, patience: timedelta) -> None:
        """Let what runs come to its end, for at most `patience`; then break it off. The rows are free again at once."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=patience.total_seconds())
            for task in late:
                task.cancel()
            if late:
                log.warning("work was broken off and will be done again", action="broken-off", kind=self.kind, count=len(late))
                await asyncio.gather(*late, return_exceptions=True)

    def owes(self) -> bool:
        """True if work was due by now when it last looked, and there is a hand for it."""
        return self._next is not None and self._next <= self._clock.now()

    def state(self) -> dict[str, Any]:
        """What a person may want to know of it now."""
        return {"running": len(self._running), "hands": self._hands, "away": sorted(self._servers.away)}

    def _look(self, tx: Connection, free: int, token: str) -> tuple[tuple[Job, ...], datetime | None]:
        if not free:
            return (), None
        wary = None if self._servers.shared else max(1, self._hands // 2) - len(self._wary)
        claimed = work.claim(tx, self.kind, now=self._clock.now(), hold=self._holds.length, most=free, token=token, wary=wary)
        for job in claimed.parked:
            self._on_park(tx, job, job.error, unreachable=False)
        if len(claimed.jobs) == free:
            return claimed.jobs, None
        no_more = wary is not None and sum(bool(job.error) for job in claimed.jobs) >= wary
        return claimed.jobs, work.next_due(tx, self.kind, sound=no_more)

    def _store_away(self, error: Unreachable) -> None:
        self._misses += 1
        self._next = None
        if self._misses == 1:
            log.error(str(error), action="store-away", kind=self.kind)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._wary.discard(task)
        if self._bell is not None:
            self._bell.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(
                "the outcome of a piece of work could not be written down",
                action="work-lost",
                key=task.get_name(),
                exc_info=error,
            )

    async def _do(self, job: Job) -> None:
        with self._holds.holding(job):
            try:
                settled = await self._handle(job)
                await self._store.run(lambda tx: self._end(tx, job, settled))
                if settled.reached:
                    self._up(job)
            except Lost:
                log.info("another took this over, or it was cancelled", action="work-lost", key=job.key)
            except asyncio.CancelledError:
                with contextlib.suppress(Exception):
                    await asyncio.shield(self._store.run(lambda tx: work.release(tx, job, now=self._clock.now())))
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it costs this row its turn and no other row anything
                await self._failed(job, error)

    def _end(self, tx: Connection, job: Job, settled: Settled) -> None:
        work.finish(tx, job, again=settled.again)
        if settled.reached and self._servers.shared and self._servers.away:  # it is back: what waits for it is due at once
            for kind in self._servers.kinds:
                work.hasten(tx, kind, now=self._clock.now())

    def _up(self, job: Job) -> None:
        which = self._servers.of(job)
        if which in self._servers.away:
            self._servers.away.discard(which)
            log.info("the server is back; what waited goes out now", action="server-back", kind=self.kind, server=which)

    async def _failed(self, job: Job, error: Exception) -> None:
        now = self._clock.now()
        jitter = self._clock.draw(1_000_000) / 1_000_000
        verdict = retry.after_failure(
            error, tries=job.tries, first_failed=job.first_failed, now=now, jitter=jitter, limits=self._limits
        )
        ours = isinstance(error, SitzungsplanerError)
        unreachable = isinstance(error, Unreachable)
        if unreachable and self._servers.of(job) not in self._servers.away:
            self._servers.away.add(self._servers.of(job))
            log.warning(str(error), action="server-away", kind=self.kind, key=job.key)
        elif not unreachable:
            log.warning(
                str(error) if ours else "failed",
                action="work-failed",
                key=job.key,
                tries=job.tries,
                exc_info=None if ours else error,
            )

        def put_back(tx: Connection) -> None:
            why = str(error) if ours else f"{type(error).__name__}: {error}"
            match verdict:
                case retry.Again(at=at):
                    work.fail(tx, job, error=why, at=at, now=now)
                case retry.Park():
                    if work.park(tx, job, error=why, now=now):
                        self._on_park(tx, job, why, unreachable=unreachable)

        try:
            await self._store.run(put_back)
        except Lost:
            pass
        except Unreachable as away:  # the database, and everything that runs will say so
            if not self._misses:
                self._store_away(away)
            log.info("what became of it could not be written down; it is done again", action="work-lost", key=job.key)
