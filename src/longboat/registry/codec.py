"""Between an object and the bytes that storage keeps of it, for one kind: its stored version may be another."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, meta
from longboat.machinery.types.schema import Schema
from longboat.registry import size
from longboat.registry.conversion import Conversions, Run, untouched
from longboat.registry.strategy import Strategy
from longboat.storage.entry import Entry, splice
from longboat.storage.interface import Item, Unopened, Unreadable

LARGE = 128 << 10  # bytes of a stored object, from which on a change to it is worked out beside the loop

_encode = msgspec.json.Encoder().encode


class Codec:
    """`plain` is what storage keeps: canonical JSON of the hub's version, without a resourceVersion.

    `shows`: what is shown may differ from what is stored. Where it `asks`, what has to be known is made known before:
    for reads by `prepare`, for writes by what `working` gives.
    """

    shows = False
    asks = False  # somebody else converts between versions (`conversion.py`)

    def __init__(self, strategy: Strategy, schema: Schema) -> None:
        self._strategy = strategy
        self.shows = self.shows or strategy.hub is not None
        self._kind, self._hub = strategy.kind, strategy.hub
        self._schema = schema

    async def prepare(self, entries: Sequence[Entry] = ()) -> None:
        """Have at hand what showing needs. Raises Unconvertible."""

    def working(self, run: Run, *, bare: bool = False) -> Run:
        """How a write calls what reads, changes and encodes objects. `bare`: it is about their metadata alone."""
        if not self.asks:
            return run
        return untouched(run) if bare else Conversions(run).run

    def read(self, item: Item) -> Object:
        """The object, in this kind's version."""
        hub, large = self._hub, len(item.value) > LARGE
        if hub:
            return self._strategy.from_hub(self._schema.read(hub, item.value, large=large))
        return self._schema.read(self._kind, item.value, large=large)

    def plain(self, obj: Object, *, large: bool = False) -> bytes:
        """The object as the storage is to keep it."""
        if self._hub:
            return self._schema.canonical(self._hub, self._strategy.to_hub(obj), large=large)
        return self._schema.canonical(self._kind, obj, large=large)

    def fitting(self, obj: Object, before: bytes = b"", *, large: bool = False) -> bytes:
        """As `plain`. What is too large loses its managedFields, and is refused where that is not enough.

        `before` is what is stored: of what was always too large, a version that is no larger may take its place.
        Raises StatusError.
        """
        while True:
            found = size.estimated(self._schema, self._kind, obj) if large and len(before) <= size.MAX_OBJECT else 0
            if found <= size.MAX_OBJECT:  # defaults may have made much of it: then it is not even encoded
                plain = self.plain(obj, large=large)
                found = size.counted(self._schema, self._kind, obj, plain)
                if found <= size.MAX_OBJECT or len(plain) <= len(before):
                    return plain
            if meta(obj).pop("managedFields", None) is None:
                raise size.too_large(found)

    def answer(self, plain: bytes, revision: int) -> bytes:
        """What was stored, as the client is to see it."""
        body = splice(plain, revision)[0]
        return self._converted(self._hub, body) if self._hub else body

    def shown(self, entry: Entry) -> Entry:
        """The cache's entry in this kind's version; made once."""
        if self._hub is None:
            return entry
        converted: Entry | None = entry.encodings.get(type(self._strategy))
        if converted is None:
            body = self._converted(self._hub, entry.body)
            converted = Entry(entry.key, entry.revision, body, entry.labels, entry.fields)
            entry.encodings[type(self._strategy)] = converted
        return converted

    def carry(self, old: Entry, removed: Entry) -> None:
        """Let the entry that shows an object's removal have what is known of how the object is shown."""

    def _converted(self, hub: Kind, body: bytes) -> bytes:
        shown = self._strategy.from_hub(self._schema.read(hub, body))
        return _encode(shown) if hub == self._kind else self._schema.canonical(self._kind, shown)


def lost_to(item: Item | None) -> Item | None:
    """What a lost compare-and-swap lost to, as the cache would show it. Raises Unreadable."""
    if item is None:
        return None
    if isinstance(item.value, Unopened):
        raise Unreadable(item.key, item.value.why)
    return Item(item.key, splice(item.value, item.revision)[0], item.revision)
