"""Fixtures that more than one folder uses: a clock that stands still, and a fresh store on each database."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from daemon.demo.loopback import bring_up
from daemon.store.admin import upgrade
from daemon.store.engine import Store, open_store
from tests.clock import ManualClock
from tests.servers.postgres import Postgres, postgres

__all__ = ["postgres"]


def pytest_configure() -> None:
    # The same examples for everybody, as in CI: what chance finds is no fault of whoever runs the tests. Searching is on request.
    if not os.environ.get("HYPOTHESIS_SEARCH"):
        settings.load_profile("ci")
    bring_up()  # a fresh network namespace (`unshare -n`) has it down, and every real server here listens on it


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables and no rows, to be copied."""
    folder = tmp_path_factory.mktemp("template")
    upgrade("sqlite:///template.db", data_dir=folder, clock=ManualClock())
    return folder / "template.db"


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> str:
    """URL of a PostgreSQL database with all tables and no rows, to be copied."""
    url = postgres.fresh()
    upgrade(url, data_dir=None, clock=ManualClock())
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a fresh store with all tables, once on each database."""
    if request.param == "sqlite":
        file = tmp_path / "store.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), file)
        yield f"sqlite:///{file}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.fresh(request.getfixturevalue("postgres_template"))
    yield url
    server.drop(url)


@pytest.fixture
def store(store_url: str, clock: ManualClock) -> Iterator[Store]:
    """A fresh, open store, once on each database; `parametrize("store_url", ["sqlite"], indirect=True)` chooses one."""
    opened = open_store(store_url, clock=clock, data_dir=None)
    yield opened
    opened.close()
