"""The organizer's cases of sabre/vobject's iTIP tests (BSD-3-Clause, see ../shared/data/itip), against our two pure functions.

How they are read here: SEQUENCE is the case's own; a message that is not significant counts as none, as does one of ours that
wants no answer and cancels nothing; the organizer's own ATTENDEE line is left out, for we never list him (itip.md 1.3); where
DTEND and DURATION stand side by side, which RFC 5545 3.6.1 forbids, DURATION counts; an event without a start gets one.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from daemon.core import ics, itip, zones
from daemon.core.delivery import Sent
from daemon.core.itip import Letter, Outcome
from daemon.core.model import Component, Entry, EntryState, Event, Method, Organizer
from daemon.planner.causes import people
from daemon.planner.imports import _entry_of
from tests.core.builders import DRESS

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "itip" / "sabre-broker.json"
CASES: list[dict[str, Any]] = json.loads(DATA.read_text())["cases"] if DATA.is_file() else []
OURS = [one for one in CASES if one["role"] == "organizer"]
pytestmark = pytest.mark.skipif(not DATA.is_file(), reason="the shared collection of real mails is not beside this checkout")
NOW = datetime(2014, 7, 1, tzinfo=UTC)

# What we do otherwise, with the rule of itip.md that says so.
OTHERWISE = {
    "BrokerProcessReplyTest.testReplyPartyCrasher": "1.11 step 5: who was not invited is held",
    "BrokerProcessReplyTest.testReplyPartyCrashCreateException": "1.11 step 5: who was not invited is held",
    "BrokerUpdateEventTest.testInviteChangeFromSchedulingToNonSchedulingObject": "1.1: SEQUENCE never decreases",
    "BrokerUpdateEventTest.testRemoveInstance": "1.8: a date left out is a CANCEL of it, and what is no date owes nothing",
    "BrokerUpdateEventTest.testExdateTimezone": "1.8: a date without him is a CANCEL of it, not a REQUEST with EXDATE",
    "BrokerUpdateEventTest.testExdateTimezoneUTC": "1.8: a date without him is a CANCEL of it, not a REQUEST with EXDATE",
    "BrokerNewEventTest.testScheduleAgentClient": "1.9: SCHEDULE-AGENT=CLIENT is our own mark that we do the mailing",
    "BrokerUpdateEventTest.testInviteNoChangeForceSend": "1.9: SCHEDULE-FORCE-SEND is for calendar servers; nothing has changed",
}


def test_there_are_as_many_cases_as_there_were_and_few_that_we_see_otherwise() -> None:
    assert [sum(one["kind"] == kind for one in OURS) for kind in ("generate", "process")] == [31, 14]
    assert len(OTHERWISE) <= 8
    assert set(OTHERWISE) <= {one["id"] for one in OURS}


def components(text: str | None) -> tuple[Component, ...]:
    if text is None:
        return ()
    if "\nDURATION:" in text and "\nDTEND" in text:
        text = re.sub(r"\nDTEND[^\n]*", "", text)
    return ics.parse_calendar(text.replace("**ANY**", "20140701T000000Z").encode()).components


def an_entry(text: str | None, service: str) -> Entry | None:
    found = components(text)
    if not found or found[0].recurrence_id is not None:
        return None
    if found[0].when is None:
        start = ics.parse_calendar(
            b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:x\nDTSTART:20140716T120000Z\nDTEND:20140716T130000Z\nEND:VEVENT\nEND:VCALENDAR"
        )
        found = (replace(found[0], when=start.components[0].when), *found[1:])
    return _entry_of(Event(components=found), "e1", "o1", NOW, service)


def sent(entry: Entry, email: str, organizer: Organizer) -> Sent | None:
    told = None
    for message in itip.owed(entry, email, None, organizer=organizer, dress=DRESS, now=NOW):
        told = itip.after_sending(told, entry, email, message, dtstamp=NOW, message_id="<a@b>")
    return told


def shape(component: Component, service: str) -> tuple[Any, ...]:
    when = component.when
    assert when is not None
    date = component.recurrence_id.astimezone(UTC) if component.recurrence_id else None
    return (
        component.uid,
        component.sequence,
        date,
        *zones.span(when),
        frozenset((component.rrule or "").split(";")),
        frozenset(zones.to_utc(wall, when.zone) for wall in component.exdates),
        frozenset(one.email for one in component.guests if one.email != service),
    )


@pytest.mark.parametrize(
    "case", [one for one in OURS if one["kind"] == "generate" and "expected_error" not in one], ids=lambda case: case["id"]
)
def test_what_is_owed_after_a_change(case: dict[str, Any]) -> None:
    if case["id"] in OTHERWISE:
        pytest.skip(OTHERWISE[case["id"]])
    service = case["user"].removeprefix("mailto:").lower()
    organizer = Organizer(email=service, name="Strunk")
    before, after = an_entry(case["old_ics"], service), an_entry(case["new_ics"], service)
    if after is None:
        assert before is not None
        after = replace(before, state=EntryState.DELETED)
    told = {email: sent(before, email, organizer) for email in people(before)} if before else {}
    owed: list[tuple[Any, ...]] = []
    for email in sorted(people(after).keys() | told.keys()):
        for one in itip.owed(after, email, told.get(email), organizer=organizer, dress=DRESS, now=NOW):
            if one.asks or one.method is Method.CANCEL:
                owed.append((one.method.value, email, frozenset(shape(each, service) for each in one.components)))
    expected = [one for one in case["expected_messages"] if one.get("significant_change") is not False]
    assert len(owed) == len(expected), owed
    for message in expected:
        wanted = frozenset(shape(each, service) for each in components(message.get("ics")))
        recipient = message.get("recipient", "").removeprefix("mailto:").lower()
        assert any(
            method == message["method"] and recipient in ("", email) and wanted in (frozenset(), found)
            for method, email, found in owed
        ), (message["method"], recipient, wanted, owed)


@pytest.mark.parametrize("case", [one for one in OURS if "expected_error" in one], ids=lambda case: case["id"])
def test_an_object_of_several_organizers_or_names_is_none(case: dict[str, Any]) -> None:
    """The import refuses it by the same two tests."""
    found = components(case["new_ics"])
    if len({one.uid for one in found}) > 1:
        with pytest.raises(ValueError, match="exactly one UID"):
            Event(components=found)
    else:
        several = len({one.organizer.email for one in found if one.organizer}) > 1
        assert several or all(one.when is None for one in found), "an event without a start is refused as well"


@pytest.mark.parametrize("case", [one for one in OURS if one["kind"] == "process"], ids=lambda case: case["id"])
def test_what_a_reply_changes(case: dict[str, Any]) -> None:
    service = "bar@example.org"
    entry = an_entry(case["old_ics"], service)
    if entry is None:
        assert case["expected_ics"] is None
        return
    entry = replace(entry, invited=True)
    message = ics.parse_calendar(case["message_ics"].encode())
    sender = message.components[0].guests[0].email
    told = tuple(one for email in people(entry) if (one := sent(entry, email, Organizer(email=service, name=""))) is not None)
    letter = Letter(mail_from=sender, mail_date=NOW)
    for verdict in itip.apply_reply(entry, told, message, letter=letter):
        if case["id"] in OTHERWISE:
            assert verdict.outcome is Outcome.HELD, OTHERWISE[case["id"]]
            return
        entry = itip.with_verdict(entry, verdict)
    expected = components(case["expected_ics"])
    assert expected
    for component in expected:
        name = component.recurrence_id
        wall = None if name is None or entry.when is None else zones.to_wall(name.astimezone(UTC), entry.when.zone)
        for guest in component.guests:
            stands = itip.standing(entry, guest.email, wall if entry.is_series else None)
            assert stands.partstat is guest.partstat, (guest, wall)
