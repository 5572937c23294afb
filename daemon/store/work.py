"""Work owed to the outside world: one row says what must happen and not before when.

| need                          | how the row does it                                                                         |
| ----------------------------- | ------------------------------------------------------------------------------------------- |
| saved with its cause          | `put` writes in the caller's transaction                                                    |
| dedup, move, one worker       | the key is a name we choose: `mail:<entry>:<attendee>`, `calendar:<id>`; `put` is an upsert |
| back-off, next look           | `due`                                                                                       |
| a holder that died            | `held_until` runs out and the next one takes the row                                        |
| a holder that is late         | everything it writes about the row asks for its own `holder`; otherwise `Lost`              |
| asked for again while it runs | `wish` grew: `finish` then frees the row instead of deleting it                             |
| a job that kills its process  | `deaths` counts claims that ended in nothing; beyond the limit the row is parked at claim   |
| a person must look            | parked: `due` NULL, `parked` since when                                                     |

A due time is an order, not an appointment. Not here: when to try again (`core.retry`), who is told, how long a hold lasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from daemon.core.errors import NotFound
from daemon.store.engine import will_ring
from daemon.store.rows import value
from daemon.store.schema import work
from daemon.store.types import Instant

MAIL, BULK, REMIND, CALENDAR, INBOX, HOUSE = "mail", "bulk", "remind", "calendar", "inbox", "house"

# Kinds whose row is the lock on something outside: taken away while it is held, it could be put anew and held twice.
#   calendar  two handlers on one account;  inbox  two readers of one mailbox
#   mail, bulk  besides, a mail that went out would be forgotten with its row
# A reminder is the contrary: cancelled while it is written, it must not be written.
_KEPT_WHILE_HELD = (MAIL, BULK, CALENDAR, INBOX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A row as it was claimed or listed. `due` None and `parked`: waits for a person.

    `error` is what the last try ended with, until one goes well. `tries` counts claims since it was last asked for, this one
    included. `deaths` counts those of them that ended neither in
    success nor in failure: a holder that died or stood still, the only case in which the act may have happened unrecorded.
    `first_failed` is when the failing began. All times are UTC.
    """

    key: str
    kind: str
    args: dict[str, Any] = field(default_factory=dict)
    due: datetime | None
    wish: int
    tries: int
    deaths: int
    holder: str | None
    held_until: datetime | None
    error: str
    first_failed: datetime | None
    parked: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """`jobs` are held by the claimer now. `parked` killed their holders too often: nobody runs them, somebody is to be told."""

    jobs: tuple[Job, ...]
    parked: tuple[Job, ...]


class Lost(Exception):  # noqa: N818 - a word of the queue: neither the server's error nor a person's
    """The job is another's now, or cancelled: what this transaction did must be undone."""


def _param(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name)


def _moment(name: str) -> sa.BindParameter[datetime]:
    return sa.bindparam(name, type_=Instant)


def _upsert(insert: Any) -> Any:
    ask = insert(work)
    anew = {
        "kind": ask.excluded.kind,
        "due": ask.excluded.due,
        "args": ask.excluded.args,
        "wish": work.c.wish + 1,
        "tries": 0,
        "deaths": sa.case((work.c.parked.is_(None), work.c.deaths), else_=0),
        "error": sa.case((work.c.parked.is_(None), work.c.error), else_=""),
        "first_failed": None,
        "parked": None,
    }
    return ask.on_conflict_do_update(index_elements=[work.c.key], set_=anew)


# Built once: building a statement costs three times what running it does.
_PUT = {"sqlite": _upsert(sqlite.insert), "postgresql": _upsert(postgresql.insert)}
_FREE: dict[str, Any] = {"holder": None, "held_until": None}


def _ripe(name: str, most: str, *only: sa.ColumnElement[bool]) -> sa.CTE:
    return (
        sa.select(work.c.key, work.c.due)
        .where(work.c.kind == _param("of_kind"), work.c.due <= _moment("now"), *only)
        .where(sa.or_(work.c.held_until.is_(None), work.c.held_until <= _moment("now")))
        .order_by(work.c.due)
        .limit(sa.bindparam(most, type_=sa.Integer))
        .with_for_update(skip_locked=True)  # SQLAlchemy leaves it out on SQLite, which has one writer
        .cte(name)  # a CTE: PostgreSQL may run a plain sub-select twice and claim too much
    )


def _claim(chosen: sa.Select[Any]) -> sa.UpdateBase:
    return (
        sa.update(work)
        .where(work.c.key.in_(chosen))
        .values(
            holder=_param("token"),
            held_until=_moment("until"),
            tries=work.c.tries + 1,
            deaths=work.c.deaths + sa.case((work.c.holder.is_(None), 0), else_=1),
        )
        .returning(work)
    )


_SOUND, _FAILED = work.c.error == "", work.c.error != ""
CLAIM = _claim(sa.select(_ripe("ripe", "most").c.key))
_EITHER = sa.union_all(sa.select(_ripe("sound", "most", _SOUND)), sa.select(_ripe("failed", "wary", _FAILED))).subquery()
_CLAIM_WARILY = _claim(sa.select(_EITHER.c.key).order_by(_EITHER.c.due).limit(sa.bindparam("most", type_=sa.Integer)))
NEXT_DUE = (
    sa.select(work.c.due)
    .where(work.c.kind == _param("of_kind"), work.c.due.is_not(None), work.c.holder.is_(None))
    .order_by(work.c.due)
    .limit(1)
)
_NEXT_SOUND = NEXT_DUE.where(_SOUND)
_OF_KEY = work.c.key == _param("of_key")
_MINE = sa.and_(_OF_KEY, work.c.holder == _param("of_holder"))
_MINE_LOCKED = sa.select(work.c.key).where(_MINE).with_for_update()
_SAME_WISH = work.c.wish == _param("of_wish")
_DONE = sa.delete(work).where(_MINE, _SAME_WISH)
_AGAIN = (
    sa.update(work).where(_MINE, _SAME_WISH).values(due=_moment("at"), tries=0, deaths=0, error="", first_failed=None, **_FREE)
)
_LET_GO = sa.update(work).where(_MINE).values(deaths=0, error=_param("why"), **_FREE).returning(work.c.kind, work.c.due)
_FAIL = (
    sa.update(work)
    .where(_MINE, _SAME_WISH)
    .values(
        due=_moment("at"),
        error=_param("why"),
        first_failed=sa.func.coalesce(work.c.first_failed, _moment("now")),
        parked=_moment("parked_at"),
        deaths=0,
        **_FREE,
    )
)
_PARK_CLAIMED = sa.update(work).where(_MINE).values(due=None, parked=_moment("now"), error=_param("why"), **_FREE).returning(work)
_RENEW = (
    sa.update(work)
    .where(work.c.key.in_(sa.bindparam("keys", expanding=True)), work.c.holder.in_(sa.bindparam("holders", expanding=True)))
    .values(held_until=_moment("until"))
    .returning(work.c.key, work.c.holder)
)
_PROGRESS = sa.update(work).where(_MINE).values(deaths=0)
_RELEASE = (
    sa.update(work)
    .where(_MINE)
    .values(tries=sa.case((work.c.tries > 0, work.c.tries - 1), else_=0), **_FREE)
    .returning(work.c.kind)
)
_FREE_ALL = sa.update(work).where(work.c.holder.is_not(None)).values(deaths=work.c.deaths + 1, **_FREE)
_LOOK = (
    sa.select(work.c.key, work.c.kind, work.c.holder)
    .where(work.c.key.in_(sa.bindparam("keys", expanding=True)))
    .order_by(work.c.key)
    .with_for_update()
)
_CANCEL_HELD = sa.update(work).where(_OF_KEY).values(due=_moment("now"), wish=work.c.wish + 1)
_CANCEL = sa.delete(work).where(work.c.key.in_(sa.bindparam("keys", expanding=True)))
_GET = sa.select(work).where(_OF_KEY)
_OF_KEYS = sa.select(work).where(work.c.key.in_(sa.bindparam("keys", expanding=True)))
_RETRY = (
    sa.update(work)
    .where(_OF_KEY)
    .values(due=_moment("now"), wish=work.c.wish + 1, tries=0, deaths=0, first_failed=None, parked=None)
    .returning(work.c.kind)
)
_HASTEN = (
    sa.update(work)
    .where(work.c.kind == _param("of_kind"), work.c.due > _moment("now"))
    .where(work.c.first_failed.is_not(None), work.c.holder.is_(None))
    .values(due=_moment("now"))
)


def put(tx: sa.Connection, *, key: str, kind: str, due: datetime, args: dict[str, Any] | None = None) -> None:
    """Ask for the work, or move it and change its arguments if it was asked for already. What was parked runs again.

    If it is held just now, the holder goes on and the row is due anew afterwards.
    """
    given = {"key": key, "kind": kind, "due": due, "args": args or {}, "wish": 1, "tries": 0, "deaths": 0, "error": ""}
    tx.execute(_PUT[tx.dialect.name], given)
    will_ring(tx, kind, due)


def cancel(tx: sa.Connection, *keys: str, now: datetime) -> None:
    """Take the work away; unknown keys are fine.

    A held row of the kinds mail, calendar and inbox stays and is made due instead: its next holder looks, finds nothing to do
    and finishes it.
    """
    if not keys:
        return
    rows = tx.execute(_LOOK, {"keys": list(keys)}).all()
    kept = [row.key for row in rows if row.holder is not None and row.kind in _KEPT_WHILE_HELD]
    gone = [row.key for row in rows if row.key not in kept]
    if kept:
        tx.execute(_CANCEL_HELD, [{"of_key": key, "now": now} for key in kept])
    if gone:
        tx.execute(_CANCEL, {"keys": gone})


def claim(
    tx: sa.Connection,
    kind: str,
    *,
    now: datetime,
    hold: timedelta,
    most: int,
    token: str,
    deaths: int = 12,
    wary: int | None = None,
) -> Claim:
    """Take up to `most` rows of the kind that are due and free, oldest first, until `now + hold`.

    `token` names this claim and must be new. Rows that killed their holders `deaths` times in a row are parked instead. With
    `wary`, at most so many of the rows are such that failed at their last try.
    """
    given = {"of_kind": kind, "now": now, "until": now + hold, "token": token, "most": most}
    taken = tx.execute(CLAIM, given) if wary is None else tx.execute(_CLAIM_WARILY, given | {"wary": wary})
    jobs, parked = [], []
    for row in taken.all():
        if row.deaths < deaths:
            jobs.append(value(Job, row))
            continue
        why = f"Whoever worked on this died or stood still, {row.deaths} times in a row. It was put aside."
        ended = {"of_key": row.key, "of_holder": token, "now": now, "why": why}
        parked.append(value(Job, tx.execute(_PARK_CLAIMED, ended).one()))
    jobs.sort(key=lambda job: (job.due or now, job.key))  # RETURNING promises no order
    return Claim(jobs=tuple(jobs), parked=tuple(parked))


def next_due(tx: sa.Connection, kind: str, *, sound: bool = False) -> datetime | None:
    """Return when the next free row of the kind is due (perhaps in the past), or None. Holds that may run out are not counted.

    `sound`: without rows that failed at their last try.
    """
    due: datetime | None = tx.scalar(_NEXT_SOUND if sound else NEXT_DUE, {"of_kind": kind})
    return due


def finish(tx: sa.Connection, job: Job, *, again: datetime | None = None) -> None:
    """The job is done: its row goes, or is due `again`. If it was asked for anew meanwhile, that wish stays instead.

    Raises Lost if it is not the caller's any more.
    """
    given = _of(job)
    ended = tx.execute(_DONE, given) if again is None else tx.execute(_AGAIN, given | {"at": again})
    if not ended.rowcount:
        _let_go(tx, job, why="")
    elif again is not None:
        will_ring(tx, job.kind, again)


def fail(tx: sa.Connection, job: Job, *, error: str, at: datetime, now: datetime) -> None:
    """The job failed and is due again `at`; if it was asked for anew meanwhile, at that wish's time. Raises Lost, as above."""
    if not tx.execute(_FAIL, _of(job) | {"at": at, "why": error, "now": now, "parked_at": None}).rowcount:
        _let_go(tx, job, why=error)
    else:
        will_ring(tx, job.kind, at)


def park(tx: sa.Connection, job: Job, *, error: str, now: datetime) -> bool:
    """Put the job aside until a person looks. False: it was asked for anew meanwhile and runs again. Raises Lost, as above."""
    if tx.execute(_FAIL, _of(job) | {"at": None, "why": error, "now": now, "parked_at": now}).rowcount:
        return True
    _let_go(tx, job, why=error)
    return False


def renew(tx: sa.Connection, jobs: Sequence[Job], *, until: datetime) -> tuple[Job, ...]:
    """Hold all these jobs until then, in one statement. Returns those that are lost."""
    if not jobs:
        return ()
    given = {"keys": [job.key for job in jobs], "holders": list({job.holder for job in jobs}), "until": until}
    held = {(row.key, row.holder) for row in tx.execute(_RENEW, given)}
    return tuple(job for job in jobs if (job.key, job.holder) not in held)


def require(tx: sa.Connection, job: Job) -> None:
    """Raise Lost unless the job is still the caller's. Nobody else can take it before this transaction ends."""
    if tx.execute(_MINE_LOCKED, _of(job)).one_or_none() is None:
        raise Lost(job.key)


def progress(tx: sa.Connection, job: Job) -> None:
    """A part of the job is recorded by this transaction, so this is no claim that ends in nothing. Raises Lost, as above.

    For work of many parts, like a calendar's turn: on a machine that fails again and again it must not be put aside. Who holds a
    row without `deaths` may do without.
    """
    if not tx.execute(_PROGRESS, _of(job)).rowcount:
        raise Lost(job.key)


def release(tx: sa.Connection, job: Job, *, now: datetime) -> None:
    """Give the job back as if it had not been claimed: the daemon stops. Fine if it is another's by now."""
    kind = tx.scalar(_RELEASE, _of(job))
    if kind is not None:
        will_ring(tx, kind, now)


def free_all(tx: sa.Connection) -> int:
    """For a database with one process, at its start: whoever held something is dead. Returns how many rows were held."""
    return tx.execute(_FREE_ALL).rowcount


def hasten(tx: sa.Connection, kind: str, *, now: datetime) -> int:
    """The server answers again: make the kind's failed rows due that wait for their next try. Returns how many."""
    count = tx.execute(_HASTEN, {"of_kind": kind, "now": now}).rowcount
    if count:
        will_ring(tx, kind, now)
    return count


def get(tx: sa.Connection, key: str) -> Job:
    """Return the row. Raises NotFound."""
    row = tx.execute(_GET, {"of_key": key}).one_or_none()
    if row is None:
        raise NotFound(f"There is no work “{key}”. It may be done by now.", field="key")
    return value(Job, row)


def of_keys(tx: sa.Connection, keys: Sequence[str]) -> tuple[Job, ...]:
    """Return the rows of these keys that there are."""
    return tuple(value(Job, row) for row in tx.execute(_OF_KEYS, {"keys": list(keys)})) if keys else ()


def list_(tx: sa.Connection, *, kind: str | None = None, parked: bool | None = None, limit: int = 100) -> tuple[Job, ...]:
    """Return rows, parked ones first, then by due time."""
    chosen = sa.select(work).order_by(work.c.due.nulls_first(), work.c.key).limit(limit)
    if kind is not None:
        chosen = chosen.where(work.c.kind == kind)
    if parked is not None:
        chosen = chosen.where(work.c.due.is_(None) if parked else work.c.due.is_not(None))
    return tuple(value(Job, row) for row in tx.execute(chosen))


def retry(tx: sa.Connection, key: str, *, now: datetime) -> None:
    """Make the row due now, also if it is parked, and count its tries anew. Raises NotFound."""
    kind = tx.scalar(_RETRY, {"of_key": key, "now": now})
    if kind is None:
        get(tx, key)
    will_ring(tx, str(kind), now)


def drop(tx: sa.Connection, key: str, *, now: datetime) -> None:
    """`cancel` for a person: raises NotFound if there is no such row."""
    get(tx, key)
    cancel(tx, key, now=now)


def _of(job: Job) -> dict[str, Any]:
    return {"of_key": job.key, "of_holder": job.holder, "of_wish": job.wish}


def _let_go(tx: sa.Connection, job: Job, *, why: str) -> None:
    freed = tx.execute(_LET_GO, _of(job) | {"why": why}).one_or_none()
    if freed is None:
        raise Lost(job.key)
    if freed.due is not None:
        will_ring(tx, freed.kind, freed.due)
