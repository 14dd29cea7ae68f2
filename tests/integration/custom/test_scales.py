"""What has a scale subresource counts as a workload, whatever kind it is: for autoscalers and for budgets."""

from __future__ import annotations

from typing import Any

import pytest

from integration.custom.fleet import BOAT, GROUP, define, find, make, owned_by
from longboat.api import kinds
from longboat.client.interface import Key
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster


async def crew(cluster: Cluster) -> Any:
    found = await find(cluster, BOAT, "anna")
    assert found is not None
    return found["spec"]["crew"]


def scaler(kind: str = "Boat", api: str = f"{GROUP}/v1") -> Object:
    target = {"apiVersion": api, "kind": kind, "name": "anna"}
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 4, "metrics": [cpu]}
    return {"metadata": {"name": "a"}, "spec": spec}


async def conditions(cluster: Cluster) -> dict[str, tuple[str, str]]:
    found = (await cluster.get("horizontalpodautoscaler/a"))["status"]["conditions"]
    return {each["type"]: (each["reason"], each["message"]) for each in found}


async def test_an_autoscaler_scales_a_custom_kind(cluster: Cluster) -> None:
    await define(cluster, BOAT)
    await make(cluster, BOAT, "anna", spec={"crew": 9, "home": "Kiel"})
    await cluster.client.patch(BOAT, Key("default", "anna"), {"status": {"who": "boat=anna"}}, subresource="status")
    await cluster.client.create(kinds.HPA, scaler(), namespace="default")
    await cluster.clock.advance(60)
    assert await crew(cluster) == 4, "no more than it may have"
    await cluster.client.patch(BOAT, Key("default", "anna"), {"spec": {"crew": 1}})
    await cluster.clock.advance(60)
    assert await crew(cluster) == 2, "no fewer"
    assert (await conditions(cluster))["AbleToScale"][0] == "SucceededGetScale"
    found = await find(cluster, BOAT, "anna")
    assert found is not None
    assert found["spec"]["home"] == "Kiel"


@pytest.mark.parametrize("group", [GROUP, "nobody.example.com"])
async def test_an_autoscaler_says_that_there_is_no_such_kind(cluster: Cluster, group: str) -> None:
    await define(cluster, BOAT)
    await cluster.client.create(kinds.HPA, scaler("Ship", f"{group}/v1"), namespace="default")
    await cluster.clock.advance(30)
    told = "the HPA controller was unable to get the target's current scale: "
    why = f'{told}no matches for kind "Ship" in group "{group}"'
    assert (await conditions(cluster))["AbleToScale"] == ("FailedGetScale", why)


async def test_an_autoscaler_of_a_kind_that_does_not_scale(cluster: Cluster) -> None:
    await define(cluster, BOAT, scales=False)
    await make(cluster, BOAT, "anna", spec={"crew": 9})
    await cluster.client.create(kinds.HPA, scaler(), namespace="default")
    await cluster.clock.advance(30)
    assert (await conditions(cluster))["AbleToScale"][0] == "FailedGetScale"
    assert await crew(cluster) == 9


async def pods(cluster: Cluster, owner: Object, count: int) -> None:
    labels = {"boat": "anna"}
    for i in range(count):
        meta = {"name": f"p{i}", "labels": labels, "ownerReferences": owned_by(owner, controller=True)}
        body = {"metadata": meta, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        await cluster.client.create(kinds.POD, body, namespace="default")
        ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        await cluster.client.patch(kinds.POD, Key("default", f"p{i}"), ready, style="strategic", subresource="status")
    await cluster.settle()


async def budget(cluster: Cluster, **spec: Any) -> Any:
    body = {"metadata": {"name": "b"}, "spec": {"selector": {"matchLabels": {"boat": "anna"}}, **spec}}
    await cluster.client.create(kinds.POD_DISRUPTION_BUDGET, body, namespace="default")
    await cluster.settle()
    return (await cluster.get("poddisruptionbudget/b"))["status"]


async def test_a_budget_counts_what_a_custom_controller_wants(cluster: Cluster) -> None:
    await define(cluster, BOAT)
    owner = await make(cluster, BOAT, "anna", spec={"crew": 4})
    await pods(cluster, owner, 3)
    status = await budget(cluster, minAvailable="50%")
    assert (status["expectedPods"], status["desiredHealthy"]) == (4, 2)
    assert (status["currentHealthy"], status["disruptionsAllowed"]) == (3, 1)


@pytest.mark.parametrize(
    ("scales", "changes", "why"),
    [
        (False, {}, f"boats.{GROUP} does not implement the scale subresource"),
        (True, {"uid": "another"}, 'found no controllers for pod "p0"'),
        (True, {"name": "gone"}, 'found no controllers for pod "p0"'),
        (True, {"kind": "Ship"}, f'no matches for kind "Ship" in version "{GROUP}/v1"'),
        (True, {"apiVersion": "apps/v1", "kind": "DaemonSet"},
         "daemonsets.apps does not implement the scale subresource"),
    ],
)  # fmt: skip
async def test_a_budget_that_cannot_be_reckoned(
    cluster: Cluster, scales: bool, changes: dict[str, str], why: str
) -> None:
    await define(cluster, BOAT, scales=scales)
    owner = await make(cluster, BOAT, "anna", spec={"crew": 4})
    meta = {key: value for key, value in changes.items() if key in ("uid", "name")}
    await pods(cluster, {**owner, **changes, "metadata": owner["metadata"] | meta}, 1)
    status = await budget(cluster, maxUnavailable=1)
    (told,) = (each for each in status["conditions"] if each["type"] == "DisruptionAllowed")
    assert (told["reason"], told["message"]) == ("SyncFailed", why)
    assert status["disruptionsAllowed"] == 0
