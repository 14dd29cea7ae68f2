"""A pod as scheduling looks at it."""

from __future__ import annotations

from typing import NamedTuple

from longboat.api import resources
from longboat.api.host_ports import ANY_IP, HostPort
from longboat.api.resources import Amounts
from longboat.scheduler.views import Pod, PodVolume


class ClaimUse(NamedTuple):
    """A claim that a pod mounts. An `ephemeral` one is made for the pod and goes with it."""

    namespace: str
    name: str
    ephemeral: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return (self.namespace, self.name)


def claim_use(namespace: str, pod: str, volume: PodVolume) -> ClaimUse | None:
    if volume.persistentVolumeClaim is not None:
        return ClaimUse(namespace, volume.persistentVolumeClaim.claimName)
    return ClaimUse(namespace, f"{pod}-{volume.name}", ephemeral=True) if volume.ephemeral is not None else None


class PodInfo:
    """A pod and what scheduling asks of it again and again, worked out once."""

    __slots__ = ("claims", "host_ports", "nonzero", "pod", "requests")

    def __init__(self, pod: Pod) -> None:
        spec = pod.spec
        asks = (spec.containers, spec.initContainers, spec.overhead, spec.resources, pod.holdings)
        self.pod = pod
        self.requests: Amounts = resources.requests(*asks)
        self.nonzero: Amounts = resources.nonzero_requests(*asks)
        self.claims: list[ClaimUse] = [
            use for volume in spec.volumes if (use := claim_use(pod.metadata.namespace, pod.metadata.name, volume))
        ]
        self.host_ports: list[HostPort] = [
            (port.protocol or "TCP", port.hostIP or ANY_IP, port.hostPort)
            for container in (*spec.containers, *(c for c in spec.initContainers if c.restartPolicy == "Always"))
            for port in container.ports
            if port.hostPort
        ]

    @property
    def uid(self) -> str:
        return self.pod.metadata.uid

    @property
    def has_affinity(self) -> bool:
        """Whether it speaks of other pods, so that placing others must look at it."""
        affinity = self.pod.spec.affinity
        return affinity.podAffinity is not None or affinity.podAntiAffinity is not None
