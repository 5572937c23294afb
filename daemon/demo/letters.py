"""Delivered mails as their recipients' programs see them, and the answers that such a program sends (RFC 5546, RFC 6047).

Read with the standard mail parser and the iCalendar library, with nothing of our own: the story must not believe the service.
"""

from __future__ import annotations

import smtplib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import Any

import icalendar

from daemon.demo.post import Delivered


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    name: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One delivered mail. `part` is its text/calendar part; `method` and `events` are empty without one."""

    delivered: Delivered
    mail: EmailMessage
    part: EmailMessage | None
    method: str
    events: tuple[Any, ...]

    @property
    def event(self) -> Any:
        """The mail's one event."""
        (event,) = self.events
        return event

    @property
    def uid(self) -> str:
        return str(self.events[0]["UID"]) if self.events else ""

    @property
    def author(self) -> str:
        """The address in From, the one that an answer's program compares with ORGANIZER."""
        return str(self.mail["From"].addresses[0].addr_spec)

    @property
    def subject(self) -> str:
        return str(self.mail["Subject"])

    @property
    def text(self) -> str:
        """The plain text in one line, whatever its wrapping."""
        part = self.mail.get_body(("plain",))
        return " ".join(str(part.get_content()).split()) if part is not None else ""

    def __str__(self) -> str:
        about = f"METHOD:{self.method} SEQUENCE {self.events[0].get('SEQUENCE')}" if self.events else "no calendar part"
        return f"“{self.subject}” ({about})"


def read(delivered: Delivered) -> Letter:
    """Return the mail as a program sees it."""
    mail = delivered.message
    part = next((one for one in mail.walk() if one.get_content_type() == "text/calendar"), None)
    if not isinstance(part, EmailMessage):
        return Letter(delivered=delivered, mail=mail, part=None, method="", events=())
    calendar: Any = icalendar.Calendar.from_ical(_payload(part))
    return Letter(
        delivered=delivered,
        mail=mail,
        part=part,
        method=str(calendar.get("METHOD", "")),
        events=tuple(calendar.walk("VEVENT")),
    )


def attendees(event: Any) -> dict[str, Any]:
    """Return the event's ATTENDEE values by address."""
    found = event.get("ATTENDEE", [])
    return {address(one): one for one in (found if isinstance(found, list) else [found])}


def partstats(event: Any) -> dict[str, str]:
    """Return what the event says about each attendee."""
    return {email: str(one.params.get("PARTSTAT", "NEEDS-ACTION")) for email, one in attendees(event).items()}


def address(value: Any) -> str:
    """Return the address of an ORGANIZER or ATTENDEE."""
    return str(value).lower().removeprefix("mailto:")


def moment(value: Any) -> datetime:
    """Return a time of an event in UTC."""
    found: datetime = value.dt
    return found.astimezone(UTC)


def missing_for_buttons(letter: Letter, recipient: str) -> tuple[str, ...]:
    """Return what a program would miss before it shows “Accept” and “Decline”; nothing is missing in a good request."""
    part = letter.part
    if part is None or len(letter.events) != 1:
        return ("a text/calendar part with one event",)
    event, me = letter.event, attendees(letter.event).get(recipient)
    inside = next((one for one in letter.mail.walk() if one.is_multipart() and part in one.get_payload()), None)
    raw = _payload(part)
    wanted = {
        "the calendar part inside of multipart/alternative": inside is not None
        and inside.get_content_type() == "multipart/alternative",
        "a calendar part that is no attachment": part.get_content_disposition() != "attachment",
        "the same method in Content-Type and calendar": str(part.get_param("method")) == letter.method == "REQUEST",
        "charset utf-8": str(part.get_content_charset()) == "utf-8",
        "a plain and an HTML text": letter.mail.get_body(("plain",)) is not None and letter.mail.get_body(("html",)) is not None,
        "line ends as RFC 5545 wants them": raw.count(b"\n") == raw.count(b"\r\n") > 0 and b"\r\r\n" not in raw,
        **{name: name in event for name in ("UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY", "SEQUENCE", "ORGANIZER")},
        "the recipient among the ATTENDEEs": me is not None,
        "RSVP=TRUE": me is not None and str(me.params.get("RSVP")).upper() == "TRUE",
        "PARTSTAT=NEEDS-ACTION": me is not None and str(me.params.get("PARTSTAT")) == "NEEDS-ACTION",
        "an ORGANIZER who is not the recipient": address(event.get("ORGANIZER")) not in ("none", recipient),
    }
    return tuple(name for name, there in wanted.items() if not there)


def answer_to(letter: Letter, person: Person, partstat: str, now: datetime) -> EmailMessage:
    """Return the REPLY that the person's calendar program makes of his click (RFC 5546 3.2.3)."""
    asked = letter.events[0]
    lines = [
        "BEGIN:VCALENDAR",
        "PRODID:-//A calendar program//Demo//EN",
        "VERSION:2.0",
        "METHOD:REPLY",
        "BEGIN:VEVENT",
        f"UID:{asked['UID']}",
        f"DTSTAMP:{now.astimezone(UTC):%Y%m%dT%H%M%SZ}",
        f"DTSTART:{moment(asked['DTSTART']):%Y%m%dT%H%M%SZ}",
        f"SEQUENCE:{asked['SEQUENCE']}",
        f"ORGANIZER:{asked['ORGANIZER']}",
        f"ATTENDEE;CN={person.name};PARTSTAT={partstat}:mailto:{person.email}",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]
    words = {"ACCEPTED": "Zugesagt", "DECLINED": "Abgelehnt", "TENTATIVE": "Mit Vorbehalt"}[partstat]
    reply = EmailMessage(policy=SMTP)
    reply["From"] = f"{person.name} <{person.email}>"
    reply["To"] = str(letter.mail["From"])
    reply["Subject"] = f"{words}: {asked['SUMMARY']}"
    reply["Date"] = format_datetime(now)
    reply["Message-ID"] = make_msgid(domain=person.email.partition("@")[2])
    reply["In-Reply-To"] = str(letter.mail["Message-ID"])
    reply.set_content(f"{person.name}: {words}.\n")
    reply.add_alternative("\r\n".join(lines), subtype="calendar", params={"method": "REPLY"}, cte="base64")
    return reply


def send(mail: EmailMessage, port: int) -> None:
    """Hand the mail to the post office by SMTP. Blocks; raises OSError or SMTPException."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="localhost", timeout=30) as smtp:
        smtp.send_message(mail)


def _payload(part: EmailMessage) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""
