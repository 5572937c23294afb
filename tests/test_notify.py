"""What systemd hears: real datagrams on a real socket."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from daemon.notify import Notifier


class Systemd:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(5)

    def hears(self) -> list[str]:
        """Return the lines of the next datagram."""
        return self._socket.recv(4096).decode().split("\n")

    def hears_nothing(self) -> bool:
        self._socket.settimeout(0)
        try:
            self._socket.recv(4096)
        except BlockingIOError:
            return True
        return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["a path", "an abstract name"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    listening = Systemd(
        str(tmp_path / "notify") if request.param == "a path" else f"@sitzungsplaner-test-{tmp_path.name}-{id(request)}"
    )
    yield listening
    listening.close()


def test_each_message_is_one_datagram_in_the_words_of_sd_notify(systemd: Systemd) -> None:
    notifier = Notifier.of({"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "60000000"})
    assert notifier.ready()
    assert systemd.hears() == ["READY=1"]
    assert notifier.status("running; 3 at work")
    assert systemd.hears() == ["STATUS=running; 3 at work"]
    assert notifier.alive()
    assert systemd.hears() == ["WATCHDOG=1"]
    assert notifier.stopping()
    assert systemd.hears() == ["STOPPING=1"]


def test_a_reload_tells_its_beginning_by_the_monotonic_clock_and_its_end(systemd: Systemd) -> None:
    notifier = Notifier(systemd.address)
    before = time.monotonic_ns() // 1000
    with notifier.reloading():
        reloading, moment = systemd.hears()
    assert reloading == "RELOADING=1"
    name, _, value = moment.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(value) <= time.monotonic_ns() // 1000
    assert systemd.hears() == ["READY=1"]


def test_a_reload_that_breaks_ends_all_the_same(systemd: Systemd) -> None:
    with pytest.raises(RuntimeError), Notifier(systemd.address).reloading():
        raise RuntimeError
    assert systemd.hears()[0] == "RELOADING=1"
    assert systemd.hears() == ["READY=1"]


def test_a_status_is_one_line_and_is_told_once(systemd: Systemd) -> None:
    notifier = Notifier(systemd.address)
    assert notifier.status("two\nlines\nREADY=1")
    assert systemd.hears() == ["STATUS=two lines READY=1"]
    assert not notifier.status("two lines  READY=1")
    assert systemd.hears_nothing()


def test_without_a_socket_nothing_is_sent_and_nothing_breaks() -> None:
    notifier = Notifier.of({})
    with notifier.reloading():
        assert [notifier.ready(), notifier.stopping(), notifier.alive(), notifier.status("x")] == [False] * 4


@pytest.mark.parametrize("address", ["vsock:2:1234", "relative/path", ""], ids=["a machine's", "a relative path", "empty"])
def test_an_address_of_another_kind_is_left_alone(address: str) -> None:
    assert not Notifier.of({"NOTIFY_SOCKET": address}).ready()


def test_a_listener_that_went_away_ends_nothing(systemd: Systemd) -> None:
    systemd.close()
    assert not Notifier(systemd.address).ready()


@pytest.mark.parametrize(
    ("environ", "watchdog"),
    [
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"}, timedelta(seconds=30)),
        ({"WATCHDOG_USEC": "30000000"}, timedelta(seconds=30)),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "43"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
    ids=["for this process", "for whoever it is", "for another process", "zero", "no number", "not asked for"],
)
def test_the_watchdog_is_served_only_where_systemd_waits_for_this_process(
    environ: dict[str, str], watchdog: timedelta | None
) -> None:
    assert Notifier.of(environ, pid=42).watchdog == watchdog


def test_no_sign_of_life_is_sent_where_nobody_waits_for_one(systemd: Systemd) -> None:
    assert not Notifier(systemd.address).alive()
    assert systemd.hears_nothing()
