"""What Anna has planned when the story is over: entries with answers, a series, one without a date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from daemon.demo.letters import Person, partstats
from daemon.demo.stage import BERTA, CARL, DORA, PLANNER_SAYS, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """An entry `days` (workdays) from now at `at`; None: without a date. `answers`: who says what, None: nothing yet."""

    title: str
    days: int | None = None
    at: time = time(10)
    answers: Mapping[Person, str | None] = field(default_factory=dict)
    more: Mapping[str, str] = field(default_factory=dict)


SAMPLES = (
    Sample(
        title="Baubesprechung Kita Lindenhof",
        days=2,
        answers={BERTA: "ACCEPTED", CARL: "DECLINED", DORA: "TENTATIVE"},
        more={"description": "Stand der Gewerke, Termine bis zum Richtfest", "duration": "90m"},
    ),
    Sample(
        title="Vorführung Ratsinformationssystem",
        days=5,
        at=time(14),
        answers={BERTA: "ACCEPTED", DORA: None},
        more={"location": "Rathaus, Raum 214, und online"},
    ),
    Sample(
        title="Schulung E-Akte",
        days=6,
        at=time(9),
        answers={BERTA: None, CARL: "ACCEPTED", DORA: "ACCEPTED"},
        more={"rrule": "FREQ=WEEKLY;COUNT=8", "duration": "2h"},
    ),
    Sample(title="Jahresplanung", days=15, at=time(13), more={"description": "Entwurf für Anna allein"}),
    Sample(title="Fernwartung nach Bedarf"),
)


async def fill(stage: Stage) -> str:
    """Plan the samples and let people answer, until calendar and planner show it. Returns the number of the first one."""
    now = datetime.now().replace(microsecond=0)  # noqa: DTZ005 - only a day is taken from it
    made: list[tuple[Sample, Any]] = []
    for one in SAMPLES:
        body: dict[str, Any] = {"title": one.title, **one.more}
        body["attendees"] = [{"name": person.name, "email": person.email} for person in one.answers]
        if one.days is not None:
            body["start"] = datetime.combine(_workday(now, one.days), one.at).isoformat()
        made.append((one, (await stage.call("POST", "/entries", body))["entry"]))
    for one, entry in made:
        for person, said in one.answers.items():
            letter = await stage.letter(person, "REQUEST", entry["uid"], expected=f"“{one.title}” is sent to {person.email}")
            if said is not None:
                await stage.answer(letter, person, said)
    for one, entry in made:
        await _stands(stage, one, entry)
    number: str = made[0][1]["number_shown"]
    return number


async def _stands(stage: Stage, sample: Sample, entry: Any) -> None:
    """Wait until planner and calendar show the entry with its answers."""
    wanted = {person.email: said or "NEEDS-ACTION" for person, said in sample.answers.items()}
    await stage.until(
        lambda: stage.show(entry["id"]),
        lambda seen: {each["email"]: each["partstat"] for each in seen["attendees"]} == wanted,
        expected=f"the planner shows the answers to “{sample.title}”",
        where=f"{PLANNER_SAYS} and {stage.log_file}",
    )
    if sample.days is not None:
        expected = f"“{sample.title}” stands in the calendar with its answers"
        await stage.event(entry["uid"], expected, lambda seen: partstats(seen) == wanted)


def _workday(now: datetime, days: int) -> date:
    """The day that many workdays from now."""
    day = now.date()
    while days > 0:
        day += timedelta(days=1)
        days -= day.weekday() < 5
    return day
