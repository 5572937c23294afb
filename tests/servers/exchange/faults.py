"""What goes wrong on purpose. Each fault is asked for by name of the operation, and happens once."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import Enum

from tests.servers.exchange.soap import ItemError

# The fourth form of being busy: HTTP 200, and the real reason is inside.
INNER_BUSY = ItemError(
    "ErrorInternalServerError",
    values=(
        ("InnerErrorMessageText", "The server cannot service this request right now. Try again later."),
        ("InnerErrorResponseCode", "ErrorServerBusy"),
        ("InnerErrorDescriptiveLinkKey", "0"),
    ),
)


class Trouble(Enum):
    """How a request fails as a whole. The first four are how Exchange throttles (behaviour 5)."""

    BUSY_WITH_BACK_OFF = "HTTP 500, ErrorServerBusy with BackOffMilliseconds"
    BUSY = "HTTP 500, ErrorServerBusy without a word on when"
    UNAVAILABLE = "HTTP 503 with Retry-After"
    INNER_BUSY = "HTTP 200, ErrorInternalServerError around ErrorServerBusy"
    TOO_MANY = "HTTP 429 with Retry-After"
    CUT_BEFORE = "the connection ends before anything is done"
    CUT_AFTER = "everything is done, and the connection ends without an answer"
    MOVING = "ErrorMailboxMoveInProgress: the mailbox is being moved"


@dataclass(slots=True)
class Faults:
    """What is to go wrong next. `budget` is how many items of each batch are done before the server is busy (behaviour 7)."""

    planned: list[tuple[str, Trouble]] = field(default_factory=list)
    budget: dict[str, int] = field(default_factory=dict)
    back_off_ms: int = 50
    retry_after_s: int = 1
    late: dict[str, Late] = field(default_factory=dict)
    bare_sync_error: bool = False  # ErrorInvalidSyncStateData without an empty SyncState beside it

    def plan(self, operation: str, *troubles: Trouble) -> None:
        """Let the next requests of this operation fail, one by one."""
        self.planned.extend((operation, trouble) for trouble in troubles)

    def take(self, operation: str) -> Trouble | None:
        for number, (name, trouble) in enumerate(self.planned):
            if name == operation:
                del self.planned[number]
                return trouble
        return None


@dataclass(slots=True)
class Late:
    """An answer that is held back until the test lets it go; what was asked has been done by then."""

    done: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
