"""What an API server says of itself (sig-api-machinery: Discovery, server version, Table transformation)."""

from __future__ import annotations

import re

import msgspec
import pytest

from conformance.stage import inside
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

EXPECTED = {
    "/api/v1": "namespaces",
    "/apis/admissionregistration.k8s.io/v1": "validatingwebhookconfigurations",
    "/apis/apiextensions.k8s.io/v1": "customresourcedefinitions",
    "/apis/apiregistration.k8s.io/v1": "apiservices",
    "/apis/apps/v1": "deployments",
    "/apis/authentication.k8s.io/v1": "tokenreviews",
    "/apis/authorization.k8s.io/v1": "selfsubjectaccessreviews",
    "/apis/autoscaling/v1": "horizontalpodautoscalers",
    "/apis/autoscaling/v2": "horizontalpodautoscalers",
    "/apis/batch/v1": "jobs",
    "/apis/certificates.k8s.io/v1": "certificatesigningrequests",
    "/apis/coordination.k8s.io/v1": "leases",
    "/apis/discovery.k8s.io/v1": "endpointslices",
    "/apis/events.k8s.io/v1": "events",
    "/apis/networking.k8s.io/v1": "ingresses",
    "/apis/node.k8s.io/v1": "runtimeclasses",
    "/apis/policy/v1": "poddisruptionbudgets",
    "/apis/scheduling.k8s.io/v1": "priorityclasses",
    "/apis/storage.k8s.io/v1": "csinodes",
}


async def read(cluster: Cluster, path: str) -> Object:
    found: Object = msgspec.json.decode(await cluster.client.get_path(path))
    return found


@inside
async def test_preferred_versions(cluster: Cluster) -> None:
    """Conformance: Discovery, confirm the PreferredVersion for each api group"""
    groups = (await read(cluster, "/apis/"))["groups"]
    assert len(groups) > 15
    for group in groups:
        found = await read(cluster, f"/apis/{group['name']}/")
        assert (found["kind"], found["name"]) == ("APIGroup", group["name"])
        assert found["versions"] and found["preferredVersion"] in found["versions"], found
        assert found["versions"] == group["versions"]


@inside
async def test_a_resource_of_each_group(cluster: Cluster) -> None:
    """Conformance: Discovery, confirm the groupVerion and a resourcefrom each apiGroup"""
    for path, resource in EXPECTED.items():
        found = await read(cluster, path)
        assert (found["kind"], found["groupVersion"]) == ("APIResourceList", path.split("/", 2)[2])
        assert resource in [each["name"] for each in found["resources"]]


@inside
async def test_version(cluster: Cluster) -> None:
    """Conformance: Confirm a server version"""
    found = await read(cluster, "/version")
    assert (found["major"], found["minor"]) == ("1", "36")
    assert all(re.fullmatch(r"\d+", found[part]) for part in ("major", "minor"))


@inside
async def test_no_table_of_a_review(cluster: Cluster) -> None:
    """Conformance: API metadata HTTP return"""
    attributes = {"namespace": "default", "verb": "get", "resource": "pods"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    transport = cluster.api.transport("admin", "system:masters")
    path, body = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", msgspec.json.encode(review)
    with pytest.raises(StatusError) as refused:
        await transport.request("POST", path, body=body, accept=accept)
    assert (refused.value.code, refused.value.reason) == (406, "NotAcceptable")
