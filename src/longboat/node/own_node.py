"""The Node that stands for this node in the API, where others write labels, taints and resources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from longboat.client.informer import Informers
from longboat.client.interface import Client, Key
from longboat.node.views.objects import Node


class OwnNode(Protocol):
    def known(self) -> Node | None:
        """As last heard; None before that."""
        ...

    async def fresh(self) -> Node:
        """As it is now. Raises StatusError and OSError."""
        ...


class ApiOwnNode:
    """Simulated nodes `share` one stream of all Nodes; others watch their own, and may not watch more."""

    def __init__(self, client: Client, informers: Informers, name: str, *, share: bool) -> None:
        self._client, self._key = client, Key("", name)
        self._nodes = informers.of(Node) if share else informers.of(Node, fields=f"metadata.name={name}")

    def known(self) -> Node | None:
        return self._nodes.get(self._key)

    async def fresh(self) -> Node:
        return await self._client.get(Node, self._key)

    def on_change(self, told: Callable[[Node], object]) -> None:
        """Be told of the Node whenever somebody has changed it."""

        def tell(old: Node | None, new: Node | None) -> None:
            if new is not None and new.metadata.name == self._key.name:
                told(new)

        self._nodes.on_change(tell)

    async def synced(self) -> None:
        """Once it has been listed for the first time."""
        await self._nodes.synced()
