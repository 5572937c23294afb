"""What an answer does (RFC 5546 3.2.3), every way out with its reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.delivery import Sent
from daemon.core.itip import Letter, Outcome, Verdict, apply_reply, standing, with_sequences
from daemon.core.model import Answer, AnswerSource, Component, Entry, EntryState, Guest, Method, PartStat, When
from tests.core.builders import (
    ANNA,
    BEN,
    CLARA,
    HOUR,
    NOW,
    START,
    ZONE,
    a_reply,
    a_series,
    a_when,
    an_answer,
    an_attendee,
    an_entry,
    an_occurrence,
    answered,
    nth,
    parsed,
    told,
)

ACCEPTED, DECLINED, TENTATIVE = PartStat.ACCEPTED, PartStat.DECLINED, PartStat.TENTATIVE
LATER = NOW + 2 * HOUR
DAY = timedelta(days=1)
BERLIN = ZoneInfo(ZONE)


def judged(
    entry: Entry,
    component: Component,
    *,
    sent: Sent | None = None,
    mail_from: str = ANNA,
    mail_date: datetime = LATER,
    **message: Any,
) -> Verdict:
    letter = Letter(mail_from=mail_from, mail_date=mail_date)
    (verdict,) = apply_reply(entry, (sent,) if sent else (), parsed(component, **message), letter=letter)
    return verdict


def stored(entry: Entry, *verdicts: Verdict) -> Entry:
    for verdict in verdicts:
        names = {(one.attendee, one.recurrence_id) for one in verdict.answers}
        kept = tuple(one for one in entry.answers if (one.attendee, one.recurrence_id) not in names)
        entry = replace(entry, answers=kept + verdict.answers)
    return entry


def assert_no_answer(verdict: Verdict, outcome: Outcome, reason: str) -> None:
    assert verdict.outcome is outcome
    assert reason in verdict.reason
    assert (verdict.answers, verdict.notify) == ((), False)


# Applied


@pytest.mark.parametrize("partstat", [ACCEPTED, DECLINED, TENTATIVE, PartStat.DELEGATED])
def test_an_answer_is_stored_with_all_that_later_ones_are_measured_by(partstat: PartStat) -> None:
    entry = an_entry()
    verdict = judged(entry, a_reply(partstat, dtstamp=NOW + HOUR, comment="Gern"), sent=told(entry))
    assert verdict == Verdict(
        outcome=Outcome.APPLIED,
        reason=f"anna@example.org answered {partstat}.",
        attendee=ANNA,
        recurrence_id=None,
        partstat=partstat,
        answers=(an_answer(entry, ANNA, partstat, answered_at=NOW + HOUR, comment="Gern"),),
        notify=True,
        comment="Gern",
    )


def test_googles_note_is_the_comment_where_there_is_no_other() -> None:
    guests = (Guest(email=ANNA, partstat=ACCEPTED, comment="Bin spät dran"),)
    assert judged(an_entry(), a_reply(guests=guests)).answers[0].comment == "Bin spät dran"


def test_the_same_answer_again_is_no_news() -> None:
    entry = answered(an_entry(), an_answer(an_entry()))
    verdict = judged(entry, a_reply(dtstamp=NOW + HOUR), sent=told(entry))
    assert (verdict.outcome, verdict.notify) == (Outcome.APPLIED, False)
    assert verdict.reason == "anna@example.org answered ACCEPTED, as before."


def test_the_same_answer_after_a_move_is_news() -> None:
    before = answered(an_entry(), an_answer(an_entry()))
    entry = with_sequences(before, replace(before, when=a_when(START + HOUR)))
    verdict = judged(entry, a_reply(sequence=1, dtstamp=NOW + HOUR), sent=told(entry, sent=told(before)))
    assert verdict.notify
    assert standing(stored(entry, verdict), ANNA).partstat is ACCEPTED


def test_the_address_may_be_written_in_any_case() -> None:
    assert judged(an_entry(), a_reply(), mail_from="Anna@Example.ORG").outcome is Outcome.APPLIED
    assert judged(an_entry(), a_reply(uid=an_entry().uid.upper())).outcome is Outcome.APPLIED


@pytest.mark.parametrize(
    ("state", "mail_date", "reason"),
    [
        (EntryState.CANCELLED, LATER, "is cancelled, so nobody is told."),
        (EntryState.DELETED, LATER, "is cancelled, so nobody is told."),
        (EntryState.PLANNED, datetime(2027, 1, 11, 10, tzinfo=UTC), "It is over, so nobody is told."),
    ],
    ids=["cancelled", "deleted", "over"],
)
def test_what_comes_too_late_is_stored_and_nobody_is_told(state: EntryState, mail_date: datetime, reason: str) -> None:
    verdict = judged(an_entry(state=state), a_reply(), mail_date=mail_date)
    assert (verdict.outcome, verdict.notify, len(verdict.answers)) == (Outcome.APPLIED, False, 1)
    assert verdict.reason.endswith(reason)


# METHOD


@pytest.mark.parametrize(
    ("method", "text", "outcome", "reason"),
    [
        (None, "", Outcome.HELD, "has no METHOD"),
        (None, "ANSWER", Outcome.HELD, "has an unknown METHOD (ANSWER)"),
        (Method.REQUEST, "", Outcome.REJECTED, "sent METHOD:REQUEST for “Haushaltsausschuss”"),
        (Method.CANCEL, "", Outcome.REJECTED, "sent METHOD:CANCEL"),
        (Method.ADD, "", Outcome.REJECTED, "sent METHOD:ADD"),
        (Method.PUBLISH, "", Outcome.REJECTED, "sent METHOD:PUBLISH"),
        (Method.DECLINECOUNTER, "", Outcome.REJECTED, "sent METHOD:DECLINECOUNTER"),
        (None, "cancel", Outcome.REJECTED, "sent METHOD:CANCEL"),
        (Method.COUNTER, "", Outcome.HELD, "names no time"),
        (Method.REFRESH, "", Outcome.RESEND_REQUEST, "asks for the current invitation"),
    ],
    ids=lambda value: str(value) or "none" if not isinstance(value, Outcome) else value.value,
)
def test_only_answers_are_taken_from_others(method: Method | None, text: str, outcome: Outcome, reason: str) -> None:
    assert_no_answer(judged(an_entry(), a_reply(), method=method, method_text=text), outcome, reason)


def proposed(entry: Entry, when: When | None, **changes: Any) -> Verdict:
    return judged(entry, a_reply(when=when, **changes), method=Method.COUNTER)


def test_a_proposal_is_of_another_time_in_the_entrys_zone() -> None:
    verdict = proposed(an_entry(), When(start=datetime(2027, 1, 12, 8), zone="UTC", duration=timedelta(0)))
    assert (verdict.outcome, verdict.partstat) == (Outcome.COUNTER, ACCEPTED)
    assert verdict.proposal == replace(an_entry().when, start=datetime(2027, 1, 12, 9))


def test_whoever_proposes_without_having_decided_has_not_answered() -> None:
    verdict = proposed(an_entry(), a_when(START + DAY), partstat=PartStat.NEEDS_ACTION)
    assert (verdict.outcome, verdict.partstat, verdict.answers) == (Outcome.COUNTER, None, ())


def test_outlooks_word_says_which_date_of_a_series_a_proposal_is_about() -> None:
    verdict = proposed(a_series(), a_when(nth(1) + DAY), original_start=nth(1).replace(tzinfo=BERLIN))
    assert (verdict.outcome, verdict.recurrence_id) == (Outcome.COUNTER, nth(1))


def test_a_day_is_proposed_for_a_day_and_a_time_for_a_time() -> None:
    day = When(start=datetime(2027, 1, 11), zone=ZONE, duration=DAY, all_day=True)
    assert proposed(an_entry(when=day), replace(day, start=datetime(2027, 1, 13))).proposal == replace(
        day, start=datetime(2027, 1, 13)
    )
    assert_no_answer(proposed(an_entry(when=day), a_when()), Outcome.HELD, "names no time")


def test_the_content_types_method_counts_where_the_object_has_none() -> None:
    assert judged(an_entry(), a_reply(), method=None, method_text="reply").outcome is Outcome.APPLIED


def test_a_refresh_may_name_nobody_but_only_the_invited_get_one() -> None:
    assert judged(an_entry(), a_reply(guests=()), method=Method.REFRESH).outcome is Outcome.RESEND_REQUEST
    assert_no_answer(
        judged(an_entry(), a_reply(guests=()), method=Method.REFRESH, mail_from=CLARA), Outcome.HELD, "was not invited"
    )


def test_a_message_without_event_is_held() -> None:
    (verdict,) = apply_reply(an_entry(), (), parsed(), letter=Letter(mail_from="", mail_date=NOW))
    assert_no_answer(verdict, Outcome.HELD, "no event in what somebody sent")


def test_another_uid_is_ignored() -> None:
    assert_no_answer(judged(an_entry(), a_reply(uid="other@x")), Outcome.IGNORED, "another invitation (UID other@x)")


def test_the_mails_date_is_an_instant() -> None:
    with pytest.raises(ValueError, match="mail_date"):
        Letter(mail_from=ANNA, mail_date=START)


# Who


@pytest.mark.parametrize(
    ("guests", "mail_from", "reason"),
    [
        ((), ANNA, "does not say whose it is"),
        ((Guest(email=BEN, partstat=ACCEPTED),), ANNA, "anna@example.org answers for ben@example.com."),
        ((Guest(email=BEN), Guest(email=ANNA)), CLARA, "clara@example.net answers for 2 others."),
        ((Guest(email=ANNA, partstat=ACCEPTED),), "", "somebody answers for anna@example.org"),
        ((Guest(email=CLARA, partstat=ACCEPTED),), CLARA, "clara@example.net answers, but was not invited"),
        ((Guest(email=ANNA, partstat_text="ACCEPTED,DECLINED"),), ANNA, "“ACCEPTED,DECLINED”, which is no answer that counts"),
    ],
    ids=["nobody", "for another", "for several others", "from nobody", "not invited", "unknown answer"],
)
def test_what_is_not_clearly_the_senders_own_answer_is_held(guests: tuple[Guest, ...], mail_from: str, reason: str) -> None:
    assert_no_answer(judged(an_entry(), a_reply(guests=guests), mail_from=mail_from), Outcome.HELD, reason)


def test_of_several_attendees_only_the_senders_line_counts() -> None:
    guests = (Guest(email=BEN, partstat=DECLINED), Guest(email=ANNA, partstat=TENTATIVE))
    verdict = judged(an_entry(), a_reply(guests=guests))
    assert [(one.attendee, one.partstat) for one in verdict.answers] == [(ANNA, TENTATIVE)]


def test_who_was_removed_is_ignored() -> None:
    without = an_entry(attendees=(an_attendee(BEN),))
    assert_no_answer(
        judged(without, a_reply(), sent=told(an_entry())), Outcome.IGNORED, "is not invited to “Haushaltsausschuss” any"
    )


def test_who_has_not_decided_is_ignored() -> None:
    assert_no_answer(judged(an_entry(), a_reply(PartStat.NEEDS_ACTION)), Outcome.IGNORED, "has not decided yet")


# Which date


@pytest.mark.parametrize(
    "name",
    [
        nth(1).replace(tzinfo=BERLIN),
        datetime(2027, 1, 18, 9, tzinfo=UTC),
        datetime(2027, 1, 18, 4, tzinfo=ZoneInfo("America/New_York")),
        nth(1),
    ],
    ids=["own zone", "UTC as Google writes it", "another zone", "floating"],
)
def test_a_date_is_found_however_it_is_named(name: datetime) -> None:
    entry = a_series(an_occurrence(1, start=nth(1) + 2 * HOUR, sequence=0))
    verdict = judged(entry, a_reply(DECLINED, recurrence_id=name), sent=told(entry))
    assert verdict.recurrence_id == nth(1)
    after = stored(entry, verdict)
    assert standing(after, ANNA, nth(1)).partstat is DECLINED
    assert standing(after, ANNA, nth(2)).answer is None


def test_a_day_means_its_only_date() -> None:
    entry = a_series(an_occurrence(1, start=nth(1) + 2 * DAY))
    reply = a_reply(recurrence_id=datetime(2027, 1, 18), recurrence_id_is_date=True)
    assert judged(entry, reply).recurrence_id == nth(1)


def test_a_date_in_the_small_hours_of_the_next_day_is_another_day() -> None:
    entry = a_series(rdates=(nth(1) + timedelta(hours=15),))
    reply = a_reply(recurrence_id=datetime(2027, 1, 18), recurrence_id_is_date=True)
    assert judged(entry, reply).recurrence_id == nth(1)


def test_a_day_with_two_dates_is_held() -> None:
    entry = a_series(rdates=(nth(1) + 3 * HOUR,))
    reply = a_reply(recurrence_id=datetime(2027, 1, 18), recurrence_id_is_date=True)
    assert_no_answer(judged(entry, reply), Outcome.HELD, "which has several dates of “Haushaltsausschuss”")


DAYS = a_when(datetime(2027, 1, 11), all_day=True, duration=DAY)


@pytest.mark.parametrize(
    ("name", "is_date"),
    [
        (datetime(2027, 1, 18), True),
        (datetime(2027, 1, 18, 9), False),
        (datetime(2027, 1, 17, 23, tzinfo=UTC), False),
        (datetime(2027, 1, 18, tzinfo=UTC), False),
        (datetime(2027, 1, 18, tzinfo=BERLIN), False),
    ],
    ids=["a day", "floating", "local midnight in UTC", "midnight in UTC", "midnight in the zone"],
)
def test_a_day_of_an_all_day_series_is_found_however_it_is_named(name: datetime, is_date: bool) -> None:
    entry = a_series(when=DAYS)
    assert judged(entry, a_reply(recurrence_id=name, recurrence_id_is_date=is_date)).recurrence_id == datetime(2027, 1, 18)


def test_a_date_in_the_hour_that_a_clock_change_skips_is_found_by_its_instant() -> None:
    night = a_when(datetime(2027, 3, 14, 2, 30))
    entry = a_series(when=night)
    name = datetime(2027, 3, 28, 1, 30, tzinfo=UTC)  # clocks show 03:30
    assert judged(entry, a_reply(recurrence_id=name)).recurrence_id == datetime(2027, 3, 28, 2, 30)


@pytest.mark.parametrize(
    ("entry", "name"),
    [(a_series(), nth(1) + HOUR), (an_entry(), START), (a_series(), nth(6)), (an_entry(when=None), START)],
    ids=["no date of the series", "not a series", "after its end", "no date at all"],
)
def test_what_is_no_date_is_held(entry: Entry, name: datetime) -> None:
    assert_no_answer(judged(entry, a_reply(recurrence_id=name)), Outcome.HELD, "which is no date of “Haushaltsausschuss”")


@pytest.mark.parametrize("entry", [a_series(), a_series(when=DAYS)], ids=["timed", "all day"])
@pytest.mark.parametrize("is_date", [True, False], ids=["a day", "a time"])
@pytest.mark.parametrize(
    "name",
    [datetime.min, datetime.max, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=timezone(-HOUR))],
    ids=["first", "last", "first instant", "last instant"],
)
def test_a_date_at_the_end_of_time_is_held(entry: Entry, name: datetime, is_date: bool) -> None:
    reply = a_reply(recurrence_id=name, recurrence_id_is_date=is_date)
    assert_no_answer(judged(entry, reply), Outcome.HELD, "which is no date of")


def test_who_comes_to_single_dates_answers_for_those_only() -> None:
    entry = a_series(an_occurrence(1, attendees=(an_attendee(CLARA),)))
    reply = a_reply(email=CLARA)
    assert_no_answer(
        judged(entry, reply, mail_from=CLARA), Outcome.HELD, "answers for the whole series, but is invited to single"
    )
    other = replace(reply, recurrence_id=nth(2))
    assert_no_answer(judged(entry, other, mail_from=CLARA), Outcome.HELD, "but is not invited to that date")
    assert judged(entry, replace(reply, recurrence_id=nth(1)), mail_from=CLARA).outcome is Outcome.APPLIED


def test_one_bad_date_does_not_stop_the_others() -> None:
    message = parsed(a_reply(), a_reply(DECLINED, recurrence_id=nth(1) + HOUR), a_reply(DECLINED, recurrence_id=nth(2)))
    verdicts = apply_reply(a_series(), (told(a_series()),), message, letter=Letter(mail_from=ANNA, mail_date=LATER))
    assert [one.outcome for one in verdicts] == [Outcome.APPLIED, Outcome.HELD, Outcome.APPLIED]


@pytest.mark.parametrize(
    ("entry", "mail_date", "reason"),
    [
        (a_series(an_occurrence(1, cancelled=True)), LATER, "That date is cancelled, so nobody is told."),
        (a_series(), datetime(2027, 1, 18, 10, tzinfo=UTC), "It is over, so nobody is told."),
    ],
    ids=["cancelled", "over"],
)
def test_an_answer_to_a_date_that_is_off_or_over_is_stored(entry: Entry, mail_date: datetime, reason: str) -> None:
    verdict = judged(entry, a_reply(recurrence_id=nth(1)), mail_date=mail_date)
    assert (verdict.outcome, verdict.notify) == (Outcome.APPLIED, False)
    assert verdict.reason.endswith(reason)


# Fresh or stale


def moved() -> tuple[Entry, Sent]:
    """Asked with SEQUENCE 0, moved by a day, asked again with 1 three hours later."""
    before = an_entry()
    entry = with_sequences(before, replace(before, when=a_when(START + DAY)))
    return entry, told(entry, sent=told(before), now=NOW + 3 * HOUR)


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (a_reply(sequence=0, dtstamp=NOW + 4 * HOUR), Outcome.IGNORED),
        (a_reply(sequence=1, dtstamp=NOW + 4 * HOUR), Outcome.APPLIED),
        (a_reply(sequence=7, dtstamp=NOW + 4 * HOUR), Outcome.APPLIED),
        (a_reply(sequence=None, dtstamp=NOW + 4 * HOUR), Outcome.APPLIED),
        (a_reply(sequence=None, dtstamp=NOW + 2 * HOUR), Outcome.IGNORED),
        (a_reply(sequence=None, dtstamp=None), Outcome.APPLIED),
        (a_reply(sequence=None, dtstamp=NOW - 5000 * DAY), Outcome.APPLIED),
        (a_reply(sequence=0, when=a_when()), Outcome.IGNORED),
        (a_reply(sequence=0, when=a_when(START + DAY)), Outcome.APPLIED),
        (a_reply(sequence=0, when=a_when(START + DAY - HOUR, zone="UTC")), Outcome.APPLIED),
        (a_reply(sequence=0, when=a_when(START + DAY, duration=2 * HOUR)), Outcome.IGNORED),
        (a_reply(sequence=0, when=a_when(START + DAY), location="Saal 9"), Outcome.IGNORED),
        (a_reply(sequence=0, when=a_when(START + DAY), location="https://meet.example.org/524644200"), Outcome.APPLIED),
        (a_reply(sequence=0, when=a_when(START + DAY), rrule="FREQ=DAILY"), Outcome.IGNORED),
        (a_reply(sequence=0, when=a_when(datetime.max)), Outcome.IGNORED),
    ],
    ids=[
        "older SEQUENCE",
        "the asked SEQUENCE",
        "higher SEQUENCE",
        "no SEQUENCE, newer than the question",
        "no SEQUENCE, older than the question",
        "nothing but the mail's date",
        "a clock years off",
        "older SEQUENCE, old time",
        "older SEQUENCE, but today's time",
        "older SEQUENCE, today's time in UTC",
        "older SEQUENCE, other end",
        "older SEQUENCE, other place",
        "older SEQUENCE, today's place",
        "older SEQUENCE, another rule",
        "older SEQUENCE, the end of time",
    ],
)
def test_an_answer_counts_if_it_is_about_what_was_last_asked(reply: Component, outcome: Outcome) -> None:
    entry, sent = moved()
    verdict = judged(entry, reply, sent=sent, mail_date=NOW + 5 * HOUR)
    assert verdict.outcome is outcome
    if outcome is Outcome.IGNORED:
        assert "answers an old invitation" in verdict.reason
    else:
        assert standing(stored(entry, verdict), ANNA).partstat is ACCEPTED


def test_an_old_answer_to_an_entry_without_date_is_ignored() -> None:
    entry, sent = moved()
    undated = replace(entry, when=None)
    assert_no_answer(judged(undated, a_reply(when=a_when()), sent=sent), Outcome.IGNORED, "old invitation")


def test_a_corrected_title_does_not_make_answers_stale() -> None:
    entry, sent = moved()
    entry = with_sequences(entry, replace(entry, location="Saal 2", title="x"))
    sent = told(entry, sent=sent, now=NOW + 6 * HOUR)
    assert sent.components[0].sequence == 2
    assert judged(entry, a_reply(sequence=1, dtstamp=NOW + 4 * HOUR), sent=sent).outcome is Outcome.APPLIED


def test_an_answer_is_about_what_he_was_told_not_about_an_unsent_move() -> None:
    """The move waits for its coalescing delay; his answer to the old time must not count for the new one."""
    before = an_entry()
    entry = with_sequences(before, replace(before, when=a_when(START + DAY)))
    verdict = judged(entry, a_reply(), sent=told(before))
    assert verdict.outcome is Outcome.APPLIED
    assert standing(stored(entry, verdict), ANNA).outdated
    assert standing(stored(before, verdict), ANNA).partstat is ACCEPTED


def test_a_date_has_its_own_question() -> None:
    before = a_series()
    entry = with_sequences(before, replace(before, occurrences=(an_occurrence(1, start=nth(1) + DAY),)))
    sent = told(entry, sent=told(before))
    old = a_reply(sequence=0, recurrence_id=nth(1))
    assert judged(entry, old, sent=sent).outcome is Outcome.IGNORED
    assert judged(entry, replace(old, sequence=1), sent=sent).outcome is Outcome.APPLIED
    assert judged(entry, replace(old, recurrence_id=nth(2)), sent=sent).outcome is Outcome.APPLIED
    echoed = replace(old, when=a_when(nth(1) + DAY))
    assert judged(entry, echoed, sent=sent).outcome is Outcome.APPLIED, "today's time with an old number"


def test_of_a_date_that_was_never_sent_the_series_question_counts() -> None:
    entry = a_series(an_occurrence(1, attendees=(an_attendee(CLARA),)))
    sent = told(a_series(an_occurrence(2, attendees=(an_attendee(CLARA),))), CLARA)
    assert judged(entry, a_reply(email=CLARA, recurrence_id=nth(1)), sent=sent, mail_from=CLARA).outcome is Outcome.APPLIED


@pytest.mark.parametrize(
    ("entry", "name", "stale"),
    [
        (an_entry(sequence=3), None, 2),
        (a_series(an_occurrence(1, start=nth(1) + HOUR, sequence=5), sequence=3), nth(1), 4),
        (a_series(an_occurrence(1, duration=3 * HOUR, sequence=5), sequence=3), nth(1), 4),
        (a_series(an_occurrence(1, title="x", sequence=5), sequence=3), nth(1), 2),
        (a_series(sequence=3), nth(1), 2),
    ],
    ids=["entry", "moved date", "longer date", "renamed date", "plain date"],
)
def test_of_an_imported_entry_its_own_sequence_counts(entry: Entry, name: datetime | None, stale: int) -> None:
    assert judged(entry, a_reply(sequence=stale, recurrence_id=name)).outcome is Outcome.IGNORED
    assert judged(entry, a_reply(sequence=stale + 1, recurrence_id=name)).outcome is Outcome.APPLIED
    assert judged(entry, a_reply(sequence=None, recurrence_id=name)).outcome is Outcome.APPLIED


@pytest.mark.parametrize(
    ("known", "reply", "outcome", "reason"),
    [
        (an_answer(an_entry()), a_reply(), Outcome.IGNORED, "is known already"),
        (an_answer(an_entry()), a_reply(DECLINED), Outcome.HELD, "answered ACCEPTED and DECLINED in the same second"),
        (
            an_answer(an_entry()),
            a_reply(DECLINED, dtstamp=NOW - HOUR),
            Outcome.IGNORED,
            "older than the one that is known (ACCEPTED)",
        ),
        (
            an_answer(an_entry(), source=AnswerSource.OWNER, dtstamp=None, answered_at=NOW + HOUR),
            a_reply(DECLINED),
            Outcome.IGNORED,
            "older than the one that is known",
        ),
    ],
    ids=["twice", "both at once", "out of order", "older than what was said by telephone"],
)
def test_what_is_not_newer_than_his_last_answer_changes_nothing(
    known: Answer, reply: Component, outcome: Outcome, reason: str
) -> None:
    assert_no_answer(judged(answered(an_entry(), known), reply, sent=told(an_entry())), outcome, reason)


# An answer to the series and its moved dates


def test_an_answer_to_the_series_means_the_moved_dates_that_were_asked_about_with_it() -> None:
    """Outlook answers a series once, whatever exceptions it came with."""
    entry = a_series(
        an_occurrence(1, start=nth(1) + HOUR),
        an_occurrence(2, title="x"),
        an_occurrence(3, start=nth(3) + HOUR, cancelled=True),
        an_occurrence(4, duration=2 * HOUR, attendees=(an_attendee(BEN),)),
    )
    sent = told(entry)
    verdict = judged(entry, a_reply(), sent=sent)
    assert [one.recurrence_id for one in verdict.answers] == [None, nth(1)]
    assert standing(stored(entry, verdict), ANNA, nth(1)).partstat is ACCEPTED


def test_a_date_asked_about_later_is_not_meant() -> None:
    before = a_series()
    entry = with_sequences(before, replace(before, occurrences=(an_occurrence(1, start=nth(1) + HOUR),)))
    for sent in (told(before), told(entry, sent=told(before), now=NOW + HOUR)):
        verdict = judged(entry, a_reply(dtstamp=NOW + 2 * HOUR), sent=sent)
        assert [one.recurrence_id for one in verdict.answers] == [None]


def test_a_date_moved_again_since_is_not_meant() -> None:
    before = a_series(an_occurrence(1, start=nth(1) + HOUR))
    entry = with_sequences(before, replace(before, occurrences=(an_occurrence(1, start=nth(1) + DAY),)))
    assert [one.recurrence_id for one in judged(entry, a_reply(), sent=told(before)).answers] == [None]


def test_an_answer_to_the_date_itself_stays_and_an_outdated_one_does_not() -> None:
    entry = a_series(an_occurrence(1, start=nth(1) + HOUR))
    own = an_answer(entry, ANNA, DECLINED, recurrence_id=nth(1), answered_at=NOW - HOUR)
    known = answered(entry, own)
    assert len(judged(known, a_reply(), sent=told(entry)).answers) == 1
    assert len(judged(answered(entry, replace(own, about="old")), a_reply(), sent=told(entry)).answers) == 2


def test_of_an_imported_series_every_moved_date_is_meant() -> None:
    entry = a_series(an_occurrence(1, start=nth(1) + HOUR))
    assert len(judged(entry, a_reply()).answers) == 2


MINUTES = st.integers(0, 100).map(lambda minutes: NOW + timedelta(minutes=minutes))


@given(
    st.dictionaries(MINUTES, st.tuples(st.sampled_from([ACCEPTED, DECLINED, TENTATIVE]), st.sampled_from([None, 0, 1, 2]))),
    st.data(),
)
def test_answers_end_the_same_in_any_order_and_however_often_they_come(
    replies: dict[datetime, tuple[PartStat, int | None]], data: st.DataObject
) -> None:
    """Mails overtake each other, and a mailbox may be read again from its beginning."""
    entry = a_series(an_occurrence(1, start=nth(1) + HOUR), an_occurrence(2, title="x"))
    sent = told(entry)
    components = [
        a_reply(partstat, dtstamp=stamp, recurrence_id=None if week is None else nth(week))
        for stamp, (partstat, week) in replies.items()
    ]
    order = data.draw(
        st.permutations(components + data.draw(st.lists(st.sampled_from(components), max_size=4) if components else st.just([])))
    )

    def final(ordered: list[Component]) -> set[Answer]:
        result = entry
        for one in ordered:
            result = stored(result, judged(result, one, sent=sent))
        return set(result.answers)

    assert final(list(order)) == final(sorted(components, key=lambda one: one.dtstamp or NOW))


@given(
    st.sampled_from([an_entry(), a_series(an_occurrence(1, start=nth(1) + HOUR))]),
    st.builds(
        a_reply,
        st.sampled_from(PartStat),
        st.sampled_from([ANNA, BEN, CLARA]),
        sequence=st.none() | st.integers(0, 3),
        dtstamp=st.none() | st.datetimes(timezones=st.just(UTC)),
        recurrence_id=st.none() | st.datetimes() | st.datetimes(timezones=st.just(UTC)),
        recurrence_id_is_date=st.booleans(),
        when=st.none() | st.just(a_when()),
        uid=st.sampled_from([an_entry().uid, "x"]),
    ),
    st.none() | st.sampled_from(Method),
)
def test_every_message_has_one_verdict_for_each_event_with_a_reason(
    entry: Entry, component: Component, method: Method | None
) -> None:
    for sent in (None, told(entry)):
        letter = Letter(mail_from=ANNA, mail_date=LATER)
        (verdict,) = apply_reply(entry, (sent,) if sent else (), parsed(component, component, method=method), letter=letter)[:1]
        assert verdict.reason.endswith((".", "it", "yourself."))
        assert not verdict.answers or verdict.outcome in (Outcome.APPLIED, Outcome.COUNTER)
        assert verdict.answers or verdict.outcome is not Outcome.APPLIED
        assert all(one.attendee == ANNA for one in verdict.answers)
