"""What a change of an entry causes outside, put down as work rows in the same transaction (design 4.1).

Mails are not queued but owed: a row per attendee says "look what he must be told"; `Effect`s tell a person the same in advance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from daemon.core import itip, recurrence, reminders, zones
from daemon.core.calendars import Calendar, CalendarState, Link, LinkState
from daemon.core.delivery import Sent
from daemon.core.event import Dress
from daemon.core.itip import MailKind
from daemon.core.journal import Line
from daemon.core.model import Entry, EntryState, Organizer, Owner, Sender
from daemon.core.organizer import TOKEN_LENGTH, OrganizerForm, organizer_again, organizer_as
from daemon.planner.wishes import Desk, Done, Effect, EffectKind
from daemon.store import calendars as calendar_rows
from daemon.store import entries as rows
from daemon.store import journal as journal_rows
from daemon.store import messages as message_rows
from daemon.store import reminder_marks, work

_SENTENCES = {
    MailKind.INVITATION: "an invitation",
    MailKind.UPDATE: "the new date and is asked again",
    MailKind.INFORMATION: "what has changed, and need not answer again",
    MailKind.CANCELLATION: "a cancellation",
    MailKind.REMOVAL: "a cancellation, being off the list",
    MailKind.OCCURRENCE_UPDATE: "the change of one date",
    MailKind.OCCURRENCE_CANCELLATION: "the cancellation of one date",
    MailKind.REINVITATION: "an invitation again",
}


def mail_key(entry_id: str, email: str) -> str:
    """The work row that owes an attendee the truth about an entry."""
    return f"mail:{entry_id}:{email}"


def remind_key(entry_id: str, offset: timedelta) -> str:
    """The work row of one reminder of an entry; a series re-arms it after each date."""
    return f"remind:{entry_id}:{int(offset.total_seconds())}"


def calendar_key(calendar_id: str) -> str:
    """The work row that is the only worker on a calendar (design 4.1)."""
    return f"calendar:{calendar_id}"


def sync_now(tx: Connection, calendar: Calendar, *, now: datetime) -> None:
    """Make the calendar's worker due."""
    work.put(tx, key=calendar_key(calendar.id), kind=work.CALENDAR, due=now, args={"calendar": calendar.id})


def push_soon(tx: Connection, calendar: Calendar, *, now: datetime) -> None:
    """Make the calendar's worker due because something is owed to it.

    Not while its server refuses us: the owner was told, and is not told again at each change; `calendar sync` tries anew.
    """
    if calendar.state is not CalendarState.REFUSED:
        sync_now(tx, calendar, now=now)


def dress_of(desk: Desk, entry: Entry, owner: Owner) -> Dress:
    """What our block in texts says about this entry, in its owner's language."""
    return Dress(
        number=entry.number,
        link=desk.rules.link_template.replace("{number}", entry.number),
        dial_in=desk.rules.dial_in if entry.telephone else "",
        language=owner.language,
        password=entry.password,
    )


def organizer_of(desk: Desk, owner: Owner) -> Organizer:
    """ORGANIZER in the owner's own calendar: the service mailbox under his name, so that his server has nothing to invite to."""
    return Organizer(email=desk.rules.organizer.email, name=owner.name or desk.rules.organizer.name)


def mail_organizer(desk: Desk, owner: Owner, sent: Sent | None) -> Organizer:
    """ORGANIZER of the mails to one attendee: what he was told before, otherwise in the form that is set."""
    service, person, form = desk.rules.organizer, Organizer(email=owner.email, name=owner.name), desk.rules.organizer_form
    told = organizer_again(sent.organizer or service.email, service, person) if sent is not None else None
    token = desk.clock.new_id()[:TOKEN_LENGTH] if form is OrganizerForm.TOKEN and told is None else ""
    return told or organizer_as(form, service, person, token)


def offsets_of(desk: Desk, entry: Entry, owner: Owner) -> tuple[timedelta, ...]:
    """The reminder offsets in force: the entry's, else the owner's, else the installation's."""
    for offsets in (entry.reminders, owner.reminders):
        if offsets is not None:
            return offsets
    return desk.rules.reminders


def commit(
    tx: Connection,
    desk: Desk,
    before: Entry | None,
    after: Entry,
    owner: Owner,
    *,
    calendar: Calendar | None,
    action: str,
    bulk: bool = False,
    told: tuple[Sent, ...] = (),
    anew: bool = False,
) -> Done:
    """Store the entry as it is now and put down all the work that the difference causes.

    `told`: what attendees of a new entry know already, from wherever it was taken over. `anew`: its events are written even if
    nothing of them has changed.
    """
    now = desk.clock.now()
    entry = itip.with_sequences(before, after)
    if before is None:
        rows.insert(tx, entry, first_start=_first_start(entry), last_end=recurrence.last_end(entry))
        for one in told:
            message_rows.put_sent(tx, one)
        if calendar is not None:
            calendar_rows.put_link(tx, Link(entry=entry.id, calendar=calendar.id, uid=entry.uid, changed_at=now, bulk=bulk))
    else:
        entry = replace(entry, modified=now, revision=before.revision + 1)
        save(tx, entry)
    journal_rows.add(tx, Line(at=now, entry=entry.id, owner=owner.id, action=action, text=f"“{entry.title}”: {action}."))
    effects = (
        *_tell_attendees(tx, desk, before, entry, owner, now, bulk=bulk),
        *_write_calendars(tx, before, entry, now, bulk=bulk, anew=anew),
        *_arm_reminders(tx, desk, before, entry, owner, now),
    )
    return Done(entry=entry, effects=effects, notes=_notes(entry, effects))


def save(tx: Connection, entry: Entry) -> None:
    """Store the next revision of an entry with the instants that lists are ordered by."""
    rows.save(tx, entry, first_start=_first_start(entry), last_end=recurrence.last_end(entry))


def _first_start(entry: Entry) -> datetime | None:
    return None if entry.when is None else zones.span(entry.when)[0]


def people(entry: Entry) -> dict[str, str]:
    """Everybody on the list or on the list of a single date: address → name."""
    everybody = {one.email: one.name for date in entry.occurrences for one in date.attendees or ()}
    everybody.update({one.email: one.name for one in entry.attendees})
    return everybody


def _tell_attendees(
    tx: Connection, desk: Desk, before: Entry | None, entry: Entry, owner: Owner, now: datetime, *, bulk: bool
) -> list[Effect]:
    if entry.sender is not Sender.PLANNER:
        return []
    told = {one.attendee: one for one in message_rows.all_sent(tx, entry.id)}
    names = people(entry)
    dress = dress_of(desk, entry, owner)
    due = now + desk.rules.coalesce
    effects, even = [], []
    known: dict[object, tuple[MailKind, ...]] = {}
    for email in sorted(names.keys() | told.keys() | (people(before).keys() if before else set())):
        organizer = mail_organizer(desk, owner, told.get(email))
        situation = email == organizer.email, *_situation(entry, email, told.get(email))
        if situation not in known:
            owed = itip.owed(entry, email, told.get(email), organizer=organizer, dress=dress, now=now)
            known[situation] = tuple(one.kind for one in owed)
        if not known[situation]:
            even.append(mail_key(entry.id, email))
            continue
        kind = work.BULK if bulk else work.MAIL
        work.put(tx, key=mail_key(entry.id, email), kind=kind, due=due, args={"entry": entry.id, "attendee": email})
        shown = f"{names[email]} <{email}>" if names.get(email) else email
        effects += [
            Effect(
                kind=EffectKind.MAIL,
                text=f"{shown} is mailed {_SENTENCES[mail_kind]}.",
                target=email,
                mail_kind=mail_kind,
                due=due,
            )
            for mail_kind in known[situation]
        ]
    _release(tx, even, now)
    return effects


def _situation(entry: Entry, email: str, sent: Sent | None) -> tuple[object, ...]:
    """What decides which kinds of mail a person is owed: the same for most of the list, so it is computed once for all of them.

    What is in a mail depends on the person, and is found out when it is written.
    """
    has = tuple(
        (one.recurrence_id, one.when, one.rrule, one.rdates, one.exdates, one.title, one.description, one.location, one.cancelled)
        for one in (sent.components if sent is not None else ())
    )
    dates = tuple(date.recurrence_id for date in entry.occurrences if any(one.email == email for one in date.attendees or ()))
    return sent is None, has, any(one.email == email for one in entry.attendees), dates


def _release(tx: Connection, keys: Sequence[str], now: datetime) -> None:
    """Take away the rows of those who are owed nothing any more, also the parked ones: nobody has to look at them."""
    waiting = [job.key for job in work.of_keys(tx, keys)]
    # Where a mail may have gone out already that nobody recorded, the row finds out what it takes to be even.
    work.cancel(tx, *(key for key in waiting if not any(one.tried for one in message_rows.pending(tx, key))), now=now)


def _write_calendars(
    tx: Connection, before: Entry | None, entry: Entry, now: datetime, *, bulk: bool, anew: bool
) -> list[Effect]:
    standing = _stands(entry)
    revived = standing and before is not None and not _stands(before)
    same = before is not None and not anew and _look(before) == _look(entry)
    effects = []
    for link in calendar_rows.links_of(tx, entry.id):
        deleting = link.deleting or entry.state is EntryState.DELETED
        if not link.dirty and (same or link.state is LinkState.GONE or (not standing and link.ref is None)):
            continue
        if revived and link.ref is not None:
            # The old event was to be deleted, perhaps it is already: write a new one, or find the old one by its UID.
            calendar_rows.put_link(tx, replace(link, ref=None, version=None, state=LinkState.PENDING))
        calendar_rows.mark_dirty(tx, entry.id, link.calendar, now=now, bulk=bulk, deleting=deleting)
        calendar = calendar_rows.get(tx, link.calendar)
        push_soon(tx, calendar, now=now)
        kept = standing and not deleting
        text = f"The event is {'written into' if kept else 'taken out of'} the calendar {calendar.name}."
        if entry.sender is Sender.CALENDAR and entry.attendees:
            text += f" Its server tells {len(entry.attendees)} attendees."
        effects.append(Effect(kind=EffectKind.CALENDAR, text=text, target=link.calendar, due=now))
    return effects


def _look(entry: Entry) -> Entry:
    """The entry without what its event does not show."""
    return replace(entry, reminders=None, remind=False, modified=entry.created, revision=0)


def _stands(entry: Entry) -> bool:
    return entry.state is EntryState.PLANNED and entry.when is not None


def _arm_reminders(tx: Connection, desk: Desk, before: Entry | None, entry: Entry, owner: Owner, now: datetime) -> list[Effect]:
    offsets = offsets_of(desk, entry, owner) if entry.remind else ()
    dropped = set(offsets_of(desk, before, owner) if before else ()) - set(offsets)
    work.cancel(tx, *(remind_key(entry.id, offset) for offset in dropped), now=now)
    marks = reminder_marks.of_entry(tx, entry.id) if before and offsets else ()
    effects = []
    for offset in offsets:
        key = remind_key(entry.id, offset)
        args = {"entry": entry.id, "offset": int(offset.total_seconds())}
        decision = reminders.decide(entry, offset, offsets, marks, now)
        match decision:
            case reminders.Wait(until=until):
                work.put(tx, key=key, kind=work.REMIND, due=until, args=args)
                effects.append(_reminded(owner, until))
            case reminders.Fire() | reminders.Suppress():
                work.put(tx, key=key, kind=work.REMIND, due=now, args=args)
                if isinstance(decision, reminders.Fire):
                    effects.append(_reminded(owner, now))
            case reminders.Done():
                work.cancel(tx, key, now=now)
    return effects


def _reminded(owner: Owner, due: datetime) -> Effect:
    return Effect(kind=EffectKind.REMINDER, text=f"{owner.email} is reminded.", target=owner.email, due=due)


def _notes(entry: Entry, effects: tuple[Effect, ...]) -> tuple[str, ...]:
    mailed = any(one.kind is EffectKind.MAIL for one in effects)
    if entry.invited and entry.attendees and not mailed and entry.sender is Sender.PLANNER and entry.state is EntryState.PLANNED:
        return ("Nobody is mailed: nothing has changed for the attendees, or the session lies in the past.",)
    if entry.attendees and not entry.invited and entry.state is EntryState.PLANNED:
        return ("The people on the list are not told yet; `entry invite` sends the invitations.",)
    return ()
