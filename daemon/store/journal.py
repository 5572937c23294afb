"""The delivery journal: what happened to each entry and each attendee, in words. Lines are only added."""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa

from daemon.core.journal import Line
from daemon.store.rows import columns, value
from daemon.store.schema import journal

_INSERT = sa.insert(journal)


def add(tx: sa.Connection, *lines: Line) -> None:
    """Add lines, in this order."""
    if lines:
        tx.execute(_INSERT, [columns(line) for line in lines])


def list_(
    tx: sa.Connection,
    *,
    entry: str | None = None,
    owner: str | None = None,
    attendee: str | None = None,
    action: str | None = None,
    limit: int = 100,
) -> tuple[Line, ...]:
    """Return the newest lines, newest first, narrowed by what is given."""
    given = {"entry": entry, "owner": owner, "attendee": attendee, "action": action}
    wanted = {name: one for name, one in given.items() if one is not None}
    rows = tx.execute(_listing(tuple(wanted)), wanted | {"most": limit})
    return tuple(value(Line, row) for row in rows)


@cache
def _listing(names: tuple[str, ...]) -> sa.Select[Any]:
    chosen = sa.select(journal).order_by(journal.c.id.desc()).limit(sa.bindparam("most", type_=sa.Integer))
    for name in names:
        chosen = chosen.where(journal.c[name] == sa.bindparam(name))
    return chosen
