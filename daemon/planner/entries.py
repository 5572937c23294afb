"""Use cases on entries: each changes the state and puts down the work it causes, in one transaction of the caller's.

They are the only way in: page, API, command line and calendar changes all come through here (design 3).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from daemon.core import recurrence, zones
from daemon.core.addresses import normal
from daemon.core.errors import NotFound, Rejected
from daemon.core.model import Attendee, Entry, EntryState, Occurrence, Owner, Sender, When
from daemon.planner import checks
from daemon.planner.calendars import calendar_for, can_invite, place_entry
from daemon.planner.causes import commit
from daemon.planner.wishes import Changes, Desk, Done, Draft, EffectKind
from daemon.store import calendars as calendar_rows
from daemon.store import entries as rows
from daemon.store import numbers as number_rows
from daemon.store import owners as owner_rows

# What belongs to an entry as a whole and not to a date of it.
_WHOLE = ("all_day", "no_date", "rrule", "telephone", "remind", "reminders", "password", "calendar")


def create(tx: Connection, desk: Desk, owner_id: str, draft: Draft) -> Done:
    """Make an entry: its number is reserved, its event will be written, its attendees will be invited."""
    owner = owner_rows.get(tx, owner_id)
    now = desk.clock.now()
    entry_id = desk.clock.new_id()
    calendar = calendar_for(tx, owner, draft.calendar)
    sender = draft.sender or (calendar.sender if calendar else Sender.PLANNER)
    if sender is Sender.CALENDAR and calendar is None:
        raise Rejected(
            "No calendar is set that could send the invitations. Name one, or let the planner send them.", field="sender"
        )
    if sender is Sender.CALENDAR and calendar is not None and not can_invite(calendar):
        raise Rejected(f"The server of “{calendar.name}” does not send invitations. Let the planner send them.", field="sender")
    if draft.when is None and draft.rrule:
        raise Rejected("A recurrence needs a date: say when the first session starts.", field="rrule")
    when = _checked(draft.when)
    entry = Entry(
        id=entry_id,
        uid=f"{desk.clock.new_id()}@{desk.rules.organizer.email.rpartition('@')[2]}",
        owner=owner.id,
        number=number_rows.reserve(tx, desk.clock.draw, entry_id, now),
        title=checks.title(draft.title),
        description=checks.free_text(draft.description, "description"),
        location=checks.free_text(draft.location, "location"),
        when=when,
        rrule=recurrence.check_rule(draft.rrule, when) if draft.rrule and when else None,
        sender=sender,
        attendees=checks.attendees(draft.attendees, desk.rules.organizer.email),
        invited=draft.invite and bool(draft.attendees),
        telephone=draft.telephone,
        remind=draft.remind,
        reminders=checks.reminders(draft.reminders),
        password=draft.password,
        created=now,
        modified=now,
    )
    return commit(tx, desk, None, entry, owner, calendar=calendar, action="created")


def edit(tx: Connection, desk: Desk, entry_id: str, changes: Changes, *, recurrence_id: datetime | None = None) -> Done:
    """Change an entry, or one date of a series (`recurrence_id`: its original wall start)."""
    before, owner = _load(tx, entry_id)
    if recurrence_id is not None:
        return _commit(tx, desk, before, _edited_date(desk, before, changes, recurrence_id), owner, action="date changed")
    placed = before if changes.calendar is None else place_entry(tx, desk, before, owner, changes.calendar)
    after = _edited(desk, placed, changes)
    return _commit(tx, desk, before, after, owner, action="changed")


def move(
    tx: Connection,
    desk: Desk,
    entry_id: str,
    *,
    start: datetime | None,
    zone: str | None = None,
    duration: timedelta | None = None,
    recurrence_id: datetime | None = None,
) -> Done:
    """Give an entry, or one date of a series, another time. A cancelled entry stands again with its new date."""
    before, owner = _load(tx, entry_id)
    changes = Changes(start=start, zone=zone, duration=duration)
    if recurrence_id is not None:
        after = _edited_date(desk, before, changes, recurrence_id)
        return _commit(tx, desk, before, after, owner, action="date moved")
    if before.when is None and start is None:
        raise Rejected(f"“{before.title}” has no date yet: say when it starts.", field="start")
    return _commit(tx, desk, before, _edited(desk, before, changes), owner, action="moved")


def cancel(tx: Connection, desk: Desk, entry_id: str, *, recurrence_id: datetime | None = None) -> Done:
    """Call the session off (or one date of a series): everybody is told, the event goes, the number stays reserved."""
    before, owner = _load(tx, entry_id)
    if recurrence_id is None:
        if before.state is EntryState.CANCELLED:
            raise Rejected(f"“{before.title}” is cancelled already; nobody is told again.")
        return _commit(tx, desk, before, replace(before, state=EntryState.CANCELLED), owner, action="cancelled")
    date = _date(before, recurrence_id)
    if date.cancelled:
        raise Rejected(f"The date {_shown(recurrence_id)} of “{before.title}” is cancelled already; nobody is told again.")
    kept = tuple(one for one in before.occurrences if one.recurrence_id != recurrence_id)
    old = date.occurrence or Occurrence(recurrence_id=recurrence_id)
    after = replace(before, occurrences=(*kept, replace(old, cancelled=True)))
    return _commit(tx, desk, before, after, owner, action="date cancelled")


def delete(tx: Connection, desk: Desk, entry_id: str) -> Done:
    """Take the entry away: cancelled for everybody, and its number goes into quarantine."""
    before, owner = _load(tx, entry_id)
    number_rows.quarantine(tx, before.number, desk.clock.now() + desk.rules.quarantine)
    return _commit(tx, desk, before, replace(before, state=EntryState.DELETED), owner, action="deleted")


def copy(tx: Connection, desk: Desk, entry_id: str, *, start: datetime | None = None, title: str | None = None) -> Done:
    """Make a new entry like this one, with a number of its own. Its people are on the list but not told before `invite`."""
    old, _ = _load(tx, entry_id)
    link = next((one for one in calendar_rows.links_of(tx, old.id) if not one.deleting), None)
    draft = Draft(
        title=title or old.title,
        description=old.description,
        location=old.location,
        when=replace(old.when, start=start) if old.when and start else old.when,
        rrule=old.rrule if start is None or not old.rrule else None,
        attendees=old.attendees,
        invite=False,
        telephone=old.telephone,
        remind=old.remind,
        reminders=old.reminders,
        password=old.password,
        calendar=link.calendar if link else "",
        sender=old.sender if link else None,
    )
    done = create(tx, desk, old.owner, draft)
    notes = []
    if old.attendees:
        notes.append(f"{len(old.attendees)} people stand on the list and are not told yet; `invite` sends the invitations.")
    if old.rrule and start is not None:
        notes.append("The copy with a new start is a single session; give it a recurrence if it shall repeat.")
    return replace(done, notes=(*done.notes, *notes))


def invite(
    tx: Connection, desk: Desk, entry_id: str, people: tuple[Attendee, ...] = (), *, recurrence_id: datetime | None = None
) -> Done:
    """Add people and tell everybody on the list who is not told yet. With `recurrence_id` they come to that date only."""
    before, owner = _load(tx, entry_id)
    if before.when is None:
        raise Rejected(
            f"“{before.title}” has no date, so there is no meeting request to send. Give it a date with `entry move`, "
            "or pass the number on with `entry text`."
        )
    if before.state is not EntryState.PLANNED:
        raise Rejected(f"“{before.title}” is cancelled. Give it a new date with `entry move` before inviting.")
    added = checks.attendees(people, desk.rules.organizer.email)
    if recurrence_id is None:
        if not added and not before.attendees:
            raise Rejected(f"“{before.title}” has nobody on its list. Say whom to invite.", field="attendees")
        joined = checks.attendees(_joined(before.attendees, added), desk.rules.organizer.email)
        after = replace(before, attendees=joined, invited=True)
    else:
        date = _date(before, recurrence_id)
        if not added:
            raise Rejected("Say whom to invite to that date.", field="attendees")
        if not before.invited and before.attendees:
            raise Rejected(
                f"The {len(before.attendees)} people on the list of “{before.title}” are not told yet and would be now. "
                "Invite them first, or take them off the list.",
                field="attendees",
            )
        old = date.occurrence or Occurrence(recurrence_id=recurrence_id)
        listed = before.attendees if old.attendees is None else old.attendees
        joined = checks.attendees(_joined(listed, added), desk.rules.organizer.email)
        after = replace(_with_date(before, replace(old, attendees=joined)), invited=True)
    done = _commit(tx, desk, before, after, owner, action="invited")
    mailed = {one.target for one in done.effects if one.kind is EffectKind.MAIL}
    told = [one.email for one in added if one.email not in mailed]
    if told and mailed and done.entry.sender is Sender.PLANNER:
        done = replace(done, notes=(*done.notes, f"Told already, and nothing has changed for them: {', '.join(told)}."))
    return done


def uninvite(
    tx: Connection, desk: Desk, entry_id: str, emails: tuple[str, ...], *, recurrence_id: datetime | None = None
) -> Done:
    """Take people off the list (or off one date). Who was told of the session gets a cancellation of his own."""
    before, owner = _load(tx, entry_id)
    gone = {normal(email) for email in emails}
    if recurrence_id is None:
        everywhere = {one.email for one in before.attendees} | {
            one.email for date in before.occurrences for one in date.attendees or ()
        }
        _require_listed(gone, everywhere, before.title)
        after = replace(
            before,
            attendees=tuple(one for one in before.attendees if one.email not in gone),
            occurrences=tuple(
                replace(date, attendees=tuple(one for one in date.attendees if one.email not in gone))
                if date.attendees is not None
                else date
                for date in before.occurrences
            ),
        )
    else:
        old = _date(before, recurrence_id).occurrence or Occurrence(recurrence_id=recurrence_id)
        listed = before.attendees if old.attendees is None else old.attendees
        _require_listed(gone, {one.email for one in listed}, before.title)
        after = _with_date(before, replace(old, attendees=tuple(one for one in listed if one.email not in gone)))
    return _commit(tx, desk, before, after, owner, action="uninvited")


def set_calendar(tx: Connection, desk: Desk, entry_id: str, calendar_id: str | None) -> Done:
    """Write the entry into another calendar of its owner, or into none."""
    before, owner = _load(tx, entry_id)
    placed = place_entry(tx, desk, before, owner, calendar_id or "")
    return _commit(tx, desk, before, placed, owner, action="calendar set")


def find_entry(tx: Connection, text: str, owner_id: str | None) -> Entry:
    """Return the entry that a person means: id, UID, number in any spelling, or the beginning of its title or id."""
    return rows.find(tx, text, owner_id)


def _load(tx: Connection, entry_id: str) -> tuple[Entry, Owner]:
    entry = rows.get(tx, entry_id, lock=True)
    if entry.state is EntryState.DELETED:
        raise NotFound(f"“{entry.title}” was deleted.")
    return entry, owner_rows.get(tx, entry.owner)


def _commit(tx: Connection, desk: Desk, before: Entry, after: Entry, owner: Owner, *, action: str) -> Done:
    return commit(tx, desk, before, after, owner, calendar=None, action=action)


def _checked(when: When | None) -> When | None:
    return None if when is None else checks.when(when.start, when.zone, when.duration, all_day=when.all_day)


def _edited(desk: Desk, before: Entry, changes: Changes) -> Entry:
    after = before
    if changes.title is not None:
        after = replace(after, title=checks.title(changes.title))
    if changes.description is not None:
        after = replace(after, description=checks.free_text(changes.description, "description"))
    if changes.location is not None:
        after = replace(after, location=checks.free_text(changes.location, "location"))
    if changes.telephone is not None:
        after = replace(after, telephone=changes.telephone)
    if changes.remind is not None:
        after = replace(after, remind=changes.remind)
    if changes.reminders is not None:
        after = replace(after, reminders=checks.reminders(changes.reminders))
    if changes.password is not None:
        after = replace(after, password=changes.password)
    if changes.attendees is not None:
        after = replace(after, attendees=checks.attendees(changes.attendees, desk.rules.organizer.email))
    return _rescheduled(after, changes)


def _rescheduled(entry: Entry, changes: Changes) -> Entry:
    if changes.no_date:
        if entry.attendees and entry.invited and entry.state is EntryState.PLANNED:
            raise Rejected(f"“{entry.title}” was announced with its date. Cancel it first if the date shall go.", field="start")
        return replace(entry, when=None, rrule=None, rdates=(), occurrences=())
    timed = (changes.start, changes.zone, changes.duration, changes.all_day) != (None, None, None, None)
    if not timed and changes.rrule is None:
        return entry
    when = _timed(entry, changes) if timed else entry.when
    if when is None:
        raise Rejected("A recurrence needs a date: say when the first session starts.", field="rrule")
    rule = entry.rrule if changes.rrule is None else changes.rrule or None
    if rule is not None and (changes.rrule is not None or timed):
        rule = recurrence.check_rule(rule, when) if changes.rrule is not None else recurrence.check_imported_rule(rule, when)
    state = EntryState.PLANNED if timed else entry.state
    rdates = entry.rdates if rule is not None or changes.rrule is None else ()
    occurrences = entry.occurrences if rule is not None or rdates else ()
    return replace(entry, when=when, rrule=rule, rdates=rdates, occurrences=occurrences, state=state)


def _timed(entry: Entry, changes: Changes) -> When:
    old = entry.when
    start = changes.start or (old.start if old else None)
    if start is None:
        raise Rejected(f"“{entry.title}” has no date yet: say when it starts.", field="start")
    zone = changes.zone or (old.zone if old else None)
    if zone is None:
        raise Rejected("Say in which time zone, like Europe/Berlin.", field="zone")
    all_day = old.all_day if changes.all_day is None and old else bool(changes.all_day)
    usual = timedelta(days=1) if all_day else timedelta(hours=1)
    same_kind = old is not None and old.all_day == all_day
    duration = changes.duration or (old.duration if old and same_kind else usual)
    return checks.when(start, zone, duration, all_day=all_day)


def _edited_date(desk: Desk, entry: Entry, changes: Changes, recurrence_id: datetime) -> Entry:
    date = _date(entry, recurrence_id)
    assert entry.when is not None
    whole = [name for name in _WHOLE if getattr(changes, name) != getattr(Changes(), name)]
    if whole:
        named = ", ".join(whole).replace("_", " ")
        raise Rejected(f"One date of a series cannot have its own {named}. Change the whole entry.", field=whole[0])
    new = date.occurrence or Occurrence(recurrence_id=recurrence_id)
    if changes.start is not None or changes.duration is not None:
        start, duration = changes.start or date.when.start, changes.duration or date.when.duration
        if changes.start is not None and changes.zone is not None and changes.zone != entry.when.zone:
            start = zones.to_wall(zones.to_utc(start, zones.zone(changes.zone).key), entry.when.zone)
        checks.when(start, entry.when.zone, duration)
        # As for a whole entry: with its new time it stands again.
        new = replace(new, cancelled=False, start=start, duration=duration)
    if changes.title is not None:
        new = replace(new, title=checks.title(changes.title))
    if changes.description is not None:
        new = replace(new, description=checks.free_text(changes.description, "description"))
    if changes.location is not None:
        new = replace(new, location=checks.free_text(changes.location, "location"))
    if changes.attendees is not None:
        new = replace(new, attendees=checks.attendees(changes.attendees, desk.rules.organizer.email))
    return _with_date(entry, _only_what_differs(entry, new))


def _only_what_differs(entry: Entry, date: Occurrence) -> Occurrence:
    """What is as in the series follows the series."""
    assert entry.when is not None
    return replace(
        date,
        start=None if date.start == date.recurrence_id else date.start,
        duration=None if date.duration == entry.when.duration else date.duration,
        title=None if date.title == entry.title else date.title,
        description=None if date.description == entry.description else date.description,
        location=None if date.location == entry.location else date.location,
    )


def _with_date(entry: Entry, date: Occurrence) -> Entry:
    others = tuple(one for one in entry.occurrences if one.recurrence_id != date.recurrence_id)
    return replace(entry, occurrences=tuple(sorted((*others, date), key=lambda one: one.recurrence_id)))


def _date(entry: Entry, recurrence_id: datetime) -> recurrence.Date:
    if not entry.is_series:
        raise Rejected(f"“{entry.title}” is a single session: change it without naming a date.", field="date")
    found = recurrence.date_of(entry, recurrence_id)
    if found is None:
        raise Rejected(
            f"“{entry.title}” has no date {_shown(recurrence_id)}. `entry show` lists its dates; name one by its original start.",
            field="date",
        )
    return found


def _joined(listed: tuple[Attendee, ...], added: tuple[Attendee, ...]) -> tuple[Attendee, ...]:
    news = {one.email: one for one in added}
    kept = tuple(news.pop(one.email, one) for one in listed)
    return (*kept, *news.values())


def _require_listed(gone: set[str], listed: set[str], title: str) -> None:
    strangers = sorted(gone - listed)
    if strangers:
        raise Rejected(f"{', '.join(strangers)} is not on the list of “{title}”; nothing was changed.", field="attendees")


def _shown(wall: datetime) -> str:
    return wall.strftime("%Y-%m-%d %H:%M")
