"""What is typed of people, and what is said of dates and effects."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.cli import words
from daemon.cli.options import person
from tests.cli.conftest import Cli


@pytest.mark.parametrize(
    ("typed", "name", "email"),
    [
        ("ben@example.org", "", "ben@example.org"),
        (" Ben Muster <ben@example.org> ", "Ben Muster", "ben@example.org"),
        ('"Muster, Ben" <ben@example.org>', "Muster, Ben", "ben@example.org"),
        ("Ben Muster (GF) <ben@example.org>", "Ben Muster (GF)", "ben@example.org"),
        ("<ben@example.org>", "", "ben@example.org"),
        ("ben@exa mple.org", "", "ben@exa mple.org"),
        ("ben@example.org, cora@example.org", "", "ben@example.org, cora@example.org"),
        ("Ben <ben@example.org", "", "Ben <ben@example.org"),
    ],
)
def test_a_person_is_a_name_and_an_address_and_nothing_is_made_of_what_is_neither(typed: str, name: str, email: str) -> None:
    assert person(typed) == {"email": email, "name": name, "role": "REQ-PARTICIPANT"}


def date(start: str, end: str) -> dict[str, str]:
    return {"start": start, "end": end, "timezone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("start", "end", "all_day", "said"),
    [
        ("2035-03-06T09:00:00+01:00", "2035-03-06T10:30:00+01:00", False, "Tue 2035-03-06 09:00–10:30 Europe/Berlin"),
        (
            "2035-03-06T22:00:00+01:00",
            "2035-03-07T01:00:00+01:00",
            False,
            "Tue 2035-03-06 22:00 – Wed 2035-03-07 01:00 Europe/Berlin",
        ),
        ("2035-03-06T00:00:00+01:00", "2035-03-07T00:00:00+01:00", True, "Tue 2035-03-06 all day Europe/Berlin"),
        ("2035-03-24T00:00:00+01:00", "2035-03-26T00:00:00+02:00", True, "Sat 2035-03-24 – Sun 2035-03-25 all day Europe/Berlin"),
    ],
    ids=["within a day", "over midnight", "a whole day", "two whole days over a clock change"],
)
def test_a_date_is_said_with_its_zone(start: str, end: str, all_day: bool, said: str) -> None:
    assert words.date_line(date(start, end), all_day=all_day) == said


def mail(target: str, kind: str) -> dict[str, Any]:
    return {"kind": "mail", "target": target, "mail_kind": kind, "text": "", "due": None}


def test_a_change_is_summed_up_by_people_and_kinds_of_mail() -> None:
    effects = [mail(f"{name}@x", "update") for name in "abc"] + [mail("d@x", "cancellation")]
    assert words.summary(effects) == "mails 4 people: 3 updates, 1 cancellation"
    assert words.summary([mail("a@x", "update"), mail("a@x", "occurrence-cancellation")]) == (
        "mails 1 person: 1 update, 1 cancellation of one date"
    )
    assert words.summary([{"kind": "calendar", "target": "c", "mail_kind": None}]) == "mails nobody"


@pytest.mark.parametrize(("iso", "said"), [("PT24H", "24h"), ("PT15M", "15m"), ("PT1H30M", "1h30m"), ("P2D", "2d")])
def test_durations_are_said_as_people_type_them(iso: str, said: str) -> None:
    assert words.duration(iso) == said


@pytest.mark.parametrize(("given", "once"), [((), False), (("--once",), True)])
@pytest.mark.parametrize("code", [0, 1])
def test_the_demonstration_ends_as_its_story_does(
    bare: Cli, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...], once: bool, code: int
) -> None:
    told: list[bool] = []

    def run_demo(*, once: bool) -> int:
        told.append(once)
        return code

    monkeypatch.setattr("daemon.demo.story.run_demo", run_demo)
    bare("demo", *given, code=code)
    assert told == [once]
