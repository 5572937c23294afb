"""What each attendee was last told, and the messages that tell it: the memory that iTIP's "who gets what" is a diff against.

`Sent` is kept per attendee and as text (JSON) beside the message that will make it true, so a message and its effect are one
row. Not here: what is owed (`itip`), how a mail looks (`imip`), when it is tried again (`retry`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from daemon.core.model import When, require_utc, require_wall

_FORMAT = 1  # of the JSON text; a reader refuses what it does not know


@dataclass(frozen=True, slots=True, kw_only=True)
class SentComponent:
    """One VEVENT as the attendee has it from us.

    `recurrence_id` is the original wall start, None for the series or a single entry. `asked_sequence` and `asked_at` are
    those of the last REQUEST that asked him for an answer: a reply is stale only against these (RFC 5546 2.1.5), not against
    every later correction of a title. `cancelled`: he was told that it does not take place, or not with him.
    """

    recurrence_id: datetime | None
    when: When
    rrule: str | None
    rdates: tuple[datetime, ...]
    exdates: tuple[datetime, ...]
    title: str
    description: str
    location: str
    sequence: int
    cancelled: bool
    dtstamp: datetime
    asked_sequence: int
    asked_at: datetime

    def __post_init__(self) -> None:
        require_utc(self.dtstamp, "dtstamp")
        require_utc(self.asked_at, "asked_at")
        for wall in (self.recurrence_id, *self.rdates, *self.exdates):
            if wall is not None:
                require_wall(wall, "recurrence_id, rdates and exdates")


@dataclass(frozen=True, slots=True, kw_only=True)
class Undeliverable:
    """Mail to this attendee came back. `status` is a code of RFC 3463 or "", `reply` are the mail server's words."""

    attendee: str
    at: datetime
    status: str
    reply: str

    def __post_init__(self) -> None:
        require_utc(self.at, "at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Everything one attendee was last told about one entry.

    `message_ids`: the first invitation first, at most ten. `organizer`: the address he knows as ORGANIZER; "" where it was not
    kept, and is the service mailbox. `again`: he is owed the same once more, since he asked for it (REFRESH) or answered what
    is outdated.
    """

    entry: str
    attendee: str
    components: tuple[SentComponent, ...]
    message_ids: tuple[str, ...]
    organizer: str = ""
    again: bool = False

    @property
    def cancelled(self) -> bool:
        """True if nothing he was told of still takes place for him."""
        return all(component.cancelled for component in self.components)


class MessageState(StrEnum):
    """Where a message is on its way to the mail server."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"  # overtaken by a newer message before it was sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One mail to one recipient, written out before it is sent: a retry repeats identical bytes.

    `work` is the key of the work row it belongs to, `kind` a value of `itip.MailKind`, `reply` the mail server's last words.
    `data` is dropped once it is of no more use. `sent_after` is the `Sent` (JSON) that holds once it is sent.
    """

    id: str
    work: str
    entry: str | None
    recipient: str
    kind: str
    method: str
    sequence: int
    message_id: str
    created: datetime
    state: MessageState = MessageState.PENDING
    tried: int = 0
    sent_at: datetime | None = None
    reply: str = ""
    data: bytes | None = None
    sent_after: str | None = None

    def __post_init__(self) -> None:
        require_utc(self.created, "created")
        if self.sent_at is not None:
            require_utc(self.sent_at, "sent_at")


def sent_to_json(sent: Sent) -> str:
    """Return `sent` as one line of JSON; `sent_from_json` gives back an equal value."""
    return json.dumps(
        {
            "format": _FORMAT,
            "entry": sent.entry,
            "attendee": sent.attendee,
            "components": [_component_out(component) for component in sent.components],
            "message_ids": list(sent.message_ids),
            "organizer": sent.organizer,
            "again": sent.again,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def sent_from_json(text: str) -> Sent:
    """Return the value that `sent_to_json` wrote. Raises ValueError for any other text."""
    try:
        data = json.loads(text)
        if data["format"] != _FORMAT:
            raise ValueError(f"format {data['format']!r} of a sent record is not known")
        return Sent(
            entry=data["entry"],
            attendee=data["attendee"],
            components=tuple(_component_in(one) for one in data["components"]),
            message_ids=tuple(data["message_ids"]),
            organizer=data.get("organizer", ""),
            again=data.get("again", False),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a sent record: {error!r}") from error


def _component_out(component: SentComponent) -> dict[str, Any]:
    return {
        "recurrence_id": None if component.recurrence_id is None else component.recurrence_id.isoformat(),
        "start": component.when.start.isoformat(),
        "zone": component.when.zone,
        "microseconds": component.when.duration // timedelta(microseconds=1),
        "all_day": component.when.all_day,
        "rrule": component.rrule,
        "rdates": [wall.isoformat() for wall in component.rdates],
        "exdates": [wall.isoformat() for wall in component.exdates],
        "title": component.title,
        "description": component.description,
        "location": component.location,
        "sequence": component.sequence,
        "cancelled": component.cancelled,
        "dtstamp": component.dtstamp.isoformat(),
        "asked_sequence": component.asked_sequence,
        "asked_at": component.asked_at.isoformat(),
    }


def _component_in(data: dict[str, Any]) -> SentComponent:
    name = data["recurrence_id"]
    return SentComponent(
        recurrence_id=None if name is None else datetime.fromisoformat(name),
        when=When(
            start=datetime.fromisoformat(data["start"]),
            zone=data["zone"],
            duration=timedelta(microseconds=data["microseconds"]),
            all_day=data["all_day"],
        ),
        rrule=data["rrule"],
        rdates=tuple(datetime.fromisoformat(wall) for wall in data["rdates"]),
        exdates=tuple(datetime.fromisoformat(wall) for wall in data["exdates"]),
        title=data["title"],
        description=data["description"],
        location=data["location"],
        sequence=data["sequence"],
        cancelled=data["cancelled"],
        dtstamp=datetime.fromisoformat(data["dtstamp"]).astimezone(UTC),
        asked_sequence=data["asked_sequence"],
        asked_at=datetime.fromisoformat(data["asked_at"]).astimezone(UTC),
    )
