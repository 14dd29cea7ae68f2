"""What a node may run short of: the signals of node-pressure eviction (kubelet, `--eviction-hard`). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from longboat.machinery.quantity import Quantity

MEMORY, ALLOCATABLE_MEMORY, PIDS = "memory.available", "allocatableMemory.available", "pid.available"
NODEFS, NODEFS_INODES = "nodefs.available", "nodefs.inodesFree"
IMAGEFS, IMAGEFS_INODES = "imagefs.available", "imagefs.inodesFree"
CONTAINERFS, CONTAINERFS_INODES = "containerfs.available", "containerfs.inodesFree"

STORAGE, INODES, PROCESSES = "ephemeral-storage", "inodes", "pids"
RESOURCE: Final[Mapping[str, str]] = {
    MEMORY: "memory", ALLOCATABLE_MEMORY: "memory",
    NODEFS: STORAGE, IMAGEFS: STORAGE, CONTAINERFS: STORAGE,
    NODEFS_INODES: INODES, IMAGEFS_INODES: INODES, CONTAINERFS_INODES: INODES,
    PIDS: PROCESSES,
}  # fmt: skip
MEMORY_PRESSURE, DISK_PRESSURE, PID_PRESSURE = "MemoryPressure", "DiskPressure", "PIDPressure"
CONDITION: Final[Mapping[str, str]] = {
    signal: {"memory": MEMORY_PRESSURE, PROCESSES: PID_PRESSURE}.get(resource, DISK_PRESSURE)
    for signal, resource in RESOURCE.items()
}
BYTES: Final = frozenset(signal for signal, resource in RESOURCE.items() if resource in ("memory", STORAGE))


class Observation(msgspec.Struct, frozen=True):
    """How much there is, and how much there could be: bytes, inodes or processes. `source` names what is measured
    where other nodes of the machine use it as well; "" if it is the node's alone."""

    available: int
    capacity: int
    source: str = ""


Observations = Mapping[str, Observation]


def shown(signal: str, amount: int) -> str:
    """As messages show it: bytes in powers of two, everything else in plain numbers."""
    return str(Quantity(Decimal(amount), "BinarySI" if signal in BYTES else "DecimalSI"))
