"""What an answer does (RFC 5546 3.2.3, 3.2.6, 3.2.7): every VEVENT of a received message ends in one named outcome.

Nothing but the answer, its comment, its time, whom it delegates to and what it proposes is taken over. Freshness is measured
against the last REQUEST that asked this attendee for this date, not against the entry's SEQUENCE. Not here: whose answer it is
and whether he may be believed (`itip_who`), which date is meant (`itip_dates`), which entry it is about (`planner`), reports of
mail servers (`bounce`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from daemon.core import recurrence, zones
from daemon.core.addresses import clean_name
from daemon.core.delivery import Sent, SentComponent
from daemon.core.event import attendees_of
from daemon.core.ics import Parsed
from daemon.core.itip_dates import YEARS, dates_named
from daemon.core.itip_delegation import delegation
from daemon.core.itip_sequences import covers, key_of, occurrence_of, schedule_key, standing, when_of
from daemon.core.itip_told import Told
from daemon.core.itip_who import AnswerRules, Letter, NoAnswer, Outcome, Speaker, leave, said, speaker
from daemon.core.model import Answer, AnswerSource, Attendee, Component, Entry, EntryState, Method, Occurrence, PartStat, When
from daemon.core.subaddress import detail_of

_CLOCK_TOLERANCE = timedelta(days=1)  # an attendee's clock that is further off is not believed
# A zone defined anew by so little is an outdated definition: sessions are at most daily, so the name says which date is meant.
_ZONE_TOLERANCE = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome of one VEVENT. `answers` are to be stored in place of those with the same attendee and date.

    `attendee` is "" where none could be told. `notify`: the owner learns something new from it. `resend`: he is to be told again
    how it stands. `joins`: somebody to be put on the list (of that date) before. `alias`: another address of his, to remember.
    `proposal`: the time that he would rather have, in the entry's zone, for the version `sequence`.
    """

    outcome: Outcome
    reason: str
    attendee: str
    recurrence_id: datetime | None
    partstat: PartStat | None
    answers: tuple[Answer, ...]
    notify: bool = False
    resend: bool = False
    joins: Attendee | None = None
    alias: str = ""
    proposal: When | None = None
    sequence: int | None = None
    comment: str = ""


def apply_reply(
    entry: Entry, sents: tuple[Sent, ...], parsed: Parsed, *, letter: Letter, rules: AnswerRules | None = None
) -> tuple[Verdict, ...]:
    """Return what each VEVENT of the message does to the entry, in their order; later ones see what earlier ones did.

    `sents` is what those whom the message names were told (nothing: never by us; then the entry's own SEQUENCE counts). Where the
    data has no METHOD, `parsed.method_text` may hold the one of the Content-Type. A message without VEVENT has a verdict as well.
    """
    if not parsed.components:
        return (_verdict(Outcome.HELD, f"There is no event in what {letter.shown} sent, so there is nothing to answer.", ""),)
    verdicts = []
    for component in parsed.components:
        step = _Step(entry=entry, sents=sents, parsed=parsed, component=component, letter=letter, rules=rules or AnswerRules())
        verdict = step.verdict()
        verdicts.append(verdict)
        entry = with_verdict(entry, verdict)
    return tuple(verdicts)


def with_verdict(entry: Entry, verdict: Verdict) -> Entry:
    """Return the entry with what the verdict stores: who joins, and the answers."""
    names = {(one.attendee, one.recurrence_id) for one in verdict.answers}
    kept = tuple(one for one in entry.answers if (one.attendee, one.recurrence_id) not in names)
    entry = replace(entry, answers=kept + verdict.answers)
    joins = verdict.joins
    if joins is None:
        return entry
    if verdict.recurrence_id is None:
        return replace(entry, attendees=(*entry.attendees, joins))
    own = occurrence_of(entry, verdict.recurrence_id)
    others = tuple(one for one in entry.occurrences if one is not own)
    date = replace(
        own or Occurrence(recurrence_id=verdict.recurrence_id, sequence=entry.sequence),
        attendees=(*attendees_of(entry, own), joins),
    )
    return replace(entry, occurrences=tuple(sorted((*others, date), key=lambda one: one.recurrence_id)))


def _verdict(outcome: Outcome, reason: str, attendee: str, recurrence_id: datetime | None = None) -> Verdict:
    return Verdict(outcome=outcome, reason=reason, attendee=attendee, recurrence_id=recurrence_id, partstat=None, answers=())


@dataclass(slots=True, kw_only=True)
class _Step:
    """One VEVENT on its way to a verdict. `speaker` and `name` are filled in as soon as they are known."""

    entry: Entry
    sents: tuple[Sent, ...]
    parsed: Parsed
    component: Component
    letter: Letter
    rules: AnswerRules
    speaker: Speaker | None = None
    name: datetime | None = None

    @property
    def attendee(self) -> str:
        return self.speaker.attendee if self.speaker is not None else ""

    @property
    def sent(self) -> Sent | None:
        return next((one for one in self.sents if one.attendee == self.attendee), None)

    def verdict(self) -> Verdict:
        try:
            method = self._method()
            self._ours()
            told = frozenset(one.attendee for one in self.sents)
            self.speaker = speaker(self.entry, self.component, method, self.letter, self.rules, told=told)
            if method is Method.REFRESH:
                leave(Outcome.RESEND_REQUEST, f"{self.attendee} asks for the current invitation: it is sent again.", resend=True)
            self.name = self._date()
            if method is Method.COUNTER:
                return self._proposed(self.speaker)
            return self._applied(self._partstat(self.speaker), self.speaker)
        except NoAnswer as way_out:
            known = said(self.speaker.line) if self.speaker is not None else None
            return replace(
                _verdict(way_out.outcome, way_out.reason, way_out.attendee or self.attendee, self.name),
                partstat=way_out.partstat or known,
                resend=way_out.resend,
                comment=self.component.comment,
            )

    def _method(self) -> Method:
        text = self.parsed.method_text.strip().upper()
        method = self.parsed.method or next((one for one in Method if one.value == text), None)
        if method is None:
            what = f"an unknown METHOD ({clean_name(text)[:40]})" if text else "no METHOD"
            leave(Outcome.HELD, f"The mail of {self.letter.shown} has {what}, so it is no answer. Look at it yourself.")
        if method not in (Method.REPLY, Method.COUNTER, Method.REFRESH):
            leave(
                Outcome.REJECTED,
                f"{self.letter.shown} sent METHOD:{method} for “{self.entry.title}”. Only its owner may: it was refused.",
            )
        return method

    def _ours(self) -> None:
        """The UID is ours; ORGANIZER, if there is one at all, is who organizes what was made here (itip.md 1.10 step 5)."""
        if self.component.uid.strip().lower() != self.entry.uid.lower():
            leave(
                Outcome.IGNORED,
                f"{self.letter.shown} answers another invitation (UID {clean_name(self.component.uid)[:80]}).",
            )
        organizer, service = self.component.organizer, self.letter.service
        made_here = service and self.entry.uid.rpartition("@")[2] == service.rpartition("@")[2]
        ours = {service, *(one.organizer for one in self.sents)}
        known = organizer is None or organizer.email in ours or detail_of(organizer.email, service) is not None
        if organizer is not None and made_here and not known and not self.letter.consent:
            leave(
                Outcome.HELD,
                f"{self.letter.shown} answers “{self.entry.title}” to {organizer.email}, who does not organize it.",
            )

    def _date(self) -> datetime | None:
        component, name = self.component, self.component.recurrence_id
        if name is None and self.parsed.method is Method.COUNTER and self.entry.is_series:
            name = component.original_start
        if name is None:
            joins = self.speaker is not None and self.speaker.joins is not None
            if not joins and not any(one.email == self.attendee for one in self.entry.attendees):
                leave(Outcome.HELD, f"{self.attendee} answers for the whole series, but is invited to single dates of it.")
            return None
        found = dates_named(self.entry, name, is_date=component.recurrence_id_is_date)
        redefined = component.recurrence_id_redefined
        if len(found) != 1 or (redefined is not None and abs(redefined - name.astimezone(UTC)) > _ZONE_TOLERANCE):
            what = "has several dates" if found[1:] else "is no date"
            leave(
                Outcome.HELD,
                f"{self.attendee} answers for {name:%Y-%m-%d %H:%M}, which {what} of “{self.entry.title}”. Look at it yourself.",
            )
        listed = attendees_of(self.entry, occurrence_of(self.entry, found[0]))
        if not any(one.email == self.attendee for one in listed) and (self.speaker is None or self.speaker.joins is None):
            leave(Outcome.HELD, f"{self.attendee} answers for {name:%Y-%m-%d %H:%M}, but is not invited to that date.")
        return found[0]

    def _partstat(self, speaker: Speaker) -> PartStat:
        line = speaker.line
        if line.partstat_text:
            leave(
                Outcome.HELD,
                f"{self.attendee} answered “{line.partstat_text[:60]}”, which is no answer that counts. Record it yourself.",
            )
        if line.partstat is PartStat.NEEDS_ACTION:
            leave(Outcome.IGNORED, f"{self.attendee} has not decided yet (NEEDS-ACTION).")
        return line.partstat

    def _proposed(self, speaker: Speaker) -> Verdict:
        """RFC 5546 3.2.7. Only the time is taken; people and rule of a proposal are not (itip.md 1.15)."""
        title, proposal = self.entry.title, self._proposal()
        if proposal is None:
            leave(Outcome.HELD, f"{self.attendee} proposes a change of “{title}”, but names no time. Look at it yourself.")
        self._fresh()
        partstat = said(speaker.line)
        answers: tuple[Answer, ...] = ()
        if partstat is not None:
            answers = self._applied(partstat, speaker).answers
        return Verdict(
            outcome=Outcome.COUNTER,
            reason=f"{self.attendee} proposes another time for “{title}”: {proposal.start:%Y-%m-%d %H:%M} ({proposal.zone}).",
            attendee=self.attendee,
            recurrence_id=self.name,
            partstat=partstat,
            answers=answers,
            notify=True,
            alias=speaker.alias,
            joins=speaker.joins,
            proposal=proposal,
            sequence=self.component.sequence if self.component.sequence_given else None,
            comment=self.component.comment or speaker.line.comment,
        )

    def _proposal(self) -> When | None:
        """The proposed time in the zone of the entry; how long it lasts is as it was where the proposal does not say."""
        wanted, when = self.component.when, self.entry.when
        if wanted is None or when is None or wanted.start.year not in YEARS:
            return None
        if wanted.all_day or when.all_day:
            midnight = wanted.start.replace(hour=0, minute=0, second=0, microsecond=0)
            return replace(wanted, start=midnight, zone=when.zone) if wanted.all_day and when.all_day else None
        lasts = wanted.duration or (when if self.name is None else when_of(self.entry, self.name)).duration
        return When(start=zones.to_wall(zones.to_utc(wanted.start, wanted.zone), when.zone), zone=when.zone, duration=lasts)

    def _applied(self, partstat: PartStat, speaker: Speaker) -> Verdict:
        about = self._fresh()
        stamp = self._stamp()
        last = self._last()
        if last is not None and not _filled(last):
            last_stamp = last.dtstamp or last.answered_at
            if stamp < last_stamp:
                leave(Outcome.IGNORED, f"This answer of {self.attendee} is older than the one that is known ({last.partstat}).")
            if stamp == last_stamp and last.partstat is partstat:
                leave(Outcome.IGNORED, f"This answer of {self.attendee} is known already.")
            if stamp == last_stamp and not self.letter.consent:
                leave(
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
            comment=self.component.comment or speaker.line.comment,
        )
        joins = speaker.joins
        if partstat is PartStat.DELEGATED:
            found = delegation(self.entry, self.component, self.attendee, speaker.line, self.letter, self.name)
            answer, joins = replace(answer, delegated_to=found.to), joins or found.joins
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
            joins=joins,
            alias=speaker.alias,
            comment=answer.comment,
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
        if stale and not self._speaks_of_now(ask):
            leave(
                Outcome.IGNORED,
                f"{self.attendee} answers an old invitation: “{self.entry.title}” was changed since, and asked about anew.",
                resend=True,
            )
        return now if stale else about

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
        if reply.when is None or reply.when.start.year not in YEARS or self.entry.when is None:
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
        return self.letter.mail_date if stamp is None or abs(stamp - self.letter.mail_date) > _CLOCK_TOLERANCE else stamp

    def _last(self) -> Answer | None:
        return _answer(self.entry, self.attendee, self.name)

    def _too_late(self) -> str:
        if self.entry.state is not EntryState.PLANNED:
            return f" “{self.entry.title}” is cancelled, so nobody is told."
        if self.name is None:
            end = recurrence.last_end(self.entry)
            over, off = end is not None and end <= self.letter.mail_date, False
        else:
            date = recurrence.date_of(self.entry, self.name)
            over, off = date is not None and date.end <= self.letter.mail_date, date is not None and date.cancelled
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
