"""Answers: mails handed in by a mail server's pipe, and what became of every mail."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection

from daemon import planner
from daemon.core.errors import Rejected
from daemon.core.itip import Outcome as OutcomeName
from daemon.store import inbox as inbox_rows
from daemon.web.context import For, Given
from daemon.web.schemas_answers import Ingested, MailShown, Outcome

router = APIRouter(prefix="/answers", tags=["answers"])


@router.post(
    "",
    summary="Take in a mail",
    openapi_extra={
        "requestBody": {"required": True, "content": {"message/rfc822": {"schema": {"type": "string", "format": "binary"}}}}
    },
)
async def ingest(context: Given, request: Request) -> Ingested:
    """One RFC 5322 message. Every mail has an outcome with its reason; the same mail again changes nothing."""
    raw = await request.body()
    if not raw.strip():
        raise Rejected("The mail is empty. Send one RFC 5322 message as the body.", field="body")
    now = context.desk.clock.now()
    results = await context.store.run(lambda tx: planner.ingest(tx, context.desk, raw, received=now, source="file"))
    return Ingested(results=tuple(Outcome.of(one) for one in results))


@router.get("", summary="List received mails")
async def list_mails(
    context: Given,
    acting: For,
    outcome: OutcomeName | None = None,
    entry: str = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[MailShown]:
    """Latest first; `outcome=held` are those that wait for a person."""

    def read(tx: Connection) -> list[MailShown]:
        found = planner.find_entry(tx, entry, acting.only(tx)).id if entry else None
        mails = inbox_rows.list_(tx, outcome=outcome.value if outcome else None, entry=found, limit=limit)
        return [MailShown.of(one) for one in mails]

    return await context.store.run(read)


@router.get("/{mail}", summary="Show a received mail")
async def show(context: Given, mail: str) -> MailShown:
    """By the id that the list shows."""
    return await context.store.run(lambda tx: MailShown.of(inbox_rows.get(tx, mail)))
