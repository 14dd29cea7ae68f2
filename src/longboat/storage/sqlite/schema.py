"""The database file: its format, how it is opened, and the lock that keeps it to one process.

A write costs one row in `log` (the value is stored once) and one small row in `current`:

- log: every write since the last compaction, and every one that is current. `value` is null for a deletion;
  `previous` is the revision of the write it replaced, null for a creation.
- current: which write is current for a key.
- expiring: when which write's time is up.
- horizon: the revision up to which history has been compacted.
"""

from __future__ import annotations

import os
import sqlite3

from longboat.storage.sqlite.problems import StoreProblem, explain

FORMAT = 1
APPLICATION = 0x4C4F4E47  # "LONG", for file(1) and for us: never take another program's database for ours

TABLES = """
CREATE TABLE log (revision INTEGER PRIMARY KEY, key TEXT NOT NULL, value BLOB, previous INTEGER) STRICT;
CREATE TABLE current (key TEXT PRIMARY KEY, revision INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE expiring (at REAL NOT NULL, revision INTEGER NOT NULL, PRIMARY KEY (at, revision)) STRICT, WITHOUT ROWID;
CREATE TABLE horizon (revision INTEGER NOT NULL) STRICT;
INSERT INTO horizon VALUES (0);
"""

SETTINGS = (
    "PRAGMA locking_mode = EXCLUSIVE",  # before the first access: one process only, and no shared memory
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 2000",
    "PRAGMA cache_size = -2048",
    "PRAGMA temp_store = MEMORY",
)


def open_database(path: str) -> sqlite3.Connection:
    """The database at `path`, created if absent, locked for this process alone. Raises StoreProblem."""
    try:
        new = not os.path.exists(path)
        if new:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
        connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        for setting in SETTINGS:
            connection.execute(setting)
        connection.execute("BEGIN IMMEDIATE")
        _check_format(connection, path)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise StoreProblem(explain(error, path)) from None
    except OSError as error:
        raise StoreProblem(f"database {path}: it cannot be opened: {error.strerror}") from None
    if new:
        _sync_directory(path)
    return connection


def _check_format(connection: sqlite3.Connection, path: str) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if (application, version) == (APPLICATION, FORMAT):
        return
    if application == APPLICATION:
        raise StoreProblem(
            f"database {path} has format {version}, and this version of Longboat knows only format {FORMAT}: "
            "run the version that wrote it, or restore a backup made by this one"
        )
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
        raise StoreProblem(f"database {path} belongs to another program: choose another file")
    for statement in TABLES.strip().split(";\n"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def _sync_directory(path: str) -> None:
    """Make the file's name as durable as its content."""
    directory = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
