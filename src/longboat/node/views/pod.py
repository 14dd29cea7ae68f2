"""A pod as the node that runs it sees it."""

from __future__ import annotations

from typing import Any, ClassVar

from longboat.api import kinds
from longboat.api.affinity import NodeAffinity
from longboat.api.resources import Resources
from longboat.api.taints import Toleration
from longboat.api.view import Meta, Part, View
from longboat.machinery.kinds import Kind
from longboat.node.views.container import AppArmorProfile, Container, SeccompProfile, SELinuxOptions, WindowsOptions
from longboat.node.views.volumes import Volume


class Sysctl(Part):
    name: str = ""
    value: str = ""


class PodSecurityContext(Part):
    runAsUser: int | None = None
    runAsGroup: int | None = None
    runAsNonRoot: bool | None = None
    supplementalGroups: list[int] = []
    fsGroup: int | None = None
    fsGroupChangePolicy: str = "Always"
    sysctls: list[Sysctl] = []
    seccompProfile: SeccompProfile | None = None
    appArmorProfile: AppArmorProfile | None = None
    seLinuxOptions: SELinuxOptions | None = None
    windowsOptions: WindowsOptions | None = None
    supplementalGroupsPolicy: str = ""  # Merge Strict


class HostAlias(Part):
    ip: str = ""
    hostnames: list[str] = []


class DNSOption(Part):
    name: str = ""
    value: str | None = None


class DNSConfig(Part):
    nameservers: list[str] = []
    searches: list[str] = []
    options: list[DNSOption] = []


class LocalReference(Part):
    name: str = ""


class ReadinessGate(Part):
    conditionType: str = ""


class PodOS(Part):
    name: str = ""


class Affinity(Part):
    nodeAffinity: NodeAffinity | None = None


class PodSpec(Part):
    nodeName: str = ""
    nodeSelector: dict[str, str] = {}
    affinity: Affinity = Affinity()
    containers: list[Container] = []
    initContainers: list[Container] = []
    ephemeralContainers: list[Container] = []
    volumes: list[Volume] = []
    restartPolicy: str = "Always"
    terminationGracePeriodSeconds: int = 30
    activeDeadlineSeconds: int | None = None
    dnsPolicy: str = "ClusterFirst"
    dnsConfig: DNSConfig | None = None
    serviceAccountName: str = "default"
    hostNetwork: bool = False
    hostPID: bool = False
    hostIPC: bool = False
    hostUsers: bool | None = None
    os: PodOS | None = None
    shareProcessNamespace: bool = False
    securityContext: PodSecurityContext = PodSecurityContext()
    imagePullSecrets: list[LocalReference] = []
    hostname: str = ""
    subdomain: str = ""
    setHostnameAsFQDN: bool = False
    hostAliases: list[HostAlias] = []
    readinessGates: list[ReadinessGate] = []
    enableServiceLinks: bool = True
    runtimeClassName: str = ""
    overhead: dict[str, str] = {}
    resources: Resources | None = None
    priority: int = 0
    tolerations: list[Toleration] = []


class Condition(Part):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    lastTransitionTime: str | None = None
    observedGeneration: int = 0


class PodStatus(Part):
    phase: str = ""
    reason: str = ""
    message: str = ""
    startTime: str | None = None
    qosClass: str = ""
    conditions: list[Condition] = []
    podIP: str = ""
    containerStatuses: list[dict[str, Any]] = []
    initContainerStatuses: list[dict[str, Any]] = []
    ephemeralContainerStatuses: list[dict[str, Any]] = []


class Pod(View):
    KIND: ClassVar[Kind] = kinds.POD

    metadata: Meta = Meta()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def uid(self) -> str:
        return self.metadata.uid

    @property
    def is_finished(self) -> bool:
        """Its phase is terminal: nothing of it will run again."""
        return self.status.phase in ("Succeeded", "Failed")

    def container(self, name: str) -> Container | None:
        """The container of this name, whatever its sort."""
        return next((c for c in self.all_containers if c.name == name), None)

    @property
    def all_containers(self) -> list[Container]:
        spec = self.spec
        return [*spec.initContainers, *spec.containers, *spec.ephemeralContainers]

    def __str__(self) -> str:
        return f"{self.metadata.name}_{self.metadata.namespace}({self.metadata.uid})"
