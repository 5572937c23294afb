"""Use cases on entries: what they change, what they cause, what they refuse. The manual clock stands at 2027-03-01 08:00 UTC."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from daemon import planner
from daemon.core.errors import NotFound, Rejected
from daemon.core.itip import MailKind
from daemon.core.model import Attendee, EntryState, Owner, Sender, When
from daemon.planner.wishes import Changes, Desk, Done, Draft, EffectKind
from daemon.store import entries as rows
from daemon.store import numbers as number_rows
from daemon.store import work
from daemon.store.engine import Store
from tests.clock import ManualClock
from tests.planner.conftest import PLANNER, Do

HOUR = timedelta(hours=1)
ANNA, BEN = Attendee(email="anna@kunde.test", name="Anna"), Attendee(email="ben@kunde.test")


def when(day: int = 15, hour: int = 9, *, month: int = 3, all_day: bool = False) -> When:
    start = datetime(2027, month, day, 0 if all_day else hour)
    return When(start=start, zone="Europe/Berlin", duration=timedelta(days=1) if all_day else HOUR, all_day=all_day)


def mails(done: Done) -> dict[str, list[MailKind | None]]:
    told: dict[str, list[MailKind | None]] = {}
    for effect in done.effects:
        if effect.kind is EffectKind.MAIL:
            told.setdefault(effect.target, []).append(effect.mail_kind)
    return told


def test_creating_reserves_a_number_and_says_what_it_causes(do: Do, alice: Owner, store: Store, clock: ManualClock) -> None:
    done = do(planner.create, alice.id, Draft(title="  Haushalt \n 2027 ", when=when(), attendees=(ANNA, BEN), telephone=True))
    assert done.entry.title == "Haushalt 2027"
    assert store.run_now(lambda tx: number_rows.owner_of(tx, done.entry.number)) == done.entry.id
    assert mails(done) == {ANNA.email: [MailKind.INVITATION], BEN.email: [MailKind.INVITATION]}
    assert all(one.due == clock.now() + timedelta(seconds=60) for one in done.effects if one.kind is EffectKind.MAIL)
    assert [one.due for one in done.effects if one.kind is EffectKind.REMINDER] == [
        datetime(2027, 3, 14, 8, 0, tzinfo=clock.now().tzinfo),
        datetime(2027, 3, 15, 7, 45, tzinfo=clock.now().tzinfo),
    ]
    keys = {job.key for job in store.run_now(lambda tx: work.list_(tx))}
    assert keys == {
        f"mail:{done.entry.id}:{ANNA.email}",
        f"mail:{done.entry.id}:{BEN.email}",
        f"remind:{done.entry.id}:86400",
        f"remind:{done.entry.id}:900",
    }


async def test_a_preview_says_the_same_and_keeps_nothing(store: Store, desk: Desk, do: Do, alice: Owner) -> None:
    draft = Draft(title="Probe", when=when(), attendees=(ANNA,))
    done = await store.preview(lambda tx: planner.create(tx, desk, alice.id, draft))
    assert mails(done) == {ANNA.email: [MailKind.INVITATION]}
    assert await store.run(lambda tx: rows.count(tx)) == 0
    assert await store.run(lambda tx: work.list_(tx)) == ()


def test_people_on_the_list_are_not_told_before_invite(do: Do, alice: Owner) -> None:
    done = do(planner.create, alice.id, Draft(title="Still", when=when(), attendees=(ANNA,), invite=False))
    assert mails(done) == {}
    assert "not told yet" in done.notes[0]
    assert mails(do(planner.edit, done.entry.id, Changes(title="Immer noch still"))) == {}
    assert mails(do(planner.invite, done.entry.id)) == {ANNA.email: [MailKind.INVITATION]}


def test_moving_raises_sequence_and_a_new_title_does_not(do: Do, alice: Owner) -> None:
    entry = do(planner.create, alice.id, Draft(title="Eins", when=when())).entry
    assert do(planner.edit, entry.id, Changes(title="Zwei", description="neu")).entry.sequence == 0
    moved = do(planner.move, entry.id, start=datetime(2027, 3, 16, 10)).entry
    assert (moved.sequence, moved.when) == (1, when(16, 10))
    assert do(planner.move, entry.id, start=None, duration=2 * HOUR).entry.sequence == 2
    same_instant = do(planner.move, entry.id, start=datetime(2027, 3, 16, 5), zone="America/New_York").entry
    assert same_instant.sequence == 2, "the same instant in another zone is no move"


def test_a_cancelled_entry_keeps_its_number_and_stands_again_with_a_new_date(do: Do, alice: Owner, store: Store) -> None:
    entry = do(planner.create, alice.id, Draft(title="Hin und her", when=when())).entry
    cancelled = do(planner.cancel, entry.id).entry
    assert (cancelled.state, cancelled.number) == (EntryState.CANCELLED, entry.number)
    assert not [job for job in store.run_now(lambda tx: work.list_(tx)) if job.kind == work.REMIND]
    with pytest.raises(Rejected, match="cancelled already"):
        do(planner.cancel, entry.id)
    with pytest.raises(Rejected, match="new date"):
        do(planner.invite, entry.id, (ANNA,))
    again = do(planner.move, entry.id, start=datetime(2027, 3, 20, 9)).entry
    assert (again.state, again.uid, again.number) == (EntryState.PLANNED, entry.uid, entry.number)
    assert again.sequence > cancelled.sequence


def test_a_deleted_number_goes_into_quarantine(do: Do, alice: Owner, store: Store) -> None:
    entry = do(planner.create, alice.id, Draft(title="Weg", when=when())).entry
    do(planner.delete, entry.id)
    assert store.run_now(lambda tx: number_rows.owner_of(tx, entry.number)) is None
    with pytest.raises(NotFound, match="was deleted"):
        do(planner.edit, entry.id, Changes(title="x"))


def test_a_copy_has_a_number_of_its_own_and_tells_nobody(do: Do, alice: Owner) -> None:
    draft = Draft(title="Vorlage", when=when(), rrule="FREQ=WEEKLY;COUNT=3", attendees=(ANNA,), password="geheim")
    entry = do(planner.create, alice.id, draft).entry
    done = do(planner.copy, entry.id, start=datetime(2027, 4, 1, 9), title="Kopie")
    assert done.entry.number != entry.number
    assert done.entry.uid != entry.uid
    assert (done.entry.rrule, done.entry.password, done.entry.attendees) == (None, "geheim", (ANNA,))
    assert mails(done) == {}
    assert len(done.notes) >= 2
    assert do(planner.copy, entry.id).entry.rrule == "FREQ=WEEKLY;COUNT=3"


def test_one_date_of_a_series_is_moved_edited_cancelled_and_has_its_own_guests(do: Do, alice: Owner) -> None:
    entry = do(planner.create, alice.id, Draft(title="Reihe", when=when(), rrule="FREQ=WEEKLY;COUNT=4", attendees=(ANNA,))).entry
    second = datetime(2027, 3, 22, 9)
    changes = Changes(
        start=datetime(2027, 3, 23, 8), zone="UTC", duration=2 * HOUR, title="Länger", description="mehr", location="Raum 5"
    )
    (date,) = do(planner.edit, entry.id, changes, recurrence_id=second).entry.occurrences
    assert (date.start, date.duration, date.title) == (datetime(2027, 3, 23, 9), 2 * HOUR, "Länger")
    (date,) = do(planner.invite, entry.id, (BEN,), recurrence_id=second).entry.occurrences
    assert date.attendees == (ANNA, BEN)
    done = do(planner.uninvite, entry.id, (ANNA.email,), recurrence_id=second)
    assert done.entry.occurrences[0].attendees == (BEN,)
    do(planner.edit, entry.id, Changes(attendees=(ANNA,)), recurrence_id=second)
    (date,) = do(planner.move, entry.id, start=datetime(2027, 3, 24, 9), recurrence_id=second).entry.occurrences
    assert date.start == datetime(2027, 3, 24, 9)
    (date,) = do(planner.cancel, entry.id, recurrence_id=second).entry.occurrences
    assert date.cancelled
    with pytest.raises(Rejected, match="cancelled already"):
        do(planner.cancel, entry.id, recurrence_id=second)


def test_an_entry_without_date_gets_one_and_loses_it_again(do: Do, alice: Owner) -> None:
    entry = do(planner.create, alice.id, Draft(title="Nummer")).entry
    with pytest.raises(Rejected, match="no date yet"):
        do(planner.move, entry.id, start=None)
    with pytest.raises(Rejected, match="time zone"):
        do(planner.move, entry.id, start=datetime(2027, 4, 1, 9))
    with pytest.raises(Rejected, match="needs a date"):
        do(planner.edit, entry.id, Changes(rrule="FREQ=DAILY;COUNT=2"))
    with pytest.raises(Rejected, match="no meeting request"):
        do(planner.invite, entry.id, (ANNA,))
    dated = do(planner.edit, entry.id, Changes(start=datetime(2027, 4, 1, 9), zone="Europe/Berlin", all_day=True)).entry
    assert dated.when == When(start=datetime(2027, 4, 1), zone="Europe/Berlin", duration=timedelta(days=1), all_day=True)
    assert do(planner.edit, entry.id, Changes(all_day=False)).entry.when.duration == HOUR
    assert do(planner.edit, entry.id, Changes(rrule="FREQ=DAILY;COUNT=2")).entry.is_series
    assert not do(planner.edit, entry.id, Changes(rrule="")).entry.is_series
    assert do(planner.edit, entry.id, Changes(no_date=True)).entry.when is None


def test_settings_of_an_entry_are_changed_one_by_one(do: Do, alice: Owner) -> None:
    entry = do(planner.create, alice.id, Draft(title="Alles", when=when())).entry
    changes = Changes(location="Raum 1", telephone=True, remind=False, reminders=(HOUR, HOUR), password="x", attendees=(BEN,))
    after = do(planner.edit, entry.id, changes).entry
    assert (after.location, after.telephone, after.remind, after.reminders, after.password) == (
        "Raum 1",
        True,
        False,
        (HOUR,),
        "x",
    )
    assert after.attendees == (BEN,)
    assert do(planner.uninvite, entry.id, ("Ben@Kunde.test",)).entry.attendees == ()


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (lambda do, owner: do(planner.create, owner, Draft(title=" ")), "needs a title"),
        (lambda do, owner: do(planner.create, owner, Draft(title="x" * 201)), "201 characters"),
        (lambda do, owner: do(planner.create, owner, Draft(title="x", description="y" * 20_001)), "at most 20000"),
        (lambda do, owner: do(planner.create, owner, Draft(title="x", rrule="FREQ=DAILY")), "needs a date"),
        (
            lambda do, owner: do(
                planner.create,
                owner,
                Draft(title="x", when=When(start=datetime(2027, 1, 1), zone="Europe/Berlinn", duration=HOUR)),
            ),
            "Europe/Berlin",
        ),
        (
            lambda do, owner: do(
                planner.create, owner, Draft(title="x", when=When(start=datetime(1900, 1, 1), zone="UTC", duration=HOUR))
            ),
            "out of reach",
        ),
        (
            lambda do, owner: do(
                planner.create, owner, Draft(title="x", when=When(start=datetime(2027, 1, 1), zone="UTC", duration=timedelta(0)))
            ),
            "duration",
        ),
        (lambda do, owner: do(planner.create, owner, Draft(title="x", when=when(), rrule="FREQ=HOURLY")), "HOURLY"),
        (lambda do, owner: do(planner.create, owner, Draft(title="x", attendees=(ANNA, ANNA))), "twice"),
        (lambda do, owner: do(planner.create, owner, Draft(title="x", attendees=(Attendee(email=PLANNER),))), "own mailbox"),
        (
            lambda do, owner: do(
                planner.create, owner, Draft(title="x", attendees=tuple(Attendee(email=f"a{n}@b.de") for n in range(501)))
            ),
            "501 attendees",
        ),
        (lambda do, owner: do(planner.create, owner, Draft(title="x", reminders=(-HOUR,))), "before the start"),
        (
            lambda do, owner: do(planner.create, owner, Draft(title="x", reminders=tuple(HOUR * n for n in range(11)))),
            "ten reminders",
        ),
        (lambda do, owner: do(planner.create, owner, Draft(title="x", calendar="Nirgends")), "no calendar"),
        (lambda do, owner: do(planner.create, owner, Draft(title="x", sender=Sender.CALENDAR)), "No calendar is set"),
        (lambda do, owner: do(planner.create, "nobody", Draft(title="x")), "no owner"),
        (lambda do, owner: do(planner.cancel, "nothing"), "no entry"),
    ],
)
def test_what_cannot_be_an_entry_is_refused_with_a_sentence(
    do: Do, alice: Owner, ask: Callable[[Do, str], Any], reason: str
) -> None:
    with pytest.raises(Rejected, match=reason):
        ask(do, alice.id)


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (lambda do, one: do(planner.cancel, one, recurrence_id=datetime(2027, 3, 15, 9)), "single session"),
        (lambda do, one: do(planner.invite, one), "nobody on its list"),
        (lambda do, one: do(planner.uninvite, one, ("fremd@x.de",)), "fremd@x.de is not on the list"),
        (lambda do, one: do(planner.move, one, start=datetime(2027, 3, 15, 9), zone="Mars/Base"), "Mars/Base"),
    ],
)
def test_what_does_not_fit_an_entry_is_refused(do: Do, alice: Owner, ask: Callable[[Do, str], Any], reason: str) -> None:
    entry = do(planner.create, alice.id, Draft(title="Einzeln", when=when())).entry
    with pytest.raises(Rejected, match=reason):
        ask(do, entry.id)


def test_a_date_that_is_none_of_the_series_is_refused(do: Do, alice: Owner) -> None:
    entry = do(planner.create, alice.id, Draft(title="Reihe", when=when(), rrule="FREQ=WEEKLY;COUNT=2")).entry
    for ask in (planner.cancel, lambda *given, **named: planner.invite(*given, (ANNA,), **named)):
        with pytest.raises(Rejected, match="has no date 2027-03-16 09:00"):
            do(ask, entry.id, recurrence_id=datetime(2027, 3, 16, 9))
    with pytest.raises(Rejected, match="whom to invite"):
        do(planner.invite, entry.id, recurrence_id=datetime(2027, 3, 22, 9))


def test_lists_show_what_is_ahead_undated_past_and_cancelled(do: Do, alice: Owner, clock: ManualClock) -> None:
    for title, date in (
        ("Später", when(20)),
        ("Bald", when(2)),
        ("Vorbei", when(1, month=2)),
        ("Ohne", None),
        ("Abgesagt", when(5)),
    ):
        made = do(planner.create, alice.id, Draft(title=title, when=date)).entry
        if title == "Abgesagt":
            do(planner.cancel, made.id)

    def titles(which: str, **named: Any) -> list[str]:
        return [line.entry.title for line in do(planner.lines, alice.id, which=which, **named)]

    assert titles("upcoming") == ["Bald", "Später"]
    assert titles("undated") == ["Ohne"]
    assert titles("past") == ["Vorbei"]
    assert titles("cancelled") == ["Abgesagt"]
    assert len(titles("all")) == 5
    assert titles("all", search="bal") == ["Bald"]
    with pytest.raises(Rejected, match="is no list"):
        titles("gestern")


def test_owners_are_added_changed_and_removed_when_nothing_of_theirs_stands(do: Do, alice: Owner, store: Store) -> None:
    entry = do(planner.create, alice.id, Draft(title="Da", when=when())).entry
    with pytest.raises(Rejected, match="already"):
        do(planner.add_owner, email="ALICE@example.test")
    with pytest.raises(Rejected, match="own mailbox"):
        do(planner.add_owner, email=PLANNER)
    assert do(planner.edit_owner, alice.id, name="Alice Neu", zone="UTC", reminders=(HOUR,)).name == "Alice Neu"
    reminders = [job.key for job in store.run_now(lambda tx: work.list_(tx)) if job.kind == work.REMIND]
    assert reminders == [f"remind:{entry.id}:3600"], "new offsets re-arm what stands"
    with pytest.raises(Rejected, match="1 entries"):
        do(planner.remove_owner, alice.id)
    do(planner.delete, entry.id)
    do(planner.remove_owner, alice.id)
    assert store.run_now(planner.owners) == ()
