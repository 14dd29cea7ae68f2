"""What a store has, read from the watch cache: storage is not asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from longboat.aio.clock import Clock
from longboat.machinery import errors
from longboat.machinery.kinds import Kind
from longboat.registry.codec import Codec
from longboat.storage.entry import Entry
from longboat.storage.interface import Compacted
from longboat.storage.watchcache import WatchCache

AT_ONCE = 20  # entries whose shown form is made before others have their turn


class Reads:
    """Of the objects of one kind."""

    kind: Kind
    cache: WatchCache
    codec: Codec
    _clock: Clock

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

    @property
    def empty(self) -> bool:
        """Whether nothing is stored. What every write asks of kinds that most clusters have nothing of."""
        return not self.cache.unopened and not len(self.cache)

    def entries(self, namespace: str = "") -> list[Entry]:
        """Raises Unreadable."""
        prefix = self.prefix(namespace)
        self.cache.check(prefix)
        return self.cache.snapshot().entries(prefix)

    async def ready(self, entries: Sequence[Entry]) -> None:
        """Make the form in which this kind shows these, so that nobody who shows them holds the loop for it.

        What somebody else has to convert they are asked for here. Raises StatusError.
        """
        if not self.codec.shows:
            return
        await self.codec.prepare(entries)
        for i, entry in enumerate(entries):
            self.codec.shown(entry)
            if i % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
