"""What is wrong with a value, as one line: the key, the value (unless it is a secret), what it must be."""

from __future__ import annotations

import datetime
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Any

from annotated_types import Ge, Le
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from daemon.config.sources import Keys, Reading


def sentences(error: ValidationError, keys: Keys, readings: tuple[Reading, ...]) -> list[str]:
    """Return one line for each key that cannot be used, with the place where its value stands."""
    lines: dict[str, str] = {}
    for detail in error.errors(include_url=False):
        key = ".".join(str(part) for part in detail["loc"] if not isinstance(part, int))
        name = next((one.names[key] for one in readings if key in one.names), "")
        place = f" It is set by {name}." if name.startswith("SITZUNGSPLANER_") or "file " in name or "credential" in name else ""
        lines.setdefault(key, f"{key}: {_wrong(detail, keys.fields.get(keys.shape(key) or ''))}{place}")
    return list(lines.values())


def _wrong(detail: ErrorDetails, field: FieldInfo | None) -> str:
    if detail["type"] == "value_error":
        return str(detail.get("ctx", {}).get("error", detail["msg"]))
    if field is None:
        return f"{_shown(detail['input'])} does not belong here."
    kind: Any = field.annotation
    if kind is SecretStr:
        return "this must be text in quotes."
    shown = _shown(detail["input"])
    if kind is int:
        least = next((one.ge for one in field.metadata if isinstance(one, Ge)), "")
        most = next((one.le for one in field.metadata if isinstance(one, Le)), "")
        bounds = f"({least}–{most})"
        if detail["type"] in ("greater_than_equal", "less_than_equal"):
            return f"{shown} is out of range {bounds}."
        return f"{shown} is not a whole number {bounds}."
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        choices = [one.value for one in kind]
        near = get_close_matches(str(detail["input"]).lower(), choices, n=1)
        return f"{shown} is not one of {', '.join(choices)}." + (f' Did you mean "{near[0]}"?' if near else "")
    if detail["type"] == "string_too_short":
        return "this must not be empty."
    if kind is str or kind is Path or kind == Path | None:
        return f"{shown} is not text; write it in quotes."
    if kind == tuple[str, ...]:
        return f'{shown} is not a list of texts; write it like ["127.0.0.1", "::1"].'
    return f'{shown} is not a list of durations; write it like ["24h", "15m"].'


def _shown(value: object) -> str:
    """A value as it would stand in the file, cut to one short line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | datetime.date | datetime.time):
        return str(value)
    if isinstance(value, list | tuple):
        return "A list"
    if isinstance(value, dict):
        return "A section"
    text = "".join(c if c.isprintable() else "·" for c in str(value))
    return f'"{text[:60]}…"' if len(text) > 60 else f'"{text}"'
