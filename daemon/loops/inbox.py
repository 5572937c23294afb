"""Reads the answer mailbox: fetch what is new, take each mail in, and file it only after its outcome is committed.

The row `inbox:main` makes sure that one process reads it at a time. How far it was read is committed with the outcome, so a
crash in the middle reads a mail again, which changes nothing (`planner.ingest` knows it by its bytes). A mail that nobody can
read is held for a person and stops no other.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection

from daemon.core.errors import Refused, Unreachable
from daemon.logs import get_logger
from daemon.loops.intake import Intake
from daemon.loops.lane import Settled
from daemon.planner.wishes import Desk
from daemon.ports import Incoming, MailIn, Mark
from daemon.store import settings as setting_rows
from daemon.store import work
from daemon.store.engine import Store
from daemon.store.work import Job

log = get_logger("inbox")

INBOX_KEY = "inbox:main"
_MOST = 50


class InboxReader:
    """The handler of the lane `inbox`. Waits by IDLE for at most `idle`; zero: does not wait, and looks again after `poll`."""

    def __init__(self, store: Store, desk: Desk, mail_in: MailIn, intake: Intake, *, folder: str, idle: timedelta) -> None:
        self._store, self._desk, self._mail_in, self._intake = store, desk, mail_in, intake
        self._folder, self._idle = folder, idle
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Wait for no further mail: the service stops."""
        self._ended.set()

    async def handle(self, job: Job) -> Settled:
        """Read all there is, then wait for more. Raises Unreachable and Refused as the mail server said."""
        more = True
        while more and not self._ended.is_set():
            more = await self.read()
            if job.deaths:  # waiting for mail may be all that a holder does until it dies: that is no fault of this row
                await self._store.run(partial(work.progress, job=job))
        if not self._idle:
            return Settled(again=self._desk.clock.now() + self._desk.rules.poll, reached=True)
        await self._wait()
        return Settled(again=self._desk.clock.now(), reached=True)

    async def _wait(self) -> None:
        waits = [asyncio.create_task(self._mail_in.wait(self._idle)), asyncio.create_task(self._ended.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if waits[0].done():
                waits[0].result()
        finally:
            for one in waits:
                one.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def read(self) -> bool:
        """Take in the next batch; False if there was nothing new."""
        mark = await self._store.run(_mark)
        batch = await self._mail_in.fetch(mark, most=_MOST)
        if batch.rescanned:
            log.warning("the mailbox was renumbered; it is read from its beginning", action="mailbox-renumbered")
        for mail in batch.mails:
            if self._ended.is_set():
                return False
            results = await self._intake.take(
                mail.data, received=mail.received, source="mailbox", remember=partial(_remember, mark=mail.mark)
            )
            if self._folder and all(result.settled for result in results):
                await self._file(mail)
        return bool(batch.mails)

    async def _file(self, mail: Incoming) -> None:
        try:
            await self._mail_in.file(mail.mark, self._folder)
        except (Unreachable, Refused) as error:  # it was taken in; that it lies in the wrong folder hurts nobody
            log.warning(str(error), action="not-filed", folder=self._folder)


def _remember(tx: Connection, mark: Mark) -> None:
    setting_rows.put(tx, setting_rows.MAILBOX, json.dumps({"uidvalidity": mark.uidvalidity, "uid": mark.uid}))


def _mark(tx: Connection) -> Mark | None:
    text = setting_rows.get(tx, setting_rows.MAILBOX)
    return Mark(**json.loads(text)) if text else None
