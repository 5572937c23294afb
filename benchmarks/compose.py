"""Mails composed per second on one core: from what is owed to finished bytes, beside the standard library building the same mail.

Ours does more: it decides what is owed, renders text and HTML from templates, writes the calendar object and remembers what was
told. The standard library is given the finished parts and only builds the message (multipart/alternative with three parts).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from benchmarks.scene import PLANNER, a_desk, an_entry, an_owner, some_attendees
from daemon.core import itip
from daemon.core.delivery import Message
from daemon.planner.causes import dress_of, organizer_of
from daemon.planner.outbox import Owing, written
from daemon.planner.wishes import Desk
from daemon.render import Renderer
from daemon.resources import template_folders
from tests.clock import ManualClock

_ROUNDS = 3


def composed(desk: Desk, renderer: Renderer, entries: int, attendees: int) -> list[Message]:
    """Compose the invitation of each attendee of each entry."""
    owner, people = an_owner(), some_attendees(attendees)
    mails: list[Message] = []
    for number in range(entries):
        entry = an_entry(number, people)
        organizer, dress = organizer_of(desk, owner), dress_of(desk, entry, owner)
        for one in people:
            owed = itip.owed(entry, one.email, None, organizer=organizer, dress=dress, now=desk.clock.now())
            owing = Owing(entry=entry, owner=owner, attendee=one.email, name=one.name, sent=None, messages=owed)
            mails += written(desk, renderer, owing, f"mail:{entry.id}:{one.email}")
    return mails


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a composed mail consists of. `calendar` is None in mails to owners."""

    subject: str
    text: str
    html: str
    calendar: str | None
    message_id: str
    date: datetime


def parts_of(data: bytes) -> Parts:
    """Take a finished mail apart."""
    mail = message_from_bytes(data, policy=SMTP)
    text, html, *calendars = (part.get_content() for part in mail.iter_parts())
    return Parts(
        subject=str(mail["Subject"]),
        text=text,
        html=html,
        calendar=calendars[0] if calendars else None,
        message_id=str(mail["Message-ID"]),
        date=mail["Date"].datetime,
    )


def plain(parts: Parts, *, recipient: str) -> bytes:
    """Build the same mail the way the standard library's documentation shows."""
    mail = EmailMessage(policy=SMTP)
    local, _, domain = PLANNER.partition("@")
    mail["From"] = Address("Anna Müller", local, domain)
    local, _, domain = recipient.partition("@")
    mail["To"] = Address("Gast", local, domain)
    mail["Subject"] = parts.subject
    mail["Date"] = format_datetime(parts.date)
    mail["Message-ID"] = parts.message_id
    mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    mail.set_content(parts.text)
    mail.add_alternative(parts.html, subtype="html")
    if parts.calendar is not None:
        mail.add_alternative(parts.calendar, subtype="calendar", params={"method": "REQUEST"}, cte="base64")
    return mail.as_bytes()


def best(do: Callable[[], object]) -> float:
    """Return the seconds of the quickest of three rounds."""
    took = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        do()
        took.append(time.perf_counter() - began)
    return min(took)


def compared(attendees: int, mails: int, *, desk: Desk, renderer: Renderer) -> tuple[float, float]:
    """Return mails per second: ours, and the standard library's on the same content."""
    entries = max(mails // attendees, 1)
    finished = composed(desk, renderer, entries, attendees)
    ours = best(lambda: composed(desk, renderer, entries, attendees))
    given = [(parts_of(one.data or b""), one.recipient) for one in finished]

    def build() -> None:
        for parts, recipient in given:
            plain(parts, recipient=recipient)

    return len(finished) / ours, len(finished) / best(build)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=300, help="mails per round (default: 300)")
    mails = parser.parse_args().mails
    desk, renderer = a_desk(ManualClock()), Renderer(template_folders())
    print("invitations composed per second     ours   email.message   ratio")
    for attendees in (1, 10):
        ours, other = compared(attendees, mails, desk=desk, renderer=renderer)
        print(f"{attendees:>3} attendees per entry {ours:18,.0f}{other:16,.0f}{ours / other:8.2f}")


if __name__ == "__main__":
    main()
