"""Our calendar objects as text (RFC 5545), and the entrance to reading foreign ones (`ics_read`).

One writer for iTIP messages and for copies in calendars. Written line by line because mails are the hot path and because every
line is ours: no library decides what Outlook gets to see. Not here: what a message asks for (`itip`), zone rules (`zones`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import quote

from daemon.core import zones
from daemon.core.addresses import clean_name, clean_text
from daemon.core.ics_read import Parsed, parse_calendar
from daemon.core.model import Component, Event, Guest, Method, Organizer, Status, When, require_utc

__all__ = [
    "PRODID",
    "Parsed",
    "build_calendar",
    "compared_rule",
    "compared_text",
    "compared_when",
    "events",
    "parse_calendar",
    "same_event",
]

PRODID = "-//Sitzungsplaner//Sitzungsplaner//DE"

_HORIZON_YEARS = 10  # how far beyond today the zone rules written for an endless series hold
_DAY = timedelta(days=1)
_UNTIL = re.compile(r"UNTIL=(\d{4})(\d{2})(\d{2})")
_BREAKS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_NO_TOKEN = re.compile(r"[^A-Za-z0-9.-]")
_NO_RECUR = re.compile(r"[^A-Za-z0-9=;,:+-]")
_ESCAPES = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})


def build_calendar(components: Sequence[Component], *, method: Method | None, dtstamp: datetime) -> bytes:
    """Return one VCALENDAR: CRLF, folded at 75 octets, with a VTIMEZONE of ours for each zone in use (RFC 5545 3.4, 3.6.5).

    `method` None gives an object for a calendar, which has no METHOD (RFC 4791 4.1) and keeps SCHEDULE-AGENT. A component's own
    `dtstamp` wins over the argument, which is UTC. A component without `when` is written without DTSTART.
    Raises Rejected for an unknown zone.
    """
    require_utc(dtstamp, "dtstamp")
    masters = {one.uid: one for one in components if one.recurrence_id is None}
    lines = [b"BEGIN:VCALENDAR", b"VERSION:2.0", f"PRODID:{PRODID}".encode()]
    if method is not None:
        lines.append(f"METHOD:{method}".encode())
    body: list[bytes] = []
    used: dict[str, list[datetime]] = {}
    for one in components:
        body += _vevent(one, masters.get(one.uid, one), method, dtstamp, used)
    for zone, moments in used.items():
        lines.append(_vtimezone(zone, min(moments), max(moments)))
    return b"\r\n".join([*lines, *body, b"END:VCALENDAR", b""])


def events(parsed: Parsed) -> tuple[Event, ...]:
    """Return the components grouped by UID in order of appearance, the master first. One without UID stands alone."""
    groups: dict[str, list[Component]] = {}
    for index, one in enumerate(parsed.components):
        groups.setdefault(one.uid or f"\n{index}", []).append(one)
    return tuple(
        Event(components=tuple(sorted(group, key=lambda one: one.recurrence_id is not None))) for group in groups.values()
    )


def same_event(one: Event, other: Event) -> bool:
    """True if a person would call both the same.

    Compared: instants (for series also later in the year), rule, cancelled dates, status, texts but for blanks at line ends,
    organizer's address, categories, and each attendee with his answer. Ignored is what servers and programs rewrite: SEQUENCE,
    DTSTAMP, order, names, the spelling of zones, alarms, the organizer's own ATTENDEE line.
    """
    return one.uid == other.uid and _compared_event(one) == _compared_event(other)


def _compared_event(event: Event) -> frozenset[tuple[object, ...]]:
    return frozenset(_compared(one) for one in event.components)


def _compared(one: Component) -> tuple[object, ...]:
    when = one.when
    organizer = one.organizer.email.lower() if one.organizer else ""
    return (
        _compared_id(one),
        compared_when(when, series=bool(one.rrule)) if when else None,
        compared_rule(one.rrule or ""),
        frozenset(_instant(wall, when) for wall in one.rdates if when),
        frozenset(_instant(wall, when) for wall in one.exdates if when),
        one.status,
        *(compared_text(text) for text in (one.title, one.description, one.location, one.url, one.comment)),
        organizer,
        frozenset((guest.email.lower(), guest.partstat) for guest in one.guests if guest.email.lower() != organizer),
        frozenset(category.casefold() for category in _categories(one)),
    )


def _compared_id(one: Component) -> datetime | None:
    found = one.recurrence_id
    if found is None or one.recurrence_id_is_date:
        return found
    if found.tzinfo is None:
        return _instant(found, one.when) if one.when else found
    return found.astimezone(UTC)


def compared_when(when: When, *, series: bool) -> tuple[object, ...]:
    """Return what is equal for two dates, or times of a series, that mean the same instants, however their zones are spelled."""
    later = (when.start + k * 91 * _DAY for k in range(4 if series else 1))
    return (when.all_day, when.duration, *(_instant(wall, when) for wall in later))


def _instant(wall: datetime, when: When) -> datetime:
    return wall if when.all_day else zones.to_utc(wall, when.zone)


def compared_rule(rule: str) -> frozenset[tuple[str, frozenset[str]]]:
    """Return what is equal for two recurrence rules that differ in the order of their parts or spell out a default."""
    parts = (part.partition("=") for part in rule.upper().split(";") if part not in ("INTERVAL=1", "WKST=MO"))
    return frozenset((name, frozenset(value.split(","))) for name, _, value in parts)


def compared_text(text: str) -> str:
    """Return the text without what servers change: blanks at the ends of lines, empty lines around it, control characters."""
    return "\n".join(line.rstrip() for line in clean_text(text).split("\n")).strip()


def _vevent(
    one: Component, master: Component, method: Method | None, dtstamp: datetime, used: dict[str, list[datetime]]
) -> Iterator[bytes]:
    stamp = one.dtstamp or dtstamp
    yield b"BEGIN:VEVENT"
    yield _text("UID", one.uid)
    yield f"DTSTAMP:{stamp:%Y%m%dT%H%M%SZ}".encode()
    if one.when is not None:
        yield from _times(one, one.when, stamp, used)
    if one.recurrence_id is not None:
        yield _recurrence_id(one, one.recurrence_id, master, used)
    yield f"SEQUENCE:{one.sequence}".encode()
    yield f"STATUS:{Status.CANCELLED if method is Method.CANCEL else one.status}".encode()
    yield _text("SUMMARY", one.title)
    for name, value in (("DESCRIPTION", one.description), ("LOCATION", one.location), ("COMMENT", one.comment)):
        if value:
            yield _text(name, value)
    if url := "".join(_BREAKS.sub("", one.url).split()):
        yield _folded(f"URL:{url}")
    for category in _categories(one):
        yield _text("CATEGORIES", category)
    if one.organizer is not None:
        yield _organizer(one.organizer)
    for guest in one.guests:
        yield _attendee(guest, in_calendar=method is None)
    yield b"TRANSP:OPAQUE\r\nX-MICROSOFT-CDO-BUSYSTATUS:BUSY"
    if one.alarm is not None:
        yield b"BEGIN:VALARM\r\nACTION:DISPLAY\r\n" + _text("DESCRIPTION", one.title or "!")
        yield f"TRIGGER:{_trigger(one.alarm)}\r\nEND:VALARM".encode()
    yield b"END:VEVENT"


def _categories(one: Component) -> Iterator[str]:
    return (clean for category in one.categories if (clean := " ".join(clean_text(category).split())))


def _times(one: Component, when: When, stamp: datetime, used: dict[str, list[datetime]]) -> Iterator[bytes]:
    start, end = zones.span(when)
    yield _time("DTSTART", when.start, when)
    if when.all_day:
        yield _time("DTEND", when.start + max(when.duration, _DAY), when)
        yield b"X-MICROSOFT-CDO-ALLDAYEVENT:TRUE"
    else:
        end_wall = zones.to_wall(end, when.zone)
        # A wall time that occurs twice means the first one; an end in the second is written in UTC (RFC 5545 3.8.2.2 allows it).
        twice = zones.to_utc(end_wall, when.zone) != end
        if when.duration:  # DTEND must be later than DTSTART
            yield f"DTEND:{end:%Y%m%dT%H%M%SZ}".encode() if twice else _time("DTEND", end_wall, when)
        used_here = [start, end, *(zones.to_utc(wall, when.zone) for wall in (*one.rdates, *one.exdates))]
        if one.rrule:
            used_here.append(_last_moment(one.rrule, max(start, stamp)))
        _use(used, when.zone, used_here)
    if one.rrule:
        yield _folded(f"RRULE:{_NO_RECUR.sub('', one.rrule)}")
    for name, walls in (("RDATE", one.rdates), ("EXDATE", one.exdates)):
        for wall in walls:
            yield _time(name, wall, when)


def _use(used: dict[str, list[datetime]], zone: str, moments: list[datetime]) -> None:
    if not _is_utc(zone):
        used.setdefault(zones.zone(zone).key, []).extend(moments)


def _last_moment(rule: str, start: datetime) -> datetime:
    last_year = min(start.year + _HORIZON_YEARS, 9998)
    until = _UNTIL.search(rule.upper())
    if until is not None and int(until[1]) < last_year:
        last_year = max(int(until[1]), start.year)
    return datetime(last_year, 12, 31, tzinfo=UTC)


def _is_utc(zone: str) -> bool:
    return zone in ("UTC", "Etc/UTC")


def _time(name: str, wall: datetime, when: When) -> bytes:
    if when.all_day:
        return f"{name};VALUE=DATE:{wall:%Y%m%d}".encode()
    if _is_utc(when.zone):
        return f"{name}:{wall:%Y%m%dT%H%M%SZ}".encode()
    return _folded(f"{name};TZID={zones.zone(when.zone).key}:{wall:%Y%m%dT%H%M%S}")


def _recurrence_id(one: Component, found: datetime, master: Component, used: dict[str, list[datetime]]) -> bytes:
    """The original start with the value type and TZID of the master's DTSTART; without a master, of the component's own."""
    when = master.when
    if one.recurrence_id_is_date or (when is not None and when.all_day):
        return f"RECURRENCE-ID;VALUE=DATE:{found:%Y%m%d}".encode()
    if when is None:
        moment = zones.to_utc(found, "UTC") if found.tzinfo is None else found.astimezone(UTC)
        return f"RECURRENCE-ID:{moment:%Y%m%dT%H%M%SZ}".encode()
    if found.tzinfo is None or getattr(found.tzinfo, "key", None) == when.zone:
        wall = found.replace(tzinfo=None)  # also where a clock change skips it: it is a name
    else:
        wall = zones.to_wall(found.astimezone(UTC), when.zone)
    _use(used, when.zone, [zones.to_utc(wall, when.zone)])
    return _time("RECURRENCE-ID", wall, when)


@lru_cache(maxsize=256)
def _vtimezone(zone: str, first: datetime, last: datetime) -> bytes:
    return zones.vtimezone(zone, (first, last)).removesuffix("\r\n").encode()


def _trigger(before: timedelta) -> str:
    sign, seconds = ("-", before) if before >= timedelta(0) else ("", -before)
    if seconds and not seconds % _DAY:
        return f"{sign}P{seconds.days}D"
    minutes, rest = divmod(int(seconds.total_seconds()), 60)
    return f"{sign}PT{minutes}M{f'{rest}S' if rest else ''}"


@lru_cache(maxsize=512)
def _organizer(organizer: Organizer) -> bytes:
    # In quotes because of the colon: without them Gmail shows an unknown organizer.
    by = f';SENT-BY="{_mailto(organizer.sent_by)}"' if organizer.sent_by else ""
    alias = f";EMAIL={organizer.alias}" if organizer.alias else ""
    return _folded(f"ORGANIZER{_cn(organizer.name)}{by}{alias}:{_mailto(organizer.email)}")


@lru_cache(maxsize=4096)
def _attendee(guest: Guest, *, in_calendar: bool) -> bytes:
    rsvp = ";RSVP=TRUE" if guest.rsvp else ""
    agent = f";SCHEDULE-AGENT={_NO_TOKEN.sub('', guest.schedule_agent)}" if in_calendar and guest.schedule_agent else ""
    by = "".join(
        f';{name}="{_mailto(email)}"'
        for name, email in (("DELEGATED-FROM", guest.delegated_from), ("DELEGATED-TO", guest.delegated_to))
        if email
    )
    return _folded(
        f"ATTENDEE;CUTYPE=INDIVIDUAL;ROLE={guest.role};PARTSTAT={guest.partstat}{rsvp}{_cn(guest.name)}{by}{agent}"
        f":{_mailto(guest.email)}"
    )


def _cn(name: str) -> str:
    clean = clean_name(name)
    if not clean:
        return ""
    return f';CN="{clean}"' if any(c in clean for c in ",;:") else f";CN={clean}"


def _mailto(email: str) -> str:
    return "mailto:" + quote("".join(email.split()), safe="@!$&'*+-./=^_`{|}~")


def _text(name: str, value: str) -> bytes:
    # The search is quicker than the cleaning, which is needed only for foreign texts.
    clean = clean_text(value) if _BREAKS.search(value) else value
    return _folded(f"{name}:{clean.translate(_ESCAPES)}")


def _folded(line: str) -> bytes:
    data = line.encode()
    if len(data) <= 75:
        return data
    pieces = []
    start, room = 0, 75
    while len(data) - start > room:
        end = start + room
        while data[end] & 0xC0 == 0x80:  # never inside a character
            end -= 1
        pieces.append(data[start:end])
        start, room = end, 74
    return b"\r\n ".join([*pieces, data[start:]])
