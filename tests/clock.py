"""A clock that stands still until the test moves it, and whose chance is the same in every run."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta


class ManualClock:
    """Fulfils `ports.Clock`. `move` it; ids and draws follow from the seed."""

    def __init__(self, now: datetime = datetime(2027, 3, 1, 8, 0, tzinfo=UTC), *, seed: int = 1) -> None:
        self._now = now
        self._random = random.Random(seed)

    def now(self) -> datetime:
        return self._now

    def move(self, by: timedelta) -> datetime:
        """Let time pass and return the new time."""
        self._now += by
        return self._now

    def new_id(self) -> str:
        return f"{self._random.getrandbits(128):032x}"

    def draw(self, below: int) -> int:
        return self._random.randrange(below)
