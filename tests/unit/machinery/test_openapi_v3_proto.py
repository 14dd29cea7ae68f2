"""OpenAPI v3 documents in protobuf, read back by the wire format alone: nothing of a document is lost."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from tests.unit.apiserver.served import BUILT_IN

from longboat.api import kinds
from longboat.machinery import openapi, openapi_v3_proto
from longboat.machinery.openapi_paths import OPENID, Resource
from longboat.machinery.subresource import STATUS, proxy
from longboat.machinery.types.protobuf import fields

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


def every(data: Any, number: int) -> list[Any]:
    return [bytes(value) if not isinstance(value, int) else value for n, value in fields(bytes(data)) if n == number]


def one(data: Any, *numbers: int) -> Any:
    for number in numbers:
        (data,) = every(data, number)
    return data


def pairs(data: Any, number: int = 1) -> dict[str, bytes]:
    return {one(each, 1).decode(): one(each, 2) for each in every(data, number)}


def packed(*resources: Resource) -> tuple[Any, bytes]:
    document = openapi.v3(resources)
    return json.loads(document), openapi_v3_proto.encode(json.loads(document))


def test_paths_operations_and_schemas_are_where_gnostic_has_them() -> None:
    document, data = packed(Resource(kinds.POD, VERBS, (STATUS, proxy("PodProxyOptions"))))
    assert one(data, 1) == b"3.0.0" and one(data, 2, 1) == b"Kubernetes"
    paths, schemas = pairs(one(data, 4)), pairs(one(data, 5, 1))
    assert list(paths) == list(document["paths"]) and list(schemas) == list(document["components"]["schemas"])
    path = "/api/v1/namespaces/{namespace}/pods/{name}"
    item = paths[path]
    methods = {4: "get", 5: "put", 7: "delete", 10: "patch"}
    assert {methods[n] for n, _ in fields(item) if n != 13} == set(methods.values())
    assert [one(each, 1, 1).decode() for each in every(item, 13)] == ["name", "namespace", "pretty"]
    patch = one(item, 10)
    assert one(patch, 5) == b"patchCoreV1NamespacedPod" and every(patch, 1) == [b"core_v1"]
    assert list(pairs(one(patch, 7, 1, 2))) == list(document["paths"][path]["patch"]["requestBody"]["content"])
    answers = pairs(one(patch, 8), 2)
    assert list(answers) == ["200", "201", "401"]
    content = pairs(one(answers["200"], 1, 3))
    assert one(content["application/json"], 1, 2, 1) == b"#/components/schemas/io.k8s.api.core.v1.Pod"
    said = {name: json.loads(one(value, 2)) for name, value in pairs(patch, 13).items()}
    assert said["x-kubernetes-group-version-kind"] == {"group": "", "kind": "Pod", "version": "v1"}


def test_schemas_keep_types_defaults_and_what_is_in_them() -> None:
    _, data = packed(Resource(kinds.POD, VERBS))
    schemas = {name.rpartition(".")[2]: one(each, 1) for name, each in pairs(one(data, 5, 1)).items()}
    pod, spec = pairs(one(schemas["Pod"], 31)), pairs(one(schemas["PodSpec"], 31))
    metadata = one(pod["metadata"], 1)
    assert (
        one(metadata, 26, 2, 1).endswith(b"v1.ObjectMeta") and one(metadata, 33) == b""
    )  # {}: neither text nor number
    containers = one(spec["containers"], 1)
    assert one(containers, 25) == b"array" and one(containers, 30, 1, 1, 26, 2, 1).endswith(b"v1.Container")
    assert json.loads(one(pairs(containers, 36)["x-kubernetes-patch-merge-key"], 2)) == "name"
    selector = one(spec["nodeSelector"], 1, 32, 1, 1)
    assert one(selector, 25) == b"string" and one(selector, 33, 3) == b""
    assert every(schemas["PodSpec"], 23) == [b"containers"]
    count = one(pairs(one(schemas["ContainerStatus"], 31))["restartCount"], 1)
    assert struct.unpack("<d", one(count, 33, 1)) == (0.0,)
    assert one(one(pairs(one(schemas["ContainerStatus"], 31))["ready"], 1), 33, 2) == 0


def test_what_the_table_does_not_have_is_no_document() -> None:
    with pytest.raises(KeyError, match="servers"):
        openapi_v3_proto.encode({"openapi": "3.0.0", "servers": []})


def test_every_kind_and_what_is_no_resource_can_be_written() -> None:
    assert openapi_v3_proto.encode(json.loads(openapi.v3_of(OPENID["openid/v1/jwks"])))
    _, data = packed(*(Resource(each.kind, tuple(each.strategy.verbs)) for each in BUILT_IN if each.strategy.top_level))
    assert len(data) > 1_000_000
