"""From a MailContext to the words templates put in place: dates in the language, cleaned texts, what exactly moved."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any

from daemon.core import numbers
from daemon.core.model import Language, When
from daemon.render import dates
from daemon.render.context import Change, ChangedField, MailContext, People, ShownDate, Trouble
from daemon.render.lines import href, one_line, safe
from daemon.render.rule_words import words

_MOST_NAMES = 12
_MOST_DATES = 6
_SUBJECT_TITLE = 80


class Shift(StrEnum):
    """How the date differs from what was told. Templates compare with the values."""

    NONE = ""
    MOVED = "moved"  # starts at another moment
    LENGTH = "length"  # only lasts shorter or longer
    RESTATED = "restated"  # the same moment, in another zone
    NEW = "new"  # there was no date


def view(context: MailContext, language: Language) -> dict[str, Any]:
    """Return the variables of a mail template. Every text is cleaned; empty strings and tuples mean: nothing to say."""
    title = one_line(context.title) or "–"
    when = context.date.when if context.date else None
    return {
        "lang": language.value,
        "owner": one_line(context.owner_name, 100) or context.owner_email,
        "owner_email": one_line(context.owner_email),
        "recipient": one_line(context.recipient_name, 100),
        "title": title,
        "subject_title": one_line(title, _SUBJECT_TITLE),
        "description": safe(context.description),
        "location": one_line(context.location),
        "number": numbers.shown(context.number) if context.number else "",
        "link": href(context.link),
        "join_page": href(context.join_page),
        "start_link": href(context.start_link),
        "answer_link": href(context.answer_link),
        "dial_in": safe(context.dial_in),
        "password": one_line(context.password),
        "when": _long(context.date, language),
        "when_there": _there(context.date, language),
        "when_short": dates.short_date(when, language) if when else "",
        "before": _long(context.before, language),
        "before_short": dates.short_date(context.before.when, language) if context.before else "",
        "shift": _shift(context.before, context.date).value,
        "rule": words(context.rrule, when, language) if context.rrule and when else "",
        "series": bool(context.series or context.rrule),
        "next_dates": tuple(dates.list_date(one, language) for one in context.next_dates[:_MOST_DATES]),
        "original": dates.weekday_and_day(context.recurrence_id, language) if context.recurrence_id else "",
        "changes": tuple(
            _change(one, when, language)
            for one in context.changes
            if one.field is not ChangedField.WHEN or context.before is None
        ),
        "asks": context.asks,
        "reason": safe(context.reason),
        "starts_in": _starts_in(context, language),
        "reminded": context.reminded,
        "people": _people(context.people),
        "trouble": _trouble(context.trouble, when, language),
    }


def _long(shown: ShownDate | None, language: Language) -> str:
    return dates.long_date(shown.when, language) if shown else ""


def _there(shown: ShownDate | None, language: Language) -> str:
    if shown is None or shown.zone is None or shown.when.all_day or dates.same_clock(shown.when, shown.zone):
        return ""
    return dates.long_date(shown.when, language, shown.zone)


def _shift(before: ShownDate | None, now: ShownDate | None) -> Shift:
    if now is None or (before is not None and before.when == now.when):
        return Shift.NONE
    if before is None:
        return Shift.NEW
    if not dates.same_moment(before.when, now.when):
        return Shift.MOVED
    return Shift.LENGTH if before.when.duration != now.when.duration else Shift.RESTATED


def _starts_in(context: MailContext, language: Language) -> str:
    left = context.starts_in if context.starts_in is not None else context.offset
    return dates.how_long(left, language) if left is not None and left > timedelta(0) else ""


def _change(change: Change, when: When | None, language: Language) -> dict[str, Any]:
    return {
        "field": change.field.value,
        "old": _value(change, change.old, when, language),
        "new": _value(change, change.new, when, language),
    }


def _value(change: Change, value: object, when: When | None, language: Language) -> str | tuple[str, ...]:
    match change.field, value:
        case _, None:
            return ""
        case _, When():
            return dates.long_date(value, language)
        case ChangedField.RRULE, str():
            # "?" : there is a rule, but no words for it; the template says so.
            return (words(value, when, language) or "?") if value and when else ""
        case _, str():
            return one_line(value)
        case _, tuple():
            return tuple(dates.list_date(one, language) if isinstance(one, When) else one_line(str(one), 100) for one in value)
        case _:
            raise TypeError(f"a change of {change.field} cannot hold {value!r}")


def _people(people: People | None) -> tuple[dict[str, Any], ...]:
    """The groups that are not empty, in the order in which an owner wants to know."""
    if people is None:
        return ()
    groups: tuple[tuple[str, Sequence[str]], ...] = (
        ("accepted", people.accepted),
        ("tentative", people.tentative),
        ("delegated", people.delegated),
        ("declined", people.declined),
        ("outdated", people.outdated),
        ("silent", people.silent),
        ("unreached", people.unreached),
    )
    return tuple(
        {
            "key": key,
            "count": len(names),
            "names": ", ".join(one_line(name, 80) for name in names[:_MOST_NAMES]),
            "more": max(0, len(names) - _MOST_NAMES),
        }
        for key, names in groups
        if names
    )


def _trouble(trouble: Trouble | None, when: When | None, language: Language) -> dict[str, Any] | None:
    if trouble is None:
        return None
    zone = when.zone if when else "UTC"
    until = dates.moment(trouble.until, zone, language) if trouble.until else ""
    return {
        "about": trouble.about.value,
        "mail": trouble.mail,
        "people": tuple(one_line(name, 160) for name in trouble.people[:_MOST_NAMES]),
        "count": len(trouble.people),
        "more": max(0, len(trouble.people) - _MOST_NAMES),
        "calendar": one_line(trouble.calendar, 100),
        "reply": one_line(trouble.reply, 600),
        "tried": trouble.tried,
        "retrying": trouble.retrying,
        "unreachable": trouble.unreachable,
        "until": until,
    }
