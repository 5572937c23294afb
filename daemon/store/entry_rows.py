"""An entry ↔ its rows in four tables. Pure: no statement is run here."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from daemon.core.model import Answer, Attendee, Entry, Occurrence, Role, When
from daemon.core.numbers import shown
from daemon.store.rows import columns
from daemon.store.schema import answer, attendee, occurrence
from daemon.store.types import wall_text

Row = dict[str, Any]
_WHEN = ("start", "zone", "duration", "all_day")
_DERIVED = ("first_start", "last_end", "search")
_CHILD_FIELDS = ("when", "attendees", "occurrences", "answers")


@dataclass(frozen=True, slots=True, eq=False)
class ChildKind:
    """A table of rows that belong to an entry, and the columns that tell them apart there."""

    table: sa.Table
    key: tuple[str, ...]
    insert: sa.Insert = field(init=False)
    delete: sa.Delete = field(init=False)

    def __post_init__(self) -> None:
        same = [self.table.c[name] == sa.bindparam(f"of_{name}", type_=self.table.c[name].type) for name in ("entry", *self.key)]
        object.__setattr__(self, "insert", sa.insert(self.table))
        object.__setattr__(self, "delete", sa.delete(self.table).where(*same))

    def key_of(self, row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in self.key)

    def name(self, key: tuple[Any, ...], entry_id: str) -> Row:
        """Return the parameters by which `delete` finds the row."""
        return {"of_entry": entry_id} | {f"of_{name}": part for name, part in zip(self.key, key, strict=True)}


ATTENDEES = ChildKind(attendee, ("email",))
OCCURRENCES = ChildKind(occurrence, ("recurrence_id",))
ANSWERS = ChildKind(answer, ("date", "attendee"))
CHILDREN = (ATTENDEES, OCCURRENCES, ANSWERS)


class Children:
    """Rows of some entries' children, by kind and entry."""

    def __init__(self) -> None:
        self._rows: dict[tuple[ChildKind, str], dict[tuple[Any, ...], Row]] = defaultdict(dict)

    def add(self, kind: ChildKind, rows: Iterable[sa.Row[Any]]) -> None:
        for found in rows:
            row = dict(found._mapping)
            self._rows[kind, row["entry"]][kind.key_of(row)] = row

    def rows(self, kind: ChildKind, entry_id: str) -> dict[tuple[Any, ...], Row]:
        """Return the entry's rows of this kind by key."""
        return self._rows.get((kind, entry_id), {})


def entry_row(one: Entry, first_start: datetime | None, last_end: datetime | None) -> Row:
    """Return the entry's own row with the derived columns."""
    own = {name: part for name, part in columns(one).items() if name not in _CHILD_FIELDS}
    when = {name: None if one.when is None else getattr(one.when, name) for name in _WHEN}
    return own | when | {"first_start": first_start, "last_end": last_end, "search": _search_text(one)}


def child_rows(kind: ChildKind, one: Entry) -> dict[tuple[Any, ...], Row]:
    """Return the rows that the entry's children of this kind are to have, by key."""
    if kind is ATTENDEES:
        rows = [columns(person) | {"position": at} for at, person in enumerate(one.attendees)]
    elif kind is OCCURRENCES:
        rows = [columns(date) | {"attendees": _people_out(date.attendees)} for date in one.occurrences]
    else:
        rows = [_answer_out(given) for given in one.answers]
    return {kind.key_of(row): row | {"entry": one.id} for row in rows}


def read_entry(row: sa.Row[Any], children: Children) -> Entry:
    """Return the entry of this row with its children."""
    own = {name: part for name, part in row._mapping.items() if name not in (*_WHEN, *_DERIVED)}
    people = sorted(children.rows(ATTENDEES, row.id).values(), key=lambda one: int(one["position"]))
    own_fields = ("email", "name", "role", "delegated_from")
    dates = children.rows(OCCURRENCES, row.id)
    answers = children.rows(ANSWERS, row.id)
    return Entry(
        **own,
        when=None if row.start is None else When(**{name: row._mapping[name] for name in _WHEN}),
        attendees=tuple(Attendee(**{name: one[name] for name in own_fields}) for one in people),
        occurrences=tuple(_occurrence_in(dates[key]) for key in sorted(dates)),
        answers=tuple(_answer_in(answers[key]) for key in sorted(answers)),
    )


def folded(text: str) -> str:
    """Return the text as it is searched: without regard to case, in one Unicode form. SQLite's own folding knows ASCII only."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


def _search_text(one: Entry) -> str:
    people = [f"{person.email} {person.name}" for person in one.attendees]
    # The title is first: `entries.find` looks for its beginning.
    return "\n".join(folded(part) for part in (one.title, one.location, one.number, shown(one.number), *people, one.description))


def _people_out(people: tuple[Attendee, ...] | None) -> Row | None:
    if people is None:
        return None
    return {"people": [[person.email, person.name, person.role.value, person.delegated_from] for person in people]}


def _person_in(email: str, name: str, role: str, delegated_from: str = "") -> Attendee:
    return Attendee(email=email, name=name, role=Role(role), delegated_from=delegated_from)


def _occurrence_in(row: Row) -> Occurrence:
    kept: Row | None = row["attendees"]
    people = None if kept is None else tuple(_person_in(*person) for person in kept["people"])
    return Occurrence(**{name: part for name, part in row.items() if name not in ("entry", "attendees")}, attendees=people)


def _answer_out(given: Answer) -> Row:
    row = columns(given)
    date = row.pop("recurrence_id")
    return row | {"date": "" if date is None else wall_text(date)}


def _answer_in(row: Row) -> Answer:
    date = datetime.fromisoformat(row["date"]) if row["date"] else None
    return Answer(**{name: part for name, part in row.items() if name not in ("entry", "date")}, recurrence_id=date)
