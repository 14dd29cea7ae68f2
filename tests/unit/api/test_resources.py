"""What a pod asks for, container by container (KEP-753 has the sidecar arithmetic, KEP-2837 the pod level)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from longboat.api.resources import Held, Holdings, ResourceContainer, Resources, nonzero_requests, requests

MI = 1 << 20


def container(cpu: str = "", memory: str = "", restart: str = "") -> ResourceContainer:
    asked = {k: v for k, v in (("cpu", cpu), ("memory", memory)) if v}
    return msgspec.convert({"resources": {"requests": asked}, "restartPolicy": restart}, ResourceContainer)


CASES: list[tuple[str, dict[str, Any], dict[str, int]]] = [
    ("containers add up", {"containers": [container("100m", "1Gi"), container("1", "64Mi")]},
     {"cpu": 1100, "memory": 1088 * MI}),
    ("an init container that needs more raises the peak",
     {"containers": [container("100m")], "init_containers": [container("2")]}, {"cpu": 2000}),
    ("one that needs less does not", {"containers": [container("3")], "init_containers": [container("2")]},
     {"cpu": 3000}),
    ("a sidecar runs beside the containers",
     {"containers": [container("1")], "init_containers": [container("500m", restart="Always")]}, {"cpu": 1500}),
    ("an init container runs beside the sidecars before it",
     {"containers": [container("1")], "init_containers": [container("500m", restart="Always"), container("2")]},
     {"cpu": 2500}),
    ("but not beside those after it",
     {"containers": [container("1")], "init_containers": [container("2"), container("500m", restart="Always")]},
     {"cpu": 2000}),
    ("overhead comes on top", {"containers": [container("1")], "overhead": {"cpu": "250m", "memory": "10Mi"}},
     {"cpu": 1250, "memory": 10 * MI}),
    ("the pod's own request replaces the sum",
     {"containers": [container("1", "1Mi")], "pod_level": Resources(requests={"cpu": "4"})},
     {"cpu": 4000, "memory": MI}),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_requests(asked: dict[str, Any], expected: dict[str, int]) -> None:
    assert requests(**asked) == expected


def test_scores_assume_something_of_containers_that_ask_for_nothing() -> None:
    assert nonzero_requests([container(), container("1")]) == {"cpu": 1100, "memory": 400 * MI}


@pytest.mark.parametrize(
    ("asks", "given", "in_force", "infeasible", "counts"),
    [
        ("1", "500m", "500m", False, 1000),
        ("1", "2", "500m", False, 2000),
        ("1", "500m", "3", False, 3000),
        ("4", "2", "1", True, 2000),
    ],
)
def test_a_pod_that_is_resized_counts_with_the_greater_of_what_it_has_and_asks_for(
    asks: str, given: str, in_force: str, infeasible: bool, counts: int
) -> None:
    held = Held(name="c", resources=Resources(requests={"cpu": in_force}), allocatedResources={"cpu": given})
    holdings = Holdings([held], infeasible=infeasible)
    asked = [ResourceContainer(name="c", resources=Resources(requests={"cpu": asks}))]
    assert requests(asked, holdings=holdings) == {"cpu": counts}
    assert nonzero_requests(asked, holdings=holdings)["cpu"] == counts
    whole = Holdings(whole=Held(resources=held.resources, allocatedResources={"cpu": given}), infeasible=infeasible)
    level = Resources(requests={"cpu": asks})
    assert requests([], pod_level=level, holdings=whole) == {"cpu": counts}
