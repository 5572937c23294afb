"""What a scrape shows, read by Prometheus' own parser."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

import daemon
from daemon.core.errors import Conflict, Refused, SitzungsplanerError, Unreachable
from daemon.core.zones import TZDATA_VERSION
from daemon.loops.lane import Settled
from daemon.loops.measure import measured
from daemon.metrics import LaneState, Metrics
from daemon.store.work import Job
from daemon.store.work_counts import Count

NOW = datetime(2027, 3, 1, 8, 0, tzinfo=UTC)
JOB = Job(
    key="mail:x",
    kind="mail",
    due=NOW,
    wish=1,
    tries=1,
    deaths=0,
    holder="t",
    held_until=NOW,
    error="",
    first_failed=None,
    parked=None,
)


def scraped(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Return (name, label values …) → value."""

    def samples() -> Iterator[tuple[tuple[str, ...], float]]:
        for family in text_string_to_metric_families(metrics.text().decode()):
            for one in family.samples:
                yield (one.name, *one.labels.values()), one.value

    return dict(samples())


def shown(metrics: Metrics, *rows: Count, lanes: dict[str, LaneState] | None = None) -> dict[tuple[str, ...], float]:
    metrics.show(rows=rows, lanes=lanes or {}, derived=TZDATA_VERSION, now=NOW)
    return scraped(metrics)


def test_work_is_shown_by_kind_and_state_with_the_age_of_the_oldest() -> None:
    late = Count(kind="mail", waiting=5, ripe=2, held=1, parked=3, oldest=NOW - timedelta(seconds=90))
    early = Count(kind="remind", waiting=1, ripe=0, held=0, parked=0, oldest=NOW + timedelta(days=1))
    found = shown(Metrics(), late, early)
    states = {labels[2]: value for labels, value in found.items() if labels[:2] == ("sitzungsplaner_work_rows", "mail")}
    assert states == {"waiting": 5, "due": 2, "held": 1, "parked": 3}
    assert found["sitzungsplaner_work_oldest_due_age_seconds", "mail"] == 90
    assert found["sitzungsplaner_work_oldest_due_age_seconds", "remind"] == 0
    assert found["sitzungsplaner_store_up",] == 1


def test_a_kind_of_which_nothing_is_left_is_not_shown_with_its_old_figures() -> None:
    metrics = Metrics()
    shown(metrics, Count(kind="mail", waiting=5, ripe=0, held=0, parked=0, oldest=NOW))
    assert not [key for key in shown(metrics) if key[0] == "sitzungsplaner_work_rows"]


def test_a_store_that_does_not_answer_is_shown_and_the_rest_with_it() -> None:
    metrics = Metrics()
    metrics.show(rows=None, lanes={"mail": LaneState(busy=1, hands=4, away=0, stuck=False)}, derived="", now=NOW)
    found = scraped(metrics)
    assert found["sitzungsplaner_store_up",] == 0
    assert found["sitzungsplaner_lane_hands_busy", "mail"] == 1


def test_lanes_are_shown_with_their_hands_their_servers_and_whether_they_stand_still() -> None:
    found = shown(Metrics(), lanes={"calendar": LaneState(busy=3, hands=4, away=2, stuck=True)})
    values = [found[f"sitzungsplaner_lane_{name}", "calendar"] for name in ("hands_busy", "hands", "servers_away", "stuck")]
    assert values == [3, 4, 2, 1]


def test_mails_and_answers_are_counted_by_kind_and_outcome() -> None:
    metrics = Metrics()
    for outcome in ("sent", "sent", "refused", "retried"):
        metrics.mail("invitation", outcome)
    metrics.inbox("applied")
    found = scraped(metrics)
    assert found["sitzungsplaner_mails_total", "invitation", "sent"] == 2
    assert found["sitzungsplaner_mails_total", "invitation", "refused"] == 1
    assert found["sitzungsplaner_mails_total", "invitation", "retried"] == 1
    assert found["sitzungsplaner_inbox_mails_total", "applied"] == 1


def test_versions_lags_and_reloads_are_there() -> None:
    metrics = Metrics(store="sqlite")
    metrics.lag(0.3)
    metrics.reload("refused")
    found = shown(metrics)
    (build,) = [key for key in found if key[0] == "sitzungsplaner_build_info"]
    assert daemon.__version__ in build
    assert "sqlite" in build
    assert found["sitzungsplaner_tzdata_info", TZDATA_VERSION, TZDATA_VERSION] == 1
    assert found["sitzungsplaner_event_loop_lag_seconds_bucket", "0.25"] == 0
    assert found["sitzungsplaner_event_loop_lag_seconds_bucket", "0.5"] == 1
    assert found["sitzungsplaner_configuration_reloads_total", "refused"] == 1
    assert found["process_resident_memory_bytes",] > 0


def test_two_services_in_one_process_count_for_themselves() -> None:
    one, other = Metrics(), Metrics()
    one.mail("invitation", "sent")
    assert not [key for key in scraped(other) if key[0] == "sitzungsplaner_mails_total"]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "done"),
        (Unreachable("away"), "unreachable"),
        (Refused("no"), "refused"),
        (Conflict("changed"), "conflict"),
        (ZeroDivisionError(), "crashed"),
        (asyncio.CancelledError(), "broken-off"),
    ],
    ids=["done", "away", "refused", "conflict", "a bug", "the service stops"],
)
async def test_each_piece_of_work_is_counted_as_it_ends_and_ends_as_before(error: BaseException | None, outcome: str) -> None:
    async def handle(_job: Job) -> Settled:
        if error is not None:
            raise error
        return Settled(again=NOW)

    metrics = Metrics()
    measuring = measured(handle, metrics, "calendar")
    if error is None:
        assert await measuring(JOB) == Settled(again=NOW)
    else:
        with pytest.raises(type(error)):
            await measuring(JOB)
    found = scraped(metrics)
    assert found["sitzungsplaner_work_turns_total", "calendar", outcome] == 1
    assert found["sitzungsplaner_work_seconds_count", "calendar"] == 1


def test_every_error_of_ours_has_an_outcome_of_its_own() -> None:
    """Labels are made from class names: renaming a class must not silently rename a metric."""
    assert {one.__name__.lower() for one in SitzungsplanerError.__subclasses__()} == {
        "unreachable", "refused", "conflict", "rejected", "configproblem",
    }  # fmt: skip
