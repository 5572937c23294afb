"""The post office for tests: the one of the demonstration. A package that is missing skips, or fails where CI=true."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator

import pytest

from daemon.demo.post import PostOffice
from tests.servers import unavailable

PLANNER = "planner@example.test"
USER, PASSWORD = "planner", "plannerpw"


def post_office_packages() -> None:
    """Skip the test where the post office cannot be had."""
    for package in ("aiosmtpd", "pymap"):
        if importlib.util.find_spec(package) is None:
            unavailable(f"{package} is not installed: pip install {package}")


@pytest.fixture
async def smtp_post() -> AsyncIterator[PostOffice]:
    """A post office that only takes mails: no mailbox, so it is there at once."""
    post_office_packages()
    async with PostOffice() as post:
        yield post


@pytest.fixture
async def post_office() -> AsyncIterator[PostOffice]:
    """A post office with the planner's mailbox on a real IMAP server."""
    post_office_packages()
    async with PostOffice(local={PLANNER: (USER, PASSWORD)}) as post:
        yield post
