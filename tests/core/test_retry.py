"""When failed work is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.errors import Conflict, Refused, Unreachable
from daemon.core.retry import Again, Limits, Park, after_failure, pause

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LIMITS = Limits()


def decided(error: Exception, *, tries: int = 1, first_failed: datetime | None = None, jitter: float = 0.5) -> Again | Park:
    return after_failure(error, tries=tries, first_failed=first_failed, now=NOW, jitter=jitter, limits=LIMITS)


@pytest.mark.parametrize(
    ("tries", "seconds"), [(0, 30), (1, 30), (2, 60), (3, 120), (4, 240), (7, 1920), (8, 3600), (9, 3600), (10_000, 3600)]
)
def test_pauses_double_up_to_an_hour(tries: int, seconds: int) -> None:
    assert pause(tries, jitter=0.5) == timedelta(seconds=seconds)


@given(st.integers(1, 10**9), st.floats(-1, 2))
def test_a_pause_is_never_more_than_a_fifth_off(tries: int, jitter: float) -> None:
    plain = pause(tries, jitter=0.5)
    assert plain * 0.8 <= pause(tries, jitter=jitter) <= plain * 1.2


def test_what_is_refused_is_put_aside_at_once_with_the_servers_words() -> None:
    assert decided(Refused("550 no such user.")) == Park(reason="550 no such user. Not tried again by itself.")


@pytest.mark.parametrize("tries", [1, 12, 500])
def test_an_unreachable_server_is_waited_for_however_often_it_failed(tries: int) -> None:
    decision = decided(
        Unreachable("mail.example.org does not answer."), tries=tries, first_failed=NOW - timedelta(days=4, hours=23)
    )
    assert isinstance(decision, Again)
    assert decision.at == NOW + pause(tries, jitter=0.5)
    assert decision.reason.startswith("mail.example.org does not answer. It is tried again at 2026-11-22 1")


def test_an_unreachable_server_is_given_up_after_five_days_and_the_text_says_since_when() -> None:
    decision = decided(Unreachable("No answer."), tries=130, first_failed=NOW - timedelta(days=5))
    assert decision == Park(reason="No answer. That has lasted since 2026-11-17 12:00 UTC, so it is not tried again by itself.")


@pytest.mark.parametrize(
    ("wish", "waited"),
    [
        (timedelta(0), timedelta(seconds=30)),
        (timedelta(seconds=5), timedelta(seconds=30)),
        (timedelta(minutes=20), timedelta(minutes=20)),
        (timedelta(days=400), timedelta(days=1)),
    ],
    ids=["no wish", "shorter than the pause", "longer than the pause", "more than a day"],
)
def test_the_servers_own_wish_is_honoured_up_to_a_day(wish: timedelta, waited: timedelta) -> None:
    decision = decided(Unreachable("Later.", retry_after=wish))
    assert isinstance(decision, Again)
    assert decision.at == NOW + waited


@pytest.mark.parametrize("error", [RuntimeError("boom"), Conflict("It was changed meanwhile.")], ids=["a crash", "a conflict"])
def test_anything_else_is_tried_until_the_limit(error: Exception) -> None:
    assert isinstance(decided(error, tries=11), Again)
    assert decided(error, tries=12) == Park(reason=f"{error} It went wrong 12 times, so it is not tried again by itself.")


def test_an_error_without_words_is_named_by_its_kind() -> None:
    decision = decided(KeyError())
    assert decision.reason == "It ended with KeyError. It is tried again at 2026-11-22 12:00 UTC."
