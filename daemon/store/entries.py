"""Entries with attendees, occurrences and answers: read whole, in a constant number of statements, and written by differences.

Attendees keep their order; occurrences come sorted by `recurrence_id`, answers by date and attendee. The instants for listing
and the words for searching are derived; the first come from the caller, who knows zones and recurrence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from daemon.core.errors import Conflict, NotFound, Rejected
from daemon.core.model import Entry, EntryState
from daemon.core.numbers import parse_number, shown
from daemon.store import numbers
from daemon.store.entry_rows import CHILDREN, Children, child_rows, entry_row, folded, read_entry
from daemon.store.rows import like
from daemon.store.schema import entry
from daemon.store.types import Instant

_AT_ONCE = 5_000  # entries whose children are read by one statement; databases limit the number of parameters
_CANDIDATES = 6
_NUMBERISH = re.compile(r"[\d\s.\-\u2010-\u2015]{7,}")

_ID = entry.c.id == sa.bindparam("of_id")
_INSERT = sa.insert(entry)
_GET = sa.select(entry).where(_ID)
_GET_LOCKED = _GET.with_for_update()
_BY_UID = sa.select(entry).where(entry.c.uid == sa.bindparam("of_uid"))
_SAVE = sa.update(entry).where(_ID, entry.c.revision == sa.bindparam("expected"))  # the columns are those of the parameters
_REVISION = sa.select(entry.c.revision).where(_ID)
_PURGE = sa.delete(entry).where(_ID)


@cache
def _children_of_one(table: sa.Table) -> sa.Select[Any]:
    return sa.select(table).where(table.c.entry == sa.bindparam("of_entry"))


@cache
def _children(table: sa.Table) -> sa.Select[Any]:
    return sa.select(table).where(table.c.entry.in_(sa.bindparam("entries", expanding=True)))


def insert(tx: sa.Connection, new: Entry, *, first_start: datetime | None, last_end: datetime | None) -> None:
    """Store a new entry. `first_start`, `last_end`: UTC instants of its first start and last end; None without date or end.

    Raises Conflict if its id or UID is taken, or its owner is gone.
    """
    tx.execute(_INSERT, entry_row(new, first_start, last_end))
    for kind in CHILDREN:
        rows = list(child_rows(kind, new).values())
        if rows:
            tx.execute(kind.insert, rows)


def save(tx: sa.Connection, changed: Entry, *, first_start: datetime | None, last_end: datetime | None) -> None:
    """Store the next revision of an entry; rows of it that did not change are not touched.

    Raises Conflict unless the stored revision is the one before, and NotFound if there is none.
    """
    given = entry_row(changed, first_start, last_end)
    del given["id"]
    if not tx.execute(_SAVE, given | {"of_id": changed.id, "expected": changed.revision - 1}).rowcount:
        stored = revision(tx, changed.id)
        if stored is None:
            raise _unknown(changed.id)
        raise Conflict(f"“{changed.title}” was changed by somebody else meanwhile (revision {stored}). Look at it again.")
    stored_children = _load_children(tx, [changed.id])
    for kind in CHILDREN:
        old, new = stored_children.rows(kind, changed.id), child_rows(kind, changed)
        gone = [kind.name(key, changed.id) for key, row in old.items() if new.get(key) != row]
        if gone:
            tx.execute(kind.delete, gone)
        fresh = [row for key, row in new.items() if old.get(key) != row]
        if fresh:
            tx.execute(kind.insert, fresh)


def get(tx: sa.Connection, entry_id: str, *, lock: bool = False) -> Entry:
    """Return the entry of this id, tombstones included. Raises NotFound.

    `lock`: for what is read in order to be saved; on PostgreSQL another one then waits instead of being run again.
    """
    row = tx.execute(_GET_LOCKED if lock else _GET, {"of_id": entry_id}).one_or_none()
    if row is None:
        raise _unknown(entry_id)
    return _whole(tx, [row])[0]


def revision(tx: sa.Connection, entry_id: str) -> int | None:
    """Return the entry's revision, by which it can be told whether it is still as it was read; None if there is no such entry."""
    stored: int | None = tx.scalar(_REVISION, {"of_id": entry_id})
    return stored


def by_uid(tx: sa.Connection, uid: str) -> Entry | None:
    """Return the entry of this UID, tombstones included, or None."""
    row = tx.execute(_BY_UID, {"of_uid": uid}).one_or_none()
    return None if row is None else _whole(tx, [row])[0]


def find(tx: sa.Connection, text: str, owner: str | None = None) -> Entry:
    """Return the entry that a person named by id, UID, number (in any spelling), or the beginning of its title or id.

    With `owner`, only his entries are looked at. Deleted entries are found by id and UID only. Raises NotFound, and Rejected
    that lists the candidates where several begin so.
    """
    given = text.strip()
    wrong: Rejected | None = None
    try:
        named = numbers.owner_of(tx, parse_number(given))
    except Rejected as error:
        named, wrong = None, error if _NUMBERISH.fullmatch(given) else None
    rows = tx.execute(_exactly(owner is not None), {"text": named or given, "of_owner": owner}).all()
    if not rows and given:
        pattern = {"title": like(folded(given)) + "%", "id": like(given.lower()) + "%", "of_owner": owner}
        rows = tx.execute(_beginning(owner is not None), pattern).all()
    if len(rows) == 1:
        return _whole(tx, rows)[0]
    if rows:
        candidates = [f"{shown(row.number)} “{row.title}”" for row in rows]
        if len(rows) == _CANDIDATES:
            candidates[-1] = "…"
        raise Rejected(f"Several entries begin with “{given}”: {', '.join(candidates)}. Name one by its number.", field="entry")
    if wrong is not None:
        raise wrong
    raise _unknown(given)


@cache
def _exactly(of_owner: bool) -> sa.Select[Any]:
    chosen = sa.select(entry).where(sa.or_(entry.c.id == sa.bindparam("text"), entry.c.uid == sa.bindparam("text")))
    return chosen.where(entry.c.owner == sa.bindparam("of_owner")) if of_owner else chosen


@cache
def _beginning(of_owner: bool) -> sa.Select[Any]:
    text = sa.or_(
        entry.c.search.like(sa.bindparam("title", type_=sa.Text), escape="/"),
        entry.c.id.like(sa.bindparam("id", type_=sa.Text), escape="/"),
    )
    chosen = sa.select(entry).where(text, entry.c.state != EntryState.DELETED).order_by(entry.c.created.desc(), entry.c.id)
    return (chosen.where(entry.c.owner == sa.bindparam("of_owner")) if of_owner else chosen).limit(_CANDIDATES)


def list_(
    tx: sa.Connection,
    *,
    owner: str | None = None,
    states: Iterable[EntryState] = (EntryState.PLANNED, EntryState.CANCELLED),
    after: datetime | None = None,
    before: datetime | None = None,
    search: str = "",
    limit: int = 100,
    offset: int = 0,
) -> tuple[Entry, ...]:
    """Return entries by their first start, those without a date last.

    `after`: whose last end is after this instant, or who have none (endless, or without date). `before`: whose first start is
    before it; none without date. `search`: every word occurs in title, place, description, number, an attendee's name or address.
    """
    given = _given(owner, states, after, before, search)
    statement = _listing(given["owner"] is not None, after is not None, before is not None, len(given["words"]))
    rows = tx.execute(statement, _parameters(given) | {"most": limit, "skipped": offset}).all()
    return _whole(tx, rows)


def count(
    tx: sa.Connection,
    *,
    owner: str | None = None,
    states: Iterable[EntryState] = (EntryState.PLANNED, EntryState.CANCELLED),
    after: datetime | None = None,
    before: datetime | None = None,
    search: str = "",
) -> int:
    """Return how many entries `list_` would find without a limit."""
    given = _given(owner, states, after, before, search)
    statement = _counting(given["owner"] is not None, after is not None, before is not None, len(given["words"]))
    return int(tx.scalar(statement, _parameters(given)) or 0)


def purge(tx: sa.Connection, entry_id: str) -> None:
    """Forget the entry with everything that hangs on it (answers, links, marks, what was sent); journal and messages stay.

    Raises NotFound, and Rejected while it still has its number: that goes into quarantine first.
    """
    doomed = get(tx, entry_id)
    if numbers.owner_of(tx, doomed.number) == entry_id:
        raise Rejected(f"“{doomed.title}” still has its number {shown(doomed.number)}. Delete the entry before it is forgotten.")
    tx.execute(_PURGE, {"of_id": entry_id})


def _given(
    owner: str | None, states: Iterable[EntryState], after: datetime | None, before: datetime | None, search: str
) -> dict[str, Any]:
    return {"owner": owner, "states": list(states), "after": after, "before": before, "words": folded(search).split()}


def _parameters(given: dict[str, Any]) -> dict[str, Any]:
    words = {f"word{at}": f"%{like(word)}%" for at, word in enumerate(given["words"])}
    return {"of_owner": given["owner"], "states": given["states"], "after": given["after"], "before": given["before"]} | words


def _where(of_owner: bool, after: bool, before: bool, words: int) -> list[sa.ColumnElement[bool]]:
    states = sa.bindparam("states", expanding=True, type_=entry.c.state.type)
    out: list[sa.ColumnElement[bool]] = [entry.c.state.in_(states)]
    if of_owner:
        out.append(entry.c.owner == sa.bindparam("of_owner"))
    if after:
        out.append(sa.or_(entry.c.last_end.is_(None), entry.c.last_end > sa.bindparam("after", type_=Instant)))
    if before:
        out.append(entry.c.first_start < sa.bindparam("before", type_=Instant))
    return out + [entry.c.search.like(sa.bindparam(f"word{at}", type_=sa.Text), escape="/") for at in range(words)]


@cache
def _listing(of_owner: bool, after: bool, before: bool, words: int) -> sa.Select[Any]:
    chosen = sa.select(entry).where(*_where(of_owner, after, before, words))
    ordered = chosen.order_by(entry.c.first_start.nulls_last(), entry.c.created, entry.c.id)
    return ordered.limit(sa.bindparam("most", type_=sa.Integer)).offset(sa.bindparam("skipped", type_=sa.Integer))


@cache
def _counting(of_owner: bool, after: bool, before: bool, words: int) -> sa.Select[Any]:
    return sa.select(sa.func.count()).select_from(entry).where(*_where(of_owner, after, before, words))


def _whole(tx: sa.Connection, rows: Sequence[sa.Row[Any]]) -> tuple[Entry, ...]:
    children = _load_children(tx, [row.id for row in rows])
    return tuple(read_entry(row, children) for row in rows)


def _load_children(tx: sa.Connection, ids: list[str]) -> Children:
    children = Children()
    for kind in CHILDREN:
        if len(ids) == 1:  # the usual case, and without a list in it the statement is quicker
            children.add(kind, tx.execute(_children_of_one(kind.table), {"of_entry": ids[0]}))
            continue
        for at in range(0, len(ids), _AT_ONCE):
            children.add(kind, tx.execute(_children(kind.table), {"entries": ids[at : at + _AT_ONCE]}))
    return children


def _unknown(text: str) -> NotFound:
    return NotFound(f"There is no entry “{text}”. Name it by its number, its id, or the beginning of its title.", field="entry")
