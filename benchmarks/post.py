"""Mail servers for benchmarks: smtp-sink, which throws mails away, and smtp-source, which sends them (both from Postfix)."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

from daemon.demo.servers import free_port
from tests.servers import unavailable
from tests.servers.debian import HOST, Daemon, a_folder, listens, somebody

CONNECTIONS = 10
_BACKLOG = 1000


def program(name: str) -> str:
    """Return the path of one of Postfix's programs. Skips where it is missing."""
    found = which(name, path="/usr/sbin:/usr/bin:/usr/lib/postfix/sbin")
    if found is None:
        unavailable(f"{name} is missing. As root: make servers, or apt-get install postfix")
    return found


@contextmanager
def smtp_sink(*, keep: Path | None = None) -> Iterator[int]:
    """Start a server on 127.0.0.1 that takes every mail; yield its port.

    `keep`: a folder where it writes each mail into a file of its own, whose time of change is when the mail had come.
    """
    with a_folder("sink") as folder:
        sink = Daemon(folder, "smtp-sink")
        port = free_port()
        command = [program("smtp-sink"), "-u", somebody().pw_name]
        if keep is not None:
            command += ["-d", str(keep / "mail.")]
        started = sink.start([*command, f"{HOST}:{port}", str(_BACKLOG)], lambda: listens(port, b"220"), as_root=True)
        if not started:
            raise sink.failed()
        try:
            yield port
        finally:
            sink.stop()


def smtp_source(port: int, *, mails: int, size: int) -> float:
    """Return how many mails of that many bytes per second smtp-source hands over, by ten connections that are used again."""
    command = [program("smtp-source"), "-d", "-s", str(CONNECTIONS), "-m", str(mails), "-l", str(size)]
    began = time.perf_counter()
    subprocess.run([*command, "-f", "p@example.test", "-t", "b@kunde.test", f"{HOST}:{port}"], check=True)
    return mails / (time.perf_counter() - began)
