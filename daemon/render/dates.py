"""Dates and durations written out for people, in German and English, always with their zone (design 4.6).

Month and weekday names and German zone abbreviations are Babel's (CLDR); the order of the parts is ours, so that an update of the
locale data cannot turn the mails around. English is written the international way: day before month, 24 hours.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache

from babel.core import Locale
from babel.dates import format_date, get_timezone_name

from daemon.core import zones
from daemon.core.model import Language, When

_LOCALES = {Language.DE: Locale("de"), Language.EN: Locale("en", "GB")}
_LONG = {Language.DE: "EEEE, d. MMMM y", Language.EN: "EEEE, d MMMM y"}
_SHORT = {Language.DE: "EE, d. MMMM y", Language.EN: "EE, d MMMM y"}
_DAY = {Language.DE: "d. MMMM y", Language.EN: "d MMMM y"}
_UNITS = {
    Language.DE: {"minute": ("Minute", "Minuten"), "hour": ("Stunde", "Stunden"), "day": ("Tag", "Tagen")},
    Language.EN: {"minute": ("minute", "minutes"), "hour": ("hour", "hours"), "day": ("day", "days")},
}
_MINUTE, _HOUR, _DAYS = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@lru_cache(maxsize=4096)
def long_date(when: When, language: Language, zone: str | None = None) -> str:
    """Return weekday, date, start and end with zone name, abbreviation and offset; `zone`: as it is in that zone instead.

    "Dienstag, 1. Dezember 2026, 09:00–10:00 Uhr (Europe/Berlin, MEZ, UTC+1)". Over a clock change each end has its own offset.
    """
    start, end = _ends(when, zone)
    name = _zone_name(start)
    if when.all_day:
        last = end - _DAYS if when.duration >= 2 * _DAYS else start
        days = _days(start, last, _LONG[language], language)
        return f"{days}, {'ganztägig' if language is Language.DE else 'all day'} ({_comma(name, *_mark(start, language))})"
    one_offset = start.utcoffset() == end.utcoffset()
    zoned = f" ({_comma(name, *_mark(start, language))})" if one_offset else f" ({name})"
    first = f"{_date(start, _LONG[language], language)}, {_time(start)}"
    uhr = " Uhr" if language is Language.DE else ""
    if start == end:
        return f"{first}{uhr}{zoned}"
    if one_offset and start.date() == end.date():
        return f"{first}–{_time(end)}{uhr}{zoned}"
    to = "bis" if language is Language.DE else "to"
    last_day = "" if start.date() == end.date() else f"{_date(end, _LONG[language], language)}, "
    if one_offset:
        return f"{first}{uhr} {to} {last_day}{_time(end)}{uhr}{zoned}"
    one, other = (f" ({_comma(*_mark(moment, language))})" for moment in (start, end))
    return f"{first}{uhr}{one} {to} {last_day}{_time(end)}{uhr}{other}, {name}"


@lru_cache(maxsize=4096)
def short_date(when: When, language: Language) -> str:
    """Return date and start with a zone mark, for a subject line: "Di., 1. Dezember 2026, 09:00 Uhr MEZ"."""
    start, end = _ends(when, None)
    mark = _mark(start, language)[0]
    if when.all_day:
        last = end - _DAYS if when.duration >= 2 * _DAYS else start
        return f"{_days(start, last, _SHORT[language], language)} ({_zone_name(start)})"
    return f"{_date(start, _SHORT[language], language)}, {_time(start)}{' Uhr' if language is Language.DE else ''} {mark}"


@lru_cache(maxsize=4096)
def list_date(when: When, language: Language) -> str:
    """Return one line of a list of dates: "Di., 1. Dezember 2026, 09:00–10:00 Uhr (MEZ, UTC+1)", for a list below a long date."""
    start, end = _ends(when, None)
    if when.all_day:
        last = end - _DAYS if when.duration >= 2 * _DAYS else start
        return _days(start, last, _SHORT[language], language)
    uhr = " Uhr" if language is Language.DE else ""
    until = f"–{_time(end)}" if start.date() == end.date() and start.utcoffset() == end.utcoffset() and start != end else ""
    return f"{_date(start, _SHORT[language], language)}, {_time(start)}{until}{uhr} ({_comma(*_mark(start, language))})"


@lru_cache(maxsize=4096)
def day(moment: date, language: Language) -> str:
    """Return a date without its weekday: "30. März 2027"."""
    return _date(moment, _DAY[language], language)


@lru_cache(maxsize=1024)
def weekday_and_day(moment: date, language: Language) -> str:
    """Return a date with its weekday: "Dienstag, 1. Dezember 2026"."""
    return _date(moment, _LONG[language], language)


@lru_cache(maxsize=256)
def weekday(index: int, language: Language) -> str:
    """Return the name of a weekday, Monday = 0."""
    return str(_LOCALES[language].days["format"]["wide"][index])


@lru_cache(maxsize=256)
def month(number: int, language: Language) -> str:
    """Return the name of a month, January = 1."""
    return str(_LOCALES[language].months["format"]["wide"][number])


@lru_cache(maxsize=1024)
def how_long(duration: timedelta, language: Language) -> str:
    """Return a duration rounded to what one would say, in the dative as after "in": "15 Minuten", "24 Stunden", "3 Tagen"."""
    minutes = max(1, round(duration / _MINUTE))
    if minutes < 100 and minutes % 60:
        return _counted(minutes, "minute", language)
    hours = round(duration / _HOUR)
    if hours < 48:
        return _counted(hours, "hour", language)
    return _counted(round(duration / _DAYS), "day", language)


def moment(instant: datetime, zone: str, language: Language) -> str:
    """Return an instant (UTC) as date and time in a zone: "Mo., 30. November 2026, 14:05 Uhr MEZ"."""
    return short_date(When(start=zones.to_wall(instant, zone), zone=zone, duration=timedelta(0)), language)


def same_moment(one: When, other: When) -> bool:
    """True if both begin at the same instant and are of one kind (timed or all-day)."""
    return one.all_day == other.all_day and zones.span(one)[0] == zones.span(other)[0]


def same_clock(when: When, zone: str) -> bool:
    """True if a person in `zone` reads the same times on the clock as stand in `when`."""
    (start, end), (there_start, there_end) = _ends(when, None), _ends(when, zone)
    return start.replace(tzinfo=None) == there_start.replace(tzinfo=None) and end.replace(tzinfo=None) == there_end.replace(
        tzinfo=None
    )


def _ends(when: When, zone: str | None) -> tuple[datetime, datetime]:
    start, end = zones.span(when)
    there = zones.zone(zone or when.zone)
    return start.astimezone(there), end.astimezone(there)


def _date(moment: date, pattern: str, language: Language) -> str:
    return format_date(moment, pattern, locale=_LOCALES[language])


def _days(first: datetime, last: datetime, pattern: str, language: Language) -> str:
    if first.date() == last.date():
        return _date(first, pattern, language)
    return f"{_date(first, pattern, language)} – {_date(last, pattern, language)}"


def _time(moment: datetime) -> str:
    return f"{moment.hour:02d}:{moment.minute:02d}"


def _zone_name(moment: datetime) -> str:
    return str(moment.tzinfo)


def _mark(moment: datetime, language: Language) -> tuple[str, ...]:
    """The abbreviation people know, where there is one, and the offset."""
    short = (
        get_timezone_name(moment, width="short", locale=_LOCALES[language]) if language is Language.DE else moment.tzname() or ""
    )
    if not short.isalpha():
        short = moment.tzname() or ""
    offset = moment.utcoffset() or timedelta(0)
    minutes = abs(offset) // _MINUTE
    sign = "−" if offset < timedelta(0) else "+"
    shift = f"UTC{sign}{minutes // 60}" + (f":{minutes % 60:02d}" if minutes % 60 else "")
    # tzdata names zones without an abbreviation by digits ("+04"): the offset says that already.
    return (short, shift) if short.isalpha() and short != "UTC" else (shift,) if short != "UTC" else ("UTC",)


def _comma(*parts: str) -> str:
    return ", ".join(dict.fromkeys(parts))


def _counted(number: int, unit: str, language: Language) -> str:
    return f"{number} {_UNITS[language][unit][0 if number == 1 else 1]}"
