"""The SMTP connections of the post office: aiosmtpd, with a place for misbehaviour at each step. Imported where it is needed."""

# ruff: noqa: N802 - aiosmtpd finds commands and hooks by these names

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import MISSING, SMTP, AuthResult, Envelope, LoginPassword, Session

if TYPE_CHECKING:
    from daemon.demo.post import PostOffice


class Connection(SMTP):
    """One connection to the post office, in its event loop."""

    def __init__(self, post: PostOffice, **options: Any) -> None:
        super().__init__(_Hooks(post), authenticator=_authenticator(post), **options)
        self._post = post

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # also called after STARTTLS
        self._post.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._post.closed(self)

    async def smtp_DATA(self, arg: str) -> None:
        recipients = self.envelope.rcpt_tos if self.envelope is not None else []
        answer = await self._post.misbehave("DATA", recipients[0] if recipients else "", self)
        if answer is None:
            await super().smtp_DATA(arg)
        else:
            await self.push(answer)

    async def end(self) -> None:
        """Break the connection off and wait until its task is gone."""
        if self.transport is not None:
            self.transport.abort()  # type: ignore[attr-defined]  # aiosmtpd calls every transport a BaseTransport
        if self._handler_coroutine is not None:
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await self._handler_coroutine


class _Hooks:
    """aiosmtpd's hooks: what is said to MAIL, RCPT and the final dot."""

    def __init__(self, post: PostOffice) -> None:
        self._post = post

    async def handle_MAIL(
        self, server: Connection, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> Any:
        if self._post.wants_sign_in and not session.authenticated:
            return "530 5.7.0 Authentication required"
        return await self._post.misbehave("MAIL", address, server) or MISSING

    async def handle_RCPT(
        self, server: Connection, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> Any:
        return await self._post.misbehave("RCPT", address, server) or MISSING

    async def handle_DATA(self, server: Connection, session: Session, envelope: Envelope) -> str:
        answer = await self._post.misbehave("DOT", envelope.rcpt_tos[0], server)
        data = envelope.original_content or b""
        return answer or await self._post.accept(envelope.mail_from or "", envelope.rcpt_tos, data)


def _authenticator(post: PostOffice) -> Any:
    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        known = isinstance(data, LoginPassword) and post.signs_in(data.login.decode(), data.password.decode())
        return AuthResult(success=known, handled=False)

    return authenticate
