"""One calendar: push what is owed to it, then fetch what changed there. The row `calendar:<id>` is its only worker (design 4.1).

An unreachable server gives the whole calendar its turn again later, one that refuses us waits for its owner.
"""

from __future__ import annotations

from typing import Protocol
from urllib.parse import urlsplit

from sqlalchemy import Connection

from daemon.core.calendars import Calendar, CalendarState
from daemon.core.errors import NotFound, Refused, Unreachable
from daemon.loops.calendar_copy import Copies
from daemon.loops.calendar_pull import Puller
from daemon.loops.calendar_push import Pusher
from daemon.loops.lane import Settled
from daemon.planner.causes import sync_now
from daemon.planner.wishes import Desk
from daemon.ports import CalendarConnector
from daemon.store import calendars as calendar_rows
from daemon.store.engine import Store
from daemon.store.work import Job


class Connections(Protocol):
    """Connectors of calendars, kept open between turns."""

    async def of(self, calendar: Calendar) -> CalendarConnector: ...

    async def forget(self, calendar_id: str) -> None: ...

    def addresses(self, calendar: Calendar) -> tuple[str, ...]:
        """The owner's calendar user addresses at that server (RFC 6638 2.4.1); the first one is his ORGANIZER."""
        ...


class CalendarWorker:
    """The handler of the lane `calendar`."""

    def __init__(self, store: Store, desk: Desk, connections: Connections) -> None:
        self._store, self._desk, self._connections = store, desk, connections
        copies = Copies(desk, connections.addresses)
        self._pusher, self._puller = Pusher(store, desk, copies), Puller(store, desk, copies)

    async def handle(self, job: Job) -> Settled:
        """Give one calendar its turn. Raises Unreachable and Refused as its server said."""
        calendar_id: str = job.args["calendar"]
        try:
            calendar = await self._store.run(lambda tx: calendar_rows.get(tx, calendar_id))
        except NotFound:
            await self._connections.forget(calendar_id)
            return Settled()
        try:
            connector = await self._connections.of(calendar)
            turn = await self._pusher.push(connector, calendar, job)
            await self._puller.pull(connector, calendar, job)
            await self._pusher.give_up(calendar, turn.refused)
        except (Unreachable, Refused) as error:
            await self._connections.forget(calendar.id)
            state = CalendarState.UNREACHABLE if isinstance(error, Unreachable) else CalendarState.REFUSED
            words = str(error)
            await self._store.run(lambda tx: calendar_rows.set_state(tx, calendar.id, state, error=words))
            raise
        await self._store.run(lambda tx: self._answered(tx, calendar))
        now = self._desk.clock.now()
        return Settled(again=now if turn.more else now + self._desk.rules.poll, reached=True)

    def _answered(self, tx: Connection, calendar: Calendar) -> None:
        now = self._desk.clock.now()
        calendar_rows.set_state(tx, calendar.id, CalendarState.OK, checked=now)
        if calendar.state is CalendarState.UNREACHABLE:  # the server is back: what else waits for it is due at once
            for other in calendar_rows.all_(tx):
                if other.id != calendar.id and other.state is CalendarState.UNREACHABLE and _host(other) == _host(calendar):
                    sync_now(tx, other, now=now)


def _host(calendar: Calendar) -> str:
    return urlsplit(calendar.url).netloc
