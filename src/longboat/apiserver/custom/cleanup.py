"""The end of a definition: its objects go first."""

from __future__ import annotations

import asyncio

from longboat.aio.clock import Clock
from longboat.apiserver.custom import conditions
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object, meta, timestamp
from longboat.registry.kinds.apiextensions.custom_resource_definition import FINALIZER
from longboat.registry.store import Store
from longboat.registry.strategy import Deletion
from longboat.registry.write import Write

_PROGRESS = ("InstanceDeletionInProgress", "CustomResource deletion is in progress")
_DONE = ("InstanceDeletionCompleted", "removed all instances")


async def clean(definitions: Store, name: str, instances: Store | None, clock: Clock) -> None:
    """Delete what there is of the kind, wait until it has gone, and let the definition go. `instances`: None where
    the kind has never been served. Raises StatusError, StorageError, Compacted."""
    if instances is not None:
        await _tell(definitions, name, _PROGRESS, clock)
        await _empty(instances)

    def released(old: Object) -> Object:
        found = dict(meta(old))
        found["finalizers"] = [each for each in found.get("finalizers") or () if each != FINALIZER]
        return {**old, "metadata": found}

    await _passing_absence(definitions.update("", name, released, Write(), retry=True))


async def _tell(definitions: Store, name: str, told: tuple[str, str], clock: Clock) -> None:
    def changed(old: Object) -> Object:
        return conditions.ending(old, *told, timestamp(clock.now()))

    await _passing_absence(definitions.update("", name, changed, Write(subresource="status"), retry=True))


async def _empty(instances: Store) -> None:
    """Return once nothing is left. What has finalizers is marked, and goes when these have."""
    cache = instances.cache
    watcher = cache.watch(cache.prefix, cache.revision)
    try:
        for entry in instances.entries():
            namespace, _, name = entry.key.removeprefix(cache.prefix).rpartition("/")
            await _passing_absence(instances.delete(namespace, name, Deletion(), Write()))
            await asyncio.sleep(0)
        while len(cache):
            async for _ in watcher:
                if not len(cache):
                    break
            else:
                return
    finally:
        watcher.close()


async def _passing_absence(change: object) -> None:
    try:
        await change  # type: ignore[misc]
    except StatusError as error:
        if error.code != 404:  # somebody else has deleted it
            raise
