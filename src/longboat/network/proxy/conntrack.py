"""The kernel's table of tracked flows: read what matters of it, and delete what has gone stale (ctnetlink).

The kernel picks the flows to show by itself (since 5.8; older ones show all, which is slower), so what nobody asks
about is never copied: of a table of 100,000 flows it takes 20 ms to find a few, and two seconds to look at all.
Deletions go many to a message.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterable, Iterator

from longboat.network.families import Family
from longboat.network.netlink import IPRoute
from longboat.network.proxy.fronts import Flow, Look, is_inside

NUMBERS = {"UDP": socket.IPPROTO_UDP, "SCTP": socket.IPPROTO_SCTP}
NAMES = {number: name for name, number in NUMBERS.items()}

NETLINK_NETFILTER = 12  # linux/netlink.h
NLMSG_ERROR, NLMSG_DONE = 2, 3
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
GET, DELETE = 0x101, 0x102  # linux/netfilter/nfnetlink_conntrack.h: IPCTNL_MSG_CT_*, of subsystem 1
NESTED, TYPE = 0x8000, 0x3FFF
TUPLE_ORIG, TUPLE_REPLY, STATUS, ID, ZONE, FILTER, STATUS_MASK = 1, 2, 3, 12, 18, 25, 26  # CTA_*
TUPLE_IP, IP_V4_SRC, TUPLE_PROTO, PROTO_NUM, PROTO_SRC_PORT, PROTO_DST_PORT = 1, 1, 2, 1, 2, 3
FILTER_ORIG, FILTER_REPLY, BY_IP_SRC, BY_PROTO_NUM, BY_DST_PORT = 1, 2, 1 << 0, 1 << 3, 1 << 5
DST_NAT = 1 << 5  # IPS_DST_NAT
HEAD, NAMES_IT = 20, (TUPLE_ORIG, ID, ZONE)
BATCH = 256  # deletions in one message to the kernel
Stale = Callable[[Flow, Callable[[bytes], bool]], bool]


def forget(looks: Iterable[Look], family: Family, stale: Stale) -> int:
    """Delete what is stale among the flows looked at, in this process's network namespace, and say how many there were.

    Blocking. `stale` is given a flow and a function that tells whether an address is this machine's. Raises OSError.
    """
    is_local, handles = _Local(family), list[bytes]()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as kernel:
        kernel.bind((0, 0))
        for look in looks:
            handles += [handle for flow, handle in _dump(kernel, look, family) if stale(flow, is_local)]
        for start in range(0, len(handles), BATCH):
            _delete(kernel, handles[start : start + BATCH], family)
    return len(handles)


class _Local:
    """Whether an address is this machine's. Asked for seldom: the kernel is asked when it first is."""

    def __init__(self, family: Family) -> None:
        self._family, self._known = family, set[bytes]()

    def __call__(self, address: bytes) -> bool:
        family = self._family
        if not self._known:
            with IPRoute() as ip:
                found = (each.get_attr("IFA_LOCAL") or each.get_attr("IFA_ADDRESS") for each in _addresses(ip, family))
                self._known = {socket.inet_pton(family.number, text) for text in found}
        return address in self._known or is_inside(address)


def _addresses(ip: IPRoute, family: Family) -> Iterable[IPRoute]:
    return ip.get_addr(family=family.number)  # type: ignore[no-any-return]


def _dump(kernel: socket.socket, look: Look, family: Family) -> Iterator[tuple[Flow, bytes]]:
    """Flows, each with the attributes by which the kernel knows it."""
    kernel.send(_message(GET, REQUEST | DUMP, family, _filter(look)))
    while True:
        data = memoryview(kernel.recv(1 << 20))
        for kind, body in _messages(data):
            if kind in (NLMSG_DONE, NLMSG_ERROR):
                _check(body, "reading tracked flows")
                return
            if (found := _flow(body)) is not None:
                yield found


def _delete(kernel: socket.socket, handles: list[bytes], family: Family) -> None:
    """The last one is acknowledged, whatever became of it; of the others the kernel names those that failed."""
    flags = [REQUEST] * (len(handles) - 1) + [REQUEST | ACK]
    batch = (
        _message(DELETE, each, family, handle, n) for n, (each, handle) in enumerate(zip(flags, handles, strict=True))
    )
    kernel.send(b"".join(batch))
    while True:
        data = memoryview(kernel.recv(1 << 20))
        for _, body in _messages(data):
            (error,), (_, _, _, number) = struct.unpack_from("i", body), struct.unpack_from("IHHI", body, 4)
            if error and -error != 2:  # ENOENT: it ended by itself
                raise OSError(-error, f"forgetting a tracked flow: {os.strerror(-error)}")
            if number == len(handles) - 1:
                return


def _filter(look: Look) -> bytes:
    protocol = _attribute(PROTO_NUM, bytes([NUMBERS[look.protocol]]))
    port = _attribute(PROTO_DST_PORT, struct.pack(">H", look.port)) if look.port else b""
    sent = _attribute(TUPLE_ORIG | NESTED, _attribute(TUPLE_PROTO | NESTED, protocol + port))
    answered, how, by_source = b"", b"", 0
    if len(look.backend) == 4:
        source = _attribute(TUPLE_IP | NESTED, _attribute(IP_V4_SRC, look.backend))
        answered, by_source = _attribute(TUPLE_REPLY | NESTED, source), BY_IP_SRC
    elif (
        look.backend
    ):  # by IPv6 addresses the kernel shows those that differ (still in 6.18): all translated ones, then
        how = _status(DST_NAT)
    if look.port:
        how = _status(0)
    by = struct.pack("I", BY_PROTO_NUM | (BY_DST_PORT if look.port else 0)), struct.pack("I", by_source)
    chosen = _attribute(FILTER | NESTED, _attribute(FILTER_ORIG, by[0]) + _attribute(FILTER_REPLY, by[1]))
    return sent + answered + how + chosen


def _status(translated: int) -> bytes:
    return _attribute(STATUS, struct.pack(">I", translated)) + _attribute(STATUS_MASK, struct.pack(">I", DST_NAT))


def _flow(body: memoryview) -> tuple[Flow, bytes] | None:
    """None for one of a protocol that is none of ours."""
    found = {kind: (value, whole) for kind, value, whole in _attributes(body[4:])}
    number, _, address, _, port = _tuple(found[TUPLE_ORIG][0])
    if number not in NAMES:
        return None
    _, source, _, source_port, _ = _tuple(found[TUPLE_REPLY][0])
    handle = b"".join(bytes(found[kind][1]) for kind in NAMES_IT if kind in found)
    return Flow(NAMES[number], address, port, (source, source_port)), handle


def _tuple(body: memoryview) -> tuple[int, bytes, bytes, int, int]:
    """Protocol, source, destination, and their ports."""
    parts = {kind: value for kind, value, _ in _attributes(body)}
    ends = [bytes(value) for _, value, _ in _attributes(parts[TUPLE_IP])]  # source, then destination
    proto = {kind: value for kind, value, _ in _attributes(parts[TUPLE_PROTO])}
    ports = [int.from_bytes(proto.get(each, b""), "big") for each in (PROTO_SRC_PORT, PROTO_DST_PORT)]
    return proto[PROTO_NUM][0], ends[0], ends[1], ports[0], ports[1]


def _message(kind: int, flags: int, family: Family, body: bytes, number: int = 0) -> bytes:
    return struct.pack("IHHII", HEAD + len(body), kind, flags, number, 0) + bytes([family.number, 0, 0, 0]) + body


def _messages(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Kind and what follows the head of each message."""
    start = 0
    while start < len(data):
        length, kind = struct.unpack_from("IH", data, start)
        yield kind, data[start + 16 : start + length]
        start += _padded(length)


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _attributes(data: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """Kind, value, and the whole attribute with its head and padding."""
    start = 0
    while start < len(data):
        length, kind = struct.unpack_from("HH", data, start)
        yield kind & TYPE, data[start + 4 : start + length], data[start : start + _padded(length)]
        start += _padded(length)


def _padded(length: int) -> int:
    return (length + 3) & ~3


def _check(body: memoryview, doing: str) -> None:
    (error,) = struct.unpack_from("i", body)
    if error:
        raise OSError(-error, f"{doing}: {os.strerror(-error)}")
