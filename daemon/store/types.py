"""Column types: our values go in and come out whole and alike on SQLite and PostgreSQL.

Times are refused rather than guessed: an instant without zone or a wall time with one is a bug of the caller.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

import sqlalchemy as sa

E = TypeVar("E", bound=StrEnum)

# PostgreSQL cannot hold NUL, no database can hold half a surrogate pair; both occur in foreign mail.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class Instant(sa.TypeDecorator[datetime]):
    """A moment: aware UTC on both sides.

    On SQLite it is text of fixed width, which sorts by time: SQLAlchemy's own DATETIME column has NUMERIC affinity there, and
    a comparison with a shortened text would compare with a number.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(sa.String(27) if dialect.name == "sqlite" else sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime: {value!r}")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z" if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        result: datetime = moment.astimezone(UTC)  # psycopg answers in the session's zone
        return result


class Wall(sa.TypeDecorator[datetime]):
    """A wall time without zone, as ISO text: no database converts it, and it sorts."""

    impl = sa.String(26)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else wall_text(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


class Walls(sa.TypeDecorator[tuple[datetime, ...]]):
    """Wall times as a JSON list."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: tuple[datetime, ...] | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else json.dumps([wall_text(one) for one in value])

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> tuple[datetime, ...] | None:
        return None if value is None else tuple(datetime.fromisoformat(one) for one in json.loads(value))


class Span(sa.TypeDecorator[timedelta]):
    """A duration in whole seconds, the finest that RFC 5545 3.3.6 can say."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else whole_seconds(value)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> timedelta | None:
        return None if value is None else timedelta(seconds=value)


class Spans(sa.TypeDecorator[tuple[timedelta, ...]]):
    """Durations as a JSON list of seconds."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: tuple[timedelta, ...] | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else json.dumps([whole_seconds(one) for one in value])

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> tuple[timedelta, ...] | None:
        return None if value is None else tuple(timedelta(seconds=one) for one in json.loads(value))


class Pairs(sa.TypeDecorator[tuple[tuple[str, str], ...]]):
    """Pairs of texts as a JSON list."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: tuple[tuple[str, str], ...] | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> tuple[tuple[str, str], ...] | None:
        return None if value is None else tuple((one, other) for one, other in json.loads(value))


class Json(sa.TypeDecorator[dict[str, Any]]):
    """A JSON object as ASCII text, so that every character survives on every database."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: dict[str, Any] | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else json.dumps(value, sort_keys=True)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> dict[str, Any] | None:
        return None if value is None else dict(json.loads(value))


class Prose(sa.TypeDecorator[str]):
    """Text of people and of foreign programs; what no database can hold becomes U+FFFD instead of an error."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else _UNSTORABLE.sub("\ufffd", value)


class Choice(sa.TypeDecorator[E]):
    """A member of an enum, stored as its value: a new member needs no migration."""

    impl = sa.String(32)
    cache_ok = True

    def __init__(self, choices: type[E]) -> None:
        super().__init__()
        self.choices = choices

    def process_bind_param(self, value: E | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else self.choices(value).value

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> E | None:
        return None if value is None else self.choices(value)


def wall_text(moment: datetime) -> str:
    """Return the ISO text of a wall time. Raises ValueError if it carries a zone."""
    if moment.tzinfo is not None:
        raise ValueError(f"a wall time has no zone: {moment!r}")
    return moment.isoformat()


def whole_seconds(span: timedelta) -> int:
    """Return the seconds. Raises ValueError if a fraction would be lost."""
    if span.microseconds:
        raise ValueError(f"durations are kept in whole seconds: {span!r}")
    return span // timedelta(seconds=1)
