"""Reads mails from anybody in a process of its own, which may compute for 2 s and take 512 MiB for each, and is killed otherwise.

The process gets bytes and gives back plain values of `daemon.core`; it knows no setting, no secret and no database. It lives on
from mail to mail, and after a mail that killed it the next one gets a new process. `python -m daemon.reader` is the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable
from datetime import timedelta
from enum import EnumType
from typing import Any
from zoneinfo import ZoneInfo

from daemon.core import reading, zones
from daemon.core.errors import Unreachable
from daemon.core.reading import Reading
from daemon.logs import get_logger

log = get_logger("inbox")

Reads = Callable[[bytes], Awaitable[Reading]]

CPU = timedelta(seconds=2)  # for one mail
MEMORY = 512 * 1024 * 1024  # bytes of address space
PATIENCE = timedelta(seconds=60)  # a busy machine may give it its 2 s late
_HEAD = 4  # bytes that say how long what follows is
_PASSED_ON = ("PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "LD_LIBRARY_PATH")
_READ, _BROKE, _FULL = b"R", b"B", b"F"
_ASIDE = "It was put aside; look at it yourself."
_TOO_LONG = f"The mail is such that reading it takes too long. {_ASIDE}"
_TOO_BIG = f"The mail is such that reading it took more memory than one mail may take. {_ASIDE}"
_BUG = f"The mail could not be read because of an error of this service, which its log describes. {_ASIDE}"
_VALUES = {"datetime": ("datetime", "date", "timedelta", "timezone"), "builtins": ("frozenset",)}


async def here(raw: bytes) -> Reading:
    """Read in this very process, without limits: for tests."""
    return reading.read(raw)


class Reader:
    """The process, started with the first mail. Used from one event loop; `close` ends it."""

    def __init__(self, *, cpu: timedelta = CPU, memory: int = MEMORY) -> None:
        self._limits = cpu, memory
        self._process: subprocess.Popen[bytes] | None = None
        self._busy = threading.Lock()

    async def read(self, raw: bytes) -> Reading:
        """Return what the mail says; if reading it broke down, that is its `problem`. Raises Unreachable without a process."""
        return await asyncio.to_thread(self._read, raw)

    def close(self) -> None:
        """End the process after what it is reading."""
        with self._busy:
            self._end()

    def _read(self, raw: bytes) -> Reading:
        with self._busy:
            process = self._started()
            guard = threading.Timer(PATIENCE.total_seconds(), process.kill)
            guard.start()
            try:
                kind, data = _exchange(process, raw)
            except (OSError, EOFError):
                return Reading(mail=None, problem=self._why(process))
            finally:
                guard.cancel()
        if kind == _FULL:
            return Reading(mail=None, problem=_TOO_BIG)
        if kind == _BROKE:
            log.error("a mail could not be read", action="mail-crashed", details=data.decode("utf-8", "replace"))
            return Reading(mail=None, problem=_BUG)
        found = _PlainValues(io.BytesIO(data)).load()
        assert isinstance(found, Reading)
        return found

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            cpu, memory = self._limits
            command = [sys.executable, "-m", "daemon.reader", str(cpu.total_seconds()), str(memory)]
            # Its surroundings hold no password.
            environ = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
            try:
                self._process = subprocess.Popen(  # noqa: S603 - a program of our own
                    command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
            except OSError as error:
                raise Unreachable(
                    f"The process that reads mails cannot be started ({error.strerror}). It is tried again."
                ) from error
        return self._process

    def _why(self, process: subprocess.Popen[bytes]) -> str:
        process.kill()
        code = process.wait()
        self._end()
        log.warning("a mail ended the process that reads mails; it is held for a person", action="mail-killed", code=code)
        return _TOO_LONG if code in (-signal.SIGPROF, -signal.SIGKILL) else _TOO_BIG

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):  # it was killed with something unread
            process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


class _PlainValues(pickle.Unpickler):
    """Takes values of ours and of the standard library's times, and nothing that could do something."""

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "builtins", "getattr":  # how Python 3.11 writes members of enumerations, and zones
                return _member
            case "zoneinfo", "ZoneInfo":
                return ZoneInfo
        ours = module.startswith("daemon.core.")
        found = super().find_class(module, name) if ours or name in _VALUES.get(module, ()) else None
        if not isinstance(found, type):
            raise pickle.UnpicklingError(f"{module}.{name} is no plain value")
        return found


def _member(kind: object, name: str) -> Any:
    if kind is ZoneInfo and name == "_unpickle":
        return lambda key, _cached: zones.zone(key)
    if not isinstance(kind, EnumType):
        raise pickle.UnpicklingError("an attribute of something else than an enumeration")
    return kind[name]


def _exchange(process: subprocess.Popen[bytes], raw: bytes) -> tuple[bytes, bytes]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(len(raw).to_bytes(_HEAD) + raw)
    process.stdin.flush()
    head = process.stdout.read(_HEAD)
    data = process.stdout.read(int.from_bytes(head)) if len(head) == _HEAD else b""
    if not data or len(data) != int.from_bytes(head):
        raise EOFError
    return data[:1], data[1:]


def _serve(cpu: float, memory: int) -> None:
    """Be the process: read mails from standard input until it ends."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while len(head := source.read(_HEAD)) == _HEAD:
        raw = source.read(int.from_bytes(head))
        signal.setitimer(signal.ITIMER_PROF, cpu)  # whose signal ends the process
        try:
            data = _READ + pickle.dumps(reading.read(raw))
        except MemoryError:
            data = _FULL
        except Exception:  # noqa: BLE001 - whatever it is, the log of the service says it
            data = _BROKE + traceback.format_exc().encode("utf-8", "replace")
        signal.setitimer(signal.ITIMER_PROF, 0)
        sink.write(len(data).to_bytes(_HEAD) + data)
        sink.flush()


if __name__ == "__main__":
    _serve(float(sys.argv[1]), int(sys.argv[2]))
