"""Listening and serving on sockets. The API's is a Unix socket: reachable by its group only, trusted as admin (design 4.10)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import uvicorn

from daemon.core.errors import ConfigProblem


class _Server(uvicorn.Server):
    """A server that ends when it is told to by us. What signals mean is the command line's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn would end by itself at SIGTERM, and then raise that signal a second time, which means: stop at once.
        yield


async def serve(app: Any, path: Path, *, group: str) -> None:
    """Serve `app` on the Unix socket until cancelled. Raises ConfigProblem if the socket cannot be made."""
    with listening_unix(path, group, setting="service.socket") as listener:
        await serve_on(listener, app)


async def serve_on(listener: socket.socket, app: Any, *, proxies: Sequence[str] = (), most: int | None = None) -> None:
    """Serve `app` on a listening socket until cancelled, and close it. What is being answered then has five seconds to end.

    `proxies`: whose X-Forwarded-For is believed. `most`: more requests at a time than that are told to come again.
    """
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=5,
            server_header=False,
            proxy_headers=bool(proxies),
            forwarded_allow_ips=list(proxies),
            limit_concurrency=most,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        server.should_exit = True
        await task
        raise
    finally:
        listener.close()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def listening_unix(path: Path, group: str, *, setting: str) -> Iterator[socket.socket]:
    """Listen on a Unix socket for the service's user and the group, and take it away at the end.

    Raises ConfigProblem, which names the setting.
    """
    listener = _listen(path, group, setting)
    ours = _identity(path)
    try:
        yield listener
    finally:
        if _identity(path) == ours:  # else another service has taken the place since
            path.unlink()


def _listen(path: Path, group: str, setting: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _bind(listener, path, group, setting)
    except (OSError, LookupError) as error:
        listener.close()
        remedy = "Choose a path that the service may write, at most 107 characters long."
        raise ConfigProblem((f"{setting}: {path} cannot be opened ({error}). {remedy}",)) from error
    except ConfigProblem:
        listener.close()
        raise
    return listener


def listen_tcp(address: tuple[str, int], *, setting: str) -> socket.socket:
    """Return a socket that listens on host and port. Raises ConfigProblem, which names the setting."""
    host, port = address
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise ConfigProblem((f"{setting}: {host} port {port} cannot be listened on ({reason}). Choose another port.",)) from error


def _bind(listener: socket.socket, path: Path, group: str, setting: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        if _answers(path):
            problem = f"{setting}: another service answers at {path}. Stop it, or give this one a path of its own."
            raise ConfigProblem((problem,))
        path.unlink()  # left by a process that was killed
    mask = os.umask(0o117)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    if group:
        shutil.chown(path, group=group)
    listener.listen(128)


def _answers(path: Path) -> bool:
    """True if somebody listens. The database's lock would say so too, but services on PostgreSQL have none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        return True
