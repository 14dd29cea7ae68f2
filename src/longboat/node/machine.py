"""What kind of machine a node is: capacity, system, and whether anything runs short."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from pathlib import Path

import msgspec

from longboat.machinery.objects import Object
from longboat.node import kernel
from longboat.node.eviction import signals
from longboat.node.eviction.cgroup import memory_limit
from longboat.node.eviction.thresholds import Threshold, kept_back

MAX_PODS = 110
APPARMOR = (Path("/sys/kernel/security/apparmor"), Path("/sbin/apparmor_parser"))  # as runc and the kubelet ask
APPARMOR_ENABLED = Path("/sys/module/apparmor/parameters/enabled")
SELINUX = Path("/sys/fs/selinux/enforce")


def has_apparmor() -> bool:
    """Whether AppArmor's profiles are in force here. Blocks."""
    return all(path.exists() for path in (*APPARMOR, APPARMOR_ENABLED)) and APPARMOR_ENABLED.read_text()[:1] == "Y"


def has_selinux() -> bool:
    """Whether SELinux's labels mean anything here. Blocks."""
    return SELINUX.exists()


class Pressure(msgspec.Struct, frozen=True):
    """What runs short."""

    memory: bool = False
    disk: bool = False
    pids: bool = False


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Memory and disk in bytes; `disk` is the file system that holds pods' files."""

    cpus: int
    memory: int
    disk: int
    hugepages: tuple[str, ...] = ("hugepages-1Gi", "hugepages-2Mi")
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
            **dict.fromkeys(self.hugepages, "0"),
            "pods": str(MAX_PODS),
        }

    def allocatable(self, thresholds: Iterable[Threshold]) -> dict[str, str]:
        """What pods may have of it: evictions begin at these thresholds."""
        found = list(thresholds)
        memory = self.memory - kept_back(found, signals.MEMORY, self.memory)
        disk = self.disk - kept_back(found, signals.NODEFS, self.disk)
        return {**self.capacity, "memory": f"{memory >> 10}Ki", "ephemeral-storage": str(disk)}

    def info(self, runtime: str, version: str) -> Object:
        """status.nodeInfo. `runtime` is `containerd://1.6.20`, `version` the agent's."""
        return {
            "machineID": self.machine_id,
            "systemUUID": self.system_uuid,
            "bootID": self.boot_id,
            "kernelVersion": self.kernel,
            "osImage": self.os_image,
            "containerRuntimeVersion": runtime,
            "kubeletVersion": version,
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": self.architecture,
        }


SIMULATED = Machine(cpus=8, memory=32 << 30, disk=100 << 30, os_image="simulated", kernel="simulated")


def examine(root: Path, cgroup: str) -> Machine:
    """The machine we run on; `root` is where pods' files are, `cgroup` that of the node, which may have less memory.
    Blocks. Raises OSError."""
    disk = os.statvfs(root)
    return Machine(
        cpus=os.cpu_count() or 1,
        memory=min(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), memory_limit(cgroup)),
        disk=disk.f_blocks * disk.f_frsize,
        hugepages=_hugepages(),
        machine_id=_text("/etc/machine-id"),
        system_uuid=_text("/sys/class/dmi/id/product_uuid") or _text("/etc/machine-id"),
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
        kernel=platform.release(),
        os_image=_os_image(),
        architecture=kernel.machine(),
    )


def _hugepages() -> tuple[str, ...]:
    """The resource of each size the kernel knows."""
    folder = Path("/sys/kernel/mm/hugepages")
    found = []
    for entry in folder.iterdir() if folder.is_dir() else ():
        kilobytes = int(entry.name.removeprefix("hugepages-").removesuffix("kB"))
        found.append(f"hugepages-{kilobytes >> 20}Gi" if kilobytes >= 1 << 20 else f"hugepages-{kilobytes >> 10}Mi")
    return tuple(sorted(found))


def _os_image() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
