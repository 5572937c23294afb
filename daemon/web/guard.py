"""What stands around the routes: the cap on bodies, the refusal of strangers, and the last resort for bugs."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemon.logs import get_logger
from daemon.ports import Clock
from daemon.web.problems import problem

MAX_BODY = 20 * 1024 * 1024
_TOO_LARGE = f"The body is larger than {MAX_BODY // 1024 // 1024} MiB. Send it in parts."

log = get_logger(__name__)


class Guard:
    """Stands between the framework's own last resort, which would show a bare 500, and the routes.

    A bug becomes a problem document with an id that stands in the log beside the traceback; nothing is raised to the outside
    unless the answer has begun already.
    """

    def __init__(self, app: ASGIApp, *, clock: Clock, trusted: bool) -> None:
        self.app = app
        self.clock = clock
        self.trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif not self.trusted and scope["path"] != "/healthz":
            detail = "Nobody can sign in here yet. Use the service's Unix socket."
            await problem(401, detail, headers={"WWW-Authenticate": "Bearer"})(scope, receive, send)
        elif _announced(scope) > MAX_BODY:
            await problem(413, _TOO_LARGE, field="body")(scope, receive, send)
        else:
            await self._watch(scope, receive, send)

    async def _watch(self, scope: Scope, receive: Receive, send: Send) -> None:
        taken, started = 0, False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            # A disconnect ends every reader; what it then answers is replaced below.
            return message if taken <= MAX_BODY else {"type": "http.disconnect"}

        async def watched(message: Message) -> None:
            nonlocal started
            if taken <= MAX_BODY or started:
                started = True
                await send(message)

        try:
            await self.app(scope, counted, watched)
        except Exception:
            if taken <= MAX_BODY:
                name = self.clock.new_id()[:12]
                log.exception("request failed", action="request", id=name, method=scope["method"], path=scope["path"])
                if started:
                    raise  # half an answer cannot become another one: the connection breaks, and the other side sees it
                detail = f"This is a fault of the service, not yours. Its log has the details under {name}. Nothing was changed."
                await problem(500, detail, id=name)(scope, receive, send)
        if taken > MAX_BODY and not started:
            await problem(413, _TOO_LARGE, field="body")(scope, receive, send)


def _announced(scope: Scope) -> int:
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(length) if length.isdigit() else 0
