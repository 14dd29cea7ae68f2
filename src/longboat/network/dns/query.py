"""A client's question, taken apart by hand. Pure."""

from __future__ import annotations

import msgspec

from longboat.network.dns import wire
from longboat.network.dns.wire import Labels, Malformed

SMALLEST, LARGEST = 512, 1232  # bytes of a UDP answer: what everybody takes, and what no network fragments
DNSSEC_OK = 0x8000


class Ignored(Exception):
    """A packet that deserves no answer."""


class Refusal(Exception):
    """A packet whose answer is just an error; `query` is as much of it as could be read."""

    def __init__(self, rcode: int, query: Query | None = None) -> None:
        super().__init__(rcode)
        self.rcode, self.query = rcode, query


class Query(msgspec.Struct, frozen=True):
    """`end` is where the question ends; `size` the largest UDP answer, `edns` whether it was asked for with EDNS."""

    flags: int
    name: Labels
    type: int
    end: int
    edns: bool = False
    size: int = SMALLEST
    dnssec: bool = False

    def is_plain(self, packet: bytes) -> bool:
        """Whether the packet holds nothing but what the fields tell."""
        return len(packet) == self.end + (len(opt(0)) if self.edns else 0)

    def canonical(self, packet: bytes) -> bytes:
        """The packet without its id, in lower case, and without what makes no difference to the answer."""
        flags = self.flags & (wire.RECURSE | wire.NO_CHECK)
        extra = opt(self.size, dnssec=self.dnssec) if self.edns else b""
        head = wire.HEAD.pack(flags, 1, 0, 0, self.edns)
        return head + wire.name(self.name) + packet[self.end - 4 : self.end] + extra


def opt(size: int, *, dnssec: bool = False, extended: int = 0) -> bytes:
    """The pseudo-record of EDNS; `extended` are the upper bits of the response code."""
    return b"\0" + wire.RECORD.pack(wire.OPT, size, extended << 24 | (DNSSEC_OK if dnssec else 0), 0)


def parse(packet: bytes) -> Query:
    """Raises Ignored and Refusal."""
    try:
        header = wire.read_header(packet)
    except Malformed:
        raise Ignored from None
    if header.flags & wire.RESPONSE:
        raise Ignored
    if header.flags & wire.OPCODE:
        raise Refusal(wire.NOTIMP)
    if header.questions != 1 or header.answers:
        raise Refusal(wire.FORMERR)
    try:
        name, at = wire.read_name(packet, wire.HEADER, pointers=False)
        if at + 4 > len(packet):
            raise Malformed("no question")
        query = _with_edns(packet, Query(header.flags, name, int.from_bytes(packet[at : at + 2]), at + 4))
    except Malformed:
        raise Refusal(wire.FORMERR) from None
    if int.from_bytes(packet[at + 2 : at + 4]) != wire.IN or query.type in (wire.AXFR, wire.IXFR, wire.OPT):
        raise Refusal(wire.REFUSED, query)
    return query


def _with_edns(packet: bytes, query: Query) -> Query:
    """Raises Malformed, and Refusal for a version of EDNS that is not ours."""
    end, found, version = query.end, query, 0
    for section, span in wire.spans(packet):
        end = span.end
        if span.type != wire.OPT:
            continue
        if found.edns or section != 3 or packet[span.name]:
            raise Malformed("more than one OPT, or one out of place")
        version = span.ttl >> 16 & 0xFF
        size = min(max(int.from_bytes(packet[span.ttl_at - 2 : span.ttl_at]), SMALLEST), LARGEST)
        found = msgspec.structs.replace(query, edns=True, size=size, dnssec=bool(span.ttl & DNSSEC_OK))
    if end != len(packet):
        raise Malformed("something follows the message")
    if version:
        raise Refusal(wire.BADVERS, found)
    return found
