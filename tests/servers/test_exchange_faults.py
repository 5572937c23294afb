"""What goes wrong at the stand-in on purpose: throttling, cut and late connections, moved mailboxes, sign-in.

Numbers of behaviours are those of the product's Exchange reference.
"""

from __future__ import annotations

import http.client
import threading

import pytest

from tests.servers.ews import ALICE, BOB, Ews, alice, bob, clock, exchange, put, span, subject
from tests.servers.exchange import ExchangeServer, Trouble

__all__ = ["alice", "bob", "clock", "exchange"]


def test_busy_is_said_in_four_ways(exchange: ExchangeServer, alice: Ews) -> None:
    """Behaviour 5: throttling tables 3 and 4; the fault without a back-off is KDE's recorded one."""
    exchange.faults.plan(
        "CreateItem", Trouble.BUSY_WITH_BACK_OFF, Trouble.BUSY, Trouble.UNAVAILABLE, Trouble.INNER_BUSY, Trouble.TOO_MANY
    )
    said = alice.create(subject() + span())
    assert (said.status, said.code) == (500, "ErrorServerBusy")
    (value,) = said.all("Value")
    assert (value.get("Name"), value.text) == ("BackOffMilliseconds", "50")
    said = alice.create(subject() + span())
    assert (said.status, said.code, said.all("Value")) == (500, "ErrorServerBusy", [])
    said = alice.create(subject() + span())
    assert (said.status, said.headers["Retry-After"], said.body) == (503, "1", None)
    said = alice.create(subject() + span())
    assert (said.status, said.code) == (200, "ErrorInternalServerError")
    assert {one.get("Name"): one.text for one in said.all("Value")}["InnerErrorResponseCode"] == "ErrorServerBusy"
    assert alice.create(subject() + span()).status == 429
    assert alice.find("calendar").all("CalendarItem") == []
    assert alice.create(subject() + span()).code == "NoError"


def test_a_batch_is_done_as_far_as_the_budget_goes(exchange: ExchangeServer, alice: Ews) -> None:
    """Behaviour 7: what was done before stays done."""
    exchange.faults.budget["CreateItem"] = 2
    said = alice.create(*[subject(words) + span() for words in ("Eins", "Zwei", "Drei")])
    assert said.codes == ["NoError", "NoError", "ErrorServerBusy"]
    assert [one.text for one in alice.find("calendar").all("Subject")] == ["Eins", "Zwei"]
    assert alice.create(subject("Drei") + span()).code == "NoError"


@pytest.mark.parametrize(("trouble", "stored"), [(Trouble.CUT_BEFORE, 0), (Trouble.CUT_AFTER, 1)])
def test_a_connection_ends_before_or_after_the_meeting_was_stored(
    exchange: ExchangeServer, alice: Ews, trouble: Trouble, stored: int
) -> None:
    """Section 2.2: the client cannot tell the two apart."""
    exchange.faults.plan("CreateItem", trouble)
    with pytest.raises(http.client.RemoteDisconnected):
        alice.meeting(BOB)
    assert len(alice.find("calendar").all("CalendarItem")) == stored
    assert len(exchange.exchange.queue) == stored


def test_an_answer_can_be_held_back_after_its_work_is_done(exchange: ExchangeServer, alice: Ews) -> None:
    late = exchange.hold("CreateItem")
    found: list[str] = []
    waiting = threading.Thread(target=lambda: found.append(alice.create(subject() + span()).code))
    waiting.start()
    assert late.done.wait(20)
    assert len(alice.find("calendar").all("CalendarItem")) == 1
    assert found == []
    late.go.set()
    waiting.join(20)
    assert found == ["NoError"]


def test_a_mailbox_that_moves_says_so_and_has_new_ids_afterwards(exchange: ExchangeServer, alice: Ews) -> None:
    """ErrorMailboxMoveInProgress; no id of before is known, no state of synchronisation, and the items are all there."""
    item = alice.meeting()
    state = alice.sync().text_of("SyncState")
    exchange.faults.plan("GetItem", Trouble.MOVING)
    assert alice.get(item[0]).code == "ErrorMailboxMoveInProgress"
    exchange.move_ids(exchange.exchange.boxes[ALICE])
    assert alice.get(item[0]).code == "ErrorItemNotFound"
    assert alice.sync(state).code == "ErrorInvalidSyncStateData"
    assert alice.get(alice.only("calendar")[0]).text_of("Subject") == "Sitzung"


def test_a_wrong_password_is_401_with_the_ways_to_sign_in(exchange: ExchangeServer) -> None:
    said = Ews(exchange, ALICE, "falsch").sync()
    assert (said.status, said.headers["WWW-Authenticate"]) == (401, 'Basic realm="Exchange"')
    assert exchange.requests == []


def test_impersonation_acts_as_the_person_within_its_scope(exchange: ExchangeServer) -> None:
    """Section 2.10: the role has a scope of mailboxes; the organiser is the person, not the account."""
    exchange.add_service("planer", impersonates=frozenset({ALICE}))
    item = Ews(exchange, "planer", impersonated=ALICE).meeting(BOB)
    got = Ews(exchange, ALICE).get(item[0])
    assert got.one("Organizer").findtext(".//{*}EmailAddress") == ALICE
    assert [one.box for one in exchange.requests] == [ALICE, ALICE]
    assert Ews(exchange, "planer", impersonated=BOB).sync().code == "ErrorImpersonateUserDenied"
    assert Ews(exchange, "planer", impersonated="x@else.test").sync().code == "ErrorNonExistentMailbox"
    assert Ews(exchange, "planer").sync().code == "ErrorMissingEmailAddress"


def test_nobody_sees_another_ones_items(exchange: ExchangeServer, alice: Ews, bob: Ews) -> None:
    item = alice.meeting()
    assert bob.get(item[0]).code == "ErrorItemNotFound"
    assert bob.update(item, put("item:Subject", subject("Meins"))).code == "ErrorItemNotFound"


def test_an_unknown_time_zone_is_refused(exchange: ExchangeServer, alice: Ews) -> None:
    """ErrorTimeZone (responsecode)."""
    zone = '<t:StartTimeZone Id="Mitteleuropa"/>'
    assert alice.create(subject() + span() + zone).code == "ErrorTimeZone"
    assert Ews(exchange, ALICE, zone="Europe/Berlin").sync().code == "ErrorTimeZone"
