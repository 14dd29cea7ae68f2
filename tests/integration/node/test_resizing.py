"""Resizing real containers where it must not or cannot be done at once, and by an agent that comes later (KEP-1287)."""

from __future__ import annotations

import asyncio

import pytest

from integration.node import test_pods
from integration.node.machine import Machine
from integration.node.test_pods import inside, make_node, on_the_machine, running, until
from unit.node.build import Node, container, pod
from unit.node.test_resize import MEGA, RESTART, resized, sized

pytestmark = [pytest.mark.containers, pytest.mark.slow]
machine = test_pods.machine
MEMORY = "/sys/fs/cgroup/memory/memory.limit_in_bytes"
HOLDS = "head -c 30000000 /dev/zero > /dev/shm/held; echo held; sleep 1000"
ROOM = {"cpu": "4", "memory": "1Gi"}


def condition(node: Node, kind: str) -> str:
    """Its reason, with a mark before it where there is such a condition."""
    found = (c for c in node.statuses.of["p"]["conditions"] if c["type"] == kind)
    return next((f"!{c['reason'] or ''}" for c in found), "")


@on_the_machine
async def test_memory_in_use_stays_and_a_container_that_asks_for_it_is_restarted(node: Node) -> None:
    node.workers.allocatable = ROOM
    given = pod(
        "p", container("c", "sh", "-c", HOLDS, resources=sized("50m", memory="64Mi")),
        container("d", "sleep", "1000", resources=sized("50m", memory="16Mi"), resizePolicy=RESTART),
        terminationGracePeriodSeconds=1,
    )  # fmt: skip
    await running(node, given)
    await until(lambda: node.told.reasons.count("Started") == 2)
    for _ in range(200):
        if "held" in await test_pods.log(node):
            break
        await asyncio.sleep(0.05)
    less = resized(given, c=sized("50m", memory="20Mi"))
    node.workers.update(less)
    await until(lambda: node.told.of("ResizeError"))
    assert f'container \\"c\\" memory limit ({20 * MEGA}) below current usage' in node.told.of("ResizeError")[0]
    await until(lambda: condition(node, "PodResizeInProgress") == "!Error")
    assert await inside(node, "cat", MEMORY) == f"{64 * MEGA}\n"
    assert node.statuses.container()["resources"]["limits"]["memory"] == "64Mi"

    both = resized(less, 3, c=sized("50m", memory="48Mi"), d=sized("100m", memory="20Mi"))
    node.workers.update(both)
    await until(lambda: node.told.of("ResizeCompleted"))
    assert not condition(node, "PodResizeInProgress")
    assert await inside(node, "cat", MEMORY) == f"{48 * MEGA}\n"
    assert await inside(node, "cat", MEMORY, name="d") == f"{20 * MEGA}\n"
    assert await inside(node, "cat", "/sys/fs/cgroup/cpu/cpu.shares", name="d") == "102\n"
    assert [c["restartCount"] for c in node.statuses.of["p"]["containerStatuses"]] == [0, 1]
    assert (await node.tools.cgroups.limits(both)).memory == 68 * MEGA


def test_what_was_given_is_known_to_the_next_agent(machine: Machine) -> None:
    given = pod("p", container("c", "sleep", "1000", resources=sized("100m")))
    wanted = resized(given, c=sized("2"))

    async def first() -> None:
        node = make_node(machine)
        node.start()
        await running(node, given)
        await node.close()

    async def second(node: Node) -> None:
        node.workers.allocatable = {**ROOM, "cpu": "1"}
        await node.tools.checkpoints.load()
        node.workers.update(wanted)
        await until(lambda: node.statuses.phase() == "Running")
        assert condition(node, "PodResizePending") == "!Infeasible"
        status = node.statuses.container()
        assert status["allocatedResources"] == status["resources"]["requests"] == {"cpu": "100m"}
        node.workers.allocatable = ROOM
        node.workers.wake(given.uid)
        await until(lambda: node.told.of("ResizeCompleted"))
        assert await inside(node, "cat", "/sys/fs/cgroup/cpu/cpu.shares") == "2048\n"
        assert node.statuses.container()["restartCount"] == 0

    machine.inside(lambda: asyncio.run(first()))
    machine.inside(lambda: asyncio.run(test_pods._main(machine, second)))
