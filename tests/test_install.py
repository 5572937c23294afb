"""The installation guide against what is installed: its commands, settings, paths and metrics exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from daemon.cli.tree import command, load
from daemon.config import RELOADABLE, Config
from daemon.config.sources import Keys
from daemon.metrics import LaneState, Metrics
from daemon.store.work_counts import Count
from tests.test_metrics import NOW, scraped
from tests.test_systemd import UNIT, settings, value

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"^(?:[A-Z_]+=\S+ )?(sitzungsplaner .+)$", TEXT, re.MULTILINE)))


def options(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words if word.startswith("-")}


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_it_shows_can_be_given(line: str) -> None:
    _, *words = shlex.split(line)
    known: set[str] = {name for one in command().params for name in one.opts}
    if words[0] == "--owner":
        words = words[2:]
    if words == ["--version"]:
        assert "--version" in known
        return
    noun, *rest = words
    found: Any = load(noun)
    if hasattr(found, "commands"):
        found, *rest = found.commands[rest[0]], *rest[1:]
    assert options(rest) <= {name for one in found.params for name in one.opts}


def test_it_shows_the_commands_that_an_admin_needs() -> None:
    given = " ".join(COMMANDS)
    for words in ("owner add", "calendar add", "db backup", "db check", "db copy --to", "doctor"):
        assert words in given


def test_it_names_every_setting_that_a_reload_takes_over() -> None:
    told = TEXT.split("These are taken over:")[1].split("Everything else")[0]
    assert tuple(re.findall(r"`([a-z_.]+)`", told)) == RELOADABLE


def test_every_setting_it_names_exists() -> None:
    sections = "|".join(Config.model_fields)
    named = set(re.findall(rf"`((?:{sections})\.[a-z_.]+)`", TEXT))
    assert named - set(Keys(Config).all) - {"service.key"} == set()


def test_its_programs_lie_where_the_unit_looks() -> None:
    program = value("ExecStart").partition(" ")[0]
    assert program == "/opt/sitzungsplaner/venv/bin/sitzungsplaner"
    assert f"ln -sfn {program} /usr/local/bin/sitzungsplaner" in TEXT
    for file in re.findall(r"systemd/sitzungsplaner\.\w+", TEXT):
        assert (ROOT / file).exists()


def test_urllib3_is_kept_apart_as_make_install_does_it() -> None:
    for part in ("URLLIB3_NO_OVERRIDE=1", "--no-binary urllib3-future", "-c constraints.txt"):
        assert part in TEXT
        assert part in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_its_credentials_are_the_unit_s() -> None:
    shown = re.findall(r"^LoadCredential=(.+)$", TEXT, re.MULTILINE)
    assert shown
    for line in shown:
        assert f"#LoadCredential={line}\n" in UNIT.read_text()


def test_every_metric_it_watches_is_measured() -> None:
    metrics = Metrics()
    lane = LaneState(busy=0, hands=1, away=0, stuck=False)
    row = Count(kind="mail", waiting=0, ripe=0, held=0, parked=1, oldest=NOW)
    metrics.show(rows=[row], lanes={"mail": lane}, derived="", now=NOW)
    measured = {name for name, *_ in scraped(metrics)}
    watched = set(re.findall(r"`(sitzungsplaner_[a-z_]+)", TEXT))
    assert watched
    assert watched <= measured
    assert "parked" in {key[2] for key in scraped(metrics) if key[0] == "sitzungsplaner_work_rows"}


def test_the_time_until_a_restart_by_the_watchdog_is_true() -> None:
    """Three times fifteen seconds without a look, and then systemd's own patience."""
    assert "restarts the service within two minutes" in TEXT
    assert 3 * 15 + int(value("WatchdogSec")) + 5 <= 120
    assert settings(UNIT, "RestartSec") == ["10"]
