"""What the owner is told when something of his was put aside: which row failed, for whom, in whose words.

Everything of one entry (or one calendar) that fails within a short time is one mail: a mail server that stays away for days
fails for every attendee at once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from daemon.core.delivery import Message
from daemon.core.errors import NotFound
from daemon.core.journal import Line
from daemon.core.model import Entry, Owner
from daemon.planner.causes import people
from daemon.planner.wishes import Desk
from daemon.render import Trouble, TroubleWith
from daemon.store import calendars as calendar_rows
from daemon.store import entries as rows
from daemon.store import journal as journal_rows
from daemon.store import messages as message_rows
from daemon.store import owners as owner_rows
from daemon.store import work
from daemon.store.work import Job

_REPLIES = 3
_EVENTS = 2  # of one calendar: more than one are told as “sessions”


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A mail to the owner about `things` (keys of what failed). `entry` None: about a calendar as a whole."""

    entry: Entry | None
    owner: Owner
    trouble: Trouble
    things: tuple[str, ...]


def owner_of_work(tx: Connection, job: Job) -> Owner | None:
    """Return whose work a row is; None for the service's own. Raises NotFound if its entry or calendar is no more."""
    if "entry" in job.args:
        return owner_rows.get(tx, rows.get(tx, job.args["entry"]).owner)
    if "calendar" in job.args:
        return owner_rows.get(tx, calendar_rows.get(tx, job.args["calendar"]).owner)
    return None


def parked(desk: Desk, tx: Connection, job: Job, why: str, *, unreachable: bool) -> None:
    """A row was put aside: journal it, and tell the owner once (design 4.1). For every lane."""
    attendee = job.args.get("attendee", "")
    line = Line(at=desk.clock.now(), entry=job.args.get("entry"), owner=None, action="parked", attendee=attendee, text=why)
    journal_rows.add(tx, line)
    if job.key.startswith("notice:"):  # nobody is told that telling him failed
        return
    try:
        owner = owner_of_work(tx, job)
    except NotFound:
        return
    if owner is None:
        return
    about = {"entry": job.args["entry"]} if "entry" in job.args else {"calendar": job.args["calendar"]}
    thing = {"key": job.key, "why": why, "attendee": attendee, "tried": job.tries, "unreachable": unreachable}
    _tell(tx, desk, owner, about, thing)


def event_refused(tx: Connection, desk: Desk, entry: Entry, calendar_id: str, why: str) -> None:
    """A calendar's server refused an event: journal it, and tell the owner once."""
    name = calendar_rows.get(tx, calendar_id).name
    text = f"“{entry.title}” was not written into {name}: {why}"
    line = Line(at=desk.clock.now(), entry=entry.id, owner=entry.owner, action="event-refused", text=text)
    journal_rows.add(tx, line)
    thing = {"key": entry.id, "why": why, "entry": entry.id, "tried": 1, "unreachable": False}
    _tell(tx, desk, owner_rows.get(tx, entry.owner), {"calendar": calendar_id}, thing)


def about(tx: Connection, notice: Job, *, told: Message | None) -> Notice | None:
    """Return what a notice row speaks of, but for what `told` said already; None if nothing is left of it."""
    known = set(json.loads(told.sent_after or "[]")) if told is not None else set()
    things = [one for one in notice.args["things"] if one["key"] not in known]
    if not things:
        return None
    try:
        owner = owner_rows.get(tx, notice.args["owner"])
        if "calendar" in notice.args:
            return _of_calendar(tx, owner, notice.args["calendar"], things)
        return _of_mails(tx, owner, rows.get(tx, notice.args["entry"]), things)
    except NotFound:
        return None


def _tell(tx: Connection, desk: Desk, owner: Owner, about: dict[str, str], thing: dict[str, Any]) -> None:
    ((kind, name),) = about.items()
    key = f"notice:{kind}:{name}"
    waiting = work.of_keys(tx, [key])
    things = [one for row in waiting for one in row.args["things"] if one["key"] != thing["key"]]
    if kind == "entry" or len(things) < _EVENTS:
        things.append(thing)
    args = {"owner": owner.id, **about, "things": things}
    work.put(tx, key=key, kind=work.MAIL, due=desk.clock.now() + desk.rules.coalesce, args=args)


def _of_calendar(tx: Connection, owner: Owner, calendar_id: str, things: Sequence[dict[str, Any]]) -> Notice:
    calendar = calendar_rows.get(tx, calendar_id)
    only = things[0].get("entry") if len(things) == 1 else None
    entry = rows.get(tx, only) if only else None
    return _notice(entry, owner, things, about=TroubleWith.CALENDAR, calendar=calendar.name)


def _of_mails(tx: Connection, owner: Owner, entry: Entry, things: Sequence[dict[str, Any]]) -> Notice:
    names = people(entry)
    last = {one.work: one.kind for one in message_rows.of_entry(tx, entry.id)}
    kinds = Counter(last[one["key"]] for one in things if one["key"] in last)
    addresses = [one["attendee"] or owner.email for one in things]
    return _notice(
        entry,
        owner,
        things,
        about=TroubleWith.MAIL,
        mail=max(kinds, key=lambda kind: kinds[kind], default=""),
        people=tuple(f"{names[one]} <{one}>" if names.get(one) else one for one in addresses),
    )


def _notice(entry: Entry | None, owner: Owner, things: Sequence[dict[str, Any]], **more: Any) -> Notice:
    trouble = Trouble(
        reply=" / ".join(list(dict.fromkeys(one["why"] for one in things))[:_REPLIES]),
        tried=max(one["tried"] for one in things),
        unreachable=all(one["unreachable"] for one in things),
        **more,
    )
    return Notice(entry=entry, owner=owner, trouble=trouble, things=tuple(one["key"] for one in things))
