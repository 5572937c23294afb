"""The IMAP connector on a real server (pymap), and on a scripted one for what pymap cannot be made to do."""

from __future__ import annotations

import asyncio
import base64
import imaplib
import logging
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.imap.connector import ImapMail, ImapSettings
from connectors.smtp.connector import SmtpMail, SmtpSettings
from daemon.core.errors import Refused, Unreachable
from daemon.demo.post import HOST, Mailboxes, MissingPackageError, PostOffice
from daemon.ports import Security
from tests.connectors.mail_contract import LONG, MailInContract, a_message, an_outgoing, subjects
from tests.servers.post import PASSWORD, PLANNER, USER, post_office, post_office_packages

__all__ = ["post_office"]


def settings(port: int, **changes: object) -> ImapSettings:
    basic = ImapSettings(host=HOST, port=port, security=Security.NONE, username=USER, password=PASSWORD)
    return replace(basic, **changes)  # type: ignore[arg-type]


def look(port: int, folder: str, parts: str) -> list[bytes]:
    """What another mail program finds in a folder."""
    with imaplib.IMAP4(HOST, port, timeout=10) as imap:
        imap.login(USER, PASSWORD)
        answer, _ = imap.select(folder, readonly=True)
        if answer != "OK":
            return []
        _, data = imap.fetch("1:*", parts)
        return [one[1] if isinstance(one, tuple) else one for one in data if one not in (b")", None)]


async def until(true: Callable[[], bool]) -> None:
    """Return as soon as it holds; TimeoutError after 5 s."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - it is about a server's state, which nobody tells
            await asyncio.sleep(0.005)


@pytest.fixture(scope="module")
def mailboxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailboxes]:
    """One pymap for all tests here; `box` empties it."""
    post_office_packages()
    mailboxes = Mailboxes({PLANNER: (USER, PASSWORD)}, tmp_path_factory.mktemp("pymap"))
    mailboxes.start(PLANNER)
    yield mailboxes
    mailboxes.stop_all()


@pytest.fixture
def port(mailboxes: Mailboxes) -> int:
    number = mailboxes.ports[PLANNER]
    with imaplib.IMAP4(HOST, number, timeout=10) as imap:
        imap.login(USER, PASSWORD)
        _, listed = imap.list()
        for line in listed:
            name = line.decode().rpartition(' "/" ')[2] if isinstance(line, bytes) else ""
            if name not in ("INBOX", ""):
                imap.delete(name)
        imap.select()
        imap.store("1:*", "+FLAGS", "\\Deleted")
        imap.expunge()
    return number


@pytest.fixture
async def box(port: int) -> AsyncIterator[ImapMail]:
    box = ImapMail(settings(port))
    yield box
    await box.close()


@pytest.fixture
def put(mailboxes: Mailboxes) -> Callable[[bytes], Awaitable[None]]:
    return lambda data: asyncio.to_thread(mailboxes.append, PLANNER, data)


class TestContract(MailInContract):
    @pytest.fixture
    def folder(self, port: int) -> Callable[[str], Awaitable[Sequence[bytes]]]:
        return lambda name: asyncio.to_thread(look, port, name, "(BODY.PEEK[])")


Put = Callable[[bytes], Awaitable[None]]


class TestRealServer:
    async def test_a_larger_mail_comes_as_its_header(self, port: int, put: Put) -> None:
        await put(a_message("klein"))
        await put(a_message("gross", body="x\r\n" * 1000))
        box = ImapMail(settings(port, size_limit=1000))
        small, large = (await box.fetch(None)).mails
        assert (small.truncated, large.truncated) == (False, True)
        assert subjects([large.data]) == ["gross"]
        assert large.data.endswith(b"\r\n\r\n")
        assert b"x\r\n" not in large.data
        await box.close()

    async def test_reading_leaves_no_mark_on_the_mail(self, box: ImapMail, port: int, put: Put) -> None:
        await put(a_message())
        assert len((await box.fetch(None)).mails) == 1
        (flags,) = await asyncio.to_thread(look, port, "INBOX", "(FLAGS)")
        assert b"Seen" not in flags

    async def test_folders_may_have_any_letters_and_levels(self, box: ImapMail, put: Put, port: int) -> None:
        await put(a_message("eins"))
        await put(a_message("zwei"))
        for mail in (await box.fetch(None)).mails:
            await box.file(mail.mark, "Verarbeitet/Älteres & mehr")
        assert subjects(await asyncio.to_thread(look, port, '"Verarbeitet/&AMQ-lteres &- mehr"', "(BODY.PEEK[])")) == [
            "eins",
            "zwei",
        ]

    async def test_mails_marked_as_deleted_are_not_read(self, box: ImapMail, put: Put, port: int) -> None:
        await put(a_message())

        def mark() -> None:
            with imaplib.IMAP4(HOST, port, timeout=10) as imap:
                imap.login(USER, PASSWORD)
                imap.select()
                imap.store("1", "+FLAGS", "\\Deleted")

        await asyncio.to_thread(mark)
        assert (await box.fetch(None)).mails == ()

    async def test_a_wrong_password_is_refused_naming_the_setting_and_never_the_password(
        self, port: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        given = settings(port, password="falsch-7291")
        with pytest.raises(Refused, match=r"refused the sign-in.*mail\.imap\.password") as caught:
            await ImapMail(given).check()
        coded = base64.b64encode(b"\0planner\0falsch-7291").decode()
        for shown in (str(caught.value), repr(given), caplog.text):
            assert "falsch-7291" not in shown
            assert coded not in shown
        assert "AUTHENTICATE" in caplog.text, "the library wrote its log, and the command is in it"

    async def test_a_mailbox_that_is_not_there_is_refused_naming_the_setting(self, port: int) -> None:
        with pytest.raises(Refused, match=r"to open Nirgendwo.*mail\.imap\.mailbox"):
            await ImapMail(settings(port, mailbox="Nirgendwo")).fetch(None)

    async def test_a_password_with_umlauts_signs_in(self) -> None:
        post_office_packages()
        async with PostOffice(local={PLANNER: (USER, 'pässwört \\"%')}) as post:
            box = ImapMail(settings(post.imap_port, password='pässwört \\"%'))
            assert await box.check()
            await box.close()

    async def test_a_mailbox_built_anew_is_read_from_its_beginning(self, post_office: PostOffice) -> None:
        await post_office.put(PLANNER, a_message("vorher"))
        box = ImapMail(settings(post_office.imap_port))
        (before,) = (await box.fetch(None)).mails
        waiting = asyncio.create_task(box.wait(LONG))
        await asyncio.sleep(0)
        started = time.monotonic()
        await post_office.close_mailbox(PLANNER)
        with pytest.raises(Unreachable):
            await waiting
        assert time.monotonic() - started < 6, "the server's own end took longest"

        await post_office.open_mailbox(PLANNER)
        await post_office.put(PLANNER, a_message("nachher"))
        again = ImapMail(settings(post_office.imap_port))
        batch = await again.fetch(before.mark)
        assert batch.rescanned
        assert subjects([one.data for one in batch.mails]) == ["nachher"]
        await again.close()


class TestPostOffice:
    @pytest.mark.parametrize("package", ["aiosmtpd", "pymap"])
    async def test_a_missing_package_is_one_sentence_with_the_remedy(self, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
        post_office_packages()
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(MissingPackageError, match=rf"{package} is not installed: run `pip install 'sitzungsplaner\[demo\]'`"):
            await PostOffice(local={PLANNER: (USER, PASSWORD)}).__aenter__()

    async def test_a_mail_by_smtp_is_seen_in_the_mailbox_within_two_seconds(self, post_office: PostOffice) -> None:
        box = ImapMail(settings(post_office.imap_port))
        out = SmtpMail(SmtpSettings(host=HOST, port=post_office.smtp_port, security=Security.NONE))
        assert (await box.fetch(None)).mails == ()
        waiting = asyncio.create_task(box.wait(LONG))
        started = time.monotonic()
        mail = an_outgoing("planner+abc123@example.test", "Accepted")
        await out.send(mail)
        assert await waiting is True
        assert time.monotonic() - started < 2
        (arrived,) = (await box.fetch(None)).mails
        assert arrived.data == mail.data
        await out.close()
        await box.close()

    async def test_mails_are_kept_by_recipient_in_order_and_as_files(self, tmp_path: Path) -> None:
        post_office_packages()
        began = datetime.now(UTC)
        async with PostOffice(directory=tmp_path / "post") as post:
            out = SmtpMail(SmtpSettings(host=HOST, port=post.smtp_port, security=Security.NONE))
            await out.send(an_outgoing("anna@example.test", "eins"))
            await out.send(an_outgoing("Berta@Example.test", "zwei"))
            (anna,) = await post.wait_for("anna@example.test")
            (berta,) = post.mails(to="berta@example.test", since=began)
            assert (anna.message["Subject"], berta.message["Subject"]) == ("eins", "zwei")
            assert (berta.envelope_from, berta.recipient) == (PLANNER, "Berta@Example.test")
            assert post.mails(since=datetime.now(UTC)) == ()
            files = sorted((tmp_path / "post").iterdir())
            assert [one.name for one in files] == ["0001-anna@example.test.eml", "0002-Berta@Example.test.eml"]
            assert files[0].read_bytes() == anna.data
            await out.close()

    async def test_waiting_for_mails_that_never_come_says_what_came(self) -> None:
        post_office_packages()
        async with PostOffice() as post:
            out = SmtpMail(SmtpSettings(host=HOST, port=post.smtp_port, security=Security.NONE))
            await out.send(an_outgoing("anna@example.test", "eins"))
            with pytest.raises(
                TimeoutError, match=r"1 of 2 mails to anna@example.test in 0.05 s. Delivered: anna@example.test: eins"
            ):
                await post.wait_for("anna@example.test", 2, timeout=0.05)
            await out.close()

    async def test_a_mailbox_that_cannot_be_written_defers_the_mail(self, post_office: PostOffice) -> None:
        await post_office.close_mailbox(PLANNER)
        out = SmtpMail(SmtpSettings(host=HOST, port=post_office.smtp_port, security=Security.NONE))
        with pytest.raises(Unreachable, match="mailbox cannot be written now"):
            await out.send(an_outgoing(PLANNER))
        assert post_office.mails() == ()
        await out.close()
