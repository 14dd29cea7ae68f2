"""What a local node's namespaces look like from inside: mounts, addresses, routes, kernel settings.

Everything here runs in a process that has entered them, and may run again on a node that exists.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from longboat.api.families import of_family
from longboat.network.families import IPV6, Family, family
from longboat.network.netlink import IPRoute, NetlinkError
from longboat.network.overlay import host, kernel
from longboat.network.overlay.addresses import host_address, prefix

MARK = Path("/run/longboat-node")  # says that the mounts have been made
SETTINGS = {**host.SETTINGS, "net/ipv4/conf/eth0/send_redirects": "0", "net/ipv6/conf/all/accept_ra": "0"}
SETTINGS6 = {
    **{f"net/ipv6/conf/{each}/disable_ipv6": "0" for each in ("all", "default", "lo", "eth0")},
    **{f"net/ipv6/conf/{each}/accept_ra": "0" for each in ("default", "eth0")},
    "net/ipv6/conf/eth0/accept_dad": "0",
    **host.SETTINGS6,
}
NO_DAD = 0x02  # IFA_F_NODAD


@dataclass(frozen=True)
class LocalNode:
    """A node of a local cluster. `place` is its directory; `resolv` the text of its resolv.conf.

    Ranges are CIDRs, of two families with a comma between; the node has an address in each of the nodes'.
    """

    name: str
    place: Path
    addresses: tuple[str, ...]
    node_cidr: str
    pod_cidr: str
    service_cidr: str
    gateway: bool
    resolv: str = ""

    def configure(self) -> None:
        """Make the node's namespaces what they should be. Raises OSError and NetlinkError."""
        if not MARK.exists():
            self._mounts()
        socket.sethostname(self.name)
        if of_family(IPV6.name, self.node_cidr):
            host.apply_settings(SETTINGS6)
        self._network()
        host.apply_settings(SETTINGS)

    def _mounts(self) -> None:
        kernel.mount(
            "none", Path("/"), flags=kernel.MS_REC | kernel.MS_SHARED
        )  # pods may pass mounts on (Bidirectional)
        resolv = Path("/etc/resolv.conf").resolve()
        kernel.mount("tmpfs", Path("/run"), "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
        for target, source in mount_points(self.place).items():
            source.mkdir(parents=True, exist_ok=True)
            target.mkdir(parents=True, exist_ok=True)
            kernel.bind(source, target)
        own = self.place / "resolv.conf"
        own.write_text(self.resolv)
        if not resolv.exists():
            resolv.parent.mkdir(parents=True, exist_ok=True)  # it was beneath /run
            resolv.touch()
        kernel.bind(own, resolv)
        MARK.write_text(self.name + "\n")

    def _network(self) -> None:
        with IPRoute() as ip:
            lo, eth0 = ip.link_lookup(ifname="lo")[0], ip.link_lookup(ifname="eth0")[0]
            ip.link("set", index=lo, state="up")
            ip.link("set", index=eth0, state="up")
            for address in self.addresses:
                own = family(address)
                cidr, pods, services = map(
                    partial(of_family, own.name), (self.node_cidr, self.pod_cidr, self.service_cidr)
                )
                flags = {"flags": NO_DAD} if own is IPV6 else {}
                ip.addr("replace", index=eth0, address=address, prefixlen=prefix(cidr), **flags)
                if self.gateway:
                    ip.route("replace", dst=f"{own.anywhere}/0", gateway=host_address(cidr))
                else:
                    _forget_default(ip, own)
                host.claim_ranges(ip, eth0, own, address, pods, services)


def mount_points(place: Path) -> dict[Path, Path]:
    """Directories of the machine that each node has for itself, and where they really are.

    On the machine itself they stay behind, empty: to remove one would unmount what other clusters have mounted on it.
    """
    return {
        Path("/var/lib/kubelet"): place / "kubelet",
        Path("/var/log/pods"): place / "logs" / "pods",
        Path("/var/log/containers"): place / "logs" / "containers",
        Path("/var/lib/cni"): place / "cni" / "state",
    }


def resolv_conf(text: str, *, egress: bool) -> str:
    """The machine's resolv.conf for a node: without name servers it cannot reach from its own namespace."""
    lines = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["nameserver"] and (not egress or words[1].startswith("127.") or words[1] == "::1"):
            continue
        lines.append(line)
    return "\n".join(lines) + "\n"


def machine_resolv_conf() -> str:
    """The machine's own; where a local stub answers, what the stub asks (systemd-resolved)."""
    for path in (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf")):
        if path.exists() and os.access(path, os.R_OK):
            return path.read_text()
    return ""


def _forget_default(ip: Any, family: Family) -> None:
    try:
        ip.route("del", dst=f"{family.anywhere}/0")
    except NetlinkError as error:
        if error.code not in (2, 3):  # ENOENT (IPv6), ESRCH: there is none
            raise
