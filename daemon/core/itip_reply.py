"""What an answer does (RFC 5546 3.2.3): every VEVENT of a received message ends in one named outcome with its reason.

Nothing but the answer, its comment and its time is taken over. Freshness is measured against the last REQUEST that asked this
attendee for this date, not against the entry's SEQUENCE. Not here: whether the mail is authentic and whether its ORGANIZER is
ours, which entry it is about (`planner`), bounces and auto-replies (`imip`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NoReturn

from daemon.core import recurrence, zones
from daemon.core.addresses import clean_name, same
from daemon.core.delivery import Sent, SentComponent
from daemon.core.event import attendees_of
from daemon.core.ics import Parsed
from daemon.core.itip_sequences import covers, key_of, occurrence_of, schedule_key, standing, when_of
from daemon.core.itip_told import Told
from daemon.core.model import Answer, AnswerSource, Component, Entry, EntryState, Guest, Method, PartStat, require_utc

_CLOCK_TOLERANCE = timedelta(days=1)  # an attendee's clock that is further off is not believed
_YEARS = range(2, 9999)  # within them every zone can be computed
_GAPS = (timedelta(0), timedelta(minutes=30), timedelta(hours=1), timedelta(hours=2))  # sizes of clock changes


class Outcome(StrEnum):
    """How a received message ended. Each message has exactly one per VEVENT."""

    APPLIED = "applied"
    IGNORED = "ignored"
    HELD = "held"
    REJECTED = "rejected"
    COUNTER = "counter"
    RESEND_REQUEST = "resend-request"
    BOUNCE = "bounce"
    INFORMATIONAL = "informational"
    AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome of one VEVENT. `answers` are to be stored in place of those with the same attendee and date.

    `attendee` is "" where none could be told. `notify`: the owner learns something new from it.
    """

    outcome: Outcome
    reason: str
    attendee: str
    recurrence_id: datetime | None
    partstat: PartStat | None
    answers: tuple[Answer, ...]
    notify: bool = False


class _NoAnswer(Exception):  # noqa: N818 - not an error: the way out of the steps below with a verdict
    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


def _leave(outcome: Outcome, reason: str) -> NoReturn:
    raise _NoAnswer(outcome, reason)


def apply_reply(entry: Entry, sent: Sent | None, parsed: Parsed, *, mail_from: str, mail_date: datetime) -> tuple[Verdict, ...]:
    """Return what each VEVENT of the message does to the entry, in their order; later ones see what earlier ones did.

    `sent` is what the sender of the mail was told (None: never by us; then the entry's own SEQUENCE counts). `mail_from` is the
    bare address of the one From, `mail_date` (UTC) the mail's date, which stands in for a missing or absurd DTSTAMP. Where the
    data has no METHOD, `parsed.method_text` may hold the one of the Content-Type. A message without VEVENT has a verdict as well.
    """
    require_utc(mail_date, "mail_date")
    if not parsed.components:
        return (
            _verdict(Outcome.HELD, f"There is no event in what {_shown(mail_from)} sent, so there is nothing to answer.", ""),
        )
    verdicts = []
    for component in parsed.components:
        step = _Step(entry=entry, sent=sent, parsed=parsed, component=component, mail_from=mail_from, mail_date=mail_date)
        verdict = step.verdict()
        verdicts.append(verdict)
        entry = replace(entry, answers=_stored(entry.answers, verdict.answers))
    return tuple(verdicts)


def _stored(answers: tuple[Answer, ...], fresh: tuple[Answer, ...]) -> tuple[Answer, ...]:
    names = {(one.attendee, one.recurrence_id) for one in fresh}
    return tuple(one for one in answers if (one.attendee, one.recurrence_id) not in names) + fresh


def _verdict(outcome: Outcome, reason: str, attendee: str, recurrence_id: datetime | None = None) -> Verdict:
    return Verdict(outcome=outcome, reason=reason, attendee=attendee, recurrence_id=recurrence_id, partstat=None, answers=())


@dataclass(slots=True, kw_only=True)
class _Step:
    """One VEVENT on its way to a verdict. `attendee` and `name` are filled in as soon as they are known."""

    entry: Entry
    sent: Sent | None
    parsed: Parsed
    component: Component
    mail_from: str
    mail_date: datetime
    attendee: str = ""
    name: datetime | None = None

    def verdict(self) -> Verdict:
        try:
            method = self._method()
            self._uid()
            guest = self._guest(method)
            if method is Method.REFRESH:
                _leave(Outcome.RESEND_REQUEST, f"{self.attendee} asks for the current invitation: it is sent again.")
            self.name = self._date()
            if method is Method.COUNTER:
                _leave(
                    Outcome.COUNTER,
                    f"{self.attendee} proposes a change of “{self.entry.title}”: proposals are shown to the owner.",
                )
            return self._applied(self._partstat(guest), guest)
        except _NoAnswer as way_out:
            return _verdict(way_out.outcome, way_out.reason, self.attendee, self.name)

    def _method(self) -> Method:
        text = self.parsed.method_text.strip().upper()
        method = self.parsed.method or next((one for one in Method if one.value == text), None)
        if method is None:
            what = f"an unknown METHOD ({clean_name(text)[:40]})" if text else "no METHOD"
            _leave(Outcome.HELD, f"The mail of {_shown(self.mail_from)} has {what}, so it is no answer. Look at it yourself.")
        if method not in (Method.REPLY, Method.COUNTER, Method.REFRESH):
            _leave(
                Outcome.REJECTED,
                f"{_shown(self.mail_from)} sent METHOD:{method} for “{self.entry.title}”. Only its owner may: it was refused.",
            )
        return method

    def _uid(self) -> None:
        if self.component.uid.strip().lower() != self.entry.uid.lower():
            _leave(
                Outcome.IGNORED,
                f"{_shown(self.mail_from)} answers another invitation (UID {clean_name(self.component.uid)[:80]}).",
            )

    def _guest(self, method: Method) -> Guest:
        """The sender's own line (RFC 5546 3.2.3: exactly one; whatever else is listed is not his to say)."""
        guests = self.component.guests
        sender = _shown(self.mail_from)
        if not guests and method is not Method.REFRESH:
            _leave(Outcome.HELD, f"The answer of {sender} does not say whose it is. Record it yourself if you know.")
        own = next((one for one in guests if same(one.email, self.mail_from)), None)
        if own is None and guests:
            others = guests[0].email if len(guests) == 1 else f"{len(guests)} others"
            _leave(Outcome.HELD, f"{sender} answers for {others}. Nobody answers for somebody else without your consent.")
        guest = own or Guest(email=self.mail_from)
        self.attendee = guest.email
        if not any(one.email == guest.email for one in self._everybody()):
            if self.sent is not None and self.sent.attendee == guest.email:
                _leave(Outcome.IGNORED, f"{guest.email} is not invited to “{self.entry.title}” any more.")
            _leave(
                Outcome.HELD,
                f"{guest.email} answers, but was not invited to “{self.entry.title}”. Add the address or drop the answer.",
            )
        return guest

    def _everybody(self) -> Iterator[Guest]:
        for people in (self.entry.attendees, *(one.attendees or () for one in self.entry.occurrences)):
            yield from (Guest(email=person.email) for person in people)

    def _date(self) -> datetime | None:
        name = self.component.recurrence_id
        if name is None:
            if not any(one.email == self.attendee for one in self.entry.attendees):
                _leave(Outcome.HELD, f"{self.attendee} answers for the whole series, but is invited to single dates of it.")
            return None
        found = tuple(dict.fromkeys(one for one in self._names(name) if recurrence.date_of(self.entry, one) is not None))
        if len(found) != 1:
            what = "is no date" if not found else "has several dates"
            _leave(
                Outcome.HELD,
                f"{self.attendee} answers for {name:%Y-%m-%d %H:%M}, which {what} of “{self.entry.title}”. Look at it yourself.",
            )
        if not any(one.email == self.attendee for one in attendees_of(self.entry, occurrence_of(self.entry, found[0]))):
            _leave(Outcome.HELD, f"{self.attendee} answers for {name:%Y-%m-%d %H:%M}, but is not invited to that date.")
        return found[0]

    def _names(self, name: datetime) -> Iterator[datetime]:
        """Original wall starts that a foreign RECURRENCE-ID may mean."""
        when = self.entry.when
        if when is None or name.year not in _YEARS:
            return
        midnight = name.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        if self.component.recurrence_id_is_date:
            yield from [midnight] if when.all_day else self._of_day(midnight)
        elif name.tzinfo is None:
            yield midnight if when.all_day else name
        else:
            moment = name.astimezone(UTC)
            wall = zones.to_wall(moment, when.zone)
            if when.all_day:
                # A program that makes an instant of a day takes its own midnight or that of UTC.
                yield wall.replace(hour=0, minute=0, second=0, microsecond=0) if moment.hour or moment.minute else midnight
            else:
                # A rule's date may fall into the hour that a clock change skips; its instant then shows as a later wall time.
                yield from (wall - gap for gap in _GAPS if zones.to_utc(wall - gap, when.zone) == moment)

    def _of_day(self, midnight: datetime) -> Iterator[datetime]:
        assert self.entry.when is not None
        plain = replace(self.entry, occurrences=())
        start = zones.to_utc(midnight, self.entry.when.zone)
        for date in recurrence.dates(plain, after=start - timedelta(hours=2), before=start + timedelta(hours=27)):
            if date.recurrence_id is not None and date.recurrence_id.date() == midnight.date():
                yield date.recurrence_id

    def _partstat(self, guest: Guest) -> PartStat:
        if guest.partstat_text:
            _leave(
                Outcome.HELD,
                f"{self.attendee} answered “{guest.partstat_text[:60]}”, which is no answer that counts. Record it yourself.",
            )
        if guest.partstat is PartStat.NEEDS_ACTION:
            _leave(Outcome.IGNORED, f"{self.attendee} has not decided yet (NEEDS-ACTION).")
        return guest.partstat

    def _applied(self, partstat: PartStat, guest: Guest) -> Verdict:
        about = self._fresh()
        stamp = self._stamp()
        last = self._last()
        if last is not None and not _filled(last):
            last_stamp = last.dtstamp or last.answered_at
            if stamp < last_stamp:
                _leave(Outcome.IGNORED, f"This answer of {self.attendee} is older than the one that is known ({last.partstat}).")
            if stamp == last_stamp and last.partstat is partstat:
                _leave(Outcome.IGNORED, f"This answer of {self.attendee} is known already.")
            if stamp == last_stamp:
                _leave(
                    Outcome.HELD,
                    f"{self.attendee} answered {last.partstat} and {partstat} in the same second. Ask, and record it yourself.",
                )
        stands = standing(self.entry, self.attendee, self.name)
        answer = Answer(
            attendee=self.attendee,
            recurrence_id=self.name,
            partstat=partstat,
            source=AnswerSource.MAIL,
            answered_at=stamp,
            about=about,
            sequence=self.component.sequence if self.component.sequence_given else None,
            dtstamp=stamp,
            comment=self.component.comment or guest.comment,
        )
        late = self._too_late()
        news = stands.outdated or stands.partstat is not partstat
        again = "" if news else ", as before"
        return Verdict(
            outcome=Outcome.APPLIED,
            reason=f"{self.attendee} answered {partstat}{again}.{late}",
            attendee=self.attendee,
            recurrence_id=self.name,
            partstat=partstat,
            answers=(answer, *(self._filling(answer) if self.name is None else ())),
            notify=news and not late,
        )

    def _ask(self) -> SentComponent | None:
        """The last REQUEST that asked him about this."""
        told = Told(entry=self.entry, sent=self.sent)
        return told.last(self.name) or (None if self.name is None else told.of_series(self.name))

    def _fresh(self) -> str:
        """The schedule that is answered; leaves by IGNORED where another one was (RFC 5546 2.1.5)."""
        ask, reply = self._ask(), self.component
        now = self._key()
        about = now if ask is None else schedule_key(ask.when, ask.rrule, ask.rdates)
        if reply.sequence_given:
            stale = reply.sequence < (self._own_sequence() if ask is None else ask.asked_sequence)
        else:
            stale = ask is not None and self._stamp() < ask.asked_at.replace(microsecond=0)
        if not stale:
            return about
        if self._speaks_of_now(ask):
            return now
        _leave(
            Outcome.IGNORED,
            f"{self.attendee} answers an old invitation: “{self.entry.title}” was changed since, and asked about anew.",
        )

    def _key(self) -> str:
        if self.name is None:
            return key_of(self.entry)
        return schedule_key(when_of(self.entry, self.name), None, ())

    def _own_sequence(self) -> int:
        own = occurrence_of(self.entry, self.name)
        moved = own is not None and (own.start is not None or own.duration is not None)
        return own.sequence if own is not None and moved else self.entry.sequence

    def _speaks_of_now(self, ask: SentComponent | None) -> bool:
        """True if an old SEQUENCE does no harm, because time and place in the reply are those of today."""
        reply = self.component
        if reply.when is None or reply.when.start.year not in _YEARS or self.entry.when is None:
            return False
        when = self.entry.when if self.name is None else when_of(self.entry, self.name)
        if schedule_key(reply.when, None, ()) != schedule_key(when, None, ()):
            return False
        if reply.rrule and schedule_key(when, reply.rrule, ()) != schedule_key(when, self.entry.rrule, ()):
            return False
        places = {self.entry.location, ask.location if ask is not None else self.entry.location, ""}
        return reply.location.strip() in {place.strip() for place in places}

    def _stamp(self) -> datetime:
        """When he answered: DTSTAMP by his own clock, as long as that is believable."""
        stamp = self.component.dtstamp
        return self.mail_date if stamp is None or abs(stamp - self.mail_date) > _CLOCK_TOLERANCE else stamp

    def _last(self) -> Answer | None:
        return _answer(self.entry, self.attendee, self.name)

    def _too_late(self) -> str:
        if self.entry.state is not EntryState.PLANNED:
            return f" “{self.entry.title}” is cancelled, so nobody is told."
        if self.name is None:
            end = recurrence.last_end(self.entry)
            over, off = end is not None and end <= self.mail_date, False
        else:
            date = recurrence.date_of(self.entry, self.name)
            over, off = date is not None and date.end <= self.mail_date, date is not None and date.cancelled
        return " That date is cancelled, so nobody is told." if off else " It is over, so nobody is told." if over else ""

    def _filling(self, answer: Answer) -> Iterator[Answer]:
        """Answers to moved dates that the answer to the series means as well: those he was asked about together with it.

        They have no `dtstamp`: an answer to the date itself, however old, says more, and the next one to the series replaces
        them.
        """
        told = Told(entry=self.entry, sent=self.sent)
        whole = told.last(None)
        for one in self.entry.occurrences:
            when = when_of(self.entry, one.recurrence_id)
            key = schedule_key(when, None, ())
            known = _answer(self.entry, self.attendee, one.recurrence_id)
            invited = not one.cancelled and any(person.email == self.attendee for person in attendees_of(self.entry, one))
            said = known is not None and not _filled(known) and covers(known.about, key)
            if not invited or said or (one.start is None and one.duration is None):
                continue
            if whole is not None:
                date = told.last(one.recurrence_id)
                if date is None or date.asked_at > whole.asked_at or schedule_key(date.when, None, ()) != key:
                    continue
            yield replace(answer, recurrence_id=one.recurrence_id, about=key, sequence=None, dtstamp=None)


def _answer(entry: Entry, attendee: str, recurrence_id: datetime | None) -> Answer | None:
    return next((one for one in entry.answers if one.attendee == attendee and one.recurrence_id == recurrence_id), None)


def _filled(answer: Answer) -> bool:
    """True if the answer came with one to the series (`_Step._filling`)."""
    return answer.recurrence_id is not None and answer.source is AnswerSource.MAIL and answer.dtstamp is None


def _shown(mail_from: str) -> str:
    return clean_name(mail_from) or "somebody"
