"""Pods that were bound to a node which has no room for them, or which they do not want."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.node import admission
from longboat.node.safeguards import Safeguards
from longboat.node.views.objects import Node
from unit.node.build import changed, container, pod
from unit.node.test_pod_workers import GONE, Simulated, on_a_node

OFFERED = {"cpu": "2", "memory": "1Gi", "ephemeral-storage": "1Gi", "hugepages-2Mi": "0", "pods": "3"}


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
        ({"hugepages_2Mi": "2Mi"}, [], ("hugepages-2Mi", 2 << 20, 0, 0)),
        ({"hugepages_2Mi": "2Mi", "memory": "2Gi"}, [], ("memory", 2 << 30, 0, 1 << 30)),
    ],
)
def test_what_does_not_fit(asked: Any, others: list[Any], why: tuple[str, int, int, int] | None) -> None:
    beside = [pod("o", asking(**other)) for other in others]
    offer = admission.Offer(allocatable=OFFERED)
    found = admission.judge(pod("p", asking(**asked)), beside, offer, Safeguards()).first
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


AFAR = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
STARTED = {"phase": "Running", "startTime": "2026-01-01T00:00:00Z"}


def requiring(**term: Any) -> Any:
    required = {"nodeSelectorTerms": [term]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


@pytest.mark.parametrize(
    ("spec", "taken"),
    [
        ({"nodeSelector": {"disk": "ssd"}}, True),
        ({"nodeSelector": {"disk": "hdd"}}, False),
        ({"nodeSelector": {"disk": "ssd", "zone": "a"}}, False),
        (requiring(matchExpressions=[{"key": "disk", "operator": "In", "values": ["ssd"]}]), True),
        (requiring(matchExpressions=[{"key": "disk", "operator": "DoesNotExist"}]), False),
        (requiring(matchFields=[{"key": "metadata.name", "operator": "In", "values": ["n"]}]), True),
        (requiring(matchFields=[{"key": "metadata.name", "operator": "In", "values": ["other"]}]), False),
    ],
)
def test_which_nodes_a_pod_wants(spec: Any, taken: bool) -> None:
    given = pod("p", **spec)
    assert admission.asks_for_labels(given)
    why = admission.judge(given, [], admission.Offer(name="n", labels={"disk": "ssd"}), Safeguards()).first
    assert (why is None) if taken else (why is not None and (why.reason, why.message) == ("NodeAffinity", AFAR))


def test_only_a_new_pod_that_is_particular_asks_for_labels() -> None:
    preferred = {"weight": 1, "preference": {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}}
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preferred]}}
    assert not admission.asks_for_labels(pod()) and not admission.asks_for_labels(pod("p", affinity=affinity))
    assert not admission.asks_for_labels(pod("p", nodeSelector={"disk": "ssd"}, status=STARTED))


@on_a_node
async def test_a_pod_that_wants_another_node_fails_and_gives_way(node: Simulated) -> None:
    node.workers.allocatable = OFFERED
    node.own.set({"disk": "hdd"})
    await node.run(pod("astray", asking(cpu="2"), nodeSelector={"disk": "ssd"}))
    assert (node.statuses.of["astray"]["phase"], node.statuses.of["astray"]["reason"]) == ("Failed", "NodeAffinity")
    assert node.statuses.of["astray"]["message"] == f"Pod was rejected: {AFAR}"
    assert node.told.events == [("Warning", "NodeAffinity", AFAR)] and not await node.runtime.sandboxes()
    await node.run(pod("right", asking(cpu="2"), nodeSelector={"disk": "hdd"}))
    assert node.statuses.phase("right") == "Running"


@on_a_node
async def test_labels_count_when_a_pod_comes_and_not_later(node: Simulated) -> None:
    node.own.set({"disk": "ssd"})
    given = pod("p", nodeSelector={"disk": "ssd"})
    await node.run(given)
    node.own.set()
    await node.run(changed(given, labels={"x": "y"}))
    await node.run(pod("old", nodeSelector={"disk": "ssd"}, status=STARTED))
    assert [node.statuses.phase(name) for name in ("p", "old")] == ["Running", "Running"]


@on_a_node
async def test_a_pod_waits_for_an_api_that_does_not_tell_the_labels(node: Simulated) -> None:
    failures: list[Exception] = [StatusError(404, "NotFound", "no such node"), ConnectionError("refused")]
    tell = node.own.fresh

    async def fresh() -> Any:
        if failures:
            raise failures.pop()
        return await tell()

    node.own.fresh = fresh  # type: ignore[method-assign]
    await node.run(pod("p", nodeSelector={"disk": "ssd"}))
    assert not node.statuses.phase("p") and not await node.runtime.sandboxes()
    node.own.set({"disk": "ssd"})
    await node.clock.advance(30)
    assert node.statuses.phase("p") == "Running" and not failures


def test_a_host_port_is_one_pod_s() -> None:
    def publishing(name: str, port: int, **more: Any) -> Any:
        return pod(name, container(ports=[{"containerPort": 80, "hostPort": port, **more}]))

    def why(mine: Any, *others: Any) -> str:
        found = admission.judge(mine, others, admission.Offer(allocatable=OFFERED), Safeguards()).first
        return found.reason if found else ""

    there = publishing("o", 21017)
    assert why(publishing("p", 21017), there) == "NodePorts"
    assert why(publishing("p", 21017, hostIP="127.0.0.1"), there) == "NodePorts"
    assert why(publishing("p", 21018), there) == ""
    assert why(publishing("p", 21017, protocol="UDP"), there) == ""
    mine = publishing("p", 21017, hostIP="10.0.0.1")
    assert why(mine, publishing("o", 21017, hostIP="10.0.0.2")) == ""
    assert why(pod("p", container()), there) == ""


@on_a_node
async def test_whose_host_port_is_taken_fails_and_leaves_it_to_who_has_it(node: Simulated) -> None:
    node.workers.allocatable = OFFERED
    port = {"containerPort": 80, "hostPort": 21017}
    for name in ("first", "second"):
        node.workers.update(pod(name, container(ports=[port])))
    await node.clock.advance(0.1)
    status = node.statuses.of["second"]
    assert (status["phase"], status["reason"]) == ("Failed", "NodePorts")
    assert status["message"].endswith(
        "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
    )
    assert "reason" not in node.statuses.of["first"]


def taint(effect: str = "NoExecute") -> Object:
    return {"key": "broken", "value": "yes", "effect": effect}


REPELLED = "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"
EXTENDED = {"status": {"capacity": {**OFFERED, "example.com/foo": "2"}, "allocatable": OFFERED}}


@pytest.mark.parametrize(
    ("effect", "tolerations", "taken"),
    [
        ("NoExecute", [], False),
        ("NoExecute", [{"operator": "Exists"}], True),
        ("NoExecute", [{"key": "broken", "value": "yes", "effect": "NoExecute"}], True),
        ("NoExecute", [{"key": "broken", "value": "yes", "tolerationSeconds": 9}], True),
        ("NoExecute", [{"key": "broken", "value": "yes", "effect": "NoSchedule"}], False),
        ("NoExecute", [{"key": "broken", "value": "no"}], False),
        ("NoSchedule", [], True),  # that is the scheduler's affair
        ("PreferNoSchedule", [], True),
    ],
)
def test_which_taints_repel(effect: str, tolerations: list[Object], taken: bool) -> None:
    node = msgspec.convert({"spec": {"taints": [taint(effect)]}}, Node)
    offer = admission.offer("n", OFFERED, node, labels=True)
    found = admission.judge(pod("p", tolerations=tolerations), [], offer, Safeguards()).first
    told = (found.reason, found.message) if found else None
    assert told == (None if taken else ("TaintToleration", REPELLED))


@on_a_node
async def test_a_pod_that_does_not_tolerate_what_would_evict_it_fails(node: Simulated) -> None:
    given = pod("before")
    await node.run(given)
    node.own.set(spec={"taints": [taint()]})
    for each in (pod("p"), pod("tolerant", tolerations=[{"operator": "Exists"}]), pod("old", status=STARTED)):
        await node.run(each)
    status = node.statuses.of["p"]
    assert (status["phase"], status["reason"]) == ("Failed", "TaintToleration")
    assert status["message"] == f"Pod was rejected: {REPELLED}" and node.told.of("TaintToleration") == [REPELLED]
    assert [node.statuses.phase(name) for name in ("before", "tolerant", "old")] == ["Running"] * 3


@on_a_node
async def test_what_a_watch_has_told_is_asked_again_before_it_refuses(node: Simulated) -> None:
    node.own.set(spec={"taints": [taint()]}, status={"capacity": {"example.com/foo": "1"}})
    node.own.heard = node.own.now
    node.own.set(status={"capacity": {"example.com/foo": "3"}})
    await node.run(pod("p", container(resources={"requests": {"example.com/foo": "2"}})))
    assert node.statuses.phase() == "Running" and node.own.asked == 1
    node.own.heard = None
    await node.run(pod("q"))
    assert node.statuses.phase("q") == "Running" and node.own.asked == 1  # what is not refused asks nothing


@on_a_node
async def test_resources_that_others_have_added_are_counted(node: Simulated) -> None:
    node.workers.allocatable = OFFERED
    foo = {"resources": {"requests": {"example.com/foo": "2"}, "limits": {"example.com/foo": "2"}}}
    bar = {"resources": {"requests": {"example.com/bar": "9"}, "limits": {"example.com/bar": "9"}}}
    node.own.set(**EXTENDED)
    for name, wanted in (("first", foo), ("second", foo), ("unknown", bar)):
        await node.run(pod(name, container(**wanted)))
    status = node.statuses.of["second"]
    assert (status["phase"], status["reason"]) == ("Failed", "OutOfexample.com/foo")
    assert status["message"].endswith("enough resource: example.com/foo, requested: 2, used: 2, capacity: 2")
    assert [node.statuses.phase(name) for name in ("first", "unknown")] == ["Running", "Running"]


def test_overhead_counts() -> None:
    offer = admission.Offer(allocatable=OFFERED)
    fits = admission.judge(pod("p", asking(cpu="1500m")), [], offer, Safeguards())
    assert fits.first is None
    heavy = admission.judge(pod("p", asking(cpu="1500m"), overhead={"cpu": "600m"}), [], offer, Safeguards()).first
    assert heavy is not None and heavy.reason == "OutOfcpu" and "requested: 2100" in heavy.message


@pytest.mark.parametrize(
    ("labels", "spec", "reason"),
    [
        ({"kubernetes.io/os": "linux"}, {"os": {"name": "linux"}}, ""),
        ({"kubernetes.io/os": "windows"}, {}, "PodOSSelectorNodeLabelDoesNotMatch"),
        ({"kubernetes.io/os": "windows"}, {"os": {"name": "windows"}}, "PodOSSelectorNodeLabelDoesNotMatch"),
        ({}, {"os": {"name": "windows"}}, "PodOSNotSupported"),
    ],
)
def test_pods_for_other_systems(labels: dict[str, str], spec: Object, reason: str) -> None:
    found = admission.judge(pod("p", metadata={"labels": labels}, **spec), [], admission.Offer(), Safeguards()).first
    assert (found.reason if found else "") == reason


def test_the_first_reason_is_told() -> None:
    """Room comes before wishes, and those before ports and taints."""
    node = msgspec.convert({"spec": {"taints": [taint()]}, "metadata": {"labels": {}}}, Node)
    offer = admission.offer("n", OFFERED, node, labels=True)
    port = {"containerPort": 80, "hostPort": 80}
    busy = [pod("o", container(ports=[port]))]
    listed = container(ports=[port], resources={"requests": {"cpu": "3"}})
    found = admission.judge(pod("p", listed, nodeSelector={"a": "b"}), busy, offer, Safeguards())
    assert [short.resource for short in found.short] == ["cpu"]
    assert [why.reason for why in found.others] == ["NodeAffinity", "NodePorts", "TaintToleration"]
    assert found.first is not None and found.first.reason == "OutOfcpu"
