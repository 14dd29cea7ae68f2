"""What an IP address stands for, however it is written. Pure.

The kernel takes an IPv4 address written as an IPv6 one (`::ffff:127.0.0.1`) for the IPv4 one, while Python's
`is_loopback` and its like say no to it: so nothing judges an address that has not come through `parse`.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

# IPv6 addresses whose last, or middle, 32 bits are an IPv4 address that a gateway may deliver to: RFC 4291 (2.5.5.1),
# RFC 6052, RFC 8215, RFC 2765; and how far from the end those bits are.
_COMPATIBLE = IPv6Network("::/96")
_TRANSLATED = (
    (_COMPATIBLE, 0), (IPv6Network("64:ff9b::/96"), 0), (IPv6Network("64:ff9b:1::/48"), 0),
    (IPv6Network("::ffff:0:0:0/96"), 0), (IPv6Network("2002::/16"), 80),
)  # fmt: skip
_THIS_NETWORK, _BROADCAST = IPv4Network("0.0.0.0/8"), IPv4Address("255.255.255.255")


def parse(text: str) -> IPAddress:
    """The address that is meant. Raises ValueError, also for one with a zone (`fe80::1%eth0`)."""
    return unmapped(ip_address(text))


def unmapped(address: IPAddress) -> IPAddress:
    """The IPv4 address that an IPv4-mapped IPv6 one is (RFC 4291, 2.5.5.2). Raises ValueError for one with a zone."""
    if isinstance(address, IPv4Address):
        return address
    if address.scope_id is not None:
        raise ValueError(f"{address} has a zone")
    return address.ipv4_mapped or address


def network(text: str) -> IPNetwork:
    """A range, an IPv4 one likewise however it is written; host bits may be set.

    Raises ValueError, also for one with a zone, which Python takes whatever stands in it, or with a netmask.
    """
    _, slash, bits = text.partition("/")
    if "%" in text or (slash and not (bits.isascii() and bits.isdigit() and str(int(bits[:4])) == bits)):
        raise ValueError(f"{text!r} is not a range of addresses")
    found = ip_network(text, strict=False)
    if isinstance(found, IPv6Network) and found.network_address.ipv4_mapped and found.prefixlen >= 96:
        return IPv4Network((found.network_address.ipv4_mapped, found.prefixlen - 96))
    return found


def special(address: IPAddress) -> str:
    """Why this is the address of no other machine: `unspecified`, `loopback`, `link-local` or `multicast`; else "".

    An IPv6 address that carries an IPv4 one is judged by that one too.
    """
    address = unmapped(address)
    if isinstance(address, IPv6Address):
        if address.is_unspecified:  # the kernel connects to the machine itself
            return "unspecified"
        if address.is_loopback:
            return "loopback"
        if address.is_link_local:
            return "link-local"
        if address.is_multicast:
            return "multicast"
        carried = next((int(address) >> shift for net, shift in _TRANSLATED if address in net), None)
        return "" if carried is None else special(IPv4Address(carried & 0xFFFFFFFF))
    if address in _THIS_NETWORK:
        return "unspecified"
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    return "multicast" if address.is_multicast or address == _BROADCAST else ""
