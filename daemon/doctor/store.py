"""The database: reachable, sound, of this version, on a fit disk, its clock right, its queue moving."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from daemon.core.errors import ConfigProblem, Rejected, SitzungsplanerError
from daemon.doctor.findings import Field, Finding, Level, told
from daemon.doctor.place import NETWORK
from daemon.ports import Clock
from daemon.store import lock
from daemon.store.condition import Condition
from daemon.store.engine import Store, file_of, open_store

_found = partial(Finding, field=Field.STORE, where="store.url")
OVERDUE = timedelta(hours=1)
_FAULTY_FROM, _FIXED_IN = (3, 7, 0), (3, 51, 3)  # the WAL-reset fault
_OLDEST_POSTGRES = (14,)
_CLOCKS_APART = timedelta(seconds=5)  # beyond it daemons take each other's work
_MANY_DEAD, _DEAD_SHARE = 10_000, 5
_FILLFACTOR = "fillfactor=70"
_BACKUP = "Stop the service, keep a copy of its files, and restore the newest good backup."


@contextmanager
def opened(url: str, data_dir: Path, clock: Clock) -> Iterator[Store | Finding]:
    """Open the database as it is, neither made nor upgraded, under the file's lock; a finding where that is not possible."""
    with ExitStack() as stack:
        yield _opened(stack, url, data_dir, clock)


def _opened(stack: ExitStack, url: str, data_dir: Path, clock: Clock) -> Store | Finding:
    try:
        file = file_of(url, data_dir)
        if file is not None and not file.exists():
            return _found(level=Level.NOTE, what=f"There is no database at {file} yet. The service makes it when it starts.")
        if file is not None:
            stack.enter_context(lock.hold(file))
        store = open_store(url, clock=clock, data_dir=data_dir)
    except Rejected as error:
        what, remedy = told(str(error), "Try again when the other command is done.")
        return _found(level=Level.WARNING, what=what, remedy=remedy)
    except (SitzungsplanerError, OSError) as error:
        return unusable(error)
    stack.callback(store.close)
    return store


def unusable(error: Exception) -> Finding:
    """Return the finding for a database that cannot be used."""
    text = error.problems[0].partition(": ")[2] if isinstance(error, ConfigProblem) else str(error)
    what, remedy = told(text, "Check store.url, and that the database server runs.")
    return _found(level=Level.PROBLEM, what=what, remedy=remedy)


def judge_store(found: Condition, *, now: datetime, running: bool, file_system: str) -> tuple[Finding, ...]:
    """Return a finding for each thing to be said about the database. `running`: a service works on its queue."""
    findings = [_revision(found), *_damage(found)]
    findings += _sqlite(found, file_system) if found.sqlite else _postgres(found)
    if found.current:
        findings += _queue(found, now, running=running)
    return tuple(findings)


def _revision(found: Condition) -> Finding:
    name = f"{'SQLite' if found.sqlite else 'PostgreSQL'} {'.'.join(map(str, found.version))}"
    if found.newer:
        return _found(
            level=Level.PROBLEM,
            what=f"The database was made by a newer version of this service (revision {found.revision}).",
            remedy="Install the newer version, or restore a backup of before its upgrade.",
        )
    if found.revision is None:
        text = f"The database has no tables yet ({name}). The service makes them when it starts."
        return _found(level=Level.NOTE, what=text)
    if not found.current:
        return _found(
            level=Level.WARNING,
            what=f"The tables are of revision {found.revision}, this version's of {found.head}.",
            remedy="Start the service, which upgrades them, or run: sitzungsplaner db upgrade",
        )
    at = f" in {found.file}" if found.file else ""
    return _found(level=Level.OK, what=f"The database answers: {name}{at}, tables of this version.")


def _damage(found: Condition) -> list[Finding]:
    if found.damage is None:
        return []
    if found.damage:
        return [_found(level=Level.PROBLEM, what=f"The file is damaged: {one}.", remedy=_BACKUP) for one in found.damage]
    return [_found(level=Level.OK, what="No damage was found in the file, and no reference that leads nowhere.")]


def _sqlite(found: Condition, file_system: str) -> list[Finding]:
    findings = []
    if file_system in NETWORK:
        findings.append(
            _found(
                level=Level.PROBLEM,
                what=f"The database file lies on another machine's disk ({file_system}), where its locks cannot be trusted.",
                remedy="Set service.data_dir to a local disk, or use PostgreSQL.",
            )
        )
    if _FAULTY_FROM <= found.version < _FIXED_IN:
        version = ".".join(map(str, found.version))
        findings.append(
            _found(
                level=Level.NOTE,
                what=f"SQLite {version} can damage a file that two programs write at once (fixed in 3.51.3). "
                "The service writes alone, under a lock.",
                remedy="Let no other program open the file; copy it by sitzungsplaner db backup.",
            )
        )
    return findings


def _postgres(found: Condition) -> list[Finding]:
    findings = []
    if found.version < _OLDEST_POSTGRES:
        version = ".".join(map(str, found.version))
        findings.append(
            _found(
                level=Level.WARNING,
                what=f"PostgreSQL {version} gets no corrections any more.",
                remedy="Upgrade the database server to a version that its makers still look after.",
            )
        )
    if found.apart is not None and abs(found.apart) > _CLOCKS_APART:
        way = "ahead of" if found.apart > timedelta(0) else "behind"
        findings.append(
            _found(
                level=Level.PROBLEM,
                what=f"The database server's clock is {abs(found.apart).total_seconds():.0f} seconds {way} this machine's: "
                "work would be taken from daemons that are alive.",
                remedy="Set both clocks by NTP (timedatectl).",
            )
        )
    elif found.apart is not None:
        findings.append(_found(level=Level.OK, what="The database server's clock agrees with this machine's."))
    if found.tuples is not None and found.tuples.dead > max(_MANY_DEAD, _DEAD_SHARE * found.tuples.live):
        findings.append(
            _found(
                level=Level.WARNING,
                what=f"The work table has {found.tuples.dead:,} dead rows beside {found.tuples.live:,} alive: claims get slower.",
                remedy="Look for transactions that stand open (pg_stat_activity), and run: VACUUM work",
            )
        )
    if found.tuples is not None and _FILLFACTOR not in found.tuples.options:
        findings.append(
            _found(
                level=Level.WARNING,
                what="The work table lost its storage options: claims cannot be written in place.",
                remedy="Run: ALTER TABLE work SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, "
                "autovacuum_vacuum_threshold = 2000)",
            )
        )
    return findings


def _queue(found: Condition, now: datetime, *, running: bool) -> list[Finding]:
    queue = found.queue
    here = partial(_found, where="work")
    findings = []
    if queue.parked:
        shown = "; ".join(f"{key}: {why}" for key, why in queue.shown)
        more = f"; and {queue.parked - len(queue.shown)} more" if queue.parked > len(queue.shown) else ""
        findings.append(
            here(
                level=Level.PROBLEM,
                what=f"{_pieces(queue.parked)} put aside and wait for a person. {shown}{more}",
                remedy="See sitzungsplaner work list --parked, then work retry KEY or work drop KEY.",
            )
        )
    if queue.overdue and queue.oldest is not None:
        hours = (now - queue.oldest) / timedelta(hours=1)
        findings.append(
            here(
                level=Level.PROBLEM if running else Level.WARNING,
                what=f"{_pieces(queue.overdue)} due for more than an hour, the oldest for {hours:,.1f} hours, and not begun.",
                remedy="See journalctl -u sitzungsplaner for what the service is doing, and sitzungsplaner status."
                if running
                else "Start the service: systemctl start sitzungsplaner",
            )
        )
    return findings or [here(level=Level.OK, what="Nothing waits for a person, and nothing is late.")]


def _pieces(count: int) -> str:
    return "One piece of work is" if count == 1 else f"{count:,} pieces of work are"
