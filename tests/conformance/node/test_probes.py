"""Liveness and readiness probes (sig-node)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from conformance.node.pods import Pods, container, is_ready, pod, state
from longboat.machinery.objects import Object
from longboat.node.simulated import notes
from unit.node.build import container as simulated_container
from unit.node.build import pod as simulated_pod
from unit.node.test_pod_workers import Simulated, simulated

pytestmark = pytest.mark.timeout(120)
containers = pytest.mark.containers

DELAY = 3  # seconds
WATCHED = 6.0  # seconds that pods which must not be restarted have to hold, with a probe every second
# A web server whose /healthz goes away while it goes on serving.
WEB = "mkdir -p /www; touch /www/healthz; {} exec httpd -f -p 8080 -h /www"
FAILING = WEB.format("(sleep 4; rm /www/healthz) &")


def probe(**action: Any) -> Object:
    return {**action, "periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 5}


def live(name: str, script: str, **action: Any) -> Object:
    main = container(script, livenessProbe={**probe(**action), "initialDelaySeconds": 2})
    return pod(name, main, restartPolicy="Always")


CAT: Any = {"exec": {"command": ["cat", "/tmp/health"]}}
HTTP: Any = {"httpGet": {"path": "/healthz", "port": 8080}}
START = [
    live("http", WEB.format(""), **HTTP),
    live("exec", "echo ok > /tmp/health; sleep 1000000", **CAT),
    live("tcp", FAILING, tcpSocket={"port": 8080}),
    live("tcp-fails", FAILING, tcpSocket={"port": 8081}),
    live("http-fails", FAILING, **HTTP),
    live("exec-fails", "echo ok > /tmp/health; sleep 4; rm /tmp/health; sleep 1000000", **CAT),
    pod("delayed", container(readinessProbe=probe(exec={"command": ["true"]}) | {"initialDelaySeconds": DELAY}),
        restartPolicy="Always"),
    pod("never-ready", container(readinessProbe=probe(exec={"command": ["false"]})), restartPolicy="Always"),
]  # fmt: skip


@pytest.fixture(scope="module")
def probed(pods: Pods, tools: str) -> Iterator[Pods]:
    """All pods, those that speak gRPC too."""
    server: Any = {"image": tools, "command": ["/health"]}
    for name, port in (("grpc", 8080), ("grpc-fails", 8081)):
        main = container(**server, livenessProbe={**probe(grpc={"port": port}), "initialDelaySeconds": 2})
        pods.create(pod(name, main, restartPolicy="Always"))
    yield pods


def restarted(pods: Pods, name: str) -> None:
    found = pods.until(name, lambda pod: state(pod).get("restartCount"))
    assert state(found)["restartCount"] == 1
    events = pods.events(name)
    assert any(reason == "Unhealthy" and message.startswith("Liveness probe failed") for reason, message in events)
    assert "Killing" in [reason for reason, _ in events]


def not_restarted(pods: Pods, name: str) -> None:
    """Until a while after its start."""
    running = state(pods.until(name, lambda pod: "running" in state(pod).get("state", {})))["state"]["running"]
    since = datetime.fromisoformat(running["startedAt"]).timestamp()
    time.sleep(max(since + WATCHED - time.time(), 0.0))
    found = pods.get(name)
    assert state(found)["restartCount"] == 0 and "running" in state(found)["state"]
    assert is_ready(found)
    assert "Unhealthy" not in [reason for reason, _ in pods.events(name)]


@containers
def test_http_that_fails(probed: Pods) -> None:
    """Conformance: Pod liveness probe, using http endpoint, restart"""
    restarted(probed, "http-fails")


@containers
def test_a_command_that_fails(probed: Pods) -> None:
    """Conformance: Pod liveness probe, using local file, restart"""
    restarted(probed, "exec-fails")


@containers
def test_grpc_that_fails(probed: Pods) -> None:
    """Conformance: Pod liveness probe, using grpc call, failure"""
    restarted(probed, "grpc-fails")


@containers
def test_http_that_succeeds(probed: Pods) -> None:
    """Conformance: Pod liveness probe, using http endpoint, failure"""
    not_restarted(probed, "http")


@containers
def test_a_command_that_succeeds(probed: Pods) -> None:
    """Conformance: Pod liveness probe, using local file, no restart"""
    not_restarted(probed, "exec")


@containers
def test_tcp_that_succeeds(probed: Pods) -> None:
    """Conformance: Pod liveness probe, using tcp socket, no restart"""
    restarted(probed, "tcp-fails")  # where nobody listens
    not_restarted(probed, "tcp")
    address = probed.get("tcp")["status"]["podIP"]
    assert "404 Not Found" in probed.run("http", "wget", "-O", "-", f"http://{address}:8080/healthz").err


@containers
def test_grpc_that_succeeds(probed: Pods) -> None:
    """Conformance: Pod liveness probe, using grpc call, success"""
    not_restarted(probed, "grpc")


@containers
def test_readiness_after_a_delay(probed: Pods) -> None:
    """Conformance: Pod readiness probe, with initial delay"""
    found = probed.until("delayed", is_ready)
    (ready,) = [c["lastTransitionTime"] for c in found["status"]["conditions"] if c["type"] == "Ready"]
    started = state(found)["state"]["running"]["startedAt"]
    waited = (datetime.fromisoformat(ready) - datetime.fromisoformat(started)).total_seconds()
    assert DELAY <= waited < DELAY + 10
    assert state(found)["restartCount"] == 0


@containers
def test_readiness_that_never_comes(probed: Pods) -> None:
    """Conformance: Pod readiness probe, failure"""
    found = probed.until("never-ready", lambda pod: "running" in state(pod).get("state", {}))
    since = datetime.fromisoformat(state(found)["state"]["running"]["startedAt"]).timestamp()
    watched = False
    while not watched:
        watched = time.time() >= since + WATCHED  # as it may be at once, after other tests: one look at least
        found = probed.get("never-ready")
        assert not is_ready(found) and not state(found)["ready"] and state(found)["restartCount"] == 0
        time.sleep(0.2)
    told = [message for reason, message in probed.events("never-ready") if reason == "Unhealthy"]
    assert told and told[0].startswith("Readiness probe failed")


def test_restarts_add_up(tmp_path: Path) -> None:
    """Conformance: Pod liveness probe, using http endpoint, multiple restarts (slow)

    The waits between restarts double, to minutes: so on a simulated node, in virtual time.
    """

    async def main() -> None:
        async with simulated(tmp_path) as node:
            await restarts(node)

    asyncio.run(main())


async def restarts(node: Simulated) -> None:
    liveness = {**HTTP, "initialDelaySeconds": 5, "periodSeconds": 10, "failureThreshold": 1}
    server = simulated_container("c", livenessProbe=liveness)
    fails = {"annotations": {notes.FAIL_PROBES: "c"}}
    await node.run(simulated_pod("p", server, metadata=fails, terminationGracePeriodSeconds=1))
    counts = [0]
    for _ in range(400):
        await node.clock.advance(1)
        status = node.statuses.of["p"]["containerStatuses"][0]
        if status["restartCount"] != counts[-1]:
            counts.append(status["restartCount"])
        if counts[-1] == 5:
            break
    assert counts == [0, 1, 2, 3, 4, 5]
    failed = node.told.of("Unhealthy")
    assert len(failed) >= 5 and all(words.startswith("Liveness probe failed") for words in failed)
