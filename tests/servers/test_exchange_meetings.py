"""The stand-in's meeting mail: who gets what, in which class, when an answer is seen, and what a cancellation leaves behind.

Numbers of behaviours are those of the product's Exchange reference; R… are Microsoft's requirement numbers ([MS-OXWS…]).
"""

from __future__ import annotations

import pytest

from tests.servers.ews import (
    ALICE,
    BOB,
    CAROL,
    OUTSIDE,
    ROOM,
    Ews,
    alice,
    bob,
    clock,
    daily,
    exchange,
    move,
    occurrence,
    people,
    put,
    span,
    subject,
)
from tests.servers.exchange import ExchangeServer

__all__ = ["alice", "bob", "clock", "exchange"]

LATER = move("2027-03-02T13:00:00Z", "2027-03-02T14:00:00Z")
PLACE = put("calendar:Location", "<t:Location>Saal 2</t:Location>")


def attendees(*addresses: str) -> str:
    return put("calendar:RequiredAttendees", people(*addresses))


def mails(exchange: ExchangeServer, address: str) -> list[tuple[str, str]]:
    """Class and kind of the meeting messages in somebody's Inbox."""
    inbox = exchange.exchange.boxes[address].folder("inbox")
    return [(one.item_class.removeprefix("IPM.Schedule.Meeting."), one.facts.get("MeetingRequestType", "")) for one in inbox]


NEW, FULL, INFORMED = (("Request", kind) for kind in ("NewMeetingRequest", "FullUpdate", "InformationalUpdate"))


def test_an_answer_comes_as_a_mail_and_changes_the_item_only_afterwards(exchange: ExchangeServer, alice: Ews, bob: Ews) -> None:
    """Behaviour 10: MTGS R1091; Microsoft's own tests wait for it up to 35 times."""
    item = alice.meeting(BOB)
    exchange.settle()
    assert bob.respond("AcceptItem", bob.only("calendar")).code == "NoError"
    assert alice.get(item[0]).text_of("ResponseType") == "Unknown"
    assert mails(exchange, ALICE) == []
    exchange.settle()
    assert mails(exchange, ALICE) == [("Resp.Pos", "")]
    got = alice.get(item[0])
    assert got.text_of("ResponseType") == "Accept"
    assert got.text_of("LastResponseTime") == "2027-03-01T08:00:00Z"
    assert got.id[1] != item[1]


@pytest.mark.parametrize(
    ("verb", "ending", "response"),
    [("AcceptItem", "Pos", "Accept"), ("TentativelyAcceptItem", "Tent", "Tentative"), ("DeclineItem", "Neg", "Decline")],
    ids=["accept", "tentative", "decline"],
)
def test_each_answer_has_its_class(exchange: ExchangeServer, alice: Ews, bob: Ews, verb: str, ending: str, response: str) -> None:
    """Behaviour 11: S01_TC02 to TC04 (R80, R81, R82)."""
    item = alice.meeting(BOB)
    exchange.settle()
    bob.respond(verb, bob.only("inbox"))
    exchange.settle()
    assert mails(exchange, ALICE) == [(f"Resp.{ending}", "")]
    assert alice.get(item[0]).text_of("ResponseType") == response
    assert alice.find("inbox").text_of("ItemClass") == f"IPM.Schedule.Meeting.Resp.{ending}"
    theirs = bob.find("calendar" if verb != "DeclineItem" else "deleteditems")
    assert response in [one.text for one in theirs.all("MyResponseType")]


def test_the_classes_of_items_and_requests(exchange: ExchangeServer, alice: Ews, bob: Ews) -> None:
    """Behaviour 11: the MTGS test cases, removeitem, recorded answers."""
    item = alice.meeting(BOB, more=daily(3))
    exchange.settle()
    assert alice.get(item[0]).text_of("ItemClass") == "IPM.Appointment"
    assert alice.get(occurrence(item[0], 2)).text_of("ItemClass") == "IPM.Appointment.Occurrence"
    assert bob.find("inbox").text_of("ItemClass") == "IPM.Schedule.Meeting.Request"
    alice.respond("CancelCalendarItem", item)
    exchange.settle()
    assert ("Canceled", "") in mails(exchange, BOB)


@pytest.mark.parametrize(
    ("mode", "copies", "arrived"),
    [("SendToNone", 0, []), ("SendOnlyToAll", 0, [NEW]), ("SendToAllAndSaveCopy", 1, [NEW])],
)
def test_the_send_mode_decides_on_mail_and_on_the_copy(
    exchange: ExchangeServer, alice: Ews, mode: str, copies: int, arrived: list[tuple[str, str]]
) -> None:
    """Behaviour 12: MTGS R44 to R4802, R734, R735."""
    item = alice.meeting(BOB, mode=mode)
    exchange.settle()
    assert mails(exchange, BOB) == arrived
    sent = alice.find("sentitems").all("ItemClass")
    assert [one.text for one in sent] == ["IPM.Schedule.Meeting.Request"] * copies
    assert alice.get(item[0]).text_of("MeetingRequestWasSent") == ("true" if arrived else "false")


@pytest.mark.parametrize("mode", ["SendOnlyToChanged", "SendToChangedAndSaveCopy"])
def test_sending_to_the_changed_tells_only_who_came_and_who_went(exchange: ExchangeServer, alice: Ews, mode: str) -> None:
    """Behaviour 13: S02_TC07, S02_TC08. Bob stays, and hears nothing."""
    item = alice.meeting(BOB, OUTSIDE)
    exchange.settle()
    alice.update(item, attendees(BOB, CAROL), mode=mode)
    exchange.settle()
    assert mails(exchange, BOB) == [NEW]
    assert mails(exchange, CAROL) == [NEW]
    assert [one.item.kind for one in exchange.exchange.outside] == ["MeetingRequest", "MeetingCancellation"]
    assert len(alice.find("sentitems").all("MeetingRequest")) == (2 if mode == "SendToChangedAndSaveCopy" else 1)


def test_a_changed_time_that_is_sent_to_the_changed_reaches_nobody(exchange: ExchangeServer, alice: Ews, bob: Ews) -> None:
    """Behaviour 13: changed are people, not times (section 2.5)."""
    item = alice.meeting(BOB)
    exchange.settle()
    alice.update(item, LATER, mode="SendOnlyToChanged")
    exchange.settle()
    assert bob.find("calendar").text_of("Start") == "2027-03-02T09:00:00Z"


def test_an_update_is_a_full_one_for_those_who_have_not_answered_and_informational_for_the_others(
    exchange: ExchangeServer, alice: Ews, bob: Ews
) -> None:
    """Behaviour 14: S02_TC09 (R484, R485), S02_TC10 (R71, R587)."""
    alice.meeting(BOB, CAROL)
    exchange.settle()
    bob.respond("AcceptItem", bob.only("inbox"))
    exchange.settle()
    alice.update(alice.only("calendar"), PLACE, mode="SendToAllAndSaveCopy")
    exchange.settle()
    assert mails(exchange, BOB) == [INFORMED]  # the request that was answered is in Deleted Items
    assert mails(exchange, CAROL) == [NEW, FULL]
    assert bob.find("calendar").text_of("Location") == "Saal 2"


def test_the_older_of_two_requests_is_out_of_date_and_cannot_be_answered(exchange: ExchangeServer, alice: Ews, bob: Ews) -> None:
    """MTGS R750; ErrorCalendarMeetingRequestIsOutOfDate (responsecode)."""
    item = alice.meeting(BOB)
    exchange.settle()
    alice.update(item, LATER, mode="SendToAllAndSaveCopy")
    exchange.settle()
    older = bob.find("inbox").all("MeetingRequest")[0]
    assert older.findtext("{*}IsOutOfDate") == "true"
    named = older.find("{*}ItemId")
    assert named is not None
    said = bob.respond("AcceptItem", (named.get("Id", ""), named.get("ChangeKey", "")))
    assert said.code == "ErrorCalendarMeetingRequestIsOutOfDate"


def test_a_move_that_is_sent_asks_again_and_counts_up(exchange: ExchangeServer, alice: Ews, bob: Ews) -> None:
    """[MS-OXOCAL] 3.1.4.7: what was said was about another time."""
    item = alice.meeting(BOB)
    exchange.settle()
    bob.respond("AcceptItem", bob.only("calendar"))
    exchange.settle()
    item = alice.update(alice.only("calendar"), LATER, mode="SendToAllAndSaveCopy").id
    got = alice.get(item[0])
    assert (got.text_of("ResponseType"), got.text_of("AppointmentSequenceNumber")) == ("Unknown", "1")
    exchange.settle()
    theirs = bob.find("calendar")
    assert (theirs.text_of("Start"), theirs.text_of("MyResponseType")) == ("2027-03-02T13:00:00Z", "NoResponseReceived")


def test_rooms_and_the_words_of_when_do_not_reach_the_attendees(exchange: ExchangeServer, alice: Ews, bob: Ews) -> None:
    """Behaviour 15: MTGS R299, R319."""
    said = alice.create(
        f"{subject()}{span()}<t:When>morgen</t:When>{people(BOB)}{people(ROOM, role='Resources')}", mode="SendToAllAndSaveCopy"
    )
    assert alice.get(said.id[0]).text_of("When") == "morgen"
    exchange.settle()
    got = bob.get(bob.only("inbox")[0])
    assert got.all("When") == []
    assert got.all("Resources") == []
    assert mails(exchange, ROOM) == [NEW]


def test_a_cancelled_meeting_is_in_deleted_items_under_another_id(exchange: ExchangeServer, alice: Ews, bob: Ews) -> None:
    """Behaviour 16: MTGS R740, R741, R1052; the attendee's item stays and says so."""
    item = alice.meeting(BOB)
    exchange.settle()
    gone = alice.respond("CancelCalendarItem", item, more='<t:NewBodyContent BodyType="Text">Entfällt.</t:NewBodyContent>')
    exchange.settle()
    assert alice.get(item[0]).code == "ErrorItemNotFound"
    assert gone.id[0] != item[0]
    assert gone.id == alice.only("deleteditems")
    assert alice.get(gone.id[0]).text_of("AppointmentState") == "5"
    theirs = bob.get(bob.only("calendar")[0])
    assert (theirs.text_of("AppointmentState"), theirs.text_of("IsCancelled")) == ("7", "true")
    assert theirs.text_of("Subject") == "Canceled: Sitzung"
    arrived = bob.get(bob.find("inbox", shape="IdOnly").all("MeetingCancellation")[0][0].get("Id", ""))
    assert arrived.text_of("Body") == "Entfällt."


def test_a_cancelled_meeting_cannot_be_sent_again(alice: Ews) -> None:
    """Behaviour 17: ErrorCalendarCannotUpdateDeletedItem (responsecode)."""
    gone = alice.respond("CancelCalendarItem", alice.meeting(BOB)).id
    assert alice.update(gone, PLACE, mode="SendToAllAndSaveCopy").code == "ErrorCalendarCannotUpdateDeletedItem"
    assert alice.update(gone, PLACE, mode="SendToNone").code == "NoError"


def test_only_the_organiser_cancels_and_only_the_others_answer(exchange: ExchangeServer, alice: Ews, bob: Ews) -> None:
    """Behaviour 18 (responsecode)."""
    item = alice.meeting(BOB)
    exchange.settle()
    assert bob.respond("CancelCalendarItem", bob.only("calendar")).code == "ErrorCalendarIsNotOrganizer"
    assert alice.respond("AcceptItem", item).code == "ErrorCalendarIsOrganizerForAccept"
    assert alice.respond("DeclineItem", item).code == "ErrorCalendarIsOrganizerForDecline"
    alice.respond("CancelCalendarItem", item)
    exchange.settle()
    assert bob.respond("AcceptItem", bob.only("calendar")).code == "ErrorCalendarIsCancelledForAccept"


def test_an_answer_needs_a_disposition_and_a_fresh_change_key(exchange: ExchangeServer, alice: Ews, bob: Ews) -> None:
    """MTGS R1240, R1342; ErrorStaleObject (responsecode)."""
    alice.meeting(BOB)
    exchange.settle()
    item = bob.only("calendar")
    assert bob.respond("AcceptItem", item, disposition=None).code == "ErrorMessageDispositionRequired"
    assert bob.respond("TentativelyAcceptItem", item).code == "NoError"
    assert bob.respond("AcceptItem", item).code == "ErrorStaleObject"


def test_an_answer_that_is_only_saved_never_arrives(exchange: ExchangeServer, alice: Ews, bob: Ews) -> None:
    """Section 2.8: "don't send a response" leaves the organiser with Unknown."""
    item = alice.meeting(BOB)
    exchange.settle()
    bob.respond("AcceptItem", bob.only("calendar"), disposition="SaveOnly")
    exchange.settle()
    assert alice.get(item[0]).text_of("ResponseType") == "Unknown"


def test_another_time_can_be_proposed(exchange: ExchangeServer, alice: Ews, bob: Ews) -> None:
    """MSOXWSMTGS, AttendeeType: ProposedStart, ProposedEnd, from Exchange 2013 on."""
    item = alice.meeting(BOB)
    exchange.settle()
    other = "<t:ProposedStart>2027-03-02T15:00:00Z</t:ProposedStart><t:ProposedEnd>2027-03-02T16:00:00Z</t:ProposedEnd>"
    bob.respond("TentativelyAcceptItem", bob.only("calendar"), more=other)
    exchange.settle()
    got = alice.get(item[0])
    assert (got.text_of("ResponseType"), got.text_of("ProposedStart")) == ("Tentative", "2027-03-02T15:00:00Z")


def test_people_without_a_mailbox_here_are_written_to_and_answer_by_mail(exchange: ExchangeServer, alice: Ews) -> None:
    item = alice.meeting(OUTSIDE)
    exchange.settle()
    exchange.answer_from_outside(OUTSIDE, "Decline")
    exchange.settle()
    assert alice.get(item[0]).text_of("ResponseType") == "Decline"


def test_one_date_of_a_series_is_answered_by_itself(exchange: ExchangeServer, alice: Ews, bob: Ews) -> None:
    item = alice.meeting(BOB, more=daily(3))
    exchange.settle()
    theirs, _ = bob.only("calendar")
    assert bob.respond("DeclineItem", bob.get(occurrence(theirs, 2)).id).code == "NoError"
    exchange.settle()
    answers = [alice.get(occurrence(item[0], index)).text_of("ResponseType") for index in (1, 2, 3)]
    assert answers == ["Unknown", "Decline", "Unknown"]
    assert alice.get(item[0]).text_of("ResponseType") == "Unknown"
    assert [one.index for one in exchange.exchange.boxes[BOB].folder("calendar")[0].dates()] == [1, 3]


def test_deleting_sends_what_the_mode_says(exchange: ExchangeServer, alice: Ews, bob: Ews) -> None:
    """MTGS R45, R47, R49: the organiser's deletion cancels, an attendee's declines."""
    quiet, loud = alice.meeting(BOB, uid="a"), alice.meeting(BOB, uid="b")
    exchange.settle()
    theirs = {one.uid: one for one in exchange.exchange.boxes[BOB].folder("calendar")}
    bob.delete(theirs["a"].id, mode="SendToAllAndSaveCopy")
    exchange.settle()
    assert alice.get(quiet[0]).text_of("ResponseType") == "Decline"
    alice.delete(quiet[0])
    alice.delete(loud[0], mode="SendOnlyToAll", how="MoveToDeletedItems")
    exchange.settle()
    assert mails(exchange, BOB)[2:] == [("Canceled", "")]
    assert alice.get(loud[0]).code == "ErrorItemNotFound"


def test_a_meeting_stored_quietly_and_sent_later_is_one_new_invitation(exchange: ExchangeServer, alice: Ews) -> None:
    """The three-step way of section 2.6: store, take dates away, then send once."""
    item = alice.meeting(BOB, mode="SendToNone", more=daily(5))
    alice.delete(occurrence(item[0], 3))
    item = alice.get(item[0]).all("ItemId")[0].get("Id", ""), alice.get(item[0]).all("ItemId")[0].get("ChangeKey", "")
    assert alice.update(item, PLACE, mode="SendToAllAndSaveCopy").code == "NoError"
    exchange.settle()
    assert mails(exchange, BOB) == [NEW]
    dates = exchange.exchange.boxes[BOB].folder("calendar")[0].dates()
    assert [one.index for one in dates] == [1, 2, 4, 5]


def test_one_date_is_moved_and_one_cancelled_for_the_attendee_too(exchange: ExchangeServer, alice: Ews) -> None:
    item = alice.meeting(BOB, more=daily(5))
    exchange.settle()
    master, key = alice.only("calendar")
    afternoon = move("2027-03-03T15:00:00Z", "2027-03-03T16:00:00Z")
    assert alice.update(occurrence(master, 2, key), afternoon, mode="SendToAllAndSaveCopy").code == "NoError"
    fourth = alice.get(occurrence(item[0], 4)).id
    assert alice.respond("CancelCalendarItem", fourth).code == "NoError"
    exchange.settle()
    (theirs,) = exchange.exchange.boxes[BOB].folder("calendar")
    starts = {one.index: f"{one.start:%d %H}" for one in theirs.dates() if one.state != 7}
    assert starts == {1: "02 09", 2: "03 15", 3: "04 09", 5: "06 09"}
