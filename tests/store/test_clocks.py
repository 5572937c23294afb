"""Several daemons share work by the time until which each holds it: their clocks must agree with the database's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from daemon.core.errors import Rejected, Unreachable
from daemon.store import admin
from daemon.store.engine import Store, open_store
from tests.clock import ManualClock
from tests.store.test_engine import on_postgres, on_sqlite

SECOND = timedelta(seconds=1)


def _as_the_server(store: Store, clock: ManualClock) -> None:
    there: datetime = store.run_now(lambda tx: tx.execute(sa.select(sa.func.clock_timestamp())).scalar_one())
    clock.move(there.astimezone(UTC) - clock.now())


@on_postgres
@pytest.mark.parametrize("apart", [0, 4, -4], ids=["none", "a little ahead", "a little behind"])
def test_a_small_difference_of_clocks_is_fine(store: Store, clock: ManualClock, apart: int) -> None:
    _as_the_server(store, clock)
    clock.move(apart * SECOND)
    admin.compare_clocks(store)


@on_postgres
@pytest.mark.parametrize("apart", [3600, -3600], ids=["ahead", "behind"])
def test_clocks_that_are_apart_are_told_with_the_difference_and_the_remedy(store: Store, clock: ManualClock, apart: int) -> None:
    _as_the_server(store, clock)
    clock.move(apart * SECOND)
    with pytest.raises(Rejected) as caught:
        admin.compare_clocks(store)
    text = str(caught.value)
    assert text.startswith("This machine's clock and the database server's are 3")
    assert "seconds apart. Work would be taken from daemons that are alive. Set the clocks by NTP (timedatectl)." in text
    assert text.endswith("Until then this daemon does not start.")


@on_sqlite
def test_sqlite_has_no_clock_to_compare_with(store: Store) -> None:
    admin.compare_clocks(store)


def test_a_server_that_does_not_answer_is_unreachable(clock: ManualClock) -> None:
    store = open_store("postgresql://nobody@127.0.0.1:1/x", clock=clock, data_dir=None)
    try:
        with pytest.raises(Unreachable):
            admin.compare_clocks(store)
    finally:
        store.close()
