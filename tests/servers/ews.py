"""A bare EWS client for the tests of the stand-in: envelopes by hand, answers as elements. No library is believed here."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from lxml import etree

from tests.clock import ManualClock
from tests.servers.exchange import ExchangeServer
from tests.servers.exchange.schema import MISSING, schema
from tests.servers.exchange.soap import NAMES, Element

START, END = "2027-03-02T09:00:00Z", "2027-03-02T10:00:00Z"


needs_schema = pytest.mark.skipif(schema() is None, reason=MISSING)
ALICE, BOB, CAROL, ROOM = (f"{name}@example.test" for name in ("alice", "bob", "carol", "saal"))
OUTSIDE = "dora@else.test"


def person(address: str) -> str:
    return f"<t:Attendee><t:Mailbox><t:EmailAddress>{address}</t:EmailAddress></t:Mailbox></t:Attendee>"


def people(*addresses: str, role: str = "RequiredAttendees") -> str:
    return f"<t:{role}>{''.join(map(person, addresses))}</t:{role}>" if addresses else ""


@dataclass(slots=True)
class Said:
    """One answer: HTTP status, and the element in the body."""

    status: int
    body: Element | None
    text: str
    headers: dict[str, str]

    @property
    def codes(self) -> list[str]:
        """The response code of each message, or the one of the fault."""
        assert self.body is not None
        return [one.text or "" for one in self.body.iter("{*}ResponseCode")]

    @property
    def code(self) -> str:
        (only,) = self.codes
        return only

    def all(self, name: str) -> list[Element]:
        assert self.body is not None
        return list(self.body.iter("{*}" + name))

    def one(self, name: str) -> Element:
        (only,) = self.all(name)
        return only

    def text_of(self, name: str) -> str:
        return self.one(name).text or ""

    @property
    def id(self) -> tuple[str, str]:
        """Id and change key of the only item."""
        return ident(self.all("ItemId")[0])


def ident(element: Element) -> tuple[str, str]:
    return element.get("Id", ""), element.get("ChangeKey", "")


@dataclass(slots=True)
class Ews:
    """Somebody who is signed in. `zone` is sent as TimeZoneContext."""

    server: ExchangeServer
    user: str
    password: str = "geheim"
    zone: str = "UTC"
    impersonated: str = ""

    def post(self, inner: str) -> Said:
        """Send one operation.

        Raises:
            http.client.RemoteDisconnected: the server hung up.
        """
        sid = f"<t:ConnectingSID><t:PrimarySmtpAddress>{self.impersonated}</t:PrimarySmtpAddress></t:ConnectingSID>"
        who = f"<t:ExchangeImpersonation>{sid}</t:ExchangeImpersonation>" if self.impersonated else ""
        text = (
            f'<s:Envelope xmlns:s="{NAMES["s"]}" xmlns:m="{NAMES["m"]}" xmlns:t="{NAMES["t"]}"><s:Header>'
            f'<t:RequestServerVersion Version="Exchange2016"/>{who}'
            f'<t:TimeZoneContext><t:TimeZoneDefinition Id="{self.zone}"/></t:TimeZoneContext>'
            f"</s:Header><s:Body>{inner}</s:Body></s:Envelope>"
        )
        token = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        where = urlsplit(self.server.url)
        line = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        with closing(line):
            line.request("POST", where.path, text.encode(), {"Authorization": f"Basic {token}", "Content-Type": "text/xml"})
            answer = line.getresponse()
            content = answer.read()
        found = etree.fromstring(content).find("s:Body/*", NAMES) if content else None
        return Said(answer.status, found, content.decode(), dict(answer.getheaders()))

    def create(self, *meetings: str, mode: str | None = "SendToNone") -> Said:
        """Create calendar items from the inside of their elements."""
        how = f' SendMeetingInvitations="{mode}"' if mode else ""
        items = "".join(f"<t:CalendarItem>{one}</t:CalendarItem>" for one in meetings)
        return self.post(f"<m:CreateItem{how}><m:Items>{items}</m:Items></m:CreateItem>")

    def meeting(self, *invited: str, mode: str = "SendToAllAndSaveCopy", more: str = "", uid: str = "") -> tuple[str, str]:
        """Create a meeting on 2 March 2027, 9 to 10 UTC, and return id and change key."""
        named = f"<t:UID>{uid}</t:UID>" if uid else ""
        said = self.create(f"{subject()}{named}{span()}{people(*invited)}{more}", mode=mode)
        assert said.codes == ["NoError"], said.text
        return said.id

    def get(self, item: str, *, shape: str = "AllProperties", also: str = "", body: str = "") -> Said:
        kind = f"<t:BodyType>{body}</t:BodyType>" if body else ""
        extra = f"<t:AdditionalProperties>{also}</t:AdditionalProperties>" if also else ""
        how = f"<m:ItemShape><t:BaseShape>{shape}</t:BaseShape>{kind}{extra}</m:ItemShape>"
        named = item if item.startswith("<") else f'<t:ItemId Id="{item}"/>'
        return self.post(f"<m:GetItem>{how}<m:ItemIds>{named}</m:ItemIds></m:GetItem>")

    def update(
        self,
        item: tuple[str, str] | str,
        *changes: str,
        mode: str | None = "SendToNone",
        conflict: str = "NeverOverwrite",
    ) -> Said:
        how = f' SendMeetingInvitationsOrCancellations="{mode}"' if mode else ""
        named = item if isinstance(item, str) else f'<t:ItemId Id="{item[0]}" ChangeKey="{item[1]}"/>'
        change = f"<t:ItemChange>{named}<t:Updates>{''.join(changes)}</t:Updates></t:ItemChange>"
        inner = f"<m:ItemChanges>{change}</m:ItemChanges>"
        return self.post(
            f'<m:UpdateItem ConflictResolution="{conflict}" MessageDisposition="SaveOnly"{how}>{inner}</m:UpdateItem>'
        )

    def delete(self, item: str, *, mode: str | None = "SendToNone", how: str = "HardDelete") -> Said:
        sends = f' SendMeetingCancellations="{mode}"' if mode else ""
        named = item if item.startswith("<") else f'<t:ItemId Id="{item}"/>'
        return self.post(f'<m:DeleteItem DeleteType="{how}"{sends}><m:ItemIds>{named}</m:ItemIds></m:DeleteItem>')

    def respond(self, verb: str, item: tuple[str, str], *, more: str = "", disposition: str | None = "SendAndSaveCopy") -> Said:
        """AcceptItem, DeclineItem, TentativelyAcceptItem or CancelCalendarItem."""
        how = f' MessageDisposition="{disposition}"' if disposition else ""
        named = f'<t:ReferenceItemId Id="{item[0]}" ChangeKey="{item[1]}"/>'
        order = f"{named}{more}" if verb == "CancelCalendarItem" else f"{more if 'Body' in more else ''}{named}"
        if more and "Body" not in more and verb != "CancelCalendarItem":
            order += more
        return self.post(f"<m:CreateItem{how}><m:Items><t:{verb}>{order}</t:{verb}></m:Items></m:CreateItem>")

    def find(self, folder: str, *, view: str = "", restriction: str = "", shape: str = "AllProperties") -> Said:
        bound = f"<m:Restriction>{restriction}</m:Restriction>" if restriction else ""
        where = f'<m:ParentFolderIds><t:DistinguishedFolderId Id="{folder}"/></m:ParentFolderIds>'
        how = f"<m:ItemShape><t:BaseShape>{shape}</t:BaseShape></m:ItemShape>"
        return self.post(f'<m:FindItem Traversal="Shallow">{how}{view}{bound}{where}</m:FindItem>')

    def only(self, folder: str) -> tuple[str, str]:
        """Id and change key of the only item in a folder."""
        return self.find(folder, shape="IdOnly").id

    def sync(self, state: str = "", *, most: int = 512, shape: str = "IdOnly", folder: str = "calendar") -> Said:
        known = f"<m:SyncState>{state}</m:SyncState>" if state else ""
        where = f'<m:SyncFolderId><t:DistinguishedFolderId Id="{folder}"/></m:SyncFolderId>'
        how = f"<m:ItemShape><t:BaseShape>{shape}</t:BaseShape></m:ItemShape>"
        last = f"<m:MaxChangesReturned>{most}</m:MaxChangesReturned>"
        return self.post(f"<m:SyncFolderItems>{how}{where}{known}{last}</m:SyncFolderItems>")


def subject(words: str = "Sitzung") -> str:
    return f"<t:Subject>{words}</t:Subject>"


def span(start: str = START, end: str = END) -> str:
    return f"<t:Start>{start}</t:Start><t:End>{end}</t:End>"


def zoned(windows_id: str) -> str:
    return f'<t:StartTimeZone Id="{windows_id}"/><t:EndTimeZone Id="{windows_id}"/>'


def put(uri: str, element: str) -> str:
    """SetItemField."""
    return f'<t:SetItemField><t:FieldURI FieldURI="{uri}"/><t:CalendarItem>{element}</t:CalendarItem></t:SetItemField>'


def move(start: str, end: str) -> str:
    return put("calendar:Start", f"<t:Start>{start}</t:Start>") + put("calendar:End", f"<t:End>{end}</t:End>")


def named(windows_id: str) -> str:
    return put("calendar:StartTimeZone", f'<t:StartTimeZone Id="{windows_id}"/>')


def occurrence(master: str, index: int, key: str = "") -> str:
    extra = f' ChangeKey="{key}"' if key else ""
    return f'<t:OccurrenceItemId RecurringMasterId="{master}"{extra} InstanceIndex="{index}"/>'


def daily(count: int, *, start: str = "2027-03-02") -> str:
    pattern = "<t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence>"
    return recurring(
        pattern,
        f"<t:NumberedRecurrence><t:StartDate>{start}</t:StartDate><t:NumberOfOccurrences>{count}"
        "</t:NumberOfOccurrences></t:NumberedRecurrence>",
    )


def recurring(pattern: str, bounds: str) -> str:
    return f"<t:Recurrence>{pattern}{bounds}</t:Recurrence>"


def view(start: str, end: str) -> str:
    return f'<m:CalendarView StartDate="{start}" EndDate="{end}"/>'


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def exchange(clock: ManualClock) -> Iterator[ExchangeServer]:
    """A server with Alice, Bob, Carol and a room; it is Monday, 1 March 2027, 8:00 UTC."""
    with ExchangeServer(clock.now) as server:
        for address in (ALICE, BOB, CAROL, ROOM):
            server.add_person(address)
        yield server


@pytest.fixture
def alice(exchange: ExchangeServer) -> Ews:
    return Ews(exchange, ALICE)


@pytest.fixture
def bob(exchange: ExchangeServer) -> Ews:
    return Ews(exchange, BOB)
