"""What can be counted and measured of one running service, for Prometheus. Each `App` has its own, in a registry of its own.

Lanes and loops call `turn`, `mail`, `inbox`; whoever is scraped calls `show` with what the store and the lanes say at that
moment, and then `text`. Nothing is decided by what is counted here, and no name of a person or an entry is ever a label.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

import daemon
from daemon.core.zones import TZDATA_VERSION

CONTENT_TYPE = CONTENT_TYPE_LATEST
_PREFIX = "sitzungsplaner"
_LAGS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_TURNS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300)


class Rows(Protocol):
    """How many work rows of one kind there are (`store.work_counts.Count`)."""

    @property
    def kind(self) -> str: ...
    @property
    def waiting(self) -> int: ...
    @property
    def ripe(self) -> int: ...
    @property
    def held(self) -> int: ...
    @property
    def parked(self) -> int: ...
    @property
    def oldest(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneState:
    """What a lane is doing: hands in use, hands there are, how many of its servers do not answer, whether it stands still."""

    busy: int
    hands: int
    away: int
    stuck: bool


class Metrics:
    """Counters and gauges. Called from the event loop's thread only, so that a scrape shows one moment."""

    def __init__(self, *, store: str = "") -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self._turns = Counter(
            "work_turns", "Pieces of work that ended, by kind and how.", ["kind", "outcome"], _PREFIX, registry=registry
        )
        self._seconds = Histogram(
            "work_seconds", "How long a piece of work took.", ["kind"], _PREFIX, registry=registry, buckets=_TURNS
        )
        self._mails = Counter(
            "mails",
            "Mails handed to the mail server: sent, refused, or to be tried again.",
            ["kind", "outcome"],
            _PREFIX,
            registry=registry,
        )
        self._inbox = Counter("inbox_mails", "Mails received, by what became of them.", ["outcome"], _PREFIX, registry=registry)
        self._lag = Histogram(
            "event_loop_lag_seconds", "How late the event loop woke up.", (), _PREFIX, registry=registry, buckets=_LAGS
        )
        self._reloads = Counter(
            "configuration_reloads", "SIGHUPs, by whether they were obeyed.", ["outcome"], _PREFIX, registry=registry
        )
        self._rows = Gauge("work_rows", "Work owed to the outside world.", ["kind", "state"], _PREFIX, registry=registry)
        self._age = Gauge(
            "work_oldest_due_age_seconds",
            "How long the oldest due work of a kind has been due.",
            ["kind"],
            _PREFIX,
            registry=registry,
        )
        self._busy = Gauge("lane_hands_busy", "Pieces of work being done.", ["kind"], _PREFIX, registry=registry)
        self._hands = Gauge("lane_hands", "Pieces of work that can be done at a time.", ["kind"], _PREFIX, registry=registry)
        self._away = Gauge(
            "lane_servers_away",
            "Servers of the lane that did not answer when they were last tried.",
            ["kind"],
            _PREFIX,
            registry=registry,
        )
        self._stuck = Gauge(
            "lane_stuck", "1: the lane has work to do and does not look for it.", ["kind"], _PREFIX, registry=registry
        )
        self._store_up = Gauge("store_up", "1: the database answers.", (), _PREFIX, registry=registry)
        self._tzdata = Gauge(
            "tzdata_info",
            "The zone rules of this process, and those that stored instants follow.",
            ["loaded", "derived"],
            _PREFIX,
            registry=registry,
        )
        build = Gauge("build_info", "What is running.", ["version", "python", "store"], _PREFIX, registry=registry)
        build.labels(daemon.__version__, platform.python_version(), store).set(1)
        ProcessCollector(registry=registry)

    def turn(self, kind: str, outcome: str, seconds: float) -> None:
        """A piece of work ended."""
        self._turns.labels(kind, outcome).inc()
        self._seconds.labels(kind).observe(seconds)

    def mail(self, kind: str, outcome: str) -> None:
        """A mail was handed to the mail server: `sent`, `refused`, or `retried` (later)."""
        self._mails.labels(kind, outcome).inc()

    def inbox(self, outcome: str) -> None:
        """A mail was received and ended so."""
        self._inbox.labels(outcome).inc()

    def lag(self, seconds: float) -> None:
        """The event loop woke up so much later than it was asked to."""
        self._lag.observe(seconds)

    def reload(self, outcome: str) -> None:
        """The configuration was read again: `done` or `refused`."""
        self._reloads.labels(outcome).inc()

    def show(self, *, rows: Sequence[Rows] | None, lanes: Mapping[str, LaneState], derived: str, now: datetime) -> None:
        """Take over what is true at this moment. `rows` None: the database does not answer; its last figures stay away."""
        self._store_up.set(rows is not None)
        for gauge in (self._rows, self._age, self._busy, self._hands, self._away, self._stuck, self._tzdata):
            gauge.clear()
        for row in rows or ():
            for state, count in (("waiting", row.waiting), ("due", row.ripe), ("held", row.held), ("parked", row.parked)):
                self._rows.labels(row.kind, state).set(count)
            late = (now - row.oldest).total_seconds() if row.oldest is not None else 0.0
            self._age.labels(row.kind).set(max(0.0, late))
        for kind, lane in lanes.items():
            self._busy.labels(kind).set(lane.busy)
            self._hands.labels(kind).set(lane.hands)
            self._away.labels(kind).set(lane.away)
            self._stuck.labels(kind).set(lane.stuck)
        self._tzdata.labels(TZDATA_VERSION, derived).set(1)

    def text(self) -> bytes:
        """Return everything in the text format of Prometheus (`CONTENT_TYPE`)."""
        return generate_latest(self._registry)
