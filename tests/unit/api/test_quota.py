"""What ResourceQuotas cover, and what objects use of them (core/v1 ResourceQuota)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from longboat.api import quota
from longboat.api.amounts import written
from longboat.api.quota_usage import unasked, usage
from longboat.machinery.objects import Object, timestamp
from suites.objects import container, pod

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def uses(kind: str, obj: Object, now: datetime = NOW) -> dict[str, str]:
    return written(usage(kind, obj, now))


@pytest.mark.parametrize(
    ("kind", "names", "concerning"),
    [
        ("pods", ["pods", "cpu", "limits.memory", "count/pods", "services", "count/services"],
         {"pods", "cpu", "limits.memory", "count/pods"}),
        ("pods", ["requests.nvidia.com/gpu", "nvidia.com/gpu", "hugepages-2Mi", "requests.hugepages-2Mi"],
         {"requests.nvidia.com/gpu", "hugepages-2Mi", "requests.hugepages-2Mi"}),
        ("persistentvolumeclaims", ["requests.storage", "gold.storageclass.storage.k8s.io/requests.storage", "storage"],
         {"requests.storage", "gold.storageclass.storage.k8s.io/requests.storage"}),
        ("services", ["services.nodeports", "services.loadbalancers", "pods"],
         {"services.nodeports", "services.loadbalancers"}),
        ("secrets", ["secrets", "configmaps", "count/secrets"], {"secrets", "count/secrets"}),
        ("deployments.apps", ["deployments", "count/deployments.apps", "count/deployments"],
         {"count/deployments.apps"}),
        ("secrets.example.com", ["secrets", "count/secrets"], set()),
    ],
)  # fmt: skip
def test_which_resources_concern_which_kinds(kind: str, names: list[str], concerning: set[str]) -> None:
    assert quota.concerning(kind, names) == concerning


def test_pods_use_what_they_ask_for_at_their_most_demanding_moment() -> None:
    found = pod(
        "p",
        container(requests={"cpu": "100m", "memory": "1Gi", "a.com/x": "2"}, limits={"cpu": "1", "a.com/x": "2"}),
        container(requests={"cpu": "200m", "hugepages-2Mi": "4Mi"}, limits={"hugepages-2Mi": "4Mi"}),
        initContainers=[
            container(requests={"cpu": "2"}),
            container(requests={"memory": "1Gi"}, restartPolicy="Always"),
        ],
        overhead={"cpu": "10m", "memory": "1Mi"},
    )
    assert uses("pods", found) == {
        "count/pods": "1", "pods": "1", "cpu": "2010m", "requests.cpu": "2010m", "memory": "2049Mi",
        "requests.memory": "2049Mi", "requests.a.com/x": "2", "hugepages-2Mi": "4Mi", "requests.hugepages-2Mi": "4Mi",
        "limits.cpu": "1010m",
    }  # fmt: skip


def test_a_pod_that_is_resized_uses_the_greater_of_what_it_has_and_asks_for() -> None:
    found = pod("p", container(requests={"cpu": "100m"}, limits={"cpu": "1"}))
    held = {"requests": {"cpu": "150m"}, "limits": {"cpu": "500m"}}
    found["status"] = {"containerStatuses": [{"name": "c", "resources": held, "allocatedResources": {"cpu": "200m"}}]}
    assert uses("pods", found)["requests.cpu"] == "200m"
    assert uses("pods", found)["limits.cpu"] == "1"
    found["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "900m"
    assert uses("pods", found)["requests.cpu"] == "900m"
    found["status"]["conditions"] = [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}]
    assert uses("pods", found)["requests.cpu"] == "200m"
    assert uses("pods", found)["limits.cpu"] == "500m"


def test_pods_that_have_ended_or_should_long_be_gone_use_nothing_but_their_place() -> None:
    found = pod("p", container(requests={"cpu": "100m"}))
    for phase in ("Failed", "Succeeded"):
        assert uses("pods", {**found, "status": {"phase": phase}}) == {"count/pods": "1"}
    found["metadata"] |= {"deletionTimestamp": timestamp(NOW), "deletionGracePeriodSeconds": 30}
    assert "cpu" in uses("pods", found, NOW + timedelta(seconds=30))
    assert uses("pods", found, NOW + timedelta(seconds=31)) == {"count/pods": "1"}


@pytest.mark.parametrize(
    ("spec", "nodes", "balancers"),
    [
        ({"type": "ClusterIP", "ports": [{}]}, "0", "0"),
        ({"type": "NodePort", "ports": [{}, {}]}, "2", "0"),
        ({"type": "LoadBalancer", "ports": [{}, {}]}, "2", "1"),
        ({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False, "ports": [{"nodePort": 1}, {}]}, "1", "1"),
    ],
)  # fmt: skip
def test_services_use_node_ports_and_load_balancers(spec: Object, nodes: str, balancers: str) -> None:
    found = uses("services", {"spec": spec})
    assert found == {
        "count/services": "1", "services": "1", "services.nodeports": nodes, "services.loadbalancers": balancers,
    }  # fmt: skip


def test_claims_use_storage_of_their_class() -> None:
    claim: Object = {"spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "1Gi"}}}}
    prefix = "gold.storageclass.storage.k8s.io"
    assert uses("persistentvolumeclaims", claim) == {
        "count/persistentvolumeclaims": "1", "persistentvolumeclaims": "1", "requests.storage": "1Gi",
        f"{prefix}/persistentvolumeclaims": "1", f"{prefix}/requests.storage": "1Gi",
    }  # fmt: skip
    claim["status"] = {"allocatedResources": {"storage": "2Gi"}}
    assert uses("persistentvolumeclaims", claim)["requests.storage"] == "2Gi"
    odd = {"spec": {"resources": {"requests": {"storage": "1500m"}}}}
    assert uses("persistentvolumeclaims", odd)["requests.storage"] == "2"


@pytest.mark.parametrize(
    ("scope", "obj", "inside"),
    [
        ({"scopes": ["Terminating"]}, pod(activeDeadlineSeconds=0), True),
        ({"scopes": ["NotTerminating"]}, pod(activeDeadlineSeconds=0), False),
        ({"scopes": ["BestEffort"]}, pod("p", container()), True),
        ({"scopes": ["BestEffort", "Terminating"]}, pod("p", container()), False),
        ({"scopes": ["NotBestEffort"]}, pod("p", container(requests={"cpu": "1"})), True),
        ({"scopes": ["PriorityClass"]}, pod(priorityClassName="high"), True),
        ({"scopes": ["PriorityClass"]}, pod(), False),
        ({"scopes": ["CrossNamespacePodAffinity"]}, pod(), False),
    ],
)
def test_scopes(scope: Object, obj: Object, inside: bool) -> None:
    assert quota.in_scopes({"spec": scope}, "pods", obj) is inside


@pytest.mark.parametrize(
    ("operator", "values", "name", "inside"),
    [
        ("In", ["high"], "high", True),
        ("In", ["high"], "low", False),
        ("In", ["high"], "", False),
        ("NotIn", ["high"], "low", True),
        ("NotIn", ["high"], "", True),
        ("Exists", [], "low", True),
        ("DoesNotExist", [], "low", False),
        ("DoesNotExist", [], "", True),
    ],
)
def test_scope_selectors(operator: str, values: list[str], name: str, inside: bool) -> None:
    chosen = {"matchExpressions": [{"scopeName": "PriorityClass", "operator": operator, "values": values}]}
    found = pod(priorityClassName=name) if name else pod()
    assert quota.in_scopes({"spec": {"scopeSelector": chosen}}, "pods", found) is inside


def test_affinity_to_pods_of_other_namespaces_is_a_scope() -> None:
    scope = {"spec": {"scopes": ["CrossNamespacePodAffinity"]}}
    term: Object = {"topologyKey": "zone"}
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]}
    found = pod(affinity={"podAntiAffinity": preferred})
    assert not quota.in_scopes(scope, "pods", found)
    term["namespaceSelector"] = {}
    assert quota.in_scopes(scope, "pods", found)


def test_claims_know_one_scope_and_other_kinds_none() -> None:
    scope = {"spec": {"scopes": ["VolumeAttributesClass"]}}
    assert quota.in_scopes(scope, "persistentvolumeclaims", {"status": {"currentVolumeAttributesClassName": "fast"}})
    assert not quota.in_scopes(scope, "persistentvolumeclaims", {"spec": {}})
    assert not quota.in_scopes({"spec": {"scopes": ["NotBestEffort"]}}, "services", {})
    assert quota.in_scopes({"spec": {}}, "services", {})


def test_containers_have_to_ask_for_cpu_and_memory_where_these_are_limited() -> None:
    found = pod(
        "p",
        container("b"),
        container("a", requests={"cpu": "1"}),
        initContainers=[container("i", limits={"memory": "1"})],
    )
    assert unasked(found, ["requests.cpu", "limits.memory", "ephemeral-storage", "pods"]) == (
        "must specify limits.memory for: a,b; requests.cpu for: b,i"
    )
    assert unasked(found, ["pods", "ephemeral-storage"]) == ""
