"""Whole mails as they leave the house: a golden file of the structure for each kind and language, and what another program reads.

The words have golden files of their own (`tests/test_render.py`); here are headers, MIME tree and calendar object.
`UPDATE_GOLDEN=1 pytest tests/planner/test_written_mails.py` writes them anew; look at the difference before you commit it.
"""

from __future__ import annotations

import email
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest

from daemon.core import zones
from daemon.core.delivery import Message, sent_from_json
from daemon.core.itip import MailKind, after_sending, next_dtstamp, owed, with_sequences
from daemon.core.model import Attendee, Entry, EntryState, Language, Occurrence, Organizer, Owner, When
from daemon.core.organizer import OrganizerForm
from daemon.core.recurrence import dates
from daemon.planner import outbox, owner_mail
from daemon.planner.causes import dress_of, mail_organizer
from daemon.planner.decisions import Declining, decline_message
from daemon.planner.notices import Notice
from daemon.planner.outbox import Owing
from daemon.planner.owner_mail import Reminding
from daemon.planner.wishes import Desk, Rules
from daemon.render import Renderer, Trouble, TroubleWith
from daemon.resources import template_folders
from tests import js
from tests.clock import ManualClock
from tests.core.builders import an_owner

GOLDEN = Path(__file__).parents[1] / "data" / "post"
RENDERER = Renderer(template_folders())
NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
START = datetime(2027, 2, 1, 9)
SERVICE = Organizer(email="sitzung@planner.example.org", name="Sitzungsplaner")
BEN = Attendee(email="ben@example.com", name='Ben "Benno" Muster, Büro; Süd')
CLARA = Attendee(email="clara.very.long.address@department.of.great.length.example.net", name="Clara Ångström")
EVERY = [pytest.param(kind, language, id=f"{kind}-{language}") for kind in MailKind for language in Language]


def a_session(**changes: Any) -> Entry:
    """A series over two clock changes, with everything that is awkward to write."""
    return replace(
        Entry(
            id="e1",
            uid="5f0c0b9e-7a51-4f7e-9d62-0f4a9a3f1c11@planner.example.org",
            owner="o1",
            number="524644209",
            title="Jour fixe: Haushalt, Bau; „Sönderfälle“ \\ 漢字 😀",
            description="Erste Zeile, mit Komma; und Semikolon.\nZweite Zeile \\n " + "ä" * 90 + "\n\n— Ende",
            created=NOW,
            modified=NOW,
            when=When(start=START, zone="Europe/Berlin", duration=HOUR),
            rrule="FREQ=WEEKLY;COUNT=50",
            invited=True,
            attendees=(BEN, CLARA),
            occurrences=(
                Occurrence(recurrence_id=START + WEEK, cancelled=True, sequence=1),
                Occurrence(recurrence_id=START + 2 * WEEK, start=START + 2 * WEEK + HOUR, title="Verlegt", sequence=1),
            ),
            telephone=True,
            password="Winter26",
        ),
        **changes,
    )


def edited(before: Entry, **changes: Any) -> Entry:
    return with_sequences(before, replace(before, **changes))


def versions(kind: MailKind, entry: Entry) -> tuple[Entry, ...]:
    """The lives of an entry whose last turn owes Ben a mail of this kind."""
    without = edited(entry, attendees=(CLARA,))
    other = Occurrence(recurrence_id=START + 3 * WEEK, cancelled=True)
    match kind:
        case MailKind.UPDATE:
            assert entry.when is not None
            return entry, edited(
                entry, when=replace(entry.when, duration=entry.when.duration + (DAY if entry.when.all_day else HOUR))
            )
        case MailKind.INFORMATION:
            return entry, edited(entry, title="Haushalt", location="Saal 2")
        case MailKind.CANCELLATION:
            return entry, edited(entry, state=EntryState.CANCELLED)
        case MailKind.REMOVAL:
            return entry, without
        case MailKind.OCCURRENCE_UPDATE:
            moved = Occurrence(recurrence_id=START + 3 * WEEK, start=START + 3 * WEEK + DAY)
            return entry, edited(entry, occurrences=(*entry.occurrences, moved))
        case MailKind.OCCURRENCE_CANCELLATION:
            return entry, edited(entry, occurrences=(*entry.occurrences, other))
        case MailKind.REINVITATION:
            return entry, without, edited(without, attendees=entry.attendees)
        case _:
            return (entry,)


def a_desk(**rules: Any) -> Desk:
    changed = Rules(organizer=SERVICE, link_template="https://meet.example.org/{number}", dial_in="+49 30 1234567", **rules)
    return Desk(clock=ManualClock(NOW), rules=changed)


def mails(*lives: Entry, desk: Desk, language: Language = Language.DE, to: Attendee = BEN) -> tuple[Message, ...]:
    """Everything that the last turn of an entry's life owes an attendee, written out."""
    owner, sent = an_owner(language=language), None
    for entry in lives[:-1]:
        organizer, dress = mail_organizer(desk, owner, sent), dress_of(desk, entry, owner)
        for one in owed(entry, to.email, sent, organizer=organizer, dress=dress, now=NOW):
            stamp = next_dtstamp(sent, NOW)
            sent = after_sending(sent, entry, to.email, one, dtstamp=stamp, message_id=f"<{stamp:%H%M%S}@planner.example.org>")
    entry, dress = lives[-1], dress_of(desk, lives[-1], owner)
    organizer = mail_organizer(desk, owner, sent)
    owes = owed(entry, to.email, sent, organizer=organizer, dress=dress, now=NOW, private=desk.rules.private_guests)
    owing = Owing(entry=entry, owner=owner, attendee=to.email, name=to.name, sent=sent, messages=owes)
    return outbox.written(desk, RENDERER, owing, "mail:e1")


def a_declined(entry: Entry, owner: Owner) -> Declining:
    """Ben proposed to move the fourth date to another day."""
    return Declining(
        entry=entry,
        owner=owner,
        attendee=BEN.email,
        sent=None,
        proposal=When(start=START + 3 * WEEK + DAY, zone="Europe/Berlin", duration=HOUR),
        recurrence_id=START + 3 * WEEK,
        sequence=2,
        comment="Zwei von uns sind nicht da.",
        references=("<proposal@example.com>",),
    )


def a_mail(kind: MailKind, language: Language) -> Message:
    desk, entry, owner = a_desk(), a_session(), an_owner(language=language)
    if kind is MailKind.REMINDER:
        date = dates(entry, after=NOW, limit=1)[0]
        due = Reminding(entry=entry, owner=owner, offset=DAY, date=date, reminded=False, wake=None)
        return owner_mail.reminder_message(desk, RENDERER, due, "remind:e1:86400")
    if kind is MailKind.TROUBLE:
        trouble = Trouble(
            about=TroubleWith.MAIL, reply="550 5.1.1 no such user", mail="invitation", people=("Ben <ben@example.com>",)
        )
        return owner_mail.trouble_message(
            desk, RENDERER, Notice(entry=entry, owner=owner, trouble=trouble, things=("x",)), "notice:x"
        )
    if kind is MailKind.DECLINE_COUNTER:
        return decline_message(desk, RENDERER, a_declined(entry, owner), "decline:m1")
    *_, message = mails(*versions(kind, entry), desk=desk, language=language)
    return message


def data_of(message: Message) -> bytes:
    assert message.data is not None
    return message.data


def read(data: bytes) -> EmailMessage:
    found = email.message_from_bytes(data, policy=SMTP)
    assert isinstance(found, EmailMessage)
    return found


def calendar_of(data: bytes) -> str:
    *_, last = read(data).iter_parts()
    payload = last.get_payload(decode=True) if last.get_content_type() == "text/calendar" else b""
    assert isinstance(payload, bytes)
    return payload.decode()


def structure(data: bytes) -> str:
    """Headers, MIME tree and calendar lines, unfolded and decoded; texts and boundaries left out."""
    mail = read(data)
    lines = [f"{name}: {' '.join(str(value).split())}" for name, value in mail.items() if name != "Content-Type"]
    lines += ["", *_tree(mail, 0), "", *calendar_of(data).replace("\r\n ", "").split("\r\n")]
    return "\n".join(lines).rstrip() + "\n"


def _tree(part: EmailMessage, depth: int) -> Iterator[str]:
    given = part["Content-Type"].params
    parameters = "".join(f"; {name}={value}" for name, value in given.items() if name != "boundary")
    rest = [f"{name}: {value}" for name, value in part.items() if name.lower() in ("content-disposition", "content-id")]
    encoding = part["Content-Transfer-Encoding"]
    yield "  " * depth + " ".join([f"{part.get_content_type()}{parameters}", *([str(encoding)] if encoding else []), *rest])
    for child in part.iter_parts():
        assert isinstance(child, EmailMessage)
        yield from _tree(child, depth + 1)


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_a_mail_is_built_as_the_one_that_was_looked_at(kind: MailKind, language: Language) -> None:
    message = a_mail(kind, language)
    assert message.kind == kind.value
    content = structure(data_of(message))
    golden = GOLDEN / language.value / f"{kind.value}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(content, encoding="utf-8")
    assert content == golden.read_text(encoding="utf-8"), f"{golden} differs"


def test_golden_files_are_those_of_the_kinds_and_languages() -> None:
    assert {str(path.relative_to(GOLDEN)) for path in GOLDEN.rglob("*.*")} == {
        f"{language.value}/{kind.value}.txt" for kind in MailKind for language in Language
    }


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_lines_end_and_fold_as_the_standards_say(kind: MailKind, language: Language) -> None:
    """RFC 5322 2.1.1, RFC 2045 6, RFC 5545 3.1: CRLF everywhere, 7 bits outside, 75 octets inside, no character cut."""
    data = data_of(a_mail(kind, language))
    assert data.isascii()
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert b"\r" not in data.replace(b"\r\n", b"")
    assert max(len(line) for line in data.split(b"\r\n")) <= 78
    calendar = calendar_of(data)
    assert "\n" not in calendar.replace("\r\n", "")
    assert max(len(line.encode()) for line in calendar.split("\r\n")) <= 75
    assert not re.search(r"SCHEDULE-|BEGIN:VALARM|ACTION:EMAIL", calendar)
    assert calendar.count("BEGIN:VCALENDAR") == calendar.count("METHOD:") == (1 if message_has_calendar(kind) else 0)


def message_has_calendar(kind: MailKind) -> bool:
    return kind not in (MailKind.REMINDER, MailKind.TROUBLE)


# What ical.js makes of it

TIMES = {
    "a series in Berlin": a_session(),
    "one session": a_session(rrule=None, occurrences=()),
    "in UTC": a_session(when=When(start=START, zone="UTC", duration=HOUR)),
    "all day": a_session(
        when=When(start=datetime(2027, 2, 1), zone="Europe/Berlin", duration=2 * DAY, all_day=True), occurrences=()
    ),
    "Casablanca, whose clocks follow Ramadan": a_session(when=When(start=START, zone="Africa/Casablanca", duration=HOUR)),
    "Vancouver, which gives up changing them": a_session(when=When(start=START, zone="America/Vancouver", duration=HOUR)),
    "across midnight into the doubled hour": a_session(
        rrule=None, occurrences=(), when=When(start=datetime(2027, 10, 30, 22), zone="Europe/Berlin", duration=5.5 * HOUR)
    ),
    "without end": a_session(
        rrule="FREQ=MONTHLY;BYDAY=-1FR",
        when=When(start=datetime(2027, 1, 29, 9), zone="Europe/Berlin", duration=HOUR),
        occurrences=(),
    ),
    "no length": a_session(rrule=None, occurrences=(), when=When(start=START, zone="Asia/Kolkata", duration=timedelta(0))),
}


def test_another_program_reads_every_object_without_complaint_and_as_it_was_meant() -> None:
    """Every kind at every sort of date, in every form of organizer, with everybody listed and with nobody else."""
    written: list[tuple[str, Message]] = []
    for name, entry in TIMES.items():
        for kind in (one for one in MailKind if message_has_calendar(one) and one is not MailKind.DECLINE_COUNTER):
            lives = versions(kind, entry)
            if kind in (MailKind.OCCURRENCE_UPDATE, MailKind.OCCURRENCE_CANCELLATION) and not entry.occurrences:
                continue
            for form in OrganizerForm:
                desk = a_desk(organizer_form=form, private_guests=form is OrganizerForm.TOKEN)
                written += [(f"{name}, {kind}, {form}", one) for one in mails(*lives, desk=desk)]
    declined = decline_message(a_desk(), RENDERER, a_declined(a_session(), an_owner()), "decline:m1")
    assert len(written) > 150
    objects = [calendar_of(data_of(message)) for message in (*(message for _, message in written), declined)]
    *said, of_declined = js.read({"objects": objects})["objects"]
    assert (of_declined["complaints"], of_declined["method"]) == ([], "DECLINECOUNTER")
    for (name, message), seen in zip(written, said, strict=True):
        assert seen["complaints"] == [], name
        assert seen["method"] == message.method, name
        for event, told in zip(seen["events"], components_of(message), strict=True):
            assert (event["uid"], event["sequence"], event["summary"]) == told[:3], name
            assert (event["start"], event["end"]) == told[3:], name
            assert f"mailto:{BEN.email}" in event["attendees"], name


def components_of(message: Message) -> list[tuple[object, ...]]:
    """UID, SEQUENCE, title, start and end (UTC) as we keep them: what the other program must have read."""
    assert message.sent_after is not None
    sent = sent_from_json(message.sent_after)
    text = calendar_of(data_of(message)).replace("\r\n ", "")
    found = []
    for block in text.split("BEGIN:VEVENT")[1:]:
        name = re.search(r"RECURRENCE-ID[^:]*:(\d{8})(?:T(\d{6}))?", block)
        wall = None if name is None else datetime.strptime(f"{name[1]}{name[2] or '000000'}", "%Y%m%d%H%M%S")
        kept = next(one for one in sent.components if one.recurrence_id == wall)
        if kept.when.all_day:
            start, end = (f"{kept.when.start + length:%Y-%m-%d}" for length in (timedelta(0), kept.when.duration))
        else:
            start, end = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in zones.span(kept.when))
        found.append(
            (
                "5f0c0b9e-7a51-4f7e-9d62-0f4a9a3f1c11@planner.example.org",
                kept.sequence,
                kept.title,
                start,
                end if kept.when.duration else None,
            )
        )
    return found


# In whose name


def heads(message: Message) -> dict[str, str | None]:
    mail, calendar = read(data_of(message)), calendar_of(data_of(message)).replace("\r\n ", "")
    found = {name: None if mail[name] is None else str(mail[name]) for name in ("From", "Sender", "Reply-To")}
    return found | {"ORGANIZER": next(line for line in calendar.split("\r\n") if line.startswith("ORGANIZER"))}


def test_the_service_invites_under_the_owners_name() -> None:
    (message,) = mails(a_session(), desk=a_desk())
    assert heads(message) == {
        "From": "Petra Planer <sitzung@planner.example.org>",
        "Sender": None,
        "Reply-To": None,
        "ORGANIZER": "ORGANIZER;CN=Petra Planer:mailto:sitzung@planner.example.org",
    }


def test_an_owner_of_another_domain_is_answered_to_and_does_not_write() -> None:
    (message,) = mails(a_session(), desk=a_desk(organizer_form=OrganizerForm.OWNER))
    assert heads(message) == {
        "From": "Petra Planer <sitzung@planner.example.org>",
        "Sender": None,
        "Reply-To": "Petra Planer <petra@example.org>",
        "ORGANIZER": 'ORGANIZER;CN=Petra Planer;SENT-BY="mailto:sitzung@planner.example.org":mailto:petra@example.org',
    }


def test_each_attendee_has_an_organizer_of_his_own_and_keeps_it() -> None:
    """From the first mail to the cancellation, whatever is set meanwhile; ORGANIZER and Reply-To are one address."""
    desk = a_desk(organizer_form=OrganizerForm.TOKEN)
    (to_ben,) = mails(a_session(), desk=desk)
    (to_clara,) = mails(a_session(), desk=desk, to=CLARA)
    address = re.fullmatch(
        r"ORGANIZER;CN=Petra Planer;EMAIL=petra@example\.org:mailto:(sitzung\+[0-9a-f]{20}@planner\.example\.org)",
        str(heads(to_ben)["ORGANIZER"]),
    )
    assert address is not None
    assert heads(to_ben)["Reply-To"] == f"Petra Planer <{address[1]}>"
    assert heads(to_clara)["ORGANIZER"] != heads(to_ben)["ORGANIZER"]
    assert to_ben.sent_after is not None
    sent, owner = sent_from_json(to_ben.sent_after), an_owner()
    for form in OrganizerForm:
        assert mail_organizer(a_desk(organizer_form=form), owner, sent).email == address[1]


@pytest.mark.parametrize("form", OrganizerForm)
def test_who_was_invited_before_organizers_were_kept_knows_the_service(form: OrganizerForm) -> None:
    (message,) = mails(a_session(), desk=a_desk())
    assert message.sent_after is not None
    before = replace(sent_from_json(message.sent_after), organizer="")
    assert mail_organizer(a_desk(organizer_form=form), an_owner(), before).email == SERVICE.email


def test_where_guests_are_private_a_mail_names_only_who_invites_and_who_gets_it() -> None:
    (message,) = mails(a_session(), desk=a_desk(private_guests=True))
    assert CLARA.email not in data_of(message).decode() + calendar_of(data_of(message))
    assert calendar_of(data_of(message)).replace("\r\n ", "").count(f"mailto:{BEN.email}") == 2


def test_a_report_comes_to_an_address_that_names_the_message() -> None:
    """VERP: the message's random id, and by it the recipient, even where a report returns nothing of the mail."""
    (message,) = mails(a_session(), desk=a_desk())
    assert outbox.envelope_from(a_desk(), message) == SERVICE.email
    desk = a_desk(bounces="sitzung+{token}@planner.example.org")
    assert outbox.envelope_from(desk, message) == f"sitzung+{message.id}@planner.example.org"
    assert len(message.id) == 32


def test_who_comes_to_one_date_is_told_of_that_date_alone() -> None:
    """A mail for each date, and no word of the rest of the series."""
    third, fifth = (Occurrence(recurrence_id=START + weeks * WEEK, attendees=(BEN,)) for weeks in (2, 4))
    first, second = mails(a_session(attendees=(CLARA,), occurrences=(third, fifth)), desk=a_desk())
    for message, date in ((first, "15. Februar 2027"), (second, "1. März 2027")):
        plain = next(iter(read(data_of(message)).iter_parts())).get_content()
        assert date in read(data_of(message))["Subject"]
        assert "jeden Montag" not in plain
        assert "22. Februar" not in plain
        assert calendar_of(data_of(message)).count("BEGIN:VEVENT") == 1
