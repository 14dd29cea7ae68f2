"""Pod traffic to nodes that are not on the same network: in UDP datagrams between the nodes (VXLAN, RFC 7348).

Nothing is learnt from packets. Every node's end of the tunnel has an address that follows from the node's own, so each
node can write down, ahead of any traffic, where all the others are. Pure, but for `Tunnel`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address, ip_network
from typing import Any

from longboat.api.families import IPV6, family_of, of_family
from longboat.network.families import FAMILIES
from longboat.network.overlay.routes import gateway
from longboat.network.views import Node

DEVICE, IDENTIFIER, PORT = "longboat.vxlan", 76, 8472  # the port Linux chose before IANA did, as flannel's
PROTOCOL = 77  # marks our routes through the tunnel
NO_DAD = 0x02  # IFA_F_NODAD
PERMANENT = 0x80  # NUD_PERMANENT
ONLINK = 0x4  # RTNH_F_ONLINK


@dataclass(frozen=True)
class Peer:
    """Another node's end of the tunnel. `end` is the first address of its pods' range, which no pod has."""

    address: str
    mac: str
    end: str


def mac(address: str) -> str:
    """The hardware address of a node's end: locally administered, with the node's own address in it (or its hash)."""
    packed = ip_address(address).packed
    octets = packed if len(packed) == 4 else sha256(packed).digest()[:4]
    return "02:4c:" + ":".join(f"{octet:02x}" for octet in octets)


def overhead(address: str) -> int:
    """Bytes around a packet: outer Ethernet, IP of this family, UDP and VXLAN headers."""
    return 70 if family_of(address) == IPV6 else 50


def peers(nodes: Iterable[Node], own: str, on_link: str, address: str) -> dict[str, Peer]:
    """By the range of their pods, the nodes that can only be reached through the tunnel.

    One tunnel carries both families, in packets of that of `address`, our end.
    """
    found = {}
    for node in nodes:
        far = of_family(family_of(address), node.addresses)
        if node.metadata.name == own or not far:
            continue
        for cidr in node.pod_ranges:
            if not gateway(node, cidr, on_link):
                found[cidr] = Peer(far, mac(far), str(ip_network(cidr).network_address))
    return found


class Tunnel:
    """The kernel's side. Blocking: call it off the event loop."""

    def __init__(self, address: str) -> None:
        self._address = address

    def apply(self, own_ranges: Sequence[str], want: Mapping[str, Peer]) -> None:
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
                for cidr in own_ranges:
                    own = ip_network(cidr)
                    flags = {"flags": NO_DAD} if own.version == 6 else {}
                    end = str(own.network_address)
                    ip.addr("replace", index=index, address=end, prefixlen=own.max_prefixlen, **flags)
                ip.link("set", index=index, state="up")
                known = self._forget(ip, index, want)
                for cidr, peer in want.items():
                    if peer.mac not in known:
                        ip.fdb("append", ifindex=index, lladdr=peer.mac, dst=peer.address)
                        known.add(peer.mac)
                    ip.neigh("replace", dst=peer.end, lladdr=peer.mac, ifindex=index, state=PERMANENT)
                    ip.route(
                        "replace", dst=cidr, gateway=peer.end, oif=index, flags=ONLINK, proto=PROTOCOL
                    )  # fmt: skip
        except NetlinkError as error:
            raise OSError(error.code, str(error)) from error

    def _make(self, ip: Any) -> int:
        link = next(found["index"] for found in ip.get_addr(address=self._address))
        (device,) = ip.get_links(link)
        local = "vxlan_local6" if family_of(self._address) == IPV6 else "vxlan_local"
        ip.link(
            "add", ifname=DEVICE, kind="vxlan", vxlan_id=IDENTIFIER, vxlan_port=PORT, vxlan_learning=False,
            vxlan_link=link, mtu=device.get_attr("IFLA_MTU") - overhead(self._address), address=mac(self._address),
            **{local: self._address},
        )  # fmt: skip
        return int(ip.link_lookup(ifname=DEVICE)[0])

    @staticmethod
    def _forget(ip: Any, index: int, want: Mapping[str, Peer]) -> set[str]:
        """Take out what led to nodes that are no more, or are elsewhere now. Returns the ends that stay."""
        for route in [found for each in FAMILIES for found in ip.get_routes(family=each.number, proto=PROTOCOL)]:
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
