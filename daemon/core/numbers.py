"""Session numbers: nine digits, the last one a check digit (Damm 2004), shown in groups of three.

The check digit finds every single wrong digit and every swap of two neighbours, so a typo is named as one before it
counts as an attempt (design 4.7). Not here: which numbers are taken or in quarantine (`store`), who may try how often.
"""

from __future__ import annotations

from collections.abc import Callable

from daemon.core.errors import Rejected

_DIGITS = 9
_SMALLEST_BODY = 10 ** (_DIGITS - 2)  # the first digit is not 0: nobody may drop it as a leading zero
_BODIES = 9 * _SMALLEST_BODY

# What people and programs put between digits: blanks of any kind, hyphens and dashes, dots.
_BETWEEN = frozenset(" \t\u00a0\u2007\u2009\u202f-\u2010\u2011\u2012\u2013\u2014\u2212.")

# Totally anti-symmetric quasigroup of order 10 from H. M. Damm's thesis; the diagonal is 0, so a right number ends at 0.
_DAMM = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)


def draw_number(draw: Callable[[int], int]) -> str:
    """Return a new number of nine digits, not beginning with 0. `draw(below)` is the only source of chance."""
    body = str(_SMALLEST_BODY + draw(_BODIES))
    return body + str(_check(body))


def parse_number(text: str) -> str:
    """Return the nine digits of a number as a person typed it: with or without blanks, dashes, dots.

    Raises Rejected(field="number") that says whether the length, a character, or the check digit is wrong.
    """
    digits = "".join(char for char in text if char not in _BETWEEN)
    if not digits:
        raise Rejected("The session number is missing. It has nine digits, like 524-644-200.", field="number")
    if not (digits.isascii() and digits.isdigit()):
        raise Rejected("A session number has digits only, like 524-644-200. Blanks, dashes and dots do no harm.", field="number")
    if len(digits) != _DIGITS:
        raise Rejected(
            f"A session number has nine digits, this one has {len(digits)}. Compare it with the invitation.", field="number"
        )
    if digits[0] == "0" or _check(digits) != 0:
        raise Rejected(
            f"There is a typo in {shown(digits)}: no session has this number. Compare it with the invitation.", field="number"
        )
    return digits


def shown(number: str) -> str:
    """Return the number in groups of three for people: "524-644-200"."""
    return "-".join(number[at : at + 3] for at in range(0, len(number), 3))


def _check(digits: str) -> int:
    state = 0
    for digit in digits:
        state = _DAMM[state][int(digit)]
    return state
