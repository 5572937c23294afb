"""Items and folders as elements: what GetItem says, and how much less FindItem and SyncFolderItems say."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass

import lxml.html

from tests.servers.exchange import zones
from tests.servers.exchange.mailbox import FOLDERS, ROLES, Attendee, Body, Item, Mailbox
from tests.servers.exchange.properties import ABSENT, DEFAULT, KNOWN, ONLY_BY_GET_ITEM, ORDER, SIMPLE
from tests.servers.exchange.recurrence import build
from tests.servers.exchange.soap import Element, child, elements, name_of, t, text_of

Complain = Callable[[str], None]
Path = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a request asked for. `limited` is the view of FindItem and SyncFolderItems."""

    names: frozenset[str]
    extended: tuple[Path, ...]
    body_type: str
    limited: bool

    @classmethod
    def read(cls, element: Element | None, *, limited: bool, complain: Complain) -> Shape:
        """Read ItemShape; a property that is not imitated is complained about, not left out in silence."""
        base = text_of(element, "BaseShape", "IdOnly")
        names = {"IdOnly": frozenset[str](), "Default": DEFAULT, "AllProperties": KNOWN - {"MimeContent", "TextBody"}}[base]
        extended: list[Path] = []
        wanted = set(names)
        for part in elements(element):
            if name_of(part) not in {"BaseShape", "BodyType", "AdditionalProperties"} and part.text not in {"false", "0"}:
                complain(f"a part of a shape that is not imitated: {name_of(part)}")
        for path in elements(child(element, "AdditionalProperties") if element is not None else None):
            if name_of(path) == "ExtendedFieldURI":
                extended.append(path_of(path))
            elif name_of(path) == "FieldURI":
                name = path.get("FieldURI", "").partition(":")[2]
                if name not in KNOWN:
                    complain(f"a property that is not imitated was asked for: {path.get('FieldURI')}")
                wanted.add(name)
            else:
                complain(f"a way to name a property that is not imitated: {name_of(path)}")
        return cls(frozenset(wanted | {"ItemId"}), tuple(extended), text_of(element, "BodyType", "Best"), limited)


def path_of(element: Element) -> Path:
    """An extended property's name: its attributes, in one order."""
    return tuple(sorted((str(key), str(value)) for key, value in element.attrib.items()))


def attendee(one: Attendee) -> Element:
    proposed = one.proposed or (None, None)
    return t(
        "Attendee",
        mailbox(one.name, one.address),
        t("ResponseType", text=one.response),
        t("LastResponseTime", text=one.answered) if one.answered else None,
        t("ProposedStart", text=proposed[0]) if proposed[0] else None,
        t("ProposedEnd", text=proposed[1]) if proposed[1] else None,
    )


def mailbox(name: str, address: str, *, name_only: bool = False) -> Element:
    rest = () if name_only else (t("EmailAddress", text=address), t("RoutingType", text="SMTP"), t("MailboxType", text="Mailbox"))
    return t("Mailbox", t("Name", text=name), *rest)


def worn(body: Body) -> str:
    """HTML as the store gives it back: a head of its own, other line ends, and one more wrapping for each time it was stored."""
    words = lxml.html.tostring(_parsed(body), encoding="unicode")
    for _ in range(body.wear):
        words = f'<div dir="ltr">{words}</div>'
    return (
        '<html>\r\n<head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8">\r\n'
        '<meta name="Generator" content="Microsoft Exchange Server">\r\n<!-- converted from rtf -->\r\n'
        "<style><!-- .EmailQuote { margin-left: 1pt; padding-left: 4pt; border-left: #800000 2px solid; } --></style>\r\n"
        f"</head>\r\n<body>\r\n{words}\r\n</body>\r\n</html>\r\n"
    )


def _text(body: Body) -> str:
    return _parsed(body).text_content().strip() if body.html else body.text


def _parsed(body: Body) -> lxml.html.HtmlElement:
    """What is left of a person's HTML: no scripts, and no head of its own."""
    inner = lxml.html.fragment_fromstring(body.text or " ", create_parent="div")
    for tag in ("script", "meta", "title", "style"):
        for one in list(inner.iter(tag)):
            one.drop_tree()
    return inner


def _body(body: Body, wanted: str) -> Element:
    if wanted == "Text" or (wanted == "Best" and not body.html):
        return t("Body", text=_text(body), BodyType="Text")
    if body.html:
        return t("Body", text=worn(body), BodyType="HTML")
    plain = Body(f'<span class="PlainText">{html.escape(body.text)}</span>', html=True)
    return t("Body", text=worn(plain), BodyType="HTML")


def _dates(item: Item) -> dict[str, list[Element]]:
    """What a master knows of its dates: the first, the last, the changed, the deleted."""
    found: dict[str, list[Element]] = {}

    def info(name: str, one: Item) -> Element:
        return t(
            name,
            t("ItemId", Id=one.id, ChangeKey=one.change_key),
            *(t("Start", text=one.start), t("End", text=one.end), t("OriginalStart", text=one.original_start)),
        )

    assert item.recurrence is not None
    if item.recurrence.end or item.recurrence.count:
        left = list(item.dates())
        if left:
            found["FirstOccurrence"], found["LastOccurrence"] = (
                [info("FirstOccurrence", left[0])],
                [info("LastOccurrence", left[-1])],
            )
    else:
        found["FirstOccurrence"] = [info("FirstOccurrence", next(item.dates()))]
    if item.changes:
        changed = [info("Occurrence", item.date(index)) for index in sorted(item.changes)]
        found["ModifiedOccurrences"] = [t("ModifiedOccurrences", *changed)]
    if item.gone:
        last = max(item.gone)
        starts = [start for index, start in _until(item, last) if index in item.gone]
        gone = [t("DeletedOccurrence", t("Start", text=start)) for start in starts]
        found["DeletedOccurrences"] = [t("DeletedOccurrences", *gone)]
    return found


def _until(item: Item, last: int) -> list[tuple[int, object]]:
    found: list[tuple[int, object]] = []
    for index, start in item.days():
        if index > last:
            break
        found.append((index, start))
    return found


def _responses(item: Item) -> Element | None:
    """What can be done with it: only the organiser may cancel, only the others may answer (behaviour 18)."""
    if item.kind == "CalendarItem" and item.is_meeting:
        verbs = ("CancelCalendarItem", "ForwardItem") if item.is_mine else ("AcceptItem", "TentativelyAcceptItem", "DeclineItem")
        return t("ResponseObjects", *map(t, verbs)) if not item.is_cancelled else None
    if item.kind == "MeetingRequest":
        return t("ResponseObjects", *map(t, ("AcceptItem", "TentativelyAcceptItem", "DeclineItem")))
    return None


def _common(item: Item, shape: Shape) -> dict[str, list[Element]]:
    keep = item.kept
    people = {role: [one for one in item.attendees if one.role == role] for role in ROLES}
    texts = {
        "ItemClass": item.item_class,
        "DateTimeReceived": keep.created,
        "Size": 1000 + len(item.body.text if item.body else ""),
        **dict.fromkeys(
            ("IsSubmitted", "IsDraft", "IsFromMe", "IsResend", "IsUnmodified", "HasAttachments", "IsAssociated"), False
        ),
        "DateTimeSent": keep.created,
        "DateTimeCreated": keep.created,
        "DisplayCc": "; ".join(one.name for one in people["OptionalAttendees"]),
        "DisplayTo": "; ".join(one.name for one in people["RequiredAttendees"]),
        "LastModifiedName": item.mailbox.name,
        "LastModifiedTime": keep.modified,
        **{name: value for name, value in item.props.items() if value},
    }
    if item.props.get("ReminderIsSet") == "true" and item.start is not None:
        texts.setdefault("ReminderDueBy", item.start)
    made = {name: [t(name, text=value)] for name, value in texts.items()}
    made["ItemId"] = [t("ItemId", Id=item.id, ChangeKey=item.change_key)]
    made["ParentFolderId"] = [t("ParentFolderId", Id=item.mailbox.folder_id(keep.folder), ChangeKey="AQAAAA==")]
    made["EffectiveRights"] = [rights()]
    if item.categories:
        made["Categories"] = [t("Categories", *(t("String", text=one) for one in item.categories))]
    if item.body is not None:
        made["Body"] = [_body(item.body, shape.body_type)]
        made["TextBody"] = [t("TextBody", text=_text(item.body), BodyType="Text")]
    offered = _responses(item)
    if offered is not None:
        made["ResponseObjects"] = [offered]
    return made


def _calendar(item: Item, shape: Shape) -> dict[str, list[Element]]:
    assert item.start is not None
    assert item.end is not None
    series = item.recurrence is not None
    texts: dict[str, object] = {
        "UID": item.uid,
        "Start": item.start,
        "End": item.end,
        "IsAllDayEvent": item.all_day,
        "IsMeeting": item.is_meeting,
        "IsCancelled": item.is_cancelled,
        "IsRecurring": item.master is not None,  # false on the master itself (behaviour 24)
        "MeetingRequestWasSent": item.sent,
        "CalendarItemType": item.facts.get("CalendarItemType", item.type),
        "MyResponseType": item.my_response,
        "ConflictingMeetingCount": 0,
        "AdjacentMeetingCount": 0,
        "Duration": zones.duration(item.end - item.start),
        "TimeZone": item.zone,
        "AppointmentSequenceNumber": item.sequence,
        "AppointmentState": item.state,
        "IsOnlineMeeting": False,
        "StartWallClock": zones.wall(item.start, item.zone).isoformat(),
        "EndWallClock": zones.wall(item.end, item.zone).isoformat(),
        "StartTimeZoneId": item.zone,
        "EndTimeZoneId": item.zone,
        "IsOrganizer": item.is_mine,
        "DateTimeStamp": item.kept.modified,
    }
    if item.original_start is not None:
        texts |= {"OriginalStart": item.original_start, "RecurrenceId": item.original_start}
    if item.replied is not None:
        texts["AppointmentReplyTime"] = item.replied
    made = {name: [t(name, text=value)] for name, value in texts.items()}
    made["Organizer"] = [t("Organizer", mailbox(*item.organizer, name_only=shape.limited))]
    for name in ("StartTimeZone", "EndTimeZone"):
        words = item.zone_words or item.zone
        made[name] = [t(name, Id=words, Name=words)]
    for role in ROLES:
        people = [attendee(one) for one in item.attendees if one.role == role]
        if people:
            made[role] = [t(role, *people)]
    if series and item.recurrence:
        made["Recurrence"] = [build(item.recurrence, item.zone)]
        made["MeetingTimeZone"] = [t("MeetingTimeZone", TimeZoneName=item.zone)]
        if item.kind == "CalendarItem":
            made |= _dates(item)
    return made


def _message(item: Item) -> dict[str, list[Element]]:
    made = {name: [t(name, text=value)] for name, value in item.facts.items()}
    sender = item.facts.get("From", "")
    if sender:
        name = item.facts.get("Sender", sender)
        made["From"], made["Sender"] = [t("From", mailbox(name, sender))], [t("Sender", mailbox(name, sender))]
    made["ToRecipients"] = [t("ToRecipients", *(mailbox(one.name, one.address) for one in item.attendees))]
    meeting = item.mailbox.meeting(item.uid)
    if meeting is not None:
        made["AssociatedCalendarItemId"] = [t("AssociatedCalendarItemId", Id=meeting.id, ChangeKey=meeting.change_key)]
    return made


def build_item(item: Item, shape: Shape) -> Element:
    """The element of an item, with what the shape asks for and the item has, in the order of the schema."""
    made = _common(item, shape)
    if item.start is not None:
        made |= _calendar(item, shape)
    if item.kind != "CalendarItem":
        made |= _message(item)
    made["ExtendedProperty"] = [_extended(path, item.extended[path]) for path in shape.extended if path in item.extended]
    skipped = ABSENT | (ONLY_BY_GET_ITEM if shape.limited else frozenset())
    wanted = (shape.names | {"ExtendedProperty"}) - skipped
    element = t(item.kind)
    for name in ORDER[item.kind]:
        if name in wanted:
            element.extend(made.get(name, []))
    return element


def _extended(path: Path, values: tuple[str, ...]) -> Element:
    attributes = dict(path)
    named = t("ExtendedFieldURI", **attributes)
    if attributes["PropertyType"].endswith("Array"):
        return t("ExtendedProperty", named, t("Values", *(t("Value", text=one) for one in values)))
    return t("ExtendedProperty", named, t("Value", text=values[0]))


def rights() -> Element:
    names = ("CreateAssociated", "CreateContents", "CreateHierarchy", "Delete", "Modify", "Read", "ViewPrivateItems")
    return t("EffectiveRights", *(t(name, text=True) for name in names))


def build_folder(box: Mailbox, name: str) -> Element:
    """The element of a folder, always whole: a client that asks for less gets more than it asked for, never less."""
    words, item_class, parent = FOLDERS[name]
    made = t("CalendarFolder" if name == "calendar" else "Folder", t("FolderId", Id=box.folder_id(name), ChangeKey="AQAAAA=="))
    if parent:
        made.append(t("ParentFolderId", Id=box.folder_id(parent), ChangeKey="AQAAAA=="))
    made.append(t("FolderClass", text=item_class) if item_class else t("FolderClass"))
    made.append(t("DisplayName", text=words))
    made.append(t("TotalCount", text=len(box.folder(name))))
    made.append(t("ChildFolderCount", text=sum(1 for one in FOLDERS.values() if one[2] == name)))
    made.append(rights())
    made.append(t("DistinguishedFolderId", text=name))
    if name != "calendar":
        unread = sum(1 for one in box.folder(name) if one.facts.get("IsRead") == "false")
        made.append(t("UnreadCount", text=unread))
    return made


DEFAULTS = {name: value for name, value in SIMPLE.items() if value}
