"""What a pod has taken of its node. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

import msgspec

ROOT, LOGS, VOLUMES = "root", "logs", "volumes"  # writable layers, logs, and what lies beside them on the same disk
EVERYTHING: Final = frozenset((ROOT, LOGS, VOLUMES))


class Disk(NamedTuple):
    """Bytes and inodes."""

    bytes: int = 0
    inodes: int = 0

    def plus(self, *others: Disk) -> Disk:
        listed = (self, *others)
        return Disk(sum(each.bytes for each in listed), sum(each.inodes for each in listed))


class ContainerUse(msgspec.Struct, frozen=True, kw_only=True):
    """`memory` is the working set in bytes, `root` what was written beside mounts."""

    memory: int = 0
    root: Disk = Disk()
    logs: Disk = Disk()


class PodUse(msgspec.Struct, frozen=True, kw_only=True):
    """`containers` by name; `volumes` those that lie on the node's disk, by name; `rest` what the node keeps for it."""

    memory: int = 0
    processes: int = 0
    containers: Mapping[str, ContainerUse] = {}
    volumes: Mapping[str, Disk] = {}
    rest: Disk = Disk()

    def disk(self, parts: Collection[str] = EVERYTHING) -> Disk:
        found = Disk()
        for use in self.containers.values():
            found = found.plus(use.root if ROOT in parts else Disk(), use.logs if LOGS in parts else Disk())
        return found.plus(*self.volumes.values()) if VOLUMES in parts else found

    @property
    def storage(self) -> int:
        """Bytes of all that counts as its ephemeral storage."""
        return self.disk().plus(self.rest).bytes
