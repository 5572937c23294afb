"""What should stand of an entry in a calendar, and the answers that a calendar's server wrote into it.

Both directions need it. Not here: writing (`calendar_push`, `calendar_write`), reading (`calendar_pull`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from daemon import planner
from daemon.core.calendars import Calendar, Link
from daemon.core.event import calendar_event
from daemon.core.journal import Line
from daemon.core.model import Answer, Entry, EntryState, Event, Organizer, Owner, Sender
from daemon.planner.causes import dress_of, organizer_of, people
from daemon.planner.wishes import Desk
from daemon.store import entries as rows
from daemon.store import journal as journal_rows
from daemon.store import owners as owner_rows

Addresses = Callable[[Calendar], tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """A link, its entry, and the event that should stand there; None: there should be none."""

    link: Link
    entry: Entry
    event: Event | None


class Copies:
    """Entries as events of calendars. `addresses`: the owner's calendar user addresses there, the first is his ORGANIZER."""

    def __init__(self, desk: Desk, addresses: Addresses) -> None:
        self._desk, self._addresses = desk, addresses

    def wanted(self, tx: Connection, calendar: Calendar, link: Link) -> tuple[Entry, Event | None]:
        """Return the entry, and its event as it should stand there; None: there should be none. Raises NotFound."""
        entry = rows.get(tx, link.entry)
        if link.deleting or entry.state is not EntryState.PLANNED or entry.when is None:
            return entry, None
        owner = owner_rows.get(tx, entry.owner)
        event = calendar_event(
            entry,
            organizer=self._organizer(calendar, entry, owner),
            dress=dress_of(self._desk, entry, owner),
            alarm=self._desk.rules.alarm,
            quiet=entry.sender is Sender.PLANNER,
        )
        return entry, Event(components=tuple(replace(one, dtstamp=entry.modified) for one in event.components))

    def owed(self, tx: Connection, calendar: Calendar, link: Link) -> Owed:
        """Return what is to be brought about for the link. Raises NotFound."""
        entry, event = self.wanted(tx, calendar, link)
        return Owed(link=link, entry=entry, event=event)

    def _organizer(self, calendar: Calendar, entry: Entry, owner: Owner) -> Organizer | None:
        if entry.sender is Sender.CALENDAR:
            mine = self._addresses(calendar)
            return Organizer(email=mine[0] if mine else owner.email, name=owner.name)
        if json.loads(calendar.capabilities_json or "{}").get("foreign_organizer_quiet") is False:
            return None  # this server would invite as well: names and answers stand in our block instead (design 4.2)
        return organizer_of(self._desk, owner)

    def record(self, tx: Connection, entry: Entry, answers: tuple[Answer, ...]) -> None:
        """Keep the answers of those who are on the entry's list."""
        listed = people(entry)
        for answer in answers:
            if answer.attendee in listed:
                planner.record_answer(tx, self._desk, entry.id, answer)

    def note(self, tx: Connection, entry: Entry, action: str, text: str) -> None:
        """Write into the entry's journal what happened to its event."""
        journal_rows.add(tx, Line(at=self._desk.clock.now(), entry=entry.id, owner=entry.owner, action=action, text=text))
