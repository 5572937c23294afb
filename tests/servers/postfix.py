"""Postfix from Debian as the smart host of the service: takes every mail, hands local ones to LMTP and all others to one relay.

`Postfix` is the server alone; `DebianPost` the whole post: Postfix, Dovecot with the planner's mailbox, and a sink for the
others.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path

from daemon.demo.post import Delivered, PostOffice
from daemon.demo.servers import free_port
from tests.servers import unavailable
from tests.servers.debian import Daemon, a_folder, installed, listens
from tests.servers.dovecot import Dovecot, dovecot
from tests.servers.post import PLANNER, post_office_packages

_MASTER = Path("/usr/lib/postfix/sbin/master")
_ATTEMPTS = 3
_PATIENCE, _LOOK = 20.0, 0.01  # seconds
_ON_THE_WAY = ("maildrop", "incoming", "active", "deferred")  # in this order: a mail that moves on is met in the next one
_PRIVATE = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace")
_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = smarthost.example.test
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
local_header_rewrite_clients =
recipient_delimiter = +
relayhost = [127.0.0.1]:{relay}
transport_maps = {local}
smtp_host_lookup = native
smtp_dns_support_level = disabled
smtpd_peername_lookup = no
smtp_tls_security_level = none
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
"""
_POLICY = "smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:{policy}, permit\n"
_TLS = """\
smtpd_tls_security_level = may
smtpd_tls_chain_files = {folder}/server.pem
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{sasl}
smtpd_client_restrictions = permit_sasl_authenticated, reject
"""
_SERVICES = """\
127.0.0.1:{smtp} inet n - n - - smtpd
{smtps}
pickup    unix       n - n 60    1 pickup
cleanup   unix       n - n -     0 cleanup
qmgr      unix       n - n 300   1 qmgr
rewrite   unix       - - n -     - trivial-rewrite
bounce    unix       - - n -     0 bounce
defer     unix       - - n -     0 bounce
trace     unix       - - n -     0 bounce
verify    unix       - - n -     1 verify
flush     unix       n - n 1000? 0 flush
proxymap  unix       - - n -     - proxymap
tlsmgr    unix       - - n 1000? 1 tlsmgr
smtp      unix       - - n -     - smtp
relay     unix       - - n -     - smtp
lmtp      unix       - - n -     - lmtp
showq     unix       n - n -     - showq
error     unix       - - n -     - error
retry     unix       - - n -     - error
discard   unix       - - n -     - discard
anvil     unix       - - n -     1 anvil
scache    unix       - - n -     1 scache
postlog   unix-dgram n - n -     1 postlogd
"""
_AT_ONCE = "127.0.0.1:{smtps} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes"


class Postfix:
    """A running server. `relay_port`: the SMTP server on 127.0.0.1 that gets everything not local.

    `local`: address → port of the LMTP server on 127.0.0.1 that keeps its mails. `policy_port`: a policy service that is asked
    about each recipient. `sasl_port`: Dovecot's sign-in service; then nobody may send without signing in over TLS.
    """

    def __init__(
        self,
        folder: Path,
        *,
        relay_port: int,
        local: dict[str, int] | None = None,
        policy_port: int | None = None,
        certificate: Path | None = None,
        sasl_port: int | None = None,
    ) -> None:
        self.folder = folder
        self.smtp_port = self.smtps_port = 0
        self._relay_port = relay_port
        self._local = local or {}
        self._policy_port = policy_port
        self._certificate = certificate
        self._sasl_port = sasl_port
        self._daemon = Daemon(folder, "postfix")

    def start(self) -> None:
        """Start it on a fresh queue. `postfix start` would take two seconds of looking at the installed files and of sleep."""
        self._make_queue()
        for _ in range(_ATTEMPTS):
            self.smtp_port, self.smtps_port = free_port(), free_port()
            self._configure()
            if self._run():
                return
        raise self._daemon.failed(self.folder / "log")

    def _make_queue(self) -> None:
        owner, drop = pwd.getpwnam("postfix"), _group("postdrop")
        for name in ("etc", "queue", "queue/pid"):
            (self.folder / name).mkdir(mode=0o755)
        for name in _PRIVATE:
            (self.folder / "queue" / name).mkdir(mode=0o700)
            os.chown(self.folder / "queue" / name, owner.pw_uid, -1)
        for name, mode in (("maildrop", 0o730), ("public", 0o710)):
            (self.folder / "queue" / name).mkdir()
            (self.folder / "queue" / name).chmod(mode)
            os.chown(self.folder / "queue" / name, owner.pw_uid, drop)
        (self.folder / "data").mkdir(mode=0o755)
        os.chown(self.folder / "data", owner.pw_uid, -1)
        # Postfix mistrusts files below a directory that belongs to anybody but root.
        os.chown(self.folder, 0, 0)
        os.chown(self.folder / "queue", 0, 0)

    def _configure(self) -> None:
        local = ", ".join(f"{{ {address} = lmtp:inet:127.0.0.1:{port} }}" for address, port in self._local.items())
        # An inline table without a line is none: every recipient would meet a “temporary lookup failure”.
        text = _MAIN.format(folder=self.folder, relay=self._relay_port, local=f"inline:{{ {local} }}" if local else "")
        if self._policy_port is not None:
            text += _POLICY.format(policy=self._policy_port)
        if self._certificate is None:
            text += "smtpd_tls_security_level = none\n"
        else:
            (self.folder / "server.pem").write_bytes(self._certificate.read_bytes())
            (self.folder / "server.pem").chmod(0o600)
            text += _TLS.format(folder=self.folder, sasl=self._sasl_port)
        smtps = "" if self._certificate is None else _AT_ONCE.format(smtps=self.smtps_port)
        main = self.folder / "etc/main.cf"
        main.write_text(text)
        os.utime(main, (0, 0))  # Postfix reads a file that was changed just now again and again, for two seconds
        (self.folder / "etc/master.cf").write_text(_SERVICES.format(smtp=self.smtp_port, smtps=smtps))

    def _run(self) -> bool:
        environ = {"MAIL_CONFIG": str(self.folder / "etc"), "MAIL_LOGTAG": "postfix"}
        command: list[str | Path] = [_MASTER, "-d", "-c", self.folder / "etc"]
        return self._daemon.start(command, lambda: listens(self.smtp_port, b"220"), as_root=True, environ=environ)

    def restart(self) -> None:
        """End it and start it again with its queue and on its port."""
        self.stop()
        if not self._run():
            raise self._daemon.failed(self.folder / "log")

    def stop(self) -> None:
        self._daemon.stop()

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def waiting(self) -> tuple[str, ...]:
        """Return the queue ids of the mails that it has taken and not yet handed on."""
        queue = self.folder / "queue"
        return tuple(file.name for name in _ON_THE_WAY for file in (queue / name).rglob("*") if file.is_file())

    def drained(self) -> bool:
        """Tell whether everything was handed on. Looked at twice: a mail that is tried again goes against the order."""
        return not self.waiting() and not self.waiting()

    def wait_until_drained(self) -> None:
        """Return as soon as everything was handed on, to servers that do not live in the event loop of the caller."""
        for _ in self._patience():
            time.sleep(_LOOK)

    async def until_drained(self) -> None:
        """The same where they do."""
        for _ in self._patience():
            await asyncio.sleep(_LOOK)

    def _patience(self) -> Iterator[None]:
        """Yield until everything was handed on. Raises TimeoutError with the log if it never is."""
        deadline = time.monotonic() + _PATIENCE
        while not self.drained():
            if time.monotonic() > deadline:
                raise TimeoutError(f"Postfix still keeps {self.waiting()}:\n{self.log[-3000:]}")
            yield


def _group(name: str) -> int:
    import grp

    return grp.getgrnam(name).gr_gid


@contextmanager
def postfix(
    *,
    relay_port: int,
    local: dict[str, int] | None = None,
    policy_port: int | None = None,
    certificate: Path | None = None,
    sasl_port: int | None = None,
) -> Iterator[Postfix]:
    """Start a server, end it with the block. Skips where it cannot be had: Postfix starts as root only."""
    installed(_MASTER, package="postfix")
    if os.geteuid() != 0:
        unavailable("Postfix starts as root only: run these tests as root")
    with a_folder("postfix") as folder:
        server = Postfix(
            folder, relay_port=relay_port, local=local, policy_port=policy_port, certificate=certificate, sasl_port=sasl_port
        )
        try:
            server.start()
            yield server
        finally:
            server.stop()


class DebianPost:
    """What stories and tests ask of a post office: `smtp_port`, `imap_port`, `mails`; and `settle`, as Postfix hands on later."""

    def __init__(self, smarthost: Postfix, mailboxes: Dovecot, sink: PostOffice) -> None:
        self.smarthost = smarthost
        self.mailboxes = mailboxes
        self.sink = sink

    @property
    def smtp_port(self) -> int:
        return self.smarthost.smtp_port

    @property
    def imap_port(self) -> int:
        return self.mailboxes.imap_port

    def mails(self, *, to: str | None = None, since: datetime | None = None) -> tuple[Delivered, ...]:
        """What left Postfix for anybody but the planner, in order."""
        return self.sink.mails(to=to, since=since)

    async def settle(self) -> None:
        """Return as soon as Postfix has handed on everything. Raises TimeoutError with its log if it never does."""
        await self.smarthost.until_drained()


@asynccontextmanager
async def debian_post() -> AsyncIterator[DebianPost]:
    """Start the whole post. Skips where a part of it cannot be had."""
    post_office_packages()
    async with PostOffice() as sink:
        with contextlib.ExitStack() as stack:
            boxes = stack.enter_context(dovecot())
            smarthost = stack.enter_context(postfix(relay_port=sink.smtp_port, local={PLANNER: boxes.lmtp_port}))
            yield DebianPost(smarthost, boxes, sink)
