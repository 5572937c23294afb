"""What a person sees: tables and lines on standard output, complaints and progress on standard error. Rich does the drawing.

Colours and boxes on a terminal only, and colours not where NO_COLOR is set. Texts of others never reach the terminal with control
characters in them, and square brackets are no markup.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from daemon.core.addresses import clean_text

if TYPE_CHECKING:
    import httpx
    from rich.console import Console
    from rich.progress import Progress

_NO_WIDTH = 100_000  # where no terminal is, nothing is cut or wrapped


def one_line(text: object) -> str:
    """Return the text without control characters and line breaks."""
    return " ".join(clean_text(str(text)).split())


def say(*lines: str) -> None:
    """Print lines of text."""
    console = _console()
    for line in lines:
        console.print(clean_text(line), markup=False, highlight=False, soft_wrap=True)


def styled(text: str, style: str) -> None:
    """Print one line in a style."""
    _console().print(one_line(text), style=style, markup=False, highlight=False, soft_wrap=True)


def complain(text: str) -> None:
    """Print one line that begins with "Error:" on standard error."""
    _to_stderr("Error:", text, "bold red")


def remark(text: str) -> None:
    """Print one line on standard error that is no error."""
    _to_stderr("", text, "")


def _to_stderr(head: str, text: str, style: str) -> None:
    from rich.text import Text

    shown = Text.assemble((f"{head} " if head else "", style), one_line(text))
    _console(stderr=True).print(shown, highlight=False, soft_wrap=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """Print a table; its cells are texts of one line."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    console = _console()
    drawn = Table(box=SIMPLE_HEAD if console.is_terminal else None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(one_line(cell)) for cell in row))
    _print(console, drawn)


def panel(title: str, lines: Sequence[str]) -> None:
    """Print lines in a frame; only the lines where no terminal is."""
    from rich.panel import Panel
    from rich.text import Text

    console = _console()
    if not console.is_terminal:
        say(title, *(f"  {line}" for line in lines))
        return
    text = Text("\n").join(Text(one_line(line)) for line in lines)
    console.print(Panel(text, title=Text(one_line(title)), title_align="left", expand=False))


def pairs(rows: Iterable[tuple[str, object]]) -> None:
    """Print names with their values, those that have one."""
    from rich.table import Table
    from rich.text import Text

    drawn = Table.grid(padding=(0, 2))
    drawn.add_column(style="bold", no_wrap=True)
    drawn.add_column(overflow="fold")
    for name, value in rows:
        if value not in (None, ""):
            drawn.add_row(name, Text(clean_text(str(value)).strip()))
    _print(_console(), drawn)


def listing(rows: Iterable[tuple[tuple[str, str], Sequence[tuple[str, str]]]]) -> None:
    """Print rows of a sign and a text beside it, each made of (text, style) parts; long texts are wrapped below themselves."""
    from rich.table import Table
    from rich.text import Text

    drawn = Table.grid(padding=(0, 1))
    drawn.add_column(no_wrap=True)
    drawn.add_column(overflow="fold")
    for (sign, style), parts in rows:
        drawn.add_row(
            Text(f"  {sign}", style), Text.assemble(*((clean_text(text).replace("\n", " "), one) for text, one in parts))
        )
    _print(_console(), drawn)


@contextmanager
def busy(text: str) -> Iterator[None]:
    """Show on standard error that something goes on; nothing is drawn where no terminal is."""
    console = _console(stderr=True)
    with console.status(text) if console.is_terminal else nullcontext():
        yield


def as_json(answer: httpx.Response) -> None:
    """Print the API's JSON: as it is, or indented for a person at a terminal."""
    json_text(answer.text)


def json_text(text: str) -> None:
    """Print JSON: as it is, or indented for a person at a terminal."""
    shown = json.dumps(json.loads(text), ensure_ascii=False, indent=2) if sys.stdout.isatty() else text
    sys.stdout.write(shown + "\n")


def progress() -> Progress:
    """Return a progress bar on standard error; nothing is drawn where no terminal is."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = _console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # What is printed meanwhile moves above the bar, but only where both are on one terminal.
    together = sys.stdout.isatty()
    return Progress(*columns, console=console, transient=True, redirect_stdout=together, disable=not console.is_terminal)


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    stream: Any = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else _NO_WIDTH, emoji=False, highlight=False)


def _print(console: Console, drawn: Any) -> None:
    if console.is_terminal:
        console.print(drawn)
        return
    with console.capture() as captured:
        console.print(drawn)
    for line in captured.get().splitlines():
        console.file.write(line.rstrip() + "\n")
