"""`run`: the service in the foreground, as systemd starts it."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, cast

import typer

from daemon.cli.ending import Failed
from daemon.cli.rights import become_owner_of
from daemon.cli.tree import Call

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.app import App
    from daemon.config import Config

app = typer.Typer(add_completion=False)


@app.command()
def run(ctx: typer.Context) -> None:
    """Run the service until it is told to stop (SIGTERM, Ctrl-C); a second time, it stops at once.

    What it was about is done again at the next start; nothing is lost. SIGHUP makes it read its configuration again.
    """
    from daemon.config import load_config, require_mail
    from daemon.logs import configure_logs, get_logger

    call = cast(Call, ctx.obj)
    loaded = load_config(call.config)
    require_mail(loaded.config)
    configure_logs(level=loaded.config.service.log_level.value, form=loaded.config.service.log_format.value)
    log = get_logger("service")
    for warning in loaded.warnings:
        log.warning(warning, action="configuration")
    become_owner_of(loaded.config.service.data_dir)
    try:
        asyncio.run(_serve(loaded.config, call.config))
    except BaseExceptionGroup as group:
        for error in _leaves(group):
            log.critical("the service ends", action="died", error=str(error) or type(error).__name__, exc_info=_unknown(error))
        raise Failed from group


async def _serve(config: Config, path: Path | None) -> None:
    from daemon.cli.patience import opened
    from daemon.store import admin

    stop = asyncio.Event()
    app: App | None = None

    def told() -> None:
        if stop.is_set():
            os._exit(1)  # what is committed is committed, and the rest is done again
        stop.set()

    def hung_up() -> None:
        if app is not None:  # otherwise what is being read just now is new enough
            _read_again(app, path)

    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, told)
    loop.add_signal_handler(signal.SIGHUP, hung_up)
    async with AsyncExitStack() as stack:
        app = await opened(stack, config, in_vain=stop.is_set)
        if app is not None:
            await asyncio.to_thread(admin.compare_clocks, app.store)
            await app.run(stop)


def _read_again(app: App, path: Path | None) -> None:
    """Take over what may be taken over; with a mistake in the file, go on with what was."""
    from daemon.config import load_config
    from daemon.core.errors import ConfigProblem
    from daemon.logs import configure_logs, get_logger

    log = get_logger("service")
    with app.notifier.reloading():
        problems: tuple[str, ...] = ()
        try:
            read = load_config(path, with_secrets=False)
        except ConfigProblem as error:
            problems = error.problems
        if problems:
            app.metrics.reload("refused")
            for problem in (*problems, "The configuration was not taken over; the service goes on as before."):
                log.error(problem, action="reload-refused")
            return
        taken = app.reload(read.config)
        configure_logs(level=taken.config.service.log_level.value, form=taken.config.service.log_format.value)
        app.metrics.reload("done")
        for warning in read.warnings:
            log.warning(warning, action="configuration")
        log.info("the configuration was read again", action="reloaded", changed=list(taken.changed))
        if taken.waiting:
            log.warning(
                f"these changes wait for a restart: {', '.join(taken.waiting)}", action="reload-waits", keys=list(taken.waiting)
            )


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for one in group.exceptions:
        found += _leaves(one) if isinstance(one, BaseExceptionGroup) else [one]
    return found


def _unknown(error: BaseException) -> BaseException | None:
    """Only what is a bug needs its traceback."""
    from daemon.core.errors import SitzungsplanerError

    return None if isinstance(error, SitzungsplanerError) else error
