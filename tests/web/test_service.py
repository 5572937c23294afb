"""Answers, work, status, database: the parts of the API that look after the service."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from daemon.core.calendars import CalendarState
from daemon.store import work as work_rows
from daemon.store.engine import open_store
from tests.clock import ManualClock
from tests.web.conftest import Api

MAIL = b"From: Bert <bert@example.org>\r\nTo: sitzung@example.org\r\nSubject: Hallo\r\nMessage-ID: <1@x>\r\n\r\nIch komme.\r\n"


def a_reply(entry: dict[str, Any]) -> bytes:
    return (
        "From: Bert <bert@example.org>\r\nTo: sitzung@example.org\r\nSubject: Ja\r\nMessage-ID: <2@x>\r\nMime-Version: 1.0\r\n"
        f"Content-Type: text/calendar; method=REPLY; charset=utf-8\r\n\r\n"
        f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//T//EN\r\nMETHOD:REPLY\r\nBEGIN:VEVENT\r\nUID:{entry['uid']}\r\n"
        f"DTSTAMP:20270301T090000Z\r\nSEQUENCE:0\r\nDTSTART:20270310T080000Z\r\nORGANIZER:mailto:sitzung@example.org\r\n"
        f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:bert@example.org\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    ).encode()


async def ingested(api: Api, raw: bytes) -> Any:
    (result,) = (await api.call("POST", "/answers", 200, content=raw, headers={"Content-Type": "message/rfc822"})).json()[
        "results"
    ]
    return result


async def test_a_mail_has_an_outcome_and_stands_in_the_list(api: Api) -> None:
    await api.add_owner()
    entry = await api.add_entry(attendees=["bert@example.org"])
    reply = await ingested(api, a_reply(entry))
    assert (reply["uid"], reply["attendee"], reply["entry"]) == (entry["uid"], "bert@example.org", entry["id"])
    assert (reply["outcome"], reply["partstat"]) == ("applied", "ACCEPTED"), reply
    assert (await ingested(api, a_reply(entry)))["outcome"] == "ignored"
    assert (await ingested(api, MAIL))["outcome"] == "informational"
    listed = await api.get("/answers")
    assert {(one["subject"], one["outcome"]) for one in listed} == {("Hallo", "informational"), ("Ja", "applied")}
    assert [one["subject"] for one in await api.get("/answers", outcome="applied")] == ["Ja"]
    assert [one["subject"] for one in await api.get("/answers", entry=entry["number"])] == ["Ja"]
    assert await api.get(f"/answers/{listed[0]['id']}") == listed[0]
    (bert,) = (await api.get(f"/entries/{entry['id']}"))["attendees"]
    assert (bert["partstat"], bert["source"]) == ("ACCEPTED", "mail")


async def test_an_empty_mail_and_an_unknown_one_are_refused(api: Api) -> None:
    assert (await api.call("POST", "/answers", 422, content=b"\r\n")).json()["field"] == "body"
    await api.call("GET", "/answers/nothing", 404)


async def test_work_is_listed_tried_again_and_dropped(api: Api, clock: ManualClock) -> None:
    await api.add_owner()
    entry = await api.add_entry(attendees=["b/x@example.org"])
    key = f"mail:{entry['id']}:b/x@example.org"
    job = await api.get(f"/work/{key}")
    assert (job["key"], job["kind"], job["state"], job["due"]) == (key, "mail", "waiting", "2027-03-01T08:01:00Z")

    def fail(tx: sa.Connection) -> None:
        now = clock.move(timedelta(minutes=2))
        (held,) = work_rows.claim(tx, "mail", now=now, hold=timedelta(minutes=1), most=1, token="t").jobs
        work_rows.park(tx, held, error="550 no such user", now=now)

    await api.store.run(fail)
    (parked,) = await api.get("/work", parked=True)
    assert (parked["state"], parked["error"], parked["due"]) == ("parked", "550 no such user", None)
    again = await api.post(f"/work/{key}/retry", {})
    assert (again["state"], again["due"]) == ("waiting", "2027-03-01T08:02:00Z")
    await api.call("DELETE", f"/work/{key}?dry_run=true", 204)
    await api.call("DELETE", f"/work/{key}", 204)
    await api.call("GET", f"/work/{key}", 404)
    await api.call("POST", f"/work/{key}/retry", 404)
    assert {one["kind"] for one in await api.get("/work")} == {"remind"}


async def test_held_work_says_so(api: Api, clock: ManualClock) -> None:
    await api.add_owner()
    await api.add_entry(attendees=["b@example.org"])
    now = clock.move(timedelta(minutes=2))
    await api.store.run(lambda tx: work_rows.claim(tx, "mail", now=now, hold=timedelta(minutes=1), most=1, token="t"))
    (job,) = await api.get("/work", kind="mail")
    assert (job["state"], job["held_until"]) == ("held", "2027-03-01T08:03:00Z")


async def test_status_tells_of_loops_queue_and_calendars(api: Api, clock: ManualClock) -> None:
    await api.add_owner()
    await api.post("/calendars", {"name": "Büro", "url": "https://x/"}, status=201)
    status = await api.get("/status")
    assert (status["healthy"], status["store"], status["owners"], status["running"]) == (True, "SQLite", 1, {"work": "running"})
    assert [(one["kind"], one["ripe"]) for one in status["queue"]] == [("calendar", 1)]
    assert [(one["name"], one["owner"], one["state"]) for one in status["calendars"]] == [("Büro", "anna@example.org", "ok")]

    def refuse(tx: sa.Connection) -> None:
        tx.execute(sa.text("UPDATE calendar SET state = :state"), {"state": CalendarState.REFUSED.value})

    await api.store.run(refuse)
    assert (await api.get("/status"))["healthy"] is False


async def test_the_process_says_that_it_answers(api: Api) -> None:
    assert (await api.client.get("/healthz")).json() == {"status": "ok"}


async def test_a_backup_is_a_store_and_a_check_has_findings_with_remedies(api: Api, tmp_path: Path, clock: ManualClock) -> None:
    await api.add_owner()
    target = tmp_path / "backup.db"
    made = await api.post("/database/backup", {"target": str(target)}, status=201)
    assert made == {"target": str(target), "size": target.stat().st_size}
    copy = open_store(f"sqlite:///{target}", clock=clock, data_dir=None)
    assert copy.run_now(lambda tx: tx.scalar(sa.text("SELECT email FROM owner"))) == "anna@example.org"
    copy.close()
    assert "exists already" in (await api.post("/database/backup", {"target": str(target)}, status=422))["detail"]
    assert (await api.post("/database/backup", {"target": "backup.db"}, status=422))["field"] == "target"
    assert all(one["level"] == "warning" and one["remedy"] for one in await api.get("/database/check"))


async def test_the_doctor_s_findings_are_handed_on(api: Api) -> None:
    (found,) = await api.post("/doctor", {})
    assert found == {"level": "ok", "field": "store", "what": "quick: False", "where": "", "remedy": ""}
    (found,) = await api.post("/doctor", {}, quick=True)
    assert found["what"] == "quick: True"
