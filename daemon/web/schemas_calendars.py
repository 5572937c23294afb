"""Bodies and answers about calendars. A password comes in, and never goes out."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from pydantic import Field, SecretStr, field_validator

from daemon.core.calendars import Calendar
from daemon.core.model import Sender
from daemon.web.schemas import Body, Shown


class NewCalendar(Body):
    """`password` is encrypted under the service key; `password_ref` names one of the configuration instead."""

    name: str
    kind: str = "caldav"
    url: str = Field(description="Address of the calendar itself, http(s)://…")
    username: str = ""
    password: SecretStr = SecretStr("")
    password_ref: str = ""
    sender: Sender = Sender.PLANNER
    headers: dict[str, str] = Field(default_factory=dict)

    @field_validator("url")
    @classmethod
    def _is_web_address(cls, value: str) -> str:
        url = value.strip()
        if not url.startswith(("https://", "http://")) or any(c.isspace() or not c.isprintable() for c in url):
            raise ValueError("The address of a calendar begins with https:// (or http://) and has no blanks.")
        if "@" in url.partition("://")[2].partition("/")[0]:
            raise ValueError("The address of a calendar must not contain a password. Give user name and password apart.")
        return url


class CalendarShown(Shown):
    """`state` is `ok`, `unreachable` or `refused`, with the server's words in `error`; `checked` is when it last answered.

    `entries` are written there or to be written; `pending` are those of them that still are to be (or to be taken out).
    """

    id: str
    owner: str
    name: str
    kind: str
    url: str
    username: str
    password: str
    headers: tuple[str, ...]
    sender: str
    state: str
    error: str
    checked: datetime | None
    created: datetime
    capabilities: dict[str, Any]
    entries: int
    pending: int

    @classmethod
    def of(cls, calendar: Calendar, owner_email: str, *, entries: int, pending: int) -> CalendarShown:
        kind, _, name = calendar.secret.partition(":")
        return cls(
            id=calendar.id,
            owner=owner_email,
            name=calendar.name,
            kind=calendar.kind,
            url=calendar.url,
            username=calendar.username,
            password={"": "none", "enc": "encrypted"}.get(kind, f"reference {name}"),
            headers=tuple(name for name, _ in calendar.headers),
            sender=calendar.sender.value,
            state=calendar.state.value,
            error=calendar.error,
            checked=calendar.checked,
            created=calendar.created,
            capabilities=json.loads(calendar.capabilities_json),
            entries=entries,
            pending=pending,
        )


class CalendarAdded(Shown):
    calendar: CalendarShown
    notes: tuple[str, ...]
    dry_run: bool


class Synced(Shown):
    """How many calendars are looked at now."""

    calendars: int


class CalendarRemoved(Shown):
    """How many entries were written there; their events stay."""

    entries: int
    dry_run: bool
