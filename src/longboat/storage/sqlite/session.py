"""One client of the store process: its socket, what waits to be sent to it, and its watches."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import msgspec

from longboat.storage.interface import Compacted, Event
from longboat.storage.sqlite import wire
from longboat.storage.sqlite.database import Database

RECEIVE = 1 << 18  # bytes read at once
_received = bytearray(RECEIVE)  # shared by all sessions: what is read is taken over at once
FULL = 4 << 20  # bytes unsent at which watches stop, to go on from history once the client has read


class Watch(msgspec.Struct):
    """Where a watch stands: every event up to `seen` has been sent; if `live`, all there are."""

    prefix: str
    seen: int
    previous: bool
    live: bool = False


class Session:
    """Never blocks: what the socket does not take stays in `unsent`."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.connection = connection
        self.watches: dict[int, Watch] = {}
        self.unsent = bytearray()
        self.interest = 0  # what the poll has been asked to tell of this session
        self._frames = wire.Frames()
        self._decoder = msgspec.msgpack.Decoder(list[wire.Request])
        self._replies: list[wire.Reply] = []

    def receive(self) -> list[wire.Request] | None:
        """Requests that have arrived; None if the client is gone. Raises ValueError if it talks nonsense."""
        try:
            count = self.connection.recv_into(_received)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not count:
            return None
        requests: list[wire.Request] = []
        for body in self._frames.feed(memoryview(_received)[:count]):
            requests += self._decoder.decode(body)
        return requests

    def reply(self, message: wire.Reply) -> None:
        self._replies.append(message)

    def flush(self) -> None:
        """Send what can be sent. A client that is gone is noticed when it is next read from."""
        if self._replies:
            self.unsent += wire.frame(self._replies)
            self._replies = []
        try:
            while self.unsent:
                sent = self.connection.send(self.unsent)
                del self.unsent[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self.unsent.clear()

    @property
    def full(self) -> bool:
        return len(self.unsent) > FULL

    def publish(self, events: Sequence[Event]) -> None:
        """Tell the live watches of a commit; those of a client that does not read fall behind instead."""
        for identity, watch in self.watches.items():
            if not watch.live:
                continue
            if self.full:
                watch.live = False
                continue
            own = [event for event in events if event.key.startswith(watch.prefix)]
            if own and not watch.previous:
                own = [event if event.previous is None else _without_previous(event) for event in own]
            if own:
                watch.seen = own[-1].revision
                self.reply(wire.Changed(identity, own))

    def catch_up(self, database: Database) -> None:
        """Bring watches that are behind a step further, from history."""
        for identity, watch in list(self.watches.items()):
            if watch.live or self.full:
                continue
            try:
                events, watch.seen = database.events(watch.prefix, watch.seen, watch.previous)
            except Compacted as compacted:
                del self.watches[identity]
                self.reply(wire.TooOld(identity, compacted.oldest))
                continue
            if events:
                self.reply(wire.Changed(identity, events))
            if watch.seen == database.revision:
                watch.live = True
                self.reply(wire.Reached(identity, watch.seen))
            self.flush()

    @property
    def behind(self) -> bool:
        return not self.full and not all(watch.live for watch in self.watches.values())

    def tell_progress(self, revision: int) -> None:
        for identity, watch in self.watches.items():
            if watch.live and watch.seen < revision and not self.full:
                watch.seen = revision
                self.reply(wire.Reached(identity, revision))

    def close(self) -> None:
        self.connection.close()


def _without_previous(event: Event) -> Event:
    """What another watch had fetched is not for this one."""
    return Event(event.key, event.revision, event.value, None)
