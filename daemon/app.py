"""The composition root: settings → store, connectors (`connections`), planner, loops, API.

`open_app` gives the whole service (`App.run`) or, for a command without a running service, just its API on the same store.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from daemon import config as settings
from daemon.clock import SystemClock
from daemon.connections import CalendarConnections, Connecting, connect, imap, lmtp, smtp
from daemon.core.errors import ConfigProblem
from daemon.core.itip import AnswerRules
from daemon.core.model import Organizer
from daemon.core.retry import Limits
from daemon.core.tokens import Links
from daemon.logs import get_logger
from daemon.loops.calendar import CalendarWorker
from daemon.loops.holds import Holds
from daemon.loops.house import HouseKeeper
from daemon.loops.inbox import INBOX_KEY, InboxReader
from daemon.loops.intake import Intake
from daemon.loops.lane import Handler, Lane, Servers
from daemon.loops.mail import Mailer
from daemon.loops.measure import measured
from daemon.metrics import Metrics
from daemon.notify import Notifier
from daemon.planner import notices, upkeep
from daemon.planner.wishes import Desk, Rules
from daemon.ports import CalendarAccount, Capabilities, Clock, MailIn, MailOut
from daemon.reader import Reader, Reads
from daemon.render import Renderer
from daemon.resources import template_folders
from daemon.secrets import load_key
from daemon.store import admin, lock, work
from daemon.store.engine import PATIENCE, Store, file_of, open_store
from daemon.supervisor import Service, supervise
from daemon.watchdog import Watchdog

log = get_logger("service")

DRAIN = timedelta(seconds=8)


def rules(config: settings.Config) -> Rules:
    """Return what the use cases decide by."""
    return Rules(
        organizer=Organizer(email=config.mail.address or "sitzungsplaner@localhost.invalid", name=config.mail.name),
        organizer_form=config.mail.organizer,
        private_guests=config.mail.private_guests,
        bounces=config.mail.bounces,
        link_template=config.meeting.link,
        dial_in=config.meeting.dial_in,
        coalesce=config.mail.coalesce,
        reminders=config.reminders.offsets,
        quarantine=config.numbers.quarantine,
        poll=config.calendars.poll,
        alarm=config.calendars.alarm,
        language=config.service.language,
        zone=config.service.timezone,
        answers=AnswerRules(
            authserv_id=config.mail.answers.authserv_id,
            authenticity=config.mail.answers.authenticity,
            uninvited=config.mail.answers.uninvited,
        ),
        limits=Limits(give_up=config.work.give_up, tries=config.work.tries),
    )


def store_url(config: settings.Config) -> str:
    """Return the database's URL: the set one, or SQLite in the data directory."""
    return config.store.url.get_secret_value() or "sqlite:///sitzungsplaner.db"


@dataclass(kw_only=True)
class App:
    """The service, put together. Made by `open_app`."""

    config: settings.Config
    store: Store
    desk: Desk
    key: bytes
    renderer: Renderer
    connecting: Connecting
    connections: CalendarConnections
    holds: Holds
    lanes: dict[str, Lane]
    mail_out: MailOut | None
    mail_in: MailIn | None
    inbox: InboxReader | None
    intake: Intake
    read: Reads
    metrics: Metrics
    notifier: Notifier
    watchdog: Watchdog
    runs: bool = False

    def api(self) -> Any:
        """Return the ASGI application over this store (design 4.10)."""
        from daemon.web.app import build_app
        from daemon.web.context import Context

        return build_app(
            Context(
                store=self.store,
                desk=self.desk,
                key=self.key,
                references=self.config.calendars.references,
                renderer=self.renderer,
                probe=self.probe,
                examine=self.examine,
                read=self.read,
                status=self.status,
                trusted=True,
            )
        )

    async def probe(self, account: CalendarAccount) -> Capabilities:
        """Look at what a calendar server really does. Raises Unreachable or Refused."""
        connector = self.connecting(account)
        try:
            return await connector.probe()
        finally:
            await connector.close()

    async def examine(self, quick: bool) -> list[dict[str, str]]:
        """Look at everything this service depends on, over connections of the doctor's own."""
        from daemon.doctor import examine, means_for

        given = means_for(
            self.config, clock=self.desk.clock, store=self.store, running=True, smtp=smtp, imap=imap, connecting=self.connecting
        )
        return [one.as_mapping() for one in await examine(given, quick=quick)]

    def reload(self, read: settings.Config) -> settings.TakenOver:
        """Go on with what may be taken over from the configuration as it was read again, without its secrets."""
        taken = settings.take_over(self.config, read)
        self.config = taken.config
        self.desk.rules = rules(taken.config)
        return taken

    def status(self) -> Mapping[str, Any]:
        """What this process is doing: its lanes and whether each one's server answers. Nothing where no service runs."""
        return {"loops": {name: lane.state() for name, lane in self.lanes.items()}} if self.runs else {}

    async def prepare(self) -> None:
        """Before the loops start: free what a dead process held, put down the periodic duties, heed new zone rules."""
        now = self.desk.clock.now()

        def ready(tx: Any) -> int:
            if self.store.is_sqlite:
                work.free_all(tx)
            work.put(tx, key=upkeep.HOUSE_KEY, kind=work.HOUSE, due=now)
            if self.inbox is not None:
                work.put(tx, key=INBOX_KEY, kind=work.INBOX, due=now)
            for kind in self.lanes:  # a server or a password may be another one than before
                work.hasten(tx, kind, now=now)
            upkeep.follow_calendars(tx, self.desk)
            return upkeep.zone_data_changed(tx, self.desk)

        moved = await self.store.run(ready)
        if moved:
            log.warning("the zone rules have changed; coming sessions were derived anew", action="zone-rules", entries=moved)

    async def settle(self) -> None:
        """Do everything that is due, until nothing is: the whole service in step with a clock that a test moves."""
        while True:
            started = [await lane.run_once() for lane in self.lanes.values()]
            if not any(started):
                return
            for lane in self.lanes.values():
                await lane.settle()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set; then let what runs come to its end. Raises ExceptionGroup if a loop dies."""
        await self.prepare()
        self.runs = True
        self.holds.start()
        services: dict[str, Service] = {"api": self._serve, "watchdog": partial(self.watchdog.run, stop)}
        if self.config.health.address is not None:
            services["health"] = partial(self._serve_health, self.config.health.address)
        if self.config.mail.lmtp.address is not None:
            services["lmtp"] = partial(self._serve_lmtp, self.config.mail.lmtp.address)
        if self.config.web.address is not None:
            services["pages"] = partial(self._serve_pages, self.config.web.address)
        if not self.store.is_sqlite:
            services["listener"] = self.store.listen
        log.info("the service runs", action="started", store=self.store.url.get_backend_name(), pid=os.getpid())
        try:
            await supervise(self.lanes, services, stop=stop, wake=self._wake, drain=DRAIN)
        finally:
            self.holds.stop()
        log.info("stopped", action="stopped")

    def _wake(self) -> None:
        self.store.ring()
        if self.inbox is not None:
            self.inbox.end()

    async def _serve(self) -> None:
        from daemon.web.socket import serve

        await serve(self.api(), self.config.service.socket, group=self.config.service.socket_group)

    async def _serve_pages(self, address: tuple[str, int]) -> None:
        from daemon.web.pages import serve_pages

        await serve_pages(self.store, self.desk, self.renderer, address, proxies=self.config.web.proxies)

    async def _serve_lmtp(self, address: tuple[str, int] | Path) -> None:
        from daemon.web.socket import listen_tcp, listening_unix

        door = lmtp(self.config, self.intake.delivered)
        setting = "mail.lmtp.listen"
        if isinstance(address, Path):
            with listening_unix(address, self.config.mail.lmtp.socket_group, setting=setting) as listener:
                await door.serve(listener)
        else:
            await door.serve(listen_tcp(address, setting=setting))

    async def _serve_health(self, address: tuple[str, int]) -> None:
        from daemon.web.health import Health, serve_health

        health = Health(
            store=self.store,
            metrics=self.metrics,
            lanes=self.watchdog.lanes,
            stuck=self.watchdog.stuck,
            started=lambda: self.watchdog.started,
        )
        await serve_health(health, address)


@asynccontextmanager
async def open_app(
    config: settings.Config,
    *,
    clock: Clock | None = None,
    mail_out: MailOut | None = None,
    mail_in: MailIn | None = None,
    idle: timedelta | None = None,
    connecting: Connecting | None = None,
    read: Reads | None = None,
) -> AsyncIterator[App]:
    """Open store and connectors, and put everything together. What can be None is the tests' own.

    Raises ConfigProblem, Unreachable (no database), Rejected (the database is in use by another process).
    """
    clock = clock or SystemClock()
    url, data_dir = store_url(config), config.service.data_dir
    async with AsyncExitStack() as stack:
        file = file_of(url, data_dir)
        if file is not None:
            _make_data_dir(config)
            stack.enter_context(lock.hold(file))
        key = load_key(data_dir, _credentials())
        admin.upgrade(url, data_dir=data_dir, clock=clock, held=file is not None)
        store = open_store(url, clock=clock, data_dir=data_dir, threads=config.store.threads)
        stack.callback(store.close)
        desk = Desk(clock=clock, rules=rules(config), links=Links(url=config.web.url, key=key) if config.web.url else None)
        renderer = Renderer(template_folders())
        connecting = connecting or partial(connect, clock=clock)
        connections = CalendarConnections(key, config.calendars.references, connecting)
        stack.push_async_callback(connections.close)
        mail_out = mail_out or (smtp(config) if config.mail.smtp.host else None)
        mail_in = mail_in or imap(config)
        for one in (mail_out, mail_in):
            if one is not None:
                stack.push_async_callback(one.close)
        inbox, metrics = None, Metrics(store=store.url.get_backend_name())
        if read is None:
            reader = Reader()
            stack.callback(reader.close)
            read = reader.read
        intake = Intake(store, desk, metrics, read)
        if mail_in is not None:
            folder = config.mail.imap.folder_processed
            inbox = InboxReader(store, desk, mail_in, intake, folder=folder, idle=config.mail.imap.idle if idle is None else idle)
        holds, notifier = Holds(store, clock, config.work.hold), Notifier.of(os.environ)
        lanes: dict[str, Lane] = {}
        app = App(
            config=config,
            store=store,
            desk=desk,
            key=key,
            renderer=renderer,
            connecting=connecting,
            connections=connections,
            holds=holds,
            lanes=lanes,
            mail_out=mail_out,
            mail_in=mail_in,
            inbox=inbox,
            intake=intake,
            read=read,
            metrics=metrics,
            notifier=notifier,
            watchdog=Watchdog(lanes, notifier, metrics, patience=PATIENCE, excused=lambda: store.occupied),
        )
        lanes.update(_lanes(app))
        yield app


def _lanes(app: App) -> dict[str, Lane]:
    hands = app.config.work.lanes
    handlers: dict[str, tuple[Handler, int]] = {
        work.CALENDAR: (CalendarWorker(app.store, app.desk, app.connections).handle, hands.calendar),
        work.HOUSE: (HouseKeeper(app.store, app.desk).handle, 1),
    }
    if app.mail_out is not None:
        mailer = Mailer(app.store, app.desk, app.renderer, app.mail_out, app.metrics)
        handlers[work.MAIL] = (mailer.handle, hands.mail)
        handlers[work.BULK] = (mailer.handle, hands.bulk)
        handlers[work.REMIND] = (mailer.handle, hands.remind)
    if app.inbox is not None:
        handlers[work.INBOX] = (app.inbox.handle, 1)
    post = Servers(kinds=(work.MAIL, work.BULK, work.REMIND))
    servers = dict.fromkeys(post.kinds, post) | {work.CALENDAR: Servers(kinds=(work.CALENDAR,), shared=False)}
    return {
        kind: Lane(
            app.store,
            app.desk.clock,
            app.holds,
            measured(handle, app.metrics, kind),
            kind=kind,
            hands=count,
            limits=app.desk.rules.limits,
            on_park=partial(notices.parked, app.desk),
            servers=servers.get(kind),
        )
        for kind, (handle, count) in handlers.items()
    }


def _make_data_dir(config: settings.Config) -> None:
    folder = config.service.data_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        remedy = "Choose another directory, or run this as the service's user."
        raise ConfigProblem((f"service.data_dir: {folder} cannot be made ({error.strerror}). {remedy}",)) from error


def _credentials() -> Path | None:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(folder) if folder else None
