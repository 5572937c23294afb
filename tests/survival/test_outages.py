"""Servers that are away, hang, or do what they were told without saying so: nothing is lost or doubled, and all catches up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from daemon.demo.post import PostOffice
from daemon.demo.servers import CalendarServer
from daemon.store import calendars as calendar_rows
from daemon.store import journal as journal_rows
from tests.clock import ManualClock
from tests.servers.post import smtp_post
from tests.servers.radicale import radicale
from tests.survival.house import chance_of
from tests.survival.proxy import Line, Proxy, is_end_of_mail, is_write
from tests.survival.story import SOON, Calendars, Mail, Story, a_story, delivered, memory_mail
from tests.survival.wishes import Planner

__all__ = ["smtp_post"]

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OWNERS = {"alice": "alice@example.test", "bob": "bob@example.test"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 10, 20, 6, 0, tzinfo=UTC))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[CalendarServer]:
    with radicale(tmp_path / "radicale", {name: f"{name}pw" for name in OWNERS}) as started:
        yield started


@pytest.fixture
async def calendars(clock: ManualClock) -> AsyncIterator[Calendars]:
    made = Calendars(clock)
    yield made
    await made.close()


def a_planner(story: Story, clock: ManualClock, *, reminded: timedelta, seed: int = 1) -> Planner:
    """Somebody who plans sessions that all lie beyond the outage."""
    planner = Planner(chance_of(seed, "outage"), tuple(OWNERS.values()), reminded=reminded, ahead=(4 * DAY, 9 * DAY), clock=clock)
    planner.http = story.http
    return planner


async def plan(planner: Planner, *, entries: int, changes: int) -> None:
    for _ in range(entries):
        await planner.create()
    for _ in range(changes):
        await planner.change()


@pytest.mark.parametrize(
    ("store_url", "line", "lasts"),
    [("sqlite", Line.CUT, 2 * DAY), ("postgres", Line.CUT, 2 * DAY), ("sqlite", Line.SILENT, 4 * HOUR)],
    ids=["away for two days, SQLite", "away for two days, PostgreSQL", "hangs"],
    indirect=["store_url"],
)
async def test_what_a_mail_server_did_not_take_goes_out_when_it_is_back(
    line: Line, lasts: timedelta, store_url: str, tmp_path: Path, smtp_post: PostOffice, clock: ManualClock
) -> None:
    """People go on planning meanwhile. Whoever was invited and uninvited in between hears nothing of it."""
    async with (
        Proxy(smtp_post.smtp_port, farewell=b"QUIT\r\n") as proxy,
        a_story(store_url, tmp_path / "data", clock=clock, mail_out=(mail := Mail(proxy.port))) as story,
    ):
        for email in OWNERS.values():
            await story.owner(email)
        planner = a_planner(story, clock, reminded=lasts)
        await plan(planner, entries=4, changes=2)
        await story.pass_time(clock, 10 * MINUTE, step=MINUTE)
        before = len(smtp_post.mails())
        assert before

        story.listen()
        await proxy.set(line)
        mail.patience = SOON
        for _ in range(4):
            await plan(planner, entries=2, changes=4)
            await story.pass_time(clock, lasts / 4, step=lasts / 64)
        assert len(smtp_post.mails()) == before
        (away,) = story.said("server-away", "warning")  # one line, however many mails wait
        assert "is tried again" in away["event"]
        await proxy.set(Line.OPEN)
        mail.patience = None
        await story.pass_time(clock, 75 * MINUTE, step=5 * MINUTE)

        (back,) = story.said("server-back")
        assert "the server is back" in back["event"]
        repeated, problems = await story.wrongs(smtp_post.mails(), clock.now())
        assert not problems, "\n".join(problems)
        assert not repeated, "the server took nothing while it was away"
        assert len(smtp_post.mails()) > before


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_a_reminder_that_could_not_go_out_before_its_session_is_told_of_in_the_journal(
    store_url: str, tmp_path: Path, smtp_post: PostOffice, clock: ManualClock
) -> None:
    async with (
        Proxy(smtp_post.smtp_port, farewell=b"QUIT\r\n") as proxy,
        a_story(store_url, tmp_path / "data", clock=clock, mail_out=Mail(proxy.port)) as story,
    ):
        await story.owner("alice@example.test")
        for title, start in (("Verpasst", "2026-10-21T09:00"), ("Kommt noch", "2026-10-23T09:00")):
            body = {"title": title, "start": start, "reminders": ["24h"]}
            (await story.http.post("http://service/api/v1/entries", json=body)).raise_for_status()
        await proxy.set(Line.CUT)
        await story.pass_time(clock, 2 * DAY + 4 * HOUR, step=30 * MINUTE)
        await proxy.set(Line.OPEN)
        await story.pass_time(clock, 75 * MINUTE, step=5 * MINUTE)

        (reminder,) = smtp_post.mails()
        assert "Kommt noch" in str(reminder.message["Subject"])
        lines = await story.store.run(journal_rows.list_)
        (missed,) = [one.text for one in lines if one.action == "reminder-suppressed"]
        assert "the session began before the reminder could be sent" in missed


async def test_a_mail_whose_answer_was_lost_goes_out_again_as_the_very_same_mail(
    store_url: str, tmp_path: Path, smtp_post: PostOffice, clock: ManualClock
) -> None:
    """The server took it and said so, and the line broke. A second, different mail would be a second invitation."""
    async with (
        Proxy(smtp_post.smtp_port, farewell=b"QUIT\r\n") as proxy,
        a_story(store_url, tmp_path / "data", clock=clock, mail_out=Mail(proxy.port)) as story,
    ):
        for email in OWNERS.values():
            await story.owner(email)
        planner = a_planner(story, clock, reminded=2 * HOUR)
        for _ in range(6):
            proxy.lose(is_end_of_mail, times=2)
            await plan(planner, entries=2, changes=4)
            await story.pass_time(clock, 20 * MINUTE, step=MINUTE)
        await story.pass_time(clock, 2 * HOUR, step=5 * MINUTE)

        repeated, problems = await story.wrongs(smtp_post.mails(), clock.now())
        assert not problems, "\n".join(problems)
        assert repeated == proxy.lost >= 6
        assert len(story.said("server-back")) == len(story.said("server-away", "warning")) >= 6


@pytest.mark.parametrize(
    ("store_url", "line"),
    [("sqlite", Line.CUT), ("postgres", Line.CUT), ("sqlite", Line.SILENT)],
    ids=["away, SQLite", "away, PostgreSQL", "hangs"],
    indirect=["store_url"],
)
async def test_what_a_calendar_server_did_not_take_is_written_when_it_is_back(
    line: Line,
    store_url: str,
    tmp_path: Path,
    server: CalendarServer,
    clock: ManualClock,
    calendars: Calendars,
) -> None:
    post, mail_out = memory_mail(clock)
    async with (
        Proxy(server.port) as proxy,
        a_story(store_url, tmp_path / "data", clock=clock, mail_out=mail_out, connecting=calendars) as story,
    ):
        await _with_calendars(story, server, proxy)
        planner = a_planner(story, clock, reminded=8 * HOUR)
        await plan(planner, entries=6, changes=4)
        await story.pass_time(clock, 2 * MINUTE, step=MINUTE)
        assert all(server.events(name) for name in OWNERS)

        story.listen()
        await proxy.set(line)
        calendars.patience = SOON
        for _ in range(4):
            await plan(planner, entries=2, changes=6)
            await story.pass_time(clock, 30 * MINUTE, step=10 * MINUTE)
        taken = proxy.taken
        await story.pass_time(clock, 8 * HOUR, step=10 * MINUTE)
        assert (proxy.taken - taken) <= 2 * len(OWNERS) * 12, "pauses grow to an hour: not tried each ten minutes"
        states = {one.state.value for one in await story.store.run(calendar_rows.all_)}
        assert states == {"unreachable"}
        assert len(story.said("server-away", "warning")) == len(OWNERS), "one line for each account"
        await proxy.set(Line.OPEN)
        calendars.patience = None
        await story.pass_time(clock, 75 * MINUTE, step=5 * MINUTE)

        assert len(story.said("server-back")) == len(OWNERS)
        bodies = {name: server.events(name) for name in OWNERS}
        _, problems = await story.wrongs(delivered(post, clock), clock.now(), bodies)
        assert not problems, "\n".join(problems)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_a_write_whose_answer_was_lost_is_neither_doubled_nor_taken_for_somebody_elses(
    store_url: str, tmp_path: Path, server: CalendarServer, clock: ManualClock, calendars: Calendars
) -> None:
    """Created, changed or deleted there, and the line broke: it is looked at, and what is right already stays."""
    post, mail_out = memory_mail(clock)
    async with (
        Proxy(server.port) as proxy,
        a_story(store_url, tmp_path / "data", clock=clock, mail_out=mail_out, connecting=calendars) as story,
    ):
        await _with_calendars(story, server, proxy)
        planner = a_planner(story, clock, reminded=4 * HOUR)
        for _ in range(8):
            proxy.lose(is_write, times=3)
            await plan(planner, entries=2, changes=4)
            await story.pass_time(clock, 20 * MINUTE, step=MINUTE)
        await story.pass_time(clock, 4 * HOUR, step=10 * MINUTE)

        assert proxy.lost >= 12
        bodies = {name: server.events(name) for name in OWNERS}
        _, problems = await story.wrongs(delivered(post, clock), clock.now(), bodies)
        assert not problems, "\n".join(problems)
        strange = [
            one for one in await story.store.run(lambda tx: journal_rows.list_(tx, limit=10_000)) if "somebody else" in one.text
        ]
        assert not strange, strange


async def _with_calendars(story: Story, server: CalendarServer, proxy: Proxy) -> None:
    """Owners whose calendars are reached through the proxy."""
    for name, email in OWNERS.items():
        account = server.account(name)
        await story.owner(email, replace(account, url=account.url.replace(f":{server.port}/", f":{proxy.port}/")))
