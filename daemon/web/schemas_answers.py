"""Answers to mails that were taken in."""

from __future__ import annotations

from datetime import datetime

from daemon.core.journal import InboxMail
from daemon.planner import IngestResult
from daemon.web.schemas import Shown


class Outcome(Shown):
    """What became of one mail, or of one part of it. `recurrence_id` is a wall time in the entry's zone."""

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
            recurrence_id=result.recurrence_id.isoformat() if result.recurrence_id else None,
            entry=result.entry,
        )


class Ingested(Shown):
    results: tuple[Outcome, ...]


class MailShown(Shown):
    """A mail that reached the answer mailbox. `kept`: its bytes are still there."""

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
            kept=mail.data is not None,
        )
