"""The node's mount.nfs: compiled, installed, and taken away again. See README.md."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from e2e.host import Cluster, Done

HERE = Path(__file__).parent
PLACE = "/usr/sbin/mount.nfs"
OVERLAY = "/run/nfs-tools"


def compiled(folder: Path) -> Path:
    """Debian packages gcc, libnfs-dev and libfuse3-dev."""
    target = folder / "mount.nfs"
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-I/usr/include/fuse3", "-o", target, *HERE.glob("*.c")]
    subprocess.run([*command, "-lnfs", "-lfuse3"], check=True)
    return target


class Tools:
    """What /usr/sbin holds on a cluster's nodes."""

    def __init__(self, cluster: Cluster, program: Path, nodes: Iterable[str]) -> None:
        self._cluster, self._program, self._nodes = cluster, program, list(nodes)
        for node in self._nodes:
            layers = f"lowerdir=/usr/sbin,upperdir={OVERLAY}/upper,workdir={OVERLAY}/work"
            self.on(node, "mkdir", "-p", f"{OVERLAY}/upper", f"{OVERLAY}/work").ok()
            self.on(node, "mount", "-t", "overlay", "-o", layers, "overlay", "/usr/sbin").ok()
            self.install(node)

    def install(self, node: str) -> None:
        self.on(node, "install", "-m", "755", str(self._program), PLACE).ok()

    def remove(self, node: str) -> None:
        self.on(node, "rm", PLACE).ok()

    def on(self, node: str, *command: str) -> Done:
        """Run a command on a node."""
        pin = self._cluster.host.data / "run" / "ns" / node / "mnt"
        return self._cluster.host.run("nsenter", f"--mount={pin}", *command)

    def mounted(self, node: str) -> list[str]:
        """The NFS mounts of a node's pods: lines of mountinfo. (The kubelet's directory is shown in a second place.)"""
        lines = self.on(node, "cat", "/proc/self/mountinfo").quiet().splitlines()
        return [line for line in lines if " - fuse.nfs " in line and " /var/lib/kubelet/" in line]

    def close(self) -> None:
        for node in self._nodes:
            self.on(node, "umount", "-l", "/usr/sbin").ok()
