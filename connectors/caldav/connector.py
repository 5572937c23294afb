"""`CalendarConnector` over CalDAV: one calendar, writes guarded by ETag, changes by sync token (RFC 4791, RFC 6578).

An ETag guards each write, never a Schedule-Tag: on Cyrus that goes stale with each answer, on Xandikos it lets an answer be
overwritten. What the server keeps is read back after a write: most servers store something else than they were given. Only of an
event that names nobody nothing but its version matters later; it is not read back where the ETag that came with a PUT was seen to
be the one that the server gives out afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from connectors.caldav import mapping
from connectors.caldav.client import Answer, Client, TooLarge, Transport
from connectors.caldav.discovery import Place, find_calendar
from connectors.caldav.errors import CALDAV, DAV
from connectors.caldav.mapping import CALENDARSERVER, Multistatus, Resource, Token
from connectors.caldav.probing import probe
from connectors.caldav.quirks import Habit, raised, without_transp
from daemon.core.errors import Conflict, Refused, Unreachable
from daemon.core.ics import same_event
from daemon.core.model import Event
from daemon.ports import CalendarAccount, Capabilities, ChangeSet, Clock, ItemRef, RemoteItem, SyncToken, Version

_CTAG = f"{CALENDARSERVER}getctag"
_ROUNDS = 1000  # of a listing that the server gives out in pieces
_READ = "give out the events of the calendar"


class CalDavConnector:
    """One calendar of one owner on a CalDAV server.

    `clock` gives the DTSTAMP of what is written without one; `transport` replaces the network in tests.
    """

    def __init__(self, account: CalendarAccount, *, clock: Clock, transport: Transport | None = None) -> None:
        self._client = Client(account, transport=transport)
        self._clock = clock
        self._found: Place | None = None
        self._etag_holds: bool | None = None  # that of a PUT is that of the next GET; None: not seen so far

    async def probe(self) -> Capabilities:
        """Look at what the server really does; see `CalendarConnector.probe`. Leaves nothing behind and names no attendee."""
        return await probe(self._client, await self._place())

    async def close(self) -> None:
        await self._client.close()

    # Reading

    async def changes(self, since: SyncToken | None) -> ChangeSet:
        """Return what changed since the token; see `CalendarConnector.changes`.

        Where the server has no tokens, ours holds the ETags of everything. A token that it no longer knows, and an empty answer
        although the calendar changed (a calendar made anew under the same address), give a complete listing. A calendar made anew
        that happens to stand at the same token cannot be told from an unchanged one: ask for everything from time to time.
        """
        place = await self._place()
        before = mapping.parse_token(since, place.path)
        state = await self._state(place)
        # Read before the changes: what happens in between is then seen next time, never lost.
        ctag = state.text(_CTAG)
        if since is not None and before is not None and ctag and ctag == before.ctag:
            return ChangeSet(changed=(), removed=(), token=since, complete=False)
        if before is None:
            return await self._everything(place, ctag)
        if before.etags is not None:
            return await self._compared(place, before.etags, ctag)
        return await self._since(place, before, ctag) or await self._everything(place, ctag)

    async def fetch(self, ref: ItemRef) -> RemoteItem | None:
        """Return the item as it stands now, or None if it is gone."""
        place = await self._place()
        # identity: compressing proxies change the ETag of what they compress.
        answer = await self._client.request(
            "GET", place.at(ref), headers={"Accept": "text/calendar", "Accept-Encoding": "identity"}
        )
        if answer.status in (404, 410):
            return None
        if not answer.ok:
            raise self._client.refusal(answer, act="give out an event")
        event = await asyncio.to_thread(mapping.read_event, answer.body)
        return RemoteItem(ref=ref, version=Version(answer.etag or await self._etag(place, ref)), event=event)

    async def find(self, uid: str) -> RemoteItem | None:
        """Return the item with this UID, or None."""
        place = await self._place()
        expected = await self.fetch(mapping.reference(place.path, uid))
        if expected is not None and expected.event is not None and expected.event.uid == uid:
            return expected
        try:
            body = mapping.uid_query_body(uid)
            answer = await self._client.multistatus("REPORT", place.url, body, depth=1, act="look for an event by its UID")
        except Refused:
            # A server without this query: look through all of them.
            items: Iterable[RemoteItem] = (await self._everything(place, "")).changed
        else:
            items = await self._items(place, answer)
        return next((one for one in items if one.event is not None and one.event.uid == uid), None)

    # Writing

    async def create(self, event: Event) -> RemoteItem:
        """Write a new event and return it as the server keeps it. Conflict if one with this UID exists already."""
        place = await self._place()
        ref = mapping.reference(place.path, event.uid)
        taken = (place.has(Habit.TAKES_A_UID_TWICE) and await self.find(event.uid)) or (
            place.has(Habit.IGNORES_IF_NONE_MATCH) and await self.fetch(ref)
        )
        if taken:
            raise self._taken(event)
        return await self._put(place, ref, event, {"If-None-Match": "*"})

    async def update(self, ref: ItemRef, version: Version, event: Event) -> RemoteItem:
        """Replace the event if it still has this version; return it as the server keeps it. Conflict if not, or if it is gone."""
        return await self._put(await self._place(), ref, event, {"If-Match": _guard(version)})

    async def delete(self, ref: ItemRef, version: Version) -> None:
        """Delete the event if it still has this version; what is gone already is fine. Conflict if it was changed."""
        place = await self._place()
        changed = Conflict(
            f"{self._client.host} did not remove an event: it was changed there since it was last read. It is read again."
        )
        if place.has(Habit.DELETES_IN_SPITE_OF_IF_MATCH):
            current = await self.fetch(ref)
            if current is None:
                return
            if current.version != version:
                raise changed
        trouble: Unreachable | Refused | Conflict
        try:
            answer = await self._client.request("DELETE", place.at(ref), headers={"If-Match": _guard(version)})
        except Unreachable as lost:
            trouble = lost
        else:
            if answer.ok or answer.status in (404, 410):
                return
            trouble = self._client.refusal(answer, act="remove an event")
        if isinstance(trouble, Refused) or (isinstance(trouble, Unreachable) and not trouble.maybe_done):
            raise trouble
        # 412 is also what some servers say of an event that is gone; and an answer that did not come says nothing.
        if await self._looked(ref, trouble) is None:
            return
        raise changed if isinstance(trouble, Conflict) else trouble

    async def _put(self, place: Place, ref: ItemRef, event: Event, condition: Mapping[str, str]) -> RemoteItem:
        written = raised(event) if place.has(Habit.INVITES_WITH_AT_LEAST_ONE) else event
        body = await asyncio.to_thread(mapping.write_event, written, self._clock.now())
        if place.has(Habit.DOUBLES_TRANSP):
            body = without_transp(body)
        act = f"write {_named(event)}"
        trouble: Unreachable | Refused | Conflict
        try:
            headers = {"Content-Type": "text/calendar; charset=utf-8", **condition}
            answer = await self._client.request("PUT", place.at(ref), body=body, headers=headers)
        except Unreachable as lost:
            trouble = lost
        else:
            if answer.ok:
                return await self._kept(ref, written, answer)
            trouble = self._client.refusal(answer, act=act)
        if isinstance(trouble, Unreachable) and trouble.maybe_done:
            landed = await self._looked(ref, trouble)
            if landed is not None and landed.event is not None and same_event(landed.event, event):
                return landed
        elif isinstance(trouble, Refused) and "If-None-Match" in condition and await self._holds(event.uid):
            # Nextcloud says 400, others 403 without a reason, where the UID is taken.
            raise self._taken(event)
        raise trouble

    async def _kept(self, ref: ItemRef, event: Event, answer: Answer) -> RemoteItem:
        """The item as the server keeps it: read back, or known without."""
        told = answer.etag if answer.etag.startswith('"') and not answer.headers.get("Location") else ""
        nobody = not any(one.guests or one.organizer for one in event.components)
        if told and nobody and self._etag_holds:
            return RemoteItem(ref=ref, version=Version(told), event=event)
        kept = await self._read_back(ref, event)
        if told and nobody:
            self._etag_holds = self._etag_holds is not False and (kept.ref, kept.version) == (ref, told)
        return kept

    async def _read_back(self, ref: ItemRef, event: Event) -> RemoteItem:
        try:
            kept = await self.fetch(ref) or await self.find(event.uid)
        except Unreachable as lost:
            text = f"{_named(event)} was written, but {self._client.host} could not be asked what it kept. It is looked at again."
            raise Unreachable(text, retry_after=lost.retry_after, maybe_done=True) from lost
        if kept is None:
            raise Conflict(f"{_named(event)} was written to {self._client.host} and is gone again. It is decided anew.")
        return kept

    async def _looked(self, ref: ItemRef, trouble: Unreachable | Conflict) -> RemoteItem | None:
        """What stands there after a write without a clear answer; the write's own error where that cannot be told either."""
        try:
            return await self.fetch(ref)
        except (Unreachable, Refused):
            if isinstance(trouble, Unreachable):
                raise trouble from trouble.__cause__
            raise

    def _taken(self, event: Event) -> Conflict:
        host = self._client.host
        return Conflict(f"{host} has an event with this UID already, so {_named(event)} was not written. Both are compared now.")

    async def _holds(self, uid: str) -> bool:
        try:
            return await self.find(uid) is not None
        except (Unreachable, Refused, Conflict):
            return False  # the refusal itself is what is told then

    # Listings

    async def _everything(self, place: Place, ctag: str) -> ChangeSet:
        if place.syncs:
            try:
                listing = await self._reported(place, "")
            except (Refused, Conflict):
                listing = None  # it says that it can and cannot
            if listing is not None and listing.token:
                etags = _etags(place, listing.resources)
                items, gone = await self._contents(place, etags)
                token = mapping.build_token(Token(calendar=place.path, ctag=ctag, sync=listing.token))
                return ChangeSet(changed=items, removed=gone, token=token, complete=True)
        etags = await self._listed(place)
        items, gone = await self._contents(place, etags)
        kept = {href: etag for href, etag in etags.items() if ItemRef(href) not in gone}
        token = mapping.build_token(Token(calendar=place.path, ctag=ctag, etags=kept))
        return ChangeSet(changed=items, removed=gone, token=token, complete=True)

    async def _since(self, place: Place, before: Token, ctag: str) -> ChangeSet | None:
        """The changes since the server's token; None if only a full listing can tell."""
        delta = await self._reported(place, before.sync)
        if delta is None or not delta.token:
            return None
        etags = _etags(place, delta.resources)
        removed = {one.href for one in delta.resources if one.status in (404, 410) and one.href != place.path} - etags.keys()
        if not etags and not removed and ctag:
            return None  # changed, it says, and nothing did: a calendar made anew at the same address looks like that
        if place.has(Habit.LISTS_ALL_WHEN_LOST) and not removed and (await self._listed(place)).keys() <= etags.keys():
            return None
        items, gone = await self._contents(place, etags)
        token = mapping.build_token(Token(calendar=place.path, ctag=ctag, sync=delta.token))
        return ChangeSet(changed=items, removed=(*sorted(map(ItemRef, removed)), *gone), token=token, complete=False)

    async def _compared(self, place: Place, before: Mapping[str, str], ctag: str) -> ChangeSet:
        """The changes between two listings of ETags, for servers without sync-collection."""
        now = await self._listed(place)
        items, gone = await self._contents(place, {href: etag for href, etag in now.items() if before.get(href) != etag})
        removed = tuple(sorted(ItemRef(href) for href in before if href not in now))
        kept = {href: etag for href, etag in now.items() if ItemRef(href) not in gone}
        token = mapping.build_token(Token(calendar=place.path, ctag=ctag, etags=kept))
        return ChangeSet(changed=items, removed=(*removed, *gone), token=token, complete=False)

    async def _reported(self, place: Place, token: str) -> Multistatus | None:
        """All of a sync-collection REPORT, also where it comes in pieces; None if the server does not know the token any more."""
        found: list[Resource] = []
        for _ in range(_ROUNDS):
            try:
                part = await self._client.multistatus("REPORT", place.url, mapping.sync_body(token), depth=0, act=_READ)
            except (Refused, Conflict):
                if not token:
                    raise
                return None  # 403 or 412: a token that it does not know any more. If it is more, the full listing will tell.
            found += part.resources
            if not part.truncated:
                return Multistatus(resources=tuple(found), token=part.token)
            if not part.token or part.token == token:
                break
            token = part.token
        raise Refused(
            f"{self._client.host} gives out its calendar in pieces without end. Not tried again. The server's log may say more."
        )

    async def _listed(self, place: Place) -> dict[str, str]:
        names = mapping.propfind_body(f"{DAV}resourcetype", f"{DAV}getetag")
        return _etags(place, (await self._client.multistatus("PROPFIND", place.url, names, depth=1, act=_READ)).resources)

    async def _contents(self, place: Place, etags: Mapping[str, str]) -> tuple[tuple[RemoteItem, ...], tuple[ItemRef, ...]]:
        """The items with their contents, and those that went away since they were listed, in one request."""
        return await self._multiget(place, sorted(etags), etags)

    async def _multiget(
        self, place: Place, hrefs: Sequence[str], etags: Mapping[str, str]
    ) -> tuple[tuple[RemoteItem, ...], tuple[ItemRef, ...]]:
        if not hrefs:
            return (), ()
        try:
            answer = await self._client.multistatus("REPORT", place.url, mapping.multiget_body(hrefs), depth=None, act=_READ)
        except TooLarge:
            if len(hrefs) == 1:
                return (RemoteItem(ref=ItemRef(hrefs[0]), version=Version(etags[hrefs[0]])),), ()
            middle = len(hrefs) // 2
            first = await self._multiget(place, hrefs[:middle], etags)
            second = await self._multiget(place, hrefs[middle:], etags)
            return first[0] + second[0], first[1] + second[1]
        items = await self._items(place, answer)
        # Some servers name what is gone with 404, others leave it out (DAViCal, sabre/dav).
        there = {one.ref for one in items}
        return items, tuple(ItemRef(href) for href in hrefs if href not in there)

    async def _items(self, place: Place, answer: Multistatus) -> tuple[RemoteItem, ...]:
        def read() -> tuple[RemoteItem, ...]:
            return tuple(
                RemoteItem(
                    ref=ItemRef(one.href),
                    version=Version(one.etag),
                    event=None if one.data is None else mapping.read_event(one.data),
                )
                for one in answer.resources
                if _inside(place, one)
            )

        return await asyncio.to_thread(read)

    async def _state(self, place: Place) -> Resource:
        names = mapping.propfind_body(_CTAG, f"{DAV}sync-token")
        answer = await self._client.multistatus("PROPFIND", place.url, names, act="say whether the calendar changed")
        return answer.resources[0] if answer.resources else Resource(href=place.path, status=200)

    async def _etag(self, place: Place, ref: ItemRef) -> str:
        answer = await self._client.multistatus(
            "PROPFIND", place.at(ref), mapping.propfind_body(f"{DAV}getetag"), act="tell an event's version"
        )
        return answer.resources[0].etag if answer.resources else ""

    async def _place(self) -> Place:
        if self._found is None:
            self._found = await find_calendar(self._client)
        return self._found


def _etags(place: Place, resources: Iterable[Resource]) -> dict[str, str]:
    return {one.href: one.etag for one in resources if _inside(place, one)}


def _inside(place: Place, resource: Resource) -> bool:
    """True for objects of the calendar; not for itself, folders in it, and what is elsewhere or gone."""
    kinds = resource.names(f"{DAV}resourcetype")
    return (
        200 <= resource.status < 300
        and resource.href.startswith(place.path)
        and not resource.href.endswith("/")
        and f"{DAV}collection" not in kinds
        and f"{CALDAV}calendar" not in kinds
    )


def _guard(version: Version) -> str:
    # If-Match compares strongly: a proxy's weak spelling of the same version would never match (RFC 9110 13.1.1).
    return version.removeprefix("W/") or "*"


def _named(event: Event) -> str:
    return f"“{event.components[0].title or 'an event without title'}” (uid {event.uid})"
