"""A pod that nobody can judge does not end scheduling."""

from __future__ import annotations

import pytest

from integration.workloads import add_node
from longboat.scheduler.scheduler import PodInfo
from longboat.testing.cluster import Cluster
from suites.objects import pod


async def test_others_are_scheduled_and_it_is_tried_again(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    await add_node(cluster, "n")
    decide, odd = cluster.scheduler._decide, [True]

    def fails(info: PodInfo) -> object:
        if info.pod.metadata.name == "odd" and odd[0]:
            raise ValueError("odd")
        return decide(info)

    monkeypatch.setattr(cluster.scheduler, "_decide", fails)
    await cluster.apply(pod("odd", automountServiceAccountToken=False))
    for number in range(100):  # more often than there are turns
        await cluster.apply(pod(f"p{number}", automountServiceAccountToken=False))
    await cluster.clock.advance(15)
    for number in (0, 50, 99):
        assert (await cluster.get(f"pod/p{number}"))["spec"].get("nodeName") == "n"
    assert not (await cluster.get("pod/odd"))["spec"].get("nodeName")
    odd[0] = False
    await cluster.clock.advance(15)
    assert (await cluster.get("pod/odd"))["spec"]["nodeName"] == "n"
