"""A calendar server in memory: a full connector for tests, with its own scheduling and with faults on demand.

`MemoryServer` is the server that several people share, `MemoryConnector` one person's calendar on it. No connection is opened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from connectors.memory.scheduling import Delivery, Written, after_delete, after_write
from daemon.core.errors import Conflict, Refused, SitzungsplanerError, Unreachable
from daemon.core.model import Event
from daemon.ports import Capabilities, ChangeSet, ItemRef, RemoteItem, SyncToken, Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The next call of `on` (any call where None) raises `error`: before it did anything, or after it did all where `done`."""

    error: SitzungsplanerError
    on: str | None = None
    done: bool = False


@dataclass(slots=True, kw_only=True)
class _Person:
    email: str
    password: str
    items: dict[ItemRef, RemoteItem] = field(default_factory=dict)
    changes: list[ItemRef] = field(default_factory=list)
    epoch: int = 0

    def holds(self, uid: str) -> RemoteItem | None:
        return next((one for one in self.items.values() if one.event is not None and one.event.uid == uid), None)


class MemoryServer:
    """Calendars of several people. With `schedules` it invites and writes answers back as RFC 6638 wants.

    `deliveries` is every iTIP message that it sent, to people here or elsewhere: what a real server would have mailed.
    `honours_client_agent` False: it invites in spite of SCHEDULE-AGENT=CLIENT, as SOGo and Xandikos do.
    `before` is called with each operation's name and may change the server, as another client would at that moment.
    """

    def __init__(self, *, schedules: bool = False, honours_client_agent: bool = True) -> None:
        self.schedules = schedules
        self.honours_client_agent = honours_client_agent
        self.deliveries: list[Delivery] = []
        self.calls: list[str] = []
        self.before: Callable[[str], None] | None = None
        self.reachable = True
        self._people: dict[str, _Person] = {}
        self._faults: list[Fault] = []
        self._versions = 0

    def add_person(self, user: str, email: str, password: str = "") -> None:
        self._people[user] = _Person(email=email, password=password)

    def connector(self, user: str, password: str | None = None) -> MemoryConnector:
        """Return the person's calendar; `password` None: the right one."""
        return MemoryConnector(self, user, self._people[user].password if password is None else password)

    def fail(self, error: SitzungsplanerError, *, on: str | None = None, done: bool = False, times: int = 1) -> None:
        """Let the next call (of that name) raise; see `Fault`."""
        self._faults += [Fault(error=error, on=on, done=done)] * times

    def expire_tokens(self) -> None:
        """Forget all change tokens, as a server restored from a backup does."""
        for person in self._people.values():
            person.epoch += 1

    def events(self, user: str) -> tuple[Event, ...]:
        """What lies in a person's calendar, in the order of the names there."""
        items = self._people[user].items
        return tuple(event for ref in sorted(items) if (event := items[ref].event) is not None)

    def put(self, user: str, event: Event) -> RemoteItem:
        """Write an event as the person's own calendar program would, over the one with this UID if there is one."""
        held = self._people[user].holds(event.uid)
        return self._store(user, ItemRef(f"/{user}/{event.uid}.ics") if held is None else held.ref, event)

    def put_unreadable(self, user: str, name: str) -> ItemRef:
        """Put something into the calendar that is there but no event that can be read."""
        ref = ItemRef(f"/{user}/{name}.ics")
        self._people[user].items[ref] = RemoteItem(ref=ref, version=self._version())
        self._people[user].changes.append(ref)
        return ref

    def remove(self, user: str, uid: str) -> None:
        """Delete an event as the person's own calendar program would."""
        held = self._people[user].holds(uid)
        if held is not None:
            self._delete(user, held)

    def _enter(self, operation: str, user: str, password: str) -> Fault | None:
        """Note the call; raise what has to be raised before it; return the fault that has to be raised after it."""
        self.calls.append(operation)
        if not self.reachable:
            raise Unreachable("The calendar server in memory is switched off. It is tried again by itself.")
        if self._people[user].password != password:
            raise Refused(
                f"The calendar server in memory refused: the password of “{user}” is wrong. Give the calendar the right password."
            )
        if self.before is not None:
            self.before(operation)
        fault = next((one for one in self._faults if one.on in (None, operation)), None)
        if fault is not None:
            self._faults.remove(fault)
            if not fault.done:
                raise fault.error
        return fault

    def _store(self, user: str, ref: ItemRef, event: Event) -> RemoteItem:
        person = self._people[user]
        held = person.items.get(ref)
        before = None if held is None else held.event
        result = Written(kept=event, deliveries=())
        if self.schedules:
            agents = self.honours_client_agent
            local = frozenset(one.email for one in self._people.values())
            result = after_write(before, event, author=person.email, local=local, honours_client_agent=agents)
        item = self._keep(user, ref, result.kept)
        self._carry_out(result.deliveries)
        return item

    def _delete(self, user: str, item: RemoteItem) -> None:
        person = self._people[user]
        del person.items[item.ref]
        person.changes.append(item.ref)
        if self.schedules and item.event is not None:
            self._carry_out(after_delete(item.event, author=person.email, honours_client_agent=self.honours_client_agent))

    def _carry_out(self, deliveries: tuple[Delivery, ...]) -> None:
        self.deliveries += deliveries
        for one in deliveries:
            for user, person in self._people.items():
                if person.email == one.recipient:
                    held = person.holds(one.event.uid)
                    changed = one.applied_to(None if held is None else held.event)
                    if changed is not None:
                        self._keep(user, ItemRef(f"/{user}/{changed.uid}.ics") if held is None else held.ref, changed)

    def _keep(self, user: str, ref: ItemRef, event: Event) -> RemoteItem:
        item = RemoteItem(ref=ref, version=self._version(), event=event)
        self._people[user].items[ref] = item
        self._people[user].changes.append(ref)
        return item

    def _version(self) -> Version:
        self._versions += 1
        return Version(f'"{self._versions}"')


class MemoryConnector:
    """One person's calendar on a `MemoryServer`."""

    def __init__(self, server: MemoryServer, user: str, password: str) -> None:
        self._server = server
        self._user = user
        self._password = password
        self.closed = False

    @property
    def _person(self) -> _Person:
        return self._server._people[self._user]

    async def probe(self) -> Capabilities:
        fault = self._enter("probe")
        addresses = (self._person.email,)
        _finish(fault)
        return Capabilities(product="memory", schedules=self._server.schedules, sync_collection=True, addresses=addresses)

    async def changes(self, since: SyncToken | None) -> ChangeSet:
        """Return what changed since the token; see `CalendarConnector.changes`."""
        fault = self._enter("changes")
        person = self._person
        epoch, _, count = (since or "").partition(":")
        complete = not (epoch == str(person.epoch) and count.isdigit() and int(count) <= len(person.changes))
        named = sorted(set(person.items) if complete else set(person.changes[int(count) :]))
        _finish(fault)
        return ChangeSet(
            changed=tuple(person.items[ref] for ref in named if ref in person.items),
            removed=tuple(ref for ref in named if ref not in person.items),
            token=SyncToken(f"{person.epoch}:{len(person.changes)}"),
            complete=complete,
        )

    async def fetch(self, ref: ItemRef) -> RemoteItem | None:
        fault = self._enter("fetch")
        _finish(fault)
        return self._person.items.get(ref)

    async def find(self, uid: str) -> RemoteItem | None:
        fault = self._enter("find")
        _finish(fault)
        return self._person.holds(uid)

    async def create(self, event: Event) -> RemoteItem:
        fault = self._enter("create")
        if self._person.holds(event.uid) is not None:
            raise Conflict(f"The calendar has an event with the UID {event.uid} already. Both are compared now.")
        item = self._server._store(self._user, ItemRef(f"/{self._user}/{event.uid}.ics"), event)
        _finish(fault)
        return item

    async def update(self, ref: ItemRef, version: Version, event: Event) -> RemoteItem:
        fault = self._enter("update")
        held = self._person.items.get(ref)
        if held is None or held.version != version:
            raise Conflict(f"The event with the UID {event.uid} was changed or removed in the calendar. It is read again.")
        item = self._server._store(self._user, ref, event)
        _finish(fault)
        return item

    async def delete(self, ref: ItemRef, version: Version) -> None:
        fault = self._enter("delete")
        held = self._person.items.get(ref)
        if held is not None:
            if held.version != version:
                raise Conflict("The event was changed in the calendar since it was last read. It is read again.")
            self._server._delete(self._user, held)
        _finish(fault)

    async def close(self) -> None:
        self.closed = True

    def _enter(self, operation: str) -> Fault | None:
        return self._server._enter(operation, self._user, self._password)


def _finish(fault: Fault | None) -> None:
    if fault is not None:
        raise fault.error
