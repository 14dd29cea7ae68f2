"""From a packet to its answer: at once where it is known, later where somebody else must be asked."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Coroutine

from msgspec.structs import replace

from longboat.network.dns import wire
from longboat.network.dns.forward import Forwarder, Unanswered
from longboat.network.dns.metrics import Counts
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
        self.counts = Counts()

    def answer(self, packet: bytes) -> bytes | Later | None:
        """The answer to a UDP packet, or what to wait for; None where there is none to give."""
        reply = self._replies.get(key(packet))
        if reply is None:
            return self._answer(packet, tcp=False)
        reply.cell.count += 1
        return reply.to(packet, next(self._turns))

    def answer_tcp(self, packet: bytes) -> bytes | Later | None:
        return self._answer(packet, tcp=True)

    def _answer(self, packet: bytes, tcp: bool) -> bytes | Later | None:
        try:
            query = parse(packet)
        except Ignored:
            return None
        except Refusal as refusal:
            return self._refused(packet, refusal)
        question = query.canonical(packet)
        if not tcp and (known := self._replies.get(question)) is not None:
            if query.is_plain(packet):
                self._replies.put([key(packet)], known)
            known.cell.count += 1
            return known.to(packet, next(self._turns))
        synced = self._is_synced()
        found = self._zone.find(query.name, query.type) if synced else None
        if found is None:
            if not synced and query.name[len(query.name) - len(self._domain) :] == self._domain:
                return self._encoded(packet, query, Found(wire.SERVFAIL), tcp)
            return self._forward(packet, query, question, tcp)
        if found.chase is not None:
            return self._wait(packet, query, tcp, self._chase(packet, query, found, tcp))
        if tcp or found.rcode not in (wire.NOERROR, wire.NXDOMAIN):
            return self._encoded(packet, query, found, tcp)
        reply = encode(query, found, query.size)
        reply.cell, reply.tags = self.counts.cell(query.type, found.rcode), found.tags
        self._replies.put({question, key(packet)} if query.is_plain(packet) else {question}, reply)
        reply.cell.count += 1
        return reply.to(packet, next(self._turns))

    def _refused(self, packet: bytes, refusal: Refusal) -> bytes:
        self.counts.cell(refusal.query.type if refusal.query else 0, refusal.rcode).count += 1
        if refusal.query is None:
            return error(packet, refusal.rcode)
        found = Found(refusal.rcode)
        return encode(refusal.query, found, refusal.query.size, authoritative=False).to(packet)

    def _encoded(self, packet: bytes, query: Query, found: Found, tcp: bool, truncated: bool = False) -> bytes:
        self.counts.cell(query.type, found.rcode).count += 1
        reply = encode(query, found, MOST if tcp else query.size, truncated=truncated)
        return reply.to(packet, next(self._turns))

    def _forward(self, packet: bytes, query: Query, question: bytes, tcp: bool) -> bytes | Later:
        known = self._forwarder.cached(question, tcp)
        if known is not None:
            return self._spliced(packet, query, known)
        if not self._forwarder.servers:
            return self._encoded(packet, query, Found(wire.SERVFAIL), tcp)
        return self._wait(packet, query, tcp, self._ask(packet, query, question, tcp))

    def _wait(self, packet: bytes, query: Query, tcp: bool, work: Later) -> bytes | Later:
        """The work, unless too many wait already."""
        if self._waiting >= MOST_WAITING:
            work.close()
            return self._encoded(packet, query, Found(wire.SERVFAIL), tcp)
        return self._counted(work)

    async def _counted(self, work: Later) -> bytes:
        self._waiting += 1
        try:
            return await work
        finally:
            self._waiting -= 1

    async def _ask(self, packet: bytes, query: Query, question: bytes, tcp: bool) -> bytes:
        try:
            return self._spliced(packet, query, await self._forwarder.ask(question, tcp))
        except Unanswered:
            return self._encoded(packet, query, Found(wire.SERVFAIL), tcp)

    def _spliced(self, packet: bytes, query: Query, message: bytes) -> bytes:
        """An answer from outside, to this asker."""
        self.counts.cell(query.type, message[1] & 0xF).count += 1
        return b"".join(
            (packet[:2], message[: wire.HEADER - 2], packet[wire.HEADER : query.end], message[query.end - 2 :])
        )

    async def _chase(self, packet: bytes, query: Query, found: Found, tcp: bool) -> bytes:
        """The answer to a question for an alias that leads outside: the alias, and what it leads to."""
        assert found.chase is not None
        kind = query.type.to_bytes(2) + wire.IN.to_bytes(2)
        outside = replace(query, name=found.chase, size=LARGEST, edns=True, end=4)
        try:
            message = b"\0\0" + await self._forwarder.ask(outside.canonical(kind), tcp)
            header = wire.read_header(message)
            more = tuple(wire.expand(message, span) for section, span in wire.spans(message) if section == 1)
        except (Unanswered, Malformed):
            return self._encoded(packet, query, replace(found, rcode=wire.SERVFAIL), tcp)
        whole = replace(found, rcode=header.flags & 0xF, answers=found.answers + more)
        return self._encoded(packet, query, whole, tcp, truncated=bool(header.flags & wire.TRUNCATED))
