"""What a change did, or would do."""

from __future__ import annotations

from typing import Any

import httpx

from daemon.cli import screen, words
from daemon.cli.client import Service


def changed(api: Service, answer: httpx.Response, done: str, *, json: bool, date: str | None = None) -> None:
    """Show the entry as it is now and what the change causes; of a dry run only what it would cause. `date`: the one changed."""
    if json:
        screen.as_json(answer)
    body: dict[str, Any] = answer.json()
    if not json:
        _dry(body) if body["dry_run"] else _done(body, done, date)
    if body["effects"] and not body["dry_run"]:
        api.saved()


def _dry(body: dict[str, Any]) -> None:
    screen.say(f"Nothing is changed yet. This change {words.summary(body['effects'])}.")
    zone = body["entry"]["timezone"]
    screen.say(*(f"  {words.effect(one, zone)}" for one in body["effects"]), *(f"  {note}" for note in body["notes"]))


def _done(body: dict[str, Any], done: str, date: str | None) -> None:
    entry = body["entry"]
    lines = [done, entry["title"], _one_date(entry, date) if date else _dates(entry)]
    if entry["state"] == "planned":
        lines.append(entry["link"])
    lines += [words.effect(one, entry["timezone"]) for one in body["effects"]]
    lines += body["notes"]
    lines.append(f"id {entry['id']}")
    screen.panel(entry["number_shown"], [one for one in lines if one])


def _dates(entry: dict[str, Any]) -> str:
    return " · ".join(part for part in (words.date_line(entry, all_day=entry["all_day"]), words.repeats(entry)) if part)


def _one_date(entry: dict[str, Any], date: str) -> str:
    """The date that was changed, as it is now, after the original start that it is named by."""
    named = next((one for one in entry["occurrences"] if one["recurrence_id"].startswith(date)), None)
    if named is None:
        return f"The date {date.replace('T', ' ')}"
    now = "cancelled" if named["state"] == "cancelled" else words.date_line(named, all_day=entry["all_day"])
    return f"The date {words.moment(named['recurrence_id'])}: {now}"
