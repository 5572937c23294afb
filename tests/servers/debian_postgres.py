"""PostgreSQL from Debian, in the newest version that is installed: its programs, with a cluster of the tests' own.

The cluster that the package makes is left alone, and so is a `postgres` on the PATH, which may be anybody's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers import unavailable
from tests.servers.postgres import Postgres, running

_VERSIONS = Path("/usr/lib/postgresql")


@contextmanager
def debian_running() -> Iterator[Postgres]:
    """Start a server, end it with the block. Skips where it cannot be had."""
    found = [one.parent for one in _VERSIONS.glob("*/bin/initdb") if one.with_name("postgres").exists()]
    if not found:
        unavailable(f"no PostgreSQL server below {_VERSIONS}. As root: make servers, or apt-get install postgresql")
    with running(max(found, key=lambda programs: float(programs.parent.name))) as server:
        yield server


@pytest.fixture(scope="session")
def debian_postgres() -> Iterator[Postgres]:
    """One server for all tests of this process."""
    with debian_running() as server:
        yield server
