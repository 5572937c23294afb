"""Addresses that people answered from and that are known to be theirs: confirmed by the owner, or vouched for by mail servers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from daemon.store.schema import alias

_OF = sa.select(alias.c.address, alias.c.attendee).where(alias.c.address.in_(sa.bindparam("addresses", expanding=True)))
_PUT = {
    "sqlite": sqlite.insert(alias).on_conflict_do_update(
        index_elements=[alias.c.address],
        set_={"attendee": sqlite.insert(alias).excluded.attendee, "at": sqlite.insert(alias).excluded.at},
    ),
    "postgresql": postgresql.insert(alias).on_conflict_do_update(
        index_elements=[alias.c.address],
        set_={"attendee": postgresql.insert(alias).excluded.attendee, "at": postgresql.insert(alias).excluded.at},
    ),
}


def put(tx: sa.Connection, address: str, attendee: str, *, at: datetime) -> None:
    """Remember that the address is the attendee's."""
    tx.execute(_PUT[tx.dialect.name], {"address": address, "attendee": attendee, "at": at})


def known(tx: sa.Connection, addresses: Iterable[str]) -> dict[str, str]:
    """Return address → attendee for those that are known to be somebody's."""
    wanted = sorted(set(addresses))[:500]
    return {row.address: row.attendee for row in tx.execute(_OF, {"addresses": wanted})} if wanted else {}
