"""Mails that carry calendar objects (RFC 6047 on RFC 5322, 2045-2047, 3834), written for one recipient.

Written by hand because mails are the hot path and a retry must repeat identical bytes; names and subjects still go through the
standard library's encoders. Reading what others send is `imip_read`, which everybody else imports from here. Not here: what the
mail says (`render`), what it asks for (`itip`), what an answer does (`itip`).
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.utils import format_datetime
from functools import lru_cache
from hashlib import sha256

from daemon.core.addresses import clean_name, normal
from daemon.core.imip_read import MAX_BYTES, CalendarPart, ReadMail, read_mail
from daemon.core.imip_words import MESSAGE_ID, without_controls
from daemon.core.model import Method

__all__ = ["MAX_BYTES", "MAX_SUBJECT", "CalendarPart", "Mailbox", "ReadMail", "build_mail", "read_mail"]

MAX_SUBJECT = 500
_LINE_END = re.compile(r"\r\n|\r|\n")
_BODY_JUNK = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_CRLF = "\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """A bare address and a name for people."""

    address: str
    name: str = ""


def build_mail(
    *,
    sender: Mailbox,
    recipient: Mailbox,
    subject: str,
    text: str,
    html: str,
    calendar: bytes | None,
    method: Method | None,
    message_id: str,
    date: datetime,
    references: tuple[str, ...] = (),
    submitter: Mailbox | None = None,
    reply_to: Mailbox | None = None,
    auto_submitted: bool,
) -> bytes:
    """Return one mail to one recipient, CRLF, 7-bit clean; the same arguments give the same bytes.

    multipart/alternative of plain text, HTML and, last, the calendar object (RFC 6047 2.4), whose METHOD must be `method`.
    `message_id` has its angle brackets; boundaries derive from it. `references`: our earlier mails, the first invitation first.
    `submitter` sends it in the sender's name (RFC 5322 3.6.2).
    Raises Rejected if an address is none, ValueError if Message-ID, date or METHOD contradict this.
    """
    if not MESSAGE_ID.fullmatch(message_id):
        raise ValueError(f"not a Message-ID: {message_id!r}")
    if date.tzinfo is None:
        raise ValueError("the date of a mail needs its offset")
    boundary = f"=_{sha256(message_id.encode()).hexdigest()[:32]}"  # "=_" occurs neither in quoted-printable nor in base64
    head = [
        f"Date: {format_datetime(date)}",
        _address_field("From", sender),
        _address_field("To", recipient),
        _subject_field(subject),
        f"Message-ID: {message_id}",
    ]
    if submitter is not None:
        head.append(_address_field("Sender", submitter))
    if reply_to is not None:
        head.append(_address_field("Reply-To", reply_to))
    if known := [one for one in references if MESSAGE_ID.fullmatch(one)]:
        head += [f"In-Reply-To: {known[0]}", "References: " + "\r\n ".join(known)]
    if auto_submitted:
        head.append("Auto-Submitted: auto-generated")
    head += [
        "X-Auto-Response-Suppress: OOF, AutoReply",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"',
        "",
    ]
    pieces = ["\r\n".join(head), _text_part("plain", text), _text_part("html", html)]
    if calendar is not None:
        pieces.append(_calendar_part(calendar, method))
    return (f"\r\n--{boundary}\r\n".join(pieces) + f"\r\n--{boundary}--\r\n").encode("ascii")


@lru_cache(maxsize=512)
def _address_field(name: str, mailbox: Mailbox) -> str:
    local, _, domain = normal(mailbox.address).rpartition("@")
    shown = clean_name(mailbox.name)
    address = Address(display_name=shown if _plain(shown) else "", username=local, domain=domain)
    if _plain(shown):
        return f"{name}: {address}" if len(str(address)) < 66 else f"{name}: {address}".replace(" <", "\r\n <", 1)
    return f"{name}: {Header(shown, 'utf-8', header_name=name).encode(linesep=_CRLF)}\r\n <{address.addr_spec}>"


@lru_cache(maxsize=512)
def _subject_field(subject: str) -> str:
    shown = " ".join(without_controls(subject).split())
    if len(shown) > MAX_SUBJECT:
        shown = shown[: MAX_SUBJECT - 1].rstrip() + "…"
    charset = "us-ascii" if _plain(shown) and all(len(word) < 60 for word in shown.split()) else "utf-8"
    return f"Subject: {Header(shown, charset, header_name='Subject').encode(linesep=_CRLF)}"


def _plain(text: str) -> bool:
    # "=?" would be read as an encoded word although nobody encoded it.
    return text.isascii() and "=?" not in text


def _text_part(subtype: str, text: str) -> str:
    body = _LINE_END.sub("\n", text).rstrip("\n") + "\n"
    data = _BODY_JUNK.sub("", body).replace("\n", "\r\n").encode()
    return (
        f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        f"{binascii.b2a_qp(data).decode('ascii')}"
    )


def _calendar_part(calendar: bytes, method: Method | None) -> str:
    # Exchange refuses a mail whose parameter and object disagree, and bare LF spoils it for a part of the readers.
    if method is None or f"\r\nMETHOD:{method}\r\n".encode() not in calendar:
        raise ValueError(f"the calendar object does not have METHOD:{method}")
    return (
        f"Content-Type: text/calendar; charset=utf-8; method={method}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        f"{base64.encodebytes(calendar).decode('ascii').replace(chr(10), _CRLF)}"
    )
