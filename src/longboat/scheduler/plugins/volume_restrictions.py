"""A ReadWriteOncePod claim serves one pod in the whole cluster (KEP-2485)."""

from __future__ import annotations

from typing import Any

from longboat.scheduler.info import PodInfo
from longboat.scheduler.plugin import SKIP, Change, Plugin, Refusal
from longboat.scheduler.snapshot import NodeInfo, Snapshot
from longboat.scheduler.volumes import Volumes

IN_USE = Refusal("node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode")


class VolumeRestrictions(Plugin):
    name = "VolumeRestrictions"
    cures = Change.NODE_ADDED | Change.POD_GONE | Change.STORAGE

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes

    def prepare(self, pod: PodInfo, snapshot: Snapshot) -> Any:
        """Whether another pod has one of the claims: SKIP where none has."""
        for use in pod.claims:
            claim = self._volumes.claim(use.key)
            exclusive = claim is not None and "ReadWriteOncePod" in claim.spec.accessModes
            if exclusive and snapshot.claim_users.get(use.key, set()) - {pod.uid}:
                return True
        return SKIP

    def filter(self, pod: PodInfo, node: NodeInfo, state: Any) -> Refusal | None:
        return IN_USE
