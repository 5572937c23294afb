"""Addresses with a detail, `user+detail@domain` (RFC 5233): one mailbox, and each mail to it says what it is about."""

from __future__ import annotations

_MOST_LOCAL = 64  # RFC 5321 4.5.3.1.1


def with_detail(address: str, detail: str) -> str:
    """Return the address with this detail. Both are in compared form, and the address has none yet."""
    user, _, domain = address.rpartition("@")
    return f"{user}+{detail}@{domain}"


def detail_of(address: str, mailbox: str) -> str | None:
    """Return the detail if `address` is `mailbox` with one, else None."""
    user, _, domain = mailbox.rpartition("@")
    head, tail = f"{user}+", f"@{domain}"
    if not (address.startswith(head) and address.endswith(tail)):
        return None
    return address[len(head) : -len(tail)] or None


def room_for_detail(address: str) -> int:
    """Return how many characters a detail may have."""
    return _MOST_LOCAL - len(address.rpartition("@")[0]) - 1
