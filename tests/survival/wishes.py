"""What people plan while the service is killed: entries made, moved, edited, cancelled, brought back, deleted, by chance.

Everything goes through the API. Whether a request that broke off was carried out nobody knows, and nobody here needs to: in the
end the store is asked. Every title is used once, so that each change is another text to whoever receives it.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import httpx

from daemon.clock import SystemClock
from daemon.ports import Clock

ZONE = "Europe/Berlin"
PEOPLE = 12
_BASE = "http://service/api/v1"
_VERBS = {"move": 5, "edit": 3, "cancel": 3, "delete": 1, "invite": 2, "uninvite": 2, "date": 4}


@dataclass(slots=True, kw_only=True)
class _Known:
    """What the planning person believes of an entry. A broken request may have made it wrong."""

    id: str
    owner: str
    starts: tuple[str, ...]
    guests: list[str]
    cancelled: bool = False


class Planner:
    """One person with an API client (`http`).

    What is planned starts within `ahead` from now, its reminder falls due within `reminded`.
    """

    http: httpx.AsyncClient

    def __init__(
        self,
        chance: random.Random,
        owners: tuple[str, ...],
        *,
        reminded: timedelta,
        ahead: tuple[timedelta, timedelta] = (timedelta(hours=2), timedelta(days=5)),
        clock: Clock | None = None,
    ) -> None:
        self.done: Counter[str] = Counter()
        self._chance, self._owners, self._reminded, self._ahead = chance, owners, reminded, ahead
        self._clock = clock or SystemClock()
        self._known: dict[str, _Known] = {}
        self._titles = 0
        self._asked = 0

    @property
    def living(self) -> int:
        """How many entries there are, as far as is known."""
        return len(self._known)

    async def create(self, *, guests: int | None = None) -> None:
        """Make an entry; a third are series, one in six has nobody to invite."""
        owner = self._chance.choice(self._owners)
        invited = self._guests(self._chance.choice((0, 1, 2, 2, 3, 4)) if guests is None else guests)
        start, reminders = self._start()
        body = {
            "title": self._title(),
            "start": start,
            "timezone": ZONE,
            "duration": self._chance.choice(("30m", "1h", "90m")),
            "attendees": invited,
            "reminders": reminders,
        }
        if self._chance.random() < 1 / 3:
            body["rrule"] = self._chance.choice(("FREQ=DAILY;COUNT=4", "FREQ=WEEKLY;COUNT=3"))
        made = await self._call("POST", "/entries", body, owner=owner)
        if made is None:
            return
        entry = made.json()["entry"]
        dates = tuple(one["recurrence_id"] for one in entry["occurrences"])
        self._known[entry["id"]] = _Known(id=entry["id"], owner=owner, starts=dates, guests=invited)
        self.done["create"] += 1

    async def change(self) -> None:
        """Change one of the entries, in one of the ways there are."""
        if not self._known:
            return
        one = self._chance.choice(list(self._known.values()))
        verb = "move" if one.cancelled else self._chance.choices(list(_VERBS), list(_VERBS.values()))[0]
        if await getattr(self, f"_{verb}")(one):
            self.done[verb] += 1

    async def _move(self, one: _Known) -> bool:
        start, reminders = self._start()
        if one.cancelled:  # it stands again
            moved = await self._call("POST", f"/entries/{one.id}/move", {"start": start})
        else:
            moved = await self._call("PATCH", f"/entries/{one.id}", {"start": start, "reminders": reminders})
        if moved is None:
            return False
        one.cancelled = False
        one.starts = tuple(date["recurrence_id"] for date in moved.json()["entry"]["occurrences"])
        return True

    async def _edit(self, one: _Known) -> bool:
        body = {"title": self._title(), "location": f"Raum {self._asked}", "description": f"Fassung {self._asked}"}
        return await self._call("PATCH", f"/entries/{one.id}", body) is not None

    async def _cancel(self, one: _Known) -> bool:
        if await self._call("POST", f"/entries/{one.id}/cancel") is None:
            return False
        one.cancelled = True
        return True

    async def _delete(self, one: _Known) -> bool:
        if await self._call("DELETE", f"/entries/{one.id}") is None:
            return False
        del self._known[one.id]
        return True

    async def _invite(self, one: _Known) -> bool:
        fresh = [email for email in self._guests(2) if email not in one.guests]
        if not fresh or await self._call("POST", f"/entries/{one.id}/invite", {"attendees": fresh}) is None:
            return False
        one.guests += fresh
        return True

    async def _uninvite(self, one: _Known) -> bool:
        if not one.guests:
            return False
        gone = self._chance.choice(one.guests)
        if await self._call("POST", f"/entries/{one.id}/uninvite", {"attendees": [gone]}) is None:
            return False
        one.guests.remove(gone)
        return True

    async def _date(self, one: _Known) -> bool:
        """Cancel, move or rename one or two dates of a series: several messages to each attendee in one go."""
        dates = self._chance.sample(one.starts, min(len(one.starts), self._chance.choice((1, 2, 2))))
        done = False
        for date in dates:
            match self._chance.choice(("cancel", "move", "edit")):
                case "cancel":
                    answer = await self._call("POST", f"/entries/{one.id}/cancel", date=date)
                case "move":
                    start = datetime.fromisoformat(date).replace(tzinfo=None) + timedelta(minutes=self._chance.randrange(5, 300))
                    answer = await self._call("POST", f"/entries/{one.id}/move", {"start": start.isoformat()}, date=date)
                case _:
                    answer = await self._call("PATCH", f"/entries/{one.id}", {"title": self._title()}, date=date)
            done = done or answer is not None
        return done

    async def _call(
        self, method: str, path: str, body: dict[str, object] | None = None, *, owner: str = "", date: str = ""
    ) -> httpx.Response | None:
        """Ask for it once. None: it broke off (the service was killed), or was refused, as things stand by now."""
        self._asked += 1
        headers = {"X-Owner": owner} if owner else {}
        params = {"date": date} if date else {}
        try:
            answer = await self.http.request(method, f"{_BASE}{path}", json=body, headers=headers, params=params)
        except httpx.TransportError:
            self.done["broken off"] += 1
            return None
        if answer.is_server_error and answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            raise AssertionError(f"{method} {path} {body}: {answer.status_code} {answer.text}")
        if answer.is_error:
            self.done["refused"] += 1
            return None
        return answer

    def _title(self) -> str:
        self._titles += 1
        return f"Termin {self._titles:05}"

    def _guests(self, count: int) -> list[str]:
        return [f"gast{number}@kunde.test" for number in self._chance.sample(range(PEOPLE), count)]

    def _start(self) -> tuple[str, list[str]]:
        """A start in the coming days, and an offset so that its reminder falls due within the test, or soon after its start."""
        now = self._clock.now()
        minutes = self._chance.randrange(*(one // timedelta(minutes=1) for one in self._ahead))
        start = now.replace(second=0, microsecond=0) + timedelta(minutes=minutes)
        wall = start.astimezone(ZoneInfo(ZONE)).replace(tzinfo=None)
        due = now + self._chance.uniform(0.05, 1.0) * self._reminded
        return wall.isoformat(), [f"{int((start - due).total_seconds())}s"]
