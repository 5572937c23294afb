"""What a domain publishes: replies as facts, and the asking itself, with a DNS that answers as the test says and a real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import cast

import dns.message
import dns.rcode
import dns.rrset
import pytest

from daemon.core.errors import Unreachable
from daemon.doctor import Level
from daemon.doctor.dns import SystemDns
from daemon.doctor.domain import Domain, Reply, ask_domain, judge_domain, public
from tests.doctor.tables import levels, the

NAME = "planner.example-company.de"
GOOD = Domain(
    name=NAME,
    mx=Reply(records=("mx.example-company.de",)),
    spf=Reply(records=("v=spf1 mx -all",)),
    dkim=Reply(),
    dmarc=Reply(records=("v=DMARC1; p=reject",)),
)
SILENT = Reply(silent=True)

FACTS = {
    "all is published": ({}, [], "DMARC: v=DMARC1; p=reject"),
    "the mail is at Google": ({"mx": Reply(records=("aspmx.l.google.com", "x"))}, ["warning"], "those of Google's users"),
    "the mail is at Google, in capitals": ({"mx": Reply(records=("ALT1.ASPMX.L.GOOGLE.COM",))}, ["warning"], "hosted elsewhere"),
    "a name that only looks like Google": ({"mx": Reply(records=("mx.notgoogle.com",))}, [], "mx.notgoogle.com"),
    "no MX": ({"mx": Reply()}, ["warning"], "Publish an MX record"),
    "a null MX": ({"mx": Reply(records=("",))}, ["problem"], "takes no mail"),
    "a null MX as a dot": ({"mx": Reply(records=(".",))}, ["problem"], "takes no mail"),
    "no such domain": ({"mx": Reply(exists=False)}, ["problem"], "There is no domain"),
    "no SPF": ({"spf": Reply()}, ["warning"], "no SPF record"),
    "two SPF records": ({"spf": Reply(records=("v=spf1 -all", "v=spf1 mx"))}, ["problem"], "receivers then heed none"),
    "an SPF for everybody": ({"spf": Reply(records=("v=spf1 +ALL",))}, ["warning"], "lets everybody send"),
    "no DKIM": ({"dkim": Reply(exists=False)}, ["warning"], "publishes no DKIM key"),
    "no DMARC": ({"dmarc": Reply()}, ["warning"], f"_dmarc.{NAME}"),
    "two DMARC records": ({"dmarc": Reply(records=("v=DMARC1", "v=DMARC1"))}, ["problem"], "Keep one of them"),
    "a DMARC that only watches": ({"dmarc": Reply(records=("v=DMARC1;  p = none; rua=x",))}, ["note"], "only watches"),
    "p=none for subdomains only": ({"dmarc": Reply(records=("v=DMARC1; p=reject; sp=none",))}, [], "sp=none"),
    "one answer is missing": ({"dkim": SILENT}, ["note"], "no answer about DKIM"),
    "no answer about MX": ({"mx": SILENT}, ["note"], "no answer about MX"),
    "no answer at all": ({"mx": SILENT, "spf": SILENT, "dkim": SILENT, "dmarc": SILENT}, ["note"], "could not be asked"),
}


@pytest.mark.parametrize("case", FACTS)
def test_what_is_said_of_a_domain(case: str) -> None:
    changes, expected, piece = FACTS[case]
    findings = judge_domain(replace(GOOD, **changes))
    assert levels(findings) == expected
    assert piece in " ".join(f"{one.what} {one.remedy}" for one in findings)
    assert {one.where for one in findings} == {NAME}


@pytest.mark.parametrize("name", ["example.org", "mail.example.com", "post.test", "localhost", "host.local", "", "x.home.arpa"])
def test_domains_that_are_nobody_s_are_not_asked_about(name: str) -> None:
    assert not public(name)
    assert levels(judge_domain(Domain(name=name))) == ["note"]


@pytest.mark.parametrize("name", ["example-company.de", "contest.de", "test.de"])
def test_other_domains_are(name: str) -> None:
    assert public(name)


class Table:
    """A DNS of a dictionary: a name that is not in it does not exist; an error is raised."""

    def __init__(self, texts: Mapping[str, tuple[str, ...] | Unreachable | None], hosts: tuple[str, ...] = ()) -> None:
        self.texts, self.hosts, self.asked = texts, hosts, list[str]()

    async def txt(self, name: str) -> tuple[str, ...] | None:
        self.asked.append(name)
        found = self.texts.get(name)
        if isinstance(found, Unreachable):
            raise found
        return found

    async def mx(self, name: str) -> tuple[str, ...] | None:
        return self.hosts


async def test_records_of_other_kinds_are_left_aside() -> None:
    texts = {NAME: ("google-site-verification=x", "v=spf1 -all", "v=spf10 nonsense"), f"_domainkey.{NAME}": ()}
    found = await ask_domain(NAME, Table(texts, ("mx",)))
    assert found == Domain(
        name=NAME, mx=Reply(records=("mx",)), spf=Reply(records=("v=spf1 -all",)), dkim=Reply(), dmarc=Reply(exists=False)
    )


async def test_the_dmarc_record_of_the_domain_above_counts() -> None:
    table = Table({"_dmarc.example-company.de": ("v=DMARC1;p=reject",)})
    assert (await ask_domain(NAME, table)).dmarc == Reply(records=("v=DMARC1;p=reject",))
    assert "_dmarc.de" not in table.asked


async def test_a_question_without_an_answer_leaves_the_others_theirs() -> None:
    found = await ask_domain(NAME, Table({NAME: Unreachable("no answer"), f"_domainkey.{NAME}": ()}, ("mx",)))
    assert (found.spf, found.dkim, found.mx) == (SILENT, Reply(), Reply(records=("mx",)))


class NameServer(asyncio.DatagramProtocol):
    """A real one, on loopback: answers by a function of (name, kind), None: silence."""

    def __init__(self, answer: Callable[[str, str], list[str] | None]) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        (question,) = query.question
        name, kind = question.name.to_text(omit_final_dot=True), question.rdtype.name
        texts = self._answer(name, kind)
        if texts is None:
            return
        reply = dns.message.make_response(query)
        if texts == ["NXDOMAIN"]:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif texts:
            reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *texts))
        self.transport.sendto(reply.to_wire(), addr)


@asynccontextmanager
async def name_server(answer: Callable[[str, str], list[str] | None]) -> AsyncIterator[SystemDns]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: NameServer(answer), local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    try:
        yield SystemDns(servers=("127.0.0.1",), port=port, patience=timedelta(milliseconds=400))
    finally:
        transport.close()


async def test_a_real_name_server_is_understood() -> None:
    def answer(name: str, kind: str) -> list[str] | None:
        match name, kind:
            case "example-company.de", "MX":
                return ["20 second.example-company.de.", "10 first.example-company.de."]
            case "example-company.de", "TXT":
                return ['"v=spf1 " "mx -all"']
            case "null.de", "MX":
                return ["0 ."]
            case "empty.de", "TXT":
                return []
            case "silent.de", _:
                return None
            case _:
                return ["NXDOMAIN"]

    async with name_server(answer) as asked:
        assert await asked.mx("example-company.de") == ("first.example-company.de", "second.example-company.de")
        assert await asked.txt("example-company.de") == ("v=spf1 mx -all",)
        assert await asked.mx("null.de") in ((".",), ("",))
        assert await asked.txt("empty.de") == ()
        assert await asked.txt("nobody.de") is None
        with pytest.raises(Unreachable, match=r"could not be asked about silent\.de"):
            await asked.txt("silent.de")
        the(judge_domain(await ask_domain("null.de", asked)), Level.PROBLEM, "null MX")


async def test_no_name_server_at_all_is_a_note() -> None:
    nobody = SystemDns(servers=("127.0.0.1",), port=9, patience=timedelta(milliseconds=300))
    assert levels(judge_domain(await ask_domain(NAME, nobody))) == ["note"]
