"""The command line as a person uses it: words in, exit code and both streams out; each on a store of its own."""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from daemon.cli import logbook, main
from daemon.cli.client import answers

PROGRAM = "import sys; from daemon.cli import main; sys.exit(main())"
PLANNER = "sitzung@example.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def all(self) -> str:
        return self.out + self.err


class Cli:
    """Runs commands in this process; `environ` is all they know of the world, `data` their data directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "SITZUNGSPLANER_SERVICE__DATA_DIR": str(self.data),
            "SITZUNGSPLANER_SERVICE__SOCKET": str(self.data / "api.sock"),
            "SITZUNGSPLANER_MAIL__ADDRESS": PLANNER,
        }

    def __call__(self, *words: str, code: int | None = 0, stdin: bytes | str = b"") -> Ended:
        """Run a command and insist on its exit code (None: on none)."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        with pytest.MonkeyPatch.context() as patch:
            for name in list(os.environ):
                patch.delenv(name)
            for name, value in self.environ.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            ended_with = main(list(words))
        texts = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
        ended = Ended(code=ended_with, out=texts[0], err=texts[1])
        assert "Traceback" not in ended.all, ended.all
        assert code is None or ended.code == code, ended.all
        return ended

    def json(self, *words: str) -> Any:
        return self(*words, "--json").json

    def outside(self, *words: str, stdin: bytes = b"", timeout: float = 60, **environ: str) -> Ended:
        """Run a command as a process of its own."""
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *words],
            input=stdin,
            capture_output=True,
            env=self.environ | environ,
            cwd=Path(__file__).parents[2],
            timeout=timeout,
            check=False,
        )
        return Ended(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """The service, as a process of its own, from when it answers."""
        environ = self.environ | {
            "SITZUNGSPLANER_MAIL__SMTP__HOST": "127.0.0.1",
            "SITZUNGSPLANER_MAIL__SMTP__PORT": "9",
            "SITZUNGSPLANER_MAIL__SMTP__SECURITY": "none",
            "SITZUNGSPLANER_MAIL__COALESCE_SECONDS": "3600",
        }
        with (self.folder / "run.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, "run"], env=environ, cwd=Path(__file__).parents[2], stdout=log, stderr=log
            )
        try:
            until(lambda: answers(self.data / "api.sock") or process.poll() is not None)
            assert process.poll() is None, self.log
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(30)

    @property
    def log(self) -> str:
        return (self.folder / "run.log").read_text()


def until(condition: Callable[[], bool], patience: float = 30) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@contextmanager
def a_cli(folder: Path, data: Path | None = None) -> Iterator[Cli]:
    """A command line in this folder, with a copy of this data directory."""
    cli = Cli(folder)
    if data is not None:
        shutil.copytree(data, cli.data)
    yield cli
    logbook.BOOK.folder = logbook.BOOK.path = None
    structlog.reset_defaults()
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one.formatter, structlog.stdlib.ProcessorFormatter)]:
        root.removeHandler(handler)


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Cli]:
    """A command line on a machine where nothing was ever done."""
    with a_cli(tmp_path) as cli:
        yield cli


@pytest.fixture
def empty(bare: Cli, sqlite_template: Path) -> Cli:
    """A command line with a database and nothing in it."""
    bare.data.mkdir(mode=0o700)
    shutil.copyfile(sqlite_template, bare.data / "sitzungsplaner.db")
    return bare


@pytest.fixture(scope="session")
def owner_data(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Path:
    """A data directory with one owner, Anna in Berlin."""
    with a_cli(tmp_path_factory.mktemp("owner")) as cli:
        cli.data.mkdir(mode=0o700)
        shutil.copyfile(sqlite_template, cli.data / "sitzungsplaner.db")
        cli("owner", "add", "anna@example.org", "--name", "Anna Beispiel", "--zone", "Europe/Berlin", "--language", "de")
    return cli.data


@pytest.fixture
def cli(tmp_path: Path, owner_data: Path) -> Iterator[Cli]:
    """A command line with one owner, Anna in Berlin."""
    with a_cli(tmp_path, owner_data) as cli:
        yield cli


@pytest.fixture
def haushalt(cli: Cli) -> str:
    """The id of a weekly series of five, Tuesdays at nine from 2035-03-06 on, with Ben and, optionally, Cora."""
    words = ("entry", "add", "Haushaltsausschuss", "--start", "2035-03-06 09:00", "--duration", "1h30m", "--repeat", "weekly")
    people = ("--attendee", "Ben <ben@example.org>", "--optional", "cora@example.org")
    return str(cli.json(*words, "--count", "5", *people)["entry"]["id"])
