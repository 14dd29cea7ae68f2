"""Finished answers: bytes that lack only what differs from one asker to the next. Pure.

The id and the question are the asker's own, so that the case of its letters comes back as it was sent; all names in
the answer that end alike point into the question. Several addresses are sent from another starting point each time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from longboat.network.dns import wire
from longboat.network.dns.query import LARGEST, Query, opt
from longboat.network.dns.wire import Record
from longboat.network.dns.zone import Found

ENTRIES, KEPT = 10_000, 16 << 20  # answers kept, and bytes of them
AN_ANSWER = 512  # bytes it takes besides its contents, roughly
MOST = 65_535  # bytes of a message over TCP
_FLAGS = wire.RESPONSE | wire.CAN_RECURSE


class Cell:
    """A count that many answers share: those that were made when they were asked for, and those that were at hand."""

    __slots__ = ("hits", "made")

    def __init__(self) -> None:
        self.made = self.hits = 0


class Reply:
    """One answer. `ring` holds equally long records twice over, of which any stretch of `length` bytes will do."""

    __slots__ = (
        "after",
        "before",
        "cells",
        "choices",
        "end",
        "head",
        "keys",
        "length",
        "rcode",
        "ring",
        "size",
        "stride",
        "tags",
    )

    def __init__(self, head: bytes, end: int, before: bytes, ring: bytes, stride: int, length: int, after: bytes):
        self.head, self.end, self.before, self.ring, self.after = head, end, before, ring, after
        self.stride, self.length = stride, length
        self.choices = len(ring) // (2 * stride) if stride else 0
        self.cells: tuple[Cell, ...] = ()  # by the number of the way that a question came
        self.rcode = head[1] & 0xF
        self.tags: tuple[str, ...] = ()
        self.keys: list[bytes] = []
        self.size = 0  # bytes it takes where it is kept

    def to(self, packet: bytes, turn: int = 0) -> bytes:
        """The answer to one packet; `turn` chooses which record comes first."""
        if not self.choices:
            return b"".join((packet[:2], self.head, packet[wire.HEADER : self.end], self.before, self.after))
        at = turn % self.choices * self.stride
        ring = self.ring[at : at + self.length]
        return b"".join((packet[:2], self.head, packet[wire.HEADER : self.end], self.before, ring, self.after))


def encode(query: Query, found: Found, limit: int, *, authoritative: bool = True, truncated: bool = False) -> Reply:
    """The answer in at most `limit` bytes: additional records go first, then (truncated) the answer's own."""
    extra = opt(LARGEST, dnssec=query.dnssec, extended=found.rcode >> 4) if query.edns else b""
    room = limit - query.end - len(extra)
    answers, kept = _fit(found.answers, query, room)
    room -= sum(map(len, answers))
    truncated = truncated or kept < len(found.answers)
    authority, _ = _fit([found.soa] if found.soa else [], query, 0 if truncated else room)
    room -= sum(map(len, authority))
    additional, _ = _fit(found.extra, query, 0 if truncated else room)
    flags = _FLAGS | query.flags & (wire.RECURSE | wire.NO_CHECK) | found.rcode & 0xF
    flags |= (wire.AUTHORITATIVE if authoritative else 0) | (wire.TRUNCATED if truncated else 0)
    head = wire.HEAD.pack(flags, 1, kept, len(authority), len(additional) + query.edns)
    after = b"".join((*authority, *additional, extra))
    fixed, ring = _ring(found.answers)
    if len(ring) < 2 or kept <= fixed:
        return Reply(head, query.end, b"".join(answers), b"", 0, 0, after)
    whole = [wire.encode(record, query.name) for record in ring]
    length = sum(map(len, answers[fixed:]))
    return Reply(head, query.end, b"".join(answers[:fixed]), b"".join(whole) * 2, len(whole[0]), length, after)


def error(packet: bytes, rcode: int) -> bytes:
    """An answer that is nothing but a response code, to a packet that may be no more than a header."""
    flags = int.from_bytes(packet[2:4])
    flags = _FLAGS | flags & (wire.OPCODE | wire.RECURSE | wire.NO_CHECK) | rcode
    return packet[:2] + flags.to_bytes(2) + bytes(8)


def _fit(records: Iterable[Record], query: Query, room: int) -> tuple[list[bytes], int]:
    """As many of the records as there is room for, encoded; and how many."""
    fitting: list[bytes] = []
    for record in records:
        encoded = wire.encode(record, query.name)
        room -= len(encoded)
        if room < 0:
            break
        fitting.append(encoded)
    return fitting, len(fitting)


def _ring(answers: Sequence[Record]) -> tuple[int, Sequence[Record]]:
    """How many records come first whatever happens (aliases), and the addresses that may take turns after them."""
    fixed = next((at for at, record in enumerate(answers) if record.type in (wire.A, wire.AAAA)), len(answers))
    rest = answers[fixed:]
    alike = all(record.type == rest[0].type and record.owner == rest[0].owner for record in rest)
    return fixed, rest if alike else ()


def key(packet: bytes) -> bytes:
    """What packets with the same answer have in common: all but the id, and the case of the name.

    A zero byte ends the name (or cuts it short: then only less is taken to be alike).
    """
    end = packet.find(0, wire.HEADER)
    return packet[2:end].lower() + packet[end:]


class Replies:
    """Answers by key, the oldest forgotten first; and by tag, to forget those that a change touches."""

    def __init__(self, entries: int = ENTRIES) -> None:
        self._entries = entries
        self.bytes = 0
        self._by_key: OrderedDict[bytes, Reply] = OrderedDict()  # a plain dict is slow to tell its oldest key
        self._by_tag: dict[str, set[Reply]] = {}
        self.get = self._by_key.get  # the hot path saves a call

    def __len__(self) -> int:
        return len(self._by_key)

    def codes(self) -> list[int]:
        """The response code of each answer at hand."""
        return [reply.rcode for reply in list(self._by_key.values())]

    def put(self, keys: Iterable[bytes], reply: Reply) -> None:
        for each in keys:
            if (former := self._by_key.get(each)) is not None:
                self._forget(former)
            self._by_key[each] = reply
            reply.keys.append(each)
        for tag in reply.tags:
            self._by_tag.setdefault(tag, set()).add(reply)
        parts = (reply.head, reply.before, reply.ring, reply.after, *reply.keys)
        reply.size = AN_ANSWER + sum(map(len, parts))
        self.bytes += reply.size
        while len(self._by_key) > self._entries or self.bytes > KEPT:
            self._forget(next(iter(self._by_key.values())))

    def drop(self, tags: Iterable[str]) -> None:
        for tag in tags:
            for reply in list(self._by_tag.get(tag, ())):
                self._forget(reply)

    def _forget(self, reply: Reply) -> None:
        self.bytes -= reply.size
        reply.size = 0
        for each in reply.keys:
            if self._by_key.get(each) is reply:
                del self._by_key[each]
        for tag in reply.tags:
            if (tagged := self._by_tag.get(tag)) is not None:
                tagged.discard(reply)
                if not tagged:
                    del self._by_tag[tag]
