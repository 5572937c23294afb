"""The mail to ourselves, in a post office of memory: found by its own header, whoever is faster, and left where it lies."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from connectors.memory.mail import MemoryMailIn, MemoryMailOut, MemoryPost
from daemon.core.errors import Refused
from daemon.core.imip import read_mail
from daemon.doctor import Level
from daemon.doctor.round_trip import Trip, build_probe, judge_trip, make_trip
from daemon.ports import Incoming, Mark
from tests.clock import ManualClock
from tests.doctor.tables import the

ADDRESS = "sitzung@example.org"
SHORT, LONG = timedelta(milliseconds=100), timedelta(seconds=10)


@pytest.fixture
def post(clock: ManualClock) -> MemoryPost:
    post = MemoryPost(clock=clock)
    post.add_mailbox(ADDRESS)
    return post


async def nobody(_: str) -> datetime | None:
    return None


async def trip(post: MemoryPost, clock: ManualClock, *, patience: timedelta = LONG, after: Mark | None = None) -> Trip:
    out, box = MemoryMailOut(post), MemoryMailIn(post, ADDRESS)
    return await make_trip(ADDRESS, out, box, after=after, clock=clock, arrived=nobody, patience=patience)


def test_the_mail_is_an_automatic_one_and_nothing_else() -> None:
    mail, message_id = build_probe(ADDRESS, token="0" * 32, now=datetime(2026, 11, 22, tzinfo=UTC))
    read = read_mail(mail.data)
    assert (read.message_id, read.sender, read.recipients) == (message_id, ADDRESS, (ADDRESS,))
    assert (read.auto_submitted, read.calendars, read.report) == (True, (), None)
    assert read.subject == f"Sitzungsplaner doctor {'0' * 32}"
    assert (mail.envelope_from, mail.recipient) == (ADDRESS, ADDRESS)


async def test_a_mail_that_arrives_is_found_and_left_there(post: MemoryPost, clock: ManualClock) -> None:
    for number in range(120):
        post.deliver(ADDRESS, b"Subject: old %d\r\n\r\n" % number)
    done = await trip(post, clock)
    assert done.took is not None
    assert (done.trouble, done.signed, done.apart) == ("", False, timedelta(0))
    assert len(post.folder(ADDRESS)) == 121
    the(judge_trip(done, patience=LONG), Level.OK, "without a DKIM signature")


async def test_a_mail_that_does_not_arrive_is_a_problem(post: MemoryPost, clock: ManualClock) -> None:
    post.add_mailbox("other@example.org")
    box = MemoryMailIn(post, "other@example.org")
    done = await make_trip(ADDRESS, MemoryMailOut(post), box, after=None, clock=clock, arrived=nobody, patience=SHORT)
    assert done == Trip()
    the(judge_trip(done, patience=SHORT), Level.PROBLEM, "mail.address is the mailbox that mail.imap reads")


async def test_a_report_about_the_mail_is_not_the_mail(post: MemoryPost, clock: ManualClock) -> None:
    """The returned mail bears its Message-ID in its body and in In-Reply-To."""
    _, message_id = build_probe(ADDRESS, token=ManualClock().new_id(), now=clock.now())
    report = f"From: <>\r\nMessage-ID: <r@x>\r\nIn-Reply-To: {message_id}\r\n\r\nMessage-ID: {message_id}\r\n"
    post.deliver(ADDRESS, report.encode())
    before = post.folder(ADDRESS)
    out = MemoryMailOut(MemoryPost(clock=clock))  # another office: nothing comes here
    done = await make_trip(ADDRESS, out, MemoryMailIn(post, ADDRESS), after=None, clock=clock, arrived=nobody, patience=SHORT)
    assert (done, post.folder(ADDRESS)) == (Trip(), before)


async def test_the_service_may_be_faster(post: MemoryPost, clock: ManualClock) -> None:
    """Its inbox loop took the mail in and filed it; only the store knows."""
    asked: list[str] = []

    async def arrived(message_id: str) -> datetime | None:
        asked.append(message_id)
        return clock.now() + timedelta(seconds=90)

    post.add_mailbox("other@example.org")
    box = MemoryMailIn(post, "other@example.org")
    done = await make_trip(ADDRESS, MemoryMailOut(post), box, after=None, clock=clock, arrived=arrived, patience=LONG)
    assert (done.signed, done.apart) == (None, timedelta(seconds=90))
    assert [str(message_from_bytes(one.data, policy=SMTP)["Message-ID"]) for one in post.sent] == asked


@pytest.mark.parametrize(
    ("received", "apart"),
    [(timedelta(0), timedelta(0)), (timedelta(hours=-1), timedelta(hours=-1)), (timedelta(days=1), timedelta(days=1))],
)
async def test_the_server_s_time_of_arrival_shows_its_clock(
    post: MemoryPost, clock: ManualClock, received: timedelta, apart: timedelta
) -> None:
    class Elsewhere(MemoryMailIn):
        async def fetch(self, after: Mark | None, *, most: int = 50):  # type: ignore[no-untyped-def]
            batch = await super().fetch(after, most=most)
            mails = tuple(Incoming(mark=one.mark, received=one.received + received, data=one.data) for one in batch.mails)
            return type(batch)(mails=mails)

    box = Elsewhere(post, ADDRESS)
    done = await make_trip(ADDRESS, MemoryMailOut(post), box, after=None, clock=clock, arrived=nobody, patience=LONG)
    assert done.apart == apart


async def test_a_signature_is_seen(post: MemoryPost, clock: ManualClock) -> None:
    class Signing(MemoryMailOut):
        async def send(self, mail):  # type: ignore[no-untyped-def]
            post.deliver(ADDRESS, b"DKIM-Signature: v=1; d=example.org\r\n" + mail.data)

    box = MemoryMailIn(post, ADDRESS)
    done = await make_trip(ADDRESS, Signing(post), box, after=None, clock=clock, arrived=nobody, patience=LONG)
    assert done.signed is True
    the(judge_trip(done, patience=LONG), Level.OK, "signed (DKIM)")


async def test_a_refused_mail_is_told_with_the_server_s_words(post: MemoryPost, clock: ManualClock) -> None:
    post.fail(Refused("The mail server does not accept our sender address: “550 no”. Check mail.address."))
    found = the(judge_trip(await trip(post, clock), patience=LONG), Level.PROBLEM, "did not get through")
    assert found.remedy == "Check mail.address."


async def test_a_mailbox_that_goes_away_meanwhile_is_told(post: MemoryPost, clock: ManualClock) -> None:
    done = asyncio.create_task(trip(post, clock, after=Mark(uidvalidity=1, uid=999)))
    await asyncio.sleep(0)
    post.reachable = False
    found = the(judge_trip(await done, patience=LONG), Level.PROBLEM, "did not get through: The post office")
    assert "mail.imap" in found.remedy


def test_a_slow_mail_is_a_warning() -> None:
    the(judge_trip(Trip(took=timedelta(seconds=31)), patience=LONG), Level.WARNING, "only after 31.0 seconds")


def test_the_probe_can_be_read_by_the_standard_parser() -> None:
    mail, _ = build_probe(ADDRESS, token="0" * 32, now=datetime(2026, 11, 22, tzinfo=UTC))
    parsed = message_from_bytes(mail.data, policy=SMTP)
    assert isinstance(parsed, EmailMessage)
    assert (parsed["Auto-Submitted"], parsed.defects) == ("auto-generated", [])
