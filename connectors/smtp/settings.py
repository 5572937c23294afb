"""What the connector needs to know of its server, and the TLS rules that follow from it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.smtp.errors import CannotSendError
from daemon.ports import Security


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """How to hand mails to a server. `ca_file` is trusted in place of the system's authorities; `helo` None: found out."""

    host: str
    port: int
    security: Security = Security.STARTTLS
    username: str = ""
    password: str = field(default="", repr=False)
    connections: int = 4
    helo: str | None = None
    ca_file: Path | None = None
    verify: bool = True
    connect_timeout: timedelta = timedelta(seconds=15)
    command_timeout: timedelta = timedelta(seconds=60)
    answer_timeout: timedelta = timedelta(minutes=10)  # RFC 5321 4.5.3.2.6: the final dot
    idle: timedelta = timedelta(seconds=30)

    @property
    def server(self) -> str:
        return f"{self.host}:{self.port}"


def tls_context(settings: SmtpSettings) -> ssl.SSLContext:
    """Return the TLS rules of the settings. Reads files. Raises CannotSendError where `ca_file` cannot be read."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise CannotSendError(f"mail.smtp.ca_file {settings.ca_file} cannot be read as certificates. Not tried again.") from error
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
