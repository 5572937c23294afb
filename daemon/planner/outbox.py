"""Mails from what is owed to finished messages: what is owed is read here, said in words, written out, and noted as sent.

The steps of one mail, each a transaction of its own (design 4.1): `owing` reads, `written` makes the bytes (no transaction),
`store_messages` keeps them, the loop sends, `note_sent` records. A message that cannot have reached anybody is dropped and
derived anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from daemon.core import ics, imip, itip, recurrence
from daemon.core.delivery import Message, Sent, SentComponent, sent_from_json, sent_to_json
from daemon.core.errors import NotFound
from daemon.core.event import without_block
from daemon.core.itip import ITip, MailKind
from daemon.core.journal import Line
from daemon.core.model import Component, Entry, Language, Owner, When
from daemon.core.organizer import heading
from daemon.core.reminders import Mark
from daemon.planner import links
from daemon.planner.causes import dress_of, mail_organizer, people
from daemon.planner.wishes import Desk
from daemon.render import Change, ChangedField, MailContext, Renderer, ShownDate
from daemon.store import entries as rows
from daemon.store import journal as journal_rows
from daemon.store import messages as message_rows
from daemon.store import owners as owner_rows
from daemon.store import reminder_marks
from daemon.store import work as work_rows
from daemon.store.work import Job

_NEXT_DATES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Owing:
    """What one attendee is owed as the store stood when it was read (`revision` tells whether it still stands so).

    `answer_link`: where he answers without a calendar program; "" where no pages are served.
    """

    entry: Entry
    owner: Owner
    attendee: str
    name: str
    sent: Sent | None
    messages: tuple[ITip, ...]
    answer_link: str = ""


def owing(tx: Connection, desk: Desk, entry_id: str, attendee: str) -> Owing | None:
    """Read what the attendee is owed now; None if nothing, or the entry is no more."""
    try:
        entry = rows.get(tx, entry_id)
    except NotFound:
        return None
    owner = owner_rows.get(tx, entry.owner)
    sent = message_rows.get_sent(tx, entry_id, attendee)
    owed = itip.owed(
        entry,
        attendee,
        sent,
        organizer=mail_organizer(desk, owner, sent),
        dress=dress_of(desk, entry, owner),
        now=desk.clock.now(),
        private=desk.rules.private_guests,
    )
    if not owed:
        return None
    return Owing(
        entry=entry,
        owner=owner,
        attendee=attendee,
        name=people(entry).get(attendee, ""),
        sent=sent,
        messages=owed,
        answer_link=links.answer_link(tx, desk, entry.id, attendee),
    )


def written(desk: Desk, renderer: Renderer, owing: Owing, work: str) -> tuple[Message, ...]:
    """Write out in full everything that is owed: one message each, in order, with what is true once it is sent."""
    sent, messages = owing.sent, []
    for one in owing.messages:
        now = itip.next_dtstamp(sent, desk.clock.now())
        message_id = new_message_id(desk)
        references = sent.message_ids if sent else ()
        sent = itip.after_sending(sent, owing.entry, owing.attendee, one, dtstamp=now, message_id=message_id)
        shown = renderer.mail(one.kind, owing.owner.language, _context(desk, owing, one))
        head = heading(one.components[0].organizer or desk.rules.organizer, desk.rules.organizer)
        data = imip.build_mail(
            sender=head.sender,
            submitter=head.submitter,
            reply_to=head.reply_to,
            recipient=imip.Mailbox(address=owing.attendee, name=owing.name),
            subject=shown.subject,
            text=shown.text,
            html=shown.html,
            calendar=ics.build_calendar(one.components, method=one.method, dtstamp=now),
            method=one.method,
            message_id=message_id,
            date=now,
            references=references,
            auto_submitted=False,
        )
        messages.append(
            Message(
                id=desk.clock.new_id(),
                work=work,
                entry=owing.entry.id,
                recipient=owing.attendee,
                kind=one.kind.value,
                method=one.method.value,
                sequence=max(component.sequence for component in one.components),
                message_id=message_id,
                created=now,
                data=data,
                sent_after=sent_to_json(sent),
            )
        )
    return tuple(messages)


def store_messages(tx: Connection, job: Job, messages: tuple[Message, ...], *, revision: int) -> bool:
    """Keep the messages and begin the first, if the entry is still the one they were written for. False: read again.

    Raises Lost if the row is another's by now.
    """
    if not stands(tx, job.args["entry"], revision):
        return False
    keep(tx, job, messages)
    return True


def stands(tx: Connection, entry_id: str, revision: int) -> bool:
    """Tell whether the entry is still the one that was read."""
    return rows.revision(tx, entry_id) == revision


def keep(tx: Connection, job: Job, messages: tuple[Message, ...]) -> None:
    """Keep the messages, and begin the first. Raises Lost if the row is another's by now."""
    work_rows.require(tx, job)
    first, *others = messages
    message_rows.insert(tx, replace(first, tried=first.tried + 1), *others)


def begun(tx: Connection, work: str) -> Message | None:
    """Return the message of this row that may have gone out already, though nobody recorded it: exactly that one goes first.

    The others cannot have reached anybody. They are given up, so that what was overtaken meanwhile is never sent.
    """
    pending = message_rows.pending(tx, work)
    first = pending[0] if pending and pending[0].tried else None
    give_up(tx, pending if first is None else pending[1:])
    return first


def give_up(tx: Connection, messages: tuple[Message, ...]) -> None:
    """These have certainly not gone out; what is owed is derived anew."""
    for one in messages:
        message_rows.drop(tx, one.id, reason="not sent; derived anew")


def begin(tx: Connection, job: Job, message: Message) -> None:
    """Note that the message may go out from now on. Raises Lost if the row is another's by now."""
    work_rows.require(tx, job)
    message_rows.count_try(tx, message.id)


def note_sent(tx: Connection, desk: Desk, message: Message, reply: str) -> None:
    """The mail server took the message: what it says is now what the recipient was told.

    Nothing if that is recorded already: a holder that stood still longer than its hold must not bring back what was true before.
    """
    if not message_rows.mark_sent(tx, message.id, at=desk.clock.now(), reply=reply):
        return
    if message.kind == MailKind.REMINDER:
        mark = json.loads(message.sent_after or "{}")
        entry_id = str(message.entry)
        reminder_marks.add(
            tx,
            entry_id,
            Mark(offset=timedelta(seconds=mark["offset"]), start=datetime.fromisoformat(mark["start"]), state="sent", reason=""),
        )
    elif message.kind != MailKind.TROUBLE and message.sent_after:
        message_rows.put_sent(tx, sent_from_json(message.sent_after))
        if message.kind == MailKind.REMOVAL:
            links.revoke(tx, str(message.entry), message.recipient)
    journal_rows.add(
        tx,
        _line(
            desk,
            message,
            "mail-sent",
            f"{message.recipient} was mailed: {message.kind} (SEQUENCE {message.sequence}). The mail server said: {reply}",
        ),
    )


def note_refused(tx: Connection, desk: Desk, message: Message, words: str) -> None:
    """The mail server refused the message for good; what was to follow it is not sent either."""
    if not message_rows.mark_failed(tx, message.id, reply=words):
        return
    give_up(tx, message_rows.pending(tx, message.work))
    journal_rows.add(
        tx, _line(desk, message, "mail-refused", f"{message.recipient} could not be mailed: {message.kind}. {words}")
    )


def invitation_text(tx: Connection, desk: Desk, renderer: Renderer, entry_id: str, language: Language | None) -> str:
    """Return the invitation as text to paste into any mail or chat."""
    entry = rows.get(tx, entry_id)
    owner = owner_rows.get(tx, entry.owner)
    context = plain_context(desk, entry, owner, recipient=owner.email, name="")
    if entry.when is not None:
        context = replace(context, date=ShownDate(when=entry.when))
    return renderer.invitation_text(language or owner.language, context)


def envelope_from(desk: Desk, message: Message) -> str:
    """Return where the mail servers on the way report that the message could not be delivered (RFC 5321 3.6.3).

    With `bounces` set, the address names the message, and the message its recipient: a report needs to return nothing of it.
    """
    return desk.rules.bounces.replace("{token}", message.id) or desk.rules.organizer.email


def new_message_id(desk: Desk) -> str:
    """Return a Message-ID (RFC 5322 3.6.4) in the service mailbox's domain, random and used once."""
    return f"<{desk.clock.new_id()}@{desk.rules.organizer.email.rpartition('@')[2]}>"


def plain_context(desk: Desk, entry: Entry, owner: Owner, *, recipient: str, name: str) -> MailContext:
    """What every text about an entry can say."""
    dress = dress_of(desk, entry, owner)
    now = desk.clock.now()
    ahead = recurrence.dates(entry, after=now, limit=_NEXT_DATES) if entry.is_series else ()
    return MailContext(
        owner_name=owner.name,
        owner_email=owner.email,
        recipient_name=name,
        recipient_email=recipient,
        title=entry.title,
        number=entry.number,
        description=entry.description,
        location=entry.location,
        link=dress.link,
        dial_in=dress.dial_in,
        password=entry.password,
        rrule=entry.rrule or "",
        series=entry.is_series,
        next_dates=tuple(date.when for date in ahead if not date.cancelled),
    )


def _context(desk: Desk, owing: Owing, one: ITip) -> MailContext:
    main = one.components[0]
    when = main.when or owing.entry.when
    context = plain_context(desk, owing.entry, owing.owner, recipient=owing.attendee, name=owing.name)
    if not _knows_series(owing):
        context = replace(context, series=False, rrule="", next_dates=())
    own = next((date for date in owing.entry.occurrences if date.recurrence_id == one.recurrence_id), None)
    return replace(
        context,
        title=main.title,
        description=own.description if own is not None and own.description is not None else owing.entry.description,
        location=own.location if own is not None and own.location is not None else owing.entry.location,
        date=ShownDate(when=when) if when else None,
        before=ShownDate(when=one.before.when) if one.before is not None and one.before.when != when else None,
        changes=_changes(one.before, main, owing.entry) if one.before is not None else (),
        asks=one.asks,
        recurrence_id=one.recurrence_id,
        answer_link=owing.answer_link,
    )


def _knows_series(owing: Owing) -> bool:
    """False for who comes to single dates only: the others are none of his business."""
    invited = any(one.email == owing.attendee for one in owing.entry.attendees)
    return invited or (owing.sent is not None and any(one.recurrence_id is None for one in owing.sent.components))


def _changes(before: SentComponent, main: Component, entry: Entry) -> tuple[Change, ...]:
    changes = []
    if main.when is not None and before.when != main.when:
        changes.append(Change(field=ChangedField.WHEN, old=before.when, new=main.when))
    if before.title != main.title:
        changes.append(Change(field=ChangedField.TITLE, old=before.title, new=main.title))
    if before.location != main.location:
        changes.append(Change(field=ChangedField.LOCATION, old=before.location, new=main.location))
    old, new = without_block(before.description), without_block(main.description)
    if old != new:
        changes.append(Change(field=ChangedField.DESCRIPTION, old=old, new=new))
    if main.recurrence_id is None:
        if (before.rrule or "") != (main.rrule or ""):
            changes.append(Change(field=ChangedField.RRULE, old=before.rrule or "", new=main.rrule or ""))
        dropped = _dates_of(entry, set(main.exdates) - set(before.exdates))
        regained = _dates_of(entry, set(before.exdates) - set(main.exdates))
        if dropped or regained:
            changes.append(Change(field=ChangedField.DATES, old=dropped, new=regained))
    return tuple(changes)


def _dates_of(entry: Entry, walls: set[datetime]) -> tuple[When, ...]:
    return tuple(replace(entry.when, start=wall) for wall in sorted(walls)) if entry.when else ()


def _line(desk: Desk, message: Message, action: str, text: str) -> Line:
    return Line(at=desk.clock.now(), entry=message.entry, owner=None, action=action, attendee=message.recipient, text=text)
