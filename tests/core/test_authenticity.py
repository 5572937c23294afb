"""What our own mail server found out about a mail (RFC 8601), and what an answer is worth by that."""

from __future__ import annotations

import pytest

from daemon.core.authenticity import Authenticity, Checked, objection, read_results, related
from daemon.core.model import PartStat

OWN = "mx.org.example"
PASS = f"{OWN}; spf=pass smtp.mailfrom=bounce@corp.example; dkim=pass header.d=corp.example; dmarc=pass header.from=corp.example"
ANNA = "anna@corp.example"


def doubt(
    *fields: str,
    level: Authenticity = Authenticity.NORMAL,
    partstat: PartStat = PartStat.ACCEPTED,
    sender: str = ANNA,
    written_by: str = "",
) -> str:
    return objection(read_results(fields, OWN), level, sender=sender, written_by=written_by, partstat=partstat)


def test_only_the_topmost_field_of_our_own_server_counts() -> None:
    forged = "evil.example; dmarc=pass header.from=corp.example"
    assert read_results((forged,), OWN) is None
    assert read_results((f"{OWN}; dmarc=fail header.from=corp.example", PASS), OWN) == Checked(
        dmarc="fail", dmarc_domain="corp.example"
    )
    assert read_results((PASS,), "") is None


def test_results_are_read_with_versions_comments_and_capitals() -> None:
    signed = "DKIM=Pass (2048-bit; key) header.i=@Corp.Example header.b=x"
    field = f"{OWN.upper()} 1; {signed}; spf=none; arc=pass; dmarc=pass (p=none) header.from=corp.example"
    assert read_results((field,), OWN) == Checked(
        dmarc="pass", dmarc_domain="corp.example", spf="none", dkim=(("pass", "corp.example"),)
    )


@pytest.mark.parametrize(
    ("field", "level", "partstat", "reason"),
    [
        pytest.param(PASS, Authenticity.STRICT, PartStat.DECLINED, "", id="vouched for by all"),
        pytest.param(
            f"{OWN}; dmarc=fail header.from=corp.example", Authenticity.NORMAL, PartStat.ACCEPTED, "DMARC", id="DMARC fails"
        ),
        pytest.param(f"{OWN}; dmarc=fail header.from=corp.example", Authenticity.OFF, PartStat.DECLINED, "", id="switched off"),
        pytest.param(f"{OWN}; spf=none; dmarc=none", Authenticity.NORMAL, PartStat.ACCEPTED, "", id="nobody says anything"),
        pytest.param(
            f"{OWN}; spf=none; dmarc=none", Authenticity.NORMAL, PartStat.DECLINED, "it declines", id="an unproven refusal"
        ),
        pytest.param(
            f"{OWN}; spf=none; dmarc=none", Authenticity.STRICT, PartStat.ACCEPTED, "neither", id="unproven, where proof is asked"
        ),
        pytest.param(
            f"{OWN}; spf=fail smtp.mailfrom=corp.example",
            Authenticity.NORMAL,
            PartStat.ACCEPTED,
            "SPF fails",
            id="SPF fails alone",
        ),
        pytest.param(
            f"{OWN}; dkim=pass header.d=evil.example",
            Authenticity.STRICT,
            PartStat.ACCEPTED,
            "neither",
            id="signed by somebody else",
        ),
        pytest.param(
            "evil.example; dmarc=pass", Authenticity.NORMAL, PartStat.ACCEPTED, "says nothing", id="our server is silent"
        ),
    ],
)
def test_what_speaks_against_an_answer(field: str, level: Authenticity, partstat: PartStat, reason: str) -> None:
    found = doubt(field, level=level, partstat=partstat)
    assert found == "" if not reason else reason in found


def test_google_signs_for_people_of_other_domains() -> None:
    """itip.md 1.14: their own domain has no key there, and DMARC fails for it."""
    field = f"{OWN}; dkim=pass header.d=google.com; dmarc=fail header.from=corp.example"
    assert doubt(field, level=Authenticity.STRICT, written_by="calendar-notification@google.com") == ""
    assert doubt(field, written_by="somebody@google.com")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("corp.example", "CORP.example", True),
        ("mail.corp.example", "corp.example", True),
        ("a.corp.example", "b.corp.example", False),
        ("evilcorp.example", "corp.example", False),
        ("example", "corp.example", False),
        ("", "", False),
    ],
)
def test_domains_belong_together_if_one_lies_below_the_other(one: str, other: str, same: bool) -> None:
    assert related(one, other) is same
