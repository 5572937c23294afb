"""Who comes instead (RFC 5546 2.1.1, 3.2.2.3; RFC 5545 3.2.4, 3.2.5): what of a delegation is taken over, and what is held."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from daemon.core.authenticity import related
from daemon.core.event import attendees_of
from daemon.core.itip_sequences import occurrence_of
from daemon.core.itip_who import Letter, Outcome, everybody, leave
from daemon.core.model import Attendee, Component, Entry, Guest, PartStat

_LONGEST_CHAIN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """To whom it goes ("": he does not say), and who is to be put on the list for it (None: he is there already)."""

    to: str
    joins: Attendee | None


def delegation(
    entry: Entry, component: Component, attendee: str, line: Guest, letter: Letter, recurrence_id: datetime | None
) -> Delegation:
    """Return what the attendee's answer DELEGATED means. Raises NoAnswer where the owner has to look at it."""
    named = (one.email for one in component.guests if one.delegated_from in (line.email, attendee))
    to = line.delegated_to or next(named, "")
    if not to:
        return Delegation(to="", joins=None)
    people = {one.email: one for one in everybody(entry)}
    chain, before = 1, people.get(attendee)
    while before is not None and before.delegated_from and chain <= _LONGEST_CHAIN:
        if before.delegated_from == to:
            _hold(entry, attendee, to, "who delegated to him: that goes in a circle")
        chain, before = chain + 1, people.get(before.delegated_from)
    if to in (attendee, letter.service):
        _hold(entry, attendee, to, "who cannot stand in for him")
    if chain > _LONGEST_CHAIN:
        _hold(entry, attendee, to, f"the {chain}rd to take it over")
    if any(one.email == to for one in attendees_of(entry, occurrence_of(entry, recurrence_id))):
        return Delegation(to=to, joins=None)
    if not letter.consent and not related(to.rpartition("@")[2], attendee.rpartition("@")[2]):
        _hold(entry, attendee, to, "who belongs to another organisation. Accept it to invite him")
    role = people[attendee].role if attendee in people else line.role
    return Delegation(to=to, joins=Attendee(email=to, role=role, delegated_from=attendee))


def _hold(entry: Entry, attendee: str, to: str, why: str) -> None:
    leave(
        Outcome.HELD,
        f"{attendee} delegates “{entry.title}” to {to}, {why}.",
        attendee=attendee,
        partstat=PartStat.DELEGATED,
    )
