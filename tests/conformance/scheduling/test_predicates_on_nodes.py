"""Where pods may go, on real nodes (sig-scheduling)."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from conformance.beside import beside
from conformance.node.pods import container, pod
from conformance.scheduling import room
from conformance.scheduling.room import name_of, pause
from conformance.work import SITE, WELL, Work
from longboat.machinery.objects import Object
from longboat.machinery.quantity import parse

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(300)]

PORT = 54322
NO_VICTIMS, NOT_HELPFUL = "No preemption victims found for incoming pod", "Preemption is not helpful for scheduling"


def nowhere(nodes: int, why: str, no_room: str) -> str:
    """What the scheduler says when all nodes refuse a pod for one reason."""
    none = f"0/{nodes} nodes are available: {nodes}"
    return f"{none} {why}. no new claims to deallocate, preemption: {none} {no_room}."


@beside
def test_resource_limits(work: Work) -> None:
    """Conformance: Scheduler, resource limits"""
    nodes = room.nodes(work)
    offered = {name_of(node): parse(node["status"]["allocatable"]["cpu"]).milli for node in nodes}
    left = dict(offered)
    for other in work.api.get("/api/v1/pods")["items"]:
        if (node := other["spec"].get("nodeName")) in left and other["status"]["phase"] not in ("Succeeded", "Failed"):
            left[node] -= requested(other)
    with ExitStack() as labels:
        for name in offered:
            labels.enter_context(room.labelled(work, name, "node", name))
        for index, (name, free) in enumerate(left.items()):
            work.create(pause(f"filler-{index}", {"cpu": f"{free * 7 // 10}m"}, **room.only_on(name, "node")))
        for index, name in enumerate(left):
            assert room.runs(work, f"filler-{index}")["spec"]["nodeName"] == name
        work.create(pause("additional", {"cpu": f"{max(offered.values()) // 2}m"}))
        assert room.refused(work, "additional") == nowhere(len(nodes), "Insufficient cpu", NO_VICTIMS)
        room.counted(work, scheduled=len(nodes), waiting=1)


def requested(pod: Object) -> int:
    """Thousandths of a CPU."""
    every = [each.get("resources", {}).get("requests", {}) for each in pod["spec"]["containers"]]
    return sum(parse(requests.get("cpu", "0")).milli for requests in every)


@beside
def test_a_selector_that_matches_no_node(work: Work) -> None:
    """Conformance: Scheduler, node selector not matching"""
    work.create(pause("restricted", nodeSelector={"label": "nonempty"}))
    why = "node(s) didn't match Pod's node affinity/selector"
    assert room.refused(work, "restricted") == nowhere(len(room.nodes(work)), why, NOT_HELPFUL)
    room.counted(work, scheduled=0, waiting=1)


@beside
def test_a_selector_that_matches_a_node(work: Work) -> None:
    """Conformance: Scheduler, node selector matching"""
    found = room.found_by_running(work)
    for node in map(name_of, room.nodes(work)):  # each in its turn: on any one of them a pod might be by chance
        with room.labelled(work, node) as selector:
            name = "with-labels" if node == found else f"with-labels-{node}"
            work.create(pause(name, nodeSelector=selector))
            assert room.runs(work, name)["spec"]["nodeName"] == node


@beside
def test_a_port_of_all_addresses(work: Work) -> None:
    """Conformance: Scheduling, HostPort and Protocol match, HostIPs different but one is default HostIP (0.0.0.0)"""
    node = room.found_by_running(work)
    addresses = work.api.get(f"{room.NODES}/{node}")["status"]["addresses"]
    address = next(each["address"] for each in addresses if each["type"] == "InternalIP")

    def publish(name: str, host: str, selector: dict[str, str]) -> None:
        port = {"hostPort": PORT, "hostIP": host, "protocol": "TCP", "containerPort": 80}
        work.create(pod(name, container(SITE, ports=[port], readinessProbe=WELL), nodeSelector=selector))

    with room.labelled(work, node, value="95") as selector:
        publish("pod4", "", selector)
        assert room.runs(work, "pod4")["spec"]["nodeName"] == node
        publish("pod5", address, selector)
        said = room.refused(work, "pod5")
        assert "1 node(s) didn't have free ports for the requested pod ports" in said
        work.ready("pod4")
        room.counted(work, scheduled=1, waiting=1)
