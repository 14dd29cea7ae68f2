"""What a node's network namespace needs before pods are in it: kernel settings, and claimed ranges.

It may run again and again. Blocking: call it off the event loop.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from longboat.network.netlink import IPRoute

LOCAL_TABLE = 100  # routes for what this node itself sends
SETTINGS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/conf/all/send_redirects": "0",  # traffic from the host to another node's pod turns round here
    # Replies between two pods of one bridge must pass conntrack, which undoes the translation of the service address.
    "net/bridge/bridge-nf-call-iptables": "1",
    # A packet outside the TCP window would be taken as invalid, left untranslated, and answered with a reset.
    "net/netfilter/nf_conntrack_tcp_be_liberal": "1",
}


def prepare(address: str, pod_cidr: str, service_cidr: str) -> None:
    """For the node that has this address. Raises OSError and NetlinkError."""
    apply_settings(SETTINGS)
    with IPRoute() as ip:
        found = list(ip.get_addr(address=address))
        if not found:
            raise OSError(f"this machine does not have the address {address}")
        claim_ranges(ip, found[0]["index"], address, pod_cidr, service_cidr)


def apply_settings(settings: dict[str, str]) -> None:
    """Raises OSError where one cannot be set, and is not as it should be already."""
    for name, value in settings.items():
        path = Path("/proc/sys") / name
        if path.exists() and path.read_text().strip() != value:
            path.write_text(value)


def claim_ranges(ip: Any, link: int, address: str, pod_cidr: str, service_cidr: str) -> None:
    """`link` is the index of the interface that has the node's address."""
    # Nothing addressed to a pod or service that nobody claims may leave by the default route…
    for destination in (pod_cidr, service_cidr):
        ip.route("replace", dst=destination, type="unreachable", priority=4096)
    # …but the node's own packets to a service must pass the route look-up that comes before translation.
    # (Not by way of lo: the kernel takes that for local delivery, and sends no ICMP error for it.)
    ip.route("replace", dst=service_cidr, oif=link, table=LOCAL_TABLE, prefsrc=address, scope="link")
    if not any(rule.get_attr("FRA_TABLE") == LOCAL_TABLE for rule in ip.get_rules(family=2)):
        ip.rule("add", iifname="lo", table=LOCAL_TABLE, priority=LOCAL_TABLE)
