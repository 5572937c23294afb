"""Owners, calendars with their links, numbers, messages, marks, journal, received mails, settings: stored, found, refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.core.delivery import Message, MessageState, Sent, SentComponent
from daemon.core.errors import Conflict, NotFound, Refused, Rejected
from daemon.core.journal import InboxMail, Line
from daemon.core.model import Language, PartStat, When
from daemon.core.reminders import Mark
from daemon.store import calendars, entries, inbox, journal, messages, numbers, owners, reminder_marks
from daemon.store import settings as kept
from daemon.store.engine import Store
from tests.clock import ManualClock
from tests.store.values import (
    DAY,
    NOW,
    SECOND,
    a_calendar,
    a_link,
    a_message,
    an_entry,
    an_owner,
    emails,
    instants,
    spans,
    store_entry,
    texts,
    walls,
    with_calendar,
    with_owner,
)

HYPOTHESIS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def undone(store: Store, do: Any) -> Any:
    """Return what `do` returns, for examples that must not see each other's rows."""

    def inside(tx: sa.Connection) -> Any:
        with tx.begin_nested() as step:
            result = do(tx)
            step.rollback()
        return result

    return store.run_now(inside)


owners_ = st.builds(
    an_owner,
    name=texts,
    language=st.sampled_from(Language),
    zone=st.sampled_from(["UTC", "Asia/Tokyo"]),
    reminders=st.none() | st.lists(spans, max_size=3).map(tuple),
    created=instants,
    id=st.just("owner-anna"),
    email=emails,
)


@HYPOTHESIS
@given(first=owners_, second=owners_)
def test_every_owner_comes_back_as_stored(store: Store, first: Any, second: Any) -> None:
    def trip(tx: sa.Connection) -> Any:
        owners.insert(tx, first)
        stored = owners.get(tx, first.id)
        owners.update(tx, second)
        return stored, owners.get(tx, first.id), owners.all_(tx)

    assert undone(store, trip) == (first, second, (second,))


@pytest.mark.parametrize("text", ["owner-anna", "anna@example.org", " Anna@Example.ORG ", "mailto:anna@example.org"])
def test_an_owner_is_found_by_id_and_address(store: Store, text: str) -> None:
    store.run_now(lambda tx: with_owner(tx, "anna", "bert"))
    assert store.run_now(lambda tx: owners.find(tx, text)) == an_owner()


@pytest.mark.parametrize("text", ["carla@example.org", "anna", "", "not an address"])
def test_an_unknown_owner_is_not_found(store: Store, text: str) -> None:
    store.run_now(with_owner)
    with pytest.raises(NotFound, match="owner list"):
        store.run_now(lambda tx: owners.find(tx, text))


def test_one_address_is_one_owner(store: Store) -> None:
    store.run_now(lambda tx: with_owner(tx, "anna", "bert"))
    with pytest.raises(Rejected, match=r"bert@example\.org already"):
        store.run_now(lambda tx: owners.insert(tx, an_owner("carla", email="bert@example.org")))
    with pytest.raises(Rejected, match=r"bert@example\.org already"):
        store.run_now(lambda tx: owners.update(tx, an_owner(email="bert@example.org")))
    with pytest.raises(NotFound):
        store.run_now(lambda tx: owners.update(tx, an_owner("carla")))


def test_an_owner_goes_only_when_nothing_hangs_on_him(store: Store) -> None:
    store.run_now(lambda tx: (with_calendar(tx), store_entry(tx, an_entry())))
    with pytest.raises(Rejected, match="1 entries and 1 calendars"):
        store.run_now(lambda tx: owners.delete(tx, "owner-anna"))
    store.run_now(lambda tx: (entries.purge(tx, "id-one"), calendars.delete(tx, "cal-work")))
    store.run_now(lambda tx: owners.delete(tx, "owner-anna"))
    with pytest.raises(NotFound):
        store.run_now(lambda tx: owners.delete(tx, "owner-anna"))


def test_a_taken_number_is_drawn_again(store: Store) -> None:
    draws = iter([5, 5, 7])

    def reserve(tx: sa.Connection) -> tuple[str, str, str | None]:
        with_owner(tx)
        first = numbers.reserve(tx, lambda _: next(draws), "id-one", NOW)
        second = numbers.reserve(tx, lambda _: next(draws), "id-two", NOW)
        store_entry(tx, an_entry("one", number=first))
        store_entry(tx, an_entry("two", number=second))
        return first, second, numbers.owner_of(tx, second)

    first, second, entry = store.run_now(reserve)
    assert first != second
    assert entry == "id-two"
    assert list(draws) == []


def test_a_number_without_its_entry_is_not_committed(store: Store, clock: ManualClock) -> None:
    with pytest.raises(Conflict):
        store.run_now(lambda tx: numbers.reserve(tx, clock.draw, "id-nobody", NOW))


def test_a_number_in_quarantine_is_nobody_s_until_it_is_over(store: Store) -> None:
    def draw(entry: str, now: datetime) -> str:
        def make(tx: sa.Connection) -> str:
            number = numbers.reserve(tx, lambda _: 5, entry, now)
            if entries.by_uid(tx, f"{entry.removeprefix('id-')}@example.org") is None:
                store_entry(tx, an_entry(entry.removeprefix("id-"), number=number))
            return number

        return store.run_now(make)

    store.run_now(with_owner)
    number = draw("id-one", NOW)
    store.run_now(lambda tx: numbers.quarantine(tx, number, NOW + DAY))
    assert store.run_now(lambda tx: numbers.owner_of(tx, number)) is None
    with pytest.raises(Refused, match="No free session number"):
        draw("id-two", NOW + DAY - SECOND)
    assert draw("id-two", NOW + DAY) == number
    assert store.run_now(lambda tx: numbers.owner_of(tx, number)) == "id-two"
    assert store.run_now(lambda tx: numbers.release_expired(tx, NOW + 9 * DAY)) == 0
    store.run_now(lambda tx: numbers.quarantine(tx, number, NOW + DAY))
    assert store.run_now(lambda tx: numbers.release_expired(tx, NOW)) == 0
    assert store.run_now(lambda tx: numbers.release_expired(tx, NOW + DAY)) == 1
    assert store.run_now(lambda tx: numbers.owner_of(tx, number)) is None


def test_messages_are_sent_in_the_order_of_writing_and_marked(store: Store) -> None:
    names = ["m3", "m1", "m2"]
    store.run_now(lambda tx: messages.insert(tx, *(a_message(name) for name in names), a_message("m9", work="other", entry=None)))

    def waiting() -> list[Message]:
        return list(store.run_now(lambda tx: messages.pending(tx, "mail:id-one:a@x.org")))

    assert waiting() == [a_message(name) for name in names]
    store.run_now(lambda tx: (messages.count_try(tx, "m3"), messages.mark_sent(tx, "m3", at=NOW + SECOND, reply="250 ok")))
    store.run_now(lambda tx: messages.mark_failed(tx, "m1", reply="550 no"))
    assert [one.id for one in waiting()] == ["m2"]
    store.run_now(lambda tx: messages.drop(tx, "m2", reason="overtaken"))
    sent, failed, dropped = store.run_now(lambda tx: messages.of_entry(tx, "id-one"))
    assert sent == a_message(
        "m3", state=MessageState.SENT, tried=1, sent_at=NOW + SECOND, reply="250 ok", data=None, sent_after=None
    )
    assert (failed.state, failed.reply, failed.data) == (MessageState.FAILED, "550 no", None)
    assert (dropped.state, dropped.reply) == (MessageState.DROPPED, "overtaken")
    assert store.run_now(lambda tx: messages.get(tx, "m9")).data == b"\x00\xff"
    for act in (lambda tx: messages.get(tx, "x"), lambda tx: messages.drop(tx, "x")):
        with pytest.raises(NotFound):
            store.run_now(act)


def test_one_message_id_is_one_message(store: Store) -> None:
    store.run_now(lambda tx: messages.insert(tx, a_message()))
    with pytest.raises(Conflict):
        store.run_now(lambda tx: messages.insert(tx, a_message("m2", message_id="<m1@x>")))


def test_what_an_attendee_was_told_is_kept_and_replaced(store: Store) -> None:
    told = Sent(
        entry="id-one",
        attendee="a@x.org",
        components=(
            SentComponent(
                recurrence_id=datetime(2027, 4, 1, 9),
                when=When(start=datetime(2027, 4, 1, 10), zone="Europe/Berlin", duration=timedelta(hours=1)),
                rrule=None,
                rdates=(),
                exdates=(datetime(2027, 5, 1, 9),),
                title="ü",
                description="",
                location="",
                sequence=1,
                cancelled=False,
                dtstamp=NOW,
                asked_sequence=1,
                asked_at=NOW,
            ),
        ),
        message_ids=("<1@x>",),
    )
    other = replace(told, attendee="b@x.org", components=())

    def trip(tx: sa.Connection) -> list[Any]:
        with_owner(tx)
        store_entry(tx, an_entry())
        assert messages.get_sent(tx, "id-one", "a@x.org") is None
        messages.put_sent(tx, replace(told, message_ids=()))
        messages.put_sent(tx, other)
        messages.put_sent(tx, told)
        return [messages.get_sent(tx, "id-one", "a@x.org"), *messages.all_sent(tx, "id-one")]

    assert store.run_now(trip) == [told, told, other]


def test_a_reminder_is_marked_once(store: Store) -> None:
    marks = [
        Mark(offset=timedelta(minutes=15), start=NOW, state="sent", reason=""),
        Mark(offset=DAY, start=NOW, state="suppressed", reason="cancelled"),
        Mark(offset=DAY, start=NOW + DAY, state="sent", reason=""),
    ]
    store.run_now(lambda tx: (with_owner(tx), store_entry(tx, an_entry())))
    assert store.run_now(lambda tx: [reminder_marks.add(tx, "id-one", one) for one in marks]) == [True] * 3
    assert store.run_now(lambda tx: reminder_marks.add(tx, "id-one", replace(marks[0], reason="again"))) is False
    assert store.run_now(lambda tx: reminder_marks.of_entry(tx, "id-one")) == (marks[1], marks[0], marks[2])


def test_the_journal_shows_the_newest_lines_first_and_narrows(store: Store) -> None:
    lines = [
        Line(at=NOW, entry="e1", owner="o1", action="mail-sent", text="ä\x00", attendee="a@x.org", detail='{"a": 1}'),
        Line(at=NOW, entry="e1", owner="o1", action="moved", text="2"),
        Line(at=NOW - DAY, entry="e2", action="moved", text="3"),
    ]
    store.run_now(lambda tx: (journal.add(tx, *lines), journal.add(tx)))

    def texts_of(**filters: Any) -> list[str]:
        return [line.text for line in store.run_now(lambda tx: journal.list_(tx, **filters))]

    assert store.run_now(journal.list_)[2] == replace(lines[0], text="ä\ufffd")
    assert texts_of() == ["3", "2", "ä\ufffd"]
    assert texts_of(entry="e1") == ["2", "ä\ufffd"]
    assert texts_of(owner="o1", action="moved") == ["2"]
    assert texts_of(attendee="a@x.org") == ["ä\ufffd"]
    assert texts_of(limit=1) == ["3"]


mails = st.builds(
    InboxMail,
    id=st.just("i1"),
    message_id=texts,
    digest=st.just("d1"),
    received=instants,
    outcome=st.sampled_from(["applied", "held"]),
    reason=texts,
    uid=texts,
    attendee=texts,
    partstat=st.none() | st.sampled_from(PartStat),
    recurrence_id=st.none() | walls,
    entry=st.none() | st.just("e1"),
    data=st.none() | st.binary(max_size=20),
    subject=texts,
    sender=texts,
)


@HYPOTHESIS
@given(mail=mails)
def test_received_mails_come_back_as_stored(store: Store, mail: InboxMail) -> None:
    def trip(tx: sa.Connection) -> Any:
        assert not inbox.seen(tx, "d1")
        inbox.add(tx, mail)
        return inbox.get(tx, "i1"), inbox.list_(tx), inbox.seen(tx, "d1")

    assert undone(store, trip) == (mail, (replace(mail, data=None),), True)


def test_a_mail_is_stored_once_and_lists_narrow(store: Store) -> None:
    def a_mail(name: str, at: int, **changes: Any) -> InboxMail:
        given = {"id": name, "message_id": "<x>", "digest": name, "received": NOW + at * SECOND, "outcome": "held", "reason": "r"}
        return InboxMail(**given | changes)

    store.run_now(
        lambda tx: [inbox.add(tx, one) for one in (a_mail("a", 2), a_mail("b", 3, outcome="applied", entry="e"), a_mail("c", 1))]
    )

    def ids(**filters: Any) -> str:
        return "".join(one.id for one in store.run_now(lambda tx: inbox.list_(tx, **filters)))

    assert (ids(), ids(outcome="held"), ids(entry="e"), ids(limit=1)) == ("bac", "ac", "b", "b")
    with pytest.raises(Conflict):
        store.run_now(lambda tx: inbox.add(tx, a_mail("d", 1, digest="a")))
    with pytest.raises(NotFound):
        store.run_now(lambda tx: inbox.get(tx, "x"))


def test_settings_keep_the_last_value(store: Store) -> None:
    assert store.run_now(lambda tx: kept.get(tx, kept.TZDATA)) is None
    store.run_now(lambda tx: (kept.put(tx, kept.TZDATA, "2026.5"), kept.put(tx, kept.TZDATA, "2026.6")))
    assert store.run_now(lambda tx: kept.get(tx, kept.TZDATA)) == "2026.6"


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: Line(at=datetime(2027, 1, 1), action="x", text=""), id="journal"),
        pytest.param(lambda: a_link(changed_at=datetime(2027, 1, 1)), id="link"),
        pytest.param(lambda: a_calendar(created=datetime(2027, 1, 1)), id="calendar"),
        pytest.param(lambda: a_calendar(checked=datetime(2027, 1, 1)), id="calendar-checked"),
    ],
)
def test_values_refuse_naive_times_at_birth(make: Any) -> None:
    with pytest.raises(ValueError, match="aware UTC"):
        make()


def test_values_refuse_wall_times_with_a_zone_at_birth() -> None:
    with pytest.raises(ValueError, match="wall time"):
        InboxMail(id="", message_id="", digest="", received=NOW, outcome="", reason="", recurrence_id=NOW)
