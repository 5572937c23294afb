"""Links in mails that belong to one person of one entry (design 4.8): made here, and made dead.

Once he was told that he is off the list, his old links stay dead even if he is invited again. Not here: what they lead to
(`answering`).
"""

from __future__ import annotations

from sqlalchemy import Connection

from daemon.planner.wishes import Desk
from daemon.store import answer_links as link_rows


def answer_link(tx: Connection, desk: Desk, entry_id: str, attendee: str) -> str:
    """Return the address of the attendee's answer page; "" where the installation serves none."""
    if desk.links is None:
        return ""
    return desk.links.answer_url(entry_id, attendee, link_rows.generations(tx, entry_id).get(attendee, 0))


def revoke(tx: Connection, entry_id: str, attendee: str) -> None:
    """Let the links that the attendee has got so far be dead; his next mail brings one that works."""
    link_rows.revoke(tx, entry_id, attendee)
