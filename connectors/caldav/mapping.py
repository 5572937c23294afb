"""CalDAV's shapes and our values: request bodies, multistatus answers, hrefs, tokens, calendar objects. Pure.

RFC 4918 (WebDAV), RFC 4791 (CalDAV), RFC 6578 (sync-collection). Events are read and written by `daemon.core.ics` alone.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from lxml import etree  # type: ignore[import-untyped]  # it has no types of its own

from connectors.caldav.errors import CALDAV, DAV
from daemon.core import ics
from daemon.core.addresses import normal
from daemon.core.errors import Rejected
from daemon.core.model import Event
from daemon.ports import ItemRef, SyncToken

CALENDARSERVER = "{http://calendarserver.org/ns/}"
_SPACES = {"d": DAV[1:-1], "c": CALDAV[1:-1], "cs": CALENDARSERVER[1:-1]}
_SAFE_IN_A_SEGMENT = "!$&'()*+,;=:@"
_FILE_NAME = 100  # characters; some servers keep names in columns of 255 bytes
_TOKEN_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One response of a multistatus: `href` in canonical form, the status of it as a whole, and the properties it has."""

    href: str
    status: int
    properties: Mapping[str, etree._Element] = field(default_factory=dict)

    def text(self, name: str) -> str:
        found = self.properties.get(name)
        return "" if found is None else (found.text or "").strip()

    def names(self, name: str) -> frozenset[str]:
        """Tags of all elements below a property: resource types, reports, privileges."""
        found = self.properties.get(name)
        return (
            frozenset()
            if found is None
            else frozenset(str(one.tag) for one in found.iterdescendants() if isinstance(one.tag, str))
        )

    def hrefs(self, name: str) -> tuple[str, ...]:
        found = self.properties.get(name)
        return () if found is None else tuple((one.text or "").strip() for one in found.iter(f"{DAV}href") if one.text)

    @property
    def etag(self) -> str:
        return self.text(f"{DAV}getetag")

    @property
    def data(self) -> bytes | None:
        found = self.properties.get(f"{CALDAV}calendar-data")
        return None if found is None or not found.text else str(found.text).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Multistatus:
    """`truncated`: the server left something out, and its token leads on (RFC 6578 3.6)."""

    resources: tuple[Resource, ...]
    token: str = ""
    truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What must be remembered to ask for changes: the server's own token, or else the ETags of all objects."""

    calendar: str
    ctag: str = ""
    sync: str = ""
    etags: Mapping[str, str] | None = None


def propfind_body(*names: str) -> bytes:
    root = _root(f"{DAV}propfind")
    _properties(root, names)
    return _bytes(root)


def sync_body(token: str) -> bytes:
    """A sync-collection REPORT; no `nresults`, ever: Xandikos 0.4.10 cuts the list silently."""
    root = _root(f"{DAV}sync-collection")
    etree.SubElement(root, f"{DAV}sync-token").text = token
    etree.SubElement(root, f"{DAV}sync-level").text = "1"
    _properties(root, (f"{DAV}getetag",))
    return _bytes(root)


def multiget_body(hrefs: Iterable[str]) -> bytes:
    root = _root(f"{CALDAV}calendar-multiget")
    _properties(root, (f"{DAV}getetag", f"{CALDAV}calendar-data"))
    for href in hrefs:
        etree.SubElement(root, f"{DAV}href").text = href
    return _bytes(root)


def uid_query_body(uid: str) -> bytes:
    """A calendar-query for events whose UID has this text in it (RFC 4791 9.7.5 knows no "equals"); the reader compares."""
    root = _root(f"{CALDAV}calendar-query")
    _properties(root, (f"{DAV}getetag", f"{CALDAV}calendar-data"))
    calendar = etree.SubElement(etree.SubElement(root, f"{CALDAV}filter"), f"{CALDAV}comp-filter", name="VCALENDAR")
    event = etree.SubElement(calendar, f"{CALDAV}comp-filter", name="VEVENT")
    match = etree.SubElement(
        etree.SubElement(event, f"{CALDAV}prop-filter", name="UID"), f"{CALDAV}text-match", collation="i;octet"
    )
    match.text = uid
    return _bytes(root)


def parse_multistatus(tree: etree._Element | None, url: str) -> Multistatus | None:
    """Return the multistatus with canonical hrefs, or None if the answer is none."""
    if tree is None or tree.tag != f"{DAV}multistatus":
        return None
    resources: list[Resource] = []
    truncated = False
    for one in tree.iterchildren(f"{DAV}response"):
        status = _status(one.findtext(f"{DAV}status"))
        properties: dict[str, etree._Element] = {}
        for group in one.iterchildren(f"{DAV}propstat"):
            # A property with 404, 401 or 501 is one that the resource does not have, for us.
            if 200 <= _status(group.findtext(f"{DAV}status")) < 300:
                properties.update((str(prop.tag), prop) for prop in group.iterfind(f"{DAV}prop/*") if isinstance(prop.tag, str))
        if status == 507:
            truncated = True
            continue
        for href in one.iterchildren(f"{DAV}href"):
            resources.append(Resource(href=canonical((href.text or "").strip(), url), status=status, properties=properties))
    return Multistatus(resources=tuple(resources), token=(tree.findtext(f"{DAV}sync-token") or "").strip(), truncated=truncated)


def canonical(href: str, url: str) -> str:
    """Return an href as an absolute path in one spelling, so that two spellings of one object compare equal.

    Absolute URLs lose their origin: an object lies on the server that named it.
    """
    path = urlsplit(urljoin(url, href)).path
    return "/".join(quote(unquote(segment), safe=_SAFE_IN_A_SEGMENT) for segment in path.split("/"))


def file_name(uid: str) -> str:
    """Return the name for a new event with this UID: the same UID always gives the same name, two UIDs never do."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "-", uid)[:_FILE_NAME].strip(".") or "event"
    if safe != uid:
        safe = f"{safe[: _FILE_NAME - 17]}-{hashlib.sha256(uid.encode()).hexdigest()[:16]}"
    return f"{safe}.ics"


def read_event(data: bytes) -> Event | None:
    """Return the event in a calendar object; None where it holds none, several UIDs, or cannot be read: it is then left alone."""
    try:
        found = ics.events(ics.parse_calendar(data))
    except (Rejected, ValueError):
        return None
    return found[0] if len(found) == 1 else None


def write_event(event: Event, dtstamp: datetime) -> bytes:
    """Return the calendar object of an event. METHOD has no place in a stored object (RFC 4791 4.1)."""
    return ics.build_calendar(event.components, method=None, dtstamp=dtstamp)


def mail_addresses(hrefs: Iterable[str]) -> tuple[str, ...]:
    """Return the mail addresses among calendar user addresses, in compared form, each once."""
    found: dict[str, None] = {}
    for href in hrefs:
        if href[:7].lower() == "mailto:":
            try:
                found[normal(href)] = None
            except Rejected:
                continue
    return tuple(found)


def build_token(token: Token) -> SyncToken:
    content: dict[str, Any] = {"v": _TOKEN_VERSION, "calendar": token.calendar, "ctag": token.ctag, "sync": token.sync}
    if token.etags is not None:
        content["etags"] = dict(sorted(token.etags.items()))
    return SyncToken(json.dumps(content, separators=(",", ":"), ensure_ascii=False))


def parse_token(text: SyncToken | None, calendar: str) -> Token | None:
    """Return the token, or None if it is none of ours for this calendar: then everything is listed."""
    if text is None:
        return None
    try:
        content = json.loads(text)
        if content["v"] != _TOKEN_VERSION or content["calendar"] != calendar:
            return None
        etags = content.get("etags")
        parsed = Token(
            calendar=calendar, ctag=content["ctag"], sync=content["sync"], etags=None if etags is None else dict(etags)
        )
    except (ValueError, TypeError, KeyError):
        return None
    return parsed


def reference(calendar: str, uid: str) -> ItemRef:
    return ItemRef(canonical(file_name(uid), calendar))


def _root(name: str) -> etree._Element:
    return etree.Element(name, nsmap=_SPACES)


def _properties(root: etree._Element, names: Iterable[str]) -> None:
    inside = etree.SubElement(root, f"{DAV}prop")
    for name in names:
        etree.SubElement(inside, name)


def _bytes(root: etree._Element) -> bytes:
    return bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8"))


def _status(line: str | None) -> int:
    """The code in "HTTP/1.1 404 Not Found"; 200 where there is no line, 500 where it is none."""
    if line is None:
        return 200
    found = re.search(r"\s(\d{3})(\s|$)", line)
    return int(found.group(1)) if found else 500
