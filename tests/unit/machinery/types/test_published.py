"""What the older OpenAPI document can say of a custom kind (apiextensions-apiserver, pkg/controller/openapi/v2)."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.machinery.kinds import Kind
from longboat.machinery.types import published

BOAT = Kind("sea.example.com", "v1", "Boat", "boats")
META = {"description": "said", "allOf": [{"$ref": "#/components/schemas/Meta"}], "default": {}}
POD = {"properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": META}}
KEPT, INT = {"x-kubernetes-preserve-unknown-fields": True}, {"type": "integer"}
EMBEDDED: Any = {"type": "object", "x-kubernetes-embedded-resource": True}


def older(spec: Any) -> Any:
    schema = {"type": "object", "properties": {"spec": spec}}
    return published.definition(BOAT, schema, POD, older=True)["properties"]["spec"]


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "integer", "default": 1, "minimum": 0}, {"type": "integer", "minimum": 0}),
        ({"type": "integer", "oneOf": [{"minimum": 0}], "not": {"maximum": 3}}, INT),
        ({"type": "string", "nullable": True, "pattern": "a"}, {"pattern": "a"}),
        ({"type": "array", "nullable": True, "items": INT, "maxItems": 3}, {"maxItems": 3}),
        ({"type": "object", "nullable": True, "additionalProperties": INT}, {"additionalProperties": INT}),
        ({"type": "object", "properties": {"a": INT}, "required": ["a"], **KEPT}, {"required": ["a"], **KEPT}),
        ({"type": "array", "items": INT, **KEPT}, KEPT),
        ({"type": "string", **KEPT}, {"type": "string", **KEPT}),
        ({"x-kubernetes-int-or-string": True}, {"x-kubernetes-int-or-string": True}),
        (
            {"type": "object", "required": ["a", "b"], "properties": {"a": INT | {"nullable": True}, "b": INT}},
            {"type": "object", "required": ["b"], "properties": {"a": {}, "b": INT}},
        ),
        (
            {"type": "object", "required": ["a"], "properties": {"a": INT | {"nullable": True}}},
            {"type": "object", "properties": {"a": {}}},
        ),
        (
            {"type": "object", "required": ["a"], "additionalProperties": INT | {"nullable": True}},
            {"type": "object", "additionalProperties": {}},
        ),
        ({"type": "object", "properties": {"allOf": INT, "$ref": INT}},) * 2,
        (EMBEDDED | KEPT, {"x-kubernetes-embedded-resource": True, **KEPT}),
    ],
)
def test_what_kubectl_could_not_check_by_is_left_out(schema: Any, said: Any) -> None:
    assert older(schema) == said


def test_identity_within() -> None:
    found = older(EMBEDDED)
    assert found["required"] == ["kind", "apiVersion"]
    assert found["properties"]["metadata"] == {"description": "said", "$ref": "#/definitions/Meta"}


def test_a_kind_that_keeps_everything_names_nothing() -> None:
    by = [{"group": "sea.example.com", "kind": "Boat", "version": "v1"}]
    schema: Any = {"type": "object", "description": "a", "properties": {"spec": INT}, **KEPT}
    assert published.definition(BOAT, schema, POD, older=True) == {
        "type": "object", "x-kubernetes-group-version-kind": by,
    }  # fmt: skip
    assert published.definition(BOAT, schema, POD)["properties"]["spec"] == INT
