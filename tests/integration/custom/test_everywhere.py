"""Custom kinds where every kind counts: the garbage collector, quotas, namespaces, rights."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from integration.custom.fleet import BOAT, FLEET, GROUP, define, find, make, owned_by
from longboat.api import kinds
from longboat.client.interface import Key
from longboat.client.rest import RestClient
from longboat.machinery.errors import StatusError
from longboat.testing.cluster import Cluster


async def test_dependents_go_with_their_owners(cluster: Cluster) -> None:
    """Garbage collector: should support cascading deletion of custom resources, … orphan deletion of …"""
    await define(cluster, FLEET)
    owner = await make(cluster, FLEET, "owner")
    await make(cluster, FLEET, "dependent", metadata={"ownerReferences": owned_by(owner)})
    await cluster.client.delete(FLEET, Key("", "owner"), propagation="Background")
    await make(cluster, FLEET, "canary")
    await cluster.client.delete(FLEET, Key("", "canary"), propagation="Foreground")
    await cluster.settle()
    for name in ("canary", "dependent", "owner"):
        assert await find(cluster, FLEET, name) is None, name

    owner = await make(cluster, FLEET, "owner")
    await make(cluster, FLEET, "dependent", metadata={"ownerReferences": owned_by(owner)})
    await cluster.client.delete(FLEET, Key("", "owner"), propagation="Orphan")
    await cluster.settle()
    assert await find(cluster, FLEET, "owner") is None
    await cluster.clock.advance(60)
    left = await find(cluster, FLEET, "dependent")
    assert left is not None
    assert "ownerReferences" not in left["metadata"]


async def test_owners_and_dependents_of_either_sort(cluster: Cluster) -> None:
    await define(cluster, BOAT, FLEET)
    fleet = await make(cluster, FLEET, "fleet")
    boat = await make(cluster, BOAT, "boat", metadata={"ownerReferences": owned_by(fleet)})
    crew = await make(cluster, kinds.CONFIG_MAP, "crew", metadata={
        "ownerReferences": owned_by(boat, blocks=True), "finalizers": ["example.com/slow"]})  # fmt: skip
    await make(cluster, BOAT, "tender", metadata={"ownerReferences": owned_by(crew)})

    await cluster.client.delete(BOAT, Key("default", "boat"), propagation="Foreground")
    await cluster.settle()
    waiting = await find(cluster, BOAT, "boat")
    assert waiting is not None
    assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"], "it waits for what blocks it"
    assert await find(cluster, BOAT, "tender") is None, "what is below goes first"
    await cluster.client.patch(kinds.CONFIG_MAP, Key("default", "crew"), {"metadata": {"finalizers": None}})
    await cluster.settle()
    for kind, name in ((kinds.CONFIG_MAP, "crew"), (BOAT, "boat")):
        assert await find(cluster, kind, name) is None, name
    assert await find(cluster, FLEET, "fleet") is not None

    await make(cluster, BOAT, "stray", metadata={"ownerReferences": owned_by(boat)})
    await cluster.clock.advance(60)
    assert await find(cluster, BOAT, "stray") is None, "its owner has gone before it came"


async def test_a_kind_that_goes_takes_what_its_objects_own(cluster: Cluster) -> None:
    await define(cluster, BOAT)
    boat = await make(cluster, BOAT, "boat")
    await make(cluster, kinds.CONFIG_MAP, "crew", metadata={"ownerReferences": owned_by(boat)})
    await make(cluster, kinds.CONFIG_MAP, "alone")
    await cluster.client.delete(cluster.kind("customresourcedefinition"), Key("", f"boats.{GROUP}"))
    await cluster.settle()
    await cluster.clock.advance(60)
    assert await find(cluster, kinds.CONFIG_MAP, "crew") is None
    assert await find(cluster, kinds.CONFIG_MAP, "alone") is not None


async def test_quotas_count(cluster: Cluster) -> None:
    quota: Any = {"metadata": {"name": "q"}, "spec": {"hard": {f"count/boats.{GROUP}": "2"}}}
    await cluster.client.create(kinds.RESOURCE_QUOTA, quota, namespace="default")
    await define(cluster, BOAT)

    async def used() -> str:
        found: str = (await cluster.get("quota/q"))["status"]["used"][f"count/boats.{GROUP}"]
        return found

    for name in ("a", "b"):
        await make(cluster, BOAT, name)
    assert await used() == "2"
    boats = f"count/boats.{GROUP}"
    full = f"exceeded quota: q, requested: {boats}=1, used: {boats}=2, limited: {boats}=2"
    with pytest.raises(StatusError, match=full):
        await make(cluster, BOAT, "c")
    await cluster.client.delete(BOAT, Key("default", "a"))
    await cluster.settle()
    assert await used() == "1", "it is told of what goes"
    await make(cluster, BOAT, "c")


async def test_namespaces_go_with_all_that_is_in_them(cluster: Cluster) -> None:
    await define(cluster, BOAT)
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "harbour"}})
    await make(cluster, BOAT, "held", namespace="harbour", metadata={"finalizers": ["example.com/slow"]})
    await make(cluster, BOAT, "free", namespace="harbour")
    await cluster.client.delete(kinds.NAMESPACE, Key("", "harbour"))
    await cluster.settle()
    assert await find(cluster, BOAT, "free", "harbour") is None
    conditions = (await cluster.get("namespace/harbour"))["status"]["conditions"]
    told = {each["type"]: each["message"] for each in conditions if each["status"] == "True"}
    assert told["NamespaceContentRemaining"] == f"Some resources are remaining: boats.{GROUP} has 1 resource instances"
    await cluster.client.patch(BOAT, Key("harbour", "held"), {"metadata": {"finalizers": None}})
    await cluster.clock.advance(60)
    assert not await cluster.exists("namespace/harbour")


async def test_roles_are_gathered(cluster: Cluster) -> None:
    """A definition comes with roles that are added to what editors and viewers may do."""
    await define(cluster, BOAT)
    for level, verbs in (("view", ["get", "list", "watch"]), ("edit", ["create", "patch", "delete"])):
        labels = {f"rbac.authorization.k8s.io/aggregate-to-{level}": "true"}
        rules = [{"apiGroups": [GROUP], "resources": ["boats"], "verbs": verbs}]
        await cluster.apply({"kind": "ClusterRole", "apiVersion": "rbac.authorization.k8s.io/v1",
                             "metadata": {"name": f"boats-{level}", "labels": labels}, "rules": rules})  # fmt: skip
    subjects = [{"kind": "User", "name": "joe", "apiGroup": "rbac.authorization.k8s.io"}]
    await cluster.apply({
        "kind": "RoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "joe"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": subjects,
    })  # fmt: skip
    await cluster.settle()
    joe = RestClient(cluster.api.transport("joe", "system:authenticated"), cluster.clock)
    body = {"apiVersion": BOAT.api_version, "kind": "Boat", "metadata": {"name": "a"}, "spec": {"crew": 1}}
    assert msgspec.json.decode(await joe.create(BOAT, body, namespace="default"))["spec"] == {"crew": 1}
    assert await joe.get_raw(BOAT, Key("default", "a"))
    with pytest.raises(StatusError, match='cannot update resource "boats/scale"'):
        await joe.update(BOAT, Key("default", "a"), {}, subresource="scale")
    await cluster.client.delete(cluster.kind("clusterrole"), Key("", "boats-edit"))
    await cluster.settle()
    with pytest.raises(StatusError, match='cannot delete resource "boats"'):
        await joe.delete(BOAT, Key("default", "a"))
