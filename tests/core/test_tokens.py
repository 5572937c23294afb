"""Tokens of links: who has one may answer for one person of one entry, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.tokens import Links, answer_token, entry_of, fits

KEY = bytes(range(32))
ENTRY = "0123456789abcdef0123456789abcdef"
ANNA = "anna@kunde.test"
TOKEN = answer_token(KEY, ENTRY, ANNA, 0)


def test_a_token_can_be_made_again_and_tells_its_entry() -> None:
    assert answer_token(KEY, ENTRY, ANNA, 0) == TOKEN
    assert entry_of(TOKEN) == ENTRY
    assert fits(TOKEN, KEY, ENTRY, ANNA, 0)
    assert len(TOKEN) == 43


@pytest.mark.parametrize(
    ("key", "entry", "attendee", "generation"),
    [
        (bytes(32), ENTRY, ANNA, 0),
        (KEY, "f" * 32, ANNA, 0),
        (KEY, ENTRY, "ben@kunde.test", 0),
        (KEY, ENTRY, ANNA, 1),
    ],
    ids=["another key", "another entry", "another person", "a later generation"],
)
def test_it_fits_nothing_else(key: bytes, entry: str, attendee: str, generation: int) -> None:
    assert not fits(TOKEN, key, entry, attendee, generation)


@pytest.mark.parametrize(
    "token", ["", "x", TOKEN[:-1], f"{TOKEN}A", TOKEN[:-1] + "=", TOKEN[:-1] + "ä", "+" * 43, "/" * 43, " " * 43]
)
def test_what_has_not_its_form_is_about_no_entry(token: str) -> None:
    assert entry_of(token) is None


def test_the_same_bytes_spelled_otherwise_are_another_token() -> None:
    """Base64 has unused bits at its end: two spellings of one token would count as two."""
    spelled = [TOKEN[:-1] + letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"]
    assert [one for one in spelled if fits(one, KEY, ENTRY, ANNA, 0)] == [TOKEN]


@given(st.text(max_size=60))
def test_any_text_is_judged_without_an_error(text: str) -> None:
    entry_of(text)
    assert not fits(text, KEY, ENTRY, ANNA, 0)


def test_a_link_never_shows_its_key() -> None:
    links = Links(url="https://planer.example.org", key=KEY)
    assert links.answer_url(ENTRY, ANNA, 0) == f"https://planer.example.org/a/{TOKEN}"
    assert "key" not in repr(links)
