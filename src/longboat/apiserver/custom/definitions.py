"""Follows the stored definitions: gives each its names, serves its versions, and takes them away again."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.apiserver.custom import conditions
from longboat.apiserver.custom.cleanup import clean
from longboat.apiserver.custom.serving import Converting, versions_of
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, timestamp
from longboat.machinery.types.schema import Schema
from longboat.registry.custom import CustomResource
from longboat.registry.store import Store
from longboat.registry.write import Write
from longboat.storage.interface import Compacted, Progress, StorageError

log = logging.getLogger(__name__)

RETRY = 1.0  # seconds after a failure
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(order="deterministic").encode


class Server(Protocol):
    """What serves kinds (`apiserver.app.APIServer`)."""

    async def serve(self, gone: Iterable[Kind], stored: CustomResource, served: Sequence[CustomResource]) -> Store:
        """Serve these versions of a kind in place of those. Raises StorageError, ValueError."""
        ...

    async def withdraw(self, kind: Kind) -> None: ...


class _Served:
    """What is served of one definition. `digest`: of what it was made of."""

    def __init__(self, digest: bytes, kinds: list[Kind], stored: CustomResource, store: Store) -> None:
        self.digest, self.kinds, self.stored, self.store = digest, kinds, stored, store

    def close(self) -> None:
        if (converter := self.stored.converter) is not None:
            converter.close()


class Definitions:
    """One task at work on one definition after the other: who asks for a name first gets it."""

    def __init__(
        self, store: Store, server: Server, schema: Schema, clock: Clock, tasks: Tasks, converting: Converting
    ) -> None:
        self._converting = converting
        self._store, self._server, self._schema, self._clock, self._tasks = store, server, schema, clock, tasks
        self._names: dict[str, dict[str, Object]] = {}  # the accepted ones, by group and definition
        self._waiting: dict[str, set[str]] = {}  # definitions that have not got all, by group
        self._served: dict[str, _Served] = {}
        self._ending: set[str] = set()

    async def begin(self) -> None:
        """Serve what is established. Raises StorageError."""
        for entry in self._store.entries():
            obj = _decode(entry.body)
            self._note(obj)
        for entry in self._store.entries():
            await self._tried(_name(entry.key))

    async def run(self) -> None:
        """Never ends."""
        cache = self._store.cache
        while True:
            watcher = cache.watch(cache.prefix, cache.revision)
            try:
                for name in {*(_name(entry.key) for entry in self._store.entries()), *self._served}:
                    await self._tried(name)
                async for batch in watcher:
                    if not isinstance(batch, Progress):
                        for name in dict.fromkeys(_name(change.key) for change in batch):
                            await self._tried(name)
            except (StorageError, Compacted) as error:
                log.warning("definitions of custom kinds are looked at again: %s", error)
            finally:
                watcher.close()
            await self._clock.sleep(RETRY)

    async def _tried(self, name: str) -> None:
        """One definition that fails does not keep others from being served: it is tried again by itself."""
        try:
            await self._settle(name)
        except (StatusError, StorageError, LookupError, TypeError, ValueError) as error:
            log.warning("the custom kind %s is not up to date, trying again: %s", name, error)
            self._clock.call_later(RETRY, lambda: self._tasks.spawn(f"{name} again", self._tried(name)))

    def _note(self, obj: Object) -> str:
        """Remember which names it has. Returns its group."""
        name, group = obj["metadata"]["name"], obj["spec"]["group"]
        self._names.setdefault(group, {})[name] = (obj.get("status") or {}).get("acceptedNames") or {}
        waits = self._waiting.setdefault(group, set())
        (waits.discard if conditions.accepted(obj) else waits.add)(name)
        return str(group)

    async def _settle(self, name: str) -> None:
        entry = self._store.find("", name)
        if entry is None:
            await self._forget(name)
            return
        obj = _decode(entry.body)
        group = self._note(obj)
        others = (names for other, names in self._names[group].items() if other != name)
        taken = conditions.Taken(others)
        status = conditions.settled(obj, taken, timestamp(self._clock.now()))
        now = obj | {"status": status}
        if conditions.accepted(now) or name in self._served or conditions.established(obj):
            await self._serve(name, now)
        if status != obj.get("status"):
            before = self._names[group][name]

            def told(old: Object) -> Object:
                status = conditions.settled(old, taken, timestamp(self._clock.now()))
                return {**old, "status": status}

            write = Write(subresource="status")
            await self._store.update("", name, told, write, retry=True)
            self._note(now)
            if before != status["acceptedNames"]:
                await self._reconsider(group, name)
        if conditions.waits_for_objects(obj) and name not in self._ending:
            self._ending.add(name)
            self._tasks.spawn(f"end of {name}", self._end(name))

    async def _serve(self, name: str, obj: Object) -> None:
        had = self._served.get(name)
        digest = hashlib.sha256(_encode([obj["spec"], obj["status"]["acceptedNames"]])).digest()
        if had is None or had.digest != digest:
            served, stored = versions_of(obj, self._schema, self._converting)
            kinds = list(dict.fromkeys((stored.kind, *(each.kind for each in served))))
            try:
                store = await self._server.serve(had.kinds if had else (), stored, served)
            except ValueError as error:  # another definition may come in its place
                log.warning("the custom kind %s is not served: %s", name, error)
                return
            if had is not None:
                had.close()
            had = self._served[name] = _Served(digest, kinds, stored, store)
        had.stored.family.terminating = conditions.waits_for_objects(obj)

    async def _forget(self, name: str) -> None:
        """Its names are others' now."""
        self._ending.discard(name)
        group = name.partition(".")[2]
        self._waiting.get(group, set()).discard(name)
        if (served := self._served.pop(name, None)) is not None:
            served.close()
            for kind in served.kinds:
                await self._server.withdraw(kind)
        if self._names.get(group, {}).pop(name, None) is not None:
            await self._reconsider(group, name)

    async def _reconsider(self, group: str, cause: str) -> None:
        for other in self._waiting.get(group, set()) - {cause}:
            await self._tried(other)

    async def _end(self, name: str) -> None:
        try:
            served = self._served.get(name)
            await clean(self._store, name, served.store if served else None, self._clock)
        except (StatusError, StorageError, Compacted) as error:
            log.warning("the objects of the custom kind %s are not deleted yet, trying again: %s", name, error)
            self._clock.call_later(RETRY, lambda: self._tasks.spawn(f"{name} again", self._tried(name)))
        finally:
            self._ending.discard(name)


def _name(key: str) -> str:
    return key.rpartition("/")[2]
