"""A desk, an owner and a short way to run a use case on each store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from daemon import planner
from daemon.core.model import Organizer, Owner
from daemon.planner.wishes import Desk, Rules
from daemon.store.engine import Store
from tests.clock import ManualClock

PLANNER = "planner@example.test"
Do = Callable[..., Any]


@pytest.fixture
def desk(clock: ManualClock) -> Desk:
    return Desk(clock=clock, rules=Rules(organizer=Organizer(email=PLANNER, name="Sitzungsplaner"), dial_in="+49 30 123"))


@pytest.fixture
def do(store: Store, desk: Desk) -> Do:
    """`do(use_case, …)` in one transaction."""

    def run(use_case: Callable[..., Any], *given: Any, **named: Any) -> Any:
        return store.run_now(lambda tx: use_case(tx, desk, *given, **named))

    return run


@pytest.fixture
def alice(do: Do) -> Owner:
    owner: Owner = do(planner.add_owner, email="alice@example.test", name="Alice")
    return owner
