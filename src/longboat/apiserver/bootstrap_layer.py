"""How what the server itself lays down gets into its stores."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from longboat.aio.clock import Clock
from longboat.apiserver.config import Config
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.registry.store import Store
from longboat.registry.write import Write


class Layer:
    def __init__(self, config: Config, stores: Mapping[Kind, Store], clock: Clock) -> None:
        self.config, self.stores, self.clock = config, stores, clock

    def found(self, kind: Kind) -> list[Object]:
        return [msgspec.json.decode(entry.body) for entry in self.stores[kind].entries()]

    async def ensure(self, kind: Kind, namespace: str, obj: Object) -> None:
        """Create it unless it is there."""
        store = self.stores[kind]
        if store.find(namespace, obj["metadata"]["name"]) is None:
            try:
                made = {"kind": kind.name, "apiVersion": kind.api_version, **obj}
                await store.create(made, namespace, Write())
            except StatusError as error:
                if error.reason != "AlreadyExists":
                    raise

    async def keep(self, kind: Kind, namespace: str, obj: Object) -> None:
        """Create it, or bring it to just this content."""
        store, name = self.stores[kind], obj["metadata"]["name"]
        whole = {"kind": kind.name, "apiVersion": kind.api_version, **obj}
        if store.find(namespace, name) is None:
            await self.ensure(kind, namespace, obj)
            return

        def replace(old: Object) -> Object:
            return {**old, **whole, "metadata": {**old["metadata"], **obj["metadata"]}}

        await store.update(namespace, name, replace, Write(), retry=True)
