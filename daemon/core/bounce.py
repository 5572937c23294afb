"""Reports about the delivery of our mails (RFC 3464), and the words of mail servers that never heard of it.

A report says which mail it is about by what it returns: its Message-ID, or the UID of the invitation in it. Nothing of it is
believed before the caller knows that mail (a forged report must not mark anybody). Nothing returned is ever processed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from enum import StrEnum

from daemon.core import imip_words as words

_MOST_TEXT = 64 * 1024
_MOST_WORDS = 300
_MOST_RECIPIENTS = 100
_MOST_IDS = 50

_POSTMASTERS = re.compile(r"(?i)^(?:mailer[-_.]?daemon|post[-_.]?master|mail[-_.]?delivery|mailerdaemon)")
# A code of RFC 5321 4.2 or RFC 3463 for a failure that will not pass, and one that may.
_HARD = re.compile(r"(?<![\d.])(?:5\d\d[- ]|5\.\d{1,3}\.\d{1,3}\b)")
_SOFT = re.compile(r"(?<![\d.])(?:4\d\d[- ]|4\.\d{1,3}\.\d{1,3}\b)")
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})\b")
_FAILED_WORDS = re.compile(
    r"(?i)could\s+not\s+be\s+delivered|not\s+(?:be\s+)?(?:able\s+to\s+)?deliver|did\s+not\s+reach|undeliver|unable\s+to\s+deliver"
    r"|(?:delivery|sending)\s+(?:has\s+)?(?:status\s+notification\s+\()?fail|failure\s+notice|returned\s+(?:mail|to\s+sender)"
    r"|permanent\s+(?:fatal\s+)?error|user\s+unknown|no\s+such\s+user|unzustellbar|nicht\s+zugestellt\s+werden"
)
_DELAYED_WORDS = re.compile(
    r"(?i)delivery\s+(?:status\s+notification\s+\()?delay|(?:is|was|has\s+been)\s+delayed|will\s+be\s+retried"
    r"|will\s+keep\s+trying|not\s+yet\s+been\s+delivered|verzögert"
)
_REPLY_LINE = re.compile(r"(?m)^.*(?<![\d.])[45](?:\d\d[- ]|\.\d{1,3}\.\d{1,3}\b).*$")
_RETURNED_ID = re.compile(r"(?im)^\s*message-id:\s*(<[!-;=?-~]{1,900}>)")
_RETURNED_UID = re.compile(rb"(?im)^UID(?:;[^:\r\n]*)?:([^\r\n]{1,500})")


class DeliveryAction(StrEnum):
    """What became of the mail (RFC 3464 2.3.3). DELIVERED stands for delivered, relayed and expanded."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """What the report says about one recipient. `status` is a code of RFC 3463 or "", `reply` are the server's words."""

    addresses: tuple[str, ...]
    action: DeliveryAction
    status: str
    reply: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A delivery report. `message_ids` and `uids` are candidates for what the returned mail is called, the likeliest first.

    `organizer_domain`: the domain of ORGANIZER in the returned invitation, "" if there is none.
    """

    recipients: tuple[Recipient, ...]
    message_ids: tuple[str, ...]
    uids: tuple[str, ...]
    organizer_domain: str

    @property
    def action(self) -> DeliveryAction:
        """The worst that the report says."""
        return min((one.action for one in self.recipients), key=list(DeliveryAction).index, default=DeliveryAction.FAILED)

    def about(self, address: str) -> Recipient | None:
        """Return what it says about an address; what it says at all if it names nobody, or a single other one (a forwarder)."""
        named = next((one for one in self.recipients if address in one.addresses), None)
        if named is None and len(self.recipients) == 1:
            return self.recipients[0]
        return named


def read_report(mail: Message, leaves: Sequence[Message], *, sender: str, fields: Mapping[str, list[str]]) -> Report | None:
    """Return what the mail reports, or None if it is no delivery report. `leaves` are its parts, `fields` its own header."""
    kind = str(mail.get_param("report-type") or "").lower() if mail.get_content_type() == "multipart/report" else ""
    statuses = [part for part in leaves if part.get_content_type() == "message/delivery-status"]
    # A multipart whose boundary got lost is a leaf, and its text is all there is.
    texts = [_text(part) for part in leaves if part.get_content_maintype() in ("text", "multipart")]
    said = "\n".join(texts)
    if statuses or kind == "delivery-status":
        found = tuple(_recipients(statuses)) or tuple(_recipients_of_text(said)) or _from_words(said, fields, certain=True)
    elif kind:  # a receipt (RFC 8098) or a complaint (RFC 5965)
        return None
    else:
        named = "x-failed-recipients" in fields or "x-ms-embedded-report" in fields
        machine = _POSTMASTERS.match(sender) is not None
        if not named and not machine:
            return None
        found = _from_words(said, fields, certain=named)
    if not found:
        return None
    returned = [part for part in leaves if part.get_content_maintype() == "message" and part not in statuses]
    ids = [one for part in returned for one in _ids_of(part)] + _RETURNED_ID.findall(said)
    ids += [one for one in words.message_ids([said]) if "@" in one]
    objects = [data for part in returned for data in _objects(part)]
    return Report(
        recipients=found[:_MOST_RECIPIENTS],
        message_ids=tuple(dict.fromkeys(ids))[:_MOST_IDS],
        uids=tuple(dict.fromkeys(uid for data in objects for uid in _uids(data)))[:_MOST_IDS],
        organizer_domain=next((domain for data in objects if (domain := _organizer_domain(data))), ""),
    )


def _recipients(statuses: Sequence[Message]) -> Iterator[Recipient]:
    """RFC 3464 2.3: a block of fields for each recipient; the first block is about the mail as a whole."""
    for part in statuses:
        for block in _returned(part):
            given = {name.lower(): words.unfolded(value) for name, value in block.raw_items()}
            if "final-recipient" in given or "original-recipient" in given:
                yield _recipient(given)


def _recipients_of_text(text: str) -> Iterator[Recipient]:
    """The same where a program wrote the blocks into plain text."""
    for block in re.split(r"\r?\n[ \t]*\r?\n", text):
        lines = re.sub(r"\r?\n[ \t]+", " ", block).splitlines()
        given = {name.strip().lower(): value.strip() for name, at, value in (line.partition(":") for line in lines) if at}
        if "final-recipient" in given and "action" in given:
            yield _recipient(given)


def _recipient(given: Mapping[str, str]) -> Recipient:
    status = next(iter(_STATUS.findall(given.get("status", ""))), "")
    action = given.get("action", "").strip().lower()
    if action in ("delivered", "relayed", "expanded"):
        meant = DeliveryAction.DELIVERED
    else:
        meant = DeliveryAction.DELAYED if action == "delayed" or status.startswith("4") else DeliveryAction.FAILED
    named = (given.get("original-recipient", ""), given.get("final-recipient", ""))
    reply = given.get("diagnostic-code", "").partition(";")[2] or given.get("diagnostic-code", "")
    return Recipient(
        addresses=words.addresses(one for text in named for one in words.ADDRESS.findall(text.partition(";")[2] or text)),
        action=meant,
        status=status,
        reply=_shown(reply) or _shown(given.get("status", "")),
    )


def _from_words(said: str, fields: Mapping[str, list[str]], *, certain: bool) -> tuple[Recipient, ...]:
    """What a report in prose says; () if it does not say that a mail failed or is late (unless that is `certain`)."""
    text = f"{words.decoded(next(iter(fields.get('subject', [])), ''))}\n{said}"
    late, failed = _DELAYED_WORDS.search(text), _FAILED_WORDS.search(text)
    hard, soft = _HARD.search(said), _SOFT.search(said)
    if not (certain or late or failed or hard):
        return ()
    delayed = not hard and bool(late or (soft and not failed))
    copy = re.search(r"(?im)^.{0,40}(?:copy of the message|original message headers|message-id:)", said)
    above = said[: copy.start()] if copy else said
    named = [*fields.get("x-failed-recipients", []), above]
    reply = _REPLY_LINE.search(above)
    status = next(iter(_STATUS.findall(above)), "")
    return (
        Recipient(
            addresses=words.addresses(one.strip("'.[]") for text in named for one in words.ADDRESS.findall(text)),
            action=DeliveryAction.DELAYED if delayed else DeliveryAction.FAILED,
            status=status,
            reply=_shown(reply.group() if reply else _line_of(failed or late, text)),
        ),
    )


def _line_of(found: re.Match[str] | None, text: str) -> str:
    if found is None:
        return ""
    end = text.find("\n", found.end())
    return text[text.rfind("\n", 0, found.start()) + 1 : None if end < 0 else end]


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    data = payload[:_MOST_TEXT] if isinstance(payload, bytes) else b""
    try:
        return data.decode(part.get_content_charset() or "utf-8", "replace")
    except (LookupError, ValueError):
        return data.decode("latin-1")


def _returned(part: Message) -> list[Message]:
    """What a part of the kind message/… has inside: a mail, its header, or blocks of fields."""
    inside = part.get_payload()
    return [one for one in inside if isinstance(one, Message)] if isinstance(inside, list) else []


def _ids_of(part: Message) -> Iterator[str]:
    for mail in _returned(part):
        yield from words.message_ids(words.unfolded(value) for name, value in mail.raw_items() if name.lower() == "message-id")


def _objects(part: Message) -> Iterator[bytes]:
    """Calendar data in the returned mail; only names are read from it."""
    for mail in _returned(part):
        candidates = [mail, *(one for one in (mail.get_payload() if mail.is_multipart() else []) if isinstance(one, Message))]
        for one in candidates:
            payload = one.get_payload(decode=True) if one.get_content_type() == "text/calendar" else None
            if isinstance(payload, bytes):
                yield re.sub(rb"\r?\n[ \t]", b"", payload[:_MOST_TEXT])


def _uids(data: bytes) -> Iterator[str]:
    for found in _RETURNED_UID.findall(data):
        yield found.decode("utf-8", "replace").strip()


def _organizer_domain(data: bytes) -> str:
    line = re.search(rb"(?im)^ORGANIZER[;:][^\r\n]{1,900}", data)
    found = words.addresses([line.group().decode("utf-8", "replace").rpartition(":")[2]]) if line else ()
    return found[0].rpartition("@")[2] if found else ""


def _shown(text: str) -> str:
    joined = " ".join(words.without_controls(text).split())
    return joined if len(joined) <= _MOST_WORDS else f"{joined[: _MOST_WORDS - 1]}…"
