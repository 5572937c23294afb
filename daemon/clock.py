"""Time and randomness: the only place that makes either."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime


class SystemClock:
    """The machine's clock and its random source."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def new_id(self) -> str:
        return uuid.uuid4().hex

    def draw(self, below: int) -> int:
        return secrets.randbelow(below)
