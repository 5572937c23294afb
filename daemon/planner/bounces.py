"""Reports of mail servers about mails of ours (RFC 3464): who cannot be reached, in the words of the server.

A report is believed where it names a mail of ours: by the address it was sent to, which names one message, or by a Message-ID.
Invitations that somebody else sent before the entry was imported have no message here; see
docs/decisions/0012.
"""

from __future__ import annotations

from sqlalchemy import Connection

from daemon.core.authenticity import read_results
from daemon.core.bounce import DeliveryAction, Report
from daemon.core.delivery import Undeliverable
from daemon.core.errors import NotFound
from daemon.core.imip import ReadMail
from daemon.core.itip import Outcome
from daemon.planner.answers import IngestResult
from daemon.planner.causes import people
from daemon.planner.wishes import Desk
from daemon.store import entries as rows
from daemon.store import messages as message_rows
from daemon.store import undeliverable


def reported(tx: Connection, desk: Desk, mail: ReadMail, report: Report) -> IngestResult:
    """Note what a report says; nothing returned in it is processed."""
    for entry_id, recipient in _told(tx, desk, mail, report):
        return _noted(tx, desk, report, entry_id, recipient)
    claimed = [entry for uid in report.uids if (entry := rows.by_uid(tx, uid)) is not None]
    for entry in claimed:
        for one in report.recipients:
            for address in one.addresses:
                sent = message_rows.get_sent(tx, entry.id, address)
                if sent is not None and not sent.message_ids and _plausible(desk, mail, report):
                    return _noted(tx, desk, report, entry.id, address)
    if claimed:
        return IngestResult(
            outcome=Outcome.IGNORED,
            uid=claimed[0].uid,
            entry=claimed[0].id,
            reason=f"A report about “{claimed[0].title}” that returns no mail of ours: it may be forged, and nobody is marked.",
        )
    late = report.action is not DeliveryAction.FAILED
    return IngestResult(
        outcome=Outcome.INFORMATIONAL if late else Outcome.BOUNCE,
        reason="A report about a mail that could not be delivered or is late, but none of ours: nobody is marked.",
    )


def _told(tx: Connection, desk: Desk, mail: ReadMail, report: Report) -> tuple[tuple[str, str], ...]:
    """Entry and recipient of the mails of ours that the report may be about, the surest first."""
    by_address = []
    head, _, tail = desk.rules.bounces.partition("{token}")
    for address in mail.recipients if tail else ():
        if address.startswith(head) and address.endswith(tail):
            try:
                message = message_rows.get(tx, address[len(head) : -len(tail)])
            except NotFound:
                continue
            if message.entry is not None:
                by_address.append((message.entry, message.recipient))
    return (*by_address, *message_rows.recipients_of(tx, report.message_ids))


def _plausible(desk: Desk, mail: ReadMail, report: Report) -> bool:
    """True if our server found nothing wrong, and the returned mail came from where its ORGANIZER is."""
    checked = read_results(mail.authentication, desk.rules.answers.authserv_id)
    if checked is not None and "fail" in (checked.dmarc, checked.spf):
        return False
    domains = {one.strip("<>").rpartition("@")[2].lower() for one in report.message_ids}
    return report.organizer_domain != "" and report.organizer_domain in domains


def _noted(tx: Connection, desk: Desk, report: Report, entry_id: str, recipient: str) -> IngestResult:
    try:
        entry = rows.get(tx, entry_id)
    except NotFound:
        return IngestResult(outcome=Outcome.IGNORED, attendee=recipient, reason="A report about an entry that is no more.")
    said = report.about(recipient)
    action = said.action if said is not None else report.action
    words = (said.reply or said.status) if said is not None else ""
    quoted = f" The mail server says: {words}" if words else ""
    match action:
        case DeliveryAction.FAILED:
            if recipient in people(entry):
                status = said.status if said is not None else ""
                undeliverable.put(
                    tx, entry.id, Undeliverable(attendee=recipient, at=desk.clock.now(), status=status, reply=words)
                )
            outcome, reason = Outcome.BOUNCE, f"Mail to {recipient} about “{entry.title}” came back.{quoted}"
        case DeliveryAction.DELAYED:
            outcome, reason = Outcome.INFORMATIONAL, f"Mail to {recipient} about “{entry.title}” is late.{quoted}"
        case DeliveryAction.DELIVERED:
            outcome, reason = Outcome.INFORMATIONAL, f"Mail to {recipient} about “{entry.title}” was delivered."
    return IngestResult(outcome=outcome, reason=reason, uid=entry.uid, attendee=recipient, entry=entry.id)
