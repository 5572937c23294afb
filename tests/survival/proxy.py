"""A line to a server that can be cut, blocked, or lose answers on their way. In the test's own event loop, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType
from typing import Self

_HOST = "127.0.0.1"
_PIECE = 64 * 1024


class Line(StrEnum):
    OPEN = "open"
    CUT = "cut"  # nobody listens
    SILENT = "silent"  # connections are taken, and nothing ever comes back


def is_write(said: bytes) -> bool:
    """True for the beginning of an HTTP request that changes something."""
    return said.startswith((b"PUT ", b"DELETE "))


def is_end_of_mail(said: bytes) -> bool:
    """True for the end of a mail's data (RFC 5321 4.1.1.4)."""
    return said.endswith(b"\r\n.\r\n")


class Proxy:
    """`async with Proxy(port) as proxy:` – the way to that port leads over `proxy.port`.

    `lose(when, times)`: the server gets what was said and does it, but its answer to it is lost, and the connection with it.
    `lost` counts these, `taken` all connections. `farewell` is said to the server where its client went without a word.
    """

    def __init__(self, target: int, *, farewell: bytes = b"") -> None:
        self._target, self._farewell = target, farewell
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._lose: Callable[[bytes], bool] | None = None
        self._times = 0
        self._state = Line.OPEN
        self.port = 0
        self.lost = 0
        self.taken = 0

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.set(Line.CUT)

    def lose(self, when: Callable[[bytes], bool], times: int) -> None:
        self._lose, self._times = when, times

    async def set(self, state: Line) -> None:
        """Change the line; whatever is open on it breaks off."""
        self._state = state
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        if state is not Line.CUT:
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, _HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.taken += 1
        try:
            if self._state is Line.CUT:
                return
            if self._state is Line.SILENT:
                await asyncio.get_running_loop().create_future()
            await self._carry(reader, writer)
        except (asyncio.CancelledError, ConnectionError):
            pass
        finally:
            self._open.discard(task)
            with contextlib.suppress(ConnectionError):
                writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(_HOST, self._target)
        losing = False

        async def forth() -> None:
            nonlocal losing
            while piece := await reader.read(_PIECE):
                if self._times and self._lose is not None and self._lose(piece):
                    self._times -= 1
                    losing = True
                back.write(piece)
                await back.drain()

        async def home() -> None:
            while piece := await there.read(_PIECE):
                if losing and not piece.startswith(b"HTTP/1.1 100"):
                    self.lost += 1
                    return
                writer.write(piece)
                await writer.drain()

        both = [asyncio.ensure_future(forth()), asyncio.ensure_future(home())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in both:
                one.cancel()
            try:
                await asyncio.gather(*both, return_exceptions=True)
            finally:
                await self._part(there, back)

    async def _part(self, there: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            if self._farewell:
                back.write(self._farewell)
                async with asyncio.timeout(1):
                    while await there.read(_PIECE):
                        pass
        except (ConnectionError, TimeoutError):
            pass
        finally:
            back.transport.abort()
