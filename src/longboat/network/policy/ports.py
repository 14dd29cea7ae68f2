"""What a pod may send at all: frames from its own hardware and IP addresses, and claims to no other. Pure.

Every port of the pods' bridge has a chain with the little that is let in by it; the rest is dropped, before the bridge
learns from it or the node answers. It is there before the pod's first process (`enforcer`). So no pod takes part in ARP
or neighbour discovery for another's address, plays the router (CVE-2020-10749), or sends what no policy looks into:
VLAN tags (the bridge's firewall passes them by), or a family in which the cluster has no addresses.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from longboat.network.families import IPV4, IPV6, Family
from longboat.network.policy.attachments import Attachment
from longboat.network.ruleset import Chain, Ruleset, Table

PLACE = "bridge longboat-ports"
ARRIVALS, PORTS = "arrivals", "ports"
FIRST = "type filter hook prerouting priority -300; policy accept;"  # before the bridge's firewall hands packets on
ETHERNET_ARP = "arp htype 1 arp ptype ip arp hlen 6 arp plen 4"


def base() -> Ruleset:
    """What is there before any pod."""
    return Ruleset(
        {ARRIVALS: Chain((f"iifname vmap @{PORTS}",), FIRST)},
        {PORTS: Table("map", "type ifname : verdict;")},
        {PORTS: {}},
    )


def port_rules(pod: Attachment, families: Sequence[Family]) -> Ruleset:
    """What comes in by the port of this pod."""
    rules = [f"ether saddr != {pod.mac} drop", "ether type != { ip, arp, ip6 } drop"]
    if IPV4 in families and (own := ", ".join(pod.of(IPV4))):
        rules.append(f"ether type ip ip saddr {{ {own} }} accept")
        rules.append(f"ether type arp {ETHERNET_ARP} arp saddr ether {pod.mac} arp saddr ip {{ {own} }} accept")
    if IPV6 in families and (own6 := [*pod.of(IPV6), link_local(pod.mac)]):
        targets = ", ".join(f"0x{socket.inet_pton(socket.AF_INET6, each).hex()}" for each in own6)
        rules.append("ether type ip6 icmpv6 type { nd-router-advert, nd-redirect } drop")
        rules.append(f"ether type ip6 icmpv6 type nd-neighbor-advert @th,64,128 != {{ {targets} }} drop")
        rules.append(f"ether type ip6 ip6 saddr {{ {', '.join(own6)} }} accept")
    chain = f"from-{pod.port}"
    return Ruleset({chain: Chain((*rules, "drop"))}, {}, {PORTS: {f'"{pod.port}"': f"goto {chain}"}})


def link_local(mac: str) -> str:
    """The address a kernel gives an interface by itself (RFC 4291, appendix A)."""
    octets = bytearray.fromhex(mac.replace(":", ""))
    octets[0] ^= 2
    return socket.inet_ntop(socket.AF_INET6, b"\xfe\x80" + bytes(6) + octets[:3] + b"\xff\xfe" + octets[3:])
