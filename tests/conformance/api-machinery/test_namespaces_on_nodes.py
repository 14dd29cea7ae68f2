"""Namespaces in which pods run, and how they go (sig-api-machinery)."""

from __future__ import annotations

from conformance.beside import beside
from conformance.node.api import Refused
from conformance.node.pods import Pods, pod, until
from conformance.work import Work
from longboat.machinery.objects import Object

FINALIZER = "e2e.example.com/finalizer"


def made(work: Work, name: str) -> Pods:
    """A namespace that has its service account."""
    work.api.post("/api/v1/namespaces", {"metadata": {"name": name}})
    pods = Pods(work.cluster, work.api, name)
    account = f"{pods.base}/serviceaccounts?fieldSelector=metadata.name=default"
    until(lambda: work.api.get(account)["items"], "there is no default service account")
    return pods


def read(work: Work, name: str) -> Object | None:
    try:
        return work.api.get(f"/api/v1/namespaces/{name}")
    except Refused as refused:
        assert refused.code == 404
        return None


@beside
def test_pods_go(work: Work) -> None:
    """Conformance: namespace-deletion-removes-pods"""
    pods = made(work, "nsdeletetest")
    pods.create(pod("test-pod"))
    pods.until("test-pod", lambda found: found["status"].get("phase") == "Running")
    work.api.ask("DELETE", "/api/v1/namespaces/nsdeletetest")
    until(lambda: read(work, "nsdeletetest") is None, "the namespace does not go")
    again = made(work, "nsdeletetest")
    assert not again.is_there("test-pod") and again.every() == {}
    work.api.ask("DELETE", "/api/v1/namespaces/nsdeletetest")


@beside
def test_pods_go_first(work: Work) -> None:
    """Conformance: Ordered Namespace Deletion"""
    pods, place = made(work, "namespacetest"), "/api/v1/namespaces/namespacetest"
    held = pod("testpod")
    held["metadata"]["finalizers"] = [FINALIZER]
    pods.create(held)
    pods.until("testpod", lambda found: found["status"].get("phase") == "Running")
    pods.create({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "test-configmap"}})
    work.api.ask("DELETE", place)

    def looked_at() -> bool:
        found = read(work, "namespacetest")
        assert found is not None and found["metadata"]["deletionTimestamp"]
        kinds = {each["type"] for each in found["status"].get("conditions", ())}
        return "NamespaceDeletionContentFailure" in kinds

    until(looked_at, "the namespace's controller says nothing")
    ended = pods.until("testpod", lambda found: found["status"]["phase"] in ("Succeeded", "Failed"))
    assert ended["metadata"]["deletionTimestamp"]
    kept = work.api.get(f"{place}/configmaps/test-configmap")
    assert "deletionTimestamp" not in kept["metadata"], "it outlives the pods"
    found = read(work, "namespacetest")
    assert found is not None and found["status"]["phase"] == "Terminating"
    remaining = {each["type"]: each["message"] for each in found["status"]["conditions"]}
    assert FINALIZER in remaining["NamespaceFinalizersRemaining"]

    work.api.patch(pods.path("testpod"), {"metadata": {"finalizers": None}})
    until(lambda: read(work, "namespacetest") is None, "the namespace does not go")
