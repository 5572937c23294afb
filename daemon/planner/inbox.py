"""Mails that come in: what each one is, whom and what it concerns; it is applied or held, and journalled with its outcome."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from daemon.core import ics, imip, itip
from daemon.core.authenticity import read_results
from daemon.core.delivery import Sent
from daemon.core.errors import NotFound, Rejected
from daemon.core.itip import Letter, Outcome
from daemon.core.journal import InboxMail, Line
from daemon.core.model import Entry, Method, PartStat
from daemon.core.reading import Reading, answer_in
from daemon.core.subaddress import detail_of
from daemon.planner.answers import IngestResult, carry_out
from daemon.planner.bounces import reported
from daemon.planner.wishes import Desk
from daemon.store import aliases
from daemon.store import entries as rows
from daemon.store import inbox as inbox_rows
from daemon.store import journal as journal_rows
from daemon.store import messages as message_rows

_KEEP_BYTES = 1024 * 1024
_ANSWERS = (Method.REPLY, Method.COUNTER, Method.REFRESH)
_FOR_A_PERSON = {Outcome.HELD: 0, Outcome.COUNTER: 1, Outcome.REJECTED: 2}


def ingest(
    tx: Connection, desk: Desk, raw: bytes, reading: Reading, *, received: datetime, source: str
) -> tuple[IngestResult, ...]:
    """Take one mail in: find out what it is, whom and what it concerns, apply or hold it, and journal the outcome.

    `reading` is what the mail says, `received` when our mail server took it (UTC); `source` says for the journal how it came.
    The same mail a second time changes nothing.
    """
    digest = hashlib.sha256(raw).hexdigest()
    before = inbox_rows.outcome_of(tx, digest)
    if before is not None:
        reason = "This very mail was processed before; nothing was done again."
        return (IngestResult(outcome=Outcome.IGNORED, reason=reason, before=Outcome(before)),)
    try:
        results = _judged(tx, desk, reading, received)
    except Rejected as error:
        results = (IngestResult(outcome=Outcome.HELD, reason=str(error)),)
    _keep(tx, desk, raw, digest, received, reading.mail, results, source=source)
    for one in results:
        if one.outcome is Outcome.APPLIED and one.partstat is PartStat.NEEDS_ACTION and one.entry is not None:
            _look_again(tx, desk, one.entry, one.attendee)
    return results


def hold(tx: Connection, desk: Desk, raw: bytes, *, received: datetime, source: str) -> IngestResult:
    """Keep a mail for a person without looking into it: `ingest` broke down over it, which is a bug of ours."""
    reason = "The mail could not be processed because of an error of this service, which its log describes. Look at it yourself."
    result = IngestResult(outcome=Outcome.HELD, reason=reason)
    _keep(tx, desk, raw, hashlib.sha256(raw).hexdigest(), received, None, (result,), source=source)
    return result


def judged_again(tx: Connection, desk: Desk, kept: InboxMail, *, consent: bool) -> tuple[IngestResult, ...]:
    """Take a held mail for what it says as things stand now; `consent`: the owner wants it to count.

    Raises Rejected if it is not kept, or is no answer.
    """
    if kept.data is None or len(kept.data) >= _KEEP_BYTES:
        raise Rejected("The mail itself is not kept any more. Record what it says with `answer set`.")
    mail = imip.read_mail(kept.data)  # it was read once without harm
    parsed = answer_in(mail)
    if parsed is None or not parsed.components or parsed.method not in _ANSWERS:
        raise Rejected("There is no answer in this mail that a program could take over. Record what it says with `answer set`.")
    entry = _entry_of(tx, parsed.components[0].uid)
    if entry is None:
        raise Rejected("This mail is about no entry that is here.")
    return _applied(tx, desk, mail, parsed, entry, kept.received, consent=consent)


def _judged(tx: Connection, desk: Desk, reading: Reading, received: datetime) -> tuple[IngestResult, ...]:
    mail, parsed = reading.mail, reading.answer
    if reading.problem or mail is None:
        return (IngestResult(outcome=Outcome.HELD, reason=reading.problem),)
    if mail.report is not None:
        return (reported(tx, desk, mail, mail.report),)
    if parsed is None:
        return (_without_calendar(tx, mail),)
    if mail.auto_submitted and parsed.method not in _ANSWERS:
        return (
            IngestResult(outcome=Outcome.AUTO, reason="An automatic reply that carries calendar data back; it is no answer."),
        )
    if not parsed.components:
        return (IngestResult(outcome=Outcome.HELD, reason="The mail has a calendar part, but no event can be read from it."),)
    uid = parsed.components[0].uid
    entry = _entry_of(tx, uid)
    if entry is None:
        reason = "No entry of ours has this UID; the mail is left for a person."
        return (IngestResult(outcome=Outcome.IGNORED, uid=uid, reason=reason),)
    return _applied(tx, desk, mail, parsed, entry, received, consent=False)


def _entry_of(tx: Connection, uid: str) -> Entry | None:
    return rows.by_uid(tx, uid) or rows.by_uid(tx, uid.strip().lower())


def _without_calendar(tx: Connection, mail: imip.ReadMail) -> IngestResult:
    if mail.auto_submitted:
        return IngestResult(outcome=Outcome.AUTO, reason="An automatic reply; it is no answer.")
    if mail.forwarded:
        reason = f"{mail.sender or 'Somebody'} forwards a mail with calendar data. It is not looked into; look at it yourself."
        return IngestResult(outcome=Outcome.HELD, attendee=mail.sender, reason=reason)
    about = message_rows.entry_of(tx, mail.references)
    if about is not None:  # "just reply to this mail": a person has to read it (itip.md 1.10)
        reason = f"{mail.sender or 'Somebody'} replied in words of his own to a mail of ours. Read it, and note what it says."
        return IngestResult(outcome=Outcome.HELD, attendee=mail.sender, entry=about, reason=reason)
    return IngestResult(
        outcome=Outcome.INFORMATIONAL, reason="The mail has no calendar part, so it is no answer a program can read."
    )


def _applied(
    tx: Connection, desk: Desk, mail: imip.ReadMail, parsed: ics.Parsed, entry: Entry, received: datetime, *, consent: bool
) -> tuple[IngestResult, ...]:
    named = {mail.sender, *(one.email for part in parsed.components for one in part.guests)}
    known = aliases.known(tx, named)
    referred = _referred(tx, desk, mail, entry)
    letter = Letter(
        mail_from=mail.sender,
        mail_date=mail.date or received,
        written_by=mail.written_by,
        checked=read_results(mail.authentication, desk.rules.answers.authserv_id),
        referred=referred,
        aliases=known,
        service=desk.rules.organizer.email,
        consent=consent,
    )
    mentioned = {one for part in parsed.components for guest in part.guests for one in (guest.alias, guest.delegated_from)}
    sents = _sents(tx, entry, named | mentioned | set(known.values()) | {referred})
    verdicts = itip.apply_reply(entry, sents, parsed, letter=letter, rules=desk.rules.answers)
    return tuple(result for verdict in verdicts for result in carry_out(tx, desk, entry.id, verdict))


def _sents(tx: Connection, entry: Entry, addresses: Iterable[str]) -> tuple[Sent, ...]:
    found = (message_rows.get_sent(tx, entry.id, one) for one in sorted(set(addresses) - {""})[:100])
    return tuple(one for one in found if one is not None)


def _referred(tx: Connection, desk: Desk, mail: imip.ReadMail, entry: Entry) -> str:
    """Whose mail of ours this one answers: by In-Reply-To, or by an address that only he was told."""
    by_id = message_rows.recipients_of(tx, mail.references)
    for about, recipient in by_id:
        if about == entry.id:
            return recipient
    if not any(detail_of(one, desk.rules.organizer.email) for one in mail.recipients):
        return ""
    told = {one.organizer: one.attendee for one in message_rows.all_sent(tx, entry.id) if one.organizer}
    return next((told[one] for one in mail.recipients if one in told and one != desk.rules.organizer.email), "")


def _look_again(tx: Connection, desk: Desk, entry_id: str, attendee: str) -> None:
    """A delegate may have answered before we heard that there is one: what was held of him counts now."""
    waiting = inbox_rows.list_(tx, outcome=Outcome.HELD.value, entry=entry_id)
    for one in reversed([mail for mail in waiting if mail.attendee == attendee]):
        try:
            results = judged_again(tx, desk, inbox_rows.get(tx, one.id), consent=False)
        except (Rejected, NotFound):
            continue
        if all(result.outcome in (Outcome.APPLIED, Outcome.IGNORED) for result in results):
            inbox_rows.settle(tx, one.id, outcome=results[0].outcome.value, reason=results[0].reason)
            _journal(tx, desk, results, source="held mail")


def _journal(tx: Connection, desk: Desk, results: Iterable[IngestResult], *, source: str) -> None:
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
    _journal(tx, desk, results, source=source)
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
            proposed_start=shown.proposal.start if shown.proposal else None,
            proposed_duration=shown.proposal.duration if shown.proposal else None,
            sequence=shown.sequence,
            comment=shown.comment,
        ),
    )
