"""Where CSI volumes lie beneath the kubelet's directory: the kubelet's own layout, which drivers may know."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from longboat.node.paths import Paths

PLUGIN = "kubernetes.io~csi"
DATA = "vol_data.json"


class Spot(NamedTuple):
    """Where one volume of one pod lies."""

    staging: Path  # what a driver is given to stage it at
    staging_record: Path | None  # the directory of the record that it is staged; devices have none
    target: Path  # what a driver is given to publish it at
    record: Path  # the directory of the record
    link: Path | None = None  # in the pod's own directory, to a device


class CsiPaths:
    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self.plugin = paths.root / "plugins" / "kubernetes.io" / "csi"
        self._devices = self.plugin / "volumeDevices"

    def file_system(self, uid: str, name: str, driver: str, handle: str) -> Spot:
        staged = self.plugin / driver / hashlib.sha256(handle.encode()).hexdigest()
        own = self._paths.volumes(uid) / PLUGIN / escaped(name)
        return Spot(staged / "globalmount", staged, own / "mount", own)

    def device(self, uid: str, name: str) -> Spot:
        return Spot(
            staging=self._devices / "staging" / escaped(name),
            staging_record=None,
            target=self._devices / "publish" / escaped(name) / uid,
            record=self._devices / escaped(name) / "data",
            link=self._paths.pod(uid) / "volumeDevices" / PLUGIN / escaped(name),
        )

    # What lies on disk. All of these block.

    def file_systems_of(self, uid: str) -> list[Path]:
        """The records' directories of a pod's file systems."""
        return sorted(path.parent for path in (self._paths.volumes(uid) / PLUGIN).glob(f"*/{DATA}"))

    def devices_of(self, uid: str) -> list[str]:
        """The names of a pod's devices."""
        return sorted(path.name for path in (self._paths.pod(uid) / "volumeDevices" / PLUGIN).glob("*"))

    def file_systems(self) -> list[Path]:
        """The records' directories of all pods' file systems."""
        return [path.parent for path in self._paths.pods.glob(f"*/volumes/{PLUGIN}/*/{DATA}")]

    def owner(self, file_system: Path) -> str:
        """The uid of the pod that a record's directory belongs to."""
        return file_system.relative_to(self._paths.pods).parts[0]

    def staged(self) -> list[Path]:
        """The records' directories of all staged file systems."""
        return [path.parent for path in self.plugin.glob(f"*/*/{DATA}")]

    def devices(self) -> list[str]:
        """The names of all devices."""
        return [path.parent.parent.name for path in self._devices.glob(f"*/data/{DATA}")]


def escaped(name: str) -> str:
    return name.replace("/", "~")
