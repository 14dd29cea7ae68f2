"""Names of addresses: in-addr.arpa and ip6.arpa (RFC 1035, 3596). Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from longboat.network.dns.wire import Labels

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_FORMS: dict[Labels, tuple[int, int, int]] = {  # suffix: labels of a whole name, bits and base of each
    (b"in-addr", b"arpa"): (4, 8, 10),
    (b"ip6", b"arpa"): (32, 4, 16),
}


def canonical(address: str) -> str:
    """An address in the one form it is looked up by; text that is none comes back as it is."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address


def network_of(name: Labels) -> Network | None:
    """The range of addresses a name stands for, a single one if it is whole; None for other names."""
    form = _FORMS.get(name[-2:])
    if form is None or len(name) - 2 > form[0]:
        return None
    count, bits, base = form
    digits = name[-3::-1]
    value = 0
    for digit in digits:
        if not digit.isalnum() or (len(digit) > 1 and (digit.startswith(b"0") or base == 16)):
            return None
        try:
            number = int(digit, base)
        except ValueError:
            return None
        if number >> bits:
            return None
        value = value << bits | number
    value <<= bits * (count - len(digits))
    address = ipaddress.IPv4Address(value) if base == 10 else ipaddress.IPv6Address(value)
    return ipaddress.ip_network((address, bits * len(digits)))


def zone_of(asked: Network, name: Labels, own: Iterable[Network]) -> Labels | None:
    """The zone of ours that a name in reverse form is in; None where it is somebody else's."""
    for network in own:
        if network.version == asked.version and asked.prefixlen >= network.prefixlen:
            bits = 8 if network.version == 4 else 4
            depth = -(-network.prefixlen // bits)  # whole labels: a zone must not reach beyond the range
            if len(name) - 2 >= depth and asked.subnet_of(network):  # type: ignore[arg-type]
                return name[len(name) - 2 - depth :]
    return None
