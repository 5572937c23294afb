"""The pages over real HTTP on loopback, and the planner behind them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from daemon import planner
from daemon.core.model import Attendee, Entry, Language, When
from daemon.core.tokens import Links
from daemon.planner import links
from daemon.planner.wishes import Draft
from daemon.store import entries as entry_rows
from daemon.store.schema import metadata
from daemon.web.context import Context
from daemon.web.pages import build_pages
from daemon.web.socket import serve_on
from tests.clock import ManualClock
from tests.render.outline import Outline

ANNA, BEN = Attendee(email="anna@kunde.test", name="Anna Berg"), Attendee(email="ben@kunde.test")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WHEN = When(start=datetime(2027, 3, 10, 9), zone="Europe/Berlin", duration=HOUR)
GERMAN, ENGLISH = {"Accept-Language": "fr;q=0.9, de-AT;q=0.8, en;q=0.5"}, {"Accept-Language": "en-GB"}


@dataclass(kw_only=True)
class Site:
    """The pages as a browser meets them, and the planner behind them."""

    client: httpx.AsyncClient
    context: Context
    clock: ManualClock
    owner: str = ""

    async def do(self, use_case: Any, *given: Any, **named: Any) -> Any:
        return await self.context.store.run(lambda tx: use_case(tx, self.context.desk, *given, **named))

    async def plan(self, *people: Attendee, **more: Any) -> Entry:
        draft = Draft(**{"title": "Haushalt", "when": WHEN, "attendees": people or (ANNA, BEN), "remind": False, **more})
        entry: Entry = (await self.do(planner.create, self.owner, draft)).entry
        return entry

    async def link(self, entry: Entry, person: Attendee = ANNA) -> str:
        url: str = await self.do(links.answer_link, entry.id, person.email)
        return url.removeprefix("https://planer.test")

    async def get(self, path: str, status: int = 200, **headers: str) -> Outline:
        answer = await self.client.get(path, headers=headers or GERMAN)
        assert answer.status_code == status, answer.text
        return outline(answer)

    async def post(self, path: str, partstat: str, which: str, comment: str = "", status: int = 200) -> Outline:
        form = {"partstat": partstat, "which": which, "comment": comment}
        answer = await self.client.post(path, data=form, headers=GERMAN)
        assert answer.status_code == status, answer.text
        return outline(answer)

    async def read(self, entry: Entry) -> Entry:
        return await self.context.store.run(lambda tx: entry_rows.get(tx, entry.id))

    async def everything(self) -> dict[str, list[Any]]:
        """Every row of every table."""
        return await self.context.store.run(
            lambda tx: {table.name: [tuple(row) for row in tx.execute(sa.select(table))] for table in metadata.sorted_tables}
        )


def outline(answer: httpx.Response) -> Outline:
    seen = Outline(answer.text)
    assert (seen.unbalanced, seen.open) == ([], [])
    return seen


def choices(page: Outline) -> list[str]:
    """The values of what can be answered, in the order of the page."""
    return [str(field["value"]) for field in page.named("input") if field["name"] == "which"]


@pytest.fixture
async def site(context: Context, clock: ManualClock) -> AsyncIterator[Site]:
    context.desk.links = Links(url="https://planer.test", key=context.key)
    owner = await context.store.run(
        lambda tx: planner.add_owner(tx, context.desk, email="alice@example.org", name="Alice Müller", language=Language.DE)
    )
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    app = build_pages(context.store, context.desk, context.renderer)
    serving = asyncio.create_task(serve_on(listener, app, proxies=("127.0.0.1",)))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield Site(client=client, context=context, clock=clock, owner=owner.id)
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
