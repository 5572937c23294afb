"""The SMTP connector on a real server (aiosmtpd) that misbehaves on demand, and on scripted ones where aiosmtpd cannot."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import aiosmtplib
import pytest

from connectors.smtp.client import wire_form
from connectors.smtp.connector import SmtpMail, SmtpSettings
from connectors.smtp.errors import Stage, translate, words
from daemon.core.errors import Refused, SitzungsplanerError, Unreachable
from daemon.demo.post import At, PostOffice
from daemon.ports import MailOut, Outgoing, Security
from tests.connectors.certificates import Authority
from tests.connectors.mail_contract import ANNA, BERTA, PLANNER, MailOutContract, an_outgoing, subjects
from tests.servers.post import post_office_packages, smtp_post

__all__ = ["smtp_post"]

HOST = "127.0.0.1"
DROP = "<drop>"


def settings(post: PostOffice, **changes: object) -> SmtpSettings:
    return replace(SmtpSettings(host=HOST, port=post.smtp_port, security=Security.NONE), **changes)  # type: ignore[arg-type]


async def until(true: Callable[[], bool]) -> None:
    """Return as soon as it holds; TimeoutError after 5 s."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - it is about a server's state, which nobody tells
            await asyncio.sleep(0.005)


@pytest.fixture
async def out(smtp_post: PostOffice) -> AsyncIterator[SmtpMail]:
    mail = SmtpMail(settings(smtp_post))
    yield mail
    await mail.close()


class TestContract(MailOutContract):
    @pytest.fixture
    def delivered(self, smtp_post: PostOffice) -> Callable[[str], list[bytes]]:
        return lambda recipient: [one.data for one in smtp_post.mails(to=recipient)]

    @pytest.fixture
    def refuse(self, smtp_post: PostOffice) -> Callable[[str], None]:
        return smtp_post.reject

    @pytest.fixture
    def defer(self, smtp_post: PostOffice) -> Callable[[str], None]:
        return lambda recipient: smtp_post.defer(recipient, times=1)


class TestConnections:
    async def test_one_mail_after_another_uses_one_connection(self, smtp_post: PostOffice, out: MailOut) -> None:
        for _ in range(5):
            await out.send(an_outgoing())
        assert (smtp_post.connections, len(smtp_post.mails())) == (1, 5)

    @pytest.mark.parametrize("most", [1, 3])
    async def test_never_more_connections_than_the_setting(self, smtp_post: PostOffice, most: int) -> None:
        out = SmtpMail(settings(smtp_post, connections=most))
        await asyncio.gather(*(out.send(an_outgoing()) for _ in range(30)))
        assert (smtp_post.most_at_once, smtp_post.connections, len(smtp_post.mails())) == (most, most, 30)
        await out.close()

    async def test_a_check_stays_within_the_connections_of_the_setting(self, smtp_post: PostOffice) -> None:
        out = SmtpMail(settings(smtp_post, connections=1))
        await out.send(an_outgoing())
        assert (await out.check()).startswith("220 post.example.test")
        await out.send(an_outgoing())
        assert (smtp_post.most_at_once, smtp_post.connections) == (1, 2)
        await out.close()

    async def test_a_resting_connection_is_ended_after_its_time(self, smtp_post: PostOffice) -> None:
        out = SmtpMail(settings(smtp_post, idle=timedelta(milliseconds=20)))
        await out.send(an_outgoing())
        await until(lambda: smtp_post.open_connections == 0)
        await out.send(an_outgoing())
        assert smtp_post.connections == 2
        await out.close()

    async def test_closing_ends_the_connections(self, smtp_post: PostOffice, out: MailOut) -> None:
        await asyncio.gather(out.send(an_outgoing()), out.send(an_outgoing()))
        await out.close()
        await until(lambda: smtp_post.open_connections == 0)

    async def test_a_send_under_way_while_closing_ends_its_own_connection(self, smtp_post: PostOffice, out: MailOut) -> None:
        sending = asyncio.create_task(out.send(an_outgoing()))
        await until(lambda: smtp_post.open_connections == 1)
        await out.close()
        await sending
        await until(lambda: smtp_post.open_connections == 0)

    async def test_connections_that_the_server_ended_meanwhile_are_no_error(self, smtp_post: PostOffice, out: MailOut) -> None:
        await asyncio.gather(out.send(an_outgoing()), out.send(an_outgoing()))
        await smtp_post.close_connections()
        await asyncio.gather(*(out.send(an_outgoing()) for _ in range(4)))
        assert len(smtp_post.mails()) == 6

    @pytest.mark.parametrize("at", [At.MAIL, At.RCPT, At.DATA])
    async def test_a_used_connection_that_breaks_before_the_mail_is_opened_anew_once(
        self, smtp_post: PostOffice, out: MailOut, at: At
    ) -> None:
        await out.send(an_outgoing())
        smtp_post.drop(at=at)
        await out.send(an_outgoing())
        assert (smtp_post.connections, len(smtp_post.mails())) == (2, 2)

    async def test_a_farewell_in_place_of_an_answer_opens_the_connection_anew(self, smtp_post: PostOffice, out: MailOut) -> None:
        await out.send(an_outgoing())
        smtp_post.reject(code=421, text="4.4.2 Timeout, closing", at=At.MAIL, times=1)
        await out.send(an_outgoing())
        assert (smtp_post.connections, len(smtp_post.mails())) == (2, 2)

    async def test_a_second_break_is_told(self, smtp_post: PostOffice, out: MailOut) -> None:
        await out.send(an_outgoing())
        smtp_post.drop(at=At.MAIL, times=2)
        with pytest.raises(Unreachable, match=r"broke at MAIL FROM") as caught:
            await out.send(an_outgoing())
        assert not caught.value.maybe_done
        assert smtp_post.connections == 2

    async def test_a_server_that_is_gone_is_unreachable_and_used_again_when_it_is_back(
        self, smtp_post: PostOffice, out: MailOut
    ) -> None:
        await out.send(an_outgoing())
        await smtp_post.close_smtp()
        with pytest.raises(Unreachable, match=r"cannot be reached .*mail\.smtp\.host") as caught:
            await out.send(an_outgoing())
        assert not caught.value.maybe_done
        assert isinstance(caught.value.__cause__, aiosmtplib.SMTPConnectError)
        await smtp_post.open_smtp()
        await out.send(an_outgoing())
        assert len(smtp_post.mails()) == 2

    async def test_a_cancelled_send_ends_its_connection_and_frees_its_place(self, smtp_post: PostOffice) -> None:
        out = SmtpMail(settings(smtp_post, connections=1))
        smtp_post.hang(at=At.RCPT)
        sending = asyncio.create_task(out.send(an_outgoing()))
        await until(lambda: smtp_post.hanging == 1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await until(lambda: smtp_post.open_connections == 0)
        await out.send(an_outgoing())
        assert len(smtp_post.mails()) == 1
        await out.close()


ANSWERS = [
    pytest.param(at, code, kind, about, id=f"{code} at {at}")
    for at, about in {
        At.MAIL: "sender address",
        At.RCPT: "the recipient",
        At.DATA: "the mail itself",
        At.DOT: "the mail itself",
    }.items()
    for code, kind in {451: Unreachable, 552: Refused}.items()
]


class TestAnswers:
    @pytest.mark.parametrize(("at", "code", "kind", "about"), ANSWERS)
    async def test_a_code_decides_what_is_raised_and_the_connection_stays_of_use(
        self, smtp_post: PostOffice, out: MailOut, at: At, code: int, kind: type[SitzungsplanerError], about: str
    ) -> None:
        smtp_post.reject(code=code, text="4.2.2 Postfach voll", at=at, times=1)
        with pytest.raises(kind) as caught:
            await out.send(an_outgoing())
        assert f"{code} 4.2.2 Postfach" in str(caught.value)
        assert (about if kind is Refused else "later") in str(caught.value)
        assert isinstance(caught.value.__cause__, aiosmtplib.SMTPResponseException)
        await out.send(an_outgoing(BERTA))
        assert (smtp_post.connections, len(smtp_post.mails(to=BERTA))) == (1, 1)

    async def test_later_says_nothing_about_when_and_did_not_happen(self, smtp_post: PostOffice, out: MailOut) -> None:
        smtp_post.defer(at=At.DOT)
        with pytest.raises(Unreachable) as caught:
            await out.send(an_outgoing())
        assert (caught.value.retry_after, caught.value.maybe_done) == (None, False)

    async def test_a_break_before_the_answer_to_the_whole_mail_leaves_it_open(self, smtp_post: PostOffice, out: MailOut) -> None:
        smtp_post.drop(at=At.DOT)
        with pytest.raises(Unreachable, match="it may have been delivered") as caught:
            await out.send(an_outgoing())
        assert caught.value.maybe_done
        assert smtp_post.connections == 1, "what may have been done is never repeated here"
        await out.send(an_outgoing())

    async def test_a_break_after_the_whole_mail_on_a_used_connection_is_not_repeated(
        self, smtp_post: PostOffice, out: MailOut
    ) -> None:
        await out.send(an_outgoing())
        smtp_post.drop(at=At.DOT)
        with pytest.raises(Unreachable) as caught:
            await out.send(an_outgoing())
        assert caught.value.maybe_done
        assert (smtp_post.connections, len(smtp_post.mails())) == (1, 1)

    @pytest.mark.parametrize("at", [At.MAIL, At.RCPT, At.DATA])
    async def test_a_break_before_the_mail_on_a_fresh_connection_did_not_happen(
        self, smtp_post: PostOffice, out: MailOut, at: At
    ) -> None:
        smtp_post.drop(at=at)
        with pytest.raises(Unreachable) as caught:
            await out.send(an_outgoing())
        assert not caught.value.maybe_done

    async def test_silence_after_the_whole_mail_has_a_limit_of_its_own(self, smtp_post: PostOffice) -> None:
        out = SmtpMail(settings(smtp_post, answer_timeout=timedelta(milliseconds=50)))
        smtp_post.hang(at=At.DOT)
        with pytest.raises(Unreachable, match="no answer in time") as caught:
            await out.send(an_outgoing())
        assert caught.value.maybe_done
        await until(lambda: smtp_post.open_connections == 0)

    async def test_silence_at_a_command_is_unreachable(self, smtp_post: PostOffice) -> None:
        out = SmtpMail(settings(smtp_post, command_timeout=timedelta(milliseconds=50)))
        smtp_post.hang(at=At.RCPT)
        with pytest.raises(Unreachable, match=r"broke at RCPT TO .no answer in time") as caught:
            await out.send(an_outgoing())
        assert not caught.value.maybe_done
        await until(lambda: smtp_post.open_connections == 0)

    async def test_a_mail_larger_than_announced_is_refused_before_it_is_sent(self) -> None:
        post_office_packages()
        async with PostOffice(size_limit=1000) as post:
            out = SmtpMail(settings(post))
            with pytest.raises(Refused, match=r"has 1,\d\d\d bytes, the server takes at most 1,000"):
                await out.send(an_outgoing(body="x\r\n" * 400))
            await out.send(an_outgoing())
            assert (post.connections, len(post.mails())) == (1, 1)
            await out.close()

    @pytest.mark.parametrize(
        "address",
        ["jürgen@example.test", "anna@example.test\r\nRSET", "Anna <anna@example.test>"],
        ids=["umlaut", "line break", "name"],
    )
    async def test_an_address_that_smtp_does_not_know_is_refused_and_never_written(
        self, smtp_post: PostOffice, out: MailOut, address: str
    ) -> None:
        with pytest.raises(Refused, match="characters that SMTP does not know"):
            await out.send(Outgoing(envelope_from=PLANNER, recipient=address, data=b"Subject: x\r\n\r\n"))
        await out.send(an_outgoing())
        assert (smtp_post.connections, len(smtp_post.mails())) == (1, 1)

    async def test_mails_of_many_megabytes_pass(self, smtp_post: PostOffice, out: MailOut) -> None:
        mail = an_outgoing(body=("." * 70 + "\r\n") * 100_000)
        await out.send(mail)
        (arrived,) = smtp_post.mails(to=ANNA)
        assert arrived.data == mail.data

    async def test_a_mail_with_eight_bit_bytes_passes_where_the_server_takes_them(
        self, smtp_post: PostOffice, out: MailOut
    ) -> None:
        await out.send(an_outgoing(body="Grüße"))
        (arrived,) = smtp_post.mails(to=ANNA)
        assert "Grüße".encode() in arrived.data


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        pytest.param(b"a\r\nb\r\n", b"a\r\nb\r\n.\r\n", id="as it is"),
        pytest.param(b"a", b"a\r\n.\r\n", id="no line end at the end"),
        pytest.param(b".a\r\n.\r\n", b"..a\r\n..\r\n.\r\n", id="leading dots"),
        pytest.param(b"a\n.\nb\r.\rc\r\n", b"a\r\n..\r\nb\r\n..\r\nc\r\n.\r\n", id="smuggled ends"),
        pytest.param(b"", b"\r\n.\r\n", id="nothing"),
    ],
)
def test_a_mail_has_one_end_on_the_wire(data: bytes, sent: bytes) -> None:
    assert wire_form(data) == sent


class TestSignIn:
    PASSWORD = 'geh"eim\\ü%'

    @pytest.fixture
    async def guarded(self) -> AsyncIterator[PostOffice]:
        post_office_packages()
        async with PostOffice(sign_in=("planner", self.PASSWORD)) as post:
            yield post

    async def test_with_the_right_password_mails_pass(self, guarded: PostOffice) -> None:
        out = SmtpMail(settings(guarded, username="planner", password=self.PASSWORD))
        await out.send(an_outgoing())
        assert len(guarded.mails()) == 1
        await out.close()

    async def test_a_wrong_password_is_refused_naming_the_setting_and_never_the_password(
        self, guarded: PostOffice, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        given = SmtpSettings(
            host=HOST, port=guarded.smtp_port, security=Security.NONE, username="planner", password="falsch-7291"
        )
        with pytest.raises(Refused, match=r"535 .*mail\.smtp\.password") as caught:
            await SmtpMail(given).check()
        assert "falsch-7291" not in f"{caught.value!r} {caught.value.__cause__!r} {given!r} {caplog.text}"

    async def test_no_password_is_refused_naming_the_sender_settings(self, guarded: PostOffice) -> None:
        with pytest.raises(Refused, match=r"530 .*mail\.smtp\.username"):
            await SmtpMail(settings(guarded)).send(an_outgoing())

    async def test_a_server_without_sign_in_is_refused_saying_what_to_do(self) -> None:
        async with scripted("220 s", ehlo="250 s") as (port, _):
            given = SmtpSettings(host=HOST, port=port, security=Security.NONE, username="planner", password="x")
            with pytest.raises(Refused, match=r"Leave mail\.smtp\.username empty"):
                await SmtpMail(given).check()


class TestProtection:
    @pytest.fixture(params=[Security.STARTTLS, Security.TLS], ids=["starttls", "tls"])
    def security(self, request: pytest.FixtureRequest) -> Security:
        security: Security = request.param
        return security

    @pytest.fixture
    async def protected(self, security: Security, tmp_path: Path) -> AsyncIterator[tuple[PostOffice, Authority]]:
        post_office_packages()
        authority = Authority(tmp_path / "right")
        at_once = security is Security.TLS
        async with PostOffice(tls=authority.server_context(), tls_at_once=at_once, sign_in=("planner", "pw")) as post:
            yield post, authority

    async def test_mails_pass_under_a_certificate_of_the_named_authority(
        self, protected: tuple[PostOffice, Authority], security: Security
    ) -> None:
        post, authority = protected
        given = settings(post, security=security, ca_file=authority.file, username="planner", password="pw", host="localhost")
        out = SmtpMail(given)
        await asyncio.gather(*(out.send(an_outgoing()) for _ in range(8)))
        assert len(post.mails()) == 8
        assert post.most_at_once <= 4
        await out.close()
        await until(lambda: post.open_connections == 0)

    async def test_a_certificate_of_another_authority_is_not_trusted(
        self, protected: tuple[PostOffice, Authority], security: Security, tmp_path: Path
    ) -> None:
        post, _ = protected
        given = settings(post, security=security, ca_file=Authority(tmp_path / "wrong").file, host="localhost")
        with pytest.raises(Unreachable, match=r"certificate .* cannot be trusted .*mail\.smtp\.ca_file"):
            await SmtpMail(given).send(an_outgoing())
        assert post.mails() == ()
        await until(lambda: post.open_connections == 0)

    async def test_a_certificate_for_another_name_is_not_trusted(
        self, protected: tuple[PostOffice, Authority], security: Security
    ) -> None:
        post, authority = protected
        given = settings(post, security=security, ca_file=authority.file, host="127.0.0.2")
        with pytest.raises(Unreachable):
            await SmtpMail(given).send(an_outgoing())

    async def test_verification_can_be_switched_off(self, protected: tuple[PostOffice, Authority], security: Security) -> None:
        post, _ = protected
        out = SmtpMail(settings(post, security=security, verify=False, username="planner", password="pw"))
        assert (await out.check()).startswith("220")
        await out.close()

    async def test_a_server_without_starttls_gets_nothing(self, smtp_post: PostOffice) -> None:
        with pytest.raises(Refused, match=r"does not offer STARTTLS.*mail\.smtp\.security"):
            await SmtpMail(settings(smtp_post, security=Security.STARTTLS)).send(an_outgoing())
        await until(lambda: smtp_post.open_connections == 0)

    async def test_a_file_that_holds_no_certificates_is_named(self, smtp_post: PostOffice, tmp_path: Path) -> None:
        file = tmp_path / "keine.pem"
        file.write_text("keine")
        with pytest.raises(Refused, match=r"mail\.smtp\.ca_file .*keine\.pem cannot be read"):
            await SmtpMail(settings(smtp_post, security=Security.TLS, ca_file=file)).check()

    async def test_a_server_that_never_speaks_has_a_limit(self) -> None:
        async with scripted("") as (port, open_connections):
            given = SmtpSettings(host=HOST, port=port, security=Security.NONE, connect_timeout=timedelta(milliseconds=50))
            started = time.monotonic()
            with pytest.raises(Unreachable, match="no answer in time"):
                await SmtpMail(given).check()
            assert time.monotonic() - started < 5
            await until(lambda: open_connections() == 0)


@asynccontextmanager
async def scripted(
    greeting: str, seen: list[str] | None = None, /, **answers: str
) -> AsyncIterator[tuple[int, Callable[[], int]]]:
    """A server that gives one answer to each command; without one it says nothing. Gives its port and a count of connections."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if greeting:
                writer.write(f"{greeting}\r\n".encode())
            while line := await reader.readline():
                command = line[:4].decode().strip().lower()
                if seen is not None:
                    seen.append(command)
                answer, drop, _ = answers.get(command, "").partition(DROP)
                if answer:
                    writer.write(f"{answer.strip()}\r\n".encode())
                    await writer.drain()
                if drop:
                    writer.close()
                    return
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1], lambda: len(tasks)
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks)


GOOD = {
    "ehlo": "250 s",
    "mail": "250 ok",
    "rcpt": "250 ok",
    "data": "354 go",
    ".": "250 ok",
    "quit": "221 bye",
    "rset": "250 ok",
}


class TestOddServers:
    @pytest.mark.parametrize(
        ("greeting", "answers", "kind", "text"),
        [
            pytest.param(
                "554 no service", {}, Refused, "turned us away at connecting: “554 no service”", id="turned away for good"
            ),
            pytest.param("421 too many", {}, Unreachable, "said “later” at connecting: “421 too many”", id="turned away for now"),
            pytest.param("+OK POP3 ready", {}, Unreachable, "not SMTP", id="another protocol"),
            pytest.param("220 s", {"mail": "what?"}, Unreachable, "not SMTP", id="nonsense in place of an answer"),
            pytest.param("220 s", {"data": "250 what"}, Unreachable, "broke at DATA", id="no go-ahead for the mail"),
            pytest.param("220 s", {"ehlo": "502 no", "helo": "550 go away"}, Refused, "550 go away", id="no greeting back"),
        ],
    )
    async def test_what_a_server_says_becomes_a_sentence(
        self, greeting: str, answers: dict[str, str], kind: type[SitzungsplanerError], text: str
    ) -> None:
        async with scripted(greeting, **GOOD | answers) as (port, open_connections):
            out = SmtpMail(SmtpSettings(host=HOST, port=port, security=Security.NONE))
            with pytest.raises(kind, match=text) as caught:
                await out.send(an_outgoing())
            assert not getattr(caught.value, "maybe_done", False)
            assert caught.value.__cause__ is not None
            await out.close()
            await until(lambda: open_connections() == 0)

    @pytest.mark.parametrize("answer", ["", "500 what?", DROP], ids=["silence", "refused", "dropped"])
    async def test_a_connection_that_cannot_be_cleared_after_a_refusal_is_used_no_more(self, answer: str) -> None:
        async with scripted("220 s", **GOOD | {"rcpt": "550 no", "rset": answer}) as (port, open_connections):
            limit = timedelta(milliseconds=100)
            out = SmtpMail(SmtpSettings(host=HOST, port=port, security=Security.NONE, command_timeout=limit))
            with pytest.raises(Refused, match="550 no"):
                await out.send(an_outgoing())
            await until(lambda: open_connections() == 0)

    async def test_a_farewell_with_the_refusal_leaves_nothing_to_clear(self) -> None:
        async with scripted("220 s", **GOOD | {"rcpt": f"550 no\r\n{DROP}"}) as (port, open_connections):
            with pytest.raises(Refused, match="550 no"):
                await SmtpMail(SmtpSettings(host=HOST, port=port, security=Security.NONE)).send(an_outgoing())
            await until(lambda: open_connections() == 0)

    async def test_a_check_that_the_server_refuses_leaves_no_connection(self) -> None:
        async with scripted("220 s", **GOOD | {"noop": "502 no"}) as (port, open_connections):
            with pytest.raises(Refused, match="turned us away at NOOP: “502 no”"):
                await SmtpMail(SmtpSettings(host=HOST, port=port, security=Security.NONE)).check()
            await until(lambda: open_connections() == 0)

    @pytest.mark.parametrize(
        ("silent", "checks"),
        [
            pytest.param("ehlo", False, id="opening"),
            pytest.param("noop", True, id="checking"),
            pytest.param("rset", False, id="clearing"),
        ],
    )
    async def test_what_is_cancelled_leaves_no_connection(self, silent: str, checks: bool) -> None:
        seen: list[str] = []
        async with scripted("220 s", seen, **GOOD | {"rcpt": "550 no", silent: ""}) as (port, open_connections):
            out = SmtpMail(SmtpSettings(host=HOST, port=port, security=Security.NONE))
            task = asyncio.create_task(out.check() if checks else out.send(an_outgoing()))
            await until(lambda: silent in seen)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: open_connections() == 0)

    async def test_nonsense_after_the_whole_mail_leaves_it_open(self) -> None:
        async with scripted("220 s", **GOOD | {".": "eh?"}) as (port, _):
            with pytest.raises(Unreachable) as caught:
                await SmtpMail(SmtpSettings(host=HOST, port=port, security=Security.NONE)).send(an_outgoing(body="x"))
            assert caught.value.maybe_done

    async def test_a_server_that_knows_only_helo_gets_its_mails(self) -> None:
        async with scripted("220 old", **GOOD | {"ehlo": "502 no", "helo": "250 old"}) as (port, _):
            out = SmtpMail(SmtpSettings(host=HOST, port=port, security=Security.NONE, helo="planner.example.test"))
            assert (await out.send(an_outgoing())).reply == "250 ok"
            await out.close()


@pytest.mark.parametrize(
    ("code", "text", "remedy"),
    [
        (550, "5.1.1 <anna@example.test>: Nobody of this name", "Check the address."),
        (550, "No such user", "Check the address."),
        (554, "5.7.1 <anna@example.test>: Relay access denied", "whether mail.smtp.username is set"),
        (530, "Authentication required", "whether mail.smtp.username is set"),
    ],
)
def test_a_server_that_does_not_let_us_send_is_not_taken_for_a_wrong_address(code: int, text: str, remedy: str) -> None:
    """Postfix says so to each recipient in turn, where a sign-in is missing: nobody's address is wrong then."""
    error = aiosmtplib.SMTPRecipientRefused(code, text, ANNA)
    found = translate(error, stage=Stage.RECIPIENT, server="mail.example.test:25", about=ANNA)
    assert isinstance(found, Refused)
    assert remedy in str(found)
    assert text in str(found)


def test_words_of_a_server_are_one_printable_line_of_bounded_length() -> None:
    assert words(550, "5.1.1 No\nsuch\x1b[31m user\udcff") == "550 5.1.1 No such [31m user"
    assert len(words(550, "x" * 5000)) == 300


def test_an_error_without_words_is_named_by_its_kind() -> None:
    error = translate(ConnectionResetError(), stage=Stage.RECIPIENT, server="mail.example.test:25", about=ANNA)
    assert "ConnectionResetError" in str(error)


async def test_one_failing_mail_among_many_stops_no_other(smtp_post: PostOffice, out: MailOut) -> None:
    smtp_post.reject(BERTA)
    wanted = [BERTA if number % 5 == 0 else ANNA for number in range(25)]
    results = await asyncio.gather(*(out.send(an_outgoing(to, f"{n:02}")) for n, to in enumerate(wanted)), return_exceptions=True)
    assert [isinstance(result, Refused) for result in results] == [to == BERTA for to in wanted]
    assert sorted(subjects([one.data for one in smtp_post.mails()])) == [f"{n:02}" for n, to in enumerate(wanted) if to == ANNA]
    assert smtp_post.most_at_once <= 4
