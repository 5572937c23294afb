"""`doctor`: looks at everything the service depends on, and says what to do.

The settings are judged here. The rest is looked at by the service itself where it runs, with its own secrets and its own
database; otherwise in this process, on the database as it is: nothing is made, upgraded or repaired.
"""

from __future__ import annotations

import asyncio
import json as json_text
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, cast

import httpx
import typer

from daemon.cli import logbook, screen
from daemon.cli.client import answers
from daemon.cli.ending import Failed
from daemon.cli.options import Json
from daemon.cli.rights import become_owner_of
from daemon.cli.tree import Call

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.config import Config
    from daemon.doctor import Finding
    from daemon.doctor.configuration import Settings

app = typer.Typer(add_completion=False)

_SIGNS = {"ok": ("✓", "green"), "note": ("·", "cyan"), "warning": ("!", "bold yellow"), "problem": ("✗", "bold red")}
_TITLES = {"calendars": "Calendars", "mail": "Mail", "domain": "Sender's domain", "clock": "Clock and time zones"}
_LONG = httpx.Timeout(180, connect=10)  # a mail to ourselves may take a minute
_URL = "http://service/api/v1/doctor"


@app.command()
def doctor(
    ctx: typer.Context,
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="Send no mail to ourselves, and do not read through the database.")
    ] = False,
    json: Json = False,
) -> None:
    """Look at everything the service depends on, and say what to do. Ends with 1 if something must be done."""
    from daemon.doctor import Level, ordered

    with screen.busy("Asking everybody …" if quick else "Asking everybody, and waiting for a mail to ourselves …"):
        found = ordered(_findings(cast(Call, ctx.obj), quick=quick))
    if json:
        screen.json_text(json_text.dumps([one.as_mapping() for one in found], ensure_ascii=False))
    else:
        _show(found)
    if any(one.level is Level.PROBLEM for one in found):
        raise Failed


def _findings(call: Call, *, quick: bool) -> Sequence[Finding]:
    from daemon.doctor.configuration import judge_service, judge_settings, read_settings

    # Who only talks to the socket may have no right to read the secrets, which may also be credentials of the service alone.
    settings = read_settings(call.config, with_secrets=False)
    socket = settings.config.service.socket if settings.config and not settings.broken("service") else None
    running, trouble = _runs(socket)
    if not running:
        settings = read_settings(call.config)  # as root still: secrets may be root's alone
    found = list(judge_settings(settings))
    if settings.config is None or socket is None:
        return found
    found.append(judge_service(socket, running=running, trouble=trouble))
    if trouble:
        return found
    become_owner_of(settings.config.service.data_dir)
    logbook.begin(settings.config.service.data_dir)
    return (
        *found,
        *(_of_service(socket, quick=quick) if running else asyncio.run(_here(settings, settings.config, quick=quick))),
    )


def _runs(socket: Path | None) -> tuple[bool, str]:
    """Whether the service runs, or why that cannot be told."""
    if socket is None:
        return False, ""
    try:
        return answers(socket), ""
    except Failed as error:
        return False, str(error)


def _of_service(socket: Path, *, quick: bool) -> Sequence[Finding]:
    """What the running service finds."""
    from daemon.doctor import Field, Finding, Level

    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), timeout=_LONG, trust_env=False) as http:
            answer = http.post(_URL, params={"quick": quick}).raise_for_status()
        return [_read(one) for one in answer.json()]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return [
            Finding(
                level=Level.PROBLEM,
                field=Field.CONFIGURATION,
                what=f"The service listens and does not answer as it should ({type(error).__name__}).",
                where="service.socket",
                remedy="See journalctl -u sitzungsplaner, then: systemctl restart sitzungsplaner",
            )
        ]


def _read(one: dict[str, str]) -> Finding:
    from daemon.doctor import Field, Finding, Level

    return Finding(
        level=Level(one["level"]), field=Field(one["field"]), what=one["what"], where=one["where"], remedy=one["remedy"]
    )


async def _here(settings: Settings, config: Config, *, quick: bool) -> Sequence[Finding]:
    """What this process finds, where no service runs."""
    from functools import partial

    from daemon import connections
    from daemon.app import store_url
    from daemon.clock import SystemClock
    from daemon.doctor import Finding, examine, means_for
    from daemon.doctor.store import opened

    clock = SystemClock()
    database = nullcontext(None) if settings.broken("store") else opened(store_url(config), config.service.data_dir, clock)
    with database as store:
        refused = (store,) if isinstance(store, Finding) else ()
        given = means_for(
            config,
            clock=clock,
            store=None if isinstance(store, Finding) else store,
            running=False,
            smtp=connections.smtp,
            imap=connections.imap,
            connecting=partial(connections.connect, clock=clock),
            broken=settings.broken,
        )
        return (*refused, *await examine(given, quick=quick))


def _show(found: Sequence[Finding]) -> None:
    for field in dict.fromkeys(one.field for one in found):
        screen.styled(_TITLES.get(field.value, field.value.capitalize()), "bold")
        screen.listing(row for one in found if one.field is field for row in _rows(one))
        screen.say("")
    counts = Counter(one.level.value for one in found)
    screen.styled(_summary(counts), "bold red" if counts["problem"] else "bold yellow" if counts["warning"] else "bold green")


def _rows(one: Finding) -> list[tuple[tuple[str, str], list[tuple[str, str]]]]:
    # Where no terminal is, the encoding may know no such signs; they are then replaced by “?”, so the level is said as well.
    plain = one.level.value in ("warning", "problem") and not sys.stdout.isatty()
    head = f"{one.level.value}: " if plain else ""
    where = f"  [{one.where}]" if one.where and one.where not in one.what else ""
    rows = [(_SIGNS[one.level.value], [(f"{head}{one.what}", ""), (where, "dim")])]
    if one.remedy:
        rows.append((("", ""), [(f"→ {one.remedy}", "italic")]))
    return rows


def _summary(counts: Counter[str]) -> str:
    named = [
        f"{counts[level]} {level}{'s' if counts[level] != 1 else ''}" for level in ("problem", "warning", "note") if counts[level]
    ]
    if counts["problem"]:
        return f"Something must be done: {', '.join(named)}."
    return f"Nothing must be done: {', '.join(named)}." if named else "All is well."
