"""How commands end: in sentences and exit codes, never in tracebacks."""

from __future__ import annotations

import os
import pty
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.cli import ending
from tests.cli.conftest import PROGRAM, Cli, until
from tests.cli.test_files import calendar, event

ROOT = Path(__file__).parents[2]


def test_a_bug_is_one_line_that_names_the_log_and_the_log_has_the_traceback(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("smtp://anna:geheim@mail.example.org")

    monkeypatch.setattr("daemon.cli.screen.table", broken)
    cli("entry", "add", "Da", "--start", "2035-03-06 09:00")
    ended = cli("entry", "list", code=1)
    log = cli.data / "commands.log"
    assert ended.err == f"Error: This is a fault of sitzungsplaner, not yours (ZeroDivisionError). The details are in {log}.\n"
    text = log.read_text()
    assert "Traceback" in text
    assert "geheim" not in text
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_bug_in_the_api_is_one_line_too(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("daemon.planner.lines", broken)
    ended = cli("entry", "list", code=1)
    assert ended.err.startswith("Error: This is a fault of the service, not yours.")
    assert ended.err.endswith(f"The log: {cli.data / 'commands.log'}.\n")
    assert "ZeroDivisionError" in (cli.data / "commands.log").read_text()


def test_debugging_shows_the_traceback_on_the_terminal(cli: Cli) -> None:
    program = f"import daemon.cli.screen as s; s.table = lambda *_: 1 / 0; {PROGRAM}"
    cli("entry", "add", "Da", "--start", "2035-03-06 09:00")
    environ = cli.environ | {"SITZUNGSPLANER_DEBUG": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program, "entry", "list"], env=environ, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_a_command_that_goes_well_leaves_no_log(cli: Cli) -> None:
    assert not (cli.data / "commands.log").exists()


def test_a_bug_before_the_settings_are_known_is_logged_elsewhere(
    bare: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("daemon.config.load_config", broken)
    ended = bare("entry", "list", code=1)
    (log,) = tmp_path.glob("sitzungsplaner-*.log")
    assert f"The details are in {log}." in ended.err


def test_several_problems_of_the_configuration_are_told_at_once(bare: Cli) -> None:
    bare.environ |= {"SITZUNGSPLANER_MAIL__SMTP__PORT": "0", "SITZUNGSPLANER_SERVICE__TIMEZONE": "Berlin"}
    lines = bare("entry", "list", code=1).err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("Error: ") for line in lines)


def test_a_reader_that_goes_away_is_no_error(cli: Cli) -> None:
    cli("entry", "add", "Da", "--start", "2035-03-06 09:00")
    for words in (("entry", "list"), ("entry", "list", "--json"), ("--help",)):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words], env=cli.environ, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        assert (process.wait(60), err) == (1, b"")


def test_ctrl_c_ends_quietly_with_130(cli: Cli) -> None:
    program = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {PROGRAM}"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "answer", "ingest", "-"],
        env=cli.environ,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    call = Path(f"/proc/{process.pid}/syscall")
    until(lambda: call.read_text().startswith("0 0x0 "))  # it reads standard input
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"")


def terminal(cli: Cli, *words: str, **environ: str) -> str:
    """What a person sees on a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        env=cli.environ | {"TERM": "xterm-256color", "COLUMNS": "100"} | environ,
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux's way of saying that nobody writes any more
            break
        if not part:
            break
        seen += part
    process.wait(60)
    os.close(ours)
    return seen.decode()


def test_colours_and_frames_are_for_terminals_and_no_color_is_heeded(cli: Cli) -> None:
    seen = terminal(cli, "entry", "add", "Da", "--start", "2035-03-06 09:00")
    assert "╭" in seen
    assert "Planned." in seen
    assert "\x1b[1m" in terminal(cli, "entry", "list")
    assert "\x1b[1;31mError:" in terminal(cli, "entry", "show", "nirgends")
    assert "\x1b[1;31m" not in terminal(cli, "entry", "show", "nirgends", NO_COLOR="1")
    assert '\r\n  "' in terminal(cli, "entry", "show", "Da", "--json")
    assert "\x1b" not in cli("entry", "show", "Da").out


def test_an_import_at_a_terminal_shows_how_far_it_is(cli: Cli) -> None:
    file = cli.folder / "in.ics"
    file.write_bytes(calendar(*(event(f"{number}@x", f"SUMMARY:Sitzung {number}") for number in range(30))))
    seen = terminal(cli, "entry", "import", str(file))
    assert "Importing" in seen
    assert "30/30" in seen
    assert seen.count("created   Sitzung") == 30
    assert "30 created." in seen


@pytest.mark.parametrize("words", [("--owner", "a@b", "entry", "list"), ("entry", "list")])
def test_an_option_of_before_the_noun_is_named_where_it_stands_after_it(bare: Cli, words: tuple[str, ...]) -> None:
    ended = bare(*words[-2:], "--owner", "a@b", code=2)
    assert ended.err.startswith("Error: --owner stands before the first word: sitzungsplaner --owner … entry list.")


def test_what_ends_a_command_without_words_stays_without_words(capsys: pytest.CaptureFixture[str]) -> None:
    def silent() -> None:
        raise ending.Failed

    assert ending.ended(silent) == 1
    assert capsys.readouterr() == ("", "")
