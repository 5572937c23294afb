"""The one way from a command to what it does: the API (design 4.10), over the running service's socket or in this process.

In process the same application is put together on the same store, under its lock; what it owes to mail servers and calendars
goes out when the service runs.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import httpx
import typer

from daemon.cli import logbook
from daemon.cli.ending import Failed
from daemon.cli.rights import become_owner_of
from daemon.cli.screen import remark
from daemon.cli.tree import Call
from daemon.core.addresses import normal

if TYPE_CHECKING:
    from daemon.config import Config

_BASE = "http://service/api/v1"
_LONG = httpx.Timeout(600, connect=10)  # a backup, a calendar's probe
_HINT = "Saved. It goes out when the service runs: systemctl start sitzungsplaner."


class Service:
    """The API as verbs call it. `running`: the service answers; otherwise the work is done in this process."""

    def __init__(self, runner: asyncio.Runner, http: httpx.AsyncClient, config: Config, *, running: bool, owner: str) -> None:
        self._runner = runner
        self._http = http
        self.config = config
        self.running = running
        self.owner = owner

    def get(self, path: str, **params: Any) -> httpx.Response:
        """Return the answer. Raises Failed with the API's sentence for anything but success."""
        return self.call("GET", path, params=params)

    def post(self, path: str, body: Any = None, **params: Any) -> httpx.Response:
        """Return the answer to a body of JSON. Raises Failed."""
        return self.call("POST", path, params=params, json={} if body is None else body)

    def call(self, method: str, path: str, *, params: Any = None, **more: Any) -> httpx.Response:
        """Return the answer to any request below /api/v1; parameters that are None are left out. Raises Failed."""
        known = {name: value for name, value in (params or {}).items() if value is not None}
        with self._honestly():
            answer = self._runner.run(self._http.request(method, f"{_BASE}{path}", params=known, **more))
        if answer.is_error:
            raise self._failed(answer)
        return answer

    def each_line(self, path: str, *, content: bytes, params: Any, heed: Callable[[str], None]) -> None:
        """Send a body and let `heed` have each line of the answer as it comes. Raises Failed."""

        async def talk() -> None:
            async with self._http.stream("POST", f"{_BASE}{path}", content=content, params=params) as answer:
                if answer.is_error:
                    await answer.aread()
                    raise self._failed(answer)
                async for line in answer.aiter_lines():
                    heed(line)

        with self._honestly():
            self._runner.run(talk())

    def saved(self) -> None:
        """Say that the outside world learns of it later, where no service is there to tell it."""
        if not self.running:
            remark(_HINT)

    @contextmanager
    def _honestly(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise Failed(
                f"The service stopped answering at {self.config.service.socket} ({type(error).__name__}). Whether this was "
                "done is unknown: look before you try again, and see journalctl -u sitzungsplaner."
            ) from error

    def _failed(self, answer: httpx.Response) -> Failed:
        try:
            detail = str(answer.json()["detail"])
        except (json.JSONDecodeError, KeyError, TypeError):
            detail = f"The service answered with HTTP {answer.status_code} and no reason."
        if answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
            detail += f" The log: {'journalctl -u sitzungsplaner' if self.running else logbook.BOOK.path}."
        return Failed(detail)


@contextmanager
def service(ctx: typer.Context) -> Iterator[Service]:
    """Open the API for one command. Raises ConfigProblem, Unreachable, and Rejected if another process has the database."""
    call = cast(Call, ctx.obj)
    config, running = settle(call)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            transport = _socket(config) if running else _in_process(runner, stack, config)
            if transport is None:
                running, transport = True, _socket(config)
            owner = _acting(call.owner)
            headers = {"X-Owner": owner} if owner else {}
            http = httpx.AsyncClient(transport=transport, headers=headers, timeout=_LONG, trust_env=False)
            runner.run(stack.enter_async_context(http))
            yield Service(runner, http, config, running=running, owner=owner)
        finally:
            runner.run(stack.aclose())


def settle(call: Call) -> tuple[Config, bool]:
    """Return the settings and whether the service runs; from now on this process is the data directory's owner.

    Who only talks to the socket may have no right to read the secrets' files, and needs none.
    """
    from daemon.config import load_config

    config = load_config(call.config, with_secrets=False).config
    running = answers(config.service.socket)
    if not running:
        config = load_config(call.config).config  # as root still: secrets may be root's alone
    become_owner_of(config.service.data_dir)
    logbook.begin(config.service.data_dir)
    return config, running


def answers(path: Path) -> bool:
    """Tell whether somebody listens on the socket; one that a killed process left behind is nobody. Raises Failed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        try:
            probe.connect(str(path))
        except PermissionError:
            raise Failed(
                f"You have no right to use the service's socket {path}. Use sudo, or join the group it belongs to."
            ) from None
        except OSError:
            return False
    return True


def quoted(text: str) -> str:
    """Return what a person named as one part of a path. An empty name is a mistake."""
    if not text.strip():
        raise typer.BadParameter("A name must not be empty.")
    return quote(text, safe="")


def _acting(owner: str) -> str:
    """A header is ASCII: the address in its compared form, or an id as it is. Raises Rejected."""
    return owner if not owner or (owner.isascii() and owner.isalnum()) else normal(owner)


def _socket(config: Config) -> httpx.AsyncHTTPTransport:
    return httpx.AsyncHTTPTransport(uds=str(config.service.socket))


def _in_process(runner: asyncio.Runner, stack: AsyncExitStack, config: Config) -> httpx.AsyncBaseTransport | None:
    """Put the application together here. None: meanwhile the service has started."""
    from daemon.cli.in_process import InProcess
    from daemon.cli.patience import opened

    app = runner.run(opened(stack, config, in_vain=lambda: answers(config.service.socket)))
    return None if app is None else InProcess(app.api())
