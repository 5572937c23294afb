"""Generations of answer links: a row stands only where a person's links were revoked; everybody else's generation is 0."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from daemon.store.schema import answer_link

_OF_ENTRY = sa.select(answer_link.c.attendee, answer_link.c.generation).where(answer_link.c.entry == sa.bindparam("of_entry"))
_KEY = [answer_link.c.entry, answer_link.c.attendee]
_RAISE = {
    "sqlite": sqlite.insert(answer_link).on_conflict_do_update(
        index_elements=_KEY, set_={"generation": answer_link.c.generation + 1}
    ),
    "postgresql": postgresql.insert(answer_link).on_conflict_do_update(
        index_elements=_KEY, set_={"generation": answer_link.c.generation + 1}
    ),
}


def generations(tx: sa.Connection, entry: str) -> dict[str, int]:
    """Return the generation of each person whose links were revoked; it is 0 for those who are not in it."""
    return {row.attendee: row.generation for row in tx.execute(_OF_ENTRY, {"of_entry": entry})}


def revoke(tx: sa.Connection, entry: str, *attendees: str) -> None:
    """Let every link that these people have got so far be dead. A later one works."""
    if attendees:
        tx.execute(_RAISE[tx.dialect.name], [{"entry": entry, "attendee": one, "generation": 1} for one in attendees])
