"""Import of .ics files: a line for each event, each done for itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa

from daemon import planner
from daemon.core.errors import Unreachable
from tests.web.conftest import Api


def a_file(*events: str) -> bytes:
    body = "".join(f"BEGIN:VEVENT\r\n{one}\r\nDTSTAMP:20270101T000000Z\r\nEND:VEVENT\r\n" for one in events)
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Test//EN\r\n{body}END:VCALENDAR\r\n".encode()


ONE = "UID:one@x\r\nSUMMARY:Eins\r\nDTSTART:20270310T080000Z\r\nDTEND:20270310T090000Z\r\nSEQUENCE:4"
TWO = "UID:two@x\r\nSUMMARY:Zwei\r\nDTSTART;TZID=Europe/Berlin:20270311T080000\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:b@example.org"
BAD = "UID:bad@x\r\nSUMMARY:Zu oft\r\nDTSTART:20270310T080000Z\r\nRRULE:FREQ=SECONDLY"


async def imported(api: Api, raw: bytes, *, owner: str = "", **params: Any) -> list[dict[str, Any]]:
    headers = {"Content-Type": "text/calendar"}
    answer = await api.call("POST", "/entries/import", 200, owner=owner, content=raw, params=params, headers=headers)
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_each_event_is_a_line_between_the_total_and_the_sums(api: Api) -> None:
    await api.add_owner()
    first, *events, last = await imported(api, a_file(ONE, BAD, TWO))
    assert first == {"total": 3, "problems": []}
    assert not [one for one in events if one["outcome"] == "failed"]
    assert [(one["index"], one["title"], one["outcome"]) for one in events] == [
        (1, "Eins", "created"),
        (2, "Zu oft", "skipped"),
        (3, "Zwei", "created"),
    ]
    assert events[1]["reason"]
    assert last == {"done": True, "sums": {"created": 2, "skipped": 1}}
    entry = await api.get(f"/entries/{events[0]['entry']}")
    assert (entry["uid"], entry["sequence"]) == ("one@x", 4)
    (bert,) = (await api.get(f"/entries/{events[2]['entry']}"))["attendees"]
    assert (bert["partstat"], bert["source"]) == ("ACCEPTED", "import")


async def test_a_second_import_changes_nothing(api: Api) -> None:
    await api.add_owner()
    await imported(api, a_file(ONE, TWO))
    *_, last = await imported(api, a_file(ONE, TWO))
    assert last["sums"] == {"unchanged": 2}
    assert len(await api.get("/entries", which="all")) == 2


async def test_an_export_comes_back_in_elsewhere(api: Api) -> None:
    await api.add_owner()
    entry = await api.add_entry(rrule="FREQ=DAILY;COUNT=3", attendees=["b@example.org"], description="Text")
    file = (await api.call("GET", f"/entries/{entry['id']}/export", 200)).content
    await api.call("DELETE", f"/entries/{entry['id']}", 200)

    def forget(tx: sa.Connection) -> None:
        for table in ("number", "attendee", "reminder_mark", "sent", "link", "entry"):
            tx.execute(sa.text(f"DELETE FROM {table}"))

    await api.store.run(forget)
    _, line, _ = await imported(api, file)
    back = await api.get(f"/entries/{line['entry']}")
    for key in ("uid", "title", "description", "start", "end", "timezone", "rrule", "sequence"):
        assert back[key] == entry[key], key


async def test_a_dry_run_of_an_import_keeps_nothing(api: Api) -> None:
    await api.add_owner()
    *_, last = await imported(api, a_file(ONE, TWO), dry_run=True)
    assert last["sums"] == {"created": 2}
    assert await api.get("/entries", which="all") == []


async def test_invitations_go_out_only_when_asked_for(api: Api) -> None:
    await api.add_owner()
    await imported(api, a_file(TWO))
    assert await api.get("/work", kind="bulk") == []
    await imported(api, a_file(TWO.replace("two@x", "three@x")), invite=True)
    assert len(await api.get("/work", kind="bulk")) == 1


async def test_an_unknown_calendar_or_owner_is_told_before_anything_is_done(api: Api) -> None:
    await api.add_owner()
    for status, field, owner, params in [(404, "calendar", "", {"calendar": "nowhere"}), (404, "owner", "otto@example.org", {})]:
        answer = await api.call("POST", "/entries/import", status, owner=owner, content=a_file(ONE), params=params)
        assert answer.json().get("field") == field, answer.text
    assert await api.get("/entries", which="all") == []


@pytest.mark.parametrize(
    "raw", [b"", b"  \r\n", b"this is no calendar", b"\x00\xff\xfe"], ids=["empty", "blank", "text", "binary"]
)
async def test_a_file_that_is_no_calendar_is_refused_as_a_whole(api: Api, raw: bytes) -> None:
    await api.add_owner()
    problem = (await api.call("POST", "/entries/import", 422, content=raw)).json()
    assert problem["detail"].endswith(".")


async def test_a_database_that_goes_away_in_the_middle_is_the_last_line(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.add_owner()
    real = planner.import_one

    def broken(tx: Any, desk: Any, owner_id: str, event: Any, **more: Any) -> Any:
        if event.uid == "two@x":
            raise Unreachable("The database server does not answer. It is tried again.")
        return real(tx, desk, owner_id, event, **more)

    monkeypatch.setattr(planner, "import_one", broken)
    _, one, two, last = await imported(api, a_file(ONE, TWO, ONE.replace("one@x", "last@x")))
    assert (one["outcome"], two["outcome"], last["sums"]) == ("created", "failed", {"created": 1, "failed": 1})
    assert two["reason"].startswith("The database server does not answer.")
