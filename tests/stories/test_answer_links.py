"""From the invitation to the answer in the calendar, without a calendar program; and answers that a mail server delivers."""

from __future__ import annotations

import asyncio
import contextlib
import html
import re
import smtplib
import socket
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from email.policy import SMTP
from pathlib import Path

import httpx
import pytest

from daemon import planner
from daemon.connections import lmtp
from daemon.core.model import AnswerSource, Attendee, PartStat, When
from daemon.demo.post import PostOffice
from daemon.demo.servers import free_port
from daemon.planner.wishes import Draft
from daemon.store import journal as journal_rows
from daemon.web.pages import serve_pages
from tests.clock import ManualClock
from tests.servers.post import PLANNER
from tests.servers.xandikos import xandikos
from tests.stories.world import Letter, World, _reply, a_world

ANNA, BEN = "anna@kunde.test", "ben@kunde.test"
MINUTE = timedelta(minutes=1)
WHEN = When(start=datetime(2026, 10, 20, 9), zone="Europe/Berlin", duration=timedelta(hours=1))


@pytest.fixture
async def world(store_url: str, tmp_path: Path, post_office: PostOffice, clock: ManualClock) -> AsyncIterator[World]:
    """A world whose mails have links, with the pages and the door for mails open."""
    port = free_port()
    more = {"SITZUNGSPLANER_WEB__LISTEN": f"127.0.0.1:{port}", "SITZUNGSPLANER_WEB__URL": f"http://127.0.0.1:{port}"}
    with xandikos(tmp_path / "xandikos") as server:
        async with a_world(store_url, tmp_path / "data", post_office, clock, server, **more) as made:
            app = made.app
            serving = asyncio.create_task(serve_pages(app.store, app.desk, app.renderer, ("127.0.0.1", port), proxies=()))
            yield made
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving


def link_in(letter: Letter) -> str:
    """The one link of the text, which the HTML has as well."""
    (found,) = set(re.findall(r"http://127\S+/a/\S+", letter.text))
    part = letter.mail.get_body(("html",))
    assert part is not None
    assert found in html.unescape(str(part.get_content()))
    return found


async def opened(client: httpx.AsyncClient, url: str) -> str:
    """Open the page, and return what its form would send for it."""
    page = await client.get(url)
    assert page.status_code == 200
    (which,) = re.findall(r'name="which" value="([^"]+)"', page.text)
    return html.unescape(which)


async def test_an_answer_by_the_link_of_the_mail_reaches_the_entry_the_journal_and_the_calendar(world: World) -> None:
    alice = await world.owner("alice@example.test", name="Alice Müller")
    await world.calendar(alice, "alice")
    people = tuple(Attendee(email=one, name=one.split("@")[0].title()) for one in (ANNA, BEN))
    entry = (await world.do(planner.create, alice.id, Draft(title="Haushaltsausschuss", when=WHEN, attendees=people))).entry
    await world.settle(MINUTE)
    (to_anna,), (to_ben,) = world.letters(ANNA), world.letters(BEN)
    hers, his = link_in(to_anna), link_in(to_ben)
    assert hers != his
    (event,) = world.stored("alice")
    calendar_data = "".join(str(one.to_ical()) for one in (event, to_anna.event))
    assert "/a/" not in calendar_data, "whoever sees the event must not be able to answer for her"

    async with httpx.AsyncClient() as browser:
        for scanner in ("GET", "HEAD"):
            assert (await browser.request(scanner, hers)).status_code == 200
        assert [one.standing.partstat for one in (await world.show(entry.id)).attendees] == [PartStat.NEEDS_ACTION] * 2
        which = await opened(browser, hers)
        form = {"partstat": "ACCEPTED", "which": which, "comment": "Bin dabei"}
        assert (await browser.post(hers, data=form)).status_code == 200
        await world.settle(MINUTE)

        first, second = (await world.show(entry.id)).attendees
        assert first.standing.answer is not None
        assert (first.standing.partstat, first.standing.answer.source) == (PartStat.ACCEPTED, AnswerSource.LINK)
        assert second.standing.partstat is PartStat.NEEDS_ACTION
        lines = await world.app.store.run(lambda tx: journal_rows.list_(tx, entry=entry.id, action="answer"))
        assert [line.text for line in lines] == [f"{ANNA} answered ACCEPTED by link."]
        (event,) = world.stored("alice")
        assert {str(one): str(one.params["PARTSTAT"]) for one in event["ATTENDEE"]}[f"mailto:{ANNA}"] == "ACCEPTED"
        assert world.letters(ANNA) == [], "an answer mails nobody"

        # A mail of hers that was on its way before does not undo it; a later one does.
        await world.answer(to_anna, ANNA, "DECLINED", at=world.clock.now() - timedelta(hours=1))
        await world.settle(MINUTE)
        assert (await world.show(entry.id)).attendees[0].standing.partstat is PartStat.ACCEPTED

        # The same link stands in the mail about the move; it asks again.
        await world.do(planner.move, entry.id, start=datetime(2026, 10, 27, 14))
        await world.settle(MINUTE)
        assert link_in(world.letters(ANNA)[0]) == hers
        gone = await browser.post(hers, data=form)
        assert gone.status_code == 409
        await browser.post(hers, data={**form, "which": await opened(browser, hers)})

        # Off the list, told so, and invited again: the old link is dead, the new one works.
        await world.do(planner.uninvite, entry.id, (BEN,))
        await world.settle(MINUTE)
        assert "/a/" not in world.letters(BEN)[-1].text
        assert (await browser.get(his)).status_code == 404
        await world.do(planner.invite, entry.id, people[1:])
        await world.settle(MINUTE)
        new = link_in(world.letters(BEN)[-1])
        assert new != his
        assert [(await browser.get(one)).status_code for one in (his, new)] == [404, 200]

        await world.do(planner.cancel, entry.id)
        page = await browser.get(new)
        assert "abgesagt" in page.text
        assert "<form" not in page.text
        await world.do(planner.delete, entry.id)
        assert (await browser.get(new)).status_code == 404


async def test_an_answer_that_the_mail_server_delivers_by_lmtp_is_applied_once(world: World) -> None:
    alice = await world.owner("alice@example.test", name="Alice")
    draft = Draft(title="Haushalt", when=WHEN, attendees=(Attendee(email=ANNA, name="Anna"),))
    entry = (await world.do(planner.create, alice.id, draft)).entry
    await world.settle(MINUTE)
    (invitation,) = world.letters(ANNA)
    data = _reply(invitation, ANNA, "ACCEPTED", world.clock.now()).as_bytes(policy=SMTP)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    serving = asyncio.create_task(lmtp(world.app.config, world.app.intake.delivered).serve(listener))

    def deliver(recipient: str) -> tuple[int, bytes]:
        with smtplib.LMTP("127.0.0.1", port, timeout=30) as client:
            client.ehlo()
            client.mail(ANNA)
            client.rcpt(recipient)
            return client.data(data)

    said = [await asyncio.to_thread(deliver, one) for one in (PLANNER, PLANNER, f"x{PLANNER}")]
    assert said == [(250, b"2.0.0 Taken: applied"), (250, b"2.0.0 Taken: ignored"), (250, b"2.0.0 Taken: ignored")]
    await world.answer(invitation, ANNA, "ACCEPTED", at=world.clock.now())  # and once more, into the mailbox
    await world.settle(MINUTE)
    (person,) = (await world.show(entry.id)).attendees
    assert person.standing.partstat is PartStat.ACCEPTED
    lines = await world.app.store.run(lambda tx: journal_rows.list_(tx, entry=entry.id, action="answer"))
    assert len(lines) == 1
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
