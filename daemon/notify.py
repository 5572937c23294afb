"""What the service tells systemd, by sd_notify(3): a datagram of `NAME=value` lines to the socket named by NOTIFY_SOCKET.

Without that variable nothing is sent, and everything else is the same. Not here: when to tell it (`daemon.watchdog`).
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

_PATIENCE = 1.0  # seconds: systemd reads at once, or something is so wrong that waiting does not mend it


class Notifier:
    """Tells whoever started this process how it is. `watchdog` is how long he waits for a sign of life; None: not at all."""

    def __init__(self, address: str = "", *, watchdog: timedelta | None = None) -> None:
        self._address = address
        self.watchdog = watchdog
        self._status = ""

    @classmethod
    def of(cls, environ: Mapping[str, str], *, pid: int | None = None) -> Notifier:
        """Return the notifier for this process, as systemd's variables in `environ` ask for it (sd_watchdog_enabled(3))."""
        address = environ.get("NOTIFY_SOCKET", "")
        meant = environ.get("WATCHDOG_PID", "")
        text = environ.get("WATCHDOG_USEC", "")
        ours = not meant or meant == str(os.getpid() if pid is None else pid)
        watchdog = timedelta(microseconds=int(text)) if ours and text.isascii() and text.isdigit() and int(text) else None
        # Anything else than a path or an abstract name (vsock:…) is for machines, not for a service within one.
        return cls(address if address.startswith(("/", "@")) else "", watchdog=watchdog)

    def ready(self) -> bool:
        """The start, or a reload, is complete."""
        return self._send("READY=1")

    def stopping(self) -> bool:
        """The end has begun."""
        return self._send("STOPPING=1")

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """The block reads the configuration again; afterwards the service is ready as before, also if the block raised."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            yield
        finally:
            self.ready()

    def alive(self) -> bool:
        """A sign of life for the watchdog."""
        return self.watchdog is not None and self._send("WATCHDOG=1")

    def status(self, text: str) -> bool:
        """Show one line in `systemctl status`; the same line again is not sent."""
        line = " ".join(text.split())
        if line == self._status:
            return False
        self._status = line
        return self._send(f"STATUS={line}")

    def _send(self, *lines: str) -> bool:
        """Return whether it was sent. A service goes on without anybody who listens."""
        if not self._address:
            return False
        # The first character of an abstract name is written @ and is a NUL (unix(7)).
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.settimeout(_PATIENCE)
            channel.sendto("\n".join(lines).encode(), address)
            return True
        return False
