"""OpenAPI over HTTP: index, documents, hashes, caching, compression."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest
from tests.unit.apiserver.served import BUILT_IN

from longboat.api import kinds
from longboat.apiserver.openapi import OpenAPI, described
from longboat.apiserver.request import Request, Response
from longboat.apiserver.resources import Resource, Resources
from longboat.machinery.types import protobuf
from longboat.registry.catalog import plain
from longboat.registry.strategy import ScaleFields

V3_PROTOBUF = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf"
RESOURCES = Resources()
for strategy in (
    plain(kinds.POD, status=True),
    plain(kinds.DEPLOYMENT, status=True, scale=ScaleFields()),
    plain(kinds.JOB),
    plain(kinds.HPA),
    plain(kinds.HPA_V1),
    plain(kinds.ROLE),
):
    RESOURCES.install(Resource(strategy))
SERVED = OpenAPI(RESOURCES)


async def _no_body(limit: int) -> bytes:
    return b""


def get(address: str, **headers: str) -> Response:
    path, _, query = address.partition("?")
    parsed = {name: [value] for name, _, value in (pair.partition("=") for pair in query.split("&") if pair)}
    request = Request("GET", path, parsed, {k.replace("_", "-"): v for k, v in headers.items()}, _no_body)
    return asyncio.run(SERVED.handle(request))


def index() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(get("/openapi/v3").body)["paths"]
    return found


def test_the_index_names_every_group_version() -> None:
    paths = index()
    assert {"api/v1", "apis/apps/v1", "apis/rbac.authorization.k8s.io/v1", "apis/autoscaling/v1"} <= set(paths)
    assert paths["api/v1"]["serverRelativeURL"].startswith("/openapi/v3/api/v1?hash=")


def test_what_the_index_names_can_be_kept_for_ever() -> None:
    answer = get(index()["apis/apps/v1"]["serverRelativeURL"])
    assert answer.status == 200
    assert "immutable" in answer.headers["Cache-Control"]
    assert "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale" in json.loads(answer.body)["paths"]


def test_an_old_hash_leads_to_the_new_one() -> None:
    answer = get("/openapi/v3/apis/apps/v1?hash=OLD")
    assert (answer.status, answer.headers["Location"]) == (301, index()["apis/apps/v1"]["serverRelativeURL"])


def test_what_the_client_has_is_not_sent_again() -> None:
    answer = get("/openapi/v3/apis/batch/v1")
    assert "Cache-Control" not in answer.headers
    again = get("/openapi/v3/apis/batch/v1", if_none_match=answer.headers["ETag"])
    assert (again.status, again.body) == (304, b"")


def test_documents_are_compressed_for_who_accepts_it() -> None:
    plain, packed = get("/openapi/v3/apis/apps/v1"), get("/openapi/v3/apis/apps/v1", accept_encoding="gzip, br")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body


def test_swagger_has_every_kind() -> None:
    document = json.loads(get("/openapi/v2", accept="application/json").body)
    assert document["swagger"] == "2.0"
    assert {"/api/v1/pods", "/apis/batch/v1/jobs", "/apis/autoscaling/v2/horizontalpodautoscalers"} <= set(
        document["paths"]
    )


@pytest.mark.parametrize("path", ["/openapi", "/openapi/v3/apis/nope/v1", "/openapi/v4", "/openapi/api/v1"])
def test_other_paths(path: str) -> None:
    assert get(path).status == 404


def test_what_has_no_group_version_is_in_the_index() -> None:
    assert {"api", "apis", "apis/apps", "version"} <= set(index()) and "openid/v1/jwks" not in index()
    answer = get(index()["apis/apps"]["serverRelativeURL"])
    assert list(json.loads(answer.body)["paths"]) == ["/apis/apps/"]
    assert set(OpenAPI(RESOURCES, openid=True)._served()) - set(index()) == {
        "v2", "openid/v1/jwks", ".well-known/openid-configuration",
    }  # fmt: skip


@pytest.mark.parametrize(("accept", "given"), [
    ("", "application/json"), ("*/*", "application/json"), ("application/*", "application/json"),
    ("application/json;as=Table, text/html", "application/json"),
    ("application/com.github.proto-openapi.spec.v3@v1.0+protobuf, application/json;q=0.5", V3_PROTOBUF),
    (V3_PROTOBUF, V3_PROTOBUF),
    ("text/html, application/com.github.proto-openapi.spec.v2.v1.0+protobuf", ""), ("application/yaml", ""),
])  # fmt: skip
def test_documents_of_v3_are_json_or_protobuf(accept: str, given: str) -> None:
    answer = get("/openapi/v3/apis/apps/v1", accept=accept)
    assert answer.status == (200 if given else 406)
    if given:
        assert answer.content_type == given
    if given == V3_PROTOBUF:
        assert dict(protobuf.fields(answer.whole()))[1] == b"3.0.0"


def test_deletes_answer_with_what_upstreams_document_says() -> None:
    """The objects for those whose stores return what they deleted, but for namespaces; a Status for all others."""
    returned = {each.kind.name for each in map(described, BUILT_IN) if each.returns_deleted}
    assert returned == {
        "CSIDriver", "CSINode", "DeviceClass", "PersistentVolume", "PersistentVolumeClaim", "Pod", "PodTemplate",
        "ResourceClaim", "ResourceClaimTemplate", "ResourceQuota", "ResourceSlice", "Service", "ServiceAccount",
        "StorageClass", "VolumeAttachment", "VolumeAttributesClass",
    }  # fmt: skip


def test_kubectl_gets_the_swagger_document_in_protobuf() -> None:
    """Read back with nothing but the wire format: kubectl finds definitions by name, and their kinds in extensions."""
    response = get("/openapi/v2", accept="application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
    assert response.content_type == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
    document = dict(protobuf.fields(response.whole()))
    assert document[1] == b"2.0"
    names = set()
    for _, named in protobuf.fields(bytes(document[9])):  # type: ignore[arg-type]
        parts = dict(protobuf.fields(bytes(named)))  # type: ignore[arg-type]
        names.add(bytes(parts[1]).decode())  # type: ignore[arg-type]
    assert {"io.k8s.api.core.v1.Pod", "io.k8s.api.apps.v1.Deployment"} <= names
