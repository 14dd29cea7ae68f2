"""Control planes in which entries of the suite are shown without nodes, and whether a test took a node's part there.

A node speaks by writing the status of a Node or a pod. Where a test writes one in a control plane that has no nodes,
a node is played: what the entry says of nodes is then this test's word, and the report says so.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Literal

import pytest

from conformance.go_client import as_sent
from integration.workloads import add_node
from longboat.client.interface import Transport
from longboat.client.rest import RestClient
from longboat.testing.cluster import Cluster

Where = Literal["nodes", "API", "played"]
WHERE = "where"  # the property under which a test's report carries it
A_NODES_WORD = re.compile(r"/(pods|nodes)/[^/]+/status$")
Test = Callable[[Cluster], Awaitable[None]]
Run = Callable[[Callable[[str, object], None]], None]


class Witness:
    """A transport that sends what a Go client would, and notes whether a node's word went through it."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.played = False

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> bytes:
        self.played = self.played or (method != "GET" and A_NODES_WORD.search(path) is not None)
        body, content_type = as_sent(method, body, content_type)
        return await self._inner.request(method, path, query=query, body=body, content_type=content_type, accept=accept)

    def stream(self, path: str, *, query: Mapping[str, str] | None = None) -> AsyncIterator[bytes]:
        return self._inner.stream(path, query=query)

    async def close(self) -> None:
        await self._inner.close()


def on_nodes(count: int = 1) -> Callable[[Test], Run]:
    """Run a test in a control plane on a virtual clock, with nodes n0, n1, … that are played."""

    def decorated(test: Test) -> Run:
        def run(record_property: Callable[[str, object], None]) -> None:
            async def main() -> None:
                async with asyncio.timeout(60), Cluster() as cluster:
                    witness = Witness(cluster.api.transport("admin", "system:masters"))
                    cluster.client = RestClient(witness, cluster.clock)
                    for number in range(count):
                        await add_node(cluster, f"n{number}")
                    try:
                        await test(cluster)
                    finally:
                        record_property(WHERE, "played" if witness.played else "API")

            asyncio.run(main())

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return decorated


inside = on_nodes(0)
"""Run a test in a control plane without nodes, on a virtual clock."""


def where_of(item: pytest.Item) -> Where | None:
    """What is known of a test before it runs: one that uses the cluster of real nodes is shown there."""
    return "nodes" if "cluster" in getattr(item, "fixturenames", ()) else None
