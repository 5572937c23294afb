"""Long lives by chance: wishes, outages, lost answers, deaths. In the end everybody has exactly what the planner has.

What an attendee has is worked out from the mails he got, by a program of his own that believes only what RFC 5546 lets it: a
greater SEQUENCE, or the same with a later DTSTAMP. Series are expanded by a library that is not ours.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import icalendar
import pytest
import recurring_ical_events

from daemon import planner
from daemon.core import recurrence
from daemon.core.errors import Rejected, Unreachable
from daemon.core.event import attendees_of, without_block
from daemon.core.itip_sequences import occurrence_of
from daemon.core.model import Attendee, Entry, EntryState
from daemon.planner.wishes import Changes
from daemon.store import entries as rows
from daemon.store import work
from tests.loops.conftest import (
    ANNA,
    BEN,
    CLARA,
    HOUR,
    MINUTE,
    Death,
    Mortal,
    MortalPost,
    Outside,
    Service,
    calendar_text,
    running,
    when,
)

PEOPLE = (ANNA, BEN, CLARA)
RULES = (None, None, "FREQ=WEEKLY;COUNT=5", "FREQ=DAILY;COUNT=6")
AWAY = Unreachable("The server does not answer.")
PERHAPS = Unreachable("The server gave no complete answer.", maybe_done=True)


@dataclass
class Program:
    """An attendee's calendar program: what it has of each meeting, by the original start of its dates."""

    masters: dict[str, Any] = field(default_factory=dict)
    dates: dict[str, dict[datetime, Any]] = field(default_factory=dict)
    versions: dict[tuple[str, datetime | None], tuple[int, datetime]] = field(default_factory=dict)
    seen: dict[str, bytes] = field(default_factory=dict)

    def read(self, message_id: str, raw: bytes, text: str) -> None:
        """Take a mail in. A repetition must be the same to the byte, anything else newer than what it has."""
        if message_id in self.seen:
            assert self.seen[message_id] == raw
            return
        self.seen[message_id] = raw
        calendar = icalendar.Calendar.from_ical(text)
        events = list(calendar.walk("VEVENT"))
        before = dict(self.versions)
        for event in events:
            uid, name = str(event["UID"]), _name(event)
            version = int(event["SEQUENCE"]), event["DTSTAMP"].dt
            last = before.get((uid, name)) or (before.get((uid, None)) if name else None)
            assert last is None or version > last, f"{uid} {name}: {version} after {last} is not believed"
            self.versions[uid, name] = version
        if calendar["METHOD"] == "CANCEL":
            for event in events:
                self._drop(str(event["UID"]), _name(event))
        else:
            self._keep(events)

    def _keep(self, events: list[Any]) -> None:
        uid = str(events[0]["UID"])
        if any(_name(event) is None for event in events):
            self.masters[uid], self.dates[uid] = next(event for event in events if _name(event) is None), {}
        for event in events:
            if (name := _name(event)) is not None:
                self.dates.setdefault(uid, {})[name] = event

    def _drop(self, uid: str, name: datetime | None) -> None:
        if name is None:
            self.masters.pop(uid, None)
            self.dates.pop(uid, None)
        else:
            self.dates.setdefault(uid, {})[name] = None

    def meetings(self, uid: str, now: datetime) -> set[tuple[datetime, str, str]]:
        """Start, title and place of everything ahead that it shows."""
        own = {name: event for name, event in self.dates.get(uid, {}).items() if event is not None}
        gone = {name for name, event in self.dates.get(uid, {}).items() if event is None}
        found = {_shown(event) for event in own.values()}
        if uid in self.masters:
            calendar = icalendar.Calendar()
            calendar.add_component(self.masters[uid])
            for event in recurring_ical_events.of(calendar).between(now, now + timedelta(days=400)):
                start = event["DTSTART"].dt.astimezone(UTC)
                if start not in own and start not in gone:
                    found.add(_shown(event))
        return {one for one in found if one[0] > now}


def _name(event: Any) -> datetime | None:
    return event["RECURRENCE-ID"].dt.astimezone(UTC) if "RECURRENCE-ID" in event else None


def _shown(event: Any) -> tuple[datetime, str, str]:
    return event["DTSTART"].dt.astimezone(UTC), str(event["SUMMARY"]), without_block(str(event["DESCRIPTION"]))


def wanted(entry: Entry, email: str, now: datetime) -> set[tuple[datetime, str, str]]:
    """The same as the planner has it."""
    if entry.state is not EntryState.PLANNED or not entry.invited:
        return set()
    return {
        (date.start, date.title, date.description)
        for date in recurrence.dates(entry, after=now)
        if not date.cancelled and any(one.email == email for one in attendees_of(entry, occurrence_of(entry, date.recurrence_id)))
    }


class Life:
    """One life: `step` does something by chance, `end` waits until all is done."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.entries: list[str] = []
        self.owner: Any = None

    async def step(self, service: Service) -> None:
        entry_id = self.chance.choice(self.entries) if self.entries else None
        if entry_id is None or (len(self.entries) < 4 and self.chance.random() < 0.3):
            people = self.chance.sample(PEOPLE, self.chance.randrange(4))
            made = await service.plan(self.owner, *people, when=self._when(), rrule=self.chance.choice(RULES), remind=True)
            self.entries.append(made.id)
            return
        entry = await service.tx(rows.get, entry_id)
        wish: Callable[..., Any] = self.chance.choice(
            (self._move, self._move, self._edit, self._date, self._date, self._people, self._people, self._cancel, self._delete)
        )
        with contextlib.suppress(Rejected):
            await wish(service, entry)

    def _when(self) -> Any:
        return when(
            self.chance.randrange(20, 29), self.chance.randrange(8, 18), zone=self.chance.choice(("Europe/Berlin", "UTC"))
        )

    async def _move(self, service: Service, entry: Entry) -> None:
        await service.do(planner.move, entry.id, start=self._when().start)

    async def _edit(self, service: Service, entry: Entry) -> None:
        text = f"Fassung {self.chance.randrange(1000)}"
        changes = (Changes(title=text), Changes(description=text), Changes(rrule=self.chance.choice(("", "FREQ=DAILY;COUNT=4"))))
        await service.do(planner.edit, entry.id, self.chance.choice(changes))

    async def _date(self, service: Service, entry: Entry) -> None:
        dates = recurrence.dates(entry)
        if not dates or not entry.is_series:
            return
        name = self.chance.choice(dates).recurrence_id
        match self.chance.randrange(5):
            case 0:
                await service.do(planner.cancel, entry.id, recurrence_id=name)
            case 1:
                await service.do(planner.move, entry.id, start=name + HOUR, recurrence_id=name)
            case 2:
                await service.do(planner.edit, entry.id, Changes(title="Nur heute"), recurrence_id=name)
            case 3:
                await service.do(planner.invite, entry.id, (self.chance.choice(PEOPLE),), recurrence_id=name)
            case _:
                await service.do(planner.uninvite, entry.id, (self.chance.choice(PEOPLE).email,), recurrence_id=name)

    async def _people(self, service: Service, entry: Entry) -> None:
        someone: Attendee = self.chance.choice(PEOPLE)
        if self.chance.random() < 0.5:
            await service.do(planner.invite, entry.id, (someone,))
        else:
            await service.do(planner.uninvite, entry.id, (someone.email,))

    async def _cancel(self, service: Service, entry: Entry) -> None:
        await service.do(planner.cancel, entry.id)

    async def _delete(self, service: Service, entry: Entry) -> None:
        if self.chance.random() < 0.3:
            await service.do(planner.delete, entry.id)

    def weather(self, service: Service) -> None:
        """Some answers are lost, some servers are away."""
        post, server = service.post, service.outside.calendars
        if self.chance.random() < 0.4:
            post.fail(self.chance.choice((AWAY, PERHAPS)), done=False)
        if self.chance.random() < 0.3:
            post.fail(PERHAPS, done=True)
        if self.chance.random() < 0.3:
            server.fail(PERHAPS, on=self.chance.choice(("create", "update", "delete")), done=self.chance.random() < 0.5)
        if self.chance.random() < 0.1:
            server.expire_tokens()
        post.reachable = self.chance.random() < 0.85
        server.reachable = self.chance.random() < 0.85


@pytest.mark.parametrize("seed", range(8))
async def test_after_any_life_everybody_has_what_the_planner_has(outside: Outside, seed: int) -> None:
    life = Life(seed)
    post = MortalPost(outside.post)
    for day in range(6):
        async with running(outside, mail_out=post) as service:
            if life.owner is None:
                life.owner = await service.owner()
                await service.calendar(life.owner)
            for _ in range(6):
                for _ in range(life.chance.randrange(1, 4)):
                    await life.step(service)
                life.weather(service)
                await service.settle(timedelta(minutes=life.chance.choice((0, 1, 1, 5, 60))))
            if day % 2:
                post.mortal = Mortal(service, at=life.chance.randrange(1, 25))
                with contextlib.suppress(Death):
                    await service.settle(MINUTE)
                for lane in service.app.lanes.values():
                    await lane.settle()
                post.mortal = None
    outside.post.reachable = outside.calendars.reachable = True
    async with running(outside) as service:
        for _ in range(12):
            await service.settle(HOUR)
        assert await service.tx(work.list_, parked=True) == ()
        programs = {one.email: Program() for one in PEOPLE}
        for mail, sent in zip(service.mails(), service.post.sent, strict=True):
            if sent.recipient in programs:
                programs[sent.recipient].read(str(mail["Message-ID"]), sent.data, calendar_text(mail))
        now = service.clock.now()
        assert now < datetime(2027, 3, 19, tzinfo=UTC), "everything planned is still ahead"
        for entry_id in life.entries:
            entry = await service.tx(rows.get, entry_id)
            for email, program in programs.items():
                assert program.meetings(entry.uid, now) == wanted(entry, email, now), (entry.title, email)
        stored = {event.uid: event for event in outside.calendars.events("alice")}
        every = [await service.tx(rows.get, one) for one in life.entries]
        assert stored.keys() == {one.uid for one in every if one.state is EntryState.PLANNED and one.when is not None}
        for entry in every:
            if entry.uid in stored:
                assert stored[entry.uid].components[0].title == entry.title
                assert stored[entry.uid].components[0].when == entry.when
