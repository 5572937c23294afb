"""The stand-in's items: change keys, conflicts, what must be said in a request, what may not be written, what comes back.

Numbers of behaviours are those of the product's Exchange reference; R… are Microsoft's requirement numbers ([MS-OXWS…]).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from tests.clock import ManualClock
from tests.servers.ews import (
    ALICE,
    BOB,
    CAROL,
    ROOM,
    Ews,
    alice,
    bob,
    clock,
    daily,
    exchange,
    needs_schema,
    people,
    person,
    put,
    recurring,
    span,
    subject,
)
from tests.servers.exchange import ExchangeServer

__all__ = ["alice", "bob", "clock", "exchange"]

RECORDED = Path(__file__).parents[2].parent / "shared" / "data" / "ews" / "recorded"
SENSITIVITY = "item:Sensitivity"


def test_every_change_makes_a_new_change_key_also_one_that_nobody_asked_for(exchange: ExchangeServer, alice: Ews) -> None:
    """Behaviour 1 (ews-identifiers): a reminder that fired and an answer that came in are changes too."""
    item = alice.meeting(BOB)
    keys = [item[1]]
    keys.append(alice.update(item, put("item:Subject", subject("Neu"))).id[1])
    exchange.touch(exchange.exchange.boxes[ALICE].folder("calendar")[0])
    keys.append(alice.get(item[0]).id[1])
    exchange.settle()
    Ews(exchange, BOB).respond("AcceptItem", Ews(exchange, BOB).only("calendar"))
    exchange.settle()
    keys.append(alice.get(item[0]).id[1])
    assert len(set(keys)) == len(keys) == 4


def test_an_update_with_a_stale_change_key_is_refused_with_never_overwrite(alice: Ews) -> None:
    """Behaviour 2: CORE R588."""
    item = alice.meeting()
    assert alice.update(item, put("item:Subject", subject("Eins"))).code == "NoError"
    assert alice.update(item, put("item:Subject", subject("Zwei"))).code == "ErrorIrresolvableConflict"
    assert alice.get(item[0]).text_of("Subject") == "Eins"


@pytest.mark.parametrize("conflict", ["AutoResolve", "AlwaysOverwrite"])
def test_a_stale_change_key_does_not_stop_the_other_two_ways(alice: Ews, conflict: str) -> None:
    """Behaviour 2: CORE R583, R584."""
    item = alice.meeting()
    alice.update(item, put("item:Subject", subject("Eins")))
    assert alice.update(item, put("item:Subject", subject("Zwei")), conflict=conflict).code == "NoError"
    assert alice.get(item[0]).text_of("Subject") == "Zwei"


def test_auto_resolve_keeps_an_earlier_sensitivity(alice: Ews) -> None:
    """Behaviour 2: CORE R585, R586 name this property as the one whose first change stays."""
    item = alice.meeting()
    alice.update(item, put(SENSITIVITY, "<t:Sensitivity>Confidential</t:Sensitivity>"))
    said = alice.update(item, put(SENSITIVITY, "<t:Sensitivity>Private</t:Sensitivity>"), conflict="AutoResolve")
    assert (said.code, said.text_of("Count")) == ("NoError", "1")
    assert alice.get(item[0]).text_of("Sensitivity") == "Confidential"
    alice.update(item, put(SENSITIVITY, "<t:Sensitivity>Private</t:Sensitivity>"), conflict="AlwaysOverwrite")
    assert alice.get(item[0]).text_of("Sensitivity") == "Private"


def test_an_update_without_a_change_key_is_refused_however_it_resolves_conflicts(alice: Ews) -> None:
    """Behaviour 3 (responsecode)."""
    item, _ = alice.meeting()
    said = alice.update(f'<t:ItemId Id="{item}"/>', put("item:Subject", subject("Neu")), conflict="AlwaysOverwrite")
    assert said.code == "ErrorChangeKeyRequiredForWriteOperations"


def test_a_made_up_change_key_is_an_error_of_its_own(alice: Ews) -> None:
    """ErrorInvalidChangeKey (responsecode)."""
    item, _ = alice.meeting()
    assert alice.update((item, "AAAA"), put("item:Subject", subject("Neu"))).code == "ErrorInvalidChangeKey"


def test_calendar_items_are_not_touched_by_a_request_that_does_not_say_whom_to_tell(alice: Ews) -> None:
    """Behaviour 4: MTGS R1213 for the last; responsecode for all three."""
    item = alice.meeting()
    assert alice.create(subject() + span(), mode=None).code == "ErrorSendMeetingInvitationsRequired"
    said = alice.update(item, put("item:Subject", subject("Neu")), mode=None)
    assert said.code == "ErrorSendMeetingInvitationsOrCancellationsRequired"
    assert alice.delete(item[0], mode=None).code == "ErrorSendMeetingCancellationsRequired"
    assert alice.get(item[0]).text_of("Subject") == "Sitzung"


def test_one_bad_item_does_not_stop_the_others_of_its_batch(alice: Ews) -> None:
    """Behaviour 6: HTTP 200, ResponseClass Error, DescriptiveLinkKey 0, an empty container."""
    late = span("2027-03-02T10:00:00Z", "2027-03-02T09:00:00Z")
    said = alice.create(subject("Eins") + span(), subject("Zwei") + late, subject("Drei") + span())
    assert (said.status, said.codes) == (200, ["NoError", "ErrorCalendarEndDateIsEarlierThanStartDate", "NoError"])
    refused = said.all("CreateItemResponseMessage")[1]
    assert refused.get("ResponseClass") == "Error"
    assert refused.findtext("{*}DescriptiveLinkKey") == "0"
    container = refused.find("{*}Items")
    assert container is not None
    assert len(container) == 0
    assert [one.text for one in alice.find("calendar").all("Subject")] == ["Eins", "Drei"]


def test_the_organiser_is_the_owner_of_the_mailbox_and_nobody_can_say_otherwise(alice: Ews) -> None:
    """Behaviour 8: MTGS R184, R185; MyResponseType is Organizer (recorded answers)."""
    item = alice.meeting(BOB)
    got = alice.get(item[0])
    assert got.one("Organizer").findtext(".//{*}EmailAddress") == ALICE
    assert got.text_of("MyResponseType") == "Organizer"
    stranger = f"<t:Organizer><t:Mailbox><t:EmailAddress>{BOB}</t:EmailAddress></t:Mailbox></t:Organizer>"
    assert alice.update(item, put("calendar:Organizer", stranger)).code == "ErrorInvalidPropertySet"


def test_what_a_client_says_of_an_attendees_answer_is_ignored(alice: Ews) -> None:
    """Behaviour 9: S01_TC02 (R79), exchangelib 963."""
    lie = person(BOB).replace("</t:Attendee>", "<t:ResponseType>Accept</t:ResponseType></t:Attendee>")
    said = alice.create(f"{subject()}{span()}<t:RequiredAttendees>{lie}</t:RequiredAttendees>", mode="SendToAllAndSaveCopy")
    assert alice.get(said.id[0]).text_of("ResponseType") == "Unknown"


def test_html_comes_back_rewritten_and_worse_after_each_update(alice: Ews) -> None:
    """Behaviour 28: a meta Generator and other markup; each update wraps it once more."""
    sent = '<p>Wir treffen uns <b>um neun</b>.</p><script>alert("x")</script>'
    item = alice.create(f'{subject()}<t:Body BodyType="HTML">{sent.replace("<", "&lt;")}</t:Body>{span()}').id
    first = alice.get(item[0]).text_of("Body")
    assert 'name="Generator"' in first
    assert "<b>um neun</b>" in first
    assert "script" not in first
    item = alice.update(item, put("item:Subject", subject("Neu"))).id
    second = alice.get(item[0]).text_of("Body")
    assert second.count("<div") == first.count("<div") + 1
    assert alice.get(item[0], body="Text").text_of("Body") == "Wir treffen uns um neun."


def test_plain_text_stays_plain_text_unless_html_is_asked_for(alice: Ews) -> None:
    item = alice.create(f'{subject()}<t:Body BodyType="Text">a &lt; b</t:Body>{span()}').id
    assert alice.get(item[0]).text_of("Body") == "a < b"
    assert "a &lt; b" in alice.get(item[0], body="HTML").text_of("Body")


def test_whole_days_are_pushed_to_the_midnights_of_the_requests_zone(exchange: ExchangeServer) -> None:
    """Behaviour 29: Berlin is an hour ahead of UTC on 2 March 2027."""
    day = "<t:Start>2027-03-02T09:00:00Z</t:Start><t:End>2027-03-02T10:00:00Z</t:End><t:IsAllDayEvent>true</t:IsAllDayEvent>"
    berlin = Ews(exchange, ALICE, zone="W. Europe Standard Time")
    got = berlin.get(berlin.create(subject() + day).id[0])
    assert (got.text_of("Start"), got.text_of("End")) == ("2027-03-01T23:00:00Z", "2027-03-02T23:00:00Z")
    london = Ews(exchange, ALICE)
    got = london.get(london.create(subject() + day).id[0])
    assert (got.text_of("Start"), got.text_of("End")) == ("2027-03-02T00:00:00Z", "2027-03-03T00:00:00Z")


def test_times_that_make_no_sense_have_errors_of_their_own(alice: Ews) -> None:
    """Behaviour 29: MTGS R1204, R1203, R1205 (R12052)."""
    wrong = span("2027-03-02T10:00:00Z", "2027-03-02T09:00:00Z")
    assert alice.create(subject() + wrong).code == "ErrorCalendarEndDateIsEarlierThanStartDate"
    assert alice.create(subject() + span(end="2032-03-05T09:00:00Z")).code == "ErrorCalendarDurationIsTooLong"
    item = alice.meeting()
    said = alice.update(item, put("calendar:End", "<t:End>2027-03-02T08:00:00Z</t:End>"))
    assert said.code == "ErrorCalendarEndDateIsEarlierThanStartDate"
    week = "<t:WeeklyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Weekday</t:DaysOfWeek></t:WeeklyRecurrence>"
    bounds = "<t:NoEndRecurrence><t:StartDate>2027-03-02</t:StartDate></t:NoEndRecurrence>"
    said = alice.create(subject() + span() + recurring(week, bounds))
    assert said.code == "ErrorCalendarInvalidDayForWeeklyRecurrence"


@pytest.mark.parametrize(
    ("uri", "element"),
    [
        ("calendar:IsMeeting", "<t:IsMeeting>true</t:IsMeeting>"),
        ("calendar:IsOnlineMeeting", "<t:IsOnlineMeeting>true</t:IsOnlineMeeting>"),
        ("calendar:AppointmentSequenceNumber", "<t:AppointmentSequenceNumber>4</t:AppointmentSequenceNumber>"),
        ("item:ItemId", '<t:ItemId Id="AAMk"/>'),
        ("item:ParentFolderId", '<t:ParentFolderId Id="AAMk"/>'),
        ("item:LastModifiedName", "<t:LastModifiedName>Bob</t:LastModifiedName>"),
    ],
    ids=lambda one: one.partition(":")[2] if ":" in one and "<" not in one else "",
)
def test_the_servers_own_properties_cannot_be_written(alice: Ews, uri: str, element: str) -> None:
    """Behaviour 30: CORE R2347 (ItemId), R2348 (ParentFolderId), MTGS R2301 (IsOnlineMeeting)."""
    item = alice.meeting()
    assert alice.update(item, put(uri, element)).code == "ErrorInvalidPropertySet"
    before = uri.startswith("item:")
    inside = element + subject() + span() if before and "Last" not in uri else subject() + span() + element
    if "Last" not in uri:
        assert alice.create(inside).code == "ErrorInvalidPropertySet"


def test_a_change_holds_one_property_and_the_one_it_names(alice: Ews) -> None:
    """Behaviour 30: CDATA R335; ErrorUpdatePropertyMismatch (responsecode)."""
    item = alice.meeting()
    two = put("item:Subject", subject("Neu") + "<t:Location>Saal</t:Location>")
    assert alice.update(item, two).code == "ErrorIncorrectUpdatePropertyCount"
    assert alice.update(item, put("calendar:Location", subject("Neu"))).code == "ErrorUpdatePropertyMismatch"


@needs_schema
def test_elements_in_a_wrong_order_are_a_fault_that_names_line_and_column(exchange: ExchangeServer, alice: Ews) -> None:
    """Behaviour 30: ErrorSchemaValidation, as recorded (pyexchange SOAP_FAULT)."""
    said = alice.create(span() + subject())
    assert (said.status, said.code) == (500, "ErrorSchemaValidation")
    assert int(said.text_of("LineNumber")) >= 1
    assert "LinePosition" in said.text
    assert [one.partition(":")[0] for one in exchange.take_complaints()] == ["CreateItem against the schema"]


def test_an_attendee_in_an_unknown_form_refuses_the_whole_item(alice: Ews) -> None:
    """ErrorInvalidRecipients (MTGS R1242)."""
    said = alice.create(subject() + span() + people(BOB, "nobody"), mode="SendToAllAndSaveCopy")
    assert said.code == "ErrorInvalidRecipients"
    assert alice.find("calendar").all("CalendarItem") == []


def test_a_uid_of_the_clients_own_is_kept_and_is_no_guard_against_doubles(alice: Ews) -> None:
    """MSOXWSMTGS_S01_TC02 creates with a UID of its own; nothing in the requirements makes a UID unique."""
    first, second = alice.meeting(uid="abc-1"), alice.meeting(uid="abc-1")
    assert first[0] != second[0]
    assert alice.get(first[0]).text_of("UID") == "abc-1"
    assert len(alice.get(alice.meeting()[0]).text_of("UID")) == 112


def test_a_named_property_is_stored_searched_and_taken_away(alice: Ews) -> None:
    name = '<t:ExtendedFieldURI PropertySetId="f3a1c5de-0000-4000-8000-000000000046" PropertyName="Key" PropertyType="String"/>'
    extended = f"<t:ExtendedProperty>{name}<t:Value>k-17</t:Value></t:ExtendedProperty>"
    item = alice.create(subject("Mit") + extended + span(), subject("Ohne") + span()).id
    equal = f'<t:IsEqualTo>{name}<t:FieldURIOrConstant><t:Constant Value="k-17"/></t:FieldURIOrConstant></t:IsEqualTo>'
    assert [one.text for one in alice.find("calendar", restriction=equal).all("Subject")] == ["Mit"]
    assert alice.get(item[0]).all("ExtendedProperty") == []
    assert alice.get(item[0], shape="IdOnly", also=name).text_of("Value") == "k-17"
    assert alice.update(item, f"<t:DeleteItemField>{name}</t:DeleteItemField>").code == "NoError"
    assert alice.find("calendar", restriction=equal).all("Subject") == []


def test_what_is_not_imitated_fails_the_test_that_asks_for_it(exchange: ExchangeServer, alice: Ews) -> None:
    said = alice.post(
        "<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>a@b.test</t:Address></t:Mailbox></m:GetUserOofSettingsRequest>"
    )
    assert said.code == "ErrorInvalidRequest"
    item = alice.meeting()
    alice.get(item[0], also='<t:FieldURI FieldURI="item:Flag"/>')
    alice.update(
        item, put("calendar:EnhancedLocation", "<t:EnhancedLocation><t:DisplayName>x</t:DisplayName></t:EnhancedLocation>")
    )
    alice.find("calendar", view='<m:FractionalPageItemView Numerator="0" Denominator="1"/>')
    said_words = " | ".join(exchange.take_complaints())
    assert "an operation that is not imitated: GetUserOofSettingsRequest" in said_words
    assert "item:Flag" in said_words
    assert "EnhancedLocation" in said_words
    assert "FractionalPageItemView" in said_words


def test_complaints_that_nobody_took_end_the_test(clock: ManualClock) -> None:
    def misuse() -> None:
        with ExchangeServer(clock.now) as server:
            server.exchange.complain("something")

    with pytest.raises(AssertionError, match="something"):
        misuse()


@needs_schema
def test_requests_and_answers_are_judged_by_the_schema(exchange: ExchangeServer, alice: Ews) -> None:
    item = alice.meeting(BOB, more=daily(3))
    alice.get(item[0])
    alice.find("calendar")
    alice.sync()
    assert exchange.checked == 8


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded answers are not beside this checkout")
def test_a_recorded_meeting_has_nothing_that_ours_has_not(alice: Ews) -> None:
    """What Exchange 2010 said of a meeting (pyexchange GET_ITEM_RESPONSE), name by name and in its order."""
    theirs = etree.parse(RECORDED / "pyexchange" / "GET_ITEM_RESPONSE.xml").find(".//{*}CalendarItem")
    more = f"<t:Location>Saal</t:Location>{people(BOB)}{people(CAROL, role='OptionalAttendees')}{people(ROOM, role='Resources')}"
    item = alice.create(f'{subject()}<t:Body BodyType="HTML">x</t:Body>{span()}{more}', mode="SendToAllAndSaveCopy").id
    ours = [etree.QName(one).localname for one in alice.get(item[0]).one("CalendarItem")]
    assert theirs is not None
    names = list(dict.fromkeys(etree.QName(one).localname for one in theirs))
    # Meetings beside this one are counted there and not here; MTGS makes no use of them.
    assert set(names) - set(ours) == {"ConflictingMeetings", "AdjacentMeetings"}
    assert [name for name in ours if name in names] == [name for name in names if name in ours]


def test_folders_are_found_by_name_and_by_id(exchange: ExchangeServer, alice: Ews) -> None:
    shape = "<m:FolderShape><t:BaseShape>AllProperties</t:BaseShape></m:FolderShape>"
    by_name = '<t:DistinguishedFolderId Id="calendar"/>'
    calendar = alice.post(f"<m:GetFolder>{shape}<m:FolderIds>{by_name}</m:FolderIds></m:GetFolder>")
    by_id = f'<t:FolderId Id="{calendar.one("FolderId").get("Id")}"/>'
    again = alice.post(f"<m:GetFolder>{shape}<m:FolderIds>{by_id}</m:FolderIds></m:GetFolder>")
    assert again.text_of("DisplayName") == "Calendar"
    root = '<m:ParentFolderIds><t:DistinguishedFolderId Id="root"/></m:ParentFolderIds>'
    below = alice.post(f'<m:FindFolder Traversal="Deep">{shape}{root}</m:FindFolder>')
    assert "Inbox" in [one.text for one in below.all("DisplayName")]
    missing = '<m:FolderIds><t:DistinguishedFolderId Id="tasks"/></m:FolderIds>'
    said = alice.post(f"<m:GetFolder>{shape}{missing}</m:GetFolder>")
    assert (said.code, len(said.one("Folders"))) == ("ErrorFolderNotFound", 0)
    theirs = f"<t:Mailbox><t:EmailAddress>{BOB}</t:EmailAddress></t:Mailbox>"
    named = f'<m:FolderIds><t:DistinguishedFolderId Id="calendar">{theirs}</t:DistinguishedFolderId></m:FolderIds>'
    assert alice.post(f"<m:GetFolder>{shape}{named}</m:GetFolder>").code == "ErrorAccessDenied"
    exchange.exchange.accounts[ALICE].delegate_of = frozenset({BOB})
    assert alice.post(f"<m:GetFolder>{shape}{named}</m:GetFolder>").code == "NoError"
