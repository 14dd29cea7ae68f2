"""Addresses that move between nodes: on the interface that has the node's own, and told to the neighbours."""

from __future__ import annotations

import socket
from collections.abc import Callable

from longboat.network.netlink import IPRoute, NetlinkError

SUFFIX = ":lb"  # marks our addresses among those of the interface
ETHERNET_ARP = 0x0806


def holder(node_address: str) -> Callable[[frozenset[str]], None]:
    """What makes exactly the given addresses ours, beside the node's own. It blocks and raises OSError."""

    def hold(wanted: frozenset[str]) -> None:
        try:
            with IPRoute() as ip:
                found = next(iter(ip.get_addr(address=node_address)), None)
                if found is None:
                    raise OSError(f"no interface has {node_address}")
                index = found["index"]
                (link,) = ip.get_links(index)
                name, mac = link.get_attr("IFLA_IFNAME"), link.get_attr("IFLA_ADDRESS")
                label = f"{name}{SUFFIX}"
                present = {each.get_attr("IFA_ADDRESS") for each in ip.get_addr(index=index, label=label)}
                for address in present - wanted:
                    ip.addr("del", index=index, address=address, prefixlen=32)
                for address in wanted - present:
                    ip.addr("add", index=index, address=address, prefixlen=32, label=label)
                for address in wanted:
                    _tell(name, mac, address)
        except NetlinkError as error:
            raise OSError(error.code, str(error)) from error

    return hold


def gratuitous_arp(mac: str, address: str) -> bytes:
    """The frame that tells all neighbours at which hardware address an IPv4 address is from now on (RFC 5227)."""
    own, ip = bytes.fromhex(mac.replace(":", "")), socket.inet_aton(address)
    everybody = b"\xff" * 6
    head = everybody + own + ETHERNET_ARP.to_bytes(2, "big")
    request = (1).to_bytes(2, "big") + (0x0800).to_bytes(2, "big") + bytes((6, 4)) + (1).to_bytes(2, "big")
    return head + request + own + ip + bytes(6) + ip


def _tell(interface: str, mac: str, address: str) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((interface, 0))
        sender.send(gratuitous_arp(mac, address))
