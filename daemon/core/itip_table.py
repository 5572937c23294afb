"""The kinds of iTIP messages and the rule of who gets what (RFC 5546 3.2), as a table.

Not here: finding out which rows apply (`itip_out`), how a mail looks (`imip`, `render`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from daemon.core.delivery import SentComponent
from daemon.core.model import Component, Method


class MailKind(StrEnum):
    """What a mail is to its reader; chooses the template."""

    INVITATION = "invitation"
    UPDATE = "update"
    INFORMATION = "information"
    CANCELLATION = "cancellation"
    REMOVAL = "removal"
    OCCURRENCE_UPDATE = "occurrence-update"
    OCCURRENCE_CANCELLATION = "occurrence-cancellation"
    REINVITATION = "reinvitation"
    REMINDER = "reminder"
    TROUBLE = "trouble"
    DECLINE_COUNTER = "decline-counter"


class Change(StrEnum):
    """What happened, seen by one attendee."""

    NEVER_TOLD = "never told"
    INVITED_AGAIN = "invited again"
    RESCHEDULED = "rescheduled"
    SHORTENED = "shortened"
    DETAILS = "details"
    DATES_BACK = "dates back"
    CALLED_OFF = "called off"
    REMOVED = "removed"
    DATE_ADDED = "date added"
    DATE_MOVED = "date moved"
    DATE_BACK = "date back"
    DATE_DETAILS = "date details"
    DATE_CANCELLED = "date cancelled"
    DATE_LEFT = "date left"
    TOLD_AGAIN = "told again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One rule: what a change owes. `raises`: SEQUENCE goes beyond the one he has (else it only keeps up with the entry's)."""

    change: Change
    kind: MailKind
    method: Method
    raises: bool
    clause: str
    reason: str


def _row(change: Change, kind: MailKind, method: Method, *, raises: bool, clause: str, reason: str) -> Row:
    return Row(change=change, kind=kind, method=method, raises=raises, clause=clause, reason=reason)


# One row for each Change, in the order of the enumeration. A new case is a new row here, never an `if` below.
TABLE: tuple[Row, ...] = (
    _row(
        Change.NEVER_TOLD,
        MailKind.INVITATION,
        Method.REQUEST,
        raises=False,
        clause="RFC 5546 3.2.2",
        reason="he is on the list and has heard nothing: the whole, with the SEQUENCE it has",
    ),
    _row(
        Change.INVITED_AGAIN,
        MailKind.REINVITATION,
        Method.REQUEST,
        raises=True,
        clause="RFC 5546 2.1.4",
        reason="after a CANCEL only a greater SEQUENCE is believed",
    ),
    _row(
        Change.RESCHEDULED,
        MailKind.UPDATE,
        Method.REQUEST,
        raises=True,
        clause="RFC 5546 3.2.2.1",
        reason="another time needs another answer",
    ),
    _row(
        Change.SHORTENED,
        MailKind.UPDATE,
        Method.REQUEST,
        raises=True,
        clause="RFC 5546 3.2.2.2",
        reason="fewer dates of the same series: what was answered still holds",
    ),
    _row(
        Change.DETAILS,
        MailKind.INFORMATION,
        Method.REQUEST,
        raises=False,
        clause="RFC 5546 3.2.2.2",
        reason="words, link or place: nobody has to answer again",
    ),
    _row(
        Change.DATES_BACK,
        MailKind.UPDATE,
        Method.REQUEST,
        raises=True,
        clause="RFC 5546 2.1.4",
        reason="the series he holds excludes the date (EXDATE), so a VEVENT of that date alone would name none of its dates",
    ),
    _row(
        Change.CALLED_OFF,
        MailKind.CANCELLATION,
        Method.CANCEL,
        raises=True,
        clause="RFC 5546 3.2.5",
        reason="nothing he was told of takes place",
    ),
    _row(
        Change.REMOVED,
        MailKind.REMOVAL,
        Method.CANCEL,
        raises=True,
        clause="RFC 5546 3.2.5",
        reason="it takes place without him: a CANCEL that lists only him",
    ),
    _row(
        Change.DATE_ADDED,
        MailKind.INVITATION,
        Method.REQUEST,
        raises=False,
        clause="RFC 5546 3.7.1",
        reason="he comes to single dates only, and this one is new to him",
    ),
    _row(
        Change.DATE_MOVED,
        MailKind.OCCURRENCE_UPDATE,
        Method.REQUEST,
        raises=True,
        clause="RFC 5546 3.2.2.1",
        reason="another time of one date needs an answer to that date alone",
    ),
    _row(
        Change.DATE_BACK,
        MailKind.OCCURRENCE_UPDATE,
        Method.REQUEST,
        raises=True,
        clause="RFC 5546 2.1.4",
        reason="he was told that it does not take place; now it does",
    ),
    _row(
        Change.DATE_DETAILS,
        MailKind.OCCURRENCE_UPDATE,
        Method.REQUEST,
        raises=False,
        clause="RFC 5546 3.2.2.2",
        reason="words or place of one date: his answer to it stands",
    ),
    _row(
        Change.DATE_CANCELLED,
        MailKind.OCCURRENCE_CANCELLATION,
        Method.CANCEL,
        raises=True,
        clause="RFC 5546 3.2.5",
        reason="Exchange and Google cancel a date by itself; a REQUEST with EXDATE goes unseen",
    ),
    _row(
        Change.DATE_LEFT,
        MailKind.REMOVAL,
        Method.CANCEL,
        raises=True,
        clause="RFC 5546 3.2.5",
        reason="that date takes place without him",
    ),
    _row(
        Change.TOLD_AGAIN,
        MailKind.INVITATION,
        Method.REQUEST,
        raises=False,
        clause="RFC 5546 3.2.6",
        reason="he asked how it stands: the same once more, in the version he has",
    ),
)
RULE = {row.change: row for row in TABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class ITip:
    """One iTIP message for one attendee; DTSTAMP is given when it is written out.

    `asks`: it wants an answer; `asked` names the dates it wants it for (None: the whole; empty while `asks`: all in it).
    `before` is what he was told of it so far. `recurrence_id` (original wall start) is set where it is about one date only.
    """

    method: Method
    kind: MailKind
    components: tuple[Component, ...]
    asks: bool
    before: SentComponent | None
    recurrence_id: datetime | None
    asked: frozenset[datetime | None] = frozenset()
