"""What can be set: one frozen model for each section of the file. Defaults stand here, explanations in `config.example.toml`.

Not here: what a value may look like (`values`), where values come from (`sources`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from daemon.config.sources import current_sources
from daemon.config.values import (
    Bounces,
    CaFile,
    Email,
    Link,
    Listen,
    MailListen,
    Name,
    Networks,
    Offsets,
    PageUrl,
    Port,
    StoreUrl,
    WebListen,
    Whole,
    Zone,
    host_port,
)
from daemon.core.authenticity import Authenticity
from daemon.core.itip_who import Uninvited
from daemon.core.model import Language
from daemon.core.organizer import OrganizerForm


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


class GuestList(StrEnum):
    """Whether invitations tell who else is invited, or only who invites."""

    SHARED = "shared"
    PRIVATE = "private"


_SMTP_PORTS = {Security.NONE: 25, Security.STARTTLS: 587, Security.TLS: 465}
_IMAP_PORTS = {Security.NONE: 143, Security.STARTTLS: 143, Security.TLS: 993}


def _with_port(values: Any, ports: Mapping[Security, int]) -> Any:
    if isinstance(values, dict) and "port" not in values and values.get("security") in list(Security):
        return {**values, "port": ports[Security(values["security"])]}
    return values


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
    url: StoreUrl = SecretStr("")
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


class Lmtp(Section):
    """`listen`: host and port of this machine, or the path of a Unix socket; empty: no mail is taken this way."""

    listen: MailListen = ""
    socket_group: str = ""
    max_megabytes: Annotated[Whole, Field(ge=1, le=100)] = 20

    @property
    def address(self) -> tuple[str, int] | Path | None:
        """Where to listen; None: nowhere."""
        return Path(self.listen) if self.listen.startswith("/") else host_port(self.listen)

    @property
    def most_bytes(self) -> int:
        return self.max_megabytes * 1024 * 1024


class Answers(Section):
    """`authserv_id`: how our own mail server signs what it found out about a mail (RFC 8601); empty: it is not known."""

    authserv_id: Annotated[str, Field(max_length=255)] = ""
    authenticity: Authenticity = Authenticity.NORMAL
    uninvited: Uninvited = Uninvited.HOLD

    @model_validator(mode="after")
    def _verified(self) -> Answers:
        if self.authenticity is Authenticity.STRICT and not self.authserv_id:
            raise ValueError(
                'authenticity = "strict" needs authserv_id: the name in the Authentication-Results of your own mail server.'
            )
        return self


class Mail(Section):
    address: Email = ""
    name: Name = "Sitzungsplaner"
    organizer: OrganizerForm = OrganizerForm.SERVICE
    guest_list: GuestList = GuestList.SHARED
    bounces: Bounces = ""
    coalesce_seconds: Annotated[Whole, Field(ge=0, le=3600)] = 60
    smtp: Smtp = Smtp()
    imap: Imap = Imap()
    lmtp: Lmtp = Lmtp()
    answers: Answers = Answers()

    @property
    def private_guests(self) -> bool:
        return self.guest_list is GuestList.PRIVATE

    @property
    def coalesce(self) -> timedelta:
        return timedelta(seconds=self.coalesce_seconds)


class Reminders(Section):
    offsets: Offsets = (timedelta(hours=24), timedelta(minutes=15))


class Meeting(Section):
    link: Link = "https://meet.example.org/{number}"
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
    listen: Listen = ""

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port to listen on; None: nothing is served."""
        return host_port(self.listen)


class Web(Section):
    """`url`: where people reach the pages, without a slash at its end; empty: mails have no links to them."""

    listen: WebListen = ""
    url: PageUrl = ""
    proxies: Networks = ("127.0.0.1", "::1")

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port to listen on; None: nothing is served."""
        return host_port(self.listen, anywhere=True)


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
    web: Web = Web()

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
