"""What can be set: one frozen model for each section of the file. Defaults stand here, explanations in `config.example.toml`.

Not here: where values come from (`sources`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from daemon.config.sources import current_sources
from daemon.core.addresses import clean_name, normal
from daemon.core.durations import parse_duration
from daemon.core.errors import Rejected
from daemon.core.model import Language


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    AUTO = "auto"
    JOURNAL = "journal"
    TEXT = "text"
    JSON = "json"


class Security(StrEnum):
    """How a connection is protected: not at all, by STARTTLS (RFC 3207, RFC 2595), or TLS from its first byte (RFC 8314)."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


_SMTP_PORTS = {Security.NONE: 25, Security.STARTTLS: 587, Security.TLS: 465}
_IMAP_PORTS = {Security.NONE: 143, Security.STARTTLS: 143, Security.TLS: 993}


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
    if value and _host_port(value) is None:
        raise ValueError(
            f'"{value}" is no address on this machine. Write it like "127.0.0.1:9180" or "[::1]:9180"; '
            "whoever shall reach it from elsewhere goes through a proxy of yours."
        )
    return value


def _host_port(value: str) -> tuple[str, int] | None:
    host, _, port = value.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = ip_address("127.0.0.1" if bare == "localhost" else bare)
    except ValueError:
        return None
    if not address.is_loopback or (address.version == 6) is (bare == host) or not re.fullmatch("[0-9]{1,5}", port):
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


def _with_port(values: Any, ports: Mapping[Security, int]) -> Any:
    if isinstance(values, dict) and "port" not in values and values.get("security") in list(Security):
        return {**values, "port": ports[Security(values["security"])]}
    return values


Whole = Annotated[int, BeforeValidator(_no_bool)]
Port = Annotated[Whole, Field(ge=1, le=65535)]
Email = Annotated[str, AfterValidator(_email)]
Zone = Annotated[str, AfterValidator(_zone)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Offsets = Annotated[tuple[Duration, ...], BeforeValidator(_listed), AfterValidator(_offsets)]
CaFile = Annotated[Path | None, BeforeValidator(_ca_file), AfterValidator(_there)]
Name = Annotated[str, AfterValidator(clean_name)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Service(Section):
    """`data_dir` and `socket` depend on who asks; what stands here is what a systemd service gets."""

    data_dir: Path = Path("/var/lib/sitzungsplaner")
    socket: Path = Path("/run/sitzungsplaner/api.sock")
    socket_group: str = ""
    language: Language = Language.DE
    timezone: Zone = "Europe/Berlin"
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.AUTO


class Store(Section):
    url: Annotated[SecretStr, AfterValidator(_store_url)] = SecretStr("")
    threads: Annotated[Whole, Field(ge=1, le=64)] = 8


class Smtp(Section):
    host: str = ""
    port: Port = 587
    security: Security = Security.STARTTLS
    username: str = ""
    password: SecretStr = SecretStr("")
    ca_file: CaFile = None
    connections: Annotated[Whole, Field(ge=1, le=20)] = 4

    @model_validator(mode="before")
    @classmethod
    def _port_of_security(cls, values: Any) -> Any:
        return _with_port(values, _SMTP_PORTS)


class Imap(Section):
    host: str = ""
    port: Port = 993
    security: Security = Security.TLS
    username: str = ""
    password: SecretStr = SecretStr("")
    ca_file: CaFile = None
    mailbox: Annotated[str, Field(min_length=1)] = "INBOX"
    folder_processed: str = "Processed"
    idle_seconds: Annotated[Whole, Field(ge=10, le=1500)] = 300

    @model_validator(mode="before")
    @classmethod
    def _port_of_security(cls, values: Any) -> Any:
        return _with_port(values, _IMAP_PORTS)

    @property
    def idle(self) -> timedelta:
        return timedelta(seconds=self.idle_seconds)


class Mail(Section):
    address: Email = ""
    name: Name = "Sitzungsplaner"
    coalesce_seconds: Annotated[Whole, Field(ge=0, le=3600)] = 60
    smtp: Smtp = Smtp()
    imap: Imap = Imap()

    @property
    def coalesce(self) -> timedelta:
        return timedelta(seconds=self.coalesce_seconds)


class Reminders(Section):
    offsets: Offsets = (timedelta(hours=24), timedelta(minutes=15))


class Meeting(Section):
    link: Annotated[str, AfterValidator(_link)] = "https://meet.example.org/{number}"
    dial_in: str = ""


class Numbers(Section):
    quarantine_days: Annotated[Whole, Field(ge=1, le=3650)] = 180

    @property
    def quarantine(self) -> timedelta:
        return timedelta(days=self.quarantine_days)


class CalendarSecret(Section):
    password: SecretStr = SecretStr("")


class Calendars(Section):
    poll_seconds: Annotated[Whole, Field(ge=10, le=86400)] = 60
    alarm_minutes: Annotated[Whole, Field(ge=-1, le=40320)] = 15
    secrets: Mapping[str, CalendarSecret] = Field(default_factory=dict)

    @property
    def poll(self) -> timedelta:
        return timedelta(seconds=self.poll_seconds)

    @property
    def alarm(self) -> timedelta | None:
        """How long before the start the calendar program rings; None: not at all (-1)."""
        return None if self.alarm_minutes < 0 else timedelta(minutes=self.alarm_minutes)

    @property
    def references(self) -> dict[str, str]:
        """The passwords that calendars name by `ref:NAME`, in clear."""
        return {name: one.password.get_secret_value() for name, one in self.secrets.items()}


class Lanes(Section):
    """How many works of each kind are done at a time: a lane waits for one server."""

    mail: Annotated[Whole, Field(ge=1, le=50)] = 4
    bulk: Annotated[Whole, Field(ge=1, le=50)] = 2
    calendar: Annotated[Whole, Field(ge=1, le=50)] = 4
    remind: Annotated[Whole, Field(ge=1, le=50)] = 2


class Work(Section):
    hold_seconds: Annotated[Whole, Field(ge=5, le=3600)] = 60
    give_up_days: Annotated[Whole, Field(ge=1, le=60)] = 5
    tries: Annotated[Whole, Field(ge=1, le=1000)] = 12
    lanes: Lanes = Lanes()

    @property
    def hold(self) -> timedelta:
        return timedelta(seconds=self.hold_seconds)

    @property
    def give_up(self) -> timedelta:
        return timedelta(days=self.give_up_days)


class Health(Section):
    listen: Annotated[str, AfterValidator(_listen)] = ""

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port to listen on; None: nothing is served."""
        return _host_port(self.listen)


class Config(BaseSettings):
    """All settings, checked. Made by `load_config`; secrets show as asterisks in every text form."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    service: Service = Service()
    store: Store = Store()
    mail: Mail = Mail()
    reminders: Reminders = Reminders()
    meeting: Meeting = Meeting()
    numbers: Numbers = Numbers()
    calendars: Calendars = Calendars()
    work: Work = Work()
    health: Health = Health()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The library's own environment source stops at the first value it cannot parse; ours leave all judging to the models."""
        return (init_settings, *current_sources(settings_cls))
