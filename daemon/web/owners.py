"""Owners: the people who plan."""

from __future__ import annotations

from fastapi import APIRouter, Response
from sqlalchemy import Connection

from daemon import planner
from daemon.core.model import Owner
from daemon.web.context import Context, DryRun, Given
from daemon.web.schemas_owners import NewOwner, OwnerChanges, OwnerShown

router = APIRouter(prefix="/owners", tags=["owners"])


@router.get("", summary="List owners")
async def list_owners(context: Given) -> list[OwnerShown]:
    """Everybody who plans, by address."""
    return [_shown(context, one) for one in await context.store.run(planner.owners)]


@router.post("", status_code=201, summary="Add an owner")
async def add(context: Given, body: NewOwner, dry_run: DryRun = False) -> OwnerShown:
    """The address must not be the service's own mailbox."""

    def do(tx: Connection) -> Owner:
        return planner.add_owner(
            tx,
            context.desk,
            email=body.email,
            name=body.name,
            language=body.language,
            zone=body.timezone,
            reminders=body.reminders,
        )

    return _shown(context, await context.write(do, dry_run=dry_run))


@router.get("/{owner}", summary="Show an owner")
async def show(context: Given, owner: str) -> OwnerShown:
    """By address or id."""
    return _shown(context, await context.store.run(lambda tx: planner.find_owner(tx, owner)))


@router.patch("/{owner}", summary="Change an owner")
async def edit(context: Given, owner: str, body: OwnerChanges, dry_run: DryRun = False) -> OwnerShown:
    """New reminder offsets hold for all entries that have none of their own."""

    def do(tx: Connection) -> Owner:
        return planner.edit_owner(
            tx,
            context.desk,
            planner.find_owner(tx, owner).id,
            email=body.email,
            name=body.name,
            language=body.language,
            zone=body.timezone,
            reminders=body.reminders,
        )

    return _shown(context, await context.write(do, dry_run=dry_run))


@router.delete("/{owner}", status_code=204, summary="Remove an owner", response_class=Response)
async def remove(context: Given, owner: str, dry_run: DryRun = False) -> None:
    """Refused while entries or calendars of his stand."""
    await context.write(lambda tx: planner.remove_owner(tx, context.desk, planner.find_owner(tx, owner).id), dry_run=dry_run)


def _shown(context: Context, owner: Owner) -> OwnerShown:
    return OwnerShown.of(owner, context.desk.rules.reminders)
