"""A CalDAV server's errors in ours, with the sentence for a person. Pure: (what came back) → error.

| answer                                              | ours                                         |
| --------------------------------------------------- | -------------------------------------------- |
| none: DNS, connection, TLS, time-out, broken answer | `Unreachable` (`maybe_done` for a write)     |
| 429, 5xx, 408, 423, 425                             | `Unreachable`, with the server's Retry-After |
| 412, a UID conflict by name, 404 or 410 on a write  | `Conflict`                                   |
| 401, 403, other 4xx                                 | `Refused`                                    |
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta

import niquests
from niquests.packages.urllib3.exceptions import (  # type: ignore[import-not-found]  # an alias made at run time (ADR 0003)
    ConnectTimeoutError,
    NewConnectionError,
)

from daemon.core.errors import AGAIN, Conflict, Refused, SitzungsplanerError, Unreachable

DAV = "{DAV:}"
CALDAV = "{urn:ietf:params:xml:ns:caldav}"
UID_TAKEN = frozenset({f"{CALDAV}no-uid-conflict", f"{CALDAV}unique-scheduling-object-resource"})
_NO_ADDRESS = (niquests.exceptions.InvalidURL, niquests.exceptions.InvalidSchema, niquests.exceptions.MissingSchema)
_NO_CONNECTION = (NewConnectionError, ConnectionRefusedError)
_NOT_SECURE = (ssl.SSLError, niquests.exceptions.SSLError)
_TOO_SLOW = (TimeoutError, niquests.exceptions.Timeout)
_NOT_SENT = (*_NO_CONNECTION, *_NOT_SECURE, ConnectTimeoutError, niquests.exceptions.ConnectTimeout, socket.gaierror)


def from_transport(trouble: BaseException, *, host: str, writing: bool) -> Unreachable | Refused:
    """Return the error for a request without a readable answer. `maybe_done`: a write that may have been carried out."""
    chain = tuple(_chain(trouble))

    def among(kinds: tuple[type[BaseException], ...]) -> bool:
        return any(isinstance(one, kinds) for one in chain)

    if among(_NO_ADDRESS):
        return Refused(
            f"The calendar's address cannot be used: {_words(chain)}. Enter it like https://cal.example.org/dav/anna/."
        )
    if isinstance(trouble, NotImplementedError):  # caldav's word for a WWW-Authenticate that it does not know
        return Refused(
            f"{host} signs people in in a way that is not known here (Basic, Digest, Bearer are). Try an app password."
        )
    if among((socket.gaierror,)):
        text = f"{host} has no address in the DNS. {AGAIN} If it stays so, check the calendar's address."
    elif among(_NOT_SECURE):
        text = f"No secure connection to {host}: {_words(chain)}. {AGAIN} Its certificate must be valid and trusted here."
    elif among(_TOO_SLOW):
        text = f"{host} did not answer in time. {AGAIN}"
    elif among(_NO_CONNECTION):
        text = f"{host} could not be reached: {_words(chain)}. {AGAIN}"
    else:
        text = f"{host} gave no complete answer: {_words(chain)}. {AGAIN}"
    return Unreachable(text, maybe_done=writing and not among(_NOT_SENT))


def from_status(
    status: int,
    *,
    host: str,
    act: str,
    preconditions: tuple[str, ...] = (),
    retry_after: timedelta | None = None,
    user: str = "",
    writing: bool = False,
) -> Unreachable | Refused | Conflict:
    """Return the error for an answer that is no success. `act` completes "… refused to": "write “Title” (uid …)"."""
    if UID_TAKEN.intersection(preconditions):
        return Conflict(f"{host} has an event with this UID already, so it did not {act}. Both are compared now.")
    if status == 412 or (writing and status in (404, 410)):
        return Conflict(f"{host} did not {act}: it was changed or removed there since it was last read. It is read again.")
    if status >= 500 or status in (408, 423, 425, 429):
        reason = {423: "it is locked", 429: "too many requests", 507: "no space is left there"}.get(status, f"error {status}")
        again = f"It is tried again, not before {retry_after} h as the server asks." if retry_after else AGAIN
        # 429: the server says that it did nothing. Anything above may have stopped after the work was done.
        return Unreachable(
            f"{host} could not {act}: {reason}. {again}", retry_after=retry_after, maybe_done=writing and status >= 500
        )
    refused = f"{host} refused to {act}"
    named = ", ".join(one.rpartition("}")[2].replace("-", " ") for one in preconditions)
    who = f"“{user}”" if user else "the service's account"
    if status == 401:
        return Refused(f"{refused}: the user name or the password of {who} is wrong. Not tried again. Give the right password.")
    if status in (403, 405):
        reason = named or "no right to do so"
        return Refused(f"{refused}: {reason}. Not tried again. Give {who} the right to read and write this calendar.")
    if status in (404, 409, 410):
        return Refused(f"{refused}: the calendar is not there. Not tried again. Check its address, or make the calendar again.")
    reason = f"error {status}, {named}" if named else f"error {status}"
    return Refused(f"{refused}: {reason}. Not tried again. The server's log says more.")


def _chain(trouble: BaseException) -> Iterator[BaseException]:
    """The error, its causes and what the HTTP libraries wrap as `reason` or argument, each once."""
    seen: set[int] = set()
    waiting: list[object] = [trouble]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or isinstance(one, SitzungsplanerError) or id(one) in seen:
            continue  # an error of ours in the context is what was being handled, not a cause
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]


def _words(chain: tuple[BaseException, ...]) -> str:
    """The innermost reason in few words, without object addresses."""
    for one in reversed(chain):
        text = one.strerror if isinstance(one, OSError) and one.strerror else str(one)
        if text and " at 0x" not in text:
            return " ".join(text.split())[:200].rstrip(".")
    return type(chain[0]).__name__
