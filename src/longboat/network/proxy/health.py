"""Whether the node's Service proxy keeps up, and how that is said to those who ask. Pure but for the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from longboat.aio.clock import Clock
from longboat.aio.http.exchange import Response
from longboat.client.interface import Key

LATE = 60.0  # seconds a change may wait for the kernel (upstream: twice the period of full syncs)
NEVER = datetime.min.replace(tzinfo=UTC)
HEADERS = {"X-Content-Type-Options": "nosniff"}


def not_found() -> Response:
    return Response(404, b"404 page not found\n", "text/plain; charset=utf-8", dict(HEADERS))


class ProxyHealth:
    """Healthy while no change has waited too long for the kernel. `families` are those there are rules for."""

    def __init__(self, clock: Clock, families: tuple[str, ...] = ("IPv4",)) -> None:
        self._clock, self.families = clock, families
        self._updated: datetime | None = None
        self._waiting_since: float | None = None

    def queued(self) -> None:
        """Something has changed that the kernel does not know of yet."""
        if self._waiting_since is None:
            self._waiting_since = self._clock.monotonic()

    def updated(self, waiting_since: float | None = None) -> None:
        """The kernel knows everything, but for what came in the meantime."""
        self._waiting_since = waiting_since
        self._updated = self._clock.now()

    @property
    def healthy(self) -> bool:
        late = self._waiting_since is not None and self._clock.monotonic() - self._waiting_since >= LATE
        return self._updated is None or not late

    def report(self, eligible: bool | None = None) -> Response:
        """kube-proxy's answer to /healthz, which says whether new connections should come to this node at all, or
        (None) /livez."""
        healthy, now = self.healthy, self._clock.now()
        well = healthy and eligible is not False
        body: dict[str, Any] = {
            "lastUpdated": _written(now if well else self._updated or NEVER),
            "currentTime": _written(now),
        }
        if eligible is not None:
            body["nodeEligible"] = eligible
        body["healthy"] = healthy
        if self._updated is not None:
            said = {"lastUpdated": _written(self._updated), "healthy": healthy}
            body["status"] = dict.fromkeys(self.families, said)
        return Response(200 if well else 503, msgspec.json.encode(body), headers=dict(HEADERS))


def service_report(service: Key, endpoints: int, healthy: bool) -> Response:
    """What a load balancer is told that looks whether this node has endpoints of a Service (healthCheckNodePort)."""
    body = {
        "service": {"namespace": service.namespace, "name": service.name},
        "localEndpoints": endpoints,
        "serviceProxyHealthy": healthy,
    }
    text = msgspec.json.format(msgspec.json.encode(body), indent=4).replace(b"    ", b"\t")
    headers = {**HEADERS, "X-Load-Balancing-Endpoint-Weight": str(endpoints)}
    return Response(200 if endpoints and healthy else 503, text, headers=headers)


def _written(time: datetime) -> str:
    """As Go writes times in JSON."""
    return time.isoformat().removesuffix("+00:00") + "Z"
