"""Calendars as facts, and asking several of which some misbehave."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from daemon.core.calendars import CalendarState
from daemon.core.errors import Refused, SitzungsplanerError, Unreachable
from daemon.core.model import Sender
from daemon.doctor import Level
from daemon.doctor.calendars import MOST, Asking, Seen, ask_calendars, chosen, judge_calendar, left_out
from daemon.ports import CalendarAccount, Capabilities
from daemon.secrets import encrypt
from daemon.store.condition import CalendarCondition
from tests.doctor.tables import levels, the
from tests.store.values import NOW, a_calendar

KEY = bytes(range(32))
ABLE = Capabilities(product="Radicale", sync_collection=True)
GOOD = CalendarCondition(calendar=a_calendar(name="Büro", checked=NOW - timedelta(minutes=1)), owner="anna@example.org")
AT_WORK = Seen(capabilities=ABLE)
DOWN = Seen(trouble="cal.example.org could not be reached: refused. It is tried again by itself.")


def a_condition(**changes: object) -> CalendarCondition:
    return replace(GOOD, calendar=replace(GOOD.calendar, **changes))  # type: ignore[arg-type]


FACTS = {
    "all is well": (GOOD, AT_WORK, [], "sends no invitations, tells what changed, last synced 2027-03-01 07:59"),
    "never synced so far": (a_condition(checked=None), AT_WORK, [], "not synced yet"),
    "the server invites, as is set": (
        a_condition(sender=Sender.CALENDAR),
        Seen(capabilities=replace(ABLE, schedules=True)),
        [],
        "invites by itself",
    ),
    "the server is to invite and does not": (a_condition(sender=Sender.CALENDAR), AT_WORK, ["problem"], "nobody is invited"),
    "the server could invite": (GOOD, Seen(capabilities=replace(ABLE, schedules=True)), ["note"], "could send"),
    "both invite": (
        GOOD,
        Seen(capabilities=replace(ABLE, schedules=True, foreign_organizer_quiet=False, honours_client_agent=False)),
        ["problem"],
        "they get everything twice",
    ),
    "may only be read": (GOOD, Seen(capabilities=replace(ABLE, writable=False)), ["problem"], "may only be read"),
    "ignores If-Match": (GOOD, Seen(capabilities=replace(ABLE, honours_if_match=False)), ["note"], "ignores If-Match"),
    "cannot tell what changed": (GOOD, Seen(capabilities=replace(ABLE, sync_collection=False)), ["note"], "no sync-collection"),
    "is down since a moment": (GOOD, DOWN, ["warning"], "refused. (it last answered on 2027-03-01 at 07:59 UTC"),
    "is down since two days": (a_condition(checked=NOW - timedelta(days=2)), DOWN, ["problem"], "2027-02-27 at 08:00"),
    "was never reached": (a_condition(checked=None), DOWN, ["problem"], "never answered so far"),
    "is down, and something waits": (replace(GOOD, waiting=1200), DOWN, ["warning"], "1,200 changes wait"),
    "refuses the password": (
        GOOD,
        Seen(trouble="cal: the password is wrong. Not tried again. Give the right password.", refused=True),
        ["problem"],
        "Give the right password.",
    ),
    "was refused, and answers now": (
        a_condition(state=CalendarState.REFUSED, error="The password is wrong. Not tried again. Give another."),
        AT_WORK,
        ["problem"],
        "not followed any more: The password is wrong.",
    ),
    "was unreachable, and answers now": (a_condition(state=CalendarState.UNREACHABLE), AT_WORK, ["note"], "answers again"),
    "an event was refused": (replace(GOOD, refused=1), AT_WORK, ["problem"], "One event was refused"),
    "events were refused": (replace(GOOD, refused=2), AT_WORK, ["problem"], "2 events were refused"),
}


@pytest.mark.parametrize("case", FACTS)
def test_what_is_said_of_a_calendar(case: str) -> None:
    known, seen, expected, piece = FACTS[case]
    findings = judge_calendar(known, seen, now=NOW)
    assert levels(findings) == expected
    assert piece in " ".join(f"{one.what} {one.remedy}" for one in findings)
    assert {one.where for one in findings} == {"Büro (anna@example.org)"}


def test_those_in_trouble_are_asked_first_and_not_all_of_very_many() -> None:
    known = [a_condition(id=f"{number:032}") for number in range(MOST + 5)]
    known[-1] = a_condition(id="refused", state=CalendarState.REFUSED)
    known[-2] = replace(a_condition(id="events"), refused=3)
    asked, rest = chosen(known)
    assert ({one.calendar.id for one in asked[:2]}, len(asked), rest) == ({"refused", "events"}, MOST, 5)
    assert levels(left_out(rest)) == ["note"]
    assert left_out(0) == ()
    assert chosen(known[:3])[1] == 0


class Connector:
    """Answers as its address says."""

    def __init__(self, account: CalendarAccount, log: list[str]) -> None:
        self._account, self._log = account, log
        if account.url == "nonsense":
            raise Refused("“nonsense” is no calendar address. Enter it like https://cal.example.org/.")

    async def probe(self) -> Capabilities:
        troubles: dict[str, SitzungsplanerError] = {"down": Unreachable("It is down."), "closed": Refused("It is closed.")}
        if self._account.url in troubles:
            raise troubles[self._account.url]
        if self._account.url == "hangs":
            await asyncio.get_running_loop().create_future()
        return Capabilities(product=f"{self._account.username}:{self._account.password}")

    async def close(self) -> None:
        self._log.append(self._account.url)


async def test_the_trouble_of_one_calendar_is_its_own() -> None:
    closed: list[str] = []
    asking = Asking(
        connecting=lambda account: Connector(account, closed),  # type: ignore[arg-type,return-value]
        key=KEY,
        references={"web": "from the settings"},
        patience=timedelta(milliseconds=50),
    )
    urls = ("fine", "down", "closed", "hangs", "nonsense")
    known = [a_condition(url=url, username="u", secret=encrypt(KEY, "pw")) for url in urls]
    known += [a_condition(url="fine", username="r", secret="ref:web"), a_condition(url="fine", secret="ref:gone")]
    seen = await ask_calendars(known, asking)
    assert [one.capabilities.product if one.capabilities else (one.refused, one.trouble.partition(".")[0]) for one in seen] == [
        "u:pw",
        (False, "It is down"),
        (True, "It is closed"),
        (False, "The server did not answer within 0"),
        (True, "“nonsense” is no calendar address"),
        "r:from the settings",
        (True, "The configuration has no password named “gone” for the calendar"),
    ]
    assert sorted(closed) == ["closed", "down", "fine", "fine", "hangs"]


@pytest.mark.parametrize(("key", "piece"), [(None, "a service key that is not here"), (bytes(32), "another service key")])
async def test_a_password_without_its_key_is_a_problem(key: bytes | None, piece: str) -> None:
    asking = Asking(connecting=lambda _: pytest.fail("asked"), key=key, references={}, patience=timedelta(seconds=1))
    known = a_condition(secret=encrypt(KEY, "pw"))
    (seen,) = await ask_calendars([known], asking)
    found = the(judge_calendar(known, seen, now=NOW), Level.PROBLEM, piece)
    assert "Bring back" in found.remedy
