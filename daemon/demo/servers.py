"""Calendar servers on this machine, for the demonstration and for the tests: started as processes on free loopback ports.

Nothing here is for real use: passwords are fixed, and what the servers keep lies in a folder that the caller throws away.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from xml.etree import ElementTree

import httpx

from daemon.ports import CalendarAccount

PEOPLE: Mapping[str, str] = {"alice": "alicepw", "bob": "bobpw", "carol": "carolpw"}
_PATIENCE = 30.0  # seconds until a server must answer
_ATTEMPTS = 3  # another process may take a port between the look for it and the start
_UTF8 = {**os.environ, "PYTHONUTF8": "1"}  # Radicale refuses to keep its files where names are not in UTF-8
_LIST = b'<propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>'


def free_port() -> int:
    """Return a TCP port on 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """One server program of this Python's packages, its log in a file beside its data."""

    def __init__(self, folder: Path, name: str) -> None:
        self._log = folder / f"{name}.log"
        self._folder = folder
        self._name = name
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, arguments: Callable[[int], list[str]], answers: Callable[[int], bool]) -> int:
        """Start `python arguments(port)` and return the port once `answers(port)`. RuntimeError with the log if it never does."""
        for _ in range(_ATTEMPTS):
            port = free_port()
            with self._log.open("ab") as log:
                command = [sys.executable, *arguments(port)]
                # The folder is the working directory: a package of the caller's directory must not hide one of the server's.
                self._process = subprocess.Popen(
                    command, cwd=self._folder, env=_UTF8, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            deadline = time.monotonic() + _PATIENCE
            while self._process.poll() is None and time.monotonic() < deadline:
                with contextlib.suppress(httpx.TransportError):
                    if answers(port):
                        return port
                time.sleep(0.02)
            self.stop()
        raise RuntimeError(f"{self._name} did not come up on 127.0.0.1:\n{self._log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


class CalendarServer:
    """What the servers have in common: people with one calendar each, and a look at what really lies there."""

    def __init__(self, folder: Path, people: Mapping[str, str] = PEOPLE) -> None:
        self.folder = folder
        self.people = dict(people)
        self.port = 0

    def start(self) -> Self:
        raise RuntimeError("start() belongs to the server that is meant")

    def stop(self) -> None:
        raise RuntimeError("stop() belongs to the server that is meant")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def calendar_url(self, user: str) -> str:
        raise RuntimeError("calendar_url() belongs to the server that is meant")

    def account(self, user: str) -> CalendarAccount:
        return CalendarAccount(kind="caldav", url=self.calendar_url(user), username=user, password=self.people[user])

    def address(self, user: str) -> str:
        """The person's calendar address there."""
        return f"{user}@example.test"

    def http(self, user: str) -> httpx.Client:
        """A plain HTTP client signed in as the person: the way to see what lies on the server without our connector."""
        account = self.account(user)
        auth = (account.username, account.password) if account.password else None
        return httpx.Client(auth=auth, headers=dict(account.headers), timeout=_PATIENCE, trust_env=False)

    def events(self, user: str, url: str | None = None) -> list[bytes]:
        """Return the bodies in the person's calendar (or the one at `url`) as the server gives them out, ordered by name."""
        with self.http(user) as http:
            answers = [http.get(address) for address in self.addresses(user, url)]
        return [one.raise_for_status().content for one in answers]

    def addresses(self, user: str, url: str | None = None) -> list[str]:
        """Return where each of them lies, in the same order."""
        url = url or self.calendar_url(user)
        with self.http(user) as http:
            listing = http.request("PROPFIND", url, headers={"Depth": "1", "Content-Type": "application/xml"}, content=_LIST)
            listing.raise_for_status()
        names = [one.text or "" for one in ElementTree.fromstring(listing.content).iter("{DAV:}href")]
        return [str(httpx.URL(url).join(name)) for name in sorted(names) if not name.endswith("/")]


class RadicaleServer(CalendarServer):
    """Radicale 3.9: keeps events and schedules nothing. Signs people in by password."""

    def __init__(self, folder: Path, people: Mapping[str, str] = PEOPLE) -> None:
        super().__init__(folder, people)
        self._process = ServerProcess(folder, "radicale")

    def start(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        passwords = self.folder / "people"
        passwords.write_text("".join(f"{name}:{password}\n" for name, password in self.people.items()))

        def arguments(port: int) -> list[str]:
            config = self.folder / "radicale.ini"
            config.write_text(
                f"[server]\nhosts = 127.0.0.1:{port}\nmax_connections = 64\n"
                f"[auth]\ntype = htpasswd\nhtpasswd_filename = {passwords}\nhtpasswd_encryption = plain\ndelay = 0\n"
                f"[storage]\nfilesystem_folder = {self.folder / 'collections'}\n"
                "[logging]\nlevel = warning\n"
            )
            return ["-m", "radicale", "--config", str(config)]

        def answers(port: int) -> bool:
            return httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code < 500

        self.port = self._process.start(arguments, answers)
        for name in self.people:
            with self.http(name) as http:
                made = http.request("MKCALENDAR", self.calendar_url(name))
                if made.status_code not in (201, 405, 409):  # 405, 409: it is there since the last start
                    made.raise_for_status()
        return self

    def stop(self) -> None:
        self._process.stop()

    def calendar_url(self, user: str) -> str:
        return f"{self.origin}/{user}/calendar/"
