"""The one CRUD path: what happens to an object between a request and storage, in one order for all kinds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import msgspec

from longboat.aio.clock import Clock
from longboat.machinery import errors
from longboat.machinery.errors import STALE, StatusError
from longboat.machinery.objects import Object, meta
from longboat.machinery.types.schema import Schema
from longboat.registry import deletion, judging, metadata, preconditions
from longboat.registry.admission import ADMITTED, Admission, Attributes
from longboat.registry.codec import LARGE, lost_to
from longboat.registry.conversion import Run, Unconvertible
from longboat.registry.custom import codec_for
from longboat.registry.ownership import MANAGED, Ownership, keep_owners, keep_times, keep_valid
from longboat.registry.reading import Reads
from longboat.registry.reservation import Held, Reserver
from longboat.registry.strategy import Deletion, Strategy
from longboat.registry.write import Write
from longboat.storage.entry import splice
from longboat.storage.figures import Measured
from longboat.storage.interface import (
    Item,
    KeyExists,
    RevisionMismatch,
    Storage,
    StorageError,
)
from longboat.storage.watchcache import WatchCache

log = logging.getLogger(__name__)

GENERATE_ATTEMPTS = 8  # names tried for a generateName before giving up (KEP-4420)

Transform = Callable[[Object], Object]
"""From what is stored to what should be. Raises StatusError. May be called several times."""


@dataclass(frozen=True, slots=True)
class Result:
    """An object as it is after a write: its JSON with the resourceVersion, and whether the write created it."""

    body: bytes
    created: bool = False


class Store(Reads):
    """All objects of one kind. Reads are the watch cache's (`reading.py`); this is the way in."""

    def __init__(
        self, strategy: Strategy, storage: Storage, cache: WatchCache, schema: Schema, clock: Clock,
        versions: dict[str, Ownership] | None = None,
    ) -> None:  # fmt: skip
        """`versions`: what the stores of all versions of the kind share; this one's is put into it."""
        self.strategy = strategy
        self.kind = strategy.kind
        self.parts = strategy.parts()
        self.cache = cache
        self._storage = self.measured = Measured(storage, clock)
        self.codec = codec_for(strategy, schema)
        self.ownership = Ownership(strategy, schema, {} if versions is None else versions)
        self._clock = clock
        self.reserver: Reserver | None = None  # of a kind whose objects hold addresses or ports (`catalog.connect`)

    async def create(self, obj: Object, namespace: str, write: Write, admission: Admission = ADMITTED) -> Result:
        """Raises StatusError."""
        write.operation, write.now, found = "CREATE", self._clock.now(), meta(obj)
        metadata.match_namespace(self.strategy, found, namespace)
        version, name = found.pop("resourceVersion", None), found.get("name") or ""
        base = "" if name else found.get("generateName") or ""
        attributes = self._attributes(write, namespace, name or base, obj, None)
        work = self.codec.working(write.seat.run)
        await self._mutated(obj, None, attributes, admission, work)
        for _ in range(GENERATE_ATTEMPTS if base else 1):
            attempt = obj
            if base:  # the next attempt begins where this one did
                attempt = deepcopy(obj) if self.reserver else obj | {"metadata": dict(meta(obj))}
                meta(attempt)["name"] = self._free_name(namespace, base)
            attributes.obj, attributes.name = attempt, meta(attempt).get("name") or ""
            try:
                return await self._create(attempt, attributes, admission, work, version)
            except KeyExists:
                taken = attributes.name
        raise self._taken(namespace, taken, generated=bool(found.get("generateName")))

    def _taken(self, namespace: str, name: str, *, generated: bool) -> StatusError:
        """Why nothing of this name can be created. `generated`: the client has asked for a name."""
        there = self.cache.get(self.key(namespace, name))  # its metadata alone: it may be large, and this is the loop
        going = there is not None and "deletionTimestamp" in msgspec.json.decode(there.metadata)
        return errors.already_exists(self.kind, name, going=going, generated=generated)

    async def _mutated(
        self, obj: Object, old: Object | None, attributes: Attributes, admission: Admission, work: Run
    ) -> None:
        """Default the object, and again once admission has changed it. What admission changes is nobody's: whose the
        rest is has been settled before. Raises StatusError."""
        write = attributes.write
        await work(self.strategy.default, obj)
        if write.manager is not None and not write.applies:
            await self._owned(old, obj, write, work)
        owners = meta(obj).get(MANAGED)
        await admission.mutate(attributes)
        keep_valid(obj, owners, write)
        await work(self.strategy.default, obj)

    async def _owned(self, old: Object | None, obj: Object, write: Write, work: Run) -> None:
        """Settle whose the fields are. Where nobody can tell, what was known of that stays."""
        try:
            await work(self.ownership.update, old, obj, write)
        except Unconvertible as error:
            log.warning("who owns fields of %s is not kept: %s", self.kind.resource, error.message)
            keep_owners(obj, old)

    def _free_name(self, namespace: str, base: str) -> str:
        """A name that nothing has which this server knows of."""
        name = metadata.generated(base)
        for _ in range(GENERATE_ATTEMPTS):
            if self.cache.get(self.key(namespace, name)) is None:
                break
            name = metadata.generated(base)
        return name

    async def _create(
        self, obj: Object, attributes: Attributes, admission: Admission, work: Run, version: str | None = None
    ) -> Result:
        """`version`: the resourceVersion that the client has sent, which nothing new can have."""
        strategy, write = self.strategy, attributes.write
        metadata.begin(meta(obj), write)
        async with await self._reserved(obj, None, write) as held:
            warnings = await work(judging.judge_new, strategy, obj, write)
            await admission.validate(attributes)
            write.warnings += warnings
            if not write.dry_run:
                preconditions.check_unset(version)
            key = self.key(attributes.namespace, attributes.name)
            if self.cache.get(key) is not None:
                raise KeyExists
            plain = await work(self.codec.fitting, obj, large=write.seat.taken)
            if write.dry_run or self.codec.asks:  # nothing is written of which its client could not be told
                answer = await work(self.codec.answer, plain, 0)
                if write.dry_run:
                    return Result(answer, created=True)
            held.begun = True
            revision = await self._stored(self._storage.create(key, plain, ttl=strategy.ttl(obj)))
            await held.keep()
        return Result(await self._written(key, plain, revision, work), created=True)

    async def _written(self, key: str, plain: bytes, revision: int, work: Run) -> bytes:
        """The answer to a write, once it can be read here: what readers are shown, where nobody was faster."""
        await self.cache.wait_for(revision)
        entry = self.cache.get(key) if self.codec.asks or not self.codec.shows else None
        if entry is not None and entry.revision == revision:
            if self.codec.asks:  # what has been converted for the answer is known to readers, too
                entry = await work(self.codec.shown, entry)
            return entry.body
        found: bytes = await work(self.codec.answer, plain, revision)
        return found

    async def _read(self, current: Item, work: Run) -> Object:
        """What is stored, in this version. What readers have had converted is not asked for again."""
        entry = self.cache.get(current.key) if self.codec.asks else None
        found: Object
        if entry is None or entry.revision != current.revision:
            found = await work(self.codec.read, current)
        else:
            await self.codec.prepare((entry,))
            found = msgspec.json.decode(self.codec.shown(entry).body)
        return found

    async def _reserved(self, new: Object, old: Object | None, write: Write) -> Held:
        """What the object takes of what there is only once. Raises StatusError; then it has taken nothing."""
        return Held(None if self.reserver is None else await self.reserver.reserve(new, old, write))

    async def update(
        self,
        namespace: str,
        name: str,
        transform: Transform,
        write: Write,
        *,
        retry: bool = False,
        creates: Callable[[], Object] | None = None,
        uid: str = "",
        admission: Admission = ADMITTED,
    ) -> Result:
        """Replace an object by what `transform` makes of it. `retry`: it rests on nothing but the object given to it.
        `creates`: makes what to create where there is nothing yet. `uid`: of the object that is meant.

        When somebody else was faster, what rests on nothing it has read is made anew, until it succeeds or its caller
        gives up (a request has a deadline). Those who lost once take turns, so each of many on one object gets through.
        Raises StatusError: 404, 409 with `STALE`, 422, 500 for a version that is none, and what admission says.
        """
        key, warned = self.key(namespace, name), len(write.warnings)
        work = self.codec.working(write.seat.run)

        async def once(current: Item | None) -> Result:
            """Raises RevisionMismatch where another try may help."""
            del write.warnings[warned:]
            if current is None:
                preconditions.check_stored(self.kind, name, key, {}, uid=uid)
                if creates is not None and not write.subresource:
                    made = creates()
                    meta(made).pop("resourceVersion", None)
                    return await self.create(made, namespace, write, admission)
                raise errors.not_found(self.kind, name)
            old = await self._read(current, work)
            preconditions.check_stored(self.kind, name, key, meta(old), uid=uid)
            new = await work(transform, old)
            if meta(new) is meta(old):  # it is changed below, and the old one is looked at
                new["metadata"] = dict(meta(old))
            version = preconditions.version_of(meta(new).pop("resourceVersion", None))
            preconditions.check_version(
                self.kind, name, version, current.revision, unconditional=self.strategy.unconditional_update
            )
            again = retry or not version
            try:
                return await self._replace(current, old, new, namespace, name, write, admission, work)
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
                    current = lost_to(lost.current)
                    await asyncio.sleep(0)

    async def apply(self, config: Object, write: Write) -> Result:
        """Lay a configuration over an object that is there, taking over what it says. Raises StatusError."""
        write.applies, found = True, meta(config)

        def change(live: Object) -> Object:
            write.now = self._clock.now()
            return self.ownership.apply(live, config, write, force=True)

        return await self.update(found.get("namespace") or "", found["name"], change, write, retry=True)

    def _current(self, key: str) -> Item | None:
        entry = self.cache.get(key)
        return Item(key, entry.body, entry.revision) if entry else None

    async def _replace(
        self, current: Item, old: Object, new: Object, namespace: str, name: str, write: Write, admission: Admission,
        work: Run,
    ) -> Result:  # fmt: skip
        write.operation, write.now = "UPDATE", self._clock.now()
        strategy = self.strategy
        old_meta, new_meta = meta(old), meta(new)
        metadata.match_namespace(strategy, new_meta, namespace)
        metadata.carry_over(new_meta, old_meta)
        attributes = self._attributes(write, namespace, name, new, old)
        await self._mutated(new, old, attributes, admission, work)
        async with await self._reserved(new, old, write) as held:
            warnings = await work(judging.judge_change, strategy, attributes.part, new, old, name, write)
            await admission.validate(attributes)
            write.warnings += warnings
            if deletion.complete(strategy, new):
                return await self._remove(current, new, write, work, held_by=old)
            keep_times(new, old)
            plain = await work(self.codec.fitting, new, current.value, large=write.seat.taken)
            same = splice(plain, current.revision)[0] == splice(current.value, current.revision)[0]
            if self.codec.asks:
                await work(self.codec.answer, plain, current.revision)
            if write.dry_run or (same and not await self._storage.stale(current.key)):
                return Result(await work(self.codec.answer, plain, current.revision))
            held.begun = True
            change = self._storage.update(current.key, plain, expect=current.revision, ttl=strategy.ttl(new))
            revision = await self._stored(change)
            await held.keep()
        return Result(await self._written(current.key, plain, revision, work))

    async def delete(
        self, namespace: str, name: str, wish: Deletion, write: Write, admission: Admission = ADMITTED
    ) -> tuple[bytes, bool]:
        """The object as it now is (or last was), and whether it is gone. Raises StatusError."""
        write.operation = "DELETE"
        current = self._current(self.key(namespace, name))
        work, admitted = self.codec.working(write.seat.run, bare=admission is ADMITTED), False
        while True:
            if current is None:
                raise errors.not_found(self.kind, name)
            old = await (work(self.codec.read, current) if admission is ADMITTED else self._read(current, work))
            preconditions.check_deletion(self.kind, old, wish.preconditions)
            if not admitted:
                attributes = self._attributes(write, namespace, name, None, old)
                await admission.mutate(attributes)
                await admission.validate(attributes)
                admitted = True
            write.now = self._clock.now()
            outcome = deletion.plan(self.strategy, old, wish, write)
            try:
                return await self._carry_out(outcome, current, old, write, work)
            except RevisionMismatch as lost:
                current = lost_to(lost.current)
                await asyncio.sleep(0)

    async def _carry_out(
        self, outcome: deletion.Outcome, current: Item, old: Object, write: Write, work: Run
    ) -> tuple[bytes, bool]:
        if outcome.remove:
            return (await self._remove(current, old, write, work)).body, True
        if outcome.mark is None:
            return await work(self.codec.answer, current.value, current.revision), False
        meta(outcome.mark).pop("resourceVersion", None)
        plain = await work(self.codec.plain, outcome.mark)
        if write.dry_run or self.codec.asks:
            answer = await work(self.codec.answer, plain, current.revision)
            if write.dry_run:
                return answer, False
        revision = await self._stored(self._storage.update(current.key, plain, expect=current.revision))
        await self.cache.wait_for(revision)
        return await work(self.codec.answer, plain, revision), False

    async def _remove(
        self, current: Item, last: Object, write: Write, work: Run, held_by: Object | None = None
    ) -> Result:
        """`held_by`: the version that held what is now given back, where it is not the last."""
        meta(last).pop("resourceVersion", None)
        plain = await work(self.codec.plain, last)
        if write.dry_run or self.codec.asks:
            answer = await work(self.codec.answer, plain, current.revision)
            if write.dry_run:
                return Result(answer)
        revision = await self._stored(self._storage.delete(current.key, expect=current.revision))
        if self.reserver is not None:
            await self.reserver.released(held_by or last)
        await self.cache.wait_for(revision)
        return Result(await work(self.codec.answer, plain, current.revision))

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
