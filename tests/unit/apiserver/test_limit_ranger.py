"""LimitRanger: defaults, and what is said of who asks for too much or too little (core/v1 LimitRange)."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.api import kinds
from longboat.apiserver.admission.limit_ranger import ANNOTATION, LimitRanger, claim_problems, fill_in, pod_problems
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from suites.objects import container, pod
from unit.apiserver.writes import attributes


def ranged(kind: str = "Container", **fields: Any) -> Object:
    return {"metadata": {"name": "r"}, "spec": {"limits": [{"type": kind, **fields}]}}


def test_what_is_lacking_is_filled_in_and_noted() -> None:
    found = pod("p", container("a", limits={"cpu": "1"}), initContainers=[{"name": "i"}])
    fill_in(found, ranged(default={"cpu": "2", "memory": "1Gi"}, defaultRequest={"cpu": "1"}))
    (a,), (i,) = found["spec"]["containers"], found["spec"]["initContainers"]
    assert a["resources"] == {"requests": {"cpu": "1"}, "limits": {"cpu": "1", "memory": "1Gi"}}
    assert i["resources"] == {"requests": {"cpu": "1"}, "limits": {"cpu": "2", "memory": "1Gi"}}
    assert found["metadata"]["annotations"][ANNOTATION] == (
        "LimitRanger plugin set: cpu request for container a; memory limit for container a; "
        "cpu request for init container i; cpu, memory limit for init container i"
    )


def test_who_asks_for_everything_is_left_alone() -> None:
    found = pod("p", container(requests={"cpu": "1"}, limits={"cpu": "1"}))
    fill_in(found, ranged(default={"cpu": "2"}, defaultRequest={"cpu": "1"}))
    assert found == pod("p", container(requests={"cpu": "1"}, limits={"cpu": "1"}))


@pytest.mark.parametrize(
    ("limits", "asks", "said"),
    [
        ({"min": {"cpu": "100m"}}, container(), "minimum cpu usage per Container is 100m.  No request is specified"),
        ({"min": {"cpu": "100m"}}, container(requests={"cpu": "50m"}),
         "minimum cpu usage per Container is 100m, but request is 50m"),
        ({"min": {"cpu": "100m"}}, container(requests={"cpu": "100m"}, limits={"cpu": "50m"}),
         "minimum cpu usage per Container is 100m, but limit is 50m"),
        ({"max": {"memory": "1Gi"}}, container(), "maximum memory usage per Container is 1Gi.  No limit is specified"),
        ({"max": {"memory": "1Gi"}}, container(limits={"memory": "2Gi"}),
         "maximum memory usage per Container is 1Gi, but limit is 2Gi"),
        ({"max": {"memory": "1Gi"}}, container(limits={"memory": "1Gi"}, requests={"memory": "3Gi"}),
         "maximum memory usage per Container is 1Gi, but request is 3Gi"),
        ({"maxLimitRequestRatio": {"cpu": "2"}}, container(limits={"cpu": "1"}),
         "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0"),
        ({"maxLimitRequestRatio": {"cpu": "2"}}, container(requests={"cpu": "1"}),
         "cpu max limit to request ratio per Container is 2, but no limit is specified or limit is 0"),
        ({"maxLimitRequestRatio": {"cpu": "2"}}, container(requests={"cpu": "1"}, limits={"cpu": "3"}),
         "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000"),
    ],
)  # fmt: skip
def test_what_is_out_of_bounds(limits: Any, asks: Object, said: str) -> None:
    assert list(pod_problems(pod("p", asks), ranged(**limits))) == [said]
    assert list(pod_problems(pod(containers=[], initContainers=[asks]), ranged(**limits))) == [said], (
        "init containers are containers"
    )


def test_within_bounds() -> None:
    asks = container(requests={"cpu": "1"}, limits={"cpu": "2"})
    bounds = {"min": {"cpu": "1"}, "max": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "2"}}
    assert list(pod_problems(pod("p", asks), ranged(**bounds))) == []


def test_a_pod_is_the_sum_of_what_runs_at_once() -> None:
    side = container("side", requests={"cpu": "1"}, restartPolicy="Always")
    big = container("big", requests={"cpu": "5"})
    asks = pod(
        "p", container("a", requests={"cpu": "2"}), container("b", requests={"cpu": "2"}), initContainers=[side, big]
    )
    (said,) = pod_problems(asks, ranged("Pod", min={"cpu": "10"}))
    assert said == "minimum cpu usage per Pod is 10, but request is 6"


def test_a_claim() -> None:
    asks = {"spec": {"resources": {"requests": {"storage": "5Gi"}}}}
    bounds = ranged("PersistentVolumeClaim", min={"storage": "10Gi"}, max={"storage": "1Gi"})
    assert list(claim_problems(asks, bounds)) == [
        "minimum storage usage per PersistentVolumeClaim is 10Gi, but request is 5Gi",
        "maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 5Gi",
    ]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"min": {"cpu": "1"}},
         'pods "p" is forbidden: minimum cpu usage per Container is 1.  No request is specified'),
        ({"min": {"cpu": "1", "memory": "1"}},
         'pods "p" is forbidden: [minimum cpu usage per Container is 1.  No request is specified, '
         'minimum memory usage per Container is 1.  No request is specified]'),
    ],
)  # fmt: skip
def test_how_it_is_refused(found: Any, said: str) -> None:
    plugin = LimitRanger(lambda namespace: [ranged(**found)])
    write = attributes("CREATE", kinds.POD, "ns", "p", pod("p", container()))
    assert plugin.handles(write.target)
    with pytest.raises(StatusError) as refused:
        plugin.validate(write)
    assert (refused.value.code, refused.value.message) == (403, said)


@pytest.mark.parametrize(
    ("operation", "kind", "subresource", "handled"),
    [
        ("CREATE", kinds.POD, "", True),
        ("UPDATE", kinds.POD, "", False),
        ("UPDATE", kinds.POD, "resize", True),
        ("UPDATE", kinds.POD, "status", False),
        ("UPDATE", kinds.PERSISTENT_VOLUME_CLAIM, "", True),
        ("DELETE", kinds.PERSISTENT_VOLUME_CLAIM, "", False),
        ("CREATE", kinds.SERVICE, "", False),
    ],
)
def test_what_it_looks_at(operation: str, kind: Any, subresource: str, handled: bool) -> None:
    write = attributes(operation, kind, "ns", "x", {}, subresource=subresource)
    assert LimitRanger(lambda namespace: []).handles(write.target) is handled
