"""SQLite: transactions that wait at the same time share one commit, and nobody can tell, except by the time it takes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from daemon.core.errors import Conflict, Rejected, Unreachable
from daemon.store import settings, work
from daemon.store.engine import Store
from tests.clock import ManualClock

pytestmark = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)

Do = Callable[[sa.Connection], Any]


async def held(store: Store, meanwhile: Callable[[], Awaitable[None]]) -> None:
    """Keep the store's thread busy until `meanwhile` is over."""
    entered, go = threading.Event(), threading.Event()

    def hold(tx: sa.Connection) -> None:
        entered.set()
        go.wait(10)

    first = asyncio.create_task(store.run(hold))
    await asyncio.to_thread(entered.wait, 10)
    await meanwhile()
    go.set()
    await first


async def together(store: Store, *dos: Do) -> list[Any]:
    """Run transactions that wait together. Returns what each returned or raised."""
    tasks: list[asyncio.Task[Any]] = []

    async def ask() -> None:
        tasks.extend(asyncio.create_task(store.run(do)) for do in dos)
        await asyncio.sleep(0)

    await held(store, ask)
    return list(await asyncio.gather(*tasks, return_exceptions=True))


def note(letter: str) -> Do:
    """A transaction that appends a letter and returns what stands there then."""

    def do(tx: sa.Connection) -> str:
        settings.put(tx, "a", (settings.get(tx, "a") or "") + letter)
        return settings.get(tx, "a") or ""

    return do


def noted(store: Store) -> str | None:
    return store.run_now(lambda tx: settings.get(tx, "a"))


def then(do: Do, more: Do) -> Do:
    return lambda tx: (do(tx), more(tx))[1]


def no(tx: sa.Connection) -> None:
    raise Rejected("no")


def a_key_that_is_taken(tx: sa.Connection) -> None:
    tx.execute(sa.text("INSERT INTO setting (key, value) VALUES ('a', 'x')"))


def a_number_of_nobody(tx: sa.Connection) -> None:
    """A foreign key that is looked at when the transaction is committed."""
    tx.execute(sa.text("INSERT INTO number VALUES ('123456789', 'nobody', 'reserved', NULL)"))


async def test_what_waits_together_is_run_in_order_and_committed_once(store: Store) -> None:
    commits: list[int] = []
    sa.event.listen(store.engine, "commit", lambda _: commits.append(1))
    assert await together(store, *map(note, "abcde")) == ["a", "ab", "abc", "abcd", "abcde"]
    assert noted(store) == "abcde"
    assert len(commits) == 1 + 1 + 1, "the one that was waited for, the five, the look at the end"


async def test_the_first_does_not_wait_for_any_number_of_others(store: Store) -> None:
    commits: list[int] = []
    sa.event.listen(store.engine, "commit", lambda _: commits.append(1))
    await together(store, *[note("x")] * 65)
    assert noted(store) == "x" * 65
    assert len(commits) == 1 + 3 + 1


async def test_one_that_raises_is_undone_alone(store: Store) -> None:
    results = await together(store, note("a"), then(note("b"), no), note("c"))
    assert [results[0], results[2]] == ["a", "ac"]
    assert isinstance(results[1], Rejected)
    assert noted(store) == "ac"


@pytest.mark.parametrize("broken", [a_key_that_is_taken, a_number_of_nobody])
async def test_one_that_the_database_refuses_harms_nobody_and_nothing_is_done_twice(store: Store, broken: Do) -> None:
    results = await together(store, note("a"), then(note("b"), no), then(note("c"), broken), note("d"))
    assert [results[0], results[3]] == ["a", "ad"]
    assert isinstance(results[1], Rejected)
    assert isinstance(results[2], Conflict)
    assert noted(store) == "ad"


async def test_one_that_was_refused_beside_another_and_is_not_when_it_is_alone_is_right(store: Store) -> None:
    """What it raised at the first run was told at the end, although the second run had gone well."""
    runs: list[int] = []

    def at_first(tx: sa.Connection) -> int:
        runs.append(1)
        return no(tx) or 0 if len(runs) == 1 else 7

    results = await together(store, at_first, then(note("a"), a_number_of_nobody))
    assert results[0] == 7
    assert isinstance(results[1], Conflict)


async def test_a_full_disk_meets_only_those_who_need_room(store: Store) -> None:
    store.run_now(note("-"))

    def limit(tx: sa.Connection) -> None:
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar()
        tx.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    store.run_now(limit)
    results = await together(store, note("a"), lambda tx: settings.put(tx, "b", "x" * 100_000), note("c"))
    assert [results[0], results[2]] == ["-a", "-ac"]
    assert isinstance(results[1], Unreachable)
    assert noted(store) == "-ac"


async def test_one_that_nobody_waits_for_any_more_is_not_run(store: Store) -> None:
    async def ask() -> None:
        one = asyncio.create_task(store.run(note("a")))
        other = asyncio.create_task(store.run(note("b")))
        await asyncio.sleep(0)
        one.cancel()
        await asyncio.gather(one, return_exceptions=True)
        others.append(other)

    others: list[asyncio.Task[Any]] = []
    await held(store, ask)
    assert await others[0] == "b"
    assert noted(store) == "b"


async def test_only_what_is_committed_rings(store: Store, clock: ManualClock) -> None:
    mail, calendar = store.bell(work.MAIL), store.bell(work.CALENDAR)

    def put(kind: str) -> Do:
        return lambda tx: work.put(tx, key=f"{kind}:1", kind=kind, due=clock.now())

    await together(store, put(work.MAIL), then(put(work.CALENDAR), no))
    await asyncio.wait_for(mail.wait(), 5)
    assert not calendar.is_set()


async def test_what_waits_when_the_store_is_closed_is_called_off(store: Store) -> None:
    waiting: list[asyncio.Task[Any]] = []
    closing: list[threading.Thread] = []

    async def ask() -> None:
        waiting.append(asyncio.create_task(store.run(note("a"))))
        await asyncio.sleep(0)
        closing.append(threading.Thread(target=store.close))
        closing[0].start()
        while not store._threads._shutdown:  # noqa: ASYNC110 - it tells nobody; its calls are called off by then
            await asyncio.sleep(0)

    await held(store, ask)
    assert isinstance((await asyncio.gather(*waiting, return_exceptions=True))[0], asyncio.CancelledError)
    closing[0].join()


async def test_a_closed_store_says_so_each_time(store: Store) -> None:
    store.close()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="after shutdown"):
            await store.run(note("a"))
