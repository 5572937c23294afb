"""Mails that carry calendar objects (RFC 6047 on RFC 5322, 2045-2047, 3834): written for one recipient, read from anybody.

Written by hand because mails are the hot path and a retry must repeat identical bytes; names and subjects still go through the
standard library's encoders. Not here: what the mail says (`render`), what it asks for (`itip`), what an answer does (`itip`).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import Header, decode_header
from email.headerregistry import Address
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from email.utils import collapse_rfc2231_value, format_datetime, parsedate_to_datetime
from functools import lru_cache
from hashlib import sha256
from itertools import takewhile

from daemon.core.addresses import clean_name, normal
from daemon.core.errors import Rejected, Unreadable
from daemon.core.model import Method

MAX_BYTES = 10 * 1024 * 1024
MAX_HEADER_BYTES = 64 * 1024
MAX_FIELD_BYTES = 8 * 1024
MAX_LINES = 300_000
MAX_DEPTH = 30
MAX_PARTS = 100
MAX_SUBJECT = 500

# Looked for in the raw bytes: the standard parser recurses for each nested part and spends time on each delimiter.
_NESTING = re.compile(rb"(?im)^content-type:\s*(?:multipart|message)/")
_DELIMITER = re.compile(rb"(?m)^--")
_MAX_NESTING_LINES = 2 * MAX_DEPTH
_MAX_DELIMITER_LINES = 5_000

_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>")
# Own reading of From: what the standard library makes of hostile ones differs between its versions.
_QUOTED = re.compile(r'"(?:[^"\\]++|\\.)*"')
_COMMENT = re.compile(r"\([^()]*+\)")
_MAX_COMMENTS = 20
_ANGLED = re.compile(r"<([^<>]*)>")
_ADDRESS = re.compile(r"[^\s<>,;:\"()]+@[^\s<>,;:\"()]+")
_LINE_END = re.compile(r"\r\n|\r|\n")
_HEADER_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|$)")
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_BODY_JUNK = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_MACHINES = frozenset({"mailer-daemon", "postmaster", "noreply", "no-reply", "do-not-reply", "donotreply"})
_ASIDE = "It was put aside; look at it yourself."
_CRLF = "\r\n"
_CALENDAR_TYPES = frozenset({"text/calendar", "application/ics"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """A bare address and a name for people."""

    address: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarPart:
    """Calendar data as it came: `charset` and `method` are the parameters of its Content-Type, if there were any."""

    data: bytes
    charset: str | None
    method: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMail:
    """What a received mail says about itself. Nothing here is verified: a sender can write whatever he likes.

    `sender`: the one From address in compared form, "" if there is none or more than one. `date` is UTC. `references`: the
    Message-IDs it answers, In-Reply-To first. `auto_submitted`: no person wrote it (RFC 3834 and older habits).
    `delivery_report`: a report about mail of ours (RFC 3464). `calendars` never come from a mail forwarded or returned inside it.
    """

    message_id: str
    date: datetime | None
    sender: str
    recipients: tuple[str, ...]
    subject: str
    references: tuple[str, ...]
    auto_submitted: bool
    delivery_report: bool
    calendars: tuple[CalendarPart, ...]


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
    reply_to: Mailbox | None = None,
    auto_submitted: bool,
) -> bytes:
    """Return one mail to one recipient, CRLF, 7-bit clean; the same arguments give the same bytes.

    multipart/alternative of plain text, HTML and, last, the calendar object (RFC 6047 2.4), whose METHOD must be `method`.
    `message_id` has its angle brackets; boundaries derive from it. `references`: our earlier mails, the first invitation first.
    Raises Rejected if an address is none, ValueError if Message-ID, date or METHOD contradict this.
    """
    if not _MESSAGE_ID.fullmatch(message_id):
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
    if reply_to is not None:
        head.append(_address_field("Reply-To", reply_to))
    if known := [one for one in references if _MESSAGE_ID.fullmatch(one)]:
        head += [f"In-Reply-To: {known[0]}", "References: " + "\r\n ".join(known)]
    if auto_submitted:
        head.append("Auto-Submitted: auto-generated")
    head += [
        "X-Auto-Response-Suppress: OOF, AutoReply",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative; boundary="{boundary}"',
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
    shown = " ".join(_without_controls(subject).split())
    if len(shown) > MAX_SUBJECT:
        shown = shown[: MAX_SUBJECT - 1].rstrip() + "…"
    charset = "us-ascii" if _plain(shown) and all(len(word) < 60 for word in shown.split()) else "utf-8"
    return f"Subject: {Header(shown, charset, header_name='Subject').encode(linesep=_CRLF)}"


def _plain(text: str) -> bool:
    # "=?" would be read as an encoded word although nobody encoded it.
    return text.isascii() and "=?" not in text


def _without_controls(text: str) -> str:
    return _BREAKS.sub(" ", text)


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


def read_mail(data: bytes) -> ReadMail:
    """Return what a received mail (RFC 5322, RFC 2045) says, whatever its bytes.

    Calendar data: text/calendar and application/ics parts and attachments named *.ics, freed from their transfer encoding, in
    order, also below multipart/signed; never from inside message/rfc822, so a returned invitation is not taken for an answer.
    Raises Unreadable, and nothing else, where the mail is too large, too deep, too broken, or has two senders.
    """
    _check_size(data)
    try:
        mail = BytesParser(policy=compat32).parsebytes(data)
        return _read(mail)
    except Unreadable:
        raise
    except RecursionError as error:
        raise Unreadable(f"The mail is nested too deeply to be read safely. {_ASIDE}") from error
    except Exception as error:  # whatever the standard parser trips over: foreign bytes must not stop the inbox
        raise Unreadable(f"The mail is broken and could not be read ({type(error).__name__}). {_ASIDE}") from error


def _check_size(data: bytes) -> None:
    if not data.strip():
        raise Unreadable("The mail is empty. There is nothing to read.")
    if len(data) > MAX_BYTES:
        raise Unreadable(f"The mail has {len(data):,} bytes; at most {MAX_BYTES:,} are read. {_ASIDE}")
    if data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n") > MAX_LINES:
        raise Unreadable(f"The mail has more than {MAX_LINES:,} lines. {_ASIDE}")
    total = field = 0
    for line in takewhile(lambda found: found.strip(b"\r\n"), (match.group() for match in _HEADER_LINE.finditer(data))):
        total += len(line)
        field = field + len(line) if line[:1] in b" \t" else len(line)
        if field > MAX_FIELD_BYTES or total > MAX_HEADER_BYTES:
            raise Unreadable(
                f"The mail's header is too long: at most {MAX_FIELD_BYTES // 1024} KiB for a field and "
                f"{MAX_HEADER_BYTES // 1024} KiB together are read. {_ASIDE}"
            )
    if _more_than(_MAX_NESTING_LINES, _NESTING.finditer(data)) or _more_than(_MAX_DELIMITER_LINES, _DELIMITER.finditer(data)):
        raise Unreadable(f"The mail has too many parts to be read safely. {_ASIDE}")


def _more_than(limit: int, found: Iterable[object]) -> bool:
    return any(index >= limit for index, _ in enumerate(found))


def _read(mail: Message) -> ReadMail:
    fields: dict[str, list[str]] = {}
    for name, value in mail.raw_items():
        fields.setdefault(name.lower(), []).append(_unfolded(value))
    sender = _sender(fields.get("from", []))
    calendars: list[CalendarPart] = []
    report = mail.get_content_type() == "multipart/report" and _parameter(mail, "report-type") == "delivery-status"
    for part in _parts(mail):
        kind = part.get_content_type()
        report = report or kind == "message/delivery-status"
        if kind in _CALENDAR_TYPES or (part.get_filename() or "").strip().lower().endswith(".ics"):
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                method = _parameter(part, "method").upper() or None
                calendars.append(CalendarPart(data=payload, charset=_parameter(part, "charset") or None, method=method))
    return ReadMail(
        message_id=next(iter(_ids(fields.get("message-id", []))), ""),
        date=_date(fields.get("date", [])),
        sender=sender,
        recipients=_addresses(_ADDRESS.findall(" ".join(_all(fields, "to", "cc", "delivered-to", "x-original-to")))),
        subject=_decoded(next(iter(fields.get("subject", [])), "")),
        references=_ids(_all(fields, "in-reply-to", "references")),
        auto_submitted=_is_automatic(fields, sender),
        delivery_report=report,
        calendars=tuple(calendars),
    )


def _parts(mail: Message) -> Iterator[Message]:
    """Every leaf of the mail itself in order; message/rfc822 counts as a leaf."""
    waiting: list[tuple[Message, int]] = [(mail, 1)]
    seen = 0
    while waiting:
        part, depth = waiting.pop()
        seen += 1
        if depth > MAX_DEPTH or seen > MAX_PARTS:
            raise Unreadable(f"The mail has more than {MAX_PARTS} parts or is nested more than {MAX_DEPTH} deep. {_ASIDE}")
        inside = part.get_payload() if part.get_content_maintype() == "multipart" else None
        if isinstance(inside, list):
            waiting += [(one, depth + 1) for one in reversed(inside) if isinstance(one, Message)]
        else:
            yield part


def _unfolded(value: str) -> str:
    raw = value.encode("ascii", "surrogateescape")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    return re.sub(r"(?:\r\n|\r|\n)(?=[ \t])", "", text).strip()


def _all(fields: dict[str, list[str]], *names: str) -> list[str]:
    return [value for name in names for value in fields.get(name, [])]


def _parameter(part: Message, name: str) -> str:
    found = part.get_param(name)
    return collapse_rfc2231_value(found).strip() if found is not None else ""


def _sender(values: list[str]) -> str:
    if len(values) > 1:
        raise Unreadable(f"The mail names its sender twice (two From lines), as forged mails do. {_ASIDE}")
    if any(c in _decoded_raw(value) for value in values for c in "\r\n"):
        raise Unreadable(f"The mail hides a line break in its sender, as forged mails do. {_ASIDE}")
    text = _QUOTED.sub(" ", "".join(values))
    if text.count("(") > _MAX_COMMENTS:
        raise Unreadable(f"The mail's sender is hidden among comments, as in mails that are meant to do harm. {_ASIDE}")
    for _ in range(_MAX_COMMENTS):
        text = _COMMENT.sub(" ", text)
    named = [one for piece in text.split(",") if "@" in piece for one in _ANGLED.findall(piece) or [piece]]
    found = _addresses(named)
    return found[0] if len(named) == len(found) == 1 else ""


def _addresses(texts: list[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for text in texts:
        try:
            found[normal(text)] = None
        except Rejected:
            continue
    return tuple(found)


def _ids(values: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for value in values for one in _MESSAGE_ID.findall(value)))


def _date(values: list[str]) -> datetime | None:
    try:
        found = parsedate_to_datetime(values[0])
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (IndexError, TypeError, ValueError, OverflowError):
        return None


def _decoded(value: str) -> str:
    return " ".join(_without_controls(_decoded_raw(value)).split())


def _decoded_raw(value: str) -> str:
    try:
        return "".join(_word(piece, charset) for piece, charset in decode_header(value))
    except (HeaderParseError, ValueError):  # shown as it came
        return value


def _word(piece: str | bytes, charset: str | None) -> str:
    if isinstance(piece, str):
        return piece
    try:
        return piece.decode(charset or "utf-8", "replace")
    except LookupError:
        return piece.decode("latin-1")


def _is_automatic(fields: dict[str, list[str]], sender: str) -> bool:
    """RFC 3834 5 and what programs did before and beside it."""
    first = {name: values[0].strip().lower() for name, values in fields.items()}
    return (
        first.get("auto-submitted", "no").partition(";")[0].strip() not in ("", "no")
        or any(name in first for name in ("x-auto-response-suppress", "x-autoreply", "list-id"))
        or first.get("precedence") in ("auto_reply", "bulk", "junk", "list")
        or first.get("return-path") == "<>"
        or sender.partition("@")[0] in _MACHINES
    )
