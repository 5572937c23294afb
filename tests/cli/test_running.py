"""The command line beside a service: over its socket while it runs, under the file's lock while it does not."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import PROGRAM, Cli, until
from tests.cli.test_files import calendar, event
from tests.servers.radicale import radicale


def test_while_the_service_runs_everything_goes_over_its_socket(cli: Cli, haushalt: str) -> None:
    file = cli.folder / "out.ics"
    with cli.running():
        made = cli("entry", "add", "Nebenbei", "--start", "2035-04-01 09:00", "--attendee", "ben@example.org")
        assert made.err == "", "nothing waits for a start of the service"
        assert {one["title"] for one in cli.json("entry", "list")} == {"Haushaltsausschuss", "Nebenbei"}
        cli("entry", "export", haushalt, "Nebenbei", "--output", str(file))
        assert cli("entry", "import", str(file)).out.splitlines()[-1] == "2 unchanged."
        status = cli("status").out
        assert status.startswith("The service runs.\n")
        assert "Loop" in status
        assert cli("answer", "ingest", stdin=b"Subject: hallo\r\n\r\nhallo").out.startswith("informational: ")
        assert cli("entry", "show", "Unbekannt", code=1).err.startswith("Error: There is no entry “Unbekannt”")
        assert cli("db", "check").out.endswith("The database is sound.\n")
        target = cli.folder / "copy.db"
        assert cli("db", "backup", str(target)).out == f"The database is backed up in {target}.\n"
        refused = cli("db", "upgrade", code=1)
        assert refused.err == (
            "Error: The service runs and brought its database up to date when it started. "
            "After installing another version: systemctl restart sitzungsplaner.\n"
        )
        assert stat.S_IMODE((cli.data / "api.sock").stat().st_mode) == 0o660


def test_waiting_for_a_calendar_ends_when_all_is_written_or_the_server_is_away(cli: Cli) -> None:
    alone = cli("calendar", "sync", "--wait", code=1)
    assert alone.err.startswith("Error: The service does not run, so nothing would be written.")
    events = [event(f"{number}@x", f"SUMMARY:Sitzung {number}") for number in range(12)]
    with cli.running():
        with radicale(cli.folder) as server:
            account = server.account("alice")
            words = ("calendar", "add", "Kalender", "--url", account.url, "--username", account.username, "--password-stdin")
            cli(*words, stdin=account.password)
            cli("entry", "import", "-", stdin=calendar(*events))
            assert cli("calendar", "sync", "Kalender", "--wait").out == "1 calendar is looked at next.\n"
            assert len(server.events("alice")) == 12
            assert cli.json("calendar", "show", "Kalender")["pending"] == 0
        cli("entry", "edit", "Sitzung 11", "--title", "Letzte Sitzung")
        ended = cli("calendar", "sync", "--wait", code=1)
        assert ended.err.startswith("Error: 1 events are not written into Kalender yet: ")


def test_the_service_ends_at_sigterm_with_0_and_leaves_no_socket(cli: Cli) -> None:
    with cli.running() as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert "stopped" in cli.log
    assert "Traceback" not in cli.log
    assert not (cli.data / "api.sock").exists()
    assert cli.json("entry", "list") == []


def test_the_service_ends_at_ctrl_c_with_0(cli: Cli) -> None:
    with cli.running() as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_a_second_service_is_refused_with_the_number_of_the_first(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.cli.patience.PATIENCE", 0.2)
    cli.environ |= {"SITZUNGSPLANER_MAIL__SMTP__HOST": "127.0.0.1"}
    with cli.running() as process:
        ended = cli("run", code=1)
        assert f"is in use by process {process.pid}. Only one may write it" in ended.err


def test_a_socket_that_a_killed_service_left_behind_is_nobodys(cli: Cli) -> None:
    with cli.running() as process:
        process.kill()
        process.wait(30)
    assert (cli.data / "api.sock").exists()
    assert cli("status").out.startswith("The service does not run")
    with cli.running():
        assert cli("status").out.startswith("The service runs")


def test_several_commands_at_once_wait_for_each_other(cli: Cli) -> None:
    commands = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "entry", "add", f"Gleichzeitig {number}"],
            env=cli.environ,
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(2)
    ]
    for command in commands:
        _, err = command.communicate(timeout=60)
        assert (command.returncode, err) == (0, b"")
    assert len(cli.json("entry", "list", "--undated")) == 2


def test_a_database_that_stays_in_use_is_told_with_what_to_do(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.cli.patience.PATIENCE", 0.1)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, pathlib; from daemon.store import lock\n"
            "with lock.hold(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()",
            str(cli.data / "sitzungsplaner.db"),
        ],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        holder.stdout.readline()
        ended = cli("entry", "list", code=1)
        holder.stdin.close()
    assert ended.err == (
        f"Error: The database {cli.data / 'sitzungsplaner.db'} is in use by process {holder.pid}. Only one may write it: stop "
        "the service first, or let it do the work (while it runs, the command line speaks to it).\n"
    )


def test_a_service_that_breaks_off_is_told_and_nothing_is_claimed(cli: Cli) -> None:
    """A stranger on the socket hangs up at once."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as stranger:
        stranger.bind(str(cli.data / "api.sock"))
        stranger.listen(8)
        hangs_up = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import socket, sys; s = socket.socket(fileno=int(sys.argv[1]))\nwhile True: s.accept()[0].close()",
                str(stranger.fileno()),
            ],
            pass_fds=[stranger.fileno()],
        )
        try:
            ended = cli("entry", "cancel", "Haushalt", code=1)
        finally:
            hangs_up.kill()
            hangs_up.wait()
    assert ended.err.startswith(f"Error: The service stopped answering at {cli.data / 'api.sock'} (")
    assert "Whether this was done is unknown" in ended.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_becomes_the_owner_of_the_data_directory_for_good(tmp_path: Path) -> None:
    somebody = pwd.getpwnam("nobody")
    os.chown(tmp_path, somebody.pw_uid, somebody.pw_gid)
    program = (
        "import os, sys, pathlib; from daemon.cli.rights import become_owner_of\n"
        "become_owner_of(pathlib.Path(sys.argv[1]))\n"
        "print(*os.getresuid(), *os.getresgid(), 0 in os.getgroups(), os.environ['HOME'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, cwd=Path(__file__).parents[2], text=True, check=True
    )
    expected = [somebody.pw_uid] * 3 + [somebody.pw_gid] * 3 + [somebody.pw_gid == 0, somebody.pw_dir]
    assert done.stdout.split() == [str(one) for one in expected]


def test_who_is_not_root_or_whose_the_directory_is_stays_who_he_is(tmp_path: Path) -> None:
    from daemon.cli.rights import become_owner_of

    before = os.geteuid(), os.getegid()
    become_owner_of(tmp_path)
    become_owner_of(tmp_path / "missing")
    assert (os.geteuid(), os.getegid()) == before


def test_work_saved_without_the_service_is_done_by_it_once_it_runs(cli: Cli) -> None:
    """The mail server is away, so the work row tells that it was tried."""
    cli("entry", "add", "Haushalt", "--start", "2035-03-06 09:00", "--attendee", "ben@example.org")
    (key,) = (one["key"] for one in cli.json("work", "list", "--kind", "mail"))
    cli("work", "retry", key)
    with cli.running():
        until(lambda: bool(cli.json("work", "show", key)["error"]))
        assert "127.0.0.1" in cli("work", "show", key).out
