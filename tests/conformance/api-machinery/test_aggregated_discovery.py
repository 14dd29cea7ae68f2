"""Discovery of everything in one document (sig-api-machinery)."""

from __future__ import annotations

import msgspec

from conformance.stage import inside
from conformance.verbs import Verbs
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

ACCEPT = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
# As client-go asks: what it prefers, what it has asked for before, and what any server knows.
CLIENT = f"{ACCEPT},{ACCEPT.replace('v=v2', 'v=v2beta1')},application/json"
LEGACY = ("", "v1", "namespaces")
EXPECTED = [
    ("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations"),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
    ("apiregistration.k8s.io", "v1", "apiservices"),
    ("apps", "v1", "deployments"),
    ("authentication.k8s.io", "v1", "tokenreviews"),
    ("authorization.k8s.io", "v1", "selfsubjectaccessreviews"),
    ("autoscaling", "v1", "horizontalpodautoscalers"),
    ("autoscaling", "v2", "horizontalpodautoscalers"),
    ("batch", "v1", "jobs"),
    ("certificates.k8s.io", "v1", "certificatesigningrequests"),
    ("coordination.k8s.io", "v1", "leases"),
    ("discovery.k8s.io", "v1", "endpointslices"),
    ("events.k8s.io", "v1", "events"),
    ("networking.k8s.io", "v1", "ingresses"),
    ("node.k8s.io", "v1", "runtimeclasses"),
    ("policy", "v1", "poddisruptionbudgets"),
    ("scheduling.k8s.io", "v1", "priorityclasses"),
    ("storage.k8s.io", "v1", "csinodes"),
]


async def discovered(cluster: Cluster, path: str, accept: str = ACCEPT) -> set[tuple[str, str, str]]:
    """Group, version and resource of all that a document tells of."""
    transport = cluster.api.transport("admin", "system:masters")
    document = msgspec.json.decode(await transport.request("GET", path, accept=accept))
    assert (document["kind"], document["apiVersion"]) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2")
    return {
        (group["metadata"].get("name", ""), version["version"], resource["resource"])
        for group in document["items"]
        for version in group["versions"]
        for resource in version["resources"]
    }


def definition(group: str) -> Object:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "testcrds", "singular": "testcrd", "kind": "testcrd", "listKind": "testcrdList"}
    return {"spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}}


@inside
async def test_accept_headers(cluster: Cluster) -> None:
    """Conformance: Aggregated Discovery Endpoint Accept Headers"""
    assert set(EXPECTED) <= await discovered(cluster, "/apis")
    assert LEGACY in await discovered(cluster, "/api")


@inside
async def test_accept_headers_of_custom_kinds(cluster: Cluster) -> None:
    """Conformance: Aggregated Discovery Endpoint Accept Headers CRDs"""
    await Verbs(cluster, "customresourcedefinition").create("testcrds.a.example.com", definition("a.example.com"))
    await cluster.settle()
    assert ("a.example.com", "v1", "testcrds") in await discovered(cluster, "/apis")


@inside
async def test_interface(cluster: Cluster) -> None:
    """Conformance: Aggregated Discovery Interface"""
    found = await discovered(cluster, "/apis", CLIENT) | await discovered(cluster, "/api", CLIENT)
    assert {*EXPECTED, LEGACY} <= found


@inside
async def test_interface_of_custom_kinds(cluster: Cluster) -> None:
    """Conformance: Aggregated Discovery Interface CRDs"""
    await Verbs(cluster, "customresourcedefinition").create("testcrds.b.example.com", definition("b.example.com"))
    await cluster.settle()
    assert ("b.example.com", "v1", "testcrds") in await discovered(cluster, "/apis", CLIENT)
