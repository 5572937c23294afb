"""Errors: problem details with a sentence, never a traceback, never a secret; and what stands around the routes."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI

from daemon.core.errors import ConfigProblem, Conflict, NotFound, Refused, Rejected, Unreachable
from daemon.logs import configure_logs
from daemon.web.app import build_app
from daemon.web.context import Context
from daemon.web.guard import MAX_BODY
from tests.web.conftest import Api


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    out = io.StringIO()
    configure_logs(form="journal", stream=out, environ={})
    yield out
    structlog.reset_defaults()


def raising(context: Context, error: Exception, *, after_first_byte: bool = False) -> FastAPI:
    app = build_app(context)

    @app.get("/broken")
    async def broken() -> Any:
        if not after_first_byte:
            raise error
        from fastapi.responses import StreamingResponse

        async def lines() -> AsyncIterator[str]:
            yield "first\n"
            raise error

        return StreamingResponse(lines())

    return app


async def answer_of(app: FastAPI, path: str = "/broken") -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        return await client.get(path)


@pytest.mark.parametrize(
    ("error", "status", "more"),
    [
        (Rejected("No.", field="title"), 422, {"field": "title"}),
        (Rejected("No."), 422, {}),
        (NotFound("No."), 404, {}),
        (Conflict("No."), 409, {}),
        (Refused("No."), 502, {}),
        (Unreachable("No."), 503, {}),
        (ConfigProblem(("No.",)), 500, {}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_each_error_has_its_status(context: Context, error: Exception, status: int, more: dict[str, str]) -> None:
    answer = await answer_of(raising(context, error))
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    body = answer.json()
    assert body.pop("title")
    assert body == {"type": "about:blank", "status": status, "detail": "No.", **more}


async def test_a_server_s_wish_to_wait_is_passed_on(context: Context) -> None:
    answer = await answer_of(raising(context, Unreachable("Later.", retry_after=timedelta(minutes=2))))
    assert answer.headers["retry-after"] == "120"


async def test_a_bug_is_a_500_whose_id_stands_in_the_log_with_the_traceback(context: Context, log: io.StringIO) -> None:
    answer = await answer_of(raising(context, KeyError("password=geheim")))
    body = answer.json()
    assert (answer.status_code, body["status"]) == (500, 500)
    assert "Traceback" not in answer.text
    assert "geheim" not in answer.text
    assert body["id"] in body["detail"]
    assert f"id={body['id']}" in log.getvalue()
    assert "KeyError" in log.getvalue()
    assert "path=/broken" in log.getvalue()


async def test_a_bug_in_the_middle_of_an_answer_breaks_the_connection_and_is_logged(context: Context, log: io.StringIO) -> None:
    with pytest.raises(ValueError, match="halfway"):
        await answer_of(raising(context, ValueError("halfway"), after_first_byte=True))
    assert "ValueError: halfway" in log.getvalue()


async def test_what_is_not_there_is_said_in_a_sentence(api: Api) -> None:
    assert (await api.call("GET", "/nothing", 404)).json()["detail"] == "There is nothing at /api/v1/nothing."
    assert (await api.call("POST", "/status", 405)).json()["detail"] == "POST is not possible at /api/v1/status."


@pytest.mark.parametrize(
    ("content", "sentence", "field"),
    [
        (b"{", "The body is not JSON.", "body"),
        (b"[]", "body must be an object.", "body"),
        (b"", "body is missing.", "body"),
        (b"{}", "title is missing.", "title"),
        (b'{"title": 5, "start": 7}', "title must be text. start must be text.", "title"),
        (b'{"title": "x", "attendees": [{"name": "x"}]}', "attendees.0.email is missing.", "attendees.0.email"),
    ],
)
async def test_every_wrong_field_has_one_sentence(api: Api, content: bytes, sentence: str, field: str) -> None:
    answer = await api.call("POST", "/entries", 422, content=content, headers={"Content-Type": "application/json"})
    assert (answer.json()["detail"], answer.json()["field"]) == (sentence, field)
    assert answer.json()["errors"][0]["field"] == field


async def test_wrong_query_parameters_are_named(api: Api) -> None:
    problem = (await api.call("GET", "/entries?limit=many&which=some", 422)).json()
    assert [one["field"] for one in problem["errors"]] == ["which", "limit"]
    assert problem["detail"] == "which must be one of upcoming, undated, past, cancelled, all. limit must be a whole number."
    assert (await api.call("GET", "/entries?limit=0", 422)).json()["detail"].startswith("limit: ")


async def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(api: Api) -> None:
    too_much = b"x" * (MAX_BODY + 1)

    async def unannounced() -> AsyncIterator[bytes]:
        for at in range(0, len(too_much), 1024 * 1024):
            yield too_much[at : at + 1024 * 1024]

    for content in (too_much, unannounced()):
        problem = (await api.call("POST", "/answers", 413, content=content)).json()
        assert (problem["field"], problem["detail"]) == ("body", "The body is larger than 20 MiB. Send it in parts.")
    problem = (
        await api.call("POST", "/entries", 413, content=unannounced(), headers={"Content-Type": "application/json"})
    ).json()
    assert problem["field"] == "body"


async def test_who_is_not_trusted_gets_nothing_but_a_sign_of_life(context: Context) -> None:
    app = build_app(replace(context, trusted=False))
    assert (await answer_of(app, "/healthz")).status_code == 200
    for path in ("/api/v1/owners", "/api/v1/openapi.json", "/api/v1/nothing"):
        answer = await answer_of(app, path)
        assert (answer.status_code, answer.json()["title"]) == (401, "Unauthorized")


async def test_start_and_stop_of_a_server_are_not_the_guard_s_business(context: Context) -> None:
    said: list[str] = []

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.startup" if not said else "lifespan.shutdown"}

    async def send(message: Any) -> None:
        said.append(message["type"])

    await build_app(replace(context, trusted=False))({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_the_context_shows_no_secret(context: Context) -> None:
    assert "from-configuration" not in repr(context)
    assert repr(context.key) not in repr(context)


async def test_the_description_is_openapi_3_1_with_a_summary_and_a_name_of_its_own_for_everything(api: Api) -> None:
    document = await api.get("/openapi.json")
    assert document["openapi"].startswith("3.1")
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert all(one["summary"] and one["tags"] for one in operations)
    assert all(one.get("description") or one["summary"] == "The process answers" for one in operations)
    names = [one["operationId"] for one in operations]
    assert len(names) == len(set(names))
    assert set(document["paths"]) == {
        "/healthz",
        *(
            f"/api/v1{path}"
            for path in (
                "/answers", "/answers/by-hand", "/answers/{mail}", "/answers/{mail}/accept", "/answers/{mail}/refuse",
                "/calendars", "/calendars/sync", "/calendars/{calendar}", "/calendars/{calendar}/sync",
                "/database/backup", "/database/check",
                "/doctor",
                "/entries", "/entries/find", "/entries/import", "/entries/{entry}",
                *(f"/entries/{{entry}}/{verb}" for verb in (
                    "answers", "calendar", "cancel", "copy", "export", "invite", "move", "text", "uninvite"
                )),
                "/owners", "/owners/{owner}",
                "/status",
                "/work", "/work/{key}", "/work/{key}/retry",
            )
        ),
    }  # fmt: skip
