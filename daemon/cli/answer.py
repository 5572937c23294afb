"""`answer`: mails that answered invitations."""

from __future__ import annotations

import json as json_text
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from daemon.cli import screen, words
from daemon.cli.client import Service, quoted, service
from daemon.cli.ending import Failed
from daemon.cli.options import STDIN, Json, Limit, contents, named
from daemon.cli.tree import Verb
from daemon.core.errors import Rejected

app = typer.Typer(help="Mails that answered invitations, and what became of them.", no_args_is_help=True, add_completion=False)

_SHOWN = ("outcome", "reason", "uid", "attendee", "partstat", "recurrence_id")


@app.command("ingest", cls=Verb)
def ingest(
    ctx: typer.Context,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="One mail in each; none or - is standard input.")
    ] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="One object a line.")] = False,
) -> None:
    """Take in mails (RFC 5322), as a mail server's pipe hands them over, and print what became of each.

    Whatever the outcome is, a mail that was taken in counts as done.
    """
    paths = files or [Path(STDIN)]
    mails = [(path, contents(path)) for path in paths]
    failed = False
    with service(ctx) as api:
        for path, content in mails:
            try:
                _ingest(api, path, content, several=len(paths) > 1, json=json)
            except (Failed, Rejected) as error:
                failed = True
                screen.complain(str(error) if isinstance(error, Rejected) else f"{named(path)}: {error}")
    if failed:
        raise Failed


@app.command("list", cls=Verb)
def list_mails(
    ctx: typer.Context,
    *,
    outcome: Annotated[
        str | None, typer.Option("--outcome", metavar="OUTCOME", help="Only these: held are those that wait for a person.")
    ] = None,
    entry: Annotated[str | None, typer.Option("--entry", metavar="ENTRY", help="Only those about this entry.")] = None,
    limit: Limit = 100,
    json: Json = False,
) -> None:
    """List the mails that came in, the latest first."""
    with service(ctx) as api:
        answer = api.get("/answers", outcome=outcome, entry=entry, limit=limit)
    if json:
        screen.as_json(answer)
        return
    mails: list[dict[str, Any]] = answer.json()
    if not mails:
        screen.say("There are no such mails.")
        return
    rows = [
        (one["id"][:8], words.moment(one["received"]), one["sender"], one["subject"], one["outcome"], _said(one), one["reason"])
        for one in mails
    ]
    screen.table(("Id", "Received (UTC)", "From", "Subject", "Outcome", "Answer", "Reason"), rows)


@app.command("show", cls=Verb)
def show(
    ctx: typer.Context,
    mail: Annotated[str, typer.Argument(metavar="ID", help="As answer list --json tells it.")],
    *,
    json: Json = False,
) -> None:
    """Show a mail that came in, and why it was dealt with as it was."""
    with service(ctx) as api:
        answer = api.get(f"/answers/{quoted(mail)}")
    if json:
        screen.as_json(answer)
        return
    one = answer.json()
    screen.styled(one["subject"] or "(without a subject)", "bold")
    screen.pairs(
        (
            ("From", one["sender"]),
            ("Received", f"{words.moment(one['received'])} UTC"),
            ("Outcome", one["outcome"]),
            ("Reason", one["reason"]),
            ("Answer", _said(one)),
            ("Date", one["recurrence_id"] and one["recurrence_id"].replace("T", " ")[:16]),
            ("Entry", one["entry"]),
            ("UID", one["uid"]),
            ("Message-ID", one["message_id"]),
            ("Kept", "the mail is kept" if one["kept"] else ""),
            ("Id", one["id"]),
        )
    )


def _ingest(api: Service, path: Path, content: bytes | Rejected, *, several: bool, json: bool) -> None:
    if isinstance(content, Rejected):
        raise content
    answer = api.call("POST", "/answers", content=content, headers={"Content-Type": "message/rfc822"})
    for one in answer.json()["results"]:
        if json:
            sys.stdout.write(json_text.dumps({name: one[name] for name in _SHOWN}, ensure_ascii=False) + "\n")
        else:
            who = f"{one['attendee']} {_said(one)}".strip()
            screen.say(": ".join(part for part in (named(path) if several else "", one["outcome"], who, one["reason"]) if part))


def _said(one: dict[str, Any]) -> str:
    return words.ANSWERS[one["partstat"]] if one["partstat"] else ""
