"""Options and arguments that several verbs share, and what they mean."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from daemon.core.errors import Rejected

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="The API's JSON instead of text.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what it would cause.")]
EntryName = Annotated[str, typer.Argument(metavar="ENTRY", help="Number, beginning of the title, UID or id.")]
CalendarName = Annotated[str, typer.Argument(metavar="NAME", help="Name or id.")]
OneDate = Annotated[
    str,
    typer.Option("--date", metavar="TIME", help='Only this date of a series, named by its original start: "2026-12-08 09:00".'),
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")]

STDIN = "-"


def checked(option: str, parse: Callable[..., T], *given: Any) -> T:
    """Return what `parse` makes of an option's value; what it refuses is wrong use of that option."""
    try:
        return parse(*given)
    except Rejected as error:
        raise typer.BadParameter(str(error), param_hint=f"'{option}'") from None


def duration(option: str, text: str) -> str:
    """Return a duration for the API, checked here so that a mistake is told by the option's name."""
    from daemon.core.durations import iso_duration, parse_duration

    return iso_duration(checked(option, parse_duration, text))


def person(text: str, role: str = "REQ-PARTICIPANT") -> dict[str, str]:
    """Return somebody written like "Anna Beispiel <anna@example.org>"; what is in brackets, or all, is judged by the API."""
    # Not email.utils.parseaddr: it makes something of everything, and an invitation would go to "ben@exa" for "ben@exa mple.org".
    name, bracket, email = text.strip().rpartition("<")
    if not bracket or not email.endswith(">"):
        return {"email": text.strip(), "name": "", "role": role}
    return {"email": email[:-1].strip(), "name": name.strip().strip('"').replace('\\"', '"'), "role": role}


def read_bytes(path: Path) -> bytes:
    """Return a file's contents, standard input's for "-". Raises Rejected with the reason."""
    try:
        return sys.stdin.buffer.read() if str(path) == STDIN else path.read_bytes()
    except OSError as error:
        raise Rejected(f"{path} cannot be read: {error.strerror}.") from error


def named(path: Path) -> str:
    """Return what a complaint calls the file."""
    return "standard input" if str(path) == STDIN else str(path)


def contents(path: Path) -> bytes | Rejected:
    """Return a file's contents, or why it has none that could be used: one bad file of several stops nothing."""
    try:
        found = read_bytes(path)
    except Rejected as error:
        return error
    return found if found.strip() else Rejected(f"{named(path)} is empty. Nothing was read.")


def read_text(path: Path) -> str:
    """Return a text file's contents in UTF-8. Raises Rejected."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Rejected(f"{path} is not text in UTF-8.") from error


def only_one(options: Iterable[tuple[str, bool]]) -> None:
    """Refuse options that exclude each other."""
    given = [name for name, is_given in options if is_given]
    if len(given) > 1:
        raise typer.BadParameter(f"{' and '.join(given)} exclude each other. Give one of them.")
