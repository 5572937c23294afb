"""What the connector needs to know of its server, and the TLS rules that follow from it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from daemon.core.errors import Refused
from daemon.ports import Security


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapSettings:
    """How to read a mailbox.

    `ca_file` is trusted in place of the system's authorities. Of mails above `size_limit` bytes only the header is read.
    `idle`: how long to rest before a look whether the server is still there; `poll`: the same on a server without IDLE.
    """

    host: str
    port: int
    security: Security = Security.TLS
    username: str = ""
    password: str = field(default="", repr=False)
    mailbox: str = "INBOX"
    ca_file: Path | None = None
    verify: bool = True
    size_limit: int = 10 * 1024 * 1024
    connect_timeout: timedelta = timedelta(seconds=15)
    command_timeout: timedelta = timedelta(seconds=60)
    idle: timedelta = timedelta(minutes=5)
    poll: timedelta = timedelta(seconds=15)

    @property
    def server(self) -> str:
        return f"{self.host}:{self.port}"


def tls_context(settings: ImapSettings) -> ssl.SSLContext:
    """Return the TLS rules of the settings. Reads files. Raises Refused where `ca_file` cannot be read."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise Refused(f"mail.imap.ca_file {settings.ca_file} cannot be read as certificates. The mailbox is not read.") from error
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def tls_seen(connection: Any) -> tuple[str, datetime | None]:
    """Return version and end of the server's certificate (UTC) of an `ssl.SSLObject`; "" and None where there is none."""
    if connection is None:
        return "", None
    until = (connection.getpeercert() or {}).get("notAfter")  # empty where it was not checked
    return connection.version() or "", datetime.fromtimestamp(ssl.cert_time_to_seconds(until), UTC) if until else None
