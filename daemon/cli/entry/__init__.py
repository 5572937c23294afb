"""`entry`: planned sessions. `plan` makes and edits them, `change` moves, cancels and invites, `read` shows, `files` is .ics."""

from __future__ import annotations

import typer

from daemon.cli.entry import change, files, plan, read
from daemon.cli.tree import Verb

app = typer.Typer(
    help="Planned sessions: make, move, cancel them; invite people; see who comes.", no_args_is_help=True, add_completion=False
)
app.command("add", cls=Verb)(plan.add)
app.command("list", cls=Verb)(read.list_entries)
app.command("show", cls=Verb)(read.show)
app.command("edit", cls=Verb)(plan.edit)
app.command("move", cls=Verb)(change.move)
app.command("cancel", cls=Verb)(change.cancel)
app.command("delete", cls=Verb)(change.delete)
app.command("copy", cls=Verb)(change.copy)
app.command("invite", cls=Verb)(change.invite)
app.command("uninvite", cls=Verb)(change.uninvite)
app.command("answers", cls=Verb)(read.answers)
app.command("text", cls=Verb)(read.text)
app.command("import", cls=Verb)(files.import_files)
app.command("export", cls=Verb)(files.export)
