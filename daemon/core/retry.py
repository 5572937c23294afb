"""When failed work is tried again, and when it is put aside (design 4.1): hours and days, never three tries in four seconds.

Decided by the class of the error alone (`errors`). Not here: who counts tries and holds (`store`), waking what waits for a server
that answers again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from daemon.core.errors import Refused, Unreachable

_FIRST = timedelta(seconds=30)
_LONGEST = timedelta(hours=1)
_SPREAD = 0.2  # many rows that failed together must not come back together
_DOUBLINGS = 7  # 30 s doubled seven times is beyond an hour
_LONGEST_WISH = timedelta(days=1)  # a server may ask for a year; nobody would see the entry again


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Settings: how long an unreachable server is waited for, and how often anything else may go wrong."""

    give_up: timedelta = timedelta(days=5)
    tries: int = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Try again at `at` (UTC)."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Park:
    """Put aside until a person says "retry"; the owner is told once."""

    reason: str


def pause(tries: int, *, jitter: float) -> timedelta:
    """Return how long to wait after the `tries`-th failure in a row: 30 s, 1 min, 2 min … 1 h, each ±20 %.

    `jitter` is a random number from 0 to 1; 0.5 gives the plain pause.
    """
    plain = min(_FIRST * (1 << min(max(tries - 1, 0), _DOUBLINGS)), _LONGEST)
    return plain * (1 - _SPREAD + 2 * _SPREAD * min(max(jitter, 0.0), 1.0))


def after_failure(
    error: Exception, *, tries: int, first_failed: datetime | None, now: datetime, jitter: float, limits: Limits
) -> Again | Park:
    """Decide what becomes of work that failed with `error` for the `tries`-th time in a row (the first failure is 1).

    Unreachable is tried again until it has lasted `limits.give_up` since `first_failed` (None: this is the first failure), and
    not before the server's own `retry_after`, of which at most a day counts. Refused is put aside at once. Anything else is
    a crash or a conflict that does not end: put aside after `limits.tries`.
    """
    wait = pause(tries, jitter=jitter)
    if isinstance(error, Refused):
        return Park(reason=f"{error} Not tried again by itself.")
    if isinstance(error, Unreachable):
        lasted = timedelta(0) if first_failed is None else now - first_failed
        if lasted >= limits.give_up:
            return Park(reason=f"{error} That has lasted since {_minute(now - lasted)}, so it is not tried again by itself.")
        wait = max(wait, min(error.retry_after or timedelta(0), _LONGEST_WISH))
    elif tries >= limits.tries:
        return Park(reason=f"{_said(error)} It went wrong {tries} times, so it is not tried again by itself.")
    at = now + wait
    return Again(at=at, reason=f"{_said(error)} It is tried again at {_minute(at)}.")


def _said(error: Exception) -> str:
    return str(error) or f"It ended with {type(error).__name__}."


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
