"""What all bodies are made of: times, durations, people; and the answer to a change. Times that people name are resolved here.

JSON has times as RFC 3339 with offset, in the entry's zone, beside the zone's name; durations as ISO 8601.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from daemon.core import zones
from daemon.core.durations import iso_duration, parse_duration
from daemon.core.errors import Rejected
from daemon.core.model import Attendee, Entry, Role, When
from daemon.planner.wishes import Effect

MAX_DURATION_DAYS = 100_000


class Body(BaseModel):
    """What a request brings. Unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Shown(BaseModel):
    """What an answer shows."""

    model_config = ConfigDict(frozen=True)


def _span(value: Any) -> Any:
    if not isinstance(value, str):
        return value if isinstance(value, timedelta) else _no_span(value)
    try:
        span = parse_duration(value)
    except Rejected as error:
        raise ValueError(str(error)) from None
    if span > timedelta(days=MAX_DURATION_DAYS):
        raise ValueError(f"“{value[:40]}” is longer than anything can be planned.")
    return span


def _no_span(value: object) -> Any:
    raise ValueError("A duration is text with a unit, like 45m, 1h30m, 2d or PT1H30M.")


def _person(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    # Not email.utils.parseaddr: it makes something of everything, and "ben@exa mple.org" would become another address.
    name, bracket, email = value.strip().rpartition("<")
    if not bracket or not email.endswith(">"):
        return {"email": value}
    return {"email": email[:-1], "name": name.strip().strip('"').replace('\\"', '"')}


Span = Annotated[timedelta, BeforeValidator(_span), PlainSerializer(iso_duration, return_type=str)]


class Person(Body):
    """Somebody to invite; also accepted as text: "Anna Beispiel <anna@example.org>"."""

    email: str
    name: str = ""
    role: Role = Role.REQ_PARTICIPANT

    def attendee(self) -> Attendee:
        return Attendee(email=self.email, name=self.name, role=self.role)


People = tuple[Annotated[Person, BeforeValidator(_person)], ...]


class EffectShown(Shown):
    """One thing that the change causes: `kind` is `mail`, `calendar` or `reminder`; `text` says it in a sentence."""

    kind: str
    text: str
    target: str
    mail_kind: str | None
    due: datetime | None

    @classmethod
    def of(cls, effect: Effect, zone: str | None) -> EffectShown:
        return cls(
            kind=effect.kind.value,
            text=effect.text,
            target=effect.target,
            mail_kind=effect.mail_kind.value if effect.mail_kind else None,
            due=local(effect.due, zone) if effect.due else None,
        )


def local(moment: datetime, zone: str | None) -> datetime:
    """Return the moment with the zone's offset (UTC without a zone)."""
    return moment.astimezone(zones.zone(zone)) if zone else moment.astimezone(UTC)


def local_wall(wall: datetime, zone: str) -> datetime:
    """Return the wall time with the zone's offset."""
    return local(zones.to_utc(wall, zone), zone)


def wall_start(text: str, zone: str) -> tuple[datetime, bool]:
    """Return the wall time in the zone that the text means, and whether it is a day without a time.

    `2027-03-28T09:00` is a wall time of the zone; with an offset it is a moment and converted. Raises Rejected.
    """
    try:
        if len(text.strip()) == 10:
            return datetime.combine(date.fromisoformat(text.strip()), datetime.min.time()), True
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Rejected(
            f"“{text[:40]}” is not a time. Write it like 2027-03-28T09:00, or 2027-03-28 for a whole day.", field="start"
        ) from None
    if moment.tzinfo is None:
        return moment.replace(second=0, microsecond=0), False
    try:
        return zones.to_wall(moment.astimezone(UTC), zones.zone(zone).key), False
    except OverflowError:
        raise Rejected(f"“{text[:40]}” is out of reach.", field="start") from None


def when_of(start: str, zone: str, duration: timedelta | None, *, all_day: bool) -> When:
    """Return the date asked for; an hour, or for whole days one day, where no duration is given. Raises Rejected."""
    wall, is_day = wall_start(start, zone)
    if is_day and not all_day:
        raise Rejected(
            f"“{start.strip()}” has no time of day. Add one, like {start.strip()}T09:00, or plan the whole day.", field="start"
        )
    if all_day:
        wall = datetime.combine(wall.date(), datetime.min.time())
    usual = timedelta(days=1) if all_day else timedelta(hours=1)
    try:
        return When(start=wall, zone=zone, duration=usual if duration is None else duration, all_day=all_day)
    except ValueError:
        raise Rejected("An all-day entry lasts whole days, like 1d.", field="duration") from None


def recurrence_id_of(entry: Entry, text: str) -> datetime:
    """Return the original wall start of the date that a person names; a day alone means the one date on it. Raises Rejected."""
    if entry.when is None:
        raise Rejected(f"“{entry.title}” has no date.", field="date")
    try:
        wall, is_day = wall_start(text, entry.when.zone)
    except Rejected as error:
        raise Rejected(str(error), field="date") from None
    if not is_day:
        return wall
    extra = [one for one in entry.rdates if one.date() == wall.date()]
    return extra[0] if extra else datetime.combine(wall.date(), entry.when.start.time())
