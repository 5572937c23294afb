"""From the address that a person entered to the one calendar that is meant (RFC 4791 6.2, RFC 5397, RFC 6638 9.2, RFC 6764 5).

The address may be the calendar itself, a principal, a calendar home or a server's root.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from connectors.caldav import mapping, quirks
from connectors.caldav.client import Client, xml_headers
from connectors.caldav.errors import CALDAV, DAV
from connectors.caldav.mapping import Resource
from daemon.core.errors import Conflict, Refused

_TYPE = f"{DAV}resourcetype"
_PRINCIPAL = f"{DAV}current-user-principal"
_HOME = f"{CALDAV}calendar-home-set"
_COMPONENTS = f"{CALDAV}supported-calendar-component-set"
_REPORTS = f"{DAV}supported-report-set"
_INBOX = f"{CALDAV}schedule-inbox-URL"
_DEFAULT = f"{CALDAV}schedule-default-calendar-URL"
_NAME = f"{DAV}displayname"
_TOKEN = f"{DAV}sync-token"
_ASKED = (_TYPE, _NAME, _PRINCIPAL, _HOME, _COMPONENTS, _REPORTS, _INBOX, _TOKEN)
_WELL_KNOWN = "/.well-known/caldav"
_SHOWN = 10  # calendars named in a refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a calendar lies. `path` is canonical and ends in "/"; `reports` are those that the server says it knows there."""

    url: str
    path: str
    principal: str = ""
    reports: frozenset[str] = field(default_factory=frozenset)
    product: str = ""

    def at(self, ref: str) -> str:
        return urljoin(self.url, ref)

    def has(self, habit: quirks.Habit) -> bool:
        return habit in quirks.habits(self.product)

    @property
    def syncs(self) -> bool:
        return f"{DAV}sync-collection" in self.reports


async def find_calendar(client: Client) -> Place:
    """Return the calendar that the account's address leads to.

    Raises Refused where it leads to none, or to several of which the server names none as the default; the sentence lists them.
    """
    here = await _entered(client)
    if _is_calendar(here):
        return await _place(client, here, principal=_first(here, _PRINCIPAL))
    if f"{DAV}principal" in here.names(_TYPE):
        principal = here.href
    else:
        principal = _first(here, _PRINCIPAL)
        if not principal:
            raise Refused(f"{client.host} has no calendar at {here.href} and names no person. Enter the calendar's own address.")
        here = await _look(client, principal, act="find the person's calendars")
    homes = here.hrefs(_HOME) or (here.href,)
    found = [one for home in homes for one in await _children(client, home) if _is_calendar(one) and _takes_events(one)]
    default = await _default(client, _first(here, _INBOX))
    chosen = [one for one in found if _folder(one.href) == default] or found
    if len(chosen) == 1:
        return await _place(client, chosen[0], principal=principal)
    if not found:
        who = client.user or principal
        raise Refused(f"{client.host} has no calendar for events of “{who}”. Make one there, or enter the address of another.")
    listed = _listed(client, found)
    raise Refused(f"{client.host} has several calendars, none of them the default. Enter the address of one: {listed}.")


async def _entered(client: Client) -> Resource:
    """The address as it was entered; where it is no WebDAV or does not ask who is there, where the well-known address leads."""
    act = "say what there is at the calendar's address"
    if urlsplit(client.url).path.strip("/"):
        here = await _look(client, client.url, act=act)
        # RFC 5397 3: the answer that a stranger gets. Cyrus 3.6.1 gives it at /dav/ instead of a 401, so that nobody signs in.
        stranger = f"{DAV}unauthenticated" in here.names(_PRINCIPAL)
        return await _look(client, urljoin(client.url, _WELL_KNOWN), act=act) if stranger else here
    answer = await client.request("PROPFIND", client.url, body=mapping.propfind_body(*_ASKED), headers=xml_headers(0))
    if answer.status == 401 or answer.status >= 500:
        raise client.refusal(answer, act=act)
    root = mapping.parse_multistatus(answer.tree, client.url) if answer.ok else None
    for one in root.resources if root else ():
        if one.hrefs(_PRINCIPAL) or _is_calendar(one):
            return one
    return await _look(client, urljoin(client.url, _WELL_KNOWN), act=act)


async def _look(client: Client, url: str, *, act: str) -> Resource:
    address = urljoin(client.url, url)
    answer = await client.multistatus("PROPFIND", address, mapping.propfind_body(*_ASKED), act=act)
    if not answer.resources:
        raise Refused(f"{client.host} knows nothing at {urlsplit(address).path}. Check the calendar's address.")
    return answer.resources[0]


async def _children(client: Client, home: str) -> tuple[Resource, ...]:
    address = urljoin(client.url, home)
    return (
        await client.multistatus("PROPFIND", address, mapping.propfind_body(*_ASKED), depth=1, act="list the calendars")
    ).resources


async def _default(client: Client, inbox: str) -> str:
    """The path of the calendar that invitations go to, "" where the server names none."""
    if not inbox:
        return ""
    try:
        address = urljoin(client.url, _folder(inbox))
        answer = await client.multistatus("PROPFIND", address, mapping.propfind_body(_DEFAULT), act="name the default calendar")
    except (Refused, Conflict):
        return ""
    named = [href for one in answer.resources for href in one.hrefs(_DEFAULT)]
    return _folder(mapping.canonical(named[0], client.url)) if named else ""


async def _place(client: Client, calendar: Resource, *, principal: str) -> Place:
    path = _folder(calendar.href)
    url = urljoin(client.url, path)
    headers = (await client.request("OPTIONS", url)).headers
    product = quirks.product(url, headers, calendar.text(_TOKEN))
    return Place(url=url, path=path, principal=principal, reports=calendar.names(_REPORTS), product=product)


def _is_calendar(resource: Resource) -> bool:
    return f"{CALDAV}calendar" in resource.names(_TYPE)


def _takes_events(resource: Resource) -> bool:
    kinds = resource.properties.get(_COMPONENTS)
    return kinds is None or "VEVENT" in {(one.get("name") or "").upper() for one in kinds.iter(f"{CALDAV}comp")}


def _first(resource: Resource, name: str) -> str:
    hrefs = resource.hrefs(name)
    return hrefs[0] if hrefs else ""


def _folder(path: str) -> str:
    return path if path.endswith("/") else f"{path}/"


def _listed(client: Client, found: Iterable[Resource]) -> str:
    lines = [f"{urljoin(client.url, one.href)} ({one.text(_NAME) or 'no name'})" for one in found]
    more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return ", ".join(lines[:_SHOWN]) + more
