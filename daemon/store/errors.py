"""Errors of the databases → errors of ours. What is a bug of this program (a syntax error, a NULL too many) stays what it is."""

from __future__ import annotations

import sqlite3

import sqlalchemy as sa

from daemon.core.errors import Conflict, Refused, SitzungsplanerError, Unreachable

# PostgreSQL asks to run the whole transaction again: serialization failure, deadlock.
AGAIN = frozenset({"40001", "40P01"})

_BACKUP = (
    "Stop the service, keep a copy of its files and restore the newest good backup; sitzungsplaner db check says what is hit."
)
_FULL = "The disk of the database is full. Nothing is lost: what was not saved is tried again. Make room there."
_FOREIGN = "The database holds tables that are not this service's. Give it an empty database of its own."
_UPGRADE = "The tables are not those of this version. Run: sitzungsplaner db upgrade"

_SQLITE: tuple[tuple[str, type[SitzungsplanerError], str], ...] = (
    (
        "SQLITE_BUSY",
        Unreachable,
        "The database file is locked by another process. It is tried again; no other program may write to this file.",
    ),
    ("SQLITE_LOCKED", Unreachable, "The database file is locked. It is tried again."),
    ("SQLITE_FULL", Unreachable, _FULL),
    (
        "SQLITE_CANTOPEN",
        Unreachable,
        "The database file cannot be opened. Check that its directory exists and belongs to the service's user.",
    ),
    (
        "SQLITE_IOERR",
        Unreachable,
        "The disk of the database answers with errors. It is tried again; check the disk and the kernel's log.",
    ),
    ("SQLITE_READONLY", Refused, "The database file may not be written. Run this as the user who owns the data directory."),
    ("SQLITE_PERM", Refused, "The database file may not be used. Run this as the user who owns the data directory."),
    ("SQLITE_CORRUPT", Refused, f"The database file is damaged. {_BACKUP}"),
    ("SQLITE_NOTADB", Refused, f"The file is no SQLite database. {_BACKUP}"),
    ("SQLITE_CONSTRAINT_UNIQUE", Conflict, "The same was written at the same time by somebody else. Look again."),
    ("SQLITE_CONSTRAINT_PRIMARYKEY", Conflict, "The same was written at the same time by somebody else. Look again."),
    ("SQLITE_CONSTRAINT_FOREIGNKEY", Conflict, "What this belongs to was removed, or something else still needs it. Look again."),
)

_POSTGRES: tuple[tuple[str, type[SitzungsplanerError], str], ...] = (
    ("08", Unreachable, "The database server does not answer. It is tried again."),
    ("57P", Unreachable, "The database server is stopping or starting. It is tried again."),
    ("57014", Unreachable, "The database server cancelled a statement. It is tried again."),
    ("55P03", Unreachable, "A row of the database stayed locked. It is tried again."),
    ("40", Unreachable, "The database server asked to try again, several times in a row. It is tried again."),
    ("25P0", Unreachable, "The database server ended a transaction that stood still. It is tried again."),
    ("25006", Unreachable, "The database server is a read-only copy just now. It is tried again."),
    ("53100", Unreachable, _FULL),
    (
        "53",
        Unreachable,
        "The database server is short of memory or connections. It is tried again; see max_connections and the server's log.",
    ),
    ("58", Unreachable, "The database server has trouble with its files. It is tried again; see the server's log."),
    ("28", Refused, "The database server refused the user or the password. Check the store's URL and the server's pg_hba.conf."),
    ("3D000", Refused, "The database does not exist on the server. Create it (createdb) or check the store's URL."),
    (
        "42501",
        Refused,
        "The user of the store's URL has no right to do this in the database. Make him the owner of the database.",
    ),
    ("42P01", Refused, _UPGRADE),
    ("42703", Refused, _UPGRADE),
    ("42P07", Refused, _FOREIGN),
    ("XX001", Refused, f"The database server found damaged data. {_BACKUP}"),
    ("XX002", Refused, f"The database server found damaged data. {_BACKUP}"),
    ("23505", Conflict, "The same was written at the same time by somebody else. Look again."),
    ("23503", Conflict, "What this belongs to was removed, or something else still needs it. Look again."),
)


def sqlstate(error: sa.exc.SQLAlchemyError) -> str:
    """Return PostgreSQL's five-letter code, or ""."""
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")


def translate(error: sa.exc.SQLAlchemyError) -> SitzungsplanerError | None:
    """Return our error, with the database's words at the end, or None where it is a bug of this program."""
    if isinstance(error, sa.exc.TimeoutError):
        return Unreachable("All connections to the database stayed busy. It is tried again.")
    if not isinstance(error, sa.exc.DBAPIError):
        return None
    words = " ".join(str(error.orig).split())
    if isinstance(error.orig, sqlite3.Error):
        code, table = getattr(error.orig, "sqlite_errorname", ""), _SQLITE
        if code == "SQLITE_ERROR" and words.startswith(("no such table", "no such column")):
            return Refused(f"{_UPGRADE} ({words})")
        if code == "SQLITE_ERROR" and words.endswith("already exists"):
            return Refused(f"{_FOREIGN} ({words})")
    else:
        code, table = sqlstate(error), _POSTGRES
    for prefix, kind, text in table:
        if code.startswith(prefix):
            return kind(f"{text} ({words})")
    if error.connection_invalidated or (not code and isinstance(error, sa.exc.OperationalError)):
        return Unreachable(f"The database server does not answer. It is tried again. ({words})")
    return None
