"""Keeps pods in the zone and region that their volumes' labels name, as volumes of older provisioners have them."""

from __future__ import annotations

from typing import Any

from longboat.api.storage import Volume
from longboat.scheduler.info import PodInfo
from longboat.scheduler.plugin import SKIP, Change, Plugin, Refusal
from longboat.scheduler.snapshot import NodeInfo, Snapshot
from longboat.scheduler.volumes import Volumes

ELSEWHERE = Refusal("node(s) had no available volume zone", final=True)
KEYS = (
    "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
)  # fmt: skip
SEPARATOR = "__"  # between the zones of a volume that is in several


def limits(volume: Volume) -> list[tuple[str, frozenset[str]]]:
    """Which values of which labels a node must have."""
    labels = volume.metadata.labels
    return [(key, frozenset(labels[key].split(SEPARATOR))) for key in KEYS if key in labels]


class VolumeZone(Plugin):
    name = "VolumeZone"
    cures = Change.NODE_ADDED | Change.NODE_LABELS | Change.STORAGE

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes

    def prepare(self, pod: PodInfo, snapshot: Snapshot) -> Any:
        found: list[tuple[str, frozenset[str]]] = []
        for use in pod.claims:
            claim = self._volumes.claim(use.key)
            volume = self._volumes.volume(claim.spec.volumeName) if claim and claim.spec.volumeName else None
            if volume is not None:
                found += limits(volume)
        return found or SKIP

    def filter(self, pod: PodInfo, node: NodeInfo, state: list[tuple[str, frozenset[str]]]) -> Refusal | None:
        assert node.node is not None
        labels = node.node.metadata.labels
        if not any(key in labels for key in KEYS):
            return None  # a cluster without zones
        return None if all(labels.get(key) in values for key, values in state) else ELSEWHERE
