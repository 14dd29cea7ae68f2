"""Pods that get more or less while they run: API, scheduler, quotas and node together (KEP-1287)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from integration.workloads import add_node
from longboat.api import kinds
from longboat.client.events import EventRecorder
from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.machinery.objects import Object
from longboat.node.cri.memory import MemoryRuntime
from longboat.node.recorder import ApiRecorder
from longboat.node.status_writer import ApiStatusWriter
from longboat.node.views.pod import Pod
from longboat.testing.cluster import Cluster
from suites.objects import container, pod
from unit.node.build import Node


class Agent(Node):
    """Workers of a simulated node that hear from the cluster's API and write to it."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.writer = ApiStatusWriter(cluster.client, cluster.clock)
        events = EventRecorder(cluster.client, cluster.clock, "kubelet", "n")
        tools = {"writer": self.writer, "recorder": ApiRecorder(events, "n", cluster.clock)}
        super().__init__(MemoryRuntime(cluster.clock), cluster.clock, folder, on_disk=False, tools=tools)
        self.informers = Informers(cluster.client, cluster.clock, "agent")
        self.workers.allocatable = {"cpu": "8", "memory": "16Gi"}
        self.informers.of(Pod, fields="spec.nodeName=n").on_change(self.tell)

    def tell(self, old: Pod | None, new: Pod | None) -> None:
        if new is not None:
            self.workers.update(new)
        elif old is not None:
            self.workers.remove(old.uid)


def on_one_node(test: Callable[[Cluster], Awaitable[None]]) -> Callable[[Path], None]:
    """Run a test in a control plane with a node of eight cores, on a virtual clock."""

    def run(tmp_path: Path) -> None:
        async def main() -> None:
            async with Cluster() as cluster:
                await add_node(cluster, "n")
                agent = Agent(cluster, tmp_path)
                agent.start()
                agent.informers.start()
                try:
                    await test(cluster)
                finally:
                    await agent.informers.close()
                    await agent.close()
                    await agent.writer.close()

        asyncio.run(main())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


def sleeping(name: str, cpu: str) -> Object:
    return pod(name, container(requests={"cpu": cpu}, command=["sleep", "100000"]), automountServiceAccountToken=False)


async def resize(cluster: Cluster, name: str, cpu: str) -> None:
    body = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}}
    key = Key("default", name)
    await cluster.client.patch(kinds.POD, key, body, style="strategic", subresource="resize")
    await cluster.clock.advance(2)


async def told(cluster: Cluster, name: str) -> tuple[str, str, dict[str, str]]:
    """What the pod has, and how its resize fares."""
    status = (await cluster.get(f"pod/{name}"))["status"]
    (container,) = status["containerStatuses"]
    conditions = {c["type"]: c.get("reason") or "" for c in status["conditions"] if c["type"].startswith("PodResize")}
    return container["allocatedResources"]["cpu"], container["resources"]["requests"]["cpu"], conditions


@on_one_node
async def test_a_resize_runs_its_course(cluster: Cluster) -> None:
    await cluster.apply(sleeping("a", "2"), sleeping("b", "5"))
    await cluster.clock.advance(5)
    await resize(cluster, "a", "3")
    assert await told(cluster, "a") == ("3", "3", {})
    found = await cluster.get("pod/a")
    assert (found["metadata"]["generation"], found["status"]["observedGeneration"]) == (2, 2)

    await resize(cluster, "a", "4")
    assert await told(cluster, "a") == ("3", "3", {"PodResizePending": "Deferred"})
    await cluster.apply(sleeping("c", "1"))  # the scheduler counts what is asked for: there would be no room then
    await cluster.clock.advance(5)
    assert not (await cluster.get("pod/c"))["spec"].get("nodeName")
    await resize(cluster, "b", "3")
    assert await told(cluster, "a") == ("4", "4", {})
    await cluster.clock.advance(60)
    assert (await cluster.get("pod/c"))["spec"].get("nodeName")

    events = {e["reason"] for e in await cluster.list("events") if e["involvedObject"]["name"] == "a"}
    assert {"ResizeStarted", "ResizeCompleted", "ResizeDeferred"} <= events


@on_one_node
async def test_a_resize_may_be_taken_back(cluster: Cluster) -> None:
    await cluster.apply(sleeping("a", "2"), sleeping("b", "5"))
    await cluster.clock.advance(5)
    await resize(cluster, "a", "8")
    assert await told(cluster, "a") == ("2", "2", {"PodResizePending": "Deferred"})
    await resize(cluster, "a", "2")
    assert await told(cluster, "a") == ("2", "2", {})
