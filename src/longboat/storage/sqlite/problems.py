"""What went wrong with the database, and what to do about it, in words."""

from __future__ import annotations

import sqlite3

REMEDIES = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space. Nothing acknowledged is lost and reads go on",
    sqlite3.SQLITE_READONLY: "it cannot be written: check the permissions and that the file system is not read-only",
    sqlite3.SQLITE_CORRUPT: "it is damaged: restore a backup (`longboat backup restore`)",
    sqlite3.SQLITE_NOTADB: "it is not a database: move the file away, or restore a backup (`longboat backup restore`)",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: check that its directory exists and may be written",
    sqlite3.SQLITE_BUSY: "another process has it open: stop that one first, or connect to its socket",
    sqlite3.SQLITE_IOERR: "the disk reports an error: look at the kernel's log (dmesg), then at the disk",
    sqlite3.SQLITE_PERM: "access is denied: check who owns the file",
}


class StoreProblem(Exception):
    """The store cannot start or go on; the message names the thing and the remedy."""


def explain(error: sqlite3.Error, path: str) -> str:
    """A sentence for the user: which database, what is wrong with it, and what helps."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return f"database {path}: {REMEDIES.get(code, 'it cannot be used')} (SQLite says: {error})"
