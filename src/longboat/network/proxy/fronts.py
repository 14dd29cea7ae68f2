"""What datagrams are sent to, and which of the kernel's tracked flows lead elsewhere than they should. Pure.

A datagram follows the flow that its first one made, for as long as its client goes on from the same socket: to an
endpoint that is gone, or, where there was no endpoint when it began, to nobody. So whenever the rules change, flows
that no longer agree with them are forgotten, and the next datagram takes the way of a first one. TCP needs none of
this: its connections end. SCTP's associations set up again, from the same port, and would find the old flow.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from longboat.client.interface import Key
from longboat.network.families import Family
from longboat.network.proxy.endpoints import lasting
from longboat.network.proxy.rules import NodeInfo, entrances
from longboat.network.views import EndpointSlice, Service

IN6_LOOPBACK = socket.inet_pton(socket.AF_INET6, "::1")
PROTOCOLS = ("UDP", "SCTP")
MANY = 8  # looks for something certain, after which one look at everything costs less


class Front(NamedTuple):
    """A place to send to. `address` is as in a packet; b"" stands for any of the node's own."""

    protocol: str
    address: bytes
    port: int


Backend = tuple[bytes, int]  # address and port
Fronts = Mapping[Front, frozenset[Backend]]


class Flow(NamedTuple):
    """Where a tracked flow is sent to, and where from it is answered: elsewhere, if it is translated."""

    protocol: str
    address: bytes
    port: int
    backend: Backend

    @property
    def is_translated(self) -> bool:
        return self.backend != (self.address, self.port)


class Look(NamedTuple):
    """Which flows to look at: all of a protocol, or those that go to `backend`, or untranslated ones to `port`."""

    protocol: str
    backend: bytes = b""
    port: int = 0


def of_service(service: Service, slices: Iterable[EndpointSlice], node: NodeInfo) -> Fronts:
    """A Service's fronts of the node's family, and what may be behind each: whatever still serves.

    Traffic policies choose for new flows only (as do those of kube-proxy).
    """
    found: dict[Front, frozenset[Backend]] = {}
    family, pieces = node.family, list(slices)
    address = family.first(service.spec.addresses)
    for port in service.spec.ports if address else ():
        if port.protocol in PROTOCOLS:
            behind = frozenset((packed(a, family), number) for a, number in lasting(pieces, port, family))
            found[Front(port.protocol, packed(address, family), port.port)] = behind
            for outer, number in entrances(service, port, family):
                found[Front(port.protocol, packed(outer, family), number)] = behind
    return found


def of_host_ports(node: NodeInfo) -> Fronts:
    """The host ports of the node's family."""
    family = node.family
    return {
        Front(item.protocol, packed(item.host_ip, family), item.port): frozenset(
            {(packed(item.pod_ip, family), item.pod_port)}
        )
        for item in node.host_ports
        if item.protocol in PROTOCOLS and family.has(item.pod_ip) and (not item.host_ip or family.has(item.host_ip))
    }


def packed(address: str, family: Family) -> bytes:
    """As in a packet; b"" for "" and for the address that stands for all."""
    return socket.inet_pton(family.number, address) if address not in ("", family.anywhere) else b""


def is_inside(address: bytes) -> bool:
    """Whether it is a loopback address."""
    return address[0] == 127 if len(address) == 4 else address == IN6_LOOPBACK


class Tracker:
    """Knows all fronts of one family, whose they are, and what has to be looked at since they changed.

    `is_pod` tells whether an address is one of the cluster's pods.
    """

    def __init__(self, is_pod: Callable[[bytes], bool]) -> None:
        self._is_pod = is_pod
        self._of: dict[Key, Fronts] = {}
        self._behind: dict[Front, dict[Key, frozenset[Backend]]] = {}
        self._taken = self._taken_inside = frozenset[tuple[str, int]]()
        self._looks: set[Look] = set()
        self._lost: set[Front] = set()
        self.distrust()  # flows may be older than this process

    def distrust(self) -> None:
        """Look at everything."""
        self._looks |= {Look(protocol) for protocol in PROTOCOLS}

    def set(self, owner: Key, fronts: Fronts) -> None:
        """What an owner's fronts are from now on."""
        old = self._of.get(owner, {})
        for front in old.keys() | fronts.keys():
            before, after = old.get(front, frozenset()), fronts.get(front, frozenset())
            self._looks |= {Look(front.protocol, backend=address) for address, _ in before - after}
            if after and not before:
                self._looks.add(Look(front.protocol, port=front.port))
        for front in old.keys() - fronts.keys():
            del self._behind[front][owner]
            if not self._behind[front]:
                del self._behind[front]
                self._lost.add(front)
        for front, backends in fronts.items():
            self._behind.setdefault(front, {})[owner] = backends
            self._lost.discard(front)
        self._of[owner] = fronts
        if not fronts:
            del self._of[owner]

    def set_taken(self, taken: frozenset[tuple[str, int]], inside: frozenset[tuple[str, int]]) -> None:
        """At which ports the node itself listens, and (`inside`) at loopback: what is sent there is not translated."""
        for protocol, port in (self._taken - taken) | (self._taken_inside - inside):
            if protocol in PROTOCOLS:
                self._looks.add(Look(protocol, port=port))
        self._taken, self._taken_inside = taken, inside

    def looks(self) -> list[Look]:
        """What to look at now; `done` says that it was."""
        whole = {look.protocol for look in self._looks if look == Look(look.protocol)}
        if len(self._looks) > MANY:
            whole = {look.protocol for look in self._looks}
        return sorted({Look(p) for p in whole} | {look for look in self._looks if look.protocol not in whole})

    def done(self) -> None:
        self._looks.clear()
        self._lost.clear()

    def is_stale(self, flow: Flow, is_local: Callable[[bytes], bool]) -> bool:
        """Whether the flow has to be forgotten. `is_local` tells whether an address is this machine's."""
        front = Front(flow.protocol, flow.address, flow.port)
        anywhere = front._replace(address=b"")
        behind = self._behind.get(front)
        named = behind is not None
        if behind is None:
            behind = self._behind.get(anywhere)
        if flow.is_translated:
            if behind is None:  # a front that went just now, or, where pods are behind it, while nobody looked
                return front in self._lost or anywhere in self._lost or self._is_pod(flow.backend[0])
            return not any(flow.backend in each for each in behind.values())
        if behind is None or not any(behind.values()):
            return False
        here = is_local(flow.address)
        if (flow.protocol, flow.port) in (self._taken_inside if is_inside(flow.address) else self._taken):
            return named and not here
        return named or here
