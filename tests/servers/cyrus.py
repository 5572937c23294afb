"""Cyrus IMAP's CalDAV server from Debian: schedules by itself (RFC 6638) and mails invitations to people of other domains
(RFC 6047).

Its IMAP server is not needed, so that it gets on with Dovecot, with which Debian's package of it conflicts: a mail by LMTP
makes a
person's mailbox, and the first request his calendars.
"""

from __future__ import annotations

import contextlib
import smtplib
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import httpx

from daemon.demo.servers import PEOPLE, CalendarServer, free_port
from tests.servers.debian import HOST, Daemon, a_folder, give, group, installed, listens, somebody

_MASTER, _PASSWORDS = Path("/usr/sbin/cyrmaster"), Path("/usr/sbin/saslpasswd2")
_ATTEMPTS = 3
_CONFIGURATION = """\
configdirectory: {folder}/conf
defaultpartition: default
partition-default: {folder}/spool
cyrus_user: {user}
cyrus_group: {group}
admins: nobody-is-admin
altnamespace: yes
unixhierarchysep: yes
defaultdomain: example.test
servername: localhost
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {folder}/people
sasl_mech_list: PLAIN LOGIN
httpmodules: caldav
caldav_allowscheduling: on
calendar_user_address_set: example.test
caldav_create_default: yes
caldav_create_sched: yes
autocreate_quota: 0
autocreate_post: yes
conversations: no
smtp_backend: host
smtp_host: {host}:{smtp}
idlesocket: {folder}/socket/idle
lmtpsocket: {folder}/socket/lmtp
notifysocket: {folder}/socket/notify
"""
_SERVICES = """\
START {{
  recover cmd="ctl_cyrusdb -C {folder}/imapd.conf -r"
}}
SERVICES {{
  http cmd="httpd -C {folder}/imapd.conf -U 1000" listen="{host}:{http}" prefork=1 maxchild=40
  lmtp cmd="lmtpd -C {folder}/imapd.conf -a" listen="{host}:{lmtp}" prefork=0 maxchild=5
}}
EVENTS {{
}}
"""


class CyrusServer(CalendarServer):
    """`smtp_port`: where it hands in its mails; without one it cannot send any, and says so in SCHEDULE-STATUS."""

    def __init__(self, folder: Path, people: Mapping[str, str] = PEOPLE, *, smtp_port: int | None = None) -> None:
        super().__init__(folder, people)
        self._smtp_port = smtp_port
        self._lmtp_port = 0
        self._daemon = Daemon(folder, "cyrus")

    def start(self) -> Self:
        for name in ("conf/db", "spool", "socket"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name, password in self.people.items():
            words = ["-p", "-c", "-u", "localhost", "-f", str(self.folder / "people"), name]
            subprocess.run([_PASSWORDS, *words], input=password.encode(), check=True, capture_output=True)
        for _ in range(_ATTEMPTS):
            self.port, self._lmtp_port = free_port(), free_port()
            self._configure()
            give(self.folder)
            files = {
                name: self.folder / file for name, file in (("-C", "imapd.conf"), ("-M", "cyrus.conf"), ("-p", "master.pid"))
            }
            command: list[str | Path] = [_MASTER, "-D", *(word for option in files.items() for word in option)]
            if self._daemon.start(command, self._answers):
                break
        else:
            raise self._daemon.failed()
        try:
            for name in self.people:
                self._move_in(name)
        except BaseException:
            self.stop()
            raise
        return self

    def _configure(self) -> None:
        (self.folder / "imapd.conf").write_text(
            _CONFIGURATION.format(
                folder=self.folder,
                host=HOST,
                user=somebody().pw_name,
                group=group(),
                # Where nobody listens, a mail fails at once; where somebody hangs, after ten seconds.
                smtp=self._smtp_port or free_port(),
            )
        )
        (self.folder / "cyrus.conf").write_text(
            _SERVICES.format(folder=self.folder, host=HOST, http=self.port, lmtp=self._lmtp_port)
        )

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return listens(self._lmtp_port, b"220") and httpx.get(self.origin, trust_env=False).status_code < 500
        return False

    def _move_in(self, name: str) -> None:
        """Make a person's mailbox, without which every request for his calendars is a 500, and then his calendars."""
        with smtplib.LMTP(HOST, self._lmtp_port, timeout=30) as lmtp:
            lmtp.sendmail("", [name], b"Subject: Welcome\r\n\r\n")
        with self.http(name) as http:
            http.request("PROPFIND", self.calendar_url(name), headers={"Depth": "0"}).raise_for_status()

    def stop(self) -> None:
        self._daemon.stop()

    def calendar_url(self, user: str) -> str:
        return f"{self.origin}/dav/calendars/user/{user}/Default/"


@contextmanager
def cyrus(people: Mapping[str, str] = PEOPLE, *, smtp_port: int | None = None) -> Iterator[CyrusServer]:
    """Start a server, end it with the block. Skips where it cannot be had."""
    installed(_MASTER, "/usr/lib/cyrus/bin/httpd", "/usr/lib/cyrus/bin/lmtpd", package="cyrus-common cyrus-caldav")
    installed(_PASSWORDS, package="sasl2-bin")
    with a_folder("cyrus") as folder, CyrusServer(folder, people, smtp_port=smtp_port) as server:
        yield server
