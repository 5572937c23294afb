"""The whole store carried into another database, both ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from daemon.core.delivery import Sent, Undeliverable
from daemon.core.errors import Refused, Rejected
from daemon.core.journal import Line
from daemon.core.model import Answer, AnswerSource, Attendee, Occurrence, PartStat, When
from daemon.core.reminders import Mark
from daemon.store import admin, aliases, entries, journal, messages, moving, reminder_marks, undeliverable
from daemon.store.engine import Store, open_store
from daemon.store.lock import hold
from daemon.store.moving import copy_store
from daemon.store.schema import metadata
from tests.clock import ManualClock
from tests.store.test_admin import _everything, _fill
from tests.store.test_engine import on_sqlite
from tests.store.values import DAY, NOW, with_number


@pytest.fixture
def target(store: Store, request: pytest.FixtureRequest, clock: ManualClock, tmp_path: Path) -> Iterator[Store]:
    """An empty database of the other kind, without tables."""
    if store.is_sqlite:
        server = request.getfixturevalue("postgres")
        url = server.fresh()
    else:
        url = f"sqlite:///{tmp_path / 'other' / 'target.db'}"
    opened = open_store(url, clock=clock, data_dir=None)
    yield opened
    opened.close()
    if store.is_sqlite:
        server.drop(url)


@pytest.fixture
def filled(store: Store, clock: ManualClock) -> Store:
    """With rows in every table."""
    date = datetime(2027, 4, 2, 9)
    answer = Answer(
        attendee="a@x.org", recurrence_id=date, partstat=PartStat.ACCEPTED, source=AnswerSource.MAIL, answered_at=NOW, about=""
    )
    series = {
        "when": When(start=date, zone="Europe/Berlin", duration=DAY / 24),
        "rrule": "FREQ=DAILY",
        "attendees": (Attendee(email="a@x.org"),),
        "occurrences": (Occurrence(recurrence_id=date, title="Ä"),),
        "answers": (answer,),
    }

    def fill(tx: sa.Connection) -> None:
        _fill(tx, clock)
        with_number(tx, clock, "series", **series)
        reminder_marks.add(tx, "id-series", Mark(offset=DAY, start=NOW, state="sent", reason=""))
        aliases.put(tx, "b@x.org", "a@x.org", at=NOW)
        undeliverable.put(tx, "id-series", Undeliverable(attendee="a@x.org", at=NOW, status="5.1.1", reply="no such user"))
        messages.put_sent(tx, Sent(entry="id-series", attendee="a@x.org", components=(), message_ids=("<1@x.org>",)))

    store.run_now(fill)
    return store


def test_every_row_of_every_table_arrives_and_the_other_database_works(filled: Store, target: Store) -> None:
    heard: Counter[str] = Counter()
    copied = copy_store(filled, target, heed=lambda table, rows: heard.update({table: rows}))
    assert _everything(target) == _everything(filled)
    assert all(copied.rows[table.name] for table in metadata.sorted_tables), "the test fills every table"
    assert heard == copied.rows
    assert copied.total == sum(copied.rows.values()) == moving.count(filled) == moving.count(target)
    assert target.run_now(lambda tx: entries.get(tx, "id-one")).attendees[1].name == "Ä"


def test_what_is_written_there_next_gets_numbers_of_its_own(filled: Store, target: Store) -> None:
    """PostgreSQL's sequence would begin at 1 again and meet the rows that were carried over."""
    copy_store(filled, target)
    for text in ("goes", "on"):
        target.run_now(lambda tx, text=text: journal.add(tx, Line(at=NOW, action="x", text=text)))  # type: ignore[misc]
    ids = target.run_now(lambda tx: list(tx.scalars(sa.text("SELECT id FROM journal ORDER BY id"))))
    assert len(ids) == len(set(ids)) == len(_everything(filled)["journal"]) + 2


def test_an_empty_store_is_carried_over_and_can_be_written(store: Store, target: Store) -> None:
    assert copy_store(store, target).total == 0
    target.run_now(lambda tx: journal.add(tx, Line(at=NOW, action="x", text="first")))


def test_a_database_that_holds_something_is_not_touched(filled: Store, target: Store) -> None:
    copy_store(filled, target)
    before = _everything(target)
    with pytest.raises(Rejected, match=r"not empty \(rows: .*1 in owner.*Name an empty one"):
        copy_store(filled, target)
    assert _everything(target) == before


def test_a_copy_that_breaks_in_the_middle_leaves_nothing_there(filled: Store, target: Store) -> None:
    def breaks(table: str, _rows: int) -> None:
        if table == "work":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_store(filled, target, heed=breaks)
    assert not any(_everything(target).values())
    assert copy_store(filled, target).total


def test_a_row_that_does_not_arrive_is_noticed_and_nothing_is_kept(
    filled: Store, target: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(source: sa.Connection, to: sa.Connection, **more: Any) -> None:
        whole(source, to, **more)
        to.execute(sa.text("DELETE FROM reminder_mark"))

    whole = admin.copy
    monkeypatch.setattr(admin, "copy", forgetful)
    with pytest.raises(Refused, match=r"Not every row arrived \(reminder_mark: 0 of \d+\)"):
        copy_store(filled, target)
    assert not any(_everything(target).values())


def test_a_store_of_another_version_is_not_copied(filled: Store, target: Store) -> None:
    filled.run_now(lambda tx: tx.execute(sa.text("UPDATE alembic_version SET version_num = '0000'")).rowcount)
    for refused in (lambda: copy_store(filled, target), lambda: moving.count(filled)):
        with pytest.raises(Refused, match=r"revision 0000.*db upgrade"):
            refused()
    assert target.run_now(lambda tx: sa.inspect(tx).get_table_names()) == []


def test_a_store_is_not_copied_into_itself(filled: Store) -> None:
    with pytest.raises(Rejected, match="in use already"):
        copy_store(filled, filled)


@on_sqlite
def test_a_file_that_a_service_has_open_is_no_target(filled: Store, clock: ManualClock, tmp_path: Path) -> None:
    target = open_store(f"sqlite:///{tmp_path / 'target.db'}", clock=clock, data_dir=None)
    try:
        assert target.file is not None
        with hold(target.file), pytest.raises(Rejected, match="is in use by process"):
            copy_store(filled, target)
        assert copy_store(filled, target).total
    finally:
        target.close()
