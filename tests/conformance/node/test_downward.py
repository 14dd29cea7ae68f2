"""What pods learn of themselves through their environment (sig-node)."""

from __future__ import annotations

import ipaddress

import pytest

from conformance.node.pods import Pods, container, pod
from longboat.machinery import quantity
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]


def fields(**paths: str) -> list[Object]:
    return [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in paths.items()]


def resources(**paths: str) -> list[Object]:
    return [{"name": name, "valueFrom": {"resourceFieldRef": {"resource": path}}} for name, path in paths.items()]


ABOUT_POD = fields(
    POD_NAME="metadata.name",
    POD_NAMESPACE="metadata.namespace",
    POD_IP="status.podIP",
    POD_UID="metadata.uid",
    HOST_IP="status.hostIP",
    HOST_IPS="status.hostIPs",
)
LIMITS = resources(CPU_LIMIT="limits.cpu", MEMORY_LIMIT="limits.memory")
REQUESTS = resources(CPU_REQUEST="requests.cpu", MEMORY_REQUEST="requests.memory")
ASKED = {"requests": {"cpu": "250m", "memory": "32Mi"}, "limits": {"cpu": "1250m", "memory": "64Mi"}}

START = [
    pod("fields", container(command=["env"], env=ABOUT_POD)),
    pod("resources", container(command=["env"], env=LIMITS + REQUESTS, resources=ASKED)),
    pod("defaults", container(command=["env"], env=LIMITS)),
]


def environment(pods: Pods, name: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in pods.said(name))


def test_name_namespace_and_address(pods: Pods) -> None:
    """Conformance: DownwardAPI, environment for name, namespace and ip"""
    found = environment(pods, "fields")
    assert (found["POD_NAME"], found["POD_NAMESPACE"]) == ("fields", pods.namespace)
    assert found["POD_IP"] == pods.get("fields")["status"]["podIP"]
    assert ipaddress.ip_address(found["POD_IP"])


def test_uid(pods: Pods) -> None:
    """Conformance: DownwardAPI, environment for Pod UID"""
    assert environment(pods, "fields")["POD_UID"] == pods.get("fields")["metadata"]["uid"] != ""


def node_addresses(pods: Pods, name: str) -> list[str]:
    node = pods.api.get(f"/api/v1/nodes/{pods.get(name)['spec']['nodeName']}")
    return [each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP"]


def test_host_address(pods: Pods) -> None:
    """Conformance: DownwardAPI, environment for host ip"""
    assert environment(pods, "fields")["HOST_IP"] == node_addresses(pods, "fields")[0]


def test_host_addresses(pods: Pods) -> None:
    """Conformance: DownwardAPI, environment for hostIPs"""
    found = environment(pods, "fields")["HOST_IPS"]
    assert found.split(",") == [each["ip"] for each in pods.get("fields")["status"]["hostIPs"]]
    assert found.split(",") == node_addresses(pods, "fields")


def test_limits_and_requests(pods: Pods) -> None:
    """Conformance: DownwardAPI, environment for CPU and memory limits and requests"""
    found = environment(pods, "resources")
    assert (found["CPU_LIMIT"], found["MEMORY_LIMIT"]) == ("2", str(64 << 20))  # whole cores, rounded up
    assert (found["CPU_REQUEST"], found["MEMORY_REQUEST"]) == ("1", str(32 << 20))


def test_limits_that_are_the_node_s(pods: Pods) -> None:
    """Conformance: DownwardAPI, environment for default CPU and memory limits and requests"""
    found = environment(pods, "defaults")
    node = pods.api.get(f"/api/v1/nodes/{pods.get('defaults')['spec']['nodeName']}")
    allocatable = {name: quantity.parse(text).value for name, text in node["status"]["allocatable"].items()}
    assert int(found["CPU_LIMIT"]) == allocatable["cpu"] > 0
    assert int(found["MEMORY_LIMIT"]) == allocatable["memory"] > 0
