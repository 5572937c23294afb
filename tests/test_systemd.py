"""The unit and what belongs to it, judged by systemd's own tools; none of them needs a running systemd."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from daemon.cli.tree import command
from daemon.config import Config, Places
from daemon.config.sources import Keys
from daemon.secrets import KEY_NAME
from tests.sandbox import settings
from tests.servers import unavailable

FOLDER = Path(__file__).resolve().parent.parent / "systemd"
UNIT = FOLDER / "sitzungsplaner.service"
INSTALL = FOLDER.parent / "docs" / "install.md"
MOST_EXPOSED = 1.5


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        unavailable(f"{name} is not installed: apt-get install systemd (nothing of it has to run)")
    return found


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tool(str(words[0])), *words[1:]], capture_output=True, text=True, check=False)


def value(name: str) -> str:
    (only,) = settings(UNIT, name)
    return only


def test_the_unit_is_exposed_to_little() -> None:
    judged = run("systemd-analyze", "security", "--offline=true", "--no-pager", UNIT)
    found = re.search(r"Overall exposure level for sitzungsplaner\.service: ([0-9.]+)", judged.stdout)
    assert found is not None, judged.stdout + judged.stderr
    assert float(found[1]) <= MOST_EXPOSED, judged.stdout


def test_the_judge_would_notice_an_open_door(tmp_path: Path) -> None:
    open_door = tmp_path / UNIT.name
    kept = [line for line in UNIT.read_text().splitlines() if not line.startswith(("SystemCallFilter", "Protect", "Capability"))]
    open_door.write_text("\n".join(kept))
    judged = run(
        "systemd-analyze", "security", "--offline=true", f"--threshold={int(MOST_EXPOSED * 10)}", "--no-pager", open_door
    )
    assert judged.returncode != 0


@pytest.mark.parametrize(("line", "clean"), [("", True), ("Tpye=notify", False)], ids=["as it is", "with a typing error"])
def test_systemd_understands_every_line(tmp_path: Path, line: str, clean: bool) -> None:
    """The program is not where it will be installed: any other that is here stands for it."""
    program, _, _ = value("ExecStart").partition(" ")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace(program, "/bin/true").replace("[Install]", f"{line}\n[Install]"))
    verified = run("systemd-analyze", "verify", "--man=no", unit)
    said = [one for one in (verified.stdout + verified.stderr).splitlines() if UNIT.name in one]
    assert (verified.returncode == 0 and not said) is clean, said


def test_every_line_that_is_commented_out_is_understood_as_well(tmp_path: Path) -> None:
    program, _, _ = value("ExecStart").partition(" ")
    unit = tmp_path / UNIT.name
    unit.write_text(re.sub(r"^#(?=\w+=)", "", UNIT.read_text(), flags=re.MULTILINE).replace(program, "/bin/true"))
    verified = run("systemd-analyze", "verify", "--man=no", unit)
    assert [one for one in (verified.stdout + verified.stderr).splitlines() if UNIT.name in one] == []


def test_what_it_starts_is_a_command_with_options_that_exist() -> None:
    program, *words = shlex.split(value("ExecStart"))
    assert program.startswith("/"), "systemd wants an absolute path"
    root = command()
    options = {name for one in root.params for name in one.opts}
    assert words[:-1] == ["--config", "/etc/sitzungsplaner/config.toml"]
    assert {word for word in words if word.startswith("-")} <= options
    assert words[-1] in root.list_commands(root.make_context("sitzungsplaner", [], resilient_parsing=True))
    assert Path(words[1]) == Places().file


def test_the_directories_are_those_that_the_settings_expect() -> None:
    defaults = Config().service
    assert Path("/var/lib") / value("StateDirectory") == defaults.data_dir == Places().data
    assert Path("/run") / value("RuntimeDirectory") == defaults.socket.parent == Places().run
    assert (value("StateDirectoryMode"), value("RuntimeDirectoryMode")) == ("0700", "0750")


def test_each_credential_is_named_like_a_secret_setting_or_is_the_service_key() -> None:
    names = re.findall(r"^#LoadCredential=([^:]+):", UNIT.read_text(), re.MULTILINE)
    secrets = {key.replace("*", "NAME") for key in Keys(Config).secrets}
    # Commands that run while the service does not would not see a credential, and take the database for another one.
    assert set(names) == (secrets - {"store.url"}) | {KEY_NAME}
    for name in names:
        assert f"#LoadCredential={name}:/etc/sitzungsplaner/secrets/{name}\n" in UNIT.read_text()


def test_it_says_when_it_is_ready_and_alive_and_is_given_time_to_stop() -> None:
    assert value("Type") == "notify"
    assert int(value("WatchdogSec")) >= 30
    assert int(value("TimeoutStopSec")) > 10
    assert value("Restart") == "on-failure"
    assert "-HUP $MAINPID" in value("ExecReload")


def test_the_user_the_group_and_the_directories_are_made(tmp_path: Path) -> None:
    """In a root of their own; with the rights that secrets need."""
    sysusers, tmpfiles = FOLDER / "sitzungsplaner.sysusers", FOLDER / "sitzungsplaner.tmpfiles"
    (tmp_path / "etc").mkdir()
    made = run("systemd-sysusers", f"--root={tmp_path}", sysusers)
    assert made.returncode == 0, made.stderr
    user = next(line for line in (tmp_path / "etc/passwd").read_text().splitlines() if line.startswith(value("User") + ":"))
    *_, home, shell = user.split(":")
    assert home == str(Config().service.data_dir)
    assert shell.endswith("nologin")
    group = next(line for line in (tmp_path / "etc/group").read_text().splitlines() if line.startswith(value("Group") + ":"))
    if os.geteuid() != 0:
        return  # only root can give files away
    (tmp_path / "etc/sitzungsplaner/secrets").mkdir(parents=True)
    (tmp_path / "etc/sitzungsplaner/config.toml").touch(mode=0o644)
    (tmp_path / "etc/sitzungsplaner/secrets/smtp").touch(mode=0o644)
    placed = run("systemd-tmpfiles", "--create", f"--root={tmp_path}", tmpfiles)
    assert placed.returncode == 0, placed.stderr
    assert "warn" not in placed.stderr.lower()
    rights = {
        path.relative_to(tmp_path / "etc").as_posix(): (path.stat().st_mode & 0o777, path.stat().st_gid)
        for path in (tmp_path / "etc/sitzungsplaner").rglob("*")
    }
    gid = int(group.split(":")[2])
    assert rights == {
        "sitzungsplaner/config.toml": (0o640, gid),
        "sitzungsplaner/secrets": (0o700, 0),
        "sitzungsplaner/secrets/smtp": (0o600, 0),
    }
    assert (tmp_path / "etc/sitzungsplaner").stat().st_mode & 0o777 == 0o750
