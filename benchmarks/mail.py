"""Mails sent per second by the whole service: from rows that are due to mails that the server took and the store recorded.

The service is the real one (`open_app`, its lanes, its SMTP connector, SQLite with synchronous=FULL on a disk of the caller's
choice), with `mail.smtp.connections` = 10 and the lanes `mail` and `remind` = 40 (`benchmarks.service`). All rows are due when
it starts. Invitations go to the three attendees of each entry; reminders to its owner. Beside it, in the same run:

- into Postfix, which keeps each mail on the disk before it takes it: aiosmtplib handing over the very bytes that the service
  sent, over 10 connections, with nothing before or after it. Wanted: 0.55 of that.
- into smtp-sink, which takes everything at once: the standard library's `email.message` building the same mails from finished
  parts (subject, texts, calendar object) in this process, on one core. It only builds them: nothing is decided, rendered, stored
  or sent. Wanted: 1.2 times that.

Printed beside is what smtp-source, a program in C, hands over to the same server by as many connections, and how many
milliseconds of a core each of the two took for a mail in this process: on a machine that has other things to do these say more
than the rates. Each figure is the best of some rounds, which take turns; a few mails go before the first.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiosmtplib
import pytest

from benchmarks.compose import parts_of, plain
from benchmarks.post import CONNECTIONS, smtp_sink, smtp_source
from benchmarks.scene import PLANNER
from benchmarks.service import fill_invitations, fill_reminders, open_service
from daemon.core.itip import MailKind
from daemon.logs import configure_logs
from daemon.ports import MailOut, MailServer, Outgoing, Receipt
from tests.servers.debian import HOST
from tests.servers.postfix import Postfix, postfix

_FIRST = 60  # mails that pay for what is loaded once


class Watched:
    """The service's own way out, watched: which mails were taken, and when there were as many as expected.

    A mail that is not taken ends the measurement with its error.
    """

    def __init__(self, inner: MailOut, expected: int) -> None:
        self._inner, self._expected = inner, expected
        self.taken: list[Outgoing] = []
        self.error: Exception | None = None
        self.all_taken = asyncio.Event()

    async def send(self, mail: Outgoing) -> Receipt:
        try:
            receipt = await self._inner.send(mail)
        except Exception as error:
            self.error = error
            self.all_taken.set()
            raise
        self.taken.append(mail)
        if len(self.taken) >= self._expected:
            self.all_taken.set()
        return receipt

    async def check(self) -> str:
        return await self._inner.check()

    async def probe(self) -> MailServer:
        return await self._inner.probe()

    async def close(self) -> None:
        await self._inner.close()


class Stopwatch:
    """Counts from its making on: seconds, and seconds in which this process had a core."""

    def __init__(self) -> None:
        self._began, self._core = time.perf_counter(), time.process_time()

    def stop(self, mails: int) -> Rate:
        took, core = time.perf_counter() - self._began, time.process_time() - self._core
        return Rate(per_second=mails / took, core=core / mails * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Mails per second, and milliseconds of a core for each."""

    per_second: float
    core: float


@dataclass(kw_only=True)
class Rates:
    """One figure a round: ours, the other's, smtp-source's (mails per second)."""

    ours: list[Rate] = field(default_factory=list)
    other: list[Rate] = field(default_factory=list)
    source: list[float] = field(default_factory=list)


async def served(kind: MailKind, port: int, folder: Path, mails: int) -> tuple[Rate, list[Outgoing]]:
    """Fill a fresh store with what is due, run the service until nothing is. Returns how quick it was, and the mails."""
    watched: list[Watched] = []

    def watch(inner: MailOut) -> MailOut:
        watched.append(Watched(inner, mails))
        return watched[0]

    async with open_service(folder, port, watch=watch) as app:
        (fill_reminders if kind is MailKind.REMINDER else fill_invitations)(app, mails)
        stop, stopwatch = asyncio.Event(), Stopwatch()
        running = asyncio.create_task(app.run(stop))
        await watched[0].all_taken.wait()
        if watched[0].error is not None:
            raise watched[0].error
        for lane in app.lanes.values():  # until the last one is recorded
            await lane.settle()
        rate = stopwatch.stop(mails)
        stop.set()
        await running
    return rate, watched[0].taken


async def bare(mails: Sequence[Outgoing], port: int) -> Rate:
    """Return how quickly aiosmtplib hands over finished mails by ten connections."""
    waiting = iter(mails)

    async def hand_over(client: aiosmtplib.SMTP) -> None:
        for mail in waiting:
            await client.sendmail(mail.envelope_from, [mail.recipient], mail.data)

    clients = [aiosmtplib.SMTP(hostname=HOST, port=port, start_tls=False) for _ in range(CONNECTIONS)]
    await asyncio.gather(*(client.connect() for client in clients))
    stopwatch = Stopwatch()
    await asyncio.gather(*(hand_over(client) for client in clients))
    rate = stopwatch.stop(len(mails))
    await asyncio.gather(*(client.quit() for client in clients))
    return rate


def built(mails: Sequence[Outgoing]) -> Rate:
    """Return how quickly the standard library builds these mails from their parts."""
    given = [(parts_of(one.data), one) for one in mails]
    stopwatch = Stopwatch()
    for parts, one in given:
        plain(parts, recipient=one.recipient)
    return stopwatch.stop(len(mails))


def into_postfix(kind: MailKind, server: Postfix, folder: Path, mails: int, rounds: int) -> Rates:
    """Ours and aiosmtplib by turns, each into a Postfix that has handed on what it had before."""
    rates = Rates()
    for number in range(rounds):
        ours, sent = asyncio.run(served(kind, server.smtp_port, folder / f"{kind}-postfix-{number}", mails))
        server.wait_until_drained()
        rates.ours.append(ours)
        rates.other.append(asyncio.run(bare(sent, server.smtp_port)))
        server.wait_until_drained()
        rates.source.append(smtp_source(server.smtp_port, mails=mails, size=_size(sent)))
        server.wait_until_drained()
    return rates


def into_sink(kind: MailKind, port: int, folder: Path, mails: int, rounds: int) -> Rates:
    """Ours and `email.message` by turns."""
    rates = Rates()
    for number in range(rounds):
        ours, sent = asyncio.run(served(kind, port, folder / f"{kind}-sink-{number}", mails))
        rates.ours.append(ours)
        rates.other.append(built(sent))
        rates.source.append(smtp_source(port, mails=mails, size=_size(sent)))
    return rates


def _size(mails: Sequence[Outgoing]) -> int:
    return sum(len(one.data) for one in mails) // len(mails)


@contextmanager
def a_postfix(relay_port: int) -> Iterator[Postfix | None]:
    """A Postfix that hands on to that port; None where it cannot be had."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postfix(relay_port=relay_port))
        except pytest.skip.Exception as absent:
            print(f"Postfix is left out: {absent}")
            server = None
        yield server


def show(what: str, rates: Rates, other: str) -> None:
    ours, beside = (max(one.per_second for one in found) for found in (rates.ours, rates.other))
    ours_core, core = (min(one.core for one in found) for found in (rates.ours, rates.other))
    source = max(rates.source)
    print(
        f"{what:26}{ours:7,.0f}{ours_core:8.2f} ms   {other:14}{beside:7,.0f}{core:8.2f} ms{ours / beside:9.2f}{source:13,.0f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="one round, fewer mails")
    parser.add_argument("--folder", type=Path, help="where the SQLite file lies (default: a temporary directory)")
    given = parser.parse_args()
    rounds, mails = (1, 300) if given.short else (3, 1_800)
    configure_logs(level="error", form="text")
    print(
        f"{'mails per second':26}{'ours':>7}{'core':>11}   {'beside':21}{'core':>11}{'ratio':>9}{'smtp-source':>13}", flush=True
    )
    with tempfile.TemporaryDirectory(dir=given.folder) as folder, smtp_sink() as port, a_postfix(port) as server:
        asyncio.run(served(MailKind.INVITATION, port, Path(folder) / "first", _FIRST))
        for kind in (MailKind.INVITATION, MailKind.REMINDER):
            if server is not None:
                show(f"{kind}s into Postfix", into_postfix(kind, server, Path(folder), mails, rounds), "aiosmtplib")
            show(f"{kind}s into smtp-sink", into_sink(kind, port, Path(folder), mails, rounds), "email.message")
    print(f"the mails come from {PLANNER}; aiosmtplib and smtp-source use {CONNECTIONS} connections, as does the service")


if __name__ == "__main__":
    main()
