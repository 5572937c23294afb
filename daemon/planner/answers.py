"""Use cases on answers: however an answer came, it is recorded here, once, with its source (design 4.3).

An answer mails nobody who gave one. It is shown in the owner's calendar copy where the planner is the sender. Not here: taking
mails in (`inbox`), what the owner decides about held ones (`decisions`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from daemon.core import itip, zones
from daemon.core.errors import Rejected
from daemon.core.itip import Outcome, Verdict
from daemon.core.journal import Line
from daemon.core.model import Answer, Entry, EntryState, PartStat, Sender, When
from daemon.planner import checks
from daemon.planner.causes import commit, mail_key, push_soon, save
from daemon.planner.wishes import Desk, Done
from daemon.store import aliases, undeliverable, work
from daemon.store import calendars as calendar_rows
from daemon.store import entries as rows
from daemon.store import journal as journal_rows
from daemon.store import messages as message_rows
from daemon.store import owners as owner_rows

_SETTLED = (Outcome.APPLIED, Outcome.AUTO)
_SETTLED_OF_OURS = (Outcome.IGNORED, Outcome.BOUNCE, Outcome.RESEND_REQUEST)
_AGAIN = timedelta(hours=1)  # between two tellings of the same: whoever asks in a loop is answered this often


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestResult:
    """What became of one mail (or one part of it that concerns one date), with the reason in a sentence.

    `recurrence_id` is the original wall start in the entry's zone, `occurrence` the same as RFC 5545 writes it in UTC. `proposal`
    is the time that a COUNTER wants, in the entry's zone, `sequence` the version it was made for.
    """

    outcome: Outcome
    reason: str
    uid: str = ""
    attendee: str = ""
    partstat: PartStat | None = None
    recurrence_id: datetime | None = None
    occurrence: str | None = None
    entry: str | None = None
    before: Outcome | None = None  # of the same mail, where it was processed before
    proposal: When | None = None
    sequence: int | None = None
    comment: str = ""

    @property
    def settled(self) -> bool:
        """True if nobody has to look at the mail any more. What is about no entry of ours may be meant for a person."""
        outcome = self.before or self.outcome
        return outcome in _SETTLED or (outcome in _SETTLED_OF_OURS and self.entry is not None)


def record_answer(tx: Connection, desk: Desk, entry_id: str, answer: Answer) -> Done:
    """Keep an answer in place of the attendee's earlier one for the same date."""
    before = rows.get(tx, entry_id, lock=True)
    kept = tuple(one for one in before.answers if (one.attendee, one.recurrence_id) != (answer.attendee, answer.recurrence_id))
    after = replace(before, answers=(*kept, answer), modified=desk.clock.now(), revision=before.revision + 1)
    save(tx, after)
    date = f" for {answer.recurrence_id:%Y-%m-%d %H:%M}" if answer.recurrence_id else ""
    instead = f" to {answer.delegated_to}" if answer.delegated_to else ""
    journal_rows.add(
        tx,
        Line(
            at=desk.clock.now(),
            entry=entry_id,
            owner=before.owner,
            action="answer",
            attendee=answer.attendee,
            text=f"{answer.attendee} answered {answer.partstat}{instead}{date} by {answer.source}.",
        ),
    )
    if before.sender is Sender.PLANNER and before.state is EntryState.PLANNED:
        _show_in_calendars(tx, desk, after)
    return Done(entry=after)


def carry_out(tx: Connection, desk: Desk, entry_id: str, verdict: Verdict) -> tuple[IngestResult, ...]:
    """Do what a verdict on an answer says: put somebody on the list, keep the answers, tell him again how it stands.

    A delegate is a result of his own. Whoever answers can be reached after all.
    """
    entry = rows.get(tx, entry_id, lock=True)
    joined: tuple[IngestResult, ...] = ()
    if verdict.joins is not None:
        try:
            joined = _joined(tx, desk, entry, verdict)
        except Rejected as error:
            return (_result(entry, replace(verdict, outcome=Outcome.HELD, reason=str(error), proposal=None)),)
    for answer in verdict.answers:
        record_answer(tx, desk, entry_id, answer)
    if verdict.answers:
        undeliverable.clear(tx, entry_id, verdict.attendee)
    if verdict.alias and verdict.alias != verdict.attendee:
        aliases.put(tx, verdict.alias, verdict.attendee, at=desk.clock.now())
    if verdict.resend and not tell_again(tx, desk, entry, verdict.attendee) and verdict.outcome is Outcome.RESEND_REQUEST:
        reason = f"{verdict.attendee} asks for the current invitation, which went out within the hour or is on its way already."
        verdict = replace(verdict, reason=reason)
    return (_result(entry, verdict), *joined)


def tell_again(tx: Connection, desk: Desk, entry: Entry, attendee: str) -> bool:
    """Owe the attendee once more what he was told last; False if he was told within the hour, or is about to be."""
    sent, now = message_rows.get_sent(tx, entry.id, attendee), desk.clock.now()
    last = message_rows.last_written(tx, mail_key(entry.id, attendee))
    if sent is None or entry.sender is not Sender.PLANNER or (last is not None and now - last < _AGAIN):
        return False
    if work.of_keys(tx, [mail_key(entry.id, attendee)]):
        return False
    message_rows.put_sent(tx, replace(sent, again=True))
    args = {"entry": entry.id, "attendee": attendee}
    work.put(tx, key=mail_key(entry.id, attendee), kind=work.MAIL, due=now + desk.rules.coalesce, args=args)
    return True


def occurrence_name(entry: Entry, recurrence_id: datetime | None) -> str | None:
    """Return a date's name as RFC 5545 3.3.5 writes it in UTC, or as a DATE where it is all-day."""
    if recurrence_id is None or entry.when is None:
        return None
    if entry.when.all_day:
        return f"{recurrence_id:%Y%m%d}"
    return f"{zones.to_utc(recurrence_id, entry.when.zone).astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _joined(tx: Connection, desk: Desk, entry: Entry, verdict: Verdict) -> tuple[IngestResult, ...]:
    assert verdict.joins is not None
    checks.attendees((*entry.attendees, verdict.joins), desk.rules.organizer.email)
    after = itip.with_verdict(entry, replace(verdict, answers=()))
    commit(tx, desk, entry, after, owner_rows.get(tx, entry.owner), calendar=None, action="attendee joined")
    if verdict.joins.email == verdict.attendee:
        return ()
    reason = f"{verdict.joins.email} comes instead of {verdict.attendee}, and is invited."
    stands = replace(verdict, outcome=Outcome.APPLIED, reason=reason, partstat=PartStat.NEEDS_ACTION, comment="")
    return (_result(entry, replace(stands, attendee=verdict.joins.email)),)


def _result(entry: Entry, verdict: Verdict) -> IngestResult:
    return IngestResult(
        outcome=verdict.outcome,
        reason=verdict.reason,
        uid=entry.uid,
        attendee=verdict.attendee,
        partstat=verdict.partstat,
        recurrence_id=verdict.recurrence_id,
        occurrence=occurrence_name(entry, verdict.recurrence_id),
        entry=entry.id,
        proposal=verdict.proposal,
        sequence=verdict.sequence,
        comment=verdict.comment,
    )


def _show_in_calendars(tx: Connection, desk: Desk, entry: Entry) -> None:
    now = desk.clock.now()
    for link in calendar_rows.links_of(tx, entry.id):
        if link.deleting:
            continue
        calendar_rows.mark_dirty(tx, entry.id, link.calendar, now=now)
        push_soon(tx, calendar_rows.get(tx, link.calendar), now=now)
