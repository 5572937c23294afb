"""EWS over HTTP on a loopback port: Basic sign-in, impersonation, one operation a request, judged by the schema both ways.

NTLM, Kerberos and TLS are not imitated; tests/test_urllib3.py has the sign-in with channel binding.
"""

from __future__ import annotations

import base64
import binascii
import http.server
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from lxml import etree

from tests.servers.exchange import changing, reading, scheduling, zones
from tests.servers.exchange.faults import INNER_BUSY, Faults, Late, Trouble
from tests.servers.exchange.mailbox import Item, Mailbox
from tests.servers.exchange.organisation import Account, Call, Exchange
from tests.servers.exchange.schema import schema, violation
from tests.servers.exchange.soap import (
    NAMES,
    Element,
    FaultError,
    ItemError,
    child,
    elements,
    envelope,
    failed,
    fault_body,
    m,
    name_of,
    text_of,
)
from tests.servers.exchange.sync import sync_folder_items

# Operation: where its batch lies, and what does one of it. Those without a batch are asked once.
BATCHES: dict[str, tuple[str, Callable[[Call, Element], Element]]] = {
    "CreateItem": ("Items", changing.create_item),
    "GetItem": ("ItemIds", reading.get_item),
    "UpdateItem": ("ItemChanges", changing.update_item),
    "DeleteItem": ("ItemIds", changing.delete_item),
    "FindItem": ("ParentFolderIds", reading.find_item),
    "GetFolder": ("FolderIds", reading.get_folder),
    "FindFolder": ("ParentFolderIds", reading.find_folder),
}
SINGLE: dict[str, Callable[[Call], Element]] = {
    "SyncFolderItems": sync_folder_items,
    "GetServerTimeZones": reading.get_server_time_zones,
}
# What an operation may be told besides; anything else would be obeyed by a real server and overheard here.
PARTS = {
    "CreateItem": {"SavedItemFolderId", "Items"},
    "GetItem": {"ItemShape", "ItemIds"},
    "UpdateItem": {"ItemChanges"},
    "DeleteItem": {"ItemIds"},
    "FindItem": {"ItemShape", "IndexedPageItemView", "CalendarView", "Restriction", "SortOrder", "ParentFolderIds"},
    "GetFolder": {"FolderShape", "FolderIds"},
    "FindFolder": {"FolderShape", "IndexedPageFolderView", "ParentFolderIds"},
    "SyncFolderItems": {"ItemShape", "SyncFolderId", "SyncState", "Ignore", "MaxChangesReturned"},
    "GetServerTimeZones": {"Ids"},
}
XML = "text/xml; charset=utf-8"
Answer = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True, slots=True)
class Request:
    """What a test may want to know of a request: `mode` is its send mode, `body` the whole envelope."""

    operation: str
    user: str
    box: str
    anchor: str
    mode: str
    body: bytes


class _CutError(Exception):
    """The connection is to end without an answer."""


@dataclass(slots=True)
class ExchangeServer:
    """An Exchange Server to be entered: `with ExchangeServer(now) as server`. Leaving fails if there are complaints.

    `exchange` is the state, `faults` what is to go wrong, `requests` what was asked, `checked` how many envelopes were judged
    by the schema and found right.
    """

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    exchange: Exchange = field(init=False)
    faults: Faults = field(default_factory=Faults)
    requests: list[Request] = field(default_factory=list)
    checked: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _http: http.server.ThreadingHTTPServer | None = None
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self.exchange = Exchange(self.now)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"server_of_tests": self})
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads, self._http.block_on_close = True, False
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._http is not None
        assert self._thread is not None
        for late in self.faults.late.values():
            late.go.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        if kind is None:
            assert self.exchange.complaints == [], self.exchange.complaints

    @property
    def url(self) -> str:
        assert self._http is not None
        return f"http://127.0.0.1:{self._http.server_port}/EWS/Exchange.asmx"

    def add_person(self, address: str, password: str = "geheim", *, name: str = "") -> Mailbox:
        """A mailbox whose owner signs in with his address."""
        self.exchange.accounts[address] = Account(password, address)
        return self.exchange.add(address, name)

    def add_service(self, user: str, password: str = "geheim", *, impersonates: frozenset[str]) -> None:
        """An account without a mailbox that may act as these people (role ApplicationImpersonation)."""
        self.exchange.accounts[user] = Account(password, "", impersonates=impersonates)

    def settle(self) -> None:
        """Deliver mail and let assistants work until nothing is left to do."""
        with self._lock:
            while scheduling.deliver(self.exchange) + scheduling.assist(self.exchange):
                pass

    def answer_from_outside(self, address: str, response: str) -> None:
        """Let somebody without a mailbox here answer the last invitation he got."""
        with self._lock:
            got = next(one for one in reversed(self.exchange.outside) if one.to == address and one.item.kind == "MeetingRequest")
            scheduling.queue_answer(self.exchange, got.item, (address, address), response)

    def touch(self, item: Item) -> None:
        """Change an item as a reminder or an assistant does: only its change key tells (behaviour 1)."""
        with self._lock:
            item.kept.mailbox.save(item.kept, self.now())

    def name_zone(self, item: Item, words: str) -> None:
        """Let an item carry a zone id that means nothing elsewhere, as items of other clients do; its times stay."""
        with self._lock:
            item.zone_words = words
            item.mailbox.save(item, self.now())

    def move_ids(self, box: Mailbox) -> None:
        """Move a mailbox to another database: all its items get new ids, and states of synchronisation are forgotten."""
        with self._lock:
            box.epoch += 1
            self.expire_sync_states()

    def expire_sync_states(self) -> None:
        with self._lock:
            self.exchange.snapshots.clear()

    def hold(self, operation: str) -> Late:
        """Hold back the next answer to this operation until `go` is set; `done` says that its work is done."""
        return self.faults.late.setdefault(operation, Late())

    def take_complaints(self) -> list[str]:
        """Return the complaints and forget them: for tests that provoke them."""
        found, self.exchange.complaints = self.exchange.complaints, []
        return found

    def answer(self, headers: dict[str, str], body: bytes) -> Answer:
        """What the server says to one POST.

        Raises:
            _CutError: nothing.
        """
        account = self._signed_in(headers.get("authorization", ""))
        if account is None:
            return 401, {"WWW-Authenticate": 'Basic realm="Exchange"'}, b""
        try:
            document = etree.fromstring(body, etree.XMLParser(resolve_entities=False))
            request = next(elements(document.find("s:Body", NAMES)))
        except (etree.XMLSyntaxError, StopIteration):
            return 400, {}, b""
        operation = name_of(request)
        trouble = self.faults.take(operation)
        if trouble in {Trouble.UNAVAILABLE, Trouble.TOO_MANY}:
            return 503 if trouble is Trouble.UNAVAILABLE else 429, {"Retry-After": str(self.faults.retry_after_s)}, b""
        if trouble is Trouble.CUT_BEFORE:
            raise _CutError
        try:
            with self._lock:
                said = self._perform(account, document, request, headers, body, trouble)
        except FaultError as fault:
            return 500, {"Content-Type": XML}, envelope(fault_body(fault))
        except Exception:
            self.exchange.complain(f"the stand-in itself failed at {operation}: {traceback.format_exc()}")
            return 500, {"Content-Type": XML}, envelope(fault_body(FaultError("ErrorInternalServerError")))
        late = self.faults.late.pop(operation, None)
        if late is not None:
            late.done.set()
            late.go.wait()
        if trouble is Trouble.CUT_AFTER:
            raise _CutError
        return 200, {"Content-Type": XML}, said

    def _perform(
        self, account: Account, document: Element, request: Element, headers: dict[str, str], body: bytes, trouble: Trouble | None
    ) -> bytes:
        operation = name_of(request)
        match trouble:
            case Trouble.BUSY_WITH_BACK_OFF:
                raise FaultError("ErrorServerBusy", back_off_ms=self.faults.back_off_ms)
            case Trouble.BUSY:
                raise FaultError("ErrorServerBusy")
            case Trouble.MOVING:
                raise FaultError("ErrorMailboxMoveInProgress")
        wrong = violation(document)
        if wrong is not None:
            self.exchange.complain(f"{operation} against the schema: {wrong[0]}")
            raise FaultError("ErrorSchemaValidation", f"The request failed schema validation: {wrong[0]}", line=wrong[1:])
        box = self._box(account, document)
        mode = request.get("SendMeetingInvitations") or request.get("SendMeetingInvitationsOrCancellations")
        self.requests.append(
            Request(
                operation=operation,
                user=account.address,
                box=box.address,
                anchor=headers.get("x-anchormailbox", ""),
                mode=mode or request.get("SendMeetingCancellations") or "",
                body=body,
            )
        )
        context = document.find("s:Header/t:TimeZoneContext/t:TimeZoneDefinition", NAMES)
        call = Call(
            exchange=self.exchange,
            operation=operation,
            request=request,
            box=box,
            zone=context.get("Id", "UTC") if context is not None else "UTC",
            may_open=account.delegate_of | {box.address},
        )
        messages = self._messages(call, trouble)
        made = envelope(m(f"{operation}Response", m("ResponseMessages", *messages)))
        self._judge(operation, made)
        return made

    def _messages(self, call: Call, trouble: Trouble | None) -> list[Element]:
        operation = call.operation
        try:
            zones.zone(call.zone)
        except ItemError as error:
            raise FaultError(error.code, error.words) from error
        for part in elements(call.request):
            if name_of(part) not in PARTS.get(operation, {name_of(part)}):
                self.exchange.complain(f"a part of {operation} that is not imitated: {name_of(part)}")
        if operation in SINGLE:
            try:
                if trouble is Trouble.INNER_BUSY:
                    raise INNER_BUSY
                return [SINGLE[operation](call)]
            except ItemError as error:
                message = failed(operation, error)
                if operation == "SyncFolderItems" and not self.faults.bare_sync_error:
                    message.extend([m("SyncState"), m("IncludesLastItemInRange", text=True)])
                return [message]
        if operation not in BATCHES:
            self.exchange.complain(f"an operation that is not imitated: {operation}")
            raise FaultError("ErrorInvalidRequest", "The request is invalid.")
        holder, do = BATCHES[operation]
        found = []
        for number, one in enumerate(elements(child(call.request, holder))):
            try:
                if trouble is Trouble.INNER_BUSY:
                    raise INNER_BUSY
                if number >= self.faults.budget.get(operation, number + 1):
                    raise ItemError("ErrorServerBusy", values=(("BackOffMilliseconds", str(self.faults.back_off_ms)),))
                found.append(do(call, one))
            except ItemError as error:
                found.append(failed(operation, error))
        self.faults.budget.pop(operation, None)
        return found

    def _judge(self, operation: str, made: bytes) -> None:
        wrong = violation(etree.fromstring(made))
        if wrong is not None:
            self.exchange.complain(f"our own answer to {operation} against the schema: {wrong[0]}")
        elif schema() is not None:
            self.checked += 2  # the request got here, so it was right

    def _signed_in(self, given: str) -> Account | None:
        kind, _, token = given.partition(" ")
        with suppress(ValueError, binascii.Error):
            user, _, password = base64.b64decode(token).decode().partition(":")
            account = self.exchange.accounts.get(user)
            if kind == "Basic" and account is not None and account.password == password:
                return account
        return None

    def _box(self, account: Account, document: Element) -> Mailbox:
        """In whose name this is: the impersonated person's, or the account's own.

        Raises:
            FaultError: the account may not act for him, or there is no such mailbox.
        """
        named = document.find("s:Header/t:ExchangeImpersonation/t:ConnectingSID", NAMES)
        address = account.address
        if named is not None:
            address = (text_of(named, "PrimarySmtpAddress") or text_of(named, "SmtpAddress")).lower()
            if address not in self.exchange.boxes:
                raise FaultError("ErrorNonExistentMailbox", f"The SMTP address {address} has no mailbox associated with it.")
            if address not in account.impersonates:
                raise FaultError(
                    "ErrorImpersonateUserDenied", "The account does not have permission to impersonate the requested user."
                )
        box = self.exchange.boxes.get(address)
        if box is None:
            raise FaultError(
                "ErrorMissingEmailAddress", "When making a request as an account without a mailbox, name the mailbox."
            )
        return box


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one piece: in two, each answer waits for an acknowledgement
    server_of_tests: ExchangeServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            status, headers, said = self.server_of_tests.answer({key.lower(): value for key, value in self.headers.items()}, body)
        except _CutError:
            self.close_connection = True
            return
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(said))}.items():
            self.send_header(key, value)
        with suppress(ConnectionError):  # a client that did not wait for a late answer
            self.end_headers()
            self.wfile.write(said)
            self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Quiet: a test reads `requests`."""
