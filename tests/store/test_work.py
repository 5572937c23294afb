"""The work queue, case by case, on both databases; as a whole against a model in test_work_model.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from daemon.core.errors import NotFound
from daemon.store import work, work_counts
from daemon.store.engine import Store
from daemon.store.schema import work as table
from daemon.store.work import Job, Lost
from tests.clock import ManualClock

NOW = datetime(2027, 3, 1, 8, 0, tzinfo=UTC)
HOLD = timedelta(seconds=60)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def put(
    store: Store, key: str = "mail:1:a", *, kind: str = work.MAIL, due: datetime = NOW, args: dict[str, Any] | None = None
) -> None:
    store.run_now(lambda tx: work.put(tx, key=key, kind=kind, due=due, args=args))


def claim(
    store: Store, kind: str = work.MAIL, *, now: datetime = NOW, most: int = 10, token: str = "t1", deaths: int = 5
) -> work.Claim:
    return store.run_now(lambda tx: work.claim(tx, kind, now=now, hold=HOLD, most=most, token=token, deaths=deaths))


def claim_one(store: Store, kind: str = work.MAIL, *, now: datetime = NOW, token: str = "t1") -> Job:
    [job] = claim(store, kind, now=now, token=token).jobs
    return job


def get(store: Store, key: str = "mail:1:a") -> Job:
    return store.run_now(lambda tx: work.get(tx, key))


def keys(store: Store) -> list[str]:
    return [job.key for job in store.run_now(work.list_)]


def test_due_work_is_claimed_once_with_its_arguments(store: Store) -> None:
    put(store, args={"to": "ä\x00"})
    job = claim_one(store)
    assert (job.key, job.kind, job.args, job.tries, job.deaths, job.holder) == ("mail:1:a", "mail", {"to": "ä\x00"}, 1, 0, "t1")
    assert (job.due, job.held_until) == (NOW, NOW + HOLD)
    assert claim(store, token="t2").jobs == ()


def test_work_that_is_not_due_or_of_another_kind_is_left(store: Store) -> None:
    put(store, due=NOW + SECOND)
    assert claim(store).jobs == ()
    assert claim(store, work.REMIND, now=NOW + DAY).jobs == ()
    assert len(claim(store, now=NOW + SECOND).jobs) == 1


def test_the_oldest_are_claimed_first_and_not_more_than_asked_for(store: Store) -> None:
    for at in (3, 1, 2):
        put(store, f"mail:{at}", due=NOW + at * SECOND)
    assert [job.key for job in claim(store, now=NOW + DAY, most=2).jobs] == ["mail:1", "mail:2"]


def test_work_in_the_transaction_of_its_cause_goes_with_it(store: Store) -> None:
    def both(tx: sa.Connection) -> None:
        work.put(tx, key="mail:1:a", kind=work.MAIL, due=NOW)
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it has no text
        store.run_now(both)
    assert keys(store) == []


def test_the_next_due_time_is_that_of_the_oldest_free_row(store: Store) -> None:
    assert store.run_now(lambda tx: work.next_due(tx, work.MAIL)) is None
    put(store, "mail:1", due=NOW)
    put(store, "mail:2", due=NOW + DAY)
    put(store, "mail:3", due=NOW)
    assert store.run_now(lambda tx: work.next_due(tx, work.MAIL)) == NOW
    for job in claim(store).jobs:
        store.run_now(lambda tx, job=job: work.park(tx, job, error="x", now=NOW) if job.key == "mail:3" else None)
    assert store.run_now(lambda tx: work.next_due(tx, work.MAIL)) == NOW + DAY


def test_put_again_moves_the_row_and_changes_its_arguments(store: Store) -> None:
    put(store, args={"a": 1})
    put(store, due=NOW + DAY, args={"b": 2})
    row = get(store)
    assert (row.due, row.args, row.wish) == (NOW + DAY, {"b": 2}, 2)


def test_finished_work_is_gone(store: Store) -> None:
    put(store)
    job = claim_one(store)
    store.run_now(lambda tx: work.finish(tx, job))
    assert keys(store) == []


def test_recurring_work_is_due_again_as_if_new(store: Store) -> None:
    put(store, "calendar:1", kind=work.CALENDAR)
    job = claim_one(store, work.CALENDAR)
    store.run_now(lambda tx: work.fail(tx, job, error="x", at=NOW, now=NOW))
    job = claim_one(store, work.CALENDAR, token="t2")
    store.run_now(lambda tx: work.finish(tx, job, again=NOW + DAY))
    row = get(store, "calendar:1")
    assert (row.due, row.tries, row.error, row.first_failed, row.holder) == (NOW + DAY, 0, "", None, None)


def test_work_asked_for_anew_while_it_runs_runs_again_after_finish(store: Store) -> None:
    put(store)
    job = claim_one(store)
    put(store, due=NOW + 2 * SECOND, args={"new": 1})
    assert claim(store, now=NOW + 2 * SECOND, token="t2").jobs == (), "not twice at once"
    store.run_now(lambda tx: work.finish(tx, job))
    again = claim_one(store, now=NOW + 2 * SECOND, token="t3")
    assert (again.args, again.tries) == ({"new": 1}, 1)


@pytest.mark.parametrize("ending", ["finish-again", "fail", "park"])
def test_a_newer_wish_is_not_overwritten_by_the_end_of_the_old_one(store: Store, ending: str) -> None:
    put(store)
    job = claim_one(store)
    put(store, due=NOW + SECOND)

    def end(tx: sa.Connection) -> None:
        if ending == "finish-again":
            work.finish(tx, job, again=NOW + DAY)
        elif ending == "fail":
            work.fail(tx, job, error="x", at=NOW + DAY, now=NOW)
        else:
            assert work.park(tx, job, error="x", now=NOW) is False

    store.run_now(end)
    row = get(store)
    assert (row.due, row.holder, row.parked, row.first_failed) == (NOW + SECOND, None, None, None)
    assert row.error == ("" if ending == "finish-again" else "x"), "how the try ended is known all the same"


def test_a_new_wish_does_not_make_forget_that_the_last_try_failed(store: Store) -> None:
    """Whose server hangs would be taken for sound at each change that a person makes."""
    put(store)
    job = claim_one(store)
    store.run_now(lambda tx: work.fail(tx, job, error="no answer", at=NOW + DAY, now=NOW))
    put(store)
    job = claim_one(store, token="t2")
    assert (job.error, job.tries, job.first_failed) == ("no answer", 1, None)
    put(store, due=NOW + DAY)
    store.run_now(lambda tx: work.finish(tx, job))
    assert get(store).error == ""


def test_a_wary_claim_takes_few_that_failed_and_the_oldest_of_all(store: Store) -> None:
    for at, name in enumerate("abcdefg"):
        put(store, name, due=NOW + at * SECOND)
    failed = {"a", "b", "c", "f"}
    for job in claim(store, now=NOW + DAY, most=9).jobs:
        again = job.due or NOW
        if job.key in failed:
            store.run_now(lambda tx, job=job, at=again: work.fail(tx, job, error="x", at=at, now=NOW))
        else:
            store.run_now(lambda tx, job=job, at=again: work.finish(tx, job, again=at))

    def take(most: int, wary: int, token: str) -> list[str]:
        do = partial(work.claim, kind=work.MAIL, now=NOW + DAY, hold=HOLD, most=most, token=token, wary=wary)
        return [job.key for job in store.run_now(do).jobs]

    def following(*, sound: bool) -> datetime | None:
        return store.run_now(lambda tx: work.next_due(tx, work.MAIL, sound=sound))

    assert take(2, 2, "t1") == ["a", "b"]
    assert take(2, 0, "t2") == ["d", "e"]
    assert (following(sound=False), following(sound=True)) == (NOW + 2 * SECOND, NOW + 6 * SECOND)
    assert take(9, 1, "t3") == ["c", "g"]
    assert (following(sound=False), following(sound=True)) == (NOW + 5 * SECOND, None)
    assert take(9, 0, "t4") == []
    assert take(9, 3, "t5") == ["f"]


def test_failed_work_is_due_later_and_remembers_since_when(store: Store) -> None:
    put(store)
    job = claim_one(store)
    store.run_now(lambda tx: work.fail(tx, job, error="no answer", at=NOW + SECOND, now=NOW))
    job = claim_one(store, now=NOW + DAY, token="t2")
    assert (job.tries, job.error, job.first_failed) == (2, "no answer", NOW)
    store.run_now(lambda tx: work.fail(tx, job, error="still none", at=NOW + 2 * DAY, now=NOW + DAY))
    assert get(store).first_failed == NOW


def test_parked_work_waits_for_a_person_and_a_new_wish_is_one(store: Store) -> None:
    put(store)
    job = claim_one(store)
    assert store.run_now(lambda tx: work.park(tx, job, error="refused", now=NOW)) is True
    assert claim(store, now=NOW + DAY).jobs == ()
    row = get(store)
    assert (row.due, row.parked, row.error, row.holder) == (None, NOW, "refused", None)
    put(store, due=NOW + DAY)
    job = claim_one(store, now=NOW + DAY)
    assert (job.tries, job.deaths, job.error, job.parked, job.first_failed) == (1, 0, "", None, None)


def test_a_hold_that_ran_out_passes_to_the_next_and_counts_a_death(store: Store) -> None:
    put(store)
    late = claim_one(store)
    assert claim(store, now=NOW + HOLD - SECOND, token="t2").jobs == ()
    job = claim_one(store, now=NOW + HOLD, token="t2")
    assert (job.tries, job.deaths, job.error) == (2, 1, "")
    for act in (
        lambda tx: work.finish(tx, late),
        lambda tx: work.finish(tx, late, again=NOW),
        lambda tx: work.fail(tx, late, error="x", at=NOW, now=NOW),
        lambda tx: work.park(tx, late, error="x", now=NOW),
    ):
        with pytest.raises(Lost):
            store.run_now(act)
    assert get(store).holder == "t2"


def test_a_late_holder_s_transaction_is_undone(store: Store) -> None:
    put(store)
    late = claim_one(store)
    claim_one(store, now=NOW + HOLD, token="t2")

    def settle(tx: sa.Connection) -> None:
        work.put(tx, key="mail:other", kind=work.MAIL, due=NOW)
        work.finish(tx, late)

    with pytest.raises(Lost):
        store.run_now(settle)
    assert keys(store) == ["mail:1:a"]


def test_work_that_kills_its_holders_is_parked_at_claim(store: Store) -> None:
    put(store)
    now = NOW
    for at in range(3):
        assert claim(store, now=now, token=f"t{at}", deaths=3).jobs
        now += HOLD
    taken = claim(store, now=now, token="last", deaths=3)
    assert taken.jobs == ()
    [parked] = taken.parked
    assert (parked.due, parked.parked, parked.holder, parked.deaths) == (None, now, None, 3)
    assert "3 times in a row" in parked.error
    assert claim(store, now=now + DAY, token="x", deaths=3) == work.Claim(jobs=(), parked=())


def test_a_failure_in_good_order_forgets_the_deaths(store: Store) -> None:
    put(store)
    claim_one(store)
    job = claim_one(store, now=NOW + HOLD, token="t2")
    store.run_now(lambda tx: work.fail(tx, job, error="x", at=NOW, now=NOW))
    assert get(store).deaths == 0


def test_work_that_gets_on_is_not_blamed_for_its_holders_deaths(store: Store) -> None:
    """Seen with a service killed every half second: calendars were put aside although each turn wrote some of their events."""
    put(store)
    now = NOW
    for at in range(7):
        job = claim_one(store, now=now, token=f"t{at}")
        store.run_now(lambda tx, job=job: work.progress(tx, job))
        now += HOLD
    assert get(store).deaths == 0


def test_a_part_cannot_be_recorded_by_who_lost_the_work(store: Store) -> None:
    put(store)
    late = claim_one(store)
    claim_one(store, now=NOW + HOLD, token="t2")
    with pytest.raises(Lost):
        store.run_now(lambda tx: work.progress(tx, late))


def test_a_new_wish_does_not_forget_the_deaths_of_work_that_is_not_parked(store: Store) -> None:
    put(store)
    claim_one(store)
    claim_one(store, now=NOW + HOLD, token="t2")
    put(store)
    assert get(store).deaths == 1


def test_renewed_holds_last_and_lost_ones_are_named(store: Store) -> None:
    for at in range(3):
        put(store, f"mail:{at}")
    first, second, third = claim(store, most=2).jobs + claim(store, token="t2").jobs
    store.run_now(lambda tx: work.finish(tx, second))
    now = NOW + HOLD
    assert store.run_now(lambda tx: work.renew(tx, [first, second, third], until=now + HOLD)) == (second,)
    assert claim(store, now=now, token="t3").jobs == ()
    assert store.run_now(lambda tx: work.renew(tx, [], until=now)) == ()


def test_renewing_does_not_take_a_row_back_that_the_same_worker_claimed_again(store: Store) -> None:
    put(store)
    old = claim_one(store)
    new = claim_one(store, now=NOW + HOLD, token="t2")
    assert store.run_now(lambda tx: work.renew(tx, [old, new], until=NOW + 2 * HOLD)) == (old,)


def test_released_work_is_as_if_never_claimed(store: Store) -> None:
    put(store)
    job = claim_one(store)
    store.run_now(lambda tx: work.release(tx, job, now=NOW))
    store.run_now(lambda tx: work.release(tx, job, now=NOW))
    row = get(store)
    assert (row.holder, row.held_until, row.tries, row.deaths) == (None, None, 0, 0)
    job = claim_one(store, token="t2")
    put(store)
    store.run_now(lambda tx: work.release(tx, job, now=NOW))
    assert get(store).tries == 0


def test_at_the_start_of_the_only_process_every_hold_is_a_dead_one_s(store: Store) -> None:
    put(store, "mail:1")
    put(store, "mail:2")
    claim(store, most=1)
    assert store.run_now(work.free_all) == 1
    assert {job.key: job.deaths for job in claim(store, token="t2").jobs} == {"mail:1": 1, "mail:2": 0}


@pytest.mark.parametrize("kind", [work.MAIL, work.CALENDAR, work.INBOX, work.REMIND])
def test_cancelled_work_that_nobody_holds_is_gone(store: Store, kind: str) -> None:
    put(store, "x:1", kind=kind)
    put(store, "x:2", kind=kind)
    store.run_now(lambda tx: work.cancel(tx, "x:1", "x:2", "unknown", now=NOW))
    store.run_now(lambda tx: work.cancel(tx, now=NOW))
    assert keys(store) == []


@pytest.mark.parametrize("kind", [work.MAIL, work.CALENDAR, work.INBOX])
def test_cancelled_while_held_a_row_that_is_a_lock_stays_and_runs_once_more(store: Store, kind: str) -> None:
    """Deleted and put anew it would be free while its first holder is still at work on the same account."""
    put(store, "x:1", kind=kind)
    job = claim_one(store, kind)
    store.run_now(lambda tx: work.cancel(tx, "x:1", now=NOW + SECOND))
    put(store, "x:1", kind=kind, due=NOW + SECOND)
    assert claim(store, kind, now=NOW + SECOND, token="t2").jobs == ()
    store.run_now(lambda tx: work.finish(tx, job, again=NOW + DAY))
    assert claim_one(store, kind, now=NOW + SECOND, token="t3").key == "x:1"


def test_cancelled_while_held_a_reminder_is_lost_to_its_holder(store: Store) -> None:
    put(store, "remind:1:PT24H", kind=work.REMIND)
    job = claim_one(store, work.REMIND)
    store.run_now(lambda tx: work.cancel(tx, "remind:1:PT24H", now=NOW))
    with pytest.raises(Lost):
        store.run_now(lambda tx: work.finish(tx, job))


def test_the_first_success_makes_failed_rows_of_the_kind_due(store: Store) -> None:
    put(store, "mail:failed")
    put(store, "mail:held")
    for job in claim(store).jobs:
        store.run_now(lambda tx, job=job: work.fail(tx, job, error="x", at=NOW + DAY, now=NOW))
    put(store, "mail:planned", due=NOW + DAY)
    store.run_now(lambda tx: tx.execute(sa.update(table).where(table.c.key == "mail:held").values(holder="t")))
    assert store.run_now(lambda tx: work.hasten(tx, work.MAIL, now=NOW)) == 1
    assert store.run_now(lambda tx: work.hasten(tx, work.CALENDAR, now=NOW)) == 0
    assert [job.key for job in claim(store, token="t2").jobs] == ["mail:failed"]


def test_a_person_can_retry_and_drop_and_hears_of_unknown_keys(store: Store) -> None:
    put(store)
    job = claim_one(store)
    store.run_now(lambda tx: work.park(tx, job, error="x", now=NOW))
    store.run_now(lambda tx: work.retry(tx, job.key, now=NOW + DAY))
    row = get(store)
    assert (row.due, row.parked, row.tries, row.error) == (NOW + DAY, None, 0, "x")
    store.run_now(lambda tx: work.drop(tx, job.key, now=NOW))
    for act in (work.retry, work.drop):
        with pytest.raises(NotFound, match="mail:1:a"):
            store.run_now(lambda tx, act=act: act(tx, "mail:1:a", now=NOW))


def test_lists_and_counts_tell_waiting_ripe_held_and_parked(store: Store, clock: ManualClock) -> None:
    for name in ("parked", "held", "expired"):
        put(store, f"mail:{name}", due=NOW - DAY)
    jobs = {job.key: job for job in claim(store).jobs}
    store.run_now(lambda tx: work.park(tx, jobs["mail:parked"], error="x", now=NOW))
    now = NOW + HOLD
    store.run_now(lambda tx: work.renew(tx, [jobs["mail:held"]], until=now + HOLD))
    put(store, "mail:ripe", due=now)
    put(store, "mail:waiting", due=now + SECOND)
    put(store, "calendar:1", kind=work.CALENDAR, due=now + DAY)
    calendar, mail = store.run_now(lambda tx: work_counts.counts(tx, now=now))
    assert mail == work_counts.Count(kind="mail", waiting=1, ripe=2, held=1, parked=1, oldest=NOW - DAY)
    assert (calendar.kind, calendar.waiting, calendar.oldest) == ("calendar", 1, now + DAY)
    assert keys(store)[0] == "mail:parked"
    assert [job.key for job in store.run_now(lambda tx: work.list_(tx, kind=work.MAIL, parked=True))] == ["mail:parked"]
    assert len(store.run_now(lambda tx: work.list_(tx, parked=False))) == 5
    assert len(store.run_now(lambda tx: work.list_(tx, limit=2))) == 2
    assert [job.key for job in store.run_now(lambda tx: work.of_keys(tx, ["calendar:1", "unknown"]))] == ["calendar:1"]
    assert store.run_now(lambda tx: work.of_keys(tx, [])) == ()


def test_a_naive_due_time_is_refused(store: Store) -> None:
    with pytest.raises(sa.exc.StatementError, match="naive"):
        store.run_now(lambda tx: tx.execute(sa.insert(table).values(key="k", kind="mail", args={}, due=datetime(2027, 1, 1))))
