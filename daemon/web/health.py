"""How the service is, for machines: `/healthz`, `/readyz` and `/metrics` on a listener of their own, loopback only.

Whoever may ask learns counts and versions, no name and no address. Nothing can be changed here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from daemon.core.errors import SitzungsplanerError
from daemon.logs import get_logger
from daemon.metrics import CONTENT_TYPE, LaneState, Metrics
from daemon.store import admin, work_counts
from daemon.store import settings as setting_rows
from daemon.store.engine import Store
from daemon.web.socket import listen_tcp, serve_on

T = TypeVar("T")

log = get_logger("health")

_PATIENCE = timedelta(seconds=5)
_FRESH = timedelta(seconds=10)  # counting looks at every row: nobody makes us do it more often than this


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What is asked: the store, the lanes' states, which of them stand still, whether all have started."""

    store: Store
    metrics: Metrics
    lanes: Callable[[], Mapping[str, LaneState]]
    stuck: Callable[[], Sequence[str]]
    started: Callable[[], bool]


def build_health(health: Health) -> Starlette:
    """Return the ASGI application of the listener."""
    scraper = _Scraper(health)

    async def healthz(_request: Request) -> Response:
        stuck = list(health.stuck())
        return JSONResponse({"status": "stuck" if stuck else "ok", "stuck": stuck}, 503 if stuck else 200)

    async def readyz(_request: Request) -> Response:
        checks = {"store": "ok", "migrations": "ok", "loops": "ok" if health.started() else "starting"}
        try:
            found = await _in_time(health.store.run(admin.revision))
            # Reads files; what it finds does not change while the service runs.
            newest = await asyncio.to_thread(admin.head)
            if found != newest:
                checks["migrations"] = f"the tables are of revision {found}, this version's of {newest}"
        except (SitzungsplanerError, TimeoutError) as error:
            log.warning("not ready", action="not-ready", reason=str(error) or "the database did not answer in time")
            checks |= {"store": "does not answer", "migrations": "unknown"}
        ready = all(one == "ok" for one in checks.values())
        return JSONResponse({"status": "ready" if ready else "not ready", **checks}, 200 if ready else 503)

    async def metrics(_request: Request) -> Response:
        return Response(await scraper.text(), media_type=None, headers={"Content-Type": CONTENT_TYPE})

    routes = [Route(path, do) for path, do in (("/healthz", healthz), ("/readyz", readyz), ("/metrics", metrics))]
    return Starlette(routes=routes)


async def serve_health(health: Health, address: tuple[str, int]) -> None:
    """Serve until cancelled. Raises ConfigProblem if the address cannot be listened on."""
    listener = listen_tcp(address, setting="health.listen")
    log.info("health and metrics are served", action="health", host=address[0], port=listener.getsockname()[1])
    await serve_on(listener, build_health(health))


class _Scraper:
    """The text of `/metrics`; the store is counted at most every ten seconds, by one at a time."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._counting = asyncio.Lock()
        self._counted: tuple[float, tuple[work_counts.Count, ...] | None, str] | None = None

    async def text(self) -> bytes:
        health = self._health
        async with self._counting:
            _, rows, derived = self._counted = await self._count()
        health.metrics.show(rows=rows, lanes=health.lanes(), derived=derived, now=health.store.clock.now())
        return health.metrics.text()

    async def _count(self) -> tuple[float, tuple[work_counts.Count, ...] | None, str]:
        now = asyncio.get_running_loop().time()
        if self._counted is not None and now - self._counted[0] < _FRESH.total_seconds():
            return self._counted
        moment = self._health.store.clock.now()
        with contextlib.suppress(SitzungsplanerError, TimeoutError):
            return now, *await _in_time(
                self._health.store.run(
                    lambda tx: (work_counts.counts(tx, now=moment), setting_rows.get(tx, setting_rows.TZDATA) or "")
                )
            )
        return now, None, ""


async def _in_time(answer: Awaitable[T]) -> T:
    """Raises TimeoutError: a database that hangs must not make the asker hang."""
    return await asyncio.wait_for(answer, _PATIENCE.total_seconds())
