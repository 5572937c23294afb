"""Session numbers: drawn, typed, shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.errors import Rejected
from daemon.core.numbers import draw_number, parse_number, shown

numbers = st.integers(0, 89_999_999).map(lambda drawn: draw_number(lambda _: drawn))


def test_a_number_has_nine_digits_and_asks_for_chance_once() -> None:
    asked: list[int] = []

    def draw(below: int) -> int:
        asked.append(below)
        return below - 1

    number = draw_number(draw)
    assert (len(number), number[:8]) == (9, "99999999")
    assert asked == [90_000_000]


@pytest.mark.parametrize(("drawn", "number"), [(0, "100000006"), (42_464_420, "524644200")])
def test_the_check_digit_stays_the_same_in_every_release(drawn: int, number: str) -> None:
    """Numbers are printed on paper and stand in other people's calendars: another table would make them all typos."""
    assert draw_number(lambda _: drawn) == number


@given(numbers)
def test_a_drawn_number_is_read_back_plain_and_as_shown(number: str) -> None:
    assert number[0] != "0"
    assert parse_number(number) == number
    assert parse_number(shown(number)) == number


def test_a_number_is_shown_in_groups_of_three() -> None:
    assert shown("524644200") == "524-644-200"


@pytest.mark.parametrize(
    "typed",
    ["524644200", "524-644-200", " 524 644 200 ", "524.644.200", "5 2 4 6 4 4 2 0 0", "524–644—200", "524\u00a0644\u202f200"],
    ids=["plain", "dashes", "blanks", "dots", "digit by digit", "typographic dashes", "narrow blanks"],
)
def test_a_number_may_be_typed_with_separators(typed: str) -> None:
    assert parse_number(typed) == "524644200"


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "is missing"),
        (" - ", "is missing"),
        ("52464420", "this one has 8"),
        ("5246442001", "this one has 10"),
        ("52464420O", "digits only"),
        ("٥٢٤٦٤٤٢٠٠", "digits only"),
        ("024644200", "typo in 024-644-200"),
        ("524644201", "typo in 524-644-201"),
    ],
    ids=["nothing", "only a dash", "too short", "too long", "a letter", "other digits", "a leading zero", "a wrong digit"],
)
def test_a_number_that_cannot_be_one_is_refused_with_its_reason(typed: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason) as caught:
        parse_number(typed)
    assert caught.value.field == "number"


@given(numbers, st.integers(0, 8), st.integers(1, 9))
def test_every_single_wrong_digit_is_found(number: str, at: int, step: int) -> None:
    wrong = number[:at] + str((int(number[at]) + step) % 10) + number[at + 1 :]
    with pytest.raises(Rejected, match="typo"):
        parse_number(wrong)


@given(numbers, st.integers(0, 7))
def test_every_swap_of_two_neighbours_is_found(number: str, at: int) -> None:
    wrong = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
    if wrong != number:
        with pytest.raises(Rejected, match="typo"):
            parse_number(wrong)
