"""The doctor from inside the service: with its own secrets, its own network, its own store."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from daemon.web.context import Given
from daemon.web.schemas import Shown

router = APIRouter(prefix="/doctor", tags=["status"])


class Diagnosis(Shown):
    """`level` is ok, note, warning or problem; `where` a setting's key, a calendar's name or a file."""

    level: str
    field: str
    what: str
    where: str
    remedy: str


@router.post("", summary="Look at everything the service depends on")
async def examine(
    context: Given, quick: Annotated[bool, Query(description="Send no mail, and do not read the whole database.")] = False
) -> list[Diagnosis]:
    """Data directory, database, calendars, mail servers with a mail to ourselves, the sender's domain, the clock."""
    return [Diagnosis(**one) for one in await context.examine(quick)]
