"""Held answers, proposals, requests for the invitation and reports of mail servers: what the owner sees and decides."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from daemon import planner
from daemon.core.delivery import Message, MessageState
from daemon.core.errors import NotFound, Rejected
from daemon.core.itip import AnswerRules, MailKind, Outcome, Uninvited
from daemon.core.journal import InboxMail
from daemon.core.model import AnswerSource, Attendee, Entry, Method, Owner, PartStat, Role
from daemon.core.reading import read
from daemon.planner import decisions, outbox
from daemon.planner.causes import mail_key
from daemon.planner.wishes import Desk, Draft
from daemon.render import Renderer
from daemon.resources import template_folders
from daemon.store import inbox as inbox_rows
from daemon.store import messages as message_rows
from daemon.store import work
from daemon.store.engine import Store
from tests.clock import ManualClock
from tests.planner.conftest import PLANNER, Do
from tests.planner.test_entries import ANNA, when

BEN = Attendee(email="ben@kunde.test", name="Ben")
HOUR = timedelta(hours=1)


@pytest.fixture
def entry(do: Do, alice: Owner, clock: ManualClock, desk: Desk) -> Entry:
    """A session that Anna and Ben were sent; both have the invitation."""
    made: Entry = do(planner.create, alice.id, Draft(title="Haushalt", when=when(), attendees=(ANNA, BEN))).entry
    for person in (ANNA, BEN):
        mailed(do, desk, made, person.email)
    clock.move(2 * HOUR)
    return made


def mailed(do: Do, desk: Desk, entry: Entry, email: str) -> tuple[Message, ...]:
    """Send what is owed, as the loop does."""
    owing = do(outbox.owing, entry.id, email)
    if owing is None:
        return ()
    key = mail_key(entry.id, email)
    messages = outbox.written(desk, Renderer(template_folders()), owing, key)

    def send(tx: Any, desk: Desk) -> None:
        message_rows.insert(tx, *messages)
        for one in messages:
            outbox.note_sent(tx, desk, one, "250 ok")
        work.cancel(tx, key, now=desk.clock.now())

    do(send)
    return messages


def a_mail(
    entry: Entry, *, sender: str = ANNA.email, partstat: str = "ACCEPTED", method: str = "REPLY", more: str = "", minute: int = 0
) -> bytes:
    stamp = datetime(2027, 3, 1, 10, minute, tzinfo=UTC)
    return (
        f"From: {sender}\r\nTo: {PLANNER}\r\nDate: {stamp:%a, %d %b %Y %H:%M:%S +0000}\r\nMessage-ID: <{method}{minute}@x>\r\n"
        f"Content-Type: text/calendar; method={method}; charset=utf-8\r\n\r\n"
        f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:{method}\r\nBEGIN:VEVENT\r\nUID:{entry.uid}\r\nSEQUENCE:0\r\n"
        f"DTSTAMP:{stamp:%Y%m%dT%H%M%SZ}\r\n{more}"
        f"ATTENDEE;PARTSTAT={partstat}:mailto:{sender}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    ).encode()


def take(do: Do, raw: bytes) -> planner.IngestResult:
    first, *_ = do(planner.ingest, raw, read(raw), received=datetime(2027, 3, 1, 10, tzinfo=UTC), source="file")
    assert isinstance(first, planner.IngestResult)
    return first


def newest(store: Store) -> InboxMail:
    return store.run_now(lambda tx: inbox_rows.list_(tx))[0]


def said(do: Do, entry: Entry, email: str = ANNA.email) -> Any:
    return next(one for one in do(planner.show, entry.id).attendees if one.attendee.email == email)


def test_a_strangers_answer_waits_and_accepted_puts_him_on_the_list(do: Do, entry: Entry, store: Store) -> None:
    assert take(do, a_mail(entry, sender="carl@else.test")).outcome is Outcome.HELD
    mail = newest(store)
    assert (mail.attendee, mail.partstat, mail.outcome) == ("carl@else.test", PartStat.ACCEPTED, "held")
    decided = do(planner.accept, mail.id)
    assert decided.reason.startswith("Accepted by the owner. carl@else.test answered ACCEPTED")
    view = said(do, entry, "carl@else.test")
    assert (view.attendee.role, view.standing.partstat) == (Role.OPT_PARTICIPANT, PartStat.ACCEPTED)
    settled = store.run_now(lambda tx: inbox_rows.get(tx, mail.id))
    assert (settled.outcome, settled.data) == ("applied", None)
    with pytest.raises(Rejected, match="nothing to decide"):
        do(planner.accept, mail.id)


def test_a_refused_answer_changes_nothing_and_waits_no_more(do: Do, entry: Entry, store: Store) -> None:
    take(do, a_mail(entry, sender="carl@else.test"))
    do(planner.refuse, newest(store).id)
    assert newest(store).outcome == "ignored"
    assert [one.email for one in do(planner.show, entry.id).entry.attendees] == [ANNA.email, BEN.email]


@pytest.mark.parametrize(
    ("setting", "outcome", "people"), [(Uninvited.ADD_AS_OPTIONAL, Outcome.APPLIED, 3), (Uninvited.REFUSE, Outcome.IGNORED, 2)]
)
def test_answers_of_strangers_can_be_settled_once_for_all(
    do: Do, desk: Desk, entry: Entry, setting: Uninvited, outcome: Outcome, people: int
) -> None:
    desk.rules = replace(desk.rules, answers=AnswerRules(uninvited=setting))
    assert take(do, a_mail(entry, sender="carl@else.test")).outcome is outcome
    assert len(do(planner.show, entry.id).entry.attendees) == people


def test_what_holds_no_answer_cannot_be_accepted_but_recorded_by_hand(do: Do, entry: Entry, store: Store) -> None:
    take(do, a_mail(entry, partstat="X-PERHAPS"))
    with pytest.raises(Rejected, match="X-PERHAPS"):
        do(planner.accept, newest(store).id)
    do(planner.set_answer, entry.id, "Anna@Kunde.test", PartStat.TENTATIVE, comment="am Telefon")
    answer = said(do, entry).standing.answer
    assert (answer.partstat, answer.source, answer.comment) == (PartStat.TENTATIVE, AnswerSource.OWNER, "am Telefon")


def test_who_is_not_invited_has_no_answer_by_hand(do: Do, entry: Entry) -> None:
    with pytest.raises(Rejected, match="not on the list"):
        do(planner.set_answer, entry.id, "carl@else.test", PartStat.ACCEPTED)
    with pytest.raises(Rejected, match="has no date"):
        do(planner.set_answer, entry.id, ANNA.email, PartStat.ACCEPTED, recurrence_id=datetime(2030, 1, 1))
    with pytest.raises(Rejected, match="ACCEPTED, DECLINED or TENTATIVE"):
        do(planner.set_answer, entry.id, ANNA.email, PartStat.NEEDS_ACTION)


def proposal(entry: Entry) -> bytes:
    assert entry.when is not None
    start = entry.when.start + timedelta(days=1)
    times = (
        f"DTSTART;TZID={entry.when.zone}:{start:%Y%m%dT%H%M%S}\r\nDTEND;TZID={entry.when.zone}:{start + HOUR:%Y%m%dT%H%M%S}\r\n"
    )
    return a_mail(entry, partstat="TENTATIVE", method="COUNTER", more=f"{times}COMMENT:Lieber einen Tag später\r\n")


def test_an_accepted_proposal_moves_the_entry_and_asks_everybody(do: Do, entry: Entry, store: Store) -> None:
    result = take(do, proposal(entry))
    assert (result.outcome, result.partstat) == (Outcome.COUNTER, PartStat.TENTATIVE)
    assert said(do, entry).standing.partstat is PartStat.TENTATIVE
    decided = do(planner.accept, newest(store).id)
    assert {one.target for one in decided.effects if one.mail_kind is MailKind.UPDATE} == {ANNA.email, BEN.email}
    after = do(planner.show, entry.id).entry
    assert entry.when is not None
    assert after.when is not None
    assert (after.when.start, after.sequence) == (entry.when.start + timedelta(days=1), entry.sequence + 1)


def test_a_refused_proposal_is_declined_to_him_alone(do: Do, desk: Desk, entry: Entry, store: Store) -> None:
    take(do, proposal(entry))
    mail = newest(store)
    do(planner.refuse, mail.id, comment="Da ist der Saal belegt.")
    (job,) = store.run_now(lambda tx: work.of_keys(tx, [f"decline:{mail.id}"]))
    owed = store.run_now(lambda tx: decisions.declining(tx, job))
    assert owed is not None
    message = decisions.decline_message(desk, Renderer(template_folders()), owed, job.key)
    assert (message.recipient, message.method, message.sequence) == (ANNA.email, Method.DECLINECOUNTER.value, 0)
    store.run_now(lambda tx: message_rows.insert(tx, replace(message, state=MessageState.SENT)))
    assert store.run_now(lambda tx: decisions.declining(tx, job)) is None, "it is told once"
    assert do(planner.show, entry.id).entry.when == entry.when


def test_who_asks_for_the_invitation_gets_it_again_in_the_same_version_and_not_twice_within_the_hour(
    do: Do, desk: Desk, entry: Entry, store: Store, clock: ManualClock
) -> None:
    assert take(do, a_mail(entry, method="REFRESH", partstat="NEEDS-ACTION")).outcome is Outcome.RESEND_REQUEST
    assert store.run_now(lambda tx: work.of_keys(tx, [mail_key(entry.id, ANNA.email)]))
    (again,) = mailed(do, desk, entry, ANNA.email)
    assert (again.method, again.sequence, again.kind) == ("REQUEST", 0, "invitation")
    assert mailed(do, desk, entry, ANNA.email) == (), "then he is even"
    clock.move(HOUR / 2)
    assert "within the hour" in take(do, a_mail(entry, method="REFRESH", partstat="NEEDS-ACTION", minute=1)).reason
    assert mailed(do, desk, entry, ANNA.email) == ()


def test_who_was_taken_off_the_list_and_still_answers_is_sent_his_cancellation_again(
    do: Do, desk: Desk, entry: Entry, clock: ManualClock
) -> None:
    do(planner.uninvite, entry.id, (ANNA.email,))
    (removal,) = mailed(do, desk, entry, ANNA.email)
    clock.move(2 * HOUR)
    result = take(do, a_mail(entry))
    assert (result.outcome, "any more" in result.reason) == (Outcome.IGNORED, True)
    (again,) = mailed(do, desk, entry, ANNA.email)
    assert (again.method, again.sequence) == (removal.method, removal.sequence)


def report(message_id: str, *, action: str = "failed", status: str = "5.1.1", to: str = PLANNER) -> bytes:
    return (
        f"From: MAILER-DAEMON@mx.kunde.test\r\nTo: {to}\r\nReturn-Path: <>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\nIt did not work.\r\n"
        f"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.kunde.test\r\n\r\n"
        f"Final-Recipient: rfc822; {ANNA.email}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; 550 {status} no such user\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {message_id}\r\nSubject: x\r\n\r\n--b--\r\n"
    ).encode()


def test_whose_mail_came_back_is_shown_with_the_servers_words_until_he_is_heard_of(
    do: Do, entry: Entry, store: Store, clock: ManualClock
) -> None:
    (sent,) = [one for one in store.run_now(lambda tx: message_rows.of_entry(tx, entry.id)) if one.recipient == ANNA.email]
    result = take(do, report(sent.message_id))
    assert (result.outcome, result.attendee) == (Outcome.BOUNCE, ANNA.email)
    delivery = said(do, entry).delivery
    assert (delivery.state, delivery.reply) == ("undeliverable", "550 5.1.1 no such user")
    assert said(do, entry, BEN.email).delivery.state == "sent"
    take(do, a_mail(entry))
    assert said(do, entry).delivery.state == "sent"


@pytest.mark.parametrize(("action", "status"), [("delayed", "4.4.1"), ("failed", "4.2.2"), ("relayed", "2.0.0")])
def test_what_may_still_arrive_marks_nobody(do: Do, entry: Entry, store: Store, action: str, status: str) -> None:
    sent = store.run_now(lambda tx: message_rows.of_entry(tx, entry.id))[0]
    assert take(do, report(sent.message_id, action=action, status=status)).outcome is Outcome.INFORMATIONAL
    assert said(do, entry).delivery.state == "sent"


def test_a_report_about_no_mail_of_ours_marks_nobody(do: Do, entry: Entry) -> None:
    assert "none of ours" in take(do, report("<invented@evil.test>")).reason
    assert said(do, entry).delivery.state == "sent"


def test_the_address_it_was_sent_to_names_the_mail_where_nothing_is_returned(
    do: Do, desk: Desk, entry: Entry, store: Store
) -> None:
    desk.rules = replace(desk.rules, bounces="planner+{token}@example.test")
    (sent,) = [one for one in store.run_now(lambda tx: message_rows.of_entry(tx, entry.id)) if one.recipient == ANNA.email]
    assert take(do, report("", to=f"planner+{sent.id}@example.test")).attendee == ANNA.email


def test_an_alias_is_learned_by_consent_and_counts_from_then_on(do: Do, entry: Entry, store: Store) -> None:
    sent = next(one for one in store.run_now(lambda tx: message_rows.of_entry(tx, entry.id)) if one.recipient == ANNA.email)
    private = a_mail(entry, sender="anna@privat.test").replace(
        b"Content-Type", f"In-Reply-To: {sent.message_id}\r\nContent-Type".encode()
    )
    assert take(do, private).outcome is Outcome.HELD
    assert newest(store).attendee == ANNA.email
    do(planner.accept, newest(store).id)
    assert said(do, entry).standing.partstat is PartStat.ACCEPTED
    assert take(do, a_mail(entry, sender="anna@privat.test", partstat="DECLINED", minute=5)).outcome is Outcome.APPLIED
    assert said(do, entry).standing.partstat is PartStat.DECLINED


def test_an_automatic_reply_with_our_own_invitation_is_none(do: Do, entry: Entry) -> None:
    raw = a_mail(entry, method="REQUEST").replace(b"To:", b"Auto-Submitted: auto-replied\r\nTo:")
    assert take(do, raw).outcome is Outcome.AUTO


def test_a_mail_of_another_owner_is_not_found(do: Do, entry: Entry, store: Store) -> None:
    take(do, a_mail(entry, sender="carl@else.test"))
    mail = newest(store)
    assert do(lambda tx, desk: planner.find_mail(tx, mail.id[:8], entry.owner)).id == mail.id
    with pytest.raises(NotFound):
        do(lambda tx, desk: planner.find_mail(tx, mail.id, "somebody"))
    assert json.dumps(mail.reason)
