"""PodDisruptionBudgets and evictions, and ReplicationControllers, in a cluster on the virtual clock."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from integration.workloads import add_node, until_quiet
from longboat.api import kinds
from longboat.client.interface import Key
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object, timestamp
from longboat.testing.cluster import Cluster
from suites.objects import deployment


def budget(name: str = "web", app: str = "web", **spec: Any) -> Object:
    return {
        "kind": "PodDisruptionBudget",
        "apiVersion": "policy/v1",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": app}}, **spec},
    }


def replication_controller(replicas: int = 2, app: str = "web") -> Object:
    template = {"metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": "c", "image": "web:1"}]}}
    return {
        "kind": "ReplicationController",
        "apiVersion": "v1",
        "metadata": {"name": app},
        "spec": {"replicas": replicas, "selector": {"app": app}, "template": template},
    }


async def three_pods(cluster: Cluster, **spec: Any) -> list[str]:
    await add_node(cluster, "n0")
    await cluster.apply(deployment(), budget(**spec))
    await until_quiet(cluster)
    return sorted(pod["metadata"]["name"] for pod in await cluster.list("pods"))


async def evict(cluster: Cluster, pod: str, **options: Any) -> None:
    """Raises StatusError."""
    wish = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": pod}, "deleteOptions": options}
    await cluster.client.create(kinds.POD, wish, namespace="default", name=pod, subresource="eviction")
    await cluster.settle()


async def refused(cluster: Cluster, pod: str) -> StatusError:
    with pytest.raises(StatusError) as caught:
        await evict(cluster, pod)
    return caught.value


async def counts(cluster: Cluster, name: str = "web") -> tuple[int, int, int, int]:
    """expected, healthy, desired, allowed"""
    status = (await cluster.get(f"pdb/{name}"))["status"]
    return tuple(status[f] for f in ("expectedPods", "currentHealthy", "desiredHealthy", "disruptionsAllowed"))  # type: ignore[return-value]


def condition(obj: Object, kind: str) -> tuple[str, str]:
    found = next(each for each in obj["status"]["conditions"] if each["type"] == kind)
    return found["status"], found.get("reason", "")


async def make_unready(cluster: Cluster, pod: str) -> None:
    change = {"type": "Ready", "status": "False", "lastTransitionTime": timestamp(cluster.clock.now())}
    await cluster.patch(f"pod/{pod}", {"status": {"conditions": [change]}}, subresource="status")
    await cluster.settle()


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": 2}, (3, 3, 2, 1)),
        ({"minAvailable": "50%"}, (3, 3, 2, 1)),
        ({"minAvailable": 5}, (3, 3, 5, 0)),
        ({"maxUnavailable": 1}, (3, 3, 2, 1)),
        ({"maxUnavailable": "10%"}, (3, 3, 2, 1)),
        ({"maxUnavailable": 0}, (3, 3, 3, 0)),
        ({"maxUnavailable": "100%"}, (3, 3, 0, 3)),
    ],
)
async def test_what_budgets_come_to(cluster: Cluster, spec: Object, expected: tuple[int, int, int, int]) -> None:
    await three_pods(cluster, **spec)
    assert await counts(cluster) == expected
    reason = ("True", "SufficientPods") if expected[3] else ("False", "InsufficientPods")
    assert condition(await cluster.get("pdb/web"), "DisruptionAllowed") == reason


async def test_an_eviction_takes_one_from_the_budget_and_the_next_waits_for_its_replacement(cluster: Cluster) -> None:
    first, second, _ = await three_pods(cluster, minAvailable=2)
    await cluster.client.patch(kinds.POD, Key("default", first), {"metadata": {"finalizers": ["a/b"]}})
    await evict(cluster, first, gracePeriodSeconds=0)
    gone = await cluster.get(f"pod/{first}")
    assert gone["metadata"]["deletionTimestamp"]
    assert condition(gone, "DisruptionTarget") == ("True", "EvictionByEvictionAPI")
    error = await refused(cluster, second)
    assert (error.code, error.reason, error.retry_after) == (429, "TooManyRequests", None)
    assert error.message == "Cannot evict pod as it would violate the pod's disruption budget."
    assert error.details["causes"] == [
        {"reason": "DisruptionBudget", "message": "The disruption budget web needs 2 healthy pods and has 2 currently"}
    ]
    assert await cluster.exists(f"pod/{second}")
    await cluster.client.patch(kinds.POD, Key("default", first), {"metadata": {"finalizers": None}})
    await until_quiet(cluster)
    assert await counts(cluster) == (3, 3, 2, 1)
    await evict(cluster, second)


async def test_of_evictions_at_once_only_as_many_succeed_as_the_budget_allows(cluster: Cluster) -> None:
    pods = await three_pods(cluster, minAvailable=1)
    results = await asyncio.gather(*(evict(cluster, pod) for pod in pods), return_exceptions=True)
    refusals = [each for each in results if isinstance(each, StatusError)]
    assert [each.code for each in refusals] == [429] and results.count(None) == 2


async def test_ill_pods_may_go_while_enough_are_well(cluster: Cluster) -> None:
    first, second, _ = await three_pods(cluster, minAvailable=2)
    await make_unready(cluster, first)
    assert await counts(cluster) == (3, 2, 2, 0)
    await evict(cluster, first, gracePeriodSeconds=0)
    assert not await cluster.exists(f"pod/{first}")
    await make_unready(cluster, second)
    assert (await refused(cluster, second)).code == 429
    await cluster.patch("pdb/web", {"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}})
    await cluster.settle()
    await evict(cluster, second, gracePeriodSeconds=0)
    assert not await cluster.exists(f"pod/{second}")


async def test_a_pod_under_two_budgets_cannot_be_evicted(cluster: Cluster) -> None:
    (first, *_) = await three_pods(cluster, minAvailable=1)
    await cluster.apply(budget("other", minAvailable=1))
    error = await refused(cluster, first)
    why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    assert (error.code, error.message) == (500, why)


async def test_a_dry_run_changes_nothing(cluster: Cluster) -> None:
    (first, *_) = await three_pods(cluster, minAvailable=2)
    before = (await cluster.get("pdb/web"), await cluster.get(f"pod/{first}"))
    await evict(cluster, first, dryRun=["All"])
    assert (await cluster.get("pdb/web"), await cluster.get(f"pod/{first}")) == before


async def test_a_pod_that_was_allowed_to_go_and_stays_is_counted_again(cluster: Cluster) -> None:
    first, *_ = await three_pods(cluster, minAvailable=2)
    noted = {"disruptedPods": {first: timestamp(cluster.clock.now())}}
    await cluster.client.patch(
        kinds.POD_DISRUPTION_BUDGET, Key("default", "web"), {"status": noted}, subresource="status"
    )
    told = {"type": "DisruptionTarget", "status": "True", "lastTransitionTime": timestamp(cluster.clock.now())}
    await cluster.patch(f"pod/{first}", {"status": {"conditions": [told]}}, subresource="status")
    await cluster.settle()
    assert await counts(cluster) == (3, 2, 2, 0)
    await cluster.clock.advance(121)
    assert not (await cluster.get("pdb/web"))["status"].get("disruptedPods")
    found = await cluster.get(f"pod/{first}")
    assert condition(found, "DisruptionTarget") == ("False", "")
    (taken_back,) = [each for each in found["status"]["conditions"] if each["type"] == "DisruptionTarget"]
    assert taken_back["observedGeneration"] == found["metadata"]["generation"]
    assert "reason" not in taken_back and taken_back["lastTransitionTime"] != told["lastTransitionTime"]
    assert "NotDeleted" in {event["reason"] for event in await cluster.list("events")}


async def test_pods_without_a_scale_cannot_be_reckoned_in_percent(cluster: Cluster) -> None:
    await add_node(cluster, "n0")
    pod = {"containers": [{"name": "c", "image": "a"}]}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    daemons = {"kind": "DaemonSet", "apiVersion": "apps/v1", "metadata": {"name": "web"}, "spec": spec}
    await cluster.apply(daemons, budget(maxUnavailable=1))
    await until_quiet(cluster)
    found = await cluster.get("pdb/web")
    assert condition(found, "DisruptionAllowed") == ("False", "SyncFailed")
    assert found["status"]["conditions"][0]["message"] == "daemonsets.apps does not implement the scale subresource"


async def test_an_empty_selector_covers_everything_and_none_nothing(cluster: Cluster) -> None:
    await three_pods(cluster, minAvailable=1)
    everything = budget("all", minAvailable=1)
    everything["spec"]["selector"] = {}
    nothing = budget("none", minAvailable=1)
    del nothing["spec"]["selector"]
    await cluster.apply(everything, nothing)
    await cluster.settle()
    assert await counts(cluster, "all") == (3, 3, 1, 2)
    assert await counts(cluster, "none") == (0, 0, 1, 0)


async def test_a_replication_controller_keeps_adopts_and_releases_its_pods(cluster: Cluster) -> None:
    await add_node(cluster, "n0")
    orphan = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "orphan", "labels": {"app": "web"}}}
    await cluster.apply({**orphan, "spec": {"containers": [{"name": "c", "image": "web:1"}]}})
    await cluster.apply(replication_controller(3), budget(maxUnavailable=1))
    await until_quiet(cluster)
    pods = await cluster.list("pods", labels="app=web")
    assert len(pods) == 3
    owners = [pod["metadata"]["ownerReferences"][0] for pod in pods]
    assert {(each["kind"], each["apiVersion"], each["controller"]) for each in owners} == {
        ("ReplicationController", "v1", True)
    }
    assert {"orphan"} < {pod["metadata"]["name"] for pod in pods}
    assert await counts(cluster) == (3, 3, 2, 1)
    status = (await cluster.get("rc/web"))["status"]
    assert status == {"replicas": 3, "fullyLabeledReplicas": 3, "readyReplicas": 3, "availableReplicas": 3,
                      "observedGeneration": 1}  # fmt: skip
    await cluster.patch("pod/orphan", {"metadata": {"labels": {"app": "other"}}})
    await until_quiet(cluster)
    assert not (await cluster.get("pod/orphan"))["metadata"].get("ownerReferences")
    assert len(await cluster.list("pods", labels="app=web")) == 3
    scale = {"spec": {"replicas": 1}}
    await cluster.client.patch(kinds.REPLICATION_CONTROLLER, Key("default", "web"), scale, subresource="scale")
    await until_quiet(cluster)
    assert len(await cluster.list("pods", labels="app=web")) == 1
    raw = await cluster.client.get_raw(kinds.REPLICATION_CONTROLLER, Key("default", "web"), subresource="scale")
    assert msgspec.json.decode(raw)["status"] == {"replicas": 1, "selector": "app=web"}
