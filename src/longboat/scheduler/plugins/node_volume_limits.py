"""Puts no more volumes of a CSI driver on a node than the driver says it takes (CSINode, allocatable)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from longboat.scheduler.info import PodInfo
from longboat.scheduler.plugin import SKIP, Change, Plugin, Refusal
from longboat.scheduler.snapshot import NodeInfo, Snapshot
from longboat.scheduler.volumes import Volumes

TOO_MANY = Refusal("node(s) exceed max volume count")

ByDriver = dict[
    str, set[str]
]  # driver to its volumes, each told apart by its handle, or by its claim while it has none


class NodeVolumeLimits(Plugin):
    name = "NodeVolumeLimits"
    cures = Change.NODE_ADDED | Change.POD_GONE | Change.STORAGE

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes

    def prepare(self, pod: PodInfo, snapshot: Snapshot) -> Any:
        return self._of(pod) or SKIP

    def filter(self, pod: PodInfo, node: NodeInfo, state: ByDriver) -> Refusal | None:
        assert node.node is not None
        limits = self._limits(node.node.metadata.name)
        wanted = {driver: volumes for driver, volumes in state.items() if driver in limits}
        if not wanted:
            return None
        there: ByDriver = defaultdict(set)
        for other in node.pods.values():
            for driver, volumes in self._of(other).items():
                there[driver] |= volumes
        full = any(
            len(there[driver] | volumes) > limits[driver] and not volumes <= there[driver]
            for driver, volumes in wanted.items()
        )
        return TOO_MANY if full else None

    def _limits(self, node: str) -> dict[str, int]:
        found = self._volumes.csi_node(node)
        drivers = found.spec.drivers if found is not None else []
        return {
            driver.name: driver.allocatable.count
            for driver in drivers
            if driver.allocatable is not None and driver.allocatable.count is not None
        }

    def _of(self, pod: PodInfo) -> ByDriver:
        found: ByDriver = defaultdict(set)
        for use in pod.claims:
            claim = self._volumes.claim(use.key)
            if claim is None:
                continue
            volume = self._volumes.volume(claim.spec.volumeName) if claim.spec.volumeName else None
            if volume is not None:
                if volume.spec.csi is not None:
                    found[volume.spec.csi.driver].add(volume.spec.csi.volumeHandle)
            elif (storage_class := self._volumes.storage_class(claim)) is not None:
                found[storage_class.provisioner].add("/".join(use.key))
        return found
