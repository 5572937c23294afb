"""The answer mailbox: every mail once, none lost, whatever fails between reading, committing and filing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from connectors.memory.mail import MemoryMailIn, MemoryPost
from daemon.core import imip
from daemon.core.errors import Refused, Unreachable
from daemon.core.model import Entry, PartStat
from daemon.loops.inbox import InboxReader
from daemon.ports import Batch, Mark
from daemon.store import inbox as inbox_rows
from daemon.store import settings as setting_rows
from daemon.store import work
from tests.loops.conftest import ANNA, BEN, HOUR, MINUTE, PLANNER, Outside, Service, running
from tests.planner.test_ingest import a_mail

PROCESSED = "Processed"


async def invited(service: Service) -> Entry:
    """An entry to which Anna and Ben are invited, an hour ago."""
    entry = await service.plan(await service.owner(), ANNA, BEN)
    await service.settle(MINUTE)
    service.clock.move(HOUR)
    return entry


def reply(service: Service, entry: Entry, *, partstat: str = "ACCEPTED", after: int = 0) -> bytes:
    return a_mail(entry.uid, partstat=partstat, stamp=service.clock.now() + timedelta(seconds=after))


async def said(service: Service, entry: Entry) -> PartStat:
    return (await service.show(entry)).attendees[0].standing.partstat


async def test_an_answer_is_taken_in_and_filed(service: Service) -> None:
    entry = await invited(service)
    service.post.deliver(PLANNER, reply(service, entry))
    await service.settle(MINUTE)
    assert await said(service, entry) is PartStat.ACCEPTED
    assert service.post.folder(PLANNER) == ()
    assert len(service.post.folder(PLANNER, PROCESSED)) == 1


async def test_what_a_person_has_to_look_at_stays_where_it_is(service: Service) -> None:
    entry = await invited(service)
    held = reply(service, entry).replace(b"From: anna@kunde.test", b"From: mallory@evil.test")
    unknown = a_mail("nobodys@example.test", stamp=service.clock.now())
    for data in (held, unknown, b"Subject: hello\r\n\r\nhow are you?\r\n"):
        service.post.deliver(PLANNER, data)
    await service.settle(MINUTE)
    assert service.post.folder(PLANNER) == (held, unknown, b"Subject: hello\r\n\r\nhow are you?\r\n")
    kept = await service.tx(inbox_rows.list_)
    assert sorted(one.outcome for one in kept) == ["held", "ignored", "informational"]


async def test_many_mails_are_read_in_batches_and_all_of_them(service: Service) -> None:
    entry = await invited(service)
    for at in range(120):
        service.post.deliver(PLANNER, reply(service, entry, partstat="ACCEPTED" if at % 2 else "DECLINED", after=at))
    sizes: list[int] = []
    reader = service.app.mail_in
    assert reader is not None
    fetch = reader.fetch

    async def counted(after: Mark | None, *, most: int = 50) -> Batch:
        batch = await fetch(after, most=most)
        sizes.append(len(batch.mails))
        return batch

    reader.fetch = counted  # type: ignore[method-assign]
    await service.settle(MINUTE)
    assert sizes == [50, 50, 20, 0]
    assert await said(service, entry) is PartStat.ACCEPTED
    assert len(service.post.folder(PLANNER, PROCESSED)) == 120


async def test_the_same_mail_twice_counts_once(service: Service) -> None:
    entry = await invited(service)
    mail = reply(service, entry)
    service.post.deliver(PLANNER, mail)
    await service.settle(MINUTE)
    service.post.deliver(PLANNER, mail)
    await service.settle(MINUTE)
    assert (await service.journal(entry)).count("answer") == 1
    assert len(await service.tx(inbox_rows.list_)) == 1
    assert service.post.folder(PLANNER) == (), "the second copy was settled by the first"


async def test_a_crash_between_commit_and_filing_does_nothing_twice(outside: Outside) -> None:
    mail_in = MemoryMailIn(outside.post, PLANNER)

    async def crash(mark: Mark, folder: str) -> None:
        raise KeyError("the process is gone")

    mail_in.file = crash  # type: ignore[method-assign]
    async with running(outside, mail_in=mail_in) as service:
        entry = await invited(service)
        outside.post.deliver(PLANNER, reply(service, entry))
        outside.post.deliver(PLANNER, reply(service, entry, partstat="DECLINED", after=9))
        await service.settle(MINUTE)
    async with running(outside) as service:
        await service.settle(HOUR)
        assert await said(service, entry) is PartStat.DECLINED
        assert (await service.journal(entry)).count("answer") == 2


async def test_a_crash_before_the_commit_reads_the_mail_again(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(outside) as service:
        entry = await invited(service)
        put = setting_rows.put

        def away(*_: Any) -> None:
            raise Unreachable("The database went away.")

        monkeypatch.setattr(setting_rows, "put", away)
        outside.post.deliver(PLANNER, reply(service, entry))
        await service.settle(MINUTE)
        assert await said(service, entry) is PartStat.NEEDS_ACTION
        monkeypatch.setattr(setting_rows, "put", put)
    async with running(outside) as service:
        await service.settle()
        assert await said(service, entry) is PartStat.ACCEPTED


async def test_a_renumbered_mailbox_is_read_anew_and_changes_nothing(service: Service) -> None:
    """What was held for a person was filed as processed when it was met again."""
    entry = await invited(service)
    held = reply(service, entry).replace(b"From: anna@kunde.test", b"From: mallory@evil.test")
    service.post.deliver(PLANNER, held)
    service.post.deliver(PLANNER, a_mail("nobodys@example.test", stamp=service.clock.now()))
    await service.settle(MINUTE)
    service.post.renumber(PLANNER)
    service.post.deliver(PLANNER, reply(service, entry))
    await service.settle(MINUTE)
    assert await said(service, entry) is PartStat.ACCEPTED
    assert len(service.post.folder(PLANNER)) == 2
    assert (await service.journal(entry)).count("answer") == 1
    assert len(await service.tx(inbox_rows.list_)) == 3


@pytest.mark.parametrize("error", [Refused("No such folder."), Unreachable("The connection broke.")], ids=["refused", "broken"])
async def test_a_mail_that_cannot_be_filed_is_taken_in_all_the_same(outside: Outside, error: Exception) -> None:
    mail_in = MemoryMailIn(outside.post, PLANNER)

    async def refuse(mark: Mark, folder: str) -> None:
        raise error

    mail_in.file = refuse  # type: ignore[method-assign]
    async with running(outside, mail_in=mail_in) as service:
        entry = await invited(service)
        outside.post.deliver(PLANNER, reply(service, entry))
        outside.post.deliver(PLANNER, reply(service, entry, partstat="TENTATIVE", after=9))
        await service.settle(MINUTE)
        assert await said(service, entry) is PartStat.TENTATIVE
        assert len(outside.post.folder(PLANNER)) == 2
        row = await service.row("inbox:main")
        assert row is not None
        assert row.error == ""


async def test_without_a_folder_nothing_is_moved(outside: Outside) -> None:
    async with running(outside, MAIL__IMAP__FOLDER_PROCESSED="") as service:
        entry = await invited(service)
        outside.post.deliver(PLANNER, reply(service, entry))
        await service.settle(MINUTE)
        assert len(outside.post.folder(PLANNER)) == 1


async def test_a_mail_over_which_we_stumble_is_held_and_stops_no_other(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in reading one mail would have closed the mailbox for all that came after it."""
    entry = await invited(service)
    bad = b"Subject: bad\r\n\r\nbad\r\n"
    read_mail = imip.read_mail

    def stumble(data: bytes) -> Any:
        if data == bad:
            raise ZeroDivisionError("a bug")
        return read_mail(data)

    monkeypatch.setattr(imip, "read_mail", stumble)
    service.post.deliver(PLANNER, bad)
    service.post.deliver(PLANNER, reply(service, entry))
    await service.settle(MINUTE)
    assert await said(service, entry) is PartStat.ACCEPTED
    (held,) = await service.tx(inbox_rows.list_, outcome="held")
    assert "error of this service" in held.reason
    assert (await service.tx(inbox_rows.get, held.id)).data == bad
    assert service.post.folder(PLANNER) == (bad,)


async def test_an_unreachable_mailbox_is_tried_again(service: Service) -> None:
    entry = await invited(service)
    service.post.deliver(PLANNER, reply(service, entry))
    service.post.reachable = False
    await service.settle(MINUTE)
    row = await service.row("inbox:main")
    assert row is not None
    assert "switched off" in row.error
    assert service.app.lanes["inbox"].state()["away"] == ["inbox"]
    service.post.reachable = True
    await service.settle(HOUR)
    assert await said(service, entry) is PartStat.ACCEPTED
    assert service.app.lanes["inbox"].state()["away"] == []


async def test_a_wrong_password_is_parked_and_tried_again_at_a_start(outside: Outside) -> None:
    mail_in = MemoryMailIn(outside.post, "nobody@example.test")
    async with running(outside, mail_in=mail_in) as service:
        await service.settle()
        row = await service.row("inbox:main")
        assert row is not None
        assert row.due is None
        assert "parked" in await service.journal()
        assert service.mails() == [], "it belongs to no owner"
    async with running(outside) as service:
        await service.settle()
        row = await service.row("inbox:main")
        assert row is not None
        assert row.due is not None


class Slow(MemoryMailIn):
    """Says when it waits."""

    def __init__(self, post: MemoryPost) -> None:
        super().__init__(post, PLANNER)
        self.waits = asyncio.Event()
        self.broken = False

    async def wait(self, patience: timedelta) -> bool:
        self.waits.set()
        if self.broken:
            raise Unreachable("The connection broke.")
        return await super().wait(patience)


async def a_turn(service: Service, mail_in: MemoryMailIn) -> tuple[InboxReader, asyncio.Task[Any]]:
    reader = InboxReader(service.app.store, service.app.desk, mail_in, service.app.intake, folder=PROCESSED, idle=HOUR)
    job = await service.tx(work.get, "inbox:main")
    return reader, asyncio.create_task(reader.handle(job))


async def test_it_waits_for_mail_and_comes_back_as_soon_as_there_is_some(service: Service) -> None:
    mail_in = Slow(service.post)
    _, turn = await a_turn(service, mail_in)
    await asyncio.wait_for(mail_in.waits.wait(), 5)
    service.post.deliver(PLANNER, b"Subject: hello\r\n\r\n")
    settled = await asyncio.wait_for(turn, 5)
    assert settled.again == service.clock.now()


async def test_a_connection_that_breaks_while_waiting_is_an_error(service: Service) -> None:
    mail_in = Slow(service.post)
    mail_in.broken = True
    _, turn = await a_turn(service, mail_in)
    with pytest.raises(Unreachable, match="broke"):
        await asyncio.wait_for(turn, 5)


async def test_whoever_died_waiting_for_mail_did_not_die_of_it(service: Service) -> None:
    """It waits nearly all of the time, so a machine that is switched off each evening had its mailbox put aside."""
    await service.die(work.INBOX, times=3)
    mail_in = Slow(service.post)
    claimed = await service.tx(work.claim, work.INBOX, now=service.clock.now(), hold=MINUTE, most=1, token="now")
    assert [job.deaths for job in claimed.jobs] == [3]
    reader = InboxReader(service.app.store, service.app.desk, mail_in, service.app.intake, folder=PROCESSED, idle=HOUR)
    turn = asyncio.create_task(reader.handle(claimed.jobs[0]))
    await asyncio.wait_for(mail_in.waits.wait(), 5)
    row = await service.row("inbox:main")
    assert row is not None
    assert row.deaths == 0
    reader.end()
    await asyncio.wait_for(turn, 5)


async def test_told_to_end_it_waits_no_longer_and_reads_no_further(service: Service) -> None:
    """It waited for minutes, so each stop of the service had to break it off."""
    mail_in = Slow(service.post)
    reader, turn = await a_turn(service, mail_in)
    await asyncio.wait_for(mail_in.waits.wait(), 5)
    reader.end()
    await asyncio.wait_for(turn, 5)
    service.post.deliver(PLANNER, b"Subject: hello\r\n\r\n")
    assert not await reader.read()
    assert await service.tx(inbox_rows.list_) == ()


async def test_an_answer_given_by_mail_mails_nobody(service: Service) -> None:
    entry = await invited(service)
    sent = len(service.post.sent)
    service.post.deliver(PLANNER, reply(service, entry))
    await service.settle(MINUTE)
    await service.settle(HOUR)
    assert len(service.post.sent) == sent
