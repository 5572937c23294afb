"""The stage of the demonstration: a calendar server, a post office and the service, all real, on loopback, in one directory.

What is played on it: `chapters`, `samples`. The story acts through the service's API, as the command line does, and looks at
what the servers hold by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import imaplib
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import icalendar

from daemon.app import App, open_app
from daemon.config import load_config
from daemon.core.errors import SitzungsplanerError
from daemon.demo.letters import Letter, Person, answer_to, read, send
from daemon.demo.loopback import bring_up
from daemon.demo.post import PostOffice
from daemon.demo.servers import CalendarServer, RadicaleServer
from daemon.demo.telling import BrokenStoryError, Teller, require
from daemon.logs import configure_logs, get_logger

T = TypeVar("T")

log = get_logger("demo")

ANNA = Person(name="Anna Albrecht", email="anna.albrecht@example.test")
BERTA = Person(name="Berta Brandt", email="berta.brandt@kunde.example")
CARL = Person(name="Carl Conrad", email="carl.conrad@kunde.example")
DORA = Person(name="Dora Dietrich", email="dora.dietrich@kunde.example")
GUESTS = (BERTA, CARL, DORA)
PLANNER = "sitzung@example.test"
USER, MAILBOX, PASSWORD = "anna", "sitzung", "demo"
ZONE = "Europe/Berlin"
PLANNER_SAYS = "planner"

_LOOK_AGAIN = 0.05  # seconds
_CONFIG = """# Made by `sitzungsplaner demo`; gone when it ends.
[service]
data_dir = {data}
socket = {socket}
language = "de"
timezone = "Europe/Berlin"

[mail]
address = {address}
coalesce_seconds = 1

[mail.smtp]
host = "127.0.0.1"
port = {smtp_port}
security = "none"

[mail.imap]
host = "127.0.0.1"
port = {imap_port}
security = "none"
username = {user}
password = {password}

[calendars]
poll_seconds = 10
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """What plays the world outside, and how long it may take over one thing (seconds). Tests give servers that do wrong."""

    calendars: Callable[[Path, Mapping[str, str]], CalendarServer] = RadicaleServer
    post: Callable[..., PostOffice] = PostOffice
    patience: float = 20.0


@dataclass(kw_only=True)
class Stage:
    """Everything that runs. `read` holds the places of the delivered mails that the story has looked at."""

    folder: Path
    config_file: Path
    socket: Path
    teller: Teller
    post: PostOffice
    calendars: CalendarServer
    app: App
    api: httpx.AsyncClient
    service: asyncio.Task[None]
    patience: float
    read: set[int] = field(default_factory=set)

    @property
    def log_file(self) -> str:
        return str(self.folder / "service.log")

    @property
    def mails_folder(self) -> str:
        return str(self.folder / "mails")

    @property
    def calendar_url(self) -> str:
        return self.calendars.calendar_url(USER)

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str) -> Any:
        """Ask the service over its socket; return what it answers. Raises BrokenStoryError if it says no."""
        doing = f"{method} /api/v1{path} is answered"
        try:
            answer = await self.api.request(method, path, json=body, params=query)
        except httpx.HTTPError as error:
            raise BrokenStoryError(doing, f"{type(error).__name__}: {error}", self.log_file) from error
        require(answer.is_success, doing, f"{answer.status_code} {answer.text}", self.log_file)
        return answer.json()

    async def until(
        self,
        look: Callable[[], Awaitable[T]],
        holds: Callable[[T], object],
        *,
        expected: str,
        where: str,
        shown: Callable[[T], str] = str,
        patience: float | None = None,
    ) -> T:
        """Look until it holds, and return what was seen. Raises BrokenStoryError after `patience` (s), or if the service ends."""
        patience = self.patience if patience is None else patience
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        with self.teller.waiting(f"waiting for: {expected}"):
            while True:
                seen = await look()
                if holds(seen):
                    return seen
                if self.service.done():
                    raise BrokenStoryError(expected, f"the service ended: {_why(self.service)}", self.log_file)
                if loop.time() >= deadline:
                    raise BrokenStoryError(f"{expected}, within {patience:.0f} s", shown(seen), where)
                await asyncio.sleep(_LOOK_AGAIN)

    async def show(self, entry: str) -> Any:
        """The entry as the planner shows it."""
        return await self.call("GET", f"/entries/{entry}")

    async def events(self) -> tuple[Any, ...]:
        """Every VEVENT in Anna's calendar, read from the server by plain HTTP."""
        bodies = await asyncio.to_thread(self.calendars.events, USER)
        calendars: list[Any] = [icalendar.Calendar.from_ical(body) for body in bodies]
        return tuple(event for one in calendars for event in one.walk("VEVENT"))

    async def event(self, uid: str, expected: str, holds: Callable[[Any], object] = bool) -> Any:
        """Return the event of that UID as it lies on the calendar server, as soon as it is as expected."""

        async def look() -> Any:
            return next((one for one in await self.events() if str(one["UID"]) == uid), None)

        return await self.until(
            look,
            lambda seen: seen is not None and holds(seen),
            expected=expected,
            where=f"{self.calendar_url} and {self.log_file}",
            shown=lambda seen: "no such event" if seen is None else seen.to_ical().decode().replace("\r\n", " | "),
        )

    def unread(self, to: str = "") -> tuple[tuple[int, Letter], ...]:
        """Delivered mails (to somebody) that the story has not looked at, with their places."""
        every = enumerate(self.post.mails())
        return tuple(
            (place, read(one)) for place, one in every if place not in self.read and (not to or one.recipient.lower() == to)
        )

    def require_no_doubles(self) -> None:
        """Raise BrokenStoryError if a mail was delivered more than once."""
        delivered = Counter(str(one.message["Message-ID"]) for one in self.post.mails())
        doubles = ", ".join(name for name, count in delivered.items() if count > 1)
        require(not doubles, "each Message-ID is delivered once", doubles, self.mails_folder)

    def told(self, uid: str) -> tuple[Any, ...]:
        """Every event of that UID in the mails that the service sent so far."""
        letters = (read(one) for one in self.post.mails() if one.envelope_from == PLANNER)
        return tuple(event for letter in letters if letter.uid == uid for event in letter.events)

    async def letter(self, to: Person, method: str, uid: str, *, expected: str, patience: float | None = None) -> Letter:
        """Return the next mail about `uid` ("": one without a calendar part) to that person. It must have this METHOD."""

        async def look() -> list[tuple[int, Letter]]:
            return [(place, one) for place, one in self.unread(to.email) if one.uid == uid]

        def nothing(_: object) -> str:
            return ", ".join(str(one) for _, one in self.unread(to.email)) or "no mail to this address"

        found = await self.until(
            look, bool, expected=expected, where=f"{self.mails_folder} and {self.log_file}", shown=nothing, patience=patience
        )
        self.require_no_doubles()
        place, letter = found[0]
        require(letter.method == method, expected, letter, self.mails_folder)
        self.read.add(place)
        return letter

    async def answer(self, letter: Letter, person: Person, partstat: str) -> None:
        """The person answers: a real REPLY by SMTP, which lands in the service's IMAP mailbox."""
        before = len(self.post.mails())
        mail = answer_to(letter, person, partstat, self.app.desk.clock.now())
        await asyncio.to_thread(send, mail, self.post.smtp_port)
        own = str(mail["Message-ID"])
        for place, one in enumerate(self.post.mails()[before:], before):
            if str(one.message["Message-ID"]) == own:
                self.read.add(place)

    async def filed(self, folder: str) -> int:
        """How many mails lie in a folder of the service's mailbox, asked by IMAP."""

        def ask() -> int:
            with imaplib.IMAP4("127.0.0.1", self.post.imap_port, timeout=30) as imap:
                imap.login(MAILBOX, PASSWORD)
                answer, _ = imap.select(folder, readonly=True)
                return len(imap.search(None, "ALL")[1][0].split()) if answer == "OK" else 0

        return await asyncio.to_thread(ask)


@asynccontextmanager
async def open_stage(folder: Path, teller: Teller, servers: Servers) -> AsyncIterator[Stage]:
    """Start everything in the folder; stop everything at the end. Raises BrokenStoryError if something does not start."""
    log_file = folder / "service.log"
    async with AsyncExitStack() as stack:
        _log_into(stack, log_file)
        with teller.waiting("starting the servers"):
            calendars = servers.calendars(folder / "radicale", {USER: PASSWORD})
            stack.push_async_callback(asyncio.to_thread, calendars.stop)
            post = servers.post(local={PLANNER: (MAILBOX, PASSWORD)}, directory=folder / "mails")
            try:
                await unbroken(_both(asyncio.to_thread(calendars.start), stack.enter_async_context(post)))
            except (OSError, RuntimeError, httpx.HTTPError) as error:
                raise BrokenStoryError("calendar server and mail servers start", str(error), str(folder)) from error
            config_file, socket = _write_config(folder, post)
            config = load_config(config_file, environ={}).config
            try:
                app = await stack.enter_async_context(open_app(config))
            except SitzungsplanerError as error:
                raise BrokenStoryError("the service opens its store", str(error), str(log_file)) from error
            stop = asyncio.Event()
            service = asyncio.create_task(app.run(stop), name="service")
            stack.push_async_callback(_end, service, stop)
            api = httpx.AsyncClient(
                transport=httpx.AsyncHTTPTransport(uds=str(socket)), base_url="http://sitzungsplaner/api/v1", timeout=30
            )
            await stack.enter_async_context(api)
        stage = Stage(
            folder=folder,
            config_file=config_file,
            socket=socket,
            teller=teller,
            post=post,
            calendars=calendars,
            app=app,
            api=api,
            service=service,
            patience=servers.patience,
        )
        yield stage


async def unbroken(work: Coroutine[Any, Any, T]) -> T:
    """Let the work come to its end although we are cancelled: a server that is half started would be stopped by nobody."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _both(*works: Coroutine[Any, Any, Any]) -> None:
    """Wait for all of them, also where one fails, so that each can be stopped."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for one in results:
        if isinstance(one, BaseException):
            raise one


async def _end(service: asyncio.Task[None], stop: asyncio.Event) -> None:
    stop.set()
    await asyncio.wait([service])
    if (error := service.exception()) is not None:
        log.error("the service died", action="died", exc_info=error)


def _why(service: asyncio.Task[None]) -> str:
    error = service.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if error else "without a reason"


def _log_into(stack: AsyncExitStack, path: Path) -> None:
    """What the service logs goes into a file, until the stage closes; then to standard error again."""
    stream = stack.enter_context(path.open("a", encoding="utf-8", buffering=1))
    stack.callback(configure_logs)
    configure_logs(form="text", stream=stream)


def _write_config(folder: Path, post: PostOffice) -> tuple[Path, Path]:
    """Write the settings for the service and for the command line beside it. Returns the file and the socket's path."""
    path, socket = folder / "config.toml", folder / "api.sock"
    text = {
        name: json.dumps(value, ensure_ascii=False)  # a TOML basic string is written as in JSON
        for name, value in (
            ("data", str(folder / "data")),
            ("socket", str(socket)),
            ("address", PLANNER),
            ("user", MAILBOX),
            ("password", PASSWORD),
        )
    }
    path.touch(mode=0o600)
    path.write_text(_CONFIG.format(smtp_port=post.smtp_port, imap_port=post.imap_port, **text), encoding="utf-8")
    return path, socket


def loopback_problem() -> str:
    """Return a sentence if this machine cannot talk to itself, else nothing."""
    bring_up()
    import socket

    with contextlib.closing(socket.socket()) as listener:
        try:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            socket.create_connection(listener.getsockname(), timeout=5).close()
        except OSError as error:
            return (
                f"The loopback interface (127.0.0.1) is not available here: {error.strerror or error}. The demonstration runs "
                "all its servers there. In a new network namespace it is off at first; switch it on with `ip link set lo up`."
            )
    return ""
