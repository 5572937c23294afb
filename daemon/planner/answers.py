"""Use cases on answers: however an answer came, it is recorded here, once, with its source (design 4.3).

An answer never mails anybody. It is shown in the owner's calendar copy where the planner is the sender.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from daemon.core import ics, imip, itip
from daemon.core.errors import Rejected
from daemon.core.itip import Outcome, Verdict
from daemon.core.journal import InboxMail, Line
from daemon.core.model import Answer, Entry, EntryState, Method, PartStat, Sender
from daemon.planner.causes import push_soon, save
from daemon.planner.wishes import Desk, Done
from daemon.store import calendars as calendar_rows
from daemon.store import entries as rows
from daemon.store import inbox as inbox_rows
from daemon.store import journal as journal_rows
from daemon.store import messages as message_rows

_KEEP_BYTES = 1024 * 1024
_SETTLED = (Outcome.APPLIED, Outcome.AUTO)
_FOR_A_PERSON = {Outcome.HELD: 0, Outcome.COUNTER: 1, Outcome.REJECTED: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestResult:
    """What became of one mail (or one part of it that concerns one date), with the reason in a sentence."""

    outcome: Outcome
    reason: str
    uid: str = ""
    attendee: str = ""
    partstat: PartStat | None = None
    recurrence_id: datetime | None = None
    entry: str | None = None
    before: Outcome | None = None  # of the same mail, where it was processed before

    @property
    def settled(self) -> bool:
        """True if nobody has to look at the mail any more. What is about no entry of ours may be meant for a person."""
        outcome = self.before or self.outcome
        return outcome in _SETTLED or (outcome is Outcome.IGNORED and self.entry is not None)


def record_answer(tx: Connection, desk: Desk, entry_id: str, answer: Answer) -> Done:
    """Keep an answer in place of the attendee's earlier one for the same date."""
    before = rows.get(tx, entry_id, lock=True)
    kept = tuple(one for one in before.answers if (one.attendee, one.recurrence_id) != (answer.attendee, answer.recurrence_id))
    after = replace(before, answers=(*kept, answer), modified=desk.clock.now(), revision=before.revision + 1)
    save(tx, after)
    date = f" for {answer.recurrence_id:%Y-%m-%d %H:%M}" if answer.recurrence_id else ""
    journal_rows.add(
        tx,
        Line(
            at=desk.clock.now(),
            entry=entry_id,
            owner=before.owner,
            action="answer",
            attendee=answer.attendee,
            text=f"{answer.attendee} answered {answer.partstat}{date} by {answer.source}.",
        ),
    )
    if before.sender is Sender.PLANNER and before.state is EntryState.PLANNED:
        _show_in_calendars(tx, desk, after)
    return Done(entry=after)


def ingest(tx: Connection, desk: Desk, raw: bytes, *, received: datetime, source: str) -> tuple[IngestResult, ...]:
    """Take one mail in: find out what it is, whom and what it concerns, apply or hold it, and journal the outcome.

    `received` is when our mail server took it (UTC); `source` says for the journal how it came. The same mail a second time
    changes nothing.
    """
    digest = hashlib.sha256(raw).hexdigest()
    before = inbox_rows.outcome_of(tx, digest)
    if before is not None:
        reason = "This very mail was processed before; nothing was done again."
        return (IngestResult(outcome=Outcome.IGNORED, reason=reason, before=Outcome(before)),)
    mail: imip.ReadMail | None = None
    try:
        mail = imip.read_mail(raw)
        results = _judged(tx, desk, mail, received)
    except Rejected as error:
        results = (IngestResult(outcome=Outcome.HELD, reason=str(error)),)
    _keep(tx, desk, raw, digest, received, mail, results, source=source)
    return results


def hold(tx: Connection, desk: Desk, raw: bytes, *, received: datetime, source: str) -> IngestResult:
    """Keep a mail for a person without looking into it: `ingest` broke down over it, which is a bug of ours."""
    reason = "The mail could not be processed because of an error of this service, which its log describes. Look at it yourself."
    result = IngestResult(outcome=Outcome.HELD, reason=reason)
    _keep(tx, desk, raw, hashlib.sha256(raw).hexdigest(), received, None, (result,), source=source)
    return result


def _judged(tx: Connection, desk: Desk, mail: imip.ReadMail, received: datetime) -> tuple[IngestResult, ...]:
    if not mail.calendars:
        return (_without_calendar(tx, mail),)
    part = mail.calendars[0]
    parsed = ics.parse_calendar(part.data, charset=part.charset)
    if parsed.method is None and part.method:
        parsed = _with_method(parsed, part.method)
    if not parsed.components:
        return (IngestResult(outcome=Outcome.HELD, reason="The mail has a calendar part, but no event can be read from it."),)
    uid = parsed.components[0].uid
    entry = rows.by_uid(tx, uid)
    if entry is None:
        return (
            IngestResult(
                outcome=Outcome.IGNORED, uid=uid, reason="No entry of ours has this UID; the mail is left for a person."
            ),
        )
    sender_told = message_rows.get_sent(tx, entry.id, mail.sender)
    verdicts = itip.apply_reply(entry, sender_told, parsed, mail_from=mail.sender, mail_date=mail.date or received)
    return tuple(_applied(tx, desk, entry, one, uid) for one in verdicts)


def _without_calendar(tx: Connection, mail: imip.ReadMail) -> IngestResult:
    if mail.delivery_report:
        return IngestResult(
            outcome=Outcome.BOUNCE, reason="A report about a mail of ours that could not be delivered or is late."
        )
    if mail.auto_submitted:
        return IngestResult(outcome=Outcome.AUTO, reason="An automatic reply; it is no answer.")
    about = message_rows.entry_of(tx, mail.references)
    if about is not None:  # "just reply to this mail": a person has to read it (itip.md 1.10)
        reason = f"{mail.sender or 'Somebody'} replied in words of his own to a mail of ours. Read it, and note what it says."
        return IngestResult(outcome=Outcome.HELD, attendee=mail.sender, entry=about, reason=reason)
    return IngestResult(
        outcome=Outcome.INFORMATIONAL, reason="The mail has no calendar part, so it is no answer a program can read."
    )


def _applied(tx: Connection, desk: Desk, entry: Entry, verdict: Verdict, uid: str) -> IngestResult:
    for answer in verdict.answers:
        record_answer(tx, desk, entry.id, answer)
    return IngestResult(
        outcome=verdict.outcome,
        reason=verdict.reason,
        uid=uid,
        attendee=verdict.attendee,
        partstat=verdict.partstat,
        recurrence_id=verdict.recurrence_id,
        entry=entry.id,
    )


def _with_method(parsed: ics.Parsed, text: str) -> ics.Parsed:
    known = next((one for one in Method if one.value == text.strip().upper()), None)
    return replace(parsed, method=known, method_text=text)


def _keep(
    tx: Connection,
    desk: Desk,
    raw: bytes,
    digest: str,
    received: datetime,
    mail: imip.ReadMail | None,
    results: tuple[IngestResult, ...],
    *,
    source: str,
) -> None:
    """File the mail once, under the outcome that a person should see first, and journal all of them."""
    for result in results:
        line = Line(
            at=desk.clock.now(),
            entry=result.entry,
            owner=None,
            action=f"mail-{result.outcome}",
            attendee=result.attendee,
            text=result.reason,
            detail=json.dumps({"source": source}),
        )
        journal_rows.add(tx, line)
    shown = min(results, key=lambda one: _FOR_A_PERSON.get(one.outcome, 9))
    inbox_rows.add(
        tx,
        InboxMail(
            id=desk.clock.new_id(),
            message_id=mail.message_id if mail else "",
            digest=digest,
            received=received,
            outcome=shown.outcome.value,
            reason=shown.reason,
            uid=shown.uid,
            attendee=shown.attendee,
            partstat=shown.partstat,
            recurrence_id=shown.recurrence_id,
            entry=shown.entry,
            data=raw[:_KEEP_BYTES] if shown.outcome in _FOR_A_PERSON else None,
            subject=mail.subject if mail else "",
            sender=mail.sender if mail else "",
        ),
    )


def _show_in_calendars(tx: Connection, desk: Desk, entry: Entry) -> None:
    now = desk.clock.now()
    for link in calendar_rows.links_of(tx, entry.id):
        if link.deleting:
            continue
        calendar_rows.mark_dirty(tx, entry.id, link.calendar, now=now)
        push_soon(tx, calendar_rows.get(tx, link.calendar), now=now)
