"""What a change causes: for whom, how often worked out, and when its work goes again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from daemon import planner
from daemon.core import itip
from daemon.core.model import Attendee, Entry, Organizer, Owner
from daemon.planner import causes, outbox
from daemon.planner.wishes import Changes, Desk, Done, Draft, EffectKind, Rules
from daemon.render import Renderer
from daemon.resources import template_folders
from daemon.store import entries as rows
from daemon.store import messages as message_rows
from daemon.store import work
from daemon.store.engine import Store
from tests.clock import ManualClock
from tests.planner.conftest import PLANNER, Do
from tests.planner.test_entries import ANNA, BEN, mails, when

CLARA, DORA = Attendee(email="clara@kunde.test"), Attendee(email="dora@kunde.test")
SECOND = datetime(2027, 3, 22, 9)


@pytest.fixture
def series(do: Do, alice: Owner) -> Entry:
    """Four Mondays with Anna, Ben and Clara, nobody told so far."""
    draft = Draft(title="Reihe", when=when(), rrule="FREQ=WEEKLY;COUNT=4", attendees=(ANNA, BEN, CLARA))
    entry: Entry = do(planner.create, alice.id, draft).entry
    return entry


def deliver(do: Do, store: Store, entry: Entry, *people: Attendee) -> None:
    """Tell these people everything they are owed."""
    renderer = Renderer(template_folders())
    for person in people:
        owing = do(outbox.owing, entry.id, person.email)
        assert owing is not None

        def tell(tx: Any, owing: outbox.Owing = owing) -> None:
            desk = Desk(clock=store.clock, rules=_rules())
            for message in outbox.written(desk, renderer, owing, f"mail:{entry.id}:{owing.attendee}"):
                message_rows.insert(tx, message)
                outbox.note_sent(tx, desk, message, "250 ok")

        store.run_now(tell)
        store.run_now(lambda tx, key=f"mail:{entry.id}:{person.email}": work.cancel(tx, key, now=store.clock.now()))


def _rules() -> Rules:
    return Rules(organizer=Organizer(email=PLANNER, name="Sitzungsplaner"), dial_in="+49 30 123")


WISHES: dict[str, Any] = {
    "a new title": lambda do, entry: do(planner.edit, entry.id, Changes(title="Anders")),
    "a move": lambda do, entry: do(planner.move, entry.id, start=datetime(2027, 3, 16, 9)),
    "one date moved": lambda do, entry: do(planner.move, entry.id, start=datetime(2027, 3, 23, 9), recurrence_id=SECOND),
    "one date cancelled": lambda do, entry: do(planner.cancel, entry.id, recurrence_id=SECOND),
    "one date without Anna": lambda do, entry: do(planner.uninvite, entry.id, (ANNA.email,), recurrence_id=SECOND),
    "one more on one date": lambda do, entry: do(planner.invite, entry.id, (DORA,), recurrence_id=SECOND),
    "without Ben": lambda do, entry: do(planner.uninvite, entry.id, (BEN.email,)),
    "all cancelled": lambda do, entry: do(planner.cancel, entry.id),
    "only reminders": lambda do, entry: do(planner.edit, entry.id, Changes(remind=False)),
}


@pytest.mark.parametrize("wish", WISHES)
def test_a_change_announces_exactly_what_each_person_is_owed(
    do: Do, store: Store, desk: Desk, series: Entry, alice: Owner, wish: str
) -> None:
    """Whose situation is the same is worked out once; here they are told of all, an older state, one date, or of nothing."""
    deliver(do, store, series, ANNA, BEN)
    do(planner.edit, series.id, Changes(location="Raum 5"))
    deliver(do, store, series, ANNA)
    do(planner.invite, series.id, (DORA,), recurrence_id=datetime(2027, 3, 29, 9))
    deliver(do, store, series, DORA)
    done: Done = WISHES[wish](do, series)
    entry = store.run_now(lambda tx: rows.get(tx, series.id))
    told = {one.attendee: one for one in store.run_now(lambda tx: message_rows.all_sent(tx, entry.id))}
    organizer, dress = causes.organizer_of(desk, alice), causes.dress_of(desk, entry, alice)
    expected = {}
    for email in {ANNA.email, BEN.email, CLARA.email, DORA.email}:
        owed = itip.owed(entry, email, told.get(email), organizer=organizer, dress=dress, now=desk.clock.now())
        if owed:
            expected[email] = [one.kind for one in owed]
    assert mails(done) == expected
    waiting = {row.key for row in store.run_now(lambda tx: work.list_(tx)) if row.kind == work.MAIL}
    assert waiting == {f"mail:{entry.id}:{email}" for email in expected}, "a row for each who is owed something, and no other"


def test_five_hundred_people_are_worked_out_once(do: Do, alice: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them was worked out with all the others in it: seconds for every change, in the only thread of SQLite."""
    people = tuple(Attendee(email=f"guest{at}@kunde.test") for at in range(500))
    entry = do(planner.create, alice.id, Draft(title="Groß", when=when(), attendees=people)).entry
    calls = 0
    owed = itip.owed

    def counted(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        return owed(*given, **named)

    monkeypatch.setattr(itip, "owed", counted)
    done = do(planner.move, entry.id, start=datetime(2027, 3, 16, 9))
    assert len(mails(done)) == 500
    assert calls == 1
    do(planner.show, entry.id)
    assert calls == 1, "showing asks the rows, not the rule"


def test_who_is_owed_nothing_has_no_row_but_a_mail_that_may_have_gone_out_keeps_its_own(
    do: Do, store: Store, series: Entry, clock: ManualClock
) -> None:
    keys = [f"mail:{series.id}:{one.email}" for one in (ANNA, BEN)]
    clock.move(timedelta(minutes=1))
    store.run_now(lambda tx: work.claim(tx, work.MAIL, now=clock.now(), hold=timedelta(minutes=1), most=9, token="t"))
    job = store.run_now(lambda tx: work.get(tx, keys[0]))
    owing = do(outbox.owing, series.id, ANNA.email)
    assert owing is not None
    desk = Desk(clock=clock, rules=_rules())
    messages = outbox.written(desk, Renderer(template_folders()), owing, keys[0])
    assert store.run_now(lambda tx: outbox.store_messages(tx, job, messages, revision=series.revision))
    assert not store.run_now(lambda tx: outbox.store_messages(tx, job, messages, revision=series.revision + 1))
    store.run_now(lambda tx: work.free_all(tx))
    do(planner.cancel, series.id)
    assert {row.key for row in store.run_now(lambda tx: work.of_keys(tx, keys))} == {keys[0]}


def test_the_effects_of_a_change_name_everything(do: Do, alice: Owner) -> None:
    done = do(planner.create, alice.id, Draft(title="Alles", when=when(), attendees=(ANNA,)))
    assert {one.kind for one in done.effects} == {EffectKind.MAIL, EffectKind.REMINDER}
    assert "Anna <anna@kunde.test> is mailed an invitation." in [one.text for one in done.effects]
