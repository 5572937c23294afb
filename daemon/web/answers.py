"""Answers: mails handed in by a mail server's pipe, and what became of every mail."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection

from daemon import planner
from daemon.core.errors import Rejected
from daemon.core.itip import Outcome as OutcomeName
from daemon.store import inbox as inbox_rows
from daemon.web.context import DryRun, For, Given
from daemon.web.schemas import recurrence_id_of
from daemon.web.schemas_answers import ByHand, DecidedShown, Ingested, MailShown, Outcome, Refusal
from daemon.web.schemas_entries import EntryShown

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
    reading = await context.read(raw)
    results = await context.store.run(lambda tx: planner.ingest(tx, context.desk, raw, reading, received=now, source="file"))
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


@router.post("/by-hand", summary="Record an answer that came in another way")
async def by_hand(*, context: Given, acting: For, body: ByHand, dry_run: DryRun = False) -> EntryShown:
    """“Said yes by phone”: its source is `owner`. Nobody is mailed."""

    def do(tx: Connection) -> EntryShown:
        found = planner.find_entry(tx, body.entry, acting.only(tx))
        date = recurrence_id_of(found, body.date) if body.date else None
        planner.set_answer(tx, context.desk, found.id, body.attendee, body.partstat, recurrence_id=date, comment=body.comment)
        return EntryShown.of(planner.show(tx, context.desk, found.id))

    return await context.write(do, dry_run=dry_run)


@router.get("/{mail}", summary="Show a received mail")
async def show(context: Given, acting: For, mail: str) -> MailShown:
    """By the id that the list shows, or the beginning of it."""
    return await context.store.run(lambda tx: MailShown.of(planner.find_mail(tx, mail, acting.only(tx))))


@router.post("/{mail}/accept", summary="Let a held answer count, or take a proposed time")
async def accept(*, context: Given, acting: For, mail: str, dry_run: DryRun = False) -> DecidedShown:
    """A proposed time moves the entry, and everybody is asked about it."""

    def do(tx: Connection) -> DecidedShown:
        found = planner.find_mail(tx, mail, acting.only(tx))
        return DecidedShown.of(planner.accept(tx, context.desk, found.id), dry_run=dry_run)

    return await context.write(do, dry_run=dry_run)


@router.post("/{mail}/refuse", summary="Drop a held answer, or decline a proposed time")
async def refuse(*, context: Given, acting: For, mail: str, body: Refusal | None = None, dry_run: DryRun = False) -> DecidedShown:
    """Who proposed the time is told (DECLINECOUNTER); otherwise nobody is."""

    def do(tx: Connection) -> DecidedShown:
        found = planner.find_mail(tx, mail, acting.only(tx))
        comment = body.comment if body is not None else ""
        return DecidedShown.of(planner.refuse(tx, context.desk, found.id, comment=comment), dry_run=dry_run)

    return await context.write(do, dry_run=dry_run)
