"""Clock and zone rules as facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from daemon.doctor.clock import Times, judge_clock, system_rules
from tests.doctor.tables import levels

GOOD = Times(now=datetime(2026, 11, 22, 10, 0, tzinfo=UTC), rules="2026b", stored="2026b", system="2025b")

FACTS = {
    "all is well": ({}, [], "2026-11-22 10:00:00 UTC, and goes steadily"),
    "a mail server that agrees": ({"mail_apart": timedelta(seconds=-30)}, [], "as the mail server's"),
    "a mail server ahead": ({"mail_apart": timedelta(seconds=90)}, ["warning"], "is 90 seconds ahead of"),
    "a mail server far behind": ({"mail_apart": timedelta(hours=-1)}, ["problem"], "is 60 minutes behind"),
    "a clock that stands": ({"steady": timedelta(seconds=1.9)}, [], "goes steadily"),
    "a clock that was set": ({"passed": timedelta(hours=1), "steady": timedelta(seconds=3)}, ["warning"], "set by +3597 seconds"),
    "a clock that was set back": ({"passed": timedelta(0), "steady": timedelta(seconds=60)}, ["warning"], "set by -60 seconds"),
    "a clock that lost its battery": ({"now": datetime(2000, 1, 1, tzinfo=UTC)}, ["problem"], "2000-01-01, which is before"),
    "newer rules on the machine": ({"system": "2026c"}, ["warning"], "newer zone rules (2026c) than the service uses (2026b)"),
    "newer rules after z": ({"rules": "2026z", "stored": None, "system": "2026za"}, ["warning"], "2026za"),
    "older rules on the machine": ({"system": "2025z"}, [], "rules are those of 2026b"),
    "unknown rules on the machine": ({"system": ""}, [], "rules are those of 2026b"),
    "times derived by others": ({"stored": "2026a"}, ["note"], "derived by the zone rules 2026a"),
    "nothing derived yet": ({"stored": None}, [], "rules are those of 2026b"),
}


@pytest.mark.parametrize("case", FACTS)
def test_what_is_said_of_time(case: str) -> None:
    changes, expected, piece = FACTS[case]
    findings = judge_clock(replace(GOOD, **changes))
    assert levels(findings) == expected
    assert piece in " ".join(one.what for one in findings)


@pytest.mark.parametrize(
    ("line", "version"), [("# version 2025b\n", "2025b"), ("#2021za\n", "2021za"), ("R d 1916\n", ""), ("", "")]
)
def test_the_machine_s_rules_are_read_from_their_first_line(line: str, version: str, tmp_path: Path) -> None:
    file = tmp_path / "tzdata.zi"
    file.write_text(line + "more\n")
    assert system_rules(file) == version
    assert system_rules(tmp_path / "missing") == ""
