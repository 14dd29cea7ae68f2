"""How often a pod has been changed, and how much of that its node has seen (sig-node)."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.node.pods import Pods, is_ready, pod
from e2e.manifests import WEB
from longboat.machinery.objects import Object

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]

CHOSEN = pod("chosen", terminationGracePeriodSeconds=30)
CHOSEN["metadata"]["generation"] = 100
START = [CHOSEN, pod("updated", restartPolicy="Always"), pod("often", restartPolicy="Always")]


def seen(pod: Object, generation: int) -> bool:
    """Whether the node has seen so much, in the status as in its conditions."""
    conditions = [c for c in pod["status"].get("conditions", ()) if c["type"] in ("Ready", "ContainersReady")]
    observed = [pod["status"].get("observedGeneration"), *(c.get("observedGeneration") for c in conditions)]
    return len(conditions) == 2 and observed == [generation] * 3


def change(pods: Pods, name: str, **spec: Any) -> int:
    """The generation after a change of the spec."""
    made: int = pods.api.patch(pods.path(name), {"spec": spec}, "strategic")["metadata"]["generation"]
    return made


def test_updates(pods: Pods) -> None:
    """Conformance: Pods Generation, updates"""
    assert pods.get("updated")["metadata"]["generation"] == 1
    pods.until("updated", lambda pod: is_ready(pod) and seen(pod, 1))
    changes: list[dict[str, Any]] = [
        {"tolerations": [{"key": "extra", "operator": "Exists"}]},
        {"containers": [{"name": "main", "image": WEB}]},
        {"activeDeadlineSeconds": 3000},
        {"activeDeadlineSeconds": 2000, "tolerations": [{"key": "more", "operator": "Exists"}]},
    ]
    for generation, spec in enumerate(changes, 2):
        if "tolerations" in spec:
            spec["tolerations"] += pods.get("updated")["spec"]["tolerations"]
        assert change(pods, "updated", **spec) == generation
        pods.until("updated", lambda pod, wanted=generation: seen(pod, wanted))  # type: ignore[misc]
    for other in ({"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}, {"spec": {}}):
        assert pods.api.patch(pods.path("updated"), other)["metadata"]["generation"] == 5
    patched = pods.api.patch(pods.path("updated", "status"), {"status": {"message": "said"}})
    assert patched["metadata"]["generation"] == 5


def test_a_chosen_generation_and_a_graceful_end(pods: Pods) -> None:
    """Conformance: Pods Generation, graceful delete"""
    assert pods.get("chosen")["metadata"]["generation"] == 1
    pods.until("chosen", is_ready)
    pods.delete("chosen", grace=30)
    ending = pods.get("chosen")
    assert ending["metadata"]["deletionTimestamp"] and ending["metadata"]["generation"] == 2
    pods.delete("chosen", grace=0)
    pods.until_gone("chosen")


def test_many_updates(pods: Pods) -> None:
    """Conformance: Pods Generation, 500 updates"""
    pods.until("often", is_ready)
    for i in range(499):
        generation = change(pods, "often", activeDeadlineSeconds=100_000 - i)
    assert generation == 500
    found = pods.until("often", lambda pod: seen(pod, 500))
    assert found["metadata"]["generation"] == 500
