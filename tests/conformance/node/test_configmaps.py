"""ConfigMap's API (sig-node)."""

from __future__ import annotations

import pytest

from conformance.node.crud import names
from conformance.stage import inside
from conformance.verbs import Verbs, labels_of
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster


@inside
async def test_an_empty_key_is_refused(cluster: Cluster) -> None:
    """Conformance: ConfigMap, with empty-key"""
    config_maps = Verbs(cluster, "configmap")
    with pytest.raises(StatusError) as refused:
        await config_maps.create("empty-key", {"data": {"": "value-1"}})
    assert (refused.value.code, refused.value.reason) == (422, "Invalid")
    assert await config_maps.is_gone("empty-key")


@inside
async def test_lifecycle(cluster: Cluster) -> None:
    """Conformance: ConfigMap lifecycle"""
    config_maps = Verbs(cluster, "configmap")
    await config_maps.create("map", {"data": {"valueName": "value"}}, labels={"static": "true"})
    change = {"metadata": {"labels": {"test": "patched"}}, "data": {"valueName": "value1"}}
    await config_maps.patch("map", change, style="strategic")
    read = await config_maps.read("map")
    assert labels_of(read) == {"static": "true", "test": "patched"}
    assert read["data"] == {"valueName": "value1"}
    (found,) = await config_maps.list("static=true", everywhere=True)
    assert found == read
    await config_maps.delete_collection("static=true")
    assert await config_maps.list("static=true", everywhere=True) == []
    assert "map" not in names(await config_maps.list())


@inside
async def test_update(cluster: Cluster) -> None:
    """Conformance: ConfigMap Update"""
    config_maps = Verbs(cluster, "configmap")
    assert (await config_maps.create("map", {}))["metadata"]["uid"]

    def fill(obj: Object) -> None:
        obj["data"] = {"data": "value"}

    await config_maps.update("map", fill)
    assert (await config_maps.read("map"))["data"] == {"data": "value"}
