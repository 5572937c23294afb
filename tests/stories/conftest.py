"""The worlds stories play in: each calendar server on each store, with a real post office."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.demo.post import PostOffice
from daemon.demo.servers import CalendarServer
from tests.clock import ManualClock
from tests.servers.post import post_office
from tests.servers.radicale import radicale
from tests.servers.xandikos import xandikos
from tests.stories.world import World, a_world

__all__ = ["post_office"]

SERVERS = {"radicale": radicale, "xandikos": xandikos}


@pytest.fixture(params=list(SERVERS))
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CalendarServer]:
    with SERVERS[request.param](tmp_path / request.param) as started:
        yield started


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 10, 1, 8, 0, tzinfo=UTC))


@pytest.fixture
async def world(
    store_url: str, tmp_path: Path, post_office: PostOffice, clock: ManualClock, server: CalendarServer
) -> AsyncIterator[World]:
    async with contextlib.AsyncExitStack() as stack:
        yield await stack.enter_async_context(a_world(store_url, tmp_path / "data", post_office, clock, server))


@pytest.fixture
async def mail_world(store_url: str, tmp_path: Path, post_office: PostOffice, clock: ManualClock) -> AsyncIterator[World]:
    """A world without a calendar server."""
    async with a_world(store_url, tmp_path / "data", post_office, clock) as made:
        yield made
