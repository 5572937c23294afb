"""GetItem, FindItem, GetFolder, FindFolder and GetServerTimeZones: nothing is changed here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.servers.exchange import zones
from tests.servers.exchange.mailbox import FOLDERS, Item
from tests.servers.exchange.organisation import Call
from tests.servers.exchange.properties import NOT_SEARCHABLE
from tests.servers.exchange.shapes import Path, Shape, build_folder, build_item, path_of
from tests.servers.exchange.soap import Element, ItemError, child, elements, m, name_of, succeeded, t, text_of

TWO_YEARS = timedelta(days=2 * 365 + 1)
Test = Callable[[Item], bool]


def get_item(call: Call, named: Element) -> Element:
    """One id of a GetItem: everything that is known of the item.

    Raises:
        ItemError: there is none.
    """
    shape = Shape.read(child(call.request, "ItemShape"), limited=False, complain=call.exchange.complain)
    return succeeded("GetItem", m("Items", build_item(call.item(named), shape)))


def get_folder(call: Call, named: Element) -> Element:
    """One id of a GetFolder.

    Raises:
        ItemError: there is no such folder.
    """
    box, name = call.folder(named)
    return succeeded("GetFolder", m("Folders", build_folder(box, name)))


def find_folder(call: Call, named: Element) -> Element:
    """The folders below one: the children, or with Traversal Deep all of them.

    Raises:
        ItemError: there is no such folder.
    """
    box, top = call.folder(named)
    below = [name for name in FOLDERS if name != top and (FOLDERS[name][2] == top or _is_below(name, top))]
    if call.request.get("Traversal") == "Shallow":
        below = [name for name in below if FOLDERS[name][2] == top]
    root = m("RootFolder", t("Folders", *(build_folder(box, name) for name in below)))
    root.set("TotalItemsInView", str(len(below)))
    root.set("IncludesLastItemInRange", "true")
    return succeeded("FindFolder", root)


def _is_below(name: str, top: str) -> bool:
    parent = FOLDERS[name][2]
    return bool(parent) and (parent == top or _is_below(parent, top))


def find_item(call: Call, named: Element) -> Element:
    """The items of one folder: masters and singles, or with CalendarView dates and singles (behaviour 19).

    Raises:
        ItemError: the folder or the view makes no sense, or a restriction asks for what cannot be searched.
    """
    if call.request.get("Traversal") != "Shallow":
        call.exchange.complain(f"FindItem with Traversal {call.request.get('Traversal')} is not imitated")
    box, name = call.folder(named)
    view, restriction = child(call.request, "CalendarView"), child(call.request, "Restriction")
    shape = Shape.read(child(call.request, "ItemShape"), limited=True, complain=call.exchange.complain)
    if view is not None:
        if restriction is not None:
            raise ItemError("ErrorInvalidOperation", "Restrictions and sort order may not be specified for a CalendarView.")
        found = _in_view(call, box.folder(name), view)
        limit, offset = int(view.get("MaxEntriesReturned", len(found) or 1)), 0
    else:
        test = _test(call, next(elements(restriction))) if restriction is not None else None
        found = [item for item in box.folder(name) if test is None or test(item)]
        page = child(call.request, "IndexedPageItemView")
        if page is not None and page.get("BasePoint") != "Beginning":
            call.exchange.complain("pages from the end are not imitated")
        limit, offset = (
            (len(found), 0) if page is None else (int(page.get("MaxEntriesReturned", 1000)), int(page.get("Offset", 0)))
        )
    if child(call.request, "SortOrder") is not None:
        _sort(call, found)
    part = found[offset : offset + limit]
    root = m("RootFolder", t("Items", *(build_item(item, shape) for item in part)))
    if view is None:
        root.set("IndexedPagingOffset", str(offset + len(part)))
    root.set("TotalItemsInView", str(len(found)))
    root.set("IncludesLastItemInRange", "true" if offset + limit >= len(found) else "false")
    return succeeded("FindItem", root)


def _in_view(call: Call, items: list[Item], view: Element) -> list[Item]:
    """What touches the span; an item that ends exactly at its start does (exchangelib test_view)."""
    start, end = (zones.instant(view.get(name, ""), call.zone) for name in ("StartDate", "EndDate"))
    if end < start:
        raise ItemError("ErrorCalendarEndDateIsEarlierThanStartDate")
    if end - start > TWO_YEARS:
        raise ItemError("ErrorCalendarViewRangeTooBig")
    found: list[Item] = []
    for item in items:
        if item.recurrence is None:
            found.append(item)
            continue
        assert item.start is not None
        assert item.end is not None
        before = start
        for date in item.dates():
            assert date.original_start is not None
            if before > end:  # a date stays between its neighbours, so that one beyond the view is enough
                break
            before = date.original_start
            found.append(date)
    return sorted((one for one in found if _at(one.end) >= start and _at(one.start) < end), key=lambda one: _at(one.start))


def _at(moment: datetime | None) -> datetime:
    return moment or datetime.min.replace(tzinfo=UTC)


def _sort(call: Call, found: list[Item]) -> None:
    for order in reversed(list(elements(child(call.request, "SortOrder")))):
        value = _value(call, next(elements(order)))
        found.sort(key=lambda item, value=value: value(item) or "", reverse=order.get("Order") == "Descending")


def _test(call: Call, element: Element) -> Test:
    """A restriction as a question to an item.

    Raises:
        ItemError: ErrorUnsupportedPathForQuery for what cannot be searched, a UID for one.
    """
    kind, inner = name_of(element), list(elements(element))
    match kind:
        case "And" | "Or":
            tests = [_test(call, one) for one in inner]
            return (
                (lambda item: all(one(item) for one in tests))
                if kind == "And"
                else (lambda item: any(one(item) for one in tests))
            )
        case "Not":
            test = _test(call, inner[0])
            return lambda item: not test(item)
        case "Exists":
            value = _value(call, inner[0])
            return lambda item: value(item) is not None
        case "Contains":
            value, wanted = _value(call, inner[0]), inner[1].get("Value", "").lower()
            if element.get("ContainmentMode") == "FullString":
                return lambda item: (value(item) or "").lower() == wanted
            return lambda item: wanted in (value(item) or "").lower()
        case "IsEqualTo" | "IsNotEqualTo" | "IsGreaterThan" | "IsGreaterThanOrEqualTo" | "IsLessThan" | "IsLessThanOrEqualTo":
            value, right = _value(call, inner[0]), next(elements(inner[1])).get("Value", "")
            return _comparison(kind, value, _comparable(right, call))
    call.exchange.complain(f"a restriction that is not imitated: {kind}")
    raise ItemError("ErrorUnsupportedQueryFilter")


def _comparison(kind: str, value: Callable[[Item], str | None], right: str) -> Test:
    def test(item: Item) -> bool:
        left = value(item)
        if left is None:
            return kind == "IsNotEqualTo"
        return {
            "IsEqualTo": left == right,
            "IsNotEqualTo": left != right,
            "IsGreaterThan": left > right,
            "IsGreaterThanOrEqualTo": left >= right,
            "IsLessThan": left < right,
            "IsLessThanOrEqualTo": left <= right,
        }[kind]

    return test


def _comparable(text: str, call: Call) -> str:
    """Instants are compared as the spelling of UTC, everything else as it stands."""
    if len(text) >= 19 and text[10:11] == "T":
        return zones.instant(text, call.zone).strftime("%Y-%m-%dT%H:%M:%SZ")
    return text


def _value(call: Call, path: Element) -> Callable[[Item], str | None]:
    if name_of(path) == "ExtendedFieldURI":
        key: Path = path_of(path)
        return lambda item: item.extended.get(key, (None,))[0]
    name = path.get("FieldURI", "").partition(":")[2]
    if name in NOT_SEARCHABLE:
        raise ItemError("ErrorUnsupportedPathForQuery", "The property can not be used with this type of restriction.")
    shape = Shape(frozenset({name}), (), "Best", limited=True)

    def value(item: Item) -> str | None:
        made = build_item(item, shape)
        if name == "Categories":
            return ";".join(one.text or "" for one in elements(child(made, name)))
        return text_of(made, name) if child(made, name) is not None else None

    return value


def get_server_time_zones(call: Call) -> Element:
    """The zones asked for, by name only: the rules are the client's business here."""
    if call.request.get("ReturnFullTimeZoneData") == "true":
        call.exchange.complain("the rules of time zones are not imitated: ask with ReturnFullTimeZoneData=false")
    wanted = [one.text or "" for one in elements(child(call.request, "Ids"))]
    made = []
    for one in wanted:
        zones.zone(one)
        made.append(t("TimeZoneDefinition", Id=one, Name=one))
    return succeeded("GetServerTimeZones", m("TimeZoneDefinitions", *made))
