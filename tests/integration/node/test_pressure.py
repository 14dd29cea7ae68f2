"""A node with a small disk and little memory: what nobody needs goes first, then the pod that has taken most."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from integration.node.machine import ENDPOINT, Machine
from integration.node.test_image_volumes import ctr
from longboat.aio.clock import SystemClock
from longboat.assembly import archive
from longboat.assembly.archive import Layer
from longboat.client.events import EventRecorder
from longboat.client.informer import Informers
from longboat.machinery.objects import Object
from longboat.node.agent import Agent, NodeConfig
from longboat.node.cri.grpc import GrpcRuntime
from longboat.node.eviction.thresholds import thresholds
from longboat.node.recorder import ApiRecorder
from longboat.node.rules import Eviction, ImagePolicy, Rules
from longboat.node.serve.shared import SharedPort
from longboat.testing.cluster import Cluster
from unit.node.build import container

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(120)]
DISK, MEMORY, PIDS = "nodefs.available", "memory.available", "pid.available"
MI = 1 << 20
WHEN_TOLD = "until [ -e /go ]; do sleep 0.1; done;"
RULES = Rules(
    eviction=Eviction(
        thresholds=thresholds({DISK: "60Mi", MEMORY: "30Mi", PIDS: "100"}, {}, {}, {}), transition=2.0, every=0.3
    ),
    images=ImagePolicy(age=0),
)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """With 160 MiB of disk, and 100 MiB of memory and 300 processes for its pods."""
    folder = tmp_path_factory.mktemp("small")
    image = folder.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(160 * MI)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(folder)], check=True)
    machine = Machine(folder)
    for file, limit in (("memory/{}/memory.limit_in_bytes", 100 * MI), ("pids/{}/pids.max", 300)):
        place = Path("/sys/fs/cgroup", file.format(machine.cgroup.strip("/")))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(str(limit))
    yield machine
    machine.close()
    subprocess.run(["umount", "-l", str(folder)], check=True)
    image.unlink()


def pod(name: str, command: str, priority: str = "", namespace: str = "default", **memory: str) -> Object:
    spec = {"nodeName": "small", "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False}
    given = container("c", "sh", "-c", f"{command}; sleep 1000", resources={"requests": memory} if memory else {},
                      volumeMounts=[{"name": "scratch", "mountPath": "/scratch"}])  # fmt: skip
    volumes = [{"name": "scratch", "emptyDir": {}}]
    more = {"priorityClassName": priority} if priority else {}
    return {"kind": "Pod", "metadata": {"name": name, "namespace": namespace},
            "spec": {**spec, **more, "containers": [given], "volumes": volumes}}  # fmt: skip


def left() -> int:
    """MiB of the disk."""
    found = os.statvfs("/var/lib/kubelet")
    return found.f_bavail * found.f_frsize // MI


class Small:
    """The node's cluster, asked until it answers as it should."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    async def until(self, found: Callable[[], Awaitable[Any]], what: str, seconds: float = 20) -> Any:
        for _ in range(int(seconds / 0.1)):
            if answer := await found():
                return answer
            await asyncio.sleep(0.1)
        events = [(e["reason"], e["message"]) for e in await self.cluster.list("event")]
        raise AssertionError(f"{what}: {left()} MiB left; {events}")

    async def phase(self, name: str, wanted: str, namespace: str = "default") -> Object:
        async def look() -> Object | None:
            found = await self.cluster.get(f"pod/{name}", namespace)
            return found if found["status"].get("phase") == wanted else None

        found: Object = await self.until(look, f"{name} is not {wanted}")
        return found

    async def condition(self, kind: str, wanted: str) -> None:
        async def look() -> bool:
            conditions = (await self.cluster.get("node/small"))["status"]["conditions"]
            return {c["type"]: c["status"] for c in conditions}[kind] == wanted

        await self.until(look, f"{kind} is not {wanted}")

    async def tainted(self, key: str) -> None:
        async def look() -> bool:
            return key in [t["key"] for t in (await self.cluster.get("node/small"))["spec"].get("taints", [])]

        await self.until(look, f"no taint {key}")

    async def told(self, reason: str, name: str) -> list[Object]:
        events = await self.cluster.list("event")
        return [e for e in events if e["reason"] == reason and e["involvedObject"]["name"] == name]


@asynccontextmanager
async def small_node(machine: Machine) -> Any:
    clock = SystemClock()
    cluster = Cluster()
    cluster.clock = clock  # type: ignore[assignment]
    async with cluster:
        runtime = GrpcRuntime(ENDPOINT)
        informers = Informers(cluster.client, clock, "small")
        recorder = ApiRecorder(EventRecorder(cluster.client, clock, "kubelet", "small"), "small", clock)
        config = NodeConfig(
            name="small", addresses=("192.0.2.1",), cgroup_root=machine.cgroup,
            images=machine.place / "volumes", upkeep=RULES,
        )  # fmt: skip
        agent = Agent(cluster.client, informers, clock, runtime, recorder, config, shared_port=SharedPort())
        informers.start()
        running = asyncio.create_task(agent.run())
        try:
            node = Small(cluster)

            async def ready() -> bool:
                if running.done():
                    await running
                return await cluster.exists("node/small")

            await node.until(ready, "the node does not register")
            yield node, runtime
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await informers.close()
            for sandbox in await runtime.sandboxes():
                await runtime.remove_sandbox(sandbox.id)
            await runtime.close()


async def tell(runtime: GrpcRuntime, given: Object) -> None:
    (running,) = await runtime.containers(given["metadata"]["uid"])
    await runtime.exec_sync(running.id, ["touch", "/go"], 10)


def ballast() -> str:
    """An image that nobody uses, of about 80 MiB with its archive, as if it had been pulled."""
    layer = Layer().file("ballast", os.urandom(38 * MI))
    ctr("images", "import", "-", stdin=archive.layered("longboat.local/ballast:1", [layer], {}))
    digest = next(line.split()[2] for line in ctr("images", "ls").splitlines() if "ballast" in line)
    ctr("images", "tag", "longboat.local/ballast:1", f"longboat.local/ballast@{digest}")
    return "longboat.local/ballast:1"


def test_a_node_that_runs_short_makes_room_and_then_ends_one_pod(machine: Machine) -> None:
    async def main() -> None:
        image = await asyncio.to_thread(ballast)
        async with small_node(machine) as (node, runtime):
            cluster: Cluster = node.cluster

            # Images go first, and that is enough.
            async def gone() -> bool:
                return await runtime.image(image) is None

            await node.until(gone, "the image is still there")
            await node.condition("DiskPressure", "True")
            await node.condition("DiskPressure", "False")
            (told,) = await node.told("EvictionThresholdMet", "small")
            assert told["message"] == "Attempting to reclaim ephemeral-storage"
            await cluster.apply(
                pod("small", "head -c 5000000 /dev/zero > /root/a"),
                pod("vital", "head -c 9000000 /dev/zero > /root/a", "system-node-critical", "kube-system"),
                pod("asks", "head -c 20000000 /dev/zero > /dev/shm/a", memory="50Mi"),
                pod("big", f"{WHEN_TOLD} head -c 70000000 /dev/zero > /scratch/a"),
                pod("hog", f"{WHEN_TOLD} head -c 50000000 /dev/zero > /dev/shm/a"),
                pod("forks", f"{WHEN_TOLD} for i in $(seq 220); do sleep 1000 & done"),
            )
            for name in ("small", "asks", "big", "hog", "forks"):
                await node.phase(name, "Running")
            await node.phase("vital", "Running", "kube-system")

            # Then the pod that has most, though another is more important than any, and nobody else.
            tainted = asyncio.create_task(node.tainted("node.kubernetes.io/disk-pressure"))  # it lasts for two seconds
            await tell(runtime, await cluster.get("pod/big"))
            status = (await node.phase("big", "Failed"))["status"]
            assert status["reason"] == "Evicted"
            said = "The node was low on resource: ephemeral-storage. Threshold quantity: 60Mi, available: "
            assert status["message"].startswith(said), status["message"]

            # While it lasts, nobody else comes but who is critical.
            await cluster.apply(pod("late", "true"), pod("needed", "true", "system-node-critical", "kube-system"))
            late = (await node.phase("late", "Failed"))["status"]
            why = "Pod was rejected: The node had condition: [DiskPressure]. "
            assert (late["reason"], late["message"]) == ("Evicted", why)
            await node.phase("needed", "Running", "kube-system")
            target = next(c for c in status["conditions"] if c["type"] == "DisruptionTarget")
            assert (target["status"], target["reason"]) == ("True", "TerminationByKubelet")
            assert target["message"] == status["message"]
            (told,) = await node.told("Evicted", "big")
            assert told["metadata"]["annotations"]["starved_resource"] == "ephemeral-storage"
            await tainted
            assert left() > 100
            assert not await runtime.containers((await cluster.get("pod/big"))["metadata"]["uid"])

            # Memory that pods share: who is over its request goes. Processes: who has most of the least important.
            await tell(runtime, await cluster.get("pod/hog"))
            status = (await node.phase("hog", "Failed"))["status"]
            assert status["message"].startswith("The node was low on resource: memory. Threshold quantity: 30Mi, ")
            assert "Container c was using " in status["message"]
            await node.condition("MemoryPressure", "True")
            await tell(runtime, await cluster.get("pod/forks"))
            status = (await node.phase("forks", "Failed"))["status"]
            assert status["message"].startswith("The node was low on resource: pids. Threshold quantity: 100, ")
            await node.condition("PIDPressure", "True")
            for name in ("small", "asks"):
                await node.phase(name, "Running")
            assert (await cluster.get("node/small"))["status"]["capacity"]["memory"] == "100Mi"

    machine.inside(lambda: asyncio.run(main()))
