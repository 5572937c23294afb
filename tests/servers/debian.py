"""What the servers from Debian's packages have in common: a folder they may all enter, a user who is not root, an end
without rest.

None of them is the machine's own instance: configuration, data, sockets and logs lie in a temporary folder, which goes with it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers import unavailable

HOST = "127.0.0.1"
_PATIENCE = 30.0  # seconds until a server must answer


def installed(*programs: Path | str, package: str) -> None:
    """Skip the test where one of the programs is missing."""
    for program in programs:
        if not Path(program).exists():
            unavailable(f"{program} is missing. As root: make servers, or apt-get install {package}")


def somebody() -> pwd.struct_passwd:
    """Return who the servers run as: whoever runs the tests, but nobody in place of root, whom most of them refuse."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        unavailable("a server must not run as root, and there is no user nobody here")


def group() -> str:
    """Return the name of the group of `somebody`."""
    import grp

    return grp.getgrgid(somebody().pw_gid).gr_name


@contextmanager
def a_folder(name: str) -> Iterator[Path]:
    """A new folder of `somebody` that every server may enter, with a path short enough for Unix sockets (107 bytes)."""
    usual = tempfile.gettempdir()
    # pytest's own folders will not do: below 0700 directories of root, where no other user gets in.
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=usual if len(usual) < 40 else "/tmp"))
    try:
        folder.chmod(0o755)
        give(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def give(path: Path) -> None:
    """Make a file or a whole folder the property of `somebody`."""
    if os.geteuid() == 0:
        owner = somebody()
        for one in (path, *path.rglob("*")):
            os.chown(one, owner.pw_uid, owner.pw_gid)


def listens(port: int, greeting: bytes = b"") -> bool:
    """Tell whether a server answers on this port of 127.0.0.1, with these first bytes if it is one that speaks first."""
    try:
        with socket.create_connection((HOST, port), timeout=5) as connection:
            return not greeting or connection.recv(len(greeting)) == greeting
    except OSError:
        return False


class Daemon:
    """A server in the foreground as the leader of a session of its own, by which all its children can be ended with it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.log = folder / f"{name}.out"
        self._folder = folder
        self._name = name
        self._process: subprocess.Popen[bytes] | None = None

    def start(
        self,
        command: Sequence[str | Path],
        answers: Callable[[], bool],
        *,
        as_root: bool = False,
        environ: Mapping[str, str] | None = None,
    ) -> bool:
        """Start it and return True once it answers, False if it ended before: another process may have taken its port."""
        how: dict[str, Any] = {}
        if os.geteuid() == 0 and not as_root:
            how = {"user": somebody().pw_uid, "group": somebody().pw_gid, "extra_groups": []}
        surroundings = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TMPDIR": str(self._folder), **(environ or {})}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=surroundings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **how,
            )
        try:
            ready = self._wait_for(answers)
        except BaseException:
            self.stop()
            raise
        if not ready:
            self.stop()
        return ready

    def _wait_for(self, answers: Callable[[], bool]) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + _PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            if answers():
                return True
            time.sleep(0.01)
        return False

    def stop(self) -> None:
        """End it and all its children. One of them may outlive a quiet word to the master alone (Dovecot's imap does)."""
        if self._process is None:
            return
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._signal(signal.SIGKILL)
            self._process.wait()
            _wait_until_gone(self._process.pid)  # until then its children may hold ports and locks
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def failed(self, *logs: Path) -> RuntimeError:
        """Return the error for a server that never answered, with what its logs say."""
        words = "\n".join(one.read_text(errors="replace")[-2000:] for one in (self.log, *logs) if one.exists())
        return RuntimeError(f"{self._name} did not come up on {HOST}:\n{words}")


def _wait_until_gone(leader: int) -> None:
    """Return when no process of the group is alive; those that nobody has asked about their end are none."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(map(_alive, _members(leader))):
        time.sleep(0.002)


def _members(leader: int) -> Iterator[list[str]]:
    """What /proc/PID/stat says of each process of the group, from its state on (proc(5))."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = file.read_text(errors="replace").rpartition(")")[2].split()
            if fields[2] == str(leader):
                yield fields


def _alive(fields: list[str]) -> bool:
    return fields[0] not in "ZX"
