"""ical.js under Node: another program's opinion of what we write. A dependency of the tests only, installed by `make js`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest

FOLDER = Path(__file__).parent
_PATIENCE = 100  # seconds, below the time limit of a test


def read(task: dict[str, Any]) -> dict[str, Any]:
    """Return what ical.js says of zones and objects (`read.mjs` tells how they are asked and answered).

    Skips the test where there is no Node; where it is and ical.js is not installed, that fails in CI.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node on this machine: apt-get install nodejs npm, then make js")
    if not (FOLDER / "node_modules" / "ical.js").is_dir():
        _not_installed()
    done = subprocess.run(
        [node, "read.mjs"], cwd=FOLDER, input=json.dumps(task).encode(), capture_output=True, timeout=_PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _not_installed() -> NoReturn:
    if shutil.which("npm") is None:
        pytest.skip("ical.js is not installed, and there is no npm on this machine: apt-get install npm, then make js")
    if os.environ.get("CI"):
        pytest.fail("ical.js is not installed: make js failed or was not called")
    pytest.skip("ical.js is not installed: make js")
