"""The health ports of a node: the proxy's own, and one for each load-balanced Service that keeps to local endpoints."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from longboat.aio.clock import Clock
from longboat.aio.http.exchange import Response
from longboat.aio.reconciler import Reconciler
from longboat.client.events import EventRecorder
from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.network.families import FAMILIES
from longboat.network.proxy.health import ProxyHealth, not_found, service_report
from longboat.network.proxy.health_port import HealthPort
from longboat.network.views import EndpointSlice, Node, Service

log = logging.getLogger(__name__)
HEALTHZ = 10256  # kube-proxy's --healthz-bind-address
RETRY = 30.0  # seconds until a port that was in use is tried again
TO_BE_DELETED = "ToBeDeletedByClusterAutoscaler"


def wanted_port(service: Service) -> int:
    """0 where the Service needs no health check (API reference, ServiceSpec v1, healthCheckNodePort)."""
    spec = service.spec
    return spec.healthCheckNodePort if (spec.type, spec.externalTrafficPolicy) == ("LoadBalancer", "Local") else 0


def local_endpoints(slices: Iterable[EndpointSlice], node: str, family: str = "IPv4") -> int:
    """How many are ready on this node; those that are ending do not count, so that balancers turn away in time.

    A pod with addresses of two families counts once: it is looked at in the Service's primary `family`.
    """
    return len(
        {
            endpoint.addresses[0]
            for piece in slices
            if piece.addressType == family
            for endpoint in piece.endpoints
            if endpoint.conditions.ready and endpoint.nodeName == node and endpoint.addresses
        }
    )


class HealthChecks:
    """Run it in the node's network namespace."""

    def __init__(
        self, informers: Informers, clock: Clock, node: str, health: ProxyHealth, events: EventRecorder, own_port: int
    ) -> None:
        self._services = informers.of(Service)
        self._slices = informers.of(EndpointSlice)
        self._nodes = informers.of(Node)
        self._clock, self._node, self._health, self._events = clock, node, health, events
        self._own_port = own_port
        self._hosts = tuple(family.anywhere for family in FAMILIES if family.name in health.families)
        self._own: HealthPort | None = None
        self._open: dict[Key, tuple[int, HealthPort]] = {}
        self._complete = False  # whether every port that should be open is
        self._reconciler = Reconciler(clock, look=RETRY)
        self._slices.index("service", lambda piece: [piece.service])
        self._services.on_change(self._service_changed)

    async def run(self) -> None:
        """Until cancelled; then nobody answers."""
        for informer in (self._services, self._slices, self._nodes):
            await informer.synced()
        try:
            await self._reconciler.run(self._sync, self._look)
        finally:
            ports = [self._own, *(port for _, port in self._open.values())]
            self._own, self._open = None, {}
            for port in ports:
                if port is not None:
                    await port.close()

    async def _look(self) -> bool:
        return not self._complete

    async def _sync(self) -> bool:
        """A port that somebody else has is tried again at the next look, and holds up no other."""
        complete = await self._open_own()
        wanted = {Key(s.metadata.namespace, s.metadata.name): wanted_port(s) for s in self._services.values()}
        for key in [key for key, (number, _) in self._open.items() if wanted.get(key, 0) != number]:
            _, port = self._open.pop(key)
            await port.close()
        for key, number in wanted.items():
            if number and key not in self._open:
                complete = await self._open_for(key, number) and complete
        self._complete = complete
        return True

    async def _open_own(self) -> bool:
        if self._own is not None:
            return True
        port = HealthPort(self._clock, self._say)
        try:
            await port.open(self._own_port, self._hosts)
        except OSError as error:
            log.warning("the Service proxy's health port: %s", error)
            return False
        self._own = port
        return True

    async def _open_for(self, key: Key, number: int) -> bool:
        port = HealthPort(self._clock, lambda _: self._say_of(key))
        try:
            await port.open(number, self._hosts)
        except OSError as error:
            text = f'node {self._node} failed to start healthcheck "{key}" on port {number}: {error}'
            about = {"kind": "Service", "namespace": key.namespace, "name": key.name, "uid": str(key)}
            self._events.event(about, "Warning", "FailedToStartServiceHealthcheck", text, action="Listen")
            log.warning("%s", text)
            return False
        self._open[key] = (number, port)
        return True

    def _say(self, path: str) -> Response:
        if path == "/healthz":
            return self._health.report(self._eligible())
        return self._health.report() if path == "/livez" else not_found()

    def _say_of(self, key: Key) -> Response:
        service = self._services.get(key)
        family = next(iter(service.spec.ipFamilies), "IPv4") if service else "IPv4"
        count = local_endpoints(self._slices.by_index("service", str(key)), self._node, family)
        return service_report(key, count, self._health.healthy)

    def _eligible(self) -> bool:
        """Whether new connections may come here: the node is neither gone nor going."""
        node = self._nodes.get(Key("", self._node))
        if node is None or node.metadata.deletionTimestamp:
            return False
        return all(taint.key != TO_BE_DELETED for taint in node.spec.taints)

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        if (old and wanted_port(old)) != (new and wanted_port(new)):
            self._reconciler.wake()
