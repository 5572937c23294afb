"""A mail from the service to itself: goes out by SMTP, must come in by IMAP.

The mailbox is read from its last mail on, over a connection of its own, and nothing is marked or moved. Where the service runs,
its inbox loop may be faster and file the mail: then the store tells that it came. To the loop the mail is an automatic one
(outcome `auto`, RFC 3834).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from daemon.core.errors import SitzungsplanerError
from daemon.core.imip import Mailbox, build_mail
from daemon.doctor.findings import Field, Finding, Level, told
from daemon.ports import Clock, MailIn, MailOut, Mark, Outgoing

_found = partial(Finding, field=Field.MAIL, where="mail.address")
_LOOK = timedelta(seconds=1)
_SLOW = timedelta(seconds=30)

Arrived = Callable[[str], Awaitable[datetime | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """What became of the mail. `took` None: it did not arrive. `apart`: how far the server's time of arrival lies outside ours.

    `trouble`: why it could not be sent, or not be looked for. `signed`: whether it bore a DKIM signature; None: not seen.
    """

    took: timedelta | None = None
    apart: timedelta | None = None
    trouble: str = ""
    signed: bool | None = None


def build_probe(address: str, *, token: str, now: datetime) -> tuple[Outgoing, str]:
    """Return the mail that goes out, and its Message-ID."""
    message_id = f"<doctor-{token}@{address.partition('@')[2]}>"
    text = "sitzungsplaner doctor sent this mail to see whether it arrives. Nothing is to be done; it can be deleted."
    own = Mailbox(address=address, name="Sitzungsplaner")
    data = build_mail(
        sender=own,
        recipient=own,
        subject=f"Sitzungsplaner doctor {token}",
        text=f"{text}\n",
        html=f"<p>{text}</p>\n",
        calendar=None,
        method=None,
        message_id=message_id,
        date=now,
        auto_submitted=True,
    )
    return Outgoing(envelope_from=address, recipient=address, data=data), message_id


async def make_trip(
    address: str, out: MailOut, box: MailIn, *, after: Mark | None, clock: Clock, arrived: Arrived, patience: timedelta
) -> Trip:
    """Send the mail and wait for it. `arrived` tells when the service itself took in a mail with a Message-ID (None: not yet)."""
    loop = asyncio.get_running_loop()
    mail, message_id = build_probe(address, token=clock.new_id(), now=clock.now())
    sent, started = clock.now(), loop.time()
    try:
        async with asyncio.timeout(patience.total_seconds()):
            await out.send(mail)
            received, signed = await _awaited(box, after, message_id, arrived)
    except TimeoutError:
        return Trip()
    except SitzungsplanerError as error:
        return Trip(trouble=str(error))
    now = clock.now()
    apart = received - now if received > now else min(received - sent, timedelta(0))
    return Trip(took=timedelta(seconds=loop.time() - started), apart=apart, signed=signed)


async def _awaited(box: MailIn, after: Mark | None, message_id: str, arrived: Arrived) -> tuple[datetime, bool | None]:
    """When the mail was received, and whether it is signed, where it was seen itself."""
    while True:
        batch = await box.fetch(after)
        for mail in batch.mails:
            after = mail.mark
            head = mail.data.partition(b"\r\n\r\n")[0]
            # Its own header only: a report that it could not be delivered names it too.
            if re.search(rb"^message-id:\s*" + re.escape(message_id.encode()), head, re.IGNORECASE | re.MULTILINE):
                return mail.received, re.search(rb"^dkim-signature:", head, re.IGNORECASE | re.MULTILINE) is not None
        if received := await arrived(message_id):
            return received, None
        if not batch.mails:
            await box.wait(_LOOK)


def judge_trip(trip: Trip, *, patience: timedelta) -> tuple[Finding, ...]:
    """Return the finding about the mail to ourselves."""
    if trip.trouble:
        what, remedy = told(trip.trouble, "Check mail.address, mail.smtp and mail.imap.")
        return (_found(level=Level.PROBLEM, what=f"A mail to ourselves did not get through: {what}", remedy=remedy),)
    if trip.took is None:
        text = f"A mail to ourselves was sent and did not arrive within {patience.total_seconds():g} seconds: nor would answers."
        remedy = (
            "Check that mail.address is the mailbox that mail.imap reads, and look into the mail server's log and spam folder."
        )
        return (_found(level=Level.PROBLEM, what=text, remedy=remedy),)
    took = f"{trip.took.total_seconds():.1f} seconds"
    if trip.took > _SLOW:
        text = f"A mail to ourselves arrived, but only after {took}."
        return (_found(level=Level.WARNING, what=text, remedy="Look into the mail server's queue (grey-listing, spam filter)."),)
    signed = {True: ", signed (DKIM)", False: ", without a DKIM signature", None: ""}[trip.signed]
    return (_found(level=Level.OK, what=f"A mail to ourselves arrived after {took}{signed}."),)
