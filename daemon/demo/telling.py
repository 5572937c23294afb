"""How the demonstration speaks: one line for each thing that was verified, on a terminal with colour, otherwise plain.

What is verified is not decided here.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

_WIDEST = 116  # columns; beyond that the place stands too far from its line


class BrokenStoryError(Exception):
    """Something did not hold: what was expected, what was found, and where a person can look."""

    def __init__(self, expected: str, found: str, where: str) -> None:
        found = " | ".join(line for line in found.splitlines() if line.strip()) or "nothing"
        super().__init__(f"expected: {expected}; found: {found}; look at: {where}")
        self.expected, self.found, self.where = expected, found, where


def require(holds: object, expected: str, found: object, where: str) -> None:
    """Raise BrokenStoryError unless it holds."""
    if not holds:
        raise BrokenStoryError(expected, str(found), where)


def same(found: object, wanted: object, what: str, where: str) -> None:
    """Raise BrokenStoryError unless both are equal; `what` names the thing in the line."""
    require(found == wanted, f"{what}: {wanted}", found, where)


class Teller:
    """Tells the story on a console and counts what was verified."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._plain = not console.is_terminal
        self._began = time.monotonic()
        self._chapters = 0
        self.verified_count = 0

    @property
    def seconds(self) -> float:
        """How long the story has been told, in seconds."""
        return time.monotonic() - self._began

    def title(self, text: str, below: str) -> None:
        if self._plain:
            self._lines(text, below, "")
            return
        body = Text.assemble((text, "bold"), "\n", (below, "dim"))
        self._console.print(Panel(body, border_style="cyan", padding=(0, 2), expand=False))

    def chapter(self, text: str) -> None:
        self._chapters += 1
        if self._plain:
            self._lines("", f"{self._chapters}. {text}")
        else:
            self._console.print()
            self._console.print(Text(f"{self._chapters}  {text}", style="bold cyan"))

    def happens(self, text: str) -> None:
        """What somebody does; the verified lines that follow are about it."""
        self._hanging("·", text, "", "dim")

    def verified(self, text: str, where: str) -> None:
        """One thing that holds, and where that was seen."""
        self.verified_count += 1
        self._hanging("✓", text, where, "green")

    def broken(self, error: BrokenStoryError) -> None:
        """The line with which a story ends that does not hold."""
        if self._plain:
            self._lines(f"✗ {error}")
            return
        self._console.print()
        self._hanging("✗", f"expected: {error.expected}", "", "bold red")
        self._hanging(" ", f"found: {error.found}", "", "red")
        self._hanging(" ", f"look at: {error.where}", "", "red")

    def says(self, text: str, style: str = "") -> None:
        """A sentence beside the story."""
        if self._plain:
            self._lines("", text)
        else:
            self._console.print()
            self._console.print(Text(text, style=style))

    def facts(self, heading: str, rows: tuple[tuple[str, str], ...]) -> None:
        """A small table of names and what they are; values are never cut, so that they can be copied."""
        if self._plain:
            self._lines("", heading, *(f"  {name}: {value}" for name, value in rows))
            return
        self._console.print()
        self._console.print(Text(heading, style="bold"))
        width = max(len(name) for name, _ in rows)
        for name, value in rows:
            self._console.print(Text.assemble("  ", (f"{name:<{width}}  ", "cyan"), value), soft_wrap=True)

    @contextlib.contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """On a terminal, something moves while the story waits."""
        if self._plain:
            yield
            return
        line = Text(text, style="dim", no_wrap=True, overflow="ellipsis")
        with self._console.status(line, spinner="dots", spinner_style="cyan"):
            yield

    def _hanging(self, mark: str, text: str, where: str, style: str) -> None:
        if self._plain:
            self._lines(f"{mark} {text}" + (f" [{where}]" if where else ""))
            return
        row = Table.grid(padding=(0, 1, 0, 0), expand=True)
        row.add_column(width=1)
        row.add_column(ratio=1)
        row.add_column(justify="right", no_wrap=True)
        row.add_row(Text(mark, style=style), Text(text, style="dim" if style == "dim" else ""), Text(where, style="dim italic"))
        self._console.print(Padding(row, (0, 0, 0, 2)), width=min(self._console.width, _WIDEST))

    def _lines(self, *lines: str) -> None:
        for line in lines:
            self._console.print(Text(line), soft_wrap=True)
