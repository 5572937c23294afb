"""How findings are compared in tables: level and a piece of what is said."""

from __future__ import annotations

from collections.abc import Iterable

from daemon.doctor import Finding, Level


def levels(findings: Iterable[Finding]) -> list[str]:
    """Return the levels, what is in order left out."""
    return [one.level.value for one in findings if one.level is not Level.OK]


def the(findings: Iterable[Finding], level: Level, piece: str) -> Finding:
    """Return the one finding of that level that says this."""
    found = [one for one in findings if one.level is level and piece in f"{one.where} {one.what} {one.remedy}"]
    assert len(found) == 1, [one.as_mapping() for one in findings]
    return found[0]
