"""Entries over the API: from a request to the entry as `entry show --json` prints it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from daemon import planner
from daemon.core import itip
from daemon.core.model import Answer, AnswerSource, PartStat
from tests.clock import ManualClock
from tests.web.conftest import Api

# The fields that design 5 promises.
PROMISED = {
    "uid", "number", "title", "start", "end", "timezone", "duration", "rrule", "state", "sequence", "sender",
    "attendees", "occurrences", "calendars", "reminders",
}  # fmt: skip


async def test_an_entry_is_made_and_shown_with_all_promised_fields(api: Api) -> None:
    await api.add_owner()
    made = await api.post(
        "/entries",
        {
            "title": "Haushalt",
            "start": "2027-03-27T09:00",
            "duration": "1h30m",
            "description": "Zeile 1\nZeile 2",
            "location": "Rathaus",
            "attendees": [
                {"email": "Bert@Example.org", "name": "Bert", "role": "OPT-PARTICIPANT"},
                "Carla C <carla@example.org>",
            ],
            "rrule": "FREQ=DAILY;COUNT=2",
        },
        status=201,
    )
    entry = made["entry"]
    assert entry.keys() >= PROMISED
    assert made["dry_run"] is False
    assert {one["due"] for one in made["effects"] if one["kind"] == "mail"} == {"2027-03-01T09:01:00+01:00"}
    assert {one["target"] for one in made["effects"] if one["kind"] == "mail"} == {"bert@example.org", "carla@example.org"}
    assert (entry["start"], entry["end"]) == ("2027-03-27T09:00:00+01:00", "2027-03-27T10:30:00+01:00")
    assert (entry["timezone"], entry["duration"], entry["rrule"]) == ("Europe/Berlin", "PT1H30M", "FREQ=DAILY;COUNT=2")
    assert (entry["state"], entry["sequence"], entry["sender"], entry["owner"]) == ("planned", 0, "planner", "anna@example.org")
    assert entry["number_shown"].replace("-", "") == entry["number"]
    assert entry["link"] == f"https://meet.example.org/{entry['number']}"
    # The clocks go forward between the two dates: same wall time, other offset.
    assert [one["start"] for one in entry["occurrences"]] == ["2027-03-27T09:00:00+01:00", "2027-03-28T09:00:00+02:00"]
    assert [one["recurrence_id"] for one in entry["occurrences"]] == ["2027-03-27T09:00:00+01:00", "2027-03-28T09:00:00+02:00"]
    bert, carla = entry["attendees"]
    assert (bert["email"], bert["name"], bert["role"], bert["partstat"]) == (
        "bert@example.org",
        "Bert",
        "OPT-PARTICIPANT",
        "NEEDS-ACTION",
    )
    assert (bert["source"], bert["answered_at"], bert["delivery"]) == (None, None, "queued")
    assert carla["name"] == "Carla C"
    assert [(one["offset"], one["state"]) for one in entry["reminders"]] == [("PT24H", "waiting"), ("PT15M", "waiting")]
    assert entry["reminders"][1]["due"] == "2027-03-27T08:45:00+01:00"
    assert await api.get(f"/entries/{entry['id']}") == entry


async def test_a_dry_run_says_what_would_be_and_changes_nothing(api: Api) -> None:
    await api.add_owner()
    preview = await api.post(
        "/entries", {"title": "X", "start": "2027-03-10T09:00", "attendees": ["b@example.org"]}, status=201, dry_run=True
    )
    assert preview["dry_run"] is True
    assert any(one["kind"] == "mail" for one in preview["effects"])
    assert await api.get("/entries", which="all") == []
    entry = await api.add_entry(attendees=["b@example.org"])
    before = await api.get(f"/entries/{entry['id']}")
    for path, body in [
        ("move", {"start": "2027-03-11T09:00"}),
        ("cancel", {}),
        ("invite", {"attendees": ["c@example.org"]}),
        ("copy", {}),
    ]:
        status = 201 if path == "copy" else 200
        assert (await api.post(f"/entries/{entry['id']}/{path}", body, dry_run=True, status=status))["dry_run"] is True
    await api.call("DELETE", f"/entries/{entry['id']}?dry_run=true", 200)
    assert await api.get(f"/entries/{entry['id']}") == before
    assert len(await api.get("/work", kind="mail")) == 1


async def test_an_entry_without_date_has_a_number_and_nothing_else(api: Api) -> None:
    await api.add_owner()
    entry = await api.add_entry(start=None, title="Offen")
    assert {entry[key] for key in ("start", "end", "timezone", "duration", "rrule", "next")} == {None}
    assert entry["occurrences"] == []
    assert [(one["due"], one["state"]) for one in entry["reminders"]] == [(None, "off"), (None, "off")]
    refused = await api.post(f"/entries/{entry['id']}/cancel", {}, date="2027-05-01", status=422)
    assert (refused["field"], refused["detail"]) == ("date", "“Offen” has no date.")
    moved = await api.post(f"/entries/{entry['id']}/move", {"start": "2027-05-01T10:00"})
    assert (moved["entry"]["start"], moved["entry"]["timezone"]) == ("2027-05-01T10:00:00+02:00", "Europe/Berlin")


async def test_an_entry_is_found_by_everything_a_person_may_type(api: Api) -> None:
    await api.add_owner()
    entry = await api.add_entry(title="Bau/Umwelt")
    for text in (entry["id"], entry["uid"], entry["number"], entry["number_shown"], "Bau/", entry["id"][:8]):
        assert (await api.get("/entries/find", text=text))["id"] == entry["id"]
    assert (await api.get(f"/entries/{entry['number_shown']}"))["id"] == entry["id"]


@pytest.mark.parametrize(
    ("start", "timezone", "shown"),
    [
        ("2027-03-10T09:00", None, "2027-03-10T09:00:00+01:00"),
        ("2027-03-10 09:00", None, "2027-03-10T09:00:00+01:00"),
        ("2027-03-10T09:00", "Europe/London", "2027-03-10T09:00:00Z"),
        ("2027-03-10T09:00Z", None, "2027-03-10T10:00:00+01:00"),
        ("2027-03-10T09:00-05:00", "Europe/London", "2027-03-10T14:00:00Z"),
    ],
    ids=["wall time", "with a blank", "another zone", "with Z", "with an offset, in another zone"],
)
async def test_a_start_is_a_wall_time_or_a_moment(api: Api, start: str, timezone: str | None, shown: str) -> None:
    await api.add_owner()
    entry = await api.add_entry(start=start, timezone=timezone)
    assert entry["start"].replace("+00:00", "Z") == shown


async def test_a_whole_day_is_planned_by_its_date(api: Api) -> None:
    await api.add_owner()
    entry = await api.add_entry(start="2027-03-28", all_day=True, duration="2d")
    assert (entry["all_day"], entry["duration"]) == (True, "P2D")
    # 47 hours long: the clocks go forward on the first of the two days.
    assert (entry["start"], entry["end"]) == ("2027-03-28T00:00:00+01:00", "2027-03-30T00:00:00+02:00")
    moved = await api.post(f"/entries/{entry['id']}/move", {"start": "2027-04-01"})
    assert moved["entry"]["start"] == "2027-04-01T00:00:00+02:00"


async def test_what_is_absent_from_an_edit_stays_and_null_clears(api: Api) -> None:
    await api.add_owner()
    entry = await api.add_entry(rrule="FREQ=DAILY;COUNT=3", location="Rathaus", reminders=["1h"])
    path = f"/entries/{entry['id']}"
    edited = (await api.patch(path, {"title": "Neu"}))["entry"]
    assert (edited["title"], edited["location"], edited["rrule"]) == ("Neu", "Rathaus", "FREQ=DAILY;COUNT=3")
    assert [one["offset"] for one in edited["reminders"]] == ["PT1H"]
    edited = (await api.patch(path, {"rrule": None, "location": ""}))["entry"]
    assert (edited["rrule"], edited["location"]) == (None, "")
    edited = (await api.patch(path, {"start": None}))["entry"]
    assert edited["start"] is None


async def test_one_date_of_a_series_is_named_by_its_original_start(api: Api) -> None:
    await api.add_owner()
    entry = await api.add_entry(rrule="FREQ=DAILY;COUNT=3")
    path = f"/entries/{entry['id']}"
    moved = (await api.post(f"{path}/move", {"start": "2027-03-11T15:00"}, date="2027-03-11T09:00"))["entry"]
    second = moved["occurrences"][1]
    assert (second["recurrence_id"], second["start"], second["moved"]) == (
        "2027-03-11T09:00:00+01:00",
        "2027-03-11T15:00:00+01:00",
        True,
    )
    cancelled = (await api.post(f"{path}/cancel", {}, date="2027-03-12"))["entry"]
    assert [one["state"] for one in cancelled["occurrences"]] == ["planned", "planned", "cancelled"]
    edited = (await api.patch(path, {"title": "Sonderthema"}, date="2027-03-10T08:00Z"))["entry"]
    assert [one["title"] for one in edited["occurrences"]] == ["Sonderthema", "Haushalt", "Haushalt"]
    refused = await api.post(f"{path}/cancel", {}, date="2027-04-01", status=422)
    assert refused["field"] == "date"
    assert (await api.post(f"{path}/cancel", {}, date="morgen", status=422))["field"] == "date"


async def test_people_are_invited_and_taken_off(api: Api) -> None:
    await api.add_owner()
    entry = await api.add_entry()
    path = f"/entries/{entry['id']}"
    invited = await api.post(f"{path}/invite", {"attendees": ["bert@example.org", {"email": "c@example.org"}]})
    assert [one["email"] for one in invited["entry"]["attendees"]] == ["bert@example.org", "c@example.org"]
    assert invited["entry"]["invited"] is True
    left = await api.post(f"{path}/uninvite", {"attendees": ["BERT@example.org"]})
    assert [one["email"] for one in left["entry"]["attendees"]] == ["c@example.org"]
    refused = await api.post(f"{path}/uninvite", {"attendees": ["x@example.org"]}, status=422)
    assert "x@example.org is not on the list" in refused["detail"]


async def test_answers_are_shown_with_source_and_what_was_said_before_a_move(api: Api, clock: ManualClock) -> None:
    await api.add_owner()
    made = await api.add_entry(attendees=["bert@example.org"])

    def answer(tx: Any) -> None:
        entry = planner.find_entry(tx, made["id"], None)
        about = itip.schedule_key(entry.when, entry.rrule, entry.rdates)
        said = Answer(
            attendee="bert@example.org",
            recurrence_id=None,
            partstat=PartStat.ACCEPTED,
            source=AnswerSource.MAIL,
            answered_at=clock.now(),
            about=about,
            comment="gern",
        )
        planner.record_answer(tx, api.context.desk, entry.id, said)

    await api.store.run(answer)
    (bert,) = (await api.get(f"/entries/{made['id']}"))["attendees"]
    assert (bert["partstat"], bert["source"], bert["answered_at"]) == ("ACCEPTED", "mail", "2027-03-01T09:00:00+01:00")
    assert (bert["outdated"], bert["previous"], bert["comment"]) == (False, None, "gern")
    listed = await api.get(f"/entries/{made['id']}/answers")
    assert listed["counts"] == {"accepted": 1, "declined": 0, "tentative": 0, "silent": 0}
    assert [(one["partstat"], one["counts"]) for one in listed["answers"]] == [("ACCEPTED", True)]

    await api.post(f"/entries/{made['id']}/move", {"start": "2027-03-11T09:00"})
    (bert,) = (await api.get(f"/entries/{made['id']}"))["attendees"]
    assert (bert["partstat"], bert["source"], bert["answered_at"], bert["outdated"]) == ("NEEDS-ACTION", None, None, True)
    assert bert["previous"]["partstat"] == "ACCEPTED"
    listed = await api.get(f"/entries/{made['id']}/answers")
    assert (listed["counts"]["silent"], listed["answers"][0]["counts"]) == (1, False)


async def test_the_list_shows_the_next_date_and_is_filtered(api: Api, clock: ManualClock) -> None:
    await api.add_owner()
    await api.add_owner("otto@example.org")
    await api.add_entry(owner="anna@example.org", rrule="FREQ=DAILY;COUNT=3")
    await api.add_entry(owner="otto@example.org", title="Ottos", start=None)
    (line,) = await api.get("/entries")
    assert (line["title"], line["owner"], line["next"]["start"]) == ("Haushalt", "anna@example.org", "2027-03-10T09:00:00+01:00")
    assert [one["title"] for one in await api.get("/entries", which="all", owner="otto@example.org")] == ["Ottos"]
    assert [one["title"] for one in await api.get("/entries", which="undated")] == ["Ottos"]
    assert [one["title"] for one in await api.get("/entries", which="all", search="haus")] == ["Haushalt"]
    clock.move(timedelta(days=9, hours=3))
    (line,) = await api.get("/entries")
    assert line["next"]["start"] == "2027-03-11T09:00:00+01:00"


async def test_text_and_file_of_an_entry(api: Api) -> None:
    await api.add_owner()
    entry = await api.add_entry()
    text = (await api.get(f"/entries/{entry['id']}/text", language="en"))["text"]
    assert entry["number_shown"] in text or entry["number"] in text
    file = await api.call("GET", f"/entries/{entry['id']}/export", 200)
    assert file.headers["content-type"] == "text/calendar; charset=utf-8; method=PUBLISH"
    assert file.content.startswith(b"BEGIN:VCALENDAR\r\n")


async def test_an_entry_is_copied_cancelled_and_deleted(api: Api) -> None:
    await api.add_owner()
    entry = await api.add_entry(attendees=["bert@example.org"])
    twin = (await api.post(f"/entries/{entry['id']}/copy", {"start": "2027-04-10T09:00", "title": "Zwilling"}, status=201))[
        "entry"
    ]
    assert (twin["title"], twin["start"], twin["invited"]) == ("Zwilling", "2027-04-10T09:00:00+02:00", False)
    assert twin["number"] != entry["number"]
    assert (await api.post(f"/entries/{entry['id']}/cancel", {}))["entry"]["state"] == "cancelled"
    assert (await api.call("DELETE", f"/entries/{entry['id']}", 200)).json()["entry"]["state"] == "deleted"
    assert [one["title"] for one in await api.get("/entries", which="all")] == ["Zwilling"]


async def test_an_entry_goes_into_the_calendar_that_is_chosen(api: Api) -> None:
    await api.add_owner()
    await api.post("/calendars", {"name": "Büro", "url": "https://dav.example.org/b/"}, status=201)
    entry = await api.add_entry()
    (place,) = entry["calendars"]
    assert (place["calendar"], place["state"], place["item"]) == ("Büro", "pending", None)
    assert (await api.add_entry(calendar=""))["calendars"] == []
    gone = (await api.call("PUT", f"/entries/{entry['id']}/calendar", 200, json={"calendar": None})).json()
    assert all(one["state"] != "synced" for one in gone["entry"]["calendars"])


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"title": ""}, "title", "An entry needs a title"),
    ({"start": "morgen"}, "start", "“morgen” is not a time. Write it like 2027-03-28T09:00"),
    ({"start": "2027-03-10"}, "start", "“2027-03-10” has no time of day."),
    ({"start": "0001-01-01T00:00+14:00"}, "start", "is out of reach."),
    ({"timezone": "Europe/Berln"}, "zone", "Did you mean Europe/Berlin"),
    ({"duration": "90"}, "duration", "“90” is not a duration."),
    ({"duration": 90}, "duration", "A duration is text with a unit"),
    ({"duration": "9999999h"}, "duration", "is longer than anything can be planned"),
    ({"duration": "0m"}, "duration", "The duration must be more than nothing"),
    ({"start": "2027-03-10", "all_day": True, "duration": "3h"}, "duration", "An all-day entry lasts whole days"),
    ({"rrule": "FREQ=HOURLY"}, "rrule", "HOURLY"),
    ({"attendees": ["nobody"]}, "email", "“nobody” is not a mail address."),
    ({"attendees": [{"email": "a@example.org", "role": "BOSS"}]}, "attendees.0.role", "attendees.0.role must be one of CHAIR"),
    ({"attendees": "a@example.org"}, "attendees", "attendees must be a list."),
    ({"attendees": ["sitzung@example.org"]}, "attendees", "is this service's own mailbox"),
    ({"reminders": ["soon"]}, "reminders.0", "“soon” is not a duration."),
    ({"remind": "perhaps"}, "remind", "remind must be true or false."),
    ({"calendar": "nowhere"}, "calendar", "nowhere"),
    ({"sender": "calendar"}, "sender", "No calendar is set"),
    ({"titel": "x"}, "titel", "titel: there is no such field here."),
]


@pytest.mark.parametrize(("wrong", "field", "sentence"), REFUSED, ids=[str(wrong)[:40] for wrong, _, _ in REFUSED])
async def test_a_wrong_wish_is_refused_with_the_field_and_a_sentence(
    api: Api, wrong: dict[str, Any], field: str, sentence: str
) -> None:
    await api.add_owner()
    status = 404 if field == "calendar" else 422
    answer = await api.call("POST", "/entries", status, json={"title": "X", "start": "2027-03-10T09:00", **wrong})
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["field"]) == (status, field)
    assert sentence in problem["detail"]
    assert await api.get("/entries", which="all") == []
