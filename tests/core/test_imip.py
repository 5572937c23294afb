"""RFC 6047 mails: what we write is read back by the standard library; what others write is read or refused with a sentence."""

from __future__ import annotations

import email
import time
from datetime import UTC, datetime, timedelta, timezone
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.addresses import clean_name
from daemon.core.errors import Rejected, Unreadable
from daemon.core.imip import MAX_BYTES, MAX_SUBJECT, CalendarPart, Mailbox, ReadMail, build_mail, read_mail
from daemon.core.model import Method

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "itip"
SERVICE = Mailbox(address="sitzung@planer.example", name="Sitzungsplaner")
ANNA = Mailbox(address="anna@example.org", name="Anna Groß")
REQUEST = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"
REPLY = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REPLY\r\nEND:VCALENDAR\r\n"


def a_mail(**changes: object) -> bytes:
    values: dict[str, object] = {
        "sender": SERVICE,
        "recipient": ANNA,
        "subject": "Einladung: Haushalt",
        "text": "Guten Tag",
        "html": "<p>Guten Tag</p>",
        "calendar": REQUEST,
        "method": Method.REQUEST,
        "message_id": "<abc@planer.example>",
        "date": datetime(2026, 12, 1, 9, 0, tzinfo=UTC),
        "auto_submitted": False,
    }
    return build_mail(**(values | changes))


def parsed(data: bytes) -> EmailMessage:
    return email.message_from_bytes(data, policy=SMTP)


def received(*headers: str, body: str = "ok") -> bytes:
    return "\r\n".join([*headers, "", body]).encode("utf-8", "surrogateescape")


def with_parts(*parts: str, kind: str = "multipart/mixed", boundary: str = "b1") -> bytes:
    body = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts) + f"--{boundary}--\r\n"
    return received("From: anna@example.org", f'Content-Type: {kind}; boundary="{boundary}"', body=body)


CALENDAR_PART = "Content-Type: text/calendar; charset=utf-8; method=reply\r\n\r\n" + REPLY.decode()


# --- written ---------------------------------------------------------------


def test_an_invitation_is_an_alternative_of_plain_html_and_calendar_last() -> None:
    mail = parsed(a_mail())
    plain, html, calendar = mail.iter_parts()
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in (plain, html, calendar)] == ["text/plain", "text/html", "text/calendar"]
    assert calendar["Content-Type"].params["method"] == "REQUEST"
    assert calendar["Content-Type"].params["charset"] == "utf-8"
    assert calendar["Content-Transfer-Encoding"] == "base64"
    assert calendar["Content-Disposition"] is None
    assert calendar["Content-ID"] is None
    assert calendar.get_payload(decode=True) == REQUEST
    assert plain.get_content() == "Guten Tag\r\n"
    assert html.get_content() == "<p>Guten Tag</p>\r\n"
    assert all(not part.defects for part in mail.walk())


def test_a_mail_without_calendar_has_two_parts_only() -> None:
    mail = parsed(a_mail(calendar=None, method=None))
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


def test_headers_say_who_to_whom_and_that_no_machine_should_answer() -> None:
    mail = parsed(a_mail(subject="Größe: 5 €", date=datetime(2026, 12, 1, 10, 0, tzinfo=timezone(timedelta(hours=1)))))
    assert mail["From"].addresses[0].addr_spec == "sitzung@planer.example"
    assert [(one.display_name, one.addr_spec) for one in mail["To"].addresses] == [("Anna Groß", "anna@example.org")]
    assert mail["Subject"] == "Größe: 5 €"
    assert mail["Date"].datetime == datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
    assert mail["Message-ID"] == "<abc@planer.example>"
    assert mail["X-Auto-Response-Suppress"] == "OOF, AutoReply"
    assert mail["MIME-Version"] == "1.0"
    assert mail["Auto-Submitted"] is None
    assert mail["Reply-To"] is None
    assert mail["References"] is None


def test_a_reminder_says_that_a_machine_sent_it_and_an_update_names_the_first_invitation() -> None:
    mail = parsed(a_mail(auto_submitted=True, references=("<one@x.example>", "not an id", "<two@x.example>"), reply_to=ANNA))
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["In-Reply-To"] == "<one@x.example>"
    assert mail["References"].split() == ["<one@x.example>", "<two@x.example>"]
    assert mail["Reply-To"].addresses[0].addr_spec == "anna@example.org"


def test_who_sends_it_in_anothers_name_is_told() -> None:
    """RFC 5322 3.6.2: From is whose mail it is, Sender who sends it."""
    mail = parsed(a_mail(sender=ANNA, submitter=SERVICE))
    assert mail["From"].addresses[0].addr_spec == "anna@example.org"
    assert mail["Sender"].address.addr_spec == "sitzung@planer.example"
    assert parsed(a_mail())["Sender"] is None


def test_the_same_arguments_give_the_same_bytes_and_another_message_id_other_boundaries() -> None:
    assert a_mail() == a_mail()
    other = a_mail(message_id="<other@planer.example>")
    assert parsed(other).get_boundary() != parsed(a_mail()).get_boundary()


@pytest.mark.parametrize(
    "name",
    [
        "Anna",
        "Müller, Hans",
        "Dr. O'Neil (Berlin)",
        "x" * 99,
        "ü" * 99,
        "=?utf-8?q?evil?=",
        "a@b <evil@x>",
        "\\",
        "会议室 12",
        "👩‍👧 Team",
    ],
)
def test_a_name_of_any_kind_comes_back_beside_exactly_one_address(name: str) -> None:
    (found,) = parsed(a_mail(recipient=Mailbox(address="Hans+x@Büro.example", name=name)))["To"].addresses
    assert found.addr_spec == "hans+x@xn--bro-hoa.example"
    # Blanks between encoded words do not count (RFC 2047 6.2); CPython 3.11 keeps them in addresses.
    assert found.display_name.replace(" ", "") == clean_name(name).replace(" ", "")


def test_an_address_without_a_name_stands_alone() -> None:
    assert b"To: anna@example.org\r\n" in a_mail(recipient=Mailbox(address="anna@example.org"))


def test_a_subject_that_is_too_long_ends_with_an_ellipsis() -> None:
    subject = parsed(a_mail(subject="Wort " * 300))["Subject"]
    assert len(subject) == MAX_SUBJECT
    assert subject.endswith("…")


def test_the_calendar_is_base64_of_crlf_lines() -> None:
    calendar = parsed(a_mail()).get_payload()[2].get_payload(decode=True)
    assert calendar.count(b"\n") == calendar.count(b"\r\n") == 4


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"message_id": "abc@x"}, ValueError, id="Message-ID without brackets"),
        pytest.param({"message_id": "<a\r\nBcc: x@y>"}, ValueError, id="Message-ID with a line break"),
        pytest.param({"date": datetime(2026, 1, 1)}, ValueError, id="date without offset"),
        pytest.param({"method": Method.CANCEL}, ValueError, id="METHOD of the object differs"),
        pytest.param({"method": None}, ValueError, id="calendar without method"),
        pytest.param({"calendar": REQUEST.replace(b"\r\n", b"\n")}, ValueError, id="calendar with bare line feeds"),
        pytest.param(
            {"recipient": Mailbox(address="anna@example.org\r\nBcc: x@y.example")}, Rejected, id="address with a line break"
        ),
        pytest.param({"recipient": Mailbox(address="anna")}, Rejected, id="no address"),
    ],
)
def test_what_cannot_be_a_mail_is_refused(changes: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        a_mail(**changes)


ANY_TEXT = st.text(max_size=200) | st.text(alphabet='\r\n\t :;,<>@"\\=?aü\x00\x85\u2028\ud800', max_size=60)
WANTED_HEADERS = "Date From To Subject Message-ID In-Reply-To References X-Auto-Response-Suppress MIME-Version Content-Type"


@settings(max_examples=300, deadline=None)
@given(name=ANY_TEXT, subject=ANY_TEXT, text=ANY_TEXT, html=ANY_TEXT, reference=ANY_TEXT)
def test_no_name_subject_or_text_can_add_a_header_or_a_part(
    name: str, subject: str, text: str, html: str, reference: str
) -> None:
    data = a_mail(
        recipient=Mailbox(address="anna@example.org", name=name),
        subject=subject,
        text=text,
        html=html,
        references=("<first@x.example>", reference),
    )
    mail = parsed(data)
    assert " ".join(mail.keys()) == WANTED_HEADERS
    assert [one.addr_spec for one in mail["To"].addresses] == ["anna@example.org"]
    assert len(mail.get_payload()) == 3
    assert data.count(b"\n") == data.count(b"\r\n") == data.count(b"\r")
    assert data.isascii()
    assert all(len(line) <= 998 for line in data.split(b"\r\n"))
    assert not any(one.defects for one in mail.walk())


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=300))
def test_printable_texts_and_subjects_come_back_as_they_were(text: str) -> None:
    mail = parsed(a_mail(text=text, subject=text))
    assert mail.get_payload()[0].get_payload(decode=True).decode() == text + "\r\n"
    assert " ".join(read_mail(a_mail(subject=text)).subject.split()) == " ".join(read_subject(text).split())


def read_subject(text: str) -> str:
    return "".join(" " if c in "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069" else c for c in text)


# --- read ------------------------------------------------------------------


def test_our_own_mail_is_read_back() -> None:
    mail = read_mail(a_mail(references=("<one@x.example>", "<two@x.example>"), auto_submitted=True))
    assert mail == ReadMail(
        message_id="<abc@planer.example>",
        date=datetime(2026, 12, 1, 9, 0, tzinfo=UTC),
        sender="sitzung@planer.example",
        recipients=("anna@example.org",),
        subject="Einladung: Haushalt",
        references=("<one@x.example>", "<two@x.example>"),
        auto_submitted=True,
        calendars=(CalendarPart(data=REQUEST, charset="utf-8", method="REQUEST"),),
    )


def test_everybody_it_went_to_is_named_once_in_compared_form() -> None:
    mail = read_mail(
        received(
            "From: Anna <Anna@Example.org>",
            "To: Sitzung <sitzung@planer.example>, undisclosed-recipients:;",
            "Cc: SITZUNG@planer.example, b@x.example",
            "Delivered-To: sitzung+t0k3n@planer.example",
        )
    )
    assert mail.sender == "anna@example.org"
    assert mail.recipients == ("sitzung@planer.example", "b@x.example", "sitzung+t0k3n@planer.example")


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        pytest.param('From: "boss@corp.example" <evil@x.example>', "evil@x.example", id="a name that looks like an address"),
        pytest.param("From: a@x.example, b@x.example", "", id="two persons"),
        pytest.param("From: boss@corp.example, Evil <e@x.example>", "", id="two persons in two forms"),
        pytest.param("From: boss@corp.example <evil@x.example>", "evil@x.example", id="an address for a name"),
        pytest.param("From: Meier, Anna <a@x.example>", "a@x.example", id="unquoted comma"),
        pytest.param('From: "Meier\\", b@x.example" <a@x.example>', "a@x.example", id="quoted quote and comma"),
        pytest.param("From: a@x.example (b@x.example (c@x.example))", "a@x.example", id="nested comments"),
        pytest.param("From: Anna <a@x.example> <b@x.example>", "", id="two in brackets"),
        pytest.param("From: nobody", "", id="no address"),
        pytest.param("From: anna@example..org", "", id="an address that is none"),
        pytest.param("From:", "", id="empty"),
        pytest.param("X-None: 1", "", id="missing"),
        pytest.param("From: =?utf-8?q?M=C3=BCller?= <m@x.example>", "m@x.example", id="encoded name"),
        pytest.param("From: Müller <m@x.example>", "m@x.example", id="raw UTF-8 name"),
    ],
)
def test_the_sender_is_the_one_address_and_never_a_name(sender: str, expected: str) -> None:
    assert read_mail(received(sender, "Subject: x")).sender == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Tue, 2 Feb 2027 09:00:00 +0100", datetime(2027, 2, 2, 8, 0, tzinfo=UTC)),
        ("Tue, 2 Feb 2027 09:00:00 -0000", datetime(2027, 2, 2, 9, 0, tzinfo=UTC)),
        ("yesterday", None),
        ("Tue, 31 Feb 2027 09:00:00 +0100", None),
        ("Fri, 31 Dec 9999 23:59:00 -2300", None),
    ],
)
def test_the_date_is_utc_or_nothing(value: str, expected: datetime | None) -> None:
    assert read_mail(received("From: a@x.example", f"Date: {value}")).date == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param("=?utf-8?q?Zugesagt=3A_?= =?utf-8?b?R3LDtsOfZQ==?=", "Zugesagt: Größe", id="two encoded words"),
        pytest.param("Zugesagt:\r\n Haushalt", "Zugesagt: Haushalt", id="folded"),
        pytest.param("=?x-none?q?abc=E4?=", "abcä", id="unknown charset"),
        pytest.param("=?utf-8?b?a?=", "=?utf-8?b?a?=", id="broken base64"),
        pytest.param("=?utf-8?q?a=0D=0AB?=", "a B", id="hidden line break"),
        pytest.param("Gr\udcf6\udcdfe", "Größe", id="raw cp1252"),
    ],
)
def test_a_subject_is_text_for_people(raw: str, expected: str) -> None:
    assert read_mail(received("From: a@x.example", f"Subject: {raw}")).subject == expected


def test_references_start_with_in_reply_to_and_junk_is_skipped() -> None:
    mail = read_mail(
        received("From: a@x.example", "References: <a@x> <b@x>", "In-Reply-To: <b@x> (mail of Monday)", "Message-ID: <<>>@@")
    )
    assert mail.references == ("<b@x>", "<a@x>")
    assert mail.message_id == ""


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied; owner=x",
        "X-Auto-Response-Suppress: All",
        "Precedence: bulk",
        "Precedence: auto_reply",
        "List-Id: <l.example>",
        "X-Autoreply: yes",
        "Return-Path: <>",
    ],
)
def test_mail_of_machines_is_known_by_its_header(header: str) -> None:
    assert read_mail(received("From: a@x.example", header)).auto_submitted


@pytest.mark.parametrize("local", ["MAILER-DAEMON", "postmaster", "noreply", "No-Reply"])
def test_mail_of_machines_is_known_by_its_sender(local: str) -> None:
    assert read_mail(received(f"From: {local}@x.example")).auto_submitted


@pytest.mark.parametrize("header", ["Auto-Submitted: no", "Auto-Submitted:", "Precedence: normal", "Return-Path: <a@x.example>"])
def test_mail_of_people_is_not_taken_for_a_machine(header: str) -> None:
    assert not read_mail(received("From: a@x.example", header)).auto_submitted


@pytest.mark.parametrize(
    ("head", "method", "charset"),
    [
        pytest.param("Content-Type: text/calendar; charset=utf-8; method=reply", "REPLY", "utf-8", id="text/calendar"),
        pytest.param("Content-Type: application/ics", None, None, id="application/ics"),
        pytest.param('Content-Type: application/octet-stream; name="Invite.ICS"', None, None, id="named .ics"),
        pytest.param("Content-Disposition: attachment; filename*=utf-8''a.ics", None, None, id="named by RFC 2231"),
        pytest.param("Content-Type: TEXT/Calendar; method*=utf-8''reply", "REPLY", None, id="method by RFC 2231"),
    ],
)
def test_calendar_data_is_found_whatever_it_is_called(head: str, method: str | None, charset: str | None) -> None:
    (found,) = read_mail(with_parts("Content-Type: text/plain\r\n\r\nok", f"{head}\r\n\r\n{REPLY.decode()}")).calendars
    assert (found.data.strip(), found.method, found.charset) == (REPLY.strip(), method, charset)


def test_calendar_data_is_taken_from_a_signed_mail() -> None:
    inner = f"Content-Type: multipart/alternative; boundary=b2\r\n\r\n--b2\r\n{CALENDAR_PART}\r\n--b2--\r\n"
    mail = with_parts(inner, "Content-Type: application/pkcs7-signature\r\n\r\nxyz", kind="multipart/signed")
    assert len(read_mail(mail).calendars) == 1


def test_calendar_data_of_an_opaque_or_torn_part_is_not_made_up() -> None:
    torn = 'Content-Type: multipart/mixed; name="x.ics"; boundary=never\r\n\r\nnothing'
    assert read_mail(with_parts("Content-Type: application/pkcs7-mime\r\n\r\nabc", torn)).calendars == (
        CalendarPart(data=b"nothing\r\n", charset=None, method=None),
    )
    returned = 'Content-Type: message/rfc822; name="x.ics"\r\n\r\nSubject: x\r\n\r\nbody'
    assert read_mail(with_parts(returned)).calendars == ()


def test_base64_that_was_cut_off_gives_what_is_there() -> None:
    part = "Content-Type: text/calendar\r\nContent-Transfer-Encoding: base64\r\n\r\nQkVHSU46VkNBTEVOREFSDQ"
    (found,) = read_mail(with_parts(part)).calendars
    assert found.data.startswith(b"BEGIN:VCALENDAR")


def test_what_is_inside_a_forwarded_mail_is_not_an_answer() -> None:
    forwarded = f"Content-Type: message/rfc822\r\n\r\nFrom: b@x.example\r\n{CALENDAR_PART}"
    assert read_mail(with_parts("Content-Type: text/plain\r\n\r\nfyi", forwarded)).calendars == ()


@pytest.mark.parametrize("action", ["failed", "delayed"])
def test_a_delivery_report_is_known_and_the_returned_invitation_untouched(action: str) -> None:
    status = f"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nAction: {action}\r\n"
    returned = f"Content-Type: message/rfc822\r\n\r\nFrom: b@x.example\r\n{CALENDAR_PART}"
    mail = read_mail(with_parts(status, returned, kind="multipart/report; report-type=delivery-status"))
    assert mail.report is not None
    assert mail.calendars == ()
    assert read_mail(with_parts(status)).report is not None
    assert read_mail(with_parts("Content-Type: text/plain\r\n\r\nx", kind="multipart/report; report-type=delivery-status")).report
    assert not read_mail(with_parts("Content-Type: text/plain\r\n\r\nx", kind="multipart/report; report-type=disposition")).report


def nested(depth: int) -> bytes:
    head = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(depth))
    return f"From: a@x.example\r\n{head}Content-Type: text/plain\r\n\r\nx".encode()


HOSTILE = [
    pytest.param(b"", "is empty", id="nothing"),
    pytest.param(b" \r\n\r\n", "is empty", id="blanks"),
    pytest.param(b"From: a@x.example\r\n\r\n" + b"x" * MAX_BYTES, "bytes", id="too large"),
    pytest.param(b"From: a@x.example\r\n\r\n" + b"\n" * 300_001, "lines", id="too many lines"),
    pytest.param(b"From: a@x.example\r\nSubject: " + b"x" * 9000 + b"\r\n\r\n", "header is too long", id="long field"),
    pytest.param(
        b"From: a@x.example\r\nTo: " + b"a@x.example,\r\n " * 20_000 + b"b@x\r\n\r\n",
        "header is too long",
        id="20,000 recipients",
    ),
    pytest.param(b"X: y\r\n" * 11_000 + b"\r\n", "header is too long", id="long header"),
    pytest.param(b"X: y\r" * 14_000 + b"\r\n", "header is too long", id="long header of bare CR"),
    pytest.param(nested(1500), "too many parts", id="1,500 nested multiparts"),
    pytest.param(nested(40), "nested more than", id="40 nested multiparts"),
    pytest.param(
        b"From: a@x.example\r\nContent-Type: message/rfc822\r\n\r\n" * 900 + b"x", "too many parts", id="900 nested mails"
    ),
    pytest.param(with_parts(*["Content-Type: text/plain\r\n\r\nx"] * 200), "more than 100 parts", id="200 parts"),
    pytest.param(with_parts(*["\r\nx"] * 6000), "too many parts", id="6,000 parts"),
    pytest.param(b"From: a@x.example\r\nFrom: b@x.example\r\n\r\nx", "two From lines", id="two From headers"),
    pytest.param(b"From: a@x.example\rFrom: b@x.example\r\n\r\nx", "two From lines", id="two From headers by a bare CR"),
    pytest.param(b"From: =?utf-8?q?a=0D=0ABcc=3A_x?= <a@x.example>\r\n\r\nx", "hides a line break", id="encoded CR LF in From"),
    pytest.param(b"From: " + b"(" * 8000 + b" a@x.example\r\n\r\nx", "among comments", id="comment bomb in From"),
]


@pytest.mark.parametrize(("data", "reason"), HOSTILE)
def test_a_hostile_mail_is_put_aside_with_a_sentence_and_quickly(data: bytes, reason: str) -> None:
    begin = time.process_time()
    with pytest.raises(Unreadable, match=reason) as caught:
        read_mail(data)
    assert str(caught.value).endswith(".")
    assert time.process_time() - begin < 30


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(LookupError("unknown"), r"broken and could not be read \(LookupError\)", id="any error"),
        pytest.param(RecursionError(), "nested too deeply", id="recursion"),
    ],
)
def test_whatever_the_standard_parser_trips_over_becomes_one_sentence(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    """No input is known that still gets here on every Python version, so the parser is made to fail."""

    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("daemon.core.imip_read.BytesParser.parsebytes", broken)
    with pytest.raises(Unreadable, match=reason):
        read_mail(b"From: a@x.example\r\n\r\nx")


PIECES = rb"From: |a@x|<|(|\"|=?utf-8?b?|?=|Content-Type: |multipart/mixed; boundary=b|text/calendar|; charset=|Date: |99999"
PIECES += rb"|Subject: |message/rfc822|; method*0*="
SHARDS = [*PIECES.split(b"|"), b"\r\n", b"\r\n\r\n", b"\n", b"\r\n--b\r\n", b"\xff\xfe"]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400) | st.lists(st.sampled_from(SHARDS), max_size=40).map(b"".join))
def test_any_bytes_are_read_or_refused_and_nothing_else(data: bytes) -> None:
    try:
        mail = read_mail(data)
    except Unreadable:
        return
    assert all(isinstance(one.data, bytes) for one in mail.calendars)


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared collection of real mails is not beside this checkout")
def test_every_real_mail_of_the_collection_is_read_or_refused_within_a_second() -> None:
    mails = [path for path in sorted(DATA.rglob("*")) if path.suffix in (".eml", ".mime")]
    assert len(mails) >= 90
    parts = 0
    refused = []
    for path in mails:
        begin = time.process_time()
        try:
            parts += len(read_mail(path.read_bytes()).calendars)
        except Unreadable:
            refused.append(path.name)
        assert time.process_time() - begin < 30, path.name
    assert parts >= 50
    assert refused == ["43-comment-bomb.eml"]


def test_a_winmail_without_an_answer_holds_no_calendar() -> None:
    part = "Content-Type: application/ms-tnef; name=winmail.dat\r\n\r\nno answer"
    assert read_mail(with_parts(part, CALENDAR_PART)).calendars == read_mail(with_parts(CALENDAR_PART)).calendars
