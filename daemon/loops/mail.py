"""Sends what is owed by mail: to attendees (`mail:`), to owners as reminders (`remind:`) and notices (`notice:`).

1. May a message of this row have gone out already (a holder died, the connection broke)? Then exactly that one goes again.
2. Otherwise read what is owed, write it out in full, keep it, and only then
3. send, one after the other, and note each one sent in its own transaction.

The order per attendee comes from the row: there is one for each. If the server certainly has not taken a message, it is given up
with all that was to follow it, and derived anew at the next try, so that what has been overtaken meanwhile is never sent.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from daemon.core.delivery import Message
from daemon.core.errors import Refused, Unreachable
from daemon.core.model import Entry
from daemon.logs import get_logger
from daemon.loops.lane import Settled
from daemon.metrics import Metrics
from daemon.planner import decisions, notices, outbox, owner_mail
from daemon.planner.outbox import Owing
from daemon.planner.owner_mail import Reminding
from daemon.planner.wishes import Desk
from daemon.ports import MailOut, Outgoing
from daemon.render import Renderer
from daemon.store import messages as message_rows
from daemon.store import work
from daemon.store.engine import Store
from daemon.store.work import Job

log = get_logger("mail")

_READINGS = 5  # of an entry that changes while its mail is written


class Mailer:
    """The handler of the lanes `mail`, `bulk` and `remind`."""

    def __init__(self, store: Store, desk: Desk, renderer: Renderer, mail_out: MailOut, metrics: Metrics) -> None:
        self._store, self._desk, self._renderer, self._mail_out, self._metrics = store, desk, renderer, mail_out, metrics

    async def handle(self, job: Job) -> Settled:
        """Do one row. Raises Unreachable and Refused as the mail server said."""
        if job.key.startswith("remind:"):
            return await self._remind(job)
        if job.key.startswith("notice:"):
            return await self._notify(job)
        if job.key.startswith("decline:"):
            return await self._decline(job)
        return await self._tell(job)

    async def _tell(self, job: Job) -> Settled:
        entry_id, attendee = job.args["entry"], job.args["attendee"]

        def read(tx: Connection) -> Owing | None:
            return outbox.owing(tx, self._desk, entry_id, attendee)

        def at_hand(tx: Connection) -> tuple[Message | None, Owing | None]:
            message = outbox.begun(tx, job.key)
            return message, read(tx) if message is None else None

        begun, owing = await self._store.run(at_hand)
        reached = begun is not None
        if begun is not None:
            await self._begin(job, begun)
            await self._send(job, begun)
            owing = await self._store.run(read)
        for _ in range(_READINGS):
            if owing is None:
                return Settled(reached=reached)
            messages = await asyncio.to_thread(outbox.written, self._desk, self._renderer, owing, job.key)
            if await self._kept(job, messages, owing.entry.revision):
                stands = reached = True
                for place, message in enumerate(messages):
                    if place:
                        await self._begin(job, message)
                    stands = await self._send(job, message, owing.entry)
                if stands:  # all of it was told, so nothing is owed: not even if we should disagree when asked again
                    return Settled(reached=True)
            owing = await self._store.run(read)
        return Settled(again=self._desk.clock.now(), reached=reached)

    async def _remind(self, job: Job) -> Settled:
        offset = timedelta(seconds=job.args["offset"])

        def at_hand(tx: Connection) -> tuple[Reminding | datetime | None, Message | None]:
            due = owner_mail.reminding(tx, self._desk, job.args["entry"], offset)
            message = owner_mail.begun(tx, job.key, due)
            if message is not None:
                outbox.begin(tx, job, message)
            return due, message

        for _ in range(_READINGS):
            due, message = await self._store.run(at_hand)
            if not isinstance(due, Reminding):
                return Settled(again=due)
            if message is None:
                message = await asyncio.to_thread(owner_mail.reminder_message, self._desk, self._renderer, due, job.key)
                if not await self._kept(job, (message,), due.entry.revision):
                    continue
            stands = await self._send(job, message, due.entry)
            return Settled(again=due.wake if stands else self._desk.clock.now(), reached=True)
        return Settled(again=self._desk.clock.now())

    async def _notify(self, job: Job) -> Settled:
        begun = await self._store.run(lambda tx: outbox.begun(tx, job.key))
        if begun is not None:
            await self._send(job, begun)
        notice = await self._store.run(lambda tx: notices.about(tx, job, told=begun))
        if notice is None:
            return Settled(reached=begun is not None)
        message = await asyncio.to_thread(owner_mail.trouble_message, self._desk, self._renderer, notice, job.key)
        await self._store.run(lambda tx: outbox.keep(tx, job, (message,)))
        await self._send(job, message)
        return Settled(reached=True)

    async def _decline(self, job: Job) -> Settled:
        begun = await self._store.run(lambda tx: outbox.begun(tx, job.key))
        if begun is not None:
            await self._begin(job, begun)
            await self._send(job, begun)
            return Settled(reached=True)
        owed = await self._store.run(lambda tx: decisions.declining(tx, job))
        if owed is None:
            return Settled()
        message = await asyncio.to_thread(decisions.decline_message, self._desk, self._renderer, owed, job.key)
        await self._store.run(lambda tx: outbox.keep(tx, job, (message,)))
        await self._send(job, message)
        return Settled(reached=True)

    async def _kept(self, job: Job, messages: tuple[Message, ...], revision: int) -> bool:
        return await self._store.run(lambda tx: outbox.store_messages(tx, job, messages, revision=revision))

    async def _begin(self, job: Job, message: Message) -> None:
        await self._store.run(lambda tx: outbox.begin(tx, job, message))

    async def _send(self, job: Job, message: Message, about: Entry | None = None) -> bool:
        """Send a message and record it. True if the entry that it was written about still stands so at that moment."""
        assert message.data is not None, "a pending message has its bytes"
        sender = outbox.envelope_from(self._desk, message)
        mail = Outgoing(envelope_from=sender, recipient=message.recipient, data=message.data)
        try:
            receipt = await self._mail_out.send(mail)
        except Refused as error:
            words = str(error)
            self._metrics.mail(message.kind, "refused")
            await self._store.run(lambda tx: outbox.note_refused(tx, self._desk, message, words))
            raise
        except Unreachable as error:
            self._metrics.mail(message.kind, "retried")
            if not error.maybe_done and not message.tried:
                # All of the row: what the later ones say is true only after this one. One that an earlier try may have delivered
                # stays: only what is recorded as sent can be followed by a cancellation.
                await self._store.run(lambda tx: outbox.give_up(tx, message_rows.pending(tx, message.work)))
            raise
        self._metrics.mail(message.kind, "sent")

        def record(tx: Connection) -> bool:
            outbox.note_sent(tx, self._desk, message, receipt.reply)
            return about is not None and outbox.stands(tx, about.id, about.revision)

        stands = await self._store.run(record)
        if job.deaths:  # of holders that got nothing sent; who dies from now on has
            await self._store.run(partial(work.progress, job=job))
        return stands
