"""Which kernel parameters pods may set: the safe ones, and those the node's owner allows besides. Pure."""

from __future__ import annotations

from collections.abc import Collection

from longboat.node.state import Waiting
from longboat.node.views.pod import Pod

# Each is of the pod alone: it neither reaches other pods nor lets a pod take more than it may (API reference, sysctls).
SAFE = frozenset((
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
))  # fmt: skip
# What has a namespace, so that it can be of a pod alone at all (sysctl names or their beginnings).
NAMESPACED = ("net.", "fs.mqueue.", "kernel.shm", "kernel.msg", "kernel.sem")
FORBIDDEN = "SysctlForbidden"


def refusal(pod: Pod, allowed: Collection[str]) -> Waiting | None:
    """Why the node does not take the pod. `allowed` are names, or beginnings of names before a `*`."""
    for sysctl in pod.spec.securityContext.sysctls:
        name = sysctl.name.replace("/", ".")
        if name not in SAFE and not any(_fits(name, pattern) for pattern in allowed):
            return Waiting(FORBIDDEN, f'forbidden sysctl: "{name}" not allowlisted')
    return None


def check(pattern: str) -> str:
    """The pattern as it is compared. Raises ValueError for what pods cannot have of their own."""
    dotted = pattern.strip().replace("/", ".")
    name = dotted.removesuffix("*")
    if not name or "*" in name:
        raise ValueError(f'"{pattern}" is neither the name of a kernel parameter nor the beginning of one before a *')
    if not name.startswith(NAMESPACED):
        raise ValueError(f'the kernel parameters "{pattern}" are not known to be namespaced')
    return dotted


def _fits(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
