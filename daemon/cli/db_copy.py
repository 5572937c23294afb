"""`db copy`: the whole database into another, empty one; how an installation moves from SQLite to PostgreSQL."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, cast

import typer

from daemon.cli import screen
from daemon.cli.client import settle
from daemon.cli.ending import Failed
from daemon.cli.options import read_text
from daemon.cli.tree import Call


def copy(
    ctx: typer.Context,
    to: Annotated[str, typer.Option("--to", metavar="URL", help="The other database: postgresql://user@host/database.")] = "",
    to_file: Annotated[
        Path | None,
        typer.Option("--to-file", metavar="FILE", help="Its URL from a file; for one with a password. - is standard input."),
    ] = None,
) -> None:
    """Copy everything into another, empty database. The service must not run; this one stays as it is.

    Afterwards set store.url to the other one. The service key stays where it is.
    """
    from daemon.app import store_url
    from daemon.clock import SystemClock
    from daemon.store import lock, moving
    from daemon.store.engine import file_of, open_store

    if bool(to) is (to_file is not None):
        raise typer.BadParameter("Name the other database by --to or by --to-file, one of the two.", param_hint="'--to'")
    config, running = settle(cast(Call, ctx.obj))
    if running:
        raise Failed(
            "The service runs and would go on writing into the old database. Stop it first: systemctl stop sitzungsplaner."
        )
    target_url = to or read_text(cast(Path, to_file)).strip()
    url, data_dir, clock = store_url(config), config.service.data_dir, SystemClock()
    file = file_of(url, data_dir)
    if file is not None and not file.exists():
        raise Failed(f"There is no database at {file} that could be copied.")
    with lock.hold(file) if file is not None else nullcontext():
        source = open_store(url, clock=clock, data_dir=data_dir)
        try:
            target = open_store(target_url, clock=clock, data_dir=data_dir)
            try:
                with screen.progress() as bar:
                    task = bar.add_task("Copying", total=moving.count(source))
                    copied = moving.copy_store(source, target, heed=lambda _table, rows: bar.advance(task, rows))
            finally:
                target.close()
        finally:
            source.close()
    entries = copied.rows["entry"]
    screen.say(
        f"Copied: {entries} {'entry' if entries == 1 else 'entries'}, {copied.total} rows in all.",
        "Now set store.url (or the credential store.url) to the other database and start the service. "
        + (f"The old file {file} stays; put it away once all is well." if file is not None else "The old database stays."),
    )
