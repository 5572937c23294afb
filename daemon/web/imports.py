"""Import of .ics files: one line of JSON for each event as it is done, each event a transaction of its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection

from daemon import planner
from daemon.core.errors import Rejected, SitzungsplanerError
from daemon.core.model import Event
from daemon.planner.wishes import Desk, Imported
from daemon.web.context import Context, DryRun, For, Given
from daemon.web.schemas_entries import ImportLine

router = APIRouter(prefix="/entries", tags=["entries"])
MEDIA_TYPE = "application/x-ndjson"


@router.post(
    "/import",
    summary="Import an .ics file",
    response_class=StreamingResponse,
    responses={200: {"model": ImportLine, "content": {MEDIA_TYPE: {}}}},
    openapi_extra={
        "requestBody": {"required": True, "content": {"text/calendar": {"schema": {"type": "string", "format": "binary"}}}}
    },
)
async def import_file(
    *,
    context: Given,
    acting: For,
    request: Request,
    invite: Annotated[bool, Query(description="Send invitations; otherwise everybody counts as invited already.")] = False,
    calendar: Annotated[str | None, Query(description='Name or id; "": into none. Absent: the owner\'s first.')] = None,
    dry_run: DryRun = False,
) -> StreamingResponse:
    """UID, SEQUENCE, attendees and answers are kept. What is here already is left as it is."""
    raw = await request.body()
    if not raw.strip():
        raise Rejected("The file is empty. Send an .ics file as the body.", field="body")
    owner = await context.store.run(acting.owner)
    events, problems = await asyncio.to_thread(planner.parse_import, raw, zone=owner.zone)
    if calendar:
        calendar = (await context.store.run(lambda tx: planner.find_calendar(tx, calendar or "", owner.id))).id
    lines = _lines(context, owner.id, events, problems, invite=invite, calendar=calendar, dry_run=dry_run)
    return StreamingResponse(lines, media_type=MEDIA_TYPE)


async def _lines(
    context: Context,
    owner_id: str,
    events: tuple[Event, ...],
    problems: tuple[str, ...],
    *,
    invite: bool,
    calendar: str | None,
    dry_run: bool,
) -> AsyncIterator[str]:
    yield _line(ImportLine(total=len(events), problems=problems))
    sums: Counter[str] = Counter()
    for index, event in enumerate(events, start=1):
        try:
            imported = await context.write(
                partial(_imported, context.desk, owner_id, event, invite=invite, calendar=calendar), dry_run=dry_run
            )
        except SitzungsplanerError as error:
            # The database is away: the answer has begun, so the reason is its last line. What was done stays done.
            sums["failed"] += 1
            yield _line(ImportLine(index=index, uid=event.uid, outcome="failed", reason=str(error)))
            break
        sums[imported.outcome] += 1
        yield _line(ImportLine.of(index, imported))
    yield _line(ImportLine(done=True, sums=dict(sums)))


def _imported(desk: Desk, owner_id: str, event: Event, tx: Connection, *, invite: bool, calendar: str | None) -> Imported:
    return planner.import_one(tx, desk, owner_id, event, invite=invite, calendar=calendar)


def _line(line: ImportLine) -> str:
    return line.model_dump_json(exclude_none=True) + "\n"
