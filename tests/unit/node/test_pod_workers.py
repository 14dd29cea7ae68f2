"""Whole lives of pods on the in-memory runtime, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from longboat.aio.clock import VirtualClock
from longboat.client.interface import Key
from longboat.node.cri.memory import MemoryRuntime
from longboat.node.simulated import notes
from longboat.node.views.objects import ConfigMap
from longboat.node.views.pod import Pod
from unit.node.build import Node, changed, container, pod

GONE = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30}


class Simulated(Node):
    clock: VirtualClock
    runtime: MemoryRuntime

    async def run(self, pod: Pod, seconds: float = 0.1) -> None:
        self.workers.update(pod)
        await self.clock.advance(seconds)

    async def ids(self) -> list[str]:
        return [c.id for c in await self.runtime.containers() if c.state == "running"]


@asynccontextmanager
async def simulated(
    folder: Path, images: set[str] | None = None, make: type[MemoryRuntime] = MemoryRuntime
) -> AsyncIterator[Simulated]:
    clock = VirtualClock()
    node = Simulated(make(clock, images=images), clock, folder, on_disk=False)

    async def settle() -> None:
        for _ in range(60):
            await asyncio.sleep(0)

    clock.settle = settle
    node.start()
    try:
        yield node
    finally:
        await node.close()


Test = Callable[[Path], None]


def on_a_node(test: Callable[[Simulated], Awaitable[None]]) -> Test:
    def run(tmp_path: Path) -> None:
        async def main() -> None:
            async with simulated(tmp_path) as node:
                await test(node)

        asyncio.run(main())

    return run


@on_a_node
async def test_a_pod_runs_and_is_ready(node: Simulated) -> None:
    await node.run(pod())
    assert node.statuses.phase() == "Running"
    assert node.statuses.condition("Ready") == "True"
    assert node.told.reasons == ["Pulled", "Created", "Started"]
    assert node.statuses.of["p"]["podIP"] == "100.64.0.2"


@on_a_node
async def test_a_job_ends_and_stays_ended(node: Simulated) -> None:
    given = pod("p", container("c", "sleep", "5"), restartPolicy="Never")
    await node.run(given, 4)
    assert node.statuses.phase() == "Running"
    await node.clock.advance(2)
    assert node.statuses.phase() == "Succeeded"
    assert node.statuses.container()["state"]["terminated"]["reason"] == "Completed"
    node.workers.update(changed(given, labels={"x": "y"}))
    await node.clock.advance(600)
    assert node.told.reasons.count("Started") == 1


@on_a_node
async def test_a_crashing_container_is_restarted_ever_later(node: Simulated) -> None:
    starts: list[float] = []
    tell = node.told.pod

    def noting(pod: Pod, kind: str, reason: str, message: str, field: str = "") -> None:
        if reason == "Started":
            starts.append(node.clock.monotonic())
        tell(pod, kind, reason, message, field)

    node.told.pod = noting  # type: ignore[method-assign]
    await node.run(pod("p", container("c", "sh", "-c", "sleep 1; exit 3")), 1300)
    gaps = [round(later - earlier) for earlier, later in zip(starts, starts[1:], strict=False)]
    assert gaps == [1, 11, 21, 41, 81, 161, 301, 301, 301]
    state = node.statuses.container()
    assert state["lastState"]["terminated"]["exitCode"] == 3
    assert state["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert state["state"]["waiting"]["message"].startswith("back-off 5m0s restarting failed container=c pod=p_default(")
    assert node.told.of("BackOff")


@on_a_node
async def test_init_containers_run_in_order_and_sidecars_beside(node: Simulated) -> None:
    given = pod(
        "p", container("c", "sleep", "9"), restartPolicy="Never",
        initContainers=[container("i", "sleep", "2"), container("s", "sleep", "900", restartPolicy="Always")],
    )  # fmt: skip
    await node.run(given, 1)
    assert node.statuses.phase() == "Pending"
    assert node.statuses.container()["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert node.statuses.condition("Initialized") == "False"
    await node.clock.advance(3)
    assert (node.statuses.phase(), node.statuses.condition("Initialized")) == ("Running", "True")
    await node.clock.advance(10)
    assert node.statuses.phase() == "Succeeded"
    assert not await node.ids()


@on_a_node
async def test_a_failed_init_container_fails_a_pod_that_never_restarts(node: Simulated) -> None:
    await node.run(pod("p", container(), restartPolicy="Never", initContainers=[container("i", "false")]), 2)
    assert node.statuses.phase() == "Failed"


@on_a_node
async def test_a_deleted_pod_is_taken_down_and_given_back(node: Simulated) -> None:
    given = pod("p", container("c", "sleep", "1000", lifecycle={"preStop": {"sleep": {"seconds": 4}}}))
    await node.run(given)
    await node.run(changed(given, **GONE), 3)
    assert await node.ids() and not node.statuses.deleted
    await node.clock.advance(2)
    assert node.statuses.deleted == ["p"]
    assert node.told.of("Killing") == ["Stopping container c"]
    assert not await node.runtime.sandboxes()
    node.workers.remove(given.uid)
    await node.clock.advance(1)
    assert not node.workers.uids


@on_a_node
async def test_an_urgent_deletion_does_not_wait_for_a_patient_one(node: Simulated) -> None:
    given = pod("p", container("c", "sleep", "1000", lifecycle={"preStop": {"sleep": {"seconds": 25}}}))
    await node.run(given)
    await node.run(changed(given, **GONE), 1)
    assert not node.statuses.deleted
    await node.run(changed(given, **{**GONE, "deletionGracePeriodSeconds": 0}), 1)
    assert node.statuses.deleted == ["p"]


@on_a_node
async def test_a_pod_the_api_forgot_is_taken_down(node: Simulated) -> None:
    given = pod()
    await node.run(given)
    node.workers.remove(given.uid)
    await node.clock.advance(1)
    assert not await node.runtime.sandboxes() and not node.statuses.deleted


@on_a_node
async def test_a_killed_sandbox_comes_back_with_its_containers(node: Simulated) -> None:
    given = pod()
    await node.run(given)
    (before,) = await node.runtime.sandboxes()
    node.runtime.break_sandbox(before.id)
    node.workers.poke(given.uid)
    await node.clock.advance(1)
    assert node.statuses.container()["restartCount"] == 1
    assert node.statuses.phase() == "Running"
    assert "SandboxChanged" in node.told.reasons


@on_a_node
async def test_another_agent_adopts_what_runs(node: Simulated) -> None:
    given = pod("p", container("c", "sleep", "1000"), container("d", "sh", "-c", "sleep 1; exit 1"))
    await node.run(given, 3)
    before = await node.ids()
    await node.workers.close()
    heir = Node(node.runtime, node.clock, Path("/nonexistent"), on_disk=False)
    heir.workers.update(given)
    await node.clock.advance(0.5)
    assert set(before) <= set(await node.ids())
    assert [c["restartCount"] for c in heir.statuses.of["p"]["containerStatuses"]][0] == 0
    assert heir.statuses.of["p"]["containerStatuses"][1]["restartCount"] >= 1
    await heir.workers.close()


@on_a_node
async def test_a_deadline_ends_a_pod(node: Simulated) -> None:
    given = pod(activeDeadlineSeconds=10, status={"startTime": "2026-01-01T00:00:00Z"})
    await node.run(given, 9)
    assert node.statuses.phase() == "Running"
    await node.clock.advance(2)
    assert (node.statuses.phase(), node.statuses.of["p"]["reason"]) == ("Failed", "DeadlineExceeded")
    assert not await node.ids()


@on_a_node
async def test_a_missing_config_map_holds_the_container_until_it_comes(node: Simulated) -> None:
    source = {"configMapKeyRef": {"name": "late", "key": "k"}}
    await node.run(pod("p", container("c", "sleep", "9", env=[{"name": "X", "valueFrom": source}])), 1)
    waiting = node.statuses.container()["state"]["waiting"]
    assert waiting == {"reason": "CreateContainerConfigError", "message": 'configmap "late" not found'}
    assert node.told.of("Failed")[0] == 'Error: configmap "late" not found'
    node.objects.config_maps[Key("default", "late")] = ConfigMap(data={"k": "v"})
    await node.clock.advance(12)
    assert node.statuses.phase() == "Running"


@on_a_node
async def test_an_edited_pod_is_tried_at_once(node: Simulated) -> None:
    source = {"configMapKeyRef": {"name": "late", "key": "k"}}
    given = pod("p", container("c", "sleep", "99", env=[{"name": "X", "valueFrom": source}]))
    await node.run(given, 29.5)  # attempts are ten seconds apart by now
    node.objects.config_maps[Key("default", "late")] = ConfigMap(data={"k": "v"})
    await node.run(changed(given, annotations={"new": "note"}))
    assert node.statuses.phase() == "Running"


@on_a_node
async def test_a_missing_volume_source_holds_the_pod(node: Simulated) -> None:
    await node.run(pod("p", container(), volumes=[{"name": "v", "configMap": {"name": "late"}}]), 1)
    assert node.statuses.container()["state"]["waiting"] == {"reason": "ContainerCreating"}
    assert node.told.of("FailedMount")[0] == 'MountVolume.SetUp failed for volume "v" : configmap "late" not found'
    assert not await node.runtime.sandboxes()


def test_an_image_that_cannot_be_had_is_asked_for_ever_later(tmp_path: Path) -> None:
    async def main() -> None:
        async with simulated(tmp_path, images={"there:1"}) as node:
            await node.run(pod("p", {"name": "c", "image": "nope"}), 1)
            assert node.statuses.container()["state"]["waiting"]["reason"] == "ErrImagePull"
            await node.clock.advance(299)
            pulls = len(node.told.of("Pulling"))
            assert 4 <= pulls <= 6
            assert node.statuses.container()["state"]["waiting"]["reason"] == "ImagePullBackOff"

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["liveness", "startup"])
def test_a_probe_that_fails_replaces_the_container(tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        probe = {"exec": {"command": ["true"]}, "periodSeconds": 1, "failureThreshold": 3}
        async with simulated(tmp_path) as node:
            fails = {"annotations": {notes.FAIL_PROBES: "c"}}
            given = pod("p", container("c", "sleep", "900", **{f"{kind}Probe": probe}), metadata=fails)
            await node.run(given, 1.5)
            assert node.statuses.container()["started"] is (kind == "liveness")
            await node.clock.advance(2)
            assert node.told.of("Killing") == [f"Container c failed {kind} probe, will be restarted"]
            assert node.statuses.container()["restartCount"] == 1

    asyncio.run(main())


@on_a_node
async def test_readiness_follows_its_probe(node: Simulated) -> None:
    probe = {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1, "initialDelaySeconds": 3, "failureThreshold": 1}
    await node.run(pod("p", container("c", "sleep", "900", readinessProbe=probe)), 2)
    assert node.statuses.condition("Ready") == "False"
    await node.clock.advance(2)
    assert node.statuses.condition("Ready") == "True"


@on_a_node
async def test_readiness_gates_hold_a_pod_back(node: Simulated) -> None:
    gates = [{"conditionType": "example.com/ok"}]
    given = pod("p", container(), readinessGates=gates)
    await node.run(given, 1)
    assert (node.statuses.condition("ContainersReady"), node.statuses.condition("Ready")) == ("True", "False")
    opened = pod("p", container(), readinessGates=gates, metadata={"uid": given.uid},
                 status={"conditions": [{"type": "example.com/ok", "status": "True"}]})  # fmt: skip
    await node.run(opened, 1)
    assert node.statuses.condition("Ready") == "True"


@on_a_node
async def test_a_hook_that_fails_after_the_start_replaces_the_container(node: Simulated) -> None:
    hook = {"postStart": {"exec": {"command": ["false"]}}}
    await node.run(pod("p", container("c", "sleep", "900", lifecycle=hook)), 1)
    assert node.told.of("FailedPostStartHook")[0].startswith("PostStartHook failed: command 'false' exited with 1")


@on_a_node
async def test_host_ports_are_told_while_the_pod_is_there(node: Simulated) -> None:
    ports = [{"containerPort": 80, "hostPort": 8080, "protocol": "TCP"}]
    given = pod("p", container("c", "sleep", "900", ports=ports))
    await node.run(given, 1)
    assert node.host_ports[-1] == [("TCP", 8080, "", "100.64.0.2", 80)]
    await node.run(changed(given, **GONE), 1)
    assert node.host_ports[-1] == []


@on_a_node
async def test_a_status_that_stays_the_same_keeps_its_times(node: Simulated) -> None:
    given = pod()
    await node.run(given, 5)
    first = node.statuses.of["p"]
    node.workers.update(changed(given, labels={"x": "y"}))
    await node.clock.advance(100)
    assert node.statuses.of["p"]["conditions"] == first["conditions"]
    assert node.statuses.of["p"]["startTime"] == first["startTime"]
