"""Claims, volumes, classes and drivers as components see them, and the annotations by which they talk."""

from __future__ import annotations

from typing import Any, ClassVar

from longboat.api import kinds
from longboat.api.affinity import NodeSelector
from longboat.api.resources import Resources
from longboat.api.view import Part, View
from longboat.machinery import quantity
from longboat.machinery.kinds import Kind
from longboat.machinery.quantity import Quantity

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
BETA_STORAGE_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner"
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
DEFAULT_CLASS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
CLAIM_PROTECTION = "kubernetes.io/pvc-protection"
VOLUME_PROTECTION = "kubernetes.io/pv-protection"
ATTRIBUTES_CLASS_PROTECTION = "kubernetes.io/vac-protection"
LOCAL_DRIVER = "local.longboat.dev"  # the driver inside each node's agent: image files on the node's own disk

CONTROLLER_DRIVERS = "csi.longboat.dev/controller"  # on a CSINode: drivers of ours that can be called there
# On a CSIDriver, by who administers it: our controllers act for it, through nodes. Its service on a node knows the
# volumes of that node, or those of all.
CONTROLLER_SCOPE = "csi.longboat.dev/controller-scope"
OF_NODE, OF_CLUSTER = "node", "cluster"
# Who may have the API server call drivers, and as whom it then comes to a node's port, for nothing else.
CSI_CONTROLLER = "system:serviceaccount:kube-system:csi-controller"
CSI_CALLER = "system:longboat:csi"

WAIT_FOR_FIRST_CONSUMER = "WaitForFirstConsumer"


class ObjectReference(Part):
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    apiVersion: str = ""
    resourceVersion: str = ""


class Condition(Part):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    lastTransitionTime: str | None = None
    lastProbeTime: str | None = None


class ClaimSpec(Part):
    accessModes: list[str] = []
    selector: dict[str, Any] | None = None
    resources: Resources = Resources()
    volumeName: str = ""
    storageClassName: str | None = None
    volumeMode: str = "Filesystem"
    volumeAttributesClassName: str | None = None
    dataSource: dict[str, Any] | None = None
    dataSourceRef: dict[str, Any] | None = None


class ModifyVolumeStatus(Part):
    targetVolumeAttributesClassName: str = ""


class ClaimStatus(Part):
    phase: str = ""
    accessModes: list[str] = []
    capacity: dict[str, str] = {}
    allocatedResources: dict[str, str] = {}
    allocatedResourceStatuses: dict[str, str] = {}
    currentVolumeAttributesClassName: str | None = None
    modifyVolumeStatus: ModifyVolumeStatus | None = None
    conditions: list[Condition] = []


class Claim(View):
    """A PersistentVolumeClaim."""

    KIND: ClassVar[Kind] = kinds.PERSISTENT_VOLUME_CLAIM

    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = ClaimStatus()


class SecretReference(Part):
    name: str = ""
    namespace: str = ""


class CSISource(Part):
    driver: str = ""
    volumeHandle: str = ""
    fsType: str = ""
    readOnly: bool = False
    volumeAttributes: dict[str, str] = {}
    controllerPublishSecretRef: SecretReference | None = None
    controllerExpandSecretRef: SecretReference | None = None


class VolumeAffinity(Part):
    required: NodeSelector | None = None


class VolumeSpec(Part):
    capacity: dict[str, str] = {}
    accessModes: list[str] = []
    claimRef: ObjectReference | None = None
    persistentVolumeReclaimPolicy: str = "Retain"
    storageClassName: str = ""
    volumeMode: str = "Filesystem"
    volumeAttributesClassName: str | None = None
    mountOptions: list[str] = []
    nodeAffinity: VolumeAffinity | None = None
    csi: CSISource | None = None


class VolumeStatus(Part):
    phase: str = ""
    reason: str = ""
    message: str = ""


class Volume(View):
    """A PersistentVolume."""

    KIND: ClassVar[Kind] = kinds.PERSISTENT_VOLUME

    spec: VolumeSpec = VolumeSpec()
    status: VolumeStatus = VolumeStatus()


class TopologyRequirement(Part):
    key: str = ""
    values: list[str] = []


class TopologyTerm(Part):
    matchLabelExpressions: list[TopologyRequirement] = []


class StorageClass(View):
    KIND: ClassVar[Kind] = kinds.STORAGE_CLASS

    provisioner: str = ""
    parameters: dict[str, str] = {}
    reclaimPolicy: str = "Delete"
    mountOptions: list[str] = []
    allowVolumeExpansion: bool = False
    volumeBindingMode: str = "Immediate"
    allowedTopologies: list[TopologyTerm] = []


class Allocatable(Part):
    count: int | None = None


class NodeDriver(Part):
    name: str = ""
    nodeID: str = ""
    topologyKeys: list[str] = []
    allocatable: Allocatable | None = None


class CSINodeSpec(Part):
    drivers: list[NodeDriver] = []


class CSINode(View):
    KIND: ClassVar[Kind] = kinds.CSI_NODE

    spec: CSINodeSpec = CSINodeSpec()


class CSIDriverSpec(Part):
    attachRequired: bool = True
    storageCapacity: bool = False


class CSIDriver(View):
    KIND: ClassVar[Kind] = kinds.CSI_DRIVER

    spec: CSIDriverSpec = CSIDriverSpec()


def claim_class(claim: Claim) -> str:
    """The name of the class a claim asks for; "" for none."""
    return claim.metadata.annotations.get(BETA_CLASS) or claim.spec.storageClassName or ""


def volume_class(volume: Volume) -> str:
    return volume.metadata.annotations.get(BETA_CLASS) or volume.spec.storageClassName


def is_default(storage_class: StorageClass) -> bool:
    return any(storage_class.metadata.annotations.get(note) == "true" for note in DEFAULT_CLASS)


def waits_for_consumer(storage_class: StorageClass | None) -> bool:
    return storage_class is not None and storage_class.volumeBindingMode == WAIT_FOR_FIRST_CONSUMER


def size(listed: dict[str, str]) -> Quantity:
    """The storage of a ResourceList."""
    return quantity.parse(listed.get("storage") or "0")


def controller_scope(driver: View | None) -> str:
    """What our controllers were told of a CSIDriver: OF_NODE, OF_CLUSTER, or "" where it is not theirs."""
    told = driver.metadata.annotations.get(CONTROLLER_SCOPE, "") if driver is not None else ""
    return told if told in (OF_NODE, OF_CLUSTER) else ""


def controller_drivers(node: CSINode) -> frozenset[str]:
    """The drivers that a node says can be called through it. It may say what it likes: `controller_scope` decides."""
    listed = node.metadata.annotations.get(CONTROLLER_DRIVERS, "")
    return frozenset(name.strip() for name in listed.split(",") if name.strip())


class StorageCapacity(View):
    """How much room a driver has left for volumes of a class, somewhere (CSIStorageCapacity)."""

    KIND: ClassVar[Kind] = kinds.CSI_STORAGE_CAPACITY

    storageClassName: str = ""
    nodeTopology: dict[str, Any] | None = None
    capacity: str | None = None
    maximumVolumeSize: str | None = None


class AttachmentSource(Part):
    persistentVolumeName: str | None = None


class AttachmentSpec(Part):
    attacher: str = ""
    nodeName: str = ""
    source: AttachmentSource = AttachmentSource()


class VolumeError(Part):
    message: str = ""


class AttachmentStatus(Part):
    attached: bool = False
    attachError: VolumeError | None = None
    detachError: VolumeError | None = None


class VolumeAttachment(View):
    KIND: ClassVar[Kind] = kinds.VOLUME_ATTACHMENT

    spec: AttachmentSpec = AttachmentSpec()
    status: AttachmentStatus = AttachmentStatus()
