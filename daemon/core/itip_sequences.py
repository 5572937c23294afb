"""Versions and what they were answered for: SEQUENCE (RFC 5546 2.1.4), the key of a schedule, and where each attendee stands.

A person's answer belongs to the schedule he was asked about. `schedule_key` names that schedule in a short text that is kept
with the answer, so a move asks again without forgetting anything, and a move taken back brings the answers back.
Not here: who is told (`itip_out`), what a reply does (`itip_reply`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta

from daemon.core import recurrence, zones
from daemon.core.model import Answer, Entry, EntryState, Occurrence, PartStat, When

_UNDATED = "undated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where an attendee stands. `answer` is the last one that bears on it; `outdated`: it was about another schedule."""

    partstat: PartStat
    answer: Answer | None
    outdated: bool


def schedule_key(when: When | None, rrule: str | None, rdates: tuple[datetime, ...]) -> str:
    """Return a short text that is the same for two schedules exactly if an answer to one is an answer to the other.

    The text is stored with answers, so it never changes between releases: 16 hexadecimal digits of SHA-256 over
    `single|START|DURATION` or `series|WALL START|ZONE|DURATION|RULE|RDATES`, START in UTC, durations in microseconds, the rule
    without COUNT and UNTIL and with its parts sorted; all-day dates have no zone. Where the rule ends follows as `:c4` or
    `:u20270131T090000Z` (`covers` compares it: a shortened series asks nobody again). Without a date: `undated`.
    A single entry is compared by its instant, so the same instant written in another zone is the same schedule; a series
    in another zone is another one, for it changes its clocks on other days.
    """
    if when is None:
        return _UNDATED
    lasts = when.duration // timedelta(microseconds=1)
    if not rrule and not rdates:
        start = f"{when.start:%Y-%m-%d}" if when.all_day else zones.to_utc(when.start, when.zone).isoformat()
        return _digest("single", start, str(lasts))
    parts = dict(part.upper().partition("=")[::2] for part in (rrule or "").split(";") if part)
    count, until = parts.pop("COUNT", ""), parts.pop("UNTIL", "")
    rule = ";".join(f"{name}={','.join(sorted(value.split(',')))}" for name, value in sorted(parts.items()))
    days = ",".join(wall.isoformat() for wall in sorted(rdates))
    where = "" if when.all_day else zones.zone(when.zone).key
    key = _digest("series", when.start.isoformat(), where, str(lasts), rule, days)
    return f"{key}:c{count}" if count else f"{key}:u{until}" if until else key


def covers(about: str, key: str) -> bool:
    """True if an answer about the schedule `about` holds for the schedule `key`: the same one, or it made shorter."""
    if about == key:
        return True
    (base, _, answered), (base_now, _, ends) = about.partition(":"), key.partition(":")
    if base != base_now:
        return False
    if not answered:
        return True  # he answered for ever; now it has an end
    if answered[:1] != ends[:1]:
        return False
    return int(ends[1:]) <= int(answered[1:]) if ends[0] == "c" else ends[:9] <= answered[:9]


def key_of(entry: Entry) -> str:
    """Return the schedule key of the entry as a whole."""
    return schedule_key(entry.when, entry.rrule, entry.rdates)


def when_of(entry: Entry, recurrence_id: datetime) -> When:
    """Return when the date of that name takes place: at its own time where it was moved. The entry has a date."""
    assert entry.when is not None
    own = occurrence_of(entry, recurrence_id)
    start = own.start if own is not None and own.start is not None else recurrence_id
    duration = own.duration if own is not None and own.duration is not None else entry.when.duration
    # One date of an all-day series may have been given a time of day.
    all_day = entry.when.all_day and start.time() == time.min and not duration % timedelta(days=1)
    return When(start=start, zone=entry.when.zone, duration=duration, all_day=all_day)


def occurrence_of(entry: Entry, recurrence_id: datetime | None) -> Occurrence | None:
    """Return what differs at the date of that name, or None if it is as the series says."""
    return next((one for one in entry.occurrences if one.recurrence_id == recurrence_id), None)


def standing(entry: Entry, email: str, recurrence_id: datetime | None = None) -> Standing:
    """Return where the attendee stands for the whole entry, or for one date of it (`recurrence_id`, original wall start).

    For one date: his answer to that very date if it is about the time the date has now; otherwise his answer to the series,
    unless the date was moved by itself; otherwise NEEDS-ACTION, outdated if he had said anything before.
    """
    return standings(entry, recurrence_id)(email)


def standings(entry: Entry, recurrence_id: datetime | None = None) -> Callable[[str], Standing]:
    """Return `standing` for many attendees of one entry or date: keys are computed once."""
    key = key_of(entry)
    to_series = {answer.attendee: answer for answer in entry.answers if answer.recurrence_id is None}

    def of_series(email: str) -> Standing:
        return _judged(to_series.get(email), key)

    if recurrence_id is None or entry.when is None:
        return of_series
    when = when_of(entry, recurrence_id)
    date_key = schedule_key(when, None, ())
    moved = date_key != schedule_key(replace(entry.when, start=recurrence_id), None, ())
    to_date = {answer.attendee: answer for answer in entry.answers if answer.recurrence_id == recurrence_id}

    def of_date(email: str) -> Standing:
        own = _judged(to_date.get(email), date_key)
        if own.answer is not None and not own.outdated:
            return own
        series = of_series(email)
        if moved or (own.answer is not None and (series.answer is None or series.outdated)):
            answer = own.answer or series.answer
            return Standing(partstat=PartStat.NEEDS_ACTION, answer=answer, outdated=answer is not None)
        return series

    return of_date


def with_sequences(before: Entry | None, after: Entry) -> Entry:
    """Return `after` with the SEQUENCE of the entry and of its dates raised as RFC 5546 2.1.4 asks, never lowered.

    Raised by one: start, duration, zone of a series, rule, place, cancelled or taken up again, date taken away. Not raised:
    title, text, attendees, answers, reminders, password, telephone, a first date. A date of its own goes beyond both itself
    and the series.

    Where the schedule of a series changed, dates of their own and answers to single dates that stand in `after` as they stood
    in `before` follow it: their names move by as much as the wall start, those that are no date any more are left out, and dates
    that were moved by themselves stay at the time they were moved to. What is new in `after` has the new schedule's names.
    """
    if before is None:
        return after
    moved = key_of(before) != key_of(after)
    shift = _shift(before, after)
    carried = _carried(before, after, shift) if moved else {one.recurrence_id: one for one in before.occurrences}
    sequence = max(before.sequence, after.sequence)
    if (moved and before.when is not None) or before.location != after.location or _off(before) != _off(after):
        # A date that is left out may come back one day; the series is then already newer than that date ever was.
        gone = [one.sequence for one in before.occurrences if one.recurrence_id + shift not in carried]
        sequence = max(max(before.sequence, *gone, 0) + 1, after.sequence)
    entry = replace(after, sequence=sequence)
    if after.when is None:
        return entry
    if moved:
        carried = {name: replace(one, sequence=max(one.sequence, sequence)) for name, one in carried.items()}
    return replace(
        entry,
        occurrences=_occurrences(before, entry, carried, shift),
        answers=_answers(before, after, shift) if moved else after.answers,
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]


def _judged(answer: Answer | None, key: str) -> Standing:
    if answer is None:
        return Standing(partstat=PartStat.NEEDS_ACTION, answer=None, outdated=False)
    if covers(answer.about, key):
        return Standing(partstat=answer.partstat, answer=answer, outdated=False)
    return Standing(partstat=PartStat.NEEDS_ACTION, answer=answer, outdated=True)


def _off(entry: Entry) -> bool:
    return entry.state is not EntryState.PLANNED


def _shift(before: Entry, after: Entry) -> timedelta:
    """How far the names of dates move."""
    if before.when is None or after.when is None:
        return timedelta(0)
    return after.when.start - before.when.start


def _carried(before: Entry, after: Entry, shift: timedelta) -> dict[datetime, Occurrence]:
    """Dates of their own under their new names, without those that are no date of the new schedule."""
    if before.when is None or after.when is None or not after.is_series:
        return {}
    plain = replace(after, occurrences=())
    carried = {}
    for one in before.occurrences:
        name = one.recurrence_id + shift
        if recurrence.date_of(plain, name) is not None:
            start = None if one.start is None else _stays(one.start, before.when, after.when)
            duration = one.duration if before.when.all_day == after.when.all_day else None
            carried[name] = replace(
                one,
                recurrence_id=name,
                start=None if start == name else start,
                duration=duration,
            )
    return carried


def _stays(start: datetime, before: When, after: When) -> datetime:
    """The wall time in the new zone at which a date that was moved by itself takes place as before."""
    if before.all_day != after.all_day:
        return datetime.combine(start.date(), after.start.time())
    return start if after.all_day or before.zone == after.zone else zones.to_wall(zones.to_utc(start, before.zone), after.zone)


def _occurrences(before: Entry, after: Entry, carried: dict[datetime, Occurrence], shift: timedelta) -> tuple[Occurrence, ...]:
    old = set(before.occurrences)
    untouched = {one.recurrence_id + shift for one in after.occurrences if one in old}
    given = {one.recurrence_id: one for one in after.occurrences if one not in old}
    dates = {
        name: one if name in untouched else _versioned(one, Occurrence(recurrence_id=name), after)
        for name, one in carried.items()
    }
    dates |= {name: _versioned(carried.get(name), one, after) for name, one in given.items()}
    return tuple(one for _, one in sorted(dates.items()) if not _says_nothing(one, after))


def _versioned(old: Occurrence | None, new: Occurrence, entry: Entry) -> Occurrence:
    before = old or Occurrence(recurrence_id=new.recurrence_id, sequence=entry.sequence)
    if _look(before, entry) != _look(new, entry):
        return replace(new, sequence=max(max(before.sequence, entry.sequence) + 1, new.sequence))
    return replace(new, sequence=max(before.sequence, new.sequence))


def _look(one: Occurrence, entry: Entry) -> tuple[bool, datetime, timedelta, str]:
    assert entry.when is not None
    return (
        one.cancelled,
        one.start or one.recurrence_id,
        entry.when.duration if one.duration is None else one.duration,
        entry.location if one.location is None else one.location,
    )


def _says_nothing(one: Occurrence, entry: Entry) -> bool:
    """True if all is as in the series, and the series' SEQUENCE has caught up: nothing is lost without the row."""
    return one.sequence <= entry.sequence and one == Occurrence(recurrence_id=one.recurrence_id, sequence=one.sequence)


def _answers(before: Entry, after: Entry, shift: timedelta) -> tuple[Answer, ...]:
    old = set(before.answers)
    given = tuple(one for one in after.answers if one not in old)
    taken = {(one.attendee, one.recurrence_id) for one in given}
    followed = tuple(_renamed(one, shift) for one in after.answers if one in old)
    return tuple(one for one in followed if (one.attendee, one.recurrence_id) not in taken) + given


def _renamed(answer: Answer, shift: timedelta) -> Answer:
    return answer if answer.recurrence_id is None else replace(answer, recurrence_id=answer.recurrence_id + shift)
