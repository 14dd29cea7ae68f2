"""Claims, volumes, drivers and attachments, as the node that mounts them sees them."""

from __future__ import annotations

from typing import ClassVar

from longboat.api import kinds
from longboat.api.affinity import NodeSelector
from longboat.api.resources import Resources
from longboat.api.view import Part, View
from longboat.machinery.kinds import Kind
from longboat.node.views.volumes import HostPathSource, NFSSource


class SecretRef(Part):
    name: str = ""
    namespace: str = ""


class CSISource(Part):
    driver: str = ""
    volumeHandle: str = ""
    fsType: str = ""
    readOnly: bool = False
    volumeAttributes: dict[str, str] = {}
    nodeStageSecretRef: SecretRef | None = None
    nodePublishSecretRef: SecretRef | None = None
    nodeExpandSecretRef: SecretRef | None = None


class LocalSource(Part):
    path: str = ""
    fsType: str = ""


class ClaimRef(Part):
    namespace: str = ""
    name: str = ""
    uid: str = ""


class VolumeAffinity(Part):
    required: NodeSelector | None = None


class PersistentVolumeSpec(Part):
    accessModes: list[str] = []
    capacity: dict[str, str] = {}
    claimRef: ClaimRef | None = None
    volumeMode: str = "Filesystem"
    mountOptions: list[str] = []
    nodeAffinity: VolumeAffinity | None = None
    local: LocalSource | None = None
    hostPath: HostPathSource | None = None
    nfs: NFSSource | None = None
    csi: CSISource | None = None


class PersistentVolume(View):
    KIND: ClassVar[Kind] = kinds.PERSISTENT_VOLUME

    spec: PersistentVolumeSpec = PersistentVolumeSpec()


class ClaimSpec(Part):
    volumeName: str = ""
    volumeMode: str = "Filesystem"
    resources: Resources = Resources()


class ClaimCondition(Part):
    type: str = ""


class ClaimStatus(Part):
    phase: str = ""
    capacity: dict[str, str] = {}
    allocatedResources: dict[str, str] = {}
    allocatedResourceStatuses: dict[str, str] = {}
    conditions: list[ClaimCondition] = []


class Claim(View):
    KIND: ClassVar[Kind] = kinds.PERSISTENT_VOLUME_CLAIM

    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = ClaimStatus()


class TokenRequest(Part):
    audience: str = ""
    expirationSeconds: int | None = None


class CSIDriverSpec(Part):
    attachRequired: bool = True
    podInfoOnMount: bool = False
    requiresRepublish: bool = False
    fsGroupPolicy: str = "ReadWriteOnceWithFSType"
    volumeLifecycleModes: list[str] = []  # none: Persistent
    tokenRequests: list[TokenRequest] = []
    serviceAccountTokenInSecrets: bool = False


class CSIDriver(View):
    KIND: ClassVar[Kind] = kinds.CSI_DRIVER

    spec: CSIDriverSpec = CSIDriverSpec()


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


class AttachmentStatus(Part):
    attached: bool = False
    attachmentMetadata: dict[str, str] = {}


class VolumeAttachment(View):
    KIND: ClassVar[Kind] = kinds.VOLUME_ATTACHMENT

    status: AttachmentStatus = AttachmentStatus()
