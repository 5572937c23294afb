"""The application: every router below `/api/v1`, one form of errors, one guard."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.routing import APIRoute

import daemon
from daemon.web import answers, calendars, database, doctor, entries, imports, owners, problems, status, work
from daemon.web.context import Context
from daemon.web.guard import Guard

API = "/api/v1"
_DESCRIPTION = """The same words as on the command line. Changes take `?dry_run=true` and then only say what they would cause.

Errors are problem details (RFC 9457): `detail` is a sentence for a person, `field` the input it is about."""


def build_app(context: Context) -> FastAPI:
    """Return the ASGI application. It starts and closes nothing: what it uses belongs to the caller."""
    app = FastAPI(
        title="Sitzungsplaner",
        description=_DESCRIPTION,
        version=daemon.__version__,
        openapi_url=f"{API}/openapi.json",
        # Both pages would load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation,
        responses={
            "default": {"description": "What is wrong, as RFC 9457 problem details", "content": {problems.MEDIA_TYPE: {}}}
        },
    )
    app.state.context = context
    problems.install(app)
    app.add_middleware(Guard, clock=context.desk.clock, trusted=context.trusted)
    # Before `entries`: its paths would be taken for entries.
    for module in (imports, entries, owners, calendars, answers, work, status, database, doctor):
        app.include_router(module.router, prefix=API)

    @app.get("/healthz", summary="The process answers", tags=["status"])
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    return app


def _operation(route: APIRoute) -> str:
    return f"{route.endpoint.__module__.rpartition('.')[2]}_{route.name}"
