"""StatefulSets: order, names, claims, rolling updates and going back."""

from __future__ import annotations

from typing import Any

import pytest

from integration.workloads import run_pods, until_quiet
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

pytestmark = pytest.mark.nodes("n1")


def stateful_set(image: str = "db:1", replicas: int = 3, **spec: Any) -> Object:
    container: Object = {"name": "c", "image": image}
    if "volumeClaimTemplates" not in spec:
        container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    return {
        "kind": "StatefulSet",
        "apiVersion": "apps/v1",
        "metadata": {"name": "db"},
        "spec": {
            "replicas": replicas,
            "serviceName": "db",
            "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [container]}},
            **spec,
        }
        | ({} if "volumeClaimTemplates" in spec else {"volumeClaimTemplates": [claim]}),
    }


NO_CLAIMS: dict[str, Any] = {"volumeClaimTemplates": []}


async def names(cluster: Cluster) -> list[str]:
    return sorted(pod["metadata"]["name"] for pod in await cluster.list("pods"))


async def images(cluster: Cluster) -> dict[str, str]:
    return {p["metadata"]["name"]: p["spec"]["containers"][0]["image"] for p in await cluster.list("pods")}


async def test_pods_come_in_order_and_go_in_the_opposite_one(cluster: Cluster) -> None:
    await cluster.apply(stateful_set(**NO_CLAIMS))
    await cluster.settle()
    for expected in (["db-0"], ["db-0", "db-1"], ["db-0", "db-1", "db-2"]):
        assert await names(cluster) == expected  # the next waits until those before it are ready
        await run_pods(cluster)
    pod = (await cluster.list("pods", labels="apps.kubernetes.io/pod-index=1"))[0]
    assert pod["spec"]["hostname"] == "db-1" and pod["spec"]["subdomain"] == "db"
    assert pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] == "db-1"
    await cluster.patch("statefulset/db", {"spec": {"replicas": 1}})
    await cluster.settle()
    going = [p["metadata"]["name"] for p in await cluster.list("pods") if p["metadata"].get("deletionTimestamp")]
    assert going == ["db-2"]
    await run_pods(cluster)
    await until_quiet(cluster)
    assert await names(cluster) == ["db-0"]


async def test_parallel_sets_start_together(cluster: Cluster) -> None:
    await cluster.apply(stateful_set(podManagementPolicy="Parallel", ordinals={"start": 5}, **NO_CLAIMS))
    await cluster.settle()
    assert await names(cluster) == ["db-5", "db-6", "db-7"]


async def test_a_deleted_pod_comes_back_under_its_name_with_its_claim(cluster: Cluster) -> None:
    await cluster.apply(stateful_set(replicas=1))
    await cluster.settle()
    (before,) = await cluster.list("pods")
    assert before["spec"]["volumes"][0] == {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}
    (claim,) = await cluster.list("persistentvolumeclaims")
    assert claim["metadata"]["name"] == "data-db-0" and claim["metadata"]["labels"] == {"app": "db"}
    await cluster.delete("pod/db-0")
    await until_quiet(cluster)
    (after,) = await cluster.list("pods")
    assert after["metadata"]["name"] == "db-0" and after["metadata"]["uid"] != before["metadata"]["uid"]
    (same,) = await cluster.list("persistentvolumeclaims")
    assert same["metadata"]["uid"] == claim["metadata"]["uid"]


async def test_a_rolling_update_goes_from_the_top_one_by_one_down_to_the_partition(cluster: Cluster) -> None:
    await cluster.apply(stateful_set(**NO_CLAIMS))
    await until_quiet(cluster)
    first = (await cluster.get("statefulset/db"))["status"]["currentRevision"]
    await cluster.patch("statefulset/db", {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 1}}}})
    template = {"spec": {"containers": [{"name": "c", "image": "db:2"}]}}
    await cluster.patch("statefulset/db", {"spec": {"template": template}})
    await cluster.settle()
    going = [p["metadata"]["name"] for p in await cluster.list("pods") if p["metadata"].get("deletionTimestamp")]
    assert going == ["db-2"]
    await until_quiet(cluster)
    assert await images(cluster) == {"db-0": "db:1", "db-1": "db:2", "db-2": "db:2"}
    status = (await cluster.get("statefulset/db"))["status"]
    assert (status["currentReplicas"], status["updatedReplicas"]) == (1, 2)
    assert status["currentRevision"] == first != status["updateRevision"]
    await cluster.delete("pod/db-0")
    await until_quiet(cluster)
    assert (await images(cluster))["db-0"] == "db:1"  # below the partition even a new pod is of the old revision
    await cluster.patch("statefulset/db", {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}})
    await until_quiet(cluster)
    status = (await cluster.get("statefulset/db"))["status"]
    assert set((await images(cluster)).values()) == {"db:2"}
    assert status["currentRevision"] == status["updateRevision"]
    template = {"spec": {"containers": [{"name": "c", "image": "db:1"}]}}
    await cluster.patch("statefulset/db", {"spec": {"template": template}})
    await until_quiet(cluster)
    status = (await cluster.get("statefulset/db"))["status"]
    assert status["currentRevision"] == first  # the same template is the same revision, the newest now
    revisions = {r["metadata"]["name"]: r["revision"] for r in await cluster.list("controllerrevisions")}
    assert len(revisions) == 2 and revisions[first] == 3


async def test_a_broken_update_stops_at_its_first_pod(cluster: Cluster) -> None:
    await cluster.apply(stateful_set(**NO_CLAIMS))
    await until_quiet(cluster)
    template = {"spec": {"containers": [{"name": "c", "image": "db:broken"}]}}
    await cluster.patch("statefulset/db", {"spec": {"template": template}})
    await cluster.settle()
    for _ in range(5):
        await run_pods(cluster, ready=False)
    assert await images(cluster) == {"db-0": "db:1", "db-1": "db:1", "db-2": "db:broken"}


async def test_claims_go_with_a_set_that_shrinks_if_it_says_so(cluster: Cluster) -> None:
    policy = {"whenScaled": "Delete", "whenDeleted": "Retain"}
    await cluster.apply(stateful_set(replicas=2, persistentVolumeClaimRetentionPolicy=policy))
    await until_quiet(cluster)
    for name in ("db-0", "db-1"):  # claims that nothing provisions keep pods from being scheduled: play the node
        ready = {"type": "Ready", "status": "True"}
        if name in await names(cluster):
            await cluster.patch(
                f"pod/{name}", {"status": {"phase": "Running", "conditions": [ready]}}, subresource="status"
            )
            await cluster.settle()
    assert len(await cluster.list("persistentvolumeclaims")) == 2
    await cluster.patch("statefulset/db", {"spec": {"replicas": 1}})
    await cluster.settle()
    await until_quiet(cluster)
    assert [c["metadata"]["name"] for c in await cluster.list("persistentvolumeclaims")] == ["data-db-0"]


async def test_a_pod_that_its_node_refuses_is_made_again_until_it_is_taken(cluster: Cluster) -> None:
    """The certified "Should recreate evicted statefulset": another pod has the host port for a while."""
    db = stateful_set(replicas=1, **NO_CLAIMS)
    spec = db["spec"]["template"]["spec"]
    spec["nodeName"] = "n1"
    spec["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 21017}]
    await cluster.apply(db)
    await cluster.settle()
    seen = set()
    refused = {"phase": "Failed", "reason": "NodePorts", "message": "Pod was rejected: Predicate NodePorts failed"}
    for _ in range(5):
        pod = await cluster.get("pod/db-0")
        seen.add(pod["metadata"]["uid"])
        await cluster.patch("pod/db-0", {"status": refused}, subresource="status")
        await cluster.clock.advance(60)
    assert len(seen) == 5
    await until_quiet(cluster)
    assert (await cluster.get("pod/db-0"))["status"]["phase"] == "Running"
    assert await names(cluster) == ["db-0"]
    told = {e["reason"]: e["count"] for e in await cluster.list("events") if e["involvedObject"]["name"] == "db"}
    assert told["RecreatingFailedPod"] == 5
