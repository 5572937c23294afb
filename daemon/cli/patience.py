"""Opening the store where another command has it for a moment: waiting a little instead of refusing at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from daemon.core.errors import Rejected

if TYPE_CHECKING:
    from daemon.app import App
    from daemon.config import Config

PATIENCE = 10.0  # seconds
_PAUSE = 0.05


async def opened(stack: AsyncExitStack, config: Config, *, in_vain: Callable[[], bool] = bool) -> App | None:
    """Put the application together; `stack` takes it apart. None: while its lock was another's, it turned out `in_vain`.

    Raises what `open_app` raises, Rejected for a store that stays in use.
    """
    from daemon.app import open_app

    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return await stack.enter_async_context(open_app(config))
        except Rejected as error:
            if not isinstance(error.__cause__, BlockingIOError) or time.monotonic() > deadline:
                raise
        if in_vain():
            return None
        await asyncio.sleep(_PAUSE)
