"""The data directory: is it there, who may look in, is there room, on which kind of file system; and the service key."""

from __future__ import annotations

import os
import re
import shutil
import stat
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from daemon.core.errors import ConfigProblem
from daemon.doctor.findings import Field, Finding, Level, told
from daemon.secrets import KEY_NAME, load_key

_found = partial(Finding, field=Field.CONFIGURATION)
_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")
_MIB = 1024 * 1024
_TIGHT, _LOW = 200 * _MIB, 1024 * _MIB
# SQLite's locks and its shared memory need a local disk; these are others' disks.
NETWORK = frozenset(
    (
        *("9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs"),
        *("glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs", "virtiofs"),
    )
)
_VANISHING = frozenset(["ramfs", "tmpfs"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The data directory as it was found. `trouble` is why it could not be looked at; `free` are bytes.

    `key_from` is where the service key comes from, "" where there is none so far; `key_trouble` is why it cannot be used.
    """

    folder: Path
    there: bool = True
    trouble: str = ""
    mode: int = stat.S_IFDIR | 0o700
    writable: bool = True
    free: int | None = None
    file_system: str = ""
    key_from: str = ""
    key_trouble: str = ""
    key: bytes | None = field(default=None, repr=False)


def look_at_place(folder: Path, credentials: Path | None) -> Place:
    """Look at the data directory without making anything in it. Blocks for a moment."""
    key, key_from, key_trouble = _key(folder, credentials)
    known = {"folder": folder, "key": key, "key_from": key_from, "key_trouble": key_trouble}
    try:
        mode = folder.stat().st_mode
        free = shutil.disk_usage(folder).free
    except FileNotFoundError:
        return Place(**known, there=False)  # type: ignore[arg-type]  # a dict has one type for all
    except OSError as error:
        return Place(**known, trouble=error.strerror or str(error))  # type: ignore[arg-type]  # as above
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        mounts = ""
    return Place(
        **known,  # type: ignore[arg-type]  # as above
        mode=mode,
        writable=os.access(folder, os.W_OK | os.X_OK),
        free=free,
        file_system=file_system(mounts, folder.resolve()),
    )


def file_system(mounts: str, path: Path) -> str:
    """Return the kind of file system that holds `path`, by Linux's /proc/self/mountinfo; "" where that does not tell."""
    best, kind = -1, ""
    for line in mounts.splitlines():
        before, dash, after = line.partition(" - ")
        parts = before.split(" ")
        if not dash or len(parts) < 5:
            continue
        point = Path(_ESCAPED.sub(lambda match: chr(int(match[1], 8)), parts[4]))
        # Of two at one point the later one lies on top.
        if len(point.parts) >= best and (path == point or point in path.parents):
            best, kind = len(point.parts), after.split(" ")[0]
    return kind


def judge_place(place: Place) -> tuple[Finding, ...]:
    """Return a finding for each thing to be said about the data directory and the key."""
    folder = place.folder
    here = partial(_found, where=str(folder))
    if not place.there:
        text = f"The data directory {folder} is not there yet. The service makes it when it starts."
        return (here(level=Level.NOTE, what=text), *_judge_key(place))
    if place.trouble:
        text = f"The data directory {folder} cannot be looked at: {place.trouble}."
        return (here(level=Level.PROBLEM, what=text, remedy="Run this with sudo, or as the service's user."),)
    findings = []
    if place.mode & (stat.S_IWGRP | stat.S_IWOTH):
        text = f"Others than its owner may change the data (mode {stat.S_IMODE(place.mode):04o})."
        findings.append(here(level=Level.PROBLEM, what=text, remedy=f"Run: chmod 700 {folder}"))
    elif place.mode & (stat.S_IRWXG | stat.S_IRWXO):
        text = f"Others than its owner may look into the data (mode {stat.S_IMODE(place.mode):04o})."
        findings.append(here(level=Level.WARNING, what=text, remedy=f"Run: chmod 700 {folder}"))
    if not place.writable:
        text = "This user may not write into the data directory."
        findings.append(here(level=Level.PROBLEM, what=text, remedy="Give it to the service's user: chown -R."))
    if place.file_system in _VANISHING:
        text = f"The data directory is in memory ({place.file_system}) and is gone when this machine stops."
        findings.append(here(level=Level.WARNING, what=text, remedy="Set service.data_dir to a directory on a disk."))
    findings += _judge_room(place)
    if not findings:
        room = f", {_size(place.free)} free" if place.free is not None else ""
        findings.append(here(level=Level.OK, what=f"The data directory {folder} is private{room}."))
    return (*findings, *_judge_key(place))


def _judge_room(place: Place) -> list[Finding]:
    if place.free is None or place.free >= _LOW:
        return []
    level = Level.PROBLEM if place.free < _TIGHT else Level.WARNING
    text = f"Only {_size(place.free)} are free on the disk of the data directory; without room nothing can be saved."
    return [_found(level=level, what=text, where=str(place.folder), remedy="Make room there, or move service.data_dir.")]


def _judge_key(place: Place) -> list[Finding]:
    if place.key_trouble:
        text = place.key_trouble.partition(": ")[2] or place.key_trouble
        what, remedy = told(text, "Bring back the key that the data was made with.")
        return [_found(level=Level.PROBLEM, what=what[:1].upper() + what[1:], where=KEY_NAME, remedy=remedy)]
    if not place.key_from:
        text = "There is no service key yet. The service makes one when it starts."
        return [_found(level=Level.NOTE, what=text, where=KEY_NAME)]
    return [_found(level=Level.OK, what=f"The service key is {place.key_from}.", where=KEY_NAME)]


def _key(folder: Path, credentials: Path | None) -> tuple[bytes | None, str, str]:
    """The key, where it comes from, what is wrong with it. It is never made here."""
    try:
        if credentials is not None and (credentials / KEY_NAME).exists():
            return load_key(folder, credentials), "a systemd credential", ""
        if not (folder / KEY_NAME).exists():
            return None, "", ""
        return load_key(folder), f"{folder / KEY_NAME}, for its owner only", ""
    except ConfigProblem as error:
        return None, "", str(error)
    except OSError as error:
        return None, "", f"{KEY_NAME}: it cannot be looked at ({error.strerror}). Run this as the service's user."


def _size(count: int | None) -> str:
    mib = (count or 0) / _MIB
    return f"{mib / 1024:.1f} GiB" if mib >= 1024 else f"{mib:.0f} MiB"
