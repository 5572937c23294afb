"""Three-way merge of an entry's event: what was agreed, what we would write now, what stands in the calendar now.

Who may change what is a table (`merge_marks.OWNERS`). A field that one side changed is that side's; one that both changed is a
contradiction, settled as the owner's setting says and told with both values. What is ours and was damaged is written again.

1. Record the answers of a scheduling server (`sync.new_answers`), so that `ours` has them.
2. `merge`; grant each wish through its use case, and compute `ours` anew from the entry.
3. `merge` again: no wish is left but what was refused. Where `writes` says so, write `written_back`, guarded by the version read.
4. Keep `base_of` what we wrote and what stands there then. While something is `held`, write nothing and keep the old base.

Not here: whether there is anything to merge (`sync_decide`), granting wishes (`planner`), reading and writing (`loops`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, StrEnum

from daemon.core import recurrence
from daemon.core.errors import Rejected
from daemon.core.event import with_block_from, without_block
from daemon.core.ics import compared_text
from daemon.core.merge_base import Base
from daemon.core.merge_dates import attendee, date_wish, in_zone, walls_in
from daemon.core.merge_marks import (
    OWNERS,
    Before,
    Field,
    Key,
    Look,
    Silence,
    Whose,
    cannot_be_read,
    guests_of,
    look,
    place_of,
    wall_of,
)
from daemon.core.merge_wishes import Wish, granted
from daemon.core.merge_words import Contradiction, Winner, value_of
from daemon.core.model import Component, Entry, Event, Sender, Status, When
from daemon.core.sync import wall_name
from daemon.core.sync_table import Side


class Rule(StrEnum):
    """Whose change stays where both changed the same: the owner's setting."""

    CALENDAR_WINS = "calendar-wins"
    PLANNER_WINS = "planner-wins"
    ASK = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What is to be done. `wishes`: changes of the entry, the whole first, then single dates; `writes`: what the calendar lacks.

    `notes` are sentences about what could not be taken over. `held`: the owner decides first, nothing is written until then.
    """

    wishes: tuple[Wish, ...] = ()
    writes: tuple[Key, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    notes: tuple[str, ...] = ()
    held: bool = False


class _Verdict(Enum):
    AGREED = "agreed"
    HERE = "changed here"
    THERE = "changed there"
    BOTH = "changed on both sides"
    HELD = "waits for the owner"


_OTHER = {_Verdict.HERE: _Verdict.THERE, _Verdict.THERE: _Verdict.HERE}
_SETTLED = {
    Rule.CALENDAR_WINS: (_Verdict.THERE, Winner.CALENDAR),
    Rule.PLANNER_WINS: (_Verdict.HERE, Winner.PLANNER),
    Rule.ASK: (_Verdict.HELD, Winner.NOBODY),
}


def merge(
    base: Base | None, entry: Entry, ours: Event, theirs: Event, *, rule: Rule, mine: frozenset[str] = frozenset()
) -> Merged:
    """Return what makes entry and event one again. `ours` is the entry's event as it would be written now.

    `base` None: nothing is known of an agreement. Then nobody is taken off and no date taken back for being missing on one side,
    and fields that differ are contradictions. `mine` are the owner's own addresses, which are nobody's guests.
    """
    problem = cannot_be_read(theirs)
    if problem:
        return Merged(notes=(problem,), held=True)
    return _Merging(base, entry, ours, theirs, rule, mine).merged()


def side_here(base: Base | None, ours: Event | None, *, sender: Sender, mine: frozenset[str] = frozenset()) -> Side:
    """Return how the entry stands against the base, for `sync_decide`. `ours` None: it should have no event."""
    if ours is None:
        return Side.ABSENT
    if base is None:
        return Side.CHANGED
    links = frozenset({ours.components[0].url, base.link})
    return _side(base.written, look(ours, sender=sender, mine=mine, links=links))


def side_there(base: Base | None, theirs: Event | None, *, sender: Sender, mine: frozenset[str] = frozenset()) -> Side:
    """Return how the event stands against the base, for `sync_decide`: one that was called off there counts as absent."""
    if theirs is None or theirs.components[0].status is Status.CANCELLED:
        return Side.ABSENT
    if base is None or cannot_be_read(theirs):
        return Side.CHANGED
    return _side(base.seen, look(theirs, sender=sender, mine=mine, links=frozenset({base.link}), before=base.seen))


def written_back(ours: Event, theirs: Event, *, kept: frozenset[str] = frozenset()) -> Event:
    """Return the event to be written over `theirs`: ours, but what is the owner's stays as it stands there.

    That is every character of his text around our block, and his categories. `kept` are guests of his who wait for his word.
    """
    there = {_name(one, theirs): one for one in theirs.components}
    return Event(components=tuple(_over(one, there.get(_name(one, ours)), kept) for one in ours.components))


def _side(before: Before, now: Look) -> Side:
    return Side.SAME if before.marks == now.marks and not now.behind else Side.CHANGED


def _name(one: Component, event: Event) -> timedelta | None:
    series = event.components[0].when
    wall = wall_name(one, series)
    return None if wall is None or series is None else wall - series.start


def _over(one: Component, there: Component | None, kept: frozenset[str]) -> Component:
    if there is None:
        return one
    text = one.description
    if compared_text(without_block(text)) == compared_text(without_block(there.description)):
        text = with_block_from(there.description, text)
    listed = {guest.email for guest in one.guests}
    waiting = tuple(guest for guest in there.guests if guest.email in kept - listed)
    return replace(one, description=text, categories=there.categories, guests=(*one.guests, *waiting))


class _Merging:
    def __init__(self, base: Base | None, entry: Entry, ours: Event, theirs: Event, rule: Rule, mine: frozenset[str]) -> None:
        organizers = {one.organizer.email for event in (ours, theirs) for one in event.components if one.organizer}
        self._base, self._entry, self._rule, self._mine = base, entry, rule, mine | organizers
        self._links = frozenset({ours.components[0].url} if base is None else {ours.components[0].url, base.link})
        seen = None if base is None else base.seen
        self._here = look(ours, sender=entry.sender, mine=mine, links=self._links)
        self._there = look(theirs, sender=entry.sender, mine=mine, links=self._links, before=seen)
        agreed = () if base is None else (base.written.marks, base.seen.marks)
        marks = (self._here.marks, self._there.marks, *agreed)
        self._keys = frozenset(self._there.behind.union(*marks))
        self._when = wall_of(ours.components[0])
        self._writes: set[Key] = set()
        self._contradictions: list[Contradiction] = []
        self._notes: list[str] = []

    def merged(self) -> Merged:
        whole = self._whole_wish(self._whole())
        after = granted(self._entry, whole) if whole else self._entry
        dates = sorted({key.date for key in self._keys if key.date is not None})
        wishes = [whole, *(self._date(after, date) for date in dates)]
        for wall in self._there.strays:
            self._notes.append(f"The calendar has a single date {wall:%Y-%m-%d %H:%M} that the series does not have.")
        held = any(one.winner is Winner.NOBODY for one in self._contradictions)
        return Merged(
            wishes=tuple(wish for wish in wishes if wish),
            writes=() if held else tuple(sorted(self._writes, key=_order)),
            contradictions=tuple(self._contradictions),
            notes=tuple(self._notes),
            held=held,
        )

    # Comparing

    def _verdict(self, key: Key) -> _Verdict:
        known = self._base is not None
        here, there = self._here.says(key, known=known), self._there.says(key, known=known)
        if here == there:
            return _Verdict.AGREED
        if OWNERS[key.field][0] is not Whose.LAST and Silence.SILENT in (here, there):
            return _Verdict.AGREED
        written, seen = (
            (None, None) if self._base is None else (self._base.written.marks.get(key), self._base.seen.marks.get(key))
        )
        changed_here = here is not Silence.SILENT and (not known or here != written)
        changed_there = there is not Silence.SILENT and (not known or there != seen)
        if changed_here and changed_there:
            return _Verdict.BOTH
        return _Verdict.HERE if changed_here else _Verdict.THERE if changed_there else _Verdict.AGREED

    def _settled(self, key: Key, why: str = "") -> _Verdict:
        verdict, winner = _SETTLED[self._rule]
        values = [value_of(side, key, mine=self._mine, links=self._links) for side in (self._here, self._there)]
        self._contradictions.append(
            Contradiction(
                field=key.field,
                recurrence_id=None if key.date is None else self._here.when.start + key.date,
                person=key.person,
                planner=values[0],
                calendar=values[1],
                winner=winner,
                why=why,
            )
        )
        return verdict

    def _judged(self, keys: Iterable[Key]) -> dict[Key, _Verdict]:
        """The owner's fields with their verdicts. What is ours and not as it should be is only written."""
        verdicts = {}
        for key in sorted(keys, key=_order):
            verdict = self._verdict(key)
            if OWNERS[key.field][0] is Whose.LAST:
                verdicts[key] = verdict
            elif verdict is not _Verdict.AGREED:
                self._writes.add(key)
        return verdicts

    # The whole

    def _whole(self) -> dict[Key, _Verdict]:
        verdicts = self._judged(key for key in self._keys if key.date is None)
        for key, verdict in verdicts.items():
            if verdict is _Verdict.BOTH:
                verdicts[key] = self._settled(key)
        title = Key(Field.TITLE)
        if verdicts[title] is _Verdict.THERE and not self._there.master.title.strip():
            verdicts[title] = _Verdict.HERE  # an entry has a title: it is written again
        self._agree_on_the_schedule(verdicts)
        self._writes.update(key for key, verdict in verdicts.items() if verdict is _Verdict.HERE)
        return verdicts

    def _agree_on_the_schedule(self, verdicts: dict[Key, _Verdict]) -> None:
        """A time of the one side and a recurrence of the other may not fit; then both come from one side."""
        both = (Key(Field.WHEN), Key(Field.RULE))
        if [verdicts[key] for key in both].count(_Verdict.THERE) != 1:
            return
        when, rrule, _ = self._schedule(verdicts)
        try:
            if rrule is not None:
                recurrence.check_imported_rule(rrule, when)
        except Rejected as error:
            changed_here = _Verdict.HERE in [verdicts[key] for key in both]
            why = f"Its time and its recurrence do not fit together. {error}"
            verdicts.update(dict.fromkeys(both, self._settled(Key(Field.RULE), why) if changed_here else _Verdict.THERE))

    def _schedule(self, verdicts: dict[Key, _Verdict]) -> tuple[When, str | None, tuple[datetime, ...]]:
        there, when = self._there, self._when
        if verdicts[Key(Field.WHEN)] is _Verdict.THERE:
            when = in_zone(there.when, when.zone, series=there.is_series)
        if verdicts[Key(Field.RULE)] is _Verdict.THERE:
            return when, there.rrule, walls_in(there.master.rdates, there.when, when)
        return when, self._entry.rrule, self._entry.rdates

    def _whole_wish(self, verdicts: dict[Key, _Verdict]) -> Wish:
        entry, there = self._entry, self._there.master
        won = {key for key, verdict in verdicts.items() if verdict is _Verdict.THERE}
        when, rrule, rdates = self._schedule(verdicts)
        people = {key.person for key in won if key.field is Field.PERSON}
        guests = guests_of(there, self._mine)
        wish = Wish(
            title=" ".join(there.title.split()) if Key(Field.TITLE) in won else None,
            description=without_block(there.description) if Key(Field.TEXT) in won else None,
            location=place_of(there, self._links) if Key(Field.PLACE) in won else None,
            rrule=None if rrule == entry.rrule else rrule or "",
            rdates=None if rdates == entry.rdates else rdates,
            invited=tuple(attendee(guest) for email, guest in guests.items() if email in people),
            uninvited=tuple(one.email for one in entry.attendees if one.email in people - guests.keys()),
        )
        if when == self._when:
            return wish
        return replace(wish, start=when.start, zone=when.zone, duration=when.duration, all_day=when.all_day)

    # Single dates

    def _date(self, after: Entry, date: timedelta) -> Wish:
        """Return what the calendar wants of one date; `after` is the entry as its whole was changed."""
        keys = {key for key in self._keys if key.date == date} | {Key(Field.WHEN, date)}
        assert after.when is not None
        name = after.when.start + date
        if not (after.is_series and recurrence.is_date(after.when, after.rrule, after.rdates, name)):
            if any(self._verdict(key) is not _Verdict.AGREED for key in keys if OWNERS[key.field][0] is Whose.LAST):
                old = f"{self._here.when.start + date:%Y-%m-%d %H:%M}"
                self._notes.append(f"The date {old} was changed by itself, and is no date of the series any more.")
            return Wish()
        verdicts = self._judged(keys)
        self._settle_date(date, verdicts)
        self._writes.update(key for key, verdict in verdicts.items() if verdict is _Verdict.HERE)
        self._writes.update(key for key in self._there.behind if key.date == date)
        won = frozenset(key.field for key, verdict in verdicts.items() if verdict is _Verdict.THERE)
        return date_wish(after, name, self._there, date, won, mine=self._mine, links=self._links)

    def _settle_date(self, date: timedelta, verdicts: dict[Key, _Verdict]) -> None:
        """Settle what contradicts itself. To call a date off contradicts any change of it."""
        time = Key(Field.WHEN, date)
        off = {_Verdict.HERE: date in self._here.off, _Verdict.THERE: date in self._there.off}
        verdict, others = verdicts[time], {one for key, one in verdicts.items() if key != time}
        other = _OTHER.get(verdict)
        if verdict is _Verdict.BOTH or (off.get(verdict) and other in others):
            why = "" if verdict is _Verdict.BOTH else "One side called it off, the other one changed something else of it."
            verdicts[time] = self._settled(time, why)
        ends_off = off.get(verdicts[time]) or (verdicts[time] is _Verdict.HELD and any(off.values()))
        for key, one in verdicts.items():
            if key != time and ends_off:
                verdicts[key] = _Verdict.AGREED
            elif key != time and one is _Verdict.BOTH:
                verdicts[key] = self._settled(key)


def _order(key: Key) -> tuple[bool, timedelta, int, str]:
    return key.date is not None, key.date or timedelta(0), list(Field).index(key.field), key.person
