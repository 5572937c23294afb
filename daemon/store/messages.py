"""Mails written out before they are sent, and what each attendee was last told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from daemon.core.delivery import Message, MessageState, Sent, sent_from_json, sent_to_json
from daemon.core.errors import NotFound
from daemon.store.rows import columns, value
from daemon.store.schema import message, sent, work
from daemon.store.types import Instant

_ID = message.c.id == sa.bindparam("of_id")
_GET = sa.select(message).where(_ID)
_OF_WORK = message.c.work == sa.bindparam("of_work")
_NEXT_POSITION = sa.select(sa.func.coalesce(sa.func.max(message.c.position), 0) + 1).where(_OF_WORK)
_INSERT = sa.insert(message).values(position=_NEXT_POSITION.scalar_subquery())
_PENDING = sa.select(message).where(_OF_WORK, message.c.state == MessageState.PENDING).order_by(message.c.position)
_OF_ENTRY = (
    sa.select(*[sa.null().label("data") if column is message.c.data else column for column in message.c])
    .where(message.c.entry == sa.bindparam("of_entry"))
    .order_by(message.c.created, message.c.work, message.c.position)
)
_BY_MESSAGE_IDS = sa.select(message.c.message_id, message.c.entry).where(
    message.c.message_id.in_(sa.bindparam("ids", expanding=True))
)
_RECIPIENTS = sa.select(message.c.message_id, message.c.entry, message.c.recipient).where(
    message.c.message_id.in_(sa.bindparam("ids", expanding=True))
)
_LAST_WRITTEN = (
    sa.select(message.c.created)
    .where(_OF_WORK, message.c.state.in_((MessageState.SENT, MessageState.PENDING)))
    .order_by(message.c.created.desc())
    .limit(1)
)
_TRY = sa.update(message).where(_ID).values(tried=message.c.tried + 1)
_MARK = (
    sa.update(message)
    .where(_ID, message.c.state == MessageState.PENDING)
    .values(
        state=sa.bindparam("to_state", type_=message.c.state.type),
        sent_at=sa.bindparam("at", type_=Instant),
        reply=sa.bindparam("words", type_=message.c.reply.type),
        data=None,
        sent_after=None,
    )
)
_ORPHANS = (
    sa.select(message.c.id)
    .where(message.c.state == MessageState.PENDING, message.c.created <= sa.bindparam("until", type_=Instant))
    .where(~sa.exists().where(work.c.key == message.c.work))
    .order_by(message.c.id)
)
_SENT = sa.select(sent.c.data).where(sent.c.entry == sa.bindparam("of_entry"), sent.c.attendee == sa.bindparam("of_attendee"))
_SENTS = sa.select(sent.c.data).where(sent.c.entry == sa.bindparam("of_entry")).order_by(sent.c.attendee)
_KEY = [sent.c.entry, sent.c.attendee]
_PUT_SENT = {
    "sqlite": sqlite.insert(sent).on_conflict_do_update(index_elements=_KEY, set_={"data": sqlite.insert(sent).excluded.data}),
    "postgresql": postgresql.insert(sent).on_conflict_do_update(
        index_elements=_KEY, set_={"data": postgresql.insert(sent).excluded.data}
    ),
}


def insert(tx: sa.Connection, *new: Message) -> None:
    """Store messages; within their work they are sent in the order of storing."""
    for one in new:
        tx.execute(_INSERT, columns(one) | {"of_work": one.work})


def get(tx: sa.Connection, message_id: str) -> Message:
    """Return the message. Raises NotFound."""
    row = tx.execute(_GET, {"of_id": message_id}).one_or_none()
    if row is None:
        raise NotFound(f"There is no message “{message_id}”.", field="message")
    return value(Message, row)


def pending(tx: sa.Connection, work: str) -> tuple[Message, ...]:
    """Return what is still to be sent for this work key, in order."""
    return tuple(value(Message, row) for row in tx.execute(_PENDING, {"of_work": work}))


def orphans(tx: sa.Connection, *, until: datetime) -> tuple[str, ...]:
    """Return the ids of messages from `until` or before that wait to be sent although no work row asks for them any more.

    Looks at every message.
    """
    return tuple(tx.scalars(_ORPHANS, {"until": until}))


def of_entry(tx: sa.Connection, entry: str) -> tuple[Message, ...]:
    """Return every message about the entry in the order of writing, without the bytes (`get` has them)."""
    return tuple(value(Message, row) for row in tx.execute(_OF_ENTRY, {"of_entry": entry}))


def entry_of(tx: sa.Connection, message_ids: Sequence[str]) -> str | None:
    """Return the entry that a mail of ours with one of these Message-IDs was about, the first one named; None if none is ours."""
    if not message_ids:
        return None
    found = {row.message_id: row.entry for row in tx.execute(_BY_MESSAGE_IDS, {"ids": list(message_ids)[:50]})}
    return next((found[one] for one in message_ids if found.get(one)), None)


def recipients_of(tx: sa.Connection, message_ids: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return entry and recipient of our mails with these Message-IDs, in the order in which they are named."""
    if not message_ids:
        return ()
    rows = tx.execute(_RECIPIENTS, {"ids": list(message_ids)[:50]})
    found = {row.message_id: (row.entry, row.recipient) for row in rows if row.entry is not None}
    return tuple(found[one] for one in message_ids if one in found)


def last_written(tx: sa.Connection, work: str) -> datetime | None:
    """Return when the latest message of this work key was written that was sent or waits to be."""
    found: datetime | None = tx.scalar(_LAST_WRITTEN, {"of_work": work})
    return found


def count_try(tx: sa.Connection, message_id: str) -> None:
    """Note, before the mail server is asked, that the message may go out now."""
    tx.execute(_TRY, {"of_id": message_id})


def mark_sent(tx: sa.Connection, message_id: str, *, at: datetime, reply: str) -> bool:
    """The mail server took it: keep its words, drop the bytes and `sent_after` (store that with `put_sent`).

    False, and nothing is changed: it does not wait to be sent any more. Raises NotFound.
    """
    return _mark(tx, message_id, MessageState.SENT, at, reply)


def mark_failed(tx: sa.Connection, message_id: str, *, reply: str) -> bool:
    """The mail server refused it for good, with these words. False, and NotFound: as above."""
    return _mark(tx, message_id, MessageState.FAILED, None, reply)


def drop(tx: sa.Connection, message_id: str, *, reason: str = "") -> bool:
    """Give the message up, unsent: a newer one says more. False, and NotFound: as above."""
    return _mark(tx, message_id, MessageState.DROPPED, None, reason)


def get_sent(tx: sa.Connection, entry: str, attendee: str) -> Sent | None:
    """Return what this attendee was last told, or None if nothing."""
    text: str | None = tx.scalar(_SENT, {"of_entry": entry, "of_attendee": attendee})
    return None if text is None else sent_from_json(text)


def all_sent(tx: sa.Connection, entry: str) -> tuple[Sent, ...]:
    """Return what each attendee of the entry, also a former one, was last told; by address."""
    return tuple(sent_from_json(text) for text in tx.scalars(_SENTS, {"of_entry": entry}))


def put_sent(tx: sa.Connection, told: Sent) -> None:
    """Keep this as what the attendee was last told."""
    tx.execute(_PUT_SENT[tx.dialect.name], {"entry": told.entry, "attendee": told.attendee, "data": sent_to_json(told)})


def _mark(tx: sa.Connection, message_id: str, state: MessageState, at: datetime | None, words: str) -> bool:
    given: dict[str, Any] = {"of_id": message_id, "to_state": state, "at": at, "words": words}
    if tx.execute(_MARK, given).rowcount:
        return True
    get(tx, message_id)
    return False
