"""Answering by a link, over real HTTP on loopback: what is shown, what changes something, and what never does."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
import sqlalchemy as sa

from daemon import planner
from daemon.core.model import AnswerSource, Attendee, EntryState, Occurrence, PartStat
from daemon.planner import links
from daemon.planner.causes import save
from daemon.store import entries as entry_rows
from daemon.store import journal as journal_rows
from tests.web.site import ANNA, BEN, DAY, GERMAN, Site, choices, outline


async def test_the_page_says_what_is_planned_who_invites_and_where_one_stands(site: Site) -> None:
    page = await site.get(await site.link(await site.plan(location="Rathaus, Saal 2")))
    for part in ("Haushalt", "Alice Müller", "Mittwoch, 10. März 2027, 09:00–10:00 Uhr (Europe/Berlin, MEZ, UTC+1)", "Rathaus"):
        assert part in page.visible
    assert "Anna Berg (anna@kunde.test)" in page.visible
    assert "Noch keine Antwort" in page.visible
    assert [button["value"] for button in page.named("button")] == ["ACCEPTED", "TENTATIVE", "DECLINED"]
    assert "ben@kunde.test" not in page.visible, "who else is invited is nobody's business here"


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("fr;q=0.9, de-AT;q=0.8, en;q=0.5", "Zusagen"),
        ("en-GB", "Accept"),
        ("de;q=0.1, en;q=0.2", "Accept"),
        ("de;q=0", "Zusagen"),
        ("fr", "Zusagen"),
        ("de;q=x", "Zusagen"),
        ("", "Zusagen"),
    ],
)
async def test_the_language_is_the_browsers_or_else_the_owners(site: Site, asked: str, shown: str) -> None:
    page = await site.get(await site.link(await site.plan()), **{"Accept-Language": asked})
    assert shown in page.visible


@pytest.mark.parametrize("partstat", [PartStat.ACCEPTED, PartStat.TENTATIVE, PartStat.DECLINED])
async def test_an_answer_is_kept_with_its_source_and_journalled(site: Site, partstat: PartStat) -> None:
    entry = await site.plan()
    path = await site.link(entry)
    (which,) = choices(await site.get(path))
    page = await site.post(path, partstat.value, which, comment="Komme später.\r\nGruß")
    assert "Ihre Antwort ist gespeichert" in page.visible
    (answer,) = (await site.read(entry)).answers
    assert (answer.attendee, answer.partstat, answer.source) == (ANNA.email, partstat, AnswerSource.LINK)
    assert (answer.comment, answer.answered_at) == ("Komme später.\nGruß", site.clock.now())
    lines = await site.context.store.run(lambda tx: journal_rows.list_(tx, entry=entry.id, action="answer"))
    assert [(line.attendee, "by link" in line.text) for line in lines] == [(ANNA.email, True)]
    page = await site.get(path)
    assert "Noch keine Antwort" not in page.visible
    assert "Komme später. Gruß" in page.visible, "he sees what he wrote"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
async def test_nothing_but_post_changes_anything(site: Site, method: str) -> None:
    """Mail scanners and prefetching open every link before the person does, some with every word a form would send."""
    entry = await site.plan()
    path = await site.link(entry)
    (which,) = choices(await site.get(path))
    before = await site.everything()
    for more in ("", f"?partstat=DECLINED&which={which}", "?answer=accept"):
        answer = await site.client.request(method, path + more, headers={"Purpose": "prefetch"})
        assert answer.status_code == (200 if method in ("GET", "HEAD") else 405)
    assert await site.everything() == before


async def test_the_same_answer_again_changes_nothing_and_another_one_replaces_it(site: Site) -> None:
    entry = await site.plan()
    path = await site.link(entry)
    (which,) = choices(await site.get(path))
    await site.post(path, "ACCEPTED", which)
    before = await site.everything()
    assert "ist schon gespeichert" in (await site.post(path, "ACCEPTED", which)).visible
    assert await site.everything() == before
    await site.post(path, "DECLINED", which)
    (answer,) = (await site.read(entry)).answers
    assert answer.partstat is PartStat.DECLINED


async def test_an_answer_to_a_date_that_has_moved_meanwhile_is_not_kept(site: Site) -> None:
    entry = await site.plan()
    path = await site.link(entry)
    (which,) = choices(await site.get(path))
    await site.do(planner.move, entry.id, start=datetime(2027, 3, 11, 14))
    page = await site.post(path, "ACCEPTED", which, comment="Gern", status=409)
    assert "nicht gespeichert" in page.visible
    assert "Donnerstag, 11. März 2027, 14:00" in page.visible
    assert "Gern" in page.visible, "what he wrote is not lost"
    assert (await site.read(entry)).answers == ()
    (which,) = choices(page)
    await site.post(path, "ACCEPTED", which)
    assert len((await site.read(entry)).answers) == 1


async def test_after_a_move_the_page_asks_again(site: Site) -> None:
    entry = await site.plan()
    path = await site.link(entry)
    await site.post(path, "ACCEPTED", choices(await site.get(path))[0])
    await site.do(planner.move, entry.id, start=datetime(2027, 3, 11, 14))
    assert "Noch einmal nötig" in (await site.get(path)).visible


async def test_a_series_is_answered_as_a_whole_or_for_one_of_its_next_dates(site: Site) -> None:
    entry = await site.plan(rrule="FREQ=WEEKLY;COUNT=10")
    path = await site.link(entry)
    page = await site.get(path)
    offered = choices(page)
    assert [one.partition("|")[0] for one in offered] == [
        "",
        *(f"2027-03-{day}T09:00:00" for day in (10, 17, 24, 31)),
        "2027-04-07T09:00:00",
    ]
    await site.post(path, "ACCEPTED", offered[0])
    await site.post(path, "DECLINED", offered[2], comment="Urlaub")
    answers = {one.recurrence_id: one.partstat for one in (await site.read(entry)).answers}
    assert answers == {None: PartStat.ACCEPTED, datetime(2027, 3, 17, 9): PartStat.DECLINED}
    await site.do(planner.cancel, entry.id, recurrence_id=datetime(2027, 3, 17, 9))
    assert "2027-03-17" not in str(choices(await site.get(path)))


async def test_who_is_invited_to_single_dates_is_offered_these_alone(site: Site) -> None:
    entry = await site.plan(rrule="FREQ=WEEKLY;COUNT=10")
    guest = Attendee(email="gast@kunde.test", name="Gast")
    second = datetime(2027, 3, 17, 9)

    def invited(tx: sa.Connection) -> None:
        before = entry_rows.get(tx, entry.id)
        own = Occurrence(recurrence_id=second, attendees=(*before.attendees, guest))
        save(tx, replace(before, occurrences=(own,), revision=before.revision + 1))

    await site.context.store.run(invited)
    page = await site.get(await site.link(entry, guest))
    assert [one.partition("|")[0] for one in choices(page)] == ["2027-03-17T09:00:00"]
    path = await site.link(entry, guest)
    await site.post(path, "ACCEPTED", f"|{choices(await site.get(await site.link(entry)))[0].partition('|')[2]}", status=409)
    await site.post(path, "ACCEPTED", choices(page)[0])
    assert [one.recurrence_id for one in (await site.read(entry)).answers] == [second]


NEUTRAL = "Dieser Link führt nicht weiter"


async def test_every_link_that_leads_nowhere_gets_the_same_page(site: Site) -> None:
    """Nobody learns whether there is, or ever was, anything behind it."""
    entry = await site.plan()
    dead = await site.link(entry, BEN)
    await site.do(planner.uninvite, entry.id, (BEN.email,))
    gone = await site.plan(title="Gelöscht")
    deleted = await site.link(gone)
    await site.do(planner.delete, gone.id)
    revoked = await site.link(entry)
    await site.context.store.run(lambda tx: links.revoke(tx, entry.id, ANNA.email))
    stranger = await site.do(links.answer_link, "f" * 32, ANNA.email)
    forged = f"/a/{revoked.removeprefix('/a/')[:-4]}AAAA"
    bodies = set()
    for path in (
        dead,
        deleted,
        revoked,
        forged,
        stranger.removeprefix("https://planer.test"),
        "/a/x",
        "/a/%00",
        "/elsewhere",
        "/",
    ):
        answer = await site.client.get(path, headers=GERMAN)
        assert answer.status_code == 404, path
        assert NEUTRAL in outline(answer).visible
        bodies.add(answer.text)
        if path.startswith("/a/"):
            assert (await site.client.post(path, data={"partstat": "ACCEPTED", "which": "|x"})).status_code == 404
    assert len(bodies) == 1
    assert (await site.read(entry)).answers == ()
    await site.get(await site.link(entry), 200), "the link of his next mail works"


async def test_a_removal_taken_back_before_anybody_was_told_costs_nobody_his_link(site: Site) -> None:
    """Only once he was told that he is off the list is it dead for good; the story of the links plays that."""
    entry = await site.plan()
    path = await site.link(entry, BEN)
    await site.do(planner.uninvite, entry.id, (BEN.email,))
    await site.do(planner.invite, entry.id, (BEN,))
    await site.get(path, 200)


async def test_a_cancelled_or_past_session_says_so_and_takes_no_answer(site: Site) -> None:
    entry, past = await site.plan(), await site.plan(title="Vorbei")
    path, over = await site.link(entry), await site.link(past)
    (which,) = choices(await site.get(path))
    await site.do(planner.cancel, entry.id)
    page = await site.get(path)
    assert "hat diese Sitzung abgesagt" in page.visible
    assert page.named("form") == []
    await site.post(path, "ACCEPTED", which, status=409)
    site.clock.move(30 * DAY)
    assert "Diese Sitzung ist vorbei" in (await site.get(over)).visible
    await site.post(over, "ACCEPTED", which, status=409)
    assert (await site.read(entry)).answers == (await site.read(past)).answers == ()


async def test_a_session_without_a_date_takes_no_answer(site: Site) -> None:
    entry = await site.plan(when=None)
    page = await site.get(await site.link(entry))
    assert "kein Termin fest" in page.visible
    assert page.named("form") == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"partstat=MAYBE&which=|x",
        b"partstat=ACCEPTED",
        b"partstat=ACCEPTED&which=nonsense",
        b"partstat=ACCEPTED&which=2027-13-99|x",
        b"partstat=ACCEPTED&which=2027-03-10T09:00:00%2B01:00|x",
        b"partstat=ACCEPTED&which=|x&comment=" + b"x" * 20_000,
        b"&".join(b"a=1" for _ in range(99)),
        b"\xff\xfe\x00",
        b'{"partstat": "ACCEPTED"}',
    ],
    ids=lambda body: str(body[:30]),
)
async def test_what_is_no_form_of_ours_is_asked_again(site: Site, body: bytes) -> None:
    entry = await site.plan()
    answer = await site.client.post(await site.link(entry), content=body, headers=GERMAN)
    assert answer.status_code == 400
    assert "Bitte wählen Sie" in outline(answer).visible
    assert (await site.read(entry)).answers == ()


async def test_a_comment_is_cut_and_cleaned(site: Site) -> None:
    entry = await site.plan()
    path = await site.link(entry)
    await site.post(path, "ACCEPTED", choices(await site.get(path))[0], comment="\x1b[31m<b>ja</b>\u202e" + "x" * 1000)
    (answer,) = (await site.read(entry)).answers
    assert len(answer.comment) == 500
    assert answer.comment.startswith("[31m<b>ja</b>xxx")
    page = await site.get(path)
    assert "<b>ja</b>" in page.visible
    assert page.named("b") == []


async def test_every_field_of_the_form_has_a_label(site: Site) -> None:
    page = await site.get(await site.link(await site.plan(rrule="FREQ=WEEKLY;COUNT=3")))
    labelled = {label.get("for") for label in page.named("label")}
    assert [field["id"] for field in page.named("textarea")] == ["comment"]
    assert "comment" in labelled
    assert len(page.named("input")) == len([label for label in page.named("label") if not label.get("for")])
    assert len(page.named("legend")) == 1


async def test_an_entry_that_its_calendar_invites_to_has_no_page(site: Site) -> None:
    entry = await site.plan()
    path = await site.link(entry)
    await site.context.store.run(
        lambda tx: tx.execute(sa.text("UPDATE entry SET sender = 'calendar' WHERE id = :id"), {"id": entry.id}).rowcount
    )
    await site.get(path, 404)
    assert (await site.read(entry)).state is EntryState.PLANNED
