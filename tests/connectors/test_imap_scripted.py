"""The IMAP connector on a scripted server: what pymap cannot be made to do."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.imap.connector import ImapMail
from daemon.core.errors import Refused, SitzungsplanerError, Unreachable
from daemon.ports import Mark, Security
from tests.connectors.certificates import Authority
from tests.connectors.mail_contract import LONG, SHORT, a_message
from tests.connectors.scripted_imap import DROP, ScriptedImap
from tests.connectors.test_imap import settings, until
from tests.servers.post import PASSWORD

MAILS = {12: a_message("zwoelf"), 5: a_message("fuenf"), 9: a_message("neun")}


@pytest.fixture
async def server() -> AsyncIterator[ScriptedImap]:
    async with ScriptedImap(MAILS) as server:
        yield server


@pytest.fixture
async def scripted(server: ScriptedImap) -> AsyncIterator[ImapMail]:
    box = ImapMail(settings(server.port, command_timeout=timedelta(milliseconds=300)))
    yield box
    await box.close()


class TestReading:
    async def test_a_search_that_names_the_last_mail_again_finds_nothing_new(
        self, server: ScriptedImap, scripted: ImapMail
    ) -> None:
        batch = await scripted.fetch(Mark(uidvalidity=7, uid=12))
        assert batch.mails == ()
        assert not batch.rescanned
        assert server.commands[-1] == "UID SEARCH UNDELETED UID 13:*"

    async def test_numbers_come_in_order_whatever_order_the_server_has(self, scripted: ImapMail) -> None:
        assert [mail.mark.uid for mail in (await scripted.fetch(None)).mails] == [5, 9, 12]

    async def test_the_arrival_time_is_in_utc(self, scripted: ImapMail) -> None:
        assert (await scripted.fetch(None)).mails[0].received == datetime(2026, 11, 7, 9, 0, tzinfo=UTC)

    async def test_a_mailbox_renumbered_between_two_calls_is_read_from_its_beginning_once(
        self, server: ScriptedImap, scripted: ImapMail
    ) -> None:
        mark = (await scripted.fetch(None)).mails[-1].mark
        server.uidvalidity, server.mails = 8, {1: a_message("neu")}
        await server.drop_all()
        batch = await scripted.fetch(mark)
        assert (batch.rescanned, [mail.mark for mail in batch.mails]) == (True, [Mark(uidvalidity=8, uid=1)])
        batch = await scripted.fetch(batch.mails[-1].mark)
        assert (batch.rescanned, batch.mails) == (False, ())

    async def test_a_mail_the_server_cannot_read_comes_empty_and_stops_no_other(
        self, server: ScriptedImap, scripted: ImapMail
    ) -> None:
        server.mails = {1: a_message("kaputt")}
        server.script["UID FETCH"] = [
            '* 1 FETCH (UID 1 RFC822.SIZE 300 INTERNALDATE "07-Nov-2026 10:00:00 +0100")\r\n',
            "{tag} OK\r\n",
        ]
        # The same answer to the second FETCH has no body: the mail is gone, as far as anybody can tell.
        assert (await scripted.fetch(None)).mails == ()

        del server.script["UID FETCH"]
        server.mails, server.unreadable = dict(MAILS), {9}
        assert [mail.mark.uid for mail in (await scripted.fetch(None)).mails] == [5, 12]

    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            pytest.param("NO [SERVERBUG] storage", Unreachable, id="for now"),
            pytest.param("NO cannot parse", None, id="for good"),
        ],
    )
    async def test_a_refused_body_passes_or_is_read_as_nothing(
        self, server: ScriptedImap, scripted: ImapMail, answer: str, kind: type[Exception] | None
    ) -> None:
        server.mails = {1: a_message("kaputt")}
        batch = await scripted.fetch(None)
        assert len(batch.mails) == 1

        class Refusing(dict[str, list[str]]):
            """Refuses bodies only."""

            def __contains__(self, name: object) -> bool:
                return name == "UID FETCH" and "BODY" in server.commands[-1]

        server.script = Refusing({"UID FETCH": [f"{{tag}} {answer}\r\n"]})
        if kind is not None:
            with pytest.raises(kind):
                await scripted.fetch(None)
            return
        (mail,) = (await scripted.fetch(None)).mails
        assert (mail.data, mail.truncated, mail.mark.uid) == (b"", True, 1)

    async def test_a_mail_larger_than_its_announced_size_is_cut_to_its_header(self, server: ScriptedImap) -> None:
        server.mails = {1: a_message("lang", body="x" * 5000)}
        server.sizes = {1: 100}
        box = ImapMail(settings(server.port, size_limit=1000))
        (mail,) = (await box.fetch(None)).mails
        assert mail.truncated
        assert mail.data == server.mails[1].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        await box.close()

    async def test_a_server_that_sends_without_end_is_cut_off(self, server: ScriptedImap) -> None:
        server.script["UID SEARCH"] = ["* SEARCH" + " 1" * 600_000, "\r\n{tag} OK\r\n"]
        with pytest.raises(Unreachable, match="more than was asked for"):
            await ImapMail(settings(server.port)).fetch(None)
        await until(lambda: server.open_connections == 0)

    async def test_a_batch_ends_where_memory_would_and_the_rest_is_news(self, server: ScriptedImap) -> None:
        server.mails = {uid: a_message(f"{uid}", body="x" * 900) for uid in range(1, 11)}
        box = ImapMail(settings(server.port, size_limit=1100))
        first = (await box.fetch(None)).mails
        assert 0 < len(first) < 10
        assert await box.wait(LONG) is True
        rest = (await box.fetch(first[-1].mark)).mails
        assert len(rest) > 0
        await box.close()

    async def test_what_was_left_out_of_a_batch_is_news(self, server: ScriptedImap, scripted: ImapMail) -> None:
        mark = (await scripted.fetch(None, most=2)).mails[-1].mark
        assert await scripted.wait(LONG) is True
        assert [mail.mark.uid for mail in (await scripted.fetch(mark, most=2)).mails] == [12]
        assert await scripted.wait(SHORT) is False


class TestWaiting:
    async def test_a_connection_cut_during_idle_is_told_at_once_and_the_next_call_connects_again(
        self, server: ScriptedImap, scripted: ImapMail
    ) -> None:
        await scripted.fetch(None)
        waiting = asyncio.create_task(scripted.wait(LONG))
        await server.idling.wait()
        started = time.monotonic()
        await server.drop_all()
        with pytest.raises(Unreachable, match="is lost"):
            await waiting
        assert time.monotonic() - started < 2
        assert await scripted.wait(LONG) is True, "mails may have come meanwhile"
        assert len((await scripted.fetch(None)).mails) == 3
        assert server.connections == 2

    async def test_a_goodbye_during_idle_is_told_at_once_even_if_the_connection_stays(
        self, server: ScriptedImap, scripted: ImapMail
    ) -> None:
        await scripted.fetch(None)
        waiting = asyncio.create_task(scripted.wait(LONG))
        await server.idling.wait()
        server.push("* BYE shutting down")
        with pytest.raises(Unreachable, match="goodbye: shutting down"):
            await waiting

    async def test_a_server_that_is_gone_is_unreachable_until_it_is_back(self, server: ScriptedImap, scripted: ImapMail) -> None:
        await scripted.fetch(None)
        await server.close()
        with pytest.raises(Unreachable):
            await scripted.wait(LONG)
        with pytest.raises(Unreachable, match=r"cannot be reached .*mail\.imap\.host") as caught:
            await scripted.fetch(None)
        assert isinstance(caught.value.__cause__, OSError)
        await server.open()
        assert len((await scripted.fetch(None)).mails) == 3

    async def test_a_mail_told_between_two_commands_is_not_overheard(self, server: ScriptedImap, scripted: ImapMail) -> None:
        """The library throws away what comes while nothing is asked; IDLE would not tell it a second time."""
        mark = (await scripted.fetch(None)).mails[-1].mark
        server.mails[20] = a_message("dazwischen")
        server.push("* 4 EXISTS")
        await until(lambda: scripted._connection is not None and scripted._connection.news)
        assert await scripted.wait(LONG) is True
        assert [mail.mark.uid for mail in (await scripted.fetch(mark)).mails] == [20]

    async def test_a_mail_that_went_is_no_news_and_one_in_its_place_is(self, server: ScriptedImap, scripted: ImapMail) -> None:
        await scripted.fetch(None)
        waiting = asyncio.create_task(scripted.wait(timedelta(milliseconds=100)))
        await server.idling.wait()
        server.push("* OK still here", "* 2 EXPUNGE", "* 2 EXISTS", "* 1 FETCH (FLAGS (\\Seen))")
        assert await waiting is False
        waiting = asyncio.create_task(scripted.wait(LONG))
        await server.idling.wait()
        server.push("* 3 EXISTS")
        assert await waiting is True

    async def test_idle_is_left_in_time_to_ask_whether_the_server_is_there(self, server: ScriptedImap) -> None:
        box = ImapMail(settings(server.port, idle=timedelta(milliseconds=20)))
        await box.fetch(None)
        server.commands.clear()
        assert await box.wait(timedelta(milliseconds=100)) is False
        assert server.commands[:6] == ["NOOP", "IDLE", "DONE", "NOOP", "IDLE", "DONE"]
        await box.close()

    async def test_a_connection_that_died_unnoticed_is_replaced_at_the_next_call(self, server: ScriptedImap) -> None:
        box = ImapMail(settings(server.port, command_timeout=timedelta(milliseconds=100)))
        mark = (await box.fetch(None)).mails[-1].mark
        server.script["NOOP"] = []
        assert (await box.fetch(mark)).mails == ()
        assert await box.wait(LONG) is True, "mails may have come meanwhile"
        assert server.connections == 3
        await box.close()

    @pytest.mark.parametrize("silent", ["IDLE", "NOOP"])
    async def test_a_server_that_stops_answering_is_noticed(self, server: ScriptedImap, silent: str) -> None:
        box = ImapMail(settings(server.port, idle=timedelta(milliseconds=20), command_timeout=timedelta(milliseconds=100)))
        await box.fetch(None)
        waiting = asyncio.create_task(box.wait(LONG))
        await server.idling.wait()
        server.script[silent] = []
        started = time.monotonic()
        with pytest.raises(Unreachable, match=r"no answer within 0.1 s"):
            await waiting
        assert time.monotonic() - started < 2
        server.script.clear()
        assert len((await box.fetch(None)).mails) == 3
        assert server.connections == 2
        await box.close()

    async def test_a_server_that_ends_idle_by_itself_is_asked_from_time_to_time(self, server: ScriptedImap) -> None:
        box = ImapMail(settings(server.port, poll=timedelta(milliseconds=40)))
        await box.fetch(None)
        server.script["IDLE"] = ["+ idling\r\n{tag} OK enough\r\n"]
        assert await box.wait(timedelta(milliseconds=100)) is False
        assert 2 <= server.commands.count("IDLE") <= 4
        await box.close()

    async def test_a_server_that_refuses_idle_is_refused(self, server: ScriptedImap, scripted: ImapMail) -> None:
        await scripted.fetch(None)
        server.script["IDLE"] = ["{tag} BAD not today\r\n"]
        with pytest.raises(Refused, match="to wait for mails: “not today”"):
            await scripted.wait(LONG)

    async def test_without_idle_the_server_is_asked_from_time_to_time(self) -> None:
        async with ScriptedImap(MAILS, capabilities="MOVE") as server:
            box = ImapMail(settings(server.port, poll=timedelta(milliseconds=20)))
            await box.fetch(None)
            assert await box.wait(timedelta(milliseconds=50)) is False
            assert server.commands.count("NOOP") >= 3
            server.script["NOOP"] = ["* 4 EXISTS\r\n{tag} OK\r\n"]
            assert await box.wait(LONG) is True
            assert "IDLE" not in server.commands
            await box.close()

    async def test_a_cancelled_wait_ends_the_connection_and_the_next_call_opens_one(
        self, server: ScriptedImap, scripted: ImapMail
    ) -> None:
        await scripted.fetch(None)
        waiting = asyncio.create_task(scripted.wait(LONG))
        await server.idling.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await until(lambda: server.open_connections == 0)
        assert len((await scripted.fetch(None)).mails) == 3

    async def test_thousands_of_lines_at_once_cost_at_most_the_connection(
        self, server: ScriptedImap, scripted: ImapMail, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The library recurses once per line of a packet."""
        await scripted.fetch(None)
        waiting = asyncio.create_task(scripted.wait(LONG))
        await server.idling.wait()
        server.push(*["* 1 EXPUNGE"] * 5000)
        with pytest.raises(Unreachable, match="RecursionError"):
            await waiting
        assert len((await scripted.fetch(None)).mails) == 3
        assert "Traceback" not in caplog.text


class TestOpening:
    async def test_without_plain_the_sign_in_is_by_literals_of_any_letters(self) -> None:
        async with ScriptedImap(capabilities="IDLE") as server:
            box = ImapMail(settings(server.port, username="plän er", password='pass"wört\\'))
            assert await box.check() == "* OK scripted"
            assert server.literals == ["plän er".encode(), 'pass"wört\\'.encode()]
            assert "LOGIN <literal> <literal>" in server.commands
            await box.close()

    async def test_plain_is_preferred(self) -> None:
        async with ScriptedImap(capabilities="AUTH=PLAIN") as server:
            box = ImapMail(settings(server.port, username="anna", password="wört"))
            await box.check()
            assert [base64.b64decode(one) for one in server.literals] == ["\0anna\0wört".encode()]
            await box.close()
            assert server.commands[-1] == "LOGOUT"

    async def test_who_is_signed_in_already_is_not_asked(self, server: ScriptedImap, scripted: ImapMail) -> None:
        server.greeting = "* PREAUTH welcome"
        await scripted.fetch(None)
        assert not any("LOGIN" in one for one in server.commands)

    @pytest.mark.parametrize(
        ("greeting", "script", "kind", "text"),
        [
            pytest.param("* BYE too many", {}, Unreachable, "greeted with “. BYE too many”", id="turned away"),
            pytest.param("220 smtp ready", {}, Unreachable, "greeted with “220 smtp ready”", id="another protocol"),
            pytest.param("", {}, Unreachable, "no answer in time", id="silence"),
            pytest.param(DROP, {}, Unreachable, "the server closed it", id="dropped at once"),
            pytest.param("* OK", {"CAPABILITY": ["{tag} BAD what\r\n"]}, Refused, "mail.imap.host", id="no capabilities"),
            pytest.param("* OK", {"CAPABILITY": [DROP]}, Unreachable, "the server closed it", id="dropped"),
            pytest.param(
                "* OK", {"LOGIN": ["{tag} NO [UNAVAILABLE] db\r\n"]}, Unreachable, "cannot do it now", id="sign-in later"
            ),
            pytest.param("* OK", {"LOGIN": ["* BYE out\r\n{tag} NO wrong\r\n", DROP]}, Refused, "password", id="thrown out"),
            pytest.param("* OK", {"SELECT": ["{tag} NO [NOPERM] no\r\n"]}, Refused, "mail.imap.mailbox", id="no right"),
            pytest.param("* OK", {"SELECT": ["{tag} OK\r\n"]}, Refused, "UIDVALIDITY", id="no lasting numbers"),
            pytest.param("* OK", {"SELECT": ["WRONG1 OK\r\n"]}, Unreachable, "not IMAP", id="answer to nothing"),
            pytest.param("* OK", {"SELECT": []}, Unreachable, "no answer within", id="silence at a command"),
        ],
    )
    async def test_what_a_server_says_becomes_a_sentence_and_no_connection_stays(
        self, server: ScriptedImap, greeting: str, script: dict[str, list[str]], kind: type[SitzungsplanerError], text: str
    ) -> None:
        server.greeting, server.script = greeting, script
        limit = timedelta(milliseconds=200)
        box = ImapMail(settings(server.port, connect_timeout=limit, command_timeout=limit))
        with pytest.raises(kind, match=text) as caught:
            await box.fetch(None)
        assert PASSWORD not in str(caught.value)
        await until(lambda: server.open_connections == 0)

    async def test_a_server_that_lets_nobody_sign_in_in_clear_is_refused_saying_what_to_set(self) -> None:
        async with ScriptedImap(capabilities="LOGINDISABLED STARTTLS") as server:
            with pytest.raises(Refused, match=r"mail\.imap\.security to “starttls”"):
                await ImapMail(settings(server.port)).check()


class TestProtection:
    @pytest.fixture(params=[Security.STARTTLS, Security.TLS], ids=["starttls", "tls"])
    def security(self, request: pytest.FixtureRequest) -> Security:
        security: Security = request.param
        return security

    @pytest.fixture
    async def protected(self, security: Security, tmp_path: Path) -> AsyncIterator[tuple[ScriptedImap, Authority]]:
        authority = Authority(tmp_path / "right")
        server = ScriptedImap(MAILS, capabilities="STARTTLS IDLE MOVE UIDPLUS")
        server.tls = authority.server_context()
        await server.open(tls_at_once=security is Security.TLS)
        yield server, authority
        await server.close()

    async def test_a_certificate_of_the_named_authority_is_trusted(
        self, protected: tuple[ScriptedImap, Authority], security: Security
    ) -> None:
        server, authority = protected
        box = ImapMail(settings(server.port, host="localhost", security=security, ca_file=authority.file))
        assert len((await box.fetch(None)).mails) == 3
        assert await box.wait(SHORT) is False
        await box.close()
        await until(lambda: server.open_connections == 0)

    async def test_a_certificate_of_another_authority_is_not(
        self, protected: tuple[ScriptedImap, Authority], security: Security, tmp_path: Path
    ) -> None:
        server, _ = protected
        box = ImapMail(settings(server.port, host="localhost", security=security, ca_file=Authority(tmp_path / "wrong").file))
        with pytest.raises(Unreachable, match=r"certificate .* cannot be trusted .*mail\.imap\.ca_file"):
            await box.fetch(None)
        assert not any("LOGIN" in one for one in server.commands)
        await until(lambda: server.open_connections == 0)

    async def test_verification_can_be_switched_off(self, protected: tuple[ScriptedImap, Authority], security: Security) -> None:
        server, _ = protected
        box = ImapMail(settings(server.port, security=security, verify=False))
        assert await box.check()
        await box.close()

    async def test_a_server_without_starttls_gets_no_password(self, server: ScriptedImap) -> None:
        with pytest.raises(Refused, match=r"does not offer STARTTLS.*mail\.imap\.security"):
            await ImapMail(settings(server.port, security=Security.STARTTLS)).fetch(None)
        assert server.literals == []

    async def test_who_is_signed_in_before_starttls_is_somebody_in_between(self, server: ScriptedImap) -> None:
        server.greeting, server.capabilities = "* PREAUTH welcome", "STARTTLS"
        with pytest.raises(Unreachable, match="does not fit the conversation"):
            await ImapMail(settings(server.port, security=Security.STARTTLS)).fetch(None)
        await until(lambda: server.open_connections == 0)

    async def test_a_file_that_holds_no_certificates_is_named(self, server: ScriptedImap, tmp_path: Path) -> None:
        with pytest.raises(Refused, match=r"mail\.imap\.ca_file .*keine\.pem cannot be read"):
            await ImapMail(settings(server.port, security=Security.TLS, ca_file=tmp_path / "keine.pem")).fetch(None)


MARK = Mark(uidvalidity=7, uid=9)


class TestFiling:
    async def filed(self, server: ScriptedImap, folder: str = "Processed") -> list[str]:
        box = ImapMail(settings(server.port))
        try:
            await box.file(MARK, folder)
        finally:
            await box.close()
        start = next(n for n, one in enumerate(server.commands) if one.startswith("SELECT")) + 1
        return [one for one in server.commands[start:] if not one.startswith(("LOGOUT", "LIST", "NAMESPACE"))]

    async def test_with_move_it_is_one_step(self, server: ScriptedImap) -> None:
        assert await self.filed(server) == ['UID MOVE 9 "Processed"']

    async def test_without_move_the_copy_is_made_first_and_only_this_mail_is_removed(self) -> None:
        async with ScriptedImap(MAILS, capabilities="UIDPLUS") as server:
            assert await self.filed(server) == [
                'UID COPY 9 "Processed"',
                "UID STORE 9 +FLAGS.SILENT (\\Deleted)",
                "UID EXPUNGE 9",
            ]

    async def test_a_server_that_removes_only_wholesale_is_not_asked_to(self) -> None:
        async with ScriptedImap(MAILS, capabilities="") as server:
            assert await self.filed(server) == ['UID COPY 9 "Processed"', "UID STORE 9 +FLAGS.SILENT (\\Deleted)"]

    async def test_levels_and_beginning_of_folders_are_those_of_the_server(self) -> None:
        async with ScriptedImap(MAILS, capabilities="MOVE NAMESPACE") as server:
            server.script["NAMESPACE"] = ['* NAMESPACE (("INBOX." ".")) NIL NIL\r\n{tag} OK\r\n']
            server.script["LIST"] = ['* LIST (\\Noselect) "." ""\r\n{tag} OK\r\n']
            assert await self.filed(server, "Sitzungen/Antworten") == ['UID MOVE 9 "INBOX.Sitzungen.Antworten"']

    async def test_a_folder_that_cannot_be_made_is_refused_naming_the_setting(self, server: ScriptedImap) -> None:
        server.script["UID MOVE"] = ["{tag} NO [TRYCREATE] none\r\n"]
        server.script["CREATE"] = ["{tag} NO [OVERQUOTA] full\r\n"]
        with pytest.raises(Refused, match=r"to make the folder Processed: .*full.*mail\.imap\.folder_processed"):
            await self.filed(server)

    async def test_a_move_that_fails_again_after_making_the_folder_is_told(self, server: ScriptedImap) -> None:
        server.script["UID MOVE"] = ["{tag} NO [TRYCREATE] none\r\n"]
        server.script["CREATE"] = ["{tag} NO [ALREADYEXISTS] there\r\n"]
        with pytest.raises(Refused, match="to move a mail to Processed"):
            await self.filed(server)

    async def test_after_a_refusal_the_connection_is_still_of_use(self, server: ScriptedImap, scripted: ImapMail) -> None:
        server.script["UID MOVE"] = ["{tag} NO no\r\n"]
        with pytest.raises(Refused):
            await scripted.file(MARK, "Processed")
        assert len((await scripted.fetch(None)).mails) == 3
        assert server.connections == 1
