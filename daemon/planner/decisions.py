"""What the owner decides about answers: a held one counts or not, a proposed time is taken or not, and what he was told by word.

A refused proposal is the only answer of ours to an attendee (DECLINECOUNTER); it has a work row of its own, for it follows from
nothing that is stored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from daemon.core import ics, imip, itip, recurrence
from daemon.core.addresses import clean_text, normal
from daemon.core.delivery import Message, MessageState, Sent
from daemon.core.errors import NotFound, Rejected
from daemon.core.event import wire_name
from daemon.core.itip import MailKind, Outcome
from daemon.core.journal import InboxMail, Line
from daemon.core.model import Answer, AnswerSource, Component, Entry, Guest, Method, Owner, PartStat, When
from daemon.core.organizer import heading
from daemon.planner import checks
from daemon.planner.answers import IngestResult, record_answer
from daemon.planner.causes import mail_organizer, people
from daemon.planner.entries import move
from daemon.planner.inbox import judged_again
from daemon.planner.outbox import new_message_id, plain_context
from daemon.planner.wishes import Desk, Done, Effect, EffectKind
from daemon.render import Renderer, ShownDate
from daemon.store import entries as rows
from daemon.store import inbox as inbox_rows
from daemon.store import journal as journal_rows
from daemon.store import messages as message_rows
from daemon.store import owners as owner_rows
from daemon.store import work
from daemon.store.work import Job

_BY_WORD = (PartStat.ACCEPTED, PartStat.DECLINED, PartStat.TENTATIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What was decided about a mail, in a sentence, and what it causes."""

    mail: InboxMail
    reason: str
    results: tuple[IngestResult, ...] = ()
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Declining:
    """A DECLINECOUNTER that is owed: whose proposal it was, and what for."""

    entry: Entry
    owner: Owner
    attendee: str
    sent: Sent | None
    proposal: When
    recurrence_id: datetime | None
    sequence: int
    comment: str
    references: tuple[str, ...]


def find_mail(tx: Connection, text: str, owner_id: str | None) -> InboxMail:
    """Return the mail that a person means, by its id or the beginning of it. Raises NotFound, also for other people's."""
    found = inbox_rows.find(tx, text.strip())
    if owner_id is not None and (found.entry is None or rows.get(tx, found.entry).owner != owner_id):
        raise NotFound(f"There is no received mail “{text}”.", field="mail")
    return found


def accept(tx: Connection, desk: Desk, mail_id: str) -> Decided:
    """Let a held answer count, or take a proposed time. Raises Rejected where there is nothing to accept."""
    mail = _open(tx, mail_id)
    if mail.outcome == Outcome.COUNTER:
        done = _moved(tx, desk, mail)
        reason = f"The time that {mail.attendee} proposed for “{done.entry.title}” was taken; everybody is asked about it."
        return _settled(tx, desk, mail, Outcome.APPLIED, reason, effects=done.effects)
    if mail.outcome != Outcome.HELD:
        raise Rejected("This mail was refused because of what it is; there is no answer in it to accept.")
    results = judged_again(tx, desk, mail, consent=True)
    applied = [one for one in results if one.outcome is Outcome.APPLIED]
    if not applied:
        raise Rejected(f"It cannot be accepted: {results[0].reason}")
    return _settled(tx, desk, mail, Outcome.APPLIED, f"Accepted by the owner. {applied[0].reason}", results=results)


def refuse(tx: Connection, desk: Desk, mail_id: str, *, comment: str = "") -> Decided:
    """Drop a held answer, or tell somebody that the time he proposed is not taken, with a word of the owner's if he has one."""
    mail = _open(tx, mail_id)
    if mail.outcome != Outcome.COUNTER:
        return _settled(tx, desk, mail, Outcome.IGNORED, "Refused by the owner; nothing was changed.")
    entry = rows.get(tx, str(mail.entry))
    key, now = f"decline:{mail.id}", desk.clock.now()
    said = checks.free_text(comment, "comment")
    args = {"entry": entry.id, "attendee": mail.attendee, "mail": mail.id, "comment": said}
    work.put(tx, key=key, kind=work.MAIL, due=now, args=args)
    told = Effect(
        kind=EffectKind.MAIL,
        text=f"{mail.attendee} is mailed that the proposed time is not taken.",
        target=mail.attendee,
        mail_kind=MailKind.DECLINE_COUNTER,
        due=now,
    )
    reason = f"The time that {mail.attendee} proposed for “{entry.title}” was not taken; he is told."
    return _settled(tx, desk, mail, Outcome.IGNORED, reason, effects=(told,))


def set_answer(
    tx: Connection,
    desk: Desk,
    entry_id: str,
    attendee: str,
    partstat: PartStat,
    *,
    recurrence_id: datetime | None = None,
    comment: str = "",
) -> Done:
    """Record what the owner was told in another way (“said yes by phone”). Nobody is mailed."""
    entry = rows.get(tx, entry_id, lock=True)
    email = normal(attendee)
    if partstat not in _BY_WORD:
        raise Rejected("An answer is ACCEPTED, DECLINED or TENTATIVE.", field="partstat")
    if email not in people(entry):
        raise Rejected(f"{email} is not on the list of “{entry.title}”. Add the address with `entry invite`.", field="attendee")
    if entry.when is None:
        raise Rejected(f"“{entry.title}” has no date that could be answered.", field="entry")
    if recurrence_id is None:
        about = itip.key_of(entry)
    else:
        date = recurrence.date_of(entry, recurrence_id) if entry.is_series else None
        if date is None:
            raise Rejected(
                f"“{entry.title}” has no date {recurrence_id:%Y-%m-%d %H:%M}. `entry show` lists its dates.", field="date"
            )
        about = itip.schedule_key(date.when, None, ())
    answer = Answer(
        attendee=email,
        recurrence_id=recurrence_id,
        partstat=partstat,
        source=AnswerSource.OWNER,
        answered_at=desk.clock.now(),
        about=about,
        comment=clean_text(comment).strip(),
    )
    return record_answer(tx, desk, entry_id, answer)


def declining(tx: Connection, job: Job) -> Declining | None:
    """Read the DECLINECOUNTER that a row owes; None if it was sent, or what it is about is no more."""
    if any(one.work == job.key and one.state is MessageState.SENT for one in message_rows.of_entry(tx, job.args["entry"])):
        return None
    try:
        entry, mail = rows.get(tx, job.args["entry"]), inbox_rows.get(tx, job.args["mail"])
    except NotFound:
        return None
    if mail.proposed_start is None or entry.when is None:
        return None
    lasts = entry.when.duration if mail.proposed_duration is None else mail.proposed_duration
    return Declining(
        entry=entry,
        owner=owner_rows.get(tx, entry.owner),
        attendee=mail.attendee,
        sent=message_rows.get_sent(tx, entry.id, mail.attendee),
        proposal=When(start=mail.proposed_start, zone=entry.when.zone, duration=lasts, all_day=entry.when.all_day),
        recurrence_id=mail.recurrence_id,
        sequence=entry.sequence if mail.sequence is None else mail.sequence,
        comment=job.args["comment"],
        references=(mail.message_id,) if mail.message_id else (),
    )


def decline_message(desk: Desk, renderer: Renderer, one: Declining, work: str) -> Message:
    """Write out the DECLINECOUNTER (RFC 5546 3.2.8): to him alone, with the proposal's own SEQUENCE."""
    now, message_id = desk.clock.now().replace(microsecond=0), new_message_id(desk)
    entry, when = one.entry, one.entry.when
    assert when is not None
    organizer = mail_organizer(desk, one.owner, one.sent)
    name = people(entry).get(one.attendee, "")
    date = recurrence.date_of(entry, one.recurrence_id) if one.recurrence_id is not None else None
    component = Component(
        uid=entry.uid,
        when=one.proposal,
        title=entry.title,
        sequence=one.sequence,
        recurrence_id=None if one.recurrence_id is None else wire_name(one.recurrence_id, when),
        recurrence_id_is_date=one.recurrence_id is not None and when.all_day,
        organizer=organizer,
        guests=(Guest(email=one.attendee, name=name),),
        comment=one.comment,
    )
    context = replace(
        plain_context(desk, entry, one.owner, recipient=one.attendee, name=name),
        date=ShownDate(when=date.when if date is not None else when),
        before=ShownDate(when=one.proposal),
        reason=one.comment,
        recurrence_id=one.recurrence_id,
    )
    shown = renderer.mail(MailKind.DECLINE_COUNTER, one.owner.language, context)
    head = heading(organizer, desk.rules.organizer)
    data = imip.build_mail(
        sender=head.sender,
        submitter=head.submitter,
        reply_to=head.reply_to,
        recipient=imip.Mailbox(address=one.attendee, name=name),
        subject=shown.subject,
        text=shown.text,
        html=shown.html,
        calendar=ics.build_calendar((component,), method=Method.DECLINECOUNTER, dtstamp=now.astimezone(UTC)),
        method=Method.DECLINECOUNTER,
        message_id=message_id,
        date=now,
        references=one.references,
        auto_submitted=False,
    )
    return Message(
        id=desk.clock.new_id(),
        work=work,
        entry=entry.id,
        recipient=one.attendee,
        kind=MailKind.DECLINE_COUNTER.value,
        method=Method.DECLINECOUNTER.value,
        sequence=one.sequence,
        message_id=message_id,
        created=now,
        data=data,
    )


def _open(tx: Connection, mail_id: str) -> InboxMail:
    mail = inbox_rows.get(tx, mail_id)
    if mail.outcome not in (Outcome.HELD, Outcome.COUNTER, Outcome.REJECTED):
        raise Rejected(f"There is nothing to decide about this mail any more: {mail.reason}")
    return mail


def _moved(tx: Connection, desk: Desk, mail: InboxMail) -> Done:
    if mail.entry is None or mail.proposed_start is None:
        raise Rejected("This proposal names no time that could be taken. Move the entry yourself.")
    lasts: timedelta | None = mail.proposed_duration
    return move(tx, desk, mail.entry, start=mail.proposed_start, duration=lasts, recurrence_id=mail.recurrence_id)


def _settled(
    tx: Connection,
    desk: Desk,
    mail: InboxMail,
    outcome: Outcome,
    reason: str,
    *,
    results: tuple[IngestResult, ...] = (),
    effects: tuple[Effect, ...] = (),
) -> Decided:
    inbox_rows.settle(tx, mail.id, outcome=outcome.value, reason=reason)
    line = Line(at=desk.clock.now(), entry=mail.entry, owner=None, action="answer-decided", attendee=mail.attendee, text=reason)
    journal_rows.add(tx, line)
    return Decided(mail=inbox_rows.get(tx, mail.id), reason=reason, results=results, effects=effects)
