"""Where a command leaves what only a developer wants to read: warnings, and the traceback of a bug.

The service logs to the journal. A command writes to `commands.log` in the data directory, or to a temporary file where that
cannot be; with `SITZUNGSPLANER_DEBUG=1` to the terminal.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path

_NAME = "commands.log"


class Book(io.StringIO):
    """A stream that opens its file with the first line: a command that goes well leaves none. `path` is None before."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.path: Path | None = None

    def write(self, text: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        with contextlib.suppress(OSError):
            if self.path is not None:
                handle = os.open(self.path, flags, 0o600)
            else:
                handle, self.path = self._first(flags)
            with os.fdopen(handle, "a", encoding="utf-8") as file:
                file.write(text)
        return len(text)

    def _first(self, flags: int) -> tuple[int, Path]:
        if self.folder is not None:
            path = self.folder / _NAME
            with contextlib.suppress(OSError):
                return os.open(path, flags, 0o600), path
        handle, name = tempfile.mkstemp(prefix="sitzungsplaner-", suffix=".log")
        return handle, Path(name)


BOOK = Book()


def debugging() -> bool:
    """Tell whether a person asked to see everything."""
    return os.environ.get("SITZUNGSPLANER_DEBUG", "") not in ("", "0")


def begin(folder: Path | None = None) -> None:
    """Send log lines of ours and of libraries to the book, from now on in this folder; when debugging, to the terminal."""
    from daemon.logs import configure_logs

    if folder is not None:
        BOOK.folder, BOOK.path = folder, None
    if debugging():
        configure_logs(level="debug", form="text", stream=sys.stderr)
    else:
        configure_logs(level="warning", form="json", stream=BOOK)
