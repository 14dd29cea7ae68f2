"""The resize subresource of pods: what it lets change, and what it says of the rest (KEP-1287)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from longboat.machinery.fieldpath import Errors
from longboat.machinery.user import User
from longboat.registry.kinds.core.pod.resize import NO_RESTART, ONLY_COMPUTE, ONLY_COMPUTE_OF_INIT
from longboat.registry.write import Write
from unit.registry.kinds.checks import BY_RESOURCE, NOW, changed, made, said_of_update

POD = BY_RESOURCE["pods"]
C, S, R = "spec__containers__0__", "spec__initContainers__0__", "spec__containers__0__resources__"
SMALL = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "200m"}}
RESIZABLE: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
    "spec": {
        "containers": [{"name": "web", "image": "nginx:1.27", "resources": SMALL}, {"name": "idle", "image": "i:1"}],
        "initContainers": [{"name": "side", "image": "i:1", "restartPolicy": "Always", "resources": deepcopy(SMALL)}],
    },
}
WHOLE = changed(RESIZABLE, spec__resources={"requests": {"cpu": "1"}, "limits": {"cpu": "2"}})
QOS = 'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing'


def said(change: dict[str, Any], pod: dict[str, Any] = RESIZABLE) -> list[str]:
    return said_of_update(POD, pod, changed(pod, **change), "resize")


@pytest.mark.parametrize("change", [
    {R + "requests__cpu": "150m"}, {R + "limits__cpu": "1"}, {R + "limits__memory": "1Gi"},
    {"spec__containers__1__resources": {"requests": {"memory": "1Mi"}}},
    {S + "resources__requests__cpu": "150m"},
    {C + "image": "other:1"}, {"spec__hostname": "h"}, {"metadata__labels": {}}, {"spec__tolerations": []},
], ids=str)  # fmt: skip
def test_cpu_and_memory_may_change_and_the_rest_is_not_looked_at(change: dict[str, Any]) -> None:
    assert said(change) == []


FORBIDDEN: list[tuple[dict[str, Any], list[str]]] = [
    ({R + "requests__memory": None}, [
        "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed"]),
    ({R + "limits": {}}, ["spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed"]),
    ({R + "requests__ephemeral-storage": "1Gi"}, [f"spec: Forbidden: {ONLY_COMPUTE}"]),
    ({C + "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]}, [
        f"spec: Forbidden: {ONLY_COMPUTE}"]),
    ({S + "resources__requests__ephemeral-storage": "1Gi"}, [
        f"spec.initContainers[0]: Forbidden: {ONLY_COMPUTE_OF_INIT}"]),
    ({C + "name": "other"}, [
        "spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize"]),
    ({"spec__initContainers": []}, [
        "spec.initContainers: Forbidden: initContainers may not be added or removed on resize"]),
    ({R + "requests__cpu": "1"}, [
        'spec.containers[0].resources.requests: Invalid value: "1": must be less than or equal to cpu limit of 200m']),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), FORBIDDEN, ids=str)
def test_forbidden(change: dict[str, Any], expected: list[str]) -> None:
    assert said(change) == expected


def test_the_class_of_service_stays() -> None:
    full = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
    one = {
        "metadata": RESIZABLE["metadata"],
        "spec": {"containers": [{"name": "c", "image": "i:1", "resources": SMALL}]},
    }
    assert said({C + "resources": full}, one) == [QOS]
    nothing = changed(one, **{C + "resources": None})
    assert said({C + "resources": SMALL}, nothing) == [QOS.replace("Burstable", "BestEffort")]


def test_an_ordinary_init_container_is_not_restarted_for_it() -> None:
    policy = [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]
    pod = changed(RESIZABLE, **{S + "restartPolicy": None})
    assert said({S + "resources__requests__cpu": "150m"}, pod) == []
    restarted = changed(pod, **{S + "resizePolicy": policy})
    never = (
        'spec.initContainers[0].resizePolicy[0].restartPolicy: Invalid value: "RestartContainer": must not be set to '
        "'RestartContainer' for non-sidecar initContainers"
    )
    assert said({S + "resources__requests__cpu": "150m"}, restarted) == [
        never, f"spec.initContainers[0]: Forbidden: {NO_RESTART}"
    ]  # fmt: skip
    assert said({R + "requests__cpu": "150m"}, restarted) == [never]


@pytest.mark.parametrize(("change", "expected"), [
    ({"spec__resources__requests__cpu": "1500m"}, []),
    ({"spec__resources__requests__memory": "1Gi"}, []),
    ({"spec__resources": None}, ["spec.resources: Forbidden: pod-level resources cannot be removed"]),
    ({"spec__resources__limits": {"memory": "1Gi"}}, [
        "spec.resources.limits: Forbidden: pod-level resource limits cannot be removed"]),
    ({"spec__resources": {}}, [
        "spec.resources.requests: Forbidden: pod-level resource requests cannot be removed",
        "spec.resources.limits: Forbidden: pod-level resource limits cannot be removed"]),
], ids=str)  # fmt: skip
def test_resources_of_the_pod_as_a_whole(change: dict[str, Any], expected: list[str]) -> None:
    assert said(change, WHOLE) == expected


def test_some_pods_cannot_be_resized() -> None:
    mirror = changed(RESIZABLE, metadata__annotations={"kubernetes.io/config.mirror": "x"}, spec__nodeName="n")
    assert said({R + "limits__cpu": "1"}, mirror) == ["[]: Forbidden: static pods cannot be resized"]
    windows = changed(RESIZABLE, spec__os={"name": "windows"})
    assert said({R + "limits__cpu": "much"}, windows) == ["[]: Forbidden: windows pods cannot be resized"]


def test_what_is_removed_is_told_first_and_then_what_else_has_changed() -> None:
    assert said({
        S + "resources__limits": {}, R + "requests__memory": None, S + "resources__requests__ephemeral-storage": "1Gi",
        R + "requests__ephemeral-storage": "1Gi",
    }) == [
        "spec.initContainers[0].resources.limits: Forbidden: resource limits cannot be removed",
        "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed",
        f"spec: Forbidden: {ONLY_COMPUTE}", f"spec.initContainers[0]: Forbidden: {ONLY_COMPUTE_OF_INIT}",
    ]  # fmt: skip


def test_who_claims_devices_cannot_be_resized() -> None:
    claims = {"spec__resourceClaims": [{"name": "gpu", "resourceClaimName": "one"}]}
    pod = changed(RESIZABLE, **claims, **{R + "claims": [{"name": "gpu"}]})
    assert said({R + "requests__cpu": "150m"}, pod) == [f"spec: Forbidden: {ONLY_COMPUTE}"]
    old = made(POD, RESIZABLE)
    old["status"]["nodeAllocatableResourceClaimStatuses"] = [{"resourceClaimName": "one"}]
    assert said_of_resize(old, changed(old, **{R + "requests__cpu": "150m"})) == [
        "spec: Forbidden: pods with node allocatable resource claims cannot be resized"
    ]


def test_each_policy_of_an_init_container_that_asks_for_a_restart_is_told() -> None:
    policies = [{"resourceName": name, "restartPolicy": "RestartContainer"} for name in ("cpu", "memory")]
    pod = changed(RESIZABLE, **{S + "restartPolicy": None})
    found = said({S + "resizePolicy": policies}, pod)
    assert found[-3:] == [
        f"spec.initContainers[0]: Forbidden: {ONLY_COMPUTE_OF_INIT}",
        *[f"spec.initContainers[0]: Forbidden: {NO_RESTART}"] * 2,
    ]


def test_a_node_that_does_not_tell_what_containers_have_cannot_resize_them() -> None:
    old = made(POD, RESIZABLE)
    for status, expected in (({}, ["spec: Forbidden: Pod running on node without support for resize"]),
                             ({"resources": {}}, [])):  # fmt: skip
        old["status"]["containerStatuses"] = [{"name": "web", "state": {"running": {}}, **status}]
        assert said_of_resize(old, changed(old, **{R + "limits__cpu": "1"})) == expected


def said_of_resize(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    err = Errors()
    POD.prepare_update(new, old, Write(now=NOW, user=User("somebody"), subresource="resize"))
    POD.validate_part("resize", new, old, err)
    return [str(cause) for cause in err]


def test_outside_the_subresource_nothing_of_it_may_change() -> None:
    for change in ({R + "requests__cpu": "150m"}, {C + "resizePolicy": [{"resourceName": "cpu"}]}):
        assert any("pod updates may not change fields other than" in cause for cause in
                   said_of_update(POD, RESIZABLE, changed(RESIZABLE, **change)))  # fmt: skip


def test_a_resize_takes_nothing_else_along() -> None:
    old = made(POD, RESIZABLE)
    new = changed(old, **{
        R + "limits__cpu": "1", C + "image": "other:1", "spec__hostname": "h", "status__phase": "Running",
        "metadata__labels": {"other": "label"}, "metadata__annotations": {"a": "b"},
    })  # fmt: skip
    POD.prepare_update(new, old, Write(now=NOW, user=User("somebody"), subresource="resize"))
    assert new == changed(old, **{R + "limits__cpu": "1"})
