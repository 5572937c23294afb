"""How a command ends: the line it leaves on standard error, and its exit code. No traceback reaches a person.

| what happened                                     | line                              | code |
| ------------------------------------------------- | --------------------------------- | ---- |
| the command did what it was asked                 |                                   | 0    |
| refused, not found, unreachable; part of it failed | the sentence of the error        | 1    |
| the configuration cannot be used                  | one for each key                  | 1    |
| a bug                                             | where its details are             | 1    |
| the reader of our output went away                |                                   | 1    |
| an unknown option, a value that cannot be read    | what is wrong, and where help is  | 2    |
| Ctrl-C                                            |                                   | 130  |

`SITZUNGSPLANER_DEBUG=1` shows the traceback of a bug.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any

import typer
from typer.exceptions import Abort, TyperException

from daemon.cli import logbook
from daemon.cli.screen import complain
from daemon.core.errors import ConfigProblem, SitzungsplanerError

_BEFORE_THE_NOUN = ("--owner", "--config")


class Failed(Exception):  # noqa: N818 - what it says is on the screen already, or is its text
    """The command could not do what it was asked. Its text is a sentence for a person; empty if all has been said."""


def ended(do: Callable[[], Any]) -> int:
    """Run a command and return its exit code, having said what there is to say."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a narrow terminal loses a sign, not the answer
    try:
        code = do()
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except BrokenPipeError:
        return _nobody_reads()
    except (KeyboardInterrupt, Abort):
        return 130
    except SystemExit as error:  # completion scripts end so, and Rich on a broken pipe
        return error.code if isinstance(error.code, int) else 1
    except TyperException as error:
        return _wrong_use(error)
    except ConfigProblem as error:
        for problem in error.problems:
            complain(problem)
        return 1
    except (Failed, SitzungsplanerError) as error:
        if str(error):
            complain(str(error))
        return 1
    except Exception as error:  # noqa: BLE001 - the last resort: a person gets a sentence
        return _bug(error)


def _wrong_use(error: TyperException) -> int:
    ctx = getattr(error, "ctx", None)
    # Where the mistake is about no single option, its sentence says everything.
    whole = isinstance(error, typer.BadParameter) and error.param is None and error.param_hint is None
    text = " ".join((error.message if whole else error.format_message()).split())
    if not text:  # no verb given: the help has been shown
        return 2
    option = getattr(error, "option_name", "").partition("=")[0]
    if option in _BEFORE_THE_NOUN:
        text = f"{option} stands before the first word: sitzungsplaner {option} … {_path(ctx).partition(' ')[2]}"
    if not text.endswith((".", "?", "!")):
        text += "."
    complain(f"{text} See: {_path(ctx)} --help" if ctx is not None else text)
    return error.exit_code


def _path(ctx: Any) -> str:
    return str(ctx.command_path) if ctx is not None else "sitzungsplaner"


def _nobody_reads() -> int:
    # Python flushes standard output once more at its end, and would complain then.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _bug(error: Exception) -> int:
    from daemon.logs import get_logger

    logbook.begin()
    get_logger("command").error("a command failed", action="bug", exc_info=error)  # noqa: G201, RUF100 - there is no handler around this
    where = f"The details are in {logbook.BOOK.path}." if logbook.BOOK.path else "SITZUNGSPLANER_DEBUG=1 shows the details."
    complain(f"This is a fault of sitzungsplaner, not yours ({type(error).__name__}). {where}")
    return 1
