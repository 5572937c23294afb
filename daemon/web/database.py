"""The database while the service has it: backup and check. Upgrades happen at the service's start."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fastapi import APIRouter

from daemon.core.errors import Rejected
from daemon.store import admin
from daemon.store.engine import Store
from daemon.web.context import Given
from daemon.web.schemas import Body, Shown

router = APIRouter(prefix="/database", tags=["database"])


class Backup(Body):
    """`target` is an absolute path on the service's machine, in a directory that its user may write."""

    target: str


class BackupMade(Shown):
    target: str
    size: int


class FindingShown(Shown):
    """`level` is `warning` or `error`."""

    level: str
    text: str
    remedy: str


@router.post("/backup", status_code=201, summary="Back the database up")
async def backup(context: Given, body: Backup) -> BackupMade:
    """Into a new SQLite file that can be used as a store itself. The service key is not in it."""
    target = Path(body.target)
    if not target.is_absolute():
        raise Rejected("Name the backup by its absolute path: the service has a working directory of its own.", field="target")
    return await asyncio.to_thread(_written, context.store, target)


@router.get("/check", summary="Check the database")
async def check(context: Given) -> list[FindingShown]:
    """Reads every page; everybody else waits meanwhile. An empty list is good news."""
    findings = await asyncio.to_thread(admin.check, context.store)
    return [FindingShown(level=one.level.value, text=one.text, remedy=one.remedy) for one in findings]


def _written(store: Store, target: Path) -> BackupMade:
    admin.backup(store, target)
    return BackupMade(target=str(target), size=target.stat().st_size)
