"""Entries from .ics files, and back into them."""

from __future__ import annotations

import json as json_text
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli import screen
from daemon.cli.client import Service, service
from daemon.cli.ending import Failed
from daemon.cli.entry import asked
from daemon.cli.entry.plan import CalendarChoice
from daemon.cli.options import DryRun, Json, contents, named
from daemon.core.errors import Rejected

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_ORDER = ("created", "updated", "unchanged", "skipped", "failed")


def import_files(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help=".ics files of any program; - is standard input.")],
    *,
    invite: Annotated[
        bool, typer.Option("--invite", help="Send invitations. Otherwise everybody counts as invited already.")
    ] = False,
    calendar: CalendarChoice = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Take events over from .ics files, with their UIDs, attendees and answers. What is here already is left as it is."""
    given = [(named(path), contents(path)) for path in files]
    params: dict[str, Any] = {"invite": invite, "dry_run": dry_run}
    if calendar is not None:
        params["calendar"] = "" if calendar.strip().lower() == "none" else calendar
    with service(ctx) as api, screen.progress() as bar:
        run = _Run(api, bar, bar.add_task("Importing", total=None), params, json=json)
        for name, content in given:
            run.take(name, content)
    if not json and (run.sums or not run.failed):
        screen.say(run.summary(dry_run=dry_run))
    if run.sums["created"] and not dry_run:
        api.saved()
    if run.failed:
        raise Failed


class _Run:
    """One import of one or more files, as it is shown."""

    def __init__(self, api: Service, bar: Progress, task: TaskID, params: dict[str, Any], *, json: bool) -> None:
        self.api, self.bar, self.task, self.params, self.json = api, bar, task, params, json
        self.sums: Counter[str] = Counter()
        self.failed = False
        self._total = 0
        self._file = ""

    def take(self, name: str, content: bytes | Rejected) -> None:
        """Import one file; what cannot be imported of it is told, and the next one follows."""
        self._file = name
        try:
            if isinstance(content, Rejected):
                raise content
            self.api.each_line("/entries/import", content=content, params=self.params, heed=self._line)
        except Rejected as error:
            self.failed = True
            screen.complain(str(error))
        except Failed as error:
            self.failed = True
            screen.complain(f"{name}: {error}")

    def summary(self, *, dry_run: bool) -> str:
        """Return the sums in a sentence."""
        known = [f"{self.sums[outcome]} {outcome}" for outcome in _ORDER if self.sums[outcome]]
        said = ", ".join(known) or "no events"
        return f"Nothing is changed yet. It would be: {said}." if dry_run else f"{said[:1].upper()}{said[1:]}."

    def _line(self, text: str) -> None:
        if not text.strip():
            return
        line: dict[str, Any] = json_text.loads(text)
        if self.json:
            sys.stdout.write(text + "\n")
        if "total" in line:
            self._total += line["total"]
            self.bar.update(self.task, total=self._total)
            for problem in line.get("problems", ()):
                screen.remark(f"{self._file}: {problem}")
        elif "outcome" in line:
            self._event(line)

    def _event(self, line: dict[str, Any]) -> None:
        outcome, reason = line["outcome"], line.get("reason", "")
        self.sums[outcome] += 1
        self.failed |= outcome == "failed" or (outcome == "skipped" and bool(reason))
        self.bar.advance(self.task)
        if not self.json:
            title = line.get("title") or line.get("uid", "")
            screen.say(f"{outcome:<9} {title}{f' – {reason}' if reason else ''}")


def export(
    ctx: typer.Context,
    entries: Annotated[list[str], typer.Argument(metavar="ENTRY...", help="Numbers, titles, UIDs or ids.")],
    *,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write there instead of to standard output.")
    ] = None,
) -> None:
    """Give entries back as .ics, with everything that an import takes."""
    with service(ctx) as api:
        found = [api.get(f"/entries/{asked.entry_id(api, one)}/export").content for one in entries]
    data = b"".join(found)
    if output is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(data)
        screen.say(f"{output} is written.")
    except OSError as error:
        raise Failed(f"{output} cannot be written: {error.strerror}. Without --output it goes to standard output.") from error
