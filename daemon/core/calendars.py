"""An owner's calendars and how each entry stands in them.

Not here: what a server can do (`ports.Capabilities`), what to push or pull (`sync`, `merge`), how an event looks (`event`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from daemon.core.model import Sender, require_utc


class CalendarState(StrEnum):
    """How the last talk with the server ended."""

    OK = "ok"
    UNREACHABLE = "unreachable"  # tried again with growing pauses
    REFUSED = "refused"  # the owner has to do something


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """One calendar of one owner on one server.

    `secret` is never in clear: `enc:…` is encrypted under the service key, `ref:…` names a secret of the configuration, "" is
    none. `sender` is who invites for entries of this calendar (design 4.2). `capabilities_json` is what `probe` found.
    `sync_token` None: the next look is a full listing. `checked` is when the server last answered, in UTC.
    """

    id: str
    owner: str
    name: str
    kind: str
    url: str
    created: datetime
    username: str = ""
    secret: str = field(default="", repr=False)
    sender: Sender = Sender.PLANNER
    headers: tuple[tuple[str, str], ...] = ()
    capabilities_json: str = "{}"
    sync_token: str | None = None
    state: CalendarState = CalendarState.OK
    error: str = ""
    checked: datetime | None = None

    def __post_init__(self) -> None:
        require_utc(self.created, "created")
        if self.checked is not None:
            require_utc(self.checked, "checked")
        if self.secret and not self.secret.startswith(("enc:", "ref:")):
            raise ValueError("a calendar's secret is encrypted (enc:) or a reference (ref:), never in clear")


class LinkState(StrEnum):
    """What is known of an entry's event in one calendar."""

    PENDING = "pending"  # never written so far
    SYNCED = "synced"
    FAILED = "failed"  # the server refused it; `error` says why
    GONE = "gone"  # deleted there by somebody else
    CHANGED = "changed"  # changed there in a way that waits for the owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An entry's form in one calendar.

    `ref` and `version` are the server's own words (None: not written yet), `uid` the UID there, which a server may have made
    itself. `dirty`: something is to be pushed; `bulk`: by nobody's click, so it waits behind what persons asked for;
    `deleting`: the event is to be taken away. `wish` grows with every request, so that a push clears only what it has seen.
    `pushed_sequence` is the SEQUENCE last written. `base_partstats` are pairs of attendee (`email` or `email|recurrence_id`) and
    PARTSTAT as they stood right after our last write: what differs later was answered there.
    """

    entry: str
    calendar: str
    uid: str
    changed_at: datetime
    ref: str | None = None
    version: str | None = None
    state: LinkState = LinkState.PENDING
    dirty: bool = True
    bulk: bool = False
    deleting: bool = False
    wish: int = 1
    pushed_sequence: int | None = None
    base_partstats: tuple[tuple[str, str], ...] = ()
    error: str = ""

    def __post_init__(self) -> None:
        require_utc(self.changed_at, "changed_at")
