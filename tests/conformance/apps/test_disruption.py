"""PodDisruptionBudgets and evictions (sig-apps)."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.apps.scenes import condition_of, pod_template, running, watched, workload
from conformance.stage import inside, on_nodes
from conformance.verbs import Verbs, labels_of
from integration.workloads import run_pods
from longboat.client.interface import Key
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster


def budget(app: str = "web", **spec: Any) -> Object:
    return {"spec": {"selector": {"matchLabels": {"app": app}}, **spec}}


async def evict(cluster: Cluster, pod: str, namespace: str = "default") -> None:
    """Raises StatusError."""
    wish = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": pod, "namespace": namespace}}
    kind = cluster.kind("pod")
    await cluster.client.create(kind, wish, namespace=namespace, name=pod, subresource="eviction")
    await cluster.settle()


async def refusal(cluster: Cluster, pod: str) -> StatusError:
    with pytest.raises(StatusError) as refused:
        await evict(cluster, pod)
    return refused.value


async def make_namespaces(cluster: Cluster, *names: str) -> None:
    for name in names:
        await cluster.apply({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}})


@inside
async def test_collection(cluster: Cluster) -> None:
    """Conformance: PodDisruptionBudget: list and delete collection"""
    await make_namespaces(cluster, "ours", "theirs")
    ours, theirs = Verbs(cluster, "pdb", "ours"), Verbs(cluster, "pdb", "theirs")
    for name in ("first", "second"):
        await ours.create(name, budget(minAvailable=1), labels={"e2e": "listed"})
    await ours.create("third", budget(minAvailable=1))
    await theirs.create("first", budget(minAvailable=1), labels={"e2e": "listed"})
    assert len(await ours.list("e2e=listed", everywhere=True)) == 3
    assert [each["metadata"]["name"] for each in await ours.list("e2e=listed")] == ["first", "second"]
    await ours.delete_collection("e2e=listed")
    assert [each["metadata"]["name"] for each in await ours.list()] == ["third"]
    (left,) = await ours.list("e2e=listed", everywhere=True)
    assert left["metadata"]["namespace"] == "theirs"


@inside
async def test_verbs(cluster: Cluster) -> None:
    """Conformance: PodDisruptionBudget: create, update, patch, and delete object"""
    budgets = Verbs(cluster, "pdb")
    created = await budgets.create("web", budget(minAvailable="1%"), labels={"e2e": "yes"})
    assert created["spec"] == budget(minAvailable="1%")["spec"]
    assert (await budgets.read("web"))["status"]["observedGeneration"] == 1

    def demand(obj: Object) -> None:
        obj["spec"]["minAvailable"] = "2%"

    assert (await budgets.update("web", demand))["spec"]["minAvailable"] == "2%"
    assert (await budgets.read("web"))["status"]["observedGeneration"] == 2
    patched = await budgets.patch("web", {"spec": {"minAvailable": "3%"}})
    assert patched["spec"]["minAvailable"] == "3%"
    found = await budgets.read("web")
    assert (found["spec"]["minAvailable"], labels_of(found)) == ("3%", {"e2e": "yes"})
    assert found["status"]["observedGeneration"] == 3
    await budgets.delete("web")
    assert await budgets.is_gone("web")


@on_nodes()
async def test_status_follows(cluster: Cluster) -> None:
    """As the entry "PodDisruptionBudget: Status updates", with a node that is played."""
    budgets = Verbs(cluster, "pdb")
    created = await budgets.create("web", budget(minAvailable=1))
    assert (await budgets.read("web"))["status"]["disruptionsAllowed"] == 0
    await Verbs(cluster, "replicaset").create("web", workload(3))
    assert await running(cluster) == 3
    status = (await budgets.read("web"))["status"]
    assert (status["expectedPods"], status["currentHealthy"], status["desiredHealthy"]) == (3, 3, 1)
    assert status["disruptionsAllowed"] == 2
    since = created["metadata"]["resourceVersion"]
    await watched(budgets, since, lambda obj: obj["status"]["disruptionsAllowed"] == 2)


@on_nodes()
async def test_status_subresource(cluster: Cluster) -> None:
    """As the entry "PodDisruptionBudget: update and patch status", with a node that is played."""
    budgets = Verbs(cluster, "pdb")
    await budgets.create("web", budget(minAvailable=1))
    await Verbs(cluster, "replicaset").create("web", workload(1))
    assert await running(cluster) == 1
    before = await budgets.read("web", "status")
    assert before["status"]["observedGeneration"] == 1
    gone = {"web-1": "2026-01-01T00:00:00Z"}

    def note(obj: Object) -> None:
        obj["status"]["disruptedPods"] = gone
        obj["spec"]["minAvailable"] = 99

    answer = await budgets.update("web", note, "status")
    assert answer["status"]["disruptedPods"] == gone
    assert answer["spec"] == before["spec"]
    patched = await budgets.patch("web", {"status": {"disruptedPods": None}}, subresource="status")
    assert "disruptedPods" not in patched["status"]
    assert "disruptedPods" not in (await budgets.read("web", "status"))["status"]


@on_nodes()
async def test_evictions(cluster: Cluster) -> None:
    """As the entry "PodDisruptionBudget: block an eviction until the PDB is updated to allow it"; a node is played."""
    budgets, pods = Verbs(cluster, "pdb"), Verbs(cluster, "pod")
    await budgets.create("web", budget(minAvailable=2))
    for name in ("web-0", "web-1"):
        await pods.create(name, {"spec": pod_template()["spec"]}, labels={"app": "web"})
    assert await running(cluster) == 2

    why = "Cannot evict pod as it would violate the pod's disruption budget."
    refused = await refusal(cluster, "web-0")
    assert (refused.code, refused.reason, refused.message) == (429, "TooManyRequests", why)
    (cause,) = refused.details["causes"]
    assert cause["reason"] == "DisruptionBudget"
    assert not (await pods.read("web-0"))["metadata"].get("deletionTimestamp")

    def allow(obj: Object) -> None:
        obj["spec"]["minAvailable"] = 1

    await budgets.update("web", allow)
    assert (await budgets.read("web"))["status"]["disruptionsAllowed"] == 1
    await evict(cluster, "web-0")
    told = condition_of(await pods.read("web-0"), "DisruptionTarget")
    assert told and (told["status"], told["reason"]) == ("True", "EvictionByEvictionAPI")
    await run_pods(cluster)
    assert await pods.is_gone("web-0")

    assert (await refusal(cluster, "web-1")).code == 429, "the last one that is needed"
    await budgets.patch("web", {"spec": {"minAvailable": 0}})
    await evict(cluster, "web-1")
    await run_pods(cluster)
    assert await pods.is_gone("web-1")
    with pytest.raises(StatusError) as missing:
        await cluster.client.get_raw(cluster.kind("pod"), Key("default", "web-1"))
    assert missing.value.code == 404
