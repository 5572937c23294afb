"""Mails to the owner: reminders, decided at the last moment, and notices of what could not be done (design 4.1, 4.5)."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from daemon.core import imip, itip, reminders
from daemon.core.delivery import Message
from daemon.core.errors import NotFound
from daemon.core.itip import MailKind
from daemon.core.journal import Line
from daemon.core.model import Entry, Owner, PartStat
from daemon.core.recurrence import Date
from daemon.core.reminders import Mark
from daemon.planner import outbox
from daemon.planner.causes import offsets_of, people
from daemon.planner.notices import Notice
from daemon.planner.outbox import new_message_id, plain_context
from daemon.planner.wishes import Desk
from daemon.render import MailContext, People, Renderer, ShownDate
from daemon.store import entries as rows
from daemon.store import journal as journal_rows
from daemon.store import owners as owner_rows
from daemon.store import reminder_marks


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminding:
    """A reminder to be mailed now, and when its row is due next (`wake`, UTC; None: never), as the entry is now."""

    entry: Entry
    owner: Owner
    offset: timedelta
    date: Date
    reminded: bool
    wake: datetime | None


def reminding(tx: Connection, desk: Desk, entry_id: str, offset: timedelta) -> Reminding | datetime | None:
    """Decide about a reminder as things stand now (design 4.5).

    Returns what to mail, or when to look again (UTC), or None when nothing is ahead. Suppressed ones are marked and journalled on
    the way.
    """
    try:
        entry = rows.get(tx, entry_id)
    except NotFound:
        return None
    owner = owner_rows.get(tx, entry.owner)
    offsets = offsets_of(desk, entry, owner)
    if offset not in offsets:
        return None
    while True:
        marks = reminder_marks.of_entry(tx, entry_id)
        match reminders.decide(entry, offset, offsets, marks, desk.clock.now()):
            case reminders.Wait(until=until):
                return until
            case reminders.Done():
                return None
            case reminders.Fire(date=date, wake=wake):
                before = any(one.start == date.start and one.state == "sent" for one in marks)
                return Reminding(entry=entry, owner=owner, offset=offset, date=date, reminded=before, wake=wake)
            case reminders.Suppress(date=date, reason=reason):
                reminder_marks.add(tx, entry_id, Mark(offset=offset, start=date.start, state="suppressed", reason=reason))
                journal_rows.add(
                    tx,
                    Line(
                        at=desk.clock.now(),
                        entry=entry_id,
                        owner=owner.id,
                        action="reminder-suppressed",
                        text=f"The reminder for {date.when.start:%Y-%m-%d %H:%M} ({date.when.zone}) was not sent: {reason}",
                    ),
                )


def reminder_message(desk: Desk, renderer: Renderer, due: Reminding, work: str) -> Message:
    """Write out a reminder to the owner."""
    entry, owner = due.entry, due.owner
    context = replace(
        plain_context(desk, entry, owner, recipient=owner.email, name=owner.name),
        date=ShownDate(when=due.date.when, zone=owner.zone),
        title=due.date.title,
        description=due.date.description,
        location=due.date.location,
        offset=due.offset,
        starts_in=due.date.start - desk.clock.now(),
        reminded=due.reminded,
        people=_people(entry, due.date),
        recurrence_id=due.date.recurrence_id if entry.is_series else None,
    )
    kept = json.dumps({"offset": int(due.offset.total_seconds()), "start": due.date.start.isoformat()})
    return _to_owner(desk, renderer, owner, MailKind.REMINDER, context, entry=entry, work=work, sent_after=kept)


def begun(tx: Connection, work: str, due: Reminding | datetime | None) -> Message | None:
    """Return the reminder of this row that may have gone out already, if it is the one that is due: it goes again as it is.

    Any other is given up: it was overtaken.
    """
    message = outbox.begun(tx, work)
    if message is None:
        return None
    if isinstance(due, Reminding) and datetime.fromisoformat(json.loads(message.sent_after or "{}")["start"]) == due.date.start:
        return message
    outbox.give_up(tx, (message,))
    return None


def trouble_message(desk: Desk, renderer: Renderer, notice: Notice, work: str) -> Message:
    """Write out the owner's notice that something of his could not be done."""
    entry, owner, trouble = notice.entry, notice.owner, notice.trouble
    if entry is not None:
        context = plain_context(desk, entry, owner, recipient=owner.email, name=owner.name)
        context = replace(context, date=ShownDate(when=entry.when, zone=owner.zone) if entry.when else None, trouble=trouble)
    else:
        context = MailContext(
            owner_name=owner.name,
            owner_email=owner.email,
            recipient_name=owner.name,
            recipient_email=owner.email,
            title=trouble.calendar,
            number="",
            trouble=trouble,
        )
    told = json.dumps(notice.things)
    return _to_owner(desk, renderer, owner, MailKind.TROUBLE, context, entry=entry, work=work, sent_after=told)


def _to_owner(
    desk: Desk,
    renderer: Renderer,
    owner: Owner,
    kind: MailKind,
    context: MailContext,
    *,
    entry: Entry | None,
    work: str,
    sent_after: str | None,
) -> Message:
    now, message_id = desk.clock.now(), new_message_id(desk)
    shown = renderer.mail(kind, owner.language, context)
    data = imip.build_mail(
        sender=imip.Mailbox(address=desk.rules.organizer.email, name=desk.rules.organizer.name),
        recipient=imip.Mailbox(address=owner.email, name=owner.name),
        subject=shown.subject,
        text=shown.text,
        html=shown.html,
        calendar=None,
        method=None,
        message_id=message_id,
        date=now,
        auto_submitted=True,
    )
    return Message(
        id=desk.clock.new_id(),
        work=work,
        entry=entry.id if entry else None,
        recipient=owner.email,
        kind=kind.value,
        method="",
        sequence=entry.sequence if entry else 0,
        message_id=message_id,
        created=now,
        data=data,
        sent_after=sent_after,
    )


def _people(entry: Entry, date: Date) -> People:
    names = people(entry)
    recurrence_id = date.recurrence_id if entry.is_series else None
    own = date.occurrence.attendees if date.occurrence is not None else None
    listed = entry.attendees if own is None else own
    groups: dict[str, list[str]] = {name: [] for name in ("accepted", "tentative", "declined", "silent", "outdated", "delegated")}
    at = {
        PartStat.ACCEPTED: "accepted",
        PartStat.TENTATIVE: "tentative",
        PartStat.DECLINED: "declined",
        PartStat.DELEGATED: "delegated",
    }
    for person in listed:
        standing = itip.standing(entry, person.email, recurrence_id)
        group = "outdated" if standing.outdated else at.get(standing.partstat, "silent")
        groups[group].append(names.get(person.email) or person.email)
    return People(**{name: tuple(found) for name, found in groups.items()})
