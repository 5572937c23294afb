"""Calendars over the API: the server is asked before anything is kept, and no password comes out again."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.core.errors import AGAIN, Refused, Unreachable
from daemon.ports import CalendarAccount, Capabilities
from daemon.secrets import decrypt
from daemon.store import calendars as calendar_rows
from tests.web.conftest import KEY, Api

NEW = {"name": "Büro", "url": "https://dav.example.org/anna/work/", "username": "anna", "password": "geheim"}


async def stored_secret(api: Api) -> str:
    (calendar,) = await api.store.run(calendar_rows.all_)
    return calendar.secret


async def test_the_server_is_asked_first_and_the_password_is_kept_encrypted(api: Api) -> None:
    await api.add_owner()
    api.server.answer = Capabilities(product="Xandikos", schedules=True, sync_collection=True)
    added = await api.post("/calendars", {**NEW, "headers": {"X-Remote-User": "anna"}}, status=201)
    assert api.server.asked == [
        CalendarAccount(kind="caldav", url=NEW["url"], username="anna", password="geheim", headers=(("X-Remote-User", "anna"),))
    ]
    calendar = added["calendar"]
    assert (calendar["name"], calendar["owner"], calendar["sender"], calendar["state"]) == (
        "Büro",
        "anna@example.org",
        "planner",
        "ok",
    )
    assert (calendar["password"], calendar["headers"], calendar["entries"]) == ("encrypted", ["X-Remote-User"], 0)
    assert calendar["capabilities"]["product"] == "Xandikos"
    secret = await stored_secret(api)
    assert "geheim" not in secret
    assert decrypt(KEY, secret, {}) == "geheim"
    assert await api.get("/calendars/Büro") == calendar
    assert await api.get("/calendars") == [calendar]
    assert [one["key"] for one in await api.get("/work")] == [f"calendar:{calendar['id']}"]


async def test_a_password_of_the_configuration_is_only_named(api: Api) -> None:
    await api.add_owner()
    added = await api.post("/calendars", {"name": "a", "url": NEW["url"], "password_ref": "web"}, status=201)
    assert api.server.asked[0].password == "from-configuration"
    assert (await stored_secret(api), added["calendar"]["password"]) == ("ref:web", "reference web")


async def test_without_a_password_and_without_asking(api: Api) -> None:
    await api.add_owner()
    added = await api.post("/calendars", {"name": "a", "url": "http://127.0.0.1:5232/a/"}, status=201, probe=False)
    assert api.server.asked == []
    assert (added["calendar"]["password"], added["calendar"]["capabilities"]) == ("none", {})
    assert [note.split(".")[0] for note in added["notes"]] == [
        "The server was not asked",
        "The connection is not encrypted: the password goes over the network in clear",
    ]


async def test_a_dry_run_asks_the_server_and_keeps_nothing(api: Api) -> None:
    await api.add_owner()
    assert (await api.post("/calendars", NEW, status=201, dry_run=True))["dry_run"] is True
    assert len(api.server.asked) == 1
    assert await api.get("/calendars") == []


@pytest.mark.parametrize(
    ("answer", "status", "told"),
    [
        (Refused("Wrong password for anna."), 502, "Wrong password for anna."),
        (
            Unreachable(f"dav.example.org does not answer. {AGAIN}"),
            503,
            "dav.example.org does not answer. The calendar was not added. "
            "Add it when the server answers, or unseen with --no-probe.",
        ),
    ],
    ids=["refused", "unreachable"],
)
async def test_what_the_server_says_is_told_and_nothing_is_kept(api: Api, answer: Any, status: int, told: str) -> None:
    await api.add_owner()
    api.server.answer = answer
    problem = await api.post("/calendars", NEW, status=status)
    assert problem["detail"] == told
    assert await api.get("/calendars") == []


@pytest.mark.parametrize(
    ("wrong", "field", "sentence"),
    [
        ({"url": "ftp://x/"}, "url", "The address of a calendar begins with https://"),
        ({"url": "https://x/a b"}, "url", "has no blanks."),
        ({"url": "https://anna:geheim@x/"}, "url", "must not contain a password."),
        ({"url": None}, "url", "url must be text."),
        ({"password_ref": "web"}, "password_ref", "not both."),
        ({"password": "", "password_ref": "nix"}, "password_ref", "(known: web). Set calendars.secrets.nix.password_file"),
        ({"name": " "}, "name", "A calendar needs a name."),
        ({"sender": "calendar"}, "sender", "This server does not send invitations itself."),
        ({"sender": "me"}, "sender", "sender must be one of planner, calendar."),
    ],
    ids=str,
)
async def test_a_wrong_calendar_is_refused_without_repeating_the_password(
    api: Api, wrong: dict[str, Any], field: str, sentence: str
) -> None:
    await api.add_owner()
    problem = await api.post("/calendars", {**NEW, **wrong}, status=422)
    assert (problem["field"], sentence in problem["detail"]) == (field, True), problem
    assert "geheim" not in str(problem)


async def test_a_calendar_that_cannot_be_written_is_refused(api: Api) -> None:
    await api.add_owner()
    api.server.answer = Capabilities(writable=False)
    assert (await api.post("/calendars", NEW, status=422))["field"] == "url"


async def test_a_calendar_is_synced_and_removed(api: Api) -> None:
    await api.add_owner()
    await api.add_owner("otto@example.org")
    for owner in ("anna@example.org", "otto@example.org"):
        await api.post("/calendars", NEW, owner=owner, status=201)
    assert await api.post("/calendars/sync", {}) == {"calendars": 2}
    assert await api.post("/calendars/sync", {}, owner="otto@example.org") == {"calendars": 1}
    assert await api.post("/calendars/Büro/sync", {}, owner="anna@example.org") == {"calendars": 1}
    ambiguous = await api.post("/calendars/Büro/sync", {}, status=422)
    assert ambiguous["field"] == "calendar"
    await api.add_entry(owner="anna@example.org")
    removed = (await api.call("DELETE", "/calendars/Büro", 200, owner="anna@example.org", params={"dry_run": True})).json()
    assert removed == {"entries": 1, "dry_run": True}
    removed = (await api.call("DELETE", "/calendars/Büro", 200, owner="anna@example.org")).json()
    assert removed == {"entries": 1, "dry_run": False}
    assert [one["owner"] for one in await api.get("/calendars")] == ["otto@example.org"]
    await api.call("GET", "/calendars/Büro", 404, owner="anna@example.org")
