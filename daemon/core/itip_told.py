"""What one attendee has from us so far, and what he has once a further message is sent.

Not here: what he should have and is owed (`itip_out`), how it is stored (`delivery`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from daemon.core import recurrence, zones
from daemon.core.delivery import Sent, SentComponent
from daemon.core.itip_table import ITip
from daemon.core.model import Component, Entry, Method, Status, When

_MOST_IDS = 10  # for In-Reply-To and References: the first invitation and the latest ones
_FIRST = datetime(1, 1, 1)  # noqa: DTZ001 - names of dates are wall times; the series goes before them


def after_sending(sent: Sent | None, entry: Entry, attendee: str, message: ITip, *, dtstamp: datetime, message_id: str) -> Sent:
    """Return what the attendee has been told once `message` is sent with this DTSTAMP (UTC) and Message-ID."""
    told = Told(entry=entry, sent=sent)
    ids = (*(sent.message_ids if sent is not None else ()), message_id)
    return Sent(
        entry=entry.id,
        attendee=attendee,
        components=_told_after(told, message, dtstamp),
        message_ids=(*ids[:1], *ids[1:][-(_MOST_IDS - 1) :]),
        organizer=next((one.organizer.email for one in message.components if one.organizer), told.organizer),
    )


def next_dtstamp(sent: Sent | None, now: datetime) -> datetime:
    """Return DTSTAMP for the next message (UTC, whole seconds): now, but later than in every message before (RFC 5546 2.1.5)."""
    stamp = now.replace(microsecond=0)
    last = max((one.dtstamp for one in sent.components), default=None) if sent is not None else None
    return stamp if last is None or last < stamp else last + timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What he has from us so far."""

    entry: Entry
    sent: Sent | None

    @property
    def components(self) -> tuple[SentComponent, ...]:
        return self.sent.components if self.sent is not None else ()

    @property
    def organizer(self) -> str:
        return self.sent.organizer if self.sent is not None else ""

    @property
    def again(self) -> bool:
        return self.sent is not None and self.sent.again

    @property
    def lives(self) -> bool:
        return self.sent is not None and not self.sent.cancelled

    @property
    def sequence(self) -> int:
        return max((one.sequence for one in self.components), default=-1)

    def last(self, recurrence_id: datetime | None) -> SentComponent | None:
        """The VEVENT of that name, whether it still takes place for him or not."""
        return next((one for one in self.components if one.recurrence_id == recurrence_id), None)

    @property
    def master(self) -> SentComponent | None:
        whole = self.last(None)
        return None if whole is None or whole.cancelled else whole

    def at(self, recurrence_id: datetime) -> SentComponent | None:
        """The date as he has it, from its own VEVENT or from the series; None if it does not take place for him."""
        own = self.last(recurrence_id)
        if own is not None:
            return None if own.cancelled else own
        return None if self.master is None or recurrence_id in self.master.exdates else self.of_series(recurrence_id)

    def of_series(self, recurrence_id: datetime) -> SentComponent | None:
        whole = self.last(None)
        if whole is None:
            return None
        when = replace(whole.when, start=recurrence_id)
        return replace(whole, recurrence_id=recurrence_id, when=when, rrule=None, rdates=(), exdates=())

    def over(self, now: datetime) -> bool:
        return all(is_over(self.entry, one, now) for one in self.components if not one.cancelled)


def _told_after(told: Told, message: ITip, dtstamp: datetime) -> tuple[SentComponent, ...]:
    fresh = {one.recurrence_id: one for one in (_noted(component, told, message, dtstamp) for component in message.components)}
    if None in fresh and message.method is Method.CANCEL:
        return tuple(replace(one, cancelled=True, sequence=fresh[None].sequence, dtstamp=dtstamp) for one in told.components)
    kept = () if None in fresh else tuple(one for one in told.components if one.recurrence_id not in fresh)
    return tuple(sorted((*kept, *fresh.values()), key=lambda one: one.recurrence_id or _FIRST))


def _noted(component: Component, told: Told, message: ITip, dtstamp: datetime) -> SentComponent:
    assert component.when is not None
    name = None if component.recurrence_id is None else component.recurrence_id.replace(tzinfo=None)
    last = told.last(name) or (None if name is None else told.of_series(name))
    asked = message.asks and (name in message.asked or not message.asked)
    return SentComponent(
        recurrence_id=name,
        when=component.when,
        rrule=component.rrule,
        rdates=component.rdates,
        exdates=component.exdates,
        title=component.title,
        description=component.description,
        location=component.location,
        sequence=component.sequence,
        cancelled=component.status is Status.CANCELLED,
        dtstamp=dtstamp,
        asked_sequence=component.sequence if asked or last is None else last.asked_sequence,
        asked_at=dtstamp if asked or last is None else last.asked_at,
    )


def ended(when: When | None, now: datetime) -> bool:
    return when is not None and zones.span(when)[1] <= now


def is_over(entry: Entry, told: SentComponent, now: datetime) -> bool:
    if not told.rrule and not told.rdates:
        return ended(told.when, now)
    end = recurrence.last_end(replace(entry, when=told.when, rrule=told.rrule, rdates=told.rdates, occurrences=()))
    return end is not None and end <= now
