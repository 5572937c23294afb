"""The main job on the servers that many of our users run: Cyrus, Postfix, Dovecot and PostgreSQL from Debian's packages.

The stories of `test_main_story` are told here again, word for word. What is new is a calendar server that invites its own
people and mails all others, a smart host that hands on later, and a mailbox that is filled by LMTP.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import icalendar
import pytest

from daemon import planner
from daemon.app import open_app
from daemon.core.model import EntryState, PartStat, Sender
from daemon.planner.wishes import Changes, Draft
from daemon.store import inbox as inbox_rows
from daemon.store.admin import upgrade
from tests.clock import ManualClock
from tests.servers.cyrus import CyrusServer, cyrus
from tests.servers.debian import a_folder
from tests.servers.debian_postgres import debian_postgres
from tests.servers.post import USER
from tests.servers.postfix import DebianPost, debian_post
from tests.servers.postgres import Postgres
from tests.stories.test_main_story import (
    ANNA,
    BEN,
    DAY,
    HOUR,
    MINUTE,
    in_berlin,
    people,
    test_an_attendee_who_is_added_or_removed_is_told_and_the_others_are_not,
    test_an_edit_taken_back_within_the_delay_mails_nobody,
    test_an_entry_is_planned_invited_answered_moved_reminded_and_cancelled,
    test_an_entry_without_a_date_has_a_number_and_no_event_until_it_gets_one,
    test_an_event_deleted_in_the_calendar_is_noted_and_not_brought_back,
    test_one_date_of_a_series_is_cancelled_and_the_others_stand,
    test_two_owners_in_two_zones_are_each_reminded_in_their_language_and_time,
)
from tests.stories.world import Letter, World, a_config, a_world

__all__ = [
    "debian_postgres",
    "test_an_attendee_who_is_added_or_removed_is_told_and_the_others_are_not",
    "test_an_edit_taken_back_within_the_delay_mails_nobody",
    "test_an_entry_is_planned_invited_answered_moved_reminded_and_cancelled",
    "test_an_entry_without_a_date_has_a_number_and_no_event_until_it_gets_one",
    "test_an_event_deleted_in_the_calendar_is_noted_and_not_brought_back",
    "test_one_date_of_a_series_is_cancelled_and_the_others_stand",
    "test_two_owners_in_two_zones_are_each_reminded_in_their_language_and_time",
]

pytestmark = pytest.mark.servers

ALICE, BOB, ZOE = "alice@example.test", "bob@example.test", "zoe@kunde.test"


class DebianWorld(World):
    """A world whose post takes its time: what was sent has arrived only when Postfix has handed it on."""

    post: DebianPost  # type: ignore[assignment]  # stories ask both for the same

    async def settle(self, after: timedelta = timedelta(0)) -> None:
        await super().settle(after)
        await self.post.settle()

    async def answer(self, letter: Letter, attendee: str, partstat: str, *, at: datetime | None = None) -> None:
        await super().answer(letter, attendee, partstat, at=at)
        await self.post.settle()


@pytest.fixture(scope="module")
def debian_template(debian_postgres: Postgres) -> str:
    url = debian_postgres.fresh()
    upgrade(url, data_dir=None, clock=ManualClock())
    return url


@pytest.fixture(params=["sqlite", "debian_postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """As the usual one, with Debian's PostgreSQL."""
    if request.param == "sqlite":
        file = tmp_path / "store.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), file)
        yield f"sqlite:///{file}"
        return
    server: Postgres = request.getfixturevalue("debian_postgres")
    url = server.fresh(request.getfixturevalue("debian_template"))
    yield url
    server.drop(url)


@pytest.fixture
async def post() -> AsyncIterator[DebianPost]:
    async with debian_post() as made:
        yield made


@pytest.fixture
def server(post: DebianPost) -> Iterator[CyrusServer]:
    """Cyrus hands its mails to the same smart host as the planner."""
    with cyrus(smtp_port=post.smtp_port) as started:
        yield started


@pytest.fixture
async def world(
    store_url: str, tmp_path: Path, post: DebianPost, clock: ManualClock, server: CyrusServer
) -> AsyncIterator[DebianWorld]:
    async with a_world(store_url, tmp_path / "data", post, clock, server) as made:
        yield DebianWorld(app=made.app, clock=clock, post=post, server=server)


@pytest.fixture
async def mail_world(store_url: str, tmp_path: Path, post: DebianPost, clock: ManualClock) -> AsyncIterator[DebianWorld]:
    """A world without a calendar server."""
    async with a_world(store_url, tmp_path / "data", post, clock) as made:
        yield DebianWorld(app=made.app, clock=clock, post=post)


async def test_cyrus_is_the_only_sender_where_the_calendar_invites(world: DebianWorld) -> None:
    """Bob is invited within the server and accepts in his calendar, Zoe by its mail. The planner mails nobody but the owner."""
    server = world.server
    assert isinstance(server, CyrusServer)
    # Cyrus reads the machine's clock and invites nobody to what is over. It knows no year after 2037.
    world.clock.move(datetime(2036, 10, 1, 8, 0, tzinfo=UTC) - world.clock.now())
    alice = await world.owner(ALICE, name="Alice")
    await world.calendar(alice, "alice", sender=Sender.CALENDAR)
    draft = Draft(title="Abstimmung", when=in_berlin(2036, 10, 20, 9), attendees=people(BOB, ZOE))
    entry = (await world.do(planner.create, alice.id, draft)).entry
    assert entry.sender is Sender.CALENDAR
    await world.settle(MINUTE)
    (copy,) = world.stored("bob")
    (to_zoe,) = world.letters(ZOE)
    assert (copy["UID"], copy["ORGANIZER"]) == (entry.uid, f"mailto:{ALICE}")
    assert (to_zoe.method, to_zoe.envelope_from, to_zoe.event["UID"]) == ("REQUEST", ALICE, entry.uid)
    first = {BOB: copy["SEQUENCE"], ZOE: to_zoe.event["SEQUENCE"]}

    accept(server, "bob", BOB)
    await world.settle(MINUTE)
    standing = (await world.show(entry.id)).attendees[0].standing
    assert (standing.partstat, standing.answer and standing.answer.source) == (PartStat.ACCEPTED, "calendar")
    (hers,) = world.stored("alice")
    assert partstat_of(hers, BOB) == "ACCEPTED"

    await world.do(planner.edit, entry.id, Changes(title="Große Abstimmung"))
    await world.settle(MINUTE)
    (copy,), (to_zoe,) = world.stored("bob"), world.letters(ZOE)
    assert copy["SUMMARY"] == to_zoe.event["SUMMARY"] == "Große Abstimmung"
    assert (copy["SEQUENCE"], to_zoe.event["SEQUENCE"]) == (first[BOB], first[ZOE]), "a title asks nobody again"
    assert (await world.show(entry.id)).attendees[0].standing.partstat is PartStat.ACCEPTED

    # From summer time into winter time.
    await world.do(planner.move, entry.id, start=datetime(2036, 10, 27, 9))
    await world.settle(MINUTE)
    (copy,), (to_zoe,) = world.stored("bob"), world.letters(ZOE)
    for seen in (copy, to_zoe.event):
        assert seen["DTSTART"].dt.astimezone(UTC) == datetime(2036, 10, 27, 8, 0, tzinfo=UTC)
    assert copy["SEQUENCE"] > first[BOB]
    assert to_zoe.event["SEQUENCE"] > first[ZOE]
    (hers,) = world.stored("alice")
    assert partstat_of(copy, BOB) == "NEEDS-ACTION"
    await world.settle(2 * MINUTE)
    view = await world.show(entry.id)
    standing = view.attendees[0].standing
    assert (standing.partstat, standing.outdated) == (PartStat.NEEDS_ACTION, True), "no answer since the move"

    accept(server, "bob", BOB)
    await world.settle(MINUTE)
    standing = (await world.show(entry.id)).attendees[0].standing
    assert (standing.partstat, standing.outdated) == (PartStat.ACCEPTED, False)

    await world.do(planner.cancel, entry.id)
    await world.settle(MINUTE)
    (copy,), (to_zoe,) = world.stored("bob"), world.letters(ZOE)
    assert world.stored("alice") == []
    assert copy["STATUS"] == "CANCELLED"
    assert (to_zoe.method, to_zoe.event["STATUS"]) == ("CANCEL", "CANCELLED")
    assert (await world.show(entry.id)).entry.state is EntryState.CANCELLED
    await world.settle(20 * DAY)
    assert {(one.envelope_from, one.recipient) for one in world.post.mails()} == {(ALICE, ZOE)}, "one sender, and it is not us"
    assert world.post.mailboxes.mails(USER) == []


async def test_dates_of_a_series_are_taken_out_and_moved_and_people_removed_where_cyrus_invites(world: DebianWorld) -> None:
    server = world.server
    assert isinstance(server, CyrusServer)
    world.clock.move(datetime(2036, 10, 1, 8, 0, tzinfo=UTC) - world.clock.now())
    alice = await world.owner(ALICE, name="Alice")
    await world.calendar(alice, "alice", sender=Sender.CALENDAR)
    draft = Draft(title="Schulung", when=in_berlin(2036, 10, 20, 9), rrule="FREQ=WEEKLY;COUNT=4", attendees=people(BOB, ZOE))
    entry = (await world.do(planner.create, alice.id, draft)).entry
    await world.settle(MINUTE)
    (to_zoe,) = world.letters(ZOE)
    assert to_zoe.event["RRULE"]["FREQ"] == ["WEEKLY"]
    told = [to_zoe.event["SEQUENCE"]]
    accept(server, "bob", BOB)
    await world.settle(MINUTE)
    assert (await world.show(entry.id)).attendees[0].standing.partstat is PartStat.ACCEPTED

    await world.do(planner.cancel, entry.id, recurrence_id=datetime(2036, 10, 27, 9))
    await world.settle(MINUTE)
    (copy,), (to_zoe,) = world.stored("bob"), world.letters(ZOE)
    for seen in (copy, to_zoe.event):
        assert [one.dt.astimezone(UTC) for one in seen["EXDATE"].dts] == [datetime(2036, 10, 27, 8, 0, tzinfo=UTC)]
        assert seen.get("STATUS") != "CANCELLED"
    told.append(to_zoe.event["SEQUENCE"])

    await world.do(planner.move, entry.id, start=datetime(2036, 11, 4, 14), recurrence_id=datetime(2036, 11, 3, 9))
    await world.settle(MINUTE)
    letters = world.letters(ZOE)
    for events in (world.stored("bob"), letters[-1].events):
        (moved,) = [one for one in events if "RECURRENCE-ID" in one]
        assert moved["RECURRENCE-ID"].dt.astimezone(UTC) == datetime(2036, 11, 3, 8, 0, tzinfo=UTC)
        assert moved["DTSTART"].dt.astimezone(UTC) == datetime(2036, 11, 4, 13, 0, tzinfo=UTC)
    told.append(moved["SEQUENCE"])
    assert told == sorted(told)

    await world.do(planner.uninvite, entry.id, (ZOE,))
    await world.settle(MINUTE)
    assert [one.method for one in world.letters(ZOE)] == ["CANCEL"]
    assert all(ZOE not in str(listed(event)) for event in world.stored("alice"))

    await world.do(planner.delete, entry.id)
    await world.settle(MINUTE)
    assert world.stored("alice") == []
    assert {one["STATUS"] for one in world.stored("bob")} == {"CANCELLED"}
    assert world.letters(ZOE) == [], "who was removed hears no more of it"
    assert {(one.envelope_from, one.recipient) for one in world.post.mails()} == {(ALICE, ZOE)}


async def test_a_report_of_the_smart_host_about_a_mail_it_could_not_deliver_is_noted_as_such(mail_world: DebianWorld) -> None:
    """Postfix takes the invitation first, and only the attendee's own server says that there is no such person."""
    world = mail_world
    world.post.sink.reject(ANNA)
    alice = await world.owner(ALICE, name="Alice")
    draft = Draft(title="Haushaltsausschuss", when=in_berlin(2026, 10, 20, 9), attendees=people(ANNA, BEN))
    entry = (await world.do(planner.create, alice.id, draft)).entry
    await world.settle(MINUTE)
    assert [one.method for one in world.letters(BEN)] == ["REQUEST"]
    (report,) = world.post.mailboxes.mails(USER)
    assert b"Content-Type: multipart/report" in report
    await world.settle(MINUTE)
    (noted,) = await world.app.store.run(inbox_rows.list_)
    assert noted.outcome == "bounce"
    await world.settle(HOUR)
    assert await world.app.store.run(inbox_rows.list_) == (noted,)
    assert world.post.mailboxes.mails(USER) == [], "nobody has to read it: it is shown where it belongs"
    assert world.letters(ANNA) == []
    anna = next(one for one in (await world.show(entry.id)).attendees if one.attendee.email == ANNA)
    assert anna.delivery.state == "undeliverable"
    assert anna.delivery.reply
    assert [one.standing.partstat for one in (await world.show(entry.id)).attendees] == [PartStat.NEEDS_ACTION] * 2


async def test_the_running_service_invites_and_hears_of_an_answer_by_idle(
    store_url: str, tmp_path: Path, post: DebianPost
) -> None:
    """With the machine's clock: an answer that only the next look after five minutes would find is there within seconds."""
    with a_folder("run") as folder:
        more = {"SITZUNGSPLANER_MAIL__COALESCE_SECONDS": "0", "SITZUNGSPLANER_SERVICE__SOCKET": str(folder / "api.sock")}
        config = a_config(store_url, tmp_path / "data", post, **more)
        assert config.mail.imap.idle > MINUTE
        stop = asyncio.Event()
        async with open_app(config) as app, asyncio.TaskGroup() as tasks:
            tasks.create_task(app.run(stop))
            world = DebianWorld(app=app, clock=ManualClock(datetime.now(UTC)), post=post)
            alice = await world.owner(ALICE, name="Alice")
            when = replace(in_berlin(2036, 10, 20, 9), zone="UTC")
            entry = (await world.do(planner.create, alice.id, Draft(title="Gleich", when=when, attendees=people(ANNA)))).entry
            await until(lambda: post.mails(to=ANNA))
            (invitation,) = world.letters(ANNA)
            for number, partstat in enumerate(PartStat(one) for one in ("TENTATIVE", "ACCEPTED", "DECLINED")):
                await world.answer(invitation, ANNA, partstat, at=datetime.now(UTC) + timedelta(seconds=number))
                await until(lambda: len(post.mailboxes.mails(USER, "Processed")) == number + 1)  # noqa: B023 - it ends first
                assert (await world.show(entry.id)).attendees[0].standing.partstat is partstat
            stop.set()


async def until(true: Callable[[], object]) -> None:
    """Return as soon as it holds; TimeoutError after 20 s."""
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(true):  # noqa: ASYNC110 - it is about servers' states, which nobody tells
            await asyncio.sleep(0.02)


def accept(server: CyrusServer, user: str, email: str) -> None:
    """Set the attendee's own PARTSTAT in his copy, as his calendar program does when he clicks Accept."""
    with server.http(user) as http:
        (url,) = server.addresses(user)
        calendar = icalendar.Calendar.from_ical(http.get(url).content)
        for event in calendar.walk("VEVENT"):
            for one in listed(event):
                if str(one).lower() == f"mailto:{email}":
                    one.params["PARTSTAT"] = "ACCEPTED"
        http.put(url, content=calendar.to_ical(), headers={"Content-Type": "text/calendar; charset=utf-8"}).raise_for_status()


def listed(event: icalendar.Event) -> list[icalendar.vCalAddress]:
    found = event["ATTENDEE"]
    return found if isinstance(found, list) else [found]


def partstat_of(event: icalendar.Event, email: str) -> str:
    return next(str(one.params["PARTSTAT"]) for one in listed(event) if str(one).lower() == f"mailto:{email}")
