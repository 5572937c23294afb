"""The CalDAV connector against servers that misbehave: hostile XML, redirects, endless and broken answers, known habits.

`Script` is a function request → answer; where the wire itself matters, a socket on loopback plays the server.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from connectors.caldav.client import Client, HttpAnswer, HttpRequest, Network, TooLarge
from connectors.caldav.connector import CalDavConnector
from connectors.caldav.mapping import Token, build_token, write_event
from daemon.core.errors import Conflict, Refused, Unreachable
from daemon.core.model import Guest
from daemon.ports import CalendarAccount, ItemRef, Version
from tests.connectors.contract import STAMP, a_series, an_event
from tests.connectors.test_caldav import FixedClock
from tests.test_urllib3 import a_certificate

HOME = "https://cal.example.org"
CALENDAR = f"{HOME}/anna/work/"
BODY = write_event(an_event(title="Fernwartung"), STAMP).decode()
XML = {"Content-Type": "application/xml"}


def an_account(url: str = CALENDAR, *, password: str = "") -> CalendarAccount:
    return CalendarAccount(kind="caldav", url=url, username="anna", password=password)


def multistatus(*responses: str, token: str = "") -> str:
    ending = f"<sync-token>{token}</sync-token>" if token else ""
    spaces = 'xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:CS="http://calendarserver.org/ns/"'
    return f"<multistatus {spaces}>{''.join(responses)}{ending}</multistatus>"


def resource(href: str, properties: str) -> str:
    return (
        f"<response><href>{href}</href><propstat><prop>{properties}</prop><status>HTTP/1.1 200 OK</status></propstat></response>"
    )


def an_object(name: str, etag: str = '"1"', *, data: bool = False) -> str:
    content = f"<C:calendar-data>{BODY}</C:calendar-data>" if data else ""
    return resource(f"/anna/work/{name}", f"<getetag>{etag}</getetag>{content}")


def gone(name: str) -> str:
    return f"<response><href>/anna/work/{name}</href><status>HTTP/1.1 404 Not Found</status></response>"


class Script:
    """A server that answers what it is told to; what it was not told is an error of the test.

    `on("REPORT", "sync-collection")` sets the answer to requests of that method with that text in their address or body.
    """

    def __init__(
        self, *, reports: str = "sync-collection", calendar: str = "/anna/work/", headers: dict[str, str] | None = None
    ) -> None:
        self.seen: list[HttpRequest] = []
        self._answers: list[tuple[str, str, list[HttpAnswer]]] = []
        kinds = "<resourcetype><collection/><C:calendar/></resourcetype>"
        known = f"<supported-report-set><supported-report><report><{reports}/></report></supported-report></supported-report-set>"
        self.on("OPTIONS", "", "", headers=headers)
        self.on("PROPFIND", "supported-report-set", multistatus(resource(calendar, kinds + known)))

    def on(
        self, method: str, part: str, *contents: str | bytes, status: int | None = None, headers: dict[str, str] | None = None
    ) -> Script:
        """Answer with each content once, the last one for ever."""
        usual = 207 if method in ("PROPFIND", "REPORT") else 200
        made = [
            HttpAnswer(
                status_code=status or usual,
                headers={**XML, **(headers or {})},
                content=one.encode() if isinstance(one, str) else one,
                url="",
            )
            for one in contents
        ]
        self._answers.insert(0, (method, part, made))
        return self

    async def __call__(self, request: HttpRequest) -> HttpAnswer:
        self.seen.append(request)
        text = request.url + (request.body or b"").decode().replace("<?xml", "<")
        for method, part, answers in self._answers:
            if method == request.method and part in text:
                return answers.pop(0) if len(answers) > 1 else answers[0]
        raise AssertionError(f"nobody expected {request.method} {request.url} {request.body!r}")

    def asked(self, method: str, part: str = "") -> int:
        return sum(1 for one in self.seen if one.method == method and part in one.url + (one.body or b"").decode())

    def connector(self, url: str = CALENDAR, *, password: str = "") -> CalDavConnector:
        return CalDavConnector(an_account(url, password=password), clock=FixedClock(), transport=self)


STATE = resource("/anna/work/", "<CS:getctag>ctag-2</CS:getctag>")


def a_script(**options: str) -> Script:
    return Script(**options).on("PROPFIND", "getctag", multistatus(STATE))


def a_token(**values: object) -> str:
    return build_token(Token(calendar="/anna/work/", **{"ctag": "ctag-1", "sync": "7", **values}))


# Reading changes


async def test_an_unchanged_calendar_costs_one_small_request() -> None:
    script = a_script()
    token = a_token(ctag="ctag-2")
    calendar = script.connector()
    for _ in range(3):
        changes = await calendar.changes(token)
        assert (changes.changed, changes.removed, changes.complete, changes.token) == ((), (), False, token)
    assert script.asked("REPORT") == 0
    assert script.asked("PROPFIND", "getctag") == 3


async def test_changes_are_read_with_one_report_and_one_multiget() -> None:
    script = a_script()
    script.on("REPORT", "sync-collection", multistatus(an_object("a.ics"), an_object("b.ics"), gone("c.ics"), token="8"))
    script.on("REPORT", "calendar-multiget", multistatus(an_object("a.ics", data=True), an_object("b.ics", data=True)))
    changes = await script.connector().changes(a_token())
    assert [one.ref for one in changes.changed] == ["/anna/work/a.ics", "/anna/work/b.ics"]
    assert changes.removed == ("/anna/work/c.ics",)
    assert not changes.complete
    assert script.asked("REPORT") == 2


@pytest.mark.parametrize(
    "answer", [multistatus(an_object("a.ics", data=True), gone("b.ics")), multistatus(an_object("a.ics", data=True))]
)
async def test_what_a_multiget_names_as_gone_or_leaves_out_is_removed(answer: str) -> None:
    script = a_script()
    script.on("REPORT", "sync-collection", multistatus(an_object("a.ics"), an_object("b.ics"), token="8"))
    script.on("REPORT", "calendar-multiget", answer)
    changes = await script.connector().changes(a_token())
    assert [one.ref for one in changes.changed] == ["/anna/work/a.ics"]
    assert changes.removed == ("/anna/work/b.ics",)


async def test_an_object_that_is_named_twice_and_a_collection_inside_do_no_harm() -> None:
    script = a_script()
    folder = resource("/anna/work/folder/", "<resourcetype><collection/></resourcetype>")
    itself = resource("/anna/work/", "<getetag>x</getetag>")
    twice = (an_object("a.ics", '"1"'), gone("a.ics"), an_object("a.ics", '"2"'))
    script.on("REPORT", "sync-collection", multistatus(folder, itself, *twice, token="8"))
    script.on("REPORT", "calendar-multiget", multistatus(an_object("a.ics", '"2"', data=True)))
    changes = await script.connector().changes(a_token())
    assert [(one.ref, one.version) for one in changes.changed] == [("/anna/work/a.ics", '"2"')]
    assert changes.removed == ()


async def test_a_listing_in_pieces_is_read_to_its_end() -> None:
    cut = "<response><href>/anna/work/</href><status>HTTP/1.1 507 Insufficient Storage</status></response>"
    script = a_script()
    pieces = (multistatus(an_object("a.ics"), cut, token="8"), multistatus(an_object("b.ics"), token="9"))
    script.on("REPORT", "sync-collection", *pieces)
    script.on("REPORT", "calendar-multiget", multistatus(an_object("a.ics", data=True), an_object("b.ics", data=True)))
    changes = await script.connector().changes(a_token())
    assert len(changes.changed) == 2
    assert '"sync":"9"' in (changes.token or "")


async def test_a_listing_in_pieces_that_does_not_move_on_is_given_up() -> None:
    cut = "<response><href>/anna/work/</href><status>HTTP/1.1 507 Insufficient Storage</status></response>"
    script = a_script().on("REPORT", "sync-collection", multistatus(an_object("a.ics"), cut, token="7"))
    with pytest.raises(Refused, match="without end"):
        await script.connector().changes(a_token())
    assert script.asked("REPORT") == 1


@pytest.mark.parametrize("status", [403, 412, 410, 409])
async def test_a_token_that_the_server_refuses_gives_a_complete_listing(status: int) -> None:
    script = a_script()
    script.on("REPORT", "<d:sync-token></d:sync-token>", multistatus(an_object("a.ics"), token="1"))
    script.on("REPORT", "<d:sync-token>7<", '<error xmlns="DAV:"><valid-sync-token/></error>', status=status)
    script.on("REPORT", "calendar-multiget", multistatus(an_object("a.ics", data=True)))
    changes = await script.connector().changes(a_token())
    assert changes.complete
    assert [one.ref for one in changes.changed] == ["/anna/work/a.ics"]


async def test_an_empty_answer_although_the_calendar_changed_gives_a_complete_listing() -> None:
    """DAViCal, SOGo and Baikal answer so after the calendar was made anew under its address."""
    script = a_script()
    script.on("REPORT", "<d:sync-token></d:sync-token>", multistatus(an_object("a.ics"), token="1"))
    script.on("REPORT", "<d:sync-token>7<", multistatus(token="1"))
    script.on("REPORT", "calendar-multiget", multistatus(an_object("a.ics", data=True)))
    changes = await script.connector().changes(a_token())
    assert changes.complete
    assert len(changes.changed) == 1


async def test_without_a_ctag_an_empty_answer_is_believed() -> None:
    script = Script().on("PROPFIND", "getctag", multistatus(resource("/anna/work/", "")))
    script.on("REPORT", "sync-collection", multistatus(token="8"))
    changes = await script.connector().changes(a_token(ctag=""))
    assert (changes.changed, changes.removed, changes.complete) == ((), (), False)


async def test_a_full_listing_in_place_of_changes_is_seen_on_servers_that_do_so() -> None:
    """A token that DAViCal lost is answered as if everything had changed; only a complete listing proves what is gone."""
    script = a_script(headers={"X-DAViCal-Version": "DAViCal/1.1.12"})
    script.on("REPORT", "sync-collection", multistatus(an_object("a.ics"), token="8"))
    script.on("PROPFIND", "<d:getetag/>", multistatus(an_object("a.ics")))
    script.on("REPORT", "calendar-multiget", multistatus(an_object("a.ics", data=True)))
    assert (await script.connector().changes(a_token())).complete


async def test_a_server_that_announces_the_report_and_refuses_it_is_listed_without() -> None:
    script = a_script().on("REPORT", "sync-collection", "", status=501)
    script.on("REPORT", "sync-collection", "", status=403)
    script.on("PROPFIND", "<d:getetag/>", multistatus(an_object("a.ics"), an_object("b.ics")))
    script.on("REPORT", "calendar-multiget", multistatus(an_object("a.ics", data=True), an_object("b.ics", data=True)))
    first = await script.connector().changes(None)
    assert first.complete
    assert len(first.changed) == 2
    script.on("PROPFIND", "getctag", multistatus(resource("/anna/work/", "<CS:getctag>ctag-3</CS:getctag>")))
    script.on("PROPFIND", "<d:getetag/>", multistatus(an_object("a.ics", '"2"')))
    script.on("REPORT", "calendar-multiget", multistatus(an_object("a.ics", '"2"', data=True)))
    second = await script.connector().changes(first.token)
    assert ([one.version for one in second.changed], second.removed, second.complete) == (['"2"'], ("/anna/work/b.ics",), False)


async def test_an_event_beyond_all_measure_is_listed_without_contents_and_the_others_are_read() -> None:
    script = a_script()
    monster = f"<C:calendar-data>{'X' * 11_000_000}</C:calendar-data>"
    script.on("REPORT", "sync-collection", multistatus(an_object("a.ics"), an_object("b.ics", '"9"'), token="8"))
    script.on("REPORT", "/anna/work/a.ics", multistatus(an_object("a.ics", data=True)))
    script.on("REPORT", "/anna/work/b.ics", multistatus(resource("/anna/work/b.ics", monster)))
    changes = await script.connector().changes(a_token())
    assert [(one.ref, one.version, one.event is None) for one in changes.changed] == [
        ("/anna/work/a.ics", '"1"', False),
        ("/anna/work/b.ics", '"9"', True),
    ]


async def test_a_server_that_cannot_look_by_uid_is_looked_through() -> None:
    script = a_script().on("GET", "", "", status=404).on("REPORT", "calendar-query", "", status=400)
    script.on("REPORT", "sync-collection", multistatus(an_object("elsewhere.ics"), token="8"))
    script.on("REPORT", "calendar-multiget", multistatus(an_object("elsewhere.ics", data=True)))
    found = await script.connector().find(an_event().uid)
    assert found is not None
    assert found.ref == "/anna/work/elsewhere.ics"


async def test_an_event_of_another_uid_under_the_expected_name_is_not_the_one() -> None:
    script = a_script().on("GET", "", BODY, headers={"Content-Type": "text/calendar", "ETag": '"1"'})
    script.on("REPORT", "calendar-query", multistatus(an_object("a.ics", data=True)))
    assert await script.connector().find("another") is None


# Habits

SOGO = f"{HOME}/SOGo/dav/anna/Calendar/personal/"


def sogo() -> Script:
    return Script(calendar="/SOGo/dav/anna/Calendar/personal/")


async def test_what_sogo_would_overwrite_is_looked_at_before_it_is_created() -> None:
    script = sogo().on("GET", "", BODY, headers={"Content-Type": "text/calendar", "ETag": '"1"'})
    with pytest.raises(Conflict):
        await script.connector(SOGO).create(an_event())
    assert script.asked("PUT") == 0


async def test_what_sogo_would_delete_in_spite_of_a_change_is_looked_at_before() -> None:
    script = sogo().on("GET", "", BODY, headers={"Content-Type": "text/calendar", "ETag": '"2"'})
    calendar, ref = script.connector(SOGO), ItemRef("/SOGo/dav/anna/Calendar/personal/a.ics")
    with pytest.raises(Conflict):
        await calendar.delete(ref, Version('"1"'))
    assert script.asked("DELETE") == 0
    script.on("GET", "", "", status=404)
    await calendar.delete(ref, Version('"1"'))
    assert script.asked("DELETE") == 0


async def test_cyrus_is_never_given_what_it_tells_attendees_as_something_else() -> None:
    """It invites to SEQUENCE 0 with 1, so that the first move, our 1, was no newer version to the people invited.

    Nor a TRANSP: with the first update a program that sent an attendee's copy back had two of them, and its answer was refused.
    """
    script = a_script(headers={"Server": "Cyrus-HTTP/3.6.1"}).on("PUT", "", "", status=201)
    script.on("GET", "", BODY, headers={"Content-Type": "text/calendar", "ETag": '"1"'})
    calendar = script.connector()
    created = await calendar.create(an_event(sequence=0))
    await calendar.update(created.ref, created.version, a_series())
    written = [re.findall(rb"SEQUENCE:(\d+)", one.body or b"") for one in script.seen if one.method == "PUT"]
    assert written == [[b"1"], [b"3", b"3", b"4"]]
    assert not any(b"TRANSP" in (one.body or b"") for one in script.seen)


async def test_a_second_event_of_one_uid_is_looked_for_where_the_server_would_take_it() -> None:
    script = a_script(headers={"X-Sabre-Version": "4.7.1"}).on("GET", "", "", status=404)
    script.on("REPORT", "calendar-query", multistatus(an_object("elsewhere.ics", data=True)))
    with pytest.raises(Conflict):
        await script.connector().create(an_event())
    assert script.asked("PUT") == 0


@pytest.mark.parametrize(
    ("status", "there", "kind"), [(400, True, Conflict), (403, True, Conflict), (400, False, Refused), (403, False, Refused)]
)
async def test_a_create_that_is_refused_without_a_reason_is_a_conflict_if_the_uid_is_there(
    status: int, there: bool, kind: type[Exception]
) -> None:
    """Nextcloud says 400 where the UID is taken, also by an event in its trash."""
    script = a_script().on("PUT", "", "", status=status).on("GET", "", "", status=404)
    script.on("REPORT", "calendar-query", multistatus(an_object("elsewhere.ics", data=True)) if there else multistatus())
    with pytest.raises(kind):
        await script.connector().create(an_event())


async def test_a_created_event_that_the_server_put_elsewhere_is_found_there() -> None:
    script = a_script().on("PUT", "", "", status=201).on("GET", "", "", status=404)
    script.on("REPORT", "calendar-query", multistatus(an_object("moved.ics", data=True)))
    assert (await script.connector().create(an_event())).ref == "/anna/work/moved.ics"


async def test_a_created_event_that_is_gone_at_once_is_a_conflict() -> None:
    script = a_script().on("PUT", "", "", status=201).on("GET", "", "", status=404).on("REPORT", "calendar-query", multistatus())
    with pytest.raises(Conflict, match="gone again"):
        await script.connector().create(an_event())


TEXT = {"Content-Type": "text/calendar"}
GUEST = (Guest(email="zoe@example.org", schedule_agent="CLIENT"),)


async def test_an_event_that_names_nobody_is_read_back_until_the_version_that_came_with_it_was_seen_to_hold() -> None:
    """A thousand events are a thousand requests then, not two thousand."""
    script = a_script().on("PUT", "", "", status=201, headers={"ETag": '"1"'})
    script.on("GET", "", BODY, headers={**TEXT, "ETag": '"1"'})
    calendar = script.connector()
    for number in range(3):
        created = await calendar.create(an_event(uid=f"uid-{number}"))
        assert (created.ref, created.version) == (f"/anna/work/uid-{number}.ics", '"1"')
    updated = await calendar.update(created.ref, created.version, an_event(uid="uid-2", title="Neu"))
    assert updated.event == an_event(uid="uid-2", title="Neu")
    assert script.asked("GET") == 1


async def test_an_event_with_people_is_always_read_back() -> None:
    """What a server makes of them is what answers are compared with."""
    script = a_script().on("PUT", "", "", status=201, headers={"ETag": '"1"'})
    script.on("GET", "", BODY, headers={**TEXT, "ETag": '"1"'})
    calendar = script.connector()
    await calendar.create(an_event())
    for number in range(3):
        await calendar.create(an_event(uid=f"uid-{number}", guests=GUEST))
    assert script.asked("GET") == 4


@pytest.mark.parametrize(
    "headers",
    [{"ETag": '"other"'}, {"ETag": 'W/"1"'}, {}, {"ETag": '"1"', "Location": "/anna/work/elsewhere.ics"}],
    ids=["another one", "a weak one", "none", "one of another place"],
)
async def test_a_version_that_does_not_hold_is_not_believed(headers: dict[str, str]) -> None:
    script = a_script().on("PUT", "", "", status=201, headers=headers)
    script.on("GET", "", BODY, headers={**TEXT, "ETag": '"1"'})
    calendar = script.connector()
    for number in range(3):
        assert (await calendar.create(an_event(uid=f"uid-{number}"))).version == '"1"'
    assert script.asked("GET") == 3


async def test_a_version_that_held_once_and_then_did_not_is_believed_no_more() -> None:
    """The proof comes from writes side by side: the last one counts, if it is against."""
    script = a_script().on("PUT", "", "", status=201, headers={"ETag": '"1"'})
    calendar = script.connector()
    script.on("GET", "uid-0", BODY, headers={**TEXT, "ETag": '"1"'}).on("GET", "uid-1", BODY, headers={**TEXT, "ETag": '"2"'})
    script.on("GET", "uid-2", BODY, headers={**TEXT, "ETag": '"2"'})
    await asyncio.gather(*(calendar.create(an_event(uid=f"uid-{number}")) for number in range(2)))
    assert (await calendar.create(an_event(uid="uid-2"))).version == '"2"'


async def test_a_412_for_a_delete_of_what_is_gone_is_fine() -> None:
    script = a_script().on("DELETE", "", "", status=412).on("GET", "", "", status=404)
    await script.connector().delete(ItemRef("/anna/work/a.ics"), Version('"1"'))
    assert script.asked("GET") == 1


@pytest.mark.parametrize(("put", "writable"), [(201, True), (403, False)])
async def test_a_calendar_that_may_only_be_read_is_found_out(put: int, writable: bool) -> None:
    script = a_script().on("DELETE", "", "", status=204).on("PUT", "", "", status=put)
    script.on("PROPFIND", "current-user-privilege-set", multistatus(resource("/anna/work/", "")))
    script.on("REPORT", "sync-collection", multistatus(token="1"))
    assert (await script.connector().probe()).writable is writable


async def test_a_calendar_that_says_it_may_only_be_read_is_not_written_to_try() -> None:
    privileges = "<current-user-privilege-set><privilege><read/></privilege></current-user-privilege-set>"
    script = a_script().on("PROPFIND", "current-user-privilege-set", multistatus(resource("/anna/work/", privileges)))
    script.on("REPORT", "sync-collection", multistatus(token="1"))
    assert (await script.connector().probe()).writable is False
    assert script.asked("PUT") == 0


# Hostile and wrong answers


async def test_redirects_within_the_server_are_followed_with_method_and_body() -> None:
    script = Script().on("PROPFIND", "/old/", "", status=301, headers={"Location": "/anna/work/"})
    client = Client(an_account(), transport=script)
    answer = await client.request("PROPFIND", f"{HOME}/old/", body=b"supported-report-set")
    assert answer.status == 207
    assert [(one.method, one.url, one.body) for one in script.seen] == [
        ("PROPFIND", f"{HOME}/old/", b"supported-report-set"),
        ("PROPFIND", CALENDAR, b"supported-report-set"),
    ]


@pytest.mark.parametrize(
    "target",
    ["https://evil.example.net/anna/", "http://cal.example.org/anna/", "//evil.example.net/", "https://cal.example.org:8443/"],
)
async def test_a_redirect_to_another_place_is_refused_and_not_followed(target: str) -> None:
    script = Script().on("OPTIONS", "", "").on("PROPFIND", "", "", status=302, headers={"Location": target})
    with pytest.raises(Refused, match="another server"):
        await script.connector().changes(None)
    assert {one.url for one in script.seen} == {CALENDAR}


async def test_a_circle_of_redirects_ends() -> None:
    script = Script().on("PROPFIND", "", "", status=308, headers={"Location": "/anna/work/"})
    with pytest.raises(Refused, match="circle"):
        await script.connector().changes(None)
    assert script.asked("PROPFIND") == 5


async def test_the_well_known_address_is_tried_where_the_root_is_a_web_page() -> None:
    script = Script()
    page = resource("/", "<resourcetype/>")
    person = "<resourcetype><principal/></resourcetype><C:calendar-home-set><href>/anna/</href></C:calendar-home-set>"
    home = script._answers[0][2][0].content.decode()
    script.on("PROPFIND", f"{HOME}/anna/", home)
    script.on("PROPFIND", f"{HOME}/principals/anna/", multistatus(resource("/principals/anna/", person)))
    script.on("PROPFIND", "/.well-known/caldav", "", status=301, headers={"Location": "/dav/"})
    here = "<current-user-principal><href>/principals/anna/</href></current-user-principal>"
    script.on("PROPFIND", f"{HOME}/dav/", multistatus(resource("/dav/", here)))
    script.on("PROPFIND", f"{HOME}/<", multistatus(page))
    script.on("PROPFIND", "getctag", multistatus(STATE)).on("REPORT", "sync-collection", multistatus(token="1"))
    assert (await script.connector(f"{HOME}/").changes(None)).complete


async def test_an_address_that_answers_a_stranger_too_leads_on_to_where_he_is_asked_who_he_is() -> None:
    """Cyrus 3.6.1 tells a stranger at /dav/ that he is one, in place of a 401: nobody ever signed in there."""
    stranger = "<current-user-principal><unauthenticated/></current-user-principal>"
    script = a_script().on("PROPFIND", f"{HOME}/dav/", multistatus(resource("/dav/", stranger)))
    script.on("PROPFIND", "/.well-known/caldav", "", status=301, headers={"Location": "/anna/work/"})
    script.on("REPORT", "sync-collection", multistatus(token="1"))
    assert (await script.connector(f"{HOME}/dav/").changes(None)).complete


ACCOUNT = "<current-user-principal><href>/anna/</href></current-user-principal>"


@pytest.mark.parametrize(
    ("root", "status", "words"),
    [
        (multistatus(resource("/x/", "<resourcetype><collection/></resourcetype>")), 207, "names no person"),
        (multistatus(resource("/x/", ACCOUNT)), 207, "no calendar for events of “anna”"),
        (multistatus(), 207, "knows nothing"),
        ("", 404, "not there"),
        ("", 401, "right password"),
    ],
    ids=["a folder", "a person without calendars", "nothing at all", "not found", "not signed in"],
)
async def test_an_address_that_leads_to_no_calendar_says_why(root: str, status: int, words: str) -> None:
    only_todo = (
        '<resourcetype><collection/><C:calendar/></resourcetype><C:supported-calendar-component-set><C:comp name="VTODO"/>'
    )
    tasks = resource("/anna/tasks/", f"{only_todo}</C:supported-calendar-component-set>")
    script = Script().on("PROPFIND", f"{HOME}/anna/", multistatus(resource("/anna/", ""), tasks))
    script.on("PROPFIND", f"{HOME}/x/", root, status=status)
    with pytest.raises(Refused, match=words):
        await script.connector(f"{HOME}/x/").changes(None)


@pytest.mark.parametrize(("status", "kind"), [(401, Refused), (500, Unreachable)])
async def test_a_root_that_cannot_be_asked_is_not_taken_for_one_without_calendars(status: int, kind: type[Exception]) -> None:
    script = Script().on("PROPFIND", "", "", status=status)
    with pytest.raises(kind):
        await script.connector(HOME).changes(None)
    assert script.asked("PROPFIND", "well-known") == 0


async def test_a_default_that_the_server_does_not_tell_is_none() -> None:
    calendar = "<resourcetype><C:calendar/></resourcetype>"
    inbox = "<C:schedule-inbox-URL><href>/anna/inbox/</href></C:schedule-inbox-URL>"
    script = Script().on("PROPFIND", f"{HOME}/anna/", multistatus(*(resource(f"/anna/{name}/", calendar) for name in "ab")))
    script.on("PROPFIND", f"{HOME}/x/", multistatus(resource("/x/", f"<resourcetype><principal/></resourcetype>{inbox}{HOMES}")))
    script.on("PROPFIND", f"{HOME}/anna/inbox/", "", status=403)
    with pytest.raises(Refused, match="several calendars"):
        await script.connector(f"{HOME}/x/").changes(None)
    default = "<C:schedule-default-calendar-URL><href>/anna/b</href></C:schedule-default-calendar-URL>"
    script.on("PROPFIND", f"{HOME}/anna/inbox/", multistatus(resource("/anna/inbox/", default)))
    script.on("PROPFIND", "getctag", multistatus(STATE)).on("PROPFIND", "<d:getetag/>", multistatus())
    assert (await script.connector(f"{HOME}/x/").changes(None)).complete
    assert {one.url for one in script.seen if b"getetag" in (one.body or b"")} == {f"{HOME}/anna/b/"}


HOMES = "<C:calendar-home-set><href>/anna/</href></C:calendar-home-set>"


@pytest.mark.parametrize(("status", "kind"), [(403, Refused), (500, Unreachable), (429, Unreachable)])
async def test_an_event_that_is_not_given_out_or_not_removed_is_told(status: int, kind: type[Exception]) -> None:
    script = a_script().on("GET", "", "", status=status).on("DELETE", "", "", status=status)
    calendar, ref = script.connector(), ItemRef("/anna/work/a.ics")
    with pytest.raises(kind, match="give out an event"):
        await calendar.fetch(ref)
    with pytest.raises(kind, match="remove an event"):
        await calendar.delete(ref, Version('"1"'))


async def test_a_delete_that_cannot_be_looked_after_stays_a_conflict_or_what_it_was() -> None:
    script = a_script().on("DELETE", "", "", status=412).on("GET", "", "", status=403)
    with pytest.raises(Refused, match="give out an event"):
        await script.connector().delete(ItemRef("/anna/work/a.ics"), Version('"1"'))


async def test_a_probe_of_somebody_elses_calendar_names_no_addresses_and_no_scheduling() -> None:
    script = a_script(headers={"DAV": "1, calendar-auto-schedule"}).on("DELETE", "", "", status=204).on("PUT", "", "", status=201)
    kinds = f"<resourcetype><C:calendar/></resourcetype>{ACCOUNT}"
    script.on("PROPFIND", "supported-report-set", multistatus(resource("/anna/work/", kinds)))
    script.on("PROPFIND", "current-user-privilege-set", multistatus())
    for answer, status in (("", 403), (multistatus(), 207)):
        script.on("PROPFIND", f"{HOME}/anna/<", answer, status=status)
        found = await script.connector().probe()
        assert (found.addresses, found.schedules, found.sync_collection) == ((), False, False)
        assert (found.etag_on_put, found.honours_if_none_match, found.honours_if_match) == (False, False, False)


@pytest.mark.parametrize(("status", "kind"), [(400, Refused), (401, Refused), (500, Unreachable)])
async def test_a_probe_that_cannot_be_carried_out_says_so_and_cleans_up(status: int, kind: type[Exception]) -> None:
    script = a_script().on("DELETE", "", "", status=204).on("PUT", "", "", status=status)
    script.on("PROPFIND", "current-user-privilege-set", multistatus())
    with pytest.raises(kind):
        await script.connector().probe()
    assert script.seen[-1].method == "DELETE"


def with_entities(declared: str, used: str) -> str:
    etag = f"<propstat><prop><getetag>{used}</getetag></prop></propstat>"
    return f'<!DOCTYPE x [{declared}]><multistatus xmlns="DAV:"><response><href>/a</href>{etag}</response></multistatus>'


async def test_an_entity_reads_no_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("top secret")
    script = Script().on("PROPFIND", "", with_entities(f'<!ENTITY file SYSTEM "{secret.as_uri()}">', "&file;"))
    client = Client(an_account(), transport=script)
    answer = await client.request("PROPFIND", CALENDAR, body=b"<x/>")
    assert answer.tree is not None
    assert "secret" not in "".join(answer.tree.itertext()).replace("&file;", "")
    assert [one.etag for one in (await client.multistatus("PROPFIND", CALENDAR, b"<x/>", act="read")).resources] == [""]


async def test_entities_that_grow_without_end_are_stopped() -> None:
    laughs = "".join(f'<!ENTITY {name} "{f"&{before};" * 100}">' for before, name in ("ab", "bc", "cd", "de", "ef"))
    script = Script().on("PROPFIND", "", with_entities(f'<!ENTITY a "{"A" * 100}">{laughs}', "&f;"))
    with pytest.raises(Unreachable):
        await Client(an_account(), transport=script).multistatus("PROPFIND", CALENDAR, b"<x/>", act="read")


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"<html><body>Welcome</body></html>", 200, Refused),
        (b"<html><body>Welcome</body></html>", 207, Refused),
        (b"", 207, Refused),
        (b"<multistatus", 207, Unreachable),
        (b"\x00\x01\x02", 207, Unreachable),
        (b"<a>" * 400, 207, Refused),
    ],
    ids=["a page", "a page as multistatus", "nothing", "half of it", "no XML", "too deep"],
)
async def test_what_is_no_caldav_answer_is_told_in_a_sentence(body: bytes, status: int, kind: type[Exception]) -> None:
    script = Script().on("PROPFIND", "", body, status=status)
    with pytest.raises(kind) as caught:
        await script.connector().changes(None)
    assert str(caught.value).startswith("cal.example.org ")


async def test_events_and_passwords_do_not_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    script = a_script().on("GET", "", BODY, headers={"Content-Type": "application/octet-stream", "ETag": '"1"'})
    await script.connector().fetch(ItemRef("/anna/work/a.ics"))
    script.on("GET", "", BODY, headers={"Content-Type": "", "ETag": '"1"'})
    await script.connector(password="geheim").fetch(ItemRef("/anna/work/a.ics"))
    assert "Fernwartung" not in caplog.text
    assert "geheim" not in caplog.text


async def test_a_sign_in_page_in_html_is_no_reason_to_warn_anybody(caplog: pytest.LogCaptureFixture) -> None:
    """Cyrus and most others show one with their first 401; caldav wrote a warning into the journal for each new connection."""
    answers = a_script()
    page = HttpAnswer(
        status_code=401,
        headers={"Content-Type": "text/html; charset=utf-8", "WWW-Authenticate": 'Basic realm="house"'},
        content=b"<html><title>401 Unauthorized</title></html>",
        url="",
    )

    async def server(request: HttpRequest) -> HttpAnswer:
        return await answers(request) if request.auth else page

    calendar = CalDavConnector(an_account(CALENDAR, password="geheim"), clock=FixedClock(), transport=server)
    token = a_token(ctag="ctag-2")
    assert (await calendar.changes(token)).token == token
    assert caplog.records == []


async def test_a_way_to_sign_in_that_is_not_known_is_refused_with_the_remedy() -> None:
    script = Script().on("PROPFIND", "", "", status=401, headers={"WWW-Authenticate": "Negotiate"})
    with pytest.raises(Refused, match="app password"):
        await script.connector(password="geheim").changes(None)


async def test_a_wrong_password_is_sent_once_and_not_again_and_again() -> None:
    script = Script().on("PROPFIND", "", "", status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
    with pytest.raises(Refused, match="right password"):
        await script.connector(password="geheim").changes(None)
    assert len(script.seen) == 2


@pytest.mark.parametrize("url", ["", "cal.example.org", "ftp://cal.example.org/", "https://", "file:///etc/passwd"])
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(Refused, match="no calendar address"):
        Client(an_account(url))


# The wire

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/a/"
    finally:
        server.close()
        server.close_clients() if hasattr(server, "close_clients") else None


@asynccontextmanager
async def client_of(url: str, **limits: float) -> AsyncIterator[Client]:
    network = Network(**limits)
    try:
        yield Client(an_account(url), transport=network.send)
    finally:
        await network.close()


async def request_of(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)


async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.write(b"HTTP/1.1 207 x\r\nContent-Type: text/xml\r\nContent-Length: 500\r\n\r\n<multistatus")
    await writer.drain()


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize("handler", [hang_up, break_off, say_nothing], ids=["hangs up", "breaks off", "says nothing"])
@pytest.mark.parametrize(("method", "maybe_done"), [("PUT", True), ("PROPFIND", False)])
async def test_a_server_that_gives_no_whole_answer_is_unreachable(handler: Handler, method: str, maybe_done: bool) -> None:
    async with listening(handler) as url, client_of(url, read_timeout=0.3) as client:
        with pytest.raises(Unreachable) as caught:
            await client.request(method, url, body=b"x")
    assert caught.value.maybe_done is maybe_done


async def test_an_answer_without_end_is_cut_at_the_limit() -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(b"HTTP/1.1 200 x\r\nContent-Type: text/calendar\r\n\r\n")
        while True:
            writer.write(b"X" * 65536)
            await writer.drain()

    async with listening(pour) as url, client_of(url, most_bytes=2**20) as client:
        with pytest.raises(TooLarge, match="1 MiB"):
            await client.request("GET", url)


async def test_a_small_answer_that_unpacks_to_a_huge_one_is_cut_at_the_limit() -> None:
    packed = gzip.compress(b"X" * 20_000_000)

    async def pack(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        head = f"HTTP/1.1 200 x\r\nContent-Type: text/calendar\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
        writer.write(head.encode() + packed)
        await writer.drain()

    assert len(packed) < 30_000
    async with listening(pack) as url, client_of(url, most_bytes=2**20) as client:
        with pytest.raises(TooLarge):
            await client.request("GET", url)


async def test_a_certificate_that_nobody_vouches_for_ends_the_connection_before_anything_is_sent(tmp_path: Path) -> None:
    pem, key, _ = a_certificate()
    (tmp_path / "server.pem").write_bytes(pem + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    seen: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await request_of(reader))

    async with listening(note, context) as url, client_of(url) as client:
        with pytest.raises(Unreachable, match="certificate") as caught:
            await client.request("PUT", url, body=b"x")
    assert caught.value.maybe_done is False
    assert seen == []


async def test_connections_are_kept_and_bytes_go_out_as_they_are() -> None:
    seen: list[bytes] = []
    connections = 0
    body = b"BEGIN:VCALENDAR\r\nX-LF:a\nb\r\r\nEND:VCALENDAR\r\n"

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await request_of(reader)
            seen.append(await reader.readexactly(len(body)))
            writer.write(b"HTTP/1.1 201 x\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()

    async with listening(keep) as url, client_of(url) as client:
        for _ in range(3):
            assert (await client.request("PUT", url, body=body)).status == 201
    assert seen == [body] * 3
    assert connections == 1


async def test_no_more_than_four_requests_are_under_way() -> None:
    under_way = most = 0

    async def slowly(request: HttpRequest) -> HttpAnswer:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(5):
            await asyncio.sleep(0)
        under_way -= 1
        return HttpAnswer(status_code=200, headers={}, content=b"", url=request.url)

    client = Client(an_account(), transport=slowly)
    await asyncio.gather(*(client.request("GET", CALENDAR) for _ in range(20)))
    assert most == 4
