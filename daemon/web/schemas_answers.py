"""Answers to mails that were taken in."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from daemon.core.durations import iso_duration
from daemon.core.journal import InboxMail
from daemon.core.model import PartStat
from daemon.planner import Decided, IngestResult
from daemon.web.schemas import Body, EffectShown, Shown


class Outcome(Shown):
    """What became of one mail, or of one part of it. `recurrence_id` is as RFC 5545 writes it in UTC: 20270308T080000Z."""

    outcome: str
    reason: str
    uid: str
    attendee: str
    partstat: str | None
    recurrence_id: str | None
    entry: str | None

    @classmethod
    def of(cls, result: IngestResult) -> Outcome:
        return cls(
            outcome=result.outcome.value,
            reason=result.reason,
            uid=result.uid,
            attendee=result.attendee,
            partstat=result.partstat.value if result.partstat else None,
            recurrence_id=result.occurrence,
            entry=result.entry,
        )


class Ingested(Shown):
    results: tuple[Outcome, ...]


class MailShown(Shown):
    """A mail that reached the answer mailbox. Times are wall times in the entry's zone. `kept`: its bytes are still there.

    `proposed_start` and `proposed_duration`: the time that somebody would rather have. `waits`: somebody has to decide about it.
    """

    id: str
    received: datetime
    sender: str
    subject: str
    outcome: str
    reason: str
    uid: str
    attendee: str
    partstat: str | None
    recurrence_id: str | None
    entry: str | None
    message_id: str
    proposed_start: str | None
    proposed_duration: str | None
    comment: str
    waits: bool
    kept: bool

    @classmethod
    def of(cls, mail: InboxMail) -> MailShown:
        return cls(
            id=mail.id,
            received=mail.received,
            sender=mail.sender,
            subject=mail.subject,
            outcome=mail.outcome,
            reason=mail.reason,
            uid=mail.uid,
            attendee=mail.attendee,
            partstat=mail.partstat.value if mail.partstat else None,
            recurrence_id=mail.recurrence_id.isoformat() if mail.recurrence_id else None,
            entry=mail.entry,
            message_id=mail.message_id,
            proposed_start=mail.proposed_start.isoformat() if mail.proposed_start else None,
            proposed_duration=iso_duration(mail.proposed_duration) if mail.proposed_duration is not None else None,
            comment=mail.comment,
            waits=mail.outcome in ("held", "counter"),
            kept=mail.data is not None,
        )


class Refusal(Body):
    """`comment`: what whoever proposed another time is told about why."""

    comment: str = ""


class ByHand(Body):
    """What the owner was told by word. `date` names one date of a series by its original start."""

    entry: str
    attendee: str
    partstat: PartStat = Field(description="ACCEPTED, DECLINED or TENTATIVE")
    date: str = ""
    comment: str = ""


class DecidedShown(Shown):
    """What was decided, in a sentence, and what it causes."""

    mail: MailShown
    reason: str
    effects: tuple[EffectShown, ...]
    dry_run: bool

    @classmethod
    def of(cls, decided: Decided, *, dry_run: bool) -> DecidedShown:
        effects = tuple(EffectShown.of(one, None) for one in decided.effects)
        return cls(mail=MailShown.of(decided.mail), reason=decided.reason, effects=effects, dry_run=dry_run)
