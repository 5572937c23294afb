"""`answer ingest --json` as a mail server's pipe runs it: a process of its own, one object a line.

All cases go through the same code in `tests/planner/test_vendor_answers.py`; here are some of them, or all with ANSWERS=all.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli, a_cli

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "itip"
SUITE: dict[str, Any] = json.loads((DATA / "synth" / "expected.json").read_text()) if DATA.is_dir() else {"cases": []}
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the shared collection of real mails is not beside this checkout")

SOME = {
    "exchange-decline-instance.eml",
    "delegation-reply.eml",
    "counter-exchange.eml",
    "refresh.eml",
    "09-forged-from.eml",
    "35-dsn-failed.eml",
}
NAMES = {"outcome", "reason", "uid", "attendee", "partstat", "recurrence_id"}


def chosen() -> list[dict[str, Any]]:
    every = os.environ.get("ANSWERS") == "all"
    return [one for one in SUITE["cases"] if every or Path(one["file"]).name in SOME]


@pytest.fixture(scope="session")
def base_data(tmp_path_factory: pytest.TempPathFactory, owner_data: Path) -> Path:
    """A data directory into which the two base objects were imported."""
    with a_cli(tmp_path_factory.mktemp("base"), owner_data) as cli:
        cli.environ["SITZUNGSPLANER_MAIL__ADDRESS"] = "sessions@org.example"
        cli("entry", "import", *(str(DATA / "synth" / name) for name in ("base-series.ics", "base-single.ics")))
    return cli.data


@pytest.fixture
def imported(tmp_path: Path, base_data: Path) -> Iterator[Cli]:
    shutil.rmtree(tmp_path / "data", ignore_errors=True)
    with a_cli(tmp_path, base_data) as cli:
        cli.environ |= {
            "SITZUNGSPLANER_MAIL__ADDRESS": "sessions@org.example",
            "SITZUNGSPLANER_MAIL__ANSWERS__AUTHSERV_ID": SUITE["trusted_authserv_id"],
        }
        yield cli


@pytest.mark.parametrize("case", chosen(), ids=lambda case: case["file"].removeprefix("synth/"))
def test_a_process_of_its_own_prints_what_became_of_the_mail(imported: Cli, case: dict[str, Any]) -> None:
    if "precondition" in case:
        imported.outside("answer", "ingest", str(DATA / "synth" / "good" / "exchange-accept-de.eml"))
    ended = imported.outside("answer", "ingest", "--json", stdin=(DATA / case["file"]).read_bytes())
    assert ended.code == 0, ended.all
    lines = [json.loads(line) for line in ended.out.splitlines()]
    assert all(set(line) == NAMES for line in lines)
    assert {line["outcome"] for line in lines} == {case["outcome"]}
    wanted = case.get("changes") or [case]
    for name in ("attendee", "partstat", "recurrence_id"):
        if any(name in one for one in wanted):
            assert [line[name] for line in lines] == [one.get(name) for one in wanted]
