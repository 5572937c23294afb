"""Owners' calendars: what a look at each server found, how it stands with the last sync, and settings that contradict it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from daemon.core.calendars import CalendarState
from daemon.core.errors import Refused, SitzungsplanerError, Unreachable
from daemon.core.model import Sender
from daemon.doctor.findings import Field, Finding, Level, told
from daemon.ports import CalendarAccount, CalendarConnector, Capabilities
from daemon.secrets import KEY_NAME, decrypt
from daemon.store.condition import CalendarCondition

_found = partial(Finding, field=Field.CALENDARS)
_AT_ONCE = 8
MOST = 100  # calendars that are asked
_LONG = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What came of asking a calendar's server: what it does, or why that cannot be told."""

    capabilities: Capabilities | None = None
    trouble: str = ""
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What is needed to ask: connectors, the service key (None: there is none), the configuration's passwords, patience."""

    connecting: Callable[[CalendarAccount], CalendarConnector]
    key: bytes | None
    references: Mapping[str, str]
    patience: timedelta


def chosen(known: Sequence[CalendarCondition]) -> tuple[tuple[CalendarCondition, ...], int]:
    """Return the calendars that are asked, those with known trouble first, and how many are left out."""
    by_need = sorted(known, key=lambda one: one.calendar.state is CalendarState.OK and not one.refused)
    return tuple(by_need[:MOST]), max(0, len(by_need) - MOST)


async def ask_calendars(known: Sequence[CalendarCondition], asking: Asking) -> tuple[Seen, ...]:
    """Ask each calendar's server, several at a time; the trouble of one is its own."""
    slots = asyncio.Semaphore(_AT_ONCE)
    # Two looks at one and the same calendar would meet each other's trial event.
    turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def one(condition: CalendarCondition) -> Seen:
        async with turns[condition.calendar.url], slots:
            return await _ask(condition, asking)

    return tuple(await asyncio.gather(*map(one, known)))


async def _ask(condition: CalendarCondition, asking: Asking) -> Seen:
    connector = None
    try:
        connector = asking.connecting(_account(condition, asking))
        async with asyncio.timeout(asking.patience.total_seconds()):
            return Seen(capabilities=await connector.probe())
    except TimeoutError:
        return Seen(trouble=f"The server did not answer within {asking.patience.total_seconds():g} seconds.")
    except Unreachable as error:
        return Seen(trouble=str(error))
    except SitzungsplanerError as error:
        return Seen(trouble=str(error), refused=True)
    finally:
        if connector is not None:
            await connector.close()


def _account(condition: CalendarCondition, asking: Asking) -> CalendarAccount:
    calendar = condition.calendar
    if asking.key is None and calendar.secret.startswith("enc:"):
        raise Refused(
            f"The password of this calendar was encrypted under a service key that is not here. Bring back {KEY_NAME}, or "
            "remove the calendar and add it again."
        )
    return CalendarAccount(
        kind=calendar.kind,
        url=calendar.url,
        username=calendar.username,
        password=decrypt(asking.key or b"", calendar.secret, asking.references),
        headers=calendar.headers,
    )


def judge_calendar(known: CalendarCondition, seen: Seen, *, now: datetime) -> tuple[Finding, ...]:
    """Return a finding for each thing to be said about one calendar."""
    here = partial(_found, where=f"{known.calendar.name} ({known.owner})")
    findings = _judge_state(known, seen, here, now)
    if seen.capabilities is not None:
        findings += _judge_abilities(known, seen.capabilities, here)
    if known.refused:
        events = "One event was" if known.refused == 1 else f"{known.refused:,} events were"
        text = f"{events} refused by the server and not written."
        findings.append(here(level=Level.PROBLEM, what=text, remedy="entry show says why; then change the entry, or sync again."))
    if not any(one.level in (Level.WARNING, Level.PROBLEM) for one in findings) and seen.capabilities is not None:
        findings.append(here(level=Level.OK, what=_praise(known, seen.capabilities)))
    return tuple(findings)


def left_out(count: int) -> tuple[Finding, ...]:
    """Say how many calendars were not asked."""
    if not count:
        return ()
    text = f"{count:,} calendars without known trouble were not asked: {MOST} are at a time."
    return (_found(level=Level.NOTE, what=text),)


Here = Callable[..., Finding]


def _judge_state(known: CalendarCondition, seen: Seen, here: Here, now: datetime) -> list[Finding]:
    calendar = known.calendar
    if seen.refused:
        what, remedy = told(seen.trouble, "Give the right address and password: calendar remove, then calendar add.")
        return [here(level=Level.PROBLEM, what=what, remedy=remedy)]
    if seen.capabilities is None:
        what, remedy = told(seen.trouble, "Wait for the server, which is tried again by itself, or check its address.")
        since = calendar.checked
        long = since is None or now - since > _LONG
        last = f"it last answered on {since:%Y-%m-%d at %H:%M} UTC" if since else "it never answered so far"
        waits = f", and {known.waiting:,} changes wait" if known.waiting else ""
        return [here(level=Level.PROBLEM if long else Level.WARNING, what=f"{what} ({last}{waits}.)", remedy=remedy)]
    if calendar.state is CalendarState.REFUSED:
        what, _ = told(calendar.error, "")
        remedy = f"If that is over, run: sitzungsplaner calendar sync “{calendar.name}”"
        return [here(level=Level.PROBLEM, what=f"It is not followed any more: {what}", remedy=remedy)]
    if calendar.state is CalendarState.UNREACHABLE:
        text = "The server answers again; the service catches up at its next try."
        return [here(level=Level.NOTE, what=text, remedy=f"Or at once: sitzungsplaner calendar sync “{calendar.name}”")]
    return []


def _judge_abilities(known: CalendarCondition, able: Capabilities, here: Here) -> list[Finding]:
    findings = []
    again = "calendar remove, then calendar add --sender"
    if known.calendar.sender is Sender.CALENDAR and not able.schedules:
        text = "The calendar is to send the invitations, but its server does not: nobody is invited."
        findings.append(here(level=Level.PROBLEM, what=text, remedy=f"Make the planner the sender: {again} planner."))
    if known.calendar.sender is Sender.PLANNER and able.schedules:
        if able.foreign_organizer_quiet is False and able.honours_client_agent is False:
            text = "The server mails attendees although the planner does: they get everything twice."
            findings.append(here(level=Level.PROBLEM, what=text, remedy=f"Make the calendar the sender: {again} calendar."))
        else:
            text = "The server could send invitations itself; the planner does, as is set."
            findings.append(here(level=Level.NOTE, what=text))
    if not able.writable:
        text = "The calendar may only be read."
        remedy = f"Give “{known.calendar.username}” the right to write it." if known.calendar.username else "Make it writable."
        findings.append(here(level=Level.PROBLEM, what=text, remedy=remedy))
    if not able.honours_if_match:
        text = "The server overwrites what was changed meanwhile (it ignores If-Match): changes made at once may get lost."
        findings.append(here(level=Level.NOTE, what=text, remedy="Upgrade the server."))
    if not able.sync_collection:
        text = "The server cannot tell what changed (no sync-collection): every look reads the whole list."
        findings.append(here(level=Level.NOTE, what=text, remedy="Upgrade the server, or set a longer calendars.poll_seconds."))
    return findings


def _praise(known: CalendarCondition, able: Capabilities) -> str:
    sends = "invites by itself" if able.schedules else "sends no invitations"
    follows = "tells what changed" if able.sync_collection else "is read as a whole"
    checked = known.calendar.checked
    last = f", last synced {checked:%Y-%m-%d %H:%M} UTC" if checked else ", not synced yet"
    sender = "the calendar" if known.calendar.sender is Sender.CALENDAR else "the planner"
    return f"{able.product or 'The server'} answers, {sends}, {follows}{last}. Invitations come from {sender}."
