"""Settings → connectors: which mail servers and calendars are reached, and how. With `app` the only importer of `connectors`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace

from daemon import config as settings
from daemon.core.calendars import Calendar
from daemon.core.errors import Refused
from daemon.ports import CalendarAccount, CalendarConnector, Clock, MailDoor, MailIn, MailOut, Security, TakesMail
from daemon.secrets import decrypt


def smtp(config: settings.Config) -> MailOut:
    """Return the mail server that takes our mails."""
    from connectors.smtp.connector import SmtpMail, SmtpSettings

    given = config.mail.smtp
    return SmtpMail(
        SmtpSettings(
            host=given.host,
            port=given.port,
            security=Security(given.security.value),
            username=given.username,
            password=given.password.get_secret_value(),
            ca_file=given.ca_file,
            connections=given.connections,
        )
    )


def imap(config: settings.Config) -> MailIn | None:
    """Return the answer mailbox, or None where none is set (a mail server then hands answers to `answer ingest`)."""
    given = config.mail.imap
    if not given.host:
        return None
    from connectors.imap.connector import ImapMail, ImapSettings

    return ImapMail(
        ImapSettings(
            host=given.host,
            port=given.port,
            security=Security(given.security.value),
            username=given.username,
            password=given.password.get_secret_value(),
            ca_file=given.ca_file,
            mailbox=given.mailbox,
        )
    )


def lmtp(config: settings.Config, take: TakesMail) -> MailDoor:
    """Return what a mail server of this machine delivers to."""
    from connectors.lmtp.connector import LmtpServer

    return LmtpServer(take, most_bytes=config.mail.lmtp.most_bytes)


def connect(account: CalendarAccount, *, clock: Clock) -> CalendarConnector:
    """Return the connector for a calendar account. Raises Refused for a kind that there is none for."""
    if account.kind != "caldav":
        raise Refused(f"Calendars of the kind “{account.kind}” cannot be reached; there is caldav.")
    from connectors.caldav.connector import CalDavConnector

    return CalDavConnector(account, clock=clock)


Connecting = Callable[[CalendarAccount], CalendarConnector]


class CalendarConnections:
    """Connectors kept open between turns; one is made anew when its calendar's account has changed."""

    def __init__(self, key: bytes, references: Mapping[str, str], connecting: Connecting) -> None:
        self._key, self._references, self._connecting = key, references, connecting
        self._open: dict[str, tuple[Calendar, CalendarConnector]] = {}

    async def of(self, calendar: Calendar) -> CalendarConnector:
        """Return the calendar's connector. Raises Refused if its password cannot be had."""
        known = self._open.get(calendar.id)
        account = replace(calendar, sync_token=None, error="", checked=None, capabilities_json="")
        if known is not None and known[0] == replace(account, state=known[0].state):
            return known[1]
        await self.forget(calendar.id)
        connector = self._connecting(self.account(calendar))
        self._open[calendar.id] = (account, connector)
        return connector

    def account(self, calendar: Calendar) -> CalendarAccount:
        """Return how to reach the calendar, with its password in clear."""
        return CalendarAccount(
            kind=calendar.kind,
            url=calendar.url,
            username=calendar.username,
            password=decrypt(self._key, calendar.secret, self._references),
            headers=calendar.headers,
        )

    async def forget(self, calendar_id: str) -> None:
        """Close the calendar's connector; the next turn opens a new one."""
        known = self._open.pop(calendar_id, None)
        if known is not None:
            with contextlib.suppress(Exception):  # it may be broken: that is why it is forgotten
                await known[1].close()

    def addresses(self, calendar: Calendar) -> tuple[str, ...]:
        """Return the owner's calendar addresses as the probe found them."""
        return tuple(json.loads(calendar.capabilities_json or "{}").get("addresses", ()))

    async def close(self) -> None:
        """Close all connectors."""
        for calendar_id in tuple(self._open):
            await self.forget(calendar_id)
