"""One process on one SQLite file: a lock beside it, which the kernel takes back when the holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.core.errors import Rejected


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock of the database at `path` until the block ends.

    Raises Rejected if another process holds it. Two connections that write at once can damage a file under SQLite before 3.51.3.
    """
    file = path.with_name(path.name + ".lock")
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Rejected(
            f"The lock {file} cannot be opened: {error.strerror}. Run this as the user who owns the data directory."
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            who = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
            process = f"process {who}" if who else "another process"
            raise Rejected(
                f"The database {path} is in use by {process}. Only one may write it: stop the service first, "
                "or let it do the work (while it runs, the command line speaks to it)."
            ) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        # The file stays: unlinking it would let two processes hold locks on two files of one name.
        os.close(handle)
