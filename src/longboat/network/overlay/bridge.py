"""The bridge a local cluster's nodes hang on, and the host's leg on it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from longboat.api.families import family_of, of_family, split
from longboat.network.families import FAMILIES
from longboat.network.netlink import IPRoute, NetlinkError
from longboat.network.overlay.addresses import host_address, node_address, overlap, prefix

MTU = 1500
NO_DAD = 0x02  # IFA_F_NODAD
ABSENT = (2, 3, 101)  # ENOENT, ESRCH, ENETUNREACH


def bridge_name(cluster: str) -> str:
    """At most 15 characters, as the kernel wants it: `lb-<cluster>`, shortened by a hash."""
    return _short(f"lb-{cluster}")


def port_name(cluster: str, node: str) -> str:
    """The host's end of a node's cable."""
    return _short(f"lb{hashlib.sha256(cluster.encode()).hexdigest()[:4]}-{node.removeprefix('node-')}")


def _short(name: str) -> str:
    return name if len(name) <= 15 else name[:8] + "-" + hashlib.sha256(name.encode()).hexdigest()[:6]


def used_ranges(but: str = "") -> list[str]:
    """Every range this machine has an address or a route in, except those of the interface `but`."""
    with IPRoute() as ip:
        return _used_ranges(ip, but)


def _used_ranges(ip: Any, but: str) -> list[str]:
    mine = set(ip.link_lookup(ifname=but)) if but else set()
    ranges = [
        f"{address.get_attr('IFA_ADDRESS')}/{address['prefixlen']}"
        for each in FAMILIES
        for address in ip.get_addr(family=each.number)
        if address["index"] not in mine
    ]
    for route in [route for each in FAMILIES for route in ip.get_routes(family=each.number)]:
        destination = route.get_attr("RTA_DST")
        if destination and route.get_attr("RTA_TABLE") == 254 and route.get_attr("RTA_OIF") not in mine:
            ranges.append(f"{destination}/{route['dst_len']}")
    return ranges


def free_range(candidates: list[str], used: list[str]) -> str:
    """The first candidate that overlaps nothing in use. Raises LookupError."""
    for candidate in candidates:
        if not any(overlap(candidate, other) for other in used):
            return candidate
    raise LookupError(f"every one of {candidates[0]} … {candidates[-1]} overlaps an address or route of this machine")


def ensure_bridge(cluster: str, node_cidr: str) -> bool:
    """Make the bridge, and the host's leg in each of the ranges. True if it was not there."""
    name = bridge_name(cluster)
    with IPRoute() as ip:
        found = ip.link_lookup(ifname=name)
        if not found:
            ip.link("add", ifname=name, kind="bridge", mtu=MTU, br_stp_state=0, br_forward_delay=0)
        index = ip.link_lookup(ifname=name)[0]
        hears_routers = Path(f"/proc/sys/net/ipv6/conf/{name}/accept_ra")
        if hears_routers.exists():
            hears_routers.write_text("0")  # there are none, whatever a pod on a node's network may say
        for cidr in split(node_cidr):
            flags = {"flags": NO_DAD} if ":" in cidr else {}
            ip.addr("replace", index=index, address=host_address(cidr), prefixlen=prefix(cidr), **flags)
        ip.link("set", index=index, state="up")
        return not found


def connect(cluster: str, node: str, pid: int) -> None:
    """Run a cable from the bridge into the network namespace of process `pid`, where its end is called eth0."""
    port, name = port_name(cluster, node), bridge_name(cluster)
    with IPRoute() as ip:
        for index in ip.link_lookup(ifname=port):
            ip.link("del", index=index)
        ip.link("add", ifname=port, kind="veth", mtu=MTU, peer={"ifname": "eth0", "net_ns_pid": pid, "mtu": MTU})
        ip.link("set", index=ip.link_lookup(ifname=port)[0], master=ip.link_lookup(ifname=name)[0], state="up")


def disconnect(cluster: str, node: str) -> None:
    with IPRoute() as ip:
        for index in ip.link_lookup(ifname=port_name(cluster, node)):
            ip.link("del", index=index)


def route_cluster(node_cidr: str, pod_cidr: str, service_cidr: str) -> None:
    """Let the host (and the API server on it) reach pods and services, through node-1, which knows the way."""
    with IPRoute() as ip:
        for destination, gateway in _ways(node_cidr, pod_cidr, service_cidr):
            ip.route("replace", dst=destination, gateway=gateway)


def unroute_cluster(node_cidr: str, pod_cidr: str, service_cidr: str) -> None:
    with IPRoute() as ip:
        for destination, gateway in _ways(node_cidr, pod_cidr, service_cidr):
            try:
                ip.route("del", dst=destination, gateway=gateway)
            except NetlinkError as error:
                if error.code not in ABSENT:  # it went with the bridge, or was never there
                    raise


def _ways(node_cidr: str, *destinations: str) -> Iterator[tuple[str, str]]:
    """Ranges and the gateway to each."""
    for destination in (each for ranges in destinations for each in split(ranges)):
        if nodes := of_family(family_of(destination), node_cidr):
            yield destination, node_address(nodes, 1)


def delete_bridge(cluster: str) -> None:
    """Remove the bridge, and with it the host's leg. Fine where there is none."""
    with IPRoute() as ip:
        for index in ip.link_lookup(ifname=bridge_name(cluster)):
            ip.link("del", index=index)
