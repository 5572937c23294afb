"""The first word of a command, the options before it, and the file that knows its verbs. That file is read when it is needed."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

import daemon

NOUNS: Final = {
    "run": "The service in the foreground (what systemd starts).",
    "demo": "Everything on this machine, nothing to set up: a calendar, a mailbox, a sample owner.",
    "doctor": "What is wrong, and what to do: settings, database, mail, calendars, domain, clock.",
    "status": "How the service is doing: loops, queue, calendars.",
    "owner": "People who plan.",
    "entry": "Planned sessions: make, move, cancel them; invite people; see who comes.",
    "answer": "Mails that answered invitations, and what became of them.",
    "work": "What is still owed to mail servers and calendars.",
    "calendar": "Calendars that entries are written into.",
    "db": "Care of the database.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What was said before the first word."""

    config: Path | None = None
    owner: str = ""


class Nouns(TyperGroup):
    """Lists the first words without reading their files."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        self.commands = {name: TyperCommand(name=name, help=text) for name, text in NOUNS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command of the noun's file in place of the one that is only listed."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, load(name) if name is not None and found is not None else found, rest


class Verb(TyperCommand):
    """Tells which command was used wrongly, also where the command itself finds out."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except TyperException as error:
            if getattr(error, "ctx", None) is None:
                error.ctx = ctx  # type: ignore[attr-defined]  # a usage error's own attribute
            raise


def load(noun: str) -> Any:
    """Return the command of a noun with all its verbs."""
    module = importlib.import_module(f"daemon.cli.{noun}")
    return typer.main.get_command(module.app)


def command() -> Any:
    """Return the whole command line."""
    return typer.main.get_command(app)


app = typer.Typer(cls=Nouns, no_args_is_help=True, context_settings={"help_option_names": ["--help", "-h"]})


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"sitzungsplaner {daemon.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="FILE", help="Settings; otherwise $SITZUNGSPLANER_CONFIG or /etc/sitzungsplaner/config.toml."
        ),
    ] = None,
    owner: Annotated[
        str,
        typer.Option(
            "--owner",
            metavar="ADDRESS",
            envvar="SITZUNGSPLANER_OWNER",
            help="For whom to act, where several people plan.",
        ),
    ] = "",
    _asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Plans sessions: one permanent number, real meeting requests, calendars followed both ways, reminders by mail."""
    ctx.obj = Call(config=config, owner=owner.strip())
