"""Talks to one CalDAV server (RFC 4918, RFC 4791): requests out, answers in, on caldav's AsyncDAVClient.

caldav gives the WebDAV requests, the choice of how to sign in (Basic, Digest, Bearer) and the XML parser with entities off.
Its calendar objects are not used: they change bodies and SEQUENCE, and read foreign time zones. The session below it is ours,
for the limits that it does not have: size and duration of an answer, connections, redirects within one origin only, HTTP/1.1.
Not here: what an answer means for an event (`connector`), the shape of requests and answers (`mapping`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import niquests
from caldav.async_davclient import AsyncDAVClient
from caldav.lib import error as caldav_error
from caldav.lib.python_utilities import WireBytes
from caldav.response import DAVResponse
from lxml import etree  # type: ignore[import-untyped]  # it has no types of its own
from niquests.structures import CaseInsensitiveDict

from connectors.caldav import errors, mapping
from daemon.core.errors import Conflict, Refused, Unreachable
from daemon.ports import CalendarAccount

CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 60.0  # seconds between two pieces of an answer; a scheduling server mails before it answers
WHOLE_TIMEOUT = 300.0  # seconds for one request, so that a trickling server cannot hold an account for ever
MOST_BYTES = 64 * 1024 * 1024
CONNECTIONS = 4  # more never helps, and Radicale's backlog is 5 (measured)
_REDIRECTS = 5
_TROUBLE = (
    niquests.exceptions.RequestException,
    caldav_error.DAVError,
    etree.XMLSyntaxError,
    NotImplementedError,  # a WWW-Authenticate that caldav does not know
    OSError,
)
_WRITES = ("PUT", "DELETE", "PROPPATCH", "MKCALENDAR", "POST")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """What goes over the wire. `auth` is niquests' own object, None before the server has asked for a name."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    auth: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What came back. Named like the response of niquests, because caldav reads it."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes
    url: str
    reason: str = ""

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")


Transport = Callable[[HttpRequest], Awaitable[HttpAnswer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer as the connector reads it. `tree`: its XML, if it is any; `preconditions`: those of a DAV:error (RFC 4918 16)."""

    method: str
    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    tree: etree._Element | None = None
    preconditions: tuple[str, ...] = ()
    retry_after: timedelta | None = None

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def etag(self) -> str:
        return self.headers.get("ETag", "").strip()


class TooLarge(Refused):
    """An answer passed the size limit. Whoever asked for several things may ask for fewer."""


class Client:
    """One account on one server. `transport` replaces the network in tests."""

    def __init__(self, account: CalendarAccount, *, transport: Transport | None = None) -> None:
        parts = urlsplit(account.url.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refused(f"“{account.url}” is no calendar address. Enter it like https://cal.example.org/dav/anna/.")
        # A name in the address would be sent beside the account's own and shown in messages.
        self.url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path or "/", parts.query, ""))
        self.host = parts.netloc.rpartition("@")[2]
        self.user = account.username
        self._account = account
        self._transport = transport
        self._dav: AsyncDAVClient | None = None
        self._network: Network | None = None
        self._slots = asyncio.Semaphore(CONNECTIONS)

    async def close(self) -> None:
        network, self._network, self._dav = self._network, None, None
        if network is not None:
            await network.close()

    async def request(self, method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Return the server's answer, whatever its status, after redirects within the same origin.

        Raises Unreachable where no answer came (`maybe_done` if a write may have happened), Refused for a redirect to another
        place and TooLarge for an answer beyond 64 MiB.
        """
        for _ in range(_REDIRECTS):
            answer = await self._once(method, url, body, dict(headers or {}))
            target = answer.headers.get("Location", "")
            if answer.status not in (301, 302, 307, 308) or not target:
                return answer
            target = urljoin(url, target)
            if _origin(target) != _origin(url):
                raise Refused(
                    f"{self.host} sends requests for the calendar on to {_origin(target)}. The password is not given to another "
                    "server by itself: if that one is right, enter its address for the calendar."
                )
            url = target
        raise Refused(f"{self.host} sends requests for the calendar in a circle. Check the calendar's address.")

    async def multistatus(self, method: str, url: str, body: bytes, *, act: str, depth: int | None = 0) -> mapping.Multistatus:
        """Return what PROPFIND or REPORT gave. Raises what `refusal` returns for any other answer, and what `request` raises."""
        answer = await self.request(method, url, body=body, headers=xml_headers(depth))
        found = mapping.parse_multistatus(answer.tree, answer.url) if answer.status == 207 else None
        if found is not None:
            return found
        if answer.ok:
            path = urlsplit(answer.url).path
            raise Refused(f"{self.host} did not {act}: what answers at {path} is no CalDAV server. Check the calendar's address.")
        raise self.refusal(answer, act=act)

    def refusal(self, answer: Answer, *, act: str) -> Unreachable | Refused | Conflict:
        """Return the error that an answer without success stands for."""
        return errors.from_status(
            answer.status,
            host=self.host,
            act=act,
            preconditions=answer.preconditions,
            retry_after=answer.retry_after,
            user=self.user,
            writing=answer.method in _WRITES,
        )

    async def _once(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        dav = self._opened()
        try:
            async with self._slots, asyncio.timeout(WHOLE_TIMEOUT):
                # WireBytes: the bytes go out as they are; caldav would otherwise rewrite line ends.
                wire: Any = WireBytes(body) if body else ""
                response: DAVResponse = await dav.request(url, method, wire, headers)
        except caldav_error.AuthorizationError as refusal:  # 401 and 403 are raised; every other status is returned
            content = refusal.body.encode() if isinstance(refusal.body, str) else refusal.body or b""
            preconditions = tuple(refusal.preconditions)
            return Answer(
                method=method, url=url, status=refusal.status or 403, headers={}, body=content, preconditions=preconditions
            )
        except caldav_error.RateLimitError as later:
            seconds = later.retry_after_seconds
            wish = None if seconds is None else timedelta(seconds=max(0.0, seconds))
            return Answer(method=method, url=url, status=later.status or 503, headers={}, retry_after=wish)
        except Refused:
            raise
        except _TROUBLE as trouble:
            if isinstance(trouble, etree.XMLSyntaxError) and "HUGE" in str(trouble):
                # libxml2's own limits: a text of 10 MB (an attachment in an event), 256 levels.
                raise TooLarge(f"{self.host} answered with a text beyond all measure. Nothing of it was used.") from trouble
            raise errors.from_transport(trouble, host=self.host, writing=method in _WRITES) from trouble
        return Answer(
            method=method,
            url=url,
            status=response.status,
            headers=response.headers,
            body=response._raw_body,  # the only place where caldav keeps a body that is not XML as it came
            tree=response.tree,
            preconditions=_preconditions(response.tree) if response.status >= 400 else (),
        )

    def _opened(self) -> AsyncDAVClient:
        if self._dav is None:
            if self._transport is None:
                self._network = Network()
            self._dav = _DAVClient(self.url, self._account, self._transport or self._network_send)
        return self._dav

    async def _network_send(self, request: HttpRequest) -> HttpAnswer:
        assert self._network is not None
        return await self._network.send(request)


class _DAVClient(AsyncDAVClient):
    """caldav's client over our session."""

    def __init__(self, url: str, account: CalendarAccount, transport: Transport) -> None:
        self._transport = transport
        super().__init__(
            url=url,
            username=account.username or None,
            password=account.password or None,
            headers=dict(account.headers),
            enable_rfc6764=False,  # the person gave an address; asking DNS for another one is not ours
            rate_limit_handle=False,  # waiting is the work loop's business
            features={"http.multiplexing": {"support": "unsupported"}},
        )

    def _create_session(self) -> None:
        self.session = _Session(self._transport)


class _Session:
    """The two methods of a session that caldav calls."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], data: bytes | None = None, auth: Any = None, **_: Any
    ) -> HttpAnswer:
        answer = await self._transport(HttpRequest(method=method, url=url, headers=dict(headers), body=data, auth=auth))
        plain = CaseInsensitiveDict(answer.headers)
        if "xml" not in plain.get("Content-Type", "").lower():
            # caldav tries every body as XML and logs what is none at INFO, calendars included. Plain text it leaves alone.
            # Of a sign-in page in HTML, the first answer of most servers, it warns as if somebody had to do something.
            plain["Content-Type"] = "text/plain"
        return HttpAnswer(
            status_code=answer.status_code, headers=plain, content=answer.content, url=answer.url, reason=answer.reason
        )

    async def close(self) -> None:
        """caldav closes its session when it makes a new one; the connections below are closed by `Client.close`."""


class Network:
    """Real connections, kept alive. Times are in seconds."""

    def __init__(
        self, *, connect_timeout: float = CONNECT_TIMEOUT, read_timeout: float = READ_TIMEOUT, most_bytes: int = MOST_BYTES
    ) -> None:
        self._timeout = (connect_timeout, read_timeout)
        self._most_bytes = most_bytes
        self._session = niquests.AsyncSession(
            pool_connections=CONNECTIONS,
            pool_maxsize=CONNECTIONS,
            disable_http2=True,
            disable_http3=True,
            revocation_configuration=None,  # it would ask third parties about certificates at each start
            allow_incoming_cookies=False,  # a session cookie would outlive a changed password
        )

    async def send(self, request: HttpRequest) -> HttpAnswer:
        if urlsplit(request.url).hostname in ("127.0.0.1", "::1", "localhost"):
            self._session.trust_env = False  # a company's proxy cannot reach our own machine
        response = await self._session.request(
            request.method,
            request.url,
            data=request.body,
            headers=dict(request.headers),
            auth=request.auth,
            timeout=self._timeout,
            allow_redirects=False,
            stream=True,
        )
        try:
            content = bytearray()
            async for piece in await response.iter_content(64 * 1024):
                content += piece
                if len(content) > self._most_bytes:
                    host = urlsplit(request.url).netloc
                    raise TooLarge(f"{host} answered with more than {self._most_bytes / 2**20:.4g} MiB. Nothing of it was used.")
        finally:
            await response.close()
        return HttpAnswer(
            status_code=response.status_code or 0,
            headers=dict(response.headers),
            content=bytes(content),
            url=request.url,
            reason=response.reason or "",
        )

    async def close(self) -> None:
        await self._session.close()


def xml_headers(depth: int | None) -> dict[str, str]:
    headers = {"Content-Type": "application/xml; charset=utf-8"}
    return headers if depth is None else {**headers, "Depth": str(depth)}


def _origin(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"


def _preconditions(tree: etree._Element | None) -> tuple[str, ...]:
    if tree is None or etree.QName(tree).localname != "error":
        return ()
    return tuple(str(child.tag) for child in tree if isinstance(child.tag, str))
