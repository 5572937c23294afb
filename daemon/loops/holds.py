"""Holds on work rows, renewed while the work lasts, from a thread of its own: a stalled event loop loses no row."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from daemon.logs import get_logger
from daemon.ports import Clock
from daemon.store import work
from daemon.store.engine import Store
from daemon.store.work import Job

log = get_logger("work")


class Holds:
    """Everything this process holds. `length` is how long a claim lasts without renewal."""

    def __init__(self, store: Store, clock: Clock, length: timedelta) -> None:
        self.length = length
        self._store, self._clock = store, clock
        self._held: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def holding(self, job: Job) -> Iterator[None]:
        """Renew this row until the block ends."""
        with self._lock:
            self._held[job.key] = job
        try:
            yield
        finally:
            with self._lock:
                # Only this claim: a row that was lost may be held anew by now, in this very process.
                if self._held.get(job.key) is job:
                    del self._held[job.key]

    def start(self) -> None:
        """Begin to renew, each third of `length`."""
        self._thread = threading.Thread(target=self._renew_for_ever, name="holds", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def renew(self) -> None:
        """Renew everything held, in one transaction."""
        with self._lock:
            jobs = tuple(self._held.values())
        if jobs:
            until = self._clock.now() + self.length
            self._store.run_now(lambda tx: work.renew(tx, jobs, until=until))

    def _renew_for_ever(self) -> None:
        while not self._ended.wait(self.length.total_seconds() / 3):
            try:
                self.renew()
            except Exception as error:  # noqa: BLE001 - without this thread, whatever takes long would be done twice
                log.warning("holds could not be renewed", action="renew-failed", reason=str(error))
