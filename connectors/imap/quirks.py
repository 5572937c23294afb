"""Habits of IMAP servers and of aioimaplib 2.0.3 that the connector is built around, each with its evidence.

| whose | habit | what is done |
| --- | --- | --- |
| aioimaplib 2.0.3 | after BYE or a cut connection nothing returns: waiting for IDLE and NOOP hang (measured 2026-11) | each command waits beside a future for the connection's end, under a limit; then a new connection |
| aioimaplib 2.0.3 | a command that was given up stays pending, the next answer goes to the wrong one | a limit or a cancellation always ends the connection |
| aioimaplib 2.0.3 | one level of recursion per line of a packet: ~1000 lines at once raise RecursionError in the protocol | it ends the connection, as every exception there does; the next one starts clean |
| aioimaplib 2.0.3 | EXISTS between commands is thrown away | counted before it is (`Wire`) |
| aioimaplib 2.0.3 | no STARTTLS, no AUTHENTICATE PLAIN; LOGIN quotes the password and keeps it in the command's text | both done here; secrets travel only as answers to “+” |
| aioimaplib 2.0.3 | any greeting is awaited for ever, BYE raises in a task nobody awaits | greeting is a future of ours |
| all | `n:*` names the last mail even where its number is smaller (RFC 9051 9, seq-range) | `newer_than` |
| Dovecot, Gmail, Exchange | IDLE is cut after about 30 minutes of silence, by routers much earlier (RFC 2177 3) | `IDLE_LIMIT` |
| Exchange | RFC822.SIZE is an estimate unless the administrator asked for exact sizes | sizes choose what to ask for; the cap is enforced by a partial FETCH and counted again |
| pymap 0.36.7 | SEARCH does not find, and IDLE does not tell, what came since the last answer that could tell it | NOOP before both |
| pymap 0.36.7 | no NAMESPACE before or after sign-in: BAD | only asked where it is announced |
| servers without UIDPLUS | EXPUNGE removes what anybody has marked | mails are marked and left, and marked ones are not read again |
"""  # noqa: E501 - a table

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

# RFC 2177 3: at least every 29 minutes; some servers count from the last command and round down.
IDLE_LIMIT = timedelta(minutes=25)


def newer_than(uid: int, found: Iterable[int]) -> tuple[int, ...]:
    """Return the UIDs above `uid`, rising: a search for `n:*` also finds the last mail where its UID is below n."""
    return tuple(sorted({one for one in found if one > uid}))
