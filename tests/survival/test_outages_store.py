"""A database that is locked, restarted or out of disk while the service runs: it waits, says so once, and goes on by itself."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.clock import SystemClock
from daemon.ports import MailOut, Outgoing, Receipt
from daemon.store import messages as message_rows
from tests.servers.postgres import Postgres
from tests.servers.postgres import running as postgres_running
from tests.survival.house import PATIENCE, chance_of, until
from tests.survival.story import Story, a_story, delivered, memory_mail, rests, running
from tests.survival.wishes import Planner

ALICE = "alice@example.test"
QUICK = {"mail__coalesce_seconds": "0", "work__hold_seconds": "5"}
SIZE = 8 * 2**20


def a_planner(story: Story, seed: int) -> Planner:
    planner = Planner(chance_of(seed, "store"), (ALICE,), reminded=timedelta(seconds=10))
    planner.http = story.http
    return planner


async def plan(planner: Planner, times: int) -> None:
    for _ in range(times):
        await planner.create()
        await planner.change()
        await planner.change()


async def settled(story: Story) -> None:
    await until(lambda: rests(story), PATIENCE, lambda: f"not at rest: {[dict(one) for one in story.lines][-5:]}")


async def refusal(story: Story) -> str:
    """What a person is told who plans now; nothing if it works."""
    answer = await story.http.post("http://service/api/v1/entries", json={"title": "Geht das?"}, headers={"X-Owner": ALICE})
    return "" if answer.is_success else f"{answer.status_code} {answer.json()['detail']}"


def lines(story: Story, action: str) -> list[str]:
    """The lanes that logged this, in a fixed order."""
    return sorted(one["kind"] for one in story.said(action))


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server that no other test uses."""
    with postgres_running() as server:
        yield server


async def test_the_database_server_is_restarted_while_people_plan(own_postgres: Postgres, tmp_path: Path) -> None:
    clock = SystemClock()
    post, mail_out = memory_mail(clock)
    async with a_story(own_postgres.fresh(), tmp_path / "data", mail_out=mail_out, **QUICK) as story, running(story):
        await story.owner(ALICE)
        planner = a_planner(story, 1)
        for _ in range(3):
            await plan(planner, 4)
            planning = asyncio.create_task(plan(planner, 4))
            await until(lambda: planner.done["create"] % 8 > 4, PATIENCE, lambda: f"{planner.done}", step=0.001)
            own_postgres.stop()
            await planning
            assert "503 The database server" in await refusal(story)
            await until(lambda: story.said("store-away"), PATIENCE, lambda: "the lanes did not notice")
            own_postgres.start()
            await until(lambda: story.said("store-back"), PATIENCE, lambda: f"{story.lines[-5:]}")
        await settled(story)

        now = clock.now()
        away = story.said("store-away", "error")
        assert all("database" in one["event"] and "It is tried again" in one["event"] for one in away)
        repeated, problems = await story.wrongs(delivered(post, clock), now)
        assert not problems, "\n".join(problems)
        assert repeated <= 3 * 10, "at most what was on its way"
        assert not await refusal(story)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_another_program_locks_the_database_file(store_url: str, tmp_path: Path) -> None:
    clock = SystemClock()
    post, mail_out = memory_mail(clock)
    async with a_story(store_url, tmp_path / "data", mail_out=mail_out, **QUICK) as story, running(story):
        await story.owner(ALICE)
        planner = a_planner(story, 2)
        # Ten seconds are waited for such a lock; the test waits for less.
        await story.store.run(lambda tx: tx.exec_driver_sql("PRAGMA busy_timeout=100").close())
        for _ in range(3):
            await plan(planner, 4)
            with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                told = await refusal(story)
                assert told.startswith("503 The database file is locked by another process. It is tried again")
                story.store.ring()
                await until(lambda: story.said("store-away"), PATIENCE, lambda: "the lanes did not notice")
                other.execute("ROLLBACK")
            await until(lambda: story.said("store-back"), PATIENCE, lambda: f"{story.lines[-5:]}")
            assert all("is locked by another process" in one["event"] for one in story.said("store-away", "error"))
            assert not story.complaints()
            story.listen()
        await settled(story)

        repeated, problems = await story.wrongs(delivered(post, clock), clock.now())
        assert not problems, "\n".join(problems)
        assert repeated <= 3 * 10, "at most what was on its way"
        assert not await refusal(story)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of some MiB. Only root can have one; elsewhere the test is skipped."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None:
        pytest.skip("a small disk cannot be mounted: there is no mount here")
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={SIZE}", "sitzungsplaner-test", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"a small disk cannot be mounted: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Leave no byte free."""
    with (folder / "filler").open("ab", buffering=0) as file:
        for size in (64 * 1024, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


def make_room(folder: Path) -> None:
    (folder / "filler").unlink(missing_ok=True)


async def test_the_disk_of_the_database_is_full_and_gets_room_again(small_disk: Path) -> None:
    clock = SystemClock()
    post, mail_out = memory_mail(clock)
    async with a_story("sqlite:///store.db", small_disk, mail_out=mail_out, **QUICK) as story, running(story):
        await story.owner(ALICE)
        planner = a_planner(story, 3)
        for _ in range(3):
            await plan(planner, 4)
            fill(small_disk)
            told = ""
            for _ in range(200):  # what the write-ahead log has room for still fits
                told = told or await refusal(story)
                await planner.change()
            assert told.startswith("503 The disk of the database is full. Nothing is lost")
            away = story.said("store-away", "error")  # or no lane had anything to write down just then
            assert all("The disk of the database" in one["event"] for one in away)
            make_room(small_disk)
            await settled(story)
            assert not await refusal(story)
            # A line for each lane when it goes, and one when it is back.
            await until(lambda: lines(story, "store-back") == lines(story, "store-away"), PATIENCE, lambda: f"{story.lines}")

        repeated, problems = await story.wrongs(delivered(post, clock), clock.now())
        assert not problems, "\n".join(problems)
        assert repeated <= 3 * 10, "at most what was on its way"


class Disturbed:
    """A way out for mails on which something happens as soon as the server has one, before that is known here."""

    def __init__(self, mail_out: MailOut, disturb: Callable[[], Awaitable[None]]) -> None:
        self._mail_out, self._disturb = mail_out, disturb

    async def send(self, mail: Outgoing) -> Receipt:
        receipt = await self._mail_out.send(mail)
        await self._disturb()
        return receipt

    async def check(self) -> str:
        return await self._mail_out.check()

    async def close(self) -> None:
        await self._mail_out.close()


async def test_a_mail_went_out_and_that_could_not_be_written_down(small_disk: Path) -> None:
    """The one moment at which a mail can be doubled: it comes twice with one Message-ID, so that programs show it once."""
    clock = SystemClock()
    post, mail_out = memory_mail(clock)
    ready = asyncio.Event()

    async def grow() -> None:
        """Fill the disk, and the write-ahead log to its end: nothing at all can be written down any more."""
        if ready.is_set():
            ready.clear()
            fill(small_disk)
            with closing(sqlite3.connect(small_disk / "store.db", timeout=0.1)) as other:
                for _ in range(2000):
                    try:
                        other.execute("CREATE TABLE IF NOT EXISTS ballast (x)")
                        other.execute("INSERT INTO ballast VALUES (randomblob(4000))")
                        other.commit()
                    except sqlite3.OperationalError:
                        break

    async with a_story("sqlite:///store.db", small_disk, mail_out=Disturbed(mail_out, grow), **QUICK) as story, running(story):
        await story.owner(ALICE)
        ready.set()
        body = {"title": "Einmal", "start": "2030-03-10T09:00", "attendees": ["anna@kunde.test"]}
        (await story.http.post("http://service/api/v1/entries", json=body)).raise_for_status()
        await until(lambda: post.sent, PATIENCE, lambda: "no mail went out")
        await until(lambda: story.said("store-away") or story.said("work-lost"), PATIENCE, lambda: f"{story.lines}")
        make_room(small_disk)
        await settled(story)
        first, *again = (one.data for one in post.sent)
        assert again == [first], "the very same mail, once more"
        (entry,) = (await story.http.get("http://service/api/v1/entries", params={"which": "all"})).json()
        (message,) = await story.store.run(lambda tx: message_rows.of_entry(tx, entry["id"]))
        assert message.state.value == "sent"
