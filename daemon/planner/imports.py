"""Entries in and out as iCalendar files: real .ics of any producer, taken over with UID, SEQUENCE, attendees and answers.

What is imported counts as invited already (somebody else sent it, or we did, from another machine); `invite=True` sends anew.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from daemon.core import ics, itip, recurrence, zones
from daemon.core.addresses import clean_name, normal
from daemon.core.delivery import Sent
from daemon.core.errors import Rejected
from daemon.core.event import calendar_event, without_block
from daemon.core.model import (
    Answer,
    AnswerSource,
    Attendee,
    Component,
    Entry,
    EntryState,
    Event,
    Guest,
    Method,
    Occurrence,
    Owner,
    PartStat,
    Sender,
    Status,
    When,
)
from daemon.planner import checks
from daemon.planner.calendars import calendar_for
from daemon.planner.causes import commit, dress_of, organizer_of, people
from daemon.planner.wishes import Desk, Imported
from daemon.store import entries as rows
from daemon.store import numbers as number_rows
from daemon.store import owners as owner_rows


def parse_import(raw: bytes, *, zone: str) -> tuple[tuple[Event, ...], tuple[str, ...]]:
    """Return the file's events and what could not be read of it. Floating times are read in `zone`. Raises Unreadable."""
    parsed = ics.parse_calendar(raw, floating_zone=zone)
    return ics.events(parsed), parsed.problems


def import_one(tx: Connection, desk: Desk, owner_id: str, event: Event, *, invite: bool, calendar: str | None = None) -> Imported:
    """Make an entry of an event, or bring the one with its UID up to the event's SEQUENCE. Never raises for a bad event."""
    title = event.components[0].title or "(without a title)"
    event = event if event.uid else _with_uid(event, desk)
    try:
        return _imported(tx, desk, owner_id, event, invite=invite, calendar=calendar)
    except Rejected as error:
        return Imported(uid=event.uid, title=title, outcome="skipped", reason=str(error))


def export(tx: Connection, desk: Desk, entry_id: str) -> bytes:
    """Return the entry as an .ics file (METHOD:PUBLISH) with everything that an import of ours takes back."""
    entry = rows.get(tx, entry_id)
    if entry.when is None:
        raise Rejected(f"“{entry.title}” has no date, so there is no calendar file of it. `entry text` gives its text.")
    owner = owner_rows.get(tx, entry.owner)
    standing = replace(entry, state=EntryState.PLANNED)
    event = calendar_event(standing, organizer=organizer_of(desk, owner), dress=dress_of(desk, entry, owner), quiet=False)
    cancelled = entry.state is not EntryState.PLANNED
    components = tuple(replace(one, status=Status.CANCELLED) if cancelled else one for one in event.components)
    return ics.build_calendar(components, method=Method.PUBLISH, dtstamp=entry.modified)


def _with_uid(event: Event, desk: Desk) -> Event:
    """Some programs export events without UID. The one we give follows from what it says, so the same file again finds it."""
    master = event.components[0]
    content = "\n".join((master.title, repr(master.when), master.rrule or "", master.location))
    uid = f"{hashlib.sha256(content.encode()).hexdigest()[:32]}@{desk.rules.organizer.email.rpartition('@')[2]}"
    return Event(components=tuple(replace(one, uid=uid) for one in event.components))


def _imported(tx: Connection, desk: Desk, owner_id: str, event: Event, *, invite: bool, calendar: str | None) -> Imported:
    master = event.components[0]
    if master.recurrence_id is not None:
        raise Rejected("The file has only single dates of this series and not the series itself.")
    if master.when is None:
        raise Rejected("The event has no start, so it cannot be planned.")
    if len({one.organizer.email.strip().lower() for one in event.components if one.organizer is not None}) > 1:
        raise Rejected("The dates of this series have different organizers, so it is not one series.")
    if len({one.organizer.email for one in event.components if one.organizer is not None}) > 1:
        raise Rejected("The event names several organizers, so it is not clear whose it is.")
    owner = owner_rows.get(tx, owner_id)
    now = desk.clock.now()
    before = rows.by_uid(tx, event.uid)
    if before is not None:
        return _brought_up(before, master, owner_id)
    target = calendar_for(tx, owner, calendar)
    entry_id = desk.clock.new_id()
    entry = _entry_of(event, entry_id, owner_id, now, desk.rules.organizer.email)
    entry = replace(entry, number=number_rows.reserve(tx, desk.clock.draw, entry_id, now))
    told = () if invite else _told(desk, entry, owner, now, min(master.dtstamp or now, now))
    done = commit(tx, desk, None, entry, owner, calendar=target, action="imported", bulk=True, told=told)
    return Imported(uid=event.uid, title=entry.title, outcome="created", entry=entry.id, state=done.entry.state)


def _brought_up(before: Entry, master: Component, owner_id: str) -> Imported:
    if before.owner != owner_id:
        raise Rejected("Another owner has an entry with this UID already.")
    if before.state is EntryState.DELETED:
        raise Rejected("The entry with this UID was deleted here; copy the event under a new UID to plan it again.")
    newer = master.sequence > before.sequence
    reason = "A newer version is in the file; change the entry itself with `entry edit` or `entry move`." if newer else ""
    return Imported(
        uid=before.uid,
        title=before.title,
        outcome="skipped" if newer else "unchanged",
        reason=reason,
        entry=before.id,
        state=before.state,
    )


def _entry_of(event: Event, entry_id: str, owner_id: str, now: datetime, service: str) -> Entry:
    master = event.components[0]
    assert master.when is not None
    when = _zoned(master.when)
    if when.duration == timedelta(0) and not when.all_day:
        when = replace(when, duration=timedelta(minutes=30))
    checks.when(when.start, when.zone, when.duration, all_day=when.all_day)
    rule = recurrence.check_imported_rule(master.rrule, when) if master.rrule else None
    guests = _guests(event, service)
    listed = _people(master.guests, guests)
    entry = Entry(
        id=entry_id,
        uid=event.uid,
        owner=owner_id,
        number="",
        title=checks.title(master.title or "Ohne Titel")[: checks.MAX_TITLE],
        description=checks.free_text(without_block(master.description), "description"),
        location=checks.free_text(master.location, "location"),
        when=when,
        rrule=rule,
        rdates=master.rdates,
        sequence=master.sequence,
        state=EntryState.CANCELLED if master.status is Status.CANCELLED else EntryState.PLANNED,
        sender=Sender.PLANNER,
        invited=bool(guests),
        attendees=listed,
        created=now,
        modified=now,
    )
    entry = replace(entry, occurrences=_occurrences(entry, event, guests))
    return replace(entry, answers=_answers(entry, event, now))


def _zoned(when: When) -> When:
    return replace(when, zone=zones.zone(when.zone).key)


def _guests(event: Event, service: str) -> dict[str, Guest]:
    organizer = event.components[0].organizer
    apart = {service, organizer.email if organizer else ""}
    found: dict[str, Guest] = {}
    for component in event.components:
        for guest in component.guests:
            try:
                email = normal(guest.email)
            except Rejected:
                continue
            if email not in apart:
                found.setdefault(email, guest)
    return found


def _people(guests: tuple[Guest, ...], known: dict[str, Guest]) -> tuple[Attendee, ...]:
    people: dict[str, Attendee] = {}
    for guest in guests:
        email = guest.email.strip().lower()
        if email in known:
            people[email] = Attendee(
                email=email, name=clean_name(guest.name), role=guest.role, delegated_from=guest.delegated_from
            )
    return tuple(people.values())


def _occurrences(entry: Entry, event: Event, guests: dict[str, Guest]) -> tuple[Occurrence, ...]:
    master = event.components[0]
    assert entry.when is not None
    dates = {wall: Occurrence(recurrence_id=wall, cancelled=True, sequence=entry.sequence) for wall in master.exdates}
    for component in event.components[1:]:
        wall = _original(component, entry.when)
        if wall is None or component.when is None or recurrence.date_of(entry, wall) is None:
            continue
        start = component.when.start if entry.when.all_day else zones.to_wall(zones.span(component.when)[0], entry.when.zone)
        invited = _people(component.guests, guests)
        dates[wall] = Occurrence(
            recurrence_id=wall,
            cancelled=component.status is Status.CANCELLED,
            start=start if start != wall else None,
            duration=component.when.duration if component.when.duration != entry.when.duration else None,
            title=component.title if component.title != master.title else None,
            description=without_block(component.description) if component.description != master.description else None,
            location=component.location if component.location != master.location else None,
            attendees=invited
            if (component.guests or component.organizer is not None)
            and {one.email for one in invited} != {one.email for one in entry.attendees}
            else None,
            sequence=max(component.sequence, entry.sequence),
        )
    return tuple(dates[wall] for wall in sorted(dates))


def _original(component: Component, when: When) -> datetime | None:
    recurrence_id = component.recurrence_id
    if recurrence_id is None:
        return None
    if component.recurrence_id_is_date or recurrence_id.tzinfo is None:
        return recurrence_id.replace(tzinfo=None)
    return zones.to_wall(recurrence_id.astimezone(UTC), when.zone)


def _answers(entry: Entry, event: Event, now: datetime) -> tuple[Answer, ...]:
    listed = people(entry)
    found: dict[tuple[str, datetime | None], Answer] = {}
    for component in event.components:
        wall = _original(component, entry.when) if entry.when else None
        date = recurrence.date_of(entry, wall) if wall is not None else None
        if wall is not None and date is None:
            continue
        about = itip.key_of(entry) if date is None else itip.schedule_key(date.when, None, ())
        for guest in component.guests:
            email = guest.email.strip().lower()
            if email in listed and guest.partstat is not PartStat.NEEDS_ACTION:
                found[email, wall] = Answer(
                    attendee=email,
                    recurrence_id=wall,
                    partstat=guest.partstat,
                    source=AnswerSource.IMPORT,
                    answered_at=now,
                    about=about,
                    delegated_to=guest.delegated_to,
                )
    return tuple(found.values())


def _told(desk: Desk, entry: Entry, owner: Owner, now: datetime, asked_at: datetime) -> tuple[Sent, ...]:
    """What everybody would have been told by now, had we sent the invitations at the DTSTAMP of the object (`asked_at`)."""
    organizer, dress = organizer_of(desk, owner), dress_of(desk, entry, owner)
    told = []
    for email in people(entry):
        sent = None
        for message in itip.owed(entry, email, None, organizer=organizer, dress=dress, now=now):
            sent = itip.after_sending(sent, entry, email, message, dtstamp=asked_at.replace(microsecond=0), message_id="")
        if sent is not None:
            told.append(replace(sent, message_ids=()))
    return tuple(told)
