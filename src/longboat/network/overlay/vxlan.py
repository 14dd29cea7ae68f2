"""Pod traffic to nodes that are not on the same network: in UDP datagrams between the nodes (VXLAN, RFC 7348).

Nothing is learnt from packets. Every node's end of the tunnel has an address that follows from the node's own, so each
node can write down, ahead of any traffic, where all the others are. Pure, but for `Tunnel`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

from longboat.network.views import Node

DEVICE, IDENTIFIER, PORT = "longboat.vxlan", 76, 8472  # the port Linux chose before IANA did, as flannel's
OVERHEAD = 50  # bytes: outer Ethernet, IPv4, UDP and VXLAN headers
PROTOCOL = 77  # marks our routes through the tunnel
PERMANENT = 0x80  # NUD_PERMANENT
ONLINK = 0x4  # RTNH_F_ONLINK


@dataclass(frozen=True)
class Peer:
    """Another node's end of the tunnel. `end` is the first address of its pods' range, which no pod has."""

    address: str
    mac: str
    end: str


def mac(address: str) -> str:
    """The hardware address of a node's end: locally administered, with the node's own address in it."""
    octets = IPv4Address(address).packed
    return "02:4c:" + ":".join(f"{octet:02x}" for octet in octets)


def peers(nodes: Iterable[Node], own: str, on_link: str) -> dict[str, Peer]:
    """By the range of their pods, the nodes that can only be reached through the tunnel."""
    link = ip_network(on_link)
    found = {}
    for node in nodes:
        cidr, address = node.spec.podCIDR, node.address
        if node.metadata.name == own or not cidr or not address or ip_address(address) in link:
            continue
        if ip_address(address).version == 4:
            found[cidr] = Peer(address, mac(address), str(ip_network(cidr).network_address))
    return found


class Tunnel:
    """The kernel's side. Blocking: call it off the event loop."""

    def __init__(self, address: str) -> None:
        self._address = address

    def apply(self, own_cidr: str, want: Mapping[str, Peer]) -> None:
        """Make the tunnel lead to these peers and no others; without any it goes. Raises OSError."""
        from longboat.network.netlink import IPRoute, NetlinkError

        try:
            with IPRoute() as ip:
                index = next(iter(ip.link_lookup(ifname=DEVICE)), None)
                if not want:
                    if index is not None:
                        ip.link("del", index=index)
                    return
                if index is None:
                    index = self._make(ip)
                ip.addr("replace", index=index, address=str(ip_network(own_cidr).network_address), prefixlen=32)
                ip.link("set", index=index, state="up")
                known = self._forget(ip, index, want)
                for cidr, peer in want.items():
                    if peer.mac not in known:
                        ip.fdb("append", ifindex=index, lladdr=peer.mac, dst=peer.address)
                    ip.neigh("replace", dst=peer.end, lladdr=peer.mac, ifindex=index, state=PERMANENT)
                    ip.route(
                        "replace", dst=cidr, gateway=peer.end, oif=index, flags=ONLINK, proto=PROTOCOL
                    )  # fmt: skip
        except NetlinkError as error:
            raise OSError(error.code, str(error)) from error

    def _make(self, ip: Any) -> int:
        link = next(found["index"] for found in ip.get_addr(address=self._address))
        (device,) = ip.get_links(link)
        ip.link(
            "add", ifname=DEVICE, kind="vxlan", vxlan_id=IDENTIFIER, vxlan_port=PORT, vxlan_learning=False,
            vxlan_local=self._address, vxlan_link=link,
            mtu=device.get_attr("IFLA_MTU") - OVERHEAD, address=mac(self._address),
        )  # fmt: skip
        return int(ip.link_lookup(ifname=DEVICE)[0])

    @staticmethod
    def _forget(ip: Any, index: int, want: Mapping[str, Peer]) -> set[str]:
        """Take out what led to nodes that are no more, or are elsewhere now. Returns the ends that stay."""
        for route in ip.get_routes(family=2, proto=PROTOCOL):
            cidr = f"{route.get_attr('RTA_DST')}/{route['dst_len']}"
            if cidr not in want:
                ip.route("del", dst=cidr, oif=index, proto=PROTOCOL)
        macs, known = {peer.mac for peer in want.values()}, set()
        for entry in ip.fdb("dump", ifindex=index):
            lladdr, dst = entry.get_attr("NDA_LLADDR"), entry.get_attr("NDA_DST")
            if entry["ifindex"] != index or not dst:
                continue
            if lladdr in macs:
                known.add(lladdr)
            else:
                ip.fdb("del", ifindex=index, lladdr=lladdr, dst=dst)
        return known
