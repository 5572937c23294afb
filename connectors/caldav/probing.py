"""What a CalDAV server really does, tried out with one event of the year 2001 that names nobody and is removed again.

Headers are believed only where trying would mail somebody (scheduling).
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from connectors.caldav import mapping
from connectors.caldav.client import Answer, Client
from connectors.caldav.discovery import Place
from connectors.caldav.errors import CALDAV, DAV
from daemon.core.errors import Conflict, Refused, Unreachable
from daemon.core.model import Component, Event, When
from daemon.ports import Capabilities

_PRIVILEGES = f"{DAV}current-user-privilege-set"
_ADDRESSES = f"{CALDAV}calendar-user-address-set"
_OUTBOX = f"{CALDAV}schedule-outbox-URL"
_STALE = '"sitzungsplaner-no-such-version"'
_MAY_WRITE = frozenset(f"{DAV}{name}" for name in ("all", "write", "write-content", "bind"))
_PAST = datetime(2001, 1, 1, 12, tzinfo=UTC)


async def probe(client: Client, place: Place) -> Capabilities:
    """Return what the server was seen to do. Raises Unreachable, Refused where even that cannot be found out.

    `foreign_organizer_quiet` and `honours_client_agent` stay None: only an invitation to somebody could show them.
    """
    options = await client.request("OPTIONS", place.url)
    classes = {one.strip().lower() for one in options.headers.get("DAV", "").split(",")}
    named = mapping.propfind_body(_PRIVILEGES, f"{DAV}sync-token")
    state = (await client.multistatus("PROPFIND", place.url, named, act="say what may be done in the calendar")).resources
    privileges = state[0].names(_PRIVILEGES) if state else frozenset()
    addresses, outbox = await _person(client, place)
    writes = await _written(client, place) if not privileges or privileges & _MAY_WRITE else None
    return Capabilities(
        product=place.product,
        schedules="calendar-auto-schedule" in classes and outbox,
        sync_collection=place.syncs and await _syncs(client, place, state[0].text(f"{DAV}sync-token") if state else ""),
        addresses=addresses,
        writable=writes is not None,
        etag_on_put=writes is None or writes[0],
        honours_if_none_match=writes is None or writes[1],
        honours_if_match=writes is None or writes[2],
    )


async def _person(client: Client, place: Place) -> tuple[tuple[str, ...], bool]:
    """The owner's own mail addresses there, and whether he has a place to send invitations from."""
    if not place.principal:
        return (), False
    try:
        answer = await client.multistatus(
            "PROPFIND", place.at(place.principal), mapping.propfind_body(_ADDRESSES, _OUTBOX), act="name the person"
        )
    except (Refused, Conflict):
        return (), False  # somebody else's calendar: its owner is not shown to us
    if not answer.resources:
        return (), False
    return mapping.mail_addresses(answer.resources[0].hrefs(_ADDRESSES)), bool(answer.resources[0].hrefs(_OUTBOX))


async def _syncs(client: Client, place: Place, token: str) -> bool:
    try:
        return bool((await client.multistatus("REPORT", place.url, mapping.sync_body(token), act="tell what changed")).token)
    except (Refused, Conflict):
        return False


async def _written(client: Client, place: Place) -> tuple[bool, bool, bool] | None:
    """(an ETag comes with PUT, If-None-Match is obeyed, If-Match is obeyed), or None where nothing may be written."""
    # The same name each time: what a probe that was cut off has left behind is removed by the next one.
    mark = hashlib.sha256(f"{client.url} {client.user}".encode()).hexdigest()[:16]
    url = place.at(mapping.reference(place.path, f"sitzungsplaner-probe-{mark}"))
    await client.request("DELETE", url)
    try:
        first = await _put(client, url, mark, "Probe", {"If-None-Match": "*"})
        if first.status in (403, 405):
            return None
        if not first.ok:
            raise client.refusal(first, act="write an event to try the calendar out")
        again = await _put(client, url, mark, "Probe 2", {"If-None-Match": "*"})
        stale = await _put(client, url, mark, "Probe 3", {"If-Match": _STALE})
        removal = await client.request("DELETE", url, headers={"If-Match": _STALE})
        return bool(first.etag), not again.ok, not stale.ok and not removal.ok
    finally:
        await _cleared(client, url)


async def _put(client: Client, url: str, mark: str, title: str, condition: dict[str, str]) -> Answer:
    event = Event(
        components=(
            Component(
                uid=f"sitzungsplaner-probe-{mark}",
                when=When(start=_PAST.replace(tzinfo=None), zone="UTC", duration=timedelta(minutes=1)),
                title=title,
                dtstamp=_PAST,
            ),
        )
    )
    body = mapping.write_event(event, _PAST)
    return await client.request("PUT", url, body=body, headers={"Content-Type": "text/calendar; charset=utf-8", **condition})


async def _cleared(client: Client, url: str) -> None:
    """Remove the probe's event. It is in the past and silent: where it cannot be removed now, the next probe does it."""
    try:
        await client.request("DELETE", url)
    except Unreachable:
        return
