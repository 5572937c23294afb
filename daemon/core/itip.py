"""iTIP (RFC 5546) for an organizer: versions, who gets what, and what an answer does. All of it pure.

Parts, along the words of the standard: `itip_sequences` (SEQUENCE, schedules, standing), `itip_table` (the rule of who gets
what), `itip_out` (what is owed), `itip_told` (what was told), `itip_reply` (what answers do), `itip_who` (whose they are),
`itip_dates` (which date they mean), `itip_delegation`. Everybody else imports from here.
"""

from daemon.core.itip_out import owed
from daemon.core.itip_reply import Verdict, apply_reply, with_verdict
from daemon.core.itip_sequences import Standing, covers, key_of, schedule_key, standing, standings, with_sequences
from daemon.core.itip_table import TABLE, Change, ITip, MailKind, Row
from daemon.core.itip_told import after_sending, next_dtstamp
from daemon.core.itip_who import AnswerRules, Letter, Outcome, Uninvited

__all__ = [
    "TABLE",
    "AnswerRules",
    "Change",
    "ITip",
    "Letter",
    "MailKind",
    "Outcome",
    "Row",
    "Standing",
    "Uninvited",
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
    "with_verdict",
]
