"""CustomResourceDefinitions and their objects (sig-api-machinery)."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from conformance.stage import inside
from conformance.verbs import Verbs
from longboat.client.interface import Key
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

GROUP = "sea.example.com"
BOAT = Kind(GROUP, "v1", "Boat", "boats")


def schema(**fields: Any) -> Object:
    return {"type": "object", "properties": fields}


def definition(plural: str = "boats", kind: str = "Boat", **fields: Any) -> Object:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema(**fields)}}
    names = {"plural": plural, "kind": kind}
    return {"spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]}}


class Boats(Verbs):
    """The verbs on the objects of the definition."""

    def __init__(self, cluster: Cluster, namespace: str = "default") -> None:
        self.cluster, self.kind, self.namespace = cluster, BOAT, namespace


@inside
async def test_create(cluster: Cluster) -> None:
    """Conformance: Custom Resource Definition, create"""
    definitions = Verbs(cluster, "customresourcedefinition")
    await definitions.create(f"boats.{GROUP}", definition())
    found = await definitions.read(f"boats.{GROUP}")
    assert {each["type"]: each["status"] for each in found["status"]["conditions"]} == {
        "NamesAccepted": "True", "Established": "True",
    }  # fmt: skip
    await definitions.delete(f"boats.{GROUP}")
    assert await definitions.is_gone(f"boats.{GROUP}")


@inside
async def test_list(cluster: Cluster) -> None:
    """Conformance: Custom Resource Definition, list"""
    definitions = Verbs(cluster, "customresourcedefinition")
    for i in range(10):
        await definitions.create(f"labeled{i}s.{GROUP}", definition(f"labeled{i}s", f"Labeled{i}"), labels={"a": "b"})
    await definitions.create(f"boats.{GROUP}", definition())
    assert len(await definitions.list("a=b")) == 10
    await definitions.delete_collection("a=b")
    assert await definitions.are_left(f"boats.{GROUP}")


@inside
async def test_status(cluster: Cluster) -> None:
    """Conformance: Custom Resource Definition, status sub-resource"""
    definitions, name = Verbs(cluster, "customresourcedefinition"), f"boats.{GROUP}"
    await definitions.create(name, definition())

    def told(obj: Object) -> Object | None:
        return next((each for each in obj["status"]["conditions"] if each["type"] == "StatusUpdate"), None)

    condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}
    assert told(await definitions.read(name, "status")) is None
    await definitions.update(name, lambda obj: obj["status"]["conditions"].append(condition), "status")
    found = told(await definitions.read(name))
    assert found is not None
    assert condition.items() <= found.items()
    others = [each for each in (await definitions.read(name))["status"]["conditions"] if each["type"] != "StatusUpdate"]
    patched = condition | {"message": "Set from an e2e patch"}
    await definitions.patch(name, {"status": {"conditions": [*others, patched]}}, subresource="status")
    found = told(await definitions.read(name, "status"))
    assert found is not None
    assert patched.items() <= found.items()


@inside
async def test_defaulting(cluster: Cluster) -> None:
    """Conformance: Custom Resource Definition, defaulting"""
    definitions, boats, name = Verbs(cluster, "customresourcedefinition"), Boats(cluster), f"boats.{GROUP}"
    plain: Object = {"type": "string"}
    await definitions.create(name, definition(a=plain, b=plain))
    await boats.create("first", {})
    assert "a" not in await boats.read("first")

    async def default(**fields: Any) -> None:
        await definitions.patch(name, {"spec": definition(**fields)["spec"]})

    await default(a=plain | {"default": "A"}, b=plain)
    assert (await boats.read("first"))["a"] == "A"
    await boats.create("second", {})
    await default(a=plain, b=plain | {"default": "B"})
    second = await boats.read("second")
    assert (second["a"], second["b"]) == ("A", "B"), "what was stored stays"
    assert "a" not in await boats.read("first"), "it was never written"


@inside
async def test_objects_are_counted_collected_and_go_with_their_namespace(cluster: Cluster) -> None:
    definitions, boats = Verbs(cluster, "customresourcedefinition"), Boats(cluster, "harbour")
    await definitions.create(f"boats.{GROUP}", definition())
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "harbour"}})
    await cluster.settle()
    quota = {"spec": {"hard": {f"count/boats.{GROUP}": "2"}}}
    await Verbs(cluster, "resourcequota", "harbour").create("q", quota)
    owner = await boats.create("owner", {})
    reference = {"apiVersion": f"{GROUP}/v1", "kind": "Boat", "name": "owner", "uid": owner["metadata"]["uid"]}
    await boats.create("dependent", {}, ownerReferences=[reference])
    with pytest.raises(StatusError, match="exceeded quota"):
        await boats.create("third", {})
    await cluster.clock.advance(60)  # the collector asks discovery now and then, as upstream's
    await cluster.settle()
    await boats.delete("owner")
    await cluster.settle()
    assert await boats.is_gone("dependent")
    await boats.create("last", {})
    await cluster.client.delete(cluster.kind("namespace"), Key("", "harbour"))
    await cluster.settle()
    assert await boats.is_gone("last")
    assert not await cluster.exists("namespace/harbour")


async def conditions_of(cluster: Cluster, namespace: str) -> dict[str, Object]:
    """By type, once it has some. That nobody is at a port is learned from the kernel, which no virtual clock moves."""
    async with asyncio.timeout(30):
        while True:
            await cluster.settle()
            status = (await Verbs(cluster, "namespace").read(namespace))["status"]
            if found := status.get("conditions"):
                return {each["type"]: each for each in found}
            await asyncio.sleep(0.02)


@inside
async def test_they_are_counted_and_seen_while_nobody_converts_them_and_go_once_somebody_does(cluster: Cluster) -> None:
    definitions, boats = Verbs(cluster, "customresourcedefinition"), Boats(cluster, "harbour")
    made = with_versions("v1", "v2")
    client = {"url": "https://127.0.0.1:1/c"}
    webhook = {"clientConfig": client, "conversionReviewVersions": ["v1"]}
    made["spec"]["conversion"] = {"strategy": "Webhook", "webhook": webhook}
    await definitions.create(f"boats.{GROUP}", made)
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "harbour"}})
    await cluster.settle()
    quotas = Verbs(cluster, "resourcequota", "harbour")
    await quotas.create("q", {"spec": {"hard": {f"count/boats.{GROUP}": "2"}}})
    owner = await boats.create("owner", {})
    reference = {"apiVersion": f"{GROUP}/v1", "kind": "Boat", "name": "owner", "uid": owner["metadata"]["uid"]}
    await boats.create("dependent", {}, ownerReferences=[reference])
    with pytest.raises(StatusError, match="exceeded quota"):
        await boats.create("third", {})
    assert (await quotas.read("q"))["status"]["used"] == {f"count/boats.{GROUP}": "2"}
    await cluster.clock.advance(60)
    await cluster.settle()
    await cluster.client.delete(cluster.kind("namespace"), Key("", "harbour"))
    told = await conditions_of(cluster, "harbour")
    assert told["NamespaceDeletionDiscoveryFailure"]["status"] == "False"
    failed = told["NamespaceDeletionContentFailure"]
    assert failed["status"] == "True"
    assert f"conversion webhook for {GROUP}/v1, Kind=Boat failed: " in failed["message"]
    assert await boats.are_left("dependent", "owner"), "nothing is lost"
    await definitions.patch(f"boats.{GROUP}", {"spec": {"conversion": {"strategy": "None", "webhook": None}}})
    await cluster.clock.advance(120)
    await cluster.settle()
    assert not await cluster.exists("namespace/harbour")
    assert await boats.is_gone("owner")


@inside
async def test_discovery(cluster: Cluster) -> None:
    """Conformance: Custom Resource Definition, discovery"""

    async def document(path: str) -> Any:
        return msgspec.json.decode(await cluster.client.get_path(path))

    (group,) = (each for each in (await document("/apis"))["groups"] if each["name"] == "apiextensions.k8s.io")
    assert {"groupVersion": "apiextensions.k8s.io/v1", "version": "v1"} in group["versions"]
    assert (await document("/apis/apiextensions.k8s.io"))["versions"] == group["versions"]
    listed = (await document("/apis/apiextensions.k8s.io/v1"))["resources"]
    assert "customresourcedefinitions" in [each["name"] for each in listed]


def with_versions(*versions: str, plural: str = "boats", kind: str = "Boat", group: str = GROUP) -> Object:
    made = definition(plural, kind, spec={"type": "object"})
    (one,) = made["spec"]["versions"]
    made["spec"]["versions"] = [one | {"name": name, "storage": name == versions[0]} for name in versions]
    made["spec"]["group"] = group
    return made


async def published(cluster: Cluster, *, whole: bool = False) -> set[str]:
    """The definitions of custom kinds in their groups' documents; `whole`: in the one of everything, too."""
    found: set[str] = set()
    for path in msgspec.json.decode(await cluster.client.get_path("/openapi/v3"))["paths"]:
        if GROUP in path:
            document = msgspec.json.decode(await cluster.client.get_path(f"/openapi/v3/{path}"))
            found |= {name for name in document["components"]["schemas"] if ".sea." in name}
    if whole:
        everything = msgspec.json.decode(await cluster.client.get_path("/openapi/v2"))["definitions"]
        assert {name for name in everything if ".sea." in name} == found
    return {name for name in found if not name.endswith("List")}


@inside
async def test_publishes_what_is_served(cluster: Cluster) -> None:
    """Conformance: Custom Resource OpenAPI Publish, varying versions"""
    definitions = Verbs(cluster, "customresourcedefinition")
    await definitions.create(f"boats.{GROUP}", with_versions("v2", "v3"))
    assert await published(cluster) == {"com.example.sea.v2.Boat", "com.example.sea.v3.Boat"}


@inside
async def test_publishes_kinds(cluster: Cluster) -> None:
    """Conformance: Custom Resource OpenAPI Publish, varying kinds"""
    definitions = Verbs(cluster, "customresourcedefinition")
    await definitions.create(f"boats.{GROUP}", with_versions("v6"))
    await definitions.create(f"docks.{GROUP}", with_versions("v6", plural="docks", kind="Dock"))
    assert await published(cluster) == {"com.example.sea.v6.Boat", "com.example.sea.v6.Dock"}


@inside
async def test_publishes_groups(cluster: Cluster) -> None:
    """Conformance: Custom Resource OpenAPI Publish, varying groups"""
    definitions = Verbs(cluster, "customresourcedefinition")
    for place, version in (("north", "v4"), ("south", "v5")):
        await definitions.create(f"boats.{place}.{GROUP}", with_versions(version, group=f"{place}.{GROUP}"))
    assert await published(cluster) == {"com.example.sea.north.v4.Boat", "com.example.sea.south.v5.Boat"}


@inside
async def test_publishes_renamed_versions(cluster: Cluster) -> None:
    """Conformance: Custom Resource OpenAPI Publish, version rename"""
    definitions = Verbs(cluster, "customresourcedefinition")
    await definitions.create(f"boats.{GROUP}", with_versions("v2", "v3"))
    await definitions.patch(f"boats.{GROUP}", {"spec": with_versions("v2", "v4")["spec"]})
    assert await published(cluster) == {"com.example.sea.v2.Boat", "com.example.sea.v4.Boat"}


@inside
async def test_publishes_no_version_that_is_not_served(cluster: Cluster) -> None:
    """Conformance: Custom Resource OpenAPI Publish, stop serving version"""
    definitions = Verbs(cluster, "customresourcedefinition")
    made = with_versions("v5", "v6alpha1")
    await definitions.create(f"boats.{GROUP}", made)
    assert await published(cluster) == {"com.example.sea.v5.Boat", "com.example.sea.v6alpha1.Boat"}
    made["spec"]["versions"][1]["served"] = False
    await definitions.patch(f"boats.{GROUP}", {"spec": made["spec"]})
    assert await published(cluster, whole=True) == {"com.example.sea.v5.Boat"}
