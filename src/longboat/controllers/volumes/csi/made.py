"""The PersistentVolume for what a driver has made (as external-provisioner writes it). Pure."""

from __future__ import annotations

from decimal import Decimal

from longboat.api.storage import PROVISIONED_BY, Claim, StorageClass
from longboat.client.events import reference
from longboat.controllers.volumes.csi import requests, secrets, topology
from longboat.controllers.volumes.csi.requests import bytes_of, volume_name
from longboat.machinery.objects import Object
from longboat.machinery.quantity import Quantity

FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer"  # the volume is deleted before its object is
DELETION_SECRET = ("volume.kubernetes.io/provisioner-deletion-secret-name",
                   "volume.kubernetes.io/provisioner-deletion-secret-namespace")  # fmt: skip
IDENTITY = "storage.kubernetes.io/csiProvisionerIdentity"
REFS = {
    "controller-publish": "controllerPublishSecretRef", "node-stage": "nodeStageSecretRef",
    "node-publish": "nodePublishSecretRef", "controller-expand": "controllerExpandSecretRef",
    "node-expand": "nodeExpandSecretRef",
}  # fmt: skip


def handle_of(answer: Object) -> str:
    """The driver's name of what it has made; "" if it named none."""
    return str((answer.get("volume") or {}).get("volumeId") or "")


def persistent_volume(claim: Claim, storage_class: StorageClass, answer: Object) -> Object:
    """The object for a CreateVolumeResponse. Raises ValueError where that makes no sense."""
    volume, handle = answer.get("volume") or {}, handle_of(answer)
    if not handle:
        raise ValueError("the driver named no volume")
    wanted = int(requests.create(claim, storage_class, {}, None)["capacityRange"]["requiredBytes"])
    has = bytes_of(volume) or wanted
    if has < wanted:
        raise ValueError(f"created volume capacity {has} less than requested capacity {wanted}")
    driver, name, spec = storage_class.provisioner, volume_name(claim), claim.spec
    source: Object = {
        "driver": driver,
        "volumeHandle": handle,
        "volumeAttributes": {**(volume.get("volumeContext") or {}), IDENTITY: driver},
    }
    if spec.volumeMode != "Block":
        source["fsType"] = requests.fs_type(storage_class)
    for purpose, field in REFS.items():
        if found := secrets.ref(storage_class.parameters, purpose, claim, name):
            source[field] = found._asdict()
    made: Object = {
        "metadata": {"name": name, "annotations": _notes(claim, storage_class, name)},
        "spec": {
            "accessModes": spec.accessModes,
            "capacity": {"storage": str(Quantity(Decimal(has), "BinarySI"))},
            "claimRef": reference(claim),
            "csi": source,
            "persistentVolumeReclaimPolicy": storage_class.reclaimPolicy,
            "storageClassName": storage_class.metadata.name,
            "volumeMode": spec.volumeMode,
        },
    }
    if storage_class.reclaimPolicy == "Delete":
        made["metadata"]["finalizers"] = [FINALIZER]
    if storage_class.mountOptions:
        made["spec"]["mountOptions"] = storage_class.mountOptions
    if spec.volumeAttributesClassName:
        made["spec"]["volumeAttributesClassName"] = spec.volumeAttributesClassName
    if place := topology.affinity(volume.get("accessibleTopology") or ()):
        made["spec"]["nodeAffinity"] = place
    return made


def _notes(claim: Claim, storage_class: StorageClass, name: str) -> dict[str, str]:
    found = secrets.ref(storage_class.parameters, "provisioner", claim, name)
    values = (found.name, found.namespace) if found else ("", "")
    return {PROVISIONED_BY: storage_class.provisioner, **dict(zip(DELETION_SECRET, values, strict=True))}
