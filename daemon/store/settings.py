"""Single values the service must not forget: the tz data its instants were derived from, how far the mailbox was read, …"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from daemon.store.schema import setting

TZDATA = "tzdata"  # version by which entries' instants and due times were derived
MAILBOX = "mailbox"  # ports.Mark, as JSON

_GET = sa.select(setting.c.value).where(setting.c.key == sa.bindparam("of_key"))
_PUT = {
    "sqlite": sqlite.insert(setting).on_conflict_do_update(
        index_elements=[setting.c.key], set_={"value": sqlite.insert(setting).excluded.value}
    ),
    "postgresql": postgresql.insert(setting).on_conflict_do_update(
        index_elements=[setting.c.key], set_={"value": postgresql.insert(setting).excluded.value}
    ),
}


def get(tx: sa.Connection, key: str) -> str | None:
    """Return the value, or None if it was never put."""
    found: str | None = tx.scalar(_GET, {"of_key": key})
    return found


def put(tx: sa.Connection, key: str, text: str) -> None:
    """Keep the value instead of the one before."""
    tx.execute(_PUT[tx.dialect.name], {"key": key, "value": text})
