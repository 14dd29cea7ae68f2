"""IP addresses and ranges (Kubernetes' libraries net.ip and net.cidr), in the words of Go's netip."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from longboat.aio.cache import short_lru
from longboat.machinery.addresses import IPAddress
from longboat.machinery.cel import values
from longboat.machinery.cel.errors import EvalError
from longboat.machinery.fieldpath import quoted

TABLE = """
ip string_to_ip (string) IP
ip cidr_ip recv.(CIDR) IP
family ip_family recv.(IP) int
ip.isCanonical ip_is_canonical (string) bool
isUnspecified ip_is_unspecified recv.(IP) bool
isLoopback ip_is_loopback recv.(IP) bool
isLinkLocalMulticast ip_is_link_local_multicast recv.(IP) bool
isLinkLocalUnicast ip_is_link_local_unicast recv.(IP) bool
isGlobalUnicast ip_is_global_unicast recv.(IP) bool
isIP is_ip (string) bool
string ip_to_string (IP) string
cidr string_to_cidr (string) CIDR
containsIP cidr_contains_ip_string recv.(CIDR string) bool
containsIP cidr_contains_ip_ip recv.(CIDR IP) bool
containsCIDR cidr_contains_cidr_string recv.(CIDR string) bool
containsCIDR cidr_contains_cidr recv.(CIDR CIDR) bool
prefixLength cidr_prefix_length recv.(CIDR) int
masked cidr_masked recv.(CIDR) CIDR
isCIDR is_cidr (string) bool
string cidr_to_string (CIDR) string
"""


@dataclass(frozen=True, slots=True)
class Ip:
    address: IPAddress

    @property
    def cel_size(self) -> int:
        """Bytes."""
        return self.address.max_prefixlen // 8


@dataclass(frozen=True, slots=True)
class Cidr:
    address: IPAddress
    bits: int

    @property
    def cel_size(self) -> int:
        """Bytes that the prefix reaches into."""
        return -(-self.bits // 8)

    def masked(self) -> Cidr:
        return Cidr(self.network.network_address, self.bits)

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        return ipaddress.ip_network(
            (int(self.address).to_bytes(self.address.max_prefixlen // 8, "big"), self.bits), False
        )


values.register(Ip, "net.IP")
values.register(Cidr, "net.CIDR")


_remembered = short_lru(maxsize=1024, longest=64)


def _wrong_address(text: str) -> str:
    """What Go's netip.ParseAddr has against it."""
    if not text:
        return "unable to parse IP"
    for sign in text:
        if sign == ".":
            return _wrong_ipv4(text)
        if sign in ":%":
            break
    else:
        return "unable to parse IP"
    if text.partition(":")[0].startswith("%") or "%" in text.partition(":")[0]:
        return "missing IPv6 address"
    return "unable to parse IP" if ":" not in text else _wrong_ipv6(text)


def _wrong_ipv4(text: str) -> str:
    value, digits, fields = 0, 0, 0
    for i, sign in enumerate(text):
        if sign.isascii() and sign.isdigit():
            if digits == 1 and not value:
                return "IPv4 field has octet with leading zero"
            value, digits = value * 10 + int(sign), digits + 1
            if value > 255:
                return "IPv4 field has value >255"
        elif sign == ".":
            if not i or i == len(text) - 1 or text[i - 1] == ".":
                return f"IPv4 field must have at least one digit (at {quoted(text[i:])})"
            if fields == 3:
                return "IPv4 address too long"
            value, digits, fields = 0, 0, fields + 1
        else:
            return f"unexpected character (at {quoted(text[i:])})"
    return "IPv4 address too short"


def _wrong_ipv6(text: str) -> str:
    for i, sign in enumerate(text):
        if not (sign in ":." or sign in "0123456789abcdefABCDEF"):
            return (
                f"each colon-separated field must have at least one digit (at {quoted(text[i:])})"
                if (text[i - 1 : i] == ":")
                else f"unexpected character, want colon (at {quoted(text[i:])})"
            )
    if text.count("::") > 1:
        return "multiple :: in address"
    return "address string too short" if text.count(":") < 7 else "trailing garbage after address"


@_remembered
def _parse(text: str) -> IPAddress:
    """Raises ValueError in upstream's words."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError as error:
        why = _wrong_address(text)
        at = ""
        if why.endswith(")") and " (at " in why:
            why, _, rest = why.partition(" (at ")
            at = f" (at {rest}"
        raise ValueError(
            f"IP Address {quoted(text)} parse error during conversion from string: ParseAddr({quoted(text)}): {why}{at}"
        ) from error
    if isinstance(found, ipaddress.IPv6Address):
        if found.scope_id is not None:
            raise ValueError(f"IP address {quoted(text)} with zone value is not allowed")
        if found.ipv4_mapped is not None:
            raise ValueError(f"IPv4-mapped IPv6 address {quoted(text)} is not allowed")
    return found


@_remembered
def _parse_cidr(text: str) -> Cidr:
    """Raises ValueError in upstream's words."""
    said = "network address parse error during conversion from string: "
    address, slash, bits = text.rpartition("/")
    if not slash:
        raise ValueError(f"{said}netip.ParsePrefix({quoted(text)}): no '/'")
    try:
        found = ipaddress.ip_address(address)
    except ValueError as error:
        raise ValueError(
            f"{said}netip.ParsePrefix({quoted(text)}): ParseAddr({quoted(address)}): {_wrong_address(address)}"
        ) from error
    if isinstance(found, ipaddress.IPv6Address) and found.scope_id is not None:
        raise ValueError(f"{said}netip.ParsePrefix({quoted(text)}): IPv6 zones cannot be present in a prefix")
    if not (bits.isascii() and bits.isdigit()) or (len(bits) > 1 and bits[0] == "0"):
        raise ValueError(f"{said}netip.ParsePrefix({quoted(text)}): bad bits after slash: {quoted(bits)}")
    if len(bits) > 3 or int(bits) > found.max_prefixlen:
        raise ValueError(f"{said}netip.ParsePrefix({quoted(text)}): prefix length out of range")
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        raise ValueError(f"IPv4-mapped IPv6 address {quoted(text)} is not allowed")
    return Cidr(found, int(bits))


def _ip(text: str) -> Ip:
    try:
        return Ip(_parse(text))
    except ValueError as error:
        raise EvalError(str(error)) from error


def _cidr(text: str) -> Cidr:
    try:
        return _parse_cidr(text)
    except ValueError as error:
        raise EvalError(f"network address parse error during conversion from string: {error}") from error


def _fits(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return _remembered(fits)


def _global(address: IPAddress) -> bool:
    special = not int(address) or _loopback(address) or address.is_multicast or _link_local(address)
    return not special and address != ipaddress.IPv4Address("255.255.255.255")


def _loopback(address: IPAddress) -> bool:
    return int(address) >> 24 == 127 if address.version == 4 else int(address) == 1


def _link_local(address: IPAddress) -> bool:
    return int(address) >> 16 == 0xA9FE if address.version == 4 else int(address) >> 118 == 0xFE80 >> 6


def _local_multicast(address: IPAddress) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return address in ipaddress.IPv4Network("224.0.0.0/24")
    return address.packed[0] == 0xFF and address.packed[1] & 0x0F == 0x02


def _holds(range_: Cidr, ip: Ip) -> bool:
    return ip.address.version == range_.address.version and ip.address in range_.network


def _covers(range_: Cidr, other: Cidr) -> bool:
    same_kind = other.address.version == range_.address.version
    return same_kind and range_.bits <= other.bits and other.masked().address in range_.network


CALLS: dict[str, Callable[..., Any]] = {
    "string_to_ip": _ip, "cidr_ip": lambda range_: Ip(range_.address), "ip_family": lambda ip: ip.address.version,
    "ip_is_canonical": lambda text: str(_ip(text).address) == text,
    "ip_is_unspecified": lambda ip: not int(ip.address), "ip_is_loopback": lambda ip: _loopback(ip.address),
    "ip_is_link_local_multicast": lambda ip: _local_multicast(ip.address),
    "ip_is_link_local_unicast": lambda ip: _link_local(ip.address),
    "ip_is_global_unicast": lambda ip: _global(ip.address), "is_ip": _fits(_parse),
    "ip_to_string": lambda ip: str(ip.address), "string_to_cidr": _cidr,
    "cidr_contains_ip_string": lambda range_, text: _holds(range_, _ip(text)), "cidr_contains_ip_ip": _holds,
    "cidr_contains_cidr_string": lambda range_, text: _covers(range_, _cidr(text)), "cidr_contains_cidr": _covers,
    "cidr_prefix_length": lambda range_: range_.bits, "cidr_masked": Cidr.masked, "is_cidr": _fits(_parse_cidr),
    "cidr_to_string": lambda range_: f"{range_.address}/{range_.bits}",
}  # fmt: skip
