"""The pages for people outside, on a listener of their own: nothing of the API can be reached here.

A web server with TLS stands in front. Every answer carries the same headers: nothing is kept, indexed, framed, or told to others
by Referer, and no script runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemon.logs import get_logger
from daemon.planner.wishes import Desk
from daemon.render import Renderer
from daemon.store.engine import Store
from daemon.web.answer_page import AnswerPages
from daemon.web.limit import WrongTokens
from daemon.web.socket import listen_tcp, serve_on

log = get_logger("pages")

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}
_MOST_AT_ONCE = 200


def build_pages(store: Store, desk: Desk, renderer: Renderer) -> Starlette:
    """Return the ASGI application of the listener."""
    answers = AnswerPages(store, desk, renderer, WrongTokens(desk.clock))

    async def style(_request: Request) -> Response:
        return Response(renderer.style(), media_type="text/css")

    async def robots(_request: Request) -> Response:
        return PlainTextResponse("User-agent: *\nDisallow: /\n")

    async def elsewhere(request: Request, _error: Exception) -> Response:
        return answers.nowhere(request)

    return Starlette(
        routes=[
            Route("/a/{token}", answers.show, methods=["GET"]),
            Route("/a/{token}", answers.take, methods=["POST"]),
            Route("/page.css", style),
            Route("/robots.txt", robots),
        ],
        middleware=[Middleware(_Headers)],
        exception_handlers={404: elsewhere},
    )


async def serve_pages(store: Store, desk: Desk, renderer: Renderer, address: tuple[str, int], *, proxies: Sequence[str]) -> None:
    """Serve until cancelled. Raises ConfigProblem if the address cannot be listened on."""
    listener = listen_tcp(address, setting="web.listen")
    log.info("pages are served", action="pages", host=address[0], port=listener.getsockname()[1])
    await serve_on(listener, build_pages(store, desk, renderer), proxies=proxies, most=_MOST_AT_ONCE)


class _Headers:
    """Puts the headers on every answer, whoever made it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                ours = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *ours]}
            await send(message)

        await self.app(scope, receive, with_headers)
