"""Pods that make room for those that matter more, on real nodes (sig-scheduling).

Each test offers a resource of its own on the nodes, so that they can run beside each other.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from uuid import uuid4

import pytest

from conformance.apps.on_nodes import condition_of
from conformance.beside import beside
from conformance.node.api import Refused
from conformance.node.pods import Pods
from conformance.scheduling import room
from conformance.scheduling.room import name_of, pause
from conformance.work import Work, labels_of, workload
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

FINALIZER = "example.com/test-finalizer"
SETTLED = 5.0  # seconds after which nothing more will give way


def crowded(work: Work, nodes: list[str], resource: str, low: str, medium: str) -> list[str]:
    """Two running pods on each node, which leave no room for a third; the first of all matters the least. Names."""
    names = []
    for node in nodes:
        for _ in range(2):
            names.append(f"pod-{len(names)}")
            name = low if len(names) == 1 else medium
            work.create(pause(names[-1], {resource: "2"}, priorityClassName=name, **room.only_on(node)))
    for name in names:
        room.runs(work, name)
    return names


def gave_way(work: Work, names: list[str]) -> None:
    """The first of these pods, and no other."""
    assert [name for name in names if room.is_going(work, name)] == names[:1]


@beside
def test_basic(work: Work) -> None:
    """Conformance: Scheduler, Basic Preemption"""
    resource, nodes = "scheduling.k8s.io/foo", list(map(name_of, room.nodes(work)))
    low, medium, high = "basic-low-priority", "basic-medium-priority", "basic-high-priority"
    with room.classes(work, **{low: 1, medium: 100, high: 1000}), room.offering(work, {resource: "5"}, *nodes):
        names = crowded(work, nodes, resource, low, medium)
        work.create(pause("preemptor", {resource: "2"}, priorityClassName=high))
        found = room.runs(work, "preemptor")
        assert (found["spec"]["priority"], found["spec"]["nodeName"]) == (1000, nodes[0])
        gave_way(work, names)


@beside
def test_by_a_critical_pod(work: Work) -> None:
    """Conformance: Scheduler, Preemption for critical pod"""
    resource, nodes = "scheduling.k8s.io/critical", list(map(name_of, room.nodes(work)))
    low, medium = "critical-low-priority", "critical-medium-priority"
    system = Pods(work.cluster, work.api, "kube-system")
    with room.classes(work, **{low: 1, medium: 100}), room.offering(work, {resource: "5"}, *nodes):
        names = crowded(work, nodes, resource, low, medium)
        system.create(pause("critical-pod", {resource: "2"}, priorityClassName="system-cluster-critical"))
        try:
            found = system.until("critical-pod", lambda found: found["status"].get("phase") == "Running")
            assert (found["spec"]["priority"], found["spec"]["nodeName"]) == (2_000_000_000, nodes[0])
            gave_way(work, names)
        finally:
            system.delete("critical-pod", 0)


@beside
def test_the_condition_of_who_gives_way(work: Work) -> None:
    """Conformance: Verify the DisruptionTarget condition is added to the preempted pod"""
    resource, node = "scheduling.k8s.io/target", name_of(room.nodes(work)[0])
    low, high = "target-low-priority", "target-high-priority"
    with room.classes(work, **{low: 1, high: 1000}), room.offering(work, {resource: "1"}, node):
        victim = pause("victim", {resource: "1"}, priorityClassName=low, **room.only_on(node))
        victim["metadata"]["finalizers"] = [FINALIZER]
        work.create(victim)
        room.runs(work, "victim")
        work.create(pause("preemptor", {resource: "1"}, priorityClassName=high, **room.only_on(node)))
        try:
            found = work.until("victim", lambda found: "deletionTimestamp" in found["metadata"])
            condition = condition_of(found, "DisruptionTarget")
            assert condition is not None
            assert (condition["status"], condition["reason"]) == ("True", "PreemptionByScheduler")
            assert condition["observedGeneration"] == 1  # what was judged: that it is to go is a generation of its own
            assert condition["message"] == "default-scheduler: preempting to accommodate a higher priority pod"
            room.runs(work, "preemptor")  # the node is free once the victim has ended, held or not
            assert condition_of(work.get("victim"), "DisruptionTarget") == condition
        finally:
            work.api.patch(work.path("victim"), {"metadata": {"finalizers": None}})
        work.until_gone("victim")


@beside
def test_the_path_of_preemption(work: Work) -> None:
    """Conformance: Pod preemption verification"""
    resource, node = "example.com/fakecpu", room.found_by_running(work)
    host = labels_of(work.api.get(f"{room.NODES}/{node}"))["kubernetes.io/hostname"]

    def level(number: int, asks: str) -> Object:
        spec = {"priorityClassName": f"p{number}", "nodeSelector": {"kubernetes.io/hostname": host}}
        made = pause(f"pod{number}", {resource: asks}, **spec)
        made["metadata"]["labels"] = {"name": f"pod{number}"}
        return made

    with room.classes(work, p1=1, p2=2, p3=3, p4=4), room.offering(work, {resource: "1000"}, node):
        since = work.now()
        for number, asks in ((1, "200"), (2, "300"), (3, "450")):
            of = level(number, asks)
            work.make("ReplicaSet", f"rs-pod{number}", workload(1, {"metadata": of["metadata"], "spec": of["spec"]}))
        for number in (1, 2, 3):
            work.status_of("ReplicaSet", f"rs-pod{number}", availableReplicas=1)
        work.create(level(4, "500"))
        assert work.until("pod4", lambda found: found["spec"].get("nodeName"))["spec"]["nodeName"] == node

        wanted, made = {"pod1": 2, "pod2": 2, "pod3": 1, "pod4": 1}, Counter[str]()
        for event, found in work.history("Pod", since):
            if event == "ADDED":
                since = found["metadata"]["resourceVersion"]
                made[labels_of(found)["name"]] += 1
                assert all(made[name] <= count for name, count in wanted.items()), "more gave way than had to"
                if made == wanted:
                    break
        with suppress(TimeoutError):
            for each in work.api.watch(f"{work.place('Pod')}?watch=1&resourceVersion={since}", SETTLED):
                assert each["type"] != "ADDED", "it goes on"
        room.runs(work, "pod4")


@beside
def test_classes(work: Work) -> None:
    """Conformance: Scheduler, Verify PriorityClass endpoints"""
    label = f"e2e={uuid4()}"
    key, value = label.split("=")
    made = [room.prioritized(work, f"endpoints-p{number}", number, labels={key: value}) for number in (1, 2)]
    first, second = (f"{room.CLASSES}/{name_of(each)}" for each in made)
    try:
        for refused in (
            lambda: work.api.patch(first, {"value": 10}, "strategic"),
            lambda: work.api.put(second, {**made[1], "value": 20}),
        ):
            with pytest.raises(Refused, match=r"value: Forbidden: may not be changed in an update\.") as error:
                refused()
            assert (error.value.code, error.value.reason) == (422, "Invalid")
        work.api.patch(first, {"description": "updated description"}, "strategic")
        work.api.put(second, {**made[1], "description": "updated description"})
        names = [name_of(each) for each in work.api.get(room.CLASSES)["items"]]
        assert {name_of(each) for each in made} <= set(names)
        for each in made:
            found = work.api.get(f"{room.CLASSES}/{name_of(each)}")
            assert (found["value"], found["description"]) == (each["value"], "updated description")
    finally:
        work.api.ask("DELETE", f"{room.CLASSES}?labelSelector={label}")
    assert work.api.get(f"{room.CLASSES}?labelSelector={label}")["items"] == []
