"""How much work there is, for persons and their monitoring. What a row means stands in `work`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from daemon.store.rows import value
from daemon.store.schema import work
from daemon.store.types import Instant

_NOW = sa.bindparam("now", type_=Instant)
_HELD = sa.and_(work.c.holder.is_not(None), work.c.held_until > _NOW)


def _how_many(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)


_COUNTS = (
    sa.select(
        work.c.kind,
        _how_many(sa.and_(work.c.due > _NOW, sa.not_(_HELD))).label("waiting"),
        _how_many(sa.and_(work.c.due <= _NOW, sa.not_(_HELD))).label("ripe"),
        _how_many(sa.and_(_HELD, work.c.due.is_not(None))).label("held"),
        _how_many(work.c.due.is_(None)).label("parked"),
        sa.func.min(work.c.due).label("oldest"),
    )
    .group_by(work.c.kind)
    .order_by(work.c.kind)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Rows of one kind: not due yet, due and free, held, parked; and the due time of the oldest that is not parked."""

    kind: str
    waiting: int
    ripe: int
    held: int
    parked: int
    oldest: datetime | None


def counts(tx: sa.Connection, *, now: datetime) -> tuple[Count, ...]:
    """Return how many rows of each kind there are. Looks at every row."""
    return tuple(value(Count, row) for row in tx.execute(_COUNTS, {"now": now}))
