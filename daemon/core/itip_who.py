"""Whose answer a message is (RFC 5546 3.2.3, 6.1; itip.md 1.11, 1.14): the person on the list, and whether he may be believed.

An address in a calendar object is a claim. It counts where the mail comes from that address, from his assistant of the same
organisation (SENT-BY), or from an address that is known to be his; everything else is held for the owner.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NoReturn

from daemon.core.addresses import clean_name, same
from daemon.core.authenticity import Authenticity, Checked, objection, related
from daemon.core.model import Attendee, Component, Entry, Guest, Method, PartStat, Role, require_utc


class Outcome(StrEnum):
    """How a received message ended. Each message has exactly one per VEVENT."""

    APPLIED = "applied"
    IGNORED = "ignored"
    HELD = "held"
    REJECTED = "rejected"
    COUNTER = "counter"
    RESEND_REQUEST = "resend-request"
    BOUNCE = "bounce"
    INFORMATIONAL = "informational"
    AUTO = "auto"


class Uninvited(StrEnum):
    """What becomes of answers of people whom nobody invited."""

    HOLD = "hold"
    ADD_AS_OPTIONAL = "add-as-optional"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRules:
    """The installation's settings for answers. `authserv_id` names our own mail server (RFC 8601 2.5); "": it is not known."""

    authserv_id: str = ""
    authenticity: Authenticity = Authenticity.NORMAL
    uninvited: Uninvited = Uninvited.HOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """The mail around an answer, as far as it says who speaks.

    `mail_from`: the bare address of the one From, `written_by` that of Sender, `mail_date` (UTC) the mail's date, which stands in
    for a missing or absurd DTSTAMP. `checked`: what our mail server found, None if it says nothing. `referred`: the attendee to
    whom our mail went that this one answers (In-Reply-To), "" if none. `aliases`: addresses that are known to be other people's.
    `service`: our own address. `consent`: the owner looked at it and wants it to count.
    """

    mail_from: str
    mail_date: datetime
    written_by: str = ""
    checked: Checked | None = None
    referred: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)
    service: str = ""
    consent: bool = False

    def __post_init__(self) -> None:
        require_utc(self.mail_date, "mail_date")

    @property
    def shown(self) -> str:
        return clean_name(self.mail_from) or "somebody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """Whose answer it is: `attendee` as on the list, with the line he wrote.

    `alias`: an address of his to be remembered. `joins`: him, where he is not on the list yet and is to be put there.
    """

    attendee: str
    line: Guest
    alias: str = ""
    joins: Attendee | None = None


class NoAnswer(Exception):  # noqa: N818 - not an error: the way out of the steps with a verdict
    """Nothing is applied. `attendee` and `partstat`: as far as they are known. `resend`: he is told again how it stands."""

    def __init__(
        self, outcome: Outcome, reason: str, *, attendee: str = "", partstat: PartStat | None = None, resend: bool = False
    ) -> None:
        super().__init__(reason)
        self.outcome, self.reason, self.attendee, self.partstat, self.resend = outcome, reason, attendee, partstat, resend


def leave(
    outcome: Outcome, reason: str, *, attendee: str = "", partstat: PartStat | None = None, resend: bool = False
) -> NoReturn:
    """End the steps with this outcome."""
    raise NoAnswer(outcome, reason, attendee=attendee, partstat=partstat, resend=resend)


def everybody(entry: Entry) -> Iterator[Attendee]:
    """Yield all who are invited to the entry or to a date of it."""
    for people in (entry.attendees, *(one.attendees or () for one in entry.occurrences)):
        yield from people


def said(line: Guest) -> PartStat | None:
    """Return the answer that a line gives, or None if it gives none that counts."""
    return None if line.partstat_text or line.partstat is PartStat.NEEDS_ACTION else line.partstat


def speaker(
    entry: Entry, component: Component, method: Method, letter: Letter, rules: AnswerRules, *, told: frozenset[str]
) -> Speaker:
    """Return who speaks. `told` are those who were ever sent the entry. Raises NoAnswer where nobody may be believed."""
    line = _line(component, method, letter)
    listed = {one.email for one in everybody(entry)}
    attendee, alias = _attendee(entry, line, listed, letter)
    if attendee:
        _may_speak(entry, attendee, line, letter, rules)
        return Speaker(attendee=attendee, line=line, alias=alias)
    _may_speak(entry, line.email, line, letter, rules)
    return _uninvited(entry, line, listed, letter, rules, told=told)


def _line(component: Component, method: Method, letter: Letter) -> Guest:
    """The sender's own line (RFC 5546 3.2.3: exactly one; whatever else is listed is not his to say)."""
    guests = component.guests
    if not guests and method is Method.REFRESH:
        return Guest(email=letter.mail_from)
    if not guests:
        leave(Outcome.HELD, f"The answer of {letter.shown} does not say whose it is. Record it yourself if you know.")
    own = next((one for one in guests if same(one.email, letter.mail_from)), None)
    own = own or next((one for one in guests if letter.mail_from and letter.mail_from in (one.alias, one.sent_by)), None)
    own = own or next((one for one in guests if one.email == letter.aliases.get(letter.mail_from)), None)
    if own is None and len(guests) == 1:
        own = guests[0]
    if own is None:
        leave(
            Outcome.HELD,
            f"{letter.shown} answers for {len(guests)} others. Nobody answers for somebody else without your consent.",
        )
    return own


def _attendee(entry: Entry, line: Guest, listed: set[str], letter: Letter) -> tuple[str, str]:
    """The person on the list, and his address that was not known so far; "" where it is none."""
    if line.email in listed:
        return line.email, ""
    if line.alias in listed and (line.alias == letter.mail_from or _one_house(line.alias, letter.mail_from) or letter.consent):
        return line.alias, ""
    known = letter.aliases.get(line.email, "")
    if known in listed:
        return known, ""
    if letter.referred in listed and not line.delegated_from:
        vouched = letter.checked is not None and letter.checked.authentic(letter.mail_from)
        if letter.consent or (vouched and _one_house(letter.referred, letter.mail_from)):
            return letter.referred, line.email
        leave(
            Outcome.HELD,
            f"{line.email} answers the mail to {letter.referred} about “{entry.title}”. Accept it if both are the same person.",
            attendee=letter.referred,
            partstat=said(line),
        )
    return "", ""


def _may_speak(entry: Entry, attendee: str, line: Guest, letter: Letter, rules: AnswerRules) -> None:
    if letter.consent:
        return
    sender = letter.mail_from
    own = same(sender, attendee) or same(sender, line.email) or letter.aliases.get(sender) == attendee
    assistant = line.sent_by == sender and _one_house(sender, attendee)
    if not own and not assistant and not (line.alias == attendee and _one_house(sender, attendee)):
        leave(
            Outcome.HELD,
            f"{letter.shown} answers for {line.email}. Nobody answers for somebody else without your consent.",
            attendee=attendee,
            partstat=said(line),
        )
    if not rules.authserv_id and rules.authenticity is not Authenticity.STRICT:
        return
    doubt = objection(letter.checked, rules.authenticity, sender=sender, written_by=letter.written_by, partstat=said(line))
    if doubt:
        leave(
            Outcome.HELD,
            f"The answer of {attendee} to “{entry.title}” may be forged: {doubt}. Ask, and accept or refuse it.",
            attendee=attendee,
            partstat=said(line),
        )


def _uninvited(
    entry: Entry, line: Guest, listed: set[str], letter: Letter, rules: AnswerRules, *, told: frozenset[str]
) -> Speaker:
    partstat = said(line)
    if line.email in told:
        leave(
            Outcome.IGNORED,
            f"{line.email} is not invited to “{entry.title}” any more.",
            attendee=line.email,
            partstat=partstat,
            resend=True,
        )
    if line.delegated_from in listed:
        before = next(one for one in everybody(entry) if one.email == line.delegated_from)
        if letter.consent:
            joins = Attendee(email=line.email, role=before.role, delegated_from=before.email)
            return Speaker(attendee=line.email, line=line, joins=joins)
        leave(
            Outcome.HELD,
            f"{line.email} answers “{entry.title}” for {before.email}, who has not said so yet.",
            attendee=line.email,
            partstat=partstat,
        )
    if letter.consent or rules.uninvited is Uninvited.ADD_AS_OPTIONAL:
        # His name is not taken over: nothing of a stranger's object goes into ours.
        return Speaker(attendee=line.email, line=line, joins=Attendee(email=line.email, role=Role.OPT_PARTICIPANT))
    if rules.uninvited is Uninvited.REFUSE:
        leave(
            Outcome.IGNORED,
            f"{line.email} was not invited to “{entry.title}”, and answers of strangers are refused.",
            attendee=line.email,
            partstat=partstat,
        )
    leave(
        Outcome.HELD,
        f"{line.email} answers, but was not invited to “{entry.title}”. Accept it to put the address on the list, or refuse it.",
        attendee=line.email,
        partstat=partstat,
    )


def _one_house(one: str, other: str) -> bool:
    return related(one.rpartition("@")[2], other.rpartition("@")[2])
