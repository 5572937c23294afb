"""`db copy`: from SQLite into PostgreSQL and back, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.conftest import Cli
from tests.servers.postgres import Postgres


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    made = postgres.fresh()
    yield made
    postgres.drop(made)


def test_an_installation_moves_to_postgresql_and_goes_on_there(cli: Cli, url: str) -> None:
    number = cli.json("entry", "add", "Haushalt", "--start", "2035-03-10 09:00", "--attendee", "ben@example.org")["entry"][
        "number"
    ]
    key = (cli.data / "service.key").read_bytes()
    said = cli("db", "copy", "--to", url)
    assert said.out.startswith("Copied: 1 entry, ")
    assert f"The old file {cli.data / 'sitzungsplaner.db'} stays" in said.out
    cli.environ["SITZUNGSPLANER_STORE__URL"] = url
    (there,) = cli.json("entry", "list")
    assert (there["title"], there["number"]) == ("Haushalt", number)
    cli("entry", "add", "Neu", "--start", "2035-03-11 09:00")
    assert len(cli.json("entry", "list")) == 2
    assert (cli.data / "service.key").read_bytes() == key

    back = cli.folder / "back.db"
    assert cli("db", "copy", "--to", f"sqlite:///{back}").out.startswith("Copied: 2 entries, ")
    cli.environ["SITZUNGSPLANER_STORE__URL"] = f"sqlite:///{back}"
    assert {one["title"] for one in cli.json("entry", "list")} == {"Haushalt", "Neu"}


def test_the_other_database_s_url_can_stand_in_a_file(cli: Cli, url: str) -> None:
    assert cli("db", "copy", "--to-file", "-", stdin=f"{url}\n").out.startswith("Copied: 0 entries, ")
    refused = cli("db", "copy", "--to", url, code=1)
    assert refused.err.startswith("Error: The other database is not empty (rows: 1 in owner")


def test_while_the_service_runs_nothing_is_copied(cli: Cli, url: str) -> None:
    with cli.running():
        assert cli("db", "copy", "--to", url, code=1).err == (
            "Error: The service runs and would go on writing into the old database. "
            "Stop it first: systemctl stop sitzungsplaner.\n"
        )


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        ((), 2, "Name the other database by --to or by --to-file, one of the two."),
        (("--to", "sqlite:///x.db", "--to-file", "y"), 2, "Name the other database by --to or by --to-file, one of the two."),
        (("--to", "mysql://host/db"), 1, "mysql is not supported."),
        (("--to", "nonsense"), 1, "this is no database URL."),
        (("--to", "sqlite:///sitzungsplaner.db"), 1, "This is the database that is in use already."),
        (("--to-file", "/nowhere/url"), 1, "/nowhere/url cannot be read: No such file or directory."),
        (("--to", "postgresql://nobody@127.0.0.1:1/x"), 1, "The database"),
    ],
    ids=["no target", "two targets", "another product", "no URL", "itself", "no file", "nobody listens there"],
)
def test_what_cannot_be_a_target_is_refused_in_a_sentence(cli: Cli, words: tuple[str, ...], code: int, error: str) -> None:
    refused = cli("db", "copy", *words, code=code)
    assert error in refused.err
    assert refused.err.count("\n") == 1
    assert len(cli.json("owner", "list")) == 1


def test_where_nothing_is_nothing_can_be_copied(bare: Cli, url: str) -> None:
    assert "There is no database at" in bare("db", "copy", "--to", url, code=1).err
