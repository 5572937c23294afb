"""What every MailOut and every MailIn must do, whatever lies behind it. Subclass and give the fixtures.

`MailOutContract` needs the fixtures
    out        a fresh MailOut
    delivered  function: recipient → the bytes that arrived for this recipient, oldest first
    refuse     function: recipient → the server refuses this recipient for good from now on
    defer      function: recipient → the server says “later” to this recipient, once
`MailInContract` needs
    box        a fresh MailIn on an empty mailbox
    put        async function: bytes → a new mail in that mailbox
    folder     async function: folder name → the bytes of the mails in it
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from daemon.core.errors import Refused, Unreachable
from daemon.ports import MailIn, MailOut, Mark, Outgoing

Delivered = Callable[[str], Sequence[bytes]]
Misbehave = Callable[[str], object]
Put = Callable[[bytes], Awaitable[object]]
Folder = Callable[[str], Awaitable[Sequence[bytes]]]

PLANNER = "planner@example.test"
ANNA = "anna@example.test"
BERTA = "berta@example.test"

SHORT = timedelta(milliseconds=50)
LONG = timedelta(seconds=30)


def a_message(subject: str = "Beratung", *, body: str = "Guten Tag", sender: str = ANNA, recipient: str = PLANNER) -> bytes:
    """RFC 5322 bytes with CRLF line ends."""
    lines = [f"From: {sender}", f"To: {recipient}", f"Subject: {subject}", "Message-ID: <1@example.test>", "", body, ""]
    return "\r\n".join(lines).encode()


def an_outgoing(recipient: str = ANNA, subject: str = "Beratung", *, body: str = "Guten Tag") -> Outgoing:
    data = a_message(subject, body=body, sender=PLANNER, recipient=recipient)
    return Outgoing(envelope_from=PLANNER, recipient=recipient, data=data)


def subjects(mails: Sequence[bytes]) -> list[str]:
    prefix = b"Subject: "
    return [line.removeprefix(prefix).decode() for mail in mails for line in mail.split(b"\r\n") if line.startswith(prefix)]


class MailOutContract:
    """Runs on each MailOut."""

    async def test_a_mail_arrives_byte_for_byte_and_only_at_its_recipient(self, out: MailOut, delivered: Delivered) -> None:
        mail = an_outgoing(ANNA, body=".\r\n..\r\n.Punkte am Anfang\r\n\r\nEnde")
        await out.send(mail)
        assert list(delivered(ANNA)) == [mail.data]
        assert list(delivered(BERTA)) == []

    async def test_the_receipt_holds_the_words_of_the_server(self, out: MailOut) -> None:
        receipt = await out.send(an_outgoing())
        assert receipt.reply.startswith("250")

    async def test_mails_sent_at_the_same_time_all_arrive_once(self, out: MailOut, delivered: Delivered) -> None:
        names = [f"Beratung {number:02}" for number in range(20)]
        await asyncio.gather(*(out.send(an_outgoing(ANNA, name)) for name in names))
        assert sorted(subjects(delivered(ANNA))) == names

    async def test_a_refused_recipient_is_refused_and_others_get_their_mails(
        self, out: MailOut, delivered: Delivered, refuse: Misbehave
    ) -> None:
        refuse(BERTA)
        with pytest.raises(Refused):
            await out.send(an_outgoing(BERTA))
        await out.send(an_outgoing(ANNA))
        assert (len(delivered(ANNA)), len(delivered(BERTA))) == (1, 0)

    async def test_later_is_unreachable_and_a_later_try_arrives(
        self, out: MailOut, delivered: Delivered, defer: Misbehave
    ) -> None:
        defer(ANNA)
        with pytest.raises(Unreachable) as caught:
            await out.send(an_outgoing())
        assert not caught.value.maybe_done
        assert list(delivered(ANNA)) == []
        await out.send(an_outgoing())
        assert len(delivered(ANNA)) == 1

    async def test_a_check_returns_the_greeting_and_sends_nothing(self, out: MailOut, delivered: Delivered) -> None:
        assert await out.check()
        assert list(delivered(ANNA)) == []

    async def test_it_may_be_closed_twice(self, out: MailOut) -> None:
        await out.send(an_outgoing())
        await out.close()
        await out.close()


class MailInContract:
    """Runs on each MailIn."""

    async def test_an_empty_mailbox_has_no_mails(self, box: MailIn) -> None:
        batch = await box.fetch(None)
        assert batch.mails == ()
        assert not batch.rescanned

    async def test_mails_come_oldest_first_with_rising_marks(self, box: MailIn, put: Put) -> None:
        for name in ("eins", "zwei", "drei"):
            await put(a_message(name))
        mails = (await box.fetch(None)).mails
        assert subjects([one.data for one in mails]) == ["eins", "zwei", "drei"]
        uids = [one.mark.uid for one in mails]
        assert uids == sorted(set(uids))
        assert len({one.mark.uidvalidity for one in mails}) == 1

    async def test_a_mail_comes_whole_and_with_the_time_of_its_arrival_in_utc(self, box: MailIn, put: Put) -> None:
        data = a_message("Antwort", body="(Grüße {5}\r\n* OK\r\n\r\n")
        await put(data)
        (mail,) = (await box.fetch(None)).mails
        assert mail.data == data
        assert not mail.truncated
        assert mail.received.tzinfo is UTC
        assert abs(mail.received - datetime.now(UTC)) < timedelta(minutes=1)

    async def test_after_a_mark_only_newer_mails_come(self, box: MailIn, put: Put) -> None:
        await put(a_message("alt"))
        (old,) = (await box.fetch(None)).mails
        assert (await box.fetch(old.mark)).mails == ()
        await put(a_message("neu"))
        batch = await box.fetch(old.mark)
        assert subjects([one.data for one in batch.mails]) == ["neu"]
        assert not batch.rescanned

    async def test_at_most_as_many_as_asked_for_come_and_the_rest_after_them(self, box: MailIn, put: Put) -> None:
        for number in range(5):
            await put(a_message(f"{number}"))
        first = (await box.fetch(None, most=2)).mails
        rest = (await box.fetch(first[-1].mark)).mails
        assert subjects([one.data for one in (*first, *rest)]) == ["0", "1", "2", "3", "4"]
        assert len(first) == 2

    async def test_fetching_takes_nothing_away(self, box: MailIn, put: Put) -> None:
        await put(a_message())
        assert await box.fetch(None) == await box.fetch(None)

    async def test_a_mark_of_another_numbering_reads_the_mailbox_from_its_beginning(self, box: MailIn, put: Put) -> None:
        await put(a_message("eins"))
        (mail,) = (await box.fetch(None)).mails
        foreign = Mark(uidvalidity=mail.mark.uidvalidity + 1, uid=mail.mark.uid + 100)
        batch = await box.fetch(foreign)
        assert batch.rescanned
        assert batch.mails == (mail,)

    async def test_waiting_ends_with_false_when_patience_is_over(self, box: MailIn) -> None:
        await box.fetch(None)
        assert await box.wait(SHORT) is False

    async def test_waiting_ends_soon_after_a_mail_came(self, box: MailIn, put: Put) -> None:
        await box.fetch(None)
        waiting = asyncio.create_task(box.wait(LONG))
        await asyncio.sleep(0)
        started = time.monotonic()
        await put(a_message())
        assert await waiting is True
        assert time.monotonic() - started < 2
        assert len((await box.fetch(None)).mails) == 1

    async def test_a_mail_that_came_before_the_waiting_began_ends_it_at_once(self, box: MailIn, put: Put) -> None:
        await box.fetch(None)
        await put(a_message())
        started = time.monotonic()
        assert await box.wait(LONG) is True
        assert time.monotonic() - started < 2

    async def test_a_filed_mail_lies_in_its_folder_and_no_longer_in_the_inbox(
        self, box: MailIn, put: Put, folder: Folder
    ) -> None:
        await put(a_message("bleibt"))
        await put(a_message("geht"))
        stays, goes = (await box.fetch(None)).mails
        await box.file(goes.mark, "Processed")
        assert (await box.fetch(None)).mails == (stays,)
        assert subjects(await folder("Processed")) == ["geht"]

    async def test_filing_a_mail_that_is_gone_is_fine(self, box: MailIn, put: Put, folder: Folder) -> None:
        await put(a_message("einmal"))
        (mail,) = (await box.fetch(None)).mails
        await box.file(mail.mark, "Processed")
        await box.file(mail.mark, "Processed")
        assert subjects(await folder("Processed")) == ["einmal"]

    async def test_filing_by_a_mark_of_another_numbering_touches_nothing(self, box: MailIn, put: Put) -> None:
        await put(a_message())
        (mail,) = (await box.fetch(None)).mails
        await box.file(Mark(uidvalidity=mail.mark.uidvalidity + 1, uid=mail.mark.uid), "Processed")
        assert (await box.fetch(None)).mails == (mail,)

    async def test_a_check_returns_the_greeting(self, box: MailIn) -> None:
        assert await box.check()

    async def test_it_may_be_closed_twice(self, box: MailIn) -> None:
        await box.fetch(None)
        await box.close()
        await box.close()
