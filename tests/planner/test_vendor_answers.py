"""Answers shaped like every vendor's, and hostile ones: each ends as ../shared/data/itip/synth/expected.json says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import process_time
from typing import Any

import pytest

from daemon import planner
from daemon.core.errors import Unreadable
from daemon.core.imip import read_mail
from daemon.core.itip import AnswerRules
from daemon.core.model import Organizer, Owner
from daemon.core.reading import read
from daemon.planner.wishes import Desk
from daemon.store import inbox as inbox_rows
from daemon.store import journal as journal_rows
from daemon.store.engine import Store
from tests.planner.conftest import Do

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "itip"
RECEIVED = datetime(2027, 2, 2, 9, 0, tzinfo=UTC)
SUITE: dict[str, Any] = json.loads((DATA / "synth" / "expected.json").read_text()) if DATA.is_dir() else {"cases": []}
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the shared collection of real mails is not beside this checkout")

Shape = dict[str, Any]


@pytest.fixture
def imported(do: Do, alice: Owner, desk: Desk) -> tuple[str, ...]:
    """The two base objects of the suite, with our mail server known."""
    known = AnswerRules(authserv_id=SUITE["trusted_authserv_id"])
    desk.rules = replace(desk.rules, organizer=Organizer(email="sessions@org.example", name="Sessions"), answers=known)
    ids = []
    for name in ("base-series.ics", "base-single.ics"):
        events, _ = planner.parse_import((DATA / "synth" / name).read_bytes(), zone="Europe/Berlin")
        ids += [do(planner.import_one, alice.id, one, invite=False).entry for one in events]
    return tuple(ids)


@pytest.fixture
def take(do: Do) -> Callable[[str], list[Shape]]:
    def run(file: str) -> list[Shape]:
        raw = (DATA / file).read_bytes()
        results = do(planner.ingest, raw, read(raw), received=RECEIVED, source="file")
        return [
            {
                "outcome": one.outcome.value,
                "reason": one.reason,
                "attendee": one.attendee,
                "partstat": one.partstat.value if one.partstat else None,
                "recurrence_id": one.occurrence,
                "comment": one.comment,
            }
            for one in results
        ]

    return run


def state(store: Store, do: Do, entries: tuple[str, ...]) -> Any:
    return [(one.entry.attendees, one.entry.answers, one.entry.revision) for one in (do(planner.show, each) for each in entries)]


@pytest.mark.parametrize("case", SUITE["cases"], ids=lambda case: case["file"].removeprefix("synth/"))
def test_every_answer_of_the_suite_ends_as_it_says(
    imported: tuple[str, ...], take: Callable[[str], list[Shape]], store: Store, do: Do, case: Shape
) -> None:
    if "precondition" in case:
        assert take("synth/good/exchange-accept-de.eml")[0]["outcome"] == "applied"
    got = take(case["file"])
    assert {one["outcome"] for one in got} == {case["outcome"]}, got
    assert all(one["reason"].endswith((".", "user", "seq")) for one in got)
    wanted = case.get("changes") or [case]
    for name in ("attendee", "partstat", "recurrence_id", "comment"):
        if any(name in one for one in wanted):
            assert [one[name] for one in got if wanted] == [one.get(name) for one in wanted], got
    if case["outcome"] in ("held", "ignored", "rejected") and "precondition" not in case:
        assert all(not answers for _, answers, _ in state(store, do, imported))
    lines = [line for line in store.run_now(lambda tx: journal_rows.list_(tx)) if line.action.startswith("mail-")]
    assert {line.text for line in lines} >= {one["reason"] for one in got}
    before = state(store, do, imported)
    (again,) = take(case["file"])
    assert again["outcome"] == "ignored"
    assert state(store, do, imported) == before, "a repeat changes nothing"


def test_a_proposed_time_is_kept_with_the_mail(
    imported: tuple[str, ...], take: Callable[[str], list[Shape]], store: Store
) -> None:
    take("synth/good/counter-exchange.eml")
    (mail,) = store.run_now(lambda tx: inbox_rows.list_(tx))
    assert (mail.proposed_start, mail.sequence, mail.comment) == (datetime(2027, 3, 8, 11), 2, "Later please")


def test_a_delegate_may_answer_before_his_delegation_is_known(
    imported: tuple[str, ...], take: Callable[[str], list[Shape]], store: Store, do: Do
) -> None:
    assert take("synth/good/delegate-accepts.eml")[0]["outcome"] == "held"
    take("synth/good/delegation-reply.eml")
    view = do(planner.show, imported[0])
    stands = {one.attendee.email: (one.standing.partstat.value, one.attendee.delegated_from) for one in view.attendees}
    assert stands["dora@corp.example"] == ("ACCEPTED", "anna@corp.example")
    assert stands["anna@corp.example"] == ("DELEGATED", "")
    outcomes = {one.sender: one.outcome for one in store.run_now(lambda tx: inbox_rows.list_(tx))}
    assert outcomes["dora@corp.example"] == "applied"


def test_a_delegate_may_answer_after_it(imported: tuple[str, ...], take: Callable[[str], list[Shape]]) -> None:
    take("synth/good/delegation-reply.eml")
    (answer,) = take("synth/good/delegate-accepts.eml")
    assert (answer["outcome"], answer["attendee"], answer["partstat"]) == ("applied", "dora@corp.example", "ACCEPTED")


def mails() -> list[Path]:
    found = sorted(path for path in DATA.rglob("*") if path.suffix in (".eml", ".mime"))
    return [path for path in found if path.parent.name not in ("good", "bad")]


def test_every_real_mail_is_taken_in_without_an_effect_on_what_it_does_not_belong_to(
    imported: tuple[str, ...], take: Callable[[str], list[Shape]], store: Store, do: Do
) -> None:
    """2 s of processor time each, as itip.md 1.10 wants; the objects that are no mails go in as attachments."""
    before = state(store, do, imported)
    found = mails()
    assert len(found) >= 50
    for path in found:
        begin = process_time()
        results = take(str(path.relative_to(DATA)))
        assert process_time() - begin < 2, path.name
        assert results
        assert all(one["outcome"] for one in results)
    assert state(store, do, imported) == before


def test_every_real_object_is_taken_in_as_a_mail_of_somebody(imported: tuple[str, ...], store: Store, do: Do) -> None:
    before = state(store, do, imported)
    for path in sorted(path for path in DATA.rglob("*") if path.suffix in (".ics", ".vcs")):
        if path.parent.name == "synth":
            continue
        head = b"From: anna@corp.example\r\nContent-Type: text/calendar\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        begin = process_time()
        raw = head + path.read_bytes()
        assert do(planner.ingest, raw, read(raw), received=RECEIVED, source="file")
        assert process_time() - begin < 2, path.name
    assert state(store, do, imported) == before


def test_real_bounces_are_known_and_told_from_automatic_replies() -> None:
    """All 23 of mail servers that report a failure; a complaint (RFC 5965), automatic replies and a forwarded mail are none."""
    reports, others = [], []
    for path in sorted((DATA / "bounces").iterdir()):
        try:
            mail = read_mail(path.read_bytes())
        except Unreadable:
            mail = None
        (reports if mail is not None and mail.report is not None else others).append(path.name)
    assert others == [
        "bsd__arf-01.eml",
        "bsd__rfc3834-02.eml",
        "bsd__rfc3834-04.eml",
        "bsd__rfc3834-06.eml",
        "not__is-not-bounce-02.eml",
    ]
    assert len(reports) == 23
