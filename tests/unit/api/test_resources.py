"""What a pod asks for, container by container (KEP-753 has the sidecar arithmetic, KEP-2837 the pod level)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from longboat.api.resources import ResourceContainer, Resources, nonzero_requests, requests

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
