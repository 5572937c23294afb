"""Who gets what (RFC 5546 3.2): the messages one attendee is owed, as a diff of what he was last told and the entry as it is now.

`itip_table.TABLE` is the rule; the code here only finds out which rows apply. An edit that was taken back before it was sent
owes nothing, and an answer (PARTSTAT) never does. Not here: when it is sent (`planner`, `loops`), how the mail looks (`imip`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from daemon.core import recurrence
from daemon.core.delivery import Sent, SentComponent
from daemon.core.event import Dress, attendees_of, differs, master, single, wire_name
from daemon.core.itip_sequences import covers, key_of, occurrence_of, schedule_key, standing
from daemon.core.itip_table import RULE, Change, ITip
from daemon.core.itip_told import Told, after_sending, ended, is_over
from daemon.core.model import Attendee, Component, Entry, EntryState, Guest, Occurrence, Organizer, PartStat, Sender, Status


def owed(
    entry: Entry, attendee: str, sent: Sent | None, *, organizer: Organizer, dress: Dress, now: datetime
) -> tuple[ITip, ...]:
    """Return the messages that bring the attendee from what he was last told (`sent`) to the entry as it is; () if nothing.

    In the order in which they are to be sent. Nobody is told of what is wholly over, of an entry whose calendar does the
    inviting, or of one never sent out; but who was told once is told when it is off, has no date, or goes on without him.
    """
    if entry.sender is Sender.CALENDAR or attendee == organizer.email:
        return ()
    told = Told(entry=entry, sent=sent)
    wish = _Wish(entry=entry, attendee=attendee, organizer=organizer, dress=dress, now=now)
    if told.lives:
        if entry.state is not EntryState.PLANNED or entry.when is None:
            return _called_off(Change.CALLED_OFF, told, wish)
        if not wish.listed:
            return _called_off(Change.REMOVED, told, wish)
        if not entry.invited or (wish.over and told.over(now)):
            return ()
        return _difference(told, wish)
    if entry.state is not EntryState.PLANNED or entry.when is None or not entry.invited or not wish.listed or wish.over:
        return ()
    return _whole(Change.NEVER_TOLD if sent is None else Change.INVITED_AGAIN, told, wish)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What he should have: the entry through his eyes."""

    entry: Entry
    attendee: str
    organizer: Organizer
    dress: Dress
    now: datetime

    @property
    def of_series(self) -> bool:
        return self._in(self.entry.attendees)

    @property
    def listed(self) -> bool:
        return self.of_series or any(self._in(one.attendees or ()) for one in self.entry.occurrences)

    @property
    def over(self) -> bool:
        end = recurrence.last_end(self.entry)
        return end is not None and end <= self.now

    def master(self) -> Component:
        off = (one.recurrence_id for one in self.entry.occurrences if not self.takes_part(one))
        return master(self.entry, organizer=self.organizer, dress=self.dress, exdates=tuple(sorted(off)))

    def takes_part(self, one: Occurrence) -> bool:
        return not one.cancelled and self._in(attendees_of(self.entry, one))

    def at(self, recurrence_id: datetime) -> Component | None:
        """The date as he should have it; None if it does not take place for him."""
        one = occurrence_of(self.entry, recurrence_id)
        if not self.of_series if one is None else not self.takes_part(one):
            return None
        return single(self.entry, recurrence_id, organizer=self.organizer, dress=self.dress)

    def own_dates(self) -> dict[datetime, Component]:
        """The dates ahead that need a VEVENT of their own in his eyes, by name."""
        dates = {}
        for one in sorted(self.entry.occurrences, key=lambda one: one.recurrence_id):
            shows = not self.of_series or differs(self.entry, replace(one, attendees=None))
            component = self.at(one.recurrence_id) if shows else None
            # A date of the series that was moved into the past must not stand in his calendar at its old time.
            slot = replace(self.entry.when, start=one.recurrence_id) if self.of_series and self.entry.when is not None else None
            if component is not None and not (ended(component.when, self.now) and (slot is None or ended(slot, self.now))):
                dates[one.recurrence_id] = component
        return dates

    def asking(self, component: Component) -> Component:
        """The same, with an answer of his wanted."""
        return replace(component, guests=tuple(self._asked(one) for one in component.guests))

    def _asked(self, guest: Guest) -> Guest:
        return replace(guest, partstat=PartStat.NEEDS_ACTION, rsvp=True) if guest.email == self.attendee else guest

    def himself(self, recurrence_id: datetime | None) -> tuple[Guest, ...]:
        people = (*self.entry.attendees, *(person for one in self.entry.occurrences for person in one.attendees or ()))
        known = next((one for one in people if one.email == self.attendee), Attendee(email=self.attendee))
        partstat = standing(self.entry, self.attendee, recurrence_id).partstat
        return (Guest(email=known.email, name=known.name, role=known.role, partstat=partstat),)

    def _in(self, people: tuple[Attendee, ...]) -> bool:
        return any(one.email == self.attendee for one in people)


def _difference(told: Told, wish: _Wish) -> tuple[ITip, ...]:
    if told.master is None:
        if not wish.of_series:
            return _dates(told, wish)
        return _whole(Change.NEVER_TOLD if told.last(None) is None else Change.INVITED_AGAIN, told, wish)
    if not wish.of_series:
        # From the series to single dates: the series has to go from his calendar before they come.
        sent, removal = told.sent, _called_off(Change.REMOVED, told, wish)
        for message in removal:
            sent = after_sending(sent, wish.entry, wish.attendee, message, dtstamp=wish.now, message_id="")
        return (*removal, *_whole(Change.INVITED_AGAIN, Told(entry=wish.entry, sent=sent), wish))
    had, key = _key(told.master), key_of(wish.entry)
    if not covers(had, key):
        return _whole(Change.RESCHEDULED, told, wish)
    if had != key:
        return _whole(Change.SHORTENED, told, wish)
    if _words(told.master) != _words(wish.master()):
        return _whole(Change.DETAILS, told, wish)
    return _dates(told, wish)


def _whole(change: Change, told: Told, wish: _Wish) -> tuple[ITip, ...]:
    """One REQUEST with everything: the series with EXDATEs and his dates ahead, or his dates alone."""
    asks_all = change in (Change.NEVER_TOLD, Change.INVITED_AGAIN)
    dates = wish.own_dates()
    asked: set[datetime | None] = set()
    for name, component in dates.items():
        if change is Change.RESCHEDULED:
            silent = standing(wish.entry, wish.attendee, name).partstat is PartStat.NEEDS_ACTION
        else:
            silent = asks_all or not _same_time(told.at(name), component)
        if silent:
            asked.add(name)
    if wish.of_series and (asks_all or change is Change.RESCHEDULED):
        asked.add(None)
    rule = RULE[change if asks_all or not asked else Change.RESCHEDULED]
    components = []
    if wish.of_series:
        whole, before = wish.master(), told.last(None)
        floor = told.sequence + 1 if change is Change.INVITED_AGAIN else before.sequence + RULE[change].raises if before else 0
        components.append(_numbered(whole, floor))
    for name, component in dates.items():
        last = told.last(name)
        floor = told.sequence + 1 if change is Change.INVITED_AGAIN else last.sequence + (name in asked) if last else 0
        # Exchange drops a date that is older than its series.
        components.append(_numbered(component, max(floor, components[0].sequence) if wish.of_series else floor))
    if not components:
        return ()
    names: tuple[datetime | None, ...] = (None, *dates) if wish.of_series else tuple(dates)
    only = names[0] if len(names) == 1 else None
    return (
        ITip(
            method=rule.method,
            kind=rule.kind,
            components=tuple(wish.asking(one) if name in asked else one for name, one in zip(names, components, strict=True)),
            asks=bool(asked),
            before=told.last(only),
            recurrence_id=only,
            asked=frozenset(asked),
        ),
    )


def _dates(told: Told, wish: _Wish) -> tuple[ITip, ...]:
    """One message for each date that is not as he has it, in their order."""
    names = {one.recurrence_id for one in told.components if one.recurrence_id is not None}
    names |= {one.recurrence_id for one in wish.entry.occurrences}
    names |= set(told.master.exdates) if told.master is not None else set()
    return tuple(message for name in sorted(names) for message in _date(name, told, wish))


def _date(name: datetime, told: Told, wish: _Wish) -> tuple[ITip, ...]:
    have, want = told.at(name), wish.at(name)
    last = told.last(name) or told.of_series(name)
    if (have is None or ended(have.when, wish.now)) and (want is None or ended(want.when, wish.now)):
        return ()
    if want is None:
        assert have is not None
        one, date = occurrence_of(wish.entry, name), recurrence.date_of(wish.entry, name)
        rule = RULE[Change.DATE_CANCELLED if date is None or date.cancelled else Change.DATE_LEFT]
        sequence = max(one.sequence if one is not None else wish.entry.sequence, have.sequence + rule.raises)
        component = _cancelled(have, wish, sequence)
        asked = False
    else:
        if have is None:
            change = Change.DATE_ADDED if last is None else Change.DATE_BACK
        elif not _same_time(have, want):
            change = Change.DATE_MOVED
        elif _words(have) != _words(want):
            change = Change.DATE_DETAILS
        else:
            return ()
        rule = RULE[change]
        asked = change is not Change.DATE_DETAILS
        component = _numbered(want, last.sequence + rule.raises if last is not None else 0)
        component = wish.asking(component) if asked else component
    return (
        ITip(
            method=rule.method,
            kind=rule.kind,
            components=(component,),
            asks=asked,
            before=last,
            recurrence_id=name,
            asked=frozenset({name}) if asked else frozenset(),
        ),
    )


def _called_off(change: Change, told: Told, wish: _Wish) -> tuple[ITip, ...]:
    """A CANCEL of all he has: of the whole, or of each of his dates where he never had the whole."""
    rule = RULE[change]
    if told.over(wish.now):
        return ()
    sequence = max(wish.entry.sequence, told.sequence + rule.raises)
    gone = (told.master,) if told.master is not None else tuple(one for one in told.components if not one.cancelled)
    ahead = tuple(one for one in gone if not is_over(wish.entry, one, wish.now)) or gone
    return (
        ITip(
            method=rule.method,
            kind=rule.kind,
            components=tuple(_cancelled(one, wish, sequence) for one in ahead),
            asks=False,
            before=ahead[0],
            recurrence_id=ahead[0].recurrence_id if len(ahead) == 1 else None,
        ),
    )


def _cancelled(told: SentComponent, wish: _Wish, sequence: int) -> Component:
    """A CANCEL speaks of what he has, not of what the entry became meanwhile, and lists him alone."""
    name, series = told.recurrence_id, wish.entry.when or told.when
    return Component(
        uid=wish.entry.uid,
        when=told.when,
        title=told.title,
        description=told.description,
        location=told.location,
        sequence=sequence,
        status=Status.CANCELLED,
        recurrence_id=None if name is None else wire_name(name, series),
        recurrence_id_is_date=name is not None and series.all_day,
        organizer=wish.organizer,
        guests=wish.himself(name),
    )


def _numbered(component: Component, floor: int) -> Component:
    return replace(component, sequence=max(component.sequence, floor))


def _key(told: SentComponent) -> str:
    return schedule_key(told.when, told.rrule, told.rdates)


def _same_time(told: SentComponent | None, wanted: Component) -> bool:
    return told is not None and schedule_key(told.when, None, ()) == schedule_key(wanted.when, None, ())


def _words(one: SentComponent | Component) -> tuple[str, str, str]:
    return one.title, one.description, one.location
