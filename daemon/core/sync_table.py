"""What is to be done about an entry and its event in one calendar: a table over everything the two can have become.

A cell is decided by five things: the event, the entry, what they once agreed on, how we know about the event, and how their link
is marked. Each row covers cells; together they cover every cell exactly once (`tests/core/test_sync_decide.py`). A new case is a
row here, never an `if` in a loop. Not here: asking it, and the guard (`sync_decide`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Side(StrEnum):
    """How a side stands against the last agreement. Where there was none, whatever is there counts as changed."""

    ABSENT = "absent"  # the event: not there, or STATUS:CANCELLED; the entry: called off, deleted, without date
    SAME = "same"
    CHANGED = "changed"


class Footing(StrEnum):
    """What entry and event once agreed on."""

    AGREED = "agreed"
    LOST = "lost"  # the event was written, but what was agreed is not known: an older release, a restored backup
    NEVER = "never"  # never written, so far as we know
    FIRST = "first"  # first contact: the owner has not seen yet what would happen in this calendar


class Evidence(StrEnum):
    """How we know about the event."""

    TOLD = "told"  # the server said so of this very event: a change since the last token, or asked for it
    LISTED = "listed"  # the token had expired, everything was listed; what is missing may only have been cut off


class Mark(StrEnum):
    """How the link is marked."""

    LIVE = "live"
    DELETING = "deleting"  # the event is to leave this calendar, whatever becomes of the entry
    GONE = "gone"  # deleted there by somebody else, and its owner knows
    FAILED = "failed"  # the server refused our last write, and its owner knows


class Act(StrEnum):
    NOTHING = "nothing"
    RECORD = "record"  # remember what stands there as agreed
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    TAKE_OVER = "take over"  # what changed there becomes a change of the entry
    MERGE = "merge"
    CHECK = "check"  # ask for this very event, then decide again
    HOLD = "hold"  # the owner is asked, nothing is done before he decides
    CANCEL = "cancel"  # the entry is called off, since its event was deleted
    FORGET = "forget"  # the link goes
    SHOW = "show"  # part of the preview of a first contact
    WAIT = "wait"  # for somebody who asks for it again


class Deletion(StrEnum):
    """What an event that was deleted in the calendar means for its entry: the owner's setting."""

    ASK = "ask"
    CANCEL = "cancel"


class Loss(StrEnum):
    """What an act takes away without anybody having asked for just that; it is counted by the guard."""

    NOTHING = "nothing"
    ENTRY = "entry"
    EVENT = "event"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    event: Side
    entry: Side
    footing: Footing
    evidence: Evidence
    mark: Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done, and why, for the journal. `tell`: the owner is to hear of it, since a change of his is not followed."""

    act: Act
    sentence: str
    tell: bool = False
    loss: Loss = Loss.NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One rule for all cells whose five things are among these. `deleted`: the owner's setting `Deletion` has a say."""

    event: frozenset[Side]
    entry: frozenset[Side]
    footing: frozenset[Footing]
    evidence: frozenset[Evidence]
    mark: frozenset[Mark]
    decision: Decision
    deleted: bool = False

    def covers(self, cell: Cell) -> bool:
        return (
            cell.event in self.event
            and cell.entry in self.entry
            and cell.footing in self.footing
            and cell.evidence in self.evidence
            and cell.mark in self.mark
        )


def _row(
    event: str,
    entry: str,
    act: Act,
    sentence: str,
    *,
    footing: str = "agreed lost never",
    evidence: str = "told listed",
    mark: str = "live",
    tell: bool = False,
    loss: Loss = Loss.NOTHING,
    deleted: bool = False,
) -> Row:
    return Row(
        event=frozenset(map(Side, event.split())),
        entry=frozenset(map(Side, entry.split())),
        footing=frozenset(map(Footing, footing.split())),
        evidence=frozenset(map(Evidence, evidence.split())),
        mark=frozenset(map(Mark, mark.split())),
        decision=Decision(act=act, sentence=sentence, tell=tell, loss=loss),
        deleted=deleted,
    )


DELETED_THERE = "The event was deleted in the calendar."
_MISSING = "The event is missing in the listing, which proves nothing: it is asked for by itself."

TABLE: tuple[Row, ...] = (
    # First contact: nothing is written and nothing taken over before the owner has seen it.
    _row("absent", "absent", Act.FORGET, "Neither side has it.", footing="first", mark="live deleting gone failed"),
    _row(
        "absent",
        "same changed",
        Act.SHOW,
        "It would be written into the calendar.",
        footing="first",
        mark="live failed",
    ),
    _row(
        "absent",
        "same changed",
        Act.FORGET,
        "It was to leave this calendar, and is not there.",
        footing="first",
        mark="deleting",
    ),
    _row("absent", "same changed", Act.SHOW, "It was deleted in the calendar and stays so.", footing="first", mark="gone"),
    _row(
        "same changed",
        "same changed",
        Act.SHOW,
        "It stands there already; both would be brought together.",
        footing="first",
        mark="live gone failed",
    ),
    _row(
        "same changed",
        "same changed",
        Act.SHOW,
        "It would be taken out of the calendar.",
        footing="first",
        mark="deleting",
    ),
    _row(
        "same changed",
        "absent",
        Act.SHOW,
        "It stands there, although it is called off: it would be taken out of the calendar.",
        footing="first",
        mark="live deleting gone failed",
    ),
    # The event is not there.
    _row("absent", "absent", Act.CHECK, _MISSING, footing="agreed lost", evidence="listed", mark="live failed"),
    _row("absent", "absent", Act.FORGET, "Both sides let it go.", footing="agreed lost", evidence="told", mark="live failed"),
    _row("absent", "absent", Act.FORGET, "It was called off before it was written.", footing="never", mark="live failed"),
    _row("absent", "same changed", Act.CREATE, "It stands in the planner and was never written.", footing="never"),
    _row("absent", "same changed", Act.CHECK, _MISSING, footing="agreed lost", evidence="listed", mark="live failed"),
    _row(
        "absent",
        "same",
        Act.HOLD,
        DELETED_THERE,
        footing="agreed",
        evidence="told",
        mark="live failed",
        tell=True,
        loss=Loss.ENTRY,
        deleted=True,
    ),
    _row(
        "absent",
        "changed",
        Act.HOLD,
        f"{DELETED_THERE} Here it was changed meanwhile, so the owner is asked, whatever the setting says.",
        footing="agreed",
        evidence="told",
        mark="live failed",
        tell=True,
        loss=Loss.ENTRY,
    ),
    _row(
        "absent",
        "same changed",
        Act.HOLD,
        "The event was written once and is not there any more. What was agreed is not known, so the owner is asked.",
        footing="lost",
        evidence="told",
        mark="live failed",
        tell=True,
        loss=Loss.ENTRY,
    ),
    _row("absent", "same changed", Act.WAIT, "The server refused it.", footing="never", mark="failed"),
    # The event is there, the entry stands.
    _row("same", "same", Act.NOTHING, "Nothing has changed.", footing="agreed", mark="live"),
    _row("same", "changed", Act.UPDATE, "It was changed in the planner.", footing="agreed"),
    _row("changed", "same", Act.TAKE_OVER, "It was changed in the calendar.", footing="agreed", mark="live failed"),
    _row("changed", "changed", Act.MERGE, "It was changed on both sides.", footing="agreed", mark="live failed"),
    _row(
        "same changed",
        "same changed",
        Act.MERGE,
        "It stands on both sides, and what was agreed is not known: they are compared field by field.",
        footing="lost never",
    ),
    _row("same", "same changed", Act.WAIT, "The server refused our last change of it.", footing="agreed", mark="failed"),
    _row(
        "same changed",
        "same changed",
        Act.WAIT,
        "The server refused it, and another event stands there.",
        footing="lost never",
        mark="failed",
    ),
    # The event is there, the entry is called off.
    _row(
        "same",
        "absent",
        Act.DELETE,
        "It was called off in the planner.",
        footing="agreed",
        loss=Loss.EVENT,
    ),
    _row(
        "changed",
        "absent",
        Act.DELETE,
        "It was called off in the planner; its people know that already. What was changed in the calendar goes with it.",
        footing="agreed",
        tell=True,
        loss=Loss.EVENT,
    ),
    _row(
        "same changed",
        "absent",
        Act.DELETE,
        "It was called off in the planner, and still stands in the calendar.",
        footing="lost never",
        loss=Loss.EVENT,
    ),
    _row(
        "same changed",
        "absent",
        Act.WAIT,
        "It was called off in the planner, and the server refused to take it away.",
        mark="failed",
    ),
    # The event is to leave this calendar: somebody asked for just that, and its deletion there is no news.
    _row("absent", "absent same changed", Act.CHECK, _MISSING, footing="agreed lost", evidence="listed", mark="deleting"),
    _row(
        "absent",
        "absent same changed",
        Act.FORGET,
        "It has left the calendar.",
        footing="agreed lost",
        evidence="told",
        mark="deleting",
    ),
    _row("absent", "absent same changed", Act.FORGET, "It never came into the calendar.", footing="never", mark="deleting"),
    _row("same", "absent same changed", Act.DELETE, "It is to leave this calendar.", mark="deleting"),
    _row(
        "changed",
        "absent same changed",
        Act.DELETE,
        "It is to leave this calendar; what was changed there goes with it.",
        footing="agreed",
        mark="deleting",
        tell=True,
    ),
    _row("changed", "absent same changed", Act.DELETE, "It is to leave this calendar.", footing="lost never", mark="deleting"),
    # It was deleted there before.
    _row("absent", "absent", Act.FORGET, "It was deleted in the calendar, and called off since.", mark="gone"),
    _row(
        "absent",
        "same changed",
        Act.NOTHING,
        "It was deleted in the calendar, its owner knows, and no change brings it back by itself.",
        mark="gone",
    ),
    _row("same", "same", Act.RECORD, "It stands in the calendar again, as it should.", footing="agreed", mark="gone"),
    _row(
        "changed",
        "same",
        Act.MERGE,
        "It stands in the calendar again, with changes.",
        footing="agreed",
        mark="gone",
    ),
    _row(
        "same changed",
        "changed",
        Act.MERGE,
        "It stands in the calendar again, and was changed here meanwhile.",
        footing="agreed",
        mark="gone",
    ),
    _row(
        "same changed",
        "same changed",
        Act.MERGE,
        "It stands in the calendar again, and what was agreed is not known: both are compared field by field.",
        footing="lost never",
        mark="gone",
    ),
    _row(
        "same changed",
        "absent",
        Act.HOLD,
        "It stands in the calendar again, although it was called off. The owner says whether it is to take place.",
        mark="gone",
        tell=True,
    ),
)
