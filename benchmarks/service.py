"""The whole service for benchmarks: its settings, and stores that are full of what is due, put there by the use cases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from benchmarks.post import CONNECTIONS
from benchmarks.scene import DESCRIPTION, PLANNER, some_attendees
from daemon import planner
from daemon.app import App, open_app
from daemon.config import load_config
from daemon.connections import smtp
from daemon.core.model import Language, When
from daemon.planner.wishes import Draft
from daemon.ports import MailOut
from tests.servers.debian import HOST

ATTENDEES = 3
HANDS = 40  # more than connections: rows are read, written out and recorded while others are being sent
_AT_ONCE = 500  # entries made in one transaction


def settings(folder: Path, port: int) -> dict[str, str]:
    """The environment of a service on a SQLite file in this folder that sends its mails to that port of this machine."""
    return {
        "SITZUNGSPLANER_SERVICE__DATA_DIR": str(folder),
        "SITZUNGSPLANER_SERVICE__SOCKET": str(folder / "api.sock"),
        "SITZUNGSPLANER_SERVICE__LOG_LEVEL": "warning",
        "SITZUNGSPLANER_MAIL__ADDRESS": PLANNER,
        "SITZUNGSPLANER_MAIL__COALESCE_SECONDS": "0",
        "SITZUNGSPLANER_MAIL__SMTP__HOST": HOST,
        "SITZUNGSPLANER_MAIL__SMTP__PORT": str(port),
        "SITZUNGSPLANER_MAIL__SMTP__SECURITY": "none",
        "SITZUNGSPLANER_MAIL__SMTP__CONNECTIONS": str(CONNECTIONS),
        "SITZUNGSPLANER_WORK__LANES__MAIL": str(HANDS),
        "SITZUNGSPLANER_WORK__LANES__REMIND": str(HANDS),
    }


@asynccontextmanager
async def open_service(folder: Path, port: int, *, watch: Callable[[MailOut], MailOut]) -> AsyncIterator[App]:
    """Put the service together on a new store, with its own mail connector below what `watch` makes of it."""
    config = load_config(environ=settings(folder, port)).config
    async with open_app(config, mail_out=watch(smtp(config))) as app:
        yield app


def an_owner(app: App) -> str:
    """Make the one owner. Returns his id."""
    owner = app.store.run_now(
        lambda tx: planner.add_owner(tx, app.desk, email="anna@example.test", name="Anna Müller", language=Language.DE)
    )
    return owner.id


def fill_invitations(app: App, mails: int) -> None:
    """Make entries until so many attendees wait for their invitations, which are due at once."""
    people = some_attendees(ATTENDEES)
    start = datetime.now(UTC).replace(tzinfo=None, hour=9, minute=0, second=0, microsecond=0)

    def draft(number: int) -> Draft:
        when = When(start=start + timedelta(days=30 + number % 250), zone="Europe/Berlin", duration=timedelta(hours=1))
        left = people[: min(ATTENDEES, mails - number * ATTENDEES)]
        return Draft(title=f"Quartalsgespräch {number}", description=DESCRIPTION, when=when, attendees=left, remind=False)

    _fill(app, -(-mails // ATTENDEES), draft)


def fill_reminders(app: App, mails: int) -> None:
    """Make as many entries without guests, whose reminders are due at once: they start in an hour."""
    start = datetime.now(UTC).replace(tzinfo=None, microsecond=0) + timedelta(hours=1)
    when = When(start=start, zone="UTC", duration=timedelta(hours=1))

    def draft(number: int) -> Draft:
        return Draft(title=f"Quartalsgespräch {number}", description=DESCRIPTION, when=when, reminders=(timedelta(hours=2),))

    _fill(app, mails, draft)


def _fill(app: App, entries: int, draft: Callable[[int], Draft]) -> None:
    owner = an_owner(app)

    def some(tx: sa.Connection, first: int) -> None:
        for number in range(first, min(first + _AT_ONCE, entries)):
            planner.create(tx, app.desk, owner, draft(number))

    for first in range(0, entries, _AT_ONCE):
        app.store.run_now(lambda tx, first=first: some(tx, first))  # type: ignore[misc]
