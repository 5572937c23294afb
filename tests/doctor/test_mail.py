"""Mail servers as facts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from daemon.config import Imap, Security, Smtp
from daemon.core.errors import Refused
from daemon.doctor import Level
from daemon.doctor.mail import Met, judge_imap, judge_smtp, meet
from daemon.ports import MailServer
from tests.doctor.tables import levels, the

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SMTP = Smtp(host="mail.example.org", username="sitzung")
IMAP = Imap(host="mail.example.org", username="sitzung")
SEEN = MailServer(
    greeting="hello", tls="TLSv1.3", certificate_until=NOW + timedelta(days=60), signed_in=True, size_limit=10 * 1024**2
)
ABLE = replace(SEEN, size_limit=None, abilities=frozenset({"IDLE", "MOVE", "UIDPLUS", "SORT"}))

OUT = {
    "all is well": (SMTP, SEEN, [], "over TLSv1.3, certificate until 2027-01-21, signed in as sitzung, takes mails up to 10 MiB"),
    "in clear": (
        SMTP.model_copy(update={"security": Security.NONE}),
        replace(SEEN, tls="", certificate_until=None),
        ["warning"],
        "in clear to mail.example.org",
    ),
    "in clear on this machine, nobody signs in": (
        Smtp(host="localhost", port=25, security=Security.NONE),
        MailServer(greeting="hello"),
        [],
        "localhost:25 answers in clear on this machine, without signing in",
    ),
    "old TLS": (SMTP, replace(SEEN, tls="TLSv1.1"), ["warning"], "TLSv1.1 only"),
    "a certificate that ends soon": (SMTP, replace(SEEN, certificate_until=NOW + timedelta(days=13)), ["warning"], "2026-12-05"),
    "a certificate that ends at once": (SMTP, replace(SEEN, certificate_until=NOW + timedelta(days=2)), ["problem"], "Renew it"),
    "small mails only": (SMTP, replace(SEEN, size_limit=50_000), ["warning"], "50,000 bytes only"),
    "no word of sizes": (SMTP, replace(SEEN, size_limit=None), [], "signed in as sitzung."),
}

IN = {
    "all is well": (IMAP, ABLE, [], "opens INBOX over TLSv1.3, certificate until 2027-01-21, signed in as sitzung; it"),
    "no IDLE": (IMAP, replace(ABLE, abilities=frozenset({"MOVE"})), ["note"], "no IDLE"),
    "no MOVE": (IMAP, replace(ABLE, abilities=frozenset({"IDLE", "UIDPLUS"})), ["note"], "copied and removed"),
    "neither MOVE nor UIDPLUS": (IMAP, replace(ABLE, abilities=frozenset({"IDLE"})), ["warning"], "marked as deleted"),
    "nothing is moved anyway": (
        IMAP.model_copy(update={"folder_processed": ""}),
        replace(ABLE, abilities=frozenset({"IDLE"})),
        [],
        "it knows IDLE",
    ),
    "nothing at all": (
        IMAP.model_copy(update={"folder_processed": ""}),
        replace(ABLE, abilities=frozenset()),
        ["note"],
        "nothing beyond the oldest rules",
    ),
    "a certificate that ends soon": (IMAP, replace(ABLE, certificate_until=NOW + timedelta(days=5)), ["warning"], "2026-11-27"),
}


@pytest.mark.parametrize("case", OUT)
def test_what_is_said_of_the_server_that_takes_mails(case: str) -> None:
    given, seen, expected, piece = OUT[case]
    findings = judge_smtp(given, Met(server=seen), now=NOW)
    assert levels(findings) == expected
    assert piece in " ".join(f"{one.what} {one.remedy}" for one in findings)


@pytest.mark.parametrize("case", IN)
def test_what_is_said_of_the_mailbox(case: str) -> None:
    given, seen, expected, piece = IN[case]
    findings = judge_imap(given, Met(server=seen), now=NOW)
    assert levels(findings) == expected
    assert piece in " ".join(f"{one.what} {one.remedy}" for one in findings)


async def test_a_server_s_refusal_is_a_problem_with_its_remedy() -> None:
    async def probe() -> MailServer:
        raise Refused("mail.example.org does not accept the sign-in. Not tried again. Check mail.smtp.password.")

    met = await meet(probe(), patience=timedelta(seconds=5))
    found = the(judge_smtp(SMTP, met, now=NOW), Level.PROBLEM, "does not accept")
    assert (found.where, found.what, found.remedy) == (
        "mail.smtp",
        "mail.example.org does not accept the sign-in.",
        "Check mail.smtp.password.",
    )


async def test_a_server_that_says_nothing_is_given_up() -> None:
    async def probe() -> MailServer:
        return await asyncio.get_running_loop().create_future()

    met = await meet(probe(), patience=timedelta(milliseconds=10))
    found = the(judge_imap(IMAP, met, now=NOW), Level.PROBLEM, "did not answer within 0.01 seconds")
    assert "mail.imap.host" in found.remedy
