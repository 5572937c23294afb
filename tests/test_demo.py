"""The demonstration as a person runs it: a process of its own, and what it leaves behind when it ends."""

from __future__ import annotations

import errno
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import icalendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.config import load_config
from daemon.demo.chapters import clock_change
from daemon.demo.samples import SAMPLES
from daemon.demo.stage import loopback_problem
from tests.servers.post import post_office_packages
from tests.servers.radicale import radicale

RUN = "import sys; from daemon.demo.story import run_demo; sys.exit(run_demo(once={once}))"
# Wrong servers: the rest of the story is as it always is.
WRONG = """
import sys
from dataclasses import replace
from pathlib import Path
from daemon.demo.post import PostOffice
from daemon.demo.servers import RadicaleServer
from daemon.demo.stage import Servers
from daemon.demo.story import run_demo

class ForgingPost(PostOffice):
    async def deliver(self, mail):
        await super().deliver(replace(mail, data=mail.data.replace(b"<sitzung@example.test>", b"<chef@example.test>")))

class LosingPost(PostOffice):
    async def deliver(self, mail):
        if not mail.recipient.startswith("sitzung@"):
            await super().deliver(mail)

class DoublingPost(PostOffice):
    async def deliver(self, mail):
        await super().deliver(mail)
        if mail.recipient.startswith("dora") and b"REQUEST" in mail.data:
            await super().deliver(mail)

class ForgettingServer(RadicaleServer):
    def events(self, user, url=None):
        return []

class MovingServer(RadicaleServer):
    def events(self, user, url=None):
        return [one.replace(b"T090000", b"T100000") for one in super().events(user, url)]

class DeadServer(RadicaleServer):
    def start(self):
        raise RuntimeError("radicale did not come up on 127.0.0.1")

if __name__ == "__main__":
    sys.exit(run_demo(once=True, servers=Servers({servers})))
"""
STORY = (
    "1. Everything is real, and everything is here",
    "✓ A CalDAV server (Radicale) holds Anna's calendar, empty:",
    "2. Anna plans a session",
    "✓ It has the number ",
    "✓ The event stands in her calendar at ",
    "3. Three people get a real meeting request",
    "✓ Berta Brandt got METHOD:REQUEST, SEQUENCE 0, ORGANIZER = From, and is among its ATTENDEEs",
    "✓ Dora Dietrich got METHOD:REQUEST, SEQUENCE 0",
    "✓ “Accept” and “Decline” have what they need",
    "4. Berta accepts, Carl declines, Dora says nothing",
    "✓ The planner shows it: Berta accepted, Carl declined, Dora has not answered",
    "✓ Anna's calendar shows it too: PARTSTAT=ACCEPTED, DECLINED, NEEDS-ACTION [Radicale]",
    "5. Anna moves it over a clock change",
    "✓ All three are told: REQUEST with SEQUENCE 1, 09:00 Europe/Berlin, 1 h ",
    "✓ Berta Brandt: no answer since the move (before: accepted)",
    "6. Anna is reminded, at the right time",
    "✓ The reminder was delivered ",
    "7. One date of a series is cancelled",
    "✓ All three get a CANCEL for ",
    "✓ In the calendar the other three dates stand (RRULE less EXDATE) [Radicale]",
    "8. Everything is called off",
    "✓ “Haushaltsausschuss”: Berta, Carl and Dora told by CANCEL, SEQUENCE 2 after 1",
    "✓ The calendar is empty again [Radicale]",
    "9. And nothing else happened",
    "✓ Nobody got mail from two senders",
    "✓ No Message-ID was delivered twice",
    "✓ The story holds: ",
    "Everything is stopped, and the directory is removed.",
)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """An own directory for temporary files, in which nothing may be left. Short: sockets live in it."""
    radicale(tmp_path)
    post_office_packages()
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def start(program: str, room: Path, *, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Start the program as on a machine where nothing is configured, except a setting that must not be heeded."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(room), "TMPDIR": str(room), "PYTHONUTF8": "1"}
    environ["SITZUNGSPLANER_MAIL__SMTP__HOST"] = "mail.invalid"
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", program],
        env=environ,
        cwd=room,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def without_network() -> tuple[str, ...]:
    """Return what runs a program in a network of its own, with loopback and nothing else; () where that is not allowed."""
    prefix = ("unshare", "--net", "--map-root-user", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
    try:
        allowed = subprocess.run([*prefix, "true"], check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        allowed = False
    return prefix if allowed else ()


def alive_in(room: Path) -> list[str]:
    """Command lines of the processes that work in the directory or name it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            place = str((process / "cwd").readlink())
        except OSError:
            continue
        if place.startswith(f"{room}/") or f"{room}/" in command:
            found.append(command)
    return found


def assert_nothing_left(room: Path) -> None:
    assert alive_in(room) == []
    assert list(room.iterdir()) == []


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Read the story until a line has the text."""
    assert process.stdout is not None
    read = ""
    for line in process.stdout:
        read += line
        if text in line:
            return read
    raise AssertionError(f"{text!r} never came:\n{read}{process.stderr.read() if process.stderr else ''}")


def test_the_story_holds_within_a_minute_and_leaves_nothing_behind(room: Path) -> None:
    """Where a network namespace can be made, it runs in one: loopback is all it needs."""
    began = time.monotonic()
    process = start(RUN.format(once=True), room, prefix=without_network())
    told, complaints = process.communicate(timeout=100)
    assert (process.returncode, complaints) == (0, ""), told
    assert time.monotonic() - began < 60
    place = 0
    for line in STORY:
        assert line in told[place:], f"{line!r} is missing or out of order in\n{told}"
        place = told.index(line, place) + len(line)
    assert "✗" not in told
    late = re.search(r"The reminder was delivered (\d+\.\d\d) s after", told)
    assert late is not None
    assert 0 <= float(late[1]) <= 5
    assert_nothing_left(room)


@pytest.mark.parametrize(
    ("servers", "last_told", "broken"),
    [
        pytest.param(
            "post=ForgingPost",
            "3. Three people get a real meeting request",
            "expected: ORGANIZER, From and envelope sender of the mail to Berta Brandt: ('sitzung@example.test', "
            "'sitzung@example.test', 'sitzung@example.test'); found: ('sitzung@example.test', 'chef@example.test', "
            "'sitzung@example.test'); look at: ",
            id="mails come from somebody else",
        ),
        pytest.param(
            "post=LosingPost, patience=3",
            "· Their calendar programs mail a REPLY each, by SMTP",
            "expected: the planner shows Berta ACCEPTED, Carl DECLINED, Dora NEEDS-ACTION, within 3 s; found: "
            "{'berta.brandt@kunde.example': 'NEEDS-ACTION', ",
            id="answers are lost",
        ),
        pytest.param(
            "post=DoublingPost",
            "",  # noticed at one of the next mails
            "expected: each Message-ID is delivered once; found: <",
            id="a mail comes twice",
        ),
        pytest.param(
            "calendars=ForgettingServer, patience=2",
            "✓ It has the number ",
            "expected: “Haushaltsausschuss” stands in Anna's calendar, within 2 s; found: no such event; look at: http://127.0.0.1:",
            id="the calendar forgets",
        ),
        pytest.param(
            "calendars=MovingServer",
            "✓ It has the number ",
            "expected: start in the calendar: ",
            id="the calendar has another time",
        ),
        pytest.param(
            "calendars=DeadServer",
            "on this machine alone, in ",
            "expected: calendar server and mail servers start; found: radicale did not come up on 127.0.0.1; look at: ",
            id="a server does not start",
        ),
    ],
)
def test_the_first_thing_that_does_not_hold_ends_the_story(room: Path, servers: str, last_told: str, broken: str) -> None:
    process = start(WRONG.format(servers=servers), room)
    told, complaints = process.communicate(timeout=100)
    assert (process.returncode, complaints) == (1, ""), told
    lines = [line for line in told.splitlines() if line]
    assert lines[-3].startswith(last_told), told
    assert lines[-2].startswith(f"✗ {broken}"), told
    assert lines[-1].startswith("Here the story ends. Everything is stopped; logs and mails are kept in ")
    kept = Path(lines[-1].rpartition(" in ")[2].rstrip("."))
    assert list(room.iterdir()) == [kept]
    assert (kept / "service.log").exists()
    assert alive_in(room) == []


def test_afterwards_a_filled_planner_runs_until_it_is_stopped(room: Path) -> None:
    """What the last lines name is really there: settings, socket, calendar, mails."""
    process = start(RUN.format(once=False), room)
    told = read_until(process, "Ctrl-C stops everything")
    try:
        config = load_config(Path(told.partition("its settings: ")[2].partition("\n")[0]), environ={}).config
        transport = httpx.HTTPTransport(uds=str(config.service.socket))
        with httpx.Client(transport=transport, base_url="http://sitzungsplaner/api/v1") as api:
            listed = api.get("/entries").json() + api.get("/entries", params={"which": "undated"}).json()
            number = re.search(r"entry show (\S+)", told)
            assert number is not None
            shown = api.get(f"/entries/{number[1]}").json()
        assert sorted(one["title"] for one in listed) == sorted(one.title for one in SAMPLES)
        assert [one["partstat"] for one in shown["attendees"]] == ["ACCEPTED", "DECLINED", "TENTATIVE"]

        place = re.search(r"calendar \(CalDAV\): (\S+)  user (\S+), password (\S+)", told)
        assert place is not None
        with httpx.Client(auth=(place[2], place[3]), trust_env=False) as http:
            collection = icalendar.Calendar.from_ical(http.get(place[1]).raise_for_status().content)
        dated = {one.title for one in SAMPLES if one.days is not None}
        assert {str(one["SUMMARY"]) for one in collection.walk("VEVENT")} == dated

        mails = Path(told.partition("delivered mails: ")[2].partition("/*.eml")[0])
        assert len(list(mails.glob("*.eml"))) > 24
        assert "Traceback" not in (mails.parent / "service.log").read_text()

        commands = re.findall(r"^  (?:the list|one entry|how it runs): (.+)$", told, re.MULTILINE)
        answers = [subprocess.run(shlex.split(one), cwd=room, check=False, capture_output=True, text=True) for one in commands]
        for wanted, answer in zip(("Schulung E-Akte", "Carl Conrad", "SQLite"), answers, strict=True):
            assert (answer.returncode, answer.stderr) == (0, "")
            assert wanted in answer.stdout
    finally:
        process.send_signal(signal.SIGTERM)
        rest, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (0, "")
    assert "Everything is stopped, and the directory is removed." in rest
    assert_nothing_left(room)


@pytest.mark.parametrize(
    "heard", ["on this machine alone", "✓ An SMTP server", "3. Three people"], ids=["starting", "just started", "in the middle"]
)
def test_a_story_that_is_interrupted_stops_everything_it_started(room: Path, heard: str) -> None:
    process = start(RUN.format(once=True), room)
    read_until(process, heard)
    process.send_signal(signal.SIGINT)
    rest, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (1, ""), rest
    assert "Stopped before the end of the story. The directory is removed." in rest
    assert_nothing_left(room)


def test_a_reader_who_goes_away_ends_the_story_without_a_traceback(room: Path) -> None:
    process = start(RUN.format(once=True), room)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 1
    assert process.stderr.read() == ""
    process.stderr.close()
    assert_nothing_left(room)


@pytest.mark.parametrize("package", ["aiosmtpd", "pymap", "radicale"])
def test_without_the_demo_packages_it_says_how_to_get_them(room: Path, package: str) -> None:
    process = start(f"import sys; sys.modules[{package!r}] = None\n" + RUN.format(once=True), room)
    told, complaint = process.communicate(timeout=60)
    assert (process.returncode, told) == (1, "")
    assert complaint == f"The demonstration needs {package}: run `pip install 'sitzungsplaner[demo]'` and start again.\n"


def test_in_a_fresh_network_namespace_it_switches_loopback_on(room: Path) -> None:
    if not without_network():
        pytest.skip("no network namespace can be made here")
    process = start(RUN.format(once=True), room, prefix=("unshare", "--net", "--map-root-user"))
    told, complaint = process.communicate(timeout=100)
    assert (process.returncode, complaint) == (0, "")
    assert "The story holds" in told


def test_without_loopback_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", refused)
    problem = loopback_problem()
    assert problem.startswith("The loopback interface (127.0.0.1) is not available here: Network is unreachable. ")
    assert "ip link set lo up" in problem


@given(st.datetimes(datetime(2026, 1, 1), datetime(2035, 1, 1)))
def test_the_move_always_crosses_a_clock_change(now: datetime) -> None:
    """Far enough ahead that no reminder of the moved session is due meanwhile."""
    berlin = ZoneInfo("Europe/Berlin")
    before, after = clock_change(now)
    assert before - now > timedelta(days=2)
    assert (before.hour, after.hour) == (9, 9)
    assert after - before == timedelta(days=7)
    assert before.replace(tzinfo=berlin).utcoffset() != after.replace(tzinfo=berlin).utcoffset()
