"""A container of a pod."""

from __future__ import annotations

from longboat.api.resources import ResourceContainer
from longboat.api.restarts import RestartRule
from longboat.api.view import Part
from longboat.node.views.handlers import Lifecycle, Probe
from longboat.node.views.volumes import FieldRef, KeyRef, ResourceFieldRef


class EnvSource(Part):
    fieldRef: FieldRef | None = None
    resourceFieldRef: ResourceFieldRef | None = None
    configMapKeyRef: KeyRef | None = None
    secretKeyRef: KeyRef | None = None


class EnvVar(Part):
    name: str = ""
    value: str = ""
    valueFrom: EnvSource | None = None


class NamedSource(Part):
    """A ConfigMap or Secret all of whose entries become variables."""

    name: str = ""
    optional: bool = False


class EnvFrom(Part):
    prefix: str = ""
    configMapRef: NamedSource | None = None
    secretRef: NamedSource | None = None


class ContainerPort(Part):
    name: str = ""
    containerPort: int = 0
    hostPort: int = 0
    hostIP: str = ""
    protocol: str = "TCP"


class VolumeMount(Part):
    name: str = ""
    mountPath: str = ""
    subPath: str = ""
    subPathExpr: str = ""
    readOnly: bool = False
    recursiveReadOnly: str = ""  # Disabled IfPossible Enabled
    mountPropagation: str = "None"


class VolumeDevice(Part):
    name: str = ""
    devicePath: str = ""


class Capabilities(Part):
    add: list[str] = []
    drop: list[str] = []


class SeccompProfile(Part):
    type: str = ""
    localhostProfile: str = ""


class AppArmorProfile(Part):
    type: str = ""
    localhostProfile: str = ""


class SELinuxOptions(Part):
    user: str = ""
    role: str = ""
    type: str = ""
    level: str = ""


class WindowsOptions(Part):
    """That there are any: nothing of them means anything here."""


class SecurityContext(Part):
    privileged: bool | None = None
    runAsUser: int | None = None
    runAsGroup: int | None = None
    runAsNonRoot: bool | None = None
    readOnlyRootFilesystem: bool | None = None
    allowPrivilegeEscalation: bool | None = None
    capabilities: Capabilities | None = None
    procMount: str = ""
    seccompProfile: SeccompProfile | None = None
    appArmorProfile: AppArmorProfile | None = None
    seLinuxOptions: SELinuxOptions | None = None
    windowsOptions: WindowsOptions | None = None


class ResizePolicy(Part):
    resourceName: str = ""
    restartPolicy: str = ""


class Container(ResourceContainer):
    resizePolicy: list[ResizePolicy] = []
    restartPolicyRules: list[RestartRule] = []
    image: str = ""
    command: list[str] = []
    args: list[str] = []
    workingDir: str = ""
    ports: list[ContainerPort] = []
    env: list[EnvVar] = []
    envFrom: list[EnvFrom] = []
    volumeMounts: list[VolumeMount] = []
    volumeDevices: list[VolumeDevice] = []
    livenessProbe: Probe | None = None
    readinessProbe: Probe | None = None
    startupProbe: Probe | None = None
    lifecycle: Lifecycle | None = None
    terminationMessagePath: str = "/dev/termination-log"
    terminationMessagePolicy: str = "File"
    imagePullPolicy: str = ""
    securityContext: SecurityContext | None = None
    stdin: bool = False
    stdinOnce: bool = False
    tty: bool = False
    targetContainerName: str = ""

    @property
    def is_sidecar(self) -> bool:
        """For an init container: it runs beside the others from its turn on (KEP-753)."""
        return self.restartPolicy == "Always"
