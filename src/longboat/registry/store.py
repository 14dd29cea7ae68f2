"""The one CRUD path: what happens to an object between a request and storage, in one order for all kinds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import msgspec

from longboat.aio.clock import Clock
from longboat.machinery import errors
from longboat.machinery.errors import STALE, StatusError
from longboat.machinery.fieldpath import Errors
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, meta
from longboat.machinery.types.schema import Schema
from longboat.registry import deletion, metadata, size
from longboat.registry.admission import ADMITTED, Admission, Attributes
from longboat.registry.reservation import Held, Reserver
from longboat.registry.strategy import Deletion, Strategy
from longboat.registry.write import Write
from longboat.storage.entry import Entry, splice
from longboat.storage.interface import (
    Compacted,
    Item,
    KeyExists,
    RevisionMismatch,
    Storage,
    StorageError,
    Unopened,
    Unreadable,
)
from longboat.storage.watchcache import WatchCache

GENERATE_ATTEMPTS = 8  # names tried for a generateName before giving up (KEP-4420)
LARGE = 128 << 10  # bytes of a stored object, from which on a change to it is worked out beside the loop

_encode = msgspec.json.Encoder().encode

Transform = Callable[[Object], Object]
"""From what is stored to what should be. Raises StatusError. May be called several times."""


@dataclass(frozen=True, slots=True)
class Result:
    """An object as it is after a write: its JSON with the resourceVersion, and whether the write created it."""

    body: bytes
    created: bool = False


class Store:
    """All objects of one kind. Reads are the watch cache's; this is the way in."""

    def __init__(self, strategy: Strategy, storage: Storage, cache: WatchCache, schema: Schema, clock: Clock) -> None:
        self.strategy = strategy
        self.kind = strategy.kind
        self.parts = strategy.parts()
        self.cache = cache
        self._storage = storage
        self._schema = schema
        self._clock = clock
        self.reserver: Reserver | None = None  # of a kind whose objects hold addresses or ports (`catalog.connect`)

    def key(self, namespace: str, name: str) -> str:
        return f"{self.cache.prefix}{namespace}/{name}" if self.kind.namespaced else f"{self.cache.prefix}{name}"

    def prefix(self, namespace: str) -> str:
        return f"{self.cache.prefix}{namespace}/" if namespace and self.kind.namespaced else self.cache.prefix

    def find(self, namespace: str, name: str) -> Entry | None:
        return self.cache.get(self.key(namespace, name))

    async def seek(self, namespace: str, name: str, seconds: float) -> Entry | None:
        """As `find`, of what any API server has written until now; if it is not there, wait so long for it to come."""
        await self.cache.fresh()
        if seconds <= 0 or self.find(namespace, name) is not None:
            return self.find(namespace, name)
        watcher = self.cache.watch(self.prefix(namespace), self.cache.revision)
        try:
            async with self._clock.timeout(seconds):
                async for _ in watcher:
                    if self.find(namespace, name) is not None:
                        break
        except (TimeoutError, Compacted):
            pass  # what is there now is the answer
        finally:
            watcher.close()
        return self.find(namespace, name)

    def get(self, namespace: str, name: str) -> Entry:
        """Raises StatusError 404."""
        entry = self.cache.get(self.key(namespace, name))
        if entry is None:
            raise errors.not_found(self.kind, name)
        return entry

    def entries(self, namespace: str = "") -> list[Entry]:
        """Raises Unreadable."""
        prefix = self.prefix(namespace)
        self.cache.check(prefix)
        return self.cache.snapshot().entries(prefix)

    async def create(self, obj: Object, namespace: str, write: Write, admission: Admission = ADMITTED) -> Result:
        """Raises StatusError."""
        write.operation, write.now, found = "CREATE", self._clock.now(), meta(obj)
        metadata.match_namespace(self.strategy, found, namespace)
        name = found.get("name") or ""
        base = "" if name else found.get("generateName") or ""
        attributes = self._attributes(write, namespace, name or base, obj, None)
        await self._mutated(obj, attributes, admission)
        for _ in range(GENERATE_ATTEMPTS if base else 1):
            attempt = obj
            if base:  # the next attempt begins where this one did
                attempt = deepcopy(obj) if self.reserver else obj | {"metadata": dict(meta(obj))}
                meta(attempt)["name"] = self._free_name(namespace, base)
            attributes.obj, attributes.name = attempt, meta(attempt).get("name") or ""
            try:
                return await self._create(attempt, attributes, admission)
            except KeyExists:
                if not base:
                    raise errors.already_exists(self.kind, attributes.name) from None
        raise errors.already_exists(self.kind, base)

    async def _mutated(self, obj: Object, attributes: Attributes, admission: Admission) -> None:
        """Default the object, and again once admission has changed it. Raises StatusError."""
        work = attributes.write.seat.run
        await work(self.strategy.default, obj)
        await admission.mutate(attributes)
        await work(self.strategy.default, obj)

    def _free_name(self, namespace: str, base: str) -> str:
        """A name that nothing has which this server knows of."""
        name = metadata.generated(base)
        for _ in range(GENERATE_ATTEMPTS):
            if self.cache.get(self.key(namespace, name)) is None:
                break
            name = metadata.generated(base)
        return name

    async def _create(self, obj: Object, attributes: Attributes, admission: Admission) -> Result:
        strategy, write = self.strategy, attributes.write
        work = write.seat.run
        metadata.begin(meta(obj), write)
        async with await self._reserved(obj, None, write) as held:
            warnings = await work(self._judged, obj, write)
            await admission.validate(attributes)
            write.warnings += warnings
            key = self.key(attributes.namespace, attributes.name)
            if self.cache.get(key) is not None:
                raise KeyExists
            plain = await work(self._fitting, obj, large=write.seat.taken)
            if write.dry_run:
                return Result(self._answer(plain, 0), created=True)
            held.begun = True
            revision = await self._stored(self._storage.create(key, plain, ttl=strategy.ttl(obj)))
            await held.keep()
        await self.cache.wait_for(revision)
        return Result(self._answer(plain, revision), created=True)

    async def _reserved(self, new: Object, old: Object | None, write: Write) -> Held:
        """What the object takes of what there is only once. Raises StatusError; then it has taken nothing."""
        return Held(None if self.reserver is None else await self.reserver.reserve(new, old, write))

    def _judged(self, obj: Object, write: Write) -> list[str]:
        """Take from a new object what is not its maker's to say, and validate. Returns warnings. Raises StatusError."""
        strategy, err = self.strategy, Errors()
        if strategy.has_status and not strategy.born_with_status:
            obj.pop("status", None)
        if strategy.generation:
            meta(obj)["generation"] = 1
        strategy.prepare_create(obj, write)
        with err.enough():
            metadata.validate(strategy, meta(obj), err)
            strategy.validate(obj, err)
            strategy.validate_create(obj, err)
        if err:
            raise errors.invalid(self.kind, meta(obj).get("name") or "", err)
        return strategy.warnings(obj, None)

    async def update(
        self,
        namespace: str,
        name: str,
        transform: Transform,
        write: Write,
        *,
        retry: bool = False,
        creates: Object | None = None,
        admission: Admission = ADMITTED,
    ) -> Result:
        """Replace an object by what `transform` makes of it. `retry`: it rests on nothing but the object given to it.
        `creates`: what to create where there is nothing yet.

        When somebody else was faster, what rests on nothing it has read is made anew, until it succeeds or its caller
        gives up (a request has a deadline). Those who lost once take turns, so each of many on one object gets through.
        Raises StatusError: 404, 409 with `STALE`, 422 and what admission says.
        """
        key, warned = self.key(namespace, name), len(write.warnings)

        async def once(current: Item | None) -> Result:
            """Raises RevisionMismatch where another try may help."""
            del write.warnings[warned:]
            if current is None:
                if creates is not None and not write.subresource:
                    return await self.create(creates, namespace, write, admission)
                raise errors.not_found(self.kind, name)
            old = await write.seat.run(self._read, current)
            new = await write.seat.run(transform, old)
            again = retry or not meta(new).get("resourceVersion")
            self._check_version(new, current, name)
            try:
                return await self._replace(current, old, new, namespace, name, write, admission)
            except RevisionMismatch:
                if not again:
                    raise errors.conflict(self.kind, name, STALE) from None
                raise

        first = self._current(key)
        if first is not None and len(first.value) > LARGE:
            await write.seat.take()  # before the turn: who has one would keep from it those whose seats it waits for
            first = self._current(key)
        if not (retry and key in self.cache.turns):
            try:
                return await once(first)
            except RevisionMismatch as lost:
                if lost.current is None:
                    return await once(None)
        async with self.cache.turns.of(key):
            current = self._current(key)
            while True:
                try:
                    return await once(current)
                except RevisionMismatch as lost:
                    current = self._plain(lost.current)
                    await asyncio.sleep(0)

    def _current(self, key: str) -> Item | None:
        entry = self.cache.get(key)
        return Item(key, entry.body, entry.revision) if entry else None

    def _check_version(self, new: Object, current: Item, name: str) -> None:
        found = meta(new)
        if (version := found.pop("resourceVersion", None)) and version != str(current.revision):
            raise errors.conflict(self.kind, name, STALE)

    async def _replace(
        self, current: Item, old: Object, new: Object, namespace: str, name: str, write: Write, admission: Admission
    ) -> Result:
        write.operation, write.now = "UPDATE", self._clock.now()
        strategy, work = self.strategy, write.seat.run
        old_meta, new_meta = meta(old), meta(new)
        if (uid := new_meta.get("uid")) and uid != old_meta.get("uid"):
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old_meta.get('uid')}"
            raise errors.conflict(self.kind, name, why)
        metadata.match_namespace(strategy, new_meta, namespace)
        metadata.carry_over(new_meta, old_meta)
        attributes = self._attributes(write, namespace, name, new, old)
        await self._mutated(new, attributes, admission)
        async with await self._reserved(new, old, write) as held:
            warnings = await work(self._judged_against, new, old, name, write)
            await admission.validate(attributes)
            write.warnings += warnings
            if deletion.complete(strategy, new):
                return await self._remove(current, new, write, held_by=old)
            plain = await work(self._fitting, new, current.value, large=write.seat.taken)
            same = splice(plain, current.revision)[0] == splice(current.value, current.revision)[0]
            if write.dry_run or (same and not await self._storage.stale(current.key)):
                return Result(self._answer(plain, current.revision))
            held.begun = True
            change = self._storage.update(current.key, plain, expect=current.revision, ttl=strategy.ttl(new))
            revision = await self._stored(change)
            await held.keep()
        await self.cache.wait_for(revision)
        return Result(self._answer(plain, revision))

    def _prepare(self, new: Object, old: Object, write: Write) -> None:
        """Let each write change only its own part: status writes the status, others all but the status."""
        strategy = self.strategy
        if write.subresource == "status":
            for part in [part for part in new if part not in ("kind", "apiVersion", "metadata", "status")]:
                del new[part]
            new.update({k: v for k, v in old.items() if k not in ("kind", "apiVersion", "metadata", "status")})
            strategy.prepare_status(new, old, write)
            return
        if strategy.has_status and write.subresource == "":
            new.pop("status", None)
            if "status" in old:
                new["status"] = old["status"]
        strategy.prepare_update(new, old, write)

    def _judged_against(self, new: Object, old: Object, name: str, write: Write) -> list[str]:
        """As `_judged`, for a version that follows another; counts generations too."""
        strategy, subresource, err = self.strategy, write.subresource, Errors()
        self._prepare(new, old, write)
        with err.enough():
            metadata.validate(strategy, meta(new), err)
            metadata.validate_update(meta(new), meta(old), err)
            if subresource == "status":
                strategy.validate_status(new, old, err)
            elif subresource:
                strategy.validate_part(subresource, new, old, err)
            else:
                strategy.validate(new, err)
                strategy.validate_update(new, old, err)
        if err:
            raise errors.invalid(self.kind, name, err)
        self._count_generation(new, old, subresource)
        return strategy.warnings(new, old)

    def _count_generation(self, new: Object, old: Object, subresource: str) -> None:
        strategy = self.strategy
        part = self.parts.get(subresource)
        if not strategy.generation or (part is not None and not part.counts):
            return
        changed = any(
            new.get(part) != old.get(part) for part in new.keys() | old.keys() if part not in ("metadata", "status")
        )
        counted = strategy.counted_metadata if subresource != "status" else ()
        if changed or any((meta(new).get(part) or {}) != (meta(old).get(part) or {}) for part in counted):
            meta(new)["generation"] = (meta(old).get("generation") or 0) + 1

    async def delete(
        self, namespace: str, name: str, wish: Deletion, write: Write, admission: Admission = ADMITTED
    ) -> tuple[bytes, bool]:
        """The object as it now is (or last was), and whether it is gone. Raises StatusError."""
        write.operation = "DELETE"
        current = self._current(self.key(namespace, name))
        admitted = False
        while True:
            if current is None:
                raise errors.not_found(self.kind, name)
            old = self._read(current)
            deletion.check_preconditions(self.kind, old, wish.preconditions)
            if not admitted:
                attributes = self._attributes(write, namespace, name, None, old)
                await admission.mutate(attributes)
                await admission.validate(attributes)
                admitted = True
            write.now = self._clock.now()
            outcome = deletion.plan(self.strategy, old, wish, write)
            try:
                return await self._carry_out(outcome, current, old, write)
            except RevisionMismatch as lost:
                current = self._plain(lost.current)
                await asyncio.sleep(0)

    async def _carry_out(
        self, outcome: deletion.Outcome, current: Item, old: Object, write: Write
    ) -> tuple[bytes, bool]:
        if outcome.remove:
            return (await self._remove(current, old, write)).body, True
        if outcome.mark is None:
            return current.value, False
        meta(outcome.mark).pop("resourceVersion", None)
        plain = self._encoded(outcome.mark)
        if write.dry_run:
            return self._answer(plain, current.revision), False
        revision = await self._stored(self._storage.update(current.key, plain, expect=current.revision))
        await self.cache.wait_for(revision)
        return self._answer(plain, revision), False

    async def _remove(self, current: Item, last: Object, write: Write, held_by: Object | None = None) -> Result:
        """`held_by`: the version that held what is now given back, where it is not the last."""
        meta(last).pop("resourceVersion", None)
        plain = self._encoded(last)
        if write.dry_run:
            return Result(self._answer(plain, current.revision))
        revision = await self._stored(self._storage.delete(current.key, expect=current.revision))
        if self.reserver is not None:
            await self.reserver.released(held_by or last)
        await self.cache.wait_for(revision)
        return Result(self._answer(plain, current.revision))

    async def delete_each(
        self, entries: list[Entry], wish: Deletion, write: Write, admission: Admission = ADMITTED
    ) -> AsyncIterator[bytes]:
        """Delete these one by one; those that have gone meanwhile are passed over."""
        for entry in entries:
            namespace, _, name = entry.key.removeprefix(self.cache.prefix).rpartition("/")
            try:
                body, _ = await self.delete(namespace, name, wish, write, admission)
            except StatusError as error:
                if error.code != 404:
                    raise
                continue
            yield body

    def _read(self, item: Item) -> Object:
        hub, large = self.strategy.hub, len(item.value) > LARGE
        if hub:
            return self.strategy.from_hub(self._schema.read(hub, item.value, large=large))
        return self._schema.read(self.kind, item.value, large=large)

    def _encoded(self, obj: Object, *, large: bool = False) -> bytes:
        """The object as the storage is to keep it."""
        hub = self.strategy.hub
        if hub:
            return self._schema.canonical(hub, self.strategy.to_hub(obj), large=large)
        return self._schema.canonical(self.kind, obj, large=large)

    def _fitting(self, obj: Object, before: bytes = b"", *, large: bool = False) -> bytes:
        """As `_encoded`. What is too large loses its managedFields, and is refused where that is not enough.

        `before` is what is stored: of what was always too large, a version that is no larger may take its place.
        Raises StatusError.
        """
        while True:
            found = size.estimated(self._schema, self.kind, obj) if large and len(before) <= size.MAX_OBJECT else 0
            if found <= size.MAX_OBJECT:  # defaults may have made much of it: then it is not even encoded
                plain = self._encoded(obj, large=large)
                found = size.counted(self._schema, self.kind, obj, plain)
                if found <= size.MAX_OBJECT or len(plain) <= len(before):
                    return plain
            if meta(obj).pop("managedFields", None) is None:
                raise size.too_large(found)

    def _answer(self, plain: bytes, revision: int) -> bytes:
        """What was stored, as the client is to see it."""
        body = splice(plain, revision)[0]
        return self._converted(self.strategy.hub, body) if self.strategy.hub else body

    def shown(self, entry: Entry) -> Entry:
        """The cache's entry in this kind's version; made once."""
        hub = self.strategy.hub
        if hub is None:
            return entry
        converted: Entry | None = entry.encodings.get(type(self.strategy))
        if converted is None:
            body = self._converted(hub, entry.body)
            converted = Entry(entry.key, entry.revision, body, entry.labels, entry.fields)
            entry.encodings[type(self.strategy)] = converted
        return converted

    def _converted(self, hub: Kind, body: bytes) -> bytes:
        shown = self.strategy.from_hub(self._schema.read(hub, body))
        return _encode(shown) if hub == self.kind else self._schema.canonical(self.kind, shown)

    def _plain(self, item: Item | None) -> Item | None:
        """What a lost compare-and-swap found, as the cache would show it. Raises Unreadable."""
        if item is None:
            return None
        if isinstance(item.value, Unopened):
            raise Unreadable(item.key, item.value.why)
        return Item(item.key, splice(item.value, item.revision)[0], item.revision)

    def _attributes(
        self, write: Write, namespace: str, name: str, obj: Object | None, old: Object | None
    ) -> Attributes:
        part = self.parts.get(write.subresource) if write.subresource else None
        return Attributes(write, self.kind, part, namespace, name, obj, old)

    async def _stored(self, change: Any) -> int:
        try:
            revision: int = await change
            return revision
        except StorageError as error:
            raise errors.StatusError(500, "InternalError", f"Internal error occurred: {error}") from error
