"""The application in process, on a fresh SQLite store, with a calendar server that answers as the test says."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from daemon.core.errors import SitzungsplanerError
from daemon.core.model import Organizer
from daemon.planner.wishes import Desk, Rules
from daemon.ports import CalendarAccount, Capabilities
from daemon.reader import here
from daemon.render import Renderer
from daemon.resources import template_folders
from daemon.store.engine import Store
from daemon.web.app import build_app
from daemon.web.context import Context
from tests.clock import ManualClock
from tests.web.site import site

__all__ = ["site"]

KEY = bytes(range(32))


@dataclass
class Server:
    """What the probe meets, and with which accounts it was asked."""

    answer: Capabilities | SitzungsplanerError = field(default_factory=lambda: Capabilities(product="Test"))
    asked: list[CalendarAccount] = field(default_factory=list)

    async def probe(self, account: CalendarAccount) -> Capabilities:
        self.asked.append(account)
        if isinstance(self.answer, SitzungsplanerError):
            raise self.answer
        return self.answer

    async def examine(self, quick: bool) -> list[dict[str, str]]:
        """One finding, which says how it was asked for."""
        return [{"level": "ok", "field": "store", "what": f"quick: {quick}", "where": "", "remedy": ""}]


class Api:
    """The API as a test speaks to it: paths below /api/v1, JSON in and out, and the status that is expected."""

    def __init__(self, client: httpx.AsyncClient, context: Context, server: Server) -> None:
        self.client = client
        self.context = context
        self.server = server
        self.store = context.store

    async def call(self, method: str, path: str, status: int, *, owner: str = "", **more: Any) -> httpx.Response:
        headers = {**({"X-Owner": owner} if owner else {}), **more.pop("headers", {})}
        answer = await self.client.request(method, f"/api/v1{path}", headers=headers, **more)
        assert answer.status_code == status, answer.text
        return answer

    async def get(self, path: str, *, owner: str = "", **params: Any) -> Any:
        return (await self.call("GET", path, 200, owner=owner, params=params)).json()

    async def post(self, path: str, body: Mapping[str, Any], *, owner: str = "", status: int = 200, **params: Any) -> Any:
        return (await self.call("POST", path, status, owner=owner, json=body, params=params)).json()

    async def patch(self, path: str, body: Mapping[str, Any], *, owner: str = "", status: int = 200, **params: Any) -> Any:
        return (await self.call("PATCH", path, status, owner=owner, json=body, params=params)).json()

    async def add_owner(self, email: str = "anna@example.org", **more: Any) -> Any:
        return await self.post("/owners", {"email": email, **more}, status=201)

    async def add_entry(self, *, owner: str = "", **more: Any) -> Any:
        body = {"title": "Haushalt", "start": "2027-03-10T09:00", **more}
        return (await self.post("/entries", body, owner=owner, status=201))["entry"]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def store_url(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    """Only SQLite here: what differs between databases is tested at the store."""
    file = tmp_path / "store.db"
    shutil.copyfile(request.getfixturevalue("sqlite_template"), file)
    return f"sqlite:///{file}"


@pytest.fixture
def context(store: Store, clock: ManualClock, server: Server) -> Context:
    rules = Rules(organizer=Organizer(email="sitzung@example.org", name="Sitzungsplaner"))
    return Context(
        store=store,
        desk=Desk(clock=clock, rules=rules),
        key=KEY,
        renderer=Renderer(template_folders()),
        probe=server.probe,
        examine=server.examine,
        read=here,
        status=lambda: {"work": "running"},
        references={"web": "from-configuration"},
        trusted=True,
    )


@pytest.fixture
async def api(context: Context, server: Server) -> AsyncIterator[Api]:
    transport = httpx.ASGITransport(build_app(context))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield Api(client, context, server)
