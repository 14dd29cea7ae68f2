"""Deployments, ReplicaSets, Services and namespaces in a whole control plane, on a virtual clock."""

from __future__ import annotations

from typing import Any

import pytest

from integration.workloads import add_node, run_pods, until_quiet
from longboat.machinery.errors import StatusError
from longboat.testing.cluster import Cluster
from suites.objects import deployment

pytestmark = pytest.mark.nodes("a", "b")


def condition(obj: Any, kind: str) -> Any:
    return next(c for c in obj["status"]["conditions"] if c["type"] == kind)


async def test_a_deployment_comes_up(cluster: Cluster) -> None:
    await cluster.apply(deployment(replicas=4))
    await until_quiet(cluster)
    found = await cluster.get("deployment/web")
    assert found["status"]["availableReplicas"] == 4
    assert condition(found, "Available")["reason"] == "MinimumReplicasAvailable"
    assert condition(found, "Progressing")["reason"] == "NewReplicaSetAvailable"
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    assert {p["spec"]["nodeName"] for p in await cluster.list("pods")} == {"a", "b"}


async def test_a_rolling_update_never_leaves_its_bounds(cluster: Cluster) -> None:
    await cluster.apply(deployment(replicas=8))
    await until_quiet(cluster)
    await cluster.apply(deployment(replicas=8, image="web:2"))
    await cluster.settle()
    for _ in range(60):
        pods = [p for p in await cluster.list("pods") if not p["metadata"].get("deletionTimestamp")]
        available = [
            p for p in pods if any(c["status"] == "True" and c["type"] == "Ready" for c in p["status"]["conditions"])
        ]
        assert len(available) >= 6, "25% of 8 may be unavailable"
        assert len(pods) <= 10, "25% of 8 may be too many"
        if not await run_pods(cluster):
            break
    found = await cluster.get("deployment/web")
    assert found["status"]["updatedReplicas"] == found["status"]["availableReplicas"] == 8
    assert {p["spec"]["containers"][0]["image"] for p in await cluster.list("pods")} == {"web:2"}
    assert sorted(rs["spec"]["replicas"] for rs in await cluster.list("replicasets")) == [0, 8]


async def test_recreate_stops_every_old_pod_first(cluster: Cluster) -> None:
    await cluster.apply(deployment(replicas=2, strategy={"type": "Recreate"}))
    await until_quiet(cluster)
    await cluster.apply(deployment(replicas=2, image="web:2", strategy={"type": "Recreate"}))
    await cluster.settle()
    images = {p["spec"]["containers"][0]["image"] for p in await cluster.list("pods")}
    assert images == {"web:1"}, "the old ones are still going"
    await until_quiet(cluster)
    assert {p["spec"]["containers"][0]["image"] for p in await cluster.list("pods")} == {"web:2"}


async def test_a_rollout_that_stalls_is_given_up(cluster: Cluster) -> None:
    await cluster.apply(deployment(replicas=1, progressDeadlineSeconds=60))
    await cluster.settle()
    await cluster.clock.advance(59)
    assert condition(await cluster.get("deployment/web"), "Progressing")["status"] == "True"
    await cluster.clock.advance(5)
    stalled = condition(await cluster.get("deployment/web"), "Progressing")
    assert (stalled["status"], stalled["reason"]) == ("False", "ProgressDeadlineExceeded")
    assert "has timed out progressing." in stalled["message"]


async def test_history_is_kept_to_its_limit(cluster: Cluster) -> None:
    for version in range(5):
        await cluster.apply(deployment(replicas=1, image=f"web:{version}", revisionHistoryLimit=2))
        await until_quiet(cluster)
    sets = await cluster.list("replicasets")
    revisions = sorted(int(rs["metadata"]["annotations"]["deployment.kubernetes.io/revision"]) for rs in sets)
    assert revisions == [3, 4, 5]


async def test_a_paused_deployment_waits(cluster: Cluster) -> None:
    await cluster.apply(deployment(replicas=2))
    await until_quiet(cluster)
    await cluster.apply(deployment(replicas=2, image="web:2", paused=True))
    await until_quiet(cluster)
    assert {p["spec"]["containers"][0]["image"] for p in await cluster.list("pods")} == {"web:1"}
    assert condition(await cluster.get("deployment/web"), "Progressing")["reason"] == "DeploymentPaused"
    await cluster.patch("deployment/web", {"spec": {"paused": False}})
    await until_quiet(cluster)
    assert {p["spec"]["containers"][0]["image"] for p in await cluster.list("pods")} == {"web:2"}


async def test_min_ready_seconds_count_on_the_clock(cluster: Cluster) -> None:
    await cluster.apply(deployment(replicas=1, minReadySeconds=30))
    await until_quiet(cluster)
    assert (await cluster.get("deployment/web"))["status"].get("availableReplicas", 0) == 0
    await cluster.clock.advance(31)
    assert (await cluster.get("deployment/web"))["status"]["availableReplicas"] == 1


async def test_a_lost_pod_is_replaced(cluster: Cluster) -> None:
    await cluster.apply(deployment(replicas=2))
    await until_quiet(cluster)
    before = {p["metadata"]["name"] for p in await cluster.list("pods")}
    await cluster.delete(f"pod/{min(before)}")
    await until_quiet(cluster)
    after = {p["metadata"]["name"] for p in await cluster.list("pods")}
    assert len(after) == 2 and len(after & before) == 1


async def test_deleting_a_deployment_takes_everything_with_it(cluster: Cluster) -> None:
    await cluster.apply(deployment(replicas=2))
    await until_quiet(cluster)
    await cluster.delete("deployment/web")
    await until_quiet(cluster)
    assert await cluster.list("replicasets") == [] and await cluster.list("pods") == []


async def test_orphaned_pods_stay(cluster: Cluster) -> None:
    await cluster.apply(deployment(replicas=2))
    await until_quiet(cluster)
    (before,) = await cluster.list("replicasets")
    await cluster.delete(f"replicaset/{before['metadata']['name']}", propagation="Orphan")
    await cluster.clock.advance(5)
    (after,) = await cluster.list("replicasets")
    assert after["metadata"]["uid"] != before["metadata"]["uid"], "the Deployment makes a new one, which adopts them"
    assert len(await cluster.list("pods")) == 2


async def test_foreground_deletion_waits_for_what_blocks_it(cluster: Cluster) -> None:
    await cluster.apply(deployment(replicas=1))
    await until_quiet(cluster)
    await cluster.delete("deployment/web", propagation="Foreground")
    await cluster.settle()
    waiting = await cluster.get("deployment/web")
    assert "foregroundDeletion" in waiting["metadata"]["finalizers"]
    await until_quiet(cluster)
    await cluster.clock.advance(5)
    await until_quiet(cluster)
    await cluster.clock.advance(5)
    assert not await cluster.exists("deployment/web")


async def test_a_service_finds_its_ready_pods(cluster: Cluster) -> None:
    service = {
        "kind": "Service", "apiVersion": "v1", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
    }  # fmt: skip
    await cluster.apply(deployment(replicas=2), service)
    await until_quiet(cluster)
    (found,) = await cluster.list("endpointslices", labels="kubernetes.io/service-name=web")
    pods = {p["status"]["podIP"] for p in await cluster.list("pods")}
    assert {e["addresses"][0] for e in found["endpoints"]} == pods
    assert found["ports"] == [{"name": "", "port": 80, "protocol": "TCP"}] or found["ports"][0]["port"] == 80
    victim = (await cluster.list("pods"))[0]
    not_ready = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    await cluster.patch(f"pod/{victim['metadata']['name']}", not_ready, subresource="status")
    await cluster.settle()
    (found,) = await cluster.list("endpointslices", labels="kubernetes.io/service-name=web")
    states = {e["addresses"][0]: e["conditions"]["ready"] for e in found["endpoints"]}
    assert states == {ip: ip != victim["status"]["podIP"] for ip in pods}
    endpoints = await cluster.get("endpoints/web")
    assert len(endpoints["subsets"][0]["addresses"]) == len(endpoints["subsets"][0]["notReadyAddresses"]) == 1


async def test_a_namespace_empties_before_it_goes(cluster: Cluster) -> None:
    await cluster.apply({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "shop"}})
    await cluster.settle()
    held = {"name": "held", "namespace": "shop", "finalizers": ["example.com/hold"]}
    await cluster.apply({"kind": "ConfigMap", "apiVersion": "v1", "metadata": held})
    await cluster.delete("namespace/shop")
    await cluster.clock.advance(10)
    going = await cluster.get("namespace/shop")
    assert going["status"]["phase"] == "Terminating"
    assert condition(going, "NamespaceFinalizersRemaining")["status"] == "True"
    assert "example.com/hold in 1 resource instances" in condition(going, "NamespaceFinalizersRemaining")["message"]
    with pytest.raises(StatusError, match="because it is being terminated"):
        late = {"name": "late", "namespace": "shop"}
        await cluster.apply({"kind": "ConfigMap", "apiVersion": "v1", "metadata": late})
    await cluster.client.patch(cluster.kind("configmap"), _key("shop", "held"), {"metadata": {"finalizers": None}})
    await cluster.clock.advance(10)
    assert not await cluster.exists("namespace/shop")


def _key(namespace: str, name: str) -> Any:
    from longboat.client.interface import Key

    return Key(namespace, name)


async def test_a_silent_node_loses_its_pods(cluster: Cluster) -> None:
    await cluster.apply(deployment(replicas=2))
    await until_quiet(cluster)
    await cluster.clock.advance(60)
    lost = await cluster.get("node/a")
    assert condition(lost, "Ready")["status"] == "Unknown"
    assert {(t["key"], t["effect"]) for t in lost["spec"]["taints"]} == {
        ("node.kubernetes.io/unreachable", "NoSchedule"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
    }
    assert all(condition(p, "Ready")["status"] == "False" for p in await cluster.list("pods"))
    await cluster.clock.advance(290)
    assert not any(p["metadata"].get("deletionTimestamp") for p in await cluster.list("pods"))
    await cluster.clock.advance(30)
    assert any(p["metadata"].get("deletionTimestamp") for p in await cluster.list("pods"))


async def test_nodes_get_ranges_of_their_own(cluster: Cluster) -> None:
    await add_node(cluster, "c")
    ranges = [n["spec"]["podCIDR"] for n in await cluster.list("nodes")]
    assert sorted(ranges) == ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"]
