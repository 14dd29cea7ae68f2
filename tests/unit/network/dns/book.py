"""A cluster's objects for the DNS, written down by hand, and questions asked through dnspython."""

from __future__ import annotations

import itertools
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

import dns.flags
import dns.message
import dns.rrset

from longboat.aio.clock import VirtualClock
from longboat.api.view import Meta, View
from longboat.client.informer import Informer, Informers
from longboat.client.interface import Key
from longboat.network.dns import wire
from longboat.network.dns.directory import Directory
from longboat.network.dns.forward import Forwarder
from longboat.network.dns.replies import Replies
from longboat.network.dns.resolver import Resolver
from longboat.network.dns.reverse import Network
from longboat.network.dns.zone import Zone
from longboat.network.views import (
    SERVICE_NAME,
    Endpoint,
    EndpointConditions,
    EndpointPort,
    EndpointSlice,
    Namespace,
    Service,
    ServicePort,
    ServiceSpec,
)

V = TypeVar("V", bound=View)
DOMAIN = wire.labels("cluster.local")
RANGES: list[Network] = []
versions = itertools.count(1)


class Book(Informers):
    """Informers that are told by the test."""

    def __init__(self) -> None:
        super().__init__(None, VirtualClock())  # type: ignore[arg-type]

    def put(self, *objects: View) -> None:
        for obj in objects:
            self._informer(obj)._set(Key(obj.metadata.namespace, obj.metadata.name), obj)

    def remove(self, *objects: View) -> None:
        for obj in objects:
            self._informer(obj)._set(Key(obj.metadata.namespace, obj.metadata.name), None)

    def all_told(self) -> None:
        for informer in self._made.values():
            informer._synced.set()

    def _informer(self, obj: View) -> Informer[Any]:
        return self.of(type(obj))


def meta(name: str, namespace: str = "", **more: Any) -> Meta:
    return Meta(name=name, namespace=namespace, resourceVersion=str(next(versions)), **more)


def namespace(name: str) -> Namespace:
    return Namespace(metadata=meta(name))


def service(name: str, *addresses: str, space: str = "shop", ports: str = "", **spec: Any) -> Service:
    """`ports` is like "http/tcp/80 dns/udp/53 /tcp/81"; no addresses make it headless."""
    ips = list(addresses) or ["None"]
    if spec.get("type") == "ExternalName":
        ips = []
    found = [
        ServicePort(name=n, protocol=p.upper(), port=int(number))
        for n, p, number in (port.split("/") for port in ports.split())
    ]
    inner = ServiceSpec(clusterIP=ips[0] if ips else "", clusterIPs=ips, ports=found, **spec)
    return Service(metadata=meta(name, space), spec=inner)


def piece(
    of: str, *endpoints: Endpoint, space: str = "shop", ports: str = "", number: int = 1, family: str = "IPv4"
) -> EndpointSlice:
    found = [
        EndpointPort(name=n, protocol=p.upper(), port=int(number_))
        for n, p, number_ in (port.split("/") for port in ports.split())
    ]
    return EndpointSlice(
        metadata=meta(f"{of}-{family.lower()}-{number}", space, labels={SERVICE_NAME: of}),
        addressType=family,
        endpoints=list(endpoints),
        ports=found,
    )


def endpoint(*addresses: str, hostname: str = "", ready: bool = True) -> Endpoint:
    return Endpoint(addresses=list(addresses), hostname=hostname, conditions=EndpointConditions(ready=ready))


class Desk:
    """A resolver over a book, that dnspython talks to."""

    def __init__(self, *objects: View, ranges: Iterable[Network] = RANGES, upstream: Iterable[str] = ()) -> None:
        self.book, self.replies, self.clock = Book(), Replies(), VirtualClock()
        self.directory = Directory(self.book, DOMAIN, self.replies.drop)
        self.forwarder = Forwarder(self.clock, upstream)
        self.zone = Zone(DOMAIN, self.directory, ["10.96.0.10", "fd96::a"], list(ranges))
        self.resolver = Resolver(
            self.zone, DOMAIN, self.replies, self.forwarder, lambda: self.directory.is_synced
        )  # fmt: skip
        self.book.put(*objects)
        self.book.all_told()

    def send(self, query: dns.message.Message, *, tcp: bool = False) -> dns.message.Message:
        packet = query.to_wire()
        answer = self.resolver.answer_tcp(packet) if tcp else self.resolver.answer(packet)
        assert isinstance(answer, bytes), answer
        found = dns.message.from_wire(answer)
        assert query.is_response(found), f"{query}\n{found}"
        return found

    def ask(self, name: str, kind: str = "A", **options: Any) -> dns.message.Message:
        """Asks twice: the second answer comes from those kept, and must not differ but in its order."""
        tcp = options.pop("tcp", False)
        query = dns.message.make_query(name, kind, **options)
        first, second = self.send(query, tcp=tcp), self.send(query, tcp=tcp)
        assert sorted(lines(first.answer)) == sorted(lines(second.answer)) or first.flags & dns.flags.TC
        assert (first.flags, first.rcode(), len(first.additional)) == (
            second.flags, second.rcode(), len(second.additional),
        )  # fmt: skip
        return first

    def lines(self, name: str, kind: str = "A", **options: Any) -> list[str]:
        return sorted(lines(self.ask(name, kind, **options).answer))


def lines(sets: Iterable[dns.rrset.RRset]) -> list[str]:
    """Records as `name type data`."""
    return [
        f"{rrset.name.to_text()} {dns.rdatatype.to_text(rrset.rdtype)} {item.to_text()}"
        for rrset in sets
        for item in rrset
    ]


def awaited(found: bytes | Coroutine[None, None, bytes] | None) -> Coroutine[None, None, bytes]:
    assert found is not None and not isinstance(found, bytes)
    return found
