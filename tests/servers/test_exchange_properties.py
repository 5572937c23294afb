"""What holds at the stand-in whatever is done: who synchronises knows the folder, and attendees have what the organiser has."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from dateutil import rrule
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.clock import ManualClock
from tests.servers.ews import ALICE, BOB, OUTSIDE, Ews, daily, ident, move, occurrence, put, subject
from tests.servers.exchange import ExchangeServer
from tests.servers.exchange.recurrence import DAYS, parse
from tests.servers.exchange.soap import NAMES

WEEKDAYS = (rrule.MO, rrule.TU, rrule.WE, rrule.TH, rrule.FR, rrule.SA, rrule.SU)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["create", "series", "rename", "move", "move date", "delete date", "delete", "trash", "touch", "sync"]),
        st.integers(0, 5),
        st.integers(0, 9),
    ),
    max_size=12,
)


def key_of(alice: Ews, item: str) -> tuple[str, str]:
    return alice.get(item, shape="IdOnly").id


def a_step(alice: Ews, live: list[str], step: str, which: int, how: int, mode: str) -> None:
    """Do one thing to one of the meetings that are there; what makes no sense is refused and changes nothing."""
    if step in {"create", "series"} or not live:
        live.append(alice.meeting(BOB, OUTSIDE, mode=mode, more=daily(4) if step == "series" else "")[0])
        return
    item = live[which % len(live)]
    key = key_of(alice, item)
    start = datetime(2027, 3, 2, how, 30, tzinfo=UTC)
    match step:
        case "rename":
            alice.update(key, put("item:Subject", subject(f"Nummer {how}")), mode=mode)
        case "move":
            alice.update(key, move(start.isoformat(), (start + timedelta(hours=1)).isoformat()), mode=mode)
        case "move date":
            start += timedelta(days=1)
            hours = move(start.isoformat(), (start + timedelta(hours=1)).isoformat())
            alice.update(occurrence(item, 2, key[1]), hours, mode=mode)
        case "delete date":
            alice.delete(occurrence(item, 1 + how % 4), mode=mode)
        case "delete" | "trash":
            live.remove(item)
            alice.delete(item, mode=mode, how="HardDelete" if step == "delete" else "MoveToDeletedItems")


class Mirror:
    """A client that knows a folder by SyncFolderItems alone."""

    def __init__(self) -> None:
        self.state = ""
        self.keys: dict[str, str] = {}

    def sync(self, alice: Ews, most: int) -> None:
        last = "false"
        while last == "false":
            said = alice.sync(self.state, most=most)
            self.state, last = said.text_of("SyncState"), said.text_of("IncludesLastItemInRange")
            for change in said.one("Changes"):
                kind = etree.QName(change).localname
                item, key = ident(change.findall(".//{*}ItemId")[0])
                assert (kind == "Create") == (item not in self.keys)
                if kind == "Delete":
                    del self.keys[item]
                else:
                    self.keys[item] = key


@given(steps=STEPS)
@settings(deadline=None, max_examples=40)
def test_a_client_that_synchronises_knows_each_item_and_its_change_key(steps: list[tuple[str, int, int]]) -> None:
    with ExchangeServer(ManualClock().now) as server:
        server.add_person(ALICE)
        alice, mirror, live = Ews(server, ALICE), Mirror(), list[str]()
        for step, which, how in steps:
            if step == "sync":
                mirror.sync(alice, most=1 + which)
            elif step == "touch":
                for item in server.exchange.boxes[ALICE].folder("calendar")[:which]:
                    server.touch(item)
            else:
                a_step(alice, live, step, which, how, "SendToNone")
        mirror.sync(alice, most=2)
        assert mirror.keys == {ident(one)[0]: ident(one)[1] for one in alice.find("calendar", shape="IdOnly").all("ItemId")}


@given(steps=STEPS, answers=st.lists(st.sampled_from(["AcceptItem", "TentativelyAcceptItem"]), max_size=3))
@settings(deadline=None, max_examples=40)
def test_attendees_have_what_the_organiser_has_when_everything_is_sent(
    steps: list[tuple[str, int, int]], answers: list[str]
) -> None:
    """Whenever mail has arrived, each meeting of Alice is once in Bob's calendar, with her subject and her dates."""
    with ExchangeServer(ManualClock().now) as server:
        for address in (ALICE, BOB):
            server.add_person(address)
        alice, bob, live = Ews(server, ALICE), Ews(server, BOB), list[str]()
        for step, which, how in steps:
            a_step(alice, live, step, which, how, "SendToAllAndSaveCopy")
            server.settle()
            if answers and step == "sync":
                for named in bob.find("calendar", shape="IdOnly").all("ItemId")[:1]:
                    bob.respond(answers[how % len(answers)], ident(named))
                server.settle()
        hers = {one.uid: one for one in server.exchange.boxes[ALICE].folder("calendar")}
        his = [one for one in server.exchange.boxes[BOB].folder("calendar") if not one.is_cancelled]
        assert sorted(hers) == sorted(one.uid for one in his)
        for theirs in his:
            mine = hers[theirs.uid]
            assert theirs.props["Subject"] == mine.props["Subject"]
            if mine.recurrence is None:
                assert (theirs.start, theirs.end) == (mine.start, mine.end)
            else:
                told = [(one.index, one.start) for one in theirs.dates() if not one.is_cancelled]
                assert told == [(one.index, one.start) for one in mine.dates()]


@given(
    days=st.sets(st.integers(0, 6), min_size=1),
    interval=st.integers(1, 99),
    first=st.integers(0, 6),
    start=st.dates(date(2020, 1, 1), date(2030, 12, 31)),
)
@settings(deadline=None)
def test_weeks_are_counted_as_dateutil_counts_them(days: set[int], interval: int, first: int, start: date) -> None:
    """From its first date on: RFC 5545 counts the weeks from DTSTART, which is a date of the series here."""
    pattern = (
        f"<t:WeeklyRecurrence><t:Interval>{interval}</t:Interval><t:DaysOfWeek>{' '.join(DAYS[one] for one in sorted(days))}"
        f"</t:DaysOfWeek><t:FirstDayOfWeek>{DAYS[first]}</t:FirstDayOfWeek></t:WeeklyRecurrence>"
    )
    begin = next(start + timedelta(days=n) for n in range(7) if (start + timedelta(days=n)).weekday() in days)
    bounds = (
        f"<t:NumberedRecurrence><t:StartDate>{begin}</t:StartDate><t:NumberOfOccurrences>12</t:NumberOfOccurrences>"
        "</t:NumberedRecurrence>"
    )
    found = list(parse(etree.fromstring(f'<t:Recurrence xmlns:t="{NAMES["t"]}">{pattern}{bounds}</t:Recurrence>')).dates())
    weekdays = [WEEKDAYS[one] for one in days]
    dtstart = datetime.combine(begin, datetime.min.time())
    rule = rrule.rrule(rrule.WEEKLY, interval=interval, byweekday=weekdays, wkst=WEEKDAYS[first], count=12, dtstart=dtstart)
    assert found == [one.date() for one in rule]
