"""The listener for machines: health, readiness and metrics, over real HTTP on loopback and within the process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from datetime import timedelta

import httpx
import pytest
import sqlalchemy as sa

from daemon.core.errors import ConfigProblem
from daemon.core.zones import TZDATA_VERSION
from daemon.metrics import CONTENT_TYPE, LaneState, Metrics
from daemon.store import settings as setting_rows
from daemon.store import work, work_counts
from daemon.store.engine import Store
from daemon.web import health as module
from daemon.web.health import Health, build_health, serve_health
from tests.clock import ManualClock


class Lanes:
    """What the watchdog would say."""

    def __init__(self) -> None:
        self.still: tuple[str, ...] = ()
        self.begun = True

    def states(self) -> Mapping[str, LaneState]:
        return {"mail": LaneState(busy=1, hands=4, away=0, stuck="mail" in self.still)}

    def stuck(self) -> tuple[str, ...]:
        return self.still

    def started(self) -> bool:
        return self.begun


@pytest.fixture
def lanes() -> Lanes:
    return Lanes()


@pytest.fixture
def health(store: Store, lanes: Lanes) -> Health:
    return Health(store=store, metrics=Metrics(), lanes=lanes.states, stuck=lanes.stuck, started=lanes.started)


async def get(health: Health, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build_health(health)), base_url="http://health") as client:
        return await client.get(path)


async def test_a_service_whose_lanes_all_look_is_healthy(health: Health) -> None:
    answer = await get(health, "/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "stuck": []})


async def test_a_lane_that_stands_still_is_named(health: Health, lanes: Lanes) -> None:
    lanes.still = ("mail",)
    answer = await get(health, "/healthz")
    assert (answer.status_code, answer.json()) == (503, {"status": "stuck", "stuck": ["mail"]})


async def test_a_service_with_a_current_store_and_started_loops_is_ready(health: Health) -> None:
    answer = await get(health, "/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "store": "ok", "migrations": "ok", "loops": "ok"})


async def test_it_is_not_ready_before_its_loops_have_looked(health: Health, lanes: Lanes) -> None:
    lanes.begun = False
    answer = await get(health, "/readyz")
    assert (answer.status_code, answer.json()["loops"]) == (503, "starting")


async def test_tables_of_another_version_are_named(health: Health, store: Store) -> None:
    store.run_now(lambda tx: tx.execute(sa.text("UPDATE alembic_version SET version_num = '0000'")).rowcount)
    answer = await get(health, "/readyz")
    assert answer.status_code == 503
    assert answer.json()["migrations"].startswith("the tables are of revision 0000, this version's of ")


async def test_a_store_that_hangs_makes_it_not_ready_but_healthy_and_still_scraped(
    health: Health, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks must not hang with it."""

    async def hangs(_do: object) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(store, "run", hangs)
    monkeypatch.setattr(module, "_PATIENCE", timedelta(milliseconds=10))
    answer = await get(health, "/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "store": "does not answer", "migrations": "unknown", "loops": "ok"}
    assert (await get(health, "/healthz")).status_code == 200
    text = (await get(health, "/metrics")).text
    assert "sitzungsplaner_store_up 0.0" in text
    assert 'sitzungsplaner_lane_hands{kind="mail"} 4.0' in text


async def test_a_scrape_shows_the_queue_and_the_zone_rules(health: Health, store: Store, clock: ManualClock) -> None:
    late = clock.now() - timedelta(seconds=30)

    def owe(tx: sa.Connection) -> None:
        work.put(tx, key="mail:a:b", kind=work.MAIL, due=late)
        setting_rows.put(tx, setting_rows.TZDATA, "2020a")

    store.run_now(owe)
    answer = await get(health, "/metrics")
    assert answer.headers["content-type"] == CONTENT_TYPE
    assert 'sitzungsplaner_work_rows{kind="mail",state="due"} 1.0' in answer.text
    assert 'sitzungsplaner_work_oldest_due_age_seconds{kind="mail"} 30.0' in answer.text
    assert f'sitzungsplaner_tzdata_info{{derived="2020a",loaded="{TZDATA_VERSION}"}} 1.0' in answer.text
    assert "sitzungsplaner_store_up 1.0" in answer.text


async def test_many_scrapers_make_the_store_count_once_in_ten_seconds(
    health: Health, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = 0

    def counts(tx: sa.Connection, **more: object) -> tuple[work_counts.Count, ...]:
        nonlocal counted
        counted += 1
        return ()

    monkeypatch.setattr(work_counts, "counts", counts)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build_health(health)), base_url="http://health") as client:
        await asyncio.gather(*(client.get("/metrics") for _ in range(5)))
        assert counted == 1
        monkeypatch.setattr(module, "_FRESH", timedelta(0))
        await client.get("/metrics")
    assert counted == 2


@pytest.mark.parametrize("path", ["/", "/api/v1/status", "/metrics/"], ids=["the root", "the API", "a slash too many"])
async def test_nothing_else_is_served_there(health: Health, path: str) -> None:
    assert (await get(health, path)).status_code in (307, 404)


async def test_nothing_can_be_changed_there(health: Health) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build_health(health)), base_url="http://health") as client:
        assert (await client.post("/healthz")).status_code == 405


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_it_listens_on_loopback_and_ends_when_it_is_cancelled(health: Health, host: str) -> None:
    port = _free(host)
    serving = asyncio.create_task(serve_health(health, (host, port)))
    shown = f"[{host}]" if ":" in host else host
    async with httpx.AsyncClient(trust_env=False) as client:
        assert await _answered(client, f"http://{shown}:{port}/healthz") == 200
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://{shown}:{port}/healthz")


async def test_a_port_in_use_is_a_problem_of_the_configuration(health: Health) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(ConfigProblem) as caught:
        await serve_health(health, ("127.0.0.1", other.getsockname()[1]))
    (problem,) = caught.value.problems
    assert problem.startswith("health.listen: 127.0.0.1 port ")
    assert problem.endswith("cannot be listened on (Address already in use). Choose another port.")


def _free(host: str) -> int:
    try:
        with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            port: int = probe.getsockname()[1]
            return port
    except OSError:
        pytest.skip(f"this machine has no {host}")


async def _answered(client: httpx.AsyncClient, url: str) -> int:
    for _ in range(200):
        try:
            return (await client.get(url)).status_code
        except httpx.ConnectError:
            await asyncio.sleep(0.02)  # the server is being put together in this very loop
    raise AssertionError("nobody listens")
