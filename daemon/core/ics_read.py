"""Calendar objects of other people's programs (RFC 5545) as our values.

The lines come clean from `ics_lines`, times are read in `ics_times`; icalendar reads single values. It never sees a whole object:
it would keep a foreign VTIMEZONE for the whole process, hang on a hostile one, lose attendees without a word and return nothing
for cut-off data. Whatever cannot be used is named in `Parsed.problems`; only what makes the whole object unsafe or unintelligible
is an error. Foreign recurrence rules are handed on as they are and never expanded here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from icalendar.parser import split_on_unescaped_comma

from daemon.core import zones
from daemon.core.addresses import clean_name, clean_text, normal
from daemon.core.errors import Rejected, Unreadable
from daemon.core.ics_lines import MAX_BYTES, Block, Line, Notes, loose_line, read_blocks, sanitize
from daemon.core.ics_times import Times
from daemon.core.model import Component, Guest, Method, Organizer, PartStat, Role, Status

_WANTED = frozenset(
    {"ACTION", "ATTENDEE", "CATEGORIES", "COMMENT", "DESCRIPTION", "DTEND", "DTSTAMP", "DTSTART", "DURATION", "EXDATE", "EXRULE"}
    | {
        "LOCATION",
        "METHOD",
        "ORGANIZER",
        "RDATE",
        "RECURRENCE-ID",
        "RRULE",
        "SEQUENCE",
        "STATUS",
        "SUMMARY",
        "TRIGGER",
        "UID",
        "URL",
    }
    | {"X-MICROSOFT-CDO-APPT-SEQUENCE", "X-MS-OLK-ORIGINALSTART", "X-WR-TIMEZONE"}
)
_METHODS = {one.value: one for one in Method}
_STATUSES = {one.value: one for one in Status}
_PARTSTATS = {one.value: one for one in PartStat}
_ROLES = {one.value: one for one in Role}

_VERSION_NUMBER = re.compile(r"\d{1,10}")
_ANGLED = re.compile(r"<([^<>]*)>")
_ESCAPED = re.compile(r'\\([nN,;:"\\])')
_CARET = re.compile(r"\^[nN'^]")
_CARETS = {"^n": "\n", "^N": "\n", "^'": '"', "^^": "^"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What calendar data says. `method` is None if there is no METHOD or it is unknown; `method_text` is what stood there.

    `problems` are sentences about what was left out or guessed.
    """

    method: Method | None
    method_text: str
    components: tuple[Component, ...]
    problems: tuple[str, ...]


def parse_calendar(raw: bytes, *, charset: str | None = None, floating_zone: str = "UTC", max_bytes: int = MAX_BYTES) -> Parsed:
    """Return the VEVENTs of one or more VCALENDARs (RFC 5545 3.4, 3.6.1).

    `when` is in the IANA zone that the TZID means, or in "UTC". Times without zone are read in X-WR-TIMEZONE or else in
    `floating_zone`. `charset` is what the Content-Type said. An attendee who is named twice with different answers has none.
    Raises Unreadable with a sentence where there is no calendar, where it is too large or cut off, or contradicts itself.
    """
    if len(raw) > max_bytes:
        raise Unreadable(
            f"The calendar data has {len(raw):,} bytes; at most {max_bytes:,} are read. Split it into smaller files."
        )
    calendars, junk = read_blocks(sanitize(raw, charset), _WANTED)
    if not calendars:
        raise Unreadable("There is no calendar in the data: BEGIN:VCALENDAR is missing. Send an .ics file (iCalendar).")
    notes = Notes()
    if junk:
        notes.general(f"{len(junk)} lines that are no calendar lines were left out, the first is “{clean_name(junk[0])[:60]}”.")
    methods = dict.fromkeys(_method(calendar, notes) for calendar in calendars)
    if len(methods) > 1:
        raise Unreadable(f"The data holds several calendars that say different things ({', '.join(methods)}). Nothing was used.")
    method_text = next(iter(methods))
    method = _METHODS.get(method_text)
    components = [one for calendar in calendars for one in _components(calendar, floating_zone, notes)]
    notes.event("")
    kept = _without_repeats(components, method, notes)
    if not kept:
        notes.general("There is no event in the data.")
    return Parsed(method=method, method_text=method_text, components=tuple(kept), problems=notes.problems)


def _method(calendar: Block, notes: Notes) -> str:
    line = calendar.first("METHOD", notes)
    return clean_name(line.value).upper() if line else ""


def _components(calendar: Block, floating_zone: str, notes: Notes) -> Iterator[Component]:
    notes.event("")
    named = calendar.first("X-WR-TIMEZONE", notes)
    meant = zones.resolve(named.value.strip()) if named else None
    definitions: dict[str, str] = {}
    for block in calendar.blocks:
        tzid = block.first("TZID", notes) if block.name == "VTIMEZONE" else None
        if tzid is not None:
            definitions.setdefault(tzid.value.strip(), block.text)
    times = Times(floating_zone=meant or floating_zone, floating_guessed=meant is None, definitions=definitions, notes=notes)
    for block in calendar.blocks:
        if block.name == "VEVENT":
            yield _Event(block, times, notes).component()


def _without_repeats(components: list[Component], method: Method | None, notes: Notes) -> list[Component]:
    kept: dict[tuple[str, datetime | int | None], Component] = {}
    for index, one in enumerate(components):
        key = (one.uid, one.recurrence_id) if one.uid else ("", index)
        before = kept.setdefault(key, one)
        if before != one:
            shown = f"“{clean_name(one.title or one.uid)[:60]}”"
            if method not in (None, Method.PUBLISH):
                raise Unreadable(f"The {method} contradicts itself: it has two different versions of {shown}. Nothing was used.")
            notes.general(f"{shown} is there twice: the newer version was taken.")
            kept[key] = max(before, one, key=_version)
    return list(kept.values())


def _version(component: Component) -> tuple[int, datetime]:
    return component.sequence, component.dtstamp or datetime.min.replace(tzinfo=UTC)


class _Event:
    """Reads one VEVENT."""

    def __init__(self, block: Block, times: Times, notes: Notes) -> None:
        self._block = block
        self._times = times
        self._notes = notes

    def component(self) -> Component:
        uid = self._text("UID").strip()
        title = self._text("SUMMARY")
        self._notes.event(title or uid or "an event without a title")
        if not uid:
            self._notes.add("it has no UID, so it cannot be found again in a later message.")
        when = self._times.when(self._block)
        recurrence_id, is_date, redefined = self._recurrence_id()
        sequence = self._sequence()
        return Component(
            uid=uid,
            when=when,
            title=title,
            description=self._text("DESCRIPTION"),
            location=self._text("LOCATION"),
            url="".join(self._text("URL").split()),
            sequence=sequence or 0,
            sequence_given=sequence is not None,
            status=self._status(),
            recurrence_id=recurrence_id,
            recurrence_id_is_date=is_date,
            recurrence_id_redefined=redefined,
            original_start=self._original_start(),
            rrule=self._rrule(),
            rdates=self._times.dates(self._block, "RDATE", when),
            exdates=self._times.dates(self._block, "EXDATE", when),
            organizer=self._organizer(),
            guests=self._guests(),
            categories=self._categories(),
            alarm=self._alarm(),
            dtstamp=self._dtstamp(),
            comment=self._comment(),
        )

    def _first(self, name: str) -> Line | None:
        return self._block.first(name, self._notes)

    def _text(self, name: str) -> str:
        line = self._first(name)
        return _unescaped(line.value) if line else ""

    def _recurrence_id(self) -> tuple[datetime | None, bool, datetime | None]:
        line = self._first("RECURRENCE-ID")
        moment = self._times.moment(line) if line else None
        if line is None or moment is None:
            return None, False, None
        if line.params.get("RANGE", "").upper() == "THISANDFUTURE":
            self._notes.add("it changes this date and all later ones at once; only this date was taken over.")
        return moment.recurrence_id, moment.is_date, self._times.redefined(line, moment)

    def _original_start(self) -> datetime | None:
        line = self._first("X-MS-OLK-ORIGINALSTART")
        moment = self._times.moment(line) if line else None
        return None if moment is None or moment.is_date or moment.floating else moment.recurrence_id

    def _rrule(self) -> str | None:
        if next(self._block.all("EXRULE", self._notes), None):
            self._notes.add("it leaves dates out by a second rule (EXRULE), which was left out itself.")
        line = self._first("RRULE")
        return ("".join(line.value.split()).strip(";") or None) if line else None

    def _sequence(self) -> int | None:
        line = self._first("SEQUENCE") or self._first("X-MICROSOFT-CDO-APPT-SEQUENCE")
        if line is None:
            return None
        text = line.value.strip()
        if _VERSION_NUMBER.fullmatch(text) and int(text) < 2**31:
            return int(text)
        self._notes.add(f"its SEQUENCE “{clean_name(text)[:40]}” is no version number; it counts as missing.")
        return None

    def _status(self) -> Status:
        text = self._text("STATUS").strip().upper()
        if text and text not in _STATUSES:
            self._notes.add(f"its STATUS “{clean_name(text)[:40]}” is not known; it counts as confirmed.")
        return _STATUSES.get(text, Status.CONFIRMED)

    def _dtstamp(self) -> datetime | None:
        line = self._first("DTSTAMP")
        moment = self._times.moment(line) if line else None
        if moment is None:
            return None
        # DTSTAMP is UTC by RFC 5545 3.8.7.2; programs that forget the Z mean it all the same.
        return moment.wall.replace(tzinfo=UTC) if moment.floating or moment.is_date else moment.instant

    def _comment(self) -> str:
        texts = (_unescaped(line.value).strip() for line in self._block.all("COMMENT", self._notes))
        return "\n".join(text for text in texts if text)

    def _categories(self) -> tuple[str, ...]:
        found = (text for line in self._block.all("CATEGORIES", self._notes) for text in split_on_unescaped_comma(line.value))
        return tuple(dict.fromkeys(clean for text in found if (clean := " ".join(clean_text(text).split()))))

    def _alarm(self) -> timedelta | None:
        for alarm in self._block.blocks:
            trigger = alarm.first("TRIGGER", self._notes) if alarm.name == "VALARM" else None
            action = alarm.first("ACTION", self._notes)
            if trigger is None or (action and action.value.strip().upper() not in ("DISPLAY", "AUDIO")):
                continue
            if trigger.params.get("RELATED", "").upper() == "END" or "P" not in trigger.value.upper():
                continue  # rings at the end, or at a fixed instant
            before = self._times.length(trigger)
            if before is not None:
                return -before
        return None

    def _organizer(self) -> Organizer | None:
        line = self._first("ORGANIZER")
        found = self._person(line) if line else None
        return Organizer(email=found[0], name=_name(found[1])) if found else None

    def _guests(self) -> tuple[Guest, ...]:
        guests: dict[str, Guest] = {}
        for line in self._block.all("ATTENDEE", self._notes):
            found = self._person(line)
            if found is None:
                continue
            guest = self._guest(*found)
            before = guests.setdefault(guest.email, guest)
            one, other = (guest.partstat_text or guest.partstat.value for guest in (before, guest))
            if one != other:
                self._notes.add(f"{guest.email} is there twice with different answers; neither was taken.")
                guests[guest.email] = replace(before, partstat=PartStat.NEEDS_ACTION, partstat_text=f"{one} / {other}")
        return tuple(guests.values())

    def _guest(self, email: str, params: dict[str, str]) -> Guest:
        text = params.get("PARTSTAT", "NEEDS-ACTION").upper()
        partstat = _PARTSTATS.get(text)
        if partstat is None:
            self._notes.add(f"{email} answered “{clean_name(text)[:40]}”, which is no answer that can be counted.")
        return Guest(
            email=email,
            name=_name(params),
            role=_ROLES.get(params.get("ROLE", "").upper(), Role.REQ_PARTICIPANT),  # RFC 5545 3.2.16: so count unknown ones
            partstat=partstat or PartStat.NEEDS_ACTION,
            partstat_text="" if partstat else clean_name(text) or "?",
            rsvp=params.get("RSVP", "").upper() == "TRUE",
            schedule_agent=params.get("SCHEDULE-AGENT", "").upper() or None,
            schedule_status=params.get("SCHEDULE-STATUS") or None,
            delegated_from=_address(params.get("DELEGATED-FROM", "")),
            delegated_to=_address(params.get("DELEGATED-TO", "")),
            sent_by=_address(params.get("SENT-BY", "")),
            alias=_address(params.get("EMAIL", "")),
            comment=clean_text(_unquoted(params.get("X-RESPONSE-COMMENT", ""))).strip(),
        )

    def _person(self, line: Line) -> tuple[str, dict[str, str]] | None:
        """The address of a cal-address line and its parameters, in whatever form programs write it."""
        for one in (line, loose_line(line.text) or line):
            angled = _ANGLED.search(one.value)
            for text in (one.value, angled[1] if angled else "", one.params.get("EMAIL", "")):
                try:
                    return normal(text), one.params
                except Rejected:
                    continue
        if "nomail" not in line.value.lower():  # what some servers write for people without an address
            self._notes.add(f"{line.name} “{clean_name(line.value)[:60]}” has no mail address and was left out.")
        return None


def _address(text: str) -> str:
    """The first address of a parameter in its compared form, or ""."""
    try:
        return normal(text.partition(",")[0].strip('" ')) if text else ""
    except Rejected:
        return ""


def _name(params: dict[str, str]) -> str:
    return clean_name(_unquoted(params.get("CN", "")))


def _unescaped(text: str) -> str:
    return clean_text(_ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], text))


def _unquoted(text: str) -> str:
    """RFC 6868, and the backslashes that programs put into parameters although RFC 5545 has none there."""
    return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], _CARET.sub(lambda found: _CARETS[found[0]], text))
