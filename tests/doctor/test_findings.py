"""Findings as values, and errors turned into what happened and what to do."""

from __future__ import annotations

import pytest

from connectors.caldav.errors import from_status
from connectors.smtp.errors import Stage, translate
from daemon.doctor import Field, Finding, Level, ordered
from daemon.doctor.findings import told

TOLD = {
    "a remedy at the end": ("The server is full. Free some space.", ("The server is full.", "Free some space.")),
    "what a loop does next is left out": (
        "No answer. It is tried again with growing pauses. Check mail.smtp.host.",
        ("No answer.", "Check mail.smtp.host."),
    ),
    "no remedy": ("The server is full.", ("The server is full.", "Do this.")),
    "two sentences of remedy": ("It is off. Set it. Restart the service.", ("It is off.", "Set it. Restart the service.")),
    "a first sentence is never the remedy": ("Check failed.", ("Check failed.", "Do this.")),
    "only what a loop does": ("It is tried again.", ("It is tried again.", "Do this.")),
    "the server's words in quotes": (
        "It said “535 no.” Not tried again. Check the password.",
        ("It said “535 no.”", "Check the password."),
    ),
    "line breaks": ("It is\n off.  Set it.", ("It is off.", "Set it.")),
}


@pytest.mark.parametrize("case", TOLD)
def test_an_error_says_what_happened_and_what_to_do(case: str) -> None:
    text, expected = TOLD[case]
    assert told(text, "Do this.") == expected


def test_a_connector_s_sentences_are_understood() -> None:
    smtp = translate(ConnectionRefusedError("refused"), stage=Stage.CONNECT, server="mail.example.org:25", about="")
    assert told(str(smtp), "") == (
        "The mail server mail.example.org:25 cannot be reached (refused).",
        "Check mail.smtp.host, mail.smtp.port and mail.smtp.security.",
    )
    caldav = from_status(401, host="cal.example.org", act="list", user="anna")
    what, remedy = told(str(caldav), "")
    assert what.startswith("cal.example.org refused to list")
    assert remedy == "Give the right password."


@pytest.mark.parametrize("level", [Level.WARNING, Level.PROBLEM])
def test_what_is_wrong_has_a_remedy(level: Level) -> None:
    with pytest.raises(ValueError, match="without a remedy"):
        Finding(level=level, field=Field.MAIL, what="Off.")


def test_findings_are_told_by_field_and_the_worst_of_it_first() -> None:
    given = [Finding(level=level, field=field, what="x", remedy="y") for field in reversed(Field) for level in Level]
    told_in = [(one.field, one.level) for one in ordered(given)]
    assert told_in == [(field, level) for field in Field for level in reversed(Level)]


def test_a_finding_as_json() -> None:
    finding = Finding(level=Level.NOTE, field=Field.CLOCK, what="Late.", where="tzdata", remedy="Hurry.")
    assert finding.as_mapping() == {"level": "note", "field": "clock", "what": "Late.", "where": "tzdata", "remedy": "Hurry."}
