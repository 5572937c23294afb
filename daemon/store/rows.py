"""Rows ↔ values: a table's columns bear the names of the value's fields."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

import sqlalchemy as sa

V = TypeVar("V")


def value(kind: type[V], row: sa.Row[Any]) -> V:
    """Return the row as a value; columns that the value does not know are the store's own."""
    given = row._mapping
    return kind(**{field.name: given[field.name] for field in fields(kind)})  # type: ignore[arg-type] # every kind here is a dataclass


def columns(one: Any) -> dict[str, Any]:
    """Return the fields of a value under their names, as they are (nothing is copied or converted)."""
    return {field.name: getattr(one, field.name) for field in fields(one)}


def like(text: str) -> str:
    """Return the text with the wildcards of LIKE taken literally (ESCAPE '/')."""
    return text.replace("/", "//").replace("%", "/%").replace("_", "/_")
