"""Kinds of values that a setting can have, and the sentence for each that is none (collected by pydantic, so ValueError).

Not here: which settings there are (`settings`).
"""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_core import PydanticCustomError

from daemon.core.addresses import clean_name, normal
from daemon.core.durations import parse_duration
from daemon.core.errors import Rejected

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):  # bool is an int in Python, `true` is no number in TOML
        raise PydanticCustomError("int_type", "a number, not true or false")
    return value


def _email(value: str) -> str:
    if not value:
        return ""
    try:
        return normal(value)
    except Rejected as error:
        raise ValueError(str(error)) from None


def _bounces(value: str) -> str:
    if not value:
        return ""
    if value.count("{token}") != 1 or "{token}" not in value.rpartition("@")[0]:
        raise ValueError('It must have {token} once, before the @, like "sitzung+{token}@example.org".')
    token = "0" * 32
    # The token's own letters are fixed; what stands around it is brought into the compared form.
    return _email(value.replace("{token}", token)).replace(token, "{token}")


def _zone(value: str) -> str:
    from daemon.core import zones

    try:
        return zones.zone(value).key
    except Rejected as error:
        raise ValueError(str(error)) from None


def _duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError(f'{value!r} is not a duration. Write it in quotes with a unit, like "24h" or "15m".')  # noqa: TRY004 - pydantic collects ValueError
    try:
        return parse_duration(value)
    except Rejected as error:
        raise ValueError(str(error)) from None


def _listed(value: Any) -> Any:
    return [part for part in value.replace(",", " ").split() if part] if isinstance(value, str) else value


def _offsets(value: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
    if len(value) > 10:
        raise ValueError("At most ten reminders fit.")
    if any(not timedelta(0) <= one <= timedelta(days=366) for one in value):
        raise ValueError("A reminder comes before the start, by at most a year (366d).")
    return tuple(sorted(set(value), reverse=True))


def _link(value: str) -> str:
    if "{number}" not in value:
        raise ValueError('It must contain {number}, where the session number goes, like "https://meet.example.org/{number}".')
    rest = value.replace("{number}", "")
    if "{" in rest or "}" in rest:
        raise ValueError("{number} is the only thing in braces it may contain.")
    if not rest.startswith(("https://", "http://")) or any(c.isspace() or not c.isprintable() for c in rest):
        raise ValueError('It must be a web address without blanks, like "https://meet.example.org/{number}".')
    return value


def _store_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    if url and not url.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
        # The value is not shown: it may hold a password.
        raise ValueError('It must be empty or begin with "postgresql://" or "sqlite:///".')
    return value


def _listen(value: str) -> str:
    if value and host_port(value) is None:
        raise ValueError(
            f'"{value}" is no address on this machine. Write it like "127.0.0.1:9180" or "[::1]:9180"; '
            "whoever shall reach it from elsewhere goes through a proxy of yours."
        )
    return value


def _web_listen(value: str) -> str:
    if value and host_port(value, anywhere=True) is None:
        raise ValueError(f'"{value}" is no address with a port. Write it like "127.0.0.1:8470" or "[::1]:8470".')
    return value


def _mail_listen(value: str) -> str:
    if value and not value.startswith("/") and host_port(value) is None:
        raise ValueError(
            f'"{value}" is neither an address on this machine, like "127.0.0.1:2424", nor the path of a socket, '
            'like "/run/sitzungsplaner/lmtp.sock".'
        )
    return value


def _page_url(value: str) -> str:
    if not value:
        return ""
    plain = value.rstrip("/")
    parts = urlsplit(plain)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment or not _printable(plain):
        raise ValueError('It must be a web address without blanks, "?" and "#", like "https://planer.example.org".')
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError("It must begin with https://: whoever reads a link on its way could answer with it.")
    return plain


def _printable(value: str) -> bool:
    return value.isascii() and value.isprintable() and " " not in value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for one in value:
        try:
            ip_network(one)
        except ValueError:
            raise ValueError(f'"{one}" is no address of a proxy. Write it like "127.0.0.1" or "10.0.0.0/8".') from None
    return value


def host_port(value: str, *, anywhere: bool = False) -> tuple[str, int] | None:
    host, _, port = value.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = ip_address("127.0.0.1" if bare == "localhost" else bare)
    except ValueError:
        return None
    if not (anywhere or address.is_loopback) or (address.version == 6) is (bare == host) or not re.fullmatch("[0-9]{1,5}", port):
        return None
    return (str(address), int(port)) if 1 <= int(port) <= 65535 else None


def _ca_file(value: Any) -> Any:
    return None if value == "" else value


def _there(value: Path | None) -> Path | None:
    if value is not None and not value.is_file():
        raise ValueError(
            f"{value} is no file. Name the file with the CA certificates (PEM), or leave it empty for the system's own."
        )
    return value


Whole = Annotated[int, BeforeValidator(_no_bool)]
Port = Annotated[Whole, Field(ge=1, le=65535)]
Email = Annotated[str, AfterValidator(_email)]
Zone = Annotated[str, AfterValidator(_zone)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Offsets = Annotated[tuple[Duration, ...], BeforeValidator(_listed), AfterValidator(_offsets)]
CaFile = Annotated[Path | None, BeforeValidator(_ca_file), AfterValidator(_there)]
Name = Annotated[str, AfterValidator(clean_name)]
Bounces = Annotated[str, AfterValidator(_bounces)]
Link = Annotated[str, AfterValidator(_link)]
StoreUrl = Annotated[SecretStr, AfterValidator(_store_url)]
Listen = Annotated[str, AfterValidator(_listen)]
WebListen = Annotated[str, AfterValidator(_web_listen)]
MailListen = Annotated[str, AfterValidator(_mail_listen)]
PageUrl = Annotated[str, AfterValidator(_page_url)]
Networks = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_networks)]
