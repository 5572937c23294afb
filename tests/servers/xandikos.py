"""Xandikos for tests: a server that schedules by itself (RFC 6638). People are named by a header, as behind a signing-in proxy.

An invitation is delivered and an answer written back only in the people's default calendars, which are the ones used here.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import httpx

from daemon.demo.servers import PEOPLE, CalendarServer, ServerProcess
from daemon.ports import CalendarAccount
from tests.servers import unavailable

_ADDRESS = (
    '<propertyupdate xmlns="DAV:"><set><prop><calendar-user-address-set xmlns="urn:ietf:params:xml:ns:caldav">'
    '<href xmlns="DAV:">mailto:{address}</href></calendar-user-address-set></prop></set></propertyupdate>'
)


class XandikosServer(CalendarServer):
    def __init__(self, folder: Path, people: Mapping[str, str] = PEOPLE) -> None:
        super().__init__(folder, people)
        self._process = ServerProcess(folder, "xandikos")

    def start(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)

        def arguments(port: int) -> list[str]:
            where = [
                "-d",
                str(self.folder / "data"),
                "--state-dir",
                str(self.folder / "state"),
                "-l",
                "127.0.0.1",
                "-p",
                str(port),
            ]
            return [
                "-m",
                "xandikos",
                "multi-user",
                *where,
                "--defaults",
                "--no-detect-systemd",
                "--trust-x-remote-user-from",
                "127.0.0.1",
            ]

        def answers(port: int) -> bool:
            return httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code < 500

        self.port = self._process.start(arguments, answers)
        for name in self.people:
            with self.http(name) as http:
                # A principal exists for scheduling only after its first request, and has no address until it is given one.
                http.get(f"{self.origin}/{name}/").raise_for_status()
                body = _ADDRESS.format(address=self.address(name))
                http.request(
                    "PROPPATCH", f"{self.origin}/{name}/", content=body, headers={"Content-Type": "text/xml"}
                ).raise_for_status()
        return self

    def stop(self) -> None:
        self._process.stop()

    def calendar_url(self, user: str) -> str:
        return f"{self.origin}/{user}/calendars/calendar/"

    def account(self, user: str) -> CalendarAccount:
        return CalendarAccount(
            kind="caldav", url=self.calendar_url(user), username="", password="", headers=(("X-Remote-User", user),)
        )


def xandikos(folder: Path) -> XandikosServer:
    """Return a Xandikos that starts when it is entered; skips the test where the package is missing."""
    if importlib.util.find_spec("xandikos") is None:
        unavailable("Xandikos is not installed: pip install xandikos")
    return XandikosServer(folder)
