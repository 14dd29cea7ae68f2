"""Room that is made for critical pods: whose, in which words, and when they begin."""

from __future__ import annotations

import pytest

from longboat.machinery.objects import Object
from longboat.node import preemption
from longboat.node.views.pod import Pod
from unit.node.build import changed, container, pod
from unit.node.test_pod_workers import GONE, Simulated, on_a_node

OFFERED = {"cpu": "4", "memory": "4Gi", "pods": "10"}
CRITICAL = 2_000_000_000


def sized(name: str, cpu: int, memory: int = 0, *, guaranteed: bool = False, priority: int = 0) -> Pod:
    """cpu in thousandths, memory in bytes; without either it is a best-effort one."""
    asked = {"cpu": f"{cpu}m", "memory": str(memory)} if cpu or memory else {}
    resources: Object = {"requests": asked, "limits": asked} if guaranteed else {"requests": asked}
    return pod(name, container("c", "sleep", "900", resources=resources), priority=priority)


@pytest.mark.parametrize(
    ("running", "needs", "expected"),
    [
        ([sized("a", 100), sized("b", 300)], {"cpu": 200}, "b"),
        ([sized("a", 100), sized("b", 300), sized("c", 200)], {"cpu": 200}, "c"),  # the nearest, of those the smallest
        ([sized("a", 100), sized("b", 300)], {"cpu": 400}, "a b"),
        ([sized("a", 100), sized("b", 300)], {"cpu": 401}, None),
        ([sized("a", 100), sized("g", 300, 1, guaranteed=True)], {"cpu": 200}, "g"),
        ([sized("a", 300), sized("g", 300, 1, guaranteed=True)], {"cpu": 200}, "a"),
        ([sized("a", 300), sized("b", 100), sized("g", 300, 1, guaranteed=True)], {"cpu": 350}, "a b"),
        ([sized("e", 0), sized("a", 300)], {"cpu": 200}, "a"),
        ([sized("e", 0), sized("a", 300)], {"pods": 1}, "e"),
        ([sized("a", 300, 10), sized("b", 10, 300)], {"cpu": 100, "memory": 200}, "a b"),
        ([sized("a", 300, priority=CRITICAL)], {"cpu": 200}, None),
        ([sized("a", 300, priority=CRITICAL - 1)], {"cpu": 200}, "a"),
        ([sized("a", 300)], {}, ""),
    ],
)
def test_who_has_to_go(running: list[Pod], needs: dict[str, int], expected: str | None) -> None:
    found = preemption.victims(sized("p", 100, priority=CRITICAL), running, needs)
    names = None if found is None else {each.metadata.name for each in found}
    assert names == (None if expected is None else set(expected.split()))


@on_a_node
async def test_a_critical_pod_has_its_room_made(node: Simulated) -> None:
    """As upstream's case: a pod that wants all of the node ends the guaranteed and the burstable one, not the other."""
    node.workers.allocatable = OFFERED
    others = (sized("effort", 0), sized("burst", 100, 100), sized("guaranteed", 100, 100, guaranteed=True))
    for each in others:
        await node.run(each)
    await node.run(sized("critical", 4000, 4 << 30, priority=CRITICAL), 1)
    assert [node.statuses.phase(name) for name in ("effort", "critical")] == ["Running", "Running"]
    for name in ("burst", "guaranteed"):
        status = node.statuses.of[name]
        assert (status["phase"], status["reason"], status["message"]) == (
            "Failed", "Preempting", "Preempted in order to admit critical pod",
        )  # fmt: skip
        told = next(condition for condition in status["conditions"] if condition["type"] == "DisruptionTarget")
        assert (told["status"], told["reason"]) == ("True", "TerminationByKubelet")
        assert told["message"] == "Pod was preempted by Kubelet to accommodate a critical pod."
    assert node.told.of("Preempting") == ["Preempted in order to admit critical pod"] * 2


@on_a_node
async def test_it_waits_for_those_who_end_and_nobody_takes_its_place(node: Simulated) -> None:
    node.workers.allocatable = OFFERED
    hook = {"preStop": {"sleep": {"seconds": 10}}}
    slow = pod("slow", container("c", "sleep", "900", lifecycle=hook, resources={"requests": {"cpu": "3"}}))
    await node.run(slow)
    await node.run(sized("critical", 3000, priority=CRITICAL), 5)
    assert not node.statuses.phase("critical") and node.statuses.phase("slow") == "Running"
    await node.run(sized("cuckoo", 2000))
    assert node.statuses.of["cuckoo"]["reason"] == "OutOfcpu"
    await node.clock.advance(6)
    assert [node.statuses.phase(name) for name in ("slow", "critical")] == ["Failed", "Running"]


@on_a_node
async def test_whoever_ends_already_is_waited_for_and_nobody_else_goes(node: Simulated) -> None:
    node.workers.allocatable = OFFERED
    hook = {"preStop": {"sleep": {"seconds": 10}}}
    going = pod("going", container("c", "sleep", "900", lifecycle=hook, resources={"requests": {"cpu": "2"}}))
    for each in (going, sized("other", 2000)):
        await node.run(each)
    await node.run(changed(going, **GONE))
    await node.run(sized("critical", 2000, priority=CRITICAL), 5)
    assert not node.statuses.phase("critical") and "Preempting" not in node.told.reasons
    await node.clock.advance(6)
    assert [node.statuses.phase(name) for name in ("other", "critical")] == ["Running", "Running"]


@on_a_node
async def test_no_room_can_be_made_of_the_pods_of_equals(node: Simulated) -> None:
    node.workers.allocatable = OFFERED
    await node.run(sized("first", 3000, priority=CRITICAL))
    await node.run(sized("second", 3000, priority=CRITICAL))
    status = node.statuses.of["second"]
    assert (status["phase"], status["reason"]) == ("Failed", "UnexpectedAdmissionError")
    assert status["message"].endswith("no set of running pods found to reclaim resources: [(res: cpu, q: 2000), ]")
    assert node.statuses.phase("first") == "Running"


@on_a_node
async def test_nobody_goes_for_a_critical_pod_that_is_refused_for_something_else(node: Simulated) -> None:
    node.workers.allocatable = OFFERED
    await node.run(sized("first", 3000))
    node.own.set(spec={"taints": [{"key": "broken", "effect": "NoExecute"}]})
    await node.run(sized("critical", 3000, priority=CRITICAL))
    assert node.statuses.of["critical"]["reason"] == "TaintToleration"
    assert node.statuses.phase("first") == "Running" and "Preempting" not in node.told.reasons


@on_a_node
async def test_a_critical_pod_that_is_deleted_while_it_waits_goes(node: Simulated) -> None:
    node.workers.allocatable = OFFERED
    hook = {"preStop": {"sleep": {"seconds": 10}}}
    await node.run(pod("slow", container("c", "sleep", "900", lifecycle=hook, resources={"requests": {"cpu": "3"}})))
    critical = sized("critical", 3000, priority=CRITICAL)
    await node.run(critical, 1)
    await node.run(changed(critical, **GONE), 1)
    assert "critical" in node.statuses.deleted
    node.workers.remove(critical.uid)
    await node.clock.advance(30)
    assert node.workers.get(critical.uid) is None and not node.workers.admitter.waiting


@on_a_node
async def test_an_eviction_tells_whose_doing_it_is(node: Simulated) -> None:
    given = pod("p")
    await node.run(given)
    node.workers.evict(given.uid, "The node was low on resource", signal="memory.available")
    await node.clock.advance(5)
    told = next(c for c in node.statuses.of["p"]["conditions"] if c["type"] == "DisruptionTarget")
    assert (told["status"], told["reason"], told["message"]) == (
        "True", "TerminationByKubelet", "The node was low on resource",
    )  # fmt: skip
