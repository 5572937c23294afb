"""An entry's form in a calendar (RFC 5545 VEVENTs), and the block with number and link that we keep in its description.

The block is ours and is repaired; every character around it is the owner's and stays (design 4.4).
Not here: how a VEVENT is written (`ics`), who is mailed (`itip`), what is pushed when (`sync`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from daemon.core import zones
from daemon.core.itip_sequences import occurrence_of, standings, when_of
from daemon.core.model import (
    Attendee,
    Component,
    Entry,
    EntryState,
    Event,
    Guest,
    Language,
    Occurrence,
    Organizer,
    PartStat,
    When,
)
from daemon.core.numbers import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Dress:
    """What we add to an entry's own words: how to join. `dial_in` shows only where the entry asks for telephone information."""

    number: str
    link: str
    dial_in: str
    language: Language
    password: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    begin: str
    end: str
    link: str
    number: str
    password: str
    dial_in: str
    invited: str
    partstat: dict[PartStat, str]


_WORDS = {
    Language.DE: _Words(
        begin="──── Sitzung ────",
        end="──── Ende der Sitzungsdaten ────",
        link="Teilnehmen",
        number="Sitzungsnummer",
        password="Kennwort",  # noqa: S106 - the word for it
        dial_in="Telefon",
        invited="Eingeladen",
        partstat={
            PartStat.NEEDS_ACTION: "noch keine Antwort",
            PartStat.ACCEPTED: "zugesagt",
            PartStat.DECLINED: "abgesagt",
            PartStat.TENTATIVE: "mit Vorbehalt",
            PartStat.DELEGATED: "vertreten",
        },
    ),
    Language.EN: _Words(
        begin="──── Session ────",
        end="──── End of session details ────",
        link="Join",
        number="Session number",
        password="Password",  # noqa: S106 - the word for it
        dial_in="Telephone",
        invited="Invited",
        partstat={
            PartStat.NEEDS_ACTION: "no answer yet",
            PartStat.ACCEPTED: "accepted",
            PartStat.DECLINED: "declined",
            PartStat.TENTATIVE: "tentative",
            PartStat.DELEGATED: "delegated",
        },
    ),
}


def _marker(lines: Sequence[str]) -> str:
    # Servers turn blanks into other blanks, double them or drop them; line ends inside a marker were never seen.
    blank = r"[^\S\r\n]"
    return "(?:" + "|".join(re.escape(line).replace(r"\ ", f"{blank}*") for line in lines) + ")"


_BEGIN = _marker([words.begin for words in _WORDS.values()])
_END = _marker([words.end for words in _WORDS.values()])
_LABELS = "|".join(
    re.escape(label)
    for words in _WORDS.values()
    for label in (words.link, words.number, words.password, words.dial_in, words.invited)
)
# Whole, or damaged: without its end (then only lines that we wrote are ours), or an end alone.
_BLOCK = re.compile(rf"{_BEGIN}(?:(?!{_BEGIN}).)*?{_END}|{_BEGIN}(?:\r?\n(?:{_LABELS}):[^\r\n]*)*|{_END}", re.DOTALL)
_GAP_AND_BLOCK = re.compile(rf"(?:\r\n\r\n|\n\n|\r\n|\n)?(?:{_BLOCK.pattern})", re.DOTALL)


def with_block(text: str, dress: Dress) -> str:
    """Return the text with our block in it: in the old one's place, or after the text. Doing it twice changes nothing more.

    Everything around the block stays as it is, character for character; further copies of the block go.
    """
    return _with_lines(text, dress, ())


def block_of(text: str) -> str:
    """Return our block as it stands in the text, with its further copies and damaged parts; "" where there is none."""
    return "\n".join(found[0] for found in _BLOCK.finditer(text))


def with_block_from(text: str, other: str) -> str:
    """Return the text with the block that stands in `other` instead of its own; everything around it stays as it is.

    Further copies go with the blank line before them, so that `without_block` finds the same words before and after.
    """
    block, found = block_of(other), _BLOCK.search(text)
    if found is None:
        return _with(text, block)
    return text[: found.start()] + block + without_block(text[found.end() :])


def without_block(text: str) -> str:
    """Return the owner's own text: without our block and the blank line that stands before it. Damaged blocks go as well."""
    while True:
        rest = _GAP_AND_BLOCK.sub("", text)
        if rest == text:
            return rest
        text = rest


def calendar_event(
    entry: Entry, *, organizer: Organizer | None, dress: Dress, alarm: timedelta | None = None, quiet: bool
) -> Event:
    """Return the copy of the entry for the owner's calendar: the series with EXDATEs for cancelled ones, then dates of their own.

    With an organizer, the people of an entry that is invited stand in it with their answers, each with SCHEDULE-AGENT=CLIENT
    where `quiet` (RFC 6638 7.1). Without one, names and answers stand in our block (design 4.2). `alarm` is how long before the
    start the owner's program rings. Raises ValueError for an entry without date, cancelled or deleted: it has no event.
    """
    if entry.when is None or entry.state is not EntryState.PLANNED:
        raise ValueError(f"“{entry.title}” ({entry.uid}) has no event: it has no date, or it was cancelled")
    own = [one for one in entry.occurrences if not one.cancelled and differs(entry, one)]
    series = master(
        entry,
        organizer=organizer,
        dress=dress,
        exdates=tuple(sorted(one.recurrence_id for one in entry.occurrences if one.cancelled)),
    )
    dates = [
        single(entry, one.recurrence_id, organizer=organizer, dress=dress)
        for one in sorted(own, key=lambda one: one.recurrence_id)
    ]
    return Event(components=tuple(_finished(one, alarm=alarm, quiet=quiet) for one in (series, *dates)))


def master(entry: Entry, *, organizer: Organizer | None, dress: Dress, exdates: tuple[datetime, ...]) -> Component:
    """Return the VEVENT of the whole entry: of a series, or of its only date. The entry has a date."""
    assert entry.when is not None
    return Component(
        uid=entry.uid,
        when=entry.when,
        title=entry.title,
        description=_description(entry, entry.description, organizer=organizer, dress=dress, recurrence_id=None),
        location=entry.location or dress.link,
        url=dress.link,
        sequence=entry.sequence,
        rrule=entry.rrule,
        rdates=entry.rdates,
        exdates=exdates,
        organizer=organizer if entry.invited and entry.attendees else None,
        guests=guests(entry, entry.attendees, organizer),
    )


def single(entry: Entry, recurrence_id: datetime, *, organizer: Organizer | None, dress: Dress) -> Component:
    """Return the VEVENT of one date of a series, named by its original wall start (RFC 5545 3.8.4.4)."""
    assert entry.when is not None
    own = occurrence_of(entry, recurrence_id) or Occurrence(recurrence_id=recurrence_id, sequence=entry.sequence)
    people = attendees_of(entry, own)
    description = entry.description if own.description is None else own.description
    return Component(
        uid=entry.uid,
        when=when_of(entry, recurrence_id),
        title=entry.title if own.title is None else own.title,
        description=_description(entry, description, organizer=organizer, dress=dress, recurrence_id=recurrence_id),
        location=(entry.location if own.location is None else own.location) or dress.link,
        url=dress.link,
        sequence=own.sequence,
        recurrence_id=wire_name(recurrence_id, entry.when),
        recurrence_id_is_date=entry.when.all_day,
        organizer=organizer if entry.invited and people else None,
        guests=guests(entry, people, organizer, recurrence_id),
    )


def wire_name(recurrence_id: datetime, when: When) -> datetime:
    """Return RECURRENCE-ID as it is written: in the zone of the series, or a midnight without zone for all-day dates."""
    return recurrence_id if when.all_day else recurrence_id.replace(tzinfo=zones.zone(when.zone))


def differs(entry: Entry, one: Occurrence) -> bool:
    """True if the date needs a VEVENT of its own: anything but its SEQUENCE is not as in the series."""
    plain = Occurrence(recurrence_id=one.recurrence_id, sequence=one.sequence)
    look = replace(one, attendees=None if one.attendees == entry.attendees else one.attendees)
    return look != plain


def attendees_of(entry: Entry, one: Occurrence | None) -> tuple[Attendee, ...]:
    """Return who is invited to the date, or to the series where it has no list of its own."""
    return entry.attendees if one is None or one.attendees is None else one.attendees


def guests(
    entry: Entry, people: tuple[Attendee, ...], organizer: Organizer | None, recurrence_id: datetime | None = None
) -> tuple[Guest, ...]:
    """Return the ATTENDEE lines of these people with their answers; none before they are invited.

    The organizer is none of them: Outlook then says "as the meeting organizer you need not respond".
    """
    if organizer is None or not entry.invited:
        return ()
    stands = standings(entry, recurrence_id)
    return tuple(
        Guest(
            email=one.email,
            name=one.name,
            role=one.role,
            partstat=stand.partstat,
            rsvp=stand.partstat is PartStat.NEEDS_ACTION,
            delegated_from=one.delegated_from,
            delegated_to=stand.answer.delegated_to if stand.answer and stand.partstat is PartStat.DELEGATED else "",
        )
        for one in people
        if one.email != organizer.email
        for stand in (stands(one.email),)
    )


def _finished(component: Component, *, alarm: timedelta | None, quiet: bool) -> Component:
    agent = "CLIENT" if quiet else None
    return replace(component, alarm=alarm, guests=tuple(replace(one, schedule_agent=agent) for one in component.guests))


def _description(entry: Entry, text: str, *, organizer: Organizer | None, dress: Dress, recurrence_id: datetime | None) -> str:
    lines: list[str] = []
    people = attendees_of(entry, occurrence_of(entry, recurrence_id))
    if organizer is None and entry.invited and people:
        words, stands = _WORDS[dress.language], standings(entry, recurrence_id)
        for one in people:
            who = f"{one.name} <{one.email}>" if one.name else one.email
            lines.append(f"{words.invited}: {who}, {words.partstat[stands(one.email).partstat]}")
    return _with_lines(text, dress if entry.telephone else replace(dress, dial_in=""), lines)


def _with_lines(text: str, dress: Dress, more: Sequence[str]) -> str:
    return _with(text, _block(dress, more))


def _with(text: str, block: str) -> str:
    found = _BLOCK.search(text)
    if found is None:
        return f"{text}\n\n{block}" if text else block
    return text[: found.start()] + block + _without_markers(text[found.end() :])


def _without_markers(text: str) -> str:
    while True:
        rest = _BLOCK.sub("", text)
        if rest == text:
            return rest
        text = rest


def _block(dress: Dress, more: Sequence[str]) -> str:
    words = _WORDS[dress.language]
    pairs = (
        (words.link, dress.link),
        (words.number, shown(dress.number)),
        (words.password, dress.password),
        (words.dial_in, dress.dial_in),
    )
    lines = [f"{label}: {value}" for label, value in pairs if value]
    # The rule character inside a value could look like a marker.
    return "\n".join((words.begin, *(line.replace("─", "-") for line in (*lines, *more)), words.end))
