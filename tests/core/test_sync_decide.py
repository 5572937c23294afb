"""The table of what is done about an entry and its event, over the whole product of states, and the guard."""

from __future__ import annotations

from collections import Counter

import pytest

from daemon.core.sync_decide import Act, Cell, Decision, Deletion, Evidence, Footing, Loss, Mark, Side, cells, decide, guard
from daemon.core.sync_table import TABLE, Row

ALL = tuple(cells())
ABSENT, SAME, CHANGED = Side.ABSENT, Side.SAME, Side.CHANGED
AGREED, LOST, NEVER, FIRST = Footing.AGREED, Footing.LOST, Footing.NEVER, Footing.FIRST
TOLD, LISTED = Evidence.TOLD, Evidence.LISTED
LIVE, DELETING, GONE, FAILED = Mark.LIVE, Mark.DELETING, Mark.GONE, Mark.FAILED


def name(cell: Cell) -> str:
    return f"event {cell.event}, entry {cell.entry}, {cell.footing}, {cell.evidence}, {cell.mark}"


def act(
    event: Side, entry: Side, footing: Footing = AGREED, evidence: Evidence = TOLD, mark: Mark = LIVE, **settings: Deletion
) -> Act:
    return decide(Cell(event=event, entry=entry, footing=footing, evidence=evidence, mark=mark), **settings).act


def test_the_product_is_whole() -> None:
    assert len(ALL) == len(set(ALL)) == len(Side) ** 2 * len(Footing) * len(Evidence) * len(Mark) == 288


@pytest.mark.parametrize("cell", ALL, ids=name)
def test_every_cell_has_one_row_and_a_sentence(cell: Cell) -> None:
    (row,) = [row for row in TABLE if row.covers(cell)]
    for deletion in Deletion:
        sentence = decide(cell, deletion=deletion).sentence
        assert sentence[0].isupper()
        assert sentence.endswith(".")
    assert decide(cell) == row.decision


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.decision.sentence)
def test_every_row_is_needed(row: Row) -> None:
    assert any(row.covers(cell) for cell in ALL)


# What holds over the product, said once more in another way than the table says it


@pytest.mark.parametrize("cell", ALL, ids=name)
def test_what_no_cell_may_do(cell: Cell) -> None:
    decision = decide(cell, deletion=Deletion.CANCEL)
    done = decision.act
    if cell.footing is FIRST:
        assert done in (Act.SHOW, Act.FORGET), "first contact only shows"
    if done in (Act.CREATE, Act.UPDATE):
        assert cell.mark is LIVE, "nothing is written that was deleted there, refused there, or is to go"
        assert cell.entry is not ABSENT, "what is called off is not written"
    if done is Act.CREATE:
        assert cell.event is ABSENT, "no second event"
        assert cell.footing is NEVER, "what was deleted is not raised again, and an expired token sends nothing anew"
    if done in (Act.DELETE, Act.TAKE_OVER, Act.MERGE, Act.UPDATE, Act.RECORD):
        assert cell.event is not ABSENT
    if done is Act.DELETE:
        assert cell.entry is ABSENT or cell.mark is DELETING, "an entry that stands keeps its event"
    if done in (Act.CANCEL, Act.HOLD) and cell.event is ABSENT:
        assert cell.evidence is TOLD, "a listing does not prove that something is gone"
        assert decision.loss is Loss.ENTRY
    if done in (Act.TAKE_OVER, Act.MERGE):
        assert cell.entry is not ABSENT, "what is called off does not rise by an edit"
        assert cell.mark is not DELETING
    if done is Act.CANCEL:
        assert (cell.event, cell.entry, cell.footing) == (ABSENT, SAME, AGREED), "only what nobody touched here is called off"
    if done is Act.FORGET:
        assert cell.event is ABSENT
        assert cell.entry is ABSENT or cell.mark is DELETING
    if done is Act.WAIT:
        assert cell.mark is FAILED
    if cell.event is CHANGED and cell.footing is AGREED and done in (Act.NOTHING, Act.DELETE, Act.UPDATE):
        assert decision.tell, "a change of the owner's that is not followed is told"
    if cell.mark is DELETING:
        assert decision.loss is Loss.NOTHING, "somebody asked for it"


def test_a_second_run_with_nothing_changed_does_nothing() -> None:
    for evidence in Evidence:
        assert act(SAME, SAME, evidence=evidence) is Act.NOTHING


def test_expired_token_is_the_same_as_ever_but_for_what_is_missing() -> None:
    for cell in ALL:
        if cell.event is not ABSENT and cell.evidence is LISTED:
            told = Cell(event=cell.event, entry=cell.entry, footing=cell.footing, evidence=TOLD, mark=cell.mark)
            assert decide(cell) == decide(told)
    assert act(ABSENT, SAME, evidence=LISTED) is Act.CHECK
    assert act(ABSENT, CHANGED, LOST, LISTED) is Act.CHECK
    assert act(ABSENT, ABSENT, evidence=LISTED) is Act.CHECK


def test_each_side_alone() -> None:
    assert act(SAME, CHANGED) is Act.UPDATE
    assert act(CHANGED, SAME) is Act.TAKE_OVER
    assert act(CHANGED, CHANGED) is Act.MERGE
    assert act(SAME, ABSENT) is act(CHANGED, ABSENT) is Act.DELETE
    assert act(ABSENT, ABSENT) is Act.FORGET


def test_a_deleted_event_asks_or_cancels_as_the_setting_says() -> None:
    assert act(ABSENT, SAME) is Act.HOLD
    assert act(ABSENT, SAME, deletion=Deletion.CANCEL) is Act.CANCEL
    assert act(ABSENT, CHANGED, deletion=Deletion.CANCEL) is Act.HOLD
    assert act(ABSENT, SAME, LOST, deletion=Deletion.CANCEL) is Act.HOLD


def test_our_own_write_whose_answer_was_lost_is_met_again_without_a_second_event() -> None:
    assert act(CHANGED, CHANGED, NEVER) is Act.MERGE
    assert act(ABSENT, CHANGED, NEVER) is Act.CREATE
    assert act(CHANGED, ABSENT, NEVER) is Act.DELETE


def test_what_the_owner_put_back_from_his_bin_is_followed_again() -> None:
    assert act(SAME, SAME, mark=GONE) is Act.RECORD
    assert act(CHANGED, SAME, mark=GONE) is Act.MERGE
    assert act(CHANGED, ABSENT, mark=GONE) is Act.HOLD
    assert act(ABSENT, CHANGED, mark=GONE) is Act.NOTHING


def test_what_the_server_refused_waits_but_the_owners_change_there_arrives() -> None:
    assert act(SAME, CHANGED, mark=FAILED) is Act.WAIT
    assert act(CHANGED, SAME, mark=FAILED) is Act.TAKE_OVER
    assert act(CHANGED, ABSENT, mark=FAILED) is Act.WAIT


# The guard


def lost(count: int, loss: Loss = Loss.ENTRY) -> list[Decision]:
    return [Decision(act=Act.HOLD, sentence="x.", loss=loss)] * count + [Decision(act=Act.NOTHING, sentence="y.")] * 3


@pytest.mark.parametrize("loss", [Loss.ENTRY, Loss.EVENT])
@pytest.mark.parametrize(
    ("count", "entries", "held"),
    [(0, 0, False), (5, 5, False), (6, 6, True), (6, 29, True), (6, 30, False), (20, 100, False), (21, 100, True)],
)
def test_a_plan_that_loses_more_than_five_and_more_than_a_fifth_is_held(loss: Loss, count: int, entries: int, held: bool) -> None:
    sentence = guard(lost(count, loss), entries=entries)
    assert bool(sentence) is held
    assert not held or sentence.startswith(f"{count} of {entries} events ")


def test_losses_of_two_kinds_are_not_added_up() -> None:
    assert guard(lost(4) + lost(4, Loss.EVENT), entries=8) == ""


def test_an_emptied_calendar_is_held_once_as_a_whole() -> None:
    """Otherwise each of its entries would be asked for by itself, or cancelled."""
    cell = Cell(event=ABSENT, entry=SAME, footing=AGREED, evidence=TOLD, mark=LIVE)
    for deletion in Deletion:
        decisions = [decide(cell, deletion=deletion)] * 40
        assert guard(decisions, entries=40)
        assert Counter(one.loss for one in decisions) == {Loss.ENTRY: 40}
