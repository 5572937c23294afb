"""Several daemons on one PostgreSQL: claims share the work, duties of the house happen once, a dead one's work is taken over."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

import pytest

from daemon import planner
from daemon.core.model import Attendee
from daemon.planner import upkeep
from daemon.store import work
from tests.loops.conftest import ANNA, DAY, HOUR, MINUTE, Outside, Service, running
from tests.servers.postgres import Postgres

HOLD = timedelta(seconds=60)
GUESTS = tuple(Attendee(email=f"gast{number}@kunde.test") for number in range(40))


@pytest.fixture
def shared(postgres: Postgres, postgres_template: str, outside: Outside) -> Iterator[Outside]:
    url = postgres.fresh(postgres_template)
    yield replace(outside, url=url)
    postgres.drop(url)


@pytest.fixture
async def daemons(shared: Outside) -> AsyncIterator[list[Service]]:
    """Three services over one database, in step with one clock."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running(shared)) for _ in range(3)]


async def settle(daemons: list[Service], after: timedelta = timedelta(0)) -> None:
    """Let time pass and all do what is due then, at the same time."""
    daemons[0].clock.move(after)
    await asyncio.gather(*(one.app.settle() for one in daemons))


async def claim(service: Service, kind: str) -> tuple[str, ...]:
    """Take what is due, as somebody does who dies right after."""
    now, token = service.clock.now(), service.clock.new_id()
    claimed = await service.tx(work.claim, kind, now=now, hold=HOLD, most=100, token=token)
    return tuple(job.key for job in claimed.jobs)


async def test_a_session_planned_at_one_is_invited_by_all_and_everybody_once(daemons: list[Service]) -> None:
    owner = await daemons[0].owner()
    await daemons[0].calendar(owner)
    entry = await daemons[0].plan(owner, *GUESTS)
    await settle(daemons, MINUTE)
    assert Counter(mail.recipient for mail in daemons[0].post.sent) == Counter(one.email for one in GUESTS)
    assert [event.uid for event in daemons[0].outside.calendars.events("alice")] == [entry.uid]
    assert daemons[0].outside.calendars.calls.count("create") == 1


async def test_a_reminder_goes_out_once(daemons: list[Service]) -> None:
    owner = await daemons[1].owner()
    await daemons[1].plan(owner, remind=True, reminders=(DAY,))
    await settle(daemons, 13 * DAY)
    await settle(daemons, HOUR)
    assert [mail.recipient for mail in daemons[0].post.sent] == [owner.email]


async def test_the_house_is_kept_and_the_mailbox_read_by_one_at_a_time(daemons: list[Service]) -> None:
    daemons[0].clock.move(DAY)
    assert await claim(daemons[0], work.HOUSE) == (upkeep.HOUSE_KEY,)
    assert await claim(daemons[1], work.HOUSE) == ()
    assert await claim(daemons[0], work.INBOX) == ("inbox:main",)
    assert await claim(daemons[2], work.INBOX) == ()


async def test_the_start_of_another_takes_nothing_from_those_that_run(shared: Outside) -> None:
    async with running(shared) as first:
        owner = await first.owner()
        await first.plan(owner, ANNA)
        first.clock.move(MINUTE)
        held = await claim(first, work.MAIL)
        async with running(shared) as second:
            await second.settle()
            row = await second.row(held[0])
            assert row is not None
            assert row.holder is not None
            assert second.mails() == []


async def test_what_a_dead_one_held_is_taken_over_when_its_hold_is_over_and_not_before(daemons: list[Service]) -> None:
    owner = await daemons[0].owner()
    entry = await daemons[0].plan(owner, ANNA)
    daemons[0].clock.move(MINUTE)
    assert len(await claim(daemons[0], work.MAIL)) == 1
    await settle(daemons[1:], HOLD - timedelta(seconds=1))
    assert daemons[1].mails() == []
    await settle(daemons[1:], timedelta(seconds=1))
    assert daemons[1].methods(ANNA.email) == ["REQUEST"]
    await daemons[2].do(planner.cancel, entry.id)
    await settle(daemons[1:], MINUTE)
    assert daemons[1].methods(ANNA.email) == ["REQUEST", "CANCEL"]


async def test_an_edit_at_one_wakes_the_others(daemons: list[Service]) -> None:
    """NOTIFY: whoever sleeps at another daemon looks at once."""
    first, second, _ = daemons
    bell = second.app.store.bell(work.CALENDAR)
    listening = asyncio.create_task(second.app.store.listen())
    try:
        await asyncio.wait_for(bell.wait(), 20)  # rung once when the connection stands
        bell.clear()
        owner = await first.owner()
        await first.calendar(owner)
        await asyncio.wait_for(bell.wait(), 20)
    finally:
        listening.cancel()
