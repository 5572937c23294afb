"""How the server in memory schedules (RFC 6638 3.2): what is sent when an event is written or deleted, what a copy becomes. Pure.

Stricter than most servers: a move asks everybody again (3.2.8), a deletion cancels or declines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from daemon.core.addresses import same
from daemon.core.model import Component, Event, Guest, Method, PartStat, Status

_DELIVERED, _NO_SUCH_PERSON = "1.2", "3.7"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One iTIP message from one person to another. `event` is what it says."""

    method: Method
    sender: str
    recipient: str
    event: Event

    def applied_to(self, held: Event | None) -> Event | None:
        """Return the recipient's copy after the message, or None if it stays as it is (RFC 6638 4)."""
        match self.method:
            case Method.REQUEST:
                return self.event if held is None else _with_own_answer(self.event, held, self.recipient)
            case Method.CANCEL:
                return None if held is None else _each(held, lambda one: replace(one, status=Status.CANCELLED))
            case Method.REPLY:
                return None if held is None else _answered(held, self.event, self.sender)
            case _:
                return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What the server keeps of a written event, and whom it tells."""

    kept: Event
    deliveries: tuple[Delivery, ...]


def after_write(before: Event | None, event: Event, *, author: str, local: frozenset[str], honours_client_agent: bool) -> Written:
    """Return what is kept and sent when `author` writes `event` over `before`; `local` addresses have a calendar here."""
    organizer = event.components[0].organizer
    if organizer is None:
        return Written(kept=event, deliveries=())
    if not same(organizer.email, author):
        changed = before is not None and _own_answers(before, author) != _own_answers(event, author)
        reply = Delivery(method=Method.REPLY, sender=author, recipient=organizer.email, event=event)
        return Written(kept=event, deliveries=(reply,) if changed else ())
    moved = before is not None and _schedule(before) != _schedule(event)

    def kept(guest: Guest) -> Guest:
        if not _is_told(guest, author, honours_client_agent):
            return guest
        status = _DELIVERED if guest.email in local else _NO_SUCH_PERSON
        return replace(guest, schedule_status=status, partstat=PartStat.NEEDS_ACTION if moved else guest.partstat)

    stored = _each_guest(event, kept)
    told = _told(stored, author, honours_client_agent)
    gone = () if before is None else tuple(one for one in _told(before, author, honours_client_agent) if one not in told)
    message = _each_guest(stored, lambda guest: replace(guest, schedule_status=None))
    requests = tuple(Delivery(method=Method.REQUEST, sender=author, recipient=one, event=message) for one in told)
    cancels = tuple(Delivery(method=Method.CANCEL, sender=author, recipient=one, event=message) for one in gone)
    return Written(kept=stored, deliveries=requests + cancels)


def after_delete(event: Event, *, author: str, honours_client_agent: bool) -> tuple[Delivery, ...]:
    """Return what is sent when `author` deletes the event: cancellations by its organizer, a refusal by anybody else."""
    organizer = event.components[0].organizer
    if organizer is None:
        return ()
    if same(organizer.email, author):
        told = _told(event, author, honours_client_agent)
        return tuple(Delivery(method=Method.CANCEL, sender=author, recipient=one, event=event) for one in told)
    declined = _each_guest(
        event, lambda guest: replace(guest, partstat=PartStat.DECLINED) if same(guest.email, author) else guest
    )
    return (Delivery(method=Method.REPLY, sender=author, recipient=organizer.email, event=declined),)


def _is_told(guest: Guest, author: str, honours_client_agent: bool) -> bool:
    quiet = honours_client_agent and (guest.schedule_agent or "").upper() in ("CLIENT", "NONE")
    return not quiet and not same(guest.email, author)


def _told(event: Event, author: str, honours_client_agent: bool) -> tuple[str, ...]:
    guests = (guest for one in event.components for guest in one.guests)
    return tuple(dict.fromkeys(guest.email for guest in guests if _is_told(guest, author, honours_client_agent)))


def _schedule(event: Event) -> frozenset[object]:
    return frozenset((one.recurrence_id, one.when, one.rrule, one.rdates, one.exdates) for one in event.components)


def _own_answers(event: Event, email: str) -> dict[object, PartStat]:
    return {one.recurrence_id: guest.partstat for one in event.components for guest in one.guests if same(guest.email, email)}


def _with_own_answer(sent: Event, held: Event, email: str) -> Event:
    """What was sent, with the recipient's earlier answers where the date they were given for is still that one."""
    answers = _own_answers(held, email) if _schedule(held) == _schedule(sent) else {}

    def merged(one: Component) -> Component:
        answer = answers.get(one.recurrence_id)
        if answer is None:
            return one
        guests = (replace(guest, partstat=answer) if same(guest.email, email) else guest for guest in one.guests)
        return replace(one, guests=tuple(guests))

    return _each(sent, merged)


def _answered(held: Event, said: Event, email: str) -> Event | None:
    """The organizer's copy with the sender's answers; only his own lines change."""
    answers = _own_answers(said, email)

    def merged(one: Component) -> Component:
        answer = answers.get(one.recurrence_id)
        if answer is None:
            return one
        guests = (replace(guest, partstat=answer, rsvp=False) if same(guest.email, email) else guest for guest in one.guests)
        return replace(one, guests=tuple(guests))

    changed = _each(held, merged)
    return None if changed == held else changed


def _each(event: Event, change: Callable[[Component], Component]) -> Event:
    return Event(components=tuple(change(one) for one in event.components))


def _each_guest(event: Event, change: Callable[[Guest], Guest]) -> Event:
    return _each(event, lambda one: replace(one, guests=tuple(change(guest) for guest in one.guests)))
