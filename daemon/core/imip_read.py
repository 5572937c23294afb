"""Mails from anybody (RFC 5322, 2045-2047, 3834), read within limits of size, depth and parts, whatever their bytes.

Not here: what a delivery report says (`bounce`), who spoke the truth (`authenticity`), what an answer does (`itip`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from email.utils import collapse_rfc2231_value
from itertools import takewhile

from daemon.core import imip_words as words
from daemon.core import tnef
from daemon.core.bounce import Report, read_report
from daemon.core.errors import Unreadable

MAX_BYTES = 10 * 1024 * 1024
MAX_HEADER_BYTES = 64 * 1024
MAX_FIELD_BYTES = 8 * 1024
MAX_LINES = 300_000
MAX_DEPTH = 30
MAX_PARTS = 100

# Looked for in the raw bytes: the standard parser recurses for each nested part and spends time on each delimiter.
_NESTING = re.compile(rb"(?im)^content-type:\s*(?:multipart|message)/")
_DELIMITER = re.compile(rb"(?m)^--")
_MAX_NESTING_LINES = 2 * MAX_DEPTH
_MAX_DELIMITER_LINES = 5_000

# Own reading of From: what the standard library makes of hostile ones differs between its versions.
_QUOTED = re.compile(r'"(?:[^"\\]++|\\.)*"')
_COMMENT = re.compile(r"\([^()]*+\)")
_MAX_COMMENTS = 20
_ANGLED = re.compile(r"<([^<>]*)>")
_HEADER_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|$)")
_MACHINES = frozenset({"mailer-daemon", "postmaster", "noreply", "no-reply", "do-not-reply", "donotreply"})
_ASIDE = "It was put aside; look at it yourself."
_CALENDAR_TYPES = frozenset({"text/calendar", "application/ics"})
_CALENDAR_INSIDE = re.compile(rb"(?i)text/calendar|application/ics")
_TNEF_TYPES = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarPart:
    """Calendar data as it came: `charset` and `method` are the parameters of its Content-Type, if there were any."""

    data: bytes
    charset: str | None
    method: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMail:
    """What a received mail says about itself. Nothing here is verified: a sender can write whatever he likes.

    `sender`: the one From address in compared form, "" if there is none or more than one. `written_by`: the one Sender address.
    `date` is UTC. `references`: the Message-IDs it answers, In-Reply-To first. `auto_submitted`: no person wrote it (RFC 3834 and
    older habits). `authentication`: its Authentication-Results fields, topmost first. `report`: what it says about how another
    mail fared, if it is a report. `calendars` never come from a mail forwarded or returned inside it; `forwarded`: there is
    calendar data in such a mail.
    """

    message_id: str
    date: datetime | None
    sender: str
    recipients: tuple[str, ...]
    subject: str
    references: tuple[str, ...]
    auto_submitted: bool
    calendars: tuple[CalendarPart, ...]
    written_by: str = ""
    authentication: tuple[str, ...] = ()
    report: Report | None = None
    forwarded: bool = False


def read_mail(data: bytes) -> ReadMail:
    """Return what a received mail (RFC 5322, RFC 2045) says, whatever its bytes.

    Calendar data: text/calendar and application/ics parts and attachments named *.ics, freed from their transfer encoding, in
    order, also below multipart/signed; never from inside message/rfc822, so a returned invitation is not taken for an answer. An
    answer that Outlook packed into winmail.dat stands there as calendar data of ours.
    Raises Unreadable, and nothing else, where the mail is too large, too deep, too broken, or has two senders.
    """
    _check_size(data)
    try:
        mail = BytesParser(policy=compat32).parsebytes(data)
        return _read(mail, data)
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


def _read(mail: Message, data: bytes) -> ReadMail:
    fields: dict[str, list[str]] = {}
    for name, value in mail.raw_items():
        fields.setdefault(name.lower(), []).append(words.unfolded(value))
    sender = _sender(fields.get("from", []))
    leaves = tuple(_parts(mail))
    calendars = tuple(_calendars(leaves, sender))
    returned = any(part.get_content_maintype() == "message" for part in leaves)
    return ReadMail(
        message_id=next(iter(words.message_ids(fields.get("message-id", []))), ""),
        date=words.date(fields.get("date", [])),
        sender=sender,
        recipients=words.addresses(words.ADDRESS.findall(" ".join(_all(fields, "to", "cc", "delivered-to", "x-original-to")))),
        subject=words.decoded(next(iter(fields.get("subject", [])), "")),
        references=words.message_ids(_all(fields, "in-reply-to", "references")),
        auto_submitted=_is_automatic(fields, sender),
        calendars=calendars,
        written_by=_one_address(fields.get("sender", [])),
        authentication=tuple(fields.get("authentication-results", [])),
        report=read_report(mail, leaves, sender=sender, fields=fields),
        forwarded=returned and not calendars and _CALENDAR_INSIDE.search(data) is not None,
    )


def _calendars(leaves: Iterable[Message], sender: str) -> Iterator[CalendarPart]:
    for part in leaves:
        kind, name = part.get_content_type(), (part.get_filename() or "").strip().lower()
        if kind not in _CALENDAR_TYPES | _TNEF_TYPES and not name.endswith((".ics", "winmail.dat")):
            continue
        payload = part.get_payload(decode=True)
        if not isinstance(payload, bytes):
            continue
        if kind in _TNEF_TYPES or name.endswith("winmail.dat"):
            unpacked = tnef.calendar_of(payload, sender)
            if unpacked is not None:
                yield CalendarPart(data=unpacked, charset="utf-8", method=None)
        else:
            method = _parameter(part, "method").upper() or None
            yield CalendarPart(data=payload, charset=_parameter(part, "charset") or None, method=method)


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


def _all(fields: dict[str, list[str]], *names: str) -> list[str]:
    return [value for name in names for value in fields.get(name, [])]


def _parameter(part: Message, name: str) -> str:
    found = part.get_param(name)
    return collapse_rfc2231_value(found).strip() if found is not None else ""


def _sender(values: list[str]) -> str:
    if len(values) > 1:
        raise Unreadable(f"The mail names its sender twice (two From lines), as forged mails do. {_ASIDE}")
    if any(c in words.decoded_raw(value) for value in values for c in "\r\n"):
        raise Unreadable(f"The mail hides a line break in its sender, as forged mails do. {_ASIDE}")
    if _QUOTED.sub(" ", "".join(values)).count("(") > _MAX_COMMENTS:
        raise Unreadable(f"The mail's sender is hidden among comments, as in mails that are meant to do harm. {_ASIDE}")
    return _one_address(values)


def _one_address(values: list[str]) -> str:
    """The only address of From or Sender, or ""."""
    text = _QUOTED.sub(" ", "".join(values))
    for _ in range(_MAX_COMMENTS):
        text = _COMMENT.sub(" ", text)
    named = [one for piece in text.split(",") if "@" in piece for one in _ANGLED.findall(piece) or [piece]]
    found = words.addresses(named)
    return found[0] if len(named) == len(found) == 1 else ""


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
