"""What a node's network namespace needs before pods are in it: kernel settings, and claimed ranges.

It may run again and again. Blocking: call it off the event loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from longboat.api.families import IPV6, of_family
from longboat.network.families import FAMILIES, Family
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
SETTINGS6 = {  # besides, where pods have IPv6 addresses
    "net/ipv6/conf/all/forwarding": "1",
    # Addresses of pods are the node's to give: to wait whether somebody else has one would cost each pod a second.
    "net/ipv6/conf/default/accept_dad": "0",
    "net/bridge/bridge-nf-call-ip6tables": "1",
}
SYS, CONF6 = Path("/proc/sys"), "net/ipv6/conf"


def prepare(addresses: Sequence[str], pod_cidr: str, service_cidr: str) -> None:
    """For the node that has these addresses, the primary first. Raises OSError and NetlinkError.

    Ranges are CIDRs, of two families with a comma between.
    """
    apply_settings(SETTINGS)
    if of_family(IPV6, pod_cidr):
        go_on_with_advertised_routes()
        apply_settings(SETTINGS6)
    with IPRoute() as ip:
        links = {}
        for address in addresses:
            found = list(ip.get_addr(address=address))
            if not found:
                raise OSError(f"this machine does not have the address {address}")
            links[address] = found[0]["index"]
        for each in FAMILIES:
            address = each.first(addresses)
            link = links[address or addresses[0]]
            claim_ranges(ip, link, each, address, of_family(each.name, pod_cidr), of_family(each.name, service_cidr))


def go_on_with_advertised_routes() -> dict[str, str]:
    """A machine that forwards takes no routes from routers, unless told to. Returns what the settings were."""
    found = {}
    for path in (SYS / CONF6).glob("*/accept_ra"):
        if path.parent.name not in ("all", "default") and path.read_text().strip() == "1":
            found[str(path.relative_to(SYS))] = "1"
            path.write_text("2")
    return found


def apply_settings(settings: dict[str, str]) -> None:
    """Raises OSError where one cannot be set, and is not as it should be already."""
    for name, value in settings.items():
        path = SYS / name
        if path.exists() and path.read_text().strip() != value:
            path.write_text(value)


def claim_ranges(ip: Any, link: int, family: Family, address: str, pod_cidr: str, service_cidr: str) -> None:
    """`link` is the index of the interface that has the node's address. Address and ranges of the family may be ""."""
    # Nothing addressed to a pod or service that nobody claims may leave by the default route…
    for destination in filter(None, (pod_cidr, service_cidr)):
        ip.route("replace", dst=destination, type="unreachable", priority=4096)
    # …but the node's own packets to a service must pass the route look-up that comes before translation.
    # (Not by way of lo: the kernel takes that for local delivery, and sends no ICMP error for it.)
    if not service_cidr:
        return
    source = {"prefsrc": address} if address else {}
    ip.route("replace", dst=service_cidr, oif=link, table=LOCAL_TABLE, scope="link", **source)
    if not any(rule.get_attr("FRA_TABLE") == LOCAL_TABLE for rule in ip.get_rules(family=family.number)):
        ip.rule("add", family=family.number, iifname="lo", table=LOCAL_TABLE, priority=LOCAL_TABLE)
