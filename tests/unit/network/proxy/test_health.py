"""What the proxy says of its health, in kube-proxy's words."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from longboat.aio.clock import VirtualClock
from longboat.client.interface import Key
from longboat.network.proxy.health import LATE, ProxyHealth, service_report
from longboat.network.proxy.health_checks import local_endpoints, wanted_port
from longboat.network.views import Endpoint, EndpointConditions, EndpointSlice, Service, ServiceSpec


def said(body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(body)
    return found


def test_a_change_may_wait_for_a_while_but_not_longer() -> None:
    async def main() -> None:
        clock = VirtualClock()
        health = ProxyHealth(clock)
        health.queued()
        await clock.advance(LATE + 1)
        assert health.healthy, "before the first rules are written nobody is late"
        health.updated()
        health.queued()
        await clock.advance(LATE - 1)
        health.queued()
        assert health.healthy
        await clock.advance(1)
        assert not health.healthy, "the oldest change counts"
        health.updated(waiting_since=clock.monotonic())
        assert health.healthy
        await clock.advance(LATE)
        assert not health.healthy, "what came during the last transaction waits since then"

    asyncio.run(main())


def test_the_report() -> None:
    async def main() -> None:
        clock = VirtualClock()
        health = ProxyHealth(clock)
        then = clock.now().isoformat().replace("+00:00", "Z")
        assert said(health.report().body) == {"lastUpdated": then, "currentTime": then, "healthy": True}
        health.updated()
        health.queued()
        await clock.advance(LATE / 2)
        now = clock.now().isoformat().replace("+00:00", "Z")
        each = {"lastUpdated": then, "healthy": True}
        well = {"lastUpdated": now, "currentTime": now, "healthy": True, "status": {"IPv4": each}}
        assert (health.report().status, said(health.report().body)) == (200, well)
        answer = health.report(eligible=False)
        assert (answer.status, said(answer.body)) == (503, {**well, "lastUpdated": then, "nodeEligible": False})
        assert health.report(eligible=True).status == 200
        await clock.advance(LATE / 2)
        late = health.report()
        assert (late.status, said(late.body)["healthy"], said(late.body)["lastUpdated"]) == (503, False, then)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("count", "healthy", "status"), [(2, True, 200), (0, True, 503), (2, False, 503), (0, False, 503)]
)
def test_the_report_on_a_service(count: int, healthy: bool, status: int) -> None:
    answer = service_report(Key("shop", "web"), count, healthy)
    assert answer.status == status
    assert answer.body.decode() == (
        '{\n\t"service": {\n\t\t"namespace": "shop",\n\t\t"name": "web"\n\t},\n'
        f'\t"localEndpoints": {count},\n\t"serviceProxyHealthy": {str(healthy).lower()}\n}}'
    )
    assert answer.content_type == "application/json"
    assert answer.headers == {
        "X-Content-Type-Options": "nosniff",
        "X-Load-Balancing-Endpoint-Weight": str(count),
    }


def endpoint(address: str, node: str = "here", **conditions: bool) -> Endpoint:
    return Endpoint(addresses=[address], nodeName=node, conditions=EndpointConditions(**conditions))


def test_only_ready_endpoints_of_this_node_count_and_each_once() -> None:
    ending = endpoint("10.0.0.3", ready=False, serving=True, terminating=True)
    one = EndpointSlice(addressType="IPv4", endpoints=[endpoint("10.0.0.1"), endpoint("10.0.0.2", "there"), ending])
    again = EndpointSlice(addressType="IPv4", endpoints=[endpoint("10.0.0.1"), endpoint("10.0.0.4")])
    other = EndpointSlice(addressType="IPv6", endpoints=[endpoint("2001:db8::1")])
    assert local_endpoints([one, again, other], "here") == 2
    assert local_endpoints([], "here") == 0


@pytest.mark.parametrize(
    ("kind", "policy", "port"),
    [
        ("LoadBalancer", "Local", 31234),
        ("LoadBalancer", "Cluster", 0),
        ("NodePort", "Local", 0),
        ("ClusterIP", "Cluster", 0),
    ],
)
def test_which_services_have_a_port(kind: str, policy: str, port: int) -> None:
    spec = ServiceSpec(type=kind, externalTrafficPolicy=policy, healthCheckNodePort=31234)
    assert wanted_port(Service(spec=spec)) == port
