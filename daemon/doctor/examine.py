"""The examination: all that can be asked is asked side by side, and the trouble of one server hides no other's.

Not here: what is wrong with the settings themselves, and whether the service runs (`configuration`); whoever asks knows that.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from daemon.config import Config
from daemon.core.errors import SitzungsplanerError
from daemon.core.organizer import OrganizerForm
from daemon.doctor.calendars import Asking, ask_calendars, chosen, judge_calendar, left_out
from daemon.doctor.clock import Times, judge_clock, system_rules
from daemon.doctor.dns import Dns, SystemDns
from daemon.doctor.domain import Domain, ask_domain, ask_owners, judge_domain, judge_owners, public
from daemon.doctor.findings import Field, Finding, Level, ordered
from daemon.doctor.mail import Met, judge_imap, judge_smtp, meet
from daemon.doctor.place import Place, judge_place, look_at_place
from daemon.doctor.round_trip import judge_trip, make_trip
from daemon.doctor.store import OVERDUE, judge_store, unusable
from daemon.logs import get_logger
from daemon.ports import CalendarAccount, CalendarConnector, Clock, MailIn, MailOut
from daemon.store import inbox
from daemon.store import owners as owner_rows
from daemon.store.condition import Condition, look
from daemon.store.engine import Store

log = get_logger("doctor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the examination works with, from the composition root.

    `store` None: there is none to look at, and whoever opened it says why. `mail_out` and `mail_in` make connections of the
    doctor's own; None: none is set, or its settings are broken. `domain`: the sender's, "" where it is not to be asked about.
    `running`: a service works on the queue. `references` are the passwords that calendars name by `ref:NAME`.
    """

    config: Config
    clock: Clock
    dns: Dns
    store: Store | None
    running: bool
    connecting: Callable[[CalendarAccount], CalendarConnector]
    mail_out: Callable[[], MailOut] | None = None
    mail_in: Callable[[], MailIn | None] | None = None
    domain: str = ""
    credentials: Path | None = None
    references: Mapping[str, str] = field(default_factory=dict, repr=False)
    patience: timedelta = timedelta(seconds=20)
    trip_patience: timedelta = timedelta(seconds=60)


def means_for(
    config: Config,
    *,
    clock: Clock,
    store: Store | None,
    running: bool,
    smtp: Callable[[Config], MailOut],
    imap: Callable[[Config], MailIn | None],
    connecting: Callable[[CalendarAccount], CalendarConnector],
    broken: Callable[..., bool] = lambda *_: False,
) -> Means:
    """Return what to work with. `broken(section)`: the settings there cannot be used, and what needs them is not asked."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    return Means(
        config=config,
        clock=clock,
        dns=SystemDns(),
        store=store,
        running=running,
        connecting=connecting,
        mail_out=partial(smtp, config) if config.mail.smtp.host and not broken("mail.smtp") else None,
        mail_in=partial(imap, config) if config.mail.imap.host and not broken("mail.imap") else None,
        domain="" if broken("mail.address") else config.mail.address.rpartition("@")[2],
        credentials=Path(credentials) if credentials else None,
        references=config.calendars.references,
    )


async def examine(means: Means, *, quick: bool) -> tuple[Finding, ...]:
    """Return everything that was found, ordered. `quick`: no mail is sent, and the database's pages are not read."""
    loop = asyncio.get_running_loop()
    began, steady = means.clock.now(), loop.time()
    place = await asyncio.to_thread(look_at_place, means.config.service.data_dir, means.credentials)
    stored, condition = await _guarded(Field.STORE, _store(means, place, quick=quick))
    (mail, apart), (calendars, _), (domain, _) = await asyncio.gather(
        _guarded(Field.MAIL, _mail(means, quick=quick)),
        _guarded(Field.CALENDARS, _calendars(means, condition, place)),
        _guarded(Field.DOMAIN, _domain(means)),
    )
    times = Times(
        now=means.clock.now(),
        passed=means.clock.now() - began,
        steady=timedelta(seconds=loop.time() - steady),
        mail_apart=apart,
        stored=condition.tzdata if condition else None,
        system=await asyncio.to_thread(system_rules),
    )
    return ordered((*judge_place(place), *stored, *mail, *calendars, *domain, *judge_clock(times)))


T = TypeVar("T")
Part = tuple[tuple[Finding, ...], T | None]  # what was found, and what others need to know of it


async def _guarded(about: Field, looking: Awaitable[Part[T]]) -> Part[T]:
    try:
        return await looking
    except Exception as error:  # a fault of ours in one field must not hide the others
        log.exception("a part could not be examined", action="bug", field=about.value)
        text = f"This could not be examined to its end: a fault of sitzungsplaner, not yours ({type(error).__name__})."
        remedy = "Report it, with what the service's log says about it."
        return (Finding(level=Level.PROBLEM, field=about, what=text, remedy=remedy),), None


async def _store(means: Means, place: Place, *, quick: bool) -> Part[Condition]:
    if means.store is None:
        return (), None
    try:
        condition = await asyncio.to_thread(look, means.store, integrity=not quick, overdue=OVERDUE)
    except SitzungsplanerError as error:
        return (unusable(error),), None
    now = means.clock.now()
    return judge_store(condition, now=now, running=means.running, file_system=place.file_system), condition


async def _calendars(means: Means, condition: Condition | None, place: Place) -> Part[None]:
    known, rest = chosen(condition.calendars if condition else ())
    asking = Asking(connecting=means.connecting, key=place.key, references=means.references, patience=means.patience)
    seen = await ask_calendars(known, asking)
    now = means.clock.now()
    judged = (judge_calendar(one, what, now=now) for one, what in zip(known, seen, strict=True))
    return (*(finding for part in judged for finding in part), *left_out(rest)), None


async def _domain(means: Means) -> Part[None]:
    of_owners = await _owners(means)
    if not means.domain:
        return of_owners, None
    asked = await ask_domain(means.domain, means.dns) if public(means.domain) else Domain(name=means.domain)
    return (*judge_domain(asked), *of_owners), None


async def _owners(means: Means) -> tuple[Finding, ...]:
    if means.config.mail.organizer is not OrganizerForm.OWNER or means.store is None:
        return ()
    try:
        owners = await means.store.run(owner_rows.all_)
    except SitzungsplanerError:  # what is wrong with the store is said there
        return ()
    return judge_owners(await ask_owners((one.email for one in owners), means.dns))


async def _mail(means: Means, *, quick: bool) -> Part[timedelta]:
    """The findings, and how far the mail server's clock is from ours, where a mail told."""
    async with AsyncExitStack() as stack:
        out = means.mail_out() if means.mail_out else None
        box = means.mail_in() if means.mail_in else None
        for one in (out, box):
            if one is not None:
                stack.push_async_callback(one.close)
        met_out, met_in = await asyncio.gather(_met(out, means), _met(box, means))
        now = means.clock.now()
        findings: tuple[Finding, ...] = ()
        if met_out is not None:
            findings += judge_smtp(means.config.mail.smtp, met_out, now=now)
        if met_in is not None:
            findings += judge_imap(means.config.mail.imap, met_in, now=now)
        if quick or not out or not box or not _both(met_out, met_in) or not means.config.mail.address:
            return findings, None
        trip = await make_trip(
            means.config.mail.address,
            out,
            box,
            after=met_in.server.newest if met_in and met_in.server else None,
            clock=means.clock,
            arrived=lambda message_id: _taken_in(means.store, message_id),
            patience=means.trip_patience,
        )
        return (*findings, *judge_trip(trip, patience=means.trip_patience)), trip.apart


async def _met(server: MailOut | MailIn | None, means: Means) -> Met | None:
    return await meet(server.probe(), patience=means.patience) if server else None


def _both(*met: Met | None) -> bool:
    return all(one is not None and one.server is not None for one in met)


async def _taken_in(store: Store | None, message_id: str) -> datetime | None:
    """When the mail was received, if the service itself has read it."""
    if store is None:
        return None

    def read(tx: Connection) -> datetime | None:
        return next((one.received for one in inbox.list_(tx, limit=50) if one.message_id == message_id), None)

    try:
        return await store.run(read)
    except SitzungsplanerError:
        return None  # that the store has trouble is told already
