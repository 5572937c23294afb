"""The command line of design 5: words → one call of the API → text, or `--json`. One file a noun.

`sitzungsplaner --help` answers within half a second: what is heavy is imported where it is used. Nothing is decided here; what
the command line can, the API can.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 refused or failed, 2 wrong use. Never raises an Exception."""
    from daemon.cli.ending import ended
    from daemon.cli.tree import command

    return ended(lambda: command().main(args=argv, prog_name="sitzungsplaner", standalone_mode=False))
