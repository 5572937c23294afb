"""Answering by a link in a mail, without a calendar program: what the page shows, and what it may change (design 4.8).

A link works while its person is on the list and the entry is not deleted. Not here: how links are made (`links`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from daemon.core import itip, recurrence, tokens
from daemon.core.addresses import clean_text
from daemon.core.errors import NotFound
from daemon.core.itip import Standing
from daemon.core.model import Answer, AnswerSource, Entry, EntryState, Owner, PartStat, Sender, When
from daemon.planner.answers import record_answer
from daemon.planner.causes import people
from daemon.planner.wishes import Desk
from daemon.store import answer_links as link_rows
from daemon.store import entries as rows
from daemon.store import owners as owner_rows

MOST_COMMENT = 500
_NEXT_DATES = 5
_LOOKED_AT = 60  # dates, among which those that are cancelled or for others are left out


class Stage(StrEnum):
    """Whether there is something to answer."""

    OPEN = "open"
    CANCELLED = "cancelled"
    OVER = "over"
    UNDATED = "undated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What can be answered: the entry or all dates of a series (`recurrence_id` None), or one date by its original wall start.

    `about` names the schedule that is shown, so that an answer counts for what the person saw.
    """

    recurrence_id: datetime | None
    when: When
    about: str
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """What a link leads to. `choices` is empty unless the stage is OPEN."""

    entry: Entry
    owner: Owner
    attendee: str
    name: str
    stage: Stage
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkAnswer:
    """What was sent from the page. `about` is that of the choice as it was shown."""

    partstat: PartStat
    recurrence_id: datetime | None
    about: str
    comment: str = ""


class Taken(StrEnum):
    """What became of an answer from the page."""

    RECORDED = "recorded"
    KNOWN = "known"  # it says what was said before; nothing was changed
    OUTDATED = "outdated"  # what was shown is not what is planned any more
    CLOSED = "closed"  # nothing can be answered (any more)


def follow(tx: Connection, desk: Desk, token: str) -> Invited | None:
    """Return what the link leads to now; None if it leads nowhere (any more). Changes nothing."""
    found = _found(tx, desk, token, lock=False)
    return None if found is None else _invited(tx, desk, *found)


def answer(tx: Connection, desk: Desk, token: str, given: LinkAnswer) -> tuple[Taken, Invited] | None:
    """Record what the person of the link said; None if the link leads nowhere (any more).

    Returns with the outcome what the page shows next.
    """
    found = _found(tx, desk, token, lock=True)
    if found is None:
        return None
    invited = _invited(tx, desk, *found)
    if invited.stage is not Stage.OPEN:
        return Taken.CLOSED, invited
    choice = next((one for one in invited.choices if one.recurrence_id == given.recurrence_id), None)
    if choice is None or choice.about != given.about:
        return Taken.OUTDATED, invited
    comment = clean_text(given.comment).strip()[:MOST_COMMENT]
    if _said(choice, given.partstat, comment):
        return Taken.KNOWN, invited
    said = Answer(
        attendee=invited.attendee,
        recurrence_id=choice.recurrence_id,
        partstat=given.partstat,
        source=AnswerSource.LINK,
        answered_at=desk.clock.now(),
        about=choice.about,
        comment=comment,
    )
    entry = record_answer(tx, desk, invited.entry.id, said).entry
    return Taken.RECORDED, _invited(tx, desk, entry, invited.attendee)


def _found(tx: Connection, desk: Desk, token: str, *, lock: bool) -> tuple[Entry, str] | None:
    name = tokens.entry_of(token)
    if desk.links is None or name is None:
        return None
    try:
        entry = rows.get(tx, name, lock=lock)
    except NotFound:
        return None
    if entry.state is EntryState.DELETED or not entry.invited or entry.sender is not Sender.PLANNER:
        return None
    generations, key = link_rows.generations(tx, entry.id), desk.links.key
    holders = [one for one in people(entry) if tokens.fits(token, key, entry.id, one, generations.get(one, 0))]
    return (entry, holders[0]) if holders else None


def _invited(tx: Connection, desk: Desk, entry: Entry, attendee: str) -> Invited:
    stage, choices = _choices(entry, attendee, desk.clock.now())
    return Invited(
        entry=entry,
        owner=owner_rows.get(tx, entry.owner),
        attendee=attendee,
        name=people(entry)[attendee],
        stage=stage,
        choices=choices,
    )


def _choices(entry: Entry, attendee: str, now: datetime) -> tuple[Stage, tuple[Choice, ...]]:
    if entry.state is EntryState.CANCELLED:
        return Stage.CANCELLED, ()
    if entry.when is None:
        return Stage.UNDATED, ()
    listed = any(one.email == attendee for one in entry.attendees)
    ahead = [
        date
        for date in recurrence.dates(entry, after=now, limit=_LOOKED_AT)
        if not date.cancelled and _is_for(date, attendee, listed=listed)
    ]
    if not ahead:
        return Stage.OVER, ()
    if not entry.is_series:
        return Stage.OPEN, (_whole(entry, attendee, entry.when),)
    # A series is shown by its next date: the first one may long be over.
    whole = (_whole(entry, attendee, ahead[0].when),) if listed else ()
    return Stage.OPEN, (*whole, *(_single(entry, attendee, date) for date in ahead[:_NEXT_DATES]))


def _is_for(date: recurrence.Date, attendee: str, *, listed: bool) -> bool:
    own = date.occurrence.attendees if date.occurrence is not None else None
    return listed if own is None else any(one.email == attendee for one in own)


def _whole(entry: Entry, attendee: str, when: When) -> Choice:
    return Choice(recurrence_id=None, when=when, about=itip.key_of(entry), standing=itip.standing(entry, attendee))


def _single(entry: Entry, attendee: str, date: recurrence.Date) -> Choice:
    return Choice(
        recurrence_id=date.recurrence_id,
        when=date.when,
        about=itip.schedule_key(date.when, None, ()),
        standing=itip.standing(entry, attendee, date.recurrence_id),
    )


def _said(choice: Choice, partstat: PartStat, comment: str) -> bool:
    """True if he said the very same about this very choice; what holds for a date because of the series is not said of it."""
    last = choice.standing.answer
    if last is None or choice.standing.outdated or last.recurrence_id != choice.recurrence_id:
        return False
    return (last.partstat, last.comment) == (partstat, comment)
