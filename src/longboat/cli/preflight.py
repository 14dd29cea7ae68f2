"""What must be true before `up` touches anything, and what to do where it is not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from longboat.assembly import files
from longboat.cli import trust
from longboat.cli.errors import Failure

PACKAGES = "containerd runc containernetworking-plugins nftables"
BINARIES = {  # what each is for, and its Debian packages
    "containerd": ("Longboat runs pods through containerd", PACKAGES),
    "runc": ("containerd starts containers through runc", PACKAGES),
    "nsenter": ("nodes live in namespaces, entered through nsenter", "util-linux"),
}
PLUGINS = ("bridge", "host-local", "loopback")
PLUGIN_DIR = Path("/usr/lib/cni")
ROOM = 64 << 20  # bytes a cluster needs to start


def check_nodes(simulated_instead: int) -> None:
    """That this machine can run real nodes. Raises Failure naming what is missing."""
    without = f"To try it without containers: longboat up --nodes 0 --simulated-nodes {simulated_instead}"
    if os.geteuid() != 0:
        raise Failure(
            "node-1: real nodes need root (network namespaces, mounts, cgroups)",
            f"Run it as root: sudo longboat up\n{without}",
        )
    for binary, (reason, packages) in BINARIES.items():
        if shutil.which(binary, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
            raise _missing(f"{binary} is not installed", reason, packages, without)
    for plugin in PLUGINS:
        if not (PLUGIN_DIR / plugin).exists():
            problem = f"the CNI plugin {plugin} is not in {PLUGIN_DIR}"
            raise _missing(problem, "Pods get their network through it", "containernetworking-plugins", without)
    from ctypes.util import find_library

    if find_library("nftables") is None:
        raise _missing("libnftables is not installed", "Services are nftables rules", "nftables", without)


def _missing(problem: str, reason: str, packages: str, without: str) -> Failure:
    remedy = f"{reason}. On Debian and Ubuntu: apt install {packages}"
    return Failure(f"node-1: {problem}", f"{remedy}\n{without}")


def check_data_dir(place: Path) -> None:
    """That the data directory can be made and written, is ours, has room, and leaves room for a socket's path."""
    files.directory(place)
    trust.check(place)  # again: it may have been made by another meanwhile
    trust.check_private(place / "run")
    if not os.access(place, os.W_OK | os.X_OK):
        raise Failure(f"cannot write to {place}", "Run as its owner (sudo?), or choose another: --data-dir DIR")
    room = os.statvfs(place)
    if room.f_bavail * room.f_frsize < ROOM:
        raise Failure(
            f"cannot start in {place}: no space left on the device ({room.f_bavail * room.f_frsize >> 20} MiB)",
            "Free some space there, or put the cluster elsewhere: longboat up --data-dir DIR",
        )
    longest = len(str(place / "run" / "store.sock"))
    if longest > 100:
        raise Failure(f"the path {place} is too long for a Unix socket", "Choose a shorter one: --data-dir DIR")
