"""Writing an item's properties, and what Exchange checks before it stores one. No mail is sent here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from tests.servers.exchange import zones
from tests.servers.exchange.mailbox import ROLES, Attendee, Body, Item
from tests.servers.exchange.organisation import Call
from tests.servers.exchange.properties import BOOLEAN, READ_ONLY, SIMPLE, STRUCTURED
from tests.servers.exchange.recurrence import parse
from tests.servers.exchange.shapes import path_of
from tests.servers.exchange.soap import Element, ItemError, child, elements, name_of, spelled, text_of

ADDRESS = re.compile(r"[^@\s<>\"]+@[^@\s<>\"]+\.[^@\s<>\"]+")
FIVE_YEARS = timedelta(days=5 * 365 + 2)


def write(call: Call, item: Item, given: Iterable[Element]) -> None:
    """Set properties as a client sent them; zones go first, since they give meaning to times.

    Raises:
        ItemError: a property is the server's own, or its value makes no sense.
    """
    ordered = sorted(given, key=lambda one: 0 if name_of(one) in {"StartTimeZone", "IsAllDayEvent"} else 1)
    for element in ordered:
        name = name_of(element)
        if name in READ_ONLY:
            raise ItemError("ErrorInvalidPropertySet", f"Set action is invalid for property {name}.")
        if name in SIMPLE:
            item.props[name] = spelled(_is_true(element)) if name in BOOLEAN else element.text or ""
        elif name in STRUCTURED:
            _write_structured(call, item, name, element)
        else:
            call.exchange.complain(f"a property that is not imitated was written: {name}")


def _is_true(element: Element) -> bool:
    """An xs:boolean: exchangelib writes 1 and 0."""
    return element.text in {"true", "1"}


def _write_structured(call: Call, item: Item, name: str, element: Element) -> None:
    match name:
        case "Body":
            wear = item.body.wear if item.body else 0
            item.body = Body(element.text or "", element.get("BodyType") == "HTML", wear)
        case "Categories":
            item.categories = tuple(one.text or "" for one in elements(element))
        case "ExtendedProperty":
            path, *values = elements(element)
            texts = [one.text or "" for one in (elements(values[0]) if name_of(values[0]) == "Values" else values)]
            item.extended[path_of(path)] = tuple(texts)
        case "UID":
            item.uid = element.text or ""
        case "Start":
            item.start = zones.instant(element.text or "", item.zone)
        case "End":
            item.end = zones.instant(element.text or "", item.zone)
        case "IsAllDayEvent":
            item.all_day = _is_true(element)
        case "StartTimeZone":
            item.zone = element.get("Id", "")
            zones.zone(item.zone)
        case "EndTimeZone":
            zones.zone(element.get("Id", ""))
        case "Recurrence":
            item.recurrence = parse(element)
        case _:
            item.attendees = [one for one in item.attendees if one.role != name] + _attendees(call, item, name, element)


def _attendees(call: Call, item: Item, role: str, element: Element) -> list[Attendee]:
    """Who is invited. What the client says of their answers is ignored (behaviour 9); what was known of them stays."""
    known = {one.address: one for one in item.attendees}
    found = []
    for one in elements(element):
        box = child(one, "Mailbox")
        address = text_of(box, "EmailAddress").lower()
        if not ADDRESS.fullmatch(address):
            raise ItemError("ErrorInvalidRecipients", "At least one recipient isn't valid.")
        before = known.get(address)
        here = call.exchange.boxes.get(address)
        name = here.name if here else text_of(box, "Name") or address
        found.append(replace(before, role=role) if before else Attendee(role, address, name))
    return found


def remove(call: Call, item: Item, name: str, path: Element) -> None:
    """DeleteItemField: a property goes back to what a fresh item has.

    Raises:
        ItemError: it cannot be taken away.
    """
    if name == "ExtendedFieldURI":
        item.extended.pop(path_of(path), None)
    elif name in ROLES:
        item.attendees = [one for one in item.attendees if one.role != name]
    elif name == "Recurrence" and item.master is None:
        item.recurrence = None
    elif name == "Body":
        item.body = None
    elif name == "Categories":
        item.categories = ()
    elif name in SIMPLE and name not in {"ItemClass", "Sensitivity", "Importance", "LegacyFreeBusyStatus", "Culture"}:
        item.props[name] = ""
    elif name in READ_ONLY | STRUCTURED | SIMPLE.keys():
        raise ItemError("ErrorInvalidPropertyDelete", f"Delete action is not supported for property {name}.")
    else:
        call.exchange.complain(f"a property that is not imitated was deleted: {name}")


def check(call: Call, item: Item) -> None:
    """Make an item whole before it is stored: whole days, the first date of a series, the limits (behaviour 29).

    Raises:
        ItemError: R1203 too long, R1204 ends before it starts, dates of a series in each other's way.
    """
    if item.start is None:
        item.start = call.now
    if item.end is None:
        item.end = item.start + timedelta(minutes=30)
    if item.end < item.start:
        raise ItemError("ErrorCalendarEndDateIsEarlierThanStartDate")
    if item.end - item.start > FIVE_YEARS:
        raise ItemError("ErrorCalendarDurationIsTooLong")
    if item.all_day:
        # In the zone of the request: a client with another zone gets other days.
        item.start, item.end = zones.midnights(item.start, item.end, call.zone)
    if item.recurrence is not None:
        _settle_series(item)
    if item.master is not None:
        _check_neighbours(item)


def _settle_series(item: Item) -> None:
    """The first date that fits is the start, whatever Start said (section 2.6)."""
    assert item.recurrence is not None
    assert item.start is not None
    assert item.end is not None
    first = next(item.recurrence.dates())
    begin = zones.wall(item.start, item.zone)
    moved = zones.at(first, begin.time(), item.zone)
    item.end = moved + (item.end - item.start)
    item.start = moved
    starts = [start for _, start in zip(range(2), (start for _, start in item.days()), strict=False)]
    if len(starts) == 2 and item.end > starts[1]:
        raise ItemError("ErrorOccurrenceTimeSpanTooBig")


def _check_neighbours(item: Item) -> None:
    """A date may not go to or past its neighbour's day, nor reach into it (behaviour 26)."""
    assert item.master is not None
    assert item.start is not None
    assert item.end is not None
    day = zones.wall(item.start, item.zone).date()
    before = after = None
    for one in item.master.dates():
        if one.index < item.index:
            before = one
        elif one.index > item.index:
            after = one
            break
    if before is not None and before.start is not None and day <= zones.wall(before.start, item.zone).date():
        raise ItemError("ErrorOccurrenceCrossingBoundary")
    if after is not None and after.start is not None:
        if day >= zones.wall(after.start, item.zone).date():
            raise ItemError("ErrorOccurrenceCrossingBoundary")
        if item.end > after.start:
            raise ItemError("ErrorOccurrenceTimeSpanTooBig")
