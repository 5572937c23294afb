"""Mails that reached the answer mailbox, each with its outcome, so that none is handled twice and none disappears."""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa

from daemon.core.errors import NotFound
from daemon.core.journal import InboxMail
from daemon.store.rows import columns, like, value
from daemon.store.schema import inbox

_INSERT = sa.insert(inbox)
_SEEN = sa.select(sa.literal(1)).where(inbox.c.digest == sa.bindparam("of_digest"))
_OUTCOME = sa.select(inbox.c.outcome).where(inbox.c.digest == sa.bindparam("of_digest"))
_UPDATE = (
    sa.update(inbox)
    .where(inbox.c.id == sa.bindparam("of_id"))
    .values(
        outcome=sa.bindparam("to_outcome", type_=inbox.c.outcome.type),
        reason=sa.bindparam("why", type_=inbox.c.reason.type),
        data=None,
    )
)
_GET = sa.select(inbox).where(inbox.c.id == sa.bindparam("of_id"))

_BEGINS = sa.select(inbox.c.id).where(inbox.c.id.like(sa.bindparam("beginning"), escape="/")).limit(2)


def seen(tx: sa.Connection, digest: str) -> bool:
    """True if a mail of these bytes was handled already."""
    return tx.scalar(_SEEN, {"of_digest": digest}) is not None


def outcome_of(tx: sa.Connection, digest: str) -> str | None:
    """Return how a mail of these bytes ended, or None if none was handled."""
    found: str | None = tx.scalar(_OUTCOME, {"of_digest": digest})
    return found


def add(tx: sa.Connection, mail: InboxMail) -> None:
    """Store a handled mail. Raises Conflict (when the transaction ends or before) if the same bytes were stored already."""
    tx.execute(_INSERT, columns(mail))


def settle(tx: sa.Connection, mail_id: str, *, outcome: str, reason: str) -> None:
    """Note how the mail ended after all; its bytes are needed no more."""
    tx.execute(_UPDATE, {"of_id": mail_id, "to_outcome": outcome, "why": reason})


def get(tx: sa.Connection, mail_id: str) -> InboxMail:
    """Return the mail. Raises NotFound."""
    row = tx.execute(_GET, {"of_id": mail_id}).one_or_none()
    if row is None:
        raise NotFound(f"There is no received mail “{mail_id}”.", field="mail")
    return value(InboxMail, row)


def find(tx: sa.Connection, text: str) -> InboxMail:
    """Return the mail of this id, or the only one whose id begins like that. Raises NotFound."""
    ids = tuple(tx.scalars(_BEGINS, {"beginning": f"{like(text)}%"})) if text else ()
    if len(ids) > 1 and text not in ids:
        raise NotFound(f"Several received mails begin with “{text}”. Write more of the id.", field="mail")
    return get(tx, ids[0] if len(ids) == 1 else text)


def list_(tx: sa.Connection, *, outcome: str | None = None, entry: str | None = None, limit: int = 100) -> tuple[InboxMail, ...]:
    """Return the mails received last, newest first, without their bytes (`get` has them)."""
    wanted = {name: one for name, one in (("outcome", outcome), ("entry", entry)) if one is not None}
    rows = tx.execute(_listing(tuple(wanted)), wanted | {"most": limit})
    return tuple(value(InboxMail, row) for row in rows)


@cache
def _listing(names: tuple[str, ...]) -> sa.Select[Any]:
    light = [sa.null().label("data") if column is inbox.c.data else column for column in inbox.c]
    order = (inbox.c.received.desc(), inbox.c.id)
    chosen = sa.select(*light).order_by(*order).limit(sa.bindparam("most", type_=sa.Integer))
    for name in names:
        chosen = chosen.where(inbox.c[name] == sa.bindparam(name))
    return chosen
