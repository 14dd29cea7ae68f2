"""How often a pod has been changed, and how much of that its node has seen (sig-node)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from conformance.node.api import Refused
from conformance.node.pods import Pods, container, is_ready, pod
from e2e.manifests import BUSYBOX, WEB
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]

CHOSEN = pod("chosen", container("trap '' TERM; sleep 1000000 & wait"), terminationGracePeriodSeconds=30)
CHOSEN["metadata"]["generation"] = 100
FIRST = container("true", name="first", image=WEB)
START = [
    CHOSEN,
    pod("updated", restartPolicy="Always", initContainers=[FIRST]),
    pod("often", restartPolicy="Always", activeDeadlineSeconds=5000),
]


def seen(pod: Object, generation: int) -> bool:
    """Whether the node has seen so much, in the status as in its conditions."""
    conditions = [c for c in pod["status"].get("conditions", ()) if c["type"] in ("Ready", "ContainersReady")]
    observed = [pod["status"].get("observedGeneration"), *(c.get("observedGeneration") for c in conditions)]
    return len(conditions) == 2 and observed == [generation] * 3


def update(pods: Pods, name: str, change: Callable[[Object], object]) -> int:
    """Read the pod, change it, and write it back whole, again where its node has written meanwhile; its generation."""
    while True:
        found = pods.get(name)
        change(found)
        try:
            made: int = pods.api.put(pods.path(name), found)["metadata"]["generation"]
        except Refused as refused:
            assert refused.reason == "Conflict"
            continue
        return made


def tolerate(pod: Object) -> None:
    """Nothing but this; what was added for lost nodes is added again."""
    pod["spec"]["tolerations"] = [{"key": "foo", "operator": "Equal", "value": "bar", "effect": "NoSchedule"}]


CHANGES: list[tuple[Callable[[Object], object], bool]] = [  # and whether it raises the generation
    (lambda pod: None, False),
    (tolerate, True),
    (lambda pod: pod["spec"].update(activeDeadlineSeconds=5000), True),
    (lambda pod: pod["spec"]["containers"][0].update(image=WEB), True),
    (lambda pod: pod["spec"]["initContainers"][0].update(image=BUSYBOX), True),
    (lambda pod: pod["metadata"].update(annotations={"key": "value"}), False),
    (lambda pod: pod["metadata"].update(generation=1), False),
]


def test_updates(pods: Pods) -> None:
    """Conformance: Pods Generation, updates"""
    pods.until("updated", lambda pod: is_ready(pod) and seen(pod, 1))
    generation = pods.get("updated")["metadata"]["generation"]
    assert generation == 1
    for change, counts in CHANGES:
        generation += counts
        assert update(pods, "updated", change) == generation == pods.get("updated")["metadata"]["generation"]
        pods.until("updated", lambda pod, wanted=generation: seen(pod, wanted), 20)  # type: ignore[misc]
    keys = [each["key"] for each in pods.get("updated")["spec"]["tolerations"]]
    assert keys == ["foo", "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]
    patched = pods.api.patch(pods.path("updated", "status"), {"status": {"message": "said"}})
    assert patched["metadata"]["generation"] == generation


def test_a_chosen_generation_and_a_graceful_end(pods: Pods) -> None:
    """Conformance: Pods Generation, graceful delete"""
    assert pods.get("chosen")["metadata"]["generation"] == 1
    pods.until("chosen", is_ready)
    answer = pods.api.answer("DELETE", f"{pods.path('chosen')}?gracePeriodSeconds=60")
    said = json.loads(answer.body)
    assert (answer.status, said["kind"], said["metadata"]["name"]) == (200, "Pod", "chosen")
    ending = pods.get("chosen")
    assert ending["metadata"]["deletionTimestamp"] and ending["metadata"]["generation"] == 2
    pods.delete("chosen", grace=0)
    pods.until_gone("chosen")


def test_many_updates(pods: Pods) -> None:
    """Conformance: Pods Generation, 500 updates"""
    pods.until("often", is_ready)

    def sooner(pod: Object) -> None:
        pod["spec"]["activeDeadlineSeconds"] -= 1

    for _ in range(499):
        generation = update(pods, "often", sooner)
    assert generation == 500
    found = pods.until("often", lambda pod: seen(pod, 500))
    assert found["metadata"]["generation"] == 500
