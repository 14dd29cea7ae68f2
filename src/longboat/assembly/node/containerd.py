"""The containerd of a node: its configuration."""

from __future__ import annotations

import json
from pathlib import Path

from longboat.assembly import files
from longboat.assembly.node.pause import IMAGE as PAUSE

SOCKET = "/run/containerd/containerd.sock"  # in the node's own /run
NAMESPACE = "k8s.io"  # where the CRI plugin keeps its images
PLUGIN_DIR = "/usr/lib/cni"
UNUSED = (
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.internal.v1.opt",  # would make /opt/containerd on the host
    "io.containerd.tracing.processor.v1.otlp",
)


def config(place: Path, *, apparmor: bool, may_lower_oom_score: bool, socket: str = SOCKET) -> str:
    """containerd's config.toml (version 2) for the node whose directory is `place`. Its state lies by its socket."""
    quoted = json.dumps  # a JSON string is a TOML basic string
    return f"""version = 2
root = {quoted(str(place / "containerd" / "root"))}
state = {quoted(str(Path(socket).parent))}
disabled_plugins = {quoted(list(UNUSED))}

[grpc]
  address = {quoted(socket)}

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = {quoted(PAUSE)}
  disable_apparmor = {str(not apparmor).lower()}
  restrict_oom_score_adj = {str(not may_lower_oom_score).lower()}
  tolerate_missing_hugetlb_controller = true
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = {quoted(PLUGIN_DIR)}
  conf_dir = {quoted(str(place / "cni" / "net.d"))}
  max_conf_num = 1
  ip_pref = "cni"

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
"""


def write_config(place: Path, socket: str = SOCKET) -> None:
    directory = files.directory(place / "containerd")
    files.directory(place / "cni" / "net.d")
    enabled = Path("/sys/module/apparmor/parameters/enabled")
    apparmor = enabled.exists() and enabled.read_text().startswith("Y") and Path("/sbin/apparmor_parser").exists()
    text = config(place, apparmor=apparmor, may_lower_oom_score=_may_lower_oom_score(), socket=socket)
    if not (directory / "config.toml").exists() or (directory / "config.toml").read_text() != text:
        files.write(directory / "config.toml", text)


def _may_lower_oom_score() -> bool:
    """Whether this process may make containers less likely victims (CAP_SYS_RESOURCE, bit 24)."""
    status = Path("/proc/self/status").read_text()
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff"))
    return bool(int(effective, 16) >> 24 & 1)
