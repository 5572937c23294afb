"""Who is ORGANIZER of our mails and in whose name they come (RFC 5545 3.8.4.3, RFC 6047 2.3), in three forms.

An attendee's ORGANIZER never changes: his program would take the update for another meeting. So whoever was told once keeps what
he was told, and a changed setting is for those who come after. The owner's own calendar always has the service mailbox: with his
own address there his server would invite by itself (RFC 6638 3.1). Not here: who is told what (`itip_out`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from daemon.core.imip import Mailbox
from daemon.core.model import Organizer
from daemon.core.subaddress import detail_of, with_detail

TOKEN_LENGTH = 20  # hexadecimal digits: not to be guessed, and with most user names still within 64 characters


class OrganizerForm(StrEnum):
    """Whose address the ORGANIZER of our mails is.

    SERVICE: the service mailbox under the owner's name. OWNER: the owner himself, the service on his behalf; answers go to his
    own mailbox. TOKEN: the service mailbox with a detail that only this attendee knows, so that an answer shows who was asked.
    """

    SERVICE = "service"
    OWNER = "owner"
    TOKEN = "token"  # noqa: S105 - a kind of address


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """From, Sender and Reply-To of a mail (RFC 5322 3.6.2); None: the mail does without."""

    sender: Mailbox
    submitter: Mailbox | None = None
    reply_to: Mailbox | None = None


def organizer_as(form: OrganizerForm, service: Organizer, owner: Organizer, token: str) -> Organizer:
    """Return ORGANIZER in this form. `token` serves only for TOKEN."""
    name = owner.name or service.name
    if form is OrganizerForm.OWNER:
        return Organizer(email=owner.email, name=name, sent_by=service.email)
    if form is OrganizerForm.TOKEN:
        return Organizer(email=with_detail(service.email, token), name=name, alias=owner.email)
    return Organizer(email=service.email, name=name)


def organizer_again(told: str, service: Organizer, owner: Organizer) -> Organizer | None:
    """Return the ORGANIZER whose address an attendee was told; None if it is an address of neither service nor owner any more."""
    if told == service.email:
        return organizer_as(OrganizerForm.SERVICE, service, owner, "")
    if told == owner.email:
        return organizer_as(OrganizerForm.OWNER, service, owner, "")
    token = detail_of(told, service.email)
    return None if token is None else organizer_as(OrganizerForm.TOKEN, service, owner, token)


def heading(organizer: Organizer, service: Organizer) -> Heading:
    """Return in whose name a mail with this ORGANIZER comes.

    From is the owner only where his domain is the service mailbox's: in another's name receivers would refuse it (RFC 7489).
    """
    ours = Mailbox(address=service.email, name=organizer.name)
    if organizer.email == service.email:
        return Heading(sender=ours)
    theirs = Mailbox(address=organizer.email, name=organizer.name)
    if organizer.sent_by and organizer.email.rpartition("@")[2] == service.email.rpartition("@")[2]:
        return Heading(sender=theirs, submitter=Mailbox(address=service.email, name=service.name))
    return Heading(sender=ours, reply_to=theirs)
