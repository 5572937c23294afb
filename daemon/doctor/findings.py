"""What the doctor found: values, each with what a person can do, and how an error's sentence becomes one.

Not here: what is looked at (one module for each field), how findings are shown (`daemon.cli.doctor`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding matters. `problem`: something must be done. `warning`: better look. `note`: good to know."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


class Field(StrEnum):
    """What a finding is about, in the order that findings are told in."""

    CONFIGURATION = "configuration"
    STORE = "store"
    CALENDARS = "calendars"
    MAIL = "mail"
    DOMAIN = "domain"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. `where` is a setting's key, a calendar's name or a file; `remedy` one sentence.

    What is a warning or a problem has a remedy; what is in order needs none.
    """

    level: Level
    field: Field
    what: str
    where: str = ""
    remedy: str = ""

    def __post_init__(self) -> None:
        if self.level in (Level.WARNING, Level.PROBLEM) and not self.remedy:
            raise ValueError(f"a {self.level} without a remedy: {self.what}")

    def as_mapping(self) -> dict[str, str]:
        """Return the finding as JSON has it."""
        return {
            "level": self.level.value,
            "field": self.field.value,
            "what": self.what,
            "where": self.where,
            "remedy": self.remedy,
        }


_SEVERITY = tuple(reversed(Level))


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings by field, within it what matters most first."""
    fields = tuple(Field)
    return tuple(sorted(findings, key=lambda one: (fields.index(one.field), _SEVERITY.index(one.level))))


_END = re.compile(r"(?<=[.!?”])\s+(?=[A-Z“])")
# The first words of a sentence that says what to do.
_REMEDIES = frozenset(
    (
        *("Ask", "Bring", "Check", "Choose", "Copy", "Correct", "Create", "Did", "Enter", "Free"),
        *("Give", "If", "Install", "Keep", "Leave", "Let", "Make", "Name", "Put", "Remove"),
        *("Restart", "Restore", "Run", "Run:", "Save", "Set", "Shorten", "Start", "Stop", "Stop,"),
        *("Take", "Try", "Upgrade", "Use", "Wait", "Write"),
    )
)
_OF_A_LOOP = "tried again"  # what the service does next is no news here


def told(text: str, otherwise: str) -> tuple[str, str]:
    """Return what an error's sentences say happened, and the remedy among them, or `otherwise` where there is none."""
    sentences = [one for one in _END.split(" ".join(text.split())) if _OF_A_LOOP not in one]
    first = next((at for at, one in enumerate(sentences) if at and one.partition(" ")[0] in _REMEDIES), len(sentences))
    return " ".join(sentences[:first]) or text, " ".join(sentences[first:]) or otherwise
