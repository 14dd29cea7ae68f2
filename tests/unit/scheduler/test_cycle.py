"""What the scheduler decides, and what it says when it cannot."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.scheduler import catalog
from longboat.scheduler.cycle import Cycle, NoFit, Placement, enough
from longboat.scheduler.info import PodInfo
from longboat.scheduler.plugin import Change
from longboat.scheduler.snapshot import Snapshot
from unit.scheduler.build import cluster, node, pod


def decide(info: PodInfo, snapshot: Snapshot, seed: int = 1) -> Placement | NoFit:
    return Cycle(catalog.plugins(), random.Random(seed)).decide(info, snapshot)


def message(decision: Placement | NoFit) -> str:
    assert isinstance(decision, NoFit)
    return decision.message


TAINT = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}


def anti_affinity(app: str, key: str = "kubernetes.io/hostname") -> dict[str, Any]:
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def affinity(app: str, key: str = "kubernetes.io/hostname") -> dict[str, Any]:
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key}
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def node_affinity(operator: str, *values: str) -> dict[str, Any]:
    terms = [{"matchExpressions": [{"key": "disk", "operator": operator, "values": list(values)}]}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


def test_without_nodes_it_says_so() -> None:
    assert message(decide(pod(), Snapshot())) == "no nodes available to schedule pods"


def test_a_pod_goes_where_it_fits() -> None:
    small, large = node("small", cpu="1"), node("large", cpu="8")
    assert decide(pod(cpu="2"), cluster(small, large)) == Placement("large")


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (lambda: pod(cpu="5"), "0/2 nodes are available: 2 Insufficient cpu."),
        (lambda: pod(cpu="5", memory="9Gi"), "0/2 nodes are available: 2 Insufficient cpu, 2 Insufficient memory."),
        (
            lambda: pod(nodeSelector={"disk": "tape"}),
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
        ),
    ],
)
def test_refusals_are_counted_by_reason(info: Any, expected: str) -> None:
    assert message(decide(info(), cluster(node("a"), node("b")))) == expected


def test_each_node_gives_its_own_reason() -> None:
    nodes = cluster(node("a", taints=[TAINT]), node("b", unschedulable=True), node("c", pods=0))
    assert message(decide(pod(), nodes)) == (
        "0/3 nodes are available: 1 Too many pods, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable."
    )


def test_a_toleration_opens_a_tainted_node() -> None:
    nodes = cluster(node("a", taints=[TAINT]))
    assert decide(pod(tolerations=[{"key": "dedicated", "operator": "Exists"}]), nodes) == Placement("a")
    assert decide(pod(tolerations=[{"key": "dedicated", "value": "db"}]), nodes) == Placement("a")
    assert isinstance(decide(pod(tolerations=[{"key": "dedicated", "value": "web"}]), nodes), NoFit)


def test_soft_taints_only_weigh() -> None:
    soft = {**TAINT, "effect": "PreferNoSchedule"}
    assert decide(pod(), cluster(node("a", taints=[soft]), node("b"))) == Placement("b")
    assert decide(pod(), cluster(node("a", taints=[soft]))) == Placement("a")


@pytest.mark.parametrize(
    ("operator", "values", "fits"),
    [
        ("In", ["ssd", "nvme"], {"fast"}),
        ("NotIn", ["ssd"], {"slow", "bare"}),
        ("Exists", [], {"fast", "slow"}),
        ("DoesNotExist", [], {"bare"}),
    ],
)
def test_node_affinity_operators(operator: str, values: list[str], fits: set[str]) -> None:
    nodes = [node("fast", labels={"disk": "ssd"}), node("slow", labels={"disk": "hdd"}), node("bare")]
    wish = node_affinity(operator, *values)
    assert {
        n.metadata.name for n in nodes if decide(pod(affinity=wish), cluster(n)) == Placement(n.metadata.name)
    } == fits


def test_host_ports_clash_by_protocol_and_address() -> None:
    web = {"hostPort": 80, "containerPort": 80}
    snapshot = cluster(node("a"))
    snapshot.place(pod(ports=[web]), "a")
    assert message(decide(pod(ports=[web]), snapshot)) == (
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."
    )
    assert decide(pod(ports=[{**web, "protocol": "UDP"}]), snapshot) == Placement("a")
    assert isinstance(decide(pod(ports=[{**web, "hostIP": "127.0.0.1"}]), snapshot), NoFit)


def test_the_emptier_node_is_preferred() -> None:
    snapshot = cluster(node("a"), node("b"))
    snapshot.place(pod(cpu="3", memory="6Gi"), "a")
    assert decide(pod(cpu="500m", memory="1Gi"), snapshot) == Placement("b")


def test_anti_affinity_keeps_replicas_apart_both_ways() -> None:
    snapshot = cluster(node("a"), node("b"))
    snapshot.place(pod(labels={"app": "db"}, affinity=anti_affinity("db")), "a")
    assert decide(pod(labels={"app": "db"}, affinity=anti_affinity("db")), snapshot) == Placement("b")
    assert decide(pod(labels={"app": "db"}), snapshot) == Placement("b"), "a placed pod's wish binds newcomers"


def test_affinity_gathers_and_the_first_may_start_anywhere() -> None:
    snapshot = cluster(node("a"), node("b"))
    first = pod(labels={"app": "web"}, affinity=affinity("web"))
    decision = decide(first, snapshot)
    assert isinstance(decision, Placement)
    snapshot.place(first, decision.node)
    assert decide(pod(labels={"app": "web"}, affinity=affinity("web")), snapshot) == decision
    assert message(decide(pod(affinity=affinity("nobody")), snapshot)) == (
        "0/2 nodes are available: 2 node(s) didn't match pod affinity rules."
    )


def test_topology_spread_holds_the_skew() -> None:
    rule = {
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}},
    }  # fmt: skip
    snapshot = cluster(node("a"), node("b", cpu="1"))
    snapshot.place(pod(labels={"app": "web"}), "a")
    assert decide(pod(labels={"app": "web"}, topologySpreadConstraints=[rule]), snapshot) == Placement("b")
    snapshot.place(pod(cpu="1"), "b")
    blocked = decide(pod(cpu="1", labels={"app": "web"}, topologySpreadConstraints=[rule]), snapshot)
    assert message(blocked) == (
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match pod topology spread constraints."
    )


def test_a_refusal_names_what_could_cure_it() -> None:
    decision = decide(pod(cpu="9"), cluster(node("a")))
    assert isinstance(decision, NoFit)
    assert decision.cures & Change.POD_GONE and not decision.cures & Change.NODE_TAINTS


def test_in_a_large_cluster_it_stops_at_enough() -> None:
    assert [enough(n) for n in (1, 100, 101, 1000, 6000)] == [1, 100, 100, 420, 300]


@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 2)), max_size=40), st.integers(0, 9))
def test_no_node_is_ever_given_more_than_it_has(wishes: list[tuple[int, int]], seed: int) -> None:
    snapshot = cluster(node("a", cpu="3", pods=6), node("b", cpu="2"))
    cycle = Cycle(catalog.plugins(), random.Random(seed))
    for milli, _ in wishes:
        info = pod(cpu=f"{milli}m")
        decision = cycle.decide(info, snapshot)
        if isinstance(decision, Placement):
            snapshot.place(info, decision.node)
    for each in snapshot.nodes:
        assert each.requested.get("cpu", 0) <= each.allocatable["cpu"]
        assert len(each.pods) <= each.allocatable["pods"]
