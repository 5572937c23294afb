"""What the mail connectors see of their servers: TLS, the certificate's end, abilities, the last mail."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from connectors.imap.connector import ImapMail, ImapSettings
from connectors.smtp.connector import SmtpMail, SmtpSettings
from daemon.clock import SystemClock
from daemon.core.errors import Refused, Unreachable
from daemon.demo.post import PostOffice
from daemon.ports import MailServer, Mark, Security
from tests.connectors.certificates import Authority
from tests.connectors.scripted_imap import ScriptedImap
from tests.servers.post import PASSWORD, PLANNER, USER, post_office, post_office_packages, smtp_post

__all__ = ["post_office", "smtp_post"]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


def has_a_certificate_for_a_day(seen: MailServer) -> bool:
    assert seen.certificate_until is not None
    return timedelta(0) < seen.certificate_until - SystemClock().now() <= timedelta(days=1)


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_a_mail_server_over_tls(security: Security, authority: Authority) -> None:
    post_office_packages()
    at_once = security is Security.TLS
    sign_in = None if at_once else ("u", "pw")  # aiosmtpd offers AUTH only after its own STARTTLS
    async with PostOffice(tls=authority.server_context(), tls_at_once=at_once, sign_in=sign_in, size_limit=5000) as post:
        out = SmtpMail(
            SmtpSettings(
                host="localhost",
                port=post.smtp_port,
                security=security,
                ca_file=authority.file,
                username="" if at_once else "u",
                password="" if at_once else "pw",
            )
        )
        seen = await out.probe()
        await out.close()
    assert seen.tls in ("TLSv1.2", "TLSv1.3")
    assert has_a_certificate_for_a_day(seen)
    assert (seen.signed_in, seen.size_limit, seen.newest) == (not at_once, 5000, None)
    assert {"SIZE", "8BITMIME"} <= seen.abilities


async def test_a_mail_server_in_clear(smtp_post: PostOffice) -> None:
    out = SmtpMail(SmtpSettings(host="127.0.0.1", port=smtp_post.smtp_port, security=Security.NONE))
    seen = await out.probe()
    assert (seen.tls, seen.certificate_until, seen.signed_in) == ("", None, False)
    assert seen.greeting == await out.check()
    await out.close()
    await smtp_post.close_smtp()
    with pytest.raises(Unreachable, match="cannot be reached"):
        await out.probe()


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_a_mailbox_over_tls(security: Security, authority: Authority) -> None:
    server = ScriptedImap({3: b"a", 9: b"b"}, capabilities="IDLE MOVE STARTTLS", uidvalidity=7)
    server.tls = authority.server_context()
    await server.open(tls_at_once=security is Security.TLS)
    box = ImapMail(ImapSettings(host="localhost", port=server.port, security=security, username="u", ca_file=authority.file))
    seen = await box.probe()
    await box.close()
    await server.close()
    assert seen.tls in ("TLSv1.2", "TLSv1.3")
    assert has_a_certificate_for_a_day(seen)
    assert (seen.signed_in, seen.newest) == (True, Mark(uidvalidity=7, uid=9))
    assert "MOVE" in seen.abilities
    assert "UIDPLUS" not in seen.abilities


async def test_the_last_mail_of_a_mailbox_is_where_the_next_one_is_looked_for(post_office: PostOffice) -> None:
    given = ImapSettings(host="127.0.0.1", port=post_office.imap_port, security=Security.NONE, username=USER, password=PASSWORD)
    box = ImapMail(given)
    empty = (await box.probe()).newest
    assert empty is not None
    assert empty.uid == 0
    await post_office.put(PLANNER, b"Subject: one\r\n\r\n")
    seen = await box.probe()
    assert (seen.tls, seen.certificate_until) == ("", None)
    assert seen.newest == Mark(uidvalidity=empty.uidvalidity, uid=(await box.fetch(None)).mails[-1].mark.uid)
    assert (await box.fetch(seen.newest)).mails == ()
    await post_office.put(PLANNER, b"Subject: two\r\n\r\n")
    assert [one.data for one in (await box.fetch(seen.newest)).mails] == [b"Subject: two\r\n\r\n"]
    await box.close()


async def test_a_mailbox_that_is_not_there_is_refused(post_office: PostOffice) -> None:
    box = ImapMail(
        ImapSettings(
            host="127.0.0.1",
            port=post_office.imap_port,
            security=Security.NONE,
            username=USER,
            password=PASSWORD,
            mailbox="Antworten",
        )
    )
    with pytest.raises(Refused, match=r"Check mail\.imap\.mailbox"):
        await box.probe()
