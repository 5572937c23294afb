"""What the service owes itself: forgetting what is over, and new instants when the zone rules change."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import Connection

from daemon.core import zones
from daemon.core.calendars import CalendarState
from daemon.core.errors import Rejected
from daemon.core.model import Entry, EntryState
from daemon.planner.causes import calendar_key, commit, mail_key, people, sync_now
from daemon.planner.wishes import Desk
from daemon.store import calendars as calendar_rows
from daemon.store import entries as rows
from daemon.store import messages as message_rows
from daemon.store import numbers as number_rows
from daemon.store import owners as owner_rows
from daemon.store import settings as setting_rows
from daemon.store import work

HOUSE_KEY = "house:daily"
_MOURNING = timedelta(days=30)
_ORPHANED = timedelta(days=1)
_ALL = 1_000_000


def tidy(tx: Connection, desk: Desk) -> tuple[int, int]:
    """Free numbers whose quarantine is over, and forget deleted entries nobody is owed anything about.

    Returns how many of each. Messages whose work was taken away while they were on their way are given up after a day: nobody
    sends them any more, and nobody is to take them for waiting.
    """
    now = desk.clock.now()
    for message_id in message_rows.orphans(tx, until=now - _ORPHANED):
        message_rows.drop(tx, message_id, reason="not sent; nobody asks for it any more")
    freed = number_rows.release_expired(tx, now)
    old = [one for one in _deleted(tx) if one.modified <= now - _MOURNING and not _owes(tx, one)]
    for entry in old:
        rows.purge(tx, entry.id)
    return freed, len(old)


def bury(tx: Connection, tombstone: Entry) -> None:
    """Forget a deleted entry now. Raises Rejected while somebody is still to be told of the cancellation."""
    if _owes(tx, tombstone):
        raise Rejected(
            f"The cancellation of “{tombstone.title}” is still being delivered. Try again when `work list` shows nothing of it."
        )
    rows.purge(tx, tombstone.id)


def zone_data_changed(tx: Connection, desk: Desk) -> int:
    """If the zone rules are others than last time, derive every coming entry's instants anew. Returns how many entries that were.

    Wall times are the truth (design 4.6): reminders move with their sessions. Nobody is mailed, since nobody sees another time.
    """
    before = setting_rows.get(tx, setting_rows.TZDATA)
    if before == zones.TZDATA_VERSION:
        return 0
    setting_rows.put(tx, setting_rows.TZDATA, zones.TZDATA_VERSION)
    if before is None:
        return 0
    moved = 0
    for entry in rows.list_(tx, states=(EntryState.PLANNED,), limit=_ALL):
        if entry.when is not None:
            owner = owner_rows.get(tx, entry.owner)
            commit(tx, desk, entry, entry, owner, calendar=None, action="zone rules changed", bulk=True, anew=True)
            moved += 1
    return moved


def follow_calendars(tx: Connection, desk: Desk) -> None:
    """At a start: every calendar is looked at again, also one whose row was dropped, or that refused us before."""
    known = {one.key for one in work.list_(tx, kind=work.CALENDAR, limit=_ALL)}
    for calendar in calendar_rows.all_(tx):
        if calendar.state is CalendarState.REFUSED or calendar_key(calendar.id) not in known:
            sync_now(tx, calendar, now=desk.clock.now())


def _deleted(tx: Connection) -> Iterable[Entry]:
    return rows.list_(tx, states=(EntryState.DELETED,), limit=_ALL)


def _owes(tx: Connection, entry: Entry) -> bool:
    told = {one.attendee for one in message_rows.all_sent(tx, entry.id)} | set(people(entry))
    if any(link.dirty for link in calendar_rows.links_of(tx, entry.id)):
        return True
    return bool(work.of_keys(tx, [mail_key(entry.id, email) for email in told]))
