"""What the store process does to its database: reads, compare-and-swap writes, history, expiry, compaction."""

from __future__ import annotations

import heapq
import os
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

from longboat.storage.interface import Compacted, Event, FutureRevision, Item, KeyExists, Page, RevisionMismatch
from longboat.storage.keys import end_of

PAGE_BYTES = 1 << 20  # a page or a batch of events ends once it holds this much

_EVENTS = "SELECT key, revision, value, NULL FROM log"
_EVENTS_WITH_PREVIOUS = (
    "SELECT log.key, log.revision, log.value, old.value FROM log LEFT JOIN log AS old ON old.revision = log.previous"
)


class Database:
    """Not safe for threads. Writes and compaction happen between `begin` and `commit` (or `rollback`).

    `wall` tells the time in seconds since the epoch; keys that expire do so by it.
    """

    def __init__(self, connection: sqlite3.Connection, wall: Callable[[], float]) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._wall = wall
        self._load()

    def _load(self) -> None:
        self.oldest: int = self._one("SELECT revision FROM horizon")[0]
        (newest,) = self._one("SELECT coalesce(max(revision), 0) FROM log")
        self.revision: int = max(newest, self.oldest)
        self.next_expiry: float = self._one("SELECT coalesce(min(at), 9e999) FROM expiring")[0]

    def _one(self, statement: str, *values: object) -> tuple[Any, ...]:
        row: tuple[Any, ...] = self._cursor.execute(statement, values).fetchone()
        return row

    def close(self) -> None:
        self._connection.close()

    # reads

    def get(self, key: str) -> Item | None:
        row = self._cursor.execute(
            "SELECT value, revision FROM log WHERE revision = (SELECT revision FROM current WHERE key = ?)", (key,)
        ).fetchone()
        return Item(key, *row) if row else None

    def page(self, prefix: str, at_revision: int, limit: int, after: str) -> Page:
        """A page that ends at `limit` items (0: none) or PAGE_BYTES. Raises Compacted, FutureRevision."""
        if at_revision:
            self.check_reachable(at_revision)
        low, end = (after + "\0" if after >= prefix else prefix), end_of(prefix)
        older = at_revision not in (0, self.revision)
        rows: Iterable[tuple[str, bytes, int]]
        if older:
            rows = self._older(low, end, at_revision)
        else:
            rows = self._cursor.execute(
                "SELECT current.key, value, current.revision FROM current JOIN log USING (revision)"
                " WHERE current.key >= ? AND current.key < ? ORDER BY current.key",
                (low, end),
            )
        items: list[Item] = []
        size = remaining = 0
        for row in rows:
            if limit and len(items) >= limit:
                remaining = self._count(row[0], end, at_revision) if at_revision else -1
                break
            if size > PAGE_BYTES:
                remaining = -1
                break
            items.append(Item(*row))
            size += len(row[1])
        return Page(items, at_revision or self.revision, remaining)

    def _count(self, low: str, end: str, at_revision: int) -> int:
        """How many keys of this range there were."""
        untouched = "SELECT count(*) FROM current WHERE key >= ? AND key < ? AND revision <= ?"
        found: int = self._connection.execute(untouched, (low, end, at_revision)).fetchone()[0]
        if at_revision == self.revision:
            return found
        replaced = (
            "SELECT count(*) FROM (SELECT previous, min(revision) FROM log WHERE revision > ? AND key >= ? AND key < ?"
            " GROUP BY key) WHERE previous IS NOT NULL"
        )
        before: int = self._connection.execute(replaced, (at_revision, low, end)).fetchone()[0]
        return found + before

    def _older(self, low: str, end: str, at_revision: int) -> Iterable[tuple[str, bytes, int]]:
        """Rows as they were: those untouched since, and what the first later write of each other key replaced."""
        untouched = self._connection.execute(
            "SELECT current.key, value, current.revision FROM current JOIN log USING (revision)"
            " WHERE current.key >= ? AND current.key < ? AND current.revision <= ? ORDER BY current.key",
            (low, end, at_revision),
        )
        replaced = self._connection.execute(
            "SELECT new.key, old.value, old.revision FROM"
            " (SELECT key, previous, min(revision) FROM log WHERE revision > ? AND key >= ? AND key < ? GROUP BY key)"
            " AS new JOIN log AS old ON old.revision = new.previous ORDER BY new.key",
            (at_revision, low, end),
        )
        return heapq.merge(untouched, replaced)

    def events(self, prefix: str, after: int, previous: bool, limit: int = 1000) -> tuple[list[Event], int]:
        """Events beneath `prefix` among the `limit` revisions that follow `after`, and the revision they reach to."""
        if after < self.oldest:
            raise Compacted(self.oldest)
        until = min(after + limit, self.revision)
        rows = self._connection.execute(
            (_EVENTS_WITH_PREVIOUS if previous else _EVENTS)
            + " WHERE log.revision > ? AND log.revision <= ? AND log.key >= ? AND log.key < ? ORDER BY log.revision",
            (after, until, prefix, end_of(prefix)),
        )
        events: list[Event] = []
        size = 0
        for row in rows:
            events.append(event := Event(*row))
            size += len(event.value or b"")
            if size > PAGE_BYTES:
                return events, event.revision
        return events, until

    def save(self, path: str) -> None:
        """Write all of it to a new file, compacted, for its owner alone. Raises OSError if the file is there."""
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
        self._cursor.execute("VACUUM INTO ?", (path,))

    def rebuild(self) -> None:
        """Write the file anew and empty its log, so that neither holds anything that is not current.

        The temporary copy goes to disk (it is unlinked at once): memory might not hold it.
        """
        self._cursor.execute("PRAGMA temp_store = FILE")
        try:
            self._cursor.execute("VACUUM")
            (busy, *_) = self._one("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._cursor.execute("PRAGMA temp_store = MEMORY")
        if busy:
            raise sqlite3.OperationalError("the log could not be emptied")

    def skip_to(self, revision: int) -> None:
        """Let the next write follow this revision. There must be no history left."""
        self._cursor.execute("UPDATE horizon SET revision = ?", (revision,))
        self.revision = self.oldest = revision

    def check_reachable(self, revision: int) -> None:
        if revision < self.oldest:
            raise Compacted(self.oldest)
        if revision > self.revision:
            raise FutureRevision(self.revision)

    # writes

    def begin(self) -> None:
        self._cursor.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._cursor.execute("COMMIT")

    def rollback(self) -> None:
        """Undo all since `begin` (SQLite may have done so itself)."""
        if self._connection.in_transaction:
            self._cursor.execute("ROLLBACK")
        self._load()

    def create(self, key: str, value: bytes, ttl: float | None) -> Event:
        """Raises KeyExists."""
        revision = self.revision + 1
        execute = self._cursor.execute
        if execute("INSERT INTO current VALUES (?, ?) ON CONFLICT DO NOTHING", (key, revision)).rowcount == 0:
            raise KeyExists(key)
        return self._append(key, value, None, ttl, None)

    def update(self, key: str, value: bytes, expect: int, ttl: float | None, old: bool) -> Event:
        """`old`: fetch the previous value for the event. Raises RevisionMismatch."""
        self._check_sane(key, expect)
        moved = self._cursor.execute(
            "UPDATE current SET revision = ? WHERE key = ? AND revision = ?", (self.revision + 1, key, expect)
        )
        if moved.rowcount == 0:
            raise RevisionMismatch(self.get(key))
        return self._append(key, value, expect, ttl, self._value(expect) if old else None)

    def delete(self, key: str, expect: int, old: bool) -> Event:
        """Raises RevisionMismatch."""
        self._check_sane(key, expect)
        gone = self._cursor.execute("DELETE FROM current WHERE key = ? AND revision = ?", (key, expect))
        if gone.rowcount == 0:
            raise RevisionMismatch(self.get(key))
        return self._append(key, None, expect, None, self._value(expect) if old else None)

    def _check_sane(self, key: str, expect: int) -> None:
        """A revision beyond the newest matches nothing (and may be beyond what SQLite can hold)."""
        if expect > self.revision:
            raise RevisionMismatch(self.get(key))

    def _append(
        self, key: str, value: bytes | None, previous: int | None, ttl: float | None, old: bytes | None
    ) -> Event:
        self.revision = revision = self.revision + 1
        self._cursor.execute("INSERT INTO log VALUES (?, ?, ?, ?)", (revision, key, value, previous))
        if ttl is not None:
            at = self._wall() + ttl
            self._cursor.execute("INSERT INTO expiring VALUES (?, ?)", (at, revision))
            self.next_expiry = min(self.next_expiry, at)
        return Event(key, revision, value, old)

    def _value(self, revision: int) -> bytes | None:
        row = self._cursor.execute("SELECT value FROM log WHERE revision = ?", (revision,)).fetchone()
        return row[0] if row else None

    def expire(self, old: bool, limit: int = 500) -> list[Event]:
        """Delete keys whose time is up, oldest first."""
        due = self._cursor.execute(
            "SELECT expiring.at, revision, log.key FROM expiring LEFT JOIN log USING (revision)"
            " WHERE at <= ? ORDER BY at LIMIT ?",
            (self._wall(), limit),
        ).fetchall()
        events: list[Event] = []
        for at, revision, key in due:
            self._cursor.execute("DELETE FROM expiring WHERE at = ? AND revision = ?", (at, revision))
            current = self._cursor.execute("SELECT revision FROM current WHERE key = ?", (key,)).fetchone()
            if current == (revision,):
                events.append(self.delete(key, revision, old))
        (self.next_expiry,) = self._one("SELECT coalesce(min(at), 9e999) FROM expiring")
        return events

    def compact(self, until: int, limit: int = 500) -> bool:
        """Forget up to `limit` revisions of history towards `until`; True once that is reached.

        A write is forgotten when the one that replaced it is old, so that events kept still find the previous value.
        """
        step = min(until, self.oldest + limit)
        span = (self.oldest, step)
        execute = self._cursor.execute
        execute(
            "DELETE FROM log WHERE revision IN"
            " (SELECT previous FROM log WHERE revision > ? AND revision <= ? AND previous IS NOT NULL)",
            span,
        )
        execute("DELETE FROM log WHERE revision > ? AND revision <= ? AND value IS NULL", span)
        execute("UPDATE horizon SET revision = ?", (step,))
        self.oldest = step
        return step >= until
