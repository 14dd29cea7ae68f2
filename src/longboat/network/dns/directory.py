"""The zone's view of the API: Services, EndpointSlices and namespaces, and which names a change touches.

A change costs as much as the changed object is large. What names it gives is worked out when somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.network.dns import records
from longboat.network.dns.records import Names
from longboat.network.dns.reverse import canonical
from longboat.network.dns.wire import Labels
from longboat.network.views import EndpointSlice, Namespace, Service

Tag = str
"""What an answer rests on: `namespace/service`, a namespace, or an address."""


class Directory:
    """`changed` is told the tags of what has changed."""

    def __init__(self, informers: Informers, domain: Labels, changed: Callable[[Iterable[Tag]], None]) -> None:
        self._services = informers.of(Service)
        self._slices = informers.of(EndpointSlice)
        self._namespaces = informers.of(Namespace)
        self._domain, self._changed = domain, changed
        self._fronts: dict[Key, Names] = {}
        self._pieces: dict[Key, Names] = {}
        self._slices.index("service", lambda piece: [piece.service])
        self._slices.index("address", _addresses)
        self._services.index("address", lambda service: map(canonical, records.addresses(service)))
        self._services.on_change(self._service_changed)
        self._slices.on_change(self._slice_changed)
        self._namespaces.on_change(self._namespace_changed)

    @property
    def is_synced(self) -> bool:
        return self._services.has_synced and self._slices.has_synced and self._namespaces.has_synced

    def has_namespace(self, namespace: str) -> bool:
        return self._namespaces.get(Key("", namespace)) is not None

    def service(self, key: Key) -> Service | None:
        return self._services.get(key)

    def base(self, key: Key) -> Labels:
        """The whole name of a Service."""
        return (key.name.encode(), key.namespace.encode(), b"svc", *self._domain)

    def front(self, key: Key, service: Service) -> Names:
        """The names a Service has from its ClusterIPs."""
        found = self._fronts.get(key)
        if found is None:
            found = self._fronts[key] = records.of_service(service, self.base(key))
        return found

    def pieces(self, key: Key) -> Iterator[Names]:
        """The names a Service has from its endpoints, slice by slice."""
        for piece in self._slices.by_index("service", f"{key.namespace}/{key.name}"):
            own = Key(piece.metadata.namespace, piece.metadata.name)
            found = self._pieces.get(own)
            if found is None:
                found = self._pieces[own] = records.of_slice(piece, self.base(key))
            yield found

    def names_of(self, address: str) -> list[Labels]:
        """What an address is called: a Service by its ClusterIP, or else ready endpoints, by host names first."""
        services = self._services.by_index("address", address)
        if services:
            return [self.base(_key(service)) for service in services]
        found: set[tuple[bool, Labels]] = set()
        for piece in self._slices.by_index("address", address):
            namespace, _, name = piece.service.partition("/")
            if self._services.get(Key(namespace, name)) is None:
                continue
            for endpoint, its in records.ready(piece):
                host = records.hostname(endpoint, its)
                if canonical(its) == address and host is not None:
                    found.add((not endpoint.hostname, (host, *self.base(Key(namespace, name)))))
        return [name for _, name in sorted(found)]

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        for service in (old, new):
            if service is not None:
                key = _key(service)
                self._fronts.pop(key, None)
                self._changed([f"{key.namespace}/{key.name}", *map(canonical, records.addresses(service))])
                if old is None or new is None:  # its endpoints have names only while it is there
                    for piece in self._slices.by_index("service", f"{key.namespace}/{key.name}"):
                        self._changed(_addresses(piece))

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        for piece in (old, new):
            if piece is not None:
                self._pieces.pop(Key(piece.metadata.namespace, piece.metadata.name), None)
                self._changed([piece.service, *_addresses(piece)])

    def _namespace_changed(self, old: Namespace | None, new: Namespace | None) -> None:
        one = old or new
        if one is not None and (old is None or new is None):
            self._changed([one.metadata.name])


def _addresses(piece: EndpointSlice) -> list[str]:
    return [canonical(address) for endpoint in piece.endpoints for address in endpoint.addresses]


def _key(service: Service) -> Key:
    return Key(service.metadata.namespace, service.metadata.name)
