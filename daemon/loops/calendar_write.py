"""Brings one event of a calendar to what it should be, and says how its link stands then: written, taken away, or gone there.

Each write is guarded by the version we know; whatever else stands there is looked at first. Not here: which events and when, and
recording what became of them (`calendar_push`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from daemon.core import sync
from daemon.core.calendars import Calendar, Link, LinkState
from daemon.core.errors import Conflict, Refused
from daemon.core.ics import same_event
from daemon.core.model import Entry, Event, Sender
from daemon.loops.calendar_copy import Copies, Owed
from daemon.planner.wishes import Desk
from daemon.ports import CalendarConnector, ItemRef, RemoteItem, Version
from daemon.store import calendars as calendar_rows
from daemon.store import entries as rows
from daemon.store.engine import Store

_MERGES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the link stands after the talk with the server. `gone`: the event was deleted there by somebody else."""

    entry: Entry
    after: Link
    gone: bool = False


class Writer:
    """Talks to the server about one event after the other; may be asked for several at a time."""

    def __init__(self, store: Store, desk: Desk, copies: Copies) -> None:
        self._store, self._desk, self._copies = store, desk, copies

    async def write(self, connector: CalendarConnector, calendar: Calendar, owed: Owed) -> Outcome:
        """Write the event, or take it away. Nothing is recorded of it but what is found there. Raises as the connector does."""
        link, entry, event = owed.link, owed.entry, owed.event
        if event is None or link.state is LinkState.GONE:  # what was deleted there is not brought back by the next edit
            return await self._take_away(connector, entry, link)
        item, entry, event = await self._put(connector, calendar, link, entry, event)
        now = self._desk.clock.now()
        if item is None:
            error = "deleted in the calendar"
            after = replace(link, ref=None, version=None, state=LinkState.GONE, dirty=False, error=error, changed_at=now)
            return Outcome(entry=entry, after=after, gone=True)
        after = replace(
            link,
            ref=item.ref,
            version=item.version,
            uid=item.event.uid if item.event else link.uid,
            state=LinkState.SYNCED,
            dirty=False,
            bulk=False,
            pushed_sequence=owed.entry.sequence,
            base_partstats=sync.partstats(item.event or event),
            error="",
            changed_at=now,
        )
        return Outcome(entry=entry, after=after)

    def record(self, tx: Connection, calendar: Calendar, outcome: Outcome) -> None:
        """Write down how the link stands, and in the entry's journal if the event was deleted there."""
        after = outcome.after
        settled = calendar_rows.settle_link(tx, after)
        if outcome.gone:
            what = f"The event of “{outcome.entry.title}” was deleted in {calendar.name} by somebody else"
            self._copies.note(tx, outcome.entry, "event-gone", f"{what}; it is not written again.")
        elif settled and after.deleting and not after.dirty:
            calendar_rows.remove_link(tx, after.entry, after.calendar)

    async def _put(
        self, connector: CalendarConnector, calendar: Calendar, link: Link, entry: Entry, event: Event
    ) -> tuple[RemoteItem | None, Entry, Event]:
        """Create or update; no item: the event was deleted there by somebody else."""
        ref, version, seen = link.ref, link.version, link.base_partstats
        for _ in range(_MERGES):
            try:
                if ref is None or version is None:
                    return await connector.create(event), entry, event
                return await connector.update(ItemRef(ref), Version(version), event), entry, event
            except Conflict:
                # Our own write whose answer was lost, an attendee's answer, or somebody else's change.
                there = await (connector.find(event.uid) if ref is None else connector.fetch(ItemRef(ref)))
            if there is None:
                if link.ref is not None:
                    return None, entry, event
                ref = version = None
                continue
            ref, version = there.ref, there.version
            if there.event is None:
                continue
            answered = sync.partstats(there.event) != seen
            if entry.sender is Sender.CALENDAR and answered:
                entry, event = await self._merged(calendar, link, entry, there.event, seen)
                seen = sync.partstats(there.event)
            if same_event(there.event, event):
                return there, entry, event
            if link.ref is not None and not answered and link.state is not LinkState.CHANGED:
                await self._note_overwriting(calendar, entry)
        raise Refused(f"“{entry.title}” changes in the calendar {calendar.name} faster than it can be written there.")

    async def _merged(
        self, calendar: Calendar, link: Link, entry: Entry, there: Event, seen: tuple[tuple[str, str], ...]
    ) -> tuple[Entry, Event]:
        answers = sync.new_answers(there, seen, now=self._desk.clock.now())

        def take_over(tx: Connection) -> tuple[Entry, Event]:
            self._copies.record(tx, rows.get(tx, entry.id), answers)
            after, event = self._copies.wanted(tx, calendar, link)
            if event is None:
                raise Conflict(f"“{entry.title}” was cancelled meanwhile. What is to be done is decided anew.")
            return after, event

        return await self._store.run(take_over)

    async def _take_away(self, connector: CalendarConnector, entry: Entry, link: Link) -> Outcome:
        gone = link.state is LinkState.GONE
        if link.ref is None and not gone:
            # It may have been written all the same: the answer was lost, or the process died before it was recorded.
            there = await connector.find(link.uid)
            if there is not None:
                link = replace(link, ref=there.ref, version=there.version)
        if link.ref is not None and link.version is not None:
            await self._delete(connector, ItemRef(link.ref), Version(link.version))
        after = replace(
            link,
            ref=None,
            version=None,
            state=link.state if gone else LinkState.SYNCED,
            dirty=False,
            bulk=False,
            base_partstats=(),
            error=link.error if gone else "",
            changed_at=self._desk.clock.now(),
        )
        return Outcome(entry=entry, after=after)

    async def _delete(self, connector: CalendarConnector, ref: ItemRef, version: Version) -> None:
        for _ in range(_MERGES):
            try:
                await connector.delete(ref, version)
                return
            except Conflict:
                there = await connector.fetch(ref)
            if there is None:
                return
            version = there.version
        raise Refused("The event changes faster than it can be deleted.")

    async def _note_overwriting(self, calendar: Calendar, entry: Entry) -> None:
        text = f"The event of “{entry.title}” was changed in {calendar.name} meanwhile. The change made here was written over it."
        await self._store.run(lambda tx: self._copies.note(tx, entry, "event-overwritten", text))
