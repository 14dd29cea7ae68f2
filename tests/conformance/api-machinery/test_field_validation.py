"""What does not fit a kind is refused where clients ask for it (sig-api-machinery, FieldValidation)."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.stage import inside
from conformance.verbs import Verbs
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

GROUP = "mygroup.example.com"
APPLY = "application/apply-patch+yaml"
PORT = {
    "type": "object", "required": ["containerPort", "protocol"],
    "properties": {
        "containerPort": {"type": "integer", "format": "int32"}, "hostPort": {"type": "integer", "format": "int32"},
        "hostIP": {"type": "string"}, "name": {"type": "string"}, "protocol": {"type": "string"},
    },
}  # fmt: skip
FIELDS: Object = {
    "foo": {"type": "string"},
    "cronSpec": {"type": "string", "pattern": r"^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$"},
    "ports": {
        "type": "array", "items": PORT,
        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
    },
}  # fmt: skip
SUB = {
    "type": "object", "x-kubernetes-embedded-resource": True,
    "properties": {
        "metadata": {"type": "object", "properties": {"name": {"type": "string"}}}, "spec": {"type": "object"}
    },
}  # fmt: skip
HEAD = f"""
apiVersion: {GROUP}/v1beta1
kind: Noxu
metadata:
  name: mytest
  finalizers:
  - test-finalizer
"""
REST = """
  cronSpec: "* * * * */5"
  ports:
  - name: x
    containerPort: 80
    protocol: TCP"""


def with_spec(*, keep: bool = False, **more: Any) -> Object:
    """`keep`: what the schema does not have, too."""
    spec = {"type": "object", "properties": FIELDS | more}
    return {
        "type": "object",
        "properties": {"spec": spec | ({"x-kubernetes-preserve-unknown-fields": True} if keep else {})},
    }


def definition(schema: Object) -> Object:
    """Of several versions, which have one schema; the last of them is not served."""
    versions = [
        {"name": name, "served": name != "v0", "storage": name == "v1beta1", "schema": {"openAPIV3Schema": schema}}
        for name in ("v1beta1", "v1beta2", "v0")
    ]
    names = {"plural": "noxus", "singular": "noxu", "kind": "Noxu", "listKind": "NoxuItemList", "shortNames": ["nx"]}
    return {"spec": {"group": GROUP, "scope": "Cluster", "names": names, "versions": versions}}


class Noxus:
    """Objects of a kind, applied as documents that a client has not looked into."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.transport = cluster.api.transport("admin", "system:masters")

    async def define(self, schema: Object) -> None:
        await Verbs(self.cluster, "customresourcedefinition").create(f"noxus.{GROUP}", definition(schema))

    async def apply(self, document: str) -> bytes:
        """Strictly. Raises StatusError."""
        query = {"fieldManager": "field_validation_mgr", "fieldValidation": "Strict"}
        path = f"/apis/{GROUP}/v1beta1/noxus/mytest"
        return await self.transport.request("PATCH", path, query=query, body=document.encode(), content_type=APPLY)


DEPLOYMENT = """{"apiVersion": "apps/v1", "kind": "Deployment",
  "metadata": {"name": "my-dep", %s "labels": {"app": "nginx"}},
  "spec": {%s "selector": {"matchLabels": {"app": "nginx"}},
    "template": {"metadata": {"labels": {"app": "nginx"}},
      "spec": {"containers": [{"name": "nginx", "image": "nginx:latest"}]}}}}"""


async def refusal(cluster: Cluster, meta: str = "", spec: str = "") -> str:
    query = {"fieldManager": "field_validation_mgr", "fieldValidation": "Strict"}
    with pytest.raises(StatusError) as refused:
        await cluster.api.transport("admin", "system:masters").request(
            "POST", "/apis/apps/v1/namespaces/default/deployments", query=query,
            body=(DEPLOYMENT % (meta, spec)).encode(),
        )  # fmt: skip
    assert refused.value.code == 400
    assert not await cluster.exists("deployment/my-dep")
    return refused.value.message


@inside
async def test_typed_objects(cluster: Cluster) -> None:
    """Conformance: Server side field validation, typed object"""
    said = await refusal(cluster, spec='"unknownField": "foo", "replicas": 2, "replicas": 3,')
    assert 'strict decoding error: unknown field "spec.unknownField", duplicate field "spec.replicas"' in said


@inside
async def test_metadata_of_typed_objects(cluster: Cluster) -> None:
    """Conformance: Server side field validation, typed unknown metadata"""
    said = await refusal(cluster, meta='"unknownMeta": "foo",')
    assert 'strict decoding error: unknown field "metadata.unknownMeta"' in said


@inside
async def test_what_fits(cluster: Cluster) -> None:
    """Conformance: Server side field validation, valid CR with validation schema"""
    noxus = Noxus(cluster)
    await noxus.define(with_spec())
    assert b'"foo":"foo1"' in await noxus.apply(f"{HEAD}spec:\n  foo: foo1{REST}")


@inside
async def test_anything_where_there_is_no_schema(cluster: Cluster) -> None:
    """Conformance: Server side field validation, unknown fields CR no validation schema"""
    noxus = Noxus(cluster)
    await noxus.define({"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    assert b'"unknown":"uk1"' in await noxus.apply(f"{HEAD}spec:\n  unknown: uk1{REST}")


@inside
async def test_more_than_the_schema_has(cluster: Cluster) -> None:
    """Conformance: Server side field validation, unknown fields CR fails validation"""
    noxus = Noxus(cluster)
    await noxus.define(with_spec())
    with pytest.raises(StatusError, match=r"\.unknownField: field not declared in schema"):
        await noxus.apply(f"{HEAD}unknownField: unknown\nspec:\n  foo: foo1{REST}")


@inside
async def test_metadata_of_objects_and_in_them(cluster: Cluster) -> None:
    """Conformance: Server side field validation, unknown metadata"""
    noxus = Noxus(cluster)
    await noxus.define(with_spec(keep=True, template=SUB))
    inner = "  template:\n    apiversion: foo/v1\n    kind: Sub\n    metadata:\n      unknownSubMeta: unknown\n"
    inner += "      name: subobject\n      namespace: default\n"
    outer = HEAD.replace("  name: mytest", "  name: mytest\n  unknownMeta: unknown")
    for head, template, where in (
        (outer, "", ".metadata.unknownMeta"),
        (HEAD, inner, ".spec.template.metadata.unknownSubMeta"),
        (outer, inner, r"\.(spec\.template\.)?metadata\.unknown(Sub)?Meta"),
    ):
        with pytest.raises(StatusError, match=f"{where}: field not declared in schema"):
            await noxus.apply(f"{head}spec:\n{template}  foo: foo1{REST}")


@inside
async def test_fields_twice_where_anything_is_kept(cluster: Cluster) -> None:
    """Conformance: Server side field validation, CR duplicates"""
    noxus = Noxus(cluster)
    await noxus.define(with_spec(keep=True))
    with pytest.raises(StatusError, match='line 11: key "foo" already set in map'):
        await noxus.apply(f"{HEAD}spec:\n  unknown: uk1\n  foo: foo1\n  foo: foo2{REST}")
