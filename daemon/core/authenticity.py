"""Whether an answer comes from whom it says (RFC 8601, RFC 7489): what our own mail server found out, and what follows from it.

Nothing is verified here. Anybody can write an Authentication-Results field into his mail, so only those count that bear the
authserv-id of our own server, the topmost first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from daemon.core.model import PartStat

_COMMENT = re.compile(r"\([^()]*+\)")
_MAX_COMMENTS = 20
_QUOTED = re.compile(r'"([^"]*+)"')
_RESULT = re.compile(r"(?i)^\s*(dmarc|dkim|spf)\s*(?:/\s*\d+\s*)?=\s*([a-z]+)")
_PROPERTY = re.compile(r"(?i)(header\.from|header\.d|header\.i|smtp\.mailfrom)\s*=\s*(\S+)")
# Answers of Google Workspace are signed by Google where the attendee's own domain has no key there (itip.md 1.14).
_GOOGLE_SENDER = re.compile(r"calendar-notification@google\.com")
_GOOGLE = "google.com"


class Authenticity(StrEnum):
    """How much is asked of an answer: nothing; that nothing speaks against it; that our server found it authentic."""

    OFF = "off"
    NORMAL = "normal"
    STRICT = "strict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What our server found: the result of DMARC with its domain, of SPF with its domain, and of each DKIM signature."""

    dmarc: str = ""
    dmarc_domain: str = ""
    spf: str = ""
    spf_domain: str = ""
    dkim: tuple[tuple[str, str], ...] = ()

    def authentic(self, address: str) -> bool:
        """True if one of the three vouches for the address's domain."""
        domain = address.rpartition("@")[2]
        return (
            (self.dmarc == "pass" and related(self.dmarc_domain, domain))
            or any(result == "pass" and related(signer, domain) for result, signer in self.dkim)
            or (self.spf == "pass" and related(self.spf_domain, domain))
        )

    def by_google(self, written_by: str) -> bool:
        """True for what Google's calendar sent, whatever domain the person has."""
        signed = any(result == "pass" and related(signer, _GOOGLE) for result, signer in self.dkim)
        return signed and _GOOGLE_SENDER.fullmatch(written_by) is not None


def read_results(fields: Iterable[str], authserv_id: str) -> Checked | None:
    """Return what our own server says in its topmost field, or None if it says nothing.

    Further fields of ours below it are not looked at: a sender may have written them.
    """
    for field in fields:
        text = field
        for _ in range(_MAX_COMMENTS):
            text = _COMMENT.sub(" ", text)
        head, *results = _QUOTED.sub(r"\1", text).split(";")
        if not authserv_id or (head.split() or [""])[0].lower() != authserv_id.lower():
            continue
        return _checked(results)
    return None


def _checked(results: Iterable[str]) -> Checked:
    dmarc = dmarc_domain = spf = spf_domain = ""
    dkim: list[tuple[str, str]] = []
    for text in results:
        found = _RESULT.match(text)
        if found is None:
            continue
        method, result = found[1].lower(), found[2].lower()
        given = {name.lower(): value.lower() for name, value in _PROPERTY.findall(text)}
        match method:
            case "dmarc":
                dmarc, dmarc_domain = result, given.get("header.from", "")
            case "spf":
                spf, spf_domain = result, given.get("smtp.mailfrom", "").rpartition("@")[2]
            case _:
                dkim.append((result, given.get("header.d") or given.get("header.i", "").rpartition("@")[2]))
    return Checked(dmarc=dmarc, dmarc_domain=dmarc_domain, spf=spf, spf_domain=spf_domain, dkim=tuple(dkim))


def related(one: str, other: str) -> bool:
    """True if both are domains of one organisation: the same, or one below the other.

    Without the Public Suffix List two hosts side by side count as strangers: better held than believed.
    """
    low, high = sorted((one.lower().strip("."), other.lower().strip(".")), key=len)
    return "." in low and (high == low or high.endswith(f".{low}"))


def objection(checked: Checked | None, level: Authenticity, *, sender: str, written_by: str, partstat: PartStat | None) -> str:
    """Return why an answer is not to be believed, as the end of a sentence; "" if nothing speaks against it.

    `checked` is None where our server says nothing about the mail. Not called where no own server is known, but for STRICT.
    """
    if level is Authenticity.OFF:
        return ""
    if checked is None:
        return "our mail server says nothing about whether it is genuine"
    if checked.by_google(written_by):
        return ""
    if checked.dmarc == "fail":
        return "our mail server found that it does not come from the domain it names (DMARC fails)"
    if checked.authentic(sender):
        return ""
    if level is Authenticity.STRICT:
        return "neither DMARC nor DKIM nor SPF vouches for the address"
    if checked.spf == "fail" and not any(result == "pass" for result, _ in checked.dkim):
        return "it comes from a server that may not send for the domain it names (SPF fails)"
    if partstat is PartStat.DECLINED:
        return "it declines, and neither DMARC nor DKIM nor SPF vouches for the address"
    return ""
