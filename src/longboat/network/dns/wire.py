"""DNS messages as bytes (RFC 1035, 6891): names, resource records, and a walk over a whole message. Pure.

A name is a tuple of labels, lower-case, the root being (). Everything that reads raises Malformed and nothing else.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

Labels = tuple[bytes, ...]

A, NS, CNAME, SOA, PTR, TXT, AAAA, SRV, OPT, IXFR, AXFR, ANY = 1, 2, 5, 6, 12, 16, 28, 33, 41, 251, 252, 255
IN = 1
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16
RESPONSE, AUTHORITATIVE, TRUNCATED, RECURSE, CAN_RECURSE, NO_CHECK = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0010
OPCODE = 0x7800
HEADER = 12  # bytes
LONGEST_NAME = 255  # bytes on the wire
RECORD = struct.Struct("!HHIH")  # type, class, TTL, length of the data
HEAD = struct.Struct("!HHHHH")  # flags and the four counts: a header but its id
_HEADER = struct.Struct("!HHHHHH")
_COMPRESSIBLE = {CNAME: 0, NS: 0, PTR: 0, 15: 2, 39: 0}  # offset of the name in the data (15 MX, 39 DNAME)


class Malformed(Exception):
    """Bytes that are not a DNS message."""


class Header(NamedTuple):
    id: int
    flags: int
    questions: int
    answers: int
    authority: int
    additional: int


class Span(NamedTuple):
    """Where in a message a record is: its type and TTL, and the offsets of name, TTL field, data and end."""

    type: int
    ttl: int
    name: int
    ttl_at: int
    data: int
    end: int


class Record(NamedTuple):
    """A resource record of class IN. `data` holds names uncompressed."""

    owner: Labels
    type: int
    ttl: int
    data: bytes


def read_header(message: bytes) -> Header:
    if len(message) < HEADER:
        raise Malformed("shorter than a header")
    return Header._make(_HEADER.unpack_from(message))


def skip_name(message: bytes, at: int) -> int:
    """The offset behind the name at `at`."""
    try:
        while length := message[at]:
            if length >= 0xC0:
                return at + 2
            if length >= 0x40:
                raise Malformed("unknown kind of label")
            at += length + 1
    except IndexError:
        raise Malformed("a name goes beyond the end") from None
    return at + 1


def read_name(message: bytes, at: int, *, pointers: bool = True) -> tuple[Labels, int]:
    """The name at `at`, in lower case, and the offset behind it."""
    labels: list[bytes] = []
    size, end, limit = 1, 0, at
    try:
        while length := message[at]:
            if length >= 0xC0 and pointers:
                end = end or at + 2
                at = (length & 0x3F) << 8 | message[at + 1]
                if at >= limit:  # pointers lead backwards only, so a chain of them ends
                    raise Malformed("a pointer that leads forward")
                limit = at
                continue
            if length >= 0x40:
                raise Malformed("unknown kind of label")
            size += length + 1
            if size > LONGEST_NAME or at + length >= len(message):
                raise Malformed("a name that is too long")
            labels.append(message[at + 1 : at + 1 + length].lower())
            at += length + 1
    except IndexError:
        raise Malformed("a name goes beyond the end") from None
    return tuple(labels), end or at + 1


def name(labels: Labels) -> bytes:
    """Uncompressed."""
    return b"".join([len(label).to_bytes() + label for label in labels]) + b"\0"


def labels(text: str) -> Labels:
    """The labels of a name as text. Raises Malformed."""
    found = tuple(label.encode("ascii", "replace").lower() for label in text.rstrip(".").split(".")) if text else ()
    if any(not 0 < len(label) < 64 for label in found) or sum(map(len, found)) + len(found) >= LONGEST_NAME:
        raise Malformed(f"{text!r} is not a name")
    return found


def text(labels: Labels) -> str:
    return ".".join(label.decode("ascii", "replace") for label in labels) + "."


def compressed(labels: Labels, question: Labels) -> bytes:
    """The name as in a message whose question, right behind the header, is for `question`."""
    common = 0
    for mine, other in zip(reversed(labels), reversed(question), strict=False):
        if mine != other:
            break
        common += 1
    if not common:
        return name(labels)
    own = b"".join(len(label).to_bytes() + label for label in labels[: len(labels) - common])
    skipped = sum(len(label) + 1 for label in question[: len(question) - common])
    return own + (0xC000 | HEADER + skipped).to_bytes(2)


def encode(record: Record, question: Labels) -> bytes:
    head = RECORD.pack(record.type, IN, record.ttl, len(record.data))
    return compressed(record.owner, question) + head + record.data


def spans(message: bytes) -> Iterator[tuple[int, Span]]:
    """Every record with its section (1 answer, 2 authority, 3 additional)."""
    header = read_header(message)
    at = HEADER
    for _ in range(header.questions):
        at = skip_name(message, at) + 4
    for section, count in enumerate((header.answers, header.authority, header.additional), start=1):
        for _ in range(count):
            start, at = at, skip_name(message, at)
            if at + RECORD.size > len(message):
                raise Malformed("a record goes beyond the end")
            kind, _, ttl, length = RECORD.unpack_from(message, at)
            data = at + RECORD.size
            if data + length > len(message):
                raise Malformed("a record goes beyond the end")
            yield section, Span(kind, ttl, start, at + 4, data, data + length)
            at = data + length


def expand(message: bytes, span: Span) -> Record:
    """A record of a message, taken out of it: without pointers into the rest."""
    owner, _ = read_name(message, span.name)
    data = message[span.data : span.end]
    if span.type in _COMPRESSIBLE:
        before = _COMPRESSIBLE[span.type]
        target, _ = read_name(message, span.data + before)
        data = data[:before] + name(target)
    return Record(owner, span.type, span.ttl, data)
