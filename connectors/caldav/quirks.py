"""Habits of CalDAV servers that the connector must know before it acts, each with version, date and evidence.

Only what cannot be seen in the answer at hand stands here: what can be seen (no ETag, 412 for a token, an object written in
spite of an error) is handled for every server. Measured on real servers in November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from urllib.parse import urlsplit

from daemon.core.model import Event


class Habit(Enum):
    IGNORES_IF_NONE_MATCH = "PUT with If-None-Match:* overwrites what is there"
    DELETES_IN_SPITE_OF_IF_MATCH = "DELETE with another If-Match deletes"
    TAKES_A_UID_TWICE = "a second object with the same UID is stored"
    LISTS_ALL_WHEN_LOST = "a token it does not know is answered with a full listing, as if everything had changed"
    INVITES_WITH_AT_LEAST_ONE = "whom it invites to an event with SEQUENCE 0 is told SEQUENCE 1"
    DOUBLES_TRANSP = "an attendee's copy gets a second TRANSP with an update, and his program's answer with it is refused"


# An unknown server has none of these: each habit costs a request more per act.
_HABITS: Mapping[str, frozenset[Habit]] = {
    # SOGo 5.8.0 (Debian 12): 204 for both; the ETag is a counter that starts anew, so a new object can look like the old one.
    "SOGo": frozenset({Habit.IGNORES_IF_NONE_MATCH, Habit.DELETES_IN_SPITE_OF_IF_MATCH, Habit.LISTS_ALL_WHEN_LOST}),
    # DAViCal 1.1.12: 201 for the second href; a made-up token gets 207 with everything.
    "DAViCal": frozenset({Habit.TAKES_A_UID_TWICE, Habit.LISTS_ALL_WHEN_LOST}),
    # sabre/dav 4.7.1 (Baikal 0.12.1): 201 for the second href. Nextcloud is built on it and refuses a UID by itself.
    "sabre/dav": frozenset({Habit.TAKES_A_UID_TWICE}),
    # Cyrus 3.6.1 (Debian 12): the attendee's copy and the mail say 1 where the organizer's says 0, a new title afterwards says 0
    # again, which programs take for older, and the first move 1 once more. What is written with 1 is told as it is written.
    # Where the organizer's copy has no TRANSP, the attendee's gets none; OPAQUE is what none means.
    "Cyrus": frozenset({Habit.INVITES_WITH_AT_LEAST_ONE, Habit.DOUBLES_TRANSP}),
}


def product(url: str, headers: Mapping[str, str], sync_token: str) -> str:
    """Return the server's name as far as it gives itself away in a calendar's address, headers and sync token.

    "" where it does not: the Server line mostly names the web server in front.
    """
    if headers.get("X-DAViCal-Version"):
        return "DAViCal"
    if "/SOGo/dav/" in urlsplit(url).path:
        return "SOGo"
    if headers.get("X-Sabre-Version") or sync_token.startswith("http://sabre.io/"):
        return "sabre/dav"
    if sync_token.startswith("http://radicale.org/"):
        return "Radicale"
    if "sync-collection" in headers.get("DAV", ""):  # Xandikos 0.4.10: the only one that announces it there
        return "Xandikos"
    # Cyrus 3.6.1 names itself and every library with its version, twelve words, which a web server in front takes away.
    return "Cyrus" if sync_token.startswith("data:,") or headers.get("Server", "").startswith("Cyrus") else ""


def habits(name: str) -> frozenset[Habit]:
    return _HABITS.get(name, frozenset())


def raised(event: Event) -> Event:
    """Return the event with each SEQUENCE one higher, for `INVITES_WITH_AT_LEAST_ONE`: none is the 0 that is told as 1.

    Events that nobody is invited to as well: somebody may be tomorrow, and no version may be lower than the one before it.
    """
    return Event(components=tuple(replace(one, sequence=one.sequence + 1) for one in event.components))


def without_transp(body: bytes) -> bytes:
    """Return the calendar object without its lines TRANSP:OPAQUE, the default (RFC 5545 3.8.2.7), for `DOUBLES_TRANSP`."""
    return body.replace(b"\r\nTRANSP:OPAQUE\r\n", b"\r\n")
