"""`demo`: the whole story on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def demo(*, once: Annotated[bool, typer.Option("--once", help="Leave after the story.")] = False) -> None:
    """Show everything on this machine with nothing set up: a calendar server, a mailbox, an owner and three attendees."""
    from daemon.demo.story import run_demo

    raise typer.Exit(run_demo(once=once))
