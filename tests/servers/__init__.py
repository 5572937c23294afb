"""Real servers for tests: each starts in a temporary directory, on a free loopback port or a Unix socket, and ends with them."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def unavailable(reason: str) -> NoReturn:
    """Skip the test that needs a server which cannot be had here. With CI=true that is a failure: nothing is left out unseen."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"with CI=true every server has to be there: {reason}", pytrace=False)
    pytest.skip(reason)
