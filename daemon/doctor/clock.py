"""Time: this machine's clock beside others', whether it jumps, and which zone rules are in use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from daemon.core.zones import TZDATA_VERSION
from daemon.doctor.findings import Field, Finding, Level

_found = partial(Finding, field=Field.CLOCK)
_SYSTEM_RULES = Path("/usr/share/zoneinfo/tzdata.zi")
_VERSION = re.compile(r"#\s*(?:version\s+)?(\d{4}[a-z]+)")
_JUMP = timedelta(seconds=2)
_APART, _FAR_APART = timedelta(seconds=30), timedelta(minutes=5)
_NTP = "Let the clock be set by NTP: timedatectl set-ntp true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """What was seen of the clock. `passed` is what the clock says went by while `steady` (a clock nobody sets) went by.

    `mail_apart`: how far the mail server's time of arrival lies outside of sending and finding; None: no mail was received.
    `rules` are in use, `stored` those the store derived its instants by, `system` the machine's own ("": unknown).
    """

    now: datetime
    passed: timedelta = timedelta(0)
    steady: timedelta = timedelta(0)
    mail_apart: timedelta | None = None
    rules: str = TZDATA_VERSION
    stored: str | None = None
    system: str = ""


def system_rules(file: Path = _SYSTEM_RULES) -> str:
    """Return the version of the machine's zone rules, "" where it does not tell."""
    try:
        with file.open(encoding="ascii", errors="replace") as lines:
            match = _VERSION.match(lines.readline(200))
    except OSError:
        return ""
    return match[1] if match else ""


def judge_clock(times: Times) -> tuple[Finding, ...]:
    """Return a finding for each thing to be said about time."""
    findings = []
    jumped = times.passed - times.steady
    if times.now.year < int(times.rules[:4]):
        text = f"This machine's clock says {times.now:%Y-%m-%d}, which is before the zone rules in use were made ({times.rules})."
        findings.append(_found(level=Level.PROBLEM, what=text, remedy=_NTP))
    if abs(jumped) > _JUMP:
        text = f"The clock was set by {jumped.total_seconds():+.0f} seconds while it was looked at."
        findings.append(_found(level=Level.WARNING, what=text, remedy="Let one service alone set it (timedatectl)."))
    if times.mail_apart is not None and abs(times.mail_apart) > _APART:
        way = "ahead of" if times.mail_apart > timedelta(0) else "behind"
        text = f"The mail server's clock is {_span(abs(times.mail_apart))} {way} this machine's."
        level = Level.PROBLEM if abs(times.mail_apart) > _FAR_APART else Level.WARNING
        findings.append(_found(level=level, what=text, remedy=f"See which one is wrong. {_NTP}"))
    if not findings:
        beside = ", as the mail server's" if times.mail_apart is not None else ""
        findings.append(
            _found(level=Level.OK, what=f"The clock says {times.now:%Y-%m-%d %H:%M:%S} UTC{beside}, and goes steadily.")
        )
    return (*findings, *_judge_rules(times))


def _judge_rules(times: Times) -> list[Finding]:
    here = partial(_found, where="tzdata")
    findings = []
    if _later(times.system, times.rules):
        text = f"This machine has newer zone rules ({times.system}) than the service uses ({times.rules})."
        findings.append(here(level=Level.WARNING, what=text, remedy="Upgrade the package tzdata of the service's environment."))
    if times.stored is not None and times.stored != times.rules:
        text = (
            f"Times were derived by the zone rules {times.stored}; the service derives them anew by {times.rules} when it starts."
        )
        findings.append(here(level=Level.NOTE, what=text, remedy="Restart the service: systemctl restart sitzungsplaner"))
    return findings or [here(level=Level.OK, what=f"The zone rules are those of {times.rules}.")]


def _later(one: str, other: str) -> bool:
    """Versions are a year and letters: 2025b; after z comes za (theory.html of tz)."""
    return bool(one) and (one[:4], len(one), one) > (other[:4], len(other), other)


def _span(span: timedelta) -> str:
    seconds = span.total_seconds()
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
