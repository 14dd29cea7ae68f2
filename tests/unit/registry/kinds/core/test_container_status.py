"""Statuses of pods that no recorded answer shows: users of containers, their devices, and where a pod is to go."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.machinery.fieldpath import Errors
from longboat.registry.kinds.core.pod import container_status
from unit.registry.kinds.checks import BY_RESOURCE, changed

PODS = BY_RESOURCE["pods"]
POD: dict[str, Any] = {
    "metadata": {"name": "p"},
    "spec": {"containers": [{"name": "c", "resources": {
        "requests": {"example.com/gpu": "1"}, "claims": [{"name": "a"}, {"name": "b", "request": "r"}],
    }}]},
    "status": {},
}  # fmt: skip
OF = "status.containerStatuses[0]"
IN_RANGE = "must be between 0 and 2147483647, inclusive"
CLAIM = "status.extendedResourceClaimStatus"


def said(pod: dict[str, Any], old: dict[str, Any] | None = None, **status: Any) -> list[str]:
    err = Errors()
    PODS.validate_status({**pod, "status": status}, old or pod, err)
    return [str(cause) for cause in err]


def user(**found: Any) -> list[Any]:
    return [{"name": "c", "user": {"linux": found}}]


def test_as_whom_a_container_runs() -> None:
    assert said(POD, containerStatuses=user(uid=0, gid=1, supplementalGroups=[2])) == []
    assert said(POD, containerStatuses=user(uid=-1, gid=1 << 31, supplementalGroups=[0, -2])) == [
        f"{OF}.user.linux.uid: Invalid value: -1: {IN_RANGE}",
        f"{OF}.user.linux.gid: Invalid value: 2147483648: {IN_RANGE}",
        f"{OF}.user.linux.supplementalGroups[1]: Invalid value: -2: {IN_RANGE}",
    ]
    windows = changed(POD, spec__os={"name": "windows"})
    assert said(windows, ephemeralContainerStatuses=user(uid=0)) == [
        "status.ephemeralContainerStatuses[0].user.linux: Forbidden: cannot be set for a windows pod"
    ]


@pytest.mark.parametrize("name", ["example.com/gpu", "claim:a", "claim:b/r"])
def test_how_devices_are(name: str) -> None:
    devices = [{"resourceID": "x", "health": "Healthy"}, {"resourceID": "y", "health": "Unknown"}]
    status = {"name": "c", "allocatedResourcesStatus": [{"name": name, "resources": devices}]}
    assert said(POD, containerStatuses=[status]) == []


def test_devices_that_nobody_asked_for() -> None:
    devices = [{"resourceID": "x", "health": "Fine"}, {"resourceID": "x", "health": "Healthy"}]
    told = [{"name": "cpu", "resources": devices}, {"name": "claim:b"}]
    at = f"{OF}.allocatedResourcesStatus"
    assert said(POD, containerStatuses=[{"name": "c", "allocatedResourcesStatus": told}]) == [
        f'{at}[0].name: Invalid value: "cpu": {container_status.NO_REQUEST}',
        f'{at}[0].resources[0].health: Unsupported value: "Fine": supported values: "Healthy", "Unhealthy", "Unknown"',
        f'{at}[0].resources[1].resourceID: Duplicate value: "x"',
        f'{at}[1].name: Invalid value: "claim:b": {container_status.NO_CLAIM}',
    ]
    assert said(POD, containerStatuses=[{"name": "gone", "allocatedResourcesStatus": [{"name": "cpu"}]}]) == []
    assert said(POD, ephemeralContainerStatuses=[{"name": "e", "allocatedResourcesStatus": [{"name": "cpu"}]}]) == [
        "status.ephemeralContainerStatuses[0].allocatedResourcesStatus: Forbidden: must not be specified in container "
        "status"
    ]


def test_the_claim_for_extended_resources() -> None:
    good = {"containerName": "c", "resourceName": "example.com/gpu", "requestName": "r"}
    assert said(POD, extendedResourceClaimStatus={"requestMappings": [good], "resourceClaimName": "a"}) == []
    assert said(POD, extendedResourceClaimStatus={}) == [
        f"{CLAIM}.requestMappings: Required value: at least one request mapping is required",
        f"{CLAIM}.resourceClaimName: Required value",
    ]
    mappings = [good, good, good | {"containerName": "d"}, good | {"resourceName": "cpu"}]
    assert said(POD, extendedResourceClaimStatus={"requestMappings": mappings, "resourceClaimName": "a"}) == [
        f'{CLAIM}.requestMappings[1].containerName: Duplicate value: "c"',
        f'{CLAIM}.requestMappings[1].resourceName: Duplicate value: "example.com/gpu"',
        f'{CLAIM}.requestMappings[1].requestName: Duplicate value: "r"',
        f'{CLAIM}.requestMappings[2].containerName: Invalid value: "d": {container_status.NO_CONTAINER}',
        f'{CLAIM}.requestMappings[3].resourceName: Invalid value: "cpu": {container_status.NO_EXTENDED}',
    ]


def test_a_pod_that_is_bound_is_nominated_no_more() -> None:
    bound = changed(POD, spec__nodeName="n", status__nominatedNodeName="m")
    assert said(POD, nominatedNodeName="m") == []
    assert said(bound, nominatedNodeName="m") == said(bound) == []
    assert said(bound, nominatedNodeName="o") == [
        "status.nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node"
    ]


def test_addresses_that_an_older_version_took_stay() -> None:
    old = changed(POD, status__podIPs=[{"ip": "010.0.0.1"}])
    assert said(POD, old, podIPs=[{"ip": "010.0.0.1"}]) == []
    assert len(said(POD, podIPs=[{"ip": "010.0.0.1"}])) == 1
