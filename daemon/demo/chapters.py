"""The story: a session is planned, invited, answered, moved over a clock change, reminded of, and called off.

Each line says what was verified and where it was seen: on the calendar server, in a delivered mail, in the IMAP mailbox; the
planner itself is asked only for what it shows. What runs and how it is reached stands in `stage`.
"""

from __future__ import annotations

import asyncio
import math
import smtplib
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from daemon.demo.letters import Letter, Person, address, attendees, missing_for_buttons, moment, partstats
from daemon.demo.stage import ANNA, BERTA, CARL, DORA, GUESTS, PASSWORD, PLANNER, PLANNER_SAYS, USER, ZONE, Stage
from daemon.demo.telling import BrokenStoryError, require, same

BERLIN = ZoneInfo(ZONE)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
_MOST_LATE = 5.0  # seconds after its due time until which a reminder is “at the right time”
_DELIVERED = "delivered mail"
_STORED = "Radicale"
_THEIR_ANSWER = {BERTA: "ACCEPTED", CARL: "DECLINED", DORA: "NEEDS-ACTION"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One of Anna's entries, and the wall time (naive, Berlin) at which it starts."""

    id: str
    uid: str
    number: str
    title: str
    start: datetime
    guests: tuple[Person, ...]


async def tell(stage: Stage) -> None:
    """Tell the whole story. Raises BrokenStoryError at the first thing that does not hold."""
    before, after = clock_change(datetime.now(BERLIN).replace(tzinfo=None))
    began = asyncio.get_running_loop().time()
    await _stands(stage)
    session = await _plans(stage, before)
    letters = await _is_invited(stage, session)
    await _answers(stage, session, letters)
    took = asyncio.get_running_loop().time() - began
    await _moves(stage, session, after)
    remote = await _is_reminded(stage, timedelta(seconds=math.ceil(max(6.0, took))))
    series = await _cancels_one_date(stage, datetime.combine(after.date() + 7 * DAY, time(14)))
    await _cancels_all(stage, (session, remote, series))
    await _nothing_else(stage)


def clock_change(now: datetime) -> tuple[datetime, datetime]:
    """Return nine o'clock (wall time) five days before and two days after Berlin's next clock change that is far enough."""
    for days in range(8, 800):
        noon = datetime.combine(now.date() + days * DAY, time(12))
        if noon.replace(tzinfo=BERLIN).utcoffset() != (noon - DAY).replace(tzinfo=BERLIN).utcoffset():
            return noon - 5 * DAY - 3 * HOUR, noon + 2 * DAY - 3 * HOUR
    raise BrokenStoryError("clocks in Berlin change within two years", "they do not", "the tzdata package")


async def _stands(stage: Stage) -> None:
    stage.teller.chapter("Everything is real, and everything is here")
    say = stage.teller.verified
    listing = await asyncio.to_thread(_options, stage)
    require("calendar-access" in listing, "a CalDAV server answers", listing, stage.calendar_url)
    say(f"A CalDAV server (Radicale) holds Anna's calendar, empty: {stage.calendar_url}", _STORED)
    same(await stage.events(), (), "events in the new calendar", stage.calendar_url)
    same(await stage.filed("INBOX"), 0, "mails in the new mailbox", f"imap://127.0.0.1:{stage.post.imap_port}")
    say(f"An IMAP server (pymap, port {stage.post.imap_port}) has an empty mailbox for answers to the service", "IMAP")
    say(f"An SMTP server (port {stage.post.smtp_port}) takes every mail", await asyncio.to_thread(_greeting, stage))

    async def status() -> Any:
        return await stage.call("GET", "/status") if stage.socket.exists() else None

    running = await stage.until(status, bool, expected="the service answers on its socket", where=stage.log_file)
    lanes = sorted(running["running"]["loops"])
    require({"calendar", "inbox", "mail", "remind"} <= set(lanes), "all loops run", lanes, stage.log_file)
    say(f"The service runs on {running['store']}, with {len(lanes)} loops: {', '.join(lanes)}", PLANNER_SAYS)
    await stage.call("POST", "/owners", {"email": ANNA.email, "name": ANNA.name, "language": "de", "timezone": ZONE})
    calendar = {"name": "Kalender", "url": stage.calendar_url, "username": USER, "password": PASSWORD}
    added = await stage.call("POST", "/calendars", calendar)
    same(added["calendar"]["capabilities"]["schedules"], False, "the calendar server sends invitations itself", PLANNER_SAYS)
    say(f"{ANNA.name} ({ZONE}) plans; her calendar server mails nobody: the service is the one sender", PLANNER_SAYS)


async def _plans(stage: Stage, start: datetime) -> Planned:
    stage.teller.chapter("Anna plans a session")
    title = "Haushaltsausschuss"
    stage.teller.happens(f"“{title}”, {_shown(start)}, with {_names(GUESTS)}")
    session = await _plan(stage, title, start, guests=GUESTS, description="Entwurf des Haushalts, zweite Lesung")
    require(len(session.number) == 9 and session.number.isdigit(), "a number of nine digits", session.number, PLANNER_SAYS)
    stage.teller.verified(f"It has the number {_spoken(session.number)}, for as long as the entry stands", PLANNER_SAYS)
    event = await stage.event(session.uid, f"“{title}” stands in Anna's calendar")
    where = stage.calendar_url
    same(str(event["SUMMARY"]), title, "title in the calendar", where)
    same(moment(event["DTSTART"]), _utc(start), "start in the calendar", where)
    same(moment(event["DTEND"]), _utc(start) + HOUR, "end in the calendar", where)
    require(_spoken(session.number) in str(event["DESCRIPTION"]), "the number in the description", event["DESCRIPTION"], where)
    stage.teller.verified(f"The event stands in her calendar at {_both(start)}, with its number", _STORED)
    same(partstats(event), {one.email: "NEEDS-ACTION" for one in GUESTS}, "people in the calendar", where)
    quiet = {str(one.params.get("SCHEDULE-AGENT")) for one in attendees(event).values()}
    same((address(event["ORGANIZER"]), quiet), (PLANNER, {"CLIENT"}), "organizer and SCHEDULE-AGENT in the calendar", where)
    stage.teller.verified(
        "All three are on it as NEEDS-ACTION; no calendar server may mail them (SCHEDULE-AGENT=CLIENT)", _STORED
    )
    return session


async def _is_invited(stage: Stage, session: Planned) -> dict[Person, Letter]:
    stage.teller.chapter("Three people get a real meeting request")
    letters = {}
    for one in session.guests:
        letter = await _request(stage, session, one, sequence=0, start=session.start)
        require(_spoken(session.number) in letter.text, "the number in the mail's text", letter.text[:300], stage.mails_folder)
        letters[one] = letter
        stage.teller.verified(
            f"{one.name} got METHOD:REQUEST, SEQUENCE 0, ORGANIZER = From, and is among its ATTENDEEs", _DELIVERED
        )
    stage.teller.verified("All have the UID of the calendar's event, its start, and the number in the text", _DELIVERED)
    stage.teller.verified(
        "“Accept” and “Decline” have what they need: METHOD twice the same, RSVP=TRUE, HTML beside it",
        _DELIVERED,
    )
    return letters


async def _answers(stage: Stage, session: Planned, letters: dict[Person, Letter]) -> None:
    stage.teller.chapter("Berta accepts, Carl declines, Dora says nothing")
    for one in (BERTA, CARL):
        await stage.answer(letters[one], one, _THEIR_ANSWER[one])
    stage.teller.happens("Their calendar programs mail a REPLY each, by SMTP")
    wanted = {one.email: said for one, said in _THEIR_ANSWER.items()}
    await stage.until(
        lambda: stage.show(session.id),
        lambda seen: _standings(seen) == wanted,
        expected="the planner shows Berta ACCEPTED, Carl DECLINED, Dora NEEDS-ACTION",
        where=stage.log_file,
        shown=lambda seen: str(_standings(seen)),
    )
    stage.teller.verified("The planner shows it: Berta accepted, Carl declined, Dora has not answered", PLANNER_SAYS)
    await stage.event(
        session.uid, "PARTSTAT in the calendar: ACCEPTED, DECLINED, NEEDS-ACTION", lambda seen: partstats(seen) == wanted
    )
    stage.teller.verified("Anna's calendar shows it too: PARTSTAT=ACCEPTED, DECLINED, NEEDS-ACTION", _STORED)
    await stage.until(
        lambda: stage.filed("Processed"),
        lambda seen: seen == 2,
        expected="both answers are filed under Processed",
        where=f"the IMAP mailbox and {stage.log_file}",
    )
    stage.teller.verified("Both answers were read and filed under Processed", "IMAP")


async def _moves(stage: Stage, session: Planned, start: datetime) -> None:
    stage.teller.chapter("Anna moves it over a clock change")
    stage.teller.happens(f"From {_both(session.start)} to {_both(start)}")
    await stage.call("POST", f"/entries/{session.id}/move", {"start": start.isoformat()})
    for one in session.guests:
        await _request(stage, session, one, sequence=1, start=start)
    hours = _utc(start).hour - _utc(session.start).hour
    stage.teller.verified(
        f"All three are told: REQUEST with SEQUENCE 1, 09:00 {ZONE}, {abs(hours)} h {'later' if hours > 0 else 'earlier'} in UTC",
        _DELIVERED,
    )
    silent = {one.email: "NEEDS-ACTION" for one in session.guests}
    event = await stage.event(
        session.uid, "the event has moved and waits for answers", lambda seen: moment(seen["DTSTART"]) == _utc(start)
    )
    same((int(event["SEQUENCE"]), partstats(event)), (1, silent), "SEQUENCE and PARTSTATs in the calendar", stage.calendar_url)
    stage.teller.verified(f"The event has moved to {_both(start)}, SEQUENCE 1, all NEEDS-ACTION", _STORED)
    shown = {one["email"]: one for one in (await stage.show(session.id))["attendees"]}
    for one in (BERTA, CARL):
        seen, said = shown[one.email], _THEIR_ANSWER[one]
        found = (seen["partstat"], seen["outdated"], (seen["previous"] or {}).get("partstat"))
        same(found, ("NEEDS-ACTION", True, said), f"{one.name} since the move (partstat, outdated, before)", PLANNER_SAYS)
        stage.teller.verified(f"{one.name}: no answer since the move (before: {said.lower()})", PLANNER_SAYS)


async def _is_reminded(stage: Stage, lead: timedelta) -> Planned:
    stage.teller.chapter("Anna is reminded, at the right time")
    due = datetime.now(UTC).replace(microsecond=0) + lead
    starts = due + DAY
    wall = starts.astimezone(BERLIN)
    # In the hour that a clock change repeats, a wall time would name the first of the two.
    zone = "UTC" if wall.fold else ZONE
    stage.teller.happens(
        f"“Fernwartung” starts tomorrow at {wall:%H:%M:%S}; its 24-hour reminder is due in {lead.total_seconds():.0f} seconds"
    )
    remote = await _plan(stage, "Fernwartung", wall.replace(tzinfo=None), guests=(DORA,), at=starts.isoformat(), timezone=zone)
    (waiting,) = (one for one in (await stage.show(remote.id))["reminders"] if one["start"] and _of_json(one["due"]) == due)
    same(waiting["state"], "waiting", f"the reminder due at {due:%H:%M:%S} UTC", PLANNER_SAYS)
    invitation = await _request(stage, remote, DORA, sequence=0, start=None)
    await stage.answer(invitation, DORA, "ACCEPTED")
    await stage.until(
        lambda: stage.show(remote.id),
        lambda seen: _standings(seen) == {DORA.email: "ACCEPTED"},
        expected="the planner shows that Dora accepted",
        where=stage.log_file,
        shown=lambda seen: str(_standings(seen)),
    )
    in_time = datetime.now(UTC) < due
    patience = (due - datetime.now(UTC)).total_seconds() + stage.patience
    letter = await stage.letter(ANNA, "", "", expected=f"a reminder to {ANNA.email}", patience=patience)
    late = (letter.delivered.at - due).total_seconds()
    require(
        0 <= late <= _MOST_LATE, f"the reminder comes 0 to {_MOST_LATE:.0f} s after its due time", f"{late:.2f} s", stage.log_file
    )
    stage.teller.verified(
        f"The reminder was delivered {late:.2f} s after {due.astimezone(BERLIN):%H:%M:%S}, never early", _DELIVERED
    )
    same(str(letter.mail["Auto-Submitted"]), "auto-generated", "Auto-Submitted of the reminder", stage.mails_folder)
    require(
        "Fernwartung" in letter.subject and _spoken(remote.number) in letter.text,
        "title and number",
        letter.text,
        stage.mails_folder,
    )
    stage.teller.verified(f"In German, with the number: “{letter.subject}”", _DELIVERED)
    if in_time:
        require(f"(1): {DORA.name}" in letter.text, f"who comes: (1): {DORA.name}", letter.text, stage.mails_folder)
        stage.teller.verified(f"It says who is coming: {DORA.name}, who accepted seconds before", _DELIVERED)
    return remote


async def _cancels_one_date(stage: Stage, start: datetime) -> Planned:
    stage.teller.chapter("One date of a series is cancelled")
    stage.teller.happens(f"“Schulung”, four weeks from {_shown(start)}; the second one will not take place")
    series = await _plan(stage, "Schulung", start, guests=GUESTS, rrule="FREQ=WEEKLY;COUNT=4")
    asked = {}
    for one in series.guests:
        letter = asked[one] = await _request(stage, series, one, sequence=0, start=start)
        same(_dates(letter.event), tuple(start + week * 7 * DAY for week in range(4)), "dates in the mail", stage.mails_folder)
    stage.teller.verified("All three are invited to four dates, each at 14:00 Berlin time", _DELIVERED)
    gone = start + 7 * DAY
    await stage.call("POST", f"/entries/{series.id}/cancel", date=gone.isoformat())
    for one in series.guests:
        letter = await stage.letter(one, "CANCEL", series.uid, expected=f"one CANCEL to {one.email}")
        event = letter.event
        same(moment(event["RECURRENCE-ID"]), _utc(gone), "the cancelled date (RECURRENCE-ID)", stage.mails_folder)
        require(int(event["SEQUENCE"]) > 0, "a SEQUENCE above 0", event["SEQUENCE"], stage.mails_folder)
        _from_the_planner(stage, letter, one)
    stage.teller.verified(
        f"All three get a CANCEL for {_shown(gone)} alone (RECURRENCE-ID), SEQUENCE {event['SEQUENCE']}", _DELIVERED
    )
    left = tuple(start + week * 7 * DAY for week in (0, 2, 3))
    event = await stage.event(series.uid, "the event lacks the second date", lambda seen: _dates(seen) == left)
    stage.teller.verified("In the calendar the other three dates stand (RRULE less EXDATE)", _STORED)
    return series


async def _cancels_all(stage: Stage, entries: tuple[Planned, ...]) -> None:
    stage.teller.chapter("Everything is called off")
    told = {entry.id: max(int(one["SEQUENCE"]) for one in stage.told(entry.uid)) for entry in entries}
    for entry in entries:
        await stage.call("POST", f"/entries/{entry.id}/cancel")
    for entry in entries:
        for one in entry.guests:
            letter = await stage.letter(one, "CANCEL", entry.uid, expected=f"a CANCEL of “{entry.title}” to {one.email}")
            event = letter.event
            same(str(event.get("STATUS")), "CANCELLED", "STATUS of the CANCEL", stage.mails_folder)
            higher = int(event["SEQUENCE"]) > told[entry.id]
            require(higher, f"a SEQUENCE above {told[entry.id]}", event["SEQUENCE"], stage.mails_folder)
            _from_the_planner(stage, letter, one)
        stage.teller.verified(
            f"“{entry.title}”: {_names(entry.guests)} told by CANCEL, SEQUENCE {event['SEQUENCE']} after {told[entry.id]}",
            _DELIVERED,
        )
    await stage.until(
        stage.events,
        lambda seen: not seen,
        expected="the calendar is empty again",
        where=stage.calendar_url,
        shown=lambda seen: ", ".join(str(one["SUMMARY"]) for one in seen),
    )
    stage.teller.verified("The calendar is empty again", _STORED)
    for entry in entries:
        found = await stage.show(entry.number)
        same((found["id"], found["state"]), (entry.id, "cancelled"), f"the entry of number {entry.number}", PLANNER_SAYS)
    stage.teller.verified("The entries keep their numbers; a new date would bring them back", PLANNER_SAYS)


async def _nothing_else(stage: Stage) -> None:
    stage.teller.chapter("And nothing else happened")
    owed = [one["key"] for one in await stage.call("GET", "/work") if one["kind"] in ("mail", "bulk", "remind")]
    same(owed, [], "mails still owed", f"{PLANNER_SAYS}, /work")
    same([(str(one), one.delivered.recipient) for _, one in stage.unread()], [], "mails that nobody expected", stage.mails_folder)
    mails = stage.post.mails()
    stage.teller.verified(f"{len(mails)} mails were delivered, each one expected; none is owed", _DELIVERED)
    senders: dict[str, set[str]] = {}
    for one in mails:
        senders.setdefault(one.recipient.lower(), set()).update({one.envelope_from.lower(), _from(one.message)})
    for person in (ANNA, *GUESTS):
        same(senders[person.email], {PLANNER}, f"who mailed {person.name}", stage.mails_folder)
    stage.teller.verified(f"Nobody got mail from two senders: all of it came from {PLANNER}", _DELIVERED)
    stage.require_no_doubles()
    stage.teller.verified("No Message-ID was delivered twice", _DELIVERED)


async def _plan(stage: Stage, title: str, start: datetime, *, guests: tuple[Person, ...], at: str = "", **more: str) -> Planned:
    people = [{"name": one.name, "email": one.email} for one in guests]
    body = {"title": title, "start": at or start.isoformat(), "duration": "1h", "attendees": people, **more}
    made = (await stage.call("POST", "/entries", body))["entry"]
    same(made["sender"], "planner", f"the sender of “{title}”", PLANNER_SAYS)
    return Planned(id=made["id"], uid=made["uid"], number=made["number"], title=title, start=start, guests=guests)


async def _request(stage: Stage, entry: Planned, one: Person, *, sequence: int, start: datetime | None) -> Letter:
    expected = f"one REQUEST about “{entry.title}” to {one.email}"
    letter = await stage.letter(one, "REQUEST", entry.uid, expected=expected)
    where = stage.mails_folder
    same(missing_for_buttons(letter, one.email), (), f"what {one.name}'s program misses for its buttons", where)
    event = letter.event
    same(int(event["SEQUENCE"]), sequence, f"SEQUENCE of the mail to {one.name}", where)
    require(one.email in attendees(event), f"{one.email} among the ATTENDEEs", list(attendees(event)), where)
    _from_the_planner(stage, letter, one)
    if start is not None:
        same(moment(event["DTSTART"]), _utc(start), f"start in the mail to {one.name}", where)
        same(event["DTSTART"].dt.replace(tzinfo=None), start, f"wall time in the mail to {one.name}", where)
    return letter


def _from_the_planner(stage: Stage, letter: Letter, one: Person) -> None:
    found = (address(letter.event["ORGANIZER"]), letter.author.lower(), letter.delivered.envelope_from.lower())
    same(found, (PLANNER,) * 3, f"ORGANIZER, From and envelope sender of the mail to {one.name}", stage.mails_folder)
    to = [str(name.addr_spec) for name in letter.mail["To"].addresses]
    same(to, [one.email], f"To of the mail to {one.name}", stage.mails_folder)


def _options(stage: Stage) -> str:
    with stage.calendars.http(USER) as http:
        return str(http.options(stage.calendar_url).headers.get("DAV", ""))


def _greeting(stage: Stage) -> str:
    with smtplib.SMTP("127.0.0.1", stage.post.smtp_port, local_hostname="localhost", timeout=30) as smtp:
        same(smtp.noop()[0], 250, "answer to NOOP", f"127.0.0.1:{stage.post.smtp_port}")
    return "SMTP"


def _dates(event: Any) -> tuple[datetime, ...]:
    """The wall times of the event's dates, by the rule library."""
    start: datetime = event["DTSTART"].dt.replace(tzinfo=None)
    if "RRULE" not in event:
        return (start,)
    rule = rrulestr(event["RRULE"].to_ical().decode(), dtstart=start)
    excluded = event.get("EXDATE", [])
    lists = excluded if isinstance(excluded, list) else [excluded]
    gone = {one.dt.astimezone(BERLIN).replace(tzinfo=None) for several in lists for one in several.dts}
    return tuple(one for one in rule if one not in gone)


def _standings(shown: Any) -> dict[str, str]:
    return {one["email"]: one["partstat"] for one in shown["attendees"]}


def _from(mail: Any) -> str:
    return str(mail["From"].addresses[0].addr_spec).lower()


def _of_json(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _utc(wall: datetime) -> datetime:
    return wall.replace(tzinfo=BERLIN).astimezone(UTC)


def _shown(wall: datetime) -> str:
    return f"{wall:%a %d %b %Y %H:%M}"


def _both(wall: datetime) -> str:
    return f"{_shown(wall)} {wall.replace(tzinfo=BERLIN):%Z} ({_utc(wall):%H:%M} UTC)"


def _spoken(number: str) -> str:
    return f"{number[:3]}-{number[3:6]}-{number[6:]}"


def _names(people: tuple[Person, ...]) -> str:
    names = [one.name.partition(" ")[0] for one in people]
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
