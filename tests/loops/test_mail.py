"""Mails: exactly one of each, in order, whatever fails. Each test is a small story on a whole service."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon import planner
from daemon.core.delivery import MessageState
from daemon.core.errors import Refused, Unreachable
from daemon.core.model import Entry, Language, PartStat, Sender
from daemon.planner import outbox, owner_mail
from daemon.planner.wishes import Changes
from daemon.ports import Outgoing, Receipt
from daemon.store import entries as rows
from daemon.store import messages as message_rows
from daemon.store import reminder_marks, work
from tests.loops.conftest import (
    ALICE,
    ANNA,
    BEN,
    CLARA,
    DAY,
    HOUR,
    MINUTE,
    Death,
    Mortal,
    MortalPost,
    Outside,
    Service,
    calendar_text,
    running,
    when,
)
from tests.servers.postgres import Postgres

AWAY = Unreachable("The mail server cannot be reached.")
PERHAPS = Unreachable("The mail server did not answer at the end.", maybe_done=True)
NO = Refused("The mail server refused the recipient: “550 no such user”.")


@pytest.fixture(params=["sqlite", "postgres"])
def both(request: pytest.FixtureRequest, tmp_path: Path, outside: Outside) -> Iterator[Outside]:
    """What is outside, with either database."""
    if request.param == "sqlite":
        yield outside
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.fresh(request.getfixturevalue("postgres_template"))
    yield replace(outside, url=url)
    server.drop(url)


async def test_everybody_is_invited_once_and_nobody_again(service: Service) -> None:
    entry = await service.plan(await service.owner(), ANNA, BEN)
    await service.settle()
    assert service.mails() == [], "the change may still be taken back"
    await service.settle(MINUTE)
    await service.settle(DAY)
    assert sorted((one.recipient, one.envelope_from) for one in service.post.sent) == [
        (ANNA.email, "planner@example.test"),
        (BEN.email, "planner@example.test"),
    ]
    assert service.methods(ANNA.email) == ["REQUEST"]
    assert await service.row(f"mail:{entry.id}:{ANNA.email}") is None


async def test_changes_within_a_minute_are_one_mail_and_what_is_taken_back_is_none(service: Service) -> None:
    entry = await service.plan(await service.owner(), ANNA)
    await service.settle(MINUTE)
    await service.do(planner.move, entry.id, start=datetime(2027, 3, 16, 9))
    await service.settle(MINUTE / 2)
    await service.do(planner.edit, entry.id, Changes(title="Neu"))
    await service.settle(MINUTE)
    assert service.methods(ANNA.email) == ["REQUEST", "REQUEST"]
    assert "SEQUENCE:1" in calendar_text(service.mails(ANNA.email)[1])
    await service.do(planner.move, entry.id, start=datetime(2027, 3, 17, 9))
    await service.do(planner.move, entry.id, start=datetime(2027, 3, 16, 9))
    await service.settle(MINUTE)
    # He has SEQUENCE 1 and the entry 3, but nothing that a person would see is different.
    assert len(service.mails(ANNA.email)) == 2


async def test_one_who_was_never_told_is_not_told_of_the_cancellation(service: Service) -> None:
    """The row goes with what it owed; a parked one would have waited for a person for ever."""
    entry = await service.plan(await service.owner(), ANNA)
    await service.do(planner.cancel, entry.id)
    assert await service.row(f"mail:{entry.id}:{ANNA.email}") is None
    await service.settle(HOUR)
    assert service.mails() == []


async def test_an_unreachable_server_is_tried_for_days_then_the_owner_is_told_once(service: Service) -> None:
    owner = await service.owner()
    entry = await service.plan(owner, ANNA, BEN, when=when(28))
    service.post.reachable = False
    await service.settle(MINUTE)
    pauses, last = [], service.clock.now()
    while (row := await service.row(f"mail:{entry.id}:{ANNA.email}")) is not None and row.due is not None:
        pauses.append(row.due - last)
        last = row.due
        await service.settle(row.due - service.clock.now())
    assert len(pauses) > 100
    assert timedelta(seconds=24) <= pauses[0] <= timedelta(seconds=36)
    assert all(one <= timedelta(minutes=72) for one in pauses)
    assert pauses[8] > 20 * MINUTE, "the pauses grow"
    assert service.clock.now() - datetime(2027, 3, 1, 8, tzinfo=UTC) >= timedelta(days=5)
    await service.settle(HOUR)  # the other one is parked as well
    assert (await service.show(entry)).attendees[0].delivery.state == "failed"
    service.post.reachable = True
    await service.settle(HOUR)
    (notice,) = service.mails(ALICE)
    text = notice.get_body(("plain",))
    assert text is not None
    words = text.get_content()
    assert "anna@kunde.test" in words
    assert "ben@kunde.test" in words
    assert notice["Auto-Submitted"] == "auto-generated"
    assert service.methods(ANNA.email) == [], "parked: a person decides"
    await service.tx(work.retry, f"mail:{entry.id}:{ANNA.email}", now=service.clock.now())
    await service.settle(DAY)
    assert service.methods(ANNA.email) == ["REQUEST"]
    assert len(service.mails(ALICE)) == 1


async def test_a_refused_address_is_told_to_the_owner_once_and_stops_nobody_else(service: Service) -> None:
    owner = await service.owner(language=Language.EN)
    entry = await service.plan(owner, ANNA, BEN, CLARA)
    service.post.fail(NO, recipient=BEN.email)
    await service.settle(MINUTE)
    await service.settle(MINUTE)
    assert service.methods(ANNA.email) == service.methods(CLARA.email) == ["REQUEST"]
    assert service.methods(BEN.email) == []
    row = await service.row(f"mail:{entry.id}:{BEN.email}")
    assert row is not None
    assert row.due is None
    (notice,) = service.mails(ALICE)
    body = notice.get_body(("plain",))
    assert body is not None
    assert "Ben <ben@kunde.test>" in body.get_content()
    assert "550 no such user" in body.get_content()
    await service.settle(10 * DAY)
    assert len(service.mails(ALICE)) == 1
    # Taken off the list, he is owed nothing: nobody has to look at his row any more.
    await service.do(planner.uninvite, entry.id, (BEN.email,))
    assert await service.row(f"mail:{entry.id}:{BEN.email}") is None


async def test_a_change_after_a_refusal_tries_again(service: Service) -> None:
    entry = await service.plan(await service.owner(), BEN)
    service.post.fail(NO, recipient=BEN.email)
    await service.settle(MINUTE)
    await service.do(planner.edit, entry.id, Changes(title="Neuer Titel"))
    await service.settle(MINUTE)
    assert service.methods(BEN.email) == ["REQUEST"]
    assert "Neuer Titel" in calendar_text(service.mails(BEN.email)[0])


async def test_a_notice_that_cannot_be_delivered_tells_nobody(service: Service) -> None:
    await service.plan(await service.owner(), BEN)
    service.post.fail(NO, times=2)
    await service.settle(MINUTE)
    await service.settle(MINUTE)
    parked = await service.tx(work.list_, parked=True)
    assert sorted(row.key.partition(":")[0] for row in parked) == ["mail", "notice"]
    assert service.mails() == []


async def test_a_notice_repeated_after_a_crash_is_the_same_mail_and_the_only_one(service: Service) -> None:
    await service.plan(await service.owner(), BEN)
    service.post.fail(NO, recipient=BEN.email)
    service.post.fail(PERHAPS, recipient=ALICE, done=True)
    await service.settle(MINUTE)
    await service.settle(MINUTE)
    await service.settle(HOUR)
    first, second = (one.data for one in service.post.sent if one.recipient == ALICE)
    assert first == second


async def test_what_a_notice_speaks_of_may_be_gone(service: Service) -> None:
    owner = await service.owner()
    entry = await service.plan(owner, BEN)
    service.post.fail(NO, recipient=BEN.email)
    await service.settle(MINUTE)
    await service.do(planner.delete, entry.id)
    await service.tx(rows.purge, entry.id)
    await service.settle(HOUR)
    assert service.mails() == []
    assert [row.key for row in await service.tx(work.list_, kind=work.MAIL)] == []


async def test_the_first_mail_that_is_taken_makes_everything_due_that_waited(service: Service) -> None:
    owner = await service.owner()
    entry = await service.plan(owner, ANNA, BEN, CLARA, remind=True, reminders=(13 * DAY,))
    service.post.reachable = False
    await service.settle(MINUTE)
    await service.settle(DAY)
    service.post.reachable = True
    waiting = await service.tx(work.list_, kind=work.MAIL)
    reminders = await service.tx(work.list_, kind=work.REMIND)
    assert len(waiting) == 3
    assert len(reminders) == 1
    first = min(row.due for row in (*waiting, *reminders) if row.due is not None)
    await service.settle(first - service.clock.now())
    assert sorted(one.recipient for one in service.post.sent) == [ALICE, ANNA.email, BEN.email, CLARA.email]
    assert (await service.show(entry)).attendees[2].delivery.state == "sent"


async def test_a_row_that_needs_no_server_does_not_bring_the_server_back(service: Service) -> None:
    """An empty row ended while the server was away: that hastened all that waited, against a dead server, at each turn."""
    owner = await service.owner()
    entry = await service.plan(owner, ANNA)
    service.post.reachable = False
    await service.settle(MINUTE)
    args = {"entry": entry.id, "attendee": "nobody@x.test"}
    await service.tx(work.put, key=f"mail:{entry.id}:nobody@x.test", kind=work.MAIL, due=service.clock.now(), args=args)
    before = service.post.calls
    await service.settle()
    assert service.post.calls == before


@pytest.mark.parametrize("failing", [1, 2], ids=["the first fails", "the second fails"])
async def test_of_several_messages_none_is_lost_and_the_order_stays(service: Service, failing: int) -> None:
    """Two dates change at once: two messages of one row. When the first failed, only the second was sent ever after."""
    entry = await service.plan(await service.owner(), ANNA, rrule="FREQ=DAILY;COUNT=5")
    await service.settle(MINUTE)
    for day in (16, 17):
        await service.do(planner.cancel, entry.id, recurrence_id=datetime(2027, 3, day, 9))
    taken = service.app.mail_out.send  # type: ignore[union-attr]
    calls = 0

    async def send(mail: Outgoing) -> Receipt:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise AWAY
        return await taken(mail)

    service.app.mail_out.send = send  # type: ignore[union-attr,method-assign]
    await service.settle(MINUTE)
    await service.settle(HOUR)
    cancelled = [calendar_text(mail) for mail in service.mails(ANNA.email)[1:]]
    assert ["20270316" in cancelled[0], "20270317" in cancelled[1]] == [True, True]
    assert len(cancelled) == 2


async def test_whoever_got_one_of_several_messages_out_did_not_die_in_vain(service: Service) -> None:
    """On a machine that fails again and again, a row that gets on a little each time must not be put aside."""
    entry = await service.plan(await service.owner(), ANNA, rrule="FREQ=DAILY;COUNT=5")
    await service.settle(MINUTE)
    for day in (16, 17):
        await service.do(planner.cancel, entry.id, recurrence_id=datetime(2027, 3, day, 9))
    service.clock.move(MINUTE)
    await service.die(work.MAIL, times=3)
    taken = service.app.mail_out.send  # type: ignore[union-attr]
    deaths: list[int] = []

    async def send(mail: Outgoing) -> Receipt:
        row = await service.row(f"mail:{entry.id}:{ANNA.email}")
        assert row is not None
        deaths.append(row.deaths)
        return await taken(mail)

    service.app.mail_out.send = send  # type: ignore[union-attr,method-assign]
    await service.settle()
    assert deaths == [3, 0]


async def test_a_mail_that_may_have_gone_out_is_repeated_as_it_was_and_the_change_follows(service: Service) -> None:
    entry = await service.plan(await service.owner(), ANNA)
    service.post.fail(PERHAPS, recipient=ANNA.email, done=True)
    await service.settle(MINUTE)
    await service.do(planner.cancel, entry.id)
    await service.settle(HOUR)
    first, second, third = service.mails(ANNA.email)
    assert first.as_bytes() == second.as_bytes()
    assert "METHOD:CANCEL" in calendar_text(third)


async def test_a_mail_that_may_have_gone_out_is_not_forgotten_because_a_later_try_certainly_failed(service: Service) -> None:
    entry = await service.plan(await service.owner(), ANNA)
    service.post.fail(PERHAPS, recipient=ANNA.email, done=True)
    await service.settle(MINUTE)
    service.post.fail(AWAY, recipient=ANNA.email)
    await service.settle(MINUTE)
    await service.do(planner.cancel, entry.id)
    await service.settle(HOUR)
    first, second, third = service.mails(ANNA.email)
    assert first.as_bytes() == second.as_bytes()
    assert "METHOD:CANCEL" in calendar_text(third)


async def test_a_mail_that_was_not_taken_is_written_anew_with_what_is_true_by_then(service: Service) -> None:
    entry = await service.plan(await service.owner(), ANNA)
    service.post.fail(AWAY, recipient=ANNA.email)
    await service.settle(MINUTE)
    await service.do(planner.move, entry.id, start=datetime(2027, 3, 18, 9))
    await service.settle(HOUR)
    (only,) = service.mails(ANNA.email)
    assert "20270318T090000" in calendar_text(only)


async def test_what_changes_while_its_mail_is_written_is_read_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = await service.plan(await service.owner(), ANNA)
    written, writings = outbox.written, 0

    def meanwhile(*given: Any) -> Any:
        nonlocal writings
        writings += 1
        if writings == 1:
            service.app.store.run_now(lambda tx: planner.edit(tx, service.app.desk, entry.id, Changes(title="Schneller")))
        return written(*given)

    monkeypatch.setattr(outbox, "written", meanwhile)
    await service.settle(MINUTE)
    (mail,) = service.mails(ANNA.email)
    assert "SUMMARY:Schneller" in calendar_text(mail)
    await service.settle(MINUTE)
    assert len(service.mails(ANNA.email)) == 1


async def test_a_change_between_writing_and_sending_follows_in_a_mail_of_its_own(service: Service) -> None:
    entry = await service.plan(await service.owner(), ANNA)
    out = service.app.mail_out
    assert out is not None
    taken = out.send

    async def send(mail: Outgoing) -> Receipt:
        if not service.post.sent:
            await service.do(planner.move, entry.id, start=datetime(2027, 3, 19, 9))
        return await taken(mail)

    out.send = send  # type: ignore[method-assign]
    await service.settle(MINUTE)
    await service.settle(MINUTE)
    texts = [calendar_text(mail).splitlines() for mail in service.mails(ANNA.email)]
    sequences = [line for text in texts for line in text if line.startswith("SEQUENCE")]
    assert sequences == ["SEQUENCE:0", "SEQUENCE:1"]


async def test_an_entry_that_never_stands_still_gets_its_turn_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = await service.plan(await service.owner(), ANNA)
    written, writings = outbox.written, 0

    def meanwhile(*given: Any) -> Any:
        nonlocal writings
        writings += 1
        if writings <= 7:
            service.app.store.run_now(lambda tx: planner.edit(tx, service.app.desk, entry.id, Changes(title=f"Titel {writings}")))
        return written(*given)

    monkeypatch.setattr(outbox, "written", meanwhile)
    await service.settle(MINUTE)
    await service.settle(MINUTE)
    (mail,) = service.mails(ANNA.email)
    assert "SUMMARY:Titel 7" in calendar_text(mail)


async def test_nobody_is_mailed_for_ever(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """If what is owed did not become less by being told, the row ended and was due at once, without end."""
    entry = await service.plan(await service.owner(), ANNA)
    owing = outbox.owing
    first = await service.app.store.run(lambda tx: owing(tx, service.app.desk, entry.id, ANNA.email))
    monkeypatch.setattr(outbox, "owing", lambda *_: first)
    await service.settle(MINUTE)
    assert len(service.mails(ANNA.email)) == 1
    assert await service.row(f"mail:{entry.id}:{ANNA.email}") is None


async def test_who_lost_the_row_sends_nothing(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A holder that stood still over the writing must not send what another one has sent by now."""
    entry = await service.plan(await service.owner(), ANNA)
    written = outbox.written
    stolen = False

    def stand_still(*given: Any) -> Any:
        nonlocal stolen
        messages = written(*given)
        if not stolen:
            stolen = True
            service.clock.move(HOUR)
            now = service.clock.now()
            claimed = service.app.store.run_now(lambda tx: work.claim(tx, work.MAIL, now=now, hold=MINUTE, most=1, token="other"))
            assert len(claimed.jobs) == 1
        return messages

    monkeypatch.setattr(outbox, "written", stand_still)
    await service.settle(MINUTE)
    assert service.mails() == []
    assert await service.tx(message_rows.pending, f"mail:{entry.id}:{ANNA.email}") == ()
    await service.settle(HOUR)
    assert service.methods(ANNA.email) == ["REQUEST"]


async def test_a_late_record_does_not_bring_back_what_was_true_before(service: Service) -> None:
    entry = await service.plan(await service.owner(), ANNA)
    await service.settle(MINUTE)
    key = f"mail:{entry.id}:{ANNA.email}"
    (sent,) = await service.tx(message_rows.of_entry, entry.id)
    await service.do(planner.move, entry.id, start=datetime(2027, 3, 20, 9))
    await service.settle(MINUTE)
    told = await service.tx(message_rows.get_sent, entry.id, ANNA.email)
    await service.do(outbox.note_sent, replace(sent, sent_after="{}"), "250 late")
    await service.do(outbox.note_refused, sent, "550 late")
    assert await service.tx(message_rows.get_sent, entry.id, ANNA.email) == told
    assert {one.state for one in await service.tx(message_rows.of_entry, entry.id)} == {MessageState.SENT}
    assert await service.tx(message_rows.pending, key) == ()


async def test_a_calendar_that_invites_leaves_nothing_to_mail(service: Service) -> None:
    owner = await service.owner()
    await service.calendar(owner, sender=Sender.CALENDAR)
    entry = await service.plan(owner, ANNA)
    assert entry.sender is Sender.CALENDAR
    await service.settle(HOUR)
    assert service.mails() == []
    assert [one.recipient for one in service.outside.schedulers.deliveries] == [ANNA.email]
    assert (await service.show(entry)).attendees[0].delivery.state == "calendar"


async def _story(service: Service) -> Entry:
    """Anna is invited to a series, then two dates are called off, and then all of it: four mails."""
    entry = await service.plan(await service.owner(), ANNA, rrule="FREQ=DAILY;COUNT=5")
    await service.settle(MINUTE)
    for day in (16, 17):
        await service.do(planner.cancel, entry.id, recurrence_id=datetime(2027, 3, day, 9))
    return entry


async def test_a_death_between_any_two_steps_of_a_mail_loses_and_doubles_nothing(both: Outside, tmp_path: Path) -> None:
    """Two messages of one row: the second process sends what is missing, and what may have gone out identically."""
    url, steps = both.url, 0
    total = 40
    at = 0
    while at < total:
        at += 1
        outside = await _fresh(both, url, tmp_path, at)
        post = MortalPost(outside.post)
        async with running(outside, mail_out=post) as service:
            entry = await _story(service)
            post.mortal = mortal = Mortal(service, at=at)
            with contextlib.suppress(Death):
                await service.settle(MINUTE)
            for lane in service.app.lanes.values():
                await lane.settle()
            died = mortal.dead
        if not died:
            steps = at
            break
        async with running(outside) as second:
            await second.settle(2 * MINUTE)  # on PostgreSQL the dead one's hold has to run out
            await second.settle(2 * MINUTE)
            mails = second.mails(ANNA.email)
            assert await second.row(f"mail:{entry.id}:{ANNA.email}") is None, at
        ids = [str(mail["Message-ID"]) for mail in mails]
        told = [calendar_text(mail) for mail in mails]
        assert len(dict.fromkeys(ids)) == 3, (at, ids)
        assert len(mails) <= 4, "at most the one that was under way is repeated"
        for one, text in zip(ids, told, strict=True):
            assert text == told[ids.index(one)], "a repetition is the same to the byte"
        order = [text.partition("RECURRENCE-ID;TZID=Europe/Berlin:")[2][:8] for text in told[1:]]
        assert order == sorted(order), at
    assert steps > 8, "there were that many steps to die at"


async def _fresh(outside: Outside, url: str, tmp_path: Path, at: int) -> Outside:
    """The same world again, as if nothing had happened."""
    from connectors.memory.mail import MemoryPost
    from tests.clock import ManualClock

    clock = ManualClock(seed=at)
    post = MemoryPost(clock=clock)
    post.add_mailbox("planner@example.test")
    folder = tmp_path / f"life-{at}"
    folder.mkdir()
    if url.startswith("sqlite"):
        shutil.copyfile(tmp_path / "store.db", folder / "store.db")
        return replace(outside, url=f"sqlite:///{folder}/store.db", folder=folder, clock=clock, post=post)
    async with running(replace(outside, clock=clock, post=post, folder=folder), prepared=False) as service:
        await service.app.store.run(_empty)
    return replace(outside, clock=clock, post=post, folder=folder)


def _empty(tx: Any) -> None:
    from daemon.store.schema import metadata

    for table in reversed(metadata.sorted_tables):
        tx.execute(table.delete())


async def test_a_cancellation_does_not_overtake_an_invitation_that_a_dead_process_left(both: Outside, tmp_path: Path) -> None:
    """The process dies over the invitation; the entry is cancelled before the next one starts."""
    url = both.url
    for at in range(1, 12):
        outside = await _fresh(both, url, tmp_path, at)
        post = MortalPost(outside.post)
        async with running(outside, mail_out=post) as service:
            entry = await service.plan(await service.owner(), ANNA)
            post.mortal = mortal = Mortal(service, at=at)
            with contextlib.suppress(Death):
                await service.settle(MINUTE)
            for lane in service.app.lanes.values():
                await lane.settle()
        sent = len(outside.post.sent)
        async with running(outside) as second:
            await second.do(planner.cancel, entry.id)
            await second.settle(2 * MINUTE)
            await second.settle(2 * MINUTE)
            methods = second.methods(ANNA.email)
        wanted = {
            0: ([], ["REQUEST", "CANCEL"]),  # not sent: nothing, or (written out, perhaps sent) both
            1: (["REQUEST", "CANCEL"], ["REQUEST", "REQUEST", "CANCEL"]),
        }
        assert methods in wanted[sent], (at, mortal.dead)


# Reminders


async def test_reminders_go_out_on_time_to_the_owner_alone(service: Service) -> None:
    owner = await service.owner()
    entry = await service.plan(owner, ANNA, remind=True)
    await service.settle(MINUTE)
    start = datetime(2027, 3, 15, 8, tzinfo=UTC)  # 9:00 in Berlin
    await service.settle(start - DAY - timedelta(seconds=1) - service.clock.now())
    assert service.mails(ALICE) == []
    await service.settle(timedelta(seconds=1))
    assert len(service.mails(ALICE)) == 1
    await service.settle(start - timedelta(minutes=15) - service.clock.now())
    assert len(service.mails(ALICE)) == 2
    await service.settle(DAY)
    assert len(service.mails(ALICE)) == 2
    assert len(service.mails(ANNA.email)) == 1
    assert [row.key for row in await service.tx(work.list_, kind=work.REMIND)] == []
    assert all(one.state == "sent" for one in (await service.show(entry)).reminders)


async def test_of_several_overdue_reminders_only_the_nearest_goes_out(outside: Outside) -> None:
    """The service was down over the first reminder's time; the second one is due as well when it comes back."""
    async with running(outside) as service:
        entry = await service.plan(await service.owner(), remind=True)
    outside.clock.move(datetime(2027, 3, 15, 7, 50, tzinfo=UTC) - outside.clock.now())
    async with running(outside) as service:
        await service.settle()
        assert len(service.mails(ALICE)) == 1
        assert "reminder-suppressed" in await service.journal(entry)
        states = {one.offset: one.state for one in (await service.show(entry)).reminders}
        assert states == {DAY: "suppressed", timedelta(minutes=15): "sent"}


async def test_a_reminder_missed_by_a_service_that_was_down_goes_out_while_the_start_is_ahead(outside: Outside) -> None:
    async with running(outside) as service:
        await service.plan(await service.owner(), remind=True)
    outside.clock.move(datetime(2027, 3, 14, 20, tzinfo=UTC) - outside.clock.now())
    async with running(outside) as service:
        await service.settle()
        assert len(service.mails(ALICE)) == 1
    outside.clock.move(DAY)
    async with running(outside) as service:
        await service.settle()
        assert len(service.mails(ALICE)) == 1, "the session is over: suppressed, with its reason in the journal"


async def test_no_reminder_for_what_was_cancelled_or_moved_away(service: Service) -> None:
    owner = await service.owner()
    cancelled = await service.plan(owner, remind=True)
    moved = await service.plan(owner, remind=True, when=when(15, 10))
    await service.do(planner.cancel, cancelled.id)
    await service.do(planner.move, moved.id, start=datetime(2027, 3, 20, 10))
    await service.settle(datetime(2027, 3, 15, 12, tzinfo=UTC) - service.clock.now())
    assert service.mails(ALICE) == []
    await service.settle(datetime(2027, 3, 20, 12, tzinfo=UTC) - service.clock.now())
    assert len(service.mails(ALICE)) <= 1, "by now the second one is suppressed, the first one superseded"


async def test_a_session_moved_closer_reminds_at_once(service: Service) -> None:
    entry = await service.plan(await service.owner(), remind=True)
    await service.settle(MINUTE)
    await service.do(planner.move, entry.id, start=datetime(2027, 3, 1, 20))
    await service.settle()
    assert len(service.mails(ALICE)) == 1


async def test_a_reminder_cancelled_while_it_is_written_is_not_sent(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = await service.plan(await service.owner(), remind=True, reminders=(DAY,))
    write = owner_mail.reminder_message

    def meanwhile(*given: Any) -> Any:
        service.app.store.run_now(lambda tx: planner.cancel(tx, service.app.desk, entry.id))
        return write(*given)

    monkeypatch.setattr(owner_mail, "reminder_message", meanwhile)
    await service.settle(datetime(2027, 3, 14, 8, tzinfo=UTC) - service.clock.now())
    assert service.mails(ALICE) == []
    assert await service.tx(message_rows.of_entry, entry.id) == ()
    await service.settle(10 * DAY)
    assert service.mails(ALICE) == []


async def test_a_reminder_moved_while_it_is_written_is_decided_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = await service.plan(await service.owner(), remind=True, reminders=(DAY,))
    write = owner_mail.reminder_message
    moved = False

    def meanwhile(*given: Any) -> Any:
        nonlocal moved
        if not moved:
            moved = True
            service.app.store.run_now(lambda tx: planner.move(tx, service.app.desk, entry.id, start=datetime(2027, 3, 25, 9)))
        return write(*given)

    monkeypatch.setattr(owner_mail, "reminder_message", meanwhile)
    await service.settle(datetime(2027, 3, 14, 8, tzinfo=UTC) - service.clock.now())
    assert service.mails(ALICE) == []
    await service.settle(10 * DAY)
    assert len(service.mails(ALICE)) == 1


async def test_a_restless_reminder_gets_its_turn_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = await service.plan(await service.owner(), remind=True, reminders=(DAY,))
    write, writings = owner_mail.reminder_message, 0

    def meanwhile(*given: Any) -> Any:
        nonlocal writings
        writings += 1
        if writings <= 7:
            service.app.store.run_now(lambda tx: planner.edit(tx, service.app.desk, entry.id, Changes(title=f"Titel {writings}")))
        return write(*given)

    monkeypatch.setattr(owner_mail, "reminder_message", meanwhile)
    await service.settle(datetime(2027, 3, 14, 8, tzinfo=UTC) - service.clock.now())
    (mail,) = service.mails(ALICE)
    assert "Titel 7" in mail["Subject"]


async def test_a_reminder_that_may_have_gone_out_is_repeated_as_it_was(service: Service) -> None:
    await service.plan(await service.owner(), remind=True, reminders=(DAY,))
    service.post.fail(PERHAPS, recipient=ALICE, done=True)
    await service.settle(datetime(2027, 3, 14, 8, tzinfo=UTC) - service.clock.now())
    await service.settle(MINUTE)
    first, second = (one.data for one in service.post.sent)
    assert first == second
    await service.settle(10 * DAY)
    assert len(service.post.sent) == 2


async def test_a_reminder_that_may_have_gone_out_is_not_repeated_for_another_date(service: Service) -> None:
    entry = await service.plan(await service.owner(), remind=True, reminders=(DAY,))
    service.post.fail(PERHAPS, recipient=ALICE, done=True)
    await service.settle(datetime(2027, 3, 14, 8, tzinfo=UTC) - service.clock.now())
    await service.do(planner.move, entry.id, start=datetime(2027, 3, 15, 8))
    await service.settle(MINUTE)
    first, second = service.mails(ALICE)
    assert first["Message-ID"] != second["Message-ID"]


async def test_a_series_is_reminded_of_each_date_at_its_own_wall_time_over_a_clock_change(service: Service) -> None:
    owner = await service.owner()
    entry = await service.plan(owner, remind=True, reminders=(HOUR,), when=when(22), rrule="FREQ=WEEKLY;COUNT=3")
    await service.do(planner.cancel, entry.id, recurrence_id=datetime(2027, 3, 29, 9))
    moments = []
    for _ in range(60):
        before = len(service.post.sent)
        rows_ = await service.tx(work.list_, kind=work.REMIND)
        if not rows_:
            break
        await service.settle(rows_[0].due - service.clock.now())
        if len(service.post.sent) > before:
            moments.append(service.clock.now())
    # 9:00 in Berlin is 8:00 UTC before 28 March, and 7:00 UTC after it.
    assert moments == [datetime(2027, 3, 22, 7, tzinfo=UTC), datetime(2027, 4, 5, 6, tzinfo=UTC)]
    marks = await service.tx(reminder_marks.of_entry, entry.id)
    assert [one.state for one in marks] == ["sent", "suppressed", "sent"]


async def test_a_reminder_says_who_comes_in_the_owners_language(service: Service) -> None:
    from tests.planner.test_ingest import a_mail

    owner = await service.owner(language=Language.EN)
    entry = await service.plan(owner, ANNA, BEN, remind=True, reminders=(DAY,))
    await service.settle(MINUTE)
    answer = a_mail(entry.uid, stamp=service.clock.now() + MINUTE)
    service.clock.move(HOUR)
    service.post.deliver("planner@example.test", answer)
    await service.settle(MINUTE)
    assert (await service.show(entry)).attendees[0].standing.partstat is PartStat.ACCEPTED
    await service.settle(datetime(2027, 3, 14, 8, tzinfo=UTC) - service.clock.now())
    (mail,) = service.mails(ALICE)
    body = mail.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert text.index("Anna") < text.index("Ben")
    assert "accepted" in text.lower()


async def test_reminders_that_are_not_wanted_any_more_end(service: Service) -> None:
    owner = await service.owner()
    entry = await service.plan(owner, remind=True)

    async def keys() -> list[str]:
        return sorted(row.key for row in await service.tx(work.list_, kind=work.REMIND))

    for name in (entry.id, "gone"):
        args = {"entry": name, "offset": 60}
        await service.tx(work.put, key=f"remind:{name}:60", kind=work.REMIND, due=service.clock.now(), args=args)
    await service.settle()
    assert await keys() == [f"remind:{entry.id}:86400", f"remind:{entry.id}:900"]
    await service.do(planner.edit_owner, owner.id, reminders=(2 * HOUR,))
    assert await keys() == [f"remind:{entry.id}:7200"]
    await service.do(planner.edit, entry.id, Changes(remind=False))
    assert await keys() == []
