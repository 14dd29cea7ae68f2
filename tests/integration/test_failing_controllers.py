"""What a controller does beside its keys goes on after a failure, as if there had been none."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.controllers.garbage.collector import GarbageCollector
from longboat.controllers.pod_gc import EVERY, PodGC
from longboat.controllers.quota.controller import ResourceQuotaController
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster


def failing_once(monkeypatch: pytest.MonkeyPatch, controller: type, name: str, *, after: int = 0) -> list[int]:
    """Calls so far, of a method whose call after so many others fails."""
    real, calls = getattr(controller, name), [0]

    def once(self: Any, *args: Any) -> Any:
        calls[0] += 1
        if calls[0] == after + 1:
            raise ValueError("odd")
        return real(self, *args)

    monkeypatch.setattr(controller, name, once)
    return calls


def config_map(name: str, *owners: Object) -> Object:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name, "ownerReferences": list(owners)}}


@pytest.mark.parametrize("after", [0, 1])
async def test_garbage_is_collected_after_a_failure(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    calls = failing_once(monkeypatch, GarbageCollector, "_discover", after=after)
    await cluster.apply(config_map("owner"))
    uid = (await cluster.get("configmap/owner"))["metadata"]["uid"]
    await cluster.apply(config_map("old", {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}))
    await cluster.clock.advance(120)
    assert calls[0] > after + 1
    await cluster.apply(config_map("new", {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}))
    await cluster.delete("configmap/owner", propagation="Background")
    await cluster.clock.advance(60)
    assert not await cluster.exists("configmap/old") and not await cluster.exists("configmap/new")


async def test_quotas_are_counted_after_a_failure(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    failing_once(monkeypatch, ResourceQuotaController, "_discover")
    hard = {"hard": {"count/configmaps": "50"}}
    await cluster.apply({"kind": "ResourceQuota", "apiVersion": "v1", "metadata": {"name": "q"}, "spec": hard})
    await cluster.clock.advance(30)
    before = int((await cluster.get("resourcequota/q"))["status"]["used"]["count/configmaps"])
    await cluster.apply(config_map("a"))
    await cluster.delete("configmap/a")
    await cluster.clock.advance(30)
    assert (await cluster.get("resourcequota/q"))["status"]["used"]["count/configmaps"] == str(before)


async def test_pods_are_cleared_away_after_a_failure(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = failing_once(monkeypatch, PodGC, "_doomed")
    await cluster.clock.advance(EVERY * 3 + 10)
    assert calls[0] >= 2
