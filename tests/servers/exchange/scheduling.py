"""Meeting mail between mailboxes: what is sent, what arrives, and what the calendar assistant does with it afterwards.

Three steps, as on a real server, each of which waits until it is asked: a message is queued, `deliver` puts it into the Inbox,
`assist` lets the assistants read their Inboxes and change calendars. Messages to people without a mailbox here end in
`Exchange.outside`.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import datetime

from tests.servers.exchange.mailbox import Attendee, Body, Item
from tests.servers.exchange.organisation import Exchange, Mail

# IPM.Schedule.Meeting… and the words before the subject, by ResponseType (behaviour 11).
RESPONSES = {"Accept": ("Pos", "Accepted: "), "Tentative": ("Tent", "Tentative: "), "Decline": ("Neg", "Declined: ")}


def _message(exchange: Exchange, item: Item, kind: str, item_class: str, subject: str, facts: dict[str, str]) -> Item:
    """A message about a calendar item, not yet in any folder."""
    return replace(
        item,
        kind=kind,
        item_class=item_class,
        created=exchange.now(),
        modified=exchange.now(),
        props={**item.props, "Subject": subject + item.props.get("Subject", "")},
        body=replace(item.body) if item.body else None,
        attendees=deepcopy(item.attendees),
        extended={},
        changes={},
        gone=set() if item.master else set(item.gone),
        master=None,
        index=0,
        facts={
            **{"IsDelegated": "false", "IsOutOfDate": "false", "HasBeenProcessed": "false", "IsRead": "false"},
            "CalendarItemType": item.type,
            **facts,
        },
    )


def invite(exchange: Exchange, item: Item, people: list[Attendee], *, save_copy: bool, fresh: bool) -> None:
    """Send a meeting request, to each person of the kind that he is owed (behaviour 14: R484, R485, R71, R587)."""
    name, address = item.mailbox.name, item.mailbox.address
    for one in people:
        kind = "NewMeetingRequest"
        if not fresh:
            kind = "InformationalUpdate" if one.response in {"Accept", "Tentative"} else "FullUpdate"
        facts = {"MeetingRequestType": kind, "From": address, "Sender": name, "ResponseType": "Unknown"}
        facts["IntendedFreeBusyStatus"] = item.props.get("LegacyFreeBusyStatus") or "Busy"
        made = _message(exchange, item, "MeetingRequest", "IPM.Schedule.Meeting.Request", "", facts)
        # Rooms and When stay with the organiser (behaviour 15: R299, R319).
        made.attendees = [who for who in made.attendees if who.role != "Resources"]
        made.props.pop("When", None)
        made.props["LegacyFreeBusyStatus"] = "Tentative"
        made.state, made.my_response, made.sent = 3, "NoResponseReceived", True
        exchange.queue.append(Mail(one.address, made))
    if save_copy and people:
        facts = {"From": address, "Sender": name, "IsRead": "true", "MeetingRequestType": "None"}
        copy = _message(exchange, item, "MeetingRequest", "IPM.Schedule.Meeting.Request", "", facts)
        copy.folder = "sentitems"
        item.mailbox.keep(copy)


def cancel(exchange: Exchange, item: Item, people: list[Attendee], *, words: Body | None = None) -> None:
    """Send a cancellation."""
    facts = {"From": item.mailbox.address, "Sender": item.mailbox.name, "ResponseType": "Unknown"}
    for one in people:
        made = _message(exchange, item, "MeetingCancellation", "IPM.Schedule.Meeting.Canceled", "Canceled: ", facts)
        made.body, made.state = words or made.body, 7
        exchange.queue.append(Mail(one.address, made))


def respond(
    exchange: Exchange, item: Item, response: str, *, words: Body | None, proposed: tuple[datetime, datetime] | None
) -> None:
    """Send an attendee's answer to the organiser."""
    queue_answer(exchange, item, (item.mailbox.name, item.mailbox.address), response, words=words, proposed=proposed)


def queue_answer(
    exchange: Exchange,
    item: Item,
    who: tuple[str, str],
    response: str,
    *,
    words: Body | None = None,
    proposed: tuple[datetime, datetime] | None = None,
) -> None:
    """Put an answer into the mail: from a mailbox here, or from somebody outside who got the invitation."""
    ending, before = RESPONSES[response]
    facts = {"From": who[1], "Sender": who[0], "ResponseType": response}
    if proposed:
        facts["ProposedStart"], facts["ProposedEnd"] = (one.strftime("%Y-%m-%dT%H:%M:%SZ") for one in proposed)
    made = _message(exchange, item, "MeetingResponse", f"IPM.Schedule.Meeting.Resp.{ending}", before, facts)
    made.body = words
    exchange.queue.append(Mail(item.organizer[1], made))


def deliver(exchange: Exchange) -> int:
    """Let everything that is on its way arrive; returns how much that was."""
    mails, exchange.queue = exchange.queue, []
    for mail in mails:
        box = exchange.boxes.get(mail.to)
        if box is None:
            exchange.outside.append(mail)
            continue
        mail.item.folder = "inbox"
        for older in box.folder("inbox"):
            if older.kind == mail.item.kind == "MeetingRequest" and older.uid == mail.item.uid:
                older.facts["IsOutOfDate"] = "true"  # R750
                box.save(older, exchange.now())
        box.keep(mail.item)
    return len(mails)


def assist(exchange: Exchange) -> int:
    """Let each calendar assistant work through its Inbox; returns how many messages were processed."""
    done = 0
    for box in exchange.boxes.values():
        for message in box.folder("inbox"):
            if message.facts.get("HasBeenProcessed") != "false":
                continue
            match message.kind:
                case "MeetingRequest":
                    _enter(exchange, message)
                case "MeetingResponse":
                    _record(exchange, message)
                case _:
                    _cross_out(exchange, message)
            message.facts["HasBeenProcessed"] = "true"
            box.save(message, exchange.now())
            done += 1
    return done


def _target(message: Item) -> Item | None:
    """The calendar item, or the date of it, that a message is about."""
    kept = message.mailbox.meeting(message.uid)
    if kept is None or message.original_start is None or kept.recurrence is None:
        return kept
    return next((one for one in kept.dates() if one.original_start == message.original_start), None)


def _enter(exchange: Exchange, request: Item) -> None:
    """An attendee's calendar: a tentative item of his own, or the one he has, brought up to date."""
    box, mine = request.mailbox, _target(request)
    if mine is None:
        fresh = replace(
            request,
            folder="calendar",
            kind="CalendarItem",
            item_class="IPM.Appointment",
            facts={},
            attendees=deepcopy(request.attendees),
            props=dict(request.props),
        )
        box.keep(fresh)
        return
    if mine.sequence > request.sequence:
        return
    significant = (mine.start, mine.end, mine.recurrence) != (request.start, request.end, request.recurrence)
    mine.start, mine.end, mine.all_day, mine.zone = request.start, request.end, request.all_day, request.zone
    if mine.master is None:
        if mine.recurrence != request.recurrence:
            mine.changes = {}
        mine.recurrence, mine.gone = request.recurrence, set(request.gone)
    show = mine.props.get("LegacyFreeBusyStatus", "Busy")
    mine.props = {**request.props, "LegacyFreeBusyStatus": "Tentative" if significant else show}
    mine.body, mine.attendees, mine.sequence = request.body, deepcopy(request.attendees), request.sequence
    mine.state = 3
    if significant:
        mine.my_response, mine.replied = "NoResponseReceived", None
    box.save(mine, exchange.now())


def _record(exchange: Exchange, answer: Item) -> None:
    """The organiser's item: the answer stands at the attendee, and the change key is a new one (behaviours 1 and 10)."""
    mine = _target(answer)
    if mine is None or not mine.is_mine:
        return
    for one in mine.attendees:
        if one.address == answer.facts["From"]:
            one.response, one.answered = answer.facts["ResponseType"], answer.created
            if "ProposedStart" in answer.facts:
                one.proposed = tuple(datetime.fromisoformat(answer.facts[name]) for name in ("ProposedStart", "ProposedEnd"))
            mine.mailbox.save(mine, exchange.now())


def _cross_out(exchange: Exchange, cancellation: Item) -> None:
    """The attendee's item stays, crossed out: AppointmentState 7, IsCancelled (behaviour 16: R741)."""
    mine = _target(cancellation)
    if mine is None or mine.is_mine:
        return
    mine.state = 7
    mine.props = {**mine.props, "Subject": cancellation.props["Subject"], "LegacyFreeBusyStatus": "Free"}
    mine.mailbox.save(mine, exchange.now())
