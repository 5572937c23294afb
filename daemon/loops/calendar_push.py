"""Writes into a calendar what is owed to it: dirty links, what persons asked for first, for at most 30 s at a time.

1. Load a few of the links that wait longest, with the events that should stand there.
2. Write one, alone. A password that is wrong, a server that is away and a row that was lost cost one request.
3. Once that is recorded, write several side by side, as many as the server may be asked for by all calendars together.
4. Record what became of them, together, and load more, while the others are being written.
5. After any trouble go on as at 2.

A refused event waits for its owner. One at which the server breaks down is put behind the others; a server that does not answer
at all ends the turn, and so do three refusals in a row. What was written and not recorded, because the process died or the row
was another's by then, is met again as a conflict and found to be what it should be.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from urllib.parse import urlsplit

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from daemon.core.calendars import Calendar, Link
from daemon.core.errors import Conflict, NotFound, Refused, SitzungsplanerError, Unreachable
from daemon.logs import get_logger
from daemon.loops.calendar_copy import Copies, Owed
from daemon.loops.calendar_write import Outcome, Writer
from daemon.planner import notices
from daemon.planner.wishes import Desk
from daemon.ports import CalendarConnector
from daemon.store import calendars as calendar_rows
from daemon.store import entries as rows
from daemon.store import work
from daemon.store.engine import Store
from daemon.store.work import Job, Lost

log = get_logger("calendar")

_TURN = timedelta(seconds=30)
_REFUSALS = 3  # in a row: it may be the password, and accounts are locked after a few wrong ones
_AT_ONCE = 4  # writes under way at one server; more never help, and Radicale's backlog is 5 (measured)
_AHEAD = 16  # events loaded at most: a person's wish waits behind no more of a bulk run
_TOGETHER = 8  # outcomes worth a transaction
_UNRECORDED = 0.25  # seconds that fewer of them may wait for one


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
    """Gives calendars their turns."""

    def __init__(self, store: Store, desk: Desk, copies: Copies) -> None:
        self.store, self.desk, self.copies = store, desk, copies
        self.writer = Writer(store, desk, copies)
        self.busy = Counter[str]()  # writes under way, by server

    async def push(self, connector: CalendarConnector, calendar: Calendar, job: Job) -> Turn:
        """Write what is owed. Raises Unreachable, Lost."""
        turn = _Turn(self, connector, calendar, job)
        try:
            ended = await turn.run()
        finally:
            await turn.break_off()
        return ended

    async def give_up(self, calendar: Calendar, refused: Sequence[Refusal]) -> None:
        """Put these events aside until somebody asks for them, and tell the owner."""

        def settle(tx: Connection) -> None:
            for one in refused:
                if calendar_rows.get_link(tx, one.link.entry, one.link.calendar) is None:
                    continue  # entry or calendar was removed meanwhile
                calendar_rows.fail_link(tx, one.link, error=one.words, now=self.desk.clock.now())
                notices.event_refused(tx, self.desk, rows.get(tx, one.link.entry), calendar.id, one.words)

        for one in refused:
            log.warning(one.words, action="event-refused", calendar=calendar.name, entry=one.link.entry)
        if refused:
            await self.store.run(settle)


class _Turn:
    """One turn of one calendar. Its hands write side by side; `run` alone records and loads."""

    def __init__(self, pusher: Pusher, connector: CalendarConnector, calendar: Calendar, job: Job) -> None:
        self._pusher, self._connector, self._calendar, self._job = pusher, connector, calendar, job
        self._store, self._clock, self._busy = pusher.store, pusher.desk.clock, pusher.busy
        self._server = urlsplit(calendar.url).netloc
        self._over = self._clock.now() + _TURN
        self._waiting = deque[Owed]()
        self._hands = set[asyncio.Task[None]]()
        self._written: list[Outcome] = []  # and not recorded so far
        self._crashed: list[Refusal] = []  # over which we stumbled ourselves
        self._refused: list[Refusal] = []
        self._tried = set[tuple[str, int]]()  # entry and wish
        self._owed = set[tuple[str, int]]()  # those of them whose links are dirty still
        self._entries = set[str]()  # loaded and not yet recorded: a newer wish for one of them comes after it
        self._in_a_row = 0
        self._broke: Unreachable | None = None
        self._end: BaseException | None = None
        self._passed = False  # the last write did
        self._sure = False  # and that is recorded
        self._news, self._enough = asyncio.Event(), asyncio.Event()

    async def run(self) -> Turn:
        """Write until nothing is owed or the turn is over. Raises Unreachable, Lost."""
        await self._turn_over()
        while self._at_work() or self._written or self._crashed:
            await self._wait()
            await self._turn_over()
        if self._end is not None:
            raise self._end
        if self._broke is not None and not self._waiting:
            raise self._broke
        return Turn(more=bool(self._waiting), refused=tuple(self._refused))

    async def break_off(self) -> None:
        """Cancel what is under way, and return when it has ended."""
        for hand in self._hands:
            hand.cancel()
        await asyncio.gather(*self._hands, return_exceptions=True)

    def _at_work(self) -> bool:
        """Let as many hands write as may. False: nothing is left that may be written in this turn."""
        while self._waiting and not self._ended() and self._may_have_another():
            hand = asyncio.create_task(self._work())
            self._hands.add(hand)
            self._busy[self._server] += 1
            hand.add_done_callback(self._rest)
        return bool(self._hands)

    def _may_have_another(self) -> bool:
        # One hand is each calendar's own: another calendar that hangs at the same server takes only the others away.
        return not self._hands or (self._sure and len(self._hands) < len(self._waiting) and self._busy[self._server] < _AT_ONCE)

    def _ended(self) -> bool:
        return self._end is not None or self._in_a_row >= _REFUSALS or self._clock.now() >= self._over

    def _rest(self, hand: asyncio.Task[None]) -> None:
        self._hands.discard(hand)
        self._busy[self._server] -= 1
        if not self._busy[self._server]:
            del self._busy[self._server]
        if not hand.cancelled():
            self._end = self._end or hand.exception()
        self._news.set()
        self._enough.set()

    async def _wait(self) -> None:
        """Return when there is something to record, as much as makes a transaction worth while, or a hand is free."""
        await self._news.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_UNRECORDED):
                await self._enough.wait()

    async def _work(self) -> None:
        while self._waiting and not self._ended():
            alone = not self._sure
            if alone and len(self._hands) > 1:
                return
            await self._write(self._waiting.popleft())
            if alone:
                return

    async def _write(self, owed: Owed) -> None:
        link, broke = owed.link, self._broke
        try:
            outcome = await self._pusher.writer.write(self._connector, self._calendar, owed)
        except Unreachable as error:
            self._passed = self._sure = False
            # It answered and broke down: that may be this event's fault, if the next one passes.
            if not error.maybe_done or (broke is not None and self._broke is not None):
                self._end = self._end or error
                return
            self._broke = error
            log.warning(str(error), action="event-later", entry=link.entry)
            behind = replace(link, error=str(error), changed_at=self._clock.now())
            self._written.append(Outcome(entry=owed.entry, after=behind))
        except (NotFound, Conflict) as error:  # the entry is no more, or another one by now: the next turn looks again
            self._entries.discard(link.entry)
            log.info(str(error), action="event-later", entry=link.entry)
        except Refused as error:
            self._passed = self._sure = False
            self._in_a_row += 1
            self._refused.append(Refusal(link=link, words=str(error)))
        except Exception as error:  # noqa: BLE001 - a bug over one event stops no other; it is logged and told
            self._crash(link, error)
        else:
            self._passed, self._broke, self._in_a_row = True, None, 0
            self._written.append(outcome)
        self._news.set()
        if len(self._written) >= _TOGETHER or not self._waiting:
            self._enough.set()

    def _crash(self, link: Link, error: Exception) -> None:
        log.error("an event could not be written", action="event-crashed", entry=link.entry, exc_info=error)
        self._crashed.append(Refusal(link=link, words=f"{type(error).__name__}: {error}"))

    async def _turn_over(self) -> None:
        """Record what was written, load what comes next."""
        self._news.clear()
        self._enough.clear()
        written, self._written = self._written, []
        if written or not self._waiting:
            await self._record_and_load(written)
        crashed, self._crashed = self._crashed, []
        if crashed:
            await self._pusher.give_up(self._calendar, crashed)

    async def _record_and_load(self, written: Sequence[Outcome]) -> None:
        most = _AHEAD - len(self._waiting) if self._end is None else 0
        recorded = frozenset(one.after.entry for one in written)
        known, tried, owed = self._entries - recorded, frozenset(self._tried), len(self._owed)

        def fresh(tx: Connection) -> tuple[tuple[Owed, ...], tuple[tuple[Link, Exception], ...]]:
            links = calendar_rows.dirty(tx, self._calendar.id, most + owed) if most else ()
            new = [link for link in links if link.entry not in known and (link.entry, link.wish) not in tried]
            return self._load(tx, new[:most])

        def do(tx: Connection) -> tuple[tuple[Owed, ...], tuple[tuple[Link, Exception], ...]]:
            self._record(tx, written)
            return fresh(tx)

        try:
            loaded, crashed = await self._store.run(do)
        except (Lost, SitzungsplanerError):
            raise
        except Exception as error:
            if not written:
                raise
            log.warning("outcomes could not be recorded together", action="event-crashed", reason=str(error))
            await self._record_each(written)
            loaded, crashed = await self._store.run(fresh)
        self._entries -= recorded
        self._owed -= {(one.after.entry, one.after.wish) for one in written if not one.after.dirty}
        for link in (*(one.link for one in loaded), *(link for link, _ in crashed)):
            self._tried.add((link.entry, link.wish))
            self._owed.add((link.entry, link.wish))
        self._entries |= {one.link.entry for one in loaded}
        self._waiting += loaded
        for link, bug in crashed:
            self._crash(link, bug)
        self._sure = self._sure or (self._passed and bool(written))

    def _record(self, tx: Connection, written: Sequence[Outcome]) -> None:
        for one in written:
            self._pusher.writer.record(tx, self._calendar, one)
        if any(not one.after.dirty for one in written):
            work.progress(tx, self._job)

    async def _record_each(self, written: Sequence[Outcome]) -> None:
        """One of them cannot be recorded: find out which, so that the others are."""
        for one in written:
            try:
                await self._store.run(partial(self._record, written=(one,)))
            except (Lost, SitzungsplanerError):
                raise
            except Exception as error:  # noqa: BLE001 - as above
                self._crash(one.after, error)

    def _load(self, tx: Connection, links: Sequence[Link]) -> tuple[tuple[Owed, ...], tuple[tuple[Link, Exception], ...]]:
        """What should stand for each of them, and those for which that cannot be worked out."""
        loaded, crashed = [], []
        for link in links:
            try:
                loaded.append(self._pusher.copies.owed(tx, self._calendar, link))
            except NotFound:  # and with the entry its link goes
                continue
            except SQLAlchemyError:  # the whole transaction's business
                raise
            except Exception as error:  # noqa: BLE001 - as above
                crashed.append((link, error))
        return tuple(loaded), tuple(crashed)
