"""Migrations, backups and checks on both databases."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from daemon.core.errors import Refused, Rejected, Unreachable
from daemon.core.journal import InboxMail, Line
from daemon.core.model import Attendee
from daemon.store import admin, answer_links, calendars, entries, inbox, journal, messages, settings, work
from daemon.store.engine import Store, open_store
from daemon.store.lock import hold
from daemon.store.schema import metadata
from tests.clock import ManualClock
from tests.servers.postgres import Postgres
from tests.store.test_engine import on_postgres, on_sqlite
from tests.store.values import FULL_CALENDAR, NOW, a_link, a_message, an_entry, store_entry, with_calendar, with_number


def test_the_migrations_make_exactly_the_tables_of_the_schema(store: Store) -> None:
    """Types, NULLs, indexes, unique constraints and foreign keys, on each database."""

    def differences(tx: sa.Connection) -> list[Any]:
        context = MigrationContext.configure(tx, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, metadata))

    assert store.run_now(differences) == []


def test_the_comparison_would_see_a_difference(store: Store) -> None:
    def differences(tx: sa.Connection) -> list[Any]:
        tx.execute(sa.text("DROP INDEX ix_work_kind_due"))
        return list(compare_metadata(MigrationContext.configure(tx), metadata))

    assert len(store.run_now(differences)) == 1


def test_every_constraint_bears_a_name(store: Store) -> None:
    unnamed = [one for table in metadata.tables.values() for one in table.constraints if not one.name]
    assert unnamed == []


@on_postgres
def test_work_rows_are_vacuumed_by_count_and_leave_room_for_claims(store: Store) -> None:
    options = store.run_now(lambda tx: tx.scalar(sa.text("SELECT reloptions FROM pg_class WHERE relname = 'work'")))
    assert set(options) == {"fillfactor=70", "autovacuum_vacuum_scale_factor=0", "autovacuum_vacuum_threshold=2000"}


def test_the_upgrade_of_an_up_to_date_store_does_nothing(store_url: str, clock: ManualClock) -> None:
    assert admin.upgrade(store_url, data_dir=None, clock=clock) == admin.Upgrade(before=admin.head(), after=admin.head())


def test_a_new_sqlite_file_is_private_and_needs_no_backup(tmp_path: Path, clock: ManualClock) -> None:
    done = admin.upgrade("sqlite:///a.db", data_dir=tmp_path / "new", clock=clock)
    assert done == admin.Upgrade(before=None, after=admin.head())
    assert (tmp_path / "new" / "a.db").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_an_upgrade_waits_for_nobody_who_holds_the_file(tmp_path: Path, clock: ManualClock) -> None:
    with hold(tmp_path / "a.db"):
        with pytest.raises(Rejected, match="in use by process"):
            admin.upgrade("sqlite:///a.db", data_dir=tmp_path, clock=clock)
        assert admin.upgrade("sqlite:///a.db", data_dir=tmp_path, clock=clock, held=True).before is None


def test_a_database_of_a_newer_version_is_refused_untouched(store: Store, store_url: str, clock: ManualClock) -> None:
    store.run_now(lambda tx: tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'")).rowcount)
    with pytest.raises(Refused, match="newer version of this service"):
        admin.upgrade(store_url, data_dir=None, clock=clock)


def test_a_database_of_somebody_else_is_refused(store: Store, store_url: str, clock: ManualClock) -> None:
    store.run_now(lambda tx: tx.execute(sa.text("DROP TABLE alembic_version")))
    with pytest.raises(Refused, match="empty database of its own"):
        admin.upgrade(store_url, data_dir=None, clock=clock)


SECOND = """
import sqlalchemy as sa
from alembic import op
revision = "8000"
down_revision = "{head}"
def upgrade():
    with op.batch_alter_table("entry", recreate="auto") as table:
        table.add_column(sa.Column("colour", sa.Text(), nullable=False, server_default="red"))
        table.alter_column("title", new_column_name="topic")
    op.execute("UPDATE entry SET colour = 'blue'")
    {more}
"""


@pytest.fixture
def second_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Add a revision after the newest that makes a parent table anew."""
    head = admin.head()
    folder = tmp_path / "versions"
    folder.mkdir()
    plain = admin._config

    def config(connection: sa.Connection | None) -> Config:
        made = plain(connection)
        made.set_main_option("version_locations", f"{admin._MIGRATIONS / 'versions'}:{folder}")
        return made

    monkeypatch.setattr(admin, "_config", config)
    return lambda more="": (folder / "8000_second.py").write_text(SECOND.format(more=more, head=head))


def _people(store: Store) -> int:
    return int(store.run_now(lambda tx: tx.scalar(sa.text("SELECT count(*) FROM attendee"))))


def test_an_upgrade_that_makes_a_table_anew_keeps_its_children_and_a_backup(
    store: Store, store_url: str, clock: ManualClock, second_revision: Any, tmp_path: Path
) -> None:
    """With foreign keys on, dropping the old table would delete every attendee by ON DELETE CASCADE."""
    store.run_now(lambda tx: _fill(tx, clock))
    store.engine.dispose()
    head = admin.head()
    second_revision()
    done = admin.upgrade(store_url, data_dir=None, clock=clock)
    assert (done.before, done.after) == (head, "8000")
    assert _people(store) == 2
    assert store.run_now(lambda tx: tx.scalar(sa.text("SELECT topic || colour FROM entry"))) == "Entry oneblue"
    if not store.is_sqlite:
        assert done.backup is None
        return
    assert done.backup == tmp_path / "backups" / f"store-{head}-20270301T080000Z.db"
    assert done.backup.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(done.backup) as kept:
        assert kept.execute("SELECT title FROM entry").fetchall() == [("Entry one",)]
    kept.close()


@pytest.mark.parametrize(
    ("more", "error"),
    [
        pytest.param("raise RuntimeError('half-way')", RuntimeError, id="it-breaks"),
        pytest.param('op.execute("DELETE FROM entry")', Refused, id="it-leaves-orphans"),
    ],
)
@on_sqlite
def test_a_failed_upgrade_leaves_everything_as_it_was(
    store: Store, store_url: str, clock: ManualClock, second_revision: Any, more: str, error: Any
) -> None:
    store.run_now(lambda tx: _fill(tx, clock))
    store.engine.dispose()
    head = admin.head()
    second_revision(more)
    with pytest.raises(error):
        admin.upgrade(store_url, data_dir=None, clock=clock)
    assert store.run_now(admin.revision) == head
    assert store.run_now(lambda tx: entries.get(tx, "id-one")).title == "Entry one"
    assert _people(store) == 2


@on_postgres
def test_a_failed_upgrade_on_postgres_leaves_everything_as_it_was(
    store: Store, store_url: str, clock: ManualClock, second_revision: Any
) -> None:
    store.run_now(lambda tx: _fill(tx, clock))
    head = admin.head()
    second_revision("raise RuntimeError('half-way')")
    with pytest.raises(RuntimeError):
        admin.upgrade(store_url, data_dir=None, clock=clock)
    assert store.run_now(admin.revision) == head
    assert store.run_now(lambda tx: entries.get(tx, "id-one")).title == "Entry one"


def test_two_daemons_that_start_at_once_upgrade_postgres_once(postgres: Postgres) -> None:
    """The second waits for the first and finds nothing to do."""
    url = postgres.fresh()
    code = (
        "import sys; from daemon.store.admin import upgrade; from daemon.clock import SystemClock;"
        "print(upgrade(sys.argv[1], data_dir=None, clock=SystemClock()).before)"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(one.communicate(timeout=60)[0].strip() for one in running)
    assert said == [admin.head(), "None"]
    assert [one.returncode for one in running] == [0, 0]
    postgres.drop(url)


def _fill(tx: sa.Connection, clock: ManualClock) -> None:
    """Put at least one row into every table."""
    with_calendar(tx)
    calendars.update(tx, FULL_CALENDAR)
    people = (Attendee(email="a@x.org"), Attendee(email="b@x.org", name="Ä"))
    with_number(tx, clock, "one", attendees=people)
    calendars.put_link(tx, a_link())
    messages.insert(tx, a_message())
    answer_links.revoke(tx, "id-one", "a@x.org")
    journal.add(tx, *(Line(at=NOW, action="x", text=str(at)) for at in range(3)))
    inbox.add(tx, InboxMail(id="i", message_id="", digest="d", received=NOW, outcome="held", reason="", data=b"\x00"))
    settings.put(tx, "a", "ä")
    work.put(tx, key="mail:id-one:a@x.org", kind=work.MAIL, due=NOW, args={"a": [1]})


def _everything(store: Store) -> dict[str, list[Any]]:
    def read(tx: sa.Connection) -> dict[str, list[Any]]:
        return {table.name: [tuple(row) for row in tx.execute(sa.select(table))] for table in metadata.sorted_tables}

    return store.run_now(read)


def test_a_backup_is_a_store_of_its_own_with_every_row(store: Store, clock: ManualClock, tmp_path: Path) -> None:
    store.run_now(lambda tx: _fill(tx, clock))
    target = tmp_path / "out" / "backup.db"
    target.parent.mkdir()
    admin.backup(store, target)
    assert target.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in target.parent.iterdir()] == ["backup.db"]
    copy = open_store(f"sqlite:///{target}", clock=clock, data_dir=None)
    try:
        assert _everything(copy) == _everything(store)
        assert copy.run_now(admin.revision) == admin.head()
        assert copy.run_now(lambda tx: entries.get(tx, "id-one")).attendees[1].name == "Ä"
        copy.run_now(lambda tx: journal.add(tx, Line(at=NOW, action="x", text="goes on")))
    finally:
        copy.close()


def test_a_backup_never_overwrites_and_leaves_nothing_half_done(store: Store, tmp_path: Path) -> None:
    there = tmp_path / "there.db"
    there.write_text("mine")
    with pytest.raises(Rejected, match="exists already"):
        admin.backup(store, there)
    assert there.read_text() == "mine"
    with pytest.raises(Rejected, match="cannot be written"):
        admin.backup(store, tmp_path / "missing" / "a.db")
    store.run_now(lambda tx: tx.execute(sa.text("DELETE FROM alembic_version")).rowcount)
    if not store.is_sqlite:
        with pytest.raises(Refused, match="db upgrade"):
            admin.backup(store, tmp_path / "a.db")
        assert not list(tmp_path.glob("a.db*"))


@on_sqlite
def test_a_backup_that_breaks_is_our_error_and_leaves_no_file(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def execute(self, *_: Any) -> None:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorname = "SQLITE_FULL"
            raise error

    class Borrowed:
        driver_connection = Full()

        def close(self) -> None:
            pass

    monkeypatch.setattr(store.engine, "raw_connection", Borrowed)
    with pytest.raises(Unreachable, match="Make room"):
        admin.backup(store, tmp_path / "a.db")
    assert not list(tmp_path.glob("a.db*"))


@on_sqlite
def test_a_statement_that_is_wrong_stays_a_bug(store: Store) -> None:
    with pytest.raises(sa.exc.DBAPIError, match="incomplete input"):
        admin._driver(store.engine, lambda driver: driver.execute("VACUUM INTO"))


def _texts(store: Store) -> list[str]:
    return [one.text for one in admin.check(store) if "can damage a file" not in one.text]


def test_a_sound_store_has_no_findings(store: Store, clock: ManualClock) -> None:
    store.run_now(lambda tx: (_fill(tx, clock), work.cancel(tx, "mail:id-one:a@x.org", now=NOW)))
    if store.is_sqlite:
        assert _texts(store) == []
    else:
        clock.move(_server_time(store) - clock.now())
        assert admin.check(store) == ()


def _server_time(store: Store) -> Any:
    return store.run_now(lambda tx: tx.execute(sa.select(sa.func.clock_timestamp())).scalar_one())


@pytest.mark.parametrize(("version", "warned"), [((3, 51, 2), True), ((3, 51, 3), False), ((3, 60, 0), False)])
@on_sqlite
def test_a_sqlite_with_the_wal_reset_bug_is_warned_of(
    store: Store, monkeypatch: pytest.MonkeyPatch, version: Any, warned: bool
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    assert [one.level for one in admin.check(store)] == [admin.Level.WARNING] * warned


def test_work_about_nothing_is_found(store: Store, clock: ManualClock) -> None:
    lost = clock.new_id()
    store.run_now(lambda tx: _fill(tx, clock))
    for key in (f"mail:{lost}:a@x.org", "inbox:planner@example.org", "odd"):
        store.run_now(lambda tx, key=key: work.put(tx, key=key, kind=work.MAIL, due=NOW))
    clock.move(timedelta() if store.is_sqlite else _server_time(store) - clock.now())
    [text] = _texts(store)
    assert lost in text


@on_postgres
def test_clocks_apart_are_found(store: Store, clock: ManualClock) -> None:
    clock.move(_server_time(store) - clock.now() + timedelta(seconds=60))
    [finding] = admin.check(store)
    assert "seconds apart" in finding.text
    assert "NTP" in finding.remedy


def test_missing_and_outdated_tables_are_found(store: Store) -> None:
    store.run_now(lambda tx: tx.execute(sa.text("UPDATE alembic_version SET version_num = '0000'")).rowcount)
    assert _texts(store) == [f"The tables are of revision 0000, this version's of {admin.head()}."]
    store.run_now(lambda tx: tx.execute(sa.text("DELETE FROM alembic_version")).rowcount)
    assert _texts(store) == ["There are no tables."]


@on_sqlite
def test_orphans_and_damage_are_found(store: Store, tmp_path: Path, clock: ManualClock) -> None:
    store.run_now(lambda tx: _fill(tx, clock))
    store.run_now(lambda tx: [store_entry(tx, an_entry(str(at), title="x" * 500)) for at in range(200)])
    store.outside(lambda: admin._driver(store.engine, lambda driver: driver.execute("PRAGMA foreign_keys=OFF")))
    store.run_now(lambda tx: tx.execute(sa.text("DELETE FROM entry WHERE id = 'id-one'")).rowcount)
    texts = _texts(store)
    assert "2 rows of attendee belong to rows of entry that do not exist." in texts
    root = store.run_now(lambda tx: tx.scalar(sa.text("SELECT rootpage FROM sqlite_master WHERE name = 'ix_entry_number'")))
    store.outside(
        lambda: admin._driver(store.engine, lambda driver: driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    )
    store.engine.dispose()
    file = tmp_path / "store.db"
    whole = bytearray(file.read_bytes())
    whole[(root - 1) * 4096 + 100 : root * 4096] = b"\x00" * (4096 - 100)
    file.write_bytes(whole)
    assert any(text.startswith("The file is damaged") for text in _texts(store))


def test_revisions_form_one_line() -> None:
    script = ScriptDirectory.from_config(admin._config(None))
    assert (len(script.get_heads()), len(script.get_bases())) == (1, 1)
    assert script.get_current_head() == admin.head()
