"""What the machine under a node is: processors, memory, disk, kernel, system."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

import msgspec

from longboat.api.resources import Amounts

MAX_PODS = 110
RESERVED_DISK = 0.15  # of the disk: what images and logs may not fill (kubelet's nodefs eviction threshold)


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """`disk` is the size in bytes of the file system that holds the node's data."""

    cpus: int
    memory: int
    disk: int
    machine_id: str = ""
    system_uuid: str = ""
    boot_id: str = ""
    kernel: str = ""
    os_image: str = ""
    architecture: str = "amd64"

    @property
    def capacity(self) -> dict[str, str]:
        return {
            "cpu": str(self.cpus),
            "memory": f"{self.memory >> 10}Ki",
            "ephemeral-storage": f"{self.disk >> 10}Ki",
            "hugepages-1Gi": "0",
            "hugepages-2Mi": "0",
            "pods": str(MAX_PODS),
        }

    @property
    def allocatable(self) -> dict[str, str]:
        return {**self.capacity, "ephemeral-storage": str(int(self.disk * (1 - RESERVED_DISK)))}

    @property
    def amounts(self) -> Amounts:
        return {"cpu": self.cpus * 1000, "memory": self.memory, "ephemeral-storage": self.disk}


def examine(data: Path) -> Machine:
    """The machine we run on. Raises OSError."""
    names = {"x86_64": "amd64", "aarch64": "arm64"}
    return Machine(
        cpus=os.cpu_count() or 1,
        memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        disk=shutil.disk_usage(data).total,
        machine_id=_first_line("/etc/machine-id"),
        system_uuid=_first_line("/sys/class/dmi/id/product_uuid") or _first_line("/etc/machine-id"),
        boot_id=_first_line("/proc/sys/kernel/random/boot_id"),
        kernel=platform.release(),
        os_image=_os_name(),
        architecture=names.get(platform.machine(), platform.machine()),
    )


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().split("\n", 1)[0].strip()
    except OSError:
        return ""


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"
