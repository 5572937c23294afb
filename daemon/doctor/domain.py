"""What the sender's domain publishes: who takes its mail, and what lets strangers believe ours (RFC 7208, 6376, 7489)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from daemon.core.errors import Unreachable
from daemon.doctor.dns import Dns
from daemon.doctor.findings import Field, Finding, Level

_found = partial(Finding, field=Field.DOMAIN)
# RFC 2606, RFC 6761, RFC 6762, RFC 8375: nobody can be asked about these.
_NOBODYS = (
    *("example", "example.com", "example.net", "example.org", "home.arpa", "internal", "invalid"),
    *("local", "localhost", "test"),
)
_GOOGLES = (".google.com", ".googlemail.com")
_LATER = "Ask again when the DNS answers."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the DNS said to one question: records, or that there is no such name, or nothing (`silent`)."""

    records: tuple[str, ...] = ()
    exists: bool = True
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """The sender's domain. `dmarc` is of the domain itself or of the nearest above that has one; `dkim` of `_domainkey`."""

    name: str
    mx: Reply = Reply()
    spf: Reply = Reply()
    dkim: Reply = Reply()
    dmarc: Reply = Reply()


def public(name: str) -> bool:
    """Tell whether the world's DNS can know this domain."""
    return "." in name and not any(name == one or name.endswith(f".{one}") for one in _NOBODYS)


async def ask_domain(name: str, dns: Dns) -> Domain:
    """Ask all there is to ask, side by side."""
    mx, spf, dkim, dmarc = await asyncio.gather(
        _reply(dns.mx(name)), _reply(dns.txt(name)), _reply(dns.txt(f"_domainkey.{name}")), _dmarc(name, dns)
    )
    return Domain(name=name, mx=mx, spf=_only(spf, "v=spf1"), dkim=dkim, dmarc=dmarc)


def judge_domain(found: Domain) -> tuple[Finding, ...]:
    """Return a finding for each thing to be said about the domain."""
    here = partial(_found, where=found.name)
    if not public(found.name):
        text = f"The DNS was not asked: {found.name} is not a domain of the public internet."
        return (here(level=Level.NOTE, what=text),)
    replies = (found.mx, found.spf, found.dkim, found.dmarc)
    if all(one.silent for one in replies):
        text = f"The DNS could not be asked about {found.name}: SPF, DKIM, DMARC and MX were not looked at."
        return (here(level=Level.NOTE, what=text, remedy=_LATER),)
    if not found.mx.silent and not found.mx.exists:
        remedy = "Check mail.address; if it is right, register the domain or correct its DNS."
        return (here(level=Level.PROBLEM, what=f"There is no domain {found.name} in the DNS.", remedy=remedy),)
    judged = (("MX", found.mx, _mx), ("SPF", found.spf, _spf), ("DKIM", found.dkim, _dkim), ("DMARC", found.dmarc, _dmarc_of))
    return tuple(
        here(level=Level.NOTE, what=f"The DNS gave no answer about {name}.", remedy=_LATER) if reply.silent else judge(found)
        for name, reply, judge in judged
    )


def _mx(found: Domain) -> Finding:
    hosts = found.mx.records
    here = partial(_found, where=found.name)
    if hosts in (("",), (".",)):  # RFC 7505
        text = f"{found.name} says that it takes no mail (null MX): answers cannot arrive."
        return here(level=Level.PROBLEM, what=text, remedy="Set mail.address to a mailbox that can be written to.")
    if not hosts:
        text = f"{found.name} names no server that takes its mail (MX): answers may not arrive."
        return here(level=Level.WARNING, what=text, remedy="Publish an MX record for the domain.")
    if _at_google(found.mx):
        return here(
            level=Level.WARNING,
            what=f"The mail of {found.name} is at Google. Google looks for our events in that account's own calendar and sends "
            "no answers by mail, so those of Google's users will never come.",
            remedy="Set mail.address to a mailbox of a domain that is hosted elsewhere.",
        )
    return here(level=Level.OK, what=f"Mail to {found.name} goes to {', '.join(hosts)}.")


async def ask_owners(addresses: Iterable[str], dns: Dns) -> Mapping[str, Reply]:
    """Ask where the mail of each domain of the owners goes."""
    names = sorted({name for one in addresses if public(name := one.rpartition("@")[2])})
    return dict(zip(names, await asyncio.gather(*(_reply(dns.mx(name)) for name in names)), strict=True))


def judge_owners(found: Mapping[str, Reply]) -> tuple[Finding, ...]:
    """Return what is to be said of owners who are ORGANIZER themselves (mail.organizer = "owner")."""
    return tuple(
        _found(
            level=Level.WARNING,
            where=name,
            what=f"Owners' mail at {name} is at Google. Where they are the ORGANIZER, Google looks for our events in their own "
            "calendars and sends them no answers by mail, so those of Google's users will never come.",
            remedy='Set mail.organizer = "service" or "token"; who was invited already keeps what he knows.',
        )
        for name, reply in found.items()
        if _at_google(reply)
    )


def _at_google(reply: Reply) -> bool:
    return any(f".{host.lower()}".endswith(_GOOGLES) for host in reply.records)


def _spf(found: Domain) -> Finding:
    here = partial(_found, where=found.name)
    records = found.spf.records
    if not records:
        text = f"{found.name} does not say who may send its mail (no SPF record): our mails may be taken for spam."
        remedy = "Publish a TXT record that names the server of mail.smtp, like “v=spf1 mx -all”."
        return here(level=Level.WARNING, what=text, remedy=remedy)
    if len(records) > 1:
        text = f"{found.name} has {len(records)} SPF records; receivers then heed none (RFC 7208 4.5)."
        return here(level=Level.PROBLEM, what=text, remedy="Join them into one.")
    if {"+all", "all"} & set(records[0].lower().split()):
        text = f"The SPF record of {found.name} lets everybody send its mail (“{records[0]}”)."
        return here(level=Level.WARNING, what=text, remedy="Let it end in “-all” or “~all”.")
    return here(level=Level.OK, what=f"SPF: {records[0]}")


def _dkim(found: Domain) -> Finding:
    here = partial(_found, where=found.name)
    if not found.dkim.exists:
        text = f"{found.name} publishes no DKIM key: its mails are not signed, or nobody can check it."
        return here(level=Level.WARNING, what=text, remedy="Let the mail server sign, and publish its key below _domainkey.")
    return here(level=Level.OK, what=f"DKIM: there are keys below _domainkey.{found.name}.")


def _dmarc_of(found: Domain) -> Finding:
    here = partial(_found, where=found.name)
    records = found.dmarc.records
    if not records:
        text = f"{found.name} says nothing about mails that fail SPF and DKIM (no DMARC record): large providers expect it."
        remedy = f"Publish a TXT record at _dmarc.{found.name}, to begin with “v=DMARC1; p=none”."
        return here(level=Level.WARNING, what=text, remedy=remedy)
    if len(records) > 1:
        text = f"{found.name} has {len(records)} DMARC records; receivers then heed none (RFC 7489 6.6.3)."
        return here(level=Level.PROBLEM, what=text, remedy="Keep one of them.")
    if "p=none" in records[0].lower().replace(" ", "").split(";"):
        text = f"DMARC only watches: {records[0]}"
        return here(level=Level.NOTE, what=text, remedy="Set p=quarantine or p=reject once reports show no harm.")
    return here(level=Level.OK, what=f"DMARC: {records[0]}")


async def _reply(asking: Awaitable[tuple[str, ...] | None]) -> Reply:
    try:
        records = await asking
    except Unreachable:
        return Reply(silent=True)
    return Reply(exists=False) if records is None else Reply(records=records)


async def _dmarc(name: str, dns: Dns) -> Reply:
    """The record of the domain, or of the nearest above it that has one; a lone top-level domain is nobody's."""
    labels = name.split(".")
    reply = Reply()
    for at in range(len(labels) - 1):
        reply = _only(await _reply(dns.txt(f"_dmarc.{'.'.join(labels[at:])}")), "v=DMARC1")
        if reply.silent or reply.records:
            break
    return reply


def _only(reply: Reply, begin: str) -> Reply:
    """The records of one kind among all texts at a name (RFC 7208 4.5, RFC 7489 6.6.3)."""
    kept = tuple(one for one in reply.records if one.lower().replace(";", " ").split()[:1] == [begin.lower()])
    return Reply(records=kept, exists=reply.exists, silent=reply.silent)
