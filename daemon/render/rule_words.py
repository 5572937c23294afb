"""Recurrence rules (RFC 5545 3.3.10) in words: what a person would say, in German and English.

Every rule that a new entry may have (and many more) gets its own words; a rule that cannot be said in one breath gets none, then
the mail shows its next dates only. Never raises: a foreign calendar's rule may hold anything.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache

from daemon.core import zones
from daemon.core.model import Language, When
from daemon.render import dates

_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_KNOWN = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "WKST"}
_UNITS = {
    Language.DE: {"DAILY": "Tage", "WEEKLY": "Wochen", "MONTHLY": "Monate", "YEARLY": "Jahre"},
    Language.EN: {"DAILY": "days", "WEEKLY": "weeks", "MONTHLY": "months", "YEARLY": "years"},
}
_GERMAN_ORDINALS = {1: "ersten", 2: "zweiten", 3: "dritten", 4: "vierten", 5: "fünften", -1: "letzten", -2: "vorletzten"}
_ENGLISH_ORDINALS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last", -2: "second-to-last"}
_ORDINALS = {Language.DE: _GERMAN_ORDINALS, Language.EN: _ENGLISH_ORDINALS}


class _NoWordsError(Exception):
    """This rule cannot be said in one breath."""


@lru_cache(maxsize=2048)
def words(rule: str, when: When, language: Language) -> str:
    """Return the rule in words, "" if it has none.

    "jeden Montag und Mittwoch, 10 Mal", "every 2 weeks on Tuesday until 30 March 2027".

    `when` is the first date: it supplies what the rule leaves out, and the zone in which UNTIL is read.
    """
    try:
        return _Words(rule, when, language).say()
    except (_NoWordsError, ValueError, OverflowError):
        return ""


class _Words:
    """One rule being said. Weekdays are (ordinal or 0, index with Monday = 0)."""

    def __init__(self, rule: str, when: When, language: Language) -> None:
        pairs = [part.partition("=") for part in rule.upper().removeprefix("RRULE:").split(";") if part]
        self.parts = {name.strip(): value.strip() for name, _, value in pairs}
        if not set(self.parts) <= _KNOWN or self.parts.get("FREQ") not in _UNITS[language]:
            raise _NoWordsError
        self.when = when
        self.language = language
        self.german = language is Language.DE
        self.interval = int(self.parts.get("INTERVAL", "1"))
        self.weekdays = tuple(_weekday(text) for text in self._list("BYDAY"))
        self.month_days = tuple(int(text) for text in self._list("BYMONTHDAY"))
        self.months = tuple(sorted(int(text) for text in self._list("BYMONTH")))
        self.positions = tuple(int(text) for text in self._list("BYSETPOS"))
        if self.interval < 1 or any(not 1 <= number <= 12 for number in self.months):
            raise _NoWordsError

    def say(self) -> str:
        match self.parts["FREQ"]:
            case "DAILY":
                said = self._daily()
            case "WEEKLY":
                said = self._weekly()
            case "MONTHLY":
                said = self._monthly()
            case _:
                said = self._yearly()
        return said + self._end()

    def _list(self, name: str) -> list[str]:
        return [text for text in self.parts.get(name, "").split(",") if text]

    def _every(self, unit: str) -> str:
        return f"{'alle' if self.german else 'every'} {self.interval} {_UNITS[self.language][unit]}"

    def _daily(self) -> str:
        self._refuse(bool(self.month_days or self.positions or (self.weekdays and self.interval > 1)))
        if self.weekdays:
            return self._weekly()
        said = self._every("DAILY") if self.interval > 1 else "jeden Tag" if self.german else "every day"
        return said + self._only_in_months()

    def _weekly(self) -> str:
        self._refuse(bool(self.month_days or self.positions or any(ordinal for ordinal, _ in self.weekdays)))
        chosen = tuple(sorted({index for _, index in self.weekdays})) or (self.when.start.weekday(),)
        one_week = self.interval == 1
        if len(chosen) == 7:
            said = (
                ("jeden Tag" if self.german else "every day") if one_week else ("an jedem Tag" if self.german else "on every day")
            )
        elif chosen == (0, 1, 2, 3, 4):
            name = self._group(chosen)
            said = (
                (f"jeden {name}" if self.german else f"every {name}")
                if one_week
                else (f"an jedem {name}" if self.german else f"on every {name}")
            )
        else:
            names = self._names(chosen)
            said = (
                (f"jeden {names}" if self.german else f"every {names}")
                if one_week
                else (f"am {names}" if self.german else f"on {names}")
            )
        return (said if one_week else f"{self._every('WEEKLY')} {said}") + self._only_in_months()

    def _monthly(self) -> str:
        if self.months:
            self._refuse(self.interval > 1)
            return self._in_months(self.months)
        day = self._day_of_period(month=None)
        if self.interval > 1:
            return f"{self._every('MONTHLY')} {day}"
        return f"{day}{self._of('jedes Monats', 'of every month')}{self._skipped(None)}"

    def _yearly(self) -> str:
        if not self.months and (self.weekdays or self.positions) and not self.month_days:
            day = self._day_of_period(month=None)
            every = self._every("YEARLY") if self.interval > 1 else "jedes Jahr" if self.german else "every year"
            return f"{every} {day}{self._of('des Jahres', 'of the year')}"
        if not self.months and self.month_days:
            self._refuse(self.interval > 1)  # "the 15th of every month, every second year"
            return self._monthly()
        return self._in_months(self.months or (self.when.start.month,))

    def _in_months(self, months: tuple[int, ...]) -> str:
        """A day of one or several months of the year."""
        every = self._every("YEARLY") if self.interval > 1 else "jedes Jahr" if self.german else "every year"
        names = self._joined([dates.month(number, self.language) for number in months])
        if not self.weekdays and not self.positions:
            day = self._month_day()
            if day > 0:
                return (
                    f"{every} am {day}. {names}{self._skipped(months)}"
                    if self.german
                    else f"{every} on {day} {names}{self._skipped(months)}"
                )
        within = self._of(f"im {names}", f"of {names}" if len(months) == 1 else f"in {names}")
        return f"{every} {self._day_of_period(month=months)}{within}"

    def _day_of_period(self, *, month: tuple[int, ...] | None) -> str:
        """The chosen day within a month or a year: "am letzten Freitag", "on the 15th"."""
        if not self.weekdays:
            self._refuse(bool(self.positions))
            day = self._month_day()
            if abs(day) > 31 or day == 0:
                raise _NoWordsError
            if day > 0:
                said = f"am {day}." if self.german else f"on the {_numbered(day)}"
                return said + (self._skipped(month) if self.interval > 1 else "")
            return f"am {self._ordinal(day)} Tag" if self.german else f"on the {self._ordinal(day)} day"
        self._refuse(bool(self.month_days))
        ordinals = {ordinal for ordinal, _ in self.weekdays}
        chosen = tuple(sorted({index for _, index in self.weekdays}))
        if self.positions:
            self._refuse(ordinals != {0})
            which = self._joined([self._ordinal(position) for position in self.positions])
            name = self._group(chosen) or self._joined([dates.weekday(index, self.language) for index in chosen], either=True)
            return f"am {which} {name}" if self.german else f"on the {which} {name}"
        if ordinals == {0}:
            names = self._group(chosen) or self._names(chosen)
            return f"an jedem {names}" if self.german else f"on every {names}"
        self._refuse(0 in ordinals)
        if len(ordinals) == 1 or len(chosen) == 1:
            which = self._joined(
                [self._ordinal(ordinal) for ordinal, _ in dict.fromkeys(self.weekdays)]
                if len(chosen) == 1
                else [self._ordinal(*ordinals)]
            )
            return f"am {which} {self._names(chosen)}" if self.german else f"on the {which} {self._names(chosen)}"
        each = [f"{self._ordinal(ordinal)} {dates.weekday(index, self.language)}" for ordinal, index in self.weekdays]
        return f"am {self._joined(each, link='und am')}" if self.german else f"on the {self._joined(each, link='and the')}"

    def _month_day(self) -> int:
        self._refuse(len(self.month_days) > 1)
        return self.month_days[0] if self.month_days else self.when.start.day

    def _group(self, chosen: tuple[int, ...]) -> str:
        """The one word for several weekdays, if there is one."""
        match chosen:
            case (0, 1, 2, 3, 4):
                return "Werktag (Montag bis Freitag)" if self.german else "weekday (Monday to Friday)"
            case (5, 6):
                return "Wochenendtag (Samstag oder Sonntag)" if self.german else "weekend day (Saturday or Sunday)"
            case (0, 1, 2, 3, 4, 5, 6):
                return "Tag" if self.german else "day"
            case _:
                return ""

    def _ordinal(self, number: int) -> str:
        known = _ORDINALS[self.language].get(number)
        if known:
            return known
        if number == 0 or abs(number) > 366:
            raise _NoWordsError
        if number > 0:
            return f"{number}." if self.german else _numbered(number)
        return f"{-number}.-letzten" if self.german else f"{_numbered(-number)}-to-last"

    def _names(self, chosen: tuple[int, ...]) -> str:
        return self._joined([dates.weekday(index, self.language) for index in chosen])

    def _joined(self, items: list[str], *, either: bool = False, link: str = "") -> str:
        word = link or (("oder" if either else "und") if self.german else ("or" if either else "and"))
        return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"

    def _of(self, german: str, english: str) -> str:
        return f" {german if self.german else english}"

    def _only_in_months(self) -> str:
        if not self.months:
            return ""
        self._refuse(self.interval > 1)
        return f" {'im' if self.german else 'in'} {self._joined([dates.month(number, self.language) for number in self.months])}"

    def _skipped(self, months: tuple[int, ...] | None) -> str:
        """RFC 5545 3.3.10: a month (or year) without that day has no date. People expect the last day instead, so it is said."""
        day = self._month_day()
        if months == (2,) and day == 29:
            return " (nur in Schaltjahren)" if self.german else " (leap years only)"
        if months is None and day > 28:
            return " (entfällt in Monaten ohne diesen Tag)" if self.german else " (skipped in months without that day)"
        return ""

    def _end(self) -> str:
        if "COUNT" in self.parts:
            count = int(self.parts["COUNT"])
            if count == 1:
                return ", einmal" if self.german else ", once"
            return f", {count} Mal" if self.german else f", {count} times"
        if "UNTIL" in self.parts:
            return f" {'bis' if self.german else 'until'} {dates.day(self._until(), self.language)}"
        return ""

    def _until(self) -> date:
        text = self.parts["UNTIL"]
        if text.endswith("Z"):
            moment = datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            return zones.to_wall(moment, self.when.zone).date()
        return datetime.strptime(text[:8], "%Y%m%d").replace(tzinfo=UTC).date()

    def _refuse(self, unsayable: bool) -> None:
        if unsayable:
            raise _NoWordsError


def _weekday(text: str) -> tuple[int, int]:
    if text[-2:] not in _DAYS:
        raise _NoWordsError
    return int(text[:-2] or "0"), _DAYS.index(text[-2:])


def _numbered(number: int) -> str:
    suffix = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"
