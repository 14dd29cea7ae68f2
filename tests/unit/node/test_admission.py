"""Pods that were bound to a node which has no room for them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from longboat.machinery.objects import Object
from longboat.node import admission
from unit.node.build import changed, container, pod
from unit.node.test_pod_workers import GONE, Simulated, on_a_node

OFFERED = {"cpu": "2", "memory": "1Gi", "ephemeral-storage": "1Gi", "pods": "3"}


def asking(**requests: str) -> Object:
    listed = {name.replace("_", "-").replace("--", "/"): text for name, text in requests.items()}
    return container(resources={"requests": listed})


@pytest.mark.parametrize(
    ("asked", "others", "why"),
    [
        ({"cpu": "1500m"}, [{"cpu": "500m"}], None),
        ({"cpu": "1501m"}, [{"cpu": "500m"}], ("cpu", 1501, 500, 2000)),
        ({"cpu": "3"}, [], ("cpu", 3000, 0, 2000)),
        ({"memory": "1Gi"}, [{"memory": "1Mi"}], ("memory", 1 << 30, 1 << 20, 1 << 30)),
        ({"ephemeral_storage": "2Gi"}, [], ("ephemeral-storage", 2 << 30, 0, 1 << 30)),
        ({"cpu": "3", "memory": "3Gi"}, [{}, {}], ("cpu", 3000, 0, 2000)),
        ({"cpu": "3"}, [{}, {}, {}], ("pods", 1, 3, 3)),
        ({}, [{"cpu": "3"}], None),
        ({"example.com--boat": "9"}, [], None),
    ],
)
def test_what_does_not_fit(asked: Any, others: list[Any], why: tuple[str, int, int, int] | None) -> None:
    found = admission.refusal(pod("p", asking(**asked)), [pod("o", asking(**other)) for other in others], OFFERED)
    if why is None:
        assert found is None
        return
    assert found is not None and found.reason == f"OutOf{why[0]}"
    resource, requested, used, capacity = why
    figures = f"requested: {requested}, used: {used}, capacity: {capacity}"
    assert found.message == f"Node didn't have enough resource: {resource}, {figures}"


@on_a_node
async def test_what_does_not_fit_fails_and_takes_no_room(node: Simulated) -> None:
    node.workers.allocatable = OFFERED
    first, large, small = (pod(name, asking(cpu=cpu)) for name, cpu in (("a", "1"), ("large", "2"), ("small", "1")))
    for each in (first, large, small):
        node.workers.update(each)
    await node.clock.advance(0.1)
    status = node.statuses.of["large"]
    assert (status["phase"], status["reason"]) == ("Failed", "OutOfcpu")
    why = "Node didn't have enough resource: cpu, requested: 2000, used: 1000, capacity: 2000"
    assert status["message"] == f"Pod was rejected: {why}" and node.told.of("OutOfcpu") == [why]
    assert [node.statuses.of[name]["phase"] for name in ("a", "small")] == ["Running", "Running"]
    assert len(await node.runtime.sandboxes()) == 2


@on_a_node
async def test_what_has_gone_makes_room(node: Simulated) -> None:
    node.workers.allocatable = OFFERED
    first = pod("a", asking(cpu="2"))
    await node.run(first)
    await node.run(pod("early", asking(cpu="2")))
    await node.run(changed(first, **GONE), 60)
    await node.run(pod("late", asking(cpu="2")))
    assert [node.statuses.of[name]["phase"] for name in ("early", "late")] == ["Failed", "Running"]


@on_a_node
async def test_who_was_taken_before_keeps_the_place(node: Simulated) -> None:
    """An agent that starts anew hears of pods in any order, and may find that the node has become smaller."""
    node.workers.allocatable = OFFERED
    new, old = (pod(name, asking(cpu="2")) for name in ("new", "old"))
    status = msgspec.structs.replace(old.status, phase="Running", startTime="2026-01-01T00:00:00Z")
    await node.run(new)
    await node.run(msgspec.structs.replace(old, status=status))
    assert [node.statuses.of[name]["phase"] for name in ("new", "old")] == ["Running", "Running"]
