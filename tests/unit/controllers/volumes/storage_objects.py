"""Claims, volumes and classes for tests, written as briefly as a test wants to say them."""

from __future__ import annotations

from typing import Any

import msgspec

from longboat.api.storage import BIND_COMPLETED, Claim, StorageClass, Volume


def claim(name: str = "c", size: str = "1Gi", *, storage_class: str | None = "slow", volume: str = "",
          modes: Any = ("ReadWriteOnce",), notes: Any = (), uid: str = "", phase: str = "Pending",
          bound: bool = False, **spec: Any) -> Claim:  # fmt: skip
    annotations = dict(notes) | ({BIND_COMPLETED: "yes"} if bound else {})
    return msgspec.convert(
        {
            "metadata": {"name": name, "namespace": "ns", "uid": uid or f"uid-{name}", "annotations": annotations},
            "spec": {
                "accessModes": list(modes), "resources": {"requests": {"storage": size}}, "volumeName": volume,
                **({} if storage_class is None else {"storageClassName": storage_class}), **spec,
            },
            "status": {"phase": phase},
        },
        Claim,
    )  # fmt: skip


def volume(name: str = "v", size: str = "1Gi", *, storage_class: str = "slow", modes: Any = ("ReadWriteOnce",),
           held_by: Claim | None = None, reserved_for: str = "", phase: str = "Available", notes: Any = (),
           labels: Any = (), deleted: bool = False, policy: str = "Retain", **spec: Any) -> Volume:  # fmt: skip
    if held_by is not None:
        spec["claimRef"] = {"namespace": "ns", "name": held_by.metadata.name, "uid": held_by.metadata.uid}
    if reserved_for:
        spec["claimRef"] = {"namespace": "ns", "name": reserved_for}
    meta: dict[str, Any] = {"name": name, "labels": dict(labels), "annotations": dict(notes)}
    if deleted:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return msgspec.convert(
        {
            "metadata": meta,
            "spec": {
                "capacity": {"storage": size}, "accessModes": list(modes), "storageClassName": storage_class,
                "persistentVolumeReclaimPolicy": policy, **spec,
            },
            "status": {"phase": phase},
        },
        Volume,
    )  # fmt: skip


def storage_class(name: str = "slow", provisioner: str = "example.com/disk", *, waits: bool = False,
                  default: bool = False) -> StorageClass:  # fmt: skip
    notes = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return msgspec.convert(
        {
            "metadata": {"name": name, "annotations": notes}, "provisioner": provisioner,
            "volumeBindingMode": "WaitForFirstConsumer" if waits else "Immediate",
        },
        StorageClass,
    )  # fmt: skip


def on_nodes(*names: str) -> dict[str, Any]:
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": list(names)}
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}
