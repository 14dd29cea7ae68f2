"""RuntimeClass: its API, and what it brings to pods (sig-node)."""

from __future__ import annotations

import pytest

from conformance.beside import beside
from conformance.node.crud import check_discovery, whole_life
from conformance.node.pods import pod as node_pod
from conformance.stage import inside
from conformance.verbs import Verbs
from conformance.work import Work
from integration.workloads import add_node
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

OVERHEAD = {"cpu": "10m", "memory": "1Mi"}


def pod_of(name: str, **spec: Object) -> Object:
    return {"spec": {"containers": [{"name": "test", "image": "busybox:1"}], "runtimeClassName": name, **spec}}


async def rejected(pods: Verbs, runtime_class: str) -> None:
    with pytest.raises(StatusError, match=f'pod rejected: RuntimeClass "{runtime_class}" not found') as refused:
        await pods.create("rejected", pod_of(runtime_class))
    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")
    assert await pods.is_gone("rejected")


async def is_scheduled(pods: Verbs, name: str) -> bool:
    pod = await pods.read(name)
    scheduled = [c["status"] for c in pod["status"]["conditions"] if c["type"] == "PodScheduled"]
    return scheduled == ["True"] and pod["spec"]["nodeName"] == "node-1"


@inside
async def test_a_class_that_is_not_there(cluster: Cluster) -> None:
    """Conformance: Pod with the non-existing RuntimeClass is rejected."""
    await rejected(Verbs(cluster, "pod"), "nonexistent")


@inside
async def test_a_class_that_was_deleted(cluster: Cluster) -> None:
    """Conformance: Pod with the deleted RuntimeClass is rejected."""
    classes, pods = Verbs(cluster, "runtimeclass"), Verbs(cluster, "pod")
    await classes.create("deleted", {"handler": "runc"})
    await pods.create("before", pod_of("deleted"))
    await classes.delete("deleted")
    assert await classes.is_gone("deleted")
    await rejected(pods, "deleted")


@inside
async def test_a_class_without_overhead(cluster: Cluster) -> None:
    """As the entry "Can schedule a pod requesting existing RuntimeClass."; a node is played."""
    pods = Verbs(cluster, "pod")
    await add_node(cluster, "node-1")
    await Verbs(cluster, "runtimeclass").create("plain", {"handler": "preconfigured"})
    created = await pods.create("pod", pod_of("plain"))
    assert created["spec"]["runtimeClassName"] == "plain" and "overhead" not in created["spec"]
    assert await is_scheduled(pods, "pod")


@inside
async def test_a_class_with_overhead(cluster: Cluster) -> None:
    """As the entry "RuntimeClass Overhead field must be respected."; a node is played."""
    pods = Verbs(cluster, "pod")
    await add_node(cluster, "node-1", cpu="25m")
    await Verbs(cluster, "runtimeclass").create("heavy", {"handler": "runc", "overhead": {"podFixed": OVERHEAD}})
    created = await pods.create("pod", pod_of("heavy"))
    assert created["spec"]["overhead"] == OVERHEAD == (await pods.read("pod"))["spec"]["overhead"]
    assert await is_scheduled(pods, "pod")
    # It counts: two such pods fit on the node, three do not.
    for name in ("second", "third"):
        await pods.create(name, pod_of("heavy"))
    assert await is_scheduled(pods, "second")
    (condition,) = (await pods.read("third"))["status"]["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")


def scheduled(work: Work, name: str, **overhead: Object) -> None:
    """A node is found for a pod of a class, whatever becomes of it there; the pod has the class's overhead."""
    path = "/apis/node.k8s.io/v1/runtimeclasses"
    names = {"kind": "RuntimeClass", "apiVersion": "node.k8s.io/v1", "metadata": {"name": name}}
    work.api.post(path, {**names, "handler": "test-handler", **overhead})
    try:
        work.create(node_pod("pod", runtimeClassName=name))
        found = work.until("pod", lambda pod: pod["spec"].get("nodeName"))
        assert [c["status"] for c in found["status"]["conditions"] if c["type"] == "PodScheduled"] == ["True"]
        assert found["spec"].get("overhead", {}) == overhead.get("overhead", {}).get("podFixed", {})
        work.delete("pod", 0)
    finally:
        work.api.ask("DELETE", f"{path}/{name}")


@pytest.mark.containers
@beside
def test_a_pod_of_a_class(work: Work) -> None:
    """Conformance: Can schedule a pod requesting existing RuntimeClass."""
    scheduled(work, "preconfigured")


@pytest.mark.containers
@beside
def test_a_pod_of_a_class_with_overhead(work: Work) -> None:
    """Conformance: RuntimeClass Overhead field must be respected."""
    scheduled(work, "with-overhead", overhead={"podFixed": OVERHEAD})


@inside
async def test_api(cluster: Cluster) -> None:
    """Conformance: RuntimeClass API"""
    await check_discovery(cluster, "node.k8s.io/v1", "runtimeclasses")

    def change(obj: Object) -> None:
        obj["overhead"] = {"podFixed": OVERHEAD}

    await whole_life(cluster, "runtimeclass", {"handler": "runc"}, change)
