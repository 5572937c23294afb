"""Dovecot from Debian: mailboxes that a mail server fills by LMTP and that a mail program reads by IMAP.

Written for Dovecot 2.3 (Debian 12); 2.4 has another configuration language.
"""

from __future__ import annotations

import imaplib
import re
import smtplib
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from daemon.demo.servers import free_port
from tests.servers import unavailable
from tests.servers.debian import HOST, Daemon, a_folder, give, group, installed, listens, somebody
from tests.servers.post import PASSWORD, USER

_PROGRAM = Path("/usr/sbin/dovecot")
_ATTEMPTS = 3
_CONFIGURATION = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap lmtp
listen = {host}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
auth_username_format = %Ln
recipient_delimiter = +
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{folder}/mail/%n
mail_max_userip_connections = 100
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/people
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/mail/%n
}}
service anvil {{
  chroot =
  # Nobody counts failed sign-ins: after one, the next ones from the same address would wait for seconds.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service auth {{
  inet_listener {{
    port = {sasl}
  }}
}}
"""
_WITHOUT_TLS = "ssl = no\n"
_WITH_TLS = "ssl = yes\nssl_cert = <{file}\nssl_key = <{file}\n"


class Dovecot:
    """A running server. `people`: name → password; a mail to name@anywhere or name+anything@anywhere is theirs."""

    def __init__(self, folder: Path, people: Mapping[str, str]) -> None:
        self.folder = folder
        self.people = dict(people)
        self.imap_port = self.imaps_port = self.lmtp_port = self.sasl_port = 0
        self._daemon = Daemon(folder, "dovecot")

    def start(self, certificate: Path | None) -> None:
        """Start it; `certificate`: a PEM file with key and certificate, for STARTTLS and IMAPS."""
        (self.folder / "people").write_text("".join(f"{name}:{password}\n" for name, password in self.people.items()))
        (self.folder / "mail").mkdir()
        tls = _WITHOUT_TLS
        if certificate is not None:
            (self.folder / "server.pem").write_bytes(certificate.read_bytes())
            tls = _WITH_TLS.format(file=self.folder / "server.pem")
        for _ in range(_ATTEMPTS):
            self.imap_port, self.lmtp_port, self.sasl_port = free_port(), free_port(), free_port()
            self.imaps_port = free_port() if certificate else 0
            text = _CONFIGURATION.format(
                folder=self.folder,
                host=HOST,
                user=somebody().pw_name,
                group=group(),
                imap=self.imap_port,
                imaps=self.imaps_port,
                lmtp=self.lmtp_port,
                sasl=self.sasl_port,
            )
            (self.folder / "dovecot.conf").write_text(text + tls)
            give(self.folder)
            if self._run():
                return
        raise self._daemon.failed(self.folder / "log")

    def _answers(self) -> bool:
        return listens(self.imap_port, b"* OK") and listens(self.lmtp_port, b"220")

    def start_again(self) -> None:
        """Start it after `stop` as it was, on the same ports."""
        if not self._run():
            raise self._daemon.failed(self.folder / "log")

    def _run(self) -> bool:
        return self._daemon.start([_PROGRAM, "-F", "-c", self.folder / "dovecot.conf"], self._answers)

    def stop(self) -> None:
        self._daemon.stop()

    def mails(self, name: str, folder: str = "INBOX") -> list[bytes]:
        """What another mail program finds in a folder of a person, oldest first; nothing where there is no such folder."""
        with self._signed_in(name) as imap:
            answer, count = imap.select(folder, readonly=True)
            if answer != "OK" or count == [b"0"]:  # in an empty folder, 1:* is an error
                return []
            _, data = imap.fetch("1:*", "(BODY.PEEK[])")
            return [one[1] for one in data if isinstance(one, tuple)]

    def append(self, name: str, data: bytes) -> None:
        """Lay a mail into a person's inbox, byte for byte."""
        with self._signed_in(name) as imap:
            answer, said = imap.append("INBOX", "", "", data)
            assert answer == "OK", said

    @contextmanager
    def _signed_in(self, name: str) -> Iterator[imaplib.IMAP4]:
        with imaplib.IMAP4(HOST, self.imap_port, timeout=30) as imap:
            imap.login(name, self.people[name])
            yield imap

    def deliver(self, data: bytes, *, to: str, sender: str = "anna@example.test") -> None:
        """Bring a mail by LMTP, as mail servers do. Raises smtplib.SMTPException where it is refused."""
        with smtplib.LMTP(HOST, self.lmtp_port, timeout=30) as lmtp:
            lmtp.sendmail(sender, [to], data)


@contextmanager
def dovecot(people: Mapping[str, str] | None = None, *, certificate: Path | None = None) -> Iterator[Dovecot]:
    """Start a server, end it with the block. Skips where it cannot be had."""
    installed(_PROGRAM, "/usr/lib/dovecot/imap", "/usr/lib/dovecot/lmtp", package="dovecot-imapd dovecot-lmtpd")
    version = subprocess.run([_PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
    if not re.match(r"2\.3\.", version):
        unavailable(
            f"Dovecot {version.strip()} is configured in another language than 2.3, for which tests/servers/dovecot.py is written"
        )
    with a_folder("dovecot") as folder:
        server = Dovecot(folder, people or {USER: PASSWORD})
        try:
            server.start(certificate)
            yield server
        finally:
            server.stop()
