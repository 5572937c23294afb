"""Four processes on one PostgreSQL: the recorded history shows each row in one hand at a time, and everything done once."""

from __future__ import annotations

from collections import Counter

from benchmarks.sharing import Turn, overlaps, put, share
from daemon.store.engine import Store
from tests.store.test_engine import on_postgres

ROWS = 240


@on_postgres
def test_four_processes_never_have_one_row_at_a_time(store: Store) -> None:
    put(store, ROWS)
    turns, _ = share(store.url.render_as_string(hide_password=False), 4)
    assert overlaps(turns) == []
    done = Counter(turn.key for turn in turns)
    assert done == {f"shared:{number}": 2 if number % 3 == 0 else 1 for number in range(ROWS)}


def test_the_check_would_notice_a_row_in_two_hands() -> None:
    one = Turn(key="a", process=0, began=1.0, ended=2.0)
    two = Turn(key="a", process=1, began=1.5, ended=3.0)
    other = Turn(key="b", process=1, began=1.5, ended=3.0)
    assert overlaps([two, other, one]) == [(one, two)]
