"""Work owed to the outside world: what waits, what failed and why, and a person's hand on it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy import Connection

from daemon.store import work as work_rows
from daemon.web.context import DryRun, Given
from daemon.web.schemas import Shown

router = APIRouter(prefix="/work", tags=["work"])


class JobShown(Shown):
    """`state` is `waiting`, `held` (somebody is at it) or `parked` (waits for a person)."""

    key: str
    kind: str
    state: str
    due: datetime | None
    tries: int
    error: str
    first_failed: datetime | None
    parked: datetime | None
    held_until: datetime | None
    args: dict[str, Any]

    @classmethod
    def of(cls, job: work_rows.Job, now: datetime) -> JobShown:
        held = job.held_until is not None and job.held_until > now
        return cls(
            key=job.key,
            kind=job.kind,
            state="parked" if job.due is None else "held" if held else "waiting",
            due=job.due,
            tries=job.tries,
            error=job.error,
            first_failed=job.first_failed,
            parked=job.parked,
            held_until=job.held_until if held else None,
            args=job.args,
        )


@router.get("", summary="List work")
async def list_work(
    context: Given,
    kind: str | None = None,
    parked: bool | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> list[JobShown]:
    """Parked work first, then by due time."""
    now = context.desk.clock.now()
    jobs = await context.store.run(lambda tx: work_rows.list_(tx, kind=kind, parked=parked, limit=limit))
    return [JobShown.of(one, now) for one in jobs]


# Keys hold addresses, and these may hold slashes: hence the path parameters, and this order.
@router.post("/{key:path}/retry", summary="Try again now")
async def retry(context: Given, key: str) -> JobShown:
    """Also what is parked; its tries are counted anew."""
    now = context.desk.clock.now()

    def do(tx: Connection) -> JobShown:
        work_rows.retry(tx, key, now=now)
        return JobShown.of(work_rows.get(tx, key), now)

    return await context.store.run(do)


@router.get("/{key:path}", summary="Show work")
async def show(context: Given, key: str) -> JobShown:
    """With the reason of its last failure."""
    return JobShown.of(await context.store.run(lambda tx: work_rows.get(tx, key)), context.desk.clock.now())


@router.delete("/{key:path}", status_code=204, summary="Drop work", response_class=Response)
async def drop(context: Given, key: str, dry_run: DryRun = False) -> None:
    """It is not done. What it owed is owed no more until the next change asks for it."""
    await context.write(lambda tx: work_rows.drop(tx, key, now=context.desk.clock.now()), dry_run=dry_run)
