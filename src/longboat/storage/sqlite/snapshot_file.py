"""A copy of the database in a file: what it holds, and making it fit to take the database's place."""

from __future__ import annotations

import sqlite3
import time

from longboat.storage.sqlite.database import Database
from longboat.storage.sqlite.problems import StoreProblem, explain
from longboat.storage.sqlite.schema import APPLICATION, open_database

HEADER = 100  # bytes of a database's header; the application's number is at 68 (sqlite.org/fileformat2.html)
AHEAD = 1_000_000_000  # revisions: more than any cluster has written since its backup (etcdutl recommends as many)


def check(path: str) -> None:
    """Raises StoreProblem if this is not a database of ours, or a damaged one; OSError."""
    with open(path, "rb") as file:
        header = file.read(HEADER)
    if not header.startswith(b"SQLite format 3\0") or int.from_bytes(header[68:72]) != APPLICATION:
        raise StoreProblem("it is no backup of Longboat's")
    connection = open_database(path)
    try:
        (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        raise StoreProblem(explain(error, path)) from None
    finally:
        connection.close()
    if verdict != "ok":
        raise StoreProblem(f"database {path}: it is damaged: {verdict}")


def revision(path: str) -> int:
    """The newest revision in a database that nobody uses; its log is folded into it. Raises StoreProblem."""
    database = _open(path)
    try:
        return database.revision
    finally:
        database.close()


def begin_after(path: str, revision: int) -> None:
    """Make an empty database whose first write follows this revision. Raises StoreProblem."""
    database = _open(path)
    try:
        database.begin()
        database.skip_to(revision)
        database.commit()
    except sqlite3.Error as error:
        raise StoreProblem(explain(error, path)) from None
    finally:
        database.close()


def move_ahead(path: str, past: int) -> int:
    """Forget all history and go on beyond every revision that anybody may have seen; returns the revision.

    Whoever remembers a revision of the life this database has been taken back from is told that it is too old, and
    lists anew. `past`: a revision known to have been seen. Raises StoreProblem.
    """
    database = _open(path)
    try:
        database.begin()
        while not database.compact(database.revision):
            pass
        database.skip_to(max(database.revision, past) + AHEAD)
        database.commit()
        return database.revision
    except sqlite3.Error as error:
        raise StoreProblem(explain(error, path)) from None
    finally:
        database.close()


def _open(path: str) -> Database:
    try:
        return Database(open_database(path), time.time)
    except sqlite3.Error as error:
        raise StoreProblem(explain(error, path)) from None
