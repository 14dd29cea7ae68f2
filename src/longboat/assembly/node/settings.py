"""What a node is made by. Whoever reads it from flags has checked it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from longboat.node.rules import Rules


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Ranges are CIDRs, two families' with a comma between."""

    name: str
    addresses: tuple[str, ...]  # the primary first, at most one of each family
    data_dir: Path
    root_dir: Path = Path("/var/lib/kubelet")  # of pods' files
    runtime: str = ""  # the container runtime's socket; "" for a containerd of its own
    cgroup_root: str = "/"
    port: int = 10250
    node_cidr: str = ""  # "" for the ranges that the addresses are on
    pod_cidr: str = "10.244.0.0/16"
    service_cidr: str = "10.96.0.0/16"
    cluster_dns: tuple[str, ...] = ()  # () for the tenth address of each range of Services
    serve_dns: bool = True
    cluster_domain: str = "cluster.local"
    resolv_conf: Path | None = None  # None for the machine's, past a local stub
    ingress_http_port: int = 80  # 0: nowhere
    ingress_https_port: int = 443
    unsafe_sysctls: tuple[str, ...] = ()
    seccomp_default: bool = True
    pod_max_pids: int = 0  # 0: no limit
    rules: Rules = field(default_factory=Rules)  # by which it is kept from running short
