"""The service within the restrictions of its unit that a process can put on itself: system calls, address families, W^X."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from daemon.cli.client import answers
from tests import sandbox
from tests.cli.conftest import PROGRAM, Cli, until
from tests.servers import unavailable
from tests.test_systemd import UNIT, tool

ROOT = Path(__file__).parents[2]
FORBIDDEN = {
    "a netlink socket": "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM)",
    "a raw socket": "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "memory to write code into": "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)",
    "a change of owner": "import os; os.chown('.', os.getuid(), os.getgid())",
    "a change of user": "import os; os.setuid(os.getuid())",
}


def confined(*words: str) -> list[str]:
    tool("systemd-analyze")
    return [sys.executable, str(Path(sandbox.__file__)), str(UNIT), sys.executable, *words]


@contextmanager
def running(cli: Cli) -> Iterator[subprocess.Popen[bytes]]:
    environ = cli.environ | {
        "SITZUNGSPLANER_MAIL__SMTP__HOST": "localhost",
        "SITZUNGSPLANER_MAIL__SMTP__PORT": "9",
        "SITZUNGSPLANER_MAIL__COALESCE_SECONDS": "0",
    }
    with (cli.folder / "run.log").open("wb") as log:
        process = subprocess.Popen(confined("-c", PROGRAM, "run"), env=environ, cwd=ROOT, stdout=log, stderr=log)
    try:
        until(lambda: answers(cli.data / "api.sock") or process.poll() is not None)
        if process.poll() == sandbox.CANNOT:
            unavailable(cli.log.strip())
        assert process.poll() is None, cli.log
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)


def test_the_service_does_its_work_and_stops(cli: Cli) -> None:
    """The database, the encryption of a password, the CalDAV and the SMTP client, a name looked up: no call is missing."""
    with running(cli) as process:
        url = "http://localhost:9/alice/"
        words = ("calendar", "add", "Arbeit", "--url", url, "--username", "alice", "--password-stdin")
        refused = cli(*words, stdin="geheim", code=1).err
        assert "localhost" in refused
        assert "The calendar was not added" in refused
        assert "tried again by itself" not in refused
        assert "fault of" not in refused
        cli(*words, "--no-probe", stdin="geheim")
        made = cli.json("entry", "add", "Haushalt", "--start", "2035-03-10 09:00", "--attendee", "ben@example.org")
        until(lambda: all(one["error"] for one in _owed(cli)))
        assert {one["kind"] for one in _owed(cli)} == {"mail", "calendar"}
        for one in _owed(cli):
            assert "localhost" in one["error"], one
        assert made["entry"]["id"] in str(_owed(cli))
        reply = b"From: ben@example.org\r\nSubject: hallo\r\n\r\nhallo"
        assert cli("answer", "ingest", stdin=reply).out.startswith("informational: "), "read by a process with limits of its own"
        assert "not permitted" not in cli.log
        assert cli("db", "backup", str(cli.data / "copy.db")).code == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert "Traceback" not in cli.log


def _owed(cli: Cli) -> list[dict[str, Any]]:
    return [one for one in cli.json("work", "list") if one["kind"] in ("mail", "calendar")]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_what_it_never_needs_is_forbidden_there(what: str) -> None:
    ran = subprocess.run(confined("-c", FORBIDDEN[what]), capture_output=True, text=True, check=False)
    if ran.returncode == sandbox.CANNOT:
        unavailable(ran.stderr.strip())
    assert ran.returncode == 1
    assert "PermissionError" in ran.stderr
