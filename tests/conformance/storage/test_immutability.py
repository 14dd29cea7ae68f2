"""ConfigMaps and Secrets that are not to change any more (sig-storage)."""

from __future__ import annotations

import pytest

from conformance.stage import inside
from conformance.storage.sources import CONFIG_MAP, SECRET, Source
from conformance.verbs import Verbs, labels_of
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster


async def becomes_immutable(cluster: Cluster, source: Source) -> None:
    verbs, other = Verbs(cluster, source.kind.lower()), source.holding("x", {"key": "value-2"})["data"]
    created = await verbs.create("x", {"data": source.holding("x", {"key": "value-1"})["data"]})
    assert created["data"] != other
    assert (await verbs.update("x", lambda obj: obj.update(data=other)))["data"] == other
    assert (await verbs.update("x", lambda obj: obj.update(immutable=True)))["immutable"] is True

    def grow(obj: Object) -> None:
        obj["data"]["another"] = obj["data"]["key"]

    for change in (grow, lambda obj: obj.update(immutable=False)):
        with pytest.raises(StatusError) as refused:
            await verbs.update("x", change)
        assert (refused.value.code, refused.value.reason) == (422, "Invalid")
    read = await verbs.read("x")
    assert (read["data"], read["immutable"]) == (other, True)
    assert labels_of(await verbs.relabel("x", mark="updated")) == {"mark": "updated"}
    await verbs.delete("x")
    assert await verbs.is_gone("x")


@inside
async def test_config_map(cluster: Cluster) -> None:
    """Conformance: ConfigMap Volume, immutability"""
    await becomes_immutable(cluster, CONFIG_MAP)


@inside
async def test_secret(cluster: Cluster) -> None:
    """Conformance: Secrets Volume, immutability"""
    await becomes_immutable(cluster, SECRET)
