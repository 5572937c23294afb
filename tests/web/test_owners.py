"""Owners over the API, and for whom a request acts."""

from __future__ import annotations

from tests.web.conftest import Api


async def test_an_owner_has_the_installation_s_language_zone_and_reminders_until_he_chooses(api: Api) -> None:
    owner = await api.add_owner("Anna@Example.org", name="Anna")
    assert (owner["email"], owner["language"], owner["timezone"]) == ("anna@example.org", "de", "Europe/Berlin")
    assert (owner["reminders"], owner["reminders_own"]) == (["PT24H", "PT15M"], False)
    changed = await api.patch("/owners/anna@example.org", {"language": "en", "timezone": "Europe/London", "reminders": ["2h"]})
    assert (changed["language"], changed["timezone"], changed["name"]) == ("en", "Europe/London", "Anna")
    assert (changed["reminders"], changed["reminders_own"]) == (["PT2H"], True)
    assert await api.get(f"/owners/{owner['id']}") == changed
    assert await api.get("/owners") == [changed]


async def test_a_dry_run_adds_nobody(api: Api) -> None:
    await api.post("/owners", {"email": "anna@example.org"}, status=201, dry_run=True)
    assert await api.get("/owners") == []


async def test_an_owner_goes_only_without_entries(api: Api) -> None:
    await api.add_owner()
    await api.add_entry()
    refused = (await api.call("DELETE", "/owners/anna@example.org", 422)).json()
    assert "still has 1 entries" in refused["detail"]
    await api.add_owner("otto@example.org")
    assert (await api.call("DELETE", "/owners/otto@example.org", 204)).content == b""
    assert len(await api.get("/owners")) == 1


async def test_wrong_owners_are_refused(api: Api) -> None:
    await api.add_owner()
    for body, field, sentence in [
        ({"email": "anna@example.org"}, "email", "anna@example.org already."),
        ({"email": "sitzung@example.org"}, "email", "own mailbox"),
        ({"email": "x@example.org", "language": "fr"}, "language", "language must be one of de, en."),
        ({"email": "x@example.org", "timezone": "Mars"}, "zone", "Mars"),
        ({}, "email", "email is missing."),
    ]:
        problem = await api.post("/owners", body, status=422)
        assert (problem["field"], sentence in problem["detail"]) == (field, True), problem
    assert (await api.call("GET", "/owners/nobody@example.org", 404)).json()["title"] == "Not Found"


async def test_the_only_owner_need_not_be_named_and_of_several_one_must(api: Api) -> None:
    wish = {"title": "X"}
    problem = await api.post("/entries", wish, status=422)
    assert (problem["field"], problem["detail"]) == ("owner", "There is no owner yet. Add one with `owner add ADDRESS`.")
    anna = await api.add_owner()
    assert (await api.post("/entries", wish, status=201))["entry"]["owner"] == "anna@example.org"
    await api.add_owner("otto@example.org")
    problem = await api.post("/entries", wish, status=422)
    assert (problem["field"], problem["detail"].startswith("There are 2 owners: say for whom")) == ("owner", True)
    assert (await api.post("/entries", wish, owner="OTTO@example.org", status=201))["entry"]["owner"] == "otto@example.org"
    assert (await api.post("/entries", wish, owner=anna["id"], status=201))["entry"]["owner"] == "anna@example.org"
    await api.post("/entries", wish, owner="nobody@example.org", status=404)


async def test_a_named_owner_sees_and_changes_only_his_own(api: Api) -> None:
    await api.add_owner()
    await api.add_owner("otto@example.org")
    entry = await api.add_entry(owner="anna@example.org")
    await api.call("GET", f"/entries/{entry['id']}", 404, owner="otto@example.org")
    await api.call("DELETE", f"/entries/{entry['id']}", 404, owner="otto@example.org")
    assert await api.get("/entries", owner="otto@example.org") == []
    assert (await api.get(f"/entries/{entry['id']}"))["owner"] == "anna@example.org"
