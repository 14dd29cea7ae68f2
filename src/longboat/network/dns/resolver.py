"""From a packet to its answer: at once where it is known, later where somebody else must be asked."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Coroutine

from msgspec.structs import replace

from longboat.network.dns import wire
from longboat.network.dns.forward import Forwarder, Unanswered
from longboat.network.dns.metrics import FORWARD, KUBERNETES, NO_PLUGIN, TCP4, UDP4, UDP6, Way
from longboat.network.dns.query import LARGEST, Ignored, Query, Refusal, parse
from longboat.network.dns.replies import MOST, Replies, encode, error, key
from longboat.network.dns.wire import Labels, Malformed
from longboat.network.dns.zone import Found, Zone

MOST_WAITING = 5000  # clients that wait for names outside
Later = Coroutine[None, None, bytes]


class Resolver:
    """`is_synced` says whether the zone is whole; before that its names are answered with a failure, not with a no."""

    def __init__(
        self, zone: Zone, domain: Labels, replies: Replies, forwarder: Forwarder, is_synced: Callable[[], bool]
    ) -> None:
        self._zone, self._domain, self._replies, self._forwarder = zone, domain, replies, forwarder
        self._is_synced = is_synced
        self._turns = itertools.count()
        self._waiting = 0
        self.counts = forwarder.counts

    def answer(self, packet: bytes, way: Way = UDP4) -> bytes | Later | None:
        """The answer to a UDP packet, or what to wait for; None where there is none to give."""
        reply = self._replies.get(key(packet))
        if reply is None:
            return self._answer(packet, way)
        reply.cells[way.number].hits += 1
        return reply.to(packet, next(self._turns))

    def answer_tcp(self, packet: bytes, way: Way = TCP4) -> bytes | Later | None:
        return self._answer(packet, way)

    def _answer(self, packet: bytes, way: Way) -> bytes | Later | None:
        tcp = way.tcp
        try:
            query = parse(packet)
        except Ignored:
            return None
        except Refusal as refusal:
            return self._refused(packet, refusal, way)
        question = query.canonical(packet)
        if not tcp and (known := self._replies.get(question)) is not None:
            if query.is_plain(packet):
                self._replies.put([key(packet)], known)
            known.cells[way.number].hits += 1
            return known.to(packet, next(self._turns))
        synced = self._is_synced()
        found = self._zone.find(query.name, query.type) if synced else None
        if found is None:
            if not synced and query.name[len(query.name) - len(self._domain) :] == self._domain:
                return self._encoded(packet, query, Found(wire.SERVFAIL), way)
            return self._forward(packet, query, question, way)
        if found.chase is not None:
            return self._wait(packet, query, way, self._chase(packet, query, found, way))
        if tcp or found.rcode not in (wire.NOERROR, wire.NXDOMAIN):
            return self._encoded(packet, query, found, way)
        reply = encode(query, found, query.size)
        reply.tags = found.tags
        reply.cells = tuple(self.counts.cell(query.type, found.rcode, KUBERNETES, each) for each in (UDP4, UDP6))
        self._replies.put({question, key(packet)} if query.is_plain(packet) else {question}, reply)
        reply.cells[way.number].made += 1
        return reply.to(packet, next(self._turns))

    def _refused(self, packet: bytes, refusal: Refusal, way: Way) -> bytes:
        kind = refusal.query.type if refusal.query else 0
        self.counts.cell(kind, refusal.rcode, NO_PLUGIN, way).made += 1
        if refusal.query is None:
            return error(packet, refusal.rcode)
        found = Found(refusal.rcode)
        return encode(refusal.query, found, refusal.query.size, authoritative=False).to(packet)

    def _encoded(
        self, packet: bytes, query: Query, found: Found, way: Way, plugin: str = KUBERNETES, *, truncated: bool = False
    ) -> bytes:  # fmt: skip
        self.counts.cell(query.type, found.rcode, plugin, way).made += 1
        reply = encode(query, found, MOST if way.tcp else query.size, truncated=truncated)
        return reply.to(packet, next(self._turns))

    def _forward(self, packet: bytes, query: Query, question: bytes, way: Way) -> bytes | Later:
        known = self._forwarder.cached(question, way.tcp)
        if known is not None:
            return self._spliced(packet, query, known, way, known=True)
        if not self._forwarder.servers:
            return self._encoded(packet, query, Found(wire.SERVFAIL), way, FORWARD)
        return self._wait(packet, query, way, self._ask(packet, query, question, way))

    def _wait(self, packet: bytes, query: Query, way: Way, work: Later) -> bytes | Later:
        """The work, unless too many wait already."""
        if self._waiting >= MOST_WAITING:
            work.close()
            self.counts.rejected += 1
            return self._encoded(packet, query, Found(wire.SERVFAIL), way, FORWARD)
        return self._counted(work)

    async def _counted(self, work: Later) -> bytes:
        self._waiting += 1
        try:
            return await work
        finally:
            self._waiting -= 1

    async def _ask(self, packet: bytes, query: Query, question: bytes, way: Way) -> bytes:
        try:
            return self._spliced(packet, query, await self._forwarder.ask(question, way.tcp), way)
        except Unanswered:
            return self._encoded(packet, query, Found(wire.SERVFAIL), way, FORWARD)

    def _spliced(self, packet: bytes, query: Query, message: bytes, way: Way, *, known: bool = False) -> bytes:
        """An answer from outside, to this asker."""
        cell = self.counts.cell(query.type, message[1] & 0xF, FORWARD, way)
        cell.made += not known
        cell.hits += known
        return b"".join(
            (packet[:2], message[: wire.HEADER - 2], packet[wire.HEADER : query.end], message[query.end - 2 :])
        )

    async def _chase(self, packet: bytes, query: Query, found: Found, way: Way) -> bytes:
        """The answer to a question for an alias that leads outside: the alias, and what it leads to."""
        assert found.chase is not None
        kind = query.type.to_bytes(2) + wire.IN.to_bytes(2)
        outside = replace(query, name=found.chase, size=LARGEST, edns=True, end=4)
        try:
            message = b"\0\0" + await self._forwarder.ask(outside.canonical(kind), way.tcp)
            header = wire.read_header(message)
            more = tuple(wire.expand(message, span) for section, span in wire.spans(message) if section == 1)
        except (Unanswered, Malformed):
            return self._encoded(packet, query, replace(found, rcode=wire.SERVFAIL), way)
        whole = replace(found, rcode=header.flags & 0xF, answers=found.answers + more)
        return self._encoded(packet, query, whole, way, truncated=bool(header.flags & wire.TRUNCATED))
