"""An entry, its event on a server, and the agreement between them: a small model of two-way synchronising.

`Calendar` edits the event as calendar programs do. `World.run` does what the loops do with `merge`, granting every wish.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from daemon.core import zones
from daemon.core.event import block_of, calendar_event, without_block
from daemon.core.ics import build_calendar, events, parse_calendar
from daemon.core.merge import Merged, Rule, merge, written_back
from daemon.core.merge_base import Base, base_from_json, base_of, base_to_json
from daemon.core.merge_marks import OWNERS, Before, Key, Whose, look
from daemon.core.merge_wishes import Wish, granted
from daemon.core.model import Component, Entry, Event, Guest, Sender, When
from daemon.core.sync import wall_name
from tests.core.builders import DRESS, NOW, ORGANIZER

MINE = frozenset({"petra@example.org"})


def event_of(entry: Entry) -> Event:
    """The entry's event as we would write it."""
    quiet = entry.sender is Sender.PLANNER
    return calendar_event(entry, organizer=ORGANIZER, dress=DRESS, alarm=timedelta(minutes=15), quiet=quiet)


def stored(event: Event) -> Event:
    """The event as a server gives it back."""
    (found,) = events(parse_calendar(build_calendar(event.components, method=None, dtstamp=NOW)))
    return found


def owned(event: Event, before: Before | None = None) -> dict[Key, str]:
    """The marks of what the owner may change on either side; `before`: how that side looked when both agreed."""
    marks = look(event, sender=Sender.PLANNER, mine=MINE, links=frozenset({DRESS.link}), before=before).marks
    return {key: mark for key, mark in marks.items() if OWNERS[key.field][0] is Whose.LAST}


class World:
    """Both sides of one entry."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.event = stored(event_of(entry))
        self.base: Base | None = base_of(event_of(entry), self.event, sender=entry.sender, mine=MINE)

    def merged(self, rule: Rule = Rule.CALENDAR_WINS) -> Merged:
        base = self.base
        assert base is None or base_from_json(base_to_json(base)) == base
        return merge(base, self.entry, event_of(self.entry), self.event, rule=rule, mine=MINE)

    def grant(self, *wishes: Wish) -> None:
        for wish in wishes:
            self.entry = granted(self.entry, wish)

    def run(self, rule: Rule = Rule.CALENDAR_WINS) -> Merged:
        """Merge, grant every wish, write what is to be written. Returns what the first merge said."""
        first = self.merged(rule)
        self.grant(*first.wishes)
        second = self.merged(rule)
        assert second.wishes == (), "what was granted is not wished for again"
        assert second.held == first.held
        if second.held:
            return first
        ours = event_of(self.entry)
        if second.writes:
            self.event = stored(written_back(ours, self.event))
        self.base = base_of(ours, self.event, sender=self.entry.sender, mine=MINE)
        return first

    def calendar(self, *edits: Callable[[Event], Event]) -> None:
        for edit in edits:
            self.event = edit(self.event)


# What people do to the event in their calendar programs


@dataclass(frozen=True)
class Calendar:
    """Edits of an event; each returns a function from event to event."""

    @staticmethod
    def whole(**changes: Any) -> Callable[[Event], Event]:
        def edit(event: Event) -> Event:
            return Event(components=(replace(event.components[0], **changes), *event.components[1:]))

        return edit

    @staticmethod
    def text(text: str) -> Callable[[Event], Event]:
        """Another text, our block left where it was put."""

        def edit(event: Event) -> Event:
            description = f"{text}\n\n{block_of(event.components[0].description)}"
            return Calendar.whole(description=description)(event)

        return edit

    @staticmethod
    def people(*, add: tuple[Guest, ...] = (), remove: tuple[str, ...] = ()) -> Callable[[Event], Event]:
        """In the whole and in every date, as programs do."""

        def edit(event: Event) -> Event:
            return Event(
                components=tuple(
                    replace(one, guests=(*(guest for guest in one.guests if guest.email not in remove), *add))
                    for one in event.components
                )
            )

        return edit

    @staticmethod
    def moved(by: timedelta = timedelta(0), *, names: str = "follow", **changes: Any) -> Callable[[Event], Event]:
        """The whole moved. `names` of single dates: `follow` it, `stay` as they were, or the dates are `dropped`."""

        def edit(event: Event) -> Event:
            master, *dates = event.components
            old = _when(master)
            when = replace(old, start=old.start + by, **changes)
            shift = by if names == "follow" else timedelta(0)
            kept = [] if names == "dropped" else dates
            exdates = () if names == "dropped" else tuple(wall + shift for wall in master.exdates)
            return Event(
                components=(
                    replace(master, when=when, exdates=exdates),
                    *(
                        replace(
                            one,
                            recurrence_id=_wire(_wall(one, old) + shift, when),
                            when=replace(_when(one), start=_when(one).start + shift) if _plain(one, old) else one.when,
                        )
                        for one in kept
                    ),
                )
            )

        return edit

    @staticmethod
    def date(name: datetime, **changes: Any) -> Callable[[Event], Event]:
        """One date changed by itself: `start`, `duration`, or fields of its VEVENT."""

        def edit(event: Event) -> Event:
            master, *dates = event.components
            when = _when(master)
            there = next((one for one in dates if _wall(one, when) == name), None)
            one = there or replace(
                master,
                recurrence_id=_wire(name, when),
                recurrence_id_is_date=when.all_day,
                rrule=None,
                rdates=(),
                exdates=(),
                when=replace(when, start=name),
            )
            fields = dict(changes)
            start, duration = fields.pop("start", _when(one).start), fields.pop("duration", _when(one).duration)
            one = replace(one, when=replace(_when(one), start=start, duration=duration), **fields)
            exdates = tuple(wall for wall in master.exdates if wall != name)
            others = (other for other in dates if other is not there)
            return Event(components=(replace(master, exdates=exdates), *others, one))

        return edit

    @staticmethod
    def off(name: datetime) -> Callable[[Event], Event]:
        """One date deleted."""

        def edit(event: Event) -> Event:
            master, *dates = event.components
            kept = (one for one in dates if _wall(one, _when(master)) != name)
            return Event(components=(replace(master, exdates=tuple(sorted({*master.exdates, name}))), *kept))

        return edit

    @staticmethod
    def regular(name: datetime) -> Callable[[Event], Event]:
        """One date as the rule says again, whatever it was."""

        def edit(event: Event) -> Event:
            master, *dates = event.components
            exdates = tuple(wall for wall in master.exdates if wall != name)
            kept = (one for one in dates if _wall(one, _when(master)) != name)
            return Event(components=(replace(master, exdates=exdates), *kept))

        return edit


def in_utc(event: Event) -> Event:
    """What programs make of an event that lost its zone."""

    def utc(one: Component) -> Component:
        when = _when(one)
        start = zones.to_utc(when.start, when.zone).replace(tzinfo=None)
        return replace(one, when=replace(when, start=start, zone="UTC"))

    return Event(components=tuple(utc(one) for one in event.components))


def own_text(event: Event) -> str:
    return without_block(event.components[0].description)


def _when(one: Component) -> When:
    assert one.when is not None
    return one.when


def _wall(one: Component, series: When) -> datetime:
    name = wall_name(one, series)
    assert name is not None
    return name


def _plain(one: Component, series: When) -> bool:
    """True if the date takes place as the rule says."""
    return _when(one).start == _wall(one, series)


def _wire(name: datetime, when: When) -> datetime:
    return name if when.all_day else name.replace(tzinfo=UTC if when.zone == "UTC" else ZoneInfo(when.zone))
