"""A received mail read from its bytes to plain values: what it is, and the answer in it. Everything hostile ends here."""

from __future__ import annotations

from dataclasses import dataclass, replace

from daemon.core import ics, imip
from daemon.core.errors import Rejected
from daemon.core.model import Method

_MOST_PARTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a mail says. `mail` None: not even its header can be read. `answer` None: there is no calendar data in it.

    `problem`: why it cannot be used, in a sentence; "" if it can.
    """

    mail: imip.ReadMail | None
    answer: ics.Parsed | None = None
    problem: str = ""


def read(raw: bytes) -> Reading:
    """Read a mail (RFC 5322) and the calendar data in it (RFC 6047). A delivery report is not searched for any."""
    mail: imip.ReadMail | None = None
    try:
        mail = imip.read_mail(raw)
        return Reading(mail=mail, answer=answer_in(mail) if mail.report is None else None)
    except Rejected as error:
        return Reading(mail=mail, problem=str(error))


def answer_in(mail: imip.ReadMail) -> ics.Parsed | None:
    """Return the calendar data of the mail; programs send it twice, as part and as file. None if there is none.

    Raises Unreadable if it cannot be read, Rejected if it contradicts itself.
    """
    found: list[ics.Parsed] = []
    problem: Rejected | None = None
    for part in mail.calendars[:_MOST_PARTS]:
        try:
            parsed = ics.parse_calendar(part.data, charset=part.charset)
        except Rejected as error:
            problem = problem or error
            continue
        found.append(_with_method(parsed, part.method) if parsed.method is None and part.method else parsed)
    if problem is not None and not found:
        raise problem
    told = [one for one in found if one.components] or found
    if any(one.components != told[0].components for one in told[1:]):
        raise Rejected("The mail has several calendar parts that say different things. Nothing was used; look at it yourself.")
    return told[0] if told else None


def _with_method(parsed: ics.Parsed, text: str) -> ics.Parsed:
    known = next((one for one in Method if one.value == text.strip().upper()), None)
    return replace(parsed, method=known, method_text=text)
