"""`calendar`: what entries are written into."""

from __future__ import annotations

import getpass
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from daemon.cli import screen, words
from daemon.cli.client import Service, quoted, service
from daemon.cli.ending import Failed
from daemon.cli.options import CalendarName, DryRun, Json, only_one, read_text
from daemon.cli.tree import Verb

app = typer.Typer(help="Calendars that entries are written into.", no_args_is_help=True, add_completion=False)

_LOOK = 0.2  # seconds
_SENDERS = ("planner", "calendar", "auto")


@app.command("add", cls=Verb)
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What you call it.")],
    *,
    url: Annotated[
        str, typer.Option("--url", metavar="URL", help="Address of the calendar itself, as calendar programs take it.")
    ],
    username: Annotated[str, typer.Option("--username", metavar="NAME", help="Who signs in.")] = "",
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")] = False,
    password_file: Annotated[Path | None, typer.Option("--password-file", metavar="FILE", help="Read it from a file.")] = None,
    password_ref: Annotated[
        str, typer.Option("--password-ref", metavar="NAME", help="Use calendars.secrets.NAME of the configuration.")
    ] = "",
    sender: Annotated[
        str,
        typer.Option("--sender", metavar="WHO", help="Who mails invitations: planner, calendar, or auto: the server if it does."),
    ] = "planner",
    header: Annotated[
        list[str] | None, typer.Option("--header", metavar="NAME=VALUE", help="Send this HTTP header with every request.")
    ] = None,
    no_probe: Annotated[bool, typer.Option("--no-probe", help="Do not ask the server first.")] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Add an owner's calendar, after a look at what its server really does."""
    only_one(
        (
            ("--password-stdin", password_stdin),
            ("--password-file", password_file is not None),
            ("--password-ref", bool(password_ref)),
        )
    )
    if sender not in _SENDERS:
        raise typer.BadParameter(f"“{sender}” is none of {', '.join(_SENDERS)}.", param_hint="'--sender'")
    if sender == "auto" and no_probe:
        raise typer.BadParameter("Only a probe tells whether the server sends invitations.", param_hint="'--no-probe'")
    body: dict[str, Any] = {
        "name": name,
        "url": url,
        "username": username,
        "password": _password(stdin=password_stdin, file=password_file),
        "password_ref": password_ref,
        "headers": dict(_header(one) for one in header or ()),
    }
    with service(ctx) as api:
        if sender == "auto":
            seen = api.post("/calendars", body, probe=True, dry_run=True).json()["calendar"]["capabilities"]
            sender = "calendar" if seen["schedules"] else "planner"
        answer = api.post("/calendars", body | {"sender": sender}, probe=not no_probe, dry_run=dry_run)
        if json:
            screen.as_json(answer)
        else:
            added = answer.json()
            screen.say("Nothing is changed yet." if dry_run else f"Added {added['calendar']['name']}.")
            _one(added["calendar"])
            screen.say(*added["notes"])
        if not dry_run:
            api.saved()


@app.command("list", cls=Verb)
def list_calendars(ctx: typer.Context, *, json: Json = False) -> None:
    """List calendars and whether their servers answer."""
    with service(ctx) as api:
        answer = api.get("/calendars")
    if json:
        screen.as_json(answer)
        return
    calendars: list[dict[str, Any]] = answer.json()
    if not calendars:
        screen.say(
            "There is no calendar yet. Add one: sitzungsplaner calendar add NAME --url URL --username NAME --password-stdin"
        )
        return
    rows = [
        (
            one["name"],
            one["owner"],
            one["url"],
            one["sender"],
            one["entries"],
            one["state"],
            words.moment(one["checked"]),
            one["error"],
        )
        for one in calendars
    ]
    columns = ("Name", "Owner", "Address", "Sender", "Entries", "State", "Answered (UTC)", "Problem")
    screen.table(columns, rows, right=("Entries",))


@app.command("show", cls=Verb)
def show(ctx: typer.Context, name: CalendarName, *, json: Json = False) -> None:
    """Show a calendar with what its server was seen to do."""
    with service(ctx) as api:
        answer = api.get(f"/calendars/{_id(api, name)}")
    if json:
        screen.as_json(answer)
        return
    screen.styled(answer.json()["name"], "bold")
    _one(answer.json())


@app.command("sync", cls=Verb)
def sync(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Name or id; otherwise all.")] = None,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Show how far it is, and end when everything is written.")] = False,
    json: Json = False,
) -> None:
    """Write what is owed and fetch what changed now. A calendar that was refused is tried again."""
    with service(ctx) as api:
        if wait and not api.running:
            raise Failed("The service does not run, so nothing would be written. Start it: systemctl start sitzungsplaner.")
        answer = api.post(f"/calendars/{_id(api, name)}/sync" if name is not None else "/calendars/sync")
        if json:
            screen.as_json(answer)
        else:
            count = answer.json()["calendars"]
            screen.say(f"{count} {'calendar is' if count == 1 else 'calendars are'} looked at next.")
        if wait:
            _wait(api, name)
        api.saved()


@app.command("remove", cls=Verb)
def remove(ctx: typer.Context, name: CalendarName, *, dry_run: DryRun = False, json: Json = False) -> None:
    """Follow a calendar no longer. The events written there stay."""
    with service(ctx) as api:
        answer = api.call("DELETE", f"/calendars/{_id(api, name)}", params={"dry_run": dry_run})
    if json:
        screen.as_json(answer)
        return
    count = answer.json()["entries"]
    done = f"{name} would be removed; nothing is changed yet." if dry_run else f"{name} is removed."
    screen.say(f"{done} {count} {'entry was' if count == 1 else 'entries were'} written there; their events stay.")


def _wait(api: Service, name: str | None) -> None:
    """Show how many events are still to be written, until none is or a server does not take them."""
    path = f"/calendars/{_id(api, name)}" if name is not None else "/calendars"
    with screen.progress() as bar:
        task = bar.add_task("Writing", total=None)
        most = 0
        while True:
            found = api.get(path).json()
            calendars: list[dict[str, Any]] = found if isinstance(found, list) else [found]
            pending = sum(one["pending"] for one in calendars)
            most = max(most, pending)
            bar.update(task, total=most, completed=most - pending)
            away = next((one for one in calendars if one["pending"] and one["state"] != "ok"), None)
            if away is not None:
                raise Failed(f"{away['pending']} events are not written into {away['name']} yet: {away['error']}")
            if not pending:
                return
            time.sleep(_LOOK)


def _id(api: Service, name: str) -> str:
    """Return a part of a path for the calendar. A name with a slash in it would be several parts, so its id is looked up."""
    if "/" not in name:
        return quoted(name)
    found = [str(one["id"]) for one in api.get("/calendars").json() if one["name"].casefold() == name.strip().casefold()]
    return found[0] if len(found) == 1 else quoted(name.replace("/", " "))


def _password(*, stdin: bool, file: Path | None) -> str:
    if file is not None:
        return read_text(file).rstrip("\r\n")
    if not stdin:
        return ""
    return getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")


def _header(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name.strip() and sign):
        # The value is not repeated: it may be a secret.
        raise typer.BadParameter("Write a header as NAME=VALUE.", param_hint="'--header'")
    return name.strip(), value.strip()


def _one(one: dict[str, Any]) -> None:
    screen.pairs(
        (
            ("Address", one["url"]),
            ("User", one["username"]),
            ("Password", one["password"]),
            ("Headers", ", ".join(one["headers"])),
            ("Owner", one["owner"]),
            ("Invitations", f"sent by the {one['sender']}"),
            ("State", one["state"]),
            ("Problem", one["error"]),
            ("Answered", one["checked"] and f"{words.moment(one['checked'])} UTC"),
            ("Entries", one["entries"]),
            ("To be written", one["pending"] or ""),
            *_seen(one["capabilities"]),
            ("Id", one["id"]),
        )
    )


def _seen(found: dict[str, Any]) -> list[tuple[str, object]]:
    if not found:
        return []
    return [
        ("Server", found.get("product", "")),
        ("Its addresses", ", ".join(found.get("addresses", ()))),
        ("Sends invitations itself", _yes(found.get("schedules"))),
        ("Stays quiet for ours", _yes(found.get("foreign_organizer_quiet"))),
        ("Heeds SCHEDULE-AGENT", _yes(found.get("honours_client_agent"))),
        ("Tells what changed", _yes(found.get("sync_collection"))),
        ("Guards against overwriting", _yes(found.get("honours_if_match"))),
    ]


def _yes(value: bool | None) -> str:
    return "not tried" if value is None else "yes" if value else "no"
