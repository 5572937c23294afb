"""The processes that are killed: real services, each forked from one process that has imported everything already.

`python -m tests.survival.worker` reads a line of JSON for each service ({"environ": {...}, "log": "file"}), forks it, and
answers with its process id. In the fork runs what `sitzungsplaner run` runs. A fork starts in some 100 ms instead of two seconds,
so that there are many kills in a minute. The services end with this process, and it ends with its standard input.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

_HEAVY = (
    "daemon.cli.run",
    "daemon.app",
    "daemon.web.app",
    "daemon.web.socket",
    "daemon.store.admin",
    "connectors.caldav.connector",
    "connectors.smtp.connector",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "sqlalchemy.dialects.postgresql.psycopg",
    "psycopg",
)
_PATIENCE = 30.0  # seconds
_PR_SET_PDEATHSIG = 1  # prctl(2)


class Life:
    """One process, from its start to its end. Held by a pidfd: never another process that got its number."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            self._handle = os.pidfd_open(pid)
        except ProcessLookupError:
            self._handle = -1

    @property
    def over(self) -> bool:
        return self.ends(0)

    def ends(self, patience: float) -> bool:
        """Wait for its end, for at most `patience` seconds. False if it goes on."""
        if self._handle < 0:
            return True
        waiting = select.poll()
        waiting.register(self._handle, select.POLLIN)
        if not waiting.poll(patience * 1000):
            return False
        os.close(self._handle)
        self._handle = -1
        return True

    def signal(self, one: signal.Signals) -> None:
        """Send a signal; to one that is over, nothing."""
        if self._handle >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, one)

    def kill(self) -> None:
        """End it as a power cut would, and return when it is gone."""
        self.signal(signal.SIGKILL)
        if not self.ends(_PATIENCE):
            raise RuntimeError(f"process {self.pid} does not die")


class Workers:
    """The tests' hand on the process that forks. Used as a context; what still runs at its end is killed."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "workers.log"
        self._parent: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._parent = subprocess.Popen(
                [sys.executable, "-m", "tests.survival.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        if self._ask("") != "ready":
            raise RuntimeError(self._log.read_text(errors="replace")[-2000:])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._parent is not None
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.close()
        try:
            self._parent.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._parent.kill()
            self._parent.wait()
        finally:
            self._parent.stdout.close()

    def start(self, environ: Mapping[str, str], log: Path) -> Life:
        """Start a service; returns at once."""
        return Life(int(self._ask(json.dumps({"environ": dict(environ), "log": str(log)}))))

    def _ask(self, line: str) -> str:
        assert self._parent is not None
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(f"{line}\n")
        self._parent.stdin.flush()
        return self._parent.stdout.readline().strip()


def _main() -> None:
    for name in _HEAVY:
        importlib.import_module(name)
    _warm_up()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead at once
    for line in sys.stdin:
        if not line.strip():
            print("ready", flush=True)
            continue
        pid = os.fork()
        if not pid:
            _serve(json.loads(line))
        print(pid, flush=True)


def _warm_up() -> None:
    """Write one mail, so that a fork need not read Babel's data first."""
    from daemon.core.itip import MailKind
    from daemon.core.model import Language
    from daemon.render import Renderer
    from daemon.render.specimens import specimen
    from daemon.resources import template_folders

    Renderer(template_folders()).mail(MailKind.INVITATION, Language.DE, specimen(MailKind.INVITATION, Language.DE))


def _serve(order: dict[str, Any]) -> NoReturn:
    """Be the service, and nothing of the process that this was forked from."""
    code = 70
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.environ.update(order["environ"])
        from daemon.cli import main

        code = main(["run"])
    finally:
        os._exit(code)


if __name__ == "__main__":
    _main()
