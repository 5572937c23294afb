"""Session numbers: whose each one is, and those that rest after their entry was deleted: old invitations lead nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from daemon.core.errors import Refused
from daemon.core.numbers import draw_number
from daemon.store.schema import number
from daemon.store.types import Instant

RESERVED, QUARANTINED = "reserved", "quarantined"
_DRAWS = 100

_INSERT = {
    "sqlite": sqlite.insert(number).on_conflict_do_nothing().returning(number.c.number),
    "postgresql": postgresql.insert(number).on_conflict_do_nothing().returning(number.c.number),
}
_OF = number.c.number == sa.bindparam("of_number")
_OVER = sa.and_(number.c.state == QUARANTINED, number.c.free_after <= sa.bindparam("now", type_=Instant))
_TAKE_OVER = sa.update(number).where(_OF, _OVER).values(state=RESERVED, entry=sa.bindparam("of_entry"), free_after=None)
_QUARANTINE = sa.update(number).where(_OF).values(state=QUARANTINED, entry=None, free_after=sa.bindparam("until", type_=Instant))
_RELEASE = sa.delete(number).where(_OVER)
_ENTRY = sa.select(number.c.entry).where(_OF, number.c.state == RESERVED)


def reserve(tx: sa.Connection, draw: Callable[[int], int], entry: str, now: datetime) -> str:
    """Return a number that is the entry's from now on. The entry itself has to be stored in the same transaction.

    Draws again while the number is taken or in quarantine. Raises Refused if a hundred draws were in vain.
    """
    for _ in range(_DRAWS):
        drawn = draw_number(draw)
        if tx.scalar(_INSERT[tx.dialect.name], {"number": drawn, "entry": entry, "state": RESERVED}) is not None:
            return drawn
        if tx.execute(_TAKE_OVER, {"of_number": drawn, "of_entry": entry, "now": now}).rowcount:
            return drawn
    raise Refused("No free session number was found: nearly all of them are taken. Delete old entries.")


def quarantine(tx: sa.Connection, text: str, until: datetime) -> None:
    """Take the number (nine digits) from its entry; nobody gets it before `until`."""
    tx.execute(_QUARANTINE, {"of_number": text, "until": until})


def release_expired(tx: sa.Connection, now: datetime) -> int:
    """Forget the numbers whose quarantine is over. Returns how many."""
    return tx.execute(_RELEASE, {"now": now}).rowcount


def owner_of(tx: sa.Connection, text: str) -> str | None:
    """Return the id of the entry that has the number (nine digits), or None if nobody has it, or it is in quarantine."""
    found: str | None = tx.scalar(_ENTRY, {"of_number": text})
    return found
