"""Writes into a calendar what is owed to it: dirty links, what persons asked for first, for at most 30 s at a time.

A refused event waits for its owner. One at which the server breaks down is put behind the others; a server that does not answer
at all ends the turn. Each write is guarded by the version we know; whatever else stands there is looked at first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection

from daemon.core import sync
from daemon.core.calendars import Calendar, Link, LinkState
from daemon.core.errors import Conflict, NotFound, Refused, Unreachable
from daemon.core.ics import same_event
from daemon.core.model import Entry, Event, Sender
from daemon.logs import get_logger
from daemon.loops.calendar_copy import Copies
from daemon.planner import notices
from daemon.planner.wishes import Desk
from daemon.ports import CalendarConnector, ItemRef, RemoteItem, Version
from daemon.store import calendars as calendar_rows
from daemon.store import entries as rows
from daemon.store import work
from daemon.store.engine import Store
from daemon.store.work import Job, Lost

log = get_logger("calendar")

_TURN = timedelta(seconds=30)
_BATCH = 50
_MERGES = 3
_REFUSALS = 3  # in a row: it may be the password, and accounts are locked after a few wrong ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An event that the server refused, in its words."""

    link: Link
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """How a turn ended. `more`: before everything was written. `refused`: to be given up if the account itself is fine."""

    more: bool
    refused: tuple[Refusal, ...]


class Pusher:
    """Gives one calendar after the other its turn."""

    def __init__(self, store: Store, desk: Desk, copies: Copies) -> None:
        self._store, self._desk, self._copies = store, desk, copies

    async def push(self, connector: CalendarConnector, calendar: Calendar, job: Job) -> Turn:
        """Write what is owed. Raises Unreachable, Lost."""
        over = self._desk.clock.now() + _TURN
        tried: set[tuple[str, int]] = set()
        broke: Unreachable | None = None
        refused: list[Refusal] = []
        in_a_row = 0
        while True:
            links = await self._store.run(lambda tx: calendar_rows.dirty(tx, calendar.id, _BATCH))
            fresh = [link for link in links if (link.entry, link.wish) not in tried]
            if not fresh:
                if broke is not None:
                    raise broke
                return Turn(more=len(links) == _BATCH, refused=tuple(refused))
            for link in fresh:
                if self._desk.clock.now() >= over or in_a_row == _REFUSALS:
                    return Turn(more=True, refused=tuple(refused))
                tried.add((link.entry, link.wish))
                try:
                    await self._push_one(connector, calendar, link)
                    await self._store.run(partial(work.progress, job=job))
                    broke, in_a_row = None, 0
                except Lost:
                    raise
                except Unreachable as error:
                    # It answered and broke down: that may be this event's fault, if the next one passes.
                    if broke is not None or not error.maybe_done:
                        raise
                    broke = error
                    await self._put_behind(link, str(error))
                except (NotFound, Conflict) as error:  # the entry is no more, or another one by now: the next turn looks again
                    log.info(str(error), action="event-later", entry=link.entry)
                except Refused as error:
                    refused.append(Refusal(link=link, words=str(error)))
                    in_a_row += 1
                except Exception as error:
                    log.exception("an event could not be written", action="event-crashed", entry=link.entry)
                    await self.give_up(calendar, (Refusal(link=link, words=f"{type(error).__name__}: {error}"),))

    async def give_up(self, calendar: Calendar, refused: tuple[Refusal, ...]) -> None:
        """Put these events aside until somebody asks for them, and tell the owner."""

        def settle(tx: Connection) -> None:
            for one in refused:
                if calendar_rows.get_link(tx, one.link.entry, one.link.calendar) is None:
                    continue  # entry or calendar was removed meanwhile
                calendar_rows.fail_link(tx, one.link, error=one.words, now=self._desk.clock.now())
                notices.event_refused(tx, self._desk, rows.get(tx, one.link.entry), calendar.id, one.words)

        for one in refused:
            log.warning(one.words, action="event-refused", calendar=calendar.name, entry=one.link.entry)
        if refused:
            await self._store.run(settle)

    async def _push_one(self, connector: CalendarConnector, calendar: Calendar, link: Link) -> None:
        entry, event = await self._store.run(lambda tx: self._copies.wanted(tx, calendar, link))
        if event is None or link.state is LinkState.GONE:  # what was deleted there is not brought back by the next edit
            await self._take_away(connector, link)
            return
        item = await self._write(connector, calendar, link, entry, event)
        if item is None:
            await self._gone(calendar, link, entry)
            return
        after = replace(
            link,
            ref=item.ref,
            version=item.version,
            uid=item.event.uid if item.event else link.uid,
            state=LinkState.SYNCED,
            dirty=False,
            bulk=False,
            pushed_sequence=entry.sequence,
            base_partstats=sync.partstats(item.event or event),
            error="",
            changed_at=self._desk.clock.now(),
        )
        await self._store.run(lambda tx: calendar_rows.settle_link(tx, after))

    async def _write(
        self, connector: CalendarConnector, calendar: Calendar, link: Link, entry: Entry, event: Event
    ) -> RemoteItem | None:
        """Create or update; None: the event was deleted there by somebody else."""
        ref, version, seen = link.ref, link.version, link.base_partstats
        for _ in range(_MERGES):
            try:
                if ref is None or version is None:
                    return await connector.create(event)
                return await connector.update(ItemRef(ref), Version(version), event)
            except Conflict:
                # Our own write whose answer was lost, an attendee's answer, or somebody else's change.
                there = await (connector.find(event.uid) if ref is None else connector.fetch(ItemRef(ref)))
            if there is None:
                if link.ref is not None:
                    return None
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
                return there
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

    async def _take_away(self, connector: CalendarConnector, link: Link) -> None:
        if link.ref is None and link.state is not LinkState.GONE:
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
            state=link.state if link.state is LinkState.GONE else LinkState.SYNCED,
            dirty=False,
            bulk=False,
            base_partstats=(),
            error=link.error if link.state is LinkState.GONE else "",
            changed_at=self._desk.clock.now(),
        )

        def settle(tx: Connection) -> None:
            if calendar_rows.settle_link(tx, after) and link.deleting:
                calendar_rows.remove_link(tx, link.entry, link.calendar)

        await self._store.run(settle)

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

    async def _gone(self, calendar: Calendar, link: Link, entry: Entry) -> None:
        now = self._desk.clock.now()
        error = "deleted in the calendar"
        after = replace(link, ref=None, version=None, state=LinkState.GONE, dirty=False, error=error, changed_at=now)
        text = f"The event of “{entry.title}” was deleted in {calendar.name} by somebody else; it is not written again."

        def settle(tx: Connection) -> None:
            calendar_rows.settle_link(tx, after)
            self._copies.note(tx, entry, "event-gone", text)

        await self._store.run(settle)

    async def _note_overwriting(self, calendar: Calendar, entry: Entry) -> None:
        text = f"The event of “{entry.title}” was changed in {calendar.name} meanwhile. The change made here was written over it."
        await self._store.run(lambda tx: self._copies.note(tx, entry, "event-overwritten", text))

    async def _put_behind(self, link: Link, words: str) -> None:
        after = replace(link, error=words, changed_at=self._desk.clock.now())
        log.warning(words, action="event-later", entry=link.entry)
        await self._store.run(lambda tx: calendar_rows.settle_link(tx, after))
