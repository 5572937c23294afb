"""iTIP (RFC 5546) for an organizer: versions, who gets what, and what an answer does. All of it pure.

Parts, along the words of the standard: `itip_sequences` (SEQUENCE, schedules, standing), `itip_table` (the rule of who gets
what), `itip_out` (what is owed), `itip_told` (what was told), `itip_reply` (REPLY). Everybody else imports from here.
"""

from daemon.core.itip_out import owed
from daemon.core.itip_reply import Outcome, Verdict, apply_reply
from daemon.core.itip_sequences import Standing, covers, key_of, schedule_key, standing, standings, with_sequences
from daemon.core.itip_table import TABLE, Change, ITip, MailKind, Row
from daemon.core.itip_told import after_sending, next_dtstamp

__all__ = [
    "TABLE",
    "Change",
    "ITip",
    "MailKind",
    "Outcome",
    "Row",
    "Standing",
    "Verdict",
    "after_sending",
    "apply_reply",
    "covers",
    "key_of",
    "next_dtstamp",
    "owed",
    "schedule_key",
    "standing",
    "standings",
    "with_sequences",
]
