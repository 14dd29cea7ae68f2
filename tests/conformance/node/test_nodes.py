"""Node's API, and the eviction of pods from tainted nodes (sig-node)."""

from __future__ import annotations

from typing import Any

from conformance.node.crud import names
from conformance.stage import inside
from conformance.verbs import Verbs, labels_of
from integration.workloads import add_node, run_pods
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

TAINT = {"key": "kubernetes.io/e2e-evict-taint-key", "value": "evictTaintVal", "effect": "NoExecute"}


def tolerant(seconds: int | None) -> Object:
    """A pod's body; None tolerates nothing."""
    toleration: dict[str, Any] = {"key": TAINT["key"], "operator": "Equal", "value": TAINT["value"]}
    toleration |= {"effect": "NoExecute", "tolerationSeconds": seconds}
    spec = {"containers": [{"name": "pause", "image": "pause:1"}], "nodeName": "node-1"}
    return {"spec": {**spec, **({"tolerations": [toleration]} if seconds is not None else {})}}


async def taint(nodes: Verbs, *taints: Object) -> None:
    await nodes.patch("node-1", {"spec": {"taints": list(taints)}})


async def leaving(pods: Verbs) -> list[str]:
    return names([pod for pod in await pods.list() if pod["metadata"].get("deletionTimestamp")])


async def pass_seconds(cluster: Cluster, seconds: float) -> None:
    await cluster.clock.advance(seconds)
    await cluster.settle()


@inside
async def test_pods_leave_when_their_toleration_ends(cluster: Cluster) -> None:
    """Conformance: Pod Eviction, Toleration limits

    The taint would drive other tests' pods from the node, for a minute: so in virtual time.
    """
    nodes, pods = Verbs(cluster, "node"), Verbs(cluster, "pod")
    await add_node(cluster, "node-1")
    for name, seconds in (("short", 5), ("long", 20), ("none", None)):
        await pods.create(name, tolerant(seconds))
    await run_pods(cluster)
    await taint(nodes, TAINT)
    await pass_seconds(cluster, 1)
    assert await leaving(pods) == ["none"]
    await pass_seconds(cluster, 3)
    assert await leaving(pods) == ["none"]
    await pass_seconds(cluster, 2)
    assert await leaving(pods) == ["none", "short"]
    await pass_seconds(cluster, 13)
    assert await leaving(pods) == ["none", "short"]
    await pass_seconds(cluster, 2)
    assert await leaving(pods) == ["long", "none", "short"]


@inside
async def test_a_pod_stays_when_the_taint_goes_in_time(cluster: Cluster) -> None:
    """Conformance: Taint, Pod Eviction on taint removal

    The taint would drive other tests' pods from the node, for a minute: so in virtual time.
    """
    nodes, pods = Verbs(cluster, "node"), Verbs(cluster, "pod")
    await add_node(cluster, "node-1")
    await pods.create("tolerant", tolerant(60))
    await run_pods(cluster)
    await taint(nodes, TAINT)
    await pass_seconds(cluster, 50)
    assert await leaving(pods) == []
    await taint(nodes)
    await pass_seconds(cluster, 100)
    assert await leaving(pods) == [] and names(await pods.list()) == ["tolerant"]

    await taint(nodes, TAINT)  # the patience begins anew, and does end
    await pass_seconds(cluster, 59)
    assert await leaving(pods) == []
    await pass_seconds(cluster, 2)
    assert await leaving(pods) == ["tolerant"]


@inside
async def test_lifecycle(cluster: Cluster) -> None:
    """Conformance: Node, resource lifecycle"""
    nodes = Verbs(cluster, "node")
    await nodes.create("fake-node", {}, labels={"e2e": "fake-node"})
    await nodes.create("bystander", {})
    assert (await nodes.read("fake-node"))["metadata"]["name"] == "fake-node"
    assert labels_of(await nodes.label("fake-node", patched="yes"))["patched"] == "yes"
    assert names(await nodes.list("patched=yes")) == ["fake-node"]
    assert labels_of(await nodes.relabel("fake-node", updated="yes"))["updated"] == "yes"
    assert names(await nodes.list("e2e=fake-node,patched=yes,updated=yes")) == ["fake-node"]
    await nodes.delete("fake-node")
    assert await nodes.is_gone("fake-node")
    assert names(await nodes.list()) == ["bystander"]
