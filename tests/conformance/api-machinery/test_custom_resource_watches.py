"""Watches of custom kinds (sig-api-machinery, CustomResourceDefinition Watch)."""

from __future__ import annotations

from typing import Any

from conformance.stage import inside
from conformance.verbs import Verbs
from conformance.watching import new, watched
from longboat.machinery.kinds import Kind
from longboat.testing.cluster import Cluster

GROUP = "mygroup.example.com"
NOXU = Kind(GROUP, "v1beta1", "WishIHadChosenNoxu", "noxus", namespaced=False)
NAMES = {"plural": "noxus", "singular": "nonenglishnoxu", "kind": NOXU.name, "listKind": "NoxuItemList"}
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
VERSION = {"name": "v1beta1", "served": True, "storage": True, "schema": {"openAPIV3Schema": ANYTHING}}
DEFINITION = {"spec": {"group": GROUP, "scope": "Cluster", "names": NAMES, "versions": [VERSION]}}


class Custom(Verbs):
    def __init__(self, cluster: Cluster, kind: Kind, namespace: str = "") -> None:
        self.cluster, self.kind, self.namespace = cluster, kind, namespace


@inside
async def test_watch(cluster: Cluster) -> None:
    """Conformance: Custom Resource Definition, watch"""
    await Verbs(cluster, "customresourcedefinition").create(f"noxus.{GROUP}", DEFINITION)
    noxus = Custom(cluster, NOXU)
    body = {"content": {"key": "value"}, "num": {"num1": 10, "num2": 1000000}}
    async with (
        watched(noxus, fields="metadata.name=name1") as first,
        watched(noxus, fields="metadata.name=name2") as second,
    ):
        for name, own, other in (("name1", first, second), ("name2", second, first)):
            made = await noxus.create(name, body)
            assert made["metadata"]["uid"]
            assert (made["apiVersion"], made["kind"]) == (NOXU.api_version, NOXU.name)
            assert (new(own), new(other)) == ([("ADDED", made)], [])
        change: Any = [{"op": "add", "path": "/dummy", "value": "test"}]
        for name, own, other in (("name1", first, second), ("name2", second, first)):
            changed = await noxus.patch(name, change, style="json")
            assert changed["dummy"] == "test"
            assert (new(own), new(other)) == ([("MODIFIED", changed)], [])
        for name, own, other in (("name1", first, second), ("name2", second, first)):
            await noxus.delete(name)
            ((kind, gone),) = new(own)
            assert (kind, gone["metadata"]["name"], new(other)) == ("DELETED", name, [])
