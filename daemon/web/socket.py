"""Serving on sockets. The API's is a Unix socket: reachable by its group only, trusted as admin (design 4.10)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import stat
from collections.abc import Iterator
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
    listener = _listen(path, group)
    ours = _identity(path)
    try:
        await serve_on(listener, app)
    finally:
        if _identity(path) == ours:  # else another service has taken the place since
            path.unlink()  # noqa: ASYNC240 - one system call on a file in memory


async def serve_on(listener: socket.socket, app: Any) -> None:
    """Serve `app` on a listening socket until cancelled, and close it. What is being answered then has five seconds to end."""
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=5))
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


def _listen(path: Path, group: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _bind(listener, path, group)
    except (OSError, LookupError) as error:
        listener.close()
        remedy = "Choose a path that the service may write, at most 107 characters long."
        raise ConfigProblem((f"service.socket: {path} cannot be opened ({error}). {remedy}",)) from error
    except ConfigProblem:
        listener.close()
        raise
    return listener


def _bind(listener: socket.socket, path: Path, group: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        if _answers(path):
            problem = f"service.socket: another service answers at {path}. Stop it, or give this one a path of its own."
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
