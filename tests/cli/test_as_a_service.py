"""The service as systemd and a monitor see it: ready, alive, reloading, stopping; `/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import Cli, until
from tests.test_notify import Systemd


@pytest.fixture
def systemd(cli: Cli) -> Iterator[Systemd]:
    listening = Systemd(str(cli.folder / "notify"))
    cli.environ |= {"NOTIFY_SOCKET": listening.address, "WATCHDOG_USEC": "3000000"}
    yield listening
    listening.close()


@pytest.fixture
def health(cli: Cli) -> httpx.Client:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    cli.environ["SITZUNGSPLANER_HEALTH__LISTEN"] = address
    return httpx.Client(base_url=f"http://{address}", trust_env=False)


@pytest.fixture
def file(cli: Cli) -> Path:
    """Its configuration."""
    path = cli.folder / "config.toml"
    path.touch(0o600)
    cli.environ["SITZUNGSPLANER_CONFIG"] = str(path)
    return path


def hear(systemd: Systemd, line: str) -> list[str]:
    """Return everything that is said up to the line. It comes, or the socket's patience is over."""
    heard: list[str] = []
    while line not in heard:
        heard += systemd.hears()
    return heard


def test_it_says_when_it_is_ready_alive_and_stopping_and_how_it_is(cli: Cli, systemd: Systemd) -> None:
    with cli.running() as process:
        heard = hear(systemd, "READY=1")
        assert next(one for one in heard if one.startswith("STATUS=")) == "STATUS=Starting"
        assert cli("status").out.startswith("The service runs")
        assert set(cli.json("status")["running"]["loops"]) == {"mail", "bulk", "remind", "calendar", "house"}
        for _ in range(3):
            hear(systemd, "WATCHDOG=1")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        heard = hear(systemd, "STOPPING=1")
        assert "STATUS=Stopping: what runs comes to its end" in heard
    assert cli.json("status")["running"] == {}


def test_an_answer_that_never_comes_does_not_keep_it_from_stopping(cli: Cli) -> None:
    """A calendar server that takes the connection and then says nothing; a command waits for it."""
    with socket.create_server(("127.0.0.1", 0)) as deaf, cli.running() as process:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/alice/"
        cli("calendar", "add", "Arbeit", "--url", url, "--username", "alice", "--password-stdin", "--no-probe", stdin="x")
        cli("entry", "add", "Haushalt", "--start", "2035-03-10 09:00")
        connection, _ = deaf.accept()
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert time.monotonic() - began < 15, "10 s, and 5 for a busy machine"
        connection.close()


def test_sighup_takes_over_what_may_change_and_names_what_waits(cli: Cli, systemd: Systemd, file: Path) -> None:
    with cli.running() as process:
        hear(systemd, "READY=1")
        cli("entry", "add", "Haushalt", "--start", "2035-03-10 09:00")
        file.write_text('[meeting]\nlink = "https://neu.example.org/{number}"\n[work]\ntries = 5\n', encoding="utf-8")
        process.send_signal(signal.SIGHUP)
        heard = hear(systemd, "READY=1")
        assert "RELOADING=1" in heard
        assert "https://neu.example.org/" in cli("entry", "text", "Haushalt").out
        until(lambda: "these changes wait for a restart: work.tries" in cli.log)


def test_a_mistake_in_the_configuration_leaves_everything_as_it_was(cli: Cli, systemd: Systemd, file: Path) -> None:
    with cli.running() as process:
        hear(systemd, "READY=1")
        file.write_text('[meeting]\nlink = "nirgendwo"\n[calendars]\npoll_seconds = 1\n', encoding="utf-8")
        process.send_signal(signal.SIGHUP)
        hear(systemd, "READY=1")
        until(lambda: "The configuration was not taken over" in cli.log)
        assert "meeting.link" in cli.log
        assert "calendars.poll_seconds" in cli.log
        file.write_text("", encoding="utf-8")
        assert cli("status").out.startswith("The service runs")
        assert process.poll() is None


def ready(health: httpx.Client) -> bool:
    try:
        return health.get("/readyz").status_code == 200
    except httpx.ConnectError:  # the socket of the command line may answer first
        return False


def test_a_monitor_learns_how_it_is(cli: Cli, health: httpx.Client) -> None:
    with cli.running(), health:
        until(lambda: ready(health))
        assert health.get("/readyz").json() == {"status": "ready", "store": "ok", "migrations": "ok", "loops": "ok"}
        assert health.get("/healthz").json() == {"status": "ok", "stuck": []}
        cli("entry", "add", "Haushalt", "--start", "2035-03-10 09:00", "--attendee", "ben@example.org")
        text = health.get("/metrics").text
        assert 'sitzungsplaner_work_rows{kind="house",state="waiting"}' in text
        assert "sitzungsplaner_store_up 1.0" in text
        assert 'sitzungsplaner_work_turns_total{kind="house",outcome="done"}' in text
        assert "ben@" not in text
        assert health.get("/api/v1/entries").status_code == 404
