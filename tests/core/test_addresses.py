"""Addresses and names: one compared form, and nothing that could break a header or a calendar line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core import addresses
from daemon.core.errors import Rejected


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("anna@example.org", "anna@example.org"),
        ("  Anna@Example.ORG ", "anna@example.org"),
        ("mailto:anna@example.org", "anna@example.org"),
        ("MAILTO:Anna%2Bx@example.org", "anna+x@example.org"),
        ("anna@müller.de", "anna@xn--mller-kva.de"),
        ("o'brien@example.org", "o'brien@example.org"),
    ],
)
def test_an_address_has_one_compared_form(written: str, compared: str) -> None:
    assert addresses.normal(written) == compared
    assert addresses.same(written, compared)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("anna", "not a mail address"),
        ("", "not a mail address"),
        ("anna@", "not a mail address"),
        ("anna@b c.de", "not a mail address"),
        ("Anna <anna@example.org>", "not a mail address"),
        ("a@b@c.de", "not a mail address"),
        ("x" * 250 + "@example.org", "not a mail address"),
        ("jürgen@example.org", "letters that most mail servers refuse"),
        (".anna@example.org", "check the part before @"),
        ("anna.@example.org", "check the part before @"),
        ("an..na@example.org", "check the part before @"),
        ("x" * 65 + "@example.org", "check the part before @"),
        ("anna@-example.org", "not a domain name"),
        ("anna@exam_ple.org", "not a domain name"),
        ("anna@example..org", "not a domain name"),
        ("anna@" + "ü" * 70 + ".de", "not a domain name"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(written: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason) as caught:
        addresses.normal(written)
    assert caught.value.field == "email"


def test_comparing_never_raises() -> None:
    assert addresses.same("room 5", "Room 5 ")
    assert not addresses.same("room 5", "anna@example.org")


def test_a_name_loses_what_calendars_and_headers_cannot_hold() -> None:
    assert addresses.clean_name('Anna "Ann" ^Müller\r\nBcc: x\u202e\x00') == "Anna 'Ann' Müller Bcc: x"
    assert len(addresses.clean_name("x" * 300)) == 100


def test_a_text_keeps_its_lines_and_loses_control_characters() -> None:
    assert addresses.clean_text("one\r\ntwo\rthree\u2028four\tfive\x07\x00") == "one\ntwo\nthree\nfour\tfive"


@given(st.text())
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert addresses.clean_name(addresses.clean_name(text)) == addresses.clean_name(text)
    assert addresses.clean_text(addresses.clean_text(text)) == addresses.clean_text(text)
    assert "\n" not in addresses.clean_name(text)
