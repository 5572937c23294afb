"""Radicale for tests: the same launcher that the demonstration uses."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from daemon.demo.servers import PEOPLE, RadicaleServer
from tests.servers import unavailable


def radicale(folder: Path, people: Mapping[str, str] = PEOPLE) -> RadicaleServer:
    """Return a Radicale that starts when it is entered; skips the test where the package is missing."""
    if importlib.util.find_spec("radicale") is None:
        unavailable("Radicale is not installed: pip install radicale")
    return RadicaleServer(folder, people)
