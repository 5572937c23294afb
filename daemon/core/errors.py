"""The error tree. What a loop or a command does next is decided by the class alone, never by the text.

| class            | what the daemon does                             |
| ---------------- | ------------------------------------------------ |
| `Unreachable`    | tries again with growing pauses, for days        |
| `Refused`        | tells the owner once, does not try again         |
| `Conflict`       | reads again, merges, plans again                 |
| `Rejected`       | tells the person who asked; nothing was changed  |
| `ConfigProblem`  | ends the start with all problems listed          |

A text says what happened, to which entry, what happens next and what a person can do. The foreign exception is the cause.
"""

from __future__ import annotations

from datetime import timedelta


class SitzungsplanerError(Exception):
    """Everything this project raises on purpose. `str(error)` is a sentence for a person; it never holds a secret."""


AGAIN = "It is tried again by itself."  # said by an Unreachable about what a loop does


class Unreachable(SitzungsplanerError):
    """A server did not answer, or said "later".

    `retry_after` is the server's own wish. `maybe_done` is True where the act may have happened although no answer came
    (the connection broke after the last byte); then only a repetition that does no harm is allowed.
    """

    def __init__(self, text: str, *, retry_after: timedelta | None = None, maybe_done: bool = False) -> None:
        super().__init__(text)
        self.retry_after = retry_after
        self.maybe_done = maybe_done


class Refused(SitzungsplanerError):
    """A server said no for good: wrong password, no right, not acceptable as it is."""


class Conflict(SitzungsplanerError):
    """What we wanted to change is no longer what we knew (HTTP 412, 409): read again and decide anew."""


class Rejected(SitzungsplanerError):
    """A person's wish that cannot be carried out. `field` names the input it is about, where there is one."""

    def __init__(self, text: str, *, field: str | None = None) -> None:
        super().__init__(text)
        self.field = field


class Unreadable(Rejected):
    """Foreign bytes (a mail, a calendar object) that cannot be read, or not safely. Nothing of them was used."""


class NotFound(Rejected):
    """The named entry, owner, calendar, … does not exist (or is not the asker's)."""


class ConfigProblem(SitzungsplanerError):
    """The configuration cannot be used. `problems` has one sentence for each key."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
