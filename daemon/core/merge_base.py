"""What the last agreement between an entry and its event looked like, to be kept with their link, and its form as JSON.

Both sides are remembered: what we wrote, and what the server made of it. So a server that rewrites what it gets changes nothing
in anybody's eyes. Of texts only a digest is kept: a base says whether something changed, never what it was.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from daemon.core.merge_marks import Before, Field, Key, cannot_be_read, look
from daemon.core.model import Event, Sender, When

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """An agreement: `written` is our side, `seen` the calendar's right after. `link` is the link of ours that stood in it.

    `around`: the texts there are not what we would write, character for character; so the event is read before it is written, and
    the owner's text stays as it is around our block.
    """

    written: Before
    seen: Before
    link: str
    around: bool = False


def base_of(ours: Event, theirs: Event | None, *, sender: Sender, mine: frozenset[str]) -> Base:
    """Return the base after both sides agreed: `ours` is the entry's event, `theirs` what stands there; None: just that."""
    if theirs is None or cannot_be_read(theirs):
        theirs = ours
    link = ours.components[0].url
    written, seen = (look(one, sender=sender, mine=mine, links=frozenset({link})) for one in (ours, theirs))
    return Base(
        written=Before(when=written.when, marks=written.marks),
        seen=Before(when=seen.when, marks=seen.marks),
        link=link,
        around={one.description for one in ours.components} != {one.description for one in theirs.components},
    )


def base_to_json(base: Base) -> str:
    """Return the base as one line of JSON. The marks that were seen stand in it only where they differ from what was written."""
    written, seen = ({_shown(key): mark for key, mark in side.marks.items()} for side in (base.written, base.seen))
    other = {name: seen.get(name) for name in written.keys() | seen.keys() if written.get(name) != seen.get(name)}
    data: dict[str, Any] = {"v": _VERSION, "link": base.link, "when": _when_to_json(base.written.when), "written": written}
    if base.seen.when != base.written.when:
        data["seen_when"] = _when_to_json(base.seen.when)
    if other:
        data["seen"] = other
    if base.around:
        data["around"] = True
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def base_from_json(text: str) -> Base | None:
    """Return the base that was kept, or None where there is none that this release can read: both sides are compared anew."""
    try:
        data = json.loads(text)
        if data["v"] != _VERSION:
            return None
        written = data["written"]
        seen = {name: mark for name, mark in {**written, **data.get("seen", {})}.items() if mark is not None}
        when = _when_from_json(data["when"])
        return Base(
            written=Before(when=when, marks=_marks(written)),
            seen=Before(when=_when_from_json(data["seen_when"]) if "seen_when" in data else when, marks=_marks(seen)),
            link=data["link"],
            around=bool(data.get("around", False)),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _shown(key: Key) -> str:
    date = "" if key.date is None else str(key.date // timedelta(seconds=1))
    return f"{key.field}|{date}|{key.person}" if key.person else f"{key.field}|{date}" if date else key.field.value


def _marks(shown: dict[str, str]) -> dict[Key, str]:
    marks = {}
    for name, mark in shown.items():
        field, date, person = (*name.split("|", 2), "", "")[:3]
        marks[Key(Field(field), timedelta(seconds=int(date)) if date else None, person)] = mark
    return marks


def _when_to_json(when: When) -> list[Any]:
    return [when.start.isoformat(), when.zone, when.duration // timedelta(seconds=1), when.all_day]


def _when_from_json(data: list[Any]) -> When:
    start, zone, seconds, all_day = data
    return When(start=datetime.fromisoformat(start), zone=zone, duration=timedelta(seconds=seconds), all_day=all_day)
