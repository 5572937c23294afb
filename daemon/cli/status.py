"""`status`: how the service is doing."""

from __future__ import annotations

from typing import Any

import typer

from daemon.cli import screen, words
from daemon.cli.client import Service, service
from daemon.cli.options import Json

app = typer.Typer(add_completion=False)


@app.command()
def status(ctx: typer.Context, *, json: Json = False) -> None:
    """Show how the service is doing: loops, queue, calendars."""
    with service(ctx) as api:
        answer = api.get("/status")
        if json:
            screen.as_json(answer)
        else:
            _show(api, answer.json())


def _show(api: Service, found: dict[str, Any]) -> None:
    if api.running:
        screen.styled("The service runs." if found["healthy"] else "The service runs, and something waits for a person.", "bold")
    else:
        screen.styled("The service does not run: nothing is sent or fetched. Start it: systemctl start sitzungsplaner", "bold")
    owners = found["owners"]
    screen.pairs(
        (
            ("Version", found["version"]),
            ("Database", found["store"]),
            ("Zone rules", found["tzdata"]),
            ("Owners", owners if owners else "none yet; add one: sitzungsplaner owner add ADDRESS"),
        )
    )
    loops: dict[str, dict[str, Any]] = found["running"].get("loops", {})
    if api.running and loops:
        screen.say("")
        rows = [(name, f"{one['running']} of {one['hands']}", ", ".join(one["away"]) or "none") for name, one in loops.items()]
        screen.table(("Loop", "Busy", "Servers away"), rows)
    if found["queue"]:
        screen.say("")
        heads = ("Queue", "Waiting", "Due", "At work", "Parked", "Oldest (UTC)")
        screen.table(heads, [_queue(one) for one in found["queue"]], right=heads[1:5])
    if found["calendars"]:
        screen.say("")
        columns = ("Calendar", "Owner", "State", "Answered (UTC)", "Problem")
        screen.table(columns, [_calendar(one) for one in found["calendars"]])


def _queue(one: dict[str, Any]) -> tuple[object, ...]:
    return one["kind"], one["waiting"], one["ripe"], one["held"], one["parked"], words.moment(one["oldest"])


def _calendar(one: dict[str, Any]) -> tuple[object, ...]:
    return one["name"], one["owner"], one["state"], words.moment(one["checked"]), one["error"]
