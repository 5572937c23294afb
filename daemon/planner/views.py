"""What there is to see: entries with everything known about them, lists, texts. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from daemon.core import itip, recurrence, reminders
from daemon.core.calendars import Link, LinkState
from daemon.core.delivery import Message, MessageState
from daemon.core.errors import Rejected
from daemon.core.model import Attendee, Entry, EntryState, PartStat, Sender
from daemon.core.recurrence import Date
from daemon.core.reminders import Mark
from daemon.planner.causes import dress_of, mail_key, offsets_of, people
from daemon.planner.wishes import (
    AttendeeView,
    CalendarView,
    Delivery,
    Desk,
    EntryLine,
    EntryView,
    OccurrenceView,
    ReminderView,
)
from daemon.store import calendars as calendar_rows
from daemon.store import entries as rows
from daemon.store import messages as message_rows
from daemon.store import owners as owner_rows
from daemon.store import reminder_marks, undeliverable, work
from daemon.store.work import Job

SHOWN_DATES = 10
_ALL = 1_000_000
_PLANNED = (EntryState.PLANNED,)
_FAR = datetime(9000, 1, 1, tzinfo=UTC)


def show(tx: Connection, desk: Desk, entry_id: str) -> EntryView:
    """Everything about one entry: answers that count now, deliveries, calendars, reminders, the coming dates."""
    entry = rows.get(tx, entry_id)
    owner = owner_rows.get(tx, entry.owner)
    now = desk.clock.now()
    listed = _everybody(entry)
    last = {one.work: one for one in message_rows.of_entry(tx, entry.id)}
    told = {one.attendee for one in message_rows.all_sent(tx, entry.id)}
    returned = {one.attendee: one for one in undeliverable.of_entry(tx, entry.id)}
    # A row stands as long as something is owed, and no longer.
    waiting = {job.key: job for job in work.of_keys(tx, [mail_key(entry.id, one.email) for one in listed])}

    def delivery(email: str) -> Delivery:
        if entry.sender is Sender.CALENDAR:
            return Delivery(state="calendar" if entry.invited else "none")
        key = mail_key(entry.id, email)
        fared = _delivery(last.get(key), waiting.get(key), told=email in told)
        back = returned.get(email)
        if back is None or fared.state not in ("sent", "told", "none") or (fared.at is not None and fared.at > back.at):
            return fared
        return replace(fared, state="undeliverable", at=back.at, reply=back.reply or back.status)

    stands = itip.standings(entry)
    coming = recurrence.dates(entry, after=now, limit=SHOWN_DATES)
    emails = [one.email for one in listed]
    return EntryView(
        entry=entry,
        owner_email=owner.email,
        link=dress_of(desk, entry, owner).link,
        next_date=next_date(entry, now),
        attendees=tuple(
            AttendeeView(attendee=person, standing=stands(person.email), delivery=delivery(person.email)) for person in listed
        ),
        occurrences=tuple(
            OccurrenceView(date=date, standings=tuple(map(itip.standings(entry, date.recurrence_id), emails)))
            for date in coming
            if entry.is_series
        ),
        calendars=tuple(_calendar_view(tx, one) for one in calendar_rows.links_of(tx, entry.id)),
        reminders=_reminder_views(entry, offsets_of(desk, entry, owner), reminder_marks.of_entry(tx, entry.id), now),
    )


def lines(
    tx: Connection,
    desk: Desk,
    owner_id: str | None,
    *,
    which: str = "upcoming",
    search: str = "",
    limit: int = 200,
    offset: int = 0,
) -> tuple[EntryLine, ...]:
    """The list of entries: `upcoming` (soonest first), `undated`, `past` (latest first), `cancelled` or `all`."""
    now = desk.clock.now()
    match which:
        case "upcoming":
            found = rows.list_(
                tx, owner=owner_id, states=_PLANNED, after=now, before=_FAR, search=search, limit=limit, offset=offset
            )
            ahead = [line for line in (_line(entry, now) for entry in found) if line.next_date is not None]
            return tuple(sorted(ahead, key=lambda line: line.next_date.start if line.next_date else now))
        case "undated":
            found = rows.list_(tx, owner=owner_id, states=_PLANNED, search=search, limit=_ALL)
            chosen = [entry for entry in found if entry.when is None]
        case "past":
            found = rows.list_(tx, owner=owner_id, states=_PLANNED, before=now, search=search, limit=_ALL)
            chosen = [entry for entry in reversed(found) if next_date(entry, now) is None]
        case "cancelled":
            found = rows.list_(tx, owner=owner_id, states=(EntryState.CANCELLED,), search=search, limit=limit + offset)
            chosen = list(found)
        case "all":
            chosen = list(rows.list_(tx, owner=owner_id, search=search, limit=limit + offset))
        case _:
            raise Rejected(f"“{which}” is no list. There are upcoming, undated, past, cancelled and all.", field="which")
    return tuple(_line(entry, now) for entry in chosen[offset : offset + limit])


def next_date(entry: Entry, now: datetime) -> Date | None:
    """The running or next date that is not cancelled; None if there is none ahead."""
    ahead = recurrence.dates(entry, after=now, limit=50)
    return next((date for date in ahead if not date.cancelled), None)


def counts(entry: Entry, recurrence_id: datetime | None) -> tuple[int, int, int, int]:
    """How many accepted, declined, are tentative, are silent, for the series or one date."""
    stands = itip.standings(entry, recurrence_id)
    said = [stands(one.email).partstat for one in _everybody(entry)]
    sure = (PartStat.ACCEPTED, PartStat.DECLINED, PartStat.TENTATIVE)
    return (*(said.count(one) for one in sure), sum(one not in sure for one in said))  # type: ignore[return-value]  # a tuple of four, built from three


def _line(entry: Entry, now: datetime) -> EntryLine:
    date = next_date(entry, now) if entry.state is EntryState.PLANNED else None
    return EntryLine(entry=entry, next_date=date, counts=counts(entry, date.recurrence_id if date and entry.is_series else None))


def _everybody(entry: Entry) -> tuple[Attendee, ...]:
    known = {one.email: one for date in entry.occurrences for one in date.attendees or ()}
    known.update({one.email: one for one in entry.attendees})
    order = [*(one.email for one in entry.attendees), *sorted(people(entry).keys() - {one.email for one in entry.attendees})]
    return tuple(known[email] for email in order)


def _delivery(last: Message | None, job: Job | None, *, told: bool) -> Delivery:
    if job is not None:
        state = "failed" if job.due is None else "queued"
        return Delivery(
            state=state, kind=last.kind if last else "", sequence=last.sequence if last else None, reply=job.error or ""
        )
    if last is None or last.state is MessageState.DROPPED:
        return Delivery(state="told" if told else "none")
    if last.state is MessageState.SENT:
        return Delivery(state="sent", kind=last.kind, sequence=last.sequence, at=last.sent_at, reply=last.reply)
    state = "failed" if last.state is MessageState.FAILED else "queued"
    return Delivery(state=state, kind=last.kind, sequence=last.sequence, at=last.created, reply=last.reply)


def _calendar_view(tx: Connection, link: Link) -> CalendarView:
    calendar = calendar_rows.get(tx, link.calendar)
    state = "pending" if link.dirty and link.state is not LinkState.FAILED else link.state.value
    return CalendarView(calendar=calendar.id, name=calendar.name, state=state, item=link.ref, error=link.error or calendar.error)


def _reminder_views(entry: Entry, offsets: Sequence[timedelta], marks: Sequence[Mark], now: datetime) -> tuple[ReminderView, ...]:
    views = []
    for offset in offsets:
        last = max((one for one in marks if one.offset == offset), key=lambda one: one.start, default=None)
        match reminders.decide(entry, offset, tuple(offsets), marks, now):
            case reminders.Wait(until=until):
                views.append(ReminderView(offset=offset, due=until, start=until + offset, state="waiting"))
            case reminders.Fire(date=date):
                views.append(ReminderView(offset=offset, due=now, start=date.start, state="waiting"))
            case reminders.Suppress(date=date, reason=reason):
                views.append(ReminderView(offset=offset, due=None, start=date.start, state="suppressed", reason=reason))
            case reminders.Done(reason=reason):
                state = last.state if last else "off"
                views.append(
                    ReminderView(
                        offset=offset,
                        due=None,
                        start=last.start if last else None,
                        state=state,
                        reason=(last.reason if last else "") or reason,
                    )
                )
    return tuple(views)
