"""Takes mails in, however they came: read from the mailbox, or handed over by a mail server (LMTP).

A mail that breaks the service is held for a person; only where its outcome cannot be committed is it left to come again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from daemon import planner
from daemon.core.errors import SitzungsplanerError
from daemon.core.reading import Reading
from daemon.logs import get_logger
from daemon.metrics import Metrics
from daemon.planner import IngestResult
from daemon.planner.wishes import Desk
from daemon.reader import Reads
from daemon.store.engine import Store

log = get_logger("inbox")


class Intake:
    """The one way in."""

    def __init__(self, store: Store, desk: Desk, metrics: Metrics, read: Reads) -> None:
        self._store, self._desk, self._metrics, self._read = store, desk, metrics, read

    async def take(
        self, data: bytes, *, received: datetime, source: str, remember: Callable[[Connection], None] | None = None
    ) -> tuple[IngestResult, ...]:
        """Take the mail in and return what became of it, which is committed together with what `remember` writes.

        Raises Unreachable if it could not be read just now or not be committed.
        """

        def do(tx: Connection, reading: Reading) -> tuple[IngestResult, ...]:
            results = planner.ingest(tx, self._desk, data, reading, received=received, source=source)
            if remember is not None:
                remember(tx)
            return results

        def hold(tx: Connection) -> tuple[IngestResult, ...]:
            result = planner.hold(tx, self._desk, data, received=received, source=source)
            if remember is not None:
                remember(tx)
            return (result,)

        try:
            results = await self._store.run(partial(do, reading=await self._read(data)))
        except SitzungsplanerError:
            raise
        except Exception:
            log.exception("a mail could not be taken in; it is held for a person", action="mail-crashed", source=source)
            results = await self._store.run(hold)
        for result in results:
            self._metrics.inbox(result.outcome)
            log.info(result.reason, action=f"mail-{result.outcome}", uid=result.uid, attendee=result.attendee)
        return results

    async def delivered(self, data: bytes) -> str:
        """Take in a mail that a mail server delivers just now (`ports.TakesMail`); return its outcome. Raises Unreachable."""
        try:
            results = await self.take(data, received=self._desk.clock.now(), source="lmtp")
        except SitzungsplanerError as error:
            log.warning(str(error), action="mail-not-taken")
            raise
        except Exception:
            log.exception("a mail could not be taken in; the mail server keeps it", action="mail-not-taken")
            raise
        return ", ".join(dict.fromkeys(one.outcome.value for one in results))
