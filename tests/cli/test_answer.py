"""`answer accept`, `refuse` and `set`: what the owner decides, and what he is told about it."""

from __future__ import annotations

import pytest

from tests.cli.conftest import PLANNER, Cli


def a_mail(cli: Cli, entry: str, sender: str, *, method: str = "REPLY", more: str = "") -> bytes:
    uid = cli.json("entry", "show", entry)["uid"]
    return (
        f"From: {sender}\r\nTo: {PLANNER}\r\nContent-Type: text/calendar; method={method}\r\n\r\n"
        f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:{method}\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nSEQUENCE:0\r\n{more}"
        f"ATTENDEE;PARTSTAT=TENTATIVE:mailto:{sender}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    ).encode()


def waiting(cli: Cli, outcome: str) -> str:
    (mail,) = cli.json("answer", "list", "--outcome", outcome)
    return str(mail["id"])


def test_a_held_answer_is_accepted_by_the_beginning_of_its_id(cli: Cli, haushalt: str) -> None:
    cli("answer", "ingest", stdin=a_mail(cli, haushalt, "carl@else.test"))
    mail = waiting(cli, "held")
    shown = cli("answer", "show", mail[:10])
    assert f"Decide: sitzungsplaner answer accept {mail[:8]}" in " ".join(shown.out.split())
    assert cli("answer", "accept", mail[:10], "--dry-run").out.startswith("Nothing is changed yet. Accepted by the owner.")
    assert waiting(cli, "held") == mail
    assert "carl@else.test answered TENTATIVE" in cli("answer", "accept", mail[:10]).out
    people = {one["email"]: one["partstat"] for one in cli.json("entry", "show", haushalt)["attendees"]}
    assert people["carl@else.test"] == "TENTATIVE"
    again = cli("answer", "accept", mail, code=1)
    assert "There is nothing to decide about this mail any more" in again.err


def test_a_proposed_time_is_shown_and_refused_with_a_word(cli: Cli, haushalt: str) -> None:
    more = (
        "RECURRENCE-ID;TZID=Europe/Berlin:20350313T090000\r\nDTSTART;TZID=Europe/Berlin:20350314T100000\r\n"
        "DTEND;TZID=Europe/Berlin:20350314T113000\r\nCOMMENT:Lieber Mittwoch\r\n"
    )
    (line,) = cli(
        "answer", "ingest", "--json", stdin=a_mail(cli, haushalt, "ben@example.org", method="COUNTER", more=more)
    ).out.splitlines()
    assert '"recurrence_id": "20350313T080000Z"' in line
    mail = waiting(cli, "counter")
    shown = cli.json("answer", "show", mail)
    assert (shown["proposed_start"], shown["comment"], shown["waits"]) == ("2035-03-14T10:00:00", "Lieber Mittwoch", True)
    refused = cli("answer", "refuse", mail, "--comment", "Da ist der Saal belegt.")
    assert "ben@example.org is mailed that the proposed time is not taken." in refused.out
    assert cli.json("answer", "list", "--outcome", "counter") == []


def test_an_answer_by_word_of_mouth_is_recorded_as_the_owners(cli: Cli, haushalt: str) -> None:
    said = cli("answer", "set", haushalt, "Ben@Example.org", "yes", "--date", "2035-03-13 09:00", "--comment", "am Telefon")
    assert said.out == "ben@example.org: accepted for 2035-03-13 09:00, by you.\n"
    (answer,) = cli.json("entry", "answers", haushalt)["answers"]
    assert (answer["source"], answer["partstat"], answer["comment"]) == ("owner", "ACCEPTED", "am Telefon")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(("ben@example.org", "perhaps"), 2, "is none of yes, no and maybe", id="no answer"),
        pytest.param(("carl@else.test", "yes"), 1, "is not on the list", id="a stranger"),
    ],
)
def test_what_cannot_be_recorded_is_said(cli: Cli, haushalt: str, words: tuple[str, ...], code: int, said: str) -> None:
    assert said in " ".join(cli("answer", "set", haushalt, *words, code=code).all.split())
