"""Who else writes events into a calendar: a raw client, which does nothing else, and vdirsyncer."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from daemon.ports import CalendarAccount

CONNECTIONS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """An event as it went to the server. `path`: where it was put."""

    path: str
    data: bytes

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


async def raw(account: CalendarAccount, bodies: Sequence[Body]) -> float:
    """Return how many bodies per second plain sockets put into the calendar, all requests made before the first is sent."""
    parts = urlsplit(account.url)
    host, port = parts.hostname or "", parts.port or 80
    head = "".join(f"{name}: {text}\r\n" for name, text in _headers(account, parts.netloc).items())
    requests = [
        f"PUT {parts.path}{one.name} HTTP/1.1\r\n{head}Content-Length: {len(one.data)}\r\n\r\n".encode() + one.data
        for one in bodies
    ]
    waiting = iter(requests)

    async def send_all() -> None:
        reader: asyncio.StreamReader | None = None
        writer: asyncio.StreamWriter | None = None
        for request in waiting:
            if reader is None or writer is None:
                reader, writer = await asyncio.open_connection(host, port)
            writer.write(request)
            if not await _answered(reader):
                writer.close()
                reader = writer = None
        if writer is not None:
            writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(send_all() for _ in range(CONNECTIONS)))
    return len(requests) / (time.perf_counter() - began)


def _headers(account: CalendarAccount, host: str) -> dict[str, str]:
    headers = {"Host": host, "Content-Type": "text/calendar; charset=utf-8", "If-None-Match": "*", **dict(account.headers)}
    if account.password:
        name = base64.b64encode(f"{account.username}:{account.password}".encode()).decode()
        headers["Authorization"] = f"Basic {name}"
    return headers


async def _answered(reader: asyncio.StreamReader) -> bool:
    """Read one answer, which must be a success. False: the server ends the connection after it (RFC 9112 9.3)."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status, *lines = head.split(b"\r\n")
    fields = {name.strip(): text.strip() for name, _, text in (line.partition(b":") for line in lines)}
    if status.split()[1] not in (b"201", b"204"):
        raise RuntimeError(f"the server said {status.decode()}")
    if fields.get(b"transfer-encoding") == b"chunked":
        while (size := int(await reader.readline(), 16)) >= 0:
            await reader.readexactly(size + 2)
            if not size:
                break
    else:
        await reader.readexactly(int(fields.get(b"content-length", b"0")))
    return status.startswith(b"http/1.1") and fields.get(b"connection") != b"close"


# Its own process, so that our imports cost it nothing; timed inside, so that its start costs it nothing either.
_VDIRSYNCER = """
import json, sys, time
from vdirsyncer.cli import app
from vdirsyncer.storage.dav import DAVSession

config, headers = sys.argv[1], json.loads(sys.argv[2])
usual = DAVSession.get_default_headers
DAVSession.get_default_headers = lambda self: {**usual(self), **headers}  # it knows no headers of a signing-in proxy
app(["-v", "ERROR", "-c", config, "discover"], standalone_mode=False)
began = time.perf_counter()
app(["-v", "ERROR", "-c", config, "sync"], standalone_mode=False)
print(time.perf_counter() - began)
"""
_CONFIGURATION = """\
[general]
status_path = "{folder}/status"
[pair push]
a = "here"
b = "there"
collections = null
[storage here]
type = "filesystem"
path = "{folder}/events"
fileext = ".ics"
[storage there]
type = "caldav"
url = "{url}"
username = "{user}"
password = "{password}"
"""


def vdirsyncer(account: CalendarAccount, bodies: Sequence[Body], folder: Path) -> float:
    """Return how many bodies per second vdirsyncer puts into the calendar in its first run, from files. `folder`: a new one."""
    events = folder / "events"
    events.mkdir(parents=True)
    for one in bodies:
        (events / one.name).write_bytes(one.data)
    config = folder / "config"
    config.write_text(_CONFIGURATION.format(folder=folder, url=account.url, user=account.username, password=account.password))
    environ: Mapping[str, str] = {name: text for name, text in os.environ.items() if "proxy" not in name.lower()}
    command = [sys.executable, "-c", _VDIRSYNCER, str(config), json.dumps(dict(account.headers))]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"vdirsyncer ended with {ended.returncode}:\n{ended.stdout[-1000:]}\n{ended.stderr[-2000:]}")
    return len(bodies) / float(ended.stdout.split()[-1])
