"""IMAP's text forms, as servers write them and as nobody should."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.imap import mapping
from connectors.imap.errors import denied, response_code, unreachable, words
from connectors.imap.mapping import Fetched
from connectors.imap.quirks import newer_than
from daemon.core.errors import Refused, Unreachable

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        pytest.param([], (), id="nothing"),
        pytest.param([b"FETCH completed"], (), id="no answer of this kind"),
        pytest.param(
            [b'1 FETCH (UID 101 RFC822.SIZE 18 INTERNALDATE "22-Nov-2026 13:00:00 +0100")'],
            (Fetched(uid=101, size=18, received=NOON),),
            id="size and date",
        ),
        pytest.param(
            [b"1 FETCH (UID 101 BODY[]<0> {5}", bytearray(b"UID 7"), b")"],
            (Fetched(uid=101, body=b"UID 7"),),
            id="literal that looks like a UID",
        ),
        pytest.param(
            [b"1 FETCH (BODY[HEADER]<0> {2}", bytearray(b"\r\n"), b" UID 101)"],
            (Fetched(uid=101, body=b"\r\n"),),
            id="UID at the end",
        ),
        pytest.param([b"1 FETCH (UID 101 BODY[] {0}", bytearray(b""), b")"], (Fetched(uid=101, body=b""),), id="empty literal"),
        pytest.param([b'1 FETCH (BODY[] "a\\"UID 5\\\\" UID 101)'], (Fetched(uid=101, body=b'a"UID 5\\'),), id="quoted body"),
        pytest.param([b"1 FETCH (UID 101 BODY[] NIL)"], (Fetched(uid=101),), id="no body"),
        pytest.param(
            [b"1 FETCH (UID 4 RFC822.SIZE 1)", b"2 FETCH (FLAGS (\\Seen))", b"3 FETCH (UID 5 RFC822.SIZE 2)"],
            (Fetched(uid=4, size=1), Fetched(uid=5, size=2)),
            id="a pushed flag between two answers",
        ),
        pytest.param(
            [b'1 FETCH (UID 1 INTERNALDATE "gestern")'],
            (Fetched(uid=1, received=datetime(1970, 1, 1, tzinfo=UTC)),),
            id="no date",
        ),
    ],
)
def test_answers_of_servers_are_read(lines: list[bytes | bytearray], found: tuple[Fetched, ...]) -> None:
    assert mapping.fetched(lines) == found


@given(st.lists(st.one_of(st.binary(), st.binary().map(bytearray), st.binary().map(lambda tail: b"1 FETCH (UID 1 " + tail))))
def test_no_answer_of_a_server_raises(lines: list[bytes | bytearray]) -> None:
    for one in mapping.fetched(lines):
        assert one.uid >= 0
    mapping.uids(lines)
    mapping.uidvalidity(lines)
    mapping.delimiter(lines)
    mapping.personal_prefix(lines)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        pytest.param("22-Nov-2026 12:00:00 +0000", NOON, id="UTC"),
        pytest.param("22-Nov-2026 07:00:00 -0500", NOON, id="west"),
        pytest.param(
            " 7-NOV-2026 01:30:00 +0530", datetime(2026, 11, 6, 20, 0, tzinfo=UTC), id="one digit, capitals, half an hour"
        ),
        pytest.param("31-Dec-2016 23:59:60 +0000", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC), id="leap second"),
        pytest.param("31-Feb-2026 12:00:00 +0000", datetime(1970, 1, 1, tzinfo=UTC), id="no such day"),
        pytest.param("01-Jan-0001 00:00:00 +1400", datetime(1970, 1, 1, tzinfo=UTC), id="before all time"),
        pytest.param("22-Okt-2026 12:00:00 +0000", datetime(1970, 1, 1, tzinfo=UTC), id="no such month"),
        pytest.param("22-Nov-2026 12:00:00 +9999", datetime(1970, 1, 1, tzinfo=UTC), id="no such offset"),
    ],
)
def test_dates_of_arrival_are_in_utc(text: str, moment: datetime) -> None:
    assert mapping.read_date(text) == moment


@given(st.text())
def test_no_date_raises(text: str) -> None:
    assert mapping.read_date(text).tzinfo is UTC


@pytest.mark.parametrize(
    ("name", "written"),
    [
        pytest.param("INBOX", '"INBOX"', id="plain"),
        pytest.param("~peter/mail/台北/日本語", '"~peter/mail/&U,BTFw-/&ZeVnLIqe-"', id="RFC 3501 5.1.3"),
        pytest.param("Müll & Reste", '"M&APw-ll &- Reste"', id="ampersand"),
        pytest.param('a"b\\c', '"a\\"b\\\\c"', id="quotes"),
        pytest.param("a\r\nb", '"a&AA0ACg-b"', id="line break"),
        pytest.param("🗂", '"&2D3dwg-"', id="beyond the basic plane"),
    ],
)
def test_mailbox_names_are_written_in_modified_utf_7(name: str, written: str) -> None:
    assert mapping.mailbox(name) == written


@given(st.text(st.characters(codec="utf-8")))
def test_every_name_is_one_printable_quoted_word_that_reads_back(name: str) -> None:
    written = mapping.mailbox(name)
    assert written.isascii()
    assert written.isprintable()
    plain, read = written[1:-1].replace('\\"', '"').replace("\\\\", "\\"), ""
    while plain:
        before, found, plain = plain.partition("&")
        read += before
        if found:
            coded, _, plain = plain.partition("-")
            padded = coded.replace(",", "/") + "=" * (-len(coded) % 4)
            read += base64.b64decode(padded).decode("utf-16-be") if coded else "&"
    assert read == name


@pytest.mark.parametrize(
    ("line", "sign"),
    [
        pytest.param(b'(\\Noselect) "/" ""', "/", id="slash"),
        pytest.param(b'(\\Noselect \\HasChildren) "." ""', ".", id="dot"),
        pytest.param(b'() "\\\\" ""', "\\", id="backslash"),
        pytest.param(b'(\\Noselect) NIL ""', "", id="none"),
        pytest.param(b"nonsense", "", id="nonsense"),
    ],
)
def test_the_sign_between_folders_is_read(line: bytes, sign: str) -> None:
    assert mapping.delimiter([line]) == sign


@pytest.mark.parametrize(
    ("line", "prefix"),
    [
        pytest.param(b'(("" "/")) (("~" "/")) NIL', "", id="none"),
        pytest.param(b'(("INBOX." ".")) NIL NIL', "INBOX.", id="Courier and Cyrus"),
        pytest.param(b'(("a\\"b/" "/")) NIL NIL', 'a"b/', id="quoted"),
        pytest.param(b"NIL NIL NIL", "", id="no folders of one's own"),
    ],
)
def test_the_beginning_of_ones_own_folders_is_read(line: bytes, prefix: str) -> None:
    assert mapping.personal_prefix([line]) == prefix


@pytest.mark.parametrize(
    ("name", "sign", "prefix", "local"),
    [
        pytest.param("a/b", "/", "", "a/b", id="as it is"),
        pytest.param("a/b", ".", "", "a.b", id="levels"),
        pytest.param("a/b", "", "", "a/b", id="no levels there"),
        pytest.param("a/b", ".", "INBOX.", "INBOX.a.b", id="beginning"),
        pytest.param("INBOX/a", ".", "INBOX.", "INBOX.a", id="beginning given"),
        pytest.param("Inbox", ".", "INBOX.", "Inbox", id="the inbox itself"),
    ],
)
def test_folders_are_named_as_the_server_names_them(name: str, sign: str, prefix: str, local: str) -> None:
    assert mapping.folder_name(name, sign=sign, prefix=prefix) == local


@given(st.integers(0, 50), st.lists(st.integers(0, 60)))
def test_newer_ones_are_above_rising_and_once(uid: int, found: list[int]) -> None:
    newer = newer_than(uid, found)
    assert list(newer) == sorted(set(newer))
    assert set(newer) == {one for one in found if one > uid}


def test_words_of_a_server_are_one_printable_line_of_bounded_length() -> None:
    assert words(b"no\r\nsuch\x1b \xff thing") == "no such \ufffd thing"
    assert len(words("x" * 5000)) == 300
    assert response_code("[TRYCREATE] none") == "TRYCREATE"
    assert response_code("none [TRYCREATE]") == ""


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        pytest.param("[UNAVAILABLE] backend", Unreachable, id="unavailable"),
        pytest.param("[INUSE] locked", Unreachable, id="in use"),
        pytest.param("[AUTHENTICATIONFAILED] no", Refused, id="wrong password"),
        pytest.param("just no", Refused, id="no reason"),
    ],
)
def test_the_code_of_a_refusal_decides(text: str, kind: type[Exception]) -> None:
    error = denied(text, server="mail.example.test:993", doing="the sign-in", remedy="Check the password.")
    assert type(error) is kind
    assert text in str(error)


def test_an_error_without_words_is_named_by_its_kind() -> None:
    assert "ConnectionResetError" in str(unreachable(ConnectionResetError(), server="mail.example.test:993"))
