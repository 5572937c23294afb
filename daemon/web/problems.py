"""Errors as problem details (RFC 9457): what happened and what to do in `detail`, and never a traceback.

| raised                  | status |
| ----------------------- | ------ |
| Rejected, a wrong field | 422    |
| NotFound                | 404    |
| Conflict                | 409    |
| Refused (by a server)   | 502    |
| Unreachable             | 503    |
| anything else           | 500    |
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from daemon.core.errors import ConfigProblem, Conflict, NotFound, Refused, Rejected, SitzungsplanerError, Unreachable

MEDIA_TYPE = "application/problem+json"

# The first class that fits: NotFound is a Rejected.
_STATUS: tuple[tuple[type[SitzungsplanerError], int], ...] = (
    (NotFound, 404),
    (Rejected, 422),
    (Conflict, 409),
    (Refused, 502),
    (Unreachable, 503),
    (ConfigProblem, 500),
    (SitzungsplanerError, 500),
)
_KINDS: Mapping[str, str] = {
    "missing": "{field} is missing.",
    "extra_forbidden": "{field}: there is no such field here.",
    "json_invalid": "The body is not JSON.",
    "string_type": "{field} must be text.",
    "bool_parsing": "{field} must be true or false.",
    "bool_type": "{field} must be true or false.",
    "int_parsing": "{field} must be a whole number.",
    "list_type": "{field} must be a list.",
    "tuple_type": "{field} must be a list.",
    "dict_type": "{field} must be an object.",
    "model_attributes_type": "{field} must be an object.",
    "model_type": "{field} must be an object.",
}


def problem(status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    """Return a problem document. `more` are its extension members (`field`, `errors`, `id`)."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return Response(json.dumps(content, ensure_ascii=False), status_code=status, headers=headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let the application answer every error of ours, of the framework and of the request with a problem document."""
    app.add_exception_handler(SitzungsplanerError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def of_error(error: SitzungsplanerError) -> Response:
    """Return the problem document of an error of ours."""
    status = next(status for kind, status in _STATUS if isinstance(error, kind))
    headers = {}
    if isinstance(error, Unreachable) and error.retry_after is not None:
        headers["Retry-After"] = str(max(0, int(error.retry_after.total_seconds())))
    more = {"field": error.field} if isinstance(error, Rejected) and error.field else {}
    return problem(status, str(error), headers=headers, **more)


async def _ours(_request: Request, error: Exception) -> Response:
    assert isinstance(error, SitzungsplanerError)
    return of_error(error)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    match error.status_code:
        case 404:
            detail = f"There is nothing at {request.url.path}."
        case 405:
            detail = f"{request.method} is not possible at {request.url.path}."
        case _:
            detail = str(error.detail)
    return problem(error.status_code, detail, headers=error.headers)


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = sentences(error.errors())
    detail = " ".join(dict.fromkeys(one["detail"] for one in errors))
    return problem(422, detail, field=errors[0]["field"], errors=errors)


def sentences(errors: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return for each wrong field one sentence. Values are not repeated: one of them may be a password."""
    found: dict[str, dict[str, str]] = {}
    for one in errors:
        where = [part for part in one["loc"][1:] if not (one["type"] == "json_invalid" or _is_choice(part))]
        name = ".".join(str(part) for part in where)
        field = name or ("body" if one["loc"][:1] == ("body",) else str(one["loc"][0]))
        found.setdefault(field, {"field": field, "detail": _sentence(field, one)})
    return list(found.values())


def _is_choice(part: object) -> bool:
    return isinstance(part, str) and ("[" in part or part in ("str", "none"))  # pydantic's names for members of a union


def _sentence(field: str, one: Mapping[str, Any]) -> str:
    if one["type"] == "value_error":
        text = str(one["ctx"]["error"])
        return text if text.endswith(".") else f"{field}: {text}."
    if one["type"] in ("enum", "literal_error"):
        return f"{field} must be one of {str(one['ctx']['expected']).replace(chr(39), '').replace(' or ', ', ')}."
    known = _KINDS.get(one["type"])
    if known:
        return known.format(field=field)
    text = str(one["msg"])
    return f"{field}: {text[:1].lower()}{text[1:]}."
