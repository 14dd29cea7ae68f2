"""Names outside the cluster: asked of the servers the machine asks, remembered as long as their answers say.

The same question is asked once however many wait for its answer. Each time it has an id and a port nobody can guess.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from longboat.aio.cache import BoundedCache
from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.network.dns import wire
from longboat.network.dns.lifetimes import lifetime, older, ttl_offsets
from longboat.network.dns.metrics import Counts
from longboat.network.dns.wire import Malformed

PORT = 53
PATIENCE = 1.5  # seconds one server is waited for
ROUNDS = 2  # times each server is tried; a client gives up after five seconds
RESTING = 5.0  # seconds in which a server that did not answer is asked last
ENTRIES, KEPT = 10_000, 16 << 20  # answers kept, and bytes of them
LARGEST_ENTRY = 4096  # bytes; longer answers are asked for again
MOST_QUESTIONS = 1000  # under way at once


class Unanswered(Exception):
    """No server gave an answer."""


@dataclass(frozen=True, slots=True)
class _Entry:
    message: bytes
    offsets: tuple[int, ...]  # of the TTLs in it
    since: float
    until: float


def _size(asked: tuple[bytes, bool], entry: _Entry) -> int:
    return len(asked[0]) + len(entry.message) + 40 * len(entry.offsets)


class Forwarder:
    """`servers` are addresses, which may change. Messages here lack their id: the first two bytes."""

    def __init__(self, clock: Clock, servers: Iterable[str] = (), *, port: int = PORT) -> None:
        self._clock, self._port = clock, port
        self.servers = tuple(servers)
        self._resting: dict[str, float] = {}
        self._kept: BoundedCache[tuple[bytes, bool], _Entry] = BoundedCache(ENTRIES, KEPT, _size)
        self._asking: dict[tuple[bytes, bool], asyncio.Task[bytes | None]] = {}
        self._tasks = Tasks("dns/forward")
        self.counts = Counts()
        self.asked = self.unanswered = 0

    def cached(self, question: bytes, tcp: bool = False) -> bytes | None:
        """The answer if it is known, its TTLs as they are now."""
        found = self._kept.get((question, tcp))
        if found is None:
            return None
        now = self._clock.monotonic()
        if now >= found.until:
            self._kept.pop((question, tcp))
            return None
        return older(found.message, found.offsets, int(now - found.since))

    async def ask(self, question: bytes, tcp: bool = False) -> bytes:
        """The answer, from the cache or a server. Raises Unanswered."""
        known = self.cached(question, tcp)
        if known is not None:
            return known
        asking = self._asking.get((question, tcp))
        if asking is None:
            if len(self._asking) >= MOST_QUESTIONS or not self.servers:
                self.unanswered += 1
                self.counts.rejected += bool(self.servers)
                raise Unanswered
            asking = self._asking[question, tcp] = self._tasks.spawn("ask", self._ask(question, tcp))
            asking.add_done_callback(lambda _: self._asking.pop((question, tcp), None))
        answer = await asyncio.shield(asking)
        if answer is None:
            raise Unanswered
        return answer

    def codes(self) -> list[int]:
        """The response code of each answer that is kept."""
        return [entry.message[1] & 0xF for entry in self._kept.values()]

    async def close(self) -> None:
        await self._tasks.close()

    async def _ask(self, question: bytes, tcp: bool) -> bytes | None:
        answer = None
        for _ in range(ROUNDS):
            for server in sorted(self.servers, key=lambda s: self._resting.get(s, 0.0) > self._clock.monotonic()):
                self.asked += 1
                began = self._clock.monotonic()
                try:
                    async with self._clock.timeout(PATIENCE):
                        found = await (self._over_tcp if tcp else self._over_udp)(server, question)
                except (OSError, TimeoutError, asyncio.IncompleteReadError):
                    self._resting[server] = self._clock.monotonic() + RESTING
                    continue
                self._resting.pop(server, None)
                self.counts.answered(f"{server}:{self._port}", found[1] & 0xF, self._clock.monotonic() - began)
                answer = found
                if answer[1] & 0xF not in (wire.SERVFAIL, wire.REFUSED):
                    self._keep(question, tcp, answer)
                    return answer
            if answer is not None:
                break
        if answer is None:
            self.unanswered += 1
        return answer

    def _keep(self, question: bytes, tcp: bool, answer: bytes) -> None:
        message = b"\0\0" + answer
        try:
            seconds = lifetime(message)
            offsets = tuple(at - 2 for at in ttl_offsets(message))
        except Malformed:
            return
        if seconds > 0 and len(answer) <= LARGEST_ENTRY:
            now = self._clock.monotonic()
            self._kept.put((question, tcp), _Entry(answer, offsets, now, now + seconds))

    async def _over_udp(self, server: str, question: bytes) -> bytes:
        """Raises OSError."""
        loop, packet = asyncio.get_running_loop(), os.urandom(2) + question
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as connection:
            connection.connect((server, self._port))  # a fresh port, from which only this server's packets come in
            connection.send(packet)
            while True:
                answer = await loop.sock_recv(connection, 65535)
                if _answers(answer, packet):
                    return answer[2:]

    async def _over_tcp(self, server: str, question: bytes) -> bytes:
        """Raises OSError and asyncio.IncompleteReadError."""
        packet = os.urandom(2) + question
        reader, writer = await asyncio.open_connection(server, self._port)
        try:
            writer.write(len(packet).to_bytes(2) + packet)
            while True:
                answer = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
                if _answers(answer, packet):
                    return answer[2:]
        finally:
            writer.close()


def _answers(message: bytes, packet: bytes) -> bool:
    """Whether a message is a response to just this question, and whole."""
    try:
        name, end = wire.read_name(packet, wire.HEADER)
        header = wire.read_header(message)
        if message[:2] != packet[:2] or not header.flags & wire.RESPONSE or header.questions != 1:
            return False
        same = wire.read_name(message, wire.HEADER, pointers=False) == (name, end)
        for _ in wire.spans(message):
            pass
    except Malformed:
        return False
    return same and message[end : end + 4] == packet[end : end + 4]
