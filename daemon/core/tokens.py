"""Tokens of links: whoever has one may do one thing for one person (design 4.8).

A token is made from the service key each time it is needed, so none is stored: a copy of the database gives none away, and a
later mail can repeat a link. What is stored is the generation; raising it makes every link before it a dead one.
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass, field

_MAC_BYTES = 16
_ID_BYTES = 16
_FORM = re.compile("[A-Za-z0-9_-]{43}")  # 32 bytes in unpadded base64url


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where our pages are found (`url`, without a slash at its end), and the service key."""

    url: str
    key: bytes = field(repr=False)

    def answer_url(self, entry: str, attendee: str, generation: int) -> str:
        """Return the address of the page where this attendee answers."""
        return f"{self.url}/a/{answer_token(self.key, entry, attendee, generation)}"


def answer_token(key: bytes, entry: str, attendee: str, generation: int) -> str:
    """Return 43 characters of base64url: the entry's id, and 128 bits of HMAC-SHA-256 over it, the person and the generation."""
    name = bytes.fromhex(entry)
    mac = hmac.digest(key, b"\0".join((b"answer", entry.encode(), attendee.encode(), str(generation).encode())), "sha256")
    return base64.urlsafe_b64encode(name + mac[:_MAC_BYTES]).rstrip(b"=").decode("ascii")


def entry_of(token: str) -> str | None:
    """Return the id of the entry that the token would be about, or None if it is none by its form. Proves nothing."""
    if _FORM.fullmatch(token) is None:
        return None
    return base64.urlsafe_b64decode(f"{token}=")[:_ID_BYTES].hex()


def fits(token: str, key: bytes, entry: str, attendee: str, generation: int) -> bool:
    """True if this is the very token of that person for that entry and generation; takes the same time for every wrong one."""
    return hmac.compare_digest(token.encode(), answer_token(key, entry, attendee, generation).encode())
