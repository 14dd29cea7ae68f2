"""A custom kind with replicas, in a control plane on a virtual clock."""

from __future__ import annotations

from typing import Any

import msgspec

from longboat.client.interface import Key
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

GROUP = "sea.example.com"
BOAT = Kind(GROUP, "v1", "Boat", "boats")
FLEET = Kind(GROUP, "v1", "Fleet", "fleets", namespaced=False)
NUMBER: Object = {"type": "integer"}


def definition(kind: Kind, *, scales: bool = True) -> Object:
    schema = {"type": "object", "properties": {
        "spec": {"type": "object", "properties": {"crew": NUMBER, "home": {"type": "string"}}},
        "status": {"type": "object", "properties": {"crew": NUMBER, "who": {"type": "string"}}},
    }}  # fmt: skip
    scale = {"specReplicasPath": ".spec.crew", "statusReplicasPath": ".status.crew", "labelSelectorPath": ".status.who"}
    parts = {"status": {}} | ({"scale": scale} if scales else {})
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": parts,
    }
    names = {"plural": kind.plural, "kind": kind.name}
    scope = "Namespaced" if kind.namespaced else "Cluster"
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {"group": GROUP, "scope": scope, "names": names, "versions": [version]},
    }  # fmt: skip


async def define(cluster: Cluster, *wanted: Kind, scales: bool = True) -> None:
    """Until the controllers that ask discovery now and then know of them, too."""
    await cluster.apply(*(definition(kind, scales=scales) for kind in wanted))
    await cluster.settle()
    await cluster.clock.advance(60)
    await cluster.settle()


def owned_by(owner: Object, *, controller: bool = False, blocks: bool = False) -> list[Object]:
    found: Object = {key: owner[key] for key in ("apiVersion", "kind")}
    found |= {key: owner["metadata"][key] for key in ("name", "uid")}
    found |= {"controller": True} if controller else {}
    return [found | ({"blockOwnerDeletion": True} if blocks else {})]


async def make(cluster: Cluster, kind: Kind, name: str, *, namespace: str = "default", **fields: Any) -> Object:
    meta = {"name": name} | fields.pop("metadata", {})
    obj = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": meta, **fields}
    answer = await cluster.client.create(kind, obj, namespace=namespace if kind.namespaced else "")
    await cluster.settle()
    found: Object = msgspec.json.decode(answer)
    return found


async def find(cluster: Cluster, kind: Kind, name: str, namespace: str = "default") -> Object | None:
    """None where there is none."""
    try:
        found = await cluster.client.get_raw(kind, Key(namespace if kind.namespaced else "", name))
    except StatusError as error:
        if error.code != 404:
            raise
        return None
    obj: Object = msgspec.json.decode(found)
    return obj
