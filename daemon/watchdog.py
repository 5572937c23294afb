"""Looks after the running service from within: tells systemd when it is ready, alive, stopping, and how it is (sd_notify(3)).

A sign of life is sent while the event loop turns and every lane looks for its work. A lane stands still if it owes something and
has not looked for three times `patience`; then no sign is sent, and systemd ends and restarts the service (WatchdogSec). An
unreachable server is no reason, nor are hands that are all full, nor somebody who has the whole database for a while, for at most
an hour (`excused`: a backup, a check).

Not here: what lanes do, and what the service does when it is told to stop (`daemon.supervisor`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Protocol

from daemon.logs import get_logger
from daemon.metrics import LaneState, Metrics
from daemon.notify import Notifier

log = get_logger("service")

_BEAT = timedelta(seconds=5)
_START = timedelta(milliseconds=50)
_EXCUSE = timedelta(hours=1)


class Watched(Protocol):
    """A lane. `looked` is when it last began to look for work, by the event loop's clock; None: not yet."""

    looked: float | None

    def owes(self) -> bool: ...

    def state(self) -> Mapping[str, Any]: ...


def beat_of(watchdog: timedelta | None) -> timedelta:
    """Return how often to give a sign of life: thrice within what systemd waits for, and no less than each five seconds."""
    return _BEAT if watchdog is None else min(_BEAT, watchdog / 3)


class Watchdog:
    """One per service. `run` it beside the lanes; `stuck`, `started` and `lanes` answer at any time."""

    def __init__(
        self,
        lanes: Mapping[str, Watched],
        notifier: Notifier,
        metrics: Metrics,
        *,
        patience: timedelta,
        excused: Callable[[], bool] = lambda: False,
    ) -> None:
        self._lanes, self._notifier, self._metrics = lanes, notifier, metrics
        self._bound = 3 * patience.total_seconds()
        self._excused = excused
        self._excused_since: float | None = None
        self._anew = 0.0  # from when on standing still counts
        self._since: float | None = None
        self._told: tuple[str, ...] = ()

    @property
    def started(self) -> bool:
        """True once every lane has looked for work."""
        return self._since is not None and all(lane.looked is not None for lane in self._lanes.values())

    def stuck(self) -> tuple[str, ...]:
        """Return the lanes that stand still. Called in the event loop."""
        if self._since is None:
            return ()
        now = asyncio.get_running_loop().time()
        if self._is_excused(now):
            return ()
        return tuple(name for name, lane in self._lanes.items() if self._stands(lane, now))

    def lanes(self) -> dict[str, LaneState]:
        """Return what each lane is doing."""
        stuck = self.stuck()
        states = {name: lane.state() for name, lane in self._lanes.items()}
        return {
            name: LaneState(busy=one["running"], hands=one["hands"], away=len(one["away"]), stuck=name in stuck)
            for name, one in states.items()
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Tell systemd that the service is ready as soon as all lanes have looked, then that it is alive, until it stops."""
        loop = asyncio.get_running_loop()
        self._since = self._anew = loop.time()
        ready = False
        while not stop.is_set():
            stuck = self.stuck()
            if not ready and self.started:
                ready = self._notifier.ready() or True
            self._tell(stuck)
            if not stuck:
                self._notifier.alive()
            pause = (beat_of(self._notifier.watchdog) if ready else _START).total_seconds()
            before = loop.time()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
            if not stop.is_set():
                self._metrics.lag(max(0.0, loop.time() - before - pause))
        self._notifier.status("Stopping: what runs comes to its end")
        self._notifier.stopping()

    def _stands(self, lane: Watched, now: float) -> bool:
        since = self._anew if lane.looked is None else max(lane.looked, self._anew)
        return now - since > self._bound and (lane.looked is None or lane.owes())

    def _is_excused(self, now: float) -> bool:
        if self._excused():
            self._excused_since = now if self._excused_since is None else self._excused_since
            return now - self._excused_since <= _EXCUSE.total_seconds()
        if self._excused_since is not None:  # nobody could look meanwhile
            self._excused_since, self._anew = None, now
        return False

    def _tell(self, stuck: tuple[str, ...]) -> None:
        if stuck != self._told:
            self._told = stuck
            if stuck:
                log.error(
                    f"work is due and nobody has looked for it for {self._bound:.0f} s; systemd restarts the service",
                    action="stuck",
                    lanes=list(stuck),
                )
            else:
                log.info("all lanes look for their work again", action="unstuck")
        states = {name: lane.state() for name, lane in self._lanes.items()}
        busy = sum(one["running"] for one in states.values())
        away = [name for name, one in states.items() if one["away"]]
        words = [f"{busy} at work" if busy else "nothing to do just now"]
        if away:
            words.append(f"not reachable: {', '.join(away)}")
        if stuck:
            words.append(f"standing still: {', '.join(stuck)}")
        self._notifier.status("; ".join(words) if self.started else "Starting")
