"""Which volumes are attached where (kube-controller-manager, attach/detach controller)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from longboat.api.storage import VolumeAttachment
from longboat.controllers.volumes.attachment import (
    Attach,
    Blocked,
    Detach,
    attachment,
    attachment_name,
    decide,
    may_detach,
    unique_name,
)
from longboat.controllers.volumes.views import Node
from unit.controllers.volumes.storage_objects import volume

CSI = {"driver": "disk.example.com", "volumeHandle": "h"}
DISK = volume(csi=CSI)
SHARED = volume(csi=CSI, modes=("ReadWriteMany",))


def found(node: str, going: bool = False) -> VolumeAttachment:
    whole: dict[str, Any] = attachment(DISK, node)
    if going:
        whole["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return msgspec.convert(whole, VolumeAttachment)


def node(*, ready: bool = True, in_use: bool = True, taint: str = "") -> Node:
    return msgspec.convert(
        {
            "metadata": {"name": "a"},
            "spec": {"taints": [{"key": taint}] if taint else []},
            "status": {
                "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
                "volumesInUse": [unique_name(DISK)] if in_use else [],
            },
        },
        Node,
    )


@pytest.mark.parametrize(
    ("disk", "wanted", "there", "free", "expected"),
    [
        (DISK, True, [], True, Attach()),
        (DISK, True, [found("a")], True, None),
        (DISK, True, [found("a", going=True)], True, None),
        (DISK, True, [found("b")], True, Blocked(("b",))),
        (DISK, True, [found("b", going=True)], True, Blocked(("b",))),
        (SHARED, True, [found("b")], True, Attach()),
        (DISK, False, [], True, None),
        (DISK, False, [found("a")], True, Detach()),
        (DISK, False, [found("a")], False, None),
        (DISK, False, [found("a", going=True)], True, None),
        (DISK, False, [found("b")], True, None),
    ],
)
def test_what_is_decided(disk: Any, wanted: bool, there: list[VolumeAttachment], free: bool, expected: Any) -> None:
    assert decide(disk, "a", wanted, there, free) == expected


@pytest.mark.parametrize(
    ("state", "waited", "expected"),
    [
        (node(), 0, False),
        (node(), 10_000, False),
        (node(in_use=False), 0, True),
        (node(ready=False), 359, False),
        (node(ready=False), 360, True),
        (node(taint="node.kubernetes.io/out-of-service"), 0, True),
        (None, 0, True),
    ],
)
def test_when_a_volume_may_be_detached(state: Node | None, waited: float, expected: bool) -> None:
    assert may_detach(DISK, state, waited) is expected


def test_names_are_those_that_others_compute() -> None:
    assert unique_name(DISK) == "kubernetes.io/csi/disk.example.com^h"
    # sha256 of handle, driver and node, one after the other
    assert attachment_name(DISK, "a") == "csi-d5c6a14f751dddb6cf6e92c5353e4380bc81a7bf0f9c4fede13d04c8725ba5e2"
