"""`db`: care of the database. While the service has it, the service does it; otherwise it is done here, under the file's lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from daemon.cli import screen
from daemon.cli.client import service, settle
from daemon.cli.db_copy import copy
from daemon.cli.ending import Failed
from daemon.cli.options import Json
from daemon.cli.tree import Call, Verb

if TYPE_CHECKING:
    from daemon.config import Config
    from daemon.store.engine import Store

app = typer.Typer(help="Care of the database.", no_args_is_help=True, add_completion=False)


@app.command("upgrade", cls=Verb)
def upgrade(ctx: typer.Context) -> None:
    """Bring the database's tables up to this version. The service does it by itself when it starts."""
    from daemon.app import store_url
    from daemon.clock import SystemClock
    from daemon.store import admin

    config, running = settle(cast(Call, ctx.obj))
    if running:
        raise Failed(
            "The service runs and brought its database up to date when it started. After installing another version: "
            "systemctl restart sitzungsplaner."
        )
    done = admin.upgrade(store_url(config), data_dir=config.service.data_dir, clock=SystemClock())
    if done.before == done.after:
        screen.say(f"The database is up to date (revision {done.after}).")
        return
    before = f"from revision {done.before} " if done.before else ""
    screen.say(f"The database was brought {before}to revision {done.after}.")
    if done.backup is not None:
        screen.say(f"As it was before, it lies in {done.backup}.")


@app.command("backup", cls=Verb)
def backup(
    ctx: typer.Context, file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; the service's user writes it.")]
) -> None:
    """Write the whole database into a new file that can be used as a database itself. The service key is not in it."""
    target = file.absolute()
    config, running = settle(cast(Call, ctx.obj))
    if running:
        with service(ctx) as api:
            api.post("/database/backup", {"target": str(target)})
    else:
        from daemon.store import admin

        with _opened(config) as store:
            admin.backup(store, target)
    screen.say(f"The database is backed up in {target}.")


@app.command("check", cls=Verb)
def check(ctx: typer.Context, *, json: Json = False) -> None:
    """Look whether the database is sound: every page, every reference. Ends with 1 if it is not."""
    config, running = settle(cast(Call, ctx.obj))
    if running:
        with service(ctx) as api:
            answer = api.get("/database/check")
        findings: list[dict[str, Any]] = answer.json()
        text = answer.text
    else:
        import json as json_text

        from daemon.store import admin

        with _opened(config) as store:
            findings = [asdict(one) for one in admin.check(store)]
        text = json_text.dumps(findings, ensure_ascii=False)
    if json:
        screen.json_text(text)
    else:
        for one in findings:
            screen.say(f"{one['level']}: {one['text']} {one['remedy']}")
    bad = any(one["level"] == "error" for one in findings)
    if not json and not bad:
        screen.say("The database is sound.")
    if bad:
        raise Failed


app.command("copy", cls=Verb)(copy)


@contextmanager
def _opened(config: Config) -> Iterator[Store]:
    """Open the database as it is: neither made nor upgraded."""
    from daemon.app import store_url
    from daemon.clock import SystemClock
    from daemon.store import lock
    from daemon.store.engine import file_of, open_store

    file = file_of(store_url(config), config.service.data_dir)
    if file is not None and not file.exists():
        raise Failed(f"There is no database at {file}. The first command that needs one makes it, or sitzungsplaner db upgrade.")
    with lock.hold(file) if file is not None else nullcontext():
        store = open_store(store_url(config), clock=SystemClock(), data_dir=config.service.data_dir)
        try:
            yield store
        finally:
            store.close()
