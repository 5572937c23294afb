"""The API's JSON in the words of this command line: dates with their zone, recurrences, answers, what a change causes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
ANSWERS = {
    "ACCEPTED": "accepted",
    "DECLINED": "declined",
    "TENTATIVE": "tentative",
    "DELEGATED": "delegated",
    "NEEDS-ACTION": "no answer",
}
_MAILS = {
    "invitation": ("invitation", "invitations"),
    "update": ("update", "updates"),
    "information": ("notice of a change", "notices of a change"),
    "cancellation": ("cancellation", "cancellations"),
    "removal": ("cancellation for being off the list", "cancellations for being off the list"),
    "occurrence-update": ("change of one date", "changes of one date"),
    "occurrence-cancellation": ("cancellation of one date", "cancellations of one date"),
    "reinvitation": ("invitation again", "invitations again"),
    "decline-counter": ("refusal of a proposed time", "refusals of proposed times"),
}
_DELIVERIES = {
    "none": "not told",
    "queued": "waits to be sent",
    "sent": "sent",
    "failed": "FAILED",
    "undeliverable": "CAME BACK",
    "told": "told before the import",
    "calendar": "told by the calendar's server",
}


def moment(text: str | None) -> str:
    """Return day and time of day of an instant as the API wrote it, in its own offset."""
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}" if text else ""


def date_line(date: Mapping[str, Any] | None, *, all_day: bool) -> str:
    """Return start, end and zone of a date: "Tue 2026-12-01 09:00–10:30 Europe/Berlin"."""
    if not date or not date.get("start"):
        return "no date"
    start, end = datetime.fromisoformat(date["start"]), datetime.fromisoformat(date["end"])
    zone = date["timezone"]
    if all_day:
        last = (end.replace(tzinfo=None) - timedelta(days=1)).date()
        days = _day(start) if last <= start.date() else f"{_day(start)} – {_day(datetime.combine(last, start.time()))}"
        return f"{days} all day {zone}"
    if start.date() == end.date():
        return f"{_day(start)} {start:%H:%M}–{end:%H:%M} {zone}"
    return f"{_day(start)} {start:%H:%M} – {_day(end)} {end:%H:%M} {zone}"


def repeats(entry: Mapping[str, Any]) -> str:
    """Return the recurrence in words, the rule itself where it has none, "" for a single date."""
    rule = entry["rrule"]
    if not rule or not entry["start"]:
        return ""
    from daemon.core.durations import parse_duration
    from daemon.core.model import Language, When
    from daemon.render.rule_words import words

    start = datetime.fromisoformat(entry["start"]).replace(tzinfo=None)
    when = When(start=start, zone=entry["timezone"], duration=parse_duration(entry["duration"]), all_day=bool(entry["all_day"]))
    return words(rule, when, Language.EN) or str(rule)


def counts(answers: Mapping[str, int]) -> str:
    """Return how many accepted, declined, are tentative, are silent; "" where nobody is asked."""
    if not any(answers.values()):
        return ""
    return f"✓{answers['accepted']} ✗{answers['declined']} ?{answers['tentative']} …{answers['silent']}"


def standing(attendee: Mapping[str, Any]) -> str:
    """Return where somebody stands, with source and time of what he said."""
    if attendee["outdated"]:
        previous = attendee.get("previous")
        had = f" (had {ANSWERS[previous['partstat']]})" if previous else ""
        return f"no answer since the move{had}"
    said = ANSWERS[attendee["partstat"]]
    source, at = attendee.get("source"), moment(attendee.get("answered_at"))
    if attendee.get("delegated_to"):
        said = f"{said} to {attendee['delegated_to']}"
    if attendee.get("delegated_from"):
        said = f"{said}, for {attendee['delegated_from']}"
    return f"{said} (by {source}, {at})" if source else said


def delivery(attendee: Mapping[str, Any]) -> str:
    """Return how the last mail to somebody fared."""
    detail = attendee["delivery_detail"]
    words = [_DELIVERIES.get(attendee["delivery"], attendee["delivery"])]
    if detail["kind"]:
        words.append(detail["kind"])
    if detail["at"]:
        words.append(moment(detail["at"]))
    text = " ".join(words)
    return f"{text}: {detail['reply']}" if attendee["delivery"] in ("failed", "undeliverable") and detail["reply"] else text


def state(entry: Mapping[str, Any]) -> str:
    """Return the entry's state as a list shows it."""
    if entry["state"] == "planned" and not entry["start"]:
        return "no date"
    return str(entry["state"])


def duration(text: str) -> str:
    """Return an ISO 8601 duration as people write one: PT24H → 24h, PT1H30M → 1h30m."""
    return text.removeprefix("-").removeprefix("P").replace("T", "").lower()


def summary(effects: Sequence[Mapping[str, Any]]) -> str:
    """Return whom a change mails: "mails 4 people: 3 updates, 1 cancellation"."""
    mails = [one for one in effects if one["kind"] == "mail"]
    if not mails:
        return "mails nobody"
    people = len({one["target"] for one in mails})
    kinds = Counter(str(one["mail_kind"]) for one in mails)
    known = [f"{count} {_MAILS.get(kind, (kind, kind))[count != 1]}" for kind, count in kinds.items()]
    return f"mails {people} {'person' if people == 1 else 'people'}: {', '.join(known)}"


def effect(one: Mapping[str, Any], zone: str | None) -> str:
    """Return one thing that a change causes; reminders with their time in the zone."""
    if one["kind"] != "reminder" or not one["due"] or not zone:
        return str(one["text"])
    from daemon.core import zones

    due = zones.to_wall(datetime.fromisoformat(one["due"]).astimezone(UTC), zone)
    return f"{one['text'].rstrip('.')} {_day(due)} {due:%H:%M} {zone}."


def counted(standings: Sequence[Mapping[str, Any]]) -> str:
    """Return the answers to one date as a list shows them."""
    said = Counter("NEEDS-ACTION" if one["outdated"] else one["partstat"] for one in standings)
    sure = {name: said[name.upper()] for name in ("accepted", "declined", "tentative")}
    return counts({**sure, "silent": len(standings) - sum(sure.values())})


def _day(wall: datetime) -> str:
    return f"{_WEEKDAYS[wall.weekday()]} {wall:%Y-%m-%d}"
