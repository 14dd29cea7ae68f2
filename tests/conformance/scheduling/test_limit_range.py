"""LimitRange (sig-scheduling)."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.stage import inside
from conformance.verbs import Verbs, labels_of
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

LOW = {"cpu": "50m", "memory": "100Mi", "ephemeral-storage": "100Gi"}
HIGH = {"cpu": "500m", "memory": "500Mi", "ephemeral-storage": "500Gi"}
REQUEST = {"cpu": "100m", "memory": "200Mi", "ephemeral-storage": "200Gi"}


def limit_range(**changes: Any) -> Object:
    item = {"type": "Container", "min": LOW, "max": HIGH, "default": HIGH, "defaultRequest": REQUEST, **changes}
    return {"spec": {"limits": [item]}}


def pod(**resources: dict[str, str]) -> Object:
    return {"spec": {"containers": [{"name": "c", "image": "web:1", "resources": resources}]}}


@inside
async def test_defaults_and_bounds(cluster: Cluster) -> None:
    """Conformance: LimitRange, resources"""
    ranges, pods = Verbs(cluster, "limitrange"), Verbs(cluster, "pod")
    await ranges.create("limits", limit_range(), labels={"time": "now"})
    await ranges.create("bystander", {"spec": {"limits": [{"type": "Pod", "max": {"cpu": "100"}}]}})
    assert [each["metadata"]["name"] for each in await ranges.list("time=now")] == ["limits"]
    assert (await ranges.read("limits"))["spec"] == limit_range()["spec"]

    (container,) = (await pods.create("none", pod()))["spec"]["containers"]
    assert container["resources"] == {"requests": REQUEST, "limits": HIGH}
    asked = {"requests": {"cpu": "100m"}, "limits": {"memory": "300Mi"}}
    (container,) = (await pods.create("partial", pod(**asked)))["spec"]["containers"]
    assert container["resources"]["requests"] == {**REQUEST, "cpu": "100m", "memory": "300Mi"}
    assert container["resources"]["limits"] == {**HIGH, "memory": "300Mi"}
    with pytest.raises(StatusError, match="minimum cpu usage per Container is 50m, but request is 10m") as refused:
        await pods.create("small", pod(requests={"cpu": "10m"}))
    assert refused.value.code == 403
    with pytest.raises(StatusError, match="maximum cpu usage per Container is 500m, but limit is 600m"):
        await pods.create("large", pod(limits={"cpu": "600m"}))

    def relax(obj: Object) -> None:
        (item,) = obj["spec"]["limits"]
        item["min"], item["max"] = {"cpu": "9m"}, {"cpu": "1"}
        item["default"], item["defaultRequest"] = {"cpu": "1"}, {"cpu": "100m"}

    updated = await ranges.update("limits", relax)
    assert updated["spec"]["limits"][0]["min"] == {"cpu": "9m"}
    await pods.create("small", pod(requests={"cpu": "10m"}))
    with pytest.raises(StatusError, match="maximum cpu usage per Container is 1, but limit is 2"):
        await pods.create("huge", pod(limits={"cpu": "2"}))
    await ranges.delete("limits")
    assert await ranges.is_gone("limits")
    await pods.create("huge", pod(limits={"cpu": "2"}))


@inside
async def test_collections(cluster: Cluster) -> None:
    """Conformance: LimitRange, list, patch and delete a LimitRange by collection"""
    for name in ("one", "two"):
        await cluster.apply({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}})
    first, second = Verbs(cluster, "limitrange", "one"), Verbs(cluster, "limitrange", "two")
    for verbs in (first, second):
        await verbs.create("limits", limit_range(), labels={"e2e": "ours"})
        await verbs.create("bystander", limit_range())
    found = await first.list("e2e=ours", everywhere=True)
    assert [(each["metadata"]["namespace"], each["metadata"]["name"]) for each in found] == [
        ("one", "limits"), ("two", "limits"),
    ]  # fmt: skip
    change = {"metadata": {"labels": {"limits": "patched"}}, **limit_range(min={"cpu": "40m"})}
    patched = await first.patch("limits", change)
    assert labels_of(patched)["limits"] == "patched"
    assert patched["spec"]["limits"][0]["min"] == {"cpu": "40m"}
    assert await first.read("limits") == patched
    await first.delete_collection("limits=patched")
    assert await first.are_left("bystander")
    left = await first.list("e2e=ours", everywhere=True)
    assert [each["metadata"]["namespace"] for each in left] == ["two"]
    assert await second.are_left("bystander", "limits")
