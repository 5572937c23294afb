"""A mail server's answers and the library's exceptions as our errors (RFC 5321 4.2.1). Pure: nothing is sent or repeated here."""

from __future__ import annotations

import ssl
from enum import StrEnum

import aiosmtplib

from daemon.core.errors import Refused, Unreachable

_WORDS_LIMIT = 300
_AGAIN = "is tried again with growing pauses"


class Stage(StrEnum):
    """What was under way when something went wrong. From ANSWER on the server may have the mail."""

    CONNECT = "connecting"
    PROTECT = "STARTTLS"
    SIGN_IN = "AUTH"
    ENVELOPE_FROM = "MAIL FROM"
    RECIPIENT = "RCPT TO"
    DATA = "DATA"
    ANSWER = "the answer to the mail"
    CHECK = "NOOP"


class CannotSendError(Exception):
    """What we found out without asking the server: it would not take this mail, or a file of the settings cannot be read."""


def words(code: int, text: str) -> str:
    """Return a server's answer on one line, printable, at most 300 characters."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return f"{code} {flat}".strip()[:_WORDS_LIMIT]


def translate(error: Exception, *, stage: Stage, server: str, about: str) -> Unreachable | Refused:
    """Return what a foreign exception means for the mail to `about` (empty: for no mail). The caller raises it from `error`.

    5xx is Refused, 4xx Unreachable; a connection that broke while the answer to a whole mail was awaited is `maybe_done`.
    """
    mail = f"The mail to {about}" if about else "What was asked of it"
    if isinstance(error, CannotSendError):
        return Refused(f"{mail} cannot go through the mail server {server}: {error}")
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code >= 400:
        return _answered(error, stage=stage, server=server, mail=mail)
    certificate = _certificate_problem(error)
    if certificate is not None:
        # Not Refused: certificates run out and are renewed, and no mail is to be lost over that.
        return Unreachable(
            f"The certificate of the mail server {server} cannot be trusted ({certificate}). {mail} {_AGAIN}. "
            "Check mail.smtp.host, or name the authority that signed it in mail.smtp.ca_file."
        )
    if isinstance(error, ValueError):  # the library looks at each command before it writes it; UnicodeError is one
        return Refused(
            f"{mail} cannot be sent, {stage} failed: an address, mail.smtp.host, mail.smtp.helo or mail.smtp.username has "
            "characters that SMTP does not know. Not tried again. Correct it."
        )
    unable = isinstance(error, aiosmtplib.SMTPException) and not isinstance(error, OSError | aiosmtplib.SMTPResponseException)
    if unable and stage is Stage.PROTECT:
        return Refused(
            f"The mail server {server} does not offer STARTTLS, and without it nothing is sent. Set mail.smtp.security to “tls” "
            "(usually port 465), or to “none” for a server on this machine."
        )
    if unable and stage is Stage.SIGN_IN:
        return Refused(
            f"The mail server {server} offers no sign-in that we know ({_reason(error)}). Leave mail.smtp.username empty if it "
            "needs none, or set mail.smtp.security: many servers offer it only over TLS."
        )
    if stage is Stage.CONNECT:
        return Unreachable(
            f"The mail server {server} cannot be reached ({_reason(error)}). {mail} {_AGAIN}. "
            "Check mail.smtp.host, mail.smtp.port and mail.smtp.security."
        )
    if stage is Stage.ANSWER:
        return Unreachable(
            f"The mail server {server} was sent the whole mail to {about} but did not answer ({_reason(error)}): "
            "it may have been delivered.",
            maybe_done=True,
        )
    return Unreachable(f"The connection to the mail server {server} broke at {stage} ({_reason(error)}). {mail} {_AGAIN}.")


def _answered(error: aiosmtplib.SMTPResponseException, *, stage: Stage, server: str, mail: str) -> Unreachable | Refused:
    said = f"“{words(error.code, error.message)}”"
    if error.code < 500:
        return Unreachable(f"The mail server {server} said “later” at {stage}: {said}. {mail} {_AGAIN}.")
    match stage:
        case Stage.SIGN_IN:
            return Refused(
                f"The mail server {server} does not accept the sign-in: {said}. Not tried again. "
                "Check mail.smtp.username and mail.smtp.password."
            )
        case Stage.CONNECT | Stage.PROTECT | Stage.CHECK:
            return Refused(f"The mail server {server} turned us away at {stage}: {said}. Not tried again. Ask whoever runs it.")
        case Stage.ENVELOPE_FROM:
            return Refused(
                f"The mail server {server} does not accept our sender address: {said}. {mail} is not tried again. "
                "Check mail.address and whether mail.smtp.username may send for it."
            )
        case Stage.RECIPIENT if error.code == 530 or error.message.lstrip().startswith("5.7."):  # RFC 3463 3.8: not allowed
            return Refused(
                f"The mail server {server} does not take mails to this recipient from us: {said}. {mail} is not tried again. "
                "Check the address, and whether mail.smtp.username is set and may send to other domains."
            )
        case Stage.RECIPIENT:
            return Refused(
                f"The mail server {server} refused the recipient: {said}. {mail} is not tried again. Check the address."
            )
        case Stage.DATA | Stage.ANSWER:
            return Refused(f"The mail server {server} refused the mail itself: {said}. {mail} is not tried again.")


def _certificate_problem(error: BaseException | None) -> str | None:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__
    return None


def _reason(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"it said something that is not SMTP: {words(error.code, error.message)}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return " ".join(str(error).split())[:_WORDS_LIMIT] or type(error).__name__
