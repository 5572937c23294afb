"""Bad input: at the command line, in the configuration, in .ics files. Each case has its one line, its exit code, no traceback.

`Cli` itself fails on any traceback. `FOLDER` stands for the place the case plays in. The cases are in `bad_*.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.bad_ics import ICS
from tests.cli.bad_settings import ENVIRONMENT, FILES
from tests.cli.bad_words import REFUSED, WRONG_USE, Words
from tests.cli.conftest import Cli, a_cli


@pytest.fixture(scope="session")
def planned_data(tmp_path_factory: pytest.TempPathFactory, owner_data: Path) -> Path:
    """A data directory with a series, a single session, one without date and one that is cancelled."""
    with a_cli(tmp_path_factory.mktemp("planned"), owner_data) as cli:
        people = ("--attendee", "ben@example.org")
        cli("entry", "add", "Haushalt", "--start", "2035-03-06 09:00", "--repeat", "weekly", "--count", "5", *people)
        cli("entry", "add", "Einzeln", "--start", "2035-03-06 09:00")
        cli("entry", "add", "Undatiert")
        cli("entry", "add", "Abgesagt", "--start", "2035-03-06 09:00")
        cli("entry", "cancel", "Abgesagt")
    return cli.data


@pytest.fixture
def planned(tmp_path: Path, planned_data: Path) -> Iterator[Cli]:
    with a_cli(tmp_path, planned_data) as cli:
        yield cli


def complaint(err: str, folder: Path) -> str:
    """The one line of a command that failed."""
    (line,) = err.splitlines()
    assert line.startswith("Error: ")
    return line.replace(str(folder), "FOLDER")


@pytest.mark.parametrize("case", list(WRONG_USE))
def test_wrong_use_ends_with_2(cli: Cli, case: str) -> None:
    words, text = WRONG_USE[case]
    if "Haushalt" in words:
        cli("entry", "add", "Haushalt", "--start", "2035-03-06 09:00")
    ended = cli(*words, code=2)
    assert text in complaint(ended.err, cli.folder)
    assert ended.out == ""


@pytest.mark.parametrize("case", list(REFUSED))
def test_what_cannot_be_is_refused_with_1_and_changes_nothing(planned: Cli, case: str) -> None:
    words, text = REFUSED[case]
    before = planned("entry", "list", "--all", "--json").out
    ended = planned(*words, code=1)
    assert text in complaint(ended.err, planned.folder)
    assert "geheim" not in ended.all
    assert ended.out == ""
    assert planned("entry", "list", "--all", "--json").out == before


@pytest.mark.parametrize("case", list(FILES))
def test_a_bad_configuration_file_ends_with_1(bare: Cli, case: str) -> None:
    content, text = FILES[case]
    file = bare.folder / "config.toml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    file.chmod(0o600)
    ended = bare("--config", str(file), "entry", "list", code=1)
    assert text in complaint(ended.err, bare.folder)
    assert not bare.data.exists(), "nothing was begun"


@pytest.mark.parametrize("case", list(ENVIRONMENT))
def test_a_bad_environment_ends_with_1(bare: Cli, case: str) -> None:
    environ, words, text = ENVIRONMENT[case]
    bare.environ |= {f"SITZUNGSPLANER_{name}": value for name, value in environ.items()}
    ended = bare(*words, code=1)
    assert text in ended.err
    assert "geheim" not in ended.all


@pytest.mark.parametrize("case", list(ICS))
def test_a_bad_ics_file_ends_with_1_and_makes_no_entry(cli: Cli, case: str) -> None:
    content, text = ICS[case]
    file = cli.folder / "in.ics"
    file.write_bytes(content)
    ended = cli("entry", "import", str(file), code=1)
    assert text in ended.all.replace(str(cli.folder), "FOLDER")
    assert cli.json("entry", "list", "--all") == []


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"no database at all" * 100, "The file is no SQLite database. Stop the service, keep a copy of its files and restore"),
    ],
    ids=["another file"],
)
@pytest.mark.parametrize("words", [("entry", "list"), ("db", "check"), ("db", "upgrade")], ids=" ".join)
def test_a_database_that_is_none_ends_with_1(empty: Cli, content: bytes, text: str, words: Words) -> None:
    (empty.data / "sitzungsplaner.db").write_bytes(content)
    assert text in complaint(empty(*words, code=1).err, empty.folder)


@pytest.mark.parametrize(
    ("content", "mode", "text"),
    [
        ("", 0o644, "others than its owner may use the service key (mode 0644). Run: chmod 600"),
        ("kurz", 0o600, "this is no service key."),
    ],
    ids=["open to all", "cut off"],
)
def test_a_bad_service_key_ends_with_1(cli: Cli, content: str, mode: int, text: str) -> None:
    key = cli.data / "service.key"
    if content:
        key.write_text(content)
    key.chmod(mode)
    assert text in complaint(cli("entry", "list", code=1).err, cli.folder)


def test_there_are_at_least_sixty_cases() -> None:
    assert min(len(WRONG_USE) + len(REFUSED), len(FILES) + len(ENVIRONMENT), len(ICS)) >= 20
    assert sum(map(len, (WRONG_USE, REFUSED, FILES, ENVIRONMENT, ICS))) >= 60
