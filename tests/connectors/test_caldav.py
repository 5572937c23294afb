"""The CalDAV connector on real servers: the contract on Radicale and Xandikos, scheduling on Xandikos, faults put between."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

import niquests
import pytest

from connectors.caldav.client import HttpAnswer, HttpRequest, Network, Transport
from connectors.caldav.connector import CalDavConnector
from daemon.core.errors import Conflict, Refused, Unreachable
from daemon.core.ics import same_event
from daemon.core.model import Event, Guest, Organizer, PartStat
from daemon.demo.servers import CalendarServer, RadicaleServer, free_port
from daemon.ports import CalendarConnector, Capabilities, SyncToken
from tests.connectors.contract import STAMP, CalendarContract, a_series, an_event
from tests.servers.radicale import radicale
from tests.servers.xandikos import XandikosServer, xandikos

_numbers = count(1)


class FixedClock:
    def now(self) -> datetime:
        return STAMP

    def new_id(self) -> str:
        raise AssertionError("the connector makes no ids")

    def draw(self, below: int) -> int:
        raise AssertionError("the connector draws no numbers")


class CalDavHouse:
    """A fresh calendar of alice's on a server that many tests share."""

    def __init__(self, server: CalendarServer) -> None:
        self.server = server
        self._opened: list[CalDavConnector | Network] = []
        usual = server.account("alice")
        home = usual.url.rstrip("/").rpartition("/")[0]
        self.account = replace(usual, url=f"{home}/test-{next(_numbers)}/")
        with server.http("alice") as http:
            http.request("MKCALENDAR", self.account.url).raise_for_status()

    def connector(self, transport: Transport | None = None, *, network: Network | None = None, **changes: str) -> CalDavConnector:
        """Another connector; `transport` stands between it and the `network`, `changes` are of the account."""
        made = CalDavConnector(replace(self.account, **changes), clock=FixedClock(), transport=transport)
        self._opened += [made] if network is None else [made, network]
        return made

    async def close(self) -> None:
        for one in self._opened:
            await one.close()

    def stranger(self) -> CalendarConnector:
        return self.connector(password="wrong-secret")

    def nowhere(self) -> CalendarConnector:
        return self.connector(url=f"http://127.0.0.1:{free_port()}/alice/calendar/")

    def forgotten(self, token: SyncToken) -> SyncToken:
        """As after a restored backup: the token is well-formed and unknown, and the calendar's state is another."""
        content = json.loads(token)
        unknown = content["sync"][:-8] + "00000000"
        return SyncToken(json.dumps({**content, "sync": unknown, "ctag": "another"}))

    def bodies(self) -> list[bytes]:
        """What really lies in the calendar."""
        return self.server.events("alice", self.account.url)


@pytest.fixture(scope="module")
def radicale_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RadicaleServer]:
    with radicale(tmp_path_factory.mktemp("radicale")) as server:
        yield server


@pytest.fixture(scope="module")
def xandikos_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[XandikosServer]:
    with xandikos(tmp_path_factory.mktemp("xandikos")) as server:
        yield server


class XandikosHouse(CalDavHouse):
    """Xandikos believes the proxy in front, which does the signing in."""

    def stranger(self) -> CalendarConnector:
        async def proxy(request: HttpRequest) -> HttpAnswer:
            return HttpAnswer(status_code=401, headers={"WWW-Authenticate": 'Basic realm="house"'}, content=b"", url=request.url)

        return self.connector(proxy, username="alice", password="wrong-secret")


@pytest.fixture
async def radicale_house(radicale_server: RadicaleServer) -> AsyncIterator[CalDavHouse]:
    house = CalDavHouse(radicale_server)
    yield house
    await house.close()


@pytest.fixture
async def xandikos_house(xandikos_server: XandikosServer) -> AsyncIterator[CalDavHouse]:
    house = XandikosHouse(xandikos_server)
    yield house
    await house.close()


@pytest.fixture(params=["radicale_house", "xandikos_house"])
def either_house(request: pytest.FixtureRequest) -> CalDavHouse:
    house: CalDavHouse = request.getfixturevalue(request.param)
    return house


class TestRadicale(CalendarContract):
    capabilities = Capabilities(product="Radicale", sync_collection=True)

    @pytest.fixture
    def house(self, radicale_house: CalDavHouse) -> CalDavHouse:
        return radicale_house


class TestXandikos(CalendarContract):
    capabilities = Capabilities(product="Xandikos", schedules=True, sync_collection=True, addresses=("alice@example.test",))
    compares_and_writes_in_one_step = (
        False  # 0.4.10: If-Match is compared before the body is read and written; seen in every other run
    )

    @pytest.fixture
    def house(self, xandikos_house: CalDavHouse) -> CalDavHouse:
        return xandikos_house


class TestRadicaleWithoutSyncCollection(CalendarContract):
    """As old servers are: no sync-collection report, changes are found by comparing ETags."""

    capabilities = Capabilities()

    @pytest.fixture
    def house(self, radicale_house: CalDavHouse) -> CalDavHouse:
        return OldHouse(radicale_house)


class OldHouse:
    def __init__(self, house: CalDavHouse) -> None:
        self.house = house

    def connector(self) -> CalendarConnector:
        network = Network()

        async def old(request: HttpRequest) -> HttpAnswer:
            if request.method == "REPORT" and b"sync-collection" in (request.body or b""):
                return HttpAnswer(status_code=403, headers={}, content=b"", url=request.url)
            answer = await network.send(request)
            text = answer.content
            for name in (b"sync-collection", b"sync-token", b"getctag"):
                text = text.replace(name, b"x-" + name)
            return replace(answer, content=text)

        return self.house.connector(old, network=network)

    def stranger(self) -> CalendarConnector:
        return self.house.stranger()

    def nowhere(self) -> CalendarConnector:
        return self.house.nowhere()

    def forgotten(self, token: SyncToken) -> SyncToken:
        return SyncToken(token.replace("/alice/", "/elsewhere/"))


# What lies on the server


async def test_the_stored_object_has_no_method_its_own_timezone_and_quiet_attendees(radicale_house: CalDavHouse) -> None:
    guest = Guest(email="zoe@example.org", name="Zoë", schedule_agent="CLIENT")
    await radicale_house.connector().create(an_event(organizer=Organizer(email="planner@example.test"), guests=(guest,)))
    (body,) = radicale_house.bodies()
    unfolded = body.replace(b"\r\n ", b"").decode()
    assert "METHOD" not in unfolded
    assert "TZID:Europe/Berlin" in unfolded
    assert "SCHEDULE-AGENT=CLIENT" in unfolded


async def test_what_is_no_event_is_listed_without_contents_and_stops_nothing(radicale_house: CalDavHouse) -> None:
    created = await radicale_house.connector().create(an_event())
    lines = ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", "BEGIN:VTODO", "UID:t", "DTSTAMP:20260101T000000Z", "SUMMARY:x")
    task = "\r\n".join((*lines, "END:VTODO", "END:VCALENDAR", "")).encode()
    with radicale_house.server.http("alice") as http:
        http.put(
            f"{radicale_house.account.url}task.ics", content=task, headers={"Content-Type": "text/calendar"}
        ).raise_for_status()
    listing = await radicale_house.connector().changes(None)
    assert {one.event is None for one in listing.changed} == {True, False}
    assert created in listing.changed
    assert await radicale_house.connector().find("t") is None


async def test_a_calendar_made_anew_at_the_same_address_is_listed_completely(either_house: CalDavHouse) -> None:
    house = either_house
    calendar = house.connector()
    await calendar.create(an_event(uid="old"))
    token = (await calendar.changes(None)).token
    with house.server.http("alice") as http:
        http.delete(house.account.url).raise_for_status()
        http.request("MKCALENDAR", house.account.url).raise_for_status()
    listing = await calendar.changes(token)
    assert (listing.changed, listing.complete) == ((), True)


async def test_an_event_that_goes_between_listing_and_reading_is_removed(radicale_house: CalDavHouse) -> None:
    kept = await radicale_house.connector().create(an_event(uid="kept"))
    gone = await radicale_house.connector().create(an_event(uid="gone"))
    network = Network()

    async def interfering(request: HttpRequest) -> HttpAnswer:
        if b"calendar-multiget" in (request.body or b""):
            with radicale_house.server.http("alice") as http:
                http.delete(f"{radicale_house.server.origin}{gone.ref}")
        return await network.send(request)

    listing = await radicale_house.connector(interfering, network=network).changes(None)
    assert (listing.changed, listing.removed) == ((kept,), (gone.ref,))


# Addresses


ADDRESSES: dict[str, Callable[[CalendarServer, str], str]] = {
    "a root": lambda server, user: f"{server.origin}/",
    "a root without slash": lambda server, user: server.origin,
    "a principal": lambda server, user: f"{server.origin}/{user}/",
    "a principal without slash": lambda server, user: f"{server.origin}/{user}",
    "a calendar": lambda server, user: server.calendar_url(user),
    "a calendar without slash": lambda server, user: server.calendar_url(user).rstrip("/"),
    "a calendar with a password in its address": lambda server, user: server.calendar_url(user).replace("//", "//eve:x@"),
}


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES.keys())
@pytest.mark.parametrize("server_name", ["radicale_server", "xandikos_server"])
async def test_an_address_leads_to_the_persons_calendar(
    server_name: str, address: Callable[[CalendarServer, str], str], request: pytest.FixtureRequest
) -> None:
    server: CalendarServer = request.getfixturevalue(server_name)
    connector = CalDavConnector(replace(server.account("carol"), url=address(server, "carol")), clock=FixedClock())
    try:
        created = await connector.create(an_event(uid=f"address-{next(_numbers)}"))
        with server.http("carol") as http:
            assert http.get(f"{server.calendar_url('carol')}{created.ref.rpartition('/')[2]}").status_code == 200
        await connector.delete(created.ref, created.version)
    finally:
        await connector.close()


async def test_of_several_calendars_the_servers_default_is_taken(xandikos_house: CalDavHouse) -> None:
    """Two calendars at least are there: the usual one and the one of this test."""
    connector = xandikos_house.connector(url=f"{xandikos_house.server.origin}/alice/")
    created = await connector.create(an_event(uid=f"default-{next(_numbers)}"))
    assert created.ref.startswith("/alice/calendars/calendar/")
    await connector.delete(created.ref, created.version)


async def test_of_several_calendars_without_a_default_none_is_taken_and_all_are_named(radicale_house: CalDavHouse) -> None:
    server = radicale_house.server
    second = f"{server.origin}/bob/second/"
    with server.http("bob") as http:
        http.request("MKCALENDAR", second).raise_for_status()
        bob = radicale_house.connector(url=f"{server.origin}/bob/", username="bob", password=server.people["bob"])
        with pytest.raises(Refused, match="several calendars") as caught:
            await bob.changes(None)
        http.delete(second).raise_for_status()
    assert server.calendar_url("bob") in str(caught.value)
    assert second in str(caught.value)


async def test_an_address_where_nothing_is_says_so(radicale_house: CalDavHouse) -> None:
    with pytest.raises(Refused, match="address"):
        await radicale_house.connector(url=f"{radicale_house.server.origin}/alice/no-such-calendar/").changes(None)


# Faults put between


def faulty(network: Network, method: str, *, after: bool, status: int | None = None, times: int = 1) -> Transport:
    """A network that fails `times` requests of a method, before or after they did their work: with a status, or by hanging up."""
    left = times

    async def send(request: HttpRequest) -> HttpAnswer:
        nonlocal left
        if request.method != method or left == 0:
            return await network.send(request)
        left -= 1
        if after:
            await network.send(request)
        if status is None:
            raise niquests.exceptions.ConnectionError("Remote end closed connection without response")
        return HttpAnswer(status_code=status, headers={}, content=b"", url=request.url)

    return send


LOST = pytest.mark.parametrize("status", [None, 500, 502, 504], ids=["the connection breaks", "500", "502", "504"])


@LOST
async def test_a_create_that_was_done_in_spite_of_an_error_is_found_and_returned(
    radicale_house: CalDavHouse, status: int | None
) -> None:
    network = Network()
    calendar = radicale_house.connector(faulty(network, "PUT", after=True, status=status), network=network)
    created = await calendar.create(a_series())
    assert same_event(created.event, a_series())
    assert len(radicale_house.bodies()) == 1


@LOST
async def test_a_create_that_was_not_done_is_told_as_maybe_done(radicale_house: CalDavHouse, status: int | None) -> None:
    network = Network()
    calendar = radicale_house.connector(faulty(network, "PUT", after=False, status=status), network=network)
    with pytest.raises(Unreachable) as caught:
        await calendar.create(an_event())
    assert caught.value.maybe_done
    assert radicale_house.bodies() == []
    await calendar.create(an_event())


@LOST
async def test_an_update_that_was_done_in_spite_of_an_error_is_found(radicale_house: CalDavHouse, status: int | None) -> None:
    created = await radicale_house.connector().create(an_event())
    network = Network()
    calendar = radicale_house.connector(faulty(network, "PUT", after=True, status=status), network=network)
    updated = await calendar.update(created.ref, created.version, an_event(title="Neu"))
    assert updated.event.components[0].title == "Neu"
    assert updated.version != created.version


@LOST
async def test_an_update_that_was_not_done_leaves_the_old_event(radicale_house: CalDavHouse, status: int | None) -> None:
    created = await radicale_house.connector().create(an_event())
    network = Network()
    calendar = radicale_house.connector(faulty(network, "PUT", after=False, status=status), network=network)
    with pytest.raises(Unreachable) as caught:
        await calendar.update(created.ref, created.version, an_event(title="Neu"))
    assert caught.value.maybe_done
    assert await calendar.fetch(created.ref) == created


@LOST
@pytest.mark.parametrize("after", [True, False], ids=["done", "not done"])
async def test_a_delete_without_an_answer_is_looked_after(radicale_house: CalDavHouse, status: int | None, after: bool) -> None:
    created = await radicale_house.connector().create(an_event())
    network = Network()
    calendar = radicale_house.connector(faulty(network, "DELETE", after=after, status=status), network=network)
    if after:
        await calendar.delete(created.ref, created.version)
        assert radicale_house.bodies() == []
    else:
        with pytest.raises(Unreachable):
            await calendar.delete(created.ref, created.version)
        assert len(radicale_house.bodies()) == 1


async def test_a_write_that_cannot_be_read_back_is_told_as_maybe_done(radicale_house: CalDavHouse) -> None:
    network = Network()
    calendar = radicale_house.connector(faulty(network, "GET", after=False, times=-1), network=network)
    with pytest.raises(Unreachable, match="was written") as caught:
        await calendar.create(an_event())
    assert caught.value.maybe_done
    assert len(radicale_house.bodies()) == 1
    with pytest.raises(Conflict):
        await radicale_house.connector().create(an_event())


async def test_a_server_that_gives_no_etag_with_answers_is_asked_for_it(radicale_house: CalDavHouse) -> None:
    """Cyrus, DAViCal and Baikal give none with a PUT of a scheduling object."""
    network = Network()

    async def silent(request: HttpRequest) -> HttpAnswer:
        answer = await network.send(request)
        return replace(answer, headers={name: value for name, value in answer.headers.items() if name.lower() != "etag"})

    calendar = radicale_house.connector(silent, network=network)
    created = await calendar.create(an_event())
    assert created == await radicale_house.connector().fetch(created.ref)
    updated = await calendar.update(created.ref, created.version, an_event(title="Neu"))
    await calendar.delete(updated.ref, updated.version)


async def test_a_weak_etag_of_a_proxy_still_guards_the_write(radicale_house: CalDavHouse) -> None:
    network = Network()

    async def weakening(request: HttpRequest) -> HttpAnswer:
        answer = await network.send(request)
        return replace(answer, headers={k: f"W/{v}" if k.lower() == "etag" else v for k, v in answer.headers.items()})

    calendar = radicale_house.connector(weakening, network=network)
    created = await calendar.create(an_event())
    assert created.version.startswith("W/")
    updated = await calendar.update(created.ref, created.version, an_event(title="Neu"))
    with pytest.raises(Conflict):
        await calendar.update(created.ref, created.version, an_event(title="Zu spät"))
    await calendar.delete(updated.ref, updated.version)


async def test_a_server_that_wants_to_be_left_alone_says_for_how_long(radicale_house: CalDavHouse) -> None:
    for status in (429, 503):
        calls: list[str] = []
        network = Network()

        async def busy(
            request: HttpRequest, status: int = status, calls: list[str] = calls, network: Network = network
        ) -> HttpAnswer:
            calls.append(request.method)
            if request.method != "PUT":
                return await network.send(request)
            return HttpAnswer(status_code=status, headers={"Retry-After": "90"}, content=b"", url=request.url)

        with pytest.raises(Unreachable) as caught:
            await radicale_house.connector(busy, network=network).create(an_event())
        assert caught.value.retry_after == timedelta(seconds=90)
        assert calls.count("PUT") == 1


# Scheduling on Xandikos


async def test_the_server_invites_and_the_answer_is_seen_in_the_changes(xandikos_server: XandikosServer) -> None:
    alice = CalDavConnector(xandikos_server.account("alice"), clock=FixedClock())
    bob = CalDavConnector(xandikos_server.account("bob"), clock=FixedClock())
    meeting = an_event(
        uid="scheduled",
        organizer=Organizer(email="alice@example.test", name="Alice"),
        guests=(
            Guest(email="alice@example.test", partstat=PartStat.ACCEPTED),
            Guest(email="bob@example.test", name="Bob", rsvp=True),
        ),
    )
    try:
        token = (await alice.changes(None)).token
        created = await alice.create(meeting)
        assert (answer_of(created.event, "bob@example.test").schedule_status or "").startswith(("1.2", "2.0"))

        invitation = await bob.find("scheduled")
        assert answer_of(invitation.event, "bob@example.test").partstat is PartStat.NEEDS_ACTION
        master = invitation.event.components[0]
        guests = tuple(
            replace(one, partstat=PartStat.ACCEPTED, rsvp=False) if one.email == "bob@example.test" else one
            for one in master.guests
        )
        await bob.update(invitation.ref, invitation.version, Event(components=(replace(master, guests=guests),)))

        changes = await alice.changes(token)
        (seen,) = [one for one in changes.changed if one.ref == created.ref]
        assert answer_of(seen.event, "bob@example.test").partstat is PartStat.ACCEPTED
        assert seen.version != created.version
        with pytest.raises(Conflict):
            await alice.update(created.ref, created.version, meeting)
        assert (await alice.changes(changes.token)).changed == ()
        await alice.delete(seen.ref, seen.version)
    finally:
        await alice.close()
        await bob.close()


async def test_a_foreign_organizer_keeps_the_scheduling_server_quiet(xandikos_server: XandikosServer) -> None:
    alice = CalDavConnector(xandikos_server.account("alice"), clock=FixedClock())
    guests = (Guest(email="bob@example.test", schedule_agent="CLIENT"),)
    copy = an_event(uid="quiet", organizer=Organizer(email="planner@example.test"), guests=guests)
    try:
        created = await alice.create(copy)
        later = replace(copy.components[0], when=replace(copy.components[0].when, start=datetime(2026, 12, 2, 10)))
        updated = await alice.update(created.ref, created.version, Event(components=(later,)))
        await alice.delete(updated.ref, updated.version)
    finally:
        await alice.close()
    assert [body for body in xandikos_server.events("bob") if b"quiet" in body] == []


def answer_of(event: Event | None, email: str) -> Guest:
    assert event is not None
    return next(one for one in event.components[0].guests if one.email == email)
