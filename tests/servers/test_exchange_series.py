"""The stand-in's series, views and states of synchronisation.

Numbers of behaviours are those of the product's Exchange reference; R… are Microsoft's requirement numbers ([MS-OXWS…]).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from dateutil import rrule
from lxml import etree

from tests.servers.ews import (
    BOB,
    START,
    Ews,
    Said,
    alice,
    bob,
    clock,
    daily,
    exchange,
    ident,
    move,
    needs_schema,
    occurrence,
    people,
    put,
    recurring,
    span,
    subject,
    view,
    zoned,
)
from tests.servers.exchange import ExchangeServer
from tests.servers.exchange.recurrence import parse
from tests.servers.exchange.soap import NAMES

__all__ = ["alice", "bob", "clock", "exchange"]

MARCH = view("2027-03-01T00:00:00Z", "2027-04-01T00:00:00Z")
WEEK = "<t:WeeklyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Tuesday</t:DaysOfWeek></t:WeeklyRecurrence>"
NO_END = "<t:NoEndRecurrence><t:StartDate>2027-03-02</t:StartDate></t:NoEndRecurrence>"


def types(said: Said) -> list[str]:
    return [one.text or "" for one in said.all("CalendarItemType")]


def test_a_folder_has_masters_and_singles_a_view_has_dates_and_singles(alice: Ews) -> None:
    """Behaviour 19 (recurrence-patterns how-to)."""
    alice.meeting()
    alice.meeting(more=daily(3))
    assert sorted(types(alice.find("calendar"))) == ["RecurringMaster", "Single"]
    assert sorted(types(alice.find("calendar", view=MARCH))) == ["Occurrence", "Occurrence", "Occurrence", "Single"]


def test_a_view_begins_with_what_ends_at_its_start_and_covers_two_years_at_most(alice: Ews) -> None:
    """Behaviour 19: exchangelib test_view; ErrorCalendarViewRangeTooBig (responsecode)."""
    alice.meeting()
    touching = view("2027-03-02T10:00:00Z", "2027-03-03T00:00:00Z")
    assert len(alice.find("calendar", view=touching).all("CalendarItem")) == 1
    beside = view("2027-03-02T00:00:00Z", START)
    assert alice.find("calendar", view=beside).all("CalendarItem") == []
    too_long = view("2027-01-01T00:00:00Z", "2029-01-02T00:00:00Z")
    assert alice.find("calendar", view=too_long).code == "ErrorCalendarViewRangeTooBig"


def test_a_view_with_a_restriction_is_refused(alice: Ews) -> None:
    """Behaviour 20: exchangelib test_view."""
    constant = '<t:FieldURIOrConstant><t:Constant Value="Sitzung"/></t:FieldURIOrConstant>'
    equal = f'<t:IsEqualTo><t:FieldURI FieldURI="item:Subject"/>{constant}</t:IsEqualTo>'
    assert alice.find("calendar", view=MARCH, restriction=equal).code == "ErrorInvalidOperation"
    uid = equal.replace("item:Subject", "calendar:UID")
    assert alice.find("calendar", restriction=uid).code == "ErrorUnsupportedPathForQuery"


@pytest.mark.parametrize("way", ["find", "sync"])
def test_listings_have_no_body_no_people_and_no_pattern(alice: Ews, way: str) -> None:
    """Behaviour 21: sync how-to; recorded LIST_EVENTS."""
    alice.create(f'{subject()}<t:Body BodyType="Text">Text</t:Body>{span()}{people(BOB)}{daily(3)}', mode="SendToAllAndSaveCopy")
    said = alice.find("calendar") if way == "find" else alice.sync(shape="AllProperties")
    assert said.text_of("Subject") == "Sitzung"
    for name in ("Body", "RequiredAttendees", "Recurrence", "ResponseObjects"):
        assert said.all(name) == [], name
    (organizer,) = said.all("Organizer")
    assert organizer.findtext(".//{*}Name") == "Alice"
    assert organizer.findall(".//{*}EmailAddress") == []


def changes(said: Said) -> list[str]:
    return [etree.QName(one).localname for one in said.one("Changes")]


def test_synchronisation_tells_each_change_once_and_always_gives_a_new_state(exchange: ExchangeServer, alice: Ews) -> None:
    """Behaviour 22: SYNC R501."""
    kept, gone = alice.meeting(), alice.meeting()
    first = alice.sync()
    assert changes(first) == ["Create", "Create"]
    states = [first.text_of("SyncState"), alice.sync(first.text_of("SyncState")).text_of("SyncState")]
    assert changes(alice.sync(states[-1])) == []
    assert states[0] != states[1]
    alice.update(kept, put("item:Subject", subject("Neu")))
    alice.delete(gone[0])
    fresh = alice.meeting()
    alice.delete(alice.meeting()[0])
    said = alice.sync(states[-1])
    assert changes(said) == ["Delete", "Update", "Create"]
    assert [ident(one)[0] for one in said.all("ItemId")] == [gone[0], kept[0], fresh[0]]


def test_synchronisation_comes_in_pages(alice: Ews) -> None:
    """Behaviour 22: SYNC R389, R3891."""
    ids = [alice.meeting()[0] for _ in range(5)]
    state, found, last = "", [], "false"
    while last == "false":
        said = alice.sync(state, most=2)
        state, last = said.text_of("SyncState"), said.text_of("IncludesLastItemInRange")
        found += [ident(one)[0] for one in said.all("ItemId")]
    assert found == ids


def test_synchronisation_leaves_out_what_the_client_wants_ignored(alice: Ews) -> None:
    kept, own = alice.meeting(), alice.meeting()
    where = '<m:SyncFolderId><t:DistinguishedFolderId Id="calendar"/></m:SyncFolderId>'
    shape = "<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>"
    ignored = f'<m:Ignore><t:ItemId Id="{own[0]}"/></m:Ignore>'
    said = alice.post(
        f"<m:SyncFolderItems>{shape}{where}{ignored}<m:MaxChangesReturned>9</m:MaxChangesReturned></m:SyncFolderItems>"
    )
    assert [ident(one) for one in said.all("ItemId")] == [kept]


@pytest.mark.parametrize("most", [0, 513])
def test_a_page_of_synchronisation_has_1_to_512_changes(exchange: ExchangeServer, alice: Ews, most: int) -> None:
    """Behaviour 22: SYNC R389."""
    assert alice.sync(most=most).code == "ErrorSchemaValidation"
    exchange.take_complaints()


def test_synchronisation_knows_no_dates_only_their_master(alice: Ews) -> None:
    """Behaviour 22: no calendar logic."""
    master, key = alice.meeting(more=daily(4))
    said = alice.sync()
    assert [ident(one)[0] for one in said.all("ItemId")] == [master]
    later = move("2027-03-03T15:00:00Z", "2027-03-03T16:00:00Z")
    assert alice.update(occurrence(master, 2, key), later).code == "NoError"
    said = alice.sync(said.text_of("SyncState"))
    assert (changes(said), [ident(one)[0] for one in said.all("ItemId")]) == (["Update"], [master])


def test_a_state_that_is_not_known_is_an_error(exchange: ExchangeServer, alice: Ews) -> None:
    """Behaviour 22: CDATA R518; with an empty SyncState, or without any."""
    state = alice.sync().text_of("SyncState")
    assert alice.sync("AAAA").code == "ErrorInvalidSyncStateData"
    assert alice.sync(state, folder="inbox").code == "ErrorInvalidSyncStateData"
    exchange.expire_sync_states()
    said = alice.sync(state)
    assert (said.code, said.text_of("SyncState")) == ("ErrorInvalidSyncStateData", "")
    exchange.faults.bare_sync_error = True
    assert alice.sync(state).all("SyncState") == []


def test_dates_have_ids_of_their_own_and_are_counted_over_the_original_pattern(alice: Ews) -> None:
    """Behaviour 23 (responsecode; exchangelib's live tests): deleted ones keep their number."""
    master, _ = alice.meeting(more=daily(4))
    second = alice.get(occurrence(master, 2))
    assert second.id[0] != master
    assert second.text_of("Start") == "2027-03-03T09:00:00Z"
    assert alice.delete(second.id[0]).code == "NoError"
    assert alice.get(occurrence(master, 3)).text_of("Start") == "2027-03-04T09:00:00Z"
    assert alice.get(occurrence(master, 2)).code == "ErrorCalendarOccurrenceIsDeletedFromRecurrence"
    for index in (0, 5):
        assert alice.get(occurrence(master, index)).code == "ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange"
    assert alice.get(second.id[0]).code == "ErrorItemNotFound"
    assert alice.get(master).one("DeletedOccurrences").findtext(".//{*}Start") == "2027-03-03T09:00:00Z"


def test_an_id_of_the_wrong_kind_has_errors_of_its_own(alice: Ews) -> None:
    """MTGS R1194, R1212, R1222."""
    single, _ = alice.meeting()
    assert alice.get(occurrence(single, 1)).code == "ErrorCalendarCannotUseIdForOccurrenceId"
    assert alice.get(f'<t:RecurringMasterItemId OccurrenceId="{single}"/>').code == "ErrorCalendarCannotUseIdForRecurringMasterId"
    master, _ = alice.meeting(more=daily(3))
    date_id = alice.get(occurrence(master, 1)).id[0]
    assert ident(alice.get(f'<t:RecurringMasterItemId OccurrenceId="{date_id}"/>').all("ItemId")[0])[0] == master
    assert alice.get("AAMkmade-up").code == "ErrorInvalidIdMalformed"


def test_the_master_is_not_recurring_and_its_dates_are(alice: Ews) -> None:
    """Behaviour 24: recorded answers; exchangelib test_recurring_item."""
    master, key = alice.meeting(more=daily(3))
    got = alice.get(master)
    assert (got.text_of("CalendarItemType"), got.text_of("IsRecurring")) == ("RecurringMaster", "false")
    got = alice.get(occurrence(master, 2))
    assert (got.text_of("CalendarItemType"), got.text_of("IsRecurring")) == ("Occurrence", "true")
    alice.update(occurrence(master, 2, key), put("item:Subject", subject("Anders")))
    got = alice.get(occurrence(master, 2))
    assert (got.text_of("CalendarItemType"), got.text_of("Subject")) == ("Exception", "Anders")
    assert alice.get(master).one("ModifiedOccurrences").findtext(".//{*}OriginalStart") == "2027-03-03T09:00:00Z"


def test_what_a_date_does_not_say_of_its_own_it_takes_from_its_master(alice: Ews) -> None:
    master, key = alice.meeting(more=daily(3))
    item = alice.update(occurrence(master, 2, key), put("calendar:Location", "<t:Location>Saal 2</t:Location>"))
    assert item.code == "NoError"
    assert alice.update(alice.only("calendar"), put("item:Subject", subject("Neu"))).code == "NoError"
    got = alice.get(occurrence(master, 2))
    assert (got.text_of("Subject"), got.text_of("Location")) == ("Neu", "Saal 2")


def test_a_date_that_is_changed_back_is_still_an_exception(alice: Ews) -> None:
    """[MS-OXOCAL]: an exception stays one until the pattern changes."""
    master, key = alice.meeting(more=daily(3))
    alice.update(occurrence(master, 2, key), put("item:Subject", subject("Anders")))
    assert (
        alice.update(
            occurrence(master, 2, alice.get(master).all("ItemId")[0].get("ChangeKey", "")),
            put("item:Subject", subject("Sitzung")),
        ).code
        == "NoError"
    )
    assert alice.get(occurrence(master, 2)).text_of("CalendarItemType") == "Exception"


def test_a_series_is_moved_to_another_day_by_its_pattern_too(exchange: ExchangeServer, alice: Ews) -> None:
    """Without a source for what else would happen, the stand-in lets nobody rely on it."""
    item = alice.meeting(more=daily(3))
    later = move("2027-03-04T12:00:00Z", "2027-03-04T13:00:00Z")
    alice.update(item, later)
    assert exchange.take_complaints() == ["a series was moved to another day without a new pattern and range"]
    item = alice.only("calendar")
    assert alice.update(item, later, put("calendar:Recurrence", daily(3, start="2027-03-04"))).code == "NoError"
    assert alice.get(occurrence(item[0], 2)).text_of("Start") == "2027-03-05T12:00:00Z"


def test_dates_of_a_range_come_back_with_the_offset_of_the_meetings_zone(alice: Ews) -> None:
    """Behaviour 25: recorded masters of pyexchange. 26 October 2027 is still in summer time, 2 November is not."""
    bounds = "<t:EndDateRecurrence><t:StartDate>2027-10-26</t:StartDate><t:EndDate>2027-11-02</t:EndDate></t:EndDateRecurrence>"
    times = span("2027-10-26T07:00:00Z", "2027-10-26T08:00:00Z")
    master = alice.create(subject() + times + recurring(WEEK, bounds) + zoned("W. Europe Standard Time")).id[0]
    got = alice.get(master)
    assert (got.text_of("StartDate"), got.text_of("EndDate")) == ("2027-10-26+02:00", "2027-11-02+01:00")
    assert got.one("LastOccurrence").findtext("{*}Start") == "2027-11-02T08:00:00Z"  # nine o'clock, before and after


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [
        ("2027-03-09T18:00:00Z", "2027-03-09T19:00:00Z", "ErrorOccurrenceCrossingBoundary"),
        ("2027-03-17T09:00:00Z", "2027-03-17T10:00:00Z", "NoError"),
        ("2027-03-23T08:00:00Z", "2027-03-23T08:30:00Z", "ErrorOccurrenceCrossingBoundary"),
        ("2027-03-22T08:00:00Z", "2027-03-23T09:30:00Z", "ErrorOccurrenceTimeSpanTooBig"),
        ("2027-03-22T08:00:00Z", "2027-03-22T09:30:00Z", "NoError"),
    ],
    ids=[
        "its neighbour's day",
        "the day after its own",
        "the next one's day",
        "into the next one",
        "the day before the next one",
    ],
)
def test_a_date_stays_between_its_neighbours(alice: Ews, start: str, end: str, code: str) -> None:
    """Behaviour 26 (responsecode; graph event-update): the third of four Tuesdays, 16 March."""
    bounds = "<t:NumberedRecurrence><t:StartDate>2027-03-02</t:StartDate><t:NumberOfOccurrences>4</t:NumberOfOccurrences>"
    master, key = alice.meeting(more=recurring(WEEK, bounds + "</t:NumberedRecurrence>"))
    assert alice.update(occurrence(master, 3, key), move(start, end)).code == code


def test_a_new_pattern_drops_what_was_changed_and_cancels_what_is_to_come(exchange: ExchangeServer, alice: Ews) -> None:
    """Behaviour 27: [MS-OXOCAL] 3.1.4.7.3.5."""
    master, key = alice.meeting(BOB, more=daily(5))
    moved = alice.update(occurrence(master, 2, key), put("item:Subject", subject("Anders")))
    alice.delete(occurrence(master, 4))
    assert moved.code == "NoError"
    weekly = put("calendar:Recurrence", recurring(WEEK, NO_END))
    assert alice.update(alice.only("calendar"), weekly, mode="SendToAllAndSaveCopy").code == "NoError"
    got = alice.get(master)
    assert got.all("ModifiedOccurrences") == got.all("DeletedOccurrences") == []
    sent = [(one.item.kind, one.item.original_start) for one in exchange.exchange.queue]
    assert [kind for kind, _ in sent] == ["MeetingRequest", "MeetingCancellation", "MeetingRequest"]
    assert f"{sent[1][1]:%d}" == "03"


@needs_schema
def test_pattern_and_range_come_together_or_not_at_all(exchange: ExchangeServer, alice: Ews) -> None:
    """Behaviour 27: Inside EWS, chapter 9; the schema says so."""
    said = alice.update(alice.meeting(more=daily(3)), put("calendar:Recurrence", recurring(WEEK, "")))
    assert said.code == "ErrorSchemaValidation"
    assert len(exchange.take_complaints()) == 1


def test_the_first_date_is_the_first_that_fits(alice: Ews) -> None:
    """Section 2.6: RFC 5545 counts DTSTART, Exchange does not. 3 March is a Wednesday."""
    times = span("2027-03-03T09:00:00Z", "2027-03-03T10:00:00Z")
    bounds = NO_END.replace("03-02", "03-03")
    master = alice.create(subject() + times + recurring(WEEK, bounds)).id[0]
    assert alice.get(master).text_of("Duration") == "PT1H"
    assert alice.get(occurrence(master, 1)).text_of("Start") == "2027-03-09T09:00:00Z"


def dates_of(pattern: str, bounds: str) -> list[date]:
    text = f'<t:Recurrence xmlns:t="{NAMES["t"]}">{pattern}{bounds}</t:Recurrence>'
    return [one for one, _ in zip(parse(etree.fromstring(text)).dates(), range(20), strict=False)]


DAY = date(2027, 1, 29)
FORMS = {
    "daily": ("<t:DailyRecurrence><t:Interval>3</t:Interval></t:DailyRecurrence>", {"freq": rrule.DAILY, "interval": 3}),
    "weekly": (
        "<t:WeeklyRecurrence><t:Interval>2</t:Interval><t:DaysOfWeek>Monday Friday</t:DaysOfWeek>"
        "<t:FirstDayOfWeek>Monday</t:FirstDayOfWeek></t:WeeklyRecurrence>",
        {"freq": rrule.WEEKLY, "interval": 2, "byweekday": (rrule.MO, rrule.FR), "wkst": rrule.MO},
    ),
    "monthly": (
        "<t:AbsoluteMonthlyRecurrence><t:Interval>2</t:Interval><t:DayOfMonth>28</t:DayOfMonth></t:AbsoluteMonthlyRecurrence>",
        {"freq": rrule.MONTHLY, "interval": 2, "bymonthday": 28},
    ),
    "relative monthly": (
        "<t:RelativeMonthlyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Weekday</t:DaysOfWeek>"
        "<t:DayOfWeekIndex>Last</t:DayOfWeekIndex></t:RelativeMonthlyRecurrence>",
        {"freq": rrule.MONTHLY, "byweekday": (rrule.MO, rrule.TU, rrule.WE, rrule.TH, rrule.FR), "bysetpos": -1},
    ),
    "yearly": (
        "<t:AbsoluteYearlyRecurrence><t:DayOfMonth>14</t:DayOfMonth><t:Month>July</t:Month></t:AbsoluteYearlyRecurrence>",
        {"freq": rrule.YEARLY, "bymonth": 7, "bymonthday": 14},
    ),
    "relative yearly": (
        "<t:RelativeYearlyRecurrence><t:DaysOfWeek>Thursday</t:DaysOfWeek><t:DayOfWeekIndex>Fourth</t:DayOfWeekIndex>"
        "<t:Month>November</t:Month></t:RelativeYearlyRecurrence>",
        {"freq": rrule.YEARLY, "bymonth": 11, "byweekday": rrule.TH(4)},
    ),
}
RANGES = {
    "no end": ("<t:NoEndRecurrence><t:StartDate>2027-01-29</t:StartDate></t:NoEndRecurrence>", {"count": 20}),
    "numbered": (
        "<t:NumberedRecurrence><t:StartDate>2027-01-29</t:StartDate><t:NumberOfOccurrences>7</t:NumberOfOccurrences>"
        "</t:NumberedRecurrence>",
        {"count": 7},
    ),
    "end date": (
        "<t:EndDateRecurrence><t:StartDate>2027-01-29</t:StartDate><t:EndDate>2027-07-14</t:EndDate></t:EndDateRecurrence>",
        {"until": datetime(2027, 7, 14)},
    ),
}


@pytest.mark.parametrize("bounds", RANGES)
@pytest.mark.parametrize("form", [name for name in FORMS if name != "relative yearly"])
def test_the_forms_of_a_series_give_the_dates_that_dateutil_gives(form: str, bounds: str) -> None:
    pattern, rule = FORMS[form]
    limits, end = RANGES[bounds]
    expected = [one.date() for one in rrule.rrule(dtstart=datetime(2027, 1, 29), **rule, **end)][:20]
    assert dates_of(pattern, limits) == expected


@pytest.mark.parametrize("bounds", ["no end", "numbered"])
def test_a_weekday_of_a_month_each_year_gives_the_dates_that_dateutil_gives(bounds: str) -> None:
    pattern, rule = FORMS["relative yearly"]
    limits, end = RANGES[bounds]
    assert dates_of(pattern, limits) == [one.date() for one in rrule.rrule(dtstart=datetime(2027, 1, 29), **rule, **end)][:20]


def test_a_day_that_a_month_does_not_have_is_its_last_one() -> None:
    """Section 2.6: RFC 5545 leaves such months out."""
    pattern, _ = FORMS["monthly"]
    found = dates_of(pattern.replace(">2<", ">1<").replace("28", "31"), RANGES["numbered"][0])
    assert [one.day for one in found] == [31, 28, 31, 30, 31, 30, 31]


def test_a_series_without_any_date_is_refused(alice: Ews) -> None:
    """ErrorRecurrenceHasNoOccurrence (responsecode)."""
    pattern, _ = FORMS["relative yearly"]
    assert alice.create(subject() + span() + recurring(pattern, RANGES["end date"][0])).code == "ErrorRecurrenceHasNoOccurrence"


def test_a_pattern_for_tasks_is_refused(alice: Ews) -> None:
    pattern = "<t:DailyRegeneration><t:Interval>1</t:Interval></t:DailyRegeneration>"
    said = alice.create(subject() + span() + recurring(pattern, NO_END))
    assert said.codes in (["ErrorCalendarInvalidRecurrence"], ["ErrorSchemaValidation"])
    alice.server.take_complaints()


def test_a_meeting_that_is_longer_than_its_own_rhythm_is_refused(alice: Ews) -> None:
    """ErrorOccurrenceTimeSpanTooBig (responsecode)."""
    times = span(end=(datetime.fromisoformat(START) + timedelta(hours=25)).strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert alice.create(subject() + times + daily(3)).code == "ErrorOccurrenceTimeSpanTooBig"
