"""What happened, for people: lines of the delivery journal, and every received mail with its outcome.

Not here: which outcome a mail has (`itip`), log lines (`daemon.logs`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from daemon.core.model import PartStat, require_utc, require_wall


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that happened. `action` is a word for filters ("mail-sent"), `text` a sentence for a person.

    `attendee` is an address where the line is about one person. `detail` is a JSON object or "".
    """

    at: datetime
    action: str
    text: str
    entry: str | None = None
    owner: str | None = None
    attendee: str = ""
    detail: str = ""

    def __post_init__(self) -> None:
        require_utc(self.at, "at")


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxMail:
    """A mail that reached the answer mailbox, and its one outcome (`itip.Outcome`) with the reason.

    `digest` names the bytes: the same mail is handled once, wherever it is found again. `recurrence_id` is the original wall
    start of the date that was answered. `data` is kept only while somebody may still have to look at the mail. A proposal
    (COUNTER) has its wall start in the entry's zone, how long it lasts, and the version it was made for (`sequence`).
    """

    id: str
    message_id: str
    digest: str
    received: datetime
    outcome: str
    reason: str
    uid: str = ""
    attendee: str = ""
    partstat: PartStat | None = None
    recurrence_id: datetime | None = None
    entry: str | None = None
    data: bytes | None = None
    subject: str = ""
    sender: str = ""
    proposed_start: datetime | None = None
    proposed_duration: timedelta | None = None
    sequence: int | None = None
    comment: str = ""

    def __post_init__(self) -> None:
        require_utc(self.received, "received")
        if self.recurrence_id is not None:
            require_wall(self.recurrence_id, "recurrence_id")
        if self.proposed_start is not None:
            require_wall(self.proposed_start, "proposed_start")
