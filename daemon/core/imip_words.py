"""Words of RFC 5322 headers: encoded words, identifiers, addresses and dates, read tolerantly whatever a program wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header
from email.utils import parsedate_to_datetime

from daemon.core.addresses import normal
from daemon.core.errors import Rejected

MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>")
ADDRESS = re.compile(r"[^\s<>,;:\"()]+@[^\s<>,;:\"()]+")
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def without_controls(text: str) -> str:
    """Return the text with blanks for what breaks a line or hides its direction."""
    return _BREAKS.sub(" ", text)


def unfolded(value: str) -> str:
    """Return a header field's value on one line, in the charset that its raw bytes are in."""
    raw = value.encode("ascii", "surrogateescape")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    return re.sub(r"(?:\r\n|\r|\n)(?=[ \t])", "", text).strip()


def decoded(value: str) -> str:
    """Return the text of encoded words (RFC 2047) without line breaks."""
    return " ".join(without_controls(decoded_raw(value)).split())


def decoded_raw(value: str) -> str:
    """Return the text of encoded words, with whatever is hidden in them."""
    try:
        return "".join(_word(piece, charset) for piece, charset in decode_header(value))
    except (HeaderParseError, ValueError):  # shown as it came
        return value


def addresses(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses among the texts in compared form, each once."""
    found: dict[str, None] = {}
    for text in texts:
        try:
            found[normal(text)] = None
        except Rejected:
            continue
    return tuple(found)


def message_ids(values: Iterable[str]) -> tuple[str, ...]:
    """Return the Message-IDs (RFC 5322 3.6.4) in the texts, each once."""
    return tuple(dict.fromkeys(one for value in values for one in MESSAGE_ID.findall(value)))


def date(values: list[str]) -> datetime | None:
    """Return the first value as a moment (UTC), or None if it is no date."""
    try:
        found = parsedate_to_datetime(values[0])
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (IndexError, TypeError, ValueError, OverflowError):
        return None


def _word(piece: str | bytes, charset: str | None) -> str:
    if isinstance(piece, str):
        return piece
    try:
        return piece.decode(charset or "utf-8", "replace")
    except LookupError:
        return piece.decode("latin-1")
