"""The mail servers: reached, trusted, signed in, and able to do what the service needs of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from daemon.config import Imap, Smtp
from daemon.config import Security as Protection
from daemon.core.errors import SitzungsplanerError
from daemon.doctor.findings import Field, Finding, Level, told
from daemon.ports import MailServer

_found = partial(Finding, field=Field.MAIL)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ENDS_SOON, _ENDS_AT_ONCE = timedelta(days=14), timedelta(days=3)
_OLD_TLS = frozenset({"SSLv3", "TLSv1", "TLSv1.1"})
_SMALL = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """What came of asking a mail server: how it was seen, or why that cannot be told."""

    server: MailServer | None = None
    trouble: str = ""


async def meet(probing: Awaitable[MailServer], *, patience: timedelta) -> Met:
    """Return what came of it within `patience`."""
    try:
        async with asyncio.timeout(patience.total_seconds()):
            return Met(server=await probing)
    except TimeoutError:
        return Met(trouble=f"The server did not answer within {patience.total_seconds():g} seconds.")
    except SitzungsplanerError as error:
        return Met(trouble=str(error))


def judge_smtp(given: Smtp, met: Met, *, now: datetime) -> tuple[Finding, ...]:
    """Return a finding for each thing to be said about the server that takes our mails."""
    here = partial(_found, where="mail.smtp")
    if met.server is None:
        what, remedy = told(met.trouble, "Check mail.smtp.host, mail.smtp.port and mail.smtp.security.")
        return (here(level=Level.PROBLEM, what=what, remedy=remedy),)
    seen = met.server
    findings = _connection(given, seen, "mail.smtp", now)
    if seen.size_limit is not None and seen.size_limit < _SMALL:
        text = f"The server takes mails up to {seen.size_limit:,} bytes only; long descriptions may not go through."
        findings.append(here(level=Level.WARNING, what=text, remedy="Let it take mails of at least 1 MiB."))
    if not findings:
        size = f", takes mails up to {seen.size_limit // _SMALL:,} MiB" if seen.size_limit else ""
        findings.append(here(level=Level.OK, what=f"{given.host}:{given.port} answers {_how(given, seen)}{size}."))
    return tuple(findings)


def judge_imap(given: Imap, met: Met, *, now: datetime) -> tuple[Finding, ...]:
    """Return a finding for each thing to be said about the mailbox that answers come to."""
    here = partial(_found, where="mail.imap")
    if met.server is None:
        what, remedy = told(met.trouble, "Check mail.imap.host, mail.imap.port and mail.imap.security.")
        return (here(level=Level.PROBLEM, what=what, remedy=remedy),)
    seen = met.server
    findings = _connection(given, seen, "mail.imap", now)
    if "IDLE" not in seen.abilities:
        text = "The server does not tell of new mails (no IDLE): answers are seen some seconds later."
        findings.append(here(level=Level.NOTE, what=text))
    if "MOVE" not in seen.abilities and given.folder_processed:
        if "UIDPLUS" in seen.abilities:
            text = "The server cannot move mails (no MOVE): they are copied and removed, which takes longer."
            findings.append(here(level=Level.NOTE, what=text))
        else:
            text = "The server can neither move mails nor remove single ones (no MOVE, no UIDPLUS): they stay, marked as deleted."
            remedy = "Empty the mailbox of them now and then, or set mail.imap.folder_processed to “”."
            findings.append(here(level=Level.WARNING, what=text, remedy=remedy))
    if not any(one.level is Level.WARNING or one.level is Level.PROBLEM for one in findings):
        able = [one for one in ("IDLE", "MOVE", "UIDPLUS") if one in seen.abilities]
        text = f"{given.host}:{given.port} opens {given.mailbox} {_how(given, seen)}"
        findings.append(here(level=Level.OK, what=f"{text}; it knows {', '.join(able) or 'nothing beyond the oldest rules'}."))
    return tuple(findings)


def _connection(given: Smtp | Imap, seen: MailServer, section: str, now: datetime) -> list[Finding]:
    here = partial(_found, where=section)
    findings = []
    if given.security is Protection.NONE and given.host not in _LOOPBACK:
        text = f"Mails go over the network in clear to {given.host}."
        findings.append(here(level=Level.WARNING, what=text, remedy=f"Set {section}.security to “starttls” or “tls”."))
    if seen.tls in _OLD_TLS:
        text = f"The connection is protected by {seen.tls} only, which is broken."
        findings.append(here(level=Level.WARNING, what=text, remedy="Upgrade the server to TLS 1.2 or 1.3."))
    if seen.certificate_until is not None and seen.certificate_until - now < _ENDS_SOON:
        level = Level.PROBLEM if seen.certificate_until - now < _ENDS_AT_ONCE else Level.WARNING
        text = f"The certificate of {given.host} ends on {seen.certificate_until:%Y-%m-%d %H:%M} UTC."
        findings.append(
            here(level=level, what=f"{text} After that nothing goes through.", remedy="Renew it, or see why it is not.")
        )
    return findings


def _how(given: Smtp | Imap, seen: MailServer) -> str:
    until = f", certificate until {seen.certificate_until:%Y-%m-%d}" if seen.certificate_until else ""
    protected = f"over {seen.tls}{until}" if seen.tls else "in clear on this machine" if given.host in _LOOPBACK else "in clear"
    return f"{protected}, {f'signed in as {given.username}' if seen.signed_in and given.username else 'without signing in'}"
