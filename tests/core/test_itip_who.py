"""Whose answer it is: claims that count, and claims that are held for the owner."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from daemon.core.itip import AnswerRules, Letter, Outcome, Verdict, apply_reply
from daemon.core.model import Attendee, Entry, Guest, Organizer, PartStat, Role
from tests.core.builders import ANNA, BEN, NOW, a_reply, a_series, an_attendee, an_entry, an_occurrence, nth, parsed, told

CARL = "carl@example.org"
SERVICE = "sitzung@sitzung.example.org"


def judged(entry: Entry, *guests: Guest, mail_from: str = ANNA, rules: AnswerRules | None = None, **changes: Any) -> Verdict:
    known = {name: changes.pop(name) for name in ("aliases", "referred", "service", "consent", "checked") if name in changes}
    letter = Letter(mail_from=mail_from, mail_date=NOW, **known)
    (verdict,) = apply_reply(entry, (told(entry),), parsed(a_reply(guests=guests, **changes)), letter=letter, rules=rules)
    return verdict


def line(email: str, partstat: PartStat = PartStat.ACCEPTED, **changes: Any) -> Guest:
    return Guest(email=email, partstat=partstat, **changes)


@pytest.mark.parametrize(
    ("guest", "mail_from"),
    [
        pytest.param(line("token@imip.test", alias=ANNA), ANNA, id="EMAIL names the attendee, and the mail is his"),
        pytest.param(line(ANNA, sent_by="office@example.org"), "office@example.org", id="an assistant of the same organisation"),
    ],
)
def test_a_claim_that_fits_the_sender_counts(guest: Guest, mail_from: str) -> None:
    verdict = judged(an_entry(), guest, mail_from=mail_from)
    assert (verdict.outcome, verdict.attendee) == (Outcome.APPLIED, ANNA)


@pytest.mark.parametrize(
    ("guest", "mail_from"),
    [
        pytest.param(line("x@evil.test", alias=ANNA), "x@evil.test", id="EMAIL of somebody else"),
        pytest.param(line(ANNA, alias="x@evil.test"), "x@evil.test", id="his own address as EMAIL of somebody else"),
        pytest.param(line(ANNA, sent_by="x@evil.test"), "x@evil.test", id="an assistant from elsewhere"),
        pytest.param(line(ANNA), "ben@example.com", id="another attendee"),
    ],
)
def test_a_claim_that_does_not_is_held(guest: Guest, mail_from: str) -> None:
    assert judged(an_entry(), guest, mail_from=mail_from).outcome is Outcome.HELD


def test_an_address_that_is_known_to_be_his_counts() -> None:
    verdict = judged(an_entry(), line("anna@privat.test"), mail_from="anna@privat.test", aliases={"anna@privat.test": ANNA})
    assert (verdict.outcome, verdict.attendee) == (Outcome.APPLIED, ANNA)


def test_the_organizer_of_what_was_made_here_is_ours() -> None:
    stranger = Organizer(email="boss@evil.test")
    assert judged(an_entry(), line(ANNA), organizer=stranger, service=SERVICE).outcome is Outcome.HELD
    assert judged(an_entry(uid="imported@else.test"), line(ANNA), organizer=stranger, service=SERVICE, uid="imported@else.test")
    detail = Organizer(email="sitzung+t0k3n@sitzung.example.org")
    assert judged(an_entry(), line(ANNA), organizer=detail, service=SERVICE).outcome is Outcome.APPLIED


def test_a_delegate_of_the_same_organisation_joins_in_the_place_of_who_sent_him() -> None:
    entry = an_entry(attendees=(an_attendee(ANNA, role=Role.OPT_PARTICIPANT), an_attendee(BEN)))
    verdict = judged(entry, line(ANNA, PartStat.DELEGATED, delegated_to=CARL))
    assert verdict.joins == Attendee(email=CARL, role=Role.OPT_PARTICIPANT, delegated_from=ANNA)
    assert verdict.answers[0].delegated_to == CARL


def test_a_delegation_to_who_is_listed_already_adds_nobody() -> None:
    verdict = judged(an_entry(), line(ANNA, PartStat.DELEGATED, delegated_to=BEN))
    assert (verdict.outcome, verdict.joins) == (Outcome.APPLIED, None)


def test_a_delegate_for_one_date_joins_that_date_alone() -> None:
    entry = a_series(an_occurrence(1, title="x"))
    verdict = judged(entry, line(ANNA, PartStat.DELEGATED, delegated_to=CARL), recurrence_id=nth(1))
    assert (verdict.recurrence_id, verdict.joins) == (nth(1), Attendee(email=CARL, delegated_from=ANNA))


@pytest.mark.parametrize(
    ("people", "to", "reason"),
    [
        pytest.param((), "carl@else.test", "another organisation", id="a stranger"),
        pytest.param((), SERVICE, "cannot stand in", id="we ourselves"),
        pytest.param((), ANNA, "cannot stand in", id="himself"),
        pytest.param(((ANNA, CARL), (CARL, "")), CARL, "circle", id="back again"),
        pytest.param(((ANNA, CARL), (CARL, "d@example.org"), ("d@example.org", "")), "e@example.org", "3rd", id="a long chain"),
    ],
)
def test_a_delegation_that_goes_too_far_is_held(people: tuple[tuple[str, str], ...], to: str, reason: str) -> None:
    entry = an_entry()
    if people:
        entry = replace(entry, attendees=tuple(Attendee(email=email, delegated_from=by) for email, by in people))
    verdict = judged(entry, line(ANNA, PartStat.DELEGATED, delegated_to=to), service=SERVICE)
    assert verdict.outcome is Outcome.HELD
    assert reason in verdict.reason
    assert verdict.partstat is PartStat.DELEGATED


def test_with_consent_whoever_is_named_has_answered() -> None:
    verdict = judged(an_entry(), line(CARL), mail_from="office@else.test", consent=True)
    assert (verdict.outcome, verdict.joins) == (Outcome.APPLIED, Attendee(email=CARL, role=Role.OPT_PARTICIPANT))


def test_with_consent_a_delegate_joins_whose_principal_never_said_so() -> None:
    verdict = judged(an_entry(), line(CARL, delegated_from=BEN), mail_from=CARL)
    assert verdict.outcome is Outcome.HELD
    assert "who has not said so yet" in verdict.reason
    verdict = judged(an_entry(), line(CARL, delegated_from=BEN), mail_from=CARL, consent=True)
    assert (verdict.outcome, verdict.joins) == (Outcome.APPLIED, Attendee(email=CARL, delegated_from=BEN))
