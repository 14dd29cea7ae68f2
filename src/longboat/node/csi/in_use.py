"""Which attachable volumes this node uses: its status says so before one is mounted, until it has been unmounted."""

from __future__ import annotations

import asyncio

from longboat.node.volumes.cluster import Storage


class InUse:
    """Names as volumesInUse has them. Raise StatusError and ConnectionError."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._names: set[str] = set()
        self._reported: set[str] | None = None  # None: what an agent before this one has said
        self._one_by_one = asyncio.Lock()

    def found(self, names: set[str]) -> None:
        """These are mounted already, by an agent before this one."""
        self._names |= names

    async def add(self, name: str) -> None:
        self._names.add(name)
        await self.report()

    async def remove(self, name: str) -> None:
        self._names.discard(name)
        await self.report()

    async def report(self) -> None:
        async with self._one_by_one:
            now = set(self._names)
            if now != self._reported:
                await self._storage.report_in_use(sorted(now))
                self._reported = now
