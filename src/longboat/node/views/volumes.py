"""Volumes of a pod."""

from __future__ import annotations

from longboat.api.view import Part


class FieldRef(Part):
    apiVersion: str = "v1"
    fieldPath: str = ""


class ResourceFieldRef(Part):
    containerName: str = ""
    resource: str = ""
    divisor: str = "0"


class KeyRef(Part):
    """One entry of a ConfigMap or Secret."""

    name: str = ""
    key: str = ""
    optional: bool = False


class KeyToPath(Part):
    key: str = ""
    path: str = ""
    mode: int | None = None


class DownwardFile(Part):
    path: str = ""
    fieldRef: FieldRef | None = None
    resourceFieldRef: ResourceFieldRef | None = None
    mode: int | None = None


class EmptyDirSource(Part):
    medium: str = ""
    sizeLimit: str = ""


class HostPathSource(Part):
    path: str = ""
    type: str = ""


class ConfigMapSource(Part):
    name: str = ""
    items: list[KeyToPath] = []
    defaultMode: int = 0o644
    optional: bool = False


class SecretSource(Part):
    secretName: str = ""
    items: list[KeyToPath] = []
    defaultMode: int = 0o644
    optional: bool = False


class DownwardSource(Part):
    items: list[DownwardFile] = []
    defaultMode: int = 0o644


class ConfigMapProjection(Part):
    name: str = ""
    items: list[KeyToPath] = []
    optional: bool = False


class SecretProjection(Part):
    name: str = ""
    items: list[KeyToPath] = []
    optional: bool = False


class DownwardProjection(Part):
    items: list[DownwardFile] = []


class TokenProjection(Part):
    audience: str = ""
    expirationSeconds: int = 3600
    path: str = ""


class Projection(Part):
    configMap: ConfigMapProjection | None = None
    secret: SecretProjection | None = None
    downwardAPI: DownwardProjection | None = None
    serviceAccountToken: TokenProjection | None = None


class ProjectedSource(Part):
    sources: list[Projection] = []
    defaultMode: int = 0o644


class ClaimSource(Part):
    claimName: str = ""
    readOnly: bool = False


class EphemeralSource(Part):
    """A claim made for the pod; the template is the control plane's matter."""


class NFSSource(Part):
    server: str = ""
    path: str = ""
    readOnly: bool = False


class GitRepoSource(Part):
    """Known, and refused."""


class SecretName(Part):
    name: str = ""


class InlineCSISource(Part):
    driver: str = ""
    fsType: str = ""
    readOnly: bool = False
    volumeAttributes: dict[str, str] = {}
    nodePublishSecretRef: SecretName | None = None


class ImageSource(Part):
    reference: str = ""
    pullPolicy: str = ""


class Volume(Part):
    name: str = ""
    emptyDir: EmptyDirSource | None = None
    hostPath: HostPathSource | None = None
    configMap: ConfigMapSource | None = None
    secret: SecretSource | None = None
    downwardAPI: DownwardSource | None = None
    projected: ProjectedSource | None = None
    persistentVolumeClaim: ClaimSource | None = None
    ephemeral: EphemeralSource | None = None
    nfs: NFSSource | None = None
    csi: InlineCSISource | None = None
    image: ImageSource | None = None
    gitRepo: GitRepoSource | None = None
