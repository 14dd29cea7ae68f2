"""The stores of a server without the server: every kind over a storage in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from longboat.aio.clock import Clock, SystemClock
from longboat.api import kinds
from longboat.apiserver.described import describe
from longboat.machinery.kinds import Kind
from longboat.machinery.types import schema
from longboat.registry import catalog
from longboat.registry.admission import ADMITTED, Admission
from longboat.registry.kinds.core.service.reserver import AddressesAndPorts
from longboat.registry.store import Store
from longboat.registry.write import Write
from longboat.storage.feed import Feed
from longboat.storage.interface import Storage
from longboat.storage.memory import MemoryStorage
from longboat.storage.watchcache import WatchCache

CIDR, PORTS = "10.96.0.0/24", (30000, 30063)


class Stores:
    def __init__(self, storage: Storage, clock: Clock, cidr: str, ports: tuple[int, int]) -> None:
        self.storage, self.clock = storage, clock
        self.strategies = catalog.strategies()
        self.by_name = {s.kind.resource: s for s in self.strategies}
        self.feed = Feed(storage, clock)
        self.stores: dict[Kind, Store] = {}
        caches: dict[str, WatchCache] = {}
        for strategy in self.strategies:
            if not strategy.stored:
                continue
            prefix = f"/registry/{strategy.storage_prefix or strategy.kind.plural}/"
            if prefix not in caches:
                caches[prefix] = WatchCache(storage, prefix, clock, describe(strategy), feed=self.feed)
            self.stores[strategy.kind] = Store(strategy, storage, caches[prefix], schema.load(), clock)
        catalog.connect(self.stores, storage, cidr, ports)
        reserver = self.stores[kinds.SERVICE].reserver
        assert isinstance(reserver, AddressesAndPorts)
        self.services = reserver

    def __getitem__(self, kind: Kind) -> Store:
        return self.stores[kind]

    async def create(
        self, kind: Kind, obj: dict[str, Any], namespace: str = "default", *, admission: Admission = ADMITTED,
        **write: Any,
    ) -> dict[str, Any]:  # fmt: skip
        whole = {"kind": kind.name, "apiVersion": kind.api_version, **obj}
        result = await self[kind].create(whole, namespace if kind.namespaced else "", Write(**write), admission)
        return msgspec.json.decode(result.body)

    async def change(
        self,
        kind: Kind,
        name: str,
        change: Any,
        namespace: str = "default",
        *,
        admission: Admission = ADMITTED,
        **write: Any,
    ) -> dict[str, Any]:
        """`change` is called with the object, and alters it in place."""

        def transform(old: dict[str, Any]) -> dict[str, Any]:
            new = msgspec.json.decode(msgspec.json.encode(old))
            change(new)
            return new

        scope = namespace if kind.namespaced else ""
        made = await self[kind].update(scope, name, transform, Write(**write), admission=admission)
        return msgspec.json.decode(made.body)


@asynccontextmanager
async def opened(
    storage: Storage | None = None, clock: Clock | None = None, cidr: str = CIDR, ports: tuple[int, int] = PORTS
) -> AsyncIterator[Stores]:
    clock = clock or SystemClock()
    found = Stores(storage or MemoryStorage(clock), clock, cidr, ports)
    await found.feed.start()
    try:
        yield found
    finally:
        await found.feed.close()
