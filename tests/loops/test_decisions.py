"""What an answer sends: the invitation again, or that a proposed time is not taken. On a whole service."""

from __future__ import annotations

from datetime import timedelta

from daemon import planner
from daemon.core.model import Entry
from daemon.core.reading import read
from daemon.store import inbox as inbox_rows
from tests.loops.conftest import ANNA, BEN, HOUR, MINUTE, Service, calendar_text


def a_mail(entry: Entry, method: str, more: str = "") -> bytes:
    return (
        f"From: {ANNA.email}\r\nContent-Type: text/calendar; method={method}\r\n\r\n"
        f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:{method}\r\nBEGIN:VEVENT\r\nUID:{entry.uid}\r\nSEQUENCE:0\r\n{more}"
        f"ATTENDEE;PARTSTAT=TENTATIVE:mailto:{ANNA.email}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    ).encode()


async def take(service: Service, raw: bytes) -> None:
    await service.do(planner.ingest, raw, read(raw), received=service.clock.now(), source="file")


async def test_who_asks_is_sent_the_invitation_once_more_and_nobody_else(service: Service) -> None:
    entry = await service.plan(await service.owner(), ANNA, BEN)
    await service.settle(MINUTE)
    await service.settle(2 * HOUR)
    await take(service, a_mail(entry, "REFRESH"))
    await service.settle(MINUTE)
    await service.settle(HOUR)
    assert service.methods(ANNA.email) == ["REQUEST", "REQUEST"]
    first, again = (calendar_text(one) for one in service.mails(ANNA.email))
    assert "SEQUENCE:0" in again
    assert first != again, "a later DTSTAMP"
    assert service.methods(BEN.email) == ["REQUEST"]


async def test_a_declined_proposal_is_told_once_and_to_him_alone(service: Service) -> None:
    entry = await service.plan(await service.owner(), ANNA, BEN)
    await service.settle(MINUTE)
    assert entry.when is not None
    start = entry.when.start + timedelta(days=1)
    await take(service, a_mail(entry, "COUNTER", f"DTSTART;TZID={entry.when.zone}:{start:%Y%m%dT%H%M%S}\r\n"))
    (mail,) = await service.tx(lambda tx: inbox_rows.list_(tx, outcome="counter"))
    await service.do(planner.refuse, mail.id, comment="Da ist der Saal belegt.")
    await service.settle(MINUTE)
    await service.settle(HOUR)
    assert service.methods(ANNA.email) == ["REQUEST", "DECLINECOUNTER"]
    assert "COMMENT:Da ist der Saal belegt." in calendar_text(service.mails(ANNA.email)[1])
    assert service.methods(BEN.email) == ["REQUEST"]
