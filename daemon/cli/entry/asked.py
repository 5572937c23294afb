"""From what was typed to what the API is asked: which entry is meant, which time, which recurrence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Final

import typer

from daemon.cli.client import Service
from daemon.cli.ending import Failed
from daemon.cli.options import checked
from daemon.cli.times import day_text, wall_text

REPEATS: Final = {
    "daily": "FREQ=DAILY",
    "workdays": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
    "weekly": "FREQ=WEEKLY",
    "monthly": "FREQ=MONTHLY",
    "yearly": "FREQ=YEARLY",
}


def entry_id(api: Service, text: str) -> str:
    """Return the id of the entry that a person named. Raises Failed where none or several are meant."""
    if not text.strip():
        raise typer.BadParameter("Name an entry by its number or title.", param_hint="'ENTRY'")
    return str(api.get("/entries/find", text=text).json()["id"])


def today_in(api: Service, zone: str | None, entry: str | None = None) -> Callable[[], date]:
    """Return what finds the present day: in this zone, else in the entry's, else in the owner's."""

    def today() -> date:
        from daemon.core.zones import to_wall

        meant = zone or (api.get(f"/entries/{entry}").json()["timezone"] if entry else None) or _owners_zone(api)
        return to_wall(datetime.fromisoformat(api.get("/status").json()["now"]), meant).date()

    return today


def start_text(api: Service, text: str, zone: str | None, entry: str | None = None) -> str:
    """Return a start for the API. What is no time is wrong use of --start."""
    return checked("--start", wall_text, text, today_in(api, zone, entry))


def one_date(api: Service, entry: str, text: str) -> str | None:
    """Return the date of a series as the API names it, or None if none was named."""
    return checked("--date", wall_text, text, today_in(api, None, entry)) if text else None


def rule(api: Service, *, repeat: str, every: int, rrule: str, count: int | None, until: str, zone: str | None) -> str | None:
    """Return the recurrence asked for, or None. Options that do not go together are wrong use."""
    if rrule and (repeat or count or until or every != 1):
        raise typer.BadParameter("It says everything itself; leave the other options of recurrence out.", param_hint="'--rrule'")
    if rrule:
        return rrule
    if not repeat:
        given = next((name for name, value in (("--count", count), ("--until", until), ("--every", every != 1)) if value), None)
        if given:
            raise typer.BadParameter("It needs --repeat, which says how often.", param_hint=f"'{given}'")
        return None
    if repeat not in REPEATS:
        raise typer.BadParameter(
            f"“{repeat}” is none of {', '.join(REPEATS)}. For anything else there is --rrule.", param_hint="'--repeat'"
        )
    if count and until:
        raise typer.BadParameter("A series ends in one way: give --count or --until.", param_hint="'--until'")
    parts = [REPEATS[repeat]]
    if every != 1:
        parts.append(f"INTERVAL={every}")
    if count:
        parts.append(f"COUNT={count}")
    if until:
        parts.append(f"UNTIL={checked('--until', day_text, until, today_in(api, zone)).replace('-', '')}")
    return ";".join(parts)


def _owners_zone(api: Service) -> str:
    owners: list[dict[str, Any]] = api.get("/owners").json()
    acting = api.owner
    mine = [one for one in owners if acting in ("", one["email"], one["id"])]
    if len(mine) != 1:
        raise Failed("Say in which time zone, like --zone Europe/Berlin.")
    return str(mine[0]["timezone"])
