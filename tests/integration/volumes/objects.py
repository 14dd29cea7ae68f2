"""Claims, volumes, classes and pods for tests of a whole control plane, and what was told of them."""

from __future__ import annotations

from typing import Any

from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster
from suites.objects import pod


def claim(name: str = "data", size: str = "1Gi", storage_class: str | None = "", **spec: Any) -> Object:
    asked: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    if storage_class is not None:
        asked["storageClassName"] = storage_class
    return {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "metadata": {"name": name}, "spec": asked}


def volume(name: str = "v", size: str = "1Gi", **spec: Any) -> Object:
    return {
        "kind": "PersistentVolume",
        "apiVersion": "v1",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": {"storage": size}, "hostPath": {"path": "/data"}, **spec,
        },
    }  # fmt: skip


def storage_class(name: str, provisioner: str = "example.com/disk", **fields: Any) -> Object:
    meta = {"name": name, "annotations": fields.pop("annotations", {})}
    return {"kind": "StorageClass", "apiVersion": "storage.k8s.io/v1", "metadata": meta, "provisioner": provisioner,
            **fields}  # fmt: skip


def using(name: str = "p", *claims: str, **spec: Any) -> Object:
    """A pod with these claims among its volumes."""
    mounted = [{"name": c, "persistentVolumeClaim": {"claimName": c}} for c in claims]
    return pod(name, **{"volumes": mounted, **spec})


async def phases(cluster: Cluster, claim_name: str = "data", volume_name: str = "v") -> tuple[str, str]:
    """Of the claim and of the volume."""
    found, held = await cluster.get(f"pvc/{claim_name}"), await cluster.get(f"pv/{volume_name}")
    return found["status"]["phase"], held["status"]["phase"]


async def told(cluster: Cluster, reason: str, namespace: str = "default") -> list[str]:
    """The messages of Events with this reason."""
    return [e["message"] for e in await cluster.list("events", namespace) if e["reason"] == reason]
