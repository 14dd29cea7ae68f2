"""Who owns what on a real node: everything there is, as programs in processes of their own have written it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.host import Cluster
from suites.objects import deployment

pytestmark = [pytest.mark.containers, pytest.mark.slow]

PROGRAMS = {
    "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy",
    "clusterrole-aggregation-controller", "kubernetes-service-cidr-controller",
    "api-priority-and-fairness-config-producer-v1", "api-priority-and-fairness-config-consumer-v1",
}  # fmt: skip


def entries(cluster: Cluster, *what: str) -> Iterator[tuple[Any, list[Any]]]:
    found = cluster.kubectl("get", *what, "-o", "json", "--show-managed-fields").json
    for obj in found["items"]:
        yield obj, obj["metadata"].get("managedFields", [])


def test_the_programs_of_a_cluster_are_called_as_upstreams(cluster: Cluster, namespace: str) -> None:
    made = deployment(image="longboat.local/web:1", replicas=1)
    cluster.apply({**made, "metadata": {**made["metadata"], "namespace": namespace}})
    cluster.kubectl("-n", namespace, "rollout", "status", "deployment/web", "--timeout=60s").ok()
    (pod,) = entries(cluster, "pods", "-n", namespace)
    assert [(e["manager"], e["operation"], e.get("subresource")) for e in pod[1]] == [
        ("kube-controller-manager", "Update", None), ("kubelet", "Update", "status"),
    ]  # fmt: skip
    for part in ("kube-system", "kube-public", "kube-node-lease"):  # where only programs write
        for obj, found in entries(cluster, "leases,services,configmaps,roles,rolebindings", "--namespace", part):
            assert found and {each["manager"] for each in found} <= PROGRAMS, obj
    for obj, found in entries(cluster, "clusterroles,csinodes,flowschemas,prioritylevelconfigurations,servicecidrs"):
        assert found, obj
        if obj["metadata"]["name"].startswith("system:"):
            assert {each["manager"] for each in found} <= PROGRAMS, obj
    for node, found in entries(cluster, "nodes"):
        by = {(each["manager"], each.get("subresource")): each["fieldsV1"] for each in found}
        assert "f:podCIDR" in by["kube-controller-manager", None]["f:spec"], node
        assert "f:conditions" in by["kubelet", "status"]["f:status"]
