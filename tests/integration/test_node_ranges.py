"""Nodes get ranges of pod addresses, and those for which there is none wait without a sound."""

from __future__ import annotations

import asyncio

from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster
from suites.objects import node


async def told(cluster: Cluster) -> dict[str, int]:
    events = [e for e in await cluster.list("events") if e["reason"] == "CIDRNotAvailable"]
    return {e["involvedObject"]["name"]: e["count"] for e in events}


def no_network(found: Object) -> tuple[str, str] | None:
    conditions = found.get("status", {}).get("conditions") or ()
    return next(((c["status"], c["reason"]) for c in conditions if c["type"] == "NetworkUnavailable"), None)


def test_a_range_that_is_used_up_says_so_once_and_goes_on_when_one_is_freed() -> None:
    async def main() -> None:
        async with Cluster(pod_cidr="10.0.0.0/22") as cluster:
            await cluster.apply(*(node(f"n{number}") for number in range(6)))
            await cluster.settle()
            ranges = {n["metadata"]["name"]: n["spec"].get("podCIDR") for n in await cluster.list("nodes")}
            assert [ranges.pop(f"n{i}") for i in range(4)] == [f"10.0.{i}.0/24" for i in range(4)]
            assert ranges == {"n4": None, "n5": None}
            (ipam,) = (c for c in cluster.manager.controllers if c.name == "node-ipam")
            taken, take = [], ipam._take  # type: ignore[attr-defined]
            ipam._take = lambda name: taken.append(name) or take(name)  # type: ignore[attr-defined]
            await cluster.clock.advance(600)
            assert taken == []  # it costs nothing
            assert await told(cluster) == {"n4": 1, "n5": 1}
            waiting = await cluster.get("node/n4")
            assert no_network(waiting) == ("True", "CIDRNotAvailable")
            assert "node.kubernetes.io/network-unavailable" in {t["key"] for t in waiting["spec"]["taints"]}
            await cluster.delete("node/n1")
            await cluster.settle()
            found = await cluster.get("node/n4")
            assert found["spec"]["podCIDRs"] == ["10.0.1.0/24"]
            assert no_network(found) == ("False", "CIDRAssigned")
            await cluster.delete("node/n0")
            await cluster.delete("node/n2")
            await cluster.apply(node("n6"))
            await cluster.settle()
            given = {n["spec"].get("podCIDR") for n in await cluster.list("nodes")}
            assert given == {f"10.0.{i}.0/24" for i in range(4)}

    asyncio.run(main())


def test_a_node_that_brings_its_range_keeps_it_from_others() -> None:
    async def main() -> None:
        async with Cluster(pod_cidr="10.0.0.0/22") as cluster:
            mine = node("own") | {"spec": {"podCIDR": "10.0.0.0/23"}}
            await cluster.apply(mine, node("a"), node("b"), node("c"))
            await cluster.settle()
            ranges = {n["metadata"]["name"]: n["spec"].get("podCIDR") for n in await cluster.list("nodes")}
            assert ranges == {"own": "10.0.0.0/23", "a": "10.0.2.0/24", "b": "10.0.3.0/24", "c": None}

    asyncio.run(main())
