"""What the store process does all day: one thread, one database, any number of clients on a Unix socket.

Each turn reads whatever requests have arrived; all writes among them become one transaction, and their replies leave
after its commit, behind the events. So while a commit waits for the disk the next batch gathers by itself.
"""

from __future__ import annotations

import select
import socket
import sqlite3
from collections.abc import Callable

from longboat.storage.interface import Compacted, Event, FutureRevision, KeyExists, RevisionMismatch
from longboat.storage.sqlite import wire
from longboat.storage.sqlite.database import Database
from longboat.storage.sqlite.problems import explain
from longboat.storage.sqlite.session import Session, Watch

KEEP_SECONDS = 300.0  # history kept for watches and paged lists, at least, unless…
KEEP_REVISIONS = 100_000  # …there is more of it than this
COMPACT_EVERY = 0.05  # seconds between steps of a compaction under way
PROGRESS_EVERY = 5.0  # seconds between notes of progress to watches
DRAIN = 2.0  # seconds given to clients to take their last replies at shutdown


class Service:
    """Serves until a descriptor given to `stop_on` stirs. `wall` and `monotonic` tell the time in seconds."""

    def __init__(
        self,
        database: Database,
        path: str,
        listener: socket.socket,
        *,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
        complain: Callable[[str], None],
    ) -> None:
        self._database = database
        self._path = path
        self._listener = listener
        self._wall = wall
        self._monotonic = monotonic
        self._complain = complain
        self._sessions: dict[int, Session] = {}
        self._writes: list[tuple[Session, wire.Write]] = []
        self._stopping = False
        self._stoppers: set[int] = set()
        self._compact_to = database.oldest
        self._next_compaction = 0.0
        self._next_progress = 0.0
        self._mark, self._next_mark = database.revision, monotonic() + KEEP_SECONDS
        self._poll = select.epoll()
        self._poll.register(listener, select.EPOLLIN)
        listener.setblocking(False)

    def stop_on(self, descriptor: int) -> None:
        """Stop once there is something to read: a signal's wake-up call, or the end of whoever holds the other end."""
        self._stoppers.add(descriptor)
        self._poll.register(descriptor, select.EPOLLIN)

    def serve(self) -> None:
        while not self._stopping:
            for descriptor, _ in self._poll.poll(self._wait()):
                if descriptor == self._listener.fileno():
                    self._accept()
                elif descriptor in self._stoppers:
                    self._stopping = True
                else:
                    self._read(descriptor)
            self._turn()
        self._shut_down()

    def _turn(self) -> None:
        """Commit what was read, do what is due, send what there is to send."""
        if self._writes:
            self._commit_writes()
        now = self._monotonic()
        if self._database.next_expiry <= self._wall():
            self._expire()
        self._compact(now)
        progress = now >= self._next_progress
        if progress:
            self._next_progress = now + PROGRESS_EVERY
        for descriptor, session in self._sessions.items():
            if progress:
                session.tell_progress(self._database.revision)
            session.catch_up(self._database)
            session.flush()
            if (interest := _interest(session)) != session.interest:
                session.interest = interest
                self._poll.modify(descriptor, interest)

    def _wait(self) -> float:
        """Seconds until something is due, if no client stirs."""
        if any(session.behind for session in self._sessions.values()):
            return 0.0
        due = self._next_compaction if self._compact_to > self._database.oldest else self._next_mark
        if self._sessions:
            due = min(due, self._next_progress)
        wait = min(due - self._monotonic(), self._database.next_expiry - self._wall())
        return max(wait, 0.0)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            self._complain(f"a client could not be let in: {error.strerror}")
            return
        session = Session(connection)
        self._sessions[connection.fileno()] = session
        session.interest = select.EPOLLIN
        self._poll.register(connection, session.interest)

    def _read(self, descriptor: int) -> None:
        session = self._sessions[descriptor]
        if session.full:
            return
        try:
            requests = session.receive()
        except ValueError as error:
            self._complain(f"a client sent what is not a request and is disconnected: {error}")
            requests = None
        if requests is None:
            self._poll.unregister(descriptor)
            del self._sessions[descriptor]
            session.close()
            return
        for request in requests:
            if isinstance(request, (wire.Create, wire.Update, wire.Delete)):
                self._writes.append((session, request))
            else:
                self._answer(session, request)

    def _answer(self, session: Session, request: wire.Request) -> None:
        database, identity = self._database, request.id
        try:
            if isinstance(request, wire.Get):
                session.reply(wire.Found(identity, database.get(request.key)))
            elif isinstance(request, wire.List):
                page = database.page(request.prefix, request.at_revision, request.limit, request.after)
                session.reply(wire.Listed(identity, page.items, page.revision, page.remaining))
            elif isinstance(request, wire.Current):
                session.reply(wire.Done(identity, database.revision))
            elif isinstance(request, wire.Watch):
                database.check_reachable(request.from_revision)
                session.watches[identity] = Watch(request.prefix, request.from_revision, request.previous)
            elif isinstance(request, wire.Cancel):
                session.watches.pop(identity, None)
            elif isinstance(request, wire.Compact):
                if request.revision > database.revision:
                    raise FutureRevision(database.revision)
                self._compact_all(request.revision)
                session.reply(wire.Done(identity, database.oldest))
            elif isinstance(request, wire.Purge):
                self._compact_all(database.revision)
                database.rebuild()
                session.reply(wire.Done(identity, database.oldest))
            elif isinstance(request, wire.Save):
                database.save(request.path)
                session.reply(wire.Done(identity, database.revision))
        except Compacted as compacted:
            session.reply(wire.TooOld(identity, compacted.oldest))
        except FutureRevision as future:
            session.reply(wire.TooNew(identity, future.current))
        except sqlite3.Error as error:
            session.reply(wire.Failed(identity, self._explain(error)))
        except OSError as error:
            session.reply(wire.Failed(identity, f"{error.filename}: {error.strerror}"))

    def _commit_writes(self) -> None:
        """One transaction for all waiting writes; one that loses its comparison leaves the others be."""
        writes, self._writes = self._writes, []
        old = self._previous_wanted()
        events: list[Event] = []
        replies: list[tuple[Session, wire.Reply]] = []
        try:
            self._database.begin()
            for session, request in writes:
                replies.append((session, self._write(request, old, events)))
            self._database.commit()
        except sqlite3.Error as error:
            why = self._explain(error)
            self._database.rollback()
            events = []
            replies = [(session, wire.Failed(request.id, why)) for session, request in writes]
        self._publish(events)
        for session, reply in replies:
            session.reply(reply)

    def _write(self, request: wire.Write, old: bool, events: list[Event]) -> wire.Reply:
        database = self._database
        try:
            if isinstance(request, wire.Create):
                event = database.create(request.key, request.value, request.ttl)
            elif isinstance(request, wire.Update):
                event = database.update(request.key, request.value, request.expect, request.ttl, old)
            else:
                event = database.delete(request.key, request.expect, old)
        except KeyExists:
            return wire.Exists(request.id)
        except RevisionMismatch as mismatch:
            return wire.Mismatch(request.id, mismatch.current)
        events.append(event)
        return wire.Done(request.id, event.revision)

    def _publish(self, events: list[Event]) -> None:
        if events:
            for session in self._sessions.values():
                session.publish(events)

    def _previous_wanted(self) -> bool:
        return any(watch.previous for session in self._sessions.values() for watch in session.watches.values())

    def _expire(self) -> None:
        try:
            self._database.begin()
            events = self._database.expire(self._previous_wanted())
            self._database.commit()
        except sqlite3.Error as error:
            self._complain(f"expired keys stay for now: {self._explain(error)}")
            self._database.rollback()
            self._database.next_expiry = self._wall() + PROGRESS_EVERY
        else:
            self._publish(events)

    def _compact(self, now: float) -> None:
        """Keep history within its bounds, a small step at a time between the batches of writes."""
        database = self._database
        if now >= self._next_mark:
            self._compact_to, self._mark = max(self._compact_to, self._mark), database.revision
            self._next_mark = now + KEEP_SECONDS
        if database.revision - database.oldest > 2 * KEEP_REVISIONS:
            self._compact_to = max(self._compact_to, database.revision - KEEP_REVISIONS)
        if self._compact_to > database.oldest and now >= self._next_compaction:
            self._next_compaction = now + COMPACT_EVERY
            try:
                self._compact_step(self._compact_to)
            except sqlite3.Error as error:
                self._complain(f"history is kept for now: {self._explain(error)}")
                self._next_compaction = now + PROGRESS_EVERY

    def _compact_all(self, until: int) -> None:
        while self._database.oldest < until:
            self._compact_step(until)

    def _compact_step(self, until: int) -> None:
        try:
            self._database.begin()
            self._database.compact(until)
            self._database.commit()
        except sqlite3.Error:
            self._database.rollback()
            raise

    def _explain(self, error: sqlite3.Error) -> str:
        return explain(error, self._path)

    def _shut_down(self) -> None:
        """Finish what was begun, let the clients have their replies, and close the database in good order."""
        self._poll.unregister(self._listener)
        self._listener.close()
        for descriptor, _ in self._poll.poll(0):
            if descriptor in self._sessions:
                self._read(descriptor)
        self._turn()
        deadline = self._monotonic() + DRAIN
        while any(session.unsent for session in self._sessions.values()) and self._monotonic() < deadline:
            self._poll.poll(0.05)
            for session in self._sessions.values():
                session.flush()
        for session in self._sessions.values():
            session.close()
        self._poll.close()
        self._database.close()


def _interest(session: Session) -> int:
    """What to be told of: a client that does not take its replies is not asked for more requests."""
    if not session.unsent:
        return select.EPOLLIN
    return select.EPOLLOUT if session.full else select.EPOLLIN | select.EPOLLOUT
