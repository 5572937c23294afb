"""`owner`: the people who plan."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from daemon.cli import screen, words
from daemon.cli.client import quoted, service
from daemon.cli.options import Json, duration, only_one
from daemon.cli.tree import Verb

app = typer.Typer(help="People who plan.", no_args_is_help=True, add_completion=False)

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="Mail address or id.")]
Name = Annotated[str | None, typer.Option("--name", metavar="NAME", help="Stands beside the address in invitations.")]
Language = Annotated[str | None, typer.Option("--language", metavar="de|en", help="Of mails and pages.")]
Zone = Annotated[str | None, typer.Option("--zone", metavar="ZONE", help="IANA name, like Europe/Berlin.")]
Remind = Annotated[
    list[str] | None, typer.Option("--remind", metavar="BEFORE", help="Remind so long before: 24h. Several times if wanted.")
]
NoReminders = Annotated[bool, typer.Option("--no-reminders", help="Never remind, unless an entry says so.")]


@app.command("add", cls=Verb)
def add(
    ctx: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Where reminders go to.")],
    *,
    name: Name = None,
    language: Language = None,
    zone: Zone = None,
    remind: Remind = None,
    no_reminders: NoReminders = False,
    json: Json = False,
) -> None:
    """Add somebody who plans. Language, zone and reminders are otherwise those of the configuration."""
    body = {"email": address} | _given(name, language, zone, remind, no_reminders=no_reminders)
    with service(ctx) as api:
        answer = api.post("/owners", body)
    _one(answer, json=json)


@app.command("list", cls=Verb)
def list_owners(ctx: typer.Context, *, json: Json = False) -> None:
    """List everybody who plans."""
    with service(ctx) as api:
        answer = api.get("/owners")
    if json:
        screen.as_json(answer)
        return
    owners: list[dict[str, Any]] = answer.json()
    if not owners:
        screen.say("There is no owner yet. Add one: sitzungsplaner owner add ADDRESS")
        return
    rows = [(one["email"], one["name"], one["language"], one["timezone"], _reminders(one)) for one in owners]
    screen.table(("Address", "Name", "Language", "Zone", "Reminders"), rows)


@app.command("show", cls=Verb)
def show(ctx: typer.Context, address: Address, *, json: Json = False) -> None:
    """Show somebody who plans."""
    with service(ctx) as api:
        answer = api.get(f"/owners/{quoted(address)}")
    _one(answer, json=json)


@app.command("edit", cls=Verb)
def edit(
    ctx: typer.Context,
    address: Address,
    *,
    new_address: Annotated[str | None, typer.Option("--address", metavar="NEW", help="Another mail address.")] = None,
    name: Name = None,
    language: Language = None,
    zone: Zone = None,
    remind: Remind = None,
    no_reminders: NoReminders = False,
    json: Json = False,
) -> None:
    """Change what is named and nothing else."""
    body = _given(name, language, zone, remind, no_reminders=no_reminders)
    if new_address is not None:
        body["email"] = new_address
    if not body:
        raise typer.BadParameter("Say what is to become different, like --name or --zone.")
    with service(ctx) as api:
        answer = api.call("PATCH", f"/owners/{quoted(address)}", json=body)
    _one(answer, json=json)


@app.command("remove", cls=Verb)
def remove(ctx: typer.Context, address: Address) -> None:
    """Remove somebody who plans nothing any more."""
    with service(ctx) as api:
        api.call("DELETE", f"/owners/{quoted(address)}")
    screen.say(f"{address} is removed.")


def _given(
    name: str | None, language: str | None, zone: str | None, remind: list[str] | None, *, no_reminders: bool
) -> dict[str, Any]:
    only_one((("--remind", bool(remind)), ("--no-reminders", no_reminders)))
    body: dict[str, Any] = {"name": name, "language": language, "timezone": zone}
    if remind or no_reminders:
        body["reminders"] = [duration("--remind", one) for one in remind or ()]
    return {name: value for name, value in body.items() if value is not None}


def _one(answer: Any, *, json: bool) -> None:
    if json:
        screen.as_json(answer)
        return
    one = answer.json()
    screen.styled(one["email"], "bold")
    screen.pairs(
        (
            ("Name", one["name"]),
            ("Language", one["language"]),
            ("Zone", one["timezone"]),
            ("Reminders", _reminders(one)),
            ("Since", f"{words.moment(one['created'])} UTC"),
            ("Id", one["id"]),
        )
    )


def _reminders(one: dict[str, Any]) -> str:
    offsets = ", ".join(words.duration(offset) for offset in one["reminders"])
    return f"{offsets} before" if offsets else "none"
