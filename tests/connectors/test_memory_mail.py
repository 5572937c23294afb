"""The post office in memory keeps the contract of the real ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import pytest

from connectors.memory.mail import MemoryMailIn, MemoryMailOut, MemoryPost
from daemon.clock import SystemClock
from daemon.core.errors import Refused, Unreachable
from tests.connectors.mail_contract import PLANNER, MailInContract, MailOutContract


@pytest.fixture
def post() -> MemoryPost:
    post = MemoryPost(clock=SystemClock())
    post.add_mailbox(PLANNER)
    return post


class TestMailOut(MailOutContract):
    @pytest.fixture
    def out(self, post: MemoryPost) -> MemoryMailOut:
        return MemoryMailOut(post)

    @pytest.fixture
    def delivered(self, post: MemoryPost) -> Callable[[str], list[bytes]]:
        return lambda recipient: [mail.data for mail in post.sent if mail.recipient == recipient]

    @pytest.fixture
    def refuse(self, post: MemoryPost) -> Callable[[str], None]:
        return lambda recipient: post.fail(Refused("550 no such user"), recipient=recipient)

    @pytest.fixture
    def defer(self, post: MemoryPost) -> Callable[[str], None]:
        return lambda recipient: post.fail(Unreachable("451 later"), recipient=recipient)


class TestMailIn(MailInContract):
    @pytest.fixture
    def box(self, post: MemoryPost) -> MemoryMailIn:
        return MemoryMailIn(post, PLANNER)

    @pytest.fixture
    def put(self, post: MemoryPost) -> Callable[[bytes], Awaitable[None]]:
        async def put(data: bytes) -> None:
            post.deliver(PLANNER, data)

        return put

    @pytest.fixture
    def folder(self, post: MemoryPost) -> Callable[[str], Awaitable[Sequence[bytes]]]:
        async def folder(name: str) -> Sequence[bytes]:
            return post.folder(PLANNER, name)

        return folder
