"""A webhook that a Service stands for: what is dialled, and what is said where that does not work."""

from __future__ import annotations

import asyncio
import errno
import ssl
from typing import Any

import pytest

from integration.apiserver.test_admission_webhooks import CONFIGURATIONS, MAPS, config_map
from longboat.aio.clock import SystemClock
from longboat.apiserver.admission.webhooks.caller import NO_ROUTE
from longboat.apiserver.dial import Connection, Dialer
from unit.apiserver.harness import Api, play

SERVICES, SLICES = "/api/v1/namespaces/default/services", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
URL = "https://guard.default.svc:8443/judge?timeout=1s"


class Nowhere(Dialer):
    """A machine that has no route to pods: the kernel says so at once (`error`), or nobody answers."""

    def __init__(self, error: int = 0) -> None:
        super().__init__(SystemClock())
        self.error, self.dialled = error, list[tuple[str, int, str | None]]()

    async def open(
        self, host: str, port: int, context: ssl.SSLContext | None = None, *, local: bool = False,
        name: str | None = None,
    ) -> Connection:  # fmt: skip
        assert not local  # a Service never leads to this machine
        self.dialled.append((host, port, name))
        if self.error:
            raise OSError(self.error, "said by the kernel")
        await asyncio.sleep(60)
        raise AssertionError


async def guarded(api: Api, policy: str, *endpoints: Any, ports: Any = ({"name": "tls", "port": 8443},)) -> None:
    spec = {"ports": list(ports), "clusterIP": "None"}
    await api.make(SERVICES, {"metadata": {"name": "guard"}, "spec": spec})
    found = {"metadata": {"name": "guard-1", "labels": {"kubernetes.io/service-name": "guard"}}, "addressType": "IPv4",
             "ports": [{"name": "tls", "port": 9443}], "endpoints": list(endpoints)}  # fmt: skip
    await api.make(SLICES, found)
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    service = {"namespace": "default", "name": "guard", "path": "/judge", "port": 8443}
    hook = {"name": "h.example.com", "clientConfig": {"service": service}, "rules": [rule], "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "timeoutSeconds": 1, "failurePolicy": policy}  # fmt: skip
    await api.make(CONFIGURATIONS.format("validating"), {"metadata": {"name": "c"}, "webhooks": [hook]})


READY = {"addresses": ["10.244.1.7"], "conditions": {"ready": True}}
AWAY = {"addresses": ["10.244.1.8"], "conditions": {"ready": False}}


UNREACHED = [
    (errno.EHOSTUNREACH, "connect: no route to host"),
    (errno.ENETUNREACH, "connect: network is unreachable"),
    (0, "i/o timeout"),
]


@pytest.mark.parametrize(
    ("policy", "code", "error", "says"),
    [*(("Fail", 500, *each) for each in UNREACHED), ("Ignore", 201, *UNREACHED[0])],
)
def test_without_a_route_the_failure_policy_decides_and_says_so(policy: str, code: int, error: int, says: str) -> None:
    async def scene(api: Api) -> None:
        api.server.webhooks.dialer = dialer = Nowhere(error)
        await guarded(api, policy, READY, AWAY)
        found, status = await api.ask("POST", MAPS, config_map())
        assert found == code
        assert dialer.dialled == [("10.244.1.7", 9443, "guard.default.svc")]  # the one that is ready, by its own port
        if code == 500:
            assert status["message"].endswith(f'Post "{URL}": dial tcp 10.244.1.7:9443: {says}{NO_ROUTE}')

    play(scene)


@pytest.mark.parametrize(
    ("endpoints", "ports", "says"),
    [
        ([AWAY], [{"name": "tls", "port": 8443}], 'no endpoints available for service "guard"'),
        ([READY], [{"name": "tls", "port": 443}], 'no service port 8443 found for service "guard"'),
    ],
)
def test_what_a_service_lacks(endpoints: Any, ports: Any, says: str) -> None:
    async def scene(api: Api) -> None:
        await guarded(api, "Fail", *endpoints, ports=ports)
        code, status = await api.ask("POST", MAPS, config_map())
        assert code == 500
        assert status["message"].endswith(f'Post "{URL}": {says}')

    play(scene)
