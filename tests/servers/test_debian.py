"""The servers from Debian's packages come and go without a trace, and one that is missing is named with the remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.servers.cyrus import cyrus
from tests.servers.debian import Daemon, installed
from tests.servers.debian_postgres import debian_running
from tests.servers.dovecot import dovecot
from tests.servers.postfix import postfix


@contextmanager
def a_postfix() -> Iterator[object]:
    with postfix(relay_port=9) as server:
        yield server


SERVERS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "Cyrus": cyrus,
    "Dovecot": dovecot,
    "PostgreSQL": debian_running,
    "Postfix": a_postfix,
}


@pytest.mark.servers
@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS.keys())
def test_a_server_leaves_neither_process_nor_file_behind_also_after_a_failure(
    server: Callable[[], AbstractContextManager[object]],
) -> None:
    folders: list[Path] = []

    def fail() -> None:
        with server() as started:
            folders.append(started.folder)  # type: ignore[attr-defined]
            assert living_in(folders[-1])
            raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            fail()
        assert not folders[-1].exists()
        assert living_in(folders[-1]) == []


def test_a_server_that_cannot_be_asked_whether_it_is_there_is_ended(tmp_path: Path) -> None:
    """A look that broke down left a Cyrus running for good."""
    daemon = Daemon(tmp_path, "sleeper")

    def broken() -> bool:
        assert living_in(tmp_path)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        daemon.start(["/bin/sleep", "60"], broken, as_root=True)
    assert living_in(tmp_path) == []


def living_in(folder: Path) -> list[str]:
    """The command lines of all processes whose working directory or arguments are there."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            where = str((process / "cwd").readlink())
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has ended meanwhile
        if str(folder) in where or str(folder) in command:
            found.append(command)
    return found


def test_a_program_that_is_missing_skips_with_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"/no/such/program is missing.*apt-get install some-package"):
        installed("/bin/sh", "/no/such/program", package="some-package")


def test_where_nothing_may_be_left_out_a_missing_program_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="/no/such/program is missing"):
        installed("/no/such/program", package="some-package")
