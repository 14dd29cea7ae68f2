"""Pods that wait for volumes and disks of others: they say so, and hold up nobody."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from longboat.aio.clock import VirtualClock
from longboat.client.interface import Key
from longboat.node import kernel
from longboat.node.cri.memory import MemoryRuntime
from longboat.node.make.fields import Surroundings
from longboat.node.views.objects import Secret
from unit.node.build import Node, container, pod
from unit.node.test_pod_workers import Simulated, on_a_node


@on_a_node
async def test_each_volume_that_is_missing_is_told_of(node: Simulated) -> None:
    volumes = [
        {"name": "a", "configMap": {"name": "late"}}, {"name": "b", "emptyDir": {}},
        {"name": "c", "secret": {"secretName": "later"}},
    ]  # fmt: skip
    await node.run(pod("p", container(), volumes=volumes), 1)
    assert node.told.of("FailedMount")[:2] == [
        'MountVolume.SetUp failed for volume "a" : configmap "late" not found',
        'MountVolume.SetUp failed for volume "c" : secret "later" not found',
    ]
    await node.clock.advance(130)
    assert node.told.of("FailedMount")[-1] == (
        "Unable to attach or mount volumes: unmounted volumes=[a c], unattached volumes=[], "
        "failed to process volumes=[]: context deadline exceeded"
    )


@on_a_node
async def test_more_pods_than_start_at_once_hang_in_the_runtime_and_others_start(node: Simulated) -> None:
    start = node.runtime.start_container

    async def start_container(id: str) -> None:
        if (await node.runtime.container_status(id)).name == "stuck":
            await asyncio.Event().wait()  # the server of its volume has gone
        await start(id)

    node.runtime.start_container = start_container  # type: ignore[method-assign]
    for number in range(20):
        await node.run(pod(f"p{number}", container("stuck", "sleep", "1000")))
    await node.run(pod("other"), 1)
    assert node.statuses.phase("other") == "Pending"
    await node.clock.advance(15)
    assert node.statuses.phase("other") == "Running"
    assert node.statuses.phase("p0") == "Pending"


@pytest.mark.root
def test_secrets_are_in_memory_also_after_the_machine_was_started_anew(tmp_path: Path) -> None:
    async def main() -> None:
        clock = VirtualClock()
        node = Node(MemoryRuntime(clock), clock, tmp_path, on_disk=True)
        volumes = node.volumes
        node.objects.secrets[Key("default", "s")] = Secret(data={"key": "c2VzYW1l"})
        given = pod("p", volumes=[{"name": "v", "secret": {"secretName": "s"}}])
        try:
            place = (await volumes.set_up(given, Surroundings()))["v"]
            assert os.path.ismount(place)
            kernel.unmount(place)  # as a restart does; the directory stays
            assert os.listdir(place) == []
            assert (await volumes.set_up(given, Surroundings()))["v"] == place
            assert os.path.ismount(place) and (place / "key").read_text() == "sesame"
        finally:
            await volumes.tear_down(given.uid)
            await node.close()
        assert not place.exists()

    asyncio.run(main())
