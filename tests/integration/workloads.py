"""Objects and small acts for tests of the control plane."""

from __future__ import annotations

from typing import Any

from longboat.machinery.objects import Object, timestamp
from longboat.testing.cluster import Cluster
from suites.objects import node


async def add_node(cluster: Cluster, name: str, cpu: str = "8") -> None:
    """A node that is ready, as its agent would report it."""
    await cluster.apply(node(name))
    status = {
        "allocatable": {"cpu": cpu, "memory": "16Gi", "pods": "110"},
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
    }
    await cluster.patch(f"node/{name}", {"status": status}, subresource="status")
    await cluster.settle()


async def run_pods(cluster: Cluster, labels: str = "", ready: bool = True) -> int:
    """Play the node agent: pods that have a node start, and those that are going end. Returns how many changed."""
    changed = 0
    for pod in await cluster.list("pods", labels=labels):
        name, status = pod["metadata"]["name"], pod.get("status", {})
        if pod["metadata"].get("deletionTimestamp"):
            await cluster.client.delete(cluster.kind("pod"), _key(pod), grace=0)
            changed += 1
        elif pod["spec"].get("nodeName") and not status.get("podIP"):
            number = int(pod["metadata"]["uid"][:4], 16)
            ip = f"10.244.{number >> 8}.{number & 255}"
            now = timestamp(cluster.clock.now())
            condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": now}
            patch = {"status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [condition]}}
            await cluster.patch(f"pod/{name}", patch, subresource="status")
            changed += 1
    await cluster.settle()
    return changed


def _key(pod: Object) -> Any:
    from longboat.client.interface import Key

    return Key(pod["metadata"]["namespace"], pod["metadata"]["name"])


async def until_quiet(cluster: Cluster, limit: int = 50) -> None:
    """Play the agent until nothing changes any more."""
    await cluster.settle()
    for _ in range(limit):
        if not await run_pods(cluster):
            return
    raise AssertionError("the cluster does not come to rest")
