"""httpx on an ASGI application in this process. Unlike httpx's own transport it hands the answer on as it comes.

An import tells of each event when it is done; collected, the progress would be shown at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import httpx

_END = None


class InProcess(httpx.AsyncBaseTransport):
    """Calls `app` for each request. What the application raises is raised."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": request.method,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "scheme": request.url.scheme,
            "path": request.url.path,
            "raw_path": request.url.raw_path.partition(b"?")[0],
            "query_string": request.url.query,
            "server": (request.url.host, request.url.port),
            "client": ("127.0.0.1", 0),
            "root_path": "",
        }
        answer = _Answer()
        answer.task = asyncio.create_task(answer.fill(self._app, scope, body))
        started = await answer.next()
        assert started is not None, "the application ended without an answer"
        return httpx.Response(started["status"], headers=started.get("headers", []), stream=answer)


class _Answer(httpx.AsyncByteStream):
    """What the application sends, as it sends it."""

    task: asyncio.Task[None]

    def __init__(self) -> None:
        self._messages: asyncio.Queue[MutableMapping[str, Any] | None] = asyncio.Queue()

    async def fill(self, app: Any, scope: dict[str, Any], body: bytes) -> None:
        asked = iter(({"type": "http.request", "body": body, "more_body": False},))

        async def receive() -> Any:
            message = next(asked, None)
            return message if message is not None else await asyncio.get_running_loop().create_future()

        try:
            await app(scope, receive, self._messages.put)
        finally:
            self._messages.put_nowait(_END)

    async def next(self) -> MutableMapping[str, Any] | None:
        message = await self._messages.get()
        if message is _END:
            await self.task  # raises what the application raised
        return message

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (message := await self.next()) is not None:
            yield message.get("body", b"")

    async def aclose(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
