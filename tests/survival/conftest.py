"""These tests kill and starve real services for minutes: they run when asked for, `SURVIVAL=short` or `SURVIVAL=full`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _HERE in item.path.parents:
            if not os.environ.get("SURVIVAL"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: SURVIVAL=short or SURVIVAL=full runs it"))
            elif item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(1200))
