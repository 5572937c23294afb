"""Use cases on single dates, on people, and on calendars: what was once done wrongly, each with its story."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from daemon import planner
from daemon.core.calendars import CalendarState, LinkState
from daemon.core.delivery import MessageState
from daemon.core.errors import Rejected
from daemon.core.itip import Outcome
from daemon.core.model import Answer, AnswerSource, Attendee, Entry, Owner, PartStat, Sender
from daemon.planner import checks, upkeep
from daemon.planner.answers import IngestResult
from daemon.planner.causes import mail_key
from daemon.planner.wishes import Changes, Draft
from daemon.render import Renderer
from daemon.resources import template_folders
from daemon.store import calendars as calendar_rows
from daemon.store import entries as rows
from daemon.store import messages as message_rows
from daemon.store import work
from daemon.store.engine import Store
from tests.clock import ManualClock
from tests.planner.conftest import Do
from tests.planner.test_causes import deliver
from tests.planner.test_entries import ANNA, BEN, HOUR, mails, when
from tests.store.values import a_message

SECOND = datetime(2027, 3, 22, 9)


@pytest.fixture
def series(do: Do, alice: Owner) -> Entry:
    draft = Draft(title="Reihe", when=when(), rrule="FREQ=WEEKLY;COUNT=4", attendees=(ANNA,), location="Raum 1")
    entry: Entry = do(planner.create, alice.id, draft).entry
    return entry


def a_calendar(do: Do, owner: Owner, name: str = "Kalender", *, sender: Sender = Sender.PLANNER, capabilities: str = "{}") -> str:
    made = do(
        planner.add_calendar,
        owner.id,
        name=name,
        kind="memory",
        url="https://calendar.test/",
        username="alice",
        secret="",
        sender=sender,
        headers={},
        capabilities=capabilities,
    )
    return str(made.id)


def link_of(store: Store, entry: Entry, calendar: str) -> Any:
    return store.run_now(lambda tx: calendar_rows.get_link(tx, entry.id, calendar))


@pytest.mark.parametrize(
    "changes",
    [
        Changes(rrule="FREQ=DAILY;COUNT=2"),
        Changes(remind=False),
        Changes(telephone=True),
        Changes(password="x"),
        Changes(reminders=()),
        Changes(no_date=True),
        Changes(all_day=True),
        Changes(calendar=""),
    ],
    ids=lambda changes: next(
        name for name in changes.__slots__ if getattr(changes, name) not in (None, False) or name == "remind"
    ),
)
def test_what_belongs_to_the_whole_is_refused_for_one_date_and_not_forgotten(do: Do, series: Entry, changes: Changes) -> None:
    """It was passed over in silence."""
    with pytest.raises(Rejected, match="Change the whole entry"):
        do(planner.edit, series.id, changes, recurrence_id=SECOND)


def test_a_cancelled_date_stands_again_with_a_time_and_not_with_a_title(do: Do, series: Entry) -> None:
    """Correcting the title of a cancelled date invited everybody to it again."""
    do(planner.cancel, series.id, recurrence_id=SECOND)
    (date,) = do(planner.edit, series.id, Changes(title="Anders"), recurrence_id=SECOND).entry.occurrences
    assert (date.cancelled, date.title) == (True, "Anders")
    (date,) = do(planner.move, series.id, start=SECOND, recurrence_id=SECOND).entry.occurrences
    assert (date.cancelled, date.start) == (False, None)


def test_a_date_that_is_as_in_the_series_again_follows_the_series(do: Do, series: Entry) -> None:
    changes = Changes(start=SECOND + HOUR, duration=2 * HOUR, title="Anders", description="mehr", location="Raum 2")
    do(planner.edit, series.id, changes, recurrence_id=SECOND)
    back = Changes(start=SECOND, duration=HOUR, title="Reihe", description="", location="Raum 1")
    (date,) = do(planner.edit, series.id, back, recurrence_id=SECOND).entry.occurrences
    assert (date.start, date.duration, date.title, date.description, date.location) == (None,) * 5
    entry = do(planner.edit, series.id, Changes(title="Ganz neu")).entry
    assert [one.title for one in entry.occurrences] == [None]


def test_the_length_of_a_moved_date_changes_where_it_is(do: Do, series: Entry) -> None:
    do(planner.move, series.id, start=SECOND + HOUR, recurrence_id=SECOND)
    (date,) = do(planner.move, series.id, start=None, duration=2 * HOUR, recurrence_id=SECOND).entry.occurrences
    assert (date.start, date.duration) == (SECOND + HOUR, 2 * HOUR)
    with pytest.raises(Rejected, match="year"):
        do(planner.move, series.id, start=datetime(2900, 1, 1), recurrence_id=SECOND)


def test_inviting_to_one_date_does_not_tell_a_list_that_was_kept_back(do: Do, alice: Owner) -> None:
    draft = Draft(title="Still", when=when(), rrule="FREQ=WEEKLY;COUNT=4", attendees=(ANNA,), invite=False)
    entry = do(planner.create, alice.id, draft).entry
    with pytest.raises(Rejected, match="not told yet and would be now"):
        do(planner.invite, entry.id, (BEN,), recurrence_id=SECOND)
    do(planner.uninvite, entry.id, (ANNA.email,))
    assert list(mails(do(planner.invite, entry.id, (BEN,), recurrence_id=SECOND))) == [BEN.email]


def test_inviting_the_same_person_again_says_so(do: Do, alice: Owner, store: Store, clock: ManualClock) -> None:
    entry = do(planner.create, alice.id, Draft(title="Zweimal", when=when(), attendees=(ANNA,))).entry
    deliver(do, store, entry, ANNA)
    done = do(planner.invite, entry.id, (ANNA, BEN))
    assert list(mails(done)) == [BEN.email]
    assert done.notes == ("Told already, and nothing has changed for them: anna@kunde.test.",)
    deliver(do, store, entry, BEN)
    assert "Nobody is mailed" in do(planner.invite, entry.id, (ANNA,)).notes[0]


def test_a_list_stays_below_its_bound_however_it_grows(do: Do, alice: Owner) -> None:
    people = tuple(Attendee(email=f"guest{at}@kunde.test") for at in range(checks.MAX_ATTENDEES))
    entry = do(planner.create, alice.id, Draft(title="Voll", when=when(), attendees=people)).entry
    with pytest.raises(Rejected, match="too many"):
        do(planner.invite, entry.id, (ANNA,))


def test_a_cancelled_entry_may_lose_its_date(do: Do, series: Entry) -> None:
    """It was told to cancel it first."""
    with pytest.raises(Rejected, match="Cancel it first"):
        do(planner.edit, series.id, Changes(no_date=True))
    do(planner.cancel, series.id)
    entry = do(planner.edit, series.id, Changes(no_date=True)).entry
    assert (entry.when, entry.rrule) == (None, None)


# Calendars


def test_only_a_server_that_invites_can_be_the_sender(do: Do, alice: Owner) -> None:
    plain = a_calendar(do, alice)
    able = a_calendar(do, alice, "Kann", capabilities='{"schedules": true}')
    with pytest.raises(Rejected, match="does not send invitations"):
        do(planner.create, alice.id, Draft(title="X", when=when(), attendees=(ANNA,), calendar=plain, sender=Sender.CALENDAR))
    draft = Draft(title="X", when=when(), attendees=(ANNA,), calendar=able, sender=Sender.CALENDAR)
    assert do(planner.create, alice.id, draft).entry.sender is Sender.CALENDAR


def test_removing_the_calendar_that_invites(do: Do, alice: Owner, store: Store) -> None:
    """An entry whose calendar is gone had a sender that is none: nobody was ever invited."""
    calendar = a_calendar(do, alice, sender=Sender.CALENDAR)
    kept = do(planner.create, alice.id, Draft(title="Später", when=when(), attendees=(ANNA,), invite=False)).entry
    other = do(planner.create, alice.id, Draft(title="Läuft", when=when(), attendees=(ANNA,))).entry
    with pytest.raises(Rejected, match="1 entries"):
        do(planner.remove_calendar, calendar)
    do(planner.cancel, other.id)
    with pytest.raises(Rejected, match="1 entries"):
        do(planner.remove_calendar, calendar)  # the server has not been told of the cancellation yet
    link = link_of(store, other, calendar)
    store.run_now(lambda tx: calendar_rows.settle_link(tx, _settled(link)))
    assert do(planner.remove_calendar, calendar) == 2
    assert store.run_now(lambda tx: rows.get(tx, kept.id)).sender is Sender.PLANNER
    assert mails(do(planner.invite, kept.id)) != {}


def _settled(link: Any) -> Any:
    return replace(link, dirty=False)


def test_a_copy_of_an_entry_without_a_calendar_any_more_is_sent_by_the_planner(do: Do, alice: Owner, store: Store) -> None:
    calendar = a_calendar(do, alice, sender=Sender.CALENDAR)
    entry = do(planner.create, alice.id, Draft(title="Vorlage", when=when(), attendees=(ANNA,), invite=False)).entry
    assert do(planner.copy, entry.id).entry.sender is Sender.CALENDAR
    store.run_now(lambda tx: calendar_rows.remove_link(tx, entry.id, calendar))
    assert do(planner.copy, entry.id).entry.sender is Sender.PLANNER


def test_an_entry_that_its_calendar_sends_stays_there(do: Do, alice: Owner) -> None:
    calendar = a_calendar(do, alice, sender=Sender.CALENDAR)
    entry = do(planner.create, alice.id, Draft(title="Fest", when=when(), attendees=(ANNA,))).entry
    with pytest.raises(Rejected, match="cannot leave that calendar"):
        do(planner.set_calendar, entry.id, None)
    assert do(planner.edit, entry.id, Changes(calendar=calendar)).entry.sender is Sender.CALENDAR


def test_an_entry_without_calendar_gets_one_by_name_and_none_is_none(do: Do, alice: Owner, store: Store) -> None:
    entry = do(planner.create, alice.id, Draft(title="Ohne", when=when())).entry
    do(planner.set_calendar, entry.id, None)
    calendar = a_calendar(do, alice, "Arbeit")
    do(planner.set_calendar, entry.id, "arbeit")
    link = link_of(store, entry, calendar)
    assert (link.state, link.dirty) == (LinkState.PENDING, True)
    with pytest.raises(Rejected, match="needs a name"):
        a_calendar(do, alice, "  ")


def test_a_refusing_calendar_is_left_alone_by_changes_and_asked_by_sync(
    do: Do, alice: Owner, store: Store, clock: ManualClock
) -> None:
    calendar = a_calendar(do, alice)
    key = f"calendar:{calendar}"
    now = clock.now()
    (job,) = store.run_now(lambda tx: work.claim(tx, work.CALENDAR, now=now, hold=HOUR, most=1, token="t")).jobs
    store.run_now(lambda tx: work.park(tx, job, error="wrong password", now=now))
    store.run_now(lambda tx: calendar_rows.set_state(tx, calendar, CalendarState.REFUSED, error="wrong password"))
    entry = do(planner.create, alice.id, Draft(title="Wartet", when=when())).entry
    assert store.run_now(lambda tx: work.get(tx, key)).due is None
    assert link_of(store, entry, calendar).dirty
    assert do(planner.sync_soon, None) == 1
    assert store.run_now(lambda tx: work.get(tx, key)).due == now


def test_answers_are_shown_in_the_calendar_copy(do: Do, alice: Owner, store: Store, clock: ManualClock) -> None:
    calendar = a_calendar(do, alice)
    entry = do(planner.create, alice.id, Draft(title="Antwort", when=when(), attendees=(ANNA,))).entry
    store.run_now(lambda tx: calendar_rows.settle_link(tx, _settled(link_of_tx(tx, entry, calendar))))
    answer = Answer(
        attendee=ANNA.email,
        recurrence_id=None,
        partstat=PartStat.ACCEPTED,
        source=AnswerSource.OWNER,
        answered_at=clock.now(),
        about="x",
    )
    do(planner.record_answer, entry.id, answer)
    assert link_of(store, entry, calendar).dirty
    store.run_now(lambda tx: calendar_rows.mark_dirty(tx, entry.id, calendar, now=clock.now(), deleting=True))
    store.run_now(lambda tx: calendar_rows.settle_link(tx, _settled(link_of_tx(tx, entry, calendar))))
    do(planner.record_answer, entry.id, answer)
    assert not link_of(store, entry, calendar).dirty, "what is taken away is not written again"


def link_of_tx(tx: Any, entry: Entry, calendar: str) -> Any:
    return calendar_rows.get_link(tx, entry.id, calendar)


# What is over


def test_a_tombstone_is_kept_until_everybody_is_told(do: Do, alice: Owner, store: Store, clock: ManualClock) -> None:
    calendar = a_calendar(do, alice)
    entry = do(planner.create, alice.id, Draft(title="Weg", when=when(28), attendees=(ANNA,))).entry
    deliver(do, store, entry, ANNA)
    do(planner.delete, entry.id)
    clock.move(timedelta(days=40))
    assert do(upkeep.tidy) == (0, 0)
    store.run_now(lambda tx: calendar_rows.remove_link(tx, entry.id, calendar))
    assert do(upkeep.tidy) == (0, 0), "the cancellation is owed"
    with pytest.raises(Rejected, match="still being delivered"):
        store.run_now(lambda tx: upkeep.bury(tx, rows.get(tx, entry.id)))
    store.run_now(lambda tx: work.cancel(tx, f"mail:{entry.id}:{ANNA.email}", now=clock.now()))
    assert do(upkeep.tidy) == (0, 1)


def test_a_message_that_nobody_asks_for_any_more_is_given_up_after_a_day(
    do: Do, alice: Owner, store: Store, clock: ManualClock
) -> None:
    """Its holder died, and before it was tried again the row was taken away: it would wait for ever, and be shown as waiting."""
    entry = do(planner.create, alice.id, Draft(title="Halb", when=when(28), attendees=(ANNA, BEN))).entry
    gone, asked = mail_key(entry.id, ANNA.email), mail_key(entry.id, BEN.email)
    orphan = a_message("m1", work=gone, entry=entry.id, created=clock.now())
    waits = a_message("m2", work=asked, entry=entry.id, created=clock.now())
    store.run_now(lambda tx: message_rows.insert(tx, orphan, waits))
    store.run_now(lambda tx: work.cancel(tx, gone, now=clock.now()))

    def states() -> list[MessageState]:
        return [store.run_now(lambda tx, one=one: message_rows.get(tx, one)).state for one in ("m1", "m2")]

    clock.move(timedelta(hours=23))
    do(upkeep.tidy)
    assert states() == [MessageState.PENDING, MessageState.PENDING]
    clock.move(HOUR)
    do(upkeep.tidy)
    assert states() == [MessageState.DROPPED, MessageState.PENDING]


def test_an_owner_with_calendars_stays(do: Do, alice: Owner) -> None:
    a_calendar(do, alice)
    with pytest.raises(Rejected, match="still has calendars"):
        do(planner.remove_owner, alice.id)
    assert do(lambda tx, desk: planner.owners(tx)) == (alice,)


def test_the_text_of_an_invitation_has_the_date_or_does_without(do: Do, alice: Owner, series: Entry) -> None:
    renderer = Renderer(template_folders())
    text = do(planner.invitation_text, renderer, series.id, None)
    assert "Reihe" in text
    assert "15. März 2027" in text or "15.03.2027" in text
    undated = do(planner.create, alice.id, Draft(title="Ohne Datum")).entry
    assert "Ohne Datum" in do(planner.invitation_text, renderer, undated.id, None)


@pytest.mark.parametrize(
    ("outcome", "entry", "before", "settled"),
    [
        (Outcome.APPLIED, "e", None, True),
        (Outcome.AUTO, None, None, True),
        (Outcome.IGNORED, "e", None, True),
        (Outcome.IGNORED, None, None, False),
        (Outcome.HELD, "e", None, False),
        (Outcome.BOUNCE, None, None, False),
        (Outcome.IGNORED, None, Outcome.APPLIED, True),
        (Outcome.IGNORED, None, Outcome.HELD, False),
    ],
    ids=["applied", "automatic", "stale", "about nothing of ours", "held", "bounce", "applied before", "held before"],
)
def test_who_has_to_look_at_a_mail(outcome: Outcome, entry: str | None, before: Outcome | None, settled: bool) -> None:
    assert IngestResult(outcome=outcome, reason="", entry=entry, before=before).settled is settled
