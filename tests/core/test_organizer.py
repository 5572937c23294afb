"""Who is ORGANIZER, and in whose name mails come: three forms (RFC 5545 3.8.4.3, RFC 6047 2.3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from daemon.core.event import master
from daemon.core.ics import build_calendar
from daemon.core.imip import Mailbox
from daemon.core.model import Method, Organizer
from daemon.core.organizer import TOKEN_LENGTH, OrganizerForm, heading, organizer_again, organizer_as
from daemon.core.subaddress import detail_of, room_for_detail, with_detail
from tests.core.builders import DRESS, an_entry

SERVICE = Organizer(email="sitzung@planner.example.org", name="Sitzungsplaner")
PETRA = Organizer(email="petra@example.com", name="Petra Planer")
COLLEAGUE = Organizer(email="petra@planner.example.org", name="Petra Planer")
TOKEN = "0123456789abcdef0123"
NOW = datetime(2026, 12, 1, tzinfo=UTC)


def written(organizer: Organizer) -> str:
    component = master(an_entry(), organizer=organizer, dress=DRESS, exdates=())
    text = build_calendar((component,), method=Method.REQUEST, dtstamp=NOW).decode().replace("\r\n ", "")
    return next(line for line in text.split("\r\n") if line.startswith("ORGANIZER"))


@pytest.mark.parametrize(
    ("form", "line"),
    [
        (OrganizerForm.SERVICE, "ORGANIZER;CN=Petra Planer:mailto:sitzung@planner.example.org"),
        (OrganizerForm.OWNER, 'ORGANIZER;CN=Petra Planer;SENT-BY="mailto:sitzung@planner.example.org":mailto:petra@example.com'),
        (OrganizerForm.TOKEN, f"ORGANIZER;CN=Petra Planer;EMAIL=petra@example.com:mailto:sitzung+{TOKEN}@planner.example.org"),
    ],
)
def test_each_form_is_written_as_mail_programs_know_it(form: OrganizerForm, line: str) -> None:
    """SENT-BY stands in quotes because of its colon; the name is in CN alone, never before the address."""
    assert written(organizer_as(form, SERVICE, PETRA, TOKEN)) == line


@pytest.mark.parametrize("form", OrganizerForm)
def test_whoever_was_told_an_organizer_keeps_it_whatever_is_set_now(form: OrganizerForm) -> None:
    told = organizer_as(form, SERVICE, PETRA, TOKEN)
    assert organizer_again(told.email, SERVICE, PETRA) == told


def test_an_address_that_is_nobodys_any_more_is_not_kept() -> None:
    assert organizer_again("old@planner.example.org", SERVICE, PETRA) is None


def test_an_owner_without_name_goes_by_the_services() -> None:
    assert organizer_as(OrganizerForm.SERVICE, SERVICE, replace(PETRA, name=""), "") == SERVICE


def test_the_service_writes_in_its_own_name() -> None:
    head = heading(organizer_as(OrganizerForm.SERVICE, SERVICE, PETRA, ""), SERVICE)
    assert (head.sender, head.submitter, head.reply_to) == (Mailbox(address=SERVICE.email, name="Petra Planer"), None, None)


def test_a_token_is_answered_to_by_programs_that_look_at_reply_to() -> None:
    organizer = organizer_as(OrganizerForm.TOKEN, SERVICE, PETRA, TOKEN)
    head = heading(organizer, SERVICE)
    assert (head.sender.address, head.submitter) == (SERVICE.email, None)
    assert head.reply_to == Mailbox(address=organizer.email, name="Petra Planer")


def test_an_owner_of_the_services_domain_is_the_sender_and_another_is_only_answered_to() -> None:
    """From another domain than ours a mail would fail DMARC, and be refused or lie in spam."""
    own = heading(organizer_as(OrganizerForm.OWNER, SERVICE, COLLEAGUE, ""), SERVICE)
    assert (own.sender.address, own.reply_to) == (COLLEAGUE.email, None)
    assert own.submitter == Mailbox(address=SERVICE.email, name="Sitzungsplaner")
    far = heading(organizer_as(OrganizerForm.OWNER, SERVICE, PETRA, ""), SERVICE)
    assert (far.sender.address, far.submitter) == (SERVICE.email, None)
    assert far.reply_to == Mailbox(address=PETRA.email, name="Petra Planer")


def test_a_detail_is_found_in_its_own_mailbox_only() -> None:
    address = with_detail(SERVICE.email, TOKEN)
    assert detail_of(address, SERVICE.email) == TOKEN
    for other in (SERVICE.email, "sitzung+@planner.example.org", PETRA.email, f"sitzung+{TOKEN}@example.com", f"x{address}"):
        assert detail_of(other, SERVICE.email) is None


def test_a_detail_leaves_room_for_64_characters_before_the_at() -> None:
    assert room_for_detail("a" * 43 + "@example.org") == TOKEN_LENGTH
