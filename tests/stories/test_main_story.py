"""The product's main job from planning to cancellation, on real servers, on both stores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import icalendar
import pytest

from daemon import planner
from daemon.core.model import Attendee, EntryState, Language, PartStat, Sender, When
from daemon.planner.wishes import Changes, Draft
from tests.servers.post import PLANNER
from tests.servers.xandikos import XandikosServer
from tests.stories.world import World

BERLIN = ZoneInfo("Europe/Berlin")
ANNA, BEN, CLEO = "anna@kunde.test", "ben@kunde.test", "cleo@kunde.test"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def in_berlin(year: int, month: int, day: int, hour: int) -> When:
    return When(start=datetime(year, month, day, hour), zone="Europe/Berlin", duration=HOUR)


def people(*emails: str) -> tuple[Attendee, ...]:
    return tuple(Attendee(email=email, name=email.split("@")[0].title()) for email in emails)


async def test_an_entry_is_planned_invited_answered_moved_reminded_and_cancelled(world: World) -> None:
    """The whole way with the planner as sender; everything is read back from the servers."""
    alice = await world.owner("alice@example.test", name="Alice Müller")
    await world.calendar(alice, "alice")
    done = await world.do(
        planner.create, alice.id, Draft(title="Haushaltsausschuss", when=in_berlin(2026, 10, 20, 9), attendees=people(ANNA, BEN))
    )
    entry = done.entry
    await world.settle()
    (event,) = world.stored("alice")
    assert event["UID"] == entry.uid
    assert event["DTSTART"].dt.astimezone(UTC) == datetime(2026, 10, 20, 7, 0, tzinfo=UTC)
    assert world.letters(ANNA) == [], "the coalescing delay is not over"

    await world.settle(MINUTE)
    (to_anna,), (to_ben,) = world.letters(ANNA), world.letters(BEN)
    for letter, recipient in ((to_anna, ANNA), (to_ben, BEN)):
        assert letter.method == "REQUEST"
        assert letter.event["UID"] == entry.uid
        assert letter.event["SEQUENCE"] == 0
        assert letter.event["ORGANIZER"] == f"mailto:{PLANNER}"
        assert letter.envelope_from == PLANNER
        assert recipient in {str(one).removeprefix("mailto:") for one in letter.event["ATTENDEE"]}
        assert f"{entry.number[:3]}-{entry.number[3:6]}-{entry.number[6:]}" in letter.text

    await world.answer(to_anna, ANNA, "ACCEPTED")
    await world.settle(MINUTE)
    view = await world.show(entry.id)
    assert [one.standing.partstat for one in view.attendees] == [PartStat.ACCEPTED, PartStat.NEEDS_ACTION]
    assert _partstats(world.stored("alice")[0])[ANNA] == "ACCEPTED", "the owner sees in his calendar who accepted"

    # From summer time into winter time: nine o'clock stays nine o'clock.
    await world.do(planner.move, entry.id, start=datetime(2026, 10, 27, 9))
    await world.settle(MINUTE)
    (to_anna,) = world.letters(ANNA)
    assert to_anna.method == "REQUEST"
    assert to_anna.event["SEQUENCE"] == 1
    assert to_anna.event["DTSTART"].dt.astimezone(UTC) == datetime(2026, 10, 27, 8, 0, tzinfo=UTC)
    assert _partstats(to_anna.event)[ANNA] == "NEEDS-ACTION"
    (event,) = world.stored("alice")
    assert event["DTSTART"].dt.astimezone(UTC) == datetime(2026, 10, 27, 8, 0, tzinfo=UTC)
    assert event["SEQUENCE"] >= 1
    standing = (await world.show(entry.id)).attendees[0].standing
    assert (standing.partstat, standing.outdated) == (PartStat.NEEDS_ACTION, True), "no answer since the move"
    assert standing.answer is not None
    assert standing.answer.partstat is PartStat.ACCEPTED

    # Reminders at the right instant: a day before nine in winter time is eight o'clock UTC.
    world.clock.move(datetime(2026, 10, 26, 7, 59, 59, tzinfo=UTC) - world.clock.now())
    await world.settle()
    assert world.letters(alice.email) == []
    await world.settle(timedelta(seconds=1))
    (reminder,) = world.letters(alice.email)
    assert "Haushaltsausschuss" in reminder.subject
    assert reminder.method == ""
    assert reminder.mail["Auto-Submitted"] == "auto-generated"

    await world.do(planner.cancel, entry.id)
    await world.settle(MINUTE)
    for email in (ANNA, BEN):
        cancel = world.letters(email)[-1]
        assert cancel.method == "CANCEL"
        assert cancel.event["STATUS"] == "CANCELLED"
        assert cancel.event["SEQUENCE"] == 2
    assert world.stored("alice") == []
    await world.settle(2 * DAY)
    assert world.letters(alice.email) == [], "no reminder for what is cancelled"
    assert {one.envelope_from for one in world.post.mails()} - {ANNA} == {PLANNER}, "nobody but the planner mailed anybody"


async def test_one_date_of_a_series_is_cancelled_and_the_others_stand(world: World) -> None:
    alice = await world.owner("alice@example.test", name="Alice")
    await world.calendar(alice, "alice")
    draft = Draft(title="Schulung", when=in_berlin(2026, 10, 19, 9), rrule="FREQ=WEEKLY;COUNT=4", attendees=people(ANNA))
    entry = (await world.do(planner.create, alice.id, draft)).entry
    await world.settle(MINUTE)
    (invitation,) = world.letters(ANNA)
    assert invitation.event["RRULE"]["FREQ"] == ["WEEKLY"]
    await world.answer(invitation, ANNA, "ACCEPTED")
    await world.settle(MINUTE)

    await world.do(planner.cancel, entry.id, recurrence_id=datetime(2026, 10, 26, 9))
    await world.settle(MINUTE)
    (cancel,) = world.letters(ANNA)
    assert cancel.method == "CANCEL"
    assert cancel.event["RECURRENCE-ID"].dt.astimezone(UTC) == datetime(2026, 10, 26, 8, 0, tzinfo=UTC)
    (event,) = world.stored("alice")
    assert [one.dt.astimezone(UTC) for one in event["EXDATE"].dts] == [datetime(2026, 10, 26, 8, 0, tzinfo=UTC)]
    assert event.get("STATUS") != "CANCELLED"

    await world.do(planner.move, entry.id, start=datetime(2026, 11, 3, 14), recurrence_id=datetime(2026, 11, 2, 9))
    await world.settle(MINUTE)
    (moved,) = world.letters(ANNA)
    assert moved.method == "REQUEST"
    assert moved.event["RECURRENCE-ID"].dt.astimezone(UTC) == datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
    assert moved.event["DTSTART"].dt.astimezone(UTC) == datetime(2026, 11, 3, 13, 0, tzinfo=UTC)
    assert len(world.stored("alice")) == 2
    view = await world.show(entry.id)
    shown = {one.date.recurrence_id: one.standings[0].partstat for one in view.occurrences}
    assert shown[datetime(2026, 10, 19, 9)] is PartStat.ACCEPTED
    assert shown[datetime(2026, 11, 2, 9)] is PartStat.NEEDS_ACTION

    # Reminders come for the dates that take place, at their own times, and not for the cancelled one.
    await world.settle(30 * MINUTE)
    subjects = []
    while world.clock.now() < datetime(2026, 11, 12, tzinfo=UTC):
        await world.settle(6 * HOUR)
        subjects += [one.subject for one in world.letters(alice.email)]
    assert len(subjects) == 3, subjects

    await world.do(planner.delete, entry.id)
    await world.settle(MINUTE)
    assert world.stored("alice") == []


async def test_an_entry_without_a_date_has_a_number_and_no_event_until_it_gets_one(world: World) -> None:
    alice = await world.owner("alice@example.test")
    await world.calendar(alice, "alice")
    entry = (await world.do(planner.create, alice.id, Draft(title="Fernwartung", attendees=people(ANNA)))).entry
    await world.settle(MINUTE)
    assert world.stored("alice") == []
    assert world.letters(ANNA) == []

    await world.do(planner.move, entry.id, start=datetime(2026, 10, 9, 15), zone="Europe/Berlin")
    await world.settle(MINUTE)
    (event,) = world.stored("alice")
    (invitation,) = world.letters(ANNA)
    assert event["UID"] == invitation.event["UID"] == entry.uid
    assert (await world.show(entry.id)).entry.number == entry.number


async def test_an_attendee_who_is_added_or_removed_is_told_and_the_others_are_not(world: World) -> None:
    alice = await world.owner("alice@example.test")
    await world.calendar(alice, "alice")
    draft = Draft(title="Vorführung", when=in_berlin(2026, 10, 20, 9), attendees=people(ANNA, BEN))
    entry = (await world.do(planner.create, alice.id, draft)).entry
    await world.settle(MINUTE)
    first = {email: world.letters(email)[0] for email in (ANNA, BEN)}
    await world.answer(first[ANNA], ANNA, "ACCEPTED")
    await world.settle(MINUTE)

    await world.do(planner.invite, entry.id, people(CLEO))
    await world.do(planner.uninvite, entry.id, (BEN,))
    await world.settle(MINUTE)
    (to_cleo,), (to_ben,) = world.letters(CLEO), world.letters(BEN)
    assert (to_cleo.method, to_ben.method) == ("REQUEST", "CANCEL")
    assert [str(one) for one in _listed(to_ben.event)] == [f"mailto:{BEN}"]
    assert to_ben.event["SEQUENCE"] == 1
    assert world.letters(ANNA) == []
    assert set(_partstats(world.stored("alice")[0])) == {ANNA, CLEO}

    await world.answer(first[BEN], BEN, "ACCEPTED")
    await world.settle(MINUTE)
    assert [one.attendee.email for one in (await world.show(entry.id)).attendees] == [ANNA, CLEO]


async def test_an_edit_taken_back_within_the_delay_mails_nobody(world: World) -> None:
    alice = await world.owner("alice@example.test")
    entry = (
        await world.do(planner.create, alice.id, Draft(title="Kurz", when=in_berlin(2026, 10, 20, 9), attendees=people(ANNA)))
    ).entry
    await world.settle(MINUTE)
    (invitation,) = world.letters(ANNA)
    await world.answer(invitation, ANNA, "ACCEPTED")
    await world.settle(MINUTE)
    await world.do(planner.move, entry.id, start=datetime(2026, 10, 21, 9))
    await world.settle(timedelta(seconds=20))
    await world.do(planner.move, entry.id, start=datetime(2026, 10, 20, 9))
    await world.settle(5 * MINUTE)
    assert world.letters(ANNA) == []
    assert (await world.show(entry.id)).attendees[0].standing.partstat is PartStat.ACCEPTED


async def test_two_owners_in_two_zones_are_each_reminded_in_their_language_and_time(mail_world: World) -> None:
    world = mail_world
    alice = await world.owner("alice@example.test", name="Alice")
    carol = await world.owner("carol@example.test", name="Carol", language=Language.EN, zone="America/New_York")
    in_berlin_nine = in_berlin(2026, 10, 27, 9)
    in_york_nine = When(start=datetime(2026, 10, 27, 9), zone="America/New_York", duration=HOUR)
    await world.do(planner.create, alice.id, Draft(title="Besprechung", when=in_berlin_nine, attendees=people(ANNA)))
    await world.do(planner.create, carol.id, Draft(title="Review", when=in_york_nine, attendees=people(ANNA)))
    await world.settle(MINUTE)
    german, english = sorted(world.letters(ANNA), key=lambda one: "Review" in one.subject)
    assert "Einladung" in german.subject
    assert "Invitation" in english.subject
    assert "America/New_York" in english.text

    world.clock.move(datetime(2026, 10, 26, 8, 0, tzinfo=UTC) - world.clock.now())
    await world.settle()
    (to_alice,) = world.letters(alice.email)
    assert "Erinnerung" in to_alice.subject
    assert world.letters(carol.email) == []
    world.clock.move(datetime(2026, 10, 26, 13, 0, tzinfo=UTC) - world.clock.now())  # New York still has summer time
    await world.settle()
    (to_carol,) = world.letters(carol.email)
    assert "Reminder" in to_carol.subject
    assert "America/New_York" in to_carol.text


@pytest.mark.parametrize("server", ["xandikos"], indirect=True)
async def test_a_calendar_that_schedules_is_the_only_sender(world: World) -> None:
    """`sender = calendar`: Xandikos delivers the invitation and writes the answer back; the planner mails attendees nothing."""
    assert isinstance(world.server, XandikosServer)
    alice, bob = await world.owner("alice@example.test", name="Alice"), "bob@example.test"
    await world.calendar(alice, "alice", sender=Sender.CALENDAR)
    draft = Draft(title="Abstimmung", when=in_berlin(2026, 10, 20, 9), attendees=(Attendee(email=bob, name="Bob"),))
    entry = (await world.do(planner.create, alice.id, draft)).entry
    assert entry.sender is Sender.CALENDAR
    await world.settle(MINUTE)
    (copy,) = world.stored("bob")
    assert copy["UID"] == entry.uid
    assert copy["ORGANIZER"] == "mailto:alice@example.test"
    before = copy["SEQUENCE"]

    _accept_in_his_calendar(world.server, "bob", bob)
    await world.settle(MINUTE)
    standing = (await world.show(entry.id)).attendees[0].standing
    assert (standing.partstat, standing.answer and standing.answer.source) == (PartStat.ACCEPTED, "calendar")

    await world.do(planner.move, entry.id, start=datetime(2026, 10, 27, 9))
    await world.settle(MINUTE)
    (copy,) = world.stored("bob")
    assert copy["DTSTART"].dt.astimezone(UTC) == datetime(2026, 10, 27, 8, 0, tzinfo=UTC)
    assert copy["SEQUENCE"] > before
    standing = (await world.show(entry.id)).attendees[0].standing
    assert (standing.partstat, standing.outdated) == (PartStat.NEEDS_ACTION, True), "no answer since the move"

    await world.do(planner.cancel, entry.id)
    await world.settle(MINUTE)
    assert world.stored("alice") == []
    assert world.letters(bob) == [], "the planner is not the sender"
    assert (await world.show(entry.id)).entry.state is EntryState.CANCELLED


async def test_an_event_deleted_in_the_calendar_is_noted_and_not_brought_back(world: World) -> None:
    assert world.server is not None
    alice = await world.owner("alice@example.test")
    calendar = await world.calendar(alice, "alice")
    entry = (await world.do(planner.create, alice.id, Draft(title="Weg", when=in_berlin(2026, 10, 20, 9)))).entry
    await world.settle(MINUTE)
    with world.server.http("alice") as http:
        (view,) = (await world.show(entry.id)).calendars
        assert view.item is not None
        http.delete(httpx.URL(world.server.origin).join(view.item)).raise_for_status()
    await world.settle(2 * MINUTE)
    assert (await world.show(entry.id)).calendars[0].state == "gone"
    await world.do(planner.edit, entry.id, Changes(title="Immer noch weg"))
    await world.settle(2 * MINUTE)
    assert world.stored("alice") == []
    await world.do(planner.set_calendar, entry.id, calendar)
    await world.settle(2 * MINUTE)
    assert [str(one["SUMMARY"]) for one in world.stored("alice")] == ["Immer noch weg"]


def _listed(event: icalendar.Event) -> list[icalendar.vCalAddress]:
    found = event["ATTENDEE"]
    return found if isinstance(found, list) else [found]


def _partstats(event: icalendar.Event) -> dict[str, str]:
    return {str(one).removeprefix("mailto:"): str(one.params["PARTSTAT"]) for one in _listed(event)}


def _accept_in_his_calendar(server: XandikosServer, user: str, email: str) -> None:
    """Set the attendee's own PARTSTAT in his copy, as his calendar program does when he clicks Accept."""
    with server.http(user) as http:
        listing = http.request("PROPFIND", server.calendar_url(user), headers={"Depth": "1"}).text
        name = next(part.split("</")[0] for part in listing.split("href>") if part.split("</")[0].endswith(".ics"))
        url = httpx.URL(server.origin).join(name)
        calendar = icalendar.Calendar.from_ical(http.get(url).content)
        for one in _listed(calendar.walk("VEVENT")[0]):
            if str(one).lower() == f"mailto:{email}":
                one.params["PARTSTAT"] = "ACCEPTED"
        http.put(url, content=calendar.to_ical(), headers={"Content-Type": "text/calendar; charset=utf-8"}).raise_for_status()
