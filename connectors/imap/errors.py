"""An IMAP server's answers and broken connections as our errors (RFC 9051 7.1, RFC 5530). Pure."""

from __future__ import annotations

import re
import ssl

from daemon.core.errors import Refused, Unreachable

_WORDS_LIMIT = 300
_CODE = re.compile(r"\[([A-Z-]+)")
_AGAIN = "It is tried again with growing pauses."

# RFC 5530 3 and RFC 9051 7.1: the server will do it another time.
_LATER = frozenset({"UNAVAILABLE", "INUSE", "SERVERBUG", "LIMIT", "EXPUNGEISSUED"})


def words(text: bytes | str) -> str:
    """Return a server's words on one line, printable, at most 300 characters."""
    plain = text.decode(errors="replace") if isinstance(text, bytes) else text
    return " ".join("".join(c if c.isprintable() else " " for c in plain).split())[:_WORDS_LIMIT]


def response_code(text: str) -> str:
    """Return the code in brackets before a server's words (RFC 9051 7.1), or an empty text."""
    code = _CODE.match(text)
    return code[1] if code else ""


def lost(server: str, reason: str) -> Unreachable:
    """The connection is gone, or the server does not answer."""
    return Unreachable(f"The connection to the mailbox server {server} is lost ({reason}). {_AGAIN}")


def unreachable(error: Exception, *, server: str) -> Unreachable:
    """What a failed connecting means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unreachable(
            f"The certificate of the mailbox server {server} cannot be trusted ({error.verify_message}). {_AGAIN} "
            "Check mail.imap.host, or name the authority that signed it in mail.imap.ca_file."
        )
    reason = "no answer in time" if isinstance(error, TimeoutError) else words(str(error)) or type(error).__name__
    return Unreachable(
        f"The mailbox server {server} cannot be reached ({reason}). {_AGAIN} "
        "Check mail.imap.host, mail.imap.port and mail.imap.security."
    )


def denied(text: bytes | str, *, server: str, doing: str, remedy: str) -> Unreachable | Refused:
    """What a NO or BAD means: Unreachable where its code says that it will pass, else Refused with what a person can do."""
    said = words(text)
    if response_code(said) in _LATER:
        return Unreachable(f"The mailbox server {server} cannot do it now, {doing}: “{said}”. {_AGAIN}")
    return Refused(f"The mailbox server {server} refused {doing}: “{said}”. {remedy}")
