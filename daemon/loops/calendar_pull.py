"""Reads what changed in a calendar: answers that its server wrote into our events, changes and deletions by somebody else.

Our own echoes are known by their version. Answers are recorded; everything else is noted in the journal, and undone by nobody.
Once a day everything is compared: some servers do not tell that a calendar was made anew at the same address.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from daemon.core import sync
from daemon.core.calendars import Calendar, Link, LinkState
from daemon.core.errors import SitzungsplanerError
from daemon.core.ics import same_event
from daemon.core.model import Entry, Event, Sender
from daemon.logs import get_logger
from daemon.loops.calendar_copy import Copies
from daemon.planner.wishes import Desk
from daemon.ports import CalendarConnector, ChangeSet, ItemRef, RemoteItem, SyncToken
from daemon.store import calendars as calendar_rows
from daemon.store import settings as setting_rows
from daemon.store import work
from daemon.store.engine import Store
from daemon.store.work import Job

log = get_logger("calendar")

_COMPARE = timedelta(days=1)
_AT_ONCE = 200  # items looked at in one transaction
_SAID = {
    LinkState.CHANGED: ("event-changed", "was changed in {}. The next change made here is written over it."),
    LinkState.SYNCED: ("event-restored", "stands in {} again as it should."),
}


class Puller:
    """Takes in what changed in one calendar after the other."""

    def __init__(self, store: Store, desk: Desk, copies: Copies) -> None:
        self._store, self._desk, self._copies = store, desk, copies

    async def pull(self, connector: CalendarConnector, calendar: Calendar, job: Job) -> None:
        """Fetch the changes since the last look, take them in, and then keep how far that was. Raises Lost."""
        compared = f"compared:{calendar.id}"
        last = await self._store.run(lambda tx: setting_rows.get(tx, compared))
        now = self._desk.clock.now()
        whole = last is None or datetime.fromisoformat(last) + _COMPARE <= now
        since = None if whole or calendar.sync_token is None else SyncToken(calendar.sync_token)
        found = await connector.changes(since)
        items, gone = await self._told(connector, calendar, found)
        for at in range(0, len(items), _AT_ONCE):
            if await self._take_in_all(calendar, items[at : at + _AT_ONCE], gone) and job.deaths:
                await self._store.run(partial(work.progress, job=job))

        def keep(tx: Connection) -> None:
            for ref in sorted(gone):
                self._missing(tx, calendar, ref)
            calendar_rows.set_sync_token(tx, calendar.id, found.token)
            if found.complete:
                setting_rows.put(tx, compared, now.isoformat())

        await self._store.run(keep)

    async def _told(
        self, connector: CalendarConnector, calendar: Calendar, found: ChangeSet
    ) -> tuple[tuple[RemoteItem, ...], frozenset[str]]:
        """What is there, and which of ours is not any more."""
        there = {str(item.ref) for item in found.changed}
        gone = {str(ref) for ref in found.removed} - there
        items = list(found.changed)
        if found.complete:
            links = await self._store.run(lambda tx: calendar_rows.links_in(tx, calendar.id))
            for ref in sorted({link.ref for link in links if link.ref} - there - gone):
                # Not in the listing: some servers cut it off, or have it from before our last write.
                item = await connector.fetch(ItemRef(ref))
                if item is None:
                    gone.add(ref)
                else:
                    items.append(item)
        return tuple(items), frozenset(gone)

    async def _take_in_all(self, calendar: Calendar, items: Iterable[RemoteItem], gone: frozenset[str]) -> bool:
        """Return whether there was anything new in them."""

        def strange(tx: Connection) -> tuple[RemoteItem, ...]:
            return tuple(item for item in items if self._ours(tx, calendar, item, gone) is not None)

        found = await self._store.run(strange)
        for item in found:
            try:
                await self._store.run(partial(self._take_in, calendar=calendar, item=item, gone=gone))
            except SitzungsplanerError:
                raise
            except Exception:
                log.exception("an event could not be taken in; it is passed over", action="event-crashed", item=item.ref)
        return bool(found)

    def _ours(self, tx: Connection, calendar: Calendar, item: RemoteItem, gone: frozenset[str]) -> Link | None:
        """The link of an event of ours that is another one than we know."""
        if item.event is None:
            return None
        link = calendar_rows.link_by_ref(tx, calendar.id, item.ref)
        if link is None:
            link = calendar_rows.link_by_uid(tx, calendar.id, item.event.uid)
            if link is None or not (link.ref in gone or (link.ref is None and link.state is LinkState.GONE)):
                return None
        # What is owed to it will meet this version as a conflict, and merge.
        return None if link.dirty or (link.ref == item.ref and link.version == item.version) else link

    def _take_in(self, tx: Connection, calendar: Calendar, item: RemoteItem, gone: frozenset[str]) -> None:
        link = self._ours(tx, calendar, item, gone)
        if link is None or item.event is None:
            return
        entry, wanted = self._copies.wanted(tx, calendar, link)
        if link.state is LinkState.GONE and wanted is None:
            return
        if entry.sender is Sender.CALENDAR:
            answers = sync.new_answers(item.event, link.base_partstats, now=self._desk.clock.now())
            self._copies.record(tx, entry, answers)
        state = link.state
        if state is not LinkState.FAILED:  # then it is no wonder that another event stands there
            other = wanted is None or not same_event(_bare(wanted), _bare(item.event))
            state = LinkState.CHANGED if other else LinkState.SYNCED
        if state is not link.state:
            action, text = _SAID[state]
            self._copies.note(tx, entry, action, f"The event of “{entry.title}” {text.format(calendar.name)}")
        after = replace(link, ref=item.ref, version=item.version, state=state, base_partstats=sync.partstats(item.event))
        calendar_rows.settle_link(tx, after if state is LinkState.FAILED else replace(after, error=""))

    def _missing(self, tx: Connection, calendar: Calendar, ref: str) -> None:
        link = calendar_rows.link_by_ref(tx, calendar.id, ref)
        if link is None or link.dirty:
            return
        entry: Entry = self._copies.wanted(tx, calendar, link)[0]
        what = f"The event of “{entry.title}” was deleted in {calendar.name} by somebody else"
        self._copies.note(tx, entry, "event-gone", f"{what}; the entry and its invitations stand.")
        gone = replace(link, ref=None, version=None, state=LinkState.GONE, error="deleted in the calendar")
        calendar_rows.settle_link(tx, gone)


def _bare(event: Event) -> Event:
    """The event without what a server writes into attendees: answers are compared elsewhere."""
    return Event(components=tuple(replace(one, guests=(), organizer=None, alarm=None) for one in event.components))
