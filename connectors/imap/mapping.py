"""IMAP's text forms as values (RFC 9051): FETCH answers, dates, mailbox names. Pure; nothing raises on a server's nonsense."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATE = re.compile(r" ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
_ITEM = re.compile(rb"\d+ FETCH \(")
_UID = re.compile(rb"\bUID (\d+)")
_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")
_INTERNALDATE = re.compile(rb'INTERNALDATE "([^"]*)"')
_BODY = re.compile(rb'BODY\[[^\]]*\](?:<\d+>)? (?:"((?:[^"\\]|\\.)*)"|~?\{(\d+)\}|NIL)')
_UIDVALIDITY = re.compile(rb"\[UIDVALIDITY (\d+)\]")
_DELIMITER = re.compile(rb'\([^)]*\) (?:"\\?(.)"|NIL) ')
_PERSONAL = re.compile(rb'\(\("((?:[^"\\]|\\.)*)" (?:"\\?(.)"|NIL)')
_UNKNOWN_DATE = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What one FETCH answer says about a mail; what it does not say is None."""

    uid: int
    size: int | None = None
    received: datetime | None = None
    body: bytes | None = None


def fetched(lines: Sequence[bytes | bytearray]) -> tuple[Fetched, ...]:
    """Read FETCH answers as aioimaplib gives them: text lines as bytes, literals as bytearray after the line that announces them.

    Answers without a UID (a changed flag, pushed by the server) are left out.
    """
    found: list[Fetched] = []
    text, literals = b"", list[bytes]()
    for line in lines:
        if isinstance(line, bytearray):
            literals.append(bytes(line))
        elif _ITEM.match(line):
            found += _item(text, literals)
            text, literals = bytes(line), []
        elif text:
            text += line
    return (*found, *_item(text, literals))


def _item(text: bytes, literals: Sequence[bytes]) -> list[Fetched]:
    body: bytes | None = None
    match = _BODY.search(text)
    if match:
        if match[2] is not None:
            body = literals[0] if literals else b""
        elif match[1] is not None:
            body = re.sub(rb"\\(.)", rb"\1", match[1])
        text = text[: match.start()] + text[match.end() :]
    uid, size, received = _UID.search(text), _SIZE.search(text), _INTERNALDATE.search(text)
    if uid is None:
        return []
    when = read_date(received[1].decode(errors="replace")) if received else None
    return [Fetched(uid=int(uid[1]), size=int(size[1]) if size else None, received=when, body=body)]


def read_date(text: str) -> datetime:
    """Return an INTERNALDATE in UTC (RFC 9051 9, date-time); the first of January 1970 where it is none."""
    match = _DATE.fullmatch(text)
    if match is None or match[2].lower() not in _MONTHS:
        return _UNKNOWN_DATE
    day, year, hour, minute, second, hours, minutes = (int(match[n]) for n in (1, 3, 4, 5, 6, 8, 9))
    offset = timedelta(hours=hours, minutes=minutes) * (-1 if match[7] == "-" else 1)
    try:
        moment = datetime(year, _MONTHS.index(match[2].lower()) + 1, day, hour, minute, min(second, 59), tzinfo=timezone(offset))
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return _UNKNOWN_DATE


def uids(lines: Sequence[bytes | bytearray]) -> tuple[int, ...]:
    """Read the numbers of a SEARCH answer."""
    return tuple(int(word) for line in lines for word in bytes(line).split() if word.isdigit())


def uidvalidity(lines: Sequence[bytes | bytearray]) -> int | None:
    """Return the UIDVALIDITY that SELECT answered with."""
    return next((int(match[1]) for line in lines if (match := _UIDVALIDITY.search(line))), None)


def header_of(data: bytes) -> bytes:
    """Return a mail's header with the empty line after it."""
    end = data.find(b"\r\n\r\n")
    return data if end < 0 else data[: end + 4]


def delimiter(lines: Sequence[bytes | bytearray]) -> str:
    """Return the sign between names of folders from an answer to LIST "" "", empty where there is none."""
    match = next((match for line in lines if (match := _DELIMITER.search(line))), None)
    return match[1].decode() if match and match[1] else ""


def personal_prefix(lines: Sequence[bytes | bytearray]) -> str:
    """Return what the user's own folders must begin with (RFC 2342 5)."""
    match = next((match for line in lines if (match := _PERSONAL.search(line))), None)
    return re.sub(r"\\(.)", r"\1", match[1].decode(errors="replace")) if match else ""


def mailbox(name: str) -> str:
    """Return a mailbox name as it stands in a command: modified UTF-7 (RFC 3501 5.1.3), quoted."""
    out, foreign = "", ""
    for char in (*name, ""):
        if char and not " " <= char <= "~":
            foreign += char
            continue
        if foreign:
            coded = base64.b64encode(foreign.encode("utf-16-be", "surrogatepass")).rstrip(b"=").replace(b"/", b",").decode()
            out, foreign = f"{out}&{coded}-", ""
        out += "&-" if char == "&" else char
    return '"' + out.replace("\\", "\\\\").replace('"', '\\"') + '"'


def folder_name(name: str, *, sign: str, prefix: str) -> str:
    """Return a folder of the settings (levels separated by “/”) as this server names it."""
    local = name.replace("/", sign) if sign else name
    return local if not prefix or local.upper() == "INBOX" or local.startswith(prefix) else prefix + local
