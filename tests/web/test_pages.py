"""The listener of the pages: what protects it, and what a person sees when something goes wrong."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import structlog

from daemon.core.errors import Unreachable
from daemon.logs import configure_logs
from tests.web.site import ENGLISH, GERMAN, Site, outline


async def test_every_answer_of_the_listener_has_the_headers_that_protect_it(site: Site) -> None:
    path = await site.link(await site.plan())
    for method, where in (("GET", path), ("HEAD", path), ("POST", path), ("GET", "/a/x"), ("PUT", path), ("GET", "/page.css")):
        headers = (await site.client.request(method, where)).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'; form-action 'self'")
        assert "unsafe" not in headers["content-security-policy"]
        assert "script" not in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "noindex" in headers["x-robots-tag"]
        assert "set-cookie" not in headers
        assert "server" not in headers


async def test_a_page_has_no_script_no_inline_style_and_nothing_from_elsewhere(site: Site) -> None:
    answer = await site.client.get(await site.link(await site.plan(title='<script>alert(1)</script>"><img src=x>')))
    seen = outline(answer)
    assert not {tag for tag, _ in seen.tags} & {"script", "style", "img", "iframe"}
    assert not re.search(r"\sstyle=|\son\w+=|https?://", answer.text)
    assert "<script>alert(1)</script>" in seen.visible
    (style,) = seen.named("link")
    css = await site.client.get(str(style["href"]).replace("..", ""))
    assert css.headers["content-type"].startswith("text/css")
    assert "url(" not in css.text
    assert "@import" not in css.text


async def test_who_tries_many_links_is_not_listened_to_for_a_while(site: Site) -> None:
    """Counted by client, as the proxy tells it, and by distinct link: a dead link that is opened over and over blocks nobody."""
    path = await site.link(await site.plan())
    hers, his = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
    for _ in range(50):
        assert (await site.client.get("/a/dead", headers=hers)).status_code == 404
    assert (await site.client.get(path, headers=hers)).status_code == 200
    for number in range(25):
        status = (await site.client.get(f"/a/{number:043}", headers=his)).status_code
        assert status == (404 if number < 20 else 429)
    busy = await site.client.get(path, headers={**his, **GERMAN})
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "900")
    assert "Zu viele Versuche" in busy.text
    assert (await site.client.get(path, headers=hers)).status_code == 200
    site.clock.move(timedelta(minutes=16))
    assert (await site.client.get(path, headers=his)).status_code == 200


async def test_a_database_that_is_away_is_told_to_the_person(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    path = await site.link(await site.plan())

    async def away(_do: Any) -> Any:
        raise Unreachable("The database is away.")

    with monkeypatch.context() as patch:
        patch.setattr(site.context.store, "run", away)
        answer = await site.client.post(path, data={"partstat": "ACCEPTED", "which": "|x"}, headers=ENGLISH)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "120")
    assert "Your answer was not saved" in answer.text
    assert "database" not in answer.text


@pytest.fixture
def plain_logs() -> Iterator[io.StringIO]:
    """The log as the service writes it."""
    stream = io.StringIO()
    configure_logs(form="text", stream=stream, environ={})
    yield stream
    structlog.reset_defaults()


async def test_a_bug_is_a_page_and_a_log_line_without_the_link(
    site: Site, monkeypatch: pytest.MonkeyPatch, plain_logs: io.StringIO
) -> None:
    path = await site.link(await site.plan())

    async def broken(_do: Any) -> Any:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(site.context.store, "run", broken)
        answer = await site.client.get(path, headers=ENGLISH)
    assert answer.status_code == 500
    assert "It is not your fault" in answer.text
    assert "a bug" not in answer.text
    said = plain_logs.getvalue()
    assert "a bug" in said
    assert path.removeprefix("/a/") not in said


async def test_robots_are_sent_away(site: Site) -> None:
    assert (await site.client.get("/robots.txt")).text == "User-agent: *\nDisallow: /\n"
