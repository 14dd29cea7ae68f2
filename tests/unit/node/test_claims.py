"""Claims a pod cannot use, and why; whose turn it is when one grows."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from longboat.aio.clock import VirtualClock
from longboat.client.interface import Key
from longboat.node.cri.memory import MemoryRuntime
from longboat.node.errors import Unmounted, VolumeError
from longboat.node.make.fields import Surroundings
from longboat.node.views.storage import Claim, PersistentVolume
from longboat.node.volumes import claims, growth
from unit.node.build import Node, container, pod

KEY = Key("default", "data")


def claim(**more: Any) -> Claim:
    made: dict[str, Any] = {
        "metadata": {"name": "data", "namespace": "default", "uid": "1", **more.pop("metadata", {})},
        "spec": {"volumeName": "pv"},
        "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}, **more.pop("status", {})},
    }
    return msgspec.convert(made | more, Claim)


def volume(**spec: Any) -> PersistentVolume:
    made = {"claimRef": {"uid": "1"}, "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/tmp"}, **spec}
    return msgspec.convert({"metadata": {"name": "pv"}, "spec": made}, PersistentVolume)


def user(**more: Any) -> Any:
    main = container(volumeMounts=[{"name": "v", "mountPath": "/v"}])
    return pod("p", main, volumes=[{"name": "v", **(more or {"persistentVolumeClaim": {"claimName": "data"}})}])


@pytest.mark.parametrize(
    ("found", "bound", "why"),
    [
        (None, None, 'failed to fetch PVC from API server: persistentvolumeclaims "data" not found'),
        (claim(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}), None, "PVC is being deleted"),
        (claim(status={"phase": "Pending"}), None, "PVC is not bound"),
        (claim(spec={}), None, "PVC has empty pvc.Spec.VolumeName"),
        (claim(), None, 'failed to fetch PV pv from API server: persistentvolumes "pv" not found'),
        (claim(), volume(claimRef=None), "found PV object pv but it has a nil pv.Spec.ClaimRef indicating it is not"),
        (claim(), volume(claimRef={"uid": "2"}), "its pv.Spec.ClaimRef.UID 2 does not point to claim.UID 1"),
        (claim(), volume(volumeMode="Block"), "volume v has volumeMode Block, but is specified in volumeMounts"),
    ],
)
def test_a_claim_that_cannot_be_used(
    tmp_path: Path, found: Claim | None, bound: PersistentVolume | None, why: str
) -> None:
    error = _problem(tmp_path, user(), found, bound)
    begin = (
        "Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], "
        "failed to process volumes=[v]: error processing PVC default/data: "
    )
    assert str(error).startswith(begin) and why in str(error)


def test_a_claim_made_for_another_pod_is_not_ours(tmp_path: Path) -> None:
    found = claim(metadata={"name": "p-v", "ownerReferences": [{"uid": "another", "controller": True}]})
    error = _problem(tmp_path, user(ephemeral={}), found, None, Key("default", "p-v"))
    assert "PVC default/p-v was not created for pod default/p (pod is not owner)" in str(error)


def test_a_volume_of_another_node_is_not_mounted(tmp_path: Path) -> None:
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["elsewhere"]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    error = _problem(tmp_path, user(), claim(), volume(nodeAffinity={"required": terms}))
    assert str(error) == 'MountVolume.NodeAffinity check failed for volume "pv" : no matching NodeSelectorTerms'


def _problem(
    folder: Path, given: Any, found: Claim | None, bound: PersistentVolume | None, key: Key = KEY
) -> VolumeError:  # fmt: skip
    async def main() -> VolumeError:
        clock = VirtualClock()
        node = Node(MemoryRuntime(clock), clock, folder, on_disk=True)
        if found is not None:
            node.storage.claims[key] = found
        if bound is not None:
            node.storage.volumes["pv"] = bound
        node.storage.labels = {"kubernetes.io/hostname": "n"}
        with pytest.raises(Unmounted) as caught:
            await node.volumes.set_up(given, Surroundings())
        await node.close()
        return caught.value.problems[given.spec.volumes[0].name]

    return asyncio.run(main())


def test_names_of_claims() -> None:
    assert claims.claim_of(user(), user().spec.volumes[0]) == KEY
    assert claims.claim_of(user(ephemeral={}), user(ephemeral={}).spec.volumes[0]) == Key("default", "p-v")
    assert claims.claim_of(user(emptyDir={}), user(emptyDir={}).spec.volumes[0]) is None


@pytest.mark.parametrize(
    ("size", "status", "due"),
    [
        ("1Gi", {"allocatedResourceStatuses": {"storage": "NodeResizePending"}}, False),
        ("2Gi", {}, False),
        ("2Gi", {"allocatedResourceStatuses": {"storage": "ControllerResizeInProgress"}}, False),
        ("2Gi", {"allocatedResourceStatuses": {"storage": "NodeResizePending"}}, True),
        ("2Gi", {"allocatedResourceStatuses": {"storage": "NodeResizeInProgress"}}, True),
        ("2Gi", {"conditions": [{"type": "FileSystemResizePending"}]}, True),
        ("2Gi", {"allocatedResourceStatuses": {"storage": "NodeResizeInfeasible"}}, False),
    ],
)
def test_whose_turn_it_is_to_grow(size: str, status: dict[str, Any], due: bool) -> None:
    assert growth.is_due(claim(status=status), volume(capacity={"storage": size})) is due


def test_a_volume_that_has_grown_is_told_of(tmp_path: Path) -> None:
    async def main() -> None:
        clock = VirtualClock()
        node = Node(MemoryRuntime(clock), clock, tmp_path, on_disk=True)
        pending = {"allocatedResourceStatuses": {"storage": "NodeResizePending"}}
        node.storage.claims[KEY] = claim(status=pending)
        node.storage.volumes["pv"] = volume(capacity={"storage": "2Gi"})
        given = user()
        await node.volumes.set_up(given, Surroundings())
        ((key, status),) = node.storage.patches
        assert key == KEY and status["capacity"] == {"storage": "2Gi"} and status["allocatedResourceStatuses"] is None
        assert {"$patch": "delete", "type": "FileSystemResizePending"} in status["conditions"]
        said = 'MountVolume.NodeExpandVolume succeeded for volume "pv" n'
        assert node.told.of("FileSystemResizeSuccessful") == [said]
        await node.close()

    asyncio.run(main())
