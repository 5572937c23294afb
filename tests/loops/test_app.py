"""The service as a whole: put together, started, stopped, its socket. Connectors are in memory, the socket is real."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from connectors.caldav.connector import CalDavConnector
from connectors.imap.connector import ImapMail
from connectors.smtp.connector import SmtpMail
from daemon import app as app_module
from daemon import planner
from daemon.app import App, CalendarConnections, connect, imap, open_app, rules, smtp, store_url
from daemon.config import load_config
from daemon.core import zones
from daemon.core.errors import ConfigProblem, Refused, Rejected
from daemon.core.model import EntryState
from daemon.demo.servers import free_port
from daemon.ports import CalendarAccount
from daemon.secrets import encrypt
from daemon.store import entries as rows
from daemon.store import settings as setting_rows
from daemon.store import work
from daemon.web import socket as web_socket
from tests.clock import ManualClock
from tests.loops.conftest import ALICE, ANNA, DAY, MINUTE, Outside, Service, running, when
from tests.servers.postgres import Postgres
from tests.store.values import a_calendar

GROUP_ONLY = 0o660


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[asyncio.Event]:
    """Run the service until the block ends, its socket being there."""
    stop = asyncio.Event()
    task = asyncio.create_task(service.app.run(stop))
    async with client(service.app.config.service.socket) as api:
        while not task.done() and not await answers(api):  # noqa: ASYNC110 - it announces itself to systemd only
            await asyncio.sleep(0.01)
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(task, 20)


async def answers(api: httpx.AsyncClient) -> bool:
    try:
        return (await api.get("/api/v1/status")).status_code == 200
    except httpx.TransportError:
        return False


def client(path: Path) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path)), base_url="http://service")


async def test_the_api_is_served_on_a_socket_for_its_group_only(outside: Outside) -> None:
    async with running(outside, prepared=False) as service:
        path = service.app.config.service.socket
        async with serving(service), client(path) as api:
            assert stat.S_IMODE(path.stat().st_mode) == GROUP_ONLY
            answer = await api.get("/api/v1/status")
            assert answer.status_code == 200
            assert sorted(answer.json()["running"]["loops"]) == ["bulk", "calendar", "house", "inbox", "mail", "remind"]
        assert not path.exists()


async def test_what_is_planned_over_the_socket_is_done_by_the_loops(outside: Outside) -> None:
    async with running(outside, prepared=False, MAIL__COALESCE_SECONDS="0") as service:
        async with serving(service), client(service.app.config.service.socket) as api:
            await api.post("/api/v1/owners", json={"email": ALICE})
            body = {"title": "Haushalt", "start": "2027-03-15T09:00", "attendees": [ANNA.email]}
            answer = await api.post("/api/v1/entries", json=body)
            assert answer.status_code == 201, answer.text
            for _ in range(1000):
                if service.post.sent:
                    break
                await asyncio.sleep(0.01)
        assert [one.recipient for one in service.post.sent] == [ANNA.email]


async def test_a_stale_socket_is_replaced_and_a_living_one_is_not(outside: Outside) -> None:
    async with running(outside, prepared=False) as service:
        path = service.app.config.service.socket
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
            dead.bind(str(path))
        async with serving(service), client(path) as api:
            assert (await api.get("/api/v1/status")).status_code == 200
            with pytest.raises(ConfigProblem, match="another service answers"):
                await web_socket.serve(service.app.api(), path, group="")
            assert (await api.get("/api/v1/status")).status_code == 200


async def test_a_socket_that_another_service_has_taken_since_is_left_to_it(outside: Outside) -> None:
    async with running(outside, prepared=False) as service:
        path = service.app.config.service.socket
        async with serving(service):
            path.unlink()
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
                other.bind(str(path))
        assert path.exists()


@pytest.mark.parametrize("case", ["no directory", "a file in its place", "no such group", "too long"])
async def test_a_socket_that_cannot_be_made_ends_the_start_with_the_settings_name(tmp_path: Path, case: str) -> None:
    path, group = tmp_path / "api.sock", ""
    match case:
        case "no directory":
            (tmp_path / "file").write_text("")
            path = tmp_path / "file" / "api.sock"
        case "a file in its place":
            path.write_text("")
        case "no such group":
            group = "no-such-group-here"
        case _:
            path = tmp_path / ("x" * 200)
    with pytest.raises(ConfigProblem, match=r"service\.socket"):
        await web_socket.serve(None, path, group=group)


async def test_the_group_of_the_socket_is_set(tmp_path: Path) -> None:
    import grp

    listener = web_socket._listen(tmp_path / "api.sock", grp.getgrgid(os.getgid()).gr_name, "service.socket")
    listener.close()
    assert (tmp_path / "api.sock").stat().st_gid == os.getgid()


async def test_a_signal_is_no_business_of_the_api(outside: Outside) -> None:
    """The HTTP server took SIGTERM over, ended by itself, and raised it a second time: that means “stop at once”."""
    before = signal.getsignal(signal.SIGTERM)
    async with running(outside, prepared=False) as service, serving(service):
        assert signal.getsignal(signal.SIGTERM) is before


async def test_a_loop_that_dies_ends_the_service_with_its_name(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(outside, prepared=False) as service:

        async def die() -> bool:
            raise ZeroDivisionError("a bug")

        monkeypatch.setattr(service.app.lanes["remind"], "run_once", die)
        with capture_logs() as lines, pytest.raises(ExceptionGroup):
            await asyncio.wait_for(service.app.run(asyncio.Event()), 20)
        assert [one["loop"] for one in lines if one["action"] == "loop-died"] == ["remind"]
        assert not service.app.config.service.socket.exists()


async def test_stopping_does_not_wait_for_the_mailbox(outside: Outside) -> None:
    async with running(outside, prepared=False) as service:
        assert service.app.inbox is not None
        service.app.inbox._idle = timedelta(hours=1)
        async with serving(service):
            pass  # ends within 20 s, of which breaking off would take 8
        row = await service.row("inbox:main")
        assert row is not None
        assert (row.holder, row.deaths) == (None, 0)


async def test_work_that_does_not_end_is_broken_off_and_free(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "DRAIN", timedelta(seconds=0.05))
    async with running(outside, prepared=False, MAIL__COALESCE_SECONDS="0") as service:
        await service.app.prepare()
        entry = await service.plan(await service.owner(), ANNA)
        sending = asyncio.Event()

        async def stuck(mail: Any) -> Any:
            sending.set()
            await asyncio.get_running_loop().create_future()

        assert service.app.mail_out is not None
        service.app.mail_out.send = stuck  # type: ignore[method-assign]
        async with serving(service):
            await asyncio.wait_for(sending.wait(), 10)
        row = await service.row(f"mail:{entry.id}:{ANNA.email}")
        assert row is not None
        assert (row.holder, row.deaths, row.due) == (None, 0, service.clock.now())


async def test_two_services_do_not_share_a_file(outside: Outside) -> None:
    async with running(outside):
        with pytest.raises(Rejected, match="in use"):
            async with running(outside):
                pass


async def test_what_a_dead_process_held_is_free_at_the_next_start(outside: Outside) -> None:
    async with running(outside) as service:
        await service.plan(await service.owner(), ANNA)
        service.clock.move(MINUTE)
        now = service.clock.now()
        claimed = await service.tx(work.claim, work.MAIL, now=now, hold=DAY, most=9, token="dead")
        assert len(claimed.jobs) == 1
    async with running(outside) as service:
        await service.settle()
        assert service.methods(ANNA.email) == ["REQUEST"]


async def test_what_waits_for_a_server_is_tried_at_a_start(outside: Outside) -> None:
    """Whoever corrects a setting and restarts the service does not want to wait for an hour."""
    async with running(outside) as service:
        await service.plan(await service.owner(), ANNA)
        outside.post.reachable = False
        await service.settle(MINUTE)
        for _ in range(8):
            await service.settle(timedelta(hours=1))
    outside.post.reachable = True
    async with running(outside) as service:
        await service.settle()
        assert service.methods(ANNA.email) == ["REQUEST"]


async def test_new_zone_rules_move_reminders_and_write_events_anew(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(outside) as service:
        owner = await service.owner()
        await service.calendar(owner)
        entry = await service.plan(owner, ANNA, remind=True)
        await service.settle(MINUTE)
        writes = outside.calendars.calls.count("update")
    monkeypatch.setattr(zones, "TZDATA_VERSION", "2099z")
    async with running(outside) as service:
        await service.settle(MINUTE)
        assert outside.calendars.calls.count("update") == writes + 1
        assert await service.tx(setting_rows.get, setting_rows.TZDATA) == "2099z"
        assert "zone rules changed" in await service.journal(entry)
        assert len(service.mails(ANNA.email)) == 1


async def test_the_house_is_tidied_once_a_day(outside: Outside) -> None:
    async with running(outside) as service:
        entry = await service.plan(await service.owner())
        await service.do(planner.delete, entry.id)
        await service.settle()
        for _ in range(32):
            await service.settle(DAY)
        found = await service.tx(rows.list_, states=(EntryState.DELETED,))
        assert found == ()


async def test_the_probe_closes_its_connection(outside: Outside) -> None:
    async with running(outside) as service:
        account = CalendarAccount(kind="memory", url="https://calendar.test/", username="alice", password="secret")
        assert (await service.app.probe(account)).product == "memory"


async def test_a_connection_that_cannot_be_closed_is_forgotten_all_the_same() -> None:
    class Broken:
        async def close(self) -> None:
            raise OSError("broken")

    def connecting(account: CalendarAccount) -> Any:
        return Broken()

    connections = CalendarConnections(bytes(32), {"work": "secret"}, connecting)
    calendar = a_calendar(secret="ref:work", capabilities_json='{"addresses": ["mailto:a@x.test"]}')
    assert connections.account(calendar).password == "secret"
    assert connections.addresses(calendar) == ("mailto:a@x.test",)
    first = await connections.of(calendar)
    assert await connections.of(calendar) is first
    await connections.close()
    assert connections._open == {}
    sealed = a_calendar(secret=encrypt(bytes(32), "geheim"))
    assert connections.account(sealed).password == "geheim"


async def test_settings_become_connectors(tmp_path: Path, clock: ManualClock) -> None:
    environ = {
        "SITZUNGSPLANER_SERVICE__DATA_DIR": str(tmp_path / "data"),
        "SITZUNGSPLANER_MAIL__ADDRESS": "planner@example.test",
        "SITZUNGSPLANER_MAIL__SMTP__HOST": "mail.example.test",
        "SITZUNGSPLANER_MAIL__SMTP__SECURITY": "none",
        "SITZUNGSPLANER_MAIL__IMAP__HOST": "mail.example.test",
    }
    config = load_config(environ=environ).config
    assert isinstance(smtp(config), SmtpMail)
    assert isinstance(imap(config), ImapMail)
    assert store_url(config) == "sqlite:///sitzungsplaner.db"
    assert rules(config).organizer.email == "planner@example.test"
    account = CalendarAccount(kind="caldav", url="https://x.test/", username="a", password="")
    connector = connect(account, clock=clock)
    assert isinstance(connector, CalDavConnector)
    await connector.close()
    with pytest.raises(Refused, match="carddav"):
        connect(replace(account, kind="carddav"), clock=clock)
    async with open_app(config, clock=clock) as app:
        assert isinstance(app.mail_out, SmtpMail)
        assert isinstance(app.mail_in, ImapMail)
        assert (tmp_path / "data" / "sitzungsplaner.db").exists()
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


async def test_without_mail_servers_there_is_a_store_and_an_api(tmp_path: Path, clock: ManualClock) -> None:
    config = load_config(environ={"SITZUNGSPLANER_SERVICE__DATA_DIR": str(tmp_path)}).config
    async with open_app(config, clock=clock) as app:
        assert isinstance(app, App)
        assert sorted(app.lanes) == ["calendar", "house"]
        assert app.inbox is None
        assert rules(config).organizer.email == "sitzungsplaner@localhost.invalid"
        await app.prepare()
        await app.settle()
        app._wake()


async def test_a_data_directory_that_cannot_be_made_is_a_problem_of_the_settings(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "file").write_text("")
    config = load_config(environ={"SITZUNGSPLANER_SERVICE__DATA_DIR": str(tmp_path / "file" / "data")}).config
    with pytest.raises(ConfigProblem, match=r"service\.data_dir"):
        async with open_app(config, clock=clock):
            pass


async def test_the_key_may_be_a_credential(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert app_module._credentials() == tmp_path
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert app_module._credentials() is None


async def test_two_services_share_the_work_of_one_postgresql(
    outside: Outside, postgres: Postgres, postgres_template: str
) -> None:
    url = postgres.fresh(postgres_template)
    shared = replace(outside, url=url)
    async with running(shared) as one, running(replace(shared, folder=outside.folder / "two")) as two:
        owner = await one.owner()
        entries = [await one.plan(owner, ANNA, title=f"Termin {at}", when=when(15 + at)) for at in range(8)]
        shared.clock.move(MINUTE)
        await asyncio.gather(one.app.settle(), two.app.settle())
        assert len(entries) == len(shared.post.sent) == 8
        assert len({str(mail["Message-ID"]) for mail in one.mails()}) == 8
        # A holder that died: the other one takes over when its hold has run out.
        late = await one.plan(owner, ANNA, title="Spät", when=when(28))
        shared.clock.move(MINUTE)
        now = shared.clock.now()
        await one.tx(work.claim, work.MAIL, now=now, hold=MINUTE, most=9, token="dead")
        await two.settle()
        assert len(shared.post.sent) == 8
        await two.settle(MINUTE)
        assert len(shared.post.sent) == 9
        assert await one.row(f"mail:{late.id}:{ANNA.email}") is None
    postgres.drop(url)


async def test_the_service_runs_on_postgresql_with_its_listener(
    outside: Outside, postgres: Postgres, postgres_template: str
) -> None:
    url = postgres.fresh(postgres_template)
    async with running(replace(outside, url=url), prepared=False) as service, serving(service):
        assert service.app.config.service.socket.exists()
    postgres.drop(url)


async def test_pages_and_deliveries_are_served_where_the_settings_say(outside: Outside) -> None:
    port, path = free_port(), outside.folder / "lmtp.sock"
    settings = {
        "WEB__LISTEN": f"127.0.0.1:{port}",
        "WEB__URL": "https://planer.test",
        "MAIL__LMTP__LISTEN": str(path),
    }

    def greeting() -> bytes:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(str(path))
            return connection.recv(100)

    async with running(outside, prepared=False, **settings) as service, serving(service):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as browser:
            assert (await browser.get("/a/x")).status_code == 404
            assert (await browser.get("/api/v1/entries")).headers["content-type"].startswith("text/html"), "no API here"
        assert (await asyncio.to_thread(greeting)).startswith(b"220 ")
        assert stat.S_IMODE(path.stat().st_mode) == GROUP_ONLY
    assert not path.exists()


async def test_without_settings_there_is_no_page_no_link_and_no_door_for_mails(service: Service) -> None:
    assert service.app.config.web.address is None
    assert service.app.config.mail.lmtp.address is None
    assert service.app.desk.links is None
