"""Shapes and errors of CalDAV, without a server: hrefs, names, tokens, multistatus answers, what a status means."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta

import niquests
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from connectors.caldav import mapping, quirks
from connectors.caldav.errors import CALDAV, DAV, from_status, from_transport
from connectors.caldav.mapping import Token
from daemon.core.errors import Conflict, Refused, Unreachable
from daemon.ports import SyncToken
from tests.connectors.contract import a_series, an_event

BASE = "https://cal.example.org/dav/anna/work/"
TOKENS = st.builds(
    Token,
    calendar=st.just("/dav/anna/work/"),
    ctag=st.text(max_size=40),
    sync=st.text(max_size=80),
    etags=st.none() | st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=5),
)


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("/dav/anna/work/a.ics", "/dav/anna/work/a.ics"),
        ("https://cal.example.org/dav/anna/work/a.ics", "/dav/anna/work/a.ics"),
        ("https://inner.example.net:8443/dav/anna/work/a.ics", "/dav/anna/work/a.ics"),
        ("a.ics", "/dav/anna/work/a.ics"),
        ("/dav/anna%40example.org/a%20b.ics", "/dav/anna@example.org/a%20b.ics"),
        ("/dav/anna@example.org/a b.ics", "/dav/anna@example.org/a%20b.ics"),
        ("/dav/%c3%a4.ics", "/dav/%C3%A4.ics"),
        ("/dav/ä.ics", "/dav/%C3%A4.ics"),
        ("/dav/a%2Fb.ics", "/dav/a%2Fb.ics"),
        ("/dav/a%3Fb.ics", "/dav/a%3Fb.ics"),
    ],
)
def test_two_spellings_of_one_object_have_one_canonical_form(href: str, expected: str) -> None:
    assert mapping.canonical(href, BASE) == expected
    assert mapping.canonical(expected, BASE) == expected


@given(uid=st.text(min_size=1, max_size=400))
def test_a_name_made_from_any_uid_is_one_short_segment_that_needs_no_escape(uid: str) -> None:
    name = mapping.file_name(uid)
    assert name.endswith(".ics")
    assert len(name) <= 104
    assert mapping.canonical(name, BASE) == f"/dav/anna/work/{name}"


@given(one=st.text(min_size=1, max_size=20), other=st.text(min_size=1, max_size=20))
def test_two_uids_never_share_a_name(one: str, other: str) -> None:
    assert (mapping.file_name(one) == mapping.file_name(other)) == (one == other)


def test_a_uid_that_is_a_name_already_stays_readable() -> None:
    assert mapping.file_name("5a1f0f5e-7c2e-4a51-9d8f-0a4c1e3b9f77") == "5a1f0f5e-7c2e-4a51-9d8f-0a4c1e3b9f77.ics"


@given(token=TOKENS)
def test_a_token_comes_back_as_it_was_made(token: Token) -> None:
    assert mapping.parse_token(mapping.build_token(token), token.calendar) == token


@given(text=st.text(max_size=60))
def test_any_text_that_is_no_token_of_ours_is_none(text: str) -> None:
    assert mapping.parse_token(SyncToken(text), "/dav/anna/work/") is None


def test_a_token_of_another_calendar_is_none() -> None:
    token = mapping.build_token(Token(calendar="/dav/anna/work/", sync="1"))
    assert mapping.parse_token(token, "/dav/anna/home/") is None
    assert mapping.parse_token(None, "/dav/anna/work/") is None


MULTISTATUS = b"""<?xml version="1.0"?>
<multistatus xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
  <response><href>/dav/anna/work/</href>
    <propstat><status>HTTP/1.1 200 OK</status>
      <prop><resourcetype><collection/><C:calendar/></resourcetype></prop></propstat>
    <propstat><status>HTTP/1.1 404 Not Found</status>
      <prop><C:calendar-data>not read</C:calendar-data></prop></propstat></response>
  <response><href>/dav/anna/work/a%20b.ics</href>
    <propstat><prop><getetag> "1" </getetag><C:calendar-data>BEGIN:VCALENDAR
\xc3\xa4</C:calendar-data></prop><status>HTTP/1.1 200 OK</status></propstat></response>
  <response><href>/dav/anna/work/gone.ics</href><status>HTTP/1.1 404 Not Found</status></response>
  <response><href>/dav/anna/work/</href><status>HTTP/1.1 507 Insufficient Storage</status></response>
  <sync-token> https://cal.example.org/sync/7 </sync-token>
</multistatus>"""


def test_a_multistatus_is_read_with_statuses_token_and_the_mark_of_what_was_left_out() -> None:
    found = mapping.parse_multistatus(etree.fromstring(MULTISTATUS), BASE)
    assert found is not None
    collection, event, gone = found.resources
    assert (found.token, found.truncated) == ("https://cal.example.org/sync/7", True)
    assert collection.names(f"{DAV}resourcetype") == {f"{DAV}collection", f"{CALDAV}calendar"}
    assert collection.data is None
    assert (event.href, event.etag, event.data) == ("/dav/anna/work/a%20b.ics", '"1"', "BEGIN:VCALENDAR\nä".encode())
    assert (gone.status, gone.etag, gone.data) == (404, "", None)


@pytest.mark.parametrize("text", [None, b"<html/>", b'<error xmlns="DAV:"/>'], ids=["no XML", "a page", "an error"])
def test_what_is_no_multistatus_is_none(text: bytes | None) -> None:
    assert mapping.parse_multistatus(None if text is None else etree.fromstring(text), BASE) is None


def test_a_status_that_is_none_counts_as_a_failure() -> None:
    tree = etree.fromstring(b'<multistatus xmlns="DAV:"><response><href>/x</href><status>oops</status></response></multistatus>')
    found = mapping.parse_multistatus(tree, BASE)
    assert found is not None
    assert [one.status for one in found.resources] == [500]


@given(uid=st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs", "Co", "Cn"]), min_size=1, max_size=30))
def test_requests_carry_any_uid_and_href_as_text(uid: str) -> None:
    query = etree.fromstring(mapping.uid_query_body(uid))
    assert query.findtext(f".//{CALDAV}text-match") == uid
    multiget = etree.fromstring(mapping.multiget_body([uid]))
    assert multiget.findtext(f"{DAV}href") == uid
    assert etree.fromstring(mapping.sync_body(uid)).findtext(f"{DAV}sync-token") == uid


def test_a_sync_report_never_asks_for_a_limit() -> None:
    assert b"nresults" not in mapping.sync_body("x")
    assert b"limit" not in mapping.sync_body("x")


def test_a_written_event_has_no_method_and_keeps_its_own_stamp() -> None:
    text = mapping.write_event(a_series(), datetime(2030, 1, 1, tzinfo=UTC))
    assert b"METHOD" not in text
    assert text.count(b"DTSTAMP:20261122T093000Z") == 3
    read = mapping.read_event(text)
    assert read is not None
    assert read.uid == "series-1"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b"\xff\xfe\x00",
        b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n",
        b"".join(
            mapping.write_event(an_event(uid=uid), datetime(2030, 1, 1, tzinfo=UTC))
            .replace(b"END:VCALENDAR\r\n", b"" if uid == "a" else b"END:VCALENDAR\r\n")
            .replace(b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" if uid == "a" else b"")
            for uid in ("a", "b")
        ),
    ],
    ids=["nothing", "nonsense", "no text", "an empty calendar", "two UIDs"],
)
def test_what_cannot_be_read_as_one_event_is_none(data: bytes) -> None:
    assert mapping.read_event(data) is None


def test_only_mail_addresses_among_the_persons_addresses_are_kept_once() -> None:
    hrefs = (
        "/alice/",
        "mailto:Alice@Example.test",
        "MAILTO:alice@example.test",
        "urn:uuid:1",
        "mailto:nonsense",
        "mailto:a@b.test",
    )
    assert mapping.mail_addresses(hrefs) == ("alice@example.test", "a@b.test")


# Errors


@pytest.mark.parametrize(
    ("status", "writing", "kind", "maybe_done"),
    [
        (401, True, Refused, None),
        (403, True, Refused, None),
        (403, False, Refused, None),
        (405, True, Refused, None),
        (404, False, Refused, None),
        (404, True, Conflict, None),
        (410, True, Conflict, None),
        (409, True, Refused, None),
        (412, True, Conflict, None),
        (400, True, Refused, None),
        (413, True, Refused, None),
        (415, True, Refused, None),
        (408, True, Unreachable, False),
        (423, True, Unreachable, False),
        (429, True, Unreachable, False),
        (500, True, Unreachable, True),
        (500, False, Unreachable, False),
        (502, True, Unreachable, True),
        (507, True, Unreachable, True),
    ],
)
def test_a_status_decides_what_happens_next(status: int, writing: bool, kind: type[Exception], maybe_done: bool | None) -> None:
    error = from_status(status, host="cal.example.org", act="write “Rat” (uid 1)", user="anna", writing=writing)
    assert type(error) is kind
    assert str(error).startswith("cal.example.org ")
    assert str(error).endswith(".")
    assert getattr(error, "maybe_done", None) == maybe_done


@pytest.mark.parametrize("status", [403, 409, 412])
@pytest.mark.parametrize("name", ["no-uid-conflict", "unique-scheduling-object-resource"])
def test_a_taken_uid_is_a_conflict_whatever_the_status(status: int, name: str) -> None:
    error = from_status(status, host="h", act="write", preconditions=(f"{CALDAV}{name}",), writing=True)
    assert isinstance(error, Conflict)
    assert "UID" in str(error)


def test_a_refusal_names_the_account_and_the_remedy() -> None:
    assert str(from_status(401, host="h", act="write “Rat”", user="anna")) == (
        "h refused to write “Rat”: the user name or the password of “anna” is wrong. Not tried again. Give the right password."
    )
    assert "Give the service's account the right" in str(from_status(403, host="h", act="write"))
    precondition = (f"{CALDAV}max-resource-size",)
    assert "max resource size" in str(from_status(403, host="h", act="write", preconditions=precondition))
    assert "error 413, max resource size" in str(from_status(413, host="h", act="write", preconditions=precondition))


def test_the_servers_wish_to_be_left_alone_is_kept() -> None:
    error = from_status(503, host="h", act="read", retry_after=timedelta(minutes=5))
    assert isinstance(error, Unreachable)
    assert error.retry_after == timedelta(minutes=5)
    assert "0:05:00" in str(error)


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


TRANSPORT = {
    "no such host": (
        caused(niquests.exceptions.ConnectionError(), socket.gaierror(-2, "Name or service not known")),
        "DNS",
        False,
    ),
    "refused": (
        caused(niquests.exceptions.ConnectionError(), ConnectionRefusedError(111, "refused")),
        "could not be reached",
        False,
    ),
    "TLS": (
        niquests.exceptions.SSLError(ssl.SSLCertVerificationError("certificate has expired")),
        "certificate has expired",
        False,
    ),
    "connect time-out": (niquests.exceptions.ConnectTimeout("x"), "in time", False),
    "read time-out": (niquests.exceptions.ReadTimeout("x"), "in time", True),
    "the whole took too long": (TimeoutError(), "in time", True),
    "hung up": (niquests.exceptions.ConnectionError("Remote end closed connection"), "no complete answer", True),
    "half an answer": (niquests.exceptions.ChunkedEncodingError("IncompleteRead"), "no complete answer", True),
}


@pytest.mark.parametrize(("error", "words", "maybe_done"), TRANSPORT.values(), ids=TRANSPORT.keys())
def test_an_answer_that_did_not_come_is_tried_again(error: Exception, words: str, maybe_done: bool) -> None:
    written = from_transport(error, host="cal.example.org", writing=True)
    read = from_transport(error, host="cal.example.org", writing=False)
    assert isinstance(written, Unreachable)
    assert words in str(written)
    assert (written.maybe_done, read.maybe_done) == (maybe_done, False)


def test_an_address_or_a_way_to_sign_in_that_cannot_be_used_is_told_once() -> None:
    assert isinstance(from_transport(niquests.exceptions.InvalidURL("No host"), host="", writing=False), Refused)
    unknown = from_transport(NotImplementedError("negotiate"), host="h", writing=False)
    assert isinstance(unknown, Refused)
    assert "app password" in str(unknown)


def test_a_reason_never_shows_an_objects_address_in_memory() -> None:
    error = niquests.exceptions.ConnectionError("<Connection object at 0x7f0000> failed")
    assert "0x7f" not in str(from_transport(error, host="h", writing=False))


# Quirks


@pytest.mark.parametrize(
    ("url", "headers", "token", "name"),
    [
        ("https://h/caldav.php/a/", {"X-DAViCal-Version": "DAViCal/1.1.12; DB/1.3.5"}, "", "DAViCal"),
        ("https://h/SOGo/dav/anna/Calendar/personal/", {}, "1700000000", "SOGo"),
        ("https://h/dav.php/calendars/a/", {"X-Sabre-Version": "4.7.1"}, "", "sabre/dav"),
        ("https://h/remote.php/dav/calendars/a/", {}, "http://sabre.io/ns/sync/5", "sabre/dav"),
        ("https://h/a/", {"Server": "WSGIServer/0.2"}, "http://radicale.org/ns/sync/e3b0", "Radicale"),
        ("https://h/a/", {"DAV": "1, 2, sync-collection"}, "ae44", "Xandikos"),
        ("https://h/a/", {"Server": "Cyrus-HTTP/3.6.1-Debian-3.6.1-4+deb12u5 Cyrus-SASL/2.1.28 Lib/XML2.9.14"}, "", "Cyrus"),
        ("https://h/a/", {"Server": "nginx"}, "data:,1795374374-5", "Cyrus"),
        ("https://h/a/", {"Server": "nginx"}, "", ""),
    ],
)
def test_a_server_is_known_by_what_it_gives_away(url: str, headers: dict[str, str], token: str, name: str) -> None:
    assert quirks.product(url, headers, token) == name


def test_an_unknown_server_has_no_habits() -> None:
    assert quirks.habits("") == frozenset()
    assert quirks.Habit.IGNORES_IF_NONE_MATCH in quirks.habits("SOGo")
