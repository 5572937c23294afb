"""What is to be done about an entry and its event: the table (`sync_table`) asked, and the guard against mass deletion.

Not here: how two versions are brought together (`merge`), carrying anything out (`loops`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import product

from daemon.core.sync_table import (
    DELETED_THERE,
    TABLE,
    Act,
    Cell,
    Decision,
    Deletion,
    Evidence,
    Footing,
    Loss,
    Mark,
    Row,
    Side,
)

__all__ = ["Act", "Cell", "Decision", "Deletion", "Evidence", "Footing", "Loss", "Mark", "Side", "cells", "decide", "guard"]

_MOST = 5
_MOST_PERCENT = 20


def cells() -> Iterable[Cell]:
    """Yield the whole product of states."""
    for event, entry, footing, evidence, mark in product(Side, Side, Footing, Evidence, Mark):
        yield Cell(event=event, entry=entry, footing=footing, evidence=evidence, mark=mark)


_ROWS: Mapping[Cell, Row] = {cell: row for cell in cells() for row in TABLE if row.covers(cell)}


def decide(cell: Cell, *, deletion: Deletion = Deletion.ASK) -> Decision:
    """Return what is to be done. `deletion` is the owner's setting for events that were deleted in the calendar."""
    row = _ROWS[cell]
    if row.deleted and deletion is Deletion.CANCEL:
        return replace(row.decision, act=Act.CANCEL, sentence=f"{DELETED_THERE} So it is called off, as the setting says.")
    return row.decision


def guard(decisions: Iterable[Decision], *, entries: int) -> str:
    """Return why the plan is held for the owner, as a sentence; "" if it may be carried out.

    `entries` is how many entries are linked to the calendar. Held is what would lose more than 5 and more than 20 % of them, or
    as many events that nobody asked to take away: a calendar that was emptied or made anew, a backup put back on one side.
    """
    losses = [one.loss for one in decisions]
    for loss, what in (
        (Loss.ENTRY, "events are missing in the calendar"),
        (Loss.EVENT, "events would be taken out of the calendar"),
    ):
        count = losses.count(loss)
        if count > _MOST and count * 100 > entries * _MOST_PERCENT:
            return (
                f"{count} of {entries} {what}. Nothing was done: look whether the calendar is the right one and whole, "
                "then say that it is meant so."
            )
    return ""
