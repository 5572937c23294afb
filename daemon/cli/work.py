"""`work`: what is still owed to mail servers and calendars."""

from __future__ import annotations

import json as json_text
from typing import Annotated, Any

import typer

from daemon.cli import screen, words
from daemon.cli.client import quoted, service
from daemon.cli.options import DryRun, Json
from daemon.cli.tree import Verb

app = typer.Typer(help="What is still owed to mail servers and calendars.", no_args_is_help=True, add_completion=False)

Key = Annotated[str, typer.Argument(metavar="KEY", help="As work list shows it.")]


@app.command("list", cls=Verb)
def list_work(
    ctx: typer.Context,
    *,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="KIND", help="mail, bulk, remind, calendar, inbox or house.")
    ] = None,
    parked: Annotated[bool, typer.Option("--parked", help="Only what waits for a person.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 100,
    json: Json = False,
) -> None:
    """List what is owed: first what waits for a person, then by due time."""
    with service(ctx) as api:
        answer = api.get("/work", kind=kind, parked=parked or None, limit=limit)
    if json:
        screen.as_json(answer)
        return
    jobs: list[dict[str, Any]] = answer.json()
    if not jobs:
        screen.say("Nothing waits for a person." if parked else "Nothing is owed.")
        return
    rows = [(one["key"], one["kind"], one["state"], words.moment(one["due"]), one["tries"] or "", one["error"]) for one in jobs]
    screen.table(("Key", "Kind", "State", "Due (UTC)", "Tries", "Problem"), rows, right=("Tries",))


@app.command("show", cls=Verb)
def show(ctx: typer.Context, key: Key, *, json: Json = False) -> None:
    """Show one piece of work with the reason of its last failure."""
    with service(ctx) as api:
        answer = api.get(f"/work/{quoted(key)}")
    if json:
        screen.as_json(answer)
        return
    _one(answer.json())


@app.command("retry", cls=Verb)
def retry(ctx: typer.Context, key: Key, *, json: Json = False) -> None:
    """Try it again now; its tries are counted anew."""
    with service(ctx) as api:
        answer = api.post(f"/work/{quoted(key)}/retry")
        if json:
            screen.as_json(answer)
        else:
            _one(answer.json())
        api.saved()


@app.command("drop", cls=Verb)
def drop(ctx: typer.Context, key: Key, *, dry_run: DryRun = False) -> None:
    """Give it up. What it owed is owed no more until the next change asks for it."""
    with service(ctx) as api:
        api.call("DELETE", f"/work/{quoted(key)}", params={"dry_run": dry_run})
    screen.say(f"{key} would be dropped. Nothing is changed yet." if dry_run else f"{key} is dropped.")


def _one(job: dict[str, Any]) -> None:
    screen.styled(job["key"], "bold")
    screen.pairs(
        (
            ("Kind", job["kind"]),
            ("State", job["state"]),
            ("Due", job["due"] and f"{words.moment(job['due'])} UTC"),
            ("Tries", job["tries"] or ""),
            ("Problem", job["error"]),
            ("Failing since", job["first_failed"] and f"{words.moment(job['first_failed'])} UTC"),
            ("Parked", job["parked"] and f"{words.moment(job['parked'])} UTC"),
            ("Held until", job["held_until"] and f"{words.moment(job['held_until'])} UTC"),
            ("About", json_text.dumps(job["args"], ensure_ascii=False) if job["args"] else ""),
        )
    )
