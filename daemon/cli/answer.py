"""`answer`: mails that answered invitations."""

from __future__ import annotations

import json as json_text
import sys
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from daemon.cli import screen, words
from daemon.cli.client import Service, quoted, service
from daemon.cli.ending import Failed
from daemon.cli.entry import asked
from daemon.cli.options import STDIN, DryRun, EntryName, Json, Limit, OneDate, contents, named
from daemon.cli.tree import Verb
from daemon.core.errors import Rejected

app = typer.Typer(help="Mails that answered invitations, and what became of them.", no_args_is_help=True, add_completion=False)

MailName = Annotated[str, typer.Argument(metavar="ID", help="As answer list tells it; its beginning is enough.")]

_BY_WORD = {"yes": "ACCEPTED", "no": "DECLINED", "maybe": "TENTATIVE"}
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
    mail: MailName,
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
            ("Proposed", _proposed(one)),
            ("Comment", one["comment"]),
            ("Entry", one["entry"]),
            ("UID", one["uid"]),
            ("Message-ID", one["message_id"]),
            ("Kept", "the mail is kept" if one["kept"] else ""),
            ("Id", one["id"]),
        )
    )
    if one["waits"]:
        screen.say(f"Decide: sitzungsplaner answer accept {one['id'][:8]}, or answer refuse.")


@app.command("accept", cls=Verb)
def accept(ctx: typer.Context, mail: MailName, *, dry_run: DryRun = False, json: Json = False) -> None:
    """Let a held answer count, or take the time that somebody proposed: the entry moves and everybody is asked."""
    with service(ctx) as api:
        _decided(api, api.post(f"/answers/{quoted(mail)}/accept", dry_run=dry_run), json=json)


@app.command("refuse", cls=Verb)
def refuse(
    ctx: typer.Context,
    mail: MailName,
    *,
    comment: Annotated[
        str, typer.Option("--comment", metavar="TEXT", help="Why a proposed time is not taken; he reads it.")
    ] = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Drop a held answer, or tell somebody that the time he proposed is not taken."""
    with service(ctx) as api:
        _decided(api, api.post(f"/answers/{quoted(mail)}/refuse", {"comment": comment}, dry_run=dry_run), json=json)


@app.command("set", cls=Verb)
def set_answer(
    ctx: typer.Context,
    entry: EntryName,
    attendee: Annotated[str, typer.Argument(metavar="ADDRESS", help="Whose answer it is.")],
    answer: Annotated[str, typer.Argument(metavar="yes|no|maybe", help="What he said.")],
    *,
    date: OneDate = "",
    comment: Annotated[str, typer.Option("--comment", metavar="TEXT", help='For the record, like "by phone".')] = "",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Record an answer that came in another way, by phone for example. Nobody is mailed."""
    partstat = _BY_WORD.get(answer.strip().lower())
    if partstat is None:
        raise typer.BadParameter(f"“{answer}” is none of yes, no and maybe.", param_hint="'yes|no|maybe'")
    with service(ctx) as api:
        found = asked.entry_id(api, entry)
        at = asked.one_date(api, found, date) or ""
        body = {"entry": found, "attendee": attendee, "partstat": partstat, "date": at, "comment": comment}
        shown = api.post("/answers/by-hand", body, dry_run=dry_run)
    if json:
        screen.as_json(shown)
        return
    named = attendee.strip().lower()
    which = f" for {at.replace('T', ' ')}" if at else ""
    said = words.ANSWERS[partstat]
    screen.say(
        f"Nothing is changed yet. {named} would stand as {said}{which}." if dry_run else f"{named}: {said}{which}, by you."
    )


def _decided(api: Service, answer: httpx.Response, *, json: bool) -> None:
    if json:
        screen.as_json(answer)
    decided: dict[str, Any] = answer.json()
    if not json:
        begin = "Nothing is changed yet. " if decided["dry_run"] else ""
        screen.say(f"{begin}{decided['reason']}", *(f"  {words.effect(one, None)}" for one in decided["effects"]))
    if decided["effects"] and not decided["dry_run"]:
        api.saved()


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


def _proposed(one: dict[str, Any]) -> str:
    if not one["proposed_start"]:
        return ""
    lasts = f", {words.duration(one['proposed_duration'])}" if one["proposed_duration"] else ""
    return f"{one['proposed_start'].replace('T', ' ')[:16]}{lasts}"


def _said(one: dict[str, Any]) -> str:
    return words.ANSWERS[one["partstat"]] if one["partstat"] else ""
