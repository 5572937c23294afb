"""Entries: list, show, and every change. A change answers with the entry and what it causes; `dry_run` only says it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy import Connection

from daemon import planner
from daemon.core.model import Entry, Language, Owner
from daemon.planner.outbox import invitation_text
from daemon.planner.views import counts
from daemon.planner.wishes import Done
from daemon.store import owners as owner_rows
from daemon.web.context import Acting, Context, DryRun, For, Given
from daemon.web.schemas import EffectShown, recurrence_id_of
from daemon.web.schemas_entries import (
    AnswerShown,
    AttendeeShown,
    Counts,
    EntryAnswers,
    EntryChanged,
    EntryInList,
    EntryShown,
    EntryText,
    Found,
    OccurrenceShown,
    Which,
)
from daemon.web.schemas_wishes import (
    CalendarChoice,
    Copy,
    EntryChanges,
    Invitation,
    Move,
    NewEntry,
    Uninvitation,
    new_start,
    new_zone,
)

router = APIRouter(prefix="/entries", tags=["entries"])

OneDate = Annotated[str, Query(alias="date", description="One date of a series, named by its original start.")]
Change = Callable[[Connection, Entry, Owner], Done]


@router.get("", summary="List entries")
async def list_entries(
    *,
    context: Given,
    acting: For,
    which: Which = "upcoming",
    search: str = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> list[EntryInList]:
    """Entries of the owner (without X-Owner: of everybody), soonest first; past ones latest first."""

    def read(tx: Connection) -> list[EntryInList]:
        found = planner.lines(tx, context.desk, acting.only(tx), which=which, search=search, limit=limit, offset=offset)
        emails = {one.id: one.email for one in planner.owners(tx)}
        return [EntryInList.of(one, emails.get(one.entry.owner, "")) for one in found]

    return await context.store.run(read)


@router.get("/find", summary="Find the entry that a text means")
async def find(*, context: Given, acting: For, text: Annotated[str, Query(min_length=1)]) -> Found:
    """By id, UID, number in any spelling, or the beginning of the title or id."""

    def read(tx: Connection) -> Found:
        entry = planner.find_entry(tx, text, acting.only(tx))
        return Found(id=entry.id, number=entry.number, title=entry.title)

    return await context.store.run(read)


@router.post("", status_code=201, summary="Make an entry")
async def add(*, context: Given, acting: For, body: NewEntry, dry_run: DryRun = False) -> EntryChanged:
    """Reserves a number, writes the event into the calendar and invites the attendees (unless `invite` is false)."""

    def do(tx: Connection) -> EntryChanged:
        owner = acting.owner(tx)
        return _shown(tx, context, planner.create(tx, context.desk, owner.id, body.draft(owner.zone)), dry_run=dry_run)

    return await context.write(do, dry_run=dry_run)


@router.get("/{entry}", summary="Show an entry")
async def show(*, context: Given, acting: For, entry: str) -> EntryShown:
    """With answers, deliveries, calendars, reminders and coming dates."""
    return await context.store.run(lambda tx: _view(tx, context, planner.find_entry(tx, entry, acting.only(tx)).id))


@router.patch("/{entry}", summary="Edit an entry")
async def edit(
    *, context: Given, acting: For, entry: str, body: EntryChanges, date: OneDate = "", dry_run: DryRun = False
) -> EntryChanged:
    """Or one date of a series; attendees are told what concerns them."""

    def change(tx: Connection, found: Entry, owner: Owner) -> Done:
        return planner.edit(tx, context.desk, found.id, body.changes(found, owner.zone), recurrence_id=_named(found, date))

    return await _changed(context, acting, entry, change, dry_run=dry_run)


@router.post("/{entry}/move", summary="Move an entry")
async def move(
    *, context: Given, acting: For, entry: str, body: Move, date: OneDate = "", dry_run: DryRun = False
) -> EntryChanged:
    """To another time, or one date of a series. A cancelled entry stands again with its new date."""

    def change(tx: Connection, found: Entry, owner: Owner) -> Done:
        return planner.move(
            tx,
            context.desk,
            found.id,
            start=new_start(found, body.start, body.timezone, owner.zone),
            zone=new_zone(found, body.start, body.timezone, owner.zone),
            duration=body.duration,
            recurrence_id=_named(found, date),
        )

    return await _changed(context, acting, entry, change, dry_run=dry_run)


@router.post("/{entry}/cancel", summary="Cancel an entry")
async def cancel(*, context: Given, acting: For, entry: str, date: OneDate = "", dry_run: DryRun = False) -> EntryChanged:
    """Or one date of a series: everybody is told, the event goes; entry and number stay."""

    def change(tx: Connection, found: Entry, _owner: Owner) -> Done:
        return planner.cancel(tx, context.desk, found.id, recurrence_id=_named(found, date))

    return await _changed(context, acting, entry, change, dry_run=dry_run)


@router.delete("/{entry}", summary="Delete an entry")
async def delete(*, context: Given, acting: For, entry: str, dry_run: DryRun = False) -> EntryChanged:
    """Cancelled for everybody, and the number goes into quarantine."""
    return await _changed(
        context, acting, entry, lambda tx, found, _: planner.delete(tx, context.desk, found.id), dry_run=dry_run
    )


@router.post("/{entry}/copy", status_code=201, summary="Copy an entry")
async def copy(*, context: Given, acting: For, entry: str, body: Copy, dry_run: DryRun = False) -> EntryChanged:
    """With a number of its own. Its people are on the list, but not told before `invite`."""

    def change(tx: Connection, found: Entry, owner: Owner) -> Done:
        start = new_start(found, body.start, None, owner.zone)
        return planner.copy(tx, context.desk, found.id, start=start, title=body.title)

    return await _changed(context, acting, entry, change, dry_run=dry_run)


@router.post("/{entry}/invite", summary="Invite to an entry")
async def invite(
    *, context: Given, acting: For, entry: str, body: Invitation, date: OneDate = "", dry_run: DryRun = False
) -> EntryChanged:
    """Adds people and mails everybody who is not told yet; with `date` they come to that date only."""

    def change(tx: Connection, found: Entry, _owner: Owner) -> Done:
        people = tuple(one.attendee() for one in body.attendees)
        return planner.invite(tx, context.desk, found.id, people, recurrence_id=_named(found, date))

    return await _changed(context, acting, entry, change, dry_run=dry_run)


@router.post("/{entry}/uninvite", summary="Take people off an entry")
async def uninvite(
    *, context: Given, acting: For, entry: str, body: Uninvitation, date: OneDate = "", dry_run: DryRun = False
) -> EntryChanged:
    """Whoever was told of the session gets a cancellation of his own."""

    def change(tx: Connection, found: Entry, _owner: Owner) -> Done:
        return planner.uninvite(tx, context.desk, found.id, body.attendees, recurrence_id=_named(found, date))

    return await _changed(context, acting, entry, change, dry_run=dry_run)


@router.put("/{entry}/calendar", summary="Write an entry into another calendar")
async def set_calendar(*, context: Given, acting: For, entry: str, body: CalendarChoice, dry_run: DryRun = False) -> EntryChanged:
    """Or into none (null)."""

    def change(tx: Connection, found: Entry, _owner: Owner) -> Done:
        return planner.set_calendar(tx, context.desk, found.id, body.calendar)

    return await _changed(context, acting, entry, change, dry_run=dry_run)


@router.get("/{entry}/answers", summary="Show who answered what")
async def answers(*, context: Given, acting: For, entry: str) -> EntryAnswers:
    """Where everybody stands, date by date, and every answer with its source and time."""

    def read(tx: Connection) -> EntryAnswers:
        view = planner.show(tx, context.desk, planner.find_entry(tx, entry, acting.only(tx)).id)
        stands = {one.standing.answer for one in view.attendees if not one.standing.outdated}
        stands |= {one.answer for date in view.occurrences for one in date.standings if not one.outdated}
        people = tuple(one.attendee for one in view.attendees)
        following = view.next_date.recurrence_id if view.next_date and view.entry.is_series else None
        accepted, declined, tentative, silent = counts(view.entry, following)
        return EntryAnswers(
            id=view.entry.id,
            title=view.entry.title,
            counts=Counts(accepted=accepted, declined=declined, tentative=tentative, silent=silent),
            attendees=tuple(AttendeeShown.of(view.entry, one) for one in view.attendees),
            occurrences=tuple(OccurrenceShown.of(one, people) for one in view.occurrences),
            answers=tuple(AnswerShown.of(view.entry, one, counts=one in stands) for one in view.entry.answers),
        )

    return await context.store.run(read)


@router.get("/{entry}/text", summary="The invitation as text")
async def text(*, context: Given, acting: For, entry: str, language: Language | None = None) -> EntryText:
    """To paste into any mail or chat; in the owner's language unless another is named."""

    def read(tx: Connection) -> EntryText:
        found = planner.find_entry(tx, entry, acting.only(tx))
        return EntryText(text=invitation_text(tx, context.desk, context.renderer, found.id, language))

    return await context.store.run(read)


@router.get(
    "/{entry}/export",
    summary="The entry as an .ics file",
    response_class=Response,
    responses={200: {"content": {"text/calendar": {}}}},
)
async def export(*, context: Given, acting: For, entry: str) -> Response:
    """METHOD:PUBLISH; an import takes it back with UID, SEQUENCE, attendees and answers."""
    data = await context.store.run(lambda tx: planner.export(tx, context.desk, planner.find_entry(tx, entry, acting.only(tx)).id))
    return Response(data, media_type="text/calendar; charset=utf-8; method=PUBLISH")


async def _changed(context: Context, acting: Acting, entry: str, change: Change, *, dry_run: bool) -> EntryChanged:
    def do(tx: Connection) -> EntryChanged:
        found = planner.find_entry(tx, entry, acting.only(tx))
        return _shown(tx, context, change(tx, found, owner_rows.get(tx, found.owner)), dry_run=dry_run)

    return await context.write(do, dry_run=dry_run)


def _shown(tx: Connection, context: Context, done: Done, *, dry_run: bool) -> EntryChanged:
    zone = done.entry.when.zone if done.entry.when else None
    effects = tuple(EffectShown.of(one, zone) for one in done.effects)
    return EntryChanged(entry=_view(tx, context, done.entry.id), effects=effects, notes=done.notes, dry_run=dry_run)


def _view(tx: Connection, context: Context, entry_id: str) -> EntryShown:
    return EntryShown.of(planner.show(tx, context.desk, entry_id))


def _named(entry: Entry, date: str) -> datetime | None:
    return recurrence_id_of(entry, date) if date else None
