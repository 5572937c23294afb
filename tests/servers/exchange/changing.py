"""CreateItem, UpdateItem and DeleteItem: who is told of what is decided here, from the send mode and from what changed."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

from tests.servers.exchange import zones
from tests.servers.exchange.items import check, remove, write
from tests.servers.exchange.mailbox import Attendee, Body, Item
from tests.servers.exchange.organisation import Call, require, seen_version, stale
from tests.servers.exchange.properties import SIMPLE
from tests.servers.exchange.scheduling import cancel, invite, respond
from tests.servers.exchange.soap import Element, ItemError, child, elements, m, name_of, succeeded, t, text_of

ANSWERS = {"AcceptItem": "Accept", "TentativelyAcceptItem": "Tentative", "DeclineItem": "Decline"}


def _answer(operation: str, item: Item | None, *more: Element) -> Element:
    ids = [t(item.kind, t("ItemId", Id=item.id, ChangeKey=item.change_key))] if item is not None else []
    return succeeded(operation, m("Items", *ids), *more)


def create_item(call: Call, given: Element) -> Element:
    """One item of a CreateItem.

    Raises:
        ItemError: it is not stored, and nobody is told.
    """
    kind = name_of(given)
    if kind == "CalendarItem":
        return _create_meeting(call, given)
    if kind in {*ANSWERS, "CancelCalendarItem"}:
        if call.request.get("MessageDisposition") is None:
            raise ItemError("ErrorMessageDispositionRequired")  # R1342
        return _cancel_meeting(call, given) if kind == "CancelCalendarItem" else _answer_meeting(call, given)
    call.exchange.complain(f"a kind of item that is not imitated was created: {kind}")
    raise ItemError("ErrorUnsupportedTypeForConversion")


def _create_meeting(call: Call, given: Element) -> Element:
    mode = call.request.get("SendMeetingInvitations")
    if mode is None:
        raise ItemError("ErrorSendMeetingInvitationsRequired")
    box, folder = call.target("SavedItemFolderId", "calendar")
    item = Item(
        mailbox=box,
        folder=folder,
        kind="CalendarItem",
        item_class="IPM.Appointment",
        created=call.now,
        modified=call.now,
        zone=call.zone,
        props={name: value for name, value in SIMPLE.items() if value},
        organizer=(box.name, box.address),
        my_response="Organizer",
    )
    write(call, item, elements(given))
    check(call, item)
    item.uid = item.uid or call.exchange.new_uid()
    item.state = 1 if item.attendees else 0
    item.sent = bool(item.attendees) and mode != "SendToNone"
    box.keep(item)
    if item.sent:
        invite(call.exchange, item, item.attendees, save_copy=mode == "SendToAllAndSaveCopy", fresh=True)
    return _answer("CreateItem", item)


def _referred(call: Call, given: Element) -> Item:
    named = child(given, "ReferenceItemId")
    if named is None or named.get("ChangeKey") is None:
        raise ItemError("ErrorChangeKeyRequired")
    item = call.item(named)
    if stale(item, named.get("ChangeKey", "")):
        raise ItemError("ErrorStaleObject")
    return item


def _words(given: Element, name: str) -> Body | None:
    found = child(given, name)
    return Body(found.text or "", found.get("BodyType") == "HTML") if found is not None else None


def _cancel_meeting(call: Call, given: Element) -> Element:
    """CancelCalendarItem: everybody is told, and the organiser's item goes to Deleted Items under another id (R740, R1052)."""
    item = _referred(call, given)
    if not item.is_mine:
        raise ItemError("ErrorCalendarIsNotOrganizer")
    cancel(call.exchange, item, item.attendees, words=_words(given, "NewBodyContent"))
    return _answer("CreateItem", _discard(call, item))


def _discard(call: Call, item: Item) -> Item | None:
    """Put the organiser's cancelled item into Deleted Items; a date of a series just goes."""
    box = item.kept.mailbox
    if item.master is not None:
        box.drop(item, call.now)
        return None
    moved = box.move(item, "deleteditems", call.now)
    moved.state |= 4
    moved.props = {**moved.props, "Subject": "Canceled: " + moved.props.get("Subject", "")}
    return moved


def _answer_meeting(call: Call, given: Element) -> Element:
    """AcceptItem and its like, about the request in the Inbox or the item in the calendar."""
    verb = name_of(given)
    named = _referred(call, given)
    box = named.kept.mailbox
    item = named
    if named.kind == "MeetingRequest":
        if named.facts.get("IsOutOfDate") == "true":
            raise ItemError("ErrorCalendarMeetingRequestIsOutOfDate")
        found = box.meeting(named.uid)
        if found is None:
            raise ItemError("ErrorItemNotFound")
        item = found
        if named.original_start is not None and found.recurrence is not None:
            item = next((one for one in found.dates() if one.original_start == named.original_start), found)
    if item.is_mine:
        raise ItemError(f"ErrorCalendarIsOrganizerFor{ANSWERS[verb]}")
    if item.is_cancelled:
        raise ItemError(f"ErrorCalendarIsCancelledFor{ANSWERS[verb]}")
    item.my_response, item.replied = ANSWERS[verb], call.now
    item.props["LegacyFreeBusyStatus"] = {"AcceptItem": "Busy", "TentativelyAcceptItem": "Tentative"}.get(verb, "Free")
    proposed = [text_of(given, name) for name in ("ProposedStart", "ProposedEnd")]
    span = (zones.instant(proposed[0], call.zone), zones.instant(proposed[1], call.zone)) if all(proposed) else None
    if call.request.get("MessageDisposition") != "SaveOnly":
        respond(call.exchange, item, ANSWERS[verb], words=_words(given, "Body"), proposed=span)
    box.save(item, call.now)
    if named.kind == "MeetingRequest":
        box.move(named, "deleteditems", call.now)
    if verb == "DeclineItem":
        if item.master is not None:
            box.drop(item, call.now)
            return _answer("CreateItem", None)
        item = box.move(item, "deleteditems", call.now)
    return _answer("CreateItem", item)


def update_item(call: Call, change: Element) -> Element:
    """One ItemChange of an UpdateItem.

    Raises:
        ItemError: nothing of it is stored, and nobody is told.
    """
    named, updates = list(elements(change))
    item = call.item(named)
    key = named.get("ChangeKey")
    if key is None:
        raise ItemError("ErrorChangeKeyRequiredForWriteOperations")
    resolution = require(call.request, "ConflictResolution")
    is_stale = stale(item, key)
    if is_stale and resolution == "NeverOverwrite":
        raise ItemError("ErrorIrresolvableConflict")
    mode = call.request.get("SendMeetingInvitationsOrCancellations")
    if item.kind == "CalendarItem" and mode is None:
        raise ItemError("ErrorSendMeetingInvitationsOrCancellationsRequired")
    if item.is_cancelled and item.folder == "deleteditems" and mode != "SendToNone":
        raise ItemError("ErrorCalendarCannotUpdateDeletedItem")
    before = replace(item, props=dict(item.props), attendees=deepcopy(item.attendees))
    after = item if item.master is not None else replace(item, props=dict(item.props), attendees=deepcopy(item.attendees))
    after.extended, after.body = dict(item.extended), replace(item.body) if item.body else None
    kept_back, written = 0, list[str]()
    for update in elements(updates):
        name, value = _change(update)
        if resolution == "AutoResolve" and name == "Sensitivity" and item.kept.touched.get(name, 0) > seen_version(key):
            kept_back += 1  # R585, R586: the earlier change of Sensitivity wins
            continue
        if value is None:
            remove(call, after, name, next(elements(update)))
        else:
            _set(call, after, update, name, value)
        written.append(name)
    if item.recurrence is not None and "Start" in written and "Recurrence" not in written:
        _warn_of_move(call, item, after)
    check(call, after)
    if after.body is not None and after.body.html and call.exchange.rewrites_html:
        after.body.wear += 1
    _store(call, item, before, after, mode or "SendToNone")
    item.kept.touched.update(dict.fromkeys(written, item.kept.version))
    return _answer("UpdateItem", item, m("ConflictResults", t("Count", text=kept_back)))


def _warn_of_move(call: Call, before: Item, after: Item) -> None:
    """No source says what becomes of a series whose Start goes to another day while its pattern stays: nobody may rely on it."""
    assert before.start is not None
    assert after.start is not None
    if zones.wall(before.start, after.zone).date() != zones.wall(after.start, after.zone).date():
        call.exchange.complain("a series was moved to another day without a new pattern and range")


def _change(update: Element) -> tuple[str, Element | None]:
    """What one change is about: the property's name and its new element, or None where it is taken away.

    Raises:
        ItemError: it holds another number of properties than one, or another one than it names (CDATA R335).
    """
    path, *holder = elements(update)
    name = path.get("FieldURI", "").partition(":")[2] if name_of(path) == "FieldURI" else name_of(path)
    if not holder:
        return name, None
    values = list(elements(holder[0]))
    if len(values) != 1:
        raise ItemError("ErrorIncorrectUpdatePropertyCount")
    said = "ExtendedFieldURI" if name_of(values[0]) == "ExtendedProperty" else name_of(values[0])
    if said != name:
        raise ItemError("ErrorUpdatePropertyMismatch")
    return name, values[0]


def _set(call: Call, item: Item, update: Element, name: str, value: Element) -> None:
    if name_of(update) == "AppendToItemField":
        if name != "Body":
            raise ItemError("ErrorInvalidPropertyAppend")
        text = (item.body.text if item.body else "") + (value.text or "")
        item.body = Body(text, value.get("BodyType") == "HTML", item.body.wear if item.body else 0)
        return
    if name == "Recurrence" and item.master is not None:
        raise ItemError("ErrorInvalidPropertySet", "A date of a series has no pattern of its own.")
    write(call, item, [value])


def _store(call: Call, item: Item, before: Item, after: Item, mode: str) -> None:
    """Keep the new state and tell whom the mode says."""
    moved = (before.start, before.end, before.recurrence) != (after.start, after.end, after.recurrence)
    sends = mode != "SendToNone" and after.is_mine
    gone = [one for one in before.attendees if one.address not in {who.address for who in after.attendees}]
    new = [one for one in after.attendees if one.address not in {who.address for who in before.attendees}]
    lost = _lose_dates(call, before, after) if item.master is None and moved else []
    if after.attendees and after.is_mine:
        after.state |= 1
    if sends and moved and "Changed" not in mode:
        after.sequence += 1
        for one in after.attendees:  # what they said was about another time ([MS-OXOCAL] 3.1.4.7)
            one.response, one.answered, one.proposed = "Unknown", None, None
    if sends:
        after.sent = bool(after.attendees) or after.sent
    if item.master is None:
        for name in Item.__dataclass_fields__:
            setattr(item, name, getattr(after, name))
    item.kept.mailbox.save(item, call.now)
    if not sends:
        return
    _tell(call, item, mode, gone, new, lost, was_sent=before.sent)


def _tell(
    call: Call, item: Item, mode: str, gone: list[Attendee], new: list[Attendee], lost: list[Item], *, was_sent: bool
) -> None:
    save_copy = mode.endswith("AndSaveCopy")
    old = [one for one in item.attendees if one not in new]
    for date in lost:
        cancel(call.exchange, date, date.attendees)
    cancel(call.exchange, item, gone)
    invite(call.exchange, item, new, save_copy=save_copy, fresh=True)
    if "Changed" not in mode:  # behaviour 13: SendOnlyToChanged means the people who came or went, not a changed time
        invite(call.exchange, item, old, save_copy=save_copy and not new, fresh=not was_sent)


def _lose_dates(call: Call, before: Item, after: Item) -> list[Item]:
    """A new pattern drops what was changed or deleted; those to come are cancelled ([MS-OXOCAL] 3.1.4.7.3.5, behaviour 27)."""
    if before.recurrence == after.recurrence or before.recurrence is None:
        return []
    lost = [before.date(index) for index in sorted(before.changes)]
    after.changes, after.gone = {}, set()
    return [one for one in lost if one.start is not None and one.start > call.now]


def delete_item(call: Call, named: Element) -> Element:
    """One id of a DeleteItem.

    Raises:
        ItemError: it stays where it is.
    """
    item = call.item(named)
    mode = call.request.get("SendMeetingCancellations")
    if item.kind == "CalendarItem" and mode is None:
        raise ItemError("ErrorSendMeetingCancellationsRequired")  # R1213
    box, how = item.kept.mailbox, require(call.request, "DeleteType")
    if item.kind == "CalendarItem" and item.is_meeting and not item.is_cancelled and mode != "SendToNone":
        if item.is_mine:
            cancel(call.exchange, item, item.attendees)
        else:
            respond(call.exchange, item, "Decline", words=None, proposed=None)
    if how == "MoveToDeletedItems" and item.master is None and item.folder != "deleteditems":
        moved = box.move(item, "deleteditems", call.now)
        if moved.is_mine and moved.is_meeting and mode != "SendToNone":
            moved.state |= 4
    else:
        box.drop(item, call.now)
    return succeeded("DeleteItem")
