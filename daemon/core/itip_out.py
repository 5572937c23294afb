"""Who gets what (RFC 5546 3.2): the messages one attendee is owed, as a diff of what he was last told and the entry as it is now.

`itip_table.TABLE` is the rule; the code here only finds out which rows apply. An edit that was taken back before it was sent
owes nothing, and an answer (PARTSTAT) never does. Not here: when it is sent (`planner`, `loops`), how the mail looks (`imip`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from daemon.core import recurrence
from daemon.core.delivery import Sent, SentComponent
from daemon.core.event import Dress, attendees_of, differs, master, single, wire_name, without_block
from daemon.core.itip_sequences import covers, key_of, occurrence_of, schedule_key, standing
from daemon.core.itip_table import RULE, Change, ITip, Row
from daemon.core.itip_told import Told, after_sending, ended, is_over
from daemon.core.model import Attendee, Component, Entry, EntryState, Guest, Occurrence, Organizer, PartStat, Sender, Status


def owed(
    entry: Entry,
    attendee: str,
    sent: Sent | None,
    *,
    organizer: Organizer,
    dress: Dress,
    now: datetime,
    private: bool = False,
) -> tuple[ITip, ...]:
    """Return the messages that bring the attendee from what he was last told (`sent`) to the entry as it is; () if nothing.

    In the order in which they are to be sent. Nobody is told of what is wholly over, of an entry whose calendar does the
    inviting, or of one never sent out; but who was told once is told when it is off, has no date, or goes on without him.
    Who comes to single dates gets a message for each: of several VEVENTs without their series Outlook shows one.
    `private`: the others on the list are not named to him.
    """
    if entry.sender is Sender.CALENDAR or attendee == organizer.email:
        return ()
    told = Told(entry=entry, sent=sent)
    wish = _Wish(entry=entry, attendee=attendee, organizer=organizer, dress=dress, now=now, private=private)
    if told.lives:
        if entry.state is not EntryState.PLANNED or entry.when is None or not wish.listed:
            change = Change.REMOVED if entry.state is EntryState.PLANNED and entry.when is not None else Change.CALLED_OFF
            return () if told.over(now) else _called_off(change, told, wish)
        if not entry.invited or (wish.over and told.over(now)):
            return ()
        return _difference(told, wish) or (_whole(Change.TOLD_AGAIN, told, wish) if told.again and not wish.over else ())
    if entry.state is not EntryState.PLANNED or entry.when is None or not entry.invited or not wish.listed:
        return _called_off_again(told, wish) if told.again else ()
    if wish.over:
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
    private: bool

    @property
    def of_series(self) -> bool:
        return self._in(self.entry.attendees)

    @property
    def listed(self) -> bool:
        return self.of_series or any(self._in(one.attendees or ()) for one in self.entry.occurrences)

    @property
    def silent(self) -> bool:
        return standing(self.entry, self.attendee).partstat is PartStat.NEEDS_ACTION

    @property
    def over(self) -> bool:
        end = recurrence.last_end(self.entry)
        return end is not None and end <= self.now

    def master(self) -> Component:
        off = (one.recurrence_id for one in self.entry.occurrences if not self.takes_part(one))
        whole = master(self.entry, organizer=self.organizer, dress=self.dress, exdates=tuple(sorted(off)))
        return self._discreet(whole)

    def takes_part(self, one: Occurrence) -> bool:
        return not one.cancelled and self._in(attendees_of(self.entry, one))

    def at(self, recurrence_id: datetime) -> Component | None:
        """The date as he should have it; None if it does not take place for him."""
        one = occurrence_of(self.entry, recurrence_id)
        if not self.of_series if one is None else not self.takes_part(one):
            return None
        return self._discreet(single(self.entry, recurrence_id, organizer=self.organizer, dress=self.dress))

    def own_dates(self) -> dict[datetime, Component]:
        """The dates ahead that need a VEVENT of their own in his eyes, by name."""
        dates = {}
        for one in sorted(self.entry.occurrences, key=lambda one: one.recurrence_id):
            shows = not self.of_series or differs(self.entry, replace(one, attendees=None) if self.private else one)
            component = self.at(one.recurrence_id) if shows else None
            # A date of the series that was moved into the past must not stand in his calendar at its old time.
            slot = replace(self.entry.when, start=one.recurrence_id) if self.of_series and self.entry.when is not None else None
            if component is not None and not (ended(component.when, self.now) and (slot is None or ended(slot, self.now))):
                dates[one.recurrence_id] = component
        return dates

    def asking(self, component: Component) -> Component:
        """The same, with an answer of his wanted."""
        return replace(component, guests=tuple(self._asked(one) for one in component.guests))

    def _discreet(self, component: Component) -> Component:
        if not self.private:
            return component
        return replace(component, guests=tuple(one for one in component.guests if one.email == self.attendee))

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
        # From the series to single dates: the series has to go from his calendar before they come, even if it is over.
        if told.over(wish.now) and not wish.own_dates():
            return ()
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
    if _back(told, wish):
        return _whole(Change.DATES_BACK, told, wish)
    return _dates(told, wish)


def _back(told: Told, wish: _Wish) -> dict[datetime, Component]:
    """The dates ahead that the series as he has it excludes, and that take place again."""
    names = () if told.master is None else (one for one in told.master.exdates if told.at(one) is None)
    dates = {name: wish.at(name) for name in names}
    return {name: one for name, one in dates.items() if one is not None and not ended(one.when, wish.now)}


def _whole(change: Change, told: Told, wish: _Wish) -> tuple[ITip, ...]:
    """One REQUEST with the series, its EXDATEs and his dates ahead; or one for each of his dates where he has only those."""
    asks_all = change in (Change.NEVER_TOLD, Change.INVITED_AGAIN)
    dates = wish.own_dates()
    if change is Change.DATES_BACK:
        dates = dict(sorted((dates | _back(told, wish)).items()))
    asked: set[datetime | None] = set()
    for name, component in dates.items():
        if change in (Change.RESCHEDULED, Change.TOLD_AGAIN):
            silent = standing(wish.entry, wish.attendee, name).partstat is PartStat.NEEDS_ACTION
        else:
            silent = asks_all or not _same_time(told.at(name), component)
        if silent:
            asked.add(name)
    again = change is Change.TOLD_AGAIN
    if wish.of_series and (asks_all or change is Change.RESCHEDULED or (again and wish.silent)):
        asked.add(None)
    rule = RULE[change if asks_all or again or not asked else Change.RESCHEDULED]
    components: dict[datetime | None, Component] = {}
    oldest = 0
    if wish.of_series:
        whole, before = wish.master(), told.last(None)
        floor = told.sequence + 1 if change is Change.INVITED_AGAIN else before.sequence + RULE[change].raises if before else 0
        components[None] = _numbered(whole, floor)
        oldest = components[None].sequence  # Exchange drops a date that is older than its series
    for name, component in dates.items():
        last = told.last(name)
        raised = name in asked and not again
        floor = told.sequence + 1 if change is Change.INVITED_AGAIN else last.sequence + raised if last else 0
        components[name] = _numbered(component, max(floor, oldest))
    each = [components] if wish.of_series else [{name: one} for name, one in components.items()]
    return tuple(_request(rule, one, asked & one.keys(), told, wish) for one in each)


def _request(
    rule: Row, components: dict[datetime | None, Component], asked: set[datetime | None], told: Told, wish: _Wish
) -> ITip:
    only = next(iter(components)) if len(components) == 1 else None
    return ITip(
        method=rule.method,
        kind=rule.kind,
        components=tuple(wish.asking(one) if name in asked else one for name, one in components.items()),
        asks=bool(asked),
        before=told.last(only),
        recurrence_id=only,
        asked=frozenset(asked),
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
    """A CANCEL of the whole, or one of each of his dates ahead where he never had the whole."""
    rule = RULE[change]
    sequence = max(wish.entry.sequence, told.sequence + rule.raises)
    gone = (told.master,) if told.master is not None else tuple(one for one in told.components if not one.cancelled)
    ahead = tuple(one for one in gone if not is_over(wish.entry, one, wish.now)) or gone
    return tuple(
        ITip(
            method=rule.method,
            kind=rule.kind,
            components=(_cancelled(one, wish, sequence),),
            asks=False,
            before=one,
            recurrence_id=one.recurrence_id,
        )
        for one in ahead
    )


def _called_off_again(told: Told, wish: _Wish) -> tuple[ITip, ...]:
    """The CANCEL that he had, in the version it had (itip.md 1.15); nothing of what is past."""
    rule = RULE[Change.CALLED_OFF if wish.listed else Change.REMOVED]
    whole = told.last(None)
    gone = (whole,) if whole is not None else told.components
    return tuple(
        ITip(
            method=rule.method,
            kind=rule.kind,
            components=(_cancelled(one, wish, one.sequence),),
            asks=False,
            before=one,
            recurrence_id=one.recurrence_id,
        )
        for one in gone
        if not is_over(wish.entry, one, wish.now)
    )


def _cancelled(told: SentComponent, wish: _Wish, sequence: int) -> Component:
    """A CANCEL speaks of what he has, not of what the entry became meanwhile, and lists him alone; how to join is left out."""
    name, series = told.recurrence_id, wish.entry.when or told.when
    return Component(
        uid=wish.entry.uid,
        when=told.when,
        title=told.title,
        description=without_block(told.description),
        location="" if told.location == wish.dress.link else told.location,
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
