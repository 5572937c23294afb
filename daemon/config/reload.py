"""What a running service takes over when its configuration is read again (SIGHUP), and what has to wait for a restart.

Connections, paths, numbers of hands and secrets belong to what was put together at start. Secrets are not even read again: the
process may have lost the right to (design 4.8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, SecretStr

from daemon.config.settings import Config

# In the order of the file. Everything else needs a restart.
RELOADABLE = (
    "service.language",
    "service.timezone",
    "service.log_level",
    "service.log_format",
    "mail.name",
    "mail.organizer",
    "mail.guest_list",
    "mail.bounces",
    "mail.coalesce_seconds",
    "reminders.offsets",
    "meeting.link",
    "meeting.dial_in",
    "numbers.quarantine_days",
    "calendars.poll_seconds",
    "calendars.alarm_minutes",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver:
    """The configuration to go on with, the keys that changed in it, and those that changed in the file but wait for a restart."""

    config: Config
    changed: tuple[str, ...]
    waiting: tuple[str, ...]


def take_over(running: Config, read: Config) -> TakenOver:
    """Return `running` with what may change taken from `read`, which was read without secrets."""
    before, after = _flat(running), _flat(read)
    differing = tuple(key for key, value in after.items() if before[key] != value and not _unread(value))
    changed = tuple(key for key in differing if key in RELOADABLE)
    config = running
    for key in changed:
        section, _, name = key.partition(".")
        part: BaseModel = getattr(config, section).model_copy(update={name: after[key]})
        config = config.model_copy(update={section: part})
    return TakenOver(config=config, changed=changed, waiting=tuple(key for key in differing if key not in RELOADABLE))


def _unread(value: Any) -> bool:
    """A secret that may stand in a file that was not looked at."""
    return isinstance(value, SecretStr) and not value.get_secret_value()


def _flat(model: BaseModel, prefix: str = "") -> dict[str, Any]:
    """Every setting by its dotted key, but for passwords that calendars refer to: which there are depends on files not read."""
    values: dict[str, Any] = {}
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            values |= _flat(value, f"{prefix}{name}.")
        elif f"{prefix}{name}" != "calendars.secrets":
            values[f"{prefix}{name}"] = value
    return values
