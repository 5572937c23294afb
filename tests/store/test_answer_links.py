"""Generations of answer links, on both databases."""

from __future__ import annotations

from daemon.store import answer_links
from daemon.store.engine import Store
from tests.clock import ManualClock
from tests.store.values import with_number, with_owner


def test_a_revoked_link_raises_the_generation_of_that_person_in_that_entry(store: Store, clock: ManualClock) -> None:
    store.run_now(with_owner)
    for name in ("one", "two"):
        store.run_now(lambda tx, name=name: with_number(tx, clock, name))
    assert store.run_now(lambda tx: answer_links.generations(tx, "id-one")) == {}
    store.run_now(lambda tx: answer_links.revoke(tx, "id-one", "a@x.org", "b@x.org"))
    store.run_now(lambda tx: answer_links.revoke(tx, "id-one", "a@x.org"))
    store.run_now(lambda tx: answer_links.revoke(tx, "id-one"))
    assert store.run_now(lambda tx: answer_links.generations(tx, "id-one")) == {"a@x.org": 2, "b@x.org": 1}
    assert store.run_now(lambda tx: answer_links.generations(tx, "id-two")) == {}
