"""`sitzungsplaner demo`: the whole product on this machine, nothing configured; a story that verifies what it tells.

Everything lives in a temporary directory and on loopback ports. Nothing of it outlives the demonstration.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import io
import os
import shlex
import shutil
import signal
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from daemon.demo.telling import BrokenStoryError, Teller

if TYPE_CHECKING:
    from daemon.demo.stage import Servers, Stage

_PACKAGES = ("aiosmtpd", "pymap", "radicale")
_SOCKET_ROOM = 107 - len("/sitzungsplaner-demo-12345678/api.sock")  # the path of a Unix socket has at most 107 bytes
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _NobodyReadsError(Exception):
    """Standard output was closed by its reader."""


class _Audience(Console):
    """Rich ends the process where the reader goes away (`demo | head`); here all that was started must be stopped first."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise _NobodyReadsError


@dataclass(slots=True)
class _Progress:
    told: bool = False


def run_demo(*, once: bool, servers: Servers | None = None) -> int:
    """Tell the story; with `once` end after it, otherwise leave a filled planner running until Ctrl-C or SIGTERM.

    Returns the exit code: 0, or 1 if something did not hold or could not start. `servers` are the tests' own.
    """
    missing = [one for one in _PACKAGES if importlib.util.find_spec(one) is None]
    if missing:
        return _refused(
            f"The demonstration needs {' and '.join(missing)}: run `pip install 'sitzungsplaner[demo]'` and start again."
        )
    from daemon.demo.stage import Servers, loopback_problem

    if problem := loopback_problem():
        return _refused(problem)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without ✓ shows ? and not a traceback
    teller = Teller(_Audience(highlight=False, emoji=False))
    folder = Path(tempfile.mkdtemp(prefix="sitzungsplaner-demo-", dir=_short_folder()))
    progress = _Progress()
    broken: BrokenStoryError | None = None
    try:
        teller.title("Sitzungsplaner: one session, from planning to cancellation", f"on this machine alone, in {folder}")
        # An event loop that is interrupted while it is made says so at the end of the process. Unblocked in `_until_stopped`.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        asyncio.run(_until_stopped(teller, folder, progress, once=once, servers=servers or Servers()))
    except BrokenStoryError as error:
        broken = error
    except (_NobodyReadsError, KeyboardInterrupt):
        progress.told = False
    except Exception as error:  # noqa: BLE001 - whatever it is, a person gets a line, and the traceback lies in the directory
        details = folder / "traceback.txt"
        details.write_text(traceback.format_exc(), encoding="utf-8")
        broken = BrokenStoryError("the story goes on", f"{type(error).__name__}: {error}", str(details))
    finally:
        if broken is None:
            shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(_NobodyReadsError):
        if broken is not None:
            teller.broken(broken)
            teller.says(f"Here the story ends. Everything is stopped; logs and mails are kept in {folder}.")
        elif progress.told:
            teller.says("Everything is stopped, and the directory is removed.", "dim")
        else:
            teller.says("Stopped before the end of the story. The directory is removed.")
    return 0 if progress.told and broken is None else 1


async def _until_stopped(teller: Teller, folder: Path, progress: _Progress, *, once: bool, servers: Servers) -> None:
    """Play until the end or a signal; then everything that was started is stopped, whatever happened."""
    stop = asyncio.Event()
    for one in _SIGNALS:
        if signal.getsignal(one) is not signal.SIG_IGN:  # nohup and background jobs of a shell want it ignored
            asyncio.get_running_loop().add_signal_handler(one, stop.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    play = asyncio.create_task(_play(teller, folder, progress, once=once, servers=servers))
    halt = asyncio.create_task(stop.wait())
    await asyncio.wait({play, halt}, return_when=asyncio.FIRST_COMPLETED)
    halt.cancel()
    play.cancel()
    with teller.waiting("stopping"), contextlib.suppress(asyncio.CancelledError):
        await play


async def _play(teller: Teller, folder: Path, progress: _Progress, *, once: bool, servers: Servers) -> None:
    from daemon.demo.chapters import tell
    from daemon.demo.samples import fill
    from daemon.demo.stage import open_stage

    async with open_stage(folder, teller, servers) as stage:
        await tell(stage)
        progress.told = True
        teller.says(f"✓ The story holds: {teller.verified_count} things verified in {teller.seconds:.1f} s.", "bold green")
        if once:
            return
        number = await fill(stage)
        _say_where_to_look(stage, number)
        await asyncio.wait([stage.service])
        raise BrokenStoryError("the service runs until it is stopped", "it ended", stage.log_file)


def _say_where_to_look(stage: Stage, number: str) -> None:
    from daemon.demo.stage import MAILBOX, PASSWORD, USER

    teller = stage.teller
    teller.facts(
        "The service keeps running, with a few entries of Anna's. Look at it:",
        (
            ("calendar (CalDAV)", f"{stage.calendar_url}  user {USER}, password {PASSWORD}"),
            ("delivered mails", f"{stage.mails_folder}/*.eml"),
            ("mail server (SMTP)", f"127.0.0.1:{stage.post.smtp_port}  takes every mail, no password, no TLS"),
            ("answers (IMAP)", f"127.0.0.1:{stage.post.imap_port}  user {MAILBOX}, password {PASSWORD}, no TLS"),
            ("the service's log", stage.log_file),
            ("its settings", str(stage.config_file)),
        ),
    )
    command = f"{_program()} --config {shlex.quote(str(stage.config_file))}"
    teller.facts(
        "Or from another terminal:",
        (
            ("the list", f"{command} entry list"),
            ("one entry", f"{command} entry show {number}"),
            ("how it runs", f"{command} status"),
        ),
    )
    teller.says("Ctrl-C stops everything and removes the directory.", "bold")


def _program() -> str:
    """The command that a shell finds: by its name where it is in the PATH, else by the path of this environment's script."""
    script = Path(sys.executable).with_name("sitzungsplaner")
    found = shutil.which("sitzungsplaner")
    if found is not None and (not script.exists() or Path(found).samefile(script)):
        return "sitzungsplaner"
    with contextlib.suppress(ValueError):
        return shlex.quote(str(script.relative_to(Path.cwd())))
    return shlex.quote(str(script))


def _short_folder() -> str:
    folder = tempfile.gettempdir()
    return folder if len(os.fsencode(folder)) <= _SOCKET_ROOM else "/tmp"


def _refused(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1
