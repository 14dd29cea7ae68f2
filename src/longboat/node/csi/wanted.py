"""What a pod wants of a CSI volume, and the requests that ask a driver for it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from longboat.machinery import quantity
from longboat.machinery.protos import messages
from longboat.node.csi.drivers import Driver
from longboat.node.csi.records import EPHEMERAL, PERSISTENT
from longboat.node.views.pod import Pod
from longboat.node.views.storage import CSIDriverSpec, PersistentVolume, SecretRef
from longboat.node.views.volumes import Volume

csi = messages("csi.v1")
SINGLE_WRITERS, MOUNT_GROUP = "SINGLE_NODE_MULTI_WRITER", "VOLUME_MOUNT_GROUP"
POD_INFO = "csi.storage.k8s.io/pod."
ACCOUNT, IS_EPHEMERAL = "csi.storage.k8s.io/serviceAccount.name", "csi.storage.k8s.io/ephemeral"
MODES = {
    "ReadWriteOnce": "SINGLE_NODE_WRITER", "ReadOnlyMany": "MULTI_NODE_READER_ONLY",
    "ReadWriteMany": "MULTI_NODE_MULTI_WRITER", "ReadWriteOncePod": "SINGLE_NODE_WRITER",
}  # fmt: skip
PRECISE = {**MODES, "ReadWriteOnce": "SINGLE_NODE_MULTI_WRITER", "ReadWriteOncePod": "SINGLE_NODE_SINGLE_WRITER"}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One volume for one pod. `name` is the PersistentVolume's, or for one made for the pod, the volume's own."""

    name: str
    driver: str
    handle: str
    fs_type: str = ""
    read_only: bool = False
    attributes: Mapping[str, str] = {}
    access_modes: tuple[str, ...] = ()  # none for one made for the pod
    mount_options: tuple[str, ...] = ()
    is_block: bool = False
    is_ephemeral: bool = False
    size: int = 0  # bytes
    stage_secret: SecretRef | None = None
    publish_secret: SecretRef | None = None
    expand_secret: SecretRef | None = None

    @property
    def mode(self) -> str:
        return EPHEMERAL if self.is_ephemeral else PERSISTENT

    @property
    def unique_name(self) -> str:
        """What nodes call it in volumesInUse and volumesAttached."""
        return unique_name(self.driver, self.handle)


def unique_name(driver: str, handle: str) -> str:
    return f"kubernetes.io/csi/{driver}^{handle}"


def attachment_name(driver: str, handle: str, node: str) -> str:
    """The name of the VolumeAttachment (csi plugin, getAttachmentName)."""
    return f"csi-{hashlib.sha256(f'{handle}{driver}{node}'.encode()).hexdigest()}"


def persistent(volume: PersistentVolume, *, read_only: bool) -> Wanted:
    """Of a volume whose source is CSI."""
    spec, source = volume.spec, volume.spec.csi
    assert source is not None
    return Wanted(
        name=volume.metadata.name,
        driver=source.driver,
        handle=source.volumeHandle,
        fs_type=source.fsType,
        read_only=read_only,
        attributes=source.volumeAttributes,
        access_modes=tuple(spec.accessModes),
        mount_options=tuple(spec.mountOptions),
        is_block=spec.volumeMode == "Block",
        size=quantity.parse(spec.capacity.get("storage") or "0").value,
        stage_secret=source.nodeStageSecretRef,
        publish_secret=source.nodePublishSecretRef,
        expand_secret=source.nodeExpandSecretRef,
    )


def inline(pod: Pod, volume: Volume) -> Wanted:
    """Of a volume in a pod's own spec, which goes with the pod."""
    source = volume.csi
    assert source is not None
    secret, namespace = source.nodePublishSecretRef, pod.metadata.namespace
    return Wanted(
        name=volume.name,
        driver=source.driver,
        handle=f"csi-{hashlib.sha256(f'{pod.uid}{volume.name}'.encode()).hexdigest()}",
        fs_type=source.fsType,
        read_only=source.readOnly,
        attributes=source.volumeAttributes,
        is_ephemeral=True,
        publish_secret=SecretRef(name=secret.name, namespace=namespace) if secret else None,
    )


def capability(wanted: Wanted, driver: Driver, group: int | None = None) -> Any:
    """The VolumeCapability. `group` is the pod's fsGroup, for drivers that see to it themselves."""
    names = PRECISE if driver.can(SINGLE_WRITERS) else MODES
    mode = {"mode": names[wanted.access_modes[0] if wanted.access_modes else "ReadWriteOnce"]}
    if wanted.is_block:
        return csi.VolumeCapability(block={}, access_mode=mode)
    own = str(group) if group is not None and driver.can(MOUNT_GROUP) else ""
    mount = {"fs_type": wanted.fs_type, "mount_flags": wanted.mount_options, "volume_mount_group": own}
    return csi.VolumeCapability(mount=mount, access_mode=mode)


def pod_attributes(pod: Pod, wanted: Wanted, rules: CSIDriverSpec) -> dict[str, str]:
    """What a driver that asks for it is told of the pod."""
    if not rules.podInfoOnMount:
        return {}
    return {
        f"{POD_INFO}name": pod.metadata.name,
        f"{POD_INFO}namespace": pod.metadata.namespace,
        f"{POD_INFO}uid": pod.uid,
        ACCOUNT: pod.spec.serviceAccountName,
        IS_EPHEMERAL: "true" if wanted.is_ephemeral else "false",
    }


def takes_group(wanted: Wanted, driver: Driver, rules: CSIDriverSpec, group: int | None) -> bool:
    """Whether the files are to be given to the pod's fsGroup here (kubelet's supportsFSGroup)."""
    if group is None or wanted.is_block or wanted.read_only or driver.can(MOUNT_GROUP) or rules.fsGroupPolicy == "None":
        return False
    if rules.fsGroupPolicy == "File":
        return True
    once = wanted.is_ephemeral or bool({"ReadWriteOnce", "ReadWriteOncePod"} & set(wanted.access_modes))
    return bool(wanted.fs_type) and once
