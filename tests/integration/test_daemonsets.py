"""DaemonSets: a pod on each node that it is for, as nodes come and go; rolling updates, first out or first in."""

from __future__ import annotations

from typing import Any

import pytest

from integration.workloads import add_node, run_pods, until_quiet
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

pytestmark = pytest.mark.nodes("n0", "n1", "n2")


def daemon_set(image: str = "agent:1", template: Object | None = None, **spec: Any) -> Object:
    pod: Object = {"containers": [{"name": "c", "image": image}], **(template or {})}
    return {
        "kind": "DaemonSet",
        "apiVersion": "apps/v1",
        "metadata": {"name": "agent"},
        "spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "template": {"metadata": {"labels": {"app": "agent"}}, "spec": pod},
            **spec,
        },
    }


async def images(cluster: Cluster) -> dict[str, str]:
    """By node, of the pods that are not on their way out."""
    pods = [p for p in await cluster.list("pods") if not p["metadata"].get("deletionTimestamp")]
    return {p["spec"].get("nodeName", ""): p["spec"]["containers"][0]["image"] for p in pods}


async def change_image(cluster: Cluster, image: str) -> None:
    template = {"spec": {"containers": [{"name": "c", "image": image}]}}
    await cluster.patch("daemonset/agent", {"spec": {"template": template}})
    await cluster.settle()


async def test_every_node_has_its_pod_also_one_that_comes_later(cluster: Cluster) -> None:
    await cluster.apply(daemon_set())
    await until_quiet(cluster)
    assert set(await images(cluster)) == {"n0", "n1", "n2"}
    await add_node(cluster, "n3")
    await until_quiet(cluster)
    assert set(await images(cluster)) == {"n0", "n1", "n2", "n3"}
    status = (await cluster.get("daemonset/agent"))["status"]
    assert {k: status[k] for k in ("desiredNumberScheduled", "numberReady", "numberAvailable")} == {
        "desiredNumberScheduled": 4, "numberReady": 4, "numberAvailable": 4,
    }  # fmt: skip


async def test_nodes_are_chosen_by_labels_and_taints(cluster: Cluster) -> None:
    await cluster.patch("node/n1", {"metadata": {"labels": {"role": "edge"}}})
    await cluster.patch("node/n2", {"metadata": {"labels": {"role": "edge"}}})
    await cluster.patch("node/n2", {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}})
    await cluster.apply(daemon_set(template={"nodeSelector": {"role": "edge"}}))
    await until_quiet(cluster)
    assert set(await images(cluster)) == {"n1"}
    await cluster.patch("node/n0", {"metadata": {"labels": {"role": "edge"}}})
    await until_quiet(cluster)
    assert set(await images(cluster)) == {"n0", "n1"}
    await cluster.patch("node/n1", {"metadata": {"labels": {"role": "core"}}})
    await until_quiet(cluster)
    assert set(await images(cluster)) == {"n0"}
    await cluster.patch("node/n0", {"spec": {"unschedulable": True}})
    await cluster.delete((await names(cluster))[0])
    await until_quiet(cluster)
    assert set(await images(cluster)) == {"n0"}  # a cordoned node keeps its daemons


async def names(cluster: Cluster) -> list[str]:
    return [f"pod/{p['metadata']['name']}" for p in await cluster.list("pods")]


async def test_a_rolling_update_takes_one_node_at_a_time(cluster: Cluster) -> None:
    await cluster.apply(daemon_set())
    await until_quiet(cluster)
    await change_image(cluster, "agent:2")
    for _ in range(12):
        going = [p for p in await cluster.list("pods") if p["metadata"].get("deletionTimestamp")]
        assert len(going) <= 1
        if not await run_pods(cluster):
            break
    assert set((await images(cluster)).values()) == {"agent:2"}
    assert (await cluster.get("daemonset/agent"))["status"]["updatedNumberScheduled"] == 3
    assert len(await cluster.list("controllerrevisions")) == 2


async def test_a_surge_starts_the_new_pod_before_the_old_one_goes(cluster: Cluster) -> None:
    rolling = {"maxSurge": 1, "maxUnavailable": 0}
    await cluster.apply(daemon_set(updateStrategy={"type": "RollingUpdate", "rollingUpdate": rolling}))
    await until_quiet(cluster)
    await change_image(cluster, "agent:2")
    for _ in range(12):
        alive = [p for p in await cluster.list("pods") if not p["metadata"].get("deletionTimestamp")]
        ready = {p["spec"].get("nodeName") for p in alive if p.get("status", {}).get("podIP")}
        assert ready == {"n0", "n1", "n2"}  # no node is ever without
        if not await run_pods(cluster):
            break
    assert set((await images(cluster)).values()) == {"agent:2"}


@pytest.mark.nodes("n0", "n1")
async def test_a_failed_pod_is_replaced_and_said_so(cluster: Cluster) -> None:
    await cluster.apply(daemon_set())
    await until_quiet(cluster)
    victim = (await names(cluster))[0]
    await cluster.patch(victim, {"status": {"phase": "Failed"}}, subresource="status")
    await until_quiet(cluster)
    assert victim not in await names(cluster) and len(await names(cluster)) == 2
    assert any(e["reason"] == "FailedDaemonPod" for e in await cluster.list("events"))


@pytest.mark.nodes("n0")
async def test_a_node_that_refuses_its_pod_is_sent_the_next_one_ever_later(cluster: Cluster) -> None:
    await cluster.apply(daemon_set())
    await until_quiet(cluster)
    refused: set[str] = set()

    async def refuse(seconds: int) -> None:
        for _ in range(seconds):
            for pod in await cluster.list("pods"):
                name = pod["metadata"]["name"]
                if pod["status"].get("phase") != "Failed" and name not in refused:
                    refused.add(name)
                    await cluster.patch(f"pod/{name}", {"status": {"phase": "Failed"}}, subresource="status")
            await cluster.clock.advance(1)

    await refuse(20)
    assert len(refused) == 6, "the first, and after 0, 1, 2, 4 and 8 s more"
    await change_image(cluster, "agent:2")
    await refuse(2)
    assert len(refused) == 8, "what has been changed may do better: it starts over"


@pytest.mark.nodes("n0")
async def test_a_pod_that_has_done_its_work_is_replaced_and_said_so(cluster: Cluster) -> None:
    await cluster.apply(daemon_set())
    await until_quiet(cluster)
    (done,) = await names(cluster)
    await cluster.patch(done, {"status": {"phase": "Succeeded"}}, subresource="status")
    await until_quiet(cluster)
    assert done not in await names(cluster) and len(await names(cluster)) == 1
    (told,) = [e for e in await cluster.list("events") if e["reason"] == "SucceededDaemonPod"]
    assert told["type"] == "Normal" and told["message"].endswith("on node n0, will try to delete it")
