"""What a contradiction is called: the field, the date, both values, and whose stays. For the owner, who has to know of each.

Values are as a person would write them; the sentence is for the journal, mails put the same values into the owner's language.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from daemon.core.durations import iso_duration
from daemon.core.event import without_block
from daemon.core.merge_marks import Field, Key, Look, guests_of, place_of, regular, wall_of
from daemon.core.model import Component, When

_LONGEST = 80
_NAMES = {
    Field.TITLE: "title",
    Field.TEXT: "text",
    Field.PLACE: "place",
    Field.WHEN: "time",
    Field.RULE: "recurrence",
    Field.PERSON: "place on the list",
    Field.PEOPLE: "list of people",
}


class Winner(StrEnum):
    """Whose value stays. NOBODY: both stay as they are until the owner says."""

    CALENDAR = "calendar"
    PLANNER = "planner"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """A field that both sides changed, each to another value. `recurrence_id`: the single date it is about, as in the entry.

    `why` says what else speaks against having both changes, where they are about different fields.
    """

    field: Field
    recurrence_id: datetime | None
    person: str
    planner: str
    calendar: str
    winner: Winner
    why: str = ""

    @property
    def sentence(self) -> str:
        """Both values in one sentence."""
        whom = f" of {self.person}" if self.person else ""
        date = f" of the date {self.recurrence_id:%Y-%m-%d %H:%M}" if self.recurrence_id else ""
        ends = {
            Winner.CALENDAR: "The calendar's was taken.",
            Winner.PLANNER: "The planner's stays.",
            Winner.NOBODY: "Say which one is meant; until then both stay.",
        }
        both = f"the planner says {self.planner}, the calendar says {self.calendar}."
        return " ".join(
            part
            for part in (f"The {_NAMES[self.field]}{whom}{date} was changed on both sides:", both, self.why, ends[self.winner])
            if part
        )


def value_of(look: Look, key: Key, *, mine: frozenset[str], links: frozenset[str]) -> str:
    """Return what the side says of a field, as a person would write it."""
    field, date, person = key
    if date is not None and date in look.off:
        return "cancelled"
    one = look.master if date is None else look.dates.get(date, look.master)
    if field is Field.WHEN:
        return when_text(wall_of(one) if date is None or date in look.dates else regular(look.when, date))
    if field is Field.RULE:
        return _rule(look)
    if field is Field.PERSON:
        guest = guests_of(one, mine).get(person)
        return guest.role.value if guest else "not invited"
    if field is Field.PEOPLE:
        return ", ".join(sorted(guests_of(one, mine))) or "nobody"
    return _quoted(_text(field, one, links))


def when_text(when: When) -> str:
    """Return a date with its zone: `2027-01-11 10:00 Europe/Berlin, PT1H`."""
    length = iso_duration(when.duration, whole_days=when.all_day)
    start = f"{when.start:%Y-%m-%d}" if when.all_day else f"{when.start:%Y-%m-%d %H:%M} {when.zone}"
    return f"{start}, {length}"


def _text(field: Field, one: Component, links: frozenset[str]) -> str:
    if field is Field.TITLE:
        return one.title
    return without_block(one.description) if field is Field.TEXT else place_of(one, links)


def _rule(look: Look) -> str:
    dates = [f"{wall:%Y-%m-%d %H:%M}" for wall in look.master.rdates]
    return ", ".join([*([look.rrule] if look.rrule else []), *dates]) or "no recurrence"


def _quoted(text: str) -> str:
    one_line = " ".join(text.split())
    if not one_line:
        return "nothing"
    return f"“{one_line}”" if len(one_line) <= _LONGEST else f"“{one_line[:_LONGEST]}…”"
