"""The connectors in memory: the calendar contract, the server's own scheduling, faults, and the post office."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.memory.calendar import MemoryServer
from connectors.memory.mail import MemoryMailIn, MemoryMailOut, MemoryPost
from daemon.core.errors import Conflict, Refused, Unreachable
from daemon.core.model import Event, Guest, Method, Organizer, PartStat, Status
from daemon.ports import CalendarConnector, Capabilities, Mark, Outgoing, SyncToken
from tests.connectors.contract import CalendarContract, an_event, retitled

ALICE, BOB = "alice@example.test", "bob@example.test"


class MemoryHouse:
    def __init__(self) -> None:
        self.server = MemoryServer()
        self.server.add_person("alice", ALICE, "alicepw")
        self.switched_off = MemoryServer()
        self.switched_off.add_person("alice", ALICE)
        self.switched_off.reachable = False

    def connector(self) -> CalendarConnector:
        return self.server.connector("alice")

    def stranger(self) -> CalendarConnector:
        return self.server.connector("alice", "wrong-secret")

    def nowhere(self) -> CalendarConnector:
        return self.switched_off.connector("alice")

    def forgotten(self, token: SyncToken) -> SyncToken:
        self.server.expire_tokens()
        return token


class TestContract(CalendarContract):
    capabilities = Capabilities(product="memory", sync_collection=True, addresses=(ALICE,))

    @pytest.fixture
    def house(self) -> MemoryHouse:
        return MemoryHouse()


@pytest.fixture
def server() -> MemoryServer:
    made = MemoryServer(schedules=True)
    made.add_person("alice", ALICE)
    made.add_person("bob", BOB)
    return made


def a_meeting(*guests: Guest, **changes: object) -> Event:
    everybody = guests or (Guest(email=BOB),)
    return an_event(uid="meeting", organizer=Organizer(email=ALICE), guests=everybody, **changes)


def partstats(event: Event) -> dict[str, PartStat]:
    return {one.email: one.partstat for one in event.components[0].guests}


def answered(event: Event, email: str, partstat: PartStat) -> Event:
    guests = tuple(replace(one, partstat=partstat) if one.email == email else one for one in event.components[0].guests)
    return Event(components=(replace(event.components[0], guests=guests), *event.components[1:]))


async def test_a_scheduling_server_delivers_the_invitation_and_brings_the_answer_back(server: MemoryServer) -> None:
    alice = server.connector("alice")
    created = await alice.create(a_meeting(Guest(email=BOB), Guest(email="zoe@example.org")))
    assert {one.email: one.schedule_status for one in created.event.components[0].guests} == {
        BOB: "1.2",
        "zoe@example.org": "3.7",
    }
    token = (await alice.changes(None)).token
    (invitation,) = server.events("bob")
    server.put("bob", answered(invitation, BOB, PartStat.ACCEPTED))
    (changed,) = (await alice.changes(token)).changed
    assert partstats(changed.event) == {BOB: PartStat.ACCEPTED, "zoe@example.org": PartStat.NEEDS_ACTION}
    sent = [(one.method, one.sender, one.recipient) for one in server.deliveries]
    assert sent == [(Method.REQUEST, ALICE, BOB), (Method.REQUEST, ALICE, "zoe@example.org"), (Method.REPLY, BOB, ALICE)]


async def test_a_move_asks_again_and_a_new_title_does_not(server: MemoryServer) -> None:
    alice = server.connector("alice")
    await alice.create(a_meeting())
    server.put("bob", answered(server.events("bob")[0], BOB, PartStat.ACCEPTED))
    item = await alice.find("meeting")
    item = await alice.update(item.ref, item.version, retitled(item.event, "Neu"))
    assert partstats(item.event) == partstats(server.events("bob")[0]) == {BOB: PartStat.ACCEPTED}
    later = replace(item.event.components[0], when=replace(item.event.components[0].when, start=datetime(2026, 12, 2, 8)))
    item = await alice.update(item.ref, item.version, Event(components=(later,)))
    assert partstats(item.event) == partstats(server.events("bob")[0]) == {BOB: PartStat.NEEDS_ACTION}


async def test_who_is_taken_off_the_list_and_who_is_on_a_deleted_event_gets_a_cancellation(server: MemoryServer) -> None:
    server.add_person("carol", "carol@example.test")
    alice = server.connector("alice")
    item = await alice.create(a_meeting(Guest(email=BOB), Guest(email="carol@example.test")))
    item = await alice.update(item.ref, item.version, a_meeting(Guest(email="carol@example.test")))
    assert server.events("bob")[0].components[0].status is Status.CANCELLED
    assert server.events("carol")[0].components[0].status is Status.CONFIRMED
    await alice.delete(item.ref, item.version)
    assert server.events("carol")[0].components[0].status is Status.CANCELLED
    assert [(one.method, one.recipient) for one in server.deliveries][-1] == (Method.CANCEL, "carol@example.test")


async def test_an_attendee_who_deletes_the_event_declines(server: MemoryServer) -> None:
    alice = server.connector("alice")
    await alice.create(a_meeting())
    server.remove("bob", "meeting")
    assert partstats((await alice.find("meeting")).event) == {BOB: PartStat.DECLINED}


@pytest.mark.parametrize(("honours", "sent"), [(True, 0), (False, 1)], ids=["honoured", "ignored as by SOGo"])
async def test_schedule_agent_client_keeps_a_server_quiet_only_where_it_is_honoured(honours: bool, sent: int) -> None:
    server = MemoryServer(schedules=True, honours_client_agent=honours)
    server.add_person("alice", ALICE)
    await server.connector("alice").create(a_meeting(Guest(email="zoe@example.org", schedule_agent="CLIENT")))
    assert len(server.deliveries) == sent


async def test_a_foreign_organizer_keeps_the_server_quiet(server: MemoryServer) -> None:
    alice = server.connector("alice")
    planner = Organizer(email="planner@example.test")
    item = await alice.create(an_event(organizer=planner, guests=(Guest(email=BOB),)))
    item = await alice.update(item.ref, item.version, answered(item.event, BOB, PartStat.ACCEPTED))
    assert server.deliveries == []
    assert server.events("bob") == ()


async def test_a_fault_before_the_act_does_nothing_and_one_after_it_has_done_it(server: MemoryServer) -> None:
    alice = server.connector("alice")
    server.fail(Unreachable("aus"), on="create")
    server.fail(Unreachable("weg", maybe_done=True), on="create", done=True)
    assert (await alice.changes(None)).changed == ()
    with pytest.raises(Unreachable, match="aus"):
        await alice.create(an_event())
    assert server.events("alice") == ()
    with pytest.raises(Unreachable, match="weg"):
        await alice.create(an_event())
    assert len(server.events("alice")) == 1
    with pytest.raises(Conflict):
        await alice.create(an_event())


async def test_another_client_can_come_between_and_what_it_wrote_is_kept(server: MemoryServer) -> None:
    alice = server.connector("alice")
    item = await alice.create(an_event())

    def interfere(operation: str) -> None:
        if operation == "update":
            server.before = None
            server.put("alice", an_event(title="Von anderswo"))

    server.before = interfere
    with pytest.raises(Conflict):
        await alice.update(item.ref, item.version, an_event(title="Von hier"))
    assert server.events("alice")[0].components[0].title == "Von anderswo"
    assert server.calls == ["create", "update"]


async def test_what_cannot_be_read_is_listed_without_contents(server: MemoryServer) -> None:
    ref = server.put_unreadable("alice", "scrap")
    (item,) = (await server.connector("alice").changes(None)).changed
    assert (item.ref, item.event) == (ref, None)


class FixedClock:
    def now(self) -> datetime:
        return datetime(2026, 11, 22, 10, tzinfo=UTC)

    def new_id(self) -> str:
        raise AssertionError("a post office makes no ids")

    def draw(self, below: int) -> int:
        raise AssertionError("a post office draws no numbers")


@pytest.fixture
def post() -> MemoryPost:
    office = MemoryPost(clock=FixedClock())
    office.add_mailbox("planner@example.test")
    return office


def a_mail(recipient: str = "planner@example.test", data: bytes = b"Subject: x\r\n\r\n") -> Outgoing:
    return Outgoing(envelope_from="planner@example.test", recipient=recipient, data=data)


async def test_mail_to_a_mailbox_here_lands_in_it_and_other_mail_is_kept_as_sent(post: MemoryPost) -> None:
    out, inbox = MemoryMailOut(post), MemoryMailIn(post, "Planner@Example.test")
    await out.send(a_mail("zoe@example.org"))
    receipt = await out.send(a_mail(data=b"Subject: y\r\n\r\n"))
    assert receipt.reply.startswith("250 ")
    assert [one.recipient for one in post.sent] == ["zoe@example.org", "planner@example.test"]
    (mail,) = (await inbox.fetch(None)).mails
    assert (mail.data, mail.received) == (b"Subject: y\r\n\r\n", FixedClock().now())
    assert (await inbox.fetch(mail.mark)).mails == ()


async def test_mails_come_oldest_first_in_batches(post: MemoryPost) -> None:
    for number in range(5):
        post.deliver("planner@example.test", b"%d" % number)
    inbox = MemoryMailIn(post, "planner@example.test")
    first = await inbox.fetch(None, most=3)
    rest = await inbox.fetch(first.mails[-1].mark, most=3)
    assert [one.data for one in first.mails + rest.mails] == [b"0", b"1", b"2", b"3", b"4"]


async def test_a_renumbered_mailbox_is_read_from_its_beginning_and_says_so(post: MemoryPost) -> None:
    mark = post.deliver("planner@example.test", b"a")
    inbox = MemoryMailIn(post, "planner@example.test")
    assert not (await inbox.fetch(mark)).rescanned
    post.renumber("planner@example.test")
    batch = await inbox.fetch(mark)
    assert batch.rescanned
    assert [one.data for one in batch.mails] == [b"a"]


async def test_waiting_ends_with_news_or_with_patience(post: MemoryPost) -> None:
    inbox = MemoryMailIn(post, "planner@example.test")
    assert not await inbox.wait(timedelta(milliseconds=1))
    post.deliver("planner@example.test", b"a")
    assert await inbox.wait(timedelta(seconds=30))
    await inbox.fetch(None)
    assert not await inbox.wait(timedelta(milliseconds=1))


async def test_a_filed_mail_is_in_its_folder_and_filing_it_again_is_fine(post: MemoryPost) -> None:
    mark = post.deliver("planner@example.test", b"a")
    inbox = MemoryMailIn(post, "planner@example.test")
    await inbox.file(mark, "Sitzungsplaner/erledigt")
    await inbox.file(mark, "Sitzungsplaner/erledigt")
    await inbox.file(Mark(uidvalidity=9, uid=1), "Sitzungsplaner/erledigt")
    assert post.folder("planner@example.test") == ()
    assert post.folder("planner@example.test", "Sitzungsplaner/erledigt") == (b"a",)
    assert (await inbox.fetch(None)).mails == ()


async def test_faults_of_the_post_are_for_one_recipient_and_for_one_time(post: MemoryPost) -> None:
    out = MemoryMailOut(post)
    post.fail(Refused("550 5.1.1 unknown"), recipient="Zoe@example.org")
    post.fail(Unreachable("connection lost", maybe_done=True), recipient="max@example.org", done=True)
    await out.send(a_mail())
    with pytest.raises(Refused, match="unknown"):
        await out.send(a_mail("zoe@example.org"))
    with pytest.raises(Unreachable, match="lost"):
        await out.send(a_mail("max@example.org"))
    await out.send(a_mail("zoe@example.org"))
    assert [one.recipient for one in post.sent] == ["planner@example.test", "max@example.org", "zoe@example.org"]
    assert post.calls == 4


async def test_a_switched_off_post_and_an_unknown_mailbox_are_told_apart(post: MemoryPost) -> None:
    out, inbox = MemoryMailOut(post), MemoryMailIn(post, "planner@example.test")
    assert (await out.check(), await inbox.check()) == ("220 memory", "* OK memory")
    with pytest.raises(Refused, match="no mailbox"):
        await MemoryMailIn(post, "nobody@example.test").check()
    post.reachable = False
    for act in (out.send(a_mail()), out.check(), inbox.fetch(None), inbox.check()):
        with pytest.raises(Unreachable):
            await act
    await out.close()
    await inbox.close()
    assert out.closed
    assert inbox.closed
