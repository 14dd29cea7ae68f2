"""APIServices of what this server serves itself: its own groups, and custom kinds' (kube-aggregator, autoregister).

Those of its own groups are made, and put right, when it starts; they may be changed until it starts again. Those of
custom kinds are put right whenever they change. One that nobody has marked as managed is left as it is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from longboat.aio.clock import Clock
from longboat.apiserver.aggregation import availability, priorities
from longboat.apiserver.resources import GroupVersion
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.registry.store import Store
from longboat.registry.strategy import Deletion
from longboat.registry.write import Write
from longboat.storage.interface import Compacted, Progress, StorageError

log = logging.getLogger(__name__)

LABEL, ON_START, ALWAYS = "kube-aggregator.kubernetes.io/automanaged", "onstart", "true"
RETRY = 1.0  # seconds after a failure
AT_ONCE = 50  # writes, when there is much to do

_decode = msgspec.json.Decoder().decode


def wanted(key: GroupVersion, rank: tuple[int, int], managed: str) -> Object:
    """A local APIService."""
    group, version = key
    spec: Object = {"version": version, "groupPriorityMinimum": rank[0], "versionPriority": rank[1]}
    if group:
        spec["group"] = group
    return {
        "kind": "APIService",
        "apiVersion": "apiregistration.k8s.io/v1",
        "metadata": {"name": f"{version}.{group}", "labels": {LABEL: managed}},
        "spec": spec,
    }


class Registration:
    """`services`: APIServices; `definitions`: of custom kinds. `settle_one` may be told by others to look again."""

    def __init__(self, services: Store, definitions: Store, clock: Clock) -> None:
        self._services, self._definitions, self._clock = services, definitions, clock
        self._on_start: dict[str, Object] = {}
        self._always: dict[str, Object] = {}
        self._served: dict[str, list[str]] = {}  # names of APIServices, by definition
        self._holders: dict[str, set[str]] = {}  # and the other way round
        self._begun = False

    async def begin(self, built_in: Iterable[GroupVersion]) -> None:
        """Raises StatusError, StorageError."""
        for key in built_in:
            if priorities.built_in(key[0]):
                made = wanted(key, priorities.of_built_in(key), ON_START)
                self._on_start[made["metadata"]["name"]] = made
        for entry in self._definitions.entries():
            self._note(_name(entry.key))
        names = {*self._on_start, *self._always, *(_name(entry.key) for entry in self._services.entries())}
        everything = sorted(names)
        for at in range(0, len(everything), AT_ONCE):
            await asyncio.gather(*map(self.settle_one, everything[at : at + AT_ONCE]))
        self._begun = True

    async def follow_services(self) -> None:
        """Never ends."""
        await self._follow(self._services, self._tried)

    async def follow_definitions(self) -> None:
        """Never ends."""

        async def changed(name: str) -> None:
            for each in self._note(name):
                await self._tried(each)

        await self._follow(self._definitions, changed)

    async def _follow(self, store: Store, each: Callable[[str], Awaitable[None]]) -> None:
        cache = store.cache
        while True:
            watcher = cache.watch(cache.prefix, cache.revision)
            try:
                for entry in store.entries():
                    await each(_name(entry.key))
                async for batch in watcher:
                    if not isinstance(batch, Progress):
                        for name in dict.fromkeys(_name(change.key) for change in batch):
                            await each(name)
            except (StorageError, Compacted) as error:
                log.warning("APIServices are looked at again: %s", error)
            finally:
                watcher.close()
            await self._clock.sleep(RETRY)

    def _note(self, definition: str) -> set[str]:
        """Remember which versions of its group a definition serves. Returns the APIServices that this concerns."""
        entry = self._definitions.find("", definition)
        before = self._served.pop(definition, [])
        now: list[str] = []
        if entry is not None:
            spec = _decode(entry.body)["spec"]
            for version in spec["versions"]:
                key = spec["group"], version["name"]
                if version.get("served") and not priorities.built_in(key[0]):
                    made = wanted(key, priorities.CUSTOM, ALWAYS)
                    now.append(made["metadata"]["name"])
                    self._always[now[-1]] = made
        for name in before:
            self._holders.get(name, set()).discard(definition)
        for name in now:
            self._holders.setdefault(name, set()).add(definition)
        for name in before:
            if not self._holders.get(name):
                self._holders.pop(name, None)
                self._always.pop(name, None)
        if now:
            self._served[definition] = now
        return {*before, *now}

    async def _tried(self, name: str) -> None:
        try:
            await self.settle_one(name)
        except StatusError as error:
            log.warning("the APIService %s could not be brought up to date: %s", name, error)

    async def settle_one(self, name: str) -> None:
        """Raises StatusError, StorageError."""
        entry = self._services.find("", name)
        desired = self._always.get(name) or (None if self._begun else self._on_start.get(name))
        if entry is None:
            if desired is not None:
                await self._create(desired)
            return
        found = _decode(entry.body)
        managed = (found["metadata"].get("labels") or {}).get(LABEL)
        if managed == ALWAYS or (managed == ON_START and not self._begun):
            known = desired or self._on_start.get(name)
            if known is None:
                await self._delete(name, found)
                return
            if desired is not None and found["spec"] != desired["spec"]:
                await self._update(name, desired)
        if found["spec"].get("service") is None and not availability.says(found, availability.LOCAL):
            await self._tell_local(name)

    async def _create(self, desired: Object) -> None:
        try:
            await self._services.create(desired, "", Write())
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
        await self._tell_local(desired["metadata"]["name"])

    async def _update(self, name: str, desired: Object) -> None:
        def put_right(old: Object) -> Object:
            labels = {**(old["metadata"].get("labels") or {}), **desired["metadata"]["labels"]}
            return {**old, "metadata": {**old["metadata"], "labels": labels}, "spec": dict(desired["spec"])}

        await self._unless_gone(self._services.update("", name, put_right, Write(), retry=True))

    async def _delete(self, name: str, found: Object) -> None:
        wish = Deletion(preconditions={"uid": found["metadata"]["uid"]})
        await self._unless_gone(self._services.delete("", name, wish, Write()))

    async def _tell_local(self, name: str) -> None:
        def told(old: Object) -> Object:
            if (old.get("spec") or {}).get("service") is not None:
                return old
            return {**old, "status": availability.settled(old, availability.LOCAL, self._clock.now())}

        write = Write(subresource="status")
        await self._unless_gone(self._services.update("", name, told, write, retry=True))

    async def _unless_gone(self, work: Awaitable[object]) -> None:
        try:
            await work
        except StatusError as error:
            if error.code not in (404, 409):
                raise


def _name(key: str) -> str:
    return key.rpartition("/")[2]
