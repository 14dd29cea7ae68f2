"""Answers in Kubernetes' protobuf: objects, lists and events, each object encoded once for all who ask.

An object is kept as a field: tag, length, message. The tag of a list's items is that of what an envelope holds, so the
same bytes are an item of a list, an object of its own, and what an event shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from longboat.aio.bench import Seat
from longboat.aio.http.pieces import Pieces
from longboat.apiserver.media import META_GROUP, PARTIAL, PARTIAL_LIST, PROTOBUF, Form
from longboat.apiserver.request import Request, Response
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.types import protobuf_writer, schema, undocumented
from longboat.machinery.types.protobuf import Unknown, number_at
from longboat.machinery.types.protobuf_writer import END, METADATA, RAW, envelope, framed, tag_of, varint, writer
from longboat.machinery.types.shapes import Struct
from longboat.storage.encoded import Encoded
from longboat.storage.entry import Change, Entry
from longboat.storage.watchcache import WatchCache

EMPTY = Pieces((END,))  # a list's items, where there are none
FEW = 64 << 10  # bytes of JSON that are encoded where they are asked for (a few milliseconds), and in one piece
VERSION = 6  # the number of ObjectMeta's resourceVersion
_META = "io.k8s.apimachinery.pkg.apis.meta."

_decode = msgspec.json.Decoder().decode


class Metadata(msgspec.Struct):
    metadata: Object


_metadata = msgspec.json.Decoder(Metadata)


def ready_made(request: Request) -> bool:
    """Whether the answer may be put together from encodings that are kept: it need not be JSON first, for the audit."""
    return request.form.media_type == PROTOBUF and not (request.judged is not None and request.judged.answers)


class Encodings:
    """One kind's objects, whole or as metadata, for one form. What is encoded is the cache's; nothing is held here."""

    __slots__ = ("_cache", "_head", "_partial", "_struct")

    def __init__(self, types: schema.Schema, kind: Kind, cache: WatchCache, form: Form) -> None:
        self._partial = form.as_kind in (PARTIAL, PARTIAL_LIST)
        self._cache = cache
        if self._partial:
            self._head = envelope(f"{META_GROUP}/{form.version}", PARTIAL)
            self._struct = undocumented.partial(types)
        else:
            found = types.type(kind)
            assert found is not None  # or the negotiation would have refused it
            self._head = envelope(kind.api_version, kind.name)
            self._struct = found

    def field(self, entry: Entry) -> bytes:
        """The object as an item of a list, or as what an envelope holds."""
        return self._kept().of(entry, self._made)

    def _kept(self) -> Encoded:
        return self._cache.encoded(PARTIAL if self._partial else PROTOBUF)

    def _made(self, entry: Entry) -> bytes:
        obj = {"metadata": _decode(entry.metadata)} if self._partial else _decode(entry.body)
        return framed(RAW, writer(self._struct).write(obj))

    def object(self, entry: Entry) -> bytes:
        return b"%b%b%b" % (self._head, self.field(entry), END)

    def removed(self, change: Change) -> bytes:
        """The old object, with the revision at which it went."""
        assert change.old is not None
        return b"%b%b%b" % (self._head, at_revision(self.field(change.old), change.revision), END)

    async def ready(self, entries: Iterable[Entry], seat: Seat) -> None:
        """Have the large ones of these encoded, beside the loop."""
        for entry in entries:
            if len(entry.body) > FEW and not self._kept().has(entry):
                await seat.beside(self.field, entry)

    async def items(self, entries: Sequence[Entry], seat: Seat) -> Pieces:
        """Entries as the items of a list, to the end of its document. Many that nobody has asked for lately are encoded
        beside the loop; others who wait for the same find them made."""
        if not entries:
            return EMPTY
        if (missing := self._missing(entries)) > FEW:
            await seat.take()
            missing = self._missing(entries)  # others may have had them encoded meanwhile
        if missing <= FEW:
            found = self._fields(entries)
        else:
            found = []
            for batch in _batches(entries):
                found += await seat.run(self._fields, batch)
        return Pieces.of_items(found, between=b"", end=END)

    def _missing(self, entries: Sequence[Entry]) -> int:
        """Bytes of JSON that would have to be encoded."""
        kept = self._kept()
        return sum(len(entry.body) for entry in entries if not kept.has(entry))

    def _fields(self, entries: Sequence[Entry]) -> list[bytes]:
        of, made = self._kept().of, self._made
        return [of(entry, made) for entry in entries]


def _batches(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    found: list[Sequence[Entry]] = []
    first = size = 0
    for at, entry in enumerate(entries):
        size += len(entry.body)
        if size >= FEW:
            found.append(entries[first : at + 1])
            first, size = at + 1, 0
    if first < len(entries):
        found.append(entries[first:])
    return found


def list_head(types: schema.Schema, api_version: str, list_kind: str, meta: Object, items: Pieces) -> bytes:
    """The beginning of a list's document, up to its items."""
    metadata = framed(METADATA, writer(types.definition(f"{_META}v1.ListMeta")).write(meta))
    size = len(metadata) + items.size - len(END)
    return b"%b%b%b%b" % (envelope(api_version, list_kind), RAW, varint(size), metadata)


def event(kind: str, document: bytes) -> bytes:
    """A WatchEvent with its length in front: four bytes, the highest first (LengthDelimitedFramer)."""
    message = framed(b"\x0a", kind.encode()) + framed(b"\x12", framed(b"\x0a", document))
    return len(message).to_bytes(4, "big") + message


def at_revision(field: bytes, revision: int) -> bytes:
    """The same object with another resourceVersion, which nothing else of it is encoded anew for."""
    outer = number_at(field, 1)[1]  # where the message begins
    length, inner = number_at(field, outer + 1)  # of the metadata, which comes first
    metadata, rest = field[inner : inner + length], field[inner + length :]
    before = after = 0
    for _ in range(VERSION):  # all of them texts, and none a pointer: they are there
        before = after
        size, start = number_at(metadata, before + 1)
        after = start + size
    told = framed(tag_of(VERSION), b"%d" % revision)
    return framed(RAW, framed(METADATA, metadata[:before] + told + metadata[after:]) + rest)


def of_json(body: bytes) -> bytes:
    """The document of an answer that is JSON. Raises protobuf.Unknown for what has no encoding."""
    obj = _decode(body)
    return protobuf_writer.encode(type_of(schema.load(), obj.get("apiVersion") or "v1", obj["kind"]), obj)


def type_of(types: schema.Schema, api_version: str, kind: str) -> Struct:
    """Raises Unknown for what has no protobuf encoding."""
    group, _, version = api_version.rpartition("/")
    found = undocumented.find(types, group, version, kind) or types.type(Kind(group, version, kind, ""))
    if found is None:
        raise Unknown(f"{api_version} {kind}")
    return found


async def write_out(response: Response, seat: Seat) -> None:
    """Write a body of JSON as protobuf."""
    body = response.whole()
    if len(body) > FEW:
        await seat.take()
    response.body = await seat.run(of_json, body)
    response.tail = Pieces(())
