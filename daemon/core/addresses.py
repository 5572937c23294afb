"""Mail addresses and names of people: one compared form, and names that cannot break a header or a calendar line.

RFC 5321 2.4 lets local parts differ in case; no vendor does, so addresses compare case-insensitively as a whole.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

from daemon.core.errors import Rejected

_SHAPE = re.compile(r"[^\s@<>\"(),:;\[\]\\]+@[^\s@<>\"(),:;\[\]\\]+")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_NAME_LIMIT = 100


def normal(text: str) -> str:
    """Return the compared form of a bare address or `mailto:` URI: trimmed, lower case, IDNA domain.

    Raises Rejected with the reason if it is not an address that mail can be sent to.
    """
    raw = text.strip()
    if raw[:7].lower() == "mailto:":
        raw = unquote(raw[7:]).strip()
    if len(raw) > 254 or not _SHAPE.fullmatch(raw):
        raise Rejected(f"{_shown(text)} is not a mail address. Write it like anna@example.org.", field="email")
    local, _, domain = raw.rpartition("@")
    if not local.isascii():
        raise Rejected(
            f"{_shown(text)}: the part before @ has letters that most mail servers refuse. Ask for another address.",
            field="email",
        )
    if len(local) > 64 or local.startswith(".") or local.endswith(".") or ".." in local:
        raise Rejected(f"{_shown(text)} is not a mail address: check the part before @.", field="email")
    try:
        domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise Rejected(f"{_shown(text)}: {_shown(domain)} is not a domain name.", field="email") from None
    if not all(_LABEL.fullmatch(label) for label in domain.split(".")):
        raise Rejected(f"{_shown(text)}: {_shown(domain)} is not a domain name.", field="email")
    return f"{local.lower()}@{domain}"


def same(one: str, other: str) -> bool:
    """True if both are written forms of one address. Never raises: what is no address equals only its own text."""
    return _compared(one) == _compared(other)


def _compared(text: str) -> str:
    try:
        return normal(text)
    except Rejected:
        return text.strip().lower()


def clean_name(text: str) -> str:
    """Return a person's name without what RFC 5545 parameters and RFC 5322 phrases cannot hold.

    Quotes become apostrophes, carets go (RFC 6868 is not understood by Outlook or Google), control, line-separator and
    bidirectional characters become blanks; at most 100 characters.
    """
    out = "".join(" " if _breaks(c) else "'" if c == '"' else "" if c == "^" else c for c in text)
    return " ".join(out.split())[:_NAME_LIMIT].rstrip()


def clean_text(text: str) -> str:
    """Return free text (title, description, place) without control characters; line ends become LF, tabs stay."""
    unified = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    return "".join(c for c in unified if c in "\n\t" or not _breaks(c))


def _breaks(char: str) -> bool:
    return (
        unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs")
        or char in "\ufeff\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )


def _shown(text: str) -> str:
    shown = clean_name(text)
    return f"“{shown[:80]}”"
