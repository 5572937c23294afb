"""How the service is doing: loops, queue, calendars."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection

import daemon
from daemon import planner
from daemon.core.calendars import CalendarState
from daemon.core.zones import TZDATA_VERSION
from daemon.store import owners as owner_rows
from daemon.store import work_counts
from daemon.web.context import Given
from daemon.web.schemas import Shown

router = APIRouter(tags=["status"])


class QueueShown(Shown):
    """`ripe` is due and waits for a worker; `oldest` is the due time of the oldest that is not parked."""

    kind: str
    waiting: int
    ripe: int
    held: int
    parked: int
    oldest: datetime | None


class CalendarInStatus(Shown):
    name: str
    owner: str
    state: str
    error: str
    checked: datetime | None


class Status(Shown):
    """`healthy`: nothing waits for a person, and every calendar answers. `running` is what the loops tell."""

    healthy: bool
    version: str
    tzdata: str
    store: str
    now: datetime
    owners: int
    running: dict[str, Any]
    queue: tuple[QueueShown, ...]
    calendars: tuple[CalendarInStatus, ...]


@router.get("/status", summary="How the service is doing")
async def status(context: Given) -> Status:
    """Loops, queue with its oldest work, calendars in sync or not."""
    now = context.desk.clock.now()

    def read(tx: Connection) -> Status:
        counts = work_counts.counts(tx, now=now)
        calendars = planner.calendars(tx, None)
        return Status(
            healthy=not any(one.parked for one in counts) and all(one.state is CalendarState.OK for one in calendars),
            version=daemon.__version__,
            tzdata=TZDATA_VERSION,
            store="SQLite" if context.store.is_sqlite else "PostgreSQL",
            now=now,
            owners=len(planner.owners(tx)),
            running=dict(context.status()),
            queue=tuple(
                QueueShown(kind=one.kind, waiting=one.waiting, ripe=one.ripe, held=one.held, parked=one.parked, oldest=one.oldest)
                for one in counts
            ),
            calendars=tuple(
                CalendarInStatus(
                    name=one.name,
                    owner=owner_rows.get(tx, one.owner).email,
                    state=one.state.value,
                    error=one.error,
                    checked=one.checked,
                )
                for one in calendars
            ),
        )

    return await context.store.run(read)
