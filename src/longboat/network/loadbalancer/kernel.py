"""Addresses that move between nodes: on the interface that has the node's own, and told to the neighbours."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any

from longboat.network.families import FAMILIES, IPV4, Family, family
from longboat.network.netlink import IPRoute, NetlinkError

SUFFIX = ":lb"  # marks our IPv4 addresses among those of the interface
# IPv6 addresses have no labels: ours are ranges of one (IFA_F_NODAD) from which nothing new is sent (IFA_F_DEPRECATED).
NO_DAD, DEPRECATED, FOREVER = 0x02, 0x20, 0xFFFFFFFF
ETHERNET_ARP = 0x0806
NEIGHBOUR_ADVERTISEMENT, OVERRIDE, TARGET_LINK_ADDRESS = 136, 0x20, 2  # RFC 4861, 4.4 and 4.6.1
ALL_NODES = "ff02::1"


def holder(node_addresses: Sequence[str]) -> Callable[[frozenset[str]], None]:
    """What makes exactly the given addresses ours, beside the node's own. It blocks and raises OSError."""

    def hold(wanted: frozenset[str]) -> None:
        try:
            with IPRoute() as ip:
                for each in FAMILIES:
                    own, held = each.first(node_addresses), frozenset(filter(each.has, wanted))
                    if own:
                        _hold(ip, each, own, held)
        except NetlinkError as error:
            raise OSError(error.code, str(error)) from error

    return hold


def _hold(ip: Any, family: Family, own: str, wanted: frozenset[str]) -> None:
    found = next(iter(ip.get_addr(address=own)), None)
    if found is None:
        raise OSError(f"no interface has {own}")
    index = found["index"]
    (link,) = ip.get_links(index)
    name, mac = link.get_attr("IFLA_IFNAME"), link.get_attr("IFLA_ADDRESS")
    label = f"{name}{SUFFIX}"
    present = {
        each.get_attr("IFA_ADDRESS")
        for each in ip.get_addr(family=family.number, index=index)
        if (each.get_attr("IFA_LABEL") == label if family is IPV4 else _is_ours(each))
    }
    for address in present - wanted:
        ip.addr("del", index=index, address=address, prefixlen=family.bits)
    for address in wanted - present:
        if family is IPV4:
            ip.addr("add", index=index, address=address, prefixlen=32, label=label)
        else:
            life = {"preferred_lft": 0, "valid_lft": FOREVER}
            ip.addr("add", index=index, address=address, prefixlen=128, flags=NO_DAD, **life)
    for address in wanted:
        _tell(name, mac, address)


def _is_ours(address: Any) -> bool:
    flags = address.get_attr("IFA_FLAGS") or 0
    return bool(address["prefixlen"] == 128 and flags & NO_DAD and flags & DEPRECATED)


def gratuitous_arp(mac: str, address: str) -> bytes:
    """The frame that tells all neighbours at which hardware address an IPv4 address is from now on (RFC 5227)."""
    own, ip = bytes.fromhex(mac.replace(":", "")), socket.inet_aton(address)
    everybody = b"\xff" * 6
    head = everybody + own + ETHERNET_ARP.to_bytes(2, "big")
    request = (1).to_bytes(2, "big") + (0x0800).to_bytes(2, "big") + bytes((6, 4)) + (1).to_bytes(2, "big")
    return head + request + own + ip + bytes(6) + ip


def advertisement(mac: str, address: str) -> bytes:
    """The ICMPv6 message that says the same of an IPv6 address (RFC 4861, 7.2.6); the kernel fills in the checksum."""
    own, ip = bytes.fromhex(mac.replace(":", "")), socket.inet_pton(socket.AF_INET6, address)
    head = bytes((NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, OVERRIDE, 0, 0, 0))
    return head + ip + bytes((TARGET_LINK_ADDRESS, 1)) + own


def _tell(interface: str, mac: str, address: str) -> None:
    if family(address) is IPV4:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
            sender.bind((interface, 0))
            sender.send(gratuitous_arp(mac, address))
        return
    index = socket.if_nametoindex(interface)
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sender:
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        sender.sendto(advertisement(mac, address), (ALL_NODES, 0, 0, index))
