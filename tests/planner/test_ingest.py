"""Mails taken in: one outcome each, journalled; a repeat changes nothing; an answer never mails anybody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from daemon import planner
from daemon.core.delivery import Message
from daemon.core.itip import Outcome
from daemon.core.model import Entry, Owner, PartStat
from daemon.core.reading import read
from daemon.planner import IngestResult
from daemon.planner.wishes import Draft
from daemon.store import inbox as inbox_rows
from daemon.store import journal as journal_rows
from daemon.store import messages as message_rows
from daemon.store import work
from daemon.store.engine import Store
from tests.clock import ManualClock
from tests.planner.conftest import PLANNER, Do
from tests.planner.test_entries import ANNA, when

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)


@pytest.fixture
def entry(do: Do, alice: Owner, clock: ManualClock) -> Entry:
    made: Entry = do(planner.create, alice.id, Draft(title="Haushalt", when=when(), attendees=(ANNA,))).entry
    clock.move(timedelta(hours=1))
    return made


def a_mail(uid: str, *, sender: str = ANNA.email, partstat: str = "ACCEPTED", stamp: datetime = NOW, **headers: str) -> bytes:
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"], mail["Message-ID"] = (
        sender,
        PLANNER,
        "Zugesagt: Haushalt",
        f"<{stamp.timestamp()}@x>",
    )
    mail["Date"] = stamp
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    body = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Microsoft//Outlook 16.0//EN\r\nMETHOD:REPLY\r\nBEGIN:VEVENT\r\n"
        f"UID:{uid}\r\nDTSTAMP:{stamp:%Y%m%dT%H%M%SZ}\r\nSEQUENCE:0\r\nATTENDEE;PARTSTAT={partstat}:mailto:{ANNA.email}\r\n"
        "END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    mail.set_content(body, subtype="calendar", params={"method": "REPLY"})
    return mail.as_bytes()


def take(do: Do, raw: bytes) -> IngestResult:
    (result,) = do(planner.ingest, raw, read(raw), received=NOW, source="file")
    assert isinstance(result, IngestResult)
    return result


def test_an_answer_is_applied_once_and_shown(do: Do, entry: Entry, store: Store) -> None:
    waiting = store.run_now(lambda tx: work.list_(tx))
    result = take(do, a_mail(entry.uid))
    assert (result.outcome, result.attendee, result.partstat) == (Outcome.APPLIED, ANNA.email, PartStat.ACCEPTED)
    view = do(planner.show, entry.id)
    assert view.attendees[0].standing.partstat is PartStat.ACCEPTED
    assert take(do, a_mail(entry.uid)).outcome is Outcome.IGNORED
    assert store.run_now(lambda tx: work.list_(tx)) == waiting, "an answer mails nobody"
    actions = [line.action for line in store.run_now(lambda tx: journal_rows.list_(tx, entry=entry.id))]
    assert actions.count("answer") == 1
    assert [one.outcome for one in store.run_now(lambda tx: inbox_rows.list_(tx))] == ["applied"]


def test_an_older_answer_after_a_newer_one_is_ignored(do: Do, entry: Entry) -> None:
    take(do, a_mail(entry.uid, partstat="DECLINED", stamp=NOW + timedelta(minutes=5)))
    assert take(do, a_mail(entry.uid, partstat="ACCEPTED", stamp=NOW)).outcome is Outcome.IGNORED
    assert do(planner.show, entry.id).attendees[0].standing.partstat is PartStat.DECLINED


@pytest.mark.parametrize(
    ("make", "outcome", "reason"),
    [
        (lambda uid: a_mail("unknown@x"), Outcome.IGNORED, "No entry of ours"),
        (lambda uid: a_mail(uid, sender="mallory@evil.test"), Outcome.HELD, "mallory@evil.test"),
        (lambda uid: a_mail(uid).replace(b"METHOD:REPLY", b"METHOD:CANCEL"), Outcome.REJECTED, "CANCEL"),
        (lambda uid: a_mail(uid, partstat="MAYBE"), Outcome.HELD, "MAYBE"),
        (lambda uid: b"From: a@b.de\r\nSubject: Zugesagt\r\n\r\nIch komme gern.\r\n", Outcome.INFORMATIONAL, "no calendar part"),
        (lambda uid: b"From: a@b.de\r\nAuto-Submitted: auto-replied\r\n\r\nBin im Urlaub.\r\n", Outcome.AUTO, "automatic"),
        (
            lambda uid: (
                b"From: MAILER-DAEMON@b.de\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n"
                b"\r\n--b\r\n\r\nx\r\n--b--\r\n"
            ),
            Outcome.BOUNCE,
            "could not be delivered",
        ),
        (lambda uid: b"From: a@b.de\r\nFrom: c@d.de\r\n\r\nx", Outcome.HELD, "From"),
        (
            lambda uid: b"From: a@b.de\r\nContent-Type: text/calendar; method=REPLY\r\n\r\nBEGIN:VCALENDAR\r\nVERSION:2.0\r\n",
            Outcome.HELD,
            "",
        ),
        (
            lambda uid: b"From: a@b.de\r\nContent-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n",
            Outcome.HELD,
            "no event",
        ),
    ],
    ids=[
        "unknown UID",
        "someone else's address",
        "a CANCEL",
        "unknown answer",
        "plain text",
        "out of office",
        "bounce",
        "two senders",
        "cut off",
        "empty calendar",
    ],
)
def test_every_mail_ends_in_one_outcome_with_its_reason(
    do: Do, entry: Entry, store: Store, make: object, outcome: Outcome, reason: str
) -> None:
    raw = make(entry.uid)  # type: ignore[operator]
    result = take(do, raw)
    assert result.outcome is outcome
    assert reason in result.reason
    assert do(planner.show, entry.id).attendees[0].standing.partstat is PartStat.NEEDS_ACTION
    (kept,) = store.run_now(lambda tx: inbox_rows.list_(tx))
    assert (kept.outcome, kept.reason) == (result.outcome.value, result.reason)
    waits = outcome in (Outcome.HELD, Outcome.REJECTED)
    assert (store.run_now(lambda tx: inbox_rows.get(tx, kept.id)).data is not None) is waits


def test_the_method_may_stand_in_the_content_type_alone(do: Do, entry: Entry) -> None:
    assert take(do, a_mail(entry.uid).replace(b"METHOD:REPLY\r\n", b"")).outcome is Outcome.APPLIED


def test_a_plain_reply_to_our_mail_waits_for_a_person(do: Do, entry: Entry, store: Store, clock: ManualClock) -> None:
    """Invitations say "just reply to this mail": what comes is held with the entry it is about, and changes nothing by itself."""
    message = Message(
        id="m1",
        work=f"mail:{entry.id}:{ANNA.email}",
        entry=entry.id,
        recipient=ANNA.email,
        kind="invitation",
        method="REQUEST",
        sequence=0,
        message_id="<ours@example.test>",
        created=clock.now(),
    )
    store.run_now(lambda tx: message_rows.insert(tx, message))
    words = (
        b"From: anna@kunde.test\r\nSubject: AW: Einladung\r\nIn-Reply-To: <ours@example.test>\r\n\r\nIch komme leider nicht.\r\n"
    )
    result = take(do, words)
    assert (result.outcome, result.attendee, result.entry) == (Outcome.HELD, ANNA.email, entry.id)
    assert do(planner.show, entry.id).attendees[0].standing.partstat is PartStat.NEEDS_ACTION
